/* SPDX-License-Identifier: Apache-2.0
 * over_hosts - see over_hosts.h.
 *
 *  (1) A host that puts a marker knows that all others are armed. So a marker that comes to one that
 *      is not armed with its number is of a savepoint that was given up.
 *      [test_a_marker_that_nobody_waits_for_holds_nothing_up]
 *  (2) Nothing is a savepoint before every share is written. The first commit, at the coordinator,
 *      decides; before it everything can be dropped. [tests/hosts/savepoint.sh]
 *  (3) A host that goes down, or a deadline, ends it: shares that are written go, markers go.
 *      [tests/hosts/savepoint.sh]
 *
 *  Locks: none is held while others are asked. */
#include "engine/over_hosts.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/whole.h"
#include "engine/across.h"
#include "engine/ask_hosts.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    ANSWER_S = 5,     /* of a host */
    DEADLINE_S = 120, /* of a savepoint */
    HEAR_S = 10,      /* until all hosts know that it is one */
    LEASE_S = 10,     /* of a host that hears nothing of who leads */
};
#define SECONDS(n) ((int64_t)(n) * NS_PER_S)
static const int64_t LOOK_NS = 20 * NS_PER_MS;

struct over_hosts {
    const struct graph *graph;
    struct net *net;
    struct across *across;
    pthread_t thread;
    bool has_thread; /* it may be joined */
    pthread_cond_t changed;
    pthread_mutex_t lock; /* all below */
    bool is_stopping;
    uint32_t number;
    char *name;
    struct savepoint_report report;
};

struct over_hosts *
over_hosts_new(const struct graph *graph, struct net *net, struct across *across)
{
    struct over_hosts *self = xcalloc(1, sizeof *self);
    pthread_condattr_t monotonic;

    self->graph = graph;
    self->net = net;
    self->across = across;
    self->name = xstrdup("");
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return self;
}

void
over_hosts_stop(struct over_hosts *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    if (self->has_thread)
        pthread_join(self->thread, NULL);
    self->has_thread = false;
}

void
over_hosts_free(struct over_hosts *self)
{
    if (!self)
        return;
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->changed);
    free(self->name);
    free(self);
}

/* ---- A host's share ------------------------------------------------------------------------ */

