/* SPDX-License-Identifier: Apache-2.0
 * actor - takes ticks from the inputs of an actor in order, and publishes what came of them.
 *
 *  (1) A tick starts when every input is at or past it (O7) and every block output has credit
 *      (O4); then it runs to its end whatever it emits.
 *      [test_order_equals_the_reference_on_random_graphs]
 *  (2) Each edge gets at most one batch a tick, after the tick: messages, or a new watermark alone.
 *  (3) The word of the outputs never reaches a tick that is worked on; otherwise it is the smallest
 *      over the inputs of (tick at the front - 1) or, where the ring is empty, that input's word
 *      (O6). It is published after ticks and when asked, also by an actor that cannot go on.
 *      [test_crossing_diamonds_with_capacity_one]
 *  (4) An actor that waits at a merge asks the writer it waits for; one that is asked and cannot
 *      answer asks further up (O7).
 *  (5) Publish, fence, look who waits, wake: worker.c has the fence between actor_publish() and
 *      actor_wake_others().
 *
 *      READY --tick at every input, credit--> IN_TICK --end--> READY
 *                                             IN_TICK --retry--> PARKED --backoff over--> IN_TICK
 *                                             IN_TICK --error, on_error: stop--> FAILED
 *      READY, IN_TICK --a node goes back to its old build--> PARKED until that is durable */
#include "engine/epoch.h"
#include "engine/feed.h"
#include "engine/ingress.h"
#include "engine/swaps.h"

#include <stdlib.h>

#define unlikely(x) __builtin_expect(!!(x), 0)

static const int64_t look_again_ns = NS_PER_MS; /* whether a decision is durable */

/* ---- Outputs ------------------------------------------------------------------------------ */

static void
give_all(const struct hde_outlet *outlet, hde_msg *msg)
{
    if (!outlet->n_targets) {
        hde_msg_drop(msg);
        return;
    }
    for (uint32_t i = 1; i < outlet->n_targets; i++)
        msgvec_push(outlet->targets[i], hde_msg_keep(msg));
    msgvec_push(outlet->targets[0], msg);
}

void
node_give_each(struct node *node, unsigned port, struct hde_msgvec *vec)
{
    for (uint32_t i = 0; i < vec->n; i++)
        give_all(&node->outlets[port], vec->item[i]);
    vec->n = 0;
}

uint32_t
msgvec_lines(const struct hde_msgvec *vec)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < vec->n; i++)
        bytes += ((const struct message *)vec->item[i])->bytes;
    bytes = (bytes + 63) / 64;
    return bytes < 0x1fffffff ? (uint32_t)bytes : 0x1fffffff;
}

static void
put_drop(struct edge *edge, const struct worker *worker, const struct record *record)
{
    struct worker *reader = edge->reader->worker;

    if (edge->out) /* handed over by the sequencer */
        reader = edge->engine->first;
    if (drop_put(edge->drop, record, &edge->pending) && reader != worker) {
        full_fence();
        worker_wake_if_parked(reader);
    }
}

void
edge_put(struct edge *edge, const struct worker *worker, uint64_t tick, int64_t now_ns)
{
    struct hde_msgvec *vec = &edge->pending;
    struct record record = {.tick = tick, .now_ns = now_ns, .put_ns = worker->mono_ns};

    record.watermark_ns = *edge->out_wm;
    record.barrier = edge->stats && !edge->drop && edge->writer && edge->writer->is_barrier;
    if (!vec->n && record.watermark_ns == edge->put_wm && !record.barrier)
        return;
    record.n = vec->n;
    record.lines = msgvec_lines(vec);
    edge->put_wm = record.watermark_ns;
    STAT_ADD(edge->stats->messages, vec->n);
    STAT_ADD(edge->stats->batches, vec->n != 0);
    STAT_ADD(edge->stats->bytes, (uint64_t)record.lines * 64);
    if (unlikely(atomic_load_explicit(&edge->tap, memory_order_relaxed) != NULL))
        tap_record(edge, tick, vec->item, vec->n);
    if (edge->drop) {
        put_drop(edge, worker, &record);
        return;
    }
    ring_put(edge->out, &record, vec->item);
    vec->n = 0;
}

