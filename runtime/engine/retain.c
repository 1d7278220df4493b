/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/retain.h"

#include "base/arena.h"
#include "engine/epoch.h"
#include "engine/ingress.h"
#include "engine/isolate.h"
#include "engine/question.h"
#include "engine/swaps.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES_MAX = 16 * 1024, CALLS_MAX = 16 * 1024 };
static const size_t bytes_max = 32 << 20;

struct call {
    enum { CALL_BATCH, CALL_TIMER } kind;
    bool is_event;      /* TIMER: of the event time */
    uint32_t port, n;   /* BATCH: messages, in retain.messages */
    struct timer timer; /* TIMER */
    uint64_t tick;
    int64_t now_ns, watermark_ns, port_watermark_ns;
};

/* A message that is not given to the operator any more. */
struct aside {
    uint64_t tick;
    uint32_t port, index; /* in the node's messages of that tick and port */
    char event[64], text[300];
};

struct timer_list {
    uint32_t n;
    struct timer *item;
};

struct retain {
    hde_msg *saved; /* NULL: as open() leaves it */
    uint32_t schema;
    struct timer_list event_timers, clock_timers; /* with `saved` */
    uint32_t n_calls, cap_calls;
    struct call *calls; /* since then */
    struct hde_msgvec messages;
    size_t bytes;

    bool is_broken, is_feeding;
    uint32_t n_marks;
    uint32_t *marks;         /* lengths of the targets of all outlets before the call at hand */
    uint64_t counted[STATS_COUNTERS]; /* then */
    struct hde_outlet *nowhere;
    struct hde_msgvec fed;       /* messages of a call that is made again */

    uint32_t n_aside, cap_aside;
    struct aside *aside;
    bool was_batch;          /* the call that failed last was batch() ... */
    struct aside last;       /* ... and worked on this message */
    bool has_killed;         /* which has killed the operator before */

    uint32_t n_restarts;
    int64_t *restarts;       /* monotonic times of those within the limit */
    struct error_policy policy;
    hde_counter *counter;
};

/* ---- Attach ------------------------------------------------------------------------------- */

static uint32_t
count_targets(const struct node *node)
{
    uint32_t n = 0;

    for (uint32_t p = 0; p < node->ctx.outlets.n; p++)
        n += node->ctx.outlets.port[p].n_targets;
    return n;
}

/* An isolated node is restarted whatever its policy says of HDE_FAIL, and its death alone ends no
 * graph. */
static struct error_policy
policy_of(const struct graph_node *def)
{
    struct error_policy policy = def->on_error;

    if (policy.action != ON_ERROR_RESTART)
        policy.then = ON_ERROR_SKIP;
    return policy;
}

void
retain_attach(struct node *node)
{
    const struct graph_node *def = node->def;
    struct retain *self;

    if (node->source || !node->ctx.op->batch ||
        !(def->isolate.is_on || def->on_error.action == ON_ERROR_RESTART))
        return;
    self = node->retain = xcalloc(1, sizeof *self);
    self->policy = policy_of(def);
    self->restarts = xcalloc((size_t)self->policy.limit + 1, sizeof *self->restarts);
    self->nowhere = xcalloc(node->ctx.outlets.n + 1, sizeof *self->nowhere);
    for (uint32_t p = 0; p < node->ctx.outlets.n; p++)
        outlet_set(&self->nowhere[p], 0, NULL);
}

static void
forget(struct retain *self)
{
    msgvec_drop_all(&self->messages);
    self->n_calls = 0;
    self->bytes = 0;
}

void
retain_free(struct node *node)
{
    struct retain *self = node->retain;

    if (!self)
        return;
    forget(self);
    if (self->saved)
        hde_msg_drop(self->saved);
    msgvec_fini(&self->messages);
    msgvec_fini(&self->fed);
    free(self->event_timers.item);
    free(self->clock_timers.item);
    free(self->calls);
    free(self->marks);
    free(self->nowhere);
    free(self->aside);
    free(self->restarts);
    free(self);
    node->retain = NULL;
}

