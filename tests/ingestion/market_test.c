/* SPDX-License-Identifier: Apache-2.0
 * market_test - the synthetic market, the calendar, dates and numbers. */
#include "check.h"

#include "market.h"
#include "number.h"
#include "sim.h"

#include <hde/testing.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct calendar *
calendar_of(const char *name)
{
    char error[300];
    struct calendar *calendar = calendar_load(name, error, sizeof error);

    if (!calendar)
        fail_msg("%s", error);
    return calendar;
}

static int64_t
at(const char *text)
{
    int64_t ns;

    assert_true(when_parse("%Y-%m-%dT%H:%M:%S", text, strlen(text), 19800, &ns));
    return ns;
}

static void
the_same_seed_and_instant_give_the_same_chain(void **state)
{
    struct calendar *calendar = calendar_of("always");
    struct market a = {1, calendar}, b = {1, calendar}, other = {2, calendar};
    struct market_chain *x = calloc(1, sizeof *x), *y = calloc(1, sizeof *y);
    const struct market_underlying *u = market_find(25);
    int64_t now = at("2026-08-22T03:00:00");
    int32_t days[MARKET_EXPIRIES_MAX];

    assert_true(market_expiries(&a, u, now, days) > 0);
    assert_true(market_chain(&a, u, days[0], now, x));
    assert_true(market_chain(&b, u, days[0], now + 3600 * WHEN_SECOND, y)); /* order is no matter */
    assert_true(market_chain(&b, u, days[0], now, y));
    assert_memory_equal(x, y, sizeof *x);
    assert_true(market_chain(&other, u, days[0], now, y));
    assert_true(x->spot != y->spot);
    free(x);
    free(y);
    calendar_free(calendar);
}

/* Tolerances are what rounding to the tick can do. */
static void
check_no_arbitrage(const struct market_chain *chain, double t)
{
    double discount = exp(-0.065 * t), carry = exp(-0.012 * t);

    for (size_t i = 0; i < chain->n; i++) {
        const struct market_leg *call = &chain->call[i], *put = &chain->put[i];
        double parity = chain->spot * carry - chain->strike[i] * discount;

        assert_true(fabs(call->last - put->last - parity) <= 2 * MARKET_TICK);
        assert_true(call->bid <= call->last + 1e-9 && call->last <= call->ask + 1e-9);
        assert_true(put->bid <= put->last + 1e-9 && put->last <= put->ask + 1e-9);
        assert_true(fabs(call->last / MARKET_TICK - round(call->last / MARKET_TICK)) < 1e-6);
        assert_true(call->iv > 0.01 && call->iv < 3);
        if (i == 0)
            continue;
        assert_true(chain->call[i - 1].last >= call->last);
        assert_true(chain->put[i - 1].last <= put->last);
        if (i + 1 < chain->n)
            assert_true(chain->call[i - 1].last - 2 * call->last + chain->call[i + 1].last >=
                        -2 * MARKET_TICK - 1e-9);
    }
}

static void
prices_allow_no_arbitrage(void **state)
{
    struct calendar *calendar = calendar_of("nse");
    struct market market = {7, calendar};
    struct market_chain *chain = malloc(sizeof *chain);
    int32_t days[MARKET_EXPIRIES_MAX];
    int64_t expiry;

    for (const struct market_underlying *u = market_underlyings; u->symbol; u++)
        for (int hour = 0; hour < 200; hour += 7) {
            int64_t now = at("2026-08-19T10:00:00") + hour * 3600 * WHEN_SECOND;
            size_t n = market_expiries(&market, u, now, days);
            struct session session;

            assert_true(n >= 3);
            for (size_t i = 0; i < n; i++) {
                assert_true(i == 0 || days[i - 1] < days[i]);
                assert_true(calendar_expiry(calendar, days[i], &expiry) && expiry > now);
                assert_true(market_chain(&market, u, days[i], now, chain));
                check_no_arbitrage(chain,
                                   (double)(expiry - market_instant(&market, now, &session)) / 1e9 /
                                       31536000);
            }
        }
    free(chain);
    calendar_free(calendar);
}

static void
volume_grows_within_a_session_and_starts_anew_with_the_next(void **state)
{
    struct calendar *calendar = calendar_of("nse");
    struct market market = {7, calendar};
    struct market_chain *chain = malloc(sizeof *chain);
    double before[MARKET_STRIKES_MAX] = {0};
    int32_t expiry = when_day(2026, 8, 25);

    for (int minute = 1; minute <= 384; minute += 3) {
        int64_t now = at("2026-08-19T09:15:00") + minute * 60 * WHEN_SECOND;

        assert_true(market_chain(&market, market_find(13), expiry, now, chain));
        for (size_t i = 0; i < chain->n; i++) {
            assert_true(chain->call[i].volume >= before[i]);
            before[i] = chain->call[i].volume;
        }
    }
    assert_true(before[40] > 0);
    assert_true(market_chain(&market, market_find(13), expiry, at("2026-08-20T09:15:01"), chain));
    assert_true(chain->call[40].volume < before[40] / 100);
    free(chain);
    calendar_free(calendar);
}

