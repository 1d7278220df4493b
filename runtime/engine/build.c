/* SPDX-License-Identifier: Apache-2.0
 * build - makes the nodes of a graph, and joins them by actors, edges and workers as it is placed.
 *
 *  (1) What lives on through a change (nodes, sources, workers) is made by itself and has memory of
 *      its own; what joins it (the wiring) is made from a graph, as a whole, and freed as a whole.
 *  (2) Counters of a node, edge or worker that is there before and after a change are the same.
 *      [test_counters_go_on_over_a_change] */
#include "base/slab.h"
#include "engine/asked.h"
#include "engine/decide.h"
#include "engine/feed.h"
#include "engine/isolate.h"
#include "engine/probe.h"
#include "engine/question.h"
#include "engine/retain.h"
#include "engine/run.h"
#include "engine/swap.h"
#include "graph/delivery.h"
#include "plugin/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { DIRECT_CAPACITY = 256, BLOCKING_SLOTS = 64 };
#define OWN_THREAD UINT32_MAX

struct builder {
    struct engine *engine;
    const struct graph *graph;
    const struct wiring *old; /* before a change; NULL: nothing */
    struct placement place;
    uint32_t *first_node; /* graph node -> its first instance */
    struct err *err;
};

static void *
make(struct builder *self, size_t size)
{
    return arena_alloc(&self->engine->arena, size);
}

