/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 64 };

struct plan {
    struct graph graph;
    struct graph_node nodes[ROOM];
    struct graph_edge edges[4 * ROOM];
};

struct plan *
plan_new(const char *name)
{
    struct plan *plan = xcalloc(1, sizeof *plan);

    plan->graph.name = arena_text(&plan->graph.arena, name);
    plan->graph.path = "test";
    plan->graph.nodes = plan->nodes;
    plan->graph.edges = plan->edges;
    plan->graph.workers = 1;
    return plan;
}

void
plan_free(struct plan *plan)
{
    if (plan)
        arena_fini(&plan->graph.arena);
    free(plan);
}

struct graph_node *
plan_node(struct plan *plan, const char *name, const hde_operator *op, const void *state)
{
    struct graph_node *node = &plan->nodes[plan->graph.n_nodes++];

    if (plan->graph.n_nodes > ROOM)
        abort();
    node->name = arena_text(&plan->graph.arena, name);
    node->op = op;
    node->replicas = 1;
    node->worker = -1;
    if (op->state_size && state) {
        void *copy = arena_alloc(&plan->graph.arena, op->state_size);

        memcpy(copy, state, op->state_size);
        node->params = copy;
    }
    return node;
}

static size_t
index_of(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->graph.n_nodes; i++)
        if (!strcmp(plan->nodes[i].name, name))
            return i;
    abort();
}

struct graph_edge *
plan_edge(struct plan *plan, const char *from, unsigned from_port, const char *to, unsigned to_port)
{
    size_t at = plan->graph.n_edges++, source = index_of(plan, from);
    struct graph_edge *edge;

    if (at >= sizeof plan->edges / sizeof *plan->edges)
        abort();
    while (at &&
           (plan->edges[at - 1].from > source ||
            (plan->edges[at - 1].from == source && plan->edges[at - 1].from_port > from_port))) {
        plan->edges[at] = plan->edges[at - 1];
        at--;
    }
    edge = &plan->edges[at];
    *edge = (struct graph_edge){.from = source,
                                .to = index_of(plan, to),
                                .from_port = from_port,
                                .to_port = to_port,
                                .capacity_messages = 1024,
                                .capacity_bytes = 64 << 20};
    edge->name = arena_printf(&plan->graph.arena, "%s.%u -> %s.%u", from, from_port, to, to_port);
    return edge;
}

struct graph *
plan_graph(struct plan *plan)
{
    return &plan->graph;
}
