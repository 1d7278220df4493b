/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/line.h"

#include "base/io.h"
#include "base/log.h"
#include "base/whole.h"
#include "engine/epoch.h"
#include "graph/hosts.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char magic[WHOLE_MAGIC] = "HDELINE1";

/* ---- Graphs as text ------------------------------------------------------------------------ */

static Hde__GraphText *
new_text(const char *path, size_t n_sets, size_t n_files, struct arena *arena)
{
    Hde__GraphText *out = arena_alloc(arena, sizeof *out);

    hde__graph_text__init(out);
    out->has_instead = true;
    out->path = arena_text(arena, path);
    out->set = arena_alloc(arena, (n_sets + 1) * sizeof *out->set);
    out->files = arena_alloc(arena, (n_files + 1) * sizeof *out->files);
    return out;
}

static void
add_file(Hde__GraphText *out, const char *path, const char *text, struct arena *arena)
{
    Hde__GraphFile *file = arena_alloc(arena, sizeof *file);

    hde__graph_file__init(file);
    file->path = arena_text(arena, path);
    file->text = arena_text(arena, text);
    out->files[out->n_files++] = file;
}

/* From the root: the next start may be one from another folder. */
static const char *
whole_path(const char *path, struct arena *arena)
{
    char folder[PATH_MAX];

    return *path == '/' || !getcwd(folder, sizeof folder)
               ? path
               : arena_printf(arena, "%s/%s", folder, path);
}

Hde__GraphText *
line_text(const struct graph *graph, struct arena *arena)
{
    Hde__GraphText *out =
        new_text(whole_path(graph->path, arena), graph->n_sets, graph->n_texts, arena);

    for (size_t i = 0; i < graph->n_sets; i++)
        out->set[out->n_set++] = arena_text(arena, graph->sets[i]);
    for (size_t i = 0; i < graph->n_texts; i++)
        add_file(out, whole_path(graph->texts[i].path, arena), graph->texts[i].text, arena);
    return out;
}

static Hde__GraphText *
copy_text(const Hde__GraphText *text, struct arena *arena)
{
    Hde__GraphText *out;

    if (!text || !text->path)
        return NULL;
    out = new_text(text->path, text->n_set, text->n_files, arena);
    out->instead = text->instead;
    for (size_t i = 0; i < text->n_set; i++)
        out->set[out->n_set++] = arena_text(arena, text->set[i]);
    for (size_t i = 0; i < text->n_files; i++)
        add_file(out, text->files[i]->path, text->files[i]->text, arena);
    return out;
}

struct graph *
line_load_text(const Hde__GraphText *text, const struct graph_options *options,
               const struct registry *registry, struct diags *diags)
{
    struct graph_options with = *options;
    struct graph_text *texts = xcalloc(text->n_files + 1, sizeof *texts);
    struct graph *graph;

    for (size_t i = 0; i < text->n_files; i++)
        texts[i] = (struct graph_text){text->files[i]->path, text->files[i]->text};
    with.texts = texts;
    with.n_texts = text->n_files;
    with.sets = (const char *const *)text->set;
    with.n_sets = text->n_set;
    graph = graph_load(text->path, &with, registry, diags);
    free(texts);
    return graph;
}

/* ---- The line ------------------------------------------------------------------------------ */

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

    if (is_there) {
        keep(out, restored->across, restored->moves, restored->n_moves, arena);
        out->runs = copy_text(restored->runs, arena);
        out->before = copy_text(restored->before, arena);
    }
    if (restored)
        hde__epoch__free_unpacked(restored, NULL);
    return is_there;
}

bool
line_unpack(const uint8_t *bytes, size_t size, struct arena *arena, struct line *out,
            struct err *err)
{
    Hde__StateLine *line = hde__state_line__unpack(NULL, size, bytes);

    *out = (struct line){0};
    if (!line)
        return err_set(err, "HDE-R233", "what the state goes back to cannot be read");
    keep(out, line->number, line->moves, line->n_moves, arena);
    out->runs = copy_text(line->runs, arena);
    out->before = copy_text(line->before, arena);
    hde__state_line__free_unpacked(line, NULL);
    return true;
}

bool
line_read(const char *store, struct arena *arena, struct line *out, struct err *err)
{
    const char *path = arena_printf(arena, "%s/line", store);
    size_t size = 0;
    bool ok;
    uint8_t *bytes;

    *out = (struct line){0};
    if (read_restored(store, arena, out))
        return true;
    bytes = whole_read(path, magic, &size);
    if (!bytes && errno == ENOENT)
        return true;
    ok = bytes && line_unpack(bytes, size, arena, out, NULL);
    free(bytes);
    return ok || err_set(err, "HDE-R233",
                         "'%s' cannot be read: it says what the state goes back to", path);
}

