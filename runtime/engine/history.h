/* SPDX-License-Identifier: Apache-2.0
 * history - the changes of a graph over the moment when its process begins anew: STORE/history.
 *
 * A change of links between hosts, or a move of nodes, ends the process (relink.h); what it has made
 * so far is written before and taken by the one behind it. */
#ifndef ENGINE_HISTORY_H
#define ENGINE_HISTORY_H

#include <hde/schemas/control.pb-c.h>

#include <stdbool.h>

/* False with errno: not written. */
bool history_keep(const char *store, const Hde__EngineChanges *changes);
/* Once; NULL: there is none. Freed with hde__engine_changes__free_unpacked(). */
Hde__EngineChanges *history_take(const char *store);

#endif
