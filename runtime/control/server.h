/* SPDX-License-Identifier: Apache-2.0
 * server - the inside of control: shared by its loop (control.c), its answers (answer.c) and its
 * taps (viewer.c) and other hosts (hosts.c). Everything here belongs to the control thread, but for
 * the inbox. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include "control/control.h"
#include "control/http.h"

#include <hde/schemas/control.pb-c.h>
#include <pthread.h>

enum {
    CONTROL_VERSION = 1,
    CONTROL_REQUEST_BYTES = 64 * 1024, /* larger ones cost the client its connection */
    CONTROL_VIEWERS = 16,
    CONTROL_CREDIT = 256,     /* answers of a tap under way, at most */
    CONTROL_TAP_EDGES = 64,   /* of one tap */
    CONTROL_TAP_DEPTH = 1024, /* messages that wait for one tap of one edge */
};

struct peer { /* who asked: the ROUTER's name for a client */
    struct net_question *question; /* another host, that gets one answer; NULL: a client */
    uint8_t size;
    uint8_t bytes[255];
};

/* A client that taps. No credit: its messages wait in the engine, bounded, and its descriptors
 * are not looked at. */
struct viewer {
    bool in_use;
    struct peer peer;
    uint64_t request; /* id that every answer repeats */
    uint32_t credit;
    uint64_t dropped;  /* as told last */
    int64_t probed_ns; /* when something was sent last: finds clients that are gone */
    size_t n_taps;
    struct {
        struct tap *tap;
        size_t edge;
        uint64_t dropped;
    } taps[CONTROL_TAP_EDGES];
};

struct control {
    struct parts *parts;
    void *zmq, *router;
    struct http *http;
    int epoll; /* http and taps */
    int wake;  /* eventfd: end */
    int inbox_fd; /* eventfd: something is in the inbox */
    struct inbox_item *inbox, **inbox_tail; /* with inbox_lock held; see hosts.c */
    pthread_mutex_t inbox_lock;
    pthread_t thread;
    bool started;
    char endpoint[256];
    struct viewer viewers[CONTROL_VIEWERS];
};

/* Sends one answer; false if the client is gone or takes nothing. */
bool control_send(struct control *control, const struct peer *peer, const Hde__ControlReply *reply);

/* The same of an answer that is packed already, to a client. */
bool control_send_bytes(struct control *control, const struct peer *peer, const uint8_t *bytes,
                        size_t size);

/* hosts.c */
void hosts_open(struct control *control); /* before the net starts */
/* Asks another host; its answer goes to the peer. */
void hosts_forward(struct control *control, const struct peer *peer, const char *host,
                   const Hde__ControlRequest *request, const uint8_t *bytes, size_t size);
void hosts_serve(struct control *control); /* what has come from others */
void hosts_close(struct control *control); /* after the thread; stops the net */

/* answer.c: what one frame of a client asks for, answered at once. */
void control_answer(struct control *control, const struct peer *peer, const uint8_t *bytes,
                    size_t size);
void control_refuse(struct control *control, const struct peer *peer, uint64_t id, const char *code,
                    const char *hint, const char *message);
/* HTTP: /livez, /readyz, /metrics. */
void control_admin_page(void *control, const char *path, struct http_reply *reply);

/* viewer.c */
void viewer_open(struct control *control, const struct peer *peer, uint64_t id,
                 const Hde__ControlTap *ask);
void viewer_more(struct control *control, const struct peer *peer, const Hde__ControlTapMore *more);
void viewers_serve(struct control *control); /* sends what credit allows, a bounded number */
bool viewers_busy(const struct control *control);
void viewers_end(struct control *control); /* tells each that nothing follows */

#endif
