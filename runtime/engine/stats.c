/* SPDX-License-Identifier: Apache-2.0
 * stats - see stats.h: the segment and the views. */
#include "engine/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <hde/operator.h>
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
    static const char *const names[] = {"fused", "ring", "zmq", "latest", "drop_oldest",
                                        "spill", "journal", "host"};

    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

const char *
drop_reason_name(enum drop_reason reason)
{
    static const char *const names[] = {"replaced", "full"};

    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : "unknown";
}

static int64_t
clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- The segment -------------------------------------------------------------------------- */

static uint64_t
round64(uint64_t size)
{
    return (size + 63) & ~(uint64_t)63;
}

/* *at: where the segment begins in the file. */
static int
segment_open(const struct stats_shape *shape, uint64_t *at)
{
    struct stat st;
    int fd;

    *at = 0;
    if (!shape->path)
        return memfd_create("hde-stats", MFD_CLOEXEC);
    if (shape->joins) {
        fd = open(shape->path, O_RDWR | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) == 0)
            *at = (uint64_t)st.st_size;
        return fd;
    }
    unlink(shape->path); /* a reader of a process that is gone keeps its mapping */
    return open(shape->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

static uint64_t
round_page(uint64_t size)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
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
    uint64_t size = round_page(workers_at + round64(cap_workers * sizeof(struct stats_worker)));
    uint64_t at;
    int fd = segment_open(shape, &at);
    struct stats *stats;

    if (fd < 0 || ftruncate(fd, (off_t)(at + size))) {
        err_set(err, "HDE-R002", "counters cannot be kept in '%s': %s",
                shape->path ? shape->path : "memory", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);
    close(fd);
    if (stats == MAP_FAILED) {
        err_set(err, "HDE-R002", "counters cannot be mapped: %s", strerror(errno));
        return NULL;
    }
    stats->version = STATS_VERSION;
    stats->size = size;
    snprintf(stats->graph, sizeof stats->graph, "%s", shape->graph);
    snprintf(stats->host, sizeof stats->host, "%s", shape->host);
    stats->pid = (int32_t)getpid();
    stats->start_ns = clock_ns(CLOCK_REALTIME);
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
    munmap(stats, stats->size); /* the engine's own mapping, whatever comes behind it */
    if (path)
        unlink(path);
}

/* Whether the bytes are segments one behind the other. */
static bool
is_chain(const struct stats *stats, uint64_t size)
{
    for (uint64_t at = 0; at < size;) {
        const struct stats *it = (const struct stats *)((const char *)stats + at);

        if (size - at < sizeof *it || it->magic != STATS_MAGIC || it->version != STATS_VERSION ||
            it->size < sizeof *it || it->size > size - at)
            return false;
        at += it->size;
    }
    return true;
}

static struct stats *
map_file(const char *path, bool joins, struct err *err)
{
    int fd = open(path, (joins ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    struct stat st = {0};
    struct stats *stats = MAP_FAILED;

    if (fd < 0) {
        err_set(err, "HDE-R003", "'%s' cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof *stats)
        stats = mmap(NULL, (size_t)st.st_size, joins ? PROT_READ | PROT_WRITE : PROT_READ,
                     MAP_SHARED, fd, 0);
    close(fd);
    if (stats == MAP_FAILED) {
        err_set(err, "HDE-R003", "'%s' holds no counters of a running graph", path);
        return NULL;
    }
    if (joins)
        stats->total = (uint64_t)st.st_size;
    if (!is_chain(stats, (uint64_t)st.st_size) ||
        (stats->total ? stats->total : stats->size) != (uint64_t)st.st_size) {
        err_set(err, "HDE-R003", "'%s' holds no counters of this version", path);
        munmap(stats, (size_t)st.st_size);
        return NULL;
    }
    return stats;
}

struct stats *
stats_join(const char *path, struct err *err)
{
    return map_file(path, true, err);
}

const struct stats *
stats_open(const char *path, struct err *err)
{
    return map_file(path, false, err);
}

void
stats_close(const struct stats *stats)
{
    if (stats)
        munmap((void *)(uintptr_t)stats, stats->total ? stats->total : stats->size);
}

/* The segment behind one of those that begin with first, or NULL. */
static const struct stats *
segment_after(const struct stats *first, const struct stats *segment)
{
    uint64_t at = (uint64_t)((const char *)segment - (const char *)first) + segment->size;

    return at < first->total ? (const struct stats *)((const char *)first + at) : NULL;
}
#define EACH_SEGMENT(it, stats)                                                                    \
    const struct stats *it = (stats);                                                              \
    it;                                                                                            \
    it = segment_after(stats, it)

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

static void
add_log(struct head_view *out, const struct stats_log *log)
{
    int64_t age_ns;

    if (!STAT_GET(log->is_on))
        return;
    age_ns = clock_ns(CLOCK_MONOTONIC) - STAT_GET(log->synced_ns);
    out->log.is_on = true;
    out->log.is_full |= STAT_GET(log->is_full);
    out->log.segments += STAT_GET(log->segments);
    out->log.bytes += STAT_GET(log->bytes);
    if (!out->log.first_tick || STAT_GET(log->first_tick) < out->log.first_tick)
        out->log.first_tick = STAT_GET(log->first_tick);
    if (STAT_GET(log->last_tick) > out->log.last_tick)
        out->log.last_tick = STAT_GET(log->last_tick);
    if (age_ns > out->log.sync_age_ns)
        out->log.sync_age_ns = age_ns;
}

static void
add_epochs(struct head_view *out, const struct stats_epochs *epochs)
{
    int64_t age_ns;

    if (!STAT_GET(epochs->is_on))
        return;
    age_ns = clock_ns(CLOCK_REALTIME) - STAT_GET(epochs->time_ns);
    out->epochs.is_on = true;
    out->epochs.completed += STAT_GET(epochs->completed);
    out->epochs.failed += STAT_GET(epochs->failed);
    out->epochs.abandoned += STAT_GET(epochs->abandoned);
    if (!STAT_GET(epochs->tick) || age_ns < out->epochs.age_ns)
        return;
    out->epochs.tick = STAT_GET(epochs->tick);
    out->epochs.age_ns = age_ns;
    out->epochs.took_ns = STAT_GET(epochs->took_ns);
    out->epochs.bytes = STAT_GET(epochs->bytes);
}

static void
add_recovery(struct head_view *out, const struct stats_recovery *recovery)
{
    int64_t began_ns = STAT_GET(recovery->began_ns), ended_ns = STAT_GET(recovery->ended_ns);
    int64_t took_ns = (ended_ns ? ended_ns : clock_ns(CLOCK_MONOTONIC)) - began_ns;

    if (!began_ns)
        return;
    out->recovery.is_on = true;
    out->recovery.is_running |= !ended_ns;
    out->recovery.entries += STAT_GET(recovery->entries);
    out->recovery.taken += STAT_GET(recovery->taken);
    if (took_ns > out->recovery.took_ns)
        out->recovery.took_ns = took_ns;
}

void
stats_head(const struct stats *stats, struct head_view *out)
{
    /* enum engine_state: what still runs, then a failed part */
    static const int rank[] = {0, 4, 3, 1, 2};

    *out = (struct head_view){0};
    for (EACH_SEGMENT(it, stats)) {
        uint32_t state = STAT_GET(it->state);

        if (rank[state] > rank[out->state])
            out->state = state;
        if (STAT_GET(it->tick) > out->tick)
            out->tick = STAT_GET(it->tick);
        if (STAT_GET(it->now_ns) > out->now_ns)
            out->now_ns = STAT_GET(it->now_ns);
        out->entries += STAT_GET(it->entries);
        out->stalls += STAT_GET(it->stalls);
        out->dlq.letters += STAT_GET(it->dlq.letters);
        out->dlq.bytes += STAT_GET(it->dlq.bytes);
        out->dlq.put += STAT_GET(it->dlq.put);
        out->dlq.replayed += STAT_GET(it->dlq.replayed);
        out->dlq.dropped += STAT_GET(it->dlq.dropped);
        out->dlq.expired += STAT_GET(it->dlq.expired);
        out->dlq.lost += STAT_GET(it->dlq.lost);
        add_log(out, &it->log);
        add_epochs(out, &it->epochs);
        add_recovery(out, &it->recovery);
    }
}

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

static void
put_text(_Atomic char *slot, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);

    for (size_t i = 0; i <= len; i++)
        STAT_SET(slot[i], i < len ? text[i] : 0);
}

static void
take_text(const _Atomic char *slot, size_t size, char *out)
{
    size_t i = 0;

    while (i < size - 1 && (out[i] = STAT_GET(slot[i])))
        i++;
    out[i] = 0;
}

void
stats_set_build(struct stats_node *node, const char *build_id)
{
    uint32_t build = STAT_GET(node->build) + 1;

    put_text(node->build_id[build % 2], STATS_BUILD, build_id ? build_id : "");
    /* release: whoever sees the number sees the text */
    atomic_store_explicit(&node->build, build, memory_order_release);
}

void
stats_get_build(const struct stats_node *node, char *out)
{
    uint32_t build = atomic_load_explicit(&node->build, memory_order_acquire);

    take_text(node->build_id[build % 2], STATS_BUILD, out);
}

void
stats_set_standing(struct stats_node *node, uint32_t standing, const char *text, int64_t now_ns)
{
    uint32_t before = STAT_GET(node->standing), number = STAT_GET(node->standings) + 1;

    if (!standing && !before)
        return;
    if (standing != before)
        STAT_SET(node->standing_since_ns, now_ns);
    put_text(node->standing_text[number % 2], STATS_STANDING, text);
    STAT_SET(node->standing, standing);
    atomic_store_explicit(&node->standings, number, memory_order_release);
}

void
stats_get_standing(const struct stats_node *node, char *out)
{
    uint32_t number = atomic_load_explicit(&node->standings, memory_order_acquire);

    take_text(node->standing_text[number % 2], STATS_STANDING, out);
}

static int64_t
monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void
add_standing(const struct stats_node *node, struct node_view *out)
{
    uint32_t standing = STAT_GET(node->standing);

    if (!standing || out->is_held_up || (out->is_degraded && standing == HDE_DEGRADED))
        return;
    out->is_held_up = standing == HDE_HELD_UP;
    out->is_degraded = standing == HDE_DEGRADED;
    out->standing_ns = monotonic_ns() - STAT_GET(node->standing_since_ns);
    stats_get_standing(node, out->standing);
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
    add_standing(node, out);
    out->sampled_ns += STAT_GET(node->sampled_ns);
    out->sampled_messages += STAT_GET(node->sampled_messages);
    add_counters(out, stats_counters_at(stats, i));
}

bool
stats_node(const struct stats *stats, size_t i, struct node_view *out)
{
    unsigned workers = 0;

    memset(out, 0, sizeof *out);
    out->name = out->op = "";
    for (EACH_SEGMENT(it, stats)) {
        for (uint32_t k = 0; k < it->n_nodes; k++)
            if (stats_node_at(it, k)->graph_node == i) {
                add_node(it, k, out);
                if (out->replicas == 1)
                    out->worker += workers;
            }
        workers += it->n_workers;
    }
    out->ns_per_message =
        out->sampled_messages ? (double)out->sampled_ns / (double)out->sampled_messages : NAN;
    return *out->name;
}

size_t
stats_edges(const struct stats *stats)
{
    return stats->n_graph_edges;
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
    out->kept += STAT_GET(edge->kept);
    out->spilled += STAT_GET(edge->spilled);
    out->journal_messages += STAT_GET(edge->journal_messages);
    out->journal_bytes += STAT_GET(edge->journal_bytes);
}

bool
stats_edge(const struct stats *stats, size_t i, struct edge_view *out)
{
    int64_t now_ns = monotonic_ns();

    memset(out, 0, sizeof *out);
    out->name = "";
    for (EACH_SEGMENT(it, stats))
        for (uint32_t k = 0; k < it->n_edges; k++)
            if (stats_edge_at(it, k)->graph_edge == i)
                add_edge(it, stats_edge_at(it, k), now_ns, out);
    out->credit_messages = out->capacity_messages - (int64_t)out->depth_messages;
    out->credit_bytes = out->capacity_bytes - (int64_t)out->depth_bytes;
    return *out->name;
}

size_t
stats_workers(const struct stats *stats)
{
    size_t n = 0;

    for (EACH_SEGMENT(it, stats))
        for (uint32_t i = 0; i < it->n_workers; i++)
            n += stats_worker_at(it, i)->in_use;
    return n;
}

static struct stats_worker *
used_worker(const struct stats *stats, size_t i, const struct stats **in)
{
    for (EACH_SEGMENT(it, stats)) {
        *in = it;
        for (uint32_t k = 0; k < it->n_workers; k++)
            if (stats_worker_at(it, k)->in_use && i-- == 0)
                return stats_worker_at(it, k);
    }
    return NULL;
}

void
stats_worker(const struct stats *stats, size_t i, struct worker_view *out)
{
    const struct stats *in;
    struct stats_worker *worker = used_worker(stats, i, &in);
    uint32_t node = worker ? STAT_GET(worker->node) : 0;

    memset(out, 0, sizeof *out);
    out->name = "";
    if (!worker) /* it has just gone */
        return;
    out->name = worker->name;
    out->turns = STAT_GET(worker->turns);
    out->parks = STAT_GET(worker->parks);
    out->spins = STAT_GET(worker->spins);
    out->lingers = STAT_GET(worker->lingers);
    out->wakes = STAT_GET(worker->wakes);
    out->node = node && node <= in->n_nodes ? stats_node_at(in, node - 1)->name : NULL;
}
