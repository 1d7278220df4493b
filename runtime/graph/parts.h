/* SPDX-License-Identifier: Apache-2.0
 * parts - cuts a checked graph at its links.
 *
 * A link is an edge with `full: spill` or `durable: journal`, or one to another host; a part is a
 * maximal piece without a link inside. Each part is a graph of its own, in which a link is an edge to
 * a node that ends it (at the sender), and one from a node that goes on with it (at the receiver).
 *
 * A host on which no node lies, a spare one, has a part all the same, with one node of its own that
 * does nothing: so it runs, has a place in savepoints and moves, and can be given nodes. */
#ifndef GRAPH_PARTS_H
#define GRAPH_PARTS_H

#include "graph/graph.h"

struct graph_part {
    const char *name; /* that of its first node */
    struct graph graph;
    size_t host;     /* that it lies on, if the graph has any */
    bool has_source; /* something enters it beside its links */
};

#define PART_ELSEWHERE SIZE_MAX
/* The part of a spare host, and its node. No node of a file is called like that; folders that begin
 * with a dot are nobody's state: a store that has one fits any graph. */
#define PART_SPARE ".spare"

struct graph_link {
    size_t edge; /* of the whole graph; its own carrier */
    size_t from, to; /* parts; PART_ELSEWHERE: on another host */
    /* The ends, nodes of these parts called like the edge; NULL: elsewhere. They have no operator and
     * no parameters yet: the caller gives them some. */
    struct graph_node *sender, *receiver;
};

struct graph_cut {
    struct arena arena;
    size_t n_parts, n_links;
    struct graph_part *parts; /* in the order of their first nodes */
    struct graph_link *links; /* in the order of their edges */
    struct graph_node *spare; /* of a spare host, without an operator like ends; NULL: there is none */
};

bool edge_is_link(const struct graph_edge *edge);
/* The edge whose link carries this one: another with the same sender and settings that leads to the
 * same host, the first by name; mostly itself. */
size_t edge_carrier(const struct graph *graph, size_t edge);
/* The parts of all hosts, or of the one that the graph was loaded for, with all links that end there.
 * The cut borrows from the graph, which must outlive it. Its arena starts as {0}. */
void graph_cut(const struct graph *graph, struct graph_cut *out);
void graph_cut_fini(struct graph_cut *cut);

/* Why a running graph cannot become the other one as it stands: links are made, and parts have their
 * stores, when it starts. Of the parts of all hosts. NULL: it can; else a text in the arena. */
const char *parts_differ(const struct graph *before_here, const struct graph *after_here,
                         struct arena *arena);

/* Its hosts are processes of their own. */
bool graph_is_apart(const struct graph *graph);

/* graph_load(): what is wrong with links. */
void parts_check(const struct graph *graph, struct diags *diags);

#endif
