/* SPDX-License-Identifier: Apache-2.0
 * stats - the counters of a running graph, in memory that any process may map and read.
 *
 * One segment of fixed layout: a header, then arrays of slots for node instances, their named
 * counters, edge instances and workers: what every call counts lies close together. What lives on
 * through a change of the graph keeps its slot, and so its counters; there are more slots than the
 * graph needs at the start. A graph of several parts (parts.h) has a segment for its links and then
 * one for each part, one behind the other in one file; views of the first see them as one.
 * Every field that changes has one writing thread and is stored relaxed: a reader sees each value
 * on its own, never torn, also while the process hangs. Readers use the views below, which add up
 * replicas; they need no engine, only the mapping. */
#ifndef ENGINE_STATS_H
#define ENGINE_STATS_H

#include "base/err.h"

#include <hde/text.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATS_MAGIC = 0x53454448, /* "HDES" */
    STATS_VERSION = 8,
    STATS_COUNTERS = 40, /* named counters of one node */
    STATS_NAME = 128,
    STATS_EDGE_NAME = 264,
    STATS_BUILD = 80,    /* a build id in hex */
    STATS_STANDING = 240,
    STATS_DROPS = 2,
    STATS_SAMPLE = 64,  /* every 64th tick of an actor is timed, */
    STATS_SELDOM = 512, /* every 512th once there have been */
    STATS_MANY = 4096,
};
/* Instead of the number of a node or edge of the graph: nobody has the slot; somebody has it who is
 * not shown (yet, or any more). */
#define STATS_FREE UINT32_MAX
#define STATS_HIDDEN (UINT32_MAX - 1)

/* Idle and running are told apart by the worker: see stats_worker.node. */
enum node_state {
    NODE_IDLE,
    NODE_RUNNING,
    NODE_WAITING_CREDIT,
    NODE_PARKED,
    NODE_FAILED,
    NODE_ENDED
};
enum edge_kind {
    EDGE_FUSED,
    EDGE_RING,
    EDGE_ZMQ,
    EDGE_LATEST,
    EDGE_DROP_OLDEST,
    EDGE_SPILL,  /* a link: what does not fit goes to a journal */
    EDGE_JOURNAL, /* a link: all goes there */
    EDGE_HOST     /* a link to another host: what does not fit waits */
};
/* Why an edge dropped a message: a newer one of its key came; no room. */
enum drop_reason { DROP_REPLACED, DROP_FULL };

const char *node_state_name(enum node_state state);
const char *edge_kind_name(enum edge_kind kind);
const char *drop_reason_name(enum drop_reason reason);

enum { STATS_COUNTER_NAME = 128 };
struct stats_counter {
    char name[STATS_COUNTER_NAME], help[128]; /* "NAME{LABELS}": a gauge */
    _Atomic uint64_t value;
    _Atomic uint32_t in_use;
};

struct stats_node {
    /* the line of every call; batches and messages came in, or went out in a source's entries */
    _Alignas(64) _Atomic uint64_t calls;
    _Atomic uint64_t batches, messages;
    _Atomic int64_t watermark_ns;
    _Atomic uint64_t sampled_ns, sampled_messages; /* of the sampled ticks */
    _Atomic uint64_t rejects, retries, errors, restarts, skips;
    _Atomic uint32_t state; /* enum node_state, never NODE_RUNNING */
    uint32_t graph_node, replica, worker;
    uint32_t blocking; /* has a thread of its own */
    char name[STATS_NAME], op[STATS_NAME];
    /* reloads: the build id is in slot build % 2, so a reader sees a whole one */
    _Atomic uint64_t reloads, reload_failures;
    _Atomic int64_t reload_pause_ns; /* that the node stood still the last time */
    _Atomic uint32_t build;
    _Atomic char build_id[2][STATS_BUILD];
    /* what the operator says of the world: the same with slot standings % 2 */
    _Atomic uint32_t standing, standings; /* enum hde_standing */
    _Atomic int64_t standing_since_ns;    /* monotonic clock */
    _Atomic char standing_text[2][STATS_STANDING];
};

