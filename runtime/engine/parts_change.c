/* SPDX-License-Identifier: Apache-2.0
 * parts_change - see parts_change.h.
 *
 *  (1) A change is made by all parts or by none. [test_a_change_over_parts_is_made_by_all_or_none]
 *  (2) The ends of links are the same nodes before and after, so what links hold stays.
 *      [test_what_a_journal_holds_outlives_a_change]
 *  (3) Over hosts the same holds of all of them (agreement.h). What is decided is made: a host that
 *      fails behind the decision tries again, and when it cannot, all others go back.
 *      [tests/hosts/apply.sh, undo.sh] */
#include "engine/parts_change.h"

#include "base/log.h"
#include "engine/changes.h"
#include "engine/history.h"
#include "engine/hosts_change.h"
#include "engine/joint.h"
#include "engine/line.h"
#include "engine/over_hosts.h"
#include "engine/plan_show.h"
#include "engine/run.h"
#include "graph/hosts.h"
#include "link/ends.h"
#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAST = 16, TRIES = 3 };

struct past {
    const struct graph *graph;
    uint64_t change; /* over hosts: that took its place */
};

struct kept_cut {
    struct kept_cut *next;
    struct graph_cut cut;
};

struct parts_change {
    struct parts *parts;
    struct agreement *agreement; /* with other hosts; NULL: there are none */
    struct versions versions; /* the thread's, like all below but the two last */
    struct kept_cut *cuts;
    uint32_t n_past;
    struct past past[PAST]; /* that ran before, the last one last */
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
    link_spare_make(cut);
    for (size_t i = 0; i < cut->n_parts; i++)
        cut->parts[i].graph.checkpoint.store = parts_store(graph, cut->parts[i].name, &cut->arena);
    return cut;
}

/* ---- The work ----------------------------------------------------------------------------- */

/* The graph before that with other links, which a process before this one ran. */
static const struct graph *
load_before(struct parts_change *self, struct change *change)
{
    const struct graph *graph = parts_graph(self->parts);
    struct graph_options options = {.for_run = true, .host = self->versions.host, .insecure = true};
    struct arena arena = {0};
    struct diags diags = {0};
    struct graph *before = NULL;
    struct line line = {0};

    bool ok = !graph->checkpoint.store ||
              line_read(graph->checkpoint.store, &arena, &line, &change->err);

    if (ok && !line.before)
        err_set(&change->err, "HDE-R056", "there is no graph before this one");
    if (line.before) {
        before = line_load_before(&line, &options, self->versions.registry, &diags);
        if (before) {
            versions_keep(&self->versions, before);
            change->report.path = arena_text(&change->arena, before->path);
        } else {
            err_set(&change->err, "HDE-R056",
                    "the graph before this one cannot be loaded any more: %s",
                    diags.n ? diags.list[0].message : line.before->path);
        }
    }
    diags_fini(&diags);
    arena_fini(&arena);
    return before;
}

/* The graph that ran before. What is to be taken back over hosts is the same change on each; a spare
 * host that was away when it was made has nothing to take back. */
static const struct graph *
last_past(struct parts_change *self, struct change *change)
{
    const struct past *past = self->n_past ? &self->past[self->n_past - 1] : NULL;
    const struct share *share = change->ask.share;
    bool is_it = past && (!share || past->change == share_said(share)->undoes);

    change->report.has_rollback = change->report.rollback = true;
    if (change->ask.undoes && !(past && past->change == change->ask.undoes))
        return parts_graph(self->parts);
    if (share && !is_it && parts_cut(self->parts)->spare)
        return parts_graph(self->parts);
    if (!past && !share)
        return load_before(self, change);
    if (!past)
        return err_set(&change->err, "HDE-R056", "there is no graph before this one"), NULL;
    if (!is_it)
        return err_set(&change->err, "HDE-R056", "the last change here is another one"), NULL;
    change->goes_back = true;
    change->undone = past->change;
    change->report.path = arena_text(&change->arena, past->graph->path);
    return past->graph;
}

