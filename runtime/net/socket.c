/* SPDX-License-Identifier: Apache-2.0
 * socket - what a net has of ZeroMQ.
 *
 *  (1) A host binds one DEALER, which only receives; for each lane to each other host it connects
 *      one, which only sends. So a stranger who connects gets nothing, hosts start in any order,
 *      and no socket drops: a DEALER without room or without the other end says so (ZMQ_IMMEDIATE),
 *      and then the message waits here, one a lane. [test_hosts_start_in_any_order]
 *  (2) The lanes are connections of their own, so control is never behind data.
 *      [test_control_is_not_behind_data]
 *  (3) With CURVE the host of a message is the one whose key opened the connection: the door (ZAP)
 *      lets in the keys of the configuration alone and names the host.
 *      [test_strangers_and_wrong_keys_stay_outside]
 *  (4) What is too large for bytes_max is dropped and counted, twice that closes the connection
 *      before it is read. [test_what_is_too_large_has_no_effect]
 *  (5) ZeroMQ's heartbeats run on the lanes of control, which have a thread of ZeroMQ's to
 *      themselves: one that has a beat to send arms a timer whenever it sleeps, which with data is
 *      3 us a message. On the other connections the kernel gives up what is not acknowledged, and
 *      asks where nothing is sent. One of data that hangs all the same is missed by the beats of the
 *      session (peer.c); the next session has another.
 *      [test_data_that_hangs_alone_gets_another_connection]
 *
 * All sockets belong to the net's thread; net_start() makes them before it, but those of
 * socket_renew(), and net_stop() closes them behind it. */
#include "net/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

/* ZeroMQ's threads, as bits of ZMQ_AFFINITY. */
enum { BESIDE_DATA = 1 << 0, BESIDE_CONTROL = 1 << 1, IO_THREADS = 2 };

enum {
    KEY = 32,
    SEND_MESSAGES = 16, /* that wait in a socket */
    RECEIVE_MESSAGES = 64,
    SOME = 64,     /* messages that are received in one go */
    LAST_MS = 500, /* for what was said last */
    HANGUPS = 3,   /* in a row, from which on it is no accident */
};

static bool
failed(struct err *err, const char *code, const char *endpoint)
{
    int error = zmq_errno();

    return err_set(err, code, "%s: %s", endpoint, zmq_strerror(error));
}

/* ---- What is refused before anything is opened ----------------------------------------------- */

static bool
is_private(const char *endpoint)
{
    static const char *const prefixes[] = {"ipc://", "tcp://127.",
                                           "tcp://localhost:", "tcp://[::1]:"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (!strncmp(endpoint, prefixes[i], strlen(prefixes[i])))
            return true;
    return false;
}

static bool
check_peer(const struct net_peer *peer, bool has_curve, struct err *err)
{
    uint8_t key[KEY];

    if (!peer->endpoint ||
        (strncmp(peer->endpoint, "tcp://", 6) != 0 && strncmp(peer->endpoint, "ipc://", 6) != 0))
        return err_set(err, "HDE-N001",
                       "host '%s': '%s' is no address of the form "
                       "tcp://ADDRESS:PORT or ipc://PATH",
                       peer->name, peer->endpoint ? peer->endpoint : "");
    if (has_curve && !peer->public_key)
        return err_set(err, "HDE-N002",
                       "host '%s' has no public key, and this host has a secret one: "
                       "all hosts have keys, or none",
                       peer->name);
    if (has_curve &&
        (strlen(peer->public_key) != NET_KEY - 1 || !zmq_z85_decode(key, peer->public_key)))
        return err_set(err, "HDE-N002",
                       "host '%s': '%s' is no public key (40 characters, see 'hde "
                       "keygen')",
                       peer->name, peer->public_key);
    return true;
}

static bool
check_own_key(const struct net_config *config, struct err *err)
{
    char public_key[NET_KEY];

    if (!net_public_key(config->secret_key, public_key, err))
        return false;
    return !strcmp(public_key, config->self.public_key) ||
           err_set(err, "HDE-N002",
                   "the secret key of host '%s' belongs to public key '%s', and the "
                   "graph gives it '%s'",
                   config->self.name, public_key, config->self.public_key);
}

bool
sockets_check(const struct net_config *config, struct err *err)
{
    bool has_curve = config->secret_key != NULL;

    if (!check_peer(&config->self, has_curve, err))
        return false;
    for (size_t i = 0; i < config->n_peers; i++)
        if (!check_peer(&config->peers[i], has_curve, err))
            return false;
    if (has_curve)
        return check_own_key(config, err);
    return config->insecure || is_private(config->self.endpoint) ||
           err_set(err, "HDE-N003",
                   "host '%s' would listen on %s without keys, so that anybody could "
                   "send it data: give the hosts keys ('hde keygen'), or start with --insecure",
                   config->self.name, config->self.endpoint);
}

/* ---- Open and close -------------------------------------------------------------------------- */

static void
set_int(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof value);
}

