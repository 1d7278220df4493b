/* SPDX-License-Identifier: Apache-2.0
 * buildup - what price and open interest of each leg did together since an earlier chain, and what
 * that says when many legs agree.
 *
 * With interval, thresholds and confirm all 0 this is the plain rule: every chain against the one
 * before, any change counts, a leg needs both prices and both open interests. */
#include "book.h"
#include "ring.h"

#include <hde/schemas/analytics.pb-c.h>
#include <math.h>
#include <quant/buildup.h>

enum { CLASSES = BUILDUP_NEUTRAL + 1, READINGS = 4 }; /* classes 1 to 4 make patterns */

struct buildup_op {
    struct book book;
    hde_duration interval, max_gap;
    double tick, min_price_ticks, min_oi_lots;
    int64_t confirm, min_strikes;
    hde_ratio min_share;
    bool flagged, across_sessions;
};

/* Reals of one side of a strike: price and open interest in each slot of the ring. */
enum { PRICE, OI, QUANTITIES, PER_SIDE = RING_SLOTS * QUANTITIES };
/* Integers of one side of a strike: the class that is shown, the one that may follow and for how
 * many chains it has been seen. */
enum { SHOWN, CANDIDATE, SEEN, INTS_PER_SIDE };
/* Integers of the head: the ring, and for how many chains each pattern has been there. */
enum { HELD = RING_INTS, HEAD_INTS = HELD + 2 * READINGS };

/* What one side of one chain adds up to. */
struct tally {
    uint32_t n[CLASSES];
    double moved[CLASSES];    /* sum of |change of open interest| */
    double weighted[CLASSES]; /* the same times the strike */
};

static uint32_t
legs_of(const struct tally *tally)
{
    uint32_t n = 0;

    for (int c = BUILDUP_LONG; c < CLASSES; c++)
        n += tally->n[c];
    return n;
}

/* The class that is shown changes when another one has been seen for `confirm` chains in a row; a
 * leg that is new starts as neutral. */
static enum buildup
confirmed(int64_t *memory, enum buildup seen, int64_t confirm)
{
    if (seen == BUILDUP_UNKNOWN)
        return BUILDUP_UNKNOWN;
    if (memory[SHOWN] == BOOK_NONE)
        memory[SHOWN] = BUILDUP_NEUTRAL;
    memory[SEEN] = memory[CANDIDATE] == (int64_t)seen ? memory[SEEN] + 1 : 1;
    memory[CANDIDATE] = seen;
    if (memory[SEEN] >= confirm)
        memory[SHOWN] = seen;
    return (enum buildup)memory[SHOWN];
}

/* Those whose class is not neutral: most strikes of a chain hardly trade and say nothing. */
static uint32_t
movers_of(const struct tally *tally)
{
    return legs_of(tally) - tally->n[BUILDUP_NEUTRAL];
}

static double
min_oi_of(const struct buildup_op *self, const Hde__RawChain *raw)
{
    bool units = raw->has_oi_unit && raw->oi_unit == HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS;

    return self->min_oi_lots *
           (units && raw->has_lot_size && raw->lot_size > 0 ? raw->lot_size : 1);
}

static void
side(const struct buildup_op *self, struct book_page *page, const uint32_t *at, int s, int base,
     int taken, const Hde__RawChain *raw, const Hde__Quotes *quotes, Hde__BuildupType *out,
     struct tally *tally)
{
    double min_price = self->tick * self->min_price_ticks, min_oi = min_oi_of(self, raw);

