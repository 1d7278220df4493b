/* SPDX-License-Identifier: Apache-2.0
 * harness - hosts one instance for a test (hde/testing.h): queues for its outputs, a clock that
 * the test sets, its descriptors in an epoll of its own. */
#include <hde/testing.h>

#include "base/arena.h"
#include "base/clock.h"
#include "engine/ctx.h"
#include "graph/graph.h"
#include "plugin/check.h"
#include "plugin/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
    struct hde_msgvec vec;
    uint32_t head; /* pulled so far */
    uint32_t named; /* up to there it is an answer (HDE_ANSWERS_LATER) */
    struct hde_msgvec *target;
};

struct timer {
    uint32_t id;
    int64_t at_ns;
};

struct timers {
    struct timer *list;
    size_t n;
};

struct watched {
    int fd;
    uint32_t tag;
};

struct posted {
    struct posted *next;
    uint32_t tag;
    void *data;
};

struct named {
    struct named *next;
    hde_counter counter;
    _Atomic uint64_t value;
};

struct position {
    struct position *next;
    uint32_t partition;
    void *bytes;
    size_t size;
};

struct hde_harness {
    hde_ctx ctx;
    struct said said;
    struct registry *registry;
    struct arena arena;    /* parameter texts, names */
    const char *params;    /* as the test wrote them */
    struct queue *queues;  /* one an output */
    struct hde_msgvec *parked; /* one an input: what batch() left with HDE_RETRY */
    unsigned n_inputs;
    uint64_t tick;
    struct timers event_timers, processing_timers;
    int epoll_fd, post_fd;
    struct watched *watched;
    size_t n_watched;
    struct {
        pthread_mutex_t lock; /* guards the list: hde_post() comes from any thread */
        struct posted *first, **last;
        bool closed;
    } posts;
    uint64_t n_asked, *open; /* questions without an answer */
    uint32_t n_open;
    struct named *counters;
    struct position *positions;
    int64_t source_watermark_ns;
    uint64_t again_below;
    hde_standing standing;
    char standing_text[256];
    bool is_open;
};

