/* SPDX-License-Identifier: Apache-2.0
 * velocity - how fast open interest, volume, price and volatility of each leg change.
 *
 * Exchanges refresh open interest every few minutes, so a chain is compared with one that is at
 * least a window older, by their real stamps, never with the poll before. */
#include "book.h"
#include "ring.h"

#include <hde/schemas/analytics.pb-c.h>
#include <math.h>
#include <quant/rates.h>

struct velocity {
    struct book book;
    hde_duration window, max_gap, half_life;
    double spike;
    int64_t spike_min_n;
};

/* What a leg is measured by, and its velocity itself for the acceleration. */
enum { OI, VOLUME, PRICE, IV, OI_VELOCITY, QUANTITIES };
/* Reals of one side of a strike. */
enum {
    SLOTS,
    LAST_VOLUME = RING_SLOTS * QUANTITIES,
    EWMA,
    SPREAD_N,
    SPREAD_MEAN,
    SPREAD_SQUARES,
    PER_SIDE
};

static double *
slot_of(double *leg, int slot)
{
    return leg + SLOTS + slot * QUANTITIES;
}

/* Volume counts the day: less than before is a reset or a correction, and what came before it says
 * nothing about the flow after it. */
static void
forget_volume_before_reset(double *leg, double volume)
{
    if (volume < leg[LAST_VOLUME])
        for (int slot = 0; slot < RING_SLOTS; slot++)
            slot_of(leg, slot)[VOLUME] = NAN;
    if (!isnan(volume))
        leg[LAST_VOLUME] = volume;
}

/* The usual spread of the velocities before this one, then this one joins them. */
static double
spike_magnitude(double *leg, double v, double min_n)
{
    struct rate_spread spread = {0};
    double score;

    if (!isnan(leg[SPREAD_N]))
        spread = (struct rate_spread){leg[SPREAD_N], leg[SPREAD_MEAN], leg[SPREAD_SQUARES]};
    score = rate_spread_score(&spread, v, min_n);
    rate_spread_add(&spread, v);
    leg[SPREAD_N] = spread.n;
    leg[SPREAD_MEAN] = spread.mean;
    leg[SPREAD_SQUARES] = spread.squares;
    return score;
}

static void
measure(const struct velocity *self, Hde__VelocitySide *out, size_t i, double *leg,
        int64_t *smoothed_ns, const double now[QUANTITIES], const double *then, int64_t now_ns,
        int64_t then_ns)
{
    int64_t elapsed = now_ns - then_ns;
    double v = rate_per_minute(now[OI], then[OI], elapsed);

    out->oi_velocity[i] = v;
    out->volume_velocity[i] = rate_per_minute(now[VOLUME], then[VOLUME], elapsed);
    out->price_velocity[i] = rate_per_minute(now[PRICE], then[PRICE], elapsed);
    out->iv_velocity[i] = rate_per_minute(now[IV], then[IV], elapsed);
    if (!isnan(v) || !isnan(out->volume_velocity[i]) || !isnan(out->price_velocity[i]))
        out->interval_s[i] = (double)elapsed / 1e9;
    if (isnan(v))
        return;
    out->oi_acceleration[i] = rate_per_minute(v, then[OI_VELOCITY], elapsed);
    leg[EWMA] = rate_smooth(leg[EWMA], v, *smoothed_ns == BOOK_NONE ? 0 : now_ns - *smoothed_ns,
                            self->half_life.ns);
    *smoothed_ns = now_ns;
    out->oi_ewma[i] = leg[EWMA];
    out->spike_magnitude[i] = spike_magnitude(leg, v, (double)self->spike_min_n);
    out->is_spike[i] = out->spike_magnitude[i] >= self->spike;
}

static Hde__VelocitySide *
new_side(hde_msg *out, Hde__VelocitySide **slot, size_t n)
{
    Hde__VelocitySide *side = hde_msg_edit(out, slot, &hde__velocity_side__descriptor);
    protobuf_c_boolean *is_spike = hde_msg_alloc(out, (n + 1) * sizeof *is_spike);

    for (size_t i = 0; i < n; i++)
        is_spike[i] = false;
    CHAIN_SET(side, oi_velocity, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, volume_velocity, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, price_velocity, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, iv_velocity, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, oi_acceleration, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, oi_ewma, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, spike_magnitude, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, is_spike, is_spike, n);
    CHAIN_SET(side, interval_s, hde_msg_doubles(out, n), n);
    return side;
}

/* Where a chain stands in the ring: its own slot and the one that it is compared with, or -1. */
struct place {
    int base, taken;
    int64_t base_ns;
};

static void
side(const struct velocity *self, struct book_page *page, const uint32_t *at, int s,
     const struct place *place, const Hde__RawChain *raw, const Hde__Quotes *quotes,
     const Hde__ModelColumns *model, Hde__VelocitySide *out)
{
    size_t n = raw->n_strike;

    for (size_t i = 0; i < n; i++) {
        double *leg = book_reals(&self->book, page, at[i]) + s * PER_SIDE;
        int64_t *smoothed_ns = book_ints(&self->book, page, at[i]) + s;
        double now[QUANTITIES] = {
            [OI] = CHAIN_AT(quotes, oi, n, i),
            [VOLUME] = CHAIN_AT(quotes, volume, n, i),
            [PRICE] = CHAIN_AT(quotes, last, n, i),
            [IV] = model ? CHAIN_AT(model, iv, n, i) : NAN,
            [OI_VELOCITY] = NAN,
        };

        forget_volume_before_reset(leg, now[VOLUME]);
        if (place->base >= 0 && out) {
            measure(self, out, i, leg, smoothed_ns, now, slot_of(leg, place->base), raw->event_ns,
                    place->base_ns);
            now[OI_VELOCITY] = out->oi_velocity[i];
        }
        if (place->taken >= 0)
            for (int q = 0; q < QUANTITIES; q++)
                slot_of(leg, place->taken)[q] = now[q];
    }
}

