/* SPDX-License-Identifier: Apache-2.0
 * crc32c - the Castagnoli checksum of iSCSI (RFC 3720, appendix B.4). Any thread. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those of crc; begins with 0. By the CPU's instruction where it has one. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);
/* The same by table on every CPU. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t size);

#endif