static void
close_one(void **socket)
{
    if (*socket)
        zmq_close(*socket);
    *socket = NULL;
}

/* (5) */
static void
set_beats(void *socket, int beat_ms, uint64_t io_thread)
{
    int dead_ms = DEAD_DATA_BEATS * beat_ms, dead_s = dead_ms / 1000;

    zmq_setsockopt(socket, ZMQ_AFFINITY, &io_thread, sizeof io_thread);
    set_int(socket, ZMQ_TCP_MAXRT, dead_ms);
    set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, dead_s / 2 ? dead_s / 2 : 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, dead_s / 8 ? dead_s / 8 : 1);
    if (io_thread != BESIDE_CONTROL)
        return;
    set_int(socket, ZMQ_HEARTBEAT_IVL, beat_ms);
    set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, dead_ms);
}

static void *
open_dealer(struct net *net, uint64_t io_thread)
{
    int64_t bytes_max = 2 * (int64_t)net->config.bytes_max;
    void *socket = zmq_socket(net->context, ZMQ_DEALER);

    if (!socket)
        return NULL;
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_SNDHWM, SEND_MESSAGES);
    set_int(socket, ZMQ_RCVHWM, RECEIVE_MESSAGES);
    set_int(socket, ZMQ_IMMEDIATE, 1);
    set_int(socket, ZMQ_IPV6, 1);
    set_int(socket, ZMQ_HANDSHAKE_IVL, 5000);
    set_int(socket, ZMQ_CONNECT_TIMEOUT, 2000);
    set_int(socket, ZMQ_RECONNECT_IVL, 20);
    set_int(socket, ZMQ_RECONNECT_IVL_MAX, 1000);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max);
    set_beats(socket, (int)(net->config.beat_ns / 1000000), io_thread);
    return socket;
}

static void *
watch_socket(struct net *net, void *socket, int events, const void *of)
{
    char address[64];
    void *monitor = zmq_socket(net->context, ZMQ_PAIR);

    if (!monitor)
        return NULL;
    snprintf(address, sizeof address, "inproc://watch-%p", of);
    set_int(monitor, ZMQ_LINGER, 0);
    if (zmq_socket_monitor(socket, address, events) || zmq_connect(monitor, address)) {
        zmq_close(monitor);
        return NULL;
    }
    return monitor;
}

static bool
open_door(struct net *net, struct err *err)
{
    if (!net->secret_key)
        return true;
    net->door = zmq_socket(net->context, ZMQ_REP);
    set_int(net->door, ZMQ_LINGER, 0);
    return zmq_bind(net->door, "inproc://zeromq.zap.01") == 0 ||
           failed(err, "HDE-N001", "the door of CURVE");
}

/* Its descriptor is our own copy: who watches it may do so until net_free(). */
static bool
poll_in(struct net *net)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    size_t size = sizeof(int);
    int fd = -1;

    zmq_getsockopt(net->in, ZMQ_FD, &fd, &size);
    net->in_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    net->in_poll_fd = epoll_create1(EPOLL_CLOEXEC);
    return net->in_fd >= 0 && !epoll_ctl(net->in_poll_fd, EPOLL_CTL_ADD, net->in_fd, &wanted);
}

static bool
open_in(struct net *net, struct err *err)
{
    net->in = open_dealer(net, BESIDE_DATA);
    if (!net->in)
        return failed(err, "HDE-N001", net->endpoint);
    if (net->secret_key) {
        set_int(net->in, ZMQ_CURVE_SERVER, 1);
        zmq_setsockopt(net->in, ZMQ_CURVE_SECRETKEY, net->secret_key, NET_KEY);
        zmq_setsockopt(net->in, ZMQ_ZAP_DOMAIN, "hde", 3);
    }
    net->in_monitor = watch_socket(
        net, net->in, ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
        net);
    if (!poll_in(net))
        return err_set(err, "HDE-N001", "%s: there is no descriptor to wait with", net->endpoint);
    return zmq_bind(net->in, net->endpoint) == 0 || failed(err, "HDE-N001", net->endpoint);
}