    for (size_t i = 0; i < raw->n_strike; i++) {
        double *leg = book_reals(&self->book, page, at[i]) + s * PER_SIDE;
        int64_t *memory = book_ints(&self->book, page, at[i]) + s * INTS_PER_SIDE;
        double price = CHAIN_AT(quotes, last, raw->n_strike, i);
        double oi = CHAIN_AT(quotes, oi, raw->n_strike, i);

        if (base >= 0) {
            const double *then = leg + base * QUANTITIES;
            double change = oi - then[OI];
            enum buildup type =
                confirmed(memory, buildup_class(price - then[PRICE], change, min_price, min_oi),
                          self->confirm);

            out[i] = (Hde__BuildupType)type;
            tally->n[type]++;
            if (type != BUILDUP_UNKNOWN) {
                tally->moved[type] += fabs(change);
                tally->weighted[type] += fabs(change) * raw->strike[i];
            }
        }
        if (taken >= 0) {
            leg[taken * QUANTITIES + PRICE] = price;
            leg[taken * QUANTITIES + OI] = oi;
        }
    }
}

/* ---- Results ------------------------------------------------------------------------------- */

static Hde__BuildupCounts *
new_counts(hde_msg *out, Hde__BuildupCounts **slot, const struct tally *a, const struct tally *b)
{
    Hde__BuildupCounts *counts = hde_msg_edit(out, slot, &hde__buildup_counts__descriptor);
    static const struct tally none;

    if (!b)
        b = &none;
    counts->has_legs = counts->has_long_buildup = counts->has_short_buildup = true;
    counts->has_long_unwinding = counts->has_short_covering = counts->has_neutral = true;
    counts->legs = legs_of(a) + legs_of(b);
    counts->long_buildup = a->n[BUILDUP_LONG] + b->n[BUILDUP_LONG];
    counts->short_buildup = a->n[BUILDUP_SHORT] + b->n[BUILDUP_SHORT];
    counts->long_unwinding = a->n[BUILDUP_LONG_UNWINDING] + b->n[BUILDUP_LONG_UNWINDING];
    counts->short_covering = a->n[BUILDUP_SHORT_COVERING] + b->n[BUILDUP_SHORT_COVERING];
    counts->neutral = a->n[BUILDUP_NEUTRAL] + b->n[BUILDUP_NEUTRAL];
    return counts;
}

static void
fill_pattern(hde_msg *out, Hde__BuildupPattern *pattern, int s, enum buildup type,
             const struct tally *tally, const Hde__RawChain *raw, const Hde__BuildupType *legs)
{
    double moved = 0, share = (double)tally->n[type] / movers_of(tally);
    int signal = buildup_signal(type, s);

    for (int c = BUILDUP_LONG; c <= READINGS; c++)
        moved += tally->moved[c];
    pattern->has_type = pattern->has_side = pattern->has_signal = true;
    pattern->type = (Hde__BuildupType)type;
    pattern->side = s ? HDE__OPTION_TYPE__OPTION_TYPE_PUT : HDE__OPTION_TYPE__OPTION_TYPE_CALL;
    pattern->signal =
        signal > 0 ? HDE__SIGNAL_TYPE__SIGNAL_TYPE_BULLISH : HDE__SIGNAL_TYPE__SIGNAL_TYPE_BEARISH;
    if (tally->moved[type] > 0) {
        pattern->has_confidence_pct = pattern->has_signal_strength = true;
        pattern->confidence_pct = 100 * tally->moved[type] / moved;
        pattern->signal_strength = share * tally->moved[type] / moved;
        pattern->has_price_level = true;
        pattern->price_level = tally->weighted[type] / tally->moved[type];
    }
    pattern->strikes = hde_msg_alloc(out, tally->n[type] * sizeof(double));
    for (size_t i = 0; i < raw->n_strike; i++)
        if (legs[i] == (Hde__BuildupType)type)
            pattern->strikes[pattern->n_strikes++] = raw->strike[i];
}

