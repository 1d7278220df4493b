/* SPDX-License-Identifier: Apache-2.0 */
#include "control/client.h"
#include "base/arena.h"
#include "base/clock.h"
#include "control/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { ANSWER_BYTES = 64 * 1024 * 1024 };

struct client {
    void *zmq, *socket;
    void *monitor; /* tells when the connection comes and goes */
    bool is_gone;  /* it was there */
    uint64_t id;
    char *endpoint;
    Hde__ControlReply *reply;
};

/* Before it connects. */
static bool
watch_connection(struct client *client)
{
    static const char address[] = "inproc://connection"; /* in a context of its own */

    client->monitor = zmq_socket(client->zmq, ZMQ_PAIR);
    return client->monitor &&
           zmq_socket_monitor(client->socket, address,
                              ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) == 0 &&
           zmq_connect(client->monitor, address) == 0;
}

struct client *
client_open(const char *endpoint, struct err *err)
{
    struct client *client = xcalloc(1, sizeof *client);
    int64_t largest = ANSWER_BYTES;
    int linger = 200, v6 = 1; /* long enough for a last request */

    client->endpoint = xstrdup(endpoint);
    client->zmq = zmq_ctx_new();
    client->socket = client->zmq ? zmq_socket(client->zmq, ZMQ_DEALER) : NULL;
    if (client->socket) {
        zmq_setsockopt(client->socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_setsockopt(client->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
        zmq_setsockopt(client->socket, ZMQ_IPV6, &v6, sizeof v6);
        if (watch_connection(client) && zmq_connect(client->socket, endpoint) == 0)
            return client;
    }
    err_set(err, "HDE-C012", "cannot connect to '%s': %s", endpoint, zmq_strerror(errno));
    client_close(client);
    return NULL;
}

static void
forget(struct client *client)
{
    if (client->reply)
        hde__control_reply__free_unpacked(client->reply, NULL);
    client->reply = NULL;
}

void
client_close(struct client *client)
{
    if (!client)
        return;
    forget(client);
    if (client->monitor) {
        zmq_socket_monitor(client->socket, NULL, 0); /* or an event may be lost half written */
        zmq_close(client->monitor);
    }
    if (client->socket)
        zmq_close(client->socket);
    if (client->zmq)
        zmq_ctx_term(client->zmq);
    free(client->endpoint);
    free(client);
}

bool
client_send(struct client *client, Hde__ControlRequest *request, struct err *err)
{
    zmq_msg_t msg;

    request->has_version = request->has_id = true;
    request->version = CONTROL_VERSION;
    if (request->ask_case != HDE__CONTROL_REQUEST__ASK_TAP_MORE)
        client->id++;
    request->id = client->id;
    if (zmq_msg_init_size(&msg, hde__control_request__get_packed_size(request)))
        return err_set(err, "HDE-C012", "cannot send to %s: %s", client->endpoint,
                       zmq_strerror(errno));
    hde__control_request__pack(request, zmq_msg_data(&msg));
    if (zmq_msg_send(&msg, client->socket, ZMQ_DONTWAIT) >= 0)
        return true;
    zmq_msg_close(&msg);
    return err_set(err, "HDE-C012", "cannot send to %s: %s", client->endpoint, zmq_strerror(errno));
}

/* One answer that is there already: false if there is none. */
static bool
receive(struct client *client)
{
    zmq_msg_t msg;
    bool more;

    forget(client);
    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, client->socket, ZMQ_DONTWAIT) < 0)
        return false;
    more = zmq_msg_more(&msg);
    if (!more)
        client->reply = hde__control_reply__unpack(NULL, zmq_msg_size(&msg), zmq_msg_data(&msg));
    zmq_msg_close(&msg);
    while (more) {
        zmq_msg_init(&msg);
        more = zmq_msg_recv(&msg, client->socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&msg);
        zmq_msg_close(&msg);
    }
    return true;
}

/* Two parts an event: its number in the first two bytes, and where. */
static void
look_at_connection(struct client *client)
{
    uint8_t bytes[8];
    uint16_t event;
    int size;

    while ((size = zmq_recv(client->monitor, bytes, sizeof bytes, ZMQ_DONTWAIT)) >= 0) {
        memcpy(&event, bytes, sizeof event);
        if (size >= (int)sizeof event)
            client->is_gone = event == ZMQ_EVENT_DISCONNECTED;
        zmq_recv(client->monitor, bytes, sizeof bytes, ZMQ_DONTWAIT);
    }
}

const Hde__ControlReply *
client_next(struct client *client, int timeout_ms, int extra_fd, struct err *err)
{
    int64_t deadline = clock_mono_ns() + (int64_t)timeout_ms * NS_PER_MS;
    zmq_pollitem_t items[] = {{.socket = client->socket, .events = ZMQ_POLLIN},
                              {.socket = client->monitor, .events = ZMQ_POLLIN},
                              {.fd = extra_fd, .events = ZMQ_POLLIN}};

    for (;;) {
        int64_t left = (deadline - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;

        look_at_connection(client); /* before what it has left is taken */
        while (receive(client))
            if (client->reply && client->reply->id == client->id)
                return client->reply;
        if (client->is_gone) {
            err_set(err, "HDE-C012", "the engine at %s has ended, or hung up, without an answer",
                    client->endpoint);
            return NULL;
        }
        if (left <= 0)
            break;
        if (zmq_poll(items, extra_fd >= 0 ? 3 : 2, left) < 0 && errno != EINTR)
            break;
        if (extra_fd >= 0 && items[2].revents)
            return NULL;
    }
    err_set(err, "HDE-C012", "no answer from %s within %d ms", client->endpoint, timeout_ms);
    return NULL;
}

const Hde__ControlReply *
client_ask(struct client *client, Hde__ControlRequest *request, int timeout_ms, struct err *err,
           const char **hint)
{
    const Hde__ControlReply *reply;

    if (hint)
        *hint = NULL;
    if (!client_send(client, request, err))
        return NULL;
    reply = client_next(client, timeout_ms, -1, err);
    if (!reply || reply->answer_case != HDE__CONTROL_REPLY__ANSWER_ERROR)
        return reply;
    err_set(err, reply->error->code ? reply->error->code : "HDE-C013", "%s",
            reply->error->message ? reply->error->message : "refused");
    if (hint)
        *hint = reply->error->hint;
    return NULL;
}
