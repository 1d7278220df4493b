/* SPDX-License-Identifier: Apache-2.0
 * drop_test - the store of an edge that drops, across epochs and logs that are taken again. */
#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CAPACITY = 4 };

static struct stats_edge stats;

static struct drop_store *
store_new(enum edge_kind kind)
{
    return drop_new(&(struct drop_config){.kind = kind,
                                          .capacity = CAPACITY,
                                          .capacity_bytes = 1 << 20},
                    &stats);
}

/* One message, whose sequence is the tick. */
static void
put(struct drop_store *store, uint64_t tick)
{
    hde_msg *msg = msg_new(msg_pool_current(), &hde__sample__descriptor);
    struct hde_msgvec vec = {0};

    ((Hde__Sample *)msg->body)->sequence = tick;
    msgvec_push(&vec, msg);
    drop_put(store, &(struct record){.tick = tick, .watermark_ns = (int64_t)tick}, &vec);
    msgvec_fini(&vec);
}

/* Hands over as `tick`; the sequences as digits, 0: nothing. */
static uint64_t
hand_over(struct drop_store *store, uint64_t tick, uint64_t *cause)
{
    struct record record;
    struct hde_msgvec vec = {0};
    uint64_t digits = 0;

    if (drop_hand_over(store, tick, &record, &vec, 256, cause))
        for (uint32_t i = 0; i < vec.n; i++)
            digits = 10 * digits + ((Hde__Sample *)vec.item[i]->body)->sequence;
    msgvec_drop_all(&vec);
    msgvec_fini(&vec);
    return digits;
}

static struct drop_store *
restored(struct drop_store *from, enum edge_kind kind)
{
    struct drop_store *to = store_new(kind);
    struct drop_state state;

    drop_save(from, &state);
    drop_load(to, &state);
    state.n = 0; /* they are the store's */
    drop_state_fini(&state);
    return to;
}

static void
test_a_store_goes_on_with_what_it_held(void **state)
{
    for (int kind = EDGE_LATEST; kind <= EDGE_DROP_OLDEST; kind++) {
        struct drop_store *a = store_new((enum edge_kind)kind), *b;
        uint64_t cause;

        put(a, 1);
        put(a, 2);
        b = restored(a, (enum edge_kind)kind);
        assert_int_equal(hand_over(b, 9, &cause), kind == EDGE_LATEST ? 2 : 12);
        assert_int_equal(cause, 2);
        drop_free(a);
        drop_free(b);
    }
}

/* The writer had not passed the barrier (tick 7) when the hand-over of tick 8 came. */
static void
test_what_was_handed_over_before_the_writer_saved_leaves_no_second_time(void **state)
{
    struct drop_store *a = store_new(EDGE_DROP_OLDEST), *b;
    uint64_t cause, ignored;

    put(a, 1);
    put(a, 2);
    assert_int_equal(hand_over(a, 8, &cause), 12);
    put(a, 3);
    b = restored(a, EDGE_DROP_OLDEST);
    drop_expect(b, 8, cause, 2);
    assert_int_equal(hand_over(b, 10, &ignored), 3);
    drop_free(a);
    drop_free(b);
}

static void
test_hand_overs_of_the_log_take_what_they_took_however_late_it_is_put(void **state)
{
    struct drop_store *store = store_new(EDGE_DROP_OLDEST);
    uint64_t cause;

    drop_expect(store, 10, 2, 2);
    drop_expect(store, 20, 6, 3);
    put(store, 1);
    put(store, 2); /* both go */
    assert_int_equal(hand_over(store, 30, &cause), 0); /* not yet what it was */
    for (uint64_t tick = 3; tick <= 7; tick++)
        put(store, tick); /* the first three of four go behind tick 6 */
    assert_int_equal(hand_over(store, 31, &cause), 67);
    assert_int_equal(cause, 7);
    drop_free(store);
}

static void
test_all_of_a_store_moves_to_another(void **state)
{
    struct drop_store *a = store_new(EDGE_DROP_OLDEST), *b = store_new(EDGE_DROP_OLDEST);
    uint64_t cause;

    put(a, 1);
    drop_expect(a, 10, 2, 1);
    drop_move(a, b);
    drop_free(a);
    assert_int_equal(hand_over(b, 11, &cause), 0);
    put(b, 2);
    assert_int_equal(hand_over(b, 12, &cause), 2);
    drop_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_goes_on_with_what_it_held),
        cmocka_unit_test(test_what_was_handed_over_before_the_writer_saved_leaves_no_second_time),
        cmocka_unit_test(test_hand_overs_of_the_log_take_what_they_took_however_late_it_is_put),
        cmocka_unit_test(test_all_of_a_store_moves_to_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
