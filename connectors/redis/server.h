/* SPDX-License-Identifier: Apache-2.0
 * server - the connection to one server: made when it is needed, cut at the first doubt. */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include "url.h"

#include <hde/text.h>

struct settings { /* of a client */
    struct url url;
    int64_t timeout_ms;
    size_t reply_max;
};

struct server {
    const struct settings *settings;
    struct place place;
    int fd;                /* -1: not connected */
    hde_text out;          /* commands on their way */
    size_t sent;           /* bytes of it */
    uint64_t connects;     /* so far */
    size_t owed;           /* replies that were not read yet */
    uint64_t checked;      /* the call that has looked whether it is connected */
    redisReader *reader;
    redisReplyObjectFunctions functions; /* of the reader: arrays are bounded */
    void *(*plain_array)(const redisReadTask *, int);
    size_t read;           /* bytes since the last whole reply */
    bool is_over;          /* an array was larger than the bound */
    int64_t pause_ms, next_try_ns; /* after a failure */
    char why[128];         /* of the last failure */
};

/* Fills *error, which may be NULL, with the code of kind in front. Gives false. */
bool redis_fail(struct redis_error *error, enum redis_trouble kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void server_init(struct server *server, const struct settings *settings, const struct place *place);
void server_fini(struct server *server);

/* Connected and greeted (user, database), unless it is away. Looks whether the connection that
 * is there has been closed by the other end meanwhile. */
bool server_connect(struct server *server, int64_t deadline_ns, struct redis_error *error);
/* Appends a command to what is on its way; its reply is owed. */
void server_put(struct server *server, const struct redis_command *command);
/* Sends what the socket takes now. */
bool server_push(struct server *server, struct redis_error *error);
/* Sends the rest and waits for the next reply. After false there is no connection. */
bool server_reply(struct server *server, redisReply **reply, int64_t deadline_ns,
                  struct redis_error *error);
/* The same for what comes unasked: 1 a reply, 0 none before the deadline, -1 cut. */
int server_try_reply(struct server *server, redisReply **reply, int64_t deadline_ns,
                     struct redis_error *error);
/* Closes; the next try comes after a pause. Gives false with *error filled. */
bool server_cut(struct server *server, struct redis_error *error, enum redis_trouble kind,
                const char *why);
/* Closes a connection with replies that nobody will read; it may be made again at once. */
void server_abandon(struct server *server);
/* "HOST:PORT" or the path. */
const char *server_name(const struct server *server, char out[URL_HOST + 8]);

#endif
