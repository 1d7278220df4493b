/* SPDX-License-Identifier: Apache-2.0
 * parts_apply_test - another graph in place of one that runs in parts: all parts or none. */
#include "base/arena.h"
#include "engine/parts.h"
#include "engine/stats.h"
#include "folder.h"
#include "kept_ops.h"
#include "ops.h"
#include "plan.h"

#include <hde/schemas/control.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MORE = 500 };

/* ---- Operators ---------------------------------------------------------------------------- */

static const hde_port in1[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, NULL}, {0}};
static const hde_port out1[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, NULL}, {0}};

/* Passes everything on; waits while the gate is shut. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut;
    unsigned waiting;
};
static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Until somebody stands at it. */
static void
shut_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_shut = true;
    while (!gate.waiting)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void
open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_shut = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void
go_through_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.is_shut)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.waiting--;
    pthread_mutex_unlock(&gate.lock);
}

static hde_status
pass_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    go_through_gate();
    for (; batch->done < batch->n; batch->done++)
        hde_emit(ctx, 0, hde_msg_keep(batch->msg[batch->done]));
    return HDE_OK;
}

static const hde_operator op_pass = {.size = sizeof(hde_operator),
                                     .flags = HDE_BLOCKING,
                                     .name = "test/pass",
                                     .inputs = in1,
                                     .outputs = out1,
                                     .batch = pass_batch};

static hde_status
no_open(hde_ctx *ctx, void *state)
{
    return hde_fail(ctx, "no.open", "as the test wants");
}

static const hde_operator op_no_open = {.size = sizeof(hde_operator),
                                        .name = "test/no_open",
                                        .inputs = in1,
                                        .outputs = out1,
                                        .open = no_open,
                                        .batch = pass_batch};

/* ---- Graphs ------------------------------------------------------------------------------- */

/* s -> [near ->] sum -link-> mid [-> far] -> vault; NULL: that node is not there. */
static struct plan *
make_plan(struct store *store, const hde_operator *near, const hde_operator *far, bool is_durable)
{
    struct plan *plan = plan_new("changed");
    struct graph_edge *link;

    plan_node(plan, "s", &op_steps, &(struct steps){.count = INT64_MAX});
    if (near)
        plan_node(plan, "near", near, NULL);
    plan_node(plan, "sum", &op_sum, NULL);
    plan_node(plan, "mid", &op_pass, NULL);
    if (far)
        plan_node(plan, "far", far, NULL);
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "s", 0, near ? "near" : "sum", 0);
    if (near)
        plan_edge(plan, "near", 0, "sum", 0);
    link = plan_edge(plan, "sum", 0, "mid", 0);
    plan_edge(plan, "mid", 0, far ? "far" : "vault", 0);
    if (far)
        plan_edge(plan, "far", 0, "vault", 0);
    link->full = is_durable ? FULL_BLOCK : FULL_SPILL;
    link->is_durable = is_durable;
    link->capacity_messages = 16;
    link->journal_bytes = 1 << 30;
    plan_graph(plan)->checkpoint = (struct checkpoint_policy){
        arena_printf(&plan_graph(plan)->arena, "%s/kept", folder), 5000000, 5000000000, 3};
    return plan;
}

static struct parts *
start(struct plan *plan)
{
    struct engine_options options = {
        .record = arena_printf(&plan_graph(plan)->arena, "%s/kept/log", folder),
        .checkpoint = true,
        .workers = 2};
    struct err err = {0};
    struct parts *parts = parts_new(plan_graph(plan), &options, &err);

    assert_string_equal(err.text, "");
    assert_true(parts_start(parts, &err));
    return parts;
}

static void
wait_for_more(struct parts *parts, const struct store *store)
{
    struct store *written = (struct store *)(uintptr_t)store;
    uint64_t n = atomic_load(&written->n) + MORE;

    while (atomic_load(&written->n) < n)
        assert_false(parts_wait(parts, 1));
}

/* For the cuts; short: where one is not made in any time. */
static int64_t timeout_ns = 30000000000;

