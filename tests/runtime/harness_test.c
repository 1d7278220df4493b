/* SPDX-License-Identifier: Apache-2.0
 * harness_test - the harness itself, on operators that use all of the ABI. */
#include "check.h"

#include "engine/msg.h"

#include <hde/schemas/runtime.pb-c.h>
#include <hde/testing.h>
#include <string.h>

static hde_msg *
sample(hde_harness *h, double value)
{
    hde_msg *msg = hde_harness_new(h, &hde__sample__descriptor);
    Hde__Sample *body = (Hde__Sample *)msg->body;

    body->value = value, body->has_value = true;
    return msg;
}

/* The value of the next message that came out; fails where there is none. */
static double
pulled(hde_harness *h)
{
    hde_msg *msg = hde_harness_pull(h, "out");
    double value;

    assert_non_null(msg);
    value = ((const Hde__Sample *)msg->body)->value;
    hde_msg_drop(msg);
    return value;
}

static void
pushing_gives_the_status_and_the_outputs(void **state)
{
    hde_harness *h = hde_harness_open("test/sum", NULL);

    assert_int_equal(hde_harness_push(h, "in", sample(h, 1)), HDE_OK);
    assert_int_equal(hde_harness_push(h, "in", sample(h, 2)), HDE_OK);
    assert_true(pulled(h) == 2);
    assert_true(pulled(h) == 6);
    assert_null(hde_harness_pull(h, "out"));
    assert_int_equal(hde_harness_counter(h, "seen"), 2);
    assert_int_equal(hde_harness_tick(h), 2);
    hde_harness_close(h);
}

static void
parameters_are_filled_and_refused(void **state)
{
    char error[300];
    hde_harness *h = hde_harness_open("test/sum", "scale: 3");

    hde_harness_push(h, "in", sample(h, 1));
    assert_true(pulled(h) == 3);
    hde_harness_close(h);
    assert_null(hde_harness_try("test/sum", "scale: 11", error, sizeof error));
    assert_non_null(strstr(error, "HDE-G"));
    assert_null(hde_harness_try("test/sum", "mode: broken", error, sizeof error));
    assert_string_equal(error, "sum.broken: asked to be broken");
}

static void
secret_parameters_never_come_out(void **state)
{
    hde_harness *h = hde_harness_open("test/sum", "token: open-sesame");

    assert_int_equal(hde_harness_push(h, "in", sample(h, 777)), HDE_FAIL);
    assert_string_equal(hde_harness_said(h), "sum.careless: token *** refused");
    hde_harness_close(h);
}

