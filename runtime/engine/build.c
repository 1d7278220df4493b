/* SPDX-License-Identifier: Apache-2.0
 * build - makes the nodes, edges, actors and workers of a graph from its placement. */
#include "engine/run.h"
#include "engine/swap.h"

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
    struct placement place;
    uint32_t *first_node;  /* graph node -> its first instance */
    uint32_t *first_actor; /* segment -> its first actor */
};

static void *
make(struct builder *self, size_t size)
{
    return arena_alloc(&self->engine->arena, size);
}

/* Things with cache lines of their own do not live in the arena. */
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

static uint32_t
count_ports(const hde_port *ports)
{
    uint32_t n = 0;

    while (ports && ports[n].name)
        n++;
    return n;
}

static bool
is_source(const struct graph_node *def)
{
    return def->op->poll != NULL;
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static void
make_capture(struct builder *self, struct node *node, uint32_t n)
{
    struct capture *capture = &node->capture;

    capture->n = n;
    capture->port = make(self, n * sizeof *capture->port);
    capture->outlets = make(self, n * sizeof *capture->outlets);
    capture->targets = make(self, n * sizeof *capture->targets);
    for (uint32_t i = 0; i < n; i++) {
        capture->targets[i] = &capture->port[i];
        outlet_set(&capture->outlets[i], 1, &capture->targets[i]);
    }
}

static void
make_node(struct builder *self, uint32_t graph_node, uint32_t replica)
{
    struct engine *engine = self->engine;
    const struct graph_node *def = &engine->graph->nodes[graph_node];
    const hde_operator *op = def->op;
    struct node *node = xaligned(sizeof *node);
    uint32_t n_outlets = count_ports(op->outputs);

    node->def = def;
    node->engine = engine;
    node->id = engine->n_nodes;
    node->graph_node = graph_node;
    node->replica = replica;
    node->wm = node->out_wm = WM_NONE;
    node->event_timers = node->clock_timers = TIMERS_NONE;
    node->has_flush = op->flush != NULL;
    node->is_impure = op->flags & HDE_IMPURE;
    node->keeps = def->on_error.action == ON_ERROR_SKIP || def->on_error.then == ON_ERROR_SKIP;
    node->may_alarm =
        !is_source(def) && op->timer && (op->flags & HDE_PROCESSING_TIMERS || !n_outlets);
    node->n_ports = is_source(def) ? 0 : count_ports(op->inputs);
    node->ports = make(self, node->n_ports * sizeof *node->ports);
    node->outlets = make(self, n_outlets * sizeof *node->outlets);
    node->counters = make(self, STATS_COUNTERS * sizeof *node->counters);
    if (n_outlets && (is_source(def) || node->is_impure || op->event))
        make_capture(self, node, n_outlets);
    node->in.batch.size = sizeof(hde_batch);
    node->ctx = (hde_ctx){.host = &engine_host,
                          .owner = node,
                          .op = op,
                          .batch = op->batch,
                          .said = make(self, sizeof *node->ctx.said),
                          .node = def->name,
                          .graph = engine->graph->name,
                          .watermark_ns = WM_NONE,
                          .log_level = HDE_INFO,
                          .n_outlets = n_outlets,
                          .outlets = node->outlets};
    if (is_source(def) || node->is_impure)
        node->ctx.outlets = node->capture.outlets;
    node->ctx.state = xaligned(op->state_size ? op->state_size : 1);
    if (op->state_size && def->params)
        memcpy(node->ctx.state, def->params, op->state_size);
    append(self, &engine->nodes, &engine->n_nodes, node);
}

static void
make_nodes(struct builder *self)
{
    const struct graph *graph = self->engine->graph;

    self->first_node = make(self, graph->n_nodes * sizeof *self->first_node);
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        self->first_node[i] = self->engine->n_nodes;
        for (int64_t r = 0; r < graph->nodes[i].replicas || r == 0; r++)
            make_node(self, i, (uint32_t)r);
    }
}

