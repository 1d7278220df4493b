/* SPDX-License-Identifier: Apache-2.0
 * savepoint_test - a named epoch of a running graph, and a start that goes on from it. */
#include "base/arena.h"
#include "engine/engine.h"
#include "engine/savepoint.h"
#include "folder.h"
#include "kept_ops.h"
#include "plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000, COUNT = 1000000 };

static struct arena arena;

static int
end_folder(void **state)
{
    arena_fini(&arena);
    return remove_folder(state);
}

static struct plan *
make_plan(struct store *store, const hde_operator *sum, int64_t every_ns)
{
    struct plan *plan = plan_new("saved");

    plan_node(plan, "s", &op_steps, &(struct steps){.count = COUNT});
    plan_node(plan, "y", &op_steps_blocking, &(struct steps){.count = COUNT});
    plan_node(plan, "sum_s", sum, NULL);
    plan_node(plan, "sum_y", sum, NULL)->boundary = true;
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "s", 0, "sum_s", 0);
    plan_edge(plan, "y", 0, "sum_y", 0);
    plan_edge(plan, "sum_s", 0, "vault", 0);
    plan_edge(plan, "sum_y", 0, "vault", 1);
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){folder, every_ns, 5000000000, 3};
    return plan;
}

static const char *
log_folder(void)
{
    return arena_printf(&arena, "%s/log", folder);
}

static struct engine *
start(struct plan *plan)
{
    struct engine_options options = {.record = log_folder(), .checkpoint = true, .workers = 2};
    struct err err = {0};
    struct engine *engine = engine_new(plan_graph(plan), &options, &err);

    assert_string_equal(err.text, "");
    assert_non_null(engine);
    assert_true(engine_start(engine, &err));
    return engine;
}

static void
wait_for(struct engine *engine, const struct store *store, uint64_t n)
{
    while (atomic_load(&((struct store *)(uintptr_t)store)->n) < n)
        assert_false(engine_wait(engine, 1));
}

/* Takes one and waits for it. */
static struct savepoint_report
take(struct engine *engine, const char *name)
{
    struct savepoint_report report;
    struct err err = {0};

    assert_true(savepoint_ask(engine, name, &err));
    do {
        assert_false(engine_wait(engine, 1));
        savepoint_report(engine, name, &report);
    } while (report.state == SAVEPOINT_WAITING);
    assert_string_equal(report.err.text, "");
    assert_int_equal(report.state, SAVEPOINT_DONE);
    return report;
}

static Hde__Epoch *
read_named(const char *name)
{
    struct err err = {0};
    Hde__Epoch *savepoint = savepoint_read(savepoint_path(folder, name, &arena), &err);

    assert_string_equal(err.text, "");
    return savepoint;
}

static void
restore(const char *name)
{
    Hde__Epoch *savepoint = read_named(name);
    struct err err = {0};

    savepoint_restore(folder, log_folder(), savepoint, &err);
    assert_string_equal(err.text, "");
    hde__epoch__free_unpacked(savepoint, NULL);
}

/* The position of a source in a savepoint: what steps has emitted. */
static int64_t
position_of(const Hde__Epoch *savepoint, const char *source)
{
    int64_t at = -1;

    for (size_t i = 0; i < savepoint->n_sources; i++)
        if (strcmp(savepoint->sources[i]->node, source) == 0 && savepoint->sources[i]->n_positions)
            memcpy(&at, savepoint->sources[i]->positions[0]->at.data, sizeof at);
    return at;
}

/* Lines of a port from line `from` of the store on: sequence and sum go on from there. */
static void
assert_goes_on(const char *lines, unsigned port, int64_t sequence)
{
    double sum = (double)sequence * (double)(sequence - 1) / 2;
    uint64_t n = 0;

    for (const char *line = lines; line && *line; line = strchr(line, '\n') + 1) {
        unsigned p;
        long long s;
        double value;

        assert_int_equal(sscanf(line, "%u %lld %lf", &p, &s, &value), 3);
        if (p != port)
            continue;
        assert_int_equal(s, sequence);
        assert_true(value == (sum += (double)sequence));
        sequence++;
        n++;
    }
    assert_true(n > 0);
}