/* Appends to an array that grows in the arena: cold, and short. */
static void
append(struct builder *self, void *array, uint32_t *n, void *item)
{
    void **list;

    memcpy(&list, array, sizeof list);
    if ((*n & (*n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
        void **grown = make(self, (*n ? 2 * *n : 1) * sizeof *grown);

        if (*n)
            memcpy(grown, list, *n * sizeof *grown);
        list = grown;
        memcpy(array, &list, sizeof list);
    }
    list[(*n)++] = item;
}

/* Nodes are made on more than one thread. */
static void *
engine_zmq(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    if (!engine->zmq)
        engine->zmq = zmq_ctx_new();
    pthread_mutex_unlock(&engine->lock);
    return engine->zmq;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static void
make_capture(struct node *node, uint32_t n)
{
    struct capture *capture = &node->capture;
    struct arena *arena = &node->arena;

    capture->n = n;
    capture->port = arena_alloc(arena, n * sizeof *capture->port);
    capture->outlets = arena_alloc(arena, n * sizeof *capture->outlets);
    capture->targets = arena_alloc(arena, n * sizeof *capture->targets);
    for (uint32_t i = 0; i < n; i++) {
        capture->targets[i] = &capture->port[i];
        outlet_set(&capture->outlets[i], 1, &capture->targets[i]);
    }
}

static int64_t
lateness_of(const struct node *node)
{
    const hde_param *param = node->ctx.op->params;

    for (; param && param->name; param++)
        if (!strcmp(param->name, "lateness") && param->type == HDE_PARAM_DURATION)
            return ((const hde_duration *)((const char *)node->ctx.state + param->offset))->ns;
    return 0;
}

static void
make_source(struct node *node)
{
    struct source *source = xaligned(sizeof *source);

    source->node = node;
    node->source = source;
    source->clock_ns = source->max_event_ns = INT64_MIN;
    source->said_wm = source->out_wm = source->watermark_ns = WM_NONE;
    source->lateness_ns = lateness_of(node);
    source->last_entry_ns = clock_mono_ns();
    source->n_slots = node->ctx.op->flags & HDE_BLOCKING ? BLOCKING_SLOTS : 1;
    source->slots = arena_alloc(&node->arena, source->n_slots * sizeof *source->slots);
    for (uint32_t i = 0; i < source->n_slots; i++)
        source->slots[i].port =
            arena_alloc(&node->arena, node->capture.n * sizeof *source->slots[i].port);
}

static void
fill_node_stats(struct node *node)
{
    struct stats_node *stats = stats_node_at(node->engine->stats, node->id);
    const struct graph_node *def = node->def;

    node->stats = stats;
    snprintf(stats->name, sizeof stats->name, "%s", def->name);
    snprintf(stats->op, sizeof stats->op, "%s", def->op->name);
    stats_set_build(stats, def->build_id);
    STAT_SET(stats->watermark_ns, WM_NONE);
}

/* An isolated node runs a proxy in the place of its operator. */
static const hde_operator *
op_of(struct engine *engine, const struct graph_node *def, struct arena *arena)
{
    if (!def->isolate.is_on)
        return def->op;
    engine_zmq(engine);
    return isolate_operator(def->op, def->plugin_path, def->build_id, arena);
}

static void
fill_ctx(struct node *node, const struct graph *graph, const struct graph_node *def)
{
    const hde_operator *op = op_of(node->engine, def, &node->arena);
    bool captures = op->poll || node->is_impure;

    node->ctx = (hde_ctx){.host = &engine_host,
                          .owner = node,
                          .op = op,
                          .batch = op->batch,
                          .said = arena_alloc(&node->arena, sizeof *node->ctx.said),
                          .node = arena_text(&node->arena, def->name),
                          .graph = arena_text(&node->arena, graph->name),
                          .common = graph->n_hosts && graph->host != HOST_NONE
                                        ? arena_text(&node->arena, graph->common_name)
                                        : NULL,
                          .recovers = node->engine->options.checkpoint,
                          .watermark_ns = WM_NONE,
                          .log_level = HDE_INFO,
                          .outlets = {count_ports(op->outputs),
                                      captures ? node->capture.outlets : node->outlets}};
    if (node_is_split(def) && def->key) {
        const struct graph_spread *spread = &def->spread;

        node->ctx.key = arena_text(&node->arena, def->key);
        node->ctx.replica = node->replica;
        node->ctx.n_replicas = (uint32_t)def->replicas;
        if (spread->of) {
            node->ctx.replica = (uint32_t)(spread->at + node->replica * spread->hosts);
            node->ctx.n_replicas = (uint32_t)spread->of;
        }
    }
    node->ctx.state = slab_alloc(op->state_size);
    if (def->op->state_size && def->params)
        memcpy(node->ctx.state, def->params, def->op->state_size);
}

static bool
no_room(const char *what, struct err *err)
{
    return err_set(err, "HDE-R051", "there is no room for the counters of another %s: start the "
                   "graph anew", what);
}

struct node *
node_new(struct engine *engine, const struct graph *graph, size_t graph_node, uint32_t replica,
         struct worker *lobby, struct err *err)
{
    const struct graph_node *def = &graph->nodes[graph_node];
    const hde_operator *op = def->op;
    uint32_t n_outlets = count_ports(op->outputs), id = stats_take_node(engine->stats);
    struct node *node;

    if (id == STATS_FREE)
        return no_room("node", err), NULL;
    node = xaligned(sizeof *node);
    node->def = def;
    node->birth = graph;
    node->engine = engine;
    node->id = id;
    node->worker = lobby;
    node->graph_node = (uint32_t)graph_node;
    node->replica = replica;
    node->label = id + 1;
    node->wm = node->out_wm = WM_NONE;
    node->event_timers = node->clock_timers = TIMERS_NONE;
    node->has_flush = op->flush != NULL;
    node->is_impure = op->flags & HDE_IMPURE;
    if (n_outlets && node->is_impure)
        node->asked = op->flags & HDE_ANSWERS_LATER ? ASKED_EACH
                      : delivery_keeps_questions(op) ? ASKED_BY_TICK
                                                     : ASKED_NOT;
    node->may_alarm =
        !op->poll && op->timer && (op->flags & HDE_PROCESSING_TIMERS || !n_outlets);
    node->n_ports = op->poll ? 0 : count_ports(op->inputs);
    node->ports = arena_alloc(&node->arena, node->n_ports * sizeof *node->ports);
    node->outlets = arena_alloc(&node->arena, n_outlets * sizeof *node->outlets);
    node->counters = arena_alloc(&node->arena, STATS_COUNTERS * sizeof *node->counters);
    if (n_outlets && (op->poll || node->is_impure || op->event))
        make_capture(node, n_outlets);
    node->in.size = sizeof(hde_batch);
    fill_ctx(node, graph, def);
    if (op->poll) {
        make_source(node);
        node->source->worker = lobby;
    }
    fill_node_stats(node);
    retain_attach(node);
    if (engine->has_probes)
        probe_open(node);
    return node;
}

/* ---- Workers ------------------------------------------------------------------------------ */

struct worker *
worker_new(struct engine *engine, const char *name, struct err *err)
{
    struct worker *worker;
    struct epoll_event wake = {.events = EPOLLIN};
    uint32_t id = stats_take_worker(engine->stats);

    if (id == STATS_FREE)
        return no_room("thread", err), NULL;
    worker = xaligned(sizeof *worker);
    worker->engine = engine;
    worker->id = id;
    worker->stats = stats_worker_at(engine->stats, id);
    snprintf(worker->name, sizeof worker->name, "%s", name);
    snprintf(worker->stats->name, sizeof worker->stats->name, "%s", name);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&worker->lock, NULL);
    worker->posts_tail = &worker->posts;
    if (worker->epoll_fd >= 0 && worker->event_fd >= 0 &&
        !epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->event_fd, &wake))
        return worker;
    err_set(err, "HDE-R004", "no descriptors for thread '%s': %s", name, strerror(errno));
    worker_free(worker);
    return NULL;
}

/* ---- Workers and actors ------------------------------------------------------------------- */

/* One that was there before, or another. */
static struct worker *
take_worker(struct builder *self, struct worker *before, const char *name)
{
    struct worker *worker = before ? before : worker_new(self->engine, name, self->err);

    if (!worker)
        return NULL;
    worker->n_actors = worker->n_polled = worker->n_zmq_out = worker->n_zmq_in = 0;
    worker->source = NULL;
    append(self, &self->engine->workers, &self->engine->n_workers, worker);
    return worker;
}

static bool
make_shared_workers(struct builder *self)
{
    struct engine *engine = self->engine;
    const struct wiring *old = self->old;

    for (uint32_t i = 0; i < self->place.n_workers; i++) {
        struct worker *before = old && i < old->n_shared ? old->workers[i] : i ? NULL : engine->first;
        char name[32];

        snprintf(name, sizeof name, "worker %u", i);
        if (!take_worker(self, before, name))
            return false;
    }
    engine->n_shared = self->place.n_workers;
    return true;
}

static struct worker *
own_worker(struct builder *self, struct node *node)
{
    struct worker *before = node->worker;
    struct worker *worker =
        take_worker(self, before && before->is_own ? before : NULL, node->ctx.node);

    if (worker)
        worker->is_own = true;
    return worker;
}

/* The segment's first node with that replica number tells whose own thread it is. */
static struct actor *
make_actor(struct builder *self, uint32_t segment, struct node *first)
{
    struct engine *engine = self->engine;
    uint32_t at = self->place.worker_of[segment];
    struct worker *worker = at == OWN_THREAD
                                ? own_worker(self, first)
                                : engine->workers[(at + first->replica) % self->place.n_workers];
    struct actor *actor;

    if (!worker)
        return NULL;
    actor = xaligned(sizeof *actor);
    actor->engine = engine;
    actor->id = engine->n_actors;
    actor->is_sequenced = self->place.sequenced[segment];
    actor->worker = worker;
    append(self, &worker->actors, &worker->n_actors, actor);
    append(self, &engine->actors, &engine->n_actors, actor);
    return actor;
}

static void
add_node(struct builder *self, struct actor *actor, struct node *node)
{
    node->actor = actor;
    if (!node->source)
        worker_move(node, actor->worker);
    actor->has_flush |= node->has_flush;
    actor->is_gated |= actor->engine->options.checkpoint && delivery_waits(node->def);
    actor->n_ended += node->has_ended;
    append(self, &actor->nodes, &actor->n_nodes, node);
}

static bool
make_actors(struct builder *self)
{
    struct engine *engine = self->engine;
    const struct graph *graph = self->graph;

    for (uint32_t s = 0; s < self->place.n_segments; s++) {
        struct actor *actor = NULL;

        for (uint32_t n = 0; n < graph->n_nodes; n++) {
            if (self->place.segment_of[n] != s)
                continue;
            for (uint32_t r = 0; r < instances_of(&graph->nodes[n]); r++) {
                struct node *node = engine->nodes[self->first_node[n] + r];

                if ((!actor || r) && !(actor = make_actor(self, s, node)))
                    return false;
                add_node(self, actor, node);
            }
        }
    }
    return true;
}

/* The thread of a blocking source that lives on may run: nothing that it reads is touched. */
static bool
place_source(struct builder *self, struct source *source)
{
    struct engine *engine = self->engine;
    struct node *node = source->node;
    struct worker *worker = source->worker;

    source->index = engine->n_sources;
    append(self, &engine->sources, &engine->n_sources, source);
    if (!(node->ctx.op->flags & HDE_BLOCKING)) {
        worker = engine->first;
    } else if (worker && worker->is_own) {
        append(self, &engine->workers, &engine->n_workers, worker);
        return true;
    } else {
        worker = own_worker(self, node);
        if (!worker)
            return false;
        worker->source = source;
        worker->polled = arena_alloc(&node->arena, sizeof(struct source *));
    }
    worker_move(node, worker);
    source->worker = worker;
    if (worker->is_own) {
        worker->polled[0] = source;
        worker->n_polled = 1;
    } else {
        append(self, &worker->polled, &worker->n_polled, source);
    }
    return true;
}

static bool
place_sources(struct builder *self)
{
    for (uint32_t i = 0; i < self->engine->n_nodes; i++)
        if (self->engine->nodes[i]->source && !place_source(self, self->engine->nodes[i]->source))
            return false;
    return true;
}

/* ---- Edges -------------------------------------------------------------------------------- */

static void
add_inlet(struct builder *self, struct edge *edge)
{
    struct port *port = &edge->to->ports[edge->to_port];
    struct inlet *inlets = make(self, (port->n_inlets + 1) * sizeof *inlets);

    if (port->n_inlets)
        memcpy(inlets, port->inlets, port->n_inlets * sizeof *inlets);
    inlets[port->n_inlets++] =
        (struct inlet){edge, edge->kind == EDGE_FUSED ? &edge->pending : &edge->arrived,
                       edge->kind == EDGE_FUSED ? &edge->from->out_wm : &edge->in_wm};
    port->inlets = inlets;
}

static void
add_target(struct builder *self, struct node *node, unsigned port, struct hde_msgvec *vec)
{
    struct hde_outlet *outlet = &node->outlets[port];

    append(self, &outlet->targets, &outlet->n_targets, vec);
    outlet_set(outlet, outlet->n_targets, outlet->targets);
}

static bool
open_zmq(struct builder *self, struct edge *edge, struct err *err)
{
    struct engine *engine = self->engine;
    const hde_port *port = &edge->from->ctx.op->outputs[edge->from_port];

    if (!zmq_link_open(engine_zmq(engine), edge, port->types, err))
        return err_wrap(err, "edge '%s'", edge->name);
    append(self, &edge->writer->worker->zmq_out, &edge->writer->worker->n_zmq_out, edge);
    append(self, &edge->reader->worker->zmq_in, &edge->reader->worker->n_zmq_in, edge);
    return true;
}

static void
open_drop(struct builder *self, struct edge *edge, const struct graph_edge *def)
{
    struct sequencer *sequencer = &self->engine->sequencer;
    struct drop_config config = {.kind = edge->kind,
                                 .key = {def->n_keys, def->keys},
                                 .capacity = (uint32_t)def->capacity_messages,
                                 .capacity_bytes = def->capacity_bytes};

    edge->drop = drop_new(&config, edge->stats);
    if (edge->to->ctx.op->flags & HDE_VIEW) {
        append(self, &edge->reader->drops, &edge->reader->n_drops, edge);
        return;
    }
    edge->out = edge->in = ring_new(def->capacity_messages, def->capacity_bytes);
    append(self, &sequencer->handovers, &sequencer->n_handovers, edge);
    append(self, &edge->reader->in, &edge->reader->n_in, edge);
}

static enum edge_kind
kind_of(const struct builder *self, size_t graph_edge)
{
    const struct graph_edge *def = &self->graph->edges[graph_edge];

    if (self->place.fused[graph_edge])
        return EDGE_FUSED;
    if (self->place.drops[graph_edge])
        return def->full == FULL_LATEST ? EDGE_LATEST : EDGE_DROP_OLDEST;
    return def->transport == TRANSPORT_ZMQ ? EDGE_ZMQ : EDGE_RING;
}

static bool
join_actors(struct builder *self, struct edge *edge, struct err *err)
{
    const struct graph_edge *def = &self->graph->edges[edge->graph_edge];

    edge->writer = edge->from->actor;
    edge->reader = edge->to->actor;
    append(self, &edge->writer->out, &edge->writer->n_out, edge);
    if (edge->kind == EDGE_LATEST || edge->kind == EDGE_DROP_OLDEST) {
        open_drop(self, edge, def);
        return true;
    }
    edge->out = edge->in = ring_new(def->capacity_messages, def->capacity_bytes);
    append(self, &edge->reader->in, &edge->reader->n_in, edge);
    if (edge->kind == EDGE_RING)
        return true;
    edge->in = ring_new(def->capacity_messages, def->capacity_bytes);
    return open_zmq(self, edge, err);
}

static struct edge *
make_edge(struct builder *self, size_t graph_edge, struct node *from, struct node *to)
{
    struct engine *engine = self->engine;
    const struct graph_edge *def = &self->graph->edges[graph_edge];
    struct edge *edge = xaligned(sizeof *edge);

    edge->id = STATS_FREE;
    edge->graph_edge = (uint32_t)graph_edge;
    edge->kind = kind_of(self, graph_edge);
    edge->engine = engine;
    edge->name = def->name;
    edge->from = from;
    edge->to = to;
    edge->from_port = def->from_port;
    edge->to_port = def->to_port;
    edge->out_wm = &from->out_wm;
    edge->put_wm = edge->in_wm = from->out_wm; /* there is nothing on its way */
    append(self, &engine->edges, &engine->n_edges, edge);
    return edge;
}

static const struct edge *
edge_before(const struct builder *self, const struct edge *edge)
{
    for (uint32_t i = 0; self->old && i < self->old->n_edges; i++)
        if (self->old->edges[i]->instance == edge->instance &&
            strcmp(self->old->edges[i]->name, edge->name) == 0)
            return self->old->edges[i];
    return NULL;
}

static bool
drops(enum edge_kind kind)
{
    return kind == EDGE_LATEST || kind == EDGE_DROP_OLDEST;
}

/* What views call the node or edge of a part. */
static uint32_t
whole_number(const size_t *whole, uint32_t i)
{
    return !whole ? i : whole[i] == SIZE_MAX ? STATS_HIDDEN : (uint32_t)whole[i];
}

/* An edge that keeps order is empty now, and what its reader had counted for it is its own. */
static void
settle_counters(const struct stats *all, struct stats_edge *stats)
{
    struct stats_node *to = stats_node_at(all, stats->to_node);

    if (stats->counted_by_node) {
        STAT_SET(stats->messages, STAT_GET(to->messages));
        STAT_SET(stats->batches, STAT_GET(to->batches));
    }
    stats->counted_by_node = 0;
    STAT_SET(stats->done_messages, STAT_GET(stats->messages));
    STAT_SET(stats->done_bytes, STAT_GET(stats->bytes));
    STAT_SET(stats->blocked_since_ns, 0);
}

static bool
fill_edge_stats(struct builder *self, struct edge *edge, const struct graph_edge *def)
{
    const struct edge *before = edge_before(self, edge);
    struct stats_edge *stats;

    edge->id = before && drops(before->kind) == drops(edge->kind)
                   ? before->id
                   : stats_take_edge(edge->engine->stats);
    if (edge->id == STATS_FREE)
        return no_room("edge", self->err);
    stats = edge->stats = stats_edge_at(edge->engine->stats, edge->id);
    if (before && edge->id == before->id && !drops(edge->kind))
        settle_counters(edge->engine->stats, stats);
    snprintf(stats->name, sizeof stats->name, "%s", edge->name);
    stats->graph_edge = whole_number(self->graph->whole_edge, edge->graph_edge);
    stats->kind = edge->kind;
    stats->from_node = edge->from->id;
    stats->to_node = edge->to->id;
    stats->capacity_messages = edge->kind == EDGE_FUSED ? 0 : def->capacity_messages;
    stats->capacity_bytes = edge->kind == EDGE_FUSED ? 0 : def->capacity_bytes;
    return true;
}

static void
make_edges(struct builder *self)
{
    const struct graph *graph = self->graph;

    for (size_t e = 0; e < graph->n_edges; e++) {
        const struct graph_edge *def = &graph->edges[e];
        uint32_t n_to = instances_of(&graph->nodes[def->to]);

        for (uint32_t i = 0; i < instances_of(&graph->nodes[def->from]); i++)
            for (uint32_t k = 0; k < n_to; k++)
                make_edge(self, e, self->engine->nodes[self->first_node[def->from] + i],
                          self->engine->nodes[self->first_node[def->to] + k])
                    ->instance = i * n_to + k;
    }
}

/* The edge instances of one output towards all replicas of a node, behind one split. */
static void
add_split(struct builder *self, uint32_t first_edge, uint32_t n)
{
    struct engine *engine = self->engine;
    struct edge *edge = engine->edges[first_edge];
    const struct graph_node *to = &self->graph->nodes[edge->to->graph_node];
    struct actor *actor = edge->from->actor;
    struct split *split = make(self, sizeof *split);
    const char **name = make(self, sizeof *name);

    *name = to->key;
    split->key = (struct key){*name ? 1 : 0, name};
    split->n = n;
    split->of = to->spread.of ? (uint32_t)to->spread.of : n;
    split->hosts = to->spread.of ? (uint32_t)to->spread.hosts : 1;
    split->at = (uint32_t)to->spread.at;
    split->edges = &engine->edges[first_edge];
    append(self, &actor->splits, &actor->n_splits, split);
    add_target(self, edge->from, edge->from_port, &split->pending);
}

static bool
wire_edges(struct builder *self)
{
    struct engine *engine = self->engine;

    for (uint32_t i = 0; i < engine->n_edges; i++) {
        struct edge *edge = engine->edges[i];
        const struct graph_node *to = &self->graph->nodes[edge->to->graph_node];
        const struct edge *before = edge_before(self, edge);

        if (!fill_edge_stats(self, edge, &self->graph->edges[edge->graph_edge]) ||
            (edge->kind != EDGE_FUSED && !join_actors(self, edge, self->err)))
            return false;
        if (before && before->drop && edge->drop)
            drop_move(before->drop, edge->drop); /* what it holds stays on it */
        add_inlet(self, edge);
        if (!node_is_split(to))
            add_target(self, edge->from, edge->from_port, &edge->pending);
        else if (edge->to->replica == 0)
            add_split(self, i, instances_of(to));
    }
    return true;
}

/* The only inlet of the only port; NULL: it has others. */
static const struct inlet *
only_inlet(const struct node *node)
{
    return node->n_ports == 1 && node->ports[0].n_inlets == 1 ? node->ports[0].inlets : NULL;
}

/* Nodes that run_plain() in exec.c can run, and where their messages and watermark come from. */
static void
find_plain_nodes(struct actor *actor)
{
    static struct hde_msgvec no_messages;
    const struct node *before = NULL;

    for (uint32_t i = 0; i < actor->n_nodes; i++) {
        struct node *node = actor->nodes[i];
        const struct inlet *inlet = only_inlet(node);

        node->seen_wm = WM_UNSEEN;
        node->is_plain = (node->source || inlet) && !node->is_impure && !node->keeps;
        if (node->source) {
            node->vec = &no_messages;
            node->vec_wm = &node->source->out_wm;
        } else if (inlet) {
            node->vec = inlet->vec;
            node->vec_wm = inlet->wm;
            if (inlet->edge->kind == EDGE_FUSED)
                inlet->edge->stats->counted_by_node = 1;
        }
        node->follows = node->is_plain && before && before->ctx.outlets.n &&
                        before->outlets[0].only == node->vec;
        before = node;
    }
}

/* ---- Edges of the runtime itself ---------------------------------------------------------- */

static struct edge *
make_own_edge(struct builder *self, struct actor *actor, const char *name)
{
    static const int64_t no_wm = WM_END;
    struct edge *edge = xaligned(sizeof *edge);

    edge->kind = EDGE_RING;
    edge->engine = self->engine;
    edge->name = name;
    edge->out_wm = &no_wm;
    edge->put_wm = no_wm;
    edge->out = edge->in = ring_new(DIRECT_CAPACITY, (int64_t)1 << 40);
    edge->to = actor->nodes[0];
    append(self, &self->engine->own, &self->engine->n_own, edge);
    return edge;
}

static void
make_own_edges(struct builder *self, struct actor *actor)
{
    struct sequencer *sequencer = &self->engine->sequencer;
    bool may_alarm = false, is_impure = false;

    for (uint32_t i = 0; i < actor->n_nodes; i++) {
        may_alarm |= actor->nodes[i]->may_alarm;
        is_impure |= actor->nodes[i]->capture.n && !actor->nodes[i]->source;
    }
    if (actor->is_sequenced || !(may_alarm || is_impure))
        return;
    sequencer->direct[actor->id] = make_own_edge(self, actor, "entries");
    sequencer->direct[actor->id]->reader = actor;
    append(self, &actor->in, &actor->n_in, sequencer->direct[actor->id]);
    if (may_alarm && self->engine->options.virtual_clock) {
        struct edge *edge = make_own_edge(self, actor, "quiet");

        edge->writer = actor;
        append(self, &actor->out, &actor->n_out, edge);
        append(self, &sequencer->quiet, &sequencer->n_quiet, edge);
    }
}

/* Timers of the processing time belong to their nodes; the sequencer watches them. Those of sources
 * are theirs alone, and some of them run on while the graph changes. */
void
engine_set_alarms(struct engine *engine)
{
    engine->sequencer.n_alarms = 0;
    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];

        for (uint32_t t = 0; !node->source && t < node->clock_timers.n; t++)
            sequencer_alarm(&engine->sequencer, node, node->clock_timers.heap[t].id,
                            node->clock_timers.heap[t].at_ns);
    }
}

