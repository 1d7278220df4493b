/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/apply.h"
#include "engine/changes.h"
#include "engine/ingress.h"
#include "engine/joint.h"
#include "engine/plan_show.h"
#include "engine/reload.h"
#include "engine/resolved.h"
#include "engine/rewire.h"
#include "engine/run.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAST = 16 };

struct applier {
    struct engine *engine;
    struct changes changes;
    struct versions versions; /* the thread's */
    uint32_t n_past;
    const struct graph *past[PAST]; /* that ran before, the last one last; the thread's */
    struct err failed; /* taking a log; under the lock of changes */
};

/* ---- The cut ------------------------------------------------------------------------------ */

/* On the thread of the actor that passed last. */
void
apply_passed(struct engine *engine)
{
    struct applier *self = engine->applier;

    pthread_mutex_lock(&self->changes.lock);
    pthread_cond_broadcast(&self->changes.changed);
    pthread_mutex_unlock(&self->changes.lock);
}

/* On the thread of changes: until something has passed, or a moment is over. */
void
apply_wait(struct engine *engine)
{
    struct applier *self = engine->applier;
    int64_t at_ns = clock_real_ns() + 10 * NS_PER_MS;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    pthread_mutex_lock(&self->changes.lock);
    if (!(atomic_load(&engine->cut) == CUT_GIVEN && !atomic_load(&engine->cut_waits)))
        pthread_cond_timedwait(&self->changes.changed, &self->changes.lock, &at);
    pthread_mutex_unlock(&self->changes.lock);
}

/* ---- The graph ---------------------------------------------------------------------------- */

static struct graph *
load_resolved(struct applier *self, struct change *change)
{
    const struct engine *engine = self->engine;
    struct resolved_options options = {.registry = engine->options.registry, .like = engine->graph};

    if (engine->is_taking) {
        options.sets = engine->options.sets;
        options.n_sets = engine->options.n_sets;
    }
    return graph_of_resolved(change->resolved, change->size, &options, &change->err);
}

static const struct graph *
last_past(struct applier *self, struct change *change)
{
    const struct graph *graph = self->n_past ? self->past[self->n_past - 1] : NULL;

    change->report.has_rollback = change->report.rollback = true;
    if (!graph)
        return err_set(&change->err, "HDE-R056", "there is no graph before this one"), NULL;
    change->report.path = arena_text(&change->arena, graph->path);
    return graph;
}

/* The engine's copy of what the request names. */
static const struct graph *
load(struct applier *self, struct change *change)
{
    struct graph *graph;

    if (!change->resolved && change->ask.graph)
        return change->ask.graph;
    if (!change->resolved && !change->ask.path)
        return last_past(self, change);
    graph = change->resolved ? load_resolved(self, change)
                             : versions_load(&self->versions, change, &change->err);
    if (graph)
        versions_keep(&self->versions, graph);
    return graph;
}

/* ---- The work ----------------------------------------------------------------------------- */

static bool
make_plan(struct applier *self, struct change *change)
{
    const struct graph *graph = load(self, change);

    if (!graph)
        return false;
    change->plan = change_plan_new(self->engine->graph, graph);
    change->report.plan = change_plan_show(change->plan, &change->arena);
    return true;
}

/* Before anything is done. */
static bool
agrees(struct applier *self, struct change *change)
{
    if (change->resolved)
        return true;
    if (!engine_takes(self->engine, change->plan->after, &change->err) || !change_agrees(change))
        return false;
    if (reload_is_on_probation(self->engine))
        return err_set(&change->err, "HDE-R050", "a reload is on probation: 'hde reload --status'");
    return true;
}

/* Whoever is told that it is done may kill the process: the next start goes on with this graph. */
static void
wait_for_log(struct engine *engine, uint64_t tick)
{
    while (engine->is_recording && engine_state(engine) <= ENGINE_DRAINING &&
           (atomic_load(&engine->cut) == CUT_MADE || !ingress_is_durable(engine, tick)))
        apply_wait(engine);
}

/* In a joint change every part takes part, also one of which nothing changes: what its nodes are in
 * the whole may have changed. */
static bool
carry_out(struct applier *self, struct change *change)
{
    struct engine *engine = self->engine;
    Hde__GraphChange *report = &change->report;
    const struct rewire_ask ask = {change->ask.timeout_ns, change->ask.joint, change->ask.place};
    struct rewire_result result;

    if (!change->plan->n_changes && !change->resolved && !change->ask.joint)
        return true;
    if (!rewire(engine, change->plan, &ask, &result, &change->err))
        return false;
    report->has_tick = report->has_pause_seconds = true;
    report->tick = result.tick + 1;
    report->pause_seconds = (double)result.pause_ns / 1e9;
    if (!change->resolved)
        wait_for_log(engine, report->tick);
    return true;
}

/* A rollback goes one step back, any other change one further. */
static void
remember(struct applier *self, const struct change *change)
{
    if (change->report.rollback) {
        self->n_past--;
        return;
    }
    if (self->n_past == PAST)
        memmove(self->past, self->past + 1, --self->n_past * sizeof *self->past);
    self->past[self->n_past++] = change->plan->before;
}

static bool
is_in_use(const struct applier *self, const struct graph *graph)
{
    const struct engine *engine = self->engine;
    bool in_use = engine->graph == graph;

    for (uint32_t i = 0; i < self->n_past; i++)
        in_use |= self->past[i] == graph;
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        in_use |= engine->nodes[i]->birth == graph;
    return in_use;
}

