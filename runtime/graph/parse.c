/* SPDX-License-Identifier: Apache-2.0
 * parse - trees to drafts: files, includes, variables, nodes.
 *
 * An instance is a file in one place. It is complete (members, ports, edges) before the file that
 * includes it goes on, so names need one pass only. */
#include "base/nearest.h"
#include "graph/load.h"
#include "graph/types.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct include { /* one entry of include: */
    const char *name;
    struct place place, chain_place;
    const struct yaml *with;
    bool boundary;
    int64_t worker;
    struct host_draft host;
};

static const struct known_key graph_keys[] = {{"hde", false},        {"graph", false},
                                              {"vars", false},       {"include", false},
                                              {"nodes", false},      {"edges", false},
                                              {"workers", false},    {"on_error", false},
                                              {"dlq", false},        {"hosts", false},
                                              {"coordinator", false}, {"checkpoint", false},
                                              {"kafka", false},
                                              {"record", false},     {"delivery", false},   {0}};
static const struct known_key chain_keys[] = {
    {"hde", false},     {"chain", false}, {"inputs", false}, {"outputs", false},  {"vars", false},
    {"include", false}, {"nodes", false}, {"edges", false},  {"on_error", false}, {0}};
static const struct known_key node_keys[] = {{"op", false},
                                             {"params", false},
                                             {"on_error", false},
                                             {"replicas", false},
                                             {"key", false},
                                             {"boundary", false},
                                             {"worker", false},
                                             {"was", false},
                                             {"host", false},
                                             {"isolate", false},
                                             {"delivery", false},
                                             {0}};
static const struct known_key include_keys[] = {
    {"chain", false},   {"with", false}, {"boundary", false},
    {"worker", false},  {"host", false},  {"isolate", true},
    {"replicas", true}, {"key", true},   {0}};

struct yaml *
root_value(const struct instance *instance, const char *key)
{
    return yaml_find(instance->file->root, key);
}

/* ---- files ---------------------------------------------------------------------------------- */

static const struct graph_text *
given_text(const struct loader *loader, const char *path)
{
    for (size_t i = 0; i < loader->options->n_texts; i++)
        if (!strcmp(loader->options->texts[i].path, path))
            return &loader->options->texts[i];
    return NULL;
}

static void
keep_text(struct loader *loader, const char *path, const struct file *file)
{
    for (size_t i = 0; i < loader->n_texts; i++)
        if (!strcmp(loader->texts[i].path, path))
            return;
    loader->texts = xrealloc(loader->texts, (loader->n_texts + 1) * sizeof *loader->texts);
    loader->texts[loader->n_texts++] =
        (struct graph_text){arena_text(loader->arena, path), file->text};
}

static void
read_file(struct loader *loader, struct file *file, const struct graph_text *given,
          struct place from)
{
    size_t size = given ? strlen(given->text) : 0;

    file->text = given ? arena_textn(loader->arena, given->text, size)
                       : yaml_read(file->path, from, &size, loader->arena, loader->diags);
    if (file->text)
        file->root = yaml_parse_file(file->path, file->text, size, loader->arena, loader->diags);
    if (!file->root || file->root->kind == KIND_MAP)
        return;
    diags_add(loader->diags, SEVERITY_ERROR, G_KIND, file->root->place,
              "a graph file is a mapping, not %s", yaml_kind_name(file->root));
    diags_hint(loader->diags, "it begins with 'hde: 1' and 'graph: NAME' or 'chain: NAME'");
    file->root = NULL;
}

static bool
is_file(const struct file *file, const char *path, const struct stat *st)
{
    return st->st_ino ? file->dev == st->st_dev && file->ino == st->st_ino
                      : !strcmp(file->path, path);
}

static struct file *
open_file(struct loader *loader, const char *path, struct place from)
{
    const struct graph_text *given = given_text(loader, path);
    struct stat st = {0};
    bool exists = given || stat(path, &st) == 0;
    struct file *file;

    for (size_t i = 0; exists && i < loader->n_files; i++)
        if (is_file(loader->files[i], path, &st)) {
            keep_text(loader, path, loader->files[i]);
            return loader->files[i];
        }
    file = arena_alloc(loader->arena, sizeof *file);
    file->path = arena_text(loader->arena, path);
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    read_file(loader, file, given, from);
    if (file->text)
        keep_text(loader, path, file);
    if (exists) {
        loader->files = xrealloc(loader->files, (loader->n_files + 1) * sizeof(struct file *));
        loader->files[loader->n_files++] = file;
    }
    return file;
}