static void
test_a_restored_run_goes_on_from_the_savepoint(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &op_sum, 2000000);
    struct engine *engine = start(plan);
    struct savepoint_report report;
    Hde__Epoch *savepoint;
    uint64_t mark;
    size_t lines;

    wait_for(engine, &store, 2000);
    report = take(engine, "first");
    wait_for(engine, &store, atomic_load(&store.n) + 2000);
    engine_stop(engine);
    engine_free(engine); /* as after a crash */
    mark = store.mark;
    lines = store.lines.len;

    savepoint = read_named("first");
    assert_int_equal(savepoint->tick, report.tick);
    restore("first");
    engine = start(plan);
    wait_for(engine, &store, atomic_load(&store.n) + 3000);
    assert_int_not_equal(access(arena_printf(&arena, "%s/restore", folder), F_OK), 0);
    engine_stop(engine);
    engine_free(engine);
    assert_true(HDE_TICK_INCARNATION(store.mark) > HDE_TICK_INCARNATION(mark));
    assert_goes_on(store.lines.data + lines, 0, position_of(savepoint, "s"));
    assert_goes_on(store.lines.data + lines, 1, position_of(savepoint, "y"));

    /* a crash after the restored start goes on from that start, not from what was before it */
    engine = start(plan);
    wait_for(engine, &store, atomic_load(&store.n) + 2000);
    engine_stop(engine);
    engine_free(engine);
    assert_goes_on(store.lines.data + lines, 0, position_of(savepoint, "s"));
    assert_goes_on(store.lines.data + lines, 1, position_of(savepoint, "y"));
    plan_free(plan);
    hde__epoch__free_unpacked(savepoint, NULL);
    hde_text_free(&store.lines);
}

static void
test_a_restored_run_without_an_epoch_goes_on_from_its_start(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &op_sum, 2000000), *seldom;
    struct engine *engine = start(plan);
    Hde__Epoch *savepoint;
    size_t lines;

    wait_for(engine, &store, 2000);
    take(engine, "first");
    wait_for(engine, &store, atomic_load(&store.n) + 2000);
    engine_free(engine);
    plan_free(plan);
    savepoint = read_named("first");
    restore("first");
    lines = store.lines.len;
    seldom = make_plan(&store, &op_sum, 3600000000000);
    for (int i = 0; i < 3; i++) {
        engine = start(seldom);
        wait_for(engine, &store, atomic_load(&store.n) + 500);
        engine_free(engine);
    }
    assert_goes_on(store.lines.data + lines, 0, position_of(savepoint, "s"));
    assert_goes_on(store.lines.data + lines, 1, position_of(savepoint, "y"));
    plan_free(seldom);
    hde__epoch__free_unpacked(savepoint, NULL);
    hde_text_free(&store.lines);
}

static void
test_the_log_of_a_restored_run_gives_it_again(void **state)
{
    struct store store = {{0}}, again = {{0}};
    struct plan *plan = make_plan(&store, &op_sum, 2000000), *other;
    struct engine *engine = start(plan);
    struct err err = {0};
    size_t lines;

    wait_for(engine, &store, 2000);
    take(engine, "first");
    engine_free(engine);
    lines = store.lines.len;
    restore("first");
    engine = start(plan);
    wait_for(engine, &store, atomic_load(&store.n) + 2000);
    engine_drain(engine);
    assert_true(engine_wait(engine, DEADLINE_MS));
    engine_free(engine);
    other = make_plan(&again, &op_sum, 0);
    engine = engine_new(plan_graph(other),
                        &(struct engine_options){.log = log_folder(), .workers = 1}, &err);
    assert_string_equal(err.text, "");
    assert_true(engine_start(engine, &err));
    assert_true(engine_wait(engine, DEADLINE_MS));
    engine_free(engine);
    assert_string_equal(store.lines.data + lines, again.lines.data);
    plan_free(plan);
    plan_free(other);
    hde_text_free(&store.lines);
    hde_text_free(&again.lines);
}

