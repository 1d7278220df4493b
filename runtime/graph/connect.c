/* SPDX-License-Identifier: Apache-2.0
 * connect - pieces of paths to ports of nodes, and from these the edges. */
#include "base/nearest.h"
#include "graph/load.h"

#include <stdint.h>
#include <string.h>

const hde_port *
end_port(const struct loader *loader, struct end end, bool output)
{
    const hde_operator *op = loader->nodes[end.node].op;

    return &(output ? op->outputs : op->inputs)[end.port];
}

const char *
end_name(struct loader *loader, struct end end, bool output)
{
    return arena_printf(loader->arena, "%s.%s", loader->nodes[end.node].full,
                        end_port(loader, end, output)->name);
}

const char *
types_text(struct loader *loader, const hde_port *port)
{
    const char *text = "";

    for (size_t i = 0; port->types && port->types[i]; i++)
        text = i ? arena_printf(loader->arena, "%s or %s", text, port->types[i]->name)
                 : port->types[i]->name;
    return *text ? text : "any message";
}

static void
ends_add(struct loader *loader, struct ends *ends, struct end end)
{
    if (ends->n == ends->cap) {
        struct end *list;

        ends->cap = ends->cap ? ends->cap * 2 : 2;
        list = arena_alloc(loader->arena, ends->cap * sizeof *list);
        if (ends->n)
            memcpy(list, ends->list, ends->n * sizeof *list);
        ends->list = list;
    }
    ends->list[ends->n++] = end;
}

/* ---- the ports of a member: of a node from its operator, of a chain from its file ----------- */

static bool
is_known(const struct loader *loader, const struct member *member)
{
    return member->chain || (member->node != SIZE_MAX && loader->nodes[member->node].op);
}

static size_t
n_ports(const struct loader *loader, const struct member *member, bool output)
{
    const hde_operator *op;

    if (member->chain)
        return output ? member->chain->n_outputs : member->chain->n_inputs;
    op = loader->nodes[member->node].op;
    return count_ports(output ? op->outputs : op->inputs);
}

static struct chain_port *
chain_port(const struct member *member, bool output, size_t i)
{
    return &(output ? member->chain->outputs : member->chain->inputs)[i];
}

static const char *
port_name(const struct loader *loader, const struct member *member, bool output, size_t i)
{
    if (member->chain)
        return chain_port(member, output, i)->name;
    return end_port(loader, (struct end){member->node, (unsigned)i}, output)->name;
}

static const char *
port_types(struct loader *loader, const struct member *member, bool output, size_t i)
{
    struct end end = {member->node, (unsigned)i};

    if (member->chain) {
        const struct ends *ends = &chain_port(member, output, i)->ends;

        if (ends->n == 0)
            return "unknown";
        end = ends->list[0];
    }
    return types_text(loader, end_port(loader, end, output));
}

static size_t
find_port(const struct loader *loader, const struct member *member, bool output, const char *name)
{
    for (size_t i = 0; i < n_ports(loader, member, output); i++)
        if (strcmp(port_name(loader, member, output, i), name) == 0)
            return i;
    return SIZE_MAX;
}

static void
take_port(struct loader *loader, const struct member *member, bool output, size_t i,
          struct ends *out)
{
    struct chain_port *port;

    if (!member->chain) {
        ends_add(loader, out, (struct end){member->node, (unsigned)i});
        return;
    }
    port = chain_port(member, output, i);
    port->connected = true;
    out->broken = out->broken || port->ends.broken;
    for (size_t j = 0; j < port->ends.n; j++)
        ends_add(loader, out, port->ends.list[j]);
}

/* ---- findings ------------------------------------------------------------------------------- */

static const char *
member_text(struct loader *loader, const struct member *member)
{
    if (member->chain)
        return arena_printf(loader->arena, "chain '%s'", member->name);
    return arena_printf(loader->arena, "node '%s' (%s)", member->name,
                        loader->nodes[member->node].op->name);
}

static void
hint_ports(struct loader *loader, const struct member *member, bool output)
{
    hde_text list = {0};

    for (size_t i = 0; i < n_ports(loader, member, output); i++)
        hde_text_printf(&list, "%s%s (%s)",
                        i        ? ", "
                        : output ? "outputs: "
                                 : "inputs: ",
                        port_name(loader, member, output, i),
                        port_types(loader, member, output, i));
    diags_hint(loader->diags, "%s",
               list.data ? list.data
               : output  ? "it has no outputs"
                         : "it has no inputs");
    hde_text_free(&list);
}

/* What was meant can only be guessed; so that one slip is one finding, the guess counts as used. */
static void
assume_used(struct loader *loader, const struct member *member, bool output)
{
    if (!member || !is_known(loader, member))
        return;
    for (size_t i = 0; i < n_ports(loader, member, output); i++) {
        const struct node_draft *node = &loader->nodes[member->node];

        if (member->chain)
            chain_port(member, output, i)->connected = true;
        else
            (output ? node->out_used : node->in_used)[i] = true;
    }
}

