/* SPDX-License-Identifier: Apache-2.0
 * forwarder - a bad network: passes IP packets between interfaces and loses, delays and reorders
 * them as told. For network namespaces of a test (netns.sh); it never sees another interface.
 *
 *   forwarder SEED IFACE...    host 1 is behind the first interface, and so on
 *
 * Hosts are told apart by the last byte of the destination's Ethernet address. Each direction
 * between two hosts has its own state and its own random numbers, drawn from the seed, one lot a
 * packet. Commands are lines on stdin, '*' for any host:
 *
 *   1>2 loss=20 delay=3..9 reorder=15   loss and reorder in thousandths, delay in milliseconds
 *   *>3 down=2000                       nothing passes for so many milliseconds; 0: it is up again
 *   *>* clear
 *   end                                 prints what became of the packets, and ends */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HOSTS_MAX = 16, FRAME_MAX = 70000, LATE_MS = 20 };

struct way { /* from one host to another */
    uint64_t random;
    unsigned loss, reorder;         /* in 1000 */
    unsigned delay_ms[2];           /* from, to */
    int64_t down_until_ns, last_ns; /* last_ns: when the packet before leaves */
    uint64_t passed, lost, late, cut;
};

struct packet {
    int64_t at_ns;
    uint64_t number; /* among equals the first to come goes first */
    unsigned to;
    size_t size;
    uint8_t *bytes;
};

static struct way ways[HOSTS_MAX][HOSTS_MAX];
static int sockets[HOSTS_MAX];
static unsigned n_hosts;
static struct packet *heap;
static size_t n_waiting, cap_waiting;
static uint64_t n_packets;

