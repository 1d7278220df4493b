/* SPDX-License-Identifier: Apache-2.0
 * question - kept from the call until the answer has its tick.
 *
 *  (1) A node that answers in batch() alone has one answer in the log for each tick in which it was
 *      given messages, which names that tick; one that answers later has one for each message,
 *      which names its number: messages are counted in the order in which they come. So a log that
 *      is taken again knows what was answered, and the node ends where it ended.
 *      [engine-seeded: what was asked outside was answered once, in order]
 *  (2) While a log is taken the operator is not asked. What is open behind the log is asked in an
 *      entry of its own (LOG_KIND_ASK): all of it comes in at the node's ports once more, in that
 *      tick. Asked once more, a question that is answered later keeps its number; the others are
 *      questions of that tick. So does what an instance was asked that is gone.
 *      [test_questions_of_an_instance_that_is_gone_are_asked_again, tests/graphs/later.sh]
 *  (3) What is open at a barrier is in the epoch, with its messages.
 *  (4) A question is answered once: what was answered, or asked of an instance that is gone, takes
 *      no answer. [test_a_question_is_answered_once]
 *  (5) With QUESTIONS_MAX open ones no source is polled. Timers, events and answers go on, so this
 *      ends. [test_open_questions_hold_back_sources] */
#include "engine/question.h"

#include "base/arena.h"
#include "engine/held.h"
#include "engine/ingress.h"
#include "engine/key.h"

#include <stdlib.h>
#include <string.h>

struct question {
    uint64_t tick, number; /* tick: in which it was asked first */
    uint64_t asked;        /* and last */
    hde_msg *msg;          /* NULL where nobody may ask again */
    uint32_t port;
    bool is_answered; /* on its way through the sequencer */
    bool is_lost;     /* nobody is working on it */
};

/* ---- The list, by number ------------------------------------------------------------------- */

static struct question *
add(struct node *node, uint64_t tick, uint32_t port, hde_msg *taken)
{
    uint32_t n = node->answers_out;
    struct question *question;

    if (!(n & (n - 1))) /* there is room for a power of two */
        node->questions = xrealloc(node->questions, (n ? 2 * n : 1) * sizeof *question);
    question = &node->questions[node->answers_out++];
    *question = (struct question){.tick = tick, .asked = tick, .number = ++node->n_asked,
                                  .msg = taken, .port = port};
    atomic_fetch_add_explicit(&node->engine->open_questions, 1, memory_order_relaxed);
    return question;
}

static bool
answers_later(const struct node *node)
{
    return node->asked == ASKED_EACH;
}

bool
question_are_many(const struct engine *engine)
{
    return atomic_load_explicit(&engine->open_questions, memory_order_relaxed) >= QUESTIONS_MAX;
}

/* Sources may be polled again. */
static void
told_fewer(struct engine *engine, uint32_t n)
{
    uint32_t before = atomic_fetch_sub_explicit(&engine->open_questions, n, memory_order_relaxed);

    if (before < QUESTIONS_MAX || before - n >= QUESTIONS_MAX)
        return;
    full_fence(); /* pairs with that of sleep_until_event() in worker.c */
    worker_wake_if_parked(engine->first);
}

/* Those that are marked by tick and number; number 0: all of the tick. */
static void
remove_some(struct node *node, uint64_t tick, uint64_t number)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < node->answers_out; i++) {
        struct question *question = &node->questions[i];

        if (number ? question->number == number : question->tick == tick)
            hde_msg_drop(question->msg);
        else
            node->questions[n++] = *question;
    }
    told_fewer(node->engine, node->answers_out - n);
    node->answers_out = n;
}

static struct question *
numbered(const struct node *node, uint64_t number)
{
    for (uint32_t i = 0; i < node->answers_out; i++)
        if (node->questions[i].number == number)
            return &node->questions[i];
    return NULL;
}

/* ---- Asked --------------------------------------------------------------------------------- */

static bool
is_asked_again(const struct node *node)
{
    const struct direct *direct = node->actor->direct;

    return direct && direct->node == node && direct->kind == DIRECT_ASK;
}

static bool
is_new(const struct node *node, uint64_t tick)
{
    const struct engine *engine = node->engine;

    return !engine->is_taking && (!engine->ingress || ingress_is_new(engine, tick));
}

void
question_note(struct node *node, uint64_t tick, const struct hde_msgvec *vec)
{
    const struct engine *engine = node->engine;
    bool keeps = engine->options.checkpoint || engine->is_taking || answers_later(node);

    if (answers_later(node) && is_asked_again(node))
        return; /* they are here */
    for (uint32_t i = 0; i < vec->n; i++)
        add(node, tick, node->port, keeps ? hde_msg_keep(vec->item[i]) : NULL)->is_lost =
            !is_new(node, tick);
}

bool
question_is_open(const struct node *node, uint64_t tick)
{
    for (uint32_t i = node->answers_out; i-- > 0;)
        if (node->questions[i].tick == tick)
            return true;
    return false;
}

void
question_close(struct node *node, uint64_t tick, uint64_t number)
{
    remove_some(node, tick, number);
}

static void
bring(struct node *node, const struct question *question)
{
    msgvec_push(node->ports[question->port].inlets[0].vec, hde_msg_keep(question->msg));
}

