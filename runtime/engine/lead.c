/* SPDX-License-Identifier: Apache-2.0
 * lead - see lead.h.
 *
 *  (1) Nothing is a savepoint before every share is written, and nothing is moved before every host
 *      has written what it goes on from. The first commit, at the coordinator, decides; before it
 *      everything can be dropped. [tests/hosts/savepoint.sh, tests/hosts/move.sh]
 *  (2) A host that goes down, or a deadline, ends it: shares that are written go, markers go.
 *      [tests/hosts/savepoint.sh]
 *  (3) A host that is not there when a savepoint begins has ended, as all say that have edges to
 *      or from it, or there is no savepoint. It has no share: what it ended with is in its store
 *      for good.
 *      [tests/hosts/end.sh]
 *  (4) A number is drawn once, and is above all before it, also of an earlier process: a host in
 *      doubt asks what became of that number, or sees that another one went on with it. So it is a
 *      second that no other one was drawn in. [test_two_within_one_second_have_different_numbers,
 *      test_a_number_is_above_that_of_the_process_before; tests/hosts/move.sh has a host in doubt
 *      behind another move]
 *
 *  The lock is not held while hosts do their steps. */
#include "engine/lead.h"

#include "base/clock.h"
#include "base/log.h"
#include "engine/ask_hosts.h"
#include "engine/line.h"
#include "engine/move.h"
#include "graph/delivery.h"
#include "graph/hosts.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_S = 10,    /* of a host */
    DEADLINE_S = 120, /* of a savepoint */
    COME_S = 5,       /* for a host to come up */
    HEAR_S = 5,       /* until all hosts know that it is one */
    ADDED_LINES = 3,
    CLOCK_BACK_S = 3, /* it was set back: seconds are not waited for */
};
#define SECONDS(n) ((int64_t)(n)*NS_PER_S)
static const int64_t LOOK_NS = 20 * NS_PER_MS;

struct lead {
    struct over_hosts *host;
    const struct graph *graph;
    struct net *net;
    pthread_t thread;
    bool has_thread; /* it may be joined */
    pthread_cond_t changed;
    pthread_mutex_t
        lock; /* all below; the thread alone changes it while it runs, but is_stopping */
    bool is_stopping, is_decided;
    bool *whom; /* hosts_taking_part() */
    uint32_t number;
    char *name;
    struct savepoint_report report; /* its state is that of the move, too */
    size_t n_gone;
    const char **gone; /* of a savepoint: hosts that have ended and left; room for all */
    /* of a move */
    struct arena arena;
    bool is_move, plans_only;
    size_t n_moves, n_lost, n_lines;
    const char **moves, **lost, **lines, *who;
    Hde__ControlApply apply; /* its texts live in the arena */
    bool relinks;            /* to that graph */
    uint64_t texts;          /* hosts_texts() of it */
};

static uint32_t
now_s(void)
{
    return (uint32_t)(clock_real_ns() / NS_PER_S);
}

/* (4) The second in which this process began may be a number of the one before. */
static uint32_t
first_number(const struct graph *graph)
{
    uint32_t now = now_s(), number = 0;
    struct arena arena = {0};
    struct line line;

    if (line_read(graph->checkpoint.store, &arena, &line, NULL))
        number = line.number;
    arena_fini(&arena);
    return now > number ? now : number;
}

struct lead *
lead_new(struct over_hosts *host, const struct graph *graph, struct net *net)
{
    struct lead *self = xcalloc(1, sizeof *self);
    pthread_condattr_t monotonic;

    self->host = host;
    self->graph = graph;
    self->net = net;
    self->name = xstrdup("");
    self->number = first_number(graph);
    self->gone = xcalloc(graph->n_hosts, sizeof *self->gone);
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return self;
}

void
lead_stop(struct lead *self)
{
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (self->has_thread)
        pthread_join(self->thread, NULL);
    self->has_thread = false;
}

