/* SPDX-License-Identifier: Apache-2.0
 * via - edges that lead over a Kafka topic: each becomes a sink in front of the topic and a source
 * behind it, ordinary nodes from here on.
 *
 *  (1) All that one stage puts into a topic goes through one sink, all that it takes from a topic
 *      comes from one source. A stage is what lies under one name at the top of the graph.
 *      [tests/kafka/stages.sh]
 *  (2) They carry any type that a plugin has: one that is not theirs is named in `types` of both.
 *      [tests/kafka/types.sh]
 *  (3) What `kafka:` says at the top of the file is given to both, each taking what it knows.
 *  (4) With direct_via nothing is replaced: the edges are ordinary ones (replay of a graph). */
#include "graph/codes.h"
#include "graph/load.h"
#include "graph/params.h"
#include "graph/types.h"

#include <stdlib.h>
#include <string.h>

enum role { ROLE_SINK, ROLE_SOURCE, ROLE_POISON };

static const struct {
    const char *op, *name; /* of a node: STAGE.name.TOPIC */
} roles[] = {{"kafka/sink", "to"}, {"kafka/source", "from"}, {"kafka/poison", "poison"}};

struct via {
    struct loader *loader;
    struct instance *top;
    const struct registry_operator *op[3];
    const struct yaml *cluster; /* kafka:, or NULL */
    size_t n_own;               /* drafts of the file; behind them are ours */
};

/* ---- Stages ------------------------------------------------------------------------------- */

const char *
stage_of(struct loader *loader, size_t node)
{
    const char *full = loader->nodes[node].full;

    return arena_textn(loader->arena, full, strcspn(full, "."));
}

/* ---- Parameters of our nodes -------------------------------------------------------------- */

static void
put(struct via *self, struct yaml *map, const char *key, struct yaml *value)
{
    value->literal = true;
    map->key[map->n] = yaml_text(self->loader->arena, key, value->place);
    map->item[map->n++] = value;
}

static struct yaml *
list_of_one(struct arena *arena, const char *text, struct place place)
{
    struct yaml *list = arena_alloc(arena, sizeof *list);

    *list = (struct yaml){.kind = KIND_LIST, .place = place, .n = 1};
    list->item = arena_alloc(arena, sizeof *list->item);
    list->item[0] = yaml_text(arena, text, place);
    list->item[0]->literal = true;
    return list;
}

static struct yaml *
params_of(struct via *self, enum role role, const struct edge_draft *edge, const char *stage)
{
    struct arena *arena = self->loader->arena;
    const struct edge_settings *settings = edge->settings;
    const struct yaml *cluster = self->cluster;
    size_t n = cluster ? cluster->n : 0;
    struct yaml *map = arena_alloc(arena, sizeof *map);
    const char *partition = self->loader->options->partition;

    *map = (struct yaml){.kind = KIND_MAP, .place = settings->via_place};
    map->key = arena_alloc(arena, (n + 5) * sizeof *map->key); /* and for `types` */
    map->item = arena_alloc(arena, (n + 5) * sizeof *map->item);
    for (size_t i = 0; i < n; i++)
        if (strcmp(cluster->key[i]->text, "types") &&
            params_find(self->op[role]->op, cluster->key[i]->text)) {
            map->key[map->n] = cluster->key[i];
            map->item[map->n++] = cluster->item[i];
        }
    put(self, map, "topic", yaml_text(arena, settings->via, settings->via_place));
    if (role == ROLE_SINK && settings->n_keys)
        put(self, map, "key", yaml_text(arena, settings->keys[0], settings->via_place));
    if (role == ROLE_SOURCE)
        put(self, map, "group",
            yaml_text(arena, arena_printf(arena, "hde.%s.%s", self->loader->graph->name, stage),
                      settings->via_place));
    if (role == ROLE_SOURCE && partition)
        put(self, map, "only", list_of_one(arena, partition, settings->via_place));
    return map;
}

/* ---- Nodes and edges ---------------------------------------------------------------------- */

