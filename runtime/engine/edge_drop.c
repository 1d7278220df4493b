/* SPDX-License-Identifier: Apache-2.0
 * edge_drop - a bounded store in front of a slow reader: `latest` keeps the newest message of each
 * (type, key), `drop_oldest` the newest ones of all.
 *
 *  (1) At most `capacity` messages and capacity_bytes; what goes is counted with its reason.
 *      [test_latest_keeps_the_newest_of_each_key, test_drop_oldest_counts_what_it_drops]
 *  (2) A replaced message gives its place to the newer one: keys come out in the order in which
 *      they first came in, so none starves.
 *  (3) The writer never waits for the reader: the lock is held for some pointer moves only.
 *  (4) A watermark comes out with or after the messages that were put before it.
 *  (5) What it holds depends on the order of puts and hand-overs alone. A hand-over says behind
 *      which put it came, so a log that is taken again leaves the store as it was, however far the
 *      writer is ahead or behind.
 *      [test_hand_overs_of_the_log_take_what_they_took_however_late_it_is_put] */
#include "base/arena.h"
#include "engine/edge.h"
#include "engine/stats.h"

#include <pthread.h>
#include <stdlib.h>

#define NOBODY UINT32_MAX

struct place { /* one waiting message */
    hde_msg *msg;
    uint64_t hash;
    struct record record;
    uint32_t next;  /* in order of arrival, or in the list of unused places */
    uint32_t chain; /* next of the same bucket */
};

struct drop_store {
    struct drop_config config;
    struct stats_edge *stats;
    pthread_mutex_t lock; /* one writer, one reader */
    struct place *places;
    uint32_t *buckets;
    uint32_t n_buckets, first, last, unused, n;
    int64_t bytes;
    uint64_t handed;      /* tick of the last hand-over */
    struct due {          /* hand-overs of the log, whose put is still to come */
        uint64_t cause;
        uint32_t n;
    } *due;
    uint32_t first_due, n_due, cap_due;
    struct record newest; /* of what was put last: tick and watermark of an empty hand-over */
    int64_t given_wm;
    _Atomic uint32_t has_news;
};

struct drop_store *
drop_new(const struct drop_config *config, struct stats_edge *stats)
{
    struct drop_store *self = xcalloc(1, sizeof *self);

    self->config = *config;
    if (!self->config.capacity)
        self->config.capacity = 1;
    self->stats = stats;
    self->given_wm = INT64_MIN;
    self->newest.watermark_ns = INT64_MIN;
    pthread_mutex_init(&self->lock, NULL);
    self->places = xcalloc(self->config.capacity, sizeof *self->places);
    self->n_buckets = 1;
    while (self->n_buckets < self->config.capacity)
        self->n_buckets *= 2;
    self->buckets = xmalloc(self->n_buckets * sizeof *self->buckets);
    for (uint32_t i = 0; i < self->n_buckets; i++)
        self->buckets[i] = NOBODY;
    for (uint32_t i = 0; i < self->config.capacity; i++)
        self->places[i].next = i + 1 < self->config.capacity ? i + 1 : NOBODY;
    self->first = self->last = NOBODY;
    return self;
}

void
drop_free(struct drop_store *self)
{
    if (!self)
        return;
    for (uint32_t i = self->first; i != NOBODY; i = self->places[i].next)
        hde_msg_drop(self->places[i].msg);
    pthread_mutex_destroy(&self->lock);
    free(self->due);
    free(self->places);
    free(self->buckets);
    free(self);
}

static int64_t
bytes_of(const hde_msg *msg)
{
    return (int64_t)((const struct message *)msg)->bytes;
}

/* ---- Index of keys (latest) --------------------------------------------------------------- */

static uint32_t *
bucket_of(struct drop_store *self, uint64_t hash)
{
    return &self->buckets[(hash ^ hash >> 32) & (self->n_buckets - 1)];
}

static uint32_t
find(struct drop_store *self, const hde_msg *msg, uint64_t hash)
{
    uint32_t i = *bucket_of(self, hash);

    while (i != NOBODY && (self->places[i].hash != hash ||
                           !key_equal(&self->config.key, self->places[i].msg->body, msg->body)))
        i = self->places[i].chain;
    return i;
}

