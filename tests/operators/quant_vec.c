/* SPDX-License-Identifier: Apache-2.0
 * quant_vec - the vector functions of operators/quant/vec.h against long double, at the level that
 * this program is compiled for: the errors that the header states hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "quant/cpu.h"
#include "vec.h"

#if defined(VEC_AVX512)
#define LEVEL QUANT_AVX512
#elif defined(VEC_AVX2)
#define LEVEL QUANT_AVX2
#else
#define LEVEL QUANT_PORTABLE
#endif

#define ROUNDS 400000

static uint64_t seed = 20260819;

static double
uniform(double low, double high)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(seed >> 11) * 0x1p-53;
}

static double
unit(void)
{
    return uniform(0, 1);
}

typedef vd function(vd a, vd b);
typedef long double reference(double a, double b);

/* The largest relative error in units of 2^-53 over pairs that `draw` makes. */
static double
worst_error(function *of, reference *exact, void (*draw)(double *a, double *b))
{
    double worst = 0;

    for (int i = 0; i < ROUNDS; i += VEC_LANES) {
        double a[VEC_LANES], b[VEC_LANES], got[VEC_LANES];

        for (int k = 0; k < VEC_LANES; k++)
            draw(&a[k], &b[k]);
        vd_store(got, of(vd_load(a), vd_load(b)));
        for (int k = 0; k < VEC_LANES; k++) {
            long double want = exact(a[k], b[k]);
            double error = (double)fabsl((got[k] - want) / want) * 0x1p53;

            if (want == 0 && got[k] == 0)
                continue;
            if (!(error <= worst))
                worst = error;
        }
    }
    return worst;
}

static vd
exp_1(vd a, vd b)
{
    return vd_exp(a);
}

static long double
exp_exact(double a, double b)
{
    return expl(a);
}

static void
draw_exponent(double *a, double *b)
{
    *a = unit() < 0.5 ? uniform(-708, 709) : uniform(-2, 2);
    *b = 0;
}

static vd
half_square(vd a, vd b)
{
    vd k, p = vd_exp_half_square(a, &k);

    return vd_scale(p * 0x1p500, k + b);
}

/* The square's low part by hand: 64 bits do not hold it. */
static long double
half_square_exact(double a, double b)
{
    double low, high = a * a;

    low = fma(a, a, -high);
    return ldexpl(expl(-0.5L * high) * (1 - 0.5L * low), 500 + (int)b);
}

static void
draw_far(double *a, double *b)
{
    *a = uniform(-52.9, 52.9);
    *b = 500;
}

static vd
expm1_near(vd a, vd b)
{
    return vd_expm1_near(a);
}

static long double
expm1_exact(double a, double b)
{
    return expm1l(a);
}

static void
draw_small(double *a, double *b)
{
    *a = uniform(-0.346, 0.346) * (unit() < 0.5 ? 1 : exp(uniform(-40, 0)));
    *b = 0;
}

static vd
density(vd a, vd b)
{
    return vd_density(a);
}

static long double
density_exact(double a, double b)
{
    return expl(-0.5L * a) / sqrtl(2 * M_PIl);
}

static void
draw_square(double *a, double *b)
{
    *a = unit() < 0.5 ? uniform(-5, 1300) : uniform(-5, 20);
    *b = 0;
}

static vd
log_1(vd a, vd b)
{
    return vd_log(a);
}

static long double
log_exact(double a, double b)
{
    return logl(a);
}

static void
draw_positive(double *a, double *b)
{
    double kind = unit();

    *a = kind < 0.3   ? exp(uniform(-744, 709))
         : kind < 0.6 ? 1 + uniform(-1, 1) * exp(uniform(-36, -1))
                      : uniform(0.3, 3);
    *b = 0;
}

static vd
log1p_1(vd a, vd b)
{
    return vd_log1p(a);
}

static long double
log1p_exact(double a, double b)
{
    return log1pl(a);
}

static void
draw_above_minus_1(double *a, double *b)
{
    double kind = unit();

    *a = kind < 0.4   ? uniform(-1, 1) * exp(uniform(-300, 0))
         : kind < 0.7 ? uniform(-0.999, 5)
                      : exp(uniform(0, 700));
    *b = 0;
}

