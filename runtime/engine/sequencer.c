/* SPDX-License-Identifier: Apache-2.0
 * sequencer - gives every entry its tick: the one place where order begins (O1, O2).
 *
 *  (1) Worker 0 alone gives ticks: last + 1, never twice.
 *  (2) An entry is a source's queued call, a processing-time timer, an answer of an impure
 *      operator, a hand-over of a drop edge, or the decision that a source is idle. Its actor runs
 *      at once if it is sequenced; otherwise it goes through a ring of the sequencer's own (O9).
 *  (3) No entry without credit: a source that cannot go on is not polled (O4).
 *      [test_a_source_without_credit_is_not_polled]
 *  (4) Live: in the order of arrival. Virtual clock: the smallest (event time, source index) once
 *      every source shows its next entry or its end; timers of the processing time come before
 *      later data and only when nothing is in flight (O10).
 *      [test_replay_is_the_same_on_every_placement]
 *  (5) A barrier is a tick without data that every actor passes: the cut of an epoch, or a swap. */
#include "engine/sequencer.h"

#include "base/fault.h"
#include "engine/apply.h"
#include "engine/epoch.h"
#include "engine/hash.h"
#include "engine/ingress.h"
#include "engine/question.h"
#include "engine/savepoint.h"
#include "engine/swaps.h"

#include <stdlib.h>

#define unlikely(x) __builtin_expect(!!(x), 0)

static const int64_t idle_source_ns = 10LL * NS_PER_S;

static bool
is_virtual(const struct worker *worker)
{
    return worker->engine->options.virtual_clock;
}

uint64_t
seq_give_tick(struct worker *worker, int64_t now_ns)
{
    struct sequencer *self = worker->sequencer;
    struct stats *stats = worker->engine->stats;

    self->now_ns = now_ns;
    self->last++;
    STAT_SET(stats->tick, self->last);
    STAT_ADD(stats->entries, 1);
    STAT_SET(stats->now_ns, now_ns);
    return self->last;
}

uint64_t
sequencer_tick(struct worker *worker)
{
    return seq_give_tick(worker, worker->sequencer->now_ns);
}

/* ---- Sources ------------------------------------------------------------------------------ */

void
seq_dispatch(struct worker *worker, struct source *source, struct intake *entry)
{
    struct node *node = source->node;

    source->out_wm = entry->watermark_ns;
    source->last_entry_ns = worker->mono_ns;
    for (uint32_t p = 0; p < node->capture.n; p++)
        if (entry->port[p].n)
            node_dispatch(node, p, &entry->port[p]);
    for (uint32_t i = 0; i < entry->positions.n; i++) {
        const struct position *at = &entry->positions.item[i];

        positions_set(&source->at, at->partition, at->bytes, at->size);
    }
    /* relaxed: of the source's last entry; who reads it on another thread needs nothing else */
    atomic_store_explicit(&source->has_ended, entry->is_end, memory_order_relaxed);
    STAT_ADD(node->stats->messages, entry->messages);
    worker->budget -= entry->messages + 1;
}

static void
enter(struct worker *worker, struct source *source, struct intake *entry, int64_t now_ns)
{
    struct engine *engine = worker->engine;
    struct actor *actor = source->node->actor;
    uint64_t tick = seq_give_tick(worker, now_ns);

    if (engine->is_recording)
        ingress_source(engine->ingress, source, entry);
    seq_dispatch(worker, source, entry);
    source_pop(source);
    actor_begin(actor, tick, now_ns);
    actor_run(actor);
}

/* The decision that nothing comes from a source holds nobody up any longer. */
void
seq_enter_idle(struct worker *worker, struct source *source, int64_t now_ns)
{
    struct engine *engine = worker->engine;
    struct actor *actor = source->node->actor;
    uint64_t tick = seq_give_tick(worker, now_ns);

    if (engine->is_recording)
        ingress_idle(engine->ingress, source);
    source->out_wm = WM_IDLE;
    actor_begin(actor, tick, now_ns);
    actor_run(actor);
}

