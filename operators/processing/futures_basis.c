/* SPDX-License-Identifier: Apache-2.0
 * futures_basis - future against spot, and against its fair value. */
#include <math.h>
#include <string.h>

#include "common/columns.h"
#include "quant/basis.h"

struct state {
    const char *future;
    double rate, yield;
};

/* The future to measure; *synthetic tells whether it is the parity forward. */
static double
future_of(const struct state *s, const Hde__EnrichedChain *chain, bool *synthetic)
{
    const Hde__Forward *forward = chain->forward;
    bool by_parity = forward && forward->has_source &&
                     (forward->source == HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_REGRESSION ||
                      forward->source == HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_ATM);
    double listed = CHAIN_GET(chain->raw, future);
    double implied = by_parity ? CHAIN_GET(forward, forward) : NAN;

    *synthetic = !strcmp(s->future, "synthetic") || (!strcmp(s->future, "auto") && isnan(listed));
    return *synthetic ? implied : listed;
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    bool synthetic;
    double future = future_of(s, chain, &synthetic);
    double rate = isnan(s->rate) ? CHAIN_GET(chain->forward, rate) : s->rate;
    struct basis b = basis_of(CHAIN_GET(chain->raw, spot), future,
                              CHAIN_GET(chain->forward, t_years), rate, s->yield);
    Hde__ChainMetrics *metrics;
    Hde__FuturesBasis *out;

    if (isnan(b.basis))
        return;
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->basis, &hde__futures_basis__descriptor);
    CHAIN_PUT(out, future, future);
    CHAIN_PUT(out, basis, b.basis);
    CHAIN_PUT(out, basis_pct, b.basis_pct);
    CHAIN_PUT(out, annualised_simple, b.simple);
    CHAIN_PUT(out, annualised_continuous, b.continuous);
    CHAIN_PUT(out, fair, b.fair);
    CHAIN_PUT(out, mispricing, b.mispricing);
    out->has_synthetic = true;
    out->synthetic = synthetic;
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, future, .fallback = "auto", .choices = "auto|listed|synthetic",
              .help = "the listed future, the forward by parity, or the first where listed"),
    HDE_PARAM(struct state, rate, .fallback = "", .unit = "decimal, continuous", .min = -1,
              .max = 1, .flags = HDE_PARAM_LIVE,
              .help = "interest rate of the fair basis; absent: the forward's"),
    HDE_PARAM(struct state, yield, .fallback = "0", .unit = "decimal, continuous", .min = -1,
              .max = 1, .flags = HDE_PARAM_LIVE, .help = "dividend yield of the fair basis"),
    {0},
};

static const hde_operator futures_basis = {
    .size = sizeof(hde_operator),
    .name = "processing/futures_basis",
    .summary = "future less spot: points, percent, annualised, and against its fair value",
    .help =
        "Fair is spot (exp((rate - yield) T) - 1). Annualised values are absent below one day to\n"
        "expiry; everything is where spot or future is. Sets metrics.basis.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&futures_basis);
