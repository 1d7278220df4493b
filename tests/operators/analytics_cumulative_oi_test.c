/* SPDX-License-Identifier: Apache-2.0
 * Tests of analytics/cumulative_oi: baselines, late legs, sessions, memory. Values by hand. */
#include "chains.h"

static hde_harness *
open_it(void)
{
    return hde_harness_open("analytics/cumulative_oi", NULL);
}

static hde_msg *
chain(hde_harness *h, int day, int64_t after_open_ns, double c100, double c110, double p100,
      double p110)
{
    hde_msg *msg = chain_new(h, day, after_open_ns, 2);

    CALLS(msg, oi, c100, c110);
    PUTS(msg, oi, p100, p110);
    return msg;
}

static const Hde__CumulativeOi *
result(const hde_msg *msg)
{
    assert_non_null(msg);
    return (const Hde__CumulativeOi *)msg->body;
}

static void
test_changes_are_against_the_first_valid_chain_of_the_session(void **state)
{
    hde_harness *h = open_it();
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, 1000, 500, 2000, 100));
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->change, result(out)->calls->n_change, 0, 0);
    hde_msg_drop(out);
    push(h, "in", chain(h, 0, MINUTE, 1500, 400, 2000, 160));
    out = hde_harness_pull(h, "out");
    assert_true(result(out)->baseline_ns == OPEN_NS);
    assert_string_equal(result(out)->session, "2026-08-19");
    assert_column(result(out)->strike, result(out)->n_strike, 100, 110);
    assert_column(result(out)->calls->oi, 2, 1500, 400);
    assert_column(result(out)->calls->opening_oi, 2, 1000, 500);
    assert_column(result(out)->calls->change, 2, 500, -100);
    assert_column(result(out)->calls->change_pct, 2, 50, -20);
    assert_column(result(out)->calls->session_high, 2, 1500, 500);
    assert_column(result(out)->calls->session_low, 2, 1000, 400);
    assert_column(result(out)->puts->change, 2, 0, 60);
    assert_number(result(out)->calls->total_change, 400);
    assert_number(result(out)->puts->total_change, 60);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_stale_and_pre_open_chains_set_no_baseline(void **state)
{
    static const Hde__ChainFlag flags[] = {
        HDE__CHAIN_FLAG__CHAIN_FLAG_STALE, HDE__CHAIN_FLAG__CHAIN_FLAG_PRE_OPEN,
        HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS, HDE__CHAIN_FLAG__CHAIN_FLAG_UNSPECIFIED};
    hde_harness *h = open_it();
    hde_msg *msg, *out;

    for (size_t i = 0; i < 4; i++) { /* the last one is stamped before the open, without a flag */
        msg = chain(h, 0, ((int)i - 5) * MINUTE, 9000, 9000, 9000, 9000);
        chain_flag(msg, flags[i]);
        push(h, "in", msg);
        assert_null(hde_harness_pull(h, "out"));
    }
    assert_int_equal(hde_harness_counter(h, "skipped"), 4);
    push(h, "in", chain(h, 0, MINUTE, 1000, 500, 2000, 100));
    out = hde_harness_pull(h, "out");
    assert_true(result(out)->baseline_ns == OPEN_NS + MINUTE);
    assert_column(result(out)->calls->opening_oi, 2, 1000, 500);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_leg_seen_later_starts_from_the_previous_close_or_from_nothing(void **state)
{
    hde_harness *h = open_it();
    hde_msg *msg, *out;

    push(h, "in", chain(h, 0, 0, 1000, U, 2000, U));
    hde_msg_drop(hde_harness_pull(h, "out"));
    msg = chain(h, 0, MINUTE, 1100, 700, 2000, 300);
    CALLS(msg, prev_oi, 900, 650);
    push(h, "in", msg);
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->opening_oi, 2, 1000, 650);
    assert_column(result(out)->calls->change, 2, 100, 50);
    assert_column(result(out)->calls->change_prev_close, 2, 200, 50);
    assert_column(result(out)->puts->opening_oi, 2, 2000, U);
    assert_column(result(out)->puts->change, 2, 0, U);
    assert_column(result(out)->puts->change_prev_close, 2, U, U);
    assert_number(result(out)->puts->total_change, 0);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_the_previous_close_follows_from_the_day_change_too(void **state)
{
    hde_harness *h = open_it();
    hde_msg *msg = chain(h, 0, 0, 1000, 500, 10, 20), *out;

    CALLS(msg, oi_change, 250, -100);
    push(h, "in", msg);
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->change_prev_close, 2, 250, -100);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_the_next_session_starts_anew(void **state)
{
    hde_harness *h = open_it();
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, 1000, 500, 2000, 100));
    push(h, "in", chain(h, 0, MINUTE, 9000, 500, 2000, 100));
    push(h, "in", chain(h, 1, 0, 3000, 500, 2000, 100));
    push(h, "in", chain(h, 1, MINUTE, 3300, 500, 2000, 100));
    for (int i = 0; i < 3; i++)
        hde_msg_drop(hde_harness_pull(h, "out"));
    out = hde_harness_pull(h, "out");
    assert_true(result(out)->baseline_ns == OPEN_NS + DAY);
    assert_column(result(out)->calls->change, 2, 300, 0);
    assert_column(result(out)->calls->session_high, 2, 3300, 500);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_expiries_keep_their_own_baseline(void **state)
{
    hde_harness *h = open_it();
    hde_msg *msg, *out;

    push(h, "in", chain(h, 0, 0, 1000, 500, 2000, 100));
    msg = chain(h, 0, 0, 70, 80, 90, 10);
    raw_of(msg)->expiry = hde_msg_text(msg, "2026-09-01");
    push(h, "in", msg);
    push(h, "in", chain(h, 0, MINUTE, 1001, 500, 2000, 100));
    hde_msg_drop(hde_harness_pull(h, "out"));
    hde_msg_drop(hde_harness_pull(h, "out"));
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->change, 2, 1, 0);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_strikes_may_come_and_go(void **state)
{
    hde_harness *h = open_it();
    hde_msg *msg, *out;

    push(h, "in", chain(h, 0, 0, 1000, 500, 2000, 100));
    msg = chain_new(h, 0, MINUTE, 3); /* 95, 110, 120 */
    raw_of(msg)->strike[0] = 95;
    CALLS(msg, oi, 10, 510, 20);
    PUTS(msg, oi, 1, 2, 3);
    push(h, "in", msg);
    push(h, "in", chain(h, 0, 2 * MINUTE, 1200, 520, 2000, 100));
    hde_msg_drop(hde_harness_pull(h, "out"));
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->change, result(out)->calls->n_change, U, 10, U);
    hde_msg_drop(out);
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->change, result(out)->calls->n_change, 200, 20);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_late_chains_change_nothing(void **state)
{
    hde_harness *h = open_it();
    hde_msg *out;

    push(h, "in", chain(h, 0, MINUTE, 1000, 500, 2000, 100));
    push(h, "in", chain(h, 0, MINUTE, 7000, 500, 2000, 100));
    push(h, "in", chain(h, 0, 0, 7000, 500, 2000, 100));
    hde_msg_drop(hde_harness_pull(h, "out"));
    assert_null(hde_harness_pull(h, "out"));
    assert_int_equal(hde_harness_counter(h, "late"), 2);
    push(h, "in", chain(h, 0, 2 * MINUTE, 1100, 500, 2000, 100));
    out = hde_harness_pull(h, "out");
    assert_column(result(out)->calls->session_high, 2, 1100, 500);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_chain_without_a_key_is_rejected(void **state)
{
    hde_harness *h = open_it();
    hde_msg *msg = chain(h, 0, 0, 1, 2, 3, 4);

    raw_of(msg)->expiry = NULL;
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_REJECT);
    assert_non_null(strstr(hde_harness_said(h), "analytics.bad-chain"));
    msg = chain(h, 0, 0, 1, 2, 3, 4);
    raw_of(msg)->strike[1] = 100;
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_REJECT);
    hde_harness_close(h);
}

