/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/write.h"
#include "graph/params.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct graph *graph;
    const struct graph_labels *labels;
    hde_text *out;
    hde_text scratch;
};

static const hde_port *
out_port(const struct graph *graph, const struct graph_edge *edge)
{
    return &graph->nodes[edge->from].op->outputs[edge->from_port];
}

static const char *
in_port_name(const struct graph *graph, const struct graph_edge *edge)
{
    return graph->nodes[edge->to].op->inputs[edge->to_port].name;
}

static const char *
type_of(const struct graph *graph, const struct graph_edge *edge)
{
    const hde_port *port = out_port(graph, edge);

    return port->types && port->types[0] ? port->types[0]->name : "any message";
}

static const char *
full_name(enum full_policy full)
{
    static const char *const names[] = {"block", "latest", "drop_oldest", "spill"};

    return names[full];
}

static const char *
action_name(enum on_error action)
{
    static const char *const names[] = {"stop", "retry", "skip", "restart"};

    return names[action];
}

/* The caller's label of a node or edge, "" for none; valid until the next one. */
static const char *
label(struct writer *w, bool edge, size_t i)
{
    hde_text_clear(&w->scratch);
    hde_text_puts(&w->scratch, "");
    if (w->labels && (edge ? w->labels->edge : w->labels->node))
        (edge ? w->labels->edge : w->labels->node)(w->labels->arg, i, &w->scratch);
    return w->scratch.data ? w->scratch.data : "";
}

/* What differs from an edge that blocks: "latest by feed, expiry". */
static void
put_policy(const struct graph_edge *edge, hde_text *out)
{
    const char *comma = "";

    if (edge->full != FULL_BLOCK) {
        hde_text_puts(out, full_name(edge->full));
        comma = ", ";
    }
    for (size_t i = 0; i < edge->n_keys; i++)
        hde_text_printf(out, "%s%s", i ? ", " : " by ", edge->keys[i]);
    if (edge->is_durable) {
        hde_text_printf(out, "%sjournal", comma);
        comma = ", ";
    }
    if (edge->transport == TRANSPORT_ZMQ)
        hde_text_printf(out, "%szmq", comma);
    if (edge->is_remote)
        hde_text_printf(out, "%sto another host", comma);
}

/* ---- rails ------------------------------------------------------------------------------------
 * One line a node, in topological order. A node with readers opens a rail that runs down to its
 * last reader; a reader is tied to the rails of its senders by a line across:
 *
 *     o      source
 *     +-o    filter      the rail of source goes on
 *     '-'-o  join        both end here
 */

struct rails {
    struct writer *w;
    size_t *owner; /* node whose rail runs in a column, SIZE_MAX: free */
    size_t n;      /* columns in use so far */
    size_t width;  /* columns in use at the end */
    size_t *last;  /* by node: its last reader in topological order, SIZE_MAX: none */
};

static bool
reads(const struct graph *graph, size_t node, size_t from)
{
    for (size_t i = 0; i < graph->n_edges; i++)
        if (graph->edges[i].to == node && graph->edges[i].from == from)
            return true;
    return false;
}

static size_t
free_column(const struct rails *rails, size_t from)
{
    for (size_t c = from; c < rails->n; c++)
        if (rails->owner[c] == SIZE_MAX)
            return c;
    return rails->n;
}

static void
put_rails(const struct rails *rails)
{
    for (size_t c = 0; c < rails->width; c++)
        hde_text_puts(rails->w->out, c >= rails->n || rails->owner[c] == SIZE_MAX ? "  " : "| ");
}