/* a.yaml -> b.yaml -> a.yaml */
static const char *
include_chain(struct loader *loader, const struct instance *instance, const char *last)
{
    const char *text = last;

    for (; instance; instance = instance->parent)
        text = arena_printf(loader->arena, "%s -> %s", instance->file->path, text);
    return text;
}

static bool
check_nesting(struct loader *loader, const struct instance *parent, const struct file *file,
              struct place place)
{
    for (const struct instance *above = parent; above; above = above->parent)
        if (above->file == file) {
            diags_add(loader->diags, SEVERITY_ERROR, G_INCLUDE_LOOP, place,
                      "these files include each other: %s",
                      include_chain(loader, parent, file->path));
            return false;
        }
    if (!parent || parent->depth < INCLUDE_DEPTH_MAX)
        return true;
    diags_add(loader->diags, SEVERITY_ERROR, G_TOO_MANY, place,
              "chains are nested deeper than %d levels", INCLUDE_DEPTH_MAX);
    return false;
}

/* ---- head of a file ------------------------------------------------------------------------- */

static struct place
key_place(const struct yaml *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->key[i]->text, key) == 0)
            return map->key[i]->place;
    return map->place;
}

static void
check_version(struct loader *loader, const struct yaml *root)
{
    const struct yaml *version = yaml_find(root, "hde");

    if (version && version->kind == KIND_TEXT && strcmp(version->text, "1") == 0)
        return;
    diags_add(loader->diags, SEVERITY_ERROR, G_VERSION, version ? version->place : root->place,
              version ? "this is not a version of the graph language that is known: %s"
                      : "the version of the graph language is missing",
              version ? show(&loader->resolver, version) : "");
    diags_hint(loader->diags, "write hde: 1");
}

static void
check_head(struct loader *loader, const struct instance *instance, struct place from)
{
    const struct yaml *root = instance->file->root;
    const struct yaml *graph = yaml_find(root, "graph"), *chain = yaml_find(root, "chain");
    const struct yaml *name = chain ? chain : graph;
    struct diags *diags = loader->diags;

    check_version(loader, root);
    check_keys(loader, root, chain ? chain_keys : graph_keys, chain ? "a chain" : "a graph");
    if (!name) {
        diags_add(diags, SEVERITY_ERROR, G_NOT_A_GRAPH, root->place, "neither a graph nor a chain");
        diags_hint(diags, "write graph: NAME, or chain: NAME in a file that others include");
    } else if (name->kind != KIND_TEXT) {
        diags_add(diags, SEVERITY_ERROR, G_KIND, name->place, "'%s' needs a name, not %s",
                  chain ? "chain" : "graph", yaml_kind_name(name));
    } else {
        check_name(loader, name, chain ? "a chain" : "a graph");
    }
    if (instance->parent && graph && !chain) {
        diags_add(diags, SEVERITY_ERROR, G_NOT_A_GRAPH, from, "'%s' is a graph, not a chain",
                  instance->file->path);
        diags_hint(diags, "only files with 'chain: NAME' can be included");
    } else if (!instance->parent && chain && loader->options->for_run) {
        diags_add(diags, SEVERITY_ERROR, G_NOT_A_GRAPH, key_place(root, "chain"),
                  "this is a chain: it runs only as part of a graph");
        diags_hint(diags, "include it in a file with 'graph: NAME'");
    }
}

/* ---- variables ------------------------------------------------------------------------------ */

static void
load_vars(struct loader *loader, struct instance *instance)
{
    const struct yaml *vars = want_map(loader, NULL, root_value(instance, "vars"), "vars");
    struct scope *scope = &instance->scope;

    if (!vars)
        return;
    scope->list = arena_alloc(loader->arena, vars->n * sizeof *scope->list);
    for (size_t i = 0; i < vars->n; i++) {
        check_name(loader, vars->key[i], "a variable");
        scope->list[scope->n++] =
            (struct variable){.name = vars->key[i]->text, .value = vars->item[i], .scope = scope};
    }
}

