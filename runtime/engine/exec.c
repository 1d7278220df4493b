/* SPDX-License-Identifier: Apache-2.0
 * exec - runs one tick through the nodes of an actor: the hot loop.
 *
 *  (1) Nodes run in topological order, the ports of a node in their order, the inlets of a port in
 *      the order of the graph's edges: that order is the merge of O7 compiled.
 *      [test_order_equals_the_reference_on_random_graphs]
 *  (2) A call sees one tick and one port. What it emits lies in the arrays of the edges until the
 *      nodes behind it run, in the same tick.
 *  (3) A tick is begun once and finished once. A node that asks for a retry parks the actor where
 *      it stands: node, port and batch->done stay, nothing before them runs again, no other tick
 *      of this actor starts. [test_retry_goes_on_where_it_stood]
 *  (4) A timer fires before the first message of a later event time, and at the latest in the tick
 *      that moves the watermark past it. [test_timers_fire_between_messages_by_event_time]
 *  (5) In a line of nodes with each() the only message of a tick goes from call to call; whatever
 *      is not that (more messages, a timer that is due, a wrapped batch(), a fan-out) runs as any
 *      other. [test_each_does_what_batch_does]
 *  (6) A node ends once: watermark WM_END, timers fired, flushed. Only then WM_END goes on.
 *      [test_end_fires_timers_then_flushes]
 *
 *      PORTS --message--> CALL --done--> PORTS ... --last port--> AFTER (direct, timers) --> END
 *        CALL, AFTER, END --retry--> parked there --backoff over--> the same call again */
#include "base/fault.h"
#include "engine/decide.h"
#include "engine/dlq.h"
#include "engine/ingress.h"
#include "engine/probe.h"
#include "engine/question.h"
#include "engine/retain.h"
#include "engine/shadow.h"

#include <stdio.h>
#include <stdlib.h>

#define unlikely(x) __builtin_expect(!!(x), 0)

static const int64_t default_backoff_ns = 100 * NS_PER_MS;
static const int64_t default_max_backoff_ns = 10LL * NS_PER_S;

/* ---- Counters ----------------------------------------------------------------------------- */

void
exec_account(struct actor *actor)
{
    actor->is_counting = false;
    for (uint32_t i = 0; i < actor->n_nodes; i++) {
        struct node *node = actor->nodes[i];

        if (!node->calls)
            continue;
        STAT_ADD(node->stats->calls, node->calls);
        STAT_ADD(node->stats->batches, node->source ? 0 : node->calls);
        STAT_ADD(node->stats->messages, node->messages);
        node->calls = node->messages = 0;
    }
}

/* ---- What a status means ------------------------------------------------------------------ */

static const char *
said(const struct node *node)
{
    return node->ctx.said->text[0] ? node->ctx.said->text : "no reason given";
}

static void
fail_engine(struct node *node)
{
    char text[sizeof node->ctx.said->text + 2 * STATS_NAME];

    if (!node->source) { /* a source may have a thread of its own */
        node->actor->state = ACTOR_FAILED;
        exec_account(node->actor);
    }
    STAT_SET(node->stats->state, NODE_FAILED);
    snprintf(text, sizeof text, "node '%s' (%s): %s", node->def->name, node->def->op->name,
             said(node));
    engine_fail(node->engine, "HDE-R010", text);
}

/* Sets the next try; false: the policy allows no more. */
static bool
plan_retry(struct node *node)
{
    const struct error_policy *policy = &node->def->on_error;
    int64_t most_ns = policy->max_backoff_ns ? policy->max_backoff_ns : default_max_backoff_ns;
    int64_t wait_ns = node->backoff_ns;

    if (policy->attempts && ++node->attempts >= (uint64_t)policy->attempts)
        return false;
    if (!wait_ns)
        wait_ns = policy->backoff_ns ? policy->backoff_ns : default_backoff_ns;
    if (wait_ns > most_ns)
        wait_ns = most_ns;
    node->backoff_ns = 2 * wait_ns;
    node->retry_at_ns = clock_mono_ns() + wait_ns;
    return true;
}

