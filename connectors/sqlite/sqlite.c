/* SPDX-License-Identifier: Apache-2.0
 * sqlite - one connection: open, transactions, statements, schema versions. */
#include <assert.h>
#include <connectors/sqlite.h>
#include <hde/text.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sqlite {
    sqlite3 *handle;
    char *path;
    bool read_only;
};

static const char SCHEMA_TABLE[] =
    "CREATE TABLE IF NOT EXISTS hde_schema (version INTEGER PRIMARY KEY, name TEXT NOT NULL, "
    "checksum TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')))";

static bool __attribute__((format(printf, 3, 4)))
fail(struct sqlite_error *error, enum sqlite_trouble kind, const char *fmt, ...)
{
    va_list args;

    if (!error)
        return false;
    error->kind = kind;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof error->text, fmt, args);
    va_end(args);
    return false;
}

static enum sqlite_trouble
trouble_of(int extended)
{
    switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SQLITE_TROUBLE_BUSY;
    case SQLITE_FULL:
        return SQLITE_TROUBLE_FULL;
    case SQLITE_IOERR: /* a write that failed: quota, file size limit, lost volume */
        return extended == SQLITE_IOERR_WRITE || extended == SQLITE_IOERR_FSYNC
                   ? SQLITE_TROUBLE_FULL
                   : SQLITE_TROUBLE_OTHER;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SQLITE_TROUBLE_CORRUPT;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return SQLITE_TROUBLE_ABSENT;
    default:
        return SQLITE_TROUBLE_OTHER;
    }
}

/* What to do about it, in brackets, or nothing. */
static const char *
advice(enum sqlite_trouble kind)
{
    switch (kind) {
    case SQLITE_TROUBLE_BUSY:
        return " (another program holds the lock)";
    case SQLITE_TROUBLE_FULL:
        return " (no room: make some on the disk, or raise the size limit)";
    case SQLITE_TROUBLE_CORRUPT:
        return " (damaged or not a database: move it away, or restore a copy)";
    case SQLITE_TROUBLE_ABSENT:
        return " (check that the file's folder exists and may be written)";
    default:
        return "";
    }
}

/* What the handle says about its last call. */
static bool
trouble(const struct sqlite *db, struct sqlite_error *error, const char *doing)
{
    int extended = sqlite3_extended_errcode(db->handle);
    int primary = extended & 0xff;
    int errnum = sqlite3_system_errno(db->handle);
    bool has_errno = errnum && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN);
    enum sqlite_trouble kind = trouble_of(extended);

    return fail(error, kind, "%s: %s: %s%s%s%s", db->path, doing, sqlite3_errmsg(db->handle),
                has_errno ? ": " : "", has_errno ? strerror(errnum) : "", advice(kind));
}

/* ---- Open and close ------------------------------------------------------------------------ */

static bool
configure(struct sqlite *db, const struct sqlite_options *options, struct sqlite_error *error)
{
    char pragma[96];
    sqlite3_stmt *stmt;
    int64_t page_size = 0;

    if (db->read_only)
        return sqlite_exec(db, "PRAGMA query_only = ON; SELECT 1 FROM sqlite_schema", error);
    if (!sqlite_exec(db, "PRAGMA journal_mode = WAL", error) ||
        !sqlite_exec(
            db, options->sync_normal ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
            error))
        return false;
    if (options->max_bytes <= 0)
        return true;
    stmt = sqlite_prepare(db, "PRAGMA page_size", error);
    if (!stmt || sqlite_step(db, stmt, error) != 1)
        return false;
    page_size = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    snprintf(pragma, sizeof pragma, "PRAGMA max_page_count = %lld",
             (long long)(options->max_bytes / page_size + 1));
    return sqlite_exec(db, pragma, error);
}

struct sqlite *
sqlite_open(const char *path, const struct sqlite_options *options, struct sqlite_error *error)
{
    static const struct sqlite_options defaults = {0};
    struct sqlite *db = calloc(1, sizeof *db);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    if (!options)
        options = &defaults;
    if (!db || !(db->path = strdup(path))) {
        fail(error, SQLITE_TROUBLE_OTHER, "%s: out of memory", path);
        goto failed;
    }
    db->read_only = options->read_only;
    flags |= db->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
        if (db->handle)
            trouble(db, error, "open");
        else
            fail(error, SQLITE_TROUBLE_OTHER, "%s: open: out of memory", path);
        goto failed;
    }
    sqlite3_busy_timeout(db->handle, options->busy_ms > 0 ? (int)options->busy_ms : 5000);
    if (configure(db, options, error))
        return db;
failed:
    sqlite_close(db);
    return NULL;
}

void
sqlite_close(struct sqlite *db)
{
    sqlite3_stmt *stmt;

    if (!db)
        return;
    while (db->handle && (stmt = sqlite3_next_stmt(db->handle, NULL)))
        sqlite3_finalize(stmt);
    sqlite3_close(db->handle);
    free(db->path);
    free(db);
}

const char *
sqlite_path(const struct sqlite *db)
{
    return db->path;
}

/* ---- Statements ---------------------------------------------------------------------------- */

bool
sqlite_exec(struct sqlite *db, const char *sql, struct sqlite_error *error)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return trouble(db, error, "execute");
}

