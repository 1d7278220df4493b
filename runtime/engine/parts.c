/* SPDX-License-Identifier: Apache-2.0
 * parts - see parts.h.
 *
 *  (1) All parts run, each on its own: nothing here is on the way of data, and no part waits for
 *      another but over a link. [test_a_part_that_hangs_stops_itself_alone]
 *  (2) A drain asks every part at once. The source of a link goes on until the part that sends is
 *      over and all of it was taken, so parts end in the order of the links.
 *      [test_a_drain_reaches_the_last_part]
 *  (3) The store of a whole graph and that of a cut one are never taken for each other, and no
 *      folder of a part that the graph does not have is passed over.
 *      [test_the_store_of_other_parts_is_refused]
 *  (4) A part that has come to its end is not over for a host that still needs what it sent. One
 *      that was drained with checkpoints is: its state has that, and the next start sends it.
 *      [tests/hosts/distributed.sh]
 *  (5) Nor is a host over that has got everything, before the others have heard so: they would stay
 *      for it. It waits some seconds for that. [tests/hosts/faults.sh, tests/net/net_test.c]
 *  (6) A spare host ends when the nodes of all others have come to their end (peers.c (4)), and not
 *      when it is emptied by a move. [tests/hosts/spare.sh] */
#include "engine/parts.h"

#include "base/log.h"
#include "engine/across.h"
#include "engine/over_hosts.h"
#include "engine/owner.h"
#include "engine/parts_change.h"
#include "engine/peers.h"
#include "engine/run.h"
#include "graph/parts.h"
#include "link/ends.h"
#include "seglog/seglog.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct part {
    struct parts *parts;
    const char *name;
    struct engine *engine;
    bool has_said;          /* that it failed */
};

struct parts {
    _Atomic(const struct graph *) graph; /* a change exchanges it, and the cut */
    struct graph_cut own_cut;            /* of the graph at the start */
    struct graph_cut *cut;               /* of the graph that runs; under the lock, or engines' shapes */
    bool is_cut; /* into parts with links between them; a change does not change that */
    size_t n;
    struct part *part;
    struct owner *owner;      /* of a cut graph's store; NULL: none, or the engine has its own */
    bool takes_log;           /* links lead nowhere: the logs of parts speak for them */
    struct peers *peers;      /* of a graph with hosts; NULL: none */
    bool is_listening;        /* the peers were started */
    bool is_kept;             /* there are checkpoints */
    _Atomic size_t n_awaited; /* parts that are not over, links that keep what other hosts need */
    struct link **link;       /* cut.n_links of them; NULL: takes_log */
    const char **journal;     /* their folders */
    struct across *across;    /* of a cut graph that runs; NULL: none */
    struct over_hosts *over_hosts; /* with peers and checkpoints; NULL: none */
    struct parts_change *change; /* likewise */
    struct stats *stats;      /* of all; NULL: the engine's */
    struct stats *link_stats; /* the first segment of the file */
    char *stats_path;
    int stats_fd; /* of a file without a name */
    int done_fd;
    pthread_mutex_t lock; /* of the cut; after shapes of engines */
    _Atomic bool is_draining, is_stopping, is_settling;
};

static bool
is_over(const struct engine *engine)
{
    enum engine_state state = engine_state(engine);

    return state == ENGINE_ENDED || state == ENGINE_FAILED;
}

static bool
all_over(const struct parts *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (!self->part[i].engine || !is_over(self->part[i].engine))
            return false;
    return true;
}

/* ---- A part is over ----------------------------------------------------------------------- */

/* Whether nothing can come to the part any more but what its links still hold. */
static bool
has_all(struct parts *self, size_t part)
{
    bool has_link = false, has_all = true;

    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->cut->n_links; i++)
        if (self->cut->links[i].to == part) {
            size_t from = self->cut->links[i].from;

            has_link = true;
            has_all &= from != PART_ELSEWHERE && is_over(self->part[from].engine);
        }
    has_all &= has_link && !self->cut->parts[part].has_source;
    pthread_mutex_unlock(&self->lock);
    return has_all;
}

