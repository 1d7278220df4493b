/* SPDX-License-Identifier: Apache-2.0
 * reload - another build of an operator for the nodes that run it, while the graph runs.
 *
 * With an ingress log the swap is an entry of it (swaps.h), and taking the log makes it again.
 *
 * A thread of its own takes one request after another: it stages the file (plugin/stage.h), tries
 * it in a child (trial.h), checks that it fits, makes and opens the new instances, and has each
 * node swapped on its own thread (swap.h). Either all nodes that are meant run the new build
 * afterwards or all run what they ran before. The thread is made with the first request.
 *
 *      WAITING --a newer request for the same target--> SUPERSEDED
 *      WAITING --> WORKING --> PROBATION --time, or another reload--> DONE
 *                              PROBATION --an error--> RETURNED: the old build runs again
 *                  WORKING --> REFUSED: nothing has changed */
#ifndef ENGINE_RELOAD_H
#define ENGINE_RELOAD_H

#include "engine/engine.h"

#include <hde/schemas/control.pb-c.h>

#define RELOAD_PROBATION_NS (60LL * 1000 * 1000 * 1000) /* where nobody says another one */

enum {
    RELOAD_HISTORY = 64, /* reports that are kept */
    RELOAD_TARGET = 128,
    RELOAD_FILE = 1024,
    RELOAD_BUILD = 80,
};

enum reload_state {
    RELOAD_WAITING,
    RELOAD_WORKING,
    RELOAD_PROBATION,
    RELOAD_DONE,
    RELOAD_RETURNED,
    RELOAD_REFUSED,
    RELOAD_SUPERSEDED,
};

/* What became of the state of the old build. */
enum reload_kept {
    RELOAD_KEPT_NONE, /* there was none to keep: the old build has no save() */
    RELOAD_KEPT,
    RELOAD_DROPPED, /* as asked for */
};

struct reload_ask {
    const char *target; /* a node, or an operator: all nodes that run it */
    const char *file;   /* NULL: the file that they were loaded from */
    bool drops_state;   /* may lose state that the old build could save */
    bool skips_trial;   /* does not run in a child first */
    int64_t shadow_ns;  /* runs beside the old build so long, and must agree; 0: does not */
    double tolerance;   /* of its outputs (shadow.h) */
    bool is_forced;     /* also a build that is blocked, which it is no more then */
    int64_t probation_ns; /* the old build comes back at errors; 0: none */
    int64_t budget_ns;  /* for saving and loading one state; 0: 50 ms */
    struct joint *joint; /* with other engines, or not at all (joint.h); NULL: alone */
};

struct reload_report {
    uint64_t number; /* of the request, from 1 */
    enum reload_state state;
    char target[RELOAD_TARGET], file[RELOAD_FILE];
    char old_build[RELOAD_BUILD], new_build[RELOAD_BUILD];
    uint32_t nodes; /* instances that were swapped */
    int64_t asked_ns, ended_ns; /* wall clock; 0: not yet */
    int64_t until_ns;           /* PROBATION: wall clock */
    int64_t pause_ns;           /* the longest that one of them stood still */
    enum reload_kept kept;
    uint64_t state_bytes; /* packed, of all of them */
    uint64_t compared;    /* messages, by a shadow */
    char retired[200];    /* "unloaded", or "kept mapped: why" */
    struct err err;       /* RETURNED, REFUSED, SUPERSEDED */
};

/* What a request says. */
struct reload_ask reload_ask_of(const Hde__ControlReload *said);
int64_t reload_timeout_ns(const Hde__ControlReload *said); /* until all that reload it are ready */
/* Any thread. Gives the number of the request; 0 with HDE-R030 where nothing can be reloaded. */
uint64_t reload_ask(struct engine *engine, const struct reload_ask *ask, struct err *err);
/* Any thread. Newest first, at most max; only that number unless it is 0. */
size_t reload_reports(struct engine *engine, uint64_t number, struct reload_report *out,
                      size_t max);
/* Any thread. The builds that are not loaded any more; texts live in arena. */
struct blocked;
size_t reload_blocked(struct engine *engine, struct arena *arena, const struct blocked **out);
const char *reload_state_name(enum reload_state state);

struct swap_cut;
struct Hde__LogEntry;
/* Sequencing worker, taking a log: the swap that the entry tells of, prepared by the reload thread
 * as it was then, which clears up after it too. NULL: not yet, ask again with the same entry when
 * woken; or never, with err. */
struct swap_cut *reload_take(struct engine *engine, const struct Hde__LogEntry *entry,
                             struct err *err);
/* With engine->changing held: whether an old build is kept for a probation. */
bool reload_is_on_probation(const struct engine *engine);
/* A closed node goes, and with it what a reload has put into it. */
struct node;
void reload_forget(struct node *node);

/* Of engine_free(): ends the thread, once the engine has ended; then, when every node is closed,
 * frees what reloads have left. */
void reload_stop(struct engine *engine);
void reload_free(struct engine *engine);

#endif
