/* SPDX-License-Identifier: Apache-2.0
 * series_test - stored series: a SQLite file that another node writes while the gateway reads. */
#include "check.h"
#include "rig.h"

#include <connectors/sqlite.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;

static char folder[] = "/tmp/hde-gateway-XXXXXX";
static char store_path[64];

static int
open_stored(void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    snprintf(store_path, sizeof store_path, "%s/market.db", folder);
    rig_open(&rig, 10 * (int64_t)1000000000, store_path);
    rig_fill(&rig);
    return 0;
}

static int
close_stored(void **state)
{
    char path[80];

    rig_close(&rig);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", store_path, (const char *[]){"", "-wal", "-shm"}[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* One row a minute from the session's open; n rows. */
static void
write_store(int n)
{
    struct sqlite_error error;
    struct sqlite *db = sqlite_open(store_path, NULL, &error);
    sqlite3_stmt *stmt;

    assert_non_null(db);
    assert_true(sqlite_migrate(db, sqlite_migrations, &error));
    stmt = sqlite_prepare(db,
                          "INSERT OR REPLACE INTO chain_metrics (feed, expiry, event_ns, spot, "
                          "pcr_oi) VALUES ('" RIG_FEED "', '" RIG_NEAR "', ?1, 25000, ?2)",
                          &error);
    assert_non_null(stmt);
    for (int i = 0; i < n; i++) {
        sqlite_bind_integer(stmt, 1, CHAIN_OPEN_NS + i * MINUTE_NS);
        sqlite_bind_real(stmt, 2, i == 2 ? (double)NAN : 1 + i);
        assert_true(sqlite_run(db, stmt, &error));
    }
    sqlite_close(db);
}

static void
test_a_store_that_is_not_written_yet_is_an_empty_history(void **state)
{
    struct answer answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");

    assert_int_equal(json_array_size(answer_at(&answer, "data")), 1);
    assert_string_equal(text_at(&answer, "meta.source"), "live");
    assert_false(is_missing(&answer, "history"));
    answer_free(&answer);
}

static void
test_a_stored_series_ends_with_the_live_point(void **state)
{
    struct answer answer;

    write_store(10);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 11);
    assert_string_equal(text_at(&answer, "meta.source"), "history");
    assert_string_equal(text_at(&answer, "data.0.t"), "2026-08-19T03:45:00Z");
    assert_float_equal(number_at(&answer, "data.0.pcr_oi"), 1, 0);
    assert_null_at(&answer, "data.2.pcr_oi");
    assert_float_equal(number_at(&answer, "data.10.pcr_oi"), 1.25, 0);
    answer_free(&answer);
}

static void
test_a_commit_of_the_writer_changes_the_series(void **state)
{
    struct answer answer;

    write_store(5);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 6);
    answer_free(&answer);
    write_store(8);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 9);
    answer_free(&answer);
}

static void
test_from_and_to_bound_the_series(void **state)
{
    static const struct {
        const char *query;
        size_t n;
    } cases[] = {
        {"from=2026-08-19T03:47:00Z&to=2026-08-19T03:49:00Z", 3},
        {"from=2026-08-19T09:17:00%2B05:30&to=2026-08-19T09:17:00%2B05:30", 1},
        {"from=2026-08-19T09:17:00+05:30&to=2026-08-19T03:47:30.5Z", 1},
        {"from=open&to=2026-08-19T03:46:59.999999999Z", 2},
        {"from=-30m", 11},
        {"from=-25m", 6},
        {"from=-1d&to=2026-08-18T12:00:00Z", 0},
        {"to=2026-08-18T12:00:00Z", 0},
        {"expiry=next", 1},
    };

    write_store(10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer;
        char path[160];

        snprintf(path, sizeof path, "/v1/charts/pcr/NIFTY?%s", cases[i].query);
        answer = rig_data(&rig, path);
        if (json_array_size(answer_at(&answer, "data")) != cases[i].n)
            fail_msg("%s: %s", cases[i].query, answer.body);
        answer_free(&answer);
    }
}

