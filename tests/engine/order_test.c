/* SPDX-License-Identifier: Apache-2.0
 * order_test - what comes out of random graphs depends on the input alone.
 *
 * Every seed makes a graph: sources (some silent, some blocking), filters, amplifiers, forks, nodes
 * with two inputs, diamonds. A plain reference executor in this file says what each sink must get,
 * tick by tick. Then the engine runs the graph on different placements: fused, one and two workers,
 * boundaries everywhere, capacity 1, ZeroMQ edges, blocking nodes, replicas.
 * HDE_SEEDS=n runs n seeds, HDE_ONE=s runs one. */
#include "engine/run.h"
#include "ops.h"
#include "plan.h"

#include <hde/schemas/runtime.pb-c.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    DEADLINE_MS = 30000,
    NODES = 14,
    EDGES = 48,
    REPLICAS = 3,
    SEEDS = 150,
};

static uint64_t seed_state;

static uint32_t
random_below(uint32_t n)
{
    seed_state = seed_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed_state >> 33) % n;
}

/* ---- A random graph ----------------------------------------------------------------------- */

enum kind { FEED, MIX, MIX2, FORK, SINK };

struct spec_node {
    enum kind kind;
    struct feed feed;
    struct mix mix;
    uint32_t replicas;
    bool can_block, by_each;
    char name[16];
};

struct spec_edge {
    uint32_t from, to;
    unsigned from_port, to_port;
};

struct spec {
    uint32_t n_nodes, n_edges, n_sources;
    struct spec_node node[NODES];
    struct spec_edge edge[EDGES];
};

static unsigned
inputs_of(enum kind kind)
{
    return kind == FEED ? 0 : kind == MIX2 || kind == SINK ? 2 : 1;
}

static unsigned
outputs_of(enum kind kind)
{
    return kind == SINK ? 0 : kind == FORK ? 2 : 1;
}

static void
random_feed(struct feed *feed, uint32_t index)
{
    *feed = (struct feed){.count = random_below(60),
                          .per_poll = 1 + random_below(4),
                          .first = 1000 * index,
                          .start_ns = random_below(50),
                          .step_ns = random_below(8),
                          .keys = 1 + random_below(5),
                          .silent_every = random_below(3) ? 0 : 2 + random_below(3)};
}

static void
connect_input(struct spec *spec, uint32_t to, unsigned port)
{
    uint32_t from;

    do
        from = random_below(to);
    while (!outputs_of(spec->node[from].kind));
    spec->edge[spec->n_edges++] =
        (struct spec_edge){from, to, random_below(outputs_of(spec->node[from].kind)), port};
}

/* The engine wants edges by (from, from port, order made): so does the reference. */
static int
by_origin(const void *a, const void *b)
{
    const struct spec_edge *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->from_port != y->from_port)
        return x->from_port < y->from_port ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->to_port < y->to_port ? -1 : x->to_port > y->to_port;
}

static void
random_spec(struct spec *spec)
{
    static const enum kind kinds[] = {MIX, MIX, MIX2, MIX2, FORK};
    uint32_t sources = 1 + random_below(3), middle = 1 + random_below(7);
    uint32_t sinks = 1 + random_below(2);

    memset(spec, 0, sizeof *spec);
    spec->n_sources = sources;
    spec->n_nodes = sources + middle + sinks;
    for (uint32_t i = 0; i < spec->n_nodes; i++) {
        struct spec_node *node = &spec->node[i];

        snprintf(node->name, sizeof node->name, "n%u", i);
        node->replicas = 1;
        node->kind = i < sources ? FEED : i < sources + middle ? kinds[random_below(5)] : SINK;
        if (node->kind == FEED)
            random_feed(&node->feed, i);
        node->mix.salt = i;
        if (random_below(4) == 0)
            node->mix.drop_every = 2 + random_below(3);
        else if (random_below(4) == 0)
            node->mix.amplify = 1 + random_below(6);
        node->by_each = random_below(2);
        node->can_block = node->kind != FORK && node->kind != MIX2;
        if (node->kind == MIX && random_below(5) == 0)
            node->replicas = 2 + random_below(REPLICAS - 1);
        for (unsigned p = 0; p < inputs_of(node->kind); p++)
            for (uint32_t k = random_below(4) == 0 ? 2 : 1; k; k--)
                connect_input(spec, i, p);
    }
    qsort(spec->edge, spec->n_edges, sizeof *spec->edge, by_origin);
}

