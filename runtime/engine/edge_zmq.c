/* SPDX-License-Identifier: Apache-2.0
 * edge_zmq - an edge over ZeroMQ: what stands in the writer's ring goes as frames to the reader's.
 *
 *  (1) DEALER to DEALER; a frame is one message, hde.Frame packed. Batches and progress go one way,
 *      credit and asks the other. Sockets have no high-water mark: what is under way is bounded by
 *      the edge's own credit, so control is never blocked by data.
 *  (2) Near end: the writer's ring is drained into frames when it is published; its credit comes
 *      back when the far reader has finished, not when the frame is sent.
 *  (3) Far end: frames become records of the reader's ring in the order of their sequence number;
 *      a number that is missing or comes twice, or a frame that cannot be read, breaks the edge
 *      with a named error. [test_a_corrupt_frame_breaks_the_edge_by_name]
 *  (4) ZeroMQ's descriptor tells only that something changed: after every send or receive both
 *      directions are read until nothing is left, and again before the worker parks. */
#include "base/arena.h"
#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum { FRAME_VERSION = 1 };

struct zmq_link {
    void *near, *far; /* sockets of the writer's and of the reader's thread */
    const ProtobufCMessageDescriptor *const *types;

    /* near */
    uint64_t sent, said_word;
    struct msgvec out;
    Hde__Frame frame;
    Hde__FrameMessage *item, **items;
    uint32_t cap_items;
    uint8_t *bytes; /* packed bodies of one frame */
    size_t cap_bytes;

    /* far */
    uint64_t received, returned_units, returned_lines, said_ask;
    struct msgvec in;

    /* libzmq hands bytes from thread to thread by means that ThreadSanitizer does not see; these
     * say the same to it, and to the reader of this code */
    _Atomic uint64_t near_sent, far_sent;
};

/* ---- Open and close ----------------------------------------------------------------------- */

static void *
open_socket(void *context)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int zero = 0;

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    return socket;
}

bool
zmq_link_open(void *context, struct edge *edge, const ProtobufCMessageDescriptor *const *types,
              struct err *err)
{
    struct zmq_link *link = xcalloc(1, sizeof *link);
    char address[64];

    edge->zmq = link;
    link->types = types;
    link->near = open_socket(context);
    link->far = open_socket(context);
    snprintf(address, sizeof address, "inproc://edge-%u-%p", edge->id, (void *)edge);
    if (!link->near || !link->far || zmq_bind(link->far, address) ||
        zmq_connect(link->near, address))
        return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    return true;
}

void
zmq_link_close(struct edge *edge)
{
    struct zmq_link *link = edge->zmq;

    if (link->near)
        zmq_close(link->near);
    if (link->far)
        zmq_close(link->far);
    msgvec_drop_all(&link->out);
    msgvec_fini(&link->out);
    msgvec_drop_all(&link->in);
    msgvec_fini(&link->in);
    free(link->item);
    free(link->items);
    free(link->bytes);
    free(link);
    edge->zmq = NULL;
}

int
zmq_link_fd(const struct edge *edge, bool writer)
{
    int fd = -1;
    size_t size = sizeof fd;

    zmq_getsockopt(writer ? edge->zmq->near : edge->zmq->far, ZMQ_FD, &fd, &size);
    return fd;
}

/* ---- Frames ------------------------------------------------------------------------------- */

static bool
send_frame(void *socket, const Hde__Frame *frame, _Atomic uint64_t *sent, struct err *err)
{
    size_t size = hde__frame__get_packed_size(frame);
    zmq_msg_t msg;

    if (zmq_msg_init_size(&msg, size))
        return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    hde__frame__pack(frame, zmq_msg_data(&msg));
    /* release: pairs with the load in receive(); the bytes are written */
    atomic_fetch_add_explicit(sent, 1, memory_order_release);
    if (zmq_msg_send(&msg, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&msg);
        return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    }
    return true;
}

