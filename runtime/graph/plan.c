/* SPDX-License-Identifier: Apache-2.0
 * plan - compares two graphs.
 *
 *  (1) Every node and every edge of both graphs is in the plan once.
 *  (2) State is kept if the new instance can load() what the old one can save(): the same message
 *      type, a schema that is not older; over replicas only with HDE_KEYED_STATE.
 *      [test_what_becomes_of_each_node]
 *  (3) Of replicas over hosts (graph_spread) a share goes on as the share of the same replicas,
 *      whatever its host. Where there is none the shares are other ones, and each goes on from all
 *      that there were. [test_shares_go_on_by_their_replicas] */
#include "graph/plan.h"
#include "graph/parts.h"
#include "graph/types.h"
#include "graph/write.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct planner {
    struct change_plan *plan;
    struct arena *arena;
    hde_text what; /* of the node or edge that is looked at */
};

static void
note(struct planner *self, const char *name, const char *before, const char *after)
{
    hde_text_printf(&self->what, "%s%s: %s -> %s", self->what.len ? "; " : "", name, before, after);
}

static void
note_number(struct planner *self, const char *name, int64_t before, int64_t after)
{
    if (before != after)
        note(self, name, arena_printf(self->arena, "%lld", (long long)before),
             arena_printf(self->arena, "%lld", (long long)after));
}

static void
note_text(struct planner *self, const char *name, const char *before, const char *after)
{
    before = before ? before : "";
    after = after ? after : "";
    if (strcmp(before, after) != 0)
        note(self, name, *before ? before : "none", *after ? after : "none");
}

static const char *
take_what(struct planner *self)
{
    const char *what = arena_text(self->arena, self->what.len ? self->what.data : "");

    hde_text_clear(&self->what);
    return what;
}

/* ---- Parameters --------------------------------------------------------------------------- */

/* Without "." and ".." and from the root, so that one file has one name. */
static const char *
whole_path(struct arena *arena, const char *path)
{
    char folder[PATH_MAX] = "";
    char *out;
    size_t n = 0;

    if (!path || !*path || strcmp(path, "-") == 0)
        return path ? path : "";
    if (*path != '/' && !getcwd(folder, sizeof folder))
        return path;
    path = arena_printf(arena, "%s/%s", folder, path);
    out = arena_alloc(arena, strlen(path) + 2);
    while (*path) {
        size_t len = strcspn(path, "/");

        if (len == 2 && memcmp(path, "..", 2) == 0) {
            while (n && out[--n] != '/')
                ;
        } else if (len && !(len == 1 && *path == '.')) {
            out[n++] = '/';
            memcpy(out + n, path, len);
            n += len;
        }
        path += len + (path[len] == '/');
    }
    out[n] = 0;
    return out;
}

static const char *
param_text(struct planner *self, const hde_param *param, const void *state)
{
    const void *field = (const char *)state + param->offset;
    hde_text text = {0};
    const char *out;

    if (param->type == HDE_PARAM_PATH)
        hde_json_string(&text, whole_path(self->arena, ((const hde_path *)field)->path));
    else
        graph_write_param(&text, param, state);
    out = arena_text(self->arena, text.data ? text.data : "");
    hde_text_free(&text);
    return out;
}

static bool
same_secret(const hde_param *param, const void *a, const void *b)
{
    const hde_secret *x = (const void *)((const char *)a + param->offset);
    const hde_secret *y = (const void *)((const char *)b + param->offset);

    return param->type != HDE_PARAM_SECRET ||
           strcmp(x->text ? x->text : "", y->text ? y->text : "") == 0;
}

/* Of the same operator. *live: all that differ may change while the node runs. */
static bool
params_differ(struct planner *self, const struct graph_node *before, const struct graph_node *after,
              bool *live)
{
    bool differ = false;

    *live = true;
    if (!before->params || !after->params)
        return false;
    for (const hde_param *param = after->op->params; param && param->name; param++) {
        const char *x = param_text(self, param, before->params);
        const char *y = param_text(self, param, after->params);

        if (strcmp(x, y) == 0 && same_secret(param, before->params, after->params))
            continue;
        note(self, param->name, x, y);
        differ = true;
        *live &= (param->flags & HDE_PARAM_LIVE) != 0;
    }
    return differ;
}

