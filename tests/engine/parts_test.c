/* SPDX-License-Identifier: Apache-2.0
 * parts_test - a graph that links cut: order, independence, drain, and parts that are cut off. */
#include "engine/across.h"
#include "engine/parts.h"
#include "engine/stats.h"
#include "folder.h"
#include "graph/parts.h"
#include "kept_ops.h"
#include "ops.h"
#include "plan.h"

#include <hde/schemas/runtime.pb-c.h>

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 100000, COUNT = 6000 };

static const char *
in_folder(struct plan *plan, const char *name)
{
    return arena_printf(&plan_graph(plan)->arena, "%s/%s", folder, name);
}

/* ---- A sink that does as it is told ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_shut, fails;
    _Atomic uint64_t n; /* messages that went through */
};

struct gated {
    struct gate *gate;
};

static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

static hde_status
gated_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct gate *gate = ((struct gated *)state)->gate;
    bool fails;

    pthread_mutex_lock(&gate->lock);
    while (gate->is_shut)
        pthread_cond_wait(&gate->changed, &gate->lock);
    fails = gate->fails;
    pthread_mutex_unlock(&gate->lock);
    if (fails)
        return hde_fail(ctx, "gate.fails", "as the test wants");
    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *sample = (const Hde__Sample *)batch->msg[batch->done]->body;

        assert_int_equal(sample->sequence, atomic_fetch_add(&gate->n, 1));
    }
    return HDE_OK;
}

static const hde_operator op_gated = {.size = sizeof(hde_operator),
                                      .flags = HDE_BLOCKING,
                                      .name = "test/gated",
                                      .inputs = in1,
                                      .state_size = sizeof(struct gated),
                                      .batch = gated_batch};

static void
set_gate(struct gate *gate, bool is_shut)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_shut = is_shut;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

#define GATE                                                                                       \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                     \
    }

/* s -> pass, pass -> near, pass -spill-> far */
static struct plan *
gate_plan(struct gate *near, struct gate *far, int64_t count, bool stay)
{
    struct plan *plan = plan_new("cut");
    struct graph_edge *edge;

    plan_node(plan, "s", &op_feed, &(struct feed){.count = count, .per_poll = 1, .stay = stay});
    plan_node(plan, "pass", &op_mix, NULL);
    plan_node(plan, "near", &op_gated, &(struct gated){near});
    plan_node(plan, "far", &op_gated, &(struct gated){far});
    plan_edge(plan, "s", 0, "pass", 0);
    plan_edge(plan, "pass", 0, "near", 0);
    edge = plan_edge(plan, "pass", 0, "far", 0);
    edge->full = FULL_SPILL;
    edge->capacity_messages = 16;
    edge->journal = in_folder(plan, "journal");
    edge->journal_bytes = 1 << 30;
    return plan;
}

static struct parts *
start(struct plan *plan, const struct engine_options *options)
{
    struct err err = {0};
    struct parts *parts = parts_new(plan_graph(plan), options, &err);

    assert_string_equal(err.text, "");
    assert_true(parts_start(parts, &err));
    return parts;
}

static void
wait_until(_Atomic uint64_t *n, uint64_t wanted)
{
    struct timespec begin, now;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (atomic_load(n) < wanted && now.tv_sec - begin.tv_sec < DEADLINE_MS / 1000);
    assert_true(atomic_load(n) >= wanted);
}

static struct edge_view
view_link(const struct parts *parts)
{
    struct edge_view view;

    for (size_t i = 0; i < stats_edges(parts_stats(parts)); i++) {
        stats_edge(parts_stats(parts), i, &view);
        if (view.kind == EDGE_SPILL || view.kind == EDGE_JOURNAL)
            return view;
    }
    fail();
    return view;
}

