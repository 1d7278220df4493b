/* SPDX-License-Identifier: Apache-2.0
 * plan - builds a struct graph by hand, for tests of the engine that need no YAML. */
#ifndef SUPPORT_PLAN_H
#define SUPPORT_PLAN_H

#include "graph/graph.h"

struct plan;

struct plan *plan_new(const char *name);
void plan_free(struct plan *plan); /* and its graph */
/* Nodes in topological order. state: what the operator's state begins with, copied; or NULL. */
struct graph_node *plan_node(struct plan *plan, const char *name, const hde_operator *op,
                             const void *state);
struct graph_edge *plan_edge(struct plan *plan, const char *from, unsigned from_port,
                             const char *to, unsigned to_port);
/* No more nodes or edges after this; settings of the graph may still be changed. */
struct graph *plan_graph(struct plan *plan);

#endif