/* ---- State -------------------------------------------------------------------------------- */

static void
copy_timers(struct timer_list *to, const struct timers *from)
{
    to->n = from->n;
    to->item = xrealloc(to->item, (from->n + 1) * sizeof *to->item);
    if (from->n)
        memcpy(to->item, from->heap, from->n * sizeof *to->item);
}

void
retain_saved(struct node *node, hde_msg *msg, uint32_t schema)
{
    struct retain *self = node->retain;

    if (!self)
        return;
    forget(self);
    if (self->saved)
        hde_msg_drop(self->saved);
    self->saved = hde_msg_keep(msg);
    self->schema = schema;
    copy_timers(&self->event_timers, &node->event_timers);
    copy_timers(&self->clock_timers, &node->clock_timers);
}

/* Between two calls. HDE_OK: nothing before this is needed any more. */
static hde_status
save(struct node *node)
{
    const hde_operator *op = node->ctx.op;
    hde_status status;
    hde_msg *msg;

    if (!op->save) {
        forget(node->retain);
        return HDE_OK;
    }
    msg = msg_new(msg_pool_current(), op->state_type);
    status = op->save(&node->ctx, node->ctx.state, msg);
    ctx_scratch_reset(&node->ctx);
    if (status == HDE_OK)
        retain_saved(node, msg, op->state_schema);
    hde_msg_drop(msg);
    return status;
}

void
retain_event(struct node *node)
{
    if (node->retain && !node->retain->is_broken && save(node) != HDE_OK)
        node->retain->is_broken = true;
}

void
retain_swapped(struct node *node)
{
    struct retain *self = node->retain;

    if (!self)
        return;
    self->is_broken = false;
    if (self->saved)
        hde_msg_drop(self->saved);
    self->saved = NULL;
    forget(self);
    retain_event(node);
}

bool
retain_is_feeding(const struct node *node)
{
    return node->retain && node->retain->is_feeding;
}

bool
retain_is_broken(const struct node *node)
{
    return node->retain && node->retain->is_broken;
}

/* ---- A call that fails leaves nothing ------------------------------------------------------ */

/* Places are given in order, so the first that is free ends the list. */
static void
counters(const struct node *node, uint64_t *values, bool set)
{
    for (unsigned i = 0; i < STATS_COUNTERS && node->counters[i].value; i++) {
        _Atomic uint64_t *value = node->counters[i].value;

        if (set)
            atomic_store_explicit(value, values[i], memory_order_relaxed);
        else
            values[i] = atomic_load_explicit(value, memory_order_relaxed);
    }
}

/* Before a call. */
static void
mark(struct node *node)
{
    struct retain *self = node->retain;
    uint32_t n = count_targets(node);

    if (self->n_marks < n) {
        self->n_marks = n;
        self->marks = xrealloc(self->marks, n * sizeof *self->marks);
    }
    n = 0;
    for (uint32_t p = 0; p < node->ctx.outlets.n; p++)
        for (uint32_t t = 0; t < node->ctx.outlets.port[p].n_targets; t++)
            self->marks[n++] = node->ctx.outlets.port[p].targets[t]->n;
    counters(node, self->counted, false);
}

/* What it has emitted and counted since then. */
static void
take_back(struct node *node)
{
    struct retain *self = node->retain;
    uint32_t n = 0;

    for (uint32_t p = 0; p < node->ctx.outlets.n; p++)
        for (uint32_t t = 0; t < node->ctx.outlets.port[p].n_targets; t++, n++) {
            struct hde_msgvec *vec = node->ctx.outlets.port[p].targets[t];

            while (vec->n > self->marks[n])
                hde_msg_drop(vec->item[--vec->n]);
        }
    counters(node, self->counted, true);
}

/* A slot that the operator has emptied gets its message back. */
static void
give_back_messages(struct node *node, uint32_t start)
{
    hde_batch *batch = &node->in;

    for (uint32_t i = start; i < batch->n; i++)
        if (!batch->msg[i])
            batch->msg[i] = hde_msg_keep(node->kept.item[i]);
    batch->done = start;
}

