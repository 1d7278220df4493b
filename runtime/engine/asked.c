/* SPDX-License-Identifier: Apache-2.0
 * asked - a source is sent back to where it stood, and polled for what the log does not keep.
 *
 *  (1) Left out are only bodies. Tick, port, type and event time of each message are in the log,
 *      with one checksum over the bodies of an entry; positions, watermark and end too.
 *  (2) Only a source that can go back, gives the same there as before, and has said where it stands
 *      behind this entry: not one that reads something live, nor the end of a link, whose sender
 *      forgets what an epoch covers.
 *  (3) It is asked when the first such entry is taken, from the position that the log has by then,
 *      and goes on by itself from there: behind the log its next messages are live ones. Its calls
 *      need not cut as they did: messages are counted off the entries.
 *      [test_a_source_is_asked_for_what_the_log_left_out, engine-seeded]
 *  (4) While the log is taken a source that waits for a timer is not waited for (intake.c). One
 *      that is idle all the same and gives nothing for two seconds gives less than then: (5).
 *      [test_a_source_that_gives_nothing_any_more_is_named]
 *  (5) Other messages than those that the log was written with stop the run, before anything has
 *      seen them. [test_a_source_that_answers_differently_is_named] Where that is accepted, what
 *      the log has from there on never happened: a new incarnation begins, with what this source
 *      gives and all in the log that did not come from sources like it (retake.c).
 *      [test_a_changed_source_goes_on_in_a_new_incarnation, tests/graphs/changed.sh] */
#include "engine/asked.h"

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "engine/ingress.h"

#include <stdlib.h>
#include <string.h>

static const int64_t dry_ns = 2LL * NS_PER_S;

bool
asked_is_askable(const struct source *source)
{
    const hde_operator *op = source->node->ctx.op;

    return op->seek && !(op->flags & (HDE_LIVE_ONLY | OP_LINK_END));
}

bool
asked_leaves_out(const struct source *source, const struct intake *entry)
{
    const struct engine *engine = source->node->engine;

    return engine->options.checkpoint && !engine->options.payloads && asked_is_askable(source) &&
           entry->messages && entry->positions.n;
}

bool
asked_is_needed(const struct source *source, const Hde__LogEntry *entry)
{
    return entry->n_messages && (entry->has_crc || source->asked);
}

struct intake *
asked_slot(struct source *source)
{
    return source->asked ? source->asked : &source->slots[0];
}

/* ---- Going back --------------------------------------------------------------------------- */

