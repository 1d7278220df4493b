/* SPDX-License-Identifier: Apache-2.0
 * http - as much of an HTTP/1.1 server as a scraper needs: GET and HEAD, one request a connection.
 *
 * Never blocks; every connection has 4 KiB for its request and 5 s for everything; more than 32 at
 * once are closed. One thread. */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

#include "base/err.h"

#include <hde/text.h>

struct http_reply {
    int status;       /* 200 at first */
    const char *type; /* content type; "text/plain; charset=utf-8" at first */
    hde_text body;
};
/* path without the query. */
typedef void http_handler(void *arg, const char *path, struct http_reply *reply);

struct http;

/* address: "127.0.0.1:9100", ":9100" (loopback), "[::1]:9100"; port 0 chooses one. Anything but
 * loopback needs insecure. HDE-C018. */
struct http *http_open(const char *address, bool insecure, http_handler *handler, void *arg,
                       struct err *err);
void http_close(struct http *http);
const char *http_address(const struct http *http); /* with the real port */
int http_fd(const struct http *http);              /* readable when http_serve() has work */
void http_serve(struct http *http);                /* what can be done now; closes what is late */
bool http_busy(const struct http *http); /* a deadline runs: call http_serve() within a second */

#endif
