/* SPDX-License-Identifier: Apache-2.0
 * ends - the operators that end a link (link.h) in this process: link/out is a sink at the sender,
 * link/in a source at the receiver that can be asked again.
 *
 * They are no plugin's and no graph file names them: parts.c puts them where graph_cut() has cut.
 * link/out is the output commit of its link: with checkpoints its frames wait for the log (L2). */
#ifndef LINK_ENDS_H
#define LINK_ENDS_H

#include "graph/parts.h"
#include "link/link.h"

/* Makes the two nodes ends of that link, or one where the other end is on another host (NULL);
 * operators and parameters live in the arena. The link must be there before an engine is made of the
 * nodes, and after it. */
void link_ends_make(struct arena *arena, struct link *link,
                    const ProtobufCMessageDescriptor *const *types, struct graph_node *sender,
                    struct graph_node *receiver);

/* The node of a spare host: a source that gives nothing, until it is drained. None there: nothing. */
void link_spare_make(struct graph_cut *cut);

/* All ends of a cut, and what a spare host has, for who only looks at them. */
void link_ends_name(const struct graph *graph, struct graph_cut *cut);

/* A position of the receiving end: the tick of the sender whose frame it is behind. */
uint64_t link_tick(const uint8_t *at, size_t size);
/* Whether that is the name of the operator at the sending end. */
bool link_is_sender(const char *op);

#endif