static void __attribute__((noreturn, format(printf, 1, 2))) misuse(const char *fmt, ...)
{
    va_list args;

    fputs("hde harness: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static hde_harness *
harness_of(const hde_ctx *ctx)
{
    return ctx->owner;
}

/* ---- The host's side ---------------------------------------------------------------------- */

static void
timer_set(struct timers *timers, uint32_t id, int64_t at_ns, bool cancel)
{
    size_t i = 0;

    while (i < timers->n && timers->list[i].id != id)
        i++;
    if (cancel) {
        if (i < timers->n)
            timers->list[i] = timers->list[--timers->n];
        return;
    }
    if (i == timers->n)
        timers->list = xrealloc(timers->list, ++timers->n * sizeof *timers->list);
    timers->list[i] = (struct timer){id, at_ns};
}

static void
host_timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns)
{
    timer_set(&harness_of(ctx)->event_timers, id, event_ns, event_ns == INT64_MAX);
}

static void
host_timer_after(hde_ctx *ctx, uint32_t id, int64_t delay_ns)
{
    const hde_operator *op = ctx->op;
    bool has_outputs = op->outputs && op->outputs->name;
    bool has_inputs = op->inputs && op->inputs->name;

    if (has_inputs && has_outputs && !(op->flags & HDE_PROCESSING_TIMERS))
        misuse("%s calls hde_timer_after() without HDE_PROCESSING_TIMERS", op->name);
    timer_set(&harness_of(ctx)->processing_timers, id, ctx->now_ns + delay_ns, delay_ns < 0);
}

static bool
host_watch(hde_ctx *ctx, int fd, uint32_t events, uint32_t tag)
{
    hde_harness *h = harness_of(ctx);
    struct epoll_event event = {.events = events, .data.fd = fd};
    size_t i = 0;

    while (i < h->n_watched && h->watched[i].fd != fd)
        i++;
    if (!events) {
        if (i < h->n_watched)
            h->watched[i] = h->watched[--h->n_watched];
        return !epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, fd, NULL) || errno == ENOENT ||
               errno == EBADF;
    }
    /* A descriptor that was closed and opened anew is no longer in the epoll. */
    if (epoll_ctl(h->epoll_fd, EPOLL_CTL_MOD, fd, &event) &&
        epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return false;
    if (i == h->n_watched)
        h->watched = xrealloc(h->watched, ++h->n_watched * sizeof *h->watched);
    h->watched[i] = (struct watched){fd, tag};
    return true;
}

static bool
host_post(hde_ctx *ctx, uint32_t tag, void *data)
{
    hde_harness *h = harness_of(ctx);
    struct posted *post = xmalloc(sizeof *post);
    uint64_t one = 1;
    bool open;

    *post = (struct posted){NULL, tag, data};
    pthread_mutex_lock(&h->posts.lock);
    open = !h->posts.closed;
    if (open) {
        *h->posts.last = post;
        h->posts.last = &post->next;
        open = write(h->post_fd, &one, sizeof one) == sizeof one;
    } else {
        free(post);
    }
    pthread_mutex_unlock(&h->posts.lock);
    return open;
}

static struct position *
find_position(const hde_harness *h, uint32_t partition)
{
    struct position *position = h->positions;

    while (position && position->partition != partition)
        position = position->next;
    return position;
}

static void
host_position(hde_ctx *ctx, uint32_t partition, const void *bytes, size_t size)
{
    hde_harness *h = harness_of(ctx);
    struct position *position = find_position(h, partition);

    if (!position) {
        position = xcalloc(1, sizeof *position);
        position->partition = partition;
        position->next = h->positions;
        h->positions = position;
    }
    position->bytes = xrealloc(position->bytes, size);
    if (size)
        memcpy(position->bytes, bytes, size);
    position->size = size;
}

static void
host_source_watermark(hde_ctx *ctx, int64_t event_ns)
{
    if (event_ns > harness_of(ctx)->source_watermark_ns)
        harness_of(ctx)->source_watermark_ns = event_ns;
}

static struct named *
find_counter(const hde_harness *h, const char *name)
{
    struct named *named = h->counters;

    while (named && strcmp(named->counter.name, name))
        named = named->next;
    return named;
}

static hde_counter *
host_counter_open(hde_ctx *ctx, const char *name, const char *help)
{
    hde_harness *h = harness_of(ctx);
    struct named *named = find_counter(h, name);

    if (!named) {
        named = xcalloc(1, sizeof *named);
        named->counter.name = arena_text(&h->arena, name);
        named->counter.help = arena_text(&h->arena, help);
        named->counter.value = &named->value;
        named->next = h->counters;
        h->counters = named;
    }
    return &named->counter;
}

static void
host_stands(hde_ctx *ctx, hde_standing standing, const char *text)
{
    hde_harness *h = harness_of(ctx);

    h->standing = standing;
    snprintf(h->standing_text, sizeof h->standing_text, "%s", text);
}

static bool
host_is_again(const hde_ctx *ctx, uint64_t tick)
{
    return tick < harness_of(ctx)->again_below;
}

static void
host_metrics(const hde_ctx *ctx, hde_text *out)
{
    for (const struct named *named = harness_of(ctx)->counters; named; named = named->next)
        hde_text_printf(out, "hde_node_%s{node=\"%s\"} %llu\n", named->counter.name, ctx->node,
                        (unsigned long long)atomic_load(&named->value));
}

static void
host_health(const hde_ctx *ctx, hde_health *out)
{
    out->live = true;
    out->ready = harness_of(ctx)->is_open;
}

static uint64_t
host_question(hde_ctx *ctx, const hde_batch *batch, uint32_t i)
{
    hde_harness *h = harness_of(ctx);

    if (!(ctx->op->flags & HDE_ANSWERS_LATER) || ctx->in != batch || i >= batch->n)
        misuse("%s: hde_question() is for a message of batch(), with HDE_ANSWERS_LATER",
               ctx->op->name);
    h->open = xrealloc(h->open, (h->n_open + 1) * sizeof *h->open);
    return h->open[h->n_open++] = ++h->n_asked;
}

static bool
close_question(hde_harness *h, uint64_t question)
{
    for (uint32_t i = 0; i < h->n_open; i++)
        if (h->open[i] == question) {
            h->open[i] = h->open[--h->n_open];
            return true;
        }
    return false;
}

static bool
host_answer(hde_ctx *ctx, uint64_t question)
{
    hde_harness *h = harness_of(ctx);
    bool is_open = close_question(h, question);

    for (uint32_t i = 0; i < ctx->outlets.n; i++) {
        struct queue *queue = &h->queues[i];

        while (!is_open && queue->vec.n > queue->named)
            hde_msg_drop(queue->vec.item[--queue->vec.n]);
        queue->named = queue->vec.n;
    }
    return is_open;
}

static const struct host harness_host = {
    .timer_at = host_timer_at,
    .timer_after = host_timer_after,
    .watch = host_watch,
    .post = host_post,
    .position = host_position,
    .source_watermark = host_source_watermark,
    .question = host_question,
    .answer = host_answer,
    .counter_open = host_counter_open,
    .stands = host_stands,
    .is_again = host_is_again,
    .metrics = host_metrics,
    .health = host_health,
};

/* ---- Opening and closing ------------------------------------------------------------------ */

static bool
fill_params(hde_harness *h, char *error, size_t size)
{
    struct diags diags = {0};
    bool ok = graph_fill_params(h->ctx.op, h->params, h->ctx.state, &h->arena, &diags);

    if (!ok)
        snprintf(error, size, "%s %s", diags.n ? diags.list[0].code : "",
                 diags.n ? diags.list[0].message : "the parameters were refused");
    diags_fini(&diags);
    return ok;
}

/* After every callback: what came out must be of the type that the port says. */
static void
settle(hde_harness *h)
{
    ctx_scratch_reset(&h->ctx);
    for (uint32_t i = 0; i < h->ctx.outlets.n; i++) {
        const struct hde_msgvec *vec = &h->queues[i].vec;
        const ProtobufCMessageDescriptor *type = h->ctx.op->outputs[i].types[0];

        for (uint32_t j = h->queues[i].head; j < vec->n; j++) {
            if (vec->item[j]->body->descriptor != type)
                misuse("%s emitted %s on output '%s', which is for %s", h->ctx.op->name,
                       vec->item[j]->body->descriptor->name, h->ctx.op->outputs[i].name,
                       type->name);
        }
        if (h->ctx.op->flags & HDE_ANSWERS_LATER && vec->n > h->queues[i].named)
            misuse("%s emitted what is no answer: hde_answer() says to which question",
                   h->ctx.op->name);
    }
}

static bool
open_instance(hde_harness *h, char *error, size_t size)
{
    hde_ctx *ctx = &h->ctx;
    hde_status status = HDE_OK;

    ctx->state = xcalloc(1, ctx->op->state_size);
    if (!fill_params(h, error, size))
        return false;
    ctx->said->text[0] = 0;
    h->is_open = true; /* close() runs after a failed open() too */
    if (ctx->op->open)
        status = ctx->op->open(ctx, ctx->state);
    settle(h);
    if (status != HDE_OK)
        snprintf(error, size, "%s",
                 ctx->said->text[0] ? ctx->said->text : "open() failed without saying why");
    return status == HDE_OK;
}

static void
close_instance(hde_harness *h)
{
    if (h->is_open && h->ctx.op->close)
        h->ctx.op->close(&h->ctx, h->ctx.state);
    ctx_scratch_reset(&h->ctx);
    h->is_open = false;
    h->n_open = 0; /* nobody knows any more */
    free(h->ctx.state);
    h->ctx.state = NULL;
    while (h->n_watched) { /* fails where the operator closed them, as it should */
        h->n_watched--;
        epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, h->watched[h->n_watched].fd, NULL);
    }
}

