/* SPDX-License-Identifier: Apache-2.0
 * client - asks a control endpoint. One thread. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "base/err.h"

#include <hde/schemas/control.pb-c.h>

struct client;

/* Connects in the background: whether somebody listens shows in the first answer. */
struct client *client_open(const char *endpoint, struct err *err);
void client_close(struct client *client);

/* Fills in version and a new id, and sends. */
bool client_send(struct client *client, Hde__ControlRequest *request, struct err *err);
/* The next answer to the request sent last, lent until the next call; answers to older ones are
 * skipped. NULL with HDE-C012 after timeout_ms, or at once when the engine has gone; without an
 * error when extra_fd (-1: none) becomes readable first. */
const Hde__ControlReply *client_next(struct client *client, int timeout_ms, int extra_fd,
                                     struct err *err);
/* Both; an answer that is an error becomes err (its hint in *hint, which may be NULL). */
const Hde__ControlReply *client_ask(struct client *client, Hde__ControlRequest *request,
                                    int timeout_ms, struct err *err, const char **hint);

#endif
