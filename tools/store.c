/* SPDX-License-Identifier: Apache-2.0
 * store - a market store of either kind. */
#include "store.h"

#include <hde/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 128 };

const char *const store_tables[] = {
    "option_chain_snapshots", "chain_metrics", "chain_strike_metrics", "analytics_cumulative_oi",
    "analytics_velocity", "analytics_buildup", "analytics_buildup_patterns", "analytics_zones",
    "analytics_zone_events", "chains", "option_chain_5m_kept", "chain_metrics_5m_kept",
    "hde_dirty", "hde_marks", NULL};

/* ---- Errors -------------------------------------------------------------------------------- */

static bool
said_sqlite(struct err *err, const struct sqlite_error *error)
{
    static const char *const codes[] = {
        [SQLITE_TROUBLE_NONE] = "HDE-S015",    [SQLITE_TROUBLE_BUSY] = "HDE-S004",
        [SQLITE_TROUBLE_FULL] = "HDE-S003",    [SQLITE_TROUBLE_CORRUPT] = "HDE-S017",
        [SQLITE_TROUBLE_NEWER] = "HDE-S009",   [SQLITE_TROUBLE_OLDER] = "HDE-S010",
        [SQLITE_TROUBLE_ABSENT] = "HDE-S008",  [SQLITE_TROUBLE_OTHER] = "HDE-S015",
    };

    return err_set(err, codes[error->kind], "%s", error->text);
}

static bool
said_pg(struct err *err, const struct pg_error *error)
{
    return err_set(err, pg_code(error->kind), "%s", error->text);
}

/* ---- Open ---------------------------------------------------------------------------------- */

bool
store_open(struct store *store, const char *address, bool read_only, struct err *err)
{
    struct sqlite_options options = {.read_only = read_only};
    struct sqlite_error error = {0};
    struct pg_error pg_error = {0};
    bool fresh;

    *store = (struct store){0};
    if (strstr(address, "://") || strchr(address, '=')) {
        store->options = (struct pg_options){.address = address, .read_only = read_only};
        store->pg = pg_new(&store->options);
        if (!pg_reach(store->pg, &fresh, &pg_error))
            return said_pg(err, &pg_error);
        snprintf(store->where, sizeof store->where, "%s", pg_where(store->pg));
        return true;
    }
    snprintf(store->where, sizeof store->where, "%s", address);
    store->sqlite = sqlite_open(address, &options, &error);
    return store->sqlite || said_sqlite(err, &error);
}

void
store_close(struct store *store)
{
    sqlite_close(store->sqlite);
    pg_close(store->pg);
    *store = (struct store){0};
}

bool
store_is_postgres(const struct store *store)
{
    return store->pg != NULL;
}

bool
store_is_timescale(const struct store *store)
{
    return store->pg && pg_level(store->pg) == PG_LEVEL_TIMESCALE;
}

const struct migration *
store_migrations(const struct store *store)
{
    return store->pg ? postgres_migrations : sqlite_migrations;
}

bool
store_versions(struct store *store, size_t *applied, struct err *err)
{
    const char *exists = store->pg ? "SELECT count(*) FROM pg_class WHERE relname = 'hde_schema'"
                                   : "SELECT count(*) FROM sqlite_schema WHERE name = 'hde_schema'";
    int64_t n = 0;

    *applied = 0;
    if (!store_number(store, exists, 0, NULL, &n, err) ||
        (n && !store_number(store, "SELECT count(*) FROM hde_schema", 0, NULL, &n, err)))
        return false;
    *applied = (size_t)n;
    return true;
}

bool
store_migrate(struct store *store, struct err *err)
{
    struct sqlite_error error = {0};
    struct pg_error pg_error = {0};

    if (store->pg)
        return pg_migrate(store->pg, postgres_migrations, &pg_error) || said_pg(err, &pg_error);
    return sqlite_migrate(store->sqlite, sqlite_migrations, &error) || said_sqlite(err, &error);
}

/* ---- Statements ---------------------------------------------------------------------------- */

bool
store_exec(struct store *store, const char *sql, struct err *err)
{
    struct sqlite_error error = {0};
    struct pg_error pg_error = {0};

    if (store->pg)
        return pg_exec(store->pg, sql, &pg_error) || said_pg(err, &pg_error);
    return sqlite_exec(store->sqlite, sql, &error) || said_sqlite(err, &error);
}