/* One less to wait for. May come with a lock of a link held, so it takes none itself. */
static void
delivered(void *arg)
{
    struct parts *self = arg;

    if (atomic_fetch_sub(&self->n_awaited, 1) == 1)
        eventfd_write(self->done_fd, 1);
}

/* (4) */
static void
deliver(struct parts *self, size_t part)
{
    bool is_saved = self->is_kept && atomic_load(&self->is_draining);

    if (engine_state(self->part[part].engine) != ENGINE_ENDED || is_saved ||
        atomic_load(&self->is_stopping))
        return;
    for (size_t i = 0; i < self->cut->n_links; i++)
        if (self->cut->links[i].from == part && !self->cut->links[i].receiver) {
            atomic_fetch_add(&self->n_awaited, 1);
            peers_deliver(self->peers, self->link[i], delivered, self);
        }
}

/* Whether this host of several has come to the end of its data. */
static bool
is_at_end(const struct parts *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (!self->part[i].engine || engine_state(self->part[i].engine) != ENGINE_ENDED)
            return false;
    return !atomic_load(&self->is_draining) && !atomic_load(&self->is_stopping);
}

/* (5) */
static void
settle(struct parts *self)
{
    if (!self->peers || !is_at_end(self) || atomic_exchange(&self->is_settling, true))
        return;
    atomic_fetch_add(&self->n_awaited, 1);
    peers_settle(self->peers, delivered, self);
}

/* What it sends to gets no more. Another host is told by the end of the data, if this is one. */
static void
end_links(struct parts *self, size_t part)
{
    pthread_mutex_lock(&self->lock);
    for (size_t i = 0; i < self->cut->n_links; i++)
        if (self->cut->links[i].from == part && self->cut->links[i].receiver)
            link_sender_is_over(self->link[i]);
    pthread_mutex_unlock(&self->lock);
}

/* On any thread: a spare host has nothing to wait for any more. */
static void
others_ended(void *arg)
{
    struct parts *self = arg;

    log_line(LEVEL_INFO, self->graph->name, NULL, "host.ends",
             "the nodes of all other hosts have come to their end, and so has this spare one");
    engine_drain(self->part[0].engine);
}

static void
say_failed(struct part *part)
{
    log_line(LEVEL_ERROR, part->parts->graph->name, NULL, "part.failed",
             "the part of '%s' has failed (%s); the others go on, and its links keep what it would "
             "get",
             part->name, engine_error(part->engine)->text);
}

/* On any thread, also several at once: what is done here may be done twice. */
static void
over(void *arg)
{
    struct part *part = arg;
    struct parts *self = part->parts;
    size_t index = (size_t)(part - self->part);
    struct err err = {0};

    if (!part->engine) /* it could not even be made */
        return;
    if (self->across)
        across_over(self->across, part->engine);
    if (!self->takes_log)
        end_links(self, index);
    for (size_t i = 0; i < self->n && !self->takes_log; i++)
        if (self->part[i].engine && has_all(self, i))
            engine_drain(self->part[i].engine);
    if (!all_over(self) && engine_state(part->engine) == ENGINE_FAILED &&
        !owner_is_told_to_stop(self->owner, &err)) /* then all of them fail alike */
        say_failed(part);
    if (!self->takes_log)
        deliver(self, index);
    settle(self);
    delivered(self);
}

/* ---- Folders ------------------------------------------------------------------------------ */

static bool
is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_part(const struct parts *self, const char *name)
{
    for (size_t i = 0; i < self->cut->n_parts; i++)
        if (!strcmp(self->cut->parts[i].name, name))
            return true;
    return false;
}