static bool
open_lane(struct peer *peer, enum lane lane, struct err *err)
{
    const struct net *net = peer->net;
    void *socket = peer->socket[lane] =
        open_dealer(peer->net, lane == LANE_DATA ? BESIDE_DATA : BESIDE_CONTROL);

    if (!socket)
        return failed(err, "HDE-N001", peer->endpoint);
    if (net->secret_key) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, peer->public_key, NET_KEY);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, net->public_key, NET_KEY);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, net->secret_key, NET_KEY);
    }
    if (lane == LANE_CONTROL)
        peer->monitor =
            watch_socket(peer->net, socket,
                         ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                         peer);
    return zmq_connect(socket, peer->endpoint) == 0 || failed(err, "HDE-N001", peer->endpoint);
}

bool
sockets_open(struct net *net, struct err *err)
{
    net->context = zmq_ctx_new();
    zmq_ctx_set(net->context, ZMQ_IO_THREADS, IO_THREADS);
    if (!open_door(net, err) || !open_in(net, err))
        return false;
    for (size_t i = 0; i < net->n_peers; i++)
        for (int lane = 0; lane < LANES; lane++)
            if (!open_lane(&net->peer[i], (enum lane)lane, err))
                return false;
    return true;
}

/* One that cannot be made leaves the one that is there. */
void
socket_renew(struct peer *peer)
{
    void *last = peer->socket[LANE_DATA];
    struct err err = {0};

    if (!open_lane(peer, LANE_DATA, &err)) {
        void *failed = peer->socket[LANE_DATA];

        peer->socket[LANE_DATA] = last;
        last = failed;
    }
    close_one(&last);
}

void
socket_let_out(struct peer *peer)
{
    set_int(peer->socket[LANE_CONTROL], ZMQ_LINGER, LAST_MS);
}

/* Stopped first, or an event may be lost half written. */
static void
close_monitor(void **monitor, void *of)
{
    if (*monitor)
        zmq_socket_monitor(of, NULL, 0);
    close_one(monitor);
}

static void
drop_aside(struct net *net)
{
    if (net->aside)
        zmq_msg_close(net->aside);
    free(net->aside);
    net->aside = NULL;
}

void
sockets_close(struct net *net)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        struct peer *peer = &net->peer[i];

        socket_forget(peer);
        close_monitor(&peer->monitor, peer->socket[LANE_CONTROL]);
        for (int lane = 0; lane < LANES; lane++)
            close_one(&peer->socket[lane]);
    }
    close_monitor(&net->in_monitor, net->in);
    drop_aside(net);
    close_one(&net->in);
    close_one(&net->door);
    if (net->context)
        zmq_ctx_term(net->context);
    net->context = NULL;
}

/* ---- Sending --------------------------------------------------------------------------------- */

struct frame *
out_add(struct net *net, Hde__FrameKind kind, uint32_t edge)
{
    struct frame *frame = &net->out[net->n_out].frame;

    frame_begin(frame, kind, edge);
    return frame;
}

void
out_done(struct net *net)
{
    struct sized_frame *last = &net->out[net->n_out++];

    last->size = frame_size(&last->frame);
    net->out_size += envelope_room(last);
}

void
out_drop(struct net *net)
{
    for (size_t i = 0; i < net->n_out; i++) {
        msgvec_drop_all(&net->held[i]);
        free(net->text[i]);
        net->text[i] = NULL;
    }
    net->n_out = net->out_size = 0;
}

/* Moved to where it can stay. */
static zmq_msg_t *
keep_message(zmq_msg_t *msg)
{
    zmq_msg_t *kept = xmalloc(sizeof *kept);

    zmq_msg_init(kept);
    zmq_msg_move(kept, msg);
    return kept;
}

static void
write_envelope(zmq_msg_t *msg, const struct net *net, const struct envelope *envelope, size_t n)
{
    size_t size = envelope_size(envelope, net->out, n);

    if (zmq_msg_init_size(msg, size))
        out_of_memory(size);
    envelope_write(envelope, net->out, n, zmq_msg_data(msg));
}