static inline void
forget_retries(struct node *node)
{
    node->attempts = 0;
    node->backoff_ns = 0;
}

/* The call is made again by an instance that is opened afresh, if there may be one. */
static enum verdict
restart(struct node *node)
{
    enum verdict verdict = retain_verdict(node);

    if (verdict == VERDICT_FAILED)
        fail_engine(node);
    return verdict;
}

/* What to do after a status: go on behind the message (or call), call again later, or give up. */
enum verdict
exec_verdict(struct node *node, hde_status status)
{
    const struct error_policy *policy = &node->def->on_error;
    enum on_error action = policy->action;

    if (unlikely(node->probation != NULL) && swap_fails(node, status))
        return VERDICT_AGAIN; /* the build from before the reload makes the call again */
    if (unlikely(node->retain != NULL) && retain_is_broken(node))
        return restart(node);
    if (status == HDE_REJECT) {
        STAT_ADD(node->stats->rejects, 1);
        return VERDICT_NEXT;
    }
    if (status == HDE_RETRY) {
        STAT_ADD(node->stats->retries, 1);
        action = ON_ERROR_RETRY;
    } else {
        STAT_ADD(node->stats->errors, 1);
    }
    if (action == ON_ERROR_RETRY && plan_retry(node))
        return VERDICT_AGAIN;
    if (action == ON_ERROR_RETRY || action == ON_ERROR_RESTART)
        action = policy->then;
    if (action == ON_ERROR_SKIP)
        return VERDICT_NEXT;
    fail_engine(node);
    return VERDICT_FAILED;
}

static bool
park(struct node *node)
{
    exec_account(node->actor);
    node->actor->state = ACTOR_PARKED;
    node->actor->is_slow = true; /* for the rest of the tick */
    node->actor->resume_ns = node->retry_at_ns;
    if (!STAT_GET(node->actor->stuck_since_ns))
        STAT_SET(node->actor->stuck_since_ns, node->actor->worker->mono_ns);
    STAT_SET(node->stats->state, NODE_PARKED);
    return false;
}

/* For calls without a message. True: the call is over. */
static bool
settle(struct node *node, hde_status status)
{
    if (status == HDE_OK) {
        forget_retries(node);
        return true;
    }
    switch (exec_verdict(node, status)) {
    case VERDICT_NEXT:
        forget_retries(node);
        return true;
    case VERDICT_AGAIN:
        return park(node);
    case VERDICT_FAILED:
        break;
    }
    return false;
}

/* ---- Emissions without a tick ------------------------------------------------------------- */

static uint32_t
captured(const struct capture *capture)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < capture->n; i++)
        n += capture->port[i].n;
    return n;
}

static void
send_direct(struct direct *direct)
{
    struct node *node = direct->node;
    struct engine *engine = node->engine;

    if (node->actor->worker == engine->first)
        sequencer_answer(&engine->sequencer, direct);
    else
        worker_post(engine->first,
                    &(struct post){.node = node, .kind = POST_ANSWER, .data = direct});
}

void
exec_answer(struct node *node, uint64_t cause, uint64_t question)
{
    struct direct *direct;

    direct = xcalloc(1, sizeof *direct + node->capture.n * sizeof *direct->port);
    direct->node = node;
    direct->kind = DIRECT_ANSWER;
    direct->n_ports = node->capture.n;
    direct->cause = cause;
    direct->question = question;
    for (uint32_t i = 0; i < node->capture.n; i++) {
        direct->port[i] = node->capture.port[i];
        node->capture.port[i] = (struct hde_msgvec){0};
    }
    if (node->asked == ASKED_NOT)
        node->answers_out++;
    send_direct(direct);
}

