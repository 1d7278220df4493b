/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/swap.h"
#include "engine/isolate.h"
#include "engine/last_words.h"
#include "engine/question.h"
#include "engine/retain.h"
#include "engine/swaps.h"

#include "base/fault.h"
#include "base/slab.h"
#include "graph/params.h"
#include "graph/types.h"
#include "plugin/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Jobs --------------------------------------------------------------------------------- */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_DROPPED, JOB_LEFT };

/* Two know it: who waits and the queue of the worker. The first to go says so, and does not touch
 * it any more; the other one frees it: the waiter after JOB_DONE and JOB_DROPPED, the worker after
 * JOB_LEFT. */
struct job {
    void (*run)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum job_state state; /* under the lock */
};

static void
job_free(struct job *job)
{
    pthread_cond_destroy(&job->changed);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* True if the state was `from`. */
static bool
job_step(struct job *job, enum job_state from, enum job_state to)
{
    bool ok;

    pthread_mutex_lock(&job->lock);
    ok = job->state == from;
    if (ok)
        job->state = to;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return ok;
}

void
job_serve(struct job *job)
{
    if (!job_step(job, JOB_QUEUED, JOB_RUNNING)) {
        job_free(job);
        return;
    }
    job->run(job->arg);
    job_step(job, JOB_RUNNING, JOB_DONE);
}

void
job_drop(struct job *job)
{
    if (!job_step(job, JOB_QUEUED, JOB_DROPPED))
        job_free(job);
}

static bool
is_over(const struct engine *engine)
{
    enum engine_state state = engine_state(engine);

    return state == ENGINE_ENDED || state == ENGINE_FAILED;
}

/* Looks now and then whether the engine has ended: then nobody serves the job any more. */
static enum job_state
job_wait(struct job *job, const struct engine *engine, int64_t timeout_ns)
{
    static const int64_t look_ns = 20 * NS_PER_MS;
    int64_t end_ns = clock_mono_ns() + timeout_ns;
    enum job_state state;

    pthread_mutex_lock(&job->lock);
    while (job->state == JOB_QUEUED || job->state == JOB_RUNNING) {
        int64_t at_ns = clock_real_ns() + look_ns;
        struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

        if (job->state == JOB_QUEUED && (is_over(engine) || clock_mono_ns() > end_ns)) {
            job->state = JOB_LEFT;
            break;
        }
        pthread_cond_timedwait(&job->changed, &job->lock, &at);
    }
    state = job->state;
    pthread_mutex_unlock(&job->lock);
    return state;
}

static struct worker *
worker_of(const struct node *node)
{
    return node->worker;
}

bool
node_run(struct node *node, void (*run)(void *arg), void *arg, int64_t timeout_ns)
{
    struct job *job = xcalloc(1, sizeof *job);
    enum job_state state;

    job->run = run;
    job->arg = arg;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    if (!node_post(&(struct post){.node = node, .kind = POST_JOB, .data = job})) {
        job_free(job);
        return false;
    }
    state = job_wait(job, node->engine, timeout_ns);
    if (state != JOB_LEFT)
        job_free(job);
    return state == JOB_DONE;
}

/* ---- An instance before its node runs it -------------------------------------------------- */

static void
add_wish(hde_ctx *ctx, struct wish wish)
{
    struct instance *self = (struct instance *)ctx;

    if (self->n_wishes == self->cap_wishes) {
        self->cap_wishes = self->cap_wishes ? 2 * self->cap_wishes : 8;
        self->wishes = xrealloc(self->wishes, self->cap_wishes * sizeof *self->wishes);
    }
    self->wishes[self->n_wishes++] = wish;
}

static void
wish_timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns)
{
    add_wish(ctx, (struct wish){true, id, event_ns});
}

static void
wish_timer_after(hde_ctx *ctx, uint32_t id, int64_t delay_ns)
{
    add_wish(ctx, (struct wish){false, id, delay_ns});
}

static hde_counter *
open_counter(hde_ctx *ctx, const char *name, const char *help)
{
    return engine_host.counter_open(ctx, name, help);
}

static bool
tell_again(const hde_ctx *ctx, uint64_t tick)
{
    return engine_host.is_again(ctx, tick);
}

static void
give_metrics(const hde_ctx *ctx, hde_text *out)
{
    engine_host.metrics(ctx, out);
}

static void
give_health(const hde_ctx *ctx, hde_health *out)
{
    engine_host.health(ctx, out);
}

