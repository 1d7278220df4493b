/* SPDX-License-Identifier: Apache-2.0
 * edges - what the edges of a host send and get in a session.
 *
 *  (1) The receiver says where it is (HELLO), the sender gives what comes behind that, in order. A
 *      frame at or below what the receiver has is a repetition and dropped.
 *      [test_frames_come_once_and_in_order, test_a_session_that_breaks_costs_nothing]
 *  (2) The sender sends while it has credit, and may overdraw it by one frame: so the receiver
 *      holds its capacity and one frame. Credit comes back when link/in has taken; a new session
 *      counts anew from what the receiver's queue has room for.
 *      [test_the_receiver_is_never_overrun]
 *  (3) The sender's link lets go what the receiver's epochs cover (ACK), or, without epochs, what
 *      was taken, at the latest with the next beat. A beat goes with it, and the one that answers
 *      it says that it was heard: a host that has come to its end waits for that.
 *      [test_the_last_acknowledgement_is_heard,
 *      test_without_epochs_the_last_acknowledgement_is_heard]
 *      The sender asks for an epoch by ASK. [test_what_is_covered_is_gone_at_the_sender,
 *      test_half_of_what_is_kept_asks_for_an_epoch]
 *  (4) A marker waits at the sender until the receiver has passed it, over sessions too: it has the
 *      number of its savepoint, and one that was passed is not put again.
 *      [test_a_marker_goes_there_and_back]
 *  (5) Without epochs the ticks of a sender that was started again mean nothing to the receiver: it
 *      takes what it has, and then begins with whatever that one keeps.
 *      [test_without_epochs_a_new_sender_goes_on]
 *  (6) With epochs, the end of an edge is remembered by both ends, so that neither waits for the
 *      other in a later process. When the receiver has acknowledged all up to the end of the data,
 *      the sender remembers it, and says so by an ACK of its own; then the receiver remembers that.
 *      A receiver at its end stays until it has heard so, as long as it takes; the sender stays
 *      some time, until a beat has said that it was heard.
 *      [test_both_ends_remember_that_all_has_come, tests/hosts/end.sh] */
#include "base/log.h"
#include "net/inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
news(struct far_edge *edge)
{
    /* release: pairs with the exchange of the net's thread, which then reads the rest */
    atomic_store_explicit(&edge->has_news, true, memory_order_release);
    net_wake(edge->net);
}

/* ---- From the links: any thread, the link's lock may be held -------------------------------- */

static void
ring(void *arg)
{
    news(arg);
}

static void
put_something(void *arg)
{
    help_send(arg);
}

static bool
fetch(void *arg)
{
    return help_receive(((struct far_edge *)arg)->net);
}

static bool
hold(void *arg)
{
    return help_hold(((struct far_edge *)arg)->net);
}

static void
release(void *arg)
{
    help_release(((struct far_edge *)arg)->net);
}

static bool
watch(void *arg, link_watch_with *with, void *of)
{
    return help_watch(((struct far_edge *)arg)->net, with, of);
}

static void
asked(void *arg) /* in link_take(), with the net's lock held */
{
    ((struct far_edge *)arg)->wants_ask = true;
}

static void
sought(void *arg, uint64_t tick)
{
    struct far_edge *edge = arg;

    atomic_store_explicit(&edge->sought, tick, memory_order_relaxed);
    atomic_store_explicit(&edge->is_sought, true, memory_order_release);
    news(edge);
}

/* A quarter of the capacity is worth a word. */
static bool
is_worth(uint64_t taken, uint64_t told, int64_t capacity)
{
    return 4 * (int64_t)(taken - told) >= capacity;
}

static bool
has_credit_to_tell(struct far_edge *edge)
{
    const struct link_capacity capacity = link_capacity(edge->def.link);

    return is_worth(atomic_load_explicit(&edge->taken_units, memory_order_relaxed),
                    atomic_load_explicit(&edge->told_units, memory_order_relaxed),
                    capacity.messages) ||
           is_worth(atomic_load_explicit(&edge->taken_bytes, memory_order_relaxed),
                    atomic_load_explicit(&edge->told_bytes, memory_order_relaxed), capacity.bytes);
}

