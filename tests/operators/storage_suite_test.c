/* SPDX-License-Identifier: Apache-2.0
 * What every store does with the same messages: one suite, equal results on all of them. */
#include "postgres.h"
#include "stored.h"

#include <connectors/sqlite.h>
#include <hde/text.h>
#include <signal.h>

/* A store to test: each test gets an empty one. */
struct store {
    const char *name, *op;
    void (*make)(void);                    /* an empty one */
    void (*ask)(const char *, hde_text *); /* the values of a query between blanks */
    const char *hasty; /* parameters that make commits cheap */
    void (*change)(const char *); /* executes statements */
};

static const struct store *store;
static char params[400];

static hde_harness *
open_sink(const char *more)
{
    char all[600];

    snprintf(all, sizeof all, "%s%s", params, more);
    return hde_harness_open(store->op, all);
}

/* Reads with a connection of its own, as the gateway does. Numbers have one form everywhere. */
static char *
query(const char *sql)
{
    static hde_text answer;

    hde_text_clear(&answer);
    hde_text_puts(&answer, "");
    store->ask(sql, &answer);
    return answer.data;
}

/* ---- SQLite -------------------------------------------------------------------------------- */

static char folder[] = "/tmp/hde-storage-XXXXXX";
static char path[64];

static void
make_sqlite(void)
{
    static int n;

    snprintf(path, sizeof path, "%s/%d.db", folder, ++n);
    snprintf(params, sizeof params, "path: %s", path);
}

static void
ask_sqlite(const char *sql, hde_text *answer)
{
    const struct sqlite_options options = {.read_only = true};
    struct sqlite_error error = {0};
    struct sqlite *db = sqlite_open(path, &options, &error);
    sqlite3_stmt *stmt = db ? sqlite_prepare(db, sql, &error) : NULL;

    if (!stmt)
        fail_msg("%s", error.text);
    while (sqlite_step(db, stmt, &error) == 1)
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            hde_text_puts(answer, answer->len ? " " : "");
            if (sqlite3_column_type(stmt, i) == SQLITE_FLOAT)
                hde_json_number(answer, sqlite3_column_double(stmt, i));
            else if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
                hde_text_puts(answer, "null");
            else
                hde_text_puts(answer, (const char *)sqlite3_column_text(stmt, i));
        }
    sqlite_close(db);
}

static void
change_sqlite(const char *sql)
{
    struct sqlite_error error = {0};
    struct sqlite *db = sqlite_open(path, NULL, &error);

    if (!db || !sqlite_exec(db, sql, &error))
        fail_msg("%s", error.text);
    sqlite_close(db);
}

/* ---- PostgreSQL ---------------------------------------------------------------------------- */

static const char *database;

static void
make_postgres(void)
{
    database = database_new();
    snprintf(params, sizeof params, "address: '%s'", database);
}

static void
ask_postgres(const char *sql, hde_text *answer)
{
    enum { FLOAT8 = 701 };
    PGconn *conn = PQconnectdb(database);
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    for (int row = 0; row < PQntuples(result); row++)
        for (int i = 0; i < PQnfields(result); i++) {
            hde_text_puts(answer, answer->len ? " " : "");
            if (PQgetisnull(result, row, i))
                hde_text_puts(answer, "null");
            else if (PQftype(result, i) == FLOAT8)
                hde_json_number(answer, strtod(PQgetvalue(result, row, i), NULL));
            else
                hde_text_puts(answer, PQgetvalue(result, row, i));
        }
    PQclear(result);
    PQfinish(conn);
}

static void
change_postgres(const char *sql)
{
    ask(database, sql);
}

static const struct store sqlite = {"SQLite",        "storage/sqlite", make_sqlite, ask_sqlite,
                                    ", sync: normal", change_sqlite};
static const struct store postgres = {"PostgreSQL", "storage/postgres", make_postgres,
                                      ask_postgres, "", change_postgres};

