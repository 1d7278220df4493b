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
    CONTROL_TAP_BYTES = 256 * 1024,     /* of an answer to another host, or one message */
    CONTROL_TAP_MESSAGE = 4096 * 1024,  /* larger ones are not sent to another host */
    CONTROL_HOST = 64,                  /* name of one, with its 0 */
};

struct peer { /* who asked: the ROUTER's name for a client, the name of another host */
    struct net_question *question; /* of another host, that gets one answer; NULL: a client */
    bool is_patient;               /* its answer goes among the data */
    uint8_t size;
    uint8_t bytes[255];
};

/* Another host that is asked for what passes its edges; see viewer.c. */
struct far_tap {
    char host[CONTROL_HOST];
    bool is_over;
    uint64_t dropped; /* there */
};

/* A client that taps, or another host. No credit: its messages wait in the engine, bounded, and its
 * descriptors are not looked at. */
struct viewer {
    bool in_use, is_host;
    struct peer peer;
    uint64_t number;  /* random; that of another host's viewer */
    uint64_t request; /* id that every answer repeats */
    uint32_t credit;
    int64_t probed_ns; /* when something was sent last, or a host has asked: finds who is gone */
    uint64_t too_large;
    char *edges; /* the pattern */
    size_t n_far, n_taps;
    struct far_tap *far;
    struct {
        struct tap *tap;
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
    bool is_busy; /* something is looked at often */
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
/* One question of a viewer; its answer comes to viewer_heard(). */
bool hosts_ask_tap(struct control *control, const char *host, Hde__ControlRequest *request,
                   uint64_t viewer, struct err *err);
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
/* What another host has said to a viewer here; err: nothing. */
void viewer_heard(struct control *control, uint64_t viewer, const char *host, const uint8_t *bytes,
                  size_t size, const struct err *err);
void viewers_serve(struct control *control); /* sends what credit allows, a bounded number */
bool viewers_busy(const struct control *control);
void viewers_end(struct control *control); /* tells each that nothing follows */

#endif