bool
sqlite_begin(struct sqlite *db, struct sqlite_error *error)
{
    if (sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return trouble(db, error, "begin");
}

bool
sqlite_commit(struct sqlite *db, struct sqlite_error *error)
{
    if (sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return trouble(db, error, "commit");
}

void
sqlite_rollback(struct sqlite *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

sqlite3_stmt *
sqlite_prepare(struct sqlite *db, const char *sql, struct sqlite_error *error)
{
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) ==
        SQLITE_OK)
        return stmt;
    trouble(db, error, "prepare");
    return NULL;
}

int
sqlite_step(struct sqlite *db, sqlite3_stmt *stmt, struct sqlite_error *error)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        trouble(db, error, "step");
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

bool
sqlite_run(struct sqlite *db, sqlite3_stmt *stmt, struct sqlite_error *error)
{
    int rc;

    while ((rc = sqlite_step(db, stmt, error)) == 1)
        ;
    return rc == 0;
}

void
sqlite_not_bound(int rc)
{
    if (rc == SQLITE_NOMEM)
        hde_no_memory();
    assert(rc == SQLITE_OK);
}

void
sqlite_bind_copy(sqlite3_stmt *stmt, int index, const char *text, size_t size)
{
    sqlite_bound(sqlite3_bind_text64(stmt, index, text, size, SQLITE_TRANSIENT, SQLITE_UTF8));
}

double
sqlite_real(sqlite3_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt, column) == SQLITE_NULL ? NAN
                                                            : sqlite3_column_double(stmt, column);
}

/* ---- Schema versions ----------------------------------------------------------------------- */

static bool
has_schema_table(struct sqlite *db, bool *has, struct sqlite_error *error)
{
    sqlite3_stmt *stmt =
        sqlite_prepare(db, "SELECT 1 FROM sqlite_schema WHERE name = 'hde_schema'", error);
    int rc = stmt ? sqlite_step(db, stmt, error) : -1;

    *has = rc == 1;
    sqlite3_finalize(stmt);
    return rc >= 0;
}

/* Compares the migrations in the file with ours; *applied is how many it has. */
static bool
compare(struct sqlite *db, const struct migration *migrations, size_t n, size_t *applied,
        struct sqlite_error *error)
{
    sqlite3_stmt *stmt = sqlite_prepare(
        db, "SELECT version, name, checksum FROM hde_schema ORDER BY version", error);
    int rc = -1;
    char sum[17];

    *applied = 0;
    while (stmt && (rc = sqlite_step(db, stmt, error)) == 1) {
        const char *name = (const char *)sqlite3_column_text(stmt, 1);
        const char *sum_there = (const char *)sqlite3_column_text(stmt, 2);

        if (!name || !sum_there)
            hde_no_memory(); /* neither column can be NULL */
        if (*applied == n) {
            fail(error, SQLITE_TROUBLE_NEWER,
                 "%s: schema version %lld (%s) is newer than this program's %zu: use the program "
                 "that wrote it, or another file",
                 db->path, (long long)sqlite3_column_int64(stmt, 0), name, n);
            break;
        }
        migration_sum(&migrations[*applied], sum);
        if (strcmp(name, migrations[*applied].name) != 0 ||
            strcmp(sum_there, sum) != 0) {
            fail(error, SQLITE_TROUBLE_OTHER,
                 "%s: migration %s in the file is not this program's %s: it was made by another "
                 "build; use another file",
                 db->path, name, migrations[*applied].name);
            break;
        }
        ++*applied;
    }
    sqlite3_finalize(stmt);
    return rc == 0;
}

static bool
apply(struct sqlite *db, size_t version, const struct migration *migration,
      struct sqlite_error *error)
{
    sqlite3_stmt *stmt = sqlite_prepare(
        db, "INSERT INTO hde_schema (version, name, checksum) VALUES (?, ?, ?)", error);
    char sum[17];
    bool ok;

    if (!stmt)
        return false;
    migration_sum(migration, sum);
    sqlite_bind_integer(stmt, 1, (int64_t)version);
    sqlite_bind_text(stmt, 2, migration->name);
    sqlite_bind_text(stmt, 3, sum);
    ok = sqlite_exec(db, migration->sql, error) && sqlite_run(db, stmt, error);
    sqlite3_finalize(stmt);
    return ok;
}

/* Under the write lock, so two programs that open a new file at once do not collide. */
static bool
migrate_next(struct sqlite *db, const struct migration *migrations, size_t n, size_t *done,
             struct sqlite_error *error)
{
    if (!sqlite_begin(db, error))
        return false;
    if (sqlite_exec(db, SCHEMA_TABLE, error) && compare(db, migrations, n, done, error) &&
        (*done == n || apply(db, *done + 1, &migrations[*done], error)) &&
        sqlite_commit(db, error)) {
        if (*done < n)
            ++*done;
        return true;
    }
    sqlite_rollback(db);
    return false;
}

bool
sqlite_migrate(struct sqlite *db, const struct migration *migrations,
               struct sqlite_error *error)
{
    size_t n = migration_count(migrations), done = 0;
    bool has = false;

    if (!has_schema_table(db, &has, error) || (has && !compare(db, migrations, n, &done, error)))
        return false;
    if (db->read_only && done < n)
        return fail(error, SQLITE_TROUBLE_OLDER,
                    "%s: schema version %zu is older than this program's %zu: it is brought up to "
                    "date when the sink opens it",
                    db->path, done, n);
    while (done < n)
        if (!migrate_next(db, migrations, n, &done, error))
            return false;
    return true;
}
