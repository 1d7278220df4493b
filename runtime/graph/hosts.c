/* SPDX-License-Identifier: Apache-2.0
 * hosts - the machines of a graph: the table `hosts:`, and which node lies on which of them.
 *
 *  (1) With hosts: every node lies on one: its own host:, else that of the nearest chain around it.
 *      Without, no node names one. [test_every_node_lies_on_a_host]
 *  (2) An edge leads to another host where the hosts of its ends differ; it is a link then
 *      (parts.h). In one process (--host all, replay of a graph) no edge does.
 *      [test_edges_between_hosts_are_links]
 *  (3) Hosts that name public keys all name one, each its own; without keys nobody listens where
 *      others than this machine may come from, unless that is asked for.
 *      [tests/graph/bad_graphs.c]
 *  (4) What was moved lies where it was moved to, whatever the file says. What came from a host that
 *      was lost keeps its links, which hold what was on the way.
 *      [test_a_moved_node_lies_elsewhere] */
#include "graph/hosts.h"

#include "base/hash64.h"
#include "base/nearest.h"
#include "graph/load.h"
#include "graph/parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS_MAX = 64, KEY_LENGTH = 40, IPC_PATH_MAX = 100 };

/* ---- Addresses ---------------------------------------------------------------------------- */

/* "10.0.0.1:7700" behind tcp://; NULL, or what is wrong. */
static const char *
tcp_fault(const char *text, bool may_be_any)
{
    const char *colon = strrchr(text, ':');
    char *end;
    unsigned long port;

    if (!colon || colon == text || (*text == '[' && colon[-1] != ']'))
        return "an address is tcp://HOST:PORT";
    if (memchr(text, '/', (size_t)(colon - text)) || memchr(text, ' ', (size_t)(colon - text)))
        return "an address is tcp://HOST:PORT";
    if (*text != '[' && memchr(text, ':', (size_t)(colon - text)))
        return "an address of IPv6 stands in brackets: tcp://[fd00::1]:7700";
    port = strtoul(colon + 1, &end, 10);
    if (!isdigit((unsigned char)colon[1]) || *end || port < 1 || port > 65535)
        return "a port is a number from 1 to 65535";
    if (!may_be_any && hosts_is_any(text))
        return "others cannot reach that: it stands for all addresses of a machine";
    return NULL;
}

static const char *
address_fault(const char *address, bool may_be_any)
{
    if (strncmp(address, "tcp://", 6) == 0)
        return tcp_fault(address + 6, may_be_any);
    if (strncmp(address, "ipc://", 6) != 0)
        return "an address begins with tcp:// or ipc://";
    if (!address[6] || strlen(address) > IPC_PATH_MAX)
        return "behind ipc:// comes the path of a socket, at most 94 bytes";
    return NULL;
}

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool
hosts_is_any(const char *address)
{
    address += begins(address, "tcp://") ? 6 : 0;
    return begins(address, "*:") || begins(address, "0.0.0.0:") || begins(address, "[::]:");
}

bool
hosts_is_public(const char *address)
{
    return begins(address, "tcp://") && !begins(address, "tcp://127.") &&
           !begins(address, "tcp://localhost:") && !begins(address, "tcp://[::1]:");
}

/* ---- The table ---------------------------------------------------------------------------- */

/* The value of a key, NULL where there is none: "${NAME:-}" is nothing. */
static const struct yaml *
given(struct loader *loader, struct scope *scope, const struct yaml *map, const char *key)
{
    const struct yaml *node = yaml_find(map, key);

    if (node && node->kind == KIND_TEXT)
        node = resolve(&loader->resolver, scope, node);
    return node && (node->kind == KIND_NULL || (node->kind == KIND_TEXT && !*node->text)) ? NULL
                                                                                          : node;
}

