/* SPDX-License-Identifier: Apache-2.0
 * ends - see ends.h.
 *
 *  (1) A frame is what one tick puts on the edge, or a watermark alone when the sender has nothing
 *      else to do: the receiver's time goes on while the edge is quiet. The end of the data is the
 *      watermark WM_END.
 *  (2) A frame becomes one entry of the receiver, and its tick the position of that entry.
 *  (3) The sender's barrier waits until the journal is durable: the saved state speaks of it.
 *  (4) A receiver that is drained has taken all that its sender's part will put; one whose sender
 *      is on another host waits for nothing, since that one keeps what was not taken.
 *  (5) The barrier of a savepoint over several parts puts a marker behind what it has put.
 *  (6) The worker of a receiver whose sender is on another host fetches what comes while it sleeps
 *      (net/help.c), whatever its nodes do. */
#include "link/ends.h"

#include "engine/ingress.h"
#include "engine/savepoint.h"

#include <sys/epoll.h>

struct end {
    struct link *link;
    bool is_far;              /* the receiver's: its sender is on another host */
    bool is_watched;          /* the receiver's: its worker is woken by what comes from there */
    struct upstream upstream; /* the receiver's */
};

static struct node *
node_of(const hde_ctx *ctx)
{
    return ctx->owner;
}

static void
ring(void *arg)
{
    hde_post(arg, 0, NULL);
}

static void
fail(const hde_ctx *ctx, const struct err *err)
{
    engine_fail(node_of(ctx)->engine, err->code, err->text);
}

/* ---- link/out ----------------------------------------------------------------------------- */

static hde_status
put(hde_ctx *ctx, struct link *link, uint64_t tick, hde_msg *const *msg, uint32_t n)
{
    const struct hde_msgvec vec = {(hde_msg **)(uintptr_t)msg, n, n};
    struct engine *engine = node_of(ctx)->engine;
    struct record record = {.tick = tick,
                            .now_ns = ctx->now_ns,
                            .watermark_ns = ctx->watermark_ns,
                            .put_ns = node_of(ctx)->actor->worker->mono_ns,
                            .n = n,
                            .lines = msgvec_lines(&vec)};
    struct err err = {0};

    switch (link_put(link, &record, msg, engine->ingress && ingress_is_new(engine, tick), &err)) {
    case LINK_PUT:
        return HDE_OK;
    case LINK_FULL:
        break;
    case LINK_BROKEN:
        fail(ctx, &err);
    }
    return HDE_RETRY;
}

static hde_status
out_open(hde_ctx *ctx, void *state)
{
    struct end *self = state;

    link_listen(self->link, LINK_SENDER, &(struct link_bell){ring, ctx});
    return HDE_OK;
}

static void
out_close(hde_ctx *ctx, void *state)
{
    link_listen(((struct end *)state)->link, LINK_SENDER, NULL);
}

static hde_status
out_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    hde_status status = put(ctx, ((struct end *)state)->link, batch->tick, batch->msg, batch->n);

    if (status == HDE_OK)
        batch->done = batch->n;
    return status;
}

/* The input has run empty, at a barrier, or at the end. */
static hde_status
out_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct end *self = state;
    hde_status status = HDE_OK;

    if (ctx->watermark_ns > link_watermark_ns(self->link))
        status = put(ctx, self->link, tick, NULL, 0);
    if (status == HDE_OK && node_of(ctx)->actor->is_barrier && !link_is_durable(self->link))
        return HDE_RETRY;
    return status;
}

static hde_status
out_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = link_mark(((struct end *)state)->link);
    return HDE_OK;
}

/* There is room: the call that waits is made now. */
static hde_status
out_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    node_of(ctx)->actor->resume_ns = 0;
    return HDE_OK;
}

static void
put_marker(void *link, uint32_t number)
{
    link_put_marker(link, number);
}

