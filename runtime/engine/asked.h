/* SPDX-License-Identifier: Apache-2.0
 * asked - sources that can be asked again: the log of a graph with checkpoints keeps where they
 * stood, and of their messages only what tells that they are the same (L1, E4). */
#ifndef ENGINE_ASKED_H
#define ENGINE_ASKED_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

/* Whether it goes back, and gives the same there as before. */
bool asked_is_askable(const struct source *source);
/* Whether the bodies of this entry's messages stay out of the log that the engine writes. */
bool asked_leaves_out(const struct source *source, const struct intake *entry);

/* ---- Taking a log, on the sequencing worker ------------------------------------------------ */

/* Whether the entry's messages come from the source itself. */
bool asked_is_needed(const struct source *source, const Hde__LogEntry *entry);
/* The entry's messages, in a slot that is valid until the next call. NULL without err: they are not
 * all there yet, or source->has_changed: it gives others, and that is accepted. HDE-R016: the
 * source does not go back; HDE-R111: it gives others. */
struct intake *asked_take(struct worker *worker, struct source *source, const Hde__LogEntry *entry,
                          struct err *err);
/* After has_changed: what it has given instead, and where it stands behind that. NULL: nothing. */
struct intake *asked_rest(struct source *source);
/* A slot that no poller uses. */
struct intake *asked_slot(struct source *source);
/* What a held source has queued goes: another takes its place, or it is freed. */
void asked_forget(struct source *source);
/* HDE-R016 with what the source has said. */
bool asked_refuses(const struct source *source, struct err *err);

#endif