static void
load_with(struct loader *loader, struct instance *instance, const struct yaml *with)
{
    for (size_t i = 0; with && i < with->n; i++) {
        struct variable *variable = scope_find(&instance->scope, with->key[i]->text);
        struct nearest near = {.word = with->key[i]->text};

        if (variable) {
            variable->value = with->item[i];
            variable->scope = &instance->parent->scope;
            continue;
        }
        diags_add(loader->diags, SEVERITY_ERROR, G_WITH, with->key[i]->place,
                  "chain '%s' has no variable '%.80s'", instance->name, with->key[i]->text);
        for (size_t j = 0; j < instance->scope.n; j++)
            nearest_try(&near, instance->scope.list[j].name);
        diags_nearest(loader->diags, &near);
        diags_hint(loader->diags, "only what stands under vars: in '%s' can be given",
                   instance->file->path);
    }
}

/* All of them, so that faults in variables that nobody reads are found too. */
static void
resolve_vars(struct loader *loader, struct scope *scope)
{
    for (size_t i = 0; i < scope->n; i++) {
        struct variable *variable = &scope->list[i];

        if (variable->state != VARIABLE_NEW)
            continue;
        variable->state = VARIABLE_BUSY;
        variable->value = resolve(&loader->resolver, variable->scope, variable->value);
        variable->state = VARIABLE_DONE;
    }
}

/* ---- members -------------------------------------------------------------------------------- */

static void
add_member(struct instance *instance, struct member member)
{
    if (instance->n_members == instance->cap_members) {
        instance->cap_members = instance->cap_members ? instance->cap_members * 2 : 16;
        instance->members =
            xrealloc(instance->members, instance->cap_members * sizeof *instance->members);
    }
    instance->members[instance->n_members++] = member;
}

static int
compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order)
        return order;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    return x->place.column < y->place.column ? -1 : x->place.column > y->place.column;
}

static void
sort_members(struct loader *loader, struct instance *instance)
{
    if (instance->n_members == 0)
        return;
    qsort(instance->members, instance->n_members, sizeof *instance->members, compare_members);
    for (size_t i = 1; i < instance->n_members; i++) {
        const struct member *first = &instance->members[i - 1], *member = &instance->members[i];

        if (strcmp(first->name, member->name) != 0)
            continue;
        diags_add(loader->diags, SEVERITY_ERROR, G_DUPLICATE_NAME, member->place,
                  "'%s' names a node and an included chain", member->name);
        diags_hint(loader->diags, "the first one is in line %u, column %u", first->place.line,
                   first->place.column);
    }
}

