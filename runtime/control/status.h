/* SPDX-License-Identifier: Apache-2.0
 * status - the counters as a message: for answers of the endpoint, and for viewers that read the
 * segment of a process that does not answer. */
#ifndef CONTROL_STATUS_H
#define CONTROL_STATUS_H

#include "base/arena.h"
#include "engine/parts.h"
#include "engine/stats.h"

#include <hde/schemas/control.pb-c.h>

/* Everything lives in arena. Without parts (another process's segment) `ready` is absent and
 * the blocking lines are worked out from the edges. */
Hde__EngineStatus *status_read(const struct stats *stats, const struct parts *parts,
                               struct arena *arena);
/* Absolute, in arena; NULL: letters are only counted. */
const char *status_dlq_folder(const struct engine *engine, struct arena *arena);

#endif
