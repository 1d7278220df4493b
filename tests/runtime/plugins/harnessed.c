/* SPDX-License-Identifier: Apache-2.0
 * harnessed - operators that use all of the ABI, for the harness's own test. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- test/sum: sums samples, busy once, timers, state --------------------------------------- */

struct sum {
    double scale;
    const char *mode;
    bool busy_once;
    hde_secret token;
    double total;
    hde_counter *seen;
};

static const hde_param sum_params[] = {
    HDE_PARAM(struct sum, scale, .fallback = "2", .min = 1, .max = 10, .help = "factor"),
    HDE_PARAM(struct sum, mode, .fallback = "plain", .choices = "plain|broken", .help = "how"),
    HDE_PARAM(struct sum, token, .fallback = "", .help = "for the log"),
    HDE_PARAM(struct sum, busy_once, .fallback = "false", .help = "ask for a retry at 13"),
    {0},
};
static const hde_port samples_in[] = {{"in", HDE_TYPES(&hde__sample__descriptor), 0, "any"}, {0}};
static const hde_port samples_out[] = {{"out", HDE_TYPES(&hde__sample__descriptor), 0, "sum"}, {0}};

static hde_status
sum_open(hde_ctx *ctx, void *state)
{
    struct sum *self = state;

    if (!strcmp(self->mode, "broken"))
        return hde_fail(ctx, "sum.broken", "asked to be broken");
    self->seen = hde_counter_open(ctx, "seen", "samples");
    return HDE_OK;
}

static void
sum_emit(hde_ctx *ctx, const struct sum *self)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *out = (Hde__Sample *)msg->body;

    out->value = self->total * self->scale, out->has_value = true;
    hde_emit(ctx, 0, msg);
}

static hde_status
sum_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sum *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__Sample *in = (const Hde__Sample *)batch->msg[batch->done]->body;

        if (in->value < 0)
            return hde_reject(ctx, "sum.negative", "value %g", in->value);
        if (in->value == 13 && self->busy_once) {
            self->busy_once = false;
            return hde_retry(ctx, "sum.busy", "not now");
        }
        if (in->value == 666)
            return hde_fail(ctx, "sum.beast", "no");
        if (in->value == 777)
            return hde_fail(ctx, "sum.careless", "token %s refused", self->token.text);
        self->total += in->value;
        hde_count(self->seen, 1);
        sum_emit(ctx, self);
        if (in->value == 100) {
            hde_timer_at(ctx, 1, batch->msg[batch->done]->event_ns + 10);
            hde_timer_at(ctx, 2, INT64_MAX - 1);
            hde_timer_at(ctx, 2, INT64_MAX); /* cancelled */
        }
    }
    return HDE_OK;
}

static hde_status
sum_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    sum_emit(ctx, state);
    return HDE_OK;
}

static hde_status
sum_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct sum *self = state;
    Hde__Sample *body = (Hde__Sample *)out->body;

    body->value = self->total, body->has_value = true;
    return HDE_OK;
}

static hde_status
sum_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct sum *self = state;

    self->total = ((const Hde__Sample *)saved)->value;
    return schema == 3 ? HDE_OK : HDE_FAIL;
}

static const hde_operator sum = {
    .size = sizeof(hde_operator),
    .name = "test/sum",
    .summary = "sum of samples so far",
    .inputs = samples_in,
    .outputs = samples_out,
    .params = sum_params,
    .state_size = sizeof(struct sum),
    .open = sum_open,
    .batch = sum_batch,
    .timer = sum_timer,
    .state_type = &hde__sample__descriptor,
    .state_schema = 3,
    .save = sum_save,
    .load = sum_load,
};

/* ---- test/pipe: a source with a descriptor, a thread and a position -------------------------- */

struct pipe {
    int64_t first;
    int fd[2];
    pthread_t thread;
    bool threaded;
    int64_t next;
};

static const hde_param pipe_params[] = {
    HDE_PARAM(struct pipe, first, .fallback = "1", .help = "first number"),
    {0},
};

static hde_status
pipe_open(hde_ctx *ctx, void *state)
{
    struct pipe *self = state;

    self->next = self->first;
    if (pipe(self->fd))
        return hde_fail(ctx, "pipe.open", "no pipe");
    if (!hde_watch(ctx, self->fd[0], EPOLLIN, 7))
        return hde_fail(ctx, "pipe.watch", "not watched");
    hde_timer_after(ctx, 5, 1000);
    return HDE_OK;
}

