/* SPDX-License-Identifier: Apache-2.0
 * shared - the second level.
 *
 *  (1) What is in Redis is believed only with its envelope: magic, size, and a hash over key and
 *      bytes. Anything else is thrown away and counted, and the value is built.
 *      [tests/connectors/cache_test.c: damaged values]
 *  (2) Every call has a deadline, and after a failure there is a pause in which none is made
 *      (connectors/redis), so a server that hangs costs one deadline a pause. */
#include "shared.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_MAX = 32, KEY_MAX = CACHE_KEY + PREFIX_MAX + 8, LOCK_LEASE_MS = 2000 };
#define LOOK_AGAIN_NS ((int64_t)1000000000)

static const char magic[8] = "HDECACH1";

struct envelope { /* in front of the bytes, little-endian */
    char magic[8];
    uint64_t size, hash;
};

struct shared {
    char prefix[PREFIX_MAX + 1];
    size_t value_max;
    pthread_mutex_t lock; /* guards all that follows */
    struct redis *redis;
    bool is_away;
    char why[256];
    int64_t looked_ns; /* Redis was asked last */
    uint64_t corrupt, errors, lost;
};

struct shared *
shared_new(const char *url, const char *prefix, int64_t timeout_ms, size_t value_max,
           char error[256])
{
    struct redis_options options = {
        .url = url, .timeout_ms = timeout_ms, .reply_max = value_max + 4096 };
    struct shared *shared = calloc(1, sizeof *shared);
    struct redis_error trouble = {0};

    if (!shared)
        hde_no_memory();
    shared->value_max = value_max;
    snprintf(shared->prefix, sizeof shared->prefix, "%s", prefix);
    pthread_mutex_init(&shared->lock, NULL);
    shared->redis = redis_new(&options, &trouble);
    if (shared->redis)
        return shared;
    snprintf(error, 256, "%.255s", trouble.text);
    shared_free(shared);
    return NULL;
}

