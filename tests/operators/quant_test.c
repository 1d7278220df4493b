/* SPDX-License-Identifier: Apache-2.0
 * quant_test - published values of prices and Greeks, properties that every market keeps, and the
 * edges of the domain. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "levels.h"
#include "quant/bsm.h"

static void
assert_near(const char *name, double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.17g, expected %.17g within %.3g", name, value, expected, tolerance);
}

/* ---- Published values ---------------------------------------------------------------------- */

/* Haug, Option Pricing Formulas (1998), as printed; the last column is the same with 90 digits. */
static const struct {
    const char *name;
    int right;
    double strike, spot, yield, rate, t, vol, published, exact;
} haug[] = {
    {"H01", 1, 65, 60, 0, .08, .25, .30, 2.1334, 2.1333684449162},
    {"H02", -1, 95, 100, .05, .10, .50, .20, 2.4648, 2.4647876467558212},
    {"H03", -1, 19, 19, .10, .10, .75, .28, 1.7011, 1.7010507252362671},
    {"H04", 1, 19, 19, .10, .10, .75, .28, 1.7011, 1.7010507252362671},
    {"H05", 1, 1.60, 1.56, .08, .06, .50, .12, .0291, .029099253149439683},
    {"H06", -1, 70, 75, .05, .10, .50, .35, 4.0870, 4.0869538286353538},
    {"H07", 1, 100, 90, .10, .10, .10, .15, .0205, .020490148536478185},
    {"H08", 1, 100, 100, .10, .10, .10, .15, 1.8734, 1.8733445727649355},
    {"H09", 1, 100, 110, .10, .10, .10, .15, 9.9413, 9.941277395489546},
    {"H10", 1, 100, 90, .10, .10, .10, .25, .3150, .31504580077736539},
    {"H11", 1, 100, 100, .10, .10, .10, .25, 3.1217, 3.1217206981811284},
    {"H12", 1, 100, 110, .10, .10, .10, .25, 10.3556, 10.355552136523035},
    {"H13", 1, 100, 90, .10, .10, .10, .35, .9474, .94741753442255031},
    {"H14", 1, 100, 100, .10, .10, .10, .35, 4.3693, 4.3693168485362154},
    {"H15", 1, 100, 110, .10, .10, .10, .35, 11.1381, 11.138125160603496},
    {"H16", 1, 100, 90, .10, .10, .50, .15, .8069, .80689241367593472},
    {"H17", 1, 100, 100, .10, .10, .50, .15, 4.0232, 4.0231670486171288},
    {"H18", 1, 100, 110, .10, .10, .50, .15, 10.5769, 10.57685778681911},
    {"H19", 1, 100, 90, .10, .10, .50, .25, 2.7026, 2.702593730354704},
    {"H20", 1, 100, 100, .10, .10, .50, .25, 6.6997, 6.699696963531337},
    {"H21", 1, 100, 110, .10, .10, .50, .25, 12.7857, 12.785678929758689},
    {"H22", 1, 100, 90, .10, .10, .50, .35, 4.9329, 4.9328774305231274},
    {"H23", 1, 100, 100, .10, .10, .50, .35, 9.3679, 9.3678766463638538},
    {"H24", 1, 100, 110, .10, .10, .50, .35, 15.3086, 15.308599761080438},
    {"H25", -1, 100, 90, .10, .10, .10, .15, 9.9210, 9.9209884860281587},
    {"H26", -1, 100, 100, .10, .10, .10, .15, 1.8734, 1.8733445727649355},
    {"H27", -1, 100, 110, .10, .10, .10, .15, .0408, .040779057997865474},
    {"H28", -1, 100, 90, .10, .10, .10, .25, 10.2155, 10.215544138269046},
    {"H29", -1, 100, 100, .10, .10, .10, .25, 3.1217, 3.1217206981811284},
    {"H30", -1, 100, 110, .10, .10, .10, .25, .4551, .45505379903135415},
    {"H31", -1, 100, 90, .10, .10, .10, .35, 10.8479, 10.847915871914231},
    {"H32", -1, 100, 100, .10, .10, .10, .35, 4.3693, 4.3693168485362154},
    {"H33", -1, 100, 110, .10, .10, .10, .35, 1.2376, 1.2376268231118158},
    {"H34", -1, 100, 90, .10, .10, .50, .15, 10.3192, 10.319186658683075},
    {"H35", -1, 100, 100, .10, .10, .50, .15, 4.0232, 4.0231670486171288},
    {"H36", -1, 100, 110, .10, .10, .50, .15, 1.0646, 1.06456354181197},
    {"H37", -1, 100, 90, .10, .10, .50, .25, 12.2149, 12.214887975361844},
    {"H38", -1, 100, 100, .10, .10, .50, .25, 6.6997, 6.699696963531337},
    {"H39", -1, 100, 110, .10, .10, .50, .25, 3.2734, 3.2733846847515487},
    {"H40", -1, 100, 90, .10, .10, .50, .35, 14.4452, 14.445171675530268},
    {"H41", -1, 100, 100, .10, .10, .50, .35, 9.3679, 9.3678766463638538},
    {"H42", -1, 100, 110, .10, .10, .50, .35, 5.7963, 5.7963055160732976},
    {"H43", 1, 40, 42, .08, .04, .75, .35, 5.0975, 5.0975477177261596},
};

