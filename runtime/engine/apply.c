/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/apply.h"
#include "engine/plan_show.h"
#include "engine/reload.h"
#include "engine/resolved.h"
#include "engine/rewire.h"
#include "engine/run.h"
#include "graph/parts.h"

#include "base/log.h"
#include "graph/parts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUEUE = 8, PAST = 16 };
static const int64_t default_timeout_ns = 10LL * NS_PER_S;

struct change {
    struct change *next;
    struct arena arena; /* texts of the request and of the report */
    struct apply_ask ask;
    Hde__GraphChange report;
    struct err err;
    struct change_plan *plan;
    uint8_t *resolved; /* of a log that is taken again: what ran, was agreed to then */
    size_t size;
};

/* A graph that was loaded for a change. It lives as long as something may point into it. */
struct version {
    struct version *next;
    struct graph *graph;
};

/* Plugins that were not there yet when the one before looked. */
struct rescan {
    struct rescan *next;
    struct registry *registry;
};

struct applier {
    struct engine *engine;
    pthread_t thread;
    struct version *versions; /* newest first; the thread's */
    struct rescan *rescans;   /* newest first; the thread's */
    uint32_t n_past;
    const struct graph *past[PAST]; /* that ran before, the last one last; the thread's */
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    bool is_stopping;
    struct err failed; /* taking a log */
    uint64_t last; /* number given last */
    uint32_t n_queued;
    struct change *queue, **tail;
    struct packed {
        uint64_t number;
        uint8_t *bytes;
        size_t size;
    } history[APPLY_HISTORY]; /* by number: Hde__GraphChange */
};

/* ---- The cut ------------------------------------------------------------------------------ */

/* On the thread of the actor that passed last. */
void
apply_passed(struct engine *engine)
{
    struct applier *self = engine->applier;

    pthread_mutex_lock(&self->lock);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* On the thread of changes: until something has passed, or a moment is over. */
void
apply_wait(struct engine *engine)
{
    struct applier *self = engine->applier;
    int64_t at_ns = clock_real_ns() + 10 * NS_PER_MS;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    pthread_mutex_lock(&self->lock);
    if (!(atomic_load(&engine->cut) == CUT_GIVEN && !atomic_load(&engine->cut_waits)))
        pthread_cond_timedwait(&self->changed, &self->lock, &at);
    pthread_mutex_unlock(&self->lock);
}

/* ---- Reports ------------------------------------------------------------------------------ */

static void
note(struct applier *self, const struct change *change)
{
    struct packed *slot = &self->history[change->report.number % APPLY_HISTORY];
    size_t size = hde__graph_change__get_packed_size(&change->report);
    uint8_t *bytes = xmalloc(size + 1);

    hde__graph_change__pack(&change->report, bytes);
    free(slot->bytes);
    *slot = (struct packed){change->report.number, bytes, size};
}

static void
note_now(struct applier *self, struct change *change, Hde__ChangeState state)
{
    pthread_mutex_lock(&self->lock);
    change->report.state = state;
    note(self, change);
    pthread_mutex_unlock(&self->lock);
}

static void
end(struct applier *self, struct change *change, Hde__ChangeState state)
{
    change->report.has_ended_ns = true;
    change->report.ended_ns = clock_real_ns();
    if (err_is_set(&change->err)) {
        change->report.error = arena_alloc(&change->arena, sizeof *change->report.error);
        hde__control_error__init(change->report.error);
        change->report.error->code = arena_text(&change->arena, change->err.code);
        change->report.error->message = arena_text(&change->arena, change->err.text);
    }
    note_now(self, change, state);
}

/* ---- The graph ---------------------------------------------------------------------------- */

/* The first error of many. */
static bool
cannot_load(const struct diags *diags, const char *path, struct err *err)
{
    for (size_t i = 0; i < diags->n; i++)
        if (diags->list[i].severity == SEVERITY_ERROR)
            return err_set(err, diags->list[i].code, "%s:%u:%u: %s",
                           diags->list[i].place.file ? diags->list[i].place.file : path,
                           diags->list[i].place.line, diags->list[i].place.column,
                           diags->list[i].message);
    return err_set(err, "HDE-R050", "%s: cannot be read", path);
}

static struct graph *
load_with(const struct change *change, const struct registry *registry, struct err *err)
{
    struct graph_options options = {
        .sets = change->ask.sets, .n_sets = change->ask.n_sets, .for_run = true};
    struct diags diags = {0};
    struct graph *graph = graph_load(change->ask.path, &options, registry, &diags);

    if (!graph)
        cannot_load(&diags, change->ask.path, err);
    diags_fini(&diags);
    for (size_t i = 0; graph && i < graph->n_edges; i++)
        if (edge_is_link(&graph->edges[i])) {
            err_set(err, "HDE-R074",
                    "edge '%s' would cut the running graph into parts: that takes a restart",
                    graph->edges[i].name);
            graph_free(graph);
            return NULL;
        }
    return graph;
}

/* A graph may use operators that came after the start: the folders are looked at again. */
static struct graph *
load_rescanned(struct applier *self, const struct change *change)
{
    struct rescan *rescan = xcalloc(1, sizeof *rescan);
    struct graph *graph;

    rescan->registry = registry_new(self->engine->options.plugins);
    graph = load_with(change, rescan->registry, NULL);
    if (graph) {
        rescan->next = self->rescans;
        self->rescans = rescan;
    } else {
        registry_free(rescan->registry);
        free(rescan);
    }
    return graph;
}

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
    const struct registry *registry =
        self->rescans ? self->rescans->registry : self->engine->options.registry;
    struct version *version;
    struct graph *graph = NULL;

    if (change->resolved)
        graph = load_resolved(self, change);
    else if (change->ask.graph)
        return change->ask.graph;
    else if (!change->ask.path)
        return last_past(self, change);
    else if (registry)
        graph = load_with(change, registry, &change->err);
    if (!graph && change->ask.path)
        graph = load_rescanned(self, change);
    if (!graph)
        return NULL;
    change->err = (struct err){0};
    version = xcalloc(1, sizeof *version);
    version->graph = graph;
    version->next = self->versions;
    self->versions = version;
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
    const struct change_plan *plan = change->plan;
    const struct node_change *lost = plan->nodes;

    if (change->resolved)
        return true;
    for (size_t i = 0; i < plan->after->n_edges; i++)
        if (edge_is_link(&plan->after->edges[i]))
            return err_set(&change->err, "HDE-R051",
                           "edge '%s' is a link: graphs with links are started, not changed",
                           plan->after->edges[i].name);
    if (!engine_takes(self->engine, plan->after, &change->err))
        return false;
    if (*plan->fixed)
        return err_set(&change->err, "HDE-R051", "needs a new start of the graph: %s", plan->fixed);
    while (plan->n_lost && lost->state != CHANGE_STATE_LOST)
        lost++;
    if (plan->n_lost && !change->ask.drops_state)
        return err_set(&change->err, "HDE-R052",
                       "%zu nodes would lose their state, the first is '%s': %s", plan->n_lost,
                       plan->before->nodes[lost->before].name, lost->why_lost);
    if (reload_is_on_probation(self->engine))
        return err_set(&change->err, "HDE-R050", "a reload is on probation: 'hde reload --status'");
    return true;
}

