/* SPDX-License-Identifier: Apache-2.0
 * over_hosts - see over_hosts.h. Here is what a host does; who leads is in lead.c.
 *
 *  (1) A host that puts a marker knows that all others are armed. So a marker that comes to one that
 *      is not armed with its number is of a savepoint that was given up.
 *      [test_a_marker_that_nobody_waits_for_holds_nothing_up]
 *  (2) A host is in doubt from the moment when it has written STORE/moving until it knows: the
 *      coordinator has committed when its state goes back to that number, and never will when it runs
 *      and says so. The coordinator itself is in no doubt: what it has not committed is dropped when
 *      it starts. [tests/hosts/move.sh]
 *      One whose leader is lost looks into the store of that one, which all can reach: what is not
 *      committed there is taken away first, so it never will be. [tests/hosts/coordinator.sh]
 *  (3) A commit is the rename of STORE/moving to STORE/restore; what follows from it the next start
 *      does, as often as it takes (across.c). [tests/hosts/move.sh]
 *
 *  Locks: that of a host's steps, then that of across. None is held while others are asked. */
#include "engine/over_hosts.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/log.h"
#include "engine/across.h"
#include "engine/epoch.h"
#include "engine/lead.h"
#include "engine/line.h"
#include "engine/move.h"
#include "engine/plan_show.h"
#include "engine/relink.h"
#include "engine/rewire.h"
#include "engine/spare.h"
#include "engine/through.h"
#include "graph/hosts.h"
#include "graph/plan.h"
#include "plugin/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    LEASE_S = 10,   /* of a host that hears nothing of who leads */
    ASK_S = 2,      /* then a host in doubt asks */
    LEAVE_MS = 500, /* until the process begins anew: answers are on their way */
    PIECE_BYTES = 48 * 1024,
};

enum moving {
    CALM,
    PREPARED,
    ENDING,  /* parts are, at their cuts */
    DOUBT,   /* STORE/moving is written */
    LEAVING, /* the process begins anew */
};

struct over_hosts {
    struct parts *parts;
    const struct graph *graph;
    struct engine_options options;
    struct net *net;
    struct across *across;
    struct lead *lead;
    struct spare *spare;  /* NULL: nodes lie here */
    int anew_fd;          /* a timer */
    pthread_mutex_t lock; /* all below */
    enum moving moving;
    uint32_t number;    /* of the move */
    char leader[64];    /* the host that decides it */
    int64_t heard_ns;   /* of who leads, monotonic */
    struct arena arena; /* of the move, and below */
    struct line line;   /* before it */
    bool relinks;       /* the graph after it is another one */
    const char *path;   /* then: of its file; NULL: it goes back */
    struct registry *registry;
    struct graph *after;
    struct move_ask ask; /* lent from the arena */
    bool is_asking;      /* the coordinator, for its decision */
    enum { UNKNOWN, COMMITTED, DROPPED } outcome;
};

static const char *
moving_path(const struct over_hosts *self, struct arena *arena)
{
    return arena_printf(arena, "%s/moving", self->graph->checkpoint.store);
}

static const char *
own_name(const struct over_hosts *self)
{
    return self->graph->hosts[self->graph->host].name;
}

static const char *
coordinator(const struct over_hosts *self)
{
    return self->graph->hosts[self->graph->coordinator].name;
}

/* The move, which another one than the coordinator of the graph may have led. */
static bool
leads(const struct over_hosts *self)
{
    return strcmp(self->leader, own_name(self)) == 0;
}

static void
set_leader(struct over_hosts *self, const char *name)
{
    snprintf(self->leader, sizeof self->leader, "%s", name ? name : coordinator(self));
}

/* (2) */
static void
find_doubt(struct over_hosts *self)
{
    struct arena arena = {0};
    const char *path = moving_path(self, &arena);
    Hde__Epoch *moving = epoch_read(path);

    set_leader(self, moving ? moving->leader : NULL);
    if (moving && !leads(self)) {
        self->moving = DOUBT;
        self->number = moving->across;
        log_line(
            LEVEL_WARN, self->graph->name, NULL, "move.doubt",
            "all hosts were to change when this one ended: it waits for the word of '%s'",
            self->leader);
    } else if (moving) {
        io.unlink(path);
    }
    if (moving)
        hde__epoch__free_unpacked(moving, NULL);
    arena_fini(&arena);
}

static void
say_moves(const struct over_hosts *self)
{
    struct arena arena = {0};
    struct err none = {0};
    struct line line;

    if (line_read(self->graph->checkpoint.store, &arena, &line, &none))
        for (size_t i = 0; i < line.n_moves; i++)
            log_line(LEVEL_INFO, self->graph->name, NULL, "host.moved",
                     "%s, by 'hde apply --move', whatever the file says", line.moves[i]);
    arena_fini(&arena);
}

