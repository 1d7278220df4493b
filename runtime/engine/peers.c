/* SPDX-License-Identifier: Apache-2.0
 * peers - see peers.h.
 *
 *  (1) The keys of a host are a pair: a secret that does not go with the public key of the graph is
 *      refused before anything starts. [tests/hosts/distributed.sh]
 *  (2) A host whose part has ended stays until the others have what it sent.
 *      [tests/hosts/distributed.sh]
 *  (3) A host that has got everything says so, and hears that it was heard, before it goes. With
 *      checkpoints, both ends of an edge remember that it is through (through.h): a host that comes
 *      back later waits for nobody who has left. [tests/hosts/end.sh, tests/hosts/faults.sh,
 *      test_both_ends_remember_that_all_has_come]
 *  (4) A spare host is at its end when all hosts on which nodes lie have said that they are, and
 *      remembers who has. They wait some seconds for one that may still be coming up.
 *      [tests/hosts/spare.sh] */
#include "engine/peers.h"

#include "base/log.h"
#include "engine/line.h"
#include "engine/through.h"
#include "graph/hosts.h"

#include <stdlib.h>
#include <string.h>

enum { /* seconds of which nobody has to be waited for, in which others may come back and hear it */
    POLITE_S = 90,
    POLITE_WITHOUT_EPOCHS_S = 20,
    POLITE_TO_SPARE_S = 5,
    SAYS_S = 2, /* then the log says so */
};

struct last { /* of a link whose sender is here */
    struct link *link;
    void (*delivered)(void *arg);
    void *arg;
    _Atomic bool is_awaited, is_told;
    const char *edge, *peer;
};

struct peers {
    const struct graph *graph;
    struct net *net;
    bool has_epochs;
    struct through through; /* with epochs; the net's thread alone, when it runs */
    void (*settled)(void *arg);
    void *settled_arg;
    int waited_s, polite_s; /* the net's thread: since it is at its end, for nobody who needs it */
    _Atomic bool is_settling;
    bool *has_ended; /* by host; the net's thread alone, when it runs. (4) */
    void (*ended)(void *arg); /* all of them */
    void *ended_arg;
    _Atomic bool stands_by, have_ended, is_told;
    size_t n;
    struct last *last; /* room for one an edge */
};

static const struct graph_host *
own_host(const struct graph *graph)
{
    return &graph->hosts[graph->host];
}

/* (1) */
static bool
check_keys(const struct graph *graph, const char *secret, struct err *err)
{
    const struct graph_host *host = own_host(graph);
    char public_key[NET_KEY];

    if (!host->public_key)
        return true;
    if (!secret)
        return err_set(err, "HDE-R182",
                       "host '%s' has a public key in the graph, and its secret key is not here: "
                       "'hde keygen' makes a pair, --key FILE names the secret one",
                       host->name);
    if (!net_public_key(secret, public_key, err))
        return false;
    return strcmp(public_key, host->public_key) == 0 ||
           err_set(err, "HDE-R183",
                   "the secret key does not go with the public key of host '%s' in the graph: that "
                   "one is %s, this one's is %s",
                   host->name, host->public_key, public_key);
}

static struct net_peer
peer_of(const struct graph *graph, size_t host, const char *endpoint)
{
    const struct graph_host *def = &graph->hosts[host];

    return (struct net_peer){.name = def->name,
                             .endpoint = endpoint,
                             .public_key = def->public_key,
                             .is_spare = !hosts_has_nodes(graph, host)};
}

/* ---- A spare host --------------------------------------------------------------------------- */

/* Who sets the second of both sees the first. */
static void
tell_ended(struct peers *self)
{
    if (atomic_load(&self->stands_by) && atomic_load(&self->have_ended) &&
        !atomic_exchange(&self->is_told, true))
        self->ended(self->ended_arg);
}

static void
tell_if_all_ended(struct peers *self)
{
    bool all = true;

    for (size_t i = 0; i < self->graph->n_hosts; i++)
        all &= self->has_ended[i] || !hosts_has_nodes(self->graph, i);
    if (all)
        atomic_store(&self->have_ended, true);
    tell_ended(self);
}

