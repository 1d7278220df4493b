/* SPDX-License-Identifier: Apache-2.0
 * ingress - the ingress log of a graph: keeps whatever is given a tick, and gives it back.
 *
 * All calls of one ingress come from the sequencing worker, or from nobody else while it does not
 * run. */
#ifndef ENGINE_INGRESS_H
#define ENGINE_INGRESS_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

/* ---- Writing ------------------------------------------------------------------------------ */

/* Opens the folder of engine->options.record; nobody else may have it. */
bool ingress_open(struct engine *engine, struct err *err);
/* What a start of the graph is, in texts of the engine and the arena. */
void ingress_describe(const struct engine *engine, Hde__LogStart *out, struct arena *arena);
/* The entry of this start, with ticks above `above`; a recovered one goes on from those before. A
 * fresh one begins with the state of `restored`, or without any (NULL). */
bool ingress_start(struct ingress *self, uint64_t above, bool recovered,
                   const Hde__Epoch *restored);
bool ingress_wait_started(struct ingress *self); /* until that entry is durable; false: never */
uint64_t ingress_barrier(struct ingress *self); /* position of the entry; 0: not taken, failed */
/* Around a change of the graph: the last entry of the old one, the first of the new one. */
uint64_t ingress_cut(struct ingress *self);
uint64_t ingress_change(struct ingress *self);
struct swap_cut;
struct decision;
uint64_t ingress_swap(struct ingress *self, const struct swap_cut *cut); /* as ingress_barrier() */
void ingress_return(struct ingress *self, const struct decision *decision);
void ingress_aside(struct ingress *self, const struct decision *decision);
uint64_t ingress_start_position(const struct ingress *self); /* of this start's entry */
uint64_t ingress_first(const struct ingress *self);
uint64_t ingress_last(const struct ingress *self);
uint64_t ingress_last_tick(const struct ingress *self);
void ingress_hashes(struct ingress *self, Hde__BarrierHashes *hashes);
/* Any thread. Whether the tick's entry survives a crash; if not, the log hurries and wakes the
 * workers of gated actors. */
bool ingress_is_durable(struct engine *engine, uint64_t tick);
void ingress_sync(struct ingress *self); /* waits for all that was appended, and for room */
/* Any thread. Whether the tick was given in this start, not taken from the log. */
bool ingress_is_new(const struct engine *engine, uint64_t tick);
bool ingress_wait_durable(struct ingress *self, uint64_t position); /* false: never */
void ingress_need(struct ingress *self, uint64_t position);
bool ingress_is_full(const struct engine *engine); /* any thread: the disk has no room now */
void ingress_close(struct ingress *self);
/* No room, or broken (then the engine has failed): nothing is to be given a tick. */
bool ingress_must_wait(struct ingress *self);

void ingress_source(struct ingress *self, const struct source *source, const struct intake *entry);
void ingress_idle(struct ingress *self, const struct source *source);
void ingress_direct(struct ingress *self, const struct direct *direct);
void ingress_letter(struct ingress *self, const struct node *node, uint32_t port, uint64_t id,
                    hde_msg *msg);
void ingress_handover(struct ingress *self, const struct edge *edge, const struct record *record,
                      uint64_t cause, const struct hde_msgvec *vec);

/* ---- Taking it again ---------------------------------------------------------------------- */

/* Opens the folder of engine->options.log at its last start that is none of a recovery, or, with
 * `until` or where that start was retired, behind an epoch beside it. */
bool ingress_take_open(struct engine *engine, struct err *err);
/* Recovery: entries behind the newest epoch, or from the last fresh start if that came later; none
 * behind a savepoint that is to be restored. *any tells whether there is something to go on
 * from. */
bool ingress_recover_open(struct engine *engine, bool *any, struct err *err);
/* After either. The state to begin with, NULL: none; until ingress_next(). */
const Hde__Epoch *ingress_from(const struct ingress *self);
/* The epoch behind whose barrier the entries come, NULL: from a start on, or none. */
const Hde__Epoch *ingress_behind(const struct ingress *self);
void ingress_recover_close(struct ingress *self);
/* Recovery: entries that are still to be taken. */
uint64_t ingress_left(const struct ingress *self);
/* Gives every entry of those kinds from where the engine will take the log. Reads on its own; that
 * there is nothing to take is no error. */
bool ingress_scan(const struct engine *engine, const Hde__LogKind *kinds, size_t n_kinds,
                  void (*found)(void *arg, const Hde__LogEntry *entry), void *arg, struct err *err);
/* The same from an epoch on, or of the whole log (NULL), before it is known where taking begins. */
bool ingress_look_back(const struct engine *engine, const Hde__Epoch *epoch,
                       const Hde__LogKind *kinds, size_t n_kinds,
                       void (*found)(void *arg, const Hde__LogEntry *entry), void *arg,
                       struct err *err);
/* The next entry, valid until the one after it; NULL at the end, or err is set. */
const Hde__LogEntry *ingress_next(struct ingress *self, struct err *err);
/* The entry's messages into port[0..n-1]; false with err: a port or type that `outputs` does not
 * have, or bytes that are no such message. */
bool ingress_messages(const Hde__LogEntry *entry, const hde_port *outputs, uint32_t n,
                      struct hde_msgvec *port, struct err *err);

#endif