struct over_hosts *
over_hosts_new(struct parts *parts, const struct engine_options *options, struct net *net,
               struct across *across)
{
    struct over_hosts *self = xcalloc(1, sizeof *self);

    self->parts = parts;
    self->graph = parts_graph(parts);
    self->options = *options;
    self->net = net;
    self->across = across;
    self->anew_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    pthread_mutex_init(&self->lock, NULL);
    self->lead = lead_new(self, self->graph, net);
    self->spare = spare_new(self->graph, options, net);
    say_moves(self);
    find_doubt(self);
    return self;
}

void
over_hosts_stop(struct over_hosts *self)
{
    if (self)
        lead_stop(self->lead);
}

/* With the lock held. */
static void
forget_move(struct over_hosts *self)
{
    graph_free(self->after);
    if (self->registry)
        registry_free(self->registry);
    arena_fini(&self->arena);
    self->after = NULL;
    self->registry = NULL;
    self->ask = (struct move_ask){0};
    self->line = (struct line){0};
    self->relinks = false;
}

void
over_hosts_free(struct over_hosts *self)
{
    if (!self)
        return;
    lead_free(self->lead);
    spare_free(self->spare);
    forget_move(self);
    pthread_mutex_destroy(&self->lock);
    if (self->anew_fd >= 0)
        close(self->anew_fd);
    free(self);
}

int
over_hosts_anew_fd(const struct over_hosts *self)
{
    return self->anew_fd;
}

bool
over_hosts_is_moving(struct over_hosts *self)
{
    bool is_moving;

    pthread_mutex_lock(&self->lock);
    is_moving = self->moving >= ENDING;
    pthread_mutex_unlock(&self->lock);
    return is_moving;
}

/* With the lock held. The coordinator stays until the others know. */
static void
leave(struct over_hosts *self)
{
    self->moving = LEAVING;
    if (!leads(self))
        over_hosts_leave(self);
}

void
over_hosts_leave(struct over_hosts *self)
{
    struct itimerspec at = {.it_value.tv_nsec = LEAVE_MS * NS_PER_MS};

    timerfd_settime(self->anew_fd, 0, &at, NULL);
}

/* ---- Prepare -------------------------------------------------------------------------------- */

static const char *const *
copy_texts(struct over_hosts *self, char *const *texts, size_t n)
{
    const char **out = arena_alloc(&self->arena, (n + 1) * sizeof *out);

    for (size_t i = 0; i < n; i++)
        out[i] = arena_text(&self->arena, texts[i]);
    return out;
}

static bool
cannot_load(const struct graph *graph, struct diags *diags, struct err *err)
{
    for (size_t i = 0; i < diags->n; i++)
        if (diags->list[i].severity == SEVERITY_ERROR)
            return err_set(err, diags->list[i].code, "%s", diags->list[i].message);
    return err_set(err, "HDE-R050", "%s: cannot be read", graph->path);
}

static struct relink_ask
relink_of(const struct over_hosts *self, const Hde__HostStep *step)
{
    return (struct relink_ask){.before = parts_graph(self->parts),
                               .options = &self->options,
                               .registry = self->registry,
                               .engine = parts_engine(self->parts, 0),
                               .line = &self->line,
                               .step = step};
}

/* The file, or the text that runs in its place; with hosts that are lost the file names who leads. */
static struct graph *
load_moved(const struct over_hosts *self, const Hde__HostStep *step, struct diags *diags)
{
    const struct graph *graph = self->graph;
    const Hde__GraphText *runs = self->line.runs;
    size_t n_old = self->line.n_moves < step->n_moves ? self->line.n_moves : step->n_moves;
    struct graph_options options = {.sets = self->options.sets,
                                    .n_sets = self->options.n_sets,
                                    .for_run = true,
                                    .host = graph->hosts[graph->host].name,
                                    .insecure = true, /* it listens already */
                                    .moves = (const char *const *)(uintptr_t)step->moves,
                                    .n_moves = step->n_moves,
                                    .n_asked = step->n_moves - n_old};

    return runs && !step->n_lost && !strcmp(runs->path, graph->path)
               ? line_load_text(runs, &options, self->registry, diags)
               : graph_load(graph->path, &options, self->registry, diags);
}

/* Nodes that come to this host are opened for once. */
static bool
can_open(const struct over_hosts *self, struct err *err)
{
    struct change_plan *plan = change_plan_new(parts_graph(self->parts), self->after);
    bool ok = rewire_tries(parts_engine(self->parts, 0), plan, err);

    change_plan_free(plan);
    return ok;
}

