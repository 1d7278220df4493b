/* SPDX-License-Identifier: Apache-2.0
 * edges - `hde bench edges`: what a hop costs, against a hand-written loop, a bare ring and a raw
 * ZeroMQ pair of the same run. All sides are interleaved, round by round; medians are printed. */
#include "bench/work.h"

#include "base/arena.h"
#include "engine/edge.h"
#include "engine/engine.h"
#include "engine/stats.h"

#include <hde/schemas/bench.pb-c.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { ROUNDS_MAX = 99 };

static double
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct series {
    const char *name;
    double value[ROUNDS_MAX]; /* ns a message */
    int n;
};

static double
median(struct series *s)
{
    qsort(s->value, (size_t)s->n, sizeof *s->value, by_value);
    return s->n % 2 ? s->value[s->n / 2] : (s->value[s->n / 2 - 1] + s->value[s->n / 2]) / 2;
}

static void
add(struct series *s, double value)
{
    if (s->n < ROUNDS_MAX)
        s->value[s->n++] = value;
}

/* ---- a graph, timed by its sink ---- */

static const struct registry *registry;

static void
die(const char *what, const char *text)
{
    fprintf(stderr, "hde bench edges: %s: %s\n", what, text);
    exit(70);
}

/* A named counter of a node. */
static uint64_t
counter_of(const struct engine *engine, const char *node, const char *name)
{
    const struct stats *stats = engine_stats(engine);
    struct node_view view;

    for (size_t i = 0; i < stats_nodes(stats); i++) {
        stats_node(stats, i, &view);
        for (unsigned c = 0; strcmp(view.name, node) == 0 && c < view.n_counters; c++) {
            if (strcmp(view.counter[c].name, name) == 0)
                return view.counter[c].value;
        }
    }
    return 0;
}

/* What one graph has told. */
struct told {
    double ns;                                   /* a message, between skip and until */
    double loop, loop_tenth, graph, graph_tenth; /* ns a chain, of a race */
};

static double
ps_of(const struct engine *engine, const char *name)
{
    return (double)counter_of(engine, "source", name) / 1000;
}

/* Runs a graph text to its end. */
static struct told
run_graph(const char *yaml)
{
    char path[] = "/tmp/hde-bench-XXXXXX";
    struct graph_options graph_options = {.for_run = true};
    struct engine_options options = {0};
    struct diags diags = {0};
    struct err err = {{0}, {0}};
    int fd = mkstemp(path);
    struct graph *graph;
    struct engine *engine;
    struct told told = {0};
    uint64_t messages;

    if (fd < 0 || write(fd, yaml, strlen(yaml)) != (ssize_t)strlen(yaml))
        die(path, "cannot be written");
    close(fd);
    graph = graph_load(path, &graph_options, registry, &diags);
    unlink(path);
    if (!graph) {
        hde_text text = {0};

        diags_print(&diags, &text, false);
        die("graph", text.data);
    }
    engine = engine_new(graph, &options, &err);
    if (!engine || !engine_start(engine, &err))
        die("engine", err.text);
    engine_wait(engine, -1);
    if (engine_state(engine) == ENGINE_FAILED)
        die("engine", engine_error(engine)->text);
    messages = counter_of(engine, "sink", "timed_messages");
    told.loop = ps_of(engine, "loop_median_ps");
    told.loop_tenth = ps_of(engine, "loop_tenth_ps");
    told.graph = ps_of(engine, "graph_median_ps");
    told.graph_tenth = ps_of(engine, "graph_tenth_ps");
    if (messages)
        told.ns = (double)counter_of(engine, "sink", "timed_ns") / (double)messages;
    engine_free(engine);
    graph_free(graph);
    diags_fini(&diags);
    if (messages == 0)
        die("graph", "the sink timed nothing");
    return told;
}

/* A chain of `hops` nodes between the source and the sink. `edge` are properties of every edge,
 * `node` of every node behind the source ("" for none). */
struct chain_graph {
    const char *source, *port, *op, *edge, *node;
    int hops, per_tick;
    long ticks;
    bool race; /* against the loop */
};

