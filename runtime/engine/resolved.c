/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/resolved.h"
#include "engine/run.h"
#include "graph/params.h"
#include "graph/parts.h"
#include "graph/types.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SET(message, field, value) ((message)->has_##field = true, (message)->field = (value))

/* ---- To a message ------------------------------------------------------------------------- */

static Hde__ResolvedNode *
resolve_node(const struct graph_node *node, struct arena *arena)
{
    Hde__ResolvedNode *out = arena_alloc(arena, sizeof *out);
    hde_text value = {0};
    const char *name;
    size_t n = 0;

    hde__resolved_node__init(out);
    out->name = arena_text(arena, node->name);
    out->op = arena_text(arena, node->op->name);
    while (graph_given(node, n, &value))
        n++;
    out->params = arena_alloc(arena, (n + 1) * sizeof *out->params);
    for (hde_text_clear(&value); (name = graph_given(node, out->n_params, &value));
         hde_text_clear(&value)) {
        Hde__ResolvedParam *param = arena_alloc(arena, sizeof *param);

        hde__resolved_param__init(param);
        param->name = arena_text(arena, name);
        param->value = arena_text(arena, value.data);
        out->params[out->n_params++] = param;
    }
    hde_text_free(&value);
    SET(out, replicas, node->replicas);
    out->key = node->key ? arena_text(arena, node->key) : NULL;
    out->was = node->was ? arena_text(arena, node->was) : NULL;
    SET(out, boundary, node->boundary);
    SET(out, worker, node->worker);
    SET(out, on_error, node->on_error.action);
    SET(out, attempts, node->on_error.attempts);
    SET(out, backoff_ns, node->on_error.backoff_ns);
    SET(out, max_backoff_ns, node->on_error.max_backoff_ns);
    SET(out, then, node->on_error.then);
    SET(out, limit, node->on_error.limit);
    SET(out, within_ns, node->on_error.within_ns);
    SET(out, isolated, node->isolate.is_on);
    SET(out, memory_bytes, node->isolate.memory_bytes);
    SET(out, timeout_ns, node->isolate.timeout_ns);
    SET(out, network, node->isolate.network);
    if (node->spread.of) {
        SET(out, spread_of, node->spread.of);
        SET(out, spread_hosts, node->spread.hosts);
        SET(out, spread_at, node->spread.at);
    }
    return out;
}

static Hde__ResolvedEdge *
resolve_edge(const struct graph_edge *edge, struct arena *arena)
{
    Hde__ResolvedEdge *out = arena_alloc(arena, sizeof *out);

    hde__resolved_edge__init(out);
    out->name = arena_text(arena, edge->name);
    SET(out, from, (uint32_t)edge->from);
    SET(out, from_port, edge->from_port);
    SET(out, to, (uint32_t)edge->to);
    SET(out, to_port, edge->to_port);
    SET(out, full, edge->full);
    SET(out, transport, edge->transport);
    SET(out, capacity_messages, edge->capacity_messages);
    SET(out, capacity_bytes, edge->capacity_bytes);
    out->n_keys = edge->n_keys;
    out->keys = (char **)(uintptr_t)edge->keys;
    return out;
}

uint8_t *
graph_resolve(const struct graph *graph, size_t *size)
{
    Hde__ResolvedGraph out = HDE__RESOLVED_GRAPH__INIT;
    struct arena arena = {0};
    char path[PATH_MAX];
    uint8_t *bytes;

    out.name = (char *)(uintptr_t)graph->name;
    if (graph->path)
        out.path = realpath(graph->path, path) ? path : (char *)(uintptr_t)graph->path;
    SET(&out, workers, graph->workers);
    out.nodes = arena_alloc(&arena, (graph->n_nodes + 1) * sizeof *out.nodes);
    for (; out.n_nodes < graph->n_nodes; out.n_nodes++)
        out.nodes[out.n_nodes] = resolve_node(&graph->nodes[out.n_nodes], &arena);
    out.edges = arena_alloc(&arena, (graph->n_edges + 1) * sizeof *out.edges);
    for (; out.n_edges < graph->n_edges; out.n_edges++)
        out.edges[out.n_edges] = resolve_edge(&graph->edges[out.n_edges], &arena);
    *size = hde__resolved_graph__get_packed_size(&out);
    bytes = xmalloc(*size + 1);
    hde__resolved_graph__pack(&out, bytes);
    arena_fini(&arena);
    return bytes;
}

