/* SPDX-License-Identifier: Apache-2.0
 * host_engine - what operators may ask of the engine: the table behind hde_ctx. */
#include "engine/ingress.h"
#include "engine/parts.h"
#include "engine/question.h"
#include "engine/retain.h"
#include "engine/run.h"

#include <stdio.h>
#include <string.h>

static struct node *
node_of(const hde_ctx *ctx)
{
    return ctx->owner;
}

static struct worker *
worker_of(const struct node *node)
{
    return node->worker;
}

static void
timer_at(hde_ctx *ctx, uint32_t id, int64_t event_ns)
{
    struct node *node = node_of(ctx);

    if (!node->is_ending)
        timers_set(&node->event_timers, id, event_ns);
    node->seen_wm = WM_UNSEEN; /* it may be due already */
}

static void
refuse_alarm(struct node *node)
{
    char text[2 * STATS_NAME + 128];

    snprintf(text, sizeof text,
             "node '%s': %s uses hde_timer_after() but has outputs and not the flag "
             "HDE_PROCESSING_TIMERS",
             node->def->name, node->def->op->name);
    engine_fail(node->engine, "HDE-R011", text);
}

/* A source keeps its own time; for everybody else the timer is an entry (O9). */
static void
timer_after(hde_ctx *ctx, uint32_t id, int64_t delay_ns)
{
    struct node *node = node_of(ctx);
    struct engine *engine = node->engine;
    int64_t at_ns = delay_ns < 0 ? INT64_MAX : ctx->now_ns + delay_ns;

    if (!node->source && !node->may_alarm) {
        refuse_alarm(node);
        return;
    }
    if (retain_is_feeding(node) && node->is_ending)
        return;
    timers_set(&node->clock_timers, id, at_ns);
    if (retain_is_feeding(node))
        return;
    if (node->source || delay_ns < 0 || !node->actor) /* not wired: engine_set_alarms() will */
        return;
    if (node->actor->worker == engine->first)
        sequencer_alarm(&engine->sequencer, node, id, at_ns);
    else
        worker_post(engine->first,
                    &(struct post){.node = node, .kind = POST_ALARM, .tag = id, .at_ns = at_ns});
}

static bool
watch(hde_ctx *ctx, int fd, uint32_t events, uint32_t tag)
{
    struct node *node = node_of(ctx);

    return worker_watch(worker_of(node), node, fd, events, tag);
}

static bool
post(hde_ctx *ctx, uint32_t tag, void *data)
{
    struct node *node = node_of(ctx);

    return node_post(&(struct post){.node = node, .kind = POST_EVENT, .tag = tag, .data = data});
}

static void
position(hde_ctx *ctx, uint32_t partition, const void *bytes, size_t size)
{
    struct node *node = node_of(ctx);

    if (node->source && ctx->op->seek)
        positions_set(&node->source->stands, partition, bytes, size);
}

static void
source_watermark(hde_ctx *ctx, int64_t event_ns)
{
    struct source *source = node_of(ctx)->source;

    if (!source || event_ns >= WM_IDLE)
        return;
    source->has_own_wm = true;
    if (event_ns > source->watermark_ns)
        source->watermark_ns = event_ns;
}

static uint64_t
question(hde_ctx *ctx, const hde_batch *batch, uint32_t i)
{
    const struct node *node = node_of(ctx);

    return node->asked == ASKED_EACH ? question_number(node, batch->port, i) : 0;
}

static bool
answer(hde_ctx *ctx, uint64_t number)
{
    struct node *node = node_of(ctx);
    uint64_t tick;

    if (node->asked == ASKED_EACH && question_take(node, number, &tick)) {
        exec_answer(node, tick, number);
        return true;
    }
    for (uint32_t i = 0; i < node->capture.n; i++)
        msgvec_drop_all(&node->capture.port[i]);
    return false;
}

static hde_counter *
counter_open(hde_ctx *ctx, const char *name, const char *help)
{
    struct node *node = node_of(ctx);
    hde_counter *found = NULL;

    /* a reload opens the next instance on another thread while this one runs */
    pthread_mutex_lock(&node->engine->lock);
    for (unsigned i = 0; i < STATS_COUNTERS && !found; i++) {
        struct stats_counter *slot = stats_counters_at(node->engine->stats, node->id) + i;

        if (!STAT_GET(slot->in_use)) {
            snprintf(slot->name, sizeof slot->name, "%s", name);
            snprintf(slot->help, sizeof slot->help, "%s", help ? help : "");
            /* release: readers see the name with the mark */
            atomic_store_explicit(&slot->in_use, 1, memory_order_release);
            node->counters[i] = (hde_counter){slot->name, slot->help, &slot->value};
        }
        if (!strcmp(slot->name, name))
            found = &node->counters[i];
    }
    pthread_mutex_unlock(&node->engine->lock);
    if (found)
        return found;
    hde_log(ctx, HDE_WARN, "engine.counters", "no room for counter '%s': at most %d a node", name,
            STATS_COUNTERS);
    node->spare_counter = (hde_counter){name, help, &node->spare_value};
    return &node->spare_counter;
}

static void
stands(hde_ctx *ctx, hde_standing standing, const char *text)
{
    stats_set_standing(node_of(ctx)->stats, standing, text, clock_mono_ns());
}

static bool
is_again(const hde_ctx *ctx, uint64_t tick)
{
    const struct engine *engine = node_of(ctx)->engine;

    return engine->ingress && !ingress_is_new(engine, tick);
}

static void
metrics(const hde_ctx *ctx, hde_text *out)
{
    const struct engine *engine = node_of(ctx)->engine;

    if (engine->options.parts) { /* which do not change */
        parts_prometheus(engine->options.parts, out);
        return;
    }
    engine_look(engine);
    stats_prometheus(engine->stats, out);
    engine_looked(engine);
}

static void
health(const hde_ctx *ctx, hde_health *out)
{
    const struct engine *engine = node_of(ctx)->engine;

    if (engine->options.parts) {
        parts_health(engine->options.parts, out);
        return;
    }
    engine_look(engine);
    engine_health(engine, out);
    engine_looked(engine);
}

const struct host engine_host = {
    .timer_at = timer_at,
    .timer_after = timer_after,
    .watch = watch,
    .post = post,
    .position = position,
    .source_watermark = source_watermark,
    .question = question,
    .answer = answer,
    .counter_open = counter_open,
    .stands = stands,
    .is_again = is_again,
    .metrics = metrics,
    .health = health,
};
