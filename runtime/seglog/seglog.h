/* SPDX-License-Identifier: Apache-2.0
 * seglog - an append-only log in segment files, with a CRC a record, group fsync, an index and
 * retention: the ingress log of a part, and the journal of links that spill.
 *
 * One process appends to a folder (it holds a lock there); any number read it meanwhile. One thread
 * calls seglog_append(); a thread of the log writes and syncs. */
#ifndef SEGLOG_SEGLOG_H
#define SEGLOG_SEGLOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a record is found by. Positions grow by one a record, ticks and event times need not be
 * known to the log: ticks never fall, event times may. */
struct seglog_key {
    uint64_t position; /* of the record, from 1; given by append */
    uint64_t tick;
    int64_t event_ns; /* INT64_MIN: none */
    uint32_t kind;    /* the caller's */
};

struct seglog_options {
    uint64_t segment_bytes; /* a new file after that; 0: 64 MiB */
    int64_t sync_ns;        /* fsync at the latest so long after an append; 0: 5 ms */
    uint64_t sync_bytes;    /* or when so many bytes wait; 0: 1 MiB */
    uint64_t keep_bytes;    /* retention, as far as seglog_need() allows; 0: no bound, 1: no more
                               than is needed */
    int64_t keep_ns;        /* by wall-clock age of a segment; 0: no bound */
    uint64_t reserve_bytes; /* blocks for records that must go in when the disk is full; none on a
                               file system without fallocate(2) */
    /* Called on the log's thread after durable has grown, after segments were retired, after room
     * came back or went, and when the log broke. No calls of seglog_append() or seglog_close() from
     * here. */
    void (*moved)(void *arg);
    void *arg;
};

/* What opening found. */
struct seglog_report {
    uint64_t records, segments;
    uint64_t cut_bytes; /* of a torn tail that was cut off; 0: none */
    char cut_where[256]; /* file in the folder, and offset */
};

struct seglog;

#define SEGLOG_SIZE_MAX (1u << 30) /* of a record; a larger one stops the process */

/* Makes the folder if there is none. Cuts a torn tail and says so in *report (may be NULL). NULL
 * with err (HDE-L...): another process has it, it cannot be read or written, damaged before its
 * tail. The last segment is read for that; closed ones answer for themselves by their index, what
 * is damaged inside of them is found by who reads them. */
struct seglog *seglog_open(const char *folder, const struct seglog_options *options,
                           struct seglog_report *report, struct err *err);
void seglog_close(struct seglog *log); /* writes and syncs what is left */

/* Copies the record; key->position is set. False: the disk is full (seglog_is_full()) or broken
 * (seglog_error()), and nothing was taken; `urgent` records may use the reserve. Never waits for
 * the disk, unless more than 64 MiB wait to be written. */
bool seglog_append(struct seglog *log, struct seglog_key *key, const void *bytes, size_t size,
                   bool urgent);

/* Any thread. Positions up to the result survive a crash. */
uint64_t seglog_durable(const struct seglog *log);
/* Syncs up to there now, or when it is appended, not by the timer. */
void seglog_want(struct seglog *log, uint64_t position);
/* The same and waits for it. False: not in time, or broken. For cold paths and tests. */
bool seglog_wait(struct seglog *log, uint64_t position, int timeout_ms);
bool seglog_is_full(const struct seglog *log); /* no room now; goes away by itself */
bool seglog_error(const struct seglog *log, struct err *err); /* true: broken, with the reason */
uint64_t seglog_last(const struct seglog *log); /* position appended last */
uint64_t seglog_first(const struct seglog *log);
struct seglog_facts {
    uint64_t segments, bytes;
    uint64_t first_tick; /* that is kept; 0: none */
    uint64_t last_tick;  /* that is written */
    int64_t synced_ns;   /* monotonic clock: since when what was written then is durable */
};
void seglog_facts(const struct seglog *log, struct seglog_facts *out); /* any thread */
/* Records from this position on are still needed: retention stops before it. Until the first call
 * all are; UINT64_MAX: none is. Segments go as a whole, the last one never. */
void seglog_need(struct seglog *log, uint64_t position);

/* Removes all records of a folder that nobody has open; none there is no error. */
bool seglog_clear(const char *folder, struct err *err);

/* ---- Reading: any process, also while another appends -------------------------------------- */

struct seglog_reader;

struct seglog_record {
    struct seglog_key key;
    const uint8_t *bytes; /* valid until the next call */
    size_t size;
};

enum seglog_next { SEGLOG_RECORD, SEGLOG_END, SEGLOG_DAMAGED };

struct seglog_reader *seglog_reader_open(const char *folder, struct err *err);
void seglog_reader_close(struct seglog_reader *reader);
/* The first record at or after; false: none, the next call gives SEGLOG_END. Damage on the way
 * there is true as well: the next call gives SEGLOG_DAMAGED. */
bool seglog_seek_position(struct seglog_reader *reader, uint64_t position);
bool seglog_seek_tick(struct seglog_reader *reader, uint64_t tick);
bool seglog_seek_event(struct seglog_reader *reader, int64_t event_ns); /* first with event >= */
/* SEGLOG_END: nothing behind the last whole record now; a later call may give more. DAMAGED: err
 * names file and offset; the call after that goes on with the next segment. */
enum seglog_next seglog_next(struct seglog_reader *reader, struct seglog_record *out,
                             struct err *err);

/* Segments for `hde log ls`. */
struct seglog_segment {
    char name[64];
    uint64_t first_position, records, first_tick, last_tick, bytes;
    int64_t first_event_ns, last_event_ns; /* smallest and largest; INT64_MIN: none */
    bool torn;            /* what is behind the last whole record is not one */
    uint64_t whole_bytes; /* up to there */
};
/* How many there are; the first `max` of them in out. 0 with err, or because there are none. */
size_t seglog_segments(const char *folder, struct seglog_segment *out, size_t max, struct err *err);

#endif
