/* SPDX-License-Identifier: Apache-2.0
 * ctx - the inside of hde_ctx: one running instance of a node, whoever hosts it.
 *
 * The engine and the test harness are both hosts. The hot calls (emit, now, scratch, new message)
 * work on the fields here; the cold ones go through the host's table. One thread at a time. */
#ifndef ENGINE_CTX_H
#define ENGINE_CTX_H

#include "base/err.h"
#include "engine/msg.h"

#include <hde/observe.h>
#include <stdarg.h>

extern struct hde_msgvec msgvec_none; /* empty, and stays so */

/* Where an output port sends: every target gets every message. A target is the input buffer of a
 * fused node, the pending batch of an edge, or the harness's queue. */
static inline void
outlet_set(struct hde_outlet *outlet, uint32_t n, struct hde_msgvec **targets)
{
    *outlet = (struct hde_outlet){n == 1 ? targets[0] : &msgvec_none, n, targets};
}

/* What is NULL does nothing: counters lead nowhere, all is well. */
struct host {
    void (*timer_at)(hde_ctx *ctx, uint32_t id, int64_t event_ns);
    void (*timer_after)(hde_ctx *ctx, uint32_t id, int64_t delay_ns);
    bool (*watch)(hde_ctx *ctx, int fd, uint32_t events, uint32_t tag);
    bool (*post)(hde_ctx *ctx, uint32_t tag, void *data); /* any thread */
    void (*position)(hde_ctx *ctx, uint32_t partition, const void *bytes, size_t size);
    void (*source_watermark)(hde_ctx *ctx, int64_t event_ns);
    uint64_t (*question)(hde_ctx *ctx, const hde_batch *batch, uint32_t i);
    bool (*answer)(hde_ctx *ctx, uint64_t question);
    hde_counter *(*counter_open)(hde_ctx *ctx, const char *name, const char *help);
    void (*stands)(hde_ctx *ctx, hde_standing standing, const char *text);
    bool (*is_again)(const hde_ctx *ctx, uint64_t tick);
    void (*metrics)(const hde_ctx *ctx, hde_text *out);
    void (*health)(const hde_ctx *ctx, hde_health *out);
    /* NULL: to the log of this process */
    void (*log)(const hde_ctx *ctx, hde_level level, const char *event, const char *fmt,
                va_list args) __attribute__((format(printf, 4, 0)));
};

struct scratch_block {
    _Alignas(64) struct scratch_block *next;
    size_t size; /* of the memory behind this header */
};

/* The last reject, retry or fail. */
struct said {
    char event[64];
    char text[512]; /* "event: text" */
};

struct hde_ctx {
    /* a line that every call reads, and all that each() needs */
    struct hde_outlets outlets; /* first: hde_emit() reads them */
    hde_status (*batch)(hde_ctx *ctx, void *state, hde_batch *batch); /* op->batch */
    const hde_operator *op;
    void *state;
    int64_t now_ns;   /* processing time of the current entry */
    int64_t event_ns; /* event time that new messages inherit outside of batch() */
    size_t scratch_used;

    const hde_batch *in;  /* during batch(): see ctx_batch() */
    int64_t watermark_ns; /* INT64_MIN before the first */
    struct msg_pool *pool; /* of the thread that runs this instance; NULL: look it up */
    struct scratch_block *scratch;
    const struct host *host;
    void *owner; /* the host's */
    const char *node; /* name of the node */
    const char *graph;
    const char *common; /* hde_graph_common_name() */
    const char *key; /* of a node with replicas; NULL: it has none */
    uint32_t replica, n_replicas;
    bool recovers; /* the graph keeps checkpoints */
    struct said *said;
    _Atomic int log_level; /* hde_level: smaller ones are not written. Any thread may set it */
    uint64_t n_rejects, n_retries, n_fails;
};

struct hde_counter {
    const char *name, *help;
    _Atomic uint64_t *value; /* in the stats segment, or the harness's memory */
};

/* Calls batch() with everything around it that a host owes: event times, scratch. The messages are
 * lent; slots that were taken are NULL afterwards, batch->done tells how far it came. */
static inline hde_status ctx_batch(hde_ctx *ctx, hde_batch *in);

void ctx_scratch_rewind(hde_ctx *ctx);
static inline void
ctx_scratch_reset(hde_ctx *ctx) /* after every callback */
{
    if (__builtin_expect(ctx->scratch_used != 0, 0))
        ctx_scratch_rewind(ctx);
}
void ctx_scratch_fini(hde_ctx *ctx);

static inline hde_status
ctx_batch(hde_ctx *ctx, hde_batch *in)
{
    hde_status status;

    in->event_ns = ctx->event_ns;
    ctx->in = in;
    status = ctx->batch(ctx, ctx->state, in);
    ctx->in = NULL;
    ctx_scratch_reset(ctx);
    return status;
}

#endif
