/* SPDX-License-Identifier: Apache-2.0
 * waiting - what the sinks of databases have in common. */
#include "waiting.h"

#include "market.h"

#include <stdlib.h>
#include <string.h>

enum { FOLD_MOST = 64 };
static const int64_t soon_ns = 1000000, tend_ns = 3600 * INT64_C(1000000000);

const hde_port waiting_inputs[] = {
    {"snapshots", HDE_TYPES(&hde__enriched_chain__descriptor, &hde__raw_chain__descriptor),
     HDE_PORT_OPTIONAL,
     "chains: option_chain_snapshots, chain_metrics, chain_strike_metrics, chains"},
    {"results",
     HDE_TYPES(&hde__cumulative_oi__descriptor, &hde__velocity__descriptor,
               &hde__buildup__descriptor, &hde__zones__descriptor),
     HDE_PORT_OPTIONAL, "analytics: one table a type"},
    {0}};

/* ---- Messages ------------------------------------------------------------------------------ */

static void
keep(struct waiting *self, const hde_msg *msg, const hde_batch *batch)
{
    if (self->n == self->cap) {
        self->cap = self->cap ? 2 * self->cap : 64;
        self->msg = reallocarray(self->msg, self->cap, sizeof *self->msg);
        self->tick = reallocarray(self->tick, self->cap, sizeof *self->tick);
        if (!self->msg || !self->tick)
            hde_no_memory();
    }
    if (self->n == 0)
        self->since_ns = batch->now_ns;
    self->tick[self->n] = batch->tick;
    self->msg[self->n++] = hde_msg_keep(msg);
    self->rows += market_rows(msg->body);
}

static void
drop_first(struct waiting *self, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        self->rows -= market_rows(self->msg[i]->body);
        hde_msg_drop(self->msg[i]);
    }
    self->n -= n;
    memmove(self->msg, self->msg + n, self->n * sizeof *self->msg);
    memmove(self->tick, self->tick + n, self->n * sizeof *self->tick);
}

void
waiting_drop(struct waiting *self, uint64_t tick)
{
    size_t n = 0;

    while (n < self->n && self->tick[n] <= tick)
        n++;
    drop_first(self, n);
}

/* Ticks that come again are before all that are new. */
void
waiting_skip(hde_ctx *ctx, struct waiting *self, uint64_t mark)
{
    size_t n = 0;

    while (n < self->n && self->tick[n] <= mark && hde_is_again(ctx, self->tick[n]))
        n++;
    drop_first(self, n);
    self->mark = mark;
}

void
waiting_committed(hde_ctx *ctx, struct waiting *self, uint64_t tick, uint64_t rows,
                  uint64_t expired)
{
    if (expired)
        hde_log(ctx, HDE_WARN, "store.expired",
                "%llu messages are older than the rows that the store keeps, and are not written",
                (unsigned long long)expired);
    hde_count(self->expired, expired);
    waiting_drop(self, tick);
    self->mark = tick;
    hde_count(self->written, rows);
    hde_count(self->commits, 1);
    hde_stands(ctx, HDE_WELL, "%s", "");
}

/* ---- The operator -------------------------------------------------------------------------- */

void
waiting_open(hde_ctx *ctx, struct waiting *self, const struct waiting_store *store)
{
    self->store = store;
    self->written = hde_counter_open(ctx, "rows", "rows written");
    self->commits = hde_counter_open(ctx, "commits", "transactions committed");
    self->folded = hde_counter_open(ctx, "folded", "buckets folded into rollups");
    self->expired = hde_counter_open(ctx, "expired", "messages older than what the store keeps");
}

void
waiting_close(hde_ctx *ctx, struct waiting *self, const char *event, const char *where)
{
    if (self->n)
        hde_log(ctx, HDE_WARN, event,
                "%s: closed with %zu messages that were not committed; the mark is tick %llu",
                where, self->n, (unsigned long long)self->mark);
    drop_first(self, self->n);
    free(self->msg);
    free(self->tick);
}

static void
fold_later(hde_ctx *ctx, struct waiting *self, int64_t delay_ns)
{
    if (self->folds)
        return;
    self->folds = true;
    hde_timer_after(ctx, WAITING_TIMER, delay_ns);
}

/* Rejects what no store can hold. */
hde_status
waiting_batch(hde_ctx *ctx, void *sink, hde_batch *batch)
{
    struct waiting *self = sink;
    bool is_due = self->n > 0 && ((int64_t)self->rows >= self->batch_rows ||
                                  batch->now_ns - self->since_ns >= self->batch_time.ns);

    if (batch->tick <= self->mark && hde_is_again(ctx, batch->tick)) {
        batch->done = batch->n;
        return HDE_OK;
    }
    fold_later(ctx, self, self->fold_every.ns);
    if (is_due && batch->tick != self->last_tick) {
        hde_status status = self->store->commit(ctx, sink, self->last_tick);

        if (status != HDE_OK)
            return status;
    }
    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];
        const char *fault = market_fault(msg->body);

        self->last_tick = batch->tick;
        if (fault)
            return hde_reject(ctx, "store.refused", "%s %s", msg->body->descriptor->short_name,
                              fault);
        keep(self, msg, batch);
    }
    return HDE_OK;
}

hde_status
waiting_flush(hde_ctx *ctx, void *sink, uint64_t tick)
{
    struct waiting *self = sink;

    return self->n ? self->store->commit(ctx, sink, tick) : HDE_OK;
}

hde_status
waiting_timer(hde_ctx *ctx, void *sink, uint32_t id, int64_t at_ns)
{
    struct waiting *self = sink;
    uint64_t folded = 0;

    self->folds = false;
    if (!self->store->fold(ctx, sink, FOLD_MOST, &folded))
        fold_later(ctx, self, self->fold_every.ns);
    else if (folded == FOLD_MOST)
        fold_later(ctx, self, soon_ns);
    hde_count(self->folded, folded);
    if (folded < FOLD_MOST && (!self->tended_ns || at_ns - self->tended_ns >= tend_ns)) {
        self->tended_ns = at_ns;
        self->store->tend(ctx, sink);
    }
    return HDE_OK;
}

hde_status
waiting_mark(hde_ctx *ctx, void *sink, uint64_t *tick)
{
    *tick = ((struct waiting *)sink)->mark;
    return HDE_OK;
}
