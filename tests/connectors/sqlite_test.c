/* SPDX-License-Identifier: Apache-2.0
 * Tests of connectors/sqlite: versions, locks, damage, room, unknown values. */
#include <connectors/sqlite.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct migration ONE[] = {
    {"001_first", "CREATE TABLE t (k INTEGER PRIMARY KEY, x REAL, s TEXT);"},
    {0},
};
static const struct migration TWO[] = {
    {"001_first", "CREATE TABLE t (k INTEGER PRIMARY KEY, x REAL, s TEXT);"},
    {"002_second", "CREATE TABLE u (k INTEGER PRIMARY KEY); INSERT INTO u VALUES (7);"},
    {0},
};
static const struct migration OTHER[] = {
    {"001_first", "CREATE TABLE t (k TEXT);"},
    {0},
};
static const struct migration BROKEN[] = {
    {"001_first", "CREATE TABLE t (k INTEGER PRIMARY KEY, x REAL, s TEXT);"},
    {"002_broken", "CREATE TABLE v (k); CREATE TABLE t (k);"},
    {0},
};

static char folder[] = "/tmp/hde-sqlite-XXXXXX";
static char path[64];

static int
setup(void **state)
{
    static int n;

    snprintf(path, sizeof path, "%s/%d.db", folder, ++n);
    return 0;
}

static struct sqlite *
open_or_die(const struct sqlite_options *options)
{
    struct sqlite_error error = {0};
    struct sqlite *db = sqlite_open(path, options, &error);

    if (!db)
        fail_msg("%s", error.text);
    return db;
}

static int64_t
number(struct sqlite *db, const char *sql)
{
    struct sqlite_error error = {0};
    sqlite3_stmt *stmt = sqlite_prepare(db, sql, &error);
    int64_t x;

    if (!stmt || sqlite_step(db, stmt, &error) != 1)
        fail_msg("%s", error.text);
    x = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return x;
}

static void
test_migrations_are_applied_once_and_in_order(void **state)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL);

    assert_true(sqlite_migrate(db, ONE, &error));
    assert_int_equal(number(db, "SELECT count(*) FROM hde_schema"), 1);
    assert_true(sqlite_migrate(db, TWO, &error));
    assert_true(sqlite_migrate(db, TWO, &error));
    assert_int_equal(number(db, "SELECT count(*) FROM hde_schema"), 2);
    assert_int_equal(number(db, "SELECT count(*) FROM u"), 1);
    sqlite_close(db);
}

static void
test_a_newer_file_is_refused_with_its_version(void **state)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL);

    assert_true(sqlite_migrate(db, TWO, &error));
    assert_false(sqlite_migrate(db, ONE, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_NEWER);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "002_second"));
    sqlite_close(db);
}

static void
test_a_file_of_another_build_is_refused(void **state)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL);

    assert_true(sqlite_migrate(db, OTHER, &error));
    assert_false(sqlite_migrate(db, ONE, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_OTHER);
    assert_non_null(strstr(error.text, "another build"));
    sqlite_close(db);
}

static void
test_a_migration_that_fails_leaves_nothing_behind(void **state)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL);

    assert_false(sqlite_migrate(db, BROKEN, &error));
    assert_int_equal(number(db, "SELECT count(*) FROM hde_schema"), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'v'"), 0);
    assert_true(sqlite_migrate(db, TWO, &error));
    sqlite_close(db);
}

static void
test_a_reader_sees_commits_and_cannot_write(void **state)
{
    const struct sqlite_options read_only = {.read_only = true};
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL), *reader;

    assert_true(sqlite_migrate(db, ONE, &error));
    reader = open_or_die(&read_only);
    assert_true(sqlite_migrate(reader, ONE, &error));
    assert_false(sqlite_migrate(reader, TWO, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_OLDER);
    assert_true(sqlite_begin(db, &error));
    assert_true(sqlite_exec(db, "INSERT INTO t VALUES (1, 2.5, 'a')", &error));
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 0);
    assert_true(sqlite_commit(db, &error));
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 1);
    assert_false(sqlite_exec(reader, "DELETE FROM t", &error));
    sqlite_close(reader);
    sqlite_close(db);
}

