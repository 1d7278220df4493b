/* SPDX-License-Identifier: Apache-2.0
 * ring - the stamps of the last chains, so that a chain can be compared with one that is at least
 * a window old. The values stand in the rows of a book, one column a slot; here are the times.
 *
 * Stored in RING_INTS integers of a page's head, all BOOK_NONE when empty. Chains that come faster
 * than a twelfth of the window are not stored, so the ring always reaches back over a window and
 * the chain compared with is at most a window and a twelfth old (or the newest stored one, where
 * chains come slower than that). */
#ifndef ANALYTICS_RING_H
#define ANALYTICS_RING_H

#include <stdint.h>

enum { RING_SLOTS = 16, RING_NEWEST = RING_SLOTS, RING_INTS };

/* The newest slot that is at least window_ns and at most max_age_ns older than now; -1: none. */
int ring_base(const int64_t *ring, int64_t now_ns, int64_t window_ns, int64_t max_age_ns);
/* The slot for the chain stamped now, taken from the oldest; -1: too soon after the one before. */
int ring_take(int64_t *ring, int64_t now_ns, int64_t window_ns);

#endif