/* What became of it; free it. */
static Hde__EngineChanges *
change(struct parts *parts, const struct graph *graph, bool plans_only)
{
    const struct apply_ask ask = {
        .graph = graph, .plans_only = plans_only, .timeout_ns = timeout_ns, .who = "test"};
    struct err err = {0};
    uint64_t number = parts_apply_ask(parts, &ask, &err);
    Hde__EngineChanges *changes = NULL;

    assert_string_equal(err.text, "");
    do {
        if (changes)
            hde__engine_changes__free_unpacked(changes, NULL);
        assert_false(parts_wait(parts, 1));
        changes = parts_apply_changes(parts, number);
        assert_int_equal(changes->n_changes, 1);
    } while (changes->changes[0]->state <= HDE__CHANGE_STATE__CHANGE_STATE_WORKING);
    return changes;
}

static void
assert_changed(struct parts *parts, const struct graph *graph)
{
    Hde__EngineChanges *changes = change(parts, graph, false);

    if (changes->changes[0]->error)
        assert_string_equal(changes->changes[0]->error->message, "");
    assert_int_equal(changes->changes[0]->state, HDE__CHANGE_STATE__CHANGE_STATE_DONE);
    assert_true(changes->changes[0]->plan->changes > 0);
    assert_true(changes->changes[0]->pause_seconds > 0);
    assert_ptr_equal(parts_graph(parts), graph);
    hde__engine_changes__free_unpacked(changes, NULL);
}

/* Nothing has changed, anywhere. Gives the message, to be freed. */
static char *
refused(struct parts *parts, const struct graph *graph, const char *code)
{
    const struct graph *whole = parts_graph(parts), *part[2];
    Hde__EngineChanges *changes;
    char *message;

    for (size_t i = 0; i < 2; i++)
        part[i] = engine_graph(parts_engine(parts, i));
    changes = change(parts, graph, false);
    assert_int_equal(changes->changes[0]->state, HDE__CHANGE_STATE__CHANGE_STATE_REFUSED);
    assert_string_equal(changes->changes[0]->error->code, code);
    message = strdup(changes->changes[0]->error->message);
    hde__engine_changes__free_unpacked(changes, NULL);
    assert_ptr_equal(parts_graph(parts), whole);
    for (size_t i = 0; i < 2; i++)
        assert_ptr_equal(engine_graph(parts_engine(parts, i)), part[i]);
    return message;
}

static void
assert_refused(struct parts *parts, const struct graph *graph, const char *code, const char *why)
{
    char *message = refused(parts, graph, code);

    if (!strstr(message, why))
        assert_string_equal(message, why);
    free(message);
}

/* The second part does not come to its cut, when the first one has made its own. In a time that the
 * machine was too slow for the first one in, this one or no part is named: it gets more. */
static void
assert_late(struct parts *parts, const struct graph *graph)
{
    static const char why[] = "part 'mid': a node does not come to the end of its tick in time";
    int64_t patience_ns = timeout_ns;
    bool is_second = false;

    shut_gate();
    for (timeout_ns = 500000000; !is_second && timeout_ns < patience_ns; timeout_ns *= 2) {
        char *message = refused(parts, graph, "HDE-R054");

        is_second = strstr(message, why) != NULL;
        if (!is_second)
            print_message("%s\n", message);
        free(message);
    }
    assert_true(is_second);
    timeout_ns = patience_ns;
    open_gate();
}

static void
assert_unbroken(const struct store *store)
{
    long long next = 0;
    double sum = 0;

    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned port;
        long long sequence;
        double value;

        assert_int_equal(sscanf(line, "%u %lld %lf", &port, &sequence, &value), 3);
        assert_int_equal(sequence, next++);
        assert_true(value == (sum += (double)sequence));
    }
    assert_true(next > 0);
}