static const char *
hidden_path(const struct over_hosts *self, const Hde__HostStep *step, struct arena *arena)
{
    const char *name = arena_printf(arena, ".%s.%" PRIu32, step->name, step->number);

    return savepoint_path(self->graph->checkpoint.store, name, arena);
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
commit_share(const struct over_hosts *self, const Hde__HostStep *step, struct arena *arena,
             struct err *err)
{
    const char *store = self->graph->checkpoint.store;
    const char *path = savepoint_path(store, step->name, arena);

    if (is_committed(path, step->number)) /* it was asked before, and the answer was lost */
        return true;
    if (!savepoint_name_is_free(store, step->name, err))
        return false;
    return (io.rename(hidden_path(self, step, arena), path) == 0 &&
            io_sync_folder(arena_printf(arena, "%s/savepoints", store))) ||
           err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
}

static void
drop_share(const struct over_hosts *self, const Hde__HostStep *step, struct arena *arena)
{
    struct err why = {0};

    err_set(&why, "HDE-R230", "the coordinator has given it up");
    across_give_up(self->across, step->number, &why);
    io.unlink(hidden_path(self, step, arena));
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
do_step(const struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
        struct arena *arena, struct err *err)
{
    switch (step->verb) {
    case HDE__HOST_VERB__HOST_VERB_ARM:
        return across_arm(self->across,
                          &(struct across_share){step->number, step->name,
                                                 hidden_path(self, step, arena)},
                          err);
    case HDE__HOST_VERB__HOST_VERB_BEGIN:
        return across_begin(self->across, step->number, err);
    case HDE__HOST_VERB__HOST_VERB_LOOK:
        return look(self, step, out, err);
    case HDE__HOST_VERB__HOST_VERB_COMMIT:
        return commit_share(self, step, arena, err);
    case HDE__HOST_VERB__HOST_VERB_DROP:
        drop_share(self, step, arena);
        return true;
    default:
        return err_set(err, "HDE-C013", "this hde does not know the step; it may be older");
    }
}

bool
over_hosts_step(struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
                struct err *err)
{
    struct arena arena = {0};
    bool ok;

    if (!step->name || !savepoint_is_name(step->name) || !step->number)
        return err_set(err, "HDE-C013", "a step names a savepoint and its number");
    ok = do_step(self, step, out, &arena, err);
    arena_fini(&arena);
    return ok;
}

void
over_hosts_tick(struct over_hosts *self)
{
    across_expire(self->across, SECONDS(LEASE_S));
}

/* ---- The coordinator ----------------------------------------------------------------------- */

static void
add_up(Hde__HostStepDone *sum, const Hde__HostStepDone *one)
{
    sum->waiting |= one->waiting;
    sum->tick = one->tick > sum->tick ? one->tick : sum->tick;
    sum->bytes += one->bytes;
}

/* Everywhere, here first. False: one host has not done it. */
static bool
everywhere(struct over_hosts *self, Hde__HostVerb verb, Hde__HostStepDone *sum, struct err *err)
{
    Hde__ControlRequest request = HDE__CONTROL_REQUEST__INIT;
    Hde__HostStep step = HDE__HOST_STEP__INIT;
    Hde__HostStepDone own = HDE__HOST_STEP_DONE__INIT;
    struct host_replies replies;
    bool ok;

    hde__host_step_done__init(sum);
    step.has_verb = step.has_number = true;
    step.verb = verb;
    step.number = self->number;
    step.name = self->name;
    if (!over_hosts_step(self, &step, &own, err))
        return err_wrap(err, "host '%s'", self->graph->hosts[self->graph->host].name);
    add_up(sum, &own);
    request.ask_case = HDE__CONTROL_REQUEST__ASK_STEP;
    request.step = &step;
    ok = ask_hosts(self->net, self->graph, &request, SECONDS(ANSWER_S), &replies);
    for (size_t i = 0; i < replies.n && ok; i++) {
        ok = replies.of[i].reply->answer_case == HDE__CONTROL_REPLY__ANSWER_STEP ||
             err_set(err, "HDE-C013", "host '%s': the answer is not understood",
                     replies.of[i].host);
        if (ok)
            add_up(sum, replies.of[i].reply->step);
    }
    if (!ok)
        host_replies_refusal(&replies, err);
    host_replies_fini(&replies);
    return ok;
}

/* False: this process ends. */
static bool
pause_ns(struct over_hosts *self, int64_t ns)
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

static bool
take_shares(struct over_hosts *self, Hde__HostStepDone *sum, struct err *err)
{
    int64_t end_ns = clock_mono_ns() + SECONDS(DEADLINE_S);

    if (!everywhere(self, HDE__HOST_VERB__HOST_VERB_ARM, sum, err) || /* (1) */
        !everywhere(self, HDE__HOST_VERB__HOST_VERB_BEGIN, sum, err))
        return false;
    do {
        if (!everywhere(self, HDE__HOST_VERB__HOST_VERB_LOOK, sum, err))
            return false;
        if (!sum->waiting)
            return true;
        if (!pause_ns(self, LOOK_NS))
            return err_set(err, "HDE-R230", "the coordinator ends");
    } while (clock_mono_ns() < end_ns);
    return err_set(err, "HDE-R230", "a part has not come to its cut in %d s: 'hde status --all' "
                                    "tells what waits for what",
                   DEADLINE_S);
}

/* (2) It is decided by the first of them. */
static bool
commit_all(struct over_hosts *self, struct err *err)
{
    int64_t end_ns = clock_mono_ns() + SECONDS(HEAR_S);
    Hde__HostStepDone none;

    while (!everywhere(self, HDE__HOST_VERB__HOST_VERB_COMMIT, &none, err)) {
        if (clock_mono_ns() > end_ns || !pause_ns(self, LOOK_NS))
            return err_set(err, "HDE-R232",
                           "savepoint '%s' is whole, but not every host knows so (%.200s)",
                           self->name, err->text);
        *err = (struct err){0};
    }
    return true;
}

static void
tell(struct over_hosts *self, const struct savepoint_report *report)
{
    pthread_mutex_lock(&self->lock);
    self->report = *report;
    pthread_mutex_unlock(&self->lock);
}

static void *
lead(void *arg)
{
    struct over_hosts *self = arg;
    struct savepoint_report report = {.state = SAVEPOINT_FAILED};
    struct arena arena = {0};
    Hde__HostStepDone sum, none;
    struct err ignored = {0};

    if (take_shares(self, &sum, &report.err)) {
        report.tick = sum.tick;
        report.bytes = sum.bytes;
        snprintf(report.path, sizeof report.path, "%s",
                 savepoint_path(self->graph->checkpoint.store, self->name, &arena));
        if (commit_all(self, &report.err))
            report.state = SAVEPOINT_DONE;
    } else {
        everywhere(self, HDE__HOST_VERB__HOST_VERB_DROP, &none, &ignored); /* (3) */
    }
    arena_fini(&arena);
    tell(self, &report);
    return NULL;
}

/* Above all that were drawn before, also by an earlier process whose clock was right. */
static uint32_t
draw_number(const struct over_hosts *self)
{
    uint32_t now = (uint32_t)(clock_real_ns() / NS_PER_S);

    return now > self->number ? now : self->number + 1;
}

static bool
begin_leading(struct over_hosts *self, const char *name, struct err *err)
{
    int failed;

    if (self->has_thread)
        pthread_join(self->thread, NULL); /* it has told its report */
    free(self->name);
    self->name = xstrdup(name);
    self->number = draw_number(self);
    self->report = (struct savepoint_report){.state = SAVEPOINT_WAITING};
    failed = pthread_create(&self->thread, NULL, lead, self);
    self->has_thread = !failed;
    if (failed)
        self->report.state = SAVEPOINT_NONE;
    return !failed || err_set(err, "HDE-R004", "the thread of a savepoint cannot be started: %s",
                              strerror(failed));
}

bool
over_hosts_ask(struct over_hosts *self, const char *name, struct err *err)
{
    const struct graph *graph = self->graph;
    bool ok;

    if (graph->host != graph->coordinator)
        return err_set(err, "HDE-R231", "'%s' is not the coordinator of this graph: that is '%s'",
                       graph->hosts[graph->host].name, graph->hosts[graph->coordinator].name);
    if (!savepoint_name_is_free(graph->checkpoint.store, name, err))
        return false;
    pthread_mutex_lock(&self->lock);
    ok = self->report.state == SAVEPOINT_WAITING
             ? err_set(err, "HDE-R086", "another savepoint is being taken")
             : begin_leading(self, name, err);
    pthread_mutex_unlock(&self->lock);
    return ok;
}

void
over_hosts_report(struct over_hosts *self, const char *name, struct savepoint_report *out)
{
    pthread_mutex_lock(&self->lock);
    *out = strcmp(self->name, name) == 0 ? self->report
                                         : (struct savepoint_report){.state = SAVEPOINT_NONE};
    pthread_mutex_unlock(&self->lock);
}

/* ---- The state's line ---------------------------------------------------------------------- */

static const char line_magic[WHOLE_MAGIC] = "HDELINE1";

static char *
line_path(const char *store)
{
    return xprintf("%s/line", store);
}

bool
line_read(const char *store, uint32_t *number, struct err *err)
{
    char *path = line_path(store);
    size_t size = 0;
    uint8_t *bytes = whole_read(path, line_magic, &size);
    bool ok = (bytes && size == sizeof *number) || (!bytes && errno == ENOENT);

    *number = 0;
    if (bytes && ok)
        for (size_t i = 0; i < size; i++)
            *number |= (uint32_t)bytes[i] << 8 * i;
    if (!ok)
        err_set(err, "HDE-R233", "'%s' cannot be read: it says which savepoint the state goes back "
                                 "to",
                path);
    free(bytes);
    free(path);
    return ok;
}

bool
line_write(const char *store, uint32_t number, struct err *err)
{
    char *path = line_path(store);
    uint8_t bytes[sizeof number];
    bool ok;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(number >> 8 * i);
    ok = whole_write(path, line_magic, bytes, sizeof bytes) ||
         err_set(err, "HDE-R014", "%s cannot be written: %s", path, strerror(errno));
    free(path);
    return ok;
}