static void
test_all_that_is_sent_arrives_in_order(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, 5000, false);
    struct parts *parts = start(plan, NULL);
    struct node_view node;
    struct head_view head;

    assert_int_equal(parts_count(parts), 2);
    assert_string_equal(parts_name(parts, 0), "s");
    assert_string_equal(parts_name(parts, 1), "far");
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(parts_state(parts), ENGINE_ENDED);
    assert_int_equal(near.n, 5000);
    assert_int_equal(far.n, 5000);
    assert_int_equal(view_link(parts).messages, 5000);
    assert_int_equal(view_link(parts).depth_messages, 0);
    assert_int_equal(stats_nodes(parts_stats(parts)), 4);
    stats_node(parts_stats(parts), 3, &node);
    assert_string_equal(node.name, "far");
    assert_int_equal(node.messages, 5000);
    stats_head(parts_stats(parts), &head);
    assert_int_equal(head.state, ENGINE_ENDED);
    assert_true(head.entries >= 10000);
    parts_free(parts);
    plan_free(plan);
}

static void
test_under_the_virtual_clock_a_link_is_an_edge_that_blocks(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, 500, false);
    struct parts *parts = start(plan, &(struct engine_options){.virtual_clock = true});

    assert_int_equal(parts_count(parts), 1);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(near.n, 500);
    assert_int_equal(far.n, 500);
    parts_free(parts);
    plan_free(plan);
}

static void
test_a_part_that_hangs_stops_itself_alone(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, 5000, false);
    struct parts *parts;

    set_gate(&far, true);
    parts = start(plan, NULL);
    wait_until(&near.n, 5000);
    assert_true(far.n < 2);
    assert_true(view_link(parts).spilled > 3000);
    assert_true(view_link(parts).depth_messages > 3000);
    assert_false(parts_wait(parts, 10));
    set_gate(&far, false);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(parts_state(parts), ENGINE_ENDED);
    assert_int_equal(far.n, 5000);
    parts_free(parts);
    plan_free(plan);
}

static void
test_at_the_bound_the_sender_waits_and_goes_on(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, 5000, false);
    struct parts *parts;

    for (size_t e = 0; e < plan_graph(plan)->n_edges; e++)
        plan_graph(plan)->edges[e].journal_bytes = 64 << 10;
    set_gate(&far, true);
    parts = start(plan, NULL);
    while (!view_link(parts).blocked)
        assert_false(parts_wait(parts, 1));
    assert_true(near.n < 5000);
    set_gate(&far, false);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(near.n, 5000);
    assert_int_equal(far.n, 5000);
    parts_free(parts);
    plan_free(plan);
}

static void
test_a_drain_reaches_the_last_part(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, INT64_MAX, false);
    struct parts *parts;

    set_gate(&far, true);
    parts = start(plan, NULL);
    wait_until(&near.n, 1000);
    parts_drain(parts);
    assert_int_equal(parts_state(parts), ENGINE_DRAINING);
    set_gate(&far, false);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(parts_state(parts), ENGINE_ENDED);
    assert_int_equal(far.n, near.n);
    parts_free(parts);
    plan_free(plan);
}

static void
test_a_part_that_fails_ends_alone(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, INT64_MAX, false);
    struct parts *parts;
    hde_health health = {.size = sizeof health};
    uint64_t before;

    far.fails = true;
    parts = start(plan, NULL);
    while (engine_state(parts_engine(parts, 1)) != ENGINE_FAILED)
        assert_false(parts_wait(parts, 1));
    before = near.n;
    wait_until(&near.n, before + 1000);
    assert_int_equal(parts_state(parts), ENGINE_RUNNING);
    parts_health(parts, &health);
    assert_false(health.ready);
    assert_non_null(strstr(health.reason, "as the test wants"));
    parts_drain(parts);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(parts_state(parts), ENGINE_FAILED);
    assert_string_equal(parts_error(parts)->code, "HDE-R010");
    parts_free(parts);
    plan_free(plan);
}