/* ---- TimescaleDB: one engine, in which a database is a schema (support/pglite) -------------- */

static void
make_timescale(void)
{
    static char address[300];
    static int n;

    snprintf(address, sizeof address, "%.*s dbname=t%d",
             (int)(strstr(postgres_server.address, " dbname") - postgres_server.address),
             postgres_server.address, ++n);
    database = address;
    snprintf(params, sizeof params, "address: '%s', connect_timeout: 60s", address);
}

static const struct store timescale = {"TimescaleDB", "storage/postgres", make_timescale,
                                       ask_postgres, "", change_postgres};

static int
setup(void **state)
{
    store->make();
    return 0;
}

/* ---- Tests --------------------------------------------------------------------------------- */

static void
test_a_raw_chain_becomes_a_row_a_leg(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT strike, type, last, oi, bid FROM option_chain_snapshots "
                              "ORDER BY strike, type"),
                        "100 CE 10.5 1000 null 100 PE 1 null null "
                        "110 CE 5.25 null null 110 PE 2 null null "
                        "120 PE 3 null null");
    assert_string_equal(query("SELECT feed, expiry, event_ns, spot, session, flags, future, "
                              "forward FROM chain_metrics"),
                        "NSE:TEST@test 2026-08-25 1787111100000000000 104 2026-08-19 "
                        "[\"MISSING_LEGS\"] null null");
    hde_harness_close(h);
}

static void
test_an_enriched_chain_fills_metrics_strikes_and_model_columns(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", enriched_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT iv, last FROM option_chain_snapshots WHERE type = 'CE' "
                              "ORDER BY strike"),
                        "0.125 10.5 null 5.25");
    assert_string_equal(query("SELECT forward, forward_source, pcr_oi, max_pain_strike, basis, "
                              "basis_pct, skew_fit, gex_sign, gex_net, spot FROM chain_metrics"),
                        "104.5 PARITY_REGRESSION 0.75 110 0.5 0.25 [0.1,-0.2,0.3] NAIVE "
                        "-1000000000 104");
    assert_string_equal(query("SELECT strike, max_pain_call_pain, skew_smile_iv "
                              "FROM chain_strike_metrics"),
                        "100 7 null 110 8 null 120 9 null");
    assert_string_equal(query("SELECT feed, expiry, venue, underlying, source, first_ns, last_ns "
                              "FROM chains"),
                        "NSE:TEST@test 2026-08-25 NSE TEST test 1787111100000000000 "
                        "1787111100000000000");
    hde_harness_close(h);
}

static void
test_a_raw_chain_beside_the_enriched_one_clears_nothing(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", enriched_chain(h, 0));
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT iv FROM option_chain_snapshots WHERE iv IS NOT NULL"),
                        "0.125");
    assert_string_equal(query("SELECT pcr_oi FROM chain_metrics"), "0.75");
    hde_harness_close(h);
}

/* Together in one transaction and each in its own, the row of the chain is the same. */
static void
test_a_chain_keeps_what_was_given_last_and_its_span(void **state)
{
    static const struct {
        int minute;
        double lot;
    } given[] = {{1, 50}, {0, 75}, {3, U}, {2, U}};

    for (int apart = 0; apart < 2; apart++) {
        hde_harness *h = open_sink("");

        for (int i = 0; i < 4; i++) {
            hde_msg *msg = raw_chain(h, given[i].minute * MINUTE);

            raw_of(msg)->has_lot_size = given[i].lot == given[i].lot;
            raw_of(msg)->lot_size = given[i].lot;
            push(h, "snapshots", msg);
            if (apart)
                assert_int_equal(hde_harness_flush(h), HDE_OK);
        }
        assert_int_equal(hde_harness_flush(h), HDE_OK);
        assert_string_equal(query("SELECT venue, lot_size, first_ns, last_ns FROM chains"),
                            "NSE 75 1787111100000000000 1787111280000000000");
        hde_harness_close(h);
        store->change("DELETE FROM chains");
    }
}