static void
taken(void *arg, const struct record *record)
{
    struct far_edge *edge = arg;

    atomic_store_explicit(&edge->taken_tick, record->tick, memory_order_relaxed);
    atomic_fetch_add_explicit(&edge->taken_bytes, record->lines * UINT64_C(64),
                              memory_order_relaxed);
    /* release: pairs with the load in hello(); link_take() has done with the link */
    atomic_fetch_add_explicit(&edge->taken_units, record_units(record), memory_order_release);
    if (has_credit_to_tell(edge) ||
        atomic_load_explicit(&edge->waits_for_taken, memory_order_relaxed))
        news(edge);
}

static void
covered(void *arg, uint64_t tick)
{
    struct far_edge *edge = arg;

    atomic_store_explicit(&edge->covered, tick, memory_order_relaxed);
    news(edge);
}

static void
passed(void *arg, uint32_t marker)
{
    struct far_edge *edge = arg;

    atomic_store_explicit(&edge->passed, marker, memory_order_relaxed);
    news(edge);
}

void
edge_attach(struct far_edge *edge)
{
    if (edge->def.here == LINK_RECEIVER) {
        link_lead_to(edge->def.link, &(struct link_far){.sought = sought,
                                                        .taken = taken,
                                                        .covered = covered,
                                                        .passed = passed,
                                                        .watch = watch,
                                                        .fetch = fetch,
                                                        .hold = hold,
                                                        .release = release,
                                                        .arg = edge});
        return;
    }
    link_lead_to(edge->def.link, &(struct link_far){.put = put_something, .arg = edge});
    link_listen(edge->def.link, LINK_RECEIVER, &(struct link_bell){ring, edge});
    if (edge->def.has_epochs)
        link_ask_with(edge->def.link, asked, edge);
}

void
edge_detach(struct far_edge *edge)
{
    link_lead_to(edge->def.link, &(struct link_far){0});
    if (edge->def.here == LINK_RECEIVER)
        return;
    link_listen(edge->def.link, LINK_RECEIVER, NULL);
    link_ask_with(edge->def.link, NULL, NULL);
}

/* ---- Sessions ------------------------------------------------------------------------------ */

void
edges_begin(struct peer *peer)
{
    for (size_t i = 0; i < peer->n_edges; i++) {
        struct far_edge *edge = peer->edge[i];

        edge->is_open = edge->has_sent_end = edge->has_sent_broken = false;
        edge->sent_marker = 0;
        edge->wants_ask = edge->is_full = edge->owes_word = false;
        edge->number = edge->acked = 0;
        edge->their_schema = edge->said_schema;
        edge->allowed_units = edge->allowed_bytes = edge->sent_units = edge->sent_bytes = 0;
        atomic_store_explicit(&edge->has_news, true, memory_order_relaxed);
    }
}

void
edges_end(struct peer *peer)
{
    for (size_t i = 0; i < peer->n_edges; i++)
        peer->edge[i]->is_open = false;
}

/* ---- The sender: control ------------------------------------------------------------------- */

static void
break_edge(struct far_edge *edge, const struct err *why)
{
    if (edge->is_broken)
        return;
    edge->is_broken = true;
    edge->broken = *why;
    log_line(LEVEL_ERROR, edge->net->graph, edge->def.name, "net.edge", "%s: %s", why->code,
             why->text);
}

static void
add_gone(struct far_edge *edge)
{
    struct frame *frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_GONE, edge->def.id);
    char *text = xprintf("%s %s", edge->broken.code, edge->broken.text);

    frame->payload = (const uint8_t *)text;
    frame->payload_size = strlen(text);
    edge->net->text[edge->net->n_out] = (uint8_t *)text;
    out_done(edge->net);
    edge->has_sent_broken = true;
}

/* An ACK of the one or the other end. A beat goes with it: the one that answers it says that it was
 * heard. */
static void
add_ack(struct far_edge *edge, uint64_t tick)
{
    struct frame *frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_ACK, edge->def.id);

    frame->tick = tick;
    out_done(edge->net);
    edge->acked = tick;
    edge->acked_ns = clock_real_ns();
    edge->peer->beats[LANE_CONTROL] = true;
}