static void
make_outlets(hde_harness *h)
{
    hde_ctx *ctx = &h->ctx;

    ctx->outlets.n = count_ports(ctx->op->outputs);
    ctx->outlets.port = arena_alloc(&h->arena, ctx->outlets.n * sizeof *ctx->outlets.port);
    h->queues = arena_alloc(&h->arena, ctx->outlets.n * sizeof *h->queues);
    for (uint32_t i = 0; i < ctx->outlets.n; i++) {
        h->queues[i].target = &h->queues[i].vec;
        outlet_set(&ctx->outlets.port[i], 1, &h->queues[i].target);
    }
    h->n_inputs = count_ports(ctx->op->inputs);
    h->parked = arena_alloc(&h->arena, h->n_inputs * sizeof *h->parked);
}

static void __attribute__((noreturn))
unknown_operator(const struct registry *registry, const char *op)
{
    const struct registry_problem *problems;
    size_t n = registry_problems(registry, &problems);

    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "hde harness: %s %s\n", problems[i].err.code, problems[i].err.text);
    misuse("no operator '%s' on the plugin path (HDE_PLUGIN_PATH=%s)", op,
           getenv("HDE_PLUGIN_PATH") ? getenv("HDE_PLUGIN_PATH") : "");
}

hde_harness *
hde_harness_try(const char *op, const char *params, char *error, size_t size)
{
    hde_harness *h = xcalloc(1, sizeof *h);
    const struct registry_operator *found;
    struct epoll_event event = {.events = EPOLLIN};

    h->registry = registry_new(NULL);
    found = registry_find(h->registry, op);
    if (!found)
        unknown_operator(h->registry, op);
    h->params = params ? arena_text(&h->arena, params) : NULL;
    h->ctx = (hde_ctx){.host = &harness_host,
                       .owner = h,
                       .op = found->op,
                       .batch = found->op->batch,
                       .said = &h->said,
                       .node = strrchr(found->op->name, '/') + 1,
                       .graph = "test",
                       .watermark_ns = INT64_MIN,
                       .log_level = HDE_WARN};
    make_outlets(h);
    h->source_watermark_ns = INT64_MIN;
    pthread_mutex_init(&h->posts.lock, NULL);
    h->posts.last = &h->posts.first;
    h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    h->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = h->post_fd;
    if (h->epoll_fd < 0 || h->post_fd < 0 ||
        epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->post_fd, &event))
        misuse("no descriptors left: %s", strerror(errno));
    if (!open_instance(h, error, size)) {
        hde_harness_close(h);
        return NULL;
    }
    return h;
}

