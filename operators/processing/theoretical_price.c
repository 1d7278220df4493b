/* SPDX-License-Identifier: Apache-2.0
 * theoretical_price - what the legs would cost on a smooth volatility, and how far they are off. */
#include <math.h>
#include <string.h>

#include "common/columns.h"
#include "quant/bsm.h"
#include "quant/skew.h"

struct state {
    const char *vol;
    double width;
    hde_counter *no_vol;
};

static hde_status
open_price(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_vol = hde_counter_open(ctx, "no_vol", "chains without forward or volatility to price on");
    return HDE_OK;
}

/* The volatility to price each strike on; false where there is none. */
static bool
fill_vols(hde_ctx *ctx, const struct state *s, const Hde__EnrichedChain *chain, double *vol)
{
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike;
    double forward = CHAIN_GET(chain->forward, forward), t = CHAIN_GET(chain->forward, t_years);
    const double *call_iv = CHAIN_COLUMN(ctx, chain->calls, iv, n);
    const double *put_iv = CHAIN_COLUMN(ctx, chain->puts, iv, n);
    double *smile, atm;
    struct skew skew;

    if (!(forward > 0) || !(t > 0))
        return false;
    if (!strcmp(s->vol, "otm")) {
        skew_smile(n, raw->strike, forward, call_iv, put_iv, vol);
        return true;
    }
    atm = skew_atm(n, raw->strike, forward, call_iv, put_iv, 0.05);
    if (!strcmp(s->vol, "atm")) {
        for (size_t i = 0; i < n; i++)
            vol[i] = atm;
        return true;
    }
    smile = chain_scratch(ctx, n);
    skew_smile(n, raw->strike, forward, call_iv, put_iv, smile);
    skew_fit(n, raw->strike, smile, forward, t, atm, s->width, &skew);
    skew_fitted(&skew, n, raw->strike, forward, vol);
    return true;
}

static void
price_side(hde_ctx *ctx, hde_msg *msg, const struct bsm *shared, const Hde__RawChain *raw,
           const double *vol, Hde__ModelColumns *side)
{
    size_t n = raw->n_strike;
    struct bsm_columns out = {.price = chain_column_new(msg, n)};
    double *mispricing = chain_column_new(msg, n);
    const double *paid = CHAIN_COLUMN(ctx, side, input_price, n);

    bsm_column(shared, n, raw->strike, vol, &out);
    for (size_t i = 0; i < n; i++)
        mispricing[i] = paid[i] - out.price[i];
    CHAIN_SET(side, price, out.price, n);
    CHAIN_SET(side, mispricing, mispricing, n);
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    double *vol = chain_scratch(ctx, chain->raw->n_strike);
    struct bsm shared = {
        .model = BSM_BLACK76,
        .right = BSM_CALL,
        .underlying = CHAIN_GET(chain->forward, forward),
        .t = CHAIN_GET(chain->forward, t_years),
        .rate = CHAIN_GET(chain->forward, rate),
    };

    if (!fill_vols(ctx, s, chain, vol)) {
        hde_count(s->no_vol, 1);
        return;
    }
    price_side(ctx, msg, &shared, chain->raw, vol, chain_model(msg, &chain->calls));
    shared.right = BSM_PUT;
    price_side(ctx, msg, &shared, chain->raw, vol, chain_model(msg, &chain->puts));
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, vol, .fallback = "fit", .choices = "fit|atm|otm",
              .help =
                  "volatility: quadratic fit of the smile, the at-the-money one for every strike, "
                  "or each strike's out-of-the-money one"),
    HDE_PARAM(struct state, width, .fallback = "3", .unit = "standard deviations", .min = 0.5,
              .max = 10, .flags = HDE_PARAM_LIVE,
              .help = "how far from the forward the fit reaches"),
    {0},
};

static const hde_operator theoretical_price = {
    .size = sizeof(hde_operator),
    .name = "processing/theoretical_price",
    .summary = "Black-76 price of every leg on a smooth volatility, and its mispricing",
    .help =
        "mispricing is the price that went into the implied volatility less the theoretical one.\n"
        "Sets price and mispricing of both sides.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_price,
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&theoretical_price);
