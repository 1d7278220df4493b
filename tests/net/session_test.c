/* SPDX-License-Identifier: Apache-2.0
 * session_test - what may go wrong between two hosts, by accident or on purpose. */
#include "rig.h"
#include "tube.h"
#include "way.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static struct rig rig;
static struct way *way[HOSTS]; /* to that host */

static int
begin(void **state)
{
    rig_init(&rig);
    return 0;
}

static int
end(void **state)
{
    rig_fini(&rig);
    for (int i = 0; i < HOSTS; i++) {
        way_free(way[i]);
        way[i] = NULL;
    }
    return 0;
}

static void
lead_over(int host, const struct way_faults *faults)
{
    static char address[HOSTS][96];

    snprintf(address[host], sizeof address[host], "ipc://%s/way%d", rig.folder, host);
    way[host] = way_new(address[host], rig.own[host], faults, draw(UINT64_MAX));
    rig.address_from[host] = address[host];
}

static void
flow(uint64_t first, uint64_t last)
{
    uint64_t put = first, next = first;

    for (wait_begin(); next <= last;) {
        while (put <= last && rig_put(&rig, put))
            put++;
        if (rig_take(&rig) == next) {
            next++;
            wait_begin();
        } else {
            wait_turn();
        }
        if (next % 8 == 0 || __atomic_exchange_n(&rig.asks, 0, __ATOMIC_SEQ_CST))
            link_cover(rig.link[B], next - 1);
    }
    link_cover(rig.link[B], last);
}

/* ---- The way --------------------------------------------------------------------------------- */

static void
test_a_lost_message_ends_the_session(void **state)
{
    lead_over(B, NULL);
    rig_up(&rig);
    flow(1, 20);
    way_lose_next(way[B]);
    flow(21, 60);
    assert_true(rig_look(&rig, B).connects > 1);
    assert_true(rig_look(&rig, A).resent > 0);
}

/* Its bytes are taken and go nowhere, and control goes on as if nothing were: no end of it hears of
 * that from the kernel. */
static void
test_data_that_hangs_alone_gets_another_connection(void **state)
{
    char address[96];
    struct tube *tube;
    size_t n;

    snprintf(address, sizeof address, "ipc://%s/tube", rig.folder);
    tube = tube_new(address, rig.own[B]);
    rig.address_from[B] = address;
    rig_up(&rig);
    flow(1, 200);
    n = tube_count(tube);
    tube_hang_busiest(tube);
    flow(201, 400);
    assert_true(rig_look(&rig, B).connects > 1);
    assert_true(tube_count(tube) > n);
    rig_stop(&rig, A);
    rig_stop(&rig, B);
    tube_free(tube);
}

static void
test_what_is_lost_at_the_end_is_missed(void **state)
{
    lead_over(B, NULL);
    rig_up(&rig);
    flow(1, 20);
    way_lose_next(way[B]);
    rig_must_put(&rig, 21); /* nothing follows but beats */
    rig_take_all(&rig, 21, 21);
    assert_true(rig_look(&rig, B).connects > 1);
}

static void
test_edges_outlast_a_bad_way(void **state)
{
    const struct way_faults faults = {.lost = 4, .twice = 20, .late = 300};

    draw_begin();
    lead_over(A, &faults);
    lead_over(B, &faults);
    rig_up(&rig);
    flow(1, 1500);
    assert_int_equal(rig_look(&rig, B).malformed, 0);
}

/* ---- On purpose ------------------------------------------------------------------------------ */

static void
test_a_replayed_message_changes_nothing(void **state)
{
    uint64_t stale, connects;

    lead_over(B, NULL);
    rig_up(&rig);
    flow(1, 100);
    stale = rig_look(&rig, B).stale;
    connects = rig_look(&rig, B).connects;
    way_repeat_all(way[B]);
    for (wait_begin(); rig_look(&rig, B).stale < stale + 3;)
        wait_turn();
    flow(101, 200);
    assert_int_equal(rig_look(&rig, B).connects, connects);
    assert_int_equal(rig_look(&rig, B).duplicates, 0);
}