static size_t
count_seen(const struct parts *parts, const char *name, bool edges)
{
    size_t n = edges ? stats_edges(parts_stats(parts)) : stats_nodes(parts_stats(parts)), seen = 0;

    for (size_t i = 0; i < n; i++) {
        struct node_view node = {0};
        struct edge_view edge = {0};

        if (edges)
            stats_edge(parts_stats(parts), i, &edge);
        else
            stats_node(parts_stats(parts), i, &node);
        seen += !strcmp(edges ? edge.name : node.name, name);
    }
    return seen;
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void
change_under_way(bool is_durable)
{
    struct store store = {{0}};
    struct plan *plain = make_plan(&store, NULL, NULL, is_durable);
    struct plan *both = make_plan(&store, &op_pass, &op_pass, is_durable);
    struct parts *parts = start(plain);

    wait_for_more(parts, &store);
    for (int i = 0; i < 3; i++) {
        assert_changed(parts, plan_graph(both));
        assert_int_equal(count_seen(parts, "near", false), 1);
        assert_int_equal(count_seen(parts, "sum.0 -> mid.0", true), 1);
        wait_for_more(parts, &store);
        assert_changed(parts, plan_graph(plain));
        assert_int_equal(count_seen(parts, "near", false), 0);
        assert_int_equal(count_seen(parts, "sum.0 -> mid.0", true), 1);
        wait_for_more(parts, &store);
    }
    assert_int_equal(stats_nodes(parts_stats(parts)), plan_graph(plain)->n_nodes);
    parts_stop(parts);
    parts_free(parts);
    parts = start(plain); /* as after a crash */
    wait_for_more(parts, &store);
    parts_stop(parts);
    parts_free(parts);
    assert_unbroken(&store);
    plan_free(plain);
    plan_free(both);
    hde_text_free(&store.lines);
}

static void
test_a_change_over_parts_is_made_while_messages_flow(void **state)
{
    change_under_way(false);
}

static void
test_what_a_journal_holds_outlives_a_change(void **state)
{
    change_under_way(true);
}

static void
test_a_change_over_parts_is_made_by_all_or_none(void **state)
{
    struct store store = {{0}};
    struct plan *plain = make_plan(&store, NULL, NULL, false);
    struct plan *both = make_plan(&store, &op_pass, &op_pass, false);
    struct plan *near = make_plan(&store, &op_no_open, NULL, false);
    struct plan *far = make_plan(&store, &op_pass, &op_no_open, false);
    struct parts *parts = start(plain);

    wait_for_more(parts, &store);
    assert_refused(parts, plan_graph(far), "HDE-R001", "part 'mid'");
    assert_refused(parts, plan_graph(near), "HDE-R001", "part 's'");
    wait_for_more(parts, &store);
    assert_late(parts, plan_graph(both));
    wait_for_more(parts, &store);
    assert_changed(parts, plan_graph(both));
    wait_for_more(parts, &store);
    parts_stop(parts);
    parts_free(parts);
    assert_unbroken(&store);
    plan_free(plain);
    plan_free(both);
    plan_free(near);
    plan_free(far);
    hde_text_free(&store.lines);
}

static void
test_links_and_parts_stay_as_they_are(void **state)
{
    struct store store = {{0}};
    struct plan *plain = make_plan(&store, NULL, NULL, false);
    struct plan *other = make_plan(&store, NULL, NULL, false);
    struct plan *moved = make_plan(&store, NULL, NULL, false);
    struct parts *parts = start(plain);
    Hde__EngineChanges *changes;

    plan_graph(other)->edges[1].capacity_messages = 32;
    plan_graph(moved)->edges[1].full = FULL_BLOCK;
    plan_graph(moved)->edges[2].full = FULL_SPILL;
    wait_for_more(parts, &store);
    changes = change(parts, plan_graph(other), true);
    assert_int_equal(changes->changes[0]->state, HDE__CHANGE_STATE__CHANGE_STATE_PLANNED);
    assert_non_null(strstr(changes->changes[0]->plan->fixed, "edge 'sum.0 -> mid.0'"));
    hde__engine_changes__free_unpacked(changes, NULL);
    assert_refused(parts, plan_graph(other), "HDE-R051", "edge 'sum.0 -> mid.0'");
    assert_refused(parts, plan_graph(moved), "HDE-R051", "is another link, or none");
    parts_stop(parts);
    parts_free(parts);
    plan_free(plain);
    plan_free(other);
    plan_free(moved);
    hde_text_free(&store.lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_change_over_parts_is_made_while_messages_flow),
        TEST(test_what_a_journal_holds_outlives_a_change),
        TEST(test_a_change_over_parts_is_made_by_all_or_none),
        TEST(test_links_and_parts_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
