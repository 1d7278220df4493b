/* SPDX-License-Identifier: Apache-2.0
 * store - `hde bench store`: the sinks of the market store against bare drivers that write the
 * same rows into the same tables, sides alternating, medians. A snapshot is 200 strikes, 400 rows;
 * a transaction 50 snapshots, 20,000 rows. */
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

enum { STRIKES = 200, ROWS = 2 * STRIKES, BATCH = 50, COLUMNS_MAX = 96, ROUNDS_MAX = 99 };

#define OPEN_NS INT64_C(1787111100000000000)

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
static char address[512];

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
    enriched->feed = hde_msg_text(msg, "NSE:BENCH@sink");
    enriched->expiry = hde_msg_text(msg, "2026-08-25");
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

/* The sink end to end: messages in, flush answered. */
static double
time_sink(const char *op, const char *params, int snapshots)
{
    char error[800];
    hde_harness *h = hde_harness_try(op, params, error, sizeof error);
    int64_t begin_ns;
    double rate;

    if (!h)
        die(op, error);
    make_chain(h);
    begin_ns = clock_mono_ns();
    for (int i = 0; i < snapshots; i++)
        if (hde_harness_push(h, "snapshots", snapshot(h, i)) != HDE_OK)
            die(op, hde_harness_said(h));
    if (hde_harness_flush(h) != HDE_OK)
        die(op, hde_harness_said(h));
    rate = rows_per_second(snapshots, begin_ns);
    hde_msg_drop(chain);
    hde_harness_close(h);
    return rate;
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

static size_t
encode(char *to, int n)
{
    char *at = to;

    for (int i = 0; i < STRIKES; i++)
        for (int side = 0; side < 2; side++) {
            at = put_bytes(at, 5 + n_columns, 2);
            at = put_text(at, "NSE:BENCH@bare");
            at = put_text(at, "2026-08-25");
            at = put_bytes(put_bytes(at, 8, 4), (uint64_t)(OPEN_NS + n * INT64_C(1000000000)), 8);
            at = put_real(at, strikes()[i]);
            at = put_text(at, side ? "PE" : "CE");
            for (unsigned c = 0; c < n_columns; c++)
                at = put_real(at, columns[c].number[side][i]);
        }
    return (size_t)(at - to);
}

static double
time_bare_copy(PGconn *conn, int snapshots)
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    char *buffer = malloc(ROWS * (64 + 12 * COLUMNS_MAX));
    hde_text sql = {0};
    int64_t begin_ns = clock_mono_ns();

    if (!buffer)
        hde_no_memory();
    hde_text_puts(&sql, "COPY option_chain_snapshots ");
    put_columns(&sql);
    hde_text_puts(&sql, " FROM STDIN (FORMAT binary)");
    for (int i = 0; i < snapshots; i++) {
        if (i % BATCH == 0) {
            must(conn, PQexec(conn, "BEGIN"), PGRES_COMMAND_OK);
            must(conn, PQexec(conn, sql.data), PGRES_COPY_IN);
            PQputCopyData(conn, head, sizeof head - 1);
        }
        PQputCopyData(conn, buffer, (int)encode(buffer, i));
        if (i % BATCH == BATCH - 1 || i == snapshots - 1) {
            PQputCopyData(conn, "\377\377", 2);
            PQputCopyEnd(conn, NULL);
            must(conn, PQgetResult(conn), PGRES_COMMAND_OK);
            PQclear(PQgetResult(conn));
            must(conn, PQexec(conn, "COMMIT"), PGRES_COMMAND_OK);
        }
    }
    hde_text_free(&sql);
    free(buffer);
    return rows_per_second(snapshots, begin_ns);
}

/* One statement a row, each waited for; in one transaction, or each in its own. */
static double
time_row_inserts(PGconn *conn, bool one_transaction)
{
    static char number[COLUMNS_MAX][32];
    const char *params[COLUMNS_MAX + 5] = {"NSE:BENCH@rows", "2026-08-25", "1787111100000000000"};
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
    must(conn, PQexec(conn, "TRUNCATE option_chain_snapshots, chain_metrics, chains, hde_marks"),
         PGRES_COMMAND_OK);
    must(conn, PQexec(conn, "CHECKPOINT"), PGRES_COMMAND_OK);
}

/* ---- Bare SQLite --------------------------------------------------------------------------- */

