/* SPDX-License-Identifier: Apache-2.0
 * store - `hde bench store`: the sinks of the market store against bare drivers that write the
 * same rows into the same tables. A snapshot is 200 strikes, 400 rows; a transaction 50 snapshots,
 * 20,000 rows.
 *
 * Machines have moods, so sides take turns in short slices, and what counts is the median of the
 * ratios of neighbours:
 *  - A slice is the same snapshots in as many transactions on either side, into tables of the legs
 *    and the metrics that are empty, after a checkpoint. Who is first changes from pair to pair.
 *  - Sessions, statements and SQLite files are opened before the clock runs.
 *  - The bare driver is what any correct loader of these rows is: it encodes each snapshot as it
 *    comes, and commits. The sink writes the row of the chain's metrics, `chains`, the buckets to
 *    fold and its mark beside that, in the same transaction.
 *  - After the last pair the rows of both sides are compared. */
#include "base/clock.h"
#include "cmd/cmd.h"

#include <connectors/sqlite.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/testing.h>

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STRIKES = 200, ROWS = 2 * STRIKES, BATCH = 50, COLUMNS_MAX = 96, PAIRS_MAX = 99 };
enum { PIECE = 64 << 10 }; /* bytes that bare COPY sends at a time, as the sink does */

#define OPEN_NS INT64_C(1787111100000000000)
#define FEED "NSE:BENCH@store"
#define EXPIRY "2026-08-25"

/* A column of option_chain_snapshots: NULL text means numbers. */
struct column {
    const char *name;
    bool is_integer;
    const double *number[2]; /* calls, puts */
    const char *text;
};

static struct column columns[COLUMNS_MAX];
static unsigned n_columns;
static hde_msg *chain;

static void __attribute__((noreturn))
die(const char *what, const char *why)
{
    fprintf(stderr, "hde-bench-store: %s: %s\n", what, why);
    exit(1);
}

/* ---- Snapshots ----------------------------------------------------------------------------- */

/* Every column of a side gets numbers that compress like prices do; enums their first value. */
static void
fill_side(hde_msg *msg, ProtobufCMessage *side, int which)
{
    const ProtobufCMessageDescriptor *type = side->descriptor;

    for (unsigned f = 0; f < type->n_fields; f++) {
        const ProtobufCFieldDescriptor *field = &type->fields[f];
        char *at = (char *)side;
        double *values;

        if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_DOUBLE)
            continue;
        values = hde_msg_doubles(msg, STRIKES);
        for (int i = 0; i < STRIKES; i++)
            values[i] = 0.05 * (i * 37 % 101 + (int)f * which + 1);
        memcpy(at + field->offset, &values, sizeof values);
        *(size_t *)(at + field->quantifier_offset) = STRIKES;
        if (which == 0)
            columns[n_columns++] = (struct column){field->name, .number = {values}};
        else
            for (unsigned c = 0; c < n_columns; c++)
                if (strcmp(columns[c].name, field->name) == 0)
                    columns[c].number[1] = values;
    }
}

static void
make_chain(hde_harness *h)
{
    hde_msg *msg = hde_harness_new(h, &hde__enriched_chain__descriptor);
    Hde__EnrichedChain *enriched = (Hde__EnrichedChain *)msg->body;
    Hde__RawChain *raw;

    n_columns = 0;
    enriched->feed = hde_msg_text(msg, FEED);
    enriched->expiry = hde_msg_text(msg, EXPIRY);
    enriched->has_event_ns = true;
    raw = hde_msg_edit(msg, &enriched->raw, &hde__raw_chain__descriptor);
    raw->n_strike = STRIKES;
    raw->strike = hde_msg_doubles(msg, STRIKES);
    for (int i = 0; i < STRIKES; i++)
        raw->strike[i] = 20000 + 50.0 * i;
    fill_side(msg, hde_msg_edit(msg, &raw->calls, &hde__quotes__descriptor), 0);
    fill_side(msg, hde_msg_edit(msg, &raw->puts, &hde__quotes__descriptor), 1);
    fill_side(msg, hde_msg_edit(msg, &enriched->calls, &hde__model_columns__descriptor), 0);
    fill_side(msg, hde_msg_edit(msg, &enriched->puts, &hde__model_columns__descriptor), 1);
    chain = msg;
}

