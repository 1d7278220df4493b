/* SPDX-License-Identifier: Apache-2.0
 * quant_reference_test - prices, Greeks and implied volatilities against 90-digit values: every
 * row of reference_mpmath*.csv under $HDE_DATA/reference. Skips without HDE_DATA.
 *
 * A value v is right within 1e-12 |v| + 4 times the sum over the inputs of the change of v for
 * half an ulp of that input; an implied volatility within 4 times what the rounding of the price
 * allows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "levels.h"
#include "quant/black.h"
#include "quant/bsm.h"
#include "quant/iv.h"

#define FIELDS_MAX 64

struct table {
    FILE *file;
    char header[2048], line[4096];
    char *name[FIELDS_MAX], *value[FIELDS_MAX];
    size_t fields;
};

static size_t
split(char *line, char **field)
{
    size_t n = 0;

    line[strcspn(line, "\r\n")] = 0;
    for (char *at = line; at && n < FIELDS_MAX; n++)
        field[n] = strsep(&at, ",");
    return n;
}

static void
table_open(struct table *t, const char *path)
{
    t->file = fopen(path, "r");
    assert_non_null(t->file);
    assert_non_null(fgets(t->header, sizeof t->header, t->file));
    t->fields = split(t->header, t->name);
}

static bool
table_next(struct table *t)
{
    if (!fgets(t->line, sizeof t->line, t->file)) {
        fclose(t->file);
        return false;
    }
    return split(t->line, t->value) == t->fields;
}

static const char *
text(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->fields; i++)
        if (!strcmp(t->name[i], name))
            return t->value[i];
    fail_msg("no column %s", name);
    return "";
}

static double
number(const struct table *t, const char *name)
{
    const char *s = text(t, name);

    return *s ? strtod(s, NULL) : NAN;
}

static void
each_file(const char *pattern, void (*run)(struct table *))
{
    const char *data = getenv("HDE_DATA");
    char path[1024];
    glob_t found;

    if (!data) {
        print_message("HDE_DATA is not set\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/reference/%s", data, pattern);
    if (glob(path, 0, NULL, &found) != 0) {
        print_message("nothing matches %s\n", path);
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        static struct table t;

        table_open(&t, found.gl_pathv[i]);
        run(&t);
    }
    globfree(&found);
}

#define COLUMN(field)                                                                              \
    {                                                                                              \
#field, offsetof(struct bsm_greeks, field)                                                 \
    }
static const struct {
    const char *name;
    size_t offset;
} columns[] = {
    COLUMN(price),      COLUMN(delta),        COLUMN(gamma),    COLUMN(vega),  COLUMN(theta),
    COLUMN(rho),        COLUMN(dividend_rho), COLUMN(vanna),    COLUMN(charm), COLUMN(vomma),
    COLUMN(veta),       COLUMN(speed),        COLUMN(zomma),    COLUMN(color), COLUMN(ultima),
    COLUMN(dual_delta), COLUMN(dual_gamma),   COLUMN(itm_prob),
};
#define COLUMNS (sizeof columns / sizeof columns[0])

static double
column(const struct bsm_greeks *g, size_t i)
{
    return *(const double *)((const char *)g + columns[i].offset);
}

static struct bsm
inputs(const struct table *t)
{
    return (struct bsm){
        .model = !strcmp(text(t, "model"), "bsm") ? BSM_MERTON : BSM_BLACK76,
        .right = *text(t, "type") == 'C' ? BSM_CALL : BSM_PUT,
        .underlying = number(t, "S_or_F"),
        .strike = number(t, "K"),
        .t = number(t, "T"),
        .rate = number(t, "r"),
        .yield = number(t, "q"),
        .vol = number(t, "sigma"),
    };
}

/* What half an ulp of each input does to each column, by a difference that is wide enough to
 * show. */