/* (4) */
static void
heard_end(void *arg, const char *host)
{
    struct peers *self = arg;
    size_t i = 0;

    while (strcmp(self->graph->hosts[i].name, host) != 0)
        i++;
    self->has_ended[i] = true;
    if (self->has_epochs) /* if it cannot be written, a later process waits for that host */
        through_keep(&self->through, host, LINK_RECEIVER, 1, true);
    tell_if_all_ended(self);
}

static void
recall_ends(struct peers *self)
{
    for (size_t i = 0; i < self->graph->n_hosts; i++)
        self->has_ended[i] =
            through_find(&self->through, self->graph->hosts[i].name, LINK_RECEIVER) != NULL;
    tell_if_all_ended(self);
}

void
peers_stand_by(struct peers *self, void (*ended)(void *arg), void *arg)
{
    self->ended = ended;
    self->ended_arg = arg;
    atomic_store(&self->stands_by, true);
    tell_ended(self);
}

/* ---- Made ----------------------------------------------------------------------------------- */

struct peers *
peers_new(const struct graph *graph, const struct engine_options *options, struct err *err)
{
    const struct graph_host *own = own_host(graph);
    struct net_peer *others = xcalloc(graph->n_hosts, sizeof *others);
    struct peers *self = xcalloc(1, sizeof *self);
    struct net_config config = {.graph = graph->common_name,
                                .self = peer_of(graph, graph->host, own->listen),
                                .peers = others,
                                .secret_key = own->public_key ? options->secret_key : NULL,
                                .insecure = options->insecure,
                                .shape = hosts_shape(graph),
                                .texts = hosts_texts(graph)};
    struct arena arena = {0};
    struct line line = {0};
    bool ok = !graph->checkpoint.store || line_read(graph->checkpoint.store, &arena, &line, err);

    config.line = line.number;
    arena_fini(&arena);
    if (ok && options->checkpoint)
        ok = through_open(&self->through, graph->name, graph->checkpoint.store, line.number, err);
    self->graph = graph;
    self->has_epochs = options->checkpoint;
    self->has_ended = xcalloc(graph->n_hosts, sizeof *self->has_ended);
    if (config.self.is_spare) {
        config.ended = heard_end;
        config.ended_arg = self;
        recall_ends(self);
    }
    self->last = xcalloc(graph->n_edges + 1, sizeof *self->last);
    for (size_t i = 0; i < graph->n_hosts; i++)
        if (i != graph->host)
            others[config.n_peers++] = peer_of(graph, i, graph->hosts[i].address);
    if (ok && check_keys(graph, options->secret_key, err))
        self->net = net_new(&config, err);
    free(others);
    if (self->net)
        return self;
    peers_free(self);
    return NULL;
}

static bool
keep_through(void *arg, const char *edge, enum link_end here, uint64_t tick, bool is_heard)
{
    return through_keep(&((struct peers *)arg)->through, edge, here, tick, is_heard);
}

/* (3) */
static void
remember(struct peers *self, struct net_edge *net)
{
    const struct through_edge *known = through_find(&self->through, net->name, net->here);

    if (!self->has_epochs)
        return;
    net->keep = keep_through;
    net->keep_arg = self;
    net->through = known ? known->tick : 0;
    net->is_heard = known && known->is_heard;
}

bool
peers_add(struct peers *self, const struct graph_link *def, struct link *link, struct err *err)
{
    const struct graph *graph = self->graph;
    const struct graph_edge *edge = &graph->edges[def->edge];
    const struct graph_node *from = &graph->nodes[edge->from];
    size_t other = def->sender ? graph->nodes[edge->to].host : from->host;
    struct net_edge net = {.peer = graph->hosts[other].name,
                           .id = hosts_edge_number(graph, edge),
                           .name = edge->name,
                           .here = def->sender ? LINK_SENDER : LINK_RECEIVER,
                           .link = link,
                           .types = from->op->outputs[edge->from_port].types,
                           .has_epochs = self->has_epochs};

    remember(self, &net);
    if (!net_add(self->net, &net, err))
        return false;
    if (def->sender)
        self->last[self->n++] = (struct last){.link = link, .edge = edge->name, .peer = net.peer};
    return true;
}

bool
peers_start(struct peers *self, struct err *err)
{
    return net_start(self->net, err);
}

