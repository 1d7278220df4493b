/* SPDX-License-Identifier: Apache-2.0
 * through - what a host remembers of the ends of its edges to and from other hosts: STORE/through.
 *
 * A host that comes back when the others have ended and left cannot ask them any more. So a
 * receiver does not leave before its sender has written here that all has come, and writes here
 * that it knows so; then neither waits for the other in a later process (net/edges.c (6)). What is
 * written goes with the line of the host's state (line.h): behind a restored savepoint or a move it
 * says nothing. One thread at a time. */
#ifndef ENGINE_THROUGH_H
#define ENGINE_THROUGH_H

#include "base/arena.h"
#include "link/link.h"

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
/* A start that goes back: nothing is remembered any more. False: HDE-R014. */
bool through_forget(const char *store, struct err *err);
/* NULL: nothing. */
const struct through_edge *through_find(const struct through *self, const char *edge,
                                        enum link_end here);
/* False: it cannot be written, which the log says. */
bool through_keep(struct through *self, const char *edge, enum link_end here, uint64_t tick,
                  bool is_heard);

#endif
