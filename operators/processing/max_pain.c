/* SPDX-License-Identifier: Apache-2.0
 * max_pain - the settlement at which option writers pay least. */
#include <math.h>

#include "common/columns.h"
#include "quant/max_pain.h"

struct state {
    bool columns;
};

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike;
    double *calls = s->columns ? chain_column_new(msg, n) : chain_scratch(ctx, n);
    double *puts = s->columns ? chain_column_new(msg, n) : chain_scratch(ctx, n);
    Hde__ChainMetrics *metrics;
    struct max_pain pain;
    Hde__MaxPain *out;

    if (!max_pain(n, raw->strike, CHAIN_COLUMN(ctx, raw->calls, oi, n),
                  CHAIN_COLUMN(ctx, raw->puts, oi, n), calls, puts, &pain))
        return;
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->max_pain, &hde__max_pain__descriptor);
    CHAIN_PUT(out, strike, pain.strike);
    CHAIN_PUT(out, writer_loss, pain.loss);
    CHAIN_PUT(out, distance_pct, 100 * (pain.strike / CHAIN_GET(raw, spot) - 1));
    CHAIN_SET(out, call_pain, s->columns ? calls : NULL, s->columns ? n : 0);
    CHAIN_SET(out, put_pain, s->columns ? puts : NULL, s->columns ? n : 0);
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, columns, .fallback = "true",
              .help = "also give what writers of calls and of puts lose at every strike"),
    {0},
};

static const hde_operator max_pain_operator = {
    .size = sizeof(hde_operator),
    .name = "processing/max_pain",
    .summary = "the strike at which option writers lose least, and their loss there",
    .help = "Loss in points x open interest in its own unit; ties go to the lowest strike. Absent\n"
            "where no strike has an open interest. Sets metrics.max_pain.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&max_pain_operator);
