/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plan_show.h"

static char *
text(struct arena *arena, const char *value)
{
    return value && *value ? arena_text(arena, value) : NULL;
}

static Hde__NodeChange *
show_node(const struct change_plan *plan, const struct node_change *change, struct arena *arena)
{
    const struct graph_node *node = change->after == CHANGE_NOWHERE
                                        ? &plan->before->nodes[change->before]
                                        : &plan->after->nodes[change->after];
    Hde__NodeChange *out = arena_alloc(arena, sizeof *out);

    hde__node_change__init(out);
    out->name = arena_text(arena, node->name);
    out->op = arena_text(arena, node->op->name);
    out->has_kind = out->has_state = true;
    out->kind = (Hde__ChangeKind)((int)change->kind + HDE__CHANGE_KIND__CHANGE_KIND_SAME);
    out->state = (Hde__ChangedState)((int)change->state + HDE__CHANGED_STATE__CHANGED_STATE_NONE);
    out->what = text(arena, change->what);
    out->why_lost = text(arena, change->why_lost);
    return out;
}

static Hde__EdgeChange *
show_edge(const struct change_plan *plan, const struct edge_change *change, struct arena *arena)
{
    const struct graph_edge *edge = change->after == CHANGE_NOWHERE
                                        ? &plan->before->edges[change->before]
                                        : &plan->after->edges[change->after];
    Hde__EdgeChange *out = arena_alloc(arena, sizeof *out);

    hde__edge_change__init(out);
    out->name = arena_text(arena, edge->name);
    out->has_kind = true;
    out->kind = (Hde__ChangeKind)((int)change->kind + HDE__CHANGE_KIND__CHANGE_KIND_SAME);
    out->what = text(arena, change->what);
    return out;
}

Hde__GraphPlan *
change_plan_show(const struct change_plan *plan, struct arena *arena)
{
    Hde__GraphPlan *out = arena_alloc(arena, sizeof *out);

    hde__graph_plan__init(out);
    out->before = text(arena, plan->before->path);
    out->after = text(arena, plan->after->path);
    out->has_changes = out->has_lost = true;
    out->changes = (uint32_t)plan->n_changes;
    out->lost = (uint32_t)plan->n_lost;
    out->fixed = text(arena, plan->fixed);
    out->relinks = text(arena, plan->relinks);
    out->nodes = arena_alloc(arena, (plan->n_nodes + 1) * sizeof *out->nodes);
    for (; out->n_nodes < plan->n_nodes; out->n_nodes++)
        out->nodes[out->n_nodes] = show_node(plan, &plan->nodes[out->n_nodes], arena);
    out->edges = arena_alloc(arena, (plan->n_edges + 1) * sizeof *out->edges);
    for (; out->n_edges < plan->n_edges; out->n_edges++)
        out->edges[out->n_edges] = show_edge(plan, &plan->edges[out->n_edges], arena);
    return out;
}
