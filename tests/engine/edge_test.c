/* SPDX-License-Identifier: Apache-2.0
 * edge_test - the contract of every edge that keeps order, stamped for the ring and for ZeroMQ. */
#include "engine/run.h"
#include "link/frame.h"

#include <hde/schemas/runtime.pb-c.h>

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

enum { CAPACITY = 4, TICKS = 20000 };

struct rig {
    struct worker worker;
    struct actor actor;
    struct stats_edge stats;
    struct edge edge;
    void *zmq;
    struct err err;
};

static const ProtobufCMessageDescriptor *const types[] = {&hde__sample__descriptor, NULL};

static struct rig *
rig_new(bool over_zmq)
{
    struct rig *rig = aligned_alloc(64, (sizeof *rig + 63) & ~(size_t)63);

    memset(rig, 0, sizeof *rig);
    rig->actor.worker = &rig->worker;
    rig->edge.kind = over_zmq ? EDGE_ZMQ : EDGE_RING;
    rig->edge.stats = &rig->stats;
    rig->edge.writer = rig->edge.reader = &rig->actor;
    rig->edge.out = rig->edge.in = ring_new(CAPACITY, 1 << 30);
    if (over_zmq) {
        rig->zmq = zmq_ctx_new();
        rig->edge.in = ring_new(CAPACITY, 1 << 30);
        assert_true(zmq_link_open(rig->zmq, &rig->edge, types, &rig->err));
    }
    return rig;
}

static void
rig_free(struct rig *rig)
{
    if (rig->zmq) {
        zmq_link_close(&rig->edge);
        zmq_ctx_term(rig->zmq);
        ring_free(rig->edge.out);
    }
    ring_free(rig->edge.in);
    free(rig);
}

static void
serve_writer(struct rig *rig)
{
    if (rig->zmq)
        zmq_link_serve_writer(&rig->edge, &rig->err);
}

static void
serve_reader(struct rig *rig)
{
    if (rig->zmq)
        zmq_link_serve_reader(&rig->edge, &rig->err);
}

static void
put(struct rig *rig, uint64_t tick, uint32_t n)
{
    hde_msg *msg[16];

    for (uint32_t i = 0; i < n; i++) {
        Hde__Sample *sample;

        msg[i] = msg_new(msg_pool_current(), &hde__sample__descriptor);
        msg[i]->event_ns = (int64_t)tick;
        sample = (Hde__Sample *)msg[i]->body;
        sample->has_sequence = true;
        sample->sequence = 100 * tick + i;
    }
    ring_put(rig->edge.out,
             &(struct record){.tick = tick, .now_ns = 7, .watermark_ns = 9, .n = n, .lines = 8 * n},
             msg);
}

static void
publish(struct rig *rig, uint64_t word)
{
    ring_publish(rig->edge.out, word);
    serve_writer(rig);
    serve_reader(rig);
}

/* Takes the front, which has to be there; gives what it held. */
static struct record
take(struct rig *rig)
{
    struct record front;
    struct hde_msgvec got = {0};

    assert_true(ring_front(rig->edge.in, &front));
    ring_take(rig->edge.in, &front, &got);
    assert_int_equal(got.n, front.n);
    for (uint32_t i = 0; i < got.n; i++) {
        assert_int_equal(((Hde__Sample *)got.item[i]->body)->sequence, 100 * front.tick + i);
        assert_int_equal(got.item[i]->event_ns, front.tick);
    }
    msgvec_drop_all(&got);
    msgvec_fini(&got);
    return front;
}

static void
finish(struct rig *rig, const struct record *record)
{
    ring_finish(rig->edge.in, record_units(record), record->lines);
    ring_return(rig->edge.in);
    serve_reader(rig);
    serve_writer(rig);
}

/* ---- The contract ------------------------------------------------------------------------- */

