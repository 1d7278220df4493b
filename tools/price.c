/* SPDX-License-Identifier: Apache-2.0
 * price - `hde price`: options as rows in, prices, Greeks or implied volatilities as rows out.
 *
 * Rows are read into columns of a few thousand, go through the batch functions of libhde_quant,
 * and are written; what has been read is also computed and written when the input pauses. Memory
 * does not grow. */
#include "base/nearest.h"
#include "cmd/cmd.h"
#include "level.h"
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "quant/cpu.h"
#include "quant/iv.h"

enum { BATCH = 4096, FIELDS_MAX = 256, ERRORS_SHOWN = 20, ID_MAX = 64 };

enum field { MODEL, TYPE, UNDERLYING, STRIKE, TIME, RATE, YIELD, VOL, PRICE, ID, FIELDS };

static const struct {
    const char *name, *alias[4];
    const char *form; /* what its values look like */
} fields[FIELDS] = {
    [MODEL] = {"model", {0}, "bsm or black76"},
    [TYPE] = {"type", {"right", "option_type"}, "C or P"},
    [UNDERLYING] = {"S_or_F", {"S", "F", "spot", "forward"}, "a decimal number such as 24212.8"},
    [STRIKE] = {"K", {"strike"}, "a decimal number such as 24000"},
    [TIME] = {"T", {"years"}, "years as a decimal number such as 0.0192 (7 / 365)"},
    [RATE] = {"r", {"rate"}, "a decimal number such as 0.065"},
    [YIELD] = {"q", {"yield"}, "a decimal number such as 0.012, or nothing"},
    [VOL] = {"sigma", {"vol"}, "a decimal number such as 0.14"},
    [PRICE] = {"price", {0}, "a decimal number such as 120.5"},
    [ID] = {"id", {0}, "any text"},
};

static const char *const column_names[BSM_COLUMNS] = {
    "price", "delta",  "gamma",      "vega",       "theta",   "rho",   "dividend_rho",
    "vanna", "charm",  "vomma",      "veta",       "speed",   "zomma", "color",
    "ultima", "dual_delta", "dual_gamma", "itm_prob"};

struct rows { /* columns of one batch */
    size_t n;
    enum bsm_model model[BATCH];
    enum bsm_right right[BATCH];
    double in[6][BATCH], price[BATCH]; /* in: UNDERLYING to VOL */
    bool solve[BATCH], bad[BATCH];
    uint64_t line[BATCH];
    char id[BATCH][ID_MAX];
    double out[BSM_COLUMNS][BATCH], solved[BATCH], conditioning[BATCH];
    enum iv_status iv[BATCH];
};

enum format { FORMAT_UNKNOWN, FORMAT_CSV, FORMAT_JSON };

struct price_options {
    const char *greeks, *cpu, *solve;
};

struct run {
    const struct cmd *cmd;
    const char *file;
    enum format format;
    size_t column[FIELDS]; /* of a CSV file; SIZE_MAX: not there */
    size_t n_columns;
    bool prefers_price; /* solve for the volatility where a row has both */
    bool has_id, headed;
    size_t n_greeks; /* columns of struct bsm_columns that are written */
    struct rows rows;
    struct lines lines;
    uint64_t total, bad, unsolved;
    hde_text out;
    bool gone; /* nobody reads any more */
    int exit;
};

/* ---- Errors ---------------------------------------------------------------------------------- */

static void
say(struct run *run, const char *column, const char *value, const char *form)
{
    char where[100];

    if (run->bad++ >= ERRORS_SHOWN)
        return;
    snprintf(where, sizeof where, column ? ", column '%s'" : "%s", column ? column : "");
    if (value)
        cmd_error(run->cmd, EX_DATAERR, "HDE-C052", NULL, "%s: line %llu%s: '%.80s' is not %s",
                  run->file, (unsigned long long)run->lines.number, where, value, form);
    else
        cmd_error(run->cmd, EX_DATAERR, "HDE-C052", NULL, "%s: line %llu%s: %s", run->file,
                  (unsigned long long)run->lines.number, where, form);
}