static void
open_interest_moves_and_knows_the_day_before(void **state)
{
    struct calendar *calendar = calendar_of("nse");
    struct market market = {7, calendar};
    struct market_chain *close = malloc(sizeof *close), *now = malloc(sizeof *now);
    int32_t expiry = when_day(2026, 8, 25);
    size_t moved = 0, same = 0;

    assert_true(market_chain(&market, market_find(13), expiry, at("2026-08-18T20:00:00"), close));
    assert_true(market_chain(&market, market_find(13), expiry, at("2026-08-19T11:00:00"), now));
    for (size_t i = 0; i < now->n; i++)
        for (size_t j = 0; j < close->n; j++)
            if (now->strike[i] == close->strike[j]) {
                assert_true(now->call[i].prev_oi == close->call[j].oi);
                assert_true(now->put[i].prev_close == close->put[j].last);
                moved += now->call[i].oi != close->call[j].oi;
                same++;
            }
    assert_true(same > 60 && moved > same / 2);
    free(close);
    free(now);
    calendar_free(calendar);
}

static void
a_holiday_moves_an_expiry_to_the_day_before(void **state)
{
    struct calendar *calendar = calendar_of("nse");
    struct market market = {1, calendar};
    int32_t days[MARKET_EXPIRIES_MAX];

    assert_true(market_expiries(&market, market_find(13), at("2026-11-18T10:00:00"), days) > 0);
    assert_int_equal(days[0], when_day(2026, 11, 23)); /* Tuesday the 24th is a holiday */
    calendar_free(calendar);
}

static void
numbers_are_those_of_strtod(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "+1",
        "1.",
        ".5",
        "00012.500",
        "25650.000000",
        "0.1",
        "123456789012345678",
        "9007199254740992",
        "9007199254740993",
        "9007199254740995.5",
        "1e22",
        "1e23",
        "-1.5e-300",
        "2.2250738585072011e-308",
        "4.9e-324",
        "1e-400",
        "1797693134862315708145274237317e278",
        "0.30000000000000004",
        "179.769313486231570000000000000000001",
        "24052.400390625",
        "8.945204889199001",
        "0.000000000000000000000000000000000001",
        "  7 ",
    };
    static const char *const bad[] = {"",    " ",     "-",    "+",     ".",        "-.",  "1e",
                                      "e5",  "1-2",   "0x10", "nan",   "inf",      "1,5", "1 2",
                                      "--1", "1e999", "1_0",  "1.2.3", "infinity", "1e+", "5x"};
    unsigned long long seed = 88172645463325252ull;
    double x;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!number_parse(good[i], strlen(good[i]), &x) || x != strtod(good[i], NULL))
            fail_msg("'%s' is %.17g", good[i], x);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (number_parse(bad[i], strlen(bad[i]), &x))
            fail_msg("'%s' was taken for %.17g", bad[i], x);
    for (int i = 0; i < 200000; i++) {
        char text[64];

        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        snprintf(text, sizeof text, "%.*f", (int)(seed % 17),
                 (double)(seed >> 20) / pow(10, (double)(seed % 19)));
        if (!number_parse(text, strlen(text), &x) || x != strtod(text, NULL))
            fail_msg("'%s' is %.17g", text, x);
    }
}

static void
bad_fault_scripts_are_refused(void **state)
{
    static const char *const scripts[] = {
        "429", "429@", "429@0", "429@x", "moon@1", "429@3-2", "429@1,", "@1", "429@1;", "429@-1",
    };

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        char error[300] = "";
        struct sim *sim =
            sim_start(&(struct sim_config){.faults = scripts[i]}, error, sizeof error);

        if (strcmp(scripts[i], "429@1,") == 0) { /* an end that says nothing does no harm */
            assert_non_null(sim);
            sim_stop(sim);
        } else if (sim || !error[0]) {
            fail_msg("'%s' was taken", scripts[i]);
        }
    }
}

static void
the_simulator_operator_serves_without_ports(void **state)
{
    hde_harness *h = hde_harness_open("ingestion/simulator", "port: 0\nfault: 429@3");
    char error[300];

    hde_harness_close(h);
    assert_null(
        hde_harness_try("ingestion/simulator", "port: 0\nfault: moon", error, sizeof error));
    assert_non_null(strstr(error, "simulator.start"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_and_instant_give_the_same_chain),
        cmocka_unit_test(prices_allow_no_arbitrage),
        cmocka_unit_test(volume_grows_within_a_session_and_starts_anew_with_the_next),
        cmocka_unit_test(open_interest_moves_and_knows_the_day_before),
        cmocka_unit_test(a_holiday_moves_an_expiry_to_the_day_before),
        cmocka_unit_test(numbers_are_those_of_strtod),
        cmocka_unit_test(bad_fault_scripts_are_refused),
        cmocka_unit_test(the_simulator_operator_serves_without_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
