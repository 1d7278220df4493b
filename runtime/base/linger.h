/* SPDX-License-Identifier: Apache-2.0
 * linger - stay for a moment before going to sleep in epoll.
 *
 * What a thread has just sent to another host is on its way through ZeroMQ's threads, and so is what
 * comes back. A core without work goes idle between these steps, and to wake a thread there takes
 * longer than the steps (21 us against 9 where somebody lingers, on a virtual machine). Who lingers
 * yields the core at every look, so he takes time from nobody; who only looked would keep ZeroMQ's
 * threads away. */
#ifndef BASE_LINGER_H
#define BASE_LINGER_H

#include "base/clock.h"

#include <sched.h>
#include <sys/epoll.h>

enum { LINGER_NS = 100 * NS_PER_US };

/* As epoll_wait() for for_ns, at most LINGER_NS. */
static inline int
linger(int epoll_fd, struct epoll_event *events, int n_events, int64_t for_ns)
{
    int64_t end_ns = clock_mono_ns() + (for_ns < LINGER_NS ? for_ns : LINGER_NS);
    int n;

    while (!(n = epoll_wait(epoll_fd, events, n_events, 0)) && clock_mono_ns() < end_ns)
        sched_yield();
    return n;
}

#endif
