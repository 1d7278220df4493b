/* SPDX-License-Identifier: Apache-2.0
 * agreement_test - host "a" leads a change, "b" makes it too, or neither does. */
#include "rig.h"

#include "base/clock.h"
#include "engine/agreement.h"
#include "folder.h"

#include <pthread.h>
#include <string.h>

#include "check.h"

static struct rig rig;
static struct graph_host hosts[] = {{.name = "a"}, {.name = "b"}};
static struct graph_node nodes[] = {{.host = A}, {.host = B}};
static struct graph graphs[HOSTS] = {
    {.hosts = hosts, .n_hosts = 2, .host = A, .nodes = nodes, .n_nodes = 2},
    {.hosts = hosts, .n_hosts = 2, .host = B, .nodes = nodes, .n_nodes = 2}};
static struct agreement *_Atomic agreement[HOSTS];
static struct share *_Atomic given; /* to b */
static const int64_t long_ns = 20 * (int64_t)NS_PER_S;

static void
take_share(void *arg, struct share *taken)
{
    given = taken;
}

static void
serve(void *arg, const char *peer, const uint8_t *bytes, size_t size, struct net_question *taken)
{
    Hde__ControlRequest *request = hde__control_request__unpack(NULL, size, bytes);
    int host = *peer == 'a' ? B : A;

    assert_non_null(request);
    assert_int_equal(request->ask_case, HDE__CONTROL_REQUEST__ASK_SHARE);
    while (!agreement[host]) /* its net is there a moment before */
        wait_turn();
    agreement_asked(agreement[host], request->share, taken);
    hde__control_request__free_unpacked(request, NULL);
}

static void
begin(int host)
{
    agreement[host] = agreement_new(rig.net[host], &graphs[host], folder, take_share, NULL);
}

static void
end(int host)
{
    if (agreement[host])
        agreement_stop(agreement[host]);
    rig_stop(&rig, host);
    agreement_free(agreement[host]);
    agreement[host] = NULL;
}

/* The net first: it is lent. */
static void
begin_again(int host)
{
    rig_start(&rig, host);
    begin(host);
}

static void
wait_up(void)
{
    rig_wait_state(&rig, A, NET_UP);
    rig_wait_state(&rig, B, NET_UP);
}

static int
before_each(void **state)
{
    make_folder(state);
    rig_init(&rig);
    rig_links(&rig);
    rig.serve = serve;
    given = NULL;
    graphs[B].coordinator = A;
    begin_again(A);
    begin_again(B);
    wait_up();
    return 0;
}

static int
after_each(void **state)
{
    end(A);
    end(B);
    rig_fini(&rig);
    return remove_folder(state);
}

/* ---- Host b --------------------------------------------------------------------------------- */

struct other {
    pthread_t thread;
    struct err refusal; /* set: it refuses */
    enum word word, fate;
    bool waits_for_fate;
};

static void *
follow(void *arg)
{
    struct other *self = arg;
    Hde__GraphChange report = HDE__GRAPH_CHANGE__INIT;
    struct share *share;

    for (wait_begin(); !given; wait_turn())
        ;
    share = given;
    if (err_is_set(&self->refusal)) {
        agreement_answer(agreement[B], share, &self->refusal);
    } else {
        agreement_ready(agreement[B], share);
        self->word = agreement_word(agreement[B], share);
        if (self->word == WORD_LOST && self->waits_for_fate)
            self->fate = agreement_fate(agreement[B], share);
        report.has_state = true;
        report.state = HDE__CHANGE_STATE__CHANGE_STATE_DONE;
        agreement_report(agreement[B], share, &report);
    }
    share_free(agreement[B], share);
    return NULL;
}

static void
begin_other(struct other *self)
{
    assert_int_equal(pthread_create(&self->thread, NULL, follow, self), 0);
}

