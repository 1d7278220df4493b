/* SPDX-License-Identifier: Apache-2.0
 * intake - polls a source and queues what it emits, one entry a call, for the sequencer.
 *
 *  (1) All that one call of poll(), event() or timer() emits is one entry: one slot.
 *  (2) One thread polls and pushes, the sequencing worker pops. A source that does not block is
 *      polled by the sequencing worker itself, and its queue has one slot.
 *  (3) Under the virtual clock a source lives in its own time, the largest event time that it has
 *      shown: an idle source with a timer goes straight to that time. So what it shows depends on
 *      the source alone, not on threads. A source that is asked for what the log left out (asked.h)
 *      is not waited for either.
 *
 *      POLLING --HDE_IDLE--> IDLE --timer, descriptor, post--> POLLING
 *      POLLING --retry--> WAITING --backoff over--> POLLING --HDE_END, drain--> ENDED */
#include "base/arena.h"
#include "base/log.h"
#include "engine/run.h"

#include <stdlib.h>
#include <string.h>

#define unlikely(x) __builtin_expect(!!(x), 0)

enum { QUEUE_MESSAGES = 1024, QUEUE_BYTES = 64 * 1024 * 1024 };
/* A source that fails and is told to go on (on_error: skip) is not called in a hot loop. */
static const int64_t skip_pause_ns = 100 * NS_PER_MS;

/* While it is held the source is the sequencer's. */
static bool
is_held(const struct source *source)
{
    /* acquire: pairs with source_release() */
    return atomic_load_explicit(&source->is_held, memory_order_acquire);
}

/* ---- Queue -------------------------------------------------------------------------------- */

static bool
has_room(const struct source *source)
{
    /* acquire: pairs with source_pop(); the slot is the poller's again */
    uint32_t head = atomic_load_explicit(&source->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&source->tail, memory_order_relaxed);
    uint64_t messages = STAT_GET(source->put_messages) - STAT_GET(source->done_messages);
    uint64_t bytes = STAT_GET(source->put_bytes) - STAT_GET(source->done_bytes);

    return tail - head < source->n_slots && messages < QUEUE_MESSAGES && bytes < QUEUE_BYTES;
}

static void
push(struct source *source, struct intake *slot)
{
    uint32_t tail = atomic_load_explicit(&source->tail, memory_order_relaxed);

    STAT_ADD(source->put_messages, slot->messages);
    STAT_ADD(source->put_bytes, slot->bytes);
    /* release: pairs with source_front() */
    atomic_store_explicit(&source->tail, tail + 1, memory_order_release);
}

struct intake *
source_front(struct source *source)
{
    uint32_t head = atomic_load_explicit(&source->head, memory_order_relaxed);

    if (atomic_load_explicit(&source->tail, memory_order_acquire) == head)
        return NULL;
    return &source->slots[head % source->n_slots];
}

void
source_pop(struct source *source)
{
    uint32_t head = atomic_load_explicit(&source->head, memory_order_relaxed);
    const struct intake *slot = &source->slots[head % source->n_slots];

    STAT_ADD(source->done_messages, slot->messages);
    STAT_ADD(source->done_bytes, slot->bytes);
    atomic_store_explicit(&source->head, head + 1, memory_order_release);
    source->is_popped = true;
}

/* ---- Positions ---------------------------------------------------------------------------- */

void
positions_set(struct positions *positions, uint32_t partition, const void *bytes, size_t size)
{
    struct position *item = positions->item;
    uint32_t i = 0;

    while (i < positions->n && item[i].partition != partition)
        i++;
    if (i == positions->cap) {
        positions->cap = positions->cap ? 2 * positions->cap : 4;
        item = positions->item = xrealloc(item, positions->cap * sizeof *item);
        memset(item + i, 0, (positions->cap - i) * sizeof *item);
    }
    if (i == positions->n)
        positions->n++;
    item[i].partition = partition;
    item[i].size = (uint32_t)size;
    if (item[i].cap < size) {
        item[i].cap = (uint32_t)size;
        item[i].bytes = xrealloc(item[i].bytes, size);
    }
    memcpy(item[i].bytes, bytes, size);
}

void
positions_fini(struct positions *positions)
{
    for (uint32_t i = 0; i < positions->cap; i++)
        free(positions->item[i].bytes);
    free(positions->item);
    *positions = (struct positions){0};
}

/* ---- What a call has emitted -------------------------------------------------------------- */

