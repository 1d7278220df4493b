/* SPDX-License-Identifier: Apache-2.0
 * graph - the model of a checked graph: nodes, edges, settings. Immutable after graph_load().
 *
 * Chains are flattened: a node of chain "processing" is called "processing.clean". The engine
 * reads this; only runtime/graph writes it. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "base/arena.h"
#include "graph/diag.h"
#include "plugin/registry.h"

#include <string.h>

enum full_policy { FULL_BLOCK, FULL_LATEST, FULL_DROP_OLDEST, FULL_SPILL };
enum on_error { ON_ERROR_STOP, ON_ERROR_RETRY, ON_ERROR_SKIP, ON_ERROR_RESTART };
enum edge_transport { TRANSPORT_AUTO, TRANSPORT_ZMQ };

/* delivery: what is promised when processes die (delivery.h). */
enum delivery {
    DELIVERY_NONE,
    DELIVERY_AT_MOST_ONCE,
    DELIVERY_AT_LEAST_ONCE,
    DELIVERY_EFFECTIVELY_ONCE,
};

/* on_error: skip, or {do: retry, attempts: 5, backoff: 100ms, max_backoff: 10s, then: stop}.
 *   HDE_REJECT  always skips the message (dead-letter queue, counter).
 *   HDE_RETRY   always calls again after the backoff; `attempts` limits it, then `then`.
 *   HDE_FAIL    stop: the engine fails; skip: the message is skipped; retry: as HDE_RETRY; restart:
 *               the instance is opened afresh and fed again (engine/retain.h), `limit` times
 *               `within` a time, then `then`. */
struct error_policy {
    enum on_error action;               /* default stop */
    int64_t attempts;                   /* 0: no limit */
    int64_t backoff_ns, max_backoff_ns; /* doubles from one to the other */
    int64_t limit, within_ns;           /* restart */
    enum on_error then;                 /* after the last attempt: stop or skip */
};

/* isolate: process, or {memory: 512MiB, timeout: 5s, network: false}: the operator runs in a child
 * process (engine/isolate.h). */
struct isolate_policy {
    bool is_on;
    int64_t memory_bytes; /* that the child may ask for, beside what it begins with */
    int64_t timeout_ns;   /* of one call; then the child is killed */
    bool network;         /* may open sockets */
};

struct yaml;

/* replicas: 4, host: [a, b]: each of these hosts has a node of its own with some of the replicas,
 * called NODE@HOST (spread.c). Of all of them it has those whose number leaves `at` over
 * `hosts`. */
struct graph_spread {
    int64_t of; /* replicas on all hosts; 0: all that there are lie on one */
    int64_t hosts, at;
};

struct graph_node {
    const char *name; /* full, "processing.clean" */
    const hde_operator *op;
    const char *plugin_path;
    const char *build_id; /* of the plugin file, hex; NULL or "": none */
    struct place place;
    const void *params; /* op->state_size bytes: zeroed, parameters filled in; copied per replica */
    const struct yaml *values; /* what the file and --set say, without variables; NULL: nothing */
    struct error_policy on_error;
    struct isolate_policy isolate;
    int64_t replicas; /* 1 and up; of a spread node those on its host */
    const char *key;  /* message field, with replicas > 1 or spread */
    struct graph_spread spread;
    const char *was;  /* the name that it had; NULL: none said */
    bool boundary;    /* cut in front of this node */
    int64_t worker;   /* -1: the runtime chooses */
    enum delivery delivery; /* NONE: as the graph says */
    const char *topic; /* of a node that an edge with via: has become; NULL: the file has it */
    size_t host;       /* among the graph's, if it has any */
    bool is_apart;     /* moved there from a host that is lost: its edges stay links */
    bool names_state;  /* its mark tells which state a start has to go on from */
};

/* Not every message that goes to the node is for every instance of it. */
static inline bool
node_is_split(const struct graph_node *node)
{
    return node->replicas > 1 || node->spread.of;
}