static void
split_pending(struct split *split)
{
    for (uint32_t i = 0; i < split->pending.n; i++) {
        hde_msg *msg = split->pending.item[i];
        uint64_t replica = key_hash(&split->key, msg->body) % split->of;

        if (replica % split->hosts != split->at)
            hde_msg_drop(msg);
        else
            msgvec_push(&split->edges[split->n > 1 ? replica / split->hosts : 0]->pending, msg);
    }
    split->pending.n = 0;
}

/* For the watchdog: since when, and for what, the actor stands still. NULL: for the log. */
static void
note_wait(struct actor *actor, const struct edge *edge)
{
    atomic_store_explicit(&actor->waits_for, edge, memory_order_relaxed);
    STAT_SET(actor->waits_for_log, !edge);
    if (!STAT_GET(actor->stuck_since_ns))
        STAT_SET(actor->stuck_since_ns, actor->worker->mono_ns);
}

static inline void
note_progress(struct actor *actor)
{
    atomic_store_explicit(&actor->waits_for, NULL, memory_order_relaxed);
    STAT_SET(actor->waits_for_log, false);
    STAT_SET(actor->stuck_since_ns, 0);
}

/* Block edges can make their writer wait; the account of it. */
static bool
note_credit(struct edge *edge, struct worker *worker, bool has_credit)
{
    if (has_credit == !edge->blocked_ns)
        return has_credit;
    if (edge->stats) {
        if (has_credit)
            STAT_ADD(edge->stats->blocked_ns, (uint64_t)(worker->mono_ns - edge->blocked_ns));
        STAT_SET(edge->stats->blocked_since_ns, has_credit ? 0 : worker->mono_ns);
    }
    edge->blocked_ns = has_credit ? 0 : worker->mono_ns;
    worker->is_unsettled = true; /* whoever asked may not be the one who can go on */
    /* relaxed: the fences of parking and publishing order it against credit (O7) */
    atomic_store_explicit(&edge->out->starved, !has_credit, memory_order_relaxed);
    return has_credit;
}

bool
edge_has_credit(struct edge *edge, struct worker *worker)
{
    if (edge->drop)
        return true;
    return note_credit(edge, worker, ring_has_credit(edge->out));
}

bool
actor_has_credit(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_out; i++)
        if (unlikely(!edge_has_credit(actor->out[i], actor->worker))) {
            note_wait(actor, actor->out[i]);
            actor->is_blocked = true;
            return false;
        }
    if (unlikely(actor->is_blocked)) {
        actor->is_blocked = false;
        note_progress(actor);
    }
    return true;
}

/* ---- A tick ------------------------------------------------------------------------------- */

void
actor_begin(struct actor *actor, uint64_t tick, int64_t now_ns)
{
    if (unlikely(actor->returns))
        swap_before_tick(actor, tick);
    actor->tick = tick;
    actor->now_ns = now_ns;
    actor->is_ordered = true;
    actor->is_barrier = false;
    actor->ticks++;
    actor->is_sampled =
        actor->ticks % (actor->ticks < STATS_MANY ? STATS_SAMPLE : STATS_SELDOM) == 0;
    actor->is_slow = actor->is_sampled || STAT_GET(actor->engine->taps);
    actor->is_counting = true;
    actor->state = ACTOR_IN_TICK;
}

static void
finish_inputs(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_in; i++) {
        struct edge *edge = actor->in[i];

        if (!edge->taken_units)
            continue;
        ring_finish(edge->in, edge->taken_units, edge->taken_lines);
        if (edge->stats) {
            STAT_ADD(edge->stats->done_messages, edge->taken_n);
            STAT_ADD(edge->stats->done_bytes, edge->taken_lines * 64);
        }
        edge->taken_units = 0;
    }
}

static void
note_end(struct actor *actor)
{
    actor->has_ended = true;
    exec_account(actor); /* whoever waits for the end may look at once */
    engine_actor_ended(actor->engine);
}

static void
finish_edges(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_splits; i++)
        split_pending(actor->splits[i]);
    for (uint32_t i = 0; i < actor->n_out; i++)
        edge_put(actor->out[i], actor->worker, actor->tick, actor->now_ns);
    finish_inputs(actor);
}

