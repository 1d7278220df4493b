/* SPDX-License-Identifier: Apache-2.0
 * publish_test - redis/publish with a real Redis: channels, payloads, a server that is away, hangs,
 * refuses. */
#include "redis_rig.h"

#include <connectors/redis.h>
#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/testing.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static struct redis_rig server;
static struct redis_subscriber *subscriber;

static hde_harness *
open_publish(const char *more)
{
    char params[256];

    snprintf(params, sizeof params, "url: '%s'%s", server.url, more);
    return hde_harness_open("redis/publish", params);
}

static hde_msg *
velocity(hde_harness *h, const char *feed, double spot)
{
    hde_msg *msg = hde_harness_new(h, &hde__velocity__descriptor);
    Hde__Velocity *body = (Hde__Velocity *)msg->body;

    if (feed)
        body->feed = hde_msg_text(msg, feed);
    body->has_spot = true;
    body->spot = spot;
    return msg;
}

static void
listen(const char *pattern)
{
    struct redis_options options = {.url = server.url};
    struct redis_error error = {0};
    struct redis_message message;

    subscriber = redis_subscriber_new(&options, &error);
    redis_subscribe(subscriber, pattern, true);
    if (redis_next(subscriber, 10000, &message, &error) != REDIS_EVENT_BACK)
        fail_msg("%s", error.text);
}

static struct redis_message
heard(void)
{
    struct redis_message message;
    struct redis_error error = {0};

    if (redis_next(subscriber, 10000, &message, &error) != REDIS_EVENT_MESSAGE)
        fail_msg("no message: %s", error.text);
    return message;
}

static int
close_subscriber(void **state)
{
    redis_subscriber_free(subscriber);
    subscriber = NULL;
    return 0;
}

static void
test_each_feed_has_its_channel_and_the_payload_says_its_type(void **state)
{
    hde_harness *h = open_publish("");
    struct redis_message message;

    listen("hde.*");
    assert_int_equal(hde_harness_push(h, "in", velocity(h, "nse:NIFTY@t", 24000)), HDE_OK);
    assert_int_equal(hde_harness_push(h, "in", velocity(h, "nse:BANKNIFTY@t", 5)), HDE_OK);
    message = heard();
    assert_string_equal(message.channel, "hde.nse:NIFTY@t");
    assert_string_equal(message.bytes,
                        "{\"type\":\"Velocity\",\"feed\":\"nse:NIFTY@t\",\"spot\":24000}");
    assert_string_equal(heard().channel, "hde.nse:BANKNIFTY@t");
    assert_int_equal(hde_harness_counter(h, "published"), 2);
    assert_int_equal(hde_harness_counter(h, "received"), 2);
    hde_harness_close(h);
}

static void
test_a_message_without_fields_is_an_object_too(void **state)
{
    hde_harness *h = open_publish(", channel: all");

    listen("all");
    assert_int_equal(
        hde_harness_push(h, "in", hde_harness_new(h, &hde__sample__descriptor)), HDE_OK);
    assert_string_equal(heard().bytes, "{\"type\":\"Sample\"}");
    hde_harness_close(h);
}

static void
test_a_protobuf_payload_is_the_packed_message(void **state)
{
    hde_harness *h = open_publish(", payload: protobuf, channel: 'live/{type}/{feed}'");
    struct redis_message message;
    Hde__Velocity *body;

    listen("live/*");
    assert_int_equal(hde_harness_push(h, "in", velocity(h, "f", 7.5)), HDE_OK);
    message = heard();
    assert_string_equal(message.channel, "live/Velocity/f");
    body = hde__velocity__unpack(NULL, message.size, (const uint8_t *)message.bytes);
    assert_non_null(body);
    assert_float_equal(body->spot, 7.5, 0);
    hde__velocity__free_unpacked(body, NULL);
    hde_harness_close(h);
}

static void
test_a_tick_of_many_messages_comes_whole_and_in_order(void **state)
{
    enum { N = 500 };
    hde_harness *h = open_publish(", wait: 20s");
    hde_msg *messages[N];
    char text[64];

    listen("hde.*");
    for (int i = 0; i < N; i++)
        messages[i] = velocity(h, "f", i);
    assert_int_equal(hde_harness_push_all(h, "in", messages, N), HDE_OK);
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "\"spot\":%d}", i);
        assert_non_null(strstr(heard().bytes, text));
    }
    hde_harness_close(h);
}

static void
test_a_message_without_the_field_of_its_channel_is_rejected(void **state)
{
    hde_harness *h = open_publish("");

    assert_int_equal(hde_harness_push(h, "in", velocity(h, NULL, 1)), HDE_REJECT);
    assert_non_null(strstr(hde_harness_said(h), "redis.no-channel"));
    hde_harness_close(h);
}

static void
test_wrong_parameters_are_refused_by_name(void **state)
{
    static const struct {
        const char *params, *says;
    } rows[] = {
        {"url: 'localhost'", "HDE-D001"},
        {"url: 'rediss://localhost'", "TLS"},
        {"url: 'redis://h', channel: 'x.{fed}'", "no message has a text field '{fed}'"},
        {"url: 'redis://h', channel: 'x.{feed'", "no message has a text field"},
        {"url: 'redis://h', channel: 'x.{spot}'", "no message has a text field"},
        {"url: 'redis://h', channel: ''", "channel"},
        {"url: 'redis://h', payload: protobuf", "put {type} into the channel"},
    };
    char error[512];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hde_harness *h = hde_harness_try("redis/publish", rows[i].params, error, sizeof error);

        if (h || !strstr(error, rows[i].says))
            fail_msg("%s: %s", rows[i].params, h ? "was taken" : error);
    }
}

