/* SPDX-License-Identifier: Apache-2.0
 * Tests of storage/postgres: what a database can do to a sink, and what the sink does then. What
 * all stores have in common is in storage_suite_test.c. */
#include "postgres.h"
#include "stored.h"

#include <pthread.h>
#include <time.h>

static const char *database;

static int
setup(void **state)
{
    database = database_new();
    return 0;
}

static hde_harness *
open_sink(const char *more)
{
    char all[600];

    snprintf(all, sizeof all, "address: '%s'%s", database, more);
    return hde_harness_open("storage/postgres", all);
}

static const char *
rows(void)
{
    return ask(database, "SELECT count(*), coalesce((SELECT tick FROM hde_marks), 0) "
                         "FROM chain_metrics");
}

static void
assert_said(hde_harness *h, const char *event, const char *code)
{
    const char *said = hde_harness_said(h);

    if (strncmp(said, event, strlen(event)) != 0 || !strstr(said, code))
        fail_msg("said '%s', expected %s with %s", said, event, code);
}

/* ---- What a start refuses ------------------------------------------------------------------ */

static void
test_what_keeps_a_sink_from_opening_is_named(void **state)
{
    static const struct {
        const char *address; /* behind "host=FOLDER ", or whole where it has no blank in front */
        const char *more, *event, *code, *text;
    } table[] = {
        {" user=guarded dbname=hde", ", password: wrong", "postgres.refused", "HDE-S007",
         "password authentication failed"},
        {" user=guarded dbname=hde", "", "postgres.refused", "HDE-S007", "pg_hba.conf"},
        {" user=stranger dbname=hde", "", "postgres.refused", "HDE-S007", "stranger"},
        {" user=hde dbname=nowhere", "", "postgres.absent", "HDE-S008", "nowhere"},
        {" user=guarded dbname=hde", ", password: right", "postgres.absent", "HDE-S008",
         "permission denied"},
        {"postgresql://[::1/hde", "", "postgres.address", "HDE-S014", "postgresql://user@host"},
        {"hostt=x", "", "postgres.address", "HDE-S014", "postgresql://user@host"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char all[600], text[800];

        snprintf(all, sizeof all, "address: '%.*s%s'%s",
                 *table[i].address == ' ' ? (int)strcspn(postgres_server.address, " ") : 0,
                 postgres_server.address,
                 table[i].address, table[i].more);
        assert_null(hde_harness_try("storage/postgres", all, text, sizeof text));
        if (!strstr(text, table[i].event) || !strstr(text, table[i].code) ||
            !strstr(text, table[i].text))
            fail_msg("row %zu: '%s', expected %s with %s and '%s'", i, text, table[i].event,
                     table[i].code, table[i].text);
        assert_null(strstr(text, "wrong"));
    }
}

static void
test_a_schema_that_is_not_ours_is_refused(void **state)
{
    static const struct {
        const char *change, *code;
    } table[] = {
        {"INSERT INTO hde_schema (version, name, checksum) VALUES (999, '999_later', '')",
         "HDE-S009"},
        {"UPDATE hde_schema SET checksum = 'other' WHERE version = 1", "HDE-S011"},
    };

    for (size_t i = 0; i < 2; i++) {
        char all[400], text[800];

        hde_harness_close(open_sink(""));
        ask(database, table[i].change);
        snprintf(all, sizeof all, "address: '%s'", database);
        assert_null(hde_harness_try("storage/postgres", all, text, sizeof text));
        assert_non_null(strstr(text, "postgres.schema"));
        assert_non_null(strstr(text, table[i].code));
        ask(database, "DELETE FROM hde_schema WHERE version = 999");
    }
}

/* ---- What the world does meanwhile --------------------------------------------------------- */

static PGconn *
session(const char *sql)
{
    PGconn *conn = PQconnectdb(database);
    PGresult *result = PQexec(conn, sql);

    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    return conn;
}

static void
test_a_lock_costs_time_and_no_rows(void **state)
{
    static const char *const limits[] = {", lock_timeout: 50ms",
                                         ", lock_timeout: 0s, statement_timeout: 1s"};

    for (int i = 0; i < 2; i++) {
        hde_harness *h = open_sink(limits[i]);
        PGconn *other = session("BEGIN; LOCK TABLE chains IN ACCESS EXCLUSIVE MODE");

        push(h, "snapshots", raw_chain(h, 0));
        assert_int_equal(hde_harness_flush(h), HDE_RETRY);
        assert_said(h, "postgres.slow", "HDE-S004");
        PQclear(PQexec(other, "ROLLBACK"));
        PQfinish(other);
        assert_int_equal(hde_harness_flush(h), HDE_OK);
        assert_string_equal(rows(), "1 1");
        hde_harness_close(h);
    }
}

/* Something that happens as soon as another session waits. */
struct accomplice {
    PGconn *conn;
    const char *when, *then; /* a condition on pg_stat_activity, what to execute */
    pthread_t thread;
};

static void *
lie_in_wait(void *arg)
{
    struct accomplice *self = arg;
    PGconn *watch = PQconnectdb(database);
    time_t until = time(NULL) + 20;
    char sql[300];
    int n = 0;

    snprintf(sql, sizeof sql, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                              "AND application_name = 'hde' AND %s", self->when);
    while (n == 0 && time(NULL) < until) {
        PGresult *result = PQexec(watch, sql);

        n = PQntuples(result);
        PQclear(result);
    }
    PQclear(PQexec(self->conn, self->then));
    PQfinish(watch);
    return NULL;
}

static void
start_accomplice(struct accomplice *self)
{
    assert_int_equal(pthread_create(&self->thread, NULL, lie_in_wait, self), 0);
}

static void
test_the_victim_of_a_deadlock_goes_on_and_loses_nothing(void **state)
{
    hde_harness *h = open_sink("");
    struct accomplice other = {.when = "wait_event_type = 'Lock'",
                               .then = "UPDATE hde_marks SET node = node; COMMIT"};

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    other.conn = session("BEGIN; SET LOCAL deadlock_timeout = '30s'; "
                         "UPDATE chains SET feed = feed");
    push(h, "snapshots", raw_chain(h, MINUTE));
    start_accomplice(&other);
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    pthread_join(other.thread, NULL);
    assert_said(h, "postgres.conflict", "HDE-S005");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "2 2");
    PQfinish(other.conn);
    hde_harness_close(h);
}

