/* SPDX-License-Identifier: Apache-2.0
 * db - `hde db`: look after a market store, SQLite file or PostgreSQL database alike.
 *
 * A backup is a store too, in a SQLite file: so backup and restore are one copy, verify is one
 * comparison, and a store moves from one kind to the other by them. */
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "store.h"

#include <hde/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_NS INT64_C(86400000000000)

struct db_options {
    bool plan, dry_run, keep;
    int64_t days, rollup_days;
    const char *before;
    hde_duration longer;
};

struct db {
    const struct cmd *cmd;
    const struct db_options *options;
    struct store store;
    const char *other; /* the second argument, or NULL */
    struct err err;
    struct table table; /* of the output */
    hde_text json;
    bool bad; /* something was found: exit 1 */
};

/* ---- Output -------------------------------------------------------------------------------- */

static const char *
cell_text(struct db *db, const struct cell *cell)
{
    hde_text text = {0};
    const char *copy;

    if (cell->kind == CELL_NULL)
        return "-";
    if (cell->kind == CELL_INTEGER)
        return arena_printf(db->cmd->arena, "%" PRId64, cell->integer);
    if (cell->kind == CELL_TEXT)
        return arena_printf(db->cmd->arena, "%s", cell->text);
    hde_json_number(&text, cell->real);
    copy = arena_printf(db->cmd->arena, "%s", text.data);
    hde_text_free(&text);
    return copy;
}

static void
cell_json(hde_text *json, const struct cell *cell)
{
    if (cell->kind == CELL_INTEGER)
        hde_json_integer(json, cell->integer);
    else if (cell->kind == CELL_REAL)
        hde_json_number(json, cell->real);
    else
        hde_json_string(json, cell->kind == CELL_TEXT ? cell->text : NULL);
}

/* A row of the output; the first one also gives the head. A name that ends with _ns is an instant
 * and printed as one. */
static bool
show(void *arg, const struct cell *cells, const char *const *names, unsigned n, struct err *err)
{
    struct db *db = arg;
    const char *head[TABLE_COLUMNS], *text[TABLE_COLUMNS];

    for (unsigned i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        bool is_time = len > 3 && strcmp(names[i] + len - 3, "_ns") == 0;
        bool is_number = cells[i].kind == CELL_INTEGER || cells[i].kind == CELL_REAL;
        hde_text time = {0};

        head[i] = arena_printf(db->cmd->arena, "%s%.*s", is_number && !is_time ? ">" : "",
                               (int)(is_time ? len - 3 : len), names[i]);
        text[i] = cell_text(db, &cells[i]);
        if (is_time && cells[i].kind == CELL_INTEGER) {
            hde_json_time(&time, cells[i].integer);
            text[i] = arena_printf(db->cmd->arena, "%.*s", (int)time.len - 2, time.data + 1);
            hde_text_free(&time);
        }
        hde_text_puts(&db->json, i ? "," : "{");
        hde_json_string(&db->json, names[i]);
        hde_text_puts(&db->json, ":");
        cell_json(&db->json, &cells[i]);
    }
    hde_text_puts(&db->json, "}\n");
    if (db->table.n_rows == 0)
        table_row(&db->table, head, n);
    table_row(&db->table, text, n);
    return true;
}

/* The same of values that no query gave. */
#define SHOW(db, n, ...) show(db, (const struct cell[]){__VA_ARGS__}, names, n, NULL)
#define TEXT(x) {.kind = CELL_TEXT, .text = (x)}
#define NUMBER(x) {.kind = CELL_INTEGER, .integer = (x)}

static bool
query(struct db *db, const char *sql, int n, const char *const *params)
{
    return store_each(&db->store, sql, n, params, show, db, &db->err);
}

/* ---- status, migrate, doctor --------------------------------------------------------------- */

static bool
say_keep(void *arg, const struct cell *cells, const char *const *names, unsigned n,
         struct err *err)
{
    struct db *db = arg;
    hde_text text = {0};

    for (int i = 0; i < 2; i++) {
        hde_text_printf(&text, "%s stay ", i ? "; rollups" : "rows");
        if (cells[i].kind == CELL_INTEGER)
            hde_text_printf(&text, "%" PRId64 " days", cells[i].integer);
        else
            hde_text_puts(&text, "for ever");
        if (cells[2 + i].integer) {
            hde_text_puts(&text, ", those before ");
            hde_json_time(&text, cells[2 + i].integer);
            hde_text_puts(&text, " are gone");
        }
    }
    cmd_note(db->cmd, "%s", text.data);
    hde_text_free(&text);
    return true;
}