/* Of an earlier life of the sender, with its greetings. */
static void
test_a_replayed_greeting_changes_nothing(void **state)
{
    lead_over(B, NULL);
    rig_up(&rig);
    flow(1, 50);
    rig_stop(&rig, A);
    rig_start(&rig, A);
    flow(51, 60);
    rig_wait_state(&rig, B, NET_UP);
    for (int i = 0; i < 3; i++) {
        uint64_t connects = rig_look(&rig, B).connects, stale = rig_look(&rig, B).stale;

        way_repeat_all(way[B]);
        for (wait_begin(); rig_look(&rig, B).stale < stale + 3;)
            wait_turn();
        assert_int_equal(rig_look(&rig, B).connects, connects);
        assert_int_equal(rig_look(&rig, B).state, NET_UP);
    }
    flow(61, 100);
}

static void
test_garbage_is_counted_and_has_no_effect(void **state)
{
    const uint8_t garbage[] = "these are no bytes of ours";

    rig_up(&rig);
    stranger_sends(rig.address[B], garbage, sizeof garbage);
    for (wait_begin(); !net_strangers(rig.net[B]);)
        wait_turn();
    flow(1, 50);
    assert_int_equal(rig_look(&rig, B).connects, 1);
}

static void
test_what_is_too_large_has_no_effect(void **state)
{
    uint8_t *bytes = xcalloc(4, 1 << 20);

    rig.bytes_max = 1 << 20;
    rig_up(&rig);
    stranger_sends(rig.address[B], bytes, 3 << 19);
    for (wait_begin(); !net_strangers(rig.net[B]);)
        wait_turn();
    stranger_sends(rig.address[B], bytes, 4 << 20);
    flow(1, 50);
    assert_int_equal(net_strangers(rig.net[B]), 1); /* the larger one was not even read */
    assert_int_equal(rig_look(&rig, B).connects, 1);
    free(bytes);
}

