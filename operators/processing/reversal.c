/* SPDX-License-Identifier: Apache-2.0
 * reversal - bands that option prices imply, and the levels where bands and walls meet. */
#include <math.h>

#include "common/columns.h"
#include "quant/reversal.h"

struct state {
    hde_ratio tolerance;
    hde_counter *no_inputs;
};

enum { CANDIDATES = 9 };

static hde_status
open_reversal(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_inputs = hde_counter_open(ctx, "no_inputs", "chains without the metrics of iv_skew");
    return HDE_OK;
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    Hde__ChainMetrics *m = chain->metrics;
    double forward = CHAIN_GET(chain->forward, forward), atm, straddle, move;
    double *level;
    Hde__Reversal *out;

    if (!m || !m->skew || !(forward > 0)) {
        hde_count(s->no_inputs, 1);
        return;
    }
    atm = CHAIN_GET(m->skew, atm_strike);
    straddle = CHAIN_GET(m->skew, straddle);
    move = CHAIN_GET(m->skew, expected_move);
    double candidate[CANDIDATES] = {
        atm - straddle,
        atm + straddle,
        forward - move,
        forward + move,
        CHAIN_GET(m->gex, call_wall),
        CHAIN_GET(m->gex, put_wall),
        CHAIN_GET(m->pcr, max_call_oi_strike),
        CHAIN_GET(m->pcr, max_put_oi_strike),
        CHAIN_GET(m->max_pain, strike),
    };
    m = chain_metrics(msg);
    out = hde_msg_edit(msg, &m->reversal, &hde__reversal__descriptor);
    CHAIN_PUT(out, lower, atm - straddle);
    CHAIN_PUT(out, upper, atm + straddle);
    CHAIN_PUT(out, move_lower, forward - move);
    CHAIN_PUT(out, move_upper, forward + move);
    level = hde_msg_doubles(msg, CANDIDATES);
    CHAIN_SET(out, level, level,
              reversal_levels(CANDIDATES, candidate, s->tolerance.value * forward, level));
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, tolerance, .fallback = "0.1%", .min = 0, .max = 0.1,
              .flags = HDE_PARAM_LIVE,
              .help = "how near to each other levels must be to meet, of the forward"),
    {0},
};

static const hde_operator reversal_operator = {
    .size = sizeof(hde_operator),
    .name = "processing/reversal",
    .summary = "break-even band of the straddle, expected-move band, and where they meet walls",
    .help =
        "lower and upper are the at-the-money strike -+ its straddle, move_lower and move_upper\n"
        "the forward -+ forward x volatility x sqrt(T). level lists the places where at least two\n"
        "of these, the gamma walls, the strikes of the largest open interest and max pain meet.\n"
        "Wants iv_skew before it, and takes gamma_exposure, pcr and max_pain where they are. Sets\n"
        "metrics.reversal.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_reversal,
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&reversal_operator);
