/* SPDX-License-Identifier: Apache-2.0
 * subscriber - what is published on some channels, over a connection of its own.
 *
 *  (1) Whoever asks gets BACK before the first message of every connection, so a gap is never
 *      silent. [tests/connectors/redis_test.c: kill -9 of the server, and its return]
 *  (2) A peer that has gone away without a word is found by a PING that it does not answer. */
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PING_EVERY_NS ((int64_t)10 * 1000 * 1000000)

struct redis_subscriber {
    struct settings settings;
    struct server server[URL_HOSTS]; /* of one cluster any will do: they pass it on */
    size_t at;                       /* the one in use */
    struct topic {
        char *name;
        bool is_pattern;
    } *topic;
    size_t n;
    size_t confirmed;  /* subscriptions that this connection has answered */
    int64_t heard_ns;  /* something came, or a PING went out */
    bool is_pinged;
    redisReply *reply; /* lent out with the last message */
};

struct redis_subscriber *
redis_subscriber_new(const struct redis_options *options, struct redis_error *error)
{
    struct redis_subscriber *subscriber = calloc(1, sizeof *subscriber);

    if (!subscriber)
        hde_no_memory();
    subscriber->settings.timeout_ms = options->timeout_ms ? options->timeout_ms : 1000;
    subscriber->settings.reply_max = options->reply_max ? options->reply_max : 64u << 20;
    if (!url_parse(options->url, &subscriber->settings.url, error)) {
        free(subscriber);
        return NULL;
    }
    for (size_t i = 0; i < subscriber->settings.url.n; i++)
        server_init(&subscriber->server[i], &subscriber->settings,
                    &subscriber->settings.url.place[i]);
    return subscriber;
}

void
redis_subscriber_free(struct redis_subscriber *subscriber)
{
    if (!subscriber)
        return;
    freeReplyObject(subscriber->reply);
    for (size_t i = 0; i < subscriber->settings.url.n; i++)
        server_fini(&subscriber->server[i]);
    for (size_t i = 0; i < subscriber->n; i++)
        free(subscriber->topic[i].name);
    free(subscriber->topic);
    free(subscriber);
}

void
redis_subscribe(struct redis_subscriber *subscriber, const char *channel, bool is_pattern)
{
    subscriber->topic =
        reallocarray(subscriber->topic, subscriber->n + 1, sizeof *subscriber->topic);
    if (!subscriber->topic ||
        !(subscriber->topic[subscriber->n].name = strdup(channel)))
        hde_no_memory();
    subscriber->topic[subscriber->n++].is_pattern = is_pattern;
}

/* ---- Connection --------------------------------------------------------------------------- */

static bool
connect_one(struct redis_subscriber *subscriber, int64_t deadline_ns, struct redis_error *error)
{
    size_t n = subscriber->settings.url.n;

    for (size_t i = 0; i < n; i++) {
        subscriber->at = (subscriber->at + (i > 0)) % n;
        if (server_connect(&subscriber->server[subscriber->at], deadline_ns, error))
            return true;
    }
    return false;
}

static bool
reconnect(struct redis_subscriber *subscriber, int64_t deadline_ns, struct redis_error *error)
{
    struct server *server;

    if (!connect_one(subscriber, deadline_ns, error))
        return false;
    server = &subscriber->server[subscriber->at];
    for (size_t i = 0; i < subscriber->n; i++) {
        const struct topic *topic = &subscriber->topic[i];
        struct redis_command subscribe =
            redis_words(topic->is_pattern ? "PSUBSCRIBE" : "SUBSCRIBE", topic->name, NULL);

        server_put(server, &subscribe);
    }
    subscriber->confirmed = 0;
    subscriber->is_pinged = false;
    subscriber->heard_ns = redis_now_ns();
    return server_push(server, error);
}

/* Whether the connection is to be given up: nothing has come for long, not even after a PING. */
static bool
keep_alive(struct redis_subscriber *subscriber, struct redis_error *error)
{
    static const struct redis_command ping = {.n = 1, .arg = {{"PING", 4}}};
    struct server *server = &subscriber->server[subscriber->at];
    int64_t now = redis_now_ns(), quiet = now - subscriber->heard_ns;

    if (subscriber->is_pinged && quiet > subscriber->settings.timeout_ms * 1000000)
        return server_cut(server, error, REDIS_TROUBLE_LATE, "no answer to PING");
    if (subscriber->is_pinged || quiet < PING_EVERY_NS)
        return true;
    subscriber->is_pinged = true;
    subscriber->heard_ns = now;
    server_put(server, &ping);
    return server_push(server, error);
}

