/* SPDX-License-Identifier: Apache-2.0
 * forward - forward, discount factor and time to expiry of a chain. */
#include <math.h>
#include <string.h>

#include "common/calendar.h"
#include "common/columns.h"
#include "quant/forward.h"
#include "quant/years.h"

struct state {
    double rate, yield;
    int64_t near;
    const char *price, *discount, *calendar;
    bool traded_only;
    hde_ratio away_max;

    enum chain_price_rule rule;
    struct calendar *sessions;
    hde_counter *no_expiry, *expired, *no_forward;
};

static hde_status
open_forward(hde_ctx *ctx, void *state)
{
    struct state *s = state;
    char error[256];

    s->sessions = calendar_load(s->calendar, error, sizeof error);
    if (!s->sessions)
        return hde_fail(ctx, "forward.calendar", "%s", error);
    s->rule = chain_price_rule(s->price);
    s->no_expiry = hde_counter_open(
        ctx, "no_expiry", "chains without an expiry that is a trading day of the calendar");
    s->expired = hde_counter_open(ctx, "expired", "chains stamped after their expiry");
    s->no_forward = hde_counter_open(ctx, "no_forward", "chains that give no forward");
    return HDE_OK;
}

static void
close_forward(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    (void)ctx;
    calendar_free(s->sessions);
}

/* Years to expiry; NaN where the chain does not tell. */
static double
time_left(const struct state *s, const hde_msg *msg, const Hde__RawChain *raw)
{
    int64_t now_ns = raw->has_event_ns ? raw->event_ns : msg->event_ns, expiry_ns;
    int32_t day;

    if (raw->has_expiry_ns)
        return years_between(now_ns, raw->expiry_ns);
    if (!raw->expiry || !when_parse_day(raw->expiry, &day) ||
        !calendar_expiry(s->sessions, day, &expiry_ns))
        return NAN;
    return years_between(now_ns, expiry_ns);
}

/* One side's prices, and the variance of each price added to noise. A last price is older the less
 * a leg trades, and what it is off grows with the root of its age: the volume says how much,
 * against that of the busiest leg. */
static void
read_side(const struct state *s, const Hde__Quotes *side, size_t n, double *price, double *noise)
{
    bool known = side && side->n_volume == n;
    double busiest = 0;

    for (size_t i = 0; known && i < n; i++)
        busiest = fmax(busiest, side->volume[i]);
    for (size_t i = 0; i < n; i++) {
        struct chain_price p = chain_price_of(side, n, i, s->rule, s->traded_only);
        bool aged = p.source == HDE__PRICE_SOURCE__PRICE_SOURCE_LAST && known;
        double age = aged && side->volume[i] > 0 ? busiest / side->volume[i] : 1;

        price[i] = p.price;
        noise[i] += p.noise * p.noise * age;
    }
}

/* Prices of both sides, and how far each strike's parity can be trusted. */
static void
read_prices(const struct state *s, const Hde__RawChain *raw, double *call, double *put,
            double *weight)
{
    size_t n = raw->n_strike;

    for (size_t i = 0; i < n; i++)
        weight[i] = 1e-10 * raw->strike[i] * raw->strike[i]; /* no price is better than this */
    read_side(s, raw->calls, n, call, weight);
    read_side(s, raw->puts, n, put, weight);
    for (size_t i = 0; i < n; i++)
        weight[i] = weight[i] > 0 && isfinite(weight[i]) ? 1 / weight[i] : 1;
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike;
    double *call = chain_scratch(ctx, n), *put = chain_scratch(ctx, n);
    double *weight = chain_scratch(ctx, n), t = time_left(s, msg, raw);
    struct forward forward;
    Hde__Forward *out;

    if (!(t >= 0)) {
        hde_count(isnan(t) ? s->no_expiry : s->expired, 1);
        return;
    }
    out = hde_msg_edit(msg, &chain->forward, &hde__forward__descriptor);
    CHAIN_PUT(out, t_years, t);
    read_prices(s, raw, call, put, weight);
    struct forward_inputs in = {
        .n = n,
        .strike = raw->strike,
        .call = call,
        .put = put,
        .weight = weight,
        .spot = CHAIN_GET(raw, spot),
        .future = CHAIN_GET(raw, future),
        .t = t,
        .rate = s->rate,
        .yield = s->yield,
        .near = (size_t)s->near,
        .away_max = s->away_max.value,
        .fit_discount = !strcmp(s->discount, "fitted"),
    };
    if (!forward_imply(&in, &forward))
        hde_count(s->no_forward, 1);
    CHAIN_PUT(out, forward, forward.forward);
    CHAIN_PUT(out, discount, forward.discount);
    CHAIN_PUT(out, rate, forward.rate);
    CHAIN_PUT(out, dividend_yield, forward.yield);
    CHAIN_PUT(out, residual, forward.residual);
    out->has_source = true;
    out->source = (Hde__ForwardSource)forward.source;
    out->has_strikes_used = true;
    out->strikes_used = (uint32_t)forward.strikes_used;
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, rate, .fallback = "0.065", .unit = "decimal, continuous", .min = -1,
              .max = 1, .flags = HDE_PARAM_LIVE, .help = "interest rate for discounting"),
    HDE_PARAM(struct state, yield, .fallback = "0", .unit = "decimal, continuous", .min = -1,
              .max = 1, .flags = HDE_PARAM_LIVE,
              .help = "dividend yield, used only where the forward is carried from the spot"),
    HDE_PARAM(struct state, near, .fallback = "7", .unit = "strikes", .min = 1,
              .max = FORWARD_NEAR_MAX, .flags = HDE_PARAM_LIVE,
              .help = "strikes with both prices on either side of the money that enter the fit"),
    HDE_PARAM(struct state, price, .fallback = "auto", .choices = CHAIN_PRICE_CHOICES,
              .help = "price of a leg: quote midpoint, last trade, or the first where quoted"),
    HDE_PARAM(struct state, traded_only, .fallback = "true",
              .help = "refuse a last price where the day's volume is known to be 0"),
    HDE_PARAM(struct state, discount, .fallback = "rate", .choices = "rate|fitted",
              .help = "discount factor from the rate, or from the slope of the parity fit"),
    HDE_PARAM(struct state, calendar, .fallback = "nse",
              .help = "shipped calendar (nse, always) or the path of a file: the instant of expiry "
                      "where the chain has none"),
    HDE_PARAM(struct state, away_max, .fallback = "10%", .min = 0, .max = 1,
              .flags = HDE_PARAM_LIVE,
              .help = "a parity forward further than this from the spot is not believed"),
    {0},
};

static const hde_operator forward_operator = {
    .size = sizeof(hde_operator),
    .name = "processing/forward",
    .summary = "forward by put-call parity, discount factor and seconds-exact time to expiry",
    .help =
        "Weighted robust fit of call - put = D (F - K) over the strikes near the money, which\n"
        "count by distance, spread and, for last trades, volume; with fewer than three\n"
        "pairs the strike with the smallest |call - put| alone; then the listed future; then the\n"
        "spot carried with rate and yield. forward.source tells which, residual how well parity\n"
        "holds. Time is ACT/365F to the chain's expiry instant, else to that of the calendar for\n"
        "its expiry date. Expired chains get no forward. Sets forward.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_forward,
    .batch = hde_each,
    .each = each,
    .close = close_forward,
};

_Static_assert((int)FORWARD_SPOT_CARRY == (int)HDE__FORWARD_SOURCE__FORWARD_SOURCE_SPOT_CARRY,
               "the numbers of quant are those of the schema");
HDE_PLUGIN(&forward_operator);
