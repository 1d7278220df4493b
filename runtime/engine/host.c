/* SPDX-License-Identifier: Apache-2.0
 * host - the functions of hde/operator.h that operators call, on top of hde_ctx. */
#include "base/arena.h"
#include "base/log.h"
#include "engine/ctx.h"
#include "engine/key.h"
#include "engine/stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define unlikely(x) __builtin_expect(!!(x), 0)

_Static_assert((int)LEVEL_DEBUG == HDE_DEBUG && (int)LEVEL_ERROR == HDE_ERROR,
               "log.h has the numbers of hde_level");

enum { SCRATCH_ALIGN = 64, SCRATCH_MIN = 4096 };

struct hde_msgvec msgvec_none;

static inline struct msg_pool *
pool_of(const hde_ctx *ctx)
{
    return ctx->pool ? ctx->pool : msg_pool_current();
}

/* ---- Keys --------------------------------------------------------------------------------- */

bool
hde_owns(const hde_ctx *ctx, const ProtobufCMessage *like, bool *unknown)
{
    const struct key key = {1, &ctx->key};

    if (unknown)
        *unknown = false;
    if (!ctx->key)
        return true;
    if (!key_is_set(&key, like)) {
        if (unknown)
            *unknown = true;
        return false;
    }
    return key_hash(&key, like) % ctx->n_replicas == ctx->replica;
}

/* ---- Messages ----------------------------------------------------------------------------- */

static inline int64_t
event_time(const hde_ctx *ctx)
{
    const hde_batch *in = ctx->in;

    if (!in)
        return ctx->event_ns;
    if (in->done < in->n && in->msg[in->done])
        return in->msg[in->done]->event_ns;
    return in->event_ns;
}

hde_msg *
hde_msg_new(hde_ctx *ctx, const ProtobufCMessageDescriptor *type)
{
    hde_msg *msg = msg_new(pool_of(ctx), type);

    msg->event_ns = event_time(ctx);
    return msg;
}

hde_msg *
hde_msg_writable(hde_ctx *ctx, hde_msg *taken)
{
    return msg_is_sole(taken) ? taken : msg_writable(pool_of(ctx), taken);
}

static void __attribute__((noreturn, cold)) no_such_output(const hde_ctx *ctx, unsigned port)
{
    fprintf(stderr, "hde: node '%s' (%s) emits on output %u, but has %u\n", ctx->node,
            ctx->op ? ctx->op->name : "?", port, ctx->outlets.n);
    abort();
}

void
hde_emit_any(hde_ctx *ctx, unsigned port, hde_msg *taken)
{
    const struct hde_outlet *outlet;

    if (unlikely(port >= ctx->outlets.n))
        no_such_output(ctx, port);
    outlet = &ctx->outlets.port[port];
    if (!outlet->n_targets) {
        hde_msg_drop(taken);
        return;
    }
    for (uint32_t i = 0; i + 1 < outlet->n_targets; i++)
        msgvec_push(outlet->targets[i], hde_msg_keep(taken));
    msgvec_push(outlet->targets[outlet->n_targets - 1], taken);
}

void
hde_forward(hde_ctx *ctx, unsigned port, const hde_msg *msg)
{
    if (port < ctx->outlets.n && !ctx->outlets.port[port].n_targets)
        return; /* nobody listens: no need to count up and down */
    hde_emit(ctx, port, hde_msg_keep(msg));
}

