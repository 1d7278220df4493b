/* SPDX-License-Identifier: Apache-2.0
 * across - see across.h.
 *
 *  (1) A share that is not given ends the savepoint: shares and markers go, the parts go on.
 *      [test_a_savepoint_ends_with_a_part_that_is_stopped]
 *  (2) At the cut everything that was put on a link has been taken: in the shares, ends of links keep
 *      nothing. [test_a_savepoint_over_parts_is_one_cut]
 *  (3) A share that nobody asks after any more is given up, so nothing waits for a host that led and
 *      is gone. [tests/hosts/savepoint.sh]
 *  (4) STORE/restore goes when every part has its share and all journals are empty, so a start that
 *      is cut off gives all of them again. Parts that have come up do not take theirs twice.
 *      [test_a_restored_graph_in_parts_goes_on_as_one]
 *  (5) A part that has come to its end gives the epoch of its end. It needs no marker: the last thing
 *      on its links is the end of the data, and whoever has taken that is at the marker
 *      (savepoint.c (4)). [test_a_part_that_has_ended_is_in_the_savepoint]
 *
 *  Locks: that of across, then that of a part's savepoints, then that of a link. */
#include "engine/across.h"

#include "base/clock.h"
#include "base/io.h"
#include "engine/epoch.h"
#include "engine/line.h"
#include "engine/move.h"
#include "engine/run.h"
#include "engine/through.h"
#include "link/ends.h"
#include "seglog/seglog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct across {
    const struct parts *parts;
    struct link *const *link;
    const struct graph *graph; /* and its cut: those of the start, whose links do not change */
    const struct graph_cut *cut;
    size_t n_links, n;
    struct savepoint_files files;
    pthread_mutex_t lock; /* all below */
    uint32_t number;      /* of askings */
    char *name, *path;
    struct arena arena; /* of the line, and below */
    struct line line;   /* in force at the savepoint */
    size_t n_through;
    Hde__EdgeThrough **through; /* of hosts that have left */
    bool *is_lost; /* link: it leads from or to a host that is lost */
    bool has_begun;    /* parts were asked */
    bool ends;
    bool is_led;       /* by a host: a share of more */
    bool is_unwanted;  /* given up while it is written */
    int64_t looked_ns; /* is_led: when somebody asked after it, monotonic */
    Hde__Epoch **share; /* by part; NULL: not given yet */
    size_t n_given;
    struct savepoint_report report;
};

