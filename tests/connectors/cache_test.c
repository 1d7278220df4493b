/* SPDX-License-Identifier: Apache-2.0
 * Tests of connectors/cache: bounds, one builder, deletion, two processes' worth of caches over a
 * real Redis, damaged values, Redis killed and back. */
#include "redis_rig.h"

#include <connectors/cache.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

static struct redis_rig server;

static struct cache *
open_cache(const char *url, size_t bytes)
{
    struct cache_options options = {
        .redis = url, .bytes = bytes, .timeout_ms = 2000, .wait_ms = 20000};
    char error[256];
    struct cache *cache = cache_new(&options, error);

    if (!cache)
        fail_msg("%s", error);
    return cache;
}

static struct cache_stats
stats_of(struct cache *cache)
{
    struct cache_stats stats;

    cache_read_stats(cache, &stats);
    return stats;
}

/* Takes the value. */
static void
check_value(const struct cache_value *value, const char *text)
{
    assert_non_null(value);
    assert_string_equal(value->bytes, text);
    assert_int_equal(value->size, strlen(text));
    cache_drop(value);
}

struct maker { /* of a build */
    struct cache *cache;
    const char *text; /* NULL: fails */
    atomic_uint calls;
    uint64_t wait_misses, wait_misses_of_other; /* goes on when so many have missed */
    struct cache *other;
    const char *deletes;
};

static bool
have_missed(void *user)
{
    struct maker *maker = user;

    return stats_of(maker->cache).misses[0] >= maker->wait_misses &&
           (!maker->other || stats_of(maker->other).misses[1] >= maker->wait_misses_of_other);
}

static bool
has_begun(void *user)
{
    struct maker *maker = user;

    return atomic_load(&maker->calls) > 0;
}

static bool
make(void *user, hde_text *out, char *error)
{
    struct maker *maker = user;

    atomic_fetch_add(&maker->calls, 1);
    if (maker->wait_misses)
        rig_until(20, have_missed, maker); /* too few: the counts below show it */
    if (maker->deletes)
        cache_delete(maker->cache, maker->deletes);
    if (!maker->text) {
        snprintf(error, 256, "nothing to make it of");
        return false;
    }
    hde_text_puts(out, maker->text);
    return true;
}

/* ---- Memory ------------------------------------------------------------------------------- */

static void
test_memory_never_holds_more_than_its_bound_and_keeps_what_is_used(void **state)
{
    enum { BOUND = 256 << 10 };
    struct cache *cache = open_cache(NULL, BOUND);
    char key[32], bytes[4096] = {0};
    const struct cache_value *value;

    srand(7);
    cache_set(cache, "used", "u", 1, 60000);
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "once%d", i);
        cache_set(cache, key, bytes, (size_t)rand() % sizeof bytes, 60000);
        if (i % 100 == 0)
            assert_in_range(stats_of(cache).bytes, 1, BOUND);
        value = cache_get(cache, "used");
        assert_non_null(value);
        cache_drop(value);
    }
    assert_true(stats_of(cache).evicted > 19000);
    cache_free(cache);
}

static void
test_a_value_larger_than_the_bound_is_built_and_not_kept(void **state)
{
    struct cache *cache = open_cache(NULL, 64 << 10); /* values of at most 2 KiB */
    char *large = malloc(5000), error[256];
    struct maker maker = {.text = large};

    memset(large, 'l', 4999);
    large[4999] = '\0';
    for (int i = 0; i < 2; i++)
        check_value(cached(cache, "large", 1000, make, &maker, error), large);
    assert_int_equal(maker.calls, 2);
    assert_int_equal(stats_of(cache).entries, 0);
    free(large);
    cache_free(cache);
}

static bool
is_gone(void *user)
{
    const struct cache_value *value = cache_get(user, "short");

    cache_drop(value);
    return !value;
}

static void
test_a_value_ends_with_its_ttl(void **state)
{
    struct cache *cache = open_cache(NULL, 0);

    cache_set(cache, "short", "x", 1, 200);
    cache_set(cache, "long", "y", 1, 100000);
    assert_false(is_gone(cache));
    assert_true(rig_until(10, is_gone, cache));
    check_value(cache_get(cache, "long"), "y");
    cache_free(cache);
}