static void
test_a_serialization_failure_is_tried_again(void **state)
{
    struct accomplice other = {.when = "wait_event_type = 'Lock'", .then = "COMMIT"};
    hde_harness *h;

    ask(database, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "
                  "default_transaction_isolation = serializable', current_database()); END $$");
    h = open_sink("");
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    other.conn = session("BEGIN; UPDATE chains SET feed = feed");
    push(h, "snapshots", raw_chain(h, MINUTE));
    start_accomplice(&other);
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    pthread_join(other.thread, NULL);
    assert_said(h, "postgres.conflict", "HDE-S005");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "2 2");
    PQfinish(other.conn);
    hde_harness_close(h);
}

static void
test_a_full_disk_is_waited_for(void **state)
{
    hde_harness *h = open_sink("");

    ask(database, "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "RAISE EXCEPTION 'could not extend file: No space left on device' "
                  "USING ERRCODE = 'disk_full'; END $$");
    ask(database, "CREATE TRIGGER full_disk BEFORE INSERT ON chains EXECUTE FUNCTION full_disk()");
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_said(h, "postgres.full", "HDE-S003");
    assert_int_equal(hde_harness_standing(h, NULL), HDE_HELD_UP);
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_string_equal(rows(), "0 0");
    ask(database, "DROP TRIGGER full_disk ON chains");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "2 2");
    hde_harness_close(h);
}

static void
test_a_session_that_is_ended_meets_the_limit_of_connections(void **state)
{
    char all[400], narrow[300];
    hde_harness *h;
    PGconn *other;

    ask(postgres_server.address, "CREATE ROLE narrow LOGIN CONNECTION LIMIT 1");
    ask(postgres_server.address, "CREATE DATABASE narrow OWNER narrow");
    snprintf(narrow, sizeof narrow, "%.*s user=narrow dbname=narrow",
             (int)strcspn(postgres_server.address, " "), postgres_server.address);
    snprintf(all, sizeof all, "address: '%s'", narrow);
    h = hde_harness_open("storage/postgres", all);
    push(h, "snapshots", raw_chain(h, 0));
    ask(postgres_server.address, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                        "WHERE datname = 'narrow'");
    other = PQconnectdb(narrow);
    assert_int_equal(PQstatus(other), CONNECTION_OK);
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_said(h, "postgres.away", "HDE-S001");
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_said(h, "postgres.crowded", "HDE-S006");
    ask(postgres_server.address, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                        "WHERE datname = 'narrow'");
    PQfinish(other);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "outages"), 1);
    assert_int_equal(hde_harness_counter(h, "rows"), 7);
    hde_harness_close(h);
}

