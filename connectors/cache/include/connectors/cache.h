/* SPDX-License-Identifier: Apache-2.0
 * connectors/cache.h - values by key: in memory (L1) over Redis (L2), built once for all who ask.
 *
 * A cache is never in the way: what it cannot get is built, what it cannot keep is not kept. When
 * Redis is away it works from memory alone, and says so (cache_look(), cache_print_metrics()).
 *
 * Threads    Any number. Calls to Redis go one at a time, each with a deadline, none while a value
 *            is built.
 * Freshness  A value is at most its TTL old, and at most `recent_ms` behind a cache_delete() or
 *            cache_set() of another process; one that is built while cache_delete() runs here is
 *            not kept.
 * Keys       Texts of at most CACHE_KEY bytes; a longer one is not kept. */
#ifndef CONNECTORS_CACHE_H
#define CONNECTORS_CACHE_H

#include <hde/text.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_KEY = 480 };

struct cache;

struct cache_options {
    const char *redis;  /* URL as in connectors/redis.h; NULL or "": memory alone */
    const char *prefix; /* of the keys in Redis, at most 32 bytes; NULL: "hde:" */
    size_t bytes;       /* bound of what is in memory; 0: 64 MiB */
    size_t value_max;   /* larger values are not kept; 0: bytes / 32, at most 4 MiB */
    int64_t recent_ms;  /* a value is taken from memory so long, then asked for again; 0: 5,000 */
    int64_t timeout_ms; /* of a call to Redis; 0: 100 */
    int64_t wait_ms;    /* for a value that somebody else builds; then it is built here; 0: 500 */
};

/* NULL: the URL is wrong; error (256 bytes) says why. Does not connect yet. */
struct cache *cache_new(const struct cache_options *options, char error[256]);
void cache_free(struct cache *cache); /* nobody is in a call any more; NULL is fine */

/* Counted: cache_drop() what you got. Never changes. */
struct cache_value {
    size_t size;
    const char *bytes; /* a NUL follows that is not counted */
};
void cache_drop(const struct cache_value *value); /* NULL is fine */

/* NULL: not there. */
const struct cache_value *cache_get(struct cache *cache, const char *key);
void cache_set(struct cache *cache, const char *key, const void *bytes, size_t size,
               int64_t ttl_ms);
/* Everything whose key matches a glob pattern (* ? [a-z]), in this process and in Redis. False:
 * Redis could not be asked; there it ends with its TTL. */
bool cache_delete(struct cache *cache, const char *pattern);

/* Puts the value into out (empty at the start); false with error (256 bytes) filled: there is
 * none, and nothing is kept. May use the cache under other keys. */
typedef bool cache_build(void *user, hde_text *out, char *error);

/* The value of key, or what build() makes now. In this process one builds and the others wait; in
 * all processes on this Redis one, by a lock of 2 s that a builder who dies leaves to the next.
 * Nobody waits longer than wait_ms, then he builds for himself. NULL: build() has failed, for all
 * who waited for it; error says why. */
const struct cache_value *cached(struct cache *cache, const char *key, int64_t ttl_ms,
                                 cache_build *build, void *user, char error[256]);

struct cache_stats {
    uint64_t hits[2], misses[2]; /* by level: memory, Redis */
    uint64_t builds, failed;     /* build() was called; of these gave nothing */
    uint64_t coalesced;          /* got what another thread was building */
    uint64_t awaited;            /* got what another process was building */
    uint64_t evicted, deleted;
    uint64_t corrupt; /* values in Redis that were none of ours, or damaged: thrown away */
    uint64_t errors;  /* calls to Redis that failed */
    uint64_t lost;    /* locks whose lease ended before the value was there */
    size_t bytes, entries;
};

enum cache_state { CACHE_MEMORY, CACHE_SHARED, CACHE_DEGRADED };

void cache_read_stats(struct cache *cache, struct cache_stats *out);
/* MEMORY: no Redis is configured. DEGRADED: why (256 bytes) says what keeps it away; asks Redis
 * when it has not answered for a second. */
enum cache_state cache_look(struct cache *cache, char why[256]);
const char *cache_state_name(enum cache_state state);
/* hde_cache_* as Prometheus text. */
void cache_print_metrics(struct cache *cache, hde_text *out);

#endif