static void
test_what_is_behind_a_part_that_fails_runs_empty(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, INT64_MAX, false);
    struct parts *parts = start(plan, NULL);

    wait_until(&far.n, 100);
    pthread_mutex_lock(&near.lock);
    near.fails = true;
    pthread_mutex_unlock(&near.lock);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_int_equal(parts_state(parts), ENGINE_FAILED);
    assert_int_equal(view_link(parts).depth_messages, 0);
    assert_int_equal(view_link(parts).messages, far.n);
    parts_free(parts);
    plan_free(plan);
}

static void
test_a_link_is_tapped_where_it_is_put(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, INT64_MAX, false);
    struct parts *parts = start(plan, NULL);
    struct tap_item item;
    struct tap *tap;

    for (size_t e = 0; e < plan_graph(plan)->n_edges; e++) {
        tap = parts_tap_open(parts, e, 16);
        assert_non_null(tap);
        assert_true(tap_next(tap, &item, DEADLINE_MS));
        engine_tap_close(tap);
    }
    parts_free(parts);
    plan_free(plan);
}

static void
test_a_cut_graph_keeps_its_order(void **state)
{
    struct gate near = GATE, far = GATE;
    struct plan *plan = gate_plan(&near, &far, 1, false);
    struct graph_cut cut = {.n_parts = 0};

    graph_cut(plan_graph(plan), &cut);
    assert_int_equal(cut.n_parts, 2);
    assert_int_equal(cut.n_links, 1);
    assert_int_equal(cut.parts[0].graph.n_nodes, 4); /* s, pass, near, the end */
    assert_int_equal(cut.parts[1].graph.n_nodes, 2); /* the end, far */
    assert_ptr_equal(cut.links[0].sender, &cut.parts[0].graph.nodes[3]);
    assert_ptr_equal(cut.links[0].receiver, &cut.parts[1].graph.nodes[0]);
    assert_string_equal(cut.parts[1].graph.nodes[1].name, "far");
    assert_true(cut.parts[0].has_source);
    assert_false(cut.parts[1].has_source);
    for (size_t p = 0; p < 2; p++)
        for (size_t e = 1; e < cut.parts[p].graph.n_edges; e++)
            assert_true(cut.parts[p].graph.edges[e - 1].from <= cut.parts[p].graph.edges[e].from);
    graph_cut_fini(&cut);
    plan_free(plan);
}

/* ---- A store that hangs ---- */

struct hanging {
    struct vault vault;
    struct gate *gate;
};

static hde_status
hanging_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct hanging *self = state;

    pthread_mutex_lock(&self->gate->lock);
    while (self->gate->is_shut)
        pthread_cond_wait(&self->gate->changed, &self->gate->lock);
    pthread_mutex_unlock(&self->gate->lock);
    return op_vault.flush(ctx, &self->vault, tick);
}

static hde_operator op_hanging; /* op_vault with that flush() and more state */

/* ---- Cut off ---- */

static int64_t kept_count = COUNT; /* what each source of a kept plan emits */

/* s -> sum -link-> vault.a, y -> sum_y -link-> vault.b: three parts */
static struct plan *
kept_plan(struct store *store, bool is_durable, int64_t every_ns)
{
    struct plan *plan = plan_new("kept");
    struct graph *graph;

    plan_node(plan, "s", &op_steps, &(struct steps){.count = kept_count});
    plan_node(plan, "y", &op_steps_blocking, &(struct steps){.count = kept_count});
    plan_node(plan, "sum_s", &op_sum, NULL);
    plan_node(plan, "sum_y", &op_sum, NULL)->boundary = true;
    plan_node(plan, "vault", &op_vault, &(struct vault){.store = store});
    plan_edge(plan, "s", 0, "sum_s", 0);
    plan_edge(plan, "y", 0, "sum_y", 0);
    for (unsigned i = 0; i < 2; i++) {
        struct graph_edge *edge = plan_edge(plan, i ? "sum_y" : "sum_s", 0, "vault", i);

        edge->full = is_durable ? FULL_BLOCK : FULL_SPILL;
        edge->is_durable = is_durable;
        edge->capacity_messages = 64;
        edge->journal_bytes = 1 << 30;
    }
    graph = plan_graph(plan);
    graph->checkpoint =
        (struct checkpoint_policy){in_folder(plan, "kept"), every_ns, 5000000000, 3};
    return plan;
}

