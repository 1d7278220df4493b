/* SPDX-License-Identifier: Apache-2.0
 * history - the store that the graph writes, as routes read it. */
#include "history.h"

#include "ask.h"

#include <connectors/postgres.h>
#include <connectors/sqlite.h>
#include <hde/text.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A reader of SQLite in WAL mode waits for nobody, BUSY_MS covers checkpoints. A server that does
 * not answer holds up the requests of this thread, once a second for so long. */
enum { BUSY_MS = 50, CONNECT_MS = 500, STATEMENT_MS = 2000 };

struct history {
    char *address;
    bool is_postgres;
    struct sqlite *db;                   /* NULL: not open */
    sqlite3_stmt *version, *ticks, *pcr[INTERVALS]; /* of db */
    struct pg *pg;                       /* of PostgreSQL, always there */
    bool is_up;                          /* it was, when it was used last */
    char identity[360];
    struct timespec last_try; /* monotonic */
    struct sqlite_error trouble;
    struct pg_error pg_trouble;
};

/* One text for both; $n is a parameter of both. Rows, and rollups where their rows are gone. */
#define RATIOS "pcr_oi, pcr_volume, pcr_oi_change, "
#define WITHIN(time)                                                                               \
    " WHERE feed = $1 AND expiry = $2 AND " time " BETWEEN $3 AND $4 AND " time " > $5 "
#define ROLLUP(table) "SELECT bucket_ns, " RATIOS "spot_close FROM " table WITHIN("bucket_ns")
#define IN_ORDER "ORDER BY 1 LIMIT $6"
static const char *const select_pcr[INTERVALS] = {
    [INTERVAL_RAW] = "SELECT event_ns, " RATIOS "spot FROM chain_metrics" WITHIN("event_ns")
                     "UNION ALL " ROLLUP("chain_metrics_5m")
                     "AND bucket_ns < (SELECT rows_from_ns FROM hde_keep) " IN_ORDER,
    [INTERVAL_5M] = ROLLUP("chain_metrics_5m") IN_ORDER,
    [INTERVAL_15M] = ROLLUP("chain_metrics_15m") IN_ORDER,
    [INTERVAL_1H] = ROLLUP("chain_metrics_1h") IN_ORDER,
};

struct history *
history_new(const char *address)
{
    struct history *self = calloc(1, sizeof *self);

    if (!self || !(self->address = strdup(address)))
        hde_no_memory();
    self->is_postgres = strstr(address, "://") || strchr(address, '=');
    if (self->is_postgres)
        self->pg = pg_new(&(struct pg_options){.address = self->address,
                                               .connect_ms = CONNECT_MS,
                                               .statement_ms = STATEMENT_MS,
                                               .read_only = true});
    return self;
}

void
history_free(struct history *self)
{
    if (!self)
        return;
    sqlite_close(self->db);
    pg_close(self->pg);
    free(self->address);
    free(self);
}

const char *
history_trouble(const struct history *self)
{
    return self->is_postgres ? self->pg_trouble.text : self->trouble.text;
}

bool
history_is_not_written_yet(const struct history *self)
{
    return self->is_postgres ? self->pg_trouble.kind == PG_TROUBLE_OLDER
                             : self->trouble.kind == SQLITE_TROUBLE_ABSENT ||
                                   self->trouble.kind == SQLITE_TROUBLE_OLDER;
}

const char *
history_identity(const struct history *self)
{
    return self->identity;
}

/* ---- Connect ------------------------------------------------------------------------------- */

static bool
prepare(struct history *self)
{
    self->version = sqlite_prepare(self->db, "PRAGMA data_version", &self->trouble);
    self->ticks = sqlite_prepare(self->db,
                                 "SELECT group_concat(graph || ' ' || node || ' ' || tick) FROM "
                                 "(SELECT * FROM hde_marks ORDER BY graph, node)",
                                 &self->trouble);
    for (int i = 0; i < INTERVALS; i++)
        if (!(self->pcr[i] = sqlite_prepare(self->db, select_pcr[i], &self->trouble)))
            return false;
    return self->version && self->ticks;
}

