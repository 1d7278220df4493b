/* SPDX-License-Identifier: Apache-2.0
 * hash - collects hashes behind barriers.
 *
 *  (1) The hash of an output port is a chain over tick, event time and bytes of each message since
 *      the barrier before: it changes with what is emitted, in which tick and in what order. That
 *      of a state is over what an epoch would keep of the node.
 *      [test_a_changed_message_is_named_by_node_and_epoch]
 *  (2) Every barrier in the log is passed by every run that takes it, in its place, so chains begin
 *      at the same ticks in the run, after a crash, and in the replay.
 *      [test_hashes_go_on_over_a_crash]
 *  (3) Hashes are an entry of the log behind their barrier. A barrier of which the log has none (a
 *      crash came first) gets its own from the run that goes on.
 *  (4) Barriers are compared in order, nodes in topological order: the first difference that is
 *      found is the first there is. Nothing after it is compared.
 *  (5) They are written in the order of the barriers: one that has none where a later one has got
 *      them never will. A crash came between its epoch, from which the run went on, and them.
 *      [tests/graphs/kill_http.sh]
 *  (6) A change of the graph comes when every barrier in front of it was passed; nodes that stay
 *      keep their chains, new ones begin theirs there, in the run and in its replay.
 *      [tests/graphs/apply.sh]
 *  (7) Where a crash made a swap void, what was written up to the crash is of the build that the
 *      run went back from: nothing is compared with it. [tests/control/supervise.sh] */
#include "engine/hash.h"

#include "base/arena.h"
#include "base/hash64.h"
#include "engine/builds.h"
#include "engine/epoch.h"
#include "engine/ingress.h"
#include "engine/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cut { /* one barrier */
    struct cut *next;
    uint32_t waits;                      /* actors that have not passed it */
    bool *has_passed;                    /* by id of the node */
    Hde__BarrierHashes *found, *written; /* by this run; in the log, NULL: not yet read */
};

struct hashes {
    struct engine *engine;
    pthread_mutex_t lock; /* all below, but `end`, which is the sequencer's */
    struct cut *first, **last;
    Hde__BarrierHashes *end; /* taking: of the end of the run */
    uint64_t behind; /* tick of the last barrier that was dealt with */
    struct engine_verified report;
};

/* ---- Hashes of a node --------------------------------------------------------------------- */

static void
hash_state(Hde__NodeHashes *out, const Hde__SavedNode *saved)
{
    Hde__SavedNode bare = *saved;
    size_t size;
    uint8_t *bytes;

    bare.build_id = NULL; /* another build may be in the same state */
    size = hde__saved_node__get_packed_size(&bare);
    bytes = xmalloc(size + 1);
    hde__saved_node__pack(&bare, bytes);
    out->has_state = true;
    out->state = hash64(0, bytes, size);
    free(bytes);
}

/* Takes the chains of the outputs, which begin anew. */
static void
hash_node(struct node *node, const Hde__SavedNode *saved, struct cut *cut)
{
    Hde__NodeHashes *out = cut->found->nodes[node->order];
    struct probe *probe = node->probe;

    cut->has_passed[node->order] = true;
    if (saved) /* NULL: save() refused */
        hash_state(out, saved);
    for (uint32_t p = 0; p < out->n_outputs; p++) {
        out->outputs[p] = probe->port[p].hash;
        out->messages[p] = probe->port[p].messages;
        probe->port[p] = (struct digest){0};
    }
}

static Hde__NodeHashes *
node_hashes_new(const struct node *node)
{
    Hde__NodeHashes *out = xmalloc(sizeof *out);
    size_t n = node->ctx.outlets.n;

    hde__node_hashes__init(out);
    out->name = xstrdup(node->def->name);
    out->has_replica = node->replica != 0;
    out->replica = node->replica;
    out->n_outputs = out->n_messages = n;
    out->outputs = xcalloc(n, sizeof *out->outputs);
    out->messages = xcalloc(n, sizeof *out->messages);
    return out;
}