/* At a barrier. */
static hde_status
out_save(hde_ctx *ctx, const void *state, hde_msg *out)
{
    const struct node *node = node_of(ctx);

    savepoint_mark(node->engine, node->actor->tick, put_marker, ((const struct end *)state)->link);
    link_save(((const struct end *)state)->link, out);
    return HDE_OK;
}

static hde_status
out_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema)
{
    struct err err = {0};

    if (link_load(((struct end *)state)->link, (const Hde__LinkState *)saved, &err))
        return HDE_OK;
    return hde_fail(ctx, "link.state", "%s", err.text);
}

/* ---- link/in ------------------------------------------------------------------------------ */

static struct end *
end_of(struct upstream *upstream)
{
    return (struct end *)(void *)((char *)upstream - offsetof(struct end, upstream));
}

static bool
may_give(struct upstream *upstream)
{
    const struct end *self = end_of(upstream);

    return !self->is_far && link_may_give(self->link);
}

static void
covered(struct upstream *upstream, const uint8_t *at, size_t size)
{
    link_cover(end_of(upstream)->link, link_tick(at, size));
}

static bool
is_at_marker(struct upstream *upstream)
{
    return link_is_at_marker(end_of(upstream)->link);
}

static void
pass_marker(struct upstream *upstream)
{
    link_drop_marker(end_of(upstream)->link);
}

static void
ask_epoch(void *engine)
{
    engine_ask_epoch(engine);
}

static hde_status
in_open(hde_ctx *ctx, void *state)
{
    struct end *self = state;
    struct node *node = node_of(ctx);

    self->upstream = (struct upstream){may_give, covered, is_at_marker, pass_marker};
    node->source->upstream = &self->upstream;
    link_listen(self->link, LINK_RECEIVER, &(struct link_bell){ring, ctx});
    if (node->engine->options.checkpoint)
        link_ask_with(self->link, ask_epoch, node->engine);
    return HDE_OK;
}

static void
in_close(hde_ctx *ctx, void *state)
{
    link_listen(((struct end *)state)->link, LINK_RECEIVER, NULL);
}

static bool
fetch(void *link)
{
    return link_fetch(link);
}

static bool
hold(void *link)
{
    return link_hold(link);
}

static void
release(void *link)
{
    link_release(link);
}

static const struct server far_end = {fetch, hold, release};

static const void *
watch(void *of, int fd)
{
    hde_ctx *ctx = of;
    struct node *node = node_of(ctx);
    bool ok = worker_serve(node, fd, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE, &far_end,
                           ((struct end *)ctx->state)->link);

    return ok ? node->worker : NULL;
}

static hde_status
in_seek(hde_ctx *ctx, void *state, uint32_t partition, const void *bytes, size_t size)
{
    struct err err = {0};

    if (link_seek(((struct end *)state)->link, link_tick(bytes, size), &err))
        return HDE_OK;
    fail(ctx, &err);
    return HDE_FAIL;
}

static hde_status
enter(hde_ctx *ctx, const struct record *record, struct hde_msgvec *vec)
{
    uint8_t at[8];

    for (size_t i = 0; i < sizeof at; i++)
        at[i] = (uint8_t)(record->tick >> 8 * i);
    for (uint32_t i = 0; i < vec->n; i++)
        hde_emit(ctx, 0, vec->item[i]);
    vec->n = 0;
    msgvec_fini(vec);
    hde_position(ctx, 0, at, sizeof at);
    hde_source_watermark(ctx, record->watermark_ns);
    return record->watermark_ns == WM_END ? HDE_END : HDE_OK;
}

static hde_status
in_poll(hde_ctx *ctx, void *state)
{
    struct end *self = state;
    struct record record;
    struct hde_msgvec vec = {0};
    struct err err = {0};

    if (self->is_far && !self->is_watched) { /* (6): there is no net yet in open() */
        self->is_watched = true;
        link_watch(self->link, watch, ctx);
    }
    switch (link_take(self->link, &record, &vec, &err)) {
    case LINK_FRAME:
        return enter(ctx, &record, &vec);
    case LINK_EMPTY:
    case LINK_MARKER:
    case LINK_OVER:
        break;
    case LINK_DAMAGED:
        fail(ctx, &err);
    }
    msgvec_drop_all(&vec);
    msgvec_fini(&vec);
    return HDE_IDLE;
}

