/* SPDX-License-Identifier: Apache-2.0
 * segment - decides which nodes run together and on which worker.
 *
 *  (1) An edge is fused if both its ends are in one segment; every other edge is a ring, a ZeroMQ
 *      pair or a drop edge. No other edge stays inside a segment.
 *  (2) The sequenced region is every source, and every node whose inputs all come from there over
 *      edges that can be fused. It has no other inputs, so an entry runs through it at once.
 *  (3) Elsewhere edges are fused one by one as long as the graph of segments has no cycle: two
 *      segments are joined only if no path leads from one to the other through a third.
 *      [test_placement_is_acyclic_on_random_graphs] */
#include "engine/run.h"
#include "graph/delivery.h"

#include <unistd.h>

enum { WORKERS_MAX = 8 };

struct maker {
    const struct graph *graph;
    const struct engine_options *options;
    struct arena *arena;
    struct placement *out;
    uint32_t *root; /* union-find over nodes */
    bool *sequenced;
    bool *has_drop_in;
};

static bool
is_source(const struct graph_node *node)
{
    return node->op->poll != NULL;
}

static bool
is_blocking(const struct graph_node *node)
{
    return node->op->flags & HDE_BLOCKING || node->isolate.is_on;
}

static uint32_t
find(const struct maker *self, uint32_t node)
{
    while (self->root[node] != node)
        node = self->root[node];
    return node;
}

/* What a sink does for good waits for the log, and nothing else should. */
static bool
is_gated(const struct maker *self, const struct graph_node *node)
{
    return self->options->checkpoint && delivery_waits(node);
}

/* Whether nothing about this edge alone speaks against a direct call. */
static bool
can_fuse(const struct maker *self, size_t e)
{
    const struct graph_edge *edge = &self->graph->edges[e];
    const struct graph_node *from = &self->graph->nodes[edge->from];
    const struct graph_node *to = &self->graph->nodes[edge->to];

    if (self->options->force_boundaries || self->out->drops[e] || self->has_drop_in[edge->to])
        return false;
    if (edge->transport == TRANSPORT_ZMQ || to->boundary || is_gated(self, to) ||
        node_is_split(from) || node_is_split(to))
        return false;
    return (!is_blocking(from) || is_source(from)) && !is_blocking(to);
}

/* ---- The sequenced region ----------------------------------------------------------------- */

static bool
joins_sequenced(const struct maker *self, uint32_t node)
{
    const struct graph *graph = self->graph;
    bool has_input = false;

    if (graph->nodes[node].worker > 0)
        return false;
    for (size_t e = 0; e < graph->n_edges; e++) {
        if (graph->edges[e].to != node)
            continue;
        has_input = true;
        if (!self->sequenced[graph->edges[e].from] || !can_fuse(self, e))
            return false;
    }
    return has_input;
}

static void
mark_sequenced(struct maker *self)
{
    const struct graph *graph = self->graph;

    for (uint32_t n = 0; n < graph->n_nodes; n++) /* in topological order */
        self->sequenced[n] = is_source(&graph->nodes[n]) || joins_sequenced(self, n);
    for (size_t e = 0; e < graph->n_edges; e++)
        if (self->sequenced[graph->edges[e].from] && self->sequenced[graph->edges[e].to])
            self->root[find(self, (uint32_t)graph->edges[e].to)] =
                find(self, (uint32_t)graph->edges[e].from);
}

/* ---- The rest ----------------------------------------------------------------------------- */

/* Whether segment `to` can be reached from segment `at` without the direct edges from `from`. */
static bool
reaches(const struct maker *self, uint32_t at, uint32_t from, uint32_t to, bool *seen)
{
    const struct graph *graph = self->graph;

    if (at == to)
        return true;
    if (seen[at])
        return false;
    seen[at] = true;
    for (size_t e = 0; e < graph->n_edges; e++) {
        uint32_t next = find(self, (uint32_t)graph->edges[e].to);

        if (find(self, (uint32_t)graph->edges[e].from) != at || next == at)
            continue;
        if (at == from && next == to)
            continue;
        if (reaches(self, next, from, to, seen))
            return true;
    }
    return false;
}

static int64_t
pinned_worker(const struct maker *self, uint32_t segment)
{
    for (uint32_t n = 0; n < self->graph->n_nodes; n++)
        if (find(self, n) == segment && self->graph->nodes[n].worker >= 0)
            return self->graph->nodes[n].worker;
    return -1;
}

static bool
may_join(const struct maker *self, uint32_t a, uint32_t b)
{
    const struct graph *graph = self->graph;
    int64_t worker_a = pinned_worker(self, a), worker_b = pinned_worker(self, b);
    bool *seen = arena_alloc(self->arena, graph->n_nodes * sizeof *seen);

    if (worker_a >= 0 && worker_b >= 0 && worker_a != worker_b)
        return false;
    for (size_t e = 0; e < graph->n_edges; e++) {
        uint32_t from = find(self, (uint32_t)graph->edges[e].from);
        uint32_t to = find(self, (uint32_t)graph->edges[e].to);

        if (((from == a && to == b) || (from == b && to == a)) && !can_fuse(self, e))
            return false;
    }
    return !reaches(self, a, a, b, seen);
}

