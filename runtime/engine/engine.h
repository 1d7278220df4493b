/* SPDX-License-Identifier: Apache-2.0
 * engine - runs a checked graph.
 *
 * Life: new -> start -> (wait | drain | stop) -> free. All calls from one controlling thread,
 * except those marked "any thread". */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/graph.h"

#include <hde/observe.h>
#include <hde/text.h>
#include <stdatomic.h>

struct engine;
struct parts; /* parts.h */
struct stats; /* engine/stats.h: counters in shared memory */

/* With log: told of every message that a node emits, on its worker's thread; several at once. */
struct engine_emitted {
    const char *node;
    uint32_t id, replica, port; /* ids are in topological order */
    uint64_t tick;
    int64_t event_ns;
    const ProtobufCMessageDescriptor *type;
    const uint8_t *bytes; /* packed; for the call */
    size_t size;
};
struct engine_trace {
    void (*emitted)(void *arg, const struct engine_emitted *message); /* NULL: nobody */
    /* With the messages of a source's entry, in its order, that the log does not have; NULL. */
    void (*asked)(void *arg, const struct engine_emitted *message);
    void *arg;
    uint64_t from, to; /* ticks, both included */
};

struct engine_options {
    bool virtual_clock; /* replay: time is the event time of what is fed */
    double speed;       /* virtual clock: 0 as fast as possible, 1 real time, 10 ten times */
    const char *stats_path; /* file under /dev/shm or NULL: anonymous */
    const char *host;       /* label; NULL: the host's name */
    int64_t stall_ns;       /* watchdog; 0: default 5 s */
    bool force_boundaries;  /* tests: cut at every edge */
    int64_t workers;        /* 0: as the graph says */
    const char *record;     /* folder: the ingress log is written there; NULL: not */
    const char *dlq;        /* folder of the dead-letter queue; NULL: letters are only counted */
    bool accepts_change;    /* sources that do not find what they read go on with what is there */
    bool refuses_takeover;  /* a checkpoint store that another process has is an error */
    bool checkpoint;        /* as graph->checkpoint says; needs record */
    const char *part;       /* with the logs of parts: this part alone; NULL: all */
    bool payloads;          /* the log has those of sources too that can be asked again */
    const char *log;        /* folder: entries are taken from its last start, sources are not asked */
    uint64_t until;          /* with log: entries behind this tick are not taken; 0: all. It may begin
                                with an epoch beside the log */
    bool is_dry;             /* with log: sinks and views are left out, nothing is written anywhere */
    struct engine_trace trace;
    bool own_builds;         /* with log: nodes run the graph's builds, not those that the log names */
    bool verify;             /* with log: barriers are passed, hashes compared */
    int64_t hashes_ns;       /* with record: hashes of all nodes so often, with checkpoint at every
                                barrier; 0: none */
    const char *secret_key; /* of the graph's host, where hosts have keys; NULL: none */
    bool insecure;          /* a host without keys may listen where others come from */
    const char *const *sets; /* what the graph was loaded with, kept in the log */
    size_t n_sets;
    const char *file; /* that the start named, and would load again; NULL: none */
    const struct registry *registry; /* of the graph, for graphs that are applied */
    const char *plugins; /* folders of operators for graphs that are applied; NULL: the usual */
    const char *plugin_folder; /* for private copies of reloaded plugins; NULL: no reloads */
    const char *trial_program; /* runs trial_child() (engine/trial.h); NULL: no trials */
    struct steps *steps; /* tests: no threads, a seed decides who runs (engine/steps.h) */
    /* One part of several (parts.h): its counters join the file at stats_path, metrics and health
     * are those of all, and over() is called once, on any thread, when it has ended or failed. */
    const struct parts *parts;
    bool ends_saved; /* with checkpoint: its end is an epoch, so that others need keep nothing for
                        it, and a savepoint has it */
    struct owner *owner; /* of the store that all parts are in, borrowed; NULL: takes one itself */
    void (*over)(void *arg);
    void *over_arg;
};

