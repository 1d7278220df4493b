/* SPDX-License-Identifier: Apache-2.0
 * csv - chains out of CSV files: rows are gathered by capture stamp, expiries within it. */
#include "csv.h"

#include "lines.h"
#include "number.h"

#include <hde/text.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEEDS 256   /* symbols of one run */
#define TEXT_MAX 48 /* bytes of a field whose last reading is kept */

struct part { /* one expiry of a capture */
    uint32_t series;
    struct snapshot snapshot;
};

struct capture { /* the rows of one stamp */
    int64_t stamp_ns;
    uint64_t offset;
    size_t rows, n, cap, next;
    struct part *part; /* cap of them keep their memory */
    bool split, backwards;
};

struct feed {
    char symbol[24];
    uint64_t sequence;
};

/* The text that a field had last, and what it meant. */
struct memo {
    char text[TEXT_MAX];
    size_t size;
    int64_t value;
};

struct csv {
    struct csv_config config;
    struct layout own_layout; /* found by the header */
    const struct layout *layout;
    struct layout_binding binding;
    struct lines lines;
    char name[256]; /* of the file, for messages */
    struct field fields[LAYOUT_FIELDS];
    bool pending; /* fields are a row that belongs to the next capture */
    bool has_ready, has_ahead;
    struct capture ready, ahead;
    int64_t latest_ns;
    size_t n_series, n_feeds;
    struct csv_series *series;
    struct feed *feeds;
    struct memo stamp, series_key;
    struct csv_totals totals;
};

struct csv *
csv_new(const struct csv_config *config)
{
    struct csv *csv = calloc(1, sizeof *csv);

    if (!csv)
        hde_no_memory();
    csv->config = *config;
    csv->lines.fd = -1;
    csv->latest_ns = INT64_MIN;
    csv->series = calloc(CSV_SERIES, sizeof *csv->series);
    csv->feeds = calloc(FEEDS, sizeof *csv->feeds);
    if (!csv->series || !csv->feeds)
        hde_no_memory();
    return csv;
}

static void
capture_free(struct capture *capture)
{
    for (size_t i = 0; i < capture->cap; i++)
        snapshot_free(&capture->part[i].snapshot);
    free(capture->part);
}

void
csv_free(struct csv *csv)
{
    if (!csv)
        return;
    lines_free(&csv->lines);
    capture_free(&csv->ready);
    capture_free(&csv->ahead);
    free(csv->series);
    free(csv->feeds);
    free(csv);
}

const struct csv_totals *
csv_totals(const struct csv *csv)
{
    return &csv->totals;
}

const char *
csv_layout_name(const struct csv *csv)
{
    return csv->layout ? csv->layout->name : "";
}

static void report(struct csv *csv, enum csv_report what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
report(struct csv *csv, enum csv_report what, const char *fmt, ...)
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "%s:%llu: ", csv->name, (unsigned long long)csv->lines.number);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + n, sizeof text - (size_t)n, fmt, args);
    va_end(args);
    if (csv->config.report)
        csv->config.report(csv->config.user, what, text);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static bool