bool
store_begin(struct store *store, struct err *err)
{
    return store_exec(store, store->pg ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN", err);
}

bool
store_commit(struct store *store, struct err *err)
{
    return store_exec(store, "COMMIT", err);
}

void
store_rollback(struct store *store)
{
    if (store->pg)
        pg_rollback(store->pg);
    else
        sqlite_rollback(store->sqlite);
}

static bool
each_sqlite(struct store *store, const char *sql, int n, const char *const *params, store_row row,
            void *arg, struct err *err)
{
    struct sqlite_error error = {0};
    sqlite3_stmt *stmt = sqlite_prepare(store->sqlite, sql, &error);
    struct cell cells[COLUMNS_MAX];
    const char *names[COLUMNS_MAX];
    int got = -1, columns = 0;
    bool good = true;

    for (int i = 0; stmt && i < n; i++)
        sqlite_bind_text(stmt, i + 1, params[i]);
    if (stmt)
        columns = sqlite3_column_count(stmt);
    while (stmt && good && (got = sqlite_step(store->sqlite, stmt, &error)) == 1) {
        for (int i = 0; i < columns && i < COLUMNS_MAX; i++) {
            int type = sqlite3_column_type(stmt, i);

            names[i] = sqlite3_column_name(stmt, i);
            cells[i] = (struct cell){
                .kind = type == SQLITE_NULL      ? CELL_NULL
                        : type == SQLITE_FLOAT   ? CELL_REAL
                        : type == SQLITE_INTEGER ? CELL_INTEGER
                                                 : CELL_TEXT,
                .real = type == SQLITE_FLOAT ? sqlite3_column_double(stmt, i) : 0,
                .integer = type == SQLITE_INTEGER ? sqlite3_column_int64(stmt, i) : 0,
                .text = type == SQLITE_TEXT ? (const char *)sqlite3_column_text(stmt, i) : NULL};
        }
        good = row(arg, cells, names, (unsigned)columns, err);
    }
    sqlite3_finalize(stmt);
    return good && (got == 0 || said_sqlite(err, &error));
}

static struct cell
pg_cell(const PGresult *result, int at, int i)
{
    enum { INT8 = 20, INT4 = 23, FLOAT8 = 701 };
    struct cell cell = {.kind = CELL_NULL};

    if (PQgetisnull(result, at, i))
        return cell;
    cell.text = PQgetvalue(result, at, i);
    cell.kind = CELL_TEXT;
    if (PQftype(result, i) == FLOAT8)
        cell = (struct cell){CELL_REAL, .real = strtod(cell.text, NULL), .text = cell.text};
    else if (PQftype(result, i) == INT8 || PQftype(result, i) == INT4)
        cell = (struct cell){CELL_INTEGER, .integer = strtoll(cell.text, NULL, 10),
                             .text = cell.text};
    return cell;
}

static bool
give_rows(const PGresult *result, store_row row, void *arg, struct err *err)
{
    struct cell cells[COLUMNS_MAX];
    const char *names[COLUMNS_MAX];
    int columns = PQnfields(result) < COLUMNS_MAX ? PQnfields(result) : COLUMNS_MAX;

    for (int at = 0; at < PQntuples(result); at++) {
        for (int i = 0; i < columns; i++) {
            names[i] = PQfname(result, i);
            cells[i] = pg_cell(result, at, i);
        }
        if (!row(arg, cells, names, (unsigned)columns, err))
            return false;
    }
    return true;
}

bool
store_each(struct store *store, const char *sql, int n, const char *const *params, store_row row,
           void *arg, struct err *err)
{
    struct pg_error error = {0};
    PGresult *result;
    bool good;

    if (!store->pg)
        return each_sqlite(store, sql, n, params, row, arg, err);
    result = pg_query(store->pg, sql, n, params, &error);
    if (!result)
        return said_pg(err, &error);
    good = give_rows(result, row, arg, err);
    PQclear(result);
    return good;
}

bool
store_stream(struct store *store, const char *select, store_row row, void *arg, struct err *err)
{
    struct pg_error error = {0};
    hde_text sql = {0};
    bool good;
    int n = 1;

    if (!store->pg)
        return each_sqlite(store, select, 0, NULL, row, arg, err);
    hde_text_printf(&sql, "DECLARE hde_rows NO SCROLL CURSOR FOR %s", select);
    good = store_exec(store, sql.data, err);
    hde_text_free(&sql);
    while (good && n > 0) {
        PGresult *result = pg_query(store->pg, "FETCH 2000 FROM hde_rows", 0, NULL, &error);

        good = result ? give_rows(result, row, arg, err) : said_pg(err, &error);
        n = PQntuples(result);
        PQclear(result);
    }
    return good && store_exec(store, "CLOSE hde_rows", err);
}

static bool
take_number(void *arg, const struct cell *cells, const char *const *names, unsigned n,
            struct err *err)
{
    *(int64_t *)arg = cells[0].kind == CELL_INTEGER ? cells[0].integer : 0;
    return true;
}

bool
store_number(struct store *store, const char *sql, int n, const char *const *params,
             int64_t *number, struct err *err)
{
    *number = 0;
    return store_each(store, sql, n, params, take_number, number, err);
}

/* Another program at it ends the call at once; then it is not done. */
static bool
retire_pg(struct store *store, const char *const *params, int64_t rows_before_ns, struct err *err)
{
    int64_t none, from_ns;

    if (!store_number(store, "CALL hde_retire($1, $2)", 2, params, &none, err) ||
        !store_number(store, "SELECT rows_from_ns FROM hde_keep", 0, NULL, &from_ns, err))
        return false;
    return from_ns >= rows_before_ns ||
           err_set(err, "HDE-S030", "%s: another program folds or ends rows there", store->where);
}

bool
store_retire(struct store *store, int64_t rows_before_ns, int64_t rollups_before_ns,
             struct err *err)
{
    char rows[24], rollups[24];
    const char *const params[] = {rows, rollups};
    struct sqlite_error error = {0};

    snprintf(rows, sizeof rows, "%" PRId64, rows_before_ns);
    snprintf(rollups, sizeof rollups, "%" PRId64, rollups_before_ns);
    if (store->pg)
        return retire_pg(store, params, rows_before_ns, err);
    return sqlite_retire(store->sqlite, rows_before_ns, rollups_before_ns, &error) ||
           said_sqlite(err, &error);
}

bool
store_fold(struct store *store, int64_t before_ns, struct err *err)
{
    char number[24];
    const char *const params[] = {number};
    struct sqlite_error error = {0};
    int64_t folded = 1;

    snprintf(number, sizeof number, "%" PRId64, before_ns);
    if (!store->pg)
        return sqlite_fold(store->sqlite, INT64_MAX, before_ns, &(uint64_t){0}, &error) ||
               said_sqlite(err, &error);
    while (folded > 0)
        if (!store_number(store, "SELECT hde_fold(1000, $1)", 1, params, &folded, err))
            return false;
    return true;
}
