/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shadow.h"

#include "engine/probe.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TURNS = 16 * 1024 }; /* that may wait: otherwise it does not keep up */
static const int64_t reach_ns = 10LL * NS_PER_S, busy_ns = 20LL * NS_PER_MS;

struct call {
    bool is_timer; /* of processing time */
    uint32_t port, id;
    int64_t at_ns;     /* of the timer; batch: watermark */
    uint32_t first, n; /* messages in turn->in */
};

/* What the node did in one tick. */
struct turn {
    struct turn *next;
    uint64_t tick;
    int64_t now_ns, wm;
    uint32_t n_calls, cap_calls;
    struct call *calls;
    struct hde_msgvec in;
    struct hde_msgvec out[]; /* by port */
};

struct shadow {
    struct node *node;
    struct instance *instance; /* of the new build */
    double tolerance;
    uint64_t n_compared;
    struct timers timers;
    struct capture got;  /* of the new build */
    hde_msg *state;      /* to begin with; NULL: none */
    uint32_t state_schema;

    struct capture out;  /* of the node */
    struct hde_outlet *before; /* ctx.outlets */
    bool was_plain, is_busy;
    int64_t wm;          /* of the node, when a turn was noted last */
    struct turn *turn;   /* that is noted */

    pthread_mutex_t lock; /* all below */
    struct turn *queue, **tail;
    uint32_t n_turns;
    bool is_late;
};

/* ---- Capture ------------------------------------------------------------------------------ */

static void
capture_init(struct capture *self, uint32_t n)
{
    self->n = n;
    self->port = xcalloc(n, sizeof *self->port);
    self->outlets = xcalloc(n, sizeof *self->outlets);
    self->targets = xcalloc(n, sizeof *self->targets);
    for (uint32_t i = 0; i < n; i++) {
        self->targets[i] = &self->port[i];
        outlet_set(&self->outlets[i], 1, &self->targets[i]);
    }
}

static void
capture_fini(struct capture *self)
{
    for (uint32_t i = 0; i < self->n; i++) {
        msgvec_drop_all(&self->port[i]);
        msgvec_fini(&self->port[i]);
    }
    free(self->port);
    free(self->outlets);
    free(self->targets);
}

/* ---- What the node does, on its thread ----------------------------------------------------- */

static struct turn *
turn_of(struct node *node)
{
    struct shadow *self = node->shadow;

    if (!self->turn)
        self->turn = xcalloc(1, sizeof *self->turn + self->out.n * sizeof *self->turn->out);
    return self->turn;
}

static struct call *
add_call(struct turn *turn)
{
    if (turn->n_calls == turn->cap_calls) {
        turn->cap_calls = turn->cap_calls ? 2 * turn->cap_calls : 4;
        turn->calls = xrealloc(turn->calls, turn->cap_calls * sizeof *turn->calls);
    }
    turn->calls[turn->n_calls] = (struct call){0};
    return &turn->calls[turn->n_calls++];
}

void
shadow_batch(struct node *node, const struct hde_msgvec *vec)
{
    struct turn *turn = turn_of(node);
    struct call *call = add_call(turn);

    call->port = node->port;
    call->at_ns = node->in.watermark_ns;
    call->first = turn->in.n;
    call->n = vec->n;
    for (uint32_t i = 0; i < vec->n; i++)
        msgvec_push(&turn->in, hde_msg_keep(vec->item[i]));
}

void
shadow_timer(struct node *node)
{
    struct call *call = add_call(turn_of(node));

    call->is_timer = true;
    call->id = node->firing.id;
    call->at_ns = node->firing.at_ns;
}

static void
turn_free(struct turn *turn, uint32_t n_ports)
{
    if (!turn)
        return;
    msgvec_drop_all(&turn->in);
    msgvec_fini(&turn->in);
    for (uint32_t p = 0; p < n_ports; p++) {
        msgvec_drop_all(&turn->out[p]);
        msgvec_fini(&turn->out[p]);
    }
    free(turn->calls);
    free(turn);
}