const uint8_t *
engine_resolved(struct engine *engine, size_t *size)
{
    const struct graph *graph = engine->graph;

    if (engine->resolved_of != graph) {
        free(engine->resolved);
        engine->resolved = graph_resolve(graph, &engine->resolved_size);
        engine->resolved_of = graph;
    }
    *size = engine->resolved_size;
    return engine->resolved;
}

/* ---- And back ----------------------------------------------------------------------------- */

/* The value that --set gives; NULL: none. */
static const char *
set_value(const struct resolved_options *options, const char *node, const char *param)
{
    size_t n = strlen(node);
    const char *found = NULL;

    for (size_t i = 0; i < options->n_sets; i++) {
        const char *at = options->sets[i];

        if (strncmp(at, node, n) != 0 || at[n] != '.')
            continue;
        at += n + 1;
        if (strncmp(at, "params.", 7) == 0)
            at += 7;
        if (strncmp(at, param, strlen(param)) == 0 && at[strlen(param)] == '=')
            found = at + strlen(param) + 1;
    }
    return found;
}

static void
put_value(hde_text *out, const char *name, const char *value)
{
    hde_text_puts(out, out->len > 1 ? ", " : "");
    hde_json_string(out, name);
    hde_text_printf(out, ": %s", value);
}

static void
put_values(const Hde__ResolvedNode *node, const hde_operator *op,
           const struct resolved_options *options, hde_text *out)
{
    hde_text_puts(out, "{");
    for (size_t i = 0; i < node->n_params; i++)
        if (!set_value(options, node->name, node->params[i]->name))
            put_value(out, node->params[i]->name, node->params[i]->value);
    for (const hde_param *param = op->params; param && param->name; param++) {
        const char *value = set_value(options, node->name, param->name);
        hde_text quoted = {0};

        if (!value)
            continue;
        if (param->type != HDE_PARAM_LIST && param->type != HDE_PARAM_MAP)
            hde_json_string(&quoted, value);
        put_value(out, param->name, quoted.len ? quoted.data : value);
        hde_text_free(&quoted);
    }
    hde_text_puts(out, "}");
}

static void
take_secrets(struct graph_node *node, const struct graph *like, struct arena *arena)
{
    const struct graph_node *from = NULL;

    for (size_t i = 0; like && i < like->n_nodes; i++)
        if (strcmp(like->nodes[i].name, node->name) == 0 &&
            strcmp(like->nodes[i].op->name, node->op->name) == 0)
            from = &like->nodes[i];
    for (const hde_param *param = node->op->params; from && param && param->name; param++) {
        const hde_secret *secret = (const void *)((const char *)from->params + param->offset);

        if (param->type == HDE_PARAM_SECRET && secret->text)
            ((hde_secret *)(void *)((char *)(uintptr_t)node->params + param->offset))->text =
                arena_text(arena, secret->text);
    }
}

/* The ends of links are no plugin's: they are those of the graph that it is like. */
static const struct graph_node *
end_like(const struct graph *like, const char *name)
{
    for (size_t i = 0; like && i < like->n_nodes; i++)
        if (like->nodes[i].op->flags & OP_LINK_END && strcmp(like->nodes[i].name, name) == 0)
            return &like->nodes[i];
    return NULL;
}