/* ---- Operators ---------------------------------------------------------------------------- */

bool
change_same_op(const hde_operator *a, const hde_operator *b)
{
    return types_same_build(a, b) && !types_other_port(a->inputs, b->inputs) &&
           !types_other_port(a->outputs, b->outputs);
}

/* ---- Nodes -------------------------------------------------------------------------------- */

bool
change_is_split(const struct graph_node *before, const struct graph_node *after)
{
    return before->replicas != after->replicas || !same_spread(&before->spread, &after->spread) ||
           (node_is_split(after) && strcmp(before->key, after->key) != 0);
}

static bool
same_isolation(const struct isolate_policy *a, const struct isolate_policy *b)
{
    return a->is_on == b->is_on && a->memory_bytes == b->memory_bytes &&
           a->timeout_ns == b->timeout_ns && a->network == b->network;
}

static bool
same_policy(const struct error_policy *a, const struct error_policy *b)
{
    return a->action == b->action && a->attempts == b->attempts && a->backoff_ns == b->backoff_ns &&
           a->max_backoff_ns == b->max_backoff_ns && a->limit == b->limit &&
           a->within_ns == b->within_ns && a->then == b->then;
}

/* What a node keeps for restarts (engine/retain.h) it keeps from its start on. */
static bool
same_restarts(const struct error_policy *a, const struct error_policy *b)
{
    return a->action == b->action ||
           (a->action != ON_ERROR_RESTART && b->action != ON_ERROR_RESTART);
}

/* NULL: it can; otherwise why not. */
static const char *
loses_state(struct planner *self, const struct graph_node *before, const struct graph_node *after,
            bool split)
{
    const hde_operator *was = before->op, *op = after->op;

    if (was->poll && was->seek && (!op->poll || !op->seek || !types_same_build(was, op)))
        return "another source does not know where this one stands";
    if (!was->save)
        return NULL;
    if (!op->load)
        return arena_printf(self->arena, "%s keeps no state", op->name);
    if (was->state_type != op->state_type)
        return arena_printf(self->arena, "%s keeps %s, not %s", op->name, op->state_type->name,
                            was->state_type->name);
    if (op->state_schema < was->state_schema)
        return arena_printf(self->arena, "%s knows state up to schema %u, it has %u", op->name,
                            op->state_schema, was->state_schema);
    if (split && !(op->flags & HDE_KEYED_STATE))
        return arena_printf(self->arena, "%s cannot split its state by a key", op->name);
    return NULL;
}

static bool
has_state(const struct graph_node *node)
{
    return node->op->save || (node->op->poll && node->op->seek);
}

static void
set_state(struct planner *self, struct node_change *change, const struct graph_node *before,
          const struct graph_node *after)
{
    if (!has_state(before))
        return;
    change->why_lost = after ? loses_state(self, before, after, change_is_split(before, after))
                             : "the node is removed";
    change->state = change->why_lost ? CHANGE_STATE_LOST : CHANGE_STATE_KEPT;
    self->plan->n_lost += change->why_lost != NULL;
}

static const char *
host_of(const struct graph *graph, const struct graph_node *node)
{
    return graph->n_hosts ? graph->hosts[node->host].name : "";
}

/* Not of a node that changes its operator, name or number of replicas. */
static enum change_kind
kind_of_rest(struct planner *self, const struct graph_node *before, const struct graph_node *after)
{
    bool live, differ = params_differ(self, before, after, &live);

    if (!same_isolation(&before->isolate, &after->isolate)) {
        note(self, "isolate", "before", "after");
        return CHANGE_RESTART;
    }
    if (differ && !live)
        return CHANGE_RESTART;
    if (!same_policy(&before->on_error, &after->on_error)) {
        note(self, "on_error", "before", "after");
        if (!same_restarts(&before->on_error, &after->on_error))
            return CHANGE_RESTART;
        differ = true;
    }
    if (strcmp(host_of(self->plan->before, before), host_of(self->plan->after, after)) != 0) {
        note_text(self, "host", host_of(self->plan->before, before),
                  host_of(self->plan->after, after));
        return CHANGE_RESTART;
    }
    if (before->boundary != after->boundary || before->worker != after->worker) {
        note_text(self, "boundary", before->boundary ? "true" : "false",
                  after->boundary ? "true" : "false");
        note_number(self, "worker", before->worker, after->worker);
        differ = true;
    }
    return differ ? CHANGE_RECONFIGURE : CHANGE_SAME;
}