/* An isolated operator that is gone is no instance that could go on. */
static bool
must_restart(const struct node *node, hde_status status)
{
    return status == HDE_FAIL &&
           (node->def->on_error.action == ON_ERROR_RESTART ||
            (isolate_is(node->ctx.op) && isolate_is_gone(&node->ctx, node->ctx.state)));
}

static void
note_failure(struct node *node, bool was_batch)
{
    struct retain *self = node->retain;
    const hde_batch *batch = &node->in;
    struct aside *last = &self->last;

    self->is_broken = true;
    self->has_killed = was_batch && self->was_batch && last->tick == batch->tick &&
                       last->port == batch->port && last->index == batch->done;
    self->was_batch = was_batch;
    last->tick = batch->tick;
    last->port = batch->port;
    last->index = batch->done;
    snprintf(last->event, sizeof last->event, "%s", node->ctx.said->event);
    snprintf(last->text, sizeof last->text, "%.*s", (int)sizeof last->text - 1,
             node->ctx.said->text);
}

/* ---- Opened afresh ------------------------------------------------------------------------- */

static void
set_timers(struct timers *timers, const struct timer_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        timers_set(timers, list->item[i].id, list->item[i].at_ns);
}

/* Closes the instance in its place and opens it again, with the state that was saved. */
static hde_status
open_again(struct node *node)
{
    const struct retain *self = node->retain;
    hde_ctx *ctx = node->instance ? &node->instance->ctx : &node->ctx;
    const hde_operator *op = node->ctx.op;
    hde_status status = HDE_OK;
    struct err err = {0};

    if (op->close)
        op->close(ctx, node->ctx.state);
    ctx_scratch_reset(ctx);
    atomic_fetch_add(&node->generation, 1); /* what it has posted is nobody's now */
    memset(node->ctx.state, 0, op->state_size);
    if (!node_fill(node, node->def, node->ctx.state, &err))
        return hde_fail(&node->ctx, "engine.params", "%s", err.text);
    ctx->now_ns = ctx->event_ns = node->engine->start_ns;
    if (op->open)
        status = op->open(ctx, node->ctx.state);
    if (status == HDE_OK && self->saved)
        status = op->load(ctx, node->ctx.state, self->saved->body, self->schema);
    if (status == HDE_OK && op->mark)
        status = op->mark(ctx, node->ctx.state, &node->mark);
    if (op->mark)
        node->ctx.batch = node_skip_marked;
    ctx_scratch_reset(ctx);
    return status;
}

/* ---- Fed again ---------------------------------------------------------------------------- */

static hde_status
batch_again(struct node *node, const struct call *call, uint32_t first)
{
    struct retain *self = node->retain;
    hde_batch in = {.size = sizeof in,
                    .port = call->port,
                    .n = call->n,
                    .tick = call->tick,
                    .now_ns = call->now_ns,
                    .watermark_ns = call->port_watermark_ns};
    hde_status status;

    for (uint32_t i = 0; i < call->n; i++)
        msgvec_push(&self->fed, hde_msg_keep(self->messages.item[first + i]));
    in.msg = self->fed.item;
    status = ctx_batch(&node->ctx, &in);
    for (uint32_t i = 0; i < call->n; i++)
        hde_msg_drop(self->fed.item[i]);
    self->fed.n = 0;
    return status == HDE_FAIL ? status : HDE_OK;
}

static hde_status
timer_again(struct node *node, const struct call *call)
{
    hde_status status;

    timers_set(call->is_event ? &node->event_timers : &node->clock_timers, call->timer.id,
               INT64_MAX);
    node->ctx.event_ns = call->timer.at_ns;
    status = node->ctx.op->timer(&node->ctx, node->ctx.state, call->timer.id, call->timer.at_ns);
    ctx_scratch_reset(&node->ctx);
    return status == HDE_FAIL ? status : HDE_OK;
}

