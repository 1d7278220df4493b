/* SPDX-License-Identifier: Apache-2.0
 * store - a market store of either kind, for `hde db`: one SQL text, rows of cells.
 *
 * SQL has parameters $1, $2, ..., given as text; where no column tells their type, CAST does. */
#ifndef TOOLS_STORE_H
#define TOOLS_STORE_H

#include "base/err.h"

#include <connectors/postgres.h>
#include <connectors/sqlite.h>
#include <stdbool.h>
#include <stdint.h>

struct store {
    struct sqlite *sqlite; /* one of the two */
    struct pg *pg;
    struct pg_options options; /* of pg */
    char where[512];
};

struct cell {
    enum { CELL_NULL, CELL_REAL, CELL_INTEGER, CELL_TEXT } kind;
    double real;
    int64_t integer;
    const char *text; /* lent; also of numbers in PostgreSQL */
};

/* A path, or an address with "://" or "=". SQLite files are made where they are missing unless
 * read_only. The schema is not looked at. */
bool store_open(struct store *store, const char *address, bool read_only, struct err *err);
void store_close(struct store *store);
bool store_is_postgres(const struct store *store);
bool store_is_timescale(const struct store *store);

/* Migrations: how many are there and how many there are; check refuses another schema than ours. */
bool store_versions(struct store *store, size_t *applied, struct err *err);
const struct migration *store_migrations(const struct store *store);
bool store_migrate(struct store *store, struct err *err); /* in a read-only one: a check */

bool store_begin(struct store *store, struct err *err); /* PostgreSQL: one snapshot */
bool store_commit(struct store *store, struct err *err);
void store_rollback(struct store *store);

/* Statements without parameters or results. */
bool store_exec(struct store *store, const char *sql, struct err *err);
/* Calls row for every row; false from there ends it with *err set by the callback. columns: their
 * names, once for each row. */
typedef bool (*store_row)(void *arg, const struct cell *cells, const char *const *names,
                          unsigned n, struct err *err);
bool store_each(struct store *store, const char *sql, int n, const char *const *params,
                store_row row, void *arg, struct err *err);
/* The same for any number of rows, between begin and commit; no parameters. */
bool store_stream(struct store *store, const char *select, store_row row, void *arg,
                  struct err *err);
/* The first cell of the first row as a number; 0 where there is none. */
bool store_number(struct store *store, const char *sql, int n, const char *const *params,
                  int64_t *number, struct err *err);
/* Folds what is past, and all before before_ns. */
bool store_fold(struct store *store, int64_t before_ns, struct err *err);

/* Ends rows and rollups before those instants, at midnight (UTC). */
bool store_retire(struct store *store, int64_t rows_before_ns, int64_t rollups_before_ns,
                  struct err *err);

/* Tables with rows of the market, ended by NULL; the first nine have event_ns. */
enum { STORE_TIMED = 9 };
extern const char *const store_tables[];

#endif