/* Nothing of a node is touched; timers are noted. */
static const struct host waiting_host = {
    .timer_at = wish_timer_at,
    .timer_after = wish_timer_after,
    .counter_open = open_counter,
    .is_again = tell_again,
    .metrics = give_metrics,
    .health = give_health,
};

struct instance *
instance_shell(struct node *node)
{
    struct instance *instance = xcalloc(1, sizeof *instance);
    int64_t now_ns = STAT_GET(node->engine->stats->now_ns);

    if (!now_ns)
        now_ns = clock_real_ns();
    instance->ctx = (hde_ctx){.host = &waiting_host,
                              .owner = node,
                              .said = &instance->said,
                              .node = node->def->name,
                              .graph = node->engine->graph->name,
                              .common = node->ctx.common,
                              .key = node->ctx.key,
                              .replica = node->ctx.replica,
                              .n_replicas = node->ctx.n_replicas,
                              .recovers = node->ctx.recovers,
                              .now_ns = now_ns,
                              .event_ns = now_ns,
                              .watermark_ns = WM_NONE,
                              .log_level = HDE_INFO,
                              .outlets = {count_ports(node->def->op->outputs), node->outlets}};
    instance->node = node;
    instance->build_id = node->def->build_id ? node->def->build_id : "";
    return instance;
}

struct instance *
instance_new(struct node *node, const hde_operator *op, struct stage *stage, struct err *err)
{
    struct instance *self = instance_shell(node);

    if (node->def->isolate.is_on)
        op = isolate_operator(op, stage ? stage->path : node->def->plugin_path,
                              stage ? stage->build_id : node->def->build_id, &self->arena);
    self->op = self->ctx.op = op;
    self->state = self->ctx.state = slab_alloc(op->state_size);
    self->ctx.batch = op->batch;
    if (op == node->def->op) {
        if (op->state_size && node->def->params)
            memcpy(self->state, node->def->params, op->state_size);
    } else if (!graph_refill_params(node->def, op, self->state, &self->arena, err)) {
        instance_free(self);
        return NULL;
    }
    if (stage) {
        self->stage = stage;
        self->build_id = stage->build_id;
        stage->users++;
    }
    return self;
}

static const char *
said(const struct instance *instance)
{
    return instance->said.text[0] ? instance->said.text : "no reason given";
}

bool
instance_open(struct instance *instance, struct err *err)
{
    hde_status status = HDE_OK;

    instance->is_open = true;
    last_words_opening(instance->node, instance->build_id);
    if (instance->op->open)
        status = instance->op->open(&instance->ctx, instance->state);
    last_words_opening(NULL, NULL);
    ctx_scratch_reset(&instance->ctx);
    return status == HDE_OK ||
           err_set(err, "HDE-R025", "node '%s': %s (%s) does not open: %s",
                   instance->node->def->name, instance->op->name, instance->build_id,
                   said(instance));
}

void
instance_close(struct instance *instance)
{
    if (instance->is_open && instance->op->close)
        instance->op->close(&instance->ctx, instance->state);
    ctx_scratch_reset(&instance->ctx);
    instance->is_open = false;
}

const char *
node_build(const struct node *node)
{
    const char *id = node->instance ? node->instance->build_id : node->def->build_id;

    return id ? id : "";
}

const char *
node_file(const struct node *node)
{
    return node->instance && node->instance->stage ? node->instance->stage->file
                                                   : node->def->plugin_path;
}

void
instance_free(struct instance *instance)
{
    if (!instance)
        return;
    if (instance->stage)
        instance->stage->users--;
    ctx_scratch_fini(&instance->ctx);
    arena_fini(&instance->arena);
    free(instance->wishes);
    slab_free(instance->state);
    free(instance);
}

/* ---- Does it fit? ------------------------------------------------------------------------- */

/* May set timers of the processing time, which are entries and need an edge of their own. */
static bool
has_alarms(const hde_operator *op)
{
    return op->timer && (op->flags & HDE_PROCESSING_TIMERS || !op->outputs || !op->outputs->name);
}

const hde_operator *
swap_operator(struct stage *stage, const struct node *node, struct err *err)
{
    const hde_operator *now = node->def->op, *with = NULL;
    const hde_operator *next = stage_find(stage, now->name, err);
    const hde_param *types = now->flags & HDE_MORE_TYPES ? params_find(now, "types") : NULL;

    if (next && types)
        with = types_like(next, now, (const void *)((const char *)node->def->params + types->offset),
                          &stage->arena);
    return with ? with : next; /* swap_fits() says what it lacks */
}