/* ---- One row --------------------------------------------------------------------------------- */

/* A decimal number and nothing else: no hexadecimal, infinity or NaN. */
static bool
read_number(const char *text, double *out)
{
    char *end;

    for (const char *c = text; *c; c++)
        if (!strchr("0123456789+-.eE", *c))
            return false;
    *out = strtod(text, &end);
    return *text && !*end && isfinite(*out);
}

static bool
read_model(const char *text, enum bsm_model *model)
{
    *model = strcasecmp(text, "bsm") == 0       ? BSM_MERTON
             : strcasecmp(text, "black76") == 0 ? BSM_BLACK76
                                                : 0;
    return *model != 0;
}

static bool
read_right(const char *text, enum bsm_right *right)
{
    static const char *const calls[] = {"C", "CE", "call"}, *const puts[] = {"P", "PE", "put"};

    *right = 0;
    for (int i = 0; i < 3; i++)
        *right = strcasecmp(text, calls[i]) == 0  ? BSM_CALL
                 : strcasecmp(text, puts[i]) == 0 ? BSM_PUT
                                                  : *right;
    return *right != 0;
}

/* Where a number of row i belongs; f is neither MODEL nor TYPE. */
static double *
place(struct rows *rows, size_t i, enum field f)
{
    return f == PRICE ? &rows->price[i] : &rows->in[f - UNDERLYING][i];
}

/* One value of row i; "" is absent. */
static bool
take_value(struct run *run, size_t i, enum field f, const char *text)
{
    struct rows *rows = &run->rows;
    bool good;

    if (f == MODEL)
        good = read_model(text, &rows->model[i]);
    else if (f == TYPE)
        good = read_right(text, &rows->right[i]);
    else if (!*text && (f == YIELD || f == VOL || f == PRICE))
        good = true;
    else
        good = read_number(text, place(rows, i, f));
    if (!good)
        say(run, fields[f].name, *text ? text : NULL,
            *text ? fields[f].form : "nothing is there; it cannot be left out");
    return good;
}

static void
start_row(struct run *run, size_t i)
{
    struct rows *rows = &run->rows;

    rows->line[i] = run->lines.number;
    rows->id[i][0] = 0;
    rows->model[i] = 0;
    rows->right[i] = 0;
    for (int f = 0; f < 6; f++)
        rows->in[f][i] = NAN;
    rows->in[YIELD - UNDERLYING][i] = 0;
    rows->price[i] = NAN;
    rows->bad[i] = rows->solve[i] = false;
    rows->n++;
    run->total++;
}

/* A row whose values were read: what is wanted of it? */
static void
end_row(struct run *run, size_t i, bool good)
{
    struct rows *rows = &run->rows;
    bool vol = !isnan(rows->in[VOL - UNDERLYING][i]), price = !isnan(rows->price[i]);

    if (good && !vol && !price) {
        say(run, NULL, NULL, "there is neither 'sigma' nor 'price': one says what is asked for");
        good = false;
    }
    rows->bad[i] = !good;
    rows->solve[i] = good && price && (!vol || run->prefers_price);
    if (!good)
        rows->in[0][i] = NAN;
}

static void
take_csv(struct run *run, char *line)
{
    size_t i = run->rows.n, n;
    char *field[FIELDS_MAX];
    char text[100];
    bool good;

    start_row(run, i);
    n = lines_split(line, field, FIELDS_MAX);
    good = n == run->n_columns;
    if (!good) {
        snprintf(text, sizeof text, "%zu columns, the first line has %zu", n, run->n_columns);
        say(run, NULL, NULL, text);
    }
    for (int f = 0; good && f < ID; f++)
        if (run->column[f] != SIZE_MAX)
            good = take_value(run, i, (enum field)f, field[run->column[f]]);
    if (run->has_id && run->column[ID] < n)
        snprintf(run->rows.id[i], ID_MAX, "%s", field[run->column[ID]]);
    end_row(run, i, good);
}

