/* SPDX-License-Identifier: Apache-2.0
 * ingestion/synthetic - chains of the synthetic market without a server: the same seed, start and
 * step give the same bytes on every run, live or in replay. */
#include "market.h"

#include <hde/operator.h>
#include <hde/schemas/market.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READY_MAX = 1024 };

struct synthetic {
    hde_list symbols;
    int64_t seed, expiries, strikes, snapshots, ready;
    const char *start, *calendar;
    hde_duration step;
    bool paced;

    struct market market;
    struct calendar *sessions;
    struct market_chain *chain; /* work space */
    int64_t start_ns;
    struct place { /* what comes next; the source's position */
        int64_t snapshot;
        uint64_t symbol, sequence;
    } at;
    bool fired; /* paced: the timer of the next snapshot has come */
    size_t n_made;
    hde_msg *made[READY_MAX]; /* with `ready`: what is sent again and again */
};

static const struct market_underlying *
underlying_by_symbol(const char *symbol)
{
    for (const struct market_underlying *u = market_underlyings; u->symbol; u++) {
        if (strcmp(u->symbol, symbol) == 0)
            return u;
    }
    return NULL;
}

static hde_status
synthetic_open(hde_ctx *ctx, void *state)
{
    struct synthetic *self = state;
    char error[256];

    self->sessions = calendar_load(self->calendar, error, sizeof error);
    if (!self->sessions)
        return hde_fail(ctx, "synthetic.calendar", "%s", error);
    if (!when_parse("%Y-%m-%dT%H:%M:%S%z", self->start, strlen(self->start),
                    calendar_offset(self->sessions), &self->start_ns))
        return hde_fail(ctx, "synthetic.start", "'%s' is not like 2026-11-23T09:15:00+05:30",
                        self->start);
    for (size_t i = 0; i < self->symbols.n; i++) {
        if (!underlying_by_symbol(self->symbols.item[i]))
            return hde_fail(ctx, "synthetic.symbol", "no '%s' in the synthetic market",
                            self->symbols.item[i]);
    }
    self->market = (struct market){(uint64_t)self->seed, self->sessions, (int)self->strikes};
    self->chain = calloc(1, sizeof *self->chain);
    self->fired = true;
    return self->chain ? HDE_OK : hde_fail(ctx, "synthetic.memory", "out of memory");
}

struct column {
    size_t leg_at, count_at, column_at;
};
#define COLUMN(leg, field)                                                                         \
    {                                                                                              \
        offsetof(struct market_leg, leg), offsetof(Hde__Quotes, n_##field),                        \
            offsetof(Hde__Quotes, field)                                                           \
    }
static const struct column columns[] = {
    COLUMN(last, last),
    COLUMN(bid, bid),
    COLUMN(ask, ask),
    COLUMN(average, average),
    COLUMN(bid_qty, bid_qty),
    COLUMN(ask_qty, ask_qty),
    COLUMN(volume, volume),
    COLUMN(oi, oi),
    COLUMN(prev_oi, prev_oi),
    COLUMN(iv, vendor_iv),
    COLUMN(delta, vendor_delta),
    COLUMN(gamma, vendor_gamma),
    COLUMN(theta, vendor_theta),
    COLUMN(vega, vendor_vega),
    COLUMN(prev_close, prev_close),
    COLUMN(prev_volume, prev_volume),
};

static Hde__Quotes *
fill_side(hde_msg *msg, Hde__Quotes **slot, const struct market_leg *legs, size_t n)
{
    Hde__Quotes *side = hde_msg_edit(msg, slot, &hde__quotes__descriptor);

    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        double *column = hde_msg_doubles(msg, n);

        for (size_t i = 0; i < n; i++)
            column[i] = *(const double *)((const char *)&legs[i] + columns[c].leg_at);
        *(size_t *)((char *)side + columns[c].count_at) = n;
        *(double **)((char *)side + columns[c].column_at) = column;
    }
    side->oi_change = hde_msg_doubles(msg, n);
    side->n_oi_change = n;
    for (size_t i = 0; i < n; i++)
        side->oi_change[i] = legs[i].oi - legs[i].prev_oi;
    return side;
}

