/* SPDX-License-Identifier: Apache-2.0
 * migrate - schema versions: what the database has, and what is missing. */
#include <connectors/postgres.h>

#include <stdio.h>
#include <string.h>

/* A migration takes its time. */
static const char patience[] = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
/* Of all programs that migrate a database of ours: "hde schm" in ASCII. */
static const char lock[] = "SELECT pg_advisory_xact_lock(7522248467664824429)";
static const char make_schema[] =
    "CREATE TABLE IF NOT EXISTS hde_schema (version INT8 PRIMARY KEY, name TEXT NOT NULL, "
    "checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())";

/* Compares the migrations there with ours; *done is how many there are. */
static bool
compare(struct pg *pg, const struct migration *ours, size_t n, size_t *done, struct pg_error *error)
{
    PGresult *result = pg_query(
        pg, "SELECT version, name, checksum FROM hde_schema ORDER BY version", 0, NULL, error);
    bool good = result != NULL;

    *done = 0;
    for (int row = 0; good && row < PQntuples(result); row++, ++*done) {
        const char *name = PQgetvalue(result, row, 1);
        char sum[17];

        if (*done == n) {
            good = pg_fail(error, PG_TROUBLE_NEWER,
                           "%s: schema version %s (%s) is newer than this program's %zu: use the "
                           "program that wrote it, or another database",
                           pg_where(pg), PQgetvalue(result, row, 0), name, n);
            break;
        }
        migration_sum(&ours[*done], sum);
        if (strcmp(name, ours[*done].name) != 0 || strcmp(PQgetvalue(result, row, 2), sum) != 0)
            good = pg_fail(error, PG_TROUBLE_EDITED,
                           "%s: migration %s in the database is not this program's %s: it was made "
                           "by another build; use another database",
                           pg_where(pg), name, ours[*done].name);
    }
    PQclear(result);
    return good;
}

static bool
has_schema(struct pg *pg, bool *has, struct pg_error *error)
{
    PGresult *result = pg_query(pg, "SELECT to_regclass('hde_schema') IS NOT NULL", 0, NULL, error);

    if (!result)
        return false;
    *has = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return true;
}

static bool
apply(struct pg *pg, size_t version, const struct migration *migration, struct pg_error *error)
{
    char number[24], sum[17];
    const char *const params[] = {number, migration->name, sum};
    PGresult *result;

    snprintf(number, sizeof number, "%zu", version);
    migration_sum(migration, sum);
    if (!pg_exec(pg, migration->sql, error))
        return false;
    result = pg_query(pg, "INSERT INTO hde_schema (version, name, checksum) VALUES ($1, $2, $3)", 3,
                      params, error);
    PQclear(result);
    return result != NULL;
}

static bool
migrate_next(struct pg *pg, const struct migration *ours, size_t n, size_t *done,
             struct pg_error *error)
{
    if (pg_begin(pg, error) && pg_exec(pg, patience, error) && pg_exec(pg, lock, error) &&
        pg_exec(pg, make_schema, error) && compare(pg, ours, n, done, error) &&
        (*done == n || apply(pg, *done + 1, &ours[*done], error)) && pg_commit(pg, error)) {
        if (*done < n)
            ++*done;
        return true;
    }
    pg_rollback(pg);
    return false;
}

bool
pg_migrate(struct pg *pg, const struct migration *migrations, struct pg_error *error)
{
    size_t n = migration_count(migrations), done = 0;
    bool has = false;

    if (!has_schema(pg, &has, error) || (has && !compare(pg, migrations, n, &done, error)))
        return false;
    if (pg_is_read_only(pg) && done < n)
        return pg_fail(error, PG_TROUBLE_OLDER,
                       "%s: schema version %zu is older than this program's %zu: it is brought up "
                       "to date when the sink opens it, or by 'hde db migrate'",
                       pg_where(pg), done, n);
    while (done < n)
        if (!migrate_next(pg, migrations, n, &done, error))
            return false;
    return true;
}
