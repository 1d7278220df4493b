/* SPDX-License-Identifier: Apache-2.0
 * sqlite - the market store: chains and results into one SQLite file.
 *
 *  (1) Messages wait, kept by reference, until their transaction is committed: a file that is
 *      locked or full costs time, never rows.
 *  (2) A transaction holds whole ticks and the mark of the last one, so the file never shows half
 *      a tick, and the mark never runs ahead of the rows.
 *  (3) Rows are upserts under natural keys: writing a tick again changes nothing. */
#include "market.h"
#include "waiting.h"

#include <connectors/sqlite.h>
#include <hde/operator.h>
#include <hde/text.h>

#include <string.h>

struct sink {
    struct waiting waiting;
    hde_path path;
    hde_duration busy_timeout;
    const char *sync;
    hde_size max_size;

    struct sqlite *db;
    struct market market;
    sqlite3_stmt *upsert[MARKET_TABLES], *chain, *dirty;
    sqlite3_stmt *read_mark, *write_mark;
    int64_t from_ns;            /* earlier messages expire */
    uint64_t rows, expired;     /* of the transaction that is being made */
    struct sqlite_error *error; /* of it */
};

/* ---- The world ----------------------------------------------------------------------------- */

/* What to do next after a call that failed. */
static hde_status
say(hde_ctx *ctx, const struct sqlite_error *error)
{
    if (error->kind == SQLITE_TROUBLE_BUSY || error->kind == SQLITE_TROUBLE_FULL)
        hde_stands(ctx, HDE_HELD_UP, "%s", error->text);
    switch (error->kind) {
    case SQLITE_TROUBLE_BUSY:
        return hde_retry(ctx, "sqlite.locked", "%s", error->text);
    case SQLITE_TROUBLE_FULL:
        return hde_retry(ctx, "sqlite.full", "%s", error->text);
    case SQLITE_TROUBLE_CORRUPT:
        return hde_fail(ctx, "sqlite.corrupt", "%s", error->text);
    case SQLITE_TROUBLE_NEWER:
        return hde_fail(ctx, "sqlite.newer-schema", "%s", error->text);
    case SQLITE_TROUBLE_ABSENT:
        return hde_fail(ctx, "sqlite.cannot-open", "%s", error->text);
    default:
        return hde_fail(ctx, "sqlite.error", "%s", error->text);
    }
}

static sqlite3_stmt *
prepare_upsert(struct sqlite *db, const struct table *table, struct sqlite_error *error)
{
    hde_text sql = {0};
    sqlite3_stmt *stmt;

    hde_text_printf(&sql, "INSERT INTO %s (", table->spec->name);
    table_put_names(&sql, table);
    hde_text_puts(&sql, ") VALUES (");
    for (unsigned i = 0; i < table->n_keys + table->n_columns; i++)
        hde_text_puts(&sql, i ? ", ?" : "?");
    hde_text_puts(&sql, ")");
    table_put_conflict(&sql, table);
    stmt = sqlite_prepare(db, sql.data, error);
    hde_text_free(&sql);
    return stmt;
}

