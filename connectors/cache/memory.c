/* SPDX-License-Identifier: Apache-2.0
 * memory - the first level.
 *
 *  (1) The sum of what entries cost is never above the bound: room is made before one is added.
 *      [tests/connectors/cache_test.c: never more than its bound]
 *  (2) Who goes is chosen by CLOCK: a hand goes round the entries of a part, spares once who was
 *      asked for since it came by, and takes the first who was not. What has been asked for often
 *      outlives a scan of many that are asked for once. [same file] */
#include "memory.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { PARTS = 8, BUCKETS_FIRST = 64, OVERHEAD = 64 /* what the allocator adds to two blocks */ };

struct counted {
    struct cache_value value; /* first: the pointer is the same */
    atomic_uint references;
    char bytes[];
};

struct entry {
    struct entry *next;             /* of its bucket */
    struct entry *newer, *older;    /* the ring */
    const struct cache_value *value;
    uint64_t hash;
    int64_t until_ns;
    size_t cost;
    bool is_used;
    char key[];
};

struct part {
    pthread_mutex_t lock;
    struct entry **bucket, *hand; /* hand: of the ring, NULL: empty */
    size_t n_buckets, n, cost, bound;
    uint64_t evicted;
};

struct memory {
    uint64_t seed; /* keys come from outside: nobody can make them meet in one bucket */
    size_t value_max;
    struct part part[PARTS];
};

/* ---- Values ------------------------------------------------------------------------------- */

struct cache_value *
value_new(size_t size, char **bytes)
{
    struct counted *counted = malloc(sizeof *counted + size + 1);

    if (!counted)
        hde_no_memory();
    atomic_init(&counted->references, 1);
    counted->bytes[size] = '\0';
    counted->value = (struct cache_value){size, counted->bytes};
    *bytes = counted->bytes;
    return &counted->value;
}

const struct cache_value *
value_keep(const struct cache_value *value)
{
    /* relaxed: who keeps has a reference already */
    atomic_fetch_add_explicit(&((struct counted *)(uintptr_t)value)->references, 1,
                              memory_order_relaxed);
    return value;
}

void
cache_drop(const struct cache_value *value)
{
    struct counted *counted = (struct counted *)(uintptr_t)value;

    /* acq_rel: all reads of the bytes come before the last one frees them */
    if (counted && atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) == 1)
        free(counted);
}

