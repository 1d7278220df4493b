/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rewire.h"

#include "engine/asked.h"
#include "engine/epoch.h"
#include "engine/joint.h"
#include "engine/reload.h"
#include "engine/swap.h"

#include "base/fault.h"
#include "base/log.h"

#include <stdlib.h>

/* One instance of the new graph, or one of the old that has no place in it. */
struct seat {
    struct node *node;
    const struct node_change *change; /* NULL: the node goes */
    bool is_new;
    bool is_late;          /* opened behind the cut, when its predecessor is closed */
    bool was_closed;       /* that goes: for its successor */
    Hde__SavedNode *saved; /* that goes: for its successors */
};

struct rewire {
    struct engine *engine;
    const struct change_plan *plan;
    int64_t end_ns;         /* monotonic: until the cut has to be made */
    int64_t cut_ns, pause_ns; /* when it was wanted; how long nothing was given */
    uint32_t n, n_going;
    struct seat *next, *going;
    struct worker *lobby; /* where new nodes wait; never runs */
    struct wiring old;
    bool has_cut;  /* the cut is for this change */
    bool is_wired; /* the new way */
    struct err *err;
};

/* ---- Who stays, who comes, who goes ------------------------------------------------------- */

static bool
stays(const struct node_change *change)
{
    return change->kind == CHANGE_SAME || change->kind == CHANGE_RECONFIGURE;
}

static struct node *
running(const struct rewire *self, size_t graph_node, uint32_t replica)
{
    const struct engine *engine = self->engine;

    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->graph_node == graph_node && engine->nodes[i]->replica == replica)
            return engine->nodes[i];
    return NULL;
}

static int64_t
time_now(const struct engine *engine)
{
    int64_t now_ns = STAT_GET(engine->stats->now_ns);

    return engine->options.virtual_clock ? now_ns : clock_real_ns();
}

/* An operator that cannot live twice waits until the one before it is closed. */
static bool
is_late(const struct rewire *self, const struct node_change *change, const struct node *node)
{
    return change->before != CHANGE_NOWHERE &&
           (node->ctx.op->flags & HDE_EXCLUSIVE ||
            self->plan->before->nodes[change->before].op->flags & HDE_EXCLUSIVE);
}

static bool
begin(struct rewire *self, struct node *node)
{
    if (!node_begin(node, time_now(self->engine), self->err))
        return false;
    return !atomic_load(&self->engine->recovering) || node_recover(node, self->err);
}

static bool
come(struct rewire *self, struct seat *seat, uint32_t replica)
{
    const struct node_change *change = seat->change;

    seat->node =
        node_new(self->engine, self->plan->after, change->after, replica, self->lobby, self->err);
    if (!seat->node)
        return false;
    seat->is_new = true;
    seat->is_late = is_late(self, change, seat->node);
    return seat->is_late || begin(self, seat->node);
}

static bool
find_seats(struct rewire *self)
{
    const struct change_plan *plan = self->plan;

    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct node_change *change = &plan->nodes[i];

        if (change->after == CHANGE_NOWHERE)
            continue;
        for (uint32_t r = 0; r < instances_of(&plan->after->nodes[change->after]); r++) {
            struct seat *seat = &self->next[self->n++];

            seat->change = change;
            if (stays(change))
                seat->node = running(self, change->before, r);
            else if (!come(self, seat, r))
                return false;
        }
    }
    return true;
}

static bool
has_seat(const struct rewire *self, const struct node *node)
{
    for (uint32_t i = 0; i < self->n; i++)
        if (self->next[i].node == node)
            return true;
    return false;
}

static bool
prepare(struct rewire *self)
{
    struct engine *engine = self->engine;
    const struct graph *after = self->plan->after;
    uint32_t room = 1;

    for (size_t i = 0; i < after->n_nodes; i++)
        room += instances_of(&after->nodes[i]);
    self->next = xcalloc(room, sizeof *self->next);
    self->going = xcalloc(engine->n_nodes + 1, sizeof *self->going);
    self->lobby = worker_new(engine, "lobby", self->err);
    if (!self->lobby || !wiring_fits(engine, after, self->err) || !find_seats(self))
        return false;
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (!has_seat(self, engine->nodes[i]))
            self->going[self->n_going++].node = engine->nodes[i];
    return true;
}

