/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/changes.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/line.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE = 8 };
static const int64_t default_timeout_ns = 10LL * NS_PER_S;

/* Plugins that were not there yet when the one before looked. */
struct rescan {
    struct rescan *next;
    struct registry *registry;
};

/* ---- A change ----------------------------------------------------------------------------- */

static Hde__ControlReload *
copy_reload(const Hde__ControlReload *said)
{
    size_t size = hde__control_reload__get_packed_size(said);
    uint8_t *bytes = xmalloc(size + 1);
    Hde__ControlReload *copied;

    hde__control_reload__pack(said, bytes);
    copied = hde__control_reload__unpack(NULL, size, bytes);
    free(bytes);
    return copied;
}

struct change *
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
    if (ask->reload) {
        change->ask.reload = change->reload = copy_reload(ask->reload);
        report->reload = change->reload->target;
    }
    if (!ask->timeout_ns)
        change->ask.timeout_ns = default_timeout_ns;
    report->path = ask->path ? arena_text(arena, ask->path) : NULL;
    change->ask.path = report->path;
    if (ask->graph && ask->graph->path)
        report->path = arena_text(arena, ask->graph->path);
    change->ask.who = report->who = ask->who ? arena_text(arena, ask->who) : NULL;
    report->n_set = ask->n_sets;
    report->set = sets;
    report->has_number = report->has_state = report->has_asked_ns = true;
    report->state = HDE__CHANGE_STATE__CHANGE_STATE_WAITING;
    report->asked_ns = clock_real_ns();
    return change;
}

bool
change_agrees(struct change *change)
{
    const struct change_plan *plan = change->plan;
    const struct node_change *lost = plan->nodes;

    if (*plan->fixed)
        return err_set(&change->err, "HDE-R051", "needs a new start of the graph: %s", plan->fixed);
    while (plan->n_lost && lost->state != CHANGE_STATE_LOST)
        lost++;
    return !plan->n_lost || change->ask.drops_state ||
           err_set(&change->err, "HDE-R052",
                   "%zu nodes would lose their state, the first is '%s': %s", plan->n_lost,
                   plan->before->nodes[lost->before].name, lost->why_lost);
}

void
change_log(const struct change *change, const char *graph)
{
    const Hde__GraphChange *report = &change->report;

    if (report->state == HDE__CHANGE_STATE__CHANGE_STATE_DONE && report->has_relink)
        log_line(LEVEL_INFO, graph, NULL, "apply.done", "%s: links are others, all hosts begin anew",
                 report->path);
    else if (report->state == HDE__CHANGE_STATE__CHANGE_STATE_DONE && change->plan &&
             change->plan->n_changes)
        log_line(LEVEL_INFO, graph, NULL, "apply.done",
                 "%s: %zu of %zu nodes and edges changed, stood still for %.3f ms",
                 report->path ? report->path : change->plan->after->path, change->plan->n_changes,
                 change->plan->n_nodes + change->plan->n_edges, report->pause_seconds * 1e3);
    else if (report->state == HDE__CHANGE_STATE__CHANGE_STATE_REFUSED)
        log_line(LEVEL_ERROR, graph, NULL, "apply.refused", "%s: %s: %s",
                 report->path     ? report->path
                 : report->reload ? report->reload
                                  : "",
                 change->err.code, change->err.text);
}

void
change_free(struct change *change)
{
    change_plan_free(change->plan);
    if (change->reload)
        hde__control_reload__free_unpacked(change->reload, NULL);
    free(change->resolved);
    arena_fini(&change->arena);
    free(change);
}

Hde__ControlError *
change_error(struct change *change, const struct err *err)
{
    Hde__ControlError *error = arena_alloc(&change->arena, sizeof *error);

    hde__control_error__init(error);
    error->code = arena_text(&change->arena, err->code);
    error->message = arena_text(&change->arena, err->text);
    return error;
}

/* ---- Reports ------------------------------------------------------------------------------ */

static void
note(struct changes *self, const Hde__GraphChange *report)
{
    struct packed *slot = &self->history[report->number % APPLY_HISTORY];
    size_t size = hde__graph_change__get_packed_size(report);
    uint8_t *bytes = xmalloc(size + 1);

    hde__graph_change__pack(report, bytes);
    free(slot->bytes);
    *slot = (struct packed){report->number, bytes, size};
}

void
changes_take(struct changes *self, const Hde__EngineChanges *made)
{
    pthread_mutex_lock(&self->lock);
    for (size_t i = made->n_changes; i > 0; i--) { /* the oldest first */
        Hde__GraphChange report = *made->changes[i - 1];

        report.number = ++self->last;
        note(self, &report);
    }
    pthread_mutex_unlock(&self->lock);
}