void
lead_free(struct lead *self)
{
    if (!self)
        return;
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->changed);
    arena_fini(&self->arena);
    free(self->gone);
    free(self->whom);
    free(self->name);
    free(self);
}

/* False: this process ends. */
static bool
pause_ns(struct lead *self, int64_t ns)
{
    int64_t end_ns = clock_mono_ns() + ns;
    struct timespec end = {.tv_sec = end_ns / NS_PER_S, .tv_nsec = end_ns % NS_PER_S};
    bool goes_on;

    pthread_mutex_lock(&self->lock);
    while (!self->is_stopping &&
           pthread_cond_timedwait(&self->changed, &self->lock, &end) != ETIMEDOUT)
        ;
    goes_on = !self->is_stopping;
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

/* ---- Hosts ---------------------------------------------------------------------------------- */

static bool
is_in(const char *const *hosts, size_t n, const char *host)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(hosts[i], host))
            return true;
    return false;
}

static bool
is_lost(const struct lead *self, const char *host)
{
    return is_in(self->lost, self->n_lost, host);
}

static bool
is_gone(const struct lead *self, size_t host)
{
    return is_in(self->gone, self->n_gone, self->graph->hosts[host].name);
}

/* A spare host does so if it was there at the beginning, or is to have nodes. */
static bool
takes_part(const struct lead *self, size_t host)
{
    const struct graph *after = self->is_move ? over_hosts_after(self->host) : NULL;

    return !is_lost(self, self->graph->hosts[host].name) && !is_gone(self, host) &&
           (self->whom[host] || (after && hosts_has_nodes(after, host)));
}

static Hde__HostStep
make_step(const struct lead *self, Hde__HostVerb verb)
{
    Hde__HostStep step = HDE__HOST_STEP__INIT;

    step.has_verb = step.has_number = true;
    step.verb = verb;
    step.number = self->number;
    step.name = self->name;
    step.n_gone = verb == HDE__HOST_VERB__HOST_VERB_ARM ? self->n_gone : 0;
    step.gone = (char **)(uintptr_t)self->gone;
    if (verb != HDE__HOST_VERB__HOST_VERB_PREPARE)
        return step;
    step.n_moves = self->n_moves;
    step.moves = (char **)(uintptr_t)self->moves;
    step.n_lost = self->n_lost;
    step.lost = (char **)(uintptr_t)self->lost;
    step.leader = (char *)(uintptr_t)self->graph->hosts[self->graph->host].name;
    step.has_plan_only = true;
    step.plan_only = self->plans_only;
    step.apply = self->relinks ? (Hde__ControlApply *)(uintptr_t)&self->apply : NULL;
    step.has_files = self->relinks;
    step.files = self->texts;
    return step;
}

/* Bytes of the answer live in the arena. */
static bool
ask_one(struct lead *self, size_t host, Hde__HostStep *step, Hde__HostStepDone *out,
        struct arena *arena, struct err *err)
{
    const char *name = self->graph->hosts[host].name;
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    struct host_reply reply;
    bool ok;

    hde__host_step_done__init(out);
    if (host == self->graph->host)
        return over_hosts_step(self->host, step, out, arena, err) ||
               err_wrap(err, "host '%s'", name);
    request.ask_case = HDE__CONTROL_REQUEST__ASK_STEP;
    request.step = step;
    ok = ask_host(self->net, name, &request, SECONDS(ANSWER_S), &reply);
    if (ok && reply.reply->answer_case != HDE__CONTROL_REPLY__ANSWER_STEP)
        ok = err_set(&reply.err, "HDE-C013", "the answer is not understood");
    if (ok) {
        const Hde__HostStepDone *done = reply.reply->step;

        *out = *done;
        out->piece.data = arena_alloc(arena, done->piece.len + 1);
        if (done->piece.len)
            memcpy(out->piece.data, done->piece.data, done->piece.len);
    } else {
        *err = reply.err;
        err_wrap(err, "host '%s'", name);
    }
    host_reply_fini(&reply);
    return ok;
}

