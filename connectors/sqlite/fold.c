/* SPDX-License-Identifier: Apache-2.0
 * fold - buckets of the rollups that are past, from the rows into the kept tables. What
 * hde_fold() is in PostgreSQL (connectors/tables/sql). */
#include <connectors/sqlite.h>

enum { STEPS = 5 };

struct fold {
    sqlite3_stmt *past, *step[STEPS];
};

static bool
prepare(struct sqlite *db, struct fold *fold, struct sqlite_error *error)
{
    static const char past[] =
        "SELECT d.feed, d.expiry, d.bucket_ns FROM hde_dirty d JOIN chains c ON c.feed = d.feed "
        "AND c.expiry = d.expiry "
        "WHERE d.bucket_ns + 300000000000 <= c.last_ns OR d.bucket_ns < ?1 "
        "ORDER BY d.bucket_ns LIMIT 1";
#define OF_BUCKET " WHERE feed = ?1 AND expiry = ?2 AND bucket_ns = ?3"
    static const char *const steps[STEPS] = {
        "DELETE FROM option_chain_5m_kept" OF_BUCKET,
        "DELETE FROM chain_metrics_5m_kept" OF_BUCKET,
        "INSERT INTO option_chain_5m_kept SELECT * FROM option_chain_5m_live" OF_BUCKET,
        "INSERT INTO chain_metrics_5m_kept SELECT * FROM chain_metrics_5m_live" OF_BUCKET,
        "DELETE FROM hde_dirty" OF_BUCKET,
    };
#undef OF_BUCKET

    fold->past = sqlite_prepare(db, past, error);
    for (int i = 0; fold->past && i < STEPS; i++)
        if (!(fold->step[i] = sqlite_prepare(db, steps[i], error)))
            return false;
    return fold->past != NULL;
}

/* One bucket; *found: there was one. */
static bool
fold_next(struct sqlite *db, struct fold *fold, bool *found, struct sqlite_error *error)
{
    int got = sqlite_step(db, fold->past, error);
    bool good = got >= 0;

    *found = got == 1;
    for (int i = 0; *found && good && i < STEPS; i++) {
        for (int at = 0; at < 3; at++)
            sqlite3_bind_value(fold->step[i], at + 1, sqlite3_column_value(fold->past, at));
        good = sqlite_run(db, fold->step[i], error);
    }
    sqlite3_reset(fold->past);
    return good;
}

bool
sqlite_fold_in(struct sqlite *db, int64_t most, int64_t before_ns, uint64_t *folded,
               struct sqlite_error *error)
{
    struct fold fold = {0};
    bool found = true, good = prepare(db, &fold, error);

    if (good)
        sqlite_bind_integer(fold.past, 1, before_ns);
    *folded = 0;
    for (; good && found && (int64_t)*folded < most; *folded += found)
        good = fold_next(db, &fold, &found, error);
    sqlite3_finalize(fold.past);
    for (int i = 0; i < STEPS; i++)
        sqlite3_finalize(fold.step[i]);
    return good;
}

bool
sqlite_fold(struct sqlite *db, int64_t most, int64_t before_ns, uint64_t *folded,
            struct sqlite_error *error)
{
    if (sqlite_begin(db, error) && sqlite_fold_in(db, most, before_ns, folded, error) &&
        sqlite_commit(db, error))
        return true;
    sqlite_rollback(db);
    return false;
}
