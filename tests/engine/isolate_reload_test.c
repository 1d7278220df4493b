/* SPDX-License-Identifier: Apache-2.0
 * isolate_reload_test - another build in the child of an isolated node. */
#include "engine/apply.h"
#include "reload_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static const char graph[] = "nodes:\n"
                            "  feed: {op: swap/feed, params: {burst: 5, every: 1ms}}\n"
                            "  count: {op: swap/count, isolate: process}\n"
                            "  check: {op: swap/check}\n"
                            "edges: [feed -> count -> check]\n";

static void
test_the_child_is_exchanged_with_its_state(void **state)
{
    struct rig rig;
    struct reload_report report;

    rig_open(&rig, graph);
    await_seen(&rig, 100);
    report = reload(&rig, "count", variant("v2"));
    assert_done(&report);
    assert_int_equal(report.kept, RELOAD_KEPT);
    await_seen(&rig, 100);
    assert_intact(&rig);
    assert_int_equal(counter(&rig, "count", "restarts"), 0);
    rig_close(&rig);
}

static void
test_a_crash_on_probation_leaves_the_old_build_and_loses_nothing(void **state)
{
    static const char *const builds[] = {"crashes", "stumbles", "loops"};
    static const char *const says[] = {"isolate.died", "count.stumbles", "isolate.late"};
    struct reload_report report;
    struct rig rig;

    rig_open(&rig, "nodes:\n"
                   "  feed: {op: swap/feed, params: {burst: 5, every: 1ms}}\n"
                   "  count: {op: swap/count, isolate: {timeout: 1s}}\n"
                   "  check: {op: swap/check}\n"
                   "edges: [feed -> count -> check]\n");
    await_seen(&rig, 100);
    report = reload(&rig, "count", variant("v2"));
    assert_done(&report);
    for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
        report = await_end(&rig, ask(&rig, &(struct reload_ask){.target = "count",
                                                                .file = variant(builds[i]),
                                                                .skips_trial = true,
                                                                .budget_ns = PATIENCE,
                                                                .probation_ns = PATIENCE}));
        assert_int_equal(report.state, RELOAD_RETURNED);
        assert_string_equal(report.err.code, "HDE-R029");
        assert_non_null(strstr(report.err.text, says[i]));
        await_seen(&rig, 200);
        assert_intact(&rig);
    }
    rig_close(&rig);
}

/* Puts the graph of this text in the place of the one that runs; gives it, to be freed. */
static struct graph *
change_to(struct rig *rig, const char *yaml)
{
    struct diags diags = {0};
    struct graph *next;
    struct err err = {0};
    char path[128];
    FILE *file;
    Hde__ChangeState state = HDE__CHANGE_STATE__CHANGE_STATE_WAITING;

    snprintf(path, sizeof path, "%s/next.yaml", rig->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "hde: 1\ngraph: %s\n%s", rig->graph->name, yaml);
    fclose(file);
    next = graph_load(path, NULL, rig->registry, &diags);
    assert_non_null(next);
    diags_fini(&diags);
    unlink(path);
    assert_int_not_equal(apply_ask(rig->engine, &(struct apply_ask){.graph = next}, &err), 0);
    while (state <= HDE__CHANGE_STATE__CHANGE_STATE_WORKING) {
        Hde__EngineChanges *changes = apply_changes(rig->engine, 0);

        state = changes->changes[0]->state;
        hde__engine_changes__free_unpacked(changes, NULL);
        assert_false(engine_wait(rig->engine, 1));
    }
    assert_int_equal(state, HDE__CHANGE_STATE__CHANGE_STATE_DONE);
    return next;
}

static void
test_live_parameters_reach_the_child(void **state)
{
    struct rig rig;
    struct graph *next;
    uint64_t begin;

    rig_open(&rig, graph);
    await_seen(&rig, 100);
    assert_int_equal(counter(&rig, "count", "marked"), 0);
    next = change_to(&rig, "nodes:\n"
                           "  feed: {op: swap/feed, params: {burst: 5, every: 1ms}}\n"
                           "  count: {op: swap/count, isolate: process, params: {marks: 3}}\n"
                           "  check: {op: swap/check}\n"
                           "edges: [feed -> count -> check]\n");
    begin = counter(&rig, "count", "marked");
    await_seen(&rig, 100);
    assert_true(counter(&rig, "count", "marked") >= begin + 100);
    assert_int_equal(counter(&rig, "count", "marked") % 3, 0);
    assert_int_equal(view_of(&rig, "count").restarts, 0);
    assert_int_equal(counter(&rig, "count", "restarts"), 0);
    assert_intact(&rig);
    rig_close(&rig);
    graph_free(next);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_child_is_exchanged_with_its_state),
        cmocka_unit_test(test_live_parameters_reach_the_child),
        cmocka_unit_test(test_a_crash_on_probation_leaves_the_old_build_and_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
