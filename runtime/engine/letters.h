/* SPDX-License-Identifier: Apache-2.0
 * letters - what a dead-letter queue holds: the records of its folder, read to an index.
 *
 * The folder is a log (seglog.h) of letters and removals; the id of a letter is its position. The
 * queue itself (dlq.h) appends; any process may read meanwhile. One thread an index. */
#ifndef ENGINE_LETTERS_H
#define ENGINE_LETTERS_H

#include "base/err.h"

#include <hde/schemas/runtime.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LETTER_RECORD = 1, REMOVAL_RECORD = 2 }; /* kinds in the log */

struct letters { /* starts as {0} */
    struct letter_at {
        uint64_t id, bytes; /* of the record */
        int64_t time_ns;    /* processing time of its tick */
        uint32_t mark;      /* index of its node's */
        bool is_gone;
        bool is_away; /* being fed again */
    } *item;          /* by id; those in front of `first` are gone */
    size_t first, n, cap;
    size_t n_live;
    uint64_t live_bytes;

    struct letter_mark { /* the newest letter of a node */
        char *node;
        uint32_t replica, index;
        uint64_t tick;
    } *marks;
    size_t n_marks;
    uint64_t last_removal; /* position; 0: none */
};

/* An empty index for a folder that is not there. False with err: no dead-letter queue, or
 * damaged. */
bool letters_read(struct letters *letters, const char *folder, struct err *err);
void letters_fini(struct letters *letters);
void letters_add(struct letters *letters, const struct letter_at *at);
bool letters_remove(struct letters *letters, uint64_t id); /* false: there is none */
struct letter_at *letters_find(const struct letters *letters, uint64_t id); /* NULL: none */
/* The oldest one that is there, or NULL. */
const struct letter_at *letters_oldest(const struct letters *letters);

/* The index of a node's mark, made if there is none. */
uint32_t letters_mark(struct letters *letters, const char *node, uint32_t replica);

/* Each letter of the index, in order. False with err. */
typedef void letters_each_fn(void *arg, uint64_t id, const Hde__DeadLetter *letter);
bool letters_each(const struct letters *letters, const char *folder, letters_each_fn *each,
                  void *arg, struct err *err);
/* Those of these ids, which the index has. False with err. */
bool letters_pick(const char *folder, const uint64_t *ids, size_t n, letters_each_fn *each,
                  void *arg, struct err *err);
/* One letter; NULL with err: there is none of this id. Freed with
 * hde__dead_letter__free_unpacked(letter, NULL). */
Hde__DeadLetter *letter_read(const char *folder, uint64_t id, struct err *err);

#endif