static struct engine_options
kept_options(struct plan *plan)
{
    return (struct engine_options){
        .record = in_folder(plan, "kept/log"), .checkpoint = true, .workers = 2};
}

/* Until so many lines are stored; true: it came to its end. */
static bool
run_until(struct store *store, uint64_t n, bool is_durable, int64_t every_ns, bool drains)
{
    struct plan *plan = kept_plan(store, is_durable, every_ns);
    struct engine_options options = kept_options(plan);
    struct parts *parts = start(plan, &options);
    struct timespec begin, now;
    bool is_over = false;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (atomic_load(&store->n) < n && !(is_over = parts_wait(parts, 1))) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        assert_true(now.tv_sec - begin.tv_sec < DEADLINE_MS / 1000);
    }
    if (drains) {
        parts_drain(parts);
        assert_true(parts_wait(parts, DEADLINE_MS));
    }
    assert_string_equal(parts_error(parts)->text, "");
    parts_stop(parts);
    parts_free(parts);
    plan_free(plan);
    return is_over;
}

/* Every line of each port once, in order, with the right sum; gives how many. */
static int64_t
assert_unbroken(const struct store *store)
{
    int64_t next[2] = {0, 0};
    double sum[2] = {0, 0};

    for (const char *line = store->lines.data; line && *line; line = strchr(line, '\n') + 1) {
        unsigned port;
        long long sequence;
        double value;

        assert_int_equal(sscanf(line, "%u %lld %lf", &port, &sequence, &value), 3);
        assert_int_equal(sequence, next[port]++);
        assert_true(value == (sum[port] += (double)sequence));
    }
    return next[0] + next[1];
}

static void
cut_off(bool is_durable)
{
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    struct store store = {{0}};
    int starts = 1;

    print_message("HDE_SEED=%u\n", seed);
    for (uint64_t n = 1;
         !run_until(&store, n, is_durable, (int64_t)(2 + rand_r(&seed) % 30) * 1000000, false);
         n = atomic_load(&store.n) + 1 + (uint64_t)rand_r(&seed) % 1500) {
        assert_unbroken(&store);
        starts++;
    }
    print_message("%d starts\n", starts);
    assert_true(starts > 4);
    assert_int_equal(assert_unbroken(&store), 2 * COUNT);
    assert_true(run_until(&store, UINT64_MAX, is_durable, 5000000, false)); /* nothing left to do */
    assert_int_equal(assert_unbroken(&store), 2 * COUNT);
    hde_text_free(&store.lines);
}

static void
test_parts_that_are_cut_off_lose_and_double_nothing(void **state)
{
    cut_off(false);
}

static void
test_with_a_journal_of_everything_neither(void **state)
{
    cut_off(true);
}

static void
test_drained_parts_go_on_where_they_stood(void **state)
{
    struct store store = {{0}};

    for (uint64_t n = 500; n < 2 * COUNT; n += 2500)
        run_until(&store, n, false, 1000000000000, true);
    assert_true(assert_unbroken(&store) >= 500);
    while (!run_until(&store, UINT64_MAX, false, 1000000000000, false))
        ;
    assert_int_equal(assert_unbroken(&store), 2 * COUNT);
    hde_text_free(&store.lines);
}

static uint64_t
epochs_in(const char *part)
{
    char path[128];
    struct dirent *entry;
    uint64_t newest = 0, tick;
    DIR *dir;

    snprintf(path, sizeof path, "%s/kept/parts/%s/epochs", folder, part);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (sscanf(entry->d_name, "epoch-%20" SCNu64, &tick) == 1 && tick > newest)
            newest = tick;
    if (dir)
        closedir(dir);
    return newest;
}

