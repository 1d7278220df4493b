/* SPDX-License-Identifier: Apache-2.0
 * control - the control endpoint of a process: a thread of its own that answers requests.
 *
 * Requests and answers are the messages of control.proto over ZeroMQ (DEALER to ROUTER, one frame
 * each). Any number of clients; nothing that a client sends or leaves unread can stop the thread,
 * grow its memory without bound or touch the data path. The same thread serves --admin. */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "base/err.h"
#include "engine/parts.h"

struct control;

struct control_options {
    const char *endpoint; /* ipc://FILE or tcp://ADDRESS:PORT (* chooses a port) */
    const char *admin;    /* HTTP: "127.0.0.1:9100", ":9100", "[::1]:0"; NULL: none */
    bool insecure;        /* other addresses than loopback are fine */
};

/* The parts must outlive it. NULL with a text: HDE-C016 (endpoint), C018 (admin). */
struct control *control_new(struct parts *parts, const struct control_options *options,
                            struct err *err);
void control_free(struct control *control);                  /* ends taps, then the thread */
const char *control_endpoint(const struct control *control); /* as bound */
const char *control_admin(const struct control *control);    /* "127.0.0.1:9100", "" without */

#endif
