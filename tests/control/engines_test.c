/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "control/engines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int
make_folder(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/hde-engines-test.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    return setenv("XDG_RUNTIME_DIR", folder, 1);
}

static int
remove_folder(void **state)
{
    char path[100];

    snprintf(path, sizeof path, "%s/hde", folder);
    chmod(path, 0700);
    rmdir(path);
    return rmdir(folder);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
an_engine_is_listed_until_it_is_removed(void **state)
{
    struct arena arena = {0};
    struct engine_entry entry, *list;
    struct err err = {0};
    struct stat st;

    assert_true(engines_prepare("mar ket/1", "graph.yaml", NULL, &arena, &entry, &err));
    assert_string_equal(err.code, "");
    assert_int_equal(entry.pid, getpid());
    assert_true(entry.born > 0);
    assert_non_null(strstr(entry.endpoint, "/hde/mar-ket-1-"));
    assert_true(engines_add(&entry, &err));
    assert_int_equal(engines_list(&arena, &list), 1);
    assert_string_equal(list[0].graph, "mar ket/1");
    assert_string_equal(list[0].endpoint, entry.endpoint);
    assert_string_equal(list[0].stats, entry.stats);
    assert_int_equal(list[0].born, entry.born);
    assert_int_equal(stat(entry.endpoint + strlen("ipc://") - 0, &st), -1); /* nobody listens */
    engines_remove(&entry);
    assert_int_equal(engines_list(&arena, &list), 0);
    arena_fini(&arena);
}

static void
what_a_dead_process_left_is_cleaned_up(void **state)
{
    struct arena arena = {0};
    struct engine_entry entry, *list;
    struct err err = {0};
    const char *socket;

    assert_true(engines_prepare("dead", "graph.yaml", NULL, &arena, &entry, &err));
    entry.born++; /* a process of this number lives, but it is another one */
    assert_true(engines_add(&entry, &err));
    socket = entry.endpoint + strlen("ipc://");
    write_file(socket, "");
    write_file(entry.stats, "");
    assert_int_equal(engines_list(&arena, &list), 0);
    assert_int_equal(access(socket, F_OK), -1);
    assert_int_equal(access(entry.stats, F_OK), -1);
    arena_fini(&arena);
}

static void
a_damaged_entry_is_left_out(void **state)
{
    static const char *const texts[] = {"", "\n\n", "graph", "graph x\npid 1\n", "pid -3\n"};
    struct arena arena = {0};
    struct engine_entry *list;
    char path[200];

    snprintf(path, sizeof path, "%s/hde", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/hde/broken-1.engine", folder);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(path, texts[i]);
        assert_int_equal(engines_list(&arena, &list), 0);
    }
    unlink(path);
    arena_fini(&arena);
}

static void
a_folder_that_others_may_enter_is_closed_or_refused(void **state)
{
    struct arena arena = {0};
    struct engine_entry entry;
    struct err err = {0};
    char path[100];
    struct stat st;

    snprintf(path, sizeof path, "%s/hde", folder);
    mkdir(path, 0700);
    assert_int_equal(chmod(path, 0755), 0);
    assert_true(engines_prepare("g", "g.yaml", NULL, &arena, &entry, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_false(engines_prepare("g", "g.yaml", NULL, &arena, &entry, &err));
    assert_string_equal(err.code, "HDE-C016");
    assert_non_null(strstr(err.text, path));
    unlink(path);
    arena_fini(&arena);
}

static void
a_socket_path_that_is_too_long_is_refused_with_the_way_out(void **state)
{
    struct arena arena = {0};
    struct engine_entry entry;
    struct err err = {0};
    char path[200];

    snprintf(path, sizeof path, "%s/%0100d", folder, 0);
    assert_int_equal(mkdir(path, 0700), 0);
    setenv("XDG_RUNTIME_DIR", path, 1);
    assert_false(engines_prepare("g", "g.yaml", NULL, &arena, &entry, &err));
    assert_non_null(strstr(err.text, "--control"));
    assert_true(engines_prepare("g", "g.yaml", "ipc:///tmp/x", &arena, &entry, &err));
    assert_string_equal(entry.endpoint, "ipc:///tmp/x");
    setenv("XDG_RUNTIME_DIR", folder, 1);
    rmdir(arena_printf(&arena, "%s/hde", path));
    assert_int_equal(rmdir(path), 0);
    arena_fini(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_is_listed_until_it_is_removed),
        cmocka_unit_test(what_a_dead_process_left_is_cleaned_up),
        cmocka_unit_test(a_damaged_entry_is_left_out),
        cmocka_unit_test(a_folder_that_others_may_enter_is_closed_or_refused),
        cmocka_unit_test(a_socket_path_that_is_too_long_is_refused_with_the_way_out),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
