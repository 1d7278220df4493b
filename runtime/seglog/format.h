/* SPDX-License-Identifier: Apache-2.0
 * format - a segment file, byte by byte. Numbers are little endian.
 *
 *     00000000000000000001.seg       its first position, so names sort by it
 *         struct segment_head
 *         struct record_head, payload, zeros up to 8 bytes      position 1
 *         struct record_head, payload, zeros                    position 2 ...
 *         struct record_head with position 0, the index         only in a closed segment
 *
 * A record's CRC is over its head behind the CRC and over the payload, not over the zeros. */
#ifndef SEGLOG_FORMAT_H
#define SEGLOG_FORMAT_H

#include "base/crc32c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are what memory is");

#define SEGMENT_MAGIC "hde-seg\n"
enum { SEGMENT_VERSION = 1, RECORD_ALIGN = 8 };

struct segment_head {
    char magic[8]; /* without a NUL */
    uint32_t version;
    uint32_t crc; /* of the whole head with crc = 0 */
    uint64_t first_position;
    int64_t created_ns;  /* since 1970 UTC */
    uint64_t tick_before; /* of the last record before this segment; 0: none */
    int64_t event_before; /* largest event time before this segment; INT64_MIN: none */
};

struct record_head {
    uint32_t crc;
    uint32_t size;     /* of the payload */
    uint64_t position; /* 0: the index */
    uint64_t tick;
    int64_t event_ns;
    uint32_t kind;
    uint32_t lag; /* position - lag was durable when this was appended; UINT32_MAX: not known */
};

_Static_assert(sizeof(struct segment_head) == 48 && sizeof(struct record_head) == 40,
               "no holes, records begin at multiples of 8");

/* With head and zeros. */
static inline uint64_t
record_whole(uint32_t size)
{
    return (sizeof(struct record_head) + (uint64_t)size + RECORD_ALIGN - 1) &
           ~(uint64_t)(RECORD_ALIGN - 1);
}

/* Of a head with its payload behind it. */
static inline uint32_t
record_crc(const struct record_head *head)
{
    return crc32c(0, &head->size,
                  sizeof *head - offsetof(struct record_head, size) + head->size);
}

/* The position up to which all was durable when this record (or index) was made; 0: not known. An
 * index keeps it in place of a tick. */
static inline uint64_t
record_durable(const struct record_head *head)
{
    if (!head->position)
        return head->tick;
    return head->lag == UINT32_MAX || head->lag > head->position ? 0 : head->position - head->lag;
}

#endif
