/* SPDX-License-Identifier: Apache-2.0
 * parts - see parts.h.
 *
 *  (1) Nodes that any edge but a link joins are in one part. A link leads from one part to another,
 *      and no way leads back: parts have an order. [test_links_that_do_not_cut_are_refused]
 *  (2) A part has the nodes and edges of the whole in their order, receiving ends in front of them
 *      and sending ends behind. [test_a_cut_graph_keeps_its_order]
 *  (3) What one output sends to several nodes of another host goes over one link.
 *      [test_what_goes_to_one_host_goes_there_once]
 *  (4) A part lies on one host: no edge but a link leads to another.
 *      [test_edges_between_hosts_are_links]
 *  (5) A link to a share of a spread node carries what that share is to have and nothing else, so it
 *      carries for no other node. [test_each_host_is_sent_its_replicas_keys]
 *  (6) What is cut for one host has a part, also where no node lies there: that of a spare host,
 *      which no other cut has. [test_a_host_without_nodes_has_a_part_of_its_own] */
#include "graph/parts.h"
#include "graph/codes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool
edge_is_link(const struct graph_edge *edge)
{
    return edge->full == FULL_SPILL || edge->is_durable || edge->is_remote || edge->is_apart;
}

static bool
same_journal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_keys(const struct graph_edge *a, const struct graph_edge *b)
{
    bool same = a->n_keys == b->n_keys;

    for (size_t i = 0; same && i < a->n_keys; i++)
        same = strcmp(a->keys[i], b->keys[i]) == 0;
    return same;
}

/* Between hosts, or as if it were. */
static bool
crosses(const struct graph_edge *edge)
{
    return edge->is_remote || edge->is_apart;
}

/* What one sends to another host, it sends there once. */
static bool
go_together(const struct graph *graph, const struct graph_edge *a, const struct graph_edge *b)
{
    if (graph->nodes[a->to].spread.of || graph->nodes[b->to].spread.of)
        return a == b;
    return crosses(a) && crosses(b) && a->from == b->from && a->from_port == b->from_port &&
           graph->nodes[a->to].host == graph->nodes[b->to].host && a->full == b->full &&
           same_keys(a, b) && a->is_durable == b->is_durable &&
           a->capacity_messages == b->capacity_messages && a->capacity_bytes == b->capacity_bytes &&
           same_journal(a->journal, b->journal) && a->journal_bytes == b->journal_bytes;
}

size_t
edge_carrier(const struct graph *graph, size_t edge)
{
    size_t carrier = edge;

    for (size_t e = 0; crosses(&graph->edges[edge]) && e < graph->n_edges; e++)
        if (go_together(graph, &graph->edges[e], &graph->edges[edge]) &&
            strcmp(graph->edges[e].name, graph->edges[carrier].name) < 0)
            carrier = e;
    return carrier;
}

/* ---- Which node lies in which part -------------------------------------------------------- */

static size_t
find(size_t *root, size_t node)
{
    while (root[node] != node)
        node = root[node] = root[root[node]];
    return node;
}

/* Numbers of parts, by node; the caller frees them. */
static size_t *
part_of_nodes(const struct graph *graph, size_t *n_parts)
{
    size_t *root = xcalloc(graph->n_nodes + 1, sizeof *root);
    size_t *part = xcalloc(graph->n_nodes + 1, sizeof *part);

    for (size_t i = 0; i < graph->n_nodes; i++)
        root[i] = i;
    for (size_t e = 0; e < graph->n_edges; e++) {
        const struct graph_edge *edge = &graph->edges[e];
        bool is_link = edge_is_link(edge);
        size_t a = find(root, is_link ? graph->edges[edge_carrier(graph, e)].to : edge->from);
        size_t b = find(root, edge->to);

        root[a > b ? a : b] = a < b ? a : b; /* the first node stands for all */
    }
    *n_parts = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        part[i] = find(root, i) == i ? (*n_parts)++ : part[find(root, i)];
    free(root);
    return part;
}

/* ---- What is wrong ------------------------------------------------------------------------ */

/* Whether a way over links leads from one part to another. */
static bool
leads_to(const struct graph *graph, const size_t *part, size_t from, size_t to, bool *seen)
{
    if (from == to)
        return true;
    if (seen[from])
        return false;
    seen[from] = true;
    for (size_t e = 0; e < graph->n_edges; e++)
        if (edge_is_link(&graph->edges[e]) && part[graph->edges[e].from] == from &&
            leads_to(graph, part, part[graph->edges[e].to], to, seen))
            return true;
    return false;
}