/* Polled for where this worker polls it. */
struct intake *
sequencer_shown(struct worker *worker, struct source *source)
{
    struct intake *entry = source_front(source);

    if (source->worker != worker)
        return entry;
    while (!entry && !worker_turn_is_over(worker) && source_step(source)) {
        worker->budget--;
        worker->has_polled = true;
        entry = source_front(source);
    }
    return entry;
}

static bool
may_go_idle(const struct worker *worker, const struct source *source)
{
    return worker->sequencer->n_sources > 1 && !source->has_ended && source->out_wm != WM_IDLE &&
           worker->mono_ns - source->last_entry_ns >= idle_source_ns;
}

/* Entries straight from poll() into the segment, as long as the source does nothing else. */
static bool
direct_source(struct worker *worker, struct source *source)
{
    struct actor *actor = source->node->actor;
    const int64_t now_ns = worker_real_ns(worker);
    bool moved = false;

    actor->is_counting = true;
    while (!worker_turn_is_over(worker) && actor_can_start(actor)) {
        enum polled polled = source_poll(source);

        worker->has_polled = true;
        if (unlikely(polled != POLLED_ENTRY))
            break;
        actor_begin(actor, seq_give_tick(worker, now_ns), now_ns);
        actor_run(actor);
        moved = true;
    }
    return moved;
}

/* One source, as far as its turn goes. */
static bool
live_source(struct worker *worker, struct source *source)
{
    struct actor *actor = source->node->actor;
    bool moved = false;

    if (!worker->engine->is_recording && source_is_direct(source)) {
        if (!actor_can_start(actor))
            return false;
        if (direct_source(worker, source))
            return true;
    }
    while (!source->has_ended && !worker_turn_is_over(worker) && actor_can_start(actor)) {
        struct intake *entry = sequencer_shown(worker, source);

        if (entry) {
            enter(worker, source, entry, worker_real_ns(worker));
        } else if (may_go_idle(worker, source)) {
            seq_enter_idle(worker, source, worker_real_ns(worker));
        } else {
            break;
        }
        moved = true;
    }
    return moved;
}

static bool
live_sources(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool moved = false;

    if (unlikely(question_are_many(worker->engine)))
        return false;
    /* each turn another one begins: a busy source starves nobody */
    for (uint32_t i = 0; i < self->n_sources; i++)
        moved |= live_source(worker, self->sources[(self->next_source + i) % self->n_sources]);
    if (self->n_sources)
        self->next_source = (self->next_source + 1) % self->n_sources;
    return moved;
}

/* ---- Alarms: a heap by (time, node, id) --------------------------------------------------- */

static bool
is_before(const struct alarm *a, const struct alarm *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns;
    return a->node->order != b->node->order ? a->node->order < b->node->order : a->id < b->id;
}

static void
swap(struct alarm *a, struct alarm *b)
{
    struct alarm kept = *a;

    *a = *b;
    *b = kept;
}

