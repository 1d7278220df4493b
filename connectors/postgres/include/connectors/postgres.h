/* SPDX-License-Identifier: Apache-2.0
 * connectors/postgres.h - one session with a PostgreSQL database, with errors that people can act
 * on.
 *
 * Threads   A session belongs to one thread at a time. Functions block, at most for the time-outs
 *           of the options.
 * Errors    Functions that can fail return false or NULL and fill *error: what the server said,
 *           which database, and what to do. kind says what happens next, code what `hde explain`
 *           tells about it. Passwords never appear.
 * SQL       Statements are constant text of the program; values travel as parameters or as binary
 *           COPY and are never written into a statement. */
#ifndef CONNECTORS_POSTGRES_H
#define CONNECTORS_POSTGRES_H

#include <connectors/tables.h>
#include <endian.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum pg_trouble {
    PG_TROUBLE_NONE = 0,
    /* Trying again helps, sooner or later. */
    PG_TROUBLE_AWAY,     /* no answer, or the session is over: nothing of it was committed */
    PG_TROUBLE_UNKNOWN,  /* the session ended inside of COMMIT: it may have happened */
    PG_TROUBLE_FULL,     /* the server has no room, or no memory */
    PG_TROUBLE_SLOW,     /* a statement or a lock took longer than it may */
    PG_TROUBLE_CONFLICT, /* deadlock or serialization failure: the other one went on */
    PG_TROUBLE_CROWDED,  /* no connection is free */
    /* Trying again does not help. */
    PG_TROUBLE_REFUSED,  /* user or password */
    PG_TROUBLE_ABSENT,   /* no such database, or no right to do this */
    PG_TROUBLE_NEWER,    /* written by a newer version of this program */
    PG_TROUBLE_OLDER,    /* read-only and not migrated to the version of this program */
    PG_TROUBLE_EDITED,   /* a migration there is not ours */
    PG_TROUBLE_VALUE,    /* a value that the table does not take */
    PG_TROUBLE_DOUBLE,   /* a row with this key is there already */
    PG_TROUBLE_ADDRESS,  /* the address is not understood */
    PG_TROUBLE_OTHER,
};

struct pg_error {
    enum pg_trouble kind;
    char sqlstate[6]; /* the server's, or "" */
    char text[512];
};

bool pg_may_pass(enum pg_trouble kind); /* whether trying again can help */
const char *pg_code(enum pg_trouble kind); /* "HDE-S001" */

enum pg_level { PG_LEVEL_PLAIN, PG_LEVEL_TIMESCALE };

struct pg_options {
    const char *address;  /* "postgresql://user@host:port/db" or "host=... dbname=..." */
    const char *password; /* NULL or "": of the address, PGPASSWORD or ~/.pgpass */
    const char *commit;   /* synchronous_commit: "on", "off", ...; NULL: of the server */
    int64_t connect_ms;   /* 0: 5,000 */
    int64_t statement_ms; /* a statement may take; 0: no bound */
    int64_t lock_ms;      /* it may wait for a lock; 0: no bound */
    bool read_only;       /* the session never writes */
};

struct pg;

/* Options are lent until pg_close(). Never connects: pg_reach() does. */
struct pg *pg_new(const struct pg_options *options);
void pg_close(struct pg *pg); /* NULL is fine */
/* True with a session that works as far as is known. *fresh: it is a new one, prepared statements
 * and temporary tables of the old one are gone. One try a call; pauses between are the caller's. */
bool pg_reach(struct pg *pg, bool *fresh, struct pg_error *error);
/* Gives the session up, for the next pg_reach() to make another. */
void pg_part(struct pg *pg);

const char *pg_where(const struct pg *pg); /* host:port/database */
enum pg_level pg_level(const struct pg *pg);
int pg_version(const struct pg *pg); /* 150020 */

/* To wait on, for what comes unasked: -1 without a session. False: it was the end of the
 * session. */
int pg_socket(const struct pg *pg);
bool pg_is_alive(struct pg *pg, struct pg_error *error);

/* One or more statements without results. */
bool pg_exec(struct pg *pg, const char *sql, struct pg_error *error);
/* One statement with n parameters as text (NULL: unknown). The result is PQclear()'s. */
PGresult *pg_query(struct pg *pg, const char *sql, int n, const char *const *params,
                   struct pg_error *error);
bool pg_begin(struct pg *pg, struct pg_error *error);
bool pg_commit(struct pg *pg, struct pg_error *error);
void pg_rollback(struct pg *pg);

/* Prepared statements, sent in one go: any number of pg_send(), then pg_sync(), which gives the
 * first error. Inside of a transaction. */
bool pg_prepare(struct pg *pg, const char *name, const char *sql, struct pg_error *error);
bool pg_send(struct pg *pg, const char *name, int n, const char *const *params,
             struct pg_error *error);
bool pg_sync(struct pg *pg, struct pg_error *error);

/* ---- Binary COPY ---------------------------------------------------------------------------
 * Rows are encoded into memory, then sent. Every row has the same number of fields. */
struct pg_rows { /* starts as {0} */
    char *data;
    size_t len, cap, n;
};

void pg_rows_begin(struct pg_rows *rows, unsigned fields, size_t text_bytes); /* room for a row */
static inline void
pg_rows_put32(struct pg_rows *rows, uint32_t x)
{
    x = htobe32(x);
    memcpy(rows->data + rows->len, &x, sizeof x);
    rows->len += sizeof x;
}
static inline void
pg_rows_null(struct pg_rows *rows)
{
    pg_rows_put32(rows, UINT32_MAX);
}
static inline void
pg_rows_integer(struct pg_rows *rows, int64_t x) /* INT8 */
{
    const uint32_t size = htobe32(8);
    const uint64_t bits = htobe64((uint64_t)x);
    char *at = rows->data + rows->len;

    memcpy(at, &size, sizeof size);
    memcpy(at + sizeof size, &bits, sizeof bits);
    rows->len += sizeof size + sizeof bits;
}
static inline void
pg_rows_real(struct pg_rows *rows, double x) /* FLOAT8 */
{
    union {
        double x;
        uint64_t bits;
    } same = {x};

    pg_rows_integer(rows, (int64_t)same.bits);
}
void pg_rows_text(struct pg_rows *rows, const char *text, size_t size);
void pg_rows_clear(struct pg_rows *rows); /* keeps the memory */
void pg_rows_free(struct pg_rows *rows);
/* sql is a COPY ... FROM STDIN (FORMAT binary). Between begin and end the session takes nothing
 * else; the server works while rows are encoded. put leaves the rows to the caller. */
bool pg_copy_begin(struct pg *pg, const char *sql, struct pg_error *error);
bool pg_copy_put(struct pg *pg, const struct pg_rows *rows, struct pg_error *error);
bool pg_copy_end(struct pg *pg, struct pg_error *error);

/* ---- Schema versions (connectors/tables.h) ------------------------------------------------- */

/* Brings the database to the last migration, each in a transaction of its own, one program at a
 * time (advisory lock). A database that has more, or one whose text differs from ours, is refused.
 * In a read-only session it only checks. */
bool pg_migrate(struct pg *pg, const struct migration *migrations, struct pg_error *error);

/* For the connector's own files. */
bool pg_fail(struct pg_error *error, enum pg_trouble kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool pg_is_read_only(const struct pg *pg);

#endif
