/* SPDX-License-Identifier: Apache-2.0
 * gamma_exposure - gamma, delta, vanna and charm exposure, the flip and the walls. */
#include <math.h>
#include <string.h>

#include "common/calendar.h"
#include "common/columns.h"
#include "quant/gex.h"
#include "quant/skew.h"

struct state {
    const char *sign, *calendar;
    double call_weight, put_weight, lot_size;
    hde_ratio flip_width;
    int64_t flip_steps;

    Hde__GexSign model;
    struct calendar *sessions;
    hde_counter *no_inputs, *no_lot_size;
};

static hde_status
open_gex(hde_ctx *ctx, void *state)
{
    struct state *s = state;
    char error[256];

    s->sessions = calendar_load(s->calendar, error, sizeof error);
    if (!s->sessions)
        return hde_fail(ctx, "gex.calendar", "%s", error);
    if (!strcmp(s->sign, "naive")) {
        s->model = HDE__GEX_SIGN__GEX_SIGN_NAIVE;
        s->call_weight = 1;
        s->put_weight = -1;
    } else if (!strcmp(s->sign, "inverse")) {
        s->model = HDE__GEX_SIGN__GEX_SIGN_INVERSE;
        s->call_weight = -1;
        s->put_weight = 1;
    } else if (!strcmp(s->sign, "all_short")) {
        s->model = HDE__GEX_SIGN__GEX_SIGN_ALL_SHORT;
        s->call_weight = s->put_weight = -1;
    } else {
        s->model = HDE__GEX_SIGN__GEX_SIGN_PARTICIPANT_WEIGHTED;
    }
    s->no_inputs = hde_counter_open(ctx, "no_inputs", "chains without forward or volatilities");
    s->no_lot_size = hde_counter_open(
        ctx, "no_lot_size", "chains with open interest in lots and no lot size, left as they are");
    return HDE_OK;
}

static void
close_gex(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    (void)ctx;
    calendar_free(s->sessions);
}

/* Units of the underlying per unit of open interest; NaN where nothing tells. */
static double
multiplier_of(const struct state *s, const Hde__RawChain *raw)
{
    int32_t expiry;

    if (!raw->has_oi_unit || raw->oi_unit != HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS)
        return 1;
    if (raw->has_lot_size && raw->lot_size > 0)
        return raw->lot_size;
    if (!isnan(s->lot_size) || !raw->underlying || !raw->expiry ||
        !when_parse_day(raw->expiry, &expiry))
        return s->lot_size;
    return calendar_lot(s->sessions, raw->underlying, expiry);
}

/* Exposures of one side into its columns; gives the wall. */
static double
measure_side(hde_msg *msg, const struct gex_chain *chain, const struct gex_side *side,
             Hde__ModelColumns *model, struct gex_sums *sums)
{
    size_t n = chain->n;
    struct gex_columns out = {chain_column_new(msg, n), chain_column_new(msg, n),
                              chain_column_new(msg, n), chain_column_new(msg, n)};

    gex_side(chain, side, &out, sums);
    CHAIN_SET(model, gex, out.gex, n);
    CHAIN_SET(model, dex, out.dex, n);
    CHAIN_SET(model, vex, out.vex, n);
    CHAIN_SET(model, chex, out.chex, n);
    return gex_wall(n, chain->strike, out.gex);
}