static void
input_noise(const struct bsm *o, double noise[COLUMNS])
{
    const size_t offset[] = {offsetof(struct bsm, underlying), offsetof(struct bsm, strike),
                             offsetof(struct bsm, t),          offsetof(struct bsm, rate),
                             offsetof(struct bsm, yield),      offsetof(struct bsm, vol)};

    memset(noise, 0, COLUMNS * sizeof *noise);
    for (size_t k = 0; k < sizeof offset / sizeof *offset; k++) {
        struct bsm up = *o, down = *o;
        double *u = (double *)((char *)&up + offset[k]), *d = (double *)((char *)&down + offset[k]);
        double half_ulp = 0.5 * (nextafter(fabs(*u), INFINITY) - fabs(*u)), step = *u * 0x1p-26;
        struct bsm_greeks a, b;

        if (*u == 0)
            continue;
        *u += step;
        *d -= step;
        bsm_greeks(&up, &a);
        bsm_greeks(&down, &b);
        for (size_t i = 0; i < COLUMNS; i++)
            noise[i] += fabs((column(&a, i) - column(&b, i)) / (2 * step)) * half_ulp;
    }
}

static void
check_greeks(struct table *t)
{
    double worst[COLUMNS] = {0}, share[COLUMNS] = {0};
    unsigned missed = 0, rows = 0;

    while (table_next(t)) {
        struct bsm o = inputs(t);
        struct bsm_greeks g;
        double noise[COLUMNS];

        assert_true(bsm_greeks(&o, &g));
        input_noise(&o, noise);
        rows++;
        for (size_t i = 0; i < COLUMNS; i++) {
            double exact = number(t, columns[i].name), value = column(&g, i);
            double error = fabs(value - exact), allowed = 1e-12 * fabs(exact) + 4 * noise[i];

            if (isnan(exact)) {
                assert_true(isnan(value));
                continue;
            }
            if (fabs(exact) < DBL_MIN && fabs(value) <= DBL_MIN)
                continue;
            if (!(error <= allowed)) {
                print_message("%s %s: %.17g, exact %.17g, relative error %.3g, allowed %.3g\n",
                              text(t, "id"), columns[i].name, value, exact, error / fabs(exact),
                              allowed / fabs(exact));
                missed++;
            }
            if (exact != 0 && error / fabs(exact) > worst[i])
                worst[i] = error / fabs(exact);
            if (error / allowed > share[i])
                share[i] = error / allowed;
        }
    }
    for (size_t i = 0; i < COLUMNS; i++)
        print_message("%-12s worst relative error %.2e, worst share of the bound %.3f\n",
                      columns[i].name, worst[i], share[i]);
    print_message("%u rows, %u values missed\n", rows, missed);
    assert_true(rows > 0);
    assert_int_equal(missed, 0);
}

static void
test_price_and_every_greek_match_90_digit_values(void **state)
{
    each_file("reference_mpmath_[!n]*.csv", check_greeks);
}

/* The bound that is fair for a price rounded to a double. */
static bool
within_attainable(double iv, double exact, double conditioning, double *share)
{
    double error = fabs(iv / exact - 1), allowed = 4 * (2.3e-16 + conditioning);

    if (error / allowed > *share)
        *share = error / allowed;
    return error <= allowed;
}

static bool
status_fits(const char *expected, struct iv iv, double exact, double conditioning, double *share)
{
    if (!strcmp(expected, "ok"))
        return iv.status == IV_OK && within_attainable(iv.vol, exact, conditioning, share);
    if (!strcmp(expected, "ill_conditioned"))
        return iv.status == IV_ILL_CONDITIONED || iv.status == IV_NO_TIME_VALUE ||
               iv.status == IV_BELOW_INTRINSIC ||
               (iv.status == IV_OK && fabs(iv.vol / exact - 1) <= 4 * conditioning);
    if (strstr(expected, "maximum"))
        return iv.status == IV_ABOVE_MAXIMUM;
    return iv.status == IV_NO_TIME_VALUE || iv.status == IV_BELOW_INTRINSIC ||
           iv.status == IV_ILL_CONDITIONED;
}

