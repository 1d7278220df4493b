/* SPDX-License-Identifier: Apache-2.0
 * through - what a host remembers of the ends of its edges to and from other hosts: STORE/through.
 *
 * A host that comes back when the others have ended and left cannot ask them any more. So a
 * receiver does not leave before its sender has written here that all has come, and writes here
 * that it knows so; then neither waits for the other in a later process (net/edges.c (6)). What is
 * written goes with the line of the host's state (line.h): behind a restored savepoint or a move it
 * says nothing but what the savepoint has of hosts that had ended by then.
 *
 * A spare host (graph/parts.h) has no edges. It remembers which hosts have said that they are at their
 * end, by the name of the host in place of an edge. One thread at a time. */
#ifndef ENGINE_THROUGH_H
#define ENGINE_THROUGH_H

#include "base/arena.h"
#include "graph/graph.h"
#include "link/link.h"

#include <hde/schemas/runtime.pb-c.h>

struct through {
    struct arena arena;
    const char *path, *graph;
    uint32_t line;
    size_t n;
    struct through_edge *edge;
};
struct through_edge {
    const char *name;
    enum link_end here;
    uint64_t tick; /* the receiver has all up to there */
    bool is_heard; /* the other end knows that this one knows */
};

/* Without a file, or with one of another line, nothing is remembered. False: HDE-R280. */
bool through_open(struct through *self, const char *graph, const char *store, uint32_t line,
                  struct err *err);
void through_fini(struct through *self);
/* A start that goes back to a savepoint of that number: of all that is remembered those edges are
 * left. False: HDE-R014. */
bool through_restore(const char *store, uint32_t line, Hde__EdgeThrough *const *edges, size_t n,
                     struct err *err);
/* For a savepoint: the edges of the graph's host to and from that one, which has ended and left.
 * They are appended to out, which has room for all edges and hosts; the arena's. False: HDE-R310,
 * one is not through at both ends. */
bool through_left(const struct through *self, const struct graph *graph, const char *host,
                  Hde__EdgeThrough **out, size_t *n, struct arena *arena, struct err *err);
/* NULL: nothing. */
const struct through_edge *through_find(const struct through *self, const char *edge,
                                        enum link_end here);
/* False: it cannot be written, which the log says. */
bool through_keep(struct through *self, const char *edge, enum link_end here, uint64_t tick,
                  bool is_heard);

#endif