static struct told
run_chain(const struct chain_graph *g)
{
    hde_text text = {0};
    long messages = g->ticks * g->per_tick;
    struct told told;

    hde_text_printf(&text, "hde: 1\ngraph: bench\nworkers: 2\nnodes:\n");
    hde_text_printf(&text,
                    "  source: {op: bench/source, params: {shape: %s, ticks: %ld, per_tick: %d, "
                    "race: %s}}\n",
                    g->source, g->ticks, g->per_tick, g->race ? "true" : "false");
    for (int i = 0; i < g->hops; i++) {
        hde_text_printf(&text, "  op%d: {op: bench/%s%s", i, g->op, g->node);
        if (strcmp(g->op, "pass") != 0)
            hde_text_printf(&text, ", params: {column: %d}", i);
        hde_text_puts(&text, "}\n");
    }
    hde_text_printf(&text, "  sink: {op: bench/sink%s, params: {skip: %ld, until: %ld}}\nedges:\n",
                    g->node, messages / 10, messages);
    hde_text_printf(&text, "  - {path: source.%s", g->port);
    for (int i = 0; i < g->hops; i++)
        hde_text_printf(&text, " -> op%d", i);
    hde_text_printf(&text, " -> sink%s}\n", g->edge);
    told = run_graph(text.data);
    hde_text_free(&text);
    return told;
}

/* A diamond: both halves on workers of their own, merged in front of the sink. */
static double
run_diamond(long ticks, int per_tick)
{
    hde_text text = {0};
    long messages = 2 * ticks * per_tick;
    double ns;

    hde_text_printf(
        &text,
        "hde: 1\ngraph: bench\nworkers: 2\nnodes:\n"
        "  source: {op: bench/source, params: {shape: tick, ticks: %ld, per_tick: %d}}\n"
        "  near: {op: bench/pass, worker: 0}\n"
        "  far: {op: bench/pass, worker: 1, boundary: true}\n"
        "  sink: {op: bench/sink, worker: 0, boundary: true,"
        " params: {skip: %ld, until: %ld}}\n"
        "edges:\n  - source.ticks -> [near, far] -> sink\n",
        ticks, per_tick, messages / 10, messages);
    ns = run_graph(text.data).ns;
    hde_text_free(&text);
    return ns;
}

/* ---- a bare ring: pointers, one writer, one reader, published `publish` at a time ---- */

struct bare_ring {
    _Alignas(64) _Atomic size_t tail;
    _Alignas(64) _Atomic size_t head;
    void *slot[1024];
};

struct bare_run {
    struct bare_ring *ring;
    long messages;
    double ns;
};

static void *
read_bare(void *arg)
{
    struct bare_run *run = arg;
    struct bare_ring *ring = run->ring;
    size_t head = 0;
    long seen = 0;
    double start = 0;

    while (seen < run->messages) {
        size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

        if (tail != head && start == 0) /* as the sink of a graph: from the first that arrives */
            start = now_ns();
        for (; head != tail; head++, seen++)
            __asm__ volatile("" : : "r"(ring->slot[head % 1024]) : "memory");
        atomic_store_explicit(&ring->head, head, memory_order_release);
    }
    run->ns = (now_ns() - start) / (double)run->messages;
    return NULL;
}

static double
run_bare_ring(long messages, size_t publish)
{
    static struct bare_ring ring;
    static char payload[64];
    struct bare_run run = {&ring, messages, 0};
    pthread_t reader;
    size_t tail = 0, head = 0;

    atomic_store(&ring.tail, 0);
    atomic_store(&ring.head, 0);
    if (pthread_create(&reader, NULL, read_bare, &run) != 0)
        die("bare ring", "no thread");
    for (long i = 0; i < messages; i += (long)publish) {
        while (tail + publish - head > 1024)
            head = atomic_load_explicit(&ring.head, memory_order_acquire);
        for (size_t j = 0; j < publish; j++)
            ring.slot[tail++ % 1024] = payload;
        atomic_store_explicit(&ring.tail, tail, memory_order_release);
    }
    pthread_join(reader, NULL);
    return run.ns;
}

/* ---- the same with the ring of an edge: a record, credit and a word a tick ---- */

struct edge_run {
    struct ring *ring;
    long messages;
    double ns;
};

static void *
read_edge(void *arg)
{
    struct edge_run *run = arg;
    struct hde_msgvec taken = {0};
    struct record front;
    long seen = 0;
    double start = 0;

    while (seen < run->messages) {
        while (ring_front(run->ring, &front)) {
            if (start == 0)
                start = now_ns();
            ring_take(run->ring, &front, &taken);
            for (uint32_t i = 0; i < taken.n; i++)
                __asm__ volatile("" : : "r"(taken.item[i]) : "memory");
            seen += taken.n;
            taken.n = 0;
            ring_finish(run->ring, record_units(&front), front.lines);
        }
        ring_return(run->ring);
    }
    run->ns = (now_ns() - start) / (double)run->messages;
    msgvec_fini(&taken);
    return NULL;
}

