/* SPDX-License-Identifier: Apache-2.0
 * compare - what graphs/anchors.yaml wrote against reference rows.
 *
 *   compare chain|buildup FILE REFERENCE.csv... < OUTPUT.jsonl
 *
 * Takes the rows of the references whose first column is FILE, finds the line of the output with
 * the same stamps and expiry, and prints every value that differs, then "FILE: N rows, N differ".
 * Ratios agree when they are equal to 12 significant digits; an empty cell is an absent value;
 * sums of nothing are 0. Exit code: 0 all equal, 1 not, 65 unreadable input. */
#include "number.h"
#include "common/when.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS 32

enum { EXIT_BAD_DATA = 65 };

/* A reference column and the path of its value in a line. */
struct check {
    const char *column, *path;
    bool sum; /* absent counts 0 */
};

static const struct check chain_checks[] = {
    {"spot", "raw.spot", false},
    {"n_strikes", "metrics.pcr.strikes", false},
    {"call_oi", "metrics.pcr.call_oi", true},
    {"put_oi", "metrics.pcr.put_oi", true},
    {"pcr_oi", "metrics.pcr.oi", false},
    {"call_volume", "metrics.pcr.call_volume", true},
    {"put_volume", "metrics.pcr.put_volume", true},
    {"pcr_volume", "metrics.pcr.volume", false},
    {"max_pain_strike", "metrics.max_pain.strike", false},
    {"max_pain_writer_loss", "metrics.max_pain.writer_loss", false},
    {"max_call_oi_strike", "metrics.pcr.max_call_oi_strike", false},
    {"max_put_oi_strike", "metrics.pcr.max_put_oi_strike", false},
    {0},
};

static const struct check buildup_checks[] = {
    {"legs_in_both", "counts.legs", true},
    {"long_buildup", "counts.long_buildup", true},
    {"short_buildup", "counts.short_buildup", true},
    {"long_unwinding", "counts.long_unwinding", true},
    {"short_covering", "counts.short_covering", true},
    {"neutral", "counts.neutral", true},
    {0},
};

struct mode {
    const char *name, *from_column, *at_column;
    const struct check *checks;
};

static const struct mode modes[] = {
    {"chain", NULL, "capture_time_ist", chain_checks},
    {"buildup", "from_time", "to_time", buildup_checks},
    {0},
};

struct line { /* of the output */
    json_t *json;
    bool used;
};

struct output {
    struct line *line;
    size_t n;
};

struct tally {
    size_t rows, differ;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
    va_list args;

