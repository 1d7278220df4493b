/* SPDX-License-Identifier: Apache-2.0
 * engine - life of a running graph: new, start, wait, drain, stop, free.
 *
 *      NEW --start--> RUNNING --drain--> DRAINING
 *      RUNNING, DRAINING --every actor has ended, or stop--> ENDED
 *      RUNNING, DRAINING --a node fails--> FAILED */
#include "engine/apply.h"
#include "engine/decide.h"
#include "engine/dlq.h"
#include "engine/epoch.h"
#include "engine/hash.h"
#include "engine/held.h"
#include "engine/ingress.h"
#include "engine/owner.h"
#include "engine/probe.h"
#include "engine/question.h"
#include "engine/reload.h"
#include "engine/resolved.h"
#include "engine/retain.h"
#include "engine/savepoint.h"
#include "engine/swaps.h"

#include "base/log.h"
#include "graph/delivery.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int64_t default_stall_ns = 5LL * NS_PER_S;

/* Cycles of the counter in cycles_now() per ns; measured once, 200 us long. */
static double
measure_cycles(void)
{
    static _Atomic double known;
    double value = atomic_load(&known);

    if (value == 0) {
        int64_t start_ns = clock_read(CLOCK_MONOTONIC), now_ns = start_ns;
        uint64_t start = cycles_now();

        while (now_ns - start_ns < 200 * NS_PER_US)
            now_ns = clock_read(CLOCK_MONOTONIC);
        value = (double)(cycles_now() - start) / (double)(now_ns - start_ns);
        atomic_store(&known, value);
    }
    return value;
}

/* ---- State -------------------------------------------------------------------------------- */

static bool
is_over(enum engine_state state)
{
    return state == ENGINE_ENDED || state == ENGINE_FAILED;
}

void
engine_look(const struct engine *engine)
{
    pthread_rwlock_rdlock(&((struct engine *)(uintptr_t)engine)->shape);
}

void
engine_looked(const struct engine *engine)
{
    pthread_rwlock_unlock(&((struct engine *)(uintptr_t)engine)->shape);
}

void
engine_wake(struct engine *engine)
{
    full_fence();
    engine_look(engine);
    for (uint32_t i = 0; i < engine->n_workers; i++)
        worker_wake_if_parked(engine->workers[i]);
    engine_looked(engine);
}

/* With the lock held. False: it is over already. */
static bool
set_state(struct engine *engine, enum engine_state state)
{
    uint64_t one = 1;

    if (is_over(atomic_load(&engine->state)))
        return false;
    atomic_store(&engine->state, state);
    STAT_SET(engine->stats->state, state);
    pthread_cond_broadcast(&engine->changed);
    if (is_over(state) && write(engine->done_fd, &one, sizeof one) != sizeof one)
        log_line(LEVEL_ERROR, engine->graph->name, NULL, "engine.done", "nobody can be told");
    return true;
}

static void
finish(struct engine *engine, enum engine_state state)
{
    bool is_new;

    pthread_mutex_lock(&engine->lock);
    is_new = set_state(engine, state);
    pthread_mutex_unlock(&engine->lock);
    atomic_store_explicit(&engine->stopping, true, memory_order_seq_cst);
    engine_wake(engine);
    if (is_new && engine->options.over)
        engine->options.over(engine->options.over_arg);
}

/* The log has all of the run: whoever waits for the end of the recovery hears of it. */
static void
tell_taken(struct engine *engine)
{
    struct stats_recovery *stats = &engine->stats->recovery;

    if (engine->is_taking || !atomic_load(&engine->recovering))
        return;
    STAT_SET(stats->taken, STAT_GET(stats->entries));
    STAT_SET(stats->ended_ns, clock_mono_ns());
    log_line(LEVEL_INFO, engine->stats->graph, NULL, "recovery.done",
             "%llu entries taken again: the run has ended in its log",
             (unsigned long long)STAT_GET(stats->entries));
}

