/* SPDX-License-Identifier: Apache-2.0
 * waiting - messages of a sink that are not committed yet, by reference and in order.
 *
 * A commit takes whole ticks: it is made where a tick begins and enough waits, by rows or by
 * time, and at every flush. Until it has succeeded the messages stay, so a database that is locked,
 * full or away costs time and never rows. */
#ifndef STORAGE_WAITING_H
#define STORAGE_WAITING_H

#include <hde/operator.h>

struct waiting { /* starts as {0} */
    hde_msg **msg;
    uint64_t *tick; /* of each message */
    size_t n, cap;
    size_t rows;        /* about */
    uint64_t last_tick; /* seen, whether or not it waits */
    int64_t since_ns;   /* processing time of the oldest */
};

struct waiting_limits {
    int64_t rows, time_ns;
};

typedef hde_status (*waiting_commit)(hde_ctx *ctx, void *state, uint64_t tick);

/* A sink's batch(): commits first where the limits say so, then keeps the messages. Rejects what
 * no store can hold (market_fault()). */
hde_status waiting_batch(struct waiting *waiting, const struct waiting_limits *limits,
                         waiting_commit commit, hde_ctx *ctx, void *state, hde_batch *batch);
/* Drops the messages of ticks up to tick: they are committed. */
void waiting_done(struct waiting *waiting, uint64_t tick);
void waiting_free(struct waiting *waiting);

#endif
