/* SPDX-License-Identifier: Apache-2.0
 * net_test - edges between two hosts: order, credit, covers, sessions that break. */
#include "rig.h"

#include "net/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static struct rig rig;

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
    return 0;
}

static uint64_t put, next, covered; /* ticks of flow() */

/* Puts and takes up to `last`, covering now and then; `disturb` is called between. */
static void
flow(uint64_t from, uint64_t last, void (*disturb)(void))
{
    put = next = from;
    covered = from - 1;
    for (wait_begin(); next <= last;) {
        uint64_t tick;

        while (put <= last && rig_put(&rig, put))
            put++;
        if ((tick = rig_take(&rig))) {
            assert_int_equal(tick, next);
            next++;
            wait_begin();
            if (next % 16 == 0)
                link_cover(rig.link[B], covered = tick);
            if (disturb)
                disturb();
        } else {
            wait_turn();
        }
        if (__atomic_exchange_n(&rig.asks, 0, __ATOMIC_SEQ_CST))
            link_cover(rig.link[B], covered = next - 1);
    }
    link_cover(rig.link[B], covered = last);
}

static void
test_frames_come_once_and_in_order(void **state)
{
    rig_up(&rig);
    flow(1, 5000, NULL);
    assert_int_equal(rig_look(&rig, B).duplicates, 0);
    assert_int_equal(rig_look(&rig, A).resent, 0);
    assert_true(rig_look(&rig, A).frames[0] >= 5000);
}

static void
test_hosts_start_in_any_order(void **state)
{
    rig_links(&rig);
    rig_start(&rig, B);
    assert_true(link_seek(rig.link[B], 0, NULL));
    rig_must_put(&rig, 1);
    rig_start(&rig, A);
    rig_take_all(&rig, 1, 1);
    rig_stop(&rig, B);
    rig_wait_state(&rig, A, NET_DOWN);
    rig_must_put(&rig, 2);
    rig_start(&rig, B);
    link_seek(rig.link[B], 1, NULL);
    rig_take_all(&rig, 2, 2);
}

static void
test_the_receiver_is_never_overrun(void **state)
{
    rig.capacity = 8;
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= 8; tick++)
        rig_must_put(&rig, tick);
    assert_false(rig_put(&rig, 9)); /* all is kept */
    for (wait_begin(); STAT_GET(rig.stats[B].messages) < 8;)
        wait_turn();
    link_cover(rig.link[A], 8);
    for (uint64_t tick = 9; tick <= 16; tick++)
        rig_must_put(&rig, tick);
    for (wait_begin(); !rig_look(&rig, A).edges_waiting;)
        wait_turn();
    assert_int_equal(STAT_GET(rig.stats[B].messages), 8);
    rig_take_all(&rig, 1, 16);
    assert_int_equal(rig_look(&rig, B).malformed, 0);
}

static void
test_what_is_covered_is_gone_at_the_sender(void **state)
{
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= 10; tick++)
        rig_must_put(&rig, tick);
    rig_take_all(&rig, 1, 10);
    assert_int_equal(STAT_GET(rig.stats[A].kept), 10);
    link_cover(rig.link[B], 6);
    for (wait_begin(); STAT_GET(rig.stats[A].kept) != 4;)
        wait_turn();
    assert_int_equal(link_covered(rig.link[A]), 6);
}

static struct net_unheard unheard;
static _Atomic int n_settled;

static void
settled(void *arg, const struct net_unheard *who)
{
    unheard = *who;
    n_settled++;
}

/* Who has not heard of it within that time. */
static const char *
settle(int host, int64_t timeout_ns)
{
    int before = n_settled;

    net_settle(rig.net[host], timeout_ns, settled, NULL);
    for (wait_begin(); n_settled == before;)
        wait_turn();
    return unheard.host;
}

static void
test_the_last_acknowledgement_is_heard(void **state)
{
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= 10; tick++)
        rig_must_put(&rig, tick);
    rig_take_all(&rig, 1, 10);
    link_cover(rig.link[B], 5);
    assert_null(settle(B, INT64_C(15000000000)));
    assert_int_equal(link_covered(rig.link[A]), 5);
    rig_stop(&rig, A);
    link_cover(rig.link[B], 10);
    assert_string_equal(settle(B, 50000000), "a");
    rig_start(&rig, A);
    assert_null(settle(B, INT64_C(15000000000)));
    assert_int_equal(link_covered(rig.link[A]), 10);
    assert_null(settle(A, INT64_C(15000000000))); /* which gets nothing */
}