/* (6) False: not now. */
static bool
remember(struct far_edge *edge, uint64_t tick, bool is_heard)
{
    if (edge->through >= tick && edge->is_heard >= is_heard)
        return true;
    if (!edge->def.keep(edge->def.keep_arg, edge->def.name, edge->def.here, tick, is_heard))
        return false;
    edge->through = tick;
    edge->is_heard = is_heard;
    return true;
}

static void
sender_control(struct far_edge *edge)
{
    struct frame *frame;

    if (edge->is_open && edge->is_broken && !edge->has_sent_broken)
        add_gone(edge);
    if (edge->is_open && edge->wants_ask) {
        frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_ASK, edge->def.id);
        frame->tick = edge->sent_tick;
        out_done(edge->net);
        edge->wants_ask = false;
    }
    if (edge->is_open && edge->owes_word) {
        uint64_t tick = link_covered(edge->def.link);

        edge->owes_word = false;
        if (remember(edge, tick, edge->is_heard && edge->through >= tick))
            add_ack(edge, tick);
    }
}

/* ---- The sender: data ---------------------------------------------------------------------- */

/* Room in the envelope is there. */
static enum link_take
add_data(struct far_edge *edge)
{
    struct net *net = edge->net;
    struct hde_msgvec *held = &net->held[net->n_out];
    struct record record;
    struct err err = {0};
    struct frame *frame;
    enum link_take next = link_take(edge->def.link, &record, held, &err);

    if (next == LINK_DAMAGED) {
        msgvec_drop_all(held);
        break_edge(edge, &err);
    }
    if (next != LINK_FRAME)
        return next;
    frame = out_add(net, HDE__FRAME_KIND__FRAME_KIND_DATA, edge->def.id);
    frame->tick = record.tick;
    frame->number = edge->number++;
    frame->schema = edge->schema;
    frame->watermark_ns = record.watermark_ns;
    frame->time_ns = record.now_ns;
    frame->credit_messages = (uint32_t)record_units(&record);
    frame->credit_bytes = record.lines * UINT64_C(64);
    for (uint32_t i = 0; i < held->n; i++)
        frame_add(frame, 0, frame_type(edge->def.types, held->item[i]->body->descriptor),
                  held->item[i]);
    out_done(net);
    edge->sent_units += frame->credit_messages;
    edge->sent_bytes += frame->credit_bytes;
    if (record.tick <= edge->sent_tick)
        edge->peer->look.resent++;
    else
        edge->sent_tick = record.tick;
    return LINK_FRAME;
}

static void
add_marker(struct far_edge *edge)
{
    uint32_t marker = link_marker(edge->def.link);
    struct frame *frame;

    if (!marker || edge->sent_marker == marker)
        return;
    frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_MARKER, edge->def.id);
    frame->tick = edge->sent_tick;
    frame->index = marker;
    frame->number = edge->number++;
    out_done(edge->net);
    edge->sent_marker = marker;
}

static void
add_end(struct far_edge *edge)
{
    struct frame *frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_END, edge->def.id);

    frame->tick = edge->sent_tick;
    frame->number = edge->number++;
    out_done(edge->net);
    edge->has_sent_end = true;
}

static bool
has_credit(const struct far_edge *edge)
{
    return edge->sent_units < edge->allowed_units && edge->sent_bytes < edge->allowed_bytes;
}

/* The last frame is too much for the other host: it is taken back, and the edge ends. */
static bool
is_too_large(struct far_edge *edge)
{
    struct net *net = edge->net;
    const struct sized_frame *last = &net->out[net->n_out - 1];
    struct err err = {0};

    if (last->size + ENVELOPE_BYTES < edge->peer->bytes_max)
        return false;
    err_set(&err, "HDE-N004",
            "edge '%s': what tick %" PRIu64
            " put there has %zu bytes, and host '%s' takes messages "
            "of %" PRIu64,
            edge->def.name, last->frame.tick, last->size, edge->peer->name, edge->peer->bytes_max);
    break_edge(edge, &err);
    net->out_size -= envelope_room(last);
    msgvec_drop_all(&net->held[--net->n_out]);
    return true;
}