static bool
is_name(enum field f, const char *name)
{
    if (strcasecmp(fields[f].name, name) == 0)
        return true;
    for (int a = 0; a < 4 && fields[f].alias[a]; a++)
        if (strcmp(fields[f].alias[a], name) == 0 || strcasecmp(fields[f].alias[a], name) == 0)
            return true;
    return false;
}

static const json_t *
member(const json_t *object, enum field f)
{
    const json_t *value = json_object_get(object, fields[f].name);

    for (int a = 0; !value && a < 4 && fields[f].alias[a]; a++)
        value = json_object_get(object, fields[f].alias[a]);
    return value;
}

static bool
take_member(struct run *run, size_t i, enum field f, const json_t *value)
{
    if (json_is_number(value) && f > TYPE) {
        *place(&run->rows, i, f) = json_number_value(value);
        return true;
    }
    if (!value || json_is_null(value) || json_is_string(value))
        return (f >= YIELD && !json_is_string(value)) ||
               take_value(run, i, f, json_is_string(value) ? json_string_value(value) : "");
    say(run, fields[f].name, NULL, "the value is neither a number nor text");
    return false;
}

static void
take_json(struct run *run, const char *line, size_t len)
{
    size_t i = run->rows.n;
    json_error_t error;
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
    json_t *object = json_loadb(line, len, flags, &error);
    bool good = json_is_object(object);
    const json_t *id = json_object_get(object, "id");

    start_row(run, i);
    if (!good)
        say(run, NULL, NULL, object ? "this is JSON but no object" : error.text);
    for (int f = 0; good && f < ID; f++)
        good = take_member(run, i, (enum field)f, member(object, (enum field)f));
    if (json_is_string(id))
        snprintf(run->rows.id[i], ID_MAX, "%s", json_string_value(id));
    else if (json_is_number(id))
        snprintf(run->rows.id[i], ID_MAX, "%.17g", json_number_value(id));
    json_decref(object);
    end_row(run, i, good);
}

/* ---- The first line -------------------------------------------------------------------------- */

/* f is not among the names of the header: which of them may have been meant? */
static bool
missing_column(struct run *run, enum field f, char *const *name, size_t n)
{
    struct nearest near = {.word = fields[f].name};
    char hint[300];

    for (size_t i = 0; i < n; i++) {
        bool known = false;

        for (int g = 0; g < FIELDS; g++)
            known |= is_name((enum field)g, name[i]);
        if (!known)
            nearest_try(&near, name[i]);
    }
    if (near.best)
        snprintf(hint, sizeof hint, "is '%.60s' meant? it must be called '%s'", near.best,
                 fields[f].name);
    else
        snprintf(hint, sizeof hint, "the first line names the columns: "
                                    "model,type,S_or_F,K,T,r,q and sigma or price");
    run->exit = cmd_error(run->cmd, EX_DATAERR, "HDE-C051", hint,
                          "%s: line 1: there is no column '%s'", run->file, fields[f].name);
    return false;
}

static bool
take_header(struct run *run, char *line)
{
    char *name[FIELDS_MAX];
    size_t n = lines_split(line, name, FIELDS_MAX);

    run->n_columns = n;
    n = n < FIELDS_MAX ? n : FIELDS_MAX;
    for (int f = 0; f < FIELDS; f++) {
        run->column[f] = SIZE_MAX;
        for (size_t i = 0; i < n; i++) {
            if (!is_name((enum field)f, name[i]))
                continue;
            if (run->column[f] != SIZE_MAX) {
                run->exit = cmd_error(run->cmd, EX_DATAERR, "HDE-C051", "leave one out",
                                      "%s: line 1: '%s' and '%s' are the same column", run->file,
                                      name[run->column[f]], name[i]);
                return false;
            }
            run->column[f] = i;
        }
    }
    for (int f = 0; f <= RATE; f++)
        if (run->column[f] == SIZE_MAX)
            return missing_column(run, (enum field)f, name, n);
    if (run->column[VOL] == SIZE_MAX && run->column[PRICE] == SIZE_MAX)
        return missing_column(run, VOL, name, n);
    run->has_id = run->column[ID] != SIZE_MAX;
    return true;
}