/* (3) */
static bool
check_store(const struct parts *self, struct arena *arena, struct err *err)
{
    const char *store = self->graph->checkpoint.store;
    const char *folder = arena_printf(arena, "%s/parts", store);
    struct dirent *entry;
    bool ok = true;
    DIR *dir;

    if (self->is_cut && is_folder(arena_printf(arena, "%s/epochs", store)))
        return err_set(err, "HDE-R073",
                       "'%s' has checkpoints of this graph without links: what they hold would be "
                       "lost; run the graph as it was, or begin with another store",
                       store);
    if (!self->is_cut && is_folder(folder))
        return err_set(err, "HDE-R073",
                       "'%s' has checkpoints of this graph cut by links: what they hold would be "
                       "lost; run the graph as it was, or begin with another store",
                       store);
    dir = opendir(folder);
    while (dir && ok && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && !is_part(self, entry->d_name))
            ok = err_set(err, "HDE-R073",
                         "'%s' has checkpoints of a part '%s', which this graph does not have: run "
                         "the graph as it was, or begin with another store",
                         store, entry->d_name);
    if (dir)
        closedir(dir);
    return ok;
}

/* "a.out -> b.in" as a file name. */
static const char *
file_name(struct arena *arena, const char *name)
{
    char *text = arena_text(arena, name), *to = text;

    for (const char *at = name; *at; at++)
        if (*at != ' ')
            *to++ = *at == '>' ? '-' : *at;
    *to = 0;
    return text;
}

static const char *
journal_of(struct parts *self, const struct graph_edge *edge, const struct engine_options *options)
{
    struct arena *arena = &self->cut->arena;

    if (edge->journal)
        return edge->journal;
    if (options->checkpoint)
        return arena_printf(arena, "%s/links/%s", self->graph->checkpoint.store,
                            file_name(arena, edge->name));
    return arena_printf(arena, "%s.journal/%s", self->graph->name, file_name(arena, edge->name));
}

/* ---- Counters ----------------------------------------------------------------------------- */

