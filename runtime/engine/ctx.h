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

/* Where an output port sends: every target gets every message. A target is the input buffer of a
 * fused node, the pending batch of an edge, or the harness's queue. */
struct outlet {
    uint32_t n_targets;
    struct msgvec **targets;
};

struct host {
    void (*timer_at)(hde_ctx *ctx, uint32_t id, int64_t event_ns);
    void (*timer_after)(hde_ctx *ctx, uint32_t id, int64_t delay_ns);
    bool (*watch)(hde_ctx *ctx, int fd, uint32_t events, uint32_t tag);
    bool (*post)(hde_ctx *ctx, uint32_t tag, void *data); /* any thread */
    void (*position)(hde_ctx *ctx, uint32_t partition, const void *bytes, size_t size);
    void (*source_watermark)(hde_ctx *ctx, int64_t event_ns);
    hde_counter *(*counter_open)(hde_ctx *ctx, const char *name, const char *help);
    void (*metrics)(const hde_ctx *ctx, hde_text *out);
    void (*health)(const hde_ctx *ctx, hde_health *out);
};

struct scratch_block;

struct hde_ctx {
    const struct host *host;
    void *owner; /* the host's */
    const hde_operator *op;
    const char *node; /* name of the node */
    const char *graph;
    void *state;
    int64_t now_ns;       /* processing time of the current entry */
    int64_t watermark_ns; /* INT64_MIN before the first */
    int64_t event_ns;     /* event time that new messages inherit */
    uint32_t n_outlets;
    struct outlet *outlets;
    struct msg_pool *pool; /* of the thread that runs this instance; NULL: look it up */
    struct scratch_block *scratch;
    size_t scratch_used;
    struct err said; /* code "" ; text "event: text" of the last reject, retry or fail */
    char said_event[64];
    int log_level; /* hde_level: smaller ones are not written */
    uint64_t n_rejects, n_retries, n_fails;
};

struct hde_counter {
    const char *name, *help;
    _Atomic uint64_t *value; /* in the stats segment, or the harness's memory */
};

void ctx_scratch_reset(hde_ctx *ctx); /* after every callback */
void ctx_scratch_fini(hde_ctx *ctx);

#endif
