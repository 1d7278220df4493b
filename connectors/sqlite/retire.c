/* SPDX-License-Identifier: Apache-2.0
 * retire - ends old rows and rollups. What hde_retire() and hde_tend() are in PostgreSQL
 * (connectors/tables/sql). */
#include <connectors/sqlite.h>

#include <time.h>

#define DAY_NS INT64_C(86400000000000)

/* By the primary keys, which begin with feed and expiry. */
#define OF_SERIES " WHERE (feed, expiry) IN (SELECT feed, expiry FROM chains) AND "

static bool
change(struct sqlite *db, const char *sql, int64_t a, int64_t b, struct sqlite_error *error)
{
    sqlite3_stmt *stmt = sqlite_prepare(db, sql, error);
    bool good;

    if (!stmt)
        return false;
    sqlite_bind_integer(stmt, 1, a);
    if (sqlite3_bind_parameter_count(stmt) > 1)
        sqlite_bind_integer(stmt, 2, b);
    good = sqlite_run(db, stmt, error);
    sqlite3_finalize(stmt);
    return good;
}

static bool
end_rows(struct sqlite *db, int64_t before_ns, struct sqlite_error *error)
{
#define ROWS(table) "DELETE FROM " table OF_SERIES "event_ns < ?1"
    static const char *const statements[] = {
        ROWS("option_chain_snapshots"),     ROWS("chain_metrics"),
        ROWS("chain_strike_metrics"),       ROWS("analytics_cumulative_oi"),
        ROWS("analytics_velocity"),         ROWS("analytics_buildup"),
        ROWS("analytics_buildup_patterns"), ROWS("analytics_zones"),
        ROWS("analytics_zone_events"),
    };
#undef ROWS

    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (!change(db, statements[i], before_ns, 0, error))
            return false;
    return true;
}

bool
sqlite_retire(struct sqlite *db, int64_t rows_before_ns, int64_t rollups_before_ns,
              struct sqlite_error *error)
{
    static const char keep[] = "UPDATE hde_keep SET rows_from_ns = max(rows_from_ns, ?1), "
                               "rollups_from_ns = max(rollups_from_ns, ?2)";
    static const char note[] =
        "INSERT INTO hde_jobs VALUES ('retire', ?1, 1) ON CONFLICT (job) DO UPDATE SET "
        "ran_ns = excluded.ran_ns, done = done + 1";
    int64_t limit_ns = rollups_before_ns < rows_before_ns ? rollups_before_ns : rows_before_ns;
    uint64_t folded;

    if (sqlite_fold(db, INT64_MAX, rows_before_ns, &folded, error) && sqlite_begin(db, error) &&
        sqlite_fold_in(db, INT64_MAX, rows_before_ns, &folded, error) &&
        change(db, keep, rows_before_ns, limit_ns, error) && end_rows(db, rows_before_ns, error) &&
        change(db, "DELETE FROM option_chain_5m_kept" OF_SERIES "bucket_ns < ?1", limit_ns, 0,
               error) &&
        change(db, "DELETE FROM chain_metrics_5m_kept" OF_SERIES "bucket_ns < ?1", limit_ns, 0,
               error) &&
        change(db, note, (int64_t)time(NULL) * 1000000000, 0, error) && sqlite_commit(db, error))
        return true;
    sqlite_rollback(db);
    return false;
}

bool
sqlite_tend(struct sqlite *db, struct sqlite_error *error)
{
    /* days; where the newest day that has come begins; from when on rows and rollups are there */
    static const char sql[] =
        "SELECT rows_days, rollup_days, (SELECT max(last_ns) / 86400000000000 FROM chains), "
        "rows_from_ns, rollups_from_ns FROM hde_keep";
    sqlite3_stmt *stmt = sqlite_prepare(db, sql, error);
    int64_t before[2] = {0}, from[2] = {0};
    int got = stmt ? sqlite_step(db, stmt, error) : -1;

    for (int i = 0; got == 1 && i < 2; i++) {
        int64_t newest = sqlite3_column_int64(stmt, 2), today = time(NULL) / 86400;

        if (sqlite3_column_type(stmt, i) != SQLITE_NULL)
            before[i] =
                ((newest < today ? newest : today) - sqlite3_column_int64(stmt, i)) * DAY_NS;
        from[i] = sqlite3_column_int64(stmt, 3 + i);
    }
    sqlite3_finalize(stmt);
    if (got < 0)
        return false;
    return (before[0] <= from[0] && before[1] <= from[1]) ||
           sqlite_retire(db, before[0], before[1], error);
}