bool
peers_pass_over(struct peers *self, struct err *err)
{
    for (size_t i = 0; i < self->n; i++) {
        const struct through_edge *known =
            through_find(&self->through, self->last[i].edge, LINK_SENDER);
        struct link *link = self->last[i].link;

        if (!known || known->tick <= link_covered(link))
            continue;
        if (!link_seek(link, known->tick, err))
            return false;
        link_cover(link, known->tick);
    }
    return true;
}

static void
say_stays(const struct peers *self, const struct net_unheard *unheard)
{
    log_line(LEVEL_INFO, self->graph->name, NULL, "host.stays",
             "this host has all and is at its end; it stays until '%s' knows so%s", unheard->host,
             unheard->must_stay ? ": 'hde status' tells more" : ", for some time");
}

static bool
is_spare(const struct peers *self, const char *host)
{
    for (size_t i = 0; i < self->graph->n_hosts; i++)
        if (!strcmp(self->graph->hosts[i].name, host))
            return !hosts_has_nodes(self->graph, i);
    return false;
}

static int
patience_s(const struct peers *self, const char *host)
{
    if (is_spare(self, host))
        return POLITE_TO_SPARE_S;
    return self->has_epochs ? POLITE_S : POLITE_WITHOUT_EPOCHS_S;
}

/* Every second, on the net's thread, until it may leave. */
static void
look_who_waits(void *arg, const struct net_unheard *unheard)
{
    struct peers *self = arg;
    bool is_over = !unheard->host;

    self->waited_s++;
    self->polite_s = unheard->must_stay ? 0 : self->polite_s + 1;
    if (!is_over && self->waited_s == SAYS_S)
        say_stays(self, unheard);
    if (!is_over && self->polite_s >= patience_s(self, unheard->host)) {
        log_line(LEVEL_WARN, self->graph->name, NULL, "host.unheard",
                 "this host has all and ends; '%s', which cannot be reached, does not know it and "
                 "stays until this host runs once more",
                 unheard->host);
        is_over = true;
    }
    if (is_over)
        self->settled(self->settled_arg);
    else
        net_settle(self->net, NS_PER_S, look_who_waits, self);
}

/* (3) */
void
peers_settle(struct peers *self, void (*settled)(void *arg), void *arg)
{
    self->settled = settled;
    self->settled_arg = arg;
    atomic_store(&self->is_settling, true);
    net_settle(self->net, NS_PER_S, look_who_waits, self);
}

/* ---- Who is waited for ---------------------------------------------------------------------- */

static const char *
what_it_needs(struct peers *self, const char *host)
{
    for (size_t i = 0; i < self->n; i++)
        if (!strcmp(self->last[i].peer, host) && atomic_load(&self->last[i].is_awaited) &&
            !atomic_load(&self->last[i].is_told))
            return self->last[i].edge;
    return NULL;
}

static const char *
what_to_do(const struct peers *self, const char *host, bool is_up, struct arena *arena)
{
    return is_up ? ""
                 : arena_printf(arena,
                                ": start it ('hde run GRAPH --host %s'), or end this host without "
                                "it ('hde drain %s')",
                                host, own_host(self->graph)->name);
}

const char *
peers_waits(struct peers *self, const char *host, bool is_up, struct arena *arena)
{
    const char *edge = what_it_needs(self, host);
    const char *what = what_to_do(self, host, is_up, arena);
    struct net_unheard unheard;

    if (edge)
        return arena_printf(arena,
                            "this host is at its end and stays until '%s' has what edge '%s' keeps "
                            "for it%s",
                            host, edge, what);
    if (!atomic_load(&self->is_settling) || !net_is_unheard(self->net, host, &unheard))
        return NULL;
    if (unheard.must_stay)
        return arena_printf(
            arena, "this host is at its end and stays until '%s' knows that all has come%s", host,
            what);
    return arena_printf(arena,
                        "this host is at its end, and stays up to %d s until '%s' has heard so",
                        patience_s(self, host), host);
}

void
peers_stop(struct peers *self)
{
    if (self)
        net_stop(self->net);
}

