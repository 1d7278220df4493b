/* SPDX-License-Identifier: Apache-2.0
 * spread - replicas of one node on several hosts: `replicas: 4, host: [a, b], key: feed`.
 *
 *  (1) Replicas are dealt out in turn, in the order of the table hosts: so which host has which
 *      replica depends on nothing but how many there are of both.
 *      [test_replicas_are_dealt_out_over_hosts]
 *  (2) What one host has of them is a node of its own, NODE@HOST, with every edge of the node, and
 *      every one of these is a link, also to a node of the same host: else a way from a part to
 *      another host and back would be a circle of parts. [test_each_host_is_sent_its_replicas_keys]
 *  (3) In one process (--host all, replay of a graph) it is one node with all replicas.
 *      [test_replicas_are_dealt_out_over_hosts] */
#include "graph/hosts.h"
#include "graph/load.h"

#include <stdlib.h>
#include <string.h>

static bool
is_named(const struct host_draft *host, size_t index)
{
    bool is = host->index == index;

    for (size_t i = 0; i < host->n_others && !is; i++)
        is = host->others[i].index == index;
    return is;
}

/* False, and said so. */
static bool
check_list(struct loader *loader, const struct node_draft *node)
{
    const struct host_draft *host = &node->host;

    for (size_t i = 0; i < host->n_others; i++) {
        struct host_draft before = {.index = host->index, .n_others = i, .others = host->others};

        if (host->index == HOST_NONE || host->others[i].index == HOST_NONE)
            return false;
        if (!is_named(&before, host->others[i].index))
            continue;
        diags_add(loader->diags, SEVERITY_ERROR, G_SPREAD_TWICE, host->others[i].place,
                  "host '%s' is in the list twice", host->others[i].name);
        return false;
    }
    if (node->settings.replicas > (int64_t)host->n_others)
        return true;
    diags_add(loader->diags, SEVERITY_ERROR, G_SPREAD_FEW, host->place,
              "node '%s' has fewer replicas than hosts: %lld on %zu", node->full,
              (long long)node->settings.replicas, host->n_others + 1);
    diags_hint(loader->diags, "write replicas: %zu, or more", host->n_others + 1);
    return false;
}

void
spread_share(struct loader *loader, struct node_draft *node)
{
    const struct graph *graph = loader->graph;

    if (!check_list(loader, node))
        return;
    node->shares = arena_alloc(loader->arena, (node->host.n_others + 1) * sizeof *node->shares);
    for (size_t h = 0; h < graph->n_hosts; h++) /* (1) */
        if (is_named(&node->host, h))
            node->shares[node->n_shares++] = (struct share_draft){
                arena_printf(loader->arena, "%s@%s", node->full, graph->hosts[h].name), h, false};
    node->settings.host = node->shares[0].host;
}

static void
become_share(struct node_draft *node, size_t at)
{
    const struct share_draft *share = &node->shares[at];
    struct graph_node *settings = &node->settings;
    struct graph_spread spread = {settings->replicas, (int64_t)node->n_shares, (int64_t)at};

    node->full = share->full;
    settings->spread = spread;
    settings->replicas = (spread.of - spread.at + spread.hosts - 1) / spread.hosts;
    settings->host = share->host;
    settings->is_apart = share->is_apart;
}

static void
spread_node(struct loader *loader, size_t node)
{
    const struct node_draft whole = loader->nodes[node];
    size_t n_edges = loader->n_edges;

    for (size_t i = 1; i < whole.n_shares; i++) {
        size_t copy = loader->n_nodes;

        *loader_add_node(loader) = whole;
        become_share(&loader->nodes[copy], i);
        for (size_t e = 0; e < n_edges; e++) {
            struct edge_draft edge = loader->edges[e];

            if (edge.from.node != node && edge.to.node != node)
                continue;
            edge.from.node = edge.from.node == node ? copy : edge.from.node;
            edge.to.node = edge.to.node == node ? copy : edge.to.node;
            loader_add_edge(loader, edge);
        }
    }
    become_share(&loader->nodes[node], 0);
}

void
spread_make(struct loader *loader)
{
    size_t n_nodes = loader->n_nodes;

    if (!hosts_are_apart(loader)) /* (3) */
        return;
    for (size_t i = 0; i < n_nodes; i++)
        if (loader->nodes[i].n_shares && !loader->nodes[i].is_left_out)
            spread_node(loader, i);
}