static bool
note_keep(struct db *db)
{
    return store_each(&db->store,
                      "SELECT rows_days, rollup_days, rows_from_ns, rollups_from_ns FROM hde_keep",
                      0, NULL, say_keep, db, &db->err);
}

static bool
db_status(struct db *db)
{
    static const char *const names[] = {"table", "rows", "from_ns", "to_ns"};
    bool is_postgres = store_is_postgres(&db->store);
    size_t applied;

    if (!store_versions(&db->store, &applied, &db->err))
        return false;
    cmd_note(db->cmd, "%s: %s, schema %zu of %zu", db->store.where,
             !is_postgres                             ? "SQLite"
             : pg_level(db->store.pg) == PG_LEVEL_TIMESCALE ? "PostgreSQL with TimescaleDB"
                                                              : "PostgreSQL",
             applied, migration_count(store_migrations(&db->store)));
    if (!note_keep(db))
        return false;
    for (int i = 0; store_tables[i]; i++) {
        char sql[200];
        int64_t rows, from = 0, to = 0;

        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", store_tables[i]);
        if (!store_number(&db->store, sql, 0, NULL, &rows, &db->err))
            return false;
        if (i < STORE_TIMED && rows) {
            snprintf(sql, sizeof sql, "SELECT min(event_ns) FROM %s", store_tables[i]);
            if (!store_number(&db->store, sql, 0, NULL, &from, &db->err))
                return false;
            snprintf(sql, sizeof sql, "SELECT max(event_ns) FROM %s", store_tables[i]);
            if (!store_number(&db->store, sql, 0, NULL, &to, &db->err))
                return false;
        }
        if (to)
            SHOW(db, 4, TEXT(store_tables[i]), NUMBER(rows), NUMBER(from), NUMBER(to));
        else
            SHOW(db, 4, TEXT(store_tables[i]), NUMBER(rows), {CELL_NULL}, {CELL_NULL});
    }
    return true;
}

static bool
db_migrate(struct db *db)
{
    static const char *const names[] = {"migration", "state"};
    const struct migration *ours = store_migrations(&db->store);
    size_t applied = 0;

    if (!store_versions(&db->store, &applied, &db->err))
        return false;
    if (!db->options->plan && !store_migrate(&db->store, &db->err))
        return false;
    for (size_t i = 0; ours[i].name; i++)
        SHOW(db, 2, TEXT(ours[i].name),
             TEXT(i < applied ? "there" : db->options->plan ? "to do" : "done"));
    return true;
}

static void
finding(struct db *db, bool good, const char *what, const char *advice)
{
    static const char *const names[] = {"state", "what", "do"};

    db->bad |= !good;
    SHOW(db, 3, TEXT(good ? "ok" : "bad"), TEXT(what), TEXT(good ? "" : advice));
}

/* Whether the number that a query gives is at most that. */
static bool
check(struct db *db, const char *sql, int64_t most, const char *what, const char *advice)
{
    int64_t n;

    if (!store_number(&db->store, sql, 0, NULL, &n, &db->err))
        return false;
    finding(db, n <= most, what, advice);
    return true;
}

static bool
is_ok(void *arg, const struct cell *cells, const char *const *names, unsigned n, struct err *err)
{
    *(bool *)arg = cells[0].kind == CELL_TEXT && strcmp(cells[0].text, "ok") == 0;
    return true;
}

static bool
db_doctor(struct db *db)
{
    static const char lagging[] =
        "SELECT count(*) FROM hde_dirty d JOIN chains c ON c.feed = d.feed AND "
        "c.expiry = d.expiry WHERE d.bucket_ns + 300000000000 <= c.last_ns";
    static const char strangers[] =
        "SELECT count(*) FROM (SELECT feed, expiry FROM chain_metrics EXCEPT "
        "SELECT feed, expiry FROM chains) s";
    bool whole = false;

    finding(db, true, "the schema is this program's", "");
    if (!check(db, lagging, 100, "rollups are folded",
               "readers are slow, not wrong: a running sink folds them, or 'hde db fold'") ||
        !check(db, strangers, 0, "every chain is listed in chains",
               "somebody else has written or deleted rows"))
        return false;
    if (!store_is_postgres(&db->store)) {
        if (!store_each(&db->store, "PRAGMA quick_check(1)", 0, NULL, is_ok, &whole, &db->err))
            return false;
        finding(db, whole, "the file is whole", "restore a backup");
        return true;
    }
    return check(db, "SELECT count(*) FROM pg_settings WHERE setting = 'off' AND name IN "
                     "('fsync', 'full_page_writes')",
                 0, "commits survive a power cut (fsync, full_page_writes)",
                 "turn them on in postgresql.conf") &&
           check(db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid", 0,
                 "indexes are valid", "REINDEX those of pg_index that are not") &&
           check(db, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending", 0,
                 "no partition is half detached",
                 "ALTER TABLE ... DETACH PARTITION ... FINALIZE, or 'hde db retention' again");
}