static void
join_sequencer(struct builder *self)
{
    struct engine *engine = self->engine;
    struct sequencer *sequencer = &engine->sequencer;

    sequencer->n_sources = engine->n_sources;
    sequencer->sources = engine->sources;
    sequencer->next_source = 0;
    sequencer->direct = make(self, engine->n_actors * sizeof *sequencer->direct);
    for (uint32_t i = 0; i < engine->n_actors; i++)
        make_own_edges(self, engine->actors[i]);
    engine_set_alarms(engine);
}

/* ---- Counters ----------------------------------------------------------------------------- */

static void
show_node(struct node *node)
{
    const struct worker *worker = node->worker;

    node->stats->graph_node =
        whole_number(node->engine->graph->whole_node, node->graph_node);
    node->stats->replica = node->replica;
    node->stats->worker = worker->id;
    node->stats->blocking = worker->is_own;
}

static uint32_t
n_instances(const struct graph *graph)
{
    uint32_t n = 0;

    for (size_t i = 0; i < graph->n_nodes; i++)
        n += instances_of(&graph->nodes[i]);
    return n;
}

static uint32_t
n_edge_instances(const struct graph *graph)
{
    uint32_t n = 0;

    for (size_t i = 0; i < graph->n_edges; i++)
        n += instances_of(&graph->nodes[graph->edges[i].from]) *
             instances_of(&graph->nodes[graph->edges[i].to]);
    return n;
}