/* Its flush() waits until the gate opens. */
static void
hang_vault(struct plan *plan, struct store *store, struct gate *gate)
{
    struct graph *graph = plan_graph(plan);

    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!strcmp(graph->nodes[i].name, "vault")) {
            graph->nodes[i].op = &op_hanging;
            graph->nodes[i].params = arena_alloc(&graph->arena, sizeof(struct hanging));
            *(struct hanging *)(uintptr_t)graph->nodes[i].params =
                (struct hanging){{.store = store}, gate};
        }
    set_gate(gate, true);
}

/* E2: the store hangs in flush(); the parts in front of it keep their epochs and run to their end. */
static void
test_epochs_go_on_while_a_part_hangs(void **state)
{
    struct store store = {{0}};
    struct gate gate = GATE;
    struct plan *plan = kept_plan(&store, false, 5000000);
    struct engine_options options = kept_options(plan);
    struct parts *parts;
    uint64_t before;

    hang_vault(plan, &store, &gate);
    parts = start(plan, &options);
    while (!(before = epochs_in("s")))
        assert_false(parts_wait(parts, 1));
    while (epochs_in("s") == before && engine_state(parts_engine(parts, 0)) == ENGINE_RUNNING)
        assert_false(parts_wait(parts, 1));
    while (engine_state(parts_engine(parts, 0)) == ENGINE_RUNNING ||
           engine_state(parts_engine(parts, 1)) == ENGINE_RUNNING)
        assert_false(parts_wait(parts, 1));
    assert_true(epochs_in("s") > before);
    assert_int_equal(store.n, 0);
    assert_int_equal(epochs_in("vault"), 0);
    set_gate(&gate, false);
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_string_equal(parts_error(parts)->text, "");
    parts_free(parts);
    plan_free(plan);
    assert_int_equal(assert_unbroken(&store), 2 * COUNT);
    hde_text_free(&store.lines);
}

static void
test_the_store_of_other_parts_is_refused(void **state)
{
    struct store store = {{0}};
    struct plan *plan;
    struct engine_options options;
    struct err err = {0};

    run_until(&store, 100, false, 5000000, true);
    plan = kept_plan(&store, false, 5000000);
    for (size_t e = 0; e < plan_graph(plan)->n_edges; e++)
        plan_graph(plan)->edges[e].full = FULL_BLOCK;
    options = kept_options(plan);
    assert_null(parts_new(plan_graph(plan), &options, &err));
    assert_string_equal(err.code, "HDE-R073");
    plan_free(plan);
    hde_text_free(&store.lines);
}

static void
test_the_logs_of_all_parts_give_the_store_again(void **state)
{
    struct store store = {{0}}, again = {{0}};
    struct plan *plan;
    struct parts *parts;

    run_until(&store, UINT64_MAX, false, 1000000000000, false);
    plan = kept_plan(&again, false, 0);
    parts = start(plan, &(struct engine_options){.log = in_folder(plan, "kept/log")});
    assert_true(parts_wait(parts, DEADLINE_MS));
    assert_string_equal(parts_error(parts)->text, "");
    parts_free(parts);
    plan_free(plan);
    assert_int_equal(store.lines.len, again.lines.len);
    assert_string_equal(store.lines.data, again.lines.data);
    hde_text_free(&store.lines);
    hde_text_free(&again.lines);
}

/* ---- Savepoints --------------------------------------------------------------------------- */

static struct parts *
start_kept(struct store *store, bool is_durable, int64_t every_ns, struct plan **plan)
{
    struct engine_options options;

    *plan = kept_plan(store, is_durable, every_ns);
    options = kept_options(*plan);
    return start(*plan, &options);
}

/* Until so many more lines are stored, then as after a crash. */
static void
run_on(struct parts *parts, struct plan *plan, struct store *store, uint64_t n)
{
    n += atomic_load(&store->n);
    while (atomic_load(&store->n) < n)
        assert_false(parts_wait(parts, 1));
    parts_stop(parts);
    parts_free(parts);
    plan_free(plan);
}

