/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour_ops.h"

#include <hde/schemas/runtime.pb-c.h>

#include <sched.h>

static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

static uint64_t
sequence_of(const hde_msg *msg)
{
    return ((const Hde__Sample *)msg->body)->sequence;
}

/* ---- moody -------------------------------------------------------------------------------- */

static hde_status
moody_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct moody *self = state;

    if (self->calls)
        atomic_fetch_add(self->calls, 1);
    for (; batch->done < batch->n; batch->done++) {
        if (self->times && (int64_t)sequence_of(batch->msg[batch->done]) == self->at) {
            self->times--;
            switch (self->status) {
            case HDE_REJECT:
                return hde_reject(ctx, "moody.bad", "number %d", (int)self->at);
            case HDE_RETRY:
                return hde_retry(ctx, "moody.busy", "number %d", (int)self->at);
            default:
                return hde_fail(ctx, "moody.broken", "number %d", (int)self->at);
            }
        }
        hde_forward(ctx, 0, batch->msg[batch->done]);
    }
    return HDE_OK;
}

const hde_operator op_moody = {.size = sizeof(hde_operator),
                               .name = "test/moody",
                               .inputs = in1,
                               .outputs = out1,
                               .state_size = sizeof(struct moody),
                               .batch = moody_batch};

/* ---- timed -------------------------------------------------------------------------------- */

enum { EVERY = 9999, ALARM = 8888 };

static hde_status
timed_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct timed *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];

        hde_text_printf(self->into, "m%d ", (int)sequence_of(msg));
        if (self->after_ns)
            hde_timer_at(ctx, (uint32_t)sequence_of(msg), msg->event_ns + self->after_ns);
        if (self->every_ns && sequence_of(msg) == 0)
            hde_timer_at(ctx, EVERY, msg->event_ns + self->every_ns);
        if (self->alarm_ns)
            hde_timer_after(ctx, ALARM, self->alarm_ns);
    }
    return HDE_OK;
}

static hde_status
timed_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct timed *self = state;

    hde_text_printf(self->into, "t%u@%lld ", id, (long long)at_ns);
    if (id == EVERY)
        hde_timer_at(ctx, EVERY, at_ns + self->every_ns);
    return HDE_OK;
}

static hde_status
timed_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct timed *self = state;

    if (hde_watermark_ns(ctx) == INT64_MAX)
        hde_text_puts(self->into, "f");
    return HDE_OK;
}

const hde_operator op_timed = {.size = sizeof(hde_operator),
                               .name = "test/timed",
                               .inputs = in1,
                               .state_size = sizeof(struct timed),
                               .batch = timed_batch,
                               .timer = timed_timer,
                               .flush = timed_flush};

/* ---- ringing ------------------------------------------------------------------------------ */

static hde_msg *
ring_each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    uint32_t id = (uint32_t)sequence_of(taken);

    hde_timer_at(ctx, 100 * id + 1, taken->event_ns);
    hde_timer_at(ctx, 100 * id + 2, taken->event_ns + 15);
    return taken;
}

static hde_status
ring_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++)
        hde_emit(ctx, 0, ring_each(ctx, state, hde_take(batch, batch->done)));
    return HDE_OK;
}

static hde_status
ring_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;

    sample->has_sequence = true;
    sample->sequence = id;
    hde_emit(ctx, 0, msg);
    return HDE_OK;
}

const hde_operator op_ringing = {.size = sizeof(hde_operator),
                                 .name = "test/ringing",
                                 .inputs = in1,
                                 .outputs = out1,
                                 .batch = ring_batch,
                                 .timer = ring_timer};
const hde_operator op_ringing_each = {.size = sizeof(hde_operator),
                                      .name = "test/ringing_each",
                                      .inputs = in1,
                                      .outputs = out1,
                                      .batch = hde_each,
                                      .each = ring_each,
                                      .timer = ring_timer};

/* ---- gated -------------------------------------------------------------------------------- */

static hde_status
gated_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct gated *self = state;

    while (!atomic_load(self->gate))
        sched_yield();
    for (; batch->done < batch->n; batch->done++) {
        if (self->into)
            hde_text_printf(self->into, "%d ", (int)sequence_of(batch->msg[batch->done]));
        atomic_fetch_add(self->got, 1);
    }
    return HDE_OK;
}

const hde_operator op_gated = {.size = sizeof(hde_operator),
                               .flags = HDE_BLOCKING,
                               .name = "test/gated",
                               .inputs = in1,
                               .state_size = sizeof(struct gated),
                               .batch = gated_batch};
const hde_operator op_gated_view = {.size = sizeof(hde_operator),
                                    .flags = HDE_BLOCKING | HDE_VIEW,
                                    .name = "test/gated_view",
                                    .inputs = in1,
                                    .state_size = sizeof(struct gated),
                                    .batch = gated_batch};

/* ---- posted ------------------------------------------------------------------------------- */

static hde_status
posted_open(hde_ctx *ctx, void *state)
{
    *((struct posted *)state)->ctx = ctx;
    return HDE_OK;
}

static hde_status
posted_poll(hde_ctx *ctx, void *state)
{
    return HDE_IDLE;
}

static hde_status
posted_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *sample = (Hde__Sample *)msg->body;

    msg->event_ns = (int64_t)event->tag * 1000;
    sample->has_sequence = true;
    sample->sequence = event->tag;
    hde_emit(ctx, 0, msg);
    return HDE_IDLE;
}

const hde_operator op_posted = {.size = sizeof(hde_operator),
                                .name = "test/posted",
                                .outputs = out1,
                                .state_size = sizeof(struct posted),
                                .open = posted_open,
                                .poll = posted_poll,
                                .event = posted_event};

/* ---- impure ------------------------------------------------------------------------------- */

struct impure {
    int open_questions;
};

static hde_status
impure_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct impure *self = state;

    for (; batch->done < batch->n; batch->done++) {
        self->open_questions++;
        hde_post(ctx, 0, hde_take(batch, batch->done));
    }
    return HDE_OK;
}

static hde_status
impure_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    struct impure *self = state;

    self->open_questions--;
    hde_emit(ctx, 0, event->data);
    return HDE_OK;
}

static hde_status
impure_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    return ((struct impure *)state)->open_questions ? HDE_RETRY : HDE_OK;
}

const hde_operator op_impure = {.size = sizeof(hde_operator),
                                .flags = HDE_IMPURE,
                                .name = "test/impure",
                                .inputs = in1,
                                .outputs = out1,
                                .state_size = sizeof(struct impure),
                                .batch = impure_batch,
                                .event = impure_event,
                                .flush = impure_flush};
