/* SPDX-License-Identifier: Apache-2.0
 * clock - the two clocks of the machine, in ns. Operators never see them. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

/* Where not 0, what the clocks of this thread say: the seeded scheduler (engine/steps.h) decides
 * how time goes on. The wall clock then begins at a moment of its own. */
extern _Thread_local int64_t clock_held_ns;
#define CLOCK_HELD_EPOCH_NS (1700000000LL * NS_PER_S)

static inline int64_t
clock_read(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Since 1970 UTC. */
static inline int64_t
clock_real_ns(void)
{
    if (__builtin_expect(clock_held_ns != 0, 0))
        return CLOCK_HELD_EPOCH_NS + clock_held_ns;
    return clock_read(CLOCK_REALTIME);
}

/* Never goes back; for durations and deadlines. */
static inline int64_t
clock_mono_ns(void)
{
    if (__builtin_expect(clock_held_ns != 0, 0))
        return clock_held_ns;
    return clock_read(CLOCK_MONOTONIC);
}

#endif