void
engine_actor_ended(struct engine *engine)
{
    if (atomic_fetch_sub(&engine->actors_left, 1) != 1)
        return;
    if (!engine->options.ends_saved)
        tell_taken(engine);
    if (engine->epochs && engine->options.ends_saved) {
        atomic_store(&engine->has_run_out, true);
        engine_wake(engine);
    } else {
        finish(engine, ENGINE_ENDED);
    }
}

void
engine_end(struct engine *engine)
{
    finish(engine, ENGINE_ENDED);
}

void
engine_fail(struct engine *engine, const char *code, const char *text)
{
    pthread_mutex_lock(&engine->lock);
    if (!err_is_set(&engine->error))
        err_set(&engine->error, code, "%s", text);
    pthread_mutex_unlock(&engine->lock);
    log_line(LEVEL_ERROR, engine->stats->graph, NULL, "engine.failed", "%s: %s", code, text);
    finish(engine, ENGINE_FAILED);
}

enum engine_state
engine_state(const struct engine *engine)
{
    return (enum engine_state)atomic_load(&((struct engine *)(uintptr_t)engine)->state);
}

const struct err *
engine_error(const struct engine *engine)
{
    return &engine->error;
}

int
engine_done_fd(const struct engine *engine)
{
    return engine->done_fd;
}

const struct stats *
engine_stats(const struct engine *engine)
{
    return engine->stats;
}

uint64_t
engine_checkpoint_cpu_ns(const struct engine *engine)
{
    return engine->epochs ? epochs_cpu_ns(engine->epochs) : 0;
}

const struct graph *
engine_graph(const struct engine *engine)
{
    return engine->graph;
}

/* ---- New ---------------------------------------------------------------------------------- */

/* When a log is taken again it speaks for sources and for operators whose answers come from
 * outside; what holds a port or talks to a live service has no place there. */
static bool
is_left_out(const struct engine *engine, const struct node *node)
{
    const hde_operator *op = node->def->op;
    bool is_live_view = op->flags & HDE_VIEW && op->flags & (HDE_EXCLUSIVE | HDE_LIVE_ONLY);
    bool is_sink = !node->ctx.outlets.n &&
                   (engine->options.is_dry || op->flags & HDE_LIVE_ONLY);

    return engine->is_taking && (node->source || node->is_impure || is_live_view || is_sink ||
                                 op->flags & OP_LINK_END);
}

static hde_status
swallow(hde_ctx *ctx, void *state, hde_batch *batch)
{
    batch->done = batch->n;
    return HDE_OK;
}

static void
leave_out(struct node *node)
{
    node->is_left_out = true;
    node->has_flush = false;
    node->ctx.batch = swallow;
    if (node->source) {
        node->source->state = SOURCE_ENDED;
        node->source->is_held = true;
    }
    if (node->is_impure && node->asked == ASKED_NOT)
        node->answers_out = 1; /* it does not end before the log does: end_log() */
}

static bool
check_replay(const struct engine *engine, const struct graph *graph, struct err *err)
{
    if (!engine->options.virtual_clock)
        return true;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct graph_node *node = &graph->nodes[i];

        if (node->op->flags & (HDE_LIVE_ONLY | HDE_IMPURE))
            return err_set(err, "HDE-R005",
                           "node '%s': %s cannot be replayed: it talks to a live service; leave it "
                           "out of the graph that is replayed",
                           node->name, node->op->name);
    }
    return true;
}

bool
node_open(struct node *node, struct err *err)
{
    const hde_operator *op = node->ctx.op;
    hde_status status = HDE_OK;

    node->ctx.event_ns = node->ctx.now_ns;
    node->is_open = true;
    if (op->open)
        status = op->open(&node->ctx, node->ctx.state);
    ctx_scratch_reset(&node->ctx);
    return status == HDE_OK ||
           err_set(err, "HDE-R001", "node '%s' (%s) does not open: %s", node->ctx.node, op->name,
                   node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
}

bool
node_begin(struct node *node, int64_t now_ns, struct err *err)
{
    if (is_left_out(node->engine, node)) {
        leave_out(node);
        return true;
    }
    node->ctx.now_ns = now_ns;
    return node_open(node, err);
}

static bool
open_nodes(struct engine *engine, struct err *err)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (!node_begin(engine->nodes[i], engine->start_ns, err))
            return false;
    return true;
}

