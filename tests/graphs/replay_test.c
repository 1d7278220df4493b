/* SPDX-License-Identifier: Apache-2.0
 * Tests of graphs/replay.yaml as a whole: a made-up morning gives the same bytes with any number of
 * workers and wherever it is cut, and replayed again the same rows. */
#include "check.h"
#include "engine/engine.h"
#include "graph/graph.h"
#include "plugin/registry.h"

#include <connectors/sqlite.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/hde-replay-XXXXXX";

enum { MINUTES = 12, STRIKES = 21 };

/* The layout of recorded chains with a row a leg. */
static void
write_csv(const char *path)
{
    FILE *file = fopen(path, "w");

    fputs("capture_time_ist,symbol,expiry,strike,option_type,spot,ltp,volume,oi,oi_chg,iv,delta,"
          "gamma,theta,vega,rho\n",
          file);
    for (int t = 0; t < MINUTES; t++)
        for (int i = 0; i < 2 * STRIKES; i++) {
            double strike = 23500 + 50 * (i / 2), spot = 24000 + 3 * t;
            double inner = i % 2 ? strike - spot : spot - strike;

            fprintf(file,
                    "2026-08-19T11:%02d:00+05:30,NIFTY50,25-Aug-2026,%g,%s,%g,%.2f,%d,%d,%d,10,"
                    "0.5,0,0,0,0\n",
                    27 + t, strike, i % 2 ? "PE" : "CE", spot,
                    (inner > 0 ? inner : 0) + 120 * exp(-fabs(strike - spot) / 250),
                    1000 * (t + 1) + i, 5000 + (i * 37) % 900 + 10 * t, 10 * t);
        }
    fclose(file);
}

static void
replay(const char *out, int64_t workers, bool cut)
{
    char source[96], where[96];
    const char *const sets[] = {source, where};
    const struct graph_options graph_options = {.sets = sets, .n_sets = 2, .for_run = true};
    const struct engine_options options = {
        .virtual_clock = true, .workers = workers, .force_boundaries = cut};
    struct registry *registry = registry_new(NULL);
    struct diags diags = {0};
    struct err err = {0};
    struct engine *engine;
    struct graph *graph;

    snprintf(source, sizeof source, "source.path=%s/day.csv", folder);
    snprintf(where, sizeof where, "vars.out=%s/%s", folder, out);
    graph = graph_load(HDE_SOURCE_DIR "/graphs/replay.yaml", &graph_options, registry, &diags);
    assert_non_null(graph);
    engine = engine_new(graph, &options, &err);
    if (!engine || !engine_start(engine, &err))
        fail_msg("%s", err.text);
    assert_true(engine_wait(engine, 30000));
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
    graph_free(graph);
    diags_fini(&diags);
    registry_free(registry);
}

static void
assert_same_lines(const char *a, const char *b)
{
    char command[192];

    snprintf(command, sizeof command, "cmp %s/%s/replay.jsonl %s/%s/replay.jsonl", folder, a,
             folder, b);
    assert_int_equal(system(command), 0);
}

static long long
number(const char *out, const char *sql)
{
    char path[96];
    struct sqlite_error error = {0};
    struct sqlite *db;
    sqlite3_stmt *stmt;
    long long x;

    snprintf(path, sizeof path, "%s/%s/replay.db", folder, out);
    db = sqlite_open(path, &(struct sqlite_options){.read_only = true}, &error);
    stmt = db ? sqlite_prepare(db, sql, &error) : NULL;
    if (!stmt || sqlite_step(db, stmt, &error) != 1)
        fail_msg("%s", error.text);
    x = sqlite3_column_int64(stmt, 0);
    sqlite_close(db);
    return x;
}

static const char legs[] = "SELECT count(*) FROM option_chain_snapshots";

static void
test_a_replay_gives_the_same_bytes_however_it_is_run(void **state)
{
    replay("one", 1, false);
    replay("two", 2, false);
    replay("cut", 2, true);
    assert_same_lines("one", "two");
    assert_same_lines("one", "cut");
    assert_int_equal(number("one", legs), MINUTES * STRIKES * 2);
    assert_int_equal(number("one", "SELECT count(*) FROM chain_metrics WHERE pcr_oi > 0 AND "
                                   "max_pain_strike > 0 AND skew_atm_iv > 0"),
                     MINUTES);
    assert_int_equal(number("one", "SELECT count(*) FROM analytics_cumulative_oi "
                                   "WHERE change = 10 * (event_ns - baseline_ns) / 60000000000"),
                     MINUTES * STRIKES * 2);
    assert_int_equal(number("one", "SELECT count(*) FROM analytics_velocity "
                                   "WHERE oi_velocity = 10 AND interval_s >= 180"),
                     (MINUTES - 3) * STRIKES * 2);
}

static void
test_the_same_day_again_adds_no_rows(void **state)
{
    replay("again", 1, false);
    replay("again", 2, false);
    assert_same_lines("one", "again");
    assert_int_equal(number("again", legs), MINUTES * STRIKES * 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_replay_gives_the_same_bytes_however_it_is_run),
        cmocka_unit_test(test_the_same_day_again_adds_no_rows),
    };
    char command[256];
    int failed;

    if (!mkdtemp(folder))
        return 1;
    snprintf(command, sizeof command, "mkdir %s/one %s/two %s/cut %s/again", folder, folder, folder,
             folder);
    if (system(command) != 0)
        return 1;
    snprintf(command, sizeof command, "%s/day.csv", folder);
    write_csv(command);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? failed : 1;
}