static bool
db_fold(struct db *db)
{
    return store_fold(&db->store, 0, &db->err);
}

/* ---- backup, restore ----------------------------------------------------------------------- */

/* Rows of one table on their way. */
struct copying {
    struct store *to;
    const char *table;
    sqlite3_stmt *insert; /* of SQLite */
    struct pg_rows rows;  /* of PostgreSQL */
    bool is_open;         /* its COPY is */
    int64_t n;
};

static void
put_names(hde_text *sql, const char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        hde_text_printf(sql, "%s\"%s\"", i ? ", " : "(", names[i]);
    hde_text_puts(sql, ")");
}

static bool
insert_row(struct copying *self, const struct cell *cells, const char *const *names, unsigned n,
           struct err *err)
{
    struct sqlite_error error = {0};

    if (!self->insert) {
        hde_text sql = {0};

        hde_text_printf(&sql, "INSERT INTO %s ", self->table);
        put_names(&sql, names, n);
        for (unsigned i = 0; i < n; i++)
            hde_text_puts(&sql, i ? ", ?" : " VALUES (?");
        hde_text_puts(&sql, ")");
        self->insert = sqlite_prepare(self->to->sqlite, sql.data, &error);
        hde_text_free(&sql);
    }
    for (unsigned i = 0; self->insert && i < n; i++) {
        if (cells[i].kind == CELL_REAL)
            sqlite_bind_real(self->insert, (int)i + 1, cells[i].real);
        else if (cells[i].kind == CELL_INTEGER)
            sqlite_bind_integer(self->insert, (int)i + 1, cells[i].integer);
        else
            sqlite_bind_text(self->insert, (int)i + 1,
                             cells[i].kind == CELL_TEXT ? cells[i].text : NULL);
    }
    if (self->insert && sqlite_run(self->to->sqlite, self->insert, &error))
        return true;
    return err_set(err, "HDE-S015", "%s", error.text);
}

static bool
copy_row_in(struct copying *self, const struct cell *cells, const char *const *names, unsigned n,
            struct err *err)
{
    struct pg_error error = {0};
    size_t text = 0;

    if (!self->is_open) {
        hde_text sql = {0};

        hde_text_printf(&sql, "COPY %s ", self->table);
        put_names(&sql, names, n);
        hde_text_puts(&sql, " FROM STDIN (FORMAT binary)");
        self->is_open = pg_copy_begin(self->to->pg, sql.data, &error);
        hde_text_free(&sql);
        if (!self->is_open)
            return err_set(err, pg_code(error.kind), "%s", error.text);
    }
    for (unsigned i = 0; i < n; i++)
        text += cells[i].kind == CELL_TEXT ? strlen(cells[i].text) : 0;
    pg_rows_begin(&self->rows, n, text);
    for (unsigned i = 0; i < n; i++) {
        if (cells[i].kind == CELL_REAL)
            pg_rows_real(&self->rows, cells[i].real);
        else if (cells[i].kind == CELL_INTEGER)
            pg_rows_integer(&self->rows, cells[i].integer);
        else if (cells[i].kind == CELL_TEXT)
            pg_rows_text(&self->rows, cells[i].text, strlen(cells[i].text));
        else
            pg_rows_null(&self->rows);
    }
    if (self->rows.len < 256 << 10)
        return true;
    if (!pg_copy_put(self->to->pg, &self->rows, &error))
        return err_set(err, pg_code(error.kind), "%s", error.text);
    pg_rows_clear(&self->rows);
    return true;
}

static bool
copy_row(void *arg, const struct cell *cells, const char *const *names, unsigned n,
         struct err *err)
{
    struct copying *self = arg;

    self->n++;
    return self->to->pg ? copy_row_in(self, cells, names, n, err)
                        : insert_row(self, cells, names, n, err);
}

static bool
make_day(void *arg, const struct cell *cells, const char *const *names, unsigned n,
         struct err *err)
{
    char number[24];
    const char *const params[] = {number};
    int64_t none;

