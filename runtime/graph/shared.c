/* SPDX-License-Identifier: Apache-2.0
 * shared - stages that any number of processes share: kafka: {shared: [processing]}.
 *
 *  (1) Such a stage has one more node, STAGE.members (kafka/members). It is all that `hde run
 *      --stage STAGE` runs: it joins the group of the stage, and runs the stage once for each
 *      partition that it gets, as `hde run --stage STAGE --partition P`. [tests/kafka/members.sh]
 *  (2) What the stage knows lies behind the edges via: topics, and what it does is in topics or in
 *      its store: so one partition is a graph of its own, whoever runs it.
 *  (3) The marks of its sinks in topics say which state belongs to what was committed
 *      (graph_node.names_state; engine/generation.h). */
#include "graph/codes.h"
#include "graph/load.h"
#include "graph/params.h"

#include <stdlib.h>
#include <string.h>

static const char op_name[] = "kafka/members", node_name[] = "members";

struct shared {
    struct loader *loader;
    struct instance *top;
    const struct yaml *cluster; /* kafka: */
    const struct registry_operator *op;
    size_t *root;
};

/* ---- What a shared stage may have ----------------------------------------------------------- */

static void
refuse(const struct shared *self, const struct yaml *name, const char *code, const char *why,
       const char *hint)
{
    diags_add(self->loader->diags, SEVERITY_ERROR, code, name->place,
              "stage '%s' cannot be shared: %s", name->text, why);
    diags_hint(self->loader->diags, "%s", hint);
}

static bool
is_in(const struct shared *self, size_t node, size_t stage)
{
    return stages_find(self->root, node) == stages_find(self->root, stage);
}

static bool
check_nodes(const struct shared *self, const struct yaml *name, size_t stage)
{
    struct arena *arena = self->loader->arena;
    bool reads = false;

    for (size_t i = 0; i < self->loader->n_nodes; i++) {
        const struct node_draft *node = &self->loader->nodes[i];
        bool is_ours = node->settings.topic != NULL;

        if (!is_in(self, i, stage) || !node->op)
            continue;
        reads |= is_ours && node->op->poll;
        if (!is_ours && (node->op->poll || !strcmp(node->op->name, "kafka/sink"))) {
            refuse(self, name, G_SHARED_NODE,
                   arena_printf(arena, "node '%s' (%s) would do its work once for each partition",
                                node->full, node->op->name),
                   "put an edge via: a topic there, or the node into a stage of its own");
            return false;
        }
    }
    if (!reads)
        refuse(self, name, G_SHARED_NODE, "it takes nothing from a topic",
               "what is shared are the partitions of topics: {path: ... , via: \"kafka:TOPIC\"}");
    return reads;
}

static bool
check_settings(const struct shared *self, const struct yaml *name, size_t stage)
{
    const struct graph *graph = self->loader->graph;

    for (size_t i = 0; i < self->loader->n_edges; i++) {
        const struct edge_draft *edge = &self->loader->edges[i];

        if (is_in(self, edge->from.node, stage) &&
            (edge->settings->full == FULL_SPILL || edge->settings->is_durable)) {
            refuse(self, name, G_SHARED_STATE, "it is cut by full: spill or durable: journal",
                   "the topic in front of the stage keeps what a slow sink has not taken");
            return false;
        }
    }
    if (graph->checkpoint.store && !graph->record)
        return true;
    refuse(self, name, G_SHARED_STATE, "its state has no folder that goes from one to the other",
           "checkpoint: {every: 1s, store: FOLDER}, a folder that all of them see, and no record:");
    return false;
}

/* ---- The node ------------------------------------------------------------------------------- */

static struct yaml *
list_of(struct arena *arena, struct place place, size_t room)
{
    struct yaml *list = arena_alloc(arena, sizeof *list);

    *list = (struct yaml){.kind = KIND_LIST, .place = place, .literal = true};
    list->item = arena_alloc(arena, (room + 1) * sizeof *list->item);
    return list;
}

static void
add_text(struct arena *arena, struct yaml *list, const char *text)
{
    struct yaml *item = yaml_text(arena, text, list->place);

    item->literal = true;
    list->item[list->n++] = item;
}

static void
put(struct arena *arena, struct yaml *map, const char *key, struct yaml *value)
{
    map->key[map->n] = yaml_text(arena, key, value->place);
    map->item[map->n++] = value;
}