static void
pipe_emit(hde_ctx *ctx, double value)
{
    hde_msg *msg = hde_msg_new(ctx, &hde__sample__descriptor);
    Hde__Sample *out = (Hde__Sample *)msg->body;

    out->value = value, out->has_value = true;
    hde_emit(ctx, 0, msg);
}

static void *
post_from_thread(void *ctx)
{
    static int data = 42;

    hde_post(ctx, 9, &data);
    return NULL;
}

static hde_status
pipe_poll(hde_ctx *ctx, void *state)
{
    struct pipe *self = state;

    if (self->next > 3)
        return HDE_END;
    pipe_emit(ctx, (double)self->next);
    self->next++;
    hde_position(ctx, 0, &self->next, sizeof self->next);
    hde_source_watermark(ctx, self->next * 100);
    return HDE_OK;
}

static hde_status
pipe_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct pipe *self = state;

    if (partition || size != sizeof self->next)
        return hde_fail(ctx, "pipe.seek", "not a position");
    memcpy(&self->next, bytes, size);
    return HDE_OK;
}

static hde_status
pipe_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct pipe *self = state;

    if (write(self->fd[1], "x", 1) != 1)
        return hde_fail(ctx, "pipe.write", "no room");
    self->threaded = !pthread_create(&self->thread, NULL, post_from_thread, ctx);
    return HDE_OK;
}

static hde_status
pipe_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    struct pipe *self = state;
    char byte;

    if (event->kind == HDE_EVENT_POSTED)
        pipe_emit(ctx, *(const int *)event->data * 1000 + (double)event->tag);
    else if (read(self->fd[0], &byte, 1) == 1)
        pipe_emit(ctx, byte * 1000 + (double)event->tag);
    return HDE_OK;
}

static void
pipe_close(hde_ctx *ctx, void *state)
{
    struct pipe *self = state;

    if (self->threaded)
        pthread_join(self->thread, NULL);
    if (self->fd[0]) {
        close(self->fd[0]);
        close(self->fd[1]);
    }
}

static const hde_operator source = {
    .size = sizeof(hde_operator),
    .name = "test/pipe",
    .summary = "numbers, and what comes through a pipe",
    .outputs = samples_out,
    .params = pipe_params,
    .state_size = sizeof(struct pipe),
    .open = pipe_open,
    .poll = pipe_poll,
    .seek = pipe_seek,
    .timer = pipe_timer,
    .event = pipe_event,
    .close = pipe_close,
};

/* ---- test/later: answers the oldest question at each post --------------------- */

struct later {
    uint64_t question[8], given;
    hde_msg *msg[8];
    uint32_t n;
};

static hde_status
later_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct later *self = state;

    for (; batch->done < batch->n; batch->done++) {
        if (self->n == 8)
            return HDE_RETRY;
        self->question[self->n] = hde_question(ctx, batch, batch->done);
        self->msg[self->n++] = hde_take(batch, batch->done);
        hde_post(ctx, 0, NULL);
    }
    return HDE_OK;
}

static hde_status
later_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    struct later *self = state;

    if (!self->n)
        return HDE_OK;
    hde_forward(ctx, 0, self->msg[0]); /* of no question: goes nowhere */
    hde_answer(ctx, self->given);
    hde_emit(ctx, 0, self->msg[0]);
    self->given = self->question[0];
    self->n--;
    memmove(self->question, self->question + 1, self->n * sizeof *self->question);
    memmove(self->msg, self->msg + 1, self->n * sizeof *self->msg);
    return hde_answer(ctx, self->given) ? HDE_OK : HDE_FAIL;
}

static void
later_close(hde_ctx *ctx, void *state)
{
    struct later *self = state;

    while (self->n)
        hde_msg_drop(self->msg[--self->n]);
}

static const hde_operator later = {
    .size = sizeof(hde_operator),
    .flags = HDE_IMPURE | HDE_ANSWERS_LATER,
    .name = "test/later",
    .summary = "answers later",
    .inputs = samples_in,
    .outputs = samples_out,
    .state_size = sizeof(struct later),
    .batch = later_batch,
    .event = later_event,
    .close = later_close,
};

HDE_PLUGIN(&sum, &source, &later);
