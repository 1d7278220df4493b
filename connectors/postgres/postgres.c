/* SPDX-License-Identifier: Apache-2.0
 * postgres - one session: connect, statements, pipelines, binary COPY, errors by kind. */
#include <connectors/postgres.h>
#include <hde/text.h>

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pg {
    struct pg_options options;
    PGconn *conn; /* NULL: none */
    enum pg_level level;
    unsigned sent; /* statements of the pipeline that is open */
    char where[256];
};

/* ---- Errors -------------------------------------------------------------------------------- */

bool
pg_fail(struct pg_error *error, enum pg_trouble kind, const char *fmt, ...)
{
    va_list args;

    error->kind = kind;
    error->sqlstate[0] = '\0';
    va_start(args, fmt);
    vsnprintf(error->text, sizeof error->text, fmt, args);
    va_end(args);
    return false;
}

static const struct {
    const char *code;
    bool may_pass;
    const char *advice;
} kinds[] = {
    [PG_TROUBLE_NONE] = {"", false, ""},
    [PG_TROUBLE_AWAY] = {"HDE-S001", true, " (it is tried again)"},
    [PG_TROUBLE_UNKNOWN] = {"HDE-S002", true, " (the mark will tell whether it happened)"},
    [PG_TROUBLE_FULL] = {"HDE-S003", true, " (make room on the server)"},
    [PG_TROUBLE_SLOW] = {"HDE-S004", true, ""},
    [PG_TROUBLE_CONFLICT] = {"HDE-S005", true, ""},
    [PG_TROUBLE_CROWDED] = {"HDE-S006", true, " (raise max_connections, or end other sessions)"},
    [PG_TROUBLE_REFUSED] = {"HDE-S007", false, " (see user, password and pg_hba.conf)"},
    [PG_TROUBLE_ABSENT] = {"HDE-S008", false, ""},
    [PG_TROUBLE_NEWER] = {"HDE-S009", false, ""},
    [PG_TROUBLE_OLDER] = {"HDE-S010", false, ""},
    [PG_TROUBLE_EDITED] = {"HDE-S011", false, ""},
    [PG_TROUBLE_VALUE] = {"HDE-S012", false, ""},
    [PG_TROUBLE_DOUBLE] = {"HDE-S013", false, ""},
    [PG_TROUBLE_ADDRESS] = {"HDE-S014", false, ""},
    [PG_TROUBLE_OTHER] = {"HDE-S015", false, ""},
};

bool
pg_may_pass(enum pg_trouble kind)
{
    return kinds[kind].may_pass;
}

const char *
pg_code(enum pg_trouble kind)
{
    return kinds[kind].code;
}

/* By SQLSTATE, the longest prefix that is listed (PostgreSQL manual, appendix A). */
static enum pg_trouble
kind_of(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        enum pg_trouble kind;
    } states[] = {
        {"08", PG_TROUBLE_AWAY},      {"57P01", PG_TROUBLE_AWAY},  {"57P02", PG_TROUBLE_AWAY},
        {"57P03", PG_TROUBLE_AWAY},   {"57P05", PG_TROUBLE_AWAY},  {"25P03", PG_TROUBLE_AWAY},
        {"58030", PG_TROUBLE_FULL},   {"53100", PG_TROUBLE_FULL},  {"53200", PG_TROUBLE_FULL},
        {"53300", PG_TROUBLE_CROWDED}, {"57014", PG_TROUBLE_SLOW}, {"55P03", PG_TROUBLE_SLOW},
        {"40", PG_TROUBLE_CONFLICT},  {"28", PG_TROUBLE_REFUSED},  {"3D000", PG_TROUBLE_ABSENT},
        {"3F000", PG_TROUBLE_ABSENT}, {"42501", PG_TROUBLE_ABSENT}, {"23505", PG_TROUBLE_DOUBLE},
        {"22", PG_TROUBLE_VALUE},     {"23", PG_TROUBLE_VALUE},    {"25006", PG_TROUBLE_ABSENT},
    };
    enum pg_trouble kind = PG_TROUBLE_OTHER;
    size_t best = 0;

    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        size_t n = strlen(states[i].prefix);

        if (n > best && strncmp(sqlstate, states[i].prefix, n) == 0) {
            best = n;
            kind = states[i].kind;
        }
    }
    return kind;
}