/* ---- Checkpoints -------------------------------------------------------------------------- */

hde_status
node_skip_marked(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct node *node = ctx->owner;

    if (batch->tick <= node->mark) { /* in store since before the crash */
        batch->done = batch->n;
        return HDE_OK;
    }
    ctx->batch = ctx->op->batch;
    return ctx->batch(ctx, state, batch);
}

/* What a sink has in store. */
static bool
read_mark(struct node *node, struct err *err)
{
    const hde_operator *op = node->ctx.op;

    if (!op->mark || node->is_left_out)
        return true;
    return op->mark(&node->ctx, node->ctx.state, &node->mark) == HDE_OK ||
           err_set(err, "HDE-R001", "node '%s' (%s) does not tell its mark: %s", node->ctx.node,
                   op->name, node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
}

/* *largest is the last tick of all. */
static bool
read_marks(struct engine *engine, uint64_t *largest, struct err *err)
{
    *largest = 0;
    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        if (!read_mark(engine->nodes[i], err))
            return false;
        if (engine->nodes[i]->mark > *largest)
            *largest = engine->nodes[i]->mark;
    }
    return true;
}

/* Where a node begins when the log is taken: behind its mark; one that must get nothing twice,
 * behind all that was given before this start. */
static void
skip_old(struct node *node)
{
    if (node->ctx.op->flags & HDE_AT_MOST_ONCE)
        node->mark = owner_first_tick(node->engine->owner) - 1;
    if (node->mark)
        node->ctx.batch = node_skip_marked;
    if (node->asked != ASKED_NOT)
        node->ctx.batch = question_skip;
}

bool
node_recover(struct node *node, struct err *err)
{
    if (node->source)
        node->source->is_held = true;
    if (!read_mark(node, err))
        return false;
    skip_old(node);
    return true;
}

bool
engine_takes(const struct engine *engine, const struct graph *graph, struct err *err)
{
    return check_replay(engine, graph, err);
}

static void
begin_recovery(struct engine *engine)
{
    struct stats_recovery *stats = &engine->stats->recovery;

    engine->recovering = true;
    STAT_SET(stats->entries, ingress_left(engine->ingress));
    STAT_SET(stats->began_ns, clock_mono_ns());
    for (uint32_t i = 0; i < engine->n_sources; i++)
        engine->sources[i]->is_held = true;
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        skip_old(engine->nodes[i]);
}

/* A log that is taken begins with the state that its start had. */
static bool
place_taking(struct engine *engine, struct err *err)
{
    const Hde__Epoch *from = ingress_from(engine->ingress);
    const uint64_t tick = engine->sequencer.last;

    if (from && !epochs_restore(engine, from, err))
        return false;
    engine->sequencer.last = engine->sequencer.said = tick;
    return held_read_log(engine, err);
}

static bool
has_node(const struct graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!strcmp(graph->nodes[i].name, name))
            return true;
    return false;
}

/* A part that would begin without what another one has now, or without a link's end, cannot
 * begin. */
static bool
is_same_part(const struct graph *ran, const struct graph *file, struct err *err)
{
    const struct graph *sides[] = {ran, file};

    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s]->n_nodes; i++) {
            const struct graph_node *node = &sides[s]->nodes[i];
            bool is_end = node->op->flags & OP_LINK_END;

            if (has_node(sides[1 - s], node->name) ||
                (!is_end && (s == 1 || !has_node(file->whole, node->name))))
                continue;
            return err_set(err, "HDE-R073",
                           "'%s' has checkpoints of other parts: %s '%s' has moved or is another; "
                           "run the graph as it was, or begin with another store",
                           file->checkpoint.store, is_end ? "link" : "node", node->name);
        }
    return true;
}