void
changes_note(struct changes *self, struct change *change, Hde__ChangeState state)
{
    pthread_mutex_lock(&self->lock);
    change->report.state = state;
    note(self, &change->report);
    pthread_mutex_unlock(&self->lock);
}

void
change_say(struct change *change, Hde__ChangeState state)
{
    change->report.state = state;
    change->report.has_ended_ns = true;
    change->report.ended_ns = clock_real_ns();
    if (err_is_set(&change->err))
        change->report.error = change_error(change, &change->err);
}

void
changes_end(struct changes *self, struct change *change, Hde__ChangeState state)
{
    change_say(change, state);
    changes_note(self, change, state);
}

Hde__EngineChanges *
changes_show(struct changes *self, uint64_t number)
{
    Hde__EngineChanges *out = xmalloc(sizeof *out);

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

/* ---- The thread --------------------------------------------------------------------------- */

static struct change *
next_change(struct changes *self)
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
    struct changes *self = arg;
    struct change *change;

    while ((change = next_change(self))) {
        self->work(self->arg, change);
        change_free(change);
    }
    return NULL;
}

bool
changes_open(struct changes *self, void (*work)(void *arg, struct change *change), void *arg,
             const char *thread, struct err *err)
{
    sigset_t all, old;
    int failed;

    self->work = work;
    self->arg = arg;
    self->tail = &self->queue;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failed = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return err_set(err, "HDE-R004", "no thread for changes: %s", strerror(failed));
    pthread_setname_np(self->thread, thread);
    return true;
}

void
changes_stop(struct changes *self)
{
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
}

void
changes_close(struct changes *self)
{
    while (self->queue) {
        struct change *change = self->queue;

        self->queue = change->next;
        change_free(change);
    }
    for (size_t i = 0; i < APPLY_HISTORY; i++)
        free(self->history[i].bytes);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
}

uint64_t
changes_add(struct changes *self, struct change *change)
{
    uint64_t number = 0;

    pthread_mutex_lock(&self->lock);
    if (self->n_queued < QUEUE) {
        number = change->report.number = ++self->last;
        self->n_queued++;
        note(self, &change->report);
        *self->tail = change;
        self->tail = &change->next;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    return number;
}

/* ---- Graphs ------------------------------------------------------------------------------- */

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
load_with(const struct versions *self, const struct change *change,
          const struct registry *registry, struct err *err)
{
    struct graph_options options = {.sets = change->ask.sets,
                                    .n_sets = change->ask.n_sets,
                                    .for_run = true,
                                    .host = self->host,
                                    .insecure = true}; /* it listens already */
    struct diags diags = {0};
    struct err damaged = {0};
    struct graph *graph = line_load(change->ask.path, &options, registry, &diags, &damaged);

    if (err_is_set(&damaged) && err)
        *err = damaged;
    else if (!graph)
        cannot_load(&diags, change->ask.path, err);
    diags_fini(&diags);
    return graph;
}

/* A graph may use operators that came after the start: the folders are looked at again. */
static struct graph *
load_rescanned(struct versions *self, const struct change *change)
{
    struct rescan *rescan = xcalloc(1, sizeof *rescan);
    struct graph *graph;

    rescan->registry = registry_new(self->plugins);
    graph = load_with(self, change, rescan->registry, NULL);
    if (graph) {
        rescan->next = self->rescans;
        self->rescans = rescan;
    } else {
        registry_free(rescan->registry);
        free(rescan);
    }
    return graph;
}

struct graph *
versions_load(struct versions *self, const struct change *change, struct err *err)
{
    const struct registry *registry = self->rescans ? self->rescans->registry : self->registry;
    struct graph *graph = registry ? load_with(self, change, registry, err) : NULL;

    if (graph)
        return graph;
    graph = load_rescanned(self, change);
    if (graph)
        *err = (struct err){0};
    return graph;
}

void
versions_keep(struct versions *self, struct graph *graph)
{
    struct version *version = xcalloc(1, sizeof *version);

    version->graph = graph;
    version->next = self->newest;
    self->newest = version;
}

void
versions_fini(struct versions *self)
{
    while (self->newest) {
        struct version *version = self->newest;

        self->newest = version->next;
        graph_free(version->graph);
        free(version);
    }
    while (self->rescans) {
        struct rescan *rescan = self->rescans;

        self->rescans = rescan->next;
        registry_free(rescan->registry);
        free(rescan);
    }
}