void
sequencer_alarm(struct sequencer *self, struct node *node, uint32_t id, int64_t at_ns)
{
    uint32_t i = self->n_alarms;

    if (self->n_alarms == self->cap_alarms) {
        self->cap_alarms = self->cap_alarms ? 2 * self->cap_alarms : 16;
        self->alarms = xrealloc(self->alarms, self->cap_alarms * sizeof *self->alarms);
    }
    self->alarms[self->n_alarms++] = (struct alarm){at_ns, node, id};
    for (; i && is_before(&self->alarms[i], &self->alarms[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&self->alarms[i], &self->alarms[(i - 1) / 2]);
}

static struct alarm
pop_alarm(struct sequencer *self)
{
    struct alarm first = self->alarms[0];
    uint32_t i = 0;

    self->alarms[0] = self->alarms[--self->n_alarms];
    for (;;) {
        uint32_t least = i;

        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < self->n_alarms; child++)
            if (is_before(&self->alarms[child], &self->alarms[least]))
                least = child;
        if (least == i)
            return first;
        swap(&self->alarms[i], &self->alarms[least]);
        i = least;
    }
}

/* ---- Entries that meet their actor directly ----------------------------------------------- */

struct edge *
seq_direct_edge(const struct sequencer *self, const struct actor *actor)
{
    return self->direct[actor->id];
}

bool
seq_can_give(struct worker *worker, struct actor *actor)
{
    if (actor->is_sequenced)
        return actor_can_start(actor);
    return edge_has_credit(seq_direct_edge(worker->sequencer, actor), worker);
}

void
seq_give_direct(struct worker *worker, struct direct *direct, int64_t now_ns)
{
    struct actor *actor = direct->node->actor;
    uint64_t tick = seq_give_tick(worker, now_ns);

    worker->budget--;
    if (worker->engine->is_recording)
        ingress_direct(worker->engine->ingress, direct);
    if (actor->is_sequenced) {
        actor->direct = direct;
        actor_begin(actor, tick, now_ns);
        actor_run(actor);
    } else {
        struct record record = {.tick = tick,
                                .now_ns = now_ns,
                                .watermark_ns = WM_END,
                                .put_ns = worker->mono_ns,
                                .n = 1,
                                .direct = true};
        hde_msg *item = (hde_msg *)(void *)direct;

        ring_put(seq_direct_edge(worker->sequencer, actor)->out, &record, &item);
    }
}

static void
give_alarm(struct worker *worker, int64_t now_ns)
{
    struct alarm alarm = pop_alarm(worker->sequencer);
    struct direct *direct = xcalloc(1, sizeof *direct);

    direct->node = alarm.node;
    direct->kind = DIRECT_TIMER;
    direct->timer = (struct timer){alarm.at_ns, alarm.id};
    seq_give_direct(worker, direct, now_ns);
}

static bool
live_alarms(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    int64_t now_ns = worker_real_ns(worker);
    bool moved = false;

    while (self->n_alarms && self->alarms[0].at_ns <= now_ns && !worker_turn_is_over(worker) &&
           seq_can_give(worker, self->alarms[0].node->actor)) {
        give_alarm(worker, now_ns);
        moved = true;
    }
    return moved;
}

void
sequencer_answer(struct sequencer *self, struct direct *direct)
{
    direct->next = NULL;
    *self->answers_tail = direct;
    self->answers_tail = &direct->next;
}

void
sequencer_forget(struct sequencer *self, const struct node *node)
{
    struct direct **at = &self->answers;

    while (*at) {
        struct direct *direct = *at;

        if (direct->node != node) {
            at = &direct->next;
            continue;
        }
        *at = direct->next;
        direct_free(direct);
    }
    self->answers_tail = at;
}

static bool
give_answers(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    int64_t now_ns = is_virtual(worker) ? self->now_ns : worker_real_ns(worker);
    bool moved = false;

    while (self->answers && seq_can_give(worker, self->answers->node->actor)) {
        struct direct *direct = self->answers;

        self->answers = direct->next;
        if (!self->answers)
            self->answers_tail = &self->answers;
        seq_give_direct(worker, direct, now_ns);
        moved = true;
    }
    return moved;
}

bool
seq_handover_has_credit(struct worker *worker, struct edge *edge)
{
    bool has_credit = ring_has_credit(edge->out);

    if (!has_credit && !atomic_load_explicit(&edge->out->starved, memory_order_relaxed))
        worker->is_unsettled = true;
    /* relaxed: the fences of parking and publishing order it against credit (O7) */
    atomic_store_explicit(&edge->out->starved, !has_credit, memory_order_relaxed);
    return has_credit;
}

/* First removed from the edge, then given its tick (O8). */
bool
seq_live_handovers(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool moved = false;

    for (uint32_t i = 0; i < self->n_handovers; i++) {
        struct edge *edge = self->handovers[i];
        struct record record;
        uint64_t cause;

        if (!seq_handover_has_credit(worker, edge) ||
            !drop_hand_over(edge->drop, self->last + 1, &record, &self->handed, VIEW_MESSAGES,
                            &cause))
            continue;
        record.now_ns = worker->engine->is_taking ? self->now_ns : worker_real_ns(worker);
        record.tick = seq_give_tick(worker, record.now_ns);
        if (worker->engine->is_recording)
            ingress_handover(worker->engine->ingress, edge, &record, cause, &self->handed);
        ring_put(edge->out, &record, self->handed.item);
        self->handed.n = 0;
        moved = true;
    }
    return moved;
}

/* ---- Virtual clock ------------------------------------------------------------------------ */

/* The source whose entry comes next, NULL with *all_shown false if one has not shown its own. */
static struct source *
earliest(struct worker *worker, bool *all_shown)
{
    struct sequencer *self = worker->sequencer;
    struct source *best = NULL;
    int64_t best_ns = 0;

    *all_shown = true;
    for (uint32_t i = 0; i < self->n_sources; i++) {
        struct source *source = self->sources[i];
        struct intake *entry;

        if (source->has_ended)
            continue;
        entry = sequencer_shown(worker, source);
        if (!entry) {
            *all_shown = false;
        } else if (!best || entry->event_ns < best_ns) {
            best = source;
            best_ns = entry->event_ns;
        }
    }
    return *all_shown ? best : NULL;
}

/* Whether every actor that may still set a processing-time timer has passed the last tick. */
static bool
is_quiet(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool quiet = true;

    for (uint32_t i = 0; i < self->n_quiet; i++) {
        struct edge *edge = self->quiet[i];

        if (ring_word(edge->in) >= self->last)
            continue;
        quiet = false;
        if (ring_ask(edge->in, self->last))
            edge->is_asking = self->has_asked = true;
    }
    if (quiet && self->n_quiet)
        worker_serve_posts(worker); /* what they set was posted before their words */
    return quiet;
}

/* Under a speed, time goes on with the monotonic clock. False: not yet. */
bool
seq_is_time(struct worker *worker, int64_t event_ns)
{
    struct sequencer *self = worker->sequencer;
    double speed = worker->engine->options.speed;
    int64_t due_ns;

    if (speed <= 0)
        return true;
    if (self->pace_event_ns == INT64_MIN) {
        self->pace_event_ns = event_ns;
        self->pace_mono_ns = worker->mono_ns;
    }
    due_ns = self->pace_mono_ns + (int64_t)((double)(event_ns - self->pace_event_ns) / speed);
    if (due_ns <= worker->mono_ns)
        return true;
    self->wait_ns = due_ns;
    return false;
}

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Virtual time begins with the first entry: timers that were set before it count from there. */
static void
begin_virtual_time(struct sequencer *self, int64_t event_ns)
{
    self->has_begun = true;
    if (event_ns <= self->now_ns)
        return;
    self->now_ns = event_ns;
    for (uint32_t i = 0; i < self->n_alarms; i++)
        self->alarms[i].at_ns += event_ns;
}

/* One entry in virtual time; false: not possible now. */
static bool
virtual_entry(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool all_shown;
    struct source *source = earliest(worker, &all_shown);
    int64_t event_ns;

    if (!all_shown)
        return false;
    if (source && !self->has_begun)
        begin_virtual_time(self, source_front(source)->event_ns);
    if (self->n_quiet || self->n_alarms) {
        if ((!source || source_front(source)->event_ns > self->now_ns) && !is_quiet(worker))
            return false;
        if (self->n_alarms && (!source || self->alarms[0].at_ns < source_front(source)->event_ns)) {
            int64_t at_ns = later(self->alarms[0].at_ns, self->now_ns);

            if (!seq_is_time(worker, at_ns) || !seq_can_give(worker, self->alarms[0].node->actor))
                return false;
            give_alarm(worker, at_ns);
            return true;
        }
    }
    if (!source)
        return false;
    event_ns = source_front(source)->event_ns;
    if (!seq_is_time(worker, event_ns) || !actor_can_start(source->node->actor))
        return false;
    enter(worker, source, source_front(source), later(event_ns, self->now_ns));
    return true;
}

/* ---- Barriers: entries without data that every actor passes in its order ------------------- */

bool
seq_barrier_has_credit(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;

    for (uint32_t i = 0; i < worker->n_actors; i++)
        if (worker->actors[i]->is_sequenced && !actor_can_start(worker->actors[i]))
            return false;
    for (uint32_t i = 0; i < worker->engine->n_actors; i++)
        if (self->direct[i] && !edge_has_credit(self->direct[i], worker))
            return false;
    for (uint32_t i = 0; i < self->n_handovers; i++)
        if (!seq_handover_has_credit(worker, self->handovers[i]))
            return false;
    return true;
}

/* Actors that get entries from nobody but the sequencer have to meet it too. */
static void
put_barrier(struct worker *worker, struct edge *edge, int64_t now_ns)
{
    struct record record = {.tick = worker->sequencer->last,
                            .now_ns = now_ns,
                            .watermark_ns = WM_NONE,
                            .put_ns = worker->mono_ns,
                            .barrier = true};

    ring_put(edge->out, &record, NULL);
}

/* At the tick given last. */
void
seq_run_barrier(struct worker *worker, int64_t now_ns)
{
    struct sequencer *self = worker->sequencer;

    for (uint32_t i = 0; i < worker->engine->n_actors; i++)
        if (self->direct[i])
            put_barrier(worker, self->direct[i], now_ns);
    for (uint32_t i = 0; i < self->n_handovers; i++)
        put_barrier(worker, self->handovers[i], now_ns);
    for (uint32_t i = 0; i < worker->n_actors; i++) {
        if (!worker->actors[i]->is_sequenced)
            continue;
        actor_begin(worker->actors[i], self->last, now_ns);
        worker->actors[i]->is_barrier = true;
        feed_meet(worker->actors[i]);
        actor_run(worker->actors[i]);
    }
}

/* ---- Dead letters that are fed again ------------------------------------------------------ */

void
seq_give_fed(struct worker *worker, struct fed *fed, int64_t now_ns)
{
    feed_begin(worker->engine, fed, worker->sequencer->last);
    worker->budget -= 2;
    seq_run_barrier(worker, now_ns);
}

static bool
live_letters(struct worker *worker)
{
    struct engine *engine = worker->engine;
    bool moved = false;

    while (worker->sequencer->feeder.asked && !worker_turn_is_over(worker) &&
           seq_barrier_has_credit(worker)) {
        struct fed *fed = feed_next(engine);
        int64_t now_ns = worker_real_ns(worker);
        struct fed_view view;

        if (!fed)
            break;
        seq_give_tick(worker, now_ns);
        view = feed_view(fed);
        if (engine->is_recording)
            ingress_letter(engine->ingress, view.node, view.port, view.id, view.msg);
        seq_give_fed(worker, fed, now_ns);
        moved = true;
    }
    return moved;
}

/* ---- A change of the graph ---------------------------------------------------------------- */

static bool
is_in_log(const struct engine *engine)
{
    return engine->is_taking || atomic_load_explicit(&engine->recovering, memory_order_relaxed);
}

static int64_t
barrier_time(struct worker *worker)
{
    return is_virtual(worker) ? worker->sequencer->now_ns : worker_real_ns(worker);
}

/* The tick of the cut. Taking a log, it has the one that it had. */
static bool
enter_cut(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;

    if (is_in_log(engine)) {
        self->last = self->entry->tick - 2;
        seq_give_tick(worker, self->now_ns);
        return true;
    }
    seq_give_tick(worker, barrier_time(worker));
    return !engine->is_recording || ingress_cut(engine->ingress);
}

/* The last entry of the old graph: behind it nothing is on its way. */
static bool
give_cut(struct worker *worker)
{
    struct engine *engine = worker->engine;
    uint32_t waits = 0, wanted = CUT_WANTED;

    if (!seq_barrier_has_credit(worker) || !enter_cut(worker))
        return false;
    for (uint32_t i = 0; i < engine->n_actors; i++)
        waits += epochs_reach(engine->actors[i]);
    atomic_store(&engine->cut_waits, waits);
    atomic_store(&engine->cut_tick, worker->sequencer->last);
    /* unless it is given up by now: then this was a barrier like others */
    atomic_compare_exchange_strong(&engine->cut, &wanted, CUT_GIVEN);
    seq_run_barrier(worker, worker->sequencer->now_ns);
    if (!waits)
        apply_passed(engine);
    return true;
}

/* With checkpoints it is an epoch (E5). */
static bool
enter_change(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    uint64_t position;

    if (is_in_log(engine)) {
        retake_tick(worker, self->entry);
        self->change = CHANGE_TAKEN;
        return true;
    }
    seq_give_tick(worker, barrier_time(worker));
    if (!engine->is_recording)
        return true;
    fault_point(FAULT_APPLY);
    position = ingress_change(engine->ingress);
    fault_point(FAULT_APPLY);
    if (position && engine->epochs) {
        epochs_begin(engine->epochs, position);
        self->barrier_tick = self->last;
        self->barrier_ns = worker->mono_ns + engine->barriers_ns;
    }
    return position != 0;
}

/* What impure nodes have not answered in the log: when they come to this tick it is known. */
void
seq_ask_again(struct worker *worker, bool all)
{
    const struct engine *engine = worker->engine;

    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];
        struct direct *direct;

        if (node->asked == ASKED_NOT || !(all || node->wants_ask))
            continue;
        node->wants_ask = false;
        direct = xcalloc(1, sizeof *direct);
        direct->node = node;
        direct->kind = DIRECT_ASK;
        sequencer_answer(worker->sequencer, direct);
    }
}