static struct graph *
load_anew(const char *path, const struct graph_options *options, const struct registry *registry,
          const struct line *line, const Hde__GraphText *runs, struct diags *diags)
{
    struct graph_options with = *options;

    with.moves = line->moves;
    with.n_moves = line->n_moves;
    diags_fini(diags);
    *diags = (struct diags){0};
    return runs ? line_load_text(runs, &with, registry, diags)
                : graph_load(path, &with, registry, diags);
}

struct graph *
line_load_before(struct line *line, const struct graph_options *options,
                 const struct registry *registry, struct diags *diags)
{
    struct graph *graph = line_load_text(line->before, options, registry, diags);

    if (!graph)
        return NULL;
    line_fit(line, graph);
    if (!line->n_moves)
        return graph;
    graph_free(graph);
    return load_anew(line->before->path, options, registry, line, line->before, diags);
}

/* What runs in place of the file, which says that; NULL: nothing. */
static const Hde__GraphText *
runs_instead(const struct line *line, const struct graph *file)
{
    return line->runs && line->runs->instead == hosts_texts(file) ? line->runs : NULL;
}

/* What the file says is given up for what the line says of it. */
static struct graph *
load_by(const struct line *said, struct graph *file, const Hde__GraphText *runs,
        const struct graph_options *options, const struct registry *registry, struct diags *diags)
{
    const char *path = file->path;
    struct arena arena = {0};
    struct line line = line_copy(said, &arena);
    struct graph *graph = file;

    if (!runs)
        line_fit(&line, file);
    if (runs || line.n_moves) {
        path = arena_text(&arena, path);
        graph_free(file);
        graph = load_anew(path, options, registry, &line, runs, diags);
    }
    arena_fini(&arena);
    return graph;
}

static struct graph *
load(const char *path, const struct graph_options *options, const struct registry *registry,
     bool is_start, struct diags *diags, struct err *err)
{
    struct graph *graph = graph_load(path, options, registry, diags);
    const Hde__GraphText *runs = NULL;
    struct arena arena = {0};
    struct line line = {0};

    if (!graph || !graph_is_of_host(graph) || !graph->checkpoint.store)
        return graph;
    if (!line_read(graph->checkpoint.store, &arena, &line, err)) {
        graph_free(graph);
        arena_fini(&arena);
        return NULL;
    }
    if (is_start && (runs = runs_instead(&line, graph)))
        log_line(LEVEL_INFO, graph->name, NULL, "host.graph",
                 "%s runs as it was when its links between hosts were changed; %s has not changed "
                 "since",
                 runs->path, path);
    graph = load_by(&line, graph, runs, options, registry, diags);
    arena_fini(&arena);
    return graph;
}

struct graph *
line_try(const char *path, const struct graph_options *options, const struct registry *registry,
         const struct line *line, struct diags *diags)
{
    struct graph *graph = graph_load(path, options, registry, diags);

    return graph ? load_by(line, graph, runs_instead(line, graph), options, registry, diags) : NULL;
}

struct graph *
line_load(const char *path, const struct graph_options *options, const struct registry *registry,
          struct diags *diags, struct err *err)
{
    return load(path, options, registry, false, diags, err);
}

struct graph *
line_start(const char *path, const struct graph_options *options, const struct registry *registry,
           struct diags *diags, struct err *err)
{
    return load(path, options, registry, true, diags, err);
}

void
line_fit(struct line *line, const struct graph *graph)
{
    size_t n = 0;

    for (size_t i = 0; i < line->n_moves; i++)
        if (hosts_move_means(graph, line->moves[i]))
            line->moves[n++] = line->moves[i];
    line->n_moves = n;
}

struct line
line_copy(const struct line *line, struct arena *arena)
{
    struct line out = {0};

    keep(&out, line->number, (char *const *)(uintptr_t)line->moves, line->n_moves, arena);
    out.runs = copy_text(line->runs, arena);
    out.before = copy_text(line->before, arena);
    return out;
}

uint8_t *
line_pack(const struct line *line, size_t *size)
{
    Hde__StateLine said = HDE__STATE_LINE__INIT;
    uint8_t *bytes;

    said.has_number = true;
    said.number = line->number;
    said.n_moves = line->n_moves;
    said.moves = (char **)(uintptr_t)line->moves;
    said.runs = (Hde__GraphText *)(uintptr_t)line->runs;
    said.before = (Hde__GraphText *)(uintptr_t)line->before;
    *size = hde__state_line__get_packed_size(&said);
    bytes = xmalloc(*size + 1);
    hde__state_line__pack(&said, bytes);
    return bytes;
}

bool
line_write(const char *store, const struct line *line, struct err *err)
{
    char *path = xprintf("%s/line", store);
    size_t size;
    uint8_t *bytes = line_pack(line, &size);
    bool ok;

    ok = (io_make_folders(store) && whole_write(path, magic, bytes, size)) ||
         err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    free(bytes);
    free(path);
    return ok;
}
