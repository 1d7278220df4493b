/* SPDX-License-Identifier: Apache-2.0
 * clock - the two clocks of the machine, in ns. Operators never see them. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

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
    return clock_read(CLOCK_REALTIME);
}

/* Never goes back; for durations and deadlines. */
static inline int64_t
clock_mono_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

#endif