static void
check_link(const struct graph *graph, const size_t *part, size_t n_parts,
           const struct graph_edge *edge, struct diags *diags)
{
    bool *seen = xcalloc(n_parts, sizeof *seen);
    const struct graph_node *from = &graph->nodes[edge->from], *to = &graph->nodes[edge->to];

    if (part[edge->from] == part[edge->to]) {
        diags_add(diags, SEVERITY_ERROR, G_LINK_ROUND, edge->place,
                  "this edge cuts nothing: other edges join '%s' and '%s' too", from->name,
                  to->name);
        diags_hint(diags, "make links of the edges on the other way as well, or let this one block");
    } else if (leads_to(graph, part, part[edge->to], part[edge->from], seen)) {
        diags_add(diags, SEVERITY_ERROR, G_LINK_ROUND, edge->place,
                  "what lies behind this edge leads back to the part of '%s' over another link",
                  from->name);
        diags_hint(diags, "parts form no circle: let this edge or that one block");
    }
    free(seen);
}

static void
check_settings(const struct graph *graph, const struct graph_edge *edge, struct diags *diags)
{
    const hde_port *out = &graph->nodes[edge->from].op->outputs[edge->from_port];

    if (edge->is_durable && edge_may_drop(edge))
        diags_add(diags, SEVERITY_ERROR, G_LINK_SETTINGS, edge->place,
                  "an edge that drops cannot be durable");
    else if (edge_is_link(edge) && edge->transport != TRANSPORT_AUTO)
        diags_add(diags, SEVERITY_ERROR, G_LINK_SETTINGS, edge->place,
                  "an edge that spills, is durable or leads to another host has no transport: to "
                  "choose");
    else if (edge_is_link(edge) && !(out->types && out->types[0]))
        diags_add(diags, SEVERITY_ERROR, G_LINK_SETTINGS, edge->place,
                  "output '%s' carries messages of any type, and a journal or another host has to "
                  "name it",
                  out->name);
    else if (edge->journal && !edge->is_durable && edge->full != FULL_SPILL)
        diags_add(diags, SEVERITY_ERROR, G_LINK_SETTINGS, edge->place,
                  "'journal' has no effect without full: spill or durable: journal");
    else if (edge->is_durable && !graph->checkpoint.store)
        diags_add(diags, SEVERITY_ERROR, G_LINK_DURABLE, edge->place,
                  "durable: journal needs checkpoint: in the graph");
}

void
parts_check(const struct graph *graph, struct diags *diags)
{
    size_t n_parts;
    size_t *part = part_of_nodes(graph, &n_parts);

    for (size_t e = 0; e < graph->n_edges; e++) {
        const struct graph_edge *edge = &graph->edges[e];

        check_settings(graph, edge, diags);
        if (edge_is_link(edge))
            check_link(graph, part, n_parts, edge, diags);
    }
    free(part);
}

/* ---- The cut ------------------------------------------------------------------------------ */

struct cutter {
    const struct graph *graph;
    struct graph_cut *out;
    const size_t *part; /* of each node */
    size_t *place;      /* of each node in its part */
};

static struct graph_node *
add_node(struct graph_part *part, const struct graph_node *node, size_t whole)
{
    struct graph *graph = &part->graph;

    ((size_t *)(uintptr_t)graph->whole_node)[graph->n_nodes] = whole;
    graph->nodes[graph->n_nodes] = *node;
    return &graph->nodes[graph->n_nodes++];
}

static void
add_edge(struct graph_part *part, const struct graph_edge *edge, size_t whole)
{
    struct graph *graph = &part->graph;

    ((size_t *)(uintptr_t)graph->whole_edge)[graph->n_edges] = whole;
    graph->edges[graph->n_edges++] = *edge;
}

/* What an end is apart from its operator: it waits for the other side as long as it takes. */
static struct graph_node
own_node(const char *name, struct place place)
{
    const int64_t ms = 1000000;

    return (struct graph_node){
        .name = name,
        .place = place,
        .on_error = {ON_ERROR_RETRY, .backoff_ns = 2 * ms, .max_backoff_ns = 20 * ms},
        .replicas = 1,
        .worker = -1};
}

