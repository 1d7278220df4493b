/* SPDX-License-Identifier: Apache-2.0
 * fuzz_measures - any bytes as the arguments of everything in libhde_quant beside the batches of
 * options (fuzz_quant): strategies, margin, savings plans, forward, smile, index, exposures, zones,
 * levels, measures of a chain. No crash, no index out of range, and NaN only where the result says
 * that it is absent. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quant/basis.h"
#include "quant/buildup.h"
#include "quant/forward.h"
#include "quant/gex.h"
#include "quant/iv.h"
#include "quant/margin.h"
#include "quant/max_pain.h"
#include "quant/normal.h"
#include "quant/pcr.h"
#include "quant/plans.h"
#include "quant/ranking.h"
#include "quant/rates.h"
#include "quant/reversal.h"
#include "quant/skew.h"
#include "quant/vix.h"
#include "quant/years.h"
#include "quant/zones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const double special[] = {
    0,     -0.0, 1,     -1,    NAN, INFINITY, -INFINITY, DBL_MIN, 5e-324, DBL_MAX, 1e-308,
    1e308, 1e-6, 50,    0.2,   0.065, 100,    101,       1e-9,    24212.8, 24200,  1. / 365,
    30,    1e10, -0.25, 1e-100, 3e-8, 0.5,
};
enum { SPECIAL = sizeof special / sizeof *special, STRIKES = 12, LEGS = 5 };

struct bytes {
    const uint8_t *at;
    size_t left;
};

static unsigned
next_byte(struct bytes *b)
{
    return b->left ? b->left--, *b->at++ : 0;
}

/* A byte that picks a value, or eight bytes of one. */
static double
next_number(struct bytes *b)
{
    unsigned pick = next_byte(b);
    double value = 0;

    if (pick < SPECIAL)
        return special[pick];
    for (size_t i = 0; i < sizeof value; i++)
        ((uint8_t *)&value)[i] = (uint8_t)next_byte(b);
    return value;
}

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_measures: %s\n", what);
    abort();
}

/* ---- Strategies, margin, plans --------------------------------------------------------------- */

static void
check_shape(const struct strategy *s)
{
    double breakeven[STRATEGY_BREAKEVENS(LEGS)];
    struct strategy_shape shape;
    size_t n;

    if (!strategy_shape(s, &shape, STRATEGY_BREAKEVENS(LEGS), breakeven)) {
        require(isnan(shape.max_profit) && isnan(shape.max_loss), "a shape that was refused");
        return;
    }
    require(strategy_valid(s), "a shape of no strategy");
    require(!isnan(shape.max_profit) && !isnan(shape.max_loss), "NaN in a shape");
    require(shape.max_profit >= -shape.max_loss, "the most is below the least");
    n = shape.n_breakevens;
    require(shape.model_dependent || n <= STRATEGY_BREAKEVENS(LEGS), "too many break-evens");
    for (size_t i = 0; i < n && i < STRATEGY_BREAKEVENS(LEGS); i++)
        require(breakeven[i] >= 0 && (i == 0 || breakeven[i] >= breakeven[i - 1]),
                "order of break-evens");
}

static void
check_strategy(struct bytes *b)
{
    struct strategy_leg leg[LEGS];
    struct strategy s = {next_byte(b) % (LEGS + 1), leg, next_number(b), next_number(b),
                         next_number(b)};
    struct strategy_market at = {next_number(b), next_number(b), next_number(b)};
    struct strategy_odds odds;
    struct bsm_greeks g;
    struct margin m;
    double profit, vol = next_number(b);

    for (size_t i = 0; i < LEGS; i++)
        leg[i] = (struct strategy_leg){.right = (enum bsm_right)((int)(next_byte(b) % 4) - 1),
                                       .strike = next_number(b),
                                       .units = next_number(b),
                                       .entry = next_number(b),
                                       .t = next_number(b),
                                       .vol = next_number(b)};
    check_shape(&s);
    profit = strategy_profit(&s, &at);
    require(isnan(profit) || (isfinite(profit) && strategy_valid(&s)), "profit");
    if (strategy_greeks(&s, &at, &g))
        require(isfinite(g.price) && !isnan(g.delta), "Greeks");
    else
        require(isnan(g.price) && isnan(g.delta), "Greeks that were refused");
    for (int v = 0; v < 3; v++)
        if (strategy_odds(&s, (enum strategy_vol)v, vol, &odds))
            require(odds.profit_probability >= 0 && odds.profit_probability <= 1 &&
                        isfinite(odds.expected_profit),
                    "odds");
        else
            require(isnan(odds.profit_probability) && isnan(odds.expected_profit),
                    "odds that were refused");
    if (margin_estimate(&s, vol, next_byte(b) % 2 ? &margin_index : &margin_stock, &m))
        require(m.span >= 0 && m.exposure >= 0 && isfinite(m.total) && isfinite(m.benefit) &&
                    m.worst >= 0 && m.worst < MARGIN_SCENARIOS,
                "margin");
    else
        require(isnan(m.total) && isnan(m.span) && isnan(m.benefit), "margin that was refused");
}

