/* SPDX-License-Identifier: Apache-2.0
 * ingress - entries as records of a segment log (seglog.h), each a packed hde.LogEntry.
 *
 *  (1) An entry is written when it gets its tick, before it runs: what ran is in the log, as far as
 *      the log is durable. [test_a_recorded_run_is_given_again]
 *  (2) An entry holds all that the run takes from outside: messages, watermark, end, processing
 *      time, timer. Nothing else of a source is asked when the log is taken again.
 *  (3) When the log has no room nothing gets a tick, so sources are not polled; the log's thread
 *      wakes the sequencing worker when there is room again. A broken log ends the run: what
 *      cannot be kept must not go on.
 *  (4) Entries that a start may still need are kept: those behind the oldest epoch that is kept.
 *      What is older goes by size and age (graph->log); without checkpoints nothing is needed.
 *      Who asks for what is gone hears of it. [tests/graphs/retired.sh]
 *  (5) Every start begins with an entry of its own and ticks above all before.
 *      [test_the_last_of_several_starts_is_given_again] */
#include "engine/ingress.h"
#include "engine/asked.h"
#include "engine/swaps.h"

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/fault.h"
#include "base/log.h"
#include "engine/dlq.h"
#include "engine/owner.h"
#include "engine/epoch.h"
#include "seglog/seglog.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define INCARNATION_BITS 40
enum {
    RESERVE_BYTES = 4 * 1024 * 1024, /* for barriers and decisions on a full disk */
    SEEDED_SEGMENT_BYTES = 64 * 1024,
};

struct ingress {
    struct engine *engine;
    struct seglog *log;           /* writing */
    _Atomic bool is_open;         /* its thread may look at it */
    struct seglog_reader *reader; /* taking */
    Hde__LogEntry *taken;
    uint64_t taken_position; /* of the record that was read last, 0: none */
    /* taking, and recovery */
    Hde__Epoch *began;        /* read for it */
    const Hde__Epoch *from;   /* the state to begin with; NULL: none */
    const Hde__Epoch *behind; /* entries come behind its barrier; NULL: from a fresh start on */
    /* one entry a tick, so ticks and positions of a start go together */
    _Atomic uint64_t start_tick, start_position;
    struct voids {
        uint32_t n;
        struct {
            uint64_t from, until; /* ticks that never happened; `until` did */
        } *range;
    } voids;

    uint32_t n, cap; /* messages of the entry that is made */
    Hde__LogMessage *item, **items;
    Hde__SourcePosition *position, **positions;
    uint32_t cap_positions;
    uint8_t *bodies, *packed;
    size_t bodies_len, bodies_cap, packed_cap;
};

/* ---- Opening ------------------------------------------------------------------------------ */

static void
tell_room(const struct ingress *self, bool is_full)
{
    const char *graph = self->engine->stats->graph, *folder = self->engine->options.record;

    if (is_full)
        log_line(LEVEL_WARN, graph, NULL, "log.full",
                 "no room on the disk for the ingress log in %s: nothing enters until there is",
                 folder);
    else
        log_line(LEVEL_INFO, graph, NULL, "log.room",
                 "there is room again for the ingress log in %s", folder);
}

static void
show(struct ingress *self)
{
    struct stats_log *stats = &self->engine->stats->log;
    bool is_full = seglog_is_full(self->log);
    struct seglog_facts facts;

    seglog_facts(self->log, &facts);
    if (is_full != (STAT_GET(stats->is_full) != 0))
        tell_room(self, is_full);
    STAT_SET(stats->is_full, is_full);
    STAT_SET(stats->segments, facts.segments);
    STAT_SET(stats->bytes, facts.bytes);
    STAT_SET(stats->first_tick, facts.first_tick);
    STAT_SET(stats->last_tick, facts.last_tick);
    STAT_SET(stats->synced_ns, facts.synced_ns);
    STAT_SET(stats->is_on, 1);
}

/* On the log's thread: durable grew, segments went, room came or went. */
static void
wake(void *arg)
{
    struct ingress *self = arg;

    if (atomic_load_explicit(&self->is_open, memory_order_acquire))
        show(self);
    dlq_pump(self->engine);
    if (self->engine->options.steps)
        return; /* wakes when its seed says so */
    full_fence(); /* pairs with that of sleep_until_event() in worker.c */
    worker_wake_if_parked(self->engine->first);
    engine_look(self->engine);
    for (uint32_t i = 0; i < self->engine->n_actors; i++)
        if (self->engine->actors[i]->is_gated)
            worker_wake_if_parked(self->engine->actors[i]->worker);
    engine_looked(self->engine);
}

/* Gives the position; 0: not taken, and the engine has failed. Whether there is room is asked
 * before a turn (ingress_must_wait()); what the turn still takes may use the log's reserve. */