void
exec_ask_again(struct node *node)
{
    struct direct *direct = xcalloc(1, sizeof *direct);

    direct->node = node;
    direct->kind = DIRECT_ASK;
    send_direct(direct);
}

static void
refuse_answer(struct node *node)
{
    char text[2 * STATS_NAME + 128];

    for (uint32_t i = 0; i < node->capture.n; i++)
        msgvec_drop_all(&node->capture.port[i]);
    snprintf(text, sizeof text,
             "node '%s': %s has emitted messages that are no answer: hde_answer() says to which "
             "question", node->def->name, node->def->op->name);
    engine_fail(node->engine, "HDE-R160", text);
}

static void
after_capture(struct node *node)
{
    if (!captured(&node->capture))
        return;
    if (node->asked == ASKED_EACH)
        refuse_answer(node);
    else
        exec_answer(node, 0, 0);
}

static inline void
after_call(struct node *node)
{
    if (unlikely(node->is_impure) && node->asked != ASKED_BY_TICK)
        after_capture(node);
}

/* No answer comes to a message that is put aside. */
static void
answer_nothing(struct node *node, uint32_t i)
{
    uint64_t number = question_number(node, node->port, i), tick;

    if (number && question_take(node, number, &tick))
        exec_answer(node, tick, number);
}

/* Behind all calls of a tick. Without a log only what was answered is told. */
static void
answer(struct actor *actor, struct node *node)
{
    if (!question_is_open(node, actor->tick) || node->is_left_out)
        return;
    if (node->engine->ingress && !ingress_is_new(node->engine, actor->tick))
        return; /* the log has it, or does not */
    if (node->engine->ingress || captured(&node->capture))
        exec_answer(node, actor->tick, 0);
    else
        question_close(node, actor->tick, 0);
}

void
exec_event(struct node *node, const hde_event *event)
{
    struct hde_outlet *outlets = node->ctx.outlets.port;
    hde_status status;

    if (!node->ctx.op->event || node->actor->state == ACTOR_FAILED)
        return;
    node->ctx.now_ns = worker_real_ns(node->actor->worker);
    if (node->capture.n)
        node->ctx.outlets.port = node->capture.outlets;
    status = node->ctx.op->event(&node->ctx, node->ctx.state, event);
    ctx_scratch_reset(&node->ctx);
    node->ctx.outlets.port = outlets;
    retain_event(node);
    if (node->capture.n)
        after_capture(node);
    if (status == HDE_FAIL || status == HDE_REJECT)
        exec_verdict(node, status);
}

/* ---- Timers ------------------------------------------------------------------------------- */

/* Calls timer() for node->firing; false: parked or failed, to be called again. */
static bool
fire(struct actor *actor, struct node *node)
{
    const hde_operator *op;
    hde_status status = HDE_OK;

    node->is_firing = true;
    if (unlikely(node->probation != NULL))
        swap_before_timer(node);
    op = node->ctx.op;
    node->ctx.now_ns = actor->now_ns;
    node->ctx.watermark_ns = node->wm;
    node->ctx.event_ns = node->firing.at_ns;
    if (op->timer) {
        STAT_SET(actor->worker->stats->node, node->id + 1);
        status = node->retain ? retain_timer(node, node->is_event_timer)
                              : op->timer(&node->ctx, node->ctx.state, node->firing.id,
                                          node->firing.at_ns);
        ctx_scratch_reset(&node->ctx);
        STAT_ADD(node->stats->calls, 1);
        after_call(node);
    }
    if (!settle(node, status))
        return false;
    node->is_firing = false;
    return true;
}

/* While a log is taken nobody is asked: timers of who answers later fire behind it. */
static bool
waits_for_log(const struct actor *actor)
{
    const struct engine *engine = actor->engine;

    return engine->ingress && !ingress_is_new(engine, actor->tick);
}