/* The first entry of the new graph: whoever has nothing to wait for any more learns it by it. */
static bool
give_first(struct worker *worker)
{
    if (!seq_barrier_has_credit(worker) || !enter_change(worker))
        return false;
    seq_run_barrier(worker, worker->sequencer->now_ns);
    if (!is_in_log(worker->engine))
        seq_ask_again(worker, false);
    atomic_store(&worker->engine->cut, CUT_NONE);
    return true;
}

/* True: nothing else is given. */
bool
seq_cut_turn(struct worker *worker, bool *moved)
{
    switch ((enum cut_state)atomic_load(&worker->engine->cut)) {
    case CUT_NONE:
        return false;
    case CUT_WANTED:
        *moved = give_cut(worker);
        return true;
    case CUT_GIVEN:
        return true;
    case CUT_MADE:
        *moved = give_first(worker);
        return true;
    }
    return false;
}

/* ---- Barriers of a live run --------------------------------------------------------------- */

/* Needs credit like any other entry. */
static bool
give_barrier(struct worker *worker, bool is_last)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    int64_t now_ns = worker_real_ns(worker);
    uint64_t tick, position;

    if (!seq_barrier_has_credit(worker))
        return false;
    tick = seq_give_tick(worker, now_ns);
    position = ingress_barrier(engine->ingress);
    if (!position)
        return false;
    atomic_store_explicit(&engine->wants_epoch, false, memory_order_relaxed);
    if (engine->epochs) {
        epochs_begin(engine->epochs, position);
        savepoints_begin(engine->savepoints, tick, is_last);
    }
    if (engine->hashes)
        hashes_begin(engine->hashes, tick);
    seq_run_barrier(worker, now_ns);
    self->barrier_tick = tick;
    self->barrier_ns = worker->mono_ns + engine->barriers_ns;
    return true;
}

