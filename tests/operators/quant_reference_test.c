/* SPDX-License-Identifier: Apache-2.0
 * quant_reference_test - prices and Greeks against 90-digit values: every row of
 * reference_mpmath*.csv under $HDE_DATA/reference. Skips without HDE_DATA.
 *
 * A value v is right within 1e-12 |v| + 4 times the sum over the inputs of the change of v for
 * half an ulp of that input. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "levels.h"
#include "quant/bsm.h"

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
        cmocka_unit_test(test_ordinary_inputs_agree_with_quantlib),
    };

    return RUN_AT_EACH_LEVEL(tests);
}
