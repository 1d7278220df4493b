/* SPDX-License-Identifier: Apache-2.0
 * postgres - the market store: chains and results into a PostgreSQL database.
 *
 *  (1) A transaction holds whole ticks and the mark of the last one.
 *      [test_rows_and_mark_are_committed_together_at_the_end_of_ticks]
 *  (2) Messages wait until their transaction is committed, whatever happens to the database.
 *      [test_a_server_that_is_killed_loses_and_doubles_nothing]
 *  (3) A session that ended inside of COMMIT may have committed. The next one reads the mark, and
 *      what the mark covers is done. [test_an_unknown_outcome_is_settled_by_the_mark]
 *  (4) The mark is the transaction's first write, and only over an incarnation that is not higher,
 *      so it locks out an older start of the node. [test_an_older_start_is_fenced]
 *  (5) A row that is newer than all of its table, feed and expiry is new, and goes straight in by
 *      COPY. Every other one goes by way of a staging table, in which the last one of a key counts,
 *      and an upsert. Where somebody else wrote meanwhile, all of the batch does.
 *      [test_a_row_that_somebody_else_wrote_is_replaced] */
#include "copy.h"
#include "market.h"
#include "waiting.h"

#include <connectors/postgres.h>
#include <hde/operator.h>
#include <hde/text.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sink {
    hde_secret address, password;
    int64_t batch_rows;
    hde_duration batch_time, connect_timeout, statement_timeout, lock_timeout, fold_every;
    const char *commit;

    struct pg *pg;
    struct copy *copy;
    struct waiting waiting;
    uint64_t mark;
    bool is_away; /* said so already */
    bool folds;   /* the timer is set */
    hde_counter *written, *commits, *staged, *outages, *folded;
};

enum { FOLD_TIMER = 1, FOLD_MOST = 64 };

/* ---- The world ----------------------------------------------------------------------------- */

static const char *
event_of(enum pg_trouble kind)
{
    switch (kind) {
    case PG_TROUBLE_AWAY:
        return "postgres.away";
    case PG_TROUBLE_UNKNOWN:
        return "postgres.commit-unknown";
    case PG_TROUBLE_FULL:
        return "postgres.full";
    case PG_TROUBLE_SLOW:
        return "postgres.slow";
    case PG_TROUBLE_CONFLICT:
        return "postgres.conflict";
    case PG_TROUBLE_CROWDED:
        return "postgres.crowded";
    case PG_TROUBLE_REFUSED:
        return "postgres.refused";
    case PG_TROUBLE_ABSENT:
        return "postgres.absent";
    case PG_TROUBLE_NEWER:
    case PG_TROUBLE_EDITED:
    case PG_TROUBLE_OLDER:
        return "postgres.schema";
    case PG_TROUBLE_VALUE:
        return "postgres.value";
    case PG_TROUBLE_ADDRESS:
        return "postgres.address";
    default:
        return "postgres.error";
    }
}

/* What to do next after a call that failed. */
static hde_status
say(hde_ctx *ctx, struct sink *self, const struct pg_error *error)
{
    pg_rollback(self->pg);
    if (!pg_may_pass(error->kind))
        return hde_fail(ctx, event_of(error->kind), "%s [%s]", error->text, pg_code(error->kind));
    if (error->kind == PG_TROUBLE_AWAY && !self->is_away)
        hde_count(self->outages, 1);
    self->is_away |= error->kind == PG_TROUBLE_AWAY;
    return hde_retry(ctx, event_of(error->kind), "%s [%s]", error->text, pg_code(error->kind));
}

/* ---- Marks --------------------------------------------------------------------------------- */

static bool
load_mark(hde_ctx *ctx, struct sink *self, struct pg_error *error)
{
    const char *const params[] = {hde_graph_name(ctx), hde_node_name(ctx)};
    PGresult *result = pg_query(
        self->pg, "SELECT tick FROM hde_marks WHERE graph = $1 AND node = $2", 2, params, error);

    if (!result)
        return false;
    self->mark = PQntuples(result) ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return true;
}

/* *fenced: a later start of this node has written. */
static bool
store_mark(hde_ctx *ctx, struct sink *self, uint64_t tick, bool *fenced, struct pg_error *error)
{
    static const char sql[] =
        "INSERT INTO hde_marks AS m (graph, node, tick, incarnation) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (graph, node) DO UPDATE SET tick = excluded.tick, "
        "incarnation = excluded.incarnation WHERE m.incarnation <= excluded.incarnation "
        "RETURNING 1";
    char number[24], incarnation[24];
    const char *const params[] = {hde_graph_name(ctx), hde_node_name(ctx), number, incarnation};
    PGresult *result;

    snprintf(number, sizeof number, "%" PRIu64, tick);
    snprintf(incarnation, sizeof incarnation, "%" PRIu64, HDE_TICK_INCARNATION(tick));
    result = pg_query(self->pg, sql, 4, params, error);
    *fenced = result && PQntuples(result) == 0;
    PQclear(result);
    return result != NULL;
}