bool
swap_fits(const struct node *node, const hde_operator *next, const char *file, struct err *err)
{
    const hde_operator *now = node->ctx.op;
    const char *in = types_other_port(now->inputs, next->inputs);
    const char *out = types_other_port(now->outputs, next->outputs);
    const char *what = NULL;

    if (in || out)
        return err_set(err, "HDE-R021",
                       "%s: %s has another %s port '%s' (name, type or flags) than the version "
                       "that node '%s' runs: stop and start the graph with it",
                       file, next->name, in ? "input" : "output", in ? in : out, node->def->name);
    if (now->flags != next->flags)
        what = "other flags";
    else if (!now->event != !next->event)
        what = next->event ? "event() now" : "no event() any more";
    else if (!has_alarms(now) && has_alarms(next))
        what = "timers in processing time now";
    else if (node->source && !now->flush != !next->flush)
        what = "flush() changed";
    else if (node->engine->epochs && !now->mark != !next->mark)
        what = next->mark ? "mark() now" : "no mark() any more";
    return !what || err_set(err, "HDE-R021",
                            "%s: %s has %s, which decides how node '%s' is wired: stop and start "
                            "the graph with it",
                            file, next->name, what, node->def->name);
}

bool
swap_is_exclusive(const hde_operator *now, const hde_operator *next)
{
    return (now->flags | next->flags) & HDE_EXCLUSIVE || now->event || next->event;
}

/* ---- The swap, on the node's thread ------------------------------------------------------- */

static bool
save(struct swap *swap)
{
    struct node *node = swap->node;
    const hde_operator *op = node->ctx.op;
    hde_status status;

    swap->saved = msg_new(msg_pool_current(), op->state_type);
    status = op->save(&node->ctx, node->ctx.state, swap->saved);
    ctx_scratch_reset(&node->ctx);
    return status == HDE_OK ||
           err_set(&swap->err, "HDE-R026", "node '%s': the state cannot be saved: %s",
                   node->def->name, node->ctx.said->text);
}

/* With a log: of the entry that is worked on, so that it is the same when the log is taken. */
static int64_t
now_of(const struct node *node)
{
    if (node->engine->swaps && !node->source)
        return node->actor->now_ns;
    return node->engine->options.virtual_clock ? node->ctx.now_ns
                                               : worker_real_ns(worker_of(node));
}

static bool
load(struct swap *swap, struct instance *into, uint32_t schema)
{
    hde_status status;

    into->ctx.now_ns = into->ctx.event_ns = now_of(swap->node);
    if (!swap->saved)
        return true;
    status = into->op->load(&into->ctx, into->state, swap->saved->body, schema);
    ctx_scratch_reset(&into->ctx);
    return status == HDE_OK ||
           err_set(&swap->err, "HDE-R026",
                   "node '%s': %s (%s) does not take the state that was saved (schema %u): %s",
                   swap->node->def->name, into->op->name, into->build_id, schema, said(into));
}

static bool
is_in_time(struct swap *swap, int64_t start_ns)
{
    int64_t took_ns = clock_mono_ns() - start_ns;

    return took_ns <= swap->budget_ns ||
           err_set(&swap->err, "HDE-R027",
                   "node '%s': saving and loading its state took %.1f ms, more than the budget of "
                   "%.1f ms",
                   swap->node->def->name, (double)took_ns / NS_PER_MS,
                   (double)swap->budget_ns / NS_PER_MS);
}

static int64_t
lateness_of(const hde_operator *op, const void *state)
{
    for (const hde_param *param = op->params; param && param->name; param++)
        if (!strcmp(param->name, "lateness") && param->type == HDE_PARAM_DURATION)
            return ((const hde_duration *)((const char *)state + param->offset))->ns;
    return 0;
}

/* The timers that the new instance has asked for; those of the old one stay. */
static void
grant_wishes(struct node *node, struct instance *instance)
{
    node->ctx.now_ns = instance->ctx.now_ns;
    for (uint32_t i = 0; i < instance->n_wishes; i++) {
        const struct wish *wish = &instance->wishes[i];

        if (wish->is_event)
            engine_host.timer_at(&node->ctx, wish->id, wish->ns);
        else
            engine_host.timer_after(&node->ctx, wish->id, wish->ns);
    }
    instance->n_wishes = 0;
}