static int64_t
now_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static uint64_t
draw(struct way *way) /* splitmix64 */
{
    uint64_t z = way->random += 0x9E3779B97F4A7C15;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

/* ---- What waits --------------------------------------------------------------------------- */

static bool
is_before(const struct packet *a, const struct packet *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void
put(struct packet packet)
{
    size_t at = n_waiting++;

    if (n_waiting > cap_waiting) {
        cap_waiting = cap_waiting ? cap_waiting * 2 : 256;
        heap = realloc(heap, cap_waiting * sizeof *heap);
        if (!heap)
            abort();
    }
    for (; at && is_before(&packet, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = packet;
}

static struct packet
take(void)
{
    struct packet first = heap[0], last = heap[--n_waiting];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < n_waiting) {
        if (child + 1 < n_waiting && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/* ---- Packets ------------------------------------------------------------------------------ */

static int
open_interface(const char *name)
{
    const int on = 1;
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_IP),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP));

    /* With its header: a checksum that the sender left to the card is left to the receiver. */
    if (fd < 0 || !at.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) ||
        bind(fd, (struct sockaddr *)&at, sizeof at)) {
        fprintf(stderr, "forwarder: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return fd;
}

static void
pass(unsigned from, const uint8_t *bytes, size_t size)
{
    const struct ethhdr *header = (const void *)(bytes + sizeof(struct virtio_net_hdr));
    unsigned to = header->h_dest[ETH_ALEN - 1] - 1u;
    struct way *way = &ways[from][to % HOSTS_MAX];
    uint64_t loss, reorder, delay;
    struct packet packet = {.number = n_packets++, .to = to, .size = size};
    int64_t now = now_ns();

    if (to >= n_hosts || to == from)
        return;
    loss = draw(way) % 1000; /* always all three, so that one does not move the others */
    reorder = draw(way) % 1000;
    delay = draw(way);
    if (now < way->down_until_ns) {
        way->cut++;
        return;
    }
    if (loss < way->loss) {
        way->lost++;
        return;
    }
    packet.at_ns =
        now + (int64_t)(way->delay_ms[0] * 1000000 +
                        delay % (1 + 1000000ull * (way->delay_ms[1] - way->delay_ms[0])));
    if (reorder < way->reorder) { /* those behind it overtake it */
        packet.at_ns += 1000000 + (int64_t)(delay % (LATE_MS * 1000000));
        way->late++;
    } else {
        if (packet.at_ns < way->last_ns)
            packet.at_ns = way->last_ns;
        way->last_ns = packet.at_ns;
    }
    way->passed++;
    packet.bytes = malloc(size);
    if (!packet.bytes)
        abort();
    memcpy(packet.bytes, bytes, size);
    put(packet);
}

static void
receive(unsigned from)
{
    static uint8_t bytes[FRAME_MAX];
    ssize_t size;

    while ((size = recv(sockets[from], bytes, sizeof bytes, 0)) > 0)
        if ((size_t)size >= sizeof(struct virtio_net_hdr) + sizeof(struct ethhdr))
            pass(from, bytes, (size_t)size);
}

/* What is due; gives the milliseconds until the next one is. */
static int
send_due(void)
{
    while (n_waiting && heap[0].at_ns <= now_ns()) {
        struct packet packet = take();

        (void)!send(sockets[packet.to], packet.bytes, packet.size, 0); /* full: it is lost */
        free(packet.bytes);
    }
    return n_waiting ? (int)((heap[0].at_ns - now_ns()) / 1000000 + 1) : -1;
}

/* ---- Commands ----------------------------------------------------------------------------- */

static bool
set(struct way *way, const char *word)
{
    unsigned a, b;

    if (strcmp(word, "clear") == 0) {
        way->loss = way->reorder = way->delay_ms[0] = way->delay_ms[1] = 0;
        way->down_until_ns = 0;
    } else if (sscanf(word, "loss=%u", &a) == 1) {
        way->loss = a;
    } else if (sscanf(word, "reorder=%u", &a) == 1) {
        way->reorder = a;
    } else if (sscanf(word, "delay=%u..%u", &a, &b) == 2 && a <= b) {
        way->delay_ms[0] = a;
        way->delay_ms[1] = b;
    } else if (sscanf(word, "down=%u", &a) == 1) {
        way->down_until_ns = now_ns() + (int64_t)a * 1000000;
    } else {
        return false;
    }
    return true;
}

/* "3", or "*": UINT32_MAX */
static bool
parse_host(const char *text, unsigned *host)
{
    *host = UINT32_MAX;
    return strcmp(text, "*") == 0 ||
           (sscanf(text, "%u", host) == 1 && *host >= 1 && (*host)-- <= n_hosts);
}

static void
command(char *line)
{
    char *rest = line, *word = strsep(&rest, " "), *to = strchr(word, '>');
    unsigned a, b;
    bool ok = to != NULL;

    if (ok)
        *to++ = 0;
    ok = ok && parse_host(word, &a) && parse_host(to, &b);
    while (ok && (word = strsep(&rest, " ")))
        for (unsigned i = 0; *word && i < n_hosts; i++)
            for (unsigned j = 0; j < n_hosts; j++)
                if ((a == UINT32_MAX || a == i) && (b == UINT32_MAX || b == j))
                    ok &= set(&ways[i][j], word);
    if (!ok)
        fprintf(stderr, "forwarder: what is '%s'?\n", line);
}

/* False: it is to end. */
static bool
read_commands(void)
{
    static char text[4096];
    static size_t n;
    ssize_t got = read(STDIN_FILENO, text + n, sizeof text - 1 - n);
    char *end;

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    n += (size_t)got;
    while ((end = memchr(text, '\n', n))) {
        *end++ = 0;
        if (strcmp(text, "end") == 0)
            return false;
        command(text);
        n -= (size_t)(end - text);
        memmove(text, end, n);
    }
    return n < sizeof text - 1;
}

static void
print_counts(void)
{
    for (unsigned i = 0; i < n_hosts; i++)
        for (unsigned j = 0; j < n_hosts; j++) {
            const struct way *way = &ways[i][j];

            if (way->passed + way->lost + way->cut)
                printf("%u>%u: %llu passed (%llu late), %llu lost, %llu while it was down\n", i + 1,
                       j + 1, (unsigned long long)way->passed, (unsigned long long)way->late,
                       (unsigned long long)way->lost, (unsigned long long)way->cut);
        }
}

int
main(int argc, char **argv)
{
    struct pollfd fds[HOSTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;

    if (argc < 4 || argc > 2 + HOSTS_MAX) {
        fprintf(stderr, "usage: forwarder SEED IFACE IFACE...\n");
        return 64;
    }
    n_hosts = (unsigned)argc - 2;
    for (unsigned i = 0; i < n_hosts; i++) {
        sockets[i] = open_interface(argv[i + 2]);
        fds[i + 1] = (struct pollfd){.fd = sockets[i], .events = POLLIN};
        for (unsigned j = 0; j < n_hosts; j++)
            ways[i][j].random = seed ^ (uint64_t)(i * HOSTS_MAX + j + 1) << 48;
    }
    for (;;) {
        if (poll(fds, n_hosts + 1, send_due()) < 0 && errno != EINTR)
            return 1;
        for (unsigned i = 0; i < n_hosts; i++)
            if (fds[i + 1].revents)
                receive(i);
        if (fds[0].revents && !read_commands())
            break;
    }
    print_counts();
    return 0;
}