static bool
add_up(Hde__HostStepDone *sum, const Hde__HostStepDone *one, struct err *err)
{
    sum->waiting |= one->waiting;
    sum->tick = one->tick > sum->tick ? one->tick : sum->tick;
    sum->bytes += one->bytes;
    if (sum->has_shape && one->has_shape && sum->shape != one->shape)
        return err_set(err, "HDE-N008",
                       "hosts have other graph files: afterwards they would differ in what they "
                       "share, %016" PRIx64 " and %016" PRIx64,
                       sum->shape, one->shape);
    if (one->has_shape)
        sum->shape = one->shape;
    sum->has_shape |= one->has_shape;
    return true;
}

/* Everywhere, here first. False: one host has not done it; `all`: the others are asked still. */
static bool
everywhere(struct lead *self, Hde__HostVerb verb, bool all, Hde__HostStepDone *sum, struct err *err)
{
    size_t n = self->graph->n_hosts, own = self->graph->host;
    struct arena arena = {0};
    bool ok = true;

    hde__host_step_done__init(sum);
    for (size_t i = 0; i < n && (ok || all); i++) {
        size_t host = i == 0 ? own : i <= own ? i - 1 : i;
        Hde__HostStep step = make_step(self, verb);
        Hde__HostStepDone done;
        struct err own_err = {0};

        if (takes_part(self, host) && !(ask_one(self, host, &step, &done, &arena, &own_err) &&
                                        add_up(sum, &done, &own_err))) {
            if (ok)
                *err = own_err;
            ok = false;
        }
    }
    arena_fini(&arena);
    return ok;
}

/* What is over in some seconds, if at all: a host that comes up, or is in doubt still. */
static bool
may_pass(const struct err *err)
{
    return strcmp(err->code, "HDE-N006") == 0 || strcmp(err->code, "HDE-R238") == 0 ||
           strcmp(err->code, "HDE-R310") == 0;
}

/* Somebody who is there has an edge to or from the host. */
static bool
is_witnessed(const struct lead *self, size_t host)
{
    const struct graph *graph = self->graph;

    for (size_t i = 0; i < graph->n_edges; i++) {
        size_t from = graph->nodes[graph->edges[i].from].host;
        size_t to = graph->nodes[graph->edges[i].to].host;

        if (from != to && ((from == host && !is_gone(self, to)) ||
                           (to == host && !is_gone(self, from))))
            return true;
    }
    return false;
}

/* (3) False: of a host nobody can tell whether it has ended. */
static bool
find_gone(struct lead *self, struct err *err)
{
    const struct graph *graph = self->graph;
    struct net_seen *seen = xcalloc(graph->n_hosts, sizeof *seen);
    size_t n = net_look(self->net, seen, graph->n_hosts);
    bool ok = true;

    self->n_gone = 0;
    for (size_t host = 0; host < graph->n_hosts; host++)
        for (size_t i = 0; i < n; i++)
            if (hosts_has_nodes(graph, host) && !strcmp(seen[i].name, graph->hosts[host].name) &&
                seen[i].state == NET_DOWN)
                self->gone[self->n_gone++] = graph->hosts[host].name;
    for (size_t host = 0; host < graph->n_hosts && ok; host++)
        if (is_gone(self, host) && !is_witnessed(self, host))
            ok = err_set(err, "HDE-R310",
                         "host '%s' is not there, and no other one has edges to it: start it",
                         graph->hosts[host].name);
    free(seen);
    return ok;
}

/* The first step. */
static bool
begin_everywhere(struct lead *self, Hde__HostVerb verb, Hde__HostStepDone *sum, struct err *err)
{
    int64_t end_ns = clock_mono_ns() + SECONDS(COME_S);

    while (!(self->is_move || find_gone(self, err)) || !everywhere(self, verb, false, sum, err)) {
        if (!may_pass(err) || clock_mono_ns() > end_ns || !pause_ns(self, LOOK_NS))
            return false;
        *err = (struct err){0};
    }
    return true;
}

