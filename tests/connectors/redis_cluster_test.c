/* SPDX-License-Identifier: Apache-2.0
 * Tests of connectors/redis with a real cluster of three: keys everywhere, a slot that moves under
 * load (ASK, MOVED, TRYAGAIN), a member killed and back, one whose replica takes over. */
#include "redis_rig.h"

#include <connectors/redis.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { N = 3 };
static struct redis_rig member[N];

static struct redis *
client(const char *url)
{
    struct redis_error error = {0};
    struct redis_options options = {.url = url, .timeout_ms = 5000};
    struct redis *redis = redis_new(&options, &error);

    if (!redis)
        fail_msg("%s", error.text);
    return redis;
}

static enum redis_trouble
increase(struct redis *redis, const char *key, long long *value, struct redis_error *error)
{
    struct redis_command command = redis_words("INCR", key, NULL);
    redisReply *reply = redis_call(redis, &command, 0, error);

    if (!reply)
        return error->kind;
    *value = reply->integer;
    freeReplyObject(reply);
    return REDIS_TROUBLE_NONE;
}

static bool
has_slot(struct redis_rig *rig, unsigned slot)
{
    redisReply *table = rig_redis(rig, "CLUSTER SLOTS");
    bool has = false;

    for (size_t i = 0; i < table->elements; i++) {
        const redisReply *row = table->element[i];

        has |= row->element[0]->integer <= slot && slot <= row->element[1]->integer &&
               row->element[2]->element[1]->integer == rig->port;
    }
    freeReplyObject(table);
    return has;
}

static size_t
owner_of(unsigned slot)
{
    for (size_t i = 0; i < N; i++)
        if (has_slot(&member[i], slot))
            return i;
    fail_msg("nobody has slot %u", slot);
    return 0;
}

static bool
count(void *user, const redisReply *keys)
{
    *(size_t *)user += keys->elements;
    return true;
}

static void
test_keys_of_all_members_are_reached_through_any_address(void **state)
{
    enum { KEYS = 300 };
    struct redis_command commands[KEYS];
    redisReply *reply[KEYS];
    struct redis_error error = {0};
    char url[96], key[KEYS][16];
    struct redis *redis;
    size_t found = 0;

    snprintf(url, sizeof url, "redis://127.0.0.1:1,127.0.0.1:%d", member[1].port); /* 1: nobody */
    redis = client(url);
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(key[i], sizeof key[i], "key%zu", i);
        commands[i] = redis_words("SET", key[i], key[i], NULL);
    }
    if (!redis_run(redis, commands, KEYS, reply, 0, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < KEYS; i++) {
        if (!redis_is_good(reply[i], &error))
            fail_msg("%s", error.text);
        freeReplyObject(reply[i]);
        commands[i] = redis_words("GET", key[i], NULL);
    }
    assert_true(redis_run(redis, commands, KEYS, reply, 0, &error));
    for (size_t i = 0; i < KEYS; i++) {
        assert_string_equal(reply[i]->str, key[i]);
        freeReplyObject(reply[i]);
    }
    assert_true(redis_is_cluster(redis));
    assert_int_equal(redis_counts(redis).moved, 0); /* the table was asked for */
    for (size_t i = 0; i < N; i++)
        assert_in_range(rig_redis_integer(&member[i], "DBSIZE"), KEYS / 5, KEYS);
    assert_true(redis_scan(redis, "key*", 0, count, &found, &error));
    assert_in_range(found, KEYS, KEYS + 50);
    redis_free(redis);
}

/* ---- A slot moves under load -------------------------------------------------------------- */

enum { LOAD_KEYS = 120 };

struct load {
    pthread_t thread;
    atomic_bool is_over, has_failed; /* has_failed: error is set */
    atomic_ullong rounds;
    unsigned long long wanted;
    struct redis_counts counts;
    char error[400];
};

