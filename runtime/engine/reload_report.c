/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "engine/attempt.h"

#include <stdio.h>
#include <stdlib.h>

void
reload_note(struct reloader *self, const struct attempt *attempt)
{
    struct reload_report *slot = &self->history[attempt->report.number % RELOAD_HISTORY];

    pthread_mutex_lock(&self->lock);
    if (slot->number <= attempt->report.number) /* otherwise it is too old for the history */
        *slot = attempt->report;
    pthread_mutex_unlock(&self->lock);
}

void
reload_keep(const struct reloader *self, const struct reload_report *report)
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

void
reload_read(void *arg, const Hde__KeptReload *kept)
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

void
reload_end(struct attempt *attempt, enum reload_state state)
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

void
reload_log(const struct reloader *self, const struct attempt *attempt)
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