static void
test_every_result_has_its_table(void **state)
{
    hde_harness *h = open_sink("");

    push_everything(h);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT strike, type, oi, change, baseline_ns, opening_oi "
                              "FROM analytics_cumulative_oi"),
                        "100 CE 1500 500 1787111100000000000 null");
    assert_string_equal(query("SELECT strike, type, oi_velocity, is_spike, window_s "
                              "FROM analytics_velocity"),
                        "110 PE -3 1 180");
    assert_string_equal(query("SELECT counts_legs, counts_short_buildup, counts_neutral "
                              "FROM analytics_buildup"),
                        "4 2 null");
    assert_string_equal(query("SELECT type, side, signal, strikes, is_confirmed, confidence_pct "
                              "FROM analytics_buildup_patterns"),
                        "SHORT_BUILDUP PUT BULLISH [100,110] 1 null");
    assert_string_equal(query("SELECT id, kind, price, tests, strength FROM analytics_zones"),
                        "77 RESISTANCE 110 2 null");
    assert_string_equal(query("SELECT id, type FROM analytics_zone_events"), "77 TESTED");
    hde_harness_close(h);
}

static const char count_all[] =
    "SELECT (SELECT count(*) FROM option_chain_snapshots), (SELECT count(*) FROM chain_metrics), "
    "(SELECT count(*) FROM chain_strike_metrics), (SELECT count(*) FROM chains), "
    "(SELECT count(*) FROM analytics_cumulative_oi), (SELECT count(*) FROM analytics_velocity), "
    "(SELECT count(*) FROM analytics_buildup), (SELECT count(*) FROM analytics_buildup_patterns), "
    "(SELECT count(*) FROM analytics_zones), (SELECT count(*) FROM analytics_zone_events)";

static void
test_the_same_again_changes_nothing(void **state)
{
    hde_harness *h = open_sink("");

    push_everything(h);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query(count_all), "5 1 3 1 1 1 1 1 1 1");
    push_everything(h);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    hde_harness_close(h);
    h = open_sink("");
    push_everything(h);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query(count_all), "5 1 3 1 1 1 1 1 1 1");
    assert_string_equal(query("SELECT sum(last) FROM option_chain_snapshots"), "21.75");
    hde_harness_close(h);
}

static void
test_a_correction_replaces_the_row(void **state)
{
    hde_harness *h = open_sink("");
    hde_msg *msg = raw_chain(h, 0);

    push(h, "snapshots", raw_chain(h, 0));
    CALLS(msg, last, 11, U, U);
    push(h, "snapshots", msg);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT last FROM option_chain_snapshots WHERE type = 'CE' "
                              "ORDER BY strike"),
                        "11 5.25"); /* 110 CE has no value any more: no row came to replace it */
    hde_harness_close(h);
}

static void
test_rows_and_mark_are_committed_together_at_the_end_of_ticks(void **state)
{
    hde_harness *h = open_sink(", batch_rows: 16"); /* two chains of 3 strikes */

    push(h, "snapshots", raw_chain(h, 0)); /* ticks 1, 2, 3 */
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "0");
    push(h, "snapshots", raw_chain(h, 2 * MINUTE)); /* commits what came before it */
    assert_string_equal(query("SELECT count(*), (SELECT tick FROM hde_marks) FROM chain_metrics"),
                        "2 2");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*), (SELECT tick FROM hde_marks) FROM chain_metrics"),
                        "3 3");
    assert_int_equal(hde_harness_counter(h, "commits"), 2);
    assert_int_equal(hde_harness_counter(h, "rows"), 3 * 7);
    hde_harness_close(h);
}