/* ---- The reference ------------------------------------------------------------------------ */

struct item {
    uint64_t sequence;
    double value;
    int64_t event_ns;
    char key[8];
};

struct list {
    struct item *at;
    uint32_t n, cap;
};

static void
push(struct list *list, const struct item *item)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 16;
        list->at = realloc(list->at, list->cap * sizeof *list->at);
    }
    list->at[list->n++] = *item;
}

struct reference {
    const struct spec *spec;
    struct list edge[EDGES][REPLICAS][REPLICAS]; /* from replica, to replica */
    int64_t seen[NODES][REPLICAS];
    hde_text out[NODES];
    uint64_t tick;
};

static uint32_t
replica_for(const struct spec_node *node, const struct item *item)
{
    static const char *const names[] = {"key"};
    Hde__Sample sample = HDE__SAMPLE__INIT;

    sample.key = (char *)(uintptr_t)item->key;
    return node->replicas == 1
               ? 0
               : (uint32_t)(key_hash(&(struct key){1, names}, &sample.base) % node->replicas);
}

static void
send(struct reference *ref, uint32_t node, uint32_t replica, unsigned port, const struct item *item)
{
    for (uint32_t e = 0; e < ref->spec->n_edges; e++) {
        const struct spec_edge *edge = &ref->spec->edge[e];

        if (edge->from == node && edge->from_port == port)
            push(&ref->edge[e][replica][replica_for(&ref->spec->node[edge->to], item)], item);
    }
}

static void
work(struct reference *ref, uint32_t n, uint32_t replica, unsigned port, struct item item)
{
    const struct spec_node *node = &ref->spec->node[n];

    switch (node->kind) {
    case FORK:
        send(ref, n, replica, item.sequence & 1, &item);
        break;
    case MIX:
    case MIX2:
        ref->seen[n][replica]++;
        if (node->mix.drop_every && item.sequence % (uint64_t)node->mix.drop_every == 0)
            break;
        item.value = (double)(uint32_t)((uint32_t)item.value * 31u +
                                        (uint32_t)(node->mix.salt + port + ref->seen[n][replica]));
        for (int64_t i = 0; i <= node->mix.amplify; i++)
            send(ref, n, replica, 0, &item);
        break;
    case SINK:
        hde_text_printf(&ref->out[n], "%llu %u %llu %.17g %lld\n", (unsigned long long)ref->tick,
                        port, (unsigned long long)item.sequence, item.value,
                        (long long)item.event_ns);
        break;
    case FEED:
        break;
    }
}

static void
run_node(struct reference *ref, uint32_t n)
{
    const struct spec_node *node = &ref->spec->node[n];

    for (uint32_t replica = 0; replica < node->replicas; replica++)
        for (unsigned port = 0; port < inputs_of(node->kind); port++)
            for (uint32_t e = 0; e < ref->spec->n_edges; e++) {
                const struct spec_edge *edge = &ref->spec->edge[e];

                if (edge->to != n || edge->to_port != port)
                    continue;
                for (uint32_t from = 0; from < ref->spec->node[edge->from].replicas; from++) {
                    struct list *list = &ref->edge[e][from][replica];

                    for (uint32_t i = 0; i < list->n; i++)
                        work(ref, n, replica, port, list->at[i]);
                    list->n = 0;
                }
            }
}

/* The next entry of a feed: its messages, or its end. */
struct shown {
    bool is_end;
    int64_t event_ns, first, n;
};

static struct shown
show(struct feed *feed, int64_t clock_ns)
{
    struct shown shown = {.first = feed->at};

    for (;;) {
        feed->polls++;
        if (feed->at == feed->count) {
            shown.is_end = true;
            shown.event_ns = clock_ns;
            return shown;
        }
        if (!feed->silent_every || feed->polls % feed->silent_every)
            break;
    }
    shown.n = feed->per_poll < feed->count - feed->at ? feed->per_poll : feed->count - feed->at;
    shown.event_ns = feed->start_ns + feed->at * feed->step_ns;
    feed->at += shown.n;
    return shown;
}

