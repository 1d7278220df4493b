/* SPDX-License-Identifier: Apache-2.0
 * held - what edges that drop hold in front of nodes that are no views: in epochs, and when a log
 * is taken again. */
#ifndef ENGINE_HELD_H
#define ENGINE_HELD_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

/* On the thread of an actor that passes a barrier: its ends of such edges are added to `list`,
 * which has room for all its edges. */
void held_save(const struct actor *actor, Hde__SavedEdge **list, size_t *n);
/* Before the engine runs. HDE-R110. */
bool held_restore(struct engine *engine, const Hde__SavedEdge *saved, struct err *err);
/* Before a log is taken: what its hand-overs have taken leaves the edges again. */
bool held_read_log(struct engine *engine, struct err *err);

/* Messages as they are in logs and epochs. */
Hde__LogMessage *held_pack(uint32_t port, const hde_msg *msg);
/* NULL: none of the port's types, or no such message. */
hde_msg *held_unpack(const Hde__LogMessage *item, const hde_port *port);

#endif
