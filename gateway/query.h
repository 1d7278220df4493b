/* SPDX-License-Identifier: Apache-2.0
 * query - what the routes ask: the newest of a feed, and what was stored of it.
 *
 * The one place that knows where an answer comes from: the live messages of this process, or the
 * store that the graph writes. Used by the HTTP thread alone. */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include "ask.h"
#include "live.h"

#include <connectors/cache.h>

struct store; /* see query.c */

struct query {
    struct live *live;
    struct store *store; /* NULL: no history */
    struct cache *cache; /* of what was read from the store, shared with others; NULL: none */
};

/* The put/call ratios of one stored chain, or of the last one of a bucket, which is named by its
 * begin; NaN where absent. */
struct pcr_point {
    int64_t event_ns;
    double oi, volume, oi_change, spot;
};

struct pcr_series {
    struct pcr_point *point; /* ascending in time; free() */
    size_t n;
    bool has_more; /* the range holds more than limit */
    bool from_store;
};

/* address: of a store that the graph writes (history.h), perhaps later: it may not exist yet. */
void query_open_store(struct query *query, const char *address);
void query_close_store(struct query *query);

/* Grows when somebody commits to the store; 0 without a store. */
uint64_t query_store_version(struct query *query);
struct query_range {
    int64_t from_ns, to_ns, after_ns; /* from <= time <= to, after < time */
    enum interval interval;
    size_t limit;
};

/* Points of the range; where rows are gone, those of five minutes stand for them. The live point
 * ends the series where the store does not have it yet. False: the store failed, why in error. */
bool query_pcr(struct query *query, const char *feed, const struct snapshot *now,
               const struct query_range *range, struct pcr_series *out, char *error,
               size_t error_size);

#endif
