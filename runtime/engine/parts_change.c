/* SPDX-License-Identifier: Apache-2.0
 * parts_change - see parts_change.h.
 *
 *  (1) A change is made by all parts or by none. [test_a_change_over_parts_is_made_by_all_or_none]
 *  (2) The ends of links are the same nodes before and after, so what links hold stays.
 *      [test_what_a_journal_holds_outlives_a_change] */
#include "engine/parts_change.h"

#include "base/log.h"
#include "engine/changes.h"
#include "engine/joint.h"
#include "engine/plan_show.h"
#include "engine/run.h"

#include <stdlib.h>
#include <string.h>

enum { PAST = 16 };

struct kept_cut {
    struct kept_cut *next;
    struct graph_cut cut;
};

struct parts_change {
    struct parts *parts;
    struct versions versions; /* the thread's, like all below but the two last */
    struct kept_cut *cuts;
    uint32_t n_past;
    const struct graph *past[PAST]; /* that ran before, the last one last */
    struct changes changes;
    _Atomic bool is_open; /* changes has a thread: with the first request */
    pthread_mutex_t opening;
};

/* ---- The cut ------------------------------------------------------------------------------ */

static size_t
part_index(const struct graph_cut *cut, const char *name)
{
    size_t i = 0;

    while (strcmp(cut->parts[i].name, name) != 0)
        i++;
    return i;
}

/* Parts and links in the order of another cut, that has the same ones. */
static void
order_like(struct graph_cut *cut, const struct graph *graph, const struct graph_cut *like,
           const struct graph *like_graph)
{
    struct graph_part *parts = arena_alloc(&cut->arena, cut->n_parts * sizeof *parts);
    struct graph_link *links = arena_alloc(&cut->arena, cut->n_links * sizeof *links);

    for (size_t i = 0; i < cut->n_parts; i++)
        parts[i] = cut->parts[part_index(cut, like->parts[i].name)];
    for (size_t i = 0; i < cut->n_links; i++) {
        size_t k = 0;

        while (strcmp(graph->edges[cut->links[k].edge].name,
                      like_graph->edges[like->links[i].edge].name) != 0)
            k++;
        links[i] = cut->links[k];
        links[i].from = like->links[i].from;
        links[i].to = like->links[i].to;
    }
    cut->parts = parts;
    cut->links = links;
}

static void
take_end(struct graph_node *end, const struct graph_node *like)
{
    if (!end)
        return; /* on another host */
    end->op = like->op;
    end->params = like->params;
}

/* The graph cut into what the running parts can become. */
static const struct graph_cut *
cut_anew(struct parts_change *self, const struct graph *graph)
{
    const struct graph_cut *like = parts_cut(self->parts);
    struct kept_cut *kept = xcalloc(1, sizeof *kept);
    struct graph_cut *cut = &kept->cut;

    kept->next = self->cuts;
    self->cuts = kept;
    graph_cut(graph, cut);
    order_like(cut, graph, like, parts_graph(self->parts));
    for (size_t i = 0; i < cut->n_links; i++) {
        take_end(cut->links[i].sender, like->links[i].sender);
        take_end(cut->links[i].receiver, like->links[i].receiver);
    }
    for (size_t i = 0; i < cut->n_parts; i++)
        cut->parts[i].graph.checkpoint.store = parts_store(graph, cut->parts[i].name, &cut->arena);
    return cut;
}

/* ---- The work ----------------------------------------------------------------------------- */

static const struct graph *
load(struct parts_change *self, struct change *change)
{
    const struct graph *past = self->n_past ? self->past[self->n_past - 1] : NULL;
    struct graph *graph;

    if (change->ask.graph)
        return change->ask.graph;
    if (change->ask.path) {
        graph = versions_load(&self->versions, change, &change->err);
        if (graph)
            versions_keep(&self->versions, graph);
        return graph;
    }
    change->report.has_rollback = change->report.rollback = true;
    if (!past)
        return err_set(&change->err, "HDE-R056", "there is no graph before this one"), NULL;
    change->report.path = arena_text(&change->arena, past->path);
    return past;
}

/* When the part of that index makes its cut: senders before receivers. */
static size_t
place_of(const struct graph_cut *cut, size_t part)
{
    size_t place = 0;
    bool *is_before = xcalloc(cut->n_parts + 1, sizeof *is_before);

    for (bool found = false; !found; place++)
        for (size_t i = 0; i < cut->n_parts; i++) {
            bool is_next = !is_before[i];

            for (size_t k = 0; k < cut->n_links; k++)
                is_next &= cut->links[k].to != i || cut->links[k].from == PART_ELSEWHERE ||
                           is_before[cut->links[k].from];
            if (!is_next)
                continue;
            is_before[i] = true;
            found = i == part;
            break;
        }
    free(is_before);
    return place - 1;
}

static void
ask_part(struct parts_change *self, struct change *change, const struct graph_cut *cut, size_t part,
         struct joint *joint)
{
    struct engine *engine = parts_engine(self->parts, part);
    struct apply_ask ask = change->ask;
    struct err err = {0};

    ask.path = NULL;
    ask.graph = &cut->parts[part].graph;
    ask.joint = joint;
    ask.place = place_of(cut, part);
    if (apply_ask(engine, &ask, &err))
        return;
    joint_refuse(joint, engine, &err);
    joint_over(joint);
}