static bool
take_shares(struct lead *self, Hde__HostStepDone *sum, struct err *err)
{
    int64_t end_ns = clock_mono_ns() + SECONDS(DEADLINE_S);

    if (!begin_everywhere(self, HDE__HOST_VERB__HOST_VERB_ARM, sum, err) ||
        !everywhere(self, HDE__HOST_VERB__HOST_VERB_BEGIN, false, sum, err))
        return false;
    do {
        if (!everywhere(self, HDE__HOST_VERB__HOST_VERB_LOOK, false, sum, err))
            return false;
        if (!sum->waiting)
            return true;
        if (!pause_ns(self, LOOK_NS))
            return err_set(err, "HDE-R230", "the coordinator ends");
    } while (clock_mono_ns() < end_ns);
    return err_set(err, "HDE-R230",
                   "a part has not come to its cut in %d s: 'hde status --all' "
                   "tells what waits for what",
                   DEADLINE_S);
}

/* (1) */
static bool
decide(struct lead *self, struct err *err)
{
    Hde__HostStep step = make_step(self, HDE__HOST_VERB__HOST_VERB_COMMIT);
    struct arena arena = {0};
    Hde__HostStepDone none;
    bool ok = ask_one(self, self->graph->host, &step, &none, &arena, err);

    arena_fini(&arena);
    return ok;
}

/* Who has heard it may have begun anew, and talks to nobody of before. */
static bool
commit_rest(struct lead *self, bool *has_heard, struct err *err)
{
    struct arena arena = {0};
    bool ok = true;

    for (size_t host = 0; host < self->graph->n_hosts; host++) {
        Hde__HostStep step = make_step(self, HDE__HOST_VERB__HOST_VERB_COMMIT);
        Hde__HostStepDone none;

        has_heard[host] = has_heard[host] || !takes_part(self, host) ||
                          ask_one(self, host, &step, &none, &arena, err);
        ok &= has_heard[host];
    }
    arena_fini(&arena);
    return ok;
}

/* Behind decide(). */
static bool
commit_all(struct lead *self, struct err *err)
{
    int64_t end_ns = clock_mono_ns() + SECONDS(HEAR_S);
    bool *has_heard = xcalloc(self->graph->n_hosts, sizeof *has_heard), ok;

    do {
        *err = (struct err){0};
        ok = commit_rest(self, has_heard, err);
    } while (!ok && clock_mono_ns() < end_ns && pause_ns(self, LOOK_NS));
    free(has_heard);
    return ok;
}

static void
drop_all(struct lead *self)
{
    Hde__HostStepDone none;
    struct err ignored = {0};

    everywhere(self, HDE__HOST_VERB__HOST_VERB_DROP, true, &none, &ignored); /* (2) */
}

/* ---- A savepoint ---------------------------------------------------------------------------- */