/* ---- Sources that go ---------------------------------------------------------------------- */

static bool
is_late_by_now(const struct rewire *self)
{
    return clock_mono_ns() > self->end_ns || engine_state(self->engine) != ENGINE_RUNNING;
}

/* name "": no node to name. */
static bool
not_in_time(struct rewire *self, const char *name, const char *what)
{
    if (engine_state(self->engine) != ENGINE_RUNNING)
        return err_set(self->err, "HDE-R054", "the graph ended while it was changed");
    return err_set(self->err, "HDE-R054", "%s%s%s%s in time: the old graph runs on",
                   *name ? "'" : "", name, *name ? "' " : "", what);
}

static void
pause_ms(void)
{
    struct timespec pause = {.tv_nsec = NS_PER_MS};

    nanosleep(&pause, NULL);
}

/* On the source's thread, between two calls. */
static void
hold_now(void *arg)
{
    struct source *source = arg;

    if (source_is_settled(source))
        atomic_store(&source->is_held, true);
}

static bool
hold_source(struct rewire *self, struct node *node)
{
    struct source *source = node->source;

    while (!atomic_load(&source->has_ended) &&
           (!atomic_load(&source->is_held) || source_has_queued(source))) {
        if (atomic_load(&source->is_held) && source->asked)
            asked_forget(source); /* the log's next entries ask the one that takes its place */
        if (is_late_by_now(self))
            return false;
        if (!atomic_load(&source->is_held) &&
            !node_run(node, hold_now, source, self->end_ns - clock_mono_ns()))
            return false;
        pause_ms();
    }
    return true;
}

static bool
hold_sources(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n_going; i++) {
        struct node *node = self->going[i].node;

        if (node->source && !hold_source(self, node))
            return not_in_time(self, node->ctx.node, "does not return from a call");
    }
    return true;
}

static void
let_go(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n_going; i++)
        if (self->going[i].node->source)
            atomic_store(&self->going[i].node->source->is_held, false);
}

/* ---- The cut ------------------------------------------------------------------------------ */

static bool
make_cut(struct rewire *self)
{
    struct engine *engine = self->engine;

    /* the first entry behind the change before this one may still be to come */
    while (!self->has_cut) {
        uint32_t none = CUT_NONE;

        self->has_cut = atomic_compare_exchange_strong(&engine->cut, &none, CUT_WANTED);
        if (!self->has_cut && is_late_by_now(self))
            return not_in_time(self, "", "the change before this one does not come to its end");
        if (!self->has_cut)
            apply_wait(engine);
    }
    engine_wake(engine);
    while (atomic_load(&engine->cut) != CUT_GIVEN || atomic_load(&engine->cut_waits)) {
        if (is_late_by_now(self))
            return not_in_time(self, "", "a node does not come to the end of its tick");
        apply_wait(engine);
    }
    return true;
}

static bool
join(struct rewire *self, struct worker *worker)
{
    int64_t at_ns = clock_real_ns() + (self->end_ns - clock_mono_ns());
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    if (!worker->is_started || worker->stays)
        return true;
    if (pthread_timedjoin_np(worker->thread, NULL, &at))
        return false;
    worker->is_started = false;
    return true;
}

/* The thread of a blocking source that stays goes on: all that it touches stays. */
static void
mark_those_who_stay(struct rewire *self, bool stays_on)
{
    for (uint32_t i = 0; i < self->n; i++) {
        struct node *node = self->next[i].node;

        if (node && !self->next[i].is_new && node->source && node->source->worker->is_own)
            atomic_store(&node->source->worker->stays, stays_on);
    }
}

