/* SPDX-License-Identifier: Apache-2.0
 * verify - `hde verify`: the kernels of operators/quant on this machine against reference files.
 * Every row goes through the batch entry points, all rows of a file at once, and through the
 * scalar ones. */
#include "cmd/cmd.h"
#include "exact.h"
#include "level.h"
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quant/black.h"
#include "quant/cpu.h"
#include "quant/iv.h"

enum { FIELDS_MAX = 64, REGIONS_MAX = 40, MISSES_SHOWN = 20 };

/* What is measured: the columns of struct bsm_columns and then these. */
enum { IV = BSM_COLUMNS, IV_STATUS, NORMALISED_B, NORMALISED_S, MEASURES };

static const char *const measure_names[MEASURES] = {
    "price",  "delta",      "gamma",      "vega",     "theta", "rho",       "dividend_rho",
    "vanna",  "charm",      "vomma",      "veta",     "speed", "zomma",     "color",
    "ultima", "dual_delta", "dual_gamma", "itm_prob", "iv",    "iv_status", "b",
    "s"};

struct row {
    const char *id, *region, *status;
    struct bsm o;
    long double value[BSM_COLUMNS]; /* NaN: not in the file */
    double price;                   /* rounded to double */
    long double iv, conditioning;   /* NaN: none */
    double x, s;                    /* of normalised rows, price is b there, iv is s */
    bool full;                      /* QuantLib's row is right to 1e-9 */
};

enum layout { LAYOUT_MPMATH, LAYOUT_NORMALISED, LAYOUT_QUANTLIB };

struct cell {
    unsigned long checked, missed;
    long double of_bound; /* largest error / what is allowed */
    long double relative; /* largest relative error of a value that is not tiny */
};

struct table {
    const struct cmd *cmd;
    const char *path;
    enum layout layout;
    const char *field[FIELDS_MAX]; /* names of the columns */
    size_t n_fields;
    struct row *row;
    size_t n, cap;
    const char *region[REGIONS_MAX];
    size_t n_regions;
    struct cell cell[REGIONS_MAX][MEASURES];
    unsigned long missed;
    hde_text misses; /* lines, or JSON objects */
};

struct verify_options {
    const char *cpu;
};

/* ---- Reading --------------------------------------------------------------------------------- */

static size_t
find(const struct table *t, const char *name)
{
    size_t i = 0;

    while (i < t->n_fields && strcmp(t->field[i], name) != 0)
        i++;
    return i;
}

static const char *
text_of(const struct table *t, char *const *field, const char *name)
{
    size_t i = find(t, name);

    return i < t->n_fields ? field[i] : "";
}

static long double
number_of(const struct table *t, char *const *field, const char *name)
{
    const char *text = text_of(t, field, name);
    char *end;
    long double value = strtold(text, &end);

    return *text && !*end ? value : NAN;
}

static bool
needs(struct table *t, const char *const *names)
{
    for (; *names; names++)
        if (find(t, *names) == t->n_fields) {
            cmd_error(t->cmd, EX_DATAERR, "HDE-C051", "'hde help verify' shows the layouts",
                      "%s: line 1: there is no column '%s'", t->path, *names);
            return false;
        }
    return true;
}

static bool
take_header(struct table *t, char *line)
{
    static const char *const inputs[] = {"id", "model", "type", "S_or_F", "K", "T",
                                         "r",  "q",     "sigma", "price", NULL};
    static const char *const mpmath[] = {"price_double", "iv_rel_per_ulp_of_price", "iv_status",
                                         NULL};
    static const char *const normalised[] = {"id",       "x", "s", "b", "b_double",
                                             "ds_over_s_per_half_ulp_b", "status", NULL};
    char *field[FIELDS_MAX];
    size_t n = lines_split(line, field, FIELDS_MAX);

    t->n_fields = n < FIELDS_MAX ? n : FIELDS_MAX;
    for (size_t i = 0; i < t->n_fields; i++)
        t->field[i] = arena_text(t->cmd->arena, field[i]);
    if (find(t, "s_exact_for_b_double") < t->n_fields) {
        t->layout = LAYOUT_NORMALISED;
        return needs(t, normalised);
    }
    if (find(t, "agreement_with_mpmath") < t->n_fields) {
        t->layout = LAYOUT_QUANTLIB;
        return needs(t, inputs);
    }
    if (find(t, "iv_exact_for_price_double") < t->n_fields) {
        t->layout = LAYOUT_MPMATH;
        return needs(t, inputs) && needs(t, mpmath);
    }
    cmd_error(t->cmd, EX_DATAERR, "HDE-C051", "'hde help verify' shows the layouts",
              "%s: line 1: the columns are of none of the three layouts", t->path);
    return false;
}