/* Far less than what is worth a word. */
static void
test_without_epochs_the_last_acknowledgement_is_heard(void **state)
{
    rig.has_epochs = false;
    rig_up(&rig);
    rig_must_put(&rig, 1);
    rig_must_put(&rig, 2);
    rig_take_all(&rig, 1, 2);
    assert_null(settle(B, INT64_C(15000000000)));
    assert_int_equal(link_covered(rig.link[A]), 2);
    rig_must_put(&rig, 3);
    rig_take_all(&rig, 3, 3);
    for (wait_begin(); link_covered(rig.link[A]) < 3;) /* with a beat */
        wait_turn();
}

static void
put_end(uint64_t tick)
{
    struct record record = {.tick = tick, .watermark_ns = WM_END};

    assert_int_equal(link_put(rig.link[A], &record, NULL, false, NULL), LINK_PUT);
}

static bool
is_known(int host)
{
    struct net_unheard none;

    return !net_is_unheard(rig.net[host], host == A ? "b" : "a", &none);
}

static void
test_both_ends_remember_that_all_has_come(void **state)
{
    struct hde_msgvec vec = {0};
    struct record record;

    rig.remembers = true;
    __atomic_store_n(&rig.known[A].cannot, true, __ATOMIC_SEQ_CST);
    rig_up(&rig);
    rig_must_put(&rig, 1);
    rig_take_all(&rig, 1, 1);
    link_cover(rig.link[B], 1);
    assert_string_equal(settle(B, 50000000), "a");
    assert_true(unheard.must_stay);
    assert_int_equal(link_covered(rig.link[A]), 1);
    assert_int_equal(rig.known[A].tries, 0); /* it is not the end */
    put_end(2);
    for (wait_begin(); link_take(rig.link[B], &record, &vec, NULL) != LINK_FRAME;)
        wait_turn();
    link_cover(rig.link[B], 2);
    /* what cannot be written is not said, and tried again with each beat */
    for (wait_begin(); __atomic_load_n(&rig.known[A].tries, __ATOMIC_SEQ_CST) < 2;)
        wait_turn();
    assert_false(is_known(B));
    __atomic_store_n(&rig.known[A].cannot, false, __ATOMIC_SEQ_CST);
    assert_null(settle(B, INT64_C(15000000000)));
    assert_null(settle(A, INT64_C(15000000000)));
    for (int host = A; host <= B; host++)
        assert_true(rig.known[host].tick == 2 && rig.known[host].is_heard);
    /* of later processes neither waits for the other */
    for (int host = A; host <= B; host++) {
        rig_stop(&rig, A);
        rig_stop(&rig, B);
        rig_start(&rig, host);
        assert_null(settle(host, 1));
    }
}

static void
test_a_sender_says_once_more_that_it_knows(void **state)
{
    struct hde_msgvec vec = {0};
    struct record record;

    rig.remembers = true;
    rig_up(&rig);
    put_end(1);
    for (wait_begin(); link_take(rig.link[B], &record, &vec, NULL) != LINK_FRAME;)
        wait_turn();
    rig_stop(&rig, A); /* with all covered and nothing remembered */
    link_cover(rig.link[B], 1);
    assert_string_equal(settle(B, 50000000), "a");
    assert_true(unheard.must_stay);
    rig_start(&rig, A);
    assert_null(settle(B, INT64_C(15000000000)));
    assert_null(settle(A, INT64_C(15000000000)));
    assert_int_equal(rig.known[A].tick, 1);
}

static void
test_half_of_what_is_kept_asks_for_an_epoch(void **state)
{
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= 31; tick++)
        rig_must_put(&rig, tick);
    rig_take_all(&rig, 1, 31);
    assert_int_equal(__atomic_load_n(&rig.asks, __ATOMIC_SEQ_CST), 0);
    rig_must_put(&rig, 32);
    for (wait_begin(); !__atomic_load_n(&rig.asks, __ATOMIC_SEQ_CST);)
        wait_turn();
    /* a session later it is asked again: the word may have been lost */
    rig_stop(&rig, A);
    rig_start(&rig, A);
    for (wait_begin(); __atomic_load_n(&rig.asks, __ATOMIC_SEQ_CST) < 2;)
        wait_turn();
}