static hde_msg *
make_chain(hde_ctx *ctx, struct synthetic *self, const struct market_underlying *u, int32_t expiry,
           int64_t ns)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__raw_chain__descriptor);
    Hde__RawChain *raw = (Hde__RawChain *)msg->body;
    const char *venue = calendar_venue(self->sessions);
    const struct market_chain *chain = self->chain;
    struct session session;
    char text[96];

    snprintf(text, sizeof text, "%s:%s@synthetic", venue, u->symbol);
    raw->feed = hde_msg_text(msg, text);
    raw->venue = hde_msg_text(msg, venue);
    raw->underlying = hde_msg_text(msg, u->symbol);
    raw->source = hde_msg_text(msg, "synthetic");
    when_print_day(expiry, text);
    raw->expiry = hde_msg_text(msg, text);
    raw->has_event_ns = raw->has_receive_ns = raw->has_spot = 1;
    raw->event_ns = raw->receive_ns = msg->event_ns = ns;
    raw->spot = chain->spot;
    raw->has_sequence = 1;
    raw->sequence = ++self->at.sequence;
    raw->has_expiry_ns = calendar_expiry(self->sessions, expiry, &raw->expiry_ns);
    raw->has_lot_size = 1;
    raw->lot_size = calendar_lot(self->sessions, u->symbol, expiry);
    if (!(raw->lot_size > 0))
        raw->has_lot_size = 0;
    raw->has_oi_unit = raw->has_volume_unit = 1;
    raw->oi_unit = raw->volume_unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS;
    if (calendar_session(self->sessions, ns, &session)) {
        when_print_day(session.day, text);
        raw->session = hde_msg_text(msg, text);
        raw->has_session_open_ns = raw->has_session_close_ns = 1;
        raw->session_open_ns = session.open_ns;
        raw->session_close_ns = session.close_ns;
    }
    raw->n_strike = chain->n;
    raw->strike = hde_msg_doubles(msg, chain->n);
    memcpy(raw->strike, chain->strike, chain->n * sizeof *raw->strike);
    fill_side(msg, &raw->calls, chain->call, chain->n);
    fill_side(msg, &raw->puts, chain->put, chain->n);
    return msg;
}

/* The chains of one underlying at one instant: one tick. */
static void
emit_snapshot(hde_ctx *ctx, struct synthetic *self, const struct market_underlying *u, int64_t ns)
{
    int32_t days[MARKET_EXPIRIES_MAX];
    size_t n = market_expiries(&self->market, u, ns, days);

    for (size_t i = 0; i < n && i < (size_t)self->expiries; i++) {
        if (market_chain(&self->market, u, days[i], ns, self->chain))
            hde_emit(ctx, 0, make_chain(ctx, self, u, days[i], ns));
    }
}

/* With `ready`: the first chains are kept, later ones are copies that share their columns. */
static void
emit_again(hde_ctx *ctx, struct synthetic *self, const struct market_underlying *u, int64_t ns)
{
    int32_t days[MARKET_EXPIRIES_MAX];
    size_t slot = (size_t)(self->at.sequence % (uint64_t)self->ready);
    hde_msg *msg;
    Hde__RawChain *raw;

    if (self->n_made < (size_t)self->ready) {
        if (market_expiries(&self->market, u, ns, days) == 0 ||
            !market_chain(&self->market, u, days[0], ns, self->chain))
            return;
        self->made[self->n_made++] = msg = make_chain(ctx, self, u, days[0], ns);
        hde_forward(ctx, 0, msg);
        return;
    }
    msg = hde_msg_writable(ctx, hde_msg_keep(self->made[slot]));
    raw = (Hde__RawChain *)msg->body;
    raw->event_ns = raw->receive_ns = msg->event_ns = ns;
    raw->sequence = ++self->at.sequence;
    hde_emit(ctx, 0, msg);
}

