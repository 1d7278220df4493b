/* SPDX-License-Identifier: Apache-2.0
 * retake - the sequencer while a log is taken again, on recovery and by hde replay.
 *
 *  (1) Every entry has the tick that it had, in that order; ticks between entries are nobody's.
 *      [test_a_recorded_run_is_given_again]
 *  (2) An entry goes in only where a live one could: with credit, and when its time has come.
 *  (3) Behind the last entry the run is live, in a start of its own: its ticks lie above all
 *      others. [test_a_drained_run_goes_on_where_it_stood]
 *  (4) Where a source gives something else than the log says, and that is accepted, the log is void
 *      from there on; what it has from elsewhere enters once more, in the new start (E4). */
#include "engine/sequencer.h"

#include "base/log.h"
#include "engine/apply.h"
#include "engine/asked.h"
#include "engine/epoch.h"
#include "engine/hash.h"
#include "engine/ingress.h"
#include "engine/swaps.h"

#include <stdlib.h>
#include <string.h>

/* The tick that it had, but where the log around it is void: then it enters once more. */
static void
follow(struct sequencer *self, const Hde__LogEntry *entry)
{
    if (!self->void_from)
        self->last = entry->tick - 1;
}

uint64_t
retake_tick(struct worker *worker, const Hde__LogEntry *entry)
{
    follow(worker->sequencer, entry);
    return seq_give_tick(worker, entry->time_ns);
}

/* The thread of changes makes the graph that ran from here on; then the entry is done. */
static bool
take_change(struct worker *worker, const Hde__LogEntry *entry, struct err *err)
{
    struct sequencer *self = worker->sequencer;

    switch (self->change) {
    case CHANGE_NONE:
        if (apply_take(worker->engine, entry->resolved.data, entry->resolved.len, err))
            self->change = CHANGE_ASKED;
        return false;
    case CHANGE_ASKED:
        return apply_has_failed(worker->engine, err);
    case CHANGE_TAKEN:
        self->change = CHANGE_NONE;
        return true;
    }
    return false;
}

/* ---- What an entry names ------------------------------------------------------------------- */

static struct node *
node_called(const struct engine *engine, const Hde__LogEntry *entry)
{
    for (uint32_t i = 0; entry->node && i < engine->n_nodes; i++)
        if (engine->nodes[i]->replica == entry->replica &&
            strcmp(engine->nodes[i]->def->name, entry->node) == 0)
            return engine->nodes[i];
    return NULL;
}

static struct edge *
handover_called(const struct sequencer *self, const Hde__LogEntry *entry)
{
    for (uint32_t i = 0; entry->node && i < self->n_handovers; i++)
        if (self->handovers[i]->instance == entry->replica &&
            strcmp(self->handovers[i]->name, entry->node) == 0)
            return self->handovers[i];
    return NULL;
}

/* With the messages of the entry, from the log or from the source itself. NULL without err: not
 * now. */
static struct intake *
taken_slot(struct worker *worker, struct source *source, const Hde__LogEntry *entry,
           struct err *err)
{
    struct intake *slot = asked_slot(source);
    const struct node *node = source->node;

    if (asked_is_needed(source, entry))
        return asked_take(worker, source, entry, err);
    return ingress_messages(entry, node->def->op->outputs, node->capture.n, slot->port, err) ? slot
                                                                                             : NULL;
}

/* ---- A source has changed, and that is accepted (E4) ---------------------------------------- */

/* A start of its own; what the log has from void_from on never happened. */
static bool
begin_start(struct worker *worker, const Hde__Epoch *restored)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    uint64_t above = self->last > engine->largest_mark ? self->last : engine->largest_mark;

    if (!ingress_start(engine->ingress, above, !restored, restored))
        return false;
    engine->is_recording = true;
    return true;
}

static void
find_change(void *arg, const Hde__LogEntry *entry)
{
    *(uint64_t *)arg = entry->tick;
}

