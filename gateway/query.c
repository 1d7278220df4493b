/* SPDX-License-Identifier: Apache-2.0
 * query - what the routes ask: the newest of a feed, and what was stored of it.
 *
 * The store is a file that another node writes. It may not be there yet when the gateway starts,
 * so it is opened when it is first asked for, and asked for again at most once a second. */
#include "query.h"

#include "json.h"

#include <connectors/sqlite.h>

#include <hde/schemas/market.pb-c.h>
#include <hde/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUSY_MS = 50 }; /* a reader in WAL mode waits for nobody; this covers checkpoints */

struct store {
    char *path;
    struct sqlite *db;           /* NULL: not open */
    sqlite3_stmt *version, *pcr; /* of db */
    struct timespec last_try;    /* monotonic */
    struct sqlite_error trouble; /* of the last try */
};

void
query_open_store(struct query *query, const char *path)
{
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        hde_no_memory();
    store->path = strdup(path);
    if (!store->path)
        hde_no_memory();
    query->store = store;
}

void
query_close_store(struct query *query)
{
    struct store *store = query->store;

    if (!store)
        return;
    sqlite_close(store->db);
    free(store->path);
    free(store);
    query->store = NULL;
}

static bool
prepare(struct store *store)
{
    static const char pcr[] =
        "SELECT event_ns, pcr_oi, pcr_volume, pcr_oi_change, spot FROM chain_metrics "
        "WHERE feed = ?1 AND expiry = ?2 AND event_ns BETWEEN ?3 AND ?4 AND event_ns > ?5 "
        "ORDER BY event_ns LIMIT ?6";

    store->version = sqlite_prepare(store->db, "PRAGMA data_version", &store->trouble);
    store->pcr = store->version ? sqlite_prepare(store->db, pcr, &store->trouble) : NULL;
    return store->pcr != NULL;
}

/* True: there is a connection. False: store->trouble says why not. */
static bool
connect_store(struct store *store)
{
    struct sqlite_options options = {.read_only = true, .busy_ms = BUSY_MS};
    struct timespec now;

    if (store->db)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == store->last_try.tv_sec)
        return false;
    store->last_try = now;
    store->trouble = (struct sqlite_error){0};
    store->db = sqlite_open(store->path, &options, &store->trouble);
    if (!store->db)
        return false;
    if (sqlite_migrate(store->db, sqlite_migrations, &store->trouble) && prepare(store))
        return true;
    sqlite_close(store->db);
    store->db = NULL;
    return false;
}

/* The writer has not been there yet: an empty history, not a fault. */
static bool
is_not_written_yet(const struct store *store)
{
    return store->trouble.kind == SQLITE_TROUBLE_ABSENT ||
           store->trouble.kind == SQLITE_TROUBLE_OLDER;
}

uint64_t
query_store_version(struct query *query)
{
    struct store *store = query->store;
    uint64_t version = 0;

    if (!store || !connect_store(store))
        return 0;
    if (sqlite_step(store->db, store->version, &store->trouble) == 1)
        version = (uint64_t)sqlite3_column_int64(store->version, 0);
    sqlite3_reset(store->version);
    return version;
}

static void
push(struct pcr_series *series, const struct pcr_point *point)
{
    series->point[series->n++] = *point;
}

/* Reads at most limit + 1 points, to know whether there are more. */
static bool
read_pcr(struct store *store, const char *feed, const char *expiry, int64_t from_ns, int64_t to_ns,
         int64_t after_ns, size_t limit, struct pcr_series *out)
{
    sqlite3_stmt *stmt = store->pcr;
    int got;

    sqlite_bind_text(stmt, 1, feed);
    sqlite_bind_text(stmt, 2, expiry);
    sqlite_bind_integer(stmt, 3, from_ns);
    sqlite_bind_integer(stmt, 4, to_ns);
    sqlite_bind_integer(stmt, 5, after_ns);
    sqlite_bind_integer(stmt, 6, (int64_t)limit + 1);
    while ((got = sqlite_step(store->db, stmt, &store->trouble)) == 1) {
        struct pcr_point point = {
            .event_ns = sqlite3_column_int64(stmt, 0),
            .oi = sqlite_real(stmt, 1),
            .volume = sqlite_real(stmt, 2),
            .oi_change = sqlite_real(stmt, 3),
            .spot = sqlite_real(stmt, 4),
        };

        push(out, &point);
    }
    sqlite3_reset(stmt);
    return got == 0;
}

/* The newest chain as a point; false if it has none of the numbers. */
static bool
live_point(const struct snapshot *now, struct pcr_point *point)
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
    return true;
}

bool
query_pcr(struct query *query, const char *feed, const struct snapshot *now, int64_t from_ns,
          int64_t to_ns, int64_t after_ns, size_t limit, struct pcr_series *out, char *error,
          size_t error_size)
{
    struct store *store = query->store;
    struct pcr_point live;
    bool good = true;

    *out = (struct pcr_series){.point = calloc(limit + 2, sizeof *out->point)};
    if (!out->point)
        hde_no_memory();
    if (store && connect_store(store))
        good = read_pcr(store, feed, now->expiry, from_ns, to_ns, after_ns, limit, out);
    else if (store)
        good = is_not_written_yet(store);
    if (!good) {
        snprintf(error, error_size, "%s", store->trouble.text);
        free(out->point);
        out->point = NULL;
        return false;
    }
    out->from_store = out->n > 0;
    if (live_point(now, &live) && live.event_ns >= from_ns && live.event_ns <= to_ns &&
        live.event_ns > after_ns &&
        (out->n == 0 || live.event_ns > out->point[out->n - 1].event_ns))
        push(out, &live);
    if (out->n > limit) {
        out->has_more = true;
        out->n = limit;
    }
    return true;
}