/* Of other plugins, which its ports have (HDE_MORE_TYPES). */
static bool
take_types(struct graph_node *node, const struct resolved_options *options, struct graph *graph,
           struct err *err)
{
    const hde_param *types =
        node->op->flags & HDE_MORE_TYPES ? params_find(node->op, "types") : NULL;
    const hde_operator *with = node->op;

    if (types)
        with = types_add_all(options->registry, node->op,
                             (const void *)((const char *)node->params + types->offset),
                             &graph->arena, err);
    if (!with)
        return err_wrap(err, "node '%s'", node->name);
    node->op = with;
    return true;
}

/* What is on links, and the states on other hosts, are for the replicas that there were. */
static bool
is_spread_as_it_was(const struct graph_spread *was, const char *node, const struct graph *like,
                    struct err *err)
{
    for (size_t i = 0; like && i < like->n_nodes; i++)
        if (!strcmp(like->nodes[i].name, node) && !same_spread(was, &like->nodes[i].spread))
            return err_set(err, "HDE-R260",
                           "node '%s' had %lld replicas on %lld hosts, and would have %lld on %lld",
                           node, (long long)was->of, (long long)was->hosts,
                           (long long)like->nodes[i].spread.of,
                           (long long)like->nodes[i].spread.hosts);
    return true;
}

static bool
take_node(const Hde__ResolvedNode *from, const struct resolved_options *options,
          struct graph *graph, struct err *err)
{
    const struct registry_operator *found = registry_find(options->registry, from->op);
    const struct graph_node *end = found ? NULL : end_like(options->like, from->name);
    struct graph_node *node = &graph->nodes[graph->n_nodes++];
    struct graph_spread spread = {from->spread_of, from->spread_hosts, from->spread_at};
    hde_text values = {0};
    bool ok;

    if (!is_spread_as_it_was(&spread, from->name, options->like, err))
        return false;
    if (end)
        *node = *end;
    if (end)
        return true;
    if (!found)
        return err_set(err, "HDE-R057", "node '%s': no plugin has the operator %s any more",
                       from->name, from->op);
    *node = (struct graph_node){
        .name = arena_text(&graph->arena, from->name),
        .op = found->op,
        .plugin_path = found->path,
        .build_id = found->build_id,
        .replicas = from->replicas,
        .key = from->key ? arena_text(&graph->arena, from->key) : NULL,
        .spread = spread,
        .was = from->was ? arena_text(&graph->arena, from->was) : NULL,
        .boundary = from->boundary,
        .worker = from->worker,
        .on_error = {.action = (enum on_error)from->on_error,
                     .attempts = from->attempts,
                     .backoff_ns = from->backoff_ns,
                     .max_backoff_ns = from->max_backoff_ns,
                     .limit = from->limit,
                     .within_ns = from->within_ns,
                     .then = (enum on_error)from->then},
        .isolate = {from->isolated, from->memory_bytes, from->timeout_ns, from->network}};
    put_values(from, found->op, options, &values);
    ok = graph_give(node, values.data, &graph->arena, err) ||
         err_wrap(err, "node '%s' (%s) does not take its parameters any more", node->name,
                  node->op->name);
    hde_text_free(&values);
    if (ok)
        take_secrets(node, options->like, &graph->arena);
    return ok && take_types(node, options, graph, err);
}

static void
take_edge(const Hde__ResolvedEdge *from, struct graph *graph)
{
    const char **keys = arena_alloc(&graph->arena, (from->n_keys + 1) * sizeof *keys);

    for (size_t i = 0; i < from->n_keys; i++)
        keys[i] = arena_text(&graph->arena, from->keys[i]);
    graph->edges[graph->n_edges++] =
        (struct graph_edge){.name = arena_text(&graph->arena, from->name),
                            .from = from->from,
                            .to = from->to,
                            .from_port = from->from_port,
                            .to_port = from->to_port,
                            .full = (enum full_policy)from->full,
                            .transport = (enum edge_transport)from->transport,
                            .n_keys = from->n_keys,
                            .keys = keys,
                            .capacity_messages = from->capacity_messages,
                            .capacity_bytes = from->capacity_bytes};
}

