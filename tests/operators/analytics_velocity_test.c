/* SPDX-License-Identifier: Apache-2.0
 * Tests of analytics/velocity: real stamps, windows, resets, spikes, memory. Values by hand. */
#include "chains.h"

/* One strike; the put is left alone. */
static hde_msg *
chain(hde_harness *h, int day, int64_t after_open_ns, double oi, double volume, double last)
{
    hde_msg *msg = chain_new(h, day, after_open_ns, 1);

    CALLS(msg, oi, oi);
    CALLS(msg, volume, volume);
    CALLS(msg, last, last);
    return msg;
}

static const Hde__Velocity *
result(const hde_msg *msg)
{
    assert_non_null(msg);
    return (const Hde__Velocity *)msg->body;
}

static const Hde__VelocitySide *
calls(const hde_msg *msg)
{
    return result(msg)->calls;
}

static void
test_rates_are_per_minute_between_real_stamps(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 3m");
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, 1000, 100, 50));
    push(h, "in", chain(h, 0, 200 * SECOND, 2000, 600, 45));
    out = hde_harness_pull(h, "out");
    assert_number(result(out)->window_s, 180);
    assert_column(calls(out)->interval_s, 1, 200);
    assert_column(calls(out)->oi_velocity, 1, 300);
    assert_column(calls(out)->volume_velocity, 1, 150);
    assert_column(calls(out)->price_velocity, 1, -1.5);
    assert_column(calls(out)->oi_ewma, 1, 300);
    assert_column(calls(out)->oi_acceleration, 1, U);
    assert_column(calls(out)->iv_velocity, 1, U);
    assert_true(isnan(result(out)->puts->oi_velocity[0]));
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_nothing_is_said_before_a_window_has_passed(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 3m");

    for (int i = 0; i < 60; i++) /* every 3 s: 0 to 177 s */
        push(h, "in", chain(h, 0, i * 3 * SECOND, 1000 + i, 100, 50));
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

static void
test_fast_polls_are_compared_over_the_window_not_poll_to_poll(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 3m");
    hde_msg *out, *last = NULL;

    /* 20 units a second, every 3 s for 10 minutes: 1200 a minute, whatever chain is compared with
     */
    for (int i = 0; i <= 200; i++)
        push(h, "in", chain(h, 0, i * 3 * SECOND, 1000 + 60 * i, 100, 50));
    while ((out = hde_harness_pull(h, "out"))) {
        assert_true(calls(out)->interval_s[0] >= 180);
        assert_true(calls(out)->interval_s[0] <= 180 + 180.0 / 12 + 3);
        assert_number(calls(out)->oi_velocity[0], 1200);
        hde_msg_drop(last);
        last = out;
    }
    assert_true(last->event_ns == OPEN_NS + 600 * SECOND);
    assert_number(calls(last)->oi_acceleration[0], 0);
    hde_msg_drop(last);
    hde_harness_close(h);
}

static void
test_acceleration_is_the_difference_of_velocities_a_window_apart(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 3m, half_life: 3m");
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, 1000, 100, 50));
    push(h, "in", chain(h, 0, 3 * MINUTE, 1300, 100, 50));
    push(h, "in", chain(h, 0, 6 * MINUTE, 2200, 100, 50));
    out = hde_harness_pull(h, "out");
    assert_column(calls(out)->oi_velocity, 1, 100);
    hde_msg_drop(out);
    out = hde_harness_pull(h, "out");
    assert_column(calls(out)->oi_velocity, 1, 300);
    assert_number(calls(out)->oi_acceleration[0], 200.0 / 3);
    assert_column(calls(out)->oi_ewma, 1, 200); /* half of the step in one half life */
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_volume_reset_is_unknown_not_negative(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 1m");
    static const double volumes[] = {100, 200, 20, 50};
    static const double rates[] = {100, U, 30};

    for (int i = 0; i < 4; i++)
        push(h, "in", chain(h, 0, i * MINUTE, 1000, volumes[i], 50));
    for (int i = 0; i < 3; i++) {
        hde_msg *out = hde_harness_pull(h, "out");

        assert_number(calls(out)->volume_velocity[0], rates[i]);
        hde_msg_drop(out);
    }
    hde_harness_close(h);
}

