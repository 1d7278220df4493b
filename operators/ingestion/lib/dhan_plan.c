/* SPDX-License-Identifier: Apache-2.0
 * dhan_plan - which request is due when: expiry lists, chains, limits and pauses. */
#include "dhan_plan.h"

#include <math.h>
#include <string.h>

#define MS INT64_C(1000000)
#define LONGEST_WAIT (3600 * WHEN_SECOND)

void
plan_start(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->n; i++) {
        plan->underlying[i].n = 0;
        plan->underlying[i].last_spot = NAN;
        plan->underlying[i].list =
            (struct plan_job){.is_list = true, .underlying = i, .due_ns = INT64_MIN};
    }
    plan->free_ns = INT64_MIN;
    plan->limited = 0;
}

/* (3): true when another session has opened. */
static bool
enter_session(struct plan *plan, int64_t now_ns)
{
    struct session session;

    if (!calendar_session(plan->calendar, now_ns, &session) || now_ns < session.open_ns ||
        (plan->has_session && session.day == plan->session.day))
        return false;
    plan_start(plan);
    plan->has_session = true;
    plan->session = session;
    return true;
}

bool
plan_is_open(const struct plan *plan, int64_t now_ns)
{
    return plan->always || (plan->has_session && now_ns >= plan->session.open_ns &&
                            now_ns <= plan->session.close_ns);
}

/* (5) */
static bool
drop_passed(struct plan_underlying *u, int64_t now_ns)
{
    size_t kept = 0;

    for (size_t i = 0; i < u->n; i++)
        if (u->chain[i].expiry_ns > now_ns)
            u->chain[kept++] = u->chain[i];
    if (kept == u->n)
        return false;
    u->n = kept;
    u->list.due_ns = now_ns < u->list.due_ns ? now_ns : u->list.due_ns;
    return true;
}

static int64_t
clamp_wait(int64_t ns)
{
    return ns < MS ? MS : ns < LONGEST_WAIT ? ns : LONGEST_WAIT;
}

static int64_t
until_open(const struct plan *plan, int64_t now_ns)
{
    struct session next;

    return calendar_next_open(plan->calendar, now_ns, &next) ? next.open_ns - now_ns : LONGEST_WAIT;
}

/* The earliest; lists first, so that a day begins with its expiries. */
static struct plan_job *
earliest(struct plan *plan)
{
    struct plan_job *best = NULL;

    for (size_t i = 0; i < plan->n; i++)
        if (!best || plan->underlying[i].list.due_ns < best->due_ns)
            best = &plan->underlying[i].list;
    for (size_t i = 0; i < plan->n; i++)
        for (size_t j = 0; j < plan->underlying[i].n; j++)
            if (plan->underlying[i].chain[j].due_ns < best->due_ns)
                best = &plan->underlying[i].chain[j];
    return best;
}

struct plan_job *
plan_next(struct plan *plan, int64_t now_ns, int64_t *wait_ns, unsigned *news)
{
    struct plan_job *job;
    int64_t at;

    *news = enter_session(plan, now_ns) ? PLAN_NEW_SESSION : 0;
    if (!plan_is_open(plan, now_ns)) { /* (2) */
        *wait_ns = clamp_wait(until_open(plan, now_ns));
        return NULL;
    }
    for (size_t i = 0; i < plan->n; i++)
        if (drop_passed(&plan->underlying[i], now_ns))
            *news |= PLAN_DROPPED;
    job = earliest(plan);
    if (!job) {
        *wait_ns = LONGEST_WAIT;
        return NULL;
    }
    at = job->due_ns > plan->free_ns ? job->due_ns : plan->free_ns;
    if (at <= now_ns)
        return job;
    *wait_ns = clamp_wait(at - now_ns);
    return NULL;
}

void
plan_sent(struct plan *plan, struct plan_job *job, int64_t now_ns)
{
    plan->free_ns = now_ns + plan->spacing_ns;
    job->due_ns = now_ns + plan->interval_ns;
}

/* first, doubled `times` times, at most max */
static int64_t
doubled(int64_t first, int64_t max, uint32_t times)
{
    while (times-- > 0 && first < max)
        first *= 2;
    return first < max ? first : max;
}

void
plan_succeeded(struct plan *plan, struct plan_job *job, int64_t now_ns)
{
    job->failures = 0;
    plan->limited = 0;
    if (job->is_list)
        job->due_ns = now_ns + plan->refresh_ns;
}

void
plan_failed(struct plan *plan, struct plan_job *job, int64_t now_ns)
{
    int64_t pause = doubled(plan->first_pause_ns, plan->max_pause_ns, job->failures++);
    int64_t at = now_ns + (pause > plan->interval_ns ? pause : plan->interval_ns);

    job->due_ns = at > job->due_ns ? at : job->due_ns;
}

void
plan_limited(struct plan *plan, struct plan_job *job, int64_t now_ns, int64_t pause_ns)
{
    int64_t own = doubled(plan->first_pause_ns, plan->max_pause_ns, plan->limited++);
    int64_t at = now_ns + (pause_ns > own ? pause_ns : own);

    plan->free_ns = at > plan->free_ns ? at : plan->free_ns;
    job->failures++;
    job->due_ns = at > job->due_ns ? at : job->due_ns;
}

static void
resume_job(const struct plan *plan, struct plan_job *job, int64_t now_ns)
{
    if (job->failures > 0 && job->due_ns > now_ns + plan->interval_ns)
        job->due_ns = now_ns + plan->interval_ns;
}

void
plan_resume(struct plan *plan, int64_t now_ns)
{
    plan->free_ns = now_ns;
    plan->limited = 0;
    for (size_t i = 0; i < plan->n; i++) {
        resume_job(plan, &plan->underlying[i].list, now_ns);
        for (size_t j = 0; j < plan->underlying[i].n; j++)
            resume_job(plan, &plan->underlying[i].chain[j], now_ns);
    }
}

size_t
plan_set_expiries(struct plan *plan, uint32_t underlying, const int32_t *days, size_t n,
                  int64_t now_ns)
{
    struct plan_underlying *u = &plan->underlying[underlying];
    struct plan_job next[PLAN_EXPIRIES];
    size_t kept = 0;

    for (size_t i = 0; i < n && kept < plan->expiries && kept < PLAN_EXPIRIES; i++) {
        struct plan_job job = {.underlying = underlying, .expiry = days[i], .due_ns = now_ns};

        if (!calendar_expiry(plan->calendar, days[i], &job.expiry_ns))
            job.expiry_ns =
                when_midnight(days[i] + 1, calendar_offset(plan->calendar)); /* of that day */
        if (job.expiry_ns <= now_ns)
            continue;
        for (size_t j = 0; j < u->n; j++)
            if (u->chain[j].expiry == days[i])
                job = u->chain[j];
        next[kept++] = job;
    }
    memcpy(u->chain, next, kept * sizeof *next);
    u->n = kept;
    return kept;
}

void
plan_refresh(struct plan *plan, uint32_t underlying, int64_t now_ns)
{
    plan->underlying[underlying].list.due_ns = now_ns;
}