struct stats_edge {
    char name[STATS_EDGE_NAME];
    uint32_t graph_edge, kind, from_node, to_node; /* indices of instances */
    uint32_t counted_by_node; /* fused, and all that comes to to_node comes from here */
    int64_t capacity_messages, capacity_bytes;     /* 0: no bound of its own (fused) */
    /* the writer's line */
    _Alignas(64) _Atomic uint64_t messages; /* put by the writer */
    _Atomic uint64_t batches, bytes;
    _Atomic uint64_t blocked_ns;
    _Atomic int64_t blocked_since_ns; /* monotonic clock; 0: not blocked */
    _Atomic int64_t fill_ns;          /* when the edge last became non-empty */
    _Atomic uint64_t word;            /* progress */
    _Atomic uint64_t tap_dropped;
    _Atomic uint64_t dropped[STATS_DROPS];
    /* the reader's line */
    _Alignas(64) _Atomic uint64_t done_messages;
    _Atomic uint64_t done_bytes;
    _Atomic int64_t front_ns; /* when the batch taken last was put */
    _Atomic uint64_t corrupt; /* frames that could not be read */
    /* links */
    _Atomic uint64_t kept;                        /* frames that no epoch of the receiver covers */
    _Atomic uint64_t spilled;                     /* messages written to the journal so far */
    _Atomic uint64_t journal_messages, journal_bytes; /* that are needed there */
};

struct stats_worker {
    char name[STATS_NAME];
    _Alignas(64) _Atomic uint32_t node; /* instance that is being called + 1; 0: none */
    _Atomic uint64_t turns, parks, spins, lingers, wakes;
    _Atomic uint32_t in_use;
};

/* The dead-letter queue; written under its lock. */
struct stats_dlq {
    _Atomic uint64_t letters, bytes; /* that are there now */
    _Atomic uint64_t put, known;     /* put aside; known: again, when a log was taken again */
    _Atomic uint64_t replayed, dropped, expired, lost;
};

/* The ingress log; written by its thread. */
struct stats_log {
    _Atomic uint32_t is_on;
    _Atomic uint32_t is_full; /* no room on the disk: nothing enters the graph */
    _Atomic uint64_t segments, bytes;
    _Atomic uint64_t first_tick, last_tick; /* that it holds; 0: none */
    _Atomic int64_t synced_ns;              /* monotonic clock */
};

/* Epochs; written by who writes them, but `abandoned`: by the sequencing worker. */
struct stats_epochs {
    _Atomic uint32_t is_on;
    _Atomic uint64_t completed, failed, abandoned; /* since the start */
    _Atomic uint64_t tick;                         /* of the newest; 0: none */
    _Atomic int64_t time_ns;                       /* of its barrier, wall clock */
    _Atomic int64_t took_ns;                       /* from barrier to commit; 0: of another start */
    _Atomic uint64_t bytes;
};

/* The log taken again at the start; written by the sequencing worker. */
struct stats_recovery {
    _Atomic uint64_t entries, taken;
    _Atomic int64_t began_ns, ended_ns; /* monotonic clock; 0: not yet, or nothing to take */
};

struct stats {
    uint32_t magic, version;
    uint64_t size;  /* of the segment */
    uint64_t total; /* in the first of several: of all; else 0 */
    char graph[STATS_NAME], host[STATS_NAME];
    int32_t pid;
    uint32_t virtual_clock;
    int64_t start_ns; /* wall clock */
    uint32_t cap_nodes, cap_edges, cap_workers;           /* slots */
    uint64_t nodes_at, counters_at, edges_at, workers_at; /* offsets */
    /* odd while the graph changes: readers in another process look again */
    _Alignas(64) _Atomic uint64_t shape;
    _Atomic uint32_t n_graph_nodes, n_graph_edges;
    _Atomic uint32_t n_nodes, n_edges, n_workers; /* slots that were ever in use */
    _Alignas(64) _Atomic uint32_t state;     /* enum engine_state */
    _Atomic uint64_t tick;                   /* given last */
    _Atomic uint64_t entries;                /* given so far */
    _Atomic int64_t now_ns;                  /* processing time of the last entry */
    _Atomic uint64_t stalls;                 /* reports of the watchdog */
    struct stats_dlq dlq;
    struct stats_log log;
    struct stats_epochs epochs;
    struct stats_recovery recovery;
};

/* ---- Views: what readers use -------------------------------------------------------------- */

struct node_view {
    const char *name, *op;
    char build_id[STATS_BUILD];
    enum node_state state; /* the busiest of the replicas */
    unsigned replicas, worker;
    bool blocking;
    uint64_t calls, messages, rejects, retries, errors, restarts, skips;
    uint64_t reloads, reload_failures;
    int64_t reload_pause_ns; /* the longest of the replicas' last ones */
    uint64_t sampled_ns, sampled_messages;
    double ns_per_message; /* from the sampled ticks; NaN: none yet */
    int64_t watermark_ns;  /* smallest of the replicas */
    bool is_degraded, is_held_up; /* of one of them: the worst, and since when */
    int64_t standing_ns;
    char standing[STATS_STANDING];
    unsigned n_counters;
    struct {
        const char *name, *help;
        uint64_t value;
    } counter[STATS_COUNTERS];
};

