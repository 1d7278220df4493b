/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/reload.h"
#include "base/log.h"
#include "base/nearest.h"
#include "engine/swap.h"
#include "engine/trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t reach_ns = 10LL * NS_PER_S;   /* until a node's thread has to answer */
static const int64_t default_budget_ns = 50LL * NS_PER_MS;
static const int64_t busy_ns = 20LL * NS_PER_MS;   /* until a busy node is asked again */

struct attempt {
    struct attempt *next;
    struct reload_report report;
    bool has_file, drops_state, skips_trial;
    int64_t budget_ns;

    struct stage *stage;
    uint32_t n_swaps, n_swapped;
    struct swap *swaps; /* one for each instance */
};

struct reloader {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t last; /* number given last */
    struct attempt *queue, **tail;
    struct reload_report history[RELOAD_HISTORY]; /* by number */
    uint32_t n_left;
    struct instance **left; /* their threads did not answer: closed at the end */
};

const char *
reload_state_name(enum reload_state state)
{
    static const char *const names[] = {"waiting", "working", "done", "refused", "superseded"};

    return names[state];
}

/* ---- Reports ------------------------------------------------------------------------------ */

static void
note(struct reloader *self, const struct attempt *attempt)
{
    pthread_mutex_lock(&self->lock);
    self->history[attempt->report.number % RELOAD_HISTORY] = attempt->report;
    pthread_mutex_unlock(&self->lock);
}

static void
end_report(struct attempt *attempt, enum reload_state state)
{
    attempt->report.state = state;
    attempt->report.ended_ns = clock_real_ns();
}

static const char *
kept_text(const struct reload_report *report, char *text, size_t size)
{
    switch (report->kept) {
    case RELOAD_KEPT_NONE:
        return "none to keep";
    case RELOAD_DROPPED:
        return "dropped as asked for";
    case RELOAD_KEPT:
        break;
    }
    snprintf(text, size, "kept, %llu bytes", (unsigned long long)report->state_bytes);
    return text;
}

static void
log_end(const struct reloader *self, const struct attempt *attempt)
{
    const struct reload_report *report = &attempt->report;
    const char *graph = self->engine->graph->name;
    char kept[64];

    if (report->state == RELOAD_DONE)
        log_line(LEVEL_INFO, graph, NULL, "reload.done",
                 "%s: %u nodes run build %.12s in place of %.12s: state %s; stood still for %.3f "
                 "ms; old build %s",
                 report->target, report->nodes, report->new_build, report->old_build,
                 kept_text(report, kept, sizeof kept), (double)report->pause_ns / NS_PER_MS,
                 report->retired);
    else
        log_line(LEVEL_ERROR, graph, NULL, "reload.refused",
                 "%s: build %.12s goes on: %s: %s", report->target, report->old_build,
                 report->err.code, report->err.text);
}

/* ---- Which nodes -------------------------------------------------------------------------- */

static const char *
build_of(const struct node *node)
{
    const char *id = node->instance ? node->instance->build_id : node->def->build_id;

    return id ? id : "";
}

static const char *
file_of(const struct node *node)
{
    return node->instance && node->instance->stage ? node->instance->stage->file
                                                   : node->def->plugin_path;
}

static bool
is_meant(const struct node *node, const char *target, bool is_node)
{
    return !strcmp(target, is_node ? node->def->name : node->def->op->name);
}

static bool
no_target(const struct reloader *self, const char *target, struct err *err)
{
    struct nearest near = {.word = target};

    for (uint32_t i = 0; i < self->engine->n_nodes; i++) {
        nearest_try(&near, self->engine->nodes[i]->def->name);
        nearest_try(&near, self->engine->nodes[i]->def->op->name);
    }
    if (near.best)
        return err_set(err, "HDE-R020",
                       "no node and no operator of the running graph is called '%s': did you mean "
                       "'%s'?",
                       target, near.best);
    return err_set(err, "HDE-R020", "no node and no operator of the running graph is called '%s'",
                   target);
}

