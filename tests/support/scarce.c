/* SPDX-License-Identifier: Apache-2.0
 * scarce - preloaded: the n-th allocation of the process gives NULL (HDE_SCARCE=n). With
 * HDE_SCARCE=0 it tells at the end how many there were, in the file HDE_SCARCE_COUNT. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#pragma GCC visibility push(default)

static _Atomic unsigned long calls;
static unsigned long scarce;

__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("HDE_SCARCE");

    scarce = text ? strtoul(text, NULL, 10) : 0;
}

__attribute__((destructor)) static void
end(void)
{
    const char *path = getenv("HDE_SCARCE_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (file) {
        fprintf(file, "%lu\n", atomic_load(&calls));
        fclose(file);
    }
}

static int
fails(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 != scarce)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}
