/* SPDX-License-Identifier: Apache-2.0
 * hosts - addresses of a graph's hosts, and what hosts have in common. The table itself is part of
 * struct graph. */
#ifndef GRAPH_HOSTS_H
#define GRAPH_HOSTS_H

#include "graph/graph.h"

#define HOST_ALL "all" /* in place of a name: all hosts in one process */
#define HOST_APART " apart" /* behind the host of a move */

/* Whether a node lies there; where none does, that is a spare host. */
bool hosts_has_nodes(const struct graph *graph, size_t host);
/* Whether "node=host" or "chain=host" means a node of the graph. */
bool hosts_move_means(const struct graph *graph, const char *move);
bool hosts_is_any(const char *address);    /* all addresses of a machine; with or without tcp:// */
bool hosts_is_public(const char *address); /* reached from other machines */

/* What both ends of every edge between hosts have to agree on, as one number: the edges, the types
 * that they carry, and how the nodes at their ends are replicated. Parameters and builds may
 * differ. */
uint64_t hosts_shape(const struct graph *graph);
/* Of the texts of its files and of what it was loaded with; the same on hosts that read the same. */
uint64_t hosts_texts(const struct graph *graph);
/* Of an edge between hosts: the same on all hosts of that shape. */
uint32_t hosts_edge_number(const struct graph *graph, const struct graph_edge *edge);

#endif
