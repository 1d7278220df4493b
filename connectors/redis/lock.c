/* SPDX-License-Identifier: Apache-2.0
 * lock - a key with a random token for a lease.
 *
 *  (1) Only the holder of the token extends or deletes it: compared and done in one script.
 *      [tests/connectors/redis_test.c: lost at the end of its lease]
 *  (2) Here a lease ends no later than at the server: it counts from before the request. */
#include "server.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool
draw_token(char out[33])
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool
redis_lock_take(struct redis *redis, const char *key, int64_t lease_ms, struct redis_lock *lock,
                struct redis_error *error)
{
    struct redis_command set;
    char lease[24];
    int64_t began = redis_now_ns();
    redisReply *reply;
    bool taken;

    *error = (struct redis_error){0};
    *lock = (struct redis_lock){.lease_ms = lease_ms, .until_ns = began + lease_ms * 1000000};
    if (strlen(key) >= sizeof lock->key || !draw_token(lock->token))
        return redis_fail(error, REDIS_TROUBLE_REFUSED, "the key of a lock has at most %zu bytes",
                          sizeof lock->key - 1);
    strcpy(lock->key, key);
    snprintf(lease, sizeof lease, "%lld", (long long)lease_ms);
    set = redis_words("SET", lock->key, lock->token, "NX", "PX", lease, NULL);
    reply = redis_call(redis, &set, 0, error);
    if (!reply)
        return false;
    taken = reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    return taken;
}

/* Runs a script on the key that answers 1 where the token was ours. */
static bool
if_ours(struct redis *redis, const char *text, const struct redis_lock *lock,
        struct redis_error *error)
{
    char lease[24];
    struct redis_arg arg[3] = {{lock->key, strlen(lock->key)}, {lock->token, strlen(lock->token)}};
    redisReply *reply;
    bool was_ours;

    arg[2] = (struct redis_arg){
        lease, (size_t)snprintf(lease, sizeof lease, "%lld", (long long)lock->lease_ms)};
    reply = redis_eval(redis, text, 1, arg, 3, 0, error);
    if (!reply)
        return false;
    was_ours = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    freeReplyObject(reply);
    return was_ours || redis_fail(error, REDIS_TROUBLE_LOST,
                                  "the lock '%s' is no longer ours: its lease of %lld ms has ended",
                                  lock->key, (long long)lock->lease_ms);
}

bool
redis_lock_extend(struct redis *redis, struct redis_lock *lock, struct redis_error *error)
{
    static const char text[] = "if redis.call('get', KEYS[1]) == ARGV[1] then "
                               "return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0";
    int64_t began = redis_now_ns();

    if (!if_ours(redis, text, lock, error)) {
        if (error->kind == REDIS_TROUBLE_LOST)
            lock->until_ns = 0;
        return false;
    }
    lock->until_ns = began + lock->lease_ms * 1000000;
    return true;
}

bool
redis_lock_release(struct redis *redis, struct redis_lock *lock, struct redis_error *error)
{
    static const char text[] = "if redis.call('get', KEYS[1]) == ARGV[1] then "
                               "return redis.call('del', KEYS[1]) end return 0";

    lock->until_ns = 0;
    return if_ours(redis, text, lock, error);
}

int64_t
redis_lock_left_ms(const struct redis_lock *lock)
{
    int64_t left = lock->until_ns - redis_now_ns();

    return left > 0 ? left / 1000000 : 0;
}