static bool
fire_up_to(struct actor *actor, struct node *node, int64_t limit_ns)
{
    if (unlikely(node->asked == ASKED_EACH) && waits_for_log(actor))
        return true;
    while (node->event_timers.next_ns <= limit_ns && node->event_timers.n) {
        timers_pop(&node->event_timers, &node->firing);
        node->is_event_timer = true;
        if (!fire(actor, node))
            return false;
    }
    return true;
}

/* Fires what is due before msg[done] and cuts the batch where the next timer comes between. */
static bool
fire_before_batch(struct actor *actor, struct node *node)
{
    hde_batch *batch = &node->in;
    hde_msg *first = batch->msg[batch->done];
    int64_t limit_ns;

    if (first &&
        !fire_up_to(actor, node, first->event_ns - 1 < node->wm ? first->event_ns - 1 : node->wm))
        return false;
    limit_ns = node->event_timers.next_ns;
    if (limit_ns > node->wm)
        return true;
    for (uint32_t i = batch->done + 1; i < batch->n; i++)
        if (batch->msg[i] && batch->msg[i]->event_ns > limit_ns) {
            batch->n = i;
            break;
        }
    return true;
}

/* ---- Batches ------------------------------------------------------------------------------ */

static inline void
note_passed(struct edge *edge, uint64_t tick, const struct hde_msgvec *vec)
{
    if (edge->kind != EDGE_FUSED)
        return; /* counted where it was put */
    if (!edge->stats->counted_by_node) {
        STAT_ADD(edge->stats->messages, vec->n);
        STAT_ADD(edge->stats->batches, 1);
    }
    if (unlikely(atomic_load_explicit(&edge->tap, memory_order_relaxed) != NULL))
        tap_record(edge, tick, vec->item, vec->n);
}

static struct hde_msgvec *
join_inlets(struct actor *actor, struct port *port)
{
    if (port->n_inlets == 1) {
        if (port->inlets[0].vec->n)
            note_passed(port->inlets[0].edge, actor->tick, port->inlets[0].vec);
        return port->inlets[0].vec;
    }
    for (uint32_t i = 0; i < port->n_inlets; i++) {
        struct hde_msgvec *vec = port->inlets[i].vec;

        if (!vec->n)
            continue;
        note_passed(port->inlets[i].edge, actor->tick, vec);
        for (uint32_t k = 0; k < vec->n; k++)
            msgvec_push(&port->joined, vec->item[k]);
        vec->n = 0;
    }
    return &port->joined;
}

static int64_t
port_watermark(const struct node *node, const struct port *port)
{
    int64_t least = WM_IDLE;

    for (uint32_t i = 0; i < port->n_inlets; i++)
        if (*port->inlets[i].wm < least)
            least = *port->inlets[i].wm;
    return least == WM_IDLE ? node->wm : least;
}

/* A message that is put aside goes as it came, whatever the operator has done to it: while others
 * hold it nobody may change it. */
static void
keep(struct node *node, const struct hde_msgvec *vec)
{
    for (uint32_t i = 0; i < vec->n; i++)
        msgvec_push(&node->kept, hde_msg_keep(vec->item[i]));
}

/* Puts the messages of node->port into node->in; false: there are none. */
static bool
lend(struct actor *actor, struct node *node)
{
    hde_batch *batch = &node->in;
    struct hde_msgvec *vec;

    vec = join_inlets(actor, &node->ports[node->port]);
    if (!vec->n)
        return false;
    batch->watermark_ns = port_watermark(node, &node->ports[node->port]);
    STAT_ADD(node->stats->batches, 1);
    if (node->keeps)
        keep(node, vec);
    if (unlikely(node->asked != ASKED_NOT))
        question_note(node, actor->tick, vec);
    node->taken = vec;
    batch->port = node->port;
    batch->n = vec->n;
    batch->done = 0;
    batch->msg = vec->item;
    batch->tick = actor->tick;
    batch->now_ns = actor->now_ns;
    node->ctx.now_ns = actor->now_ns;
    node->ctx.watermark_ns = node->wm;
    if (unlikely(node->shadow != NULL))
        shadow_batch(node, vec);
    return true;
}