/* What the source gives instead is the first entry of the new start. Then comes, in an entry of its
 * own each, what else the log has that nobody can be asked for again; then the run is live. */
static bool
go_on_changed(struct worker *worker, struct source *source, const Hde__LogEntry *entry,
              struct err *err)
{
    static const Hde__LogKind kinds[] = {HDE__LOG_KIND__LOG_KIND_CHANGE};
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    struct intake *rest = asked_rest(source);
    uint64_t change = 0, tick;

    if (!ingress_scan(engine, kinds, 1, find_change, &change, err))
        return false;
    if (change > entry->tick)
        return err_set(err, "HDE-R161",
                       "node '%s' gives something else from tick %llu on, and in tick %llu the "
                       "graph was changed",
                       source->node->def->name, (unsigned long long)entry->tick,
                       (unsigned long long)change);
    self->void_from = entry->tick;
    if (!begin_start(worker, NULL))
        return false;
    for (uint32_t i = 0; i < self->n_handovers; i++)
        drop_expect_until(self->handovers[i]->drop, self->void_from);
    if (!rest)
        return true;
    tick = seq_give_tick(worker, entry->time_ns);
    ingress_source(engine->ingress, source, rest);
    seq_dispatch(worker, source, rest);
    actor_begin(source->node->actor, tick, entry->time_ns);
    actor_run(source->node->actor);
    return true;
}

/* Of the entries that are void: what did not come from a source that is asked again, and was not
 * caused by what is void. */
static bool
enters_again(const struct worker *worker, const Hde__LogEntry *entry)
{
    const struct sequencer *self = worker->sequencer;
    const struct node *node = node_called(worker->engine, entry);

    switch (entry->kind) {
    case HDE__LOG_KIND__LOG_KIND_SOURCE:
        return node && node->source && !asked_is_askable(node->source);
    case HDE__LOG_KIND__LOG_KIND_ANSWER:
        return node && entry->cause < self->void_from;
    case HDE__LOG_KIND__LOG_KIND_HANDOVER:
        return entry->cause < self->void_from;
    case HDE__LOG_KIND__LOG_KIND_LETTER:
        return true;
    default:
        return false;
    }
}

/* False without err: there is no credit for it now. */
static bool
take_source(struct worker *worker, struct node *node, const Hde__LogEntry *entry, struct err *err)
{
    struct sequencer *self = worker->sequencer;
    struct source *source = node->source;
    struct intake *slot;
    uint64_t tick;

    if (!source)
        return err_set(err, "HDE-R012", "tick %llu: node '%s' is no source in this graph",
                       (unsigned long long)entry->tick, entry->node);
    if (!actor_can_start(node->actor))
        return false;
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_IDLE) {
        follow(self, entry);
        seq_enter_idle(worker, source, entry->time_ns);
        return true;
    }
    slot = taken_slot(worker, source, entry, err);
    if (!slot)
        return source->has_changed && !self->void_from && go_on_changed(worker, source, entry, err);
    slot->watermark_ns = entry->watermark_ns;
    slot->is_end = entry->end;
    slot->messages = (uint32_t)entry->n_messages;
    slot->positions.n = 0;
    for (size_t i = 0; i < entry->n_positions; i++)
        positions_set(&slot->positions, entry->positions[i]->partition,
                      entry->positions[i]->at.data, entry->positions[i]->at.len);
    tick = retake_tick(worker, entry);
    if (self->void_from)
        ingress_source(worker->engine->ingress, source, slot);
    seq_dispatch(worker, source, slot);
    actor_begin(node->actor, tick, entry->time_ns);
    actor_run(node->actor);
    return true;
}