/* One for each node, at its id; NULL where there is no probe. */
static Hde__BarrierHashes *
barrier_hashes_new(const struct engine *engine, uint64_t tick)
{
    Hde__BarrierHashes *out = xmalloc(sizeof *out);

    hde__barrier_hashes__init(out);
    out->has_tick = true;
    out->tick = tick;
    out->nodes = xcalloc(engine->n_nodes + 1, sizeof *out->nodes);
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->probe)
            out->nodes[i] = node_hashes_new(engine->nodes[i]);
    return out;
}

/* From here on only nodes with hashes, packed together, in topological order. */
static void
close_up(const struct engine *engine, Hde__BarrierHashes *hashes)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (hashes->nodes[i])
            hashes->nodes[hashes->n_nodes++] = hashes->nodes[i];
}

static Hde__BarrierHashes *
copy_of(const Hde__BarrierHashes *hashes)
{
    size_t size = hde__barrier_hashes__get_packed_size(hashes);
    uint8_t *bytes = xmalloc(size + 1);
    Hde__BarrierHashes *copy;

    hde__barrier_hashes__pack(hashes, bytes);
    copy = hde__barrier_hashes__unpack(NULL, size, bytes);
    free(bytes);
    return copy;
}

/* ---- Barriers ----------------------------------------------------------------------------- */

static void
append(struct hashes *self, struct cut *cut)
{
    *self->last = cut;
    self->last = &cut->next;
}

static void
drop_first(struct hashes *self)
{
    struct cut *cut = self->first;

    self->behind = cut->found->tick;
    self->first = cut->next;
    if (!self->first)
        self->last = &self->first;
    hde__barrier_hashes__free_unpacked(cut->found, NULL);
    if (cut->written)
        hde__barrier_hashes__free_unpacked(cut->written, NULL);
    free(cut->has_passed);
    free(cut);
}

void
hashes_begin(struct hashes *self, uint64_t tick)
{
    const struct engine *engine = self->engine;
    struct cut *cut = xcalloc(1, sizeof *cut);

    cut->found = barrier_hashes_new(engine, tick);
    cut->has_passed = xcalloc(engine->n_nodes + 1, sizeof *cut->has_passed);
    for (uint32_t i = 0; i < engine->n_actors; i++)
        cut->waits += epochs_reach(engine->actors[i]);
    pthread_mutex_lock(&self->lock);
    append(self, cut);
    pthread_mutex_unlock(&self->lock);
}

static struct cut *
cut_at(const struct hashes *self, uint64_t tick)
{
    struct cut *cut = self->first;

    while (cut && cut->found->tick != tick)
        cut = cut->next;
    return cut;
}

void
hashes_pass(const struct actor *actor, Hde__SavedNode *const *saved)
{
    struct hashes *self = actor->engine->hashes;
    bool is_complete;
    struct cut *cut;

    pthread_mutex_lock(&self->lock);
    cut = cut_at(self, actor->tick);
    pthread_mutex_unlock(&self->lock);
    if (!cut) /* nobody asked for this one */
        return;
    for (uint32_t i = 0; i < actor->n_nodes; i++)
        if (actor->nodes[i]->probe) /* slots of its own: no other thread is there */
            hash_node(actor->nodes[i], saved[i], cut);
    pthread_mutex_lock(&self->lock);
    is_complete = !--cut->waits;
    if (is_complete)
        close_up(self->engine, cut->found);
    pthread_mutex_unlock(&self->lock);
    if (!is_complete)
        return;
    full_fence(); /* pairs with that of sleep_until_event() in worker.c */
    worker_wake_if_parked(self->engine->first);
}

bool
hashes_are_open(struct hashes *self)
{
    bool open;

    pthread_mutex_lock(&self->lock);
    open = self->first != NULL;
    pthread_mutex_unlock(&self->lock);
    return open;
}

/* ---- Comparing ---------------------------------------------------------------------------- */

static void
note_difference(struct hashes *self, const struct cut *cut, const Hde__NodeHashes *found,
                const char *what)
{
    struct engine_verified *report = &self->report;

    report->differs = true;
    snprintf(report->node, sizeof report->node, "%s", found->name);
    snprintf(report->what, sizeof report->what, "%s", what);
    report->after = self->behind;
    report->up_to = cut->found->tick;
}

static const Hde__NodeHashes *
same_node(const Hde__BarrierHashes *hashes, const Hde__NodeHashes *node)
{
    for (size_t i = 0; i < hashes->n_nodes; i++)
        if (hashes->nodes[i]->replica == node->replica &&
            strcmp(hashes->nodes[i]->name, node->name) == 0)
            return hashes->nodes[i];
    return NULL;
}