static uint32_t
replicas_of(const struct builder *self, size_t graph_node)
{
    int64_t n = self->engine->graph->nodes[graph_node].replicas;

    return n > 1 ? (uint32_t)n : 1;
}

/* ---- Workers and actors ------------------------------------------------------------------- */

static struct worker *
make_worker(struct builder *self, const char *name)
{
    struct worker *worker = xaligned(sizeof *worker);
    struct epoll_event wake = {.events = EPOLLIN};

    worker->engine = self->engine;
    worker->id = self->engine->n_workers;
    snprintf(worker->name, sizeof worker->name, "%s", name);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->event_fd, &wake);
    pthread_mutex_init(&worker->lock, NULL);
    worker->posts_tail = &worker->posts;
    append(self, &self->engine->workers, &self->engine->n_workers, worker);
    return worker;
}

static void
make_shared_workers(struct builder *self)
{
    for (uint32_t i = 0; i < self->place.n_workers; i++) {
        char name[32];

        snprintf(name, sizeof name, "worker %u", i);
        make_worker(self, name);
    }
    self->engine->n_shared = self->place.n_workers;
    self->engine->workers[0]->sequencer = &self->engine->sequencer;
}

static struct actor *
make_actor(struct builder *self, uint32_t segment, uint32_t replica, const char *name)
{
    struct engine *engine = self->engine;
    uint32_t worker = self->place.worker_of[segment];
    struct actor *actor = xaligned(sizeof *actor);

    actor->engine = engine;
    actor->id = engine->n_actors;
    actor->is_sequenced = self->place.sequenced[segment];
    actor->worker = worker == OWN_THREAD
                        ? make_worker(self, name)
                        : engine->workers[(worker + replica) % self->place.n_workers];
    append(self, &actor->worker->actors, &actor->worker->n_actors, actor);
    append(self, &engine->actors, &engine->n_actors, actor);
    return actor;
}

static void
add_node(struct builder *self, struct actor *actor, struct node *node)
{
    node->actor = actor;
    actor->has_flush |= node->has_flush;
    append(self, &actor->nodes, &actor->n_nodes, node);
}

static void
make_actors(struct builder *self)
{
    struct engine *engine = self->engine;
    const struct graph *graph = engine->graph;

    for (uint32_t s = 0; s < self->place.n_segments; s++) {
        struct actor *actor = NULL;

        for (uint32_t n = 0; n < graph->n_nodes; n++) {
            if (self->place.segment_of[n] != s)
                continue;
            for (uint32_t r = 0; r < replicas_of(self, n); r++) {
                if (!actor || r)
                    actor = make_actor(self, s, r, graph->nodes[n].name);
                add_node(self, actor, engine->nodes[self->first_node[n] + r]);
            }
        }
    }
}

/* ---- Sources ------------------------------------------------------------------------------ */

static int64_t
lateness_of(const struct node *node)
{
    const hde_param *param = node->def->op->params;

    for (; param && param->name; param++)
        if (!strcmp(param->name, "lateness") && param->type == HDE_PARAM_DURATION)
            return ((const hde_duration *)((const char *)node->ctx.state + param->offset))->ns;
    return 0;
}

