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
#include <sched.h>
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

static _Noreturn void
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

/* ---- a bare ring and the ring of an edge ----
 *
 * What a hop between two cores costs changes from one second to the next by more than the rings
 * differ: how far apart the cores are just now, whether writer and reader have fallen into step.
 * So both rings have the same two threads, each on a core of its own, and take turns in slices of
 * some hundred microseconds; a ratio is of two slices side by side, and its median is told. Of a
 * message the writer writes the first line and the reader reads it, as whoever hands on and takes a
 * message does. */

enum { RING_SLOTS = 1024, RING_MESSAGES = 4 * RING_SLOTS, SLICE_MESSAGES = 1 << 15, SLICES = 200 };

/* Pointers: one writer, one reader, published `publish` at a time. */
struct bare_ring {
    _Alignas(64) _Atomic size_t tail;
    _Alignas(64) _Atomic size_t head;
    void *slot[RING_SLOTS];
};

struct duel {
    struct bare_ring bare;
    struct ring *edge;
    uint32_t publish;
    struct {
        _Alignas(64) uint64_t line;
    } message[RING_MESSAGES]; /* more than both rings hold */
    uint64_t sum;             /* the reader's */
    struct hde_msgvec taken;                              /* the reader's */
    double bare_ns[SLICES], edge_ns[SLICES], ratio[SLICES]; /* a message; the reader's */
    _Alignas(64) _Atomic int begun, ended;                /* slices, on either side */
};

static void *
write_message(struct duel *duel, uint64_t n)
{
    uint64_t *line = &duel->message[n % RING_MESSAGES].line;

    *line = n;
    return line;
}

static void
read_message(struct duel *duel, const void *message)
{
    duel->sum += *(const uint64_t *)message;
}

static void
write_bare(struct duel *duel)
{
    struct bare_ring *ring = &duel->bare;
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = tail, end = tail + SLICE_MESSAGES;

    while (tail != end) {
        while (tail + duel->publish - head > RING_SLOTS)
            head = atomic_load_explicit(&ring->head, memory_order_acquire);
        for (uint32_t i = 0; i < duel->publish; i++, tail++)
            ring->slot[tail % RING_SLOTS] = write_message(duel, tail);
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
}

static double
read_bare(struct duel *duel)
{
    struct bare_ring *ring = &duel->bare;
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t end = head + SLICE_MESSAGES;
    double start = 0;

    while (head != end) {
        size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

        if (tail != head && start == 0) /* from the first that arrives */
            start = now_ns();
        for (; head != tail; head++)
            read_message(duel, ring->slot[head % RING_SLOTS]);
        atomic_store_explicit(&ring->head, head, memory_order_release);
    }
    return (now_ns() - start) / SLICE_MESSAGES;
}

/* The same with a record, credit and a word a tick. */
static void
write_edge(struct duel *duel, uint64_t tick)
{
    struct record record = {.tick = tick, .n = duel->publish, .lines = duel->publish};
    hde_msg *batch[64];

    for (uint64_t n = 0; n < SLICE_MESSAGES; record.tick++) {
        while (!ring_has_credit(duel->edge))
            ;
        for (uint32_t i = 0; i < duel->publish; i++)
            batch[i] = write_message(duel, n++);
        ring_put(duel->edge, &record, batch);
        ring_publish(duel->edge, record.tick);
    }
}

static double
read_edge(struct duel *duel)
{
    struct hde_msgvec *taken = &duel->taken;
    struct record front;
    long seen = 0;
    double start = 0;

    while (seen < SLICE_MESSAGES) {
        while (ring_front(duel->edge, &front)) {
            if (start == 0)
                start = now_ns();
            ring_take(duel->edge, &front, taken);
            for (uint32_t i = 0; i < taken->n; i++)
                read_message(duel, taken->item[i]);
            seen += taken->n;
            taken->n = 0;
            ring_finish(duel->edge, record_units(&front), front.lines);
        }
        ring_return(duel->edge);
    }
    return (now_ns() - start) / SLICE_MESSAGES;
}

/* The n-th core that this process may run on; none: the thread stays where it is. */
static void
go_to_core(int n)
{
    cpu_set_t allowed, one;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2)
        return;
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET(core, &allowed) && n-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(core, &one);
            pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        }
}

static void
wait_for(const _Atomic int *count, int value)
{
    while (atomic_load_explicit(count, memory_order_acquire) < value)
        ;
}

static void *
write_slices(void *arg)
{
    struct duel *duel = arg;

    go_to_core(0);
    for (int i = 0; i < 2 * SLICES; i++) {
        wait_for(&duel->ended, i);
        atomic_store_explicit(&duel->begun, i + 1, memory_order_release);
        if (i % 2)
            write_edge(duel, (uint64_t)1 + (uint64_t)i * SLICE_MESSAGES);
        else
            write_bare(duel);
    }
    return NULL;
}