static const struct graph *
load(struct parts_change *self, struct change *change)
{
    struct graph *graph;

    if (change->ask.graph)
        return change->ask.graph;
    if (!change->ask.path)
        return last_past(self, change);
    graph = versions_load(&self->versions, change, &change->err);
    if (graph)
        versions_keep(&self->versions, graph);
    return graph && hosts_change_fits(self->agreement, change, graph) ? graph : NULL;
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

/* ---- Another build ------------------------------------------------------------------------ */

static size_t
count_targets(const struct parts_change *self, const char *target)
{
    size_t n = 0;

    for (size_t i = 0; i < parts_count(self->parts); i++)
        n += graph_has_target(engine_graph(parts_engine(self->parts, i)), target);
    return n;
}

static void
ask_reloads(struct parts_change *self, const struct change *change, struct joint *joint)
{
    struct reload_ask ask = reload_ask_of(change->reload);

    ask.joint = joint;
    for (size_t i = 0; i < parts_count(self->parts); i++) {
        struct engine *engine = parts_engine(self->parts, i);
        struct err err = {0};

        if (!graph_has_target(engine_graph(engine), ask.target) || reload_ask(engine, &ask, &err))
            continue;
        joint_refuse(joint, engine, &err);
        joint_over(joint);
    }
}

static void
note_reloads(struct parts_change *self, struct change *change)
{
    Hde__GraphChange *report = &change->report;

    report->has_pause_seconds = true;
    for (size_t i = 0; i < parts_count(self->parts); i++) {
        struct engine *engine = parts_engine(self->parts, i);
        struct reload_report of;

        if (!graph_has_target(engine_graph(engine), change->reload->target) ||
            !reload_reports(engine, 0, &of, 1))
            continue;
        report->build = arena_text(&change->arena, of.new_build);
        if ((double)of.pause_ns / 1e9 > report->pause_seconds)
            report->pause_seconds = (double)of.pause_ns / 1e9;
    }
}

/* ---- All parts together ------------------------------------------------------------------- */

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

    change->err = *why;
    if (!engine)
        return; /* it names the host */
    while (parts_engine(self->parts, part) != engine)
        part++;
    err_wrap(&change->err, "part '%s'", parts_name(self->parts, part));
}

static void
become(struct parts_change *self, struct change *change, const struct graph_cut *cut)
{
    const struct graph *graph = change->plan->after;

    parts_become(self->parts, graph, cut);
    if (parts_net(self->parts))
        net_restate(parts_net(self->parts), hosts_shape(graph), hosts_texts(graph));
    change->report.has_pause_seconds = true;
    change->report.pause_seconds = longest_pause(self);
}

/* (1) */
static bool
carry_out(struct parts_change *self, struct change *change, struct agreement *agreement)
{
    const struct graph_cut *cut =
        change->plan && change->plan->n_changes ? cut_anew(self, change->plan->after) : NULL;
    size_t n = change->reload ? count_targets(self, change->reload->target)
               : cut          ? cut->n_parts
                              : 0;
    struct joint *joint = joint_new(n + (agreement != NULL));
    const struct engine *who;
    bool is_refused;
    struct err why;

    if (change->reload)
        ask_reloads(self, change, joint);
    for (size_t i = 0; i < n && cut; i++)
        ask_part(self, change, cut, i, joint);
    if (agreement)
        hosts_change_join(agreement, change, joint);
    joint_wait(joint);
    is_refused = joint_refused(joint, &who, &why);
    joint_free(joint);
    if (is_refused)
        tell_who_refused(self, change, who, &why);
    else if (cut)
        become(self, change, cut);
    else if (change->reload)
        note_reloads(self, change);
    if (agreement)
        hosts_change_tell(agreement, change);
    return !is_refused;
}

/* Behind the decision: the other hosts have made it, or will. (3) */
static bool
come_after(struct parts_change *self, struct change *change)
{
    bool ok = false;

    if (change->is_lost)
        change->is_decided = agreement_fate(self->agreement, change->ask.share) == WORD_COMMIT;
    for (int i = 0; i < TRIES && change->is_decided && !ok; i++) {
        change->err = (struct err){0};
        ok = carry_out(self, change, NULL);
    }
    change->has_failed |= change->is_decided && !ok;
    return ok;
}

/* A rollback goes one step back, any other change one further. */
static void
remember(struct parts_change *self, const struct change *change)
{
    if (change->report.rollback) {
        self->n_past -= change->goes_back;
        return;
    }
    if (self->n_past == PAST)
        memmove(self->past, self->past + 1, --self->n_past * sizeof *self->past);
    self->past[self->n_past++] = (struct past){change->plan->before, change->id};
}

static Hde__ChangeState
make_reload(struct parts_change *self, struct change *change)
{
    const char *target = change->reload->target;

    if (!graph_has_target(parts_graph(self->parts), target)) {
        err_set(&change->err, "HDE-R020", "no node and no operator of the graph is called '%s'",
                target);
        return HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    }
    return carry_out(self, change, self->agreement) || come_after(self, change)
               ? HDE__CHANGE_STATE__CHANGE_STATE_DONE
               : HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
}

