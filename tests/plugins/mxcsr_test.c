/* SPDX-License-Identifier: Apache-2.0
 * Loading a plugin leaves the floating-point environment of the thread alone: a shared object that
 * was linked with -ffast-math would set flush-to-zero in its constructor. */
#include "check.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fenv.h>
#include <stdio.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* Masks, rounding, flush-to-zero, denormals-are-zero; the six sticky flags left out. */
static unsigned
control(void)
{
#ifdef __SSE__
    return _mm_getcsr() & ~0x3Fu;
#else
    return (unsigned)fegetround();
#endif
}

static void
test_loading_every_plugin_leaves_the_floating_point_environment_alone(void **state)
{
    static const char *const folders[] = {HDE_BINARY_DIR "/lib/hde/plugins",
                                          HDE_BINARY_DIR "/tests/plugins", HDE_BINARY_DIR "/lib"};
    volatile double tiny = 5e-324;
    unsigned before = control();
    int loaded = 0;

    for (int f = 0; f < 3; f++) {
        DIR *dir = opendir(folders[f]);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
            const char *dot = strrchr(entry->d_name, '.');
            char path[1024];

            if (!dot || strcmp(dot, ".so") != 0)
                continue;
            snprintf(path, sizeof path, "%s/%s", folders[f], entry->d_name);
            if (!dlopen(path, RTLD_NOW | RTLD_LOCAL))
                fail_msg("%s", dlerror());
            if (control() != before)
                fail_msg("%s changes MXCSR from %#x to %#x", path, before, control());
            loaded++;
        }
        if (dir)
            closedir(dir);
    }
    print_message("%d shared objects\n", loaded);
    assert_true(loaded >= 20);
    assert_true(tiny / 1 > 0 && fegetround() == FE_TONEAREST);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loading_every_plugin_leaves_the_floating_point_environment_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