static void
check_plan(struct bytes *b)
{
    static struct plan_month schedule[PLAN_MONTHS_MAX];
    struct plan p = {(enum plan_kind)(next_byte(b) % 5), next_number(b), next_number(b),
                     next_number(b), next_number(b), next_number(b), next_byte(b) * 6};
    struct plan_result r;

    if (plan_run(&p, p.months <= PLAN_MONTHS_MAX ? schedule : NULL, &r))
        require(isfinite(r.value) && r.value >= 0 && isfinite(r.gain) && !isnan(r.real_value) &&
                    r.months_funded <= p.months,
                "plan");
    else
        require(isnan(r.value) && isnan(r.gain) && isnan(r.real_value), "plan that was refused");
}

/* ---- A chain --------------------------------------------------------------------------------- */

struct chain {
    size_t n;
    double strike[STRIKES], a[STRIKES], b[STRIKES];
};

/* Strikes as feeds give them, ascending and above 0; all else is anything. */
static void
read_chain(struct chain *c, struct bytes *b)
{
    double strike = 0;

    c->n = next_byte(b) % (STRIKES + 1);
    for (size_t i = 0; i < c->n; i++) {
        strike += 1 + next_byte(b);
        c->strike[i] = strike;
        c->a[i] = next_number(b);
        c->b[i] = next_number(b);
    }
}

static void
check_forward(const struct chain *c, struct bytes *b)
{
    struct forward_inputs in = {.n = c->n,
                                .strike = c->strike,
                                .call = c->a,
                                .put = c->b,
                                .spot = next_number(b),
                                .future = next_number(b),
                                .t = fabs(next_number(b)),
                                .rate = next_number(b),
                                .yield = next_number(b),
                                .near = next_byte(b) % (FORWARD_NEAR_MAX + 1),
                                .away_max = next_number(b),
                                .fit_discount = next_byte(b) % 2};
    struct forward f;

    if (forward_imply(&in, &f))
        require(f.forward > 0 && isfinite(f.forward) && f.source != FORWARD_NONE, "forward");
    else
        require(isnan(f.forward) && f.source == FORWARD_NONE, "forward that is absent");
}

static void
check_chain(struct bytes *b)
{
    struct chain c;
    double smile[STRIKES], call_pain[STRIKES], put_pain[STRIKES];
    double x = next_number(b), y = next_number(b);
    struct max_pain pain;
    struct skew skew;
    size_t first, count;

    read_chain(&c, b);
    check_forward(&c, b);
    skew_smile(c.n, c.strike, x, c.a, c.b, smile);
    skew_measure(c.n, c.strike, smile, x, fabs(y), 0.2, 2, &skew);
    skew_fitted(&skew, c.n, c.strike, x, smile);
    skew_at_delta(c.n, c.strike, smile, x, fabs(y), 0.25);
    vix_variance(c.n, c.strike, c.a, c.b, x, 0.99, fabs(y));
    if (max_pain(c.n, c.strike, c.a, c.b, call_pain, put_pain, &pain))
        require(c.n > 0 && pain.strike >= c.strike[0] && pain.strike <= c.strike[c.n - 1],
                "max pain is no strike");
    if (c.n > 0)
        require(pcr_largest(c.n, c.a) < c.n, "the largest is no strike");
    if (pcr_near(c.n, c.strike, x, 3, &first, &count))
        require(count > 0 && first + count <= c.n, "strikes near the money");
    pcr_of(c.n, c.a, c.b);
}

static void
check_exposure(struct bytes *b)
{
    struct chain c, d;
    double gex[STRIKES], dex[STRIKES], vex[STRIKES], chex[STRIKES], room[GEX_ROOM(STRIKES)];
    double width = (1 + next_byte(b)) / 257.0, flip, wall;
    size_t steps = next_byte(b) % 41;
    struct gex_columns out = {gex, dex, vex, chex};
    struct gex_chain chain;
    struct gex_curve curve;
    struct gex_sums sums;

    read_chain(&c, b);
    read_chain(&d, b);
    chain = (struct gex_chain){c.n < d.n ? c.n : d.n, c.strike,       next_number(b),
                               next_number(b),        next_number(b), next_number(b)};
    struct gex_side calls = {BSM_CALL, next_number(b), c.a, c.b};
    struct gex_side puts = {BSM_PUT, next_number(b), next_byte(b) % 2 ? c.a : d.a, d.b};

    gex_side(&chain, &calls, &out, &sums);
    wall = gex_wall(chain.n, chain.strike, gex);
    require(isnan(wall) || (chain.n > 0 && wall >= c.strike[0] && wall <= c.strike[chain.n - 1]),
            "a wall is no strike");
    curve = gex_curve(&chain, &calls, &puts, room);
    require(curve.n <= GEX_ROOM(chain.n) / 3, "terms of a curve");
    require(curve.n > 0 || isnan(gex_at(&curve, 0)), "exposure of nothing");
    flip = gex_flip(&curve, width, steps);
    require(isnan(flip) || (flip > 1 - 1.000001 * width && flip < 1 + 1.000001 * width),
            "the flip is off its grid");
}

