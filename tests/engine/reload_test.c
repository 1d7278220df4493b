/* SPDX-License-Identifier: Apache-2.0
 * reload_test - another build of an operator while messages flow. HDE_RELOADS=N: that many in the
 * first test (campaign). */
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/reload.h"
#include "engine/stats.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "reload_rig.h"

/* ---- Reloads that work -------------------------------------------------------------------- */

static long
resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &size, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int
by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
test_reload_under_load_loses_doubles_and_reorders_nothing(void **state)
{
    enum { WARM = 10 };
    int n = getenv("HDE_RELOADS") ? atoi(getenv("HDE_RELOADS")) : 100;
    int64_t *pause = calloc((size_t)n, sizeof *pause);
    long before = 0, after;
    struct rig rig;

    assert_true(n > 2 * WARM);
    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed, params: {burst: 5, every: 1ms}}\n"
                   "  count: {op: swap/count, params: {size: 1MiB}}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    await_seen(&rig, 100);
    for (int i = 0; i < n; i++) {
        const char *file = variant(i % 2 ? "twin" : "v2");
        struct reload_report report =
            await_report(&rig, ask(&rig, &(struct reload_ask){.target = "count",
                                                              .file = file,
                                                              .skips_trial = i > WARM,
                                                              .budget_ns = PATIENCE}));

        assert_done(&report);
        assert_int_equal(report.kept, RELOAD_KEPT);
        assert_true(report.state_bytes > 1 << 20);
        assert_string_equal(report.retired,
                            i ? "unloaded" : "kept mapped: the graph was loaded with it");
        pause[i] = report.pause_ns;
        await_seen(&rig, 20);
        if (i == 2 * WARM) /* the last trials are behind it */
            before = resident_kib();
    }
    after = resident_kib();
    assert_intact(&rig);
    assert_int_equal(view_of(&rig, "count").reloads, n);
    qsort(pause, (size_t)n, sizeof *pause, by_value);
    printf("%d reloads, state of 1 MiB: pause p50 %.3f ms, p99 %.3f ms; resident %ld KiB, %+ld\n",
           n, (double)pause[n / 2] / 1e6, (double)pause[n - 1 - n / 100] / 1e6, after,
           after - before);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    assert_true(after - before < before / 20 + 512);
#endif
    free(pause);
    rig_close(&rig);
}

static void
test_a_reload_carries_state_over_a_change_of_its_schema(void **state)
{
    struct reload_report report;
    struct rig rig;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    await_seen(&rig, 100);
    report = reload(&rig, "swap/count", variant("v2"));
    assert_done(&report);
    assert_intact(&rig);
    assert_string_equal(view_of(&rig, "count").build_id, report.new_build);
    report = reload(&rig, "count", variant("v1")); /* knows schema 1 only */
    assert_int_equal(report.state, RELOAD_REFUSED);
    assert_string_equal(report.err.code, "HDE-R024");
    assert_intact(&rig);
    rig_close(&rig);
}

static void
test_every_replica_and_every_kind_of_node_is_swapped(void **state)
{
    static const char *const kinds[] = {"swap/count", "swap/blocking", "swap/alone", "swap/feed"};
    struct rig rig;

    rig_open(&rig, "workers: 2\n"
                   "nodes:\n"
                   "  feed:     {op: swap/feed, params: {keys: 8}}\n"
                   "  count:    {op: swap/count, replicas: 3, key: key}\n"
                   "  blocking: {op: swap/blocking}\n"
                   "  alone:    {op: swap/alone, params: {lock: one.lock}}\n"
                   "  check:    {op: swap/check, params: {keys: 8, counted: true}}\n"
                   "edges: [feed -> count -> blocking -> alone -> check]\n");
    await_seen(&rig, 100);
    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            struct reload_report report =
                reload(&rig, kinds[i], variant(round % 2 ? "twin" : "v2"));

            assert_done(&report);
            assert_int_equal(report.nodes, i ? 1 : 3);
            await_seen(&rig, 50);
        }
    await_seen(&rig, 500);
    assert_int_equal(counter(&rig, "check", "wrong"), 0);
    rig_close(&rig);
}