static bool
all_silent(const struct sequencer *self)
{
    for (uint32_t i = 0; i < self->n_sources; i++) {
        struct source *source = self->sources[i];

        /* acquire: what was queued before it fell silent is seen */
        if (!source->has_ended &&
            (!atomic_load_explicit(&source->is_silent, memory_order_acquire) ||
             source_front(source)))
            return false;
    }
    return !self->answers;
}

static bool
barrier_is_open(const struct engine *engine, bool is_last)
{
    if (engine->epochs && epochs_is_open(engine->epochs))
        return true;
    return engine->hashes && (is_last || !engine->epochs) && hashes_are_open(engine->hashes);
}

/* True: a barrier is due and goes before anything else, or the end is near. */
static bool
barrier_turn(struct worker *worker, bool *moved)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    bool is_last = engine->epochs &&
                   (atomic_load_explicit(&engine->has_run_out, memory_order_relaxed) ||
                    (atomic_load_explicit(&engine->draining, memory_order_relaxed) &&
                     all_silent(self)));
    bool is_open = barrier_is_open(engine, is_last), is_due;
    bool is_wanted = engine->savepoints && savepoints_are_wanted(engine->savepoints);

    if (is_wanted && !is_last && savepoints_end(engine->savepoints)) {
        engine_drain(engine); /* once or more: the last barrier is that of the savepoint */
        is_wanted = false;
    }
    if (is_open && engine->epochs)
        self->wait_ns = worker->mono_ns + engine->graph->checkpoint.timeout_ns;
    if (self->is_suspending || is_open) {
        if (self->is_suspending && !is_open)
            engine_end(engine);
        return self->is_suspending;
    }
    is_due = worker->mono_ns >= self->barrier_ns ||
             atomic_load_explicit(&engine->wants_epoch, memory_order_acquire);
    if (!is_wanted && (self->last == self->barrier_tick || (!is_last && !is_due))) {
        if (is_last)
            engine_end(engine); /* nothing came since the last one */
        return is_last;
    }
    if (give_barrier(worker, is_last)) {
        self->is_suspending = is_last;
        *moved = true;
    }
    return true;
}

