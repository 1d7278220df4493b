/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/reload.h"

#include "engine/attempt.h"
#include "engine/joint.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUEUE = 32 }; /* requests that wait, at most */
static const int64_t default_budget_ns = 50LL * NS_PER_MS;
static const int64_t joint_ns = 60LL * NS_PER_S; /* until others that reload with it are ready */

const char *
reload_state_name(enum reload_state state)
{
    static const char *const names[] = {"waiting",  "working", "probation", "done",
                                        "returned", "refused", "superseded"};

    return names[state];
}

/* ---- One request ------------------------------------------------------------------------- */

static bool
make_way(struct reloader *self, struct attempt *attempt)
{
    return probations_end(self, attempt) ||
           err_set(&attempt->report.err, "HDE-R030",
                   "the probation of the reload before this one cannot be ended: a node does not "
                   "answer");
}

/* Whoever reloads with it, in other parts and on other hosts, is as far. */
static bool
all_agree(struct reloader *self, struct attempt *attempt, bool ok)
{
    int64_t end_ns = clock_mono_ns() + attempt->shadow_ns + joint_ns;
    struct err *err = &attempt->report.err;

    if (!attempt->joint || joint_agree(attempt->joint, self->engine, ok, end_ns, err))
        return ok;
    if (!err_is_set(err))
        err_set(err, "HDE-R216", "it is not reloaded elsewhere");
    return false;
}

static void
carry_out(struct reloader *self, struct attempt *attempt)
{
    attempt->report.state = RELOAD_WORKING;
    reload_note(self, attempt);
    if (!all_agree(self, attempt,
                   attempt_find(self, attempt) && make_way(self, attempt) &&
                       attempt_prepare(self, attempt) &&
                       (!attempt->shadow_ns || attempt_shadow(self, attempt)))) {
        attempt_finish(self, attempt, RELOAD_REFUSED);
        return;
    }
    attempt->must_return = !all_agree(self, attempt, attempt_swap(attempt));
    taken_adopt_passed(self);
    if (!attempt->must_return) {
        attempt_count(attempt, true);
        attempt_sum(attempt);
        if (attempt->probation_ns) {
            probation_begin(self, attempt);
            return;
        }
    }
    probation_end(self, attempt);
}

static void
work(struct reloader *self, struct attempt *attempt)
{
    struct joint *joint = attempt->joint;

    carry_out(self, attempt);
    if (joint)
        joint_over(joint);
}

/* ---- The thread --------------------------------------------------------------------------- */

static void
wait_for(struct reloader *self, int64_t wait_ns)
{
    int64_t at_ns = clock_real_ns() + wait_ns;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};

    pthread_cond_timedwait(&self->changed, &self->lock, &at);
}

/* With the lock held. Requests wait until the log has been taken. */
static bool
has_request(const struct reloader *self)
{
    return self->queue && !atomic_load(&self->engine->recovering);
}

static bool
has_work(const struct reloader *self)
{
    return has_request(self) || self->taken || self->entry || self->has_news || self->is_stopping;
}

/* Until there is a request, a node that has gone back, a log that is taken, or a second over while
 * something is on probation. False: the end. *out and *taken may be NULL. */
static bool
wait_for_work(struct reloader *self, struct attempt **out, struct attempt **taken)
{
    bool goes_on;

    pthread_mutex_lock(&self->lock);
    if (self->probations && !has_work(self))
        wait_for(self, NS_PER_S);
    while (!self->probations && !has_work(self)) {
        if (self->queue)
            wait_for(self, 20 * NS_PER_MS);
        else
            pthread_cond_wait(&self->changed, &self->lock);
    }
    *out = has_request(self) ? self->queue : NULL;
    if (*out) {
        self->n_queued--;
        self->queue = (*out)->next;
        if (!self->queue)
            self->tail = &self->queue;
        (*out)->next = NULL;
    }
    *taken = self->taken;
    self->taken = NULL;
    self->has_news = false;
    goes_on = !self->is_stopping;
    if (!goes_on && *out)
        attempt_free(*out);
    pthread_mutex_unlock(&self->lock);
    return goes_on;
}

