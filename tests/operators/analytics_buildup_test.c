/* SPDX-License-Identifier: Apache-2.0
 * Tests of analytics/buildup: the plain rule, thresholds, confirmation, patterns. By hand. */
#include "chains.h"

#define PLAIN                                                                                      \
    "interval: 0s, min_price_ticks: 0, min_oi_lots: 0, confirm: 0, flagged: true, "                \
    "across_sessions: true"

/* Six strikes: every class, a price that stands still, and what is compared with what. */
static const double price_then[] = {50, 50, 50, 50, 50, 50};
static const double price_now[] = {51, 49, 49, 51, 50, U};
static const double oi_then[] = {100, 100, 100, 100, 100, 100};
static const double oi_now[] = {110, 110, 90, 90, 90, 90};

static hde_msg *
chain(hde_harness *h, int day, int64_t after_open_ns, const double price[6], const double oi[6])
{
    hde_msg *msg = chain_new(h, day, after_open_ns, 6);
    Hde__Quotes *calls = raw_of(msg)->calls;

    calls->n_last = calls->n_oi = 6;
    calls->last = column_of(msg, 6, price);
    calls->oi = column_of(msg, 6, oi);
    return msg;
}

static const Hde__Buildup *
result(const hde_msg *msg)
{
    assert_non_null(msg);
    return (const Hde__Buildup *)msg->body;
}

#define assert_counts(counts, n, lb, sb, lu, sc, none)                                             \
    do {                                                                                           \
        assert_int_equal((counts)->legs, n);                                                       \
        assert_int_equal((counts)->long_buildup, lb);                                              \
        assert_int_equal((counts)->short_buildup, sb);                                             \
        assert_int_equal((counts)->long_unwinding, lu);                                            \
        assert_int_equal((counts)->short_covering, sc);                                            \
        assert_int_equal((counts)->neutral, none);                                                 \
    } while (0)