/* ---- Swaps -------------------------------------------------------------------------------- */

static void
give_swap(struct worker *worker, int64_t now_ns)
{
    struct engine *engine = worker->engine;
    struct swap_cut *cut = swaps_claim(engine->swaps);
    uint64_t tick;

    if (!cut)
        return;
    tick = seq_give_tick(worker, now_ns);
    cut->position = ingress_swap(engine->ingress, cut);
    if (!cut->position)
        return;
    swaps_give(engine->swaps, cut, tick);
    seq_run_barrier(worker, now_ns);
    swaps_given(engine->swaps, cut);
    worker->sequencer->barrier_ns = worker->mono_ns; /* an epoch follows at once (E5) */
}

/* Decisions are written even when the disk is full. True: a swap goes before anything else. */
static bool
swap_turn(struct worker *worker, bool *moved)
{
    struct swaps *swaps = worker->engine->swaps;
    int64_t now_ns = is_virtual(worker) ? worker->sequencer->now_ns : worker_real_ns(worker);

    if (!swaps_have_news(swaps))
        return false;
    retake_decisions(worker, now_ns);
    if (!swaps_have_news(swaps) || swaps_is_passing(swaps) ||
        ingress_must_wait(worker->engine->ingress))
        return false;
    if (seq_barrier_has_credit(worker)) {
        give_swap(worker, now_ns);
        *moved = true;
    }
    return true;
}