static void
tell(struct lead *self, const struct savepoint_report *report)
{
    pthread_mutex_lock(&self->lock);
    self->report = *report;
    self->is_decided = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void *
run_savepoint(void *arg)
{
    struct lead *self = arg;
    struct savepoint_report report = {.state = SAVEPOINT_FAILED};
    struct arena arena = {0};
    Hde__HostStepDone sum;
    struct err unheard = {0};

    if (take_shares(self, &sum, &report.err) && decide(self, &report.err)) {
        report.tick = sum.tick;
        report.bytes = sum.bytes;
        snprintf(report.path, sizeof report.path, "%s",
                 savepoint_path(self->graph->checkpoint.store, self->name, &arena));
        if (commit_all(self, &unheard))
            report.state = SAVEPOINT_DONE;
        else
            err_set(&report.err, "HDE-R232",
                    "savepoint '%s' is whole, but not every host knows so (%.200s)", self->name,
                    unheard.text);
    } else {
        drop_all(self);
    }
    arena_fini(&arena);
    tell(self, &report);
    return NULL;
}

/* (4) */
static uint32_t
draw_number(const struct lead *self)
{
    const struct timespec moment = {.tv_nsec = LOOK_NS};
    uint32_t now = now_s();

    while (now <= self->number && self->number - now < CLOCK_BACK_S) {
        nanosleep(&moment, NULL);
        now = now_s();
    }
    return now > self->number ? now : self->number + 1;
}

/* With the lock held. replaces: the coordinator is lost, and the file names this host now, which
 * the first step looks at. */
static bool
may_lead(struct lead *self, bool is_moving, bool replaces, struct err *err)
{
    const struct graph *graph = self->graph;

    if (graph->host != graph->coordinator && !replaces)
        return err_set(err, "HDE-R231", "'%s' is not the coordinator of this graph: that is '%s'",
                       graph->hosts[graph->host].name, graph->hosts[graph->coordinator].name);
    if (self->is_stopping)
        return err_set(err, "HDE-R238", "this host ends");
    if (self->report.state == SAVEPOINT_WAITING)
        return err_set(err, "HDE-R086", "another savepoint is being taken, or a move is under way");
    if (is_moving)
        return err_set(err, "HDE-R238", "this host begins anew: ask again in some seconds");
    if (self->has_thread)
        pthread_join(self->thread, NULL); /* it has told its report */
    self->has_thread = false;
    return true;
}

/* With the lock held. */
static bool
begin(struct lead *self, const char *name, void *(*run)(void *arg), struct err *err)
{
    int failed;

    free(self->name);
    free(self->whom);
    self->name = xstrdup(name);
    self->whom = hosts_taking_part(self->net, self->graph);
    self->number = draw_number(self);
    self->is_decided = false;
    self->report = (struct savepoint_report){.state = SAVEPOINT_WAITING};
    failed = pthread_create(&self->thread, NULL, run, self);
    self->has_thread = !failed;
    if (failed)
        self->report.state = SAVEPOINT_NONE;
    return !failed || err_set(err, "HDE-R004", "the thread of a savepoint cannot be started: %s",
                              strerror(failed));
}

static void
forget_move(struct lead *self)
{
    arena_fini(&self->arena);
    self->is_move = self->plans_only = self->relinks = false;
    self->n_moves = self->n_lost = self->n_lines = self->n_gone = 0;
    self->lines = NULL;
}

bool
lead_savepoint(struct lead *self, const char *name, struct err *err)
{
    bool ok = strcmp(name, MOVE_NAME) == 0
                  ? err_set(err, "HDE-R085", "'%s' is what a move of nodes is called", name)
                  : savepoint_name_is_free(self->graph->checkpoint.store, name, err);
    bool is_moving = over_hosts_is_moving(self->host); /* its lock comes first */

    pthread_mutex_lock(&self->lock);
    ok = ok && may_lead(self, is_moving, false, err);
    if (ok) {
        forget_move(self);
        ok = begin(self, name, run_savepoint, err);
    }
    pthread_mutex_unlock(&self->lock);
    return ok;
}

void
lead_report(struct lead *self, const char *name, struct savepoint_report *out)
{
    pthread_mutex_lock(&self->lock);
    *out = strcmp(self->name, name) == 0 && !self->is_move
               ? self->report
               : (struct savepoint_report){.state = SAVEPOINT_NONE};
    pthread_mutex_unlock(&self->lock);
}

/* ---- A move --------------------------------------------------------------------------------- */

static void
add_line(struct lead *self, const char **lines, const char *line)
{
    lines[self->n_lines++] = line;
}

static void
say_node(struct lead *self, const char **lines, const struct graph_node *node)
{
    const char *from = self->graph->hosts[move_host_before(self->graph, node)].name;
    const char *to = self->graph->hosts[node->host].name;
    const char *file = delivery_file(node);

    if (strcmp(from, to) == 0)
        return;
    add_line(self, lines,
             is_lost(self, from)
                 ? arena_printf(&self->arena,
                                "%s: from %s, which is lost, to %s: goes on from its last epoch",
                                node->name, from, to)
                 : arena_printf(&self->arena, "%s: from %s to %s, with its state", node->name, from,
                                to));
    if (file)
        add_line(self, lines,
                 arena_printf(&self->arena,
                              "%s: goes on with %s if %s sees the disk of %s, else begins a file "
                              "there: what was written stays where it is",
                              node->name, file, to, from));
}

/* What the move does, for who asked. */
static void
say_lines(struct lead *self)
{
    const struct graph *after = over_hosts_after(self->host);
    const char **lines =
        arena_alloc(&self->arena, (2 * after->n_nodes + ADDED_LINES) * sizeof *lines);

    for (size_t i = 0; i < after->n_nodes; i++)
        say_node(self, lines, &after->nodes[i]);
    if (is_lost(self, self->graph->hosts[self->graph->coordinator].name))
        add_line(self, lines,
                 arena_printf(&self->arena,
                              "coordinator: %s in place of %s, which is lost: what that one had "
                              "decided is made, as its store says, and what it had not is dropped",
                              after->hosts[after->coordinator].name,
                              self->graph->hosts[self->graph->coordinator].name));
    add_line(self, lines,
             self->n_lost ? "delivery: what was done since that epoch is done again: effectively "
                            "once for rows with natural keys, at least once for all else behind it"
                          : "delivery: exact: all hosts stop at one cut and go on from there");
    pthread_mutex_lock(&self->lock);
    self->lines = lines;
    pthread_mutex_unlock(&self->lock);
}

/* A lost host keeps nothing. */
static bool
check_lost(struct lead *self, struct err *err)
{
    const struct graph *after = over_hosts_after(self->host);

    for (size_t i = 0; i < after->n_nodes; i++)
        if (is_lost(self, after->hosts[after->nodes[i].host].name))
            return err_set(err, "HDE-R234", "node '%s' would still lie on '%s', which is lost",
                           after->nodes[i].name, after->hosts[after->nodes[i].host].name);
    if (is_lost(self, self->graph->hosts[self->graph->host].name))
        return err_set(err, "HDE-R234", "the host that leads is not lost");
    return true;
}

static bool
carry_share(struct lead *self, size_t from, size_t to, struct err *err)
{
    uint64_t offset = 0;
    bool ok = true, is_more = true;

    while (ok && is_more) {
        Hde__HostStep fetch = make_step(self, HDE__HOST_VERB__HOST_VERB_FETCH);
        Hde__HostStep put = make_step(self, HDE__HOST_VERB__HOST_VERB_PUT);
        Hde__HostStepDone piece, none;
        struct arena arena = {0};

        fetch.has_offset = put.has_offset = put.has_bytes = true;
        fetch.offset = put.offset = offset;
        put.of = (char *)(uintptr_t)self->graph->hosts[from].name;
        ok = ask_one(self, from, &fetch, &piece, &arena, err);
        is_more = ok && piece.piece.len;
        if (is_more) {
            put.bytes = piece.piece;
            offset += piece.piece.len;
            ok = ask_one(self, to, &put, &none, &arena, err);
        }
        arena_fini(&arena);
    }
    return ok;
}

static bool
carry_shares(struct lead *self, struct err *err)
{
    size_t n = self->graph->n_hosts;

    for (size_t from = 0; from < n; from++)
        for (size_t to = 0; to < n; to++)
            if (from != to && !is_lost(self, self->graph->hosts[from].name) &&
                move_feeds(over_hosts_before(self->host), over_hosts_after(self->host), from, to) &&
                !carry_share(self, from, to, err))
                return false;
    return true;
}

static bool
do_move(struct lead *self, struct err *err)
{
    Hde__HostStepDone sum;

    if (!begin_everywhere(self, HDE__HOST_VERB__HOST_VERB_PREPARE, &sum, err) ||
        !check_lost(self, err))
        return false;
    say_lines(self);
    return self->plans_only ||
           (take_shares(self, &sum, err) && carry_shares(self, err) &&
            everywhere(self, HDE__HOST_VERB__HOST_VERB_READY, false, &sum, err) &&
            decide(self, err));
}

/* Another graph is a change, whose thread notes it. */
static void
note_move(struct lead *self, int64_t asked_ns, const struct savepoint_report *report)
{
    Hde__ControlError error = HDE__CONTROL_ERROR__INIT;
    struct arena arena = {0};
    Hde__GraphChange change;

    if (self->relinks)
        return;
    over_hosts_tell(self->host, self->number, &change, &arena);
    change.asked_ns = asked_ns;
    change.who = (char *)(uintptr_t)self->who;
    change.state = report->state != SAVEPOINT_DONE ? HDE__CHANGE_STATE__CHANGE_STATE_REFUSED
                   : self->plans_only              ? HDE__CHANGE_STATE__CHANGE_STATE_PLANNED
                                                   : HDE__CHANGE_STATE__CHANGE_STATE_DONE;
    error.code = (char *)(uintptr_t)report->err.code;
    error.message = (char *)(uintptr_t)report->err.text;
    change.error = err_is_set(&report->err) ? &error : NULL;
    over_hosts_note(self->host, &change);
    arena_fini(&arena);
}

static void *
run_move(void *arg)
{
    struct lead *self = arg;
    struct savepoint_report report = {.state = SAVEPOINT_FAILED};
    int64_t asked_ns = clock_real_ns();
    struct err unheard = {0};

    if (do_move(self, &report.err))
        report.state = SAVEPOINT_DONE;
    else
        log_line(LEVEL_ERROR, self->graph->name, NULL, "move.refused", "%s: %s", report.err.code,
                 report.err.text);
    note_move(self, asked_ns, &report);
    if (report.state == SAVEPOINT_DONE && !self->plans_only) {
        if (!commit_all(self, &unheard))
            log_line(LEVEL_WARN, self->graph->name, NULL, "move.unheard",
                     "it is done; a host that does not know so asks when it comes back: %s",
                     unheard.text);
    } else {
        drop_all(self);
    }
    tell(self, &report);
    if (over_hosts_is_moving(self->host))
        over_hosts_leave(self->host);
    return NULL;
}

/* With the lock held. What was moved before stays so. */
static bool
take_ask(struct lead *self, const Hde__ControlMove *ask, struct err *err)
{
    struct line line;

    forget_move(self);
    if (!line_read(self->graph->checkpoint.store, &self->arena, &line, err))
        return false;
    self->moves = arena_alloc(&self->arena, (line.n_moves + ask->n_moves + 1) * sizeof(char *));
    self->lost = arena_alloc(&self->arena, (ask->n_lost + 1) * sizeof(char *));
    for (size_t i = 0; i < line.n_moves; i++)
        self->moves[self->n_moves++] = line.moves[i];
    for (size_t i = 0; i < ask->n_moves; i++)
        self->moves[self->n_moves++] =
            arena_printf(&self->arena, "%s%s", ask->moves[i], ask->n_lost ? HOST_APART : "");
    for (size_t i = 0; i < ask->n_lost; i++)
        self->lost[self->n_lost++] = arena_text(&self->arena, ask->lost[i]);
    self->who = ask->who ? arena_text(&self->arena, ask->who) : NULL;
    self->plans_only = ask->plan_only;
    self->is_move = true;
    return true;
}

uint32_t
lead_move(struct lead *self, const Hde__ControlMove *ask, struct err *err)
{
    const char *coordinator = self->graph->hosts[self->graph->coordinator].name;
    bool is_moving = over_hosts_is_moving(self->host), replaces = false;
    uint32_t number = 0;

    for (size_t i = 0; i < ask->n_lost; i++)
        replaces |= !strcmp(ask->lost[i], coordinator);
    if (!over_hosts_end_doubts(self->host, ask, err))
        return 0;
    pthread_mutex_lock(&self->lock);
    if (may_lead(self, is_moving, replaces, err) && take_ask(self, ask, err) &&
        begin(self, MOVE_NAME, run_move, err))
        number = self->number;
    pthread_mutex_unlock(&self->lock);
    return number;
}

/* With the lock held. */
static void
take_graph(struct lead *self, const Hde__ControlApply *ask, const struct graph *after)
{
    struct line line = {.n_moves = self->n_moves, .moves = self->moves};

    line_fit(&line, after);
    self->n_moves = line.n_moves;
    hde__control_apply__init(&self->apply);
    self->apply.path = ask->path ? arena_text(&self->arena, ask->path) : NULL;
    self->apply.set = arena_alloc(&self->arena, (ask->n_set + 1) * sizeof *self->apply.set);
    for (size_t i = 0; i < ask->n_set; i++)
        self->apply.set[self->apply.n_set++] = arena_text(&self->arena, ask->set[i]);
    self->apply.has_drop_state = true;
    self->apply.drop_state = ask->drop_state;
    self->relinks = true;
    self->texts = hosts_texts(after);
}

uint32_t
lead_relink(struct lead *self, const Hde__ControlApply *ask, const struct graph *after,
            struct err *err)
{
    Hde__ControlMove none = HDE__CONTROL_MOVE__INIT;
    bool is_moving = over_hosts_is_moving(self->host);
    uint32_t number = 0;

    pthread_mutex_lock(&self->lock);
    if (may_lead(self, is_moving, false, err) && take_ask(self, &none, err)) {
        take_graph(self, ask, after);
        if (begin(self, MOVE_NAME, run_move, err))
            number = self->number;
    }
    pthread_mutex_unlock(&self->lock);
    return number;
}

bool
lead_wait(struct lead *self, uint32_t number, struct err *err)
{
    bool ok;

    pthread_mutex_lock(&self->lock);
    while (self->is_move && self->number == number && self->report.state == SAVEPOINT_WAITING)
        pthread_cond_wait(&self->changed, &self->lock);
    ok = self->number == number && self->report.state == SAVEPOINT_DONE;
    if (!ok)
        *err = self->report.err;
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
lead_moved(struct lead *self, uint32_t number, Hde__EngineMove *out, struct arena *arena)
{
    bool is_it;

    pthread_mutex_lock(&self->lock);
    is_it = self->is_move && self->number == number;
    if (is_it) {
        out->waiting = self->report.state == SAVEPOINT_WAITING;
        out->n_lines = self->lines ? self->n_lines : 0;
        out->lines = arena_alloc(arena, (out->n_lines + 1) * sizeof *out->lines);
        for (size_t i = 0; i < out->n_lines; i++)
            out->lines[i] = arena_text(arena, self->lines[i]);
    }
    if (is_it && err_is_set(&self->report.err)) {
        out->error = arena_alloc(arena, sizeof *out->error);
        hde__control_error__init(out->error);
        out->error->code = arena_text(arena, self->report.err.code);
        out->error->message = arena_text(arena, self->report.err.text);
    }
    pthread_mutex_unlock(&self->lock);
    return is_it;
}

bool
lead_is_open(struct lead *self, uint32_t number)
{
    bool is_open;

    pthread_mutex_lock(&self->lock);
    is_open = self->is_move && self->number == number && !self->is_decided;
    pthread_mutex_unlock(&self->lock);
    return is_open;
}

const char *
lead_doing(struct lead *self, struct arena *arena)
{
    const char *text = NULL;

    pthread_mutex_lock(&self->lock);
    if (self->report.state == SAVEPOINT_WAITING)
        text = self->relinks   ? "change of links, led here: all hosts prepare it"
               : self->is_move ? "move of nodes, led here: all hosts prepare it"
                               : arena_printf(
                                     arena, "savepoint '%s', led here: hosts write their shares",
                                     self->name);
    pthread_mutex_unlock(&self->lock);
    return text;
}