static void
check_iv(struct table *t)
{
    double share = 0;
    unsigned missed = 0, ok = 0;

    while (table_next(t)) {
        struct bsm o = inputs(t);
        struct iv iv = iv_solve(&o, number(t, "price_double"));
        const char *expected = text(t, "iv_status");
        double exact = number(t, "iv_exact_for_price_double");
        double conditioning = number(t, "iv_rel_per_ulp_of_price");

        ok += iv.status == IV_OK;
        if (status_fits(expected, iv, exact, conditioning, &share))
            continue;
        print_message(
            "%s %s: status %d, vol %.17g, exact %.17g, relative error %.3g, attainable %.3g\n",
            text(t, "id"), expected, (int)iv.status, iv.vol, exact, fabs(iv.vol / exact - 1),
            2.3e-16 + conditioning);
        missed++;
    }
    print_message("%u solved, worst error %.3f of the bound, %u missed\n", ok, share, missed);
    assert_int_equal(missed, 0);
}

static void
test_implied_volatility_is_as_good_as_the_price_allows(void **state)
{
    each_file("reference_mpmath_[!n]*.csv", check_iv);
}

static void
check_normalised(struct table *t)
{
    double share = 0, worst = 0;
    unsigned missed = 0;

    while (table_next(t)) {
        double x = number(t, "x"), s = number(t, "s"), b = number(t, "b");
        double given = number(t, "b_double"), most = (double)expl(0.5L * x);
        double exact = number(t, "s_exact_for_b_double");
        double conditioning = number(t, "ds_over_s_per_half_ulp_b");
        double error = fabs(black_price(x, s, 1) / b - 1), solved;

        if (error > worst)
            worst = error;
        if (strcmp(text(t, "status"), "ok"))
            continue;
        solved = iv_normalised(x, given, most - given);
        if (within_attainable(solved, exact, conditioning, &share))
            continue;
        print_message("%s: %.17g, exact %.17g, relative error %.3g, attainable %.3g\n",
                      text(t, "id"), solved, exact, fabs(solved / exact - 1),
                      2.3e-16 + conditioning);
        missed++;
    }
    print_message("b: worst relative error %.2e; s: worst error %.3f of the bound, %u missed\n",
                  worst, share, missed);
    assert_true(worst < 1e-12);
    assert_int_equal(missed, 0);
}

static void
test_normalised_price_and_its_inverse_match_90_digit_values(void **state)
{
    each_file("reference_mpmath_normalised*.csv", check_normalised);
}

static void
check_quantlib(struct table *t)
{
    static const struct {
        const char *name;
        size_t offset;
    } pairs[] = {
        {"price", offsetof(struct bsm_greeks, price)},
        {"delta", offsetof(struct bsm_greeks, delta)},
        {"gamma", offsetof(struct bsm_greeks, gamma)},
        {"vega", offsetof(struct bsm_greeks, vega)},
        {"theta_per_year", offsetof(struct bsm_greeks, theta)},
    };
    unsigned rows = 0, missed = 0;

    while (table_next(t)) {
        struct bsm o = inputs(t);
        struct bsm_greeks g;

        if (strcmp(text(t, "agreement_with_mpmath"), "full"))
            continue;
        assert_true(bsm_greeks(&o, &g));
        rows++;
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
            double theirs = number(t, pairs[i].name);
            double ours = *(const double *)((const char *)&g + pairs[i].offset);

            if (fabs(ours - theirs) <= 1e-9 * fabs(theirs) + DBL_MIN)
                continue;
            print_message("%s %s: %.17g, QuantLib %.17g\n", text(t, "id"), pairs[i].name, ours,
                          theirs);
            missed++;
        }
    }
    print_message("%u rows, %u values missed\n", rows, missed);
    assert_true(rows > 0);
    assert_int_equal(missed, 0);
}

static void
test_ordinary_inputs_agree_with_quantlib(void **state)
{
    each_file("reference_quantlib*.csv", check_quantlib);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_price_and_every_greek_match_90_digit_values),
        cmocka_unit_test(test_implied_volatility_is_as_good_as_the_price_allows),
        cmocka_unit_test(test_normalised_price_and_its_inverse_match_90_digit_values),
        cmocka_unit_test(test_ordinary_inputs_agree_with_quantlib),
    };

    return RUN_AT_EACH_LEVEL(tests);
}
