/* SPDX-License-Identifier: Apache-2.0
 * greeks - Greeks of every leg from its strike's volatility. */
#include <math.h>
#include <string.h>

#include "common/columns.h"
#include "quant/bsm.h"
#include "quant/skew.h"

struct state {
    const char *model, *vol, *set;
    double rate;
    hde_counter *no_inputs;
};

static hde_status
open_greeks(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_inputs = hde_counter_open(
        ctx, "no_inputs", "chains without forward (or spot, with model bsm) or volatilities");
    return HDE_OK;
}

/* A new column of the message that is also one of the side. */
#define NEW_COLUMN(field)                                                                          \
    (out.field = chain_column_new(msg, n), CHAIN_SET(side, field, out.field, n))

/* price stays with theoretical_price. */
static struct bsm_columns
columns_new(hde_msg *msg, Hde__ModelColumns *side, size_t n, bool all)
{
    struct bsm_columns out = {0};

    NEW_COLUMN(delta);
    NEW_COLUMN(gamma);
    NEW_COLUMN(vega);
    NEW_COLUMN(theta);
    NEW_COLUMN(rho);
    if (!all)
        return out;
    NEW_COLUMN(vanna);
    NEW_COLUMN(charm);
    NEW_COLUMN(vomma);
    NEW_COLUMN(veta);
    NEW_COLUMN(speed);
    NEW_COLUMN(zomma);
    NEW_COLUMN(color);
    NEW_COLUMN(ultima);
    NEW_COLUMN(dual_delta);
    NEW_COLUMN(dual_gamma);
    NEW_COLUMN(itm_prob);
    return out;
}

/* What the two sides share; false where the chain lacks it. */
static bool
shared_of(const struct state *s, const Hde__EnrichedChain *chain, struct bsm *o)
{
    bool black76 = !strcmp(s->model, "black76");
    double forward = CHAIN_GET(chain->forward, forward);

    *o = (struct bsm){
        .model = black76 ? BSM_BLACK76 : BSM_MERTON,
        .underlying = black76 ? forward : CHAIN_GET(chain->raw, spot),
        .t = CHAIN_GET(chain->forward, t_years),
        .rate = isnan(s->rate) ? CHAIN_GET(chain->forward, rate) : s->rate,
    };
    if (!black76 && o->t > 0) /* the yield that carries the spot to the forward */
        o->yield = o->rate - log(forward / o->underlying) / o->t;
    return forward > 0 && o->underlying > 0 && isfinite(o->t + o->rate + o->yield);
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    size_t n = chain->raw->n_strike;
    const double *strike = chain->raw->strike;
    const double *call_iv = CHAIN_COLUMN(ctx, chain->calls, iv, n);
    const double *put_iv = CHAIN_COLUMN(ctx, chain->puts, iv, n);
    bool all = !strcmp(s->set, "all");
    struct bsm_columns out;
    struct bsm shared;

    if (!shared_of(s, chain, &shared) || !chain->calls || !chain->puts) {
        hde_count(s->no_inputs, 1);
        return;
    }
    if (!strcmp(s->vol, "otm")) {
        double *call_vol = chain_scratch(ctx, n), *put_vol = chain_scratch(ctx, n);

        skew_vols(n, strike, chain->forward->forward, call_iv, put_iv, call_vol, put_vol);
        call_iv = call_vol;
        put_iv = put_vol;
    }
    out = columns_new(msg, chain_model(msg, &chain->calls), n, all);
    shared.right = BSM_CALL;
    bsm_column(&shared, n, strike, call_iv, &out);
    out = columns_new(msg, chain_model(msg, &chain->puts), n, all);
    shared.right = BSM_PUT;
    bsm_column(&shared, n, strike, put_iv, &out);
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, model, .fallback = "black76", .choices = "black76|bsm",
              .help = "Greeks with respect to the forward, or to the spot with the implied yield"),
    HDE_PARAM(struct state, vol, .fallback = "otm", .choices = "otm|own",
              .help = "volatility: the out-of-the-money leg's for both sides, or each leg's own"),
    HDE_PARAM(struct state, set, .fallback = "all", .choices = "all|first",
              .help = "all, or delta, gamma, vega, theta and rho only"),
    HDE_PARAM(struct state, rate, .fallback = "", .unit = "decimal, continuous", .min = -1,
              .max = 1, .flags = HDE_PARAM_LIVE, .help = "interest rate; absent: the forward's"),
    {0},
};

static const hde_operator greeks_operator = {
    .size = sizeof(hde_operator),
    .name = "processing/greeks",
    .summary = "delta to ultima of every leg",
    .help =
        "Vega and rho are per 1.00 of volatility and rate; theta, charm, veta and color per year\n"
        "of time that passes; black76 holds the forward fixed in rho. A leg whose strike has no\n"
        "volatility has no Greeks. Sets the Greeks' columns of both sides.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_greeks,
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&greeks_operator);
