/* SPDX-License-Identifier: Apache-2.0
 * tap - copies of what passes an edge, for a viewer that may be slow.
 *
 *  (1) Off, a tap costs an edge one predicted branch, and fused edges one for all of a tick.
 *  (2) The worker packs the messages of the tapped edge and nothing else; when `depth` of them wait
 *      it drops the newest and counts. [test_a_slow_tap_drops_and_never_waits]
 *  (3) One lock a tap, held for some pointer moves; packing happens outside of it. */
#include "engine/run.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct tapped {
    uint64_t tick;
    int64_t event_ns;
    const ProtobufCMessageDescriptor *type;
    size_t size, cap;
    uint8_t *bytes;
};

struct tap {
    struct engine *engine;
    size_t graph_edge;
    char *name;        /* of its edge, which a change of the graph may take away */
    struct tap *next;  /* of the same edge */
    struct tap *other; /* of the engine */
    pthread_mutex_t lock;
    pthread_cond_t filled;
    size_t depth, first, n;
    int fd;              /* eventfd, readable while messages wait */
    struct tapped *ring; /* depth slots */
    struct tapped held;  /* the viewer's, until its next call */
    ProtobufCMessage *message;
    uint64_t dropped;
};

/* Taps are opened and closed seldom; while one is, workers walk the list of its edge under this
 * lock, so that a tap does not go away under them. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static void
set_readable(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void
set_unreadable(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static void
offer(struct tap *tap, uint64_t tick, const hde_msg *msg, const uint8_t *bytes, size_t size)
{
    struct tapped *slot;

    pthread_mutex_lock(&tap->lock);
    if (tap->n == tap->depth) {
        tap->dropped++;
        pthread_mutex_unlock(&tap->lock);
        return;
    }
    slot = &tap->ring[(tap->first + tap->n++) % tap->depth];
    if (slot->cap < size) {
        slot->bytes = xrealloc(slot->bytes, size);
        slot->cap = size;
    }
    memcpy(slot->bytes, bytes, size);
    slot->size = size;
    slot->tick = tick;
    slot->event_ns = msg->event_ns;
    slot->type = msg->body->descriptor;
    pthread_cond_signal(&tap->filled);
    if (tap->n == 1)
        set_readable(tap->fd);
    pthread_mutex_unlock(&tap->lock);
}

static bool
is_full(struct tap *tap)
{
    bool full;

    pthread_mutex_lock(&tap->lock);
    full = tap->n == tap->depth;
    if (full)
        tap->dropped++;
    pthread_mutex_unlock(&tap->lock);
    return full;
}

void
tap_record(struct edge *edge, uint64_t tick, hde_msg *const *msg, uint32_t n)
{
    pthread_mutex_lock(&list_lock);
    for (struct tap *tap = atomic_load(&edge->tap); tap; tap = tap->next)
        for (uint32_t i = 0; i < n; i++) {
            size_t size;
            uint8_t *bytes;

            if (!msg[i])
                continue;
            if (is_full(tap)) {
                STAT_ADD(edge->stats->tap_dropped, 1);
                continue;
            }
            size = protobuf_c_message_get_packed_size(msg[i]->body);
            bytes = xmalloc(size ? size : 1);
            protobuf_c_message_pack(msg[i]->body, bytes);
            offer(tap, tick, msg[i], bytes, size);
            free(bytes);
        }
    pthread_mutex_unlock(&list_lock);
}

/* ---- The viewer's side -------------------------------------------------------------------- */

/* All instances of a graph edge lead to the same list of taps. */
static void
set_list(struct engine *engine, size_t graph_edge, struct tap *first)
{
    for (uint32_t i = 0; i < engine->n_edges; i++)
        if (engine->edges[i]->graph_edge == graph_edge)
            atomic_store(&engine->edges[i]->tap, first);
}

static struct tap *
list_of(struct engine *engine, size_t graph_edge)
{
    for (uint32_t i = 0; i < engine->n_edges; i++)
        if (engine->edges[i]->graph_edge == graph_edge)
            return atomic_load(&engine->edges[i]->tap);
    return NULL;
}

