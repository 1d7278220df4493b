/* SPDX-License-Identifier: Apache-2.0
 * watch - the watchdog: says why a graph does not move.
 *
 * An actor that has stood still for stall_ns is named with the chain of edges and nodes that it
 * waits for, down to the one that is at work, retries or hangs, or to the disk of the log. The
 * thread wakes a few times per stall_ns; it only reads what the workers publish and never stops
 * anything. */
#include "engine/run.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOKS = 2, CHAIN_MAX = 64 }; /* looks per stall_ns */

struct call { /* what a worker was doing when it was looked at last */
    uint64_t calls;
    uint32_t slot;
    int64_t since_ns;
};

struct watchdog {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    struct call *calls;   /* per worker */
    int64_t *reported_ns; /* per actor: stuck_since_ns of the last report */
};

/* ---- The chain ---------------------------------------------------------------------------- */

static double
seconds(int64_t since_ns, int64_t now_ns)
{
    return now_ns > since_ns ? (double)(now_ns - since_ns) * 1e-9 : 0;
}

static const struct node *
head_of(const struct actor *actor)
{
    return actor->nodes[0];
}

static void
put_edge(hde_text *out, const struct edge *edge, bool is_credit)
{
    struct stats_edge *stats = edge->stats;
    int64_t credit;

    if (!stats) {
        hde_text_puts(out, "the sequencer");
        return;
    }
    credit = stats->capacity_messages - (int64_t)STAT_GET(stats->messages) +
             (int64_t)STAT_GET(stats->done_messages);
    if (is_credit)
        hde_text_printf(out, "edge %s: %lld of %lld credits", edge->name,
                        (long long)(credit > 0 ? credit : 0), (long long)stats->capacity_messages);
    else
        hde_text_printf(out, "edge %s: no progress", edge->name);
}

static const struct node *
parked_in(const struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_nodes; i++)
        if (STAT_GET(actor->nodes[i]->stats->state) == NODE_PARKED)
            return actor->nodes[i];
    return NULL;
}

static const struct node *
called_in(const struct actor *actor)
{
    uint32_t slot = STAT_GET(actor->worker->stats->node);
    const struct node *node = slot ? engine_node(actor->engine, slot - 1) : NULL;

    return node && node->actor == actor ? node : NULL;
}

static void
put_chain(const struct actor *actor, int64_t now_ns, hde_text *out)
{
    hde_text_printf(out, "'%s' paused because:", head_of(actor)->def->name);
    for (int depth = 0; actor && depth < CHAIN_MAX; depth++) {
        const struct edge *edge = atomic_load_explicit(&actor->waits_for, memory_order_relaxed);
        const struct node *node = parked_in(actor), *called = called_in(actor);
        bool is_credit = edge && edge->writer == actor;
        double age = seconds(STAT_GET(actor->stuck_since_ns), now_ns);

        if (STAT_GET(actor->waits_for_log)) {
            hde_text_printf(out, " %s waits for the ingress log in %s to be durable (%.1f s)",
                            head_of(actor)->def->name, actor->engine->options.record, age);
            return;
        }
        if (node) {
            hde_text_printf(out, " %s waits for its next try (%.1f s)", node->def->name, age);
            return;
        }
        if (called) {
            hde_text_printf(out, " %s is at work", called->def->name);
            return;
        }
        if (!edge) {
            hde_text_printf(out, " %s is idle", head_of(actor)->def->name);
            return;
        }
        actor = is_credit ? edge->reader : edge->writer;
        hde_text_printf(out, " %s (", actor ? head_of(actor)->def->name : "the sequencer");
        put_edge(out, edge, is_credit);
        hde_text_printf(out, ", %.1f s),", age);
    }
}

static bool
is_stuck(const struct actor *actor, int64_t limit_ns)
{
    int64_t since_ns = STAT_GET(actor->stuck_since_ns);

    return since_ns && since_ns < limit_ns;
}

void
engine_stall_text(const struct engine *engine, hde_text *out)
{
    int64_t now_ns = clock_mono_ns();

    for (uint32_t i = 0; i < engine->n_actors; i++)
        if (is_stuck(engine->actors[i], now_ns - engine->options.stall_ns)) {
            put_chain(engine->actors[i], now_ns, out);
            hde_text_puts(out, "\n");
        }
}

/* ---- The thread --------------------------------------------------------------------------- */

static void
report(struct watchdog *self, const char *text)
{
    STAT_ADD(self->engine->stats->stalls, 1);
    log_line(LEVEL_WARN, self->engine->graph->name, NULL, "engine.stall", "%s", text);
}

static void
look_at_actors(struct watchdog *self, int64_t now_ns)
{
    for (uint32_t i = 0; i < self->engine->n_actors; i++) {
        const struct actor *actor = self->engine->actors[i];
        int64_t since_ns = STAT_GET(actor->stuck_since_ns);
        hde_text text = {0};

        if (!is_stuck(actor, now_ns - self->engine->options.stall_ns) ||
            self->reported_ns[i] == since_ns)
            continue;
        self->reported_ns[i] = since_ns;
        put_chain(actor, now_ns, &text);
        report(self, text.data);
        hde_text_free(&text);
    }
}

/* A call that does not come back blocks its worker: nobody else can say so. */
static void
look_at_calls(struct watchdog *self, int64_t now_ns)
{
    for (uint32_t i = 0; i < self->engine->n_workers; i++) {
        const struct worker *worker = self->engine->workers[i];
        struct call *last = &self->calls[i];
        uint32_t slot = STAT_GET(worker->stats->node);
        const struct node *node = slot ? engine_node(self->engine, slot - 1) : NULL;
        uint64_t calls = node ? STAT_GET(node->stats->calls) : 0;
        char text[2 * STATS_NAME];

        if (!node || slot != last->slot || calls != last->calls) {
            *last = (struct call){calls, slot, now_ns};
        } else if (last->since_ns && now_ns - last->since_ns >= self->engine->options.stall_ns) {
            snprintf(text, sizeof text, "'%s' has been in one call for %.1f s",
                     node->def->name, seconds(last->since_ns, now_ns));
            report(self, text);
            last->since_ns = 0; /* once a call */
        }
    }
}

static void *
run(void *arg)
{
    struct watchdog *self = arg;

    pthread_mutex_lock(&self->lock);
    while (!self->is_stopping) {
        int64_t at_ns = clock_mono_ns() + self->engine->options.stall_ns / LOOKS;
        struct timespec deadline = {at_ns / NS_PER_S, at_ns % NS_PER_S};

        while (!self->is_stopping &&
               !pthread_cond_timedwait(&self->changed, &self->lock, &deadline))
            ;
        if (self->is_stopping)
            break;
        pthread_mutex_unlock(&self->lock);
        look_at_actors(self, clock_mono_ns());
        look_at_calls(self, clock_mono_ns());
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

struct watchdog *
watchdog_start(struct engine *engine)
{
    struct watchdog *self = xcalloc(1, sizeof *self);
    pthread_condattr_t attr;

    self->engine = engine;
    self->calls = xcalloc(engine->n_workers, sizeof *self->calls);
    self->reported_ns = xcalloc(engine->n_actors, sizeof *self->reported_ns);
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&self->thread, NULL, run, self)) {
        log_line(LEVEL_WARN, engine->graph->name, NULL, "engine.watchdog", "cannot be started");
        free(self->calls);
        free(self->reported_ns);
        free(self);
        return NULL;
    }
    return self;
}

void
watchdog_stop(struct watchdog *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->calls);
    free(self->reported_ns);
    free(self);
}