bool
asked_refuses(const struct source *source, struct err *err)
{
    const struct node *node = source->node;

    return err_set(err, "HDE-R016", "node '%s' (%s) does not go back to where it stood: %s",
                   node->def->name, node->def->op->name,
                   node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
}

/* A replay has left the source out so far. */
static bool
open_source(struct source *source, struct err *err)
{
    struct node *node = source->node;

    if (!node->is_left_out)
        return true;
    node->ctx.now_ns = node->engine->start_ns;
    node->is_left_out = false;
    node->ctx.batch = node->ctx.op->batch;
    source->state = SOURCE_POLLING;
    return node_open(node, err);
}

static bool
begin(struct source *source, struct err *err)
{
    struct node *node = source->node;

    if (!open_source(source, err))
        return false;
    source->asked = xcalloc(1, sizeof *source->asked);
    source->asked->port = xcalloc(node->capture.n + 1, sizeof *source->asked->port);
    return source_release(source) || asked_refuses(source, err);
}

void
asked_forget(struct source *source)
{
    struct intake *entry;

    while ((entry = source_front(source))) {
        for (uint32_t p = 0; p < source->node->capture.n; p++)
            msgvec_drop_all(&entry->port[p]);
        source_pop(source);
    }
    if (!source->asked)
        return;
    for (uint32_t p = 0; p < source->node->capture.n; p++) {
        msgvec_drop_all(&source->asked->port[p]);
        msgvec_fini(&source->asked->port[p]);
    }
    positions_fini(&source->asked->positions);
    free(source->asked->port);
    free(source->asked);
    source->asked = NULL;
}

/* ---- Counting off ------------------------------------------------------------------------- */

/* How many messages of a port are still to come. */
static uint32_t
missing(const struct source *source, const Hde__LogEntry *entry, uint32_t port)
{
    uint32_t n = 0;

    for (size_t i = 0; i < entry->n_messages; i++)
        n += entry->messages[i]->port == port;
    return n > source->asked->port[port].n ? n - source->asked->port[port].n : 0;
}

static bool
is_complete(const struct source *source, const Hde__LogEntry *entry)
{
    for (uint32_t p = 0; p < source->node->capture.n; p++)
        if (missing(source, entry, p))
            return false;
    return true;
}

static void
move_some(struct hde_msgvec *from, struct hde_msgvec *to, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        msgvec_push(to, from->item[i]);
    from->n -= n;
    memmove(from->item, from->item + n, from->n * sizeof(void *));
}

/* Where the source stands behind what it was asked for last. */
static void
stand_behind(struct source *source, const struct intake *front)
{
    struct intake *asked = source->asked;

    asked->watermark_ns = front->watermark_ns;
    asked->positions.n = 0;
    for (uint32_t i = 0; i < front->positions.n; i++) {
        const struct position *at = &front->positions.item[i];

        positions_set(&asked->positions, at->partition, at->bytes, at->size);
    }
}

/* False: the front of the queue has nothing that the entry misses. */
static bool
take_front(struct source *source, struct intake *front, const Hde__LogEntry *entry)
{
    bool moved = false, is_spent = true;

    stand_behind(source, front);
    for (uint32_t p = 0; p < source->node->capture.n; p++) {
        uint32_t n = missing(source, entry, p);

        n = n < front->port[p].n ? n : front->port[p].n;
        if (n)
            move_some(&front->port[p], &source->asked->port[p], n);
        moved |= n != 0;
        is_spent &= front->port[p].n == 0;
    }
    source->is_in_front = !is_spent;
    if (is_spent && !front->is_end)
        source_pop(source);
    return moved || (is_spent && !front->is_end);
}

/* ---- The same? ---------------------------------------------------------------------------- */

static bool
is_message(const hde_msg *msg, const Hde__LogMessage *item)
{
    return item->type && strcmp(msg->body->descriptor->name, item->type) == 0 &&
           msg->event_ns == item->event_ns;
}

static void
tell(const struct source *source, const Hde__LogEntry *entry, const Hde__LogMessage *item,
     const hde_msg *msg, const uint8_t *bytes, size_t size)
{
    const struct engine_trace *trace = &source->node->engine->options.trace;

    if (trace->asked && entry->has_crc && entry->tick >= trace->from && entry->tick <= trace->to)
        trace->asked(trace->arg, &(struct engine_emitted){.node = source->node->def->name,
                                                          .id = source->node->order,
                                                          .replica = source->node->replica,
                                                          .port = item->port,
                                                          .tick = entry->tick,
                                                          .event_ns = msg->event_ns,
                                                          .type = msg->body->descriptor,
                                                          .bytes = bytes,
                                                          .size = size});
}

static bool
is_same(const struct source *source, const Hde__LogEntry *entry)
{
    const struct intake *asked = source->asked;
    uint32_t crc = 0, port = 0, at = 0;

    for (size_t i = 0; i < entry->n_messages; i++) {
        const Hde__LogMessage *item = entry->messages[i];
        const hde_msg *msg;
        size_t size;
        uint8_t *bytes;

        at = item->port == port ? at : 0;
        port = item->port;
        if (port >= source->node->capture.n || at >= asked->port[port].n)
            return false;
        msg = asked->port[port].item[at++];
        if (!is_message(msg, item))
            return false;
        size = protobuf_c_message_get_packed_size(msg->body);
        bytes = xmalloc(size + 1);
        protobuf_c_message_pack(msg->body, bytes);
        crc = crc32c(crc, bytes, size);
        tell(source, entry, item, msg, bytes, size);
        free(bytes);
    }
    return !entry->has_crc || crc == entry->crc;
}

/* Nothing is there, and nothing will come: a source that waits for the world asks for a retry. */
static bool
has_dried_up(const struct worker *worker, struct source *source)
{
    if (!atomic_load_explicit(&source->is_idle, memory_order_relaxed) ||
        worker->engine->options.steps) {
        source->asked_ns = 0;
        return false;
    }
    if (!source->asked_ns)
        source->asked_ns = worker->mono_ns;
    return worker->mono_ns - source->asked_ns >= dry_ns;
}

/* When to look again. */
static void
wait_for(struct worker *worker, const struct source *source)
{
    int64_t next_ns = source->asked_ns ? source->asked_ns + dry_ns : worker->mono_ns + dry_ns;

    if (source->worker == worker && source_next_ns(source) < next_ns)
        next_ns = source_next_ns(source);
    worker->sequencer->wait_ns = next_ns;
}

/* With err, unless it was said that this is fine. */
static void
note_change(struct source *source, const Hde__LogEntry *entry, struct err *err)
{
    const struct node *node = source->node;

    source->has_changed = node->engine->options.accepts_change;
    if (source->has_changed)
        log_line(LEVEL_WARN, node->ctx.graph, node->ctx.node, "source.changed",
                 "goes on from what is there, as told: from tick %llu on it gives something else",
                 (unsigned long long)entry->tick);
    else
        err_set(err, "HDE-R111",
                "node '%s' (%s) was asked again for what it gave in tick %llu, and gives something "
                "else%s",
                node->def->name, node->def->op->name, (unsigned long long)entry->tick,
                is_complete(source, entry) ? "" : ": there is less than then");
}

/* The log has the messages, and the source has given them as well. */
static bool
take_logged(struct source *source, const Hde__LogEntry *entry, struct err *err)
{
    struct intake *asked = source->asked;
    const struct node *node = source->node;

    for (uint32_t p = 0; p < node->capture.n; p++)
        msgvec_drop_all(&asked->port[p]);
    return ingress_messages(entry, node->def->op->outputs, node->capture.n, asked->port, err);
}

struct intake *
asked_take(struct worker *worker, struct source *source, const Hde__LogEntry *entry,
           struct err *err)
{
    if (!source->asked && !begin(source, err))
        return NULL;
    while (!is_complete(source, entry)) {
        struct intake *front = sequencer_shown(worker, source);

        if (!front && has_dried_up(worker, source))
            break;
        if (!front) {
            wait_for(worker, source);
            return NULL;
        }
        source->asked_ns = 0;
        if (!take_front(source, front, entry))
            break;
    }
    if (!entry->has_crc) {
        if (!take_logged(source, entry, err))
            return NULL;
    } else if (!is_same(source, entry)) {
        note_change(source, entry, err);
        return NULL;
    }
    return source->asked;
}

struct intake *
asked_rest(struct source *source)
{
    struct intake *asked = source->asked, *front = source_front(source);

    asked->messages = 0;
    for (uint32_t p = 0; p < source->node->capture.n; p++) {
        if (source->is_in_front)
            move_some(&front->port[p], &asked->port[p], front->port[p].n);
        asked->messages += asked->port[p].n;
    }
    if (source->is_in_front && !front->is_end)
        source_pop(source);
    source->is_in_front = false;
    asked->is_end = false;
    return asked->messages ? asked : NULL;
}
