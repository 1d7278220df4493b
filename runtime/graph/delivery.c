/* SPDX-License-Identifier: Apache-2.0
 * delivery - the hops between the sources and a sink, and what a crash does to each.
 *
 *  (1) Something is lost where a hop lets go of it before the next one has it for good; it comes
 *      twice where a hop cannot tell that the next one has it. Effectively once is neither.
 *  (2) With a log kept, all that a source has given is in it; sources go on behind that. A source
 *      that neither goes back to where it stood nor reads something live begins again at its
 *      beginning. [tests/graph/bad_graphs.c: one graph for each kind of hop that breaks the
 *      promise] */
#include "graph/delivery.h"

#include "base/arena.h"
#include "graph/codes.h"

#include <stdlib.h>
#include <string.h>

struct hop {
    bool loses, doubles;
    const char *why, *advice;
    struct place place;
};

const char *
delivery_name(enum delivery level)
{
    static const char *const names[] = {"no promise", "at_most_once", "at_least_once",
                                        "effectively_once"};

    return names[level];
}

bool
delivery_is_sink(const struct graph_node *node)
{
    return !(node->op->flags & HDE_VIEW) && node->op->inputs && node->op->inputs[0].name &&
           !(node->op->outputs && node->op->outputs[0].name);
}

/* Where a parameter says that the sink writes; NULL: to nothing that stays. */
static const char *
store_of(const struct graph_node *node, const hde_param *param)
{
    const char *name, *slash;

    /* a text or a path: both begin with the pointer */
    memcpy(&name, (const char *)node->params + param->offset, sizeof name);
    slash = name ? strrchr(name, '/') : NULL;
    return name && *name && strcmp(slash ? slash + 1 : name, "-") != 0 ? name : NULL;
}

bool
delivery_has_mark(const struct graph_node *node)
{
    const hde_param *param = node->op->params;

    if (!node->op->mark)
        return false;
    for (; param && param->name && node->params; param++)
        if (param->flags & HDE_PARAM_STORE && !store_of(node, param))
            return false;
    return true;
}

const char *
delivery_file(const struct graph_node *node)
{
    const hde_param *param = node->op->params;

    for (; param && param->name && node->params; param++)
        if (param->flags & HDE_PARAM_STORE && param->type == HDE_PARAM_PATH)
            return store_of(node, param);
    return NULL;
}

bool
delivery_keeps_questions(const hde_operator *op)
{
    return op->flags & HDE_IMPURE && (op->flags & HDE_ANSWERS_LATER || (!op->event && !op->timer));
}

/* ---- Hops --------------------------------------------------------------------------------- */

static struct hop
log_hop(const struct graph *graph)
{
    if (graph->checkpoint.store)
        return (struct hop){0};
    return (struct hop){.loses = true,
                        .why = "no log is kept: a crash loses what is under way",
                        .advice = "checkpoint: {every: 10s, store: kept}"};
}

static struct hop
source_hop(const struct graph *graph, const struct graph_node *node, struct arena *arena)
{
    const hde_operator *op = node->op;
    struct hop hop = {.place = node->place};

    if (!op->poll || op->flags & HDE_LIVE_ONLY || (op->seek && graph->checkpoint.store))
        return hop;
    hop.doubles = true;
    hop.why = op->seek ? arena_printf(arena,
                                      "source '%s' (%s) begins again at its beginning, since no "
                                      "log says where it stood",
                                      node->name, op->name)
                       : arena_printf(arena,
                                      "source '%s' (%s) begins again at its beginning: it cannot "
                                      "go back to where it stood",
                                      node->name, op->name);
    hop.advice = op->seek ? "checkpoint: {every: 10s, store: kept}"
                          : "take a source with seek(), or promise at_least_once";
    return hop;
}