static vd
log_ratio_2(vd a, vd b)
{
    return vd_log_ratio(a, b);
}

static long double
log_ratio_exact(double a, double b)
{
    double quotient = a / b;

    if (quotient > 0.5 && quotient < 2)
        return log1pl(((long double)a - b) / b);
    return logl(a) - logl(b);
}

static vd
log_quotient_2(vd a, vd b)
{
    vd k, s = vd_log_quotient(a, b, &k);

    return vd_log_series(s, k);
}

static void
draw_like_pair(double *a, double *b)
{
    double away = unit() < 0.7 ? 1 + uniform(-1, 1) * exp(uniform(-36, -0.7))
                               : exp(uniform(-115, 115));

    *a = exp(uniform(-115, 115));
    *b = *a * away;
}

static void
draw_pair(double *a, double *b)
{
    *a = exp(uniform(-600, 600));
    *b = unit() < 0.7 ? *a * (1 + uniform(-1, 1) * exp(uniform(-36, -0.7)))
                      : exp(uniform(-600, 600));
}

static vd
mills_1(vd a, vd b)
{
    return vd_mills(a);
}

/* erfc near 0, the continued fraction 1/(w + 1/(w + 2/(w + ...))) far out. */
static long double
mills_exact(double w, double b)
{
    long double f = w;

    if (w < 3)
        return sqrtl(M_PIl / 2) * expl(0.5L * w * w) * erfcl(w / sqrtl(2));
    for (int k = 200; k > 0; k--)
        f = w + k / f;
    return 1 / f;
}

static void
draw_depth(double *a, double *b)
{
    *a = unit() < 0.9 ? uniform(0, 60) : exp(uniform(-30, 57));
    *b = 0;
}

static const struct {
    const char *name;
    function *of;
    reference *exact;
    void (*draw)(double *a, double *b);
    double units;
} table[] = {
    {"vd_exp", exp_1, exp_exact, draw_exponent, 2},
    {"vd_exp_half_square", half_square, half_square_exact, draw_far, 2},
    {"vd_expm1_near", expm1_near, expm1_exact, draw_small, 2},
    {"vd_density", density, density_exact, draw_square, 3},
    {"vd_log", log_1, log_exact, draw_positive, 3},
    {"vd_log1p", log1p_1, log1p_exact, draw_above_minus_1, 3},
    {"vd_log_ratio", log_ratio_2, log_ratio_exact, draw_pair, 3},
    {"vd_log_quotient", log_quotient_2, log_ratio_exact, draw_like_pair, 3},
    {"vd_mills", mills_1, mills_exact, draw_depth, 8},
};

static void
test_every_function_is_within_its_stated_error(void **state)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        double worst = worst_error(table[i].of, table[i].exact, table[i].draw);

        print_message("%-20s %.2f units of 2^-53, stated %.1f\n", table[i].name, worst,
                      table[i].units);
        assert_true(worst <= table[i].units);
    }
}

/* Every lane of v is `want`, NaN included. */
static void
assert_all(vd v, double want)
{
    double lane[VEC_LANES];

    vd_store(lane, v);
    for (int k = 0; k < VEC_LANES; k++)
        if (!(lane[k] == want || (isnan(lane[k]) && isnan(want))))
            fail_msg("lane %d is %.17g, expected %.17g", k, lane[k], want);
}

static void
test_exp_underflows_overflows_and_keeps_nan(void **state)
{
    vd k;

    assert_all(vd_exp(vd_set(-INFINITY)), 0);
    assert_all(vd_exp(vd_set(-746)), 0);
    assert_all(vd_exp(vd_set(0)), 1);
    assert_all(vd_exp(vd_set(710)), INFINITY);
    assert_all(vd_exp(vd_set(INFINITY)), INFINITY);
    assert_all(vd_exp(vd_set(NAN)), NAN);
    assert_all(vd_exp_half_square(vd_set(INFINITY), &k), 0);
    assert_all(k, 0);
}