static void *
run(void *arg)
{
    struct reloader *self = arg;
    struct attempt *attempt, *taken;
    bool goes_on = true;

    pthread_setname_np(pthread_self(), "hde-reload");
    while (goes_on) {
        goes_on = wait_for_work(self, &attempt, &taken);
        taken_adopt(self, taken);
        if (!goes_on)
            break;
        pthread_mutex_lock(&self->engine->changing);
        taken_prepare(self);
        probations_end(self, NULL);
        if (attempt)
            work(self, attempt);
        pthread_mutex_unlock(&self->engine->changing);
    }
    return NULL;
}

static struct reloader *
reloader_new(struct engine *engine, struct err *err)
{
    struct reloader *self = xcalloc(1, sizeof *self);
    sigset_t all, old;
    int failed;

    self->engine = engine;
    self->tail = &self->queue;
    if (engine->builds)
        builds_each_reload(engine->builds, reload_read, self);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    failed = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!failed)
        return self;
    err_set(err, "HDE-R004", "no thread for reloads: %s", strerror(failed));
    free(self);
    return NULL;
}

struct reloader *
reloader_of(struct engine *engine, struct err *err)
{
    struct reloader *self;

    pthread_mutex_lock(&engine->lock);
    if (!engine->reloader)
        engine->reloader = reloader_new(engine, err);
    self = engine->reloader;
    pthread_mutex_unlock(&engine->lock);
    return self;
}
/* ---- Requests ----------------------------------------------------------------------------- */

/* With the lock held: an older request for the same target that waits is not needed any more. */
static void
supersede(struct reloader *self, const char *target, uint64_t number)
{
    struct attempt **at = &self->queue;

    while (*at) {
        struct attempt *attempt = *at;

        if (strcmp(attempt->report.target, target) != 0) {
            at = &attempt->next;
            continue;
        }
        err_set(&attempt->report.err, "HDE-R032", "request %llu for the same target came after it",
                (unsigned long long)number);
        reload_end(attempt, RELOAD_SUPERSEDED);
        self->history[attempt->report.number % RELOAD_HISTORY] = attempt->report;
        if (attempt->joint) {
            joint_refuse(attempt->joint, self->engine, &attempt->report.err);
            joint_over(attempt->joint);
        }
        *at = attempt->next;
        self->n_queued--;
        attempt_free(attempt);
    }
    self->tail = at;
}

/* With the lock held. 0: too many wait. */
static uint64_t
enqueue(struct reloader *self, struct attempt *taken)
{
    taken->report.number = self->last + 1;
    supersede(self, taken->report.target, taken->report.number);
    if (self->n_queued == QUEUE)
        return 0;
    self->last++;
    *self->tail = taken;
    self->tail = &taken->next;
    self->n_queued++;
    self->history[taken->report.number % RELOAD_HISTORY] = taken->report;
    pthread_cond_broadcast(&self->changed);
    return taken->report.number;
}

/* 0 for what makes no sense. */
static int64_t
to_ns(double seconds)
{
    return seconds > 0 && seconds < 1e6 ? (int64_t)(seconds * 1e9) : 0;
}

struct reload_ask
reload_ask_of(const Hde__ControlReload *said)
{
    return (struct reload_ask){.target = said->target,
                               .file = said->file,
                               .drops_state = said->drop_state,
                               .skips_trial = said->skip_trial,
                               .is_forced = said->force,
                               .shadow_ns = to_ns(said->shadow_seconds),
                               .tolerance = said->tolerance,
                               .probation_ns = to_ns(said->probation_seconds),
                               .budget_ns = to_ns(said->budget_seconds)};
}

int64_t
reload_timeout_ns(const Hde__ControlReload *said)
{
    return to_ns(said->shadow_seconds) + joint_ns;
}

