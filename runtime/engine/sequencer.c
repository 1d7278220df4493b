/* SPDX-License-Identifier: Apache-2.0
 * sequencer - gives every entry its tick: the one place where order begins (O1, O2).
 *
 *  (1) Worker 0 alone gives ticks: last + 1, never twice.
 *  (2) An entry is a source's queued call, a processing-time timer, an answer of an impure
 * operator, a hand-over of a drop edge, or the decision that a source is idle. Its actor runs at
 * once if it is sequenced; otherwise it goes through a ring of the sequencer's own (O9). (3) No
 * entry without credit: a source that cannot go on is not polled (O4).
 *      [test_a_source_without_credit_is_not_polled]
 *  (4) Live: in the order of arrival. Virtual clock: the smallest (event time, source index) once
 *      every source shows its next entry or its end; timers of the processing time come before
 *      later data and only when nothing is in flight (O10).
 *      [test_replay_is_the_same_on_every_placement] */
#include "engine/run.h"

#include <stdlib.h>

static const int64_t idle_source_ns = 10LL * NS_PER_S;

static bool
is_virtual(const struct worker *worker)
{
    return worker->engine->options.virtual_clock;
}

static uint64_t
give_tick(struct worker *worker, int64_t now_ns)
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

/* ---- Sources ------------------------------------------------------------------------------ */

static void
run_source_tick(struct worker *worker, struct source *source, int64_t now_ns)
{
    struct actor *actor = source->node->actor;

    actor_begin(actor, give_tick(worker, now_ns), now_ns);
    actor_run(actor);
}

static void
enter(struct worker *worker, struct source *source, struct intake *entry, int64_t now_ns)
{
    struct node *node = source->node;
    uint32_t messages = entry->messages;

    source->out_wm = entry->watermark_ns;
    source->last_entry_ns = worker->mono_ns;
    for (uint32_t p = 0; p < node->capture.n; p++)
        if (entry->port[p].n)
            node_dispatch(node, p, &entry->port[p]);
    source->has_ended = entry->is_end;
    STAT_ADD(node->stats->messages, messages);
    worker->budget -= messages + 1;
    source_pop(source);
    run_source_tick(worker, source, now_ns);
}

/* The next entry of a source, polled for where this worker polls it. */
static struct intake *
shown(struct worker *worker, struct source *source)
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

/* One source, as far as its turn goes. */
static bool
live_source(struct worker *worker, struct source *source)
{
    struct actor *actor = source->node->actor;
    bool moved = false;

    while (!source->has_ended && !worker_turn_is_over(worker) && actor_can_start(actor)) {
        struct intake *entry = shown(worker, source);

        if (entry) {
            enter(worker, source, entry, worker_real_ns(worker));
        } else if (may_go_idle(worker, source)) {
            source->out_wm = WM_IDLE;
            run_source_tick(worker, source, worker_real_ns(worker));
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
    return a->node->id != b->node->id ? a->node->id < b->node->id : a->id < b->id;
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

static struct edge *
direct_edge(const struct sequencer *self, const struct actor *actor)
{
    return self->direct[actor->id];
}

static bool
can_give(struct worker *worker, struct actor *actor)
{
    if (actor->is_sequenced)
        return actor_can_start(actor);
    return edge_has_credit(direct_edge(worker->sequencer, actor), worker);
}

static void
give_direct(struct worker *worker, struct direct *direct, int64_t now_ns)
{
    struct actor *actor = direct->node->actor;
    uint64_t tick = give_tick(worker, now_ns);

    worker->budget--;
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

        ring_put(direct_edge(worker->sequencer, actor)->out, &record, &item);
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
    give_direct(worker, direct, now_ns);
}

static bool
live_alarms(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    int64_t now_ns = worker_real_ns(worker);
    bool moved = false;

    while (self->n_alarms && self->alarms[0].at_ns <= now_ns && !worker_turn_is_over(worker) &&
           can_give(worker, self->alarms[0].node->actor)) {
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

static bool
give_answers(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    int64_t now_ns = is_virtual(worker) ? self->now_ns : worker_real_ns(worker);
    bool moved = false;

    while (self->answers && can_give(worker, self->answers->node->actor)) {
        struct direct *direct = self->answers;

        self->answers = direct->next;
        if (!self->answers)
            self->answers_tail = &self->answers;
        give_direct(worker, direct, now_ns);
        moved = true;
    }
    return moved;
}

/* First removed from the edge, then given its tick (O8). */
static bool
live_handovers(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    bool moved = false;

    for (uint32_t i = 0; i < self->n_handovers; i++) {
        struct edge *edge = self->handovers[i];
        struct record record;

        bool has_credit = ring_has_credit(edge->out);

        if (!has_credit && !atomic_load_explicit(&edge->out->starved, memory_order_relaxed))
            worker->is_unsettled = true;
        /* relaxed: the fences of parking and publishing order it against credit (O7) */
        atomic_store_explicit(&edge->out->starved, !has_credit, memory_order_relaxed);
        if (!has_credit || !drop_get(edge->drop, &record, &self->handed, VIEW_MESSAGES))
            continue;
        record.now_ns = worker_real_ns(worker);
        record.tick = give_tick(worker, record.now_ns);
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
        entry = shown(worker, source);
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
            edge->is_asking = true;
    }
    if (quiet && self->n_quiet)
        worker_serve_posts(worker); /* what they set was posted before their words */
    return quiet;
}

/* Under a speed, time goes on with the monotonic clock. False: not yet. */
static bool
is_time(struct worker *worker, int64_t event_ns)
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
    if (self->n_quiet || self->n_alarms) {
        if ((!source || source_front(source)->event_ns > self->now_ns) && !is_quiet(worker))
            return false;
        if (self->n_alarms && (!source || self->alarms[0].at_ns < source_front(source)->event_ns)) {
            int64_t at_ns = later(self->alarms[0].at_ns, self->now_ns);

            if (!is_time(worker, at_ns) || !can_give(worker, self->alarms[0].node->actor))
                return false;
            give_alarm(worker, at_ns);
            return true;
        }
    }
    if (!source)
        return false;
    event_ns = source_front(source)->event_ns;
    if (!is_time(worker, event_ns) || !actor_can_start(source->node->actor))
        return false;
    enter(worker, source, source_front(source), later(event_ns, self->now_ns));
    return true;
}

/* ---- A turn ------------------------------------------------------------------------------- */

static void
note_live_wishes(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;

    if (self->n_alarms && self->alarms[0].at_ns > worker_real_ns(worker))
        self->wait_ns = self->alarms[0].at_ns - worker->real_offset_ns;
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
    moved |= give_answers(worker);
    if (is_virtual(worker)) {
        while (!worker_turn_is_over(worker) && virtual_entry(worker))
            moved = true;
        return moved || worker->has_polled;
    }
    moved |= live_alarms(worker);
    moved |= live_handovers(worker);
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
