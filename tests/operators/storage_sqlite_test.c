/* SPDX-License-Identifier: Apache-2.0
 * Tests of storage/sqlite: what is stored, idempotence, whole ticks, locks, full disks, crashes. */
#include "stored.h"

#include <connectors/sqlite.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/hde-storage-XXXXXX";
static char path[64];

static int
setup(void **state)
{
    static int n;

    snprintf(path, sizeof path, "%s/%d.db", folder, ++n);
    return 0;
}

static hde_harness *
open_sink(const char *more)
{
    char params[256];

    snprintf(params, sizeof params, "path: %s%s", path, more);
    return hde_harness_open("storage/sqlite", params);
}

/* Reads with a connection of its own, as the gateway does. */
static char *
query(const char *sql)
{
    static char answer[1024];
    const struct sqlite_options options = {.read_only = true};
    struct sqlite_error error = {0};
    struct sqlite *db = sqlite_open(path, &options, &error);
    sqlite3_stmt *stmt = db ? sqlite_prepare(db, sql, &error) : NULL;
    size_t len = 0;

    answer[0] = '\0';
    if (!stmt)
        fail_msg("%s", error.text);
    while (sqlite_step(db, stmt, &error) == 1)
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *text = (const char *)sqlite3_column_text(stmt, i);

            len += (size_t)snprintf(answer + len, sizeof answer - len, "%s%s", len ? " " : "",
                                    text ? text : "null");
            assert_true(len < sizeof answer);
        }
    sqlite_close(db);
    return answer;
}

static void
test_a_locked_file_is_tried_again_and_loses_nothing(void **state)
{
    hde_harness *h = open_sink(", busy_timeout: 1ms");
    struct sqlite_error error = {0};
    struct sqlite *other = sqlite_open(path, NULL, &error);

    push(h, "snapshots", raw_chain(h, 0));
    assert_true(sqlite_begin(other, &error));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_non_null(strstr(hde_harness_said(h), "sqlite.locked"));
    assert_non_null(strstr(hde_harness_said(h), path));
    push(h, "snapshots", raw_chain(h, MINUTE));
    assert_true(sqlite_commit(other, &error));
    sqlite_close(other);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "2");
    hde_harness_close(h);
}

static void
test_a_full_disk_is_tried_again_and_loses_nothing(void **state)
{
    hde_harness *h = open_sink("");
    struct rlimit before, small;

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 64 << 10; /* below what the log of the file has already */
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 1; i <= 50; i++)
        push(h, "snapshots", raw_chain(h, i * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(hde_harness_said(h), "sqlite.full"));
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "1");
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "51");
    hde_harness_close(h);
}

static void
test_a_size_limit_is_kept_and_said(void **state)
{
    hde_harness *h = open_sink(", max_size: 200KiB");

    for (int i = 0; i < 400; i++)
        push(h, "snapshots", raw_chain(h, i * MINUTE));
    assert_int_equal(hde_harness_flush(h), HDE_RETRY);
    assert_non_null(strstr(hde_harness_said(h), "sqlite.full"));
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "0");
    hde_harness_close(h);
}

static void
test_a_file_of_a_newer_version_is_refused(void **state)
{
    hde_harness *h = open_sink("");
    struct sqlite_error error = {0};
    char params[128], text[512];
    struct sqlite *db;

    hde_harness_close(h);
    db = sqlite_open(path, NULL, &error);
    assert_true(sqlite_exec(db,
                            "INSERT INTO hde_schema (version, name, checksum) "
                            "VALUES (999, '999_later', '')",
                            &error));
    sqlite_close(db);
    snprintf(params, sizeof params, "path: %s", path);
    assert_null(hde_harness_try("storage/sqlite", params, text, sizeof text));
    assert_non_null(strstr(text, "sqlite.newer-schema"));
    assert_non_null(strstr(text, path));
}

static void
test_a_folder_that_is_absent_is_named(void **state)
{
    char text[512];

    assert_null(hde_harness_try("storage/sqlite", "path: /nonexistent/x.db", text, sizeof text));
    assert_non_null(strstr(text, "sqlite.cannot-open"));
    assert_non_null(strstr(text, "/nonexistent/x.db"));
}

static void
test_rows_per_second(void **state)
{
    enum { CHAINS = 200, STRIKES = 100 };
    hde_harness *h = open_sink("");
    struct timespec t0, t1;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (int i = 0; i < CHAINS; i++) {
        hde_msg *msg = chain_new(h, 0, i * SECOND, STRIKES);
        Hde__RawChain *raw = raw_of(msg);

        for (int s = 0; s < 2; s++) {
            Hde__Quotes *side = s ? raw->puts : raw->calls;
            CHAIN_COLUMN(msg, side, last, STRIKES, raw->strike);
            CHAIN_COLUMN(msg, side, oi, STRIKES, raw->strike);
            CHAIN_COLUMN(msg, side, volume, STRIKES, raw->strike);
            CHAIN_COLUMN(msg, side, bid, STRIKES, raw->strike);
            CHAIN_COLUMN(msg, side, ask, STRIKES, raw->strike);
        }
        push(h, "snapshots", msg);
    }
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    seconds = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    assert_string_equal(query("SELECT count(*) FROM option_chain_snapshots"), "40000");
    print_message("storage/sqlite: %.0f rows/s (raw chains of %d strikes, sync full)\n",
                  (double)hde_harness_counter(h, "rows") / seconds, STRIKES);
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_locked_file_is_tried_again_and_loses_nothing, setup),
        cmocka_unit_test_setup(test_a_full_disk_is_tried_again_and_loses_nothing, setup),
        cmocka_unit_test_setup(test_a_size_limit_is_kept_and_said, setup),
        cmocka_unit_test_setup(test_a_file_of_a_newer_version_is_refused, setup),
        cmocka_unit_test_setup(test_a_folder_that_is_absent_is_named, setup),
        cmocka_unit_test_setup(test_rows_per_second, setup),
    };
    char command[96];
    int failed;

    if (!mkdtemp(folder))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? failed : 1;
}
