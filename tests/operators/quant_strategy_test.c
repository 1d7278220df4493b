/* SPDX-License-Identifier: Apache-2.0
 * quant_strategy_test - strategies, margin and savings plans against values worked out by hand or
 * by closed forms, and properties of random strategies. HDE_SEED repeats a run. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "quant/margin.h"
#include "quant/normal.h"
#include "quant/plans.h"
#include "quant/strategy.h"

static uint64_t seed;

static double
uniform(double low, double high) /* splitmix64 */
{
    uint64_t z = (seed += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return low + (high - low) * (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void
assert_near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance) && got != expected)
        fail_msg("%s: %.17g, expected %.17g", what, got, expected);
}

#define C BSM_CALL
#define P BSM_PUT
#define T (7.0 / 365)

/* ---- Payoff ---------------------------------------------------------------------------------- */

static const struct shape_row {
    const char *name;
    size_t n;
    struct strategy_leg leg[4];
    double profit, loss;
    size_t n_breakevens;
    double breakeven[4];
} shapes[] = {
    {"long call", 1, {{C, 100, 50, 4, T, .2}}, INFINITY, 200, 1, {104}},
    {"short call", 1, {{C, 100, -50, 4, T, .2}}, 200, INFINITY, 1, {104}},
    {"long put", 1, {{P, 100, 50, 4, T, .2}}, 4800, 200, 1, {96}},
    {"short straddle",
     2,
     {{C, 100, -75, 3, T, .2}, {P, 100, -75, 2.5, T, .2}},
     412.5,
     INFINITY,
     2,
     {94.5, 105.5}},
    {"bull call spread",
     2,
     {{C, 100, 10, 5, T, .2}, {C, 110, -10, 1, T, .2}},
     60,
     40,
     1,
     {104}},
    {"iron condor",
     4,
     {{P, 90, 1, .5, T, .2},
      {P, 95, -1, 1.5, T, .2},
      {C, 105, -1, 1.5, T, .2},
      {C, 110, 1, .5, T, .2}},
     2,
     3,
     2,
     {93, 107}},
    {"butterfly",
     3,
     {{C, 95, 1, 6, T, .2}, {C, 100, -2, 3, T, .2}, {C, 105, 1, 1, T, .2}},
     4,
     1,
     2,
     {96, 104}},
    {"ratio spread",
     2,
     {{C, 100, 1, 4, T, .2}, {C, 105, -2, 2, T, .2}},
     5,
     INFINITY,
     2,
     {100, 110}},
    {"future", 1, {{0, 0, 25, 101, T, 0}}, INFINITY, 2525, 1, {101}},
    {"covered call", 2, {{0, 0, 1, 100, 0, 0}, {C, 105, -1, 2, T, .2}}, 7, 98, 1, {98}},
    {"synthetic future",
     3,
     {{C, 100, 1, 4, T, .2}, {P, 100, -1, 3, T, .2}, {0, 0, -1, 101, T, 0}},
     0,
     0,
     0,
     {0}},
    {"box that earns",
     4,
     {{C, 100, 1, 6, T, .2},
      {C, 110, -1, 1, T, .2},
      {P, 110, 1, 7, T, .2},
      {P, 100, -1, 2.5, T, .2}},
     .5,
     -.5,
     0,
     {0}},
};

static void
test_shapes_of_common_strategies_are_those_worked_out_by_hand(void **state)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape_row *row = &shapes[i];
        struct strategy s = {row->n, row->leg, 100, 0.06, 0};
        struct strategy_shape shape;
        double breakeven[STRATEGY_BREAKEVENS(4)];

        assert_true(strategy_shape(&s, &shape, STRATEGY_BREAKEVENS(4), breakeven));
        assert_near(row->name, shape.max_profit, row->profit, 1e-12);
        assert_near(row->name, shape.max_loss, row->loss, 1e-12);
        assert_false(shape.model_dependent);
        if (i == 10) /* all zero: both ends of the stretch, the upper one is infinite */
            continue;
        if (shape.n_breakevens != row->n_breakevens)
            fail_msg("%s: %zu break-evens", row->name, shape.n_breakevens);
        for (size_t j = 0; j < row->n_breakevens; j++)
            assert_near(row->name, breakeven[j], row->breakeven[j], 1e-12);
    }
}