/* Those of the tick itself are there already: this call has come here before, and is made again. */
void
question_ask_again(struct node *node, uint64_t tick)
{
    uint32_t n = 0;

    if (answers_later(node) && !is_new(node, tick))
        return;
    for (uint32_t i = 0; i < node->answers_out; i++) {
        struct question *question = &node->questions[i];
        bool is_moved = !answers_later(node) && question->tick != tick;

        if (is_moved || (answers_later(node) && question->is_lost)) {
            bring(node, question);
            question->asked = tick;
            question->is_lost = false;
        }
        if (is_moved)
            hde_msg_drop(question->msg);
        else
            node->questions[n++] = *question;
    }
    told_fewer(node->engine, node->answers_out - n);
    node->answers_out = n;
}

hde_status
question_skip(hde_ctx *ctx, void *state, hde_batch *batch)
{
    const struct node *node = ctx->owner;

    if (!ingress_is_new(node->engine, batch->tick)) {
        batch->done = batch->n;
        return HDE_OK;
    }
    ctx->batch = ctx->op->batch;
    return ctx->batch(ctx, state, batch);
}

/* ---- Answered later ------------------------------------------------------------------------ */

/* Those of the tick at hand are the last ones, but where they are asked again. */
static uint32_t
first_of_port(const struct node *node, uint32_t port)
{
    const uint64_t tick = node->actor->tick;
    uint32_t first = node->answers_out, i = node->answers_out;

    while (i-- > 0 && (node->questions[i].asked == tick || is_asked_again(node)))
        if (node->questions[i].asked == tick && node->questions[i].port == port)
            first = i;
    return first;
}

uint64_t
question_number(const struct node *node, uint32_t port, uint32_t i)
{
    for (uint32_t k = first_of_port(node, port); k < node->answers_out; k++) {
        const struct question *question = &node->questions[k];

        if (question->asked == node->actor->tick && question->port == port && i-- == 0)
            return question->number;
    }
    return 0;
}

bool
question_take(struct node *node, uint64_t number, uint64_t *tick)
{
    struct question *question = numbered(node, number);

    if (!question || question->is_answered || question->is_lost)
        return false;
    question->is_answered = true;
    *tick = question->tick;
    return true;
}

/* Of the call that is made next, or goes on, nothing is lost. */
static bool
lose(struct node *node)
{
    bool is_in_call = node->step == STEP_CALL && node->actor->state != ACTOR_READY, any = false;
    uint64_t next = is_in_call ? question_number(node, node->port, node->in.done) : 0;

    for (uint32_t i = 0; i < node->answers_out; i++) {
        struct question *question = &node->questions[i];
        bool is_to_come = next && question->asked == node->actor->tick &&
                          question->port == node->port && question->number >= next;

        if (!question->is_answered && !is_to_come)
            question->is_lost = true;
        any |= question->is_lost;
    }
    return any;
}

void
question_renew(struct node *node)
{
    if (answers_later(node) && lose(node) && is_new(node, node->actor->tick))
        exec_ask_again(node);
}

/* ---- Epochs ------------------------------------------------------------------------------- */

void
question_save(const struct node *node, Hde__SavedNode *saved)
{
    if (!node->n_asked)
        return;
    saved->has_asked = answers_later(node);
    saved->asked = node->n_asked;
    saved->questions = xcalloc(node->answers_out + 1, sizeof *saved->questions);
    for (uint32_t i = 0; i < node->answers_out; i++) {
        const struct question *from = &node->questions[i];
        Hde__SavedQuestion *to;

        if (!from->msg)
            continue;
        to = saved->questions[saved->n_questions++] = xmalloc(sizeof *to);
        hde__saved_question__init(to);
        to->has_tick = true;
        to->tick = from->tick;
        to->has_number = answers_later(node);
        to->number = from->number;
        to->message = held_pack(from->port, from->msg);
    }
}

/* Whether it would come to this instance: there may be another number of replicas. */
static bool
is_own(const struct node *node, const hde_msg *msg)
{
    struct key key;

    if (!node->ctx.key || node->ctx.n_replicas < 2)
        return true;
    key = (struct key){.n = 1, .names = &node->ctx.key};
    return key_hash(&key, msg->body) % node->ctx.n_replicas == node->ctx.replica;
}

bool
question_load(struct node *node, const Hde__SavedNode *saved, struct err *err)
{
    const hde_port *inputs = node->def->op->inputs;
    bool is_first = !node->n_asked; /* of several whose place this node takes */

    for (size_t i = 0; i < saved->n_questions; i++) {
        const Hde__SavedQuestion *from = saved->questions[i];
        const Hde__LogMessage *item = from->message;
        hde_msg *msg = item && node->asked != ASKED_NOT && item->port < node->n_ports
                           ? held_unpack(item, &inputs[item->port])
                           : NULL;
        struct question *to;

        if (!msg)
            return err_set(err, "HDE-R015",
                           "node '%s' was asked something that it does not take any more",
                           saved->name);
        if (!is_own(node, msg)) {
            hde_msg_drop(msg);
            continue;
        }
        to = add(node, from->tick, item->port, msg);
        to->is_lost = true;
        if (is_first && from->has_number)
            to->number = from->number;
    }
    if (is_first && saved->has_asked)
        node->n_asked = saved->asked;
    node->wants_ask |= node->answers_out != 0;
    return true;
}

void
question_free(struct node *node)
{
    for (uint32_t i = 0; node->questions && i < node->answers_out; i++)
        hde_msg_drop(node->questions[i].msg);
    if (node->questions)
        told_fewer(node->engine, node->answers_out);
    free(node->questions);
    node->questions = NULL;
    node->answers_out = 0;
}