static void
refuse_member(struct loader *loader, const struct instance *instance, const struct piece *piece,
              bool output)
{
    struct nearest near = {.word = piece->name};

    diags_add(loader->diags, SEVERITY_ERROR, G_NODE, piece->place,
              "there is no node or chain '%.80s' in this file", piece->name);
    for (size_t i = 0; i < instance->n_members; i++)
        nearest_try(&near, instance->members[i].name);
    diags_nearest(loader->diags, &near);
    if (near.best)
        assume_used(loader, find_member(instance, near.best), output);
}

static void
refuse_port(struct loader *loader, const struct member *member, const struct piece *piece,
            bool output)
{
    struct nearest near = {.word = piece->port};

    diags_add(loader->diags, SEVERITY_ERROR, G_PORT, piece->port_place, "%s has no %s '%.80s'",
              member_text(loader, member), output ? "output" : "input", piece->port);
    for (size_t i = 0; i < n_ports(loader, member, output); i++)
        nearest_try(&near, port_name(loader, member, output, i));
    diags_nearest(loader->diags, &near);
    hint_ports(loader, member, output);
}

/* ---- pieces to ends ------------------------------------------------------------------------- */

/* middle: the piece stands between two arrows, so its port may be meant for the other one. */
static void
piece_ends(struct loader *loader, const struct instance *instance, const struct piece *piece,
           bool output, bool middle, struct ends *out)
{
    const struct member *member = find_member(instance, piece->name);
    size_t n, port = 0;
    bool left_out = !piece->port;

    if (!member || !is_known(loader, member)) {
        if (!member && (output || !middle)) /* said once */
            refuse_member(loader, instance, piece, output);
        out->broken = true;
        return;
    }
    n = n_ports(loader, member, output);
    if (piece->port) {
        port = find_port(loader, member, output, piece->port);
        left_out = port == SIZE_MAX && middle &&
                   find_port(loader, member, !output, piece->port) != SIZE_MAX;
    }
    if (left_out && n == 1) {
        port = 0;
    } else if (left_out || (n == 0 && !middle)) {
        diags_add(loader->diags, SEVERITY_ERROR, n ? G_PORT_CHOICE : G_NO_PORT, piece->place,
                  n ? "%s has several %s: say which" : "%s has no %s", member_text(loader, member),
                  output ? "outputs" : "inputs");
        if (n)
            hint_ports(loader, member, output);
        port = SIZE_MAX;
    } else if (port == SIZE_MAX && (output || !middle)) {
        refuse_port(loader, member, piece, output);
    }
    if (port == SIZE_MAX) {
        assume_used(loader, member, output);
        out->broken = true;
    } else {
        take_port(loader, member, output, port, out);
    }
}

static struct ends
step_ends(struct loader *loader, const struct instance *instance, const struct step *step,
          bool output, bool middle)
{
    struct ends ends = {0};

    for (size_t i = 0; i < step->n; i++)
        piece_ends(loader, instance, &step->piece[i], output, middle, &ends);
    return ends;
}

static void
mark_used(struct loader *loader, const struct ends *ends, bool output)
{
    for (size_t i = 0; i < ends->n; i++) {
        struct node_draft *node = &loader->nodes[ends->list[i].node];

        (output ? node->out_used : node->in_used)[ends->list[i].port] = true;
    }
}

/* ---- ports of a chain ----------------------------------------------------------------------- */

static void
add_chain_end(struct loader *loader, struct instance *instance, const struct yaml *node,
              const char *name, bool output, struct ends *ends)
{
    struct path path;

    node = resolve(&loader->resolver, &instance->scope, node);
    if (node->kind != KIND_TEXT && node->kind != KIND_UNKNOWN)
        diags_add(loader->diags, SEVERITY_ERROR, G_KIND, node->place,
                  "'%s' needs a node.port of this file, not %s", name, yaml_kind_name(node));
    if (node->kind != KIND_TEXT || !path_parse(loader, node, true, &path)) {
        ends->broken = true;
        return;
    }
    for (size_t i = 0; i < path.step[0].n; i++)
        piece_ends(loader, instance, &path.step[0].piece[i], output, false, ends);
}