static hde_status
feed(struct node *node)
{
    const struct retain *self = node->retain;
    hde_status status = HDE_OK;
    uint32_t at = 0;

    for (uint32_t i = 0; i < self->n_calls && status == HDE_OK; i++) {
        const struct call *call = &self->calls[i];

        node->ctx.now_ns = call->now_ns;
        node->ctx.watermark_ns = call->watermark_ns;
        if (call->kind == CALL_TIMER) {
            status = timer_again(node, call);
        } else {
            status = batch_again(node, call, at);
            at += call->n;
        }
    }
    return status;
}

/* Rule (3). What the node is for others stays as it is. */
static hde_status
renew(struct node *node)
{
    struct retain *self = node->retain;
    struct hde_outlet *outlets = node->ctx.outlets.port;
    int level = atomic_load(&node->ctx.log_level);
    int64_t now_ns = node->ctx.now_ns, watermark_ns = node->ctx.watermark_ns;
    bool is_ending = node->is_ending;
    uint64_t values[STATS_COUNTERS] = {0};
    hde_status status;

    counters(node, values, false);
    if (node->ctx.op->save) {
        timers_fini(&node->event_timers);
        timers_fini(&node->clock_timers);
    }
    self->is_feeding = true;
    node->is_ending = !node->ctx.op->save; /* then timers stay as they are */
    status = open_again(node);
    node->is_ending = false;
    if (status == HDE_OK && self->saved) {
        set_timers(&node->event_timers, &self->event_timers);
        set_timers(&node->clock_timers, &self->clock_timers);
    }
    node->ctx.outlets.port = self->nowhere;
    atomic_store(&node->ctx.log_level, HDE_ERROR);
    if (status == HDE_OK)
        status = feed(node);
    if (status == HDE_OK)
        question_renew(node);
    atomic_store(&node->ctx.log_level, level);
    node->ctx.outlets.port = outlets;
    node->is_ending = is_ending;
    node->ctx.now_ns = now_ns;
    node->ctx.watermark_ns = watermark_ns;
    self->is_feeding = false;
    counters(node, values, true);
    self->is_broken = status != HDE_OK;
    if (status == HDE_OK)
        hde_log(&node->ctx, HDE_INFO, "engine.restarted", "%u calls were made again behind its %s",
                self->n_calls, self->saved ? "saved state" : "start");
    return status == HDE_OK ? HDE_OK : HDE_FAIL;
}

/* Whether there is an instance that can be called. Nobody knows which message of those that were
 * before is to blame if there is none. */
static hde_status
be_whole(struct node *node, bool is_batch)
{
    if (!node->retain->is_broken || renew(node) == HDE_OK)
        return HDE_OK;
    note_failure(node, is_batch);
    node->retain->has_killed = false;
    return HDE_FAIL;
}

/* ---- Calls -------------------------------------------------------------------------------- */

static struct call *
note_call(struct node *node)
{
    struct retain *self = node->retain;

    if (self->n_calls == self->cap_calls) {
        self->cap_calls = self->cap_calls ? 2 * self->cap_calls : 64;
        self->calls = xrealloc(self->calls, self->cap_calls * sizeof *self->calls);
    }
    self->calls[self->n_calls] = (struct call){.tick = node->actor->tick,
                                               .now_ns = node->ctx.now_ns,
                                               .watermark_ns = node->ctx.watermark_ns};
    return &self->calls[self->n_calls++];
}

static bool
is_past_bounds(const struct retain *self)
{
    return self->messages.n >= MESSAGES_MAX || self->n_calls >= CALLS_MAX ||
           self->bytes >= bytes_max;
}

/* Behind a call. What a sink has is needed until it has flushed. A save that fails is asked for
 * again behind the next call. */
static void
keep_within_bounds(struct node *node)
{
    const hde_operator *op = node->ctx.op;

    if (!op->flush && (!op->save || is_past_bounds(node->retain)))
        save(node);
}