/* ---- Refusals ---- */

static void
count_unfit(void *arg, enum savepoint_fit fit, const char *node, const char *text)
{
    if (fit == SAVEPOINT_UNFIT)
        ++*(int *)arg;
}

static void
test_check_names_what_does_not_fit(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &op_sum_newer, 2000000);
    struct engine *engine = start(plan);
    struct plan *older, *other = plan_new("saved");
    Hde__Epoch *savepoint;
    int unfit = 0;

    wait_for(engine, &store, 100);
    take(engine, "newer");
    engine_free(engine);
    savepoint = read_named("newer");
    assert_true(savepoint_check(savepoint, plan_graph(plan), count_unfit, &unfit));
    assert_int_equal(unfit, 0);
    older = make_plan(&store, &op_sum, 2000000); /* knows schema 1, saved was 2 */
    assert_false(savepoint_check(savepoint, plan_graph(older), count_unfit, &unfit));
    assert_int_equal(unfit, 2);
    unfit = 0;
    plan_node(other, "s", &op_steps, &(struct steps){.count = COUNT});
    plan_node(other, "sum_s", &op_sum_newer, NULL);
    plan_edge(other, "s", 0, "sum_s", 0);
    assert_false(savepoint_check(savepoint, plan_graph(other), count_unfit, &unfit));
    assert_int_equal(unfit, 4); /* y, as a node and as a source, sum_y, vault */
    plan_free(plan);
    plan_free(older);
    plan_free(other);
    hde__epoch__free_unpacked(savepoint, NULL);
    hde_text_free(&store.lines);
}

static void
test_what_cannot_be_taken_or_restored_is_refused(void **state)
{
    struct store store = {{0}};
    struct plan *plan = make_plan(&store, &op_sum, 2000000);
    struct engine *engine = start(plan);
    Hde__Epoch *savepoint;
    struct err err = {0};
    FILE *file;

    take(engine, "one");
    assert_false(savepoint_ask(engine, "one", &err));
    assert_string_equal(err.code, "HDE-R085");
    assert_false(savepoint_ask(engine, "../one", &err));
    savepoint = read_named("one");
    err = (struct err){0};
    assert_false(savepoint_restore(folder, log_folder(), savepoint, &err)); /* it runs */
    assert_true(err_is_set(&err));
    engine_free(engine);
    hde__epoch__free_unpacked(savepoint, NULL);

    file = fopen(savepoint_path(folder, "one", &arena), "r+");
    assert_non_null(file);
    fseek(file, 40, SEEK_SET);
    fputc(0xff, file);
    fputc(0x01, file);
    fclose(file);
    err = (struct err){0};
    assert_null(savepoint_read(savepoint_path(folder, "one", &arena), &err));
    assert_string_equal(err.code, "HDE-R084");
    err = (struct err){0};
    assert_null(savepoint_read(savepoint_path(folder, "none", &arena), &err));
    assert_string_equal(err.code, "HDE-R083");
    plan_free(plan);
    hde_text_free(&store.lines);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_restored_run_goes_on_from_the_savepoint, make_folder,
                                        end_folder),
        cmocka_unit_test_setup_teardown(test_a_restored_run_without_an_epoch_goes_on_from_its_start,
                                        make_folder, end_folder),
        cmocka_unit_test_setup_teardown(test_the_log_of_a_restored_run_gives_it_again, make_folder,
                                        end_folder),
        cmocka_unit_test_setup_teardown(test_check_names_what_does_not_fit, make_folder,
                                        end_folder),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_taken_or_restored_is_refused,
                                        make_folder, end_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
