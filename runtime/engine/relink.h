/* SPDX-License-Identifier: Apache-2.0
 * relink - another graph whose links between hosts, or parts, are others: what one host makes of
 * it.
 *
 * It is a move (over_hosts.h) that comes with a graph: every host loads that first and may refuse,
 * all of them stop at one cut, at which no link holds anything, and begin anew from there. So a
 * link that goes has been emptied, and both ends of one that comes begin with nothing. */
#ifndef ENGINE_RELINK_H
#define ENGINE_RELINK_H

#include "engine/engine.h"
#include "engine/line.h"

#include <hde/schemas/control.pb-c.h>

struct relink_ask {
    const struct graph *before;           /* what runs */
    const struct engine_options *options; /* of this process */
    const struct registry *registry;
    const struct line *line; /* of this host */
    struct engine *engine; /* of any part of it */
    const Hde__HostStep *step;
};

/* The graph that the step asks for; its new nodes were opened for once. NULL with err: this host
 * refuses (HDE-R210, R261 and what is wrong with the graph). */
struct graph *relink_load(const struct relink_ask *ask, struct err *err);
/* What goes into the line, in the arena: what runs afterwards, in place of what the file of the
 * start says (NULL: it says just that); and what runs now. */
const Hde__GraphText *relink_runs(const struct relink_ask *ask, const struct graph *graph,
                                  struct arena *arena);
/* Before parts end: what runs now is what a start runs, also when the file says something else by
 * now and the change is given up. */
bool relink_holds(const struct relink_ask *ask, struct err *err);

#endif