/* The file begins with the segment of the links; the engines put theirs behind it. */
static bool
make_stats(struct parts *self, const struct engine_options *options, struct err *err)
{
    struct stats_shape shape = {.path = options->stats_path,
                                .graph = self->graph->name,
                                .host = options->host ? options->host : "",
                                .edges = (uint32_t)self->cut->n_links};
    char host[STATS_NAME] = "localhost", path[64];

    if (!options->host && gethostname(host, sizeof host - 1) == 0)
        shape.host = host;
    if (options->stats_path) {
        self->stats_path = xstrdup(options->stats_path);
    } else {
        self->stats_fd = memfd_create("hde-stats", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", self->stats_fd);
        shape.path = self->stats_path = xstrdup(path);
        shape.joins = true;
    }
    self->link_stats = stats_new(&shape, err);
    if (!self->link_stats)
        return false;
    stats_begin_shape(self->link_stats);
    stats_end_shape(self->link_stats, self->graph->n_nodes, self->graph->n_edges);
    return true;
}

static struct stats_edge *
make_link_stats(struct parts *self, size_t i)
{
    const struct graph_link *def = &self->cut->links[i];
    const struct graph_edge *edge = &self->graph->edges[def->edge];
    struct stats_edge *stats = stats_edge_at(self->link_stats, stats_take_edge(self->link_stats));

    snprintf(stats->name, sizeof stats->name, "%s", edge->name);
    stats->graph_edge = (uint32_t)def->edge;
    stats->kind = edge->is_durable           ? EDGE_JOURNAL
                  : edge->full == FULL_SPILL ? EDGE_SPILL
                                             : EDGE_HOST;
    stats->capacity_messages = edge->capacity_messages;
    stats->capacity_bytes = edge->capacity_bytes;
    return stats;
}

/* ---- Made from a graph -------------------------------------------------------------------- */

static bool
make_link(struct parts *self, size_t i, const struct engine_options *options, struct err *err)
{
    const struct graph_link *def = &self->cut->links[i];
    const struct graph_edge *edge = &self->graph->edges[def->edge];
    const struct graph_node *from = &self->graph->nodes[edge->from];
    bool has_journal = edge->full == FULL_SPILL || edge->is_durable;
    struct link_config config = {.name = edge->name,
                                 .graph = self->graph->name,
                                 .types = from->op->outputs[edge->from_port].types,
                                 .capacity_messages = edge->capacity_messages,
                                 .capacity_bytes = edge->capacity_bytes,
                                 .journal_bytes = edge->journal_bytes,
                                 .is_kept = options->checkpoint,
                                 .stats = make_link_stats(self, i)};

    if (def->sender) {
        config.journal = has_journal ? self->journal[i] : NULL;
        config.writes_all = edge->is_durable;
        config.is_kept |= !def->receiver; /* until the other host has it */
    } else {
        config.is_kept = false; /* the sender keeps it */
    }
    if (!self->takes_log) {
        self->link[i] = link_new(&config, err);
        if (!self->link[i])
            return err_wrap(err, "edge '%s'", edge->name);
        if (edge->is_remote && !peers_add(self->peers, def, self->link[i], err))
            return false;
    }
    link_ends_make(&self->cut->arena, self->link[i], config.types, def->sender, def->receiver);
    return true;
}

static bool
make_part(struct parts *self, struct part *part, struct graph_part *def,
          const struct engine_options *whole, struct err *err)
{
    struct arena *arena = &self->cut->arena;
    struct engine_options options = *whole;
    struct graph *graph = &def->graph;

    part->parts = self;
    part->name = def->name;
    if (options.checkpoint)
        graph->checkpoint.store = parts_store(graph, part->name, arena);
    if (options.record)
        options.record = arena_printf(arena, "%s/%s", options.record, part->name);
    if (options.dlq)
        options.dlq = arena_printf(arena, "%s/%s", options.dlq, part->name);
    if (options.log)
        options.log = arena_printf(arena, "%s/%s", options.log, part->name);
    options.stats_path = self->stats_path;
    options.parts = self;
    options.owner = self->owner;
    options.ends_saved = true;
    options.over = over;
    options.over_arg = part;
    part->engine = engine_new(graph, &options, err);
    return part->engine != NULL;
}

static bool
make_parts(struct parts *self, const struct engine_options *options, struct err *err)
{
    size_t n = self->n;

    self->n = 0;
    for (size_t i = 0; i < n; i++)
        if ((!options->part || !strcmp(options->part, self->cut->parts[i].name)) &&
            !make_part(self, &self->part[self->n++], &self->cut->parts[i], options, err))
            return false;
    return self->n || err_set(err, "HDE-R074", "the graph has no part '%s'", options->part);
}

static bool
make_cut(struct parts *self, const struct engine_options *options, struct err *err)
{
    if (options->checkpoint && !options->steps &&
        !(self->owner = owner_take(self->graph, options, err)))
        return false;
    for (size_t i = 0; i < self->cut->n_links; i++)
        self->journal[i] = journal_of(self, &self->graph->edges[self->cut->links[i].edge], options);
    if (options->checkpoint &&
        (!across_restore(self->graph, self->cut, self->journal, err) ||
         !check_store(self, &self->cut->arena, err)))
        return false;
    if (!make_stats(self, options, err))
        return false;
    if (graph_is_of_host(self->graph) && !self->takes_log &&
        !(self->peers = peers_new(self->graph, options, err)))
        return false;
    for (size_t i = 0; i < self->cut->n_links; i++)
        if (!make_link(self, i, options, err))
            return false;
    if (!make_parts(self, options, err) || (self->peers && !peers_pass_over(self->peers, err)))
        return false;
    atomic_store(&self->n_awaited, self->n);
    self->stats = stats_join(self->stats_path, err);
    if (self->stats && !self->takes_log) {
        self->across = across_new(self, self->cut, self->link);
        if (self->peers && self->is_kept)
            self->over_hosts =
                over_hosts_new(self, options, peers_net(self->peers), self->across);
        self->change = parts_change_new(self, options);
    }
    return self->stats != NULL;
}

static bool
make_one(struct parts *self, const struct engine_options *options, struct err *err)
{
    self->n = 1;
    self->part[0] = (struct part){.parts = self, .name = ""};
    self->part[0].engine = engine_new(self->graph, options, err);
    return self->part[0].engine != NULL;
}

static bool
make_all(struct parts *self, const struct engine_options *options, struct err *err)
{
    graph_cut(self->graph, &self->own_cut);
    self->cut = &self->own_cut;
    self->is_cut = (self->cut->n_links || graph_is_of_host(self->graph)) && !options->virtual_clock;
    self->is_kept = options->checkpoint;
    link_spare_make(self->cut);
    self->part = xcalloc(self->cut->n_parts, sizeof *self->part);
    self->link = xcalloc(self->cut->n_links + 1, sizeof(struct link *));
    self->journal = xcalloc(self->cut->n_links + 1, sizeof(char *));
    if (options->checkpoint && !self->is_cut && !check_store(self, &self->cut->arena, err))
        return false;
    if (!self->is_cut) {
        self->own_cut.n_links = 0;
        return make_one(self, options, err);
    }
    self->n = self->cut->n_parts;
    self->takes_log = options->log != NULL;
    return make_cut(self, options, err);
}

struct parts *
parts_new(const struct graph *graph, const struct engine_options *options, struct err *err)
{
    static const struct engine_options plain;
    struct parts *self = xcalloc(1, sizeof *self);

    self->graph = graph;
    self->stats_fd = -1;
    self->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&self->lock, NULL);
    if (make_all(self, options ? options : &plain, err))
        return self;
    parts_free(self);
    return NULL;
}

