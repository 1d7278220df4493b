/* SPDX-License-Identifier: Apache-2.0
 * iv_skew - the smile of a chain in numbers. */
#include <math.h>

#include "common/columns.h"
#include "quant/skew.h"

struct state {
    double width;
    hde_ratio atm_away, gap_away;
    hde_counter *no_smile;
};

static hde_status
open_skew(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_smile = hde_counter_open(ctx, "no_smile", "chains without forward or volatilities");
    return HDE_OK;
}

/* Call + put at the strike nearest to the forward that has both prices. */
static void
put_straddle(hde_ctx *ctx, const Hde__EnrichedChain *chain, double forward, Hde__Skew *out)
{
    size_t n = chain->raw->n_strike;
    const double *strike = chain->raw->strike;
    const double *call = CHAIN_COLUMN(ctx, chain->calls, input_price, n);
    const double *put = CHAIN_COLUMN(ctx, chain->puts, input_price, n);
    double nearest = INFINITY, straddle = NAN, at = NAN;

    for (size_t i = 0; i < n; i++)
        if (!isnan(call[i] + put[i]) && fabs(strike[i] - forward) < nearest) {
            nearest = fabs(strike[i] - forward);
            straddle = call[i] + put[i];
            at = strike[i];
        }
    CHAIN_PUT(out, atm_strike, at);
    CHAIN_PUT(out, straddle, straddle);
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike;
    double forward = CHAIN_GET(chain->forward, forward), t = CHAIN_GET(chain->forward, t_years);
    const double *call_iv = CHAIN_COLUMN(ctx, chain->calls, iv, n);
    const double *put_iv = CHAIN_COLUMN(ctx, chain->puts, iv, n);
    double *smile, atm;
    Hde__ChainMetrics *metrics;
    struct skew skew;
    Hde__Skew *out;

    if (!(forward > 0) || !(t > 0) || !chain->calls || !chain->puts) {
        hde_count(s->no_smile, 1);
        return;
    }
    smile = chain_column_new(msg, n);
    skew_smile(n, raw->strike, forward, call_iv, put_iv, smile);
    atm = skew_atm(n, raw->strike, forward, call_iv, put_iv, s->atm_away.value);
    skew_measure(n, raw->strike, smile, forward, t, atm, s->width, &skew);
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->skew, &hde__skew__descriptor);
    CHAIN_PUT(out, atm_iv, atm);
    CHAIN_PUT(out, rr25, skew.rr25);
    CHAIN_PUT(out, bf25, skew.bf25);
    CHAIN_PUT(out, slope, skew.slope);
    CHAIN_PUT(out, curvature, skew.curvature);
    CHAIN_PUT(out, fit_residual, skew.fit_residual);
    CHAIN_PUT(out, expected_move, skew.expected_move);
    CHAIN_PUT(out, legacy_skew, skew_legacy(n, raw->strike, CHAIN_GET(raw, spot), call_iv, put_iv));
    CHAIN_PUT(out, iv_gap,
              skew_gap(n, raw->strike, forward, call_iv, put_iv, s->gap_away.value));
    CHAIN_SET(out, smile_iv, smile, n);
    CHAIN_SET(out, fit, NULL, 0);
    if (!isnan(skew.fit[0])) {
        double *fit = hde_msg_doubles(msg, 3);

        for (int i = 0; i < 3; i++)
            fit[i] = skew.fit[i];
        CHAIN_SET(out, fit, fit, 3);
    }
    put_straddle(ctx, chain, forward, out);
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, width, .fallback = "3", .unit = "standard deviations", .min = 0.5,
              .max = 10, .flags = HDE_PARAM_LIVE,
              .help = "how far from the forward the fit reaches"),
    HDE_PARAM(struct state, atm_away, .fallback = "5%", .min = 0, .max = 1, .flags = HDE_PARAM_LIVE,
              .help =
                  "strikes further than this from the forward do not tell the money's volatility"),
    HDE_PARAM(struct state, gap_away, .fallback = "1%", .min = 0, .max = 1, .flags = HDE_PARAM_LIVE,
              .help = "strikes within this of the forward enter iv_gap"),
    {0},
};

static const hde_operator iv_skew = {
    .size = sizeof(hde_operator),
    .name = "processing/iv_skew",
    .summary = "at-the-money volatility, smile fit, risk reversal, butterfly, expected move",
    .help =
        "The smile is the out-of-the-money side's volatility; atm_iv is at the forward, between\n"
        "the two strikes around it. fit is quadratic in ln(K/F), weighted by vega. rr25 and bf25\n"
        "take undiscounted forward deltas, call less put. legacy_skew is iv(put near 0.95 spot) -\n"
        "iv(call near 1.05 spot). iv_gap is the median difference between the two sides of a\n"
        "strike, which says how good forward and prices are. Sets metrics.skew.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_skew,
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&iv_skew);
