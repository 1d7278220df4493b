/* SPDX-License-Identifier: Apache-2.0
 * timer - a binary heap by (time, id) with an index from id to place. */
#include "engine/timer.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

void
timers_fini(struct timers *timers)
{
    free(timers->heap);
    free(timers->slots);
    *timers = TIMERS_NONE;
}

static bool
is_before(const struct timer *a, const struct timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->id < b->id;
}

/* ---- Index: linear probing, deletion by moving back --------------------------------------- */

static uint32_t
home(const struct timers *timers, uint32_t id)
{
    return (id * 2654435769u) & (timers->n_slots - 1);
}

/* The slot of id, or the empty one where it would go. */
static uint32_t
slot_of(const struct timers *timers, uint32_t id)
{
    uint32_t at = home(timers, id);

    while (timers->slots[at] && timers->heap[timers->slots[at] - 1].id != id)
        at = (at + 1) & (timers->n_slots - 1);
    return at;
}

static void
slot_remove(struct timers *timers, uint32_t hole)
{
    uint32_t mask = timers->n_slots - 1;

    for (uint32_t at = (hole + 1) & mask; timers->slots[at]; at = (at + 1) & mask) {
        uint32_t want = home(timers, timers->heap[timers->slots[at] - 1].id);

        if (((at - want) & mask) >= ((at - hole) & mask)) {
            timers->slots[hole] = timers->slots[at];
            hole = at;
        }
    }
    timers->slots[hole] = 0;
}

static void
grow(struct timers *timers)
{
    timers->cap = timers->cap ? 2 * timers->cap : 8;
    timers->heap = xrealloc(timers->heap, timers->cap * sizeof *timers->heap);
    free(timers->slots);
    timers->n_slots = 2 * timers->cap;
    timers->slots = xcalloc(timers->n_slots, sizeof *timers->slots);
    for (uint32_t i = 0; i < timers->n; i++)
        timers->slots[slot_of(timers, timers->heap[i].id)] = i + 1;
}

/* ---- Heap --------------------------------------------------------------------------------- */

static void
swap(struct timers *timers, uint32_t i, uint32_t j)
{
    uint32_t slot_i = slot_of(timers, timers->heap[i].id);
    uint32_t slot_j = slot_of(timers, timers->heap[j].id);
    struct timer kept = timers->heap[i];

    timers->heap[i] = timers->heap[j];
    timers->heap[j] = kept;
    timers->slots[slot_i] = j + 1;
    timers->slots[slot_j] = i + 1;
}

static void
settle(struct timers *timers, uint32_t i)
{
    while (i && is_before(&timers->heap[i], &timers->heap[(i - 1) / 2])) {
        swap(timers, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
    for (;;) {
        uint32_t least = i;

        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < timers->n; child++)
            if (is_before(&timers->heap[child], &timers->heap[least]))
                least = child;
        if (least == i)
            return;
        swap(timers, i, least);
        i = least;
    }
}

static void
remove_at(struct timers *timers, uint32_t i)
{
    uint32_t last = timers->n - 1;

    if (i != last)
        swap(timers, i, last);
    slot_remove(timers, slot_of(timers, timers->heap[last].id));
    timers->n = last;
    if (i != last)
        settle(timers, i);
}

static void
note_next(struct timers *timers)
{
    timers->next_ns = timers->n ? timers->heap[0].at_ns : INT64_MAX;
}

void
timers_set(struct timers *timers, uint32_t id, int64_t at_ns)
{
    uint32_t at = timers->n_slots ? timers->slots[slot_of(timers, id)] : 0;

    if (at && at_ns == INT64_MAX) {
        remove_at(timers, at - 1);
    } else if (at) {
        timers->heap[at - 1].at_ns = at_ns;
        settle(timers, at - 1);
    } else if (at_ns != INT64_MAX) {
        if (timers->n == timers->cap)
            grow(timers);
        timers->heap[timers->n] = (struct timer){at_ns, id};
        timers->slots[slot_of(timers, id)] = timers->n + 1;
        timers->n++;
        settle(timers, timers->n - 1);
    }
    note_next(timers);
}

bool
timers_pop(struct timers *timers, struct timer *out)
{
    if (!timers->n)
        return false;
    *out = timers->heap[0];
    remove_at(timers, 0);
    note_next(timers);
    return true;
}

int64_t
timers_at(const struct timers *timers, uint32_t id)
{
    uint32_t at = timers->n_slots ? timers->slots[slot_of(timers, id)] : 0;

    return at ? timers->heap[at - 1].at_ns : INT64_MAX;
}