static bool
stop_workers(struct rewire *self)
{
    struct engine *engine = self->engine;

    mark_those_who_stay(self, true);
    atomic_store(&engine->leaving, true);
    engine_wake(engine);
    for (uint32_t i = 0; i < engine->n_workers; i++) {
        struct worker *worker = engine->workers[i];

        if (!join(self, worker))
            return not_in_time(self, worker->name, "does not come to the end of its turn");
    }
    watchdog_stop(engine->watchdog);
    engine->watchdog = NULL;
    return true;
}

static void
start_workers(struct rewire *self, enum cut_state cut)
{
    struct engine *engine = self->engine;
    struct err err = {0};

    atomic_store(&engine->leaving, false);
    if (self->has_cut)
        atomic_store(&engine->cut, cut);
    mark_those_who_stay(self, false);
    if (!workers_start(engine, &err))
        engine_fail(engine, err.code, err.text);
    if (!engine->watchdog)
        engine->watchdog = watchdog_start(engine);
    engine_wake(engine);
    self->pause_ns = clock_mono_ns() - self->cut_ns;
}

/* ---- State -------------------------------------------------------------------------------- */

static bool
has_successor(const struct rewire *self, const struct node *node)
{
    for (uint32_t i = 0; i < self->n; i++)
        if (self->next[i].is_new && self->next[i].change->before == node->graph_node)
            return true;
    return false;
}

static bool
save_those_who_go(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n_going; i++) {
        struct seat *seat = &self->going[i];

        if (!has_successor(self, seat->node))
            continue;
        seat->saved = epochs_saved_node(seat->node);
        if (!seat->saved)
            return err_set(self->err, "HDE-R055", "node '%s': the state cannot be saved: %s",
                           seat->node->ctx.node, seat->node->ctx.said->text);
    }
    return true;
}

/* Watermarks never go back, and an end is an end. */
static void
take_marks(struct node *node, const struct node *before, bool is_first)
{
    if (is_first || before->wm < node->wm)
        node->wm = before->wm;
    if (is_first || before->out_wm < node->out_wm)
        node->out_wm = before->out_wm;
    node->has_ended = before->has_ended && (is_first || node->has_ended);
    STAT_SET(node->stats->state, node->has_ended ? NODE_ENDED : NODE_IDLE);
    STAT_SET(node->stats->watermark_ns, node->wm);
    STAT_SET(node->stats->restarts, STAT_GET(before->stats->restarts) + 1);
    if (node->source && before->source)
        source_follow(node->source, before->source);
}

static bool
precedes(const struct seat *going, const struct seat *next)
{
    return next->is_new && going->node->graph_node == next->change->before;
}

static void
give_marks(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n; i++) {
        bool is_first = true;

        for (uint32_t k = 0; k < self->n_going; k++)
            if (precedes(&self->going[k], &self->next[i])) {
                take_marks(self->next[i].node, self->going[k].node, is_first);
                is_first = false;
            }
    }
}

static bool
take_state(struct rewire *self, struct node *node, const struct seat *before)
{
    struct node was = {.wm = node->wm, .out_wm = node->out_wm, .has_ended = node->has_ended};
    struct err err = {0};

    if (before->node->ctx.op->save && !node_load(node, before->saved, &err))
        return err_set(self->err, "HDE-R055", "%s", err.text);
    node->wm = was.wm;
    node->out_wm = was.out_wm;
    node->has_ended = was.has_ended;
    STAT_SET(node->stats->watermark_ns, node->wm);
    return !node->source || !before->node->source || source_seek(node->source) ||
           err_set(self->err, "HDE-R055", "source '%s' does not go on where it stood: %s",
                   node->ctx.node, node->ctx.said->text);
}

static bool
give_states(struct rewire *self, bool late)
{
    for (uint32_t i = 0; i < self->n; i++)
        for (uint32_t k = 0; k < self->n_going; k++)
            if (precedes(&self->going[k], &self->next[i]) && self->next[i].is_late == late &&
                self->next[i].change->state == CHANGE_STATE_KEPT &&
                !take_state(self, self->next[i].node, &self->going[k]))
                return false;
    return true;
}