static uint64_t
append_entry(struct ingress *self, Hde__LogEntry *entry)
{
    struct seglog_key key = {.tick = entry->tick, .event_ns = INT64_MIN, .kind = entry->kind};
    size_t size;

    for (uint32_t i = 0; i < self->n; i++) {
        self->item[i].body.data = self->bodies + (size_t)(uintptr_t)self->item[i].body.data;
        self->items[i] = &self->item[i];
        if (i == 0 || self->item[i].event_ns < key.event_ns)
            key.event_ns = self->item[i].event_ns;
    }
    entry->n_messages = self->n;
    entry->messages = self->items;
    size = hde__log_entry__get_packed_size(entry);
    if (self->packed_cap < size) {
        self->packed_cap = 2 * size;
        self->packed = xrealloc(self->packed, self->packed_cap);
    }
    hde__log_entry__pack(entry, self->packed);
    fault_point(FAULT_APPEND);
    if (!seglog_append(self->log, &key, self->packed, size, true)) {
        struct err err = {0};

        if (!seglog_error(self->log, &err))
            err_set(&err, "HDE-R013", "the ingress log has no room for tick %llu",
                    (unsigned long long)entry->tick);
        engine_fail(self->engine, err.code, err.text);
        key.position = 0;
    }
    fault_point(FAULT_APPEND);
    self->n = 0;
    self->bodies_len = 0;
    return key.position;
}

struct starts {
    uint64_t last;  /* tick of the last start's own entry; 0: none */
    uint64_t fresh; /* of the last that did not go on from the ones before */
    struct voids *voids; /* NULL: nobody wants to know */
};

static void
note_void(struct voids *voids, uint64_t from, uint64_t until)
{
    voids->range = xrealloc(voids->range, (voids->n + 1) * sizeof *voids->range);
    voids->range[voids->n].from = from;
    voids->range[voids->n++].until = until;
}

static bool
find_starts(const char *folder, uint64_t until, struct starts *out, struct err *err)
{
    struct seglog_reader *reader = seglog_reader_open(folder, err);
    struct seglog_record record;

    out->last = out->fresh = 0;
    if (!reader)
        return false;
    /* ticks never fall, and a start's own entry is its first */
    for (uint64_t next = 1; seglog_seek_tick(reader, next << INCARNATION_BITS);
         next = HDE_TICK_INCARNATION(out->last) + 1) {
        Hde__LogEntry *entry;

        if (seglog_next(reader, &record, err) != SEGLOG_RECORD || record.key.tick > until)
            break;
        out->last = record.key.tick;
        entry = hde__log_entry__unpack(&msg_memory, record.size, record.bytes);
        if (entry && entry->start && !entry->start->recovered)
            out->fresh = out->last;
        if (entry && entry->start && entry->start->has_voids_from && out->voids)
            note_void(out->voids, entry->start->voids_from, out->last);
        if (entry)
            hde__log_entry__free_unpacked(entry, NULL);
    }
    seglog_reader_close(reader);
    return !err_is_set(err);
}

void
ingress_describe(const struct engine *engine, Hde__LogStart *out, struct arena *arena)
{
    const struct graph *graph = engine->graph;
    Hde__LogNode *node = arena_alloc(arena, (graph->n_nodes + 1) * sizeof *node);
    char path[PATH_MAX];

    out->nodes = arena_alloc(arena, (graph->n_nodes + 1) * sizeof *out->nodes);
    for (; out->n_nodes < graph->n_nodes; out->n_nodes++) {
        const struct graph_node *from = &graph->nodes[out->n_nodes];
        Hde__LogNode *to = out->nodes[out->n_nodes] = &node[out->n_nodes];

        hde__log_node__init(to);
        to->name = (char *)(uintptr_t)from->name;
        to->op = (char *)(uintptr_t)from->op->name;
        to->build_id = (char *)(uintptr_t)from->build_id;
    }
    out->graph = (char *)(uintptr_t)graph->name;
    if (graph->path)
        out->path = arena_text(arena, realpath(graph->path, path) ? path : graph->path);
    out->n_set = engine->options.n_sets;
    out->set = (char **)(uintptr_t)engine->options.sets;
    out->version = (char *)(uintptr_t)hde_version();
    if (graph_is_of_host(graph))
        out->host = (char *)(uintptr_t)graph->hosts[graph->host].name;
}

static bool
write_start(struct ingress *self, bool recovered, const Hde__Epoch *restored)
{
    const struct engine *engine = self->engine;
    Hde__LogEntry entry = HDE__LOG_ENTRY__INIT;
    Hde__LogStart start = HDE__LOG_START__INIT;
    struct arena arena = {0};

    ingress_describe(engine, &start, &arena);
    start.has_recovered = start.recovered = recovered;
    start.restored = (Hde__Epoch *)(uintptr_t)restored;
    start.has_voids_from = engine->sequencer.void_from != 0;
    start.voids_from = engine->sequencer.void_from;
    start.has_resolved = true;
    start.resolved.data = (uint8_t *)(uintptr_t)engine_resolved(self->engine, &start.resolved.len);
    entry.has_tick = entry.has_kind = entry.has_time_ns = true;
    entry.tick = engine->sequencer.last;
    entry.kind = HDE__LOG_KIND__LOG_KIND_START;
    entry.time_ns = engine->start_ns;
    entry.start = &start;
    self->start_tick = entry.tick;
    self->start_position = append_entry(self, &entry);
    arena_fini(&arena);
    return self->start_position != 0;
}

