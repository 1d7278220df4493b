/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_file(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

struct io io = {
    .open = open_file,
    .pread = pread,
    .pwrite = pwrite,
    .fdatasync = fdatasync,
    .fsync = fsync,
    .ftruncate = ftruncate,
    .fallocate = fallocate,
    .rename = rename,
    .unlink = unlink,
    .mkdir = mkdir,
};

bool
io_write(int fd, const void *bytes, size_t size, uint64_t at, size_t *done)
{
    for (*done = 0; *done < size;) {
        ssize_t n =
            io.pwrite(fd, (const char *)bytes + *done, size - *done, (off_t)(at + *done));

        if (n > 0)
            *done += (size_t)n;
        else if (n == 0)
            return errno = EIO, false;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

ssize_t
io_read(int fd, void *bytes, size_t size, uint64_t at)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = io.pread(fd, (char *)bytes + done, size - done, (off_t)(at + done));

        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            break;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

bool
io_sync_folder(const char *path)
{
    int fd = io.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), error;
    bool done;

    if (fd < 0)
        return false;
    done = io.fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    return done;
}

/* The part of the path in front of its last name; "." and "/" for what has none. */
static bool
folder_above(const char *path, char above[PATH_MAX])
{
    size_t len = strlen(path);
    int n;

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    n = len ? snprintf(above, PATH_MAX, "%.*s", (int)len, path) : snprintf(above, PATH_MAX, ".");
    return n < PATH_MAX || (errno = ENAMETOOLONG, false);
}

bool
io_make_folders(const char *path)
{
    char above[PATH_MAX];
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) || (errno = ENOTDIR, false);
    if (errno != ENOENT || !*path || !folder_above(path, above))
        return false;
    if (!io_make_folders(above))
        return false;
    if (io.mkdir(path, 0777) < 0 && errno != EEXIST)
        return false;
    return io_sync_folder(above);
}

bool
io_is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}
