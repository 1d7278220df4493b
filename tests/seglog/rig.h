/* SPDX-License-Identifier: Apache-2.0
 * rig - a folder for a log, and records that follow from their position. */
#ifndef SEGLOG_RIG_H
#define SEGLOG_RIG_H

#include "seglog/seglog.h"

enum { RIG_PAYLOAD_MAX = 300 };

struct rig {
    char folder[64]; /* of the log; not made yet */
    uint64_t seed;   /* of draw() */
};

/* The seed is HDE_SEED or the time, and printed. in_memory: not on a disk, where there is such a
 * place. */
void rig_init(struct rig *rig, bool in_memory);
void rig_fini(struct rig *rig); /* removes the folder */
void rig_empty(struct rig *rig); /* removes what is in it */
uint64_t rig_draw(struct rig *rig, uint64_t n); /* 0 .. n-1 */

/* What the record at a position is. Ticks stay the same for some records, event times fall now and
 * then, every 13th record has none. */
void rig_record(uint64_t position, struct seglog_key *key, uint8_t payload[RIG_PAYLOAD_MAX],
                size_t *size);
/* Fails the test with the error's text. */
struct seglog *rig_open(const struct rig *rig, const struct seglog_options *options,
                        struct seglog_report *report);
/* False: refused. */
bool rig_append(struct seglog *log, bool urgent);
void rig_append_all(struct seglog *log, uint64_t n); /* fails the test if refused */
void rig_sync(struct seglog *log); /* waits until all is durable */

/* Whether the record is what its position says. */
bool rig_is_right(const struct seglog_record *record);
/* Reads from the first to the last and checks that they are right, without a gap or damage. The
 * last position, 0: none. */
uint64_t rig_check(const struct rig *rig, uint64_t first);

/* The segments of the folder, by file name, in order. */
struct rig_file {
    char path[128];
    uint64_t size;
};
size_t rig_files(const struct rig *rig, struct rig_file *files, size_t max);
uint8_t *rig_load(const struct rig_file *file);
void rig_save(const struct rig_file *file, const uint8_t *bytes, uint64_t size);
void rig_flip(const struct rig_file *file, uint64_t at); /* one bit of a byte */

#endif