/* What ran before, as a packed hde.ResolvedGraph; NULL: that is not known. */
static uint8_t *
read_what_ran(const struct engine *engine, size_t *size)
{
    const char *log = engine->is_taking ? engine->options.log : engine->options.record;
    struct log_start start = {0};
    struct arena arena = {0};
    uint64_t tick = 0;
    uint8_t *ran = NULL;

    if (!engine->is_taking)
        ran = epochs_graph(engine->graph->checkpoint.store, size, &tick);
    if (engine_log_start(log, &arena, &start, NULL) && start.resolved_size &&
        (!ran || start.tick > tick)) {
        free(ran);
        *size = start.resolved_size;
        ran = memcpy(xmalloc(*size), start.resolved, *size);
    }
    arena_fini(&arena);
    return ran;
}

/* Recovery begins with the graph that ran (E3). What the file says by now is a change after it. The
 * log of a part begins with the graph of the part; that of a whole graph was asked before. */
static bool
choose_graph(struct engine *engine, struct err *err)
{
    const struct graph *file = engine->graph;
    struct resolved_options options = {.registry = engine->options.registry, .like = file};
    bool takes_part = engine->is_taking && engine->options.parts, ok = true;
    size_t size = 0, file_size;
    uint8_t *ran, *says;

    if (!options.registry || (!takes_part && !engine->options.checkpoint) ||
        (!takes_part && epochs_are_restored(file->checkpoint.store)))
        return true; /* a savepoint goes into the file's graph */
    if (takes_part) {
        options.sets = engine->options.sets;
        options.n_sets = engine->options.n_sets;
    }
    ran = read_what_ran(engine, &size);
    says = graph_resolve(file, &file_size);
    if (ran && (size != file_size || memcmp(ran, says, size) != 0)) {
        engine->made = graph_of_resolved(ran, size, &options, err);
        engine->wanted = takes_part ? NULL : file;
        ok = engine->made && (!file->whole || is_same_part(engine->made, file, err));
        if (ok)
            engine->graph = engine->made;
    }
    free(says);
    free(ran);
    return ok;
}

/* What a sink of a shared stage has committed is in the log that this start goes on from; else its
 * state is that of somebody who did not get so far (generation.h). */
static bool
check_marks(const struct engine *engine, struct err *err)
{
    const struct graph *file = engine->wanted ? engine->wanted : engine->graph;
    uint64_t known = engine->ingress ? ingress_last_tick(engine->ingress) : 0;

    for (size_t i = 0; file->generation && i < file->n_nodes; i++)
        for (uint32_t k = 0; file->nodes[i].names_state && k < engine->n_nodes; k++) {
            const struct node *node = engine->nodes[k];

            if (!strcmp(node->ctx.node, file->nodes[i].name) && node->mark > known)
                return err_set(err, "HDE-R140",
                               "node '%s' has committed tick %" PRIu64
                               ", and the state in '%s' goes to tick %" PRIu64 " only",
                               node->ctx.node, node->mark, file->checkpoint.store, known);
        }
    return true;
}

/* Where ticks begin: behind an epoch and the log after it, or above all that was before. */
static bool
place_start(struct engine *engine, struct err *err)
{
    const Hde__Epoch *from = engine->ingress ? ingress_from(engine->ingress) : NULL;

    if (engine->is_taking)
        return place_taking(engine, err);
    if (!read_marks(engine, &engine->largest_mark, err) || !check_marks(engine, err))
        return false;
    if ((from && !epochs_restore(engine, from, err)) || !held_read_log(engine, err))
        return false;
    if (engine->ingress && !swaps_keep(engine, err))
        return false;
    if (engine->goes_on) {
        begin_recovery(engine);
    } else if (engine->ingress) {
        if (!ingress_start(engine->ingress, engine->largest_mark, false, NULL))
            return *err = engine->error, false;
        engine->is_recording = true;
        swaps_started(engine);
    } else if (engine->largest_mark) {
        engine->sequencer.last = (HDE_TICK_INCARNATION(engine->largest_mark) + 1) << 40;
        engine->sequencer.said = engine->sequencer.last;
    }
    return true;
}

