/* SPDX-License-Identifier: Apache-2.0
 * order - topological order, and the cycles that forbid one.
 *
 * Kahn's algorithm with a heap of the nodes that are ready, so that ties go in file order. What is
 * left over is on or behind a cycle: walking backwards from any such node runs into one. It is
 * reported, the edge that closes it is taken out, and the whole starts again, until none is left:
 * that finds every independent cycle in one run. */
#include "graph/load.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CYCLES_MAX = 20 };

struct sorter {
    struct loader *loader;
    bool *dropped; /* edges */
    size_t *first; /* edges of a node: by_from[first[i]] .. by_from[first[i + 1]] */
    size_t *by_from;
    size_t *waiting; /* inputs whose sender is not placed yet */
    size_t *heap, n_heap;
};

static void
heap_push(struct sorter *s, size_t node)
{
    size_t i = s->n_heap++;

    for (; i && s->heap[(i - 1) / 2] > node; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = node;
}

static size_t
heap_pop(struct sorter *s)
{
    size_t top = s->heap[0], last = s->heap[--s->n_heap], i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < s->n_heap && s->heap[child + 1] < s->heap[child])
            child++;
        if (child >= s->n_heap || s->heap[child] >= last)
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

static void
index_edges(struct sorter *s)
{
    const struct loader *loader = s->loader;

    for (size_t i = 0; i < loader->n_edges; i++)
        s->first[loader->edges[i].from.node + 1]++;
    for (size_t i = 0; i < loader->n_nodes; i++)
        s->first[i + 1] += s->first[i];
    for (size_t i = loader->n_edges; i-- > 0;) /* fills every slice from its end */
        s->by_from[--s->first[loader->edges[i].from.node + 1]] = i;
    for (size_t i = 0; i < loader->n_nodes; i++)
        s->first[i] = s->first[i + 1];
    s->first[loader->n_nodes] = loader->n_edges;
}

static size_t
place_all(struct sorter *s, size_t *order)
{
    const struct loader *loader = s->loader;
    size_t n = 0;

    memset(s->waiting, 0, loader->n_nodes * sizeof *s->waiting);
    for (size_t i = 0; i < loader->n_edges; i++)
        s->waiting[loader->edges[i].to.node] += !s->dropped[i];
    for (size_t i = 0; i < loader->n_nodes; i++)
        if (s->waiting[i] == 0)
            heap_push(s, i);
    while (s->n_heap) {
        size_t node = heap_pop(s);

        order[n++] = node;
        for (size_t i = s->first[node]; i < s->first[node + 1]; i++) {
            size_t edge = s->by_from[i];

            if (!s->dropped[edge] && --s->waiting[loader->edges[edge].to.node] == 0)
                heap_push(s, loader->edges[edge].to.node);
        }
    }
    return n;
}

/* Says "a -> b -> c -> a", beginning behind the closing edge. back[i]: the edge that was followed
 * backwards from node i. */
static void
report_cycle(struct sorter *s, const size_t *back, size_t closing)
{
    struct loader *loader = s->loader;
    const struct edge_draft *edge = &loader->edges[closing];
    size_t end = edge->to.node, node = edge->from.node;
    const char *text = loader->nodes[end].full;

    if (end == node) {
        diags_add(loader->diags, SEVERITY_ERROR, G_CYCLE, edge->place, "'%s' feeds itself",
                  loader->nodes[node].full);
        return;
    }
    text = arena_printf(loader->arena, "%s -> %s", loader->nodes[node].full, text);
    while (node != end) {
        node = loader->edges[back[node]].from.node;
        text = arena_printf(loader->arena, "%s -> %s", loader->nodes[node].full, text);
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_CYCLE, edge->place,
              "messages would go round in a circle: %s", text);
    diags_hint(loader->diags, "a graph has no cycles: take one of these edges out");
}

/* Finds one cycle among the nodes that still wait and takes out its last edge in file order. */
static void
break_cycle(struct sorter *s)
{
    const struct loader *loader = s->loader;
    size_t *back = xmalloc(loader->n_nodes * sizeof *back), node = 0, closing, stop;
    bool *seen = xcalloc(loader->n_nodes, sizeof *seen);

    for (size_t i = 0; i < loader->n_nodes; i++)
        back[i] = SIZE_MAX;
    for (size_t i = loader->n_edges; i-- > 0;)
        if (!s->dropped[i] && s->waiting[loader->edges[i].from.node] &&
            s->waiting[loader->edges[i].to.node])
            back[loader->edges[i].to.node] = i;
    while (!s->waiting[node])
        node++;
    while (!seen[node]) {
        seen[node] = true;
        node = loader->edges[back[node]].from.node;
    }
    stop = node;
    closing = back[node];
    do {
        closing = back[node] > closing ? back[node] : closing;
        node = loader->edges[back[node]].from.node;
    } while (node != stop);
    report_cycle(s, back, closing);
    s->dropped[closing] = true;
    free(seen);
    free(back);
}

bool
order_nodes(struct loader *loader, size_t *order)
{
    size_t n = loader->n_nodes, cycles = 0;
    struct sorter s = {.loader = loader,
                       .dropped = xcalloc(loader->n_edges, sizeof(bool)),
                       .first = xcalloc(n + 2, sizeof(size_t)),
                       .by_from = xcalloc(loader->n_edges, sizeof(size_t)),
                       .waiting = xcalloc(n, sizeof(size_t)),
                       .heap = xcalloc(n, sizeof(size_t))};

    index_edges(&s);
    while (place_all(&s, order) < n && cycles++ < CYCLES_MAX)
        break_cycle(&s);
    free(s.dropped);
    free(s.first);
    free(s.by_from);
    free(s.waiting);
    free(s.heap);
    return cycles == 0;
}