static void
test_a_held_lock_is_busy_and_passes(void **state)
{
    const struct sqlite_options quick = {.busy_ms = 1};
    struct sqlite_error error = {0};
    struct sqlite *first = open_or_die(NULL), *second = open_or_die(&quick);

    assert_true(sqlite_begin(first, &error));
    assert_false(sqlite_begin(second, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_BUSY);
    assert_non_null(strstr(error.text, path));
    assert_true(sqlite_commit(first, &error));
    assert_true(sqlite_begin(second, &error));
    sqlite_rollback(second);
    sqlite_close(first);
    sqlite_close(second);
}

static void
test_a_full_file_says_so_and_keeps_what_was_committed(void **state)
{
    const struct sqlite_options small = {.max_bytes = 64 << 10};
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(&small);
    bool ok = true;

    assert_true(sqlite_migrate(db, ONE, &error));
    for (int i = 0; ok && i < 100; i++)
        ok = sqlite_exec(db, "INSERT INTO t (x, s) VALUES (1, hex(randomblob(2000)))", &error);
    assert_false(ok);
    assert_int_equal(error.kind, SQLITE_TROUBLE_FULL);
    assert_non_null(strstr(error.text, "no room"));
    assert_true(number(db, "SELECT count(*) FROM t") > 5);
    sqlite_close(db);
}

static void
test_a_file_that_is_no_database_is_named(void **state)
{
    struct sqlite_error error = {0};
    FILE *file = fopen(path, "w");

    for (int i = 0; i < 400; i++)
        fputs("not a database\n", file);
    fclose(file);
    assert_null(sqlite_open(path, NULL, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_CORRUPT);
    assert_non_null(strstr(error.text, path));
}

static void
test_a_folder_that_is_absent_is_named(void **state)
{
    const struct sqlite_options read_only = {.read_only = true};
    struct sqlite_error error = {0};

    assert_null(sqlite_open("/nonexistent/folder/x.db", NULL, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_ABSENT);
    assert_non_null(strstr(error.text, "/nonexistent/folder/x.db"));
    assert_null(sqlite_open(path, &read_only, &error));
    assert_int_equal(error.kind, SQLITE_TROUBLE_ABSENT);
}

static void
test_unknown_is_null_and_comes_back_unknown(void **state)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL);
    sqlite3_stmt *stmt;

    assert_true(sqlite_migrate(db, ONE, &error));
    stmt = sqlite_prepare(db, "INSERT INTO t VALUES (?, ?, ?)", &error);
    sqlite_bind_integer(stmt, 1, 1);
    sqlite_bind_real(stmt, 2, NAN);
    sqlite_bind_text(stmt, 3, NULL);
    assert_true(sqlite_run(db, stmt, &error));
    assert_int_equal(number(db, "SELECT count(*) FROM t WHERE x IS NULL AND s IS NULL"), 1);
    stmt = sqlite_prepare(db, "SELECT x FROM t", &error);
    assert_int_equal(sqlite_step(db, stmt, &error), 1);
    assert_true(isnan(sqlite_real(stmt, 0)));
    sqlite_close(db);
}

static void
test_the_market_tables_are_made_without_rowid(void **state)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_or_die(NULL);

    assert_true(sqlite_migrate(db, sqlite_migrations, &error));
    assert_int_equal(number(db, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND "
                                "wr = 1 AND name IN ('option_chain_snapshots', 'chain_metrics', "
                                "'analytics_cumulative_oi', 'analytics_velocity', "
                                "'analytics_buildup_patterns', 'analytics_zones', 'hde_marks')"),
                     7);
    sqlite_close(db);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_migrations_are_applied_once_and_in_order, setup),
        cmocka_unit_test_setup(test_a_newer_file_is_refused_with_its_version, setup),
        cmocka_unit_test_setup(test_a_file_of_another_build_is_refused, setup),
        cmocka_unit_test_setup(test_a_migration_that_fails_leaves_nothing_behind, setup),
        cmocka_unit_test_setup(test_a_reader_sees_commits_and_cannot_write, setup),
        cmocka_unit_test_setup(test_a_held_lock_is_busy_and_passes, setup),
        cmocka_unit_test_setup(test_a_full_file_says_so_and_keeps_what_was_committed, setup),
        cmocka_unit_test_setup(test_a_file_that_is_no_database_is_named, setup),
        cmocka_unit_test_setup(test_a_folder_that_is_absent_is_named, setup),
        cmocka_unit_test_setup(test_unknown_is_null_and_comes_back_unknown, setup),
        cmocka_unit_test_setup(test_the_market_tables_are_made_without_rowid, setup),
    };
    char command[96];
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? failed : 1;
}