hde_harness *
hde_harness_open(const char *op, const char *params)
{
    char error[600] = "";
    hde_harness *h = hde_harness_try(op, params, error, sizeof error);

    if (!h)
        misuse("%s: %s", op, error);
    return h;
}

void
hde_harness_close(hde_harness *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->posts.lock);
    h->posts.closed = true;
    pthread_mutex_unlock(&h->posts.lock);
    close_instance(h);
    for (uint32_t i = 0; i < h->ctx.outlets.n; i++) {
        for (; h->queues[i].head < h->queues[i].vec.n; h->queues[i].head++)
            hde_msg_drop(h->queues[i].vec.item[h->queues[i].head]);
        h->queues[i].vec.n = 0;
        msgvec_fini(&h->queues[i].vec);
    }
    for (unsigned i = 0; i < h->n_inputs; i++)
        msgvec_fini(&h->parked[i]);
    while (h->posts.first) {
        struct posted *post = h->posts.first;

        h->posts.first = post->next;
        free(post);
    }
    while (h->counters) {
        struct named *named = h->counters;

        h->counters = named->next;
        free(named);
    }
    while (h->positions) {
        struct position *position = h->positions;

        h->positions = position->next;
        free(position->bytes);
        free(position);
    }
    pthread_mutex_destroy(&h->posts.lock);
    close(h->epoll_fd);
    close(h->post_fd);
    free(h->watched);
    free(h->open);
    free(h->event_timers.list);
    free(h->processing_timers.list);
    ctx_scratch_fini(&h->ctx);
    registry_free(h->registry);
    arena_fini(&h->arena);
    free(h);
}

