/* SPDX-License-Identifier: Apache-2.0
 * copy - messages into the tables of a PostgreSQL store.
 *
 * Rows are encoded into one buffer a table and way. New rows of the table that fills first flow to
 * the server as they come; the other buffers are sent by finish(): first what is new, then, table
 * by table, what is staged. A session in COPY takes nothing else, so whoever has to ask something
 * ends the flow first. Two kinds of rows may go to one table (a raw chain
 * beside the enriched one): when the kind changes, the staged rows of the other kind go first, so
 * the last one written counts as it does in SQLite. */
#include "copy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS INT64_C(86400000000000)

/* What is known of a feed and expiry. */
struct series {
    char *feed, *expiry;
    int64_t newest_ns[MARKET_TABLES]; /* in the table, this transaction included */
    int64_t dirty_ns;                 /* bucket noted last */
    size_t chain;                     /* its row of `chains` in the batch, from 1; 0: none yet */
};

struct dirty {
    const char *feed, *expiry; /* of the series */
    int64_t bucket_ns;
};

struct kind { /* of rows */
    struct pg_rows fresh, staged;
    char *copy, *make_stage, *copy_stage, *merge, *clear; /* SQL */
    bool has_stage;                                       /* in this session */
    int first; /* the kind that goes to the same table and was listed first */
};

struct copy {
    struct pg *pg;
    struct market market;
    struct kind kind[MARKET_TABLES];
    struct series *series;
    size_t n_series, last_series;
    int64_t *day; /* whose partitions are there */
    size_t n_days;
    struct dirty *dirty;
    size_t n_dirty, dirty_cap;
    struct value *chain; /* MARKET_CHAIN_VALUES each */
    size_t n_chains, chains_cap;
    int flow;         /* the kind whose COPY is open, or -1 */
    bool keeps_dirty; /* the store has rollups of ours */
    bool stage_all;
    uint64_t rows, staged, expired;
    int64_t from_ns; /* earlier messages expire */
    unsigned touched;       /* tables of the message that is being written, by first kind */
    struct pg_error *error; /* of the add that runs */
};

/* ---- SQL ----------------------------------------------------------------------------------- */

static void
write_sql(struct copy *self, int which)
{
    const struct table *table = &self->market.table[which];
    struct kind *kind = &self->kind[which];
    hde_text names = {0}, keys = {0}, sql = {0};

    table_put_names(&names, table);
    table_put_keys(&keys, table);
    hde_text_printf(&sql, "COPY %s (%s) FROM STDIN (FORMAT binary)", table->spec->name, names.data);
    kind->copy = sql.data;
    sql = (hde_text){0};
    hde_text_printf(&sql,
                    "CREATE TEMPORARY TABLE IF NOT EXISTS hde_stage_%d ON COMMIT DELETE ROWS AS "
                    "SELECT 0::INT8 AS hde_nth, %s FROM %s WITH NO DATA",
                    which, names.data, table->spec->name);
    kind->make_stage = sql.data;
    sql = (hde_text){0};
    hde_text_printf(&sql, "COPY hde_stage_%d FROM STDIN (FORMAT binary)", which);
    kind->copy_stage = sql.data;
    sql = (hde_text){0};
    hde_text_printf(&sql,
                    "INSERT INTO %s (%s) SELECT DISTINCT ON (%s) %s FROM hde_stage_%d "
                    "ORDER BY %s, hde_nth DESC",
                    table->spec->name, names.data, keys.data, names.data, which, keys.data);
    table_put_conflict(&sql, table);
    kind->merge = sql.data;
    sql = (hde_text){0};
    hde_text_printf(&sql, "DELETE FROM hde_stage_%d", which);
    kind->clear = sql.data;
    hde_text_free(&names);
    hde_text_free(&keys);
}

struct copy *
copy_new(struct pg *pg)
{
    struct copy *self = calloc(1, sizeof *self);

    if (!self)
        hde_no_memory();
    self->pg = pg;
    market_open(&self->market);
    for (int i = 0; i < MARKET_TABLES; i++) {
        write_sql(self, i);
        while (strcmp(self->market.table[self->kind[i].first].spec->name,
                      self->market.table[i].spec->name) != 0)
            self->kind[i].first++;
    }
    return self;
}