void
parts_free(struct parts *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->n; i++)
        if (self->part[i].engine && engine_state(self->part[i].engine) != ENGINE_NEW)
            engine_stop(self->part[i].engine);
    over_hosts_stop(self->over_hosts); /* a change may wait for what it leads */
    parts_change_stop(self->change);
    peers_stop(self->peers);
    for (size_t i = 0; i < self->n; i++)
        if (self->part[i].engine) /* one that runs tells others that it is over: all are joined */
            engine_join(self->part[i].engine, INT_MAX);
    for (size_t i = 0; i < self->n; i++)
        engine_free(self->part[i].engine);
    over_hosts_free(self->over_hosts);
    across_free(self->across);
    peers_free(self->peers);
    for (size_t i = 0; i < self->cut->n_links; i++)
        link_free(self->link[i]);
    owner_release(self->owner);
    stats_close(self->stats);
    stats_free(self->link_stats, self->stats_fd < 0 ? self->stats_path : NULL);
    if (self->stats_fd >= 0)
        close(self->stats_fd);
    if (self->done_fd >= 0)
        close(self->done_fd);
    pthread_mutex_destroy(&self->lock);
    parts_change_free(self->change); /* whose cut this may be by now */
    graph_cut_fini(&self->own_cut);
    free(self->stats_path);
    free(self->journal);
    free(self->link);
    free(self->part);
    free(self);
}

/* ---- Another graph ------------------------------------------------------------------------ */

const char *
parts_store(const struct graph *graph, const char *part, struct arena *arena)
{
    const char *store = graph->checkpoint.store;

    return store ? arena_printf(arena, "%s/parts/%s", store, part) : NULL;
}

const struct graph_cut *
parts_cut(const struct parts *self)
{
    return self->cut;
}

void
parts_become(struct parts *self, const struct graph *graph, const struct graph_cut *cut)
{
    for (size_t i = 0; i < self->n; i++)
        pthread_rwlock_wrlock(&self->part[i].engine->shape);
    pthread_mutex_lock(&self->lock);
    self->graph = graph;
    self->cut = (struct graph_cut *)(uintptr_t)cut;
    stats_begin_shape(self->link_stats);
    for (uint32_t i = 0; i < cut->n_links; i++)
        stats_edge_at(self->link_stats, i)->graph_edge = (uint32_t)cut->links[i].edge;
    stats_end_shape(self->link_stats, graph->n_nodes, graph->n_edges);
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < self->n; i++)
        pthread_rwlock_unlock(&self->part[i].engine->shape);
}