/* The line of a node: rails that it reads are tied to its mark. Gives the mark's column. */
static void
put_mark(struct rails *rails, size_t node)
{
    const struct graph *graph = rails->w->graph;
    hde_text *out = rails->w->out;
    size_t mark = SIZE_MAX, low = SIZE_MAX, high = 0;
    bool *joined = xcalloc(rails->n + 1, sizeof *joined);

    for (size_t c = 0; c < rails->n; c++) {
        joined[c] = rails->owner[c] != SIZE_MAX && reads(graph, node, rails->owner[c]);
        if (joined[c] && rails->last[rails->owner[c]] == node && mark == SIZE_MAX)
            mark = c; /* goes on where a rail ends */
        if (joined[c])
            low = low < c ? low : c;
        high = joined[c] ? c : high;
    }
    if (mark == SIZE_MAX)
        mark = free_column(rails, low == SIZE_MAX ? 0 : low);
    if (mark == rails->n)
        rails->n++;
    low = low < mark ? low : mark;
    high = high > mark ? high : mark;
    for (size_t c = 0; c < rails->n; c++) {
        bool used = rails->owner[c] != SIZE_MAX;
        bool ends = used && joined[c] && rails->last[rails->owner[c]] == node;
        bool across = c >= low && c < high;

        hde_text_puts(out, c == mark             ? "o"
                           : ends                ? "'"
                           : used                ? (joined[c] ? "+" : "|")
                           : c > low && c < high ? "-"
                                                 : " ");
        hde_text_puts(out, across ? "-" : " ");
        if (ends)
            rails->owner[c] = SIZE_MAX;
    }
    for (size_t c = rails->n; c < rails->width; c++)
        hde_text_puts(out, "  ");
    rails->owner[mark] = rails->last[node] != SIZE_MAX ? node : SIZE_MAX;
    free(joined);
}

static void
put_node_line(struct writer *w, size_t i, int width)
{
    const struct graph_node *node = &w->graph->nodes[i];
    const char *text = label(w, false, i);

    hde_text_printf(w->out, " %-*s  %s", width, node->name, node->op->name);
    if (node->spread.of)
        hde_text_printf(w->out, ", %lld of %lld replicas by %s", (long long)node->replicas,
                        (long long)node->spread.of, node->key);
    else if (node->replicas > 1)
        hde_text_printf(w->out, ", %lld replicas by %s", (long long)node->replicas, node->key);
    if (node->boundary)
        hde_text_puts(w->out, ", boundary");
    if (node->worker >= 0)
        hde_text_printf(w->out, ", worker %lld", (long long)node->worker);
    if (w->graph->n_hosts)
        hde_text_printf(w->out, ", on %s", w->graph->hosts[node->host].name);
    hde_text_printf(w->out, "%s%s\n", *text ? "  " : "", text);
}

/* Lines below a node for edges of which there is more to say. */
static void
put_edge_lines(struct rails *rails, size_t node)
{
    struct writer *w = rails->w;

    for (size_t i = 0; i < w->graph->n_edges; i++) {
        const struct graph_edge *edge = &w->graph->edges[i];
        hde_text policy = {0};
        const char *text;

        if (edge->to != node)
            continue;
        put_policy(edge, &policy);
        text = label(w, true, i);
        if (policy.len || *text) {
            put_rails(rails);
            hde_text_printf(w->out, "   %s <- %s.%s", in_port_name(w->graph, edge),
                            w->graph->nodes[edge->from].name, out_port(w->graph, edge)->name);
            hde_text_printf(w->out, "%s%s", policy.len ? "  " : "", policy.len ? policy.data : "");
            hde_text_printf(w->out, "%s%s\n", *text ? "  " : "", text);
        }
        hde_text_free(&policy);
    }
}

static void
draw_rails(struct rails *rails, int name_width)
{
    size_t n = rails->w->graph->n_nodes;

    rails->n = 0;
    for (size_t i = 0; i <= n; i++)
        rails->owner[i] = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        put_mark(rails, i);
        put_node_line(rails->w, i, name_width);
        put_edge_lines(rails, i);
    }
    rails->width = rails->n;
}

static void
write_ascii(struct writer *w)
{
    const struct graph *graph = w->graph;
    struct rails rails = {.w = w,
                          .owner = xmalloc((graph->n_nodes + 1) * sizeof(size_t)),
                          .last = xmalloc((graph->n_nodes + 1) * sizeof(size_t))};
    size_t start = w->out->len;
    int width = 0;

    for (size_t i = 0; i < graph->n_nodes; i++) {
        int len = (int)strlen(graph->nodes[i].name);

        width = len > width ? len : width;
        rails.last[i] = SIZE_MAX;
    }
    for (size_t i = 0; i < graph->n_edges; i++) {
        size_t *last = &rails.last[graph->edges[i].from];

        if (*last == SIZE_MAX || graph->edges[i].to > *last)
            *last = graph->edges[i].to;
    }
    draw_rails(&rails, width); /* how wide it gets is known at the end only */
    w->out->len = start;
    draw_rails(&rails, width);
    free(rails.owner);
    free(rails.last);
}

