/* SPDX-License-Identifier: Apache-2.0
 * quant_batch_test - batches of options at every level of the CPU: an entry's results depend on
 * its inputs alone, and the levels agree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "levels.h"
#include "quant/bsm.h"

#define N 200

static uint64_t seed = 20260819;

static double
uniform(double low, double high)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(seed >> 11) * 0x1p-53;
}

/* Columns of inputs, and of results with room to see whether anything is written beyond. */
struct rows {
    enum bsm_model model[N];
    enum bsm_right right[N];
    double input[6][N]; /* underlying, strike, t, rate, yield, vol */
    double result[BSM_COLUMNS][N];
};

static struct bsm_batch
batch_of(const struct rows *r, size_t from, size_t n)
{
    return (struct bsm_batch){
        .n = n,
        .model = {r->model + from, 1},
        .right = {r->right + from, 1},
        .underlying = {r->input[0] + from, 1},
        .strike = {r->input[1] + from, 1},
        .t = {r->input[2] + from, 1},
        .rate = {r->input[3] + from, 1},
        .yield = {r->input[4] + from, 1},
        .vol = {r->input[5] + from, 1},
    };
}

static struct bsm
option_at(const struct rows *r, size_t i)
{
    return (struct bsm){r->model[i],    r->right[i],    r->input[0][i], r->input[1][i],
                        r->input[2][i], r->input[3][i], r->input[4][i], r->input[5][i]};
}

/* Those results whose bit is set in `wanted`, from entry `from` on. */
static struct bsm_columns
columns_of(double result[BSM_COLUMNS][N], size_t from, unsigned wanted)
{
    double *to[BSM_COLUMNS];
    struct bsm_columns out;

    for (size_t k = 0; k < BSM_COLUMNS; k++)
        to[k] = wanted >> k & 1 ? result[k] + from : NULL;
    memcpy(&out, to, sizeof out);
    return out;
}

#define ALL ((1u << BSM_COLUMNS) - 1)

static bool
same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void
draw(struct rows *r, size_t i)
{
    double vol = exp(uniform(-5, 1.5)), t = exp(uniform(-12, 2)), s = exp(uniform(-3, 11));

    r->model[i] = uniform(0, 1) < 0.5 ? BSM_MERTON : BSM_BLACK76;
    r->right[i] = uniform(0, 1) < 0.5 ? BSM_CALL : BSM_PUT;
    r->input[0][i] = s;
    r->input[1][i] = s * exp(uniform(-8, 8) * vol * sqrt(t));
    r->input[2][i] = t;
    r->input[3][i] = uniform(-0.05, 0.2);
    r->input[4][i] = uniform(-0.05, 0.2);
    r->input[5][i] = vol;
}

/* Some entries are expired, or unusable in one input; returns how many are the latter. */
static size_t
draw_all(struct rows *r, double special)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    size_t refused = 0;

    for (size_t i = 0; i < N; i++) {
        double kind = uniform(0, 1);

        draw(r, i);
        if (kind < special) {
            r->input[2][i] = -r->input[2][i];
        } else if (kind < 2 * special) {
            r->model[i] = BSM_MERTON;
            r->input[(size_t)uniform(0, 6)][i] = bad[(size_t)uniform(0, 3)];
            refused++;
        } else if (kind < 2.5 * special) {
            r->input[(size_t)uniform(0, 2)][i] = uniform(-2, 0);
            refused++;
        }
    }
    return refused;
}

static void
test_an_entry_is_the_scalar_result_at_any_place_of_any_batch(void **state)
{
    static struct rows r;
    double g[N][BSM_COLUMNS];
    bool ok[N];

    draw_all(&r, 0.1);
    for (size_t i = 0; i < N; i++) {
        struct bsm o = option_at(&r, i);

        ok[i] = bsm_greeks(&o, (struct bsm_greeks *)g[i]);
    }
    for (size_t from = 0; from < 9; from++)
        for (size_t n = 0; n < N - from; n += n < 34 ? 1 : 23) {
            struct bsm_batch in = batch_of(&r, from, n);
            struct bsm_columns out = columns_of(r.result, from, ALL);
            size_t refused = 0;

            for (size_t k = 0; k < BSM_COLUMNS; k++)
                for (size_t i = 0; i < N; i++)
                    r.result[k][i] = -12345;
            for (size_t i = from; i < from + n; i++)
                refused += !ok[i];
            assert_int_equal(bsm_batch(&in, &out), refused);
            for (size_t k = 0; k < BSM_COLUMNS; k++)
                for (size_t i = 0; i < N; i++)
                    assert_true(i < from || i >= from + n ? r.result[k][i] == -12345
                                                          : same(r.result[k][i], g[i][k]));
        }
}

static void
test_columns_that_are_not_wanted_change_nothing(void **state)
{
    static struct rows r, s;
    struct bsm_batch in = batch_of(&r, 0, N);
    struct bsm_columns all = columns_of(r.result, 0, ALL);

    draw_all(&r, 0.1);
    bsm_batch(&in, &all);
    for (unsigned k = 0; k < BSM_COLUMNS; k++) {
        struct bsm_columns one = columns_of(s.result, 0, 1u << k);

        memset(s.result, 0, sizeof s.result);
        bsm_batch(&in, &one);
        for (size_t j = 0; j < BSM_COLUMNS; j++)
            for (size_t i = 0; i < N; i++)
                assert_true(same(s.result[j][i], j == k ? r.result[j][i] : 0));
    }
}

