/* SPDX-License-Identifier: Apache-2.0
 * viewer - clients that tap edges, here and on other hosts.
 *
 *  (1) A client gets messages only within the credit that it gave, so a client that stops reading
 *      costs a bounded queue in the engine and nothing else; what does not fit there is dropped,
 *      newest first, and counted. [tests/control/bounded.sh]
 *  (2) A client that is gone is found by the next thing that is sent to it, and something is sent
 *      at least every PROBE_NS.
 *  (3) An edge is tapped on one host: that of its sender. For a client who wants edges of another
 *      host the viewer here asks that one, again and again, one question at a time. There it is a
 *      viewer too, whose credit is what the question brings, and which keeps the question for
 *      HOLD_NS where it has nothing to show. So what is under way between two hosts for a viewer is
 *      one answer of CONTROL_TAP_BYTES, among the data and never before control; who does not ask
 *      again for GONE_NS is gone.
 *      [tests/hosts/distributed.sh, test_a_slow_answer_goes_among_the_data] */
#include "base/clock.h"
#include "base/nearest.h"
#include "control/server.h"
#include "graph/parts.h"
#include "net/net.h"

#include <hde/text.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <zmq.h>

#define PROBE_NS (5 * (int64_t)NS_PER_S)
#define HOLD_NS ((int64_t)NS_PER_S / 2)
#define GONE_NS (10 * (int64_t)NS_PER_S)

enum { MESSAGES_A_TURN = 64 };

