/* SPDX-License-Identifier: Apache-2.0
 * probe - a node with a probe emits into arrays of the probe's; when its part of a tick is over the
 * messages are packed, hashed or shown, and moved on in the same order.
 *
 *  (1) Without probes nothing is looked at: a node is asked for its probe on the slow path alone,
 *      and probes count as a tap that is open, which leads there.
 *  (2) What goes on is what would have gone on: same messages, same order, same tick.
 *      [test_a_hashed_run_and_its_replay_are_equal] */
#include "engine/probe.h"

#include "base/hash64.h"

#include <stdlib.h>
#include <string.h>

bool
probe_fits(const struct node *node)
{
    return node->ctx.outlets.n && !node->source && !node->is_impure &&
           !(node->def->op->flags & HDE_VIEW);
}

static struct probe *
probe_new(uint32_t n)
{
    struct probe *self = xcalloc(1, sizeof *self);
    struct capture *out = &self->out;

    self->port = xcalloc(n, sizeof *self->port);
    out->n = n;
    out->port = xcalloc(n, sizeof *out->port);
    out->outlets = xcalloc(n, sizeof *out->outlets);
    out->targets = xcalloc(n, sizeof *out->targets);
    for (uint32_t i = 0; i < n; i++) {
        out->targets[i] = &out->port[i];
        outlet_set(&out->outlets[i], 1, &out->targets[i]);
    }
    return self;
}

static void
probe_free(struct probe *self)
{
    for (uint32_t i = 0; i < self->out.n; i++) {
        msgvec_drop_all(&self->out.port[i]);
        msgvec_fini(&self->out.port[i]);
    }
    free(self->out.port);
    free(self->out.outlets);
    free(self->out.targets);
    free(self->port);
    free(self->bytes);
    free(self);
}

void
probe_open(struct node *node)
{
    if (!probe_fits(node))
        return;
    node->probe = probe_new(node->ctx.outlets.n);
    node->ctx.outlets.port = node->probe->out.outlets;
}

void
probe_close(struct node *node)
{
    if (node->probe)
        probe_free(node->probe);
    node->probe = NULL;
}

void
probes_open(struct engine *engine)
{
    engine->has_probes = true;
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        probe_open(engine->nodes[i]);
    atomic_fetch_add(&engine->taps, 1);
}

static size_t
pack(struct probe *self, const hde_msg *msg)
{
    size_t size = protobuf_c_message_get_packed_size(msg->body);

    if (self->cap < size) {
        self->cap = 2 * size;
        self->bytes = xrealloc(self->bytes, self->cap);
    }
    return size ? protobuf_c_message_pack(msg->body, self->bytes) : 0;
}

/* Of a part: as if all instances of the whole graph were numbered. */
static uint32_t
id_of(const struct node *node)
{
    const struct graph *graph = node->engine->graph;
    uint32_t id = node->replica;

    if (!graph->whole)
        return node->order;
    for (size_t i = 0; i < graph->whole_node[node->graph_node]; i++)
        id += instances_of(&graph->whole->nodes[i]);
    return id;
}

static void
look(struct node *node, uint32_t port, const hde_msg *msg)
{
    struct probe *self = node->probe;
    struct digest *digest = &self->port[port];
    const struct engine_trace *trace = &node->engine->options.trace;
    const uint64_t tick = node->actor->tick;
    const uint64_t head[] = {digest->hash, tick, (uint64_t)msg->event_ns};
    size_t size = pack(self, msg);

    digest->hash = hash64(hash64(0, head, sizeof head), self->bytes, size);
    digest->messages++;
    if (trace->emitted && tick >= trace->from && tick <= trace->to)
        trace->emitted(trace->arg,
                       &(struct engine_emitted){node->def->name, id_of(node), node->replica, port,
                                                tick, msg->event_ns, msg->body->descriptor,
                                                self->bytes, size});
}

void
probe_pass(struct node *node)
{
    struct capture *out = &node->probe->out;

    for (uint32_t p = 0; p < out->n; p++) {
        if (!out->port[p].n)
            continue;
        for (uint32_t i = 0; i < out->port[p].n; i++)
            look(node, p, out->port[p].item[i]);
        node_dispatch(node, p, &out->port[p]);
    }
}