/* The name of a node goes before that of an operator. */
static bool
find_nodes(struct reloader *self, struct attempt *attempt)
{
    const struct engine *engine = self->engine;
    const char *target = attempt->report.target;
    bool is_node = false;

    for (uint32_t i = 0; i < engine->n_nodes; i++)
        is_node |= !strcmp(target, engine->nodes[i]->def->name);
    attempt->swaps = xcalloc(engine->n_nodes, sizeof *attempt->swaps);
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (is_meant(engine->nodes[i], target, is_node))
            attempt->swaps[attempt->n_swaps++].node = engine->nodes[i];
    attempt->report.nodes = attempt->n_swaps;
    return attempt->n_swaps || no_target(self, target, &attempt->report.err);
}

/* ---- Before the swap ---------------------------------------------------------------------- */

static bool
copy_file(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;
    const char *file = attempt->has_file ? report->file : file_of(attempt->swaps[0].node);
    bool is_news = false;

    if (!file)
        return err_set(&report->err, "HDE-R030", "node '%s' was not loaded from a file",
                       attempt->swaps[0].node->def->name);
    attempt->stage =
        stage_new(file, self->engine->options.plugin_folder, report->number, &report->err);
    if (!attempt->stage)
        return false;
    snprintf(report->file, sizeof report->file, "%s", attempt->stage->file);
    snprintf(report->new_build, sizeof report->new_build, "%s", attempt->stage->build_id);
    for (uint32_t i = 0; i < attempt->n_swaps; i++)
        is_news |= strcmp(build_of(attempt->swaps[i].node), attempt->stage->build_id) != 0;
    return is_news || err_set(&report->err, "HDE-R031", "%s: runs already (build %.12s)",
                              report->file, report->new_build);
}

/* Decides what becomes of the state. */
static bool
plan_state(struct attempt *attempt, struct swap *swap, const hde_operator *next)
{
    const hde_operator *now = swap->node->ctx.op;
    struct err *err = &attempt->report.err;
    const char *node = swap->node->def->name;
    const char *file = attempt->report.file;

    if (attempt->drops_state) {
        attempt->report.kept = RELOAD_DROPPED;
        return true;
    }
    if (!now->save) {
        return !(now->poll && now->seek) ||
               err_set(err, "HDE-R023",
                       "%s: source '%s' (%s) cannot save where it stands and would begin anew: "
                       "--drop-state agrees to that",
                       file, node, now->name);
    }
    if (!next->load || next->state_type != now->state_type)
        return err_set(err, "HDE-R023",
                       "%s: this version of %s %s, so node '%s' would lose its state: --drop-state "
                       "agrees to that",
                       file, next->name,
                       next->load ? "keeps state of another message type" : "has no load()", node);
    if (next->state_schema < now->state_schema)
        return err_set(err, "HDE-R024",
                       "%s: this version of %s knows state up to schema %u, node '%s' has schema "
                       "%u: --drop-state agrees to begin anew",
                       file, next->name, next->state_schema, node, now->state_schema);
    swap->keeps_state = true;
    attempt->report.kept = RELOAD_KEPT;
    return true;
}

static bool
prepare_one(struct attempt *attempt, struct swap *swap, const hde_operator *next)
{
    struct node *node = swap->node;
    struct err *err = &attempt->report.err;
    bool is_exclusive = swap_is_exclusive(node->ctx.op, next);

    swap->budget_ns = attempt->budget_ns;
    if (!swap_fits(node, next, attempt->report.file, err) || !plan_state(attempt, swap, next))
        return false;
    swap->next = instance_new(node, next, attempt->stage, err);
    if (!swap->next)
        return err_wrap(err, "%s", attempt->report.file);
    if (!node->instance)
        swap->shell = instance_shell(node);
    if (is_exclusive) {
        swap->spare = instance_new(node, node->ctx.op,
                                   node->instance ? node->instance->stage : NULL, err);
        return swap->spare != NULL;
    }
    return instance_open(swap->next, err) || err_wrap(err, "%s", attempt->report.file);
}