static void
want_address(struct loader *loader, struct scope *scope, const struct yaml *map, const char *key,
             const char **out)
{
    const struct yaml *node = given(loader, scope, map, key);
    const char *text = NULL, *fault;
    bool is_listen = strcmp(key, "listen") == 0;

    if (!node || !want_text(loader, scope, node, key, &text) || !text)
        return;
    fault = address_fault(text, is_listen);
    if (fault) {
        diags_add(loader->diags, SEVERITY_ERROR, G_HOST_ADDRESS, node->place,
                  "'%s' cannot be '%.80s': %s", key, text, fault);
        diags_hint(loader->diags, "write \"tcp://10.0.0.1:7700\", or \"ipc:///run/hde/a\" between "
                                  "processes of one machine");
        return;
    }
    *out = text;
    if (begins(text, "ipc://"))
        *out = arena_printf(loader->arena, "ipc://%s", yaml_path(loader->arena, node, text + 6));
}

static void
want_key(struct loader *loader, struct scope *scope, const struct yaml *node, const char **out)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  ".-:+=^!/*?&<>()[]{}@%$#";
    const char *text = NULL;

    if (!node || !want_text(loader, scope, node, "public_key", &text) || !text)
        return;
    if (strlen(text) == KEY_LENGTH && strspn(text, letters) == KEY_LENGTH) {
        *out = text;
        return;
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_HOST_KEY, node->place,
              "this is no public key: it has %d letters, digits and signs, as 'hde keygen' prints "
              "them",
              KEY_LENGTH);
}

static void
load_host(struct loader *loader, struct scope *scope, const struct yaml *key,
          const struct yaml *value, struct graph_host *out)
{
    static const struct known_key keys[] = {
        {"listen", false}, {"address", false}, {"public_key", false}, {"workers", false}, {0}};
    const struct yaml *map = want_map(loader, scope, value, key->text);

    *out = (struct graph_host){.name = key->text, .place = key->place};
    check_name(loader, key, "a host");
    if (strcmp(key->text, HOST_ALL) == 0)
        diags_add(loader->diags, SEVERITY_ERROR, G_NAME, key->place,
                  "'%s' cannot be the name of a host: it stands for all of them", HOST_ALL);
    check_keys(loader, map, keys, "a host");
    if (!given(loader, scope, map, "listen") && (map || value->kind == KIND_NULL)) {
        diags_add(loader->diags, SEVERITY_ERROR, G_MISSING_KEY, key->place,
                  "host '%s' needs 'listen': the address where the others reach it", key->text);
        diags_hint(loader->diags, "write %.40s: {listen: \"tcp://10.0.0.1:7700\"}", key->text);
    }
    want_address(loader, scope, map, "listen", &out->listen);
    want_address(loader, scope, map, "address", &out->address);
    want_key(loader, scope, given(loader, scope, map, "public_key"), &out->public_key);
    want_int(loader, scope, yaml_find(map, "workers"), "workers", 1, 64, &out->workers);
    if (!out->address && out->listen && hosts_is_any(out->listen)) {
        diags_add(loader->diags, SEVERITY_ERROR, G_HOST_ADDRESS, yaml_find(map, "listen")->place,
                  "host '%s' listens on all its addresses, and the others need one of them",
                  key->text);
        diags_hint(loader->diags, "add address: \"tcp://HOST:PORT\", as they see it");
    }
    if (!out->address)
        out->address = out->listen;
}

/* A second host with the same address or key. */
static void
check_double(struct loader *loader, const struct graph_host *host)
{
    for (const struct graph_host *other = loader->graph->hosts; other < host; other++) {
        if (other->address && host->address && strcmp(other->address, host->address) == 0) {
            diags_add(loader->diags, SEVERITY_ERROR, G_HOST_TWICE, host->place,
                      "hosts '%s' and '%s' have the same address %s", other->name, host->name,
                      host->address);
            return;
        }
        if (other->public_key && host->public_key &&
            strcmp(other->public_key, host->public_key) == 0) {
            diags_add(loader->diags, SEVERITY_ERROR, G_HOST_TWICE, host->place,
                      "hosts '%s' and '%s' have the same public key: a peer is known by it",
                      other->name, host->name);
            return;
        }
    }
}