static size_t
add_node(struct via *self, enum role role, const struct edge_draft *edge, const char *stage)
{
    struct loader *loader = self->loader;
    const char *name =
        arena_printf(loader->arena, "%s.%s.%s", stage, roles[role].name, edge->settings->via);
    size_t host = loader->nodes[role == ROLE_SINK ? edge->from.node : edge->to.node].settings.host;
    struct node_draft *node;

    for (size_t i = self->n_own; i < loader->n_nodes; i++)
        if (!strcmp(loader->nodes[i].full, name))
            return i;
    node = loader_add_node(loader);
    *node = (struct node_draft){.name = name,
                                .full = name,
                                .place = edge->settings->via_place,
                                .home = self->top,
                                .op = self->op[role]->op,
                                .plugin_path = self->op[role]->path,
                                .build_id = self->op[role]->build_id,
                                .settings = {.on_error = self->top->on_error,
                                             .replicas = 1,
                                             .worker = -1,
                                             .topic = edge->settings->via,
                                             .host = host}};
    loader_use_ports(loader, node);
    if (role != ROLE_POISON)
        node->params = params_of(self, role, edge, stage);
    return loader->n_nodes - 1;
}

static unsigned
port_with(const hde_port *ports, const ProtobufCMessageDescriptor *type)
{
    unsigned port = 0;

    for (; ports[port].name; port++)
        for (size_t i = 0; ports[port].types[i]; i++)
            if (!strcmp(ports[port].types[i]->name, type->name))
                return port;
    return port;
}

static void
join(struct via *self, struct end from, struct end to, const struct edge_draft *edge)
{
    struct loader *loader = self->loader;
    struct edge_settings *settings = arena_alloc(loader->arena, sizeof *settings);

    loader->nodes[from.node].out_used[from.port] = true;
    loader->nodes[to.node].in_used[to.port] = true;
    for (size_t i = 0; i < loader->n_edges; i++) {
        const struct edge_draft *other = &loader->edges[i];

        if (other->from.node == from.node && other->from.port == from.port &&
            other->to.node == to.node && other->to.port == to.port)
            return; /* another edge leads over the same topic */
    }
    *settings = *edge->settings;
    settings->via = NULL;
    settings->n_keys = 0;
    loader_add_edge(loader, (struct edge_draft){from, to, edge->place, settings});
}

/* One more in its parameter `types`. */
static void
name_type(struct via *self, struct node_draft *node, const char *type, struct place place)
{
    struct arena *arena = self->loader->arena;
    struct yaml *map = (struct yaml *)(uintptr_t)node->params; /* params_of()'s */
    struct yaml *list = list_of_one(arena, type, place);
    const struct yaml *before = yaml_find(map, "types");

    if (!before) {
        put(self, map, "types", list);
        return;
    }
    list->item = arena_alloc(arena, (before->n + 1) * sizeof *list->item);
    memcpy(list->item, before->item, before->n * sizeof *list->item);
    list->item[before->n] = yaml_text(arena, type, place);
    list->item[before->n]->literal = true;
    list->n = before->n + 1;
    for (size_t i = 0; i < map->n; i++)
        if (map->item[i] == before)
            map->item[i] = list;
}

/* The node takes the type from here on; false: it cannot. */
static bool
carry(struct via *self, size_t n, const struct edge_draft *edge,
      const ProtobufCMessageDescriptor *type)
{
    struct loader *loader = self->loader;
    struct node_draft *node = &loader->nodes[n];
    const hde_operator *with = types_add(node->op, type, loader->arena);
    const bool *used = node->out_used;
    size_t n_used = count_ports(node->op->outputs);

    if (!with || with == node->op)
        return with != NULL;
    node->op = with;
    name_type(self, node, type->name, edge->settings->via_place);
    loader_use_ports(loader, node);
    for (size_t i = 0; i < n_used; i++)
        node->out_used[i] = used[i];
    return true;
}