hde_status
hde_each(hde_ctx *ctx, void *state, hde_batch *batch)
{
    for (; batch->done < batch->n; batch->done++) {
        hde_msg *msg = ctx->op->each(ctx, state, hde_take(batch, batch->done));

        if (msg)
            hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

/* ---- Scratch ------------------------------------------------------------------------------ */

static struct scratch_block *
scratch_block_new(size_t size)
{
    struct scratch_block *block = aligned_alloc(SCRATCH_ALIGN, sizeof *block + size);

    if (!block)
        hde_no_memory();
    block->next = NULL;
    block->size = size;
    return block;
}

void *
hde_scratch(hde_ctx *ctx, size_t size)
{
    struct scratch_block *block = ctx->scratch;
    size_t at = ctx->scratch_used;

    if (size > SIZE_MAX / 2) {
        fprintf(stderr, "hde: node '%s' asks for %zu bytes of scratch\n", ctx->node, size);
        abort();
    }
    size = (size + SCRATCH_ALIGN - 1) & ~(size_t)(SCRATCH_ALIGN - 1);
    if (!size)
        size = SCRATCH_ALIGN;
    if (unlikely(!block || block->size - at < size)) {
        size_t room = block ? 2 * block->size : SCRATCH_MIN;

        block = scratch_block_new(size > room ? size : room);
        block->next = ctx->scratch;
        ctx->scratch = block;
        at = 0;
    }
    ctx->scratch_used = at + size;
    return (char *)(block + 1) + at;
}

void
ctx_scratch_rewind(hde_ctx *ctx)
{
    ctx->scratch_used = 0;
    /* The newest block is more than all others together; from now on it is enough. */
    while (ctx->scratch && ctx->scratch->next) {
        struct scratch_block *old = ctx->scratch->next;

        ctx->scratch->next = old->next;
        free(old);
    }
}

void
ctx_scratch_fini(hde_ctx *ctx)
{
    ctx_scratch_rewind(ctx);
    free(ctx->scratch);
    ctx->scratch = NULL;
}

/* ---- Time, names, counters ---------------------------------------------------------------- */

int64_t
hde_now_ns(const hde_ctx *ctx)
{
    return ctx->now_ns;
}

int64_t
hde_watermark_ns(const hde_ctx *ctx)
{
    return ctx->watermark_ns;
}

const char *
hde_graph_name(const hde_ctx *ctx)
{
    return ctx->graph ? ctx->graph : "";
}

const char *
hde_graph_common_name(const hde_ctx *ctx)
{
    return ctx->common;
}

const hde_port *
hde_inputs(const hde_ctx *ctx)
{
    return ctx->op->inputs;
}

const hde_port *
hde_outputs(const hde_ctx *ctx)
{
    return ctx->op->outputs;
}

bool
hde_recovers(const hde_ctx *ctx)
{
    return ctx->recovers;
}

bool
hde_is_again(const hde_ctx *ctx, uint64_t tick)
{
    return ctx->host->is_again && ctx->host->is_again(ctx, tick);
}

const char *
hde_node_name(const hde_ctx *ctx)
{
    return ctx->node;
}

void
hde_timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns)
{
    if (ctx->host->timer_at)
        ctx->host->timer_at(ctx, id, event_ns);
}

void
hde_timer_after(hde_ctx *ctx, uint32_t id, int64_t delay_ns)
{
    if (ctx->host->timer_after)
        ctx->host->timer_after(ctx, id, delay_ns);
}

/* In the counters its name is NAME{LABELS}: by the brace it is known. */
hde_counter *
hde_gauge_open(hde_ctx *ctx, const char *name, const char *labels, const char *help)
{
    char full[STATS_COUNTER_NAME];

    snprintf(full, sizeof full, "%s{%s}", name, labels ? labels : "");
    return hde_counter_open(ctx, full, help);
}

void
hde_gauge_set(hde_counter *gauge, uint64_t value)
{
    hde_count(gauge, value - atomic_load_explicit(gauge->value, memory_order_relaxed));
}

hde_counter *
hde_counter_open(hde_ctx *ctx, const char *name, const char *help)
{
    static _Atomic uint64_t nowhere;
    static hde_counter nobodys = {"", "", &nowhere};

    return ctx->host->counter_open ? ctx->host->counter_open(ctx, name, help) : &nobodys;
}

void
hde_count(hde_counter *counter, uint64_t n)
{
    /* The instance is the only writer; readers want each value on its own. */
    uint64_t value = atomic_load_explicit(counter->value, memory_order_relaxed);

    atomic_store_explicit(counter->value, value + n, memory_order_relaxed);
}

/* ---- The outside world -------------------------------------------------------------------- */

bool
hde_watch(hde_ctx *ctx, int fd, uint32_t events, uint32_t tag)
{
    return ctx->host->watch && ctx->host->watch(ctx, fd, events, tag);
}

bool
hde_post(hde_ctx *ctx, uint32_t tag, void *data)
{
    return ctx->host->post && ctx->host->post(ctx, tag, data);
}

void
hde_position(hde_ctx *ctx, uint32_t partition, const void *bytes, size_t size)
{
    if (ctx->host->position)
        ctx->host->position(ctx, partition, bytes, size);
}

void
hde_source_watermark(hde_ctx *ctx, int64_t event_ns)
{
    if (ctx->host->source_watermark)
        ctx->host->source_watermark(ctx, event_ns);
}

uint64_t
hde_question(hde_ctx *ctx, const hde_batch *batch, uint32_t i)
{
    return ctx->host->question ? ctx->host->question(ctx, batch, i) : 0;
}

bool
hde_answer(hde_ctx *ctx, uint64_t question)
{
    return ctx->host->answer && ctx->host->answer(ctx, question);
}

/* ---- What went wrong ---------------------------------------------------------------------- */

static bool
is_written(const hde_ctx *ctx, hde_level level)
{
    return (int)level >= atomic_load_explicit(&ctx->log_level, memory_order_relaxed);
}

static void __attribute__((format(printf, 4, 0)))
write_line(const hde_ctx *ctx, hde_level level, const char *event, const char *fmt, va_list args)
{
    if (ctx->host && ctx->host->log)
        ctx->host->log(ctx, level, event, fmt, args);
    else
        log_linev((enum level)level, ctx->graph, ctx->node, event, fmt, args);
}

static void HDE_PRINTF(4)
write_text(const hde_ctx *ctx, hde_level level, const char *event, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_line(ctx, level, event, fmt, args);
    va_end(args);
}

void
hde_log(hde_ctx *ctx, hde_level level, const char *event, const char *fmt, ...)
{
    va_list args;

    if (!is_written(ctx, level))
        return;
    va_start(args, fmt);
    write_line(ctx, level, event, fmt, args);
    va_end(args);
}

/* Keeps "event: text" for status, dead letters and tests, and writes the line. */
static void __attribute__((format(printf, 4, 0)))
say(hde_ctx *ctx, hde_level level, const char *event, const char *fmt, va_list args)
{
    struct said *said = ctx->said;
    int n = snprintf(said->text, sizeof said->text, "%s: ", event);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof said->text ? (size_t)n : sizeof said->text - 1;

    snprintf(said->event, sizeof said->event, "%s", event);
    vsnprintf(said->text + at, sizeof said->text - at, fmt, args);
    log_redact(said->text);
    if (is_written(ctx, level))
        write_text(ctx, level, event, "%s", said->text + at);
}

hde_status
hde_reject(hde_ctx *ctx, const char *event, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(ctx, HDE_WARN, event, fmt, args);
    va_end(args);
    ctx->n_rejects++;
    return HDE_REJECT;
}

hde_status
hde_retry(hde_ctx *ctx, const char *event, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(ctx, HDE_WARN, event, fmt, args);
    va_end(args);
    ctx->n_retries++;
    return HDE_RETRY;
}

hde_status
hde_fail(hde_ctx *ctx, const char *event, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(ctx, HDE_ERROR, event, fmt, args);
    va_end(args);
    ctx->n_fails++;
    return HDE_FAIL;
}

void
hde_stands(hde_ctx *ctx, hde_standing standing, const char *fmt, ...)
{
    char text[sizeof ctx->said->text] = "";
    va_list args;

    if (!ctx->host->stands)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    log_redact(text);
    ctx->host->stands(ctx, standing, standing == HDE_WELL ? "" : text);
}

/* ---- Observe ------------------------------------------------------------------------------ */

void
hde_metrics(const hde_ctx *ctx, hde_text *out)
{
    if (ctx->host->metrics)
        ctx->host->metrics(ctx, out);
}

void
hde_get_health(const hde_ctx *ctx, hde_health *out)
{
    hde_health health = {.size = sizeof health, .live = true, .ready = true};
    uint32_t size = out->size;

    /* A view built against an older header has a shorter struct, a newer one a longer. */
    if (ctx->host->health)
        ctx->host->health(ctx, &health);
    if (size > sizeof health) {
        memset((char *)out + sizeof health, 0, size - sizeof health);
        size = sizeof health;
    }
    memcpy(out, &health, size);
    out->size = size;
}

const char *
hde_version(void)
{
    return HDE_VERSION;
}