/* From here on the node runs *taken. */
static void
exchange(struct swap *swap, struct instance **taken)
{
    struct node *node = swap->node;
    struct instance *next = *taken;
    struct instance *last = node->instance ? node->instance : swap->shell;

    if (!node->instance)
        swap->shell = NULL;
    *taken = NULL;
    swap->last = last;
    last->op = last->ctx.op = node->ctx.op;
    last->state = last->ctx.state = node->ctx.state;
    last->is_open = true;
    node->is_open = next->is_open;
    node->instance = next;
    if (node->ctx.batch == node->ctx.op->batch) /* recovery: otherwise what skips ticks stays */
        node->ctx.batch = next->op->batch;
    node->ctx.op = next->op;
    node->ctx.state = next->state;
    next->state = NULL;
    next->ctx.host = &engine_host;
    next->ctx.log_level = node->ctx.log_level;
    node->has_flush = next->op->flush != NULL;
    node->actor->has_flush |= node->has_flush;
    if (node->source)
        node->source->lateness_ns = lateness_of(next->op, node->ctx.state);
    stats_set_build(node->stats, next->build_id);
    grant_wishes(node, next);
    question_renew(node);
}

void
swap_begin(struct node *node, struct instance *taken)
{
    slab_free(node->ctx.state);
    node->instance = taken;
    node->ctx.op = taken->op;
    node->ctx.batch = taken->op->batch;
    node->ctx.state = taken->state;
    taken->state = NULL;
    taken->ctx.host = &engine_host;
    node->has_flush = taken->op->flush != NULL;
    node->actor->has_flush |= node->has_flush;
    if (node->source)
        node->source->lateness_ns = lateness_of(taken->op, node->ctx.state);
    stats_set_build(node->stats, taken->build_id);
}

static void
close_running(struct node *node)
{
    hde_ctx *ctx = node->instance ? &node->instance->ctx : &node->ctx;

    if (node->ctx.op->close)
        node->ctx.op->close(ctx, node->ctx.state);
    ctx_scratch_reset(ctx);
    atomic_fetch_add(&node->generation, 1); /* what it has posted is nobody's now */
}

static bool
open_here(struct swap *swap, struct instance *instance, uint32_t schema)
{
    instance->ctx.host = &engine_host;
    instance->ctx.now_ns = instance->ctx.event_ns = now_of(swap->node);
    if (instance_open(instance, &swap->err) && load(swap, instance, schema))
        return true;
    instance_close(instance);
    atomic_fetch_add(&swap->node->generation, 1);
    return false;
}

/* Rule (4). */
static bool
replace(struct swap *swap)
{
    struct node *node = swap->node;
    uint32_t schema = node->ctx.op->state_schema;
    struct err why;

    close_running(node);
    if (open_here(swap, swap->next, schema)) {
        exchange(swap, &swap->next);
        swap->last->is_open = false;
        return true;
    }
    why = swap->err;
    swap->err = (struct err){0};
    if (!open_here(swap, swap->spare, schema))
        engine_fail(node->engine, swap->err.code, swap->err.text);
    exchange(swap, &swap->spare);
    swap->last->is_open = false;
    swap->err = why;
    return false;
}

/* Rule (3). */
static bool
relieve(struct swap *swap, int64_t start_ns)
{
    struct node *node = swap->node;

    if (!load(swap, swap->next, node->ctx.op->state_schema) || !is_in_time(swap, start_ns))
        return false;
    exchange(swap, &swap->next);
    return true;
}

/* What a sink still holds becomes safe before it goes: everything up to the last whole tick, or
 * more if a tick is under way. */
static bool
flush_sink(struct node *node)
{
    hde_status status;

    if (!node->has_flush || node->source || node->has_ended || !node->actor->wants_flush)
        return true;
    status = node->ctx.op->flush(&node->ctx, node->ctx.state, node->actor->done);
    ctx_scratch_reset(&node->ctx);
    return status == HDE_OK;
}

/* A sink goes between two ticks only: rows of a tick stay together. */
static bool
flush(struct swap *swap)
{
    struct node *node = swap->node;
    const struct actor *actor = node->actor;
    bool is_sink = node->has_flush && !node->source;

    swap->is_busy =
        is_sink && (actor->state != ACTOR_READY || actor->is_flushing || !flush_sink(node));
    return !swap->is_busy || err_set(&swap->err, "HDE-R030",
                                     "node '%s' cannot be swapped while it waits for its next try: "
                                     "%s",
                                     node->def->name, node->ctx.said->text);
}

/* ---- Probation, on the node's thread ------------------------------------------------------- */

