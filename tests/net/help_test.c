/* SPDX-License-Identifier: Apache-2.0
 * help_test - the threads at the ends of edges send and receive themselves. */
#include "rig.h"

#include "base/linger.h"
#include "net/inside.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"

enum { ENOUGH = 20, WAIT_MS = 20000 };

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

static void
test_a_quiet_edge_is_sent_by_who_puts(void **state)
{
    rig_up(&rig);
    for (uint64_t tick = 1; rig_look(&rig, A).helped[0] < ENOUGH; tick++) {
        rig_must_put(&rig, tick);
        assert_int_equal(rig_wait_take(&rig), tick);
        link_cover(rig.link[B], tick);
        if (tick == 1)
            wait_begin();
        wait_turn();
    }
}

/* ---- Who sleeps for an edge ------------------------------------------------------------------ */

static int news_fd, other_fd;
static bool owes;

static void
ring(void *arg)
{
    eventfd_write(news_fd, 1);
}

static const void *
watch(void *of, int fd)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE,
                                 .data.ptr = rig.link[B]};

    return epoll_ctl(*(int *)of, EPOLL_CTL_ADD, fd, &wanted) ? NULL : of;
}

static uint64_t
sleep_and_take(int epoll_fd)
{
    struct epoll_event event;
    eventfd_t count;
    uint64_t tick;

    while (!(tick = rig_take(&rig))) {
        if (owes) {
            owes = link_fetch(rig.link[B]);
            continue;
        }
        assert_int_equal(epoll_wait(epoll_fd, &event, 1, WAIT_MS), 1);
        if (event.data.ptr)
            owes = link_fetch(event.data.ptr);
        else
            eventfd_read(news_fd, &count);
    }
    return tick;
}

/* As a worker: gives what he sleeps in. */
static int
begin_waiting(void)
{
    struct epoll_event wanted = {.events = EPOLLIN};
    static int epoll_fd;

    owes = false;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, news_fd, &wanted), 0);
    rig_up(&rig);
    link_listen(rig.link[B], LINK_RECEIVER, &(struct link_bell){ring, NULL});
    assert_true(link_watch(rig.link[B], watch, &epoll_fd));
    return epoll_fd;
}

static void
end_waiting(int epoll_fd)
{
    rig_stop(&rig, B);
    close(epoll_fd);
    close(news_fd);
}

static void
test_who_waits_for_an_edge_receives_himself(void **state)
{
    int epoll_fd = begin_waiting();

    for (uint64_t tick = 1; rig_look(&rig, B).helped[1] < ENOUGH; tick++) {
        rig_must_put(&rig, tick);
        assert_int_equal(sleep_and_take(epoll_fd), tick);
        link_cover(rig.link[B], tick);
    }
    end_waiting(epoll_fd);
}

static void
test_who_waits_alone_looks_for_more_when_he_is_done(void **state)
{
    int epoll_fd = begin_waiting();
    uint64_t tick = 1;

    for (int n = 0; n < ENOUGH; tick++) {
        rig_must_put(&rig, tick);
        assert_int_equal(sleep_and_take(epoll_fd), tick);
        link_cover(rig.link[B], tick);
        n += owes;
        if (!owes)
            continue;
        rig_must_put(&rig, ++tick); /* of which nobody need tell him */
        for (wait_begin(); rig_take(&rig) != tick; wait_turn())
            owes = link_fetch(rig.link[B]);
        link_cover(rig.link[B], tick);
    }
    end_waiting(epoll_fd);
}

static void
test_of_two_who_wait_none_leaves_anything_behind(void **state)
{
    int epoll_fd = begin_waiting();

    other_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_true(link_watch(rig.link[B], watch, &other_fd));
    for (uint64_t tick = 1; rig_look(&rig, B).helped[1] < ENOUGH; tick++) {
        rig_must_put(&rig, tick);
        assert_int_equal(sleep_and_take(epoll_fd), tick);
        assert_false(owes);
        link_cover(rig.link[B], tick);
    }
    end_waiting(epoll_fd);
    close(other_fd);
}

/* As if b had answered that many. */
static void
answer(uint64_t frames)
{
    struct net *net = rig.net[B];

    pthread_mutex_lock(&net->lock);
    net->n_came = frames;
    pthread_mutex_unlock(&net->lock);
    net->n_put++;
}

static void
must_hold(void)
{
    for (wait_begin();; wait_turn()) {
        answer(1);
        if (link_hold(rig.link[B])) /* not while the net's thread is at work */
            return;
    }
}