/* ---- dot and mermaid: hosts are boxes around their nodes, and so are chains ------------------ */

static size_t
prefix_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot ? (size_t)(dot - name) + 1 : 0;
}

struct boxes {
    struct writer *w;
    size_t host; /* whose nodes are drawn; HOST_NONE: all */
    void (*open)(struct boxes *boxes, const char *name, size_t len, int depth);
    void (*node)(struct writer *w, size_t i, int depth);
    void (*close)(struct writer *w, int depth);
};

static bool
is_drawn(const struct boxes *boxes, size_t node)
{
    return boxes->host == HOST_NONE || boxes->w->graph->nodes[node].host == boxes->host;
}

/* True if an earlier node is in the same box below `prefix` as node i. */
static bool
is_repeated(const struct boxes *boxes, size_t i, size_t len)
{
    const struct graph *graph = boxes->w->graph;

    for (size_t j = 0; j < i; j++)
        if (is_drawn(boxes, j) && strncmp(graph->nodes[j].name, graph->nodes[i].name, len) == 0)
            return true;
    return false;
}

static void
put_box(struct boxes *boxes, const char *prefix, size_t len, int depth)
{
    const struct graph *graph = boxes->w->graph;

    for (size_t i = 0; i < graph->n_nodes; i++) {
        const char *name = graph->nodes[i].name, *dot;

        if (!is_drawn(boxes, i) || strncmp(name, prefix, len) != 0)
            continue;
        dot = strchr(name + len, '.');
        if (!dot) {
            boxes->node(boxes->w, i, depth);
        } else if (!is_repeated(boxes, i, (size_t)(dot - name) + 1)) {
            boxes->open(boxes, name, (size_t)(dot - name), depth);
            put_box(boxes, name, (size_t)(dot - name) + 1, depth + 1);
            boxes->close(boxes->w, depth);
        }
    }
}

/* Hosts around the boxes of chains, where there are hosts. */
static void
put_boxes(struct boxes *boxes)
{
    const struct graph *graph = boxes->w->graph;

    if (!graph->n_hosts)
        put_box(boxes, "", 0, 1);
    for (boxes->host = 0; boxes->host < graph->n_hosts; boxes->host++) {
        const char *name = graph->hosts[boxes->host].name;

        boxes->open(boxes, name, strlen(name), 1);
        put_box(boxes, "", 0, 2);
        boxes->close(boxes->w, 1);
    }
}

/* Of boxes that other hosts have too. */
static const char *
host_prefix(const struct boxes *boxes, const char *name, size_t len)
{
    const struct graph *graph = boxes->w->graph;
    const char *host = boxes->host == HOST_NONE ? "" : graph->hosts[boxes->host].name;

    return strncmp(host, name, len) == 0 && !host[len] ? "" : host;
}

static void
put_edge_text(struct writer *w, size_t i, const char *separator, hde_text *out)
{
    const struct graph_edge *edge = &w->graph->edges[i];
    const char *type = type_of(w->graph, edge), *dot = strrchr(type, '.'), *text;
    hde_text policy = {0};

    hde_text_puts(out, dot ? dot + 1 : type);
    put_policy(edge, &policy);
    if (policy.len)
        hde_text_printf(out, "%s%s", separator, policy.data);
    hde_text_free(&policy);
    text = label(w, true, i);
    if (*text)
        hde_text_printf(out, "%s%s", separator, text);
}