static struct intake *
free_slot(struct source *source)
{
    return &source->slots[atomic_load_explicit(&source->tail, memory_order_relaxed) %
                          source->n_slots];
}

static void
take_capture(struct source *source, struct intake *slot)
{
    struct capture *capture = &source->node->capture;

    slot->messages = 0;
    slot->bytes = 0;
    slot->event_ns = INT64_MAX;
    for (uint32_t p = 0; p < capture->n; p++) {
        struct hde_msgvec kept = slot->port[p];

        slot->port[p] = capture->port[p];
        capture->port[p] = kept;
        for (uint32_t i = 0; i < slot->port[p].n; i++) {
            int64_t event_ns = slot->port[p].item[i]->event_ns;

            slot->bytes += ((const struct message *)slot->port[p].item[i])->bytes;
            if (event_ns < slot->event_ns)
                slot->event_ns = event_ns;
            if (event_ns > source->max_event_ns)
                source->max_event_ns = event_ns;
        }
        slot->messages += slot->port[p].n;
    }
}

static int64_t
watermark_now(const struct source *source)
{
    if (source->has_own_wm)
        return source->watermark_ns;
    if (source->max_event_ns == INT64_MIN)
        return WM_NONE;
    return source->max_event_ns - source->lateness_ns;
}

/* Queues what the last call has emitted, if it is anything; `is_end` always. */
static void
push_entry(struct source *source, bool is_end)
{
    struct intake *slot = free_slot(source);
    int64_t wm;

    take_capture(source, slot);
    wm = is_end ? WM_END : watermark_now(source);
    if (!slot->messages && wm <= source->said_wm)
        return;
    if (wm > source->said_wm)
        source->said_wm = wm;
    slot->watermark_ns = source->said_wm;
    slot->is_end = is_end;
    slot->positions.n = 0;
    if (source->stands.n) {
        struct positions kept = slot->positions;

        slot->positions = source->stands;
        source->stands = kept;
    }
    if (source->max_event_ns > source->clock_ns)
        source->clock_ns = source->max_event_ns;
    if (!slot->messages) /* a watermark or the end, at the source's own time */
        slot->event_ns = source->clock_ns;
    push(source, slot);
}

static bool
has_captured(const struct capture *capture)
{
    for (uint32_t p = 0; p < capture->n; p++)
        if (capture->port[p].n)
            return true;
    return false;
}

/* ---- Calls -------------------------------------------------------------------------------- */

static bool
is_virtual(const struct source *source)
{
    return source->node->engine->options.virtual_clock;
}

/* It is asked for what it has given before: nothing is worth waiting for. */
static bool
is_asked(const struct source *source)
{
    const struct engine *engine = source->node->engine;

    return engine->is_taking ||
           atomic_load_explicit(&engine->recovering, memory_order_relaxed);
}

static void
prepare_call(struct source *source)
{
    hde_ctx *ctx = &source->node->ctx;

    ctx->now_ns = is_virtual(source) ? (source->clock_ns == INT64_MIN ? 0 : source->clock_ns)
                                     : worker_real_ns(source->worker);
    ctx->event_ns = ctx->now_ns;
    ctx->watermark_ns = source->said_wm;
    STAT_SET(source->worker->stats->node, source->node->id + 1);
}

static void
finish_call(struct source *source)
{
    ctx_scratch_reset(&source->node->ctx);
    STAT_SET(source->worker->stats->node, 0);
    STAT_ADD(source->node->stats->calls, 1);
}

static void
end_source(struct source *source)
{
    push_entry(source, true);
    source->state = SOURCE_ENDED;
}

/* With checkpoints a drain is no end of the data: the next start goes on here. */
static void
suspend_source(struct source *source)
{
    source->state = SOURCE_ENDED;
    /* release: what was queued is seen with it */
    atomic_store_explicit(&source->is_silent, true, memory_order_release);
    worker_wake_if_parked(source->node->engine->first);
}

/* What poll(), timer() or event() answered. */
static void
settle(struct source *source, hde_status status)
{
    struct node *node = source->node;

    atomic_store_explicit(&source->is_idle, status == HDE_IDLE, memory_order_relaxed);
    switch (status) {
    case HDE_OK:
        node->attempts = 0;
        node->backoff_ns = 0;
        source->state = SOURCE_POLLING;
        return;
    case HDE_IDLE:
        source->state = SOURCE_IDLE;
        return;
    case HDE_END:
        end_source(source);
        return;
    case HDE_REJECT:
    case HDE_RETRY:
    case HDE_FAIL:
        break;
    }
    switch (exec_verdict(node, status)) {
    case VERDICT_NEXT:
        source->state = status == HDE_REJECT ? SOURCE_POLLING : SOURCE_WAITING;
        source->retry_ns = clock_mono_ns() + skip_pause_ns;
        return;
    case VERDICT_AGAIN:
        source->state = SOURCE_WAITING;
        source->retry_ns = node->retry_at_ns;
        return;
    case VERDICT_FAILED:
        source->state = SOURCE_ENDED;
    }
}

