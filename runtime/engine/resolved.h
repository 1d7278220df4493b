/* SPDX-License-Identifier: Apache-2.0
 * resolved - a checked graph as a message, and back: what logs and epochs say of the graph that
 * ran.
 *
 * Secrets are not in it. They come from a graph that was loaded from its file, where that has the
 * same node. */
#ifndef ENGINE_RESOLVED_H
#define ENGINE_RESOLVED_H

#include "graph/graph.h"

#include <hde/schemas/runtime.pb-c.h>

/* Packed; free() it. The same graph gives the same bytes. */
uint8_t *graph_resolve(const struct graph *graph, size_t *size);

struct resolved_options {
    const struct registry *registry;
    const struct graph *like; /* for secrets and for settings of the whole graph; NULL: defaults */
    const char *const *sets;  /* "node.param=value"; others are passed over */
    size_t n_sets;
};
/* HDE-R057: not one, or an operator is gone, or does not take its parameters any more. */
struct graph *graph_of_resolved(const void *bytes, size_t size,
                                const struct resolved_options *options, struct err *err);

#endif