/* In front of another tick, so that the rows of one stay together. */
static hde_status
flush_past_bounds(struct node *node)
{
    const struct retain *self = node->retain;
    uint64_t last = self->n_calls ? self->calls[self->n_calls - 1].tick : node->actor->tick;

    return node->ctx.op->flush && last < node->actor->tick && is_past_bounds(self)
               ? retain_flush(node, last)
               : HDE_OK;
}

/* Of the call at hand only what the operator has done is needed again. */
static void
note_batch(struct node *node, uint32_t start, uint32_t end)
{
    struct retain *self = node->retain;
    const hde_batch *batch = &node->in;
    struct call *call;

    if (end == start)
        return;
    call = note_call(node);
    call->kind = CALL_BATCH;
    call->port = batch->port;
    call->n = end - start;
    call->port_watermark_ns = batch->watermark_ns;
    for (uint32_t i = start; i < end; i++) {
        msgvec_push(&self->messages, hde_msg_keep(node->kept.item[i]));
        self->bytes += msg_bytes(node->kept.item[i]);
    }
}

hde_status
retain_batch(struct node *node)
{
    hde_batch *batch = &node->in;
    uint32_t start = batch->done, end;
    hde_status status;

    if (node->is_left_out) /* the log speaks for it */
        return ctx_batch(&node->ctx, &node->in);
    status = be_whole(node, true);
    if (status == HDE_OK)
        status = flush_past_bounds(node);
    if (status != HDE_OK)
        return status;
    mark(node);
    status = ctx_batch(&node->ctx, &node->in);
    if (must_restart(node, status)) {
        note_failure(node, true);
        take_back(node);
        give_back_messages(node, start);
        return status;
    }
    end = status == HDE_OK || batch->done > batch->n ? batch->n : batch->done;
    if (node->asked == ASKED_EACH)
        retain_event(node);
    else
        note_batch(node, start, end);
    keep_within_bounds(node);
    return status;
}

hde_status
retain_timer(struct node *node, bool is_event)
{
    const struct timer timer = node->firing;
    hde_status status = be_whole(node, false);
    struct call *call;

    if (status != HDE_OK)
        return status;
    /* feeding has set it once more */
    timers_set(is_event ? &node->event_timers : &node->clock_timers, timer.id, INT64_MAX);
    node->ctx.event_ns = timer.at_ns;
    mark(node);
    status = node->ctx.op->timer(&node->ctx, node->ctx.state, timer.id, timer.at_ns);
    if (must_restart(node, status)) {
        note_failure(node, false);
        take_back(node);
        return status;
    }
    if (node->asked == ASKED_EACH) {
        retain_event(node);
        return status;
    }
    call = note_call(node);
    call->kind = CALL_TIMER;
    call->is_event = is_event;
    call->timer = timer;
    keep_within_bounds(node);
    return status;
}

hde_status
retain_flush(struct node *node, uint64_t tick)
{
    hde_status status = be_whole(node, false);

    if (status != HDE_OK)
        return status;
    mark(node);
    status = node->ctx.op->flush(&node->ctx, node->ctx.state, tick);
    if (must_restart(node, status)) {
        note_failure(node, false);
        take_back(node);
    } else if (status == HDE_OK) {
        save(node);
    }
    return status;
}

/* ---- What becomes of a failure ------------------------------------------------------------- */

/* Forgets restarts that are out of the window. True: there may be one more; *wait_ns before it. */
static bool
plan_restart(struct retain *self, int64_t now_ns, int64_t *wait_ns)
{
    const struct error_policy *policy = &self->policy;
    uint32_t n = 0;

    for (uint32_t i = 0; i < self->n_restarts; i++)
        if (now_ns - self->restarts[i] < policy->within_ns)
            self->restarts[n++] = self->restarts[i];
    self->n_restarts = n;
    *wait_ns = 0;
    for (uint32_t i = 1; i <= n && *wait_ns < policy->max_backoff_ns; i++)
        *wait_ns = *wait_ns ? 2 * *wait_ns : policy->backoff_ns;
    if (n >= (uint64_t)policy->limit)
        return false;
    self->restarts[self->n_restarts++] = now_ns;
    return true;
}