/* ---- In and out --------------------------------------------------------------------------- */

static unsigned
find_port(const hde_harness *h, const hde_port *ports, const char *kind, const char *name)
{
    unsigned n = count_ports(ports);

    for (unsigned i = 0; i < n; i++) {
        if (!strcmp(ports[i].name, name))
            return i;
    }
    misuse("%s has no %s '%s'", h->ctx.op->name, kind, name);
}

hde_msg *
hde_harness_new(hde_harness *h, const ProtobufCMessageDescriptor *type)
{
    hde_msg *msg = msg_new(msg_pool_current(), type);

    msg->event_ns = h->ctx.now_ns;
    return msg;
}

static void
check_type(const hde_harness *h, const hde_port *port, const hde_msg *msg)
{
    for (size_t i = 0; port->types[i]; i++) {
        if (port->types[i] == msg->body->descriptor)
            return;
    }
    misuse("input '%s' of %s does not take %s", port->name, h->ctx.op->name,
           msg->body->descriptor->name);
}

/* Runs batch() over what is there, past what is rejected. Drops what was worked on; what is left
 * moves to the front. */
static hde_status
run_batch(hde_harness *h, unsigned port, struct hde_msgvec *vec)
{
    hde_batch in = {.size = sizeof in,
                    .port = port,
                    .n = vec->n,
                    .msg = vec->item,
                    .tick = h->tick,
                    .now_ns = h->ctx.now_ns,
                    .watermark_ns = h->ctx.watermark_ns};
    hde_status status, last = HDE_OK;
    uint32_t gone;

    do {
        status = ctx_batch(&h->ctx, &in);
        settle(h);
        if (in.done > vec->n)
            misuse("%s counted batch->done past batch->n", h->ctx.op->name);
        if (status == HDE_OK && in.done < vec->n)
            misuse("%s returned HDE_OK with batch->done %u of %u", h->ctx.op->name, in.done,
                   vec->n);
        if (status == HDE_REJECT && in.done == vec->n)
            misuse("%s rejected a message behind the last", h->ctx.op->name);
        if (status != HDE_OK)
            last = status;
    } while (status == HDE_REJECT && ++in.done < vec->n);
    gone = status == HDE_RETRY ? in.done : vec->n;
    for (uint32_t i = 0; i < gone; i++)
        hde_msg_drop(vec->item[i]);
    memmove(vec->item, vec->item + gone, (vec->n - gone) * sizeof *vec->item);
    vec->n -= gone;
    return last;
}

hde_status
hde_harness_push_all(hde_harness *h, const char *port, hde_msg **taken, uint32_t n)
{
    unsigned i = find_port(h, h->ctx.op->inputs, "input", port);
    struct hde_msgvec *vec = &h->parked[i];

    for (uint32_t j = 0; j < n; j++) {
        check_type(h, &h->ctx.op->inputs[i], taken[j]);
        msgvec_push(vec, taken[j]);
    }
    if (n)
        h->tick++;
    return vec->n ? run_batch(h, i, vec) : HDE_OK;
}

hde_status
hde_harness_push(hde_harness *h, const char *port, hde_msg *taken)
{
    return hde_harness_push_all(h, port, &taken, 1);
}

hde_status
hde_harness_poll(hde_harness *h)
{
    hde_status status;

    if (!h->ctx.op->poll)
        misuse("%s has no poll()", h->ctx.op->name);
    h->tick++;
    h->ctx.event_ns = h->ctx.now_ns;
    status = h->ctx.op->poll(&h->ctx, h->ctx.state);
    settle(h);
    return status;
}

