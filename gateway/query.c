/* SPDX-License-Identifier: Apache-2.0
 * query - what the routes ask: the newest of a feed, and what was stored of it.
 *
 *  (1) What was read is shared under a key that holds the ticks of the store's sinks, which every
 *      commit of one raises. A commit that raises none, of another program, is seen by SQLite's own
 *      counter (PostgreSQL has none), and until the next one of a sink nothing is taken from the
 *      cache or put there; who was not looking meanwhile sees it when the value ends.
 *      [tests/gateway/cache_test.c] */
#include "query.h"

#include "history.h"
#include "json.h"

#include <hde/schemas/market.pb-c.h>
#include <hde/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CACHE_TTL_MS = 30000 };

struct store {
    struct history *history;
    uint64_t seen_version, seen_ticks; /* when it was looked at last; 0: not yet */
    bool is_foreign;                   /* the last commit was not of a sink */
};

void
query_open_store(struct query *query, const char *address)
{
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        hde_no_memory();
    store->history = history_new(address);
    query->store = store;
}

void
query_close_store(struct query *query)
{
    struct store *store = query->store;

    if (!store)
        return;
    history_free(store->history);
    free(store);
    query->store = NULL;
}

/* True: there is a connection. False: history_trouble() says why not. */
static bool
connect_store(struct store *store)
{
    bool fresh, good = history_connect(store->history, &fresh);

    if (fresh)
        store->seen_version = store->seen_ticks = 0;
    return good;
}

uint64_t
query_store_version(struct query *query)
{
    struct store *store = query->store;

    return store && connect_store(store) ? history_version(store->history) : 0;
}

struct reading {
    struct store *store;
    struct history_range range; /* limit: one more than is shown, to know whether there are more */
};

/* ---- What others have read already --------------------------------------------------------- */

/* Whether what is read now may be shared; then store->seen_ticks is its version. */
static bool
may_share(struct store *store)
{
    uint64_t version = history_version(store->history), ticks = history_ticks(store->history);

    if (store->seen_version && version != store->seen_version)
        store->is_foreign = ticks == store->seen_ticks;
    store->seen_version = version;
    store->seen_ticks = ticks;
    return ticks && !store->is_foreign;
}

static bool
build_pcr(void *user, hde_text *out, char *error)
{
    const struct reading *reading = user;
    struct pcr_series series = {.point = calloc(reading->range.limit, sizeof *series.point)};
    bool good;

    if (!series.point)
        hde_no_memory();
    good = history_pcr(reading->store->history, &reading->range, &series);
    hde_text_put(out, (const char *)series.point, series.n * sizeof *series.point);
    snprintf(error, 256, "%.255s", good ? "" : history_trouble(reading->store->history));
    free(series.point);
    return good;
}

static void
print_key(const struct reading *reading, char out[CACHE_KEY])
{
    const struct history_range *range = &reading->range;

    snprintf(out, CACHE_KEY, "pcr2:{%s}:%s:%s:%lld:%lld:%lld:%zu:%s:%llx", range->feed,
             range->expiry, interval_names[range->interval], (long long)range->from_ns,
             (long long)range->to_ns, (long long)range->after_ns, range->limit,
             history_identity(reading->store->history),
             (unsigned long long)reading->store->seen_ticks);
}

/* The points as whoever read them first has read them. */
static bool
read_shared(struct cache *cache, struct reading *reading, struct pcr_series *out)
{
    const struct cache_value *value;
    char key[CACHE_KEY], error[256];

    if (!cache || !may_share(reading->store))
        return history_pcr(reading->store->history, &reading->range, out);
    print_key(reading, key);
    value = cached(cache, key, CACHE_TTL_MS, build_pcr, reading, error);
    if (!value)
        return false;
    out->n = value->size / sizeof *out->point;
    if (out->n > reading->range.limit)
        out->n = reading->range.limit;
    memcpy(out->point, value->bytes, out->n * sizeof *out->point);
    cache_drop(value);
    return true;
}

/* The newest chain as a point of its bucket; false if it has none of the numbers. */
static bool
live_point(const struct snapshot *now, int64_t width_ns, struct pcr_point *point)
{
    const hde_msg *msg = now->msg[LIVE_ENRICHED];
    const Hde__EnrichedChain *chain = msg ? (const Hde__EnrichedChain *)msg->body : NULL;
    const Hde__Pcr *pcr = chain && chain->metrics ? chain->metrics->pcr : NULL;

    if (!chain || !chain->raw || !pcr)
        return false;
    *point = (struct pcr_point){
        .event_ns = chain->raw->has_event_ns ? chain->raw->event_ns : msg->event_ns,
        .oi = FIELD(pcr, oi),
        .volume = FIELD(pcr, volume),
        .oi_change = FIELD(pcr, oi_change),
        .spot = FIELD(chain->raw, spot),
    };
    point->event_ns -= point->event_ns % width_ns;
    return true;
}

bool
query_pcr(struct query *query, const char *feed, const struct snapshot *now,
          const struct query_range *range, struct pcr_series *out, char *error, size_t error_size)
{
    struct store *store = query->store;
    const int64_t width_ns = interval_ns[range->interval];
    const int64_t from_ns = range->from_ns - range->from_ns % width_ns; /* the bucket it is in */
    const size_t limit = range->limit;
    struct reading reading = {store,
                              {feed, now->expiry, from_ns, range->to_ns, range->after_ns,
                               range->interval, limit + 1}};
    struct pcr_point live;
    bool good = true;

    *out = (struct pcr_series){.point = calloc(limit + 2, sizeof *out->point)};
    if (!out->point)
        hde_no_memory();
    if (store && connect_store(store))
        good = read_shared(query->cache, &reading, out);
    else if (store)
        good = history_is_not_written_yet(store->history);
    if (!good) {
        snprintf(error, error_size, "%s", history_trouble(store->history));
        free(out->point);
        out->point = NULL;
        return false;
    }
    out->from_store = out->n > 0;
    if (live_point(now, width_ns, &live) && live.event_ns >= from_ns &&
        live.event_ns <= range->to_ns && live.event_ns > range->after_ns &&
        (out->n == 0 || live.event_ns > out->point[out->n - 1].event_ns))
        out->point[out->n++] = live;
    if (out->n > limit) {
        out->has_more = true;
        out->n = limit;
    }
    return true;
}
