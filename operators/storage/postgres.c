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
 *      [test_a_row_that_somebody_else_wrote_is_replaced]
 *  (6) A database that is away is waited for, at the start too, and that is seen while it lasts,
 *      also while nothing is to be written. [test_a_start_without_a_database_waits_for_it,
 *      test_a_session_that_ends_while_nothing_comes_is_seen]
 *  (7) A mark that the start did not see covers ticks that come again. One that is not below a new
 *      tick is of another log, and is replaced. [test_a_late_mark_covers_what_comes_again,
 *      test_a_late_mark_of_another_log_is_replaced] */
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
#include <sys/epoll.h>

struct sink {
    struct waiting waiting;
    hde_secret address, password;
    hde_duration connect_timeout, statement_timeout, lock_timeout;
    const char *commit;

    struct pg *pg;
    struct copy *copy;
    int watched;     /* the session's socket; -1: none */
    bool is_away;    /* said so already */
    bool looks;      /* the timer is set that looks for it */
    bool has_mark;   /* waiting.mark has been read once */
    bool is_late;    /* the start did without it, and nothing was committed since */
    uint64_t trying; /* tick of the last transaction */
    hde_counter *staged, *outages;
};

enum { LOOK_TIMER = WAITING_TIMER + 1 };
static const int64_t look_ns = 1000000000;

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

static void
watch(hde_ctx *ctx, struct sink *self, int fd)
{
    if (self->watched >= 0)
        hde_watch(ctx, self->watched, 0, 0);
    self->watched = fd >= 0 && hde_watch(ctx, fd, EPOLLIN, 0) ? fd : -1;
}

/* The database keeps the node waiting, whether or not there is something to write. */
static void
be_held_up(hde_ctx *ctx, struct sink *self, const struct pg_error *error)
{
    hde_stands(ctx, HDE_HELD_UP, "%s [%s]", error->text, pg_code(error->kind));
    if (error->kind != PG_TROUBLE_AWAY)
        return;
    watch(ctx, self, -1);
    if (!self->is_away)
        hde_count(self->outages, 1);
    self->is_away = true;
    if (!self->looks)
        hde_timer_after(ctx, LOOK_TIMER, look_ns);
    self->looks = true;
}

/* What to do next after a call that failed. */
static hde_status
say(hde_ctx *ctx, struct sink *self, const struct pg_error *error)
{
    if (error->kind == PG_TROUBLE_AWAY || error->kind == PG_TROUBLE_UNKNOWN)
        watch(ctx, self, -1);
    pg_rollback(self->pg);
    if (!pg_may_pass(error->kind))
        return hde_fail(ctx, event_of(error->kind), "%s [%s]", error->text, pg_code(error->kind));
    if (error->kind != PG_TROUBLE_CONFLICT)
        be_held_up(ctx, self, error);
    return hde_retry(ctx, event_of(error->kind), "%s [%s]", error->text, pg_code(error->kind));
}

/* ---- Marks --------------------------------------------------------------------------------- */

