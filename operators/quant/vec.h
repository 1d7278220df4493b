/* SPDX-License-Identifier: Apache-2.0
 * vec - vectors of doubles and the functions that the kernels need on them, written once and
 * compiled for each level of quant/cpu.h: a kernel_*.c defines VEC_AVX2, VEC_AVX512 or VEC_PORTABLE
 * and includes its templates, which include this.
 *
 *     vd       VEC_LANES doubles; + - * / work by lane, also with a plain double
 *     vm       a mask of lanes
 *     vd_fma   a b + c, fused except at the portable level: never rely on the single rounding
 *
 * Every function works lane by lane, so a result depends neither on a lane's place nor on its
 * neighbours. Nothing here is compiled with -ffast-math and nothing touches MXCSR.
 *
 * Polynomials are Chebyshev fits made with 60 digits; what a fit leaves is below 0.3 units. Errors
 * are relative, in units of 2^-53, and measured at every level by tests/operators/quant_vec.c.
 * NaN in, NaN out unless a domain is stated; outside of a stated domain the result is any number
 * or NaN. */
#ifndef QUANT_VEC_H
#define QUANT_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- The level: types, memory, masks, and what needs an instruction of its own -------------- */

#if defined(VEC_AVX512)
#include <immintrin.h>
enum { VEC_LANES = 8 };
typedef __m512d vd;
typedef int vint __attribute__((vector_size(32)));
typedef __mmask8 vm;
typedef unsigned long long vu __attribute__((vector_size(64)));
#elif defined(VEC_AVX2)
#include <immintrin.h>
enum { VEC_LANES = 4 };
typedef __m256d vd;
typedef int vint __attribute__((vector_size(16)));
typedef long long vm __attribute__((vector_size(32)));
typedef unsigned long long vu __attribute__((vector_size(32)));
#else
enum { VEC_LANES = 2 };
typedef double vd __attribute__((vector_size(16)));
typedef int vint __attribute__((vector_size(8)));
typedef long long vm __attribute__((vector_size(16)));
typedef unsigned long long vu __attribute__((vector_size(16)));
#endif

#define VEC_FN static inline __attribute__((always_inline, unused))

VEC_FN vd
vd_load(const double *from)
{
    vd v;

    memcpy(&v, from, sizeof v);
    return v;
}

/* VEC_LANES ints. */
VEC_FN vd
vd_load_int(const void *from)
{
    vint v;

    memcpy(&v, from, sizeof v);
#if defined(VEC_AVX512)
    return _mm512_cvtepi32_pd((__m256i)v);
#else
    return __builtin_convertvector(v, vd);
#endif
}

VEC_FN void
vd_store(double *to, vd v)
{
    memcpy(to, &v, sizeof v);
}

#if defined(VEC_AVX512)

VEC_FN vd
vd_set(double value)
{
    return _mm512_set1_pd(value);
}

VEC_FN vm
vm_lt(vd a, vd b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}

VEC_FN vm
vm_le(vd a, vd b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ);
}

VEC_FN vm
vm_eq(vd a, vd b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
}

VEC_FN vm
vm_and(vm a, vm b)
{
    return a & b;
}

VEC_FN vm
vm_or(vm a, vm b)
{
    return a | b;
}

VEC_FN vm
vm_xor(vm a, vm b)
{
    return a ^ b;
}

VEC_FN vm
vm_not(vm a)
{
    return (vm)~a;
}

/* Bit i is lane i. */
VEC_FN unsigned
vm_bits(vm m)
{
    return m;
}

/* m ? a : b */
VEC_FN vd
vd_pick(vm m, vd a, vd b)
{
    return _mm512_mask_blend_pd(m, b, a);
}

VEC_FN vd
vd_fma(vd a, vd b, vd c)
{
    return _mm512_fmadd_pd(a, b, c);
}

VEC_FN vd
vd_sqrt(vd a)
{
    return _mm512_sqrt_pd(a);
}

VEC_FN vd
vd_abs(vd a)
{
    return _mm512_abs_pd(a);
}

/* |a| with the sign of b */
VEC_FN vd
vd_copysign(vd a, vd b)
{
    return _mm512_or_pd(_mm512_abs_pd(a), _mm512_and_pd(b, _mm512_set1_pd(-0.0)));
}

/* a > b ? a : b: b where one of them is NaN. */
VEC_FN vd
vd_max(vd a, vd b)
{
    return _mm512_max_pd(a, b);
}

/* a < b ? a : b: b where one of them is NaN. */
VEC_FN vd
vd_min(vd a, vd b)
{
    return _mm512_min_pd(a, b);
}