static void
unlink_key(struct drop_store *self, uint32_t i)
{
    uint32_t *link = bucket_of(self, self->places[i].hash);

    while (*link != i)
        link = &self->places[*link].chain;
    *link = self->places[i].chain;
}

/* ---- Places ------------------------------------------------------------------------------- */

/* Takes the oldest message out of the store. */
static hde_msg *
remove_first(struct drop_store *self, struct record *record)
{
    uint32_t i = self->first;
    struct place *place = &self->places[i];
    hde_msg *msg = place->msg;

    if (self->config.kind == EDGE_LATEST)
        unlink_key(self, i);
    self->first = place->next;
    if (self->first == NOBODY)
        self->last = NOBODY;
    place->next = self->unused;
    self->unused = i;
    self->n--;
    self->bytes -= bytes_of(msg);
    *record = place->record;
    return msg;
}

static void
drop_first(struct drop_store *self, enum drop_reason reason)
{
    struct record record;

    hde_msg_drop(remove_first(self, &record));
    STAT_ADD(self->stats->dropped[reason], 1);
}

static void
append(struct drop_store *self, const struct record *record, hde_msg *msg, uint64_t hash)
{
    uint32_t i = self->unused;
    struct place *place = &self->places[i];

    self->unused = place->next;
    *place = (struct place){.msg = msg, .hash = hash, .record = *record, .next = NOBODY};
    if (self->config.kind == EDGE_LATEST) {
        place->chain = *bucket_of(self, hash);
        *bucket_of(self, hash) = i;
    }
    if (self->last == NOBODY)
        self->first = i;
    else
        self->places[self->last].next = i;
    self->last = i;
    self->n++;
    self->bytes += bytes_of(msg);
}

static void
put_one(struct drop_store *self, const struct record *record, hde_msg *msg)
{
    uint64_t hash = 0;

    if (self->config.kind == EDGE_LATEST) {
        uint32_t i;

        hash = key_hash(&self->config.key, msg->body);
        i = find(self, msg, hash);
        if (i != NOBODY) {
            self->bytes += bytes_of(msg) - bytes_of(self->places[i].msg);
            hde_msg_drop(self->places[i].msg);
            self->places[i].msg = msg;
            self->places[i].record = *record;
            STAT_ADD(self->stats->dropped[DROP_REPLACED], 1);
            return;
        }
    }
    while (self->n && (self->n == self->config.capacity ||
                       self->bytes + bytes_of(msg) > self->config.capacity_bytes))
        drop_first(self, DROP_FULL);
    append(self, record, msg, hash);
}

/* The watermark that goes out with what was taken. */
static void
note_taken(struct drop_store *self, struct record *record)
{
    record->watermark_ns = self->n ? self->given_wm : self->newest.watermark_ns;
    self->given_wm = record->watermark_ns;
    if (!self->n)
        atomic_store_explicit(&self->has_news, 0, memory_order_relaxed);
}

/* What the log has handed over behind the newest put leaves. True: that was the last of it. */
static bool
settle_due(struct drop_store *self)
{
    bool was_due = self->n_due;
    struct record record;

    while (self->n_due && self->due[self->first_due].cause <= self->newest.tick) {
        for (uint32_t n = self->due[self->first_due].n; n && self->n; n--)
            hde_msg_drop(remove_first(self, &record));
        note_taken(self, &record);
        self->first_due++;
        self->n_due--;
    }
    return was_due && !self->n_due;
}

bool
drop_put(struct drop_store *self, const struct record *record, struct hde_msgvec *vec)
{
    bool was_empty;

    pthread_mutex_lock(&self->lock);
    was_empty = !atomic_load_explicit(&self->has_news, memory_order_relaxed);
    if (!self->n)
        STAT_SET(self->stats->fill_ns, record->put_ns);
    for (uint32_t i = 0; i < vec->n; i++)
        put_one(self, record, vec->item[i]);
    vec->n = 0;
    self->newest = *record;
    atomic_store_explicit(&self->has_news, 1, memory_order_relaxed);
    was_empty |= settle_due(self);
    pthread_mutex_unlock(&self->lock);
    return was_empty;
}

bool
drop_is_empty(struct drop_store *self)
{
    return !atomic_load_explicit(&self->has_news, memory_order_relaxed);
}

