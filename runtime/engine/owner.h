/* SPDX-License-Identifier: Apache-2.0
 * owner - which process has a checkpoint store: one at a time, and the last one to ask. */
#ifndef ENGINE_OWNER_H
#define ENGINE_OWNER_H

#include "engine/engine.h"

struct owner;

/* The store of the graph, before anything in it is opened. Another process that has it is told to
 * stop and waited for. NULL with err: it does not stop, or options->refuses_takeover. The graph
 * must outlive it; options->owner is not looked at. */
struct owner *owner_take(const struct graph *graph, const struct engine_options *options,
                         struct err *err);
/* A store whose next owner gets the incarnation behind that one. False with errno. */
bool owner_place(const char *store, uint64_t incarnation);
void owner_release(struct owner *self); /* after all in the store is closed; removes nothing */
/* Any thread. True: another process has asked for the store, err says who (HDE-R097). */
bool owner_is_told_to_stop(const struct owner *self, struct err *err);
/* No tick of an earlier owner is above or at this one. */
uint64_t owner_first_tick(const struct owner *self);

#endif