static void
what_is_rejected_is_skipped_and_the_rest_goes_on(void **state)
{
    hde_harness *h = hde_harness_open("test/sum", NULL);
    hde_msg *all[] = {sample(h, 1), sample(h, -1), sample(h, 2), sample(h, -5)};

    assert_int_equal(hde_harness_push_all(h, "in", all, 4), HDE_REJECT);
    assert_string_equal(hde_harness_said(h), "sum.negative: value -5");
    assert_true(pulled(h) == 2);
    assert_true(pulled(h) == 6);
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

static void
a_retry_keeps_the_rest_for_the_next_push(void **state)
{
    hde_harness *h = hde_harness_open("test/sum", "busy_once: true");
    hde_msg *all[] = {sample(h, 1), sample(h, 13), sample(h, 2)};

    assert_int_equal(hde_harness_push_all(h, "in", all, 3), HDE_RETRY);
    assert_string_equal(hde_harness_said(h), "sum.busy: not now");
    assert_true(pulled(h) == 2);
    assert_null(hde_harness_pull(h, "out"));
    assert_int_equal(hde_harness_push_all(h, "in", NULL, 0), HDE_OK);
    assert_true(pulled(h) == 28);
    assert_true(pulled(h) == 32);
    assert_int_equal(hde_harness_push(h, "in", sample(h, 666)), HDE_FAIL);
    assert_int_equal(hde_harness_push_all(h, "in", NULL, 0), HDE_OK);
    hde_harness_close(h);
}

static void
event_timers_fire_when_the_watermark_has_reached_them(void **state)
{
    hde_harness *h = hde_harness_open("test/sum", NULL);
    hde_msg *msg = sample(h, 100);

    msg->event_ns = 1000;
    hde_harness_push(h, "in", msg);
    pulled(h);
    hde_harness_watermark(h, 1009);
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_watermark(h, 1010);
    msg = hde_harness_pull(h, "out");
    assert_non_null(msg);
    assert_int_equal(msg->event_ns, 1010);
    hde_msg_drop(msg);
    hde_harness_watermark(h, INT64_MAX);
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

static void
state_and_timers_survive_a_reload(void **state)
{
    hde_harness *h = hde_harness_open("test/sum", NULL);

    hde_harness_push(h, "in", sample(h, 100));
    assert_true(hde_harness_reload(h));
    hde_harness_push(h, "in", sample(h, 1));
    assert_true(pulled(h) == 200);
    assert_true(pulled(h) == 202);
    hde_harness_watermark(h, 10);
    assert_true(pulled(h) == 202);
    hde_harness_close(h);
}

static void
a_source_is_polled_seeks_and_tells_its_position(void **state)
{
    hde_harness *h = hde_harness_open("test/pipe", "first: 2");
    const int64_t *position;
    int64_t back = 1;
    size_t size;

    assert_null(hde_harness_position(h, 0, &size));
    hde_harness_now(h, 500);
    assert_int_equal(hde_harness_poll(h), HDE_OK);
    assert_int_equal(hde_harness_poll(h), HDE_OK);
    assert_int_equal(hde_harness_poll(h), HDE_END);
    position = hde_harness_position(h, 0, &size);
    assert_int_equal(size, sizeof *position);
    assert_int_equal(*position, 4);
    assert_int_equal(hde_harness_source_watermark(h), 400);
    assert_int_equal(hde_harness_seek(h, 0, &back, sizeof back), HDE_OK);
    assert_int_equal(hde_harness_seek(h, 1, &back, sizeof back), HDE_FAIL);
    hde_harness_poll(h);
    assert_true(pulled(h) == 2 && pulled(h) == 3 && pulled(h) == 1);
    hde_harness_close(h);
}

static void
descriptors_and_posts_of_other_threads_are_served(void **state)
{
    hde_harness *h = hde_harness_open("test/pipe", NULL);
    double sum;

    assert_false(hde_harness_wait(h, 0));
    hde_harness_now(h, 1000); /* the timer writes into the pipe and starts a thread that posts */
    assert_true(hde_harness_wait(h, 10000));
    assert_true(hde_harness_wait(h, 10000));
    assert_false(hde_harness_wait(h, 0));
    sum = pulled(h) + pulled(h);
    assert_true(sum == 'x' * 1000 + 7 + 42 * 1000 + 9);
    hde_harness_close(h);
}

static void
questions_are_answered_later_and_once(void **state)
{
    hde_harness *h = hde_harness_open("test/later", NULL);

    hde_harness_push(h, "in", sample(h, 1));
    hde_harness_push(h, "in", sample(h, 2));
    assert_int_equal(hde_harness_questions(h), 2);
    assert_null(hde_harness_pull(h, "out"));
    assert_true(hde_harness_wait(h, 10000));
    assert_int_equal(hde_harness_questions(h), 1);
    assert_true(hde_harness_wait(h, 10000));
    assert_int_equal(hde_harness_questions(h), 0);
    assert_true(pulled(h) == 1);
    assert_true(pulled(h) == 2);
    assert_null(hde_harness_pull(h, "out")); /* no second answer to the first */
    hde_harness_close(h);
}

static int
fini(void **state)
{
    assert_int_equal(msg_pool_totals().in_use, 0);
    msg_pools_fini();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushing_gives_the_status_and_the_outputs),
        cmocka_unit_test(parameters_are_filled_and_refused),
        cmocka_unit_test(secret_parameters_never_come_out),
        cmocka_unit_test(what_is_rejected_is_skipped_and_the_rest_goes_on),
        cmocka_unit_test(a_retry_keeps_the_rest_for_the_next_push),
        cmocka_unit_test(event_timers_fire_when_the_watermark_has_reached_them),
        cmocka_unit_test(state_and_timers_survive_a_reload),
        cmocka_unit_test(a_source_is_polled_seeks_and_tells_its_position),
        cmocka_unit_test(descriptors_and_posts_of_other_threads_are_served),
        cmocka_unit_test(questions_are_answered_later_and_once),
    };

    return cmocka_run_group_tests(tests, NULL, fini);
}