/* ---- Parameters of those who stay --------------------------------------------------------- */

static bool
is_reconfigured(const struct seat *seat)
{
    return !seat->is_new && seat->change->kind == CHANGE_RECONFIGURE;
}

struct reconfiguring {
    struct node *node;
    const struct graph_node *def;
    struct err *err;
    bool ok;
};

static void
reconfigure_now(void *arg)
{
    struct reconfiguring *self = arg;

    self->ok = node_reconfigure(self->node, self->def, self->err);
}

/* Those whose threads go on are asked there, after the change. */
static bool
reconfigure(struct rewire *self, const struct graph *to, bool forward)
{
    for (uint32_t i = 0; i < self->n; i++) {
        const struct seat *seat = &self->next[i];
        size_t at = forward ? seat->change->after : seat->change->before;

        if (is_reconfigured(seat) && !seat->node->worker->stays &&
            !node_reconfigure(seat->node, &to->nodes[at], self->err))
            return false;
    }
    return true;
}

static void
reconfigure_those_who_stayed(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n; i++) {
        const struct seat *seat = &self->next[i];
        struct err err = {0};
        struct reconfiguring job = {seat->node, seat->node->def, &err, false};

        if (!is_reconfigured(seat) || !seat->node->source ||
            !seat->node->source->worker->is_own)
            continue;
        if (!node_run(seat->node, reconfigure_now, &job, 10LL * NS_PER_S) || !job.ok)
            log_line(LEVEL_WARN, self->engine->stats->graph, seat->node->ctx.node,
                     "apply.reconfigure", "the new parameters were not taken: %s", err.text);
    }
}

/* ---- Operators that cannot live twice ----------------------------------------------------- */

static void
close_predecessors(struct rewire *self, const struct seat *late)
{
    for (uint32_t i = 0; i < self->n_going; i++)
        if (precedes(&self->going[i], late) && !self->going[i].was_closed) {
            node_close(self->going[i].node);
            self->going[i].was_closed = true;
        }
}

static bool
open_late(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n; i++) {
        struct seat *seat = &self->next[i];

        if (!seat->is_new || !seat->is_late)
            continue;
        close_predecessors(self, seat);
        if (!begin(self, seat->node))
            return false;
    }
    return give_states(self, true);
}

/* A fresh instance of what was closed, with its state. */
static void
reopen(struct rewire *self)
{
    for (uint32_t i = 0; i < self->n_going; i++) {
        struct seat *seat = &self->going[i];
        struct err err = {0};

        if (!seat->was_closed)
            continue;
        if (!node_reopen(seat->node, &err) ||
            (seat->node->ctx.op->load && !node_load(seat->node, seat->saved, &err)))
            engine_fail(self->engine, err.code, err.text);
        seat->was_closed = false;
    }
}

/* ---- The exchange ------------------------------------------------------------------------- */

static bool
wire(struct rewire *self, const struct graph *graph, const struct seat *seats, uint32_t n,
     struct node *const *nodes, const struct wiring *old, struct err *err)
{
    struct engine *engine = self->engine;
    struct node **list = xcalloc(n + 1, sizeof(struct node *));
    bool ok;

    for (uint32_t i = 0; i < n; i++)
        list[i] = seats ? seats[i].node : nodes[i];
    ok = wiring_make(engine, graph, list, old, err);
    free(list);
    return ok;
}

static void
lock_shape(struct engine *engine)
{
    pthread_rwlock_wrlock(&engine->shape);
}

static void
unlock_shape(struct engine *engine)
{
    taps_hang_in(engine);
    pthread_rwlock_unlock(&engine->shape);
}