/* ---- A turn ------------------------------------------------------------------------------- */

static void
note_live_wishes(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;

    if (self->n_alarms && self->alarms[0].at_ns > worker_real_ns(worker) &&
        self->alarms[0].at_ns - worker->real_offset_ns < self->wait_ns)
        self->wait_ns = self->alarms[0].at_ns - worker->real_offset_ns;
    if (worker->engine->barriers_ns && self->last != self->barrier_tick &&
        self->barrier_ns > worker->mono_ns && self->barrier_ns < self->wait_ns)
        self->wait_ns = self->barrier_ns;
    for (uint32_t i = 0; i < self->n_sources; i++) {
        struct source *source = self->sources[i];
        int64_t next_ns = source->worker == worker ? source_next_ns(source) : INT64_MAX;

        if (source->node->actor->state != ACTOR_READY || source->node->actor->is_blocked)
            continue; /* credit or a backoff comes first */
        if (next_ns < self->wait_ns)
            self->wait_ns = next_ns;
        if (self->n_sources > 1 && !source->has_ended && source->out_wm != WM_IDLE &&
            source->last_entry_ns + idle_source_ns < self->wait_ns)
            self->wait_ns = source->last_entry_ns + idle_source_ns;
    }
}

bool
sequencer_turn(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool moved = false;

    self->wait_ns = INT64_MAX;
    worker->has_polled = false;
    if (worker->engine->is_taking ||
        atomic_load_explicit(&worker->engine->recovering, memory_order_relaxed)) {
        if (worker->engine->hashes)
            moved = hashes_turn(worker);
        return retake_turn(worker) || moved;
    }
    if (worker->engine->swaps && swap_turn(worker, &moved))
        return moved;
    if (worker->engine->is_recording && ingress_must_wait(worker->engine->ingress))
        return false;
    if (__builtin_expect(atomic_load_explicit(&worker->engine->cut, memory_order_relaxed) != 0, 0) &&
        seq_cut_turn(worker, &moved))
        return moved;
    if (worker->engine->hashes)
        moved |= hashes_turn(worker);
    if (worker->engine->barriers_ns && barrier_turn(worker, &moved))
        return moved;
    moved |= give_answers(worker);
    moved |= live_letters(worker);
    if (is_virtual(worker)) {
        self->has_asked = false; /* whom it asks has to be woken */
        while (!worker_turn_is_over(worker) && virtual_entry(worker))
            moved = true;
        return moved || worker->has_polled || self->has_asked;
    }
    moved |= live_alarms(worker);
    moved |= seq_live_handovers(worker);
    moved |= live_sources(worker);
    moved |= worker->has_polled;
    if (!moved)
        note_live_wishes(worker);
    return moved;
}