static bool
have_owner(struct engine *engine, struct err *err)
{
    engine->owner = engine->options.owner;
    if (!engine->owner)
        engine->owner = owner_take(engine->graph, &engine->options, err);
    return engine->owner != NULL;
}

static bool
open_stores(struct engine *engine, struct err *err)
{
    if (engine->is_taking)
        return ingress_take_open(engine, err) && swaps_open(engine, err);
    if (engine->options.record && !ingress_open(engine, err))
        return false;
    if (!engine->options.checkpoint)
        return swaps_open(engine, err);
    savepoints_open(engine);
    return epochs_open(engine, err) && swaps_open(engine, err) &&
           ingress_recover_open(engine, &engine->goes_on, err);
}

/* Barriers, and what looks at the outputs of nodes. */
static void
open_observers(struct engine *engine)
{
    const struct engine_options *options = &engine->options;

    if (options->checkpoint)
        engine->barriers_ns = engine->graph->checkpoint.every_ns;
    else if (options->record)
        engine->barriers_ns = options->hashes_ns;
    if (options->verify || (options->record && options->hashes_ns))
        hashes_open(engine);
    if (engine->hashes || options->trace.emitted)
        probes_open(engine);
}

struct engine *
engine_new(const struct graph *graph, const struct engine_options *options, struct err *err)
{
    struct engine *engine = xaligned(sizeof *engine);

    engine->graph = graph;
    engine->options = options ? *options : (struct engine_options){0};
    if (!engine->options.stall_ns)
        engine->options.stall_ns = default_stall_ns;
    if (options && options->stats_path)
        engine->stats_path = xstrdup(options->stats_path);
    if (options && options->plugin_folder)
        engine->options.plugin_folder = engine->plugin_folder = xstrdup(options->plugin_folder);
    if (options && options->trial_program)
        engine->options.trial_program = engine->trial_program = xstrdup(options->trial_program);
    if (options && options->host)
        snprintf(engine->host, sizeof engine->host, "%s", options->host);
    else if (gethostname(engine->host, sizeof engine->host - 1))
        snprintf(engine->host, sizeof engine->host, "localhost");
    engine->cycles_per_ns = measure_cycles();
    engine->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    pthread_rwlock_init(&engine->shape, NULL);
    pthread_mutex_init(&engine->changing, NULL);
    pthread_mutex_init(&engine->threads, NULL);
    engine->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    engine->start_ns = engine->options.virtual_clock ? 0 : clock_real_ns();
    engine->is_taking = engine->options.log != NULL;
    if (choose_graph(engine, err) && engine_takes(engine, engine->graph, err) &&
        engine_build(engine, err) &&
        (!engine->options.checkpoint || engine->options.steps || have_owner(engine, err)) &&
        dlq_open(engine, err) && open_stores(engine, err) && swaps_begin(engine, err) &&
        retain_read_log(engine, err) && decide_read_log(engine, err) && open_nodes(engine, err) &&
        place_start(engine, err)) {
        open_observers(engine);
        return engine;
    }
    engine_free(engine);
    return NULL;
}

/* None when it is over: what engine_join() has joined stays so. */
bool
workers_start(struct engine *engine, struct err *err)
{
    for (uint32_t i = 0; i < engine->n_workers && !is_over(atomic_load(&engine->state)); i++) {
        struct worker *worker = engine->workers[i];

        if (worker->is_started || (i && !worker->n_actors && !worker->n_polled))
            continue;
        if (!worker_start(worker, err))
            return false;
    }
    return true;
}