static const char *
replicas_text(struct planner *self, const struct graph_node *node)
{
    if (!node->spread.of)
        return arena_printf(self->arena, "%lld", (long long)node->replicas);
    return arena_printf(self->arena, "%lld on %lld hosts", (long long)node->spread.of,
                        (long long)node->spread.hosts);
}

static void
compare_nodes(struct planner *self, struct node_change *change)
{
    const struct graph_node *before = &self->plan->before->nodes[change->before];
    const struct graph_node *after = &self->plan->after->nodes[change->after];
    bool live;

    if (!same_family(before, after) || !change_is_split(before, after))
        note_text(self, "name", before->name, after->name);
    note_text(self, "op", before->op->name, after->op->name);
    if (!change_same_op(before->op, after->op)) {
        change->kind = CHANGE_SWAP;
    } else if (change_is_split(before, after)) {
        change->kind = CHANGE_SPLIT;
        note_text(self, "replicas", replicas_text(self, before), replicas_text(self, after));
        note_text(self, "key", before->key, after->key);
        params_differ(self, before, after, &live);
    } else if (strcmp(before->name, after->name) != 0) {
        change->kind = CHANGE_RESTART;
        params_differ(self, before, after, &live);
    } else {
        change->kind = kind_of_rest(self, before, after);
    }
    set_state(self, change, before, after);
    change->what = take_what(self);
}

static size_t
find_node(const struct graph *graph, const char *name)
{
    for (size_t i = 0; name && i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return i;
    return CHANGE_NOWHERE;
}

/* A share of the same replicas, wherever it lies; unless that is wanted, else one of any. */
static size_t
find_share(const struct graph *graph, const struct graph_node *like, bool is_same)
{
    size_t any = CHANGE_NOWHERE;

    for (size_t i = graph->n_nodes; i-- > 0;) {
        const struct graph_node *node = &graph->nodes[i];

        if (!same_family(node, like) || !(node->spread.of || like->spread.of))
            continue;
        if (!change_is_split(node, like))
            return i;
        any = i;
    }
    return is_same ? CHANGE_NOWHERE : any;
}

/* The old node that a node of the new graph is. (3) */
static size_t
find_before(const struct planner *self, const struct graph_node *after, const bool *taken)
{
    const struct graph *before = self->plan->before;
    size_t at = find_node(before, after->name), share = CHANGE_NOWHERE;

    if (at == CHANGE_NOWHERE || change_is_split(&before->nodes[at], after))
        share = find_share(before, after, at != CHANGE_NOWHERE);
    if (share != CHANGE_NOWHERE)
        return share;
    if (at == CHANGE_NOWHERE && find_node(self->plan->after, after->was) == CHANGE_NOWHERE)
        at = find_node(before, after->was);
    return at != CHANGE_NOWHERE && taken[at] ? CHANGE_NOWHERE : at;
}

static void
plan_nodes(struct planner *self)
{
    struct change_plan *plan = self->plan;
    bool *taken = arena_alloc(self->arena, (plan->before->n_nodes + 1) * sizeof *taken);

    for (size_t i = 0; i < plan->after->n_nodes; i++) {
        struct node_change *change = &plan->nodes[plan->n_nodes++];

        *change = (struct node_change){
            .kind = CHANGE_ADD, .after = i, .what = plan->after->nodes[i].op->name};
        change->before = find_before(self, &plan->after->nodes[i], taken);
        if (change->before == CHANGE_NOWHERE)
            continue;
        taken[change->before] = true;
        compare_nodes(self, change);
    }
    for (size_t i = 0; i < plan->before->n_nodes; i++) {
        struct node_change *change = &plan->nodes[plan->n_nodes];
        size_t heir;

        if (taken[i])
            continue;
        plan->n_nodes++;
        *change = (struct node_change){.kind = CHANGE_REMOVE,
                                       .before = i,
                                       .after = CHANGE_NOWHERE,
                                       .what = plan->before->nodes[i].op->name};
        heir = find_share(plan->after, &plan->before->nodes[i], false);
        set_state(self, change, &plan->before->nodes[i],
                  heir == CHANGE_NOWHERE ? NULL : &plan->after->nodes[heir]);
    }
}

/* ---- Edges -------------------------------------------------------------------------------- */

static const char *
full_name(enum full_policy full)
{
    static const char *const names[] = {"block", "latest", "drop_oldest", "spill"};

    return names[full];
}

static const char *
keys_text(struct planner *self, const struct graph_edge *edge)
{
    const char *text = "";

    for (size_t i = 0; i < edge->n_keys; i++)
        text = arena_printf(self->arena, "%s%s%s", text, i ? ", " : "", edge->keys[i]);
    return text;
}

static void
compare_edges(struct planner *self, struct edge_change *change)
{
    const struct graph_edge *before = &self->plan->before->edges[change->before];
    const struct graph_edge *after = &self->plan->after->edges[change->after];

    note_text(self, "full", full_name(before->full), full_name(after->full));
    note_text(self, "key", keys_text(self, before), keys_text(self, after));
    note_number(self, "transport", before->transport, after->transport);
    note_number(self, "capacity", before->capacity_messages, after->capacity_messages);
    note_number(self, "bytes", before->capacity_bytes, after->capacity_bytes);
    change->kind = self->what.len ? CHANGE_RECONFIGURE : CHANGE_SAME;
    change->what = take_what(self);
}

static size_t
find_edge(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_edges; i++)
        if (strcmp(graph->edges[i].name, name) == 0)
            return i;
    return CHANGE_NOWHERE;
}