static void
sender_data(struct far_edge *edge)
{
    struct net *net = edge->net;
    enum link_take next = LINK_FRAME;

    while (!out_is_full(net) && has_credit(edge) && (next = add_data(edge)) == LINK_FRAME)
        if (is_too_large(edge))
            return;
    edge->is_full = next == LINK_FRAME && !has_credit(edge);
    if (next == LINK_FRAME || out_is_full(net)) { /* comes again with room or credit */
        if (!edge->is_full)
            atomic_store_explicit(&edge->has_news, true, memory_order_relaxed);
    } else if (next == LINK_MARKER) {
        add_marker(edge);
    } else if (next == LINK_OVER && !edge->has_sent_end) {
        add_end(edge);
    }
}

void
edge_data(struct far_edge *edge)
{
    if (edge->def.here == LINK_SENDER && edge->is_open && !edge->is_broken &&
        /* acquire: pairs with news() */
        atomic_exchange_explicit(&edge->has_news, false, memory_order_acquire))
        sender_data(edge);
}

bool
edge_is_due(const struct far_edge *edge)
{
    return edge->wants_ask || (edge->is_broken && !edge->has_sent_broken) ||
           atomic_load_explicit(&edge->has_news, memory_order_relaxed);
}

void
edges_data(struct peer *peer)
{
    struct net *net = peer->net;

    for (size_t n = 0; n < peer->n_edges && !out_is_full(net); n++)
        edge_data(peer->edge[(peer->next_edge + n) % peer->n_edges]);
    if (peer->n_edges)
        peer->next_edge = (peer->next_edge + 1) % peer->n_edges;
}

/* ---- The receiver: control ----------------------------------------------------------------- */

/* What may come, and what credit has been given back by then. */
static uint64_t
grant(uint64_t capacity, uint64_t put, uint64_t is_taken, _Atomic uint64_t *told)
{
    uint64_t waits = put - is_taken;

    if (waits <= capacity) {
        atomic_store_explicit(told, is_taken, memory_order_relaxed);
        return capacity - waits;
    }
    atomic_store_explicit(told, is_taken + (waits - capacity), memory_order_relaxed);
    return 0;
}

/* False: (5), not yet. */
static bool
knows_life(struct far_edge *edge)
{
    if (edge->def.has_epochs || edge->life == edge->peer->life)
        return true;
    atomic_store_explicit(&edge->waits_for_taken, true, memory_order_relaxed);
    /* acquire: pairs with taken() */
    if (atomic_load_explicit(&edge->taken_units, memory_order_acquire) != edge->put_units)
        return false;
    atomic_store_explicit(&edge->waits_for_taken, false, memory_order_relaxed);
    link_begin_again(edge->def.link);
    atomic_store_explicit(&edge->taken_tick, 0, memory_order_relaxed);
    edge->have = 0;
    edge->life = edge->peer->life;
    return true;
}

static void
hello(struct far_edge *edge)
{
    const struct link_capacity capacity = link_capacity(edge->def.link);
    uint64_t units = atomic_load_explicit(&edge->taken_units, memory_order_acquire);
    uint64_t bytes = atomic_load_explicit(&edge->taken_bytes, memory_order_relaxed);
    struct frame *frame;

    if (!edge->have)
        edge->have = atomic_load_explicit(&edge->sought, memory_order_relaxed);
    frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_HELLO, edge->def.id);
    frame->tick = edge->have;
    frame->index = !edge->def.has_epochs && !edge->have;
    frame->schema = edge->schema;
    frame->credit_messages =
        (uint32_t)grant((uint64_t)capacity.messages, edge->put_units, units, &edge->told_units);
    frame->credit_bytes =
        grant((uint64_t)capacity.bytes, edge->put_bytes, bytes, &edge->told_bytes);
    out_done(edge->net);
    edge->is_open = true;
}

/* 0 where more was told than is taken (grant). */
static uint64_t
credit_more(uint64_t is_taken, _Atomic uint64_t *told)
{
    uint64_t before = atomic_load_explicit(told, memory_order_relaxed);

    if ((int64_t)(is_taken - before) <= 0)
        return 0;
    atomic_store_explicit(told, is_taken, memory_order_relaxed);
    return is_taken - before;
}