/* The node of the file: of a share, the name without its host. */
static inline size_t
node_family(const struct graph_node *node)
{
    const char *host = node->spread.of ? strrchr(node->name, '@') : NULL;

    return host ? (size_t)(host - node->name) : strlen(node->name);
}

/* Of two graphs: shares of one node of the file, or the node itself. */
static inline bool
same_family(const struct graph_node *a, const struct graph_node *b)
{
    size_t len = node_family(a);

    return len == node_family(b) && !memcmp(a->name, b->name, len);
}

static inline bool
same_spread(const struct graph_spread *a, const struct graph_spread *b)
{
    return a->of == b->of && a->hosts == b->hosts && a->at == b->at;
}

struct graph_edge {
    const char *name; /* "processing.clean.out -> processing.forward.in" */
    size_t from, to;  /* nodes */
    unsigned from_port, to_port;
    struct place place;
    enum full_policy full;
    enum edge_transport transport;
    enum delivery delivery;
    size_t n_keys; /* latest: message fields (full names of top-level fields) */
    const char *const *keys;
    int64_t capacity_messages, capacity_bytes; /* defaults 1024 messages, 64 MiB */
    bool is_durable;       /* durable: journal */
    const char *journal;   /* links: its folder; NULL: the runtime chooses */
    int64_t journal_bytes; /* links: what it may hold, default 4 GiB */
    bool is_remote;        /* its ends lie on different hosts, each in a process of its own */
    bool is_apart;         /* a link all the same, in one process: its ends did, and one was lost,
                            * or one of them is spread over hosts */
};

static inline bool
edge_may_drop(const struct graph_edge *edge)
{
    return edge->full == FULL_LATEST || edge->full == FULL_DROP_OLDEST;
}

struct checkpoint_policy {
    const char *store; /* folder; NULL: no checkpoints */
    int64_t every_ns, timeout_ns;
    int64_t keep; /* epochs */
    bool hashes;  /* at every barrier */
};

/* log: of record: or checkpoint:, of the one ingress log that there is. */
struct log_policy { /* 0: as seglog_open() likes it, and no bound */
    int64_t segment_bytes;
    int64_t max_bytes, max_age_ns; /* retention; with checkpoints as far as kept epochs allow */
    int64_t sync_ns, sync_bytes;   /* fsync at the latest after so long, or when so much waits */
};

/* dlq: FOLDER, or {path, max_size, max_age}. */
struct dlq_policy {
    const char *folder; /* NULL: graph_dlq_folder() says where */
    int64_t max_bytes, max_age_ns; /* 0: no bound */
};

/* hosts: {NAME: {listen: "tcp://10.0.0.1:7700", address, public_key, workers: 4}} */
struct graph_host {
    const char *name;
    struct place place;
    const char *listen;     /* tcp://HOST:PORT or ipc://PATH: what it binds */
    const char *address;    /* what the others connect to; listen where nothing else is said */
    const char *public_key; /* of CURVE, 40 characters of Z85; NULL: hosts have no keys */
    int64_t workers;        /* 0: as the graph says */
};
#define HOST_NONE SIZE_MAX

struct graph_text { /* a file, as it was read */
    const char *path, *text;
};