static void
begin_probation(struct swap *swap)
{
    struct node *node = swap->node;
    uint64_t rejects = STAT_GET(node->stats->rejects), messages = STAT_GET(node->stats->messages);

    swap->base_messages = messages;
    swap->base_rejects = rejects;
    swap->reject_rate = messages ? (double)rejects / (double)messages : 0;
    swap->was_plain = node->is_plain;
    node->probation = swap;
    if (!swap->has_place)
        return;
    node->is_plain &= swap->place.step != PLACE_CALL; /* swap_before_batch() is to be asked */
    node->actor->returns += swap->place.step == PLACE_BEHIND;
}

static uint32_t
index_of(const struct node *node)
{
    uint32_t i = 0;

    while (node->actor->nodes[i] != node)
        i++;
    return i;
}

/* Where the node stands in its work. */
static struct swap_place
place_of(const struct node *node)
{
    const struct actor *actor = node->actor;
    struct swap_place place = {.tick = actor->tick, .step = PLACE_BEHIND};

    if (actor->state == ACTOR_READY || actor->is_flushing || node->is_ending)
        return place;
    if (node->is_firing) {
        place.step = PLACE_TIMER;
        place.timer = node->firing.id;
        place.at_ns = node->firing.at_ns;
    } else if (node->step == STEP_CALL) {
        place.step = PLACE_CALL;
        place.port = node->port;
        place.done = node->in.done;
    } else if (index_of(node) >= actor->at) {
        place.tick--; /* the tick waits in front of this node */
    }
    return place;
}

static bool
can_hand_back(const hde_operator *now, const hde_operator *old)
{
    return now->save && old->load && old->state_type == now->state_type &&
           old->state_schema >= now->state_schema;
}

static void
go_back_exclusive(struct swap *back, struct instance **spare)
{
    uint32_t schema = back->node->ctx.op->state_schema;

    close_running(back->node);
    if (!open_here(back, *spare, schema))
        engine_fail(back->node->engine, back->err.code, back->err.text);
    exchange(back, spare);
    back->last->is_open = false;
}

static void
go_back(struct swap *swap)
{
    struct node *node = swap->node;
    const hde_operator *now = node->ctx.op, *old = swap->last->op;
    struct swap back = {.node = node};
    /* it died, or is given up: what it had is given to the old one again */
    bool is_fed = retain_is_broken(node) && can_hand_back(now, old), has_state;

    node->probation = NULL;
    node->is_plain = swap->was_plain;
    if (swap->tick && !swap->has_place)
        swaps_decide(node, swap->tick, place_of(node));
    if (!retain_is_broken(node) && !flush_sink(node))
        err_wrap(&swap->err, "what it had not committed is lost");
    has_state = !retain_is_broken(node) && can_hand_back(now, old) && save(&back);
    if (!has_state && back.saved) {
        hde_msg_drop(back.saved);
        back.saved = NULL;
    }
    if (swap_is_exclusive(now, old))
        go_back_exclusive(&back, &swap->spare);
    else if (has_state && load(&back, swap->spare, now->state_schema))
        exchange(&back, &swap->spare);
    else
        exchange(&back, &swap->last);
    swap->failed = back.last;
    if (!is_fed)
        retain_swapped(node);
    if (back.saved)
        hde_msg_drop(back.saved);
    atomic_store(&swap->has_returned, true);
    swap->tell(swap->arg);
}

