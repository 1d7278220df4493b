/* SPDX-License-Identifier: Apache-2.0
 * check - what is wrong with drafts that are right one by one: ports left open, keys that no
 * message has, the same edge twice. */
#include "base/nearest.h"
#include "graph/delivery.h"
#include "graph/load.h"

#include <stdlib.h>
#include <string.h>

/* ---- open ends ------------------------------------------------------------------------------ */

static bool
has_edge_to(const struct loader *loader, struct end end)
{
    for (size_t i = 0; i < loader->n_edges; i++)
        if (loader->edges[i].to.node == end.node && loader->edges[i].to.port == end.port)
            return true;
    return false;
}

static void
check_chain_inputs(struct loader *loader, const struct instance *instance)
{
    for (size_t i = 0; i < instance->n_inputs; i++) {
        const struct chain_port *port = &instance->inputs[i];
        bool needed = false;

        for (size_t j = 0; !port->connected && j < port->ends.n && !needed; j++)
            needed = !(end_port(loader, port->ends.list[j], false)->flags & HDE_PORT_OPTIONAL) &&
                     !has_edge_to(loader, port->ends.list[j]);
        if (!needed)
            continue;
        diags_add(loader->diags, SEVERITY_ERROR, G_UNCONNECTED, instance->place,
                  "input '%s' of chain '%s' is not connected", port->name, instance->name);
        diags_hint(loader->diags, "add an edge: NODE -> %s.%s", instance->name, port->name);
    }
}

/* True if all that have to be connected are. */
static bool
check_node_inputs(struct loader *loader, const struct node_draft *node)
{
    bool ok = true;

    for (size_t i = 0; i < count_ports(node->op->inputs); i++) {
        const hde_port *port = &node->op->inputs[i];

        if (node->in_used[i] || (port->flags & HDE_PORT_OPTIONAL))
            continue;
        diags_add(loader->diags, SEVERITY_ERROR, G_UNCONNECTED, node->place,
                  "input '%s' of node '%s' (%s) is not connected", port->name, node->name,
                  node->op->name);
        diags_hint(loader->diags, "it takes %s", types_text(loader, port));
        ok = false;
    }
    return ok;
}

/* A node whose results nobody reads, or which nothing reaches, works for nothing. */
static void
check_use(struct loader *loader, const struct node_draft *node)
{
    size_t n_in = count_ports(node->op->inputs), n_out = count_ports(node->op->outputs);
    size_t wanted = 0, used = 0, reached = 0;

    for (size_t i = 0; i < n_out; i++) {
        wanted += !(node->op->outputs[i].flags & HDE_PORT_OPTIONAL);
        used += node->out_used[i];
    }
    for (size_t i = 0; i < n_in; i++)
        reached += node->in_used[i] || !(node->op->inputs[i].flags & HDE_PORT_OPTIONAL);
    if (wanted && !used)
        diags_add(loader->diags, SEVERITY_WARNING, G_UNUSED, node->place,
                  "nothing reads what node '%s' (%s) makes", node->name, node->op->name);
    else if (n_in && !reached && !used)
        diags_add(loader->diags, SEVERITY_WARNING, G_UNUSED, node->place,
                  "nothing leads to node '%s' (%s)", node->name, node->op->name);
}

/* ---- keys and replicas ---------------------------------------------------------------------- */

static void
check_field(struct loader *loader, const ProtobufCMessageDescriptor *type, const char *name,
            struct place place)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(type, name);
    struct nearest near = {.word = name};

    if (field && field->label != PROTOBUF_C_LABEL_REPEATED &&
        field->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    diags_add(loader->diags, SEVERITY_ERROR, G_KEY_FIELD, place,
              field ? "field '%.80s' of %s cannot be a key: it is not a single value"
                    : "'%.80s' is not a field of %s, which this edge carries",
              name, type->name);
    for (unsigned i = 0; !field && i < type->n_fields; i++)
        nearest_try(&near, type->fields[i].name);
    diags_nearest(loader->diags, &near);
}

static void
check_edge_keys(struct loader *loader, const struct edge_draft *edge)
{
    const hde_port *out = end_port(loader, edge->from, true);
    const struct node_draft *to = &loader->nodes[edge->to.node];

    if (!out->types || !out->types[0])
        return;
    for (size_t i = 0; i < edge->settings->n_keys; i++)
        check_field(loader, out->types[0], edge->settings->keys[i], edge->settings->key_places[i]);
    if (to->settings.key && to->settings.replicas > 1)
        check_field(loader, out->types[0], to->settings.key, to->key->place);
}

static void
check_replicas(struct loader *loader, const struct node_draft *node)
{
    const struct graph_node *settings = &node->settings;
    const char *why = NULL;

    if (settings->replicas == 1) {
        if (settings->key) {
            diags_add(loader->diags, SEVERITY_ERROR, G_NO_EFFECT, node->key->place,
                      "'key' has no effect without 'replicas'");
        }
        return;
    }
    if (node->op && count_ports(node->op->inputs) == 0)
        why = "is a source";
    else if (node->op && (node->op->flags & HDE_EXCLUSIVE))
        why = "cannot live twice";
    if (why)
        diags_add(loader->diags, SEVERITY_ERROR, G_REPLICAS_OPERATOR, node->place,
                  "node '%s' cannot have replicas: '%s' %s", node->name, node->op->name, why);
    else if (!node->key)
        diags_add(loader->diags, SEVERITY_ERROR, G_REPLICAS_KEY, node->place,
                  "node '%s' has replicas but no 'key': the field that splits its messages",
                  node->name);
}