uint64_t
parts_apply_ask(struct parts *self, const struct apply_ask *ask, struct err *err)
{
    return self->change ? parts_change_ask(self->change, ask, err)
                        : apply_ask(self->part[0].engine, ask, err);
}

Hde__EngineChanges *
parts_apply_changes(const struct parts *self, uint64_t number)
{
    return self->change ? parts_change_show(self->change, number)
                        : apply_changes(self->part[0].engine, number);
}

void
parts_note(struct parts *self, const Hde__GraphChange *made)
{
    parts_change_note(self->change, made);
}

bool
parts_end_doubts(struct parts *self, const char *store, struct err *err)
{
    return parts_change_end_doubts(self->change, store, err);
}

void
parts_change_over_hosts(struct parts *self, const Hde__ControlShare *said,
                        struct net_question *taken)
{
    parts_change_asked(self->change, said, taken);
}

/* ---- Life --------------------------------------------------------------------------------- */

bool
parts_listen(struct parts *self, struct err *err)
{
    if (self->is_listening || !self->peers)
        return true;
    self->is_listening = peers_start(self->peers, err);
    return self->is_listening;
}

bool
parts_start(struct parts *self, struct err *err)
{
    if (!parts_listen(self, err))
        return false;
    for (size_t i = 0; i < self->n; i++)
        if (!engine_start(self->part[i].engine, err)) {
            parts_stop(self);
            return false;
        }
    if (self->peers && self->own_cut.spare) {
        log_line(LEVEL_INFO, self->graph->name, NULL, "host.spare",
                 "no node lies on this host: it stands by until nodes are moved to it, all other "
                 "hosts have come to their end, or it is drained");
        peers_stand_by(self->peers, others_ended, self);
    }
    return true;
}

enum engine_state
parts_state(const struct parts *self)
{
    enum engine_state state = ENGINE_ENDED;

    if (!self->is_cut)
        return engine_state(self->part[0].engine);
    for (size_t i = 0; i < self->n; i++) {
        enum engine_state of = engine_state(self->part[i].engine);

        if (!is_over(self->part[i].engine))
            return of == ENGINE_RUNNING && atomic_load(&self->is_draining) ? ENGINE_DRAINING : of;
        if (of == ENGINE_FAILED)
            state = of;
    }
    return state;
}

bool
parts_wait(struct parts *self, int timeout_ms)
{
    struct pollfd fd = {.fd = self->done_fd, .events = POLLIN};

    if (!self->is_cut)
        return engine_wait(self->part[0].engine, timeout_ms);
    while (poll(&fd, 1, timeout_ms) < 0 && errno == EINTR)
        ;
    return fd.revents != 0;
}

int
parts_done_fd(const struct parts *self)
{
    return self->is_cut ? self->done_fd : engine_done_fd(self->part[0].engine);
}

void
parts_drain(struct parts *self)
{
    atomic_store(&self->is_draining, true);
    if (self->is_kept && all_over(self)) /* what others still need is in the state */
        eventfd_write(self->done_fd, 1);
    for (size_t i = 0; i < self->n; i++)
        engine_drain(self->part[i].engine);
}

void
parts_stop(struct parts *self)
{
    atomic_store(&self->is_stopping, true);
    for (size_t i = 0; i < self->n; i++)
        engine_stop(self->part[i].engine);
}

bool
parts_join(struct parts *self, int timeout_ms)
{
    int64_t end_ns = clock_mono_ns() + (int64_t)timeout_ms * NS_PER_MS;
    bool all = true;

    for (size_t i = 0; i < self->n; i++) {
        int64_t left_ms = (end_ns - clock_mono_ns()) / NS_PER_MS;

        all &= engine_join(self->part[i].engine, left_ms > 0 ? (int)left_ms : 0);
    }
    return all;
}

