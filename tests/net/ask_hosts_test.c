/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/clock.h"
#include "engine/ask_hosts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static struct rig rig;
static struct graph_host hosts[] = {{.name = "a"}, {.name = "b"}};
static const struct graph graph = {.hosts = hosts, .n_hosts = 2, .host = A};

static int
before_each(void **state)
{
    rig_init(&rig);
    rig_links(&rig);
    return 0;
}

static int
after_each(void **state)
{
    rig_fini(&rig);
    return 0;
}

static const Hde__ControlRequest *
a_ping(void)
{
    static Hde__ControlPing ping = HDE__CONTROL_PING__INIT;
    static Hde__ControlRequest request;

    hde__control_request__init(&request);
    request.ask_case = HDE__CONTROL_REQUEST__ASK_PING;
    request.ping = &ping;
    return &request;
}

static bool
ask(struct host_replies *replies, int64_t timeout_ns)
{
    static const bool both[] = {true, true};

    return ask_hosts(rig.net[A], &graph, both, a_ping(), timeout_ns, replies);
}

static void
says_yes(void *arg, const char *peer, const uint8_t *bytes, size_t size, struct net_question *taken)
{
    Hde__ControlRequest *request = hde__control_request__unpack(NULL, size, bytes);

    assert_non_null(request);
    assert_int_equal(request->ask_case, HDE__CONTROL_REQUEST__ASK_PING);
    hde__control_request__free_unpacked(request, NULL);
    answer_host_with(taken, NULL);
}

static void
says_no(void *arg, const char *peer, const uint8_t *bytes, size_t size, struct net_question *taken)
{
    struct err err = {0};

    err_set(&err, "HDE-R052", "a node would lose its state");
    answer_host_with(taken, &err);
}

static struct net_question *_Atomic held;

static void
says_nothing(void *arg, const char *peer, const uint8_t *bytes, size_t size,
             struct net_question *taken)
{
    held = taken;
}

static void
test_all_hosts_say_yes(void **state)
{
    struct host_replies replies;
    struct err err = {0};

    rig.serve = says_yes;
    rig_up(&rig);
    assert_true(ask(&replies, 20LL * NS_PER_S));
    assert_int_equal(replies.n, 1);
    assert_string_equal(replies.of[0].host, "b");
    assert_int_equal(replies.of[0].reply->answer_case, HDE__CONTROL_REPLY__ANSWER_DONE);
    assert_false(host_replies_refusal(&replies, &err));
    host_replies_fini(&replies);
}

static void
test_a_refusal_comes_with_the_name_of_the_host(void **state)
{
    struct host_replies replies;
    struct err err = {0};

    rig.serve = says_no;
    rig_up(&rig);
    assert_false(ask(&replies, 20LL * NS_PER_S));
    assert_false(replies.of[0].is_unheard);
    assert_true(host_replies_refusal(&replies, &err));
    assert_string_equal(err.code, "HDE-R052");
    assert_string_equal(err.text, "host 'b': a node would lose its state");
    host_replies_fini(&replies);
}

static void
test_who_does_not_answer_is_waited_for_until_the_deadline_alone(void **state)
{
    struct host_replies replies;
    struct err err = {0};
    int64_t begin_ns;

    rig.serve = says_nothing;
    rig_up(&rig);
    begin_ns = clock_read(CLOCK_MONOTONIC);
    assert_false(ask(&replies, 50 * NS_PER_MS));
    assert_true(clock_read(CLOCK_MONOTONIC) - begin_ns >= 50 * NS_PER_MS);
    assert_true(replies.of[0].is_unheard);
    assert_true(host_replies_refusal(&replies, &err));
    assert_string_equal(err.code, "HDE-N006");
    host_replies_fini(&replies);
    for (wait_begin(); !held; wait_turn())
        ;
    answer_host_with(held, NULL); /* too late, and no harm */
}

static void *
stop_b(void *arg)
{
    for (wait_begin(); !held; wait_turn())
        ;
    answer_host_with(atomic_exchange(&held, NULL), NULL);
    rig_stop(&rig, B);
    return NULL;
}

static void
test_a_host_that_is_down_or_goes_down_is_an_error(void **state)
{
    struct host_replies replies;
    pthread_t thread;

    held = NULL;
    rig.serve = says_nothing;
    rig_start(&rig, A);
    assert_false(ask(&replies, 20LL * NS_PER_S)); /* at once */
    assert_true(replies.of[0].is_unheard);
    host_replies_fini(&replies);
    rig_start(&rig, B);
    rig_wait_state(&rig, A, NET_UP);
    assert_int_equal(pthread_create(&thread, NULL, stop_b, NULL), 0);
    ask(&replies, 20LL * NS_PER_S); /* whatever comes first */
    host_replies_fini(&replies);
    pthread_join(thread, NULL);
    for (wait_begin(); rig_look(&rig, A).state != NET_DOWN; wait_turn())
        ;
    assert_false(ask(&replies, 20LL * NS_PER_S));
    host_replies_fini(&replies);
}

/* No node lies on b: it is asked where it is up, and else holds nobody up. */
static void
test_a_spare_host_takes_part_where_it_is_there(void **state)
{
    bool *whom;

    rig_start(&rig, A);
    whom = hosts_taking_part(rig.net[A], &graph);
    assert_true(whom[A]); /* this one, whatever it has */
    assert_false(whom[B]);
    free(whom);
    rig_start(&rig, B);
    rig_wait_state(&rig, A, NET_UP);
    whom = hosts_taking_part(rig.net[A], &graph);
    assert_true(whom[A] && whom[B]);
    free(whom);
}

int
main(void)
{
#define HERE(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)
    const struct CMUnitTest tests[] = {
        HERE(test_all_hosts_say_yes),
        HERE(test_a_refusal_comes_with_the_name_of_the_host),
        HERE(test_a_spare_host_takes_part_where_it_is_there),
        HERE(test_who_does_not_answer_is_waited_for_until_the_deadline_alone),
        HERE(test_a_host_that_is_down_or_goes_down_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
