/* SPDX-License-Identifier: Apache-2.0
 * attempt - one reload on its way: what the files of reloads share (reload.h is what others see).
 *
 *   reload.c         requests, the thread, the end     attempt.c       before the swap and after it
 *   reload_report.c  what is told of it                attempt_swap.c  the swap, its probation
 *   reload_taken.c   swaps that a log tells of
 *
 * An attempt belongs to the reload thread, but while it waits in a queue of the reloader, which the
 * lock guards. All functions are the reload thread's, with engine->changing held, unless they say
 * otherwise; false or an error means that attempt->report.err says why. */
#ifndef ENGINE_ATTEMPT_H
#define ENGINE_ATTEMPT_H

#include "base/clock.h"
#include "engine/reload.h"
#include "engine/swaps.h"

#define REACH_NS (10LL * NS_PER_S) /* until a node's thread has to answer */
#define BUSY_NS (20L * NS_PER_MS)  /* until a busy node is asked again */

struct attempt {
    struct attempt *next;
    struct reload_report report;
    bool has_file, drops_state, skips_trial, is_forced;
    bool is_taken; /* from a log: what it tells has been decided */
    struct reloader *owner;
    int64_t budget_ns, probation_ns, shadow_ns;
    double tolerance;
    struct arena arena;
    struct swap_cut cut; /* with an ingress log */
    struct joint *joint; /* NULL: it reloads alone */

    struct stage *stage;
    uint32_t n_swaps, n_swapped;
    bool must_return; /* not all could be swapped */
    int64_t end_ns;   /* of the probation, monotonic */
    struct swap *swaps; /* one for each instance */
};

struct reloader {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t last; /* number given last */
    bool has_news; /* a node has gone back to its old build */
    uint32_t n_queued;
    struct attempt *queue, **tail;
    struct attempt *probations; /* the reload thread's */
    struct attempt *taken;      /* from a log, passed by all their nodes */
    const Hde__LogEntry *entry; /* of a log: to be prepared */
    struct attempt *prepared;   /* of that entry, or why not */
    struct attempt *given;      /* the same, on its way through its nodes */
    struct reload_report history[RELOAD_HISTORY]; /* by number */
    uint32_t n_left;
    struct instance **left; /* their threads did not answer: closed at the end */
};

/* Any thread. Made with the first request; NULL: there is no thread. */
struct reloader *reloader_of(struct engine *engine, struct err *err);

/* ---- attempt.c ---------------------------------------------------------------------------- */

void attempt_free(struct attempt *attempt); /* any thread, with nothing prepared */
/* The nodes that are meant: one swap for each. */
bool attempt_find(struct reloader *self, struct attempt *attempt);
/* Stages the file, tries it in a child, opens it and an instance for each node. */
bool attempt_prepare(struct reloader *self, struct attempt *attempt);
bool attempt_load(struct reloader *self, struct attempt *attempt); /* the last step of that */
void attempt_clean(struct attempt *attempt);     /* what was prepared and not used */
void attempt_discard(struct instance *instance); /* no node has run it; may be NULL */
/* Closes everything but what the nodes run now, each on the thread that ran it. `is_back`: they run
 * the old build again. */
void attempt_retire(struct reloader *self, struct attempt *attempt, bool is_back);

/* ---- attempt_swap.c ----------------------------------------------------------------------- */

/* The new build runs beside the old one for its time; true: they agree. */
bool attempt_shadow(struct reloader *self, struct attempt *attempt);
/* False: not all have changed over, n_swapped have. */
bool attempt_swap(struct attempt *attempt);
void attempt_count(const struct attempt *attempt, bool ok); /* in the metrics of its nodes */
void attempt_sum(struct attempt *attempt);                  /* pauses and states into the report */
/* Tells how it ended, and frees it. */
void attempt_finish(struct reloader *self, struct attempt *attempt, enum reload_state state);

void probation_begin(struct reloader *self, struct attempt *attempt);
/* All nodes keep the new build, or all have the old one again. False: a node was not reached; the
 * attempt waits for another try. */
bool probation_end(struct reloader *self, struct attempt *attempt);
/* Ends the probations whose time is over or that have failed, and those of nodes that `next` (may
 * be NULL) is about. False: one of those could not be ended. */
bool probations_end(struct reloader *self, const struct attempt *next);

/* ---- reload_report.c ---------------------------------------------------------------------- */

void reload_note(struct reloader *self, const struct attempt *attempt); /* into the history */
/* The history outlives the process where there is a log. */
void reload_keep(const struct reloader *self, const struct reload_report *report);
void reload_read(void *reloader, const Hde__KeptReload *kept); /* for builds_each_reload() */
void reload_end(struct attempt *attempt, enum reload_state state);
void reload_log(const struct reloader *self, const struct attempt *attempt);

/* ---- reload_taken.c ----------------------------------------------------------------------- */

void taken_prepare(struct reloader *self); /* what the sequencing worker waits for, if it does */
/* Attempts that their nodes have passed: done, or on probation as they were. */
void taken_adopt(struct reloader *self, struct attempt *taken);
void taken_adopt_passed(struct reloader *self);

#endif
