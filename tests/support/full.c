/* SPDX-License-Identifier: Apache-2.0
 * full - preloaded: while there is a file of the name HDE_FULL, files whose name ends with .seg,
 * .tmp or .log (a Kafka broker's) get no room, as on a full disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC visibility push(default)

static int
fails(int fd)
{
    const char *flag = getenv("HDE_FULL");
    char link[40], name[1024];
    ssize_t n;

    if (!flag || access(flag, F_OK) < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, name, sizeof name - 1);
    name[n > 0 ? n : 0] = 0;
    errno = ENOSPC;
    return n > 4 && (!strcmp(name + n - 4, ".seg") || !strcmp(name + n - 4, ".tmp") ||
                     !strcmp(name + n - 4, ".log"));
}

ssize_t
write(int fd, const void *bytes, size_t size)
{
    ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

    return fails(fd) ? -1 : next(fd, bytes, size);
}

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    ssize_t (*next)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");

    return fails(fd) ? -1 : next(fd, bytes, size, at);
}

int
fallocate(int fd, int mode, off_t at, off_t size)
{
    int (*next)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate");

    return fails(fd) ? -1 : next(fd, mode, at, size);
}