/* ---- Transactions -------------------------------------------------------------------------- */

/* A session that works, with what a new one needs. What the mark of a new one covers is done. */
static bool
reach(hde_ctx *ctx, struct sink *self, struct pg_error *error)
{
    bool fresh;

    if (!pg_reach(self->pg, &fresh, error))
        return false;
    if (!fresh)
        return true;
    if (!pg_migrate(self->pg, postgres_migrations, error) || !copy_begin(self->copy, error) ||
        !load_mark(ctx, self, error)) {
        pg_part(self->pg); /* the next one is fresh again */
        return false;
    }
    self->is_away = false;
    waiting_done(&self->waiting, self->mark);
    return true;
}

/* One transaction; false with *fenced or an error. */
static bool
write_all(hde_ctx *ctx, struct sink *self, uint64_t tick, bool stage_all, bool *fenced,
          struct pg_error *error)
{
    const ProtobufCMessage *messages[64];
    size_t done = 0;

    *fenced = false;
    if (!pg_begin(self->pg, error) || !store_mark(ctx, self, tick, fenced, error) || *fenced)
        return false;
    copy_start(self->copy, stage_all);
    while (done < self->waiting.n) {
        size_t n = 0;

        for (; n < sizeof messages / sizeof *messages && done + n < self->waiting.n; n++)
            messages[n] = self->waiting.msg[done + n]->body;
        if (!copy_add(self->copy, messages, n, error))
            return false;
        done += n;
    }
    return copy_finish(self->copy, error) && pg_commit(self->pg, error);
}

/* Commits everything that waits, whole up to tick. */
static hde_status
commit(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct sink *self = state;
    struct pg_error error = {0};
    bool fenced = false, good;

    if (!reach(ctx, self, &error))
        return say(ctx, self, &error);
    if (self->waiting.n == 0)
        return HDE_OK;
    for (size_t i = 0; i < self->waiting.n; i++)
        if (!copy_make_day(self->copy, self->waiting.msg[i]->body, &error))
            return say(ctx, self, &error);
    good = write_all(ctx, self, tick, false, &fenced, &error);
    if (!good && !fenced && error.kind == PG_TROUBLE_DOUBLE) {
        pg_rollback(self->pg);
        copy_forget(self->copy);
        good = write_all(ctx, self, tick, true, &fenced, &error);
    }
    if (fenced) {
        pg_rollback(self->pg);
        return hde_fail(ctx, "postgres.fenced",
                        "%s: a later start of node '%s' writes there: this one stops [HDE-S016]",
                        pg_where(self->pg), hde_node_name(ctx));
    }
    if (!good) {
        copy_forget(self->copy);
        return say(ctx, self, &error);
    }
    waiting_done(&self->waiting, tick);
    self->mark = tick;
    hde_count(self->written, copy_rows(self->copy));
    hde_count(self->staged, copy_staged(self->copy));
    hde_count(self->commits, 1);
    return HDE_OK;
}

/* ---- The operator -------------------------------------------------------------------------- */

static hde_status
sink_open(hde_ctx *ctx, void *state)
{
    struct sink *self = state;
    const struct pg_options options = {
        .address = self->address.text,
        .password = self->password.text,
        .commit = self->commit,
        .connect_ms = self->connect_timeout.ns / 1000000,
        .statement_ms = self->statement_timeout.ns / 1000000,
        .lock_ms = self->lock_timeout.ns / 1000000,
    };
    struct pg_error error = {0};

    self->written = hde_counter_open(ctx, "rows", "rows written");
    self->commits = hde_counter_open(ctx, "commits", "transactions committed");
    self->staged = hde_counter_open(ctx, "staged", "rows that went by way of staging");
    self->outages = hde_counter_open(ctx, "outages", "times that the database was away");
    self->folded = hde_counter_open(ctx, "folded", "buckets folded into rollups");
    self->pg = pg_new(&options);
    self->copy = copy_new(self->pg);
    if (!reach(ctx, self, &error))
        return hde_fail(ctx, event_of(error.kind), "%s [%s]", error.text, pg_code(error.kind));
    hde_log(ctx, HDE_INFO, "postgres.open", "%s: PostgreSQL %d%s", pg_where(self->pg),
            pg_version(self->pg) / 10000,
            pg_level(self->pg) == PG_LEVEL_TIMESCALE ? " with TimescaleDB" : "");
    return HDE_OK;
}

