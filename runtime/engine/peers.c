/* SPDX-License-Identifier: Apache-2.0
 * peers - see peers.h.
 *
 *  (1) The keys of a host are a pair: a secret that does not go with the public key of the graph is
 *      refused before anything starts. [tests/hosts/distributed.sh]
 *  (2) A host whose part has ended stays until the others have what it sent.
 *      [tests/hosts/distributed.sh]
 *  (3) A host that has got everything says so, and hears that it was heard, before it goes.
 *      [tests/hosts/faults.sh, test_the_last_acknowledgement_is_heard] */
#include "engine/peers.h"

#include "base/log.h"
#include "engine/line.h"
#include "graph/hosts.h"

#include <stdlib.h>
#include <string.h>

static const int64_t SOON_NS = INT64_C(2000000000), SETTLE_NS = INT64_C(20000000000);

struct last { /* of a link whose sender is here */
    struct link *link;
    void (*delivered)(void *arg);
    void *arg;
    _Atomic bool is_told;
    const char *edge, *peer;
};

struct peers {
    const struct graph *graph;
    struct net *net;
    bool has_epochs;
    void (*settled)(void *arg);
    void *settled_arg;
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
peer_of(const struct graph_host *host, const char *endpoint)
{
    return (struct net_peer){host->name, endpoint, host->public_key};
}

struct peers *
peers_new(const struct graph *graph, const struct engine_options *options, struct err *err)
{
    const struct graph_host *own = own_host(graph);
    struct net_peer *others = xcalloc(graph->n_hosts, sizeof *others);
    struct peers *self = xcalloc(1, sizeof *self);
    struct net_config config = {.graph = graph->common_name,
                                .self = peer_of(own, own->listen),
                                .peers = others,
                                .secret_key = own->public_key ? options->secret_key : NULL,
                                .insecure = options->insecure,
                                .shape = hosts_shape(graph)};
    struct arena arena = {0};
    struct line line = {0};
    bool ok = !graph->checkpoint.store || line_read(graph->checkpoint.store, &arena, &line, err);

    config.line = line.number;
    arena_fini(&arena);
    self->graph = graph;
    self->has_epochs = options->checkpoint;
    self->last = xcalloc(graph->n_edges + 1, sizeof *self->last);
    for (size_t i = 0; i < graph->n_hosts; i++)
        if (i != graph->host)
            others[config.n_peers++] = peer_of(&graph->hosts[i], graph->hosts[i].address);
    if (ok && check_keys(graph, options->secret_key, err))
        self->net = net_new(&config, err);
    free(others);
    if (self->net)
        return self;
    peers_free(self);
    return NULL;
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

static void
tell_settled(void *arg, const char *unheard)
{
    struct peers *self = arg;

    if (unheard)
        log_line(LEVEL_WARN, self->graph->name, NULL, "host.unheard",
                 "this host has all and ends; '%s', which cannot be reached, does not know it and "
                 "stays until this host runs once more",
                 unheard);
    self->settled(self->settled_arg);
}

static void
tell_soon(void *arg, const char *unheard)
{
    struct peers *self = arg;

    if (!unheard) {
        tell_settled(self, NULL);
        return;
    }
    log_line(LEVEL_INFO, self->graph->name, NULL, "host.stays",
             "this host has all; it stays some seconds more, until '%s' has heard it", unheard);
    net_settle(self->net, SETTLE_NS, tell_settled, self);
}

/* (3) */
void
peers_settle(struct peers *self, void (*settled)(void *arg), void *arg)
{
    self->settled = settled;
    self->settled_arg = arg;
    net_settle(self->net, SOON_NS, tell_soon, self);
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