/* ---- edges ---------------------------------------------------------------------------------- */

static int
compare_ends(struct end a, struct end b)
{
    if (a.node != b.node)
        return a.node < b.node ? -1 : 1;
    return a.port < b.port ? -1 : a.port > b.port;
}

static int
compare_edges(const void *a, const void *b)
{
    const struct edge_draft *x = *(struct edge_draft *const *)a,
                            *y = *(struct edge_draft *const *)b;
    int order = compare_ends(x->from, y->from);

    order = order ? order : compare_ends(x->to, y->to);
    return order ? order : x < y ? -1 : x > y;
}

static void
check_doubles(struct loader *loader)
{
    size_t n = loader->n_edges;
    struct edge_draft **sorted = xmalloc(n * sizeof *sorted);

    for (size_t i = 0; i < n; i++)
        sorted[i] = &loader->edges[i];
    qsort(sorted, n, sizeof *sorted, compare_edges);
    for (size_t i = 1; i < n; i++) {
        const struct edge_draft *first = sorted[i - 1], *edge = sorted[i];

        if (compare_ends(first->from, edge->from) || compare_ends(first->to, edge->to))
            continue;
        diags_add(loader->diags, SEVERITY_ERROR, G_DUPLICATE_EDGE, edge->place,
                  "the edge %s -> %s is here twice", end_name(loader, edge->from, true),
                  end_name(loader, edge->to, false));
        diags_hint(loader->diags, "the first one is at %s:%u:%u", first->place.file,
                   first->place.line, first->place.column);
    }
    free(sorted);
}

static bool
is_inside(const struct instance *home, const struct instance *chain)
{
    while (home && home != chain)
        home = home->parent;
    return home != NULL;
}

/* boundary: on a chain cuts where edges enter it. */
static void
apply_chain_boundaries(struct loader *loader, const struct edge_draft *edge)
{
    struct node_draft *to = &loader->nodes[edge->to.node];
    const struct instance *from = loader->nodes[edge->from.node].home;

    for (const struct instance *chain = to->home; chain; chain = chain->parent)
        if (chain->boundary && !is_inside(from, chain))
            to->settings.boundary = true;
}

/* What an isolated child cannot be: it knows calls with messages and timers only. */
static void
check_isolated(struct loader *loader, const struct node_draft *node)
{
    const hde_operator *op = node->op;
    const char *what = !op->inputs || !op->inputs->name ? "a source"
                       : op->event                      ? "an operator with event()"
                       : op->flags & HDE_VIEW           ? "a view"
                       : op->flags & HDE_ANSWERS_LATER  ? "an operator that answers later"
                                                        : NULL;

    if (what && node->settings.isolate.is_on)
        refuse_unsupported(loader, node->place, "'isolate' of node '%s' (%s: %s)", node->name,
                           op->name, what);
}

/* Where it lies; 0: as many as there are cores. */
static int64_t
workers_of(const struct loader *loader, const struct node_draft *node)
{
    const struct graph *graph = loader->graph;
    int64_t own = graph->n_hosts ? graph->hosts[node->settings.host].workers : 0;

    return own ? own : graph->workers;
}

/* An epoch has what was asked and not answered. */
static void
check_answers(struct loader *loader, const struct node_draft *node)
{
    const hde_operator *op = node->op;

    if (!loader->graph->checkpoint.store || !(op->flags & HDE_IMPURE) || !op->outputs ||
        !op->outputs->name || delivery_keeps_questions(op))
        return;
    diags_add(loader->diags, SEVERITY_ERROR, G_ANSWERS, node->place,
              "node '%s' (%s) answers in event() or timer() and does not say to which question: it "
              "cannot be under checkpoint:",
              node->name, op->name);
    diags_hint(loader->diags, "an operator that answers in batch(), or has HDE_ANSWERS_LATER, can");
}

void
check_drafts(struct loader *loader, const struct instance *top)
{
    for (size_t i = 0; i < loader->n_nodes; i++) {
        const struct node_draft *node = &loader->nodes[i];

        check_replicas(loader, node);
        if (workers_of(loader, node) && node->settings.worker >= workers_of(loader, node))
            diags_add(loader->diags, SEVERITY_ERROR, G_NUMBER, node->place,
                      "node '%s' asks for worker %lld, but there are %lld, from 0 on", node->name,
                      (long long)node->settings.worker, (long long)workers_of(loader, node));
        if (!node->op)
            continue;
        check_isolated(loader, node);
        check_answers(loader, node);
        if (check_node_inputs(loader, node))
            check_use(loader, node);
    }
    for (const struct instance *instance = loader->instances; instance; instance = instance->next)
        if (instance != top)
            check_chain_inputs(loader, instance);
    for (size_t i = 0; i < loader->n_edges; i++) {
        check_edge_keys(loader, &loader->edges[i]);
        apply_chain_boundaries(loader, &loader->edges[i]);
    }
    check_doubles(loader);
}
