/* SPDX-License-Identifier: Apache-2.0
 * record_test - a recorded run is given again from its log alone, whatever the threads do. */
#include "behaviour_ops.h"
#include "engine/engine.h"
#include "folder.h"
#include "ops.h"
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000 };

/* Two sources on threads of their own, so that they come in another order in every run; a merge, a
 * sink with timers in processing time, and a sink behind an edge that drops. */
struct world {
    struct plan *plan;
    hde_text merged, timed, latest;
    struct err err;
};

static void
make_world(struct world *world)
{
    struct plan *plan = plan_new("world");
    struct graph_edge *edge;
    static const char *const keys[] = {"key"};

    world->plan = plan;
    plan_node(plan, "s", &op_feed_blocking,
              &(struct feed){.count = 2000, .per_poll = 3, .step_ns = 1000, .keys = 5});
    plan_node(plan, "y", &op_feed_blocking,
              &(struct feed){.count = 1500, .first = 10000, .step_ns = 1100, .keys = 3});
    plan_node(plan, "f", &op_mix, &(struct mix){.salt = 3, .drop_every = 7});
    plan_node(plan, "g", &op_mix, &(struct mix){.salt = 5, .amplify = 1});
    plan_node(plan, "merged", &op_collect, &(struct collect){.into = &world->merged});
    plan_node(plan, "timed", &op_timed,
              &(struct timed){.into = &world->timed, .after_ns = 2500, .alarm_ns = 20000});
    plan_node(plan, "latest", &op_collect_blocking, &(struct collect){.into = &world->latest});
    plan_edge(plan, "s", 0, "f", 0);
    plan_edge(plan, "y", 0, "g", 0);
    plan_edge(plan, "f", 0, "merged", 0);
    plan_edge(plan, "g", 0, "merged", 1);
    plan_edge(plan, "f", 0, "timed", 0);
    edge = plan_edge(plan, "g", 0, "latest", 0);
    edge->full = FULL_LATEST;
    edge->n_keys = 1;
    edge->keys = keys;
    edge->capacity_messages = 4;
}

static void
run_world(struct world *world, const struct engine_options *options)
{
    struct engine *engine = engine_new(plan_graph(world->plan), options, &world->err);

    assert_string_equal(world->err.text, "");
    assert_non_null(engine);
    assert_true(engine_start(engine, &world->err));
    assert_true(engine_wait(engine, DEADLINE_MS));
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
}

static void
free_world(struct world *world)
{
    plan_free(world->plan);
    hde_text_free(&world->merged);
    hde_text_free(&world->timed);
    hde_text_free(&world->latest);
}

static void
assert_same(const hde_text *a, const hde_text *b)
{
    assert_true(a->len > 100);
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

static void
test_a_recorded_run_is_given_again(void **state)
{
    static const struct engine_options again[] = {
        {.log = folder},
        {.log = folder, .workers = 1},
        {.log = folder, .workers = 2, .force_boundaries = true},
    };
    struct world live = {0};

    make_world(&live);
    run_world(&live, &(struct engine_options){.record = folder, .workers = 2});
    assert_non_null(strstr(live.timed.data, "t8888@"));
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        struct world world = {0};

        make_world(&world);
        run_world(&world, &again[i]);
        assert_same(&live.merged, &world.merged);
        assert_same(&live.timed, &world.timed);
        assert_same(&live.latest, &world.latest);
        free_world(&world);
    }
    free_world(&live);
}

static void
test_the_last_of_several_starts_is_given_again(void **state)
{
    struct world live = {0}, world = {0};

    for (int i = 0; i < 3; i++) {
        if (live.plan)
            free_world(&live);
        live = (struct world){0};
        make_world(&live);
        run_world(&live, &(struct engine_options){.record = folder});
    }
    make_world(&world);
    run_world(&world, &(struct engine_options){.log = folder});
    assert_same(&live.merged, &world.merged);
    free_world(&world);
    free_world(&live);
}

static void
test_an_answer_from_outside_is_not_asked_for_again(void **state)
{
    hde_text into[2] = {{0}};

    for (int i = 0; i < 2; i++) {
        struct plan *plan = plan_new("impure");
        struct engine_options options = {.record = i ? NULL : folder, .log = i ? folder : NULL};
        struct world world = {.plan = plan};

        plan_node(plan, "s", &op_feed, &(struct feed){.count = 300, .step_ns = 10});
        plan_node(plan, "ask", &op_impure, NULL);
        plan_node(plan, "sink", &op_collect, &(struct collect){.into = &into[i]});
        plan_edge(plan, "s", 0, "ask", 0);
        plan_edge(plan, "ask", 0, "sink", 0);
        run_world(&world, &options);
        plan_free(plan);
    }
    assert_same(&into[0], &into[1]);
    hde_text_free(&into[0]);
    hde_text_free(&into[1]);
}

static void
assert_refused(struct plan *plan, const char *text)
{
    struct err err = {0};
    struct engine *engine =
        engine_new(plan_graph(plan), &(struct engine_options){.log = folder}, &err);

    if (engine) {
        assert_true(engine_start(engine, &err));
        assert_true(engine_wait(engine, DEADLINE_MS));
        assert_int_equal(engine_state(engine), ENGINE_FAILED);
        err = *engine_error(engine);
        engine_free(engine);
    }
    assert_string_equal(err.code, "HDE-R012");
    assert_non_null(strstr(err.text, text));
    plan_free(plan);
}

static void
test_a_log_of_another_graph_is_refused_by_name(void **state)
{
    struct world live = {0};
    hde_text into = {0};
    struct plan *plan = plan_new("other");

    make_world(&live);
    run_world(&live, &(struct engine_options){.record = folder});
    plan_node(plan, "s", &op_feed, &(struct feed){.count = 1});
    plan_node(plan, "sink", &op_collect, &(struct collect){.into = &into});
    plan_edge(plan, "s", 0, "sink", 0);
    assert_refused(plan, "this graph has no '");
    hde_text_free(&into);
    free_world(&live);
}

static void
test_an_empty_folder_is_no_log(void **state)
{
    struct plan *plan = plan_new("other");

    plan_node(plan, "s", &op_feed, &(struct feed){.count = 1});
    assert_refused(plan, "holds no entries");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_recorded_run_is_given_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_the_last_of_several_starts_is_given_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_an_answer_from_outside_is_not_asked_for_again,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_log_of_another_graph_is_refused_by_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_an_empty_folder_is_no_log, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