    fputs("compare: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_BAD_DATA);
}

static void
read_output(struct output *output)
{
    char *text = NULL;
    size_t cap = 0;

    *output = (struct output){0};
    while (getline(&text, &cap, stdin) > 0) {
        json_error_t error;
        json_t *json = json_loads(text, 0, &error);

        if (!json)
            die("line %zu of the output: %s", output->n + 1, error.text);
        output->line = realloc(output->line, (output->n + 1) * sizeof *output->line);
        if (!output->line)
            abort();
        output->line[output->n++] = (struct line){.json = json};
    }
    free(text);
}

/* The value at a dotted path, or NULL. */
static const json_t *
find(const json_t *json, const char *path)
{
    while (json && *path) {
        size_t n = strcspn(path, ".");
        char key[64];

        snprintf(key, sizeof key, "%.*s", (int)n, path);
        json = json_object_get(json, key);
        path += n + (path[n] == '.');
    }
    return json && json_is_null(json) ? NULL : json;
}

static int64_t
instant(const json_t *json, const char *field)
{
    const json_t *value = json_object_get(json, field);
    const char *text = json_string_value(value);
    int64_t ns;

    if (json_is_integer(value))
        return json_integer_value(value);
    if (text && (when_parse("%Y-%m-%dT%H:%M:%S%z", text, strlen(text), 0, &ns) ||
                 when_parse("%Y-%m-%dT%H:%M:%S.%f%z", text, strlen(text), 0, &ns)))
        return ns;
    return text ? strtoll(text, NULL, 10) : INT64_MIN;
}

static struct line *
find_line(struct output *output, const char *expiry, int64_t at_ns, int64_t from_ns)
{
    for (size_t i = 0; i < output->n; i++) {
        const json_t *json = output->line[i].json;
        const char *own = json_string_value(json_object_get(json, "expiry"));

        if (own && strcmp(own, expiry) == 0 && instant(json, "event_ns") == at_ns &&
            (from_ns == INT64_MIN || instant(json, "from_ns") == from_ns))
            return &output->line[i];
    }
    return NULL;
}

/* ---- Reference rows ------------------------------------------------------------------------- */

struct table {
    size_t n;
    char *cell[CELLS];
};

/* Splits in place; the reference has no quotes. */
static void
split(char *text, struct table *table)
{
    char *end = strpbrk(text, "\r\n");

    if (end)
        *end = '\0';
    for (table->n = 0; table->n < CELLS; text++) {
        table->cell[table->n++] = text;
        text = strchr(text, ',');
        if (!text)
            return;
        *text = '\0';
    }
}

static const char *
cell(const struct table *header, const struct table *row, const char *column)
{
    for (size_t i = 0; i < header->n; i++)
        if (strcmp(header->cell[i], column) == 0)
            return i < row->n ? row->cell[i] : "";
    die("the reference has no column '%s'", column);
}

static int64_t
stamp(const char *text)
{
    int64_t ns;

    if (!when_parse("%Y-%m-%dT%H:%M:%S%z", text, strlen(text), 0, &ns))
        die("unreadable stamp '%s'", text);
    return ns;
}

static bool
agrees(const char *wanted, const json_t *value, bool sum)
{
    char a[40], b[40];
    double x;

    if (!*wanted)
        return !value;
    if (!number_parse(wanted, strlen(wanted), &x))
        die("unreadable number '%s'", wanted);
    if (!value)
        return sum && x == 0;
    snprintf(a, sizeof a, "%.12g", x);
    snprintf(b, sizeof b, "%.12g", json_number_value(value));
    return json_is_number(value) && strcmp(a, b) == 0;
}

static void
compare_row(const struct mode *mode, const struct table *header, const struct table *row,
            struct output *output, struct tally *tally)
{
    const char *expiry = cell(header, row, "expiry"), *at = cell(header, row, mode->at_column);
    int64_t from = mode->from_column ? stamp(cell(header, row, mode->from_column)) : INT64_MIN;
    struct line *line = find_line(output, expiry, stamp(at), from);
    bool differs = !line;

    tally->rows++;
    if (!line)
        printf("%s %s %s: not in the output\n", row->cell[0], expiry, at);
    else
        line->used = true;
    for (const struct check *check = mode->checks; line && check->column; check++) {
        const char *wanted = cell(header, row, check->column);
        const json_t *value = find(line->json, check->path);
        char *text;

        if (agrees(wanted, value, check->sum))
            continue;
        differs = true;
        text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
        printf("%s %s %s: %s is %s, the reference says %s\n", row->cell[0], expiry, at,
               check->column, text ? text : "absent", *wanted ? wanted : "absent");
        free(text);
    }
    tally->differ += differs;
}

static void
compare_file(const struct mode *mode, const char *name, const char *path, struct output *output,
             struct tally *tally)
{
    char *first = NULL, *text = NULL;
    struct table header, row;
    size_t cap_first = 0, cap = 0;
    FILE *file = fopen(path, "r");

    if (!file || getline(&first, &cap_first, file) <= 0)
        die("%s: cannot be read", path);
    split(first, &header);
    while (getline(&text, &cap, file) > 0) {
        split(text, &row);
        if (strcmp(row.cell[0], name) == 0)
            compare_row(mode, &header, &row, output, tally);
    }
    free(first);
    free(text);
    fclose(file);
}

int
main(int argc, char **argv)
{
    const struct mode *mode = modes;
    struct tally tally = {0};
    struct output output;
    size_t unused = 0;

    while (argc > 1 && mode->name && strcmp(mode->name, argv[1]) != 0)
        mode++;
    if (argc < 4 || !mode->name) {
        fputs("usage: compare chain|buildup FILE REFERENCE.csv... < OUTPUT.jsonl\n", stderr);
        return 64;
    }
    read_output(&output);
    for (int i = 3; i < argc; i++)
        compare_file(mode, argv[2], argv[i], &output, &tally);
    for (size_t i = 0; i < output.n; i++) {
        unused += !output.line[i].used;
        json_decref(output.line[i].json);
    }
    free(output.line);
    printf("%s %s: %zu rows, %zu differ (%zu lines of output without a row)\n", argv[2], argv[1],
           tally.rows, tally.differ, unused);
    return tally.differ > 0;
}