/* libpq's text without its line breaks. */
static void
say(struct pg *pg, struct pg_error *error, enum pg_trouble kind, const char *doing,
    const char *text)
{
    int len = (int)strcspn(text, "\n");

    pg_fail(error, kind, "%s: %s: %.*s%s", pg->where, doing, len, text, kinds[kind].advice);
}

/* What the result, or the connection where there is none, says. */
static bool
trouble(struct pg *pg, const PGresult *result, const char *doing, struct pg_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorMessage(result) : PQerrorMessage(pg->conn);
    const char *detail = state ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    enum pg_trouble kind = state ? kind_of(state) : PG_TROUBLE_OTHER;
    char both[400];

    if (PQstatus(pg->conn) == CONNECTION_BAD)
        kind = PG_TROUBLE_AWAY;
    snprintf(both, sizeof both, "%.*s%s%s", (int)strcspn(text, "\n"), text, detail ? "; " : "",
             detail ? detail : "");
    say(pg, error, kind, doing, both);
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", state ? state : "");
    return false;
}

/* ---- Connect ------------------------------------------------------------------------------- */

struct pg *
pg_new(const struct pg_options *options)
{
    struct pg *pg = calloc(1, sizeof *pg);

    if (!pg)
        hde_no_memory();
    pg->options = *options;
    snprintf(pg->where, sizeof pg->where, "postgres");
    return pg;
}

void
pg_part(struct pg *pg)
{
    PQfinish(pg->conn);
    pg->conn = NULL;
    pg->sent = 0;
}

void
pg_close(struct pg *pg)
{
    if (!pg)
        return;
    pg_part(pg);
    free(pg);
}

const char *
pg_where(const struct pg *pg)
{
    return pg->where;
}

enum pg_level
pg_level(const struct pg *pg)
{
    return pg->level;
}

int
pg_version(const struct pg *pg)
{
    return PQserverVersion(pg->conn);
}

int
pg_socket(const struct pg *pg)
{
    return PQsocket(pg->conn);
}

bool
pg_is_alive(struct pg *pg, struct pg_error *error)
{
    if (pg->conn && PQconsumeInput(pg->conn) && PQstatus(pg->conn) == CONNECTION_OK)
        return true;
    return trouble(pg, NULL, "wait", error);
}

bool
pg_is_read_only(const struct pg *pg)
{
    return pg->options.read_only;
}

static int64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The address as people may see it. */
static void
name_place(struct pg *pg)
{
    const char *host = PQhost(pg->conn), *port = PQport(pg->conn), *db = PQdb(pg->conn);

    snprintf(pg->where, sizeof pg->where, "%s:%s/%s", host ? host : "", port ? port : "",
             db ? db : "");
}

/* libpq tells the SQLSTATE of a refused connection in its verbose text only:
 * "...: FATAL:  28P01: password authentication failed ...". */