static void
enqueue(struct shadow *self, struct turn *taken)
{
    pthread_mutex_lock(&self->lock);
    self->is_late |= self->n_turns == TURNS;
    if (!self->is_late) {
        *self->tail = taken;
        self->tail = &taken->next;
        self->n_turns++;
        taken = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    turn_free(taken, self->out.n);
}

void
shadow_pass(struct node *node)
{
    struct shadow *self = node->shadow;
    struct capture *out = &self->out;

    for (uint32_t p = 0; p < out->n; p++) {
        struct hde_msgvec *vec = &out->port[p];

        for (uint32_t i = 0; i < vec->n; i++)
            msgvec_push(&turn_of(node)->out[p], hde_msg_keep(vec->item[i]));
        if (!node->probe) {
            node_dispatch(node, p, vec);
            continue;
        }
        for (uint32_t i = 0; i < vec->n; i++)
            msgvec_push(&node->probe->out.port[p], vec->item[i]);
        vec->n = 0;
    }
    if (!self->turn && node->wm == self->wm)
        return;
    turn_of(node)->tick = node->actor->tick;
    self->turn->now_ns = node->actor->now_ns;
    self->turn->wm = self->wm = node->wm;
    enqueue(self, self->turn);
    self->turn = NULL;
}

/* ---- Begin and end, on the node's thread --------------------------------------------------- */

static void
begin_now(void *arg)
{
    struct shadow *self = arg;
    struct node *node = self->node;
    const hde_operator *op = node->ctx.op;

    self->is_busy = node->actor->state != ACTOR_READY;
    if (self->is_busy)
        return;
    if (self->state && op->save(&node->ctx, node->ctx.state, self->state) != HDE_OK) {
        hde_msg_drop(self->state);
        self->state = NULL;
        self->is_busy = true;
    }
    ctx_scratch_reset(&node->ctx);
    if (self->is_busy)
        return;
    self->state_schema = op->state_schema;
    for (uint32_t i = 0; i < node->event_timers.n; i++)
        timers_set(&self->timers, node->event_timers.heap[i].id, node->event_timers.heap[i].at_ns);
    self->wm = node->wm;
    self->before = node->ctx.outlets.port;
    self->was_plain = node->is_plain;
    node->ctx.outlets.port = self->out.outlets;
    node->is_plain = false;
    node->shadow = self;
}

static void
end_now(void *arg)
{
    struct shadow *self = arg;
    struct node *node = self->node;

    if (node->actor->state == ACTOR_IN_TICK || node->actor->state == ACTOR_PARKED) {
        self->is_busy = true; /* what it has emitted so far is here */
        return;
    }
    self->is_busy = false;
    node->shadow = NULL;
    node->ctx.outlets.port = self->before;
    node->is_plain = self->was_plain;
}

/* ---- The new build ------------------------------------------------------------------------- */

static struct shadow *
shadow_of(const hde_ctx *ctx)
{
    return ((const struct instance *)ctx)->ctx.owner;
}

static void
timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns)
{
    timers_set(&shadow_of(ctx)->timers, id, event_ns);
}

static const struct host shadow_host = {.timer_at = timer_at};

static bool
refuses(struct shadow *self, const char *what, struct err *err)
{
    const char *said = self->instance->said.text;

    return err_set(err, "HDE-R044", "node '%s': the new build %s: %s", self->node->def->name, what,
                   *said ? said : "no reason given");
}

static bool
fire_up_to(struct shadow *self, int64_t limit_ns, struct err *err)
{
    struct instance *instance = self->instance;
    struct timer timer;

    while (self->timers.n && self->timers.next_ns <= limit_ns) {
        timers_pop(&self->timers, &timer);
        instance->ctx.event_ns = timer.at_ns;
        if (instance->op->timer &&
            instance->op->timer(&instance->ctx, instance->state, timer.id, timer.at_ns) != HDE_OK)
            return refuses(self, "fails in timer()", err);
        ctx_scratch_reset(&instance->ctx);
    }
    return true;
}

