/* SPDX-License-Identifier: Apache-2.0
 * cache_test - two gateways on one store share what they read through a real Redis, and serve
 * without it. */
#include "check.h"
#include "redis_rig.h"
#include "rig.h"

#include <connectors/sqlite.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PCR "/v1/charts/pcr/NIFTY"

static struct redis_rig server;
static struct rig one, two;
static char folder[] = "/tmp/hde-gateway-XXXXXX";
static char store_path[64];

static void
open_gateway(struct rig *rig)
{
    struct cache_options options = {.redis = server.url, .timeout_ms = 2000};
    char error[256];

    rig_open(rig, 10 * (int64_t)1000000000, store_path);
    rig_fill(rig);
    rig->gateway.query.cache = cache_new(&options, error);
    if (!rig->gateway.query.cache)
        fail_msg("%s", error);
}

static int
open_two(void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    snprintf(store_path, sizeof store_path, "%s/market.db", folder);
    freeReplyObject(rig_redis(&server, "FLUSHALL"));
    open_gateway(&one);
    open_gateway(&two);
    return 0;
}

static int
close_two(void **state)
{
    char command[96];
    struct rig *rigs[] = {&one, &two};

    for (size_t i = 0; i < 2; i++) {
        struct cache *cache = rigs[i]->gateway.query.cache;

        rig_close(rigs[i]);
        cache_free(cache);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* n rows, one a minute, in one commit; tick 0: of a program that is no sink. */
static void
write_store(int n, int tick)
{
    struct sqlite_error error;
    struct sqlite *db = sqlite_open(store_path, NULL, &error);
    char sql[512];

    assert_non_null(db);
    assert_true(sqlite_migrate(db, sqlite_migrations, &error));
    assert_true(sqlite_begin(db, &error));
    for (int i = 0; i < n; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT OR REPLACE INTO chain_metrics (feed, expiry, event_ns, spot, pcr_oi) "
                 "VALUES ('" RIG_FEED "', '" RIG_NEAR "', %lld, 25000, %d)",
                 (long long)(CHAIN_OPEN_NS + i * MINUTE_NS), i + 1);
        if (!sqlite_exec(db, sql, &error))
            fail_msg("%s", error.text);
    }
    snprintf(sql, sizeof sql,
             "INSERT OR REPLACE INTO hde_marks (graph, node, tick, incarnation) "
             "VALUES ('g', 'store', %d, 1)",
             tick);
    if (tick && !sqlite_exec(db, sql, &error))
        fail_msg("%s", error.text);
    assert_true(sqlite_commit(db, &error));
    sqlite_close(db);
}

static size_t
points(struct rig *rig)
{
    struct answer answer = rig_data(rig, PCR);
    size_t n = json_array_size(answer_at(&answer, "data"));

    answer_free(&answer);
    return n;
}

static void
check_metric(struct rig *rig, const char *line)
{
    struct answer answer = rig_get(rig, "/metrics");

    if (!strstr(answer.body, line))
        fail_msg("no '%s' in\n%s", line, strstr(answer.body, "# HELP hde_cache_hits"));
    answer_free(&answer);
}

static void
test_what_one_gateway_has_read_the_other_takes_from_redis(void **state)
{
    struct answer a, b;

    write_store(7, 1);
    a = rig_data(&one, PCR);
    b = rig_data(&two, PCR);
    assert_int_equal(json_array_size(answer_at(&a, "data")), 8);
    assert_true(json_equal(answer_at(&a, "data"), answer_at(&b, "data")));
    answer_free(&a);
    answer_free(&b);
    check_metric(&one, "hde_cache_builds_total 1\n");
    check_metric(&two, "hde_cache_builds_total 0\n");
    check_metric(&two, "hde_cache_hits_total{layer=\"l2\"} 1\n");
    check_metric(&two, "hde_cache_degraded 0\n");
    rig_fill(&two); /* a newer message: the page is made again, of what memory has */
    assert_int_equal(points(&two), 8);
    check_metric(&two, "hde_cache_hits_total{layer=\"l1\"} 1\n");
}

static void
test_a_commit_of_a_sink_is_seen_at_once_by_both(void **state)
{
    write_store(3, 1);
    assert_int_equal(points(&one), 4);
    assert_int_equal(points(&two), 4);
    write_store(5, 2);
    assert_int_equal(points(&two), 6);
    assert_int_equal(points(&one), 6);
    check_metric(&two, "hde_cache_builds_total 1\n");
}

static void
test_a_commit_of_another_program_is_seen_at_once_too(void **state)
{
    write_store(3, 1);
    assert_int_equal(points(&one), 4);
    write_store(4, 0);
    assert_int_equal(points(&one), 5);
    write_store(5, 2);
    assert_int_equal(points(&one), 6);
    assert_int_equal(points(&two), 6);
    check_metric(&two, "hde_cache_hits_total{layer=\"l2\"} 1\n");
}

static bool
is_shared(void *user)
{
    char why[256];

    return cache_look(((struct rig *)user)->gateway.query.cache, why) == CACHE_SHARED;
}

static void
test_without_redis_the_gateway_serves_and_says_so(void **state)
{
    struct answer ready;

    write_store(3, 1);
    rig_redis_kill(&server);
    assert_int_equal(points(&one), 4);
    write_store(4, 2);
    assert_int_equal(points(&one), 5);
    ready = rig_get(&one, "/readyz");
    assert_int_equal(ready.status, 200);
    assert_string_equal(text_at(&ready, "cache.state"), "degraded");
    assert_non_null(strstr(text_at(&ready, "cache.reason"), "HDE-D002"));
    answer_free(&ready);
    check_metric(&one, "hde_cache_degraded 1\n");
    rig_redis_again(&server);
    assert_true(rig_until(20, is_shared, &one));
    ready = rig_get(&one, "/readyz");
    assert_string_equal(text_at(&ready, "cache.state"), "shared");
    answer_free(&ready);
    write_store(5, 3);
    assert_int_equal(points(&one), 6);
    assert_int_equal(points(&two), 6);
    check_metric(&two, "hde_cache_hits_total{layer=\"l2\"} 1\n");
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

#define WITH_TWO(test) cmocka_unit_test_setup_teardown(test, open_two, close_two)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TWO(test_what_one_gateway_has_read_the_other_takes_from_redis),
        WITH_TWO(test_a_commit_of_a_sink_is_seen_at_once_by_both),
        WITH_TWO(test_a_commit_of_another_program_is_seen_at_once_too),
        WITH_TWO(test_without_redis_the_gateway_serves_and_says_so),
    };

    return rig_has_redis() ? cmocka_run_group_tests(tests, start, stop) : 77;
}
