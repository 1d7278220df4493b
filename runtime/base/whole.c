/* SPDX-License-Identifier: Apache-2.0 */
#include "base/whole.h"

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = WHOLE_MAGIC + 8 };

static void
put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t
get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool
sync_parent(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return io_sync_folder(*folder ? folder : "/");
}

static char *
draft_of(const char *path)
{
    return xprintf("%s.part", path);
}

/* Errno survives. */
static void
remove_draft(const char *draft)
{
    int error = errno;

    io.unlink(draft);
    errno = error;
}

static bool
write_all(const char *draft, const uint8_t *bytes, size_t size)
{
    int fd = io.open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), error;
    size_t done;
    bool ok;

    if (fd < 0)
        return false;
    ok = io_write(fd, bytes, size, 0, &done) && io.fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    return ok;
}

bool
whole_draft(const char *path, const char magic[WHOLE_MAGIC], const void *bytes, size_t size)
{
    uint8_t *all = xmalloc(HEADER + size);
    char *draft = draft_of(path);
    bool ok;

    memcpy(all, magic, WHOLE_MAGIC);
    put32(all + WHOLE_MAGIC, (uint32_t)size);
    put32(all + WHOLE_MAGIC + 4, crc32c(0, bytes, size));
    memcpy(all + HEADER, bytes, size);
    ok = write_all(draft, all, HEADER + size);
    if (!ok)
        remove_draft(draft);
    free(draft);
    free(all);
    return ok;
}

bool
whole_commit(const char *path)
{
    char *draft = draft_of(path);
    bool ok = io.rename(draft, path) == 0;

    if (!ok)
        remove_draft(draft);
    free(draft);
    return ok && sync_parent(path);
}

bool
whole_revoke(const char *path)
{
    char *draft = draft_of(path);
    bool ok = io.unlink(draft) == 0 || errno == ENOENT;

    free(draft);
    return ok && sync_parent(path);
}

bool
whole_write(const char *path, const char magic[WHOLE_MAGIC], const void *bytes, size_t size)
{
    return whole_draft(path, magic, bytes, size) && whole_commit(path);
}

uint8_t *
whole_read(const char *path, const char magic[WHOLE_MAGIC], size_t *size)
{
    int fd = io.open(path, O_RDONLY | O_CLOEXEC, 0), error = EBADMSG;
    uint8_t *bytes = NULL;
    struct stat st;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && st.st_size >= HEADER) {
        size_t all = (size_t)st.st_size;
        ssize_t got;

        bytes = xmalloc(all);
        got = io_read(fd, bytes, all, 0);
        if (got < 0)
            error = errno;
        *size = all - HEADER;
        if (got != (ssize_t)all || memcmp(bytes, magic, WHOLE_MAGIC) != 0 ||
            get32(bytes + WHOLE_MAGIC) != *size ||
            get32(bytes + WHOLE_MAGIC + 4) != crc32c(0, bytes + HEADER, *size)) {
            free(bytes);
            bytes = NULL;
        }
    }
    close(fd);
    if (bytes)
        memmove(bytes, bytes + HEADER, *size);
    errno = error;
    return bytes;
}