struct tap *
engine_tap_open(struct engine *engine, size_t edge, size_t depth)
{
    struct tap *tap;

    if (edge >= engine->graph->n_edges)
        return NULL;
    tap = xcalloc(1, sizeof *tap);
    tap->engine = engine;
    tap->graph_edge = edge;
    tap->name = xstrdup(engine->graph->edges[edge].name);
    tap->depth = depth ? depth : 1;
    tap->ring = xcalloc(tap->depth, sizeof *tap->ring);
    tap->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&tap->lock, NULL);
    pthread_cond_init(&tap->filled, NULL);
    pthread_mutex_lock(&list_lock);
    tap->next = list_of(engine, edge);
    set_list(engine, edge, tap);
    tap->other = engine->tap_list;
    engine->tap_list = tap;
    atomic_fetch_add(&engine->taps, 1);
    pthread_mutex_unlock(&list_lock);
    return tap;
}

const char *
tap_edge(const struct tap *tap)
{
    return tap->name;
}

void
taps_hang_in(struct engine *engine)
{
    pthread_mutex_lock(&list_lock);
    for (struct tap *tap = engine->tap_list; tap; tap = tap->other) {
        tap->next = NULL;
        tap->graph_edge = engine->graph->n_edges; /* none */
        for (size_t i = 0; i < engine->graph->n_edges; i++)
            if (strcmp(engine->graph->edges[i].name, tap->name) == 0)
                tap->graph_edge = i;
        if (tap->graph_edge == engine->graph->n_edges)
            continue;
        tap->next = list_of(engine, tap->graph_edge);
        set_list(engine, tap->graph_edge, tap);
    }
    pthread_mutex_unlock(&list_lock);
}

static bool
wait_filled(struct tap *tap, int timeout_ms)
{
    int64_t at_ns = clock_real_ns() + (int64_t)timeout_ms * NS_PER_MS;
    struct timespec deadline = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    while (!tap->n) {
        if (timeout_ms < 0)
            pthread_cond_wait(&tap->filled, &tap->lock);
        else if (pthread_cond_timedwait(&tap->filled, &tap->lock, &deadline))
            return tap->n != 0;
    }
    return true;
}

static bool
take_first(struct tap *tap, int timeout_ms)
{
    struct tapped kept = tap->held;

    if (!wait_filled(tap, timeout_ms))
        return false;
    tap->held = tap->ring[tap->first];
    tap->ring[tap->first] = kept; /* its memory is used again */
    tap->first = (tap->first + 1) % tap->depth;
    if (!--tap->n)
        set_unreadable(tap->fd);
    return true;
}

bool
tap_next(struct tap *tap, struct tap_item *item, int timeout_ms)
{
    bool has_one;

    pthread_mutex_lock(&tap->lock);
    has_one = take_first(tap, timeout_ms);
    item->dropped = tap->dropped;
    pthread_mutex_unlock(&tap->lock);
    if (!has_one)
        return false;
    if (tap->message)
        protobuf_c_message_free_unpacked(tap->message, NULL);
    tap->message = protobuf_c_message_unpack(tap->held.type, NULL, tap->held.size, tap->held.bytes);
    item->tick = tap->held.tick;
    item->event_ns = tap->held.event_ns;
    item->type = tap->held.type;
    item->message = tap->message;
    return tap->message != NULL;
}

int
tap_fd(const struct tap *tap)
{
    return tap->fd;
}

static void
hang_out(struct tap *tap)
{
    struct tap *first;

    pthread_mutex_lock(&list_lock);
    for (struct tap **at = &tap->engine->tap_list; *at; at = &(*at)->other)
        if (*at == tap) {
            *at = tap->other;
            break;
        }
    first = list_of(tap->engine, tap->graph_edge);
    if (!first) {
        /* the edge has gone */
    } else if (first == tap) {
        set_list(tap->engine, tap->graph_edge, tap->next);
    } else {
        while (first->next != tap)
            first = first->next;
        first->next = tap->next;
    }
    atomic_fetch_sub(&tap->engine->taps, 1);
    pthread_mutex_unlock(&list_lock);
}

void
engine_tap_close(struct tap *tap)
{
    if (!tap)
        return;
    hang_out(tap);
    for (size_t i = 0; i < tap->depth; i++)
        free(tap->ring[i].bytes);
    free(tap->held.bytes);
    free(tap->ring);
    free(tap->name);
    if (tap->message)
        protobuf_c_message_free_unpacked(tap->message, NULL);
    close(tap->fd);
    pthread_cond_destroy(&tap->filled);
    pthread_mutex_destroy(&tap->lock);
    free(tap);
}
