/* SPDX-License-Identifier: Apache-2.0
 * ring - the stamps of the last chains. */
#include "ring.h"

#include "book.h"

int
ring_base(const int64_t *ring, int64_t now_ns, int64_t window_ns, int64_t max_age_ns)
{
    int base = -1;

    for (int i = 0; i < RING_SLOTS; i++) {
        if (ring[i] == BOOK_NONE || ring[i] > now_ns - window_ns || ring[i] < now_ns - max_age_ns)
            continue;
        if (base < 0 || ring[i] > ring[base])
            base = i;
    }
    return base;
}

int
ring_take(int64_t *ring, int64_t now_ns, int64_t window_ns)
{
    int64_t newest = ring[RING_NEWEST];

    if (newest != BOOK_NONE && now_ns - ring[newest] < window_ns / 12)
        return -1;
    newest = newest == BOOK_NONE ? 0 : (newest + 1) % RING_SLOTS;
    ring[RING_NEWEST] = newest;
    ring[newest] = now_ns;
    return (int)newest;
}