static void
test_a_message_that_no_store_can_hold_is_rejected(void **state)
{
    hde_harness *h = open_sink("");
    hde_msg *msgs[5];

    for (int i = 0; i < 5; i++)
        msgs[i] = raw_chain(h, i * MINUTE);
    raw_of(msgs[1])->has_event_ns = false;
    raw_of(msgs[2])->strike[1] = NAN;
    raw_of(msgs[3])->venue = hde_msg_text(msgs[3], "\xc0\xaf");
    assert_int_equal(hde_harness_push(h, "snapshots", msgs[0]), HDE_OK);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(hde_harness_push(h, "snapshots", msgs[i]), HDE_REJECT);
        assert_non_null(strstr(hde_harness_said(h), "store.refused"));
    }
    assert_int_equal(hde_harness_push(h, "snapshots", msgs[4]), HDE_OK);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "2");
    hde_harness_close(h);
}

/* A child writes ticks of three chains each and is killed at an arbitrary moment. */
static void
write_until_killed(int ready)
{
    char more[64];
    hde_harness *h;


    snprintf(more, sizeof more, ", batch_rows: 1%s", store->hasty);
    h = open_sink(more);
    for (int i = 0;; i++) {
        hde_msg *msgs[3];

        for (int k = 0; k < 3; k++)
            msgs[k] = raw_chain(h, (3 * i + k) * SECOND);
        if (hde_harness_push_all(h, "snapshots", msgs, 3) != HDE_OK)
            _exit(1);
        if (i == 20 && write(ready, "x", 1) != 1)
            _exit(1);
    }
}

static void
test_a_killed_process_leaves_whole_ticks_and_their_mark(void **state)
{
    long long chains, mark;
    int ready[2], status;
    char byte;
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(sscanf(query("SELECT count(*), (SELECT tick FROM hde_marks) "
                                  "FROM chain_metrics"),
                            "%lld %lld", &chains, &mark),
                     2);
    assert_true(mark >= 20);
    assert_int_equal(chains, 3 * mark); /* ticks of the harness count from 1 */
    close(ready[0]);
    close(ready[1]);
}

/* ---- Rollups ------------------------------------------------------------------------------- */

#define BUCKET (5 * MINUTE)

/* A chain of one strike with one price and spot, so many minutes after the open. */
static void
push_price(hde_harness *h, int minute, double price, double spot)
{
    hde_msg *msg = chain_new(h, 0, minute * MINUTE, 1);

    CALLS(msg, last, price);
    CALLS(msg, oi, 100.0 * minute);
    raw_of(msg)->spot = spot;
    push(h, "snapshots", msg);
}

static const char five_minutes[] =
    "SELECT (bucket_ns - 1787111100000000000) / 60000000000, snapshots, open, high, low, close, oi "
    "FROM option_chain_5m ORDER BY bucket_ns";
static const char an_hour[] =
    "SELECT snapshots, open, high, low, close, oi FROM option_chain_1h ORDER BY bucket_ns";
static const char spots[] =
    "SELECT snapshots, spot_open, spot_high, spot_low, spot_close FROM chain_metrics_15m "
    "ORDER BY bucket_ns";

static void
test_rollups_are_those_of_the_rows(void **state)
{
    static const double price[] = {10, 12, 9, 11, 10.5, 20, 22, 18};
    hde_harness *h = open_sink("");

    for (int i = 0; i < 8; i++)
        push_price(h, i, price[i], 100 + i);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query(five_minutes), "0 5 10 12 9 10.5 400 5 3 20 22 18 18 700");
    assert_string_equal(query(an_hour), "8 10 22 9 18 700");
    assert_string_equal(query(spots), "8 100 107 100 107");
    hde_harness_close(h);
}