static void
test_a_reload_forgets_nothing(void **state)
{
    hde_harness *h = open_it();
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, 1000, 500, 2000, 100));
    push(h, "in", chain(h, 0, MINUTE, 1600, 300, 2000, 100));
    assert_true(hde_harness_reload(h));
    push(h, "in", chain(h, 0, 2 * MINUTE, 1500, 400, 2000, 160));
    hde_msg_drop(hde_harness_pull(h, "out"));
    hde_msg_drop(hde_harness_pull(h, "out"));
    out = hde_harness_pull(h, "out");
    assert_true(result(out)->baseline_ns == OPEN_NS);
    assert_column(result(out)->calls->change, 2, 500, -100);
    assert_column(result(out)->calls->session_high, 2, 1600, 500);
    assert_column(result(out)->calls->session_low, 2, 1000, 300);
    hde_msg_drop(out);
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_are_against_the_first_valid_chain_of_the_session),
        cmocka_unit_test(test_stale_and_pre_open_chains_set_no_baseline),
        cmocka_unit_test(test_a_leg_seen_later_starts_from_the_previous_close_or_from_nothing),
        cmocka_unit_test(test_the_previous_close_follows_from_the_day_change_too),
        cmocka_unit_test(test_the_next_session_starts_anew),
        cmocka_unit_test(test_expiries_keep_their_own_baseline),
        cmocka_unit_test(test_strikes_may_come_and_go),
        cmocka_unit_test(test_late_chains_change_nothing),
        cmocka_unit_test(test_a_chain_without_a_key_is_rejected),
        cmocka_unit_test(test_a_reload_forgets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
