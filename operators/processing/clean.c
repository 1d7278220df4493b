/* SPDX-License-Identifier: Apache-2.0
 * clean - takes out of a raw chain what cannot be true. It removes and flags; it invents nothing.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "common/columns.h"

struct state {
    hde_ratio max_spread;
    double spread_floor, price_max, quantity_max;
    hde_counter *bad, *zero, *crossed, *wide, *spots;
};

static hde_status
open_clean(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->bad = hde_counter_open(ctx, "bad_values",
                              "values removed: negative, infinite, absurd, or in "
                              "a column of the wrong length");
    s->zero = hde_counter_open(ctx, "zero_prices", "prices of 0, which mean none");
    s->crossed = hde_counter_open(ctx, "crossed", "quotes removed: bid above ask");
    s->wide = hde_counter_open(ctx, "wide", "quotes removed: spread above max_spread");
    s->spots = hde_counter_open(ctx, "bad_spots", "chains whose spot is not a price");
    return HDE_OK;
}

/* What one chain showed. */
struct found {
    hde_msg *msg;
    size_t n;
    uint64_t bad, zero, crossed, wide;
};

enum kind { PRICE, QUANTITY, SIGNED };
#define SIGNED_MAX 1e15

/* What values of a kind may be, ends included. A price of 0 is none. */
struct limits {
    double low, high;
};

static struct limits
limits_of(const struct state *s, enum kind kind)
{
    return kind == PRICE      ? (struct limits){DBL_TRUE_MIN, s->price_max}
           : kind == QUANTITY ? (struct limits){0, s->quantity_max}
                              : (struct limits){-SIGNED_MAX, SIGNED_MAX};
}

/* Whether all values are absent or within the limits. Nearly every column is, so no branch asks
 * about a single value: the least and the largest tell. NaN is neither. */
static bool
is_sound(const double *value, size_t n, struct limits limits)
{
    double least = limits.low, largest = limits.high;

    for (size_t i = 0; i < n; i++) {
        least = value[i] < least ? value[i] : least;
        largest = value[i] > largest ? value[i] : largest;
    }
    return least == limits.low && largest == limits.high;
}

/* The column without impossible values: itself where there are none. A price of 0 is absent. */
static void
clean_column(const struct state *s, struct found *f, enum kind kind, size_t *count, double **column)
{
    struct limits limits = limits_of(s, kind);
    double *copy;

    if (*count != f->n) {
        f->bad += *count;
        *count = 0;
        return;
    }
    if (is_sound(*column, f->n, limits))
        return;
    copy = chain_column_new(f->msg, f->n);
    for (size_t i = 0; i < f->n; i++) {
        double value = (*column)[i];
        bool zero = kind == PRICE && value == 0;
        bool bad = !zero && (value < limits.low || value > limits.high);

        copy[i] = bad || zero ? NAN : value;
        f->bad += bad;
        f->zero += zero;
    }
    *column = copy;
}

/* Takes crossed and too wide quotes out; bid and ask go together. */
static void
clean_quotes(const struct state *s, struct found *f, Hde__Quotes *side)
{
    double *bid = side->bid, *ask = side->ask;

    if (side->n_bid != f->n || side->n_ask != f->n)
        return;
    for (size_t i = 0; i < f->n; i++) {
        double b = side->bid[i], a = side->ask[i], spread = a - b;
        bool crossed = spread < 0;
        bool wide = spread > s->spread_floor && spread > s->max_spread.value * 0.5 * (a + b);

        if (!crossed && !wide)
            continue;
        if (bid == side->bid) {
            bid = chain_column_new(f->msg, f->n);
            ask = chain_column_new(f->msg, f->n);
            memcpy(bid, side->bid, f->n * sizeof *bid);
            memcpy(ask, side->ask, f->n * sizeof *ask);
        }
        bid[i] = ask[i] = NAN;
        f->crossed += crossed;
        f->wide += wide;
    }
    side->bid = bid;
    side->ask = ask;
}

#define CLEAN(field, kind) clean_column(s, f, kind, &side->n_##field, &side->field)

static void
clean_side(const struct state *s, struct found *f, Hde__Quotes **slot)
{
    Hde__Quotes *side;

    if (!*slot)
        return;
    side = hde_msg_edit(f->msg, slot, &hde__quotes__descriptor);
    CLEAN(last, PRICE);
    CLEAN(bid, PRICE);
    CLEAN(ask, PRICE);
    CLEAN(prev_close, PRICE);
    CLEAN(average, PRICE);
    CLEAN(bid_qty, QUANTITY);
    CLEAN(ask_qty, QUANTITY);
    CLEAN(volume, QUANTITY);
    CLEAN(oi, QUANTITY);
    CLEAN(prev_oi, QUANTITY);
    CLEAN(prev_volume, QUANTITY);
    CLEAN(oi_change, SIGNED);
    CLEAN(change, SIGNED);
    CLEAN(vendor_iv, SIGNED);
    CLEAN(vendor_delta, SIGNED);
    CLEAN(vendor_gamma, SIGNED);
    CLEAN(vendor_theta, SIGNED);
    CLEAN(vendor_vega, SIGNED);
    CLEAN(vendor_rho, SIGNED);
    clean_quotes(s, f, side);
}