static inline void
take_back(struct node *node, struct hde_msgvec *vec)
{
    STAT_ADD(node->stats->messages, vec->n);
    for (uint32_t i = 0; i < vec->n; i++)
        if (vec->item[i])
            hde_msg_drop(vec->item[i]);
    vec->n = 0;
    if (unlikely(node->kept.n))
        msgvec_drop_all(&node->kept);
}

static inline hde_status
make_batch(struct node *node)
{
    return unlikely(node->retain != NULL) ? retain_batch(node) : ctx_batch(&node->ctx, &node->in);
}

static inline hde_status
call_batch(struct actor *actor, struct node *node)
{
    hde_status status;
    uint64_t start, messages;

    STAT_ADD(node->stats->calls, 1);
    STAT_SET(actor->worker->stats->node, node->id + 1);
    if (!unlikely(actor->is_sampled))
        return make_batch(node);
    messages = node->in.n - node->in.done;
    start = cycles_now();
    status = make_batch(node);
    STAT_ADD(node->stats->sampled_ns,
             (uint64_t)((double)(cycles_now() - start) / actor->engine->cycles_per_ns));
    STAT_ADD(node->stats->sampled_messages, messages);
    return status;
}

/* Why a message goes to the dead-letter queue. */
static const char *
code_of(hde_status status)
{
    return status == HDE_REJECT ? "HDE-R091" : status == HDE_RETRY ? "HDE-R092" : "HDE-R093";
}

/* The batch goes on behind message i. Where the next thing that the node makes safe covers this
 * tick, the letter has to be safe before. */
static void
put_aside(struct actor *actor, struct node *node, uint32_t i, const char *code)
{
    hde_batch *batch = &node->in;
    const struct engine *engine = node->engine;

    STAT_ADD(node->stats->skips, 1);
    if (node->asked == ASKED_EACH)
        answer_nothing(node, i);
    dlq_put(node, code, node->port, actor->tick,
            node->keeps ? node->kept.item[i] : batch->msg[i]);
    batch->done = i + 1;
    while (node->def->op->mark && engine->epochs && !dlq_flush(node->engine, actor->tick) &&
           !atomic_load(&engine->stopping))
        ;
}

/* After a status other than HDE_OK. True: go on with what is left. */
static bool
settle_batch(struct actor *actor, struct node *node, hde_status status)
{
    hde_batch *batch = &node->in;
    uint32_t done = batch->done;

    switch (exec_verdict(node, status)) {
    case VERDICT_NEXT:
        break;
    case VERDICT_AGAIN:
        return park(node);
    case VERDICT_FAILED:
        return false;
    }
    forget_retries(node);
    if (done >= batch->n)
        return true;
    if (status != HDE_REJECT)
        decide_give_up(node, actor->tick, done);
    put_aside(actor, node, done, code_of(status));
    return true;
}

/* Calls batch() until all of node->in is done; false: parked or failed. */
static bool
deliver(struct actor *actor, struct node *node)
{
    hde_batch *batch = &node->in;

    for (;;) {
        hde_status status;

        batch->n = node->taken->n;
        if (unlikely(node->decided != NULL) && decide_is_given_up(node)) {
            put_aside(actor, node, batch->done, "HDE-R093");
            if (batch->done >= node->taken->n)
                return true;
            continue;
        }
        if (unlikely(node->event_timers.next_ns <= node->wm) && !fire_before_batch(actor, node))
            return false;
        if (unlikely(node->probation != NULL))
            swap_before_batch(node);
        if (unlikely(node->retain != NULL) && retain_puts_aside(node)) {
            put_aside(actor, node, batch->done, "HDE-R063");
            if (batch->done >= node->taken->n)
                return true;
            continue;
        }
        status = call_batch(actor, node);
        after_call(node);
        if (unlikely(status != HDE_OK)) {
            if (!settle_batch(actor, node, status))
                return false;
        } else {
            if (unlikely(node->attempts || node->backoff_ns))
                forget_retries(node);
            batch->done = batch->n;
        }
        if (batch->done >= node->taken->n)
            return true;
    }
}

