/* SPDX-License-Identifier: Apache-2.0
 * quant_rows_test - batches of options at every level of the CPU against 60-digit values that
 * quant_rows.py makes where Python has mpmath; skips where it has not. HDE_ROWS and HDE_SEED choose
 * others than the usual rows.
 *
 * A value v is right within 1e-12 |v| + 4 times the sum over the inputs of the change of v for
 * half an ulp of that input; one below the smallest normal double may be anything below it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "levels.h"
#include "quant/bsm.h"

#define ROWS_MAX 100000

static size_t rows;
static enum bsm_model model[ROWS_MAX];
static enum bsm_right right[ROWS_MAX];
static double input[6][ROWS_MAX], result[BSM_COLUMNS][ROWS_MAX];
static long double exact[BSM_COLUMNS][ROWS_MAX], noise[BSM_COLUMNS][ROWS_MAX];

static const char *const names[BSM_COLUMNS] = {
    "price", "delta", "gamma", "vega",  "theta", "rho",    "dividend_rho", "vanna",      "charm",
    "vomma", "veta",  "speed", "zomma", "color", "ultima", "dual_delta",   "dual_gamma", "itm_prob",
};

static bool
read_row(FILE *from, size_t i)
{
    char word[64];
    int m, th;

    if (fscanf(from, "%d %d", &m, &th) != 2)
        return false;
    model[i] = (enum bsm_model)m;
    right[i] = (enum bsm_right)th;
    for (size_t k = 0; k < 6 + 2 * BSM_COLUMNS; k++) {
        if (fscanf(from, "%63s", word) != 1)
            return false;
        if (k < 6)
            input[k][i] = strtod(word, NULL);
        else if (k < 6 + BSM_COLUMNS)
            exact[k - 6][i] = strtold(word, NULL);
        else
            noise[k - 6 - BSM_COLUMNS][i] = strtold(word, NULL);
    }
    return true;
}

static void
make_rows(void)
{
    const char *wanted = getenv("HDE_ROWS"), *seed = getenv("HDE_SEED");
    char command[1024];
    FILE *from;

    snprintf(command, sizeof command, "python3 '%s/tests/operators/quant_rows.py' %d %d",
             HDE_SOURCE_DIR, wanted ? atoi(wanted) : 1100, seed ? atoi(seed) : 1);
    print_message("%s\n", command);
    from = popen(command, "r");
    assert_non_null(from);
    while (rows < ROWS_MAX && read_row(from, rows))
        rows++;
    pclose(from);
}

static double
share_of_bound(size_t k, size_t i)
{
    long double error = fabsl(result[k][i] - exact[k][i]);

    if (k == 6 && model[i] == BSM_BLACK76) /* there is no dividend */
        return isnan(result[k][i]) ? 0 : INFINITY;
    if (fabsl(exact[k][i]) < DBL_MIN && fabs(result[k][i]) <= DBL_MIN)
        return 0;
    return (double)(error / (1e-12L * fabsl(exact[k][i]) + 4 * noise[k][i]));
}

static void
print_row(size_t k, size_t i, double share)
{
    print_message("%s of model %d right %d S %.17g K %.17g T %.17g r %.17g q %.17g vol %.17g: "
                  "%.17g, exact %.20Lg, %.3g times the bound\n",
                  names[k], (int)model[i], (int)right[i], input[0][i], input[1][i], input[2][i],
                  input[3][i], input[4][i], input[5][i], result[k][i], exact[k][i], share);
}

static void
test_every_result_of_a_batch_is_within_the_stated_bound(void **state)
{
    struct bsm_batch in = {
        .n = rows,
        .model = {model, 1},
        .right = {right, 1},
        .underlying = {input[0], 1},
        .strike = {input[1], 1},
        .t = {input[2], 1},
        .rate = {input[3], 1},
        .yield = {input[4], 1},
        .vol = {input[5], 1},
    };
    double *to[BSM_COLUMNS];
    struct bsm_columns out;
    unsigned missed = 0;

    for (size_t k = 0; k < BSM_COLUMNS; k++)
        to[k] = result[k];
    memcpy(&out, to, sizeof out);
    assert_int_equal(bsm_batch(&in, &out), 0);
    for (size_t k = 0; k < BSM_COLUMNS; k++) {
        double worst = 0;

        for (size_t i = 0; i < rows; i++) {
            double share = share_of_bound(k, i);

            if (!(share <= 1)) {
                print_row(k, i, share);
                missed++;
            }
            worst = fmax(worst, share);
        }
        print_message("%-12s worst share of the bound %.3f\n", names[k], worst);
    }
    print_message("%zu rows, %u values missed\n", rows, missed);
    assert_int_equal(missed, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_result_of_a_batch_is_within_the_stated_bound),
    };

    if (system("python3 -c 'import mpmath' 2>/dev/null") != 0) {
        print_message("python3 has no mpmath\n");
        return 77;
    }
    make_rows();
    if (rows == 0) {
        print_message("quant_rows.py made no row\n");
        return 1;
    }
    return RUN_AT_EACH_LEVEL(tests);
}
