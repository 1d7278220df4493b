/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/reload.h"
#include "base/log.h"
#include "base/nearest.h"
#include "engine/epoch.h"
#include "engine/joint.h"
#include "engine/shadow.h"
#include "engine/swaps.h"
#include "engine/trial.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUEUE = 32 }; /* requests that wait, at most */
static const int64_t reach_ns = 10LL * NS_PER_S;   /* until a node's thread has to answer */
static const int64_t default_budget_ns = 50LL * NS_PER_MS;
static const int64_t joint_ns = 60LL * NS_PER_S;   /* until others that reload with it are ready */
static const int64_t busy_ns = 20LL * NS_PER_MS;   /* until a busy node is asked again */

struct attempt {
    struct attempt *next;
    struct reload_report report;
    bool has_file, drops_state, skips_trial, is_forced;
    bool is_taken; /* from a log: what it tells has been decided */
    struct reloader *owner;
    int64_t budget_ns, probation_ns, shadow_ns;
    double tolerance;
    struct arena arena;
    struct swap_cut cut; /* with an ingress log */
    struct joint *joint; /* NULL: it reloads alone */

    struct stage *stage;
    uint32_t n_swaps, n_swapped;
    bool must_return; /* not all could be swapped */
    int64_t end_ns;   /* of the probation, monotonic */
    struct swap *swaps; /* one for each instance */
};

struct reloader {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t last; /* number given last */
    bool has_news; /* a node has gone back to its old build */
    uint32_t n_queued;
    struct attempt *queue, **tail;
    struct attempt *probations; /* the reload thread's */
    struct attempt *taken;      /* from a log, passed by all their nodes */
    const Hde__LogEntry *entry; /* of a log: to be prepared */
    struct attempt *prepared;   /* of that entry, or why not */
    struct attempt *given;      /* the same, on its way through its nodes */
    struct reload_report history[RELOAD_HISTORY]; /* by number */
    uint32_t n_left;
    struct instance **left; /* their threads did not answer: closed at the end */
};

static void
attempt_free(struct attempt *attempt)
{
    arena_fini(&attempt->arena);
    free(attempt);
}

const char *
reload_state_name(enum reload_state state)
{
    static const char *const names[] = {"waiting",  "working", "probation", "done",
                                        "returned", "refused", "superseded"};

    return names[state];
}

/* ---- Reports ------------------------------------------------------------------------------ */

static void
note(struct reloader *self, const struct attempt *attempt)
{
    struct reload_report *slot = &self->history[attempt->report.number % RELOAD_HISTORY];

    pthread_mutex_lock(&self->lock);
    if (slot->number <= attempt->report.number) /* otherwise it is too old for the history */
        *slot = attempt->report;
    pthread_mutex_unlock(&self->lock);
}

/* With a log the history outlives the process. */
static void
keep_report(const struct reloader *self, const struct reload_report *report)
{
    Hde__KeptReload *kept;

    if (!self->engine->builds)
        return;
    kept = xmalloc(sizeof *kept);
    hde__kept_reload__init(kept);
    kept->has_number = kept->has_state = kept->has_nodes = kept->has_asked_ns = true;
    kept->has_ended_ns = kept->has_pause_ns = kept->has_kept = kept->has_state_bytes = true;
    kept->has_compared = true;
    kept->number = report->number;
    kept->state = report->state;
    kept->target = xstrdup(report->target);
    kept->file = xstrdup(report->file);
    kept->old_build = xstrdup(report->old_build);
    kept->new_build = xstrdup(report->new_build);
    kept->nodes = report->nodes;
    kept->asked_ns = report->asked_ns;
    kept->ended_ns = report->ended_ns;
    kept->pause_ns = report->pause_ns;
    kept->kept = report->kept;
    kept->state_bytes = report->state_bytes;
    kept->compared = report->compared;
    kept->code = xstrdup(report->err.code);
    kept->text = xstrdup(report->err.text);
    builds_add_reload(self->engine->builds, kept, RELOAD_HISTORY);
}

