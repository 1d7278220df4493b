/* SPDX-License-Identifier: Apache-2.0
 * load - what stands between YAML trees and the model: files in places, drafts of nodes and edges.
 *
 * Only runtime/graph includes this. Everything lives in the arena of the graph that is being
 * loaded; findings go to diags, and what is wrong is left out so that the rest can be checked. */
#ifndef GRAPH_LOAD_H
#define GRAPH_LOAD_H

#include "graph/codes.h"
#include "graph/graph.h"
#include "graph/params.h"
#include "graph/variables.h"
#include "plugin/check.h"

#include <sys/types.h>

enum { NAME_MAX_LEN = 64, NODES_MAX = 10000, EDGES_MAX = 100000, INCLUDE_DEPTH_MAX = 16 };

struct file { /* read once, used in any number of places */
    const char *path;
    dev_t dev;
    ino_t ino;
    const char *text;
    struct yaml *root; /* NULL: could not be read */
};

struct host_draft { /* host: as written, and where it leads */
    const char *name; /* NULL: nothing was said; of a list the first one */
    struct place place;
    size_t index; /* HOST_NONE: not found, or not looked up yet */
    bool is_done;
    size_t n_others; /* of a list */
    struct host_draft *others;
};

struct share_draft { /* the replicas of a spread node that one host has */
    const char *full; /* "processing.clean@a" */
    size_t host;
    bool is_apart;
};

struct node_draft {
    const char *name, *full; /* "clean", "processing.clean" */
    struct place place;      /* of the name */
    struct instance *home;
    const hde_operator *op; /* NULL: unknown, and said so */
    const char *plugin_path;
    const char *build_id; /* of that file; "" where it has none */
    const struct yaml *params; /* a mapping or NULL */
    const struct yaml *key;    /* as written, or NULL */
    struct graph_node settings;
    bool *in_used, *out_used; /* by port: an edge or a port of the chain leads there */
    bool is_left_out;         /* another stage runs it */
    struct host_draft host;
    size_t n_shares; /* 0: it lies on one host */
    struct share_draft *shares; /* in the order of the table */
};

struct end { /* one port of one node */
    size_t node;
    unsigned port;
};

struct ends {
    size_t n, cap;
    struct end *list;
    bool broken; /* something in it was wrong, and said so */
};

struct chain_port {
    const char *name;
    struct place place;
    struct ends ends;
    bool connected;
};

struct member { /* what an edge may name in a file */
    const char *name;
    struct place place;
    struct instance *chain; /* NULL: a node */
    size_t node;
};

struct instance { /* a file in one place of the graph */
    struct instance *parent;
    const char *name, *prefix; /* "processing", "processing."; "" at the top */
    struct place place;        /* of its name in the including file */
    const struct file *file;
    bool is_chain;
    unsigned depth;
    struct scope scope;
    struct error_policy on_error;
    bool boundary;
    int64_t worker;
    struct host_draft host;
    size_t n_members, cap_members;
    struct member *members; /* sorted by name once complete */
    size_t n_inputs, n_outputs;
    struct chain_port *inputs, *outputs;
    struct instance *next; /* of all */
};

struct edge_settings {
    enum full_policy full;
    enum edge_transport transport;
    enum delivery delivery;
    const char *via; /* topic; NULL: none */
    struct place via_place;
    size_t n_keys;
    const char *const *keys;
    const struct place *key_places;
    int64_t capacity_messages, capacity_bytes;
    bool is_durable;
    const char *journal;
    int64_t journal_bytes;
};

struct edge_draft {
    struct end from, to;
    struct place place; /* of the receiving end */
    const struct edge_settings *settings;
};

struct set {                    /* one --set */
    const char *target, *param; /* "processing.clean", "max_spread"; target "vars" */
    struct place target_place, param_place;
    struct yaml *value;
    size_t node; /* SIZE_MAX: none */
};

struct loader {
    struct graph *graph;
    struct arena *arena;
    struct diags *diags;
    const struct registry *registry;
    const struct graph_options *options;
    struct resolver resolver;
    size_t n_files;
    struct file **files;
    size_t n_texts; /* one for each path, also of a file that has several */
    struct graph_text *texts;
    struct instance *instances; /* newest first */
    size_t n_nodes, cap_nodes;
    struct node_draft *nodes; /* in file order */
    size_t n_edges, cap_edges;
    struct edge_draft *edges; /* in file order */
    size_t n_sets;
    struct set *sets;
    bool too_many;
};

/* Room for the ports of its operator, none used. */
void loader_use_ports(struct loader *loader, struct node_draft *node);

/* ---- settings.c: values of the language itself ---------------------------------------------- */

struct word {
    const char *name;
    int value; /* UNSUPPORTED: known, but not in this version */
};
enum { UNSUPPORTED = -1 };

struct known_key {
    const char *name;
    bool unsupported;
};

/* Reports keys of a mapping that are not in the table (ended by {0}); what says where: "a node". */
void check_keys(struct loader *loader, const struct yaml *map, const struct known_key *keys,
                const char *what);
