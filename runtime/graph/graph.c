/* SPDX-License-Identifier: Apache-2.0
 * graph - from a file to the model: load, check, order, fill in. */
#include "graph/graph.h"
#include "graph/delivery.h"
#include "graph/load.h"
#include "graph/parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct error_policy default_policy = {
    .action = ON_ERROR_STOP,
    .backoff_ns = 100 * INT64_C(1000000),
    .max_backoff_ns = 10 * INT64_C(1000000000),
    .limit = 10,
    .within_ns = 60 * INT64_C(1000000000),
    .then = ON_ERROR_STOP,
};

static void
load_graph_settings(struct loader *loader, struct instance *top)
{
    struct graph *graph = loader->graph;
    const struct yaml *name = root_value(top, top->is_chain ? "chain" : "graph");

    graph->name = name && name->kind == KIND_TEXT ? name->text : "";
    graph->path = top->file->path;
    graph->on_error = top->on_error;
    if (!top->is_chain) {
        want_int(loader, &top->scope, root_value(top, "workers"), "workers", 1, 64,
                 &graph->workers);
        want_record(loader, &top->scope, root_value(top, "record"), graph);
        want_checkpoint(loader, &top->scope, root_value(top, "checkpoint"), &graph->checkpoint);
        want_log(loader, &top->scope, root_value(top, "record"), root_value(top, "checkpoint"),
                 graph);
    }
    if (!top->is_chain)
        want_delivery(loader, &top->scope, root_value(top, "delivery"), &graph->delivery);
    want_dlq(loader, &top->scope, top->is_chain ? NULL : root_value(top, "dlq"), &graph->dlq);
}

const char *
graph_dlq_folder(const struct graph *graph, struct arena *arena)
{
    if (graph->dlq.folder)
        return graph->dlq.folder;
    if (graph->checkpoint.store)
        return arena_printf(arena, "%s/dlq", graph->checkpoint.store);
    return arena_printf(arena, "%s.dlq", graph->name);
}

static void
fill_params(struct loader *loader)
{
    for (size_t i = 0; i < loader->n_nodes; i++) {
        struct node_draft *node = &loader->nodes[i];
        const struct yaml *params = sets_apply(loader, i);
        void *state;

        if (!node->op)
            continue;
        state = arena_alloc(loader->arena, node->op->state_size + 1);
        params_fill(&loader->resolver, &node->home->scope, node->op, node->place, params, state,
                    &node->settings.values);
        node->settings.params = state;
    }
}

/* ---- drafts to model ------------------------------------------------------------------------ */

static void
emit_nodes(struct loader *loader, const size_t *order)
{
    struct graph *graph = loader->graph;

    graph->nodes = arena_alloc(loader->arena, (loader->n_nodes + 1) * sizeof *graph->nodes);
    for (size_t i = 0; i < loader->n_nodes; i++) {
        const struct node_draft *draft = &loader->nodes[order[i]];
        struct graph_node *node = &graph->nodes[graph->n_nodes];

        if (draft->is_left_out)
            continue;
        graph->n_nodes++;
        *node = draft->settings;
        node->name = draft->full;
        node->op = draft->op;
        node->plugin_path = draft->plugin_path;
        node->build_id = draft->build_id;
        node->place = draft->place;
    }
}

