/* SPDX-License-Identifier: Apache-2.0
 * quant_measures_test - the measures of a chain where their truth is known without a chain. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "quant/basis.h"
#include "quant/bsm.h"
#include "quant/cpu.h"
#include "quant/forward.h"
#include "quant/gex.h"
#include "quant/max_pain.h"
#include "quant/pcr.h"
#include "quant/ranking.h"
#include "quant/reversal.h"
#include "quant/skew.h"
#include "quant/vix.h"
#include "quant/years.h"

static void
assert_near(const char *name, double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.17g, expected %.17g within %.3g", name, value, expected, tolerance);
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void
test_years_count_seconds_without_a_floor(void **state)
{
    assert_near("a second", years_between(0, 1000000000), 1 / 31536000.0, 1e-24);
    assert_near("a year back", years_between(31536000000000000, 0), -1, 1e-15);
    assert_true(isfinite(years_between(INT64_MIN, INT64_MAX)));
}

/* ---- Sums ---------------------------------------------------------------------------------- */

static void
test_the_put_call_ratio_of_1500_and_1000_is_one_and_a_half(void **state)
{
    assert_true(pcr(1500, 1000) == 1.5);
    assert_true(isnan(pcr(1500, 0)) && isnan(pcr(NAN, 1)) && isnan(pcr(1, NAN)));
    assert_true(pcr(0, 7) == 0);
}

static void
test_the_neighbourhood_of_a_strike_ends_where_the_chain_does(void **state)
{
    static const double strike[] = {100, 110, 120, 130};
    size_t first, count;

    assert_true(pcr_near(4, strike, 104, 1, &first, &count));
    assert_true(first == 0 && count == 2);
    assert_true(pcr_near(4, strike, 115, 1, &first, &count)); /* tie: 110 */
    assert_true(first == 0 && count == 3);
    assert_true(pcr_near(4, strike, 1e9, 9, &first, &count));
    assert_true(first == 0 && count == 4);
    assert_false(pcr_near(0, strike, 1, 1, &first, &count));
    assert_false(pcr_near(4, strike, NAN, 1, &first, &count));
}

static void
test_intensity_is_a_percentage_of_the_largest_and_ranks_start_there(void **state)
{
    static const double oi[] = {50, NAN, 200, -20, 0, 200}, none[] = {0, -3, NAN};
    double out[6];

    ranking_intensity(6, oi, out);
    assert_true(out[0] == 25 && isnan(out[1]) && out[2] == 100 && out[3] == -10 && out[4] == 0);
    ranking_intensity(3, none, out);
    assert_true(isnan(out[0]) && isnan(out[1]) && isnan(out[2]));
    ranking_top(6, oi, 9, out);
    assert_true(out[2] == 1 && out[5] == 2 && out[0] == 3);
    assert_true(isnan(out[1]) && isnan(out[3]) && isnan(out[4]));
    ranking_top(6, oi, 1, out);
    assert_true(out[2] == 1 && isnan(out[5]));
    ranking_top(3, none, 3, out);
    assert_true(isnan(out[0]) && isnan(out[1]) && isnan(out[2]));
}

static void
test_max_pain_ties_go_to_the_lowest_strike(void **state)
{
    static const double strike[] = {100, 110, 120}, none[] = {NAN, NAN, NAN};
    static const double calls[] = {0, 0, 5}, puts[] = {5, 0, NAN};
    double call_pain[3], put_pain[3];
    struct max_pain pain;

    assert_true(max_pain(3, strike, calls, puts, call_pain, put_pain, &pain));
    assert_true(pain.strike == 100 && pain.loss == 0); /* nobody loses anywhere in between */
    assert_false(max_pain(3, strike, none, NULL, call_pain, put_pain, &pain));
    assert_false(max_pain(0, strike, calls, puts, call_pain, put_pain, &pain));
}

/* ---- Model-free variance ------------------------------------------------------------------- */

enum { WIDE = 801 };

