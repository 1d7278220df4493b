/* SPDX-License-Identifier: Apache-2.0
 * question - what an impure operator was given and has not answered in the log yet (O9).
 *
 * For operators that answer in batch() alone: all that the calls of one tick emit is one answer,
 * and each such tick has one, be it empty. On the thread of the node, or before the engine runs. */
#ifndef ENGINE_QUESTION_H
#define ENGINE_QUESTION_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

/* Before a call: the messages of node->port in this tick. */
void question_note(struct node *node, uint64_t tick, const struct hde_msgvec *vec);
/* Whether the node was given something in this tick. */
bool question_is_open(const struct node *node, uint64_t tick);
void question_close(struct node *node, uint64_t tick); /* it is answered */
/* All that are open are asked in this tick, where they come in at the ports. */
void question_ask_again(struct node *node, uint64_t tick);
/* batch() while a log is taken: what it was asked is noted, and nobody is asked. */
hde_status question_skip(hde_ctx *ctx, void *state, hde_batch *batch);

void question_save(const struct node *node, Hde__SavedNode *saved);
bool question_load(struct node *node, const Hde__SavedNode *saved, struct err *err); /* HDE-R015 */
void question_free(struct node *node);

#endif