/* ---- Results --------------------------------------------------------------------------------- */

static const char *
status_of(const struct rows *rows, size_t i)
{
    static const char *const names[] = {"bad_input",       "ok",
                                        "below_intrinsic", "above_maximum",
                                        "no_time_value",   "ill_conditioned",
                                        "no_quote",        "stale"};

    if (rows->bad[i])
        return "bad_row";
    if (rows->solve[i])
        return names[rows->iv[i]];
    return isnan(rows->out[0][i]) ? "bad_input" : "ok";
}

static void
compute(struct run *run)
{
    struct rows *rows = &run->rows;
    struct bsm_batch in = {.n = rows->n, .model = {rows->model, 1}, .right = {rows->right, 1}};
    struct bsm_input *inputs[] = {&in.underlying, &in.strike, &in.t, &in.rate, &in.yield, &in.vol};
    struct iv_columns iv = {rows->solved, rows->conditioning, rows->iv};
    double *out[BSM_COLUMNS] = {0};
    struct bsm_columns columns;
    bool any = false;

    for (int f = 0; f < 6; f++)
        *inputs[f] = (struct bsm_input){rows->in[f], 1};
    for (size_t c = 0; c < run->n_greeks; c++)
        out[c] = rows->out[c];
    memcpy(&columns, out, sizeof columns);
    for (size_t i = 0; i < rows->n; i++)
        any |= rows->solve[i];
    if (any)
        iv_batch(&in, (struct bsm_input){rows->price, 1}, &iv);
    for (size_t i = 0; i < rows->n; i++)
        if (rows->solve[i])
            rows->in[VOL - UNDERLYING][i] = rows->solved[i];
    bsm_batch(&in, &columns);
}

static void
put_number(hde_text *out, double x, const char *absent)
{
    if (isfinite(x))
        hde_json_number(out, x);
    else
        hde_text_puts(out, absent);
}

static void
print_head(struct run *run)
{
    run->headed = true;
    if (run->cmd->json)
        return;
    hde_text_puts(&run->out, run->has_id ? "id" : "line");
    hde_text_puts(&run->out, ",status,sigma,conditioning");
    for (size_t c = 0; c < run->n_greeks; c++)
        hde_text_printf(&run->out, ",%s", column_names[c]);
    hde_text_puts(&run->out, "\n");
}