/* A rename over the file that was loaded: the loader alone would give the old code again. */
static void
test_a_file_that_was_replaced_gives_the_new_code(void **state)
{
    char plugin[128], command[2200];
    struct reload_report report;
    struct rig rig;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    snprintf(plugin, sizeof plugin, "%s/mine.so", rig.folder);
    for (int i = 0; i < 4; i++) {
        snprintf(command, sizeof command, "cp %s %s.new && mv %s.new %s",
                 variant(i % 2 ? "twin" : "v2"), plugin, plugin, plugin);
        assert_int_equal(system(command), 0);
        report = reload(&rig, "count", i ? NULL : plugin);
        assert_done(&report);
        assert_string_equal(view_of(&rig, "count").build_id, report.new_build);
    }
    report = reload(&rig, "count", NULL);
    assert_string_equal(report.err.code, "HDE-R031");
    assert_intact(&rig);
    unlink(plugin);
    rig_close(&rig);
}

static void
test_requests_for_the_same_target_coalesce(void **state)
{
    enum { REQUESTS = 20 };
    unsigned done = 0, superseded = 0;
    struct reload_report report;
    struct rig rig;
    uint64_t last = 0;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    for (int i = 0; i < REQUESTS; i++)
        last = ask(&rig, &(struct reload_ask){.target = "count",
                                              .file = variant(i % 2 ? "twin" : "v2")});
    report = await_report(&rig, last);
    assert_true(report.state == RELOAD_DONE || !strcmp(report.err.code, "HDE-R031"));
    for (uint64_t i = last - REQUESTS + 1; i <= last; i++) {
        report = await_report(&rig, i);
        done += report.state == RELOAD_DONE;
        superseded += report.state == RELOAD_SUPERSEDED;
    }
    assert_true(done > 0);
    assert_true(superseded > 0);
    assert_intact(&rig);
    rig_close(&rig);
}

/* ---- Reloads that are refused ------------------------------------------------------------- */

static void
test_every_failure_leaves_the_old_version(void **state)
{
    static const struct {
        const char *variant, *code, *says;
    } cases[] = {
        {"wrong_abi", "HDE-P007", "ABI 99"},
        {"missing_symbol", "HDE-P011", "there_is_no_such_function"},
        {"other_operator", "HDE-P016", "swap/count"},
        {"other_ports", "HDE-R021", "input port 'in'"},
        {"new_param", "HDE-G", "needed"},
        {"no_load", "HDE-R023", "load()"},
        {"old_schema", "HDE-R024", "schema 1"},
        {"open_fails", "HDE-R025", "as it was told"},
        {"load_fails", "HDE-R026", "as it was told"},
        {"load_slow", "HDE-R027", "budget"},
        {"crashes", "HDE-R028", "crashed in batch(): SIGABRT"},
        {"crashes_at_once", "HDE-R028", "loading the file"},
        {"loops", "HDE-R028", "in batch(): it does not return"},
        {"no_build_id", "HDE-P017", "build id"},
    };
    char text[128];
    struct reload_report report;
    struct rig rig;
    FILE *file;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    await_seen(&rig, 100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        report = await_report(&rig, ask(&rig, &(struct reload_ask){
                                                  .target = "count",
                                                  .file = variant(cases[i].variant)}));
        if (report.state != RELOAD_REFUSED ||
            strncmp(report.err.code, cases[i].code, strlen(cases[i].code)) != 0 ||
            !strstr(report.err.text, cases[i].says))
            fail_msg("%s: %s %s: %s", cases[i].variant, reload_state_name(report.state),
                     report.err.code, report.err.text);
        assert_intact(&rig);
    }
    snprintf(text, sizeof text, "%s/text.so", rig.folder);
    file = fopen(text, "w");
    assert_non_null(file);
    fputs("this is no shared object\n", file);
    fclose(file);
    report = reload(&rig, "count", text);
    assert_string_equal(report.err.code, "HDE-P002");
    report = reload(&rig, "count", "/nowhere/at.so");
    assert_string_equal(report.err.code, "HDE-P001");
    report = reload(&rig, "cuont", variant("v2"));
    assert_string_equal(report.err.code, "HDE-R020");
    assert_non_null(strstr(report.err.text, "did you mean 'count'"));
    assert_intact(&rig);
    assert_int_equal(view_of(&rig, "count").reloads, 0);
    report = reload(&rig, "count", variant("v2"));
    assert_done(&report);
    assert_intact(&rig);
    unlink(text);
    rig_close(&rig);
}