void refuse_unsupported(struct loader *loader, struct place place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The value of a key as a mapping or list, or NULL (absent, empty, or wrong and said so). */
const struct yaml *want_map(struct loader *loader, struct scope *scope, const struct yaml *node,
                            const char *key);
const struct yaml *want_list(struct loader *loader, struct scope *scope, const struct yaml *node,
                             const char *key);
/* These read node into *out when it is there (not NULL) and right; false: it was wrong. */
bool want_text(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
               const char **out);
bool want_bool(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
               bool *out);
bool want_int(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
              int64_t min, int64_t max, int64_t *out);
bool want_word(struct loader *loader, struct scope *scope, const struct yaml *node, const char *key,
               const struct word *words, int *out);
void want_on_error(struct loader *loader, struct scope *scope, const struct yaml *node,
                   struct error_policy *out);
/* A folder, or {to: FOLDER, hashes: 10s, log: {...}}; relative to the file. */
void want_record(struct loader *loader, struct scope *scope, const struct yaml *node,
                 struct graph *graph);
/* process, or {memory, timeout, network}; node NULL: not isolated. */
void want_isolate(struct loader *loader, struct scope *scope, const struct yaml *node,
                  struct isolate_policy *out);
/* {every, timeout, keep, store, hashes, log}; store is relative to the file. */
void want_checkpoint(struct loader *loader, struct scope *scope, const struct yaml *node,
                     struct checkpoint_policy *out);
/* log: {segment, max_size, max_age, sync, sync_size} of both blocks, after these were read. */
void want_log(struct loader *loader, struct scope *scope, const struct yaml *record,
              const struct yaml *checkpoint, struct graph *graph);
void want_delivery(struct loader *loader, struct scope *scope, const struct yaml *node,
                   enum delivery *out);
/* A folder, relative to the file, or {path, max_size, max_age}; node NULL: the default. */
void want_dlq(struct loader *loader, struct scope *scope, const struct yaml *node,
              struct dlq_policy *out);
void want_capacity(struct loader *loader, struct scope *scope, const struct yaml *node,
                   struct edge_settings *out);
/* {folder, limit}; folder is relative to the file. */
void want_journal(struct loader *loader, struct scope *scope, const struct yaml *node,
                  struct edge_settings *out);
bool check_name(struct loader *loader, const struct yaml *key, const char *what);

/* ---- parse.c -------------------------------------------------------------------------------- */

/* Reads the top file and all that it includes. NULL if it cannot be read. */
struct instance *load_top(struct loader *loader, const char *path);
struct node_draft *loader_add_node(struct loader *loader); /* uninitialised; moves the others */
const struct member *find_member(const struct instance *instance, const char *name);
struct yaml *root_value(const struct instance *instance, const char *key);

/* ---- sets.c --------------------------------------------------------------------------------- */

void sets_parse(struct loader *loader);
void sets_apply_vars(struct loader *loader, struct instance *top);
void sets_find_nodes(struct loader *loader);
/* The parameters of a node with its --set put in. */
const struct yaml *sets_apply(struct loader *loader, size_t node);

/* ---- path.c --------------------------------------------------------------------------------- */

struct piece {               /* a.port */
    const char *name, *port; /* port NULL: left out */
    struct place place, port_place;
};

struct step {
    size_t n;
    struct piece *piece;
};

struct path {
    size_t n;
    struct step *step;
};

/* "a.out -> [b, c] -> d"; false with a finding. One name alone is fine if `alone`. */
bool path_parse(struct loader *loader, const struct yaml *text, bool alone, struct path *path);

/* ---- connect.c ------------------------------------------------------------------------------ */

void connect_chain_ports(struct loader *loader, struct instance *instance);
void connect_edges(struct loader *loader, struct instance *instance);
const hde_port *end_port(const struct loader *loader, struct end end, bool output);
const char *end_name(struct loader *loader, struct end end, bool output); /* "clean.in" */
const char *types_text(struct loader *loader, const hde_port *port);      /* "hde.A or hde.B" */

/* False, and said so: there are too many. */
bool loader_add_edge(struct loader *loader, struct edge_draft edge);

/* ---- via.c ---------------------------------------------------------------------------------- */

/* Edges via a topic become a sink and a source; the name of the graph is known. */
void via_make(struct loader *loader, struct instance *top);
/* With options->stage: leaves out the drafts that other stages run. */
void stage_choose(struct loader *loader);
const char *stage_of(struct loader *loader, size_t node); /* "processing" of "processing.clean" */
/* What hangs together: nodes with equal stages_find(). All that bears the name does, whatever hangs
 * at it; NULL: none. The caller frees it. */
size_t *stages_roots(struct loader *loader, const char *stage);
size_t stages_find(size_t *root, size_t node);

/* ---- shared.c ------------------------------------------------------------------------------- */

/* kafka: {shared: [...]}: each of these stages gets its node kafka/members. After via_make(). */
void shared_make(struct loader *loader, struct instance *top);
bool shared_is_members(const struct node_draft *node);

/* ---- hosts.c -------------------------------------------------------------------------------- */

/* A name or, of a node, a list of them. node NULL: nothing is said. */
void want_host(struct loader *loader, struct scope *scope, const struct yaml *node, bool may_be_list,
               struct host_draft *out);
void hosts_load(struct loader *loader, struct instance *top);  /* hosts:, coordinator: */
void hosts_place(struct loader *loader, struct instance *top); /* each draft on its host */
/* With options->host: names, folders and workers are those of this host. */
void host_choose(struct loader *loader, const struct instance *top);
bool hosts_are_apart(const struct loader *loader); /* each is a process */

/* ---- spread.c ------------------------------------------------------------------------------- */

/* host: [a, b] of a node whose hosts were looked up: which of them has which replicas. */
void spread_share(struct loader *loader, struct node_draft *node);
/* Where hosts are apart: a node of its own for each of them. After all that goes by its name. */
void spread_make(struct loader *loader);

/* ---- check.c, order.c ----------------------------------------------------------------------- */

void check_drafts(struct loader *loader, const struct instance *top);
/* The nodes in topological order, ties in file order; false: there are cycles (reported). */
bool order_nodes(struct loader *loader, size_t *order);

#endif