/* (3) */
static void
check_keys_of_hosts(struct loader *loader)
{
    const struct graph *graph = loader->graph;
    const struct graph_host *with = NULL;

    for (size_t i = 0; i < graph->n_hosts && !with; i++)
        with = graph->hosts[i].public_key ? &graph->hosts[i] : NULL;
    for (size_t i = 0; i < graph->n_hosts; i++) {
        const struct graph_host *host = &graph->hosts[i];

        if (host->public_key || !host->listen)
            continue;
        if (with) {
            diags_add(loader->diags, SEVERITY_ERROR, G_HOST_KEYS, host->place,
                      "host '%s' has no public_key, but '%s' has one: with keys a peer without one "
                      "is a stranger",
                      host->name, with->name);
        } else if (graph->n_hosts > 1 && hosts_is_public(host->listen) &&
                   !loader->options->insecure) {
            diags_add(
                loader->diags, SEVERITY_ERROR, G_HOST_OPEN, host->place,
                "host '%s' would listen on %s, where anybody may come, and hosts have no keys",
                host->name, host->listen);
            diags_hint(loader->diags, "give every host a public_key ('hde keygen'), or say "
                                      "--insecure");
        }
    }
}

static size_t
find_host(struct loader *loader, const char *name, struct place place, const char *what)
{
    const struct graph *graph = loader->graph;
    struct nearest near = {.word = name};
    hde_text list = {0};

    for (size_t i = 0; i < graph->n_hosts; i++) {
        if (strcmp(graph->hosts[i].name, name) == 0) {
            hde_text_free(&list);
            return i;
        }
        nearest_try(&near, graph->hosts[i].name);
        hde_text_printf(&list, "%s%s", i ? ", " : "", graph->hosts[i].name);
    }
    diags_add(loader->diags, SEVERITY_ERROR, G_HOST, place, "%s: there is no host '%.80s'", what,
              name);
    diags_nearest(loader->diags, &near);
    diags_hint(loader->diags, "hosts: %s", list.data);
    hde_text_free(&list);
    return HOST_NONE;
}

static void
refuse_without_table(struct loader *loader, struct place place, const char *what)
{
    diags_add(loader->diags, SEVERITY_ERROR, G_NO_HOSTS, place,
              "%s names a host, and the graph has no hosts:", what);
    diags_hint(loader->diags,
               "write hosts: {a: {listen: \"tcp://10.0.0.1:7700\"}, ...} at its top");
}

void
hosts_load(struct loader *loader, struct instance *top)
{
    const struct yaml *node = root_value(top, "hosts");
    const struct yaml *map = want_map(loader, &top->scope, node, "hosts");
    const struct yaml *coordinator = root_value(top, "coordinator");
    struct graph *graph = loader->graph;
    const char *name = NULL;

    if (map) {
        graph->hosts = arena_alloc(loader->arena, (map->n + 1) * sizeof *graph->hosts);
        for (size_t i = 0; i < map->n && i < HOSTS_MAX; i++) {
            load_host(loader, &top->scope, map->key[i], map->item[i], &graph->hosts[i]);
            graph->n_hosts++;
            check_double(loader, &graph->hosts[i]);
        }
        if (map->n > HOSTS_MAX)
            diags_add(loader->diags, SEVERITY_ERROR, G_TOO_MANY, map->key[HOSTS_MAX]->place,
                      "the graph has more than %d hosts", HOSTS_MAX);
        check_keys_of_hosts(loader);
    }
    if (!coordinator || !want_text(loader, &top->scope, coordinator, "coordinator", &name) || !name)
        return;
    if (!graph->n_hosts)
        refuse_without_table(loader, coordinator->place, "'coordinator'");
    else
        graph->coordinator = find_host(loader, name, coordinator->place, "'coordinator'");
}

/* ---- Nodes -------------------------------------------------------------------------------- */

static void
want_hosts(struct loader *loader, struct scope *scope, const struct yaml *list,
           struct host_draft *out)
{
    struct host_draft *drafts = arena_alloc(loader->arena, list->n * sizeof *drafts);

    for (size_t i = 0; i < list->n; i++)
        want_host(loader, scope, list->item[i], false, &drafts[i]);
    *out = drafts[0];
    out->n_others = list->n - 1;
    out->others = drafts + 1;
}

void
want_host(struct loader *loader, struct scope *scope, const struct yaml *node, bool may_be_list,
          struct host_draft *out)
{
    const char *name = NULL;