static void
call_timer(struct source *source)
{
    struct node *node = source->node;
    struct timer timer;
    hde_status status = HDE_OK;

    timers_pop(&node->clock_timers, &timer);
    if (is_virtual(source) && timer.at_ns > source->clock_ns)
        source->clock_ns = timer.at_ns;
    if (node->ctx.op->timer) {
        prepare_call(source);
        status = node->ctx.op->timer(&node->ctx, node->ctx.state, timer.id, timer.at_ns);
        finish_call(source);
    }
    if (status != HDE_END)
        push_entry(source, false);
    settle(source, status);
}

static bool
timer_is_due(const struct source *source)
{
    int64_t next_ns = source->node->clock_timers.next_ns;

    if (next_ns == INT64_MAX)
        return false;
    if (is_virtual(source))
        return source->state == SOURCE_IDLE || next_ns <= source->clock_ns;
    if (is_asked(source) && source->state == SOURCE_IDLE)
        return true;
    return next_ns <= worker_real_ns(source->worker);
}

static void
after_poll(struct source *source, hde_status status)
{
    if (status != HDE_END)
        push_entry(source, false);
    settle(source, status);
}

static void
call_poll(struct source *source)
{
    struct node *node = source->node;
    hde_status status;

    prepare_call(source);
    status = node->ctx.op->poll(&node->ctx, node->ctx.state);
    finish_call(source);
    after_poll(source, status);
}

bool
source_is_direct(struct source *source)
{
    struct node *node = source->node;

    if (source->worker != node->engine->first || source->state != SOURCE_POLLING)
        return false;
    return !is_held(source) && !source_front(source) && !has_captured(&node->capture) &&
           !atomic_load_explicit(&node->engine->draining, memory_order_relaxed);
}

/* Leads what the last call has emitted to the edges; false: nothing has come. */
static bool
lead_in(struct source *source)
{
    struct node *node = source->node;
    uint32_t messages = 0;
    int64_t wm;

    for (uint32_t p = 0; p < node->capture.n; p++) {
        struct hde_msgvec *vec = &node->capture.port[p];

        if (!vec->n)
            continue;
        for (uint32_t i = 0; i < vec->n; i++)
            if (vec->item[i]->event_ns > source->max_event_ns)
                source->max_event_ns = vec->item[i]->event_ns;
        messages += vec->n;
        node_dispatch(node, p, vec);
    }
    wm = watermark_now(source);
    if (wm > source->said_wm)
        source->said_wm = wm;
    else if (!messages)
        return false;
    source->out_wm = source->said_wm;
    for (uint32_t i = 0; i < source->stands.n; i++) {
        const struct position *at = &source->stands.item[i];

        positions_set(&source->at, at->partition, at->bytes, at->size);
    }
    source->stands.n = 0;
    source->last_entry_ns = source->worker->mono_ns;
    node->messages += messages;
    source->worker->budget -= messages + 1;
    return true;
}

enum polled
source_poll(struct source *source)
{
    struct node *node = source->node;
    struct worker *worker = source->worker;
    hde_status status;

    if (unlikely(timer_is_due(source)))
        return POLLED_BESIDE;
    node->ctx.now_ns = node->ctx.event_ns = worker_real_ns(worker);
    node->ctx.watermark_ns = source->said_wm;
    STAT_SET(worker->stats->node, node->label);
    status = node->ctx.op->poll(&node->ctx, node->ctx.state);
    ctx_scratch_reset(&node->ctx);
    node->calls++;
    if (unlikely(status != HDE_OK || node->attempts)) {
        STAT_SET(worker->stats->node, 0);
        after_poll(source, status);
        return POLLED_BESIDE;
    }
    if (lead_in(source))
        return POLLED_ENTRY;
    STAT_SET(worker->stats->node, 0);
    worker->budget--;
    return POLLED_NOTHING;
}