static bool
make_stats(struct engine *engine, struct err *err)
{
    const struct graph *graph = engine->graph;
    struct stats_shape shape = {.path = engine->stats_path,
                                .joins = engine->options.parts != NULL,
                                .graph = graph->name,
                                .host = engine->host,
                                .nodes = n_instances(graph),
                                .edges = n_edge_instances(graph),
                                .workers = n_instances(graph)};

    engine->stats = stats_new(&shape, err);
    if (!engine->stats)
        return false;
    engine->stats->virtual_clock = engine->options.virtual_clock;
    return true;
}

struct node *
engine_node(const struct engine *engine, uint32_t slot)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->id == slot)
            return engine->nodes[i];
    return NULL;
}

/* ---- All of it ---------------------------------------------------------------------------- */

static bool
watch_zmq(struct worker *worker)
{
    struct epoll_event wanted = {.events = EPOLLIN};

    wanted.data.ptr = &worker->zmq_watch;
    for (uint32_t i = 0; i < worker->n_zmq_in; i++)
        if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, zmq_link_fd(worker->zmq_in[i], false),
                      &wanted))
            return false;
    for (uint32_t i = 0; i < worker->n_zmq_out; i++)
        if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, zmq_link_fd(worker->zmq_out[i], true),
                      &wanted))
            return false;
    return true;
}

