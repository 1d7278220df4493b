/* SPDX-License-Identifier: Apache-2.0
 * edge_ring - a bounded ring of records between two actors.
 *
 *  (1) Only the writer stores tail and word, only the reader stores done and ask.
 *  (2) Writer: batch, then tail (release), then word (release). Reader: word (acquire), then tail
 *      (acquire). So a reader that sees a word sees every batch up to it: a ring that is empty
 *      behind its word has nothing to come up to that tick.
 *      [test_word_never_overtakes_its_batches]
 *  (3) A tick starts with credit left and puts one record here, so what is not given back stays
 *      below capacity + that record. A record counts max(1, n) units and takes at most
 *      RECORD_WORDS + min(n, capacity) words; the words of the ring are never short, and emit
 *      never waits. [test_one_tick_may_overdraw_and_is_never_split]
 *  (4) Credit comes back when the reader has finished the tick, not when it took the batch; so no
 *      word is written over that the reader still reads.
 *      [test_credit_returns_when_the_tick_is_done]
 *  (5) Who asks is looked at after the word is told and a fence (O7), never before it.
 *      [test_an_ask_that_crosses_the_word_is_answered; LOOK_BEFORE_TELLING of tests/models]
 *  (6) A record is contiguous for its reader only after ring_take(): it may wrap around the end.
 *
 *      free --put--> written --publish--> visible --take--> worked on --finish, return--> free */
#include "base/arena.h"
#include "engine/edge.h"

#include <stdlib.h>

enum { FLAG_OUTSIDE = 1, FLAG_DIRECT = 2, FLAG_BARRIER = 4, FLAGS = 3 };

static uint64_t
clamp_capacity(int64_t wanted, uint64_t most)
{
    return wanted < 1 ? 1 : (uint64_t)wanted > most ? most : (uint64_t)wanted;
}

struct ring *
ring_new(int64_t capacity_messages, int64_t capacity_bytes)
{
    struct ring *ring = xaligned(sizeof *ring);
    uint64_t words = 64;

    ring->capacity = clamp_capacity(capacity_messages, 1u << 24);
    ring->capacity_lines = clamp_capacity((capacity_bytes + 63) / 64, (uint64_t)1 << 40);
    while (words < (RECORD_WORDS + 2) * ring->capacity + RECORD_WORDS)
        words *= 2;
    ring->word_at = xmalloc(words * sizeof *ring->word_at);
    ring->mask = words - 1;
    return ring;
}

void
ring_free(struct ring *ring)
{
    struct record front;
    struct hde_msgvec left = {0};

    if (!ring)
        return;
    ring_publish(ring, ring->said);
    while (ring_front(ring, &front)) {
        ring_take(ring, &front, &left);
        if (front.direct)
            left.n = 0; /* its owner frees it */
        msgvec_drop_all(&left);
    }
    msgvec_fini(&left);
    free(ring->word_at);
    free(ring);
}

/* ---- Writer ------------------------------------------------------------------------------- */

bool
ring_refresh_credit(struct ring *ring)
{
    /* acquire: pairs with ring_return(); what the reader read of those words is over */
    ring->seen_units = atomic_load_explicit(&ring->done_units, memory_order_acquire);
    ring->seen_lines = atomic_load_explicit(&ring->done_lines, memory_order_acquire);
    return ring->put_units - ring->seen_units < ring->capacity &&
           ring->put_lines - ring->seen_lines < ring->capacity_lines;
}

/* Inline, so that a head, of which the size is known, is copied by a few moves. */
static inline void
copy_in(struct ring *ring, uint64_t at, const void *from, uint64_t n)
{
    uint64_t start = at & ring->mask, room = ring->mask + 1 - start;

    if (!n) /* `from` may be NULL */
        return;
    if (__builtin_expect(n <= room, 1)) {
        memcpy(ring->word_at + start, from, n * 8);
        return;
    }
    memcpy(ring->word_at + start, from, room * 8);
    memcpy(ring->word_at, (const uint64_t *)from + room, (n - room) * 8);
}

