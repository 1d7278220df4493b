/* SPDX-License-Identifier: Apache-2.0
 * timer - the timers of one node: one a number (id), the earliest first, ties by id.
 *
 * Starts as TIMERS_NONE. One thread at a time. */
#ifndef ENGINE_TIMER_H
#define ENGINE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    int64_t at_ns;
    uint32_t id;
};

struct timers {
    int64_t next_ns; /* of the earliest; INT64_MAX: none */
    uint32_t n, cap;
    struct timer *heap;
    uint32_t *slots; /* id -> place in the heap + 1, open addressing, n_slots a power of two */
    uint32_t n_slots;
};
#define TIMERS_NONE ((struct timers){.next_ns = INT64_MAX})

void timers_fini(struct timers *timers);
/* A second call moves the timer; INT64_MAX cancels it. */
void timers_set(struct timers *timers, uint32_t id, int64_t at_ns);
/* Takes the earliest; false if there is none. */
bool timers_pop(struct timers *timers, struct timer *out);
/* When `id` is due, INT64_MAX if it is not set. */
int64_t timers_at(const struct timers *timers, uint32_t id);

#endif