struct graph {
    struct arena arena;      /* owns every text above */
    const char *name, *path; /* path of the top file */
    size_t n_texts, n_sets;  /* none: it was not made of files */
    const struct graph_text *texts; /* in the order in which they were read */
    const char *const *sets;        /* that it was loaded with */
    size_t n_nodes, n_edges;
    struct graph_node *nodes;     /* in topological order, ties in file order */
    struct graph_edge *edges;     /* sorted by (from, from_port, file order) */
    int64_t workers;              /* 0: as many as cores, at most 8 */
    struct dlq_policy dlq;
    enum delivery delivery;       /* of all sinks that do not say otherwise */
    const char *record;           /* folder of the ingress log, NULL: none */
    int64_t hashes_ns;            /* of record: hashes of all nodes so often; 0: none */
    struct checkpoint_policy checkpoint;
    struct log_policy log;        /* of record or checkpoint */
    bool is_shared;      /* one partition of a shared stage: checkpoint.store holds generations */
    uint64_t generation; /* that of checkpoint.store; 0: it is not chosen, or there are none */
    struct error_policy on_error; /* default of all nodes */
    const char *common_name; /* that of the graph on all its hosts; name has this host's too */
    size_t n_hosts;
    struct graph_host *hosts;
    size_t coordinator; /* host that leads changes over all of them */
    size_t host;        /* that this process is; HOST_NONE: all of them, or there are none */
    /* Of a part (parts.h): numbers in the whole graph, SIZE_MAX for what only the part has. NULL:
     * this is a whole graph. */
    const struct graph *whole;
    const size_t *whole_node, *whole_edge;
};

/* Loaded for one host: what lies elsewhere is there to be named, and does not run. */
static inline bool
graph_is_of_host(const struct graph *graph)
{
    return graph->n_hosts && graph->host != HOST_NONE;
}

struct graph_options {
    const char *const *sets; /* "node.param=value", "vars.x=value", "node.params.x=value" */
    size_t n_sets;
    bool for_run; /* a missing secret or variable is an error, else a warning */
    bool strict;  /* warnings that check calls errors */
    bool direct_via;       /* edges via a topic are ordinary edges: nothing leaves the process */
    const char *stage;     /* only what runs in this stage; NULL: all */
    const char *partition; /* with stage: only this partition of its topics; NULL: all */
    const char *host;      /* that this process is, HOST_ALL: all of them; NULL: it is none */
    bool insecure;         /* hosts without keys may listen where others come from */
    const struct graph_text *texts; /* in place of the files of these paths */
    size_t n_texts;
    /* "node=host", "chain=host", of a lost host "node=host apart": whatever the file says, and the
     * last one holds */
    const char *const *moves;
    size_t n_moves;
    size_t n_asked; /* the last of them are asked for now: each has to name a node that there is */
    const char *const *command; /* what runs that stage again, for kafka/members */
    size_t n_command;
};

/* Reads, resolves and checks everything; all findings go to diags. NULL if there was an error.
 * The registry must outlive the graph. */
struct graph *graph_load(const char *path, const struct graph_options *options,
                         const struct registry *registry, struct diags *diags);
void graph_free(struct graph *graph);
/* The folder of the dead-letter queue: what dlq: says, STORE/dlq of checkpoint:, or NAME.dlq in the
 * working folder. */
const char *graph_dlq_folder(const struct graph *graph, struct arena *arena);

/* Fills a zeroed state of another version of the node's operator with the values of the graph. Text
 * lives in arena. False with the first error. Any thread. */
bool graph_refill_params(const struct graph_node *node, const hde_operator *op, void *state,
                         struct arena *arena, struct err *err);

/* The same values as one line of YAML, a flow mapping, for another process. Paths become absolute.
 * Secrets are in it. */
void graph_write_params(const struct graph_node *node, hde_text *out);

/* The i-th value that the graph gives: its name, and the value as YAML; paths become absolute.
 * NULL: there are no more. A secret is written as "". */
const char *graph_given(const struct graph_node *node, size_t i, hde_text *value);
/* The other way: a flow mapping of such values becomes the values and parameters of a node whose op
 * is set. Memory is the arena's. */
bool graph_give(struct graph_node *node, const char *values, struct arena *arena, struct err *err);

/* Parses a params text for one operator (used by the test harness): fills a zeroed state. Text
 * lives in arena. */
bool graph_fill_params(const hde_operator *op, const char *yaml_text, void *state,
                       struct arena *arena, struct diags *diags);

#endif