/* Once for every node, with its parameters and, of replicas, the state of the first. */
static bool
try_all(const struct reloader *self, struct attempt *attempt)
{
    if (attempt->skips_trial || !self->engine->options.trial_program)
        return true;
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct node *node = attempt->swaps[i].node;

        if (node->replica == 0 &&
            !trial_run(node, attempt->stage, node->ctx.op->save && !attempt->drops_state,
                       &attempt->report.err))
            return false;
    }
    return true;
}

static bool
prepare(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;

    if (!find_nodes(self, attempt))
        return false;
    snprintf(report->old_build, sizeof report->old_build, "%s", build_of(attempt->swaps[0].node));
    if (!copy_file(self, attempt) || !try_all(self, attempt) ||
        !stage_load(attempt->stage, &report->err))
        return false;
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];
        const hde_operator *next =
            stage_find(attempt->stage, swap->node->def->op->name, &report->err);

        if (!next || !prepare_one(attempt, swap, next))
            return false;
    }
    return true;
}

/* ---- After it ----------------------------------------------------------------------------- */

static const char *
drop_stage(struct stage *stage)
{
    return stage && !stage->users ? stage_free(stage) : NULL;
}

/* Closes what no node runs any more, on the thread that ran it. */
static void
retire(struct reloader *self, struct instance *instance)
{
    if (!instance)
        return;
    if (!instance->is_open || swap_close(instance, reach_ns)) {
        instance_free(instance);
        return;
    }
    self->left = xrealloc(self->left, (self->n_left + 1) * sizeof(struct instance *));
    self->left[self->n_left++] = instance;
}

/* Says in the report what became of the code of the old build. */
static void
retire_all(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;

    snprintf(report->retired, sizeof report->retired, "unloaded");
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct instance *last = attempt->swaps[i].last;
        struct stage *stage = last->stage;
        const char *why;

        instance_free(attempt->swaps[i].spare); /* of the old build too */
        attempt->swaps[i].spare = attempt->swaps[i].last = NULL;
        retire(self, last);
        why = drop_stage(stage);
        if (!stage)
            why = "the graph was loaded with it";
        else if (stage->users)
            why = "other nodes run it";
        if (why)
            snprintf(report->retired, sizeof report->retired, "kept mapped: %s", why);
    }
}

/* What was prepared and not needed. */
static void
clean_up(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        if (swap->next)
            instance_close(swap->next);
        instance_free(swap->next);
        instance_free(swap->spare);
        instance_free(swap->shell);
        if (swap->saved)
            hde_msg_drop(swap->saved);
    }
    free(attempt->swaps);
    attempt->swaps = NULL;
    attempt->n_swaps = 0;
    drop_stage(attempt->stage);
    attempt->stage = NULL;
}

/* ---- The swap ----------------------------------------------------------------------------- */