/* The next frame, to be freed, or NULL: nothing there, or err is set. */
static Hde__Frame *
receive(void *socket, _Atomic uint64_t *sent, struct edge *edge, struct err *err)
{
    Hde__Frame *frame;
    zmq_msg_t msg;

    zmq_msg_init(&msg);
    if (zmq_msg_recv(&msg, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&msg);
        return NULL;
    }
    (void)atomic_load_explicit(sent, memory_order_acquire);
    frame = hde__frame__unpack(NULL, zmq_msg_size(&msg), zmq_msg_data(&msg));
    zmq_msg_close(&msg);
    if (!frame || frame->version != FRAME_VERSION || !frame->has_kind) {
        STAT_ADD(edge->stats->corrupt, 1);
        err_set(err, "HDE-R007", "a frame cannot be read: %s",
                frame ? "unknown version or kind" : "its bytes are no hde.Frame");
        if (frame)
            hde__frame__free_unpacked(frame, NULL);
        return NULL;
    }
    return frame;
}

static Hde__Frame
frame_of(const struct edge *edge, Hde__FrameKind kind)
{
    Hde__Frame frame = HDE__FRAME__INIT;

    frame.has_version = frame.has_edge = frame.has_kind = true;
    frame.version = FRAME_VERSION;
    frame.edge = edge->id;
    frame.kind = kind;
    return frame;
}

/* ---- Near end: the writer's thread -------------------------------------------------------- */

static uint32_t
type_index(const struct zmq_link *link, const ProtobufCMessageDescriptor *type)
{
    uint32_t i = 0;

    while (link->types[i] && link->types[i] != type)
        i++;
    return i;
}

static void
make_room(struct zmq_link *link, uint32_t n, size_t bytes)
{
    if (link->cap_items < n) {
        link->cap_items = 2 * n;
        link->item = xrealloc(link->item, link->cap_items * sizeof *link->item);
        link->items = xrealloc(link->items, link->cap_items * sizeof(void *));
    }
    if (link->cap_bytes < bytes) {
        link->cap_bytes = 2 * bytes;
        link->bytes = xrealloc(link->bytes, link->cap_bytes);
    }
}

static void
pack_messages(struct zmq_link *link, Hde__Frame *frame)
{
    size_t total = 0, at = 0;

    for (uint32_t i = 0; i < link->out.n; i++)
        total += protobuf_c_message_get_packed_size(link->out.item[i]->body);
    make_room(link, link->out.n, total ? total : 1);
    for (uint32_t i = 0; i < link->out.n; i++) {
        const hde_msg *msg = link->out.item[i];
        Hde__FrameMessage *item = &link->item[i];

        hde__frame_message__init(item);
        item->has_type = item->has_event_ns = item->has_body = true;
        item->type = type_index(link, msg->body->descriptor);
        item->event_ns = msg->event_ns;
        item->body.data = link->bytes + at;
        item->body.len = protobuf_c_message_pack(msg->body, link->bytes + at);
        at += item->body.len;
        link->items[i] = item;
    }
    frame->n_messages = link->out.n;
    frame->messages = link->items;
}

static bool
send_batches(struct edge *edge, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    uint64_t word = ring_word(edge->out); /* before the ring */
    struct record front;
    bool moved = false;

    while (ring_front(edge->out, &front)) {
        Hde__Frame frame =
            frame_of(edge, front.barrier ? HDE__FRAME_KIND__FRAME_KIND_BARRIER
                                         : HDE__FRAME_KIND__FRAME_KIND_DATA);

        ring_take(edge->out, &front, &link->out);
        frame.has_tick = frame.has_index = frame.has_watermark_ns = frame.has_time_ns = true;
        frame.has_credit_messages = frame.has_credit_bytes = true;
        frame.tick = front.tick;
        frame.index = (uint32_t)link->sent++;
        frame.watermark_ns = front.watermark_ns;
        frame.time_ns = front.now_ns;
        frame.credit_messages = (uint32_t)record_units(&front); /* what it costs */
        frame.credit_bytes = (uint64_t)front.lines * 64;
        pack_messages(link, &frame);
        if (!send_frame(link->near, &frame, &link->near_sent, err))
            return false;
        msgvec_drop_all(&link->out);
        moved = true;
    }
    if (word > link->said_word) {
        Hde__Frame frame = frame_of(edge, HDE__FRAME_KIND__FRAME_KIND_PROGRESS);

        frame.has_tick = true;
        frame.tick = link->said_word = word;
        send_frame(link->near, &frame, &link->near_sent, err);
    }
    return moved;
}