static void
read_report(void *arg, const Hde__KeptReload *kept)
{
    struct reloader *self = arg;
    struct reload_report *report = &self->history[kept->number % RELOAD_HISTORY];

    *report = (struct reload_report){.number = kept->number,
                                     .state = kept->state == RELOAD_PROBATION
                                                  ? RELOAD_DONE /* of a start that is over */
                                                  : (enum reload_state)kept->state,
                                     .nodes = kept->nodes,
                                     .asked_ns = kept->asked_ns,
                                     .ended_ns = kept->ended_ns,
                                     .pause_ns = kept->pause_ns,
                                     .kept = (enum reload_kept)kept->kept,
                                     .state_bytes = kept->state_bytes,
                                     .compared = kept->compared};
    snprintf(report->target, sizeof report->target, "%s", kept->target);
    snprintf(report->file, sizeof report->file, "%s", kept->file);
    snprintf(report->old_build, sizeof report->old_build, "%s", kept->old_build);
    snprintf(report->new_build, sizeof report->new_build, "%s", kept->new_build);
    if (*kept->code)
        err_set(&report->err, kept->code, "%s", kept->text);
    if (kept->number > self->last)
        self->last = kept->number;
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

    if (report->state == RELOAD_DONE || report->state == RELOAD_PROBATION)
        log_line(LEVEL_INFO, graph, NULL,
                 report->state == RELOAD_DONE ? "reload.done" : "reload.probation",
                 "%s: %u nodes run build %.12s in place of %.12s: state %s; stood still for %.3f "
                 "ms; old build %s",
                 report->target, report->nodes, report->new_build, report->old_build,
                 kept_text(report, kept, sizeof kept), (double)report->pause_ns / NS_PER_MS,
                 report->state == RELOAD_DONE ? report->retired : "kept for the probation");
    else
        log_line(LEVEL_ERROR, graph, NULL,
                 report->state == RELOAD_RETURNED ? "reload.returned" : "reload.refused",
                 "%s: build %.12s goes on: %s: %s", report->target, report->old_build,
                 report->err.code, report->err.text);
}

/* ---- Which nodes -------------------------------------------------------------------------- */

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
may_load(const struct reloader *self, struct attempt *attempt)
{
    struct builds *builds = self->engine->builds;
    const char *id = attempt->stage->build_id;

    if (!builds || !builds_is_blocked(builds, id))
        return true;
    if (attempt->is_forced)
        return builds_unblock(builds, id, &attempt->report.err);
    return err_set(&attempt->report.err, "HDE-R043",
                   "%s: build %.12s is blocked, it crashed: 'hde reload --status' tells how; "
                   "--force loads it all the same",
                   attempt->report.file, id);
}

static bool
copy_file(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;
    const char *file = attempt->has_file ? report->file : node_file(attempt->swaps[0].node);
    bool is_news = false;

    if (!file)
        return err_set(&report->err, "HDE-R030", "node '%s' was not loaded from a file",
                       attempt->swaps[0].node->def->name);
    attempt->stage = stage_new(file, self->engine->options.plugin_folder, &report->err);
    if (!attempt->stage)
        return false;
    snprintf(report->file, sizeof report->file, "%s", attempt->stage->file);
    snprintf(report->new_build, sizeof report->new_build, "%s", attempt->stage->build_id);
    for (uint32_t i = 0; i < attempt->n_swaps; i++)
        is_news |= strcmp(node_build(attempt->swaps[i].node), attempt->stage->build_id) != 0;
    if (!may_load(self, attempt))
        return false;
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

/* On the thread of a node. */
static void
tell_news(void *arg)
{
    struct reloader *self = arg;

    pthread_mutex_lock(&self->lock);
    self->has_news = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static bool
prepare_one(struct reloader *self, struct attempt *attempt, struct swap *swap,
            const hde_operator *next)
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
    if (!attempt->cut.open_ns)
        attempt->cut.open_ns = swap->next->ctx.now_ns;
    swap->next->ctx.now_ns = swap->next->ctx.event_ns = attempt->cut.open_ns;
    if (!node->instance)
        swap->shell = instance_shell(node);
    swap->has_probation |=
        !attempt->is_taken && (attempt->probation_ns > 0 || attempt->n_swaps > 1);
    if (is_exclusive || swap->has_probation) {
        swap->spare = instance_new(node, node->ctx.op,
                                   node->instance ? node->instance->stage : NULL, err);
        if (!swap->spare || (!is_exclusive && !instance_open(swap->spare, err)))
            return false;
    }
    swap->tell = tell_news;
    swap->arg = self;
    return is_exclusive || instance_open(swap->next, err) ||
           err_wrap(err, "%s", attempt->report.file);
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

/* Opens the build, and an instance for each node. */
static bool
load_all(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;

    if (!stage_load(attempt->stage, &report->err))
        return false;
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];
        const hde_operator *next = swap_operator(attempt->stage, swap->node, &report->err);

        if (!next || !prepare_one(self, attempt, swap, next))
            return false;
    }
    return true;
}

/* What the entry of the swap says. The file is kept before it is named. */
static bool
prepare_entry(struct reloader *self, struct attempt *attempt)
{
    struct swap_cut *cut = &attempt->cut;
    struct err *err = &attempt->report.err;
    const struct stage *stage = attempt->stage;
    const char **names = arena_alloc(&attempt->arena, attempt->n_swaps * sizeof *names);
    const char *own = attempt->swaps[0].node->def->plugin_path;

    if (!builds_keep(self->engine->builds, stage->path, stage->file,
                     own && !strcmp(own, stage->file), stage->build_id, err) ||
        !builds_find(self->engine->builds, stage->build_id, &attempt->arena, &cut->build, err))
        return false;
    for (uint32_t i = 0; i < attempt->n_swaps; i++)
        if (attempt->swaps[i].node->replica == 0)
            names[cut->n_nodes++] = attempt->swaps[i].node->def->name;
    cut->nodes = names;
    cut->target = attempt->report.target;
    cut->drops_state = attempt->drops_state;
    cut->probation_ns = attempt->probation_ns;
    cut->young_until_ns = swaps_young_until(clock_real_ns(), attempt->probation_ns);
    return true;
}

