/* SPDX-License-Identifier: Apache-2.0
 * net - see net.h.
 *
 *  (1) The net's thread owns the sockets and works with the lock held, other threads take it to
 *      look, ask and answer; links tell it by flags and a wake-up alone, since they may hold a lock
 *      of their own. Order of locks: net, then link.
 *  (2) It sleeps in zmq_poll() until something comes, a link or a question rings, or a beat is due.
 *      Whoever has news sets his flag and then is_rung; the thread clears is_rung and then looks at
 *      the flags. [test_frames_come_once_and_in_order: a wake-up that is lost stops it] */
#include "net/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum { DEFAULT_BEAT_NS = 1000000000, DEFAULT_SKEW_NS = 250000000 };

const char *
net_state_name(enum net_state state)
{
    static const char *const names[] = {"down", "up", "refused"};

    return names[state];
}

uint64_t
net_random(void)
{
    uint64_t value = 0;

    while (!value)
        if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
            value = 0;
    return value;
}

void
net_wake(struct net *net)
{
    uint64_t one = 1;

    /* sequentially consistent: the flag before it is seen by who clears it */
    if (!atomic_exchange(&net->is_rung, true))
        while (write(net->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
}

/* ---- Made from a configuration --------------------------------------------------------------- */

static const char *
keep(struct net *net, const char *text)
{
    return text ? arena_text(&net->arena, text) : NULL;
}

static void
make_peer(struct net *net, struct peer *peer, const struct net_peer *def)
{
    peer->net = net;
    peer->name = keep(net, def->name);
    peer->endpoint = keep(net, def->endpoint);
    peer->public_key = keep(net, def->public_key);
    peer->is_spare = def->is_spare;
}

struct net *
net_new(const struct net_config *config, struct err *err)
{
    struct net *net;

    if (!sockets_check(config, err))
        return NULL;
    net = xcalloc(1, sizeof *net);
    net->config = *config;
    net->graph = keep(net, config->graph);
    net->name = keep(net, config->self.name);
    net->endpoint = keep(net, config->self.endpoint);
    net->public_key = keep(net, config->self.public_key);
    net->secret_key = keep(net, config->secret_key);
    if (!net->config.beat_ns)
        net->config.beat_ns = DEFAULT_BEAT_NS;
    if (!net->config.skew_ns)
        net->config.skew_ns = DEFAULT_SKEW_NS;
    if (!net->config.bytes_max)
        net->config.bytes_max = FRAME_BYTES_MAX;
    net->n_peers = config->n_peers;
    net->peer = xcalloc(net->n_peers + 1, sizeof *net->peer);
    for (size_t i = 0; i < net->n_peers; i++)
        make_peer(net, &net->peer[i], &config->peers[i]);
    net->life = net_random();
    net->in_fd = net->in_poll_fd = -1;
    net->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&net->lock, NULL);
    return net;
}

bool
net_add(struct net *net, const struct net_edge *def, struct err *err)
{
    struct far_edge *edge;
    struct peer *peer = NULL;

    for (size_t i = 0; i < net->n_peers; i++)
        if (!strcmp(net->peer[i].name, def->peer))
            peer = &net->peer[i];
    if (!peer)
        return err_set(err, "HDE-N005", "edge '%s': the graph has no other host '%s'", def->name,
                       def->peer);
    for (size_t i = 0; i < peer->n_edges; i++)
        if (peer->edge[i]->def.id == def->id)
            return err_set(err, "HDE-N005", "edges '%s' and '%s' have one number",
                           peer->edge[i]->def.name, def->name);
    edge = xaligned(sizeof *edge);
    edge->def = *def;
    edge->def.name = keep(net, def->name);
    edge->def.peer = peer->name;
    edge->net = net;
    edge->peer = peer;
    edge->through = def->through;
    edge->is_heard = def->is_heard;
    edge->heard = def->here == LINK_RECEIVER ? def->through : 0;
    edge->schema = frame_schema(def->types);
    peer->edge = xrealloc(peer->edge, (peer->n_edges + 1) * sizeof(struct far_edge *));
    peer->edge[peer->n_edges++] = edge;
    edge_attach(edge);
    return true;
}

static void
close_fds(struct net *net)
{
    const int fd[] = {net->wake_fd, net->in_fd, net->in_poll_fd};

    for (size_t i = 0; i < sizeof fd / sizeof *fd; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

void
net_free(struct net *net)
{
    if (!net)
        return;
    net_stop(net);
    close_fds(net);
    for (size_t i = 0; i < net->n_peers; i++) {
        questions_fini(&net->peer[i]);
        for (size_t k = 0; k < net->peer[i].n_edges; k++) {
            edge_detach(net->peer[i].edge[k]);
            free(net->peer[i].edge[k]);
        }
        free(net->peer[i].edge);
    }
    for (size_t i = 0; i < ENVELOPE_FRAMES; i++) {
        frame_fini(&net->out[i].frame);
        msgvec_fini(&net->held[i]);
    }
    frame_fini(&net->read);
    msgvec_fini(&net->in_vec);
    pthread_mutex_destroy(&net->lock);
    free(net->peer);
    arena_fini(&net->arena);
    free(net);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static int64_t
turn(struct net *net)
{
    int64_t now_ns = clock_mono_ns(), next_ns = INT64_MAX;
    bool more = sockets_receive(net);

    net->polls_lanes = false;
    for (size_t i = 0; i < net->n_peers; i++) {
        struct peer *peer = &net->peer[i];
        int64_t late_ns;

        more |= peer_turn(peer, now_ns);
        late_ns = questions_next_ns(peer);
        if (peer_next_ns(peer) < next_ns)
            next_ns = peer_next_ns(peer);
        if (late_ns < next_ns)
            next_ns = late_ns;
    }
    return more ? 0 : next_ns;
}

void
net_restate(struct net *net, uint64_t shape, uint64_t texts)
{
    pthread_mutex_lock(&net->lock);
    net->config.shape = shape;
    net->config.texts = texts;
    pthread_mutex_unlock(&net->lock);
}

uint64_t
net_texts(struct net *net)
{
    uint64_t texts;

    pthread_mutex_lock(&net->lock);
    texts = net->config.texts;
    pthread_mutex_unlock(&net->lock);
    return texts;
}

static bool
is_unheard(const struct peer *peer, bool *must_stay)
{
    return edges_are_unheard(peer, must_stay) || peer_waits_for_end(peer);
}

/* Who must be waited for comes first, spare hosts last. */
static struct net_unheard
who_has_not_heard(const struct net *net)
{
    struct net_unheard unheard = {0};
    bool is_spare = false;

    for (size_t i = 0; i < net->n_peers && !unheard.must_stay; i++) {
        const struct peer *peer = &net->peer[i];

        if (!is_unheard(peer, &unheard.must_stay) ||
            (unheard.host && !is_spare && !unheard.must_stay))
            continue;
        unheard.host = peer->name;
        is_spare = peer->is_spare;
    }
    return unheard;
}

bool
net_is_unheard(struct net *net, const char *host, struct net_unheard *out)
{
    bool is_it = false;

    *out = (struct net_unheard){.host = host};
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->n_peers && !is_it; i++)
        is_it = !strcmp(net->peer[i].name, host) &&
                is_unheard(&net->peer[i], &out->must_stay);
    pthread_mutex_unlock(&net->lock);
    return is_it;
}

void
net_settle(struct net *net, int64_t timeout_ns, net_settled *settled, void *arg)
{
    pthread_mutex_lock(&net->lock);
    net->settled = settled;
    net->settled_arg = arg;
    net->settle_ns = clock_mono_ns() + timeout_ns;
    for (size_t i = 0; i < net->n_peers; i++) {
        edges_remind(&net->peer[i]);
        if (!net->is_at_end && !net->config.self.is_spare)
            peer_say_end(&net->peer[i]);
    }
    net->is_at_end = !net->config.self.is_spare;
    pthread_mutex_unlock(&net->lock);
    net_wake(net);
}

/* Without the lock. When to look again. */
static int64_t
settle(struct net *net, int64_t next_ns)
{
    net_settled *settled = NULL;
    struct net_unheard unheard = {0};

    pthread_mutex_lock(&net->lock);
    if (net->settled) {
        unheard = who_has_not_heard(net);
        if (unheard.host && clock_mono_ns() < net->settle_ns) {
            next_ns = net->settle_ns < next_ns ? net->settle_ns : next_ns;
        } else {
            settled = net->settled;
            net->settled = NULL;
            next_ns = 0;
        }
    }
    pthread_mutex_unlock(&net->lock);
    if (settled)
        settled(net->settled_arg, &unheard);
    return next_ns;
}

/* Without the lock. */
static void
tell_ends(struct net *net)
{
    for (size_t i = 0; i < net->n_peers; i++) {
        struct peer *peer = &net->peer[i];
        bool is_new;

        pthread_mutex_lock(&net->lock);
        is_new = peer->has_ended && !peer->is_told;
        peer->is_told |= is_new;
        pthread_mutex_unlock(&net->lock);
        if (is_new)
            net->config.ended(net->config.ended_arg, peer->name);
    }
}

static void *
run(void *arg)
{
    struct net *net = arg;

    while (!atomic_load(&net->is_stopping)) {
        int64_t next_ns;

        atomic_store(&net->is_rung, false); /* (2) */
        pthread_mutex_lock(&net->lock);
        next_ns = turn(net);
        pthread_mutex_unlock(&net->lock);
        questions_tell(net);
        if (net->config.ended)
            tell_ends(net);
        next_ns = settle(net, next_ns);
        msg_pool_flush();
        sockets_wait(net, next_ns);
    }
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->n_peers; i++)
        peer_say_last(&net->peer[i]);
    pthread_mutex_unlock(&net->lock);
    return NULL;
}

bool
net_start(struct net *net, struct err *err)
{
    pthread_mutex_lock(&net->lock); /* others may look already */
    for (size_t i = 0; i < net->n_peers; i++) {
        schema_say(&net->peer[i], &net->arena);
        peer_begin(&net->peer[i]);
    }
    pthread_mutex_unlock(&net->lock);
    if (!sockets_open(net, err)) {
        sockets_close(net);
        return false;
    }
    pthread_mutex_lock(&net->lock);
    net->has_thread = !pthread_create(&net->thread, NULL, run, net);
    pthread_mutex_unlock(&net->lock);
    if (net->has_thread)
        return true;
    sockets_close(net);
    return err_set(err, "HDE-N001", "there is no thread for the links between hosts");
}

void
net_stop(struct net *net)
{
    if (net->has_thread) {
        atomic_store(&net->is_stopping, true);
        net_wake(net);
        pthread_join(net->thread, NULL);
    }
    pthread_mutex_lock(&net->lock);
    net->has_thread = false;
    for (size_t i = 0; i < net->n_peers; i++)
        peer_lose(&net->peer[i], NULL);
    questions_forget(net);
    pthread_mutex_unlock(&net->lock);
    questions_tell(net);
    sockets_close(net);
}

/* ---- Looking --------------------------------------------------------------------------------- */

static uint64_t
count_waiting(const struct peer *peer)
{
    uint64_t n = 0;

    for (size_t i = 0; i < peer->n_edges; i++)
        n += peer->edge[i]->is_open && peer->edge[i]->is_full;
    return n;
}

size_t
net_look(struct net *net, struct net_seen *out, size_t max)
{
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->n_peers && i < max; i++) {
        out[i] = net->peer[i].look;
        out[i].edges_waiting = count_waiting(&net->peer[i]);
    }
    pthread_mutex_unlock(&net->lock);
    return net->n_peers;
}

uint64_t
net_strangers(struct net *net)
{
    uint64_t strangers;

    pthread_mutex_lock(&net->lock);
    strangers = net->strangers;
    pthread_mutex_unlock(&net->lock);
    return strangers;
}
