/* SPDX-License-Identifier: Apache-2.0
 * savepoint - an epoch, written once more under a name, with all that a start needs: where the graph
 * came from, its files as they were, the builds.
 *
 *  (1) A savepoint is the epoch of a barrier of its own, in the format of epochs, so it is whole or
 *      not there. Nothing retires it.
 *  (2) Restoring is the file STORE/restore. The next start puts its state into the nodes and writes
 *      it into the log, as a part of a fresh start; when that is durable the file goes. A crash
 *      before begins again, a crash after goes on from the log.
 *      [test_a_restored_run_goes_on_from_the_savepoint]
 *  (3) A restored start has ticks above all that the log and the sinks have (S2).
 *  (4) The share of a part begins when each of its links has come to the marker, and all that stood
 *      in front of it has been sequenced. Behind the end of a link's data nothing stands: it is there
 *      without a marker. [test_a_savepoint_over_parts_is_one_cut,
 *      test_a_part_that_has_ended_is_in_the_savepoint] */
#include "engine/savepoint.h"

#include "base/clock.h"
#include "base/io.h"
#include "engine/epoch.h"
#include "engine/ingress.h"
#include "seglog/seglog.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAME_BYTES = 100 };

struct savepoints {
    struct engine *engine;
    struct savepoint_files files; /* as they were at the start */
    pthread_mutex_t lock; /* all below */
    char name[NAME_BYTES + 1];
    bool is_begun;   /* report.tick is its barrier */
    struct savepoint_report report;
    struct savepoint_share share; /* taken NULL: it is written here */
    _Atomic bool is_wanted;
};

/* ---- Files -------------------------------------------------------------------------------- */

bool
savepoint_is_name(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
            return false;
    return len && len <= NAME_BYTES && *name != '.';
}

const char *
savepoint_path(const char *store, const char *name, struct arena *arena)
{
    return arena_printf(arena, "%s/savepoints/%s", store, name);
}

bool
savepoint_name_is_free(const char *store, const char *name, struct err *err)
{
    struct arena arena = {0};
    struct stat st;
    bool exists;

    if (!savepoint_is_name(name))
        return err_set(err, "HDE-R085",
                       "'%.100s' is no name for a savepoint: letters, digits, '.', '_', '-'", name);
    exists = stat(savepoint_path(store, name, &arena), &st) == 0;
    arena_fini(&arena);
    return !exists || err_set(err, "HDE-R085", "there is a savepoint '%s' already", name);
}

Hde__Epoch *
savepoint_read(const char *path, struct err *err)
{
    Hde__Epoch *epoch = epoch_read(path);
    struct stat st;

    if (epoch && epoch->savepoint && (epoch->start || epoch->n_parts))
        return epoch;
    if (stat(path, &st))
        err_set(err, "HDE-R083", "there is no savepoint %s: %s", path, strerror(errno));
    else
        err_set(err, "HDE-R084", "%s is not whole, or no savepoint of this version", path);
    if (epoch)
        hde__epoch__free_unpacked(epoch, NULL);
    return NULL;
}