struct across *
across_new(const struct parts *parts, const struct graph_cut *cut, struct link *const *link)
{
    struct across *self = xcalloc(1, sizeof *self);

    self->parts = parts;
    self->link = link;
    self->n_links = cut->n_links;
    self->graph = parts_graph(parts);
    self->cut = cut;
    self->is_lost = xcalloc(cut->n_links + 1, sizeof *self->is_lost);
    self->n = parts_count(parts);
    self->share = xcalloc(self->n + 1, sizeof(Hde__Epoch *));
    self->name = xstrdup("");
    self->path = xstrdup("");
    savepoint_files_read(parts_graph(parts), &self->files);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

/* With the lock held. */
static void
drop_shares(struct across *self)
{
    for (size_t i = 0; i < self->n; i++) {
        if (self->share[i])
            hde__epoch__free_unpacked(self->share[i], NULL);
        self->share[i] = NULL;
    }
    self->n_given = 0;
}

void
across_free(struct across *self)
{
    if (!self)
        return;
    drop_shares(self);
    savepoint_files_fini(&self->files);
    pthread_mutex_destroy(&self->lock);
    free(self->share);
    free(self->is_lost);
    arena_fini(&self->arena);
    free(self->name);
    free(self->path);
    free(self);
}

/* ---- Shares ------------------------------------------------------------------------------- */

/* With the lock held. (1) */
static void
give_up(struct across *self, const struct err *why)
{
    if (self->n_given == self->n) { /* nobody touches what is written */
        self->is_unwanted = true;
        return;
    }
    for (size_t i = 0; i < self->n; i++)
        savepoint_cancel(parts_engine(self->parts, i));
    for (size_t i = 0; i < self->n_links; i++) {
        link_want_marker(self->link[i], 0);
        link_drop_marker(self->link[i]);
    }
    drop_shares(self);
    self->report.state = SAVEPOINT_FAILED;
    self->report.err = *why;
}

/* (2) */
static void
empty_link(Hde__SavedNode *node)
{
    Hde__LinkState *saved = hde__link_state__unpack(NULL, node->state.len, node->state.data);
    Hde__LinkState state = HDE__LINK_STATE__INIT;

    if (!saved)
        return;
    state.has_covered = state.has_last = state.has_watermark_ns = true;
    state.covered = state.last = saved->last;
    state.watermark_ns = saved->watermark_ns;
    hde__link_state__free_unpacked(saved, NULL);
    free(node->state.data);
    node->state.len = hde__link_state__get_packed_size(&state);
    node->state.data = xmalloc(node->state.len + 1);
    hde__link_state__pack(&state, node->state.data);
}

/* Whether its receiver was not at the cut. */
static bool
keeps_link(const struct across *self, const char *name)
{
    for (size_t i = 0; i < self->n_links; i++)
        if (self->is_lost[i] && !strcmp(self->graph->edges[self->cut->links[i].edge].name, name))
            return true;
    return false;
}

/* A copy of what the part keeps for itself. */
static Hde__Epoch *
share_of(const struct across *self, const Hde__Epoch *epoch, const char *part)
{
    size_t size = hde__epoch__get_packed_size(epoch);
    uint8_t *bytes = xmalloc(size + 1);
    Hde__Epoch *share;

    hde__epoch__pack(epoch, bytes);
    share = hde__epoch__unpack(NULL, size, bytes);
    free(bytes);
    if (!share)
        return NULL;
    share->part = xstrdup(part);
    for (size_t i = 0; i < share->n_nodes; i++)
        if (link_is_sender(share->nodes[i]->op) && share->nodes[i]->has_state &&
            !keeps_link(self, share->nodes[i]->name))
            empty_link(share->nodes[i]);
    return share;
}

static uint64_t
largest_tick(const struct across *self)
{
    uint64_t tick = 0;

    for (size_t i = 0; i < self->n; i++)
        if (self->share[i]->tick > tick)
            tick = self->share[i]->tick;
    return tick;
}

/* Without the lock: all shares are there, and nobody touches them until the report says more. */
static void
write_all(struct across *self, struct savepoint_report *report)
{
    const struct graph *graph = parts_graph(self->parts);
    Hde__Epoch whole = HDE__EPOCH__INIT;
    struct stat st = {0};
    bool ok;

    whole.has_version = whole.has_tick = whole.has_time_ns = true;
    whole.version = self->share[0]->version;
    whole.tick = report->tick = largest_tick(self);
    whole.time_ns = self->share[0]->time_ns;
    whole.graph = (char *)(uintptr_t)graph->name;
    whole.n_parts = self->n;
    whole.parts = self->share;
    if (self->is_led) {
        whole.has_across = true;
        whole.across = self->number;
        whole.host = (char *)(uintptr_t)graph->hosts[graph->host].name;
        whole.n_moves = self->line.n_moves;
        whole.moves = (char **)(uintptr_t)self->line.moves;
        whole.runs = (Hde__GraphText *)(uintptr_t)self->line.runs;
        whole.before = (Hde__GraphText *)(uintptr_t)self->line.before;
        whole.n_through = self->n_through;
        whole.through = self->through;
    }
    ok = savepoint_write_named(self->path, self->name, &self->files, &whole, &report->err);
    stat(self->path, &st);
    report->bytes = (uint64_t)st.st_size;
    snprintf(report->path, sizeof report->path, "%s", self->path);
    report->state = ok ? SAVEPOINT_DONE : SAVEPOINT_FAILED;
}

static size_t
index_of(const struct across *self, const struct engine *engine)
{
    size_t i = 0;

    while (i < self->n && parts_engine(self->parts, i) != engine)
        i++;
    return i;
}

/* With the lock held; true: all shares are there. */
static bool
keep_share(struct across *self, size_t part, const Hde__Epoch *epoch, const struct err *err)
{
    struct err why = *err;

    if (epoch)
        self->share[part] = share_of(self, epoch, parts_name(self->parts, part));
    if (epoch && !self->share[part])
        err_set(&why, "HDE-R014", "the epoch cannot be read again");
    if (self->share[part])
        return ++self->n_given == self->n;
    err_wrap(&why, "part '%s'", parts_name(self->parts, part));
    give_up(self, &why);
    return false;
}

/* Without the lock: all shares are there. */
static void
finish(struct across *self)
{
    struct savepoint_report report = self->report;

    write_all(self, &report);
    pthread_mutex_lock(&self->lock);
    drop_shares(self);
    if (self->is_unwanted && savepoint_remove(self->path, &report.err)) {
        report.state = SAVEPOINT_FAILED;
        err_set(&report.err, "HDE-R230", "it was given up");
    }
    self->report = report;
    pthread_mutex_unlock(&self->lock);
}

static void
taken(void *arg, uint32_t number, const struct engine *engine, const Hde__Epoch *epoch,
      const struct err *err)
{
    struct across *self = arg;
    bool is_whole;

    pthread_mutex_lock(&self->lock);
    is_whole = number == self->number && self->report.state == SAVEPOINT_WAITING &&
               keep_share(self, index_of(self, engine), epoch, err);
    pthread_mutex_unlock(&self->lock);
    if (is_whole)
        finish(self);
}

/* ---- Ends --------------------------------------------------------------------------------- */

/* Nothing enters any more, and all that leaves by links has left. */
static bool
is_end(const Hde__Epoch *epoch)
{
    bool is_it = true;

    for (size_t i = 0; i < epoch->n_sources; i++)
        is_it &= epoch->sources[i]->ended;
    for (size_t i = 0; i < epoch->n_nodes; i++)
        is_it &= epoch->nodes[i]->ended || !link_is_sender(epoch->nodes[i]->op);
    return is_it;
}

/* NULL: it has failed or was stopped, or its last epoch could not be written. */
static Hde__Epoch *
end_of(const struct engine *engine)
{
    Hde__Epoch *epoch;

    if (engine_state(engine) != ENGINE_ENDED)
        return NULL;
    engine_look(engine);
    epoch = epochs_newest(engine_graph(engine)->checkpoint.store);
    engine_looked(engine);
    if (!epoch || is_end(epoch))
        return epoch;
    hde__epoch__free_unpacked(epoch, NULL);
    return NULL;
}

/* With the lock held (5); true: all shares are there. Markers that come to it still are passed. */
static bool
keep_end(struct across *self, size_t part)
{
    Hde__Epoch *end = end_of(parts_engine(self->parts, part));
    struct err why = {0};
    bool is_whole;

    for (size_t i = 0; i < self->n_links; i++)
        if (self->cut->links[i].to == part)
            link_drop_marker(self->link[i]);
    err_set(&why, "HDE-R121", "it is over, and no epoch has the end of its data");
    is_whole = keep_share(self, part, end, &why);
    if (end)
        hde__epoch__free_unpacked(end, NULL);
    return is_whole;
}

void
across_over(struct across *self, const struct engine *engine)
{
    size_t part = index_of(self, engine);
    bool is_whole = false;

    pthread_mutex_lock(&self->lock);
    if (self->report.state == SAVEPOINT_WAITING && self->has_begun && !self->share[part])
        is_whole = keep_end(self, part);
    pthread_mutex_unlock(&self->lock);
    if (is_whole)
        finish(self);
}

/* ---- Asked for ---------------------------------------------------------------------------- */

static bool
may_ask(const struct across *self, const char *name, struct err *err)
{
    const struct graph *graph = parts_graph(self->parts);

    if (!graph->checkpoint.store)
        return err_set(err, "HDE-R086", "the graph keeps no state: it has no checkpoint:");
    if (!savepoint_name_is_free(graph->checkpoint.store, name, err))
        return false;
    for (size_t i = 0; i < self->n; i++) {
        enum engine_state state = engine_state(parts_engine(self->parts, i));

        if (state == ENGINE_NEW || state == ENGINE_FAILED)
            return err_set(err, "HDE-R121", "part '%s' %s", parts_name(self->parts, i),
                           state == ENGINE_NEW ? "has not begun" : "has failed");
    }
    return true;
}

/* With the lock held. */
static bool
ask_part(struct across *self, size_t part, struct err *err)
{
    struct engine *engine = parts_engine(self->parts, part);

    if (engine_state(engine) != ENGINE_ENDED)
        return savepoint_ask_part(
            engine, &(struct savepoint_share){taken, self, self->number, self->ends}, err);
    keep_end(self, part);
    if (!self->share[part])
        *err = self->report.err;
    return self->share[part] != NULL;
}

/* With the lock held. From a host that is lost no marker comes: the cut is behind what has come. */
static bool
ask_all(struct across *self, struct err *err)
{
    self->has_begun = true;
    for (size_t i = 0; i < self->n_links; i++)
        if (self->is_lost[i] && !self->cut->links[i].sender)
            link_put_marker(self->link[i], self->number);
    for (size_t i = 0; i < self->n; i++)
        if (!ask_part(self, i, err)) {
            give_up(self, err);
            return false;
        }
    return true;
}

static bool
leads_to_lost(const struct across *self, const struct graph_link *link,
              const struct across_share *share)
{
    const struct graph *graph = self->graph;
    const struct graph_edge *edge = &graph->edges[link->edge];

    for (size_t i = 0; i < share->n_lost; i++)
        if (!strcmp(graph->hosts[graph->nodes[edge->from].host].name, share->lost[i]) ||
            !strcmp(graph->hosts[graph->nodes[edge->to].host].name, share->lost[i]))
            return true;
    return false;
}

/* With the lock held. */
static void
copy_through(struct across *self, const struct across_share *share)
{
    self->n_through = share->n_through;
    self->through = arena_alloc(&self->arena, (share->n_through + 1) * sizeof *self->through);
    for (size_t i = 0; i < share->n_through; i++) {
        self->through[i] = arena_alloc(&self->arena, sizeof **self->through);
        *self->through[i] = *share->through[i];
        self->through[i]->edge = arena_text(&self->arena, share->through[i]->edge);
    }
}

/* With the lock held. */
static void
arm(struct across *self, const struct across_share *share)
{
    free(self->name);
    free(self->path);
    self->name = xstrdup(share->name);
    self->path = xstrdup(share->path);
    self->number = share->number;
    self->is_led = self->is_unwanted = self->has_begun = false;
    self->ends = share->ends;
    arena_fini(&self->arena);
    self->line = share->line ? line_copy(share->line, &self->arena) : (struct line){0};
    copy_through(self, share);
    for (size_t i = 0; i < self->n_links; i++)
        self->is_lost[i] = leads_to_lost(self, &self->cut->links[i], share);
    self->report = (struct savepoint_report){.state = SAVEPOINT_WAITING};
}

bool
across_ask(struct across *self, const char *name, struct err *err)
{
    struct arena arena = {0};
    struct across_share share = {.name = name};
    bool ok = may_ask(self, name, err), is_whole;

    pthread_mutex_lock(&self->lock);
    if (ok && self->report.state == SAVEPOINT_WAITING)
        ok = err_set(err, "HDE-R086", "another savepoint is being taken");
    if (ok) {
        share.path = savepoint_path(parts_graph(self->parts)->checkpoint.store, name, &arena);
        share.number = self->number + 1;
        arm(self, &share);
        ok = ask_all(self, err);
    }
    is_whole = ok && self->n_given == self->n; /* all have ended */
    pthread_mutex_unlock(&self->lock);
    if (is_whole)
        finish(self);
    arena_fini(&arena);
    return ok;
}

bool
across_arm(struct across *self, const struct across_share *share, struct err *err)
{
    struct err newer = {0};
    bool ok = may_ask(self, share->name, err);

    err_set(&newer, "HDE-R086", "another savepoint was asked for");
    pthread_mutex_lock(&self->lock);
    if (ok && self->report.state == SAVEPOINT_WAITING)
        give_up(self, &newer);
    if (ok && self->report.state == SAVEPOINT_WAITING)
        ok = err_set(err, "HDE-R086", "another savepoint is being written");
    if (ok) {
        arm(self, share);
        self->is_led = true;
        self->looked_ns = clock_mono_ns();
        for (size_t i = 0; i < self->n_links; i++)
            if (!self->cut->links[i].sender)
                link_want_marker(self->link[i], share->number);
    }
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
across_begin(struct across *self, uint32_t number, struct err *err)
{
    bool ok, is_whole;

    pthread_mutex_lock(&self->lock);
    ok = self->number == number && self->report.state == SAVEPOINT_WAITING && ask_all(self, err);
    if (!ok && !err_is_set(err))
        err_set(err, "HDE-R086", "it was given up here before it began");
    is_whole = ok && self->n_given == self->n;
    pthread_mutex_unlock(&self->lock);
    if (is_whole)
        finish(self);
    return ok;
}

void
across_look(struct across *self, uint32_t number, struct savepoint_report *out)
{
    pthread_mutex_lock(&self->lock);
    self->looked_ns = clock_mono_ns();
    *out = self->number == number ? self->report
                                  : (struct savepoint_report){.state = SAVEPOINT_NONE};
    pthread_mutex_unlock(&self->lock);
}

void
across_give_up(struct across *self, uint32_t number, const struct err *why)
{
    pthread_mutex_lock(&self->lock);
    if (self->number == number && self->report.state == SAVEPOINT_WAITING)
        give_up(self, why);
    pthread_mutex_unlock(&self->lock);
}

/* (3) */
void
across_expire(struct across *self, int64_t after_ns)
{
    struct err why = {0};

    err_set(&why, "HDE-R230", "the host that leads it does not ask after it any more");
    pthread_mutex_lock(&self->lock);
    if (self->report.state == SAVEPOINT_WAITING && self->is_led &&
        clock_mono_ns() - self->looked_ns > after_ns)
        give_up(self, &why);
    pthread_mutex_unlock(&self->lock);
}

void
across_report(struct across *self, const char *name, struct savepoint_report *out)
{
    pthread_mutex_lock(&self->lock);
    *out = strcmp(self->name, name) == 0 ? self->report
                                         : (struct savepoint_report){.state = SAVEPOINT_NONE};
    pthread_mutex_unlock(&self->lock);
}

/* ---- Restored ----------------------------------------------------------------------------- */

static const struct graph_part *
part_called(const struct graph_cut *cut, const char *name)
{
    for (size_t i = 0; name && i < cut->n_parts; i++)
        if (!strcmp(cut->parts[i].name, name))
            return &cut->parts[i];
    return NULL;
}

/* NULL: it fits; else why not, in memory of the arena. */
static const char *
other_parts(const struct graph *graph, const struct graph_cut *cut, const Hde__Epoch *savepoint,
            struct arena *arena)
{
    size_t n = cut->n_links || graph_is_of_host(graph) ? cut->n_parts : 0;

    if (savepoint->n_parts != n)
        return arena_printf(arena, "has %zu parts, and the graph has %zu",
                            savepoint->n_parts ? savepoint->n_parts : 1, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        if (!part_called(cut, savepoint->parts[i]->part))
            return arena_printf(arena, "has a part '%s', and the graph has none of that name",
                                savepoint->parts[i]->part);
    return NULL;
}

static bool
give_shares(const Hde__Epoch *savepoint, const char *store, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < savepoint->n_parts; i++) {
        const char *path =
            arena_printf(arena, "%s/parts/%s/restore", store, savepoint->parts[i]->part);

        if (!savepoint_write(path, savepoint->parts[i], err))
            return false;
    }
    return true;
}

/* Fences first: nothing of this start has touched anything yet. */
static bool
go_on_line(const struct graph *graph, const char *store, const Hde__Epoch *savepoint,
           struct err *err)
{
    struct line line = {.number = savepoint->across,
                        .n_moves = savepoint->n_moves,
                        .moves = (const char **)(uintptr_t)savepoint->moves,
                        .runs = savepoint->runs,
                        .before = savepoint->before};

    return move_fence(graph, savepoint, err) &&
           through_restore(store, line.number, savepoint->through, savepoint->n_through, err) &&
           line_write(store, &line, err);
}

/* Whether the savepoint has what the link kept, for a host that was lost: its journal is needed. */
static bool
is_kept(const struct graph_node *sender, const Hde__Epoch *savepoint)
{
    for (size_t p = 0; sender && p < savepoint->n_parts; p++)
        for (size_t i = 0; i < savepoint->parts[p]->n_nodes; i++) {
            const Hde__SavedNode *node = savepoint->parts[p]->nodes[i];

            if (link_is_sender(node->op) && !strcmp(node->name, sender->name))
                return move_keeps_frames(node);
        }
    return false;
}

static bool
restore(const struct graph *graph, const struct graph_cut *cut, const char *const *journal,
        const Hde__Epoch *savepoint, struct arena *arena, struct err *err)
{
    const char *why = other_parts(graph, cut, savepoint, arena), *store = graph->checkpoint.store;

    if (why)
        return err_set(err, "HDE-R120", "'%s/restore' %s", store, why);
    if (savepoint->has_across && !go_on_line(graph, store, savepoint, err))
        return false;
    if (!give_shares(savepoint, store, arena, err))
        return false;
    for (size_t i = 0; i < cut->n_links; i++)
        if (!is_kept(cut->links[i].sender, savepoint) && !seglog_clear(journal[i], err))
            return false;
    if (savepoint->has_across && !move_clear(cut, store, savepoint->across, err))
        return false;
    return savepoint_remove(arena_printf(arena, "%s/restore", store), err);
}

bool
across_restore(const struct graph *graph, const struct graph_cut *cut, const char *const *journal,
               struct err *err)
{
    struct arena arena = {0};
    const char *store = graph->checkpoint.store;
    const char *path = arena_printf(&arena, "%s/restore", store);
    Hde__Epoch *savepoint = epoch_read(path);
    bool ok = true;

    if (savepoint)
        ok = restore(graph, cut, journal, savepoint, &arena, err);
    else if (access(path, F_OK) == 0)
        ok = err_set(err, "HDE-R084", "'%s' is not whole: restore the savepoint again, or remove it",
                     path);
    if (savepoint)
        hde__epoch__free_unpacked(savepoint, NULL);
    arena_fini(&arena);
    return ok;
}

/* ---- Does it fit? ------------------------------------------------------------------------- */

bool
across_check(const Hde__Epoch *savepoint, const struct graph *graph, savepoint_found *found,
             void *arg)
{
    struct graph_cut cut = {.n_parts = 0};
    const char *why;
    bool ok;

    graph_cut(graph, &cut);
    link_ends_name(graph, &cut);
    why = other_parts(graph, &cut, savepoint, &cut.arena);
    ok = !why;
    if (why)
        found(arg, SAVEPOINT_UNFIT, graph->name, why);
    else if (!savepoint->n_parts)
        ok = savepoint_check(savepoint, graph, found, arg);
    for (size_t i = 0; i < savepoint->n_parts && !why; i++)
        ok &= savepoint_check(savepoint->parts[i],
                              &part_called(&cut, savepoint->parts[i]->part)->graph, found, arg);
    graph_cut_fini(&cut);
    return ok;
}
