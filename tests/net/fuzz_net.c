/* SPDX-License-Identifier: Apache-2.0
 * fuzz_net - another host that says anything at any time: greetings, frames of every kind, in order
 * and out of it, whole, changed and as mere bytes. Whatever it says, what comes out at the receiver
 * grows and is bounded, and a session begins only with a greeting that answers the present offer.
 *
 * HDE_SEED repeats a run, HDE_FUZZ_SECONDS makes it longer (default 1). */
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CAPACITY = 16, OUT = 1, IN = 2, BYTES_MAX = 4096 };

static const ProtobufCMessageDescriptor *const types[] = {&hde__sample__descriptor, NULL};
static struct stats_edge stats[3];
static struct link *link_of[3];
static struct net *net;
static struct peer *peer;
static uint64_t state, put_tick, took_tick, sessions, greeted;

static uint64_t
draw(uint64_t n) /* splitmix64 */
{
    uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % n;
}

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    printf("%s\n", what);
    abort();
}

static void
no_log(void *arg, const char *line, size_t len)
{
}

/* ---- One host -------------------------------------------------------------------------------- */

static bool
keep_through(void *arg, const char *edge, enum link_end here, uint64_t tick, bool is_heard)
{
    require(here == LINK_RECEIVER || tick >= put_tick, "a sender remembers what is not covered");
    return true;
}

static void
add_edge(uint32_t id, enum link_end here)
{
    struct link_config config = {.name = id == OUT ? "out" : "in",
                                 .graph = "fuzz",
                                 .types = types,
                                 .capacity_messages = CAPACITY,
                                 .capacity_bytes = 1 << 20,
                                 .is_kept = here == LINK_SENDER,
                                 .stats = &stats[id]};
    struct net_edge edge = {.peer = "b",
                            .id = id,
                            .name = config.name,
                            .here = here,
                            .types = types,
                            .has_epochs = true,
                            .keep = keep_through};

    edge.link = link_of[id] = link_new(&config, NULL);
    require(net_add(net, &edge, NULL), "an edge cannot be added");
}

static void
begin(void)
{
    struct net_peer other = {"b", "ipc:///nowhere", NULL};
    struct net_config config = {.graph = "fuzz",
                                .self = {"a", "ipc:///here", NULL},
                                .peers = &other,
                                .n_peers = 1,
                                .bytes_max = 1 << 20};

    net = net_new(&config, NULL);
    add_edge(OUT, LINK_SENDER);
    add_edge(IN, LINK_RECEIVER);
    peer = &net->peer[0];
    schema_say(peer, &net->arena);
    peer_begin(peer);
    link_seek(link_of[IN], 0, NULL);
    put_tick = took_tick = 0;
}

static void
end(void)
{
    net_free(net);
    link_free(link_of[OUT]);
    link_free(link_of[IN]);
    memset(stats, 0, sizeof stats);
}

static void
use_links(void)
{
    struct hde_msgvec vec = {0};
    struct record record = {.tick = put_tick + 1, .watermark_ns = draw(64) ? 0 : WM_END};
    struct err err = {0};

    if (link_put(link_of[OUT], &record, NULL, false, &err) == LINK_PUT)
        put_tick++;
    while (draw(4) && link_take(link_of[IN], &record, &vec, &err) == LINK_FRAME) {
        require(record.tick > took_tick, "a frame came again, or out of order");
        took_tick = record.tick;
        msgvec_drop_all(&vec);
    }
    msgvec_fini(&vec);
    if (!draw(4))
        link_cover(link_of[IN], took_tick);
    if (!draw(8))
        link_drop_marker(link_of[IN]);
    require(STAT_GET(stats[IN].messages) <= STAT_GET(stats[IN].done_messages) + CAPACITY + 64,
            "the receiver was overrun");
}

/* ---- What the other one says ----------------------------------------------------------------- */

static size_t
greet(uint8_t *out, bool answers)
{
    Hde__NetGreeting greeting = HDE__NET_GREETING__INIT;
    Hde__NetEdge edge[2] = {HDE__NET_EDGE__INIT, HDE__NET_EDGE__INIT}, *edges[2] = {edge, edge + 1};
    char *names[] = {(char *)(uintptr_t)types[0]->name};
    uint8_t packed[BYTES_MAX];
    struct envelope envelope = {.greeting = packed};

    for (uint32_t i = 0; i < 2; i++) {
        edge[i].has_id = edge[i].has_sends = edge[i].has_schema = true;
        edge[i].id = i + 1;
        edge[i].name = (char *)(uintptr_t)(i + 1 == OUT ? "out" : "in");
        edge[i].sends = i + 1 == IN;
        edge[i].schema = frame_schema(types) + !draw(20);
        edge[i].n_types = 1;
        edge[i].types = names;
    }
    greeting.has_version = greeting.has_offer = greeting.has_answers = greeting.has_settled = true;
    greeting.has_life = greeting.has_shape = greeting.has_bytes_max = true;
    greeting.version = draw(20) ? NET_VERSION : 2;
    greeting.graph = (char *)(uintptr_t)(draw(20) ? "fuzz" : "other");
    greeting.from = (char *)(uintptr_t)(draw(20) ? "b" : "c");
    greeting.to = (char *)(uintptr_t)(draw(20) ? "a" : "b");
    greeting.offer = draw(4) ? draw(5) : peer->theirs;
    greeting.answers = answers ? peer->offer : draw(2) ? peer->mine : draw(UINT64_MAX);
    greeting.settled = draw(2) == 1;
    greeting.life = draw(3);
    greeting.shape = !draw(20);
    greeting.refusal = (char *)(uintptr_t)(draw(20) ? "" : "no");
    greeting.bytes_max = draw(10) ? 1 << 20 : draw(UINT64_MAX);
    greeting.n_edges = 1 + (draw(20) != 0);
    greeting.edges = edges;
    envelope.greeting_size = hde__net_greeting__pack(&greeting, packed);
    envelope_write(&envelope, NULL, 0, out);
    return envelope_size(&envelope, NULL, 0);
}