void
socket_forget(struct peer *peer)
{
    for (int lane = 0; lane < LANES; lane++) {
        if (peer->stuck[lane])
            zmq_msg_close(peer->stuck[lane]);
        free(peer->stuck[lane]);
        peer->stuck[lane] = NULL;
        peer->is_stuck[lane] = false;
    }
}

bool
socket_unstick(struct peer *peer, enum lane lane)
{
    if (!peer->stuck[lane])
        return true;
    peer->is_stuck[lane] = !peer->socket[lane] ||
                           zmq_msg_send(peer->stuck[lane], peer->socket[lane], ZMQ_DONTWAIT) < 0;
    if (peer->is_stuck[lane])
        return false;
    free(peer->stuck[lane]);
    peer->stuck[lane] = NULL;
    return true;
}

void
socket_send(struct peer *peer, enum lane lane, const uint8_t *greeting, size_t size)
{
    struct net *net = peer->net;
    struct envelope envelope = {.session = peer->theirs,
                                .number = peer->sent[lane]++,
                                .lane = lane,
                                .greeting = greeting,
                                .greeting_size = size};
    zmq_msg_t msg;

    write_envelope(&msg, net, &envelope, net->n_out);
    peer->look.frames[0] += net->n_out;
    peer->look.bytes[0] += zmq_msg_size(&msg);
    out_drop(net);
    peer->is_stuck[lane] =
        !peer->socket[lane] || zmq_msg_send(&msg, peer->socket[lane], ZMQ_DONTWAIT) < 0;
    if (peer->is_stuck[lane])
        peer->stuck[lane] = keep_message(&msg);
}

bool
socket_greet(struct peer *peer, const uint8_t *greeting, size_t size)
{
    const struct envelope envelope = {.greeting = greeting, .greeting_size = size};
    zmq_msg_t msg;

    write_envelope(&msg, peer->net, &envelope, 0);
    if (peer->socket[LANE_CONTROL] &&
        zmq_msg_send(&msg, peer->socket[LANE_CONTROL], ZMQ_DONTWAIT) >= 0) {
        peer->is_stuck[LANE_CONTROL] = peer->stuck[LANE_CONTROL] != NULL;
        return true;
    }
    zmq_msg_close(&msg);
    peer->is_stuck[LANE_CONTROL] = true;
    return false;
}

/* ---- The door -------------------------------------------------------------------------------- */

enum {
    ZAP_VERSION,
    ZAP_REQUEST,
    ZAP_DOMAIN,
    ZAP_ADDRESS,
    ZAP_IDENTITY,
    ZAP_MECHANISM,
    ZAP_KEY,
    ZAP_PARTS
};

struct zap_part {
    size_t size;
    uint8_t bytes[256];
};

static int
receive_parts(void *socket, struct zap_part *part)
{
    int n = 0, more = 0;
    size_t size = sizeof more;

    do {
        struct zap_part over, *to = n < ZAP_PARTS ? &part[n] : &over;
        int got = zmq_recv(socket, to->bytes, sizeof to->bytes, ZMQ_DONTWAIT);

        if (got < 0)
            return n;
        to->size = (size_t)got < sizeof to->bytes ? (size_t)got : sizeof to->bytes;
        n++;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    } while (more);
    return n;
}

static const char *
host_of_key(const struct net *net, const uint8_t *key)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        uint8_t known[KEY];

        if (zmq_z85_decode(known, net->peer[i].public_key) && !memcmp(known, key, KEY))
            return net->peer[i].name;
    }
    return NULL;
}