static void
dot_open(struct boxes *boxes, const char *name, size_t len, int depth)
{
    const char *host = host_prefix(boxes, name, len);
    struct writer *w = boxes->w;
    size_t from = len;

    while (from && name[from - 1] != '.')
        from--;
    hde_text_printf(w->out, "%*ssubgraph \"cluster_%s%s%.*s\" {\n%*slabel=\"%.*s\"\n",
                    depth * 2, "", host, *host ? "_" : "", (int)len, name, depth * 2 + 2, "", (int)(len - from), name + from);
}

static void
dot_node(struct writer *w, size_t i, int depth)
{
    const struct graph_node *node = &w->graph->nodes[i];
    const char *text = label(w, false, i);

    hde_text_printf(w->out, "%*s\"%s\" [label=\"%s\\n%s%s%s\"]\n", depth * 2, "", node->name,
                    node->name + prefix_length(node->name), node->op->name, *text ? "\\n" : "",
                    text);
}

static void
dot_close(struct writer *w, int depth)
{
    hde_text_printf(w->out, "%*s}\n", depth * 2, "");
}

static void
write_dot(struct writer *w)
{
    struct boxes boxes = {w, HOST_NONE, dot_open, dot_node, dot_close};
    const struct graph *graph = w->graph;

    hde_text_printf(w->out,
                    "digraph \"%s\" {\n  rankdir=LR\n  node [shape=box, fontname=\"Helvetica\"]\n"
                    "  edge [fontname=\"Helvetica\", fontsize=10]\n",
                    graph->name);
    put_boxes(&boxes);
    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];

        hde_text_printf(w->out, "  \"%s\" -> \"%s\" [label=\"", graph->nodes[edge->from].name,
                        graph->nodes[edge->to].name);
        put_edge_text(w, i, "\\n", w->out);
        hde_text_puts(w->out, "\"]\n");
    }
    hde_text_puts(w->out, "}\n");
}

static void
mermaid_open(struct boxes *boxes, const char *name, size_t len, int depth)
{
    const char *host = host_prefix(boxes, name, len);
    struct writer *w = boxes->w;
    size_t from = len;

    while (from && name[from - 1] != '.')
        from--;
    hde_text_printf(w->out, "%*ssubgraph g_%s%s", depth * 2, "", host, *host ? "_" : "");
    for (size_t i = 0; i < len; i++)
        hde_text_put(w->out, name[i] == '.' ? "_" : &name[i], 1);
    hde_text_printf(w->out, " [\"%.*s\"]\n", (int)(len - from), name + from);
}

static void
mermaid_node(struct writer *w, size_t i, int depth)
{
    const struct graph_node *node = &w->graph->nodes[i];
    const char *text = label(w, false, i);

    hde_text_printf(w->out, "%*sn%zu[\"%s<br/>%s%s%s\"]\n", depth * 2, "", i,
                    node->name + prefix_length(node->name), node->op->name, *text ? "<br/>" : "",
                    text);
}

static void
mermaid_close(struct writer *w, int depth)
{
    hde_text_printf(w->out, "%*send\n", depth * 2, "");
}

static void
write_mermaid(struct writer *w)
{
    struct boxes boxes = {w, HOST_NONE, mermaid_open, mermaid_node, mermaid_close};

    hde_text_puts(w->out, "flowchart LR\n");
    put_boxes(&boxes);
    for (size_t i = 0; i < w->graph->n_edges; i++) {
        hde_text_printf(w->out, "  n%zu -->|\"", w->graph->edges[i].from);
        put_edge_text(w, i, "<br/>", w->out);
        hde_text_printf(w->out, "\"| n%zu\n", w->graph->edges[i].to);
    }
}

/* ---- JSON: the whole model ------------------------------------------------------------------- */

static void
put_texts(hde_text *out, const char *const *texts, size_t n)
{
    hde_text_puts(out, "[");
    for (size_t i = 0; i < n; i++) {
        hde_text_puts(out, i ? "," : "");
        hde_json_string(out, texts[i]);
    }
    hde_text_puts(out, "]");
}

static void
put_map(hde_text *out, const hde_map *map)
{
    hde_text_puts(out, "{");
    for (size_t i = 0; i < map->n; i++) {
        hde_text_puts(out, i ? "," : "");
        hde_json_string(out, map->key[i]);
        hde_text_puts(out, ":");
        hde_json_string(out, map->value[i]);
    }
    hde_text_puts(out, "}");
}

