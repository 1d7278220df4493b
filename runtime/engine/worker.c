/* SPDX-License-Identifier: Apache-2.0
 * worker - a thread's event loop: actors, descriptors, timers, posts; and when it sleeps.
 *
 *  (1) A turn looks at everything once: posts, descriptors, the sequencer or a source, every actor.
 *      Then it publishes all that came of it, fences once, and wakes who waits for it (O5, O7).
 *  (2) Before it sleeps a worker announces itself, fences, and takes one more turn: whatever was
 *      published before another's fence is seen by that turn, whatever comes later sees `parked`
 *      and wakes. [test_crossing_diamonds_with_capacity_one, under ThreadSanitizer too]
 *      What it announces beside that (an edge without credit, an intake without room) has to stand
 *      before the fence: a turn that begins such a wait is followed by another (is_unsettled).
 *  (3) Nothing is polled by sleeping: a parked worker waits in epoll for its eventfd, its
 *      descriptors and its next deadline. [test_an_idle_graph_uses_no_processor]
 *  (4) A turn is bounded in messages and time, so everything of the worker gets its share.
 *  (5) Where this host has answered a frame or two from another, the worker that waits for frames
 *      lingers before it parks (base/linger.h), at most LINGER_NS. [tests/hosts/linger.sh]
 *
 *      TURN --nothing moved, something in flight--> SPIN (bounded) --> TURN
 *      TURN --nothing moved--> ANNOUNCED --turn, nothing moved--> PARKED --event, wake--> TURN */
#include "base/linger.h"
#include "engine/feed.h"
#include "engine/last_words.h"
#include "engine/run.h"
#include "engine/swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define unlikely(x) __builtin_expect(!!(x), 0)

enum { EVENTS = 64, LOOK_TURNS = 32 };

/* ---- Posts and wake-ups: any thread ------------------------------------------------------- */