static void
test_a_gap_that_is_too_long_is_no_interval(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 1m, max_gap: 10m");

    push(h, "in", chain(h, 0, 0, 1000, 100, 50));
    push(h, "in", chain(h, 0, 11 * MINUTE, 2000, 100, 50));
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

static void
test_a_session_does_not_reach_into_the_one_before(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 1m, max_gap: 24h");
    hde_msg *out;

    push(h, "in", chain(h, 0, 0, 1000, 100, 50));
    push(h, "in", chain(h, 1, 0, 9000, 10, 50));
    assert_null(hde_harness_pull(h, "out"));
    push(h, "in", chain(h, 1, MINUTE, 9060, 20, 50));
    out = hde_harness_pull(h, "out");
    assert_column(calls(out)->oi_velocity, 1, 60);
    assert_column(calls(out)->volume_velocity, 1, 10);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_velocity_far_from_the_usual_is_a_spike(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 1m, spike: 3, spike_min_n: 4");
    /* velocities 10, 12, 10, 12, then 100: mean 11, deviation sqrt(4 / 3) */
    static const double oi[] = {0, 10, 22, 32, 44, 144};
    hde_msg *out = NULL;

    for (int i = 0; i < 6; i++)
        push(h, "in", chain(h, 0, i * MINUTE, 1000 + oi[i], 100, 50));
    for (int i = 0; i < 4; i++) {
        out = hde_harness_pull(h, "out");
        assert_false(calls(out)->is_spike[0]);
        assert_true(isnan(calls(out)->spike_magnitude[0]));
        hde_msg_drop(out);
    }
    out = hde_harness_pull(h, "out");
    assert_number(calls(out)->spike_magnitude[0], 89 / sqrt(4.0 / 3));
    assert_true(calls(out)->is_spike[0]);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_volatility_is_ours_and_comes_from_enriched_chains(void **state)
{
    hde_harness *h = hde_harness_open("analytics/velocity", "window: 1m");
    static const double iv[] = {0.10, 0.13};
    hde_msg *out;

    for (int i = 0; i < 2; i++) {
        hde_msg *raw = chain(h, 0, i * MINUTE, 1000, 100, 50);
        hde_msg *msg = hde_harness_new(h, &hde__enriched_chain__descriptor);
        Hde__EnrichedChain *enriched = (Hde__EnrichedChain *)msg->body;
        Hde__ModelColumns *model;

        CALLS(raw, vendor_iv, 0.5 * i);
        hde_msg_share(msg, raw);
        enriched->raw = raw_of(raw);
        msg->event_ns = raw->event_ns;
        model = hde_msg_edit(msg, &enriched->calls, &hde__model_columns__descriptor);
        model->n_iv = 1;
        model->iv = column_of(msg, 1, &iv[i]);
        hde_msg_drop(raw);
        push(h, "in", msg);
    }
    out = hde_harness_pull(h, "out");
    assert_number(calls(out)->iv_velocity[0], 0.13 - 0.10);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_a_reload_forgets_nothing(void **state)
{
    hde_harness *h[2];
    hde_msg *a, *b;
    int n = 0;

    for (int k = 0; k < 2; k++) {
        h[k] = hde_harness_open("analytics/velocity", "window: 1m, spike_min_n: 3");
        for (int i = 0; i < 40; i++) {
            if (k && i % 10 == 7)
                assert_true(hde_harness_reload(h[k]));
            push(h[k], "in",
                 chain(h[k], 0, i * 11 * SECOND, 1000 + 7 * (i * i % 13), 100 + i, 50 + i % 3));
        }
    }
    while ((a = hde_harness_pull(h[0], "out"))) {
        static uint8_t bytes[2][4096];
        size_t size = protobuf_c_message_get_packed_size(a->body);

        b = hde_harness_pull(h[1], "out");
        assert_non_null(b);
        assert_true(size <= sizeof bytes[0]);
        assert_int_equal(protobuf_c_message_get_packed_size(b->body), size);
        protobuf_c_message_pack(a->body, bytes[0]);
        protobuf_c_message_pack(b->body, bytes[1]);
        assert_memory_equal(bytes[0], bytes[1], size);
        hde_msg_drop(a);
        hde_msg_drop(b);
        n++;
    }
    assert_null(hde_harness_pull(h[1], "out"));
    assert_int_equal(n, 34);
    hde_harness_close(h[0]);
    hde_harness_close(h[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates_are_per_minute_between_real_stamps),
        cmocka_unit_test(test_nothing_is_said_before_a_window_has_passed),
        cmocka_unit_test(test_fast_polls_are_compared_over_the_window_not_poll_to_poll),
        cmocka_unit_test(test_acceleration_is_the_difference_of_velocities_a_window_apart),
        cmocka_unit_test(test_a_volume_reset_is_unknown_not_negative),
        cmocka_unit_test(test_a_gap_that_is_too_long_is_no_interval),
        cmocka_unit_test(test_a_session_does_not_reach_into_the_one_before),
        cmocka_unit_test(test_a_velocity_far_from_the_usual_is_a_spike),
        cmocka_unit_test(test_volatility_is_ours_and_comes_from_enriched_chains),
        cmocka_unit_test(test_a_reload_forgets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