static void
state_in(const char *text, char state[6])
{
    state[0] = '\0';
    for (const char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  "))
        if (strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && at[8] == ':') {
            memcpy(state, at + 3, 5);
            state[5] = '\0';
        }
}

static bool
not_connected(struct pg *pg, struct pg_error *error)
{
    const char *text = PQerrorMessage(pg->conn);
    bool needs = PQconnectionNeedsPassword(pg->conn);
    char state[6];

    state_in(text, state);
    say(pg, error,
        *state  ? kind_of(state)
        : needs ? PG_TROUBLE_REFUSED
                : PG_TROUBLE_AWAY,
        "connect", text);
    memcpy(error->sqlstate, state, sizeof state);
    return false;
}

/* Drives the connection until it stands, fails, or time is over. */
static bool
complete(struct pg *pg, struct pg_error *error)
{
    int64_t until = now_ms() + (pg->options.connect_ms > 0 ? pg->options.connect_ms : 5000);
    PostgresPollingStatusType wants = PGRES_POLLING_WRITING;

    while (wants != PGRES_POLLING_OK) {
        struct pollfd fd = {.fd = PQsocket(pg->conn),
                            .events = wants == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int64_t left = until - now_ms();

        if (wants == PGRES_POLLING_FAILED)
            return not_connected(pg, error);
        if (left <= 0) {
            say(pg, error, PG_TROUBLE_AWAY, "connect", "no answer in time");
            return false;
        }
        poll(&fd, 1, (int)left);
        wants = PQconnectPoll(pg->conn);
    }
    return true;
}

static bool
start(struct pg *pg, struct pg_error *error)
{
    const char *password = pg->options.password;
    const char *const words[] = {"dbname", "application_name", "client_encoding",
                                 password && *password ? "password" : NULL, NULL};
    const char *const values[] = {pg->options.address, "hde", "UTF8", password, NULL};
    char *wrong = NULL;
    PQconninfoOption *parsed = PQconninfoParse(pg->options.address, &wrong);

    if (!parsed) {
        pg_fail(error, PG_TROUBLE_ADDRESS,
                "the address is not understood (write postgresql://user@host:port/database, or "
                "host=... dbname=...)");
        PQfreemem(wrong);
        return false;
    }
    PQconninfoFree(parsed);
    pg->conn = PQconnectStartParams(words, values, 1);
    if (!pg->conn)
        hde_no_memory();
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    name_place(pg);
    if (PQstatus(pg->conn) == CONNECTION_BAD)
        return not_connected(pg, error);
    return complete(pg, error);
}

static void
ignore_notice(void *arg, const PGresult *result)
{
}

/* Settings of the session; values are parameters. */
static bool
configure(struct pg *pg, struct pg_error *error)
{
    static const char sql[] =
        "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false), "
        "set_config('synchronous_commit', coalesce($3, current_setting('synchronous_commit')), "
        "false), set_config('default_transaction_read_only', $4, false), "
        "set_config('client_min_messages', 'warning', false), set_config('TimeZone', 'UTC', false),"
        " set_config('extra_float_digits', '1', false), "
        "(SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb')";
    char statement[24], lock[24];
    const char *const params[] = {statement, lock, pg->options.commit,
                                  pg->options.read_only ? "on" : "off"};
    PGresult *result;

    snprintf(statement, sizeof statement, "%lld", (long long)pg->options.statement_ms);
    snprintf(lock, sizeof lock, "%lld", (long long)pg->options.lock_ms);
    result = pg_query(pg, sql, 4, params, error);
    if (!result)
        return false;
    pg->level = PQgetvalue(result, 0, 7)[0] == '0' ? PG_LEVEL_PLAIN : PG_LEVEL_TIMESCALE;
    PQclear(result);
    return true;
}

bool
pg_reach(struct pg *pg, bool *fresh, struct pg_error *error)
{
    *fresh = false;
    if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
        return true;
    pg_part(pg);
    if (start(pg, error)) {
        PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
        PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
        if (configure(pg, error)) {
            *fresh = true;
            return true;
        }
    }
    pg_part(pg);
    return false;
}

/* ---- Statements ---------------------------------------------------------------------------- */

static bool
is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool
pg_exec(struct pg *pg, const char *sql, struct pg_error *error)
{
    PGresult *result = PQexec(pg->conn, sql);
    bool good = is_good(result);

    if (!good)
        trouble(pg, result, "execute", error);
    PQclear(result);
    return good;
}

PGresult *
pg_query(struct pg *pg, const char *sql, int n, const char *const *params, struct pg_error *error)
{
    PGresult *result = PQexecParams(pg->conn, sql, n, NULL, params, NULL, NULL, 0);

    if (is_good(result))
        return result;
    trouble(pg, result, "query", error);
    PQclear(result);
    return NULL;
}

bool
pg_begin(struct pg *pg, struct pg_error *error)
{
    return pg_exec(pg, "BEGIN", error);
}

bool
pg_commit(struct pg *pg, struct pg_error *error)
{
    if (pg_exec(pg, "COMMIT", error))
        return true;
    if (error->kind == PG_TROUBLE_AWAY) {
        char text[sizeof error->text];

        snprintf(text, sizeof text, "%s", error->text);
        pg_fail(error, PG_TROUBLE_UNKNOWN, "%.400s: inside of COMMIT%s", text,
                kinds[PG_TROUBLE_UNKNOWN].advice);
    }
    return false;
}

void
pg_rollback(struct pg *pg)
{
    if (!pg->conn)
        return;
    if (PQstatus(pg->conn) == CONNECTION_BAD || PQpipelineStatus(pg->conn) != PQ_PIPELINE_OFF)
        pg_part(pg);
    else if (PQtransactionStatus(pg->conn) == PQTRANS_ACTIVE)
        pg_part(pg); /* inside of a COPY */
    else if (PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        PQclear(PQexec(pg->conn, "ROLLBACK"));
}

bool
pg_prepare(struct pg *pg, const char *name, const char *sql, struct pg_error *error)
{
    PGresult *result = PQprepare(pg->conn, name, sql, 0, NULL);
    bool good = is_good(result);

    if (!good)
        trouble(pg, result, "prepare", error);
    PQclear(result);
    return good;
}

bool
pg_send(struct pg *pg, const char *name, int n, const char *const *params, struct pg_error *error)
{
    if (PQpipelineStatus(pg->conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(pg->conn))
        return trouble(pg, NULL, "pipeline", error);
    if (!PQsendQueryPrepared(pg->conn, name, n, params, NULL, NULL, 0))
        return trouble(pg, NULL, "send", error);
    pg->sent++;
    return true;
}

/* The results of one statement, up to the NULL behind it. */
static bool
collect(struct pg *pg, struct pg_error *error)
{
    PGresult *result = PQgetResult(pg->conn);
    bool good = is_good(result);

    if (!good && error->kind == PG_TROUBLE_NONE)
        trouble(pg, result, "execute", error);
    while (result) {
        PQclear(result);
        result = PQstatus(pg->conn) == CONNECTION_BAD ? NULL : PQgetResult(pg->conn);
    }
    return good;
}

bool
pg_sync(struct pg *pg, struct pg_error *error)
{
    bool good = true;

    if (!pg->sent)
        return true;
    error->kind = PG_TROUBLE_NONE;
    if (!PQpipelineSync(pg->conn))
        return trouble(pg, NULL, "send", error);
    for (; pg->sent > 0 && PQstatus(pg->conn) != CONNECTION_BAD; pg->sent--)
        good &= collect(pg, error);
    PQclear(PQgetResult(pg->conn)); /* of the sync */
    pg->sent = 0;
    if (PQstatus(pg->conn) == CONNECTION_BAD)
        return error->kind != PG_TROUBLE_NONE ? false : trouble(pg, NULL, "receive", error);
    PQexitPipelineMode(pg->conn);
    return good;
}

/* ---- Binary COPY --------------------------------------------------------------------------- */

static const char copy_head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
enum { COPY_HEAD = sizeof copy_head - 1, COPY_PIECE = 256 << 10 };

void
pg_rows_begin(struct pg_rows *rows, unsigned fields, size_t text_bytes)
{
    size_t most = rows->len + 2 + 12 * (size_t)fields + text_bytes;

    if (most > rows->cap) {
        rows->cap = most + rows->cap + 4096;
        rows->data = realloc(rows->data, rows->cap);
        if (!rows->data)
            hde_no_memory();
    }
    rows->data[rows->len++] = (char)(fields >> 8);
    rows->data[rows->len++] = (char)fields;
    rows->n++;
}

void
pg_rows_text(struct pg_rows *rows, const char *text, size_t size)
{
    pg_rows_put32(rows, (uint32_t)size);
    memcpy(rows->data + rows->len, text, size);
    rows->len += size;
}

void
pg_rows_clear(struct pg_rows *rows)
{
    rows->len = rows->n = 0;
}

void
pg_rows_free(struct pg_rows *rows)
{
    free(rows->data);
    *rows = (struct pg_rows){0};
}

bool
pg_copy_begin(struct pg *pg, const char *sql, struct pg_error *error)
{
    PGresult *result = PQexec(pg->conn, sql);
    bool good = PQresultStatus(result) == PGRES_COPY_IN &&
                PQputCopyData(pg->conn, copy_head, COPY_HEAD) == 1;

    if (!good)
        trouble(pg, result, "copy", error);
    PQclear(result);
    return good;
}

bool
pg_copy_put(struct pg *pg, const struct pg_rows *rows, struct pg_error *error)
{
    for (size_t at = 0; at < rows->len; at += COPY_PIECE) {
        size_t left = rows->len - at;

        if (PQputCopyData(pg->conn, rows->data + at,
                          (int)(left < COPY_PIECE ? left : COPY_PIECE)) != 1)
            return trouble(pg, NULL, "copy", error);
    }
    return true;
}

bool
pg_copy_end(struct pg *pg, struct pg_error *error)
{
    bool good = PQputCopyData(pg->conn, "\377\377", 2) == 1 && PQputCopyEnd(pg->conn, NULL) == 1;
    PGresult *result = PQgetResult(pg->conn);

    if (!good || !is_good(result)) {
        trouble(pg, result, "copy", error);
        good = false;
    }
    while (result) {
        PQclear(result);
        result = PQstatus(pg->conn) == CONNECTION_BAD ? NULL : PQgetResult(pg->conn);
    }
    return good;
}