    if (!node)
        return;
    if (node->kind == KIND_TEXT)
        node = resolve(&loader->resolver, scope, node);
    if (node->kind == KIND_LIST && may_be_list && node->n) {
        want_hosts(loader, scope, node, out);
        return;
    }
    if (node->kind == KIND_LIST) {
        diags_add(loader->diags, SEVERITY_ERROR, G_HOST_LIST, node->place,
                  "one host has to be named here, not %s", node->n ? "a list" : "an empty list");
        diags_hint(loader->diags, "nodes with replicas: and key: take a list of hosts, chains do "
                                  "not");
    } else if (want_text(loader, scope, node, "host", &name) && name) {
        *out = (struct host_draft){.name = name, .place = node->place, .index = HOST_NONE};
        return;
    }
    *out = (struct host_draft){.name = "", .place = node->place, .index = HOST_NONE,
                               .is_done = true};
}

/* What was said is looked up once, whoever inherits it. */
static size_t
index_of(struct loader *loader, struct host_draft *host, const char *what)
{
    if (!host->is_done) {
        host->is_done = true;
        if (loader->graph->n_hosts)
            host->index = find_host(loader, host->name, host->place, what);
        else
            refuse_without_table(loader, host->place, what);
    }
    return host->index;
}

static void
place_node(struct loader *loader, struct node_draft *node)
{
    struct host_draft *said = &node->host;
    struct instance *home = node->home;

    while (!said->name && home) {
        said = &home->host;
        home = home->parent;
    }
    if (said->name) {
        size_t index = index_of(loader, said, said == &node->host ? "a node" : "a chain");

        node->settings.host = index == HOST_NONE ? 0 : index;
        for (size_t i = 0; i < node->host.n_others; i++)
            index_of(loader, &node->host.others[i], "a node");
        if (node->host.n_others)
            spread_share(loader, node);
    } else if (loader->graph->n_hosts) {
        diags_add(loader->diags, SEVERITY_ERROR, G_HOST_MISSING, node->place,
                  "node '%s' lies on no host", node->full);
        diags_hint(loader->diags, "add host: %s to it, or to the include around it",
                   loader->graph->hosts[0].name);
    }
}

/* Whether the move names the node, or a chain around it. */
static bool
names_node(const char *move, size_t len, const char *node)
{
    return strncmp(node, move, len) == 0 && (!node[len] || node[len] == '.');
}

/* (4) */
static void
move_nodes(struct loader *loader, const char *move, bool is_asked)
{
    const char *equals = strchr(move, '='), *name = equals ? equals + 1 : "";
    size_t length = strcspn(name, " ");
    struct place place = {loader->graph->path, 1, 1};
    struct nearest near = {0};
    bool any = false;
    size_t host;

    if (!length || (name[length] && strcmp(name + length, HOST_APART) != 0)) {
        diags_add(loader->diags, SEVERITY_ERROR, G_MOVE, place, "'%.80s' is no NODE=HOST", move);
        return;
    }
    near.word = arena_textn(loader->arena, move, (size_t)(equals - move));
    host = find_host(loader, arena_textn(loader->arena, name, length), place, "a move");
    for (size_t i = 0; i < loader->n_nodes && host != HOST_NONE; i++) {
        struct node_draft *node = &loader->nodes[i];
        struct share_draft whole = {node->full, host, name[length] != 0};

        for (size_t k = 0; k < (node->n_shares ? node->n_shares : 1); k++) {
            struct share_draft *at = node->n_shares ? &node->shares[k] : &whole;

            nearest_try(&near, at->full);
            if (!names_node(move, (size_t)(equals - move), at->full))
                continue;
            any = true;
            if (node->n_shares)
                *at = (struct share_draft){at->full, host, name[length] != 0};
            else
                node->settings.host = host, node->settings.is_apart = name[length] != 0;
        }
    }
    if (any || host == HOST_NONE || !is_asked)
        return; /* what was moved once may be gone */
    diags_add(loader->diags, SEVERITY_ERROR, G_MOVE, place, "there is no node or chain '%s'",
              near.word);
    diags_nearest(loader->diags, &near);
}

bool
hosts_has_nodes(const struct graph *graph, size_t host)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i].host == host)
            return true;
    return false;
}

bool
hosts_move_means(const struct graph *graph, const char *move)
{
    size_t length = strcspn(move, "=");
    bool any = false;

    for (size_t i = 0; i < graph->n_nodes && !any; i++)
        any = names_node(move, length, graph->nodes[i].name);
    return any;
}