/* ---- One node, one tick ------------------------------------------------------------------- */

static void
advance_watermark(struct node *node)
{
    int64_t least;

    if (node->n_ports) {
        bool has_inlets = false;

        least = WM_END;
        for (uint32_t p = 0; p < node->n_ports; p++) {
            const struct port *port = &node->ports[p];

            for (uint32_t i = 0; i < port->n_inlets; i++) {
                int64_t wm = *port->inlets[i].wm;

                has_inlets = true;
                if (wm < least)
                    least = wm;
            }
        }
        if (!has_inlets)
            least = WM_END;
    } else {
        least = node->source ? node->source->out_wm : WM_END;
    }
    if (least == WM_IDLE) {
        node->out_wm = WM_IDLE;
        return;
    }
    if (least > node->wm) {
        node->wm = least;
        STAT_SET(node->stats->watermark_ns, least);
    }
    if (node->wm != WM_END)
        node->out_wm = node->wm;
}

static void
settle_answer(struct node *node, const struct direct *direct)
{
    if (node->asked != ASKED_NOT && direct->n_ports) {
        question_close(node, direct->cause, direct->question);
    } else if (!node->is_left_out) {
        node->answers_out--;
    } else if (!direct->n_ports) { /* the log has no more of them */
        question_free(node);
        node->answers_out = 0; /* and who has no questions */
    }
}

static bool
meet_direct(struct actor *actor, struct node *node)
{
    struct direct *direct = actor->direct;

    actor->direct = NULL;
    if (direct->kind == DIRECT_ANSWER) {
        for (uint32_t i = 0; i < direct->n_ports; i++) {
            node_dispatch(node, i, &direct->port[i]);
            msgvec_fini(&direct->port[i]);
        }
        settle_answer(node, direct);
    } else if (direct->kind == DIRECT_TIMER && !node->has_ended &&
               timers_at(&node->clock_timers, direct->timer.id) == direct->timer.at_ns) {
        /* otherwise it was moved or cancelled while the entry was on its way */
        node->firing = direct->timer;
        node->is_event_timer = false;
        timers_set(&node->clock_timers, direct->timer.id, INT64_MAX);
        free(direct);
        if (unlikely(node->shadow != NULL))
            shadow_timer(node);
        return fire(actor, node);
    }
    free(direct);
    return true;
}

/* What a sink with a mark has taken it must make safe: on_error may end the run, or the sink tries
 * on; nothing of it is skipped. */
static bool
settle_flush(struct node *node, hde_status status)
{
    if (status == HDE_OK || !node->def->op->mark)
        return settle(node, status);
    switch (exec_verdict(node, status)) {
    case VERDICT_NEXT:
        node->attempts = 0;
        node->retry_at_ns = clock_mono_ns() + default_backoff_ns;
        return park(node);
    case VERDICT_AGAIN:
        return park(node);
    case VERDICT_FAILED:
        break;
    }
    return false;
}

static bool
flush_node(struct actor *actor, struct node *node)
{
    hde_status status;

    if (actor->tick <= node->mark)
        return true;
    STAT_SET(actor->worker->stats->node, node->id + 1);
    node->ctx.now_ns = actor->now_ns;
    node->ctx.watermark_ns = node->wm;
    fault_point(FAULT_SINK_COMMIT);
    status = node->ctx.op->flush(&node->ctx, node->ctx.state, actor->tick);
    fault_point(FAULT_SINK_COMMIT);
    ctx_scratch_reset(&node->ctx);
    after_call(node);
    return settle_flush(node, status);
}