/* Rooms for the nodes and edges of the whole are enough for any part, ends included; and one for the
 * node of a spare host. */
static void
start_part(struct cutter *self, size_t i, const char *name)
{
    const struct graph *graph = self->graph;
    struct arena *arena = &self->out->arena;
    struct graph_part *part = &self->out->parts[i];
    size_t n_nodes = graph->n_nodes + graph->n_edges + 1;

    part->name = name;
    part->graph = *graph;
    part->graph.arena = (struct arena){0};
    part->graph.whole = graph;
    part->graph.n_nodes = part->graph.n_edges = 0;
    part->graph.nodes = arena_alloc(arena, n_nodes * sizeof *part->graph.nodes);
    part->graph.edges = arena_alloc(arena, graph->n_edges * sizeof *part->graph.edges);
    part->graph.whole_node = arena_alloc(arena, n_nodes * sizeof(size_t));
    part->graph.whole_edge = arena_alloc(arena, graph->n_edges * sizeof(size_t));
}

static void
add_receivers(struct cutter *self)
{
    struct graph_cut *out = self->out;

    for (size_t e = 0; e < self->graph->n_edges; e++) {
        const struct graph_edge *edge = &self->graph->edges[e];
        struct graph_node end = own_node(edge->name, edge->place);
        struct graph_link *link;

        if (!edge_is_link(edge) || edge_carrier(self->graph, e) != e)
            continue;
        link = &out->links[out->n_links++];
        *link = (struct graph_link){e, self->part[edge->from], self->part[edge->to], NULL, NULL};
        end.host = self->graph->nodes[edge->to].host;
        link->receiver = add_node(&out->parts[link->to], &end, SIZE_MAX);
    }
}

static void
add_nodes(struct cutter *self)
{
    for (size_t i = 0; i < self->graph->n_nodes; i++) {
        struct graph_part *part = &self->out->parts[self->part[i]];

        self->place[i] = part->graph.n_nodes;
        part->host = self->graph->nodes[i].host;
        part->has_source |= self->graph->nodes[i].op->poll != NULL;
        add_node(part, &self->graph->nodes[i], i);
    }
}

/* Between a node and an end of the link that the edge is. One that drops (to another host) does so
 * where the sender puts, and once more in front of a view: what has come over the link is the same
 * for all others, however fast they are. */
static void
end_edge(struct graph_edge *edge, bool may_drop)
{
    edge->is_remote = edge->is_apart = edge->is_durable = false;
    if (!edge_may_drop(edge) || !may_drop)
        edge->full = FULL_BLOCK;
}

/* From the receiving end to all that the link carries for; it speaks for the first itself. */
static void
add_received(struct cutter *self, const struct graph_link *link)
{
    struct graph_part *part = &self->out->parts[link->to];

    for (size_t e = 0; e < self->graph->n_edges; e++) {
        struct graph_edge edge = self->graph->edges[e];

        if (!edge_is_link(&edge) || edge_carrier(self->graph, e) != link->edge)
            continue;
        edge.from = (size_t)(link->receiver - part->graph.nodes);
        edge.from_port = 0;
        end_edge(&edge, self->graph->nodes[edge.to].op->flags & HDE_VIEW);
        edge.to = self->place[edge.to];
        add_edge(part, &edge, e == link->edge ? SIZE_MAX : e);
    }
}

static void
add_edges(struct cutter *self)
{
    struct graph_link *link = self->out->links;

    for (size_t i = 0; i < self->out->n_links; i++) /* they begin at the first nodes */
        add_received(self, &link[i]);
    for (size_t e = 0; e < self->graph->n_edges; e++) {
        struct graph_edge edge = self->graph->edges[e];
        struct graph_part *part = &self->out->parts[self->part[edge.from]];
        bool is_link = edge_is_link(&edge);

        if (is_link && edge_carrier(self->graph, e) != e)
            continue;
        edge.from = self->place[edge.from];
        if (is_link) {
            struct graph_node end = own_node(edge.name, edge.place);

            end_edge(&edge, true);
            edge.to = part->graph.n_nodes;
            edge.to_port = 0;
            end.host = self->graph->nodes[edge.from].host;
            end.spread = self->graph->nodes[self->graph->edges[e].to].spread; /* (5) */
            end.key = end.spread.of ? self->graph->nodes[self->graph->edges[e].to].key : NULL;
            link->sender = add_node(part, &end, SIZE_MAX);
            link++;
        } else {
            edge.to = self->place[edge.to];
        }
        add_edge(part, &edge, is_link ? SIZE_MAX : e);
    }
}