static void
test_a_stretch_without_profit_or_loss_has_two_break_evens(void **state)
{
    struct strategy_leg leg[] = {{P, 90, -1, 0, T, .2}, {C, 110, 1, 0, T, .2}};
    struct strategy s = {2, leg, 100, 0, 0};
    struct strategy_shape shape;
    double breakeven[6];

    assert_true(strategy_shape(&s, &shape, 6, breakeven));
    assert_int_equal(shape.n_breakevens, 2);
    assert_true(breakeven[0] == 90 && breakeven[1] == 110);
    assert_true(shape.max_loss == 90 && shape.max_profit == INFINITY);
}

static void
test_more_break_evens_than_fit_are_counted_and_not_written(void **state)
{
    struct strategy_leg leg[] = {{C, 100, -1, 3, T, .2}, {P, 100, -1, 3, T, .2}};
    struct strategy s = {2, leg, 100, 0, 0};
    struct strategy_shape shape;
    double breakeven[2] = {0, -1};

    assert_true(strategy_shape(&s, &shape, 1, breakeven));
    assert_int_equal(shape.n_breakevens, 2);
    assert_true(breakeven[0] == 94 && breakeven[1] == -1);
}

/* A calendar spread: its break-evens are zeros of the model's profit, its maximum at the strike. */
static void
test_several_expiries_are_valued_by_the_model_at_the_first(void **state)
{
    struct strategy_leg leg[] = {{C, 100, -1, 1.1, 7. / 365, .2}, {C, 100, 1, 2.3, 35. / 365, .2}};
    struct strategy s = {2, leg, 100, 0.05, 0};
    struct strategy_shape shape;
    double breakeven[8], at_strike, fine = -INFINITY;

    assert_true(strategy_shape(&s, &shape, 8, breakeven));
    assert_true(shape.model_dependent);
    assert_int_equal(shape.n_breakevens, 2);
    for (int i = 0; i < 2; i++) {
        struct strategy_market at = {breakeven[i], 7. / 365, 0};

        assert_near("at a break-even", strategy_profit(&s, &at), 0, 1e-10);
    }
    at_strike = strategy_profit(&s, &(struct strategy_market){100, 7. / 365, 0});
    for (double x = 99; x < 101; x += 1e-3)
        fine = fmax(fine, strategy_profit(&s, &(struct strategy_market){x, 7. / 365, 0}));
    assert_true(shape.max_profit >= fine - 1e-12 && shape.max_profit >= at_strike - 1e-12);
    assert_near("maximum", shape.max_profit, fine, 1e-5);
    assert_near("loss", shape.max_loss, 1.2, 1e-9);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void
test_profit_now_is_the_models_price_less_the_entry(void **state)
{
    struct strategy_leg leg[] = {{C, 40, 100, 4, 0.5, .2}, {P, 40, -100, 1, 0.5, .2}};
    struct strategy s = {2, leg, 42, 0.1, 0};
    struct bsm_greeks g;
    struct strategy_market now = {42, 0, 0};

    /* Hull, ex. 13.6: 4.7594 and 0.8086 */
    assert_near("profit", strategy_profit(&s, &now),
                100 * (4.759422392871533 - 4 - 0.808599372900094 + 1), 1e-10);
    assert_true(strategy_greeks(&s, &now, &g));
    assert_near("delta", g.delta, 100, 1e-10); /* parity */
    assert_near("gamma", g.gamma, 0, 1e-12);
    assert_near("worth", g.price, 100 * (42 - 40 * exp(-0.05)), 1e-10);
}

static struct strategy_leg
any_leg(double t)
{
    struct strategy_leg leg = {
        .right = uniform(0, 1) < .45 ? C : uniform(0, 1) < .8 ? P : 0,
        .strike = floor(uniform(80, 121)),
        .units = floor(uniform(-4, 5)),
        .t = t,
        .vol = uniform(.1, .6),
    };

    leg.entry = leg.right == 0 ? uniform(95, 105) : uniform(0, 10);
    return leg;
}

static void
test_greeks_are_slopes_of_the_profit(void **state)
{
    for (int round = 0; round < 2000; round++) {
        struct strategy_leg leg[4];
        struct strategy s = {4, leg, uniform(80, 120), uniform(-.02, .1), uniform(0, .05)};
        struct bsm_greeks g;
        double h = 1e-4, up, down, later;

        for (int i = 0; i < 4; i++)
            leg[i] = any_leg(uniform(.1, 1));
        assert_true(strategy_greeks(&s, &(struct strategy_market){s.spot, .01, .02}, &g));
        up = strategy_profit(&s, &(struct strategy_market){s.spot + h, .01, .02});
        down = strategy_profit(&s, &(struct strategy_market){s.spot - h, .01, .02});
        assert_near("delta", (up - down) / (2 * h), g.delta, 1e-6);
        up = strategy_profit(&s, &(struct strategy_market){s.spot, .01, .02 + h});
        down = strategy_profit(&s, &(struct strategy_market){s.spot, .01, .02 - h});
        assert_near("vega", (up - down) / (2 * h), g.vega, 1e-4);
        later = strategy_profit(&s, &(struct strategy_market){s.spot, .01 + h / 10, .02});
        down = strategy_profit(&s, &(struct strategy_market){s.spot, .01 - h / 10, .02});
        assert_near("theta", (later - down) / (h / 5), g.theta, 1e-3);
    }
}

static void
test_a_surface_is_its_cells(void **state)
{
    struct strategy_leg leg[] = {{C, 100, 2, 4, .1, .2}, {P, 95, -1, 1, .2, .3}};
    struct strategy s = {2, leg, 100, .05, 0};
    double spot[] = {90, 100, -1}, elapsed[] = {0, .1}, vol[] = {-.05, 0, .5}, profit[18];
    struct strategy_grid grid = {3, 2, 3, spot, elapsed, vol};
    struct bsm_greeks greeks[18];

    strategy_surface(&s, &grid, profit, greeks);
    for (int i = 0; i < 18; i++) {
        struct strategy_market at = {spot[i % 3], elapsed[i / 3 % 2], vol[i / 6]};

        if (i % 3 == 2) {
            assert_true(isnan(profit[i]) && isnan(greeks[i].delta));
            continue;
        }
        assert_true(profit[i] == strategy_profit(&s, &at));
        assert_near("worth", greeks[i].price, profit[i] + 2 * 4 - 1, 1e-12);
    }
}

/* ---- Properties ------------------------------------------------------------------------------ */

static void
test_random_payoffs_stay_within_their_extremes_and_change_sign_at_break_evens_only(void **state)
{
    for (int round = 0; round < 3000; round++) {
        enum { N = 5 };
        struct strategy_leg leg[N];
        struct strategy s = {N, leg, 100, .05, .01};
        struct strategy_shape shape;
        double breakeven[STRATEGY_BREAKEVENS(N)], last = NAN;
        size_t at = 0;

        for (int i = 0; i < N; i++)
            leg[i] = any_leg(.1);
        assert_true(strategy_shape(&s, &shape, STRATEGY_BREAKEVENS(N), breakeven));
        assert_true(shape.n_breakevens <= STRATEGY_BREAKEVENS(N));
        for (double x = 0; x < 300; x += 0.37) {
            double y = strategy_profit(&s, &(struct strategy_market){x, strategy_horizon(&s), 0});

            assert_true(y <= shape.max_profit + 1e-9 && -y <= shape.max_loss + 1e-9);
            if (!isnan(last) && last * y < 0) {
                bool between = false;

                for (at = 0; at < shape.n_breakevens; at++)
                    between |= breakeven[at] >= x - 0.37 && breakeven[at] <= x;
                if (!between)
                    fail_msg("round %d: the sign changes before %g", round, x);
            }
            last = y;
        }
    }
}

static void
test_odds_are_those_of_an_integral_over_the_density(void **state)
{
    for (int round = 0; round < 200; round++) {
        enum { N = 4, STEPS = 200000 };
        struct strategy_leg leg[N];
        struct strategy s = {N, leg, 100, uniform(-.02, .1), uniform(0, .05)};
        struct strategy_odds odds;
        double vol = uniform(.1, .5), t = .25, sd = vol * sqrt(t), wins = 0, mean = 0;

        for (int i = 0; i < N; i++)
            leg[i] = any_leg(t);
        leg[0].right = C; /* so that t is the horizon */
        assert_true(strategy_odds(&s, STRATEGY_VOL_FLAT, vol, &odds));
        if (round >= 20) { /* the integral is slow */
            assert_true(odds.profit_probability >= 0 && odds.profit_probability <= 1);
            continue;
        }
        for (int i = 0; i < STEPS; i++) {
            double z = -9 + 18 * (i + .5) / STEPS, weight = normal_pdf(z) * 18 / STEPS;
            double x = 100 * exp((s.rate - s.yield) * t + sd * z - sd * sd / 2);
            double y = strategy_profit(&s, &(struct strategy_market){x, t, 0});

            wins += y > 0 ? weight : 0;
            mean += y * weight;
        }
        assert_near("probability", odds.profit_probability, wins, 1e-4);
        assert_near("mean", odds.expected_profit, mean, 1e-6);
    }
}

static void
test_odds_say_which_volatility_they_are_of(void **state)
{
    struct strategy_leg leg[] = {{P, 90, -1, 1, .25, .3}, {C, 110, -1, 1, .25, .2}};
    struct strategy s = {2, leg, 100, 0, 0};
    struct strategy_odds odds;
    double low = (log(88 / 100.) / (.3 * .5) + .3 * .5 / 2);
    double high = (log(112 / 100.) / (.2 * .5) + .2 * .5 / 2);

    assert_true(strategy_odds(&s, STRATEGY_VOL_STRIKE, NAN, &odds));
    assert_int_equal(odds.vol, STRATEGY_VOL_STRIKE);
    assert_near("probability", odds.profit_probability, normal_cdf(high) - normal_cdf(low), 1e-14);
    assert_true(strategy_odds(&s, STRATEGY_VOL_FLAT, 0, &odds));
    assert_true(odds.profit_probability == 1 && odds.expected_profit == 2);
    assert_false(strategy_odds(&s, STRATEGY_VOL_FLAT, NAN, &odds));
    assert_true(isnan(odds.profit_probability));
}

static void
test_bad_strategies_are_refused(void **state)
{
    static const struct strategy_leg good = {C, 100, 1, 1, .1, .2};
    struct {
        size_t offset;
        double value;
    } bad[] = {
        {offsetof(struct strategy_leg, strike), 0},
        {offsetof(struct strategy_leg, strike), -1},
        {offsetof(struct strategy_leg, strike), NAN},
        {offsetof(struct strategy_leg, units), INFINITY},
        {offsetof(struct strategy_leg, entry), NAN},
        {offsetof(struct strategy_leg, t), 0},
        {offsetof(struct strategy_leg, t), -1},
        {offsetof(struct strategy_leg, vol), -1},
        {offsetof(struct strategy_leg, vol), NAN},
    };
    struct strategy_shape shape;
    struct strategy_odds odds;
    struct margin margin;
    struct bsm_greeks g;
    struct strategy none = {0, &good, 100, 0, 0};

    assert_false(strategy_shape(&none, &shape, 0, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct strategy_leg leg = good;
        struct strategy s = {1, &leg, 100, 0, 0};

        *(double *)((char *)&leg + bad[i].offset) = bad[i].value;
        assert_false(strategy_shape(&s, &shape, 0, NULL));
        assert_true(isnan(shape.max_profit));
        assert_false(strategy_odds(&s, STRATEGY_VOL_FLAT, .2, &odds));
        assert_false(strategy_greeks(&s, &(struct strategy_market){100, 0, 0}, &g));
        assert_true(isnan(g.delta));
        assert_true(isnan(strategy_profit(&s, &(struct strategy_market){100, 0, 0})));
        assert_false(margin_estimate(&s, .2, &margin_index, &margin));
        assert_true(isnan(margin.total));
    }
    none.n = 1;
    assert_true(isnan(strategy_profit(&none, &(struct strategy_market){100, .2, 0})));
    assert_true(isnan(strategy_profit(&none, &(struct strategy_market){0, 0, 0})));
}

/* ---- Margin ---------------------------------------------------------------------------------- */

static void
test_margin_of_a_future_is_its_scan_range(void **state)
{
    struct strategy_leg leg[] = {{0, 0, 75, 24000, 20. / 365, 0}};
    struct strategy s = {1, leg, 24000, 0, 0};
    struct margin m;

    /* 6 x .12 / sqrt(252) x sqrt(2) is below 9.3 % */
    assert_true(margin_estimate(&s, .12, &margin_index, &m));
    assert_near("range", m.price_scan_range, 2232, 1e-9);
    assert_near("span", m.span, 75 * 2232., 1e-6);
    assert_near("exposure", m.exposure, .02 * 75 * 24000, 1e-6);
    assert_near("benefit", m.benefit, 0, 1e-9);
    assert_int_equal(m.worst, 6 * 2);
    assert_true(margin_estimate(&s, .4, &margin_index, &m));
    assert_near("wild", m.price_scan_range, 24000 * 6 * .4 * sqrt(2. / 252), 1e-9);
    leg->t = 1;
    assert_true(margin_estimate(&s, .12, &margin_index, &m));
    assert_near("far", m.price_scan_range, .177 * 24000, 1e-9);
}

static void
test_who_buys_an_option_pays_no_more_than_its_price(void **state)
{
    struct strategy_leg leg[] = {{C, 24000, 75, 200, 20. / 365, .12}};
    struct strategy s = {1, leg, 24000, .06, 0};
    struct margin m;

    assert_true(margin_estimate(&s, .12, &margin_index, &m));
    assert_true(m.span == 0 && m.exposure == 0);
    assert_near("total", m.total, 75 * 200, 1e-9);
}

static void
test_a_hedge_lowers_the_margin_and_a_calendar_is_charged(void **state)
{
    struct strategy_leg leg[] = {{C, 24000, -75, 200, 20. / 365, .12},
                                 {C, 24500, 75, 60, 20. / 365, .12},
                                 {0, 0, 75, 24000, 20. / 365, 0},
                                 {0, 0, -75, 24000, 48. / 365, 0}};
    struct strategy s = {2, leg, 24000, 0, 0};
    struct margin m;
    double width = 500 * 75;

    assert_true(margin_estimate(&s, .12, &margin_index, &m));
    assert_true(m.benefit > 0);
    assert_true(m.scan <= width);
    s = (struct strategy){2, leg + 2, 24000, 0, 0};
    assert_true(margin_estimate(&s, .12, &margin_index, &m));
    assert_near("calendar", m.calendar, .0175 * 24000 * 75, 1e-6);
    assert_near("span", m.span, m.calendar, 1e-6);
    leg[2].t = .5 / 365; /* the near one expires today: no offset, nothing to charge */
    assert_true(margin_estimate(&s, .12, &margin_index, &m));
    assert_near("expiring", m.calendar, 0, 0);
}

/* ---- Savings plans --------------------------------------------------------------------------- */

static void
test_plans_are_those_of_the_closed_forms(void **state)
{
    double i = .12 / 12, n = 120;
    struct plan sip = {.kind = PLAN_SIP, .amount = 5000, .annual_return = .12, .months = 120};
    struct plan lump = {.kind = PLAN_LUMPSUM,
                        .amount = 1e5,
                        .annual_return = .12,
                        .months = 120,
                        .inflation = .06};
    struct plan swp = {.kind = PLAN_SWP,
                       .amount = 1e6,
                       .withdrawal = 8000,
                       .annual_return = .09,
                       .months = 120};
    struct plan_month schedule[120];
    struct plan_result r;

    assert_true(plan_run(&sip, schedule, &r));
    assert_near("sip", r.value, 5000 * (pow(1 + i, n) - 1) / i * (1 + i), 1e-6);
    assert_near("sip, 10 years at 12 %", r.value, 1161695.38, 0.01);
    assert_true(r.invested == 600000 && r.withdrawn == 0);
    assert_near("first month", schedule[0].value, 5050, 1e-9);
    assert_true(schedule[119].value == r.value);
    assert_true(plan_run(&lump, NULL, &r));
    assert_near("lumpsum", r.value, 1e5 * pow(1 + i, n), 1e-6);
    assert_near("real", r.real_value, r.value / pow(1.06, 10), 1e-9);
    assert_true(plan_run(&swp, schedule, &r));
    i = .09 / 12;
    assert_near("swp", r.value, 1e6 * pow(1 + i, n) - 8000 * (pow(1 + i, n) - 1) / i, 1e-5);
    assert_true(r.withdrawn == 960000 && r.months_funded == 120);
    assert_near("first month", schedule[0].value, 1e6 * 1.0075 - 8000, 1e-9);
}

static void
test_a_plan_that_runs_dry_pays_what_is_left(void **state)
{
    struct plan p = {.kind = PLAN_SWP, .amount = 1000, .withdrawal = 300, .months = 12};
    struct plan_result r;

    assert_true(plan_run(&p, NULL, &r));
    assert_true(r.value == 0 && r.withdrawn == 1000 && r.months_funded == 3 && r.gain == 0);
}

static void
test_step_up_raises_the_sum_every_year(void **state)
{
    struct plan p = {.kind = PLAN_SIP, .amount = 100, .step_up = .1, .months = 36};
    struct plan_result r;

    assert_true(plan_run(&p, NULL, &r));
    assert_near("invested", r.invested, 1200 * (1 + 1.1 + 1.21), 1e-9);
    assert_near("gain", r.gain, 0, 1e-9);
}

static void
test_plans_outside_of_the_limits_are_refused(void **state)
{
    struct plan good = {.kind = PLAN_SIP, .amount = 1, .annual_return = .1, .months = 12};
    struct plan_result r;

    for (int i = 0; i < 8; i++) {
        struct plan p = good;

        p.kind = i == 0 ? 0 : p.kind;
        p.amount = i == 1 ? -1 : i == 2 ? NAN : p.amount;
        p.annual_return = i == 3 ? -12 : i == 4 ? 1e308 : p.annual_return;
        p.months = i == 5 ? 0 : i == 6 ? PLAN_MONTHS_MAX + 1 : p.months;
        p.inflation = i == 7 ? -1 : p.inflation;
        assert_false(plan_run(&p, NULL, &r));
        assert_true(isnan(r.value) && isnan(r.gain));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_of_common_strategies_are_those_worked_out_by_hand),
        cmocka_unit_test(test_a_stretch_without_profit_or_loss_has_two_break_evens),
        cmocka_unit_test(test_more_break_evens_than_fit_are_counted_and_not_written),
        cmocka_unit_test(test_several_expiries_are_valued_by_the_model_at_the_first),
        cmocka_unit_test(test_profit_now_is_the_models_price_less_the_entry),
        cmocka_unit_test(test_greeks_are_slopes_of_the_profit),
        cmocka_unit_test(test_a_surface_is_its_cells),
        cmocka_unit_test(
            test_random_payoffs_stay_within_their_extremes_and_change_sign_at_break_evens_only),
        cmocka_unit_test(test_odds_are_those_of_an_integral_over_the_density),
        cmocka_unit_test(test_odds_say_which_volatility_they_are_of),
        cmocka_unit_test(test_bad_strategies_are_refused),
        cmocka_unit_test(test_margin_of_a_future_is_its_scan_range),
        cmocka_unit_test(test_who_buys_an_option_pays_no_more_than_its_price),
        cmocka_unit_test(test_a_hedge_lowers_the_margin_and_a_calendar_is_charged),
        cmocka_unit_test(test_plans_are_those_of_the_closed_forms),
        cmocka_unit_test(test_a_plan_that_runs_dry_pays_what_is_left),
        cmocka_unit_test(test_step_up_raises_the_sum_every_year),
        cmocka_unit_test(test_plans_outside_of_the_limits_are_refused),
    };
    const char *given = getenv("HDE_SEED");

    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
