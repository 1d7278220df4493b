/* SPDX-License-Identifier: Apache-2.0
 * url - the address of a Redis taken apart. Pure. */
#ifndef REDIS_URL_H
#define REDIS_URL_H

#include "connectors/redis.h"

enum { URL_HOSTS = 16, URL_HOST = 256, URL_WORD = 256 };

struct place {
    char host[URL_HOST]; /* or the path of a socket */
    int port;            /* 0: host is a path */
};

struct url {
    struct place place[URL_HOSTS];
    size_t n;
    char user[URL_WORD], password[URL_WORD]; /* "" where there is none */
    int database;
};

bool url_parse(const char *text, struct url *out, struct redis_error *error);
/* "HOST:PORT" with the last colon as the mark; host is left alone where it is empty. */
bool place_parse(const char *text, size_t size, int fallback_port, struct place *out);

#endif
