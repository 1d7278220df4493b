/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/through.h"

#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "base/whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[WHOLE_MAGIC] = "HDETHRU1";

static struct through_edge *
add_edge(struct through *self, const char *name, enum link_end here)
{
    struct through_edge *edge;

    self->edge = xrealloc(self->edge, (self->n + 1) * sizeof *self->edge);
    edge = &self->edge[self->n++];
    *edge = (struct through_edge){.name = arena_text(&self->arena, name), .here = here};
    return edge;
}

static void
take_all(struct through *self, const Hde__StateThrough *said)
{
    for (size_t i = 0; i < said->n_edges && said->line == self->line; i++) {
        const Hde__EdgeThrough *from = said->edges[i];
        struct through_edge *edge =
            add_edge(self, from->edge ? from->edge : "", from->sends ? LINK_SENDER : LINK_RECEIVER);

        edge->tick = from->tick;
        edge->is_heard = from->heard;
    }
}

bool
through_open(struct through *self, const char *graph, const char *store, uint32_t line,
             struct err *err)
{
    Hde__StateThrough *said = NULL;
    size_t size = 0;
    uint8_t *bytes;

    *self = (struct through){.line = line, .graph = graph};
    self->path = arena_printf(&self->arena, "%s/through", store);
    bytes = whole_read(self->path, magic, &size);
    if (!bytes && errno == ENOENT)
        return true;
    if (bytes)
        said = hde__state_through__unpack(NULL, size, bytes);
    free(bytes);
    if (!said)
        return err_set(
            err, "HDE-R280",
            "'%s' cannot be read: it says which other hosts are through with this one's edges; "
            "without it this host waits for them, so remove it and start all hosts",
            self->path);
    take_all(self, said);
    hde__state_through__free_unpacked(said, NULL);
    return true;
}

void
through_fini(struct through *self)
{
    free(self->edge);
    arena_fini(&self->arena);
}

static struct through_edge *
find(const struct through *self, const char *edge, enum link_end here)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->edge[i].here == here && !strcmp(self->edge[i].name, edge))
            return &self->edge[i];
    return NULL;
}

const struct through_edge *
through_find(const struct through *self, const char *edge, enum link_end here)
{
    return find(self, edge, here);
}

static bool
write_edges(const char *path, uint32_t line, Hde__EdgeThrough *const *edges, size_t n)
{
    Hde__StateThrough said = HDE__STATE_THROUGH__INIT;
    size_t size;
    uint8_t *bytes;
    bool ok;

    said.has_line = true;
    said.line = line;
    said.n_edges = n;
    said.edges = (Hde__EdgeThrough **)(uintptr_t)edges;
    size = hde__state_through__get_packed_size(&said);
    bytes = xmalloc(size + 1);
    hde__state_through__pack(&said, bytes);
    fault_point(FAULT_THROUGH);
    ok = whole_write(path, magic, bytes, size);
    fault_point(FAULT_THROUGH);
    free(bytes);
    return ok;
}

static Hde__EdgeThrough *
edge_said(const struct through_edge *from, struct arena *arena)
{
    Hde__EdgeThrough *edge = arena_alloc(arena, sizeof *edge);

    hde__edge_through__init(edge);
    edge->edge = arena_text(arena, from->name);
    edge->has_sends = edge->has_tick = edge->has_heard = true;
    edge->sends = from->here == LINK_SENDER;
    edge->tick = from->tick;
    edge->heard = from->is_heard;
    return edge;
}

static bool
write_all(const struct through *self)
{
    struct arena arena = {0};
    Hde__EdgeThrough **edges = arena_alloc(&arena, (self->n + 1) * sizeof *edges);
    bool ok;

    for (size_t i = 0; i < self->n; i++)
        edges[i] = edge_said(&self->edge[i], &arena);
    ok = write_edges(self->path, self->line, edges, self->n);
    arena_fini(&arena);
    return ok;
}

bool
through_keep(struct through *self, const char *name, enum link_end here, uint64_t tick,
             bool is_heard)
{
    struct through_edge *edge = find(self, name, here);

    if (!edge)
        edge = add_edge(self, name, here);
    edge->tick = tick;
    edge->is_heard = is_heard;
    if (write_all(self))
        return true;
    log_line(LEVEL_ERROR, self->graph, name, "through.failed",
             "%s cannot be written (%s): the other end of this edge stays until it is", self->path,
             strerror(errno));
    return false;
}

/* ---- Savepoints ----------------------------------------------------------------------------- */

/* Who has received all has left when it had heard that this one knows. */
static bool
add_left(const struct through *self, const struct graph_edge *edge, enum link_end here,
         Hde__EdgeThrough **out, struct arena *arena)
{
    const struct through_edge *known = find(self, edge->name, here);

    if (!known || (here == LINK_RECEIVER && !known->is_heard))
        return false;
    *out = edge_said(known, arena);
    (*out)->heard = true;
    return true;
}

bool
through_left(const struct through *self, const struct graph *graph, const char *host,
             Hde__EdgeThrough **out, size_t *n, struct arena *arena, struct err *err)
{
    const struct through_edge *ended; /* a spare host remembers that of the host itself */

    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];
        size_t from = graph->nodes[edge->from].host, to = graph->nodes[edge->to].host;
        bool sends = from == graph->host;

        if (!edge->is_remote || (!sends && to != graph->host) ||
            strcmp(graph->hosts[sends ? to : from].name, host) != 0)
            continue;
        if (!add_left(self, edge, sends ? LINK_SENDER : LINK_RECEIVER, &out[*n], arena))
            return err_set(err, "HDE-R310",
                           "host '%s' is not there, and edge '%s' is not at its end: start it",
                           host, edge->name);
        ++*n;
    }
    if ((ended = find(self, host, LINK_RECEIVER)))
        out[(*n)++] = edge_said(ended, arena);
    return true;
}

bool
through_restore(const char *store, uint32_t line, Hde__EdgeThrough *const *edges, size_t n,
                struct err *err)
{
    char *path = xprintf("%s/through", store);
    bool ok = n ? write_edges(path, line, edges, n) : io.unlink(path) == 0 || errno == ENOENT;

    if (!ok)
        err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    free(path);
    return ok;
}
