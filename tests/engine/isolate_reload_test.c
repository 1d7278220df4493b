/* SPDX-License-Identifier: Apache-2.0
 * isolate_reload_test - another build in the child of an isolated node. */
#include "reload_rig.h"

#include <string.h>

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_child_is_exchanged_with_its_state),
        cmocka_unit_test(test_a_crash_on_probation_leaves_the_old_build_and_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
