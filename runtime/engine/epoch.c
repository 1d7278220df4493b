/* SPDX-License-Identifier: Apache-2.0
 * epoch - collects what the actors save at a barrier, and commits it as one file.
 *
 *  (1) An epoch is a file epoch-TICK, a packed hde.Epoch (base/whole.h): a reader sees it whole or
 *      not at all. What is not whole is passed over. [test_a_damaged_epoch_is_passed_over]
 *  (2) It is complete when every actor has confirmed the barrier, and is committed only when the
 *      ingress log is durable up to it (L2).
 *  (3) Saving copies the state in the worker, writing is this file's thread's business: the flow
 *      waits for no disk. One that does not complete in time is abandoned, and nothing stops.
 *  (4) What the newest `keep` epochs need of the log is kept, the rest may go.
 *  (5) State belongs to a node's name. A saved node that the graph does not have, or that cannot
 *      take its state, stops the start: nothing is dropped silently.
 *      [test_unknown_state_stops_the_start]
 *  (6) State by key is that of former replicas: every instance of that name loads all of it, and
 *      keeps what hde_owns() says. [test_state_by_key_goes_to_the_replicas_that_own_it] */
#include "engine/epoch.h"

#include "base/arena.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "base/whole.h"
#include "engine/dlq.h"
#include "engine/hash.h"
#include "engine/held.h"
#include "engine/ingress.h"
#include "engine/owner.h"
#include "engine/question.h"
#include "engine/retain.h"
#include "engine/savepoint.h"
#include "engine/swaps.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EPOCH_VERSION = 1, LOOK_MS = 100 };
static const char magic[WHOLE_MAGIC] = "HDEEPOCH";

/* Complete, and to be written. A change of the graph begins one while another is being written. */
struct ready {
    struct ready *next;
    Hde__Epoch *epoch;
    int64_t open_ns; /* monotonic: since when it was open */
};

struct epochs {
    struct engine *engine;
    char *folder, *restore_path;
    Hde__Epoch *last, *restored; /* read at the start */
    int64_t timeout_ns;
    _Atomic uint64_t cpu_ns; /* that barriers have cost */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    pthread_t thread;
    bool is_started, is_stopping, is_writing;
    Hde__Epoch *open;  /* being collected */
    uint32_t waits;    /* actors that have not confirmed it */
    int64_t open_ns;   /* monotonic: since when */
    struct ready *ready, **ready_tail;
    uint64_t completed;
};

/* ---- Files -------------------------------------------------------------------------------- */

static char *
path_of(const char *folder, uint64_t tick)
{
    return xprintf("%s/epoch-%020" PRIu64, folder, tick);
}

bool
epoch_write(const char *path, const Hde__Epoch *epoch)
{
    size_t size = hde__epoch__get_packed_size(epoch);
    uint8_t *bytes = xmalloc(size);
    bool ok;

    hde__epoch__pack(epoch, bytes);
    fault_point(FAULT_STATE_WRITE);
    ok = whole_draft(path, magic, bytes, size);
    fault_point(FAULT_STATE_WRITE);
    free(bytes);
    if (!ok)
        return false;
    fault_point(FAULT_EPOCH_COMMIT);
    ok = whole_commit(path);
    fault_point(FAULT_EPOCH_COMMIT);
    return ok;
}

static bool
write_file(const struct epochs *self, const Hde__Epoch *epoch)
{
    char *path = path_of(self->folder, epoch->tick);
    bool ok = epoch_write(path, epoch);

    if (!ok)
        log_line(LEVEL_WARN, self->engine->graph->name, NULL, "checkpoint.not-written",
                 "%s: %s; the next one is tried when it is due", path, strerror(errno));
    free(path);
    return ok;
}

Hde__Epoch *
epoch_read(const char *path)
{
    size_t size;
    uint8_t *bytes = whole_read(path, magic, &size);
    Hde__Epoch *epoch = bytes ? hde__epoch__unpack(&msg_memory, size, bytes) : NULL;

    if (epoch && epoch->version != EPOCH_VERSION) {
        hde__epoch__free_unpacked(epoch, NULL);
        epoch = NULL;
    }
    free(bytes);
    return epoch;
}

