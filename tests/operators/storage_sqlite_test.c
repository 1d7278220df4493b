/* SPDX-License-Identifier: Apache-2.0
 * Tests of storage/sqlite: what is stored, idempotence, whole ticks, locks, full disks, crashes. */
#include "chains.h"

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

static hde_msg *
raw_chain(hde_harness *h, int64_t after_open_ns)
{
    hde_msg *msg = chain_new(h, 0, after_open_ns, 3);

    CALLS(msg, last, 10.5, 5.25, U);
    CALLS(msg, oi, 1000, U, U);
    PUTS(msg, last, 1, 2, 3);
    chain_flag(msg, HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS);
    return msg;
}

/* An enriched chain with one value in each part. */
static hde_msg *
enriched_chain(hde_harness *h, int64_t after_open_ns)
{
    static const double iv[] = {0.125, U, U}, fit[] = {0.1, -0.2, 0.3};
    static const double pain[] = {7, 8, 9};
    hde_msg *raw = raw_chain(h, after_open_ns);
    hde_msg *msg = hde_harness_new(h, &hde__enriched_chain__descriptor);
    Hde__EnrichedChain *chain = (Hde__EnrichedChain *)msg->body;
    Hde__ChainMetrics *metrics;

    hde_msg_share(msg, raw);
    msg->event_ns = raw->event_ns;
    chain->raw = raw_of(raw);
    chain->feed = chain->raw->feed;
    chain->expiry = chain->raw->expiry;
    chain->has_event_ns = true;
    chain->event_ns = chain->raw->event_ns;
    hde_msg_drop(raw);
    hde_msg_edit(msg, &chain->forward, &hde__forward__descriptor);
    chain->forward->has_forward = chain->forward->has_source = true;
    chain->forward->forward = 104.5;
    chain->forward->source = HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_REGRESSION;
    hde_msg_edit(msg, &chain->calls, &hde__model_columns__descriptor);
    CHAIN_COLUMN(msg, chain->calls, iv, 3, iv);
    metrics = hde_msg_edit(msg, &chain->metrics, &hde__chain_metrics__descriptor);
    hde_msg_edit(msg, &metrics->pcr, &hde__pcr__descriptor);
    metrics->pcr->has_oi = true;
    metrics->pcr->oi = 0.75;
    hde_msg_edit(msg, &metrics->max_pain, &hde__max_pain__descriptor);
    metrics->max_pain->has_strike = true;
    metrics->max_pain->strike = 110;
    CHAIN_COLUMN(msg, metrics->max_pain, call_pain, 3, pain);
    hde_msg_edit(msg, &metrics->basis, &hde__futures_basis__descriptor);
    metrics->basis->has_basis = metrics->basis->has_basis_pct = true;
    metrics->basis->basis = 0.5;
    metrics->basis->basis_pct = 0.25;
    hde_msg_edit(msg, &metrics->skew, &hde__skew__descriptor);
    CHAIN_COLUMN(msg, metrics->skew, fit, 3, fit);
    hde_msg_edit(msg, &metrics->gex, &hde__gamma_exposure__descriptor);
    metrics->gex->has_sign = metrics->gex->has_net = true;
    metrics->gex->sign = HDE__GEX_SIGN__GEX_SIGN_NAIVE;
    metrics->gex->net = -1e9;
    return msg;
}

static void
test_a_raw_chain_becomes_a_row_a_leg(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", raw_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT strike, type, last, oi, bid FROM option_chain_snapshots"),
                        "100.0 CE 10.5 1000.0 null 100.0 PE 1.0 null null "
                        "110.0 CE 5.25 null null 110.0 PE 2.0 null null "
                        "120.0 PE 3.0 null null");
    assert_string_equal(query("SELECT feed, expiry, event_ns, spot, session, flags, future, "
                              "forward FROM chain_metrics"),
                        "NSE:TEST@test 2026-08-25 1787111100000000000 104.0 2026-08-19 "
                        "[\"MISSING_LEGS\"] null null");
    hde_harness_close(h);
}

