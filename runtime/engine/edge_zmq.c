/* SPDX-License-Identifier: Apache-2.0
 * edge_zmq - an edge over ZeroMQ: what stands in the writer's ring goes as frames to the reader's.
 *
 *  (1) DEALER to DEALER; a frame (link/frame.h) is one message of ZeroMQ. Batches and progress go
 *      one way, credit and asks the other. Sockets have no high-water mark: what is under way is
 *      bounded by the edge's own credit, so control is never blocked by data.
 *  (2) Near end: the writer's ring is drained into frames when it is published; its credit comes
 *      back when the far reader has finished, not when the frame is sent.
 *  (3) Far end: frames become records of the reader's ring in the order of their numbers; a number
 *      that is missing or comes twice, a batch without credit, more credit back than was used, or a
 *      frame that cannot be read breaks the edge with a named error.
 *      [test_a_corrupt_frame_breaks_the_edge_by_name]
 *  (4) ZeroMQ's descriptor tells only that something changed: after every send or receive both
 *      directions are read until nothing is left, and again before the worker parks. */
#include "base/arena.h"
#include "engine/run.h"
#include "link/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

struct zmq_link {
    void *near, *far; /* sockets of the writer's and of the reader's thread */
    const ProtobufCMessageDescriptor *const *types;
    uint64_t schema;

    /* near */
    uint64_t sent, said_word;
    struct hde_msgvec out;
    struct frame near_frame;