static const double *
strikes(void)
{
    return ((Hde__EnrichedChain *)chain->body)->raw->strike;
}

/* Snapshot number n as a message of its own that shares the columns. */
static hde_msg *
snapshot(hde_harness *h, int n)
{
    hde_msg *msg = hde_harness_new(h, &hde__enriched_chain__descriptor);

    memcpy(msg->body, chain->body, sizeof(Hde__EnrichedChain));
    hde_msg_share(msg, chain);
    msg->event_ns = OPEN_NS + n * INT64_C(1000000000);
    ((Hde__EnrichedChain *)msg->body)->event_ns = msg->event_ns;
    return msg;
}

static double
rows_per_second(int snapshots, int64_t begin_ns)
{
    return ROWS * (double)snapshots / (1e-9 * (double)(clock_mono_ns() - begin_ns));
}

/* The sink end to end, from snapshot number `first` on: messages in, flush answered. */
static double
time_sink(hde_harness *h, int first, int snapshots)
{
    int64_t begin_ns = clock_mono_ns();

    for (int i = 0; i < snapshots; i++)
        if (hde_harness_push(h, "snapshots", snapshot(h, first + i)) != HDE_OK)
            die("sink", hde_harness_said(h));
    if (hde_harness_flush(h) != HDE_OK)
        die("sink", hde_harness_said(h));
    return rows_per_second(snapshots, begin_ns);
}

static hde_harness *
open_sink(const char *op, const char *params)
{
    char error[800];
    hde_harness *h = hde_harness_try(op, params, error, sizeof error);

    if (!h)
        die(op, error);
    return h;
}

/* ---- Bare PostgreSQL ----------------------------------------------------------------------- */

static void
must(PGconn *conn, PGresult *result, ExecStatusType status)
{
    if (PQresultStatus(result) != status)
        die("PostgreSQL", PQerrorMessage(conn));
    PQclear(result);
}

static void
put_columns(hde_text *sql)
{
    hde_text_puts(sql, "(feed, expiry, event_ns, strike, type");
    for (unsigned c = 0; c < n_columns; c++)
        hde_text_printf(sql, ", %s", columns[c].name);
    hde_text_puts(sql, ")");
}

static char *
put_bytes(char *to, uint64_t x, int bytes)
{
    for (int i = bytes; i-- > 0;)
        *to++ = (char)(x >> (8 * i));
    return to;
}

static char *
put_text(char *to, const char *text)
{
    size_t size = strlen(text);

    to = put_bytes(to, size, 4);
    memcpy(to, text, size);
    return to + size;
}

static char *
put_real(char *to, double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return put_bytes(put_bytes(to, 8, 4), bits, 8);
}

/* The rows of a strike. */
static char *
encode(char *at, int n, int strike)
{
    for (int side = 0; side < 2; side++) {
        at = put_bytes(at, 5 + n_columns, 2);
        at = put_text(at, FEED);
        at = put_text(at, EXPIRY);
        at = put_bytes(put_bytes(at, 8, 4), (uint64_t)(OPEN_NS + n * INT64_C(1000000000)), 8);
        at = put_real(at, strikes()[strike]);
        at = put_text(at, side ? "PE" : "CE");
        for (unsigned c = 0; c < n_columns; c++)
            at = put_real(at, columns[c].number[side][strike]);
    }
    return at;
}

/* A snapshot in pieces that stay in the processor's cache and keep the server busy. */
static void
put_snapshot(PGconn *conn, char *buffer, int n)
{
    char *at = buffer;

    for (int i = 0; i < STRIKES; i++) {
        at = encode(at, n, i);
        if (at - buffer < PIECE && i < STRIKES - 1)
            continue;
        PQputCopyData(conn, buffer, (int)(at - buffer));
        at = buffer;
    }
}

