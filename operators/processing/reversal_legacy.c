/* SPDX-License-Identifier: Apache-2.0
 * reversal_legacy - the reversal points of an older system, per strike, by its own formulas. */
#include <math.h>

#include "common/columns.h"
#include "quant/reversal.h"

struct state {
    hde_counter *no_inputs;
};

static hde_status
open_legacy(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_inputs =
        hde_counter_open(ctx, "no_inputs", "chains without the model columns of both sides");
    return HDE_OK;
}

static struct reversal_side
side_at(const Hde__Quotes *quotes, const Hde__ModelColumns *model, size_t n, size_t i)
{
    return (struct reversal_side){
        .last = quotes ? CHAIN_AT(quotes, last, n, i) : NAN,
        .model = CHAIN_AT(model, price, n, i),
        .iv = CHAIN_AT(model, iv, n, i),
        .delta = CHAIN_AT(model, delta, n, i),
        .gamma = CHAIN_AT(model, gamma, n, i),
        .vega = CHAIN_AT(model, vega, n, i),
        .theta = CHAIN_AT(model, theta, n, i),
    };
}

#define NEW_COLUMN(field) CHAIN_SET(out, field, chain_column_new(msg, n), n)

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike;
    double days = 365 * CHAIN_GET(chain->forward, t_years), future = CHAIN_GET(raw, future);
    Hde__ChainMetrics *metrics;
    Hde__Reversal *out;

    if (!chain->calls || !chain->puts) {
        hde_count(s->no_inputs, 1);
        return;
    }
    if (isnan(future))
        future = CHAIN_GET(chain->forward, forward);
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->reversal_legacy, &hde__reversal__descriptor);
    NEW_COLUMN(weekly);
    NEW_COLUMN(rr);
    NEW_COLUMN(rs);
    NEW_COLUMN(ss);
    NEW_COLUMN(advanced);
    NEW_COLUMN(confidence_pct);
    NEW_COLUMN(future);
    for (size_t i = 0; i < n; i++) {
        struct reversal_side call = side_at(raw->calls, chain->calls, n, i);
        struct reversal_side put = side_at(raw->puts, chain->puts, n, i);
        struct reversal_point p =
            reversal_legacy(raw->strike[i], &call, &put, days, future - CHAIN_GET(raw, spot));

        out->weekly[i] = p.weekly;
        out->rr[i] = p.rr;
        out->rs[i] = p.rs;
        out->ss[i] = p.ss;
        out->advanced[i] = p.advanced;
        out->confidence_pct[i] = p.confidence_pct;
        out->future[i] = p.future;
    }
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_operator reversal_legacy_operator = {
    .size = sizeof(hde_operator),
    .name = "processing/reversal_legacy",
    .summary = "reversal points by the formulas of an older system, for compatibility",
    .help = "weekly, rr, rs, ss, advanced, confidence and future points of every strike from last\n"
            "prices, theoretical prices, volatilities and Greeks (wants implied_volatility, greeks "
            "and\n"
            "theoretical_price before it). The formulas mix units and have no derivation: use\n"
            "processing/reversal unless you need these very numbers. Sets metrics.reversal_legacy.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .state_size = sizeof(struct state),
    .open = open_legacy,
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&reversal_legacy_operator);