/* The slot may hold a chain of long ago: strikes that are not in this one must not keep it. */
static void
clear_slot(const struct velocity *self, struct book_page *page, int slot)
{
    for (size_t row = 0; row < page->n; row++)
        for (int s = 0; s < 2; s++)
            for (int q = 0; q < QUANTITIES; q++)
                slot_of(book_reals(&self->book, page, row) + s * PER_SIDE, slot)[q] = NAN;
}

static void
work(hde_ctx *ctx, void *state, struct book_page *page, const hde_msg *msg,
     const Hde__RawChain *raw)
{
    struct velocity *self = state;
    const Hde__EnrichedChain *enriched = msg->body->descriptor == &hde__enriched_chain__descriptor
                                             ? (const Hde__EnrichedChain *)msg->body
                                             : NULL;
    const Hde__Quotes *quotes[2] = {raw->calls, raw->puts};
    const Hde__ModelColumns *models[2] = {enriched ? enriched->calls : NULL,
                                          enriched ? enriched->puts : NULL};
    uint32_t *at = hde_scratch(ctx, (raw->n_strike + 1) * sizeof *at);
    struct place place;
    hde_msg *out = NULL;
    Hde__Velocity *result = NULL;

    book_align(&self->book, page, raw->strike, raw->n_strike, at);
    place.base = ring_base(page->head_int, raw->event_ns, self->window.ns,
                           self->max_gap.ns > self->window.ns ? self->max_gap.ns : self->window.ns);
    place.base_ns = place.base < 0 ? 0 : page->head_int[place.base];
    place.taken = ring_take(page->head_int, raw->event_ns, self->window.ns);
    if (place.taken >= 0 && place.taken != place.base)
        clear_slot(self, page, place.taken);
    if (place.base >= 0) {
        out = hde_msg_new(ctx, &hde__velocity__descriptor);
        hde_msg_share(out, msg);
        out->event_ns = msg->event_ns;
        result = (Hde__Velocity *)out->body;
        result->feed = raw->feed;
        result->expiry = raw->expiry;
        result->has_event_ns = true;
        result->event_ns = raw->event_ns;
        result->has_spot = raw->has_spot;
        result->spot = raw->spot;
        result->has_window_s = true;
        result->window_s = (double)self->window.ns / 1e9;
        CHAIN_SET(result, strike, raw->strike, raw->n_strike);
    }
    for (int s = 0; s < 2; s++)
        if (quotes[s])
            side(self, page, at, s, &place, raw, quotes[s], models[s],
                 out ? new_side(out, s ? &result->puts : &result->calls, raw->n_strike) : NULL);
    if (out)
        hde_emit(ctx, 0, out);
}

static hde_status
velocity_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    return book_batch(ctx, state, batch, work);
}

static hde_status
velocity_open(hde_ctx *ctx, void *state)
{
    book_open(ctx, state,
              (struct book_shape){.head_ints = RING_INTS, .ints = 2, .reals = 2 * PER_SIDE});
    return HDE_OK;
}

static const hde_param params[] = {
    HDE_PARAM(struct velocity, window, .fallback = "3m", .min = 1, .max = 86400,
              .help = "compare with the newest chain that is at least this much older"),
    HDE_PARAM(struct velocity, max_gap, .fallback = "30m", .min = 1, .max = 86400,
              .help = "compare with nothing that is older than this"),
    HDE_PARAM(struct velocity, half_life, .fallback = "10m", .min = 1, .max = 86400,
              .help = "of the smoothed open interest velocity"),
    HDE_PARAM(struct velocity, spike, .fallback = "3", .unit = "standard deviations", .min = 0.1,
              .max = 100, .help = "a velocity this far from its mean of the session is a spike"),
    HDE_PARAM(struct velocity, spike_min_n, .fallback = "20", .unit = "velocities", .min = 2,
              .max = 1e6, .help = "no spikes before the session has this many"),
    {0}};

static const hde_port inputs[] = {{"in", CHAIN_TYPES, .help = "chains"}, {0}};
static const hde_port outputs[] = {{"out", HDE_TYPES(&hde__velocity__descriptor),
                                    .help = "one result a valid chain, from the first window on"},
                                   {0}};

static const hde_operator velocity = {
    .size = sizeof(hde_operator),
    .flags = HDE_KEYED_STATE,
    .name = "analytics/velocity",
    .summary = "rates of change per minute of open interest, volume, price and volatility",
    .help = "Rates compare two real stamps at least a window apart. Volume counts the day: after\n"
            "a reset its rate is absent until a window has passed. The acceleration is the\n"
            "difference of two velocities a window apart. Volatility is ours, never the vendor's.",
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct velocity),
    .open = velocity_open,
    .batch = velocity_batch,
    .close = book_close,
    .state_type = &hde__state__descriptor,
    .state_schema = 1,
    .save = book_save,
    .load = book_load,
};

HDE_PLUGIN(&velocity);