void
worker_wake(struct worker *worker)
{
    uint64_t one = 1;

    if (!atomic_exchange_explicit(&worker->parked, 0, memory_order_seq_cst))
        return; /* somebody else has */
    STAT_ADD(worker->stats->wakes, 1);
    while (write(worker->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* With the lock of the worker held, which is given back. */
static bool
add_post(struct worker *worker, const struct post *post)
{
    struct post *copy;

    if (atomic_load_explicit(&post->node->closed, memory_order_relaxed)) {
        pthread_mutex_unlock(&worker->lock);
        return false;
    }
    copy = xmalloc(sizeof *copy);
    *copy = *post;
    copy->next = NULL;
    copy->generation = atomic_load(&post->node->generation);
    *worker->posts_tail = copy;
    worker->posts_tail = &copy->next;
    pthread_mutex_unlock(&worker->lock);
    atomic_store_explicit(&worker->has_posts, 1, memory_order_seq_cst);
    full_fence();
    worker_wake_if_parked(worker);
    return true;
}

bool
worker_post(struct worker *worker, const struct post *post)
{
    pthread_mutex_lock(&worker->lock);
    return add_post(worker, post);
}

/* A change may move the node to another worker at any time but under this lock. */
bool
node_post(const struct post *post)
{
    for (;;) {
        struct worker *worker = post->node->worker;

        pthread_mutex_lock(&worker->lock);
        if (post->node->worker == worker)
            return add_post(worker, post);
        pthread_mutex_unlock(&worker->lock);
    }
}

static void
append_posts(struct worker *worker, struct post *posts)
{
    *worker->posts_tail = posts;
    while (*worker->posts_tail)
        worker->posts_tail = &(*worker->posts_tail)->next;
    if (worker->posts)
        atomic_store(&worker->has_posts, 1);
}

/* Takes those of a node out of the queue; under the lock. */
static struct post *
take_posts(struct worker *worker, const struct node *node)
{
    struct post **at = &worker->posts, *taken = NULL, **tail = &taken;

    while (*at) {
        struct post *post = *at;

        if (post->node != node) {
            at = &post->next;
            continue;
        }
        *at = post->next;
        post->next = NULL;
        *tail = post;
        tail = &post->next;
    }
    worker->posts_tail = at;
    return taken;
}

/* Of a watch that has all but its place in the list. */
static bool
add_watch(struct worker *worker, const struct watch *like)
{
    struct watch *watch = xcalloc(1, sizeof *watch);
    struct epoll_event wanted = {.events = like->events, .data.ptr = watch};

    *watch = *like;
    watch->next = worker->watches;
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, watch->fd, &wanted)) {
        free(watch);
        return false;
    }
    worker->watches = watch;
    return true;
}

static void
move_watches(struct worker *from, const struct node *node, struct worker *to)
{
    for (struct watch *watch = from->watches; watch; watch = watch->next) {
        if (watch->node != node)
            continue;
        epoll_ctl(from->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
        add_watch(to, watch);
        watch->node = NULL;
    }
}

void
worker_move(struct node *node, struct worker *to)
{
    struct worker *from = node->worker;
    struct worker *first = from < to ? from : to, *second = from < to ? to : from;

    if (from == to)
        return;
    if (!from) {
        node->worker = to;
        return;
    }
    pthread_mutex_lock(&first->lock);
    pthread_mutex_lock(&second->lock);
    node->worker = to;
    append_posts(to, take_posts(from, node));
    pthread_mutex_unlock(&second->lock);
    pthread_mutex_unlock(&first->lock);
    move_watches(from, node, to);
}

void
post_drop(struct post *post)
{
    if (post->kind == POST_ANSWER)
        direct_free(post->data);
    else if (post->kind == POST_JOB)
        job_drop(post->data);
    else if (post->kind == POST_FED)
        feed_free(post->data);
    free(post);
}

void
worker_forget(struct worker *worker, const struct node *node)
{
    struct post *posts;

    pthread_mutex_lock(&worker->lock);
    posts = take_posts(worker, node);
    pthread_mutex_unlock(&worker->lock);
    while (posts) {
        struct post *next = posts->next;

        post_drop(posts);
        posts = next;
    }
    for (struct watch *watch = worker->watches; watch; watch = watch->next)
        if (watch->node == node) {
            watch->node = NULL;
            epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
        }
}

static void
node_event(struct node *node, const hde_event *event)
{
    if (node->source)
        source_event(node->source, event);
    else
        exec_event(node, event);
}

static void
serve_post(struct worker *worker, const struct post *post)
{
    switch (post->kind) {
    case POST_EVENT:
        if (post->generation == atomic_load(&post->node->generation))
            node_event(post->node, &(hde_event){.size = sizeof(hde_event),
                                            .kind = HDE_EVENT_POSTED,
                                            .tag = post->tag,
                                            .fd = -1,
                                            .data = post->data});
        break;
    case POST_ALARM:
        sequencer_alarm(worker->sequencer, post->node, post->tag, post->at_ns);
        break;
    case POST_ANSWER:
        sequencer_answer(worker->sequencer, post->data);
        break;
    case POST_JOB:
        job_serve(post->data);
        break;
    case POST_FED:
        feed_arrived(worker->sequencer, post->data);
        break;
    }
}

bool
worker_serve_posts(struct worker *worker)
{
    struct post *post;

    if (!atomic_load_explicit(&worker->has_posts, memory_order_relaxed))
        return false;
    atomic_store_explicit(&worker->has_posts, 0, memory_order_seq_cst);
    pthread_mutex_lock(&worker->lock);
    post = worker->posts;
    worker->posts = NULL;
    worker->posts_tail = &worker->posts;
    pthread_mutex_unlock(&worker->lock);
    while (post) {
        struct post *next = post->next;

        serve_post(worker, post);
        free(post);
        post = next;
    }
    return true;
}

/* ---- Descriptors -------------------------------------------------------------------------- */

static struct watch *
find_watch(struct worker *worker, const struct node *node, int fd)
{
    for (struct watch *watch = worker->watches; watch; watch = watch->next)
        if (watch->node == node && watch->fd == fd)
            return watch;
    return NULL;
}

/* On the worker's thread, or before it runs. A watch that is over stays in the list until the end:
 * events that are already fetched may still point to it. */
bool
worker_watch(struct worker *worker, struct node *node, int fd, uint32_t events, uint32_t tag)
{
    struct watch *watch = find_watch(worker, node, fd);
    struct epoll_event wanted = {.events = events};

    if (!events) {
        if (!watch)
            return false;
        watch->node = NULL;
        return !epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
    if (watch) {
        watch->tag = tag;
        watch->events = events;
        wanted.data.ptr = watch;
        if (!epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, fd, &wanted))
            return true;
        return errno == ENOENT && !epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &wanted);
    }
    return add_watch(worker, &(struct watch){.node = node, .fd = fd, .tag = tag, .events = events});
}

bool
worker_serve(struct node *node, int fd, uint32_t events, const struct server *server, void *arg)
{
    for (const struct watch *watch = node->worker->watches; watch; watch = watch->next)
        if (watch->node && watch->fd == fd && watch->server == server)
            return true;
    return add_watch(
        node->worker,
        &(struct watch){.node = node, .fd = fd, .events = events, .server = server, .arg = arg});
}

static void
call_serve(struct worker *worker, struct watch *watch)
{
    watch->is_owed = watch->server->serve(watch->arg);
    worker->owes |= watch->is_owed;
}

/* What they have brought is done; true: there may be something new. */
static bool
serve_owed(struct worker *worker)
{
    if (!worker->owes)
        return false;
    worker->owes = false;
    for (struct watch *watch = worker->watches; watch; watch = watch->next)
        if (watch->node && watch->is_owed)
            call_serve(worker, watch);
    return true;
}

static bool
serve_event(struct worker *worker, const struct epoll_event *event)
{
    struct watch *watch = event->data.ptr;
    uint64_t count;

    if (!watch) { /* the eventfd */
        while (read(worker->event_fd, &count, sizeof count) < 0 && errno == EINTR)
            ;
        return false;
    }
    if (!watch->node) /* a ZeroMQ socket (served every turn), or no longer watched */
        return watch == &worker->zmq_watch;
    if (watch->server) {
        call_serve(worker, watch);
        return true;
    }
    node_event(watch->node, &(hde_event){.size = sizeof(hde_event),
                                         .kind = HDE_EVENT_READY,
                                         .tag = watch->tag,
                                         .fd = watch->fd,
                                         .revents = event->events});
    return true;
}

static int
wait_events(const struct worker *worker, struct epoll_event *events, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
    int n = epoll_pwait2(worker->epoll_fd, events, EVENTS, timeout_ns < 0 ? NULL : &timeout, NULL);

    if (n < 0 && errno == ENOSYS) { /* a kernel before 5.11: round up to whole milliseconds */
        int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;

        n = epoll_wait(worker->epoll_fd, events, EVENTS, ms > 1 << 30 ? 1 << 30 : (int)ms);
    }
    return n;
}

/* The watch that is held now; NULL: the worker is not to linger. (5) */
static const struct watch *
hold(const struct worker *worker)
{
    for (const struct watch *watch = worker->watches; watch; watch = watch->next)
        if (watch->node && watch->server)
            return watch->server->hold(watch->arg) ? watch : NULL;
    return NULL;
}

static void
release(const struct watch *held)
{
    if (held)
        held->server->release(held->arg);
}

static int
stay(struct worker *worker, struct epoll_event *events, int64_t timeout_ns)
{
    STAT_ADD(worker->stats->lingers, 1);
    return linger(worker->epoll_fd, events, EVENTS, timeout_ns < 0 ? LINGER_NS : timeout_ns);
}

/* timeout_ns < 0: until something happens. */
static bool
serve_events(struct worker *worker, int64_t timeout_ns)
{
    const struct watch *held = timeout_ns && !worker->fiber ? hold(worker) : NULL;
    struct epoll_event events[EVENTS];
    bool moved = false;
    int n = held ? stay(worker, events, timeout_ns) : 0;

    if (worker->fiber && timeout_ns)
        steps_sleep(worker, timeout_ns);
    if (!n) {
        release(held);
        held = NULL;
        n = wait_events(worker, events, worker->fiber ? 0 : timeout_ns);
    }
    if (timeout_ns) {
        atomic_store_explicit(&worker->parked, 0, memory_order_relaxed);
        worker->mono_ns = clock_mono_ns();
    }
    for (int i = 0; i < n; i++)
        moved |= serve_event(worker, &events[i]);
    release(held);
    return moved;
}

/* ---- A turn ------------------------------------------------------------------------------- */

static void
read_clocks(struct worker *worker)
{
    worker->mono_ns = clock_mono_ns();
    if (worker->mono_ns - worker->offset_at_ns > NS_PER_S) {
        /* a step of the wall clock is followed within a second */
        worker->real_offset_ns = clock_real_ns() - worker->mono_ns;
        worker->offset_at_ns = worker->mono_ns;
    }
}

static void
broken_edge(struct edge *edge, const struct err *err)
{
    char text[sizeof err->text + STATS_EDGE_NAME];

    snprintf(text, sizeof text, "edge '%s': %s", edge->name, err->text);
    engine_fail(edge->engine, err->code, text);
}

static bool
serve_zmq(struct worker *worker)
{
    struct err err = {0};
    bool moved = false;

    for (uint32_t i = 0; i < worker->n_zmq_in; i++) {
        moved |= zmq_link_serve_reader(worker->zmq_in[i], &err);
        if (err_is_set(&err))
            broken_edge(worker->zmq_in[i], &err);
    }
    for (uint32_t i = 0; i < worker->n_zmq_out; i++) {
        moved |= zmq_link_serve_writer(worker->zmq_out[i], &err);
        if (err_is_set(&err))
            broken_edge(worker->zmq_out[i], &err);
    }
    return moved;
}

static bool
publish_all(struct worker *worker)
{
    bool moved = false;

    if (worker->sequencer)
        moved |= sequencer_publish(worker);
    for (uint32_t i = 0; i < worker->n_actors; i++) {
        if (worker->actors[i]->is_counting)
            exec_account(worker->actors[i]);
        moved |= actor_publish(worker->actors[i]);
        worker_step(worker);
    }
    moved |= serve_zmq(worker);
    return moved;
}

/* After the fence: whoever announced himself before it is seen here. */
static void
wake_others(struct worker *worker)
{
    full_fence();
    worker_step(worker);
    if (worker->sequencer)
        sequencer_wake_others(worker);
    for (uint32_t i = 0; i < worker->n_actors; i++)
        actor_wake_others(worker->actors[i]);
    if (worker->source)
        worker_wake_if_parked(worker->engine->first);
}

/* The sequencer and every actor have the same share of a turn: a busy one starves nobody. */
static void
begin_share(struct worker *worker)
{
    worker->budget = TURN_MESSAGES;
    if (worker->fiber) {
        worker->budget = 1 + (int64_t)steps_random(worker->engine->options.steps, 16);
        worker->turn_end = UINT64_MAX;
        return;
    }
    worker->turn_end = cycles_now() + (uint64_t)(TURN_NS * worker->engine->cycles_per_ns);
}

static bool
turn(struct worker *worker)
{
    bool moved;

    read_clocks(worker);
    worker->is_unsettled = false;
    begin_share(worker);
    STAT_ADD(worker->stats->turns, 1);
    moved = worker_serve_posts(worker);
    worker_step(worker);
    if (STAT_GET(worker->stats->turns) % LOOK_TURNS == 0)
        moved |= serve_events(worker, 0);
    moved |= serve_zmq(worker);
    if (worker->sequencer)
        worker->has_moved = sequencer_turn(worker);
    moved |= worker->has_moved;
    for (uint32_t i = 0; i < worker->n_actors; i++) {
        worker_step(worker);
        begin_share(worker);
        moved |= actor_turn(worker->actors[i]);
    }
    if (worker->source)
        moved |= source_turn(worker->source);
    worker_step(worker);
    moved |= publish_all(worker);
    if (moved)
        wake_others(worker);
    moved |= serve_owed(worker);
    return moved || worker->is_unsettled;
}

/* ---- Sleep -------------------------------------------------------------------------------- */

static void
earlier(int64_t *least, int64_t value)
{
    if (value < *least)
        *least = value;
}

/* ns until the next deadline, at least 0; -1: none. */
static int64_t
time_to_wait(const struct worker *worker)
{
    int64_t next_ns = INT64_MAX;

    for (uint32_t i = 0; i < worker->n_actors; i++)
        if (worker->actors[i]->state == ACTOR_PARKED)
            earlier(&next_ns, worker->actors[i]->resume_ns);
    if (worker->sequencer)
        earlier(&next_ns, worker->sequencer->wait_ns);
    if (worker->source)
        earlier(&next_ns, source_next_ns(worker->source));
    if (next_ns == INT64_MAX)
        return -1;
    return next_ns > worker->mono_ns ? next_ns - worker->mono_ns : 0;
}

static bool
is_in_flight(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->n_actors; i++) {
        const struct actor *actor = worker->actors[i];

        if (atomic_load_explicit(&actor->waits_for, memory_order_relaxed))
            return true;
        for (uint32_t k = 0; k < actor->n_out; k++) {
            const struct ring *ring = actor->out[k]->out;

            if (!actor->out[k]->drop &&
                atomic_load_explicit(&ring->done_units, memory_order_relaxed) != ring->put_units)
                return true;
        }
    }
    return false;
}