static void
one_tick_may_overdraw(bool over_zmq)
{
    struct rig *rig = rig_new(over_zmq);
    struct record record;

    for (uint64_t round = 1; round < 50; round++) { /* often enough to go round the ring */
        assert_true(ring_has_credit(rig->edge.out));
        put(rig, round, 10);
        assert_false(ring_has_credit(rig->edge.out));
        publish(rig, round);
        record = take(rig);
        assert_int_equal(record.tick, round);
        assert_int_equal(record.n, 10);
        assert_int_equal(record.now_ns, 7);
        assert_int_equal(record.watermark_ns, 9);
        finish(rig, &record);
    }
    rig_free(rig);
}

static void
credit_returns_when_done(bool over_zmq)
{
    struct rig *rig = rig_new(over_zmq);
    struct record record;

    put(rig, 1, 3);
    assert_true(ring_has_credit(rig->edge.out));
    put(rig, 2, 0); /* a watermark alone costs one */
    assert_false(ring_has_credit(rig->edge.out));
    publish(rig, 2);
    record = take(rig);
    serve_reader(rig);
    serve_writer(rig);
    assert_false(ring_has_credit(rig->edge.out));
    finish(rig, &record);
    assert_true(ring_has_credit(rig->edge.out));
    rig_free(rig);
}

static void
asks_reach_the_writer(bool over_zmq)
{
    struct rig *rig = rig_new(over_zmq);

    publish(rig, 3);
    assert_false(ring_is_asked(rig->edge.out));
    assert_true(ring_ask(rig->edge.in, 5));
    assert_false(ring_ask(rig->edge.in, 5));
    serve_reader(rig);
    serve_writer(rig);
    assert_true(ring_is_asked(rig->edge.out));
    publish(rig, 4);
    assert_true(ring_is_asked(rig->edge.out)); /* stays open until it is met */
    publish(rig, 5);
    assert_false(ring_is_asked(rig->edge.out));
    assert_int_equal(ring_word(rig->edge.in), 5);
    rig_free(rig);
}

static void
test_an_ask_that_crosses_the_word_is_answered(void **state)
{
    struct rig *rig = rig_new(false);
    struct ring *ring = rig->edge.out;

    assert_int_equal(ring_publish(ring, 3), RING_WORD);
    assert_false(ring_answers(ring)); /* nobody asks */
    assert_int_equal(ring_publish(ring, 5), RING_WORD);
    ring_ask(ring, 5); /* by a reader that has not seen the word */
    assert_false(ring_is_asked(ring));
    assert_true(ring_answers(ring));
    assert_false(ring_answers(ring)); /* once */
    ring_ask(ring, 9);
    ring_publish(ring, 7);
    assert_true(ring_answers(ring)); /* also below the wish */
    ring_publish(ring, 9);
    assert_true(ring_answers(ring));
    ring_publish(ring, 10);
    assert_false(ring_answers(ring)); /* it was met */
    rig_free(rig);
}

static void *
write_ticks(void *arg)
{
    struct rig *rig = arg;

    for (uint64_t tick = 1; tick <= TICKS; tick++) {
        while (!ring_has_credit(rig->edge.out)) {
            serve_writer(rig);
            sched_yield();
        }
        if (tick % 3) /* every third tick has nothing for this edge */
            put(rig, tick, (uint32_t)(tick % 6));
        ring_publish(rig->edge.out, tick);
        serve_writer(rig);
    }
    return NULL;
}

/* Two threads: whatever word the reader sees, every batch up to it is there. */
static void
word_never_overtakes(bool over_zmq)
{
    struct rig *rig = rig_new(over_zmq);
    pthread_t writer;
    uint64_t word = 0, last = 0;

    pthread_create(&writer, NULL, write_ticks, rig);
    while (word < TICKS) {
        struct record front;

        serve_reader(rig);
        word = ring_word(rig->edge.in);
        while (ring_front(rig->edge.in, &front)) {
            struct record record = take(rig);

            assert_true(record.tick == last + 1 ||
                        (record.tick == last + 2 && (last + 1) % 3 == 0));
            last = record.tick;
            ring_finish(rig->edge.in, record_units(&record), record.lines);
        }
        ring_return(rig->edge.in);
        sched_yield();
        assert_true(last >= word || (last + 1 == word && word % 3 == 0));
    }
    serve_reader(rig);
    pthread_join(writer, NULL);
    assert_string_equal(rig->err.text, "");
    rig_free(rig);
}