static bool
prepare(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;

    snprintf(report->old_build, sizeof report->old_build, "%s", node_build(attempt->swaps[0].node));
    return copy_file(self, attempt) && try_all(self, attempt) && load_all(self, attempt) &&
           (!self->engine->swaps || prepare_entry(self, attempt));
}

/* ---- After it ----------------------------------------------------------------------------- */

/* One that no node has ever run. */
static void
discard(struct instance *instance)
{
    if (!instance)
        return;
    instance_close(instance);
    instance_free(instance);
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

/* Says in the report what became of code that is not needed any more. */
static void
note_code(struct reload_report *report, struct stage *stage)
{
    const char *why = NULL;

    if (!stage)
        why = "the graph was loaded with it";
    else if (stage->users)
        why = "other nodes run it";
    else
        why = stage_free(stage);
    if (why)
        snprintf(report->retired, sizeof report->retired, "kept mapped: %s", why);
}

static bool
is_known(struct stage *const *stages, uint32_t n, const struct stage *stage)
{
    for (uint32_t i = 0; i < n; i++)
        if (stages[i] == stage)
            return true;
    return false;
}

/* Everything but what the nodes run now; the code is that of the old build, or after a return that
 * of the one that failed. */
static void
retire_all(struct reloader *self, struct attempt *attempt, bool is_back)
{
    struct stage **stages = xcalloc(attempt->n_swaps + 1, sizeof(struct stage *));
    uint32_t n = 0;

    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        if (!is_back && swap->last && !is_known(stages, n, swap->last->stage))
            stages[n++] = swap->last->stage;
        discard(swap->next);
        retire(self, swap->spare);
        retire(self, swap->last);
        retire(self, swap->failed);
        swap->next = swap->spare = swap->last = swap->failed = NULL;
    }
    snprintf(attempt->report.retired, sizeof attempt->report.retired, "unloaded");
    for (uint32_t i = 0; i < n; i++)
        note_code(&attempt->report, stages[i]);
    if (is_back) {
        note_code(&attempt->report, attempt->stage);
        attempt->stage = NULL;
    }
    free(stages);
}

/* What was prepared and not needed. */
static void
clean_up(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        discard(swap->next);
        discard(swap->spare);
        instance_free(swap->shell);
        if (swap->saved)
            hde_msg_drop(swap->saved);
    }
    free(attempt->swaps);
    attempt->swaps = NULL;
    attempt->n_swaps = 0;
    if (attempt->stage && !attempt->stage->users)
        stage_free(attempt->stage);
    attempt->stage = NULL;
}

/* ---- A shadow ----------------------------------------------------------------------------- */

struct beside { /* one for each node */
    struct instance *instance;
    struct shadow *shadow;
};

static bool
begin_beside(struct attempt *attempt, struct beside *beside)
{
    struct err *err = &attempt->report.err;

    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        const struct swap *swap = &attempt->swaps[i];

        beside[i].instance = instance_new(swap->node, swap->next->op, attempt->stage, err);
        if (beside[i].instance)
            beside[i].shadow = shadow_begin(swap->node, beside[i].instance, swap->keeps_state,
                                            attempt->tolerance, err);
        if (!beside[i].shadow)
            return false;
    }
    return true;
}

static bool
is_stopping(struct reloader *self)
{
    bool stops;

    pthread_mutex_lock(&self->lock);
    stops = self->is_stopping;
    pthread_mutex_unlock(&self->lock);
    return stops || engine_state(self->engine) != ENGINE_RUNNING;
}

static bool
watch_beside(struct reloader *self, struct attempt *attempt, const struct beside *beside)
{
    int64_t end_ns = clock_mono_ns() + attempt->shadow_ns;
    struct err *err = &attempt->report.err;

    do {
        nanosleep(&(struct timespec){.tv_nsec = busy_ns}, NULL);
        for (uint32_t i = 0; i < attempt->n_swaps; i++)
            if (!shadow_run(beside[i].shadow, err))
                return false;
        if (is_stopping(self))
            return err_set(err, "HDE-R030", "the graph ended before the shadow had run its time");
    } while (clock_mono_ns() < end_ns);
    return true;
}