static void
test_who_lingers_holds_what_he_watches(void **state)
{
    int epoll_fd = begin_waiting();
    struct net *net = rig.net[B];
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLEXCLUSIVE};

    must_hold();
    assert_int_equal(epoll_ctl(net->in_poll_fd, EPOLL_CTL_DEL, net->in_fd, NULL), -1);
    assert_int_equal(errno, ENOENT); /* the net's thread does not wait for it */
    link_release(rig.link[B]);
    assert_int_equal(epoll_ctl(net->in_poll_fd, EPOLL_CTL_ADD, net->in_fd, &wanted), -1);
    assert_int_equal(errno, EEXIST); /* it does */
    for (int i = 0; i < 1000; i++) {
        assert_false(link_hold(rig.link[B])); /* nothing was answered */
        answer(i % 2 ? 0 : 3);
        assert_false(link_hold(rig.link[B])); /* nothing came, or a stream */
    }
    must_hold();
    other_fd = epoll_create1(EPOLL_CLOEXEC);
    assert_true(link_watch(rig.link[B], watch, &other_fd));
    link_release(rig.link[B]);
    assert_int_equal(epoll_ctl(net->in_poll_fd, EPOLL_CTL_ADD, net->in_fd, &wanted), -1);
    assert_int_equal(errno, EEXIST);
    for (int i = 0; i < 1000; i++) {
        answer(1);
        assert_false(link_hold(rig.link[B]));
    }
    end_waiting(epoll_fd);
    close(other_fd);
}

/* ---- All at once ----------------------------------------------------------------------------- */

static _Atomic bool is_over;
static pthread_t of_callbacks;
static _Atomic uint64_t callbacks;

/* Called or not: nobody has to. */
static void *
fetch_on(void *arg)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;

    assert_true(link_watch(rig.link[B], watch, &epoll_fd));
    while (!is_over) {
        epoll_wait(epoll_fd, &event, 1, 1);
        link_fetch(rig.link[B]);
    }
    close(epoll_fd);
    return NULL;
}

/* As fetch_on(), lingering whenever it may. */
static void *
linger_on(void *arg)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;

    assert_true(link_watch(rig.link[B], watch, &epoll_fd));
    while (!is_over) {
        answer(1);
        if (!link_hold(rig.link[B])) {
            epoll_wait(epoll_fd, &event, 1, 1);
            link_fetch(rig.link[B]);
            continue;
        }
        if (linger(epoll_fd, &event, 1, LINGER_NS))
            while (link_fetch(rig.link[B]))
                ;
        link_release(rig.link[B]);
    }
    close(epoll_fd);
    return NULL;
}

static void
note_thread(void)
{
    if (!callbacks++)
        of_callbacks = pthread_self();
    assert_true(pthread_equal(of_callbacks, pthread_self()));
}

static void
serve(void *arg, const char *peer, const uint8_t *bytes, size_t size, struct net_question *taken)
{
    note_thread();
    net_answer_slowly(taken, bytes, size);
}

static void
answered(void *arg, const uint8_t *bytes, size_t size, const struct err *err)
{
    (*(_Atomic uint64_t *)arg)++;
}

static void
test_callbacks_are_made_on_one_thread(void **state)
{
    enum { QUESTIONS = 300 };
    _Atomic uint64_t answers = 0;
    pthread_t thread;

    callbacks = 0;
    is_over = false;
    rig.serve = serve;
    rig_up(&rig);
    assert_int_equal(pthread_create(&thread, NULL, fetch_on, NULL), 0);
    for (uint64_t i = 1; i <= QUESTIONS; i++) {
        assert_true(net_ask(rig.net[A], "b", (const uint8_t *)"x", 1, INT64_C(20000000000),
                            answered, &answers, NULL));
        for (wait_begin(); atomic_load(&answers) < i;)
            wait_turn();
    }
    is_over = true;
    pthread_join(thread, NULL);
    assert_int_equal(callbacks, QUESTIONS);
}

static void
lose_one(void)
{
    struct net *net = rig.net[draw(HOSTS)];

    pthread_mutex_lock(&net->lock);
    peer_lose(&net->peer[0], "the test says so");
    pthread_mutex_unlock(&net->lock);
    net_wake(net);
}

static void
flow_with(int helpers, void *(*help)(void *arg))
{
    enum { TICKS = 3000, HELPERS_MAX = 2 };
    pthread_t thread[HELPERS_MAX];
    uint64_t put = 1;

    draw_begin();
    is_over = false;
    rig_up(&rig);
    for (int i = 0; i < helpers; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, help, NULL), 0);
    for (uint64_t tick = 1; tick <= TICKS; tick++) {
        while (put <= TICKS && put < tick + 1 + draw(4) && rig_put(&rig, put))
            put++;
        assert_int_equal(rig_wait_take(&rig), tick);
        if (tick % 16 == 0)
            link_cover(rig.link[B], tick);
        if (!draw(400))
            lose_one();
    }
    is_over = true;
    for (int i = 0; i < helpers; i++)
        pthread_join(thread[i], NULL);
}

static void
test_help_from_all_sides_changes_nothing(void **state)
{
    flow_with(2, fetch_on);
}

static void
test_who_lingers_changes_nothing(void **state)
{
    flow_with(1, linger_on);
    assert_true(rig_look(&rig, B).helped[1] > 0);
}

int
main(void)
{
#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        HERE(test_a_quiet_edge_is_sent_by_who_puts),
        HERE(test_who_waits_for_an_edge_receives_himself),
        HERE(test_who_waits_alone_looks_for_more_when_he_is_done),
        HERE(test_of_two_who_wait_none_leaves_anything_behind),
        HERE(test_who_lingers_holds_what_he_watches),
        HERE(test_callbacks_are_made_on_one_thread),
        HERE(test_help_from_all_sides_changes_nothing),
        HERE(test_who_lingers_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