static void
give_credit(struct far_edge *edge)
{
    uint64_t units = atomic_load_explicit(&edge->taken_units, memory_order_acquire);
    uint64_t bytes = atomic_load_explicit(&edge->taken_bytes, memory_order_relaxed);
    struct frame *frame;

    if (!has_credit_to_tell(edge))
        return;
    frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_CREDIT, edge->def.id);
    frame->credit_messages = (uint32_t)credit_more(units, &edge->told_units);
    frame->credit_bytes = credit_more(bytes, &edge->told_bytes);
    out_done(edge->net);
}

/* What the sender need not keep. */
static uint64_t
done_with(const struct far_edge *edge)
{
    return edge->def.has_epochs ? atomic_load_explicit(&edge->covered, memory_order_relaxed)
                                : atomic_load_explicit(&edge->taken_tick, memory_order_relaxed);
}

static void
acknowledge(struct far_edge *edge)
{
    uint64_t tick = done_with(edge);

    if (tick > edge->acked && tick <= edge->have)
        add_ack(edge, tick);
}

/* The sender, of what it could not remember when it was asked. */
static bool
owes_word(const struct far_edge *edge)
{
    return edge->is_open && edge->def.here == LINK_SENDER && edge->def.keep && !edge->is_heard &&
           edge->acked < link_covered(edge->def.link) && link_is_through(edge->def.link);
}

void
edges_remind(struct peer *peer)
{
    for (size_t i = 0; i < peer->n_edges; i++) {
        struct far_edge *edge = peer->edge[i];

        if (edge->def.here == LINK_RECEIVER && edge->acked < done_with(edge))
            atomic_store_explicit(&edge->has_news, true, memory_order_relaxed);
        edge->owes_word |= owes_word(edge);
    }
}

void
edges_heard(struct peer *peer, int64_t until_ns)
{
    for (size_t i = 0; i < peer->n_edges; i++) {
        struct far_edge *edge = peer->edge[i];

        if (!edge->acked || edge->acked_ns > until_ns)
            continue;
        if (edge->def.here == LINK_SENDER)
            remember(edge, edge->acked, true);
        else if (!edge->def.keep)
            edge->heard = edge->acked;
    }
}

/* The sender would wait for the receiver, or has what that one needs. */
static bool
must_stay(const struct far_edge *edge)
{
    return edge->def.keep &&
           (edge->def.here == LINK_RECEIVER || !link_is_through(edge->def.link));
}

bool
edges_are_unheard(const struct peer *peer, bool *must)
{
    bool is_unheard = false;

    *must = false;
    for (size_t i = 0; i < peer->n_edges; i++) {
        const struct far_edge *edge = peer->edge[i];

        if (edge->is_broken || (edge->def.here == LINK_RECEIVER
                                    ? edge->heard >= done_with(edge)
                                    : !edge->def.keep || edge->is_heard))
            continue;
        is_unheard = true;
        *must |= must_stay(edge);
    }
    return is_unheard;
}

static void
say_passed(struct far_edge *edge)
{
    uint32_t marker = atomic_exchange_explicit(&edge->passed, 0, memory_order_relaxed);
    struct frame *frame;

    if (!marker)
        return;
    frame = out_add(edge->net, HDE__FRAME_KIND__FRAME_KIND_MARKER, edge->def.id);
    frame->index = marker;
    out_done(edge->net);
}

static void
receiver_control(struct far_edge *edge)
{
    if (edge->is_broken || !atomic_load_explicit(&edge->is_sought, memory_order_acquire))
        return;
    if (!edge->is_open) {
        if (knows_life(edge))
            hello(edge);
        if (!edge->is_open)
            return;
    }
    give_credit(edge);
    acknowledge(edge);
    say_passed(edge);
}

void
edges_control(struct peer *peer)
{
    struct net *net = peer->net;

    for (size_t i = 0; i < peer->n_edges && net->n_out + 4 < ENVELOPE_FRAMES; i++) {
        struct far_edge *edge = peer->edge[i];

        if (edge->def.here == LINK_SENDER)
            sender_control(edge);
        else if (atomic_exchange_explicit(&edge->has_news, false, memory_order_acquire))
            receiver_control(edge);
    }
}

