/* SPDX-License-Identifier: Apache-2.0
 * later - a source that goes back, a service that answers later and never twice the same, and an
 * operator whose results depend on the order of all it saw. In builds (BUILD) that differ in
 * name. */
#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const hde_port in1[] = {{.name = "in", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};
static const hde_port out1[] = {{.name = "out", .types = HDE_TYPES(&hde__sample__descriptor)}, {0}};

/* ---- The source: a number every so often --------------------------------------------------- */

struct feed {
    int64_t count, at;
    hde_duration every;
    int64_t next_ns;
};
static const hde_param feed_params[] = {
    HDE_PARAM(struct feed, count, .fallback = "100", .max = 1e9, .help = "numbers"),
    HDE_PARAM(struct feed, every, .fallback = "0s", .max = 10, .help = "time between two of them"),
    {0}};

static hde_status
feed_poll(hde_ctx *ctx, void *state)
{
    struct feed *self = state;
    hde_msg *msg;
    Hde__Sample *sample;

    if (self->at == self->count)
        return HDE_END;
    if (hde_now_ns(ctx) < self->next_ns) {
        hde_timer_after(ctx, 0, self->next_ns - hde_now_ns(ctx));
        return HDE_IDLE;
    }
    self->next_ns = hde_now_ns(ctx) + self->every.ns;
    msg = hde_msg_new(ctx, &hde__sample__descriptor);
    msg->event_ns = self->at * 1000000;
    sample = (Hde__Sample *)msg->body;
    sample->has_sequence = true;
    sample->sequence = (uint64_t)self->at++;
    hde_emit(ctx, 0, msg);
    hde_position(ctx, 0, &self->at, sizeof self->at);
    return HDE_OK;
}

static hde_status
feed_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    memcpy(&((struct feed *)state)->at, bytes, size);
    return HDE_OK;
}

static const hde_operator op_feed = {.size = sizeof(hde_operator),
                                     .name = "later/feed",
                                     .summary = "numbers, one every so often",
                                     .outputs = out1,
                                     .params = feed_params,
                                     .state_size = sizeof(struct feed),
                                     .poll = feed_poll,
                                     .seek = feed_seek};

/* ---- The service ---------------------------------------------------------------------------- */

struct item {
    uint64_t question;
    hde_msg *msg;
};
struct list {
    uint32_t n;
    struct item item[256];
};
struct service {
    hde_path asked;
    int asked_fd, event_fd;
    pthread_t thread;
    pthread_mutex_t lock;      /* the two lists, is_over */
    pthread_cond_t more, slow; /* nobody signals `slow`: the service takes its time */
    struct list open, done;
    bool is_open, is_over;
};
static const hde_param service_params[] = {
    HDE_PARAM(struct service, asked, .help = "file: a line for each question"), {0}};

static uint32_t
drawn(uint32_t n)
{
    uint32_t x = 0;

    return getrandom(&x, sizeof x, 0) < 0 ? 0 : x % n;
}

/* Takes its time, and answers in an order of its own. */
static void *
serve(void *arg)
{
    struct service *self = arg;
    const uint64_t one = 1;

    pthread_mutex_lock(&self->lock);
    while (!self->is_over) {
        struct timespec until;
        uint32_t i;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += drawn(2000000);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (!self->open.n)
            pthread_cond_wait(&self->more, &self->lock);
        else
            pthread_cond_timedwait(&self->slow, &self->lock, &until);
        if (!self->open.n || self->done.n == 256)
            continue;
        i = drawn(self->open.n);
        self->done.item[self->done.n++] = self->open.item[i];
        self->open.item[i] = self->open.item[--self->open.n];
        if (write(self->event_fd, &one, sizeof one) < 0)
            abort();
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static hde_status
service_open(hde_ctx *ctx, void *state)
{
    struct service *self = state;

    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->more, NULL);
    pthread_cond_init(&self->slow, NULL);
    self->is_open = true;
    self->asked_fd = open(self->asked.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    self->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->asked_fd < 0 || self->event_fd < 0 || !hde_watch(ctx, self->event_fd, EPOLLIN, 0) ||
        pthread_create(&self->thread, NULL, serve, self) != 0)
        return hde_fail(ctx, "later.open", "no service");
    return HDE_OK;
}

static hde_status
service_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct service *self = state;
    hde_status status = HDE_OK;
    char line[32];

    pthread_mutex_lock(&self->lock);
    for (; batch->done < batch->n; batch->done++) {
        struct item *item = &self->open.item[self->open.n];
        int n;

        if (self->open.n == 256) {
            status = HDE_RETRY;
            break;
        }
        item->question = hde_question(ctx, batch, batch->done);
        item->msg = hde_take(batch, batch->done);
        self->open.n++;
        n = snprintf(line, sizeof line, "%llu\n",
                     (unsigned long long)((const Hde__Sample *)item->msg->body)->sequence);
        if (write(self->asked_fd, line, (size_t)n) != n)
            abort();
    }
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
    return status;
}