static void
test_prices_are_those_of_haugs_tables(void **state)
{
    for (size_t i = 0; i < sizeof haug / sizeof *haug; i++) {
        struct bsm o = {BSM_MERTON, haug[i].right, haug[i].spot,  haug[i].strike,
                        haug[i].t,  haug[i].rate,  haug[i].yield, haug[i].vol};
        double price;

        assert_true(bsm_price(&o, &price));
        assert_near(haug[i].name, price, haug[i].published, 6e-5);
        assert_near(haug[i].name, price, haug[i].exact, 2e-14 * haug[i].exact);
    }
}

#define GREEK(field) offsetof(struct bsm_greeks, field)

/* Haug p. 11-16; Hull, Options, Futures and Other Derivatives, 7th ed., ch. 13, 16, 17. `unit` is
 * what one of ours is in the source's unit. */
static const struct {
    const char *name;
    struct bsm o;
    size_t greek;
    double unit, expected, tolerance;
} greeks[] = {
    {"Haug delta call",
     {1, 1, 105, 100, .5, .1, .1, .36},
     GREEK(delta),
     1,
     .59462865972999562,
     1e-14},
    {"Haug delta put",
     {1, -1, 105, 100, .5, .1, .1, .36},
     GREEK(delta),
     1,
     -.35660076477071839,
     1e-14},
    {"Haug gamma", {1, 1, 55, 60, .75, .1, 0, .3}, GREEK(gamma), 1, .027821160476940841, 1e-15},
    {"Haug vega", {1, 1, 55, 60, .75, .1, 0, .3}, GREEK(vega), 1, 18.93577734961786, 1e-13},
    {"Haug theta put", {1, -1, 430, 405, 1. / 12, .07, .05, .2}, GREEK(theta), 1, -31.1924, 1e-4},
    {"Haug rho call", {1, 1, 72, 75, 1, .09, 0, .19}, GREEK(rho), 1, 38.732505017329072, 1e-12},
    {"Haug phi put",
     {1, -1, 500, 490, .25, .08, .05, .15},
     GREEK(dividend_rho),
     1,
     42.225363369113563,
     1e-12},
    {"Hull 13.6 call", {1, 1, 42, 40, .5, .1, 0, .2}, GREEK(price), 1, 4.7594223928715334, 1e-13},
    {"Hull 13.6 put", {1, -1, 42, 40, .5, .1, 0, .2}, GREEK(price), 1, .81, 5e-3},
    {"Hull 16.6 put", {2, -1, 20, 20, 4. / 12, .09, 0, .25}, GREEK(price), 1, 1.11664145656, 1e-11},
    {"Hull 16.7 call", {2, 1, 620, 600, .5, .05, 0, .2}, GREEK(price), 1, 44.1868533121, 1e-10},
    {"Black call", {2, 1, 100, 100, .5, .02, 0, .2}, GREEK(price), 1, 5.5811067246048118, 1e-13},
    {"Black put", {2, -1, 101, 102, .5, .01, 0, .2}, GREEK(price), 1, 6.20451158097, 1e-11},
    {"BS put, no time value",
     {1, -1, 100, 1000, .5, .05, 0, .3},
     GREEK(price),
     1,
     875.309912028,
     1e-9},
    {"Hull 17.1 delta", {1, 1, 49, 50, .3846, .05, 0, .2}, GREEK(delta), 1, .521601633972, 1e-12},
    {"Hull 17.2 theta call",
     {1, 1, 49, 50, .3846, .05, 0, .2},
     GREEK(theta),
     1,
     -4.30538996455,
     1e-11},
    {"Hull 17.2 theta put",
     {1, -1, 49, 50, .3846, .05, 0, .2},
     GREEK(theta),
     1,
     -1.8530056722,
     1e-10},
    {"Hull 17.4 gamma", {1, 1, 49, 50, .3846, .05, 0, .2}, GREEK(gamma), 1, .0655453772525, 1e-12},
    {"Hull 17.6 vega", {1, 1, 49, 50, .3846, .05, 0, .2}, GREEK(vega), .01, .121052427542, 1e-12},
    {"Hull 17.7 rho", {1, 1, 49, 50, .3846, .05, 0, .2}, GREEK(rho), .01, .089065740988, 1e-12},
    {"Black delta", {2, 1, 49, 50, .3846, .05, 0, .2}, GREEK(delta), 1, .45107017482201828, 1e-14},
    {"Black gamma", {2, 1, 49, 50, .3846, .05, 0, .2}, GREEK(gamma), 1, .0640646705882, 1e-12},
    {"Black vega", {2, 1, 49, 50, .3846, .05, 0, .2}, GREEK(vega), .01, .118317785624, 1e-12},
    {"Black theta call",
     {2, 1, 49, 50, .3846, .05, 0, .2},
     GREEK(theta),
     1. / 365,
     -.00816236877462,
     1e-13},
    {"Black theta put",
     {2, -1, 49, 50, .3846, .05, 0, .2},
     GREEK(theta),
     1. / 365,
     -.00802799155312,
     1e-13},
    {"Black rho call",
     {2, 1, 49, 50, .3846, .05, 0, .2},
     GREEK(rho),
     .01,
     -.0074705380059582258,
     1e-16},
    {"Black rho put",
     {2, -1, 49, 50, .3846, .05, 0, .2},
     GREEK(rho),
     .01,
     -.011243286001308292,
     1e-16},
    {"a put worth 9e-139",
     {1, -1, 24212.8, 21800, 0.0027397260273972603, .065, .012, .08},
     GREEK(price),
     1,
     8.7786349973849480e-139,
     1e-150},
};