/* 2^k for whole k of -1022..1023 */
VEC_FN vd
vd_power_of_2(vd k)
{
    return _mm512_scalef_pd(_mm512_set1_pd(1), k);
}

/* a 2^k rounded once or, away from AVX-512, twice where it is denormal; k whole, |k| <= 2044 */
VEC_FN vd
vd_scale(vd a, vd k)
{
    return _mm512_scalef_pd(a, k);
}

/* x = m 2^e with 1 <= m < 2. For positive finite x, denormal ones too. */
VEC_FN vd
vd_split(vd x, vd *e)
{
    *e = _mm512_getexp_pd(x);
    return _mm512_getmant_pd(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
}

/* x^2 = result + *low to twice the precision. */
VEC_FN vd
vd_square(vd x, vd *low)
{
    vd high = x * x;

    *low = _mm512_fmsub_pd(x, x, high);
    return high;
}

#else

VEC_FN vm
vm_lt(vd a, vd b)
{
    return (vm)(a < b);
}

VEC_FN vm
vm_le(vd a, vd b)
{
    return (vm)(a <= b);
}

VEC_FN vm
vm_eq(vd a, vd b)
{
    return (vm)(a == b);
}

VEC_FN vm
vm_and(vm a, vm b)
{
    return a & b;
}

VEC_FN vm
vm_or(vm a, vm b)
{
    return a | b;
}

VEC_FN vm
vm_xor(vm a, vm b)
{
    return a ^ b;
}

VEC_FN vm
vm_not(vm a)
{
    return ~a;
}

#if defined(VEC_AVX2)

VEC_FN vd
vd_set(double value)
{
    return _mm256_set1_pd(value);
}

VEC_FN unsigned
vm_bits(vm m)
{
    return (unsigned)_mm256_movemask_pd((vd)m);
}

VEC_FN vd
vd_pick(vm m, vd a, vd b)
{
    return _mm256_blendv_pd(b, a, (vd)m);
}

VEC_FN vd
vd_fma(vd a, vd b, vd c)
{
    return _mm256_fmadd_pd(a, b, c);
}

VEC_FN vd
vd_sqrt(vd a)
{
    return _mm256_sqrt_pd(a);
}

VEC_FN vd
vd_max(vd a, vd b)
{
    return _mm256_max_pd(a, b);
}

VEC_FN vd
vd_min(vd a, vd b)
{
    return _mm256_min_pd(a, b);
}

VEC_FN vd
vd_square(vd x, vd *low)
{
    vd high = x * x;

    *low = _mm256_fmsub_pd(x, x, high);
    return high;
}

#else

VEC_FN vd
vd_set(double value)
{
    return (vd){value, value};
}

VEC_FN unsigned
vm_bits(vm m)
{
    return (unsigned)((m[0] & 1) | (m[1] & 2));
}

VEC_FN vd
vd_pick(vm m, vd a, vd b)
{
    return (vd)((m & (vm)a) | (~m & (vm)b));
}

VEC_FN vd
vd_fma(vd a, vd b, vd c)
{
    return a * b + c;
}

VEC_FN vd
vd_sqrt(vd a)
{
    return (vd){sqrt(a[0]), sqrt(a[1])};
}

VEC_FN vd
vd_max(vd a, vd b)
{
    return vd_pick((vm)(a > b), a, b);
}

VEC_FN vd
vd_min(vd a, vd b)
{
    return vd_pick((vm)(a < b), a, b);
}

/* The upper 26 bits of x have an exact square. */
VEC_FN vd
vd_square(vd x, vd *low)
{
    vd top = (vd)((vu)x & ~((1ull << 27) - 1));

    *low = (x - top) * (x + top);
    return top * top;
}

#endif

VEC_FN vd
vd_abs(vd a)
{
    return (vd)((vu)a & ~(1ull << 63));
}

VEC_FN vd
vd_copysign(vd a, vd b)
{
    return (vd)(((vu)a & ~(1ull << 63)) | ((vu)b & (1ull << 63)));
}

/* By writing the exponent. */
VEC_FN vd
vd_power_of_2(vd k)
{
    return (vd)((vu)(k + (0x1.8p52 + 1023)) << 52);
}

VEC_FN vd
vd_scale(vd a, vd k)
{
    vd half = k * 0.5 + 0x1.8p52 - 0x1.8p52;

    return a * vd_power_of_2(half) * vd_power_of_2(k - half);
}

VEC_FN vd
vd_split(vd x, vd *e)
{
    vm denormal = vm_lt(x, vd_set(0x1p-1022));
    vu bits = (vu)vd_pick(denormal, x * 0x1p54, x);

    *e = (vd)(bits >> 52 | 0x4330000000000000ull) - vd_pick(denormal, vd_set(0x1p52 + 1023 + 54),
                                                          vd_set(0x1p52 + 1023));
    return (vd)((bits & ((1ull << 52) - 1)) | 0x3ff0000000000000ull);
}

#endif

/* ---- The same at every level ----------------------------------------------------------------- */

/* All lanes. */
VEC_FN vm
vm_set(void)
{
#if defined(VEC_AVX512)
    return (vm)-1;
#else
    return (vm){0} == (vm){0};
#endif
}

VEC_FN int
vm_any(vm m)
{
    return vm_bits(m) != 0;
}

VEC_FN int
vm_all(vm m)
{
    return vm_bits(m) == (1u << VEC_LANES) - 1;
}

VEC_FN vu
vd_bits(double value)
{
    return (vu)vd_set(value);
}

/* Tests whose result is the sign of a lane: `bad`, and a sign where not low <= x <= high. These are
 * constants, not negative. */
VEC_FN vd
vd_within(vd bad, vd x, double low, double high)
{
    return (vd)((vu)bad | ((vu)x - vd_bits(low)) | (vd_bits(high) - (vu)x));
}

/* The same where low <= x <= high, x >= 0. */
VEC_FN vd
vd_without(vd bad, vd x, double low, double high)
{
    return (vd)((vu)bad | ~(((vu)x - vd_bits(low)) | (vd_bits(high) - (vu)x)));
}

/* Lanes with a sign. */
VEC_FN vm
vm_negative(vd a)
{
#if defined(VEC_AVX512)
    return _mm512_movepi64_mask((__m512i)a);
#else
    return (vm)((long long __attribute__((vector_size(sizeof(vd)))))a < 0);
#endif
}

/* a, with the other sign where b has one. */
VEC_FN vd
vd_flip(vd a, vd b)
{
    return (vd)((vu)a ^ ((vu)b & (1ull << 63)));
}

/* Nearest whole number, for |a| < 2^51. */
VEC_FN vd
vd_round(vd a)
{
    return a + 0x1.8p52 - 0x1.8p52;
}

/* c[0] + c[step] x + c[2 step] x^2 + ..., `terms` of them. */
VEC_FN vd
vd_horner(vd x, const double *c, int step, int terms)
{
    vd sum = vd_set(c[(terms - 1) * step]);

    for (int k = terms - 2; k >= 0; k--)
        sum = vd_fma(sum, x, vd_set(c[k * step]));
    return sum;
}

/* ---- exp ------------------------------------------------------------------------------------- */

/* exp(r) - 1, 2 units, |r| < 0.346. */
VEC_FN vd
vd_expm1_near(vd r)
{
    /* (exp(r) - 1 - r) / r^2 */
    static const double c[] = {
        0x1.0000000000001p-1,  0x1.5555555555557p-3,  0x1.5555555553d36p-5,
        0x1.11111111100bdp-7,  0x1.6c16c1789d53bp-10, 0x1.a01a01abf881cp-13,
        0x1.a019b8c9728e5p-16, 0x1.71de01fd535cdp-19, 0x1.2891d5bb21b57p-22,
        0x1.af4e560b572dbp-26,
    };
    vd r2 = r * r;

    return vd_fma(r2, vd_fma(r, vd_horner(r2, c + 1, 2, 5), vd_horner(r2, c, 2, 5)), r);
}

/* exp(high + low) = (1 + result) 2^k, |result| < 0.42, 2 units; |high| < 1e6, |low| <= 1e-6; k is 0
 * for |high| < 0.34. */
VEC_FN vd
vd_expm1_parts(vd high, vd low, vd *k)
{
    const double ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;

    *k = vd_round(high * 0x1.71547652b82fep0);
    /* k ln2_high is exact for |k| < 2^16 */
    return vd_expm1_near(vd_fma(-*k, vd_set(ln2_high), high) + vd_fma(-*k, vd_set(ln2_low), low));
}

/* exp(high + low) = result 2^k, 0.7 < result < 1.42, 2 units; domain as above. */
VEC_FN vd
vd_exp_parts(vd high, vd low, vd *k)
{
    return 1.0 + vd_expm1_parts(high, low, k);
}

/* exp(-a / 2) / sqrt(2 pi), 3 units; -5 <= a <= 5000, 0 from 1416
 * on, above 1300 too few digits or none. */
VEC_FN vd
vd_density(vd a)
{
#if defined(VEC_AVX512)
    /* 2^(j/16) / sqrt(2 pi) */
    static const double table[16] = {
        0x1.9884533d43651p-2, 0x1.aa9a7de112a90p-2, 0x1.bd7da73c593e6p-2, 0x1.d136e2bd7fc06p-2,
        0x1.e5cfaab0e879ap-2, 0x1.fb51e4ced6fe0p-2, 0x1.08e3f37e7b1e4p-1, 0x1.149e3e22e30aep-1,
        0x1.20dd750429b6dp-1, 0x1.2da77ab15c5c6p-1, 0x1.3b02746d00a35p-1, 0x1.48f4cd2113849p-1,
        0x1.5785387480b39p-1, 0x1.66bab6038de94p-1, 0x1.769c94bcc6397p-1, 0x1.873276640323ep-1,
    };
    /* (exp(-r/2) - 1) / r on |r| <= ln(2)/16 */
    static const double c[] = {
        -0x1.0000000000003p-1, 0x1.0000000000001p-3,   -0x1.555555547d378p-6,
        0x1.55555554e9468p-9,  -0x1.11123cf1dba3ap-12, 0x1.6c17ed4cc4834p-16,
    };
    const double high = 0x1.62e42fefap0, low = 0x1.cf79abc9e3b3ap-39; /* 2 ln 2 */
    /* -a/2 log2(e) in steps of 1/16, whose number's last four bits are the last of `step` */
    vd step = vd_fma(a, vd_set(-0x1.71547652b82fep-1), vd_set(0x1.8p48)), k = step - 0x1.8p48;
    vd r = vd_fma(k, vd_set(low), vd_fma(k, vd_set(high), a));
    vd power = _mm512_permutex2var_pd(vd_load(table), (__m512i)step, vd_load(table + 8));

    return vd_scale(vd_fma(power * r, vd_horner(r, c, 1, 6), power), k); /* k as rounded down */
#else
    vd k, p = vd_exp_parts(-0.5 * a, vd_set(0), &k);

    p = p * 0.39894228040143267794 * vd_power_of_2(vd_max(vd_set(-1000), k));
    return vd_pick(vm_lt(k, vd_set(-1000)), vd_set(0), p);
#endif
}

/* 2 units; 0 below -745.2, infinite above 709.8, rounded twice where denormal. */
VEC_FN vd
vd_exp(vd x)
{
    vd k, p = vd_exp_parts(vd_max(vd_set(-800), vd_min(vd_set(800), x)), vd_set(0), &k);

    return vd_scale(p, k);
}

/* exp(-z^2 / 2) = result 2^k with k >= -2044, 2 units also where z is large; result and k are 0
 * from |z| = 53 on, where it is below 1e-609. */
VEC_FN vd
vd_exp_half_square(vd z, vd *k)
{
    vd far = vd_abs(z), low, high, p;
    vm gone = vm_le(vd_set(53), far);

    high = vd_square(vd_pick(gone, vd_set(0), far), &low);
    p = vd_exp_parts(-0.5 * high, -0.5 * low, k);
    return vd_pick(gone, vd_set(0), p);
}

/* ---- log ------------------------------------------------------------------------------------- */

/* ln((1 + s) / (1 - s)) + k ln 2, |s| < 0.172. */
VEC_FN vd
vd_log_series(vd s, vd k)
{
    /* (2 atanh(s) / s - 2) / s^2 as polynomial of s^2 */
    static const double c[] = {
        0x1.5555555555558p-1, 0x1.9999999995219p-2, 0x1.2492492e0644ep-2, 0x1.c71c62cbfea3fp-3,
        0x1.7462bba41c635p-3, 0x1.39fd807189bb6p-3, 0x1.2b62ca3da2e33p-3,
    };
    const double ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
    vd z = s * s, z2 = z * z;
    vd p = vd_fma(z, vd_horner(z2, c + 1, 2, 3), vd_horner(z2, c, 2, 4));

    return vd_fma(k, vd_set(ln2_high), (s + s) + vd_fma(s * z, p, k * ln2_low));
}

/* The logarithm of a quotient a / b of 0.7 to 1.42, and k ln 2, by its difference a - b, which is
 * exact, and its sum. */
VEC_FN vd
vd_log_near(vd difference, vd sum, vd k)
{
    return vd_log_series(difference / sum, k);
}

/* x = m 2^e with 0.7 < m < 1.42. */
VEC_FN vd
vd_split_near_1(vd x, vd *e)
{
    vd m = vd_split(x, e);
    vm big = vm_lt(vd_set(0x1.6a09e667f3bcdp0), m);

    *e = vd_pick(big, *e + 1.0, *e);
    return vd_pick(big, 0.5 * m, m);
}

/* 3 units, also near 1; x positive and finite. */
VEC_FN vd
vd_log(vd x)
{
    vd k, m = vd_split_near_1(x, &k);

    return vd_log_near(m - 1.0, m + 1.0, k);
}

/* Makes a / b 0.7 to 1.42, and 2^k times less than it was; a and b positive and finite. */
VEC_FN void
vd_log_reduce(vd *a, vd *b, vd *k)
{
    const double root2 = 0x1.6a09e667f3bcdp0;
    vd ka, kb, ma = vd_split(*a, &ka), mb = vd_split(*b, &kb);
    vm big = vm_lt(root2 * mb, ma), small = vm_lt(root2 * ma, mb);

    *k = ka - kb;
    *a = vd_pick(big, 0.5 * ma, vd_pick(small, 2.0 * ma, ma));
    *b = mb;
    *k = vd_pick(big, *k + 1.0, vd_pick(small, *k - 1.0, *k));
}

/* ln(a / b), 3 units, also where a is near b; a and b positive and finite. */
VEC_FN vd
vd_log_ratio(vd a, vd b)
{
    vd k;

    vd_log_reduce(&a, &b, &k);
    return vd_log_near(a - b, a + b, k);
}

/* s and k of ln(a / b) = vd_log_series(s, k), 3 units, also where a is near b; a, b and a / b of
 * 1e-100 to 1e100. */
VEC_FN vd
vd_log_quotient(vd a, vd b, vd *k)
{
#if defined(VEC_AVX512)
    vd e = _mm512_getexp_pd(0x1.6a09e667f3bcdp0 * b * _mm512_rcp14_pd(a));

    a = vd_scale(a, e); /* b is 0.7 to 1.42 times that */
    *k = -e;
#else
    vd_log_reduce(&a, &b, k);
#endif
    return (a - b) / (a + b);
}

/* ln(1 + x), 3 units, also near 0; finite x > -1. */
VEC_FN vd
vd_log1p(vd x)
{
    vd sum = 1.0 + x, lost = vd_pick(vm_lt(x, vd_set(1)), x - (sum - 1.0), 1.0 - (sum - x));
    vd k, m = vd_split_near_1(sum, &k);
    vm near = vm_eq(k, vd_set(0)); /* there x / (2 + x) loses nothing */
    vd log = vd_log_near(vd_pick(near, x, m - 1.0), vd_pick(near, 2.0 + x, m + 1.0), k);

    return vd_pick(near, log, log + lost / sum);
}

/* ---- The normal distribution ----------------------------------------------------------------- */

/* N(-w) / n(w), the Mills ratio, 6 units with fused products, 8 without; 0 <= w <= 1e25.
 * N(-w) = result x exp(-w^2/2) / sqrt(2 pi), erfcx(x) = sqrt(2/pi) x result at w = sqrt(2) x.
 * A quotient of polynomials without a negative coefficient, like the convergents of Laplace's
 * continued fraction, but the best of its degree for all w at once (Remez, 70 digits). */
VEC_FN vd
vd_mills(vd w)
{
    static const double over[] = {
        0x1.6f7099b0cca71p+20, 0x1.3b34113015f5bp+21, 0x1.0b2b2cb4aa231p+21, 0x1.21f796e1550ddp+20,
        0x1.baaa0a3459c65p+18, 0x1.eec415061880fp+16, 0x1.99caa7b78df02p+14, 0x1.f1be963cb9ff2p+11,
        0x1.aa5c4bbe1a9e2p+8, 0x1.d544b446e4abcp+4, 1,
    };
    static const double under[] = {
        0x1.252cb13d3adc1p+20, 0x1.7074a5938fcbcp+21, 0x1.b1dc75ccecd30p+21, 0x1.3c9c2b76d35c8p+21,
        0x1.3f046eb7bafe3p+20, 0x1.d374067b56148p+18, 0x1.fe176122d8ceap+16, 0x1.a06c18e66fe53p+14,
        0x1.f5691fa549808p+11, 0x1.ab5c4bbe1a8cap+8, 0x1.d544b446e4ac5p+4, 1,
    };

    vd w2 = w * w;

    return vd_fma(w, vd_horner(w2, over + 1, 2, 5), vd_horner(w2, over, 2, 6)) /
           vd_fma(w, vd_horner(w2, under + 1, 2, 6), vd_horner(w2, under, 2, 6));
}

#endif