bool
engine_start(struct engine *engine, struct err *err)
{
    bool ok;

    engine->is_started = true;
    pthread_mutex_lock(&engine->lock);
    set_state(engine, ENGINE_RUNNING);
    pthread_mutex_unlock(&engine->lock);
    pthread_mutex_lock(&engine->changing); /* a change that is asked for by now finds all of them */
    ok = workers_start(engine, err);
    if (ok && !engine->options.steps)
        engine->watchdog = watchdog_start(engine);
    pthread_mutex_unlock(&engine->changing);
    if (!ok)
        engine_stop(engine);
    return ok;
}

/* ---- Wait, drain, stop -------------------------------------------------------------------- */

static struct timespec
deadline_after(int timeout_ms)
{
    int64_t at_ns = clock_real_ns() + (int64_t)timeout_ms * NS_PER_MS;

    return (struct timespec){at_ns / NS_PER_S, at_ns % NS_PER_S};
}

bool
engine_wait(struct engine *engine, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    bool done;

    pthread_mutex_lock(&engine->lock);
    while (!is_over(atomic_load(&engine->state))) {
        if (timeout_ms < 0)
            pthread_cond_wait(&engine->changed, &engine->lock);
        else if (pthread_cond_timedwait(&engine->changed, &engine->lock, &deadline))
            break;
    }
    done = is_over(atomic_load(&engine->state));
    pthread_mutex_unlock(&engine->lock);
    return done;
}

void
engine_drain(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    if (atomic_load(&engine->state) == ENGINE_RUNNING)
        set_state(engine, ENGINE_DRAINING);
    pthread_mutex_unlock(&engine->lock);
    atomic_store_explicit(&engine->draining, true, memory_order_seq_cst);
    engine_wake(engine);
}

void
engine_ask_epoch(struct engine *engine)
{
    /* release, and the fence with that of parking: barrier_turn() of the sequencer sees it */
    atomic_store_explicit(&engine->wants_epoch, true, memory_order_release);
    full_fence();
    worker_wake_if_parked(engine->first);
}

void
engine_stop(struct engine *engine)
{
    finish(engine, ENGINE_ENDED);
}

bool
engine_join(struct engine *engine, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    bool all = true;

    if (pthread_mutex_timedlock(&engine->threads, &deadline))
        return false; /* a change that began before the end exchanges them */
    for (uint32_t i = 0; all && i < engine->n_workers; i++) {
        struct worker *worker = engine->workers[i];

        if (worker->is_started && pthread_timedjoin_np(worker->thread, NULL, &deadline) == 0)
            worker->is_started = false;
        all = !worker->is_started;
    }
    pthread_mutex_unlock(&engine->threads);
    return all;
}

bool
engine_log_level(struct engine *engine, const char *name, int level)
{
    bool found = false;

    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];

        if (name && strcmp(name, node->def->name) != 0)
            continue;
        atomic_store_explicit(&node->ctx.log_level, level, memory_order_relaxed);
        found = true;
    }
    return found;
}

/* A node that has asked for retries this long is not ready. */
static const struct node *
parked_node(const struct engine *engine)
{
    int64_t limit_ns = clock_mono_ns() - engine->options.stall_ns;

    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        const struct node *node = engine->nodes[i];
        int64_t since_ns = STAT_GET(node->actor->stuck_since_ns);

        if (STAT_GET(node->stats->state) == NODE_PARKED && since_ns && since_ns < limit_ns)
            return node;
    }
    return NULL;
}

/* What the first node says that stands so; false: none does. */
static bool
find_standing(const struct engine *engine, hde_standing standing, char *text, size_t size)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        const struct node *node = engine->nodes[i];
        char said[STATS_STANDING];

        if (STAT_GET(node->stats->standing) != (uint32_t)standing)
            continue;
        stats_get_standing(node->stats, said);
        snprintf(text, size, "node '%s': %s", node->def->name, said);
        return true;
    }
    return false;
}