static void
test_folded_buckets_read_the_same_and_a_late_row_changes_them(void **state)
{
    hde_harness *h;

    if (store == &timescale)
        skip(); /* its aggregates are its own */
    h = open_sink(", fold_every: 1s");

    for (int i = 0; i < 12; i++)
        push_price(h, i, 10 + i, 100);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*) FROM hde_dirty"), "3");
    hde_harness_now(h, 2 * SECOND);
    assert_string_equal(query("SELECT count(*) FROM hde_dirty"), "1"); /* it goes on yet */
    assert_string_equal(query("SELECT count(*) FROM option_chain_5m_kept"), "2");
    assert_string_equal(query(five_minutes),
                        "0 5 10 14 10 14 400 5 5 15 19 15 19 900 10 2 20 21 20 21 1100");
    assert_string_equal(query(an_hour), "12 10 21 10 21 1100");
    push_price(h, 7, 50, 100); /* a correction */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query(an_hour), "12 10 50 10 21 1100");
    hde_harness_now(h, 4 * SECOND);
    assert_string_equal(query("SELECT count(*) FROM hde_dirty"), "1");
    assert_string_equal(query(five_minutes),
                        "0 5 10 14 10 14 400 5 5 15 50 15 19 900 10 2 20 21 20 21 1100");
    hde_harness_close(h);
}

/* What its own jobs do by the clock, done by hand. */
static void
test_aggregates_and_compression_of_timescale_read_the_same(void **state)
{
    hde_harness *h;

    if (store != &timescale)
        skip();
    h = open_sink("");
    for (int i = 0; i < 12; i++)
        push_price(h, i, 10 + i, 100);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*) FROM timescaledb_information.hypertables "
                              "WHERE hypertable_schema = current_schema"), "9");
    assert_string_equal(query(an_hour), "12 10 21 10 21 1100");
    ask(database, "CALL refresh_continuous_aggregate('option_chain_5m', NULL, NULL)");
    ask(database, "CALL refresh_continuous_aggregate('option_chain_1h', NULL, NULL)");
    assert_string_equal(query(an_hour), "12 10 21 10 21 1100");
    ask(database, "DO $$ DECLARE j INT; BEGIN FOR j IN SELECT job_id FROM "
                  "timescaledb_information.jobs WHERE proc_name = 'policy_compression' AND "
                  "hypertable_schema = current_schema LOOP CALL run_job(j); END LOOP; END $$");
    assert_string_equal(query("SELECT count(*) FROM timescaledb_information.chunks WHERE "
                              "is_compressed AND hypertable_schema = current_schema AND "
                              "hypertable_name = 'option_chain_snapshots'"), "1");
    assert_string_equal(query("SELECT count(*), max(last) FROM option_chain_snapshots"), "12 21");
    push_price(h, 7, 50, 100); /* a correction, into a chunk that is compressed */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    ask(database, "CALL refresh_continuous_aggregate('option_chain_5m', NULL, NULL)");
    ask(database, "CALL refresh_continuous_aggregate('option_chain_1h', NULL, NULL)");
    assert_string_equal(query(an_hour), "12 10 50 10 21 1100");
    hde_harness_close(h);
}

/* A chain of one strike, so many days and minutes after the first open. */
static void
push_day(hde_harness *h, int day, int minute, double price)
{
    hde_msg *msg = chain_new(h, day, minute * MINUTE, 1);

    CALLS(msg, last, price);
    push(h, "snapshots", msg);
}

static const char days_of_rows[] =
    "SELECT (event_ns - 1787111100000000000) / 86400000000000, count(*) FROM chain_metrics "
    "GROUP BY 1 ORDER BY 1";
static const char days_of_rollups[] =
    "SELECT (bucket_ns - 1787111100000000000) / 86400000000000, sum(snapshots), max(high) "
    "FROM option_chain_5m GROUP BY 1 ORDER BY 1";
static const char days_of_hours[] =
    "SELECT (bucket_ns - 1787108400000000000) / 86400000000000, sum(snapshots), max(high) "
    "FROM option_chain_1h GROUP BY 1 ORDER BY 1";

/* What keeps the promise of hde_keep: the sink's own hour, or a job of the database. */
static void
tend(hde_harness *h, int64_t *now)
{
    if (store == &timescale) {
        char call[64];

        snprintf(call, sizeof call, "CALL run_job(%s)",
                 query("SELECT job_id FROM timescaledb_information.jobs WHERE "
                       "proc_name = 'hde_tend' AND proc_schema = current_schema"));
        store->change(call);
        return;
    }
    hde_harness_now(h, *now += 3601 * SECOND);
}

