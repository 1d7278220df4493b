/* SPDX-License-Identifier: Apache-2.0
 * edge_drop - a bounded store in front of a slow reader: `latest` keeps the newest message of each
 * (type, key), `drop_oldest` the newest ones of all.
 *
 *  (1) At most `capacity` messages and capacity_bytes; what goes is counted with its reason.
 *      [test_latest_keeps_the_newest_of_each_key, test_drop_oldest_counts_what_it_drops]
 *  (2) A replaced message gives its place to the newer one: keys come out in the order in which
 *      they first came in, so none starves.
 *  (3) The writer never waits for the reader: the lock is held for some pointer moves only.
 *  (4) A watermark comes out with or after the messages that were put before it. */
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

bool
drop_put(struct drop_store *self, const struct record *record, struct msgvec *vec)
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
    pthread_mutex_unlock(&self->lock);
    return was_empty;
}

bool
drop_is_empty(struct drop_store *self)
{
    return !atomic_load_explicit(&self->has_news, memory_order_relaxed);
}

bool
drop_get(struct drop_store *self, struct record *record, struct msgvec *to, uint32_t max)
{
    uint32_t start = to->n;
    int64_t bytes = 0;

    if (drop_is_empty(self))
        return false;
    pthread_mutex_lock(&self->lock);
    *record = self->newest;
    while (self->n && to->n - start < max) {
        bytes += bytes_of(self->places[self->first].msg);
        msgvec_push(to, remove_first(self, record));
    }
    record->n = to->n - start;
    record->lines = (uint32_t)((bytes + 63) / 64);
    record->direct = record->barrier = false;
    record->watermark_ns = self->n ? self->given_wm : self->newest.watermark_ns;
    self->given_wm = record->watermark_ns;
    if (!self->n)
        atomic_store_explicit(&self->has_news, 0, memory_order_relaxed);
    pthread_mutex_unlock(&self->lock);
    return true;
}
