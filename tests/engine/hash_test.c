/* SPDX-License-Identifier: Apache-2.0
 * hash_test - a run and its replay are compared at every barrier. */
#include "base/hash64.h"
#include "engine/engine.h"
#include "folder.h"
#include "kept_ops.h"
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000, COUNT = 8000, SLIP = 3000 };

static void
test_xxh64_has_its_published_values(void **state)
{
    static const char text[] = "Nobody inspects the spammish repetition";

    assert_true(hash64(0, "", 0) == 0xef46db3751d8e999u);
    assert_true(hash64(0, "a", 1) == 0xd24ec4f1a98c6e5bu);
    assert_true(hash64(0, "abc", 3) == 0x44bc2cf5ad770999u);
    assert_true(hash64(0, text, sizeof text - 1) == 0xfbcea83c8a378bf1u);
    assert_true(hash64(1, "abc", 3) != hash64(0, "abc", 3));
}

/* ---- A graph with two sources, two sums and a join ---- */

static struct plan *
make_plan(struct store *store, int64_t slips_at)
{
    struct plan *plan = plan_new("hashed");

    plan_node(plan, "s", &op_steps, &(struct steps){.count = COUNT});
    plan_node(plan, "y", &op_steps_blocking, &(struct steps){.count = COUNT});
    plan_node(plan, "sum_s", &op_sum, NULL);
    plan_node(plan, "sum_y", &op_sum, &(struct sum){.slips_at = slips_at})->boundary = true;
    plan_node(plan, "behind", &op_sum, NULL);
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "s", 0, "sum_s", 0);
    plan_edge(plan, "y", 0, "sum_y", 0);
    plan_edge(plan, "sum_s", 0, "vault", 0);
    plan_edge(plan, "sum_y", 0, "behind", 0);
    plan_edge(plan, "behind", 0, "vault", 1);
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, 2000000, 5000000000, 3};
    return plan;
}

static const char *
log_folder(void)
{
    static char log[64];

    snprintf(log, sizeof log, "%s/log", folder);
    return log;
}

/* Runs until so many lines are stored, then cuts it off; true: it came to its end. */
static bool
run_until(struct store *store, uint64_t n, bool checkpoint)
{
    struct plan *plan = make_plan(store, 0);
    struct engine_options options = {
        .record = log_folder(), .checkpoint = checkpoint, .workers = 2, .hashes_ns = 1000000};
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);
    bool ended;

    assert_string_equal(err.text, "");
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    while (atomic_load(&store->n) < n && !engine_wait(engine, 1))
        ;
    ended = engine_state(engine) == ENGINE_ENDED;
    assert_int_not_equal(engine_state(engine), ENGINE_FAILED);
    engine_free(engine);
    plan_free(plan);
    return ended;
}

static struct engine_verified
verify(int64_t slips_at, int64_t workers, bool force_boundaries)
{
    struct store unused = {{0}};
    struct plan *plan = make_plan(&unused, slips_at);
    struct engine_options options = {.log = log_folder(),
                                     .is_dry = true,
                                     .verify = true,
                                     .workers = workers,
                                     .force_boundaries = force_boundaries};
    struct engine_verified result;
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);

    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    assert_true(engine_wait(engine, DEADLINE_MS));
    assert_string_equal(engine_error(engine)->text, "");
    assert_true(engine_join(engine, DEADLINE_MS));
    assert_true(engine_verify(engine, &result));
    assert_int_equal(unused.n, 0); /* the sink was left out */
    engine_free(engine);
    plan_free(plan);
    return result;
}

static void
test_a_hashed_run_and_its_replay_are_equal(void **state)
{
    struct store store = {{0}};

    assert_true(run_until(&store, UINT64_MAX, false));
    for (int64_t workers = 1; workers <= 3; workers++) {
        struct engine_verified result = verify(0, workers, workers == 3);

        assert_false(result.differs);
        assert_true(result.barriers > 2);                         /* the end is one of them */
        assert_int_equal(result.hashes, result.barriers * 3 * 2); /* 3 nodes: state and output */
    }
    hde_text_free(&store.lines);
}

static void
test_a_changed_message_is_named_by_node_and_epoch(void **state)
{
    struct store store = {{0}};
    struct engine_verified equal, result;

    assert_true(run_until(&store, UINT64_MAX, false));
    equal = verify(0, 2, false);
    result = verify(SLIP, 2, false);
    assert_true(result.differs);
    assert_string_equal(result.node, "sum_y"); /* not the one behind it, which differs too */
    assert_non_null(strstr(result.what, "output 'out'"));
    assert_true(result.after < result.up_to && result.up_to <= equal.up_to);
    assert_true(result.barriers <= equal.barriers);
    hde_text_free(&store.lines);
}

static void
test_hashes_go_on_over_a_crash(void **state)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct store store = {{0}};
    struct engine_verified result;
    int starts = 1;

    print_message("HDE_SEED=%u\n", seed);
    for (uint64_t n = 1; !run_until(&store, n, true);
         n = atomic_load(&store.n) + 1 + (uint64_t)rand_r(&seed) % 2500)
        starts++;
    assert_true(starts > 3);
    result = verify(0, 2, false);
    assert_false(result.differs);
    assert_true(result.barriers > 3);
    assert_true(HDE_TICK_INCARNATION(result.up_to) >= HDE_TICK_INCARNATION(store.mark));
    assert_true(verify(SLIP, 1, false).differs);
    hde_text_free(&store.lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xxh64_has_its_published_values),
        cmocka_unit_test_setup_teardown(test_a_hashed_run_and_its_replay_are_equal, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_changed_message_is_named_by_node_and_epoch,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_hashes_go_on_over_a_crash, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