static struct chain_port *
load_chain_ports(struct loader *loader, struct instance *instance, bool output, size_t *n)
{
    const char *key = output ? "outputs" : "inputs";
    const struct yaml *map = want_map(loader, NULL, root_value(instance, key), key);
    struct chain_port *ports;

    *n = map ? map->n : 0;
    ports = arena_alloc(loader->arena, (*n + 1) * sizeof *ports);
    for (size_t i = 0; i < *n; i++) {
        const struct yaml *value = map->item[i];
        struct chain_port *port = &ports[i];

        check_name(loader, map->key[i], output ? "an output" : "an input");
        port->name = map->key[i]->text;
        port->place = map->key[i]->place;
        if (value->kind != KIND_LIST)
            add_chain_end(loader, instance, value, port->name, output, &port->ends);
        else if (value->n == 0)
            diags_add(loader->diags, SEVERITY_ERROR, G_KIND, value->place,
                      "'%s' needs at least one node.port", port->name);
        for (size_t j = 0; value->kind == KIND_LIST && j < value->n; j++)
            add_chain_end(loader, instance, value->item[j], port->name, output, &port->ends);
        mark_used(loader, &port->ends, output);
    }
    return ports;
}

void
connect_chain_ports(struct loader *loader, struct instance *instance)
{
    if (!instance->is_chain)
        return;
    instance->inputs = load_chain_ports(loader, instance, false, &instance->n_inputs);
    instance->outputs = load_chain_ports(loader, instance, true, &instance->n_outputs);
}

/* ---- edges ---------------------------------------------------------------------------------- */

static bool
fits(const hde_port *from, const hde_port *to)
{
    if (!from->types || !from->types[0] || !to->types || !to->types[0])
        return true;
    for (size_t i = 0; to->types[i]; i++)
        if (strcmp(from->types[0]->name, to->types[i]->name) == 0)
            return true;
    return false;
}

bool
loader_add_edge(struct loader *loader, struct edge_draft edge)
{
    if (loader->n_edges == EDGES_MAX) {
        if (!loader->too_many)
            diags_add(loader->diags, SEVERITY_ERROR, G_TOO_MANY, edge.place,
                      "the graph has more than %d edges", EDGES_MAX);
        loader->too_many = true;
        return false;
    }
    if (loader->n_edges == loader->cap_edges) {
        loader->cap_edges = loader->cap_edges ? loader->cap_edges * 2 : 64;
        loader->edges = xrealloc(loader->edges, loader->cap_edges * sizeof *loader->edges);
    }
    loader->edges[loader->n_edges++] = edge;
    return true;
}

static void
add_edge(struct loader *loader, struct end from, struct end to, struct place place,
         const struct edge_settings *settings)
{
    const hde_port *out = end_port(loader, from, true), *in = end_port(loader, to, false);

    if (!fits(out, in)) {
        diags_add(loader->diags, SEVERITY_ERROR, G_TYPES, place, "'%s' sends %s, '%s' takes %s",
                  end_name(loader, from, true), types_text(loader, out),
                  end_name(loader, to, false), types_text(loader, in));
        return;
    }
    loader_add_edge(loader, (struct edge_draft){from, to, place, settings});
}

static void
connect_path(struct loader *loader, const struct instance *instance, const struct path *path,
             const struct edge_settings *settings)
{
    for (size_t i = 0; i + 1 < path->n && !loader->too_many; i++) {
        const struct step *right = &path->step[i + 1];
        struct ends from = step_ends(loader, instance, &path->step[i], true, i > 0);

        mark_used(loader, &from, true);
        for (size_t j = 0; j < right->n; j++) {
            struct ends to = {0};

            piece_ends(loader, instance, &right->piece[j], false, i + 2 < path->n, &to);
            mark_used(loader, &to, false);
            for (size_t k = 0; k < from.n; k++)
                for (size_t m = 0; m < to.n && !loader->too_many; m++)
                    add_edge(loader, from.list[k], to.list[m],
                             right->piece[j].port ? right->piece[j].port_place
                                                  : right->piece[j].place,
                             settings);
        }
    }
}

/* Keys that each edge of the path has to have as a field; the fields are checked later. */
static void
load_keys(struct loader *loader, struct instance *instance, const struct yaml *node,
          struct edge_settings *out)
{
    const char **keys;
    struct place *places;
    size_t n;

    if (!node)
        return;
    if (node->kind == KIND_TEXT)
        node = resolve(&loader->resolver, &instance->scope, node);
    n = node->kind == KIND_LIST ? node->n : 1;
    keys = arena_alloc(loader->arena, (n + 1) * sizeof *keys);
    places = arena_alloc(loader->arena, (n + 1) * sizeof *places);
    for (size_t i = 0; i < n; i++) {
        const struct yaml *item = node->kind == KIND_LIST ? node->item[i] : node;
        const char *text = NULL;

        if (!want_text(loader, &instance->scope, item, "key", &text) || !text)
            continue;
        keys[out->n_keys] = text;
        places[out->n_keys++] = item->place;
    }
    out->keys = keys;
    out->key_places = places;
    if (out->full != FULL_LATEST && !out->via) {
        diags_add(loader->diags, SEVERITY_ERROR, G_NO_EFFECT, node->place,
                  "'key' has no effect without 'full: latest' or 'via'");
        out->n_keys = 0;
    }
}

