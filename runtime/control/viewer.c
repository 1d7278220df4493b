/* SPDX-License-Identifier: Apache-2.0
 * viewer - clients that tap edges.
 *
 * A client gets messages only within the credit that it gave, so a client that stops reading
 * costs a bounded queue in the engine and nothing else; what does not fit there is dropped, newest
 * first, and counted. A client that is gone is found by the next thing that is sent to it, and
 * something is sent at least every PROBE_NS. */
#include "base/clock.h"
#include "base/nearest.h"
#include "control/server.h"

#include <hde/text.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

static const int64_t probe_ns = 5 * (int64_t)NS_PER_S;
enum { MESSAGES_A_TURN = 64 };

static struct viewer *
find(struct control *control, const struct peer *peer)
{
    for (struct viewer *v = control->viewers; v < control->viewers + CONTROL_VIEWERS; v++)
        if (v->in_use && v->peer.size == peer->size &&
            memcmp(v->peer.bytes, peer->bytes, peer->size) == 0)
            return v;
    return NULL;
}

/* Its descriptors count only while it may be sent something. */
static void
watch(struct control *control, struct viewer *v, bool on)
{
    for (size_t i = 0; i < v->n_taps; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = 1};
        int fd = tap_fd(v->taps[i].tap);

        epoll_ctl(control->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
    }
}

static void
drop(struct control *control, struct viewer *v)
{
    if (v->credit)
        watch(control, v, false);
    for (size_t i = 0; i < v->n_taps; i++)
        engine_tap_close(v->taps[i].tap);
    *v = (struct viewer){0};
}

/* item NULL: only the count of drops. False: the client is gone, v too. */
static bool
send_item(struct control *control, struct viewer *v, Hde__TapItem *item)
{
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;

    item->has_dropped = true;
    item->dropped = 0;
    for (size_t i = 0; i < v->n_taps; i++)
        item->dropped += v->taps[i].dropped;
    reply.has_version = reply.has_id = true;
    reply.version = CONTROL_VERSION;
    reply.id = v->request;
    reply.answer_case = HDE__CONTROL_REPLY__ANSWER_TAP;
    reply.tap = item;
    v->probed_ns = clock_mono_ns();
    if (control_send(control, &v->peer, &reply) || errno == EAGAIN)
        return true;
    drop(control, v);
    return false;
}

/* Sends what waits, at most n messages. False: v is gone. */
static bool
serve(struct control *control, struct viewer *v, int n)
{
    hde_text json = {0};
    struct tap_item from;
    bool there = true;

    for (size_t i = 0; there && i < v->n_taps; i++)
        while (there && v->credit && n > 0 && tap_next(v->taps[i].tap, &from, 0)) {
            Hde__TapItem item = HDE__TAP_ITEM__INIT;

            hde_text_clear(&json);
            hde_json_message(&json, from.message, HDE_JSON_PROTO);
            v->taps[i].dropped = from.dropped;
            item.edge = (char *)tap_edge(v->taps[i].tap);
            item.has_tick = item.has_event_ns = true;
            item.tick = from.tick;
            item.event_ns = from.event_ns;
            item.type = (char *)from.type->name;
            item.json = json.data;
            n--;
            if (--v->credit == 0)
                watch(control, v, false);
            there = send_item(control, v, &item);
        }
    hde_text_free(&json);
    return there;
}

void
viewers_serve(struct control *control)
{
    int64_t now = clock_mono_ns();

    for (struct viewer *v = control->viewers; v < control->viewers + CONTROL_VIEWERS; v++) {
        Hde__TapItem probe = HDE__TAP_ITEM__INIT;

        if (!v->in_use || !serve(control, v, MESSAGES_A_TURN))
            continue;
        if (now - v->probed_ns > probe_ns)
            send_item(control, v, &probe);
    }
}

bool
viewers_busy(const struct control *control)
{
    for (size_t i = 0; i < CONTROL_VIEWERS; i++)
        if (control->viewers[i].in_use)
            return true;
    return false;
}

