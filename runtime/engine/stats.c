/* SPDX-License-Identifier: Apache-2.0
 * stats - see stats.h: the segment and the views. */
#include "engine/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *
node_state_name(enum node_state state)
{
    static const char *const names[] = {"idle",   "running", "waiting-credit",
                                        "parked", "failed",  "ended"};

    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

const char *
edge_kind_name(enum edge_kind kind)
{
    static const char *const names[] = {"fused", "ring", "zmq", "latest", "drop_oldest"};

    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

const char *
drop_reason_name(enum drop_reason reason)
{
    static const char *const names[] = {"replaced", "full"};

    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

/* ---- The segment -------------------------------------------------------------------------- */

static uint64_t
round64(uint64_t size)
{
    return (size + 63) & ~(uint64_t)63;
}

static int
segment_open(const char *path)
{
    if (!path)
        return memfd_create("hde-stats", MFD_CLOEXEC);
    unlink(path); /* a reader of a process that is gone keeps its mapping */
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

/* Slots for what later changes of the graph add. Memory that nobody touches is not there. */
static uint32_t
room_for(uint32_t n)
{
    enum { SPARE = 256 };

    return 2 * n + SPARE;
}

struct stats *
stats_new(const struct stats_shape *shape, struct err *err)
{
    uint32_t cap_nodes = room_for(shape->nodes), cap_edges = room_for(shape->edges);
    uint32_t cap_workers = room_for(shape->workers);
    uint64_t nodes_at = round64(sizeof(struct stats));
    uint64_t counters_at = nodes_at + round64(cap_nodes * sizeof(struct stats_node));
    uint64_t edges_at =
        counters_at + round64(cap_nodes * STATS_COUNTERS * sizeof(struct stats_counter));
    uint64_t workers_at = edges_at + round64(cap_edges * sizeof(struct stats_edge));
    uint64_t size = workers_at + round64(cap_workers * sizeof(struct stats_worker));
    int fd = segment_open(shape->path);
    struct stats *stats;
    struct timespec now;

    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        err_set(err, "HDE-R002", "counters cannot be kept in '%s': %s",
                shape->path ? shape->path : "memory", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (stats == MAP_FAILED) {
        err_set(err, "HDE-R002", "counters cannot be mapped: %s", strerror(errno));
        return NULL;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    stats->version = STATS_VERSION;
    stats->size = size;
    snprintf(stats->graph, sizeof stats->graph, "%s", shape->graph);
    snprintf(stats->host, sizeof stats->host, "%s", shape->host);
    stats->pid = (int32_t)getpid();
    stats->start_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    stats->cap_nodes = cap_nodes;
    stats->cap_edges = cap_edges;
    stats->cap_workers = cap_workers;
    stats->nodes_at = nodes_at;
    stats->counters_at = counters_at;
    stats->edges_at = edges_at;
    stats->workers_at = workers_at;
    stats->magic = STATS_MAGIC;
    return stats;
}

void
stats_free(struct stats *stats, const char *path)
{
    if (!stats)
        return;
    munmap(stats, stats->size);
    if (path)
        unlink(path);
}

const struct stats *
stats_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    const struct stats *stats = MAP_FAILED;

    if (fd < 0) {
        err_set(err, "HDE-R003", "'%s' cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof *stats)
        stats = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (stats == MAP_FAILED) {
        err_set(err, "HDE-R003", "'%s' holds no counters of a running graph", path);
        return NULL;
    }
    if (stats->magic != STATS_MAGIC || stats->version != STATS_VERSION ||
        stats->size != (uint64_t)st.st_size) {
        err_set(err, "HDE-R003", "'%s' holds no counters of this version", path);
        munmap((void *)(uintptr_t)stats, (size_t)st.st_size);
        return NULL;
    }
    return stats;
}

void
stats_close(const struct stats *stats)
{
    if (stats)
        munmap((void *)(uintptr_t)stats, stats->size);
}

static void *
at_offset(const struct stats *stats, uint64_t offset)
{
    return (char *)(uintptr_t)stats + offset;
}

struct stats_node *
stats_node_at(const struct stats *stats, uint32_t i)
{
    return (struct stats_node *)at_offset(stats, stats->nodes_at) + i;
}

struct stats_counter *
stats_counters_at(const struct stats *stats, uint32_t node)
{
    return (struct stats_counter *)at_offset(stats, stats->counters_at) + node * STATS_COUNTERS;
}

struct stats_edge *
stats_edge_at(const struct stats *stats, uint32_t i)
{
    return (struct stats_edge *)at_offset(stats, stats->edges_at) + i;
}

struct stats_worker *
stats_worker_at(const struct stats *stats, uint32_t i)
{
    return (struct stats_worker *)at_offset(stats, stats->workers_at) + i;
}

/* ---- Slots -------------------------------------------------------------------------------- */

uint32_t
stats_take_node(struct stats *stats)
{
    uint32_t i = 0;

    while (i < stats->n_nodes && stats_node_at(stats, i)->graph_node != STATS_FREE)
        i++;
    if (i == stats->cap_nodes)
        return STATS_FREE;
    memset(stats_node_at(stats, i), 0, sizeof(struct stats_node));
    memset(stats_counters_at(stats, i), 0, STATS_COUNTERS * sizeof(struct stats_counter));
    stats_node_at(stats, i)->graph_node = STATS_HIDDEN;
    if (i == stats->n_nodes)
        stats->n_nodes++;
    return i;
}

uint32_t
stats_take_edge(struct stats *stats)
{
    uint32_t i = 0;

    while (i < stats->n_edges && stats_edge_at(stats, i)->graph_edge != STATS_FREE)
        i++;
    if (i == stats->cap_edges)
        return STATS_FREE;
    memset(stats_edge_at(stats, i), 0, sizeof(struct stats_edge));
    stats_edge_at(stats, i)->graph_edge = STATS_HIDDEN;
    if (i == stats->n_edges)
        stats->n_edges++;
    return i;
}

uint32_t
stats_take_worker(struct stats *stats)
{
    uint32_t i = 0;

    while (i < stats->n_workers && stats_worker_at(stats, i)->in_use)
        i++;
    if (i == stats->cap_workers)
        return STATS_FREE;
    memset(stats_worker_at(stats, i), 0, sizeof(struct stats_worker));
    stats_worker_at(stats, i)->in_use = 1;
    if (i == stats->n_workers)
        stats->n_workers++;
    return i;
}

void
stats_drop_node(struct stats *stats, uint32_t i)
{
    stats_node_at(stats, i)->graph_node = STATS_FREE;
}

void
stats_drop_edge(struct stats *stats, uint32_t i)
{
    stats_edge_at(stats, i)->graph_edge = STATS_FREE;
}

void
stats_drop_worker(struct stats *stats, uint32_t i)
{
    stats_worker_at(stats, i)->in_use = 0;
}

/* A sequence lock: the number is odd before anything changes, and even again behind it. */
void
stats_begin_shape(struct stats *stats)
{
    STAT_SET(stats->shape, STAT_GET(stats->shape) | 1);
    atomic_thread_fence(memory_order_release);
}

void
stats_end_shape(struct stats *stats, size_t graph_nodes, size_t graph_edges)
{
    stats->n_graph_nodes = (uint32_t)graph_nodes;
    stats->n_graph_edges = (uint32_t)graph_edges;
    atomic_store_explicit(&stats->shape, STAT_GET(stats->shape) + 1, memory_order_release);
}

uint64_t
stats_look(const struct stats *stats)
{
    return atomic_load_explicit(&((struct stats *)(uintptr_t)stats)->shape, memory_order_acquire);
}

bool
stats_looked(const struct stats *stats, uint64_t look)
{
    atomic_thread_fence(memory_order_acquire);
    return look % 2 == 0 && STAT_GET(((struct stats *)(uintptr_t)stats)->shape) == look;
}

/* ---- Views -------------------------------------------------------------------------------- */

size_t
stats_nodes(const struct stats *stats)
{
    return stats->n_graph_nodes;
}

static enum node_state
state_of(const struct stats *stats, uint32_t i)
{
    enum node_state state = STAT_GET(stats_node_at(stats, i)->state);

    if (state != NODE_IDLE)
        return state;
    for (uint32_t w = 0; w < stats->n_workers; w++)
        if (STAT_GET(stats_worker_at(stats, w)->node) == i + 1)
            return NODE_RUNNING;
    return NODE_IDLE;
}

static void
add_counters(struct node_view *out, struct stats_counter *counter)
{
    for (unsigned c = 0; c < STATS_COUNTERS; c++, counter++) {
        unsigned at = 0;

        if (!atomic_load_explicit(&counter->in_use, memory_order_acquire))
            continue;
        while (at < out->n_counters && strcmp(out->counter[at].name, counter->name) != 0)
            at++;
        if (at == out->n_counters) {
            if (at == STATS_COUNTERS)
                continue;
            out->n_counters++;
            out->counter[at].name = counter->name;
            out->counter[at].help = counter->help;
            out->counter[at].value = 0;
        }
        out->counter[at].value += STAT_GET(counter->value);
    }
}

void
stats_set_build(struct stats_node *node, const char *build_id)
{
    uint32_t build = STAT_GET(node->build) + 1;
    size_t len = build_id ? strnlen(build_id, STATS_BUILD - 1) : 0;

    for (size_t i = 0; i <= len; i++)
        STAT_SET(node->build_id[build % 2][i], i < len ? build_id[i] : 0);
    /* release: whoever sees the number sees the text */
    atomic_store_explicit(&node->build, build, memory_order_release);
}

void
stats_get_build(const struct stats_node *node, char *out)
{
    uint32_t build = atomic_load_explicit(&node->build, memory_order_acquire);
    size_t i = 0;

    while (i < STATS_BUILD - 1 && (out[i] = STAT_GET(node->build_id[build % 2][i])))
        i++;
    out[i] = 0;
}

static void
add_node(const struct stats *stats, uint32_t i, struct node_view *out)
{
    /* of two replicas, the state that a person should see */
    static const int rank[] = {[NODE_ENDED] = 0,          [NODE_IDLE] = 1,   [NODE_RUNNING] = 2,
                               [NODE_WAITING_CREDIT] = 3, [NODE_PARKED] = 4, [NODE_FAILED] = 5};
    struct stats_node *node = stats_node_at(stats, i);
    enum node_state state = state_of(stats, i);
    int64_t watermark_ns = STAT_GET(node->watermark_ns);

    if (!out->replicas) {
        out->name = node->name;
        out->op = node->op;
        stats_get_build(node, out->build_id);
        out->state = state;
        out->worker = node->worker;
        out->blocking = node->blocking;
        out->watermark_ns = watermark_ns;
    }
    out->replicas++;
    if (rank[state] > rank[out->state])
        out->state = state;
    if (watermark_ns < out->watermark_ns)
        out->watermark_ns = watermark_ns;
    out->calls += STAT_GET(node->calls);
    out->messages += STAT_GET(node->messages);
    out->rejects += STAT_GET(node->rejects);
    out->retries += STAT_GET(node->retries);
    out->errors += STAT_GET(node->errors);
    out->restarts += STAT_GET(node->restarts);
    out->reloads += STAT_GET(node->reloads);
    out->reload_failures += STAT_GET(node->reload_failures);
    if (STAT_GET(node->reload_pause_ns) > out->reload_pause_ns)
        out->reload_pause_ns = STAT_GET(node->reload_pause_ns);
    out->skips += STAT_GET(node->skips);
    out->sampled_ns += STAT_GET(node->sampled_ns);
    out->sampled_messages += STAT_GET(node->sampled_messages);
    add_counters(out, stats_counters_at(stats, i));
}

void
stats_node(const struct stats *stats, size_t i, struct node_view *out)
{
    memset(out, 0, sizeof *out);
    out->name = out->op = "";
    for (uint32_t k = 0; k < stats->n_nodes; k++)
        if (stats_node_at(stats, k)->graph_node == i)
            add_node(stats, k, out);
    out->ns_per_message =
        out->sampled_messages ? (double)out->sampled_ns / (double)out->sampled_messages : NAN;
}

size_t
stats_edges(const struct stats *stats)
{
    return stats->n_graph_edges;
}

static int64_t
monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void
add_edge(const struct stats *stats, struct stats_edge *edge, int64_t now_ns, struct edge_view *out)
{
    /* read what was finished before what was put: never a negative depth */
    uint64_t done_messages = STAT_GET(edge->done_messages), done_bytes = STAT_GET(edge->done_bytes);
    uint64_t messages = atomic_load_explicit(&edge->messages, memory_order_acquire);
    uint64_t batches = STAT_GET(edge->batches);
    uint64_t bytes = STAT_GET(edge->bytes), depth = 0;
    int64_t since_ns = STAT_GET(edge->blocked_since_ns);
    int64_t front_ns = STAT_GET(edge->front_ns), fill_ns = STAT_GET(edge->fill_ns);

    if (edge->counted_by_node) {
        const struct stats_node *node = stats_node_at(stats, edge->to_node);

        messages = STAT_GET(node->messages);
        batches = STAT_GET(node->batches);
    }
    if (edge->kind != EDGE_FUSED && messages > done_messages) {
        depth = messages - done_messages;
        for (int r = 0; r < STATS_DROPS; r++)
            depth -= depth < STAT_GET(edge->dropped[r]) ? depth : STAT_GET(edge->dropped[r]);
        out->depth_bytes += bytes > done_bytes ? bytes - done_bytes : 0;
    }
    if (depth && fill_ns) {
        int64_t put_ns = front_ns > fill_ns ? front_ns : fill_ns;

        if (now_ns - put_ns > out->age_ns)
            out->age_ns = now_ns - put_ns;
    }
    out->depth_messages += depth;
    out->messages += messages;
    out->batches += batches;
    out->capacity_messages += edge->capacity_messages;
    out->capacity_bytes += edge->capacity_bytes;
    out->blocked_ns += STAT_GET(edge->blocked_ns);
    if (since_ns) {
        out->blocked = true;
        out->blocked_ns += now_ns > since_ns ? (uint64_t)(now_ns - since_ns) : 0;
    }
    for (int r = 0; r < STATS_DROPS; r++)
        out->dropped[r] += STAT_GET(edge->dropped[r]);
    out->tap_dropped += STAT_GET(edge->tap_dropped);
    out->corrupt += STAT_GET(edge->corrupt);
    out->word = STAT_GET(edge->word);
    out->kind = edge->kind;
    out->name = edge->name;
    out->from = stats_node_at(stats, edge->from_node)->graph_node;
    out->to = stats_node_at(stats, edge->to_node)->graph_node;
}

void
stats_edge(const struct stats *stats, size_t i, struct edge_view *out)
{
    int64_t now_ns = monotonic_ns();

    memset(out, 0, sizeof *out);
    out->name = "";
    for (uint32_t k = 0; k < stats->n_edges; k++)
        if (stats_edge_at(stats, k)->graph_edge == i)
            add_edge(stats, stats_edge_at(stats, k), now_ns, out);
    out->credit_messages = out->capacity_messages - (int64_t)out->depth_messages;
    out->credit_bytes = out->capacity_bytes - (int64_t)out->depth_bytes;
}

size_t
stats_workers(const struct stats *stats)
{
    size_t n = 0;

    for (uint32_t i = 0; i < stats->n_workers; i++)
        n += stats_worker_at(stats, i)->in_use;
    return n;
}

static struct stats_worker *
used_worker(const struct stats *stats, size_t i)
{
    for (uint32_t k = 0; k < stats->n_workers; k++)
        if (stats_worker_at(stats, k)->in_use && i-- == 0)
            return stats_worker_at(stats, k);
    return NULL;
}

void
stats_worker(const struct stats *stats, size_t i, struct worker_view *out)
{
    struct stats_worker *worker = used_worker(stats, i);
    uint32_t node = worker ? STAT_GET(worker->node) : 0;

    memset(out, 0, sizeof *out);
    out->name = "";
    if (!worker) /* it has just gone */
        return;
    out->name = worker->name;
    out->turns = STAT_GET(worker->turns);
    out->parks = STAT_GET(worker->parks);
    out->spins = STAT_GET(worker->spins);
    out->wakes = STAT_GET(worker->wakes);
    out->node = node && node <= stats->n_nodes ? stats_node_at(stats, node - 1)->name : NULL;
}
