/* SPDX-License-Identifier: Apache-2.0
 * plan - what has to happen to turn one graph into another: node by node, edge by edge.
 *
 * A node is the same where its name is, or where the new graph says `was:` and the old one has that
 * name. What becomes of a node follows from the tables of its operator alone, so a plan can be made
 * of two files, and the engine keeps to the plan that was shown. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "graph/graph.h"

enum change_kind {
    CHANGE_SAME,
    CHANGE_RECONFIGURE, /* parameters that may change while it runs; how it treats errors */
    CHANGE_RESTART,     /* a new instance: other parameters, or another name */
    CHANGE_SWAP,        /* another operator, or another build of it */
    CHANGE_SPLIT,       /* another number of replicas, or another key */
    CHANGE_ADD,
    CHANGE_REMOVE,
};

enum change_state {
    CHANGE_STATE_NONE, /* the operator has none that it could save */
    CHANGE_STATE_KEPT,
    CHANGE_STATE_LOST,
};

#define CHANGE_NOWHERE SIZE_MAX

struct node_change {
    enum change_kind kind;
    enum change_state state;
    size_t before, after; /* nodes of the two graphs, CHANGE_NOWHERE: not there */
    const char *what;     /* "window: 180 -> 300; replicas: 1 -> 3", or "" */
    const char *why_lost; /* LOST: the reason, else NULL */
};

struct edge_change {
    enum change_kind kind; /* SAME, RECONFIGURE, ADD, REMOVE */
    size_t before, after;
    const char *what;
};

/* Nodes of the new graph in its order, then those that go; edges likewise. */
struct change_plan {
    struct arena arena; /* owns the texts */
    const struct graph *before, *after;
    size_t n_nodes, n_edges;
    struct node_change *nodes;
    struct edge_change *edges;
    const char *fixed; /* settings that differ and cannot change while the graph runs; "": none */
    const char *relinks; /* what differs in links, where hosts can stop for that; "": nothing */
    size_t n_changes;  /* nodes and edges that are not SAME */
    size_t n_lost;
};

/* Both graphs must outlive it. */
struct change_plan *change_plan_new(const struct graph *before, const struct graph *after);
void change_plan_free(struct change_plan *plan);
/* Other replicas, or other keys: the state of all that there were goes to each that is. */
bool change_is_split(const struct graph_node *before, const struct graph_node *after);
/* Of one build: registries have tables of their own, with the same functions in them. */
bool change_same_op(const hde_operator *a, const hde_operator *b);

#endif
