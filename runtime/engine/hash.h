/* SPDX-License-Identifier: Apache-2.0
 * hash - at every barrier, a hash of the state and of the outputs of each node: written to the log
 * by the run, and compared with it when the log is taken again. */
#ifndef ENGINE_HASH_H
#define ENGINE_HASH_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

void hashes_open(struct engine *engine);
/* After every thread has ended: what came after the last barrier is written, or compared. */
void hashes_finish(struct engine *engine);
void hashes_close(struct hashes *self);

/* Sequencer: a barrier begins. */
void hashes_begin(struct hashes *self, uint64_t tick);
/* Worker: the actor has passed it. saved[i] is of actor->nodes[i]. */
void hashes_pass(const struct actor *actor, Hde__SavedNode *const *saved);
/* Sequencer: writes or compares what is complete; true: something moved. */
bool hashes_turn(struct worker *worker);
bool hashes_are_open(struct hashes *self); /* a barrier is not complete, or not written */
/* Sequencer, taking a log: a start, or the hashes that the run has written. */
void hashes_expect(struct hashes *self, const Hde__LogEntry *entry);

#endif