static bool
keeps_what_fails(const struct error_policy *policy)
{
    return policy->action == ON_ERROR_SKIP || policy->then == ON_ERROR_SKIP;
}

/* Nothing of what joined them before. */
static void
number_nodes(struct builder *self)
{
    struct engine *engine = self->engine;
    const struct graph *graph = self->graph;
    uint32_t order = 0;

    self->first_node = make(self, graph->n_nodes * sizeof *self->first_node);
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        self->first_node[i] = order;
        for (uint32_t r = 0; r < instances_of(&graph->nodes[i]); r++) {
            struct node *node = engine->nodes[order];

            node->def = &graph->nodes[i];
            node->keeps = node->retain || keeps_what_fails(&graph->nodes[i].on_error);
            node->graph_node = i;
            node->order = order++;
            for (uint32_t p = 0; p < node->n_ports; p++)
                node->ports[p].n_inlets = 0;
            for (uint32_t p = 0; p < node->ctx.outlets.n; p++)
                outlet_set(&node->outlets[p], 0, NULL);
        }
    }
}

static void
count_ended(struct engine *engine)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < engine->n_actors; i++) {
        struct actor *actor = engine->actors[i];

        find_plain_nodes(actor);
        actor->has_ended = actor->n_ended == actor->n_nodes;
        actor->done = engine->sequencer.last;
        left += !actor->has_ended;
    }
    atomic_store(&engine->actors_left, left);
}

