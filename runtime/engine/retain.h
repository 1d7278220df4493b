/* SPDX-License-Identifier: Apache-2.0
 * retain - brings a node back to where it stood, by its last saved state and all that it had since.
 *
 *  (1) Kept of a node: the state that it saved last, its timers then, and every call since with its
 *      messages. When that passes a bound the node saves once more. Without save() it has no state
 *      to lose, and nothing is kept but the call at hand.
 *  (2) A call that fails leaves nothing behind: what it had emitted is taken back, its messages are
 *      as they came. [test_a_node_that_fails_goes_on_as_if_it_had_not]
 *  (3) Before the next call the instance is closed and opened afresh, takes the state, gets the
 *      calls since then again and emits into nowhere: others had that already. Counters, watermarks
 *      and logs belong to the node and do not see it. Then the call that failed is made again.
 *      [test_state_after_restarts_is_that_of_an_undisturbed_run]
 *  (4) What a sink has flushed is safe: nothing before that is kept, and what its mark says it has
 *      already is left out.
 *  (5) There are `limit` restarts `within` a time, with a growing pause between them, then `then`.
 *  (6) A message that kills an isolated operator twice is poison: it is put aside, the others of
 *      its batch are given. Past the limit, with `then: skip`, the message that was worked on is.
 *      [test_a_message_that_kills_twice_is_put_aside]
 *  (7) With an ingress log that is a decision: an entry, which is durable before the tick goes on.
 *      Where the log is taken again the message is not given. Restarts are no entries: they change
 *      nothing. [test_what_was_put_aside_is_so_when_the_log_is_taken_again]
 *  (8) A build on probation that dies is no reason for a restart of that build: the one before it
 *      gets the state and the calls.
 *      [test_a_crash_on_probation_leaves_the_old_build_and_loses_nothing]
 *
 *      WHOLE --call fails--> BROKEN --pause over, the call comes again: opened, fed--> WHOLE
 *
 * Everything here is called on the node's thread. */
#ifndef ENGINE_RETAIN_H
#define ENGINE_RETAIN_H

#include "engine/run.h"

/* Of a node that is built: on_error: restart, or isolated. Otherwise node->retain stays NULL. */
void retain_attach(struct node *node);
void retain_free(struct node *node);
/* Before anything runs: what the log that will be taken says was put aside. */
bool retain_read_log(struct engine *engine, struct err *err);

/* In the place of the operator's functions, for nodes that have node->retain. */
hde_status retain_batch(struct node *node); /* node->in */
hde_status retain_timer(struct node *node, bool is_event);
hde_status retain_flush(struct node *node, uint64_t tick);
/* After an event(), whose causes are not kept, and each call of a node that answers later, which is
 * asked again what is open (question.h): the node saves. */
void retain_event(struct node *node);

/* Before a call of batch(): true if the message that is next is to be put aside, for the reason
 * that is in ctx->said then; otherwise the batch ends in front of such a message. */
bool retain_puts_aside(struct node *node);

/* After a call that gave HDE_FAIL: whether the node is to be restarted for it. */
bool retain_is_broken(const struct node *node);
enum verdict retain_verdict(struct node *node); /* sets node->retry_at_ns */

/* The node's state is this from here on: saved in an epoch, or loaded. msg is lent. */
void retain_saved(struct node *node, hde_msg *msg, uint32_t schema);
/* The node runs another instance from here on, in whatever state. */
void retain_swapped(struct node *node);
/* Whether the node is being fed again: what it asks for it has asked for before. */
bool retain_is_feeding(const struct node *node);

#endif