/* The topics that it reads, its sinks as NODE=TOPIC, the command that runs a partition. */
static const struct yaml *
params_of(const struct shared *self, const struct yaml *name, size_t stage)
{
    struct loader *loader = self->loader;
    struct arena *arena = loader->arena;
    const struct graph_options *options = loader->options;
    struct yaml *map = arena_alloc(arena, sizeof *map);
    struct yaml *topics = list_of(arena, name->place, loader->n_nodes);
    struct yaml *sinks = list_of(arena, name->place, loader->n_nodes);
    struct yaml *command = list_of(arena, name->place, options->n_command);

    for (size_t i = 0; i < loader->n_nodes; i++) {
        struct node_draft *node = &loader->nodes[i];

        if (!is_in(self, i, stage) || !node->settings.topic || !node->op)
            continue;
        if (node->op->poll)
            add_text(arena, topics, node->settings.topic);
        node->settings.names_state = !strcmp(node->op->name, "kafka/sink");
        if (node->settings.names_state)
            add_text(arena, sinks, arena_printf(arena, "%s=%s", node->full, node->settings.topic));
    }
    for (size_t i = 0; i < options->n_command; i++)
        add_text(arena, command, options->command[i]);
    *map = (struct yaml){.kind = KIND_MAP, .place = name->place};
    map->key = arena_alloc(arena, (self->cluster->n + 5) * sizeof *map->key);
    map->item = arena_alloc(arena, (self->cluster->n + 5) * sizeof *map->item);
    for (size_t i = 0; i < self->cluster->n; i++)
        if (params_find(self->op->op, self->cluster->key[i]->text))
            put(arena, map, self->cluster->key[i]->text, self->cluster->item[i]);
    if (topics->n)
        put(arena, map, "topic", topics->item[0]);
    put(arena, map, "topics", topics);
    put(arena, map, "sinks", sinks);
    put(arena, map, "command", command);
    return map;
}

static void
add_node(const struct shared *self, const struct yaml *name, size_t stage)
{
    struct loader *loader = self->loader;
    const struct yaml *params = params_of(self, name, stage);
    const char *full = arena_printf(loader->arena, "%s.%s", name->text, node_name);
    struct node_draft *node = loader_add_node(loader);

    *node = (struct node_draft){.name = full,
                                .full = full,
                                .place = name->place,
                                .home = self->top,
                                .op = self->op->op,
                                .plugin_path = self->op->path,
                                .build_id = self->op->build_id,
                                .params = params,
                                .settings = {.on_error = self->top->on_error,
                                             .replicas = 1,
                                             .worker = -1,
                                             .topic = params->item[params->n - 3]->item[0]->text}};
    node->in_used = arena_alloc(loader->arena, 1);
    node->out_used = arena_alloc(loader->arena, 1);
}

static bool
has_operator(struct shared *self, const struct yaml *name)
{
    self->op = registry_find(self->loader->registry, op_name);
    if (!self->op)
        diags_add(self->loader->diags, SEVERITY_ERROR, G_VIA_PLUGIN, name->place,
                  "kafka.shared needs the operator '%s', which no plugin has", op_name);
    return self->op != NULL;
}

static void
make_one(struct shared *self, const struct yaml *name)
{
    struct loader *loader = self->loader;
    size_t stage = SIZE_MAX;

    for (size_t i = 0; name->kind == KIND_TEXT && i < loader->n_nodes; i++)
        if (!strcmp(stage_of(loader, i), name->text))
            stage = i;
    if (stage == SIZE_MAX) {
        diags_add(loader->diags, SEVERITY_ERROR, G_NODE, name->place,
                  "kafka.shared: the graph has no node or chain '%s' at its top",
                  name->kind == KIND_TEXT ? name->text : "");
        return;
    }
    self->root = stages_roots(loader, name->text);
    if (check_settings(self, name, stage) && check_nodes(self, name, stage) &&
        has_operator(self, name))
        add_node(self, name, stage);
    free(self->root);
}

void
shared_make(struct loader *loader, struct instance *top)
{
    struct shared self = {.loader = loader, .top = top};
    const struct yaml *names;

    self.cluster = want_map(loader, &top->scope, root_value(top, "kafka"), "kafka");
    if (loader->options->direct_via || !self.cluster)
        return;
    names = want_list(loader, &top->scope, yaml_find(self.cluster, "shared"), "shared");
    if (!names)
        return;
    for (size_t i = 0; i < names->n; i++)
        make_one(&self, names->item[i]);
}

bool
shared_is_members(const struct node_draft *node)
{
    return node->settings.topic && node->op && !strcmp(node->op->name, op_name);
}