static const struct node *
node_of(const struct engine *engine, const Hde__NodeHashes *hashes)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (engine->nodes[i]->probe && engine->nodes[i]->replica == hashes->replica &&
            strcmp(engine->nodes[i]->def->name, hashes->name) == 0)
            return engine->nodes[i];
    return NULL;
}

/* False after the difference was noted. */
static bool
compare_node(struct hashes *self, const struct cut *cut, const Hde__NodeHashes *found,
             const Hde__NodeHashes *written)
{
    const struct node *node = node_of(self->engine, found);

    for (size_t p = 0; p < found->n_outputs; p++) {
        char what[128];

        self->report.hashes++;
        if (p < written->n_outputs && found->outputs[p] == written->outputs[p])
            continue;
        snprintf(what, sizeof what, "output '%s' (%llu messages in the run, %llu now)",
                 node ? node->def->op->outputs[p].name : "?", /* it is gone since */
                 p < written->n_messages ? (unsigned long long)written->messages[p] : 0,
                 (unsigned long long)found->messages[p]);
        note_difference(self, cut, found, what);
        return false;
    }
    self->report.hashes++;
    if (found->has_state == written->has_state && found->state == written->state)
        return true;
    note_difference(self, cut, found, "state");
    return false;
}

static void
compare(struct hashes *self, const struct cut *cut)
{
    for (size_t i = 0; i < cut->found->n_nodes && !self->report.differs; i++) {
        const Hde__NodeHashes *found = cut->found->nodes[i];
        const Hde__NodeHashes *written = same_node(cut->written, found);

        if (!written)
            note_difference(self, cut, found, "node: the run did not have it");
        else
            compare_node(self, cut, found, written);
    }
    for (size_t i = 0; i < cut->written->n_nodes && !self->report.differs; i++)
        if (!same_node(cut->found, cut->written->nodes[i]))
            note_difference(self, cut, cut->written->nodes[i], "node: this graph does not have it");
    self->report.barriers++;
    self->report.up_to = cut->found->tick;
}

static void
set_end(struct hashes *self, const Hde__BarrierHashes *written)
{
    if (self->end)
        hde__barrier_hashes__free_unpacked(self->end, NULL);
    self->end = written ? copy_of(written) : NULL;
}

void
hashes_expect(struct hashes *self, const Hde__LogEntry *entry)
{
    const Hde__BarrierHashes *written = entry->hashes;
    struct cut *cut;

    if (entry->kind == HDE__LOG_KIND__LOG_KIND_START)
        set_end(self, NULL); /* it was none */
    if (!written)
        return;
    if (written->end) { /* compared when all has ended: hashes_finish() */
        set_end(self, written);
        return;
    }
    pthread_mutex_lock(&self->lock);
    cut = cut_at(self, written->tick);
    if (cut && !cut->written)
        cut->written = copy_of(written);
    pthread_mutex_unlock(&self->lock);
}

/* ---- The sequencer's turn ----------------------------------------------------------------- */

static void
write_first(struct hashes *self)
{
    struct sequencer *sequencer = &self->engine->sequencer;
    bool is_last = sequencer->last == sequencer->barrier_tick;

    sequencer_tick(self->engine->first);
    ingress_hashes(self->engine->ingress, self->first->found);
    if (is_last) /* nothing came since the barrier: this is nothing either */
        sequencer->barrier_tick = sequencer->last;
}

/* Rule (5). */
static bool
is_passed_over(const struct cut *cut)
{
    const struct cut *later = cut->next;

    while (later && !later->written)
        later = later->next;
    return !cut->written && later;
}

struct void_range {
    uint64_t tick;
    bool found;
};

static void
look_at_void(void *arg, uint64_t swap, uint64_t until)
{
    struct void_range *self = arg;

    self->found |= self->tick >= swap && self->tick <= until;
}

/* Rule (7). */
static bool
is_void(const struct hashes *self, const struct cut *cut)
{
    struct void_range range = {.tick = cut->found->tick};

    builds_each_void(self->engine->builds, look_at_void, &range);
    return range.found;
}

