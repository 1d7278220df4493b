/* SPDX-License-Identifier: Apache-2.0
 * hosts_change - the other hosts of a graph as one more member of a change (joint.h): what the
 * coordinator tells them, and what a host does that is told.
 *
 * Each host reads its own files, as its next start will: the coordinator sends their path and
 * their hash, and a host that has others refuses (HDE-R210). All functions are of the thread of
 * changes, but for hosts_change_new(). */
#ifndef ENGINE_HOSTS_CHANGE_H
#define ENGINE_HOSTS_CHANGE_H

#include "engine/agreement.h"
#include "engine/changes.h"
#include "engine/joint.h"

/* The request of another host, which leads: a change whose share it is. */
struct change *hosts_change_new(struct share *share);
/* The graph says here what it says at the coordinator. */
bool hosts_change_fits(struct agreement *self, struct change *change, const struct graph *graph);
/* The last member of the change's first meeting. Sets is_decided and is_lost. */
void hosts_change_join(struct agreement *self, struct change *change, struct joint *joint);
/* Behind it, when the own parts are over: the coordinator tells the others, if it is decided, and
 * notes what became of it there. Sets has_failed. */
void hosts_change_tell(struct agreement *self, struct change *change);
void hosts_change_failure(struct change *change); /* of has_failed, as the error of the change */
/* Whether the others could make it; nothing is done. What they say is in the report. */
void hosts_change_plan(struct agreement *self, struct change *change);
/* It is over here, and change_say() has said how. */
void hosts_change_over(struct agreement *self, struct change *change);

#endif