bool
swap_fails(struct node *node, hde_status status)
{
    struct swap *swap = node->probation;
    double messages = (double)(STAT_GET(node->stats->messages) - swap->base_messages);
    double allowed = swap->reject_rate > 0 ? swap->reject_rate * messages + PROBATION_MARGIN : 0;

    if (status != HDE_FAIL && status != HDE_REJECT)
        return false;
    if (status == HDE_REJECT && (double)++swap->rejects <= allowed)
        return false;
    err_set(&swap->err, "HDE-R029", "node '%s': build %.12s %s: %s", node->def->name,
            node->instance->build_id, status == HDE_FAIL ? "failed" : "rejected a message",
            node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
    go_back(swap);
    node->retry_at_ns = clock_mono_ns();
    return true;
}

void
swap_before_batch(struct node *node)
{
    struct swap *swap = node->probation;
    const struct swap_place *place = &swap->place;
    hde_batch *batch = &node->in;

    if (!swap->has_place || place->step != PLACE_CALL || place->tick != node->actor->tick ||
        place->port != node->port)
        return;
    if (batch->done >= place->done)
        go_back(swap);
    else if (batch->n > place->done)
        batch->n = place->done;
}

void
swap_before_timer(struct node *node)
{
    struct swap *swap = node->probation;
    const struct swap_place *place = &swap->place;

    if (swap->has_place && place->step == PLACE_TIMER && place->tick == node->actor->tick &&
        place->timer == node->firing.id && place->at_ns == node->firing.at_ns)
        go_back(swap);
}

void
swap_before_tick(struct actor *actor, uint64_t tick)
{
    for (uint32_t i = 0; i < actor->n_nodes; i++) {
        struct swap *swap = actor->nodes[i]->probation;

        if (!swap || !swap->has_place || swap->place.step != PLACE_BEHIND ||
            tick <= swap->place.tick)
            continue;
        actor->returns--;
        go_back(swap);
    }
}

static void
commit_now(void *arg)
{
    struct swap *swap = arg;

    if (swap->node->probation == swap)
        swap->node->probation = NULL;
}

static void
return_now(void *arg)
{
    struct swap *swap = arg;

    if (swap->node->probation == swap)
        go_back(swap);
}

bool
swap_commit(struct swap *swap, int64_t timeout_ns)
{
    return node_run(swap->node, commit_now, swap, timeout_ns);
}

bool
swap_return(struct swap *swap, int64_t timeout_ns)
{
    return node_run(swap->node, return_now, swap, timeout_ns);
}

/* ---- The swap itself ----------------------------------------------------------------------- */

/* Between two calls; a sink has flushed. */
static void
swap_here(struct swap *swap, int64_t start_ns)
{
    struct node *node = swap->node;
    bool ok;

    STAT_SET(worker_of(node)->stats->node, node->id + 1);
    fault_point(FAULT_SWAP);
    ok = !swap->keeps_state || save(swap);
    if (ok && swap_is_exclusive(node->ctx.op, swap->next->op))
        replace(swap);
    else if (ok)
        relieve(swap, start_ns);
    swap->took = swap->last && !err_is_set(&swap->err);
    if (swap->took)
        retain_swapped(node);
    if (swap->took && swap->has_probation)
        begin_probation(swap);
    fault_point(FAULT_SWAP);
    STAT_SET(worker_of(node)->stats->node, 0);
    swap->pause_ns = clock_mono_ns() - start_ns;
}

void
swap_in_tick(struct swap *swap)
{
    swap->node->probation = NULL; /* of a swap before this one: its time is over */
    if (swap->has_place && swap->place.step == PLACE_SWAP) {
        err_set(&swap->err, "HDE-R030", "node '%s' did not take it", swap->node->def->name);
        return;
    }
    swap_here(swap, clock_mono_ns());
    if (!swap->took)
        swaps_decide(swap->node, swap->tick,
                     (struct swap_place){.tick = swap->tick, .step = PLACE_SWAP});
}

static void
swap_now(void *arg)
{
    struct swap *swap = arg;
    struct node *node = swap->node;
    int64_t start_ns = clock_mono_ns();

    swap->is_busy = false;
    swap->err = (struct err){0};
    if (node->actor->state == ACTOR_FAILED) {
        err_set(&swap->err, "HDE-R030", "node '%s' has failed", node->def->name);
        return;
    }
    if (flush(swap))
        swap_here(swap, start_ns);
}

static bool
not_reached(struct swap *swap, int64_t timeout_ns)
{
    return err_set(&swap->err, "HDE-R030",
                   "node '%s' was not reached within %.1f s: it is in a call that does not return, "
                   "or the graph has ended",
                   swap->node->def->name, (double)timeout_ns / 1e9);
}

bool
swap_run(struct swap *swap, int64_t timeout_ns)
{
    if (!node_run(swap->node, swap_now, swap, timeout_ns))
        return not_reached(swap, timeout_ns);
    return swap->took;
}

static void
peek_now(void *arg)
{
    save(arg);
}

hde_msg *
swap_peek(struct node *node, int64_t timeout_ns, struct err *err)
{
    struct swap swap = {.node = node};

    if (!node_run(node, peek_now, &swap, timeout_ns))
        not_reached(&swap, timeout_ns);
    if (!err_is_set(&swap.err))
        return swap.saved;
    *err = swap.err;
    if (swap.saved)
        hde_msg_drop(swap.saved);
    return NULL;
}

static void
close_now(void *arg)
{
    instance_close(arg);
}

bool
swap_close(struct instance *instance, int64_t timeout_ns)
{
    return node_run(instance->node, close_now, instance, timeout_ns);
}