#define STAMP(test, name)                                                                          \
    static void name##_ring(void **state)                                                          \
    {                                                                                              \
        test(false);                                                                               \
    }                                                                                              \
    static void name##_zmq(void **state)                                                           \
    {                                                                                              \
        test(true);                                                                                \
    }
STAMP(one_tick_may_overdraw, test_one_tick_may_overdraw_and_is_never_split)
STAMP(credit_returns_when_done, test_credit_returns_when_the_tick_is_done)
STAMP(asks_reach_the_writer, test_an_ask_stays_open_until_it_is_met)
STAMP(word_never_overtakes, test_word_never_overtakes_its_batches)

/* ---- ZeroMQ alone ------------------------------------------------------------------------- */

/* What a stranger sends in the place of the writer; gives the error. */
static struct err
receive_from_stranger(const void *bytes, size_t size)
{
    struct rig *rig = rig_new(true);
    void *stranger = zmq_socket(rig->zmq, ZMQ_DEALER);
    struct err err;
    char address[64];

    snprintf(address, sizeof address, "inproc://edge-%u-%p", rig->edge.id, (void *)&rig->edge);
    assert_int_equal(zmq_connect(stranger, address), 0);
    assert_int_equal(zmq_send(stranger, bytes, size, 0), size);
    for (int i = 0; i < 1000 && !err_is_set(&rig->err); i++)
        serve_reader(rig);
    err = rig->err;
    assert_string_equal(err.code, "HDE-R007");
    assert_int_equal(STAT_GET(rig->stats.corrupt), 1);
    zmq_close(stranger);
    rig_free(rig);
    return err;
}

static void
test_a_corrupt_frame_breaks_the_edge_by_name(void **state)
{
    struct err err = receive_from_stranger("\xff\xff\xff", 3);

    assert_non_null(strstr(err.text, "cannot be read"));
}

static void
test_a_frame_that_is_missing_breaks_the_edge_by_name(void **state)
{
    struct frame frame = {0};
    uint8_t bytes[256];
    struct err err;

    frame_begin(&frame, HDE__FRAME_KIND__FRAME_KIND_DATA, 0);
    frame.number = 1;
    frame.schema = frame_schema(types);
    assert_true(frame_size(&frame) <= sizeof bytes);
    frame_write(&frame, bytes);
    err = receive_from_stranger(bytes, frame_size(&frame));
    assert_non_null(strstr(err.text, "frame 1 came where 0 was due"));
    frame_fini(&frame);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_tick_may_overdraw_and_is_never_split_ring),
        cmocka_unit_test(test_one_tick_may_overdraw_and_is_never_split_zmq),
        cmocka_unit_test(test_credit_returns_when_the_tick_is_done_ring),
        cmocka_unit_test(test_credit_returns_when_the_tick_is_done_zmq),
        cmocka_unit_test(test_an_ask_stays_open_until_it_is_met_ring),
        cmocka_unit_test(test_an_ask_stays_open_until_it_is_met_zmq),
        cmocka_unit_test(test_an_ask_that_crosses_the_word_is_answered),
        cmocka_unit_test(test_word_never_overtakes_its_batches_ring),
        cmocka_unit_test(test_word_never_overtakes_its_batches_zmq),
        cmocka_unit_test(test_a_corrupt_frame_breaks_the_edge_by_name),
        cmocka_unit_test(test_a_frame_that_is_missing_breaks_the_edge_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
