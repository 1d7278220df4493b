/* SPDX-License-Identifier: Apache-2.0
 * sqlite - the market store: chains and results into one SQLite file.
 *
 *  (1) Messages wait, kept by reference, until their transaction is committed: a file that is
 *      locked or full costs time, never rows.
 *  (2) A transaction holds whole ticks and the mark of the last one, so the file never shows half
 *      a tick, and the mark never runs ahead of the rows.
 *  (3) Rows are upserts under natural keys: writing a tick again changes nothing. */
#include "market.h"

#include <hde/operator.h>
#include <hde/text.h>

#include <stdlib.h>
#include <string.h>

struct sink {
    hde_path path;
    int64_t batch_rows;
    hde_duration busy_timeout;
    const char *sync;
    hde_size max_size;

    struct sqlite *db;
    struct market *market;
    sqlite3_stmt *read_mark, *write_mark;
    hde_msg **waiting; /* not committed yet, in order */
    size_t n, cap, rows;
    uint64_t last_tick; /* of the newest one waiting */
    uint64_t mark;
    hde_counter *written, *commits;
};

/* ---- The world ----------------------------------------------------------------------------- */

/* What to do next after a call that failed. */
static hde_status
say(hde_ctx *ctx, const struct sqlite_error *error)
{
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

static bool
connect(hde_ctx *ctx, struct sink *self, struct sqlite_error *error)
{
    const struct sqlite_options options = {
        .sync_normal = strcmp(self->sync, "normal") == 0,
        .busy_ms = self->busy_timeout.ns / 1000000,
        .max_bytes = self->max_size.bytes,
    };

    self->db = sqlite_open(self->path.path, &options, error);
    if (!self->db || !sqlite_migrate(self->db, market_migrations, error))
        return false;
    self->market = market_open(self->db, error);
    self->read_mark = sqlite_prepare(
        self->db, "SELECT tick, incarnation FROM hde_marks WHERE graph = ? AND node = ?", error);
    self->write_mark = sqlite_prepare(
        self->db,
        "INSERT INTO hde_marks (graph, node, tick, incarnation) VALUES (?, ?, ?, ?) ON CONFLICT "
        "(graph, node) DO UPDATE SET tick = excluded.tick, incarnation = excluded.incarnation",
        error);
    return self->market && self->read_mark && self->write_mark;
}

/* ---- Marks --------------------------------------------------------------------------------- */

/* The stored mark: 0 where this node has none. */
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

static bool
write_all(struct sink *self, uint64_t *rows, struct sqlite_error *error)
{
    for (size_t i = 0; i < self->n; i++)
        if (!market_write(self->market, self->waiting[i]->body, rows, error))
            return false;
    return true;
}

/* Commits everything that waits, whole up to tick. */
static hde_status
commit(hde_ctx *ctx, struct sink *self, uint64_t tick)
{
    struct sqlite_error error = {0};
    uint64_t stored, incarnation, rows = 0;
    bool ok = sqlite_begin(self->db, &error) && load_mark(ctx, self, &stored, &incarnation, &error);

    if (ok && incarnation > HDE_TICK_INCARNATION(tick)) {
        sqlite_rollback(self->db);
        return hde_fail(ctx, "sqlite.fenced",
                        "%s: a later start of node '%s' writes to this file: this one stops",
                        self->path.path, hde_node_name(ctx));
    }
    if (!ok || !write_all(self, &rows, &error) || !store_mark(ctx, self, tick, &error) ||
        !sqlite_commit(self->db, &error)) {
        sqlite_rollback(self->db);
        return say(ctx, &error);
    }
    for (size_t i = 0; i < self->n; i++)
        hde_msg_drop(self->waiting[i]);
    self->n = self->rows = 0;
    self->mark = tick;
    hde_count(self->written, rows);
    hde_count(self->commits, 1);
    return HDE_OK;
}

static void
wait_for_commit(struct sink *self, const hde_msg *msg)
{
    if (self->n == self->cap) {
        self->cap = self->cap ? 2 * self->cap : 64;
        self->waiting = reallocarray(self->waiting, self->cap, sizeof *self->waiting);
        if (!self->waiting)
            hde_no_memory();
    }
    self->waiting[self->n++] = hde_msg_keep(msg);
    self->rows += market_rows(msg->body);
}

/* ---- The operator -------------------------------------------------------------------------- */

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;
    struct sqlite_error error = {0};
    uint64_t incarnation;

    self->written = hde_counter_open(ctx, "rows", "rows written");
    self->commits = hde_counter_open(ctx, "commits", "transactions committed");
    if (!connect(ctx, self, &error) || !load_mark(ctx, self, &self->mark, &incarnation, &error)) {
        if (error.kind == SQLITE_TROUBLE_BUSY || error.kind == SQLITE_TROUBLE_FULL)
            return hde_fail(ctx, "sqlite.cannot-open", "%s", error.text);
        return say(ctx, &error);
    }
    return HDE_OK;
}