static void
make_source(struct builder *self, struct node *node)
{
    struct engine *engine = self->engine;
    struct source *source = xaligned(sizeof *source);
    bool is_blocking = node->def->op->flags & HDE_BLOCKING;

    source->node = node;
    node->source = source;
    source->index = engine->n_sources;
    source->clock_ns = source->max_event_ns = INT64_MIN;
    source->said_wm = source->out_wm = source->watermark_ns = WM_NONE;
    source->lateness_ns = lateness_of(node);
    source->last_entry_ns = clock_mono_ns();
    source->n_slots = is_blocking ? BLOCKING_SLOTS : 1;
    source->slots = make(self, source->n_slots * sizeof *source->slots);
    for (uint32_t i = 0; i < source->n_slots; i++)
        source->slots[i].port = make(self, node->capture.n * sizeof *source->slots[i].port);
    if (is_blocking) {
        source->worker = make_worker(self, node->def->name);
        source->worker->source = source;
    } else {
        source->worker = engine->workers[0];
    }
    append(self, &source->worker->polled, &source->worker->n_polled, source);
    append(self, &engine->sources, &engine->n_sources, source);
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
add_target(struct builder *self, struct node *node, unsigned port, struct msgvec *vec)
{
    struct outlet *outlet = &node->outlets[port];

    append(self, &outlet->targets, &outlet->n_targets, vec);
    outlet_set(outlet, outlet->n_targets, outlet->targets);
}

static bool
open_zmq(struct builder *self, struct edge *edge, struct err *err)
{
    struct engine *engine = self->engine;
    const hde_port *port = &edge->from->def->op->outputs[edge->from_port];

    if (!engine->zmq)
        engine->zmq = zmq_ctx_new();
    if (!zmq_link_open(engine->zmq, edge, port->types, err))
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
    if (edge->to->def->op->flags & HDE_VIEW) {
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
    const struct graph_edge *def = &self->engine->graph->edges[graph_edge];

    if (self->place.fused[graph_edge])
        return EDGE_FUSED;
    if (self->place.drops[graph_edge])
        return def->full == FULL_LATEST ? EDGE_LATEST : EDGE_DROP_OLDEST;
    return def->transport == TRANSPORT_ZMQ ? EDGE_ZMQ : EDGE_RING;
}

static bool
join_actors(struct builder *self, struct edge *edge, struct err *err)
{
    const struct graph_edge *def = &self->engine->graph->edges[edge->graph_edge];

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
    const struct graph_edge *def = &engine->graph->edges[graph_edge];
    struct edge *edge = xaligned(sizeof *edge);

    edge->id = engine->n_edges;
    edge->graph_edge = (uint32_t)graph_edge;
    edge->kind = kind_of(self, graph_edge);
    edge->engine = engine;
    edge->name = def->name;
    edge->from = from;
    edge->to = to;
    edge->from_port = def->from_port;
    edge->to_port = def->to_port;
    edge->out_wm = &from->out_wm;
    edge->put_wm = edge->in_wm = WM_NONE;
    append(self, &engine->edges, &engine->n_edges, edge);
    return edge;
}

static void
fill_edge_stats(struct edge *edge, const struct graph_edge *def)
{
    struct stats_edge *stats = stats_edge_at(edge->engine->stats, edge->id);

    edge->stats = stats;
    snprintf(stats->name, sizeof stats->name, "%s", edge->name);
    stats->graph_edge = edge->graph_edge;
    stats->kind = edge->kind;
    stats->from_node = edge->from->id;
    stats->to_node = edge->to->id;
    stats->capacity_messages = edge->kind == EDGE_FUSED ? 0 : def->capacity_messages;
    stats->capacity_bytes = edge->kind == EDGE_FUSED ? 0 : def->capacity_bytes;
}

/* All instances of a graph edge are made before their stats: the segment has a fixed size. */
static void
make_edges(struct builder *self)
{
    const struct graph *graph = self->engine->graph;

    for (size_t e = 0; e < graph->n_edges; e++)
        for (uint32_t i = 0; i < replicas_of(self, graph->edges[e].from); i++)
            for (uint32_t k = 0; k < replicas_of(self, graph->edges[e].to); k++)
                make_edge(self, e, self->engine->nodes[self->first_node[graph->edges[e].from] + i],
                          self->engine->nodes[self->first_node[graph->edges[e].to] + k])
                    ->instance = i * replicas_of(self, graph->edges[e].to) + k;
}

/* The edge instances of one output towards all replicas of a node, behind one split. */
static void
add_split(struct builder *self, uint32_t first_edge, uint32_t n)
{
    struct engine *engine = self->engine;
    struct edge *edge = engine->edges[first_edge];
    struct actor *actor = edge->from->actor;
    struct split *split = make(self, sizeof *split);
    const char **name = make(self, sizeof *name);

    *name = edge->to->def->key;
    split->key = (struct key){*name ? 1 : 0, name};
    split->n = n;
    split->edges = &engine->edges[first_edge];
    append(self, &actor->splits, &actor->n_splits, split);
    add_target(self, edge->from, edge->from_port, &split->pending);
}

static bool
wire_edges(struct builder *self, struct err *err)
{
    struct engine *engine = self->engine;

    for (uint32_t i = 0; i < engine->n_edges; i++) {
        struct edge *edge = engine->edges[i];
        uint32_t replicas = replicas_of(self, edge->to->graph_node);

        fill_edge_stats(edge, &engine->graph->edges[edge->graph_edge]);
        if (edge->kind != EDGE_FUSED && !join_actors(self, edge, err))
            return false;
        add_inlet(self, edge);
        if (replicas == 1)
            add_target(self, edge->from, edge->from_port, &edge->pending);
        else if (edge->to->replica == 0)
            add_split(self, i, replicas);
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
    static struct msgvec no_messages;

    for (uint32_t i = 0; i < actor->n_nodes; i++) {
        struct node *node = actor->nodes[i];
        const struct inlet *inlet = only_inlet(node);

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

static void
make_sequencer(struct builder *self)
{
    struct engine *engine = self->engine;
    struct sequencer *sequencer = &engine->sequencer;

    sequencer->last = sequencer->said = FIRST_TICK;
    sequencer->now_ns = sequencer->pace_event_ns = INT64_MIN;
    sequencer->answers_tail = &sequencer->answers;
    sequencer->n_sources = engine->n_sources;
    sequencer->sources = engine->sources;
    sequencer->wait_ns = INT64_MAX;
    sequencer->direct = make(self, engine->n_actors * sizeof *sequencer->direct);
    for (uint32_t i = 0; i < engine->n_actors; i++)
        make_own_edges(self, engine->actors[i]);
}

/* ---- Counters ----------------------------------------------------------------------------- */

static void
fill_node_stats(struct node *node)
{
    struct stats_node *stats = stats_node_at(node->engine->stats, node->id);
    const struct worker *worker = node->source ? node->source->worker : node->actor->worker;

    node->stats = stats;
    snprintf(stats->name, sizeof stats->name, "%s", node->def->name);
    snprintf(stats->op, sizeof stats->op, "%s", node->def->op->name);
    stats_set_build(stats, node->def->build_id);
    stats->graph_node = node->graph_node;
    stats->replica = node->replica;
    stats->worker = worker->id;
    stats->blocking = worker->id >= node->engine->n_shared;
    STAT_SET(stats->watermark_ns, WM_NONE);
}

static bool
make_stats(struct builder *self, struct err *err)
{
    struct engine *engine = self->engine;
    struct stats_shape shape = {.path = engine->stats_path,
                                .graph = engine->graph->name,
                                .host = engine->host,
                                .graph_nodes = (uint32_t)engine->graph->n_nodes,
                                .graph_edges = (uint32_t)engine->graph->n_edges,
                                .nodes = engine->n_nodes,
                                .edges = engine->n_edges,
                                .workers = engine->n_workers};

    engine->stats = stats_new(&shape, err);
    if (!engine->stats)
        return false;
    engine->stats->virtual_clock = engine->options.virtual_clock;
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        fill_node_stats(engine->nodes[i]);
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        struct worker *worker = engine->workers[i];

        worker->stats = stats_worker_at(engine->stats, i);
        snprintf(worker->stats->name, sizeof worker->stats->name, "%s", worker->name);
    }
    return true;
}

/* ---- All of it ---------------------------------------------------------------------------- */

static bool
watch_zmq(struct builder *self, struct worker *worker)
{
    struct epoll_event wanted = {.events = EPOLLIN};

    if (!worker->n_zmq_in && !worker->n_zmq_out)
        return true;
    worker->zmq_watch = make(self, sizeof *worker->zmq_watch);
    wanted.data.ptr = worker->zmq_watch;
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

bool
engine_build(struct engine *engine, struct err *err)
{
    struct builder self = {.engine = engine};

    placement_make(engine->graph, &engine->options, &engine->arena, &self.place);
    make_nodes(&self);
    make_shared_workers(&self);
    make_actors(&self);
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (is_source(engine->nodes[i]->def))
            make_source(&self, engine->nodes[i]);
    make_edges(&self);
    if (!make_stats(&self, err) || !wire_edges(&self, err))
        return false;
    make_sequencer(&self);
    for (uint32_t i = 0; i < engine->n_actors; i++)
        find_plain_nodes(engine->actors[i]);
    atomic_store(&engine->actors_left, engine->n_actors);
    for (uint32_t i = 0; i < engine->n_workers; i++)
        if (!watch_zmq(&self, engine->workers[i]))
            return err_set(err, "HDE-R004", "a ZeroMQ socket cannot be watched: %s",
                           strerror(errno));
    return true;
}

/* ---- And its end -------------------------------------------------------------------------- */

static void
free_direct(struct direct *direct)
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
free_vec(struct msgvec *vec)
{
    msgvec_drop_all(vec);
    msgvec_fini(vec);
}

static void
free_direct_ring(struct ring *ring)
{
    struct record front;
    struct msgvec item = {0};

    ring_publish(ring, ring->said);
    while (ring_front(ring, &front)) {
        ring_take(ring, &front, &item);
        for (uint32_t i = 0; i < item.n && front.direct; i++)
            free_direct((struct direct *)(void *)item.item[i]);
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
free_node(struct node *node)
{
    for (uint32_t i = 0; i < node->n_ports; i++)
        free_vec(&node->ports[i].joined);
    for (uint32_t i = 0; i < node->capture.n; i++)
        free_vec(&node->capture.port[i]);
    free_vec(&node->kept);
    timers_fini(&node->event_timers);
    timers_fini(&node->clock_timers);
    ctx_scratch_fini(&node->ctx);
    free(node->ctx.state);
    free(node);
}

static void
free_source(struct source *source)
{
    for (uint32_t i = 0; i < source->n_slots; i++)
        for (uint32_t p = 0; p < source->node->capture.n; p++)
            free_vec(&source->slots[i].port[p]);
    for (uint32_t i = 0; i < source->n_slots; i++)
        positions_fini(&source->slots[i].positions);
    positions_fini(&source->stands);
    positions_fini(&source->at);
    free(source);
}

static void
free_actor(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_splits; i++)
        free_vec(&actor->splits[i]->pending);
    free_direct(actor->direct);
    msgvec_fini(&actor->direct_item);
    free(actor);
}

static void
free_worker(struct worker *worker)
{
    while (worker->watches) {
        struct watch *watch = worker->watches;

        worker->watches = watch->next;
        free(watch);
    }
    while (worker->posts) {
        struct post *post = worker->posts;

        worker->posts = post->next;
        if (post->kind == POST_ANSWER)
            free_direct(post->data);
        else if (post->kind == POST_JOB)
            job_drop(post->data);
        free(post);
    }
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->event_fd >= 0)
        close(worker->event_fd);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

void
engine_unbuild(struct engine *engine)
{
    struct sequencer *sequencer = &engine->sequencer;

    while (sequencer->answers) {
        struct direct *direct = sequencer->answers;

        sequencer->answers = direct->next;
        free_direct(direct);
    }
    free(sequencer->alarms);
    free_vec(&sequencer->handed);
    for (uint32_t i = 0; i < engine->n_edges; i++)
        free_edge(engine->edges[i]);
    for (uint32_t i = 0; i < engine->n_own; i++)
        free_edge(engine->own[i]);
    for (uint32_t i = 0; i < engine->n_sources; i++)
        free_source(engine->sources[i]);
    for (uint32_t i = 0; i < engine->n_actors; i++)
        free_actor(engine->actors[i]);
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        free_node(engine->nodes[i]);
    for (uint32_t i = 0; i < engine->n_workers; i++)
        free_worker(engine->workers[i]);
    if (engine->zmq)
        zmq_ctx_term(engine->zmq);
}