static void
test_greeks_are_those_of_haug_and_hull(void **state)
{
    for (size_t i = 0; i < sizeof greeks / sizeof *greeks; i++) {
        struct bsm_greeks g;

        assert_true(bsm_greeks(&greeks[i].o, &g));
        assert_near(greeks[i].name,
                    greeks[i].unit * *(const double *)((const char *)&g + greeks[i].greek),
                    greeks[i].expected, greeks[i].tolerance);
    }
}

/* ---- Properties ---------------------------------------------------------------------------- */

static uint64_t seed = 20260819;

static double
uniform(double low, double high)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(seed >> 11) * 0x1p-53;
}

static struct bsm
any_option(void)
{
    return (struct bsm){
        .model = uniform(0, 1) < 0.5 ? BSM_MERTON : BSM_BLACK76,
        .right = uniform(0, 1) < 0.5 ? BSM_CALL : BSM_PUT,
        .underlying = exp(uniform(-3, 11)),
        .strike = 1,
        .t = exp(uniform(-9, 2)),
        .rate = uniform(-0.05, 0.2),
        .yield = uniform(-0.05, 0.2),
        .vol = exp(uniform(-4, 1)),
    };
}

/* An option whose strike is at most six standard deviations away. */
static struct bsm
near_option(void)
{
    struct bsm o = any_option();

    o.strike = o.underlying * exp(uniform(-6, 6) * o.vol * sqrt(o.t));
    return o;
}

#define ROUNDS 20000

static void
test_calls_less_puts_are_the_discounted_forward(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct bsm call = near_option(), put;
        double q = call.model == BSM_BLACK76 ? call.rate : call.yield;
        double asset = call.underlying * exp(-q * call.t);
        double cash = call.strike * exp(-call.rate * call.t);
        struct bsm_greeks c, p;

        call.right = BSM_CALL;
        put = call;
        put.right = BSM_PUT;
        assert_true(bsm_greeks(&call, &c) && bsm_greeks(&put, &p));
        assert_near("call - put", c.price - p.price, asset - cash, 8e-16 * (asset + cash));
        assert_near("deltas", c.delta - p.delta, exp(-q * call.t), 1e-15 * exp(-q * call.t));
        assert_true(c.gamma == p.gamma && c.vega == p.vega);
        assert_near("probabilities", c.itm_prob + p.itm_prob, 1, 1e-15);
    }
}