/* Ticks of the files, largest first. */
static size_t
list_files(const char *folder, uint64_t **ticks)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t n = 0, cap = 0;

    *ticks = NULL;
    while (dir && (entry = readdir(dir))) {
        uint64_t tick;
        int end = 0;

        if (sscanf(entry->d_name, "epoch-%20" SCNu64 "%n", &tick, &end) != 1 ||
            entry->d_name[end])
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            *ticks = xrealloc(*ticks, cap * sizeof **ticks);
        }
        (*ticks)[n] = tick;
        for (size_t i = n++; i && (*ticks)[i - 1] < tick; i--) {
            (*ticks)[i] = (*ticks)[i - 1];
            (*ticks)[i - 1] = tick;
        }
    }
    if (dir)
        closedir(dir);
    return n;
}

Hde__Epoch *
epoch_find(const char *folder, uint64_t from, uint64_t before, bool oldest)
{
    Hde__Epoch *epoch = NULL;
    uint64_t *ticks;
    size_t n = list_files(folder, &ticks);

    for (size_t i = 0; i < n && !epoch; i++) {
        uint64_t tick = ticks[oldest ? n - 1 - i : i];
        char *path = path_of(folder, tick);

        if (tick >= from && tick < before)
            epoch = epoch_read(path);
        free(path);
    }
    free(ticks);
    return epoch;
}

/* Whether one of the epochs names the build. */
struct kept {
    const char *folder;
    const uint64_t *ticks;
    size_t n;
};

static bool
names_build(void *arg, const char *id)
{
    const struct kept *kept = arg;
    bool found = false;

    for (size_t i = 0; i < kept->n && !found; i++) {
        char *path = path_of(kept->folder, kept->ticks[i]);
        Hde__Epoch *epoch = epoch_read(path);

        for (size_t k = 0; epoch && k < epoch->n_nodes && !found; k++)
            found = strcmp(epoch->nodes[k]->build_id, id) == 0;
        if (epoch)
            hde__epoch__free_unpacked(epoch, NULL);
        free(path);
    }
    return found;
}

/* Beside the newest `keep` the one before a young swap stays: after a crash it may have to be taken
 * back. Gives how many are left, which come first in ticks. */
static size_t
keep_some(struct epochs *self, uint64_t *ticks, size_t n, size_t keep)
{
    uint64_t young = swaps_young(self->engine->swaps);
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        bool is_before = ticks[i] < young && (i == 0 || ticks[i - 1] >= young);
        char *path;

        if (i < keep || is_before) {
            ticks[left++] = ticks[i];
            continue;
        }
        path = path_of(self->folder, ticks[i]);
        io.unlink(path);
        free(path);
    }
    return left;
}

/* Removes what is older than the newest `keep`, and tells the log what the rest needs. */
static void
retire(struct epochs *self)
{
    uint64_t *ticks;
    size_t n = list_files(self->folder, &ticks), keep = (size_t)self->engine->graph->checkpoint.keep;

    n = keep_some(self, ticks, n, keep);
    if (n) {
        char *path = path_of(self->folder, ticks[n - 1]);
        Hde__Epoch *oldest = epoch_read(path);

        if (oldest) {
            ingress_need(self->engine->ingress, oldest->position);
            hde__epoch__free_unpacked(oldest, NULL);
        }
        free(path);
    }
    builds_retire(self->engine->builds, ingress_first(self->engine->ingress), names_build,
                  &(struct kept){self->folder, ticks, n});
    free(ticks);
}

/* The senders of what the sources have taken need not keep it any longer (K2). An older epoch that
 * is taken instead of a damaged one has the log behind it, and that has the messages. */
static void
tell_senders(const struct epochs *self, const Hde__Epoch *epoch)
{
    const struct engine *engine = self->engine;

    engine_look(engine);
    for (uint32_t i = 0; i < engine->n_sources; i++) {
        const struct source *source = engine->sources[i];

        for (size_t k = 0; source->upstream && k < epoch->n_sources; k++) {
            const Hde__SavedSource *saved = epoch->sources[k];

            if (!strcmp(saved->node, source->node->def->name) && saved->n_positions)
                source->upstream->covered(source->upstream, saved->positions[0]->at.data,
                                      saved->positions[0]->at.len);
        }
    }
    engine_looked(engine);
}

/* ---- The writing thread ------------------------------------------------------------------- */

