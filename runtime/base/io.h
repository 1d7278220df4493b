/* SPDX-License-Identifier: Apache-2.0
 * io - the system calls on files whose failures decide whether data survives.
 *
 * Who must not lose data calls them through this table, so that a test can let the n-th call of
 * each kind fail. A test changes it before it starts threads; nothing else does. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io { /* as the system calls of these names: -1 with errno */
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pread)(int fd, void *bytes, size_t size, off_t at);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t size, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate)(int fd, off_t size);
    int (*fallocate)(int fd, int mode, off_t at, off_t size);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
};

extern struct io io;

/* All bytes, over short writes and signals. *done counts what was written, also when it fails. */
bool io_write(int fd, const void *bytes, size_t size, uint64_t at, size_t *done);
/* Up to size bytes; less only at the end of the file. -1 with errno. */
ssize_t io_read(int fd, void *bytes, size_t size, uint64_t at);
/* What was made, renamed or removed in the folder survives a crash. */
bool io_sync_folder(const char *path);
/* The folder and those above it that are missing, each of them durable. */
bool io_make_folders(const char *path);
/* errno says that there is no room (now): the disk or a quota is full. */
bool io_is_full(int error);

#endif