bool
zmq_link_serve_writer(struct edge *edge, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    bool moved = send_batches(edge, err);
    Hde__Frame *frame;

    while ((frame = receive(link->near, &link->far_sent, edge, err))) {
        if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_CREDIT)
            ring_finish(edge->out, frame->credit_messages, frame->credit_bytes / 64);
        else if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_ASK)
            ring_ask(edge->out, frame->tick);
        hde__frame__free_unpacked(frame, NULL);
        moved = true;
    }
    ring_return(edge->out);
    return moved;
}

/* ---- Far end: the reader's thread --------------------------------------------------------- */

static bool
unpack_messages(struct edge *edge, const Hde__Frame *frame, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    uint32_t n_types = 0;

    while (link->types[n_types])
        n_types++;
    for (size_t i = 0; i < frame->n_messages; i++) {
        const Hde__FrameMessage *item = frame->messages[i];
        hde_msg *msg = item->type < n_types
                           ? msg_unpack(msg_pool_current(), link->types[item->type],
                                        item->body.data, item->body.len)
                           : NULL;

        if (!msg) {
            STAT_ADD(edge->stats->corrupt, 1);
            return err_set(err, "HDE-R007", "message %zu of tick %llu cannot be read", i,
                           (unsigned long long)frame->tick);
        }
        msg->event_ns = item->event_ns;
        msgvec_push(&link->in, msg);
    }
    return true;
}

static bool
receive_batch(struct edge *edge, const Hde__Frame *frame, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    struct record record = {.tick = frame->tick,
                            .now_ns = frame->time_ns,
                            .watermark_ns = frame->watermark_ns,
                            .put_ns = edge->reader->worker->mono_ns,
                            .n = (uint32_t)frame->n_messages,
                            .lines = (uint32_t)(frame->credit_bytes / 64),
                            .barrier = frame->kind == HDE__FRAME_KIND__FRAME_KIND_BARRIER};

    if (frame->index != (uint32_t)link->received) {
        STAT_ADD(edge->stats->corrupt, 1);
        return err_set(err, "HDE-R007", "frame %u came where %u was due", frame->index,
                       (uint32_t)link->received);
    }
    link->received++;
    if (!unpack_messages(edge, frame, err))
        return false;
    ring_put(edge->in, &record, link->in.item);
    link->in.n = 0;
    return true;
}

static bool
receive_frames(struct edge *edge, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    uint64_t word = edge->in->said;
    bool moved = false;
    Hde__Frame *frame;

    while (!err_is_set(err) && (frame = receive(link->far, &link->near_sent, edge, err))) {
        if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_DATA ||
            frame->kind == HDE__FRAME_KIND__FRAME_KIND_BARRIER)
            receive_batch(edge, frame, err);
        else if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_PROGRESS)
            word = frame->tick;
        hde__frame__free_unpacked(frame, NULL);
        moved = true;
    }
    if (moved)
        ring_publish(edge->in, word);
    return moved;
}

static void
send_credit(struct edge *edge, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    uint64_t units = atomic_load_explicit(&edge->in->done_units, memory_order_relaxed);
    uint64_t lines = atomic_load_explicit(&edge->in->done_lines, memory_order_relaxed);
    uint64_t ask = atomic_load_explicit(&edge->in->ask, memory_order_relaxed);

    if (units != link->returned_units) {
        Hde__Frame frame = frame_of(edge, HDE__FRAME_KIND__FRAME_KIND_CREDIT);

        frame.has_credit_messages = frame.has_credit_bytes = true;
        frame.credit_messages = (uint32_t)(units - link->returned_units);
        frame.credit_bytes = (lines - link->returned_lines) * 64;
        link->returned_units = units;
        link->returned_lines = lines;
        send_frame(link->far, &frame, &link->far_sent, err);
    }
    if (ask > link->said_ask) {
        Hde__Frame frame = frame_of(edge, HDE__FRAME_KIND__FRAME_KIND_ASK);

        frame.has_tick = true;
        frame.tick = link->said_ask = ask;
        send_frame(link->far, &frame, &link->far_sent, err);
    }
}

bool
zmq_link_serve_reader(struct edge *edge, struct err *err)
{
    bool moved;

    send_credit(edge, err);
    moved = receive_frames(edge, err);
    return moved;
}