/* What lies on other hosts goes. */
static void
keep_host(struct graph_cut *cut, size_t host)
{
    size_t *place = xcalloc(cut->n_parts + 1, sizeof *place);
    size_t n_parts = 0, n_links = 0;

    for (size_t i = 0; i < cut->n_parts; i++) {
        place[i] = cut->parts[i].host == host ? n_parts : PART_ELSEWHERE;
        if (cut->parts[i].host == host)
            cut->parts[n_parts++] = cut->parts[i];
    }
    for (size_t i = 0; i < cut->n_links; i++) {
        struct graph_link link = cut->links[i];

        link.from = place[link.from];
        link.to = place[link.to];
        if (link.from == PART_ELSEWHERE)
            link.sender = NULL;
        if (link.to == PART_ELSEWHERE)
            link.receiver = NULL;
        if (link.sender || link.receiver)
            cut->links[n_links++] = link;
    }
    cut->n_parts = n_parts;
    cut->n_links = n_links;
    free(place);
}

/* (6) */
static void
add_spare(struct cutter *self)
{
    const struct graph_host *host = &self->graph->hosts[self->graph->host];
    struct graph_node node = own_node(PART_SPARE, host->place);
    struct graph_part *part = self->out->parts;

    node.host = self->graph->host;
    *part = (struct graph_part){.host = self->graph->host, .has_source = true};
    start_part(self, 0, PART_SPARE);
    self->out->spare = add_node(part, &node, SIZE_MAX);
    self->out->n_parts = 1;
}

void
graph_cut(const struct graph *graph, struct graph_cut *out)
{
    struct cutter self = {.graph = graph, .out = out};
    size_t n = 0;

    out->spare = NULL;
    self.part = part_of_nodes(graph, &out->n_parts);
    self.place = xcalloc(graph->n_nodes + 1, sizeof *self.place);
    out->parts = arena_alloc(&out->arena, (out->n_parts + 1) * sizeof *out->parts);
    out->links = arena_alloc(&out->arena, (graph->n_edges + 1) * sizeof *out->links);
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (self.part[i] == n)
            start_part(&self, n++, graph->nodes[i].name);
    add_receivers(&self);
    add_nodes(&self);
    add_edges(&self);
    free(self.place);
    free((void *)(uintptr_t)self.part);
    if (graph_is_of_host(graph))
        keep_host(out, graph->host);
    if (!out->n_parts && graph_is_of_host(graph))
        add_spare(&self);
}

void
graph_cut_fini(struct graph_cut *cut)
{
    arena_fini(&cut->arena);
    *cut = (struct graph_cut){0};
}

/* ---- Two graphs --------------------------------------------------------------------------- */

static const struct graph_part *
part_called(const struct graph_cut *cut, const char *name)
{
    for (size_t i = 0; i < cut->n_parts; i++)
        if (!strcmp(cut->parts[i].name, name))
            return &cut->parts[i];
    return NULL;
}

static bool
has_node(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!strcmp(graph->nodes[i].name, name))
            return true;
    return false;
}

/* A node of both that is in another part; NULL: none. */
static const char *
node_that_moves(const struct graph_cut *before, const struct graph_cut *after)
{
    for (size_t i = 0; i < before->n_parts; i++) {
        const struct graph *old = &before->parts[i].graph;
        const struct graph_part *part = part_called(after, before->parts[i].name);

        for (size_t k = 0; k < old->n_nodes; k++)
            if (old->whole_node[k] != SIZE_MAX && has_node(after->parts[0].graph.whole, old->nodes[k].name) &&
                !(part && has_node(&part->graph, old->nodes[k].name)))
                return old->nodes[k].name;
    }
    return NULL;
}

static const ProtobufCMessageDescriptor *const *
types_of(const struct graph *graph, const struct graph_edge *edge)
{
    return graph->nodes[edge->from].op->outputs[edge->from_port].types;
}

static bool
same_types(const ProtobufCMessageDescriptor *const *a, const ProtobufCMessageDescriptor *const *b)
{
    while (*a && *b && *a == *b) {
        a++;
        b++;
    }
    return !*a && !*b;
}