static void
test_the_plain_rule_counts_every_class(void **state)
{
    hde_harness *h = hde_harness_open("analytics/buildup", PLAIN);
    static const int types[] = {1, 2, 3, 4, 5, 0};
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, price_then, oi_then));
    assert_null(hde_harness_pull(h, "out"));
    push(h, "in", chain(h, 0, MINUTE, price_now, oi_now));
    out = hde_harness_pull(h, "out");
    assert_true(result(out)->from_ns == OPEN_NS);
    assert_int_equal(result(out)->legs_in_both, 5);
    assert_counts(result(out)->counts, 5, 1, 1, 1, 1, 1);
    assert_counts(result(out)->call_counts, 5, 1, 1, 1, 1, 1);
    assert_counts(result(out)->put_counts, 0, 0, 0, 0, 0, 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(result(out)->calls[i], types[i]);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_leg_that_was_not_in_the_chain_before_is_not_compared(void **state)
{
    hde_harness *h = hde_harness_open("analytics/buildup", PLAIN);
    hde_msg *msg, *out;

    push(h, "in", chain(h, 0, 0, price_then, oi_then));
    msg = chain_new(h, 0, MINUTE, 1); /* strike 100 alone */
    CALLS(msg, last, 50);
    CALLS(msg, oi, 100);
    push(h, "in", msg);
    hde_msg_drop(hde_harness_pull(h, "out"));
    push(h, "in", chain(h, 0, 2 * MINUTE, price_now, oi_now));
    out = hde_harness_pull(h, "out");
    assert_counts(result(out)->counts, 1, 1, 0, 0, 0, 0);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_flagged_chains_and_nights_are_compared_only_when_asked(void **state)
{
    static const char *const params[] = {PLAIN, "interval: 0s, confirm: 0"};

    for (int i = 0; i < 2; i++) {
        hde_harness *h = hde_harness_open("analytics/buildup", params[i]);
        hde_msg *msg, *out;
        int n = 0;

        push(h, "in", chain(h, 0, 0, price_then, oi_then));
        msg = chain(h, 0, MINUTE, price_now, oi_now);
        chain_flag(msg, HDE__CHAIN_FLAG__CHAIN_FLAG_STALE);
        push(h, "in", msg);
        push(h, "in", chain(h, 1, 0, price_then, oi_then));
        for (; (out = hde_harness_pull(h, "out")); n++)
            hde_msg_drop(out);
        assert_int_equal(n, i == 0 ? 2 : 0);
        hde_harness_close(h);
    }
}

static void
test_thresholds_are_in_ticks_and_lots(void **state)
{
    hde_harness *h = hde_harness_open(
        "analytics/buildup", "interval: 0s, tick: 0.05, min_price_ticks: 2, min_oi_lots: 2, "
                             "confirm: 0");
    static const double then[] = {50, 50, 50, 50, 50, 50};
    static const double price[] = {50.1, 50.05, 50.1, 49.9, 49.9, 49.95};
    static const double oi[] = {200, 200, 149, 0, 50, 200};
    hde_msg *msg, *out;

    push(h, "in", chain(h, 0, 0, then, oi_then));
    msg = chain(h, 0, MINUTE, price, oi); /* open interest in units, 25 a lot: 50 is the least */
    raw_of(msg)->has_lot_size = raw_of(msg)->has_oi_unit = true;
    raw_of(msg)->lot_size = 25;
    raw_of(msg)->oi_unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS;
    push(h, "in", msg);
    out = hde_harness_pull(h, "out");
    assert_counts(result(out)->counts, 6, 1, 0, 2, 0, 3);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_class_is_shown_when_it_was_seen_often_enough(void **state)
{
    hde_harness *h = hde_harness_open("analytics/buildup", "interval: 0s, confirm: 2");
    /* price and open interest of one strike: up, up, down, up, up */
    static const double steps[] = {0, 1, 2, 1, 2, 3};
    static const int shown[] = {5, 1, 1, 1, 1};

    for (int i = 0; i < 6; i++) {
        hde_msg *msg = chain_new(h, 0, i * MINUTE, 1);

        CALLS(msg, last, 50 + steps[i]);
        CALLS(msg, oi, 1000 + 10 * steps[i]);
        push(h, "in", msg);
    }
    for (int i = 0; i < 5; i++) {
        hde_msg *out = hde_harness_pull(h, "out");

        assert_int_equal(result(out)->calls[0], shown[i]);
        hde_msg_drop(out);
    }
    hde_harness_close(h);
}

static void
test_with_an_interval_fast_chains_are_compared_with_an_older_one(void **state)
{
    hde_harness *h = hde_harness_open("analytics/buildup", "interval: 1m, confirm: 0");
    hde_msg *out, *last = NULL;

    for (int i = 0; i <= 40; i++) { /* every 3 s, a tick each 15 s */
        hde_msg *msg = chain_new(h, 0, i * 3 * SECOND, 1);

        CALLS(msg, last, 50 + 0.05 * (i / 5));
        CALLS(msg, oi, 1000 + i);
        push(h, "in", msg);
    }
    while ((out = hde_harness_pull(h, "out"))) {
        assert_true(result(out)->event_ns - result(out)->from_ns >= MINUTE);
        assert_int_equal(result(out)->calls[0], 1);
        hde_msg_drop(last);
        last = out;
    }
    assert_true(result(last)->event_ns == OPEN_NS + 120 * SECOND);
    hde_msg_drop(last);
    hde_harness_close(h);
}

static void
test_puts_that_are_sold_read_bullish(void **state)
{
    hde_harness *h =
        hde_harness_open("analytics/buildup", "interval: 0s, confirm: 2, min_strikes: 2");
    hde_msg *out;

    for (int i = 0; i < 3; i++) { /* two puts sold, 300 and 100 a chain; one covered */
        hde_msg *msg = chain_new(h, 0, i * MINUTE, 3);

        PUTS(msg, last, 50 - i, 60 - i, 70 + i);
        PUTS(msg, oi, 1000 + 300 * i, 1000 + 100 * i, 1000 - 100 * i);
        push(h, "in", msg);
    }
    out = hde_harness_pull(h, "out");
    assert_int_equal(result(out)->n_patterns, 0); /* not shown before it is confirmed */
    hde_msg_drop(out);
    out = hde_harness_pull(h, "out");
    assert_int_equal(result(out)->n_patterns, 1);
    const Hde__BuildupPattern *pattern = result(out)->patterns[0];
    assert_int_equal(pattern->type, HDE__BUILDUP_TYPE__BUILDUP_TYPE_SHORT_BUILDUP);
    assert_int_equal(pattern->side, HDE__OPTION_TYPE__OPTION_TYPE_PUT);
    assert_int_equal(pattern->signal, HDE__SIGNAL_TYPE__SIGNAL_TYPE_BULLISH);
    assert_column(pattern->strikes, pattern->n_strikes, 100, 110);
    assert_number(pattern->confidence_pct, 80);             /* 400 of 500 moved */
    assert_number(pattern->signal_strength, 2.0 / 3 * 0.8); /* times 2 legs of 3 */
    assert_number(pattern->price_level, (300 * 100 + 100 * 110) / 400.0);
    assert_false(pattern->is_confirmed);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_reload_forgets_nothing(void **state)
{
    hde_harness *h = hde_harness_open("analytics/buildup", "interval: 0s, confirm: 3");
    hde_msg *out;

    for (int i = 0; i < 4; i++) {
        hde_msg *msg = chain_new(h, 0, i * MINUTE, 1);

        CALLS(msg, last, 50 + i);
        CALLS(msg, oi, 1000 + 10 * i);
        push(h, "in", msg);
        assert_true(hde_harness_reload(h));
    }
    for (int i = 0; i < 3; i++) {
        out = hde_harness_pull(h, "out");
        assert_int_equal(result(out)->calls[0], i < 2 ? 5 : 1);
        hde_msg_drop(out);
    }
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_plain_rule_counts_every_class),
        cmocka_unit_test(test_a_leg_that_was_not_in_the_chain_before_is_not_compared),
        cmocka_unit_test(test_flagged_chains_and_nights_are_compared_only_when_asked),
        cmocka_unit_test(test_thresholds_are_in_ticks_and_lots),
        cmocka_unit_test(test_a_class_is_shown_when_it_was_seen_often_enough),
        cmocka_unit_test(test_with_an_interval_fast_chains_are_compared_with_an_older_one),
        cmocka_unit_test(test_puts_that_are_sold_read_bullish),
        cmocka_unit_test(test_a_reload_forgets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