static void
test_price_is_homogeneous_in_underlying_and_strike(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct bsm o = near_option(), twice;
        struct bsm_greeks g, h;
        double size = o.underlying + o.strike;

        twice = o;
        twice.underlying *= 2;
        twice.strike *= 2;
        assert_true(bsm_greeks(&o, &g) && bsm_greeks(&twice, &h));
        assert_near("twice the size", h.price, 2 * g.price, 1e-15 * size + 1e-13 * g.price);
        assert_near("Euler", o.underlying * g.delta + o.strike * g.dual_delta, g.price,
                    4e-15 * size * fmax(1, exp(-o.rate * o.t)) * fmax(1, exp(-o.yield * o.t)));
    }
}

static void
test_theta_gamma_and_carry_keep_the_black_scholes_equation(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct bsm o = near_option();
        struct bsm_greeks g;
        double carry = o.model == BSM_BLACK76 ? 0 : o.rate - o.yield, drift, diffusion;

        assert_true(bsm_greeks(&o, &g));
        drift = carry * o.underlying * g.delta;
        diffusion = 0.5 * o.vol * o.vol * o.underlying * o.underlying * g.gamma;
        assert_near("equation", g.theta + drift + diffusion, o.rate * g.price,
                    1e-13 * (fabs(g.theta) + fabs(drift) + diffusion) +
                        1e-15 * (o.underlying + o.strike));
    }
}

static void
test_price_is_monotone_and_convex_in_strike_and_within_bounds(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct bsm o = near_option(), next = o, last;
        double a, b, c, noise = 1e-13 * (o.underlying + o.strike);

        next.strike *= 1.01;
        last = next;
        last.strike += next.strike - o.strike;
        assert_true(bsm_price(&o, &a));
        assert_true(bsm_price(&next, &b));
        assert_true(bsm_price(&last, &c));
        assert_true(o.right == BSM_CALL ? b <= a + noise : b + noise >= a);
        assert_true(a + c - 2 * b >= -noise);
        assert_true(a >= 0);
    }
}

static void
test_a_black76_call_is_the_put_with_forward_and_strike_exchanged(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct bsm o = near_option(), mirror;
        double a, b;

        o.model = BSM_BLACK76;
        mirror = o;
        mirror.right = o.right == BSM_CALL ? BSM_PUT : BSM_CALL;
        mirror.underlying = o.strike;
        mirror.strike = o.underlying;
        assert_true(bsm_price(&o, &a));
        assert_true(bsm_price(&mirror, &b));
        assert_near("mirror", b, a, 1e-12 * a + 1e-15 * (o.underlying + o.strike));
    }
}

static void
test_price_rises_with_vol_by_vega_and_delta_is_within_its_bounds(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct bsm o = near_option(), up = o;
        double noise = 1e-13 * (o.underlying + o.strike), th = (int)o.right, df;
        struct bsm_greeks g, h;

        up.vol *= 1 + 0x1p-12;
        df = exp(-(o.model == BSM_BLACK76 ? o.rate : o.yield) * o.t);
        assert_true(bsm_greeks(&o, &g) && bsm_greeks(&up, &h));
        assert_true(h.price >= g.price - noise);
        assert_near("rise", h.price - g.price, 0.5 * (g.vega + h.vega) * (up.vol - o.vol),
                    1e-4 * (h.price - g.price) + noise);
        assert_true(th * g.delta >= 0 && th * g.delta <= df * (1 + 1e-15));
        assert_true(g.itm_prob >= 0 && g.itm_prob <= 1 && g.gamma >= 0 && g.vega >= 0);
        assert_true(th * g.dual_delta <= 0 && g.dual_gamma >= 0);
    }
}

static void
test_columns_are_the_scalar_results(void **state)
{
    enum { N = 64 };
    double strike[N], vol[N], price[N], theta[N];
    struct bsm o = {BSM_MERTON, BSM_PUT, 24212.8, 0, 0.02, 0.065, 0.012, 0};
    struct bsm_columns out = {.price = price, .theta = theta};

    for (int i = 0; i < N; i++) {
        strike[i] = 20000 + 150 * i;
        vol[i] = 0.1 + 0.002 * i;
    }
    strike[5] = NAN;
    bsm_column(&o, N, strike, vol, &out);
    assert_true(isnan(price[5]) && isnan(theta[5]));
    for (int i = 0; i < N; i++) {
        struct bsm_greeks g;

        o.strike = strike[i];
        o.vol = vol[i];
        if (!bsm_greeks(&o, &g))
            continue;
        assert_true(g.price == price[i] && g.theta == theta[i]);
    }
}

