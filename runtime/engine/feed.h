/* SPDX-License-Identifier: Apache-2.0
 * feed - dead letters that enter the graph again, each an entry of its own.
 *
 * Such an entry is a barrier with a message: a tick without data that passes every edge, and meets
 * the node that had refused the letter. */
#ifndef ENGINE_FEED_H
#define ENGINE_FEED_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

struct fed;

/* The control thread: a letter on its way to the sequencer. NULL with err: there is no such node,
 * input or message type in this graph, or no barrier reaches the node. */
struct fed *feed_new(struct engine *engine, uint64_t id, const Hde__DeadLetter *letter,
                     struct err *err);
void feed_free(struct fed *fed);
void feed_ask(struct engine *engine, struct fed *fed); /* taken */

/* ---- Sequencer ---------------------------------------------------------------------------- */

void feed_arrived(struct sequencer *sequencer, struct fed *fed); /* posted */
/* The next one, to be given a tick; NULL: none. All sources have ended: they go back to the
 * queue. */
struct fed *feed_next(struct engine *engine);
/* What an entry of the log says. NULL with err. */
struct fed *feed_of_entry(struct engine *engine, const Hde__LogEntry *entry, struct err *err);
/* From here on the actors that pass this tick meet it. Taken. */
void feed_begin(struct engine *engine, struct fed *fed, uint64_t tick);

struct fed_view { /* for the log */
    const struct node *node;
    uint32_t port;
    uint64_t id;
    hde_msg *msg; /* lent */
};
struct fed_view feed_view(const struct fed *fed);

/* ---- Actors: at a barrier ----------------------------------------------------------------- */

void feed_meet(struct actor *actor); /* before the tick runs */
/* It has run, and sinks are safe. False: the tick is no letter's. */
bool feed_pass(struct actor *actor);

void feeder_init(struct feeder *feeder);
void feeder_fini(struct feeder *feeder);

#endif