static bool
prepare(struct err *err)
{
    Hde__ControlShare share = HDE__CONTROL_SHARE__INIT;
    struct host_replies replies;
    bool ok = agreement_prepare(agreement[A], &share, long_ns, &replies, err);

    host_replies_fini(&replies);
    return ok;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void
test_all_are_ready_and_all_make_it(void **state)
{
    struct other other = {0};
    struct host_replies replies;
    struct err err = {0};

    begin_other(&other);
    assert_true(prepare(&err));
    assert_true(agreement_decide(agreement[A], &err));
    agreement_commit(agreement[A], long_ns, &replies);
    pthread_join(other.thread, NULL);
    assert_int_equal(other.word, WORD_COMMIT);
    assert_int_equal(replies.of[0].reply->changes->changes[0]->state,
                     HDE__CHANGE_STATE__CHANGE_STATE_DONE);
    host_replies_fini(&replies);
}

static void
test_a_refusal_is_told_with_the_name_of_the_host(void **state)
{
    struct other other = {0};
    struct err err = {0};

    err_set(&other.refusal, "HDE-R052", "a node would lose its state");
    begin_other(&other);
    assert_false(prepare(&err));
    agreement_abort(agreement[A]);
    pthread_join(other.thread, NULL);
    assert_string_equal(err.code, "HDE-R052");
    assert_string_equal(err.text, "host 'b': a node would lose its state");
}

static void
test_who_was_ready_hears_that_it_is_not_made(void **state)
{
    struct other other = {0};
    struct err err = {0};

    begin_other(&other);
    assert_true(prepare(&err));
    agreement_abort(agreement[A]);
    pthread_join(other.thread, NULL);
    assert_int_equal(other.word, WORD_ABORT);
}

static void
test_a_host_that_is_down_is_named(void **state)
{
    struct err err = {0};

    end(B);
    rig_wait_state(&rig, A, NET_DOWN);
    assert_false(prepare(&err));
    agreement_abort(agreement[A]);
    assert_string_equal(err.code, "HDE-R211");
    assert_non_null(strstr(err.text, "host 'b' is down"));
}

static void
test_who_lost_the_coordinator_hears_what_was_decided(void **state)
{
    for (int is_decided = 0; is_decided < 2; is_decided++) {
        struct other other = {.waits_for_fate = true};
        struct err err = {0};

        given = NULL;
        begin_other(&other);
        assert_true(prepare(&err));
        if (is_decided) /* and nobody hears of it */
            assert_true(agreement_decide(agreement[A], &err));
        end(A);
        begin_again(A);
        pthread_join(other.thread, NULL);
        assert_int_equal(other.fate | other.word, /* it may be back before b has missed it */
                         (is_decided ? WORD_COMMIT : WORD_ABORT) | (other.fate ? WORD_LOST : 0));
        wait_up();
    }
}

/* (1) */
static void
test_a_decision_outlives_the_coordinator(void **state)
{
    enum { MANY = 70 }; /* more than are kept */

    for (int i = 1; i <= MANY; i++) {
        struct other other = {.waits_for_fate = true};
        struct host_replies replies = {0};
        struct err err = {0};

        given = NULL;
        begin_other(&other);
        assert_true(prepare(&err));
        assert_true(agreement_decide(agreement[A], &err));
        if (i < MANY) {
            agreement_commit(agreement[A], long_ns, &replies);
        } else { /* before anybody has heard of it */
            end(A);
            begin_again(A);
        }
        pthread_join(other.thread, NULL);
        assert_true(other.word == WORD_COMMIT || other.fate == WORD_COMMIT);
        host_replies_fini(&replies);
    }
}

static void
test_what_cannot_be_written_is_not_decided(void **state)
{
    struct other other = {0};
    struct err err = {0};

    begin_other(&other);
    assert_true(prepare(&err));
    remove_folder(state);
    assert_false(agreement_decide(agreement[A], &err));
    assert_string_equal(err.code, "HDE-R214");
    agreement_abort(agreement[A]);
    pthread_join(other.thread, NULL);
    assert_int_equal(other.word, WORD_ABORT);
    make_folder(state);
}

static void
test_who_was_started_anew_does_not_know_the_change(void **state)
{
    struct other other = {0};
    struct host_replies replies;
    struct err err = {0};

    begin_other(&other);
    assert_true(prepare(&err));
    agreement_stop(agreement[B]);
    pthread_join(other.thread, NULL);
    assert_int_equal(other.word, WORD_NONE);
    end(B);
    rig_wait_state(&rig, A, NET_DOWN);
    begin_again(B);
    wait_up();
    assert_true(agreement_decide(agreement[A], &err));
    agreement_commit(agreement[A], long_ns, &replies);
    assert_string_equal(replies.of[0].err.code, "HDE-R213");
    host_replies_fini(&replies);
}

static void
test_another_coordinator_is_refused(void **state)
{
    struct err err = {0};

    end(B);
    rig_wait_state(&rig, A, NET_DOWN);
    graphs[B].coordinator = B;
    begin_again(B);
    wait_up();
    assert_false(prepare(&err));
    agreement_abort(agreement[A]);
    assert_string_equal(err.code, "HDE-R212");
    assert_null(given);
}

/* (3) of agreement.h: b is told that a is lost, and a is not. */
static void
test_a_coordinator_that_was_replaced_decides_nothing(void **state)
{
    for (int is_decided = 0; is_decided < 2; is_decided++) {
        struct other other = {.waits_for_fate = true};
        struct err err = {0};

        given = NULL;
        begin_other(&other);
        assert_true(prepare(&err));
        if (is_decided)
            assert_true(agreement_decide(agreement[A], &err));
        agreement_end_doubts(agreement[B], NULL, &err); /* changes nothing */
        agreement_end_doubts(agreement[B], folder, &err);
        pthread_join(other.thread, NULL);
        assert_int_equal(other.word, is_decided ? WORD_COMMIT : WORD_ABORT);
        err = (struct err){0};
        assert_true(agreement_end_doubts(agreement[B], folder, &err));
        if (!is_decided) {
            assert_false(agreement_decide(agreement[A], &err));
            assert_string_equal(err.code, "HDE-R311");
            agreement_abort(agreement[A]);
        }
    }
}

int
main(void)
{
#define HERE(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)
    const struct CMUnitTest tests[] = {
        HERE(test_all_are_ready_and_all_make_it),
        HERE(test_a_refusal_is_told_with_the_name_of_the_host),
        HERE(test_who_was_ready_hears_that_it_is_not_made),
        HERE(test_a_host_that_is_down_is_named),
        HERE(test_who_lost_the_coordinator_hears_what_was_decided),
        HERE(test_a_decision_outlives_the_coordinator),
        HERE(test_what_cannot_be_written_is_not_decided),
        HERE(test_who_was_started_anew_does_not_know_the_change),
        HERE(test_another_coordinator_is_refused),
        HERE(test_a_coordinator_that_was_replaced_decides_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