static hde_status
service_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    struct service *self = state;
    struct list done;
    uint64_t n;

    if (read(self->event_fd, &n, sizeof n) < 0)
        return HDE_OK;
    pthread_mutex_lock(&self->lock);
    done = self->done;
    self->done.n = 0;
    pthread_mutex_unlock(&self->lock);
    for (uint32_t i = 0; i < done.n; i++) {
        hde_msg *msg = hde_msg_writable(ctx, done.item[i].msg);
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        sample->has_value = true;
        sample->value = drawn(1000);
        sample->key = hde_msg_text(msg, BUILD);
        hde_emit(ctx, 0, msg);
        hde_answer(ctx, done.item[i].question);
    }
    return HDE_OK;
}

static void
service_close(hde_ctx *ctx, void *state)
{
    struct service *self = state;

    if (!self->is_open)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_over = true;
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
    if (self->thread)
        pthread_join(self->thread, NULL);
    while (self->open.n)
        hde_msg_drop(self->open.item[--self->open.n].msg);
    while (self->done.n)
        hde_msg_drop(self->done.item[--self->done.n].msg);
    hde_watch(ctx, self->event_fd, 0, 0);
    close(self->event_fd);
    close(self->asked_fd);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->more);
    pthread_cond_destroy(&self->slow);
}

static const hde_operator op_service = {.size = sizeof(hde_operator),
                                        .flags = HDE_IMPURE | HDE_ANSWERS_LATER,
                                        .name = "later/service",
                                        .summary = "answers later, never twice the same",
                                        .inputs = in1,
                                        .outputs = out1,
                                        .params = service_params,
                                        .state_size = sizeof(struct service),
                                        .open = service_open,
                                        .batch = service_batch,
                                        .event = service_event,
                                        .close = service_close};

/* ---- What depends on all of it --------------------------------------------------------------- */

struct sum {
    uint64_t sum;
};

static hde_status
sum_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sum *self = state;

    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = hde_msg_writable(ctx, hde_take(batch, batch->done));
        Hde__Sample *sample = (Hde__Sample *)msg->body;

        self->sum = (self->sum * 31 + (uint64_t)sample->value) % ((uint64_t)1 << 50);
        sample->value = (double)self->sum;
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static hde_status
sum_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    Hde__Sample *sample = (Hde__Sample *)out->body;

    sample->has_sequence = true;
    sample->sequence = ((const struct sum *)state)->sum;
    return HDE_OK;
}

static hde_status
sum_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    ((struct sum *)state)->sum = ((const Hde__Sample *)saved)->sequence;
    return HDE_OK;
}

static const hde_operator op_sum = {.size = sizeof(hde_operator),
                                    .name = "later/sum",
                                    .summary = "a number of all values so far",
                                    .inputs = in1,
                                    .outputs = out1,
                                    .state_size = sizeof(struct sum),
                                    .batch = sum_batch,
                                    .state_type = &hde__sample__descriptor,
                                    .state_schema = 1,
                                    .save = sum_save,
                                    .load = sum_load};

HDE_PLUGIN(&op_feed, &op_service, &op_sum);