static void
plan_edges(struct planner *self)
{
    struct change_plan *plan = self->plan;

    for (size_t i = 0; i < plan->after->n_edges; i++) {
        struct edge_change *change = &plan->edges[plan->n_edges++];

        *change = (struct edge_change){.kind = CHANGE_ADD, .after = i, .what = ""};
        change->before = find_edge(plan->before, plan->after->edges[i].name);
        if (change->before != CHANGE_NOWHERE)
            compare_edges(self, change);
    }
    for (size_t i = 0; i < plan->before->n_edges; i++)
        if (find_edge(plan->after, plan->before->edges[i].name) == CHANGE_NOWHERE)
            plan->edges[plan->n_edges++] = (struct edge_change){
                .kind = CHANGE_REMOVE, .before = i, .after = CHANGE_NOWHERE, .what = ""};
}

/* ---- The whole ---------------------------------------------------------------------------- */

static void
note_folder(struct planner *self, const char *name, const char *before, const char *after)
{
    note_text(self, name, whole_path(self->arena, before), whole_path(self->arena, after));
}

/* The path of a socket may be named from somewhere else. */
static void
note_address(struct planner *self, const char *name, const char *before, const char *after)
{
    static const char ipc[] = "ipc://";
    const size_t skip = sizeof ipc - 1;

    if (before && after && !strncmp(before, ipc, skip) && !strncmp(after, ipc, skip))
        note_folder(self, name, before + skip, after + skip);
    else
        note_text(self, name, before, after);
}