static hde_status
synthetic_poll(hde_ctx *ctx, void *state)
{
    struct synthetic *self = state;
    int64_t ns = self->start_ns + self->at.snapshot * self->step.ns;
    const struct market_underlying *u;

    if (self->snapshots > 0 && self->at.snapshot == self->snapshots)
        return HDE_END;
    if (self->paced && !self->fired)
        return HDE_IDLE;
    u = underlying_by_symbol(self->symbols.item[self->at.symbol]);
    if (self->ready > 0)
        emit_again(ctx, self, u, ns);
    else
        emit_snapshot(ctx, self, u, ns);
    if (++self->at.symbol == self->symbols.n) {
        self->at.symbol = 0;
        self->at.snapshot++;
        if (self->paced) {
            self->fired = false;
            hde_timer_after(ctx, 0, self->step.ns);
        }
    }
    hde_position(ctx, 0, &self->at, sizeof self->at);
    return HDE_OK;
}

static hde_status
synthetic_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct synthetic *self = state;

    self->fired = true;
    return HDE_OK;
}

static hde_status
synthetic_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct synthetic *self = state;

    if (size != sizeof self->at)
        return hde_fail(ctx, "synthetic.position", "a position has %zu bytes, not %zu",
                        sizeof self->at, size);
    memcpy(&self->at, bytes, size);
    return self->at.symbol < self->symbols.n
               ? HDE_OK
               : hde_fail(ctx, "synthetic.position", "the list of symbols has changed");
}

static void
synthetic_close(hde_ctx *ctx, void *state)
{
    struct synthetic *self = state;

    for (size_t i = 0; i < self->n_made; i++)
        hde_msg_drop(self->made[i]);
    free(self->chain);
    calendar_free(self->sessions);
}

static const hde_port outputs[] = {
    {"chains", HDE_TYPES(&hde__raw_chain__descriptor), .help = "one chain an expiry and step"},
    {0},
};

static const hde_param params[] = {
    HDE_PARAM(struct synthetic, symbols, .fallback = "[NIFTY]", .help = "underlyings, in turn"),
    HDE_PARAM(struct synthetic, expiries, .fallback = "1", .min = 1, .max = MARKET_EXPIRIES_MAX,
              .help = "nearest expiries of each"),
    HDE_PARAM(struct synthetic, strikes, .fallback = "0", .min = 0, .max = MARKET_STRIKES_MAX,
              .help = "of each chain; 0: as many as the underlying has"),
    HDE_PARAM(struct synthetic, seed, .fallback = "1", .min = 0, .max = 9007199254740991.0,
              .help = "of the market"),
    HDE_PARAM(struct synthetic, calendar, .fallback = "always",
              .help = "shipped calendar (always, nse) or the path of a file"),
    HDE_PARAM(struct synthetic, start, .fallback = "2026-11-23T09:15:00+05:30",
              .help = "instant of the first snapshot"),
    HDE_PARAM(struct synthetic, step, .fallback = "5s", .min = 0.001, .max = 86400,
              .help = "between snapshots"),
    HDE_PARAM(struct synthetic, snapshots, .fallback = "0", .min = 0, .max = 1e12,
              .help = "to send; 0: without end"),
    HDE_PARAM(struct synthetic, paced, .fallback = "false",
              .help = "waits `step` of processing time between snapshots"),
    HDE_PARAM(struct synthetic, ready, .fallback = "0", .min = 0, .max = READY_MAX,
              .help = "makes so many chains and then sends them again under new times, for load "
                      "tests; 0: every chain is new"),
    {0},
};

static const hde_operator synthetic = {
    .size = sizeof(hde_operator),
    .name = "ingestion/synthetic",
    .summary = "Chains of the synthetic market, without a server",
    .help = "The same seed, start and step give the same chains on every run.",
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct synthetic),
    .open = synthetic_open,
    .poll = synthetic_poll,
    .timer = synthetic_timer,
    .seek = synthetic_seek,
    .close = synthetic_close,
};

HDE_PLUGIN(&synthetic);
