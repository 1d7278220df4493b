/* SPDX-License-Identifier: Apache-2.0
 * msg_test - pooled messages: references, copy on write, unpacking, threads. */
#include "check.h"

#include "engine/ctx.h"

#include <hde/schemas/market.pb-c.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RAW (&hde__raw_chain__descriptor)

static Hde__RawChain *
raw(hde_msg *msg)
{
    return (Hde__RawChain *)msg->body;
}

static uint64_t
in_use(void)
{
    return msg_pool_totals().in_use;
}

static void
a_new_message_is_initialised_and_sole(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);

    assert_ptr_equal(msg->body->descriptor, RAW);
    assert_null(raw(msg)->feed);
    assert_true(msg_is_sole(msg));
    assert_int_equal(in_use(), 1);
    hde_msg_drop(msg);
    assert_int_equal(in_use(), 0);
}

static void
the_last_drop_gives_memory_back(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);

    assert_ptr_equal(hde_msg_keep(msg), msg);
    assert_false(msg_is_sole(msg));
    hde_msg_drop(msg);
    assert_true(msg_is_sole(msg));
    assert_int_equal(in_use(), 1);
    hde_msg_drop(msg);
    hde_msg_drop(NULL);
    assert_int_equal(in_use(), 0);
    assert_int_equal(msg_pool_totals().bytes_in_use, 0);
}

static void
memory_of_a_message_is_aligned_and_grows_in_chunks(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);
    size_t before = msg_bytes(msg);

    for (size_t size = 0; size < 200000; size = size * 2 + 1) {
        char *at = hde_msg_alloc(msg, size);

        assert_int_equal((uintptr_t)at % 16, 0);
        memset(at, 0x5a, size);
    }
    assert_true(msg_bytes(msg) > before);
    assert_int_equal(msg_pool_totals().bytes_in_use, msg_bytes(msg));
    hde_msg_drop(msg);
    assert_int_equal(in_use(), 0);
}

static void
a_message_larger_than_every_class_works(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);
    size_t size = (size_t)40 << 20;
    char *at = hde_msg_alloc(msg, size);

    at[0] = at[size - 1] = 1;
    assert_true(msg_bytes(msg) > size);
    hde_msg_drop(msg);
    assert_int_equal(msg_pool_totals().bytes_in_use, 0);
}

static void
columns_start_absent_and_texts_are_copied(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);
    char text[] = "NSE:NIFTY@test";
    double *column = hde_msg_doubles(msg, 3);
    char *copy = hde_msg_text(msg, text);

    text[0] = 'X';
    assert_true(isnan(column[0]) && isnan(column[1]) && isnan(column[2]));
    assert_string_equal(copy, "NSE:NIFTY@test");
    hde_msg_drop(msg);
}

static void
writable_gives_the_same_message_to_a_sole_owner(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);

    assert_ptr_equal(msg_writable(msg_pool_current(), msg), msg);
    hde_msg_drop(msg);
}

static void
writable_copies_the_body_and_keeps_what_it_points_into(void **state)
{
    hde_msg *first = msg_new(msg_pool_current(), RAW), *second;

    first->event_ns = 42;
    raw(first)->feed = hde_msg_text(first, "feed");
    second = msg_writable(msg_pool_current(), hde_msg_keep(first));
    assert_ptr_not_equal(first, second);
    assert_int_equal(second->event_ns, 42);
    raw(second)->spot = 7, raw(second)->has_spot = true;
    assert_false(raw(first)->has_spot);
    hde_msg_drop(first);
    assert_string_equal(raw(second)->feed, "feed"); /* the parent still lives */
    assert_int_equal(in_use(), 2);
    hde_msg_drop(second);
    assert_int_equal(in_use(), 0);
}

static void
edit_copies_a_foreign_sub_message_once(void **state)
{
    hde_msg *first = msg_new(msg_pool_current(), RAW), *second;
    Hde__Quotes *calls = hde_msg_edit(first, &raw(first)->calls, &hde__quotes__descriptor);

    assert_ptr_equal(calls, raw(first)->calls);
    calls->n_oi = 1, calls->oi = hde_msg_doubles(first, 1), calls->oi[0] = 5;
    assert_ptr_equal(hde_msg_edit(first, &raw(first)->calls, &hde__quotes__descriptor), calls);

    second = msg_writable(msg_pool_current(), hde_msg_keep(first));
    calls = hde_msg_edit(second, &raw(second)->calls, &hde__quotes__descriptor);
    assert_ptr_not_equal(calls, raw(first)->calls);
    assert_ptr_equal(calls->oi, raw(first)->calls->oi);
    calls->n_oi = 0;
    assert_int_equal(raw(first)->calls->n_oi, 1);
    hde_msg_drop(first);
    hde_msg_drop(second);
    assert_int_equal(in_use(), 0);
}

