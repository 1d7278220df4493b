/* SPDX-License-Identifier: Apache-2.0
 * connectors/redis.h - one server or a cluster of Redis: commands, scripts, locks, pub/sub.
 *
 * Calls wait for their answers, each up to a deadline of its own: for operators with HDE_BLOCKING
 * and threads of their own. Names of hosts are resolved by the system, which keeps no deadline.
 *
 * Threads   A client, a lock, a subscriber belongs to one thread at a time.
 * Away      A server that cannot be reached is tried again after a pause that doubles from 100 ms
 *           to 5 s; calls within the pause fail at once. A call is never sent twice: when its
 *           connection is cut in the middle, nobody knows whether the server has done it.
 * Cluster   Found by asking, nothing is to be said. MOVED and ASK are followed.
 * Errors    Functions that can fail return false or NULL and fill *error. */
#ifndef CONNECTORS_REDIS_H
#define CONNECTORS_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hiredis.h>

enum redis_trouble {
    REDIS_TROUBLE_NONE = 0,
    REDIS_TROUBLE_URL,    /* no address of a Redis, or one that this build cannot use (TLS) */
    REDIS_TROUBLE_AWAY,   /* refused, cut off, no route, or in the pause behind that: try again */
    REDIS_TROUBLE_LATE,   /* no answer before the deadline: try again */
    REDIS_TROUBLE_DENIED, /* user, password or rights */
    REDIS_TROUBLE_BUSY,   /* loading, moving slots, without a master: try again */
    REDIS_TROUBLE_FULL,   /* maxmemory is reached */
    REDIS_TROUBLE_BROKEN, /* what came is no Redis protocol, or larger than the bound */
    REDIS_TROUBLE_SLOTS,  /* the keys of one command or script are not in one slot */
    REDIS_TROUBLE_LOST,   /* a lock is no longer ours: its lease ended */
    REDIS_TROUBLE_REFUSED, /* any other error that the server answers */
};

struct redis_error {
    enum redis_trouble kind;
    char text[320]; /* begins with the code: "HDE-D002: ..." */
};
const char *redis_trouble_code(enum redis_trouble kind); /* "HDE-D002" */
int64_t redis_now_ns(void);                              /* monotonic, for deadlines */

/* ---- Client ------------------------------------------------------------------------------- */

struct redis;

struct redis_options {
    /* redis://[[USER:]PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/DATABASE]: several hosts are members
     * of one cluster, any of which may be away. unix://[[USER:]PASSWORD@]/PATH[?db=DATABASE].
     * %XX in user, password and path. Host ::1 is written [::1]. */
    const char *url;
    int64_t timeout_ms; /* of a call that says none; 0: 1,000 */
    size_t reply_max;   /* bytes of one reply; 0: 64 MiB */
};

/* Does not connect yet. NULL: the URL is wrong. */
struct redis *redis_new(const struct redis_options *options, struct redis_error *error);
void redis_free(struct redis *redis); /* NULL is fine */
enum { REDIS_ADDRESS = 264, REDIS_ARGS = 16 };
/* The first host and port, or the path: without credentials. */
const char *redis_address(const struct redis *redis, char out[REDIS_ADDRESS]);

struct redis_command { /* lends its arguments */
    size_t n;
    struct redis_arg {
        const void *bytes;
        size_t size;
    } arg[REDIS_ARGS];
    size_t key; /* index of the argument that is the key; 0: no key, any server will do */
};
/* A command of texts, ended by NULL; argument 1 is the key where there is one. */
struct redis_command redis_words(const char *word, ...) __attribute__((sentinel));
void redis_add(struct redis_command *command, const void *bytes, size_t size);

/* Runs n commands with one round trip for each server that has some of the keys; commands of one
 * key are done in their order. reply[i] is yours, freeReplyObject(); it may be of type
 * REDIS_REPLY_ERROR. timeout_ms 0: that of the options. False: a server could not be asked; then
 * there are no replies at all, though some commands may be done. */
bool redis_run(struct redis *redis, const struct redis_command *commands, size_t n,
               redisReply **reply, int64_t timeout_ms, struct redis_error *error);
