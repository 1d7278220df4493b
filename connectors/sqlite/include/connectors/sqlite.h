/* SPDX-License-Identifier: Apache-2.0
 * connectors/sqlite.h - one connection to one SQLite file, with errors that people can act on.
 *
 * Threads   A connection and its statements belong to one thread at a time.
 * Errors    Functions that can fail return false, NULL or -1 and fill *error: what SQLite said,
 *           the file, and what to do; kind says whether trying again can help. */
#ifndef CONNECTORS_SQLITE_H
#define CONNECTORS_SQLITE_H

#include <connectors/tables.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sqlite_trouble {
    SQLITE_TROUBLE_NONE = 0,
    SQLITE_TROUBLE_BUSY,    /* locked by another connection beyond the busy timeout: try again */
    SQLITE_TROUBLE_FULL,    /* no room on the disk or in max_bytes: try again when there is */
    SQLITE_TROUBLE_CORRUPT, /* damaged, or no SQLite file at all */
    SQLITE_TROUBLE_NEWER,   /* written by a newer version of this program */
    SQLITE_TROUBLE_OLDER,   /* read-only and not migrated to the version of this program */
    SQLITE_TROUBLE_ABSENT,  /* no such file, or the folder cannot be written */
    SQLITE_TROUBLE_OTHER,
};

struct sqlite_error {
    enum sqlite_trouble kind;
    char text[512];
};

struct sqlite;

struct sqlite_options {
    bool read_only;    /* never writes, never creates; sees each commit of the writer whole */
    bool sync_normal;  /* a power cut may lose the last commits, never damage the file */
    int64_t busy_ms;   /* wait for locks; 0: 5,000 */
    int64_t max_bytes; /* the file grows no further; 0: no bound but the disk */
};

/* Opens in WAL mode, creating the file unless read_only. options may be NULL. */
struct sqlite *sqlite_open(const char *path, const struct sqlite_options *options,
                           struct sqlite_error *error);
void sqlite_close(struct sqlite *db); /* finalizes its statements too; NULL is fine */
const char *sqlite_path(const struct sqlite *db);

/* One or more statements without results. */
bool sqlite_exec(struct sqlite *db, const char *sql, struct sqlite_error *error);

/* begin takes the write lock at once, so nothing after it meets a lock. After a failed step or
 * commit the transaction is to be rolled back; rollback without a transaction is fine. */
bool sqlite_begin(struct sqlite *db, struct sqlite_error *error);
bool sqlite_commit(struct sqlite *db, struct sqlite_error *error);
void sqlite_rollback(struct sqlite *db);

/* A statement that lives as long as the connection, or until sqlite3_finalize(). */
sqlite3_stmt *sqlite_prepare(struct sqlite *db, const char *sql, struct sqlite_error *error);
/* The next row: 1 there is one, 0 the end (the statement is reset), -1 an error (reset too). */
int sqlite_step(struct sqlite *db, sqlite3_stmt *stmt, struct sqlite_error *error);
/* Runs a statement without results, bound values stay. */
bool sqlite_run(struct sqlite *db, sqlite3_stmt *stmt, struct sqlite_error *error);

/* Unknown is NULL: NaN and a NULL text bind NULL. Text is lent until the statement is reset, of
 * sqlite_bind_copy() until it returns. Without memory they end the process (hde_no_memory()). */
void sqlite_not_bound(int rc); /* not SQLITE_OK */
static inline void
sqlite_bound(int rc)
{
    if (rc != SQLITE_OK)
        sqlite_not_bound(rc);
}
static inline void
sqlite_bind_null(sqlite3_stmt *stmt, int index)
{
    sqlite_bound(sqlite3_bind_null(stmt, index));
}
static inline void
sqlite_bind_real(sqlite3_stmt *stmt, int index, double x)
{
    sqlite_bound(x == x ? sqlite3_bind_double(stmt, index, x) : sqlite3_bind_null(stmt, index));
}
static inline void
sqlite_bind_integer(sqlite3_stmt *stmt, int index, int64_t x)
{
    sqlite_bound(sqlite3_bind_int64(stmt, index, x));
}
static inline void
sqlite_bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
    sqlite_bound(sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC));
}
void sqlite_bind_copy(sqlite3_stmt *stmt, int index, const char *text, size_t size);
double sqlite_real(sqlite3_stmt *stmt, int column); /* NaN where the value is NULL */

/* ---- Schema versions (connectors/tables.h) ------------------------------------------------- */

/* Brings the file to the last migration, each in a transaction of its own. A file that has more,
 * or one whose text differs from ours, is refused. On a read-only connection it only checks. */
bool sqlite_migrate(struct sqlite *db, const struct migration *migrations,
                    struct sqlite_error *error);

/* In a store: folds up to `most` buckets of the rollups that are past, or begin before before_ns,
 * in a transaction of its own. What hde_fold() is in PostgreSQL. */
bool sqlite_fold(struct sqlite *db, int64_t most, int64_t before_ns, uint64_t *folded,
                 struct sqlite_error *error);
/* The same in the caller's transaction. */
bool sqlite_fold_in(struct sqlite *db, int64_t most, int64_t before_ns, uint64_t *folded,
                    struct sqlite_error *error);
/* Ends rows before rows_before_ns and rollups before rollups_before_ns, both at midnight (UTC). */
bool sqlite_retire(struct sqlite *db, int64_t rows_before_ns, int64_t rollups_before_ns,
                   struct sqlite_error *error);
/* The same as hde_keep says, where it is due. */
bool sqlite_tend(struct sqlite *db, struct sqlite_error *error);

#endif
