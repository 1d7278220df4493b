/* SPDX-License-Identifier: Apache-2.0
 * epoch - completed cuts of a graph in a folder: states, timers, watermarks and source positions at
 * one barrier. */
#ifndef ENGINE_EPOCH_H
#define ENGINE_EPOCH_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

/* The form of all files with saved state (base/whole.h). False with errno. */
bool epoch_write(const char *path, const Hde__Epoch *epoch);
/* NULL: it is not there, not whole, or not ours. */
Hde__Epoch *epoch_read(const char *path);
/* The newest (or oldest) whole epoch in the folder with from <= tick < before; NULL: none. */
Hde__Epoch *epoch_find(const char *folder, uint64_t from, uint64_t before, bool oldest);

/* Opens engine->graph->checkpoint.store and reads the newest whole epoch. */
bool epochs_open(struct engine *engine, struct err *err);
bool epochs_are_restored(const char *store); /* the next start begins with a savepoint */
/* The packed hde.ResolvedGraph of the newest whole epoch of a store; free() it. NULL: none. */
uint8_t *epochs_graph(const char *store, size_t *size, uint64_t *tick);
/* The newest whole one in a store; NULL: none. Freed with hde__epoch__free_unpacked(). */
Hde__Epoch *epochs_newest(const char *store);
/* Waits for an epoch that is being written, not for one that is not confirmed. */
void epochs_close(struct epochs *self);
/* What epochs_open() found, NULL: none. */
const Hde__Epoch *epochs_last(const struct epochs *self);
/* A savepoint that this start is to go on from (savepoint.h), NULL: none. */
const Hde__Epoch *epochs_restored(const struct epochs *self);
/* The log has it. */
void epochs_forget_restored(struct epochs *self);
/* Puts saved state into the opened nodes; engine threads do not run yet. */
bool epochs_restore(struct engine *engine, const Hde__Epoch *epoch, struct err *err);
/* The oldest whole one, NULL: none; free it. */
Hde__Epoch *epochs_oldest(const struct epochs *self);
/* At the start: whether one is left before that tick; deletes those of a range of ticks. */
bool epochs_has_before(const struct epochs *self, uint64_t tick);
void epochs_forget(struct epochs *self, uint64_t from, uint64_t until);

/* Actors that barriers reach. */
bool epochs_reach(const struct actor *actor);
/* What an epoch keeps of a node. The caller frees it; NULL: save() refuses. */
Hde__SavedNode *epochs_saved_node(struct node *node);
/* Puts it into an open node that no worker runs; timers are added to those that it has.
 * HDE-R015. */
bool node_load(struct node *node, const Hde__SavedNode *saved, struct err *err);

/* Sequencer: an epoch begins with the barrier of sequencer.last at that position of the log. One
 * that is still open is abandoned. */
void epochs_begin(struct epochs *self, uint64_t position);
/* Sequencer: begun, and not complete. One that is past its time is abandoned here. */
bool epochs_is_open(struct epochs *self);
/* Worker: the nodes of an actor have passed the barrier: they are saved, and hashed, now. */
void epochs_save(struct actor *actor);
/* Under the seeded scheduler there is no writing thread: whether an epoch waits for it, and its
 * work. */
bool epochs_is_ready(struct epochs *self);
void epochs_write(struct epochs *self);
/* Any thread: adds processor time that barriers have cost; the sum so far. */
void epochs_count_cpu(struct epochs *self, int64_t since_ns);
uint64_t epochs_cpu_ns(const struct epochs *self);
uint64_t epochs_completed(struct epochs *self); /* tick of the newest complete one, 0: none */

#endif
