/* SPDX-License-Identifier: Apache-2.0
 * question - what an impure operator was given and has not answered in the log yet (O9).
 *
 * Each message that it is given is a question. An operator that answers in batch() alone has one
 * answer a tick: all that the calls of the tick emit, be it nothing. One with HDE_ANSWERS_LATER
 * has one a question, and says to which. On the thread of the node, or before the engine runs. */
#ifndef ENGINE_QUESTION_H
#define ENGINE_QUESTION_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

enum { QUESTIONS_MAX = 4096 }; /* open in an engine: from there on no source is polled */

/* Before a call: the messages of node->port in this tick. */
void question_note(struct node *node, uint64_t tick, const struct hde_msgvec *vec);
/* Whether the node was given something in this tick. */
bool question_is_open(const struct node *node, uint64_t tick);
/* An answer of the log has come to the node. number 0: all that the tick asked. */
void question_close(struct node *node, uint64_t tick, uint64_t number);
/* In a tick that asks again: what is lost comes in at the ports. */
void question_ask_again(struct node *node, uint64_t tick);
/* batch() while a log is taken: what it was asked is noted, and nobody is asked. */
hde_status question_skip(hde_ctx *ctx, void *state, hde_batch *batch);
/* Whether the engine waits for answers before it takes more. Any thread. */
bool question_are_many(const struct engine *engine);

/* ---- HDE_ANSWERS_LATER --------------------------------------------------------------------- */

/* Of message i of the port that the node is called with. */
uint64_t question_number(const struct node *node, uint32_t port, uint32_t i);
/* From here on it is answered, in *tick; false: it is not to be answered (any more). */
bool question_take(struct node *node, uint64_t number, uint64_t *tick);
/* The instance that was asked is gone: what is open is asked again, of the new one. */
void question_renew(struct node *node);

/* ---- Epochs -------------------------------------------------------------------------------- */

void question_save(const struct node *node, Hde__SavedNode *saved);
bool question_load(struct node *node, const Hde__SavedNode *saved, struct err *err); /* HDE-R015 */
void question_free(struct node *node);

#endif