static void
test_one_value_for_all_is_the_same_as_a_column_of_it(void **state)
{
    static struct rows r, s;
    struct bsm_batch columns = batch_of(&r, 0, N), shared = columns;
    struct bsm_columns out = columns_of(r.result, 0, ALL);
    struct bsm_columns out_shared = columns_of(s.result, 0, ALL);

    for (unsigned round = 0; round < 256; round++) {
        struct bsm_input *input[] = {&shared.underlying, &shared.strike, &shared.t,
                                     &shared.rate,       &shared.yield,  &shared.vol};

        draw_all(&r, 0.01);
        shared = columns;
        for (size_t k = 0; k < 6; k++)
            if (round >> k & 1) {
                input[k]->step = 0;
                for (size_t i = 1; i < N; i++)
                    r.input[k][i] = r.input[k][0];
            }
        shared.model.step = !(round >> 6 & 1);
        shared.right.step = !(round >> 7 & 1);
        for (size_t i = 1; i < N; i++) {
            r.model[i] = r.model[shared.model.step * i];
            r.right[i] = r.right[shared.right.step * i];
        }
        assert_int_equal(bsm_batch(&columns, &out), bsm_batch(&shared, &out_shared));
        for (size_t k = 0; k < BSM_COLUMNS; k++)
            for (size_t i = 0; i < N; i++)
                assert_true(same(r.result[k][i], s.result[k][i]));
    }
}

static void
test_refused_entries_are_counted_and_disturb_no_other(void **state)
{
    static struct rows r, clean;
    size_t refused = 0;

    for (int round = 0; round < 100; round++) {
        struct bsm_batch in = batch_of(&r, 0, N);
        struct bsm_columns out = columns_of(r.result, 0, ALL);
        size_t expected = draw_all(&r, 0.05);

        assert_int_equal(bsm_batch(&in, &out), expected);
        for (size_t i = 0; i < N; i++) {
            bool nan = isnan(r.result[0][i]);

            refused += nan;
            for (size_t k = 0; k < BSM_COLUMNS; k++)
                if (k != 6 || r.model[i] != BSM_BLACK76) /* its dividend rho is NaN */
                    assert_int_equal(isnan(r.result[k][i]) != 0, nan);
        }
        refused -= expected;
    }
    assert_int_equal(refused, 0);
    assert_int_equal(bsm_batch(&(struct bsm_batch){.n = 0}, &(struct bsm_columns){clean.result[0]}),
                     0);
}

static void
test_a_model_or_right_that_does_not_exist_is_refused(void **state)
{
    struct bsm o = {BSM_MERTON, BSM_CALL, 100, 100, 1, 0.05, 0, 0.2};
    double price;

    assert_true(bsm_price(&o, &price) && price > 10);
    o.right = (enum bsm_right)0;
    assert_true(!bsm_price(&o, &price) && isnan(price));
    o.right = BSM_CALL;
    o.model = (enum bsm_model)3;
    assert_true(!bsm_price(&o, &price) && isnan(price));
}

/* The stated bound is against the exact value; here the reference is the portable level, and the
 * options are away from where half an ulp of an input shows. */
static void
test_levels_agree(void **state)
{
    static struct rows r, s;
    struct bsm_batch in = batch_of(&r, 0, N);
    struct bsm_columns out = columns_of(r.result, 0, ALL), portable = columns_of(s.result, 0, ALL);
    enum quant_cpu level = quant_cpu();

    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < N; i++) {
            draw(&r, i);
            r.right[i] = r.input[1][i] > r.input[0][i] ? BSM_CALL : BSM_PUT;
            r.input[3][i] = r.input[4][i] = 0;
            if (r.input[5][i] * sqrt(r.input[2][i]) < 1e-3)
                r.input[2][i] = 1;
        }
        bsm_batch(&in, &out);
        quant_cpu_force(QUANT_PORTABLE);
        bsm_batch(&in, &portable);
        quant_cpu_force(level);
        for (size_t k = 0; k < 4; k++) /* price, delta, gamma, vega: no sum, so no zero */
            for (size_t i = 0; i < N; i++) {
                double a = r.result[k][i], b = s.result[k][i];

                if (!(fabs(a - b) <= 2e-12 * fabs(b) + DBL_MIN))
                    fail_msg("column %zu entry %zu: %.17g, portable %.17g", k, i, a, b);
            }
    }
}

static void
test_the_kernels_leave_rounding_and_denormals_alone(void **state)
{
    static struct rows r;
    struct bsm_batch in = batch_of(&r, 0, N);
    struct bsm_columns out = columns_of(r.result, 0, ALL);
    volatile double tiny = DBL_MIN, third = 1.0 / 3;

    draw_all(&r, 0.1);
    bsm_batch(&in, &out);
    assert_true(tiny / 2 > 0);
    assert_true(1 / (volatile double){3} == third);
}

static void
test_a_level_that_does_not_exist_cannot_be_forced(void **state)
{
    enum quant_cpu level = quant_cpu();

    assert_false(quant_cpu_force((enum quant_cpu)QUANT_CPUS));
    assert_int_equal(quant_cpu(), level);
    assert_null(quant_cpu_name((enum quant_cpu)QUANT_CPUS));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_is_the_scalar_result_at_any_place_of_any_batch),
        cmocka_unit_test(test_columns_that_are_not_wanted_change_nothing),
        cmocka_unit_test(test_one_value_for_all_is_the_same_as_a_column_of_it),
        cmocka_unit_test(test_refused_entries_are_counted_and_disturb_no_other),
        cmocka_unit_test(test_a_model_or_right_that_does_not_exist_is_refused),
        cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_the_kernels_leave_rounding_and_denormals_alone),
        cmocka_unit_test(test_a_level_that_does_not_exist_cannot_be_forced),
    };

    print_message("seed %llu\n", (unsigned long long)seed);
    return RUN_AT_EACH_LEVEL(tests);
}
