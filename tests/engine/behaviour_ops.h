/* SPDX-License-Identifier: Apache-2.0
 * behaviour_ops - operators that retry, refuse, fail, set timers and wait, told how by their state.
 */
#ifndef ENGINE_TEST_BEHAVIOUR_OPS_H
#define ENGINE_TEST_BEHAVIOUR_OPS_H

#include <hde/operator.h>
#include <hde/text.h>
#include <stdatomic.h>

/* Passes on, and answers `status` for messages whose sequence is `at` (-1: none), `times` times. */
struct moody {
    int64_t at, times;
    hde_status status;
    _Atomic int64_t *calls;
};
extern const hde_operator op_moody;

/* One input, no output: writes "m<sequence>" for messages and "t<id>@<time>" for timers. For each
 * message a timer of the event time + after_ns (id = sequence); with every_ns also one that is set
 * again each time it fires (id 9999). flush() writes "f". */
struct timed {
    hde_text *into;
    int64_t after_ns, every_ns;
    int64_t alarm_ns; /* a processing-time timer this long after each message; 0: none */
};
extern const hde_operator op_timed;

/* Passes on, and sets two timers for each message: one that is due at once (100 * sequence + 1),
 * and one 15 ns later (+ 2). A timer sends a message with its id. */
extern const hde_operator op_ringing, op_ringing_each;

/* A sink whose batch() waits until the gate opens: a blocking one. */
struct gated {
    _Atomic int64_t *gate; /* 0: shut */
    _Atomic int64_t *got;
    hde_text *into;
};
extern const hde_operator op_gated, op_gated_view;

/* A source that sleeps until something is posted: each post emits one message. */
struct posted {
    hde_ctx **ctx; /* out: for the test to post to */
};
extern const hde_operator op_posted;

/* Impure: answers each message by a post to itself. */
extern const hde_operator op_impure;

#endif