/* Words of the sequencer's own edges, and of its actors' edges: published up to the last tick. */
bool
sequencer_publish(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool moved = false;

    for (uint32_t i = 0; i < worker->n_actors; i++)
        if (self->said != self->last && worker->actors[i]->is_sequenced)
            worker->actors[i]->is_dirty = true;
    for (uint32_t i = 0; i < worker->engine->n_actors; i++)
        if (self->direct[i])
            moved |= edge_publish(self->direct[i], worker, self->last);
    for (uint32_t i = 0; i < self->n_handovers; i++)
        moved |= edge_publish(self->handovers[i], worker, self->last);
    self->said = self->last;
    return moved;
}

void
sequencer_wake_others(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;

    for (uint32_t i = 0; i < worker->engine->n_actors; i++)
        if (self->direct[i])
            edge_wake_reader(self->direct[i], worker);
    for (uint32_t i = 0; i < self->n_handovers; i++)
        edge_wake_reader(self->handovers[i], worker);
    for (uint32_t i = 0; i < self->n_quiet; i++) {
        if (self->quiet[i]->is_asking)
            worker_wake_if_parked(self->quiet[i]->writer->worker);
        self->quiet[i]->is_asking = false;
    }
    for (uint32_t i = 0; i < self->n_sources; i++) {
        struct source *source = self->sources[i];

        if (source->is_popped && source->worker != worker &&
            atomic_load_explicit(&source->starved, memory_order_relaxed))
            worker_wake_if_parked(source->worker);
        source->is_popped = false;
    }
}