bool
wiring_make(struct engine *engine, const struct graph *graph, struct node **nodes,
            const struct wiring *old, struct err *err)
{
    struct builder self = {.engine = engine, .graph = graph, .old = old, .err = err};

    engine->graph = graph;
    engine->n_nodes = n_instances(graph);
    engine->nodes = make(&self, (engine->n_nodes + 1) * sizeof(struct node *));
    memcpy(engine->nodes, nodes, engine->n_nodes * sizeof(struct node *));
    placement_make(graph, &engine->options, &engine->arena, &self.place);
    stats_begin_shape(engine->stats);
    number_nodes(&self);
    if (!make_shared_workers(&self) || !make_actors(&self) || !place_sources(&self))
        return false;
    make_edges(&self);
    if (!wire_edges(&self))
        return false;
    join_sequencer(&self);
    count_ended(engine);
    for (uint32_t i = 0; i < engine->n_workers; i++)
        if (!engine->workers[i]->source && !watch_zmq(engine->workers[i]))
            return err_set(err, "HDE-R004", "a ZeroMQ socket cannot be watched: %s",
                           strerror(errno));
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        show_node(engine->nodes[i]);
    stats_end_shape(engine->stats, graph->whole ? graph->whole->n_nodes : graph->n_nodes,
                    graph->whole ? graph->whole->n_edges : graph->n_edges);
    return true;
}

