/* SPDX-License-Identifier: Apache-2.0
 * Tests of the pure parts of analytics: rates, build-up classes, zones. Values by hand. */
#include "check.h"

#include <math.h>
#include <quant/buildup.h>
#include <quant/rates.h>
#include <quant/zones.h>

#define MINUTE INT64_C(60000000000)

static void
test_a_rate_is_per_minute_of_real_time(void **state)
{
    assert_true(rate_per_minute(1600, 1000, 3 * MINUTE) == 200);
    assert_true(rate_per_minute(1000, 1600, MINUTE / 2) == -1200);
    assert_true(isnan(rate_per_minute(1600, NAN, MINUTE)));
    assert_true(isnan(rate_per_minute(1600, 1000, 0)));
    assert_true(isnan(rate_per_minute(1600, 1000, -MINUTE)));
}

static void
test_smoothing_takes_in_half_a_step_in_a_half_life(void **state)
{
    assert_true(rate_smooth(NAN, 8, MINUTE, MINUTE) == 8);
    assert_true(rate_smooth(0, 8, MINUTE, MINUTE) == 4);
    assert_true(rate_smooth(0, 8, 2 * MINUTE, MINUTE) == 6);
    assert_true(rate_smooth(5, 8, 0, MINUTE) == 5);
}

static void
test_a_spread_scores_in_standard_deviations(void **state)
{
    struct rate_spread spread = {0};

    for (int i = 0; i < 2; i++) {
        rate_spread_add(&spread, 2);
        rate_spread_add(&spread, 4);
    }
    /* mean 3, squares 4, deviation sqrt(4 / 3) */
    assert_true(fabs(rate_spread_score(&spread, 7, 4) - 4 / sqrt(4.0 / 3)) < 1e-15);
    assert_true(isnan(rate_spread_score(&spread, 7, 5)));
}

static void
test_values_without_spread_have_no_score(void **state)
{
    struct rate_spread spread = {0};

    for (int i = 0; i < 10; i++)
        rate_spread_add(&spread, 2);
    assert_true(isnan(rate_spread_score(&spread, 7, 2)));
}

static void
test_build_up_classes_follow_the_signs(void **state)
{
    static const struct {
        const char *name;
        double price, oi, min_price, min_oi;
        enum buildup type;
    } cases[] = {
        {"both up", 1, 100, 0, 0, BUILDUP_LONG},
        {"price down", -1, 100, 0, 0, BUILDUP_SHORT},
        {"both down", -1, -100, 0, 0, BUILDUP_LONG_UNWINDING},
        {"open interest down", 1, -100, 0, 0, BUILDUP_SHORT_COVERING},
        {"price still", 0, 100, 0, 0, BUILDUP_NEUTRAL},
        {"open interest still", 1, 0, 0, 0, BUILDUP_NEUTRAL},
        {"price unknown", NAN, 100, 0, 0, BUILDUP_UNKNOWN},
        {"open interest unknown", 1, NAN, 0, 0, BUILDUP_UNKNOWN},
        {"a tick that rounding made smaller", 0.3 - 0.25, 100, 0.05, 0, BUILDUP_LONG},
        {"below a tick", 0.04, 100, 0.05, 0, BUILDUP_NEUTRAL},
        {"below a lot", 1, -74, 0.05, 75, BUILDUP_NEUTRAL},
        {"exactly a lot", 1, -75, 0.05, 75, BUILDUP_SHORT_COVERING},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (buildup_class(cases[i].price, cases[i].oi, cases[i].min_price, cases[i].min_oi) !=
            cases[i].type)
            fail_msg("%s", cases[i].name);
}

static void
test_the_reading_of_puts_is_turned_round(void **state)
{
    assert_int_equal(buildup_signal(BUILDUP_LONG, 0), 1);
    assert_int_equal(buildup_signal(BUILDUP_SHORT, 0), -1);
    assert_int_equal(buildup_signal(BUILDUP_LONG_UNWINDING, 0), -1);
    assert_int_equal(buildup_signal(BUILDUP_SHORT_COVERING, 0), 1);
    assert_int_equal(buildup_signal(BUILDUP_SHORT, 1), 1);
    assert_int_equal(buildup_signal(BUILDUP_LONG, 1), -1);
    assert_int_equal(buildup_signal(BUILDUP_NEUTRAL, 1), 0);
}

static void
test_zones_are_peaks_with_their_near_neighbours(void **state)
{
    static const double oi[] = {10, 75, 100, 69, 20, NAN, 60, 50, 5};
    bool eligible[9], taken[9];
    struct zone_span spans[4];
    size_t n;

    for (int i = 0; i < 9; i++)
        eligible[i] = true;
    n = zones_find(oi, eligible, 9, 0.7, 0.3, taken, spans, 4);
    assert_int_equal(n, 3);
    assert_int_equal(spans[0].peak, 2); /* 75 is 70 % of 100, 69 is not */
    assert_int_equal(spans[0].first, 1);
    assert_int_equal(spans[0].last, 2);
    assert_true(spans[0].oi == 175);
    assert_int_equal(spans[1].peak, 3);
    assert_int_equal(spans[1].first, 3);
    assert_int_equal(spans[1].last, 3);
    assert_int_equal(spans[2].peak, 6); /* 60 and 50; 20 is below 30 % of 100 */
    assert_int_equal(spans[2].last, 7);
}

static void
test_zones_keep_to_eligible_strikes_and_ties_go_low(void **state)
{
    static const double oi[] = {100, 100, 100, 100};
    static const bool eligible[] = {false, true, true, true};
    bool taken[4];
    struct zone_span span;

    assert_int_equal(zones_find(oi, eligible, 4, 1, 0, taken, &span, 1), 1);
    assert_int_equal(span.peak, 1);
    assert_int_equal(span.first, 1);
    assert_int_equal(span.last, 3);
}

static void
test_strikes_without_interest_make_no_zone(void **state)
{
    static const double oi[] = {0, NAN};
    static const bool eligible[] = {true, true};
    bool taken[2];
    struct zone_span span;

    assert_int_equal(zones_find(oi, eligible, 2, 0.7, 0.1, taken, &span, 1), 0);
}

static void
test_strength_goes_from_1_to_10(void **state)
{
    assert_true(zone_strength(1, NAN, NAN) == 10);
    assert_true(zone_strength(0.5, 0, 0.9) == 5.5);
    assert_true(zone_strength(0.5, 0.5, 0.9) == 7.75);
    assert_true(zone_strength(0.5, 0, 2) == 3.25);
    assert_true(zone_strength(1, 1, 1) == 10);
    assert_true(zone_strength(0, 1, 1) == 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rate_is_per_minute_of_real_time),
        cmocka_unit_test(test_smoothing_takes_in_half_a_step_in_a_half_life),
        cmocka_unit_test(test_a_spread_scores_in_standard_deviations),
        cmocka_unit_test(test_values_without_spread_have_no_score),
        cmocka_unit_test(test_build_up_classes_follow_the_signs),
        cmocka_unit_test(test_the_reading_of_puts_is_turned_round),
        cmocka_unit_test(test_zones_are_peaks_with_their_near_neighbours),
        cmocka_unit_test(test_zones_keep_to_eligible_strikes_and_ties_go_low),
        cmocka_unit_test(test_strikes_without_interest_make_no_zone),
        cmocka_unit_test(test_strength_goes_from_1_to_10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