static bool
end_node(struct actor *actor, struct node *node)
{
    if (node->has_flush && !flush_node(actor, node))
        return false;
    if (node->answers_out)
        return true; /* ends with the last of them */
    node->has_ended = true;
    node->out_wm = WM_END;
    actor->n_ended++;
    STAT_SET(node->stats->state, NODE_ENDED);
    return true;
}

static bool
run_after(struct actor *actor, struct node *node)
{
    if (actor->direct && actor->direct->node == node && !meet_direct(actor, node))
        return false;
    if (node->has_ended)
        return true;
    node->is_ending = node->wm == WM_END; /* timers that are set from now on are not kept */
    if (!fire_up_to(actor, node, node->wm))
        return false;
    return node->wm != WM_END || end_node(actor, node);
}

/* For a plain node whose input has another watermark; false: a timer is due, or more. */
static bool
follow_watermark(struct node *node)
{
    int64_t wm = *node->vec_wm;

    if (wm >= node->event_timers.next_ns || wm >= WM_IDLE)
        return false;
    if (wm > node->wm) {
        node->wm = wm;
        STAT_SET(node->stats->watermark_ns, wm);
    }
    node->out_wm = node->wm;
    node->seen_wm = wm;
    if (!node->source) /* ctx is its poller's, which may be another thread */
        node->in.watermark_ns = node->ctx.watermark_ns = node->wm;
    return true;
}

/* Any node, in any tick, from where it stands. */
static bool __attribute__((noinline))
run_node(struct actor *actor, struct node *node)
{
    node->seen_wm = WM_UNSEEN;
    if (unlikely(node->is_firing) && !fire(actor, node))
        return false;
    if (unlikely(node->asked != ASKED_NOT) && actor->direct && actor->direct->node == node &&
        actor->direct->kind == DIRECT_ASK)
        question_ask_again(node, actor->tick);
    advance_watermark(node);
    for (; node->port < node->n_ports; node->port++) {
        if (node->step == STEP_PORTS && !lend(actor, node))
            continue;
        node->step = STEP_CALL;
        if (unlikely(!deliver(actor, node)))
            return false;
        take_back(node, node->taken);
        node->step = STEP_PORTS;
    }
    if (unlikely(node->asked == ASKED_BY_TICK) && node->port == node->n_ports)
        answer(actor, node);
    if (unlikely(node->event_timers.next_ns <= node->wm || node->wm == WM_END || actor->direct) &&
        !run_after(actor, node))
        return false;
    if (unlikely(node->shadow != NULL))
        shadow_pass(node);
    if (unlikely(node->probe != NULL))
        probe_pass(node);
    node->port = 0;
    return true;
}

/* The call of a plain node did not just succeed: run_node() goes on behind it. */
static bool __attribute__((noinline))
run_rest(struct actor *actor, struct node *node, hde_status status)
{
    node->taken = node->vec;
    node->step = STEP_CALL;
    if (status == HDE_OK) {
        node->in.done = node->in.n;
    } else if (!settle_batch(actor, node, status)) {
        return false;
    }
    if (node->in.done >= node->in.n) {
        take_back(node, node->vec);
        node->step = STEP_PORTS;
    }
    return run_node(actor, node);
}

/* Most nodes in most ticks: one inlet, the watermark makes no timer due, the call succeeds. The
 * rest is run_node()'s. What it counts stays in the node until the turn ends. */