/* How many messages come before the next timer. */
static uint32_t
until_timer(const struct shadow *self, const hde_batch *batch, uint32_t n, int64_t wm)
{
    uint32_t i = batch->done + 1;

    if (self->timers.next_ns > wm)
        return n;
    while (i < n && batch->msg[i] && batch->msg[i]->event_ns <= self->timers.next_ns)
        i++;
    return i;
}

static bool
run_batch(struct shadow *self, struct turn *turn, const struct call *call, struct err *err)
{
    hde_ctx *ctx = &self->instance->ctx;
    hde_batch in = {.size = sizeof in,
                    .port = call->port,
                    .msg = turn->in.item + call->first,
                    .tick = turn->tick,
                    .now_ns = turn->now_ns,
                    .watermark_ns = call->at_ns};
    hde_batch *batch = &in;

    while (batch->done < call->n) {
        hde_msg *first = batch->msg[batch->done];
        int64_t limit_ns = first->event_ns - 1 < turn->wm ? first->event_ns - 1 : turn->wm;
        hde_status status;

        if (!fire_up_to(self, limit_ns, err))
            return false;
        batch->n = until_timer(self, batch, call->n, turn->wm);
        status = ctx_batch(ctx, &in);
        if (status == HDE_REJECT)
            batch->done++;
        else if (status != HDE_OK)
            return refuses(self, "fails in batch()", err);
        else
            batch->done = batch->n;
    }
    return true;
}

static bool
run_calls(struct shadow *self, struct turn *turn, struct err *err)
{
    struct instance *instance = self->instance;

    instance->ctx.now_ns = turn->now_ns;
    instance->ctx.watermark_ns = turn->wm;
    for (uint32_t i = 0; i < turn->n_calls; i++) {
        const struct call *call = &turn->calls[i];

        if (!call->is_timer) {
            if (!run_batch(self, turn, call, err))
                return false;
        } else if (instance->op->timer &&
                   instance->op->timer(&instance->ctx, instance->state, call->id, call->at_ns) !=
                       HDE_OK) {
            return refuses(self, "fails in timer()", err);
        }
    }
    return fire_up_to(self, turn->wm, err);
}

static bool
compare(struct shadow *self, const struct turn *turn, struct err *err)
{
    const char *node = self->node->def->name;

    for (uint32_t p = 0; p < self->got.n; p++) {
        const struct hde_msgvec *old = &turn->out[p], *new = &self->got.port[p];
        const char *port = self->node->ctx.op->outputs[p].name;
        hde_text where = {0};

        if (old->n != new->n)
            return err_set(err, "HDE-R044",
                           "node '%s': tick %llu: output '%s' has %u messages, of the new build %u",
                           node, (unsigned long long)turn->tick, port, old->n, new->n);
        for (uint32_t i = 0; i < old->n; i++, self->n_compared++) {
            if (old->item[i]->event_ns != new->item[i]->event_ns)
                hde_text_printf(&where, "event time: %lld, now %lld",
                                (long long)old->item[i]->event_ns,
                                (long long)new->item[i]->event_ns);
            else if (messages_agree(old->item[i]->body, new->item[i]->body, self->tolerance,
                                    &where))
                continue;
            err_set(err, "HDE-R044", "node '%s': tick %llu: output '%s', message %u: %s", node,
                    (unsigned long long)turn->tick, port, i + 1, where.data);
            hde_text_free(&where);
            return false;
        }
    }
    return true;
}

static bool
run_turn(struct shadow *self, struct turn *turn, struct err *err)
{
    bool ok = run_calls(self, turn, err) && compare(self, turn, err);

    for (uint32_t p = 0; p < self->got.n; p++)
        msgvec_drop_all(&self->got.port[p]);
    turn_free(turn, self->out.n);
    return ok;
}