/* One that cannot live twice is closed first; when its successor does not open it comes back. */
static void
test_an_exclusive_operator_comes_back_when_its_successor_fails(void **state)
{
    struct reload_report report;
    struct rig rig;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  alone: {op: swap/alone, params: {lock: one.lock}}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> alone -> check]\n");
    await_seen(&rig, 100);
    for (int i = 0; i < 3; i++) {
        report = reload(&rig, "alone", variant("open_fails"));
        assert_string_equal(report.err.code, "HDE-R025");
        assert_intact(&rig);
        report = reload(&rig, "alone", variant("load_fails"));
        assert_string_equal(report.err.code, "HDE-R026");
        assert_intact(&rig);
    }
    report = reload(&rig, "alone", variant("v2"));
    assert_done(&report);
    assert_intact(&rig);
    rig_close(&rig);
}

static void
test_state_is_lost_only_when_that_is_agreed(void **state)
{
    struct reload_report report;
    struct rig rig;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count}\n"
                   "  check: {op: swap/check, params: {counted: false}}\n"
                   "edges: [feed -> count -> check]\n");
    await_seen(&rig, 100);
    report = await_report(&rig, ask(&rig, &(struct reload_ask){.target = "count",
                                                               .file = variant("no_load"),
                                                               .drops_state = true}));
    assert_done(&report);
    assert_int_equal(report.kept, RELOAD_DROPPED);
    assert_intact(&rig);
    report = reload(&rig, "count", variant("v2"));
    assert_done(&report);
    assert_int_equal(report.kept, RELOAD_KEPT_NONE);
    assert_intact(&rig);
    rig_close(&rig);
}

/* ---- Shadows ------------------------------------------------------------------------------ */

static struct reload_report
reload_beside(const struct rig *rig, const char *target, const char *name, double tolerance)
{
    return await_report(rig, ask(rig, &(struct reload_ask){.target = target,
                                                           .file = variant(name),
                                                           .shadow_ns = 300 * NS_PER_MS,
                                                           .tolerance = tolerance,
                                                           .budget_ns = PATIENCE}));
}

static void
rig_open_shadow(struct rig *rig)
{
    struct reload_report report;

    rig_open(rig, "nodes:\n"
                  "  feed:  {op: swap/feed, params: {keys: 4}}\n"
                  "  count: {op: swap/count, replicas: 2, key: key}\n"
                  "  again: {op: swap/count, params: {size: 1KiB}}\n"
                  "  check: {op: swap/check, params: {keys: 4, counted: false}}\n"
                  "edges: [feed -> count -> again -> check]\n");
    await_seen(rig, 100);
    report = reload(rig, "swap/count", variant("v2"));
    assert_done(&report);
}

static void
test_a_shadow_that_agrees_is_swapped_in(void **state)
{
    static const char *const targets[] = {"count", "again", "swap/count"};
    struct reload_report report;
    struct rig rig;

    rig_open_shadow(&rig);
    for (size_t i = 0; i < 3; i++) {
        report = reload_beside(&rig, targets[i], i == 2 ? "nearly" : "agrees", 1e-9);
        assert_done(&report);
        assert_true(report.compared > 100);
        assert_intact(&rig);
    }
    rig_close(&rig);
}

static void
test_a_shadow_that_differs_is_named(void **state)
{
    struct reload_report report;
    struct rig rig;
    unsigned long long tick;
    double was, now;
    const char *text;

    rig_open_shadow(&rig);
    report = reload_beside(&rig, "again", "differs", 1e-9);
    assert_int_equal(report.state, RELOAD_REFUSED);
    assert_string_equal(report.err.code, "HDE-R044");
    text = strstr(report.err.text, "node 'again': tick ");
    assert_non_null(text);
    assert_int_equal(sscanf(text, "node 'again': tick %llu: output 'out'", &tick), 1);
    assert_true(tick > 0);
    text = strstr(text, "value: ");
    assert_non_null(text);
    assert_int_equal(sscanf(text, "value: %lf, now %lf", &was, &now), 2);
    assert_true(now == was + 0.5);
    assert_intact(&rig);
    report = reload_beside(&rig, "again", "nearly", 0); /* to the last bit */
    assert_string_equal(report.err.code, "HDE-R044");
    report = reload_beside(&rig, "check", "v2", 1e-9);
    assert_string_equal(report.err.code, "HDE-R044");
    assert_non_null(strstr(report.err.text, "touches the world"));
    assert_intact(&rig);
    rig_close(&rig);
}

