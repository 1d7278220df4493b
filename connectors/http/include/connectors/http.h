/* SPDX-License-Identifier: Apache-2.0
 * connectors/http - one HTTP request after another over a kept connection (libcurl).
 *
 * For operators with HDE_BLOCKING: http_send() waits for the whole answer. One client belongs to
 * one thread at a time. Redirects are not followed, only http and https are spoken, loopback
 * never goes through a proxy. */
#ifndef CONNECTORS_HTTP_H
#define CONNECTORS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct http;

struct http_request {
    const char *url;
    const char *const *headers; /* "Name: value", ended by NULL; or NULL */
    const void *body;           /* POST where it is not NULL, else GET */
    size_t body_size;
    int64_t timeout_ms;         /* for everything; 0: 30 s */
    int64_t connect_timeout_ms; /* 0: 5 s */
    size_t answer_max;          /* bytes of the body, unpacked; 0: 8 MiB */
};

enum http_result {
    HTTP_ANSWER,    /* there is a whole answer, of any status */
    HTTP_NO_PEER,   /* no such host, refused, no route */
    HTTP_TIMEOUT,   /* the whole answer was not there in time */
    HTTP_CUT,       /* the connection ended before the answer did */
    HTTP_TOO_LARGE, /* more than answer_max: the rest was not read */
    HTTP_FAILED,    /* anything else: TLS, a bad URL, no HTTP */
};

struct http_answer {  /* lent until the next call on the client */
    int status;       /* 0 where none came */
    const char *body; /* ended by a NUL that is not counted; never NULL */
    size_t size;
    char content_type[64];  /* "" where there is none */
    int64_t retry_after_ms; /* Retry-After in either form, at most a day; -1: none */
    int64_t elapsed_us;
    char error[256]; /* for people, where the result is not HTTP_ANSWER */
};

struct http *http_new(void);
void http_free(struct http *http);
enum http_result http_send(struct http *http, const struct http_request *request,
                           struct http_answer *answer);

#ifdef __cplusplus
}
#endif
#endif