static void
flat_chain(double vol, double t, double *strike, double *call, double *put)
{
    for (int i = 0; i < WIDE; i++) {
        struct bsm o = {
            .model = BSM_BLACK76, .underlying = 24050, .t = t, .rate = 0.065, .vol = vol};

        o.strike = strike[i] = 4050 + 50.0 * i;
        o.right = BSM_CALL;
        bsm_price(&o, &call[i]);
        o.right = BSM_PUT;
        bsm_price(&o, &put[i]);
    }
}

static void
test_model_free_variance_of_a_flat_smile_is_its_variance(void **state)
{
    static double strike[WIDE], call[WIDE], put[WIDE];
    double t = 30.0 / 365, discount = exp(-0.065 * t), variance;

    flat_chain(0.15, t, strike, call, put);
    variance = vix_variance(WIDE, strike, call, put, 24050, discount, t);
    /* the trapezoids over the kink at the money add (dK/F)^2 / (6 T) to the variance */
    assert_near("variance", variance, 0.15 * 0.15 + pow(50 / 24050.0, 2) / (6 * t), 1e-7);
    assert_true(isnan(vix_variance(WIDE, strike, call, put, 1, discount, t)));
    assert_true(isnan(vix_variance(3, strike, call, put, 4110, discount, t)));
    assert_true(isnan(vix_variance(0, strike, call, put, 24050, discount, t)));
}

static void
test_total_variance_is_linear_between_expiries_and_flat_outside(void **state)
{
    static const struct vix_point point[] = {{0.2, 0.04}, {0.1, 0.09}, {0.15, NAN}};

    assert_near("between", vix_at(3, point, 0.15), (0.009 + 0.5 * (0.008 - 0.009)) / 0.15, 1e-15);
    assert_true(vix_at(3, point, 0.05) == 0.09 && vix_at(3, point, 0.3) == 0.04);
    assert_true(vix_at(3, point, 0.1) == 0.09);
    assert_true(isnan(vix_at(0, point, 0.1)));
}

/* ---- The rest ------------------------------------------------------------------------------ */

static void
test_a_basis_below_one_day_is_not_annualised(void **state)
{
    struct basis b = basis_of(100, 101, 0.5 / 365, 0.05, 0);

    assert_true(b.basis == 1 && b.basis_pct == 1 && isnan(b.simple) && isnan(b.continuous));
    assert_near("fair", b.fair, 100 * expm1(0.05 * 0.5 / 365), 1e-15);
    assert_true(isnan(basis_of(0, 101, 1, 0, 0).basis) && isnan(basis_of(NAN, 1, 1, 0, 0).basis));
}

static void
test_one_bad_pair_of_three_does_not_move_the_forward(void **state)
{
    static const double strike[] = {90, 100, 110}, call[] = {12, 5, 2}, put[] = {2, 5, 12};
    double moved[] = {12, 5, 4};
    struct forward_inputs in = {.n = 3,
                                .strike = strike,
                                .call = call,
                                .put = put,
                                .spot = NAN,
                                .future = NAN,
                                .t = 0,
                                .near = 5,
                                .away_max = 0.1};
    struct forward f;

    assert_true(forward_imply(&in, &f));
    assert_near("forward", f.forward, 100, 1e-12);
    in.call = moved;
    assert_true(forward_imply(&in, &f));
    assert_near("forward", f.forward, 100, 0.01);
    in.spot = 150; /* nobody believes 100 then */
    assert_true(forward_imply(&in, &f));
    assert_int_equal(f.source, FORWARD_SPOT_CARRY);
    in.spot = NAN;
    in.n = 0;
    assert_false(forward_imply(&in, &f));
    assert_int_equal(f.source, FORWARD_NONE);
}