static void
a_long_line_of_parents_is_freed_without_recursion(void **state)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);

    for (int i = 0; i < 200000; i++) {
        hde_msg *next = msg_new(msg_pool_current(), RAW);

        hde_msg_share(next, msg);
        hde_msg_share(next, msg); /* twice is once */
        hde_msg_drop(msg);
        msg = next;
    }
    assert_int_equal(in_use(), 200001);
    hde_msg_drop(msg);
    assert_int_equal(in_use(), 0);
}

static hde_msg *
filled_chain(size_t n)
{
    hde_msg *msg = msg_new(msg_pool_current(), RAW);
    Hde__RawChain *chain = raw(msg);

    chain->feed = hde_msg_text(msg, "NSE:NIFTY@test");
    chain->n_strike = n, chain->strike = hde_msg_doubles(msg, n);
    chain->calls = hde_msg_edit(msg, &chain->calls, &hde__quotes__descriptor);
    chain->calls->n_last = n, chain->calls->last = hde_msg_doubles(msg, n);
    for (size_t i = 0; i < n; i++)
        chain->strike[i] = 20000 + 50.0 * (double)i, chain->calls->last[i] = (double)i / 20;
    return msg;
}

static void
unpack_gives_back_what_was_packed(void **state)
{
    hde_msg *msg = filled_chain(100), *copy;
    size_t size = protobuf_c_message_get_packed_size(msg->body);
    uint8_t *bytes = malloc(size);

    protobuf_c_message_pack(msg->body, bytes);
    copy = msg_unpack(msg_pool_current(), RAW, bytes, size);
    assert_non_null(copy);
    assert_string_equal(raw(copy)->feed, "NSE:NIFTY@test");
    assert_int_equal(raw(copy)->n_strike, 100);
    assert_true(raw(copy)->strike[99] == 24950 && raw(copy)->calls->last[99] == 4.95);
    assert_ptr_equal(hde_msg_edit(copy, &raw(copy)->calls, &hde__quotes__descriptor),
                     raw(copy)->calls);
    hde_msg_drop(copy);
    hde_msg_drop(msg);
    free(bytes);
    assert_int_equal(in_use(), 0);
}

static void
corrupt_bytes_give_null_and_leak_nothing(void **state)
{
    hde_msg *msg = filled_chain(20);
    size_t size = protobuf_c_message_get_packed_size(msg->body), refused = 0;
    uint8_t *bytes = malloc(size);

    protobuf_c_message_pack(msg->body, bytes);
    hde_msg_drop(msg);
    for (size_t cut = 0; cut < size; cut++) { /* cut short, and with one byte turned */
        hde_msg *copy = msg_unpack(msg_pool_current(), RAW, bytes, cut);

        refused += !copy;
        hde_msg_drop(copy);
        bytes[cut] ^= 0xff;
        copy = msg_unpack(msg_pool_current(), RAW, bytes, size);
        refused += !copy;
        hde_msg_drop(copy);
        bytes[cut] ^= 0xff;
    }
    assert_true(refused > size / 2);
    assert_int_equal(in_use(), 0);
    free(bytes);
}

static void
steady_state_allocates_nothing_in_one_thread(void **state)
{
    uint64_t before;

    for (int i = 0; i < 100; i++)
        hde_msg_drop(filled_chain(100));
    before = msg_pool_totals().allocations;
    for (int i = 0; i < 100000; i++)
        hde_msg_drop(filled_chain(10));
    assert_int_equal(msg_pool_totals().allocations, before);
}

/* Two threads that pass messages both ways through one-slot mailboxes; each frees the other's. */
struct slot {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    hde_msg *msg;
};

static void
slot_put(struct slot *slot, hde_msg *msg)
{
    pthread_mutex_lock(&slot->lock);
    while (slot->msg)
        pthread_cond_wait(&slot->changed, &slot->lock);
    slot->msg = msg;
    pthread_cond_signal(&slot->changed);
    pthread_mutex_unlock(&slot->lock);
}

