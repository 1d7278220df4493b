/* SPDX-License-Identifier: Apache-2.0
 * dhan_plan - which request is due when: expiry lists, chains, limits and pauses. Pure: time comes
 * in as an argument.
 *
 *  (1) Two requests of any kind are at least `spacing` apart; two for the same (underlying,
 *      expiry) at least `interval` apart. What is not due is never sent.
 *  (2) Outside of a session nothing is due, unless the plan was told to go on.
 *  (3) At the open of a session every list is due again and nothing of the day before is left:
 *      expiries, hashes, pauses and failures start anew.
 *  (4) A failed request waits first_pause, doubled with each failure in a row up to max_pause;
 *      the others go on. A limit or a refused token pauses all.
 *  (5) An expiry that has passed is not asked for again. */
#ifndef INGESTION_DHAN_PLAN_H
#define INGESTION_DHAN_PLAN_H

#include "common/calendar.h"

#define PLAN_UNDERLYINGS 16
#define PLAN_EXPIRIES 16

struct plan_job {
    bool is_list;
    uint32_t underlying;
    int32_t expiry;    /* chains */
    int64_t expiry_ns; /* chains; INT64_MAX: the calendar does not know */
    int64_t due_ns;
    uint32_t failures; /* in a row */
    /* What the caller keeps with a chain, cleared at the open of a session. */
    uint64_t hash;
    bool was_stale;
};

struct plan_underlying {
    struct plan_job list;
    size_t n;
    struct plan_job chain[PLAN_EXPIRIES];
    double last_spot; /* the caller's, NaN at the open of a session */
};

struct plan {
    /* Set by the caller before plan_start(). */
    const struct calendar *calendar;
    int64_t interval_ns, spacing_ns, refresh_ns, first_pause_ns, max_pause_ns;
    size_t expiries; /* nearest ones, at most PLAN_EXPIRIES */
    bool always;     /* go on outside of sessions */
    size_t n;
    struct plan_underlying underlying[PLAN_UNDERLYINGS];

    bool has_session;
    struct session session; /* the one that is running or ran last */
    int64_t free_ns;        /* nothing is sent before */
    uint32_t limited;       /* limits in a row */
};

enum plan_news { /* what plan_next() changed; bits */
                 PLAN_NEW_SESSION = 1,
                 PLAN_DROPPED = 2, /* at least one expiry has passed */
};

void plan_start(struct plan *plan);
/* The job that is due, or NULL and how long to wait for the next (at least 1 ms). */
struct plan_job *plan_next(struct plan *plan, int64_t now_ns, int64_t *wait_ns, unsigned *news);
/* True between open and close of the session (always: at any time). */
bool plan_is_open(const struct plan *plan, int64_t now_ns);

/* What a request came to. */
void plan_sent(struct plan *plan, struct plan_job *job, int64_t now_ns);
void plan_succeeded(struct plan *plan, struct plan_job *job, int64_t now_ns);
void plan_failed(struct plan *plan, struct plan_job *job, int64_t now_ns);
/* Everything waits: at least pause_ns, longer with each limit in a row. */
void plan_limited(struct plan *plan, struct plan_job *job, int64_t now_ns, int64_t pause_ns);
/* Ends pauses: what waits is due at most one interval from now. */
void plan_resume(struct plan *plan, int64_t now_ns);
/* New days of an underlying, ascending: keeps jobs that stay, drops the rest. Gives how many
 * expiries there are to ask for. */
size_t plan_set_expiries(struct plan *plan, uint32_t underlying, const int32_t *days, size_t n,
                         int64_t now_ns);
/* The list of an underlying is due now: the service did not know an expiry. */
void plan_refresh(struct plan *plan, uint32_t underlying, int64_t now_ns);

#endif
