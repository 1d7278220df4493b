/* SPDX-License-Identifier: Apache-2.0
 * links - `hde bench links`: an edge between two hosts against a bare pair of ZeroMQ DEALERs that
 * carries messages of the same sizes, and against a raw TCP connection; all over tcp on the
 * loopback device, both ends in this process. Each end has cores of its own, as on two machines:
 * where the threads lie makes 40 us of a round trip, which is no property of a side. Sides are
 * interleaved, medians printed.
 *
 * A message of ours is a protobuf message of a tick of its own: it is packed, numbered, kept until
 * the other end has taken it, and unpacked there. One of the bare pair is a copy of as many
 * bytes; there and back it is also timed with the same message packed and unpacked at each end.
 *
 * Then the shipped chains on one to four hosts (bench/spread.h): what distribution costs. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/linger.h"
#include "bench/spread.h"
#include "bench/work.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { ROUNDS_MAX = 99, SLICES = 10, PING = 40000 };
enum side { BARE, LINK, CURVE, SIDES, TCP = SIDES, PACKED, ROUND_SIDES };
enum { FIRST_PORT = 17500 };

static const char *const names[] = {"a", "b"};
static const ProtobufCMessageDescriptor *const types[] = {&hde__sample__descriptor,
                                                          &hde__bench_chain__descriptor, NULL};

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "hde-bench-links: %s\n", what);
    exit(1);
}

static double
median(double *values, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && values[k] < values[k - 1]; k--) {
            double lower = values[k];

            values[k] = values[k - 1];
            values[k - 1] = lower;
        }
    return values[n / 2];
}

/* ---- Cores ----------------------------------------------------------------------------------- */

enum { ANY_HOST = -1 };

/* This thread, and those that it makes from now on, are that host's: it has every other core of
 * those that the process may use, as if it were a machine of its own. */
static void
be_host(int host)
{
    static cpu_set_t all;
    cpu_set_t own;
    int nth = 0;

    if (!CPU_COUNT(&all))
        sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&own);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && (host == ANY_HOST || nth++ % 2 == host))
            CPU_SET(i, &own);
    if (CPU_COUNT(&all) > 1)
        sched_setaffinity(0, sizeof own, &own);
}

/* ---- Two hosts ------------------------------------------------------------------------------- */

/* An edge there, and one back. link[edge][host]. */
struct hosts {
    struct net *net[2];
    struct link *link[2][2];
    struct stats_edge stats[2][2];
    struct hde_msgvec got[2]; /* by take() */
    struct waiter {           /* for something to take, or for room: as a worker of the engine */
        _Atomic bool has_news, is_parked;
        int event_fd, epoll_fd;
        struct link *link, *owed; /* it watches; to be fetched from before it sleeps */
    } waiter[2][2];
};

static void
ring(void *of)
{
    struct waiter *waiter = of;

    atomic_store(&waiter->has_news, true);
    if (atomic_exchange(&waiter->is_parked, false))
        eventfd_write(waiter->event_fd, 1);
}

static void
make_waiter(struct waiter *self)
{
    struct epoll_event wanted = {.events = EPOLLIN};

    self->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, self->event_fd, &wanted);
}

/* Behind a frame it lingers first. True: there is an event, and the watch may be held. */
static bool
sleep_until_event(struct waiter *self, struct epoll_event *event, struct link **held)
{
    *held = self->link && link_hold(self->link) ? self->link : NULL;
    if (*held && linger(self->epoll_fd, event, 1, LINGER_NS) == 1)
        return true;
    if (*held)
        link_release(*held);
    *held = NULL;
    return epoll_wait(self->epoll_fd, event, 1, -1) == 1;
}

/* As a worker of the engine: what comes from the other host while it sleeps it fetches itself. */
static void
wait_for_news(struct waiter *self)
{
    while (!atomic_exchange(&self->has_news, false)) {
        struct epoll_event event;
        struct link *held = NULL;
        eventfd_t count;

        if (self->owed) {
            self->owed = link_fetch(self->owed) ? self->owed : NULL;
            continue;
        }
        atomic_store(&self->is_parked, true);
        if (!atomic_load(&self->has_news) && sleep_until_event(self, &event, &held)) {
            atomic_store(&self->is_parked, false);
            if (event.data.ptr)
                self->owed = link_fetch(event.data.ptr) ? event.data.ptr : NULL;
            else
                eventfd_read(self->event_fd, &count);
            if (held)
                link_release(held);
        }
        atomic_store(&self->is_parked, false);
    }
}