void
hosts_place(struct loader *loader, struct instance *top)
{
    struct graph *graph = loader->graph;

    for (size_t i = 0; i < loader->n_nodes && !top->is_chain; i++)
        place_node(loader, &loader->nodes[i]); /* who includes a chain knows the hosts */
    for (size_t i = 0; i < loader->options->n_moves && graph->n_hosts; i++)
        move_nodes(loader, loader->options->moves[i],
                   i + loader->options->n_asked >= loader->options->n_moves);
    for (struct instance *at = loader->instances; at && !top->is_chain; at = at->next)
        if (at->host.name) /* of a chain whose nodes all say something else */
            index_of(loader, &at->host, "a chain");
}

/* ---- One host alone ----------------------------------------------------------------------- */

static const char *
folder_of(struct loader *loader, const char *folder, const char *host)
{
    return folder ? arena_printf(loader->arena, "%s/%s", folder, host) : NULL;
}

void
host_choose(struct loader *loader, const struct instance *top)
{
    const char *name = loader->options->host;
    const struct yaml *table = root_value(top, "hosts");
    struct place place = table ? table->place : (struct place){loader->graph->path, 1, 1};
    struct graph *graph = loader->graph;
    size_t host;

    graph->host = HOST_NONE;
    graph->common_name = graph->name;
    if (!name)
        return;
    if (!graph->n_hosts) {
        refuse_without_table(loader, place, "--host");
        return;
    }
    if (strcmp(name, HOST_ALL) == 0)
        return;
    host = find_host(loader, name, place, "--host");
    if (host == HOST_NONE)
        return;
    graph->host = host;
    graph->name = arena_printf(loader->arena, "%s.%s", graph->name, name);
    if (graph->hosts[host].workers)
        graph->workers = graph->hosts[host].workers;
    graph->checkpoint.store = folder_of(loader, graph->checkpoint.store, name);
    graph->record = folder_of(loader, graph->record, name);
    graph->dlq.folder = folder_of(loader, graph->dlq.folder, name);
}

bool
hosts_are_apart(const struct loader *loader)
{
    const char *name = loader->options->host;

    return loader->graph->n_hosts && !loader->options->direct_via &&
           !(name && strcmp(name, HOST_ALL) == 0);
}

/* ---- What hosts have in common ------------------------------------------------------------ */

uint32_t
hosts_edge_number(const struct graph *graph, const struct graph_edge *edge)
{
    uint32_t number = 1;

    for (size_t i = 0; i < graph->n_edges; i++)
        number += graph->edges[i].is_remote && strcmp(graph->edges[i].name, edge->name) < 0;
    return number;
}

uint64_t
hosts_texts(const struct graph *graph)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < graph->n_texts; i++)
        hash = hash64(hash, graph->texts[i].text, strlen(graph->texts[i].text) + 1);
    for (size_t i = 0; i < graph->n_sets; i++)
        hash = hash64(hash, graph->sets[i], strlen(graph->sets[i]) + 1);
    return hash;
}

static void
put_end(const struct graph *graph, size_t node, hde_text *out)
{
    const struct graph_node *at = &graph->nodes[node];

    hde_text_printf(out, " on %s, %lld by %s;", graph->hosts[at->host].name,
                    (long long)at->replicas, at->key ? at->key : "-");
    if (at->spread.of)
        hde_text_printf(out, " %lld of %lld on %lld hosts;", (long long)at->spread.at,
                        (long long)at->spread.of, (long long)at->spread.hosts);
}

uint64_t
hosts_shape(const struct graph *graph)
{
    uint64_t shape = 0;

    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];
        const hde_port *port = &graph->nodes[edge->from].op->outputs[edge->from_port];
        hde_text text = {0};

        if (!edge->is_remote)
            continue;
        hde_text_printf(&text, "%s by %s:", edge->name, graph->edges[edge_carrier(graph, i)].name);
        put_end(graph, edge->from, &text);
        put_end(graph, edge->to, &text);
        for (size_t t = 0; port->types[t]; t++)
            hde_text_printf(&text, " %s", port->types[t]->name);
        shape += hash64(0, text.data, text.len); /* in whatever order the edges come */
        hde_text_free(&text);
    }
    return shape;
}