static char *
folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return xprintf("%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

bool
savepoint_write(const char *path, const Hde__Epoch *savepoint, struct err *err)
{
    char *folder = folder_of(path);
    bool ok = io_make_folders(folder) && epoch_write(path, savepoint);

    if (!ok)
        err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    free(folder);
    return ok;
}

static void
add_text(struct savepoint_files *files, const char *path, const char *text)
{
    Hde__GraphFile *file = xmalloc(sizeof *file);

    hde__graph_file__init(file);
    file->path = xstrdup(path);
    file->text = xstrdup(text);
    files->item = xrealloc(files->item, (files->n + 1) * sizeof *files->item);
    files->item[files->n++] = file;
}

static void
add_file(struct savepoint_files *files, const char *path)
{
    FILE *file = path ? fopen(path, "re") : NULL;
    hde_text text = {0};
    char part[4096];
    size_t n;

    for (size_t i = 0; i < files->n && path; i++)
        if (strcmp(files->item[i]->path, path) == 0)
            path = NULL;
    while (file && (n = fread(part, 1, sizeof part, file)))
        hde_text_put(&text, part, n);
    if (file)
        fclose(file);
    if (path)
        add_text(files, path, text.data ? text.data : "");
    hde_text_free(&text);
}

void
savepoint_files_read(const struct graph *graph, struct savepoint_files *out)
{
    const struct graph *whole = graph->whole ? graph->whole : graph;

    *out = (struct savepoint_files){0};
    for (size_t i = 0; i < whole->n_texts; i++)
        add_text(out, whole->texts[i].path, whole->texts[i].text);
    if (whole->n_texts)
        return;
    add_file(out, graph->path);
    for (size_t i = 0; i < graph->n_nodes; i++)
        add_file(out, graph->nodes[i].place.file);
}

void
savepoint_files_fini(struct savepoint_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        hde__graph_file__free_unpacked(files->item[i], NULL);
    free(files->item);
}

bool
savepoint_write_named(const char *path, const char *name, const struct savepoint_files *files,
                      Hde__Epoch *epoch, struct err *err)
{
    bool ok;

    epoch->savepoint = (char *)(uintptr_t)name;
    epoch->has_taken_ns = true;
    epoch->taken_ns = clock_real_ns();
    epoch->n_files = files->n;
    epoch->files = files->item;
    ok = savepoint_write(path, epoch, err);
    epoch->savepoint = NULL;
    epoch->n_files = 0;
    epoch->files = NULL;
    return ok;
}

bool
savepoint_remove(const char *path, struct err *err)
{
    char *folder = folder_of(path);
    bool ok = io.unlink(path) == 0 && io_sync_folder(folder);

    if (!ok)
        err_set(err, errno == ENOENT ? "HDE-R083" : "HDE-R014", "%s: %s", path, strerror(errno));
    free(folder);
    return ok;
}

/* Whether nobody has that log. */
static bool
is_free(const char *log, struct err *err)
{
    struct seglog *seglog = seglog_open(log, &(struct seglog_options){0}, NULL, err);

    if (seglog)
        seglog_close(seglog);
    return seglog != NULL; /* else an engine runs, or the log is damaged */
}

bool
savepoint_restore(const char *store, const char *log, const Hde__Epoch *savepoint,
                  struct err *err)
{
    struct arena arena = {0};
    bool ok = true;

    for (size_t i = 0; i < savepoint->n_parts && ok; i++)
        ok = is_free(arena_printf(&arena, "%s/%s", log, savepoint->parts[i]->part), err);
    ok = ok && (savepoint->n_parts || is_free(log, err)) &&
         savepoint_write(arena_printf(&arena, "%s/restore", store), savepoint, err);
    arena_fini(&arena);
    return ok;
}

/* ---- Does it fit? ------------------------------------------------------------------------- */

static const struct graph_node *
node_called(const struct graph *graph, const char *name)
{
    for (size_t i = 0; name && i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    return NULL;
}

static uint32_t
replicas_saved(const Hde__Epoch *savepoint, const char *name)
{
    uint32_t n = 0;

    for (size_t i = 0; i < savepoint->n_nodes; i++)
        n += strcmp(savepoint->nodes[i]->name, name) == 0;
    return n;
}

static enum savepoint_fit __attribute__((format(printf, 2, 3)))
unfit(hde_text *why, const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    hde_text_puts(why, text);
    return SAVEPOINT_UNFIT;
}

static enum savepoint_fit
fit_state(const hde_operator *op, const Hde__SavedNode *saved, hde_text *why)
{
    if (!saved->has_state)
        return SAVEPOINT_FITS;
    if (!op->load || !op->state_type || strcmp(op->state_type->name, saved->type) != 0)
        return unfit(why, "has state of type %s, and the operator takes %s", saved->type,
                     op->load && op->state_type ? op->state_type->name : "none");
    if (saved->schema > op->state_schema)
        return unfit(why, "has state of schema %u, and the operator knows up to %u", saved->schema,
                     op->state_schema);
    if (saved->schema == op->state_schema)
        return SAVEPOINT_FITS;
    hde_text_printf(why, "state of schema %u is migrated to %u; ", saved->schema, op->state_schema);
    return SAVEPOINT_NOTE;
}

static enum savepoint_fit
fit_node(const Hde__Epoch *savepoint, const struct graph *graph, const Hde__SavedNode *saved,
         hde_text *why)
{
    const struct graph_node *node = node_called(graph, saved->name);
    uint32_t replicas = replicas_saved(savepoint, saved->name);
    struct graph_spread was = {saved->spread_of, saved->spread_hosts, saved->spread_at};
    enum savepoint_fit fit;

    if (!node)
        return unfit(why, "is not in this graph");
    if (strcmp(node->op->name, saved->op) != 0)
        return unfit(why, "was %s, and is %s here", saved->op, node->op->name);
    if (replicas != (node->replicas ? (uint32_t)node->replicas : 1))
        return unfit(why, "had %u replicas, and has %lld here", replicas,
                     (long long)node->replicas);
    if (!same_spread(&was, &node->spread))
        return unfit(why, "had %lld replicas on %lld hosts, and has %lld on %lld here",
                     (long long)was.of, (long long)was.hosts, (long long)node->spread.of,
                     (long long)node->spread.hosts);
    fit = fit_state(node->op, saved, why);
    if (fit == SAVEPOINT_UNFIT)
        return fit;
    if (!node->build_id || strcmp(saved->build_id, node->build_id) != 0) {
        hde_text_puts(why, "another build");
        return SAVEPOINT_NOTE;
    }
    hde_text_puts(why, "same build");
    return fit;
}

static enum savepoint_fit
fit_source(const struct graph *graph, const Hde__SavedSource *saved, hde_text *why)
{
    const struct graph_node *node = node_called(graph, saved->node);

    if (!node || !node->op->poll)
        return unfit(why, "is no source in this graph");
    if (saved->n_positions && !node->op->seek)
        return unfit(why, "%s does not go back to where it stood", node->op->name);
    hde_text_puts(why, saved->ended           ? "had ended"
                       : saved->n_positions ? "goes on where it stood"
                                            : "has no position to go back to: begins anew");
    return saved->ended || saved->n_positions ? SAVEPOINT_FITS : SAVEPOINT_NOTE;
}

bool
savepoint_check(const Hde__Epoch *savepoint, const struct graph *graph, savepoint_found *found,
                void *arg)
{
    hde_text why = {0};
    bool ok = true;

    for (size_t i = 0; i < savepoint->n_nodes; i++) {
        enum savepoint_fit fit;

        if (savepoint->nodes[i]->replica)
            continue; /* said of the first */
        fit = fit_node(savepoint, graph, savepoint->nodes[i], &why);
        found(arg, fit, savepoint->nodes[i]->name, why.data);
        ok &= fit != SAVEPOINT_UNFIT;
        hde_text_clear(&why);
    }
    for (size_t i = 0; i < savepoint->n_sources; i++) {
        enum savepoint_fit fit = fit_source(graph, savepoint->sources[i], &why);

        found(arg, fit, savepoint->sources[i]->node, why.data);
        ok &= fit != SAVEPOINT_UNFIT;
        hde_text_clear(&why);
    }
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!replicas_saved(savepoint, graph->nodes[i].name))
            found(arg, SAVEPOINT_NOTE, graph->nodes[i].name, "was not there: begins anew");
    hde_text_free(&why);
    return ok;
}

/* ---- A running engine --------------------------------------------------------------------- */

void
savepoints_open(struct engine *engine)
{
    struct savepoints *self = xcalloc(1, sizeof *self);

    engine->savepoints = self;
    self->engine = engine;
    pthread_mutex_init(&self->lock, NULL);
    savepoint_files_read(engine->graph, &self->files);
}

void
savepoints_close(struct savepoints *self)
{
    if (!self)
        return;
    savepoint_files_fini(&self->files);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* False: another one waits. */
static bool
begin_waiting(struct savepoints *self, const char *name, const struct savepoint_share *share)
{
    bool is_free;

    pthread_mutex_lock(&self->lock);
    is_free = self->report.state != SAVEPOINT_WAITING;
    if (is_free) {
        snprintf(self->name, sizeof self->name, "%s", name);
        self->report = (struct savepoint_report){.state = SAVEPOINT_WAITING};
        self->is_begun = false;
        self->share = *share;
        atomic_store(&self->is_wanted, true);
    }
    pthread_mutex_unlock(&self->lock);
    return is_free;
}

static bool
ask(struct engine *engine, const char *name, const struct savepoint_share *share, struct err *err)
{
    if (!begin_waiting(engine->savepoints, name, share))
        return err_set(err, "HDE-R086", "another savepoint is being taken");
    full_fence();
    worker_wake_if_parked(engine->first);
    return true;
}

static bool
may_ask(struct engine *engine, const char *name, struct err *err)
{
    if (!engine->savepoints)
        return err_set(err, "HDE-R086", "the graph keeps no state: it has no checkpoint:");
    if (engine_state(engine) != ENGINE_RUNNING)
        return err_set(err, "HDE-R086", "the graph is not running");
    return savepoint_name_is_free(engine->graph->checkpoint.store, name, err);
}

bool
savepoint_ask(struct engine *engine, const char *name, struct err *err)
{
    return may_ask(engine, name, err) && ask(engine, name, &(struct savepoint_share){0}, err);
}

bool
savepoint_ask_part(struct engine *engine, const struct savepoint_share *share, struct err *err)
{
    return ask(engine, "", share, err);
}

void
savepoint_cancel(struct engine *engine)
{
    struct savepoints *self = engine->savepoints;

    pthread_mutex_lock(&self->lock);
    if (self->report.state == SAVEPOINT_WAITING)
        self->report.state = SAVEPOINT_NONE;
    atomic_store(&self->is_wanted, false);
    pthread_mutex_unlock(&self->lock);
}

void
savepoint_mark(struct engine *engine, uint64_t tick, void (*mark)(void *arg, uint32_t number),
               void *arg)
{
    struct savepoints *self = engine->savepoints;

    if (!self)
        return;
    pthread_mutex_lock(&self->lock); /* a marker is never put behind a cancel */
    if (self->report.state == SAVEPOINT_WAITING && self->share.taken && self->is_begun &&
        self->report.tick == tick)
        mark(arg, self->share.number);
    pthread_mutex_unlock(&self->lock);
}

void
savepoint_report(struct engine *engine, const char *name, struct savepoint_report *out)
{
    struct savepoints *self = engine->savepoints;

    *out = (struct savepoint_report){.state = SAVEPOINT_NONE};
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    if (strcmp(self->name, name) == 0)
        *out = self->report;
    pthread_mutex_unlock(&self->lock);
}

/* (4) */
static bool
links_are_at_marker(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->n_sources; i++) {
        struct source *source = engine->sources[i];

        if (source->upstream && !source->has_ended &&
            (!source->upstream->is_at_marker(source->upstream) || source_has_queued(source)))
            return false;
    }
    return true;
}

bool
savepoints_are_wanted(struct savepoints *self)
{
    return atomic_load_explicit(&self->is_wanted, memory_order_relaxed) &&
           links_are_at_marker(self->engine);
}

bool
savepoints_end(struct savepoints *self)
{
    bool ends;

    pthread_mutex_lock(&self->lock);
    ends = self->report.state == SAVEPOINT_WAITING && self->share.ends;
    pthread_mutex_unlock(&self->lock);
    return ends;
}

/* With the lock held. */
static void
begin(struct savepoints *self, uint64_t tick)
{
    const struct engine *engine = self->engine;

    self->is_begun = true;
    self->report.tick = tick;
    atomic_store(&self->is_wanted, false);
    for (uint32_t i = 0; i < engine->n_sources; i++)
        if (engine->sources[i]->upstream)
            engine->sources[i]->upstream->pass_marker(engine->sources[i]->upstream);
}

void
savepoints_begin(struct savepoints *self, uint64_t tick, bool is_last)
{
    struct savepoint_share share = {0};
    struct err err = {0};

    pthread_mutex_lock(&self->lock);
    if (self->report.state == SAVEPOINT_WAITING && self->is_begun) {
        self->report.state = SAVEPOINT_FAILED; /* another barrier came: its epoch was abandoned */
        err_set(&self->report.err, "HDE-R086",
                "the barrier at tick %llu was not passed within the timeout of checkpoint:",
                (unsigned long long)self->report.tick);
        share = self->share;
        err = self->report.err;
    } else if (self->report.state == SAVEPOINT_WAITING && (is_last || !self->share.ends) &&
               links_are_at_marker(self->engine)) {
        begin(self, tick);
    }
    pthread_mutex_unlock(&self->lock);
    if (share.taken)
        share.taken(share.arg, share.number, self->engine, NULL, &err);
}

static void
write_named(struct savepoints *self, Hde__Epoch *epoch, struct savepoint_report *report)
{
    struct arena arena = {0};
    const char *path =
        savepoint_path(self->engine->graph->checkpoint.store, self->name, &arena);
    bool ok = savepoint_write_named(path, self->name, &self->files, epoch, &report->err);
    struct stat st = {0};

    stat(path, &st);
    report->bytes = (uint64_t)st.st_size;
    snprintf(report->path, sizeof report->path, "%s", path);
    report->state = ok ? SAVEPOINT_DONE : SAVEPOINT_FAILED;
    arena_fini(&arena);
}

void
savepoints_commit(struct savepoints *self, Hde__Epoch *epoch, bool ok)
{
    struct savepoint_report report;
    struct savepoint_share share;
    bool is_it;

    pthread_mutex_lock(&self->lock);
    report = self->report;
    share = self->share;
    is_it = report.state == SAVEPOINT_WAITING && self->is_begun && report.tick == epoch->tick;
    pthread_mutex_unlock(&self->lock);
    if (!is_it)
        return;
    report.state = ok ? SAVEPOINT_DONE : SAVEPOINT_FAILED;
    if (!ok)
        err_set(&report.err, "HDE-R014", "the epoch could not be written");
    else if (!share.taken)
        write_named(self, epoch, &report);
    pthread_mutex_lock(&self->lock);
    is_it = self->report.state == SAVEPOINT_WAITING && self->report.tick == epoch->tick;
    if (is_it)
        self->report = report;
    pthread_mutex_unlock(&self->lock);
    if (is_it && share.taken)
        share.taken(share.arg, share.number, self->engine, ok ? epoch : NULL, &report.err);
}