static double
time_bare_copy(PGconn *conn, int first, int snapshots)
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    static char buffer[PIECE + 2 * (64 + 12 * COLUMNS_MAX)];
    hde_text sql = {0};
    int64_t begin_ns = clock_mono_ns();

    hde_text_puts(&sql, "COPY option_chain_snapshots ");
    put_columns(&sql);
    hde_text_puts(&sql, " FROM STDIN (FORMAT binary)");
    for (int i = 0; i < snapshots; i++) {
        if (i % BATCH == 0) {
            must(conn, PQexec(conn, "BEGIN"), PGRES_COMMAND_OK);
            must(conn, PQexec(conn, sql.data), PGRES_COPY_IN);
            PQputCopyData(conn, head, sizeof head - 1);
        }
        put_snapshot(conn, buffer, first + i);
        if (i % BATCH == BATCH - 1 || i == snapshots - 1) {
            PQputCopyData(conn, "\377\377", 2);
            PQputCopyEnd(conn, NULL);
            must(conn, PQgetResult(conn), PGRES_COMMAND_OK);
            PQclear(PQgetResult(conn));
            must(conn, PQexec(conn, "COMMIT"), PGRES_COMMAND_OK);
        }
    }
    hde_text_free(&sql);
    return rows_per_second(snapshots, begin_ns);
}

/* One statement a row, each waited for; in one transaction, or each in its own. */
static double
time_row_inserts(PGconn *conn, bool one_transaction)
{
    static char number[COLUMNS_MAX][32];
    const char *params[COLUMNS_MAX + 5] = {FEED, EXPIRY, "1787111100000000000"};
    hde_text sql = {0};
    int64_t begin_ns;

    hde_text_puts(&sql, "INSERT INTO option_chain_snapshots ");
    put_columns(&sql);
    for (unsigned c = 0; c < n_columns + 5; c++)
        hde_text_printf(&sql, "%s$%u", c ? ", " : " VALUES (", c + 1);
    hde_text_puts(&sql, ")");
    must(conn, PQprepare(conn, "row", sql.data, 0, NULL), PGRES_COMMAND_OK);
    begin_ns = clock_mono_ns();
    if (one_transaction)
        must(conn, PQexec(conn, "BEGIN"), PGRES_COMMAND_OK);
    for (int i = 0; i < STRIKES; i++)
        for (int side = 0; side < 2; side++) {
            char strike[32];

            snprintf(strike, sizeof strike, "%.17g", strikes()[i]);
            params[3] = strike;
            params[4] = side ? "PE" : "CE";
            for (unsigned c = 0; c < n_columns; c++) {
                snprintf(number[c], sizeof number[c], "%.17g", columns[c].number[side][i]);
                params[5 + c] = number[c];
            }
            must(conn, PQexecPrepared(conn, "row", 5 + (int)n_columns, params, NULL, NULL, 0),
                 PGRES_COMMAND_OK);
        }
    if (one_transaction)
        must(conn, PQexec(conn, "COMMIT"), PGRES_COMMAND_OK);
    must(conn, PQexec(conn, "DEALLOCATE row"), PGRES_COMMAND_OK);
    hde_text_free(&sql);
    return rows_per_second(1, begin_ns);
}

static void
empty_tables(PGconn *conn)
{
    must(conn, PQexec(conn, "TRUNCATE option_chain_snapshots, chain_metrics"), PGRES_COMMAND_OK);
    must(conn, PQexec(conn, "CHECKPOINT"), PGRES_COMMAND_OK);
}