static void
add_aside(struct retain *self, const struct aside *aside)
{
    if (self->n_aside == self->cap_aside) {
        self->cap_aside = self->cap_aside ? 2 * self->cap_aside : 4;
        self->aside = xrealloc(self->aside, self->cap_aside * sizeof *self->aside);
    }
    self->aside[self->n_aside++] = *aside;
}

static void
put_aside(struct node *node)
{
    struct retain *self = node->retain;
    const struct aside *last = &self->last;
    uint32_t n = 0;

    for (uint32_t i = 0; i < self->n_aside; i++)
        if (self->aside[i].tick >= last->tick)
            self->aside[n++] = self->aside[i];
    self->n_aside = n;
    add_aside(self, last);
    self->was_batch = false;
    if (node->engine->swaps)
        swaps_decide_aside(node,
                           (struct swap_place){.tick = last->tick,
                                               .step = PLACE_CALL,
                                               .port = last->port,
                                               .done = last->index},
                           last->event, last->text);
}

static void
note_entry(void *arg, const Hde__LogEntry *entry)
{
    const struct engine *engine = arg;
    const Hde__LogAside *said = entry->aside;
    struct aside aside;

    if (!said || !entry->node)
        return;
    aside = (struct aside){.tick = said->tick, .port = said->port, .index = said->index};
    snprintf(aside.event, sizeof aside.event, "%s", said->event ? said->event : "");
    snprintf(aside.text, sizeof aside.text, "%s", said->text ? said->text : "");
    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];

        if (node->retain && node->replica == entry->replica &&
            !strcmp(node->def->name, entry->node))
            add_aside(node->retain, &aside);
    }
}

bool
retain_read_log(struct engine *engine, struct err *err)
{
    static const Hde__LogKind kinds[] = {HDE__LOG_KIND__LOG_KIND_ASIDE};
    bool any = false;

    for (uint32_t i = 0; i < engine->n_nodes; i++)
        any |= engine->nodes[i]->retain != NULL;
    if (!any || !(engine->is_taking || engine->epochs))
        return true;
    return ingress_scan(engine, kinds, 1, note_entry, engine, err);
}

enum verdict
retain_verdict(struct node *node)
{
    struct retain *self = node->retain;
    int64_t now_ns = clock_mono_ns(), wait_ns;
    bool may = plan_restart(self, now_ns, &wait_ns);
    bool is_poison = self->has_killed && isolate_is(node->ctx.op);

    STAT_ADD(node->stats->errors, 1);
    if (!self->counter)
        self->counter = hde_counter_open(&node->ctx, "restarts", "of the operator by the runtime");
    hde_count(self->counter, 1);
    node->retry_at_ns = now_ns + (wait_ns < self->policy.max_backoff_ns
                                      ? wait_ns
                                      : self->policy.max_backoff_ns);
    if (!may && self->policy.then != ON_ERROR_SKIP)
        return VERDICT_FAILED;
    if (is_poison || (!may && self->was_batch))
        put_aside(node);
    else if (!may)
        return VERDICT_NEXT;
    return VERDICT_AGAIN;
}

bool
retain_puts_aside(struct node *node)
{
    const struct retain *self = node->retain;
    hde_batch *batch = &node->in;

    for (uint32_t i = 0; i < self->n_aside; i++) {
        const struct aside *aside = &self->aside[i];

        if (aside->tick != batch->tick || aside->port != batch->port ||
            aside->index < batch->done)
            continue;
        if (aside->index == batch->done) {
            snprintf(node->ctx.said->event, sizeof node->ctx.said->event, "%s", aside->event);
            snprintf(node->ctx.said->text, sizeof node->ctx.said->text, "%s", aside->text);
            return true;
        }
        if (aside->index < batch->n)
            batch->n = aside->index;
    }
    return false;
}