static void
test_a_smile_of_too_few_strikes_has_no_fit(void **state)
{
    static const double strike[] = {95, 100, 105, 110}, iv[] = {0.2, 0.19, 0.18, 0.17};
    struct skew s;
    double atm = skew_atm(4, strike, 102.5, iv, iv, 0.05);

    assert_near("atm", atm, sqrt(0.5 * (0.19 * 0.19 + 0.18 * 0.18)), 1e-15);
    skew_measure(4, strike, iv, 102.5, 0.1, atm, 3, &s);
    assert_true(isnan(s.fit[0]) && isnan(s.slope) && !isnan(s.expected_move));
    assert_true(isnan(skew_atm(4, strike, 120, iv, iv, 0.05)));
    skew_fitted(&s, 1, strike, 102.5, &atm);
    assert_true(isnan(atm));
}

static void
test_a_quadratic_smile_is_fitted_exactly_with_any_number_of_strikes(void **state)
{
    enum { N = 200 };
    static const size_t sizes[] = {5, 63, 64, 65, 128, 129, N};
    double strike[N], iv[N], fitted[N + 1], x[N + 1];
    struct skew s;

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = sizes[k];

        for (size_t i = 0; i < n; i++) {
            double away;

            strike[i] = 100 * (1 + 0.2 * ((double)i / (double)(n - 1) - 0.5));
            away = log(strike[i] / 100);
            iv[i] = 0.15 - 0.2 * away + 1.5 * away * away;
        }
        if (n > 5)
            iv[n / 3] = NAN;
        fitted[n] = x[n] = -1;
        skew_fit(n, strike, iv, 100, 0.25, 0.15, 3, &s);
        assert_near("fit", s.fit[0], 0.15, 1e-14);
        assert_near("slope", s.slope, -0.2, 1e-12);
        assert_near("curvature", s.curvature, 3, 1e-10);
        assert_near("residual", s.fit_residual, 0, 1e-13);
        assert_true(isnan(s.rr25) && isnan(s.expected_move));
        skew_fitted(&s, n, strike, 100, fitted);
        bsm_log_moneyness(n, 100, strike, x);
        for (size_t i = 0; i < n; i++) {
            assert_near("x", x[i], -bsm_log_ratio(100, strike[i]), 4e-16 * fabs(x[i]));
            if (!isnan(iv[i]))
                assert_near("fitted", fitted[i], iv[i], 1e-13);
        }
        assert_true(fitted[n] == -1 && x[n] == -1); /* nothing is written beyond */
    }
}

static void
test_moneyness_is_nan_where_it_has_no_logarithm(void **state)
{
    static const double strike[] = {0, -1, NAN, INFINITY, 100, 5e-324};
    double x[6];

    bsm_log_moneyness(6, 100, strike, x);
    assert_true(isnan(x[0]) && isnan(x[1]) && isnan(x[2]) && isnan(x[3]) && x[4] == 0);
    assert_near("the smallest", x[5], log(5e-324) - log(100), 1e-12);
    for (int bad = 0; bad < 4; bad++) {
        bsm_log_moneyness(6, strike[bad], strike, x);
        for (int i = 0; i < 6; i++)
            assert_true(isnan(x[i]));
    }
}

static void
test_the_gap_between_the_sides_is_a_median_near_the_forward(void **state)
{
    static const double strike[] = {90, 99, 100, 101, 110}, call[] = {1, 0.20, 0.21, 0.2, NAN};
    static const double put[] = {2, 0.21, NAN, 0.23, 0.3};

    assert_near("two", skew_gap(5, strike, 100, call, put, 0.011), 0.02, 1e-15);
    assert_near("three", skew_gap(5, strike, 100, call, put, 0.1), 0.03, 1e-15);
    assert_true(isnan(skew_gap(5, strike, 130, call, put, 0.01)));
}