/* With the lock held. */
static void
take(struct drop_store *self, struct record *record, struct hde_msgvec *to, uint32_t max)
{
    uint32_t start = to->n;
    int64_t bytes = 0;

    *record = self->newest;
    while (self->n && to->n - start < max) {
        bytes += bytes_of(self->places[self->first].msg);
        msgvec_push(to, remove_first(self, record));
    }
    record->n = to->n - start;
    record->lines = (uint32_t)((bytes + 63) / 64);
    record->direct = record->barrier = false;
    note_taken(self, record);
}

bool
drop_get(struct drop_store *self, struct record *record, struct hde_msgvec *to, uint32_t max)
{
    if (drop_is_empty(self))
        return false;
    pthread_mutex_lock(&self->lock);
    take(self, record, to, max);
    pthread_mutex_unlock(&self->lock);
    return true;
}

/* ---- Hand-overs --------------------------------------------------------------------------- */

bool
drop_hand_over(struct drop_store *self, uint64_t tick, struct record *record, struct hde_msgvec *to,
               uint32_t max, uint64_t *cause)
{
    bool can;

    if (drop_is_empty(self))
        return false;
    pthread_mutex_lock(&self->lock);
    can = !self->n_due;
    if (can) {
        *cause = self->newest.tick;
        take(self, record, to, max);
        self->handed = tick;
    }
    pthread_mutex_unlock(&self->lock);
    return can;
}

void
drop_expect(struct drop_store *self, uint64_t tick, uint64_t cause, uint32_t n)
{
    if (tick <= self->handed)
        return; /* it was taken from what the epoch has */
    if (self->first_due + self->n_due == self->cap_due) {
        self->cap_due = self->cap_due ? 2 * self->cap_due : 16;
        self->due = xrealloc(self->due, self->cap_due * sizeof *self->due);
    }
    self->due[self->first_due + self->n_due++] = (struct due){cause, n};
    self->handed = tick;
    settle_due(self);
}

void
drop_expect_until(struct drop_store *self, uint64_t cause)
{
    pthread_mutex_lock(&self->lock);
    while (self->n_due && self->due[self->first_due + self->n_due - 1].cause >= cause)
        self->n_due--;
    pthread_mutex_unlock(&self->lock);
}

void
drop_move(struct drop_store *from, struct drop_store *to)
{
    struct record record;

    while (from->n) {
        hde_msg *msg = remove_first(from, &record);

        put_one(to, &record, msg);
    }
    to->newest = from->newest;
    to->given_wm = from->given_wm;
    to->handed = from->handed;
    to->due = from->due;
    to->first_due = from->first_due;
    to->n_due = from->n_due;
    to->cap_due = from->cap_due;
    from->due = NULL;
    from->first_due = from->n_due = from->cap_due = 0;
    atomic_store(&to->has_news, atomic_load(&from->has_news));
}

/* ---- Epochs ------------------------------------------------------------------------------- */

void
drop_save(struct drop_store *self, struct drop_state *out)
{
    pthread_mutex_lock(&self->lock);
    *out = (struct drop_state){.newest = self->newest.tick,
                               .handed = self->handed,
                               .watermark_ns = self->newest.watermark_ns,
                               .given_wm = self->given_wm,
                               .msg = xcalloc(self->n + 1, sizeof *out->msg),
                               .tick = xcalloc(self->n + 1, sizeof *out->tick)};
    for (uint32_t i = self->first; i != NOBODY; i = self->places[i].next) {
        out->msg[out->n] = hde_msg_keep(self->places[i].msg);
        out->tick[out->n++] = self->places[i].record.tick;
    }
    pthread_mutex_unlock(&self->lock);
}

void
drop_load(struct drop_store *self, const struct drop_state *state)
{
    self->newest = (struct record){.tick = state->newest, .watermark_ns = state->watermark_ns};
    self->given_wm = state->given_wm;
    self->handed = state->handed;
    for (uint32_t i = 0; i < state->n; i++)
        put_one(self, &(struct record){.tick = state->tick[i]}, state->msg[i]);
    atomic_store(&self->has_news, self->n || self->given_wm != state->watermark_ns);
}

void
drop_state_fini(struct drop_state *state)
{
    for (uint32_t i = 0; i < state->n; i++)
        hde_msg_drop(state->msg[i]);
    free(state->msg);
    free(state->tick);
    *state = (struct drop_state){0};
}
