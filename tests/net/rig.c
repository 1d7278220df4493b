/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/clock.h"
#include "net/inside.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "folder.h"

static const ProtobufCMessageDescriptor *const sample_types[] = {&hde__sample__descriptor, NULL};
static const char *const names[] = {"a", "b"};
static uint64_t seed;
static int64_t deadline_ns;

void
draw_begin(void)
{
    const char *given = getenv("HDE_SEED");

    seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_read(CLOCK_REALTIME);
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
}

uint64_t
draw(uint64_t n)
{
    uint64_t z = (seed += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % n;
}

void
wait_begin(void)
{
    deadline_ns = clock_read(CLOCK_MONOTONIC) + INT64_C(20000000000);
}

void
wait_turn(void)
{
    assert_true(clock_read(CLOCK_MONOTONIC) < deadline_ns);
    sched_yield();
}

/* ---- Making --------------------------------------------------------------------------------- */

void
rig_init(struct rig *rig)
{
    *rig = (struct rig){.folder = "/tmp/hde-net-XXXXXX", .has_epochs = true, .capacity = 64};
    assert_non_null(mkdtemp(rig->folder));
    for (int i = 0; i < HOSTS; i++) {
        snprintf(rig->own[i], sizeof rig->own[i], "ipc://%s/%s", rig->folder, names[i]);
        rig->address[i] = rig->address_from[i] = rig->own[i];
        rig->types[i] = sample_types;
        assert_true(net_keys(rig->public_key[i], rig->secret_key[i], NULL));
    }
}

void
rig_fini(struct rig *rig)
{
    for (int i = 0; i < HOSTS; i++)
        rig_stop(rig, i);
    for (int i = 0; i < HOSTS; i++)
        link_free(rig->link[i]);
    folder_remove(rig->folder);
}

static void
count_ask(void *arg)
{
    __atomic_fetch_add((uint64_t *)arg, 1, __ATOMIC_SEQ_CST);
}

void
rig_link(struct rig *rig, int host)
{
    struct link_config config = {.name = "x -> y",
                                 .graph = "test",
                                 .types = rig->types[host],
                                 .capacity_messages = rig->capacity,
                                 .capacity_bytes = 1 << 28,
                                 .is_kept = host == A,
                                 .stats = &rig->stats[host]};
    struct err err = {0};

    link_free(rig->link[host]);
    memset(&rig->stats[host], 0, sizeof rig->stats[host]);
    rig->link[host] = link_new(&config, &err);
    assert_string_equal(err.text, "");
    if (host == B)
        link_ask_with(rig->link[B], count_ask, &rig->asks);
}

void
rig_links(struct rig *rig)
{
    rig_link(rig, A);
    rig_link(rig, B);
}

static bool
remember(void *arg, const char *edge, enum link_end here, uint64_t tick, bool is_heard)
{
    struct rig *rig = arg;
    int host = here == LINK_SENDER ? A : B;

    assert_string_equal(edge, "x -> y");
    __atomic_add_fetch(&rig->known[host].tries, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&rig->known[host].cannot, __ATOMIC_SEQ_CST))
        return false;
    rig->known[host].tick = tick;
    rig->known[host].is_heard = is_heard;
    return true;
}

static void
count_end(void *arg, const char *host)
{
    _Atomic int *ends = arg;

    (*ends)++;
}