/* What impure operators were asked is kept with the log, or the graph is refused (HDE-G325). */
static struct hop
node_hop(const struct graph_node *node, struct arena *arena)
{
    struct hop hop = {.place = node->place};

    if (node->on_error.action != ON_ERROR_SKIP && node->on_error.then != ON_ERROR_SKIP)
        return hop;
    hop.loses = true;
    hop.why = arena_printf(arena, "node '%s' puts messages aside that it fails on (on_error: skip)",
                           node->name);
    hop.advice = "on_error: stop, or {do: retry} without an end";
    return hop;
}

static struct hop
edge_hop(const struct graph_edge *edge, struct arena *arena)
{
    struct hop hop = {.place = edge->place};

    if (edge->full != FULL_LATEST && edge->full != FULL_DROP_OLDEST)
        return hop;
    hop.loses = true;
    hop.why = arena_printf(arena, "edge '%s' drops messages when its reader is behind (full: %s)",
                           edge->name, edge->full == FULL_LATEST ? "latest" : "drop_oldest");
    hop.advice = "full: block";
    return hop;
}

bool
delivery_waits(const struct graph_node *node)
{
    return node->op->flags & HDE_AT_MOST_ONCE || delivery_has_mark(node);
}

/* A sink that keeps nothing: started again, it is given again what came since its last state. */
static struct hop
lossy_hop(const struct graph_node *node, struct arena *arena)
{
    bool comes_again = node->isolate.is_on || node->on_error.action == ON_ERROR_RESTART;
    struct hop hop = {.loses = true, .doubles = comes_again, .place = node->place};

    hop.why = arena_printf(arena,
                           comes_again
                               ? "sink '%s' (%s) keeps nothing, and is given again what it had when "
                                 "it is started again (isolate, on_error: restart)"
                               : "sink '%s' (%s) lets go of what nobody takes at once, and of what "
                                 "was under way when the run was cut off",
                           node->name, node->op->name);
    hop.advice = comes_again ? "leave out isolate and on_error: restart"
                             : "a sink that stores, beside it; or promise at_most_once";
    return hop;
}

static struct hop
sink_hop(const struct graph_node *node, struct arena *arena)
{
    struct hop hop = {.place = node->place};

    if (node->op->flags & HDE_AT_MOST_ONCE)
        return lossy_hop(node, arena);
    if (delivery_has_mark(node) || !delivery_is_sink(node))
        return hop;
    hop.doubles = true;
    hop.why = arena_printf(arena,
                           "sink '%s' (%s) keeps no mark of what it has%s: after a crash the end "
                           "of the log comes again",
                           node->name, node->op->name,
                           node->op->mark ? " on standard output" : "");
    hop.advice = node->op->mark ? "give it a file, or promise at_least_once"
                                : "a sink with a mark such as storage/sqlite or storage/jsonl, or "
                                  "promise at_least_once";
    return hop;
}

/* ---- The way ------------------------------------------------------------------------------ */

/* Behind a topic stands who reads it, in front who writes it. */
static bool
leads_over_topic(const struct graph_node *from, const struct graph_node *to)
{
    return from->topic && to->topic && !from->op->poll && to->op->poll &&
           !strcmp(from->topic, to->topic);
}

/* One more step towards the sources; false: there is none. */
static bool
go_back(const struct graph *graph, size_t node, size_t last, bool *is_on)
{
    bool moved = false;

    for (size_t e = 0; e < graph->n_edges; e++) {
        const struct graph_edge *edge = &graph->edges[e];

        if (is_on[edge->to] && !is_on[edge->from] &&
            (edge->to != node || last == SIZE_MAX || e == last))
            moved = is_on[edge->from] = true;
    }
    for (size_t n = 0; n < graph->n_nodes; n++)
        for (size_t m = 0; is_on[n] && m < graph->n_nodes; m++)
            if (!is_on[m] && leads_over_topic(&graph->nodes[m], &graph->nodes[n]))
                moved = is_on[m] = true;
    return moved;
}