static void *
read_slices(void *arg)
{
    struct duel *duel = arg;

    go_to_core(1);
    for (int i = 0; i < 2 * SLICES; i++) {
        wait_for(&duel->begun, i + 1);
        if (i % 2)
            duel->edge_ns[i / 2] = read_edge(duel);
        else
            duel->bare_ns[i / 2] = read_bare(duel);
        atomic_store_explicit(&duel->ended, i + 1, memory_order_release);
    }
    return NULL;
}

static double
middle(double *value)
{
    qsort(value, SLICES, sizeof *value, by_value);
    return value[SLICES / 2];
}

static void
run_duel(uint32_t publish, struct series *edge, struct series *bare, struct series *ratio)
{
    static struct duel duel;
    pthread_t writer, reader;

    memset(&duel, 0, sizeof duel);
    duel.publish = publish;
    duel.edge = ring_new(RING_SLOTS, 64 << 20);
    if (pthread_create(&reader, NULL, read_slices, &duel) != 0 ||
        pthread_create(&writer, NULL, write_slices, &duel) != 0)
        die("rings", "no thread");
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
    for (int i = 0; i < SLICES; i++)
        duel.ratio[i] = duel.edge_ns[i] / duel.bare_ns[i];
    add(ratio, middle(duel.ratio));
    add(edge, middle(duel.edge_ns));
    add(bare, middle(duel.bare_ns));
    msgvec_fini(&duel.taken);
    ring_free(duel.edge);
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
    RATIO_8,
    RING_32,
    BARE_32,
    RATIO_32,
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
    [RATIO_8] = {.name = "ring_ratio_8"},
    [RING_32] = {.name = "ring_32"},
    [BARE_32] = {.name = "bare_ring_32"},
    [RATIO_32] = {.name = "ring_ratio_32"},
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
run_rings(void)
{
    run_duel(8, &all[RING_8], &all[BARE_8], &all[RATIO_8]);
    run_duel(32, &all[RING_32], &all[BARE_32], &all[RATIO_32]);
}

static void
run_all(long scale)
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
    run_rings();
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
print_duel(int n, struct series *edge, struct series *bare, struct series *ratio)
{
    printf("  ring edge, ticks of %-2d messages                        %10.2f   %.2f x the bare\n",
           n, median(edge), median(ratio));
    printf("  bare ring, published %-2d at a time                      %10.2f\n", n, median(bare));
}

static void
print_rings(void)
{
    print_duel(8, &all[RING_8], &all[BARE_8], &all[RATIO_8]);
    print_duel(32, &all[RING_32], &all[BARE_32], &all[RATIO_32]);
}

static void
print_text(void)
{
    double fused = median(&all[FUSED]), rows = median(&all[ZMQ_ROWS]);

    print_race();
    printf("  graph, boundary, zmq and row messages on every hop     %10.0f   fused does %.0f x\n",
           1e9 / rows, rows / fused);
    printf("a hop                                                  ns a message\n");
    printf("  fused                                                  %10.2f\n",
           (median(&all[PASS_LONG]) - median(&all[PASS_SHORT])) / 8);
    print_rings();
    printf("  graph over two workers, source -> ring -> sink         %10.2f\n",
           median(&all[GRAPH_RING_8]));
    printf("  graph over two workers, diamond with a merge           %10.2f\n",
           median(&all[DIAMOND]));
    printf("  raw ZeroMQ inproc, 64 bytes                            %10.2f\n",
           median(&all[RAW_ZMQ]));
}

enum part { PART_ALL, PART_LOOP, PART_RINGS };

static void
run_round(enum part part, long scale)
{
    if (part == PART_LOOP)
        run_race(scale);
    else if (part == PART_RINGS)
        run_rings();
    else
        run_all(scale);
}

static void
print_part(enum part part)
{
    if (part == PART_LOOP)
        print_race();
    else if (part == PART_RINGS)
        print_rings();
    else
        print_text();
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
    "usage: hde bench edges [--rounds N] [--quick] [--loop] [--rings] [--json]\n"
    "\n"
    "What a hop costs: an 8-operator graph against a hand-written loop of the same functions and\n"
    "against the same graph with ZeroMQ and row messages on every hop; fused, ring and merged "
    "hops\n"
    "against a bare ring and a raw ZeroMQ pair. Sides alternate; medians of N rounds (7).\n"
    "\n"
    "  hde bench edges --quick     3 short rounds, to see that it works\n"
    "  hde bench edges --loop      the graph against the loop alone\n"
    "  hde bench edges --rings     the ring of an edge against a bare ring alone\n"
    "  hde bench edges --json      every series in ns a message: median, min, max\n";

int
main(int argc, char **argv)
{
    int rounds = 7;
    long scale = 500000;
    enum part part = PART_ALL;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--quick") == 0) {
            rounds = 3;
            scale = 50000;
        } else if (strcmp(argv[i], "--loop") == 0) {
            part = PART_LOOP;
        } else if (strcmp(argv[i], "--rings") == 0) {
            part = PART_RINGS;
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
    for (int i = 0; i < rounds; i++)
        run_round(part, scale);
    if (json)
        print_json();
    else
        print_part(part);
    return 0;
}