void
graph_write_param(hde_text *out, const hde_param *param, const void *state)
{
    const void *field = (const char *)state + param->offset;
    const hde_list *list = field;

    switch (param->type) {
    case HDE_PARAM_BOOL:
        hde_text_puts(out, *(const bool *)field ? "true" : "false");
        break;
    case HDE_PARAM_INT:
    case HDE_PARAM_SIZE:
        hde_json_integer(out, *(const int64_t *)field);
        break;
    case HDE_PARAM_REAL:
    case HDE_PARAM_RATIO:
        hde_json_number(out, *(const double *)field);
        break;
    case HDE_PARAM_DURATION:
        hde_json_number(out, (double)((const hde_duration *)field)->ns / 1e9);
        break;
    case HDE_PARAM_TEXT:
    case HDE_PARAM_PATH:
        hde_json_string(out, *(const char *const *)field);
        break;
    case HDE_PARAM_SECRET:
        hde_json_string(out, ((const hde_secret *)field)->text ? "(secret)" : NULL);
        break;
    case HDE_PARAM_LIST:
        put_texts(out, list->item, list->n);
        break;
    case HDE_PARAM_MAP:
        put_map(out, field);
        break;
    }
}

static void
json_place(hde_text *out, struct place place)
{
    hde_text_puts(out, ",\"file\":");
    hde_json_string(out, place.file);
    hde_text_printf(out, ",\"line\":%u,\"column\":%u", place.line, place.column);
}

static void
json_node(struct writer *w, size_t i)
{
    const struct graph_node *node = &w->graph->nodes[i];
    const struct error_policy *policy = &node->on_error;
    const char *text;

    hde_text_puts(w->out, "{\"name\":");
    hde_json_string(w->out, node->name);
    hde_text_puts(w->out, ",\"op\":");
    hde_json_string(w->out, node->op->name);
    hde_text_puts(w->out, ",\"plugin\":");
    hde_json_string(w->out, node->plugin_path);
    json_place(w->out, node->place);
    hde_text_printf(w->out, ",\"replicas\":%lld,\"key\":", (long long)node->replicas);
    hde_json_string(w->out, node->key);
    if (w->graph->n_hosts) {
        hde_text_puts(w->out, ",\"host\":");
        hde_json_string(w->out, w->graph->hosts[node->host].name);
    }
    hde_text_printf(w->out, ",\"boundary\":%s,\"worker\":", node->boundary ? "true" : "false");
    hde_text_printf(w->out, node->worker < 0 ? "null" : "%lld", (long long)node->worker);
    hde_text_printf(w->out, ",\"on_error\":{\"do\":\"%s\",\"attempts\":%lld,\"then\":\"%s\"",
                    action_name(policy->action), (long long)policy->attempts,
                    action_name(policy->then));
    hde_text_printf(w->out, ",\"limit\":%lld,\"within\":%g", (long long)policy->limit,
                    (double)policy->within_ns / 1e9);
    hde_text_puts(w->out, ",\"backoff\":");
    hde_json_number(w->out, (double)policy->backoff_ns / 1e9);
    hde_text_puts(w->out, ",\"max_backoff\":");
    hde_json_number(w->out, (double)policy->max_backoff_ns / 1e9);
    hde_text_puts(w->out, "},\"isolate\":");
    if (node->isolate.is_on)
        hde_text_printf(w->out, "{\"memory\":%lld,\"timeout\":%g,\"network\":%s}",
                        (long long)node->isolate.memory_bytes,
                        (double)node->isolate.timeout_ns / 1e9,
                        node->isolate.network ? "true" : "false");
    else
        hde_text_puts(w->out, "null");
    hde_text_puts(w->out, ",\"params\":{");
    for (const hde_param *param = node->op->params; param && param->name; param++) {
        hde_text_puts(w->out, param == node->op->params ? "" : ",");
        hde_json_string(w->out, param->name);
        hde_text_puts(w->out, ":");
        graph_write_param(w->out, param, node->params);
    }
    hde_text_puts(w->out, "}");
    text = label(w, false, i);
    if (*text) {
        hde_text_puts(w->out, ",\"label\":");
        hde_json_string(w->out, text);
    }
    hde_text_puts(w->out, "}");
}

