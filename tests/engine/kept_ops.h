/* SPDX-License-Identifier: Apache-2.0
 * kept_ops - a source that can go back, an operator with state, and a store that outlives the
 * engine, for tests of what is kept of a run; they pass hde.Sample messages. */
#ifndef ENGINE_KEPT_OPS_H
#define ENGINE_KEPT_OPS_H

#include <hde/operator.h>
#include <hde/text.h>
#include <stdatomic.h>

/* Source: sequences 0 to count - 1, one a call, event time 1 ns apart; value is the sequence. */
struct steps {
    int64_t count, at;
};
extern const hde_operator op_steps, op_steps_blocking;

/* Value becomes the sum so far; the state is kept. */
struct sum {
    int64_t slips_at; /* the message with this sequence gets 1 more; 0: none does */
    double sum;
};
extern const hde_operator op_sum, op_sum_newer; /* newer: state of schema 2, takes 1 as well */

/* Sink with two inputs: "port sequence value" lines, committed with the mark in flush(). */
struct store {
    hde_text lines;
    uint64_t mark;
    _Atomic uint64_t n;
};
struct vault {
    struct store *store;
    hde_text waiting;
    uint64_t n;
};
extern const hde_operator op_vault;

#endif