static void
test_split_and_scale_reach_denormals(void **state)
{
    vd e, m = vd_split(vd_set(0x1.8p-1070), &e);

    assert_all(m, 1.5);
    assert_all(e, -1070);
    assert_all(vd_scale(m, e), 0x1.8p-1070);
    assert_all(vd_scale(vd_set(1.5), vd_set(-2044)), 0);
    assert_all(vd_log_ratio(vd_set(5e-324), vd_set(5e-324)), 0);
}

static void
test_masks_have_one_bit_a_lane(void **state)
{
    double ramp[VEC_LANES];
    vm upper;

    for (int k = 0; k < VEC_LANES; k++)
        ramp[k] = k;
    upper = vm_lt(vd_set(0.5), vd_load(ramp));
    assert_int_equal(vm_bits(upper), (1u << VEC_LANES) - 2);
    assert_true(vm_any(upper) && !vm_all(upper));
    assert_int_equal(vm_bits(vm_not(upper)), 1);
    assert_all(vd_pick(upper, vd_set(2), vd_set(2)), 2);
    vd_store(ramp, vd_pick(upper, vd_set(2), vd_set(-3)));
    assert_true(ramp[0] == -3 && ramp[1] == 2);
    assert_all(vd_copysign(vd_set(2), vd_set(-0.0)), -2);
    assert_all(vd_flip(vd_set(2), vd_set(-0.0)), -2);
    assert_all(vd_flip(vd_set(-2), vd_set(-1)), 2);
    assert_all(vd_flip(vd_set(-2), vd_set(1)), -2);
    assert_int_equal(vm_bits(vm_set()), (1u << VEC_LANES) - 1);
    assert_all(vd_max(vd_set(1), vd_set(NAN)), NAN);
    assert_all(vd_min(vd_set(1), vd_set(NAN)), NAN);
}

static void
test_a_density_is_0_far_out_and_never_denormal(void **state)
{
    assert_all(vd_density(vd_set(1416)), vd_density(vd_set(1416))[0]);
    for (double a = 1300; a <= 5000; a += 7) {
        double lane = vd_density(vd_set(a))[0];

        assert_true(lane >= 0 && (a < 1500 || lane == 0));
    }
}

/* vm_bits() of what a test of each lane's sign finds. */
static unsigned
signs(vd tested)
{
    return vm_bits(vm_negative(tested));
}

static void
test_ranges_are_signs_and_know_nan_infinity_and_minus(void **state)
{
    static const double outside[] = {NAN, INFINITY, -INFINITY, -4,  -0.0,
                                     0,   1e-300,   0.5,       3.5, 1e300};
    static const double inside[] = {1, 1.5, 2, 3};
    const unsigned all = (1u << VEC_LANES) - 1;

    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        if (signs(vd_within(vd_set(0), vd_set(outside[i]), 1, 3)) != all)
            fail_msg("%g is within 1 to 3", outside[i]);
        assert_int_equal(signs(vd_without(vd_set(0), vd_set(fabs(outside[i])), 1, 3)), 0);
    }
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        assert_int_equal(signs(vd_within(vd_set(0), vd_set(inside[i]), 1, 3)), 0);
        assert_int_equal(signs(vd_within(vd_set(-1), vd_set(inside[i]), 1, 3)), all);
        assert_int_equal(signs(vd_without(vd_set(0), vd_set(inside[i]), 1, 3)), all);
    }
    assert_int_equal(signs(vd_within(vd_set(0), vd_set(0), 0, 3)), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_function_is_within_its_stated_error),
        cmocka_unit_test(test_exp_underflows_overflows_and_keeps_nan),
        cmocka_unit_test(test_split_and_scale_reach_denormals),
        cmocka_unit_test(test_a_density_is_0_far_out_and_never_denormal),
        cmocka_unit_test(test_ranges_are_signs_and_know_nan_infinity_and_minus),
        cmocka_unit_test(test_masks_have_one_bit_a_lane),
    };

    if (!quant_cpu_force(LEVEL)) {
        print_message("this machine has no %s\n", quant_cpu_name(LEVEL));
        return 77;
    }
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