/* Of a file from outside: ends and ports have to be there. */
static bool
edges_fit(const Hde__ResolvedGraph *from, const struct graph *graph, struct err *err)
{
    for (size_t i = 0; i < from->n_edges; i++) {
        const Hde__ResolvedEdge *edge = from->edges[i];
        size_t n_out = 0, n_in = 0;

        if (edge->from < graph->n_nodes && edge->to < graph->n_nodes) {
            const hde_port *out = graph->nodes[edge->from].op->outputs;
            const hde_port *in = graph->nodes[edge->to].op->inputs;

            while (out && out[n_out].name)
                n_out++;
            while (in && in[n_in].name)
                n_in++;
        }
        if (edge->from_port >= n_out || edge->to_port >= n_in || !edge->name)
            return err_set(err, "HDE-R057", "edge '%s' does not fit its nodes any more",
                           edge->name ? edge->name : "?");
    }
    return true;
}

/* Of a part: what its nodes and edges are in the whole graph of the file. */
static void
number_in_whole(struct graph *graph)
{
    const struct graph *whole = graph->whole;
    size_t *nodes = arena_alloc(&graph->arena, (graph->n_nodes + 1) * sizeof *nodes);
    size_t *edges = arena_alloc(&graph->arena, (graph->n_edges + 1) * sizeof *edges);

    for (size_t i = 0; i < graph->n_nodes; i++) {
        nodes[i] = SIZE_MAX;
        for (size_t k = 0; k < whole->n_nodes; k++)
            if (!strcmp(whole->nodes[k].name, graph->nodes[i].name))
                nodes[i] = k;
    }
    for (size_t i = 0; i < graph->n_edges; i++) {
        edges[i] = SIZE_MAX;
        for (size_t k = 0; k < whole->n_edges; k++)
            if (!strcmp(whole->edges[k].name, graph->edges[i].name) &&
                !(edge_is_link(&whole->edges[k]) && edge_carrier(whole, k) == k))
                edges[i] = k;
    }
    graph->whole_node = nodes;
    graph->whole_edge = edges;
}

static struct graph *
take_graph(const Hde__ResolvedGraph *from, const struct resolved_options *options, struct err *err)
{
    struct graph *graph = xcalloc(1, sizeof *graph);
    bool ok = true;

    if (options->like) {
        *graph = *options->like;
        graph->arena = (struct arena){0};
        graph->n_nodes = graph->n_edges = 0;
    }
    graph->name = arena_text(&graph->arena, from->name ? from->name : "");
    graph->path = from->path ? arena_text(&graph->arena, from->path) : NULL;
    graph->workers = from->workers;
    graph->nodes = arena_alloc(&graph->arena, (from->n_nodes + 1) * sizeof *graph->nodes);
    graph->edges = arena_alloc(&graph->arena, (from->n_edges + 1) * sizeof *graph->edges);
    for (size_t i = 0; i < from->n_nodes && ok; i++)
        ok = take_node(from->nodes[i], options, graph, err);
    ok = ok && edges_fit(from, graph, err);
    for (size_t i = 0; i < from->n_edges && ok; i++)
        take_edge(from->edges[i], graph);
    if (ok && graph->whole)
        number_in_whole(graph);
    if (ok)
        return graph;
    graph_free(graph);
    return NULL;
}

struct graph *
graph_of_resolved(const void *bytes, size_t size, const struct resolved_options *options,
                  struct err *err)
{
    Hde__ResolvedGraph *from = hde__resolved_graph__unpack(NULL, size, bytes);
    struct graph *graph;

    if (!from)
        return err_set(err, "HDE-R057", "what was kept of the graph cannot be read"), NULL;
    graph = take_graph(from, options, err);
    hde__resolved_graph__free_unpacked(from, NULL);
    return graph;
}