    snprintf(number, sizeof number, "%" PRId64, cells[0].integer * DAY_NS);
    return store_number(arg, "SELECT 1 FROM hde_make_day($1)", 1, params, &none, err);
}

static bool
copy_table(struct store *from, struct store *to, const char *table, const char *select,
           bool is_timed, int64_t *rows, struct err *err)
{
    struct copying copying = {.to = to, .table = table};
    struct pg_error error = {0};
    char sql[200];
    bool good = true;

    snprintf(sql, sizeof sql, "SELECT DISTINCT event_ns / 86400000000000 FROM %s", table);
    if (is_timed && to->pg)
        good = store_each(from, sql, 0, NULL, make_day, to, err);
    good = good && (!select || store_stream(from, select, copy_row, &copying, err));
    if (good && copying.is_open && (!pg_copy_put(to->pg, &copying.rows, &error) ||
                                    !pg_copy_end(to->pg, &error)))
        good = err_set(err, pg_code(error.kind), "%s", error.text);
    sqlite3_finalize(copying.insert);
    pg_rows_free(&copying.rows);
    *rows = copying.n;
    return good;
}

/* With TimescaleDB the rollups are made of its rows: those of rows that are gone are read out of
 * the aggregates, and cannot be put there. */
static bool
may_copy(struct store *from, struct store *to, struct err *err)
{
    int64_t n;

    if (!store_is_timescale(to))
        return true;
    return store_number(from,
                        "SELECT count(*) FROM option_chain_5m_kept WHERE bucket_ns < (SELECT "
                        "rows_from_ns FROM hde_keep)",
                        0, NULL, &n, err) &&
           (n == 0 || err_set(err, "HDE-S031", "%s: %" PRId64 " rollups whose rows are gone cannot "
                              "be restored into TimescaleDB", from->where, n));
}

/* What of a table is copied; NULL: nothing. */
static const char *
select_of(const struct store *from, const struct store *to, const char *table, char sql[200])
{
    bool is_rollup = strstr(table, "_kept") || strcmp(table, "hde_dirty") == 0;

    snprintf(sql, 200, "SELECT * FROM %s", table);
    if (is_rollup && store_is_timescale(to))
        return NULL;
    if (strstr(table, "_kept") && store_is_timescale(from))
        snprintf(sql, 200,
                 "SELECT * FROM %.*s WHERE bucket_ns < (SELECT rows_from_ns FROM hde_keep)",
                 (int)(strlen(table) - strlen("_kept")), table);
    return sql;
}

static bool
put_keep(void *arg, const struct cell *cells, const char *const *names, unsigned n,
         struct err *err)
{
    char rows[24], rollups[24];
    const char *const params[] = {rows, rollups};
    int64_t none;

    snprintf(rows, sizeof rows, "%" PRId64, cells[0].integer);
    snprintf(rollups, sizeof rollups, "%" PRId64, cells[1].integer);
    return store_number(arg,
                        "UPDATE hde_keep SET rows_from_ns = CAST($1 AS INT8), "
                        "rollups_from_ns = CAST($2 AS INT8)",
                        2, params, &none, err);
}

/* Every bucket of which there are rows. */
static const char fold_all[] =
    "INSERT INTO hde_dirty SELECT DISTINCT feed, expiry, event_ns - event_ns % 300000000000, 1 "
    "FROM chain_metrics";

static bool
copy_store(struct db *db, struct store *from, struct store *to)
{
    static const char *const names[] = {"table", "rows"};
    bool good = store_migrate(to, &db->err) && may_copy(from, to, &db->err) &&
                store_begin(from, &db->err) && store_begin(to, &db->err) &&
                store_each(from, "SELECT rows_from_ns, rollups_from_ns FROM hde_keep", 0, NULL,
                           put_keep, to, &db->err);

    for (int i = 0; good && store_tables[i]; i++) {
        char sql[100], select[200];
        int64_t rows;

        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", store_tables[i]);
        good = store_number(to, sql, 0, NULL, &rows, &db->err) &&
               (rows == 0 || err_set(&db->err, "HDE-S018", "%s: the table %s has rows already",
                                     to->where, store_tables[i])) &&
               copy_table(from, to, store_tables[i], select_of(from, to, store_tables[i], select),
                          i < STORE_TIMED, &rows, &db->err);
        if (good)
            SHOW(db, 2, TEXT(store_tables[i]), NUMBER(rows));
    }
    if (good && store_is_timescale(from) && !store_is_timescale(to))
        good = store_exec(to, fold_all, &db->err);
    good = good && store_commit(to, &db->err);
    store_rollback(to);
    store_rollback(from);
    return good;
}