static double
run_edge_ring(long messages, uint32_t per_tick)
{
    static hde_msg payload;
    struct edge_run run = {ring_new(1024, 64 << 20), messages, 0};
    struct record record = {.tick = 1, .n = per_tick, .lines = per_tick};
    hde_msg *batch[64];
    pthread_t reader;

    for (uint32_t i = 0; i < per_tick; i++)
        batch[i] = &payload;
    if (pthread_create(&reader, NULL, read_edge, &run) != 0)
        die("edge ring", "no thread");
    for (long i = 0; i < messages; i += per_tick, record.tick++) {
        while (!ring_has_credit(run.ring))
            ;
        ring_put(run.ring, &record, batch);
        ring_publish(run.ring, record.tick);
    }
    pthread_join(reader, NULL);
    ring_free(run.ring);
    return run.ns;
}

/* ---- a raw ZeroMQ inproc pair, 64 bytes a message ---- */

struct raw_run {
    void *context;
    long messages;
};

static void *
write_raw(void *arg)
{
    struct raw_run *run = arg;
    void *out = zmq_socket(run->context, ZMQ_PUSH);
    char payload[64] = {0};

    zmq_connect(out, "inproc://bench");
    for (long i = 0; i < run->messages; i++)
        zmq_send(out, payload, sizeof payload, 0);
    zmq_close(out);
    return NULL;
}

static double
run_raw_zmq(long messages)
{
    struct raw_run run = {zmq_ctx_new(), messages};
    void *in = zmq_socket(run.context, ZMQ_PULL);
    char payload[64];
    pthread_t writer;
    double start = 0;

    zmq_bind(in, "inproc://bench");
    if (pthread_create(&writer, NULL, write_raw, &run) != 0)
        die("raw zmq", "no thread");
    for (long i = 0; i < messages; i++) {
        zmq_recv(in, payload, sizeof payload, 0);
        if (i == 0)
            start = now_ns();
    }
    start = now_ns() - start;
    pthread_join(writer, NULL);
    zmq_close(in);
    zmq_ctx_term(run.context);
    return start / (double)messages;
}

/* ---- the report ---- */

enum {
    LOOP,
    LOOP_TENTH,
    FUSED,
    FUSED_TENTH,
    ZMQ_ROWS,
    PASS_SHORT,
    PASS_LONG,
    RING_8,
    BARE_8,
    RING_32,
    BARE_32,
    GRAPH_RING_8,
    DIAMOND,
    RAW_ZMQ,
    N_SERIES
};

static struct series all[N_SERIES] = {
    [LOOP] = {.name = "loop"},
    [LOOP_TENTH] = {.name = "loop_tenth"},
    [FUSED] = {.name = "fused"},
    [FUSED_TENTH] = {.name = "fused_tenth"},
    [ZMQ_ROWS] = {.name = "zmq_rows"},
    [PASS_SHORT] = {.name = "pass_2"},
    [PASS_LONG] = {.name = "pass_10"},
    [RING_8] = {.name = "ring_8"},
    [BARE_8] = {.name = "bare_ring_8"},
    [RING_32] = {.name = "ring_32"},
    [BARE_32] = {.name = "bare_ring_32"},
    [GRAPH_RING_8] = {.name = "graph_ring_8"},
    [DIAMOND] = {.name = "merge_2_workers"},
    [RAW_ZMQ] = {.name = "raw_zmq_inproc"},
};

/* The graph against the loop: slices of 1,024 chains in turn, on one thread, on the same chains. */
static void
run_race(long scale)
{
    const struct chain_graph fused = {.source = "chain",
                                      .port = "chains",
                                      .op = "light",
                                      .edge = "",
                                      .node = "",
                                      .hops = BENCH_OPS,
                                      .per_tick = 1,
                                      .ticks = scale,
                                      .race = true};
    struct told told = run_chain(&fused);

    add(&all[LOOP], told.loop);
    add(&all[LOOP_TENTH], told.loop_tenth);
    add(&all[FUSED], told.graph);
    add(&all[FUSED_TENTH], told.graph_tenth);
}