static void
enter(struct reference *ref, uint32_t source, const struct shown *shown)
{
    const struct feed *feed = &ref->spec->node[source].feed;

    ref->tick++;
    for (int64_t i = shown->first; i < shown->first + shown->n; i++) {
        struct item item = {.sequence = (uint64_t)(feed->first + i),
                            .value = (double)i,
                            .event_ns = feed->start_ns + i * feed->step_ns};

        snprintf(item.key, sizeof item.key, "k%d", (int)(i % feed->keys));
        send(ref, source, 0, 0, &item);
    }
    for (uint32_t n = 0; n < ref->spec->n_nodes; n++)
        run_node(ref, n);
}

static void
run_reference(struct reference *ref, const struct spec *spec)
{
    struct feed feed[NODES];
    struct shown next[NODES];
    int64_t clock_ns[NODES];
    bool ended[NODES] = {false};

    ref->spec = spec;
    for (uint32_t s = 0; s < spec->n_sources; s++) {
        feed[s] = spec->node[s].feed;
        clock_ns[s] = INT64_MIN;
        next[s] = show(&feed[s], clock_ns[s]);
    }
    for (;;) {
        uint32_t best = UINT32_MAX;

        for (uint32_t s = 0; s < spec->n_sources; s++)
            if (!ended[s] && (best == UINT32_MAX || next[s].event_ns < next[best].event_ns))
                best = s;
        if (best == UINT32_MAX)
            return;
        enter(ref, best, &next[best]);
        ended[best] = next[best].is_end;
        if (next[best].n)
            clock_ns[best] = next[best].event_ns + (next[best].n - 1) * feed[best].step_ns;
        if (!ended[best])
            next[best] = show(&feed[best], clock_ns[best]);
    }
}

static void
free_reference(struct reference *ref)
{
    for (int e = 0; e < EDGES; e++)
        for (int i = 0; i < REPLICAS; i++)
            for (int k = 0; k < REPLICAS; k++)
                free(ref->edge[e][i][k].at);
    for (int n = 0; n < NODES; n++)
        hde_text_free(&ref->out[n]);
    free(ref);
}

/* ---- The engine on a placement ------------------------------------------------------------ */

enum {
    PLACE_FUSED,
    PLACE_CUT_1,   /* boundaries everywhere, one worker */
    PLACE_CUT_2,   /* and two */
    PLACE_TIGHT_1, /* capacity 1 */
    PLACE_TIGHT_2,
    PLACE_RANDOM, /* boundaries, capacities, ZeroMQ, blocking nodes, workers by chance */
    PLACES,
};
static const char *const place_names[] = {"fused",           "cut, 1 worker",    "cut, 2 workers",
                                          "tight, 1 worker", "tight, 2 workers", "random"};

static const hde_operator *
operator_of(const struct spec_node *node, bool blocks)
{
    switch (node->kind) {
    case FEED:
        return blocks ? &op_feed_blocking : &op_feed;
    case MIX:
        return blocks ? &op_mix_blocking : node->by_each ? &op_mix_each : &op_mix;
    case MIX2:
        return &op_mix2;
    case FORK:
        return &op_fork;
    case SINK:
        break;
    }
    return blocks ? &op_collect_blocking : &op_collect;
}

static struct plan *
make_plan(const struct spec *spec, int place, hde_text *out)
{
    struct plan *plan = plan_new("random");

    for (uint32_t i = 0; i < spec->n_nodes; i++) {
        const struct spec_node *node = &spec->node[i];
        bool blocks = place == PLACE_RANDOM && node->can_block && random_below(5) == 0;
        struct collect collect = {.into = &out[i]};
        const void *state = node->kind == FEED   ? (const void *)&node->feed
                            : node->kind == SINK ? (const void *)&collect
                                                 : (const void *)&node->mix;
        struct graph_node *made = plan_node(plan, node->name, operator_of(node, blocks), state);

        made->replicas = node->replicas;
        made->key = "key";
        made->boundary = place == PLACE_RANDOM && random_below(4) == 0;
    }
    for (uint32_t e = 0; e < spec->n_edges; e++) {
        static const int64_t capacities[] = {1, 2, 5, 1024};
        const struct spec_edge *edge = &spec->edge[e];
        struct graph_edge *made = plan_edge(plan, spec->node[edge->from].name, edge->from_port,
                                            spec->node[edge->to].name, edge->to_port);

        if (place == PLACE_TIGHT_1 || place == PLACE_TIGHT_2)
            made->capacity_messages = 1;
        if (place == PLACE_RANDOM)
            made->capacity_messages = capacities[random_below(4)];
        if (place == PLACE_RANDOM && random_below(6) == 0)
            made->transport = TRANSPORT_ZMQ;
    }
    return plan;
}