const struct err *
parts_error(const struct parts *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (engine_state(self->part[i].engine) == ENGINE_FAILED)
            return engine_error(self->part[i].engine);
    return engine_error(self->part[0].engine);
}

const char *
parts_waits(const struct parts *self, const char *host, bool is_up, struct arena *arena)
{
    return self->peers ? peers_waits(self->peers, host, is_up, arena) : NULL;
}

struct net *
parts_net(const struct parts *self)
{
    return self->peers ? peers_net(self->peers) : NULL;
}

/* ---- One picture -------------------------------------------------------------------------- */

const struct stats *
parts_stats(const struct parts *self)
{
    return self->stats ? self->stats : engine_stats(self->part[0].engine);
}

void
parts_prometheus(const struct parts *self, hde_text *out)
{
    stats_prometheus(parts_stats(self), out);
    if (self->peers)
        peers_prometheus(self->peers, out);
}

const struct graph *
parts_graph(const struct parts *self)
{
    return self->is_cut ? self->graph : engine_graph(self->part[0].engine);
}

void
parts_look(const struct parts *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->part[i].engine)
            engine_look(self->part[i].engine);
}

void
parts_looked(const struct parts *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (self->part[i].engine)
            engine_looked(self->part[i].engine);
}

bool
parts_log_level(struct parts *self, const char *node, int level)
{
    bool found = false;

    for (size_t i = 0; i < self->n; i++)
        found |= engine_log_level(self->part[i].engine, node, level);
    return found;
}

void
parts_stall_text(const struct parts *self, hde_text *out)
{
    for (size_t i = 0; i < self->n; i++)
        engine_stall_text(self->part[i].engine, out);
}

/* Live if all are, ready if all are; the first that is not says why. */
void
parts_health(const struct parts *self, hde_health *out)
{
    engine_health(self->part[0].engine, out);
    for (size_t i = 1; i < self->n; i++) {
        hde_health health = {.size = sizeof health};

        engine_health(self->part[i].engine, &health);
        if (out->ready && !health.ready)
            memcpy(out->reason, health.reason, sizeof out->reason);
        out->live &= health.live;
        out->ready &= health.ready;
        out->draining |= health.draining;
        if (!out->degraded && health.degraded)
            memcpy(out->missing, health.missing, sizeof out->missing);
        out->degraded |= health.degraded;
    }
}

/* Whether that edge of a part is the one of the whole graph: itself, or the one to (from another
 * host: from) the end of its link. */
static bool
is_tapped(const struct graph *part, size_t e, size_t edge, const struct graph_link *link)
{
    if (part->whole_edge[e] == edge)
        return true;
    if (!link || part->whole_edge[e] != SIZE_MAX)
        return false;
    return link->sender ? &part->nodes[part->edges[e].to] == link->sender
                        : &part->nodes[part->edges[e].from] == link->receiver;
}

struct tap *
parts_tap_open(struct parts *self, size_t edge, size_t depth)
{
    const struct graph_link *link = NULL;

    if (!self->is_cut)
        return engine_tap_open(self->part[0].engine, edge, depth);
    for (size_t i = 0; i < self->cut->n_links && !link; i++)
        if (self->cut->links[i].edge == edge)
            link = &self->cut->links[i];
    for (size_t i = 0; i < self->n; i++)
        for (size_t e = 0; e < self->cut->parts[i].graph.n_edges; e++)
            if (is_tapped(&self->cut->parts[i].graph, e, edge, link))
                return engine_tap_open(self->part[i].engine, e, depth);
    return NULL;
}