void
viewers_end(struct control *control)
{
    for (struct viewer *v = control->viewers; v < control->viewers + CONTROL_VIEWERS; v++) {
        Hde__TapItem item = HDE__TAP_ITEM__INIT;

        if (!v->in_use || !serve(control, v, CONTROL_CREDIT))
            continue;
        item.has_end = item.end = true;
        if (send_item(control, v, &item))
            drop(control, v);
    }
}

/* ---- Which edges -------------------------------------------------------------------------- */

static bool
like(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, 0) == 0;
}

static const char *
port_name(struct arena *arena, const struct graph_node *node, bool output, unsigned port)
{
    return arena_printf(arena, "%s.%s", node->name,
                        (output ? node->op->outputs : node->op->inputs)[port].name);
}

/* An edge by its name or by its input; an output (a node: all its outputs) by its first edge. */
static bool
matches(const struct graph *graph, size_t i, const char *pattern, struct arena *arena)
{
    const struct graph_edge *edge = &graph->edges[i], *before = i ? edge - 1 : NULL;
    const struct graph_node *from = &graph->nodes[edge->from], *to = &graph->nodes[edge->to];
    bool first = !before || before->from != edge->from || before->from_port != edge->from_port;

    if (like(pattern, edge->name) || like(pattern, port_name(arena, to, false, edge->to_port)))
        return true;
    return first && (like(pattern, from->name) ||
                     like(pattern, port_name(arena, from, true, edge->from_port)));
}

static const char *
suggest(const struct graph *graph, const char *word, struct arena *arena)
{
    struct nearest near = {.word = word};

    for (size_t i = 0; i < graph->n_edges; i++) {
        const struct graph_edge *edge = &graph->edges[i];

        nearest_try(&near, graph->nodes[edge->from].name);
        nearest_try(&near, port_name(arena, &graph->nodes[edge->from], true, edge->from_port));
        nearest_try(&near, port_name(arena, &graph->nodes[edge->to], false, edge->to_port));
        nearest_try(&near, edge->name);
    }
    return near.best
               ? arena_printf(arena, "did you mean '%s'? 'hde status' lists the edges", near.best)
               : "'hde status' lists the edges";
}

void
viewer_open(struct control *control, const struct peer *peer, uint64_t id,
            const Hde__ControlTap *ask)
{
    const struct graph *graph = parts_graph(control->parts);
    const char *pattern = ask->edge ? ask->edge : "*";
    struct viewer *v = find(control, peer);
    struct arena arena = {0};
    Hde__TapItem begin = HDE__TAP_ITEM__INIT;

    if (v)
        drop(control, v);
    for (v = control->viewers; v < control->viewers + CONTROL_VIEWERS && v->in_use; v++)
        ;
    if (v == control->viewers + CONTROL_VIEWERS) {
        control_refuse(control, peer, id, "HDE-C019", "end another 'hde tap' first",
                       "16 clients tap this engine already");
        return;
    }
    *v = (struct viewer){.in_use = true, .peer = *peer, .request = id};
    for (size_t i = 0; i < graph->n_edges && v->n_taps < CONTROL_TAP_EDGES; i++) {
        struct tap *tap = matches(graph, i, pattern, &arena)
                              ? parts_tap_open(control->parts, i, CONTROL_TAP_DEPTH)
                              : NULL;

        if (tap) {
            v->taps[v->n_taps].tap = tap;
            v->taps[v->n_taps++].edge = i;
        }
    }
    if (!v->n_taps) {
        *v = (struct viewer){0};
        control_refuse(control, peer, id, "HDE-C014", suggest(graph, pattern, &arena),
                       arena_printf(&arena, "no edge is called '%s'", pattern));
    } else if (send_item(control, v, &begin)) {
        v->credit = ask->credit < CONTROL_CREDIT ? ask->credit : CONTROL_CREDIT;
        if (v->credit)
            watch(control, v, true);
    }
    arena_fini(&arena);
}

void
viewer_more(struct control *control, const struct peer *peer, const Hde__ControlTapMore *more)
{
    struct viewer *v = find(control, peer);
    uint32_t room;

    if (!v)
        return;
    if (more->end) {
        drop(control, v);
        return;
    }
    room = CONTROL_CREDIT - v->credit;
    if (!v->credit && more->credit)
        watch(control, v, true);
    v->credit += more->credit < room ? more->credit : room;
}