/* Edges of ours are appended. */
static void
replace(struct via *self, struct edge_draft edge)
{
    struct loader *loader = self->loader;
    const ProtobufCMessageDescriptor *type = end_port(loader, edge.from, true)->types[0];
    const char *from = stage_of(loader, edge.from.node), *to = stage_of(loader, edge.to.node);
    size_t sink = add_node(self, ROLE_SINK, &edge, from);
    size_t source = add_node(self, ROLE_SOURCE, &edge, to);
    size_t poison = add_node(self, ROLE_POISON, &edge, to);
    struct end in = {sink, 0}, out = {source, 0}, bad = {source, 0};

    if (!carry(self, sink, &edge, type) || !carry(self, source, &edge, type)) {
        diags_add(loader->diags, SEVERITY_ERROR, G_TYPE_PORT, edge.place,
                  "%s cannot go via topic '%s': an output of kafka/source is called so already",
                  type->name, edge.settings->via);
        return;
    }
    in.port = port_with(loader->nodes[sink].op->inputs, type);
    out.port = port_with(loader->nodes[source].op->outputs, type);
    bad.port = port_with(loader->nodes[source].op->outputs,
                         self->op[ROLE_POISON]->op->inputs->types[0]);
    join(self, edge.from, in, &edge);
    join(self, out, edge.to, &edge);
    join(self, bad, (struct end){poison, 0}, &edge);
}

/* ---- What is wrong ------------------------------------------------------------------------ */

static bool
find_operators(struct via *self, const struct edge_draft *edge)
{
    for (int role = 0; role < 3; role++) {
        self->op[role] = registry_find(self->loader->registry, roles[role].op);
        if (self->op[role])
            continue;
        diags_add(self->loader->diags, SEVERITY_ERROR, G_VIA_PLUGIN, edge->settings->via_place,
                  "via: kafka needs the operator '%s', which no plugin has", roles[role].op);
        return false;
    }
    return true;
}

static bool
is_of_cluster(const struct via *self, const char *key)
{
    const struct registry_operator *members =
        registry_find(self->loader->registry, "kafka/members");

    if (!strcmp(key, "types")) /* the edges say them */
        return false;
    return !strcmp(key, "shared") || (members && params_find(members->op, key)) ||
           params_find(self->op[ROLE_SINK]->op, key) || params_find(self->op[ROLE_SOURCE]->op, key);
}

static void
check_cluster(struct via *self)
{
    for (size_t i = 0; self->cluster && i < self->cluster->n; i++)
        if (!is_of_cluster(self, self->cluster->key[i]->text))
            params_unknown(self->loader->diags, self->op[ROLE_SINK]->op,
                           self->cluster->key[i]->place, G_PARAM, self->cluster->key[i]->text);
}

static bool
check_settings(struct loader *loader, const struct edge_draft *edge)
{
    const struct edge_settings *settings = edge->settings;

    if (settings->full != FULL_BLOCK || settings->is_durable ||
        settings->transport != TRANSPORT_AUTO) {
        diags_add(loader->diags, SEVERITY_ERROR, G_VIA_SETTINGS, settings->via_place,
                  "an edge via a topic has no full:, durable: or transport: of its own");
        diags_hint(loader->diags, "the topic keeps what its readers have not taken yet");
        return false;
    }
    return true;
}

/* ---- The whole ---------------------------------------------------------------------------- */

void
via_make(struct loader *loader, struct instance *top)
{
    struct via self = {.loader = loader, .top = top, .n_own = loader->n_nodes};
    size_t n = loader->n_edges, kept = 0;

    self.cluster = want_map(loader, &top->scope, root_value(top, "kafka"), "kafka");
    if (loader->options->direct_via)
        return;
    for (size_t i = 0; i < n; i++) {
        struct edge_draft edge = loader->edges[i];

        if (!edge.settings->via || !check_settings(loader, &edge))
            continue;
        if (!self.op[ROLE_SINK]) {
            if (!find_operators(&self, &edge))
                return;
            check_cluster(&self);
        }
        replace(&self, edge);
    }
    for (size_t i = 0; i < loader->n_edges; i++)
        if (!loader->edges[i].settings->via)
            loader->edges[kept++] = loader->edges[i];
    loader->n_edges = kept;
}

/* ---- One stage alone ---------------------------------------------------------------------- */

size_t
stages_find(size_t *root, size_t node)
{
    while (root[node] != node)
        node = root[node] = root[root[node]];
    return node;
}

