/* SPDX-License-Identifier: Apache-2.0
 * isolate - a node whose operator runs in a child process.
 *
 *  (1) In the graph the node is a proxy: an operator with the same ports, flags and functions, on
 *      a thread of its own. Each call is a request to the child and waits for the answer, `timeout`
 *      at most; what the operator has emitted, set and said comes with the answer and happens in
 *      the same call. So ticks, barriers, order and credit are those of the node.
 *      [test_an_isolated_node_does_what_one_in_the_process_does]
 *  (2) The child is `hde` itself, started afresh, with none of our descriptors but a pipe that
 *      tells when we are gone, a page, and stderr. Its socket lies in a folder of mode 0700 which
 *      is removed as soon as the child has connected. It limits itself (sandbox.h) before it loads
 *      the plugin. [test_an_isolated_operator_is_kept_from_the_rest]
 *  (3) A child that dies, or does not answer in time (it is killed then), is an HDE_FAIL with
 *      event "isolate.died" or "isolate.late"; retain.h brings the node back where it stood.
 *      [test_the_death_is_named_with_function_message_and_signal]
 *  (4) The batch that the operator works on lies in the shared page, so that batch->done tells
 *      which message it died of, however it died. What the page and the answers say is checked: a
 *      child may have written anything anywhere. */
#ifndef ENGINE_ISOLATE_H
#define ENGINE_ISOLATE_H

#include "engine/run.h"

#define ISOLATE_ARGUMENT "--isolated"

/* The proxy of an operator of a plugin file, or of the operator behind a proxy. Texts are lent as
 * long as arena lives, which owns the proxy. Limits and parameters are those of the node that runs
 * it. */
const hde_operator *isolate_operator(const hde_operator *op, const char *file,
                                     const char *build_id, struct arena *arena);
bool isolate_is(const hde_operator *op); /* a proxy */
/* The instance in the child takes the live parameters of def, as node_reconfigure() says. */
hde_status isolate_reconfigure(hde_ctx *ctx, void *state, const struct graph_node *def);
/* Whether its child has died, or was killed. */
bool isolate_is_gone(const hde_ctx *ctx, void *state);

/* The child: serves its parent, which listens at the address. Gives the exit code. */
int isolate_child(const char *address);

/* Between the two: what they say to each other, as a number (the file of `hde` may be another one
 * by now) ... */
uint64_t isolate_schema(void);
/* ... and where the operator's batch lies. */
struct isolate_page {
    hde_batch in;
};

#endif
