/* SPDX-License-Identifier: Apache-2.0
 * The operators of the tests do what tests of whole graphs rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <hde/schemas/runtime.pb-c.h>
#include <hde/testing.h>

static hde_msg *
sample(hde_harness *h, double value)
{
    hde_msg *msg = hde_harness_new(h, &hde__sample__descriptor);
    Hde__Sample *body = (Hde__Sample *)msg->body;

    body->has_value = true;
    body->value = value;
    return msg;
}

static double
pull_value(hde_harness *h)
{
    hde_msg *msg = hde_harness_pull(h, "out");
    double value = msg ? ((Hde__Sample *)msg->body)->value : -1;

    hde_msg_drop(msg);
    return value;
}

static void
test_the_source_sends_what_its_parameters_say_and_ends(void **unused)
{
    hde_harness *h = hde_harness_open("test/source", "count: 3, batch: 2, keys: 2, step: 1s");
    hde_msg *msg;

    assert_int_equal(hde_harness_poll(h), HDE_OK);
    msg = hde_harness_pull(h, "out");
    assert_string_equal(((Hde__Sample *)msg->body)->key, "k0");
    assert_true(msg->event_ns == INT64_C(1600000001000000000));
    hde_msg_drop(msg);
    msg = hde_harness_pull(h, "out");
    assert_string_equal(((Hde__Sample *)msg->body)->key, "k1");
    hde_msg_drop(msg);
    assert_int_equal(hde_harness_poll(h), HDE_END);
    assert_true(pull_value(h) == 3);
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

static void
test_the_filter_drops_rejects_and_retries_every_nth(void **unused)
{
    hde_harness *h = hde_harness_open("test/filter", "factor: 10, drop: 2, reject: 3, retry: 5");

    assert_int_equal(hde_harness_push(h, "in", sample(h, 1)), HDE_OK);
    assert_int_equal(hde_harness_push(h, "in", sample(h, 2)), HDE_OK);
    assert_int_equal(hde_harness_push(h, "in", sample(h, 3)), HDE_REJECT);
    assert_int_equal(hde_harness_push(h, "in", sample(h, 4)), HDE_OK);
    assert_int_equal(hde_harness_push(h, "in", sample(h, 5)), HDE_RETRY);
    assert_string_equal(hde_harness_said(h), "test.retry: sample 5 the first time");
    assert_int_equal(hde_harness_push(h, "in", sample(h, 6)), HDE_REJECT); /* behind 5 */
    assert_true(pull_value(h) == 10);
    assert_true(pull_value(h) == 50);
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

static void
test_the_sink_counts(void **unused)
{
    hde_harness *h = hde_harness_open("test/sink", NULL);

    assert_int_equal(hde_harness_push(h, "in", sample(h, 1)), HDE_OK);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "samples"), 1);
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_source_sends_what_its_parameters_say_and_ends),
        cmocka_unit_test(test_the_filter_drops_rejects_and_retries_every_nth),
        cmocka_unit_test(test_the_sink_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