void
peers_free(struct peers *self)
{
    if (!self)
        return;
    net_free(self->net);
    through_fini(&self->through);
    free(self->has_ended);
    free(self->last);
    free(self);
}

static void
tell_delivered(void *arg)
{
    struct last *last = arg;

    if (!atomic_exchange(&last->is_told, true))
        last->delivered(last->arg);
}

/* (2) */
void
peers_deliver(struct peers *self, struct link *link, void (*delivered)(void *arg), void *arg)
{
    struct last *last = self->last;

    while (last->link != link)
        last++;
    last->delivered = delivered;
    last->arg = arg;
    atomic_store(&last->is_awaited, true);
    link_listen(link, LINK_KEEPER, &(struct link_bell){tell_delivered, last});
    if (link_is_empty(link))
        tell_delivered(last);
    else
        log_line(LEVEL_INFO, self->graph->name, last->edge, "link.last",
                 "its part has ended; this host stays until '%s' has all of it", last->peer);
}

static const struct {
    const char *name, *type, *help;
    size_t at;    /* in struct net_seen: uint64_t or, of seconds, int64_t */
    bool is_time; /* in ns */
} metrics[] = {
#define SEEN(field) offsetof(struct net_seen, field)
    {"hde_host_connects_total", "counter", "Times that a host came up.", SEEN(connects), false},
    {"hde_host_frames_sent_total", "counter", "Frames sent to a host.", SEEN(frames[0]), false},
    {"hde_host_frames_received_total", "counter", "Frames received.", SEEN(frames[1]), false},
    {"hde_host_sent_bytes_total", "counter", "Bytes sent to a host.", SEEN(bytes[0]), false},
    {"hde_host_received_bytes_total", "counter", "Bytes received.", SEEN(bytes[1]), false},
    {"hde_host_resent_total", "counter", "Frames sent again.", SEEN(resent), false},
    {"hde_host_duplicates_total", "counter", "Frames that were here already, dropped.",
     SEEN(duplicates), false},
    {"hde_host_sent_at_once_total", "counter",
     "Messages that the thread that made them has sent itself.", SEEN(helped[0]), false},
    {"hde_host_received_at_once_total", "counter",
     "Messages that the thread that wants them has received itself.", SEEN(helped[1]), false},
    {"hde_host_malformed_total", "counter", "Messages that break the rules, dropped.",
     SEEN(malformed), false},
    {"hde_host_refused_total", "counter", "Greetings that one of both refused.", SEEN(refused),
     false},
    {"hde_host_waiting_edges", "gauge", "Edges with something to send and no credit.",
     SEEN(edges_waiting), false},
    {"hde_host_round_seconds", "gauge", "There and back, of the last beat; 0: unknown.",
     SEEN(round_ns), true},
    {"hde_host_skew_seconds", "gauge", "Its clock minus this one's.", SEEN(skew_ns), true},
#undef SEEN
};

static void
put_line(const struct peers *self, const char *name, const struct net_seen *seen, double value,
         hde_text *out)
{
    hde_text_printf(out, "%s{graph=\"%s\",host=\"%s\",peer=\"%s\"} %.17g\n", name,
                    self->graph->name, own_host(self->graph)->name, seen->name, value);
}

void
peers_prometheus(const struct peers *self, hde_text *out)
{
    struct net_seen *seen = xcalloc(self->graph->n_hosts, sizeof *seen);
    size_t n = net_look(self->net, seen, self->graph->n_hosts);

    hde_text_puts(out, "# HELP hde_host_up 1: edges to and from the host flow.\n"
                       "# TYPE hde_host_up gauge\n");
    for (size_t i = 0; i < n; i++)
        put_line(self, "hde_host_up", &seen[i], seen[i].state == NET_UP, out);
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
        hde_text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metrics[m].name, metrics[m].help,
                        metrics[m].name, metrics[m].type);
        for (size_t i = 0; i < n; i++) {
            const void *field = (const char *)&seen[i] + metrics[m].at;

            put_line(self, metrics[m].name, &seen[i],
                     metrics[m].is_time ? (double)*(const int64_t *)field / 1e9
                                        : (double)*(const uint64_t *)field,
                     out);
        }
    }
    free(seen);
}

struct net *
peers_net(const struct peers *self)
{
    return self->net;
}