static double
time_bare_sqlite(struct sqlite *db, int snapshots)
{
    struct sqlite_error error = {0};
    hde_text sql = {0};
    sqlite3_stmt *stmt;
    int64_t begin_ns;

    hde_text_puts(&sql, "INSERT INTO option_chain_snapshots ");
    put_columns(&sql);
    for (unsigned c = 0; c < n_columns + 5; c++)
        hde_text_puts(&sql, c ? ", ?" : " VALUES (?");
    hde_text_puts(&sql, ")");
    stmt = sqlite_prepare(db, sql.data, &error);
    if (!stmt)
        die("SQLite", error.text);
    begin_ns = clock_mono_ns();
    for (int n = 0; n < snapshots; n++) {
        if (n % BATCH == 0)
            sqlite_begin(db, &error);
        for (int row = 0; row < ROWS; row++) {
            sqlite3_bind_text(stmt, 1, "NSE:BENCH@bare", -1, SQLITE_STATIC);
            sqlite3_bind_text(stmt, 2, "2026-08-25", -1, SQLITE_STATIC);
            sqlite3_bind_int64(stmt, 3, OPEN_NS + n * INT64_C(1000000000));
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
    hde_text_free(&sql);
    return rows_per_second(snapshots, begin_ns);
}

/* ---- The command --------------------------------------------------------------------------- */

struct store_options {
    const char *address, *folder;
    int64_t rounds, snapshots;
};

struct side {
    const char *name;
    double rate[ROUNDS_MAX];
    double median;
};

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(struct side *side, size_t n)
{
    qsort(side->rate, n, sizeof *side->rate, by_value);
    return side->median = side->rate[n / 2];
}

static void
measure_sqlite(const struct store_options *options, int round, struct side *sink, struct side *bare)
{
    char path[400], params[500];
    struct sqlite_error error = {0};
    struct sqlite *db;

    snprintf(path, sizeof path, "%s/hde-bench-store.%ld.db", options->folder, (long)getpid());
    snprintf(params, sizeof params, "path: %s", path);
    for (int i = 0; i < 2; i++) {
        if ((i + round) % 2) {
            sink->rate[round] = time_sink("storage/sqlite", params, (int)options->snapshots);
        } else {
            hde_harness *h;

            db = sqlite_open(path, NULL, &error);
            if (!db || !sqlite_migrate(db, sqlite_migrations, &error))
                die("SQLite", error.text);
            h = hde_harness_open("storage/sqlite", params);
            make_chain(h);
            bare->rate[round] = time_bare_sqlite(db, (int)options->snapshots);
            hde_msg_drop(chain);
            hde_harness_close(h);
            sqlite_close(db);
        }
        unlink(path); /* what belongs to it went when it was closed */
    }
}

/* One round of one side against tables that are empty. */
static void
measure_postgres(const struct store_options *options, PGconn *conn, int round, struct side *sides)
{
    char params[600];
    char error[800];
    hde_harness *h;

    snprintf(params, sizeof params, "address: '%s'", address);
    h = hde_harness_try("storage/postgres", params, error, sizeof error);
    if (!h)
        die("storage/postgres", error);
    must(conn, PQexec(conn, "SELECT hde_make_day(1787111100000000000)"), PGRES_TUPLES_OK);
    for (int i = 0; i < 2; i++) {
        empty_tables(conn);
        if ((i + round) % 2) {
            sides[0].rate[round] = time_sink("storage/postgres", params, (int)options->snapshots);
        } else {
            make_chain(h);
            sides[1].rate[round] = time_bare_copy(conn, (int)options->snapshots);
            hde_msg_drop(chain);
        }
    }
    for (int i = 0; i < 2; i++) {
        empty_tables(conn);
        make_chain(h);
        sides[2 + i].rate[round] = time_row_inserts(conn, i == 1);
        hde_msg_drop(chain);
    }
    hde_harness_close(h);
}

static void
print_side(const struct cmd *cmd, hde_text *out, const char *store, struct side *side, size_t n,
           double of)
{
    double rate = median(side, n);

    if (cmd->json)
        hde_text_printf(out, "{\"store\":\"%s\",\"side\":\"%s\",\"rows_per_s\":%.0f,\"ratio\":%.3f}\n",
                        store, side->name, rate, of / rate);
    else
        hde_text_printf(out, "%-10s  %-34s %9.0f rows/s   sink / this: %.2f\n", store, side->name,
                        rate, of / rate);
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
    size_t rounds = (size_t)options->rounds;
    bool has_postgres = options->address && *options->address;
    PGconn *conn = has_postgres ? PQconnectdb(options->address) : NULL;
    hde_text out = {0};

    if (has_postgres && PQstatus(conn) != CONNECTION_OK)
        die("PostgreSQL", PQerrorMessage(conn));
    snprintf(address, sizeof address, "%s", has_postgres ? options->address : "");
    for (size_t round = 0; round < rounds; round++) {
        measure_sqlite(options, (int)round, &sqlite[0], &sqlite[1]);
        if (has_postgres)
            measure_postgres(options, conn, (int)round, postgres);
    }
    for (int i = 0; i < 2; i++)
        print_side(cmd, &out, "sqlite", &sqlite[i], rounds, median(&sqlite[0], rounds));
    for (int i = 0; has_postgres && i < 4; i++)
        print_side(cmd, &out, "postgres", &postgres[i], rounds, median(&postgres[0], rounds));
    PQfinish(conn);
    if (!has_postgres)
        cmd_error(cmd, 0, "HDE-C054", "--address postgresql://... or HDE_POSTGRES",
                  "no PostgreSQL to compare with");
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
        "in transactions of 20,000 rows, a binary COPY of 20,000 rows, an INSERT a row. Tables, "
        "indexes and partitions are the same, and empty before each side. The tables of the "
        "database are emptied: give it one of its own.",
    .examples = (const struct cmd_example[]){{"hde bench store -- --address postgresql:///bench",
                                              "all sides, seven rounds"},
                                             {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("address", struct store_options, address), .value = "ADDRESS",
             .env = "HDE_POSTGRES", .help = "a database that may be emptied; without: SQLite alone"},
            {CMD_OPTION("folder", struct store_options, folder), .value = "DIR", .fallback = ".",
             .complete = CMD_COMPLETE_FOLDER, .help = "where the SQLite file is made"},
            {CMD_OPTION("rounds", struct store_options, rounds), .value = "N", .fallback = "7",
             .min = 1, .max = ROUNDS_MAX, .help = "medians are of so many"},
            {CMD_OPTION("snapshots", struct store_options, snapshots), .value = "N",
             .fallback = "200", .min = 1, .max = 100000, .help = "of 400 rows, a side and round"},
            {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "a store refused something"}, {0}},
    CMD_BLOCK(struct store_options),
    .run = run_store,
};

int
main(int argc, char **argv)
{
    return cmd_program(&store, argc, argv);
}