static bool
run_swap(struct swap *swap)
{
    int64_t end_ns = clock_mono_ns() + reach_ns;

    while (!swap_run(swap, reach_ns)) {
        struct timespec pause = {.tv_nsec = busy_ns};

        if (!swap->is_busy || clock_mono_ns() > end_ns)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* The old version again for a node that was swapped: a fresh instance with the state of now where
 * it can take that, otherwise the old instance with the state from before. */
static void
take_back(struct reloader *self, struct swap *done)
{
    struct node *node = done->node;
    struct instance *old = done->last;
    const hde_operator *now = node->ctx.op;
    struct swap back = {.node = node, .budget_ns = INT64_MAX};
    bool is_exclusive = swap_is_exclusive(now, old->op);
    struct err err = {0};

    back.keeps_state = now->save && old->op->load && old->op->state_type == now->state_type &&
                       old->op->state_schema >= now->state_schema;
    back.next = instance_new(node, old->op, old->stage, &err);
    if (is_exclusive)
        back.spare = instance_new(node, now, node->instance->stage, &err);
    if (!back.next || (is_exclusive ? !back.spare : !instance_open(back.next, &err)) ||
        !run_swap(&back)) {
        struct swap before = {
            .node = node, .budget_ns = INT64_MAX, .next = is_exclusive ? NULL : old};

        if (!is_exclusive && run_swap(&before)) {
            done->last = before.last;
            old = NULL;
        }
    }
    retire(self, back.last);
    if (back.next)
        instance_close(back.next);
    instance_free(back.next);
    instance_free(back.spare);
    if (back.saved)
        hde_msg_drop(back.saved);
    if (old) {
        retire(self, old);
        done->last = NULL;
    } else {
        retire(self, done->last);
        done->last = NULL;
    }
}

/* All nodes or none. */
static bool
swap_all(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;
    uint32_t at = 0;

    while (at < attempt->n_swaps && run_swap(&attempt->swaps[at]))
        at++;
    if (at == attempt->n_swaps)
        return true;
    report->err = attempt->swaps[at].err;
    if (attempt->swaps[at].last) /* exclusive: a fresh instance of the old version runs */
        instance_free(attempt->swaps[at].last);
    attempt->swaps[at].last = NULL;
    while (at-- > 0)
        take_back(self, &attempt->swaps[at]);
    return false;
}

static void
count_end(const struct attempt *attempt, bool ok)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        const struct swap *swap = &attempt->swaps[i];
        struct stats_node *stats = swap->node->stats;

        if (ok) {
            STAT_ADD(stats->reloads, 1);
            STAT_SET(stats->reload_pause_ns, swap->pause_ns);
        } else {
            STAT_ADD(stats->reload_failures, 1);
        }
    }
}

static void
sum_up(struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;

    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        const struct swap *swap = &attempt->swaps[i];

        if (swap->pause_ns > report->pause_ns)
            report->pause_ns = swap->pause_ns;
        if (swap->saved)
            report->state_bytes += protobuf_c_message_get_packed_size(swap->saved->body);
    }
}

static void
work(struct reloader *self, struct attempt *attempt)
{
    bool ok;

    attempt->report.state = RELOAD_WORKING;
    note(self, attempt);
    ok = prepare(self, attempt) && swap_all(self, attempt);
    count_end(attempt, ok);
    if (ok) {
        sum_up(attempt);
        retire_all(self, attempt);
    }
    clean_up(attempt);
    end_report(attempt, ok ? RELOAD_DONE : RELOAD_REFUSED);
    note(self, attempt);
    log_end(self, attempt);
}

/* ---- The thread --------------------------------------------------------------------------- */

static struct attempt *
next_attempt(struct reloader *self)
{
    struct attempt *attempt;

    pthread_mutex_lock(&self->lock);
    while (!self->queue && !self->is_stopping)
        pthread_cond_wait(&self->changed, &self->lock);
    attempt = self->is_stopping ? NULL : self->queue;
    if (attempt) {
        self->queue = attempt->next;
        if (!self->queue)
            self->tail = &self->queue;
    }
    pthread_mutex_unlock(&self->lock);
    return attempt;
}

static void *
run(void *arg)
{
    struct reloader *self = arg;
    struct attempt *attempt;

    pthread_setname_np(pthread_self(), "hde-reload");
    while ((attempt = next_attempt(self))) {
        work(self, attempt);
        free(attempt);
    }
    return NULL;
}

static struct reloader *
reloader_new(struct engine *engine, struct err *err)
{
    struct reloader *self = xcalloc(1, sizeof *self);
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
    err_set(err, "HDE-R004", "no thread for reloads: %s", strerror(failed));
    free(self);
    return NULL;
}