static struct savepoint_report
wait_for_savepoint(struct parts *parts, const char *name)
{
    struct savepoint_report report;

    do {
        assert_false(parts_wait(parts, 1));
        parts_savepoint_report(parts, name, &report);
    } while (report.state == SAVEPOINT_WAITING);
    return report;
}

static Hde__Epoch *
read_savepoint(const char *name)
{
    char path[128];
    struct err err = {0};
    Hde__Epoch *savepoint;

    snprintf(path, sizeof path, "%s/kept/savepoints/%s", folder, name);
    savepoint = savepoint_read(path, &err);
    assert_string_equal(err.text, "");
    return savepoint;
}

/* What a source had emitted at the cut. */
static int64_t
position_in(const Hde__Epoch *savepoint, const char *source)
{
    int64_t at = -1;

    for (size_t p = 0; p < savepoint->n_parts; p++)
        for (size_t i = 0; i < savepoint->parts[p]->n_sources; i++) {
            const Hde__SavedSource *saved = savepoint->parts[p]->sources[i];

            if (!strcmp(saved->node, source) && saved->n_positions)
                memcpy(&at, saved->positions[0]->at.data, sizeof at);
        }
    assert_true(at > 0);
    return at;
}

/* The lines go on at the cut: what was behind it comes, what was in front of it does not. */
static void
assert_goes_on(const char *lines, const Hde__Epoch *savepoint)
{
    int64_t next[2] = {position_in(savepoint, "s"), position_in(savepoint, "y")};
    double sum[2];

    for (unsigned i = 0; i < 2; i++)
        sum[i] = (double)next[i] * (double)(next[i] - 1) / 2;
    assert_true(lines && *lines);
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
        unsigned port;
        long long sequence;
        double value;

        assert_int_equal(sscanf(line, "%u %lld %lf", &port, &sequence, &value), 3);
        assert_int_equal(sequence, next[port]++);
        assert_true(value == (sum[port] += (double)sequence));
    }
}

static void
restore_savepoint(const Hde__Epoch *savepoint)
{
    char store[128], log[128];
    struct err err = {0};

    snprintf(store, sizeof store, "%s/kept", folder);
    snprintf(log, sizeof log, "%s/kept/log", folder);
    assert_true(savepoint_restore(store, log, savepoint, &err));
}

static void
go_back(bool is_durable)
{
    struct store store = {{0}};
    struct plan *plan;
    struct parts *parts = start_kept(&store, is_durable, 3000000, &plan);
    struct savepoint_report report;
    Hde__Epoch *savepoint;
    struct err err = {0};
    size_t lines;

    while (atomic_load(&store.n) < 2000)
        assert_false(parts_wait(parts, 1));
    assert_true(parts_savepoint_ask(parts, "first", &err));
    report = wait_for_savepoint(parts, "first");
    assert_string_equal(report.err.text, "");
    assert_int_equal(report.state, SAVEPOINT_DONE);
    assert_false(parts_savepoint_ask(parts, "first", &err));
    assert_string_equal(err.code, "HDE-R085");
    run_on(parts, plan, &store, 2000);
    assert_unbroken(&store);

    savepoint = read_savepoint("first");
    assert_int_equal(savepoint->n_parts, 3);
    restore_savepoint(savepoint);
    lines = store.lines.len;
    parts = start_kept(&store, is_durable, 1000000000000, &plan);
    run_on(parts, plan, &store, 3000);
    assert_goes_on(store.lines.data + lines, savepoint);
    for (int i = 0; i < 2;
         i++) { /* crashes after that, before there is another epoch and behind it */
        parts = start_kept(&store, is_durable, i ? 3000000 : 2000000, &plan);
        run_on(parts, plan, &store, 3000);
        assert_goes_on(store.lines.data + lines, savepoint);
    }
    hde__epoch__free_unpacked(savepoint, NULL);
    hde_text_free(&store.lines);
}