static struct seglog_options
log_options(struct ingress *self)
{
    const struct log_policy *policy = &self->engine->graph->log;
    struct seglog_options options = {.segment_bytes = (uint64_t)policy->segment_bytes,
                                     .sync_ns = policy->sync_ns,
                                     .sync_bytes = (uint64_t)policy->sync_bytes,
                                     .keep_bytes = (uint64_t)policy->max_bytes,
                                     .keep_ns = policy->max_age_ns,
                                     .reserve_bytes = RESERVE_BYTES,
                                     .moved = wake,
                                     .arg = self};

    if (self->engine->options.steps) { /* nothing by itself: steps.c says when */
        options.sync_ns = INT64_MAX / 4;
        options.sync_bytes = UINT64_MAX / 4;
        options.reserve_bytes = 0;
        if (!options.segment_bytes)
            options.segment_bytes = SEEDED_SEGMENT_BYTES;
    }
    return options;
}

bool
ingress_open(struct engine *engine, struct err *err)
{
    struct ingress *self = xcalloc(1, sizeof *self);
    struct seglog_options options;
    struct seglog_report report = {0};

    self->engine = engine;
    options = log_options(self);
    engine->ingress = self;
    self->log = seglog_open(engine->options.record, &options, &report, err);
    if (self->log)
        show(self);
    atomic_store_explicit(&self->is_open, self->log != NULL, memory_order_release);
    if (self->log && !engine->options.checkpoint)
        seglog_need(self->log, UINT64_MAX); /* size and age alone say what goes */
    if (self->log && report.cut_bytes)
        log_line(LEVEL_WARN, engine->graph->name, NULL, "ingress.torn-tail",
                 "%llu bytes of a torn record were cut off: %s",
                 (unsigned long long)report.cut_bytes, report.cut_where);
    return self->log != NULL;
}

bool
ingress_start(struct ingress *self, uint64_t above, bool recovered, const Hde__Epoch *restored)
{
    struct sequencer *sequencer = &self->engine->sequencer;
    struct err err = {0};
    struct starts starts = {0};

    if (!find_starts(self->engine->options.record, UINT64_MAX, &starts, &err)) {
        engine_fail(self->engine, err.code, err.text);
        return false;
    }
    if (above < starts.last)
        above = starts.last;
    sequencer->last = (HDE_TICK_INCARNATION(above) + 1) << INCARNATION_BITS;
    if (sequencer->last < owner_first_tick(self->engine->owner))
        sequencer->last = owner_first_tick(self->engine->owner);
    if (sequencer->said < sequencer->last)
        sequencer->said = sequencer->last;
    return write_start(self, recovered, restored);
}

bool
ingress_wait_started(struct ingress *self)
{
    return ingress_wait_durable(self, self->start_position);
}

void
ingress_close(struct ingress *self)
{
    if (!self)
        return;
    if (self->log)
        seglog_close(self->log);
    if (self->reader)
        seglog_reader_close(self->reader);
    if (self->taken)
        hde__log_entry__free_unpacked(self->taken, NULL);
    if (self->began)
        hde__epoch__free_unpacked(self->began, NULL);
    free(self->voids.range);
    free(self->item);
    free(self->items);
    free(self->position);
    free(self->positions);
    free(self->bodies);
    free(self->packed);
    free(self);
}

/* ---- Writing ------------------------------------------------------------------------------ */

bool
ingress_must_wait(struct ingress *self)
{
    struct err err = {0};

    if (seglog_error(self->log, &err)) {
        engine_fail(self->engine, err.code, err.text);
        return true;
    }
    return seglog_is_full(self->log);
}

static Hde__LogEntry
entry_of(const struct ingress *self, Hde__LogKind kind, const char *node, uint32_t replica)
{
    Hde__LogEntry entry = HDE__LOG_ENTRY__INIT;

    entry.has_tick = entry.has_kind = entry.has_time_ns = true;
    entry.tick = self->engine->sequencer.last;
    entry.kind = kind;
    entry.time_ns = self->engine->sequencer.now_ns;
    entry.node = (char *)(uintptr_t)node;
    entry.has_replica = replica != 0;
    entry.replica = replica;
    return entry;
}

/* Packs messages behind those that the entry has. body.data is an offset until append_entry(),
 * since the bytes may move. */