/* ---- Probation ---------------------------------------------------------------------------- */

static uint64_t
ask_on_probation(const struct rig *rig, const char *target, const char *name, int64_t probation_ns)
{
    return ask(rig, &(struct reload_ask){.target = target,
                                         .file = variant(name),
                                         .skips_trial = true,
                                         .probation_ns = probation_ns,
                                         .budget_ns = PATIENCE});
}

/* on_error is stop: without the probation the graph would end. */
static void
test_errors_on_probation_bring_the_old_version_back(void **state)
{
    static const char *const builds[] = {"stumbles", "rejects"};
    static const char *const targets[] = {"swap/count", "alone"};
    struct reload_report report;
    struct rig rig;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count, params: {size: 64KiB}}\n"
                   "  second: {op: swap/count}\n"
                   "  alone: {op: swap/alone, params: {lock: one.lock}}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> second -> alone -> check]\n");
    await_seen(&rig, 100);
    for (size_t t = 0; t < 2; t++) {
        char kept[RELOAD_BUILD];

        report = reload(&rig, targets[t], variant("v2"));
        assert_done(&report);
        snprintf(kept, sizeof kept, "%s", report.new_build);
        for (size_t i = 0; i < 2; i++) {
            report = await_end(&rig, ask_on_probation(&rig, targets[t], builds[i], PATIENCE));
            assert_int_equal(report.state, RELOAD_RETURNED);
            assert_string_equal(report.err.code, "HDE-R029");
            assert_non_null(strstr(report.err.text, builds[i]));
            assert_string_equal(report.retired, "unloaded");
            assert_intact(&rig);
            assert_string_equal(view_of(&rig, t ? "alone" : "count").build_id, kept);
            assert_string_equal(view_of(&rig, t ? "alone" : "second").build_id, kept);
        }
    }
    assert_int_equal(view_of(&rig, "count").errors, 0);
    assert_int_equal(view_of(&rig, "count").skips, 0);
    rig_close(&rig);
}

static void
test_a_probation_ends_by_time_and_by_another_reload(void **state)
{
    struct reload_report report;
    struct rig rig;
    uint64_t first, second;

    rig_open(&rig, "nodes:\n"
                   "  feed:  {op: swap/feed}\n"
                   "  count: {op: swap/count}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    first = ask_on_probation(&rig, "count", "v2", 3600 * (int64_t)NS_PER_S);
    report = await_report(&rig, first);
    assert_int_equal(report.state, RELOAD_PROBATION);
    assert_string_equal(view_of(&rig, "count").build_id, report.new_build);
    assert_intact(&rig);
    second = ask_on_probation(&rig, "count", "twin", NS_PER_MS);
    report = await_end(&rig, second);
    assert_done(&report);
    assert_string_equal(report.retired, "unloaded");
    report = await_report(&rig, first);
    assert_done(&report);
    assert_intact(&rig);
    report = await_report(&rig, ask_on_probation(&rig, "count", "v2", PATIENCE));
    assert_int_equal(report.state, RELOAD_PROBATION);
    rig_close(&rig); /* in the middle of it */
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload_under_load_loses_doubles_and_reorders_nothing),
        cmocka_unit_test(test_a_reload_carries_state_over_a_change_of_its_schema),
        cmocka_unit_test(test_every_replica_and_every_kind_of_node_is_swapped),
        cmocka_unit_test(test_a_file_that_was_replaced_gives_the_new_code),
        cmocka_unit_test(test_requests_for_the_same_target_coalesce),
        cmocka_unit_test(test_every_failure_leaves_the_old_version),
        cmocka_unit_test(test_an_exclusive_operator_comes_back_when_its_successor_fails),
        cmocka_unit_test(test_state_is_lost_only_when_that_is_agreed),
        cmocka_unit_test(test_a_shadow_that_agrees_is_swapped_in),
        cmocka_unit_test(test_a_shadow_that_differs_is_named),
        cmocka_unit_test(test_errors_on_probation_bring_the_old_version_back),
        cmocka_unit_test(test_a_probation_ends_by_time_and_by_another_reload),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
