/* SPDX-License-Identifier: Apache-2.0
 * waiting - what the sinks of databases have in common: messages that are not committed yet, by
 * reference and in order, and when they are.
 *
 * A commit takes whole ticks: it is made where a tick begins and enough waits, by rows or by
 * time, and at every flush. Until it has succeeded the messages stay, so a database that is locked,
 * full or away costs time and never rows. In between rollups are folded: some time after something
 * came, so a sink that gets nothing sleeps. */
#ifndef STORAGE_WAITING_H
#define STORAGE_WAITING_H

#include <hde/operator.h>
#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>

struct waiting_store { /* a database */
    /* Commits all that waits, whole up to tick. With HDE_OK it has called waiting_committed(). */
    hde_status (*commit)(hde_ctx *ctx, void *sink, uint64_t tick);
    /* Folds up to `most` past buckets into the rollups; false: not now, which it has said. A
     * failure is nothing to stop for: buckets stay dirty, and readers see them all the same. */
    bool (*fold)(hde_ctx *ctx, void *sink, int64_t most, uint64_t *folded);
    /* Every hour: ends what is older than the store says (hde_keep). Says what went wrong. */
    void (*tend)(hde_ctx *ctx, void *sink);
};

struct waiting { /* the first member of a sink's state, all zero before open() */
    int64_t batch_rows; /* WAITING_PARAMS */
    hde_duration batch_time, fold_every;

    const struct waiting_store *store;
    hde_msg **msg;
    uint64_t *tick; /* of each message */
    size_t n, cap;
    size_t rows;        /* about */
    uint64_t last_tick; /* seen, whether or not it waits */
    uint64_t mark;      /* committed up to here, as far as is known */
    int64_t since_ns;   /* processing time of the oldest */
    bool folds;         /* the timer is set */
    int64_t tended_ns;  /* processing time */
    hde_counter *written, *commits, *folded, *expired;
};

enum { WAITING_TIMER = 1 }; /* other timers of a sink have other numbers */

#define WAITING_PARAMS                                                                             \
    HDE_PARAM(struct waiting, batch_rows, .fallback = "20000", .unit = "rows", .min = 1,           \
              .max = 1e7,                                                                          \
              .help = "commit at the end of a tick when so many rows wait; always when the input " \
                      "runs empty"),                                                               \
        HDE_PARAM(struct waiting, batch_time, .fallback = "1s", .min = 0, .max = 3600,             \
                  .help = "or when the oldest of them waits so long"),                             \
        HDE_PARAM(struct waiting, fold_every, .fallback = "5s", .min = 0.01, .max = 86400,         \
                  .help = "how often past buckets are folded into the rollups")

extern const hde_port waiting_inputs[];

void waiting_open(hde_ctx *ctx, struct waiting *waiting, const struct waiting_store *store);
/* Says what was not committed. */
void waiting_close(hde_ctx *ctx, struct waiting *waiting, const char *event, const char *where);
/* What waits up to tick is in store, by a transaction of so many rows; so many messages are older
 * than what the store has (hde_keep.rows_from_ns), and were passed over. */
void waiting_committed(hde_ctx *ctx, struct waiting *waiting, uint64_t tick, uint64_t rows,
                       uint64_t expired);
/* Drops the messages of ticks up to tick: they are in store already. */
void waiting_drop(struct waiting *waiting, uint64_t tick);
/* The same for those that come again out of a log, now and from here on: a mark that a start did
 * not know. */
void waiting_skip(hde_ctx *ctx, struct waiting *waiting, uint64_t mark);

/* Functions of the operator. */
hde_status waiting_batch(hde_ctx *ctx, void *sink, hde_batch *batch);
hde_status waiting_flush(hde_ctx *ctx, void *sink, uint64_t tick);
hde_status waiting_timer(hde_ctx *ctx, void *sink, uint32_t id, int64_t at_ns);
hde_status waiting_mark(hde_ctx *ctx, void *sink, uint64_t *tick);

#endif