static void
identify_file(struct history *self)
{
    struct stat file = {0};
    char host[65] = "";

    gethostname(host, sizeof host - 1);
    stat(self->address, &file);
    snprintf(self->identity, sizeof self->identity, "%s:%llx:%llx", host,
             (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
}

static bool
open_file(struct history *self)
{
    const struct sqlite_options options = {.read_only = true, .busy_ms = BUSY_MS};

    self->trouble = (struct sqlite_error){0};
    self->db = sqlite_open(self->address, &options, &self->trouble);
    if (!self->db)
        return false;
    identify_file(self);
    if (sqlite_migrate(self->db, sqlite_migrations, &self->trouble) && prepare(self))
        return true;
    sqlite_close(self->db);
    self->db = NULL;
    return false;
}

static bool
open_session(struct history *self)
{
    bool fresh;

    self->pg_trouble = (struct pg_error){0};
    if (!pg_reach(self->pg, &fresh, &self->pg_trouble))
        return false;
    snprintf(self->identity, sizeof self->identity, "%s", pg_where(self->pg));
    if (!fresh || pg_migrate(self->pg, postgres_migrations, &self->pg_trouble))
        return true;
    pg_part(self->pg);
    return false;
}

bool
history_connect(struct history *self, bool *fresh)
{
    struct timespec now;

    *fresh = false;
    if (self->is_postgres ? self->is_up : self->db != NULL)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == self->last_try.tv_sec)
        return false;
    self->last_try = now;
    *fresh = self->is_up = self->is_postgres ? open_session(self) : open_file(self);
    return *fresh;
}

/* ---- Questions ----------------------------------------------------------------------------- */

/* A question to PostgreSQL; one that fails for want of a session gives it up. */
static PGresult *
ask_pg(struct history *self, const char *sql, int n, const char *const *params)
{
    PGresult *result = pg_query(self->pg, sql, n, params, &self->pg_trouble);

    if (!result && self->pg_trouble.kind == PG_TROUBLE_AWAY)
        self->is_up = false;
    return result;
}

static uint64_t
hash_of(const char *ticks)
{
    return ticks && *ticks ? ask_hash(ASK_HASH_SEED, ticks, strlen(ticks)) | 1 : 0;
}

uint64_t
history_ticks(struct history *self)
{
    static const char sql[] = "SELECT string_agg(graph || ' ' || node || ' ' || tick, ',' "
                              "ORDER BY graph, node) FROM hde_marks";
    uint64_t hash = 0;

    if (self->is_postgres) {
        PGresult *result = ask_pg(self, sql, 0, NULL);

        hash = result ? hash_of(PQgetvalue(result, 0, 0)) : 0;
        PQclear(result);
        return hash;
    }
    if (sqlite_step(self->db, self->ticks, &self->trouble) == 1)
        hash = hash_of((const char *)sqlite3_column_text(self->ticks, 0));
    sqlite3_reset(self->ticks);
    return hash;
}

uint64_t
history_version(struct history *self)
{
    uint64_t version = 0;

    if (self->is_postgres)
        return history_ticks(self);
    if (sqlite_step(self->db, self->version, &self->trouble) == 1)
        version = (uint64_t)sqlite3_column_int64(self->version, 0);
    sqlite3_reset(self->version);
    return version;
}

static double
real_at(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NAN
                                            : strtod(PQgetvalue(result, row, column), NULL);
}

static bool
pcr_of_pg(struct history *self, const struct history_range *range, struct pcr_series *out)
{
    char from[24], to[24], after[24], limit[24];
    const char *const params[] = {range->feed, range->expiry, from, to, after, limit};
    PGresult *result;

    snprintf(from, sizeof from, "%" PRId64, range->from_ns);
    snprintf(to, sizeof to, "%" PRId64, range->to_ns);
    snprintf(after, sizeof after, "%" PRId64, range->after_ns);
    snprintf(limit, sizeof limit, "%zu", range->limit);
    result = ask_pg(self, select_pcr[range->interval], 6, params);
    for (int i = 0; result && i < PQntuples(result); i++)
        out->point[out->n++] = (struct pcr_point){
            .event_ns = strtoll(PQgetvalue(result, i, 0), NULL, 10),
            .oi = real_at(result, i, 1),
            .volume = real_at(result, i, 2),
            .oi_change = real_at(result, i, 3),
            .spot = real_at(result, i, 4),
        };
    PQclear(result);
    return result != NULL;
}

bool
history_pcr(struct history *self, const struct history_range *range, struct pcr_series *out)
{
    sqlite3_stmt *stmt = self->pcr[range->interval];
    int got;

    if (self->is_postgres)
        return pcr_of_pg(self, range, out);
    sqlite_bind_text(stmt, 1, range->feed);
    sqlite_bind_text(stmt, 2, range->expiry);
    sqlite_bind_integer(stmt, 3, range->from_ns);
    sqlite_bind_integer(stmt, 4, range->to_ns);
    sqlite_bind_integer(stmt, 5, range->after_ns);
    sqlite_bind_integer(stmt, 6, (int64_t)range->limit);
    while ((got = sqlite_step(self->db, stmt, &self->trouble)) == 1)
        out->point[out->n++] = (struct pcr_point){
            .event_ns = sqlite3_column_int64(stmt, 0),
            .oi = sqlite_real(stmt, 1),
            .volume = sqlite_real(stmt, 2),
            .oi_change = sqlite_real(stmt, 3),
            .spot = sqlite_real(stmt, 4),
        };
    sqlite3_reset(stmt);
    return got == 0;
}
