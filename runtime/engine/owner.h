/* SPDX-License-Identifier: Apache-2.0
 * owner - which process has a checkpoint store: one at a time, and the last one to ask. */
#ifndef ENGINE_OWNER_H
#define ENGINE_OWNER_H

#include "engine/run.h"

struct owner;

/* Makes engine->owner of the graph's checkpoint store, before anything in it is opened. Another
 * process that has it is told to stop and waited for. False with err: it does not stop, or
 * options.refuses_takeover. */
bool owner_take(struct engine *engine, struct err *err);
void owner_release(struct owner *self); /* after everything in the store is closed; removes nothing */
/* Any thread. True: another process has asked for the store, err says who (HDE-R097). */
bool owner_is_told_to_stop(const struct owner *self, struct err *err);
/* No tick of an earlier owner is above or at this one. */
uint64_t owner_first_tick(const struct owner *self);

#endif
