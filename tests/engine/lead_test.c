/* SPDX-License-Identifier: Apache-2.0
 * lead_test - numbers of what the coordinator leads, on the only host of a graph. */
#include "base/clock.h"
#include "check.h"
#include "engine/line.h"
#include "engine/parts.h"
#include "engine/savepoint.h"
#include "folder.h"
#include "kept_ops.h"
#include "plan.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

static const int64_t deadline_ns = 100 * (int64_t)NS_PER_S;

struct world {
    struct store stored;
    char store[2 * FOLDER], log[2 * FOLDER], listen[2 * FOLDER];
    struct graph_host host;
    struct plan *plan;
    struct parts *parts;
    unsigned n; /* savepoints */
};

static int64_t
now_s(void)
{
    return clock_real_ns() / NS_PER_S;
}

static void
start(struct world *world)
{
    struct engine_options options = {
        .record = world->log, .checkpoint = true, .workers = 1, .insecure = true};
    struct err err = {0};
    struct graph *graph;

    snprintf(world->store, sizeof world->store, "%s/store", folder);
    snprintf(world->log, sizeof world->log, "%s/store/log", folder);
    snprintf(world->listen, sizeof world->listen, "ipc://%s/one.ipc", folder);
    world->host = (struct graph_host){.name = "one", .listen = world->listen};
    world->plan = plan_new("lead.one");
    plan_node(world->plan, "s", &op_steps, &(struct steps){.count = INT64_MAX});
    plan_node(world->plan, "vault", &op_vault, &(struct vault){.store = &world->stored});
    plan_edge(world->plan, "s", 0, "vault", 0);
    graph = plan_graph(world->plan);
    graph->common_name = "lead";
    graph->hosts = &world->host;
    graph->n_hosts = 1;
    graph->checkpoint = (struct checkpoint_policy){
        .store = world->store, .every_ns = deadline_ns, .timeout_ns = deadline_ns, .keep = 3};
    graph->log = (struct log_policy){.segment_bytes = 1 << 20, .max_bytes = 1 << 20};
    world->parts = parts_new(graph, &options, &err);
    assert_string_equal(err.text, "");
    assert_true(parts_start(world->parts, &err));
}

static void
end(struct world *world)
{
    parts_stop(world->parts);
    parts_free(world->parts);
    plan_free(world->plan);
    hde_text_free(&world->stored.lines);
}

/* Takes a savepoint, and gives its number. */
static uint32_t
lead_one(struct world *world)
{
    const int64_t begin_ns = clock_mono_ns();
    struct savepoint_report report;
    struct err err = {0};
    Hde__Epoch *savepoint;
    char name[16];
    uint32_t number;

    snprintf(name, sizeof name, "number%u", world->n++);
    if (!parts_savepoint_ask(world->parts, name, &err))
        fail_msg("%s: %s", err.code, err.text);
    do {
        assert_true(clock_mono_ns() - begin_ns < deadline_ns);
        sched_yield();
        parts_savepoint_report(world->parts, name, &report);
    } while (report.state == SAVEPOINT_WAITING);
    assert_string_equal(report.err.text, "");
    savepoint = savepoint_read(report.path, &err);
    assert_non_null(savepoint);
    assert_true(savepoint->has_across);
    number = savepoint->across;
    hde__epoch__free_unpacked(savepoint, NULL);
    return number;
}

/* The one that had to wait for its second leaves the rest of it to the next one. */
static void
test_two_within_one_second_have_different_numbers(void **state)
{
    struct world world = {.n = 0};
    const int64_t begin_ns = clock_mono_ns(), begin_s = now_s();
    bool is_within = false;
    uint32_t number, next;

    start(&world);
    number = lead_one(&world);
    assert_true(number > begin_s); /* a process before may have drawn that one */
    for (; !is_within; number = next) {
        assert_true(clock_mono_ns() - begin_ns < deadline_ns);
        is_within = now_s() == number;
        next = lead_one(&world);
        assert_true(next > number);
    }
    end(&world);
}

static void
test_a_number_is_above_that_of_the_process_before(void **state)
{
    struct world world = {.n = 0};
    struct line line = {.number = (uint32_t)(now_s() + 1000)}; /* it was set back meanwhile */
    struct err err = {0};
    char store[2 * FOLDER];

    snprintf(store, sizeof store, "%s/store", folder);
    assert_true(line_write(store, &line, &err));
    start(&world);
    assert_true(lead_one(&world) > line.number);
    end(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_within_one_second_have_different_numbers,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_number_is_above_that_of_the_process_before,
                                        make_folder, remove_folder),
    };

    return cmocka_run_group_tests_name("lead", tests, NULL, NULL);
}