static bool
may_spin(const struct worker *worker)
{
    return worker->engine->may_spin && !worker->fiber && !worker->is_own &&
           worker->mono_ns - worker->moved_ns < SPIN_NS && is_in_flight(worker);
}

static inline void
relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Between two ticks of all its actors, while the graph changes. */
static bool
may_leave(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->n_actors; i++)
        if (worker->actors[i]->state != ACTOR_READY && worker->actors[i]->state != ACTOR_FAILED)
            return false;
    return !worker->stays;
}

static bool
must_stop(const struct worker *worker)
{
    const struct engine *engine = worker->engine;

    return atomic_load_explicit(&engine->stopping, memory_order_acquire) ||
           (unlikely(atomic_load_explicit(&engine->leaving, memory_order_relaxed)) &&
            may_leave(worker));
}

/* Whether the announced worker has to go on: it found something, or somebody has woken it. A
 * wake-up takes the announcement back, and the turn may have read the eventfd that came with it. */
static bool
must_go_on(struct worker *worker)
{
    return turn(worker) || must_stop(worker) ||
           !atomic_load_explicit(&worker->parked, memory_order_relaxed);
}

static void
sleep_until_event(struct worker *worker)
{
    int64_t timeout_ns = 0;

    atomic_store_explicit(&worker->parked, 1, memory_order_seq_cst);
    full_fence();
    worker_step(worker);
    if (must_go_on(worker) || (timeout_ns = time_to_wait(worker)) == 0) {
        atomic_store_explicit(&worker->parked, 0, memory_order_relaxed);
        worker->moved_ns = worker->mono_ns;
        return;
    }
    msg_pool_flush();
    STAT_ADD(worker->stats->parks, 1);
    if (serve_events(worker, timeout_ns))
        worker->moved_ns = worker->mono_ns;
}