/* There is something to fold some time after something came: a sink that gets nothing sleeps. */
static void
fold_later(hde_ctx *ctx, struct sink *self)
{
    if (self->folds)
        return;
    self->folds = true;
    hde_timer_after(ctx, FOLD_TIMER, self->fold_every.ns);
}

static hde_status
sink_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct sink *self = state;
    const struct waiting_limits limits = {self->batch_rows, self->batch_time.ns};

    fold_later(ctx, self);
    return waiting_batch(&self->waiting, &limits, commit, ctx, state, batch);
}

static hde_status
sink_flush(hde_ctx *ctx, void *state, uint64_t tick)
{
    struct sink *self = state;

    return self->waiting.n ? commit(ctx, self, tick) : HDE_OK;
}

/* Rollups. A failure is nothing to stop for: buckets stay dirty, and readers see them all the
 * same. */
static hde_status
sink_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    struct sink *self = state;
    struct pg_error error = {0};
    char most[16];
    const char *const params[] = {most};
    PGresult *result = NULL;
    int64_t folded;

    self->folds = false;
    if (self->is_away) { /* the writing looks for it */
        fold_later(ctx, self);
        return HDE_OK;
    }
    snprintf(most, sizeof most, "%d", FOLD_MOST);
    if (!reach(ctx, self, &error) ||
        !(result = pg_query(self->pg, "SELECT hde_fold($1, 0)", 1, params, &error))) {
        pg_rollback(self->pg);
        hde_log(ctx, HDE_WARN, "postgres.fold", "%s [%s]", error.text, pg_code(error.kind));
        fold_later(ctx, self);
        return HDE_OK;
    }
    folded = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    hde_count(self->folded, (uint64_t)folded);
    if (folded == FOLD_MOST) {
        self->folds = true;
        hde_timer_after(ctx, FOLD_TIMER, 1000000);
    }
    return HDE_OK;
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

    if (self->waiting.n)
        hde_log(ctx, HDE_WARN, "postgres.not-committed",
                "%s: closed with %zu messages that were not committed; the mark is tick %llu",
                pg_where(self->pg), self->waiting.n, (unsigned long long)self->mark);
    waiting_free(&self->waiting);
    copy_free(self->copy);
    pg_close(self->pg);
}

static const hde_param params[] = {
    HDE_PARAM(struct sink, address,
              .help = "postgresql://user@host:port/database, or host=... dbname=... of libpq"),
    HDE_PARAM(struct sink, password, .fallback = "",
              .help = "left out: of the address, PGPASSWORD or ~/.pgpass"),
    HDE_PARAM(struct sink, batch_rows, .fallback = "20000", .unit = "rows", .min = 1, .max = 1e7,
              .help = "commit at the end of a tick when so many rows wait; always when the input "
                      "runs empty"),
    HDE_PARAM(struct sink, batch_time, .fallback = "1s", .min = 0, .max = 3600,
              .help = "or when the oldest of them waits so long"),
    HDE_PARAM(struct sink, commit, .fallback = "on",
              .choices = "on|off|local|remote_write|remote_apply",
              .help = "synchronous_commit of the session; off: a crash of the server may lose the "
                      "last commits"),
    HDE_PARAM(struct sink, connect_timeout, .fallback = "5s", .min = 0.001, .max = 3600,
              .help = "for one try; on_error says how long tries go on"),
    HDE_PARAM(struct sink, statement_timeout, .fallback = "60s", .min = 0, .max = 86400,
              .help = "a statement that takes longer is tried again; 0: no bound"),
    HDE_PARAM(struct sink, lock_timeout, .fallback = "10s", .min = 0, .max = 86400,
              .help = "the same for the wait for a lock"),
    HDE_PARAM(struct sink, fold_every, .fallback = "5s", .min = 0.01, .max = 86400,
              .help = "how often past buckets are folded into the rollups"),
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

static const hde_operator postgres_sink = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_EXCLUSIVE,
    .name = "storage/postgres",
    .summary = "chains and results into a PostgreSQL or TimescaleDB database",
    .help = "Rows of whole ticks and the node's mark are committed together. New rows go in by\n"
            "binary COPY, rows that may be there by upsert under natural keys. A database that is\n"
            "away, full, slow or crowded is tried again and loses nothing; with `full: spill` on\n"
            "the edge in front of it the graph does not wait for it. The tables are those of\n"
            "storage/sqlite, cut by days: share/hde/sql, connectors/tables/sql in the source.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = sink_batch,
    .timer = sink_timer,
    .close = sink_close,
    .flush = sink_flush,
    .mark = sink_mark,
};

HDE_PLUGIN(&postgres_sink);