/* A synchronous standby that is not there: COMMIT is done, and the client waits for its answer. */
static void
test_an_unknown_outcome_is_settled_by_the_mark(void **state)
{
    hde_harness *h = open_sink("");
    struct accomplice other = {
        .when = "wait_event = 'SyncRep'",
        .then = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE wait_event = 'SyncRep'"};

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    other.conn = session("SET synchronous_commit = local");
    ask(database, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    ask(database, "SELECT pg_reload_conf()");
    ask(database, "DO $$ BEGIN WHILE current_setting('synchronous_standby_names') = '' "
                  "LOOP PERFORM pg_sleep(0.001); END LOOP; END $$");
    push(h, "snapshots", raw_chain(h, MINUTE));
    start_accomplice(&other);
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    pthread_join(other.thread, NULL);
    assert_said(h, "postgres.commit-unknown", "HDE-S002");
    ask(database, "ALTER SYSTEM RESET synchronous_standby_names");
    ask(database, "SELECT pg_reload_conf()");
    assert_string_equal(rows(), "2 2"); /* it had happened */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "2 2");
    assert_int_equal(hde_harness_counter(h, "commits"), 1); /* nothing was written again */
    PQfinish(other.conn);
    hde_harness_close(h);
}

static void
test_a_value_that_the_table_does_not_take_stops_the_node(void **state)
{
    hde_harness *h = open_sink("");

    ask(database, "ALTER TABLE chain_metrics ADD CONSTRAINT low CHECK (spot < 100)");
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_FAIL);
    assert_said(h, "postgres.value", "HDE-S012");
    assert_non_null(strstr(hde_harness_said(h), "low"));
    assert_string_equal(rows(), "0 0");
    hde_harness_close(h);
}

static void
test_an_older_start_is_fenced(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    ask(database, "UPDATE hde_marks SET tick = (7::INT8 << 40), incarnation = 7");
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_FAIL);
    assert_said(h, "postgres.fenced", "HDE-S016");
    assert_string_equal(rows(), "1 7696581394432");
    hde_harness_close(h);
}

static void
test_a_server_that_is_killed_loses_and_doubles_nothing(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    postgres_do("kill");
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    push(h, "snapshots", raw_chain(h, 2 * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_said(h, "postgres.away", "HDE-S001");
    postgres_do("start");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "3 3");
    assert_int_equal(hde_harness_counter(h, "outages"), 1);
    hde_harness_close(h);
}

/* ---- A database that is not there ---------------------------------------------------------- */

static void
assert_stands(const hde_harness *h, hde_standing standing, const char *text)
{
    const char *said;

    if (hde_harness_standing(h, &said) != standing || !strstr(said, text))
        fail_msg("stands %d: '%s'", (int)hde_harness_standing(h, NULL), said);
}

static void
test_a_start_without_a_database_waits_for_it(void **state)
{
    hde_harness *h;

    postgres_do("stop");
    h = open_sink("");
    assert_stands(h, HDE_HELD_UP, "HDE-S001");
    hde_harness_now(h, 2 * SECOND);
    assert_stands(h, HDE_HELD_UP, "HDE-S001");
    postgres_do("start");
    hde_harness_now(h, 4 * SECOND); /* nothing has come, and it is found all the same */
    assert_stands(h, HDE_WELL, "");
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "1 1");
    hde_harness_close(h);
}

static void
test_what_comes_before_the_database_is_kept_for_it(void **state)
{
    hde_harness *h;

    postgres_do("stop");
    h = open_sink("");
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_said(h, "postgres.away", "HDE-S001");
    postgres_do("start");
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_stands(h, HDE_WELL, "");
    assert_string_equal(rows(), "2 2");
    assert_int_equal(hde_harness_counter(h, "outages"), 1);
    hde_harness_close(h);
}

static void
test_a_session_that_ends_while_nothing_comes_is_seen(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_stands(h, HDE_WELL, "");
    postgres_do("stop");
    while (hde_harness_standing(h, NULL) == HDE_WELL)
        assert_true(hde_harness_wait(h, 20000));
    assert_stands(h, HDE_HELD_UP, "HDE-S001");
    postgres_do("start");
    hde_harness_now(h, 2 * SECOND);
    assert_stands(h, HDE_WELL, "");
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(ask(database, "SELECT count(*) FROM chain_metrics"), "2");
    hde_harness_close(h);
}