static void
finish(struct actor *actor)
{
    if (actor->n_splits | actor->n_out | actor->n_in)
        finish_edges(actor);
    if (actor->is_ordered)
        actor->done = actor->tick;
    actor->state = ACTOR_READY;
    actor->is_dirty = true;
    if (unlikely(STAT_GET(actor->stuck_since_ns)))
        note_progress(actor);
    actor->wants_flush = actor->has_flush;
    if (unlikely(actor->direct)) { /* its node has gone: nobody met it */
        free(actor->direct);
        actor->direct = NULL;
    }
    if (unlikely(actor->n_ended == actor->n_nodes && !actor->has_ended))
        note_end(actor);
    if (unlikely(actor->decision != NULL))
        actor_hold(actor);
}

void
actor_hold(struct actor *actor)
{
    actor->state = ACTOR_PARKED;
    actor->is_held = true;
    actor->resume_ns = actor->worker->mono_ns;
}

/* Sinks make safe what they have; then it is a swap, or everybody saves and the epoch has this
 * actor from here on. */
static bool
pass_barrier(struct actor *actor)
{
    struct engine *engine = actor->engine;
    int64_t begin_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);

    if (!exec_flush(actor))
        return false;
    if (!swaps_pass(actor) && !feed_pass(actor)) {
        epochs_save(actor);
        if (engine->epochs)
            epochs_count_cpu(engine->epochs, begin_ns);
    }
    if (atomic_load(&engine->cut) == CUT_GIVEN && atomic_load(&engine->cut_tick) == actor->tick &&
        atomic_fetch_sub(&engine->cut_waits, 1) == 1)
        apply_passed(engine);
    return true;
}

bool
actor_run(struct actor *actor)
{
    bool is_done = exec_tick(actor) && (!unlikely(actor->is_barrier) || pass_barrier(actor));

    STAT_SET(actor->worker->stats->node, 0);
    if (is_done)
        finish(actor);
    return is_done;
}

static void
unpark(struct actor *actor)
{
    for (uint32_t i = 0; i < actor->n_nodes; i++)
        if (STAT_GET(actor->nodes[i]->stats->state) == NODE_PARKED)
            STAT_SET(actor->nodes[i]->stats->state, NODE_IDLE);
}

static bool
flush_sinks(struct actor *actor)
{
    bool is_done = exec_flush(actor);

    STAT_SET(actor->worker->stats->node, 0);
    return is_done;
}

bool
actor_resume(struct actor *actor)
{
    if (actor->state != ACTOR_PARKED || actor->worker->mono_ns < actor->resume_ns)
        return false;
    if (actor->decision) {
        if (!swaps_may_go_on(actor)) {
            note_wait(actor, NULL);
            actor->resume_ns = actor->worker->mono_ns + look_again_ns;
            return false;
        }
        note_progress(actor);
    }
    if (actor->is_held) {
        actor->is_held = false;
        actor->state = ACTOR_READY;
        return true;
    }
    unpark(actor);
    if (actor->is_flushing && actor->is_barrier) {
        actor->state = ACTOR_IN_TICK;
        if (pass_barrier(actor))
            finish(actor);
        STAT_SET(actor->worker->stats->node, 0);
    } else if (actor->is_flushing) {
        actor->state = ACTOR_READY;
        flush_sinks(actor);
    } else {
        actor->state = ACTOR_IN_TICK;
        actor_run(actor);
    }
    return true;
}

/* ---- Inputs ------------------------------------------------------------------------------- */

static void
look(struct edge *edge)
{
    if (edge->has_front)
        return;
    edge->seen_word = ring_word(edge->in); /* before the ring: rule (2) of edge_ring */
    edge->has_front = ring_front(edge->in, &edge->front);
}

static void
ask(struct edge *edge, uint64_t tick)
{
    if (ring_ask(edge->in, tick)) {
        edge->is_asking = true;
        edge->reader->is_dirty = true;
    }
}

/* What is seen outside comes behind the log (L2). */
static bool
is_logged(struct actor *actor, uint64_t tick)
{
    bool is_durable = ingress_is_durable(actor->engine, tick);

    if (!is_durable)
        note_wait(actor, NULL);
    else
        STAT_SET(actor->waits_for_log, false);
    return is_durable;
}