/* What is in the table of the legs, in few characters. */
static void
digest(PGconn *conn, char *to, size_t size)
{
    static const char sql[] =
        "SELECT count(*) || ' rows ' || coalesce(md5(string_agg(md5(s::text), '' "
        "ORDER BY event_ns, strike, type)), '') FROM option_chain_snapshots s";
    PGresult *result = PQexec(conn, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        die("PostgreSQL", PQerrorMessage(conn));
    snprintf(to, size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
}

/* ---- Bare SQLite --------------------------------------------------------------------------- */

static sqlite3_stmt *
prepare_bare(struct sqlite *db)
{
    struct sqlite_error error = {0};
    hde_text sql = {0};
    sqlite3_stmt *stmt;

    hde_text_puts(&sql, "INSERT INTO option_chain_snapshots ");
    put_columns(&sql);
    for (unsigned c = 0; c < n_columns + 5; c++)
        hde_text_puts(&sql, c ? ", ?" : " VALUES (?");
    hde_text_puts(&sql, ")");
    stmt = sqlite_prepare(db, sql.data, &error);
    if (!stmt)
        die("SQLite", error.text);
    hde_text_free(&sql);
    return stmt;
}

static double
time_bare_sqlite(struct sqlite *db, int first, int snapshots)
{
    struct sqlite_error error = {0};
    sqlite3_stmt *stmt = prepare_bare(db);
    int64_t begin_ns = clock_mono_ns();

    for (int n = 0; n < snapshots; n++) {
        if (n % BATCH == 0 && !sqlite_begin(db, &error))
            die("SQLite", error.text);
        for (int row = 0; row < ROWS; row++) {
            sqlite3_bind_text(stmt, 1, FEED, -1, SQLITE_STATIC);
            sqlite3_bind_text(stmt, 2, EXPIRY, -1, SQLITE_STATIC);
            sqlite3_bind_int64(stmt, 3, OPEN_NS + (first + n) * INT64_C(1000000000));
            sqlite3_bind_double(stmt, 4, strikes()[row / 2]);
            sqlite3_bind_text(stmt, 5, row % 2 ? "PE" : "CE", -1, SQLITE_STATIC);
            for (unsigned c = 0; c < n_columns; c++)
                sqlite3_bind_double(stmt, (int)c + 6, columns[c].number[row % 2][row / 2]);
            if (sqlite3_step(stmt) != SQLITE_DONE)
                die("SQLite", "a row was refused");
            sqlite3_reset(stmt);
        }
        if ((n % BATCH == BATCH - 1 || n == snapshots - 1) && !sqlite_commit(db, &error))
            die("SQLite", error.text);
    }
    return rows_per_second(snapshots, begin_ns);
}

static struct sqlite *
open_bare(const char *path)
{
    struct sqlite_error error = {0};
    struct sqlite *db = sqlite_open(path, NULL, &error);

    if (!db || !sqlite_migrate(db, sqlite_migrations, &error))
        die("SQLite", error.text);
    return db;
}

/* Both files have the same legs, and as many as were written. */
static void
compare_files(const char *path, const char *other, int snapshots)
{
    struct sqlite_error error = {0};
    struct sqlite *db = open_bare(path);
    hde_text sql = {0};
    sqlite3_stmt *stmt;

    hde_text_printf(&sql, "ATTACH '%s' AS other", other);
    if (!sqlite_exec(db, sql.data, &error))
        die("SQLite", error.text);
    stmt = sqlite_prepare(db,
                          "SELECT (SELECT count(*) FROM main.option_chain_snapshots), "
                          "(SELECT count(*) FROM other.option_chain_snapshots), "
                          "(SELECT count(*) FROM (SELECT * FROM main.option_chain_snapshots "
                          "INTERSECT SELECT * FROM other.option_chain_snapshots))",
                          &error);
    if (!stmt || sqlite_step(db, stmt, &error) != 1)
        die("SQLite", error.text);
    for (int i = 0; i < 3; i++)
        if (sqlite3_column_int64(stmt, i) != (int64_t)ROWS * snapshots)
            die("SQLite", "the sides have not written the same rows");
    sqlite_close(db);
    hde_text_free(&sql);
}

/* ---- The command --------------------------------------------------------------------------- */

struct store_options {
    const char *address, *folder;
    int64_t pairs, snapshots;
};

struct side {
    const char *name;
    double rate[PAIRS_MAX];
};

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One pair, each into a file of its own. */
static void
measure_sqlite(const struct store_options *options, int pair, struct side *sides)
{
    int snapshots = (int)options->snapshots, first = pair * snapshots;
    char path[2][400], params[500];

    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/hde-bench-store.%ld.%d.db", options->folder,
                 (long)getpid(), i);
    snprintf(params, sizeof params, "path: %s", path[0]);
    for (int i = 0; i < 2; i++) {
        if ((i + pair) % 2) {
            hde_harness *h = open_sink("storage/sqlite", params);

            sides[0].rate[pair] = time_sink(h, first, snapshots);
            hde_harness_close(h);
        } else {
            struct sqlite *db = open_bare(path[1]);

            sides[1].rate[pair] = time_bare_sqlite(db, first, snapshots);
            sqlite_close(db);
        }
    }
    if (pair == options->pairs - 1)
        compare_files(path[0], path[1], snapshots);
    for (int i = 0; i < 2; i++)
        unlink(path[i]); /* what belongs to it went when it was closed */
}

/* One pair, and rows one by one beside it. */
static void
measure_postgres(const struct store_options *options, PGconn *conn, hde_harness *h, int pair,
                 struct side *sides)
{
    int snapshots = (int)options->snapshots, first = pair * snapshots;
    char written[2][80];

    for (int i = 0; i < 2; i++) {
        int which = (i + pair) % 2;

        empty_tables(conn);
        sides[which].rate[pair] = which ? time_bare_copy(conn, first, snapshots)
                                        : time_sink(h, first, snapshots);
        if (pair == options->pairs - 1)
            digest(conn, written[which], sizeof written[which]);
    }
    if (pair == options->pairs - 1 &&
        (strcmp(written[0], written[1]) != 0 || atoll(written[0]) != (int64_t)ROWS * snapshots))
        die("PostgreSQL", "the sides have not written the same rows");
    for (int i = 0; i < 2; i++) {
        empty_tables(conn);
        sides[2 + i].rate[pair] = time_row_inserts(conn, i == 1);
    }
}

/* The median of a side's rates, and of the ratios of the sink's to its own in the same pair. */
static void
print_side(const struct cmd *cmd, hde_text *out, const char *store, const struct side *sink,
           const struct side *side, size_t n)
{
    static double ratio[PAIRS_MAX], rate[PAIRS_MAX];

    for (size_t i = 0; i < n; i++) {
        rate[i] = side->rate[i];
        ratio[i] = sink->rate[i] / side->rate[i];
    }
    qsort(rate, n, sizeof *rate, by_value);
    qsort(ratio, n, sizeof *ratio, by_value);
    if (cmd->json)
        hde_text_printf(out,
                        "{\"store\":\"%s\",\"side\":\"%s\",\"rows_per_s\":%.0f,\"ratio\":%.3f,"
                        "\"ratio_p25\":%.3f,\"ratio_p75\":%.3f,\"pairs\":%zu}\n",
                        store, side->name, rate[n / 2], ratio[n / 2], ratio[n / 4],
                        ratio[n - 1 - n / 4], n);
    else if (side == sink)
        hde_text_printf(out, "%-10s%-28s%9.0f rows/s\n", store, side->name, rate[n / 2]);
    else
        hde_text_printf(out, "%-10s%-28s%9.0f rows/s   sink / this: %.2f (half of %zu: %.2f to "
                        "%.2f)\n",
                        store, side->name, rate[n / 2], ratio[n / 2], n, ratio[n / 4],
                        ratio[n - 1 - n / 4]);
}

static PGconn *
reach_postgres(const struct store_options *options)
{
    PGconn *conn = PQconnectdb(options->address);

    if (PQstatus(conn) != CONNECTION_OK)
        die("PostgreSQL", PQerrorMessage(conn));
    return conn;
}

static int
run_store(const struct cmd *cmd, const void *block)
{
    const struct store_options *options = block;
    static struct side sqlite[2] = {{"storage/sqlite"}, {"bare prepared batch"}};
    static struct side postgres[4] = {{"storage/postgres"},
                                      {"bare binary COPY"},
                                      {"prepared INSERT a row"},
                                      {"the same in one transaction"}};
    bool has_postgres = options->address && *options->address;
    size_t pairs = (size_t)options->pairs;
    char params[600];
    hde_harness *maker = open_sink("storage/console", NULL), *h;
    PGconn *conn;
    hde_text out = {0};

    make_chain(maker);
    for (size_t pair = 0; pair < pairs; pair++)
        measure_sqlite(options, (int)pair, sqlite);
    for (int i = 0; i < 2; i++)
        print_side(cmd, &out, "sqlite", sqlite, &sqlite[i], pairs);
    if (has_postgres) {
        conn = reach_postgres(options);
        snprintf(params, sizeof params, "address: '%s'", options->address);
        h = open_sink("storage/postgres", params);
        must(conn, PQexec(conn, "SELECT hde_make_day(1787111100000000000)"), PGRES_TUPLES_OK);
        for (size_t pair = 0; pair < pairs; pair++)
            measure_postgres(options, conn, h, (int)pair, postgres);
        for (int i = 0; i < 4; i++)
            print_side(cmd, &out, "postgres", postgres, &postgres[i], pairs);
        hde_harness_close(h);
        PQfinish(conn);
    } else {
        cmd_error(cmd, 0, "HDE-C054", "--address postgresql://... or HDE_POSTGRES",
                  "no PostgreSQL to compare with");
    }
    hde_msg_drop(chain);
    hde_harness_close(maker);
    return cmd_print(cmd, &out, NULL);
}

static const struct command store = {
    .name = "bench-store",
    .args = "",
    .group = CMD_GROUP_TOOL,
    .summary = "rows a second into the stores, against bare drivers",
    .help =
        "Snapshots of 400 legs with every number of a leg go through storage/sqlite and "
        "storage/postgres, and the same rows through a driver of a few lines: a prepared statement "
        "in transactions of 20,000 rows, a binary COPY of 20,000 rows, an INSERT a row. Sides take "
        "turns, slice by slice: the same snapshots in as many transactions into the same tables, "
        "indexes and partitions, emptied and checkpointed before each, sessions and files opened "
        "before the clock runs, same server, same settings, a commit durable as those say. The "
        "sinks write metrics, rollup buckets and marks beside the legs, and only legs are counted. "
        "A ratio is the median over pairs of neighbours, in brackets where the middle half of them "
        "is; after the last pair the rows of both sides are compared. The tables of the database "
        "are emptied: give it one of its own.",
    .examples = (const struct cmd_example[]){{"hde bench store -- --address postgresql:///bench",
                                              "all sides"},
                                             {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("address", struct store_options, address), .value = "ADDRESS",
             .env = "HDE_POSTGRES",
             .help = "a database that may be emptied; without: SQLite alone"},
            {CMD_OPTION("folder", struct store_options, folder), .value = "DIR", .fallback = ".",
             .complete = CMD_COMPLETE_FOLDER, .help = "where the SQLite file is made"},
            {CMD_OPTION("pairs", struct store_options, pairs), .value = "N", .fallback = "21",
             .min = 1, .max = PAIRS_MAX, .help = "slices of each side"},
            {CMD_OPTION("snapshots", struct store_options, snapshots), .value = "N",
             .fallback = "50", .min = 1, .max = 700, .help = "of 400 rows, a slice"},
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED,
                                         "a store refused something, or has other rows"}, {0}},
    CMD_BLOCK(struct store_options),
    .run = run_store,
};

int
main(int argc, char **argv)
{
    return cmd_program(&store, argc, argv);
}
