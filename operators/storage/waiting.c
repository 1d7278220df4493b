/* SPDX-License-Identifier: Apache-2.0
 * waiting - messages of a sink that are not committed yet. */
#include "waiting.h"

#include "market.h"

#include <stdlib.h>
#include <string.h>

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

hde_status
waiting_batch(struct waiting *self, const struct waiting_limits *limits, waiting_commit commit,
              hde_ctx *ctx, void *state, hde_batch *batch)
{
    bool is_due = self->n > 0 && ((int64_t)self->rows >= limits->rows ||
                                  batch->now_ns - self->since_ns >= limits->time_ns);

    if (is_due && batch->tick != self->last_tick) {
        hde_status status = commit(ctx, state, self->last_tick);

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

void
waiting_done(struct waiting *self, uint64_t tick)
{
    size_t n = 0;

    while (n < self->n && self->tick[n] <= tick) {
        self->rows -= market_rows(self->msg[n]->body);
        hde_msg_drop(self->msg[n++]);
    }
    if (n == 0)
        return;
    self->n -= n;
    memmove(self->msg, self->msg + n, self->n * sizeof *self->msg);
    memmove(self->tick, self->tick + n, self->n * sizeof *self->tick);
}

void
waiting_free(struct waiting *self)
{
    waiting_done(self, UINT64_MAX);
    free(self->msg);
    free(self->tick);
    *self = (struct waiting){0};
}