static bool
load_mark(hde_ctx *ctx, struct sink *self, uint64_t *mark, struct pg_error *error)
{
    const char *const params[] = {hde_graph_name(ctx), hde_node_name(ctx)};
    PGresult *result = pg_query(
        self->pg, "SELECT tick FROM hde_marks WHERE graph = $1 AND node = $2", 2, params, error);

    if (!result)
        return false;
    *mark = PQntuples(result) ? strtoull(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return true;
}

/* A mark that was read in this session. */
static void
meet_mark(hde_ctx *ctx, struct sink *self, uint64_t mark)
{
    if (!self->has_mark) {
        waiting_skip(ctx, &self->waiting, mark);
    } else if (mark == self->trying) {
        waiting_drop(&self->waiting, mark);
        self->waiting.mark = mark;
    }
    self->has_mark = true;
}

/* *fenced: a later start of this node has written. *from_ns: the store has rows from then on. */
static bool
store_mark(hde_ctx *ctx, struct sink *self, uint64_t tick, bool *fenced, int64_t *from_ns,
           struct pg_error *error)
{
    static const char sql[] =
        "INSERT INTO hde_marks AS m (graph, node, tick, incarnation) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (graph, node) DO UPDATE SET tick = excluded.tick, "
        "incarnation = excluded.incarnation WHERE m.incarnation <= excluded.incarnation OR $5 "
        "RETURNING (SELECT rows_from_ns FROM hde_keep)";
    char number[24], incarnation[24];
    bool is_other = self->is_late && tick <= self->waiting.mark;
    const char *const params[] = {hde_graph_name(ctx), hde_node_name(ctx), number, incarnation,
                                  is_other ? "t" : "f"};
    PGresult *result;

    snprintf(number, sizeof number, "%" PRIu64, tick);
    snprintf(incarnation, sizeof incarnation, "%" PRIu64, HDE_TICK_INCARNATION(tick));
    result = pg_query(self->pg, sql, 5, params, error);
    *fenced = result && PQntuples(result) == 0;
    *from_ns = result && !*fenced ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return result != NULL;
}

/* ---- Transactions -------------------------------------------------------------------------- */

/* A session that works, with what a new one needs. */
static bool
reach(hde_ctx *ctx, struct sink *self, struct pg_error *error)
{
    uint64_t mark;
    bool fresh;

    if (!pg_reach(self->pg, &fresh, error))
        return false;
    if (!fresh)
        return true;
    if (!pg_migrate(self->pg, postgres_migrations, error) || !copy_begin(self->copy, error) ||
        !load_mark(ctx, self, &mark, error)) {
        pg_part(self->pg); /* the next one is fresh again */
        return false;
    }
    meet_mark(ctx, self, mark);
    watch(ctx, self, pg_socket(self->pg));
    hde_stands(ctx, HDE_WELL, "%s", "");
    hde_log(ctx, HDE_INFO, self->is_away ? "postgres.back" : "postgres.open", "%s: PostgreSQL %d%s",
            pg_where(self->pg), pg_version(self->pg) / 10000,
            pg_level(self->pg) == PG_LEVEL_TIMESCALE ? " with TimescaleDB" : "");
    self->is_away = false;
    return true;
}

/* One transaction; false with *fenced or an error. */
static bool
write_all(hde_ctx *ctx, struct sink *self, uint64_t tick, bool stage_all, bool *fenced,
          struct pg_error *error)
{
    const ProtobufCMessage *messages[64];
    size_t done = 0;
    int64_t from_ns;

    *fenced = false;
    if (!pg_exec(self->pg, "BEGIN; SELECT hde_writes()", error) ||
        !store_mark(ctx, self, tick, fenced, &from_ns, error) || *fenced)
        return false;
    copy_start(self->copy, stage_all, from_ns);
    self->trying = tick;
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
    self->is_late = false;
    waiting_committed(ctx, &self->waiting, tick, copy_rows(self->copy), copy_expired(self->copy));
    hde_count(self->staged, copy_staged(self->copy));
    return HDE_OK;
}

static bool
fold(hde_ctx *ctx, void *state, int64_t most, uint64_t *folded)
{
    struct sink *self = state;
    struct pg_error error = {0};
    char number[24];
    const char *const params[] = {number};
    PGresult *result = NULL;

    if (self->is_away)
        return false; /* somebody looks for it already */
    snprintf(number, sizeof number, "%" PRId64, most);
    if (!reach(ctx, self, &error) ||
        !(result = pg_query(self->pg, "SELECT hde_fold($1, 0)", 1, params, &error))) {
        pg_rollback(self->pg);
        hde_log(ctx, HDE_WARN, "postgres.fold", "%s [%s]", error.text, pg_code(error.kind));
        return false;
    }
    *folded = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return true;
}

static void
tend(hde_ctx *ctx, void *state)
{
    struct sink *self = state;
    struct pg_error error = {0};

    if (self->is_away || (reach(ctx, self, &error) && pg_exec(self->pg, "CALL hde_tend()", &error)))
        return;
    pg_rollback(self->pg);
    hde_log(ctx, HDE_WARN, "postgres.tend", "%s [%s]", error.text, pg_code(error.kind));
}

/* ---- The operator -------------------------------------------------------------------------- */

static const struct waiting_store store = {.commit = commit, .fold = fold, .tend = tend};

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

    waiting_open(ctx, &self->waiting, &store);
    self->staged = hde_counter_open(ctx, "staged", "rows that went by way of staging");
    self->outages = hde_counter_open(ctx, "outages", "times that the database was away");
    self->watched = -1;
    self->pg = pg_new(&options);
    self->copy = copy_new(self->pg);
    if (reach(ctx, self, &error))
        return HDE_OK;
    if (!pg_may_pass(error.kind))
        return hde_fail(ctx, event_of(error.kind), "%s [%s]", error.text, pg_code(error.kind));
    self->is_late = true;
    hde_log(ctx, HDE_WARN, event_of(error.kind), "%s [%s]: the node waits for it", error.text,
            pg_code(error.kind));
    error.kind = PG_TROUBLE_AWAY;
    be_held_up(ctx, self, &error);
    return HDE_OK;
}