/* The new build runs beside the old one for its time; the swap comes only when they agree. */
static bool
shadow_all(struct reloader *self, struct attempt *attempt)
{
    struct beside *beside = xcalloc(attempt->n_swaps, sizeof *beside);
    struct reload_report *report = &attempt->report;
    bool ok;

    report->until_ns = clock_real_ns() + attempt->shadow_ns;
    note(self, attempt);
    ok = begin_beside(attempt, beside) && watch_beside(self, attempt, beside);
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        if (beside[i].shadow) {
            report->compared += shadow_compared(beside[i].shadow);
            shadow_end(beside[i].shadow);
        }
        discard(beside[i].instance);
    }
    free(beside);
    return ok && (report->compared ||
                  err_set(&report->err, "HDE-R044",
                          "nothing came out in the time of the shadow, so nothing was compared"));
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

/* Nodes that barriers reach change over in the tick of the entry. */
static bool
is_in_order(const struct attempt *attempt)
{
    const struct node *node = attempt->swaps[0].node;

    return node->engine->swaps && !node->source && epochs_reach(node->actor);
}

static bool
swap_in_order(struct attempt *attempt)
{
    struct engine *engine = attempt->swaps[0].node->engine;
    struct err *err = &attempt->report.err;

    attempt->cut.swaps = attempt->swaps;
    attempt->cut.n = attempt->n_swaps;
    if (!swaps_run(engine, &attempt->cut, reach_ns, err)) {
        attempt->n_swapped = attempt->cut.is_claimed ? attempt->n_swaps : 0;
        return false;
    }
    attempt->n_swapped = attempt->n_swaps;
    for (uint32_t i = 0; i < attempt->n_swaps; i++)
        if (!attempt->swaps[i].took)
            *err = attempt->swaps[i].err;
    return !err_is_set(err);
}

/* The others have changed over, and the log is told. */
static bool
note_entry(struct attempt *attempt)
{
    struct engine *engine = attempt->swaps[0].node->engine;

    return !engine->swaps || swaps_run(engine, &attempt->cut, reach_ns, &attempt->report.err);
}

/* That they have gone back: in order that is a decision of the node. */
static void
note_return(const struct reloader *self, struct attempt *attempt)
{
    struct swap_cut cut = attempt->cut;
    struct err err = {0};

    if (!cut.position || is_in_order(attempt))
        return;
    cut.probation_ns = 0;
    cut.tick = cut.position = 0;
    cut.is_claimed = cut.is_done = false;
    if (!builds_find(self->engine->builds, attempt->report.old_build, &attempt->arena, &cut.build,
                     &err) ||
        !swaps_run(self->engine, &cut, reach_ns, &err))
        log_line(LEVEL_WARN, self->engine->graph->name, NULL, "reload.not-noted",
                 "%s: after a restart build %.12s runs again: %s", attempt->report.target,
                 attempt->report.new_build, err.text);
}

static bool
swap_all(struct attempt *attempt)
{
    if (is_in_order(attempt))
        return swap_in_order(attempt);
    while (attempt->n_swapped < attempt->n_swaps && run_swap(&attempt->swaps[attempt->n_swapped]))
        attempt->n_swapped++;
    if (attempt->n_swapped == attempt->n_swaps)
        return note_entry(attempt);
    attempt->report.err = attempt->swaps[attempt->n_swapped].err;
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
        struct swap *swap = &attempt->swaps[i];

        if (swap->pause_ns > report->pause_ns)
            report->pause_ns = swap->pause_ns;
        if (!swap->saved)
            continue;
        report->state_bytes += protobuf_c_message_get_packed_size(swap->saved->body);
        hde_msg_drop(swap->saved);
        swap->saved = NULL;
    }
}

/* ---- The end of an attempt ---------------------------------------------------------------- */

static void
finish(struct reloader *self, struct attempt *attempt, enum reload_state state)
{
    if (state != RELOAD_DONE && !attempt->is_taken)
        count_end(attempt, false);
    clean_up(attempt);
    end_report(attempt, state);
    if (attempt->cut.position)
        builds_named(self->engine->builds, attempt->cut.build.id, attempt->cut.position);
    if (attempt->report.number) { /* otherwise nobody asked for it in this run */
        note(self, attempt);
        log_end(self, attempt);
        keep_report(self, &attempt->report);
    }
    attempt_free(attempt);
}

/* A node that has gone back by itself. */
static const struct swap *
returned(const struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swapped; i++)
        if (atomic_load(&attempt->swaps[i].has_returned))
            return &attempt->swaps[i];
    return NULL;
}

/* Every node that was swapped; false: one was not reached. */
static bool
reach_all(struct attempt *attempt, bool (*reach)(struct swap *swap, int64_t timeout_ns))
{
    for (uint32_t i = 0; i < attempt->n_swapped; i++)
        if (attempt->swaps[i].has_probation && !reach(&attempt->swaps[i], reach_ns))
            return false;
    return true;
}

/* All nodes keep the new build, or all have the old one again. False: a node was not reached; the
 * attempt waits for another try. */