/* Where everything stands, for a graph that does not end. */
static void
describe(const struct stats *stats, hde_text *text)
{
    for (size_t i = 0; i < stats_nodes(stats); i++) {
        struct node_view node;

        stats_node(stats, i, &node);
        hde_text_printf(text, "%s %s on %u: %s, %llu messages, watermark %lld\n", node.name,
                        node.op, node.worker, node_state_name(node.state),
                        (unsigned long long)node.messages, (long long)node.watermark_ns);
    }
    for (size_t i = 0; i < stats_edges(stats); i++) {
        struct edge_view edge;

        stats_edge(stats, i, &edge);
        hde_text_printf(text, "%s %s: %llu messages, depth %llu of %lld, word %llx\n", edge.name,
                        edge_kind_name(edge.kind), (unsigned long long)edge.messages,
                        (unsigned long long)edge.depth_messages, (long long)edge.capacity_messages,
                        (unsigned long long)edge.word);
    }
    for (size_t i = 0; i < stats_workers(stats); i++) {
        struct worker_view worker;

        stats_worker(stats, i, &worker);
        hde_text_printf(text, "%s: turns %llu, parks %llu, wakes %llu\n", worker.name,
                        (unsigned long long)worker.turns, (unsigned long long)worker.parks,
                        (unsigned long long)worker.wakes);
    }
}

static void
fail_seed(uint64_t seed, int place, const char *why, struct engine *engine)
{
    hde_text text = {0};

    if (engine) {
        engine_stall_text(engine, &text);
        describe(engine_stats(engine), &text);
    }
    fail_msg("seed %llu, placement '%s': %s\n%s", (unsigned long long)seed, place_names[place], why,
             text.data ? text.data : "");
}

static void
run_place(uint64_t seed, const struct spec *spec, struct reference *ref, int place)
{
    struct engine_options options = {.virtual_clock = true, .workers = 1, .stall_ns = 1000000000};
    hde_text out[NODES] = {{0}};
    struct err err = {0};
    struct plan *plan = make_plan(spec, place, out);
    struct engine *engine;

    options.force_boundaries = place != PLACE_FUSED && place != PLACE_RANDOM;
    if (place == PLACE_CUT_2 || place == PLACE_TIGHT_2)
        options.workers = 2;
    if (place == PLACE_RANDOM)
        options.workers = 1 + random_below(2);
    engine = engine_new(plan_graph(plan), &options, &err);
    if (!engine || !engine_start(engine, &err))
        fail_seed(seed, place, err.text, NULL);
    if (!engine_wait(engine, DEADLINE_MS))
        fail_seed(seed, place, "does not end", engine);
    if (engine_state(engine) != ENGINE_ENDED)
        fail_seed(seed, place, engine_error(engine)->text, NULL);
    engine_free(engine);
    plan_free(plan);
    for (uint32_t n = 0; n < spec->n_nodes; n++) {
        if (out[n].len != ref->out[n].len ||
            (out[n].len && memcmp(out[n].data, ref->out[n].data, out[n].len) != 0)) {
            printf("--- node %u wanted\n%s--- got\n%s", n, ref->out[n].data ? ref->out[n].data : "",
                   out[n].data ? out[n].data : "");
            fail_seed(seed, place, "another output than the reference", NULL);
        }
        hde_text_free(&out[n]);
    }
}

static void
run_seed(uint64_t seed)
{
    struct reference *ref = calloc(1, sizeof *ref);
    struct spec spec;

    seed_state = seed * 2654435761u + 1;
    random_spec(&spec);
    run_reference(ref, &spec);
    for (int place = 0; place < PLACES; place++)
        run_place(seed, &spec, ref, place);
    free_reference(ref);
}

static void
test_order_equals_the_reference_on_random_graphs(void **state)
{
    const char *one = getenv("HDE_ONE"), *many = getenv("HDE_SEEDS"), *from = getenv("HDE_FROM");
    uint64_t n = many ? strtoull(many, NULL, 10) : SEEDS,
             first = from ? strtoull(from, NULL, 10) : 1;

    if (one) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    print_message("seeds %llu to %llu\n", (unsigned long long)first,
                  (unsigned long long)(first + n - 1));
    for (uint64_t seed = first; seed < first + n; seed++)
        run_seed(seed);
}