static void
add_messages(struct ingress *self, uint32_t port, const struct hde_msgvec *vec)
{
    for (uint32_t i = 0; i < vec->n; i++) {
        const hde_msg *msg = vec->item[i];
        size_t size = protobuf_c_message_get_packed_size(msg->body);
        Hde__LogMessage *item;

        if (self->n == self->cap) {
            self->cap = self->cap ? 2 * self->cap : 16;
            self->item = xrealloc(self->item, self->cap * sizeof *self->item);
            self->items = xrealloc(self->items, self->cap * sizeof(void *));
        }
        if (self->bodies_cap - self->bodies_len < size || !self->bodies) {
            self->bodies_cap = 2 * (self->bodies_len + size) + 1;
            self->bodies = xrealloc(self->bodies, self->bodies_cap);
        }
        item = &self->item[self->n++];
        hde__log_message__init(item);
        item->has_port = item->has_event_ns = item->has_body = true;
        item->port = port;
        item->type = (char *)(uintptr_t)msg->body->descriptor->name;
        item->event_ns = msg->event_ns;
        item->body.data = (uint8_t *)(uintptr_t)self->bodies_len;
        item->body.len = protobuf_c_message_pack(msg->body, self->bodies + self->bodies_len);
        self->bodies_len += size;
    }
}

static void
add_positions(struct ingress *self, Hde__LogEntry *out, const struct positions *positions)
{
    if (self->cap_positions < positions->n) {
        self->cap_positions = positions->n;
        self->position = xrealloc(self->position, positions->n * sizeof *self->position);
        self->positions = xrealloc(self->positions, positions->n * sizeof(void *));
    }
    for (uint32_t i = 0; i < positions->n; i++) {
        Hde__SourcePosition *position = self->positions[i] = &self->position[i];

        hde__source_position__init(position);
        position->has_partition = position->has_at = true;
        position->partition = positions->item[i].partition;
        position->at.data = positions->item[i].bytes;
        position->at.len = positions->item[i].size;
    }
    out->n_positions = positions->n;
    out->positions = self->positions;
}

/* The source has them as well. */
static void
leave_out_bodies(struct ingress *self, Hde__LogEntry *out)
{
    out->has_crc = true;
    out->crc = crc32c(0, self->bodies, self->bodies_len);
    for (uint32_t i = 0; i < self->n; i++) {
        self->item[i].has_body = false;
        self->item[i].body.len = 0;
    }
}

void
ingress_source(struct ingress *self, const struct source *source, const struct intake *entry)
{
    const struct node *node = source->node;
    Hde__LogEntry out =
        entry_of(self, HDE__LOG_KIND__LOG_KIND_SOURCE, node->def->name, node->replica);

    out.has_watermark_ns = true;
    out.watermark_ns = entry->watermark_ns;
    out.has_end = out.end = entry->is_end;
    for (uint32_t p = 0; p < node->capture.n; p++)
        add_messages(self, p, &entry->port[p]);
    add_positions(self, &out, &entry->positions);
    if (asked_leaves_out(source, entry))
        leave_out_bodies(self, &out);
    append_entry(self, &out);
}

uint64_t
ingress_cut(struct ingress *self)
{
    Hde__LogEntry out = entry_of(self, HDE__LOG_KIND__LOG_KIND_CUT, NULL, 0);

    return append_entry(self, &out);
}

uint64_t
ingress_change(struct ingress *self)
{
    Hde__LogEntry out = entry_of(self, HDE__LOG_KIND__LOG_KIND_CHANGE, NULL, 0);

    out.has_resolved = true;
    out.resolved.data = (uint8_t *)(uintptr_t)engine_resolved(self->engine, &out.resolved.len);
    return append_entry(self, &out);
}

uint64_t
ingress_barrier(struct ingress *self)
{
    Hde__LogEntry out = entry_of(self, HDE__LOG_KIND__LOG_KIND_BARRIER, NULL, 0);

    return append_entry(self, &out);
}

void
ingress_hashes(struct ingress *self, Hde__BarrierHashes *hashes)
{
    Hde__LogEntry out = entry_of(self, HDE__LOG_KIND__LOG_KIND_HASHES, NULL, 0);

    out.hashes = hashes;
    append_entry(self, &out);
}

uint64_t
ingress_swap(struct ingress *self, const struct swap_cut *cut)
{
    Hde__LogEntry out = entry_of(self, HDE__LOG_KIND__LOG_KIND_SWAP, NULL, 0);
    Hde__LogSwap swap = HDE__LOG_SWAP__INIT;

    swap.target = (char *)(uintptr_t)cut->target;
    swap.build_id = (char *)(uintptr_t)cut->build.id;
    swap.file = (char *)(uintptr_t)cut->build.origin;
    swap.has_crc = swap.has_size = swap.has_drops_state = true;
    swap.has_open_ns = swap.has_probation_ns = true;
    swap.crc = cut->build.crc;
    swap.size = cut->build.size;
    swap.n_nodes = cut->n_nodes;
    swap.nodes = (char **)(uintptr_t)cut->nodes;
    swap.drops_state = cut->drops_state;
    swap.open_ns = cut->open_ns;
    swap.probation_ns = cut->probation_ns;
    out.swap = &swap;
    return append_entry(self, &out);
}