static uint64_t
some_tick(const struct far_edge *edge)
{
    return draw(3) ? edge->have + draw(3) : draw(3) ? draw(put_tick + 2) : draw(UINT64_MAX);
}

static void
make_frame(struct sized_frame *out)
{
    static const uint8_t kinds[] = {1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 9, 10, 11, 12, 20, 21};
    const struct far_edge *edge = peer->edge[draw(2)];
    struct frame *frame = &out->frame;

    frame_begin(frame, (Hde__FrameKind)kinds[draw(sizeof kinds)], draw(20) ? edge->def.id : 9);
    frame->tick = some_tick(edge);
    frame->index = (uint32_t)draw(4);
    frame->number = draw(20) ? edge->number : draw(4);
    frame->schema = frame_schema(types) + !draw(20);
    frame->credit_messages = draw(20) ? 1 : (uint32_t)draw(UINT32_MAX);
    frame->credit_bytes = draw(20) ? 64 : draw(UINT32_MAX);
    frame->payload = (const uint8_t *)"HDE-R070 it is gone";
    frame->payload_size = draw(20);
    out->size = frame_size(frame);
}

static size_t
talk(uint8_t *out)
{
    static struct sized_frame frames[4];
    struct envelope envelope = {.session = draw(20) ? peer->mine : peer->was[draw(OLD_SESSIONS)],
                                .lane = (uint32_t)draw(LANES)};
    size_t n = draw(5);

    envelope.number = peer->received[envelope.lane] + (draw(30) ? 0 : draw(3) - 1);
    for (size_t i = 0; i < n; i++)
        make_frame(&frames[i]);
    envelope_write(&envelope, frames, n, out);
    return envelope_size(&envelope, frames, n);
}

static size_t
change(uint8_t *bytes, size_t size)
{
    for (uint64_t n = 1 + draw(3); n && size; n--)
        bytes[draw(size)] = (uint8_t)draw(256);
    return draw(4) ? size : draw(size + 1);
}

/* Its kind of greeting alone may begin a session. */
static void
say(const uint8_t *bytes, size_t size, bool may_begin)
{
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees the end */
    uint64_t before = peer->mine;

    memcpy(exact, bytes, size);
    pthread_mutex_lock(&net->lock);
    net_receive(net, draw(30) ? NULL : "b", exact, size);
    pthread_mutex_unlock(&net->lock);
    free(exact);
    if (peer->mine && peer->mine != before) {
        require(may_begin, "a session began with something else than a greeting");
        sessions++;
    }
}

static void
step(void)
{
    uint8_t bytes[BYTES_MAX];
    uint64_t kind = draw(peer->mine ? 40 : 4);
    bool answers = draw(2);
    size_t size = kind == 0 ? greet(bytes, answers) : talk(bytes);
    bool is_changed = !draw(10);

    greeted += kind == 0;
    if (is_changed)
        size = change(bytes, size);
    say(bytes, size, kind == 0 && answers);
    use_links();
    if (draw(3))
        return;
    pthread_mutex_lock(&net->lock);
    peer_turn(peer, clock_mono_ns());
    socket_forget(peer); /* it went */
    pthread_mutex_unlock(&net->lock);
}

int
main(void)
{
    const char *seed = getenv("HDE_SEED"), *seconds = getenv("HDE_FUZZ_SECONDS");
    int64_t until_ns = clock_mono_ns() + (seconds ? atol(seconds) : 1) * NS_PER_S;
    uint64_t n = 0, frames = 0, malformed = 0;

    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) * 1000003;
    printf("seed %" PRIu64 "\n", state);
    fflush(stdout);
    log_set_sink(no_log, NULL);
    do {
        begin();
        for (int i = 0; i < 2000; i++, n++)
            step();
        frames += took_tick != 0;
        malformed += peer->look.malformed;
        end();
    } while (clock_mono_ns() < until_ns);
    printf("%" PRIu64 " messages, %" PRIu64 " sessions of %" PRIu64 " greetings, %" PRIu64
           " broken rules\n",
           n, sessions, greeted, malformed);
    require(sessions && malformed && frames, "not all kinds of messages were tried");
    return 0;
}