/* Every key goes up by one a round: one lost or done twice shows. */
static void *
run_load(void *arg)
{
    struct load *load = arg;
    struct redis *redis = client(member[0].url);
    struct redis_command commands[LOAD_KEYS];
    char key[LOAD_KEYS][24];
    redisReply *reply[LOAD_KEYS];
    struct redis_error error = {0};

    for (size_t i = 0; i < LOAD_KEYS; i++) {
        snprintf(key[i], sizeof key[i], "{load}%zu", i);
        commands[i] = redis_words("INCR", key[i], NULL);
    }
    while (!atomic_load(&load->is_over) && !atomic_load(&load->has_failed)) {
        unsigned long long round = atomic_load(&load->rounds) + 1;

        if (!redis_run(redis, commands, LOAD_KEYS, reply, 0, &error)) {
            snprintf(load->error, sizeof load->error, "%s", error.text);
            atomic_store(&load->has_failed, true);
            break;
        }
        for (size_t i = 0; i < LOAD_KEYS; i++) {
            if (reply[i]->type != REDIS_REPLY_INTEGER || reply[i]->integer != (long long)round) {
                snprintf(load->error, sizeof load->error, "round %llu of key %zu: %lld %.200s",
                         round, i, reply[i]->integer, reply[i]->str ? reply[i]->str : "");
                atomic_store(&load->has_failed, true);
            }
            freeReplyObject(reply[i]);
        }
        atomic_store(&load->rounds, round);
    }
    load->counts = redis_counts(redis);
    redis_free(redis);
    return NULL;
}

static bool
has_rounds(void *user)
{
    struct load *load = user;

    return atomic_load(&load->has_failed) || atomic_load(&load->rounds) >= load->wanted;
}

/* Some more rounds are done from here on. */
static void
let_run(struct load *load)
{
    load->wanted = atomic_load(&load->rounds) + 3;
    if (!rig_until(20, has_rounds, load))
        fail_msg("the load stands still");
    if (atomic_load(&load->has_failed))
        fail_msg("%s", load->error);
}

static void
test_a_slot_that_moves_under_load_loses_and_doubles_nothing(void **state)
{
    unsigned slot = redis_slot("{load}", 6);
    size_t from = owner_of(slot), to = (from + 1) % N;
    struct load load = {0};

    assert_int_equal(pthread_create(&load.thread, NULL, run_load, &load), 0);
    for (int way = 0; way < 2; way++) { /* there, and back */
        struct redis_rig *a = &member[way ? to : from], *b = &member[way ? from : to];

        let_run(&load);
        rig_slot_open(a, b, slot);
        let_run(&load);
        do
            let_run(&load);
        while (rig_slot_move_keys(a, b, slot, LOAD_KEYS / 4) > 0);
        let_run(&load);
        rig_slot_close(a, b, slot);
        let_run(&load);
    }
    atomic_store(&load.is_over, true);
    pthread_join(load.thread, NULL);
    if (load.error[0])
        fail_msg("%s", load.error);
    assert_true(load.counts.asked > 0);
    assert_true(load.counts.moved > 0);
}

static void
test_a_script_whose_keys_are_under_way_is_to_be_tried_again(void **state)
{
    static const char script[] =
        "return redis.call('exists', KEYS[1]) + redis.call('exists', KEYS[2])";
    unsigned slot = redis_slot("{two}", 5);
    struct redis_rig *from = &member[owner_of(slot)], *to = &member[(owner_of(slot) + 1) % N];
    struct redis_arg keys[2] = {{"{two}a", 6}, {"{two}b", 6}};
    struct redis *redis = client(member[0].url);
    struct redis_error error = {0};
    long long value;
    redisReply *reply;

    assert_int_equal(increase(redis, "{two}a", &value, &error), REDIS_TROUBLE_NONE);
    assert_int_equal(increase(redis, "{two}b", &value, &error), REDIS_TROUBLE_NONE);
    rig_slot_open(from, to, slot);
    assert_int_equal(rig_slot_move_keys(from, to, slot, 1), 1);
    assert_null(redis_eval(redis, script, 2, keys, 2, 0, &error));
    assert_int_equal(error.kind, REDIS_TROUBLE_BUSY);
    assert_int_equal(rig_slot_move_keys(from, to, slot, 1), 1);
    rig_slot_close(from, to, slot);
    reply = redis_eval(redis, script, 2, keys, 2, 0, &error);
    if (!reply)
        fail_msg("%s", error.text);
    assert_int_equal(reply->integer, 2);
    freeReplyObject(reply);
    redis_free(redis);
}

/* ---- A member is killed ------------------------------------------------------------------- */

struct wish {
    struct redis *redis;
    char key[24];
};

static bool
is_served(void *user)
{
    struct wish *wish = user;
    struct redis_error error;
    long long value;

    return increase(wish->redis, wish->key, &value, &error) == REDIS_TROUBLE_NONE;
}