/* What the last start in an ingress log was. Texts live in the arena. */
struct log_start {
    const char *graph, *path; /* name and file */
    const char *host;         /* of that graph, whose log it is; NULL: it has none, or it ran as one */
    size_t n_sets;
    const char **sets;
    void *resolved; /* packed hde.ResolvedGraph; size 0: none */
    size_t resolved_size;
    uint64_t tick; /* its entry; 0: it was retired */
};
bool engine_log_start(const char *folder, struct arena *arena, struct log_start *out,
                      struct err *err);

/* What comparing a run with its log gave, after it ended. */
struct engine_verified {
    bool differs;
    uint64_t barriers, hashes; /* compared; 0 barriers: the log has no hashes */
    uint64_t after, up_to;     /* differs: ticks of the epoch; else up_to alone: the last barrier */
    char node[256], what[256]; /* differs: the first node, and what of it */
};

enum engine_state { ENGINE_NEW, ENGINE_RUNNING, ENGINE_DRAINING, ENGINE_ENDED, ENGINE_FAILED };

/* Builds segments, workers and edges, allocates state, opens every operator. The graph must
 * outlive the engine. NULL with a text that names the node. */
struct engine *engine_new(const struct graph *graph, const struct engine_options *options,
                          struct err *err);
bool engine_start(struct engine *engine, struct err *err);
enum engine_state engine_state(const struct engine *engine); /* any thread */
/* Waits until the engine ended or failed, at most timeout_ms (-1: for ever). True if it did. */
bool engine_wait(struct engine *engine, int timeout_ms); /* any thread */
int engine_done_fd(const struct engine *engine);         /* readable when it ended or failed */
/* Checkpoints: an epoch soon, not when it is due. Any thread. */
void engine_ask_epoch(struct engine *engine);
void engine_drain(struct engine *engine); /* any thread: sources stop, the rest runs empty */
void engine_stop(struct engine *engine);  /* any thread: now, without running empty */
/* After engine_stop(): waits until every thread is gone, at most timeout_ms. False: an operator does
 * not return, and engine_free() would wait for it. */
bool engine_join(struct engine *engine, int timeout_ms);
const struct err *engine_error(const struct engine *engine); /* after ENGINE_FAILED */
void engine_free(struct engine *engine); /* joins every thread, closes every operator */

/* After engine_join(). False: the engine did not verify anything. */
bool engine_verify(struct engine *engine, struct engine_verified *out);

/* Any thread: until engine_looked() the graph does not change, so what the functions below give
 * stays valid, but for what never goes: the counters. Do not wait in between. */
void engine_look(const struct engine *engine);
void engine_looked(const struct engine *engine);
const struct stats *engine_stats(const struct engine *engine); /* any thread */
/* hde_level: smaller ones of this node are not written any more. node NULL: every node. False if
 * there is no such node. Any thread. */
bool engine_log_level(struct engine *engine, const char *node, int level);
/* Why the graph does not move: one line for each actor that has input and makes no progress, with
 * the edges and nodes it waits for. Nothing where all moves. Any thread. */
void engine_stall_text(const struct engine *engine, hde_text *out);
/* Live, ready, draining and why not, for /livez, /readyz and hde_get_health(). Any thread. */
void engine_health(const struct engine *engine, hde_health *out);
/* Processor time so far of barriers: flushing sinks for them, saving state, writing epochs. Any
 * thread. */
uint64_t engine_checkpoint_cpu_ns(const struct engine *engine);
const struct graph *engine_graph(const struct engine *engine);

/* A tap: copies of what passes an edge, at most `depth` messages waiting (newest dropped and
 * counted), so a slow viewer never slows the graph. Any thread. */
struct tap;
struct tap *engine_tap_open(struct engine *engine, size_t edge, size_t depth);
/* The next message as packed bytes with its type, or false after timeout_ms. */
struct tap_item {
    uint64_t tick;
    int64_t event_ns;
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage *message; /* unpacked, valid until the next call */
    uint64_t dropped;          /* so far */
};
bool tap_next(struct tap *tap, struct tap_item *item, int timeout_ms);
/* For event loops: readable (level) from the moment when a message waits until tap_next() with
 * timeout 0 has given false. Owned by the tap. */
int tap_fd(const struct tap *tap);
const char *tap_edge(const struct tap *tap); /* its name */
void engine_tap_close(struct tap *tap);

/* Prometheus text (hde/observe.h) from the counters alone. */
void stats_prometheus(const struct stats *stats, hde_text *out);

#endif