static bool
load_after(struct over_hosts *self, const Hde__HostStep *step, struct err *err)
{
    struct relink_ask ask = relink_of(self, step);
    struct diags diags = {0};

    self->after = load_moved(self, step, &diags);
    if (!self->after)
        cannot_load(self->graph, &diags, err);
    diags_fini(&diags);
    if (self->after && self->line.runs)
        self->ask.runs = relink_runs(&ask, self->after, &self->arena);
    self->ask.was = self->line.before;
    return self->after && move_is_plain(parts_graph(self->parts), self->after, err) &&
           can_open(self, err);
}

static bool
load_relinked(struct over_hosts *self, const Hde__HostStep *step, struct err *err)
{
    struct relink_ask ask = relink_of(self, step);

    self->relinks = true;
    self->path = step->apply->path ? arena_text(&self->arena, step->apply->path) : NULL;
    self->after = relink_load(&ask, err);
    if (!self->after)
        return false;
    self->ask.runs = relink_runs(&ask, self->after, &self->arena);
    self->ask.was = step->apply->path ? line_text(ask.before, &self->arena) : NULL;
    return true;
}

static bool
check_stores(const struct over_hosts *self, struct err *err)
{
    for (size_t i = 0; i < self->ask.n_lost; i++)
        if (move_gives_here(&self->ask, self->ask.lost[i]) &&
            !move_reaches(self->graph, self->ask.lost[i], err))
            return false;
    return true;
}

/* ---- The leader is lost ---------------------------------------------------------------------- */