static double
longest_pause(struct parts_change *self)
{
    double longest = 0;

    for (size_t i = 0; i < parts_count(self->parts); i++) {
        Hde__EngineChanges *all = apply_changes(parts_engine(self->parts, i), 0);

        if (all->n_changes && all->changes[0]->pause_seconds > longest)
            longest = all->changes[0]->pause_seconds;
        hde__engine_changes__free_unpacked(all, NULL);
    }
    return longest;
}

static void
tell_who_refused(struct parts_change *self, struct change *change, const struct engine *engine,
                 const struct err *why)
{
    size_t part = 0;

    while (parts_engine(self->parts, part) != engine)
        part++;
    change->err = *why;
    err_wrap(&change->err, "part '%s'", parts_name(self->parts, part));
}

/* (1) */
static bool
carry_out(struct parts_change *self, struct change *change)
{
    const struct graph *graph = change->plan->after;
    const struct graph_cut *cut = cut_anew(self, graph);
    struct joint *joint = joint_new(cut->n_parts);
    const struct engine *refused;
    struct err why;

    for (size_t i = 0; i < cut->n_parts; i++)
        ask_part(self, change, cut, i, joint);
    joint_wait(joint);
    refused = joint_refused(joint, &why);
    joint_free(joint);
    if (refused) {
        tell_who_refused(self, change, refused, &why);
        return false;
    }
    parts_become(self->parts, graph, cut);
    change->report.has_pause_seconds = true;
    change->report.pause_seconds = longest_pause(self);
    return true;
}

/* A rollback goes one step back, any other change one further. */
static void
remember(struct parts_change *self, const struct change *change)
{
    if (change->report.rollback) {
        self->n_past--;
        return;
    }
    if (self->n_past == PAST)
        memmove(self->past, self->past + 1, --self->n_past * sizeof *self->past);
    self->past[self->n_past++] = change->plan->before;
}

static Hde__ChangeState
make(struct parts_change *self, struct change *change)
{
    const struct graph *graph = load(self, change);

    if (!graph)
        return HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    change->plan = change_plan_new(parts_graph(self->parts), graph);
    change->report.plan = change_plan_show(change->plan, &change->arena);
    if (change->ask.plans_only)
        return HDE__CHANGE_STATE__CHANGE_STATE_PLANNED;
    if (!change_agrees(change) || (change->plan->n_changes && !carry_out(self, change)))
        return HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    if (change->plan->n_changes)
        remember(self, change);
    return HDE__CHANGE_STATE__CHANGE_STATE_DONE;
}

static void
work(void *arg, struct change *change)
{
    struct parts_change *self = arg;
    const char *name = parts_graph(self->parts)->name;
    Hde__ChangeState state;

    changes_note(&self->changes, change, HDE__CHANGE_STATE__CHANGE_STATE_WORKING);
    state = make(self, change);
    changes_end(&self->changes, change, state);
    change_log(change, name);
}

/* ---- Requests ----------------------------------------------------------------------------- */

struct parts_change *
parts_change_new(struct parts *parts, const struct engine_options *options)
{
    struct parts_change *self = xcalloc(1, sizeof *self);

    self->parts = parts;
    self->versions = (struct versions){.registry = options->registry, .plugins = options->plugins};
    if (graph_is_of_host(parts_graph(parts)))
        self->versions.host = parts_graph(parts)->hosts[parts_graph(parts)->host].name;
    pthread_mutex_init(&self->opening, NULL);
    return self;
}

void
parts_change_stop(struct parts_change *self)
{
    if (self && atomic_load(&self->is_open))
        changes_stop(&self->changes);
}

void
parts_change_free(struct parts_change *self)
{
    if (!self)
        return;
    if (atomic_load(&self->is_open))
        changes_close(&self->changes);
    while (self->cuts) {
        struct kept_cut *kept = self->cuts;

        self->cuts = kept->next;
        graph_cut_fini(&kept->cut);
        free(kept);
    }
    versions_fini(&self->versions);
    pthread_mutex_destroy(&self->opening);
    free(self);
}

static bool
open_changes(struct parts_change *self, struct err *err)
{
    pthread_mutex_lock(&self->opening);
    if (!atomic_load(&self->is_open) &&
        changes_open(&self->changes, work, self, "hde-apply-all", err))
        atomic_store(&self->is_open, true);
    pthread_mutex_unlock(&self->opening);
    return atomic_load(&self->is_open);
}

uint64_t
parts_change_ask(struct parts_change *self, const struct apply_ask *ask, struct err *err)
{
    struct change *change;
    uint64_t number;

    if (parts_state(self->parts) != ENGINE_RUNNING)
        return err_set(err, "HDE-R050", "the graph is not running"), 0;
    if (!open_changes(self, err))
        return 0;
    change = change_new(ask);
    number = changes_add(&self->changes, change);
    if (number)
        return number;
    change_free(change);
    return err_set(err, "HDE-R050", "too many changes wait already"), 0;
}

Hde__EngineChanges *
parts_change_show(struct parts_change *self, uint64_t number)
{
    return changes_show(atomic_load(&self->is_open) ? &self->changes : NULL, number);
}