void
ingress_return(struct ingress *self, const struct decision *decision)
{
    const struct node *node = decision->node;
    const struct swap_place *place = &decision->place;
    Hde__LogEntry out =
        entry_of(self, HDE__LOG_KIND__LOG_KIND_RETURN, node->def->name, node->replica);
    Hde__LogReturn back = HDE__LOG_RETURN__INIT;

    back.has_swap = back.has_tick = back.has_place = true;
    back.swap = decision->swap;
    back.tick = place->tick;
    back.place = (Hde__ReturnPlace)place->step;
    back.has_port = back.has_done = place->step == PLACE_CALL;
    back.port = place->port;
    back.done = place->done;
    back.has_timer = back.has_at_ns = place->step == PLACE_TIMER;
    back.timer = place->timer;
    back.at_ns = place->at_ns;
    out.back = &back;
    append_entry(self, &out);
}

void
ingress_aside(struct ingress *self, const struct decision *decision)
{
    const struct node *node = decision->node;
    Hde__LogEntry out =
        entry_of(self, HDE__LOG_KIND__LOG_KIND_ASIDE, node->def->name, node->replica);
    Hde__LogAside aside = HDE__LOG_ASIDE__INIT;

    aside.has_tick = aside.has_port = aside.has_index = true;
    aside.tick = decision->place.tick;
    aside.port = decision->place.port;
    aside.index = decision->place.done;
    aside.event = (char *)(uintptr_t)decision->event;
    aside.text = (char *)(uintptr_t)decision->text;
    out.aside = &aside;
    append_entry(self, &out);
}

uint64_t
ingress_start_position(const struct ingress *self)
{
    return self->start_position;
}

uint64_t
ingress_first(const struct ingress *self)
{
    return seglog_first(self->log);
}

uint64_t
ingress_last_tick(const struct ingress *self)
{
    struct seglog_facts facts;

    seglog_facts(self->log, &facts);
    return facts.last_tick;
}

uint64_t
ingress_last(const struct ingress *self)
{
    return seglog_last(self->log);
}

bool
ingress_is_durable(struct engine *engine, uint64_t tick)
{
    const struct ingress *self = engine->ingress;
    uint64_t position;

    if (tick < self->start_tick || !self->start_position)
        return true; /* taken from the log */
    if (engine->options.steps)
        return steps_is_durable(engine->options.steps, tick);
    position = self->start_position + (tick - self->start_tick);
    if (seglog_durable(self->log) >= position)
        return true;
    seglog_want(self->log, position);
    return seglog_durable(self->log) >= position;
}

void
ingress_sync(struct ingress *self)
{
    uint64_t last = seglog_last(self->log);

    ingress_wait_durable(self, last);
    while (seglog_is_full(self->log) && !seglog_error(self->log, &(struct err){0}))
        seglog_wait(self->log, last + 1, 1); /* a look every millisecond */
}

bool
ingress_is_new(const struct engine *engine, uint64_t tick)
{
    const struct ingress *self = engine->ingress;

    return self->start_position && tick > self->start_tick;
}

bool
ingress_wait_durable(struct ingress *self, uint64_t position)
{
    struct err err = {0};

    seglog_want(self->log, position);
    while (!seglog_wait(self->log, position, 1000))
        if (seglog_error(self->log, &err))
            return false;
    return true;
}

bool
ingress_is_full(const struct engine *engine)
{
    return STAT_GET(engine->stats->log.is_full);
}

uint64_t
ingress_left(const struct ingress *self)
{
    return self->taken_position ? seglog_last(self->log) - self->taken_position : 0;
}

void
ingress_need(struct ingress *self, uint64_t position)
{
    seglog_need(self->log, position);
}

void
ingress_idle(struct ingress *self, const struct source *source)
{
    const struct node *node = source->node;
    Hde__LogEntry out =
        entry_of(self, HDE__LOG_KIND__LOG_KIND_IDLE, node->def->name, node->replica);

    append_entry(self, &out);
}

void
ingress_direct(struct ingress *self, const struct direct *direct)
{
    const struct node *node = direct->node;
    static const Hde__LogKind kinds[] = {[DIRECT_TIMER] = HDE__LOG_KIND__LOG_KIND_TIMER,
                                         [DIRECT_ANSWER] = HDE__LOG_KIND__LOG_KIND_ANSWER,
                                         [DIRECT_ASK] = HDE__LOG_KIND__LOG_KIND_ASK};
    Hde__LogEntry out = entry_of(self, kinds[direct->kind], node->def->name, node->replica);

    if (direct->kind == DIRECT_TIMER) {
        out.has_timer = out.has_at_ns = true;
        out.timer = direct->timer.id;
        out.at_ns = direct->timer.at_ns;
    } else {
        out.has_cause = direct->cause != 0;
        out.cause = direct->cause;
        out.has_question = direct->question != 0;
        out.question = direct->question;
        for (uint32_t p = 0; p < direct->n_ports; p++)
            add_messages(self, p, &direct->port[p]);
    }
    append_entry(self, &out);
}

void
ingress_letter(struct ingress *self, const struct node *node, uint32_t port, uint64_t id,
               hde_msg *msg)
{
    Hde__LogEntry out =
        entry_of(self, HDE__LOG_KIND__LOG_KIND_LETTER, node->def->name, node->replica);
    const struct hde_msgvec vec = {.n = 1, .item = &msg};

    out.has_letter = true;
    out.letter = id;
    add_messages(self, port, &vec);
    append_entry(self, &out);
}

