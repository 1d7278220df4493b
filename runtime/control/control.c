/* SPDX-License-Identifier: Apache-2.0 */
#include "control/control.h"
#include "base/arena.h"
#include "base/log.h"
#include "control/server.h"
#include "engine/over_hosts.h"
#include "engine/parts.h"
#include "net/net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

enum { HOUSEKEEPING_MS = 5000, BUSY_MS = 1000, LINGER_MS = 500, REQUESTS_A_TURN = 64 };

/* ---- The thread --------------------------------------------------------------------------- */

bool
control_send_bytes(struct control *control, const struct peer *peer, const uint8_t *bytes,
                   size_t size)
{
    if (zmq_send(control->router, peer->bytes, peer->size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return false;
    return zmq_send(control->router, bytes, size, ZMQ_DONTWAIT) >= 0;
}

bool
control_send(struct control *control, const struct peer *peer, const Hde__ControlReply *reply)
{
    size_t size = hde__control_reply__get_packed_size(reply);
    uint8_t *bytes = xmalloc(size + 1);
    bool sent = true;

    hde__control_reply__pack(reply, bytes);
    if (peer->question)
        (peer->is_patient ? net_answer_slowly : net_answer)(peer->question, bytes, size);
    else
        sent = control_send_bytes(control, peer, bytes, size);
    free(bytes);
    return sent;
}

static bool
receive_frame(struct control *control, zmq_msg_t *msg)
{
    zmq_msg_init(msg);
    return zmq_msg_recv(msg, control->router, ZMQ_DONTWAIT) >= 0;
}

/* One request: name of the peer, then one frame. Whatever else comes is read and refused. */
static bool
receive_request(struct control *control)
{
    struct peer peer = {0};
    zmq_msg_t name, body, more;
    bool whole;

    if (!receive_frame(control, &name))
        return false;
    peer.size = (uint8_t)zmq_msg_size(&name);
    memcpy(peer.bytes, zmq_msg_data(&name), peer.size);
    whole = zmq_msg_more(&name) && receive_frame(control, &body);
    zmq_msg_close(&name);
    if (!whole)
        return true;
    for (bool rest = zmq_msg_more(&body); rest;) {
        whole = false;
        rest = receive_frame(control, &more) && zmq_msg_more(&more);
        zmq_msg_close(&more);
    }
    if (whole)
        control_answer(control, &peer, zmq_msg_data(&body), zmq_msg_size(&body));
    else
        control_refuse(control, &peer, 0, "HDE-C013", NULL, "a request is one frame");
    zmq_msg_close(&body);
    return true;
}

static void *
run(void *arg)
{
    struct control *control = arg;
    zmq_pollitem_t items[] = {{.socket = control->router, .events = ZMQ_POLLIN},
                              {.fd = control->epoll, .events = ZMQ_POLLIN},
                              {.fd = control->wake, .events = ZMQ_POLLIN},
                              {.fd = control->inbox_fd, .events = ZMQ_POLLIN}};

    pthread_setname_np(pthread_self(), "hde-control");
    control->is_busy = true; /* a host may come back in doubt, or behind the others */
    for (;;) {
        bool busy = control->is_busy || viewers_busy(control) ||
                    (control->http && http_busy(control->http));

        if (zmq_poll(items, 4, busy ? BUSY_MS : HOUSEKEEPING_MS) < 0 && errno != EINTR)
            break;
        if (items[2].revents)
            break;
        for (int i = 0; i < REQUESTS_A_TURN && receive_request(control); i++)
            ;
        if (items[3].revents)
            hosts_serve(control);
        if (control->http)
            http_serve(control->http);
        viewers_serve(control);
        control->is_busy = parts_over_hosts(control->parts) &&
                           over_hosts_tick(parts_over_hosts(control->parts));
        log_tick();
    }
    viewers_end(control);
    return NULL;
}

/* ---- Opening and closing ------------------------------------------------------------------ */

/* libzmq takes an ipc path away from whoever listens there: look first. */
static bool
is_taken(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool taken;

    if (fd < 0 || strlen(path) >= sizeof address.sun_path) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    taken = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN;
    close(fd);
    return taken;
}

static bool
check_endpoint(const char *endpoint, bool insecure, struct err *err)
{
    if (strncmp(endpoint, "ipc://", 6) == 0 && endpoint[6])
        return !is_taken(endpoint + 6) ||
               err_set(err, "HDE-C016", "another process listens on %s", endpoint);
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return err_set(err, "HDE-C016",
                       "'%s' is not a control endpoint: ipc://FILE or "
                       "tcp://127.0.0.1:PORT",
                       endpoint);
    if (!insecure && strncmp(endpoint, "tcp://127.", 10) != 0 &&
        strncmp(endpoint, "tcp://[::1]:", 12) != 0)
        return err_set(
            err, "HDE-C016",
            "'%s' is reachable from outside and control asks for no password: use ipc or "
            "127.0.0.1, or say --insecure",
            endpoint);
    return true;
}

static bool
open_router(struct control *control, const struct control_options *options, struct err *err)
{
    int linger = LINGER_MS, mandatory = 1, v6 = 1;
    int64_t largest = CONTROL_REQUEST_BYTES;
    size_t size = sizeof control->endpoint;

    if (!check_endpoint(options->endpoint, options->insecure, err))
        return false;
    control->zmq = zmq_ctx_new();
    control->router = control->zmq ? zmq_socket(control->zmq, ZMQ_ROUTER) : NULL;
    if (!control->router)
        return err_set(err, "HDE-C016", "no control socket: %s", zmq_strerror(errno));
    zmq_setsockopt(control->router, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(control->router, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory);
    zmq_setsockopt(control->router, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    zmq_setsockopt(control->router, ZMQ_IPV6, &v6, sizeof v6);
    if (zmq_bind(control->router, options->endpoint))
        return err_set(err, "HDE-C016", "cannot listen on %s: %s", options->endpoint,
                       zmq_strerror(errno));
    if (zmq_getsockopt(control->router, ZMQ_LAST_ENDPOINT, control->endpoint, &size))
        snprintf(control->endpoint, sizeof control->endpoint, "%s", options->endpoint);
    return true;
}

static bool
open_all(struct control *control, const struct control_options *options, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    sigset_t all, old;
    int failed;

    control->epoll = epoll_create1(EPOLL_CLOEXEC);
    control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    control->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->epoll < 0 || control->wake < 0 || control->inbox_fd < 0)
        return err_set(err, "HDE-C016", "no descriptors for control: %s", strerror(errno));
    if (!open_router(control, options, err))
        return false;
    if (options->admin) {
        control->http =
            http_open(options->admin, options->insecure, control_admin_page, control, err);
        if (!control->http)
            return false;
        epoll_ctl(control->epoll, EPOLL_CTL_ADD, http_fd(control->http), &event);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failed = pthread_create(&control->thread, NULL, run, control);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return err_set(err, "HDE-C016", "no thread for control: %s", strerror(failed));
    control->started = true;
    return true;
}

struct control *
control_new(struct parts *parts, const struct control_options *options, struct err *err)
{
    struct control *control = xcalloc(1, sizeof *control);
    struct err own = {0};

    control->parts = parts;
    control->epoll = control->wake = control->inbox_fd = -1;
    hosts_open(control);
    if (open_all(control, options, &own))
        return control;
    err_set(err, own.code, "%s", own.text);
    control_free(control);
    return NULL;
}

void
control_free(struct control *control)
{
    if (!control)
        return;
    if (control->started) {
        eventfd_write(control->wake, 1);
        pthread_join(control->thread, NULL);
    }
    hosts_close(control);
    http_close(control->http);
    if (control->router)
        zmq_close(control->router);
    if (control->zmq)
        zmq_ctx_term(control->zmq);
    if (strncmp(control->endpoint, "ipc://", 6) == 0) /* set when it was bound; zmq may leave it */
        unlink(control->endpoint + 6);
    if (control->epoll >= 0)
        close(control->epoll);
    if (control->wake >= 0)
        close(control->wake);
    if (control->inbox_fd >= 0)
        close(control->inbox_fd);
    free(control);
}

const char *
control_endpoint(const struct control *control)
{
    return control->endpoint;
}

const char *
control_admin(const struct control *control)
{
    return control->http ? http_address(control->http) : "";
}
