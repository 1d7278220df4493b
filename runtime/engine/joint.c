/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/joint.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

/* Who works on it is late first, and says why. */
static const int64_t grace_ns = 5LL * NS_PER_S;

struct joint {
    size_t n_all;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    size_t n; /* who still meets */
    bool is_refused;
    bool is_held;           /* the last one has the word */
    size_t n_agreed, n_met; /* in this round; rounds that all have agreed to */
    size_t n_turns, n_over;
    const struct engine *refused;
    struct err why;
};

struct joint *
joint_new(size_t n)
{
    struct joint *self = xcalloc(1, sizeof *self);

    self->n = self->n_all = n;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    return self;
}

void
joint_free(struct joint *self)
{
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* With the lock held. */
static void
refuse(struct joint *self, const struct engine *engine, const struct err *why)
{
    if (self->is_refused)
        return;
    self->is_refused = true;
    self->refused = engine;
    self->why = *why;
    pthread_cond_broadcast(&self->changed);
}

/* With the lock held: a moment, or until something has changed. Refuses who is late, but for those
 * whom joint_last() holds to their word. */
static void
wait_a_moment(struct joint *self, const struct engine *engine, int64_t end_ns)
{
    int64_t at_ns = clock_real_ns() + 10 * NS_PER_MS;
    struct timespec at = {at_ns / NS_PER_S, at_ns % NS_PER_S};
    struct err late = {0};

    pthread_cond_timedwait(&self->changed, &self->lock, &at);
    if (self->is_held)
        return;
    if (engine && engine_state(engine) != ENGINE_RUNNING)
        err_set(&late, "HDE-R054", "the graph ended while it was changed");
    else if (clock_mono_ns() > end_ns + grace_ns)
        err_set(&late, "HDE-R054", "the other parts are not ready in time: the old graph runs on");
    if (err_is_set(&late))
        refuse(self, engine, &late);
}

/* With the lock held. */
static void
meet(struct joint *self)
{
    if (self->n_agreed < self->n || self->is_refused)
        return;
    self->n_agreed = 0;
    self->n_met++;
    self->is_held = false;
    pthread_cond_broadcast(&self->changed);
}

bool
joint_agree(struct joint *self, const struct engine *engine, bool agrees, int64_t end_ns,
            const struct err *why)
{
    size_t round;
    bool ok;

    pthread_mutex_lock(&self->lock);
    round = self->n_met;
    if (agrees) {
        self->n_agreed++;
        meet(self);
    } else {
        refuse(self, engine, why);
    }
    pthread_cond_broadcast(&self->changed); /* joint_last() */
    while (self->n_met == round && !self->is_refused)
        wait_a_moment(self, engine, end_ns);
    ok = self->n_met > round;
    pthread_mutex_unlock(&self->lock);
    return ok;
}

bool
joint_last(struct joint *self, int64_t end_ns)
{
    bool ok;

    pthread_mutex_lock(&self->lock);
    while (self->n_agreed + 1 < self->n && !self->is_refused)
        wait_a_moment(self, NULL, end_ns);
    ok = self->is_held = !self->is_refused;
    pthread_mutex_unlock(&self->lock);
    return ok;
}

void
joint_leave(struct joint *self)
{
    pthread_mutex_lock(&self->lock);
    self->n--;
    if (self->n)
        meet(self);
    pthread_mutex_unlock(&self->lock);
}

bool
joint_turn(struct joint *self, const struct engine *engine, size_t place, int64_t end_ns)
{
    bool ok;

    pthread_mutex_lock(&self->lock);
    while (self->n_turns < place && !self->is_refused)
        wait_a_moment(self, engine, end_ns);
    ok = !self->is_refused;
    pthread_mutex_unlock(&self->lock);
    return ok;
}

void
joint_next(struct joint *self)
{
    pthread_mutex_lock(&self->lock);
    self->n_turns++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

void
joint_refuse(struct joint *self, const struct engine *engine, const struct err *why)
{
    pthread_mutex_lock(&self->lock);
    refuse(self, engine, why);
    pthread_mutex_unlock(&self->lock);
}

void
joint_over(struct joint *self)
{
    pthread_mutex_lock(&self->lock);
    self->n_over++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

void
joint_wait(struct joint *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->n_over < self->n_all)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

bool
joint_refused(const struct joint *self, const struct engine **who, struct err *why)
{
    *who = self->refused;
    *why = self->why;
    return self->is_refused;
}