/* True: another process has taken over, and the engine has failed. */
static bool
is_fenced(struct epochs *self)
{
    struct err err = {0};

    if (!owner_is_told_to_stop(self->engine->owner, &err))
        return false;
    engine_fail(self->engine, err.code, err.text);
    return true;
}

static void
show(struct epochs *self, const Hde__Epoch *epoch, int64_t open_ns, bool ok)
{
    struct stats_epochs *stats = &self->engine->stats->epochs;

    if (!ok) {
        STAT_ADD(stats->failed, 1);
        return;
    }
    STAT_ADD(stats->completed, 1);
    STAT_SET(stats->took_ns, clock_mono_ns() - open_ns);
    STAT_SET(stats->bytes, hde__epoch__get_packed_size(epoch));
    STAT_SET(stats->time_ns, epoch->time_ns);
    STAT_SET(stats->tick, epoch->tick);
}

/* With the lock held. */
static struct ready *
take_ready(struct epochs *self)
{
    struct ready *ready = self->ready;

    self->ready = ready->next;
    if (!self->ready)
        self->ready_tail = &self->ready;
    self->is_writing = true;
    return ready;
}

static void
commit(struct epochs *self, struct ready *ready)
{
    Hde__Epoch *epoch = ready->epoch;
    int64_t begin_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
    Hde__LogStart start = HDE__LOG_START__INIT;
    struct arena arena = {0};
    bool ok;

    engine_look(self->engine);
    ingress_describe(self->engine, &start, &arena);
    engine_looked(self->engine);
    epoch->start = &start;
    ok = !is_fenced(self) && ingress_wait_durable(self->engine->ingress, epoch->position) &&
         dlq_flush(self->engine, epoch->tick) && write_file(self, epoch);
    if (ok) {
        tell_senders(self, epoch);
        retire(self);
        log_line(LEVEL_DEBUG, self->engine->graph->name, NULL, "checkpoint.complete",
                 "tick %" PRIu64, epoch->tick);
    }
    show(self, epoch, ready->open_ns, ok);
    savepoints_commit(self->engine->savepoints, epoch, ok);
    epoch->start = NULL;
    arena_fini(&arena);
    pthread_mutex_lock(&self->lock);
    if (ok)
        self->completed = epoch->tick;
    self->is_writing = false;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    hde__epoch__free_unpacked(epoch, NULL);
    free(ready);
    epochs_count_cpu(self, begin_ns);
    full_fence(); /* a suspending sequencer waits for this */
    worker_wake_if_parked(self->engine->first);
}

bool
epochs_is_ready(struct epochs *self)
{
    return self->ready != NULL;
}

void
epochs_write(struct epochs *self)
{
    struct ready *ready;

    pthread_mutex_lock(&self->lock);
    ready = take_ready(self);
    pthread_mutex_unlock(&self->lock);
    commit(self, ready);
}

/* With the lock held. Until there is something to write, or the end; a look at the store's owner
 * now and then. */
static void
wait_for_work(struct epochs *self)
{
    bool has_failed = false;

    while (!self->ready && !self->is_stopping) {
        int64_t at_ns = clock_real_ns() + LOOK_MS * (int64_t)NS_PER_MS;
        struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

        if (has_failed)
            pthread_cond_wait(&self->changed, &self->lock);
        else
            pthread_cond_timedwait(&self->changed, &self->lock, &at);
        pthread_mutex_unlock(&self->lock);
        has_failed = has_failed || is_fenced(self);
        pthread_mutex_lock(&self->lock);
    }
}