/* The next tick if every input is at it or past it; 0: none. */
static uint64_t
next_tick(struct actor *actor)
{
    uint64_t tick = UINT64_MAX;
    struct edge *lacking = NULL;

    for (uint32_t i = 0; i < actor->n_in; i++) {
        struct edge *edge = actor->in[i];

        look(edge);
        if (edge->has_front && edge->front.tick < tick)
            tick = edge->front.tick;
    }
    if (tick == UINT64_MAX)
        return 0;
    for (uint32_t i = 0; i < actor->n_in; i++) {
        struct edge *edge = actor->in[i];

        if (!edge->has_front && edge->seen_word < tick) {
            ask(edge, tick);
            lacking = edge;
        }
    }
    if (lacking)
        note_wait(actor, lacking);
    return lacking || (actor->is_gated && !is_logged(actor, tick)) ? 0 : tick;
}

static void
take(struct actor *actor, struct edge *edge)
{
    const struct record *front = &edge->front;

    if (unlikely(front->direct)) {
        ring_take(edge->in, front, &actor->direct_item);
        actor->direct = (struct direct *)(void *)actor->direct_item.item[0];
        actor->direct_item.n = 0;
    } else {
        ring_take(edge->in, front, &edge->arrived);
    }
    if (front->watermark_ns != WM_NONE) /* a barrier of the sequencer's own says nothing of it */
        edge->in_wm = front->watermark_ns;
    edge->taken_n = front->n;
    edge->taken_units = record_units(front);
    edge->taken_lines = front->lines;
    edge->has_front = false;
    if (edge->stats)
        STAT_SET(edge->stats->front_ns, front->put_ns);
    actor->worker->budget -= front->n + 1;
}

static void
take_tick(struct actor *actor, uint64_t tick)
{
    int64_t now_ns = 0;
    bool is_barrier = false;

    for (uint32_t i = 0; i < actor->n_in; i++) {
        struct edge *edge = actor->in[i];

        if (edge->has_front && edge->front.tick == tick) {
            now_ns = edge->front.now_ns;
            is_barrier |= edge->front.barrier;
            take(actor, edge);
        }
    }
    actor_begin(actor, tick, now_ns);
    actor->is_barrier = is_barrier;
    if (unlikely(is_barrier))
        feed_meet(actor);
}

/* What drop edges hold for a view: outside of order, so between any two ticks. */
static bool
view_turn(struct actor *actor)
{
    bool moved = false;

    for (uint32_t i = 0; i < actor->n_drops && actor_can_start(actor); i++) {
        struct edge *edge = actor->drops[i];
        struct record record;

        if (!drop_get(edge->drop, &record, &edge->arrived, VIEW_MESSAGES))
            continue;
        edge->in_wm = record.watermark_ns;
        STAT_SET(edge->stats->front_ns, record.put_ns);
        STAT_ADD(edge->stats->done_messages, record.n);
        STAT_ADD(edge->stats->done_bytes, (uint64_t)record.lines * 64);
        actor_begin(actor, record.tick, record.now_ns);
        actor->is_ordered = false;
        actor_run(actor);
        moved = true;
    }
    return moved;
}

/* An actor that nothing can reach ends at once; its descriptors and posts are served on. */
static bool
is_unreachable(const struct actor *actor)
{
    return !actor->n_in && !actor->n_drops && !actor->is_sequenced && !actor->has_ended;
}

bool
actor_turn(struct actor *actor)
{
    bool moved = false;

    if (unlikely(actor->state == ACTOR_PARKED))
        return actor_resume(actor);
    if (unlikely(is_unreachable(actor)) && actor_can_start(actor)) {
        actor_begin(actor, FIRST_TICK, worker_real_ns(actor->worker));
        return actor_run(actor);
    }
    while (!worker_turn_is_over(actor->worker) && actor_can_start(actor)) {
        uint64_t tick = next_tick(actor);

        if (!tick)
            break;
        take_tick(actor, tick);
        moved = true;
        if (unlikely(!actor_run(actor)))
            break;
    }
    if (actor->n_drops)
        moved |= view_turn(actor);
    if (moved)
        return true;
    if (!actor->wants_flush || actor->state != ACTOR_READY ||
        (actor->is_sequenced && actor->worker->has_moved))
        return false;
    flush_sinks(actor); /* the input has run empty */
    return true;
}

