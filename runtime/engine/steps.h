/* SPDX-License-Identifier: Apache-2.0
 * steps - the seeded scheduler: all workers of an engine run in the calling thread, and a seed
 * decides who goes on, where, and how time passes. For tests: the same seed is the same run.
 *
 *  (1) Each worker runs its usual loop on a stack of its own and may be left at every step point:
 *      between the parts of a turn, between a batch and its word, between telling and looking.
 *  (2) Time is the scheduler's: it goes on a little with each step, and leaps to the next deadline
 *      when all workers sleep. When none has a deadline the graph is stuck, and that is told.
 *  (3) The disk is a step as well: entries are durable, and epochs written, when the seed says so.
 *
 * An engine is made for it by engine_options.steps. Operators must not be HDE_BLOCKING for real,
 * and posts come from this thread. */
#ifndef ENGINE_STEPS_H
#define ENGINE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct fiber;
struct steps;
struct worker;

struct steps *steps_new(uint64_t seed);
void steps_free(struct steps *steps); /* before or after its engine */

enum steps_end {
    STEPS_OVER,  /* the engine ended or failed */
    STEPS_SPENT, /* n steps are done: go on, or free the engine as it stands (a crash) */
    STEPS_STUCK, /* nobody can go on any more */
};
/* At most n steps of a started engine. */
enum steps_end steps_run(struct steps *steps, uint64_t n);
uint64_t steps_random(struct steps *steps, uint64_t below); /* more from the same seed */
uint64_t steps_done(const struct steps *steps);

/* ---- For the engine ------------------------------------------------------------------------ */

bool steps_adopt(struct steps *steps, struct worker *worker); /* instead of a thread */
void steps_leave(struct steps *steps);                        /* the engine is freed */
void steps_pause(struct worker *worker);                      /* a step point */
void steps_sleep(struct worker *worker, int64_t timeout_ns);  /* < 0: until it is woken */
bool steps_is_durable(const struct steps *steps, uint64_t tick);

#endif
