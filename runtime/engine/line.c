/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/line.h"

#include "base/io.h"
#include "base/whole.h"
#include "engine/epoch.h"

#include <hde/schemas/runtime.pb-c.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[WHOLE_MAGIC] = "HDELINE1";

static void
keep(struct line *out, uint32_t number, char *const *moves, size_t n, struct arena *arena)
{
    out->number = number;
    out->n_moves = n;
    out->moves = arena_alloc(arena, (n + 1) * sizeof *out->moves);
    for (size_t i = 0; i < n; i++)
        out->moves[i] = arena_text(arena, moves[i]);
}

/* A savepoint that the next start goes back to. */
static bool
read_restored(const char *store, struct arena *arena, struct line *out)
{
    Hde__Epoch *restored = epoch_read(arena_printf(arena, "%s/restore", store));
    bool is_there = restored && restored->has_across;

    if (is_there)
        keep(out, restored->across, restored->moves, restored->n_moves, arena);
    if (restored)
        hde__epoch__free_unpacked(restored, NULL);
    return is_there;
}

bool
line_read(const char *store, struct arena *arena, struct line *out, struct err *err)
{
    const char *path = arena_printf(arena, "%s/line", store);
    Hde__StateLine *line = NULL;
    size_t size = 0;
    uint8_t *bytes;

    *out = (struct line){0};
    if (read_restored(store, arena, out))
        return true;
    bytes = whole_read(path, magic, &size);
    if (!bytes && errno == ENOENT)
        return true;
    if (bytes)
        line = hde__state_line__unpack(NULL, size, bytes);
    free(bytes);
    if (!line)
        return err_set(err, "HDE-R233", "'%s' cannot be read: it says what the state goes back to",
                       path);
    keep(out, line->number, line->moves, line->n_moves, arena);
    hde__state_line__free_unpacked(line, NULL);
    return true;
}

struct graph *
line_load(const char *path, const struct graph_options *options, const struct registry *registry,
          struct diags *diags, struct err *err)
{
    struct graph *graph = graph_load(path, options, registry, diags);
    struct graph_options moved = *options;
    struct arena arena = {0};
    struct line line = {0};

    if (!graph || !graph_is_of_host(graph) || !graph->checkpoint.store)
        return graph;
    if (line_read(graph->checkpoint.store, &arena, &line, err) && !line.n_moves) {
        arena_fini(&arena);
        return graph;
    }
    graph_free(graph);
    graph = NULL;
    if (line.n_moves) {
        moved.moves = line.moves;
        moved.n_moves = line.n_moves;
        diags_fini(diags);
        *diags = (struct diags){0};
        graph = graph_load(path, &moved, registry, diags);
    }
    arena_fini(&arena);
    return graph;
}

bool
line_write(const char *store, const struct line *line, struct err *err)
{
    Hde__StateLine said = HDE__STATE_LINE__INIT;
    char *path = xprintf("%s/line", store);
    size_t size;
    uint8_t *bytes;
    bool ok;

    said.has_number = true;
    said.number = line->number;
    said.n_moves = line->n_moves;
    said.moves = (char **)(uintptr_t)line->moves;
    size = hde__state_line__get_packed_size(&said);
    bytes = xmalloc(size + 1);
    hde__state_line__pack(&said, bytes);
    ok = (io_make_folders(store) && whole_write(path, magic, bytes, size)) ||
         err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    free(bytes);
    free(path);
    return ok;
}