void
worker_run(struct worker *worker)
{
    struct msg_pool *pool = msg_pool_current();

    last_words_begin_thread(worker);
    for (uint32_t i = 0; i < worker->n_actors; i++)
        for (uint32_t k = 0; k < worker->actors[i]->n_nodes; k++)
            if (!worker->actors[i]->nodes[k]->source)
                worker->actors[i]->nodes[k]->ctx.pool = pool;
    for (uint32_t i = 0; i < worker->n_polled; i++)
        worker->polled[i]->node->ctx.pool = pool;
    while (!must_stop(worker)) {
        if (turn(worker)) {
            worker->moved_ns = worker->mono_ns;
        } else if (may_spin(worker)) {
            STAT_ADD(worker->stats->spins, 1);
            relax();
        } else {
            sleep_until_event(worker);
        }
    }
    serve_owed(worker);
    msg_pool_flush();
    last_words_end_thread();
}

static void *
run(void *arg)
{
    worker_run(arg);
    return NULL;
}

bool
worker_start(struct worker *worker, struct err *err)
{
    int failed;

    worker->mono_ns = worker->moved_ns = clock_mono_ns();
    worker->offset_at_ns = worker->mono_ns;
    worker->real_offset_ns = clock_real_ns() - worker->mono_ns;
    if (worker->engine->options.steps)
        return steps_adopt(worker->engine->options.steps, worker) ||
               err_set(err, "HDE-R004", "too many workers for the seeded scheduler");
    failed = pthread_create(&worker->thread, NULL, run, worker);
    if (failed)
        return err_set(err, "HDE-R004", "thread '%s' cannot be started: %s", worker->name,
                       strerror(failed));
    worker->is_started = true;
    return true;
}
