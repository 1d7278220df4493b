/* SPDX-License-Identifier: Apache-2.0
 * question - kept from the call until the answer has its tick.
 *
 *  (1) A tick in which an impure node was given messages has one answer in the log, which names
 *      that tick. So a log that is taken again knows what was answered, and the node ends where it
 *      ended.
 *      [engine-seeded: what was asked outside was answered once, in order]
 *  (2) While a log is taken the operator is not asked. What is open behind the log is asked in an
 *      entry of its own (LOG_KIND_ASK): all of it comes in at the node's ports once more, in that
 *      tick.
 *  (3) What is open at a barrier is in the epoch, with its messages. */
#include "engine/question.h"

#include "base/arena.h"
#include "engine/held.h"
#include "engine/ingress.h"

#include <stdlib.h>
#include <string.h>

struct question {
    uint64_t tick;
    struct hde_msgvec *port; /* the messages, by input; empty where nobody may ask again */
};

static struct question *
add(struct node *node, uint64_t tick)
{
    struct question *question;

    node->questions = xrealloc(node->questions, (node->answers_out + 1) * sizeof *question);
    question = &node->questions[node->answers_out++];
    question->tick = tick;
    question->port = xcalloc(node->n_ports + 1, sizeof *question->port);
    return question;
}

static void
fini(const struct node *node, struct question *question)
{
    for (uint32_t p = 0; p < node->n_ports; p++) {
        msgvec_drop_all(&question->port[p]);
        msgvec_fini(&question->port[p]);
    }
    free(question->port);
}

static struct question *
of_tick(const struct node *node, uint64_t tick)
{
    for (uint32_t i = 0; i < node->answers_out; i++)
        if (node->questions[i].tick == tick)
            return &node->questions[i];
    return NULL;
}

void
question_note(struct node *node, uint64_t tick, const struct hde_msgvec *vec)
{
    const struct engine *engine = node->engine;
    struct question *question = of_tick(node, tick);

    if (!question)
        question = add(node, tick);
    for (uint32_t i = 0; i < vec->n && (engine->options.checkpoint || engine->is_taking); i++)
        msgvec_push(&question->port[node->port], hde_msg_keep(vec->item[i]));
}

bool
question_is_open(const struct node *node, uint64_t tick)
{
    return of_tick(node, tick) != NULL;
}

static void
remove_at(struct node *node, struct question *question)
{
    uint32_t i = (uint32_t)(question - node->questions);

    fini(node, question);
    memmove(question, question + 1, (--node->answers_out - i) * sizeof *question);
}

void
question_close(struct node *node, uint64_t tick)
{
    struct question *question = of_tick(node, tick);

    if (question)
        remove_at(node, question);
}

void
question_ask_again(struct node *node, uint64_t tick)
{
    for (uint32_t i = 0; i < node->answers_out;) {
        struct question *question = &node->questions[i];

        if (question->tick == tick) { /* this call has come here before, and is made again */
            i++;
            continue;
        }
        for (uint32_t p = 0; p < node->n_ports; p++) {
            struct hde_msgvec *from = &question->port[p];

            for (uint32_t k = 0; k < from->n; k++)
                msgvec_push(node->ports[p].inlets[0].vec, from->item[k]);
            from->n = 0;
        }
        remove_at(node, question);
    }
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

/* ---- Epochs ------------------------------------------------------------------------------- */

void
question_save(const struct node *node, Hde__SavedNode *saved)
{
    if (!node->questions)
        return;
    saved->questions = xcalloc(node->answers_out + 1, sizeof *saved->questions);
    for (; saved->n_questions < node->answers_out; saved->n_questions++) {
        const struct question *from = &node->questions[saved->n_questions];
        Hde__SavedQuestion *to = xmalloc(sizeof *to);
        size_t n = 0;

        hde__saved_question__init(to);
        to->has_tick = true;
        to->tick = from->tick;
        for (uint32_t p = 0; p < node->n_ports; p++)
            n += from->port[p].n;
        to->messages = xcalloc(n + 1, sizeof *to->messages);
        for (uint32_t p = 0; p < node->n_ports; p++)
            for (uint32_t i = 0; i < from->port[p].n; i++)
                to->messages[to->n_messages++] = held_pack(p, from->port[p].item[i]);
        saved->questions[saved->n_questions] = to;
    }
}

bool
question_load(struct node *node, const Hde__SavedNode *saved, struct err *err)
{
    const hde_port *inputs = node->def->op->inputs;

    for (size_t i = 0; i < saved->n_questions; i++) {
        const Hde__SavedQuestion *from = saved->questions[i];
        struct question *to = add(node, from->tick);

        for (size_t k = 0; k < from->n_messages; k++) {
            const Hde__LogMessage *item = from->messages[k];
            hde_msg *msg =
                item->port < node->n_ports ? held_unpack(item, &inputs[item->port]) : NULL;

            if (!msg)
                return err_set(err, "HDE-R015",
                               "node '%s' was asked something that it does not take any more",
                               saved->name);
            msgvec_push(&to->port[item->port], msg);
        }
    }
    return true;
}

void
question_free(struct node *node)
{
    for (uint32_t i = 0; node->questions && i < node->answers_out; i++)
        fini(node, &node->questions[i]);
    free(node->questions);
    node->questions = NULL;
}