read_header(struct csv *csv, char *error, size_t size)
{
    char *line, reason[300], separator = csv->config.layout ? csv->config.layout->separator : ',';
    size_t n;
    int fields;
    bool ok;

    if (lines_next(&csv->lines, CSV_LINE_MAX, &line, &n) != LINES_LINE) {
        snprintf(error, size, "%s: has no header", csv->name);
        return false;
    }
    if (n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
        line += 3, n -= 3;
    if (!layout_split(line, n, separator, csv->fields, &fields)) {
        snprintf(error, size, "%s:1: the header cannot be split into columns", csv->name);
        return false;
    }
    csv->layout = csv->config.layout ? csv->config.layout : &csv->own_layout;
    ok = csv->config.layout
             ? layout_bind(csv->layout, csv->fields, fields, &csv->binding, reason, sizeof reason)
             : layout_detect(&csv->own_layout, csv->fields, fields, &csv->binding, reason,
                             sizeof reason);
    if (!ok)
        snprintf(error, size, "%s:1: %s", csv->name, reason);
    return ok;
}

static bool
begin(struct csv *csv, const char *name, char *error, size_t size)
{
    snprintf(csv->name, sizeof csv->name, "%s", name);
    csv->pending = csv->has_ready = csv->has_ahead = false;
    csv->ready.n = csv->ready.next = csv->ahead.n = 0;
    csv->stamp.size = csv->series_key.size = SIZE_MAX;
    if (read_header(csv, error, size))
        return true;
    lines_close(&csv->lines);
    lines_open_bytes(&csv->lines, "", 0);
    return false;
}

bool
csv_open(struct csv *csv, const char *path, char *error, size_t size)
{
    if (!lines_open(&csv->lines, path)) {
        snprintf(error, size, "%s: %s", path, strerror(errno));
        lines_open_bytes(&csv->lines, "", 0);
        return false;
    }
    return begin(csv, path, error, size);
}

bool
csv_open_bytes(struct csv *csv, const char *name, const void *bytes, size_t n, char *error,
               size_t size)
{
    lines_open_bytes(&csv->lines, bytes, n);
    return begin(csv, name, error, size);
}

/* ---- One row -------------------------------------------------------------------------------- */

static bool
remembers(const struct memo *memo, struct field field)
{
    return memo->size == field.size && memcmp(memo->text, field.text, field.size) == 0;
}

static void
remember(struct memo *memo, struct field field, int64_t value)
{
    memo->size = field.size <= sizeof memo->text ? field.size : SIZE_MAX;
    if (memo->size != SIZE_MAX)
        memcpy(memo->text, field.text, field.size);
    memo->value = value;
}

static bool
reject(struct csv *csv, const char *what, struct field field)
{
    csv->totals.rows_rejected++;
    report(csv, CSV_BAD_ROW, "%s '%.*s'", what, field.size > 60 ? 60 : (int)field.size, field.text);
    return false;
}

static bool
read_stamp(struct csv *csv, struct field field, int64_t *ns)
{
    if (remembers(&csv->stamp, field)) {
        *ns = csv->stamp.value;
        return true;
    }
    for (size_t i = 0; i < csv->layout->n_stamps; i++)
        if (when_parse(csv->layout->stamp[i], field.text, field.size, csv->layout->offset_s, ns)) {
            remember(&csv->stamp, field, *ns);
            return true;
        }
    return reject(csv, "unreadable stamp", field);
}

static uint64_t *
sequence_of(struct csv *csv, const char *symbol)
{
    for (size_t i = 0; i < csv->n_feeds; i++)
        if (strcmp(csv->feeds[i].symbol, symbol) == 0)
            return &csv->feeds[i].sequence;
    if (csv->n_feeds == FEEDS)
        return NULL;
    strcpy(csv->feeds[csv->n_feeds].symbol, symbol);
    return &csv->feeds[csv->n_feeds++].sequence;
}

/* The index of a series, -1 when there is no room for one more. */
static int64_t
series_of(struct csv *csv, const char *symbol, int32_t expiry)
{
    const struct calendar *calendar = csv->config.calendar;
    struct csv_series *series;
    uint64_t *sequence;

    for (size_t i = csv->n_series; i-- > 0;)
        if (csv->series[i].expiry == expiry && strcmp(csv->series[i].symbol, symbol) == 0)
            return (int64_t)i;
    sequence = sequence_of(csv, symbol);
    if (!sequence || csv->n_series == CSV_SERIES)
        return -1;
    series = &csv->series[csv->n_series];
    strcpy(series->symbol, symbol);
    series->sequence = sequence;
    series->expiry = expiry;
    series->session = INT32_MIN;
    when_print_day(expiry, series->expiry_text);
    if (!calendar_expiry(calendar, expiry, &series->expiry_ns))
        series->expiry_ns = 0;
    series->lot_size = calendar_lot(calendar, symbol, expiry);
    return (int64_t)csv->n_series++;
}

static bool
read_expiry(struct csv *csv, struct field field, int32_t *day)
{
    int64_t ns;

    for (size_t i = 0; i < csv->layout->n_expiries; i++)
        if (when_parse(csv->layout->expiry[i], field.text, field.size, 0, &ns)) {
            *day = when_day_of(ns, 0);
            return true;
        }
    return reject(csv, "unreadable expiry", field);
}

/* The series of a row by its symbol and expiry. */
static bool
read_series(struct csv *csv, uint32_t *index)
{
    const int *column = csv->binding.column;
    struct field expiry = csv->fields[column[COLUMN_EXPIRY]], symbol = {"", 0};
    char key[TEXT_MAX], name[24];
    struct field key_field = {key, 0};
    int32_t day;
    int64_t found;

    if (column[COLUMN_SYMBOL] >= 0)
        symbol = csv->fields[column[COLUMN_SYMBOL]];
    if (symbol.size + expiry.size < sizeof key) {
        memcpy(key, symbol.text, symbol.size);
        key[symbol.size] = '\n';
        memcpy(key + symbol.size + 1, expiry.text, expiry.size);
        key_field.size = symbol.size + 1 + expiry.size;
        if (remembers(&csv->series_key, key_field)) {
            *index = (uint32_t)csv->series_key.value;
            return true;
        }
    }
    if (column[COLUMN_SYMBOL] < 0)
        strcpy(name, csv->layout->underlying);
    else if (!layout_symbol(csv->layout, symbol, name))
        return reject(csv, "unreadable symbol", symbol);
    if (!read_expiry(csv, expiry, &day))
        return false;
    found = series_of(csv, name, day);
    if (found < 0)
        return reject(csv, "too many symbols and expiries at", expiry);
    if (key_field.size)
        remember(&csv->series_key, key_field, found);
    *index = (uint32_t)found;
    return true;
}

static bool
read_side(struct csv *csv, enum side *side)
{
    struct field field = csv->fields[csv->binding.column[COLUMN_TYPE]];

    *side = SIDE_CALL;
    if (field.size == strlen(csv->layout->call) &&
        strncasecmp(field.text, csv->layout->call, field.size) == 0)
        return true;
    *side = SIDE_PUT;
    if (field.size == strlen(csv->layout->put) &&
        strncasecmp(field.text, csv->layout->put, field.size) == 0)
        return true;
    return reject(csv, "neither a call nor a put:", field);
}

/* A number that may be missing: NaN. An unreadable one is counted and missing. */
static double
read_number(struct csv *csv, struct snapshot *snapshot, struct field field, const char *what)
{
    double value;

    if (layout_is_missing(csv->layout, field))
        return NAN;
    if (number_parse(field.text, field.size, &value))
        return value;
    snapshot->bad_values++;
    report(csv, CSV_BAD_VALUE, "%s: '%.*s' is not a number", what,
           field.size > 40 ? 40 : (int)field.size, field.text);
    return NAN;
}

static void
read_common(struct csv *csv, struct snapshot *snapshot)
{
    const struct {
        enum layout_field column;
        double *value;
        const char *what;
    } common[] = {
        {COLUMN_SPOT, &snapshot->spot, "spot"},
        {COLUMN_FUTURE, &snapshot->future, "future"},
        {COLUMN_VIX, &snapshot->vix, "vix"},
        {COLUMN_LOT_SIZE, &snapshot->lot_size, "lot_size"},
    };

    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        int index = csv->binding.column[common[i].column];

        if (index >= 0 && isnan(*common[i].value))
            *common[i].value = read_number(csv, snapshot, csv->fields[index], common[i].what);
    }
}

