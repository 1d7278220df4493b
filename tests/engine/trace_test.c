/* SPDX-License-Identifier: Apache-2.0
 * trace_test - what nodes emit while a log is taken again, and from where it is taken. */
#include "engine/engine.h"
#include "folder.h"
#include "kept_ops.h"
#include "plan.h"

#include <hde/schemas/runtime.pb-c.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000, COUNT = 20000 };

static struct plan *
make_plan(struct store *store)
{
    struct plan *plan = plan_new("traced");

    plan_node(plan, "s", &op_steps, &(struct steps){.count = COUNT});
    plan_node(plan, "sum", &op_sum, NULL);
    plan_node(plan, "behind", &op_sum, NULL)->boundary = true;
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "s", 0, "sum", 0);
    plan_edge(plan, "sum", 0, "behind", 0);
    plan_edge(plan, "behind", 0, "vault", 0);
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, 1000000, 5000000000, 1000};
    return plan;
}

static const char *
log_folder(void)
{
    static char log[64];

    snprintf(log, sizeof log, "%s/log", folder);
    return log;
}

/* To its end; drained is drained when half of it is stored, with an epoch there. */
static void
run(struct store *store, bool checkpoint, bool drained)
{
    struct plan *plan = make_plan(store);
    struct engine_options options = {
        .record = log_folder(), .checkpoint = checkpoint, .workers = 2};
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);

    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    while (drained && atomic_load(&store->n) < COUNT / 2)
        assert_false(engine_wait(engine, 1));
    if (drained)
        engine_drain(engine);
    assert_true(engine_wait(engine, DEADLINE_MS));
    assert_int_equal(engine_state(engine), ENGINE_ENDED);
    engine_free(engine);
    plan_free(plan);
}

struct traced {
    pthread_mutex_t lock;
    uint64_t first, n, last;
    double value[2]; /* of the last tick, by node: sum, behind */
};

static void
note(void *arg, const struct engine_emitted *m)
{
    struct traced *self = arg;
    Hde__Sample *sample = hde__sample__unpack(NULL, m->size, m->bytes);

    assert_non_null(sample);
    pthread_mutex_lock(&self->lock);
    if (!self->first || m->tick < self->first)
        self->first = m->tick;
    if (m->tick >= self->last) {
        self->last = m->tick;
        self->value[strcmp(m->node, "behind") == 0] = sample->value;
    }
    self->n++;
    pthread_mutex_unlock(&self->lock);
    hde__sample__free_unpacked(sample, NULL);
}

static struct traced
trace(uint64_t until, uint64_t from)
{
    struct store unused = {{0}};
    struct plan *plan = make_plan(&unused);
    struct traced traced = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct engine_options options = {
        .log = log_folder(),
        .is_dry = true,
        .until = until,
        .workers = 2,
        .trace = {.emitted = note, .arg = &traced, .from = from, .to = UINT64_MAX}};
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);

    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    assert_true(engine_wait(engine, DEADLINE_MS));
    assert_string_equal(engine_error(engine)->text, "");
    engine_free(engine);
    assert_int_equal(unused.n, 0);
    plan_free(plan);
    return traced;
}

static void
test_all_that_nodes_emit_is_shown(void **state)
{
    struct store store = {{0}};
    struct traced traced;

    run(&store, false, false);
    traced = trace(0, 0);
    assert_int_equal(traced.n, 2 * COUNT);
    assert_true(traced.value[0] == (double)COUNT * (COUNT - 1) / 2);
    hde_text_free(&store.lines);
}

static void
test_a_tick_is_taken_from_the_epoch_before_it(void **state)
{
    struct store store = {{0}};
    struct traced all, some;
    uint64_t tick;

    run(&store, true, true);
    run(&store, true, false);
    all = trace(0, 0);
    assert_int_equal(all.n, 2 * COUNT); /* from the start */
    tick = all.last;
    some = trace(tick, 0);
    assert_int_equal(some.last, tick);
    assert_true(some.n < all.n); /* from an epoch */
    assert_true(some.first > all.first);
    assert_true(some.value[0] == all.value[0] && some.value[1] == all.value[1]);
    some = trace(tick, tick);
    assert_int_equal(some.n, 2); /* that tick alone */
    assert_true(some.value[1] == all.value[1]);
    hde_text_free(&store.lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_that_nodes_emit_is_shown, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_a_tick_is_taken_from_the_epoch_before_it, make_folder,
                                        remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