static void
test_a_savepoint_over_parts_is_one_cut(void **state)
{
    kept_count = INT64_MAX;
    go_back(false);
    kept_count = COUNT;
}

static void
test_a_restored_graph_in_parts_goes_on_as_one(void **state)
{
    kept_count = INT64_MAX;
    go_back(true); /* what its journals had is of the run that was left */
    kept_count = COUNT;
}

static void
test_a_savepoint_ends_with_a_part_that_is_stopped(void **state)
{
    struct store store = {{0}};
    struct gate gate = GATE;
    struct plan *plan = kept_plan(&store, false, 3000000);
    struct engine_options options = kept_options(plan);
    struct savepoint_report report;
    struct parts *parts;
    struct err err = {0};

    for (size_t i = 0; i < plan_graph(plan)->n_nodes; i++)
        if (plan_graph(plan)->nodes[i].op->poll) /* they stay */
            ((struct steps *)(uintptr_t)plan_graph(plan)->nodes[i].params)->count = INT64_MAX;
    hang_vault(plan, &store, &gate);
    parts = start(plan, &options);
    while (!view_link(parts).spilled)
        assert_false(parts_wait(parts, 1));
    assert_true(parts_savepoint_ask(parts, "never", &err));
    assert_false(parts_savepoint_ask(parts, "other", &err)); /* the vault has not come to its cut */
    assert_string_equal(err.code, "HDE-R086");
    engine_stop(parts_engine(parts, 0));
    report = wait_for_savepoint(parts, "never");
    assert_int_equal(report.state, SAVEPOINT_FAILED);
    assert_string_equal(report.err.code, "HDE-R121");
    err = (struct err){0};
    assert_false(parts_savepoint_ask(parts, "again", &err));
    assert_string_equal(err.code, "HDE-R121");
    set_gate(&gate, false);
    while (atomic_load(&store.n) < 5000) /* no marker is left in its way */
        assert_false(parts_wait(parts, 1));
    parts_stop(parts);
    parts_free(parts);
    plan_free(plan);
    assert_unbroken(&store);
    hde_text_free(&store.lines);
}

/* The source of one part ends early, that of the other one never. */
static struct parts *
start_uneven(struct store *store, struct plan **plan)
{
    struct engine_options options;

    *plan = kept_plan(store, false, 1000000000000);
    for (size_t i = 0; i < plan_graph(*plan)->n_nodes; i++)
        if (!strcmp(plan_graph(*plan)->nodes[i].name, "y"))
            ((struct steps *)(uintptr_t)plan_graph(*plan)->nodes[i].params)->count = INT64_MAX;
    options = kept_options(*plan);
    return start(*plan, &options);
}

static void
wait_for_end(struct parts *parts, const char *part)
{
    for (size_t i = 0; i < parts_count(parts); i++)
        if (!strcmp(parts_name(parts, i), part))
            assert_true(engine_wait(parts_engine(parts, i), DEADLINE_MS));
}

static void
test_a_part_that_has_ended_is_in_the_savepoint(void **state)
{
    struct store store = {{0}};
    struct plan *plan;
    struct parts *parts = start_uneven(&store, &plan);
    Hde__Epoch *savepoint;
    struct err err = {0};
    size_t lines;

    wait_for_end(parts, "s");
    assert_true(parts_savepoint_ask(parts, "first", &err));
    assert_string_equal(wait_for_savepoint(parts, "first").err.text, "");
    run_on(parts, plan, &store, 2000);
    savepoint = read_savepoint("first");
    assert_int_equal(savepoint->n_parts, 3);
    assert_int_equal(position_in(savepoint, "s"), COUNT);
    restore_savepoint(savepoint);
    lines = store.lines.len;
    parts = start_uneven(&store, &plan); /* the part ends at once, and the rest goes on */
    wait_for_end(parts, "s");
    assert_true(parts_savepoint_ask(parts, "second", &err));
    assert_string_equal(wait_for_savepoint(parts, "second").err.text, "");
    run_on(parts, plan, &store, 3000);
    assert_goes_on(store.lines.data + lines, savepoint);
    hde__epoch__free_unpacked(savepoint, NULL);
    hde_text_free(&store.lines);
}