static void
test_a_frame_too_large_for_the_receiver_is_named(void **state)
{
    struct hde_msgvec vec = {0};
    struct record record = {.tick = 1, .n = 1};
    struct err err = {0};
    hde_msg *msg;
    Hde__Sample *sample;

    rig.bytes_max = 256 << 10;
    rig_up(&rig);
    msg = msg_new(msg_pool_current(), &hde__sample__descriptor);
    sample = (Hde__Sample *)msg->body;
    sample->has_data = true;
    sample->data.len = 300 << 10;
    sample->data.data = hde_msg_alloc(msg, sample->data.len);
    memset(sample->data.data, 'x', sample->data.len);
    msgvec_push(&vec, msg);
    record.lines = msgvec_lines(&vec);
    assert_int_equal(link_put(rig.link[A], &record, vec.item, false, &err), LINK_PUT);
    msgvec_drop_all(&vec);
    for (wait_begin(); link_take(rig.link[B], &record, &vec, &err) != LINK_DAMAGED;)
        wait_turn();
    msgvec_fini(&vec);
    assert_string_equal(err.code, "HDE-N004");
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static void
test_strangers_and_wrong_keys_stay_outside(void **state)
{
    const uint8_t garbage[] = "hello";
    char right[NET_KEY];

    rig.has_keys = true;
    rig.address[B] = rig.address_from[B] = "tcp://127.0.0.1:17411";
    rig_up(&rig);
    flow(1, 50);
    stranger_sends(rig.address[B], garbage, sizeof garbage); /* without a key */
    for (wait_begin(); !net_strangers(rig.net[B]);)
        wait_turn();
    rig_stop(&rig, A); /* and now with one that b does not know */
    memcpy(right, rig.secret_key[A], sizeof right);
    net_keys(rig.public_key[A], rig.secret_key[A], NULL);
    rig_start(&rig, A);
    rig_wait_state(&rig, A, NET_REFUSED);
    assert_non_null(strstr(rig_look(&rig, A).why, "HDE-N011"));
    assert_true(net_strangers(rig.net[B]) > 1);
    rig_stop(&rig, A);
    memcpy(rig.secret_key[A], right, sizeof right);
    net_public_key(rig.secret_key[A], rig.public_key[A], NULL);
    rig_start(&rig, A);
    flow(51, 100);
}

static void
test_a_host_cannot_speak_for_another(void **state)
{
    uint64_t strangers;

    lead_over(B, NULL);
    rig_up(&rig);
    flow(1, 20);
    strangers = net_strangers(rig.net[B]);
    for (size_t i = 0; i < way_count(way[B]); i++) {
        size_t size;
        uint8_t *bytes = way_message(way[B], i, &size);
        struct envelope envelope;
        bool says_who = envelope_read(&envelope, bytes, size, NULL) &&
                        (!envelope.session || envelope.session == rig.net[B]->peer[0].mine);

        pthread_mutex_lock(&rig.net[B]->lock);
        net_receive(rig.net[B], "c", bytes, size); /* came with the key of c */
        pthread_mutex_unlock(&rig.net[B]->lock);
        strangers += says_who;
        free(bytes);
    }
    assert_int_equal(net_strangers(rig.net[B]), strangers);
    flow(21, 40);
    assert_int_equal(rig_look(&rig, B).connects, 1);
}

static void
test_a_public_address_needs_keys(void **state)
{
    struct net_peer other = {"b", "tcp://10.0.0.2:7400", NULL};
    struct net_config config = {
        .graph = "test", .self = {"a", "tcp://0.0.0.0:17412", NULL}, .peers = &other, .n_peers = 1};
    struct err err = {0};
    struct net *net;

    assert_null(net_new(&config, &err));
    assert_string_equal(err.code, "HDE-N003");
    config.insecure = true;
    net = net_new(&config, NULL);
    assert_non_null(net);
    net_free(net);
    err = (struct err){0};
    config.secret_key = rig.secret_key[A];
    assert_null(net_new(&config, &err));
    assert_string_equal(err.code, "HDE-N002");
}

/* ---- What both share ------------------------------------------------------------------------- */

static void
test_graphs_that_differ_are_refused_on_both_sides(void **state)
{
    rig.shape[A] = 0x1111;
    rig.shape[B] = 0x2222;
    rig_links(&rig);
    rig_start(&rig, A);
    rig_start(&rig, B);
    assert_true(link_seek(rig.link[B], 0, NULL));
    for (int host = A; host < HOSTS; host++) {
        rig_wait_state(&rig, host, NET_REFUSED);
        assert_non_null(strstr(rig_look(&rig, host).why, "HDE-N008"));
        assert_non_null(strstr(rig_look(&rig, host).why, "0000000000001111"));
        assert_non_null(strstr(rig_look(&rig, host).why, "0000000000002222"));
        assert_true(rig_look(&rig, host).refused > 0);
    }
    rig_stop(&rig, B); /* the file is brought there, and it is started again */
    rig.shape[B] = 0x1111;
    rig_start(&rig, B);
    assert_true(link_seek(rig.link[B], 0, NULL));
    flow(1, 20);
}

/* hde.Sample with the first n fields. */
static const ProtobufCMessageDescriptor *
sample_with(unsigned n)
{
    static ProtobufCIntRange ranges[2];
    static ProtobufCMessageDescriptor out;

    out = hde__sample__descriptor;
    ranges[0] = (ProtobufCIntRange){1, 0};
    ranges[1] = (ProtobufCIntRange){0, n};
    out.n_fields = n;
    out.field_ranges = ranges;
    return &out;
}

static void
test_schemas_may_grow_and_not_change(void **state)
{
    static ProtobufCFieldDescriptor fields[16];
    static ProtobufCMessageDescriptor changed;
    static const ProtobufCMessageDescriptor *older[2]; /* the rig uses them to its end */
    static const ProtobufCMessageDescriptor *const other[] = {&changed, NULL};

    older[0] = sample_with(4);
    rig.types[B] = older;
    rig_up(&rig);
    flow(1, 50);
    rig_stop(&rig, B);
    changed = hde__sample__descriptor;
    memcpy(fields, changed.fields, changed.n_fields * sizeof *fields);
    fields[3].type = PROTOBUF_C_TYPE_FIXED64;
    changed.fields = fields;
    rig.types[B] = other;
    rig_link(&rig, B);
    rig_start(&rig, B);
    for (int host = A; host < HOSTS; host++) {
        rig_wait_state(&rig, host, NET_REFUSED);
        assert_non_null(strstr(rig_look(&rig, host).why, "HDE-N009"));
        assert_non_null(strstr(rig_look(&rig, host).why, "'sequence'"));
    }
}

/* ---- Questions ------------------------------------------------------------------------------- */

struct heard {
    _Atomic int answers, errors;
    uint64_t behind; /* messages that B had when it came */
    char text[64];
};

static void
answered(void *arg, const uint8_t *bytes, size_t size, const struct err *err)
{
    struct heard *heard = arg;

    if (err) {
        assert_string_equal(err->code, "HDE-N006");
        heard->errors++;
        return;
    }
    memcpy(heard->text, bytes, size);
    heard->text[size] = 0;
    heard->behind = STAT_GET(rig.stats[B].messages);
    heard->answers++;
}

static struct net_question *_Atomic held;

static void
serve(void *arg, const char *peer, const uint8_t *bytes, size_t size, struct net_question *taken)
{
    char text[64];

    if (size >= 4 && !memcmp(bytes, "hold", 4)) {
        held = taken;
        return;
    }
    snprintf(text, sizeof text, "%s says %.*s", peer, (int)size, (const char *)bytes);
    net_answer(taken, (const uint8_t *)text, strlen(text));
}

static bool
ask(const char *text, int64_t timeout_ns, struct heard *heard)
{
    return net_ask(rig.net[A], "b", (const uint8_t *)text, strlen(text), timeout_ns, answered,
                   heard, NULL);
}

static void
wait_for(_Atomic int *count)
{
    for (wait_begin(); !atomic_load(count);)
        wait_turn();
}

static void
test_every_question_has_one_answer(void **state)
{
    struct heard heard[4] = {0};

    rig.serve = serve;
    rig_links(&rig);
    rig_start(&rig, A);
    assert_false(ask("x", 1000000000, &heard[0])); /* b is not there */
    rig_start(&rig, B);
    rig_wait_state(&rig, A, NET_UP);
    assert_true(ask("x", INT64_C(20000000000), &heard[0]));
    wait_for(&heard[0].answers);
    assert_string_equal(heard[0].text, "a says x");
    assert_true(ask("hold, too long", 20000000, &heard[1]));
    wait_for(&heard[1].errors);
    for (wait_begin(); !held;)
        wait_turn();
    net_answer(held, (const uint8_t *)"late", 4);
    held = NULL;
    assert_true(ask("hold, and b goes", INT64_C(20000000000), &heard[2]));
    for (wait_begin(); !held;)
        wait_turn();
    net_answer(held, NULL, 0);
    wait_for(&heard[2].answers);
    held = NULL;
    assert_true(ask("hold, and a goes", INT64_C(20000000000), &heard[3]));
    for (wait_begin(); !held;)
        wait_turn();
    rig_stop(&rig, A);
    assert_int_equal(heard[3].errors, 1);
    net_answer(held, NULL, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(heard[i].answers + heard[i].errors, 1);
}

static void
serve_slowly(void *arg, const char *peer, const uint8_t *bytes, size_t size,
             struct net_question *taken)
{
    (size >= 4 && !memcmp(bytes, "slow", 4) ? net_answer_slowly : net_answer)(taken, bytes, size);
}

/* The lane on which this text came to A. */
static enum lane
lane_of(const char *text)
{
    enum lane lane = LANES;

    for (size_t i = 0; i < way_count(way[A]); i++) {
        struct envelope envelope;
        size_t size;
        uint8_t *bytes = way_message(way[A], i, &size);

        if (memmem(bytes, size, text, strlen(text)) && envelope_read(&envelope, bytes, size, NULL))
            lane = (enum lane)envelope.lane;
        free(bytes);
    }
    return lane;
}

static void
test_a_slow_answer_goes_among_the_data(void **state)
{
    struct heard heard[2] = {0};

    rig.serve = serve_slowly;
    lead_over(A, NULL);
    rig_up(&rig);
    assert_true(ask("slowly, please", INT64_C(20000000000), &heard[0]));
    assert_true(ask("at once", INT64_C(20000000000), &heard[1]));
    wait_for(&heard[0].answers);
    wait_for(&heard[1].answers);
    assert_string_equal(heard[0].text, "slowly, please");
    assert_int_equal(lane_of("slowly, please"), LANE_DATA);
    assert_int_equal(lane_of("at once"), LANE_CONTROL);
}

static void
test_control_is_not_behind_data(void **state)
{
    enum { TICKS = 3000, SIZE = 32 << 10 };
    struct heard heard = {0};

    rig.capacity = 2 * TICKS;
    rig.size = SIZE;
    rig.serve = serve;
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= TICKS; tick++) {
        rig_must_put(&rig, tick);
        if (tick == TICKS / 2)
            assert_true(ask("x", INT64_C(20000000000), &heard));
    }
    wait_for(&heard.answers);
    assert_true(heard.behind < TICKS);
    rig_take_all(&rig, 1, TICKS);
}

/* ---- Clocks ---------------------------------------------------------------------------------- */

static _Atomic bool was_skew;

static void
look_for_skew(void *arg, const char *line, size_t len)
{
    if (memmem(line, len, "net.skew", 8))
        was_skew = true;
}

static void
test_clocks_are_compared(void **state)
{
    struct net_seen seen;
    Hde__NetGreeting beat = HDE__NET_GREETING__INIT;
    struct net *net;
    struct peer *peer;
    uint8_t packed[100], bytes[200];
    struct envelope envelope;
    int64_t now_ns;

    rig_up(&rig);
    for (wait_begin(); !rig_look(&rig, A).round_ns;)
        wait_turn();
    seen = rig_look(&rig, A);
    assert_true(2 * llabs(seen.skew_ns) <= seen.round_best_ns); /* it is the same clock */
    log_set_sink(look_for_skew, NULL);
    net = rig.net[A];
    peer = &net->peer[0];
    pthread_mutex_lock(&net->lock);
    now_ns = clock_real_ns();
    beat.has_sent_ns = beat.has_echo_ns = beat.has_echo_at_ns = true;
    beat.echo_ns = now_ns - 10; /* quicker than any other */
    beat.echo_at_ns = beat.sent_ns = now_ns + INT64_C(10000000000);
    envelope = (struct envelope){.session = peer->mine,
                                 .number = peer->received[LANE_CONTROL],
                                 .greeting = packed,
                                 .greeting_size = hde__net_greeting__pack(&beat, packed)};
    envelope_write(&envelope, NULL, 0, bytes);
    net_receive(net, NULL, bytes, envelope_size(&envelope, NULL, 0));
    pthread_mutex_unlock(&net->lock);
    seen = rig_look(&rig, A);
    log_set_sink(NULL, NULL);
    assert_true(seen.skew_ns > INT64_C(9990000000));
    assert_true(was_skew);
}

int
main(void)
{
#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        HERE(test_a_lost_message_ends_the_session),
        HERE(test_data_that_hangs_alone_gets_another_connection),
        HERE(test_what_is_lost_at_the_end_is_missed),
        HERE(test_edges_outlast_a_bad_way),
        HERE(test_a_replayed_message_changes_nothing),
        HERE(test_a_replayed_greeting_changes_nothing),
        HERE(test_garbage_is_counted_and_has_no_effect),
        HERE(test_what_is_too_large_has_no_effect),
        HERE(test_a_frame_too_large_for_the_receiver_is_named),
        HERE(test_strangers_and_wrong_keys_stay_outside),
        HERE(test_a_host_cannot_speak_for_another),
        HERE(test_a_public_address_needs_keys),
        HERE(test_graphs_that_differ_are_refused_on_both_sides),
        HERE(test_schemas_may_grow_and_not_change),
        HERE(test_every_question_has_one_answer),
        HERE(test_a_slow_answer_goes_among_the_data),
        HERE(test_control_is_not_behind_data),
        HERE(test_clocks_are_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