/* ---- Messages ----------------------------------------------------------------------------- */

static bool
is_word(const redisReply *reply, const char *word)
{
    return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, word) == 0;
}

/* What one push of the server is; NONE: nothing that is for the caller. */
static enum redis_event
take(struct redis_subscriber *subscriber, const redisReply *reply, struct redis_message *message,
     struct redis_error *error)
{
    struct server *server = &subscriber->server[subscriber->at];
    size_t n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    bool is_pattern = n == 4 && is_word(reply->element[0], "pmessage");

    if (is_pattern || (n == 3 && is_word(reply->element[0], "message"))) {
        const redisReply *channel = reply->element[n - 2], *bytes = reply->element[n - 1];

        if (channel->type != REDIS_REPLY_STRING || bytes->type != REDIS_REPLY_STRING)
            goto strange;
        *message = (struct redis_message){channel->str, bytes->str, bytes->len};
        return REDIS_EVENT_MESSAGE;
    }
    if (n == 3 && (is_word(reply->element[0], "subscribe") ||
                   is_word(reply->element[0], "psubscribe"))) {
        subscriber->confirmed++;
        return subscriber->confirmed == subscriber->n ? REDIS_EVENT_BACK : REDIS_EVENT_NONE;
    }
    if (n == 2 && is_word(reply->element[0], "pong"))
        return REDIS_EVENT_NONE;
    if (reply->type == REDIS_REPLY_ERROR) {
        struct redis_error said;

        redis_is_good(reply, &said);
        server_cut(server, error, said.kind, strchr(said.text, ' ') + 1);
        return REDIS_EVENT_TROUBLE;
    }
strange:
    server_cut(server, error, REDIS_TROUBLE_BROKEN, "what came is no message of a channel");
    return REDIS_EVENT_TROUBLE;
}

/* Waits for the end of the pause behind a failure, so that asking in a loop does not spin. */
static void
rest(const struct redis_subscriber *subscriber, int64_t deadline_ns)
{
    int64_t until = subscriber->server[subscriber->at].next_try_ns;
    struct timespec at;

    if (until > deadline_ns)
        until = deadline_ns;
    at = (struct timespec){until / 1000000000, until % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* When keep_alive() has to be looked at again. */
static int64_t
next_look(const struct redis_subscriber *subscriber, int64_t deadline_ns)
{
    int64_t look = subscriber->heard_ns + (subscriber->is_pinged
                                               ? subscriber->settings.timeout_ms * 1000000 + 1
                                               : PING_EVERY_NS);

    return look < deadline_ns ? look : deadline_ns;
}

/* One look at a connection; NONE with *again: there may be more. */
static enum redis_event
listen_once(struct redis_subscriber *subscriber, int64_t deadline_ns, bool *again,
            struct redis_message *message, struct redis_error *error)
{
    struct server *server = &subscriber->server[subscriber->at];
    int64_t look = next_look(subscriber, deadline_ns);
    int got = server_try_reply(server, &subscriber->reply, look, error);

    *again = true;
    if (got < 0 || !keep_alive(subscriber, error))
        return REDIS_EVENT_TROUBLE;
    if (got == 0) {
        *again = redis_now_ns() < deadline_ns;
        return REDIS_EVENT_NONE;
    }
    subscriber->heard_ns = redis_now_ns();
    subscriber->is_pinged = false;
    return take(subscriber, subscriber->reply, message, error);
}

enum redis_event
redis_next(struct redis_subscriber *subscriber, int64_t timeout_ms, struct redis_message *message,
           struct redis_error *error)
{
    int64_t deadline = redis_now_ns() + timeout_ms * 1000000;
    enum redis_event event = REDIS_EVENT_NONE;
    bool again = true;

    while (event == REDIS_EVENT_NONE && again) {
        freeReplyObject(subscriber->reply);
        subscriber->reply = NULL;
        if (subscriber->server[subscriber->at].fd < 0 &&
            !reconnect(subscriber, redis_now_ns() + subscriber->settings.timeout_ms * 1000000,
                       error)) {
            rest(subscriber, deadline);
            return REDIS_EVENT_TROUBLE;
        }
        event = listen_once(subscriber, deadline, &again, message, error);
    }
    return event;
}
