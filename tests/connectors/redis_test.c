/* SPDX-License-Identifier: Apache-2.0
 * Tests of connectors/redis with one real server: addresses, pipelines, scripts, locks, pub/sub,
 * kill -9 and return. */
#include "redis_rig.h"

#include <connectors/redis.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static struct redis_rig server;

static struct redis *
client(const char *url, int64_t timeout_ms)
{
    struct redis_error error = {0};
    struct redis_options options = {.url = url, .timeout_ms = timeout_ms};
    struct redis *redis = redis_new(&options, &error);

    if (!redis)
        fail_msg("%s", error.text);
    return redis;
}

static redisReply *
call(struct redis *redis, const struct redis_command *command)
{
    struct redis_error error = {0};
    redisReply *reply = redis_call(redis, command, 0, &error);

    if (!reply)
        fail_msg("%s", error.text);
    return reply;
}

static void
set(struct redis *redis, const char *key, const char *value)
{
    struct redis_command command = redis_words("SET", key, value, NULL);

    freeReplyObject(call(redis, &command));
}

/* "" where there is none. */
static const char *
get(struct redis *redis, const char *key, char out[64])
{
    struct redis_command command = redis_words("GET", key, NULL);
    redisReply *reply = call(redis, &command);

    snprintf(out, 64, "%s", reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
    return out;
}

static enum redis_trouble
trouble_of_get(struct redis *redis, struct redis_error *error)
{
    struct redis_command command = redis_words("GET", "k", NULL);
    redisReply *reply = redis_call(redis, &command, 0, error);

    if (!reply)
        return error->kind;
    freeReplyObject(reply);
    return REDIS_TROUBLE_NONE;
}

/* ---- Addresses ---------------------------------------------------------------------------- */

static void
test_addresses_are_taken_apart_or_refused(void **state)
{
    static const struct {
        const char *url, *address; /* NULL: refused */
    } rows[] = {
        {"redis://127.0.0.1:7000", "127.0.0.1:7000"},
        {"redis://host", "host:6379"},
        {"redis://host/3", "host:6379"},
        {"redis://user:p%40ss@host:1/", "host:1"},
        {"redis://secret@a:1,b:2,c", "a:1"},
        {"redis://[::1]:7000", "[::1]:7000"},
        {"redis://[::1]", "[::1]:6379"},
        {"unix:///run/redis.sock?db=2", "/run/redis.sock"},
        {"unix://:pw@/run/a%20b", "/run/a b"},
        {"rediss://host", NULL},
        {"http://host", NULL},
        {"redis://", NULL},
        {"redis://a,,b", NULL},
        {"redis://a:0", NULL},
        {"redis://a:65536", NULL},
        {"redis://a:x", NULL},
        {"redis://a/x", NULL},
        {"redis://a/9999999", NULL},
        {"redis://u:p%zz@a", NULL},
        {"redis://u:p%00@a", NULL},
        {"redis://u:p%4@a", NULL},
        {"unix://run/redis.sock", NULL},
        {"unix:///a?db=x", NULL},
        {"unix:///a?x=1", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_error error = {0};
        struct redis_options options = {.url = rows[i].url};
        struct redis *redis = redis_new(&options, &error);
        char address[REDIS_ADDRESS];

        if ((redis != NULL) != (rows[i].address != NULL))
            fail_msg("'%s': %s", rows[i].url, redis ? "taken" : error.text);
        if (redis)
            assert_string_equal(redis_address(redis, address), rows[i].address);
        else
            assert_true(error.kind == REDIS_TROUBLE_URL &&
                        strncmp(error.text, "HDE-D001: ", 10) == 0);
        redis_free(redis);
    }
}

static void
test_slots_are_those_of_the_cluster_specification(void **state)
{
    assert_int_equal(redis_slot("123456789", 9), 0x31c3);
    assert_int_equal(redis_slot("foo", 3), 12182);
    assert_int_equal(redis_slot("{foo}.bar", 9), 12182);
    assert_int_equal(redis_slot("a{foo}{bar}", 11), 12182);
    assert_int_equal(redis_slot("{}foo", 5), redis_slot("{}foo", 5));
    assert_int_not_equal(redis_slot("{}foo", 5), redis_slot("{}bar", 5)); /* an empty tag is none */
    assert_int_equal(redis_slot("", 0), 0);
}

/* ---- Commands ----------------------------------------------------------------------------- */

static void
test_a_value_of_any_bytes_comes_back_over_both_kinds_of_socket(void **state)
{
    static const char bytes[] = "a\r\n\0b";
    const char *urls[] = {server.url, server.unix_url};

    for (size_t i = 0; i < 2; i++) {
        struct redis *redis = client(urls[i], 0);
        struct redis_command put = redis_words("SET", "bytes", NULL);
        struct redis_command read = redis_words("GET", "bytes", NULL);
        redisReply *reply;

        put.key = 1;
        redis_add(&put, bytes, sizeof bytes);
        freeReplyObject(call(redis, &put));
        reply = call(redis, &read);
        assert_int_equal(reply->len, sizeof bytes);
        assert_memory_equal(reply->str, bytes, sizeof bytes);
        assert_false(redis_is_cluster(redis));
        freeReplyObject(reply);
        redis_free(redis);
    }
}

static void
test_a_pipeline_of_thousands_gives_its_replies_in_order(void **state)
{
    enum { N = 5000, SIZE = 4096 };
    struct redis *redis = client(server.url, 20000);
    struct redis_command *commands = calloc(N, sizeof *commands);
    redisReply **reply = calloc(N, sizeof *reply);
    struct redis_error error = {0};
    char *big = calloc(1, SIZE);

    memset(big, 'x', SIZE);
    for (size_t i = 0; i < N; i++) { /* more than socket buffers hold, both ways */
        commands[i] = i % 2 ? redis_words("INCR", "counted", NULL) : redis_words("ECHO", NULL);
        if (i % 2 == 0)
            redis_add(&commands[i], big, SIZE);
    }
    if (!redis_run(redis, commands, N, reply, 0, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < N; i++) {
        if (i % 2)
            assert_int_equal(reply[i]->integer, i / 2 + 1);
        else
            assert_int_equal(reply[i]->len, SIZE);
        freeReplyObject(reply[i]);
    }
    free(big);
    free(reply);
    free(commands);
    redis_free(redis);
}

static void
test_an_error_that_the_server_answers_has_a_kind(void **state)
{
    static const struct {
        const char *word[4];
        enum redis_trouble kind;
    } rows[] = {
        {{"NOSUCHCOMMAND", "x"}, REDIS_TROUBLE_REFUSED},
        {{"LPUSH", "text", "x"}, REDIS_TROUBLE_REFUSED},
        {{"GET"}, REDIS_TROUBLE_REFUSED},
        {{"AUTH", "wrong"}, REDIS_TROUBLE_DENIED},
    };
    struct redis *redis = client(server.url, 0);

    set(redis, "text", "t");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_command command = redis_words(rows[i].word[0], rows[i].word[1],
                                                   rows[i].word[1] ? rows[i].word[2] : NULL, NULL);
        struct redis_error error = {0};

        assert_null(redis_call(redis, &command, 0, &error));
        if (error.kind != rows[i].kind)
            fail_msg("%s: %s", rows[i].word[0], error.text);
    }
    redis_free(redis);
}

static void
test_user_password_and_database_are_used_and_wrong_ones_named(void **state)
{
    static const struct {
        const char *who, *database;
        enum redis_trouble kind;
    } rows[] = {
        {":pass%20word@", "", REDIS_TROUBLE_NONE},
        {"pass%20word@", "/1", REDIS_TROUBLE_NONE},
        {"reader:read@", "", REDIS_TROUBLE_NONE},
        {"reader:wrong@", "", REDIS_TROUBLE_DENIED},
        {"wrong@", "", REDIS_TROUBLE_DENIED},
        {"", "", REDIS_TROUBLE_DENIED},
        {"pass%20word@", "/99", REDIS_TROUBLE_REFUSED},
    };
    struct redis_error error = {0};
    char url[96];

    freeReplyObject(rig_redis(&server, "ACL SETUSER reader on >read ~* +get"));
    freeReplyObject(rig_redis(&server, "CONFIG SET requirepass %s", "pass word"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis *redis;

        snprintf(url, sizeof url, "redis://%s127.0.0.1:%d%s", rows[i].who, server.port,
                 rows[i].database);
        redis = client(url, 0);
        if (trouble_of_get(redis, &error) != rows[i].kind)
            fail_msg("%s: %s", url, error.text);
        assert_null(strstr(error.text, "wrong@"));
        redis_free(redis);
    }
    freeReplyObject(rig_redis(&server, "CONFIG SET requirepass %s", ""));
}

/* ---- Away --------------------------------------------------------------------------------- */

static bool
is_back(void *user)
{
    struct redis_error error;

    return trouble_of_get(user, &error) == REDIS_TROUBLE_NONE;
}

static void
test_a_server_that_is_killed_is_away_at_once_and_used_when_it_returns(void **state)
{
    struct redis *redis = client(server.url, 0);
    struct redis_error error = {0};
    char value[64];

    set(redis, "k", "v");
    rig_redis_kill(&server);
    assert_int_equal(trouble_of_get(redis, &error), REDIS_TROUBLE_AWAY);
    assert_int_equal(trouble_of_get(redis, &error), REDIS_TROUBLE_AWAY);
    assert_non_null(strstr(error.text, "the next try is in"));
    rig_redis_again(&server);
    assert_true(rig_until(10, is_back, redis));
    set(redis, "k", "w");
    assert_string_equal(get(redis, "k", value), "w");
    redis_free(redis);
}

static void
test_a_restart_while_the_connection_is_idle_costs_no_call(void **state)
{
    struct redis *redis = client(server.url, 0);
    char value[64];

    set(redis, "k", "v");
    rig_redis_kill(&server);
    rig_redis_again(&server);
    set(redis, "k", "v2");
    assert_string_equal(get(redis, "k", value), "v2");
    redis_free(redis);
}

static void
test_a_server_that_hangs_costs_the_deadline_once_and_then_the_pause(void **state)
{
    struct redis *redis = client(server.unix_url, 200);
    struct redis_error error = {0};
    struct timespec a, b;

    set(redis, "k", "v");
    kill(server.pid, SIGSTOP);
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(trouble_of_get(redis, &error), REDIS_TROUBLE_LATE);
    assert_int_equal(trouble_of_get(redis, &error), REDIS_TROUBLE_AWAY); /* in the pause */
    clock_gettime(CLOCK_MONOTONIC, &b);
    kill(server.pid, SIGCONT);
    assert_true(b.tv_sec - a.tv_sec < 5);
    assert_true(rig_until(10, is_back, redis));
    redis_free(redis);
}

/* ---- Scripts and locks -------------------------------------------------------------------- */

static long long
eval(struct redis *redis, const char *script, const char *a, const char *b,
     struct redis_error *error)
{
    struct redis_arg keys[2] = {{a, strlen(a)}, {b, strlen(b)}};
    redisReply *reply = redis_eval(redis, script, 2, keys, 2, 0, error);
    long long n = -1;

    if (reply) {
        n = reply->integer;
        freeReplyObject(reply);
    }
    return n;
}

static void
test_a_script_is_sent_once_and_again_where_the_server_forgot_it(void **state)
{
    static const char script[] = "return redis.call('incr', KEYS[1]) + redis.call('incr', KEYS[2])";
    struct redis *redis = client(server.url, 0);
    struct redis_error error = {0};

    freeReplyObject(rig_redis(&server, "DEL {s}a {s}b"));
    assert_int_equal(eval(redis, script, "{s}a", "{s}b", &error), 2);
    assert_int_equal(eval(redis, script, "{s}a", "{s}b", &error), 4);
    freeReplyObject(rig_redis(&server, "SCRIPT FLUSH"));
    assert_int_equal(eval(redis, script, "{s}a", "{s}b", &error), 6);
    assert_int_equal(eval(redis, script, "{s}a", "{s}b", &error), 8);
    redis_free(redis);
}

static void
test_keys_of_a_script_without_one_hash_tag_are_refused_on_a_single_server_too(void **state)
{
    struct redis *redis = client(server.url, 0);
    struct redis_error error = {0};

    assert_int_equal(eval(redis, "return 1", "a", "b", &error), -1);
    assert_int_equal(error.kind, REDIS_TROUBLE_SLOTS);
    redis_free(redis);
}

static void
test_a_lock_is_taken_by_one_extended_and_released(void **state)
{
    struct redis *one = client(server.url, 0), *two = client(server.url, 0);
    struct redis_lock lock, other;
    struct redis_error error = {0};

    assert_true(redis_lock_take(one, "lock", 20000, &lock, &error));
    assert_in_range(redis_lock_left_ms(&lock), 10000, 20000);
    assert_false(redis_lock_take(two, "lock", 20000, &other, &error));
    assert_int_equal(error.kind, REDIS_TROUBLE_NONE);
    assert_true(redis_lock_extend(one, &lock, &error));
    assert_true(redis_lock_release(one, &lock, &error));
    assert_int_equal(redis_lock_left_ms(&lock), 0);
    assert_true(redis_lock_take(two, "lock", 20000, &other, &error));
    assert_true(redis_lock_release(two, &other, &error));
    redis_free(one);
    redis_free(two);
}

struct taker {
    struct redis *redis;
    struct redis_lock lock;
};

static bool
takes(void *user)
{
    struct taker *taker = user;
    struct redis_error error;

    return redis_lock_take(taker->redis, "short", 20000, &taker->lock, &error);
}

static void
test_a_lock_is_lost_at_the_end_of_its_lease_and_the_next_holder_is_left_alone(void **state)
{
    struct redis *one = client(server.url, 0);
    struct taker taker = {.redis = client(server.url, 0)};
    struct redis_lock lock;
    struct redis_error error = {0};

    assert_true(redis_lock_take(one, "short", 60, &lock, &error));
    assert_true(rig_until(10, takes, &taker)); /* as soon as the lease has ended */
    assert_int_equal(redis_lock_left_ms(&lock), 0);
    assert_false(redis_lock_extend(one, &lock, &error));
    assert_int_equal(error.kind, REDIS_TROUBLE_LOST);
    assert_false(redis_lock_release(one, &lock, &error));
    assert_int_equal(error.kind, REDIS_TROUBLE_LOST);
    assert_non_null(strstr(error.text, "HDE-D009"));
    assert_true(redis_lock_extend(taker.redis, &taker.lock, &error)); /* still the other's */
    assert_true(redis_lock_release(taker.redis, &taker.lock, &error));
    redis_free(one);
    redis_free(taker.redis);
}

/* ---- Pub/sub ------------------------------------------------------------------------------ */

/* The next event that is neither NONE nor TROUBLE. */
static enum redis_event
next_event(struct redis_subscriber *subscriber, struct redis_message *message)
{
    struct redis_error error = {0};
    time_t end = time(NULL) + 20;
    enum redis_event event;

    while ((event = redis_next(subscriber, 500, message, &error)) == REDIS_EVENT_NONE ||
           event == REDIS_EVENT_TROUBLE)
        if (time(NULL) > end)
            fail_msg("nothing came: %s", error.text);
    return event;
}

static void
test_a_subscriber_gets_messages_and_says_when_some_were_missed(void **state)
{
    struct redis_options options = {.url = server.url};
    struct redis_error error = {0};
    struct redis_subscriber *subscriber = redis_subscriber_new(&options, &error);
    struct redis_message message;

    redis_subscribe(subscriber, "one", false);
    redis_subscribe(subscriber, "many.*", true);
    assert_int_equal(next_event(subscriber, &message), REDIS_EVENT_BACK);
    assert_int_equal(rig_redis_integer(&server, "PUBLISH one first"), 1);
    assert_int_equal(rig_redis_integer(&server, "PUBLISH many.a second"), 1);
    assert_int_equal(next_event(subscriber, &message), REDIS_EVENT_MESSAGE);
    assert_string_equal(message.channel, "one");
    assert_string_equal(message.bytes, "first");
    assert_int_equal(next_event(subscriber, &message), REDIS_EVENT_MESSAGE);
    assert_string_equal(message.channel, "many.a");
    rig_redis_kill(&server);
    assert_int_equal(redis_next(subscriber, 5000, &message, &error), REDIS_EVENT_TROUBLE);
    rig_redis_again(&server);
    assert_int_equal(next_event(subscriber, &message), REDIS_EVENT_BACK);
    assert_int_equal(rig_redis_integer(&server, "PUBLISH many.b third"), 1);
    assert_int_equal(next_event(subscriber, &message), REDIS_EVENT_MESSAGE);
    assert_int_equal(message.size, 5);
    assert_int_equal(redis_next(subscriber, 20, &message, &error), REDIS_EVENT_NONE);
    redis_subscriber_free(subscriber);
}

/* ---- Scan --------------------------------------------------------------------------------- */

static bool
count(void *user, const redisReply *keys)
{
    *(size_t *)user += keys->elements;
    return true;
}

static void
test_scan_walks_all_keys_of_a_pattern(void **state)
{
    struct redis *redis = client(server.url, 0);
    struct redis_error error = {0};
    size_t n = 0;
    char key[32];

    for (int i = 0; i < 1500; i++) {
        snprintf(key, sizeof key, "scan:%d", i);
        set(redis, key, "x");
    }
    assert_true(redis_scan(redis, "scan:*", 0, count, &n, &error));
    assert_in_range(n, 1500, 1600);
    redis_free(redis);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_taken_apart_or_refused),
        cmocka_unit_test(test_slots_are_those_of_the_cluster_specification),
        cmocka_unit_test(test_a_value_of_any_bytes_comes_back_over_both_kinds_of_socket),
        cmocka_unit_test(test_a_pipeline_of_thousands_gives_its_replies_in_order),
        cmocka_unit_test(test_an_error_that_the_server_answers_has_a_kind),
        cmocka_unit_test(test_user_password_and_database_are_used_and_wrong_ones_named),
        cmocka_unit_test(test_a_server_that_is_killed_is_away_at_once_and_used_when_it_returns),
        cmocka_unit_test(test_a_restart_while_the_connection_is_idle_costs_no_call),
        cmocka_unit_test(test_a_server_that_hangs_costs_the_deadline_once_and_then_the_pause),
        cmocka_unit_test(test_a_script_is_sent_once_and_again_where_the_server_forgot_it),
        cmocka_unit_test(
            test_keys_of_a_script_without_one_hash_tag_are_refused_on_a_single_server_too),
        cmocka_unit_test(test_a_lock_is_taken_by_one_extended_and_released),
        cmocka_unit_test(
            test_a_lock_is_lost_at_the_end_of_its_lease_and_the_next_holder_is_left_alone),
        cmocka_unit_test(test_a_subscriber_gets_messages_and_says_when_some_were_missed),
        cmocka_unit_test(test_scan_walks_all_keys_of_a_pattern),
    };

    return rig_has_redis() ? cmocka_run_group_tests(tests, start, stop) : 77;
}