/* A sum of two sides of which one may be absent. */
static double
both(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : a + b;
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike;
    struct gex_chain c = {
        .n = n,
        .strike = raw->strike,
        .forward = CHAIN_GET(chain->forward, forward),
        .t = CHAIN_GET(chain->forward, t_years),
        .rate = CHAIN_GET(chain->forward, rate),
        .multiplier = multiplier_of(s, raw),
    };
    double *call_vol = chain_scratch(ctx, n), *put_vol = chain_scratch(ctx, n);
    struct gex_side calls = {BSM_CALL, s->call_weight, call_vol,
                             CHAIN_COLUMN(ctx, raw->calls, oi, n)};
    struct gex_side puts = {BSM_PUT, s->put_weight, put_vol, CHAIN_COLUMN(ctx, raw->puts, oi, n)};
    struct gex_sums call_sums, put_sums;
    struct gex_curve curve;
    double spot = CHAIN_GET(raw, spot), call_wall, put_wall;
    Hde__ChainMetrics *metrics;
    Hde__GammaExposure *out;

    if (!(c.forward > 0) || !(c.t > 0) || isnan(c.rate) || !chain->calls || !chain->puts) {
        hde_count(s->no_inputs, 1);
        return;
    }
    if (isnan(c.multiplier)) {
        hde_count(s->no_lot_size, 1);
        return;
    }
    skew_vols(n, raw->strike, c.forward, CHAIN_COLUMN(ctx, chain->calls, iv, n),
              CHAIN_COLUMN(ctx, chain->puts, iv, n), call_vol, put_vol);
    call_wall = measure_side(msg, &c, &calls, chain_model(msg, &chain->calls), &call_sums);
    put_wall = measure_side(msg, &c, &puts, chain_model(msg, &chain->puts), &put_sums);
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->gex, &hde__gamma_exposure__descriptor);
    out->has_sign = true;
    out->sign = s->model;
    CHAIN_PUT(out, net, both(call_sums.gex, put_sums.gex));
    CHAIN_PUT(out, call, call_sums.gex);
    CHAIN_PUT(out, put, put_sums.gex);
    CHAIN_PUT(out, dex, both(call_sums.dex, put_sums.dex));
    CHAIN_PUT(out, vex, both(call_sums.vex, put_sums.vex));
    CHAIN_PUT(out, chex, both(call_sums.chex, put_sums.chex));
    CHAIN_PUT(out, call_wall, call_wall);
    CHAIN_PUT(out, put_wall, put_wall);
    curve = gex_curve(&c, &calls, &puts, chain_scratch(ctx, GEX_ROOM(n)));
    CHAIN_PUT(out, flip,
              (spot > 0 ? spot : c.forward) *
                  gex_flip(&curve, s->flip_width.value, (size_t)s->flip_steps));
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, sign, .fallback = "naive",
              .choices = "naive|inverse|all_short|participant_weighted",
              .help =
                  "who is assumed to hold what: dealers long calls and short puts, the opposite, "
                  "short everything, or the two weights below"),
    HDE_PARAM(struct state, call_weight, .fallback = "1", .unit = "signed part", .min = -1,
              .max = 1, .help = "dealers' net part of the calls, for participant_weighted"),
    HDE_PARAM(struct state, put_weight, .fallback = "-1", .unit = "signed part", .min = -1,
              .max = 1, .help = "dealers' net part of the puts, for participant_weighted"),
    HDE_PARAM(struct state, lot_size, .fallback = "", .unit = "units a contract", .min = 1e-9,
              .max = 1e9,
              .help = "for chains that count in lots without saying how large; absent: calendar's"),
    HDE_PARAM(struct state, calendar, .fallback = "nse",
              .help = "shipped calendar (nse, always) or the path of a file: lot sizes"),
    HDE_PARAM(struct state, flip_width, .fallback = "10%", .min = 0.001, .max = 0.5,
              .flags = HDE_PARAM_LIVE, .help = "how far from the spot the flip is looked for"),
    HDE_PARAM(struct state, flip_steps, .fallback = "40", .unit = "grid points each way", .min = 2,
              .max = GEX_STEPS_MAX, .flags = HDE_PARAM_LIVE, .help = "how finely"),
    {0},
};

static const hde_operator gamma_exposure = {
    .size = sizeof(hde_operator),
    .name = "processing/gamma_exposure",
    .summary = "gamma, delta, vanna and charm exposure per strike and in sum, flip and walls",
    .help =
        "gex is currency per 1 % move, dex per 100 %, vex per volatility point, chex per day, all\n"
        "signed by the sign model, which is an assumption. flip is the spot at which the sum of\n"
        "gex changes sign when every leg is priced anew on a grid of spots, each strike keeping\n"
        "its out-of-the-money volatility; absent where it does not. Walls are the strikes of the\n"
        "largest exposure of a side, not of the largest open interest. Sets gex, dex, vex and\n"
        "chex of both sides and metrics.gex.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_gex,
    .batch = hde_each,
    .each = each,
    .close = close_gex,
};

HDE_PLUGIN(&gamma_exposure);
