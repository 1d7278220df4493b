/* SPDX-License-Identifier: Apache-2.0
 * cache - memory over Redis, and one builder for all who ask.
 *
 *  (1) Of the threads that miss one key at once the first makes a flight, the others wait for it
 *      under `lock`; a flight ends always, with a value or an error, and its last user frees it.
 *      [tests/connectors/cache_test.c: one builds, all get it]
 *  (2) A value stays only if no cache_delete() has begun since it was asked for: `deletions` is
 *      looked at behind every put, so a delete either sees what was put, or is seen. [same file]
 *  (3) No lock is held while build() runs or Redis is waited for but the one of the connection. */
#include "connectors/cache.h"

#include "shared.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS ((int64_t)1000000)
enum { LOOK_FIRST_MS = 1, LOOK_MAX_MS = 20, ERROR_SIZE = 256 };

struct flight {
    struct flight *next;
    const char *key; /* of the thread that builds, until is_over */
    unsigned users;
    bool is_over;
    const struct cache_value *value; /* NULL: failed */
    char error[ERROR_SIZE];
};

struct cache {
    struct memory *memory;
    struct shared *shared; /* NULL: memory alone */
    int64_t recent_ms, wait_ms;
    atomic_ullong deletions;
    pthread_mutex_t lock; /* guards flights */
    pthread_cond_t landed;
    struct flight *flights;
    atomic_ullong hits[2], misses[2], builds, failed, coalesced, awaited, deleted; /* relaxed */
};