static struct reloader *
reloader_of(struct engine *engine, struct err *err)
{
    struct reloader *self;

    pthread_mutex_lock(&engine->lock);
    if (!engine->reloader)
        engine->reloader = reloader_new(engine, err);
    self = engine->reloader;
    pthread_mutex_unlock(&engine->lock);
    return self;
}

/* ---- Requests ----------------------------------------------------------------------------- */

/* With the lock held: an older request for the same target that waits is not needed any more. */
static void
supersede(struct reloader *self, const char *target, uint64_t number)
{
    struct attempt **at = &self->queue;

    while (*at) {
        struct attempt *attempt = *at;

        if (strcmp(attempt->report.target, target) != 0) {
            at = &attempt->next;
            continue;
        }
        err_set(&attempt->report.err, "HDE-R032", "request %llu for the same target came after it",
                (unsigned long long)number);
        end_report(attempt, RELOAD_SUPERSEDED);
        self->history[attempt->report.number % RELOAD_HISTORY] = attempt->report;
        *at = attempt->next;
        free(attempt);
    }
    self->tail = at;
}

uint64_t
reload_ask(struct engine *engine, const struct reload_ask *ask, struct err *err)
{
    struct reloader *self;
    struct attempt *attempt;
    uint64_t number;

    if (engine_state(engine) != ENGINE_RUNNING || !engine->options.plugin_folder)
        return err_set(err, "HDE-R030", "this graph cannot be reloaded: it %s",
                       engine->options.plugin_folder ? "is not running"
                                                     : "has no folder for plugins"),
               0;
    if (!(self = reloader_of(engine, err)))
        return 0;
    attempt = xcalloc(1, sizeof *attempt);
    attempt->has_file = ask->file != NULL;
    attempt->drops_state = ask->drops_state;
    attempt->skips_trial = ask->skips_trial;
    attempt->budget_ns = ask->budget_ns > 0 ? ask->budget_ns : default_budget_ns;
    attempt->report.asked_ns = clock_real_ns();
    snprintf(attempt->report.target, RELOAD_TARGET, "%s", ask->target);
    snprintf(attempt->report.file, RELOAD_FILE, "%s", ask->file ? ask->file : "");
    pthread_mutex_lock(&self->lock);
    number = attempt->report.number = ++self->last;
    supersede(self, attempt->report.target, number);
    *self->tail = attempt;
    self->tail = &attempt->next;
    self->history[number % RELOAD_HISTORY] = attempt->report;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return number;
}

size_t
reload_reports(struct engine *engine, uint64_t number, struct reload_report *out, size_t max)
{
    struct reloader *self;
    size_t n = 0;

    pthread_mutex_lock(&engine->lock);
    self = engine->reloader;
    pthread_mutex_unlock(&engine->lock);
    if (!self)
        return 0;
    pthread_mutex_lock(&self->lock);
    for (uint64_t i = self->last; i > 0 && i + RELOAD_HISTORY > self->last && n < max; i--)
        if (!number || number == i)
            out[n++] = self->history[i % RELOAD_HISTORY];
    pthread_mutex_unlock(&self->lock);
    return n;
}

/* ---- The end ------------------------------------------------------------------------------ */

void
reload_stop(struct engine *engine)
{
    struct reloader *self = engine->reloader;

    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
}

/* The code of plugins stays mapped: the process is about to end, or something may still be shown of
 * the graph. */
static void
leave(struct instance *instance)
{
    struct stage *stage = instance->stage;

    instance_free(instance);
    if (stage && !stage->users)
        stage_leave(stage);
}

void
reload_free(struct engine *engine)
{
    struct reloader *self = engine->reloader;

    if (!self)
        return;
    for (uint32_t i = 0; i < self->n_left; i++) {
        instance_close(self->left[i]);
        leave(self->left[i]);
    }
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->instance)
            leave(engine->nodes[i]->instance);
    while (self->queue) {
        struct attempt *attempt = self->queue;

        self->queue = attempt->next;
        free(attempt);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->left);
    free(self);
}