uint64_t
reload_ask(struct engine *engine, const struct reload_ask *ask, struct err *err)
{
    struct reloader *self;
    struct attempt *attempt;
    uint64_t number;

    if (engine_state(engine) != ENGINE_RUNNING || !engine->options.plugin_folder)
        return err_set(err, "HDE-R030", "this graph cannot be reloaded: it %s",
                       engine->options.plugin_folder ? "is not running"
                                                     : "has no folder for plugins"),
               0;
    if (engine->is_taking)
        return err_set(err, "HDE-R030",
                       "this graph cannot be reloaded: a log is given again, with the builds that "
                       "ran"),
               0;
    if (atomic_load(&engine->recovering))
        return err_set(err, "HDE-R030",
                       "this graph cannot be reloaded yet: it takes its log again; ask when it is "
                       "ready"),
               0;
    if (!(self = reloader_of(engine, err)))
        return 0;
    attempt = xcalloc(1, sizeof *attempt);
    attempt->has_file = ask->file != NULL;
    attempt->drops_state = ask->drops_state;
    attempt->skips_trial = ask->skips_trial;
    attempt->is_forced = ask->is_forced;
    attempt->shadow_ns = ask->shadow_ns;
    attempt->tolerance = ask->tolerance;
    attempt->probation_ns = ask->probation_ns > 0 ? ask->probation_ns : 0;
    attempt->budget_ns = ask->budget_ns > 0 ? ask->budget_ns : default_budget_ns;
    attempt->joint = ask->joint;
    attempt->report.asked_ns = clock_real_ns();
    snprintf(attempt->report.target, RELOAD_TARGET, "%s", ask->target);
    snprintf(attempt->report.file, RELOAD_FILE, "%s", ask->file ? ask->file : "");
    pthread_mutex_lock(&self->lock);
    number = enqueue(self, attempt);
    pthread_mutex_unlock(&self->lock);
    if (number)
        return number;
    attempt_free(attempt);
    return err_set(err, "HDE-R030", "%d reloads wait already", QUEUE), 0;
}

size_t
reload_reports(struct engine *engine, uint64_t number, struct reload_report *out, size_t max)
{
    struct reloader *self;
    size_t n = 0;

    struct err err = {0};

    pthread_mutex_lock(&engine->lock);
    self = engine->reloader;
    pthread_mutex_unlock(&engine->lock);
    if (!self && engine->builds) /* earlier starts may have had reloads */
        self = reloader_of(engine, &err);
    if (!self)
        return 0;
    pthread_mutex_lock(&self->lock);
    for (uint64_t i = self->last; i > 0 && i + RELOAD_HISTORY > self->last && n < max; i--)
        if (!number || number == i)
            out[n++] = self->history[i % RELOAD_HISTORY];
    pthread_mutex_unlock(&self->lock);
    return n;
}

size_t
reload_blocked(struct engine *engine, struct arena *arena, const struct blocked **out)
{
    *out = NULL;
    return engine->builds ? builds_blocked(engine->builds, arena, out) : 0;
}

/* ---- Changes of the graph ----------------------------------------------------------------- */

bool
reload_is_on_probation(const struct engine *engine)
{
    return engine->reloader && engine->reloader->probations;
}

/* ---- The end ------------------------------------------------------------------------------ */

void
reload_stop(struct engine *engine)
{
    struct reloader *self = engine->reloader;

    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->is_stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
}

/* The code of plugins stays mapped: the process is about to end, or something may still be shown of
 * the graph. */
static void
leave(struct instance *instance)
{
    struct stage *stage;

    if (!instance)
        return;
    stage = instance->stage;
    if (instance->state)
        instance_close(instance);
    instance_free(instance);
    if (stage && !stage->users)
        stage_leave(stage);
}

static void
leave_all(struct attempt *attempt)
{
    for (uint32_t i = 0; i < attempt->n_swaps; i++) {
        struct swap *swap = &attempt->swaps[i];

        leave(swap->next);
        leave(swap->spare);
        leave(swap->last);
        leave(swap->failed);
        instance_free(swap->shell);
        if (swap->saved)
            hde_msg_drop(swap->saved);
    }
    free(attempt->swaps);
    attempt_free(attempt);
}

/* What the nodes ran at the end: closed, without a state of its own. */
void
reload_forget(struct node *node)
{
    leave(node->instance);
    node->instance = NULL;
}

static void
leave_running(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->n_nodes; i++)
        reload_forget(engine->nodes[i]);
}

void
reload_free(struct engine *engine)
{
    struct reloader *self = engine->reloader;

    if (!self) {
        leave_running(engine);
        return;
    }
    for (uint32_t i = 0; i < self->n_left; i++)
        leave(self->left[i]);
    while (self->probations) {
        struct attempt *attempt = self->probations;

        self->probations = attempt->next;
        leave_all(attempt);
    }
    while (self->taken) {
        struct attempt *attempt = self->taken;

        self->taken = attempt->next;
        leave_all(attempt);
    }
    if (self->prepared)
        leave_all(self->prepared);
    if (self->given) /* the graph has ended in the middle of it */
        leave_all(self->given);
    leave_running(engine);
    while (self->queue) {
        struct attempt *attempt = self->queue;

        self->queue = attempt->next;
        attempt_free(attempt);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self->left);
    free(self);
}