static bool
take_direct(struct worker *worker, struct node *node, const Hde__LogEntry *entry, struct err *err)
{
    const uint32_t n = node->capture.n;
    struct direct *direct;

    if (entry->kind == HDE__LOG_KIND__LOG_KIND_TIMER &&
        (node->is_left_out || node->asked == ASKED_EACH)) { /* it fires behind the log */
        retake_tick(worker, entry);
        return true;
    }
    if (!node->actor->is_sequenced && !seq_direct_edge(worker->sequencer, node->actor))
        return err_set(err, "HDE-R012", "tick %llu: node '%s' takes no timers or answers here",
                       (unsigned long long)entry->tick, entry->node);
    if (!seq_can_give(worker, node->actor))
        return false;
    direct = xcalloc(1, sizeof *direct + n * sizeof *direct->port);
    direct->node = node;
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_TIMER) {
        direct->kind = DIRECT_TIMER;
        direct->timer = (struct timer){entry->at_ns, entry->timer};
    } else if (entry->kind == HDE__LOG_KIND__LOG_KIND_ASK) {
        direct->kind = DIRECT_ASK;
    } else {
        direct->kind = DIRECT_ANSWER;
        direct->n_ports = n;
        direct->cause = entry->cause;
        direct->question = entry->question;
        if (!ingress_messages(entry, node->def->op->outputs, n, direct->port, err)) {
            for (uint32_t i = 0; i < n; i++)
                msgvec_fini(&direct->port[i]);
            free(direct);
            return false;
        }
    }
    follow(worker->sequencer, entry);
    seq_give_direct(worker, direct, entry->time_ns);
    return true;
}

static bool
take_handover(struct worker *worker, struct edge *edge, const Hde__LogEntry *entry, struct err *err)
{
    struct sequencer *self = worker->sequencer;
    struct record record = {.now_ns = entry->time_ns,
                            .watermark_ns = entry->watermark_ns,
                            .put_ns = worker->mono_ns,
                            .n = (uint32_t)entry->n_messages};

    if (!seq_handover_has_credit(worker, edge))
        return false;
    if (!ingress_messages(entry, &edge->from->def->op->outputs[edge->from_port], 1, &self->handed,
                          err))
        return false;
    record.lines = msgvec_lines(&self->handed);
    record.tick = retake_tick(worker, entry);
    if (self->void_from)
        ingress_handover(worker->engine->ingress, edge, &record, entry->cause, &self->handed);
    ring_put(edge->out, &record, self->handed.item);
    self->handed.n = 0;
    return true;
}

/* Without hashes nobody wants to know where the run that wrote the log had its cuts. */
static bool
take_barrier(struct worker *worker, const Hde__LogEntry *entry)
{
    struct hashes *hashes = worker->engine->hashes;

    if (hashes && !seq_barrier_has_credit(worker))
        return false;
    retake_tick(worker, entry);
    if (!hashes)
        return true;
    hashes_begin(hashes, entry->tick);
    seq_run_barrier(worker, entry->time_ns);
    return true;
}

/* A swap, or the tick of a return, travels as it did. */
static bool
take_cut(struct worker *worker, const Hde__LogEntry *entry, struct err *err)
{
    struct swaps *swaps = worker->engine->swaps;
    struct swap_cut *cut;

    if (!seq_barrier_has_credit(worker) || !(cut = swaps_take(worker->engine, entry, err)))
        return false;
    retake_tick(worker, entry);
    swaps_give(swaps, cut, entry->tick);
    seq_run_barrier(worker, entry->time_ns);
    swaps_given(swaps, cut);
    return true;
}

/* Whoever runs builds of his own does not follow the log from one to another. */
static bool
is_passed_over(const struct engine *engine, const Hde__LogEntry *entry)
{
    return engine->options.own_builds && (entry->kind == HDE__LOG_KIND__LOG_KIND_SWAP ||
                                          entry->kind == HDE__LOG_KIND__LOG_KIND_RETURN);
}