static void
read_legs(struct csv *csv, struct snapshot *snapshot, struct snapshot_row *row, enum side side)
{
    const struct layout_binding *binding = &csv->binding;

    for (int i = 0; i < binding->n_legs; i++) {
        enum leg_field leg = (enum leg_field)binding->leg[i].field;
        struct field field = csv->fields[binding->leg[i].index];
        enum side of = csv->layout->rows == ROWS_STRIKE ? (enum side)binding->leg[i].side : side;
        double value = read_number(csv, snapshot, field, leg_names[leg]);

        if (isnan(value))
            continue;
        if (leg == LEG_IV) /* a quotient of exact numbers rounds once */
            value = csv->layout->iv_scale < 1 ? value / 100 : value;
        if (!snapshot_set(snapshot, row, of, leg, value))
            report(csv, CSV_BAD_VALUE, "%s: %.*s is below 0", leg_names[leg], (int)field.size,
                   field.text);
    }
}

static struct snapshot *
part_of(struct capture *capture, uint32_t series)
{
    struct part *part;

    for (size_t i = capture->n; i-- > 0;)
        if (capture->part[i].series == series)
            return &capture->part[i].snapshot;
    if (capture->n == capture->cap) {
        size_t cap = capture->cap ? capture->cap * 2 : 8;

        capture->part = realloc(capture->part, cap * sizeof *capture->part);
        if (!capture->part)
            hde_no_memory();
        memset(capture->part + capture->cap, 0, (cap - capture->cap) * sizeof *capture->part);
        capture->cap = cap;
    }
    part = &capture->part[capture->n++];
    part->series = series;
    snapshot_clear(&part->snapshot);
    return &part->snapshot;
}

