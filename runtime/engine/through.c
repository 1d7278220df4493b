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

bool
through_forget(const char *store, struct err *err)
{
    char *path = xprintf("%s/through", store);
    bool ok = io.unlink(path) == 0 || errno == ENOENT ||
              err_set(err, "HDE-R014", "%s cannot be removed: %s", path, strerror(errno));

    free(path);
    return ok;
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
write_all(const struct through *self)
{
    Hde__StateThrough said = HDE__STATE_THROUGH__INIT;
    Hde__EdgeThrough *edges = xcalloc(self->n + 1, sizeof *edges);
    size_t size;
    uint8_t *bytes;
    bool ok;

    said.has_line = true;
    said.line = self->line;
    said.edges = xcalloc(self->n + 1, sizeof(Hde__EdgeThrough *));
    for (; said.n_edges < self->n; said.n_edges++) {
        const struct through_edge *from = &self->edge[said.n_edges];
        Hde__EdgeThrough *edge = &edges[said.n_edges];

        hde__edge_through__init(edge);
        edge->edge = (char *)(uintptr_t)from->name;
        edge->has_sends = edge->has_tick = edge->has_heard = true;
        edge->sends = from->here == LINK_SENDER;
        edge->tick = from->tick;
        edge->heard = from->is_heard;
        said.edges[said.n_edges] = edge;
    }
    size = hde__state_through__get_packed_size(&said);
    bytes = xmalloc(size + 1);
    hde__state_through__pack(&said, bytes);
    fault_point(FAULT_THROUGH);
    ok = whole_write(self->path, magic, bytes, size);
    fault_point(FAULT_THROUGH);
    free(bytes);
    free(said.edges);
    free(edges);
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