static bool
connect(struct sink *self, struct sqlite_error *error)
{
    const struct sqlite_options options = {
        .sync_normal = strcmp(self->sync, "normal") == 0,
        .busy_ms = self->busy_timeout.ns / 1000000,
        .max_bytes = self->max_size.bytes,
    };

    self->db = sqlite_open(self->path.path, &options, error);
    if (!self->db || !sqlite_migrate(self->db, sqlite_migrations, error))
        return false;
    for (int i = 0; i < MARKET_TABLES; i++) {
        self->upsert[i] = prepare_upsert(self->db, &self->market.table[i], error);
        if (!self->upsert[i])
            return false;
    }
    self->chain = sqlite_prepare(self->db, market_upsert_chain, error);
    self->dirty = sqlite_prepare(
        self->db,
        "INSERT INTO hde_dirty (feed, expiry, bucket_ns, writes) VALUES (?, ?, ?, 1) "
        "ON CONFLICT (feed, expiry, bucket_ns) DO UPDATE SET writes = writes + 1",
        error);
    self->read_mark = sqlite_prepare(
        self->db,
        "SELECT tick, incarnation, rows_from_ns FROM hde_keep LEFT JOIN hde_marks "
        "ON graph = ? AND node = ?",
        error);
    self->write_mark = sqlite_prepare(
        self->db,
        "INSERT INTO hde_marks (graph, node, tick, incarnation) VALUES (?, ?, ?, ?) ON CONFLICT "
        "(graph, node) DO UPDATE SET tick = excluded.tick, incarnation = excluded.incarnation",
        error);
    return self->chain && self->dirty && self->read_mark && self->write_mark;
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static bool
run(struct sink *self, sqlite3_stmt *stmt, const struct value *value, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int at = (int)i + 1;

        switch (value[i].kind) {
        case VALUE_NULL:
            sqlite_bind_null(stmt, at);
            break;
        case VALUE_REAL:
            sqlite_bind_real(stmt, at, value[i].real);
            break;
        case VALUE_INTEGER:
            sqlite_bind_integer(stmt, at, value[i].integer);
            break;
        case VALUE_TEXT:
            sqlite_bind_text(stmt, at, value[i].text);
            break;
        }
    }
    self->rows++;
    return sqlite_run(self->db, stmt, self->error);
}

static bool
put_row(void *to, int which, const struct market_key *key, const struct value *values)
{
    struct sink *self = to;
    const struct table *table = &self->market.table[which];

    return run(self, self->upsert[which], values, table->n_keys + table->n_columns);
}

static bool
put_chain(void *to, const struct value values[MARKET_CHAIN_VALUES])
{
    struct sink *self = to;

    return run(self, self->chain, values, MARKET_CHAIN_VALUES);
}

/* ---- Marks --------------------------------------------------------------------------------- */

/* The stored mark: 0 where this node has none; and from when on the store has rows. */
static bool
load_mark(hde_ctx *ctx, struct sink *self, uint64_t *tick, uint64_t *incarnation,
          struct sqlite_error *error)
{
    int rc;

    sqlite_bind_text(self->read_mark, 1, hde_graph_name(ctx));
    sqlite_bind_text(self->read_mark, 2, hde_node_name(ctx));
    rc = sqlite_step(self->db, self->read_mark, error);
    *tick = rc == 1 ? (uint64_t)sqlite3_column_int64(self->read_mark, 0) : 0;
    *incarnation = rc == 1 ? (uint64_t)sqlite3_column_int64(self->read_mark, 1) : 0;
    self->from_ns = rc == 1 ? sqlite3_column_int64(self->read_mark, 2) : 0;
    sqlite3_reset(self->read_mark);
    return rc >= 0;
}

static bool
store_mark(hde_ctx *ctx, struct sink *self, uint64_t tick, struct sqlite_error *error)
{
    sqlite_bind_text(self->write_mark, 1, hde_graph_name(ctx));
    sqlite_bind_text(self->write_mark, 2, hde_node_name(ctx));
    sqlite_bind_integer(self->write_mark, 3, (int64_t)tick);
    sqlite_bind_integer(self->write_mark, 4, (int64_t)HDE_TICK_INCARNATION(tick));
    return sqlite_run(self->db, self->write_mark, error);
}

/* ---- Transactions -------------------------------------------------------------------------- */

/* The bucket of a chain is to be folded anew. */
static bool
note_dirty(struct sink *self, const ProtobufCMessage *chain)
{
    struct market_key key;

    market_find_key(chain, &key);
    sqlite_bind_text(self->dirty, 1, key.feed);
    sqlite_bind_text(self->dirty, 2, key.expiry);
    sqlite_bind_integer(self->dirty, 3, key.event_ns - key.event_ns % MARKET_BUCKET_NS);
    return sqlite_run(self->db, self->dirty, self->error);
}

static bool
write_all(struct sink *self, struct sqlite_error *error)
{
    const struct market_writer writer = {self, put_row, put_chain};

    self->rows = self->expired = 0;
    self->error = error;
    for (size_t i = 0; i < self->waiting.n; i++) {
        const ProtobufCMessage *message = self->waiting.msg[i]->body;
        struct market_key key;

        if (market_find_key(message, &key) && key.event_ns < self->from_ns) {
            self->expired++;
            continue;
        }
        if (!market_write(&self->market, message, &writer) ||
            (market_is_chain(message) && !note_dirty(self, message)))
            return false;
    }
    return true;
}

