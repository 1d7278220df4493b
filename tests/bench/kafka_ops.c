/* SPDX-License-Identifier: Apache-2.0
 * kafka_ops - operators of `hde bench kafka`: a source of chains of a size, and a sink that takes
 * down when they arrive. */
#include <hde/operator.h>
#include <hde/schemas/market.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- feed: the same chain again and again, stamped with the moment when it goes ---- */

enum { COLUMNS = 5, POLLED = 16 };

struct feed {
    int64_t messages, strikes;
    hde_duration every;
    int64_t sent;
    hde_msg *chain;
    bool fired;
};

static hde_status
feed_open(hde_ctx *ctx, void *state)
{
    struct feed *self = state;
    size_t n = (size_t)self->strikes;
    Hde__RawChain *chain;
    Hde__Quotes *side;

    self->chain = hde_msg_new(ctx, &hde__raw_chain__descriptor);
    chain = (Hde__RawChain *)self->chain->body;
    chain->expiry = hde_msg_text(self->chain, "2026-12-31");
    chain->n_strike = n;
    chain->strike = hde_msg_doubles(self->chain, n);
    for (int i = 0; i < 2; i++) {
        side =
            hde_msg_edit(self->chain, i ? &chain->puts : &chain->calls, &hde__quotes__descriptor);
        side->n_last = side->n_bid = side->n_ask = side->n_volume = side->n_oi = n;
        side->last = hde_msg_doubles(self->chain, n);
        side->bid = hde_msg_doubles(self->chain, n);
        side->ask = hde_msg_doubles(self->chain, n);
        side->volume = hde_msg_doubles(self->chain, n);
        side->oi = hde_msg_doubles(self->chain, n);
    }
    self->fired = true;
    return HDE_OK;
}

static hde_status
feed_poll(hde_ctx *ctx, void *state)
{
    static const char *const feeds[] = {"NSE:A@bench", "NSE:B@bench", "NSE:C@bench"};
    struct feed *self = state;
    int n = self->every.ns ? 1 : POLLED;

    if (self->every.ns && !self->fired)
        return HDE_IDLE;
    self->fired = false;
    for (; n && self->sent < self->messages; n--) {
        hde_msg *msg = hde_msg_writable(ctx, hde_msg_keep(self->chain));

        ((Hde__RawChain *)msg->body)->feed = hde_msg_text(msg, feeds[self->sent % 3]);
        msg->event_ns = now_ns();
        hde_emit(ctx, 0, msg);
        self->sent++;
    }
    if (self->every.ns)
        hde_timer_after(ctx, 1, self->every.ns);
    return self->sent < self->messages ? HDE_OK : HDE_END;
}

static hde_status
feed_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    ((struct feed *)state)->fired = true;
    return HDE_OK;
}

static void
feed_close(hde_ctx *ctx, void *state)
{
    hde_msg_drop(((struct feed *)state)->chain);
}

static const hde_port feed_out[] = {{"out", HDE_TYPES(&hde__raw_chain__descriptor)}, {0}};
static const hde_param feed_params[] = {
    HDE_PARAM(struct feed, messages, .min = 1, .max = 1e9, .help = "how many"),
    HDE_PARAM(struct feed, strikes, .min = 1, .max = 1e6, .help = "88 bytes each"),
    HDE_PARAM(struct feed, every, .fallback = "0s", .min = 0, .max = 60,
              .help = "between two; 0: as fast as they are taken"),
    {0},
};
static const hde_operator feed_op = {
    .size = sizeof feed_op,
    .name = "bench/feed",
    .summary = "chains of a size",
    .outputs = feed_out,
    .params = feed_params,
    .state_size = sizeof(struct feed),
    .open = feed_open,
    .poll = feed_poll,
    .timer = feed_timer,
    .close = feed_close,
};

/* ---- arrivals: when what comes has come ---- */

struct arrivals {
    const char *path;
    int64_t first, n;
    int64_t seen, begin_ns, end_ns;
    int64_t *late_ns;
};

static hde_status
arrivals_open(hde_ctx *ctx, void *state)
{
    struct arrivals *self = state;

    self->late_ns = calloc((size_t)self->n, sizeof *self->late_ns);
    return self->late_ns ? HDE_OK : hde_fail(ctx, "arrivals.memory", "no memory");
}

static hde_status
arrivals_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct arrivals *self = state;
    int64_t now = now_ns();

    for (; batch->done < batch->n; batch->done++) {
        int64_t at = self->seen++ - self->first;

        if (at == 0)
            self->begin_ns = batch->msg[batch->done]->event_ns;
        if (at >= 0 && at < self->n)
            self->late_ns[at] = now - batch->msg[batch->done]->event_ns;
        if (at == self->n)
            self->end_ns = now;
    }
    return HDE_OK;
}

/* A line: seconds from the moment when message number `first` went to the arrival of the one that
 * is n behind it; then how late each was, in ns. */
static void
arrivals_close(hde_ctx *ctx, void *state)
{
    struct arrivals *self = state;
    FILE *file = self->end_ns ? fopen(self->path, "w") : NULL;

    if (file) {
        fprintf(file, "%.9f\n", 1e-9 * (double)(self->end_ns - self->begin_ns));
        for (int64_t i = 0; i < self->n; i++)
            fprintf(file, "%lld\n", (long long)self->late_ns[i]);
        fclose(file);
    }
    free(self->late_ns);
}

static const hde_port arrivals_in[] = {{"in", HDE_TYPES(&hde__raw_chain__descriptor)}, {0}};
static const hde_param arrivals_params[] = {
    HDE_PARAM(struct arrivals, path, .help = "where to write"),
    HDE_PARAM(struct arrivals, first, .min = 0, .max = 1e9, .help = "messages that do not count"),
    HDE_PARAM(struct arrivals, n, .min = 1, .max = 1e9, .help = "messages that do"),
    {0},
};
static const hde_operator arrivals_op = {
    .size = sizeof arrivals_op,
    .name = "bench/arrivals",
    .summary = "takes down when messages arrive",
    .inputs = arrivals_in,
    .params = arrivals_params,
    .state_size = sizeof(struct arrivals),
    .open = arrivals_open,
    .batch = arrivals_batch,
    .close = arrivals_close,
};

HDE_PLUGIN(&feed_op, &arrivals_op);
