/* SPDX-License-Identifier: Apache-2.0
 * doing - what is being done to a running graph, for its status: savepoints and moves over hosts,
 * the change that is under way or was the last, builds on probation. */
#ifndef CONTROL_DOING_H
#define CONTROL_DOING_H

#include "engine/parts.h"

#include <hde/schemas/control.pb-c.h>

/* Fills `doing`, one line each; texts live in the arena. The control thread's. */
void doing_read(Hde__EngineStatus *out, const struct parts *parts, struct arena *arena);

#endif