struct pusher {
    hde_harness *h;
    uint64_t published;
};

static bool
gets_through(void *user)
{
    struct pusher *pusher = user;

    hde_harness_push(pusher->h, "in", velocity(pusher->h, "f", 1));
    return hde_harness_counter(pusher->h, "published") > pusher->published;
}

static void
test_while_redis_is_killed_messages_are_dropped_and_counted(void **state)
{
    struct pusher pusher = {.h = open_publish(", wait: 5s"), .published = 1};

    assert_int_equal(hde_harness_push(pusher.h, "in", velocity(pusher.h, "f", 1)), HDE_OK);
    rig_redis_kill(&server);
    for (int i = 0; i < 100; i++)
        assert_int_equal(hde_harness_push(pusher.h, "in", velocity(pusher.h, "f", 1)), HDE_OK);
    assert_int_equal(hde_harness_counter(pusher.h, "published"), 1);
    assert_int_equal(hde_harness_counter(pusher.h, "dropped"), 100);
    assert_int_equal(hde_harness_standing(pusher.h, NULL), HDE_DEGRADED);
    rig_redis_again(&server);
    assert_true(rig_until(20, gets_through, &pusher));
    assert_int_equal(hde_harness_standing(pusher.h, NULL), HDE_WELL);
    hde_harness_close(pusher.h);
}

/* The processing time of the timer that looks; fires it. */
static hde_standing
looked(hde_harness *h, int64_t seconds)
{
    hde_harness_now(h, seconds * 1000000000);
    return hde_harness_standing(h, NULL);
}

struct looker {
    hde_harness *h;
    int64_t seconds;
};

static bool
is_well(void *user)
{
    struct looker *looker = user;

    return looked(looker->h, ++looker->seconds) == HDE_WELL;
}

static void
test_a_redis_that_goes_while_nothing_is_published_is_seen_and_its_return(void **state)
{
    struct looker looker = {.h = open_publish(", wait: 5s"), .seconds = 2};

    assert_int_equal(looked(looker.h, 1), HDE_WELL);
    rig_redis_kill(&server);
    assert_int_equal(looked(looker.h, 2), HDE_DEGRADED);
    assert_int_equal(hde_harness_counter(looker.h, "dropped"), 0);
    rig_redis_again(&server);
    assert_true(rig_until(20, is_well, &looker));
    hde_harness_close(looker.h);
}

static void
test_a_redis_that_is_away_at_the_start_is_seen(void **state)
{
    hde_harness *h;

    rig_redis_kill(&server);
    h = open_publish("");
    assert_int_equal(looked(h, 0), HDE_DEGRADED);
    hde_harness_close(h);
    rig_redis_again(&server);
}

static void
test_a_redis_that_hangs_holds_a_tick_no_longer_than_wait(void **state)
{
    enum { N = 300 };
    hde_harness *h = open_publish(", wait: 100ms");
    hde_msg *messages[N];
    struct timespec a, b;

    assert_int_equal(hde_harness_push(h, "in", velocity(h, "f", 1)), HDE_OK);
    for (int i = 0; i < N; i++)
        messages[i] = velocity(h, "f", i);
    kill(server.pid, SIGSTOP);
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(hde_harness_push_all(h, "in", messages, N), HDE_OK);
    clock_gettime(CLOCK_MONOTONIC, &b);
    kill(server.pid, SIGCONT);
    assert_int_equal(hde_harness_counter(h, "dropped"), N);
    assert_true(b.tv_sec - a.tv_sec < 3);
    hde_harness_close(h);
}

static void
test_a_server_that_refuses_is_heard_and_the_messages_counted(void **state)
{
    hde_harness *h = open_publish("");

    freeReplyObject(rig_redis(&server, "ACL SETUSER default resetchannels"));
    assert_int_equal(hde_harness_push(h, "in", velocity(h, "f", 1)), HDE_OK);
    assert_int_equal(looked(h, 1), HDE_DEGRADED);
    assert_int_equal(looked(h, 2), HDE_DEGRADED); /* it may be asked, and still refuses */
    freeReplyObject(rig_redis(&server, "ACL SETUSER default allchannels"));
    assert_int_equal(hde_harness_counter(h, "dropped"), 1);
    assert_int_equal(hde_harness_counter(h, "published"), 0);
    hde_harness_close(h);
}

static int
start(void **state)
{
    rig_redis_start(&server, false);
    return 0;
}

static int
stop(void **state)
{
    rig_redis_stop(&server);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, close_subscriber)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_feed_has_its_channel_and_the_payload_says_its_type),
        TEST(test_a_message_without_fields_is_an_object_too),
        TEST(test_a_protobuf_payload_is_the_packed_message),
        TEST(test_a_tick_of_many_messages_comes_whole_and_in_order),
        TEST(test_a_message_without_the_field_of_its_channel_is_rejected),
        TEST(test_wrong_parameters_are_refused_by_name),
        TEST(test_while_redis_is_killed_messages_are_dropped_and_counted),
        TEST(test_a_redis_that_goes_while_nothing_is_published_is_seen_and_its_return),
        TEST(test_a_redis_that_is_away_at_the_start_is_seen),
        TEST(test_a_redis_that_hangs_holds_a_tick_no_longer_than_wait),
        TEST(test_a_server_that_refuses_is_heard_and_the_messages_counted),
    };

    return rig_has_redis() ? cmocka_run_group_tests(tests, start, stop) : 77;
}
