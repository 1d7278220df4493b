/* SPDX-License-Identifier: Apache-2.0
 * whole - small files that are there as a whole or not at all, with a checksum.
 *
 * A file is 8 bytes of magic, size, CRC32C (little endian) and the bytes. It is written under
 * another name, synced and renamed, so that a crash leaves the old one or the new one. Any thread,
 * one at a time a file. */
#ifndef BASE_WHOLE_H
#define BASE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHOLE_MAGIC = 8 };

/* False with errno: the old file is still there. */
bool whole_write(const char *path, const char magic[WHOLE_MAGIC], const void *bytes, size_t size);
/* Its two halves: the new file is safe under another name; it takes the place of the old one. */
bool whole_draft(const char *path, const char magic[WHOLE_MAGIC], const void *bytes, size_t size);
bool whole_commit(const char *path);
/* Whoever has drafted it, also another process, cannot commit it any more: ENOENT. False with errno:
 * nobody knows. */
bool whole_revoke(const char *path);
/* Malloc'ed bytes; NULL with errno: ENOENT, EBADMSG where it is not whole or not ours, ... */
uint8_t *whole_read(const char *path, const char magic[WHOLE_MAGIC], size_t *size);

#endif