bool
parts_verify(struct parts *self, struct engine_verified *out)
{
    if (!engine_verify(self->part[0].engine, out))
        return false;
    for (size_t i = 1; i < self->n; i++) {
        struct engine_verified of, sum = *out;

        if (!engine_verify(self->part[i].engine, &of))
            return false;
        if (of.differs && !out->differs)
            *out = of;
        out->barriers = sum.barriers + of.barriers;
        out->hashes = sum.hashes + of.hashes;
        if (!out->differs && of.up_to > sum.up_to)
            out->up_to = of.up_to;
    }
    return true;
}

uint64_t
parts_link_tick(const uint8_t *at, size_t size)
{
    return link_tick(at, size);
}

/* ---- One by one --------------------------------------------------------------------------- */

size_t
parts_count(const struct parts *self)
{
    return self->n;
}

struct engine *
parts_engine(const struct parts *self, size_t i)
{
    return self->part[i].engine;
}

const char *
parts_name(const struct parts *self, size_t i)
{
    return self->part[i].name;
}

bool
graph_has_target(const struct graph *graph, const char *target)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!strcmp(graph->nodes[i].name, target) || !strcmp(graph->nodes[i].op->name, target))
            return true;
    return false;
}

struct engine *
parts_with(const struct parts *self, const char *node, const char *what, struct err *err)
{
    if (self->n == 1)
        return self->part[0].engine;
    for (size_t i = 0; node && i < self->n; i++)
        if (graph_has_target(engine_graph(self->part[i].engine), node))
            return self->part[i].engine;
    err_set(err, "HDE-R074", "the graph has %zu parts: %s is not one of all of them", self->n, what);
    return NULL;
}

bool
parts_reload_is_change(const struct parts *self, const char *target)
{
    return self->change && parts_change_reloads(self->change, target);
}

/* Numbers of requests tell the part too: number * parts + part. */
uint64_t
parts_reload_ask(struct parts *self, const struct reload_ask *ask, struct err *err)
{
    size_t at = 0;
    uint64_t number;

    for (size_t i = 0; i < self->n; i++)
        if (graph_has_target(engine_graph(self->part[i].engine), ask->target))
            at = i;
    number = reload_ask(self->part[at].engine, ask, err);
    return number ? number * self->n + at : 0;
}

size_t
parts_reload_reports(struct parts *self, uint64_t number, struct reload_report *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < self->n; i++) {
        size_t more = number && number % self->n != i
                          ? 0
                          : reload_reports(self->part[i].engine, number / self->n, out + n, max - n);

        for (size_t k = 0; k < more; k++, n++)
            out[n].number = out[n].number * self->n + i;
    }
    return n;
}

bool
parts_savepoint_ask(struct parts *self, const char *name, struct err *err)
{
    if (self->over_hosts)
        return over_hosts_ask(self->over_hosts, name, err);
    return self->across ? across_ask(self->across, name, err)
                        : savepoint_ask(self->part[0].engine, name, err);
}

void
parts_savepoint_report(struct parts *self, const char *name, struct savepoint_report *out)
{
    if (self->over_hosts)
        over_hosts_report(self->over_hosts, name, out);
    else if (self->across)
        across_report(self->across, name, out);
    else
        savepoint_report(self->part[0].engine, name, out);
}

void
parts_end_at_cut(struct parts *self)
{
    atomic_store(&self->is_draining, true);
}

struct over_hosts *
parts_over_hosts(const struct parts *self)
{
    return self->over_hosts;
}

bool
parts_log_start(const char *folder, struct arena *arena, struct log_start *out, struct err *err)
{
    const char *first = folder;
    struct dirent *entry;
    DIR *dir;

    if (seglog_segments(folder, NULL, 0, err) || err_is_set(err))
        return !err_is_set(err) && engine_log_start(folder, arena, out, err);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        const char *path = arena_printf(arena, "%s/%s", folder, entry->d_name);

        if (entry->d_name[0] != '.' && is_folder(path)) {
            first = path;
            break;
        }
    }
    if (dir)
        closedir(dir);
    if (!engine_log_start(first, arena, out, err))
        return false;
    out->resolved_size = 0; /* that of one part alone */
    return true;
}