/* The old graph in its old places. */
static void
wire_back(struct rewire *self)
{
    struct engine *engine = self->engine;
    struct wiring made, old = self->old;
    struct err err = {0};

    lock_shape(engine);
    wiring_take(engine, &made);
    if (!wire(self, old.graph, NULL, old.n_nodes, old.nodes, &made, &err)) {
        unlock_shape(engine);
        engine_fail(engine, err.code, err.text);
        lock_shape(engine);
    }
    wiring_free(engine, &made);
    wiring_free(engine, &old);
    unlock_shape(engine);
    self->is_wired = false;
}

static bool
wire_anew(struct rewire *self)
{
    struct engine *engine = self->engine;
    bool ok;

    lock_shape(engine);
    wiring_take(engine, &self->old);
    self->is_wired = true;
    ok = wire(self, self->plan->after, self->next, self->n, NULL, &self->old, self->err);
    unlock_shape(engine);
    return ok;
}

static bool
exchange(struct rewire *self)
{
    if (!save_those_who_go(self))
        return false;
    give_marks(self); /* a source's state is where its predecessor stands */
    if (!give_states(self, false))
        return false;
    if (!reconfigure(self, self->plan->after, true) || !wire_anew(self) || !open_late(self)) {
        struct err kept = *self->err;

        reconfigure(self, self->plan->before, false);
        *self->err = kept;
        return false;
    }
    return true;
}

/* ---- Afterwards --------------------------------------------------------------------------- */

static bool
is_used(const struct engine *engine, const struct worker *worker)
{
    for (uint32_t i = 0; i < engine->n_workers; i++)
        if (engine->workers[i] == worker)
            return true;
    return worker == engine->first;
}

static void
retire_worker(struct engine *engine, struct worker *worker)
{
    engine->retired =
        xrealloc(engine->retired, (engine->n_retired + 1) * sizeof(struct worker *));
    engine->retired[engine->n_retired++] = worker;
    worker_retire(worker);
}

static void
retire_workers(struct rewire *self, const struct wiring *taken)
{
    for (uint32_t i = 0; i < taken->n_workers; i++)
        if (!is_used(self->engine, taken->workers[i]))
            retire_worker(self->engine, taken->workers[i]);
}

/* Nothing reaches a node any more that is in no graph. */
static void
cut_off(struct node *node)
{
    node_refuse_posts(node);
    worker_forget(node->worker, node);
    if (!node->actor) /* it never was in one */
        return;
    worker_forget(node->engine->first, node);
    sequencer_forget(&node->engine->sequencer, node);
}

static void
remove_node(struct node *node)
{
    if (node->is_open)
        node_close(node);
    reload_forget(node);
    node_free(node);
}

static void
finish_new(struct rewire *self)
{
    struct engine *engine = self->engine;

    for (uint32_t i = 0; i < self->n_going; i++)
        cut_off(self->going[i].node);
    retire_workers(self, &self->old);
    engine_set_alarms(engine);
    start_workers(self, CUT_MADE);
    reconfigure_those_who_stayed(self);
    for (uint32_t i = 0; i < self->n_going; i++)
        remove_node(self->going[i].node);
    wiring_free(engine, &self->old);
}

static void
go_back(struct rewire *self)
{
    struct engine *engine = self->engine;

    if (self->is_wired) {
        struct wiring made = {.n_workers = engine->n_workers, .workers = engine->workers};
        struct worker **workers = xcalloc(engine->n_workers + 1, sizeof(struct worker *));

        memcpy(workers, made.workers, made.n_workers * sizeof(struct worker *));
        made.workers = workers;
        wire_back(self);
        retire_workers(self, &made);
        free(workers);
    }
    for (uint32_t i = 0; i < self->n; i++)
        if (self->next[i].is_new && self->next[i].node)
            cut_off(self->next[i].node);
    reopen(self);
    let_go(self);
    start_workers(self, CUT_NONE);
}