static void
make_link(struct hosts *self, int edge, int host)
{
    enum link_end end = edge == host ? LINK_SENDER : LINK_RECEIVER;
    struct link_config config = {.name = edge ? "back" : "there",
                                 .graph = "bench",
                                 .types = types,
                                 .capacity_messages = 8192,
                                 .capacity_bytes = 64 << 20,
                                 .is_kept = end == LINK_SENDER,
                                 .stats = &self->stats[edge][host]};

    self->link[edge][host] = link_new(&config, NULL);
    make_waiter(&self->waiter[edge][host]);
    link_listen(self->link[edge][host], end, &(struct link_bell){ring, &self->waiter[edge][host]});
}

struct watching {
    struct waiter *waiter;
    struct link *link;
};

static const void *
watch(void *of, int fd)
{
    const struct watching *self = of;
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE,
                                 .data.ptr = self->link};

    return epoll_ctl(self->waiter->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) ? NULL : self->waiter;
}

static struct hosts *
make_hosts(bool has_keys, int port)
{
    struct hosts *self = xcalloc(1, sizeof *self);
    char address[2][64], public_key[2][NET_KEY], secret_key[2][NET_KEY];
    struct err err = {0};

    for (int i = 0; i < 2; i++) {
        snprintf(address[i], sizeof address[i], "tcp://127.0.0.1:%d", port + i);
        require(net_keys(public_key[i], secret_key[i], &err), err.text);
    }
    for (int i = 0; i < 2; i++) {
        struct net_peer host[2] = {{names[0], address[0], has_keys ? public_key[0] : NULL},
                                   {names[1], address[1], has_keys ? public_key[1] : NULL}};
        struct net_config config = {.graph = "bench",
                                    .self = host[i],
                                    .peers = &host[!i],
                                    .n_peers = 1,
                                    .secret_key = has_keys ? secret_key[i] : NULL};

        be_host(i);
        self->net[i] = net_new(&config, &err);
        require(self->net[i], err.text);
        for (int edge = 0; edge < 2; edge++) {
            struct net_edge def = {.peer = names[!i],
                                   .id = (uint32_t)edge,
                                   .name = edge ? "back" : "there",
                                   .here = edge == i ? LINK_SENDER : LINK_RECEIVER,
                                   .types = types};

            make_link(self, edge, i);
            def.link = self->link[edge][i];
            require(net_add(self->net[i], &def, &err), err.text);
        }
        require(net_start(self->net[i], &err), err.text);
        self->waiter[!i][i].link = self->link[!i][i];
        link_watch(self->link[!i][i], watch,
                   &(struct watching){&self->waiter[!i][i], self->link[!i][i]});
    }
    return self;
}

static void
free_hosts(struct hosts *self)
{
    for (int i = 0; i < 2; i++)
        net_free(self->net[i]);
    for (int i = 0; i < 2; i++)
        msgvec_fini(&self->got[i]);
    for (int i = 0; i < 4; i++) {
        link_free(self->link[i / 2][i % 2]);
        close(self->waiter[i / 2][i % 2].event_fd);
        close(self->waiter[i / 2][i % 2].epoll_fd);
    }
    free(self);
}

static void
put(struct hosts *self, int edge, uint64_t tick, hde_msg *msg)
{
    struct link *link = self->link[edge][edge];
    struct hde_msgvec vec = {&msg, 1, 1};
    struct record record = {.tick = tick, .n = 1, .lines = msgvec_lines(&vec)};

    while (link_put(link, &record, &msg, false, NULL) != LINK_PUT)
        wait_for_news(&self->waiter[edge][edge]);
}

static uint64_t
take(struct hosts *self, int edge)
{
    struct link *link = self->link[edge][!edge];
    struct record record;
    enum link_take taken;

    while ((taken = link_take(link, &record, &self->got[edge], NULL)) == LINK_EMPTY)
        wait_for_news(&self->waiter[edge][!edge]);
    require(taken == LINK_FRAME, "a link broke");
    msgvec_drop_all(&self->got[edge]);
    return record.tick;
}