/* ---- Links between hosts ------------------------------------------------------------------- */

static uint32_t
begin_relink(struct over_hosts *over_hosts, struct change *change)
{
    Hde__ControlApply apply = HDE__CONTROL_APPLY__INIT;

    apply.path = (char *)(uintptr_t)change->ask.path;
    apply.n_set = change->ask.n_sets;
    apply.set = (char **)(uintptr_t)change->ask.sets;
    apply.drop_state = change->ask.drops_state;
    return over_hosts_relink(over_hosts, &apply, change->plan->after, &change->err);
}

/* All hosts stop at a savepoint, and begin anew (relink.h); so does this process, soon. */
static Hde__ChangeState
relink(struct parts_change *self, struct change *change)
{
    struct over_hosts *over_hosts = parts_over_hosts(self->parts);
    uint32_t number;

    if (change->ask.share || !over_hosts) {
        err_set(&change->err, "HDE-R261", "other links run here than at the coordinator");
        return HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    }
    number = begin_relink(over_hosts, change);
    change->report.has_relink = number != 0;
    change->report.relink = number;
    changes_note(&self->changes, change, HDE__CHANGE_STATE__CHANGE_STATE_WORKING);
    return number && over_hosts_wait(over_hosts, number, &change->err)
               ? HDE__CHANGE_STATE__CHANGE_STATE_DONE
               : HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
}

static bool
has_work(const struct parts_change *self, const struct change *change)
{
    return self->agreement || change->plan->n_changes;
}

static Hde__ChangeState
make(struct parts_change *self, struct change *change)
{
    const struct graph *graph = load(self, change);

    if (!graph)
        return HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    change->plan = change_plan_new(parts_graph(self->parts), graph);
    change->report.plan = change_plan_show(change->plan, &change->arena);
    if (change->ask.plans_only) {
        if (self->agreement)
            hosts_change_plan(self->agreement, change);
        return HDE__CHANGE_STATE__CHANGE_STATE_PLANNED;
    }
    if (change_agrees(change) && *change->plan->relinks)
        return relink(self, change);
    if (change->report.rollback && !change->goes_back && !change->ask.undoes)
        err_set(&change->err, "HDE-R056", "the graph before this one has the same links");
    if (err_is_set(&change->err) ||
        (has_work(self, change) && !carry_out(self, change, self->agreement) &&
         !come_after(self, change)))
        return HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    if (has_work(self, change))
        remember(self, change);
    return HDE__CHANGE_STATE__CHANGE_STATE_DONE;
}

/* The coordinator, when a host could not make what it was ready for: whoever has made it makes it
 * undone. Builds may differ from host to host, so a reload is only told. */
static void
take_back(struct parts_change *self, struct change *change)
{
    struct change *back;

    hosts_change_failure(change);
    if (change->reload) {
        err_wrap(&change->err, "the other hosts run the new build");
        return;
    }
    back = change_new(
        &(struct apply_ask){.undoes = change->id, .drops_state = true, .who = "undo"});
    if (make(self, back) == HDE__CHANGE_STATE__CHANGE_STATE_DONE)
        err_wrap(&change->err, "all hosts have gone back");
    else
        err_wrap(&change->err, "and the others could not go back (%s: %.200s)", back->err.code,
                 back->err.text);
    change_free(back);
}

static void
work(void *arg, struct change *change)
{
    struct parts_change *self = arg;
    const char *name = parts_graph(self->parts)->name;
    Hde__ChangeState state;

    changes_note(&self->changes, change, HDE__CHANGE_STATE__CHANGE_STATE_WORKING);
    state = change->reload ? make_reload(self, change) : make(self, change);
    if (change->has_failed && !change->ask.share) {
        take_back(self, change);
        state = HDE__CHANGE_STATE__CHANGE_STATE_REFUSED;
    }
    change_say(change, state);
    changes_note(&self->changes, change, state);
    if (self->agreement)
        hosts_change_over(self->agreement, change);
    change_log(change, name);
}

/* ---- Requests ----------------------------------------------------------------------------- */

static bool open_changes(struct parts_change *self, struct err *err);
static void take_history(struct parts_change *self);

static uint64_t
add(struct parts_change *self, struct change *change, struct err *err)
{
    uint64_t number = 0;

    if (parts_state(self->parts) != ENGINE_RUNNING)
        err_set(err, "HDE-R050", "the graph is not running");
    else if (open_changes(self, err) && !(number = changes_add(&self->changes, change)))
        err_set(err, "HDE-R050", "too many changes wait already");
    if (!number)
        change_free(change);
    return number;
}

