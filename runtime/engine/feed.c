/* SPDX-License-Identifier: Apache-2.0
 * feed - from the queue to the node that had refused the letter.
 *
 *  (1) A letter leaves the queue when every actor has passed its tick, so that sinks have flushed
 *      what came of it, and the ingress log is durable up to there. Until then a crash leaves it in
 *      the queue, or in the log, which feeds it again: never in neither.
 *      [test_letters_fed_again_come_once_whatever_is_cut_off]
 *  (2) A node that refuses it again makes a new letter, which is enqueued before the old one goes.
 *      [test_a_letter_that_is_refused_again_is_a_new_letter]
 *
 *      QUEUE --asked--> AWAY --tick--> GIVEN --all actors have passed, log durable--> gone
 *        ^                | the sources have ended, a drain
 *        +----------------+ */
#include "engine/feed.h"

#include "base/log.h"
#include "engine/dlq.h"
#include "engine/epoch.h"
#include "engine/ingress.h"

#include <stdlib.h>
#include <string.h>

struct fed {
    struct fed *next;
    struct node *node; /* since it has a tick; before that the graph may change */
    char *name;
    uint32_t replica;
    uint32_t port;
    uint64_t id, tick;
    hde_msg *msg;
    uint32_t waits; /* actors that have not passed the tick */
    bool is_late;   /* its node had ended */
};

void
feeder_init(struct feeder *feeder)
{
    pthread_mutex_init(&feeder->lock, NULL);
    feeder->asked_end = &feeder->asked;
}

static void
free_all(struct fed *fed)
{
    while (fed) {
        struct fed *next = fed->next;

        feed_free(fed);
        fed = next;
    }
}

void
feeder_fini(struct feeder *feeder)
{
    free_all(feeder->asked);
    free_all(feeder->given);
    pthread_mutex_destroy(&feeder->lock);
}

/* ---- Making ------------------------------------------------------------------------------- */

static struct node *
find_node(const struct engine *engine, const char *name, uint32_t replica)
{
    for (uint32_t i = 0; name && i < engine->n_nodes; i++)
        if (engine->nodes[i]->replica == replica && strcmp(engine->nodes[i]->def->name, name) == 0)
            return engine->nodes[i];
    return NULL;
}

static uint32_t
find_port(const struct node *node, const char *name)
{
    uint32_t port = 0;

    while (port < node->n_ports && strcmp(node->def->op->inputs[port].name, name ? name : "") != 0)
        port++;
    return port;
}

static const ProtobufCMessageDescriptor *
find_type(const hde_port *port, const char *name)
{
    for (size_t i = 0; name && port->types[i]; i++)
        if (strcmp(port->types[i]->name, name) == 0)
            return port->types[i];
    return NULL;
}

/* Whether the graph, as it is now, has the input that the letter is for. */
static bool
resolve(const struct engine *engine, struct fed *fed)
{
    struct node *node = find_node(engine, fed->name, fed->replica);

    fed->node = node;
    return node && fed->port < node->n_ports && node->ports[fed->port].n_inlets &&
           epochs_reach(node->actor);
}

/* Where it goes, as an input of this graph; NULL with err. */
static struct fed *
make(struct engine *engine, const char *name, uint32_t replica, uint32_t port, const char *type,
     const ProtobufCBinaryData *body, struct err *err)
{
    struct node *node = find_node(engine, name, replica);
    const ProtobufCMessageDescriptor *descriptor;
    struct fed *fed;
    hde_msg *msg;

    if (!node || port >= node->n_ports || !node->ports[port].n_inlets)
        return err_set(err, "HDE-R094", "this graph has no such input of node '%s'", name), NULL;
    if (!epochs_reach(node->actor))
        return err_set(err, "HDE-R094", "node '%s' is a view: what it shows is outside of order",
                       name),
               NULL;
    descriptor = find_type(&node->def->op->inputs[port], type);
    msg = descriptor ? msg_unpack(msg_pool_current(), descriptor, body->data, body->len) : NULL;
    if (!msg)
        return err_set(err, "HDE-R094", "input '%s' of node '%s' takes no %s like that",
                       node->def->op->inputs[port].name, name, type ? type : "message"),
               NULL;
    fed = xcalloc(1, sizeof *fed);
    *fed = (struct fed){.node = node, .name = xstrdup(name), .port = port, .msg = msg};
    fed->replica = replica;
    return fed;
}

void
feed_free(struct fed *fed)
{
    if (!fed)
        return;
    if (fed->msg)
        hde_msg_drop(fed->msg);
    free(fed->name);
    free(fed);
}