void
copy_forget(struct copy *self)
{
    for (size_t i = 0; i < self->n_series; i++) {
        free(self->series[i].feed);
        free(self->series[i].expiry);
    }
    for (int i = 0; i < MARKET_TABLES; i++)
        self->kind[i].has_stage = false;
    self->n_series = self->last_series = 0;
    self->n_dirty = 0;
}

void
copy_free(struct copy *self)
{
    if (!self)
        return;
    copy_forget(self);
    for (int i = 0; i < MARKET_TABLES; i++) {
        struct kind *kind = &self->kind[i];

        pg_rows_free(&kind->fresh);
        pg_rows_free(&kind->staged);
        free(kind->copy);
        free(kind->make_stage);
        free(kind->copy_stage);
        free(kind->merge);
        free(kind->clear);
    }
    market_close(&self->market);
    free(self->series);
    free(self->day);
    free(self->dirty);
    free(self->chain);
    free(self);
}

bool
copy_begin(struct copy *self, struct pg_error *error)
{
    static const char note_dirty[] =
        "INSERT INTO hde_dirty AS d (feed, expiry, bucket_ns, writes) VALUES ($1, $2, $3, 1) "
        "ON CONFLICT (feed, expiry, bucket_ns) DO UPDATE SET writes = d.writes + 1";
    PGresult *result;

    self->n_days = 0;
    copy_forget(self);
    result = pg_query(self->pg, "SELECT level = 'postgresql' FROM hde_store", 0, NULL, error);
    if (!result)
        return false;
    self->keeps_dirty = PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return pg_prepare(self->pg, "chain", market_upsert_chain, error) &&
           (!self->keeps_dirty || pg_prepare(self->pg, "dirty", note_dirty, error));
}

bool
copy_make_day(struct copy *self, const ProtobufCMessage *message, struct pg_error *error)
{
    struct market_key key;
    char number[24];
    const char *const params[] = {number};
    PGresult *result;
    int64_t day;

    if (!market_find_key(message, &key))
        return true;
    day = key.event_ns / DAY_NS;
    for (size_t i = self->n_days; i-- > 0;)
        if (self->day[i] == day)
            return true;
    snprintf(number, sizeof number, "%" PRId64, key.event_ns);
    result = pg_query(self->pg, "SELECT hde_make_day($1)", 1, params, error);
    if (!result)
        return false;
    PQclear(result);
    self->day = reallocarray(self->day, self->n_days + 1, sizeof *self->day);
    if (!self->day)
        hde_no_memory();
    self->day[self->n_days++] = day;
    return true;
}

/* ---- The flow ------------------------------------------------------------------------------ */

enum { FLOW_BYTES = 64 << 10 };

static bool
end_flow(struct copy *self, struct pg_error *error)
{
    struct kind *kind = &self->kind[self->flow < 0 ? 0 : self->flow];

    if (self->flow < 0)
        return true;
    self->flow = -1;
    if (!pg_copy_put(self->pg, &kind->fresh, error) || !pg_copy_end(self->pg, error))
        return false;
    pg_rows_clear(&kind->fresh);
    return true;
}

static bool
send_all(struct copy *self, const char *sql, struct pg_rows *rows, struct pg_error *error)
{
    if (!rows->n)
        return true;
    if (!pg_copy_begin(self->pg, sql, error) || !pg_copy_put(self->pg, rows, error) ||
        !pg_copy_end(self->pg, error))
        return false;
    pg_rows_clear(rows);
    return true;
}

/* What has come together goes to the server, unless another table has the session. */
static bool
flow(struct copy *self, int which)
{
    struct kind *kind = &self->kind[which];

    if (kind->fresh.len < FLOW_BYTES || (self->flow >= 0 && self->flow != which))
        return true;
    if (self->flow < 0 && !pg_copy_begin(self->pg, kind->copy, self->error))
        return false;
    self->flow = which;
    if (!pg_copy_put(self->pg, &kind->fresh, self->error))
        return false;
    pg_rows_clear(&kind->fresh);
    return true;
}