/* Reads the fields of a row into a capture. */
static void
read_row(struct csv *csv, struct capture *capture)
{
    struct field field = csv->fields[csv->binding.column[COLUMN_STRIKE]];
    struct snapshot *snapshot;
    struct snapshot_row *row;
    enum side side = SIDE_CALL;
    uint32_t series;
    double strike;

    if (!number_parse(field.text, field.size, &strike) || !(strike > 0)) {
        reject(csv, "unreadable strike", field);
        return;
    }
    if ((csv->layout->rows == ROWS_LEG && !read_side(csv, &side)) || !read_series(csv, &series))
        return;
    snapshot = part_of(capture, series);
    row = snapshot_add(snapshot, strike);
    if (csv->layout->rows == ROWS_LEG)
        row->has[side] = true;
    read_common(csv, snapshot);
    read_legs(csv, snapshot, row, side);
    capture->rows++;
}

/* ---- Captures ------------------------------------------------------------------------------- */

/* The next row that has the right number of columns into fields. */
static enum csv_result
next_row(struct csv *csv)
{
    for (;;) {
        enum lines_result result;
        char *line;
        size_t size;
        int n;

        result = lines_next(&csv->lines, CSV_LINE_MAX, &line, &size);
        if (result == LINES_END)
            return CSV_END;
        if (result == LINES_ERROR)
            return CSV_ERROR;
        if (result == LINES_LINE && size == 0)
            continue;
        csv->totals.rows++;
        if (result == LINES_LONG) {
            reject(csv, "the row is longer than 64 KiB", (struct field){"", 0});
            continue;
        }
        if (memchr(line, '\0', size)) {
            reject(csv, "NUL in row", (struct field){line, strlen(line)});
            continue;
        }
        if (layout_split(line, size, csv->layout->separator, csv->fields, &n) &&
            n == csv->binding.n_fields)
            return CSV_CHAIN;
        csv->totals.rows_rejected++;
        report(csv, CSV_BAD_ROW, "%d columns where the header has %d", n, csv->binding.n_fields);
    }
}

/* Reads the rows of the next stamp. CSV_CHAIN: there is at least one chain. */
static enum csv_result
read_capture(struct csv *csv, struct capture *capture)
{
    enum csv_result result = CSV_CHAIN;

    capture->n = capture->next = capture->rows = 0;
    capture->split = capture->backwards = false;
    for (;;) {
        int64_t ns;

        if (!csv->pending && (result = next_row(csv)) != CSV_CHAIN)
            break;
        csv->pending = false;
        if (!read_stamp(csv, csv->fields[csv->binding.column[COLUMN_STAMP]], &ns))
            continue;
        if (capture->rows > 0 && (ns != capture->stamp_ns || capture->rows >= CSV_STAMP_ROWS)) {
            csv->pending = true;
            return CSV_CHAIN;
        }
        if (capture->rows == 0) {
            capture->n = 0;
            capture->stamp_ns = ns;
            capture->offset = csv->lines.offset;
        }
        read_row(csv, capture);
    }
    return capture->n > 0 ? CSV_CHAIN : result;
}

