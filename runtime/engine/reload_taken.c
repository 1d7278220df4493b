/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/attempt.h"
#include "engine/epoch.h"
#include "engine/swaps.h"

#include <stdio.h>
#include <stdlib.h>

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
    return attempt_load(self, attempt);
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

void
taken_prepare(struct reloader *self)
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
    reload_note(self, attempt);
}

void
taken_adopt(struct reloader *self, struct attempt *taken)
{
    while (taken) {
        struct attempt *rest = taken->next;

        attempt_sum(taken);
        if (!is_on_probation(taken)) {
            attempt_retire(self, taken, false);
            attempt_finish(self, taken, RELOAD_DONE);
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
void
taken_adopt_passed(struct reloader *self)
{
    struct attempt *taken;

    pthread_mutex_lock(&self->lock);
    taken = self->taken;
    self->taken = NULL;
    pthread_mutex_unlock(&self->lock);
    taken_adopt(self, taken);
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
    attempt_clean(attempt);
    attempt_free(attempt);
    return NULL;
}