/* ---- What is there ------------------------------------------------------------------------- */

/* The newest row of each table; tables that share a name share the number. */
static bool
load_newest(struct copy *self, struct series *series)
{
    const char *const params[] = {series->feed, series->expiry};
    hde_text sql = {0};
    PGresult *result;

    if (!end_flow(self, self->error))
        return false;
    for (int i = 0; i < MARKET_TABLES; i++)
        hde_text_printf(&sql,
                        "%s(SELECT max(event_ns) FROM %s WHERE feed = $1 AND expiry = $2)",
                        i ? ", " : "SELECT ", self->market.table[i].spec->name);
    result = pg_query(self->pg, sql.data, 2, params, self->error);
    hde_text_free(&sql);
    if (!result)
        return false;
    for (int i = 0; i < MARKET_TABLES; i++)
        series->newest_ns[i] =
            PQgetisnull(result, 0, i) ? INT64_MIN : strtoll(PQgetvalue(result, 0, i), NULL, 10);
    PQclear(result);
    return true;
}

static bool
is_series(const struct series *series, const struct market_key *key)
{
    return strcmp(series->expiry, key->expiry) == 0 && strcmp(series->feed, key->feed) == 0;
}

/* NULL: the database did not answer. */
static struct series *
find_series(struct copy *self, const struct market_key *key)
{
    struct series *series;

    if (self->last_series < self->n_series && is_series(&self->series[self->last_series], key))
        return &self->series[self->last_series];
    for (size_t i = 0; i < self->n_series; i++)
        if (is_series(&self->series[i], key))
            return &self->series[self->last_series = i];
    self->series = reallocarray(self->series, self->n_series + 1, sizeof *self->series);
    if (!self->series)
        hde_no_memory();
    series = &self->series[self->n_series];
    *series = (struct series){strdup(key->feed), strdup(key->expiry), .dirty_ns = INT64_MIN};
    if (!series->feed || !series->expiry)
        hde_no_memory();
    self->last_series = self->n_series++;
    return load_newest(self, series) ? series : NULL;
}

/* ---- Rows ---------------------------------------------------------------------------------- */

/* Texts of a row are short, but a list may be long. */
static size_t
text_bytes(const struct value *values, unsigned n)
{
    size_t size = 0;

    for (unsigned i = 0; i < n; i++)
        size += values[i].kind == VALUE_TEXT ? strlen(values[i].text) : 0;
    return size;
}

static void
encode(struct pg_rows *rows, const struct value *values, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        switch (values[i].kind) {
        case VALUE_NULL:
            pg_rows_null(rows);
            break;
        case VALUE_REAL:
            pg_rows_real(rows, values[i].real);
            break;
        case VALUE_INTEGER:
            pg_rows_integer(rows, values[i].integer);
            break;
        case VALUE_TEXT:
            pg_rows_text(rows, values[i].text, strlen(values[i].text));
            break;
        }
}

/* Sends the staged rows of a kind and merges them into the table. */
static bool
merge(struct copy *self, int which, struct pg_error *error)
{
    struct kind *kind = &self->kind[which];

    if (!kind->staged.n)
        return true;
    if (!kind->has_stage && !pg_exec(self->pg, kind->make_stage, error))
        return false;
    kind->has_stage = true;
    return send_all(self, kind->copy_stage, &kind->staged, error) &&
           pg_exec(self->pg, kind->merge, error) && pg_exec(self->pg, kind->clear, error);
}

/* Staged rows of another kind of the same table go before one of this kind. */
static bool
give_way(struct copy *self, int which)
{
    for (int i = 0; i < MARKET_TABLES; i++)
        if (i != which && self->kind[i].first == self->kind[which].first &&
            self->kind[i].staged.n) {
            if (!end_flow(self, self->error))
                return false;
            for (int k = 0; k < MARKET_TABLES; k++)
                if (self->kind[k].first == self->kind[which].first &&
                    !send_all(self, self->kind[k].copy, &self->kind[k].fresh, self->error))
                    return false;
            if (!merge(self, i, self->error))
                return false;
        }
    return true;
}