static void
count(atomic_ullong *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static int64_t
now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

/* ---- Life --------------------------------------------------------------------------------- */

static int64_t
or_else(int64_t given, int64_t otherwise)
{
    return given > 0 ? given : otherwise;
}

struct cache *
cache_new(const struct cache_options *options, char error[256])
{
    struct cache *cache = calloc(1, sizeof *cache);
    size_t bytes = options->bytes ? options->bytes : 64u << 20, value_max = bytes / 32;
    pthread_condattr_t attr;

    if (!cache)
        hde_no_memory();
    value_max = value_max > 4u << 20 ? 4u << 20 : value_max;
    value_max = options->value_max ? options->value_max : value_max;
    cache->recent_ms = or_else(options->recent_ms, 5000);
    cache->wait_ms = or_else(options->wait_ms, 500);
    cache->memory = memory_new(bytes, value_max);
    pthread_mutex_init(&cache->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cache->landed, &attr);
    pthread_condattr_destroy(&attr);
    if (!options->redis || !*options->redis)
        return cache;
    cache->shared = shared_new(options->redis, options->prefix ? options->prefix : "hde:",
                               or_else(options->timeout_ms, 100), value_max, error);
    if (cache->shared)
        return cache;
    cache_free(cache);
    return NULL;
}

void
cache_free(struct cache *cache)
{
    if (!cache)
        return;
    shared_free(cache->shared);
    memory_free(cache->memory);
    pthread_cond_destroy(&cache->landed);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* ---- Levels ------------------------------------------------------------------------------- */

static bool
is_key(const char *key)
{
    return strnlen(key, CACHE_KEY + 1) <= CACHE_KEY;
}

static const struct cache_value *
recall(struct cache *cache, const char *key)
{
    const struct cache_value *value =
        memory_get(cache->memory, key, now_ns(CLOCK_MONOTONIC_COARSE));

    count(value ? &cache->hits[0] : &cache->misses[0], 1);
    return value;
}

static bool
is_outdated(struct cache *cache, uint64_t deletions)
{
    return atomic_load(&cache->deletions) != deletions;
}

/* With Redis behind it memory is asked only for what is recent. */
static void
remember(struct cache *cache, const char *key, const struct cache_value *value, int64_t ttl_ms,
         uint64_t deletions)
{
    if (cache->shared && ttl_ms > cache->recent_ms)
        ttl_ms = cache->recent_ms;
    if (ttl_ms <= 0)
        return;
    memory_put(cache->memory, key, value, now_ns(CLOCK_MONOTONIC) + ttl_ms * NS_PER_MS);
    if (is_outdated(cache, deletions))
        memory_forget(cache->memory, key);
}

static void
keep(struct cache *cache, const char *key, const struct cache_value *value, int64_t ttl_ms,
     uint64_t deletions)
{
    remember(cache, key, value, ttl_ms, deletions);
    if (!cache->shared || is_outdated(cache, deletions))
        return;
    shared_put(cache->shared, key, value, ttl_ms);
    if (is_outdated(cache, deletions))
        shared_forget(cache->shared, key);
}

/* From Redis. */
static const struct cache_value *
look_up(struct cache *cache, const char *key, uint64_t deletions)
{
    int64_t left_ms = 0;
    const struct cache_value *value = shared_get(cache->shared, key, &left_ms);

    if (value)
        remember(cache, key, value, left_ms, deletions);
    return value;
}

static const struct cache_value *
fetch(struct cache *cache, const char *key, uint64_t deletions)
{
    const struct cache_value *value = cache->shared ? look_up(cache, key, deletions) : NULL;

    if (cache->shared)
        count(value ? &cache->hits[1] : &cache->misses[1], 1);
    return value;
}

const struct cache_value *
cache_get(struct cache *cache, const char *key)
{
    uint64_t deletions = atomic_load(&cache->deletions);
    const struct cache_value *value = is_key(key) ? recall(cache, key) : NULL;

    return value || !is_key(key) ? value : fetch(cache, key, deletions);
}

void
cache_set(struct cache *cache, const char *key, const void *bytes, size_t size, int64_t ttl_ms)
{
    uint64_t deletions = atomic_load(&cache->deletions);
    char *room;
    const struct cache_value *value;

    if (!is_key(key))
        return;
    value = value_new(size, &room);
    if (size)
        memcpy(room, bytes, size);
    keep(cache, key, value, ttl_ms, deletions);
    cache_drop(value);
}

bool
cache_delete(struct cache *cache, const char *pattern)
{
    uint64_t deleted = 0;
    bool good;

    if (!is_key(pattern))
        return true; /* no key is so long */
    atomic_fetch_add(&cache->deletions, 1);
    good = !cache->shared || shared_delete(cache->shared, pattern, &deleted);
    count(&cache->deleted, deleted + memory_delete(cache->memory, pattern));
    return good;
}

/* ---- Building ----------------------------------------------------------------------------- */

struct order { /* what one call of cached() wants */
    const char *key;
    int64_t ttl_ms;
    cache_build *build;
    void *user;
    char *error;
    uint64_t deletions;
};

static const struct cache_value *
build_value(struct cache *cache, const struct order *order)
{
    hde_text out = {0};
    const struct cache_value *value = NULL;
    char *bytes;

    count(&cache->builds, 1);
    if (order->build(order->user, &out, order->error)) {
        value = value_new(out.len, &bytes);
        if (out.len)
            memcpy(bytes, out.data, out.len);
    } else {
        count(&cache->failed, 1);
    }
    hde_text_free(&out);
    return value;
}

/* Until the turn is ours, or nobody's: in the meantime somebody else may have put the value. */
static const struct cache_value *
await(struct cache *cache, const struct order *order, struct redis_lock *lock,
      enum shared_turn *turn)
{
    int64_t end = now_ns(CLOCK_MONOTONIC) + cache->wait_ms * NS_PER_MS, pause_ms = LOOK_FIRST_MS;
    const struct cache_value *value = NULL;

    for (;;) {
        struct timespec pause = {0, (long)(pause_ms * NS_PER_MS)};

        *turn = shared_turn(cache->shared, order->key, lock);
        if (*turn != TURN_NONE)
            value = look_up(cache, order->key, order->deletions);
        if (value || *turn != TURN_THEIRS || now_ns(CLOCK_MONOTONIC) >= end)
            break;
        nanosleep(&pause, NULL);
        pause_ms = pause_ms * 2 < LOOK_MAX_MS ? pause_ms * 2 : LOOK_MAX_MS;
    }
    count(&cache->awaited, value != NULL);
    return value;
}

static const struct cache_value *
fetch_or_build(struct cache *cache, const struct order *order)
{
    const struct cache_value *value = fetch(cache, order->key, order->deletions);
    enum shared_turn turn = TURN_NONE;
    struct redis_lock lock;

    if (!value && cache->shared)
        value = await(cache, order, &lock, &turn);
    if (!value) {
        value = build_value(cache, order);
        if (value)
            keep(cache, order->key, value, order->ttl_ms, order->deletions);
    }
    if (turn == TURN_OURS)
        shared_done(cache->shared, &lock);
    return value;
}

/* ---- Flights; under the lock -------------------------------------------------------------- */

static struct flight *
find_flight(struct cache *cache, const char *key)
{
    struct flight *flight = cache->flights;

    while (flight && strcmp(flight->key, key) != 0)
        flight = flight->next;
    return flight;
}

static struct flight *
start_flight(struct cache *cache, const char *key)
{
    struct flight *flight = calloc(1, sizeof *flight);

    if (!flight)
        hde_no_memory();
    flight->key = key;
    flight->users = 1;
    flight->next = cache->flights;
    cache->flights = flight;
    return flight;
}

static void
leave_flight(struct flight *flight)
{
    if (--flight->users > 0)
        return;
    cache_drop(flight->value);
    free(flight);
}

static void
land(struct cache *cache, struct flight *flight, const struct cache_value *value,
     const char *error)
{
    struct flight **at = &cache->flights;

    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    flight->is_over = true;
    flight->value = value ? value_keep(value) : NULL;
    snprintf(flight->error, sizeof flight->error, "%s", value ? "" : error);
    pthread_cond_broadcast(&cache->landed);
    leave_flight(flight);
}

/* False: it takes too long. */
static bool
ride(struct cache *cache, struct flight *flight, const struct cache_value **value, char *error)
{
    int64_t end = now_ns(CLOCK_MONOTONIC) + cache->wait_ms * NS_PER_MS;
    struct timespec until = {end / (1000 * NS_PER_MS), end % (1000 * NS_PER_MS)};
    bool is_over;

    flight->users++;
    while (!flight->is_over &&
           pthread_cond_timedwait(&cache->landed, &cache->lock, &until) == 0)
        ;
    is_over = flight->is_over;
    *value = is_over && flight->value ? value_keep(flight->value) : NULL;
    if (is_over && !*value)
        snprintf(error, ERROR_SIZE, "%s", flight->error);
    leave_flight(flight);
    return is_over;
}

/* True: *value is what somebody else has built. False with *flight set: build; with NULL: build,
 * for nobody else. */
static bool
join(struct cache *cache, const struct order *order, struct flight **flight,
     const struct cache_value **value)
{
    struct flight *other;
    bool got = false;

    *flight = NULL;
    pthread_mutex_lock(&cache->lock);
    other = find_flight(cache, order->key);
    if (other)
        got = ride(cache, other, value, order->error);
    else
        *flight = start_flight(cache, order->key);
    pthread_mutex_unlock(&cache->lock);
    count(&cache->coalesced, got);
    return got;
}

const struct cache_value *
cached(struct cache *cache, const char *key, int64_t ttl_ms, cache_build *build, void *user,
       char error[256])
{
    struct order order = {key, ttl_ms, build, user, error, atomic_load(&cache->deletions)};
    const struct cache_value *value = NULL;
    struct flight *flight;

    error[0] = '\0';
    if (!is_key(key))
        return build_value(cache, &order);
    value = recall(cache, key);
    if (value || join(cache, &order, &flight, &value))
        return value;
    if (flight) /* the flight before may have landed between the two looks */
        value = memory_get(cache->memory, key, now_ns(CLOCK_MONOTONIC_COARSE));
    if (!value)
        value = fetch_or_build(cache, &order);
    if (flight) {
        pthread_mutex_lock(&cache->lock);
        land(cache, flight, value, error);
        pthread_mutex_unlock(&cache->lock);
    }
    return value;
}

/* ---- What it does ------------------------------------------------------------------------- */

static uint64_t
read_counter(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void
cache_read_stats(struct cache *cache, struct cache_stats *out)
{
    *out = (struct cache_stats){
        .hits = {read_counter(&cache->hits[0]), read_counter(&cache->hits[1])},
        .misses = {read_counter(&cache->misses[0]), read_counter(&cache->misses[1])},
        .builds = read_counter(&cache->builds),
        .failed = read_counter(&cache->failed),
        .coalesced = read_counter(&cache->coalesced),
        .awaited = read_counter(&cache->awaited),
        .deleted = read_counter(&cache->deleted),
    };
    if (cache->shared)
        shared_read(cache->shared, out);
    memory_read(cache->memory, &out->bytes, &out->entries, &out->evicted);
}

enum cache_state
cache_look(struct cache *cache, char why[256])
{
    why[0] = '\0';
    if (!cache->shared)
        return CACHE_MEMORY;
    return shared_look(cache->shared, why) ? CACHE_SHARED : CACHE_DEGRADED;
}

const char *
cache_state_name(enum cache_state state)
{
    static const char *const names[] = {"memory", "shared", "degraded"};

    return names[state];
}

static void
print(hde_text *out, const char *name, const char *type, const char *help, const char *labels,
      uint64_t value)
{
    if (help)
        hde_text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    hde_text_printf(out, "%s%s %llu\n", name, labels, (unsigned long long)value);
}

void
cache_print_metrics(struct cache *cache, hde_text *out)
{
    static const char *const l1 = "{layer=\"l1\"}", *const l2 = "{layer=\"l2\"}";
    struct cache_stats s;
    char why[256];
    enum cache_state state = cache_look(cache, why);

    cache_read_stats(cache, &s);
    print(out, "hde_cache_hits_total", "counter", "Values found: l1 memory, l2 Redis.", l1,
          s.hits[0]);
    print(out, "hde_cache_hits_total", NULL, NULL, l2, s.hits[1]);
    print(out, "hde_cache_misses_total", "counter", "Values not found.", l1, s.misses[0]);
    print(out, "hde_cache_misses_total", NULL, NULL, l2, s.misses[1]);
    print(out, "hde_cache_builds_total", "counter", "Values built here.", "", s.builds);
    print(out, "hde_cache_build_failures_total", "counter", "Builds that gave no value.", "",
          s.failed);
    print(out, "hde_cache_coalesced_total", "counter", "Calls that got what another thread built.",
          "", s.coalesced);
    print(out, "hde_cache_awaited_total", "counter", "Calls that got what another process built.",
          "", s.awaited);
    print(out, "hde_cache_evictions_total", "counter", "Values that made room for others.", l1,
          s.evicted);
    print(out, "hde_cache_deleted_total", "counter", "Values deleted by pattern.", "", s.deleted);
    print(out, "hde_cache_corrupt_total", "counter", "Damaged values thrown away.", l2, s.corrupt);
    print(out, "hde_cache_errors_total", "counter", "Calls to Redis that failed.", l2, s.errors);
    print(out, "hde_cache_locks_lost_total", "counter", "Builds that outlived their lock.", "",
          s.lost);
    print(out, "hde_cache_bytes", "gauge", "Held in memory.", l1, s.bytes);
    print(out, "hde_cache_entries", "gauge", "Values in memory.", l1, s.entries);
    print(out, "hde_cache_degraded", "gauge", "1 while Redis is away and memory alone is used.", "",
          state == CACHE_DEGRADED);
}
