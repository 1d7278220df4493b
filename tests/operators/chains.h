/* SPDX-License-Identifier: Apache-2.0
 * chains - small chains for tests of operators that take them. */
#ifndef OPERATORS_CHAINS_H
#define OPERATORS_CHAINS_H

#include "check.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/testing.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)
/* 2026-08-19 09:15 in India, the open of a session. */
#define OPEN_NS INT64_C(1787111100000000000)
#define U NAN /* unknown */

/* A RawChain of NSE:TEST@test, expiry 2026-08-25, session 2026-08-19 (day 0) or the days after;
 * strikes 100, 110, ... */
static inline hde_msg *
chain_new(hde_harness *h, int day, int64_t after_open_ns, size_t n)
{
    static const char *const sessions[] = {"2026-08-19", "2026-08-20", "2026-08-21",
                                           "2026-08-22", "2026-08-23"};
    hde_msg *msg = hde_harness_new(h, &hde__raw_chain__descriptor);
    Hde__RawChain *raw = (Hde__RawChain *)msg->body;

    msg->event_ns = OPEN_NS + day * DAY + after_open_ns;
    raw->feed = hde_msg_text(msg, "NSE:TEST@test");
    raw->expiry = hde_msg_text(msg, "2026-08-25");
    raw->venue = hde_msg_text(msg, "NSE");
    raw->underlying = hde_msg_text(msg, "TEST");
    raw->source = hde_msg_text(msg, "test");
    raw->session = hde_msg_text(msg, sessions[day]);
    raw->has_event_ns = raw->has_session_open_ns = raw->has_spot = true;
    raw->event_ns = msg->event_ns;
    raw->session_open_ns = OPEN_NS + day * DAY;
    raw->spot = 104;
    raw->n_strike = n;
    raw->strike = hde_msg_doubles(msg, n);
    for (size_t i = 0; i < n; i++)
        raw->strike[i] = 100 + 10 * (double)i;
    hde_msg_edit(msg, &raw->calls, &hde__quotes__descriptor);
    hde_msg_edit(msg, &raw->puts, &hde__quotes__descriptor);
    return msg;
}

static inline Hde__RawChain *
raw_of(hde_msg *msg)
{
    return (Hde__RawChain *)msg->body;
}

/* A copy of values as a column of the message. */
static inline double *
column_of(hde_msg *msg, size_t n, const double *values)
{
    double *column = hde_msg_doubles(msg, n);

    if (n)
        memcpy(column, values, n * sizeof *values);
    return column;
}

/* CALLS(msg, oi, 10, 20, U): a column of the calls. */
#define COLUMN(msg, side, field, ...)                                                              \
    (raw_of(msg)->side->n_##field = sizeof((double[]){__VA_ARGS__}) / sizeof(double),              \
     raw_of(msg)->side->field =                                                                    \
         column_of(msg, raw_of(msg)->side->n_##field, (double[]){__VA_ARGS__}))
#define CALLS(msg, field, ...) COLUMN(msg, calls, field, __VA_ARGS__)
#define PUTS(msg, field, ...) COLUMN(msg, puts, field, __VA_ARGS__)

/* A column of any sub-message of the message. */
#define CHAIN_COLUMN(msg, side, field, n, values)                                                  \
    ((side)->n_##field = (n), (side)->field = column_of(msg, n, values))

static inline void
chain_flag(hde_msg *msg, Hde__ChainFlag flag)
{
    raw_of(msg)->flags = hde_msg_alloc(msg, sizeof flag);
    raw_of(msg)->flags[0] = flag;
    raw_of(msg)->n_flags = 1;
}

/* Fails with both numbers; NaN equals NaN. */
#define assert_number(got, want)                                                                   \
    do {                                                                                           \
        double got_ = (got), want_ = (want);                                                       \
                                                                                                   \
        if (!(isnan(got_) && isnan(want_)) && !(fabs(got_ - want_) <= 1e-12 * fabs(want_)))        \
            fail_msg("%s is %.17g, not %.17g", #got, got_, want_);                                 \
    } while (0)

#define assert_column(got, n_got, ...)                                                             \
    do {                                                                                           \
        static const double wanted_[] = {__VA_ARGS__};                                             \
                                                                                                   \
        assert_int_equal(n_got, sizeof wanted_ / sizeof *wanted_);                                 \
        for (size_t i_ = 0; i_ < sizeof wanted_ / sizeof *wanted_; i_++)                           \
            assert_number((got)[i_], wanted_[i_]);                                                 \
    } while (0)

/* Pushes and expects that batch() was content. */
static inline void
push(hde_harness *h, const char *port, hde_msg *msg)
{
    if (hde_harness_push(h, port, msg) != HDE_OK)
        fail_msg("%s", hde_harness_said(h));
}

#endif