static bool
end_probation(struct reloader *self, struct attempt *attempt)
{
    static const int64_t again_ns = NS_PER_S;
    enum reload_state state = RELOAD_DONE;
    bool ok = true;

    if (!attempt->must_return && !returned(attempt))
        ok = reach_all(attempt, swap_commit);
    if (attempt->must_return || returned(attempt)) {
        state = attempt->must_return ? RELOAD_REFUSED : RELOAD_RETURNED;
        ok = reach_all(attempt, swap_return);
    }
    if (!ok) {
        attempt->end_ns = clock_mono_ns() + again_ns;
        attempt->next = self->probations;
        self->probations = attempt;
        return false;
    }
    if (state == RELOAD_RETURNED)
        attempt->report.err = returned(attempt)->err;
    if (state != RELOAD_DONE)
        note_return(self, attempt);
    retire_all(self, attempt, state != RELOAD_DONE);
    finish(self, attempt, state);
    return true;
}

static bool
shares_node(const struct attempt *a, const struct attempt *b)
{
    for (uint32_t i = 0; i < a->n_swaps; i++)
        for (uint32_t k = 0; b && k < b->n_swaps; k++)
            if (a->swaps[i].node == b->swaps[k].node)
                return true;
    return false;
}

/* What the log tells happens where it says so. */
static bool
has_all_returns(const struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        const struct swap *swap = &attempt->swaps[i];

        if (swap->has_place && swap->took && !atomic_load(&swap->has_returned))
            return false;
    }
    return true;
}

static bool
may_end(const struct reloader *self, const struct attempt *attempt)
{
    if (!has_all_returns(attempt))
        return false;
    return returned(attempt) ||
           (!atomic_load(&self->engine->recovering) && attempt->end_ns <= clock_mono_ns());
}

/* Ends the probations whose time is over or that have failed, and those of nodes that `next` (may
 * be NULL) is about. False: one of those could not be ended. */
static bool
end_probations(struct reloader *self, const struct attempt *next)
{
    struct attempt *attempt = self->probations;
    bool ok = true;

    self->probations = NULL;
    while (attempt) {
        struct attempt *rest = attempt->next;
        bool is_in_the_way = shares_node(attempt, next);

        if (is_in_the_way || may_end(self, attempt)) {
            ok &= end_probation(self, attempt) || !is_in_the_way;
        } else {
            attempt->next = self->probations;
            self->probations = attempt;
        }
        attempt = rest;
    }
    return ok;
}

static void
begin_probation(struct reloader *self, struct attempt *attempt)
{
    attempt->end_ns = clock_mono_ns() + attempt->probation_ns;
    attempt->report.state = RELOAD_PROBATION;
    attempt->report.until_ns = clock_real_ns() + attempt->probation_ns;
    attempt->next = self->probations;
    self->probations = attempt;
    note(self, attempt);
    log_end(self, attempt);
    keep_report(self, &attempt->report);
}

/* ---- Taken from a log --------------------------------------------------------------------- */

static struct node *
node_called(const struct engine *engine, const char *name, uint32_t replica)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->replica == replica && !strcmp(engine->nodes[i]->def->name, name))
            return engine->nodes[i];
    return NULL;
}

static bool
find_taken(struct attempt *attempt, const Hde__LogEntry *entry)
{
    const struct engine *engine = attempt->owner->engine;
    const Hde__LogSwap *swap = entry->swap;

    attempt->swaps = xcalloc(engine->n_nodes, sizeof *attempt->swaps);
    for (size_t i = 0; i < swap->n_nodes && !builds_is_void(engine->builds, entry->tick); i++) {
        struct node *node = node_called(engine, swap->nodes[i], 0);

        if (!node)
            return err_set(&attempt->report.err, "HDE-R012", "this graph has no '%s'",
                           swap->nodes[i]);
        for (uint32_t r = 0; node; node = node_called(engine, swap->nodes[i], ++r))
            if (!node->is_left_out && !node->source && epochs_reach(node->actor))
                attempt->swaps[attempt->n_swaps++].node = node;
    }
    attempt->report.nodes = attempt->n_swapped = attempt->n_swaps;
    return true;
}

/* A probation that a crash has cut short goes on. */
static void
plan_returns(struct attempt *attempt, const Hde__LogEntry *entry)
{
    const struct engine *engine = attempt->owner->engine;
    int64_t left_ns = entry->time_ns + entry->swap->probation_ns - clock_real_ns();
    bool is_young = !engine->is_taking && entry->swap->probation_ns > 0 && left_ns > 0;

    attempt->end_ns = clock_mono_ns() + (is_young ? left_ns : 0);
    attempt->report.until_ns = clock_real_ns() + left_ns;
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        swap->has_place = swaps_place(engine->swaps, swap->node, entry->tick, &swap->place);
        swap->has_probation = is_young || swap->has_place;
    }
}