/* ---- Placements --------------------------------------------------------------------------- */

/* Segments can be put in an order in which every edge between two of them leads forward. */
static void
assert_acyclic(const struct graph *graph, const struct placement *place)
{
    bool gone[NODES] = {false};
    uint32_t left = place->n_segments;

    while (left) {
        uint32_t before = left;

        for (uint32_t s = 0; s < place->n_segments; s++) {
            bool is_first = !gone[s];

            for (size_t e = 0; e < graph->n_edges && is_first; e++) {
                uint32_t from = place->segment_of[graph->edges[e].from];

                is_first = place->segment_of[graph->edges[e].to] != s || from == s || gone[from];
            }
            if (is_first) {
                gone[s] = true;
                left--;
            }
        }
        assert_true(left < before);
    }
}

static void
test_placement_is_acyclic_on_random_graphs(void **state)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        hde_text out[NODES] = {{0}};
        struct engine_options options = {.workers = 2};
        struct arena arena = {0};
        struct placement place;
        struct plan *plan;
        struct spec spec;

        seed_state = seed * 2654435761u + 1;
        random_spec(&spec);
        plan = make_plan(&spec, PLACE_RANDOM, out);
        placement_make(plan_graph(plan), &options, &arena, &place);
        assert_acyclic(plan_graph(plan), &place);
        for (uint32_t e = 0; e < spec.n_edges; e++) {
            const struct graph_edge *edge = &plan_graph(plan)->edges[e];

            if (place.fused[e]) {
                assert_int_equal(edge->transport, TRANSPORT_AUTO);
                assert_false(plan_graph(plan)->nodes[edge->to].boundary);
            }
        }
        arena_fini(&arena);
        plan_free(plan);
    }
}

static struct spec_node
sample_node(const char *name, enum kind kind, int64_t salt)
{
    struct spec_node node = {.kind = kind, .replicas = 1, .mix = {.salt = salt}};

    if (kind == FEED)
        node.feed = (struct feed){.count = 200,
                                  .per_poll = 3,
                                  .first = 1000 * salt,
                                  .step_ns = 5 + salt,
                                  .keys = 3,
                                  .silent_every = 4};
    snprintf(node.name, sizeof node.name, "%s", name);
    return node;
}

/* S -> C -> {F, D}, Y -> D -> F, S -> F: with capacity 1 it stops for ever if an actor that cannot
 * go on has no word, if an ask is not passed up, or if a wake-up is lost. */
static void
test_crossing_diamonds_with_capacity_one(void **state)
{
    struct reference *ref = calloc(1, sizeof *ref);
    struct spec spec = {.n_nodes = 6,
                        .n_edges = 7,
                        .n_sources = 2,
                        .edge = {{0, 2, 0, 0},
                                 {0, 4, 0, 1},
                                 {1, 3, 0, 1},
                                 {2, 3, 0, 0},
                                 {2, 4, 0, 0},
                                 {3, 4, 0, 0},
                                 {4, 5, 0, 0}}};

    spec.node[0] = sample_node("S", FEED, 0);
    spec.node[1] = sample_node("Y", FEED, 1);
    spec.node[2] = sample_node("C", MIX, 2);
    spec.node[3] = sample_node("D", MIX2, 3);
    spec.node[4] = sample_node("F", MIX2, 4);
    spec.node[5] = sample_node("sink", SINK, 0);
    spec.node[2].mix.drop_every = 3;
    spec.node[3].mix.amplify = 2;
    run_reference(ref, &spec);
    for (int i = 0; i < 30; i++)
        for (int place = PLACE_CUT_1; place <= PLACE_TIGHT_2; place++)
            run_place(0, &spec, ref, place);
    free_reference(ref);
}

static void
test_replay_is_the_same_on_every_placement(void **state)
{
    struct reference *ref = calloc(1, sizeof *ref);
    struct spec spec;

    seed_state = 42;
    random_spec(&spec);
    run_reference(ref, &spec);
    for (int run = 0; run < 20; run++)
        run_place(42, &spec, ref, run % PLACES);
    free_reference(ref);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placement_is_acyclic_on_random_graphs),
        cmocka_unit_test(test_crossing_diamonds_with_capacity_one),
        cmocka_unit_test(test_replay_is_the_same_on_every_placement),
        cmocka_unit_test(test_order_equals_the_reference_on_random_graphs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