/* Whether one side says nothing at all of some strike. */
static bool
misses_a_leg(const Hde__Quotes *side, size_t n)
{
    const struct {
        size_t n;
        const double *value;
    } columns[] = {{side ? side->n_last : 0, side ? side->last : NULL},
                   {side ? side->n_oi : 0, side ? side->oi : NULL},
                   {side ? side->n_volume : 0, side ? side->volume : NULL},
                   {side ? side->n_bid : 0, side ? side->bid : NULL},
                   {side ? side->n_ask : 0, side ? side->ask : NULL}};

    for (size_t i = 0; i < n; i++) {
        bool said = false;

        for (size_t k = 0; k < sizeof columns / sizeof *columns && !said; k++)
            said = columns[k].n == n && !isnan(columns[k].value[i]);
        if (!said)
            return true;
    }
    return false;
}

static bool
has_flag(const Hde__RawChain *raw, Hde__ChainFlag flag)
{
    for (size_t i = 0; i < raw->n_flags; i++)
        if (raw->flags[i] == flag)
            return true;
    return false;
}

static void
add_flag(hde_msg *msg, Hde__RawChain *raw, bool set, Hde__ChainFlag flag)
{
    Hde__ChainFlag *flags;

    if (!set || has_flag(raw, flag))
        return;
    flags = hde_msg_alloc(msg, (raw->n_flags + 1) * sizeof *flags);
    if (raw->n_flags > 0)
        memcpy(flags, raw->flags, raw->n_flags * sizeof *flags);
    flags[raw->n_flags++] = flag;
    raw->flags = flags;
}

/* Absent unless it is a price. */
static void
clean_price(const struct state *s, protobuf_c_boolean *has, double *value)
{
    if (*has && !(*value > 0 && *value <= s->price_max)) {
        *has = false;
        *value = 0;
    }
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    Hde__RawChain *raw = hde_msg_edit(msg, &chain->raw, &hde__raw_chain__descriptor);
    struct found f = {.msg = msg, .n = raw->n_strike};
    bool had_spot = raw->has_spot;

    clean_side(s, &f, &raw->calls);
    clean_side(s, &f, &raw->puts);
    clean_price(s, &raw->has_spot, &raw->spot);
    clean_price(s, &raw->has_future, &raw->future);
    clean_price(s, &raw->has_vix, &raw->vix);
    clean_price(s, &raw->has_lot_size, &raw->lot_size);
    add_flag(msg, raw, f.bad > 0, HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES);
    add_flag(msg, raw, f.crossed > 0, HDE__CHAIN_FLAG__CHAIN_FLAG_CROSSED);
    add_flag(msg, raw, misses_a_leg(raw->calls, f.n) || misses_a_leg(raw->puts, f.n),
             HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS);
    add_flag(msg, raw, !raw->has_spot, HDE__CHAIN_FLAG__CHAIN_FLAG_NO_SPOT);
    hde_count(s->bad, f.bad);
    hde_count(s->zero, f.zero);
    hde_count(s->crossed, f.crossed);
    hde_count(s->wide, f.wide);
    hde_count(s->spots, had_spot && !raw->has_spot);
}

/* Columns mean nothing where the strikes are not in order. */
static bool
strikes_are_sound(const Hde__RawChain *raw)
{
    for (size_t i = 0; raw && i < raw->n_strike; i++)
        if (!(raw->strike[i] > 0) || !isfinite(raw->strike[i]) ||
            (i > 0 && raw->strike[i] <= raw->strike[i - 1]))
            return false;
    return true;
}

static hde_status
batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++) {
        const Hde__RawChain *raw = chain_raw(batch->msg[batch->done]);
        Hde__EnrichedChain *chain;
        hde_msg *msg;

        if (!strikes_are_sound(raw))
            return hde_reject(ctx, "clean.strikes",
                              "strikes of %s %s are not positive and ascending",
                              raw->feed ? raw->feed : "a chain", raw->expiry ? raw->expiry : "");
        msg = chain_enrich(ctx, hde_take(batch, batch->done), &chain);
        if (chain->raw) {
            measure(ctx, state, msg, chain);
            add_flag(msg, chain->raw, chain->raw->n_strike == 0, HDE__CHAIN_FLAG__CHAIN_FLAG_EMPTY);
        }
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static const hde_param params[] = {
    HDE_PARAM(struct state, max_spread, .fallback = "40%", .min = 0, .max = 2,
              .flags = HDE_PARAM_LIVE,
              .help = "quotes whose ask - bid is above this part of the midpoint are removed"),
    HDE_PARAM(struct state, spread_floor, .fallback = "0.25", .unit = "currency units", .min = 0,
              .max = 1e6, .flags = HDE_PARAM_LIVE,
              .help = "but never for a spread up to this (a few ticks)"),
    HDE_PARAM(struct state, price_max, .fallback = "1e7", .unit = "currency units", .min = 1,
              .max = 1e15, .flags = HDE_PARAM_LIVE, .help = "prices above are absurd"),
    HDE_PARAM(struct state, quantity_max, .fallback = "1e12", .unit = "units or lots", .min = 1,
              .max = 1e15, .flags = HDE_PARAM_LIVE,
              .help = "volumes and open interests above are absurd"),
    {0},
};

static const hde_operator clean = {
    .size = sizeof(hde_operator),
    .name = "processing/clean",
    .summary = "removes impossible values and useless quotes, and flags the chain",
    .help =
        "Negative, infinite and absurd values and columns of the wrong length become absent\n"
        "(flag BAD_VALUES, counter bad_values), prices of 0 too (counter zero_prices), and both\n"
        "prices of a crossed or too wide quote (flag CROSSED, counters crossed and wide). A chain\n"
        "whose strikes are not positive and ascending is rejected. Flags that were there stay.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_clean,
    .batch = batch,
};

HDE_PLUGIN(&clean);