static void
print_csv(struct run *run, size_t i)
{
    const struct rows *rows = &run->rows;
    hde_text *out = &run->out;

    if (!run->has_id) {
        hde_text_printf(out, "%llu,", (unsigned long long)rows->line[i]);
    } else if (strpbrk(rows->id[i], ",\"")) {
        hde_text_puts(out, "\"");
        for (const char *c = rows->id[i]; *c; c++)
            hde_text_put(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
        hde_text_puts(out, "\",");
    } else {
        hde_text_puts(out, rows->id[i]);
        hde_text_puts(out, ",");
    }
    hde_text_puts(out, status_of(rows, i));
    hde_text_puts(out, ",");
    put_number(out, rows->bad[i] ? NAN : rows->in[VOL - UNDERLYING][i], "");
    hde_text_puts(out, ",");
    put_number(out, rows->solve[i] ? rows->conditioning[i] : NAN, "");
    for (size_t c = 0; c < run->n_greeks; c++) {
        hde_text_puts(out, ",");
        put_number(out, c == 0 && rows->solve[i] ? rows->price[i] : rows->out[c][i], "");
    }
    hde_text_puts(out, "\n");
}

static void
print_json(struct run *run, size_t i)
{
    const struct rows *rows = &run->rows;
    hde_text *out = &run->out;

    hde_text_printf(out, "{\"line\":%llu", (unsigned long long)rows->line[i]);
    if (rows->id[i][0]) {
        hde_text_puts(out, ",\"id\":");
        hde_json_string(out, rows->id[i]);
    }
    hde_text_printf(out, ",\"status\":\"%s\",\"sigma\":", status_of(rows, i));
    put_number(out, rows->bad[i] ? NAN : rows->in[VOL - UNDERLYING][i], "null");
    if (rows->solve[i]) {
        hde_text_puts(out, ",\"conditioning\":");
        put_number(out, rows->conditioning[i], "null");
    }
    for (size_t c = 0; c < run->n_greeks; c++) {
        hde_text_printf(out, ",\"%s\":", column_names[c]);
        put_number(out, c == 0 && rows->solve[i] ? rows->price[i] : rows->out[c][i], "null");
    }
    hde_text_puts(out, "}\n");
}

/* Computes and writes what has been read. */
static void
flush_rows(struct run *run)
{
    struct rows *rows = &run->rows;
    int exit;

    if (rows->n > 0)
        compute(run);
    if (!run->headed)
        print_head(run);
    for (size_t i = 0; i < rows->n; i++) {
        if (run->cmd->json)
            print_json(run, i);
        else
            print_csv(run, i);
        if (!rows->bad[i] && isnan(rows->out[0][i]) && (!rows->solve[i] || rows->iv[i] == 0))
            run->bad++;
        run->unsolved += rows->solve[i] && isnan(rows->solved[i]);
    }
    rows->n = 0;
    exit = cmd_print(run->cmd, &run->out, &run->gone);
    run->exit = exit ? exit : run->exit;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void
take_line(struct run *run, char *line, size_t len)
{
    if (len == 0)
        return;
    if (run->format == FORMAT_UNKNOWN) {
        run->format = line[strspn(line, " \t")] == '{' ? FORMAT_JSON : FORMAT_CSV;
        if (run->format == FORMAT_CSV) {
            take_header(run, line);
            return;
        }
    }
    if (run->format == FORMAT_CSV)
        take_csv(run, line);
    else
        take_json(run, line, len);
    if (run->rows.n == BATCH)
        flush_rows(run);
}

static void
read_file(struct run *run)
{
    enum lines_got got = LINES_LINE;
    char *line;
    size_t len;

    while (run->exit == CMD_OK && !run->gone && got != LINES_END) {
        got = lines_next(&run->lines, run->rows.n > 0, &line, &len);
        if (got == LINES_PAUSE) {
            flush_rows(run);
        } else if (got == LINES_LONG) {
            start_row(run, run->rows.n);
            say(run, NULL, NULL, "the line is over 65536 bytes long");
            end_row(run, run->rows.n - 1, false);
            if (run->rows.n == BATCH)
                flush_rows(run);
        } else if (got == LINES_LINE) {
            take_line(run, line, len);
        }
    }
    if (run->lines.error)
        run->exit = cmd_error(run->cmd, EX_IOERR, "HDE-C050", NULL, "%s: %s", run->file,
                              strerror(run->lines.error));
    if (run->exit == CMD_OK && !run->gone)
        flush_rows(run);
}

static void
open_file(struct run *run, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    run->file = is_stdin ? "stdin" : path;
    run->format = FORMAT_UNKNOWN;
    run->lines.fd = fd;
    run->lines.number = 0;
    run->lines.begin = run->lines.end = 0;
    run->lines.at_end = false;
    run->lines.error = 0;
    if (fd < 0) {
        run->exit = cmd_error(run->cmd, EX_NOINPUT, "HDE-C050", NULL, "%s: %s", path,
                              strerror(errno));
        return;
    }
    read_file(run);
    if (!is_stdin)
        close(fd);
}

static int
run_price(const struct cmd *cmd, const void *options)
{
    const struct price_options *opt = options;
    struct run *run = xcalloc(1, sizeof *run);
    int exit = opt->cpu ? level_force(cmd, opt->cpu) : CMD_OK;

    run->cmd = cmd;
    run->exit = exit;
    run->prefers_price = strcmp(opt->solve, "price") == 0;
    run->n_greeks = strcmp(opt->greeks, "none") == 0   ? 1
                    : strcmp(opt->greeks, "five") == 0 ? 6
                                                       : BSM_COLUMNS;
    for (int i = 0; i < cmd->n_args && run->exit == CMD_OK && !run->gone; i++)
        open_file(run, cmd->args[i]);
    if (cmd->n_args == 0 && run->exit == CMD_OK)
        open_file(run, "-");
    if (run->bad > 0)
        cmd_note(cmd, "hde price: %llu of %llu rows are bad%s", (unsigned long long)run->bad,
                 (unsigned long long)run->total,
                 run->bad > ERRORS_SHOWN ? "; the first 20 are explained above" : "");
    if (run->unsolved > 0)
        cmd_note(cmd, "hde price: %llu of %llu rows have a price without volatility: see status",
                 (unsigned long long)run->unsolved, (unsigned long long)run->total);
    exit = run->exit ? run->exit : run->bad ? EX_DATAERR : CMD_OK;
    hde_text_free(&run->out);
    free(run);
    return exit;
}

static const struct command price = {
    .name = "price",
    .args = "[FILE...]",
    .group = CMD_GROUP_TOOL,
    .summary = "price options, or find their implied volatilities, row by row",
    .help =
        "Reads CSV, whose first line names the columns in any order, or JSON, an object a line; "
        "from stdin without FILE or where it is '-'. Writes a row for each, in order, as CSV or "
        "with --json as JSON lines. Rows are written in batches and whenever the input pauses.\n\n"
        " model    bsm (Black-Scholes-Merton) or black76\n"
        " type     C or P (also CE, PE, call, put)\n"
        " S_or_F   spot (bsm) or forward (black76); also S, F, spot, forward\n"
        " K        strike\n"
        " T        years of 365 days\n"
        " r        rate, continuous, decimal\n"
        " q        dividend yield, continuous, decimal; may be left out\n"
        " sigma    volatility, decimal: asks for the price\n"
        " price    of one unit: asks for the volatility\n"
        " id       any text, which is repeated; may be left out\n\n"
        "Other columns are ignored. Vega and rho are per 1.00, theta and charm per year of "
        "calendar time that passes. The status is ok; of an implied volatility below_intrinsic, "
        "above_maximum, no_time_value or ill_conditioned (with a volatility); bad_input where "
        "numbers make no option; bad_row where there are none. conditioning is the relative "
        "change of the volatility for half an ulp of price. Bad rows do not stop the run.",
    .examples =
        (const struct cmd_example[]){
            {"printf 'model,type,S,K,T,r,sigma\\nbsm,C,42,40,0.5,0.1,0.2\\n' | hde price",
             "4.759422392871536 and five Greeks"},
            {"hde price --greeks all chain.csv > priced.csv", "every Greek of a file"},
            {"hde price --solve price quotes.csv", "volatilities where sigma is known as well"},
            {"tail -f quotes.jsonl | hde price --json | jq .sigma", "as the rows come"},
            {0}},
    .options =
        (const struct cmd_option[]){
            {CMD_OPTION("greeks", struct price_options, greeks), .value = "WHICH",
             .choices = "none|five|all", .fallback = "five",
             .help = "what is written beside the price (five: delta, gamma, vega, theta, rho)"},
            {CMD_OPTION("solve", struct price_options, solve), .value = "COLUMN",
             .choices = "sigma|price", .fallback = "sigma",
             .help = "what counts in rows that have both"},
            {CMD_OPTION("cpu", struct price_options, cpu), .value = "LEVEL",
             .choices = "portable|avx2|avx512", .help = "instructions to use; default: the best"},
            {0}},
    .exits = (const struct cmd_exit[]){{EX_DATAERR, "some rows are bad, or the columns"},
                                       {EX_NOINPUT, NULL},
                                       {EX_UNAVAILABLE, "this machine does not have the level"},
                                       {EX_IOERR, NULL},
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .max_args = -1,
    CMD_BLOCK(struct price_options),
    .run = run_price,
};

int
main(int argc, char **argv)
{
    return cmd_program(&price, argc, argv);
}