bool
source_step(struct source *source)
{
    struct engine *engine = source->node->engine;

    if (is_held(source) || source->state == SOURCE_ENDED || !has_room(source))
        return false;
    if (has_captured(&source->node->capture)) { /* of an event that found no room */
        push_entry(source, false);
        return true;
    }
    if (atomic_load_explicit(&engine->draining, memory_order_relaxed) && !is_asked(source) &&
        !(source->upstream && source->upstream->may_give(source->upstream))) {
        if (engine->epochs)
            suspend_source(source);
        else
            end_source(source);
        return true;
    }
    if (timer_is_due(source)) {
        call_timer(source);
        return true;
    }
    if (source->state == SOURCE_WAITING && source->worker->mono_ns >= source->retry_ns)
        source->state = SOURCE_POLLING;
    if (source->state != SOURCE_POLLING)
        return false;
    call_poll(source);
    return true;
}

bool
source_turn(struct source *source)
{
    bool is_full = !has_room(source);

    if (is_full && !atomic_load_explicit(&source->starved, memory_order_relaxed))
        source->worker->is_unsettled = true;
    /* relaxed: ordered by the fences of parking (worker.c) */
    atomic_store_explicit(&source->starved, is_full, memory_order_relaxed);
    return !is_full && source_step(source);
}

void
source_event(struct source *source, const hde_event *event)
{
    struct node *node = source->node;
    hde_status status = HDE_OK;

    if (is_held(source) || source->state == SOURCE_ENDED)
        return;
    if (node->ctx.op->event) {
        prepare_call(source);
        status = node->ctx.op->event(&node->ctx, node->ctx.state, event);
        finish_call(source);
    }
    if (status == HDE_END && !has_room(source)) {
        /* the queue is full: the next poll says so again */
        status = HDE_OK;
    }
    if (status != HDE_END && has_captured(&node->capture) && has_room(source))
        push_entry(source, false);
    settle(source, status);
}

/* Monotonic time at which the source wants its next call, if nothing else happens. */
int64_t
source_next_ns(const struct source *source)
{
    int64_t next_ns = source->node->clock_timers.next_ns;

    if (is_held(source) || source->state == SOURCE_ENDED || !has_room(source))
        return INT64_MAX;
    if (next_ns != INT64_MAX)
        next_ns = is_virtual(source) || is_asked(source)
                      ? source->worker->mono_ns
                      : next_ns - source->worker->real_offset_ns;
    if (source->state == SOURCE_WAITING && source->retry_ns < next_ns)
        next_ns = source->retry_ns;
    return next_ns;
}

bool
source_seek(struct source *source)
{
    struct node *node = source->node;
    const hde_operator *op = node->ctx.op;

    for (uint32_t i = 0; i < source->at.n && op->seek; i++) {
        const struct position *at = &source->at.item[i];

        if (op->seek(&node->ctx, node->ctx.state, at->partition, at->bytes, at->size) == HDE_OK)
            continue;
        if (!node->engine->options.accepts_change)
            return false;
        log_line(LEVEL_WARN, node->ctx.graph, node->ctx.node, "source.changed",
                 "goes on from what is there, as told: %s", node->ctx.said->text);
    }
    return true;
}

bool
source_is_settled(const struct source *source)
{
    return !has_captured(&source->node->capture);
}

bool
source_has_queued(const struct source *source)
{
    return atomic_load_explicit(&source->head, memory_order_acquire) !=
           atomic_load_explicit(&source->tail, memory_order_acquire);
}

void
source_follow(struct source *source, const struct source *before)
{
    source->said_wm = before->said_wm;
    source->out_wm = before->out_wm;
    source->clock_ns = before->clock_ns;
    source->max_event_ns = before->max_event_ns;
    source->last_entry_ns = before->last_entry_ns;
    source->has_ended = before->has_ended;
    if (source->has_ended)
        source->state = SOURCE_ENDED;
    for (uint32_t i = 0; i < before->at.n; i++)
        positions_set(&source->at, before->at.item[i].partition, before->at.item[i].bytes,
                      before->at.item[i].size);
}

bool
source_release(struct source *source)
{
    source->said_wm = source->out_wm == WM_IDLE ? source->node->wm : source->out_wm;
    if (!source_seek(source))
        return false;
    if (source->has_ended)
        source->state = SOURCE_ENDED;
    /* release: pairs with source_step(); the fence with that of parking */
    atomic_store_explicit(&source->is_held, false, memory_order_release);
    full_fence();
    worker_wake_if_parked(source->worker);
    return true;
}