/* What a link is made with. */
static bool
same_link(const struct graph *a, const struct graph_edge *x, const struct graph *b,
          const struct graph_edge *y)
{
    return x->is_durable == y->is_durable && x->capacity_messages == y->capacity_messages &&
           x->capacity_bytes == y->capacity_bytes && x->journal_bytes == y->journal_bytes &&
           x->is_remote == y->is_remote && x->is_apart == y->is_apart &&
           same_journal(x->journal, y->journal) && same_types(types_of(a, x), types_of(b, y));
}

static const struct graph_edge *
link_called(const struct graph *graph, const char *name)
{
    for (size_t e = 0; e < graph->n_edges; e++)
        if (edge_is_link(&graph->edges[e]) && !strcmp(graph->edges[e].name, name))
            return &graph->edges[e];
    return NULL;
}

/* A link of a that b does not have like that; NULL: none. */
static const struct graph_edge *
link_that_differs(const struct graph *a, const struct graph *b)
{
    for (size_t e = 0; e < a->n_edges; e++) {
        const struct graph_edge *edge = &a->edges[e], *other;

        if (!edge_is_link(edge))
            continue;
        other = link_called(b, edge->name);
        if (!other || !same_link(a, edge, b, other))
            return edge;
    }
    return NULL;
}

/* A node of both that has other replicas on its host; NULL: none. What is on links is for those that
 * there were. */
static const char *
node_spread_anew(const struct graph *before, const struct graph *after)
{
    for (size_t i = 0; i < before->n_nodes; i++)
        for (size_t k = 0; k < after->n_nodes; k++) {
            const struct graph_node *a = &before->nodes[i], *b = &after->nodes[k];

            if (!strcmp(a->name, b->name) &&
                (!same_spread(&a->spread, &b->spread) ||
                 (a->spread.of && strcmp(a->key, b->key) != 0)))
                return a->name;
        }
    return NULL;
}

/* A node of both that lies on another host; NULL: none. */
static const char *
node_elsewhere(const struct graph *before, const struct graph *after)
{
    for (size_t i = 0; i < before->n_nodes; i++)
        for (size_t k = 0; k < after->n_nodes; k++) {
            const struct graph_node *a = &before->nodes[i], *b = &after->nodes[k];

            if (!strcmp(a->name, b->name) &&
                strcmp(before->hosts[a->host].name, after->hosts[b->host].name) != 0)
                return a->name;
        }
    return NULL;
}

bool
graph_is_apart(const struct graph *graph)
{
    bool any = graph_is_of_host(graph);

    for (size_t i = 0; i < graph->n_edges && !any; i++)
        any = graph->edges[i].is_remote;
    return any;
}

const char *
parts_differ(const struct graph *before_here, const struct graph *after_here, struct arena *arena)
{
    struct graph of_all[] = {*before_here, *after_here};
    const struct graph *before = &of_all[0], *after = &of_all[1];
    const struct graph_edge *edge = link_that_differs(before, after);
    struct graph_cut old = {.n_parts = 0}, new = {.n_parts = 0};
    bool apart = graph_is_apart(before) && after->n_hosts;
    const char *why = NULL, *name = apart ? node_elsewhere(before, after) : NULL;
    const char *spread = node_spread_anew(before, after);

    if (spread)
        return arena_printf(arena, "node '%s' would have other replicas, and its keys other hosts",
                            spread);
    if (!edge)
        edge = link_that_differs(after, before);
    if (edge)
        return arena_printf(arena, "edge '%s' is another link, or none", edge->name);
    if (name)
        return arena_printf(arena, "node '%s' would lie on another host", name);
    of_all[0].host = of_all[1].host = HOST_NONE;
    graph_cut(before, &old);
    graph_cut(after, &new);
    apart |= old.n_links > 0;
    name = apart ? node_that_moves(&old, &new) : NULL;
    if (name)
        why = arena_printf(arena, "node '%s' would be in another part", name);
    for (size_t i = 0; i < old.n_parts && !why && apart; i++)
        if (!part_called(&new, old.parts[i].name))
            why = arena_printf(arena, "the part of '%s' would begin with another node",
                               old.parts[i].name);
    if (!why && apart && old.n_parts != new.n_parts)
        why = "there would be another part";
    graph_cut_fini(&old);
    graph_cut_fini(&new);
    return why;
}