static hde_status
in_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    return HDE_OK; /* and is polled */
}

/* ---- The operators ------------------------------------------------------------------------ */

/* Ports have the types of the edge, so each link has operators of its own. */
static const hde_port *
make_ports(struct arena *arena, const char *name, const ProtobufCMessageDescriptor *const *types)
{
    hde_port *ports = arena_alloc(arena, 2 * sizeof *ports);

    ports[0] = (hde_port){.name = name, .types = types};
    return ports;
}

static const hde_operator op_out = {.size = sizeof(hde_operator),
                                    .flags = OP_LINK_END,
                                    .name = "link/out",
                                    .summary = "the sending end of a link",
                                    .state_size = sizeof(struct end),
                                    .open = out_open,
                                    .batch = out_batch,
                                    .event = out_event,
                                    .close = out_close,
                                    .flush = out_flush,
                                    .mark = out_mark,
                                    .state_type = &hde__link_state__descriptor,
                                    .state_schema = 1,
                                    .save = out_save,
                                    .load = out_load};
static const hde_operator op_in = {.size = sizeof(hde_operator),
                                   .flags = OP_LINK_END,
                                   .name = "link/in",
                                   .summary = "the receiving end of a link",
                                   .state_size = sizeof(struct end),
                                   .open = in_open,
                                   .event = in_event,
                                   .close = in_close,
                                   .poll = in_poll,
                                   .seek = in_seek};

static void
make_end(struct arena *arena, struct graph_node *node, const hde_operator *op,
         const hde_port *inputs, const hde_port *outputs, struct link *link)
{
    hde_operator *own = arena_alloc(arena, sizeof *own);
    struct end *state = arena_alloc(arena, sizeof *state);

    *own = *op;
    own->inputs = inputs;
    own->outputs = outputs;
    state->link = link;
    node->op = own;
    node->params = state;
}

void
link_ends_make(struct arena *arena, struct link *link,
               const ProtobufCMessageDescriptor *const *types, struct graph_node *sender,
               struct graph_node *receiver)
{
    if (sender)
        make_end(arena, sender, &op_out, make_ports(arena, "in", types), NULL, link);
    if (receiver)
        make_end(arena, receiver, &op_in, NULL, make_ports(arena, "out", types), link);
    if (receiver && !sender)
        ((struct end *)(uintptr_t)receiver->params)->is_far = true;
}

/* ---- A spare host ------------------------------------------------------------------------- */

static hde_status
spare_poll(hde_ctx *ctx, void *state)
{
    return HDE_IDLE;
}

void
link_spare_make(struct graph_cut *cut)
{
    static const hde_operator op = {.size = sizeof(hde_operator),
                                    .flags = OP_LINK_END,
                                    .name = "link/spare",
                                    .summary = "what a host runs on which no node lies",
                                    .poll = spare_poll};

    if (cut->spare)
        cut->spare->op = &op;
}

/* ---- Of a whole cut ----------------------------------------------------------------------- */

void
link_ends_name(const struct graph *graph, struct graph_cut *cut)
{
    for (size_t i = 0; i < cut->n_links; i++) {
        const struct graph_edge *edge = &graph->edges[cut->links[i].edge];

        link_ends_make(&cut->arena, NULL,
                       graph->nodes[edge->from].op->outputs[edge->from_port].types,
                       cut->links[i].sender, cut->links[i].receiver);
    }
    link_spare_make(cut);
}

/* Least byte first. */
uint64_t
link_tick(const uint8_t *at, size_t size)
{
    uint64_t tick = 0;

    for (size_t i = 0; i < 8 && i < size; i++)
        tick |= (uint64_t)at[i] << 8 * i;
    return tick;
}

bool
link_is_sender(const char *op)
{
    return strcmp(op, op_out.name) == 0;
}
