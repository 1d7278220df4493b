/* SPDX-License-Identifier: Apache-2.0
 * delivery - how often what enters a graph reaches a sink when processes die: proved, or refused,
 * from the properties of every hop on the way. */
#ifndef GRAPH_DELIVERY_H
#define GRAPH_DELIVERY_H

#include "graph/graph.h"

struct delivery_proof {
    enum delivery level; /* DELIVERY_NONE: it may lose and double */
    const char *why;     /* the hop that keeps it from being better; NULL: none. In the arena */
    const char *advice;
    struct place place;
};

/* A sink: no outputs, and it does more than show. */
bool delivery_is_sink(const struct graph_node *node);
/* Whether it stores a mark with its rows, with the parameters that it has. */
bool delivery_has_mark(const struct graph_node *node);
/* The file of a sink that writes one; NULL: it does not. */
const char *delivery_file(const struct graph_node *node);
/* Whether what it does outside cannot be taken back, so that it waits for the log. */
bool delivery_waits(const struct graph_node *node);
/* An impure operator of which checkpoints keep what is not answered yet: its answers belong to the
 * tick that asked (it has neither event() nor timer()), or it says to which question. */
bool delivery_keeps_questions(const hde_operator *op);
/* From all sources in front of a sink into it. */
void delivery_prove(const struct graph *graph, size_t sink, struct arena *arena,
                    struct delivery_proof *out);
const char *delivery_name(enum delivery level);
/* Findings for promises (of the graph, of nodes, of edges) that do not hold. */
void delivery_check(const struct graph *graph, struct arena *arena, struct diags *diags);

#endif