static hde_msg *
slot_get(struct slot *slot)
{
    hde_msg *msg;

    pthread_mutex_lock(&slot->lock);
    while (!slot->msg)
        pthread_cond_wait(&slot->changed, &slot->lock);
    msg = slot->msg;
    slot->msg = NULL;
    pthread_cond_signal(&slot->changed);
    pthread_mutex_unlock(&slot->lock);
    return msg;
}

struct player {
    struct slot *to, *from;
    int rounds;
    uint64_t warm, end; /* allocations of the process after warm-up and at the end */
    double sum;
};

static void *
play(void *arg)
{
    struct player *self = arg;

    for (int i = 0; i < self->rounds; i++) {
        hde_msg *mine = filled_chain(4 + (size_t)(i % 8)), *theirs;

        slot_put(self->to, mine);
        theirs = slot_get(self->from);
        self->sum += raw(theirs)->strike[0];
        theirs = msg_writable(msg_pool_current(), theirs);
        raw(theirs)->spot = 1;
        hde_msg_drop(theirs);
        if (i == self->rounds / 10)
            self->warm = msg_pool_totals().allocations;
    }
    self->end = msg_pool_totals().allocations;
    return NULL;
}

static void
messages_that_cross_threads_both_ways_allocate_nothing(void **state)
{
    static struct slot there = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};
    static struct slot back = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};
    struct player a = {.to = &there, .from = &back, .rounds = 55556};
    struct player b = {.to = &back, .from = &there, .rounds = 55556};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, play, &b), 0);
    play(&a);
    pthread_join(thread, NULL);
    assert_true(a.sum == 55556 * 20000.0 && b.sum == a.sum);
    assert_int_equal(a.end, a.warm); /* 100,000 messages after the warm-up */
    assert_int_equal(b.end, b.warm);
    assert_int_equal(in_use(), 0);
}

static void *
make_messages(void *arg)
{
    hde_msg **made = arg;

    for (int i = 0; i < 100; i++)
        made[i] = filled_chain(10);
    return NULL;
}

static void
messages_outlive_their_thread_and_its_pool_is_taken_over(void **state)
{
    hde_msg *made[100];
    pthread_t thread;
    uint64_t before;

    assert_int_equal(pthread_create(&thread, NULL, make_messages, made), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 100; i++) {
        assert_string_equal(raw(made[i])->feed, "NSE:NIFTY@test");
        hde_msg_drop(made[i]);
    }
    msg_pool_flush();
    before = msg_pool_totals().allocations;
    assert_int_equal(pthread_create(&thread, NULL, make_messages, made), 0);
    pthread_join(thread, NULL);
    assert_int_equal(msg_pool_totals().allocations, before);
    for (int i = 0; i < 100; i++)
        hde_msg_drop(made[i]);
}

static void
pools_of_living_messages_survive_the_end(void **state)
{
    hde_msg *msg = filled_chain(10);

    msg_pools_fini();
    assert_string_equal(raw(msg)->feed, "NSE:NIFTY@test");
    assert_true(in_use() > 0);
    hde_msg_drop(msg);
    assert_int_equal(in_use(), 0);
    msg_pools_fini();
    assert_int_equal(in_use(), 0);
}

static int
fini(void **state)
{
    msg_pools_fini();
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_message_is_initialised_and_sole),
        cmocka_unit_test(the_last_drop_gives_memory_back),
        cmocka_unit_test(memory_of_a_message_is_aligned_and_grows_in_chunks),
        cmocka_unit_test(a_message_larger_than_every_class_works),
        cmocka_unit_test(columns_start_absent_and_texts_are_copied),
        cmocka_unit_test(writable_gives_the_same_message_to_a_sole_owner),
        cmocka_unit_test(writable_copies_the_body_and_keeps_what_it_points_into),
        cmocka_unit_test(edit_copies_a_foreign_sub_message_once),
        cmocka_unit_test(a_long_line_of_parents_is_freed_without_recursion),
        cmocka_unit_test(unpack_gives_back_what_was_packed),
        cmocka_unit_test(corrupt_bytes_give_null_and_leak_nothing),
        cmocka_unit_test(steady_state_allocates_nothing_in_one_thread),
        cmocka_unit_test(messages_that_cross_threads_both_ways_allocate_nothing),
        cmocka_unit_test(messages_outlive_their_thread_and_its_pool_is_taken_over),
        cmocka_unit_test(pools_of_living_messages_survive_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, fini);
}