static bool
put_row(void *to, int which, const struct market_key *key, const struct value *values)
{
    struct copy *self = to;
    const struct table *table = &self->market.table[which];
    struct kind *kind = &self->kind[which];
    struct series *series = &self->series[self->last_series];
    unsigned n = table->n_keys + table->n_columns;
    bool is_fresh = !self->stage_all && key->event_ns > series->newest_ns[kind->first];

    self->rows++;
    self->touched |= 1u << kind->first;
    if (is_fresh) {
        pg_rows_begin(&kind->fresh, n, text_bytes(values, n));
        encode(&kind->fresh, values, n);
        return flow(self, which);
    }
    if (!give_way(self, which))
        return false;
    self->staged++;
    pg_rows_begin(&kind->staged, n + 1, text_bytes(values, n));
    pg_rows_integer(&kind->staged, (int64_t)self->staged);
    encode(&kind->staged, values, n);
    return true;
}

/* What market_upsert_chain would make of the row that is there. */
static void
join_chain(struct value *there, const struct value *values)
{
    const struct value first_ns = there[MARKET_CHAIN_FIRST], last_ns = there[MARKET_CHAIN_LAST];

    for (int i = 0; i < MARKET_CHAIN_VALUES; i++)
        if (values[i].kind != VALUE_NULL)
            there[i] = values[i];
    if (first_ns.integer < there[MARKET_CHAIN_FIRST].integer)
        there[MARKET_CHAIN_FIRST] = first_ns;
    if (last_ns.integer > there[MARKET_CHAIN_LAST].integer)
        there[MARKET_CHAIN_LAST] = last_ns;
}

/* One row a series and batch. */
static bool
put_chain(void *to, const struct value values[MARKET_CHAIN_VALUES])
{
    struct copy *self = to;
    struct series *series = &self->series[self->last_series];

    self->rows++;
    if (series->chain) {
        join_chain(&self->chain[MARKET_CHAIN_VALUES * (series->chain - 1)], values);
        return true;
    }
    if (self->n_chains == self->chains_cap) {
        self->chains_cap = self->chains_cap ? 2 * self->chains_cap : 64;
        self->chain = reallocarray(self->chain, self->chains_cap,
                                   MARKET_CHAIN_VALUES * sizeof *self->chain);
        if (!self->chain)
            hde_no_memory();
    }
    memcpy(&self->chain[MARKET_CHAIN_VALUES * self->n_chains++], values,
           MARKET_CHAIN_VALUES * sizeof *values);
    series->chain = self->n_chains;
    return true;
}

/* ---- A transaction ------------------------------------------------------------------------- */

void
copy_start(struct copy *self, bool stage_all, int64_t from_ns)
{
    for (int i = 0; i < MARKET_TABLES; i++) {
        pg_rows_clear(&self->kind[i].fresh);
        pg_rows_clear(&self->kind[i].staged);
    }
    self->n_chains = self->n_dirty = 0;
    self->rows = self->staged = self->expired = 0;
    self->from_ns = from_ns;
    self->stage_all = stage_all;
    self->flow = -1;
    for (size_t i = 0; i < self->n_series; i++) {
        self->series[i].dirty_ns = INT64_MIN;
        self->series[i].chain = 0;
    }
}

/* The bucket of a chain is to be folded anew. */
static void
note_dirty(struct copy *self, struct series *series, int64_t event_ns)
{
    int64_t bucket_ns = event_ns - event_ns % MARKET_BUCKET_NS;

    if (!self->keeps_dirty || series->dirty_ns == bucket_ns)
        return;
    series->dirty_ns = bucket_ns;
    if (self->n_dirty == self->dirty_cap) {
        self->dirty_cap = self->dirty_cap ? 2 * self->dirty_cap : 64;
        self->dirty = reallocarray(self->dirty, self->dirty_cap, sizeof *self->dirty);
        if (!self->dirty)
            hde_no_memory();
    }
    self->dirty[self->n_dirty++] = (struct dirty){series->feed, series->expiry, bucket_ns};
}