static bool
db_backup(struct db *db)
{
    struct store to = {0};
    bool good;

    if (access(db->other, F_OK) == 0)
        return err_set(&db->err, "HDE-S018", "%s exists: a backup is never written over anything",
                       db->other);
    good = store_open(&to, db->other, false, &db->err) && copy_store(db, &db->store, &to);
    store_close(&to);
    if (!good)
        unlink(db->other);
    return good;
}

static bool
db_restore(struct db *db)
{
    struct store from = {0};
    bool good = store_open(&from, db->other, true, &db->err) && store_migrate(&from, &db->err) &&
                copy_store(db, &from, &db->store);

    store_close(&from);
    return good;
}

/* ---- verify -------------------------------------------------------------------------------- */

struct sum { /* of rows, in any order */
    int64_t rows;
    uint64_t hash;
};

static uint64_t
mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
    return hash;
}

static bool
add_row(void *arg, const struct cell *cells, const char *const *names, unsigned n,
        struct err *err)
{
    struct sum *sum = arg;
    uint64_t hash = 0xcbf29ce484222325u;

    for (unsigned i = 0; i < n; i++) {
        unsigned char kind = (unsigned char)cells[i].kind;

        hash = mix(hash, &kind, 1);
        if (kind == CELL_REAL)
            hash = mix(hash, &cells[i].real, sizeof cells[i].real);
        else if (kind == CELL_INTEGER)
            hash = mix(hash, &cells[i].integer, sizeof cells[i].integer);
        else if (kind == CELL_TEXT)
            hash = mix(hash, cells[i].text, strlen(cells[i].text));
    }
    sum->rows++;
    sum->hash += hash ^ hash >> 29;
    return true;
}

static bool
sum_select(struct store *store, const char *select, struct sum *sum, struct err *err)
{
    *sum = (struct sum){0};
    return store_stream(store, select, add_row, sum, err);
}

static bool
sum_table(struct store *store, const char *table, struct sum *sum, struct err *err)
{
    char sql[100];

    snprintf(sql, sizeof sql, "SELECT * FROM %s", table);
    return sum_select(store, sql, sum, err);
}

static void
show_sums(struct db *db, const char *what, const struct sum *a, const struct sum *b)
{
    static const char *const names[] = {"what", "rows", "rows there", "state"};
    bool same = a->rows == b->rows && a->hash == b->hash;

    db->bad |= !same;
    SHOW(db, 4, TEXT(what), NUMBER(a->rows), NUMBER(b->rows), TEXT(same ? "same" : "differ"));
}

/* The same with TimescaleDB, whose aggregates are compared with what the rows give. */
static bool
verify_aggregates(struct db *db)
{
#define SINCE " WHERE bucket_ns >= (SELECT rows_from_ns FROM hde_keep)"
    static const struct {
        const char *name, *is, *has_to_be;
    } rollups[] = {
        {"option_chain_5m", "SELECT * FROM option_chain_5m" SINCE,
         "SELECT * FROM option_chain_5m_live" SINCE},
        {"chain_metrics_5m", "SELECT * FROM chain_metrics_5m" SINCE,
         "SELECT * FROM chain_metrics_5m_live" SINCE},
    };
#undef SINCE
    bool good = store_begin(&db->store, &db->err);

    for (size_t i = 0; good && i < sizeof rollups / sizeof *rollups; i++) {
        struct sum is, has_to_be;

        good = sum_select(&db->store, rollups[i].is, &is, &db->err) &&
               sum_select(&db->store, rollups[i].has_to_be, &has_to_be, &db->err);
        if (good)
            show_sums(db, rollups[i].name, &is, &has_to_be);
    }
    store_rollback(&db->store);
    return good;
}

/* Rollups as they are read, and read again when every bucket is made of its rows; buckets whose
 * rows are gone stay out of it. Nothing is left of that. */