static inline void
copy_out(const struct ring *ring, uint64_t at, void *to, uint64_t n)
{
    uint64_t start = at & ring->mask, room = ring->mask + 1 - start;

    if (!n)
        return;
    if (__builtin_expect(n <= room, 1)) {
        memcpy(to, ring->word_at + start, n * 8);
        return;
    }
    memcpy(to, ring->word_at + start, room * 8);
    memcpy((uint64_t *)to + room, ring->word_at, (n - room) * 8);
}

void
ring_put(struct ring *ring, const struct record *record, hde_msg *const *msg)
{
    uint64_t outside = record->n > ring->capacity ? FLAG_OUTSIDE : 0;
    uint64_t head[RECORD_WORDS] = {
        record->tick,
        (uint64_t)record->now_ns,
        (uint64_t)record->watermark_ns,
        (uint64_t)record->put_ns,
        (uint64_t)record->n << 32 | (uint64_t)(record->lines & 0x1fffffff) << FLAGS | outside |
            (record->direct ? FLAG_DIRECT : 0) | (record->barrier ? FLAG_BARRIER : 0),
    };

    copy_in(ring, ring->put, head, RECORD_WORDS);
    ring->put += RECORD_WORDS;
    if (outside) {
        hde_msg **array = xmalloc(record->n * sizeof *array);

        memcpy(array, msg, record->n * sizeof *array);
        copy_in(ring, ring->put, &array, 1);
        ring->put++;
    } else {
        copy_in(ring, ring->put, msg, record->n);
        ring->put += record->n;
    }
    ring->put_units += record_units(record);
    ring->put_lines += record->lines;
}

unsigned
ring_publish(struct ring *ring, uint64_t word)
{
    unsigned news = RING_QUIET;

    if (ring->put_units != ring->published_units) {
        news = RING_BATCH;
        ring->published_units = ring->put_units;
        atomic_store_explicit(&ring->tail, ring->put, memory_order_release);
    }
    if (word > ring->said) {
        news |= RING_WORD;
        ring->said = word;
        atomic_store_explicit(&ring->word, word, memory_order_release);
    }
    return news;
}

/* ---- Reader ------------------------------------------------------------------------------- */

bool
ring_front(struct ring *ring, struct record *out)
{
    uint64_t head[RECORD_WORDS];

    if (ring->got == ring->seen_tail) {
        ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (ring->got == ring->seen_tail)
            return false;
    }
    copy_out(ring, ring->got, head, RECORD_WORDS);
    out->tick = head[0];
    out->now_ns = (int64_t)head[1];
    out->watermark_ns = (int64_t)head[2];
    out->put_ns = (int64_t)head[3];
    out->n = (uint32_t)(head[4] >> 32);
    out->lines = (uint32_t)head[4] >> FLAGS;
    out->direct = head[4] & FLAG_DIRECT;
    out->barrier = head[4] & FLAG_BARRIER;
    return true;
}

static void
make_room(struct hde_msgvec *vec, uint32_t n)
{
    while (vec->cap - vec->n < n)
        msgvec_grow(vec);
}

void
ring_take(struct ring *ring, const struct record *front, struct hde_msgvec *to)
{
    uint64_t at = ring->got + RECORD_WORDS;

    make_room(to, front->n);
    if (front->n > ring->capacity) {
        hde_msg **array;

        copy_out(ring, at, &array, 1);
        memcpy(to->item + to->n, array, front->n * sizeof *array);
        free(array);
        ring->got = at + 1;
    } else {
        copy_out(ring, at, to->item + to->n, front->n);
        ring->got = at + front->n;
    }
    to->n += front->n;
}

bool
ring_return(struct ring *ring)
{
    if (ring->finished_units == ring->returned_units)
        return false;
    ring->returned_units = ring->finished_units;
    atomic_store_explicit(&ring->done_lines, ring->finished_lines, memory_order_release);
    atomic_store_explicit(&ring->done_units, ring->finished_units, memory_order_release);
    return true;
}

bool
ring_ask(struct ring *ring, uint64_t tick)
{
    if (ring->asked >= tick)
        return false;
    ring->asked = tick;
    atomic_store_explicit(&ring->ask, tick, memory_order_relaxed);
    return true;
}