/* ---- What comes to the sender --------------------------------------------------------------- */

static bool
get_hello(struct far_edge *edge, const struct frame *frame, struct err *err)
{
    uint64_t tick = frame->index ? link_covered(edge->def.link) : frame->tick;
    struct err why = {0};

    if (edge->is_open)
        return err_set(err, "HDE-R007", "the receiver of edge '%s' says twice where it is",
                       edge->def.name);
    edge->is_open = true;
    edge->allowed_units = frame->credit_messages;
    edge->allowed_bytes = frame->credit_bytes;
    atomic_store_explicit(&edge->has_news, true, memory_order_relaxed);
    if (!edge->is_broken && !link_seek(edge->def.link, tick, &why))
        break_edge(edge, &why);
    return true;
}

static bool
get_for_sender(struct far_edge *edge, const struct frame *frame, struct err *err)
{
    switch (frame->kind) {
    case HDE__FRAME_KIND__FRAME_KIND_HELLO:
        return get_hello(edge, frame, err);
    case HDE__FRAME_KIND__FRAME_KIND_CREDIT:
        if (!edge->is_open || edge->allowed_units + frame->credit_messages < edge->allowed_units ||
            edge->allowed_bytes + frame->credit_bytes < edge->allowed_bytes)
            return err_set(err, "HDE-R007", "credit of edge '%s' out of turn", edge->def.name);
        edge->allowed_units += frame->credit_messages;
        edge->allowed_bytes += frame->credit_bytes;
        atomic_store_explicit(&edge->has_news, true, memory_order_relaxed);
        return true;
    case HDE__FRAME_KIND__FRAME_KIND_ACK:
        if (!edge->is_open)
            return err_set(err, "HDE-R007", "edge '%s' acknowledges before it says where it is",
                           edge->def.name);
        link_cover(edge->def.link, frame->tick);
        edge->owes_word |= edge->def.keep && link_is_through(edge->def.link);
        return true;
    case HDE__FRAME_KIND__FRAME_KIND_MARKER:
        if (frame->index == link_marker(edge->def.link)) {
            link_drop_marker(edge->def.link);
            atomic_store_explicit(&edge->has_news, true, memory_order_relaxed);
        }
        return true;
    default:
        return err_set(err, "HDE-R007", "kind '%s' for the sender of edge '%s'",
                       frame_kind_name(frame->kind), edge->def.name);
    }
}

/* ---- What comes to the receiver -------------------------------------------------------------- */

static bool
unpack(struct far_edge *edge, const struct frame *frame, struct hde_msgvec *to, struct err *err)
{
    if (!frame_fits(frame, edge->def.types, edge->their_schema, err))
        return false;
    for (uint32_t i = 0; i < frame->n; i++) {
        const struct frame_message *item = &frame->message[i];
        hde_msg *msg =
            msg_unpack(msg_pool_current(), edge->def.types[item->type], item->bytes, item->size);

        if (!msg)
            return err_set(err, "HDE-R007",
                           "edge '%s': message %u of tick %" PRIu64 " cannot be read as %s",
                           edge->def.name, i, frame->tick, edge->def.types[item->type]->name);
        msg->event_ns = item->event_ns;
        msgvec_push(to, msg);
    }
    return true;
}

static bool
put(struct far_edge *edge, const struct frame *frame, const struct hde_msgvec *vec, struct err *err)
{
    struct record record = {.tick = frame->tick,
                            .now_ns = frame->time_ns,
                            .watermark_ns = frame->watermark_ns,
                            .put_ns = edge->peer->heard_ns[LANE_DATA],
                            .n = frame->n,
                            .lines = (uint32_t)(frame->credit_bytes / 64)};

    if (frame->credit_messages != record_units(&record))
        return err_set(err, "HDE-R007", "edge '%s': %u messages for a credit of %u", edge->def.name,
                       frame->n, frame->credit_messages);
    if (link_put(edge->def.link, &record, vec->item, false, err) != LINK_PUT)
        return err_set(err, "HDE-R007", "edge '%s': tick %" PRIu64 " came without credit",
                       edge->def.name, frame->tick);
    edge->put_units += record_units(&record);
    edge->put_bytes += record.lines * UINT64_C(64);
    edge->have = frame->tick;
    edge->life = edge->peer->life;
    return true;
}