static void
note_unfit(void *arg, enum savepoint_fit fit, const char *node, const char *text)
{
    if (fit == SAVEPOINT_UNFIT)
        snprintf(arg, 200, "%s %s", node, text);
}

static void
test_a_savepoint_of_other_parts_is_refused(void **state)
{
    static const char *const why[] = {"kept has 3 parts, and the graph has 1",
                                      "kept has 3 parts, and the graph has 2", ""};
    struct store store = {{0}};
    struct plan *plan;
    struct parts *parts;
    Hde__Epoch *savepoint;
    struct err err = {0};
    char kept[64], old[64];

    kept_count = INT64_MAX;
    parts = start_kept(&store, false, 3000000, &plan);
    assert_true(parts_savepoint_ask(parts, "first", &err));
    assert_int_equal(wait_for_savepoint(parts, "first").state, SAVEPOINT_DONE);
    run_on(parts, plan, &store, 1);
    savepoint = read_savepoint("first");
    snprintf(kept, sizeof kept, "%s/kept", folder);
    snprintf(old, sizeof old, "%s/old", folder);
    assert_int_equal(rename(kept, old), 0);
    restore_savepoint(savepoint);
    for (int links = 2; links >= 0; links--) {
        struct graph *graph;
        struct engine_options options;
        char found[200] = "";

        plan = kept_plan(&store, false, 3000000);
        graph = plan_graph(plan);
        for (int e = 0, n = 0; e < (int)graph->n_edges; e++)
            if (graph->edges[e].full == FULL_SPILL && n++ >= links)
                graph->edges[e].full = FULL_BLOCK;
        options = kept_options(plan);
        err = (struct err){0};
        assert_int_equal(across_check(savepoint, graph, note_unfit, found), links == 2);
        assert_string_equal(found, why[links]);
        if (links < 2) {
            assert_null(parts_new(graph, &options, &err));
            assert_string_equal(err.code, "HDE-R120");
        }
        plan_free(plan);
    }
    hde__epoch__free_unpacked(savepoint, NULL);
    kept_count = COUNT;
    hde_text_free(&store.lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cut_graph_keeps_its_order),
        TEST(test_all_that_is_sent_arrives_in_order),
        TEST(test_under_the_virtual_clock_a_link_is_an_edge_that_blocks),
        TEST(test_a_part_that_hangs_stops_itself_alone),
        TEST(test_at_the_bound_the_sender_waits_and_goes_on),
        TEST(test_a_drain_reaches_the_last_part),
        TEST(test_a_part_that_fails_ends_alone),
        TEST(test_what_is_behind_a_part_that_fails_runs_empty),
        TEST(test_a_link_is_tapped_where_it_is_put),
        TEST(test_parts_that_are_cut_off_lose_and_double_nothing),
        TEST(test_with_a_journal_of_everything_neither),
        TEST(test_drained_parts_go_on_where_they_stood),
        TEST(test_epochs_go_on_while_a_part_hangs),
        TEST(test_the_store_of_other_parts_is_refused),
        TEST(test_the_logs_of_all_parts_give_the_store_again),
        TEST(test_a_savepoint_over_parts_is_one_cut),
        TEST(test_a_restored_graph_in_parts_goes_on_as_one),
        TEST(test_a_savepoint_ends_with_a_part_that_is_stopped),
        TEST(test_a_part_that_has_ended_is_in_the_savepoint),
        TEST(test_a_savepoint_of_other_parts_is_refused),
    };

    op_hanging = op_vault;
    op_hanging.flush = hanging_flush;
    op_hanging.state_size = sizeof(struct hanging);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