/* Commits everything that waits, whole up to tick. */
static hde_status
commit(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct sink *self = state;
    struct sqlite_error error = {0};
    uint64_t stored, incarnation;
    bool ok = sqlite_begin(self->db, &error) && load_mark(ctx, self, &stored, &incarnation, &error);

    if (ok && incarnation > HDE_TICK_INCARNATION(tick)) {
        sqlite_rollback(self->db);
        return hde_fail(ctx, "sqlite.fenced",
                        "%s: a later start of node '%s' writes to this file: this one stops",
                        self->path.path, hde_node_name(ctx));
    }
    if (!ok || !write_all(self, &error) || !store_mark(ctx, self, tick, &error) ||
        !sqlite_commit(self->db, &error)) {
        sqlite_rollback(self->db);
        return say(ctx, &error);
    }
    waiting_committed(ctx, &self->waiting, tick, self->rows, self->expired);
    return HDE_OK;
}

static bool
fold(hde_ctx *ctx, void *state, int64_t most, uint64_t *folded)
{
    struct sink *self = state;
    struct sqlite_error error = {0};

    if (sqlite_fold(self->db, most, 0, folded, &error))
        return true;
    hde_log(ctx, HDE_WARN, "sqlite.fold", "%s", error.text);
    return false;
}

static void
tend(hde_ctx *ctx, void *state)
{
    struct sink *self = state;
    struct sqlite_error error = {0};

    if (!sqlite_tend(self->db, &error))
        hde_log(ctx, HDE_WARN, "sqlite.tend", "%s", error.text);
}

/* ---- The operator -------------------------------------------------------------------------- */

static const struct waiting_store store = {.commit = commit, .fold = fold, .tend = tend};

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;
    struct sqlite_error error = {0};
    uint64_t incarnation;

    waiting_open(ctx, &self->waiting, &store);
    market_open(&self->market);
    if (!connect(self, &error) ||
        !load_mark(ctx, self, &self->waiting.mark, &incarnation, &error)) {
        if (error.kind == SQLITE_TROUBLE_BUSY || error.kind == SQLITE_TROUBLE_FULL)
            return hde_fail(ctx, "sqlite.cannot-open", "%s", error.text);
        return say(ctx, &error);
    }
    return HDE_OK;
}

static void
sink_close(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    waiting_close(ctx, &self->waiting, "sqlite.not-committed", self->path.path);
    market_close(&self->market);
    sqlite_close(self->db);
}

static const hde_param params[] = {
    HDE_PARAM(struct sink, path, .flags = HDE_PARAM_STORE,
              .help = "the SQLite file; made when it is not there"),
    WAITING_PARAMS,
    HDE_PARAM(struct sink, busy_timeout, .fallback = "5s", .min = 0.001, .max = 3600,
              .help = "wait for a lock of another program, then try again later"),
    HDE_PARAM(struct sink, sync, .fallback = "full", .choices = "full|normal",
              .help = "full: a commit survives a power cut; normal: the last ones may not"),
    HDE_PARAM(struct sink, max_size, .fallback = "0", .min = 0, .max = 1e15,
              .help = "the file grows no further, messages wait instead; 0: no bound"),
    {0}};

static const hde_operator sqlite_sink = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_EXCLUSIVE,
    .name = "storage/sqlite",
    .summary = "chains and results into a SQLite file",
    .help = "Rows of whole ticks and the node's mark are committed together; rows are upserts\n"
            "under natural keys. A locked or full file is tried again and loses nothing. The\n"
            "tables are documented in share/hde/sql, connectors/tables/sql in the source.",
    .inputs = waiting_inputs,
    .params = params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = waiting_batch,
    .timer = waiting_timer,
    .close = sink_close,
    .flush = waiting_flush,
    .mark = waiting_mark,
};

HDE_PLUGIN(&sqlite_sink);