hde_status
hde_harness_flush(hde_harness *h)
{
    hde_status status = HDE_OK;

    if (h->ctx.op->flush)
        status = h->ctx.op->flush(&h->ctx, h->ctx.state, h->tick);
    settle(h);
    return status;
}

hde_msg *
hde_harness_pull(hde_harness *h, const char *port)
{
    struct queue *queue = &h->queues[find_port(h, h->ctx.op->outputs, "output", port)];

    if (queue->head == queue->vec.n) {
        queue->head = queue->named = queue->vec.n = 0;
        return NULL;
    }
    return queue->vec.item[queue->head++];
}

/* ---- Time and the world ------------------------------------------------------------------- */

/* The timer that is due first; ties go to the smaller id. */
static struct timer *
next_timer(const struct timers *timers, int64_t until_ns)
{
    struct timer *best = NULL;

    for (size_t i = 0; i < timers->n; i++) {
        struct timer *timer = &timers->list[i];

        if (timer->at_ns <= until_ns && (!best || timer->at_ns < best->at_ns ||
                                         (timer->at_ns == best->at_ns && timer->id < best->id)))
            best = timer;
    }
    return best;
}

static void
fire(hde_harness *h, struct timers *timers, int64_t until_ns)
{
    struct timer *due;

    while ((due = next_timer(timers, until_ns))) {
        struct timer timer = *due;

        if (!h->ctx.op->timer)
            misuse("%s sets a timer but has no timer()", h->ctx.op->name);
        timer_set(timers, timer.id, 0, true);
        h->ctx.event_ns = timer.at_ns;
        h->ctx.op->timer(&h->ctx, h->ctx.state, timer.id, timer.at_ns);
        settle(h);
    }
}

void
hde_harness_now(hde_harness *h, int64_t now_ns)
{
    if (now_ns < h->ctx.now_ns)
        misuse("the clock goes back");
    h->ctx.now_ns = now_ns;
    fire(h, &h->processing_timers, now_ns);
}

void
hde_harness_watermark(hde_harness *h, int64_t watermark_ns)
{
    if (watermark_ns < h->ctx.watermark_ns)
        misuse("the watermark goes back");
    h->ctx.watermark_ns = watermark_ns;
    fire(h, &h->event_timers, watermark_ns);
}

static void
call_event(hde_harness *h, const hde_event *event)
{
    if (!h->ctx.op->event)
        misuse("%s watches or posts but has no event()", h->ctx.op->name);
    h->tick++;
    h->ctx.event_ns = h->ctx.now_ns;
    h->ctx.op->event(&h->ctx, h->ctx.state, event);
    settle(h);
}

static bool
serve_post(hde_harness *h)
{
    struct posted *post;
    uint64_t n;

    if (read(h->post_fd, &n, sizeof n) < 0 && errno != EAGAIN)
        misuse("%s", strerror(errno));
    pthread_mutex_lock(&h->posts.lock);
    post = h->posts.first;
    if (post && !(h->posts.first = post->next))
        h->posts.last = &h->posts.first;
    n = 1;
    if (h->posts.first && write(h->post_fd, &n, sizeof n) < 0)
        misuse("%s", strerror(errno));
    pthread_mutex_unlock(&h->posts.lock);
    if (!post)
        return false;
    call_event(h, &(hde_event){.size = sizeof(hde_event),
                               .kind = HDE_EVENT_POSTED,
                               .tag = post->tag,
                               .fd = -1,
                               .data = post->data});
    free(post);
    return true;
}

static bool
serve_descriptor(hde_harness *h, int fd, uint32_t revents)
{
    for (size_t i = 0; i < h->n_watched; i++) {
        if (h->watched[i].fd != fd)
            continue;
        call_event(h, &(hde_event){.size = sizeof(hde_event),
                                   .kind = HDE_EVENT_READY,
                                   .tag = h->watched[i].tag,
                                   .fd = fd,
                                   .revents = revents});
        return true;
    }
    return false;
}

