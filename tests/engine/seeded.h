/* SPDX-License-Identifier: Apache-2.0
 * seeded - random graphs for tests under the seeded scheduler (engine/steps.h): sources that go
 * back, operators whose results depend on the order of all they saw, sinks with a mark whose store
 * outlives the engine. */
#ifndef ENGINE_SEEDED_H
#define ENGINE_SEEDED_H

#include "engine/engine.h"
#include "engine/steps.h"
#include "plan.h"

#include <hde/text.h>

enum {
    SOURCES = 3,
    FOLDS = 6,
    SINKS = 5,           /* fed by the sources themselves: the last one, the witness, by all; */
    SEEN = SINKS - 2,    /* by one over an edge that drops; */
    ANSWERS = SINKS - 3, /* by one through an operator that asks outside */
    STEPS_MAX = 200000,  /* of one start; far more than any needs */
};

/* A folder of the test and what is in it: checkpoint store, its log, a copy of that. */
extern char seeded_store[], seeded_log[], seeded_kept[], seeded_copies[];
int seeded_begin(void **state); /* group set-up and tear-down of cmocka */
int seeded_end(void **state);
void seeded_clear(void); /* an empty store */
void folder_copy(const char *from, const char *to);

/* Source: `count` messages, up to `per_poll` a call, sequence numbers from `first`. */
struct feed {
    int64_t count, per_poll, first, at, polls, silent_every;
};

/* The value becomes a number that depends on all that came before, in its order; each message comes
 * out 1 + more times, and every 7 ns of event time one of its own. */
struct fold {
    int64_t more, drop_every;
    uint64_t sum, seen;
};

/* What a sink has in store: it outlives the engine; lines and mark change together. */
struct store {
    hde_text lines;
    uint64_t mark;
};

struct spec {
    uint32_t n_sources, n_folds, n_sinks;
    struct feed feed[SOURCES];
    bool feed_blocks[SOURCES];
    struct {
        struct fold fold;
        bool boundary, blocks;
        uint32_t n_inputs, from[2]; /* a node before it */
    } fold[FOLDS];
    struct {
        bool boundary, blocks;
        int64_t busy_every;
        uint32_t n_inputs, from[2];
    } sink[SINKS];
    int64_t capacity[32], workers, every_ns;
    enum { DROPS_NONE, DROPS_LATEST, DROPS_OLDEST } drops; /* s0 -> newest -> late -> seen */
    bool is_cut;                                           /* between s0 and newest */
    enum { ASKS_NOT, ASKS, ASKS_LATER } asks;              /* s0 -> asks -> answers */
    bool asks_apart;
    bool reloads; /* folds have a build id, and go on as the build that the log names */
};

void spec_make(struct spec *spec, struct steps *random);
struct plan *spec_plan(const struct spec *spec, struct store *store); /* SINKS of them */
void stores_free(struct store *store);

const char *seeded_build(int version); /* of the folds: 1 is the graph's, 2 is another */
struct engine *seeded_start(struct plan *plan, const struct engine_options *options);
/* An engine that keeps its log and epochs in the folder. */
struct engine *seeded_start_kept(struct plan *plan, const struct spec *spec, struct steps *steps);
/* Every message of every source has come out once, in order. */
void assert_witness(const struct spec *spec, const struct store *store);
/* What was asked outside was answered once; where it is answered at once, in order. */
void assert_answers(const struct spec *spec, const struct store *store);
/* What came over an edge that drops came once, in order, and the newest came. */
void assert_seen(const struct spec *spec, const struct store *store);
/* The log alone, in one thread and without edges, gives the stores again, byte by byte. */
void assert_replays(const struct spec *spec, const struct store *store);

#endif