void
ingress_handover(struct ingress *self, const struct edge *edge, const struct record *record,
                 uint64_t cause, const struct hde_msgvec *vec)
{
    Hde__LogEntry out =
        entry_of(self, HDE__LOG_KIND__LOG_KIND_HANDOVER, edge->name, edge->instance);

    out.has_watermark_ns = out.has_cause = true;
    out.watermark_ns = record->watermark_ns;
    out.cause = cause;
    add_messages(self, 0, vec);
    append_entry(self, &out);
}

/* ---- Taking it again ---------------------------------------------------------------------- */

/* The epochs of a store lie beside its log: STORE/log and STORE/epochs, of a part STORE/log/PART
 * and STORE/parts/PART/epochs. */
static Hde__Epoch *
epoch_beside(const char *log, uint64_t from, uint64_t before, bool oldest)
{
    struct arena arena = {0};
    const char *slash = strrchr(log, '/');
    Hde__Epoch *epoch =
        epoch_find(arena_printf(&arena, "%s/../epochs", log), from, before, oldest);

    if (!epoch && slash)
        epoch = epoch_find(arena_printf(&arena, "%s/../../parts%s/epochs", log, slash), from, before,
                           oldest);
    arena_fini(&arena);
    return epoch;
}

/* What the run needs to be taken up to that tick is not there any more; sets err. */
static void
set_retired(const char *folder, uint64_t until, struct err *err)
{
    Hde__Epoch *oldest = epoch_beside(folder, 0, UINT64_MAX, true);
    struct seglog_segment first;

    if (oldest && until <= oldest->tick)
        err_set(err, "HDE-R100",
                "'%s': tick %llu cannot be computed again: the entries before the oldest epoch, "
                "tick %llu, were retired",
                folder, (unsigned long long)until, (unsigned long long)oldest->tick);
    else if (seglog_segments(folder, &first, 1, err))
        err_set(err, "HDE-R100",
                "'%s': the start of the run was retired, its oldest entry is tick %llu, and no "
                "epoch that fits lies beside the log",
                folder, (unsigned long long)first.first_tick);
    if (oldest)
        hde__epoch__free_unpacked(oldest, NULL);
}

/* Reads the entry of the last fresh start; NULL with err. */
static const Hde__LogEntry *
seek_start(struct ingress *self, const char *folder, uint64_t until, struct err *err)
{
    const Hde__LogEntry *entry = NULL;
    struct starts starts = {0};

    if (!find_starts(folder, until, &starts, err))
        return NULL;
    self->reader = seglog_reader_open(folder, err);
    if (!self->reader)
        return NULL;
    if (starts.fresh && seglog_seek_tick(self->reader, starts.fresh))
        entry = ingress_next(self, err);
    if (!entry && !err_is_set(err) && starts.last)
        set_retired(folder, until, err);
    else if (!entry && !err_is_set(err))
        err_set(err, "HDE-R012", "'%s' holds no entries", folder);
    return entry;
}

/* What a start has declared void is passed over, from here on. */
static bool
read_voids(struct ingress *self, const char *folder, uint64_t until, struct err *err)
{
    struct starts starts = {.voids = &self->voids};

    return find_starts(folder, until, &starts, err);
}

static bool
is_void(const struct ingress *self, uint64_t tick)
{
    for (uint32_t i = 0; i < self->voids.n; i++)
        if (tick >= self->voids.range[i].from && tick < self->voids.range[i].until)
            return true;
    return false;
}

/* Behind the barrier of the epoch. False: it is none of this log, or of a part that was retired. */
static bool
seek_epoch(struct ingress *self, const char *folder, const Hde__Epoch *epoch, struct err *err)
{
    struct seglog_record record;

    self->reader = seglog_reader_open(folder, err);
    if (self->reader && seglog_seek_position(self->reader, epoch->position) &&
        seglog_next(self->reader, &record, err) == SEGLOG_RECORD &&
        record.key.tick == epoch->tick) {
        self->taken_position = epoch->position;
        return true;
    }
    ingress_recover_close(self);
    return false;
}

static uint64_t
until_of(const struct engine *engine)
{
    return engine->options.until ? engine->options.until : UINT64_MAX;
}

/* The newest epoch before the tick that is asked for; where the beginning of the log was retired,
 * the oldest one. */