/* One pattern for each class of a side that enough of its moving legs show. */
static void
add_patterns(const struct buildup_op *self, struct book_page *page, hde_msg *out,
             Hde__Buildup *result, int s, const struct tally *tally, const Hde__RawChain *raw,
             const Hde__BuildupType *legs)
{
    uint32_t n = movers_of(tally);

    for (int c = BUILDUP_LONG; c <= READINGS; c++) {
        int64_t *held = &page->head_int[HELD + s * READINGS + c - 1];
        Hde__BuildupPattern *pattern;

        if (tally->n[c] == 0 || tally->n[c] < self->min_strikes ||
            tally->n[c] < self->min_share.value * n) {
            *held = 0;
            continue;
        }
        *held = *held == BOOK_NONE ? 1 : *held + 1;
        result->patterns[result->n_patterns] = NULL;
        pattern = hde_msg_edit(out, &result->patterns[result->n_patterns++],
                               &hde__buildup_pattern__descriptor);
        fill_pattern(out, pattern, s, (enum buildup)c, tally, raw, legs);
        pattern->has_is_confirmed = true;
        pattern->is_confirmed = *held >= self->confirm;
    }
}

static void
emit(hde_ctx *ctx, const struct buildup_op *self, struct book_page *page, const hde_msg *msg,
     const Hde__RawChain *raw, int64_t from_ns, hde_msg *out, const struct tally tally[2])
{
    Hde__Buildup *result = (Hde__Buildup *)out->body;

    hde_msg_share(out, msg);
    out->event_ns = msg->event_ns;
    result->feed = raw->feed;
    result->expiry = raw->expiry;
    result->has_event_ns = result->has_from_ns = result->has_legs_in_both = true;
    result->event_ns = raw->event_ns;
    result->from_ns = from_ns;
    result->has_spot = raw->has_spot;
    result->spot = raw->spot;
    CHAIN_SET(result, strike, raw->strike, raw->n_strike);
    result->legs_in_both = legs_of(&tally[0]) + legs_of(&tally[1]);
    new_counts(out, &result->counts, &tally[0], &tally[1]);
    new_counts(out, &result->call_counts, &tally[0], NULL);
    new_counts(out, &result->put_counts, &tally[1], NULL);
    result->patterns = hde_msg_alloc(out, 2 * READINGS * sizeof *result->patterns);
    if (result->n_calls)
        add_patterns(self, page, out, result, 0, &tally[0], raw, result->calls);
    if (result->n_puts)
        add_patterns(self, page, out, result, 1, &tally[1], raw, result->puts);
    hde_emit(ctx, 0, out);
}

static void
clear_slot(const struct buildup_op *self, struct book_page *page, int slot)
{
    for (size_t row = 0; row < page->n; row++)
        for (int s = 0; s < 2; s++)
            for (int q = 0; q < QUANTITIES; q++)
                book_reals(&self->book, page, row)[s * PER_SIDE + slot * QUANTITIES + q] = NAN;
}

static void
work(hde_ctx *ctx, void *state, struct book_page *page, const hde_msg *msg,
     const Hde__RawChain *raw)
{
    const struct buildup_op *self = state;
    const Hde__Quotes *quotes[2] = {raw->calls, raw->puts};
    size_t n = raw->n_strike;
    uint32_t *at = hde_scratch(ctx, (n + 1) * sizeof *at);
    int base = ring_base(page->head_int, raw->event_ns, self->interval.ns,
                         self->across_sessions ? INT64_MAX / 2 : self->max_gap.ns);
    int64_t from_ns = base < 0 ? 0 : page->head_int[base];
    int taken = ring_take(page->head_int, raw->event_ns, self->interval.ns);
    struct tally tally[2] = {{{0}, {0}, {0}}, {{0}, {0}, {0}}};
    hde_msg *out = base < 0 ? NULL : hde_msg_new(ctx, &hde__buildup__descriptor);
    Hde__Buildup *result = out ? (Hde__Buildup *)out->body : NULL;

    book_align(&self->book, page, raw->strike, n, at);
    if (taken >= 0)
        clear_slot(self, page, taken);
    for (int s = 0; s < 2; s++) {
        Hde__BuildupType *legs = NULL;

        if (!quotes[s])
            continue;
        if (out) {
            legs = hde_msg_alloc(out, (n + 1) * sizeof *legs);
            if (s)
                CHAIN_SET(result, puts, legs, n);
            else
                CHAIN_SET(result, calls, legs, n);
        }
        side(self, page, at, s, base, taken, raw, quotes[s], legs, &tally[s]);
    }
    if (out)
        emit(ctx, self, page, msg, raw, from_ns, out, tally);
}

