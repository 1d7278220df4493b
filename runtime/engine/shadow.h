/* SPDX-License-Identifier: Apache-2.0
 * shadow - a new build beside the old one: the same input, its outputs compared and thrown away.
 *
 *  (1) The old build alone runs: it emits into arrays of the shadow's, from where everything goes
 *      on in the same tick and order. What it was given and what it emitted is noted, by reference.
 *  (2) The new build begins with the state of the old one between two ticks and gets its input in
 *      the same order, on the reload thread: it holds nobody up, and a node waits for nothing.
 *  (3) Timers of event time are its own; those of processing time come when the old one's come.
 *  (4) The first difference ends it: field, tick and both values are named (HDE-R044). So does a
 *      build that does not keep up, or that refuses what the old one took.
 *      [test_a_shadow_that_agrees_is_swapped_in, test_a_shadow_that_differs_is_named] */
#ifndef ENGINE_SHADOW_H
#define ENGINE_SHADOW_H

#include "engine/swap.h"

struct shadow;

/* For a node without an outside: HDE-R044 for others. instance: opened by the caller, never run. */
struct shadow *shadow_begin(struct node *node, struct instance *lent, bool keeps_state,
                            double tolerance, struct err *err);
/* Reload thread: runs what has come so far. False: it differs, err says where. */
bool shadow_run(struct shadow *self, struct err *err);
uint64_t shadow_compared(const struct shadow *self); /* messages */
/* The node emits as before. */
void shadow_end(struct shadow *self);

/* The node's thread: what it is given, and what has come of its part of a tick. */
void shadow_batch(struct node *node, const struct hde_msgvec *vec);
void shadow_timer(struct node *node);
void shadow_pass(struct node *node);

/* compare.c: true: equal. Floating point may differ by tolerance (relative), times (fields in _ns)
 * by so many seconds. Otherwise *where names the first field that differs and both values. */
bool messages_agree(const ProtobufCMessage *old, const ProtobufCMessage *new, double tolerance,
                    hde_text *where);

#endif
