/* SPDX-License-Identifier: Apache-2.0
 * shared - the second level: values in Redis, and who builds one.
 *
 * Threads   Any number; one call goes at a time. */
#ifndef CACHE_SHARED_H
#define CACHE_SHARED_H

#include "memory.h"

#include <connectors/redis.h>

struct shared;

/* timeout_ms, value_max: as in cache_options. NULL: error says why. */
struct shared *shared_new(const char *url, const char *prefix, int64_t timeout_ms,
                          size_t value_max, char error[256]);
void shared_free(struct shared *shared);

/* A reference and how long it still counts; NULL: not there, damaged, or Redis is away. */
const struct cache_value *shared_get(struct shared *shared, const char *key, int64_t *left_ms);
void shared_put(struct shared *shared, const char *key, const struct cache_value *value,
                int64_t ttl_ms);
void shared_forget(struct shared *shared, const char *key);
bool shared_delete(struct shared *shared, const char *pattern, uint64_t *deleted);

enum shared_turn {
    TURN_OURS,   /* build; then shared_done() */
    TURN_THEIRS, /* somebody builds */
    TURN_NONE,   /* Redis cannot say: build */
};
enum shared_turn shared_turn(struct shared *shared, const char *key, struct redis_lock *lock);
void shared_done(struct shared *shared, struct redis_lock *lock);

/* True: Redis has answered last. Asks it where it has not for a second. */
bool shared_look(struct shared *shared, char why[256]);
void shared_read(struct shared *shared, struct cache_stats *out);

#endif