static void
free_versions(struct applier *self)
{
    struct version **at = &self->versions.newest;

    while (*at) {
        struct version *version = *at;

        if (is_in_use(self, version->graph)) {
            at = &version->next;
            continue;
        }
        *at = version->next;
        graph_free(version->graph);
        free(version);
    }
}

static void
tell_failure(struct applier *self, const struct change *change)
{
    pthread_mutex_lock(&self->changes.lock);
    self->failed = change->err;
    pthread_mutex_unlock(&self->changes.lock);
    worker_wake_if_parked(self->engine->first);
}

static void
work(void *arg, struct change *change)
{
    struct applier *self = arg;
    Hde__ChangeState state = HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;

    changes_note(&self->changes, change, HDE__CHANGE_STATE__CHANGE_STATE_WORKING);
    pthread_mutex_lock(&self->engine->changing);
    if (make_plan(self, change)) {
        if (change->ask.plans_only)
            state = HDE__CHANGE_STATE__CHANGE_STATE_PLANNED;
        else if (agrees(self, change) && carry_out(self, change))
            state = HDE__CHANGE_STATE__CHANGE_STATE_DONE;
    }
    if (state == HDE__CHANGE_STATE__CHANGE_STATE_DONE && change->plan->n_changes)
        remember(self, change);
    if (state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED && change->resolved)
        tell_failure(self, change);
    if (state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED && change->ask.joint)
        joint_refuse(change->ask.joint, self->engine, &change->err);
    pthread_mutex_unlock(&self->engine->changing);
    changes_end(&self->changes, change, state);
    if (change->ask.joint)
        joint_over(change->ask.joint); /* who waits for all of them says it */
    else
        change_log(change, self->engine->stats->graph);
    free_versions(self);
}

/* ---- Requests ----------------------------------------------------------------------------- */

static struct applier *
applier_new(struct engine *engine, struct err *err)
{
    struct applier *self = xcalloc(1, sizeof *self);

    self->engine = engine;
    self->versions = (struct versions){.registry = engine->options.registry,
                                       .plugins = engine->options.plugins};
    if (changes_open(&self->changes, work, self, "hde-apply", err))
        return self;
    free(self);
    return NULL;
}

static struct applier *
applier_of(struct engine *engine, bool makes, struct err *err)
{
    struct applier *self;

    pthread_mutex_lock(&engine->lock);
    if (!engine->applier && makes)
        engine->applier = applier_new(engine, err);
    self = engine->applier;
    pthread_mutex_unlock(&engine->lock);
    return self;
}

bool
apply_take(struct engine *engine, const void *resolved, size_t size, struct err *err)
{
    static const int64_t patience_ns = 600LL * NS_PER_S;
    struct applier *self = applier_of(engine, true, err);
    struct change *change;

    if (!self)
        return false;
    if (!engine->options.registry)
        return err_set(err, "HDE-R012", "the log has a change of the graph, and this run knows no "
                       "plugins");
    change = change_new(&(struct apply_ask){.timeout_ns = patience_ns, .who = "log"});
    change->resolved = xmalloc(size + 1);
    change->size = size;
    memcpy(change->resolved, resolved, size);
    changes_add(&self->changes, change);
    return true;
}

bool
apply_has_failed(struct engine *engine, struct err *err)
{
    struct applier *self = engine->applier;

    pthread_mutex_lock(&self->changes.lock);
    *err = self->failed;
    pthread_mutex_unlock(&self->changes.lock);
    return false;
}

void
apply_wanted(struct engine *engine)
{
    struct err err = {0};

    if (engine->wanted &&
        !apply_ask(engine, &(struct apply_ask){.graph = engine->wanted, .who = "start"}, &err))
        log_line(LEVEL_ERROR, engine->stats->graph, NULL, "apply.refused", "%s: %s", err.code,
                 err.text);
}

uint64_t
apply_ask(struct engine *engine, const struct apply_ask *ask, struct err *err)
{
    struct applier *self;
    struct change *change;
    uint64_t number = 0;

    if (engine_state(engine) != ENGINE_RUNNING)
        return err_set(err, "HDE-R050", "the graph is not running"), 0;
    if (engine->is_taking || atomic_load(&engine->recovering))
        return err_set(err, "HDE-R050", "the graph takes a log again"), 0;
    if (engine->options.steps)
        return err_set(err, "HDE-R050", "a graph without threads is not changed"), 0;
    if (!(self = applier_of(engine, true, err)))
        return 0;
    change = change_new(ask);
    number = changes_add(&self->changes, change);
    if (number)
        return number;
    change_free(change);
    return err_set(err, "HDE-R050", "too many changes wait already"), 0;
}

Hde__EngineChanges *
apply_changes(struct engine *engine, uint64_t number)
{
    struct applier *self = applier_of(engine, false, NULL);

    return changes_show(self ? &self->changes : NULL, number);
}

/* ---- The end ------------------------------------------------------------------------------ */

void
apply_stop(struct engine *engine)
{
    if (engine->applier)
        changes_stop(&engine->applier->changes);
}

void
apply_free(struct engine *engine)
{
    struct applier *self = engine->applier;

    if (!self)
        return;
    versions_fini(&self->versions);
    changes_close(&self->changes);
    free(self);
}