static hde_status
sink_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sink *self = state;

    if (self->rows >= (size_t)self->batch_rows && batch->tick != self->last_tick) {
        hde_status status = commit(ctx, self, self->last_tick);

        if (status != HDE_OK)
            return status;
    }
    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];

        self->last_tick = batch->tick;
        if (!market_has_key(msg->body))
            return hde_reject(ctx, "sqlite.no-key", "%s without feed, expiry or stamp",
                              msg->body->descriptor->short_name);
        wait_for_commit(self, msg);
    }
    return HDE_OK;
}

static hde_status
sink_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct sink *self = state;

    return self->n ? commit(ctx, self, tick) : HDE_OK;
}

static hde_status
sink_mark(hde_ctx *ctx, void *state, uint64_t *tick)
{
    *tick = ((struct sink *)state)->mark;
    return HDE_OK;
}

static void
sink_close(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    if (self->n)
        hde_log(ctx, HDE_WARN, "sqlite.not-committed",
                "%s: closed with %zu messages that were not committed; the mark is tick %llu",
                self->path.path, self->n, (unsigned long long)self->mark);
    for (size_t i = 0; i < self->n; i++)
        hde_msg_drop(self->waiting[i]);
    free(self->waiting);
    market_close(self->market);
    sqlite_close(self->db);
}

static const hde_param params[] = {
    HDE_PARAM(struct sink, path, .help = "the SQLite file; made when it is not there"),
    HDE_PARAM(struct sink, batch_rows, .fallback = "20000", .unit = "rows", .min = 1, .max = 1e7,
              .help = "commit at the end of a tick when so many rows wait; always when the input "
                      "runs empty"),
    HDE_PARAM(struct sink, busy_timeout, .fallback = "5s", .min = 0.001, .max = 3600,
              .help = "wait for a lock of another program, then try again later"),
    HDE_PARAM(struct sink, sync, .fallback = "full", .choices = "full|normal",
              .help = "full: a commit survives a power cut; normal: the last ones may not"),
    HDE_PARAM(struct sink, max_size, .fallback = "0", .min = 0, .max = 1e15,
              .help = "the file grows no further, messages wait instead; 0: no bound"),
    {0}};

static const hde_port inputs[] = {
    {"snapshots", HDE_TYPES(&hde__enriched_chain__descriptor, &hde__raw_chain__descriptor),
     HDE_PORT_OPTIONAL,
     "chains: option_chain_snapshots, chain_metrics, chain_strike_metrics, chains"},
    {"results",
     HDE_TYPES(&hde__cumulative_oi__descriptor, &hde__velocity__descriptor,
               &hde__buildup__descriptor, &hde__zones__descriptor),
     HDE_PORT_OPTIONAL, "analytics: one table a type"},
    {0}};

static const hde_operator sqlite_sink = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_EXCLUSIVE,
    .name = "storage/sqlite",
    .summary = "chains and results into a SQLite file",
    .help = "Rows of whole ticks and the node's mark are committed together; rows are upserts\n"
            "under natural keys. A locked or full file is tried again and loses nothing. The\n"
            "tables are documented in share/hde/sql, connectors/sqlite/migrations in the source.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = sink_batch,
    .close = sink_close,
    .flush = sink_flush,
    .mark = sink_mark,
};

HDE_PLUGIN(&sqlite_sink);