static void
test_gamma_of_one_sign_has_no_flip(void **state)
{
    static const double strike[] = {100}, iv[] = {0.2}, oi[] = {10}, absent[] = {NAN};
    struct gex_chain chain = {1, strike, 100, 0.1, 0.05, 1};
    struct gex_side calls = {BSM_CALL, 1, iv, oi}, puts = {BSM_PUT, -1, iv, absent};
    double column[4][1];
    struct gex_columns out = {column[0], column[1], column[2], column[3]};
    struct gex_sums sums;
    double room[GEX_ROOM(1)];
    struct gex_curve curve = gex_curve(&chain, &calls, &puts, room);

    assert_true(gex_at(&curve, 0) > 0);
    assert_true(isnan(gex_flip(&curve, 0.1, 40)));
    chain.t = 1e-8; /* at the ends of the grid the sum is too small for a double */
    curve = gex_curve(&chain, &calls, &puts, room);
    assert_true(gex_at(&curve, 0.1) == 0);
    assert_true(isnan(gex_flip(&curve, 0.1, 40)));
    puts.sign = 0;
    calls.oi = absent;
    curve = gex_curve(&chain, &calls, &puts, room);
    assert_true(isnan(gex_at(&curve, 0)) && isnan(gex_flip(&curve, 0.1, 40)));
    chain.t = 0.1;
    puts.sign = -1;
    gex_side(&chain, &puts, &out, &sums);
    assert_true(isnan(sums.gex) && isnan(column[0][0]));
    assert_true(isnan(gex_wall(1, strike, out.gex)));
}

/* The flip by looking at every cell of the grid, nearest first. */
static double
plain_flip(const struct gex_curve *curve, double width, size_t steps, double *low, double *high)
{
    for (size_t k = 1; k <= steps; k++)
        for (int way = 1; way >= -1; way -= 2) {
            double near = 1 + way * width * (double)(k - 1) / (double)steps;
            double far = 1 + way * width * (double)k / (double)steps;

            if (gex_at(curve, log(near)) * gex_at(curve, log(far)) < 0) {
                *low = fmin(near, far);
                *high = fmax(near, far);
                return near;
            }
        }
    return NAN;
}

static void
test_the_flip_is_the_root_in_the_nearest_cell_that_has_one(void **state)
{
    enum { STRIKES = 60 };
    double strike[STRIKES], iv[2][STRIKES], oi[2][STRIKES], room[GEX_ROOM(STRIKES)];
    unsigned seed = 20260819, found = 0, absent = 0;

    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        double t = exp(-11.5 * rand() / RAND_MAX); /* minutes to a year */
        struct gex_chain chain = {STRIKES, strike, 1000, t, 0.05, 1};
        struct gex_side calls = {BSM_CALL, 1, iv[0], oi[0]}, puts = {BSM_PUT, -1, iv[1], oi[1]};
        double low, high, flip;

        for (int i = 0; i < STRIKES; i++) {
            strike[i] = 850 + 5 * i;
            iv[0][i] = iv[1][i] = 0.1 + 0.2 * rand() / RAND_MAX;
            if (rand() % 8 == 0)
                iv[1][i] *= 1.01; /* strikes whose legs do not agree */
            for (int side = 0; side < 2; side++)
                oi[side][i] = rand() % 5 == 0 ? (double)NAN : rand() % 1000;
        }
        struct gex_curve curve = gex_curve(&chain, &calls, &puts, room);
        size_t steps = 1 + (size_t)rand() % 60;
        flip = gex_flip(&curve, 0.1, steps);
        if (isnan(plain_flip(&curve, 0.1, steps, &low, &high))) {
            absent++;
            if (!isnan(flip))
                fail_msg("round %d: a flip at %.17g where no cell has one", round, flip);
            continue;
        }
        found++;
        /* both sides may have one at the same distance in cells: the nearer root wins */
        double away = fmax(high, 2 - low) - 1;
        if (!(fabs(flip - 1) <= away + 1e-12) ||
            !(fabs(flip - 1) >= fmin(fabs(low - 1), fabs(high - 1)) - 1e-12))
            fail_msg("round %d: flip %.17g is not in %.17g to %.17g", round, flip, low, high);
        double size = 0;
        for (size_t i = 0; i < curve.n; i++)
            size += fabs(curve.weight[i]) * curve.scale;
        if (!(fabs(gex_at(&curve, log(flip))) <= 1e-9 * size))
            fail_msg("round %d: gex %.3g of %.3g at the flip", round, gex_at(&curve, log(flip)),
                     size);
    }
    assert_true(found > 500 && absent > 100);
}