static void
test_frames_that_are_gone_are_named(void **state)
{
    struct hde_msgvec vec = {0};
    struct record record;
    struct err err = {0};

    rig_up(&rig);
    flow(1, 32, NULL);
    for (wait_begin(); link_covered(rig.link[A]) != 32;)
        wait_turn();
    rig_stop(&rig, B); /* and its checkpoints are gone */
    rig_link(&rig, B);
    rig_start(&rig, B);
    assert_true(link_seek(rig.link[B], 5, NULL));
    for (wait_begin(); link_take(rig.link[B], &record, &vec, &err) != LINK_DAMAGED;)
        wait_turn();
    assert_string_equal(err.code, "HDE-R070");
    assert_non_null(strstr(err.text, "behind tick 5"));
}

static void
lose(int host)
{
    struct net *net = rig.net[host];

    pthread_mutex_lock(&net->lock);
    peer_lose(&net->peer[0], "the test says so");
    pthread_mutex_unlock(&net->lock);
    net_wake(net);
}

static void
wait_for_sessions(uint64_t n)
{
    for (wait_begin(); rig_look(&rig, A).connects < n || rig_look(&rig, B).connects < n;)
        wait_turn();
}

/* ---- Markers, ends --------------------------------------------------------------------------- */

static void
test_a_marker_goes_there_and_back(void **state)
{
    rig_up(&rig);
    rig_must_put(&rig, 1);
    link_want_marker(rig.link[B], 7);
    link_put_marker(rig.link[A], 7);
    rig_must_put(&rig, 2);
    rig_take_all(&rig, 1, 1);
    for (wait_begin(); !link_is_at_marker(rig.link[B]);)
        wait_turn();
    assert_int_equal(rig_take(&rig), 0);
    lose(A); /* while it stands there */
    wait_for_sessions(2);
    assert_true(link_is_at_marker(rig.link[B]));
    link_drop_marker(rig.link[B]);
    rig_take_all(&rig, 2, 2);
    assert_false(link_is_at_marker(rig.link[A]));
    flow(3, 100, NULL);
}

/* Its savepoint was given up at the receiver, or is not known there. */
static void
test_a_marker_that_nobody_waits_for_holds_nothing_up(void **state)
{
    rig_up(&rig);
    rig_must_put(&rig, 1);
    link_put_marker(rig.link[A], 7);
    rig_must_put(&rig, 2);
    rig_take_all(&rig, 1, 2);
    link_want_marker(rig.link[B], 8);
    link_put_marker(rig.link[A], 8);
    rig_must_put(&rig, 3);
    for (wait_begin(); !link_is_at_marker(rig.link[B]);)
        wait_turn();
    link_want_marker(rig.link[B], 0);
    rig_take_all(&rig, 3, 3);
    flow(4, 100, NULL);
}

static void
test_the_end_of_a_sender_comes_behind_all_else(void **state)
{
    rig_up(&rig);
    rig_must_put(&rig, 1);
    link_sender_is_over(rig.link[A]);
    assert_true(link_may_give(rig.link[B]));
    rig_take_all(&rig, 1, 1);
    for (wait_begin(); link_may_give(rig.link[B]);)
        wait_turn();
}

/* ---- Sessions -------------------------------------------------------------------------------- */

/* The sender's process ends, and another makes its frames again. */
static void
restart_sender(void)
{
    rig_stop(&rig, A);
    put = link_covered(rig.link[A]) + 1;
    rig_link(&rig, A);
    rig_start(&rig, A);
}

/* The receiver's process ends, and another goes on from the last epoch. */
static void
restart_receiver(void)
{
    rig_stop(&rig, B);
    rig_link(&rig, B);
    rig_start(&rig, B);
    assert_true(link_seek(rig.link[B], covered, NULL));
    next = covered + 1;
}

static void
break_something(void)
{
    switch (draw(200)) {
    case 0:
        restart_sender();
        break;
    case 1:
        restart_receiver();
        break;
    case 2:
        lose((int)draw(HOSTS));
        break;
    default:
        break;
    }
}

static void
test_a_session_that_breaks_costs_nothing(void **state)
{
    draw_begin();
    rig_up(&rig);
    flow(1, 4000, break_something);
}

