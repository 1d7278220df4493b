/* SPDX-License-Identifier: Apache-2.0
 * index - where the records of a segment are: an entry each 64 KiB, and sums over all.
 *
 * It grows while a segment is written and closes it as its last record. It says nothing that the
 * records do not say: a reader that finds none scans the segment. */
#ifndef SEGLOG_INDEX_H
#define SEGLOG_INDEX_H

#include "seglog/format.h"

struct index_entry { /* of one record */
    uint64_t position, offset;
    uint64_t tick;    /* of the record before it in the segment; 0: none */
    int64_t event_ns; /* largest before it in the segment; INT64_MIN: none */
};

struct index_sums {
    uint64_t records, first_tick, last_tick;
    int64_t first_event_ns, last_event_ns; /* smallest and largest; INT64_MIN: none */
};

struct index { /* index_clear() first */
    struct index_sums sums;
    uint64_t entry_from; /* the first record from this offset on gets an entry */
    size_t n, cap;
    struct index_entry *entries;
};

void index_clear(struct index *index); /* keeps the memory */
void index_fini(struct index *index);
void index_note(struct index *index, const struct record_head *head, uint64_t offset);
/* The record that closes a segment, which begins at offset there; free() it. */
struct record_head *index_record(const struct index *index, uint64_t offset, uint64_t durable);
size_t index_size(const struct index *index); /* of that record */
/* From the end of a closed segment; false: there is none. */
bool index_read(struct index *index, int fd);

/* Where to begin to look for the first record at or after; NULL: at the begin of the segment. */
const struct index_entry *index_find_position(const struct index *index, uint64_t position);
const struct index_entry *index_find_tick(const struct index *index, uint64_t tick);
const struct index_entry *index_find_event(const struct index *index, int64_t event_ns);

#endif
