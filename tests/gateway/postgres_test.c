/* SPDX-License-Identifier: Apache-2.0
 * postgres_test - stored series of a PostgreSQL database: the answers are those of a SQLite file,
 * and a database that is away costs the history alone. */
#include "postgres.h"
#include "rig.h"

#include <connectors/postgres.h>

#include <time.h>

static struct rig rig;

static void
migrate(void)
{
    const struct pg_options options = {.address = postgres_server.address};
    struct pg_error error = {0};
    struct pg *pg = pg_new(&options);
    bool fresh;

    assert_true(pg_reach(pg, &fresh, &error));
    assert_true(pg_migrate(pg, postgres_migrations, &error));
    pg_close(pg);
    ask(postgres_server.address, "SELECT hde_make_day(1787111100000000000)");
}

/* One row a minute from the session's open, of the rows from up to to, and a sink's mark. */
static void
write_rows(int from, int to)
{
    char sql[600];

    snprintf(sql, sizeof sql,
             "INSERT INTO chain_metrics (feed, expiry, event_ns, spot, pcr_oi) "
             "SELECT '" RIG_FEED "', '" RIG_NEAR "', 1787111100000000000 + i * 60000000000, 25000, "
             "CASE WHEN i <> 2 THEN 1 + i END FROM generate_series(%d, %d) i",
             from, to - 1);
    ask(postgres_server.address, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO hde_marks VALUES ('graph', 'store', %d, 1) ON CONFLICT (graph, node) "
             "DO UPDATE SET tick = excluded.tick",
             to);
    ask(postgres_server.address, sql);
}

/* Whether the series has so many points, asked until it has (the store is asked for again once a
 * second). */
static void
expect_points(size_t n)
{
    time_t until = time(NULL) + 20;
    size_t got = 0;

    while (got != n && time(NULL) < until) {
        struct answer answer = rig_get(&rig, "/v1/charts/pcr/NIFTY");

        got = answer.status == 200 ? json_array_size(answer_at(&answer, "data")) : 0;
        answer_free(&answer);
    }
    assert_int_equal(got, n);
}

static void
test_a_database_is_read_as_a_file_is(void **state)
{
    struct answer answer;

    expect_points(1); /* not written yet: the live point */
    migrate();
    write_rows(0, 10);
    expect_points(11);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");
    assert_string_equal(text_at(&answer, "meta.source"), "history");
    assert_string_equal(text_at(&answer, "data.0.t"), "2026-08-19T03:45:00Z");
    assert_float_equal(number_at(&answer, "data.0.pcr_oi"), 1, 0);
    assert_null_at(&answer, "data.2.pcr_oi");
    answer_free(&answer);
    write_rows(10, 12);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 13);
    answer_free(&answer);
}

static void
test_rollups_of_a_database_stand_for_rows_that_are_gone(void **state)
{
    struct answer answer;

    ask(postgres_server.address, "SELECT hde_make_day(1787024700000000000)"); /* the day before */
    ask(postgres_server.address,
        "INSERT INTO chain_metrics (feed, expiry, event_ns, spot, pcr_oi) SELECT '" RIG_FEED
        "', '" RIG_NEAR "', 1787024700000000000 + i * 60000000000, 25000, 100 + i "
        "FROM generate_series(0, 9) i; "
        "INSERT INTO chains (feed, expiry, first_ns, last_ns) VALUES ('" RIG_FEED "', '" RIG_NEAR
        "', 0, 1787114700000000000); INSERT INTO hde_dirty SELECT DISTINCT feed, expiry, "
        "event_ns - event_ns % 300000000000, 1 FROM chain_metrics");
    ask(postgres_server.address, "CALL hde_retire(1787097600000000000, 0)");
    write_rows(12, 13);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY?from=2026-08-18T00:00:00Z");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 2 + 13 + 1);
    assert_string_equal(text_at(&answer, "data.0.t"), "2026-08-18T03:45:00Z");
    assert_float_equal(number_at(&answer, "data.0.pcr_oi"), 104, 0);
    assert_float_equal(number_at(&answer, "data.1.pcr_oi"), 109, 0);
    assert_float_equal(number_at(&answer, "data.2.pcr_oi"), 1, 0);
    answer_free(&answer);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY?interval=15m");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 2);
    assert_float_equal(number_at(&answer, "data.0.pcr_oi"), 12, 0); /* as it was folded */
    answer_free(&answer);
}

static void
test_a_database_that_is_away_is_503_and_found_again(void **state)
{
    struct answer answer;

    postgres_do("kill");
    answer = rig_get(&rig, "/v1/charts/pcr/NIFTY?limit=3"); /* of which no page is kept */
    assert_int_equal(answer.status, 503);
    answer_free(&answer);
    answer = rig_get(&rig, "/v1/option-chain/NIFTY");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    postgres_do("start");
    expect_points(14);
}

static int
open_rig(void **state)
{
    rig_open(&rig, 10 * (int64_t)1000000000, postgres_server.address);
    rig_fill(&rig);
    return 0;
}

static int
close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_database_is_read_as_a_file_is),
        cmocka_unit_test(test_rollups_of_a_database_stand_for_rows_that_are_gone),
        cmocka_unit_test(test_a_database_that_is_away_is_503_and_found_again),
    };
    int failed;

    if (!postgres_start("postgres.sh", ""))
        return 77;
    failed = cmocka_run_group_tests(tests, open_rig, close_rig);
    postgres_end();
    return failed;
}