static bool
serve_door(struct net *net)
{
    struct zap_part part[ZAP_PARTS] = {0};
    const char *name = NULL;
    int n = net->door ? receive_parts(net->door, part) : 0;

    if (!n)
        return false;
    if (n == ZAP_PARTS && part[ZAP_MECHANISM].size == 5 &&
        !memcmp(part[ZAP_MECHANISM].bytes, "CURVE", 5) && part[ZAP_KEY].size == KEY)
        name = host_of_key(net, part[ZAP_KEY].bytes);
    if (!name)
        net->strangers++;
    zmq_send(net->door, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(net->door, part[ZAP_REQUEST].bytes, part[ZAP_REQUEST].size, ZMQ_SNDMORE);
    zmq_send(net->door, name ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(net->door, name ? "OK" : "unknown key", name ? 2 : 11, ZMQ_SNDMORE);
    zmq_send(net->door, name ? name : "", name ? strlen(name) : 0, ZMQ_SNDMORE);
    zmq_send(net->door, "", 0, 0);
    return true;
}

/* An event of a monitor; 0: there is none. */
static unsigned
next_event(void *monitor)
{
    struct zap_part part[ZAP_PARTS] = {0};
    uint16_t event = 0;

    if (monitor && receive_parts(monitor, part) && part[0].size >= sizeof event)
        memcpy(&event, part[0].bytes, sizeof event);
    return event;
}

/* The other end hangs up without a word when the key is not its own, but also when it just ends. */
static void
note_failure(struct peer *peer, unsigned event)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        peer_refused(peer, "HDE-N011: it does not know this host's key");
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        peer_refused(peer, "HDE-N011: one of both has keys, and the other has none");
    else if (peer->net->secret_key && ++peer->hangups == HANGUPS)
        peer_refused(peer, "HDE-N011: it has another key than the graph gives it");
}

static void
watch_monitors(struct net *net)
{
    unsigned event;

    while (next_event(net->in_monitor))
        net->strangers++;
    for (size_t i = 0; i < net->n_peers; i++)
        while ((event = next_event(net->peer[i].monitor)))
            if (!net->peer[i].is_open)
                note_failure(&net->peer[i], event);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void
give(struct net *net, zmq_msg_t *msg)
{
    net_receive(net, net->secret_key ? zmq_msg_gets(msg, "User-Id") : NULL, zmq_msg_data(msg),
                zmq_msg_size(msg));
}

/* In `msg`, which is one. */
static bool
receive_one(struct net *net, zmq_msg_t *msg)
{
    return zmq_msg_recv(msg, net->in, ZMQ_DONTWAIT) >= 0;
}

static bool
is_data(zmq_msg_t *msg)
{
    struct envelope envelope;

    return envelope_read(&envelope, zmq_msg_data(msg), zmq_msg_size(msg), NULL) &&
           envelope.session && envelope.lane == LANE_DATA;
}

bool
sockets_fetch(struct net *net, int max)
{
    zmq_msg_t msg;
    int n = 0;

    zmq_msg_init(&msg);
    while (!net->aside && n < max && receive_one(net, &msg)) {
        if (is_data(&msg))
            give(net, &msg);
        else
            net->aside = keep_message(&msg);
        n++;
    }
    zmq_msg_close(&msg);
    return net->aside || n == max;
}

bool
sockets_receive(struct net *net)
{
    zmq_msg_t msg;
    int n = 0;

    while (serve_door(net))
        ;
    watch_monitors(net);
    if (net->aside)
        give(net, net->aside);
    drop_aside(net);
    zmq_msg_init(&msg);
    while (n < SOME && receive_one(net, &msg)) {
        give(net, &msg);
        n++;
    }
    zmq_msg_close(&msg);
    net->is_owed = false; /* it was done, or is about to be */
    return n == SOME;
}

void
sockets_wait(struct net *net, int64_t until_ns)
{
    zmq_pollitem_t item[64] = {{.fd = net->wake_fd, .events = ZMQ_POLLIN},
                               {.fd = net->in_poll_fd, .events = ZMQ_POLLIN}};
    int64_t wait_ns = until_ns - clock_mono_ns();
    int n = 2, first_lane;
    uint64_t count;

    if (net->in_monitor)
        item[n++] = (zmq_pollitem_t){.socket = net->in_monitor, .events = ZMQ_POLLIN};
    if (net->door)
        item[n++] = (zmq_pollitem_t){.socket = net->door, .events = ZMQ_POLLIN};
    first_lane = n;
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->n_peers; i++)
        for (int lane = 0; lane < LANES && n < 64; lane++)
            if (net->peer[i].is_stuck[lane])
                item[n++] =
                    (zmq_pollitem_t){.socket = net->peer[i].socket[lane], .events = ZMQ_POLLOUT};
    net->polls_lanes = n > first_lane;
    pthread_mutex_unlock(&net->lock);
    zmq_poll(item, n, wait_ns <= 0 ? 0 : (long)((wait_ns + 999999) / 1000000));
    if (item[0].revents)
        while (read(net->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
            ;
}