static bool
take_from_epoch(struct ingress *self, struct err *err)
{
    struct engine *engine = self->engine;
    const uint64_t until = until_of(engine);
    const char *folder = engine->options.log;
    Hde__Epoch *epoch = NULL;
    struct starts starts = {0};

    if (!find_starts(folder, until, &starts, err))
        return false;
    if (engine->options.until || !starts.fresh)
        epoch = epoch_beside(folder, starts.fresh, until, !engine->options.until);
    if (!epoch)
        return false;
    self->began = epoch;
    if (!seek_epoch(self, folder, epoch, err)) {
        hde__epoch__free_unpacked(epoch, NULL);
        self->began = NULL;
        return false;
    }
    if (!starts.fresh)
        log_line(LEVEL_WARN, engine->graph->name, NULL, "log.retired",
                 "the start of the run and what came after it were retired: it is taken from the "
                 "epoch of tick %llu on",
                 (unsigned long long)epoch->tick);
    self->from = self->behind = epoch;
    engine->sequencer.last = engine->sequencer.said = epoch->tick;
    engine->sequencer.now_ns = engine->start_ns = epoch->time_ns;
    return true;
}

bool
ingress_take_open(struct engine *engine, struct err *err)
{
    struct ingress *self = xcalloc(1, sizeof *self);
    const Hde__LogEntry *entry;

    self->engine = engine;
    engine->ingress = self;
    if (!read_voids(self, engine->options.log, until_of(engine), err))
        return false;
    if (take_from_epoch(self, err))
        return true;
    if (err_is_set(err))
        return false;
    entry = seek_start(self, engine->options.log, until_of(engine), err);
    if (!entry)
        return false;
    self->from = entry->start->restored;
    engine->sequencer.last = engine->sequencer.said = entry->tick;
    engine->sequencer.now_ns = engine->start_ns = entry->time_ns;
    return true;
}

const Hde__Epoch *
ingress_from(const struct ingress *self)
{
    return self->from;
}

const Hde__Epoch *
ingress_behind(const struct ingress *self)
{
    return self->behind;
}

bool
ingress_recover_open(struct engine *engine, bool *any, struct err *err)
{
    struct ingress *self = engine->ingress;
    const Hde__Epoch *epoch = epochs_last(engine->epochs);
    const char *folder = engine->options.record;
    struct starts starts = {0};

    self->from = epochs_restored(engine->epochs);
    *any = self->from != NULL;
    if (*any)
        return true;
    starts.voids = &self->voids;
    if (!find_starts(folder, UINT64_MAX, &starts, err))
        return false;
    if (epoch && epoch->tick < starts.fresh)
        epoch = NULL; /* of before */
    if (!epoch && !starts.last)
        return true;
    if (!epoch && !starts.fresh)
        return err_set(err, "HDE-R014",
                       "'%s' holds no whole epoch, and the log before it was retired: start with "
                       "another store",
                       engine->graph->checkpoint.store);
    if (epoch && epoch->tick > starts.last && !starts.last)
        return err_set(err, "HDE-R014", "'%s' is gone, and with it what came after the last epoch",
                       folder);
    *any = true;
    if (!epoch) {
        const Hde__LogEntry *entry = seek_start(self, folder, UINT64_MAX, err);

        self->from = entry ? entry->start->restored : NULL;
        return entry != NULL;
    }
    self->from = self->behind = epoch;
    return seek_epoch(self, folder, epoch, err) ||
           (!err_is_set(err) && err_set(err, "HDE-R100",
                   "'%s' does not hold the entries behind the epoch of tick %llu any more", folder,
                   (unsigned long long)epoch->tick));
}

static bool
is_among(uint32_t kind, const Hde__LogKind *kinds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (kinds[i] == (Hde__LogKind)kind)
            return true;
    return false;
}

/* Where taking begins. False: nowhere. */
static bool
seek_begin(const struct ingress *self, const char *folder, struct seglog_reader *reader,
           struct err *err)
{
    struct starts starts = {0};

    if (self->behind)
        return seglog_seek_position(reader, self->behind->position + 1);
    return find_starts(folder, until_of(self->engine), &starts, err) && starts.fresh &&
           seglog_seek_tick(reader, starts.fresh);
}

/* A decision stands, whatever became of the ticks behind the one that it is about. */
static bool
is_passed(const struct ingress *self, const struct seglog_key *key)
{
    return is_void(self, key->tick) && key->kind != HDE__LOG_KIND__LOG_KIND_ASIDE;
}

static void
give_kinds(const struct ingress *self, struct seglog_reader *reader, const Hde__LogKind *kinds, size_t n_kinds,
           void (*found)(void *arg, const Hde__LogEntry *entry), void *arg, struct err *err)
{
    struct seglog_record record;

    while (seglog_next(reader, &record, err) == SEGLOG_RECORD) {
        Hde__LogEntry *entry = NULL;

        if (is_among(record.key.kind, kinds, n_kinds) && !is_passed(self, &record.key))
            entry = hde__log_entry__unpack(NULL, record.size, record.bytes);
        if (entry) {
            found(arg, entry);
            hde__log_entry__free_unpacked(entry, NULL);
        }
    }
}

bool
ingress_look_back(const struct engine *engine, const Hde__Epoch *epoch, const Hde__LogKind *kinds,
                  size_t n_kinds, void (*found)(void *arg, const Hde__LogEntry *entry), void *arg,
                  struct err *err)
{
    struct seglog_reader *reader = seglog_reader_open(engine->options.record, err);

