/* SPDX-License-Identifier: Apache-2.0
 * server - one HTTP listener on libmicrohttpd: connections, deadlines, framing, queueing pages.
 *
 * Threads   One event thread of libmicrohttpd answers everything; a second one waits for the
 *           next deadline and hangs up on clients that are slower than it. */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "router.h"

struct server_config {
    const char *listen; /* "127.0.0.1:8000", "[::1]:0", "localhost:8000" */
    bool insecure;      /* other addresses than loopback are fine */
    unsigned connections_max;
    unsigned connections_per_ip; /* 0: no bound */
    int64_t request_timeout_ns;  /* from the first moment to the end of the request's head */
};

struct server_error {
    const char *event; /* gateway.listen, gateway.public-address, gateway.port-busy, ... */
    char text[256];
};

struct server;

/* NULL: error says why. gateway is lent until server_stop(). */
struct server *server_start(const struct server_config *config, struct gateway *gateway,
                            struct server_error *error);
void server_stop(struct server *server);             /* waits for both threads; NULL is fine */
const char *server_url(const struct server *server); /* "http://127.0.0.1:8000" */

#endif