static void
test_an_enriched_chain_fills_metrics_strikes_and_model_columns(void **state)
{
    hde_harness *h = open_sink("");

    push(h, "snapshots", enriched_chain(h, 0));
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT iv, last FROM option_chain_snapshots WHERE type = 'CE'"),
                        "0.125 10.5 null 5.25");
    assert_string_equal(query("SELECT forward, forward_source, pcr_oi, max_pain_strike, basis, "
                              "basis_pct, skew_fit, gex_sign, gex_net, spot FROM chain_metrics"),
                        "104.5 PARITY_REGRESSION 0.75 110.0 0.5 0.25 [0.1,-0.2,0.3] NAIVE "
                        "-1000000000.0 104.0");
    assert_string_equal(query("SELECT strike, max_pain_call_pain, skew_smile_iv "
                              "FROM chain_strike_metrics"),
                        "100.0 7.0 null 110.0 8.0 null 120.0 9.0 null");
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

static hde_msg *
cumulative_oi(hde_harness *h)
{
    static const double strike[] = {100, 110}, oi[] = {1500, U}, change[] = {500, U};
    hde_msg *msg = hde_harness_new(h, &hde__cumulative_oi__descriptor);
    Hde__CumulativeOi *result = (Hde__CumulativeOi *)msg->body;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = result->has_baseline_ns = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->baseline_ns = OPEN_NS;
    CHAIN_COLUMN(msg, result, strike, 2, strike);
    hde_msg_edit(msg, &result->calls, &hde__cumulative_oi_side__descriptor);
    CHAIN_COLUMN(msg, result->calls, oi, 2, oi);
    CHAIN_COLUMN(msg, result->calls, change, 2, change);
    return msg;
}

static hde_msg *
velocity(hde_harness *h)
{
    static const double strike[] = {100, 110}, v[] = {U, -3};
    hde_msg *msg = hde_harness_new(h, &hde__velocity__descriptor);
    Hde__Velocity *result = (Hde__Velocity *)msg->body;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = result->has_window_s = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->window_s = 180;
    CHAIN_COLUMN(msg, result, strike, 2, strike);
    hde_msg_edit(msg, &result->puts, &hde__velocity_side__descriptor);
    CHAIN_COLUMN(msg, result->puts, oi_velocity, 2, v);
    result->puts->is_spike = hde_msg_alloc(msg, 2 * sizeof(protobuf_c_boolean));
    result->puts->is_spike[0] = false;
    result->puts->is_spike[1] = true;
    result->puts->n_is_spike = 2;
    return msg;
}

static hde_msg *
buildup(hde_harness *h)
{
    static const double strikes[] = {100, 110};
    hde_msg *msg = hde_harness_new(h, &hde__buildup__descriptor);
    Hde__Buildup *result = (Hde__Buildup *)msg->body;
    Hde__BuildupPattern *pattern;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = result->has_from_ns = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->from_ns = OPEN_NS;
    hde_msg_edit(msg, &result->counts, &hde__buildup_counts__descriptor);
    result->counts->has_legs = result->counts->has_short_buildup = true;
    result->counts->legs = 4;
    result->counts->short_buildup = 2;
    result->patterns = hde_msg_alloc(msg, sizeof *result->patterns);
    result->patterns[0] = NULL;
    result->n_patterns = 1;
    pattern = hde_msg_edit(msg, &result->patterns[0], &hde__buildup_pattern__descriptor);
    pattern->has_type = pattern->has_side = pattern->has_signal = pattern->has_is_confirmed = true;
    pattern->type = HDE__BUILDUP_TYPE__BUILDUP_TYPE_SHORT_BUILDUP;
    pattern->side = HDE__OPTION_TYPE__OPTION_TYPE_PUT;
    pattern->signal = HDE__SIGNAL_TYPE__SIGNAL_TYPE_BULLISH;
    pattern->is_confirmed = true;
    CHAIN_COLUMN(msg, pattern, strikes, 2, strikes);
    return msg;
}

static hde_msg *
zones(hde_harness *h)
{
    hde_msg *msg = hde_harness_new(h, &hde__zones__descriptor);
    Hde__Zones *result = (Hde__Zones *)msg->body;
    Hde__ZoneEvent *event;
    Hde__Zone *zone;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->zones = hde_msg_alloc(msg, sizeof *result->zones);
    result->zones[0] = NULL;
    result->n_zones = 1;
    zone = hde_msg_edit(msg, &result->zones[0], &hde__zone__descriptor);
    zone->has_id = zone->has_kind = zone->has_price = zone->has_tests = true;
    zone->id = 77;
    zone->kind = HDE__ZONE_KIND__ZONE_KIND_RESISTANCE;
    zone->price = 110;
    zone->tests = 2;
    result->events = hde_msg_alloc(msg, sizeof *result->events);
    result->events[0] = NULL;
    result->n_events = 1;
    event = hde_msg_edit(msg, &result->events[0], &hde__zone_event__descriptor);
    event->has_id = event->has_type = true;
    event->id = 77;
    event->type = HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_TESTED;
    return msg;
}