bool
hde_harness_wait(hde_harness *h, int timeout_ms)
{
    int64_t deadline = clock_mono_ns() + (int64_t)timeout_ms * NS_PER_MS;
    struct epoll_event event;

    for (;;) {
        int64_t left = (deadline - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
        int n = epoll_wait(h->epoll_fd, &event, 1, left > 0 ? (int)left : 0);

        if (n == 1 &&
            (event.data.fd == h->post_fd ? serve_post(h)
                                         : serve_descriptor(h, event.data.fd, event.events)))
            return true;
        if (n < 0 && errno != EINTR)
            misuse("%s", strerror(errno));
        if (n <= 0 && clock_mono_ns() >= deadline)
            return false;
    }
}

/* ---- State, and looking in ---------------------------------------------------------------- */

bool
hde_harness_reload(hde_harness *h)
{
    const hde_operator *op = h->ctx.op;
    hde_msg *saved = NULL, *loaded = NULL;
    uint8_t *bytes = NULL;
    char error[600];
    size_t size;
    bool ok = true;

    if (op->save) {
        saved = msg_new(msg_pool_current(), op->state_type);
        ok = op->save(&h->ctx, h->ctx.state, saved) == HDE_OK;
        settle(h);
        size = protobuf_c_message_get_packed_size(saved->body);
        bytes = xmalloc(size);
        protobuf_c_message_pack(saved->body, bytes);
        loaded = msg_unpack(msg_pool_current(), op->state_type, bytes, size);
        hde_msg_drop(saved);
        free(bytes);
    }
    close_instance(h);
    ok = open_instance(h, error, sizeof error) && ok;
    if (ok && op->load)
        ok = loaded && op->load(&h->ctx, h->ctx.state, loaded->body, op->state_schema) == HDE_OK;
    settle(h);
    hde_msg_drop(loaded);
    return ok;
}

void
hde_harness_keep(hde_harness *h, bool keeps)
{
    h->ctx.recovers = keeps;
}

void
hde_harness_host(hde_harness *h, const char *host)
{
    h->ctx.common = host ? "test" : NULL;
    h->ctx.graph = host ? arena_printf(&h->arena, "test.%s", host) : "test";
}

const char *
hde_harness_said(const hde_harness *h)
{
    return h->ctx.said->text;
}

uint32_t
hde_harness_questions(const hde_harness *h)
{
    return h->n_open;
}

uint64_t
hde_harness_counter(const hde_harness *h, const char *name)
{
    const struct named *named = find_counter(h, name);

    if (!named)
        misuse("%s has no counter '%s'", h->ctx.op->name, name);
    return atomic_load(&named->value);
}

hde_standing
hde_harness_standing(const hde_harness *h, const char **text)
{
    if (text)
        *text = h->standing_text;
    return h->standing;
}

void
hde_harness_again(hde_harness *h, uint64_t below)
{
    h->again_below = below;
}

const void *
hde_harness_position(const hde_harness *h, uint32_t partition, size_t *size)
{
    const struct position *position = find_position(h, partition);

    *size = position ? position->size : 0;
    return position ? position->bytes : NULL;
}

hde_status
hde_harness_seek(hde_harness *h, uint32_t partition, const void *bytes, size_t size)
{
    hde_status status;

    if (!h->ctx.op->seek)
        misuse("%s has no seek()", h->ctx.op->name);
    status = h->ctx.op->seek(&h->ctx, h->ctx.state, partition, bytes, size);
    settle(h);
    return status;
}

int64_t
hde_harness_source_watermark(const hde_harness *h)
{
    return h->source_watermark_ns;
}

uint64_t
hde_harness_tick(const hde_harness *h)
{
    return h->tick;
}

hde_status
hde_harness_mark(hde_harness *h, uint64_t *tick)
{
    hde_status status;

    if (!h->ctx.op->mark)
        misuse("%s has no mark()", h->ctx.op->name);
    status = h->ctx.op->mark(&h->ctx, h->ctx.state, tick);
    settle(h);
    return status;
}

void *
hde_harness_state(hde_harness *h)
{
    return h->ctx.state;
}