void
shared_free(struct shared *shared)
{
    if (!shared)
        return;
    redis_free(shared->redis);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

/* ---- Calls; under the lock ---------------------------------------------------------------- */

static int64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* What a call has shown of the state of Redis: a busy or full one is no cache either, one that
 * refuses a command is there. */
static bool
note(struct shared *shared, bool good, const struct redis_error *error)
{
    shared->looked_ns = now_ns();
    shared->is_away = !good && error->kind != REDIS_TROUBLE_REFUSED;
    if (!good) {
        shared->errors++;
        snprintf(shared->why, sizeof shared->why, "%.255s", error->text);
    }
    return good;
}

static bool
run(struct shared *shared, const struct redis_command *commands, size_t n, redisReply **reply)
{
    struct redis_error error = {0};
    bool good = redis_run(shared->redis, commands, n, reply, 0, &error);

    for (size_t i = 0; good && i < n; i++)
        good = redis_is_good(reply[i], &error);
    if (note(shared, good, &error))
        return true;
    for (size_t i = 0; i < n; i++) {
        freeReplyObject(reply[i]);
        reply[i] = NULL;
    }
    return false;
}

static void
do_one(struct shared *shared, const struct redis_command *command)
{
    redisReply *reply;

    run(shared, command, 1, &reply);
    freeReplyObject(reply);
}

static const char *
full_key(const struct shared *shared, const char *key, char out[KEY_MAX])
{
    snprintf(out, KEY_MAX, "%s%s", shared->prefix, key);
    return out;
}

/* ---- Values ------------------------------------------------------------------------------- */

static uint64_t
hash_of(const char *key, const void *bytes, size_t size)
{
    return memory_hash(memory_hash(0, key, strlen(key)), bytes, size);
}

/* NULL: no value of ours. */
static const struct cache_value *
unwrap(const char *key, const redisReply *reply)
{
    struct envelope envelope;
    struct cache_value *value;
    char *bytes;

    if (reply->len < sizeof envelope)
        return NULL;
    memcpy(&envelope, reply->str, sizeof envelope);
    if (memcmp(envelope.magic, magic, sizeof magic) != 0 ||
        envelope.size != reply->len - sizeof envelope ||
        envelope.hash != hash_of(key, reply->str + sizeof envelope, envelope.size))
        return NULL;
    value = value_new(envelope.size, &bytes);
    memcpy(bytes, reply->str + sizeof envelope, envelope.size);
    return value;
}

static const struct cache_value *
take(struct shared *shared, const char *key, const char *full, redisReply *const reply[2],
     int64_t *left_ms)
{
    const struct cache_value *value;
    struct redis_command forget = redis_words("DEL", full, NULL);

    if (reply[0]->type != REDIS_REPLY_STRING)
        return NULL;
    value = unwrap(key, reply[0]);
    if (!value) {
        shared->corrupt++;
        do_one(shared, &forget);
        return NULL;
    }
    if (reply[1]->type == REDIS_REPLY_INTEGER && reply[1]->integer > 0)
        *left_ms = reply[1]->integer;
    return value;
}

const struct cache_value *
shared_get(struct shared *shared, const char *key, int64_t *left_ms)
{
    char full[KEY_MAX];
    struct redis_command ask[2] = {redis_words("GET", full_key(shared, key, full), NULL),
                                   redis_words("PTTL", full, NULL)};
    const struct cache_value *value = NULL;
    redisReply *reply[2];

    pthread_mutex_lock(&shared->lock);
    if (run(shared, ask, 2, reply)) {
        value = take(shared, key, full, reply, left_ms);
        freeReplyObject(reply[0]);
        freeReplyObject(reply[1]);
    }
    pthread_mutex_unlock(&shared->lock);
    return value;
}

void
shared_put(struct shared *shared, const char *key, const struct cache_value *value, int64_t ttl_ms)
{
    struct envelope envelope = {.size = value->size,
                                .hash = hash_of(key, value->bytes, value->size)};
    char full[KEY_MAX], ttl[24];
    struct redis_command set = redis_words("SET", full_key(shared, key, full), NULL);
    hde_text text = {0};

    if (value->size > shared->value_max || ttl_ms <= 0)
        return;
    /* Up to a tenth less, so that what was set together does not end together. */
    snprintf(ttl, sizeof ttl, "%lld",
             (long long)(ttl_ms - ttl_ms * (int64_t)(envelope.hash % 100) / 1000));
    memcpy(envelope.magic, magic, sizeof magic);
    hde_text_put(&text, (const char *)&envelope, sizeof envelope);
    hde_text_put(&text, value->bytes, value->size);
    redis_add(&set, text.data, text.len);
    redis_add(&set, "PX", 2);
    redis_add(&set, ttl, strlen(ttl));
    pthread_mutex_lock(&shared->lock);
    do_one(shared, &set);
    pthread_mutex_unlock(&shared->lock);
    hde_text_free(&text);
}

void
shared_forget(struct shared *shared, const char *key)
{
    char full[KEY_MAX];
    struct redis_command forget = redis_words("DEL", full_key(shared, key, full), NULL);

    pthread_mutex_lock(&shared->lock);
    do_one(shared, &forget);
    pthread_mutex_unlock(&shared->lock);
}

struct sweep {
    struct shared *shared;
    uint64_t deleted;
};

static bool
unlink_page(void *user, const redisReply *keys)
{
    struct sweep *sweep = user;

    for (size_t i = 0; i < keys->elements; i++) {
        struct redis_command forget = redis_words("UNLINK", NULL);
        redisReply *reply;

        if (keys->element[i]->type != REDIS_REPLY_STRING)
            continue;
        redis_add(&forget, keys->element[i]->str, keys->element[i]->len);
        forget.key = 1;
        if (!run(sweep->shared, &forget, 1, &reply))
            return false;
        sweep->deleted += reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
        freeReplyObject(reply);
    }
    return true;
}

bool
shared_delete(struct shared *shared, const char *pattern, uint64_t *deleted)
{
    struct sweep sweep = {.shared = shared};
    struct redis_error error = {0};
    char full[KEY_MAX];
    bool good;

    pthread_mutex_lock(&shared->lock);
    good = redis_scan(shared->redis, full_key(shared, pattern, full), 0, unlink_page, &sweep,
                      &error);
    if (error.kind != REDIS_TROUBLE_NONE || good)
        note(shared, good, &error);
    pthread_mutex_unlock(&shared->lock);
    *deleted = sweep.deleted;
    return good;
}

/* ---- Turns -------------------------------------------------------------------------------- */

enum shared_turn
shared_turn(struct shared *shared, const char *key, struct redis_lock *lock)
{
    struct redis_error error = {0};
    char full[KEY_MAX];
    bool is_ours, good;

    full_key(shared, key, full);
    strcat(full, "#lock");
    pthread_mutex_lock(&shared->lock);
    is_ours = redis_lock_take(shared->redis, full, LOCK_LEASE_MS, lock, &error);
    good = note(shared, is_ours || error.kind == REDIS_TROUBLE_NONE, &error);
    pthread_mutex_unlock(&shared->lock);
    return is_ours ? TURN_OURS : good ? TURN_THEIRS : TURN_NONE;
}

void
shared_done(struct shared *shared, struct redis_lock *lock)
{
    struct redis_error error = {0};

    pthread_mutex_lock(&shared->lock);
    if (!redis_lock_release(shared->redis, lock, &error)) {
        shared->lost += error.kind == REDIS_TROUBLE_LOST;
        note(shared, error.kind == REDIS_TROUBLE_LOST, &error);
    }
    pthread_mutex_unlock(&shared->lock);
}

/* ---- State -------------------------------------------------------------------------------- */

bool
shared_look(struct shared *shared, char why[256])
{
    struct redis_command ping = redis_words("PING", NULL);
    bool good;

    pthread_mutex_lock(&shared->lock);
    if (!shared->looked_ns || shared->is_away || now_ns() - shared->looked_ns > LOOK_AGAIN_NS)
        do_one(shared, &ping);
    good = !shared->is_away;
    snprintf(why, 256, "%s", good ? "" : shared->why);
    pthread_mutex_unlock(&shared->lock);
    return good;
}

void
shared_read(struct shared *shared, struct cache_stats *out)
{
    pthread_mutex_lock(&shared->lock);
    out->corrupt = shared->corrupt;
    out->errors = shared->errors;
    out->lost = shared->lost;
    pthread_mutex_unlock(&shared->lock);
}