/* As after so many days: rows before a minute are gone, of their buckets there are rollups. */
static void
end_rows(int minute)
{
    struct sqlite_error error;
    struct sqlite *db = sqlite_open(store_path, NULL, &error);
    char sql[900];

    snprintf(sql, sizeof sql,
             "INSERT INTO chains (feed, expiry, first_ns, last_ns) VALUES ('" RIG_FEED
             "', '" RIG_NEAR "', 0, %lld); "
             "INSERT INTO hde_dirty SELECT DISTINCT feed, expiry, event_ns - event_ns %% "
             "300000000000, 1 FROM chain_metrics",
             (long long)(CHAIN_OPEN_NS + 3600 * (int64_t)1000000000));
    assert_non_null(db);
    assert_true(sqlite_exec(db, sql, &error));
    assert_true(sqlite_retire(db, CHAIN_OPEN_NS + minute * MINUTE_NS, 0, &error));
    sqlite_close(db);
}

static void
test_rollups_stand_for_rows_that_are_gone(void **state)
{
    static const struct {
        const char *query;
        size_t n;
        double first, second; /* pcr_oi */
    } cases[] = {
        {"", 2 + 5 + 1, 5, 10},
        {"interval=raw&from=open", 2 + 5 + 1, 5, 10},
        {"from=2026-08-19T03:50:00Z", 1 + 5 + 1, 10, 11},
        {"limit=2", 2, 5, 10},
        {"interval=5m", 3 + 1, 5, 10},
        {"interval=5m&from=2026-08-19T03:52:00Z", 2 + 1, 10, 15},
        {"interval=15m&to=2026-08-19T04:00:00Z", 1, 15, 0},
        {"interval=1h", 1 + 1, 15, 1.25},
    };

    write_store(15);
    end_rows(10);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer;
        char path[160];

        snprintf(path, sizeof path, "/v1/charts/pcr/NIFTY?%s", cases[i].query);
        answer = rig_data(&rig, path);
        if (json_array_size(answer_at(&answer, "data")) != cases[i].n)
            fail_msg("%s: %s", cases[i].query, answer.body);
        assert_float_equal(number_at(&answer, "data.0.pcr_oi"), cases[i].first, 0);
        if (cases[i].n > 1)
            assert_float_equal(number_at(&answer, "data.1.pcr_oi"), cases[i].second, 0);
        assert_string_equal(text_at(&answer, "meta.interval"),
                            strstr(cases[i].query, "=5m")    ? "5m"
                            : strstr(cases[i].query, "=15m") ? "15m"
                            : strstr(cases[i].query, "=1h")  ? "1h"
                                                             : "raw");
        answer_free(&answer);
    }
}

static void
test_a_series_is_paged_without_loss_or_repeat(void **state)
{
    char path[256] = "/v1/charts/pcr/NIFTY?limit=4&from=open", last[40] = "";
    size_t total = 0, pages = 0;

    write_store(10);
    while (path[0]) {
        struct answer answer = rig_data(&rig, path);
        json_t *data = answer_at(&answer, "data"), *next = answer_at(&answer, "links.next");

        for (size_t i = 0; i < json_array_size(data); i++) {
            const char *t = json_string_value(json_object_get(json_array_get(data, i), "t"));

            assert_true(strcmp(t, last) > 0);
            snprintf(last, sizeof last, "%s", t);
            total++;
        }
        snprintf(path, sizeof path, "%s", json_is_null(next) ? "" : json_string_value(next));
        pages++;
        answer_free(&answer);
    }
    assert_int_equal(total, 11);
    assert_int_equal(pages, 3);
}

static void
test_a_damaged_store_is_503_and_the_live_routes_go_on(void **state)
{
    FILE *file = fopen(store_path, "w");
    struct answer answer;

    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", file);
    fclose(file);
    answer = rig_get(&rig, "/v1/charts/pcr/NIFTY");
    assert_int_equal(answer.status, 503);
    assert_string_equal(text_at(&answer, "code"), "history_unavailable");
    answer_free(&answer);
    answer = rig_data(&rig, "/v1/overall");
    answer_free(&answer);
}

int
main(void)
{
#define STORED(test) cmocka_unit_test_setup_teardown(test, open_stored, close_stored)
    const struct CMUnitTest tests[] = {
        STORED(test_a_store_that_is_not_written_yet_is_an_empty_history),
        STORED(test_a_stored_series_ends_with_the_live_point),
        STORED(test_a_commit_of_the_writer_changes_the_series),
        STORED(test_from_and_to_bound_the_series),
        STORED(test_rollups_stand_for_rows_that_are_gone),
        STORED(test_a_series_is_paged_without_loss_or_repeat),
        STORED(test_a_damaged_store_is_503_and_the_live_routes_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