/* ---- Progress ----------------------------------------------------------------------------- */

uint64_t
actor_word(struct actor *actor)
{
    uint64_t word = UINT64_MAX;

    if (actor->state != ACTOR_READY && (!actor->is_flushing || actor->is_barrier))
        return actor->tick - 1;
    if (actor->is_sequenced)
        return actor->engine->sequencer.last;
    for (uint32_t i = 0; i < actor->n_in; i++) {
        struct edge *edge = actor->in[i];
        uint64_t value;

        look(edge);
        value = edge->has_front ? edge->front.tick - 1 : edge->seen_word;
        if (value < word)
            word = value;
    }
    return word < actor->done || !actor->n_in ? actor->done : word;
}

/* Asks the inputs that hold the word back; true: one had not been asked for this. */
static bool
ask_further_up(struct actor *actor, uint64_t wanted)
{
    bool is_new = false;

    for (uint32_t i = 0; i < actor->n_in; i++) {
        struct edge *edge = actor->in[i];

        if (!edge->has_front && edge->seen_word < wanted && ring_ask(edge->in, wanted))
            edge->is_asking = is_new = true;
    }
    return is_new;
}

static uint64_t
wanted_of(const struct actor *actor)
{
    uint64_t wanted = 0;

    for (uint32_t i = 0; i < actor->n_out; i++) {
        const struct ring *ring = actor->out[i]->drop ? NULL : actor->out[i]->out;

        if (ring && ring_is_asked(ring)) {
            uint64_t ask = atomic_load_explicit(&ring->ask, memory_order_relaxed);

            if (ask > wanted)
                wanted = ask;
        }
    }
    return wanted;
}

bool
edge_publish(struct edge *edge, const struct worker *worker, uint64_t word)
{
    struct ring *ring = edge->out;
    bool fills = edge->stats && ring->put_units != ring->published_units && ring_is_drained(ring);
    unsigned news = ring_publish(ring, word);

    edge->is_published |= (news & RING_BATCH) != 0;
    if (edge->stats && news)
        STAT_SET(edge->stats->word, word);
    if (fills)
        STAT_SET(edge->stats->fill_ns, worker->mono_ns);
    return news != RING_QUIET;
}

/* True if somebody may go on because of it. */
bool
actor_publish(struct actor *actor)
{
    uint64_t wanted = wanted_of(actor), word;
    bool moved = actor->is_dirty;

    if (!moved && !wanted)
        return false;
    word = actor_word(actor);
    for (uint32_t i = 0; i < actor->n_out; i++)
        if (!actor->out[i]->drop)
            moved |= edge_publish(actor->out[i], actor->worker, word);
    if (wanted > word)
        moved |= ask_further_up(actor, wanted);
    for (uint32_t i = 0; i < actor->n_in; i++)
        actor->in[i]->is_returned |= ring_return(actor->in[i]->in);
    actor->is_dirty = false;
    actor->is_announced |= moved;
    return moved;
}

void
edge_wake_reader(struct edge *edge, const struct worker *self)
{
    struct worker *reader = edge->reader ? edge->reader->worker : edge->engine->first;

    if ((ring_answers(edge->out) || edge->is_published) && edge->kind != EDGE_ZMQ && reader != self)
        worker_wake_if_parked(reader);
    edge->is_published = false;
}

static void
wake_writer(struct edge *edge, const struct worker *self)
{
    struct worker *writer =
        edge->writer && !edge->drop ? edge->writer->worker : edge->engine->first;
    bool has_reason =
        edge->is_asking ||
        (edge->is_returned && atomic_load_explicit(&edge->in->starved, memory_order_relaxed));

    if (has_reason && edge->kind != EDGE_ZMQ && writer != self)
        worker_wake_if_parked(writer);
    edge->is_asking = edge->is_returned = false;
}

void
actor_wake_others(struct actor *actor)
{
    if (!actor->is_announced)
        return;
    actor->is_announced = false;
    for (uint32_t i = 0; i < actor->n_out; i++)
        if (!actor->out[i]->drop)
            edge_wake_reader(actor->out[i], actor->worker);
    for (uint32_t i = 0; i < actor->n_in; i++)
        wake_writer(actor->in[i], actor->worker);
}