static void
init_sequencer(struct sequencer *sequencer)
{
    sequencer->last = sequencer->said = FIRST_TICK;
    sequencer->now_ns = sequencer->pace_event_ns = INT64_MIN;
    sequencer->answers_tail = &sequencer->answers;
    sequencer->wait_ns = INT64_MAX;
    feeder_init(&sequencer->feeder);
}

bool
engine_build(struct engine *engine, struct err *err)
{
    const struct graph *graph = engine->graph;
    struct node **nodes;
    uint32_t n = 0;

    init_sequencer(&engine->sequencer);
    if (!make_stats(engine, err) || !(engine->first = worker_new(engine, "worker 0", err)))
        return false;
    engine->first->sequencer = &engine->sequencer;
    /* in the engine from the start: what is there is freed when the rest fails */
    nodes = engine->nodes = arena_alloc(&engine->arena, (n_instances(graph) + 1) * sizeof *nodes);
    for (size_t i = 0; i < graph->n_nodes; i++)
        for (uint32_t r = 0; r < instances_of(&graph->nodes[i]); r++) {
            nodes[n] = node_new(engine, graph, i, r, NULL, err);
            if (!nodes[n])
                return false;
            engine->n_nodes = ++n;
        }
    return wiring_make(engine, graph, nodes, NULL, err);
}

/* ---- And its end -------------------------------------------------------------------------- */

void
direct_free(struct direct *direct)
{
    if (!direct)
        return;
    for (uint32_t i = 0; i < direct->n_ports; i++) {
        msgvec_drop_all(&direct->port[i]);
        msgvec_fini(&direct->port[i]);
    }
    free(direct);
}

static void
free_vec(struct hde_msgvec *vec)
{
    msgvec_drop_all(vec);
    msgvec_fini(vec);
}

static void
free_direct_ring(struct ring *ring)
{
    struct record front;
    struct hde_msgvec item = {0};

    ring_publish(ring, ring->said);
    while (ring_front(ring, &front)) {
        ring_take(ring, &front, &item);
        for (uint32_t i = 0; i < item.n && front.direct; i++)
            direct_free((struct direct *)(void *)item.item[i]);
        item.n = 0;
    }
    msgvec_fini(&item);
    ring_free(ring);
}

static void
free_edge(struct edge *edge)
{
    if (edge->zmq)
        zmq_link_close(edge);
    if (edge->out != edge->in)
        ring_free(edge->out);
    if (!edge->stats && edge->in)
        free_direct_ring(edge->in);
    else
        ring_free(edge->in);
    drop_free(edge->drop);
    free_vec(&edge->pending);
    free_vec(&edge->arrived);
    free(edge);
}

static void
free_source(struct source *source)
{
    if (!source)
        return;
    asked_forget(source);
    for (uint32_t i = 0; i < source->n_slots; i++)
        for (uint32_t p = 0; p < source->node->capture.n; p++)
            free_vec(&source->slots[i].port[p]);
    for (uint32_t i = 0; i < source->n_slots; i++)
        positions_fini(&source->slots[i].positions);
    positions_fini(&source->stands);
    positions_fini(&source->at);
    free(source);
}