static hde_status
buildup_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    return book_batch(ctx, state, batch, work);
}

static hde_status
buildup_open(hde_ctx *ctx, void *state)
{
    struct buildup_op *self = state;

    book_open(ctx, &self->book,
              (struct book_shape){
                  .head_ints = HEAD_INTS, .ints = 2 * INTS_PER_SIDE, .reals = 2 * PER_SIDE});
    self->book.takes_flagged = self->flagged;
    self->book.across_sessions = self->across_sessions;
    return HDE_OK;
}

static const hde_param params[] = {
    HDE_PARAM(struct buildup_op, interval, .fallback = "1m", .min = 0, .max = 86400,
              .help = "compare with the newest chain at least this much older; 0: the one before"),
    HDE_PARAM(struct buildup_op, max_gap, .fallback = "30m", .min = 1, .max = 86400,
              .help = "compare with nothing that is older than this"),
    HDE_PARAM(struct buildup_op, tick, .fallback = "0.05", .unit = "points", .min = 0, .max = 1e6,
              .help = "smallest price step of the venue"),
    HDE_PARAM(struct buildup_op, min_price_ticks, .fallback = "1", .unit = "ticks", .min = 0,
              .max = 1e6, .help = "a smaller change of the price is neutral; 0: any change counts"),
    HDE_PARAM(struct buildup_op, min_oi_lots, .fallback = "1", .unit = "lots", .min = 0,
              .max = 1e12,
              .help = "a smaller change of open interest is neutral; 0: any change counts"),
    HDE_PARAM(struct buildup_op, confirm, .fallback = "2", .unit = "chains", .min = 0, .max = 1e6,
              .help = "a class is shown when this many chains in a row had it; 0: at once"),
    HDE_PARAM(struct buildup_op, min_strikes, .fallback = "3", .unit = "strikes", .min = 1,
              .max = 1e6, .help = "fewer strikes make no pattern"),
    HDE_PARAM(struct buildup_op, min_share, .fallback = "40%", .min = 0, .max = 1,
              .help = "a smaller share of a side's legs that are not neutral makes no pattern"),
    HDE_PARAM(struct buildup_op, flagged, .fallback = "false",
              .help = "compare stale and pre-open chains too"),
    HDE_PARAM(struct buildup_op, across_sessions, .fallback = "false",
              .help = "compare over nights and gaps of any length"),
    {0}};

static const hde_port inputs[] = {{"in", CHAIN_TYPES, .help = "chains"}, {0}};
static const hde_port outputs[] = {{"out", HDE_TYPES(&hde__buildup__descriptor),
                                    .help = "one result a chain that has one to compare with"},
                                   {0}};

static const hde_operator buildup = {
    .size = sizeof(hde_operator),
    .flags = HDE_KEYED_STATE,
    .name = "analytics/buildup",
    .summary = "long and short build-up, unwinding and covering: counts, legs and patterns",
    .help =
        "A leg is compared when price and open interest are known at both ends. Patterns are\n"
        "read for the market: short build-up of puts is bullish. confidence_pct is the\n"
        "pattern's share of the side's moved open interest, signal_strength that share times\n"
        "its share of the legs that moved, price_level the strike weighted by moved open interest.",
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct buildup_op),
    .open = buildup_open,
    .batch = buildup_batch,
    .close = book_close,
    .state_type = &hde__state__descriptor,
    .state_schema = 1,
    .save = book_save,
    .load = book_load,
};

HDE_PLUGIN(&buildup);