static bool
take_letter(struct worker *worker, const Hde__LogEntry *entry, struct err *err)
{
    struct fed *fed;

    if (!seq_barrier_has_credit(worker))
        return false;
    fed = feed_of_entry(worker->engine, entry, err);
    if (!fed)
        return false;
    retake_tick(worker, entry);
    if (worker->sequencer->void_from) {
        struct fed_view view = feed_view(fed);

        ingress_letter(worker->engine->ingress, view.node, view.port, view.id, view.msg);
    }
    seq_give_fed(worker, fed, entry->time_ns);
    return true;
}

static bool
take_entry(struct worker *worker, const Hde__LogEntry *entry, struct err *err)
{
    struct sequencer *self = worker->sequencer;
    struct edge *edge = NULL;
    struct node *node = NULL;

    if (self->void_from && !enters_again(worker, entry))
        return true;
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_CHANGE)
        return take_change(worker, entry, err);
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_CUT)
        return true; /* of a change that follows, or that was not made */
    if (entry->tick <= self->last && !self->void_from)
        return err_set(err, "HDE-R012", "tick %llu comes behind tick %llu",
                       (unsigned long long)entry->tick, (unsigned long long)self->last);
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_BARRIER)
        return take_barrier(worker, entry);
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_START ||
        entry->kind == HDE__LOG_KIND__LOG_KIND_ASIDE || /* read before anything ran */
        entry->kind == HDE__LOG_KIND__LOG_KIND_HASHES || is_passed_over(worker->engine, entry)) {
        retake_tick(worker, entry);
        if (worker->engine->hashes)
            hashes_expect(worker->engine->hashes, entry);
        return true;
    }
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_SWAP ||
        entry->kind == HDE__LOG_KIND__LOG_KIND_RETURN)
        return take_cut(worker, entry, err);
    if (entry->kind == HDE__LOG_KIND__LOG_KIND_HANDOVER)
        edge = handover_called(self, entry);
    else
        node = node_called(worker->engine, entry);
    if (!node && !edge)
        return err_set(err, "HDE-R012", "tick %llu: this graph has no '%s'",
                       (unsigned long long)entry->tick, entry->node ? entry->node : "?");
    switch (entry->kind) {
    case HDE__LOG_KIND__LOG_KIND_SOURCE:
    case HDE__LOG_KIND__LOG_KIND_IDLE:
        return take_source(worker, node, entry, err);
    case HDE__LOG_KIND__LOG_KIND_TIMER:
    case HDE__LOG_KIND__LOG_KIND_ANSWER:
    case HDE__LOG_KIND__LOG_KIND_ASK:
        return take_direct(worker, node, entry, err);
    case HDE__LOG_KIND__LOG_KIND_LETTER:
        return take_letter(worker, entry, err);
    case HDE__LOG_KIND__LOG_KIND_HANDOVER:
        return take_handover(worker, edge, entry, err);
    default:
        return err_set(err, "HDE-R012", "tick %llu: entries of kind %d are not known here",
                       (unsigned long long)entry->tick, (int)entry->kind);
    }
}

/* Behind the last entry every source that has not ended does, there are no more answers, and edges
 * that drop hand over what they hold. */
static bool
end_log(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    bool moved = false;

    for (; self->n_released < engine->n_nodes; self->n_released++) {
        struct node *node = engine->nodes[self->n_released];
        struct direct *direct;

        if (!node->is_impure)
            continue;
        if (!seq_can_give(worker, node->actor))
            break;
        direct = xcalloc(1, sizeof *direct);
        direct->node = node;
        direct->kind = DIRECT_ANSWER;
        seq_give_direct(worker, direct, self->now_ns);
        moved = true;
    }

    for (uint32_t i = 0; i < self->n_sources; i++) {
        struct source *source = self->sources[i];
        struct intake *slot = asked_slot(source);

        if (source->has_ended || !actor_can_start(source->node->actor))
            continue;
        slot->watermark_ns = WM_END;
        slot->is_end = true;
        slot->messages = 0;
        seq_dispatch(worker, source, slot);
        actor_begin(source->node->actor, seq_give_tick(worker, self->now_ns), self->now_ns);
        actor_run(source->node->actor);
        moved = true;
    }
    return seq_live_handovers(worker) || moved;
}

