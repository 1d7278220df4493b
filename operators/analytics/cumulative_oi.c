/* SPDX-License-Identifier: Apache-2.0
 * cumulative_oi - open interest since the session's open and since the previous close.
 *
 * The baseline is the first valid chain at or after the open: a capture at the open can still
 * show yesterday's numbers. A leg that is first seen later has yesterday's close as its opening
 * value where the feed gives it, otherwise none. */
#include "book.h"

#include <hde/schemas/analytics.pb-c.h>
#include <math.h>

enum { BASELINE, HEAD_INTS };
enum { OPENING, HIGH, LOW, PER_SIDE };

struct cumulative_oi {
    struct book book;
};

static double
change_pct(double change, double from)
{
    return from > 0 ? 100 * change / from : NAN;
}

/* One leg: updates what is remembered, fills entry i of the output. */
static void
leg(Hde__CumulativeOiSide *out, double *memory, const Hde__Quotes *quotes, size_t n, size_t i,
    bool opens)
{
    double oi = CHAIN_AT(quotes, oi, n, i), prev = leg_prev_oi(quotes, n, i);

    if (isnan(memory[OPENING]))
        memory[OPENING] = opens ? oi : prev;
    memory[HIGH] = fmax(memory[HIGH], oi); /* fmax and fmin pass over NaN */
    memory[LOW] = fmin(memory[LOW], oi);
    out->oi[i] = oi;
    out->opening_oi[i] = memory[OPENING];
    out->change[i] = oi - memory[OPENING];
    out->change_pct[i] = change_pct(out->change[i], memory[OPENING]);
    out->session_high[i] = memory[HIGH];
    out->session_low[i] = memory[LOW];
    out->change_prev_close[i] = oi - prev;
    if (!isnan(out->change[i])) {
        out->total_change += out->change[i];
        out->has_total_change = true;
    }
}

static Hde__CumulativeOiSide *
new_side(hde_msg *out, Hde__CumulativeOiSide **slot, size_t n)
{
    Hde__CumulativeOiSide *side = hde_msg_edit(out, slot, &hde__cumulative_oi_side__descriptor);

    CHAIN_SET(side, oi, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, opening_oi, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, change, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, change_pct, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, session_high, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, session_low, hde_msg_doubles(out, n), n);
    CHAIN_SET(side, change_prev_close, hde_msg_doubles(out, n), n);
    return side;
}

static void
work(hde_ctx *ctx, void *state, struct book_page *page, const hde_msg *msg,
     const Hde__RawChain *raw)
{
    struct cumulative_oi *self = state;
    hde_msg *out = hde_msg_new(ctx, &hde__cumulative_oi__descriptor);
    Hde__CumulativeOi *result = (Hde__CumulativeOi *)out->body;
    uint32_t *at = hde_scratch(ctx, (raw->n_strike + 1) * sizeof *at);
    bool opens = page->head_int[BASELINE] == BOOK_NONE;
    const Hde__Quotes *quotes[2] = {raw->calls, raw->puts};

    if (opens)
        page->head_int[BASELINE] = raw->event_ns;
    hde_msg_share(out, msg);
    out->event_ns = msg->event_ns;
    result->feed = raw->feed;
    result->expiry = raw->expiry;
    result->session = raw->session;
    result->has_event_ns = true;
    result->event_ns = raw->event_ns;
    result->has_spot = raw->has_spot;
    result->spot = raw->spot;
    result->has_baseline_ns = true;
    result->baseline_ns = page->head_int[BASELINE];
    CHAIN_SET(result, strike, raw->strike, raw->n_strike);
    book_align(&self->book, page, raw->strike, raw->n_strike, at);
    for (int s = 0; s < 2; s++) {
        Hde__CumulativeOiSide *side;

        if (!quotes[s])
            continue;
        side = new_side(out, s ? &result->puts : &result->calls, raw->n_strike);
        for (size_t i = 0; i < raw->n_strike; i++)
            leg(side, book_reals(&self->book, page, at[i]) + s * PER_SIDE, quotes[s], raw->n_strike,
                i, opens);
    }
    hde_emit(ctx, 0, out);
}

static hde_status
cumulative_oi_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    return book_batch(ctx, state, batch, work);
}

static hde_status
cumulative_oi_open(hde_ctx *ctx, void *state)
{
    book_open(ctx, state, (struct book_shape){.head_ints = HEAD_INTS, .reals = 2 * PER_SIDE});
    return HDE_OK;
}

static const hde_port inputs[] = {{"in", CHAIN_TYPES, .help = "chains"}, {0}};
static const hde_port outputs[] = {
    {"out", HDE_TYPES(&hde__cumulative_oi__descriptor), .help = "one result a valid chain"}, {0}};

static const hde_operator cumulative_oi = {
    .size = sizeof(hde_operator),
    .flags = HDE_KEYED_STATE,
    .name = "analytics/cumulative_oi",
    .summary = "open interest since the session's open and since the previous close",
    .help = "The baseline is the first chain of the session that is not flagged stale or\n"
            "pre-open. A leg first seen later starts from the previous close, where known.",
    .inputs = inputs,
    .outputs = outputs,
    .state_size = sizeof(struct cumulative_oi),
    .open = cumulative_oi_open,
    .batch = cumulative_oi_batch,
    .close = book_close,
    .state_type = &hde__state__descriptor,
    .state_schema = 1,
    .save = book_save,
    .load = book_load,
};

HDE_PLUGIN(&cumulative_oi);