static bool
prepare_taken(struct attempt *attempt, const Hde__LogEntry *entry)
{
    struct reloader *self = attempt->owner;
    struct reload_report *report = &attempt->report;
    const char *id = entry->swap->build_id;

    if (!builds_find(self->engine->builds, id, &attempt->arena, &attempt->cut.build, &report->err))
        return false;
    if (entry->swap->crc != attempt->cut.build.crc || entry->swap->size != attempt->cut.build.size)
        return err_set(&report->err, "HDE-R040", "'%s' is not the file that ran",
                       attempt->cut.build.path);
    snprintf(report->file, sizeof report->file, "%s", attempt->cut.build.origin);
    snprintf(report->new_build, sizeof report->new_build, "%s", id);
    snprintf(report->old_build, sizeof report->old_build, "%s", node_build(attempt->swaps[0].node));
    attempt->stage = stage_again(attempt->cut.build.path, attempt->cut.build.origin,
                                 self->engine->options.plugin_folder, &report->err);
    if (!attempt->stage)
        return false;
    plan_returns(attempt, entry);
    return load_all(self, attempt);
}

/* On the thread of the last node that has passed. */
static void
pass_on(void *arg)
{
    struct attempt *attempt = arg;
    struct reloader *self = attempt->owner;

    pthread_mutex_lock(&self->lock);
    self->given = NULL;
    attempt->next = self->taken;
    self->taken = attempt;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static struct attempt *
prepare_entry_again(struct reloader *self, const Hde__LogEntry *entry)
{
    struct attempt *attempt = xcalloc(1, sizeof *attempt);
    const char *target = entry->swap->target ? entry->swap->target : "?";

    attempt->owner = self;
    attempt->is_taken = true;
    attempt->drops_state = entry->swap->drops_state;
    attempt->budget_ns = INT64_MAX;
    attempt->cut.open_ns = entry->swap->open_ns;
    snprintf(attempt->report.target, RELOAD_TARGET, "%s", target);
    if (!find_taken(attempt, entry) || (attempt->n_swaps && !prepare_taken(attempt, entry)))
        err_wrap(&attempt->report.err, "tick %llu: the swap of '%s' cannot be made again",
                 (unsigned long long)entry->tick, target);
    attempt->cut.swaps = attempt->swaps;
    attempt->cut.n = attempt->n_swaps;
    attempt->cut.done = pass_on;
    attempt->cut.arg = attempt;
    return attempt;
}

/* What the sequencing worker waits for. */
static void
prepare_next(struct reloader *self)
{
    const Hde__LogEntry *entry;
    struct attempt *attempt;

    pthread_mutex_lock(&self->lock);
    entry = self->entry;
    pthread_mutex_unlock(&self->lock);
    if (!entry)
        return;
    attempt = prepare_entry_again(self, entry);
    pthread_mutex_lock(&self->lock);
    self->entry = NULL;
    self->prepared = attempt;
    pthread_mutex_unlock(&self->lock);
    full_fence();
    worker_wake_if_parked(self->engine->first);
}

static bool
is_on_probation(const struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++)
        if (attempt->swaps[i].has_probation)
            return true;
    return false;
}

static void
show_probation(struct reloader *self, struct attempt *attempt)
{
    pthread_mutex_lock(&self->lock);
    attempt->report.number = ++self->last;
    pthread_mutex_unlock(&self->lock);
    attempt->report.state = RELOAD_PROBATION;
    note(self, attempt);
}

static void
adopt(struct reloader *self, struct attempt *taken)
{
    while (taken) {
        struct attempt *rest = taken->next;

        sum_up(taken);
        if (!is_on_probation(taken)) {
            retire_all(self, taken, false);
            finish(self, taken, RELOAD_DONE);
        } else {
            if (!taken->swaps[0].has_place)
                show_probation(self, taken);
            taken->next = self->probations;
            self->probations = taken;
        }
        taken = rest;
    }
}

/* What was taken from the log, and has passed, goes before a request that came after it. */
static void
adopt_passed(struct reloader *self)
{
    struct attempt *taken;

    pthread_mutex_lock(&self->lock);
    taken = self->taken;
    self->taken = NULL;
    pthread_mutex_unlock(&self->lock);
    adopt(self, taken);
}

static bool
make_way(struct reloader *self, struct attempt *attempt)
{
    return end_probations(self, attempt) ||
           err_set(&attempt->report.err, "HDE-R030",
                   "the probation of the reload before this one cannot be ended: a node does not "
                   "answer");
}

/* Whoever reloads with it, in other parts and on other hosts, is as far. */
static bool
all_agree(struct reloader *self, struct attempt *attempt, bool ok)
{
    int64_t end_ns = clock_mono_ns() + attempt->shadow_ns + joint_ns;
    struct err *err = &attempt->report.err;

    if (!attempt->joint || joint_agree(attempt->joint, self->engine, ok, end_ns, err))
        return ok;
    if (!err_is_set(err))
        err_set(err, "HDE-R216", "it is not reloaded elsewhere");
    return false;
}

