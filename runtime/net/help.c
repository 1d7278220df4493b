/* SPDX-License-Identifier: Apache-2.0
 * help - what the threads at the ends of edges do in place of the net's thread, so that a message
 * between hosts wakes nobody but who waits for it.
 *
 *  (1) Who helps never waits for the lock: if the net's thread has it, or something is in the way,
 *      that one is told, and does all of it. So help is never needed, and who does not help costs
 *      nothing but time. [test_help_from_all_sides_changes_nothing]
 *  (2) Sending: who puts something on an edge that was quiet (SELDOM_NS) sends it himself. When
 *      more comes the net's thread sends, many frames in a message. Sockets that are stuck are the
 *      net's thread's alone, which polls them without the lock.
 *      [test_a_quiet_edge_is_sent_by_who_puts]
 *  (3) Receiving: who waits for an edge may watch in_fd beside what he waits for anyway. The kernel
 *      wakes one thread for what comes (EPOLLEXCLUSIVE): the first of them that sleeps; the net's
 *      is behind all of them. He takes a few messages; whatever is more, and all that is no data of
 *      a session, the net's thread gets. [test_who_waits_for_an_edge_receives_himself]
 *  (4) in_fd is edge-triggered there: who is woken and does not get everything tells the net's
 *      thread. [test_help_from_all_sides_changes_nothing]
 *  (5) ZeroMQ tells of more only to who has found nothing, and to look is two system calls. Where
 *      one thread alone watches, for all edges, he does what he was given first, and looks before he
 *      sleeps. What comes until then on that lane is for him anyway; control that came in the very
 *      same moment waits with it, for one turn of a worker, at most a beat.
 *      [test_who_waits_alone_looks_for_more_when_he_is_done,
 *      test_of_two_who_wait_none_leaves_anything_behind]
 *  (6) Who lingers (base/linger.h) looks at his epoll and does not wait in it, so the kernel would
 *      wake the net's thread, which then stands in his way. So he holds in_fd: the net's thread does
 *      not wait for it meanwhile. Others who watch would be woken in his place; where there are
 *      some nobody lingers. [test_who_lingers_holds_what_he_watches] */
#include "net/inside.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { FEW = 4, FEW_FRAMES = 2 };

/* On the thread that puts, which may be in a hurry. */
static bool
send_now(struct far_edge *edge)
{
    struct net *net = edge->net;
    bool is_sent;

    if (atomic_load_explicit(&net->is_rung, memory_order_relaxed) ||
        pthread_mutex_trylock(&net->lock))
        return false;
    is_sent = net->has_thread && peer_send_now(edge->peer, edge);
    pthread_mutex_unlock(&net->lock);
    return is_sent;
}

void
help_send(struct far_edge *edge)
{
    atomic_fetch_add_explicit(&edge->net->n_put, 1, memory_order_relaxed);
    /* release: as in news(). Who finds it set knows that somebody is about to look */
    if (!atomic_exchange_explicit(&edge->has_news, true, memory_order_acq_rel) && !send_now(edge))
        net_wake(edge->net);
}

/* With the lock; false: the net's thread has to go on. */
static bool
receive_some(struct net *net)
{
    bool looks = net->is_owed || net->has_others, is_full;

    net->is_owed = false;
    if (!net->has_thread)
        return true;
    net->is_due = false;
    net->is_helped = true;
    is_full = sockets_fetch(net, looks ? FEW : 1);
    net->is_helped = false;
    net->is_owed = is_full && !looks && !net->aside && !net->is_due; /* (5) */
    return net->is_owed || (!is_full && !net->is_due);
}

bool
help_receive(struct net *net)
{
    bool is_done = false, is_owed = false;

    if (!pthread_mutex_trylock(&net->lock)) {
        is_done = receive_some(net);
        is_owed = net->is_owed;
        pthread_mutex_unlock(&net->lock);
    }
    if (!is_done)
        net_wake(net);
    return is_owed;
}

bool
help_watch(struct net *net, link_watch_with *with, void *of)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    bool ok = false;

    pthread_mutex_lock(&net->lock);
    if (net->has_thread) {
        const void *who = with(of, net->in_fd);

        net->has_others |= !who || (net->watcher && net->watcher != who);
        net->watcher = who;
        if (who) { /* the net's thread is behind the new one */
            epoll_ctl(net->in_poll_fd, EPOLL_CTL_DEL, net->in_fd, NULL);
            ok = !epoll_ctl(net->in_poll_fd, EPOLL_CTL_ADD, net->in_fd, &wanted);
        }
    }
    pthread_mutex_unlock(&net->lock);
    return ok;
}

/* Since somebody was about to sleep. Where nobody answers there is no way back. */
static bool
has_answered(const struct net *net)
{
    return atomic_load_explicit(&net->n_put, memory_order_relaxed) !=
           atomic_load_explicit(&net->n_put_before, memory_order_relaxed);
}

/* It was a frame or two that were answered: more are a stream, which fills the time that waking
 * takes. From now on the next ones count. */
static bool
were_few(struct net *net)
{
    bool was = net->n_came && net->n_came <= FEW_FRAMES;

    atomic_store_explicit(&net->n_put_before,
                          atomic_load_explicit(&net->n_put, memory_order_relaxed),
                          memory_order_relaxed);
    net->n_came = 0;
    return was;
}

bool
help_hold(struct net *net)
{
    bool is_held = false;

    if (!has_answered(net) || pthread_mutex_trylock(&net->lock))
        return false;
    if (were_few(net) && net->has_thread && !net->has_others)
        is_held = !epoll_ctl(net->in_poll_fd, EPOLL_CTL_DEL, net->in_fd, NULL);
    pthread_mutex_unlock(&net->lock);
    return is_held;
}

/* Where another began to watch meanwhile it is done. */
void
help_release(struct net *net)
{
    epoll_ctl(net->in_poll_fd, EPOLL_CTL_ADD, net->in_fd,
              &(struct epoll_event){.events = EPOLLIN | EPOLLEXCLUSIVE});
}
