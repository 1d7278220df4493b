/* SPDX-License-Identifier: Apache-2.0
 * view - what a route's function sees while it writes the "data" of one answer. */
#ifndef GATEWAY_VIEW_H
#define GATEWAY_VIEW_H

#include "ask.h"
#include "json.h"
#include "query.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>

enum { VIEW_MISSING = 48 };

struct view {
    const struct ask *ask;
    struct query *query;
    struct problem *problem;
    struct json json;                /* data goes here */
    struct live_feed feed;           /* routes with a symbol */
    const struct snapshot *snapshot; /* SERIES: the newest of the expiry */
    int64_t now_ns;                  /* since 1970, for ages */
    /* for meta */
    int64_t as_of_ns; /* newest event time in the answer, INT64_MIN: none */
    int64_t received_ns;
    size_t count;
    const char *source; /* "live" or "history" */
    const char *missing[VIEW_MISSING];
    size_t n_missing;
    bool has_next; /* more rows follow behind next_after */
    int64_t next_after;
};

/* Names a field that is null because nothing computes it in this graph. */
void view_missing(struct view *view, const char *field);

/* The answer is as new as the newest of its chains; raw may be NULL. */
void view_note_time(struct view *view, const Hde__RawChain *raw);

/* What the newest messages of one expiry say; NULL where nothing came. */
struct chain_view {
    const char *expiry;
    const Hde__EnrichedChain *enriched;
    const Hde__RawChain *raw;
    const Hde__Forward *forward;
    const Hde__ModelColumns *call_model, *put_model;
    const Hde__ChainMetrics *metrics;
    const Hde__CumulativeOi *cumulative_oi;
    const Hde__Velocity *velocity;
    const Hde__Buildup *buildup;
    const Hde__Zones *zones;
    size_t n_strikes;
    size_t atm; /* index of the strike nearest to forward, future or spot; n_strikes: unknown */
};

void chain_view_init(struct chain_view *chain, const struct snapshot *snapshot);
double chain_view_atm_strike(const struct chain_view *chain); /* NaN: unknown */

/* Which strikes of a chain were asked for. */
struct selection {
    size_t first, end;      /* indices to walk; of a list all of them */
    const struct ask *list; /* NULL: no list */
};

/* False: a strike of the list is not in the chain. */
bool select_strikes(struct selection *selection, struct view *view, const struct chain_view *chain);
bool selection_has(const struct selection *selection, double strike);

/* Entry i of a column that is empty or has n entries; NaN otherwise. */
static inline double
column_at(const double *column, size_t n_column, size_t n, size_t i)
{
    return n_column == n ? column[i] : NAN;
}
#define COLUMN(side, field, n, i)                                                                  \
    ((side) ? column_at((side)->field, (side)->n_##field, (n), (i)) : NAN)

/* Open interest against the previous day's close; from prev_oi where the feed gives only that. */
double oi_change_at(const Hde__Quotes *quotes, size_t n, size_t i);

/* Index of strike in ascending strikes, n if it is not there. */
size_t find_strike(const double *strikes, size_t n, double strike);

#endif