static bool
carry_out(struct applier *self, struct change *change)
{
    struct engine *engine = self->engine;
    Hde__GraphChange *report = &change->report;
    struct rewire_result result;

    if (!change->plan->n_changes && !change->resolved)
        return true;
    if (!rewire(engine, change->plan, change->ask.timeout_ns, &result, &change->err))
        return false;
    report->has_tick = report->has_pause_seconds = true;
    report->tick = result.tick + 1;
    report->pause_seconds = (double)result.pause_ns / 1e9;
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
    struct version **at = &self->versions;

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
log_end(const struct applier *self, const struct change *change)
{
    const char *graph = self->engine->stats->graph;
    const Hde__GraphChange *report = &change->report;

    if (report->state == HDE__CHANGE_STATE__CHANGE_STATE_DONE && change->plan->n_changes)
        log_line(LEVEL_INFO, graph, NULL, "apply.done",
                 "%s: %zu of %zu nodes and edges changed, stood still for %.3f ms",
                 report->path ? report->path : change->plan->after->path, change->plan->n_changes,
                 change->plan->n_nodes + change->plan->n_edges, report->pause_seconds * 1e3);
    else if (report->state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED)
        log_line(LEVEL_ERROR, graph, NULL, "apply.refused", "%s: %s: %s",
                 report->path ? report->path : "", change->err.code, change->err.text);
}

static void
tell_failure(struct applier *self, const struct change *change)
{
    pthread_mutex_lock(&self->lock);
    self->failed = change->err;
    pthread_mutex_unlock(&self->lock);
    worker_wake_if_parked(self->engine->first);
}

static void
work(struct applier *self, struct change *change)
{
    Hde__ChangeState state = HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;

    note_now(self, change, HDE__CHANGE_STATE__CHANGE_STATE_WORKING);
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
    pthread_mutex_unlock(&self->engine->changing);
    end(self, change, state);
    log_end(self, change);
}

static void
change_free(struct change *change)
{
    change_plan_free(change->plan);
    free(change->resolved);
    arena_fini(&change->arena);
    free(change);
}

/* ---- The thread --------------------------------------------------------------------------- */

static struct change *
next_change(struct applier *self)
{
    struct change *change = NULL;

    pthread_mutex_lock(&self->lock);
    while (!self->queue && !self->is_stopping)
        pthread_cond_wait(&self->changed, &self->lock);
    if (!self->is_stopping) {
        change = self->queue;
        self->queue = change->next;
        self->n_queued--;
        if (!self->queue)
            self->tail = &self->queue;
    }
    pthread_mutex_unlock(&self->lock);
    return change;
}

static void *
run(void *arg)
{
    struct applier *self = arg;
    struct change *change;

    pthread_setname_np(pthread_self(), "hde-apply");
    while ((change = next_change(self))) {
        work(self, change);
        change_free(change);
        free_versions(self);
    }
    return NULL;
}

static struct applier *
applier_new(struct engine *engine, struct err *err)
{
    struct applier *self = xcalloc(1, sizeof *self);
    sigset_t all, old;
    int failed;

    self->engine = engine;
    self->tail = &self->queue;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failed = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!failed)
        return self;
    err_set(err, "HDE-R004", "no thread for changes: %s", strerror(failed));
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

/* ---- Requests ----------------------------------------------------------------------------- */

static struct change *
change_new(const struct apply_ask *ask)
{
    struct change *change = xcalloc(1, sizeof *change);
    struct arena *arena = &change->arena;
    Hde__GraphChange *report = &change->report;
    char **sets = arena_alloc(arena, (ask->n_sets + 1) * sizeof *sets);

    hde__graph_change__init(report);
    for (size_t i = 0; i < ask->n_sets; i++)
        sets[i] = arena_text(arena, ask->sets[i]);
    change->ask = *ask;
    change->ask.sets = (const char *const *)sets;
    if (!ask->timeout_ns)
        change->ask.timeout_ns = default_timeout_ns;
    report->path = ask->path ? arena_text(arena, ask->path) : NULL;
    change->ask.path = report->path;
    if (ask->graph && ask->graph->path)
        report->path = arena_text(arena, ask->graph->path);
    report->who = ask->who ? arena_text(arena, ask->who) : NULL;
    report->n_set = ask->n_sets;
    report->set = sets;
    report->has_number = report->has_state = report->has_asked_ns = true;
    report->state = HDE__CHANGE_STATE__CHANGE_STATE_WAITING;
    report->asked_ns = clock_real_ns();
    return change;
}

/* 0: too many wait. */
static uint64_t
enqueue(struct applier *self, struct change *taken)
{
    uint64_t number = 0;

    pthread_mutex_lock(&self->lock);
    if (self->n_queued < QUEUE) {
        number = taken->report.number = ++self->last;
        self->n_queued++;
        note(self, taken);
        *self->tail = taken;
        self->tail = &taken->next;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    return number;
}

bool
apply_take(struct engine *engine, const void *resolved, size_t size, struct err *err)
{
    static const int64_t patience_ns = 600LL * NS_PER_S;
    struct applier *self = applier_of(engine, true, err);
    struct change *change;

    if (!self)
        return false;
    if (engine->hashes)
        return err_set(err, "HDE-R050", "the graph was changed while the log was written: hashes "
                       "of a run and of its replay are compared up to there only");
    if (!engine->options.registry)
        return err_set(err, "HDE-R012", "the log has a change of the graph, and this run knows no "
                       "plugins");
    change = change_new(&(struct apply_ask){.timeout_ns = patience_ns, .who = "log"});
    change->resolved = xmalloc(size + 1);
    change->size = size;
    memcpy(change->resolved, resolved, size);
    enqueue(self, change);
    return true;
}

bool
apply_has_failed(struct engine *engine, struct err *err)
{
    struct applier *self = engine->applier;

    pthread_mutex_lock(&self->lock);
    *err = self->failed;
    pthread_mutex_unlock(&self->lock);
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
    if ((engine->hashes || engine->options.steps) && !ask->plans_only)
        return err_set(err, "HDE-R050", "this graph keeps hashes of what its nodes do, and they "
                       "would change with it: drain it, and run the changed graph"), 0;
    if (!(self = applier_of(engine, true, err)))
        return 0;
    change = change_new(ask);
    number = enqueue(self, change);
    if (number)
        return number;
    change_free(change);
    return err_set(err, "HDE-R050", "%d changes wait already", QUEUE), 0;
}

Hde__EngineChanges *
apply_changes(struct engine *engine, uint64_t number)
{
    Hde__EngineChanges *out = xmalloc(sizeof *out);
    struct applier *self = applier_of(engine, false, NULL);

    hde__engine_changes__init(out);
    out->changes = xcalloc(APPLY_HISTORY, sizeof *out->changes);
    if (!self)
        return out;
    pthread_mutex_lock(&self->lock);
    for (uint64_t i = self->last; i > 0 && i + APPLY_HISTORY > self->last; i--) {
        const struct packed *slot = &self->history[i % APPLY_HISTORY];

        if (!number || number == i)
            out->changes[out->n_changes++] =
                hde__graph_change__unpack(NULL, slot->size, slot->bytes);
    }
    pthread_mutex_unlock(&self->lock);
    return out;
}

/* ---- The end ------------------------------------------------------------------------------ */

void
apply_stop(struct engine *engine)
{
    struct applier *self = engine->applier;

    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
}

void
apply_free(struct engine *engine)
{
    struct applier *self = engine->applier;

    if (!self)
        return;
    while (self->queue) {
        struct change *change = self->queue;

        self->queue = change->next;
        change_free(change);
    }
    while (self->versions) {
        struct version *version = self->versions;

        self->versions = version->next;
        graph_free(version->graph);
        free(version);
    }
    while (self->rescans) {
        struct rescan *rescan = self->rescans;

        self->rescans = rescan->next;
        registry_free(rescan->registry);
        free(rescan);
    }
    for (size_t i = 0; i < APPLY_HISTORY; i++)
        free(self->history[i].bytes);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