/* Words of eight bytes, multiplied and folded; the size is in it, so a tail of zeros counts. */
uint64_t
memory_hash(uint64_t seed, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t hash = seed ^ size * 0x9e3779b97f4a7c15u, word;

    for (; size > 0; at += 8, size -= size < 8 ? size : 8) {
        word = 0;
        memcpy(&word, at, size < 8 ? size : 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    hash *= 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 29;
}

/* ---- Life --------------------------------------------------------------------------------- */

struct memory *
memory_new(size_t bytes, size_t value_max)
{
    struct memory *memory = calloc(1, sizeof *memory);

    if (!memory)
        hde_no_memory();
    if (getrandom(&memory->seed, sizeof memory->seed, 0) != sizeof memory->seed)
        memory->seed = (uint64_t)time(NULL);
    memory->value_max = value_max;
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &memory->part[i];

        pthread_mutex_init(&part->lock, NULL);
        part->bound = bytes / PARTS;
        part->n_buckets = BUCKETS_FIRST;
        part->bucket = calloc(part->n_buckets, sizeof(struct entry *));
        if (!part->bucket)
            hde_no_memory();
    }
    return memory;
}

static void remove_entry(struct part *part, struct entry *entry);

void
memory_free(struct memory *memory)
{
    if (!memory)
        return;
    for (size_t i = 0; i < PARTS; i++) {
        while (memory->part[i].hand)
            remove_entry(&memory->part[i], memory->part[i].hand);
        free(memory->part[i].bucket);
        pthread_mutex_destroy(&memory->part[i].lock);
    }
    free(memory);
}

/* ---- Table of one part; under its lock ---------------------------------------------------- */

static struct entry **
bucket_of(struct part *part, uint64_t hash)
{
    return &part->bucket[(hash / PARTS) & (part->n_buckets - 1)];
}

static struct entry *
find(struct part *part, uint64_t hash, const char *key)
{
    struct entry *entry = *bucket_of(part, hash);

    while (entry && (entry->hash != hash || strcmp(entry->key, key) != 0))
        entry = entry->next;
    return entry;
}

static void
grow(struct part *part)
{
    struct entry **old = part->bucket;
    size_t n = part->n_buckets;

    part->n_buckets *= 2;
    part->bucket = calloc(part->n_buckets, sizeof(struct entry *));
    if (!part->bucket)
        hde_no_memory();
    for (size_t i = 0; i < n; i++) {
        for (struct entry *entry = old[i], *next; entry; entry = next) {
            struct entry **at = bucket_of(part, entry->hash);

            next = entry->next;
            entry->next = *at;
            *at = entry;
        }
    }
    free(old);
}

static void
remove_entry(struct part *part, struct entry *entry)
{
    struct entry **at = bucket_of(part, entry->hash);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    if (entry->newer == entry) {
        part->hand = NULL;
    } else {
        entry->newer->older = entry->older;
        entry->older->newer = entry->newer;
        if (part->hand == entry)
            part->hand = entry->newer;
    }
    part->cost -= entry->cost;
    part->n--;
    cache_drop(entry->value);
    free(entry);
}

/* Behind the hand: it comes by last. */
static void
add_entry(struct part *part, struct entry *entry)
{
    struct entry **at = bucket_of(part, entry->hash), *hand = part->hand;

    entry->next = *at;
    *at = entry;
    if (!hand) {
        part->hand = entry->newer = entry->older = entry;
    } else {
        entry->newer = hand;
        entry->older = hand->older;
        hand->older->newer = entry;
        hand->older = entry;
    }
    part->cost += entry->cost;
    part->n++;
}

static void
make_room(struct part *part, size_t cost)
{
    while (part->hand && part->cost + cost > part->bound) {
        struct entry *entry = part->hand;

        if (entry->is_used) {
            entry->is_used = false;
            part->hand = entry->newer;
        } else {
            remove_entry(part, entry);
            part->evicted++;
        }
    }
}

/* ---- Calls -------------------------------------------------------------------------------- */

const struct cache_value *
memory_get(struct memory *memory, const char *key, int64_t now_ns)
{
    uint64_t hash = memory_hash(memory->seed, key, strlen(key));
    struct part *part = &memory->part[hash % PARTS];
    const struct cache_value *value = NULL;
    struct entry *entry;

    pthread_mutex_lock(&part->lock);
    entry = find(part, hash, key);
    if (entry && entry->until_ns > now_ns) {
        entry->is_used = true;
        value = value_keep(entry->value);
    } else if (entry) {
        remove_entry(part, entry);
    }
    pthread_mutex_unlock(&part->lock);
    return value;
}

void
memory_put(struct memory *memory, const char *key, const struct cache_value *value,
           int64_t until_ns)
{
    size_t size = strlen(key) + 1;
    uint64_t hash = memory_hash(memory->seed, key, size - 1);
    struct part *part = &memory->part[hash % PARTS];
    struct entry *entry, *old;
    size_t cost = sizeof *entry + sizeof(struct counted) + size + value->size + OVERHEAD;

    if (value->size > memory->value_max || cost > part->bound)
        return;
    entry = malloc(sizeof *entry + size);
    if (!entry)
        hde_no_memory();
    *entry = (struct entry){
        .value = value_keep(value), .hash = hash, .until_ns = until_ns, .cost = cost};
    memcpy(entry->key, key, size);
    pthread_mutex_lock(&part->lock);
    old = find(part, hash, key);
    if (old)
        remove_entry(part, old);
    make_room(part, cost);
    add_entry(part, entry);
    if (part->n > part->n_buckets)
        grow(part);
    pthread_mutex_unlock(&part->lock);
}

void
memory_forget(struct memory *memory, const char *key)
{
    uint64_t hash = memory_hash(memory->seed, key, strlen(key));
    struct part *part = &memory->part[hash % PARTS];
    struct entry *entry;

    pthread_mutex_lock(&part->lock);
    entry = find(part, hash, key);
    if (entry)
        remove_entry(part, entry);
    pthread_mutex_unlock(&part->lock);
}

static size_t
delete_in(struct part *part, const char *pattern)
{
    size_t deleted = 0;

    for (size_t i = 0; i < part->n_buckets; i++) {
        for (struct entry *entry = part->bucket[i], *next; entry; entry = next) {
            next = entry->next;
            if (fnmatch(pattern, entry->key, 0) != 0)
                continue;
            remove_entry(part, entry);
            deleted++;
        }
    }
    return deleted;
}

size_t
memory_delete(struct memory *memory, const char *pattern)
{
    size_t deleted = 0;

    for (size_t i = 0; i < PARTS; i++) {
        pthread_mutex_lock(&memory->part[i].lock);
        deleted += delete_in(&memory->part[i], pattern);
        pthread_mutex_unlock(&memory->part[i].lock);
    }
    return deleted;
}

void
memory_read(struct memory *memory, size_t *bytes, size_t *entries, uint64_t *evicted)
{
    *bytes = *entries = 0;
    *evicted = 0;
    for (size_t i = 0; i < PARTS; i++) {
        struct part *part = &memory->part[i];

        pthread_mutex_lock(&part->lock);
        *bytes += part->cost;
        *entries += part->n;
        *evicted += part->evicted;
        pthread_mutex_unlock(&part->lock);
    }
}