static bool
get_data(struct far_edge *edge, const struct frame *frame, struct err *err)
{
    struct hde_msgvec *vec = &edge->net->in_vec;
    bool ok;

    if (frame->tick <= edge->have) {
        edge->peer->look.duplicates++;
        return true;
    }
    edge->net->n_came++;
    ok = unpack(edge, frame, vec, err) && put(edge, frame, vec, err);
    msgvec_drop_all(vec);
    return ok;
}

/* "HDE-R070 text" of any length. */
static void
get_gone(struct far_edge *edge, const struct frame *frame)
{
    struct err why = {0};
    char code[12] = "HDE-R070";
    size_t skip = 0;

    if (frame->payload_size > 9 && !memcmp(frame->payload, "HDE-", 4) && frame->payload[8] == ' ') {
        memcpy(code, frame->payload, 8);
        skip = 9;
    }
    err_set(&why, code, "host '%s': %.*s", edge->peer->name,
            (int)(frame->payload_size - skip < 400 ? frame->payload_size - skip : 400),
            (const char *)frame->payload + skip);
    break_edge(edge, &why);
    link_break(edge->def.link, &why);
}

static bool
get_in_order(struct far_edge *edge, const struct frame *frame, struct err *err)
{
    if (!edge->is_open || frame->number != edge->number)
        return err_set(err, "HDE-R007",
                       "edge '%s': frame %" PRIu64 " came where %" PRIu64 " was due",
                       edge->def.name, frame->number, edge->number);
    edge->number++;
    if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_DATA)
        return get_data(edge, frame, err);
    if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_MARKER)
        link_put_marker(edge->def.link, frame->index);
    else
        link_sender_is_over(edge->def.link);
    return true;
}

/* (6) What cannot be remembered is asked for once more by a later process. */
static void
get_known(struct far_edge *edge, const struct frame *frame)
{
    if (!edge->def.keep || frame->tick > done_with(edge))
        return;
    remember(edge, frame->tick, true);
    edge->heard = frame->tick;
    edge->peer->beats[LANE_CONTROL] = true;
}

static bool
get_for_receiver(struct far_edge *edge, enum lane lane, const struct frame *frame, struct err *err)
{
    switch (frame->kind) {
    case HDE__FRAME_KIND__FRAME_KIND_DATA:
    case HDE__FRAME_KIND__FRAME_KIND_MARKER:
    case HDE__FRAME_KIND__FRAME_KIND_END:
        if (lane == LANE_DATA)
            return get_in_order(edge, frame, err);
        break;
    case HDE__FRAME_KIND__FRAME_KIND_GONE:
        get_gone(edge, frame);
        return true;
    case HDE__FRAME_KIND__FRAME_KIND_ASK:
        link_ask(edge->def.link);
        return true;
    case HDE__FRAME_KIND__FRAME_KIND_ACK:
        get_known(edge, frame);
        return true;
    default:
        break;
    }
    return err_set(err, "HDE-R007", "kind '%s' for the receiver of edge '%s'",
                   frame_kind_name(frame->kind), edge->def.name);
}

bool
edges_receive(struct peer *peer, enum lane lane, const struct frame *frame, struct err *err)
{
    for (size_t i = 0; i < peer->n_edges; i++) {
        struct far_edge *edge = peer->edge[i];

        if (edge->def.id != frame->edge)
            continue;
        if (edge->def.here == LINK_SENDER)
            return (lane == LANE_CONTROL ||
                    err_set(err, "HDE-R007", "edge '%s': kind '%s' on the lane of data",
                            edge->def.name, frame_kind_name(frame->kind))) &&
                   get_for_sender(edge, frame, err);
        return get_for_receiver(edge, lane, frame, err);
    }
    return err_set(err, "HDE-R007", "there is no edge %u", frame->edge);
}