static void
test_a_late_mark_covers_what_comes_again(void **state)
{
    hde_harness *h = open_sink("");

    for (int i = 0; i < 3; i++)
        push(h, "snapshots", raw_chain(h, i * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    hde_harness_close(h);
    postgres_do("stop");
    h = open_sink("");
    hde_harness_again(h, 5); /* the log has ticks 1 to 4 */
    for (int i = 0; i < 2; i++)
        push(h, "snapshots", raw_chain(h, i * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    postgres_do("start");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    for (int i = 2; i < 5; i++)
        push(h, "snapshots", raw_chain(h, i * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "5 5");
    assert_int_equal(hde_harness_counter(h, "rows"), 2 * 7);
    hde_harness_close(h);
}

static void
test_a_late_mark_of_another_log_is_replaced(void **state)
{
    hde_harness *h = open_sink("");

    hde_harness_close(h);
    ask(database, "INSERT INTO hde_marks (graph, node, tick, incarnation) "
                  "VALUES ('test', 'postgres', 7::INT8 << 40, 7)");
    postgres_do("stop");
    h = open_sink("");
    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    postgres_do("start");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(rows(), "1 1");
    ask(database, "UPDATE hde_marks SET tick = (7::INT8 << 40), incarnation = 7");
    push(h, "snapshots", raw_chain(h, MINUTE)); /* but once */
    assert_int_equal(hde_harness_flush(h), HDE_FAIL);
    assert_said(h, "postgres.fenced", "HDE-S016");
    hde_harness_close(h);
}

/* ---- Ways into a table --------------------------------------------------------------------- */

static void
test_new_rows_go_straight_in_and_others_by_staging(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, MINUTE));
    push(h, "snapshots", raw_chain(h, 2 * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "staged"), 0);
    push(h, "snapshots", raw_chain(h, 0));      /* late */
    push(h, "snapshots", raw_chain(h, MINUTE)); /* again */
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "staged"), 12);
    hde_harness_close(h);
    h = open_sink("");
    push(h, "snapshots", raw_chain(h, 2 * MINUTE)); /* the overlap after a restart */
    push(h, "snapshots", raw_chain(h, 3 * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "staged"), 6);
    assert_string_equal(rows(), "4 2");
    hde_harness_close(h);
}

static void
test_a_row_that_somebody_else_wrote_is_replaced(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    ask(database, "INSERT INTO chain_metrics (feed, expiry, event_ns, spot) "
                  "VALUES ('NSE:TEST@test', '2026-08-25', 1787111160000000000, 1)");
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "staged"), 6);
    assert_string_equal(rows(), "2 2");
    assert_string_equal(ask(database, "SELECT min(spot) FROM chain_metrics"), "104");
    hde_harness_close(h);
}

static void
test_each_day_has_partitions_of_its_own(void **state)
{
    hde_harness *h = open_sink("");

    for (int day = 0; day < 3; day++)
        push(h, "snapshots", chain_new(h, day, 0, 3));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(ask(database, "SELECT tableoid::regclass FROM chain_metrics ORDER BY 1"),
                        "chain_metrics_20260819 chain_metrics_20260820 chain_metrics_20260821");
    assert_string_equal(ask(database, "SELECT count(*) FROM pg_inherits i JOIN pg_class c "
                                      "ON c.oid = i.inhrelid WHERE c.relkind = 'r'"),
                        "27");
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_keeps_a_sink_from_opening_is_named, setup),
        cmocka_unit_test_setup(test_a_schema_that_is_not_ours_is_refused, setup),
        cmocka_unit_test_setup(test_a_lock_costs_time_and_no_rows, setup),
        cmocka_unit_test_setup(test_the_victim_of_a_deadlock_goes_on_and_loses_nothing, setup),
        cmocka_unit_test_setup(test_a_serialization_failure_is_tried_again, setup),
        cmocka_unit_test_setup(test_a_full_disk_is_waited_for, setup),
        cmocka_unit_test_setup(test_a_session_that_is_ended_meets_the_limit_of_connections, setup),
        cmocka_unit_test_setup(test_an_unknown_outcome_is_settled_by_the_mark, setup),
        cmocka_unit_test_setup(test_a_value_that_the_table_does_not_take_stops_the_node, setup),
        cmocka_unit_test_setup(test_an_older_start_is_fenced, setup),
        cmocka_unit_test_setup(test_a_server_that_is_killed_loses_and_doubles_nothing, setup),
        cmocka_unit_test_setup(test_a_start_without_a_database_waits_for_it, setup),
        cmocka_unit_test_setup(test_what_comes_before_the_database_is_kept_for_it, setup),
        cmocka_unit_test_setup(test_a_session_that_ends_while_nothing_comes_is_seen, setup),
        cmocka_unit_test_setup(test_a_late_mark_covers_what_comes_again, setup),
        cmocka_unit_test_setup(test_a_late_mark_of_another_log_is_replaced, setup),
        cmocka_unit_test_setup(test_new_rows_go_straight_in_and_others_by_staging, setup),
        cmocka_unit_test_setup(test_a_row_that_somebody_else_wrote_is_replaced, setup),
        cmocka_unit_test_setup(test_each_day_has_partitions_of_its_own, setup),
    };
    int failed;

    if (!postgres_start("postgres.sh", "deadlock_timeout=1s max_wal_senders=1 wal_level=replica"))
        return 77;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    postgres_end();
    return failed;
}