/* The log has been taken: from here on new entries, in a start of their own. */
static bool
go_live(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;

    const Hde__Epoch *restored = epochs_restored(engine->epochs);
    struct err err = {0};

    ingress_recover_close(engine->ingress);
    if (!self->void_from && !begin_start(worker, restored))
        return false;
    self->void_from = 0;
    if (restored) {
        if (!ingress_wait_started(engine->ingress))
            return false; /* a broken log: ingress_must_wait() says so */
        epochs_forget_restored(engine->epochs);
    }
    swaps_started(engine);
    self->barrier_ns = worker->mono_ns;
    for (uint32_t i = 0; i < self->n_sources; i++) {
        struct source *source = self->sources[i];

        source->last_entry_ns = worker->mono_ns;
        if (source->asked || source_release(source))
            continue; /* one that was asked goes on by itself */
        asked_refuses(source, &err);
        engine_fail(engine, err.code, err.text);
        return false;
    }
    STAT_SET(engine->stats->recovery.taken, self->n_taken); /* before anybody sees that it ended */
    STAT_SET(engine->stats->recovery.ended_ns, clock_mono_ns());
    seq_ask_again(worker, true);
    atomic_store(&engine->recovering, false);
    apply_wanted(engine);
    log_line(LEVEL_INFO, engine->graph->name, NULL, "recovery.done", "%llu entries taken again",
             (unsigned long long)self->n_taken);
    swaps_renew(engine);
    return true;
}

void
retake_decisions(struct worker *worker, int64_t now_ns)
{
    struct engine *engine = worker->engine;
    struct decision *decision;

    while ((decision = swaps_next_decision(engine->swaps))) {
        uint64_t tick = seq_give_tick(worker, now_ns);

        if (decision->swap)
            ingress_return(engine->ingress, decision);
        else
            ingress_aside(engine->ingress, decision);
        atomic_store(&decision->tick, tick);
    }
}

/* What is asked for ends before it; or it is an entry of this start. */
static bool
is_behind(const struct worker *worker, const Hde__LogEntry *entry)
{
    const struct sequencer *self = worker->sequencer;
    uint64_t until = worker->engine->options.until;

    return (until && entry->tick > until) ||
           (self->void_from &&
            HDE_TICK_INCARNATION(entry->tick) == HDE_TICK_INCARNATION(self->last));
}

bool
retake_turn(struct worker *worker)
{
    struct sequencer *self = worker->sequencer;
    struct engine *engine = worker->engine;
    struct err err = {0};
    bool moved = false;
    /* One of several parts takes its log to the end: behind it comes what its links hold. */
    bool ends_early = engine->is_taking || !engine->options.parts;

    if (seq_cut_turn(worker, &moved))
        return moved;
    if (self->void_from && swaps_have_news(engine->swaps))
        retake_decisions(worker, self->now_ns);
    while (!worker_turn_is_over(worker)) {
        if (!self->entry && !self->log_has_ended)
            self->entry = ingress_next(engine->ingress, &err);
        if (self->entry && is_behind(worker, self->entry))
            self->entry = NULL;
        self->log_has_ended = !self->entry;
        if (err_is_set(&err))
            break;
        if (self->log_has_ended ||
            (ends_early && atomic_load_explicit(&engine->draining, memory_order_relaxed))) {
            if (engine->is_taking)
                moved |= end_log(worker);
            else if (self->log_has_ended)
                moved |= go_live(worker);
            else
                engine_end(engine);
            break;
        }
        if (!seq_is_time(worker, self->entry->time_ns) || !take_entry(worker, self->entry, &err))
            break;
        self->entry = NULL;
        self->n_taken++;
        moved = true;
    }
    STAT_SET(engine->stats->recovery.taken, self->n_taken);
    if (err_is_set(&err))
        engine_fail(engine, err.code, err.text);
    return moved;
}