static void
test_rows_end_by_days_and_their_rollups_stay_as_they_were(void **state)
{
    hde_harness *h = open_sink(", fold_every: 1s");
    int64_t now = SECOND;

    store->change("UPDATE hde_keep SET rows_days = 1, rollup_days = 2");
    for (int day = 0; day < 4; day++)
        for (int i = 0; i < 3; i++)
            push_day(h, day, i, 10 * day + i);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query(days_of_rows), "0 3 1 3 2 3 3 3");
    tend(h, &now);
    assert_string_equal(query(days_of_rows), "2 3 3 3");
    assert_string_equal(query(days_of_rollups), "1 3 12 2 3 22 3 3 32");
    assert_string_equal(query(days_of_hours), "1 3 12 2 3 22 3 3 32");

    push_day(h, 1, 1, 99); /* its rows are gone: the one would take the place of all */
    push_day(h, 2, 1, 77); /* late too, but a correction */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "expired"), 1);
    if (store == &timescale) { /* by the policies that look at the last 7 days */
        char call[120];

        snprintf(call, sizeof call,
                 "CALL refresh_continuous_aggregate('option_chain_5m', %s, NULL)",
                 query("SELECT rows_from_ns FROM hde_keep"));
        store->change(call);
    }
    assert_string_equal(query(days_of_rows), "2 3 3 3");
    assert_string_equal(query(days_of_rollups), "1 3 12 2 3 77 3 3 32");

    push_day(h, 4, 0, 40); /* a day later one more goes */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    tend(h, &now);
    assert_string_equal(query(days_of_rows), "3 3 4 1");
    assert_string_equal(query(days_of_rollups), "2 3 77 3 3 32 4 1 40");
    assert_string_equal(query(days_of_hours), "2 3 77 3 3 32 4 1 40");
    hde_harness_close(h);
}

static int
run_suite(const struct store *which)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_raw_chain_becomes_a_row_a_leg, setup),
        cmocka_unit_test_setup(test_an_enriched_chain_fills_metrics_strikes_and_model_columns,
                               setup),
        cmocka_unit_test_setup(test_a_raw_chain_beside_the_enriched_one_clears_nothing, setup),
        cmocka_unit_test_setup(test_a_chain_keeps_what_was_given_last_and_its_span, setup),
        cmocka_unit_test_setup(test_every_result_has_its_table, setup),
        cmocka_unit_test_setup(test_the_same_again_changes_nothing, setup),
        cmocka_unit_test_setup(test_a_correction_replaces_the_row, setup),
        cmocka_unit_test_setup(test_rows_and_mark_are_committed_together_at_the_end_of_ticks,
                               setup),
        cmocka_unit_test_setup(test_a_message_that_no_store_can_hold_is_rejected, setup),
        cmocka_unit_test_setup(test_a_killed_process_leaves_whole_ticks_and_their_mark, setup),
        cmocka_unit_test_setup(test_rollups_are_those_of_the_rows, setup),
        cmocka_unit_test_setup(test_folded_buckets_read_the_same_and_a_late_row_changes_them,
                               setup),
        cmocka_unit_test_setup(test_rows_end_by_days_and_their_rollups_stay_as_they_were, setup),
        cmocka_unit_test_setup(test_aggregates_and_compression_of_timescale_read_the_same, setup),
    };

    store = which;
    return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}

int
main(void)
{
    char command[96];
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = run_suite(&sqlite);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    failed += system(command) != 0;
    if (postgres_start("postgres.sh", "")) {
        failed += run_suite(&postgres);
        postgres_end();
    }
    if (postgres_start("pglite.sh", "")) {
        failed += run_suite(&timescale);
        postgres_end();
    }
    return failed;
}