static bool
verify_rollups(struct db *db)
{
    static const char *const views[] = {"option_chain_5m", "chain_metrics_5m", "option_chain_1h",
                                        "chain_metrics_1h"};
    struct sum before[4], after[4];
    bool good;

    if (store_is_timescale(&db->store))
        return verify_aggregates(db);
    good = store_begin(&db->store, &db->err);
    for (int i = 0; good && i < 4; i++)
        good = sum_table(&db->store, views[i], &before[i], &db->err);
    good = good && store_exec(&db->store, "DELETE FROM hde_dirty", &db->err) &&
           store_exec(&db->store, fold_all, &db->err);
    for (int i = 0; good && i < 4; i++)
        good = sum_table(&db->store, views[i], &after[i], &db->err);
    store_rollback(&db->store);
    for (int i = 0; good && i < 4; i++)
        show_sums(db, views[i], &before[i], &after[i]);
    return good;
}

static bool
verify_with(struct db *db, struct store *other)
{
    static const char *const more[] = {"chains", "option_chain_5m", "chain_metrics_1h", NULL};
    bool good = store_migrate(other, &db->err) && store_begin(other, &db->err) &&
                store_begin(&db->store, &db->err);

    for (int i = 0; good && i < STORE_TIMED + 3; i++) {
        const char *table = i < STORE_TIMED ? store_tables[i] : more[i - STORE_TIMED];
        struct sum here, there;

        good = sum_table(&db->store, table, &here, &db->err) &&
               sum_table(other, table, &there, &db->err);
        if (good)
            show_sums(db, table, &here, &there);
    }
    store_rollback(other);
    store_rollback(&db->store);
    return good;
}

static bool
db_verify(struct db *db)
{
    struct store other = {0};
    bool good;

    if (!db->other)
        return verify_rollups(db);
    good = store_open(&other, db->other, true, &db->err) && verify_with(db, &other);
    store_close(&other);
    return good;
}

/* ---- retention ----------------------------------------------------------------------------- */

/* Midnight (UTC) so many days before the newest day that has come. */
static bool
days_ago(struct db *db, int64_t days, int64_t *ns)
{
    int64_t newest, today = time(NULL) / 86400;

    if (!store_number(&db->store, "SELECT max(last_ns) / 86400000000000 FROM chains", 0, NULL,
                      &newest, &db->err))
        return false;
    *ns = ((newest < today ? newest : today) - days) * DAY_NS;
    return true;
}

/* What --days says, or the store itself. */
static bool
find_cutoff(struct db *db, int64_t days, const char *column, int64_t *ns)
{
    char sql[100];

    snprintf(sql, sizeof sql, "SELECT coalesce(%s, -1) FROM hde_keep", column);
    if (days < 0 && !store_number(&db->store, sql, 0, NULL, &days, &db->err))
        return false;
    *ns = 0;
    return days < 0 || days_ago(db, days, ns);
}

/* --before is for rows; rollups go at the same time or later. */
static bool
find_cutoffs(struct db *db, int64_t *rows_ns, int64_t *rollups_ns)
{
    struct tm tm = {0};
    const char *before = db->options->before;
    const char *end = before ? strptime(before, "%Y-%m-%d", &tm) : NULL;

    if (before && (!end || *end))
        return err_set(&db->err, "HDE-C004", "--before wants a date, 2026-08-19");
    if (!find_cutoff(db, db->options->days, "rows_days", rows_ns) ||
        !find_cutoff(db, db->options->rollup_days, "rollup_days", rollups_ns))
        return false;
    if (before)
        *rows_ns = timegm(&tm) * INT64_C(1000000000);
    if (*rollups_ns > *rows_ns)
        *rollups_ns = *rows_ns;
    return true;
}

static bool
list_going(struct db *db, const char *table, const char *column, const char *cutoff)
{
    char sql[300];
    const char *const params[] = {table, cutoff};

    snprintf(sql, sizeof sql,
             "SELECT CAST($1 AS TEXT) AS \"table\", %s - %s %% 86400000000000 AS day_ns, "
             "count(*) AS \"rows\" FROM %s WHERE %s < CAST($2 AS INT8) GROUP BY 2 ORDER BY 2",
             column, column, table, column);
    return query(db, sql, 2, params);
}

/* What is given becomes what the store says. */
static bool
keep_days(struct db *db)
{
    char rows[24], rollups[24];
    const char *const params[] = {rows, rollups};
    int64_t none;

    snprintf(rows, sizeof rows, "%" PRId64, db->options->days);
    snprintf(rollups, sizeof rollups, "%" PRId64, db->options->rollup_days);
    return store_number(&db->store,
                        "UPDATE hde_keep SET rows_days = CASE WHEN CAST($1 AS INT8) < 0 THEN "
                        "rows_days ELSE CAST($1 AS INT8) END, rollup_days = CASE WHEN "
                        "CAST($2 AS INT8) < 0 THEN rollup_days ELSE CAST($2 AS INT8) END",
                        2, params, &none, &db->err);
}

