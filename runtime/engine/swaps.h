/* SPDX-License-Identifier: Apache-2.0
 * swaps - swaps as entries of the ingress log, so that recovery and replay run the builds that ran.
 *
 *  (1) A swap gets a tick of its own, which travels every edge as a barrier does. Each node that it
 *      names changes over when its actor comes to that tick: behind all ticks before it, in front
 *      of all behind it, whatever the placement. [test_a_recorded_reload_is_given_again]
 *  (2) Its entry names build, file and checksum, and the file is kept beside the log before that
 *      (builds.h). An epoch follows at once (E5).
 *  (3) Going back is a decision about an earlier tick: an entry that names the place. It is durable
 *      before the actor goes on (L3). [test_a_return_in_the_middle_of_a_tick_is_given_again]
 *  (4) Taking a log, decisions are read before anything runs. One cut is under way at a time.
 *  (5) Sources and views that no barrier reaches are outside of this: they are swapped on their own
 *      thread, and the entry only notes it. Recovery opens the last build that the log names.
 *  (6) Recovery begins with the builds of the epoch, or of the start that the log begins with.
 *      [test_recovery_runs_the_build_that_ran]
 *
 *  (7) A crash while a swap is young (its probation, at least a minute) takes it back: the start
 *      after it reads the note that the crash has left (last_words.h), blocks the build and voids
 *      the swap durably, and only then deletes the epochs from the swap on; recovery begins before
 *      it, with the build from before. The epoch before a young swap is kept for that. What sinks
 *      have committed since stays, their marks hold. [tests/control/supervise.sh]
 *
 *      asked --credit--> given: tick, entry --every actor of its nodes--> passed */
#ifndef ENGINE_SWAPS_H
#define ENGINE_SWAPS_H

#include "engine/builds.h"
#include "engine/swap.h"

#include <hde/schemas/runtime.pb-c.h>

/* What happens in one tick: a swap, or, when a log is taken, the tick of a return. */
struct swap_cut {
    struct swap *swaps; /* of nodes in order; others are only named */
    uint32_t n;
    struct actor *returns; /* RETURN: it has gone back when it has passed; otherwise NULL */
    const char *target;
    struct build build;
    const char *const *nodes; /* names */
    size_t n_nodes;
    bool drops_state;
    int64_t open_ns, probation_ns;
    int64_t young_until_ns; /* wall clock */
    void (*done)(void *arg); /* on the thread that passes last; may be NULL */
    void *arg;

    uint64_t tick, position;   /* out */
    bool is_claimed, is_done;  /* out */
    _Atomic uint32_t waits;
};

/* A decision that is to become an entry. Lives as long as the engine. */
struct decision {
    struct decision *next, *queued;
    const struct node *node;
    uint64_t swap; /* tick; 0: the message at that place is put aside (retain.h) */
    struct swap_place place;
    char event[64], text[300]; /* why */
    _Atomic uint64_t tick; /* of its own entry; 0: not yet */
};

struct swaps;

/* Until when a swap is young that was made at that time. */
int64_t swaps_young_until(int64_t time_ns, int64_t probation_ns);
/* Any thread. The tick of the oldest young swap; UINT64_MAX: none is. */
uint64_t swaps_young(struct swaps *self);

/* With a log: opens the catalogue of builds, and judges a crash before it is decided where recovery
 * begins. HDE-R042, R045. */
bool swaps_open(struct engine *engine, struct err *err);
/* Before nodes are opened: gives them the builds that the epoch or the log names, and reads the
 * decisions of the log. HDE-R040. */
bool swaps_begin(struct engine *engine, struct err *err);
void swaps_stop(struct swaps *self); /* the workers are gone: nobody waits for them any longer */
void swaps_close(struct swaps *self);
/* Before the entry of a start: keeps the files of the builds that run. HDE-R042. */
bool swaps_keep(struct engine *engine, struct err *err);
/* After it. */
void swaps_started(struct engine *engine);
/* After recovery: where a file on disk is another build by now, that is a change: a reload. */
void swaps_renew(struct engine *engine);

/* Reload thread: has the cut given and waits until it is passed. False with HDE-R030: it was not
 * given, or the engine has ended. */
bool swaps_run(struct engine *engine, struct swap_cut *cut, int64_t timeout_ns, struct err *err);

/* Sequencing worker. */
bool swaps_have_news(const struct swaps *self); /* a cut is asked for, or something was decided */
struct decision *swaps_next_decision(struct swaps *self); /* NULL: none is left */
bool swaps_is_passing(const struct swaps *self);          /* a cut is under way */
struct swap_cut *swaps_claim(struct swaps *self); /* the one that is asked for: it will be given */
/* The cut, whose position is that of its entry, travels as this tick from here on ... */
void swaps_give(struct swaps *self, struct swap_cut *cut, uint64_t tick);
void swaps_given(struct swaps *self, struct swap_cut *cut); /* ... and has been passed on */
/* Taking a log: the cut of a SWAP or RETURN entry; NULL: not now, or err is set. */
struct swap_cut *swaps_take(struct engine *engine, const Hde__LogEntry *entry, struct err *err);
/* Where the log says that the node went back from the swap of that tick. */
bool swaps_place(const struct swaps *self, const struct node *node, uint64_t swap,
                 struct swap_place *out);

/* Worker: the actor has come to a barrier. False: none of its nodes is swapped there. */
bool swaps_pass(struct actor *actor);
/* The node has gone back, or did not take the swap of that tick. Outside of recovery its actor is
 * held until the entry is durable. */
void swaps_decide(struct node *node, uint64_t swap, struct swap_place place);
/* The message at that place is not given to the node: the same. */
void swaps_decide_aside(struct node *node, struct swap_place place, const char *event,
                        const char *text);
/* Whether an actor that is held may go on. */
bool swaps_may_go_on(struct actor *actor);

#endif