/* number 0: of a client. */
static struct viewer *
find(struct control *control, const struct peer *peer, uint64_t number)
{
    for (struct viewer *v = control->viewers; v < control->viewers + CONTROL_VIEWERS; v++)
        if (v->in_use && v->is_host == (number != 0) && (!number || v->number == number) &&
            v->peer.size == peer->size && memcmp(v->peer.bytes, peer->bytes, peer->size) == 0)
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
set_credit(struct control *control, struct viewer *v, uint32_t credit)
{
    if (!v->credit != !credit)
        watch(control, v, credit != 0);
    v->credit = credit;
}

static void
drop(struct control *control, struct viewer *v)
{
    set_credit(control, v, 0);
    for (size_t i = 0; i < v->n_taps; i++)
        engine_tap_close(v->taps[i].tap);
    if (v->peer.question)
        net_answer(v->peer.question, NULL, 0);
    free(v->edges);
    free(v->far);
    *v = (struct viewer){0};
}

static uint64_t
dropped(const struct viewer *v)
{
    uint64_t n = v->too_large;

    for (size_t i = 0; i < v->n_taps; i++)
        n += v->taps[i].dropped;
    for (size_t i = 0; i < v->n_far; i++)
        n += v->far[i].dropped;
    return n;
}

/* One without a message tells what was dropped. False: the client is gone, v too. */
static bool
send_item(struct control *control, struct viewer *v, Hde__TapItem *item)
{
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;

    item->has_dropped = true;
    item->dropped = dropped(v);
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

/* The next message of a tap; json is its text and must stay. */
static bool
next_item(struct viewer *v, size_t i, Hde__TapItem *item, hde_text *json)
{
    struct tap_item from;

    if (!tap_next(v->taps[i].tap, &from, 0))
        return false;
    hde_json_message(json, from.message, HDE_JSON_PROTO);
    v->taps[i].dropped = from.dropped;
    hde__tap_item__init(item);
    item->edge = (char *)(uintptr_t)tap_edge(v->taps[i].tap);
    item->has_tick = item->has_event_ns = true;
    item->tick = from.tick;
    item->event_ns = from.event_ns;
    item->type = (char *)(uintptr_t)from.type->name;
    item->json = json->data;
    return true;
}

/* Sends a client what waits, at most n messages. False: v is gone. */
static bool
serve_client(struct control *control, struct viewer *v, int n)
{
    hde_text json = {0};
    Hde__TapItem item;
    bool there = true;

    for (size_t i = 0; there && i < v->n_taps; i++)
        while (there && v->credit && n > 0 && next_item(v, i, &item, &json)) {
            n--;
            set_credit(control, v, v->credit - 1);
            there = send_item(control, v, &item);
            hde_text_clear(&json);
        }
    hde_text_free(&json);
    return there;
}

/* ---- For another host ------------------------------------------------------------------------ */

/* Messages that wait, up to the bounds of an answer; texts live in arena. */
static void
gather(struct viewer *v, Hde__TapItems *out, struct arena *arena)
{
    size_t bytes = 0;

    out->items = arena_alloc(arena, (v->credit + 1) * sizeof(Hde__TapItem *));
    for (size_t i = 0; i < v->n_taps; i++)
        while (out->n_items < v->credit && bytes < CONTROL_TAP_BYTES) {
            Hde__TapItem *item = arena_alloc(arena, sizeof *item);
            hde_text json = {0};

            if (!next_item(v, i, item, &json))
                break;
            if (json.len > CONTROL_TAP_MESSAGE) {
                v->too_large++;
            } else {
                item->json = arena_text(arena, json.data);
                bytes += json.len;
                out->items[out->n_items++] = item;
            }
            hde_text_free(&json);
        }
}

/* Answers the question that is kept, if there is something to say. */
static void
serve_host(struct control *control, struct viewer *v, bool ends)
{
    int64_t waits_ns = clock_mono_ns() - v->probed_ns;
    Hde__ControlReply reply = HDE__CONTROL_REPLY__INIT;
    Hde__TapItems items = HDE__TAP_ITEMS__INIT;
    struct arena arena = {0};

    if (!v->peer.question) {
        if (ends || waits_ns > GONE_NS)
            drop(control, v);
        return;
    }
    gather(v, &items, &arena);
    if (items.n_items || ends || waits_ns > HOLD_NS) {
        items.has_dropped = items.has_end = true;
        items.dropped = dropped(v);
        items.end = ends;
        reply.has_version = reply.has_id = true;
        reply.version = CONTROL_VERSION;
        reply.id = v->request;
        reply.answer_case = HDE__CONTROL_REPLY__ANSWER_TAP_ITEMS;
        reply.tap_items = &items;
        set_credit(control, v, 0);
        control_send(control, &v->peer, &reply);
        v->peer.question = NULL;
        v->probed_ns = clock_mono_ns();
    }
    arena_fini(&arena);
}

/* ---- From another host ----------------------------------------------------------------------- */

static bool
is_over(const struct viewer *v)
{
    bool over = !v->n_taps;

    for (size_t i = 0; i < v->n_far; i++)
        over &= v->far[i].is_over;
    return over;
}

/* It says nothing more: whoever has other edges to look at goes on. */
static void
lose_host(struct control *control, struct viewer *v, struct far_tap *far, const struct err *err,
          const char *hint)
{
    Hde__TapItem item = HDE__TAP_ITEM__INIT;
    struct arena arena = {0};

    far->is_over = true;
    if (is_over(v)) {
        control_refuse(control, &v->peer, v->request, err->code, hint, err->text);
        drop(control, v);
        return;
    }
    item.host = far->host;
    item.note = arena_text(&arena, err->text);
    send_item(control, v, &item);
    arena_fini(&arena);
}

static void
ask_host(struct control *control, struct viewer *v, struct far_tap *far)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__ControlTap ask = HDE__CONTROL_TAP__INIT;
    struct err err = {0};

    ask.edge = v->edges;
    ask.has_credit = ask.has_viewer = true;
    ask.credit = v->credit;
    ask.viewer = v->number;
    request.has_version = request.has_id = true;
    request.version = CONTROL_VERSION;
    request.id = v->request;
    request.ask_case = HDE__CONTROL_REQUEST__ASK_TAP;
    request.tap = &ask;
    if (!hosts_ask_tap(control, far->host, &request, v->number, &err))
        lose_host(control, v, far, &err, NULL);
}

/* False: the client is gone, or all is over. */
static bool
pass_on(struct control *control, struct viewer *v, struct far_tap *far, const Hde__TapItems *items)
{
    Hde__TapItem end = HDE__TAP_ITEM__INIT;

    far->dropped = items->dropped;
    for (size_t i = 0; i < items->n_items; i++) {
        items->items[i]->host = far->host;
        set_credit(control, v, v->credit ? v->credit - 1 : 0);
        if (!send_item(control, v, items->items[i]))
            break;
        items->items[i]->host = NULL; /* lent */
    }
    if (!v->in_use)
        return false;
    far->is_over = items->end;
    if (!is_over(v))
        return true;
    end.has_end = end.end = true;
    if (send_item(control, v, &end))
        drop(control, v);
    return false;
}

void
viewer_heard(struct control *control, uint64_t number, const char *host, const uint8_t *bytes,
             size_t size, const struct err *err)
{
    Hde__ControlReply *reply = err ? NULL : hde__control_reply__unpack(NULL, size, bytes);
    struct far_tap *far = NULL;
    struct viewer *v = control->viewers;
    struct err why = {0};

    while (v < control->viewers + CONTROL_VIEWERS && !(v->n_far && v->number == number))
        v++;
    for (size_t i = 0; v < control->viewers + CONTROL_VIEWERS && i < v->n_far; i++)
        if (strcmp(v->far[i].host, host) == 0)
            far = &v->far[i];
    if (far && reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_TAP_ITEMS) {
        if (pass_on(control, v, far, reply->tap_items) && !far->is_over)
            ask_host(control, v, far);
    } else if (far && reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_ERROR) {
        err_set(&why, reply->error->code, "host '%s': %s", host, reply->error->message);
        lose_host(control, v, far, &why, reply->error->hint);
    } else if (far) {
        err_set(&why, "HDE-N006", "host '%s' has ended the tap", host);
        lose_host(control, v, far, err ? err : &why, NULL);
    }
    if (reply)
        hde__control_reply__free_unpacked(reply, NULL);
}

/* ---- All of them ----------------------------------------------------------------------------- */

void
viewers_serve(struct control *control)
{
    int64_t now = clock_mono_ns();

    for (struct viewer *v = control->viewers; v < control->viewers + CONTROL_VIEWERS; v++) {
        Hde__TapItem probe = HDE__TAP_ITEM__INIT;

        if (v->in_use && v->is_host)
            serve_host(control, v, false);
        else if (v->in_use && serve_client(control, v, MESSAGES_A_TURN) &&
                 now - v->probed_ns > PROBE_NS)
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

        if (v->in_use && v->is_host)
            serve_host(control, v, true);
        else if (v->in_use && serve_client(control, v, CONTROL_CREDIT)) {
            item.has_end = item.end = true;
            send_item(control, v, &item);
        }
        if (v->in_use)
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

/* (3) What one output sends to several nodes of a host travels once, by the edge that carries it:
 * the others are at the receiver alone. */
static const char *
host_of(const struct graph *graph, size_t i)
{
    const struct graph_edge *edge = &graph->edges[i];
    bool is_carried = edge->is_remote && edge_carrier(graph, i) != i;
    size_t host = graph->nodes[is_carried ? edge->to : edge->from].host;

    return !graph_is_of_host(graph) || host == graph->host ? NULL : graph->hosts[host].name;
}

static void
add_far(struct viewer *v, const char *host)
{
    for (size_t i = 0; i < v->n_far; i++)
        if (strcmp(v->far[i].host, host) == 0)
            return;
    v->far = xrealloc(v->far, (v->n_far + 1) * sizeof *v->far);
    v->far[v->n_far] = (struct far_tap){0};
    snprintf(v->far[v->n_far++].host, CONTROL_HOST, "%s", host);
}

static void
add_tap(struct control *control, struct viewer *v, size_t edge)
{
    struct tap *tap = v->n_taps < CONTROL_TAP_EDGES
                          ? parts_tap_open(control->parts, edge, CONTROL_TAP_DEPTH)
                          : NULL;

    if (tap)
        v->taps[v->n_taps++].tap = tap;
}

/* NULL, after the answer: it has none. */
static struct viewer *
open_viewer(struct control *control, const struct peer *peer, uint64_t id, const char *pattern)
{
    const struct graph *graph = parts_graph(control->parts);
    struct viewer *v = control->viewers;
    struct arena arena = {0};

    while (v < control->viewers + CONTROL_VIEWERS && v->in_use)
        v++;
    if (v == control->viewers + CONTROL_VIEWERS) {
        control_refuse(control, peer, id, "HDE-C019", "end another 'hde tap' first",
                       "16 clients tap this engine already");
        return NULL;
    }
    *v = (struct viewer){.in_use = true, .is_host = peer->question != NULL, .peer = *peer};
    v->request = id;
    v->edges = xstrdup(pattern);
    for (size_t i = 0; i < graph->n_edges; i++) {
        const char *host = host_of(graph, i);

        if (host && v->is_host)
            continue;
        if (matches(graph, i, pattern, &arena)) {
            if (host)
                add_far(v, host);
            else
                add_tap(control, v, i);
        }
    }
    if (!v->n_taps && !v->n_far) {
        v->peer.question = NULL;
        drop(control, v);
        v = NULL;
        control_refuse(control, peer, id, "HDE-C014", suggest(graph, pattern, &arena),
                       arena_printf(&arena, "no edge is called '%s'", pattern));
    }
    arena_fini(&arena);
    return v;
}

static uint32_t
bounded(uint32_t credit)
{
    return credit < CONTROL_CREDIT ? credit : CONTROL_CREDIT;
}

/* A question of another host. */
static void
take_question(struct control *control, const struct peer *peer, uint64_t id,
              const Hde__ControlTap *ask)
{
    struct viewer *v = ask->viewer ? find(control, peer, ask->viewer) : NULL;

    if (!ask->viewer || !ask->edge) {
        control_refuse(control, peer, id, "HDE-C013", NULL, "a tap of another host names itself");
        return;
    }
    if (v && v->peer.question) /* it does not wait for that one any more */
        net_answer(v->peer.question, NULL, 0);
    if (!v)
        v = open_viewer(control, peer, id, ask->edge);
    if (!v)
        return;
    v->peer = *peer;
    v->peer.is_patient = true;
    v->number = ask->viewer;
    v->request = id;
    v->probed_ns = clock_mono_ns();
    set_credit(control, v, bounded(ask->credit));
}

static uint64_t
random_number(void)
{
    uint64_t number = 0;

    while (!number)
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            number = 0;
    return number;
}

void
viewer_open(struct control *control, const struct peer *peer, uint64_t id,
            const Hde__ControlTap *ask)
{
    struct viewer *v = find(control, peer, 0);
    Hde__TapItem begin = HDE__TAP_ITEM__INIT;

    if (peer->question) {
        take_question(control, peer, id, ask);
        return;
    }
    if (v)
        drop(control, v);
    v = open_viewer(control, peer, id, ask->edge ? ask->edge : "*");
    if (!v || !send_item(control, v, &begin))
        return;
    v->number = random_number();
    set_credit(control, v, bounded(ask->credit));
    for (size_t i = 0; v->in_use && i < v->n_far; i++)
        ask_host(control, v, &v->far[i]);
}

void
viewer_more(struct control *control, const struct peer *peer, const Hde__ControlTapMore *more)
{
    struct viewer *v = find(control, peer, 0);
    uint32_t room;

    if (!v)
        return;
    if (more->end) {
        drop(control, v);
        return;
    }
    room = CONTROL_CREDIT - v->credit;
    set_credit(control, v, v->credit + (more->credit < room ? more->credit : room));
}