static void
push_everything(hde_harness *h)
{
    push(h, "snapshots", enriched_chain(h, MINUTE));
    push(h, "results", cumulative_oi(h));
    push(h, "results", velocity(h));
    push(h, "results", buildup(h));
    push(h, "results", zones(h));
}

static void
test_every_result_has_its_table(void **state)
{
    hde_harness *h = open_sink("");

    push_everything(h);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT strike, type, oi, change, baseline_ns, opening_oi "
                              "FROM analytics_cumulative_oi"),
                        "100.0 CE 1500.0 500.0 1787111100000000000 null");
    assert_string_equal(query("SELECT strike, type, oi_velocity, is_spike, window_s "
                              "FROM analytics_velocity"),
                        "110.0 PE -3.0 1 180.0");
    assert_string_equal(query("SELECT counts_legs, counts_short_buildup, counts_neutral "
                              "FROM analytics_buildup"),
                        "4 2 null");
    assert_string_equal(query("SELECT type, side, signal, strikes, is_confirmed, confidence_pct "
                              "FROM analytics_buildup_patterns"),
                        "SHORT_BUILDUP PUT BULLISH [100,110] 1 null");
    assert_string_equal(query("SELECT id, kind, price, tests, strength FROM analytics_zones"),
                        "77 RESISTANCE 110.0 2 null");
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
    assert_string_equal(query("SELECT last FROM option_chain_snapshots WHERE type = 'CE'"),
                        "11.0 5.25"); /* 110 CE has no value any more: no row came to replace it */
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
test_a_message_without_a_key_is_rejected_and_the_rest_stored(void **state)
{
    hde_harness *h = open_sink("");
    hde_msg *msgs[3] = {raw_chain(h, 0), raw_chain(h, MINUTE), raw_chain(h, 2 * MINUTE)};

    raw_of(msgs[1])->has_event_ns = false;
    assert_int_equal(hde_harness_push(h, "snapshots", msgs[0]), HDE_OK);
    assert_int_equal(hde_harness_push(h, "snapshots", msgs[1]), HDE_REJECT);
    assert_non_null(strstr(hde_harness_said(h), "sqlite.no-key"));
    assert_int_equal(hde_harness_push(h, "snapshots", msgs[2]), HDE_OK);
    assert_int_equal(hde_harness_flush(h), HDE_OK);
    assert_string_equal(query("SELECT count(*) FROM chain_metrics"), "2");
    hde_harness_close(h);
}

/* A child writes ticks of three chains each and is killed at an arbitrary moment. */
static void
write_until_killed(int ready)
{
    hde_harness *h = open_sink(", batch_rows: 1, sync: normal");

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
        cmocka_unit_test_setup(test_a_raw_chain_becomes_a_row_a_leg, setup),
        cmocka_unit_test_setup(test_an_enriched_chain_fills_metrics_strikes_and_model_columns,
                               setup),
        cmocka_unit_test_setup(test_a_raw_chain_beside_the_enriched_one_clears_nothing, setup),
        cmocka_unit_test_setup(test_every_result_has_its_table, setup),
        cmocka_unit_test_setup(test_the_same_again_changes_nothing, setup),
        cmocka_unit_test_setup(test_a_correction_replaces_the_row, setup),
        cmocka_unit_test_setup(test_rows_and_mark_are_committed_together_at_the_end_of_ticks,
                               setup),
        cmocka_unit_test_setup(test_a_locked_file_is_tried_again_and_loses_nothing, setup),
        cmocka_unit_test_setup(test_a_full_disk_is_tried_again_and_loses_nothing, setup),
        cmocka_unit_test_setup(test_a_size_limit_is_kept_and_said, setup),
        cmocka_unit_test_setup(test_a_file_of_a_newer_version_is_refused, setup),
        cmocka_unit_test_setup(test_a_folder_that_is_absent_is_named, setup),
        cmocka_unit_test_setup(test_a_message_without_a_key_is_rejected_and_the_rest_stored, setup),
        cmocka_unit_test_setup(test_a_killed_process_leaves_whole_ticks_and_their_mark, setup),
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