bool
shadow_run(struct shadow *self, struct err *err)
{
    bool is_late;
    struct turn *turn;

    pthread_mutex_lock(&self->lock);
    turn = self->queue;
    is_late = self->is_late;
    self->queue = NULL;
    self->tail = &self->queue;
    self->n_turns = 0;
    pthread_mutex_unlock(&self->lock);
    while (turn) {
        struct turn *next = turn->next;

        if (!err_is_set(err))
            run_turn(self, turn, err);
        else
            turn_free(turn, self->out.n);
        turn = next;
    }
    if (is_late && !err_is_set(err))
        err_set(err, "HDE-R044", "node '%s': the new build does not keep up: %d ticks wait",
                self->node->def->name, TURNS);
    return !err_is_set(err);
}

uint64_t
shadow_compared(const struct shadow *self)
{
    return self->n_compared;
}

/* ---- Life --------------------------------------------------------------------------------- */

static bool
load(struct shadow *self, struct err *err)
{
    struct instance *instance = self->instance;
    hde_status status;

    if (!self->state)
        return true;
    status =
        instance->op->load(&instance->ctx, instance->state, self->state->body, self->state_schema);
    ctx_scratch_reset(&instance->ctx);
    hde_msg_drop(self->state);
    self->state = NULL;
    return status == HDE_OK || refuses(self, "does not take the state", err);
}

static void
shadow_free(struct shadow *self)
{
    while (self->queue) {
        struct turn *turn = self->queue;

        self->queue = turn->next;
        turn_free(turn, self->out.n);
    }
    turn_free(self->turn, self->out.n);
    if (self->state)
        hde_msg_drop(self->state);
    capture_fini(&self->got);
    capture_fini(&self->out);
    timers_fini(&self->timers);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static bool
has_no_outside(const struct node *node)
{
    static const unsigned outside =
        HDE_BLOCKING | HDE_EXCLUSIVE | HDE_IMPURE | HDE_VIEW | HDE_LIVE_ONLY;
    const hde_operator *op = node->ctx.op;

    return !node->source && !(op->flags & outside) && !op->event && op->outputs &&
           op->outputs->name;
}

struct shadow *
shadow_begin(struct node *node, struct instance *lent, bool keeps_state, double tolerance,
             struct err *err)
{
    struct shadow *self;

    if (!has_no_outside(node))
        return err_set(err, "HDE-R044",
                       "node '%s' (%s) touches the world: it cannot run twice; reload it without "
                       "--shadow",
                       node->def->name, node->ctx.op->name),
               NULL;
    self = xcalloc(1, sizeof *self);
    self->node = node;
    self->instance = lent;
    self->tolerance = tolerance;
    self->timers = TIMERS_NONE;
    self->tail = &self->queue;
    pthread_mutex_init(&self->lock, NULL);
    capture_init(&self->out, node->ctx.outlets.n);
    capture_init(&self->got, node->ctx.outlets.n);
    lent->ctx.host = &shadow_host;
    lent->ctx.owner = self;
    lent->ctx.outlets.port = self->got.outlets;
    lent->ctx.log_level = HDE_ERROR + 1;
    if (keeps_state)
        self->state = msg_new(msg_pool_current(), node->ctx.op->state_type);
    if (instance_open(lent, err) && node_run(node, begin_now, self, reach_ns) &&
        !self->is_busy) {
        if (load(self, err))
            return self;
        shadow_end(self);
        return NULL;
    }
    if (!err_is_set(err))
        err_set(err, "HDE-R030", "node '%s' was not reached, or waits for its next try",
                node->def->name);
    shadow_free(self);
    return NULL;
}

void
shadow_end(struct shadow *self)
{
    const struct engine *engine = self->node->engine;

    /* as long as its worker lives the node may look at it */
    for (;;) {
        self->is_busy = false;
        if (!node_run(self->node, end_now, self, reach_ns))
            self->is_busy = true;
        if (!self->is_busy || atomic_load(&engine->workers_gone))
            break;
        nanosleep(&(struct timespec){.tv_nsec = busy_ns}, NULL);
    }
    if (self->is_busy) {
        self->node->shadow = NULL;
        self->node->ctx.outlets.port = self->before;
    }
    shadow_free(self);
}
