/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "engine/attempt.h"
#include "engine/epoch.h"
#include "engine/shadow.h"
#include "engine/swaps.h"

#include <stdlib.h>

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
        nanosleep(&(struct timespec){.tv_nsec = BUSY_NS}, NULL);
        for (uint32_t i = 0; i < attempt->n_swaps; i++)
            if (!shadow_run(beside[i].shadow, err))
                return false;
        if (is_stopping(self))
            return err_set(err, "HDE-R030", "the graph ended before the shadow had run its time");
    } while (clock_mono_ns() < end_ns);
    return true;
}

bool
attempt_shadow(struct reloader *self, struct attempt *attempt)
{
    struct beside *beside = xcalloc(attempt->n_swaps, sizeof *beside);
    struct reload_report *report = &attempt->report;
    bool ok;

    report->until_ns = clock_real_ns() + attempt->shadow_ns;
    reload_note(self, attempt);
    ok = begin_beside(attempt, beside) && watch_beside(self, attempt, beside);
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        if (beside[i].shadow) {
            report->compared += shadow_compared(beside[i].shadow);
            shadow_end(beside[i].shadow);
        }
        attempt_discard(beside[i].instance);
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
    int64_t end_ns = clock_mono_ns() + REACH_NS;

    while (!swap_run(swap, REACH_NS)) {
        struct timespec pause = {.tv_nsec = BUSY_NS};

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
    if (!swaps_run(engine, &attempt->cut, REACH_NS, err)) {
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

    return !engine->swaps || swaps_run(engine, &attempt->cut, REACH_NS, &attempt->report.err);
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
        !swaps_run(self->engine, &cut, REACH_NS, &err))
        log_line(LEVEL_WARN, self->engine->graph->name, NULL, "reload.not-noted",
                 "%s: after a restart build %.12s runs again: %s", attempt->report.target,
                 attempt->report.new_build, err.text);
}

bool
attempt_swap(struct attempt *attempt)
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

void
attempt_count(const struct attempt *attempt, bool ok)
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

void
attempt_sum(struct attempt *attempt)
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

void
attempt_finish(struct reloader *self, struct attempt *attempt, enum reload_state state)
{
    if (state != RELOAD_DONE && !attempt->is_taken)
        attempt_count(attempt, false);
    attempt_clean(attempt);
    reload_end(attempt, state);
    if (attempt->cut.position)
        builds_named(self->engine->builds, attempt->cut.build.id, attempt->cut.position);
    if (attempt->report.number) { /* otherwise nobody asked for it in this run */
        reload_note(self, attempt);
        reload_log(self, attempt);
        reload_keep(self, &attempt->report);
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
        if (attempt->swaps[i].has_probation && !reach(&attempt->swaps[i], REACH_NS))
            return false;
    return true;
}

bool
probation_end(struct reloader *self, struct attempt *attempt)
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
    attempt_retire(self, attempt, state != RELOAD_DONE);
    attempt_finish(self, attempt, state);
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

bool
probations_end(struct reloader *self, const struct attempt *next)
{
    struct attempt *attempt = self->probations;
    bool ok = true;

    self->probations = NULL;
    while (attempt) {
        struct attempt *rest = attempt->next;
        bool is_in_the_way = shares_node(attempt, next);

        if (is_in_the_way || may_end(self, attempt)) {
            ok &= probation_end(self, attempt) || !is_in_the_way;
        } else {
            attempt->next = self->probations;
            self->probations = attempt;
        }
        attempt = rest;
    }
    return ok;
}

void
probation_begin(struct reloader *self, struct attempt *attempt)
{
    attempt->end_ns = clock_mono_ns() + attempt->probation_ns;
    attempt->report.state = RELOAD_PROBATION;
    attempt->report.until_ns = clock_real_ns() + attempt->probation_ns;
    attempt->next = self->probations;
    self->probations = attempt;
    reload_note(self, attempt);
    reload_log(self, attempt);
    reload_keep(self, &attempt->report);
}