    /* far */
    uint64_t received, returned_units, returned_lines, said_ask;
    struct hde_msgvec in;
    struct frame far_frame;

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
    link->schema = frame_schema(types);
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
    frame_fini(&link->near_frame);
    frame_fini(&link->far_frame);
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
send_frame(void *socket, struct frame *frame, _Atomic uint64_t *sent, struct err *err)
{
    zmq_msg_t msg;

    if (zmq_msg_init_size(&msg, frame_size(frame)))
        return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    frame_write(frame, zmq_msg_data(&msg));
    /* release: pairs with the load in receive(); the bytes are written */
    atomic_fetch_add_explicit(sent, 1, memory_order_release);
    if (zmq_msg_send(&msg, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&msg);
        return err_set(err, "HDE-R006", "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    }
    return true;
}

static bool
corrupt(const struct edge *edge)
{
    STAT_ADD(edge->stats->corrupt, 1);
    return false;
}

/* The next frame; it lends the bytes of msg, which is to be closed. False: nothing there, or err is
 * set. */
static bool
receive(void *socket, _Atomic uint64_t *sent, const struct edge *edge, struct frame *frame,
        zmq_msg_t *msg, struct err *err)
{
    zmq_msg_init(msg);
    if (zmq_msg_recv(msg, socket, ZMQ_DONTWAIT) >= 0) {
        (void)atomic_load_explicit(sent, memory_order_acquire);
        if (frame_read(frame, zmq_msg_data(msg), zmq_msg_size(msg), err))
            return true;
        corrupt(edge);
    }
    zmq_msg_close(msg);
    return false;
}

/* ---- Near end: the writer's thread -------------------------------------------------------- */

static bool
send_batch(struct edge *edge, const struct record *front, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    struct frame *frame = &link->near_frame;

    frame_begin(frame,
                front->barrier ? HDE__FRAME_KIND__FRAME_KIND_BARRIER
                               : HDE__FRAME_KIND__FRAME_KIND_DATA,
                edge->id);
    frame->tick = front->tick;
    frame->number = link->sent++;
    frame->schema = link->schema;
    frame->watermark_ns = front->watermark_ns;
    frame->time_ns = front->now_ns;
    frame->credit_messages = (uint32_t)record_units(front); /* what it costs */
    frame->credit_bytes = (uint64_t)front->lines * 64;
    for (uint32_t i = 0; i < link->out.n; i++) {
        const hde_msg *msg = link->out.item[i];

        frame_add(frame, edge->from_port, frame_type(link->types, msg->body->descriptor), msg);
    }
    return send_frame(link->near, frame, &link->near_sent, err);
}

static bool
send_batches(struct edge *edge, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    uint64_t word = ring_word(edge->out); /* before the ring */
    struct record front;
    bool moved = false;

    while (ring_front(edge->out, &front)) {
        ring_take(edge->out, &front, &link->out);
        if (!send_batch(edge, &front, err))
            return false;
        msgvec_drop_all(&link->out);
        moved = true;
    }
    if (word > link->said_word) {
        frame_begin(&link->near_frame, HDE__FRAME_KIND__FRAME_KIND_PROGRESS, edge->id);
        link->near_frame.tick = link->said_word = word;
        send_frame(link->near, &link->near_frame, &link->near_sent, err);
    }
    return moved;
}

static bool
take_credit(struct edge *edge, const struct frame *frame, struct err *err)
{
    const struct ring *ring = edge->out;
    uint64_t lines = frame->credit_bytes / 64;

    if (frame->credit_messages > ring->put_units - ring->finished_units ||
        lines > ring->put_lines - ring->finished_lines) {
        err_set(err, "HDE-R007", "the reader gives back more credit than was used");
        return corrupt(edge);
    }
    ring_finish(edge->out, frame->credit_messages, lines);
    return true;
}

bool
zmq_link_serve_writer(struct edge *edge, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    struct frame *frame = &link->near_frame;
    bool moved = send_batches(edge, err);
    zmq_msg_t msg;

    while (!err_is_set(err) &&
           receive(link->near, &link->far_sent, edge, frame, &msg, err)) {
        if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_CREDIT)
            take_credit(edge, frame, err);
        else if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_ASK)
            ring_ask(edge->out, frame->tick);
        zmq_msg_close(&msg);
        moved = true;
    }
    ring_return(edge->out);
    return moved;
}

/* ---- Far end: the reader's thread --------------------------------------------------------- */

static bool
unpack_messages(struct edge *edge, const struct frame *frame, struct err *err)
{
    struct zmq_link *link = edge->zmq;

    if (!frame_fits(frame, link->types, link->schema, err))
        return corrupt(edge);
    for (uint32_t i = 0; i < frame->n; i++) {
        const struct frame_message *item = &frame->message[i];
        hde_msg *msg =
            msg_unpack(msg_pool_current(), link->types[item->type], item->bytes, item->size);

        if (!msg) {
            err_set(err, "HDE-R007", "message %u of tick %llu cannot be read", i,
                    (unsigned long long)frame->tick);
            return corrupt(edge);
        }
        msg->event_ns = item->event_ns;
        msgvec_push(&link->in, msg);
    }
    return true;
}

static bool
receive_batch(struct edge *edge, const struct frame *frame, struct err *err)
{
    struct zmq_link *link = edge->zmq;
    struct record record = {.tick = frame->tick,
                            .now_ns = frame->time_ns,
                            .watermark_ns = frame->watermark_ns,
                            .put_ns = edge->reader->worker->mono_ns,
                            .n = frame->n,
                            .lines = (uint32_t)(frame->credit_bytes / 64),
                            .barrier = frame->kind == HDE__FRAME_KIND__FRAME_KIND_BARRIER};

    if (frame->number != link->received) {
        err_set(err, "HDE-R007", "frame %llu came where %llu was due",
                (unsigned long long)frame->number, (unsigned long long)link->received);
        return corrupt(edge);
    }
    if (!ring_has_credit(edge->in)) {
        err_set(err, "HDE-R007", "tick %llu came without credit",
                (unsigned long long)frame->tick);
        return corrupt(edge);
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
    struct frame *frame = &link->far_frame;
    uint64_t word = edge->in->said;
    bool moved = false;
    zmq_msg_t msg;

    while (!err_is_set(err) &&
           receive(link->far, &link->near_sent, edge, frame, &msg, err)) {
        if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_DATA ||
            frame->kind == HDE__FRAME_KIND__FRAME_KIND_BARRIER)
            receive_batch(edge, frame, err);
        else if (frame->kind == HDE__FRAME_KIND__FRAME_KIND_PROGRESS)
            word = frame->tick;
        zmq_msg_close(&msg);
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
    struct frame *frame = &link->far_frame;
    uint64_t units = atomic_load_explicit(&edge->in->done_units, memory_order_relaxed);
    uint64_t lines = atomic_load_explicit(&edge->in->done_lines, memory_order_relaxed);
    uint64_t ask = atomic_load_explicit(&edge->in->ask, memory_order_relaxed);

    if (units != link->returned_units) {
        frame_begin(frame, HDE__FRAME_KIND__FRAME_KIND_CREDIT, edge->id);
        frame->credit_messages = (uint32_t)(units - link->returned_units);
        frame->credit_bytes = (lines - link->returned_lines) * 64;
        link->returned_units = units;
        link->returned_lines = lines;
        send_frame(link->far, frame, &link->far_sent, err);
    }
    if (ask > link->said_ask) {
        frame_begin(frame, HDE__FRAME_KIND__FRAME_KIND_ASK, edge->id);
        frame->tick = link->said_ask = ask;
        send_frame(link->far, frame, &link->far_sent, err);
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