static void
check_ranks(struct bytes *b)
{
    struct chain c;
    double rank[STRIKES], intensity[STRIKES];
    size_t top = next_byte(b) % (STRIKES + 2), ranked = 0;

    read_chain(&c, b);
    ranking_intensity(c.n, c.a, intensity);
    ranking_top(c.n, c.a, top, rank);
    for (size_t i = 0; i < c.n; i++) {
        require(!(intensity[i] > 100), "an intensity above 100");
        require(isnan(rank[i]) || (rank[i] >= 1 && rank[i] <= (double)top), "a rank");
        ranked += !isnan(rank[i]);
    }
    require(ranked <= top, "too many ranks");
}

static void
check_levels(struct bytes *b)
{
    struct reversal_side call = {next_number(b), next_number(b), next_number(b), next_number(b),
                                 next_number(b), next_number(b), next_number(b)};
    struct reversal_side put = call;
    struct reversal_point p;
    struct chain c;
    double level[STRIKES], tolerance = next_number(b);
    size_t n;

    put.delta = next_number(b);
    p = reversal_legacy(next_number(b), &call, &put, next_number(b), next_number(b));
    require(isnan(p.confidence_pct) || (p.confidence_pct >= 0 && p.confidence_pct <= 100),
            "confidence");
    read_chain(&c, b);
    n = reversal_levels(c.n, c.a, tolerance, level);
    require(2 * n <= c.n, "more levels than pairs of candidates");
    for (size_t i = 1; i < n; i++)
        require(level[i] >= level[i - 1], "order of levels");
}

static void
check_zones(struct bytes *b)
{
    struct chain c;
    bool eligible[STRIKES], taken[STRIKES];
    struct zone_span span[STRIKES];
    size_t max = next_byte(b) % (STRIKES + 1), n, strikes = 0;

    read_chain(&c, b);
    for (size_t i = 0; i < c.n; i++)
        eligible[i] = next_byte(b) % 4 != 0;
    n = zones_find(c.a, eligible, c.n, next_number(b), next_number(b), taken, span, max);
    require(n <= max, "too many zones");
    for (size_t i = 0; i < n; i++) {
        require(span[i].first <= span[i].peak && span[i].peak <= span[i].last &&
                    span[i].last < c.n && span[i].oi > 0,
                "span of a zone");
        strikes += span[i].last - span[i].first + 1;
    }
    require(strikes <= c.n, "zones overlap");
}

static void
check_scalars(struct bytes *b)
{
    double x = next_number(b), y = next_number(b), z = next_number(b), p = normal_cdf(x);
    struct iv iv = iv_normalised(-fabs(x), y);
    struct rate_spread spread = {0};
    int64_t from, to;

    require(isnan(x) ? isnan(p) : p >= 0 && p <= 1, "distribution");
    if (iv.status == IV_OK || iv.status == IV_ILL_CONDITIONED)
        require(iv.vol > 0 && isfinite(iv.vol), "normalised volatility");
    else
        require(isnan(iv.vol), "normalised volatility that is absent");
    basis_of(x, y, z, 0.065, 0.01);
    pcr(x, y);
    buildup_signal(buildup_class(x, y, z, 0), 1);
    rate_spread_add(&spread, x);
    rate_spread_add(&spread, y);
    rate_spread_score(&spread, z, 1);
    rate_per_minute(x, y, (int64_t)next_byte(b) - 3);
    x = zone_strength(x, y, z);
    require(isnan(x) || x <= 10, "strength of a zone");
    memcpy(&from, &y, sizeof from);
    memcpy(&to, &z, sizeof to);
    require(isfinite(years_between(from, to)) && !(years_between(from, to) * (from < to) < 0),
            "time between two instants");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};

    while (b.left) {
        check_strategy(&b);
        check_plan(&b);
        check_chain(&b);
        check_exposure(&b);
        check_ranks(&b);
        check_levels(&b);
        check_zones(&b);
        check_scalars(&b);
    }
    return 0;
}