/* What is in front of a node, itself included; `last` alone leads into it (SIZE_MAX: any edge). */
static bool *
way_to(const struct graph *graph, size_t node, size_t last)
{
    bool *is_on = xcalloc(graph->n_nodes + 1, sizeof *is_on);

    is_on[node] = true;
    while (go_back(graph, node, last, is_on))
        ;
    return is_on;
}

static void
pass(struct delivery_proof *proof, bool *loses, bool *doubles, struct hop hop, enum delivery wanted)
{
    bool breaks = wanted == DELIVERY_EFFECTIVELY_ONCE ? hop.loses || hop.doubles
                  : wanted == DELIVERY_AT_LEAST_ONCE  ? hop.loses
                                                      : hop.doubles;

    *loses |= hop.loses;
    *doubles |= hop.doubles;
    if (!breaks || proof->why)
        return;
    proof->why = hop.why;
    proof->advice = hop.advice;
    proof->place = hop.place;
}

static void
prove(const struct graph *graph, size_t node, size_t last, enum delivery wanted,
      struct arena *arena, struct delivery_proof *out)
{
    bool *is_on = way_to(graph, node, last), loses = false, doubles = false;

    *out = (struct delivery_proof){0};
    pass(out, &loses, &doubles, log_hop(graph), wanted);
    for (size_t n = 0; n < graph->n_nodes; n++) {
        if (!is_on[n])
            continue;
        pass(out, &loses, &doubles, source_hop(graph, &graph->nodes[n], arena), wanted);
        pass(out, &loses, &doubles, node_hop(&graph->nodes[n], arena), wanted);
        if (n != node)
            pass(out, &loses, &doubles, sink_hop(&graph->nodes[n], arena), wanted);
        for (size_t e = 0; e < graph->n_edges; e++)
            if (graph->edges[e].to == n && is_on[graph->edges[e].from] &&
                (n != node || last == SIZE_MAX || e == last))
                pass(out, &loses, &doubles, edge_hop(&graph->edges[e], arena), wanted);
    }
    pass(out, &loses, &doubles, sink_hop(&graph->nodes[node], arena), wanted);
    out->level = !loses && !doubles ? DELIVERY_EFFECTIVELY_ONCE
                 : !loses           ? DELIVERY_AT_LEAST_ONCE
                 : !doubles         ? DELIVERY_AT_MOST_ONCE
                                    : DELIVERY_NONE;
    free(is_on);
}

void
delivery_prove(const struct graph *graph, size_t sink, struct arena *arena,
               struct delivery_proof *out)
{
    prove(graph, sink, SIZE_MAX, DELIVERY_EFFECTIVELY_ONCE, arena, out);
}

/* ---- Promises ----------------------------------------------------------------------------- */

static void
hold_to(const struct graph *graph, size_t node, size_t last, enum delivery promise,
        struct place place, struct arena *arena, struct diags *diags)
{
    struct delivery_proof proof;

    if (promise == DELIVERY_NONE)
        return;
    prove(graph, node, last, promise, arena, &proof);
    if (!proof.why)
        return;
    diags_add(diags, SEVERITY_ERROR, G_DELIVERY, place, "'%s' is promised %s, but %s",
              last == SIZE_MAX ? graph->nodes[node].name : graph->edges[last].name,
              delivery_name(promise), proof.why);
    diags_hint(diags, "%s", proof.advice);
}

void
delivery_check(const struct graph *graph, struct arena *arena, struct diags *diags)
{
    for (size_t n = 0; n < graph->n_nodes; n++) {
        const struct graph_node *node = &graph->nodes[n];
        bool is_own = node->delivery != DELIVERY_NONE;

        if (is_own || delivery_is_sink(node))
            hold_to(graph, n, SIZE_MAX, is_own ? node->delivery : graph->delivery, node->place,
                    arena, diags);
    }
    for (size_t e = 0; e < graph->n_edges; e++)
        hold_to(graph, graph->edges[e].to, e, graph->edges[e].delivery, graph->edges[e].place,
                arena, diags);
}