static void
load_via(struct loader *loader, struct instance *instance, const struct yaml *node,
         struct edge_settings *out)
{
    const char *text = NULL;

    if (!node || !want_text(loader, &instance->scope, node, "via", &text) || !text)
        return;
    if (strncmp(text, "kafka:", 6) || !text[6] || strlen(text) > 200) {
        diags_add(loader->diags, SEVERITY_ERROR, G_VIA, node->place,
                  "'via' is kafka:TOPIC, not '%.60s'", text);
        return;
    }
    out->via = text + 6;
    out->via_place = node->place;
}

static const struct edge_settings *
load_settings(struct loader *loader, struct instance *instance, const struct yaml *map)
{
    static const struct known_key keys[] = {
        {"path", false},     {"full", false},      {"key", false},
        {"capacity", false}, {"transport", false}, {"durable", false},
        {"journal", false},  {"via", false},       {"delivery", false},
        {0}};
    static const struct word policies[] = {{"block", FULL_BLOCK},
                                           {"latest", FULL_LATEST},
                                           {"drop_oldest", FULL_DROP_OLDEST},
                                           {"spill", FULL_SPILL},
                                           {0}};
    static const struct word durables[] = {{"journal", true}, {0}};
    static const struct word transports[] = {
        {"zmq", TRANSPORT_ZMQ}, {"ipc", UNSUPPORTED}, {"tcp", UNSUPPORTED}, {0}};
    struct edge_settings *settings = arena_alloc(loader->arena, sizeof *settings);
    int full = FULL_BLOCK, transport = TRANSPORT_AUTO, durable = false;

    *settings = (struct edge_settings){.capacity_messages = 1024,
                                       .capacity_bytes = 64 << 20,
                                       .journal_bytes = INT64_C(4) << 30};
    if (!map)
        return settings;
    check_keys(loader, map, keys, "an edge");
    want_word(loader, &instance->scope, yaml_find(map, "full"), "full", policies, &full);
    want_word(loader, &instance->scope, yaml_find(map, "transport"), "transport", transports,
              &transport);
    want_word(loader, &instance->scope, yaml_find(map, "durable"), "durable", durables, &durable);
    want_journal(loader, &instance->scope, yaml_find(map, "journal"), settings);
    load_via(loader, instance, yaml_find(map, "via"), settings);
    settings->is_durable = durable;
    settings->full = (enum full_policy)full;
    settings->transport = (enum edge_transport)transport;
    want_delivery(loader, &instance->scope, yaml_find(map, "delivery"), &settings->delivery);
    want_capacity(loader, &instance->scope, yaml_find(map, "capacity"), settings);
    load_keys(loader, instance, yaml_find(map, "key"), settings);
    return settings;
}

/* Of a path that cannot be read every name counts as used. */
static void
assume_all_used(struct loader *loader, const struct instance *instance, const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    while (*(text += strcspn(text, letters))) {
        size_t len = strspn(text, letters);
        const struct member *member = find_member(instance, arena_textn(loader->arena, text, len));

        assume_used(loader, member, false);
        assume_used(loader, member, true);
        text += len;
    }
}

static void
connect_item(struct loader *loader, struct instance *instance, const struct yaml *item,
             const struct edge_settings *plain)
{
    const struct edge_settings *settings = plain;
    const struct yaml *text = item;
    struct path path;

    if (item->kind == KIND_MAP) {
        settings = load_settings(loader, instance, item);
        text = yaml_find(item, "path");
        if (!text) {
            diags_add(loader->diags, SEVERITY_ERROR, G_MISSING_KEY, item->place,
                      "an edge needs 'path': a -> b");
            return;
        }
    }
    text = resolve(&loader->resolver, &instance->scope, text);
    if (text->kind == KIND_TEXT) {
        if (path_parse(loader, text, false, &path))
            connect_path(loader, instance, &path, settings);
        else
            assume_all_used(loader, instance, text->text);
    } else if (text->kind != KIND_UNKNOWN) {
        diags_add(loader->diags, SEVERITY_ERROR, G_KIND, text->place,
                  "a path is a text like a -> b, not %s", yaml_kind_name(text));
        if (text->kind == KIND_LIST)
            diags_hint(loader->diags, "put a path with brackets in quotes: \"[a, b] -> c\"");
    }
}

void
connect_edges(struct loader *loader, struct instance *instance)
{
    const struct yaml *list =
        want_list(loader, &instance->scope, root_value(instance, "edges"), "edges");
    const struct edge_settings *plain = load_settings(loader, instance, NULL);

    for (size_t i = 0; list && i < list->n; i++)
        connect_item(loader, instance, list->item[i], plain);
}