static void
run_round(long scale)
{
    const struct chain_graph rows = {
        "rows", "rows", "rows", ", transport: zmq", ", boundary: true", BENCH_OPS, 1, 2000};
    const struct chain_graph pass2 = {"tick", "ticks", "pass", "", "", 2, 8, scale};
    const struct chain_graph pass10 = {"tick", "ticks", "pass", "", "", 10, 8, scale};
    const struct chain_graph ring = {"tick", "ticks", "pass", "", ", worker: 1", 0, 8, scale};

    run_race(scale);
    add(&all[ZMQ_ROWS], run_chain(&rows).ns);
    add(&all[PASS_SHORT], run_chain(&pass2).ns);
    add(&all[PASS_LONG], run_chain(&pass10).ns);
    add(&all[RING_8], run_edge_ring(scale * 8, 8));
    add(&all[BARE_8], run_bare_ring(scale * 8, 8));
    add(&all[RING_32], run_edge_ring(scale * 8, 32));
    add(&all[BARE_32], run_bare_ring(scale * 8, 32));
    add(&all[GRAPH_RING_8], run_chain(&ring).ns);
    add(&all[DIAMOND], run_diamond(scale, 8));
    add(&all[RAW_ZMQ], run_raw_zmq(scale * 2));
}

static void
print_race(void)
{
    double loop = median(&all[LOOP]), fused = median(&all[FUSED]);
    double loop_tenth = median(&all[LOOP_TENTH]), fused_tenth = median(&all[FUSED_TENTH]);

    printf("one chain of 400 legs a tick, 8 light operators            chains/s\n");
    printf("  hand-written loop                                      %10.0f\n", 1e9 / loop);
    printf("  graph, fused                                           %10.0f   %.3f of the loop\n",
           1e9 / fused, loop / fused);
    printf("  the same, 10th percentile of slices                    %10.0f   %.3f of the loop's\n",
           1e9 / fused_tenth, loop_tenth / fused_tenth);
}

static void
print_text(void)
{
    double fused = median(&all[FUSED]), rows = median(&all[ZMQ_ROWS]);
    double ring8 = median(&all[RING_8]), bare8 = median(&all[BARE_8]);
    double ring32 = median(&all[RING_32]), bare32 = median(&all[BARE_32]);

    print_race();
    printf("  graph, boundary, zmq and row messages on every hop     %10.0f   fused does %.0f x\n",
           1e9 / rows, rows / fused);
    printf("a hop                                                  ns a message\n");
    printf("  fused                                                  %10.2f\n",
           (median(&all[PASS_LONG]) - median(&all[PASS_SHORT])) / 8);
    printf(
        "  ring edge, ticks of 8 messages                         %10.2f   %.2f x the bare ring\n",
        ring8, ring8 / bare8);
    printf("  bare ring, published 8 at a time                       %10.2f\n", bare8);
    printf(
        "  ring edge, ticks of 32 messages                        %10.2f   %.2f x the bare ring\n",
        ring32, ring32 / bare32);
    printf("  bare ring, published 32 at a time                      %10.2f\n", bare32);
    printf("  graph over two workers, source -> ring -> sink         %10.2f\n",
           median(&all[GRAPH_RING_8]));
    printf("  graph over two workers, diamond with a merge           %10.2f\n",
           median(&all[DIAMOND]));
    printf("  raw ZeroMQ inproc, 64 bytes                            %10.2f\n",
           median(&all[RAW_ZMQ]));
}

static void
print_json(void)
{
    printf("{\"unit\":\"ns\"");
    for (int i = 0; i < N_SERIES; i++) {
        double mid;

        if (all[i].n == 0)
            continue;
        mid = median(&all[i]);
        printf(",\"%s\":{\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,\"n\":%d}", all[i].name, mid,
               all[i].value[0], all[i].value[all[i].n - 1], all[i].n);
    }
    printf("}\n");
}

static const char usage[] =
    "usage: hde bench edges [--rounds N] [--quick] [--loop] [--json]\n"
    "\n"
    "What a hop costs: an 8-operator graph against a hand-written loop of the same functions and\n"
    "against the same graph with ZeroMQ and row messages on every hop; fused, ring and merged "
    "hops\n"
    "against a bare ring and a raw ZeroMQ pair. Sides alternate; medians of N rounds (7).\n"
    "\n"
    "  hde bench edges --quick     3 short rounds, to see that it works\n"
    "  hde bench edges --loop      the graph against the loop alone\n"
    "  hde bench edges --json      every series in ns a message: median, min, max\n";

int
main(int argc, char **argv)
{
    int rounds = 7;
    long scale = 500000;
    bool json = false, loop = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--quick") == 0) {
            rounds = 3;
            scale = 50000;
        } else if (strcmp(argv[i], "--loop") == 0) {
            loop = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 64;
        }
    }
    rounds = rounds < ROUNDS_MAX / 2 ? rounds : ROUNDS_MAX / 2;
    registry = registry_new(NULL);
    for (int i = 0; i < rounds; i++) {
        if (loop)
            run_race(scale);
        else
            run_round(scale);
    }
    if (json)
        print_json();
    else if (loop)
        print_race();
    else
        print_text();
    return 0;
}