static void
clean_up(struct rewire *self, bool ok)
{
    for (uint32_t i = 0; i < self->n && !ok; i++)
        if (self->next[i].is_new && self->next[i].node)
            remove_node(self->next[i].node);
    for (uint32_t i = 0; i < self->n_going; i++)
        if (self->going[i].saved)
            hde__saved_node__free_unpacked(self->going[i].saved, NULL);
    if (self->lobby)
        retire_worker(self->engine, self->lobby);
    free(self->next);
    free(self->going);
}

/* All that may fail is done, here and in the other parts: nobody goes back any more. */
static bool
all_agree(struct rewire *self, const struct rewire_ask *ask, bool ok)
{
    if (!ask->joint || joint_agree(ask->joint, self->engine, ok, self->end_ns, self->err))
        return ok;
    if (!err_is_set(self->err))
        err_set(self->err, "HDE-R054", "another part of the graph stays as it is");
    return false;
}

static bool
change_over(struct rewire *self, const struct rewire_ask *ask)
{
    if (ask->joint && !joint_turn(ask->joint, self->engine, ask->place, self->end_ns))
        return err_set(self->err, "HDE-R054", "another part of the graph stays as it is");
    self->cut_ns = clock_mono_ns();
    fault_point(FAULT_APPLY);
    if (!make_cut(self) || !stop_workers(self) || !exchange(self))
        return false;
    if (ask->joint)
        joint_next(ask->joint);
    return true;
}

bool
rewire(struct engine *engine, const struct change_plan *plan, const struct rewire_ask *ask,
       struct rewire_result *out, struct err *err)
{
    struct rewire self = {
        .engine = engine, .plan = plan, .end_ns = clock_mono_ns() + ask->timeout_ns, .err = err};
    bool ok = prepare(&self) && hold_sources(&self);

    self.cut_ns = clock_mono_ns();
    pthread_mutex_lock(&engine->threads);
    ok = all_agree(&self, ask, ok);
    if (ask->joint) /* others may have needed much of it */
        self.end_ns = clock_mono_ns() + ask->timeout_ns;
    ok = ok && all_agree(&self, ask, change_over(&self, ask));
    fault_point(FAULT_APPLY);
    out->tick = engine->cut_tick;
    if (ok)
        finish_new(&self);
    else
        go_back(&self);
    pthread_mutex_unlock(&engine->threads);
    out->pause_ns = self.pause_ns;
    clean_up(&self, ok);
    return ok;
}

/* ---- Tried --------------------------------------------------------------------------------- */

static bool
opens(struct engine *engine, const struct graph *graph, size_t i, struct worker *lobby,
      struct err *err)
{
    struct node *node = node_new(engine, graph, i, 0, lobby, err);
    bool ok = node && node_begin(node, time_now(engine), err);

    if (!node)
        return false;
    cut_off(node);
    remove_node(node);
    return ok;
}

static bool
is_new_here(const struct change_plan *plan, const struct node_change *change)
{
    const struct graph *after = plan->after;
    bool is_apart = graph_is_of_host(after);

    if (change->after == CHANGE_NOWHERE ||
        (is_apart && after->nodes[change->after].host != after->host))
        return false;
    return change->before == CHANGE_NOWHERE ||
           (is_apart && plan->before->nodes[change->before].host != after->host);
}

static bool
try_all(struct engine *engine, const struct change_plan *plan, struct err *err)
{
    struct worker *lobby = worker_new(engine, "lobby", err);
    bool ok = lobby != NULL;

    for (size_t i = 0; i < plan->n_nodes && ok; i++)
        if (is_new_here(plan, &plan->nodes[i]))
            ok = opens(engine, plan->after, plan->nodes[i].after, lobby, err);
    if (lobby)
        retire_worker(engine, lobby);
    return ok;
}

bool
rewire_tries(struct engine *engine, const struct change_plan *plan, struct err *err)
{
    bool ok;

    if (pthread_mutex_trylock(&engine->changing))
        return err_set(err, "HDE-R238", "another change is being made here");
    ok = try_all(engine, plan, err);
    pthread_mutex_unlock(&engine->changing);
    return ok;
}