struct fed *
feed_new(struct engine *engine, uint64_t id, const Hde__DeadLetter *letter, struct err *err)
{
    const struct node *node = find_node(engine, letter->node, letter->replica);
    struct fed *fed;

    if (!letter->has_body)
        return err_set(err, "HDE-R094", "letter %llu has no message: the operator had taken it",
                       (unsigned long long)id),
               NULL;
    fed = make(engine, letter->node, letter->replica, node ? find_port(node, letter->port) : 0,
               letter->type, &letter->body, err);
    if (!fed)
        return NULL;
    fed->id = id;
    fed->msg->event_ns = letter->event_ns;
    return fed;
}

struct fed *
feed_of_entry(struct engine *engine, const Hde__LogEntry *entry, struct err *err)
{
    const Hde__LogMessage *item = entry->n_messages == 1 ? entry->messages[0] : NULL;
    struct fed *fed;

    if (!item)
        return err_set(err, "HDE-R012", "tick %llu: a letter has one message",
                       (unsigned long long)entry->tick),
               NULL;
    fed = make(engine, entry->node, entry->replica, item->port, item->type, &item->body, err);
    if (!fed) {
        err_wrap(err, "tick %llu", (unsigned long long)entry->tick);
        return NULL;
    }
    fed->id = entry->letter;
    dlq_away(engine, fed->id);
    fed->msg->event_ns = item->event_ns;
    return fed;
}

struct fed_view
feed_view(const struct fed *fed)
{
    return (struct fed_view){fed->node, fed->port, fed->id, fed->msg};
}

/* ---- Sequencer ---------------------------------------------------------------------------- */

void
feed_ask(struct engine *engine, struct fed *fed)
{
    if (!worker_post(engine->first,
                     &(struct post){.node = fed->node, .kind = POST_FED, .data = fed})) {
        dlq_return(engine, fed->id);
        feed_free(fed);
    }
}

void
feed_arrived(struct sequencer *sequencer, struct fed *fed)
{
    struct feeder *feeder = &sequencer->feeder;

    *feeder->asked_end = fed;
    feeder->asked_end = &fed->next;
}

static bool
all_ended(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->n_sources; i++)
        if (!engine->sources[i]->has_ended)
            return false;
    return true;
}

struct fed *
feed_next(struct engine *engine)
{
    struct feeder *feeder = &engine->sequencer.feeder;
    struct fed *fed;

    while ((fed = feeder->asked)) {
        feeder->asked = fed->next;
        if (!feeder->asked)
            feeder->asked_end = &feeder->asked;
        fed->next = NULL;
        if (!all_ended(engine) && !atomic_load(&engine->draining) && resolve(engine, fed))
            return fed;
        dlq_return(engine, fed->id);
        feed_free(fed);
    }
    return NULL;
}

void
feed_begin(struct engine *engine, struct fed *fed, uint64_t tick)
{
    struct feeder *feeder = &engine->sequencer.feeder;

    fed->tick = tick;
    for (uint32_t i = 0; i < engine->n_actors; i++)
        fed->waits += epochs_reach(engine->actors[i]);
    pthread_mutex_lock(&feeder->lock);
    fed->next = feeder->given;
    feeder->given = fed;
    pthread_mutex_unlock(&feeder->lock);
    atomic_fetch_add(&feeder->n_given, 1); /* seen with the tick: the ring orders it */
}

/* ---- Actors ------------------------------------------------------------------------------- */

/* With the lock. */
static struct fed **
given_at(struct feeder *feeder, uint64_t tick)
{
    struct fed **at = &feeder->given;

    while (*at && (*at)->tick != tick)
        at = &(*at)->next;
    return at;
}

void
feed_meet(struct actor *actor)
{
    struct feeder *feeder = &actor->engine->sequencer.feeder;
    struct fed *fed;

    if (!atomic_load_explicit(&feeder->n_given, memory_order_relaxed))
        return;
    pthread_mutex_lock(&feeder->lock);
    fed = *given_at(feeder, actor->tick);
    if (fed && fed->node->actor == actor) {
        fed->is_late = fed->node->has_ended;
        if (!fed->is_late)
            msgvec_push(fed->node->ports[fed->port].inlets[0].vec, hde_msg_keep(fed->msg));
    }
    pthread_mutex_unlock(&feeder->lock);
}

bool
feed_pass(struct actor *actor)
{
    struct engine *engine = actor->engine;
    struct feeder *feeder = &engine->sequencer.feeder;
    struct fed **at, *fed;
    bool is_over;

    if (!atomic_load_explicit(&feeder->n_given, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&feeder->lock);
    at = given_at(feeder, actor->tick);
    fed = *at;
    is_over = fed && --fed->waits == 0;
    if (is_over)
        *at = fed->next;
    pthread_mutex_unlock(&feeder->lock);
    if (!is_over)
        return fed != NULL;
    atomic_fetch_sub(&feeder->n_given, 1);
    if (fed->is_late)
        dlq_return(engine, fed->id);
    else
        dlq_accept(engine, fed->id, fed->tick);
    feed_free(fed);
    return true;
}