static int
compare_edges(const void *a, const void *b)
{
    const struct edge_draft *x = *(struct edge_draft *const *)a,
                            *y = *(struct edge_draft *const *)b;

    if (x->from.node != y->from.node)
        return x->from.node < y->from.node ? -1 : 1;
    if (x->from.port != y->from.port)
        return x->from.port < y->from.port ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The ends of the drafts are already those of the ordered nodes; names need the old numbers, so
 * they come in. */
static void
emit_edges(struct loader *loader, const size_t *order)
{
    struct graph *graph = loader->graph;
    size_t n = loader->n_edges;
    bool apart = hosts_are_apart(loader);
    size_t *position = xcalloc(loader->n_nodes, sizeof *position);
    const char **names = xcalloc(n, sizeof *names);
    struct edge_draft **sorted = xcalloc(n, sizeof *sorted);

    for (size_t i = 0, at = 0; i < loader->n_nodes; i++)
        position[order[i]] = loader->nodes[order[i]].is_left_out ? SIZE_MAX : at++;
    for (size_t i = 0; i < n; i++) {
        struct edge_draft *draft = &loader->edges[i];

        names[i] = arena_printf(loader->arena, "%s -> %s", end_name(loader, draft->from, true),
                                end_name(loader, draft->to, false));
        draft->from.node = position[draft->from.node];
        draft->to.node = position[draft->to.node];
        sorted[i] = draft;
    }
    qsort(sorted, n, sizeof *sorted, compare_edges);
    graph->n_edges = n;
    graph->edges = arena_alloc(loader->arena, (n + 1) * sizeof *graph->edges);
    for (size_t i = 0; i < n; i++) {
        const struct edge_draft *draft = sorted[i];
        const struct edge_settings *settings = draft->settings;
        const struct graph_node *from = &graph->nodes[draft->from.node];
        const struct graph_node *to = &graph->nodes[draft->to.node];

        graph->edges[i] = (struct graph_edge){
            .name = names[draft - loader->edges],
            .from = draft->from.node,
            .to = draft->to.node,
            .from_port = draft->from.port,
            .to_port = draft->to.port,
            .place = draft->place,
            .full = settings->full,
            .transport = settings->transport,
            .delivery = settings->delivery,
            .n_keys = settings->n_keys,
            .keys = settings->keys,
            .capacity_messages = settings->capacity_messages,
            .capacity_bytes = settings->capacity_bytes,
            .is_durable = settings->is_durable,
            .journal = settings->journal,
            .journal_bytes = settings->journal_bytes,
            .is_remote = apart && from->host != to->host,
            .is_apart = apart && from->host == to->host &&
                        (from->is_apart != to->is_apart || from->spread.of || to->spread.of),
        };
    }
    free(sorted);
    free(names);
    free(position);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void
loader_fini(struct loader *loader)
{
    for (struct instance *instance = loader->instances; instance; instance = instance->next)
        free(instance->members);
    free(loader->files);
    free(loader->texts);
    free(loader->nodes);
    free(loader->edges);
}

static void
make_warnings_errors(struct diags *diags, size_t from)
{
    for (size_t i = from; i < diags->n; i++)
        if (diags->list[i].severity == SEVERITY_WARNING) {
            diags->list[i].severity = SEVERITY_ERROR;
            diags->errors++;
        }
}

/* What the graph is made of. */
static void
keep_sources(struct loader *loader)
{
    const struct graph_options *options = loader->options;
    struct graph *graph = loader->graph;
    struct graph_text *texts = arena_alloc(loader->arena, (loader->n_texts + 1) * sizeof *texts);
    const char **sets = arena_alloc(loader->arena, (options->n_sets + 1) * sizeof *sets);

    for (size_t i = 0; i < loader->n_texts; i++)
        texts[i] = loader->texts[i];
    for (size_t i = 0; i < options->n_sets; i++)
        sets[i] = arena_text(loader->arena, options->sets[i]);
    graph->n_texts = loader->n_texts;
    graph->texts = texts;
    graph->n_sets = options->n_sets;
    graph->sets = sets;
}

static void
load(struct loader *loader, const char *path)
{
    struct instance *top;
    size_t *order;

    sets_parse(loader);
    top = load_top(loader, path);
    if (!top)
        return;
    load_graph_settings(loader, top);
    if (!top->is_chain)
        hosts_load(loader, top);
    hosts_place(loader, top);
    via_make(loader, top);
    shared_make(loader, top);
    sets_find_nodes(loader);
    fill_params(loader);
    check_drafts(loader, top);
    stage_choose(loader);
    host_choose(loader, top);
    spread_make(loader);
    order = xcalloc(loader->n_nodes, sizeof *order);
    if (order_nodes(loader, order)) {
        emit_nodes(loader, order);
        emit_edges(loader, order);
        if (!top->is_chain && !loader->diags->errors)
            delivery_check(loader->graph, loader->arena, loader->diags);
        parts_check(loader->graph, loader->diags);
    }
    free(order);
}

struct graph *
graph_load(const char *path, const struct graph_options *options, const struct registry *registry,
           struct diags *diags)
{
    static const struct graph_options defaults;
    struct graph *graph = xcalloc(1, sizeof *graph);
    size_t before = diags->n, errors = diags->errors;
    struct loader loader = {.graph = graph,
                            .arena = &graph->arena,
                            .diags = diags,
                            .registry = registry,
                            .options = options ? options : &defaults};

    loader.resolver = (struct resolver){.arena = loader.arena,
                                        .diags = diags,
                                        .missing = loader.options->for_run || loader.options->strict
                                                       ? SEVERITY_ERROR
                                                       : SEVERITY_WARNING};
    graph->on_error = default_policy;
    load(&loader, path);
    keep_sources(&loader);
    loader_fini(&loader);
    if (loader.options->strict)
        make_warnings_errors(diags, before);
    errors = diags->errors - errors;
    diags_sort(diags);
    if (errors) {
        graph_free(graph);
        return NULL;
    }
    return graph;
}

void
graph_free(struct graph *graph)
{
    if (!graph)
        return;
    arena_fini(&graph->arena);
    free(graph);
}