/* Two captures close to each other without an expiry in common are one that was split. */
static void
find_split(struct csv *csv)
{
    int64_t gap = csv->ahead.stamp_ns - csv->ready.stamp_ns;

    if (gap <= 0 || gap > csv->config.split_ns)
        return;
    for (size_t i = 0; i < csv->ready.n; i++)
        for (size_t j = 0; j < csv->ahead.n; j++)
            if (csv->ready.part[i].series == csv->ahead.part[j].series)
                return;
    csv->ready.split = csv->ahead.split = true;
}

static void
note_time(struct csv *csv, struct capture *capture)
{
    char day[16];

    capture->backwards = capture->stamp_ns < csv->latest_ns;
    if (!capture->backwards) {
        csv->latest_ns = capture->stamp_ns;
        return;
    }
    when_print_day(calendar_today(csv->config.calendar, capture->stamp_ns), day);
    report(csv, CSV_BACKWARDS, "a stamp of %s is %.0f s before one above it", day,
           (double)(csv->latest_ns - capture->stamp_ns) / 1e9);
}

/* Makes `ready` the next capture and looks one ahead. */
static enum csv_result
advance(struct csv *csv)
{
    enum csv_result result;
    struct capture used = csv->ready;

    if (!csv->has_ahead) {
        if (csv->has_ready) /* that was the last */
            return CSV_END;
        result = read_capture(csv, &csv->ahead);
        if (result != CSV_CHAIN)
            return result;
    }
    csv->ready = csv->ahead;
    csv->ahead = used;
    csv->has_ready = true;
    result = read_capture(csv, &csv->ahead);
    csv->has_ahead = result == CSV_CHAIN;
    if (csv->has_ahead)
        find_split(csv);
    note_time(csv, &csv->ready);
    return result == CSV_ERROR ? CSV_ERROR : CSV_CHAIN;
}

/* What depends on the session and on the chain before. */
static void
set_flags(struct csv *csv, struct csv_series *series, struct snapshot *snapshot,
          struct csv_chain *chain)
{
    uint64_t hash;

    snapshot_finish(snapshot);
    hash = snapshot_hash(snapshot);
    chain->has_session = calendar_session(csv->config.calendar, chain->stamp_ns, &chain->session);
    if (chain->has_session)
        snapshot_place(snapshot, &chain->session, chain->stamp_ns);
    if (hash == series->hash) {
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_REPEATED);
        if (series->was_stale || (chain->has_session && chain->session.day != series->session))
            snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_STALE);
    }
    if (csv->ready.split)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_SPLIT_CAPTURE);
    if (csv->ready.backwards)
        snapshot_flag(snapshot, HDE__CHAIN_FLAG__CHAIN_FLAG_TIME_BACKWARDS);
    series->hash = hash;
    series->session = chain->has_session ? chain->session.day : INT32_MIN;
    series->was_stale = snapshot->flags & (1u << HDE__CHAIN_FLAG__CHAIN_FLAG_STALE |
                                           1u << HDE__CHAIN_FLAG__CHAIN_FLAG_PRE_OPEN);
}

enum csv_result
csv_next(struct csv *csv, struct csv_chain *chain)
{
    struct snapshot *snapshot;
    struct csv_series *series;

    if (csv->ready.next >= csv->ready.n) {
        enum csv_result result = advance(csv);

        if (result != CSV_CHAIN)
            return result;
    }
    snapshot = &csv->ready.part[csv->ready.next].snapshot;
    series = &csv->series[csv->ready.part[csv->ready.next].series];
    csv->ready.next++;
    if (isnan(snapshot->lot_size))
        snapshot->lot_size = series->lot_size;
    *chain = (struct csv_chain){
        .series = series,
        .layout = csv->layout,
        .snapshot = snapshot,
        .stamp_ns = csv->ready.stamp_ns,
        .sequence = ++*series->sequence,
        .offset = csv->ready.offset,
    };
    set_flags(csv, series, snapshot, chain);
    csv->totals.bad_values += snapshot->bad_values;
    csv->totals.duplicates += snapshot->duplicates;
    csv->totals.chains++;
    csv->totals.chains_flagged += snapshot->flags != 0;
    return CSV_CHAIN;
}