static void
json_edge(struct writer *w, size_t i)
{
    const struct graph *graph = w->graph;
    const struct graph_edge *edge = &graph->edges[i];
    const char *const names[] = {"name", "from", "from_port", "to", "to_port", "type", "full"};
    const char *const values[] = {edge->name,
                                  graph->nodes[edge->from].name,
                                  out_port(graph, edge)->name,
                                  graph->nodes[edge->to].name,
                                  in_port_name(graph, edge),
                                  type_of(graph, edge),
                                  full_name(edge->full)};
    const char *text;

    for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
        hde_text_printf(w->out, "%s\"%s\":", j ? "," : "{", names[j]);
        hde_json_string(w->out, values[j]);
    }
    json_place(w->out, edge->place);
    hde_text_puts(w->out, ",\"key\":");
    put_texts(w->out, edge->keys, edge->n_keys);
    hde_text_printf(w->out, ",\"capacity\":{\"messages\":%lld,\"bytes\":%lld},\"transport\":\"%s\"",
                    (long long)edge->capacity_messages, (long long)edge->capacity_bytes,
                    edge->is_remote                    ? "host"
                    : edge->transport == TRANSPORT_ZMQ ? "zmq"
                                                       : "auto");
    text = label(w, true, i);
    if (*text) {
        hde_text_puts(w->out, ",\"label\":");
        hde_json_string(w->out, text);
    }
    hde_text_puts(w->out, "}");
}

static void
json_hosts(struct writer *w)
{
    const struct graph *graph = w->graph;

    hde_text_puts(w->out, ",\"coordinator\":");
    hde_json_string(w->out, graph->hosts[graph->coordinator].name);
    hde_text_puts(w->out, ",\"hosts\":[");
    for (size_t i = 0; i < graph->n_hosts; i++) {
        const struct graph_host *host = &graph->hosts[i];

        hde_text_puts(w->out, i ? ",{\"name\":" : "{\"name\":");
        hde_json_string(w->out, host->name);
        hde_text_puts(w->out, ",\"listen\":");
        hde_json_string(w->out, host->listen);
        hde_text_puts(w->out, ",\"address\":");
        hde_json_string(w->out, host->address);
        hde_text_puts(w->out, ",\"public_key\":");
        hde_json_string(w->out, host->public_key);
        hde_text_printf(w->out, ",\"workers\":%lld}", (long long)host->workers);
    }
    hde_text_puts(w->out, "]");
}

static void
write_json(struct writer *w)
{
    const struct graph *graph = w->graph;

    hde_text_puts(w->out, "{\"graph\":");
    hde_json_string(w->out, graph->name);
    hde_text_puts(w->out, ",\"path\":");
    hde_json_string(w->out, graph->path);
    hde_text_printf(w->out, ",\"workers\":%lld", (long long)graph->workers);
    if (graph->n_hosts)
        json_hosts(w);
    hde_text_puts(w->out, ",\"nodes\":[");
    for (size_t i = 0; i < graph->n_nodes; i++) {
        hde_text_puts(w->out, i ? "," : "");
        json_node(w, i);
    }
    hde_text_puts(w->out, "],\"edges\":[");
    for (size_t i = 0; i < graph->n_edges; i++) {
        hde_text_puts(w->out, i ? "," : "");
        json_edge(w, i);
    }
    hde_text_puts(w->out, "]}\n");
}

void
graph_write(const struct graph *graph, enum graph_format format, const struct graph_labels *labels,
            hde_text *out)
{
    static void (*const writers[])(struct writer *) = {[GRAPH_ASCII] = write_ascii,
                                                       [GRAPH_DOT] = write_dot,
                                                       [GRAPH_MERMAID] = write_mermaid,
                                                       [GRAPH_JSON] = write_json};
    struct writer w = {.graph = graph, .labels = labels, .out = out};

    writers[format](&w);
    hde_text_free(&w.scratch);
}