void
node_free(struct node *node)
{
    if (!node)
        return;
    stats_drop_node(node->engine->stats, node->id);
    retain_free(node);
    probe_close(node);
    free_source(node->source);
    for (uint32_t i = 0; i < node->n_ports; i++)
        free_vec(&node->ports[i].joined);
    for (uint32_t i = 0; i < node->capture.n; i++)
        free_vec(&node->capture.port[i]);
    free_vec(&node->kept);
    question_free(node);
    decide_free(node);
    timers_fini(&node->event_timers);
    timers_fini(&node->clock_timers);
    ctx_scratch_fini(&node->ctx);
    slab_free(node->ctx.state);
    arena_fini(&node->arena);
    free(node);
}

static void
free_actor(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_splits; i++)
        free_vec(&actor->splits[i]->pending);
    direct_free(actor->direct);
    msgvec_fini(&actor->direct_item);
    free(actor);
}

void
worker_retire(struct worker *worker)
{
    if (worker->stats)
        stats_drop_worker(worker->engine->stats, worker->id);
    worker->stats = NULL;
    while (worker->watches) {
        struct watch *watch = worker->watches;

        worker->watches = watch->next;
        free(watch);
    }
    while (worker->posts) {
        struct post *post = worker->posts;

        worker->posts = post->next;
        post_drop(post);
    }
    worker->posts_tail = &worker->posts;
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->event_fd >= 0)
        close(worker->event_fd);
    worker->epoll_fd = worker->event_fd = -1;
}

void
worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker_retire(worker);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

/* ---- The wiring --------------------------------------------------------------------------- */

bool
wiring_fits(const struct engine *engine, const struct graph *graph, struct err *err)
{
    const struct stats *stats = engine->stats;
    uint32_t n_edges = n_edge_instances(graph);

    /* until the old ones are gone both need counters */
    return (engine->n_edges + n_edges <= stats->cap_edges &&
            2 * n_instances(graph) + engine->n_workers <= stats->cap_workers) ||
           no_room(engine->n_edges + n_edges > stats->cap_edges ? "edge" : "thread", err);
}

void
wiring_take(struct engine *engine, struct wiring *out)
{
    struct sequencer *sequencer = &engine->sequencer;

    *out = (struct wiring){.arena = engine->arena,
                           .graph = engine->graph,
                           .n_nodes = engine->n_nodes,
                           .n_edges = engine->n_edges,
                           .n_actors = engine->n_actors,
                           .n_workers = engine->n_workers,
                           .n_sources = engine->n_sources,
                           .n_shared = engine->n_shared,
                           .n_own = engine->n_own,
                           .nodes = engine->nodes,
                           .edges = engine->edges,
                           .own = engine->own,
                           .actors = engine->actors,
                           .workers = engine->workers,
                           .sources = engine->sources};
    engine->arena = (struct arena){0};
    engine->n_nodes = engine->n_edges = engine->n_actors = engine->n_workers = 0;
    engine->n_sources = engine->n_shared = engine->n_own = 0;
    sequencer->n_sources = sequencer->n_handovers = sequencer->n_direct = sequencer->n_quiet = 0;
    sequencer->direct = NULL;
}

static bool
has_edge(const struct engine *engine, uint32_t id)
{
    for (uint32_t i = 0; i < engine->n_edges; i++)
        if (engine->edges[i]->id == id)
            return true;
    return false;
}

void
wiring_free(struct engine *engine, struct wiring *taken)
{
    for (uint32_t i = 0; i < taken->n_edges; i++) {
        uint32_t id = taken->edges[i]->id;

        if (id != STATS_FREE && !has_edge(engine, id))
            stats_drop_edge(engine->stats, id);
        free_edge(taken->edges[i]);
    }
    for (uint32_t i = 0; i < taken->n_own; i++)
        free_edge(taken->own[i]);
    for (uint32_t i = 0; i < taken->n_actors; i++)
        free_actor(taken->actors[i]);
    arena_fini(&taken->arena);
}

void
engine_unbuild(struct engine *engine)
{
    struct sequencer *sequencer = &engine->sequencer;
    struct wiring wiring;

    while (sequencer->answers) {
        struct direct *direct = sequencer->answers;

        sequencer->answers = direct->next;
        direct_free(direct);
    }
    feeder_fini(&sequencer->feeder);
    free(sequencer->alarms);
    free_vec(&sequencer->handed);
    wiring_take(engine, &wiring);
    for (uint32_t i = 0; i < wiring.n_nodes; i++)
        node_free(wiring.nodes[i]);
    for (uint32_t i = 0; i < wiring.n_workers; i++)
        worker_free(wiring.workers[i]);
    for (uint32_t i = 0; i < engine->n_retired; i++)
        worker_free(engine->retired[i]);
    if (engine->first && !wiring.n_workers)
        worker_free(engine->first);
    wiring_free(engine, &wiring);
    free(engine->retired);
    if (engine->zmq)
        zmq_ctx_term(engine->zmq);
}