static bool
is_named(const char *name, char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* Who leads instead is the one that the file names now, everywhere. */
static bool
check_leader(const struct over_hosts *self, const Hde__HostStep *step, struct err *err)
{
    const char *named = self->after->hosts[self->after->coordinator].name;

    if (!is_named(coordinator(self), step->lost, step->n_lost) || !strcmp(named, step->leader))
        return true;
    return is_named(named, step->lost, step->n_lost)
               ? err_set(err, "HDE-R281",
                         "'%s' is lost and is the coordinator in %s: write coordinator: %s there, "
                         "on every host, or another one, and ask that one",
                         named, self->graph->path, step->leader)
               : err_set(err, "HDE-R281",
                         "%s names '%s' as coordinator in place of the lost one: ask that one, and "
                         "not '%s'",
                         self->graph->path, named, step->leader);
}

static bool
went_on_in_store(const char *store, uint32_t number, struct arena *arena)
{
    struct err none = {0};
    struct line line;

    return line_read(store, arena, &line, &none) && line.number == number;
}

/* (2) A host in doubt about a move. */
static bool
find_outcome(struct over_hosts *self, struct arena *arena, struct err *err)
{
    const char *store = move_store_of(self->graph, self->leader, arena);
    const char *moving = arena_printf(arena, "%s/moving", store);

    if (!move_reaches(self->graph, self->leader, err))
        return false;
    if (io.unlink(moving) && errno != ENOENT)
        return err_set(err, "HDE-R014", "%s cannot be removed: %s", moving, strerror(errno));
    self->outcome = went_on_in_store(store, self->number, arena) ? COMMITTED : DROPPED;
    log_line(LEVEL_WARN, self->graph->name, NULL, "move.found",
             "'%s' is lost; its store says that the move was %s", self->leader,
             self->outcome == COMMITTED ? "decided: it is made" : "not decided: it is dropped");
    return true;
}

/* False with err, also where there was something in doubt: it is over some seconds later. */
static bool
end_doubts(struct over_hosts *self, char *const *lost, size_t n_lost, bool plans_only,
           struct err *err)
{
    struct arena arena = {0};
    bool was_led = is_named(coordinator(self), lost, n_lost), ok = true;

    if (self->moving == DOUBT && is_named(self->leader, lost, n_lost)) {
        ok = plans_only || find_outcome(self, &arena, err);
        ok = ok && err_set(err, "HDE-R238",
                           "a move that '%s' led is in doubt here: its store tells what was "
                           "decided%s",
                           self->leader, plans_only ? ", when this is applied"
                                                    : "; ask again in some seconds");
    }
    if (ok && was_led && move_reaches(self->graph, coordinator(self), NULL))
        ok = parts_end_doubts(self->parts,
                              plans_only ? NULL
                                         : move_store_of(self->graph, coordinator(self), &arena),
                              err);
    arena_fini(&arena);
    return ok;
}

bool
over_hosts_end_doubts(struct over_hosts *self, const Hde__ControlMove *ask, struct err *err)
{
    bool ok;

    pthread_mutex_lock(&self->lock);
    ok = end_doubts(self, ask->lost, ask->n_lost, ask->plan_only, err);
    pthread_mutex_unlock(&self->lock);
    return ok;
}

/* A spare host that is to follow the others does so first. */
static bool
is_abreast(const struct over_hosts *self, struct err *err)
{
    return !self->spare || !spare_is_behind(self->spare) ||
           err_set(err, "HDE-R238", "it was away while the graph was changed, and follows now");
}

static bool
prepare(struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out, struct err *err)
{
    if (!step->leader)
        return err_set(err, "HDE-C013", "a move names the host that leads it");
    if (!end_doubts(self, step->lost, step->n_lost, step->plan_only, err) ||
        !is_abreast(self, err))
        return false;
    if (self->moving > PREPARED)
        return err_set(err, "HDE-R238", "it has not come to the end of the move before");
    forget_move(self);
    self->moving = CALM;
    self->registry = registry_new(self->options.plugins);
    if (!line_read(self->graph->checkpoint.store, &self->arena, &self->line, err) ||
        !(step->apply ? load_relinked(self, step, err) : load_after(self, step, err)) ||
        !check_leader(self, step, err))
        return false;
    self->moving = PREPARED;
    set_leader(self, step->leader);
    self->number = step->number;
    self->outcome = UNKNOWN;
    self->ask.before = parts_graph(self->parts);
    self->ask.after = self->after;
    self->ask.number = step->number;
    self->ask.leader = self->leader;
    self->ask.n_moves = step->n_moves;
    self->ask.moves = copy_texts(self, step->moves, step->n_moves);
    self->ask.n_lost = step->n_lost;
    self->ask.lost = copy_texts(self, step->lost, step->n_lost);
    out->has_shape = true;
    out->shape = hosts_shape(self->after);
    return check_stores(self, err);
}

const struct graph *
over_hosts_before(const struct over_hosts *self)
{
    return self->ask.before;
}

const struct graph *
over_hosts_after(const struct over_hosts *self)
{
    return self->after;
}

/* ---- History -------------------------------------------------------------------------------- */

static void
tell_moved(const struct move_ask *ask, Hde__GraphChange *out, struct arena *arena)
{
    out->moved = arena_alloc(arena, (ask->after->n_nodes + 1) * sizeof *out->moved);
    for (size_t i = 0; i < ask->after->n_nodes; i++) {
        const struct graph_node *node = &ask->after->nodes[i];
        const char *from = ask->before->hosts[move_host_before(ask->before, node)].name;
        const char *to = ask->after->hosts[node->host].name;

        if (strcmp(from, to) != 0)
            out->moved[out->n_moved++] = arena_printf(arena, "%s: %s -> %s", node->name, from, to);
    }
}

static Hde__GraphPlan *
show_plan(const struct move_ask *ask, struct arena *arena)
{
    struct change_plan *plan = change_plan_new(ask->before, ask->after);
    Hde__GraphPlan *out = change_plan_show(plan, arena);

    change_plan_free(plan);
    return out;
}

/* With the lock held. */
static void
tell(const struct over_hosts *self, uint32_t number, Hde__GraphChange *out, struct arena *arena)
{
    bool is_it = self->ask.number == number;

    hde__graph_change__init(out);
    out->has_number = out->has_state = out->has_asked_ns = out->has_ended_ns = true;
    out->state = HDE__CHANGE_STATE__CHANGE_STATE_DONE;
    out->asked_ns = out->ended_ns = clock_real_ns();
    out->has_relink = true;
    out->relink = number;
    out->who = arena_text(arena, self->leader);
    out->plan = is_it ? show_plan(&self->ask, arena) : NULL;
    if (is_it && self->relinks) {
        out->has_rollback = true;
        out->rollback = !self->path;
        out->path = self->path ? arena_text(arena, self->path) : NULL;
        return;
    }
    out->has_move = out->move = true;
    if (is_it)
        tell_moved(&self->ask, out, arena);
}

void
over_hosts_tell(struct over_hosts *self, uint32_t number, Hde__GraphChange *out,
                struct arena *arena)
{
    pthread_mutex_lock(&self->lock);
    tell(self, number, out, arena);
    pthread_mutex_unlock(&self->lock);
}

void
over_hosts_note(struct over_hosts *self, const Hde__GraphChange *change)
{
    parts_note(self->parts, change);
}

/* ---- Shares --------------------------------------------------------------------------------- */

static const char *
hidden_path(const struct over_hosts *self, const Hde__HostStep *step, const char *of,
            struct arena *arena)
{
    const char *name = arena_printf(arena, ".%s.%" PRIu32 "%s%s", step->name, step->number,
                                    of ? "." : "", of ? of : "");

    return savepoint_path(self->graph->checkpoint.store, name, arena);
}

static bool
is_move(const struct over_hosts *self, const Hde__HostStep *step)
{
    return self->moving != CALM && self->number == step->number;
}

/* Hosts that are not there are in no savepoint, if they have ended: nothing of them is needed. */
static bool
find_left(const struct over_hosts *self, const Hde__HostStep *step, struct across_share *share,
          struct arena *arena, struct err *err)
{
    const struct graph *graph = self->graph;
    Hde__EdgeThrough **edges =
        arena_alloc(arena, (graph->n_edges + graph->n_hosts + 1) * sizeof *edges);
    struct through through;
    bool ok;

    ok = through_open(&through, graph->name, graph->checkpoint.store, share->line->number, err);
    for (size_t i = 0; i < step->n_gone && ok; i++)
        ok = through_left(&through, graph, step->gone[i], edges, &share->n_through, arena, err);
    share->through = edges;
    through_fini(&through);
    return ok;
}

static bool
arm(struct over_hosts *self, const Hde__HostStep *step, struct arena *arena, struct err *err)
{
    struct across_share share = {
        .number = step->number, .name = step->name, .path = hidden_path(self, step, NULL, arena)};
    struct line line;

    if (is_move(self, step)) {
        share.ends = true;
        share.n_lost = self->ask.n_lost;
        share.lost = self->ask.lost;
        return across_arm(self->across, &share, err);
    }
    if (!is_abreast(self, err) || !line_read(self->graph->checkpoint.store, arena, &line, err))
        return false;
    share.line = &line;
    return find_left(self, step, &share, arena, err) && across_arm(self->across, &share, err);
}

static bool
begin(struct over_hosts *self, const Hde__HostStep *step, struct err *err)
{
    struct relink_ask ask = relink_of(self, step);

    if (is_move(self, step)) {
        if (self->relinks && !relink_holds(&ask, err))
            return false;
        self->moving = ENDING;
        parts_end_at_cut(self->parts);
    }
    return across_begin(self->across, step->number, err);
}

static bool
look(const struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
     struct err *err)
{
    struct savepoint_report report;

    across_look(self->across, step->number, &report);
    if (report.state == SAVEPOINT_NONE)
        return err_set(err, "HDE-R230", "nobody has asked for it here");
    if (report.state == SAVEPOINT_FAILED) {
        *err = report.err;
        return false;
    }
    out->has_waiting = out->has_tick = out->has_bytes = true;
    out->waiting = report.state == SAVEPOINT_WAITING;
    out->tick = report.tick;
    out->bytes = report.bytes;
    return true;
}

static bool
fetch(const struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
      struct arena *arena, struct err *err)
{
    const char *path = hidden_path(self, step, NULL, arena);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    out->has_piece = true;
    out->piece.data = arena_alloc(arena, PIECE_BYTES);
    n = fd < 0 ? -1 : pread(fd, out->piece.data, PIECE_BYTES, (off_t)step->offset);
    out->piece.len = n > 0 ? (size_t)n : 0;
    if (fd >= 0)
        close(fd);
    return n >= 0 || err_set(err, "HDE-R014", "%s cannot be read: %s", path, strerror(errno));
}

static bool
put(const struct over_hosts *self, const Hde__HostStep *step, struct arena *arena, struct err *err)
{
    const char *path =
        step->of && savepoint_is_name(step->of) ? hidden_path(self, step, step->of, arena) : NULL;
    size_t done;
    int fd;
    bool ok;

    if (!path)
        return err_set(err, "HDE-C013", "a piece names the host whose share it is of");
    fd = io.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ok = fd >= 0 && io_write(fd, step->bytes.data, step->bytes.len, step->offset, &done);
    if (fd >= 0)
        close(fd);
    return ok || err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
}

static bool
ready(struct over_hosts *self, const Hde__HostStep *step, struct arena *arena, struct err *err)
{
    const struct graph *graph = self->graph;
    const char **shares = arena_alloc(arena, (graph->n_hosts + 1) * sizeof *shares);

    if (!is_move(self, step) || self->moving != ENDING)
        return err_set(err, "HDE-R234", "nothing is moved here under that number");
    self->ask.n_shares = 0;
    self->ask.shares = shares;
    shares[self->ask.n_shares++] = hidden_path(self, step, NULL, arena);
    for (size_t i = 0; i < graph->n_hosts; i++) {
        const char *path = hidden_path(self, step, graph->hosts[i].name, arena);

        if (i != graph->host && move_gives_here(&self->ask, graph->hosts[i].name) &&
            access(path, F_OK) == 0)
            shares[self->ask.n_shares++] = path;
    }
    fault_point(FAULT_MOVE_READY);
    if (!move_write(&self->ask, moving_path(self, arena), err))
        return false;
    fault_point(FAULT_MOVE_READY);
    self->moving = DOUBT;
    return true;
}

/* ---- Decided -------------------------------------------------------------------------------- */

static void
forget_shares(const struct over_hosts *self, const Hde__HostStep *step, struct arena *arena)
{
    io.unlink(hidden_path(self, step, NULL, arena));
    for (size_t i = 0; i < self->graph->n_hosts; i++)
        io.unlink(hidden_path(self, step, self->graph->hosts[i].name, arena));
}

static bool
goes_back_to(const struct over_hosts *self, uint32_t number)
{
    struct arena arena = {0};
    struct err none = {0};
    struct line line;
    bool is_it =
        line_read(self->graph->checkpoint.store, &arena, &line, &none) && line.number == number;

    arena_fini(&arena);
    return is_it;
}

/* (3) */
static bool
commit_move(struct over_hosts *self, const Hde__HostStep *step, struct arena *arena,
            struct err *err)
{
    const char *store = self->graph->checkpoint.store;
    const char *path = arena_printf(arena, "%s/restore", store);

    if (self->moving != DOUBT || self->number != step->number)
        return goes_back_to(self, step->number) ||
               err_set(err, "HDE-R234", "nothing is moved here under that number");
    fault_point(FAULT_MOVE_COMMIT);
    if (io.rename(moving_path(self, arena), path) || !io_sync_folder(store))
        return err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    fault_point(FAULT_MOVE_COMMIT);
    forget_shares(self, step, arena);
    log_line(LEVEL_INFO, self->graph->name, NULL, "move.done",
             "all hosts have changed; this one begins anew, from where its parts ended");
    leave(self);
    return true;
}

static void
give_up_move(struct over_hosts *self, const Hde__HostStep *step, struct arena *arena)
{
    bool has_begun = self->moving >= ENDING;

    if (self->moving == LEAVING)
        return;
    io.unlink(moving_path(self, arena));
    forget_shares(self, step, arena);
    forget_move(self);
    self->moving = CALM;
    if (!has_begun)
        return;
    log_line(LEVEL_WARN, self->graph->name, NULL, "move.dropped",
             "what all hosts stopped for was given up: this one begins anew with the graph as it was");
    leave(self);
}

static bool
is_committed(const char *path, uint32_t number)
{
    struct err none = {0};
    Hde__Epoch *there = savepoint_read(path, &none);
    bool is_it = there && there->has_across && there->across == number;

    if (there)
        hde__epoch__free_unpacked(there, NULL);
    return is_it;
}

static bool
commit_savepoint(const struct over_hosts *self, const Hde__HostStep *step, struct arena *arena,
                 struct err *err)
{
    const char *store = self->graph->checkpoint.store;
    const char *path = savepoint_path(store, step->name, arena);

    if (is_committed(path, step->number)) /* it was asked before, and the answer was lost */
        return true;
    if (!savepoint_name_is_free(store, step->name, err))
        return false;
    return (io.rename(hidden_path(self, step, NULL, arena), path) == 0 &&
            io_sync_folder(arena_printf(arena, "%s/savepoints", store))) ||
           err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
}

static void
drop(struct over_hosts *self, const Hde__HostStep *step, struct arena *arena)
{
    struct err why = {0};

    err_set(&why, "HDE-R230", "the coordinator has given it up");
    across_give_up(self->across, step->number, &why);
    if (is_move(self, step))
        give_up_move(self, step, arena);
    else
        io.unlink(hidden_path(self, step, NULL, arena));
}

static bool
commit(struct over_hosts *self, const Hde__HostStep *step, struct arena *arena, struct err *err)
{
    if (is_move(self, step) || strcmp(step->name, MOVE_NAME) == 0)
        return commit_move(self, step, arena, err);
    return commit_savepoint(self, step, arena, err);
}

/* Asked of who has led it. */
static void
tell_outcome(const struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out)
{
    out->committed = goes_back_to(self, step->number);
    out->has_committed = out->committed || !lead_is_open(self->lead, step->number);
}

/* Asked by a spare host. */
static bool
tell_line(const struct over_hosts *self, Hde__HostStepDone *out, struct arena *arena,
          struct err *err)
{
    struct line line;
    uint8_t *bytes;

    if (!line_read(self->graph->checkpoint.store, arena, &line, err))
        return false;
    bytes = line_pack(&line, &out->piece.len);
    out->has_piece = true;
    out->piece.data = arena_alloc(arena, out->piece.len + 1);
    memcpy(out->piece.data, bytes, out->piece.len);
    free(bytes);
    return true;
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static bool
do_step(struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
        struct arena *arena, struct err *err)
{
    if (step->verb != HDE__HOST_VERB__HOST_VERB_OUTCOME &&
        step->verb != HDE__HOST_VERB__HOST_VERB_LINE)
        self->heard_ns = clock_mono_ns();
    switch (step->verb) {
    case HDE__HOST_VERB__HOST_VERB_PREPARE:
        return prepare(self, step, out, err);
    case HDE__HOST_VERB__HOST_VERB_ARM:
        return arm(self, step, arena, err);
    case HDE__HOST_VERB__HOST_VERB_BEGIN:
        return begin(self, step, err);
    case HDE__HOST_VERB__HOST_VERB_LOOK:
        return look(self, step, out, err);
    case HDE__HOST_VERB__HOST_VERB_FETCH:
        return fetch(self, step, out, arena, err);
    case HDE__HOST_VERB__HOST_VERB_PUT:
        return put(self, step, arena, err);
    case HDE__HOST_VERB__HOST_VERB_READY:
        return ready(self, step, arena, err);
    case HDE__HOST_VERB__HOST_VERB_COMMIT:
        return commit(self, step, arena, err);
    case HDE__HOST_VERB__HOST_VERB_OUTCOME:
        tell_outcome(self, step, out);
        return true;
    case HDE__HOST_VERB__HOST_VERB_DROP:
        drop(self, step, arena);
        return true;
    case HDE__HOST_VERB__HOST_VERB_LINE:
        return tell_line(self, out, arena, err);
    default:
        return err_set(err, "HDE-C013", "this hde does not know the step; it may be older");
    }
}

bool
over_hosts_step(struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
                struct arena *arena, struct err *err)
{
    bool ok;

    if (step->verb != HDE__HOST_VERB__HOST_VERB_LINE &&
        (!step->name || !savepoint_is_name(step->name) || !step->number))
        return err_set(err, "HDE-C013", "a step names a savepoint and its number");
    pthread_mutex_lock(&self->lock);
    ok = do_step(self, step, out, arena, err);
    pthread_mutex_unlock(&self->lock);
    return ok;
}

/* ---- In doubt ------------------------------------------------------------------------------- */

/* On the net's thread. */
static void
heard_outcome(void *arg, const uint8_t *bytes, size_t size, const struct err *err)
{
    struct over_hosts *self = arg;
    Hde__ControlReply *reply = err ? NULL : hde__control_reply__unpack(NULL, size, bytes);

    pthread_mutex_lock(&self->lock);
    self->is_asking = false;
    if (reply && reply->answer_case == HDE__CONTROL_REPLY__ANSWER_STEP &&
        reply->step->has_committed)
        self->outcome = reply->step->committed ? COMMITTED : DROPPED;
    pthread_mutex_unlock(&self->lock);
    if (reply)
        hde__control_reply__free_unpacked(reply, NULL);
}

/* With the lock held. */
static void
ask_outcome(struct over_hosts *self)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__HostStep step = HDE__HOST_STEP__INIT;
    struct err none = {0};
    uint8_t bytes[200];
    size_t size;

    request.has_version = true;
    request.version = 1;
    request.ask_case = HDE__CONTROL_REQUEST__ASK_STEP;
    request.step = &step;
    step.has_verb = step.has_number = true;
    step.verb = HDE__HOST_VERB__HOST_VERB_OUTCOME;
    step.number = self->number;
    step.name = (char *)(uintptr_t)MOVE_NAME;
    size = hde__control_request__pack(&request, bytes);
    self->is_asking = net_ask(self->net, self->leader, bytes, size, ASK_S * (int64_t)NS_PER_S,
                              heard_outcome, self, &none);
}

/* Whether the state of another host goes back to that, as it said last; it may not talk to this
 * one. None does so before it is decided. */
static bool
another_went_on(const struct over_hosts *self, uint32_t number)
{
    const struct graph *graph = self->graph;
    struct net_seen *seen = xcalloc(graph->n_hosts, sizeof *seen);
    size_t n = net_look(self->net, seen, graph->n_hosts);
    bool is_it = false;

    for (size_t i = 0; i < n; i++)
        is_it |= seen[i].line == number;
    free(seen);
    return is_it;
}

/* Gives what this host does now. */
static Hde__HostVerb
decide(struct over_hosts *self, int64_t silent_ns)
{
    if (self->moving == ENDING && silent_ns > LEASE_S * (int64_t)NS_PER_S)
        return HDE__HOST_VERB__HOST_VERB_DROP;
    if (self->moving != DOUBT || leads(self))
        return HDE__HOST_VERB__HOST_VERB_UNSPECIFIED;
    if (self->outcome != UNKNOWN)
        return self->outcome == COMMITTED ? HDE__HOST_VERB__HOST_VERB_COMMIT
                                          : HDE__HOST_VERB__HOST_VERB_DROP;
    if (another_went_on(self, self->number))
        return HDE__HOST_VERB__HOST_VERB_COMMIT;
    if (silent_ns > ASK_S * (int64_t)NS_PER_S && !self->is_asking)
        ask_outcome(self);
    return HDE__HOST_VERB__HOST_VERB_UNSPECIFIED;
}

bool
over_hosts_tick(struct over_hosts *self)
{
    Hde__HostStep step = HDE__HOST_STEP__INIT;
    Hde__HostStepDone none = HDE__HOST_STEP_DONE__INIT;
    struct arena arena = {0};
    struct err err = {0};
    bool is_busy;

    across_expire(self->across, LEASE_S * (int64_t)NS_PER_S);
    pthread_mutex_lock(&self->lock);
    step.verb = decide(self, clock_mono_ns() - self->heard_ns);
    step.number = self->number;
    step.name = (char *)(uintptr_t)MOVE_NAME;
    if (step.verb && !do_step(self, &step, &none, &arena, &err))
        log_line(LEVEL_ERROR, self->graph->name, NULL, "move.failed", "%s: %s", err.code, err.text);
    if (self->moving == CALM && self->spare && !lead_doing(self->lead, &arena) &&
        spare_tick(self->spare)) {
        self->moving = LEAVING;
        over_hosts_leave(self);
    }
    is_busy = self->moving == ENDING || self->moving == DOUBT || self->spare;
    pthread_mutex_unlock(&self->lock);
    arena_fini(&arena);
    return is_busy;
}

const char *
over_hosts_doing(struct over_hosts *self, struct arena *arena)
{
    const char *text = NULL;

    pthread_mutex_lock(&self->lock);
    if (self->moving == ENDING)
        text = arena_printf(arena,
                            "move of nodes, led by %s: this host's parts end at the cut, and it "
                            "is not decided",
                            self->leader);
    else if (self->moving == DOUBT)
        text = arena_printf(arena,
                            "move of nodes: this host is ready, and in doubt until '%s' has said "
                            "what was decided",
                            self->leader);
    else if (self->moving == LEAVING)
        text = "move of nodes: this host begins anew";
    pthread_mutex_unlock(&self->lock);
    return text ? text : lead_doing(self->lead, arena);
}

bool
over_hosts_made(struct over_hosts *self, Hde__GraphChange *out, struct arena *arena)
{
    bool is_it;

    pthread_mutex_lock(&self->lock);
    is_it = self->moving == LEAVING && self->after && !leads(self);
    if (is_it)
        tell(self, self->number, out, arena);
    pthread_mutex_unlock(&self->lock);
    return is_it;
}

/* ---- The coordinator ------------------------------------------------------------------------ */

bool
over_hosts_ask(struct over_hosts *self, const char *name, struct err *err)
{
    return lead_savepoint(self->lead, name, err);
}

void
over_hosts_report(struct over_hosts *self, const char *name, struct savepoint_report *out)
{
    lead_report(self->lead, name, out);
}

uint32_t
over_hosts_move(struct over_hosts *self, const Hde__ControlMove *ask, struct err *err)
{
    return lead_move(self->lead, ask, err);
}

uint32_t
over_hosts_relink(struct over_hosts *self, const Hde__ControlApply *ask, const struct graph *after,
                  struct err *err)
{
    return lead_relink(self->lead, ask, after, err);
}

bool
over_hosts_wait(struct over_hosts *self, uint32_t number, struct err *err)
{
    return lead_wait(self->lead, number, err);
}

void
over_hosts_moved(struct over_hosts *self, uint32_t number, Hde__EngineMove *out,
                 struct arena *arena)
{
    out->has_number = out->has_waiting = true;
    out->number = number;
    if (!lead_moved(self->lead, number, out, arena) && !goes_back_to(self, number)) {
        out->error = arena_alloc(arena, sizeof *out->error);
        hde__control_error__init(out->error);
        out->error->code = arena_text(arena, "HDE-R234");
        out->error->message = arena_text(arena, "the move was given up: the log of the coordinator "
                                                "tells why");
    }
}
