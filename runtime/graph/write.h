/* SPDX-License-Identifier: Apache-2.0
 * write - a graph as text: rails for terminals, dot, mermaid, JSON. */
#ifndef GRAPH_WRITE_H
#define GRAPH_WRITE_H

#include "graph/graph.h"

#include <hde/text.h>

enum graph_format { GRAPH_ASCII, GRAPH_DOT, GRAPH_MERMAID, GRAPH_JSON };

/* Numbers of a running engine on nodes and edges. A function appends a short text without line
 * breaks, or nothing; either may be NULL. */
struct graph_labels {
    void (*node)(void *arg, size_t node, hde_text *out);
    void (*edge)(void *arg, size_t edge, hde_text *out);
    void *arg;
};

/* labels may be NULL. */
void graph_write(const struct graph *graph, enum graph_format format,
                 const struct graph_labels *labels, hde_text *out);

/* The value of a parameter in a state as JSON: durations in seconds, sizes in bytes, ratios as
 * numbers; secrets only whether there is one. */
void graph_write_param(hde_text *out, const hde_param *param, const void *state);

#endif