/* Another host leads. */
static void
take_share(void *arg, struct share *taken)
{
    struct parts_change *self = arg;
    struct err err = {0};

    if (add(self, hosts_change_new(taken), &err))
        return;
    agreement_answer(self->agreement, taken, &err);
    share_free(self->agreement, taken);
}

struct parts_change *
parts_change_new(struct parts *parts, const struct engine_options *options)
{
    const struct graph *graph = parts_graph(parts);
    struct parts_change *self = xcalloc(1, sizeof *self);

    self->parts = parts;
    self->versions = (struct versions){.registry = options->registry, .plugins = options->plugins};
    if (graph_is_of_host(graph))
        self->versions.host = graph->hosts[graph->host].name;
    if (parts_net(parts))
        self->agreement =
            agreement_new(parts_net(parts), graph,
                          options->checkpoint ? graph->checkpoint.store : NULL, take_share, self);
    pthread_mutex_init(&self->opening, NULL);
    if (parts_over_hosts(parts))
        take_history(self);
    return self;
}

/* The process begins anew: what was changed so far, and what it ends for. */
static void
keep_history(struct parts_change *self)
{
    struct over_hosts *over_hosts = parts_over_hosts(self->parts);
    const struct graph *graph = parts_graph(self->parts);
    struct arena arena = {0};
    Hde__EngineChanges *all, with = HDE__ENGINE_CHANGES__INIT;
    Hde__GraphChange last;

    if (!over_hosts || !over_hosts_is_moving(over_hosts))
        return;
    all = changes_show(atomic_load(&self->is_open) ? &self->changes : NULL, 0);
    with.changes = arena_alloc(&arena, (all->n_changes + 1) * sizeof *with.changes);
    if (over_hosts_made(over_hosts, &last, &arena))
        with.changes[with.n_changes++] = &last;
    for (size_t i = 0; i < all->n_changes; i++)
        with.changes[with.n_changes++] = all->changes[i];
    if (with.n_changes && !history_keep(graph->checkpoint.store, &with))
        log_line(LEVEL_WARN, graph->name, NULL, "history.not-written", "%s/history: %s",
                 graph->checkpoint.store, strerror(errno));
    hde__engine_changes__free_unpacked(all, NULL);
    arena_fini(&arena);
}

static void
take(struct parts_change *self, const Hde__EngineChanges *made)
{
    struct err err = {0};

    if (open_changes(self, &err))
        changes_take(&self->changes, made);
}

static void
take_history(struct parts_change *self)
{
    Hde__EngineChanges *before = history_take(parts_graph(self->parts)->checkpoint.store);

    if (!before)
        return;
    take(self, before);
    hde__engine_changes__free_unpacked(before, NULL);
}

void
parts_change_note(struct parts_change *self, const Hde__GraphChange *made)
{
    Hde__EngineChanges one = HDE__ENGINE_CHANGES__INIT;

    one.n_changes = 1;
    one.changes = &(Hde__GraphChange *){(Hde__GraphChange *)(uintptr_t)made};
    take(self, &one);
}

void
parts_change_stop(struct parts_change *self)
{
    if (!self)
        return;
    if (self->agreement)
        agreement_stop(self->agreement);
    if (atomic_load(&self->is_open))
        changes_stop(&self->changes);
    keep_history(self);
    agreement_free(self->agreement);
    self->agreement = NULL;
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

bool
parts_change_reloads(const struct parts_change *self, const char *target)
{
    return self->agreement || count_targets(self, target) > 1;
}

uint64_t
parts_change_ask(struct parts_change *self, const struct apply_ask *ask, struct err *err)
{
    if (self->agreement && !agreement_leads(self->agreement))
        return err_set(err, "HDE-R212", "changes over the hosts of this graph are led by '%s'",
                       agreement_leader(self->agreement)),
               0;
    return add(self, change_new(ask), err);
}

void
parts_change_asked(struct parts_change *self, const Hde__ControlShare *said,
                   struct net_question *taken)
{
    agreement_asked(self->agreement, said, taken);
}

bool
parts_change_end_doubts(struct parts_change *self, const char *store, struct err *err)
{
    return !self->agreement || agreement_end_doubts(self->agreement, store, err);
}

Hde__EngineChanges *
parts_change_show(struct parts_change *self, uint64_t number)
{
    const struct graph *graph = parts_graph(self->parts);
    Hde__EngineChanges *out =
        changes_show(atomic_load(&self->is_open) ? &self->changes : NULL, number);

    if (self->agreement)
        out->host = xstrdup(graph->hosts[graph->host].name);
    return out;
}
