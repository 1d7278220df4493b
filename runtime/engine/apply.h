/* SPDX-License-Identifier: Apache-2.0
 * apply - another graph in place of the one that runs.
 *
 * A thread of its own takes one request after another: it loads the file, makes the plan
 * (graph/plan.h), refuses what would lose state, and opens every new instance while the old graph
 * runs. Then the sequencer gives a last barrier; when every actor has passed it the edges are empty
 * and the workers leave their loops. The structure (actors, edges, workers) is built again from the
 * new graph around the nodes that live on, and the workers go on. The thread is made with the first
 * request. Where there is a log, DONE means that it has the change and is durable.
 * [graphs-parts: changed, and killed right behind that]
 *
 *      WAITING --> WORKING --plan only--> PLANNED
 *                  WORKING --> DONE
 *                  WORKING --> REFUSED: nothing has changed */
#ifndef ENGINE_APPLY_H
#define ENGINE_APPLY_H

#include "engine/engine.h"

#include <hde/schemas/control.pb-c.h>

enum { APPLY_HISTORY = 64 /* changes that are kept */ };

struct apply_ask {
    const Hde__ControlReload *reload; /* no graph: another build; NULL: a graph */
    const char *path; /* of the graph file; NULL: `graph`, or the one before this one again */
    const struct graph *graph; /* lent until the engine is freed; NULL: none */
    const char *const *sets;
    size_t n_sets;
    bool plans_only, drops_state;
    int64_t timeout_ns; /* for the graph to come to its cut; 0: 10 s */
    struct joint *joint; /* with other engines, or not at all (joint.h); NULL: alone */
    size_t place;        /* among them */
    const char *who;     /* for the history */
    struct share *share; /* of a change that another host leads (agreement.h); NULL: it does not */
    uint64_t undoes; /* a change over hosts that has failed, by whoever has made it; 0: none */
};

/* Any thread. Gives the number of the request; 0 with HDE-R050 where nothing can be changed. */
uint64_t apply_ask(struct engine *engine, const struct apply_ask *ask, struct err *err);
/* Any thread. Newest first; only that number unless it is 0. Free with
 * hde__engine_changes__free_unpacked(). */
Hde__EngineChanges *apply_changes(struct engine *engine, uint64_t number);

/* Sequencing worker, taking a log. The graph that ran from here on, a packed hde.ResolvedGraph. */
bool apply_take(struct engine *engine, const void *resolved, size_t size, struct err *err);
/* False, with err set if that cannot be. */
bool apply_has_failed(struct engine *engine, struct err *err);
/* Behind recovery: if the file of the graph says something else than what runs, that is a
 * change. */
void apply_wanted(struct engine *engine);

/* Of engine_free(): ends the thread, when workers are joined; then, when every node is closed,
 * frees what changes have left. */
void apply_stop(struct engine *engine);
void apply_free(struct engine *engine);

#endif