struct edge_view {
    const char *name;
    enum edge_kind kind;
    uint64_t messages, batches;
    uint64_t depth_messages, depth_bytes; /* put and not yet finished by the reader */
    int64_t capacity_messages, capacity_bytes, credit_messages, credit_bytes;
    int64_t age_ns; /* of the oldest that waits; 0: none */
    uint64_t dropped[STATS_DROPS], tap_dropped, corrupt;
    uint64_t blocked_ns; /* with what is going on now */
    bool blocked;
    uint64_t word;
    uint64_t kept, spilled, journal_messages, journal_bytes;
};

struct worker_view {
    const char *name;
    uint64_t turns, parks, spins, lingers, wakes;
    const char *node; /* in which it is now, or NULL */
};

/* The whole: of several parts the state that a person should see, and sums. */
struct head_view {
    uint32_t state; /* enum engine_state */
    uint64_t tick, entries, stalls;
    int64_t now_ns;
    struct {
        uint64_t letters, bytes, put, replayed, dropped, expired, lost;
    } dlq;
    struct {
        bool is_on, is_full;
        uint64_t segments, bytes, first_tick, last_tick;
        int64_t sync_age_ns; /* the longest */
    } log;
    struct { /* tick, age, took and bytes: of the part whose newest epoch is the oldest */
        bool is_on;
        uint64_t completed, failed, abandoned, tick, bytes;
        int64_t age_ns, took_ns;
    } epochs;
    struct {
        bool is_on, is_running; /* there was something to take; it is being taken */
        uint64_t entries, taken;
        int64_t took_ns; /* so far, or in all */
    } recovery;
};
void stats_head(const struct stats *stats, struct head_view *out);

/* i counts nodes and edges of the graph, in its order; workers as the engine made them. False: this
 * process has no such node or edge, it is on another host. */
size_t stats_nodes(const struct stats *stats);
bool stats_node(const struct stats *stats, size_t i, struct node_view *out);
size_t stats_edges(const struct stats *stats);
bool stats_edge(const struct stats *stats, size_t i, struct edge_view *out);
size_t stats_workers(const struct stats *stats);
void stats_worker(const struct stats *stats, size_t i, struct worker_view *out);

/* Maps the file of another process (engine_options.stats_path) read-only. NULL with a text if it
 * is not one or of another version. */
const struct stats *stats_open(const char *path, struct err *err);
/* Around what is read of another process: false, and it has to be read again. */
uint64_t stats_look(const struct stats *stats);
bool stats_looked(const struct stats *stats, uint64_t look);
void stats_close(const struct stats *stats);

/* ---- The writing side: the engine --------------------------------------------------------- */

struct stats_shape {
    const char *path, *graph, *host; /* path NULL: anonymous */
    bool joins; /* behind the segments that the file at path has */
    uint32_t nodes, edges, workers; /* slots that are needed at once */
};
struct stats *stats_new(const struct stats_shape *shape, struct err *err);
void stats_free(struct stats *stats, const char *path); /* removes the file too; NULL: not */
/* Once every segment is in the file, and before anybody else reads it: joins them. */
struct stats *stats_join(const char *path, struct err *err);
/* The number of a cleared slot, hidden; STATS_FREE: there are no more. */
uint32_t stats_take_node(struct stats *stats);
uint32_t stats_take_edge(struct stats *stats);
uint32_t stats_take_worker(struct stats *stats);
void stats_drop_node(struct stats *stats, uint32_t i);
void stats_drop_edge(struct stats *stats, uint32_t i);
void stats_drop_worker(struct stats *stats, uint32_t i);
/* Around a change of which slots belong to the graph. */
void stats_begin_shape(struct stats *stats);
void stats_end_shape(struct stats *stats, size_t graph_nodes, size_t graph_edges);
struct stats_node *stats_node_at(const struct stats *stats, uint32_t i);
struct stats_counter *stats_counters_at(const struct stats *stats, uint32_t node); /* all */
struct stats_edge *stats_edge_at(const struct stats *stats, uint32_t i);
struct stats_worker *stats_worker_at(const struct stats *stats, uint32_t i);
void stats_set_build(struct stats_node *node, const char *build_id); /* NULL as "" */
void stats_get_build(const struct stats_node *node, char *out); /* STATS_BUILD bytes */
/* enum hde_standing; since_ns is that of the first of the same standing. */
void stats_set_standing(struct stats_node *node, uint32_t standing, const char *text,
                        int64_t now_ns);
void stats_get_standing(const struct stats_node *node, char *out); /* STATS_STANDING bytes */

/* One writer: a plain add, without a locked instruction. */
#define STAT_ADD(field, by)                                                                        \
    atomic_store_explicit(&(field), atomic_load_explicit(&(field), memory_order_relaxed) + (by),   \
                          memory_order_relaxed)
#define STAT_SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define STAT_GET(field) atomic_load_explicit(&(field), memory_order_relaxed)

#endif