size_t *
stages_roots(struct loader *loader, const char *stage)
{
    size_t *root = xcalloc(loader->n_nodes + 1, sizeof *root), first = SIZE_MAX;

    for (size_t i = 0; i < loader->n_nodes; i++)
        root[i] = i;
    for (size_t e = 0; e < loader->n_edges; e++)
        root[stages_find(root, loader->edges[e].from.node)] =
            stages_find(root, loader->edges[e].to.node);
    for (size_t i = 0; stage && i < loader->n_nodes; i++)
        if (!strcmp(stage_of(loader, i), stage))
            root[stages_find(root, i)] = stages_find(root, first == SIZE_MAX ? (first = i) : first);
    return root;
}

/* The first name of what hangs together with `node`: the same whatever part of it was named. */
static const char *
first_name(struct loader *loader, size_t *root, size_t node)
{
    for (size_t i = 0; i < loader->n_nodes; i++)
        if (stages_find(root, i) == stages_find(root, node))
            return stage_of(loader, i);
    return "";
}

/* Both ends of an edge are chosen, or none. */
static void
leave_out_edges(struct loader *loader)
{
    size_t kept = 0;

    for (size_t i = 0; i < loader->n_edges; i++)
        if (!loader->nodes[loader->edges[i].from.node].is_left_out)
            loader->edges[kept++] = loader->edges[i];
    loader->n_edges = kept;
}

static const char *
folder_of(struct loader *loader, const char *folder)
{
    return folder ? arena_printf(loader->arena, "%s/%s", folder, loader->graph->name) : NULL;
}

/* All of the stage but its members, or of a shared one that has no partition, the members alone. */
static void
leave_out_nodes(struct loader *loader, size_t *root, size_t chosen)
{
    bool is_shared = false, for_members;

    for (size_t i = 0; chosen != SIZE_MAX && i < loader->n_nodes; i++)
        is_shared |= shared_is_members(&loader->nodes[i]) &&
                     stages_find(root, i) == stages_find(root, chosen);
    for_members = is_shared && !loader->options->partition;
    for (size_t i = 0; i < loader->n_nodes; i++)
        loader->nodes[i].is_left_out =
            (chosen != SIZE_MAX && stages_find(root, i) != stages_find(root, chosen)) ||
            shared_is_members(&loader->nodes[i]) != for_members;
    loader->graph->is_shared = is_shared && !for_members;
    if (loader->graph->is_shared)
        loader->graph->dlq.folder = NULL; /* letters are with the state, and go with it */
    if (for_members) { /* they have no state */
        loader->graph->checkpoint = (struct checkpoint_policy){0};
        loader->graph->log = (struct log_policy){0};
        loader->graph->delivery = DELIVERY_NONE;
    }
}

/* Each stage has folders of its own. */
static void
name_stage(struct loader *loader, const char *stage)
{
    struct graph *graph = loader->graph;

    graph->name = arena_printf(loader->arena, "%s.%s", graph->name, stage);
    if (loader->options->partition)
        graph->name = arena_printf(loader->arena, "%s.%s", graph->name, loader->options->partition);
    graph->checkpoint.store = folder_of(loader, graph->checkpoint.store);
    graph->record = folder_of(loader, graph->record);
    graph->dlq.folder = folder_of(loader, graph->dlq.folder);
}

void
stage_choose(struct loader *loader)
{
    const char *stage = loader->options->stage;
    size_t *root = stages_roots(loader, stage), chosen = SIZE_MAX;

    for (size_t i = 0; stage && chosen == SIZE_MAX && i < loader->n_nodes; i++)
        if (!strcmp(stage_of(loader, i), stage))
            chosen = i;
    if (stage && chosen == SIZE_MAX)
        diags_add(loader->diags, SEVERITY_ERROR, G_NODE, (struct place){loader->graph->path, 1, 1},
                  "the graph has no node or chain '%s' at its top", stage);
    leave_out_nodes(loader, root, chosen);
    leave_out_edges(loader);
    if (chosen != SIZE_MAX)
        name_stage(loader, first_name(loader, root, chosen));
    free(root);
}