void
rig_start(struct rig *rig, int host)
{
    struct net_peer other = {names[!host], rig->address_from[!host],
                             rig->has_keys ? rig->public_key[!host] : NULL, rig->is_spare[!host]};
    struct net_config config = {
        .graph = "test",
        .self = {names[host], rig->address[host], rig->has_keys ? rig->public_key[host] : NULL,
                 rig->is_spare[host]},
        .peers = &other,
        .n_peers = 1,
        .secret_key = rig->has_keys ? rig->secret_key[host] : NULL,
        .shape = rig->shape[host],
        .line = rig->line[host],
        .ended = rig->is_spare[host] ? count_end : NULL,
        .ended_arg = &rig->ends[host],
        .beat_ns = 200000000,
        .bytes_max = rig->bytes_max};
    struct net_edge edge = {.peer = names[!host],
                            .id = 7,
                            .name = "x -> y",
                            .here = host == A ? LINK_SENDER : LINK_RECEIVER,
                            .link = rig->link[host],
                            .types = rig->types[host],
                            .has_epochs = rig->has_epochs,
                            .keep = rig->remembers ? remember : NULL,
                            .keep_arg = rig,
                            .through = rig->known[host].tick,
                            .is_heard = rig->known[host].is_heard};
    struct err err = {0};

    rig->net[host] = net_new(&config, &err);
    assert_string_equal(err.text, "");
    if (rig->link[host])
        assert_true(net_add(rig->net[host], &edge, &err));
    net_serve(rig->net[host], rig->serve, NULL);
    if (!net_start(rig->net[host], &err))
        fail_msg("%s", err.text);
}

void
rig_stop(struct rig *rig, int host)
{
    net_free(rig->net[host]);
    rig->net[host] = NULL;
}

struct net_seen
rig_look(struct rig *rig, int host)
{
    struct net_seen seen;

    assert_int_equal(net_look(rig->net[host], &seen, 1), 1);
    return seen;
}

void
rig_wait_state(struct rig *rig, int host, enum net_state state)
{
    for (wait_begin(); rig_look(rig, host).state != state;)
        wait_turn();
}

void
rig_up(struct rig *rig)
{
    rig_links(rig);
    rig_start(rig, A);
    rig_start(rig, B);
    assert_true(link_seek(rig->link[B], 0, NULL));
    rig_wait_state(rig, A, NET_UP);
    rig_wait_state(rig, B, NET_UP);
}

/* ---- Frames --------------------------------------------------------------------------------- */

bool
rig_put(struct rig *rig, uint64_t tick)
{
    hde_msg *msg = msg_new(msg_pool_current(), &hde__sample__descriptor);
    struct hde_msgvec vec = {0};
    struct record record = {.tick = tick, .watermark_ns = (int64_t)tick * 10, .n = 1};
    Hde__Sample *sample = (Hde__Sample *)msg->body;
    struct err err = {0};
    enum link_put result;

    sample->has_sequence = true;
    sample->sequence = tick * 3;
    if (rig->size) {
        sample->has_data = true;
        sample->data.len = rig->size;
        sample->data.data = hde_msg_alloc(msg, rig->size);
        memset(sample->data.data, 'x', rig->size);
    }
    msg->event_ns = (int64_t)tick;
    msgvec_push(&vec, msg);
    record.lines = msgvec_lines(&vec);
    result = link_put(rig->link[A], &record, vec.item, false, &err);
    msgvec_drop_all(&vec);
    msgvec_fini(&vec);
    assert_int_not_equal(result, LINK_BROKEN);
    return result == LINK_PUT;
}

void
rig_must_put(struct rig *rig, uint64_t tick)
{
    assert_true(rig_put(rig, tick));
}

uint64_t
rig_take(struct rig *rig)
{
    struct hde_msgvec vec = {0};
    struct record record = {0};
    struct err err = {0};

    if (link_take(rig->link[B], &record, &vec, &err) == LINK_FRAME) {
        assert_int_equal(vec.n, 1);
        assert_int_equal(((Hde__Sample *)vec.item[0]->body)->sequence, record.tick * 3);
        assert_int_equal(vec.item[0]->event_ns, record.tick);
        assert_int_equal(record.watermark_ns, record.tick * 10);
    }
    assert_string_equal(err.text, "");
    msgvec_drop_all(&vec);
    msgvec_fini(&vec);
    return record.tick;
}

uint64_t
rig_wait_take(struct rig *rig)
{
    uint64_t tick;

    for (wait_begin(); !(tick = rig_take(rig));)
        wait_turn();
    return tick;
}

void
rig_take_all(struct rig *rig, uint64_t first, uint64_t last)
{
    for (uint64_t tick = first; tick <= last; tick++)
        assert_int_equal(rig_wait_take(rig), tick);
}