static bool
take_option(struct table *t, char *const *field, struct row *row)
{
    const char *model = text_of(t, field, "model"), *right = text_of(t, field, "type");

    row->o = (struct bsm){
        .model = strcmp(model, "bsm") == 0       ? BSM_MERTON
                 : strcmp(model, "black76") == 0 ? BSM_BLACK76
                                                 : 0,
        .right = strcmp(right, "C") == 0 ? BSM_CALL : strcmp(right, "P") == 0 ? BSM_PUT : 0,
        .underlying = (double)number_of(t, field, "S_or_F"),
        .strike = (double)number_of(t, field, "K"),
        .t = (double)number_of(t, field, "T"),
        .rate = (double)number_of(t, field, "r"),
        .yield = (double)number_of(t, field, "q"),
        .vol = (double)number_of(t, field, "sigma"),
    };
    if (row->o.model == BSM_BLACK76)
        row->o.yield = 0;
    for (int c = 0; c < BSM_COLUMNS; c++)
        row->value[c] = number_of(t, field, measure_names[c]);
    if (t->layout == LAYOUT_QUANTLIB)
        row->value[4] = number_of(t, field, "theta_per_year");
    row->full = strcmp(text_of(t, field, "agreement_with_mpmath"), "full") == 0;
    row->price = (double)number_of(t, field, "price_double");
    row->iv = number_of(t, field, "iv_exact_for_price_double");
    row->conditioning = number_of(t, field, "iv_rel_per_ulp_of_price");
    row->status = arena_text(t->cmd->arena, text_of(t, field, "iv_status"));
    return row->o.model && row->o.right &&
           isfinite(row->o.underlying + row->o.strike + row->o.t + row->o.rate + row->o.yield +
                    row->o.vol) &&
           !isnan(row->value[0]) && (t->layout == LAYOUT_QUANTLIB || !isnan(row->price));
}

static bool
take_normalised(struct table *t, char *const *field, struct row *row)
{
    row->x = (double)number_of(t, field, "x");
    row->s = (double)number_of(t, field, "s");
    row->value[0] = number_of(t, field, "b");
    row->price = (double)number_of(t, field, "b_double");
    row->iv = number_of(t, field, "s_exact_for_b_double");
    row->conditioning = number_of(t, field, "ds_over_s_per_half_ulp_b");
    row->status = arena_text(t->cmd->arena, text_of(t, field, "status"));
    return row->x <= 0 && row->s > 0 && !isnan(row->value[0]) && !isnan(row->price);
}

static size_t
region_index(struct table *t, const char *region)
{
    size_t i = 0;

    while (i < t->n_regions && strcmp(t->region[i], region) != 0)
        i++;
    if (i == t->n_regions && i < REGIONS_MAX)
        t->region[t->n_regions++] = region;
    return i < REGIONS_MAX ? i : REGIONS_MAX - 1;
}

static bool
take_row(struct table *t, char *line, uint64_t number)
{
    char *field[FIELDS_MAX];
    struct row row = {0};
    const char *region;
    bool good = lines_split(line, field, FIELDS_MAX) == t->n_fields;

    if (good)
        good = t->layout == LAYOUT_NORMALISED ? take_normalised(t, field, &row)
                                              : take_option(t, field, &row);
    if (!good) {
        cmd_error(t->cmd, EX_DATAERR, "HDE-C052", "every row needs the columns of the first line",
                  "%s: line %llu: the row has a wrong number of columns or an unreadable value",
                  t->path, (unsigned long long)number);
        return false;
    }
    region = text_of(t, field, "region");
    row.id = arena_text(t->cmd->arena, text_of(t, field, "id"));
    row.region = arena_text(t->cmd->arena, *region ? region : "all");
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 512;
        t->row = xrealloc(t->row, t->cap * sizeof *t->row);
    }
    t->row[t->n++] = row;
    return true;
}