static void
test_without_epochs_a_new_sender_goes_on(void **state)
{
    rig.has_epochs = false;
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= 40; tick++)
        rig_must_put(&rig, tick);
    for (wait_begin(); STAT_GET(rig.stats[B].messages) < 40;)
        wait_turn();
    rig_take_all(&rig, 1, 30);
    rig_stop(&rig, A); /* another process, that begins with tick 1 */
    rig_link(&rig, A);
    for (uint64_t tick = 1; tick <= 20; tick++)
        rig_must_put(&rig, tick);
    rig_start(&rig, A);
    rig_take_all(&rig, 31, 40);
    rig_take_all(&rig, 1, 20);
}

static void
test_without_epochs_what_is_taken_is_covered(void **state)
{
    rig.has_epochs = false;
    rig_up(&rig);
    for (uint64_t tick = 1; tick <= 1000; tick++) {
        for (wait_begin(); !rig_put(&rig, tick);)
            wait_turn();
        rig_take_all(&rig, tick, tick);
    }
}

static void
up_with_a_spare(void)
{
    rig.is_spare[B] = true;
    rig.shape[A] = 0x1111;
    rig.shape[B] = 0x2222;
    rig_start(&rig, A);
    rig_start(&rig, B);
    rig_wait_state(&rig, A, NET_UP);
    rig_wait_state(&rig, B, NET_UP);
}

static void
test_a_spare_host_talks_whatever_it_goes_back_to(void **state)
{
    rig.line[A] = 7;
    up_with_a_spare();
    assert_int_equal(rig_look(&rig, B).line, 7);
    assert_true(rig_look(&rig, A).is_spare);
    assert_false(rig_look(&rig, B).is_spare);
}

/* Nor is it refused for less than that where an edge leads to it. */
static void
test_a_host_with_edges_is_no_spare_one(void **state)
{
    rig.line[A] = 7;
    rig.is_spare[B] = true;
    rig_link(&rig, A);
    rig_start(&rig, A);
    rig_start(&rig, B);
    rig_wait_state(&rig, A, NET_REFUSED);
    assert_non_null(strstr(rig_look(&rig, A).why, "HDE-N020"));
    rig_wait_state(&rig, B, NET_REFUSED);
}

static void
test_a_spare_host_hears_of_the_end(void **state)
{
    up_with_a_spare();
    assert_null(settle(A, INT64_C(15000000000)));
    for (wait_begin(); !rig.ends[B];) /* it says that it has heard, and then tells */
        wait_turn();
    assert_null(settle(B, INT64_C(15000000000))); /* whose end is nobody's */
    rig_stop(&rig, B);
    rig_stop(&rig, A);
    rig_start(&rig, A);
    assert_string_equal(settle(A, 50000000), "b"); /* it is not there */
    assert_false(unheard.must_stay);
    rig.line[A] = 7; /* the end of something else */
    rig_stop(&rig, A);
    rig_start(&rig, A);
    rig_start(&rig, B);
    assert_null(settle(A, INT64_C(15000000000)));
    assert_int_equal(rig.ends[B], 1);
}

int
main(void)
{
#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        HERE(test_frames_come_once_and_in_order),
        HERE(test_hosts_start_in_any_order),
        HERE(test_the_receiver_is_never_overrun),
        HERE(test_what_is_covered_is_gone_at_the_sender),
        HERE(test_the_last_acknowledgement_is_heard),
        HERE(test_without_epochs_the_last_acknowledgement_is_heard),
        HERE(test_both_ends_remember_that_all_has_come),
        HERE(test_a_sender_says_once_more_that_it_knows),
        HERE(test_half_of_what_is_kept_asks_for_an_epoch),
        HERE(test_frames_that_are_gone_are_named),
        HERE(test_a_marker_goes_there_and_back),
        HERE(test_a_marker_that_nobody_waits_for_holds_nothing_up),
        HERE(test_the_end_of_a_sender_comes_behind_all_else),
        HERE(test_a_session_that_breaks_costs_nothing),
        HERE(test_without_epochs_a_new_sender_goes_on),
        HERE(test_without_epochs_what_is_taken_is_covered),
        HERE(test_a_spare_host_talks_whatever_it_goes_back_to),
        HERE(test_a_host_with_edges_is_no_spare_one),
        HERE(test_a_spare_host_hears_of_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
