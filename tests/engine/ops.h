/* SPDX-License-Identifier: Apache-2.0
 * ops - operators for tests of the engine; they pass hde.Sample messages. */
#ifndef ENGINE_TEST_OPS_H
#define ENGINE_TEST_OPS_H

#include <hde/operator.h>
#include <hde/text.h>
#include <stdatomic.h>

/* Source: `count` messages, `per_poll` a call, event times from start_ns in steps of step_ns.
 * Message i has sequence first + i, value i and key "k<i % keys>". */
struct feed {
    int64_t count, per_poll, first, start_ns, step_ns, keys;
    int64_t silent_every; /* every n-th poll emits nothing; 0: never */
    int64_t at, polls;
    _Atomic int64_t *polled; /* counts polls for the test, or NULL */
    bool stay;               /* HDE_IDLE instead of HDE_END behind the last message */
};
extern const hde_operator op_feed, op_feed_blocking;

/* Passes on; the message gets value = value * 31 + salt, so that order and path show. */
struct mix {
    int64_t salt, drop_every, amplify; /* drop messages whose sequence is a multiple; copies more */
    int64_t seen;
};
extern const hde_operator op_mix, op_mix_each, op_mix_blocking, op_mix2; /* mix2 has two inputs */

/* Two outputs: even sequences to 0, odd ones to 1. */
extern const hde_operator op_fork;

/* Sink with two inputs that writes "tick port sequence value event" lines into `into`. */
struct collect {
    hde_text *into; /* the test's; read it when the engine has ended */
    _Atomic uint64_t *n;
    uint64_t flushes;
};
extern const hde_operator op_collect, op_collect_blocking;

#endif