static void
join_rest(struct maker *self)
{
    const struct graph *graph = self->graph;

    for (size_t e = 0; e < graph->n_edges; e++) {
        uint32_t from = (uint32_t)graph->edges[e].from, to = (uint32_t)graph->edges[e].to;
        uint32_t a = find(self, from), b = find(self, to);

        if (!self->sequenced[from] && !self->sequenced[to] && a != b && can_fuse(self, e) &&
            may_join(self, a, b))
            self->root[b] = a;
    }
}

/* ---- Workers ------------------------------------------------------------------------------ */

static uint32_t
count_workers(const struct graph *graph, const struct engine_options *options)
{
    int64_t n = options->workers ? options->workers : graph->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (!n)
        n = cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : cores;
    return n > 1024 ? 1024 : (uint32_t)n;
}

static bool
is_cut_off(const struct maker *self, const struct graph_node *node)
{
    return node->boundary || node_is_split(node) || is_gated(self, node) ||
           self->options->force_boundaries;
}

/* The worker of the first segment in front, so that data stays near; else worker 0. */
static uint32_t
worker_in_front(const struct maker *self, uint32_t segment)
{
    const struct graph *graph = self->graph;
    const struct placement *out = self->out;

    for (size_t e = 0; e < graph->n_edges; e++) {
        uint32_t from = out->segment_of[graph->edges[e].from];

        if (out->segment_of[graph->edges[e].to] == segment && from != segment && from < segment &&
            out->worker_of[from] != UINT32_MAX)
            return out->worker_of[from];
    }
    return 0;
}

static void
place(struct maker *self, uint32_t segment, uint32_t first, uint32_t *next)
{
    struct placement *out = self->out;
    const struct graph_node *node = &self->graph->nodes[first];
    int64_t pinned = pinned_worker(self, find(self, first));

    out->sequenced[segment] = self->sequenced[first];
    if (self->sequenced[first]) {
        out->worker_of[segment] = 0;
    } else if (is_blocking(node)) {
        out->worker_of[segment] = UINT32_MAX;
    } else if (pinned >= 0) {
        out->worker_of[segment] = (uint32_t)(pinned % out->n_workers);
    } else if (is_cut_off(self, node)) {
        out->worker_of[segment] = *next % out->n_workers;
        *next += (uint32_t)node->replicas;
    } else {
        out->worker_of[segment] = worker_in_front(self, segment);
    }
}

static void
number_segments(struct maker *self)
{
    struct placement *out = self->out;
    uint32_t n_nodes = (uint32_t)self->graph->n_nodes, next = 1;

    for (uint32_t n = 0; n < n_nodes; n++)
        out->segment_of[n] = UINT32_MAX;
    for (uint32_t n = 0; n < n_nodes; n++) {
        if (out->segment_of[n] != UINT32_MAX)
            continue;
        for (uint32_t k = n; k < n_nodes; k++)
            if (find(self, k) == find(self, n))
                out->segment_of[k] = out->n_segments;
        place(self, out->n_segments++, n, &next);
    }
}

void
placement_make(const struct graph *graph, const struct engine_options *options, struct arena *arena,
               struct placement *out)
{
    struct maker self = {graph, options, arena, out, NULL, NULL, NULL};

    *out = (struct placement){.n_workers = count_workers(graph, options)};
    out->segment_of = arena_alloc(arena, graph->n_nodes * sizeof *out->segment_of);
    out->worker_of = arena_alloc(arena, graph->n_nodes * sizeof *out->worker_of);
    out->sequenced = arena_alloc(arena, graph->n_nodes * sizeof *out->sequenced);
    out->fused = arena_alloc(arena, graph->n_edges * sizeof *out->fused);
    out->drops = arena_alloc(arena, graph->n_edges * sizeof *out->drops);
    self.root = arena_alloc(arena, graph->n_nodes * sizeof *self.root);
    self.sequenced = arena_alloc(arena, graph->n_nodes * sizeof *self.sequenced);
    self.has_drop_in = arena_alloc(arena, graph->n_nodes * sizeof *self.has_drop_in);
    for (uint32_t n = 0; n < graph->n_nodes; n++)
        self.root[n] = n;
    for (size_t e = 0; e < graph->n_edges; e++) { /* under the virtual clock every edge blocks */
        out->drops[e] = edge_may_drop(&graph->edges[e]) && !options->virtual_clock;
        self.has_drop_in[graph->edges[e].to] |= out->drops[e];
    }
    mark_sequenced(&self);
    join_rest(&self);
    number_segments(&self);
    for (size_t e = 0; e < graph->n_edges; e++)
        out->fused[e] =
            out->segment_of[graph->edges[e].from] == out->segment_of[graph->edges[e].to];
}