/* One command; an error that the server answers is an error of the call: NULL. */
redisReply *redis_call(struct redis *redis, const struct redis_command *command,
                       int64_t timeout_ms, struct redis_error *error);
/* What an answered error means; false with *error filled where reply is one. */
bool redis_is_good(const redisReply *reply, struct redis_error *error);

/* Every key that matches a glob pattern, of all servers, once or more; keys that come or go
 * meanwhile may be left out. each() may run commands. False from it ends the walk. The timeout
 * holds for each page. */
bool redis_scan(struct redis *redis, const char *pattern, int64_t timeout_ms,
                bool (*each)(void *user, const redisReply *keys), void *user,
                struct redis_error *error);

/* The slot of a key: of what is between the first { and the next }, if anything is. */
unsigned redis_slot(const void *key, size_t size);
bool redis_is_cluster(const struct redis *redis); /* as far as it was seen */
struct redis_counts {
    uint64_t connects, moved, asked; /* connections made, redirections followed */
};
struct redis_counts redis_counts(const struct redis *redis);

/* ---- Scripts -------------------------------------------------------------------------------
 * Lua that the server runs as one step. All keys need one hash tag, "{feed}:lock" and "{feed}:n":
 * others are refused even where one server holds everything, as they would be in a cluster. */
/* n_args arguments of which the first n_keys (at least one) are keys. The text, which lives as
 * long as the client, goes over the wire only to servers that do not have it. NULL: *error. */
redisReply *redis_eval(struct redis *redis, const char *text, size_t n_keys,
                       const struct redis_arg *arg, size_t n_args, int64_t timeout_ms,
                       struct redis_error *error);

/* ---- Locks ---------------------------------------------------------------------------------
 * A key with a random token, for a lease. Whoever holds it must be done before the lease ends, or
 * extend it: redis_lock_left_ms() counts from before the request was sent, so it ends here first.
 * A master that fails over may forget a lock: good for saving work, no proof of being alone. */
enum { REDIS_LOCK_KEY = 544 };
struct redis_lock {
    char key[REDIS_LOCK_KEY], token[33];
    int64_t lease_ms, until_ns; /* monotonic */
};

/* False with error->kind NONE: somebody else holds it. */
bool redis_lock_take(struct redis *redis, const char *key, int64_t lease_ms,
                     struct redis_lock *lock, struct redis_error *error);
/* A new lease from now on. False with LOST: it had ended and the key is gone or another's. */
bool redis_lock_extend(struct redis *redis, struct redis_lock *lock, struct redis_error *error);
/* Deletes the key if it is still ours. False with LOST: the lease had ended before. */
bool redis_lock_release(struct redis *redis, struct redis_lock *lock, struct redis_error *error);
int64_t redis_lock_left_ms(const struct redis_lock *lock); /* 0: over */

/* ---- Pub/sub -------------------------------------------------------------------------------
 * A subscriber has a connection of its own and makes it again, with all its subscriptions. What
 * is published while it is away is lost, and it says so. */
struct redis_subscriber;

enum redis_event {
    REDIS_EVENT_NONE,    /* nothing within the timeout */
    REDIS_EVENT_MESSAGE,
    REDIS_EVENT_BACK,    /* subscribed, at first or again: what came before was missed */
    REDIS_EVENT_TROUBLE, /* not connected: *error says why; ask again, it waits */
};

struct redis_message { /* lent until the next call */
    const char *channel, *bytes;
    size_t size;
};

struct redis_subscriber *redis_subscriber_new(const struct redis_options *options,
                                              struct redis_error *error);
void redis_subscriber_free(struct redis_subscriber *subscriber); /* NULL is fine */
/* Before the first redis_next(): channels, or glob patterns of them. */
void redis_subscribe(struct redis_subscriber *subscriber, const char *channel, bool is_pattern);
enum redis_event redis_next(struct redis_subscriber *subscriber, int64_t timeout_ms,
                            struct redis_message *message, struct redis_error *error);

#endif
