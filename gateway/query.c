/* SPDX-License-Identifier: Apache-2.0
 * query - what the routes ask: the newest of a feed, and what was stored of it.
 *
 * The store is a file that another node writes. It may not be there yet when the gateway starts,
 * so it is opened when it is first asked for, and asked for again at most once a second.
 *
 *  (1) What was read is shared under a key that holds the ticks of the store's sinks, which every
 *      commit of one raises. A commit that raises none, of another program, is seen by SQLite's own
 *      counter, and until the next one of a sink nothing is taken from the cache or put there;
 *      who was not looking meanwhile sees it when the value ends. [tests/gateway/cache_test.c] */
#include "query.h"

#include "ask.h"
#include "json.h"

#include <connectors/sqlite.h>

#include <hde/schemas/market.pb-c.h>
#include <hde/text.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_MS = 50 }; /* a reader in WAL mode waits for nobody; this covers checkpoints */
enum { CACHE_TTL_MS = 30000 };

struct store {
    char *path;
    struct sqlite *db;                   /* NULL: not open */
    sqlite3_stmt *version, *ticks, *pcr; /* of db */
    char identity[128];                  /* of the file, for everybody on this Redis */
    uint64_t seen_version, seen_ticks;   /* when it was looked at last; 0: not yet */
    bool is_foreign;                     /* the last commit was not of a sink */
    struct timespec last_try;            /* monotonic */
    struct sqlite_error trouble;         /* of the last try */
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
    store->ticks =
        sqlite_prepare(store->db,
                       "SELECT group_concat(graph || ' ' || node || ' ' || tick) FROM "
                       "(SELECT * FROM hde_marks ORDER BY graph, node)",
                       &store->trouble);
    store->pcr = sqlite_prepare(store->db, pcr, &store->trouble);
    return store->version && store->ticks && store->pcr;
}

/* Which file it is, whatever it is called. */
static void
identify(struct store *store)
{
    struct stat file = {0};
    char host[65] = "";

    gethostname(host, sizeof host - 1);
    stat(store->path, &file);
    snprintf(store->identity, sizeof store->identity, "%s:%llx:%llx", host,
             (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
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
    identify(store);
    store->seen_version = store->seen_ticks = 0;
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

/* Changes with every commit, whoever makes it; counts for this connection alone. */
static uint64_t
version_of(struct store *store)
{
    uint64_t version = 0;

    if (sqlite_step(store->db, store->version, &store->trouble) == 1)
        version = (uint64_t)sqlite3_column_int64(store->version, 0);
    sqlite3_reset(store->version);
    return version;
}

uint64_t
query_store_version(struct query *query)
{
    struct store *store = query->store;

    return store && connect_store(store) ? version_of(store) : 0;
}

static void
push(struct pcr_series *series, const struct pcr_point *point)
{
    series->point[series->n++] = *point;
}

struct reading {
    struct store *store;
    const char *feed, *expiry;
    int64_t from_ns, to_ns, after_ns;
    size_t limit;
};

/* Reads at most limit + 1 points, to know whether there are more. */
static bool
read_pcr(const struct reading *reading, struct pcr_series *out)
{
    struct store *store = reading->store;
    sqlite3_stmt *stmt = store->pcr;
    int got;

    sqlite_bind_text(stmt, 1, reading->feed);
    sqlite_bind_text(stmt, 2, reading->expiry);
    sqlite_bind_integer(stmt, 3, reading->from_ns);
    sqlite_bind_integer(stmt, 4, reading->to_ns);
    sqlite_bind_integer(stmt, 5, reading->after_ns);
    sqlite_bind_integer(stmt, 6, (int64_t)reading->limit + 1);
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

/* ---- What others have read already --------------------------------------------------------- */

/* Of the ticks of all sinks: 0 where none has written. */
static uint64_t
ticks_of(struct store *store)
{
    const char *ticks = NULL;
    uint64_t hash = 0;

    if (sqlite_step(store->db, store->ticks, &store->trouble) == 1)
        ticks = (const char *)sqlite3_column_text(store->ticks, 0);
    if (ticks)
        hash = ask_hash(ASK_HASH_SEED, ticks, strlen(ticks)) | 1;
    sqlite3_reset(store->ticks);
    return hash;
}

/* Whether what is read now may be shared; then store->seen_ticks is its version. */
static bool
may_share(struct store *store)
{
    uint64_t version = version_of(store), ticks = ticks_of(store);

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
    struct pcr_series series = {.point = calloc(reading->limit + 1, sizeof *series.point)};
    bool good;

    if (!series.point)
        hde_no_memory();
    good = read_pcr(reading, &series);
    hde_text_put(out, (const char *)series.point, series.n * sizeof *series.point);
    snprintf(error, 256, "%.255s", good ? "" : reading->store->trouble.text);
    free(series.point);
    return good;
}

static void
print_key(const struct reading *reading, char out[CACHE_KEY])
{
    snprintf(out, CACHE_KEY, "pcr1:{%s}:%s:%lld:%lld:%lld:%zu:%s:%llx", reading->feed,
             reading->expiry, (long long)reading->from_ns, (long long)reading->to_ns,
             (long long)reading->after_ns, reading->limit, reading->store->identity,
             (unsigned long long)reading->store->seen_ticks);
}

/* The points as whoever read them first has read them. */
static bool
read_shared(struct cache *cache, struct reading *reading, struct pcr_series *out)
{
    const struct cache_value *value;
    char key[CACHE_KEY], error[256];

    if (!cache || !may_share(reading->store))
        return read_pcr(reading, out);
    print_key(reading, key);
    value = cached(cache, key, CACHE_TTL_MS, build_pcr, reading, error);
    if (!value)
        return false;
    out->n = value->size / sizeof *out->point;
    if (out->n > reading->limit + 1)
        out->n = reading->limit + 1;
    memcpy(out->point, value->bytes, out->n * sizeof *out->point);
    cache_drop(value);
    return true;
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
    struct reading reading = {store, feed, now->expiry, from_ns, to_ns, after_ns, limit};
    struct pcr_point live;
    bool good = true;

    *out = (struct pcr_series){.point = calloc(limit + 2, sizeof *out->point)};
    if (!out->point)
        hde_no_memory();
    if (store && connect_store(store))
        good = read_shared(query->cache, &reading, out);
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