static bool
db_retention(struct db *db)
{
    static const char *const rollups[] = {"option_chain_5m",  "chain_metrics_5m",
                                          "option_chain_15m", "chain_metrics_15m",
                                          "option_chain_1h",  "chain_metrics_1h"};
    int64_t rows_ns = 0, rollups_ns = 0;
    char raw[24], wide[24];

    if (!find_cutoffs(db, &rows_ns, &rollups_ns))
        return false;
    snprintf(raw, sizeof raw, "%" PRId64, rows_ns);
    snprintf(wide, sizeof wide, "%" PRId64, rollups_ns);
    for (int i = 0; i < STORE_TIMED; i++)
        if (!list_going(db, store_tables[i], "event_ns", raw))
            return false;
    for (int i = 0; i < 6; i++)
        if (!list_going(db, rollups[i], "bucket_ns", wide))
            return false;
    if (db->options->dry_run)
        return true;
    return (!db->options->keep || keep_days(db)) &&
           store_retire(&db->store, rows_ns, rollups_ns, &db->err);
}

/* ---- gaps ---------------------------------------------------------------------------------- */

static bool
db_gaps(struct db *db)
{
    static const char sql[] =
        "SELECT session AS day, feed, expiry, from_ns, to_ns, "
        "(to_ns - from_ns) / 1000000000 AS seconds FROM ("
        "SELECT session, feed, expiry, lag(event_ns) OVER (PARTITION BY feed, expiry, session "
        "ORDER BY event_ns) AS from_ns, event_ns AS to_ns FROM chain_metrics "
        "UNION ALL SELECT session, feed, expiry, session_open_ns, min(event_ns) "
        "FROM chain_metrics GROUP BY session, feed, expiry, session_open_ns "
        "UNION ALL SELECT session, feed, expiry, max(event_ns), session_close_ns "
        "FROM chain_metrics GROUP BY session, feed, expiry, session_close_ns) g "
        "WHERE to_ns - from_ns > CAST($1 AS INT8) ORDER BY 1, 2, 3, 4";
    char longer[24];
    const char *const params[] = {longer};

    snprintf(longer, sizeof longer, "%" PRId64, db->options->longer.ns);
    return query(db, sql, 1, params);
}

/* ---- The command --------------------------------------------------------------------------- */

static const struct word {
    const char *name;
    bool (*run)(struct db *db);
    bool writes, any_schema; /* looks at stores of other schemas than ours */
    int others;              /* second arguments: 0 none, 1 one, -1 one or none */
} words[] = {
    {"status", db_status, false, false, 0},     {"migrate", db_migrate, true, true, 0},
    {"doctor", db_doctor, false, false, 0},     {"backup", db_backup, false, false, 1},
    {"restore", db_restore, true, true, 1},     {"verify", db_verify, true, false, -1},
    {"retention", db_retention, true, false, 0}, {"gaps", db_gaps, false, false, 0},
    {"fold", db_fold, true, false, 0},
};

static int
exit_of(const struct err *err)
{
    static const char passing[] = "HDE-S001 HDE-S003 HDE-S004 HDE-S005 HDE-S006 HDE-S030";

    return strstr(passing, err->code) ? EX_TEMPFAIL
           : strcmp(err->code, "HDE-S007") == 0 ? EX_NOPERM
           : strcmp(err->code, "HDE-C004") == 0 ? EX_USAGE
                                                : EX_DATAERR;
}

static int
finish(struct db *db, bool good)
{
    const struct cmd *cmd = db->cmd;
    hde_text out = {0};
    int exit = CMD_OK;

    store_close(&db->store);
    if (!good) {
        hde_text_free(&db->json);
        return cmd_error_err(cmd, exit_of(&db->err), &db->err);
    }
    if (!cmd->json && db->table.n_rows)
        table_print(&db->table, &out, cmd->color ? "\033[1m" : "", cmd->color ? "\033[0m" : "", 0,
                    0);
    exit = cmd_print(cmd, cmd->json ? &db->json : &out, NULL);
    hde_text_free(&db->json);
    hde_text_free(&out);
    return exit ? exit : db->bad ? CMD_FAILED : CMD_OK;
}

