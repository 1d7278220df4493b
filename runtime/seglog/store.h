/* SPDX-License-Identifier: Apache-2.0
 * store - the files of a log as its one writer sees them: recovery, writing, closing of segments,
 * retention. No threads here: seglog.c calls it on the log's thread. */
#ifndef SEGLOG_STORE_H
#define SEGLOG_STORE_H

#include "seglog/index.h"
#include "seglog/seglog.h"
#include "seglog/segment.h"

struct stored { /* a segment */
    uint64_t first, bytes;
    uint64_t first_tick; /* 0: it has no records */
    int64_t created_ns;
};

struct store {
    char folder[PATH_MAX];
    uint64_t segment_bytes, keep_bytes, reserve_bytes;
    int64_t keep_ns;
    int folder_fd, lock_fd;

    int fd; /* of the last segment */
    struct segment_head head;
    struct index index;
    uint64_t offset;    /* behind its last whole record */
    uint64_t allocated; /* blocks are there up to this offset; UINT64_MAX: nobody knows */
    uint64_t limit;     /* close it from this offset on */
    bool closed;        /* its index is written: the next one has to begin */
    bool dirty;         /* not synced */
    uint64_t position;  /* of the next record */
    uint64_t durable;

    int next_fd; /* -1; the next segment, not renamed yet */
    struct segment_head next_head;
    uint64_t next_allocated;

    size_t n, cap;
    uint64_t closed_bytes; /* of all but the last */
    struct stored *segments; /* the last one is the one that is written; its bytes are 0 */
};

enum store_result {
    STORE_DONE,
    STORE_FULL,   /* no room now; all is as it was, or some whole records further */
    STORE_BROKEN, /* with err */
};

/* False with err; nothing is left open. */
bool store_open(struct store *store, const char *folder, const struct seglog_options *options,
                struct seglog_report *report, struct err *err);
void store_close(struct store *store);

/* Sees to blocks for what waits, for the reserve, and for what may come before the next call.
 * STORE_FULL: for less than that. */
enum store_result store_room(struct store *store, uint64_t waiting, struct err *err);
/* Whole records in memory, in order. *done bytes of them are written, also when it fails. */
enum store_result store_write(struct store *store, const uint8_t *records, size_t size,
                              size_t *done, struct err *err);
/* Then durable is the last position written. */
enum store_result store_sync(struct store *store, struct err *err);
/* Removes segments that end before `need`, as the options say. */
enum store_result store_retain(struct store *store, uint64_t need, struct err *err);
uint64_t store_first(const struct store *store); /* position */
uint64_t store_bytes(const struct store *store);
uint64_t store_last_tick(const struct store *store);

#endif