static void
test_keys_that_are_too_long_are_built_and_not_kept(void **state)
{
    struct cache *cache = open_cache(server.url, 0);
    char key[CACHE_KEY + 2], error[256];
    struct maker maker = {.text = "v"};

    memset(key, 'k', sizeof key - 1);
    key[CACHE_KEY + 1] = '\0';
    check_value(cached(cache, key, 1000, make, &maker, error), "v");
    check_value(cached(cache, key, 1000, make, &maker, error), "v");
    assert_int_equal(maker.calls, 2);
    key[CACHE_KEY] = '\0'; /* the longest that is kept, by both levels and with a lock */
    check_value(cached(cache, key, 1000, make, &maker, error), "v");
    check_value(cached(cache, key, 1000, make, &maker, error), "v");
    assert_int_equal(maker.calls, 3);
    assert_int_equal(stats_of(cache).errors, 0);
    cache_free(cache);
}

/* ---- One builder -------------------------------------------------------------------------- */

enum { THREADS = 8 };

static void *
ask_once(void *arg)
{
    struct maker *maker = arg;
    char error[256];

    return (void *)(uintptr_t)cached(maker->cache, "one", 60000, make, maker, error);
}

static void
test_one_thread_builds_and_all_get_it(void **state)
{
    struct maker maker = {
        .cache = open_cache(NULL, 0), .text = "built", .wait_misses = THREADS};
    pthread_t thread[THREADS];
    void *value;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_once, &maker), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &value);
        check_value(value, "built");
    }
    assert_int_equal(maker.calls, 1);
    assert_int_equal(stats_of(maker.cache).builds, 1);
    cache_free(maker.cache);
}

static void
test_a_build_that_fails_says_why_and_is_made_again(void **state)
{
    struct cache *cache = open_cache(server.url, 0);
    struct maker maker = {.text = NULL};
    char error[256];

    assert_null(cached(cache, "fails", 1000, make, &maker, error));
    assert_string_equal(error, "nothing to make it of");
    maker.text = "now";
    check_value(cached(cache, "fails", 1000, make, &maker, error), "now");
    assert_int_equal(stats_of(cache).failed, 1);
    cache_free(cache);
}

static void
test_what_is_built_while_it_is_deleted_is_given_but_not_kept(void **state)
{
    struct cache *cache = open_cache(server.url, 0);
    struct maker maker = {.cache = cache, .text = "old", .deletes = "del*"};
    char error[256];

    check_value(cached(cache, "deleted", 60000, make, &maker, error), "old");
    maker.deletes = NULL;
    maker.text = "new";
    check_value(cached(cache, "deleted", 60000, make, &maker, error), "new");
    check_value(cached(cache, "deleted", 60000, make, &maker, error), "new");
    assert_int_equal(maker.calls, 2);
    cache_free(cache);
}

/* ---- Two levels --------------------------------------------------------------------------- */

static void
test_what_one_process_has_built_another_finds(void **state)
{
    struct cache *one = open_cache(server.url, 0), *two = open_cache(server.unix_url, 0);
    struct maker maker = {.text = "shared"};
    char error[256];

    check_value(cached(one, "both", 60000, make, &maker, error), "shared");
    check_value(cached(two, "both", 60000, make, &maker, error), "shared");
    check_value(cached(two, "both", 60000, make, &maker, error), "shared");
    assert_int_equal(maker.calls, 1);
    assert_int_equal(stats_of(two).hits[1], 1);
    assert_int_equal(stats_of(two).hits[0], 1);
    assert_in_range(rig_redis_integer(&server, "PTTL hde:both"), 50000, 60000);
    assert_int_equal(rig_redis_integer(&server, "EXISTS hde:both#lock"), 0);
    assert_true(cache_delete(one, "bo*"));
    assert_int_equal(rig_redis_integer(&server, "EXISTS hde:both"), 0);
    assert_null(cache_get(one, "both"));
    cache_free(one);
    cache_free(two);
}

