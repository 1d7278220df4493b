/* SPDX-License-Identifier: Apache-2.0
 * move - nodes that lie on other hosts from a savepoint on: what a host goes on from.
 *
 * Every part has ended at the cut of the savepoint, and links hold nothing. So states and positions
 * of nodes are all there is, and they go into the parts that the new graph has on each host. What
 * is lost with a machine comes from its last epochs, in a store that its successor reaches; links
 * from and to it keep what they hold, and frames are sent again from there. */
#ifndef ENGINE_MOVE_H
#define ENGINE_MOVE_H

#include "graph/parts.h"

#include <hde/schemas/runtime.pb-c.h>

struct move_ask {
    const struct graph *before, *after; /* for this host */
    uint32_t number;                    /* of the savepoint */
    const char *leader;                 /* host */
    size_t n_moves;                     /* all that are in force afterwards */
    const char *const *moves;
    size_t n_lost; /* hosts */
    const char *const *lost;
    size_t n_shares;
    const char *const *shares; /* files: of this host first, then of those that nodes come from */
    const Hde__GraphText *runs, *was; /* of the line afterwards; NULL: none */
};

/* Whether the graphs are the same but for the hosts of nodes: HDE-R235. */
bool move_is_plain(const struct graph *before, const struct graph *after, struct err *err);
/* Writes what the next start of this host goes on from, under that path. Who still runs on the
 * store of a lost host whose nodes come here is told to stop; HDE-R236: that store is not here. */
bool move_write(const struct move_ask *ask, const char *path, struct err *err);

/* Whether the store of a host that is lost is here: HDE-R236. */
bool move_reaches(const struct graph *graph, const char *host, struct err *err);
/* STORE/OTHER beside this host's STORE/HOST. */
const char *move_store_of(const struct graph *graph, const char *host, struct arena *arena);
/* Where a node of the graph afterwards lay before. */
size_t move_host_before(const struct graph *before, const struct graph_node *node);
/* Whether a node that lies on host `to` afterwards goes on from what host `from` has. */
bool move_feeds(const struct graph *before, const struct graph *after, size_t from, size_t to);
/* The same of this host and one of that name. */
bool move_gives_here(const struct move_ask *ask, const char *host);
bool move_keeps_frames(const Hde__SavedNode *sender); /* of a link */

/* Puts folders of parts that the cut does not have aside, into STORE/before/NUMBER; cut NULL: all. */
bool move_clear(const struct graph_cut *cut, const char *store, uint32_t number, struct err *err);
/* Hosts that are lost find, if they come back, that nothing lies on them any more. */
bool move_fence(const struct graph *graph, const Hde__Epoch *restored, struct err *err);

#endif
