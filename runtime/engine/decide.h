/* SPDX-License-Identifier: Apache-2.0
 * decide - that a message is given up (retries, on_error: skip) is decided by the world, not by the
 * log: so it is an entry. Rejects (HDE_REJECT) are a function of the message and need none. */
#ifndef ENGINE_DECIDE_H
#define ENGINE_DECIDE_H

#include "engine/run.h"

/* The node's thread: message `index` of what this tick brought to node->port is given up, for what
 * is in ctx->said. The tick is held at its end until the entry is durable (swaps.h). */
void decide_give_up(struct node *node, uint64_t tick, uint32_t index);

/* Before a log is taken: what it gives up. Nodes that retain their calls read it themselves. */
bool decide_read_log(struct engine *engine, struct err *err);
/* Whether it gives up batch->msg[done]: the reason is in ctx->said then. Otherwise batch->n ends in
 * front of the next one of this tick and port. */
bool decide_is_given_up(struct node *node);
void decide_free(struct node *node);

#endif