    if (!reader)
        return false;
    if (seglog_seek_position(reader, epoch ? epoch->position + 1 : 1))
        give_kinds(engine->ingress, reader, kinds, n_kinds, found, arg, err);
    seglog_reader_close(reader);
    return !err_is_set(err);
}

bool
ingress_scan(const struct engine *engine, const Hde__LogKind *kinds, size_t n_kinds,
             void (*found)(void *arg, const Hde__LogEntry *entry), void *arg, struct err *err)
{
    const char *folder = engine->is_taking ? engine->options.log : engine->options.record;
    struct seglog_reader *reader;

    if (!engine->ingress->reader)
        return true; /* nothing is taken */
    reader = seglog_reader_open(folder, err);
    if (!reader)
        return false;
    if (seek_begin(engine->ingress, folder, reader, err))
        give_kinds(engine->ingress, reader, kinds, n_kinds, found, arg, err);
    seglog_reader_close(reader);
    return !err_is_set(err);
}

void
ingress_recover_close(struct ingress *self)
{
    if (self->reader)
        seglog_reader_close(self->reader);
    self->reader = NULL;
}

static void
copy_start(const Hde__LogStart *start, struct arena *arena, struct log_start *out)
{
    out->graph = arena_text(arena, start->graph ? start->graph : "");
    out->path = arena_text(arena, start->path ? start->path : "");
    out->host = start->host ? arena_text(arena, start->host) : NULL;
    out->n_sets = start->n_set;
    out->sets = arena_alloc(arena, (start->n_set + 1) * sizeof *out->sets);
    for (size_t i = 0; i < start->n_set; i++)
        out->sets[i] = arena_text(arena, start->set[i]);
    out->resolved_size = start->resolved.len;
    out->resolved = arena_alloc(arena, start->resolved.len + 1);
    if (start->resolved.len)
        memcpy(out->resolved, start->resolved.data, start->resolved.len);
}

/* The start that a replay gives again; where it was retired, what the oldest epoch knows of it. */
bool
engine_log_start(const char *folder, struct arena *arena, struct log_start *out, struct err *err)
{
    struct ingress *self = xcalloc(1, sizeof *self);
    const Hde__LogEntry *entry = seek_start(self, folder, UINT64_MAX, err);
    Hde__Epoch *epoch = entry ? NULL : epoch_beside(folder, 0, UINT64_MAX, true);
    bool ok = entry || (epoch && epoch->start);

    if (ok)
        copy_start(entry ? entry->start : epoch->start, arena, out);
    if (entry)
        out->tick = entry->tick;
    if (ok && !entry && epoch->has_resolved) {
        out->resolved_size = epoch->resolved.len;
        out->resolved = memcpy(arena_alloc(arena, epoch->resolved.len + 1), epoch->resolved.data,
                               epoch->resolved.len);
    }
    if (ok && !entry && err)
        *err = (struct err){0};
    if (epoch)
        hde__epoch__free_unpacked(epoch, NULL);
    ingress_close(self);
    return ok;
}

const Hde__LogEntry *
ingress_next(struct ingress *self, struct err *err)
{
    struct seglog_record record;

    if (self->taken)
        hde__log_entry__free_unpacked(self->taken, NULL);
    self->taken = NULL;
    do {
        if (!self->reader || seglog_next(self->reader, &record, err) != SEGLOG_RECORD)
            return NULL; /* a savepoint has nothing behind it */
    } while (is_void(self, record.key.tick));
    self->taken_position = record.key.position;
    self->taken = hde__log_entry__unpack(&msg_memory, record.size, record.bytes);
    if (!self->taken || !self->taken->has_tick || !self->taken->has_kind)
        err_set(err, "HDE-R012", "record %llu of the log is no entry",
                (unsigned long long)record.key.position);
    return err_is_set(err) ? NULL : self->taken;
}

static const ProtobufCMessageDescriptor *
type_of(const hde_port *port, const char *name)
{
    for (size_t i = 0; name && port->types[i]; i++)
        if (strcmp(port->types[i]->name, name) == 0)
            return port->types[i];
    return NULL;
}

bool
ingress_messages(const Hde__LogEntry *entry, const hde_port *outputs, uint32_t n,
                 struct hde_msgvec *port, struct err *err)
{
    for (size_t i = 0; i < entry->n_messages; i++) {
        const Hde__LogMessage *item = entry->messages[i];
        const ProtobufCMessageDescriptor *type =
            item->port < n ? type_of(&outputs[item->port], item->type) : NULL;
        hde_msg *msg;

        if (!type)
            return err_set(err, "HDE-R012", "tick %llu: '%s' has no output %u of type %s",
                           (unsigned long long)entry->tick, entry->node, item->port,
                           item->type ? item->type : "?");
        msg = msg_unpack(msg_pool_current(), type, item->body.data, item->body.len);
        if (!msg)
            return err_set(err, "HDE-R012", "tick %llu: message %zu is no %s",
                           (unsigned long long)entry->tick, i, type->name);
        msg->event_ns = item->event_ns;
        msgvec_push(&port[item->port], msg);
    }
    return true;
}