static void
test_one_process_builds_and_the_other_waits_for_it(void **state)
{
    struct cache *one = open_cache(server.url, 0), *two = open_cache(server.url, 0);
    struct maker builds = {.cache = one, .text = "built", .wait_misses = 1, .other = two,
                           .wait_misses_of_other = 1};
    struct maker waits = {.cache = two, .text = "built twice"};
    pthread_t thread;
    void *value;
    char error[256];

    assert_int_equal(pthread_create(&thread, NULL, ask_once, &builds), 0);
    assert_true(rig_until(20, has_begun, &builds));
    check_value(cached(two, "one", 60000, make, &waits, error), "built");
    pthread_join(thread, &value);
    check_value(value, "built");
    assert_int_equal(waits.calls, 0);
    assert_int_equal(stats_of(two).awaited, 1);
    cache_free(one);
    cache_free(two);
}

static void
test_a_builder_that_died_leaves_its_lock_to_the_next(void **state)
{
    struct cache *cache = open_cache(server.url, 0);
    struct maker maker = {.text = "mine"};
    char error[256];

    freeReplyObject(rig_redis(&server, "SET hde:orphan#lock somebody PX 150"));
    check_value(cached(cache, "orphan", 60000, make, &maker, error), "mine");
    assert_int_equal(maker.calls, 1);
    cache_free(cache);
}

static void
test_damaged_values_are_thrown_away_and_built(void **state)
{
    struct cache *cache = open_cache(server.url, 0);
    struct maker maker = {.text = "whole"};
    char error[256];
    redisReply *good;
    unsigned calls = 0;

    check_value(cached(cache, "kept", 60000, make, &maker, error), "whole");
    good = rig_redis(&server, "GET hde:kept");
    for (size_t i = 0; i <= good->len + 2; i++) {
        char key[32];

        snprintf(key, sizeof key, "damaged%zu", i);
        if (i < good->len) { /* each byte changed in turn */
            good->str[i] ^= 1;
            freeReplyObject(rig_redis(&server, "SET hde:%s %b", key, good->str, good->len));
            good->str[i] ^= 1;
        } else { /* cut, longer, and whole but of another key */
            freeReplyObject(rig_redis(&server, "SET hde:%s %b", key, good->str,
                                      good->len - 1 + (i - good->len)));
        }
        check_value(cached(cache, key, 60000, make, &maker, error), "whole");
        calls++;
    }
    assert_int_equal(stats_of(cache).corrupt, calls);
    assert_int_equal(maker.calls, calls + 1);
    freeReplyObject(good);
    freeReplyObject(rig_redis(&server, "LPUSH hde:list x")); /* not even a text */
    check_value(cached(cache, "list", 60000, make, &maker, error), "whole");
    cache_free(cache);
}

/* ---- Redis is away ------------------------------------------------------------------------ */

static bool
is_shared(void *user)
{
    char why[256];

    return cache_look(user, why) == CACHE_SHARED;
}

static void
test_without_redis_memory_is_used_and_the_state_is_seen(void **state)
{
    struct cache *cache = open_cache(server.url, 0);
    struct maker maker = {.text = "v"};
    char error[256], why[256];
    hde_text metrics = {0};

    assert_int_equal(cache_look(cache, why), CACHE_SHARED);
    rig_redis_kill(&server);
    check_value(cached(cache, "away", 60000, make, &maker, error), "v");
    check_value(cached(cache, "away", 60000, make, &maker, error), "v");
    cache_set(cache, "away2", "w", 1, 60000);
    check_value(cache_get(cache, "away2"), "w");
    assert_false(cache_delete(cache, "away2"));
    assert_null(cache_get(cache, "away2"));
    assert_int_equal(maker.calls, 1);
    assert_int_equal(cache_look(cache, why), CACHE_DEGRADED);
    assert_non_null(strstr(why, "HDE-D002"));
    cache_print_metrics(cache, &metrics);
    assert_non_null(strstr(metrics.data, "hde_cache_degraded 1\n"));
    rig_redis_again(&server);
    assert_true(rig_until(20, is_shared, cache));
    hde_text_clear(&metrics);
    cache_print_metrics(cache, &metrics);
    assert_non_null(strstr(metrics.data, "hde_cache_degraded 0\n"));
    hde_text_free(&metrics);
    cache_free(cache);
}