static void
carry_out(struct reloader *self, struct attempt *attempt)
{
    attempt->report.state = RELOAD_WORKING;
    note(self, attempt);
    if (!all_agree(self, attempt,
                   find_nodes(self, attempt) && make_way(self, attempt) && prepare(self, attempt) &&
                       (!attempt->shadow_ns || shadow_all(self, attempt)))) {
        finish(self, attempt, RELOAD_REFUSED);
        return;
    }
    attempt->must_return = !all_agree(self, attempt, swap_all(attempt));
    adopt_passed(self);
    if (!attempt->must_return) {
        count_end(attempt, true);
        sum_up(attempt);
        if (attempt->probation_ns) {
            begin_probation(self, attempt);
            return;
        }
    }
    end_probation(self, attempt);
}

static void
work(struct reloader *self, struct attempt *attempt)
{
    struct joint *joint = attempt->joint;

    carry_out(self, attempt);
    if (joint)
        joint_over(joint);
}

/* ---- The thread --------------------------------------------------------------------------- */

static void
wait_for(struct reloader *self, int64_t wait_ns)
{
    int64_t at_ns = clock_real_ns() + wait_ns;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    pthread_cond_timedwait(&self->changed, &self->lock, &at);
}

/* With the lock held. Requests wait until the log has been taken. */
static bool
has_request(const struct reloader *self)
{
    return self->queue && !atomic_load(&self->engine->recovering);
}

static bool
has_work(const struct reloader *self)
{
    return has_request(self) || self->taken || self->entry || self->has_news || self->is_stopping;
}

/* Until there is a request, a node that has gone back, a log that is taken, or a second over while
 * something is on probation. False: the end. *out and *taken may be NULL. */
