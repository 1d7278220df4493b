/* SPDX-License-Identifier: Apache-2.0
 * line - what the state of a host goes back to: STORE/line. Any process.
 *
 * Nodes that were moved lie where they were moved to, whatever the graph file says, from the savepoint
 * on that the move has made. Hosts whose states go back to different savepoints do not talk to each
 * other (HDE-N020).
 *
 * Where links between hosts were changed (relink.h) the line has the text of the graph that goes with
 * the state: it runs in place of the file that the start names, as long as that says what it said then. */
#ifndef ENGINE_LINE_H
#define ENGINE_LINE_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/graph.h"

#include <hde/schemas/runtime.pb-c.h>

#include <stdint.h>

struct line {
    uint32_t number; /* of the savepoint over hosts; 0: none */
    size_t n_moves;
    const char **moves; /* "node=host", the last one holds */
    const Hde__GraphText *runs, *before; /* NULL: what the file says; nothing to go back to */
};

/* Lives in the arena. That of the next start: STORE/restore comes before STORE/line. */
bool line_read(const char *store, struct arena *arena, struct line *out, struct err *err);
/* graph_load() of one host, with the moves of its store. NULL: diags has errors, or err is set. */
struct graph *line_load(const char *path, const struct graph_options *options,
                        const struct registry *registry, struct diags *diags, struct err *err);
/* The same for a start: the graph that goes with the state. */
struct graph *line_start(const char *path, const struct graph_options *options,
                         const struct registry *registry, struct diags *diags, struct err *err);
/* Moves of nodes that the graph does not have any more go. */
void line_fit(struct line *line, const struct graph *graph);
struct line line_copy(const struct line *line, struct arena *arena);
bool line_write(const char *store, const struct line *line, struct err *err);

/* As bytes, which the caller frees, and back; false: HDE-R233. */
uint8_t *line_pack(const struct line *line, size_t *size);
bool line_unpack(const uint8_t *bytes, size_t size, struct arena *arena, struct line *out,
                 struct err *err);
/* The graph that a start would run if its store had that line. */
struct graph *line_try(const char *path, const struct graph_options *options,
                       const struct registry *registry, const struct line *line,
                       struct diags *diags);

/* A graph as text, and back; of one that was made of files. Options give all but sets and texts. The
 * arena's. */
Hde__GraphText *line_text(const struct graph *graph, struct arena *arena);
struct graph *line_load_text(const Hde__GraphText *text, const struct graph_options *options,
                             const struct registry *registry, struct diags *diags);
/* The graph before, with the moves that are left to it; the line loses the others. */
struct graph *line_load_before(struct line *line, const struct graph_options *options,
                               const struct registry *registry, struct diags *diags);

#endif