const struct member *
find_member(const struct instance *instance, const char *name)
{
    size_t low = 0, high = instance->n_members;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(instance->members[middle].name, name);

        if (order == 0)
            return &instance->members[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* A refused plugin file whose name belongs to the operator: folder-name.so. */
static const struct registry_problem *
find_problem(const struct loader *loader, const char *op)
{
    const struct registry_problem *problems;
    size_t n = registry_problems(loader->registry, &problems);

    for (size_t i = 0; i < n; i++) {
        const char *slash = strrchr(problems[i].path, '/');
        const char *file = slash ? slash + 1 : problems[i].path;
        size_t j = 0;

        while (op[j] && (op[j] == '/' ? '-' : op[j]) == file[j])
            j++;
        if (!op[j] && strcmp(file + j, ".so") == 0)
            return &problems[i];
    }
    return NULL;
}

/* In the folder that was named, or with that name in any folder, or alike as a whole. */
static void
suggest_operator(struct loader *loader, const char *name)
{
    const char *slash = strchr(name, '/');
    size_t folder = slash ? (size_t)(slash - name) + 1 : 0;
    struct nearest inside = {.word = name + folder}, whole = {.word = name};

    for (size_t i = 0; i < registry_count(loader->registry); i++) {
        const char *known = registry_at(loader->registry, i)->op->name;
        const char *last = strchr(known, '/') ? strchr(known, '/') + 1 : known;

        if (folder && strncmp(known, name, folder) == 0)
            nearest_try(&inside, known + folder);
        else if (strcmp(last, name + folder) == 0)
            whole = (struct nearest){.word = name, .best = known};
        else
            nearest_try(&whole, known);
    }
    if (inside.best)
        inside.best -= folder; /* the last part of a whole name */
    diags_nearest(loader->diags, inside.best ? &inside : &whole);
}

static void
refuse_operator(struct loader *loader, struct place place, const char *name)
{
    const struct registry_problem *problem = find_problem(loader, name), *all;
    size_t n_problems = registry_problems(loader->registry, &all);

    if (problem) {
        diags_add(loader->diags, SEVERITY_ERROR, G_PLUGIN, place,
                  "the plugin of operator '%.80s' was refused: %s: %s %s", name, problem->path,
                  problem->err.code, problem->err.text);
        return;
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_OPERATOR, place, "there is no operator '%.80s'",
              name);
    suggest_operator(loader, name);
    if (n_problems)
        diags_hint(loader->diags, "refused on the plugin path: %s: %s%s", all[0].path,
                   all[0].err.text, n_problems > 1 ? ", and more" : "");
    else if (registry_count(loader->registry) == 0)
        diags_hint(loader->diags, "no plugin was found at all: see HDE_PLUGIN_PATH");
    else
        diags_hint(loader->diags, "'hde describe' lists what is there");
}

static void
load_operator(struct loader *loader, struct node_draft *node, const struct yaml *op)
{
    const struct registry_operator *found;
    const char *name = NULL;

    if (!op) {
        diags_add(loader->diags, SEVERITY_ERROR, G_MISSING_KEY, node->place,
                  "node '%s' needs 'op': the name of an operator", node->name);
        return;
    }
    if (!want_text(loader, &node->home->scope, op, "op", &name) || !name)
        return;
    found = registry_find(loader->registry, name);
    if (!found) {
        refuse_operator(loader, op->place, name);
        return;
    }
    node->op = found->op;
    node->plugin_path = found->path;
    node->build_id = found->build_id;
    loader_use_ports(loader, node);
}

void
loader_use_ports(struct loader *loader, struct node_draft *node)
{
    node->in_used = arena_alloc(loader->arena, count_ports(node->op->inputs) + 1);
    node->out_used = arena_alloc(loader->arena, count_ports(node->op->outputs) + 1);
}

static void
load_type(struct loader *loader, struct node_draft *node, const struct yaml *text)
{
    const ProtobufCMessageDescriptor *type;
    const hde_operator *with;
    const char *name = NULL;

    if (!want_text(loader, &node->home->scope, text, "types", &name) || !name)
        return;
    type = types_find(loader->registry, name);
    with = type ? types_add(node->op, type, loader->arena) : NULL;
    if (with)
        node->op = with;
    else if (type)
        diags_add(loader->diags, SEVERITY_ERROR, G_TYPE_PORT, text->place,
                  "'%.120s' would be an output of the name of another one", name);
    else
        diags_add(loader->diags, SEVERITY_ERROR, G_NO_TYPE, text->place,
                  "no plugin has the message type '%.120s'", name);
}

/* Its ports are needed before its parameters are looked at. */
static void
load_types(struct loader *loader, struct node_draft *node)
{
    const struct yaml *types = yaml_find(node->params, "types");

    if (!types || !node->op || !(node->op->flags & HDE_MORE_TYPES))
        return;
    if (node->settings.isolate.is_on)
        diags_add(loader->diags, SEVERITY_ERROR, G_TYPE_ISOLATED, types->place,
                  "node '%s' carries message types of other plugins, so it cannot be isolated",
                  node->name);
    types = want_list(loader, &node->home->scope, types, "types");
    for (size_t i = 0; types && i < types->n; i++)
        load_type(loader, node, types->item[i]);
    loader_use_ports(loader, node);
}

static void
load_node_settings(struct loader *loader, struct node_draft *node, const struct yaml *map)
{
    struct scope *scope = &node->home->scope;
    struct graph_node *settings = &node->settings;
    const char *was = NULL;

    settings->on_error = node->home->on_error;
    settings->replicas = 1;
    settings->worker = node->home->worker;
    want_on_error(loader, scope, yaml_find(map, "on_error"), &settings->on_error);
    want_isolate(loader, scope, yaml_find(map, "isolate"), &settings->isolate);
    want_int(loader, scope, yaml_find(map, "replicas"), "replicas", 1, 256, &settings->replicas);
    want_bool(loader, scope, yaml_find(map, "boundary"), "boundary", &settings->boundary);
    want_int(loader, scope, yaml_find(map, "worker"), "worker", 0, 63, &settings->worker);
    want_delivery(loader, scope, yaml_find(map, "delivery"), &settings->delivery);
    want_host(loader, scope, yaml_find(map, "host"), true, &node->host);
    want_text(loader, scope, yaml_find(map, "was"), "was", &was);
    if (was)
        settings->was = arena_printf(loader->arena, "%s%s", node->home->prefix, was);
    node->key = yaml_find(map, "key");
    if (node->key)
        want_text(loader, scope, node->key, "key", &settings->key);
    node->params = want_map(loader, scope, yaml_find(map, "params"), "params");
}

static bool
room_for_nodes(struct loader *loader, struct place place)
{
    if (loader->n_nodes < NODES_MAX)
        return true;
    if (!loader->too_many)
        diags_add(loader->diags, SEVERITY_ERROR, G_TOO_MANY, place,
                  "the graph has more than %d nodes", NODES_MAX);
    loader->too_many = true;
    return false;
}

struct node_draft *
loader_add_node(struct loader *loader)
{
    if (loader->n_nodes == loader->cap_nodes) {
        loader->cap_nodes = loader->cap_nodes ? loader->cap_nodes * 2 : 64;
        loader->nodes = xrealloc(loader->nodes, loader->cap_nodes * sizeof *loader->nodes);
    }
    return &loader->nodes[loader->n_nodes++];
}

static void
load_node(struct loader *loader, struct instance *home, const struct yaml *key,
          const struct yaml *value)
{
    struct node_draft *node;

    check_name(loader, key, "a node");
    if (!room_for_nodes(loader, key->place))
        return;
    add_member(home,
               (struct member){.name = key->text, .place = key->place, .node = loader->n_nodes});
    node = loader_add_node(loader);
    *node = (struct node_draft){.name = key->text, .place = key->place, .home = home};
    node->full = arena_printf(loader->arena, "%s%s", home->prefix, key->text);
    if (value->kind == KIND_TEXT) {
        diags_add(loader->diags, SEVERITY_ERROR, G_KIND, value->place,
                  "a node is a mapping, not a text");
        diags_hint(loader->diags, "write %.60s: {op: %.60s}", key->text, value->text);
        value = NULL;
    } else if (value->kind != KIND_UNKNOWN) {
        value = value->kind == KIND_NULL ? value : want_map(loader, NULL, value, key->text);
        if (value)
            load_operator(loader, node, yaml_find(value, "op"));
    }
    check_keys(loader, value, node_keys, "a node");
    load_node_settings(loader, node, value);
    load_types(loader, node);
}

static void
load_nodes(struct loader *loader, struct instance *instance, const struct yaml *nodes)
{
    nodes = want_map(loader, NULL, nodes, "nodes");
    for (size_t i = 0; nodes && i < nodes->n; i++)
        load_node(loader, instance, nodes->key[i], nodes->item[i]);
}

/* ---- includes ------------------------------------------------------------------------------- */

static struct instance *open_instance(struct loader *loader, struct instance *parent,
                                      const char *path, struct place from,
                                      const struct include *include);

static void
load_include(struct loader *loader, struct instance *parent, const struct yaml *key,
             const struct yaml *value)
{
    struct include include = {.name = key->text, .place = key->place, .worker = parent->worker};
    const struct yaml *map, *chain;
    const char *path = NULL;
    struct instance *instance = NULL;

    check_name(loader, key, "an included chain");
    if (value->kind == KIND_TEXT) {
        diags_add(loader->diags, SEVERITY_ERROR, G_KIND, value->place,
                  "an include is a mapping, not a text");
        diags_hint(loader->diags, "write %.60s: {chain: %.60s}", key->text, value->text);
        map = NULL;
    } else {
        map = want_map(loader, &parent->scope, value, key->text);
    }
    check_keys(loader, map, include_keys, "an include");
    include.with = want_map(loader, NULL, yaml_find(map, "with"), "with");
    want_bool(loader, &parent->scope, yaml_find(map, "boundary"), "boundary", &include.boundary);
    want_int(loader, &parent->scope, yaml_find(map, "worker"), "worker", 0, 63, &include.worker);
    want_host(loader, &parent->scope, yaml_find(map, "host"), false, &include.host);
    chain = yaml_find(map, "chain");
    if (map && !chain)
        diags_add(loader->diags, SEVERITY_ERROR, G_MISSING_KEY, key->place,
                  "include '%s' needs 'chain': the file to include", key->text);
    want_text(loader, &parent->scope, chain, "chain", &path);
    if (path && room_for_nodes(loader, key->place))
        instance = open_instance(loader, parent, yaml_path(loader->arena, chain, path),
                                 chain->place, &include);
    add_member(parent,
               (struct member){
                   .name = key->text, .place = key->place, .chain = instance, .node = SIZE_MAX});
}

static void
load_includes(struct loader *loader, struct instance *instance, const struct yaml *includes)
{
    includes = want_map(loader, NULL, includes, "include");
    for (size_t i = 0; includes && i < includes->n; i++)
        load_include(loader, instance, includes->key[i], includes->item[i]);
}

/* ---- a file in its place -------------------------------------------------------------------- */

static void
load_members(struct loader *loader, struct instance *instance)
{
    const struct yaml *root = instance->file->root;
    size_t before = loader->n_nodes;

    for (size_t i = 0; i < root->n; i++) {
        if (strcmp(root->key[i]->text, "include") == 0)
            load_includes(loader, instance, root->item[i]);
        else if (strcmp(root->key[i]->text, "nodes") == 0)
            load_nodes(loader, instance, root->item[i]);
    }
    if (loader->n_nodes == before && instance->n_members == 0) {
        diags_add(loader->diags, SEVERITY_ERROR, G_NO_NODES, root->place, "there are no nodes");
        diags_hint(loader->diags, "write nodes: {NAME: {op: FOLDER/NAME}}");
    }
    sort_members(loader, instance);
}

static struct instance *
open_instance(struct loader *loader, struct instance *parent, const char *path, struct place from,
              const struct include *include)
{
    struct file *file = open_file(loader, path, from);
    struct instance *instance;

    if (!check_nesting(loader, parent, file, from) || !file->root)
        return NULL;
    instance = arena_alloc(loader->arena, sizeof *instance);
    *instance = (struct instance){.parent = parent,
                                  .name = include ? include->name : "",
                                  .prefix = "",
                                  .place = include ? include->place : file->root->place,
                                  .file = file,
                                  .is_chain = yaml_find(file->root, "chain") != NULL,
                                  .depth = parent ? parent->depth + 1 : 0,
                                  .worker = include ? include->worker : -1,
                                  .boundary = include && include->boundary,
                                  .host = include ? include->host : (struct host_draft){0},
                                  .on_error = parent ? parent->on_error : loader->graph->on_error,
                                  .next = loader->instances};
    loader->instances = instance;
    if (parent)
        instance->prefix = arena_printf(loader->arena, "%s%s.", parent->prefix, include->name);
    check_head(loader, instance, from);
    load_vars(loader, instance);
    if (parent)
        load_with(loader, instance, include->with);
    else
        sets_apply_vars(loader, instance);
    resolve_vars(loader, &instance->scope);
    want_on_error(loader, &instance->scope, root_value(instance, "on_error"), &instance->on_error);
    load_members(loader, instance);
    connect_chain_ports(loader, instance);
    connect_edges(loader, instance);
    return instance;
}

struct instance *
load_top(struct loader *loader, const char *path)
{
    return open_instance(loader, NULL, path, (struct place){0}, NULL);
}
