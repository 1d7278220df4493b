/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attempt.h"

#include "base/nearest.h"
#include "engine/swaps.h"
#include "engine/trial.h"

#include <stdio.h>
#include <stdlib.h>

void
attempt_free(struct attempt *attempt)
{
    arena_fini(&attempt->arena);
    free(attempt);
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
bool
attempt_find(struct reloader *self, struct attempt *attempt)
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
        swap->spare =
            instance_new(node, node->ctx.op, node->instance ? node->instance->stage : NULL, err);
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
bool
attempt_load(struct reloader *self, struct attempt *attempt)
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

bool
attempt_prepare(struct reloader *self, struct attempt *attempt)
{
    struct reload_report *report = &attempt->report;

    snprintf(report->old_build, sizeof report->old_build, "%s", node_build(attempt->swaps[0].node));
    return copy_file(self, attempt) && try_all(self, attempt) && attempt_load(self, attempt) &&
           (!self->engine->swaps || prepare_entry(self, attempt));
}

/* ---- After it ----------------------------------------------------------------------------- */

void
attempt_discard(struct instance *instance)
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
    if (!instance->is_open || swap_close(instance, REACH_NS)) {
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
void
attempt_retire(struct reloader *self, struct attempt *attempt, bool is_back)
{
    struct stage **stages = xcalloc(attempt->n_swaps + 1, sizeof(struct stage *));
    uint32_t n = 0;

    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        if (!is_back && swap->last && !is_known(stages, n, swap->last->stage))
            stages[n++] = swap->last->stage;
        attempt_discard(swap->next);
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

void
attempt_clean(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        attempt_discard(swap->next);
        attempt_discard(swap->spare);
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