static inline bool
run_plain(struct actor *actor, struct node *node, struct stats_worker *worker)
{
    struct hde_msgvec *vec = node->vec;
    hde_batch *batch = &node->in;
    hde_status status;
    uint32_t n;

    n = vec->n;
    if (!n)
        return true;
    batch->n = n;
    batch->done = 0;
    batch->msg = vec->item;
    batch->tick = actor->tick;
    batch->now_ns = node->ctx.now_ns = actor->now_ns;
    STAT_SET(worker->node, node->label);
    node->calls++;
    status = ctx_batch(&node->ctx, batch);
    if (unlikely(status != HDE_OK || node->event_timers.next_ns <= node->wm))
        return run_rest(actor, node, status);
    node->messages += n;
    for (uint32_t i = 0; i < n; i++)
        if (vec->item[i])
            hde_msg_drop(vec->item[i]);
    vec->n = 0;
    return true;
}

/* A plain node that works by each(). Whatever wraps its batch() keeps it from being called
 * alone. */
static inline bool
is_single(const struct node *node)
{
    return node->is_plain && node->ctx.batch == hde_each;
}

static inline bool
timer_is_due(const struct node *node)
{
    return node->event_timers.next_ns <= node->wm;
}

static inline bool
watermark_stands(struct node *node)
{
    return !unlikely(*node->vec_wm != node->seen_wm) || follow_watermark(node);
}

/* Whether what the node before it sends comes here alone, and each() may be called. */
static inline bool
is_next_single(struct node *node)
{
    return node->follows && is_single(node) && watermark_stands(node);
}

/* One message from each() to each(), as far as that goes: it does not lie on the edges between.
 * What the next call needs is looked up before this one: behind it that would be waited for. Gives
 * the node to go on with, which has the message; the same one, if a timer of it is due now. */
static struct node *const *__attribute__((noinline))
run_singles(struct actor *actor, struct node *const *at, struct node *const *end,
            struct stats_worker *worker)
{
    const int64_t now_ns = actor->now_ns;
    struct node *node = *at;
    hde_msg *msg = node->vec->item[0];

    node->vec->n = 0;
    for (;;) {
        struct node *next = at + 1 < end ? at[1] : NULL;

        if (next && !is_next_single(next))
            next = NULL;
        node->ctx.event_ns = msg->event_ns;
        node->ctx.now_ns = now_ns;
        STAT_SET(worker->node, node->label);
        node->calls++;
        node->messages++;
        msg = node->ctx.op->each(&node->ctx, node->ctx.state, msg);
        ctx_scratch_reset(&node->ctx);
        if (unlikely(timer_is_due(node)))
            break;
        at++;
        if (!next || unlikely(!msg || next->vec->n))
            break;
        node = next;
    }
    if (msg)
        hde_emit(&node->ctx, 0, msg);
    return at;
}

bool
exec_tick(struct actor *actor)
{
    struct stats_worker *worker = actor->worker->stats;
    struct node *const *const nodes = actor->nodes, *const *const end = nodes + actor->n_nodes;
    struct node *const *at = nodes + actor->at;
    const bool is_slow = actor->is_slow || actor->direct;

    while (at < end) {
        struct node *node = *at;
        bool is_done;

        if (unlikely(is_slow || !node->is_plain) || !watermark_stands(node)) {
            is_done = run_node(actor, node);
        } else if (node->vec->n == 1 && is_single(node)) {
            at = run_singles(actor, at, end, worker);
            if (at == end || !unlikely(timer_is_due(*at)))
                continue;
            is_done = run_node(actor, *at);
        } else {
            is_done = run_plain(actor, node, worker);
        }
        if (unlikely(!is_done)) {
            actor->at = (uint32_t)(at - nodes);
            return false;
        }
        at++;
    }
    actor->at = 0;
    return true;
}

bool
exec_flush(struct actor *actor)
{
    actor->is_flushing = true;
    for (; actor->flush_at < actor->n_nodes; actor->flush_at++) {
        struct node *node = actor->nodes[actor->flush_at];

        if (node->has_flush && !node->has_ended && !flush_node(actor, node))
            return false;
    }
    actor->flush_at = 0;
    actor->is_flushing = false;
    actor->wants_flush = false;
    return true;
}