/* Why a graph that runs is not ready; false: it is. */
static bool
is_held_up(const struct engine *engine, char *reason, size_t size)
{
    const struct stats_recovery *recovery = &engine->stats->recovery;
    const struct node *parked;

    if (find_standing(engine, HDE_HELD_UP, reason, size))
        return true;
    parked = parked_node(engine);
    if (parked)
        snprintf(reason, size, "node '%s' waits for its next try", parked->def->name);
    else if (engine->recovering)
        snprintf(reason, size, "the log is taken again: %llu of %llu entries",
                 (unsigned long long)STAT_GET(recovery->taken),
                 (unsigned long long)STAT_GET(recovery->entries));
    else if (ingress_is_full(engine))
        snprintf(reason, size, "no room on the disk for the log in %.100s",
                 engine->options.record);
    else
        return false;
    return true;
}

void
engine_health(const struct engine *engine, hde_health *out)
{
    enum engine_state state = engine_state(engine);

    *out = (hde_health){.size = sizeof *out, .live = true};

    out->draining = state == ENGINE_DRAINING;
    if (state == ENGINE_FAILED)
        snprintf(out->reason, sizeof out->reason, "%.150s", engine_error(engine)->text);
    else if (state == ENGINE_RUNNING)
        out->ready = !is_held_up(engine, out->reason, sizeof out->reason);
    else
        snprintf(out->reason, sizeof out->reason, "the graph is not running");
    if (find_standing(engine, HDE_DEGRADED, out->missing, sizeof out->missing))
        out->degraded = true;
}

/* ---- Free --------------------------------------------------------------------------------- */

void
node_refuse_posts(struct node *node)
{
    struct worker *worker = node->worker;

    pthread_mutex_lock(&worker->lock); /* a post is either queued before this or refused */
    atomic_store(&node->closed, true);
    pthread_mutex_unlock(&worker->lock);
}

/* A fresh instance in the place of one that was closed. */
bool
node_reopen(struct node *node, struct err *err)
{
    const hde_operator *op = node->ctx.op;

    memset(node->ctx.state, 0, op->state_size);
    atomic_fetch_add(&node->generation, 1);
    atomic_store(&node->closed, false);
    return node_fill(node, node->def, node->ctx.state, err) && node_open(node, err);
}

void
node_close(struct node *node)
{
    node_refuse_posts(node);
    if (node->is_open && node->ctx.op->close) {
        node->ctx.pool = NULL;
        node->ctx.op->close(&node->ctx, node->ctx.state);
    }
    stats_set_standing(node->stats, HDE_WELL, "", 0);
    node->is_open = false;
}

void
engine_free(struct engine *engine)
{
    if (!engine)
        return;
    if (engine->is_started)
        engine_stop(engine);
    if (engine->options.steps)
        steps_leave(engine->options.steps);
    engine_join(engine, INT_MAX);
    atomic_store(&engine->workers_gone, true);
    apply_stop(engine); /* a change may wait for a reload that waits for this */
    swaps_stop(engine->swaps);
    reload_stop(engine);
    watchdog_stop(engine->watchdog);
    if (engine->is_recording)
        hashes_finish(engine);
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->actor)
            node_close(engine->nodes[i]);
    epochs_close(engine->epochs);
    savepoints_close(engine->savepoints);
    hashes_close(engine->hashes);
    ingress_close(engine->ingress);
    dlq_close(engine->dlq);
    if (engine->owner != engine->options.owner)
        owner_release(engine->owner);
    reload_free(engine);
    swaps_close(engine->swaps);
    builds_close(engine->builds);
    engine_unbuild(engine);
    stats_free(engine->stats, engine->options.parts ? NULL : engine->stats_path);
    if (engine->done_fd >= 0)
        close(engine->done_fd);
    pthread_rwlock_destroy(&engine->shape);
    pthread_mutex_destroy(&engine->threads);
    pthread_mutex_destroy(&engine->changing);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    free(engine->stats_path);
    free(engine->plugin_folder);
    free(engine->trial_program);
    apply_free(engine);
    free(engine->resolved);
    graph_free(engine->made);
    arena_fini(&engine->arena);
    free(engine);
}
