/* SPDX-License-Identifier: Apache-2.0
 * held - each end of an edge that drops saves its own side when its actor passes the barrier.
 *
 *  (1) Saved is what the writer has put up to the barrier, less all that was handed over by then.
 *      That may be more than what was handed over before the barrier: `handed` says up to which
 *      tick, and hand-overs of the log up to there take nothing again.
 *      [test_what_was_handed_over_before_the_writer_saved_leaves_no_second_time]
 *  (2) A hand-over of the log takes the messages that it took (edge_drop.c (5)), so behind the log
 *      the edge holds what was neither handed over nor dropped. [engine-seeded] */
#include "engine/held.h"

#include "base/arena.h"
#include "engine/ingress.h"

#include <stdlib.h>
#include <string.h>

/* ---- Messages ----------------------------------------------------------------------------- */

Hde__LogMessage *
held_pack(uint32_t port, const hde_msg *msg)
{
    Hde__LogMessage *item = xmalloc(sizeof *item);

    hde__log_message__init(item);
    item->has_port = item->has_event_ns = item->has_body = true;
    item->port = port;
    item->type = xstrdup(msg->body->descriptor->name);
    item->event_ns = msg->event_ns;
    item->body.len = protobuf_c_message_get_packed_size(msg->body);
    item->body.data = xmalloc(item->body.len + 1);
    protobuf_c_message_pack(msg->body, item->body.data);
    return item;
}

hde_msg *
held_unpack(const Hde__LogMessage *item, const hde_port *port)
{
    hde_msg *msg = NULL;

    for (size_t i = 0; item->type && port->types[i] && !msg; i++)
        if (strcmp(port->types[i]->name, item->type) == 0)
            msg = msg_unpack(msg_pool_current(), port->types[i], item->body.data, item->body.len);
    if (msg)
        msg->event_ns = item->event_ns;
    return msg;
}

/* ---- Saving ------------------------------------------------------------------------------- */

static bool
is_held(const struct edge *edge)
{
    return edge->drop && edge->out;
}

static Hde__SavedEdge *
saved_end(const struct edge *edge)
{
    Hde__SavedEdge *saved = xmalloc(sizeof *saved);

    hde__saved_edge__init(saved);
    saved->name = xstrdup(edge->name);
    saved->has_instance = true;
    saved->instance = edge->instance;
    return saved;
}

static Hde__SavedEdge *
saved_sender(const struct edge *edge)
{
    Hde__SavedEdge *saved = saved_end(edge);
    struct drop_state state;

    drop_save(edge->drop, &state);
    saved->has_newest = saved->has_handed = true;
    saved->has_watermark_ns = saved->has_given_watermark_ns = true;
    saved->newest = state.newest;
    saved->handed = state.handed;
    saved->watermark_ns = state.watermark_ns;
    saved->given_watermark_ns = state.given_wm;
    saved->messages = xcalloc(state.n + 1, sizeof *saved->messages);
    for (; saved->n_messages < state.n; saved->n_messages++)
        saved->messages[saved->n_messages] = held_pack(0, state.msg[saved->n_messages]);
    saved->ticks = state.tick;
    saved->n_ticks = state.n;
    state.tick = NULL;
    drop_state_fini(&state);
    return saved;
}

void
held_save(const struct actor *actor, Hde__SavedEdge **list, size_t *n)
{
    for (uint32_t i = 0; i < actor->n_out; i++)
        if (is_held(actor->out[i]))
            list[(*n)++] = saved_sender(actor->out[i]);
    for (uint32_t i = 0; i < actor->n_in; i++)
        if (is_held(actor->in[i])) {
            Hde__SavedEdge *saved = list[(*n)++] = saved_end(actor->in[i]);

            saved->has_in_watermark_ns = true;
            saved->in_watermark_ns = actor->in[i]->in_wm;
        }
}

/* ---- Restoring ---------------------------------------------------------------------------- */

static struct edge *
edge_called(const struct engine *engine, const char *name, uint32_t instance)
{
    const struct sequencer *sequencer = &engine->sequencer;

    for (uint32_t i = 0; name && i < sequencer->n_handovers; i++)
        if (sequencer->handovers[i]->instance == instance &&
            strcmp(sequencer->handovers[i]->name, name) == 0)
            return sequencer->handovers[i];
    return NULL;
}

static bool
load(struct edge *edge, const Hde__SavedEdge *saved, struct err *err)
{
    const hde_port *port = &edge->from->def->op->outputs[edge->from_port];
    struct drop_state state = {.newest = saved->newest,
                               .handed = saved->handed,
                               .watermark_ns = saved->watermark_ns,
                               .given_wm = saved->given_watermark_ns,
                               .msg = xcalloc(saved->n_messages + 1, sizeof *state.msg)};

    for (size_t i = 0; i < saved->n_messages; i++) {
        hde_msg *msg = held_unpack(saved->messages[i], port);

        if (!msg || i >= saved->n_ticks) {
            hde_msg_drop(msg);
            drop_state_fini(&state);
            return err_set(err, "HDE-R110", "message %zu that edge '%s' held cannot be read", i,
                           saved->name);
        }
        state.msg[state.n++] = msg;
    }
    state.tick = saved->ticks;
    drop_load(edge->drop, &state);
    free(state.msg);
    return true;
}

bool
held_restore(struct engine *engine, const Hde__SavedEdge *saved, struct err *err)
{
    struct edge *edge = edge_called(engine, saved->name, saved->instance);

    if (!edge)
        return !saved->n_messages ||
               err_set(err, "HDE-R110",
                       "edge '%s' held %zu messages, and this graph has no such edge that drops",
                       saved->name, saved->n_messages);
    if (saved->has_in_watermark_ns)
        edge->in_wm = saved->in_watermark_ns;
    return !saved->has_newest || load(edge, saved, err);
}

/* ---- The log ------------------------------------------------------------------------------ */

static void
expect(void *arg, const Hde__LogEntry *entry)
{
    const struct engine *engine = arg;
    struct edge *edge = edge_called(engine, entry->node, entry->replica);

    if (edge && (!engine->options.until || entry->tick <= engine->options.until))
        drop_expect(edge->drop, entry->tick, entry->cause, (uint32_t)entry->n_messages);
}

bool
held_read_log(struct engine *engine, struct err *err)
{
    static const Hde__LogKind kinds[] = {HDE__LOG_KIND__LOG_KIND_HANDOVER};

    if (!engine->ingress || !engine->sequencer.n_handovers)
        return true;
    return ingress_scan(engine, kinds, 1, expect, engine, err);
}