/* The largest unit that leaves nothing over. */
static const char *
size_text(struct arena *arena, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    for (; bytes && !(bytes % 1024) && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    return bytes ? arena_printf(arena, "%lld%s", (long long)bytes, units[unit]) : NULL;
}

static const char *
time_text(struct arena *arena, int64_t ns)
{
    return !ns                 ? NULL
           : ns % 1000000000 ? arena_printf(arena, "%gms", (double)ns / 1e6)
                             : arena_printf(arena, "%llds", (long long)(ns / 1000000000));
}

/* They are those of the start. */
static void
plan_log(struct planner *self, const struct log_policy *before, const struct log_policy *after)
{
    struct arena *arena = self->arena;

    note_text(self, "log.segment", size_text(arena, before->segment_bytes),
              size_text(arena, after->segment_bytes));
    note_text(self, "log.max_size", size_text(arena, before->max_bytes),
              size_text(arena, after->max_bytes));
    note_text(self, "log.max_age", time_text(arena, before->max_age_ns),
              time_text(arena, after->max_age_ns));
    note_text(self, "log.sync", time_text(arena, before->sync_ns),
              time_text(arena, after->sync_ns));
    note_text(self, "log.sync_size", size_text(arena, before->sync_bytes),
              size_text(arena, after->sync_bytes));
}

static const struct graph_host *
host_called(const struct graph *graph, const char *name)
{
    static const struct graph_host none;

    for (size_t i = 0; i < graph->n_hosts; i++)
        if (strcmp(graph->hosts[i].name, name) == 0)
            return &graph->hosts[i];
    return &none;
}

/* What a host listens on and whom it lets in is that of its start. */
static void
plan_hosts(struct planner *self)
{
    const struct graph *before = self->plan->before, *after = self->plan->after;

    for (size_t i = 0; i < before->n_hosts + after->n_hosts; i++) {
        const char *name = i < before->n_hosts ? before->hosts[i].name
                                               : after->hosts[i - before->n_hosts].name;
        const struct graph_host *x = host_called(before, name), *y = host_called(after, name);

        if (i >= before->n_hosts && x->name)
            continue; /* it was looked at */
        note_address(self, arena_printf(self->arena, "hosts.%s.listen", name), x->listen,
                     y->listen);
        note_address(self, arena_printf(self->arena, "hosts.%s.address", name), x->address,
                     y->address);
        note_text(self, arena_printf(self->arena, "hosts.%s.public_key", name), x->public_key,
                  y->public_key);
    }
    if (before->n_hosts && after->n_hosts)
        note_text(self, "coordinator", before->hosts[before->coordinator].name,
                  after->hosts[after->coordinator].name);
}

static void
plan_links(struct planner *self)
{
    const struct graph *before = self->plan->before, *after = self->plan->after;
    const char *links = parts_differ(before, after, self->arena);

    self->plan->relinks = "";
    if (links && after->n_hosts && graph_is_apart(before) && before->checkpoint.store)
        self->plan->relinks = links;
    else if (links)
        note(self, "links", "as they are", links);
}

static void
plan_settings(struct planner *self)
{
    const struct graph *before = self->plan->before, *after = self->plan->after;

    note_text(self, "graph", before->name, after->name);
    note_folder(self, "dlq", before->dlq.folder, after->dlq.folder);
    note_folder(self, "record", before->record, after->record);
    note_folder(self, "checkpoint.store", before->checkpoint.store, after->checkpoint.store);
    plan_log(self, &before->log, &after->log);
    plan_hosts(self);
    plan_links(self);
    self->plan->fixed = take_what(self);
}

struct change_plan *
change_plan_new(const struct graph *before, const struct graph *after)
{
    struct change_plan *plan = xcalloc(1, sizeof *plan);
    struct planner self = {plan, &plan->arena, {0}};

    plan->before = before;
    plan->after = after;
    plan->nodes = arena_alloc(&plan->arena, (before->n_nodes + after->n_nodes + 1) * sizeof *plan->nodes);
    plan->edges = arena_alloc(&plan->arena, (before->n_edges + after->n_edges + 1) * sizeof *plan->edges);
    plan_nodes(&self);
    plan_edges(&self);
    plan_settings(&self);
    for (size_t i = 0; i < plan->n_nodes; i++)
        plan->n_changes += plan->nodes[i].kind != CHANGE_SAME;
    for (size_t i = 0; i < plan->n_edges; i++)
        plan->n_changes += plan->edges[i].kind != CHANGE_SAME;
    hde_text_free(&self.what);
    return plan;
}

void
change_plan_free(struct change_plan *plan)
{
    if (!plan)
        return;
    arena_fini(&plan->arena);
    free(plan);
}