/* Gives an exit code. */
static int
read_table(struct table *t, const char *path)
{
    struct lines *l = xmalloc(sizeof *l);
    int exit = CMD_OK;
    char *line;
    size_t len;

    *l = (struct lines){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    while (exit == CMD_OK && l->fd >= 0 && lines_next(l, false, &line, &len) == LINES_LINE)
        if (l->number == 1 ? !take_header(t, line) : len > 0 && !take_row(t, line, l->number))
            exit = EX_DATAERR;
    if (l->fd < 0 || l->error)
        exit = cmd_error(t->cmd, EX_NOINPUT, "HDE-C050", NULL, "%s: %s", path,
                         strerror(l->error ? l->error : errno));
    else if (exit == CMD_OK && t->n == 0)
        exit = cmd_error(t->cmd, EX_DATAERR, "HDE-C052", NULL, "%s: there are no rows", path);
    if (l->fd >= 0)
        close(l->fd);
    free(l);
    return exit;
}

/* ---- Judging --------------------------------------------------------------------------------- */

__attribute__((format(printf, 5, 6))) static void
miss(struct table *t, const struct row *row, int measure, const char *path, const char *fmt, ...)
{
    char why[300];
    va_list args;

    if (t->missed++ >= MISSES_SHOWN)
        return;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    if (t->cmd->json) {
        hde_text_puts(&t->misses, t->misses.len ? ",{\"id\":" : "{\"id\":");
        hde_json_string(&t->misses, row->id);
        hde_text_printf(&t->misses, ",\"region\":");
        hde_json_string(&t->misses, row->region);
        hde_text_printf(&t->misses, ",\"column\":\"%s\",\"entry\":\"%s\",\"what\":",
                        measure_names[measure], path);
        hde_json_string(&t->misses, why);
        hde_text_puts(&t->misses, "}");
    } else {
        hde_text_printf(&t->misses, "  missed: %s %s, %s (%s): %s\n", row->id, row->region,
                        measure_names[measure], path, why);
    }
}

static struct cell *
cell_of(struct table *t, const struct row *row, int measure)
{
    return &t->cell[region_index(t, row->region)][measure];
}

static void
judge(struct table *t, const struct row *row, int measure, const char *path, double got,
      long double expected, long double bound)
{
    struct cell *c = cell_of(t, row, measure);
    long double error = fabsl(got - expected), ratio = error / bound;

    c->checked++;
    if (error == 0 || (got == 0 && fabsl(expected) < DBL_TRUE_MIN))
        return;
    if (fabsl(expected) < DBL_MIN) /* the last places of a double are missing there */
        ratio = error / (bound + DBL_TRUE_MIN);
    if (!(ratio <= c->of_bound))
        c->of_bound = ratio;
    if (fabsl(expected) >= DBL_MIN && !(error / fabsl(expected) <= c->relative))
        c->relative = error / fabsl(expected);
    if (!(ratio <= 1)) {
        c->missed++;
        miss(t, row, measure, path, "%.17g, expected %.20Lg: %.3Lg times what is allowed", got,
             expected, ratio);
    }
}

static const char *
status_name(enum iv_status status)
{
    static const char *const names[] = {"bad_input",     "ok",
                                        "below_intrinsic", "above_maximum",
                                        "no_time_value", "ill_conditioned",
                                        "no_quote",      "stale"};

    return names[status];
}

/* Whether a status fits a reference row's. */
static bool
status_fits(const char *row, enum iv_status got)
{
    if (strcmp(row, "ok") == 0)
        return got == IV_OK;
    if (strcmp(row, "ill_conditioned") == 0)
        return got == IV_ILL_CONDITIONED || got == IV_OK;
    if (strstr(row, "maximum"))
        return got == IV_ABOVE_MAXIMUM;
    return got == IV_NO_TIME_VALUE || got == IV_BELOW_INTRINSIC || got == IV_ILL_CONDITIONED;
}

static void
judge_iv(struct table *t, const struct row *row, const char *path, double vol,
         enum iv_status status, long double exact)
{
    struct cell *c = cell_of(t, row, IV_STATUS);

    c->checked++;
    if (!status_fits(row->status, status) ||
        isnan(vol) != (status != IV_OK && status != IV_ILL_CONDITIONED)) {
        c->missed++;
        c->of_bound = INFINITY;
        miss(t, row, IV_STATUS, path, "%s with %.17g, expected %s", status_name(status), vol,
             row->status);
    } else if (status == IV_OK && !isnan(exact)) {
        judge(t, row, t->layout == LAYOUT_NORMALISED ? NORMALISED_S : IV, path, vol, exact,
              4 * (2.3e-16L + row->conditioning) * exact);
    }
}

/* ---- Evaluating ------------------------------------------------------------------------------ */

/* Rows as columns, and results. */
struct columns {
    enum bsm_model *model;
    enum bsm_right *right;
    double *in[6], *price, *out[BSM_COLUMNS], *vol, *conditioning;
    enum iv_status *status;
};

static double *
new_column(const struct table *t)
{
    return arena_alloc(t->cmd->arena, t->n * sizeof(double));
}

static struct columns
new_columns(const struct table *t)
{
    struct columns c = {.model = arena_alloc(t->cmd->arena, t->n * sizeof *c.model),
                        .right = arena_alloc(t->cmd->arena, t->n * sizeof *c.right),
                        .status = arena_alloc(t->cmd->arena, t->n * sizeof *c.status),
                        .price = new_column(t),
                        .vol = new_column(t),
                        .conditioning = new_column(t)};

    for (int i = 0; i < 6; i++)
        c.in[i] = new_column(t);
    for (int i = 0; i < BSM_COLUMNS; i++)
        c.out[i] = new_column(t);
    return c;
}

static void
put_row(struct columns *c, size_t i, const struct bsm *o, double price)
{
    c->model[i] = o->model;
    c->right[i] = o->right;
    c->in[0][i] = o->underlying;
    c->in[1][i] = o->strike;
    c->in[2][i] = o->t;
    c->in[3][i] = o->rate;
    c->in[4][i] = o->yield;
    c->in[5][i] = o->vol;
    c->price[i] = price;
}

static void
run_batches(const struct table *t, struct columns *c, bool greeks)
{
    struct bsm_batch in = {.n = t->n,
                           .model = {c->model, 1},
                           .right = {c->right, 1},
                           .underlying = {c->in[0], 1},
                           .strike = {c->in[1], 1},
                           .t = {c->in[2], 1},
                           .rate = {c->in[3], 1},
                           .yield = {c->in[4], 1},
                           .vol = {c->in[5], 1}};
    struct bsm_columns out;
    struct iv_columns iv = {c->vol, c->conditioning, c->status};

    memcpy(&out, c->out, sizeof out);
    if (greeks)
        bsm_batch(&in, &out);
    iv_batch(&in, (struct bsm_input){c->price, 1}, &iv);
}

static void
judge_columns(struct table *t, const struct row *row, const char *path, const double *got)
{
    long double change[BSM_COLUMNS];

    exact_changes(&row->o, change);
    for (int c = 0; c < BSM_COLUMNS; c++) {
        long double v = row->value[c];

        if (isnan(v) || (t->layout == LAYOUT_QUANTLIB && !row->full))
            continue;
        judge(t, row, c, path, got[c], v,
              t->layout == LAYOUT_QUANTLIB ? 1e-9L * fmaxl(1, fabsl(v))
                                           : 1e-12L * fabsl(v) + 4 * change[c]);
    }
}

static void
check_options(struct table *t)
{
    struct columns c = new_columns(t);

    for (size_t i = 0; i < t->n; i++)
        put_row(&c, i, &t->row[i].o, t->row[i].price);
    run_batches(t, &c, true);
    for (size_t i = 0; i < t->n; i++) {
        const struct row *row = &t->row[i];
        double got[BSM_COLUMNS], alone[BSM_COLUMNS], price;
        struct bsm_greeks g;
        struct iv iv;

        for (int k = 0; k < BSM_COLUMNS; k++)
            got[k] = c.out[k][i];
        judge_columns(t, row, "batch", got);
        bsm_greeks(&row->o, &g);
        memcpy(alone, &g, sizeof alone);
        if (bsm_price(&row->o, &price) && price != alone[0])
            alone[0] = NAN; /* the two disagree: a miss */
        judge_columns(t, row, "scalar", alone);
        if (t->layout == LAYOUT_QUANTLIB)
            continue;
        judge_iv(t, row, "batch", c.vol[i], c.status[i], row->iv);
        iv = iv_solve(&row->o, row->price);
        judge_iv(t, row, "scalar", iv.vol, iv.status, row->iv);
    }
}

/* A normalised row as a call of Black-76 on F = 1, K = exp(-x), T = 1, whose inputs are rounded:
 * *exact becomes the s that belongs to them, to first order. */
static struct bsm
as_option(const struct row *row, double *price, long double *exact)
{
    struct exact_black e = exact_black(row->x, row->s);
    struct bsm o = {BSM_BLACK76, BSM_CALL, 1, (double)expl(-(long double)row->x), 1, 0, 0, 0};
    long double root = sqrtl(o.strike), x = -logl(o.strike);

    *price = (double)(row->price * root);
    *exact = row->iv + (*price / root - row->price - e.by_x * (x - row->x)) / e.by_s;
    return o;
}

static void
judge_normalised(struct table *t, const struct row *row)
{
    struct exact_black e = exact_black(row->x, row->s);
    struct iv iv = iv_normalised(row->x, row->price);

    judge(t, row, NORMALISED_B, "scalar", black_price(row->x, row->s, 1), row->value[0],
          1e-12L * fabsl(row->value[0]) + 4 * e.change);
    judge_iv(t, row, "scalar", iv.vol, iv.status, row->iv);
}

static void
check_normalised(struct table *t)
{
    struct columns c = new_columns(t);
    long double *exact = arena_alloc(t->cmd->arena, t->n * sizeof *exact);

    for (size_t i = 0; i < t->n; i++) {
        double price;
        struct bsm o = as_option(&t->row[i], &price, &exact[i]);

        put_row(&c, i, &o, price);
    }
    run_batches(t, &c, false);
    for (size_t i = 0; i < t->n; i++) {
        judge_normalised(t, &t->row[i]);
        /* near the maximum the rounding of strike and price decides what they mean */
        if (strcmp(t->row[i].status, "ok") == 0)
            judge_iv(t, &t->row[i], "batch", c.vol[i], c.status[i], exact[i]);
    }
}

/* ---- Report ---------------------------------------------------------------------------------- */

static bool
is_measured(const struct table *t, int measure)
{
    for (size_t r = 0; r < t->n_regions; r++)
        if (t->cell[r][measure].checked)
            return true;
    return false;
}

static void
print_measure(const struct table *t, int measure, hde_text *out)
{
    long double relative = 0;

    hde_text_printf(out, "  %-12s", measure_names[measure]);
    for (size_t r = 0; r < t->n_regions; r++) {
        const struct cell *c = &t->cell[r][measure];

        if (!(c->relative <= relative))
            relative = c->relative;
        if (c->checked)
            hde_text_printf(out, " %11.2Lg%s", c->of_bound, c->missed ? "!" : " ");
        else
            hde_text_printf(out, " %11s ", "-");
    }
    hde_text_printf(out, "  %.1Le\n", relative);
}

static void
print_table(const struct table *t, hde_text *out)
{
    hde_text_printf(out,
                    "%s (%s): %zu rows, %lu missed\n"
                    "  largest error as a share of what is allowed, by column and region; last the "
                    "largest relative error\n  %-12s",
                    t->path, quant_cpu_name(quant_cpu()), t->n, t->missed, "");
    for (size_t r = 0; r < t->n_regions; r++)
        hde_text_printf(out, " %11.11s ", t->region[r]);
    hde_text_puts(out, "\n");
    for (int m = 0; m < MEASURES; m++)
        if (is_measured(t, m))
            print_measure(t, m, out);
    hde_text_put(out, t->misses.data ? t->misses.data : "", t->misses.len);
    if (t->missed > MISSES_SHOWN)
        hde_text_printf(out, "  and %lu more\n", t->missed - MISSES_SHOWN);
}

static void
print_json(const struct table *t, hde_text *out)
{
    const char *comma = "";

    hde_text_puts(out, "{\"file\":");
    hde_json_string(out, t->path);
    hde_text_printf(out, ",\"cpu\":\"%s\",\"rows\":%zu,\"missed\":%lu,\"cells\":[",
                    quant_cpu_name(quant_cpu()), t->n, t->missed);
    for (int m = 0; m < MEASURES; m++)
        for (size_t r = 0; r < t->n_regions; r++) {
            const struct cell *c = &t->cell[r][m];

            if (!c->checked)
                continue;
            hde_text_printf(out, "%s{\"column\":\"%s\",\"region\":", comma, measure_names[m]);
            hde_json_string(out, t->region[r]);
            hde_text_printf(out, ",\"checked\":%lu,\"missed\":%lu,\"error_of_allowed\":",
                            c->checked, c->missed);
            hde_json_number(out, (double)c->of_bound);
            hde_text_puts(out, ",\"relative_error\":");
            hde_json_number(out, (double)c->relative);
            hde_text_puts(out, "}");
            comma = ",";
        }
    hde_text_printf(out, "],\"misses\":[%s]}\n", t->misses.data ? t->misses.data : "");
}

static int
verify_file(const struct cmd *cmd, const char *path, hde_text *out)
{
    struct table *t = xmalloc(sizeof *t);
    int exit;

    *t = (struct table){.cmd = cmd, .path = path};
    exit = read_table(t, path);
    if (exit == CMD_OK) {
        if (t->layout == LAYOUT_NORMALISED)
            check_normalised(t);
        else
            check_options(t);
        if (cmd->json)
            print_json(t, out);
        else
            print_table(t, out);
        exit = t->missed ? CMD_FAILED : CMD_OK;
    }
    hde_text_free(&t->misses);
    free(t->row);
    free(t);
    return exit;
}

static int
run_verify(const struct cmd *cmd, const void *options)
{
    const struct verify_options *opt = options;
    hde_text out = {0};
    int exit = opt->cpu ? level_force(cmd, opt->cpu) : CMD_OK;

    for (int i = 0; i < cmd->n_args && exit <= CMD_FAILED; i++) {
        int one = verify_file(cmd, cmd->args[i], &out), printed = cmd_print(cmd, &out, NULL);

        exit = one > exit ? one : exit;
        exit = printed > exit ? printed : exit;
    }
    hde_text_free(&out);
    return exit;
}

static const struct command verify = {
    .name = "verify",
    .args = "FILE...",
    .group = CMD_GROUP_TOOL,
    .summary = "check prices, Greeks and implied volatilities of this machine",
    .help =
        "Every row of the reference files goes through the batch and the scalar functions of "
        "libhde_quant. A price or Greek v is right within 1e-12 |v| + 4 times the sum over the "
        "inputs of the change of v when that input moves by half an ulp (found by moving it, in "
        "long double); values that no double can hold may be 0. An implied volatility of a row "
        "with iv_status ok is right within 4 (2.3e-16 + iv_rel_per_ulp_of_price), relatively; the "
        "other rows must get a status that says so.\n\n"
        "Layouts, told by the names in the first line (others are ignored, order is free):\n\n"
        " id, region, model (bsm|black76), type (C|P), S_or_F, K, T, r, q, sigma, price and any\n"
        " Greek, price_double, iv_exact_for_price_double, iv_rel_per_ulp_of_price, iv_status\n\n"
        " id, x, s, b, b_double, s_exact_for_b_double, ds_over_s_per_half_ulp_b, status\n\n"
        " id, region, model, ..., price, delta, gamma, vega, theta_per_year, rho, dividend_rho,\n"
        " agreement_with_mpmath: rows marked full within 1e-9 of max(1, |v|)\n\n"
        "Absent values are empty.",
    .examples = (const struct cmd_example[]){{"hde verify reference_mpmath.csv",
                                              "at the best level of this machine"},
                                             {"hde verify --cpu portable *.csv",
                                              "without vector instructions"},
                                             {"hde verify --json *.csv | jq .missed", "a number"},
                                             {0}},
    .options = (const struct cmd_option[]){{CMD_OPTION("cpu", struct verify_options, cpu),
                                            .value = "LEVEL",
                                            .choices = "portable|avx2|avx512",
                                            .help = "instructions to check"},
                                           {0}},
    .exits = (const struct cmd_exit[]){{CMD_FAILED, "a value or a status is wrong"},
                                       {EX_DATAERR, "a file is not of a known layout"},
                                       {EX_NOINPUT, NULL},
                                       {EX_UNAVAILABLE, "this machine does not have the level"},
                                       {0}},
    .complete = CMD_COMPLETE_FILE,
    .min_args = 1,
    .max_args = -1,
    CMD_BLOCK(struct verify_options),
    .run = run_verify,
};

int
main(int argc, char **argv)
{
    return cmd_program(&verify, argc, argv);
}