static void *
write_epochs(void *arg)
{
    struct epochs *self = arg;

    pthread_mutex_lock(&self->lock);
    for (;;) {
        struct ready *ready;

        wait_for_work(self);
        if (!self->ready)
            break;
        ready = take_ready(self);
        pthread_mutex_unlock(&self->lock);
        commit(self, ready);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- Open and close ----------------------------------------------------------------------- */

static Hde__Epoch *
read_last(const char *folder, const char *graph)
{
    Hde__Epoch *last = NULL;
    uint64_t *ticks;
    size_t n = list_files(folder, &ticks);

    for (size_t i = 0; i < n && !last; i++) {
        char *path = path_of(folder, ticks[i]);

        last = epoch_read(path);
        if (!last && graph)
            log_line(LEVEL_WARN, graph, NULL, "checkpoint.damaged",
                     "%s is not whole: the one before it is taken", path);
        free(path);
    }
    free(ticks);
    return last;
}

bool
epochs_are_restored(const char *store)
{
    char *path = xprintf("%s/restore", store);
    bool there = access(path, F_OK) == 0;

    free(path);
    return there;
}

Hde__Epoch *
epochs_newest(const char *store)
{
    char *folder = xprintf("%s/epochs", store);
    Hde__Epoch *last = read_last(folder, NULL);

    free(folder);
    return last;
}

uint8_t *
epochs_graph(const char *store, size_t *size, uint64_t *tick)
{
    Hde__Epoch *last = epochs_newest(store);
    uint8_t *bytes = NULL;

    if (last && last->has_resolved) {
        *size = last->resolved.len;
        *tick = last->tick;
        bytes = last->resolved.data;
        last->resolved.data = NULL;
        last->has_resolved = false;
        last->resolved.len = 0;
    }
    if (last)
        hde__epoch__free_unpacked(last, NULL);
    return bytes;
}

static bool
read_restored(struct epochs *self, struct err *err)
{
    self->restored = epoch_read(self->restore_path);
    if (self->restored && self->restored->n_parts)
        return err_set(err, "HDE-R120",
                       "'%s' is a savepoint of a graph in parts, and this graph has no links",
                       self->restore_path);
    if (self->restored || access(self->restore_path, F_OK))
        return true;
    return err_set(err, "HDE-R084", "'%s' is not whole: restore the savepoint again, or remove it",
                   self->restore_path);
}

bool
epochs_open(struct engine *engine, struct err *err)
{
    struct epochs *self = xcalloc(1, sizeof *self);
    int failed;

    engine->epochs = self;
    self->engine = engine;
    self->ready_tail = &self->ready;
    self->timeout_ns = engine->graph->checkpoint.timeout_ns;
    self->folder = xprintf("%s/epochs", engine->graph->checkpoint.store);
    self->restore_path = xprintf("%s/restore", engine->graph->checkpoint.store);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    if (!io_make_folders(self->folder))
        return err_set(err, "HDE-R014", "'%s' cannot be made: %s", self->folder, strerror(errno));
    self->last = read_last(self->folder, engine->graph->name);
    if (!read_restored(self, err))
        return false;
    self->completed = self->last ? self->last->tick : 0;
    STAT_SET(engine->stats->epochs.is_on, 1);
    if (self->last) {
        STAT_SET(engine->stats->epochs.tick, self->last->tick);
        STAT_SET(engine->stats->epochs.time_ns, self->last->time_ns);
    }
    if (engine->options.steps)
        return true;
    failed = pthread_create(&self->thread, NULL, write_epochs, self);
    if (failed)
        return err_set(err, "HDE-R004", "the thread of checkpoints cannot be started: %s",
                       strerror(failed));
    self->is_started = true;
    return true;
}

void
epochs_close(struct epochs *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (self->is_started)
        pthread_join(self->thread, NULL);
    if (self->open)
        hde__epoch__free_unpacked(self->open, NULL);
    while (self->ready) {
        struct ready *ready = take_ready(self);

        hde__epoch__free_unpacked(ready->epoch, NULL);
        free(ready);
    }
    if (self->last)
        hde__epoch__free_unpacked(self->last, NULL);
    pthread_cond_destroy(&self->changed);
    if (self->restored)
        hde__epoch__free_unpacked(self->restored, NULL);
    pthread_mutex_destroy(&self->lock);
    free(self->folder);
    free(self->restore_path);
    free(self);
}

const Hde__Epoch *
epochs_last(const struct epochs *self)
{
    return self->last;
}

/* since_ns: the thread's processor time when it began. */
void
epochs_count_cpu(struct epochs *self, int64_t since_ns)
{
    atomic_fetch_add(&self->cpu_ns, (uint64_t)(clock_read(CLOCK_THREAD_CPUTIME_ID) - since_ns));
}

uint64_t
epochs_cpu_ns(const struct epochs *self)
{
    return atomic_load(&((struct epochs *)(uintptr_t)self)->cpu_ns);
}

const Hde__Epoch *
epochs_restored(const struct epochs *self)
{
    return self->restored;
}

void
epochs_forget_restored(struct epochs *self)
{
    io.unlink(self->restore_path);
    io_sync_folder(self->engine->graph->checkpoint.store);
    hde__epoch__free_unpacked(self->restored, NULL);
    self->restored = NULL;
}

Hde__Epoch *
epochs_oldest(const struct epochs *self)
{
    return epoch_find(self->folder, 0, UINT64_MAX, true);
}

bool
epochs_has_before(const struct epochs *self, uint64_t tick)
{
    Hde__Epoch *oldest = epochs_oldest(self);
    bool has = oldest && oldest->tick < tick;

    if (oldest)
        hde__epoch__free_unpacked(oldest, NULL);
    return has;
}

void
epochs_forget(struct epochs *self, uint64_t from, uint64_t until)
{
    uint64_t *ticks;
    size_t n = list_files(self->folder, &ticks), n_gone = 0;

    for (size_t i = 0; i < n; i++) {
        char *path = path_of(self->folder, ticks[i]);

        if (ticks[i] >= from && ticks[i] <= until)
            n_gone += io.unlink(path) == 0;
        free(path);
    }
    free(ticks);
    if (!n_gone)
        return;
    io_sync_folder(self->folder);
    if (self->last)
        hde__epoch__free_unpacked(self->last, NULL);
    self->last = read_last(self->folder, self->engine->graph->name);
    self->completed = self->last ? self->last->tick : 0;
}

uint64_t
epochs_completed(struct epochs *self)
{
    uint64_t tick;

    pthread_mutex_lock(&self->lock);
    tick = self->completed;
    pthread_mutex_unlock(&self->lock);
    return tick;
}

/* ---- Saving ------------------------------------------------------------------------------- */

static Hde__SavedSource *
saved_source(const struct source *source)
{
    Hde__SavedSource *saved = xmalloc(sizeof *saved);

    hde__saved_source__init(saved);
    saved->node = xstrdup(source->node->def->name);
    saved->has_watermark_ns = saved->has_ended = true;
    saved->watermark_ns = source->out_wm;
    saved->ended = source->has_ended;
    saved->positions = xcalloc(source->at.n + 1, sizeof *saved->positions);
    for (; saved->n_positions < source->at.n; saved->n_positions++) {
        const struct position *at = &source->at.item[saved->n_positions];
        Hde__SourcePosition *position = xmalloc(sizeof *position);

        hde__source_position__init(position);
        position->has_partition = position->has_at = true;
        position->partition = at->partition;
        position->at.len = at->size;
        position->at.data = xmalloc(at->size + 1);
        memcpy(position->at.data, at->bytes, at->size);
        saved->positions[saved->n_positions] = position;
    }
    return saved;
}

bool
epochs_reach(const struct actor *actor)
{
    return actor->is_sequenced || actor->n_in;
}

/* With the lock held. Who confirms it later is not heard (is_wanted()). */
static void
abandon(struct epochs *self)
{
    const struct engine *engine = self->engine;

    log_line(LEVEL_WARN, engine->graph->name, NULL, "checkpoint.abandoned",
             "tick %" PRIu64 ": %u of %u actors did not pass the barrier in time",
             self->open->tick, self->waits, engine->n_actors);
    STAT_ADD(engine->stats->epochs.abandoned, 1);
    hde__epoch__free_unpacked(self->open, NULL);
    self->open = NULL;
}

void
epochs_begin(struct epochs *self, uint64_t position)
{
    struct engine *engine = self->engine;
    const uint8_t *resolved;
    const struct sequencer *sequencer = &engine->sequencer;
    Hde__Epoch *epoch = xmalloc(sizeof *epoch);

    hde__epoch__init(epoch);
    epoch->has_version = epoch->has_tick = epoch->has_position = epoch->has_time_ns = true;
    epoch->version = EPOCH_VERSION;
    epoch->tick = sequencer->last;
    epoch->position = position;
    epoch->time_ns = sequencer->now_ns;
    epoch->graph = xstrdup(engine->graph->name);
    resolved = engine_resolved(engine, &epoch->resolved.len);
    epoch->has_resolved = true;
    epoch->resolved.data = xmalloc(epoch->resolved.len + 1);
    memcpy(epoch->resolved.data, resolved, epoch->resolved.len);
    epoch->nodes = xcalloc(engine->n_nodes + 1, sizeof *epoch->nodes);
    epoch->sources = xcalloc(engine->n_sources + 1, sizeof *epoch->sources);
    epoch->edges = xcalloc(2 * sequencer->n_handovers + 1, sizeof *epoch->edges);
    for (uint32_t i = 0; i < engine->n_sources; i++)
        epoch->sources[epoch->n_sources++] = saved_source(engine->sources[i]);
    pthread_mutex_lock(&self->lock);
    if (self->open)
        abandon(self);
    self->open = epoch;
    self->open_ns = clock_mono_ns();
    self->waits = 0;
    for (uint32_t i = 0; i < engine->n_actors; i++)
        self->waits += epochs_reach(engine->actors[i]);
    pthread_mutex_unlock(&self->lock);
}

bool
epochs_is_open(struct epochs *self)
{
    bool open;

    pthread_mutex_lock(&self->lock);
    if (self->open && clock_mono_ns() - self->open_ns >= self->timeout_ns)
        abandon(self);
    open = self->open || self->ready || self->is_writing;
    pthread_mutex_unlock(&self->lock);
    return open;
}

static Hde__SavedTimer **
saved_timers(const struct timers *timers, size_t *n)
{
    Hde__SavedTimer **list = xcalloc(timers->n + 1, sizeof *list);

    for (*n = 0; *n < timers->n; ++*n) {
        Hde__SavedTimer *timer = list[*n] = xmalloc(sizeof *timer);

        hde__saved_timer__init(timer);
        timer->has_id = timer->has_at_ns = true;
        timer->id = timers->heap[*n].id;
        timer->at_ns = timers->heap[*n].at_ns;
    }
    return list;
}

/* False: save() refuses, and the epoch cannot complete. */
static bool
save_state(struct node *node, Hde__SavedNode *saved)
{
    const hde_operator *op = node->ctx.op;
    hde_msg *msg;
    bool ok;

    /* what an end of a link keeps is needed after the end of the data too */
    if (!op->save || (node->has_ended && !(op->flags & OP_LINK_END)))
        return true;
    msg = msg_new(msg_pool_current(), op->state_type);
    ok = op->save(&node->ctx, node->ctx.state, msg) == HDE_OK;
    ctx_scratch_reset(&node->ctx);
    if (ok) {
        retain_saved(node, msg, op->state_schema);
        saved->type = xstrdup(op->state_type->name);
        saved->has_schema = saved->has_state = true;
        saved->schema = op->state_schema;
        saved->state.len = protobuf_c_message_get_packed_size(msg->body);
        saved->state.data = xmalloc(saved->state.len + 1);
        protobuf_c_message_pack(msg->body, saved->state.data);
    }
    hde_msg_drop(msg);
    return ok;
}

Hde__SavedNode *
epochs_saved_node(struct node *node)
{
    Hde__SavedNode *saved = xmalloc(sizeof *saved);

    hde__saved_node__init(saved);
    saved->name = xstrdup(node->def->name);
    saved->op = xstrdup(node->def->op->name);
    saved->has_replica = saved->has_watermark_ns = saved->has_out_watermark_ns = true;
    saved->has_ended = true;
    saved->replica = node->replica;
    saved->watermark_ns = node->wm;
    saved->out_watermark_ns = node->out_wm;
    saved->ended = node->has_ended;
    if (node->def->spread.of) {
        saved->has_spread_of = saved->has_spread_hosts = saved->has_spread_at = true;
        saved->spread_of = node->def->spread.of;
        saved->spread_hosts = node->def->spread.hosts;
        saved->spread_at = node->def->spread.at;
    }
    saved->event_timers = saved_timers(&node->event_timers, &saved->n_event_timers);
    if (!node->source)
        saved->clock_timers = saved_timers(&node->clock_timers, &saved->n_clock_timers);
    question_save(node, saved);
    if (save_state(node, saved))
        return saved;
    hde__saved_node__free_unpacked(saved, NULL);
    return NULL;
}

/* What an actor saves at a barrier. */
struct saving {
    Hde__SavedNode **nodes; /* of all its nodes */
    Hde__SavedEdge **ends;
    size_t n_ends;
};

/* True: the epoch is open, and has what was saved. */
static bool
confirm(struct epochs *self, const struct actor *actor, struct saving *saving)
{
    bool is_taken;

    pthread_mutex_lock(&self->lock);
    is_taken = self->open && self->open->tick == actor->tick;
    for (uint32_t i = 0; i < actor->n_nodes && is_taken; i++) {
        saving->nodes[i]->build_id = xstrdup(node_build(actor->nodes[i]));
        self->open->nodes[self->open->n_nodes++] = saving->nodes[i];
    }
    for (size_t i = 0; i < saving->n_ends && is_taken; i++)
        self->open->edges[self->open->n_edges++] = saving->ends[i];
    if (is_taken && !--self->waits) {
        *self->ready_tail = xmalloc(sizeof **self->ready_tail);
        **self->ready_tail = (struct ready){NULL, self->open, self->open_ns};
        self->ready_tail = &(*self->ready_tail)->next;
        self->open = NULL;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    return is_taken;
}

/* Not the tick of a swap, nor that of an epoch that was abandoned. */
static bool
is_wanted(struct epochs *self, uint64_t tick)
{
    bool wanted;

    pthread_mutex_lock(&self->lock);
    wanted = self->open && self->open->tick == tick;
    pthread_mutex_unlock(&self->lock);
    return wanted;
}

static void
forget(const struct actor *actor, struct saving *saving)
{
    for (uint32_t i = 0; i < actor->n_nodes; i++)
        if (saving->nodes[i])
            hde__saved_node__free_unpacked(saving->nodes[i], NULL);
    for (size_t i = 0; i < saving->n_ends; i++)
        hde__saved_edge__free_unpacked(saving->ends[i], NULL);
}

void
epochs_save(struct actor *actor)
{
    struct engine *engine = actor->engine;
    struct saving saving;
    bool ok = true, is_taken = false;

    if (!engine->hashes && !(engine->epochs && is_wanted(engine->epochs, actor->tick)))
        return;
    saving = (struct saving){
        .nodes = xcalloc(actor->n_nodes + 1, sizeof *saving.nodes),
        .ends = xcalloc(actor->n_in + actor->n_out + 1, sizeof *saving.ends)};
    for (uint32_t i = 0; i < actor->n_nodes; i++) {
        if (!engine->epochs && !actor->nodes[i]->probe)
            continue;
        saving.nodes[i] = epochs_saved_node(actor->nodes[i]);
        ok &= saving.nodes[i] != NULL;
    }
    if (engine->epochs)
        held_save(actor, saving.ends, &saving.n_ends);
    if (engine->hashes)
        hashes_pass(actor, saving.nodes);
    if (engine->epochs && ok)
        is_taken = confirm(engine->epochs, actor, &saving);
    if (!is_taken)
        forget(actor, &saving);
    free(saving.nodes);
    free(saving.ends);
}

/* ---- Restoring ---------------------------------------------------------------------------- */

static struct node *
node_of_saved(const struct engine *engine, const Hde__SavedNode *saved)
{
    for (uint32_t i = 0; saved->name && i < engine->n_nodes; i++)
        if (engine->nodes[i]->replica == saved->replica &&
            strcmp(engine->nodes[i]->def->name, saved->name) == 0)
            return engine->nodes[i];
    return NULL;
}

static bool
load_state(struct node *node, const Hde__SavedNode *saved, struct err *err)
{
    const hde_operator *op = node->ctx.op;
    hde_msg *msg;
    hde_status status;

    if (!saved->has_state)
        return true;
    if (!op->load || strcmp(op->state_type->name, saved->type) != 0)
        return err_set(err, "HDE-R015",
                       "node '%s' (%s) has saved state of type %s, and the operator takes %s",
                       saved->name, op->name, saved->type,
                       op->load ? op->state_type->name : "none");
    msg = msg_unpack(msg_pool_current(), op->state_type, saved->state.data, saved->state.len);
    if (!msg)
        return err_set(err, "HDE-R015", "node '%s': the saved state is no %s", saved->name,
                       saved->type);
    status = op->load(&node->ctx, node->ctx.state, msg->body, saved->schema);
    ctx_scratch_reset(&node->ctx);
    retain_saved(node, msg, saved->schema);
    hde_msg_drop(msg);
    if (status != HDE_OK)
        return err_set(err, "HDE-R015", "node '%s' (%s) does not take its saved state: %s",
                       saved->name, op->name,
                       node->ctx.said->text[0] ? node->ctx.said->text : "no reason given");
    return true;
}

bool
node_load(struct node *node, const Hde__SavedNode *saved, struct err *err)
{
    if ((!node->is_left_out && !load_state(node, saved, err)) || !question_load(node, saved, err))
        return false;
    node->wm = saved->watermark_ns;
    node->out_wm = saved->out_watermark_ns;
    for (size_t i = 0; i < saved->n_event_timers; i++)
        timers_set(&node->event_timers, saved->event_timers[i]->id, saved->event_timers[i]->at_ns);
    for (size_t i = 0; i < saved->n_clock_timers; i++)
        timers_set(&node->clock_timers, saved->clock_timers[i]->id, saved->clock_timers[i]->at_ns);
    node->has_ended = saved->ended;
    if (saved->ended)
        STAT_SET(node->stats->state, NODE_ENDED);
    STAT_SET(node->stats->watermark_ns, node->wm);
    return true;
}

static bool
restore_node(struct engine *engine, const Hde__SavedNode *saved, struct err *err)
{
    struct node *node = node_of_saved(engine, saved);

    if (!node || strcmp(node->ctx.op->name, saved->op) != 0)
        return err_set(err, "HDE-R015",
                       "the checkpoint has state of node '%s' (%s), and this graph has %s",
                       saved->name, saved->op, node ? "another operator there" : "no such node");
    if (!node_load(node, saved, err))
        return false;
    node->actor->n_ended += node->has_ended;
    return true;
}

/* What a former replica had, too. Watermarks never go back, and an end is an end. */
static bool
load_too(struct node *node, const Hde__SavedNode *saved, bool is_first, struct err *err)
{
    int64_t wm = node->wm, out_wm = node->out_wm;
    bool has_ended = node->has_ended;

    if (!node_load(node, saved, err))
        return false;
    if (is_first)
        return true;
    node->wm = wm < node->wm ? wm : node->wm;
    node->out_wm = out_wm < node->out_wm ? out_wm : node->out_wm;
    node->has_ended &= has_ended;
    STAT_SET(node->stats->watermark_ns, node->wm);
    STAT_SET(node->stats->state, node->has_ended ? NODE_ENDED : NODE_IDLE);
    return true;
}

/* (6) */
static bool
restore_by_key(struct node *node, const Hde__Epoch *epoch, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < epoch->n_nodes; i++) {
        const Hde__SavedNode *saved = epoch->nodes[i];

        if (saved->by_key && !strcmp(saved->name, node->def->name) &&
            !load_too(node, saved, n++ == 0, err))
            return false;
    }
    if (!n)
        return true;
    node->actor->n_ended += node->has_ended;
    retain_event(node); /* a restart of it goes on from all that it has loaded */
    return true;
}

static bool
restore_source(struct engine *engine, const Hde__SavedSource *saved, struct err *err)
{
    for (uint32_t i = 0; i < engine->n_sources; i++) {
        struct source *source = engine->sources[i];

        if (strcmp(source->node->def->name, saved->node) != 0)
            continue;
        source->out_wm = saved->watermark_ns;
        source->has_ended = saved->ended;
        for (size_t p = 0; p < saved->n_positions; p++)
            positions_set(&source->at, saved->positions[p]->partition, saved->positions[p]->at.data,
                          saved->positions[p]->at.len);
        return true;
    }
    return err_set(err, "HDE-R015", "the checkpoint has a source '%s', and this graph does not",
                   saved->node);
}

bool
epochs_restore(struct engine *engine, const Hde__Epoch *epoch, struct err *err)
{
    for (size_t i = 0; i < epoch->n_nodes; i++)
        if (!epoch->nodes[i]->by_key && !restore_node(engine, epoch->nodes[i], err))
            return false;
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        if (!restore_by_key(engine->nodes[i], epoch, err))
            return false;
    for (size_t i = 0; i < epoch->n_sources; i++)
        if (!restore_source(engine, epoch->sources[i], err))
            return false;
    for (uint32_t i = 0; i < engine->n_edges; i++) {
        struct edge *edge = engine->edges[i];

        edge->put_wm = edge->in_wm = edge->from->out_wm;
    }
    for (size_t i = 0; i < epoch->n_edges; i++)
        if (!held_restore(engine, epoch->edges[i], err))
            return false;
    engine->sequencer.last = engine->sequencer.said = epoch->tick;
    engine->sequencer.now_ns = epoch->time_ns;
    engine_set_alarms(engine);
    for (uint32_t i = 0; i < engine->n_actors; i++)
        engine->actors[i]->done = epoch->tick;
    return true;
}
