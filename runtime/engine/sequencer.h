/* SPDX-License-Identifier: Apache-2.0
 * sequencer - what the giving of ticks (sequencer.c) and the taking of a log again (retake.c) have
 * in common. All on worker 0. "False: not now" is for want of credit; it is tried again next
 * turn. */
#ifndef ENGINE_SEQUENCER_H
#define ENGINE_SEQUENCER_H

#include "engine/feed.h"
#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

/* ---- sequencer.c ---------------------------------------------------------------------------- */

uint64_t seq_give_tick(struct worker *worker, int64_t now_ns);
/* False: its time has not come. Live and without a speed it always has. */
bool seq_is_time(struct worker *worker, int64_t event_ns);

/* Passes on what the entry of a source holds; its actor begins behind that. */
void seq_dispatch(struct worker *worker, struct source *source, struct intake *entry);
void seq_enter_idle(struct worker *worker, struct source *source, int64_t now_ns);

/* Entries that meet their actor directly. NULL: the actor is sequenced, or takes none. */
struct edge *seq_direct_edge(const struct sequencer *self, const struct actor *actor);
bool seq_can_give(struct worker *worker, struct actor *actor);
void seq_give_direct(struct worker *worker, struct direct *direct, int64_t now_ns); /* takes it */

bool seq_handover_has_credit(struct worker *worker, struct edge *edge);
bool seq_live_handovers(struct worker *worker); /* true: something was handed over */

/* The tick that was given last becomes a barrier. */
bool seq_barrier_has_credit(struct worker *worker);
void seq_run_barrier(struct worker *worker, int64_t now_ns);

void seq_give_fed(struct worker *worker, struct fed *fed, int64_t now_ns); /* that tick's letter */
/* True: a change of the graph is under way, and nothing else is given. */
bool seq_cut_turn(struct worker *worker, bool *moved);
/* Impure nodes, all or those that wish it, ask for what has no answer yet. */
void seq_ask_again(struct worker *worker, bool all);

/* ---- retake.c ------------------------------------------------------------------------------- */

bool retake_turn(struct worker *worker); /* true: something moved */
/* Gives the entry's tick: the one it had, but where the log around it is void. */
uint64_t retake_tick(struct worker *worker, const Hde__LogEntry *entry);
/* Decisions about earlier ticks that wait to be written become entries. */
void retake_decisions(struct worker *worker, int64_t now_ns);

#endif