/* ---- Edges --------------------------------------------------------------------------------- */

static void
test_at_expiry_the_price_is_the_payoff_and_delta_a_step(void **state)
{
    static const double strike[] = {90, 100, 110}, call[] = {10, 0, 0}, delta[] = {1, 0.5, 0};

    for (int i = 0; i < 3; i++)
        for (int t = 0; t >= -1; t--) {
            struct bsm o = {BSM_MERTON, BSM_CALL, 100, strike[i], t, 0.05, 0, 0.2};
            struct bsm_greeks g;

            assert_true(bsm_greeks(&o, &g));
            assert_true(g.price == call[i] && g.delta == delta[i]);
            assert_true(g.gamma == 0 && g.vega == 0 && g.theta == 0 && g.rho == 0);
            o.right = BSM_PUT;
            assert_true(bsm_greeks(&o, &g));
            assert_true(g.price == call[i] + strike[i] - 100 && g.delta == delta[i] - 1);
        }
}

static void
test_without_volatility_the_price_is_the_discounted_intrinsic_value(void **state)
{
    static const double vols[] = {0, -0.2, 1e-300};

    for (int i = 0; i < 3; i++) {
        struct bsm o = {BSM_MERTON, BSM_CALL, 100, 90, 1, 0.05, 0.01, vols[i]};
        struct bsm_greeks g;

        assert_true(bsm_greeks(&o, &g));
        assert_near("call", g.price, 100 * exp(-0.01) - 90 * exp(-0.05), 1e-13);
        assert_near("delta", g.delta, exp(-0.01), 1e-15);
        assert_true(g.vega == 0 && g.gamma == 0 && g.itm_prob == 1);
        o.right = BSM_PUT;
        assert_true(bsm_greeks(&o, &g));
        assert_true(g.price == 0 && g.delta == 0);
    }
}

static void
test_hostile_input_is_refused_or_finite(void **state)
{
    static const double hostile[] = {NAN,    INFINITY, -INFINITY, 0,  -0.0, -1,     1e308,  -1e308,
                                     1e-308, 5e-324,   1e-6,      50, 1,    0.0027, 24212.8};
    enum { H = sizeof hostile / sizeof *hostile };

    for (int i = 0; i < 200000; i++) {
        struct bsm o = {uniform(0, 1) < 0.5 ? BSM_MERTON : BSM_BLACK76,
                        uniform(0, 1) < 0.5 ? BSM_CALL : BSM_PUT,
                        hostile[(int)uniform(0, H)],
                        hostile[(int)uniform(0, H)],
                        hostile[(int)uniform(0, H)],
                        uniform(0, 1) < 0.8 ? 0.065 : hostile[(int)uniform(0, H)],
                        uniform(0, 1) < 0.8 ? 0.0 : hostile[(int)uniform(0, H)],
                        hostile[(int)uniform(0, H)]};
        double price = NAN;
        struct bsm_greeks g;
        bool priced = bsm_price(&o, &price), greeked = bsm_greeks(&o, &g);

        assert_int_equal(priced, isfinite(price) != 0);
        assert_int_equal(greeked, isfinite(g.price) != 0);
        assert_true(!greeked || !isnan(g.delta + g.theta + g.gamma + g.vega + g.ultima));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prices_are_those_of_haugs_tables),
        cmocka_unit_test(test_greeks_are_those_of_haug_and_hull),
        cmocka_unit_test(test_calls_less_puts_are_the_discounted_forward),
        cmocka_unit_test(test_price_is_homogeneous_in_underlying_and_strike),
        cmocka_unit_test(test_theta_gamma_and_carry_keep_the_black_scholes_equation),
        cmocka_unit_test(test_price_is_monotone_and_convex_in_strike_and_within_bounds),
        cmocka_unit_test(test_a_black76_call_is_the_put_with_forward_and_strike_exchanged),
        cmocka_unit_test(test_price_rises_with_vol_by_vega_and_delta_is_within_its_bounds),
        cmocka_unit_test(test_columns_are_the_scalar_results),
        cmocka_unit_test(test_at_expiry_the_price_is_the_payoff_and_delta_a_step),
        cmocka_unit_test(test_without_volatility_the_price_is_the_discounted_intrinsic_value),
        cmocka_unit_test(test_hostile_input_is_refused_or_finite),
    };

    print_message("seed %llu\n", (unsigned long long)seed);
    return RUN_AT_EACH_LEVEL(tests);
}