static void
test_a_killed_member_takes_only_its_own_keys_and_gives_them_back(void **state)
{
    struct redis *redis = client(member[0].url);
    struct redis_error error = {0};
    struct wish wish = {.redis = redis};
    size_t lost = owner_of(redis_slot("lost", 4));
    char other[24];
    long long value;

    strcpy(wish.key, "lost");
    for (int i = 0;; i++) { /* a key of another member */
        snprintf(other, sizeof other, "other%d", i);
        if (owner_of(redis_slot(other, strlen(other))) != lost)
            break;
    }
    assert_int_equal(increase(redis, "lost", &value, &error), REDIS_TROUBLE_NONE);
    rig_redis_kill(&member[lost]);
    assert_int_equal(increase(redis, "lost", &value, &error), REDIS_TROUBLE_AWAY);
    for (int i = 0; i < 10; i++)
        assert_int_equal(increase(redis, other, &value, &error), REDIS_TROUBLE_NONE);
    rig_redis_again(&member[lost]);
    assert_true(rig_until(30, is_served, &wish));
    redis_free(redis);
}

/* ---- A replica takes over ----------------------------------------------------------------- */

static bool
says(struct redis_rig *rig, const char *question, const char *text)
{
    redisReply *reply = rig_redis(rig, question);
    bool does = strstr(reply->str, text) != NULL;

    freeReplyObject(reply);
    return does;
}

struct sight {
    struct redis_rig *rig;
    const char *question, *text;
};

static bool
is_seen(void *user)
{
    struct sight *sight = user;

    return says(sight->rig, sight->question, sight->text);
}

static void
follow(struct redis_rig *replica, struct redis_rig *master)
{
    char id[41];
    struct sight joined = {replica, "CLUSTER NODES", id};
    struct sight follows = {replica, "INFO replication", "master_link_status:up"};

    rig_cluster_id(master, id);
    freeReplyObject(rig_redis(replica, "CLUSTER MEET 127.0.0.1 %d %d", master->port, master->bus));
    assert_true(rig_until(20, is_seen, &joined));
    freeReplyObject(rig_redis(replica, "CLUSTER REPLICATE %s", id));
    assert_true(rig_until(30, is_seen, &follows));
}

static void
test_where_a_replica_takes_over_the_client_follows_and_finds_what_was_there(void **state)
{
    struct redis *redis = client(member[0].url);
    struct redis_error error = {0};
    struct wish wish = {.redis = redis, .key = "kept"};
    size_t lost = owner_of(redis_slot("kept", 4));
    struct redis_rig replica;
    struct sight everywhere[N];
    char id[41];
    long long value;

    rig_redis_start(&replica, true);
    follow(&replica, &member[lost]);
    rig_cluster_id(&replica, id);
    for (size_t i = 0; i < N; i++) {
        everywhere[i] = (struct sight){&member[i], "CLUSTER NODES", id};
        assert_true(rig_until(20, is_seen, &everywhere[i]));
    }
    assert_int_equal(increase(redis, "kept", &value, &error), REDIS_TROUBLE_NONE);
    /* WAIT waits for what its own connection has written, and so for all in front of that */
    assert_int_equal(rig_redis_integer(&member[lost], "INCR {kept}.behind"), 1);
    assert_int_equal(rig_redis_integer(&member[lost], "WAIT 1 20000"), 1);
    rig_redis_kill(&member[lost]);
    assert_int_not_equal(increase(redis, "kept", &value, &error), REDIS_TROUBLE_NONE);
    assert_true(rig_until(40, is_served, &wish));
    assert_true(says(&replica, "INFO replication", "role:master"));
    assert_int_equal(increase(redis, "kept", &value, &error), REDIS_TROUBLE_NONE);
    assert_in_range(value, 3, 4); /* once, again, and once that may have been done unheard */
    redis_free(redis);
    rig_redis_stop(&replica);
}

static int
start(void **state)
{
    rig_cluster_start(member, N);
    return 0;
}

static int
stop(void **state)
{
    for (size_t i = 0; i < N; i++)
        rig_redis_stop(&member[i]);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_all_members_are_reached_through_any_address),
        cmocka_unit_test(test_a_slot_that_moves_under_load_loses_and_doubles_nothing),
        cmocka_unit_test(test_a_script_whose_keys_are_under_way_is_to_be_tried_again),
        cmocka_unit_test(test_a_killed_member_takes_only_its_own_keys_and_gives_them_back),
        cmocka_unit_test(
            test_where_a_replica_takes_over_the_client_follows_and_finds_what_was_there),
    };

    return rig_has_redis() ? cmocka_run_group_tests(tests, start, stop) : 77;
}