static void
test_a_redis_that_hangs_costs_one_deadline_a_pause(void **state)
{
    struct cache_options options = {.redis = server.url, .timeout_ms = 50};
    char error[256];
    struct cache *cache = cache_new(&options, error);
    struct maker maker = {.text = "v"};
    struct timespec a, b;

    assert_true(is_shared(cache));
    kill(server.pid, SIGSTOP);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 50; i++) {
        char key[16];

        snprintf(key, sizeof key, "hang%d", i);
        check_value(cached(cache, key, 60000, make, &maker, error), "v");
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    kill(server.pid, SIGCONT);
    assert_int_equal(maker.calls, 50);
    assert_true(b.tv_sec - a.tv_sec < 2); /* 50 deadlines would be 2.5 s and more */
    cache_free(cache);
}

static void
test_an_address_that_cannot_be_is_refused(void **state)
{
    struct cache_options options = {.redis = "localhost:6379"};
    char error[256];

    assert_null(cache_new(&options, error));
    assert_non_null(strstr(error, "HDE-D001"));
}

/* ---- Everything at once ------------------------------------------------------------------- */

struct crowd {
    struct cache *cache[2];
    unsigned seed;
    char fault[320];
};

static bool
make_key(void *user, hde_text *out, char *error)
{
    hde_text_puts(out, user);
    return true;
}

/* Whatever happens meanwhile, a value is the one of its key. */
static void *
ask_often(void *arg)
{
    struct crowd *crowd = arg;
    char key[16], error[256];

    for (int i = 0; i < 2000; i++) {
        struct cache *cache = crowd->cache[rand_r(&crowd->seed) % 2];
        const struct cache_value *value;
        int what = rand_r(&crowd->seed) % 100;

        snprintf(key, sizeof key, "k%d", rand_r(&crowd->seed) % 50);
        if (what == 0) {
            cache_delete(cache, "k1*");
            continue;
        }
        if (what < 5)
            cache_set(cache, key, key, strlen(key), 1 + rand_r(&crowd->seed) % 50);
        value = what < 50 ? cache_get(cache, key)
                          : cached(cache, key, 1 + rand_r(&crowd->seed) % 50, make_key, key, error);
        if (value && strcmp(value->bytes, key) != 0)
            snprintf(crowd->fault, sizeof crowd->fault, "%s is %.40s", key, value->bytes);
        if (!value && what >= 50)
            snprintf(crowd->fault, sizeof crowd->fault, "%s: %s", key, error);
        cache_drop(value);
    }
    return NULL;
}

static void
test_many_threads_on_two_caches_get_the_value_of_their_key(void **state)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct crowd crowd[4] = {{.cache = {open_cache(server.url, 64 << 10),
                                        open_cache(server.unix_url, 0)}}};
    pthread_t thread[4];

    print_message("HDE_SEED=%u\n", seed);
    for (unsigned i = 0; i < 4; i++) {
        crowd[i] = crowd[0];
        crowd[i].seed = seed + i;
        assert_int_equal(pthread_create(&thread[i], NULL, ask_often, &crowd[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        assert_string_equal(crowd[i].fault, "");
    }
    cache_free(crowd[0].cache[0]);
    cache_free(crowd[0].cache[1]);
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
        cmocka_unit_test(test_memory_never_holds_more_than_its_bound_and_keeps_what_is_used),
        cmocka_unit_test(test_a_value_larger_than_the_bound_is_built_and_not_kept),
        cmocka_unit_test(test_a_value_ends_with_its_ttl),
        cmocka_unit_test(test_keys_that_are_too_long_are_built_and_not_kept),
        cmocka_unit_test(test_one_thread_builds_and_all_get_it),
        cmocka_unit_test(test_a_build_that_fails_says_why_and_is_made_again),
        cmocka_unit_test(test_what_is_built_while_it_is_deleted_is_given_but_not_kept),
        cmocka_unit_test(test_what_one_process_has_built_another_finds),
        cmocka_unit_test(test_one_process_builds_and_the_other_waits_for_it),
        cmocka_unit_test(test_a_builder_that_died_leaves_its_lock_to_the_next),
        cmocka_unit_test(test_damaged_values_are_thrown_away_and_built),
        cmocka_unit_test(test_without_redis_memory_is_used_and_the_state_is_seen),
        cmocka_unit_test(test_a_redis_that_hangs_costs_one_deadline_a_pause),
        cmocka_unit_test(test_an_address_that_cannot_be_is_refused),
        cmocka_unit_test(test_many_threads_on_two_caches_get_the_value_of_their_key),
    };

    return rig_has_redis() ? cmocka_run_group_tests(tests, start, stop) : 77;
}