/* Whether the database is back. */
static hde_status
look(hde_ctx *ctx, struct sink *self)
{
    struct pg_error error = {0};

    self->looks = false;
    if (!self->is_away || reach(ctx, self, &error))
        return HDE_OK;
    if (!pg_may_pass(error.kind))
        return say(ctx, self, &error);
    error.kind = PG_TROUBLE_AWAY;
    be_held_up(ctx, self, &error);
    return HDE_OK;
}

static hde_status
sink_timer(hde_ctx *ctx, void *state, uint32_t id, int64_t at_ns)
{
    return id == LOOK_TIMER ? look(ctx, state) : waiting_timer(ctx, state, id, at_ns);
}

/* Something comes while nothing was asked: as a rule the end of the session. */
static hde_status
sink_event(hde_ctx *ctx, void *state, const hde_event *event)
{
    struct sink *self = state;
    struct pg_error error = {0};

    if (event->fd != self->watched || pg_is_alive(self->pg, &error))
        return HDE_OK;
    hde_log(ctx, HDE_WARN, event_of(error.kind), "%s [%s]", error.text, pg_code(error.kind));
    be_held_up(ctx, self, &error);
    pg_part(self->pg);
    return HDE_OK;
}

static void
sink_close(hde_ctx *ctx, void *state)
{
    struct sink *self = state;

    if (!self->pg)
        return;
    watch(ctx, self, -1);
    waiting_close(ctx, &self->waiting, "postgres.not-committed", pg_where(self->pg));
    copy_free(self->copy);
    pg_close(self->pg);
}

static const hde_param params[] = {
    HDE_PARAM(struct sink, address,
              .help = "postgresql://user@host:port/database, or host=... dbname=... of libpq"),
    HDE_PARAM(struct sink, password, .fallback = "",
              .help = "left out: of the address, PGPASSWORD or ~/.pgpass"),
    WAITING_PARAMS,
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
    {0}};

static const hde_operator postgres_sink = {
    .size = sizeof(hde_operator),
    .flags = HDE_BLOCKING | HDE_EXCLUSIVE,
    .name = "storage/postgres",
    .summary = "chains and results into a PostgreSQL or TimescaleDB database",
    .help = "Rows of whole ticks and the node's mark are committed together. New rows go in by\n"
            "binary COPY, rows that may be there by upsert under natural keys. A database that is\n"
            "away, at the start too, or full, slow or crowded is tried again and loses nothing;\n"
            "/readyz, status and metrics say so meanwhile. With `full: spill` on the edge in\n"
            "front of it the graph does not wait for it. The tables are those of storage/sqlite,\n"
            "cut by days: share/hde/sql, connectors/tables/sql in the source.",
    .inputs = waiting_inputs,
    .params = params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .batch = waiting_batch,
    .timer = sink_timer,
    .event = sink_event,
    .close = sink_close,
    .flush = waiting_flush,
    .mark = waiting_mark,
};

HDE_PLUGIN(&postgres_sink);