static bool
wait_for_work(struct reloader *self, struct attempt **out, struct attempt **taken)
{
    bool goes_on;

    pthread_mutex_lock(&self->lock);
    if (self->probations && !has_work(self))
        wait_for(self, NS_PER_S);
    while (!self->probations && !has_work(self)) {
        if (self->queue)
            wait_for(self, 20 * NS_PER_MS);
        else
            pthread_cond_wait(&self->changed, &self->lock);
    }
    *out = has_request(self) ? self->queue : NULL;
    if (*out) {
        self->n_queued--;
        self->queue = (*out)->next;
        if (!self->queue)
            self->tail = &self->queue;
        (*out)->next = NULL;
    }
    *taken = self->taken;
    self->taken = NULL;
    self->has_news = false;
    goes_on = !self->is_stopping;
    if (!goes_on && *out)
        attempt_free(*out);
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

static void *
run(void *arg)
{
    struct reloader *self = arg;
    struct attempt *attempt, *taken;
    bool goes_on = true;

    pthread_setname_np(pthread_self(), "hde-reload");
    while (goes_on) {
        goes_on = wait_for_work(self, &attempt, &taken);
        adopt(self, taken);
        if (!goes_on)
            break;
        pthread_mutex_lock(&self->engine->changing);
        prepare_next(self);
        end_probations(self, NULL);
        if (attempt)
            work(self, attempt);
        pthread_mutex_unlock(&self->engine->changing);
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
    if (engine->builds)
        builds_each_reload(engine->builds, read_report, self);
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

struct swap_cut *
reload_take(struct engine *engine, const Hde__LogEntry *entry, struct err *err)
{
    struct reloader *self = reloader_of(engine, err);
    struct attempt *attempt;

    if (!self)
        return NULL;
    pthread_mutex_lock(&self->lock);
    attempt = self->prepared;
    self->prepared = NULL;
    if (attempt && !err_is_set(&attempt->report.err))
        self->given = attempt;
    if (!attempt && !self->entry) {
        self->entry = entry;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    if (!attempt)
        return NULL;
    if (!err_is_set(&attempt->report.err))
        return &attempt->cut;
    *err = attempt->report.err;
    clean_up(attempt);
    attempt_free(attempt);
    return NULL;
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
        if (attempt->joint) {
            joint_refuse(attempt->joint, self->engine, &attempt->report.err);
            joint_over(attempt->joint);
        }
        *at = attempt->next;
        self->n_queued--;
        attempt_free(attempt);
    }
    self->tail = at;
}

/* With the lock held. 0: too many wait. */
static uint64_t
enqueue(struct reloader *self, struct attempt *taken)
{
    taken->report.number = self->last + 1;
    supersede(self, taken->report.target, taken->report.number);
    if (self->n_queued == QUEUE)
        return 0;
    self->last++;
    *self->tail = taken;
    self->tail = &taken->next;
    self->n_queued++;
    self->history[taken->report.number % RELOAD_HISTORY] = taken->report;
    pthread_cond_broadcast(&self->changed);
    return taken->report.number;
}

/* 0 for what makes no sense. */
static int64_t
to_ns(double seconds)
{
    return seconds > 0 && seconds < 1e6 ? (int64_t)(seconds * 1e9) : 0;
}

struct reload_ask
reload_ask_of(const Hde__ControlReload *said)
{
    return (struct reload_ask){.target = said->target,
                               .file = said->file,
                               .drops_state = said->drop_state,
                               .skips_trial = said->skip_trial,
                               .is_forced = said->force,
                               .shadow_ns = to_ns(said->shadow_seconds),
                               .tolerance = said->tolerance,
                               .probation_ns = to_ns(said->probation_seconds),
                               .budget_ns = to_ns(said->budget_seconds)};
}

int64_t
reload_timeout_ns(const Hde__ControlReload *said)
{
    return to_ns(said->shadow_seconds) + joint_ns;
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
    if (engine->is_taking)
        return err_set(err, "HDE-R030",
                       "this graph cannot be reloaded: a log is given again, with the builds that "
                       "ran"),
               0;
    if (atomic_load(&engine->recovering))
        return err_set(err, "HDE-R030",
                       "this graph cannot be reloaded yet: it takes its log again; ask when it is "
                       "ready"),
               0;
    if (!(self = reloader_of(engine, err)))
        return 0;
    attempt = xcalloc(1, sizeof *attempt);
    attempt->has_file = ask->file != NULL;
    attempt->drops_state = ask->drops_state;
    attempt->skips_trial = ask->skips_trial;
    attempt->is_forced = ask->is_forced;
    attempt->shadow_ns = ask->shadow_ns;
    attempt->tolerance = ask->tolerance;
    attempt->probation_ns = ask->probation_ns > 0 ? ask->probation_ns : 0;
    attempt->budget_ns = ask->budget_ns > 0 ? ask->budget_ns : default_budget_ns;
    attempt->joint = ask->joint;
    attempt->report.asked_ns = clock_real_ns();
    snprintf(attempt->report.target, RELOAD_TARGET, "%s", ask->target);
    snprintf(attempt->report.file, RELOAD_FILE, "%s", ask->file ? ask->file : "");
    pthread_mutex_lock(&self->lock);
    number = enqueue(self, attempt);
    pthread_mutex_unlock(&self->lock);
    if (number)
        return number;
    attempt_free(attempt);
    return err_set(err, "HDE-R030", "%d reloads wait already", QUEUE), 0;
}

size_t
reload_reports(struct engine *engine, uint64_t number, struct reload_report *out, size_t max)
{
    struct reloader *self;
    size_t n = 0;

    struct err err = {0};

    pthread_mutex_lock(&engine->lock);
    self = engine->reloader;
    pthread_mutex_unlock(&engine->lock);
    if (!self && engine->builds) /* earlier starts may have had reloads */
        self = reloader_of(engine, &err);
    if (!self)
        return 0;
    pthread_mutex_lock(&self->lock);
    for (uint64_t i = self->last; i > 0 && i + RELOAD_HISTORY > self->last && n < max; i--)
        if (!number || number == i)
            out[n++] = self->history[i % RELOAD_HISTORY];
    pthread_mutex_unlock(&self->lock);
    return n;
}

size_t
reload_blocked(struct engine *engine, struct arena *arena, const struct blocked **out)
{
    *out = NULL;
    return engine->builds ? builds_blocked(engine->builds, arena, out) : 0;
}

/* ---- Changes of the graph ----------------------------------------------------------------- */

bool
reload_is_on_probation(const struct engine *engine)
{
    return engine->reloader && engine->reloader->probations;
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
    struct stage *stage;

    if (!instance)
        return;
    stage = instance->stage;
    if (instance->state)
        instance_close(instance);
    instance_free(instance);
    if (stage && !stage->users)
        stage_leave(stage);
}

static void
leave_all(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        leave(swap->next);
        leave(swap->spare);
        leave(swap->last);
        leave(swap->failed);
        instance_free(swap->shell);
        if (swap->saved)
            hde_msg_drop(swap->saved);
    }
    free(attempt->swaps);
    attempt_free(attempt);
}

/* What the nodes ran at the end: closed, without a state of its own. */
void
reload_forget(struct node *node)
{
    leave(node->instance);
    node->instance = NULL;
}

static void
leave_running(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        reload_forget(engine->nodes[i]);
}

void
reload_free(struct engine *engine)
{
    struct reloader *self = engine->reloader;

    if (!self) {
        leave_running(engine);
        return;
    }
    for (uint32_t i = 0; i < self->n_left; i++)
        leave(self->left[i]);
    while (self->probations) {
        struct attempt *attempt = self->probations;

        self->probations = attempt->next;
        leave_all(attempt);
    }
    while (self->taken) {
        struct attempt *attempt = self->taken;

        self->taken = attempt->next;
        leave_all(attempt);
    }
    if (self->prepared)
        leave_all(self->prepared);
    if (self->given) /* the graph has ended in the middle of it */
        leave_all(self->given);
    leave_running(engine);
    while (self->queue) {
        struct attempt *attempt = self->queue;

        self->queue = attempt->next;
        attempt_free(attempt);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->left);
    free(self);
}