static int
run_db(const struct cmd *cmd, const void *block)
{
    struct db db = {.cmd = cmd, .options = block, .table = {.arena = cmd->arena}};
    const struct word *word = NULL;
    int others = cmd->n_args - 2;
    bool good, only_looks;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, cmd->args[0]) == 0)
            word = &words[i];
    if (!word)
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "see 'hde help db'",
                         "'%s' is nothing that is done with a store", cmd->args[0]);
    if (others < 0 || (word->others >= 0 && others != word->others))
        return cmd_error(cmd, EX_USAGE, "HDE-C005", "see 'hde help db'",
                         "'%s' wants a store%s", word->name, word->others ? " and a file" : "");
    db.other = others > 0 ? cmd->args[2] : NULL;
    only_looks = !word->writes || db.options->plan || db.options->dry_run;
    good = store_open(&db.store, cmd->args[1], only_looks, &db.err);
    if (good && !word->any_schema) {
        struct store check_only = {0};

        good = store_open(&check_only, cmd->args[1], true, &db.err) &&
               store_migrate(&check_only, &db.err);
        store_close(&check_only);
    }
    return finish(&db, good && word->run(&db));
}

static const struct command db_command = {
    .name = "db",
    .args = "status|migrate|doctor|backup|restore|verify|retention|gaps|fold STORE [FILE]",
    .group = CMD_GROUP_TOOL,
    .summary = "look after a market store",
    .help =
        "STORE is a SQLite file, or the address of a PostgreSQL database as libpq takes it "
        "(postgresql://user@host/database, host=... dbname=...; the password from PGPASSWORD or "
        "~/.pgpass).\n\n"
        " status     kind, schema, rows of each table, from when to when\n"
        " migrate    bring it to this program's schema; --plan only says what would be done\n"
        " doctor     what is wrong with it, and what to do\n"
        " backup     all of it into a new SQLite FILE, which is a store as well\n"
        " restore    all of FILE into an empty store\n"
        " verify     rollups against the rows; with FILE, or another store, row for row with that\n"
        " retention  end whole days (UTC) of rows and, later, of rollups, as sinks do themselves\n"
        "            (--dry-run lists them); what is older is not written any more then\n"
        " gaps       times of a session without a chain\n"
        " fold       rollups of buckets that are past, which a running sink does by itself\n\n"
        "So a store moves from SQLite to PostgreSQL, or back, by backup and restore.",
    .examples =
        (const struct cmd_example[]){
            {"hde db status market.db", "what is in it"},
            {"hde db migrate --plan postgresql:///hde", "what a start would do"},
            {"hde db restore postgresql:///hde market.db", "from SQLite into PostgreSQL"},
            {"hde db verify postgresql:///hde market.db", "is it all there?"},
            {"hde db retention --days 90 --dry-run market.db", "what is older than 90 days"},
            {"hde db retention --days 30 --rollup-days 365 --keep market.db", "from now on"},
            {"hde db gaps market.db --longer 2m", "when nothing came for two minutes"},
            {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("plan", struct db_options, plan), .help = "migrate: change nothing"},
            {CMD_OPTION("dry-run", struct db_options, dry_run),
             .help = "retention: change nothing"},
            {CMD_OPTION("days", struct db_options, days), .value = "N", .fallback = "-1",
             .min = -1, .max = 100000,
             .help = "retention: rows of so many days before the newest stay; -1: see hde_keep"},
            {CMD_OPTION("rollup-days", struct db_options, rollup_days), .value = "N",
             .fallback = "-1", .min = -1, .max = 100000, .help = "the same of rollups"},
            {CMD_OPTION("keep", struct db_options, keep),
             .help = "retention: both are what the store says from now on, and sinks keep to it"},
            {CMD_OPTION("before", struct db_options, before), .value = "DATE",
             .help = "retention: rows before this day go, instead of --days"},
            {CMD_OPTION("longer", struct db_options, longer), .value = "TIME", .fallback = "1m",
             .min = 0, .max = 1e6, .help = "gaps: longer than this"},
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "doctor, verify: something is wrong"},
                                       {EX_TEMPFAIL, "the database is away, full or busy"},
                                       {EX_NOPERM, "it refuses the user"},
                                       {EX_DATAERR, "it cannot be used, the text says why"},
                                       {0}},
    .words = "status|migrate|doctor|backup|restore|verify|retention|gaps|fold",
    .complete = CMD_COMPLETE_FILE,
    .min_args = 2,
    .max_args = 3,
    CMD_BLOCK(struct db_options),
    .run = run_db,
};

int
main(int argc, char **argv)
{
    return cmd_program(&db_command, argc, argv);
}