bool
copy_add(struct copy *self, const ProtobufCMessage *const *messages, size_t n,
         struct pg_error *error)
{
    const struct market_writer writer = {self, put_row, put_chain};

    self->error = error;
    for (size_t i = 0; i < n; i++) {
        struct market_key key;
        struct series *series;

        if (!market_find_key(messages[i], &key))
            continue;
        if (key.event_ns < self->from_ns) {
            self->expired++;
            continue;
        }
        series = find_series(self, &key);
        if (!series)
            return false;
        self->touched = 0;
        if (!market_write(&self->market, messages[i], &writer))
            return false;
        for (int t = 0; t < MARKET_TABLES; t++)
            if (self->touched & 1u << t && series->newest_ns[t] < key.event_ns)
                series->newest_ns[t] = key.event_ns;
        if (market_is_chain(messages[i]))
            note_dirty(self, series, key.event_ns);
    }
    return true;
}

/* In one order for all writers, so they never wait for each other in a circle. */
static int
compare_dirty(const void *a, const void *b)
{
    const struct dirty *x = a, *y = b;
    int order = strcmp(x->feed, y->feed);

    if (!order)
        order = strcmp(x->expiry, y->expiry);
    return order ? order : (x->bucket_ns > y->bucket_ns) - (x->bucket_ns < y->bucket_ns);
}

static bool
send_dirty(struct copy *self, struct pg_error *error)
{
    if (self->n_dirty)
        qsort(self->dirty, self->n_dirty, sizeof *self->dirty, compare_dirty);
    for (size_t i = 0; i < self->n_dirty; i++) {
        const struct dirty *dirty = &self->dirty[i];
        char bucket[24];
        const char *const params[] = {dirty->feed, dirty->expiry, bucket};

        if (i && compare_dirty(dirty, dirty - 1) == 0)
            continue;
        snprintf(bucket, sizeof bucket, "%" PRId64, dirty->bucket_ns);
        if (!pg_send(self->pg, "dirty", 3, params, error))
            return false;
    }
    return true;
}

static bool
send_chain(struct copy *self, const struct value *values, struct pg_error *error)
{
    char number[MARKET_CHAIN_VALUES][32];
    const char *params[MARKET_CHAIN_VALUES];

    for (int i = 0; i < MARKET_CHAIN_VALUES; i++) {
        params[i] = number[i];
        if (values[i].kind == VALUE_REAL)
            snprintf(number[i], sizeof number[i], "%.17g", values[i].real);
        else if (values[i].kind == VALUE_INTEGER)
            snprintf(number[i], sizeof number[i], "%" PRId64, values[i].integer);
        else
            params[i] = values[i].kind == VALUE_TEXT ? values[i].text : NULL;
    }
    return pg_send(self->pg, "chain", MARKET_CHAIN_VALUES, params, error);
}

bool
copy_finish(struct copy *self, struct pg_error *error)
{
    if (!end_flow(self, error))
        return false;
    for (int i = 0; i < MARKET_TABLES; i++)
        if (!send_all(self, self->kind[i].copy, &self->kind[i].fresh, error))
            return false;
    for (int i = 0; i < MARKET_TABLES; i++)
        if (!merge(self, i, error))
            return false;
    for (size_t i = 0; i < self->n_chains; i++)
        if (!send_chain(self, &self->chain[MARKET_CHAIN_VALUES * i], error))
            return false;
    return send_dirty(self, error) && pg_sync(self->pg, error);
}

uint64_t
copy_rows(const struct copy *self)
{
    return self->rows;
}

uint64_t
copy_staged(const struct copy *self)
{
    return self->staged;
}

uint64_t
copy_expired(const struct copy *self)
{
    return self->expired;
}