static hde_msg *
message_of(size_t bytes)
{
    hde_msg *msg = msg_new(msg_pool_current(), &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;

    sample->n_values = bytes / sizeof(double);
    sample->values = hde_msg_alloc(msg, bytes);
    for (size_t i = 0; i < sample->n_values; i++)
        sample->values[i] = (double)i;
    return msg;
}

static hde_msg *
chain_message(void)
{
    hde_msg *msg = msg_new(msg_pool_current(), &hde__bench_chain__descriptor);

    bench_fill(msg);
    return msg;
}

/* ---- A bare pair ----------------------------------------------------------------------------- */

struct pair {
    void *context[2], *socket[2];
    size_t size;
    int n;
    bool packs;
};

static void
open_pair(struct pair *self, int port)
{
    char address[64];
    int zero = 0;

    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    for (int i = 0; i < 2; i++) {
        be_host(i);
        self->context[i] = zmq_ctx_new();
        self->socket[i] = zmq_socket(self->context[i], ZMQ_DEALER);
        zmq_setsockopt(self->socket[i], ZMQ_LINGER, &zero, sizeof zero);
        require((i ? zmq_connect : zmq_bind)(self->socket[i], address) == 0, "a port is taken");
    }
}

static void
close_pair(struct pair *self)
{
    for (int i = 0; i < 2; i++) {
        zmq_close(self->socket[i]);
        zmq_ctx_term(self->context[i]);
    }
}

static void
send_copy(void *socket, const uint8_t *bytes, size_t size)
{
    zmq_msg_t msg;

    zmq_msg_init_size(&msg, size);
    memcpy(zmq_msg_data(&msg), bytes, size);
    zmq_msg_send(&msg, socket, 0);
}

static void
receive(void *socket)
{
    zmq_msg_t msg;

    zmq_msg_init(&msg);
    require(zmq_msg_recv(&msg, socket, 0) >= 0, "a bare socket broke");
    zmq_msg_close(&msg);
}

/* ---- One way: messages a second -------------------------------------------------------------- */

static uint8_t bytes[PING];

static void *
send_bare(void *arg)
{
    struct pair *self = arg;

    be_host(1);

    for (int i = 0; i < self->n; i++)
        send_copy(self->socket[1], bytes, self->size);
    return NULL;
}

static double
rate_bare(struct pair *self, size_t size, int n)
{
    int64_t begin_ns;
    pthread_t thread;

    be_host(0);
    self->size = size;
    self->n = n;
    begin_ns = clock_mono_ns();
    pthread_create(&thread, NULL, send_bare, self);
    for (int i = 0; i < n; i++)
        receive(self->socket[0]);
    begin_ns = clock_mono_ns() - begin_ns;
    pthread_join(thread, NULL);
    return n / ((double)begin_ns / 1e9);
}

struct sending {
    struct hosts *hosts;
    uint64_t first;
    size_t size;
    int n;
};

static void *
send_linked(void *arg)
{
    const struct sending *self = arg;
    hde_msg *msg = message_of(self->size);

    be_host(0);
    for (int i = 0; i < self->n; i++)
        put(self->hosts, 0, self->first + (uint64_t)i, msg);
    hde_msg_drop(msg);
    return NULL;
}

static double
rate_linked(struct hosts *hosts, uint64_t *tick, size_t size, int n)
{
    struct sending sending = {hosts, *tick + 1, size, n};
    int64_t begin_ns = clock_mono_ns();
    pthread_t thread;

    be_host(1);
    pthread_create(&thread, NULL, send_linked, &sending);
    for (int i = 0; i < n; i++)
        require(take(hosts, 0) == ++*tick, "a frame is missing");
    begin_ns = clock_mono_ns() - begin_ns;
    pthread_join(thread, NULL);
    return n / ((double)begin_ns / 1e9);
}

/* ---- There and back -------------------------------------------------------------------------- */

static void
send_packed(void *socket, const hde_msg *message)
{
    zmq_msg_t msg;

    zmq_msg_init_size(&msg, protobuf_c_message_get_packed_size(message->body));
    protobuf_c_message_pack(message->body, zmq_msg_data(&msg));
    zmq_msg_send(&msg, socket, 0);
}

static void
receive_packed(void *socket)
{
    hde_msg *got;
    zmq_msg_t msg;

    zmq_msg_init(&msg);
    require(zmq_msg_recv(&msg, socket, 0) >= 0, "a bare socket broke");
    got = msg_unpack(msg_pool_current(), &hde__bench_chain__descriptor, zmq_msg_data(&msg),
                     zmq_msg_size(&msg));
    require(got, "a message cannot be read");
    hde_msg_drop(got);
    zmq_msg_close(&msg);
}

/* Half of a round: what comes is read first, or last. */
static void
swap_bare(const struct pair *self, int end, bool begins, const hde_msg *msg)
{
    for (int turn = 0; turn < 2; turn++)
        if ((turn == 0) == begins)
            self->packs ? send_packed(self->socket[end], msg)
                        : send_copy(self->socket[end], bytes, PING);
        else
            (self->packs ? receive_packed : receive)(self->socket[end]);
}

static void *
echo_bare(void *arg)
{
    const struct pair *self = arg;
    hde_msg *msg = chain_message();

    be_host(0);

    for (int i = 0; i < self->n; i++)
        swap_bare(self, 0, false, msg);
    hde_msg_drop(msg);
    return NULL;
}

static double
round_bare(struct pair *self, bool packs, int n)
{
    double *us = xcalloc((size_t)n, sizeof *us), result;
    hde_msg *msg = chain_message();
    pthread_t thread;

    be_host(1);
    self->n = n;
    self->packs = packs;
    pthread_create(&thread, NULL, echo_bare, self);
    for (int i = 0; i < n; i++) {
        int64_t begin_ns = clock_mono_ns();

        swap_bare(self, 1, true, msg);
        us[i] = (double)(clock_mono_ns() - begin_ns) / 1e3;
    }
    pthread_join(thread, NULL);
    hde_msg_drop(msg);
    result = median(us, n);
    free(us);
    return result;
}

static void *
echo_linked(void *arg)
{
    const struct sending *self = arg;
    hde_msg *msg = chain_message();

    be_host(1);
    for (int i = 0; i < self->n; i++)
        put(self->hosts, 1, take(self->hosts, 0), msg);
    hde_msg_drop(msg);
    return NULL;
}

static double
round_linked(struct hosts *hosts, uint64_t *tick, int n)
{
    struct sending sending = {.hosts = hosts, .n = n};
    double *us = xcalloc((size_t)n, sizeof *us), result;
    hde_msg *msg = chain_message();
    pthread_t thread;

    be_host(0);
    pthread_create(&thread, NULL, echo_linked, &sending);
    for (int i = 0; i < n; i++) {
        int64_t begin_ns = clock_mono_ns();

        put(hosts, 0, ++*tick, msg);
        require(take(hosts, 1) == *tick, "an echo is missing");
        us[i] = (double)(clock_mono_ns() - begin_ns) / 1e3;
    }
    pthread_join(thread, NULL);
    hde_msg_drop(msg);
    result = median(us, n);
    free(us);
    return result;
}

/* ---- Raw TCP --------------------------------------------------------------------------------- */

struct raw {
    int fd[2];
    int n;
};

static void
open_raw(struct raw *self)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    socklen_t size = sizeof to;

    require(bind(door, (struct sockaddr *)&to, size) == 0 && listen(door, 1) == 0 &&
                getsockname(door, (struct sockaddr *)&to, &size) == 0,
            "there is no TCP");
    self->fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(connect(self->fd[0], (struct sockaddr *)&to, size) == 0, "there is no TCP");
    self->fd[1] = accept(door, NULL, NULL);
    for (int i = 0; i < 2; i++)
        setsockopt(self->fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(door);
}

static void
swap_bytes(int fd, bool begins)
{
    static _Thread_local uint8_t in[PING];

    for (int turn = 0; turn < 2; turn++)
        for (size_t done = 0; done < PING;) {
            ssize_t n = (turn == 0) == begins ? write(fd, bytes + done, PING - done)
                                              : read(fd, in + done, PING - done);

            require(n > 0, "TCP broke");
            done += (size_t)n;
        }
}

static void *
echo_raw(void *arg)
{
    const struct raw *self = arg;

    be_host(1);

    for (int i = 0; i < self->n; i++)
        swap_bytes(self->fd[1], false);
    return NULL;
}

static double
round_raw(struct raw *self, int n)
{
    double *us = xcalloc((size_t)n, sizeof *us), result;
    pthread_t thread;

    be_host(0);
    self->n = n;
    pthread_create(&thread, NULL, echo_raw, self);
    for (int i = 0; i < n; i++) {
        int64_t begin_ns = clock_mono_ns();

        swap_bytes(self->fd[0], true);
        us[i] = (double)(clock_mono_ns() - begin_ns) / 1e3;
    }
    pthread_join(thread, NULL);
    result = median(us, n);
    free(us);
    return result;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static const size_t sizes[] = {1024, 32768};
enum { SIZES = sizeof sizes / sizeof *sizes };

struct bench {
    struct pair pair;
    struct hosts *hosts[SIDES]; /* LINK, CURVE */
    struct raw raw;
    uint64_t tick[SIDES];
    double rate[SIZES][SIDES][ROUNDS_MAX], round_us[ROUND_SIDES][ROUNDS_MAX * SLICES];
    double leg_us[SPREAD_HOSTS][ROUNDS_MAX]; /* processor time: seconds of a million legs */
};

/* Sides take short turns: what else the machine does is the same for all. */
static void
run_slice(struct bench *self, int i, int n)
{
    self->round_us[BARE][i] = round_bare(&self->pair, false, n);
    self->round_us[PACKED][i] = round_bare(&self->pair, true, n);
    for (int side = LINK; side < SIDES; side++)
        self->round_us[side][i] = round_linked(self->hosts[side], &self->tick[side], n);
    self->round_us[TCP][i] = round_raw(&self->raw, n);
}

static void
run_round(struct bench *self, int i, int n)
{
    static const int messages[SIZES] = {40, 4};

    for (int k = 0; k < SIZES; k++)
        for (int side = BARE; side < SIDES; side++)
            self->rate[k][side][i] =
                side == BARE
                    ? rate_bare(&self->pair, sizes[k], n * messages[k])
                    : rate_linked(self->hosts[side], &self->tick[side], sizes[k], n * messages[k]);
    for (int k = 0; k < SLICES; k++)
        run_slice(self, i * SLICES + k, n / SLICES);
}

enum { STRIKES = 200 };

static void
run_spread(struct bench *self, int rounds, long chains)
{
    for (int i = 0; i < rounds; i++)
        for (int hosts = 1; hosts <= SPREAD_HOSTS; hosts++)
            self->leg_us[hosts - 1][i] =
                spread_chain_s(hosts, STRIKES, chains) * 1e6 / (2 * STRIKES);
}

static void
print_spread(struct bench *self, int rounds, bool json)
{
    double one = median(self->leg_us[0], rounds);

    for (int i = 0; i < SPREAD_HOSTS; i++) {
        double leg = median(self->leg_us[i], rounds);

        if (json)
            printf("%s{\"hosts\":%d,\"cpu_s_per_million_legs\":%.4f}", i ? "," : ",\"hosts\":[",
                   i + 1, leg);
        else
            printf("%d host%s %.3f CPU seconds a million legs (%.2f)\n", i + 1, i ? "s:" : ": ",
                   leg, leg / one);
    }
    if (json)
        printf("]}\n");
    else
        printf("  (%s)\n", spread_has_namespaces() ? "each in a network namespace of its own"
                                                   : "over the loopback device");
}

/* Of neighbours in time: the machine has its better and worse minutes, for all sides. */
static double
ratio(const struct bench *self, int side, int to, int n)
{
    double quotient[ROUNDS_MAX * SLICES];

    for (int i = 0; i < n; i++)
        quotient[i] = self->round_us[side][i] / self->round_us[to][i];
    return median(quotient, n);
}

static void
print(struct bench *self, int rounds, bool json)
{
    int n = rounds * SLICES;
    double us[ROUND_SIDES];
    double to_bare = ratio(self, LINK, BARE, n), to_packed = ratio(self, LINK, PACKED, n);
    double curve = ratio(self, CURVE, LINK, n), to_tcp = ratio(self, LINK, TCP, n);
    double bare = ratio(self, BARE, TCP, n);

    printf(json ? "{\"rates\":["
                : "one way            bare ZeroMQ          link                  CURVE\n");
    for (int k = 0; k < SIZES; k++) {
        double rate[SIDES];

        for (int side = BARE; side < SIDES; side++)
            rate[side] = median(self->rate[k][side], rounds);
        printf(json ? "%s{\"bytes\":%zu,\"bare\":%.0f,\"link\":%.0f,\"curve\":%.0f}"
                    : "%s%6zu bytes  %9.0f/s  ",
               json && k ? "," : "", sizes[k], rate[BARE], rate[LINK], rate[CURVE]);
        if (!json)
            printf("%6.0f MB/s %9.0f/s (%.2f) %6.0f MB/s  %9.0f/s (%.2f)\n",
                   rate[BARE] * (double)sizes[k] / 1e6, rate[LINK], rate[LINK] / rate[BARE],
                   rate[LINK] * (double)sizes[k] / 1e6, rate[CURVE], rate[CURVE] / rate[BARE]);
    }
    for (int side = BARE; side < ROUND_SIDES; side++)
        us[side] = median(self->round_us[side], n);
    printf(json ? "],\"round_us\":{\"bare\":%.1f,\"bare_packed\":%.1f,\"link\":%.1f,\"curve\":%.1f,"
                  "\"tcp\":%.1f,"
                : "there and back, 40 kB, p50: bare %.1f us, bare with packing %.1f us, link %.1f us, "
                  "with CURVE %.1f us, raw TCP %.1f us\n",
           us[BARE], us[PACKED], us[LINK], us[CURVE], us[TCP]);
    if (json)
        printf("\"link_to_bare\":%.3f}", to_bare);
    else
        printf("  link/bare %.2f, link/bare with packing %.2f, CURVE/link %.2f, link/TCP %.2f, "
               "bare/TCP %.2f\n",
               to_bare, to_packed, curve, to_tcp, bare);
}

static const char usage[] =
    "usage: hde bench links [-- [--rounds N] [--quick] [--no-hosts] [--json]]\n"
    "What an edge between two hosts carries, over tcp on the loopback device (ports 17500 to\n"
    "17504), against a bare pair of ZeroMQ DEALERs and a raw TCP connection; each end on\n"
    "every other core. Then the shipped chains on one to four hosts, each a process (in a network\n"
    "namespace, where they may be made): CPU seconds a million legs, and how many times that of one\n"
    "process; --no-hosts leaves these out.\n";

int
main(int argc, char **argv)
{
    static struct bench bench;
    bool json = false, quick = false, has_hosts = true;
    int rounds = 7;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            rounds = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--no-hosts") == 0) {
            has_hosts = false;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;

            fputs(usage, help ? stdout : stderr);
            return help ? 0 : 64;
        }
    }
    rounds = quick ? 1 : rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    memset(bytes, 'x', sizeof bytes);
    be_host(ANY_HOST);
    bench.hosts[LINK] = make_hosts(false, FIRST_PORT);
    bench.hosts[CURVE] = make_hosts(true, FIRST_PORT + 2);
    open_pair(&bench.pair, FIRST_PORT + 4);
    open_raw(&bench.raw);
    for (int i = 0; i < rounds; i++)
        run_round(&bench, i, quick ? 100 : 1500);
    print(&bench, rounds, json);
    fflush(stdout);
    close_pair(&bench.pair);
    free_hosts(bench.hosts[LINK]);
    free_hosts(bench.hosts[CURVE]);
    close(bench.raw.fd[0]);
    close(bench.raw.fd[1]);
    if (!has_hosts) {
        printf("%s", json ? "}\n" : "");
        return 0;
    }
    be_host(ANY_HOST);
    rounds = rounds < 3 ? rounds : 3;
    spread_open(access(HDE_INSTALLED_GRAPHS "/processing.yaml", R_OK) == 0 ? HDE_INSTALLED_GRAPHS
                                                                           : HDE_GRAPHS);
    run_spread(&bench, rounds, quick ? 300 : 3000);
    print_spread(&bench, rounds, json);
    spread_close();
    return 0;
}