static void
test_the_gamma_of_a_chain_is_the_same_at_every_level_of_the_machine(void **state)
{
    enum { STRIKES = 13 };
    double strike[STRIKES], iv[STRIKES], oi[STRIKES], room[GEX_ROOM(STRIKES)];
    struct gex_chain chain = {STRIKES, strike, 1000, 0.02, 0.05, 3};
    struct gex_side calls = {BSM_CALL, 1, iv, oi}, puts = {BSM_PUT, -0.3, iv, oi};
    enum quant_cpu before = quant_cpu();

    for (int i = 0; i < STRIKES; i++) {
        strike[i] = 940 + 10 * i;
        iv[i] = 0.2 + 0.001 * i;
        oi[i] = 100 + 7 * i;
    }
    struct gex_curve curve = gex_curve(&chain, &calls, &puts, room);
    for (double u = -0.2; u <= 0.2; u += 0.01) {
        double sum = 0, size = 0;

        for (int i = 0; i < STRIKES; i++) {
            struct bsm o = {.model = BSM_BLACK76, .right = BSM_CALL, .underlying = 1000 * exp(u),
                            .strike = strike[i], .t = 0.02, .rate = 0.05, .vol = iv[i]};
            struct bsm_greeks g;

            assert_true(bsm_greeks(&o, &g));
            sum += 0.7 * 3 * oi[i] * g.gamma * o.underlying * o.underlying * 0.01;
            size += fabs(curve.scale * curve.weight[i]);
        }
        for (int level = 0; level < QUANT_CPUS; level++)
            if (quant_cpu_force((enum quant_cpu)level))
                assert_near(quant_cpu_name((enum quant_cpu)level), gex_at(&curve, u), sum,
                            1e-13 * size);
    }
    assert_true(quant_cpu_force(before));
}

static void
test_levels_are_where_at_least_two_candidates_meet(void **state)
{
    double candidate[] = {200, NAN, 100, 101, 150, 199.5, 102}, level[7];

    assert_int_equal(reversal_levels(7, candidate, 1, level), 2);
    assert_true(level[0] == 101 && level[1] == 199.75);
    assert_int_equal(reversal_levels(0, candidate, 1, level), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_years_count_seconds_without_a_floor),
        cmocka_unit_test(test_the_put_call_ratio_of_1500_and_1000_is_one_and_a_half),
        cmocka_unit_test(test_the_neighbourhood_of_a_strike_ends_where_the_chain_does),
        cmocka_unit_test(test_intensity_is_a_percentage_of_the_largest_and_ranks_start_there),
        cmocka_unit_test(test_max_pain_ties_go_to_the_lowest_strike),
        cmocka_unit_test(test_model_free_variance_of_a_flat_smile_is_its_variance),
        cmocka_unit_test(test_total_variance_is_linear_between_expiries_and_flat_outside),
        cmocka_unit_test(test_a_basis_below_one_day_is_not_annualised),
        cmocka_unit_test(test_one_bad_pair_of_three_does_not_move_the_forward),
        cmocka_unit_test(test_a_smile_of_too_few_strikes_has_no_fit),
        cmocka_unit_test(
            test_a_quadratic_smile_is_fitted_exactly_with_any_number_of_strikes),
        cmocka_unit_test(test_moneyness_is_nan_where_it_has_no_logarithm),
        cmocka_unit_test(test_the_gap_between_the_sides_is_a_median_near_the_forward),
        cmocka_unit_test(test_gamma_of_one_sign_has_no_flip),
        cmocka_unit_test(test_the_flip_is_the_root_in_the_nearest_cell_that_has_one),
        cmocka_unit_test(test_the_gamma_of_a_chain_is_the_same_at_every_level_of_the_machine),
        cmocka_unit_test(test_levels_are_where_at_least_two_candidates_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