/* Deals with the first barrier if it can be; the lock is held. */
static bool
settle_first(struct hashes *self)
{
    const struct engine *engine = self->engine;
    struct cut *cut = self->first;
    bool is_over = cut && is_passed_over(cut);

    if (!cut || cut->waits || (!cut->written && !is_over && !engine->is_recording))
        return false;
    if (is_over || (cut->written && engine->is_taking && is_void(self, cut)))
        ; /* nothing to compare with */
    else if (!cut->written)
        write_first(self);
    else if (engine->is_taking && !self->report.differs)
        compare(self, cut);
    drop_first(self);
    return true;
}

bool
hashes_turn(struct worker *worker)
{
    struct hashes *self = worker->engine->hashes;
    bool moved = false;

    pthread_mutex_lock(&self->lock);
    while (settle_first(self))
        moved = true;
    pthread_mutex_unlock(&self->lock);
    if (self->report.differs)
        engine_end(worker->engine);
    return moved;
}

/* ---- The end ------------------------------------------------------------------------------ */

/* Nodes that have not passed it do so now: all have ended, and no thread runs any more. */
static void
pass_rest(const struct engine *engine, struct cut *cut)
{
    if (cut->found->n_nodes) /* it is closed up, maybe of a graph that was changed since */
        return;
    for (uint32_t i = 0; i < engine->n_nodes; i++) {
        struct node *node = engine->nodes[i];
        Hde__SavedNode *saved;

        if (!node->probe || cut->has_passed[i])
            continue;
        saved = epochs_saved_node(node);
        hash_node(node, saved, cut);
        if (saved)
            hde__saved_node__free_unpacked(saved, NULL);
    }
    if (cut->waits)
        close_up(engine, cut->found);
    cut->waits = 0;
}

static void
cut_all(struct hashes *self, uint64_t tick)
{
    hashes_begin(self, tick);
    for (struct cut *cut = self->first; cut; cut = cut->next)
        pass_rest(self->engine, cut);
}

/* Entries behind the one at which the last actor ended: barriers, and hashes. */
static void
take_rest(struct hashes *self)
{
    struct sequencer *sequencer = &self->engine->sequencer;
    const Hde__LogEntry *entry = sequencer->entry;
    struct err err = {0};

    for (; entry || !sequencer->log_has_ended; entry = NULL) {
        if (!entry && !(entry = ingress_next(self->engine->ingress, &err)))
            break;
        if (entry->kind == HDE__LOG_KIND__LOG_KIND_BARRIER)
            cut_all(self, entry->tick);
        hashes_expect(self, entry);
    }
    sequencer->entry = NULL;
    if (!self->end)
        return;
    cut_all(self, self->end->tick);
    cut_at(self, self->end->tick)->written = self->end;
    self->end = NULL;
}

void
hashes_finish(struct engine *engine)
{
    struct hashes *self = engine->hashes;
    bool has_ended = !atomic_load(&engine->actors_left);

    if (!self)
        return;
    for (struct cut *cut = self->first; cut && has_ended; cut = cut->next)
        pass_rest(engine, cut);
    if (engine->is_taking && has_ended && !self->report.differs)
        take_rest(self);
    while (settle_first(self))
        ;
    if (!engine->is_recording || !has_ended || engine_state(engine) != ENGINE_ENDED)
        return;
    cut_all(self, engine->sequencer.last);
    self->first->found->has_end = self->first->found->end = true;
    settle_first(self);
}

bool
engine_verify(struct engine *engine, struct engine_verified *out)
{
    if (!engine->hashes)
        return false;
    hashes_finish(engine);
    *out = engine->hashes->report;
    return true;
}

/* ---- Open and close ----------------------------------------------------------------------- */

void
hashes_open(struct engine *engine)
{
    struct hashes *self = xcalloc(1, sizeof *self);

    engine->hashes = self;
    self->engine = engine;
    self->last = &self->first;
    self->behind = engine->sequencer.last;
    pthread_mutex_init(&self->lock, NULL);
}

void
hashes_close(struct hashes *self)
{
    if (!self)
        return;
    while (self->first) {
        if (self->first->waits)
            close_up(self->engine, self->first->found);
        drop_first(self);
    }
    set_end(self, NULL);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
