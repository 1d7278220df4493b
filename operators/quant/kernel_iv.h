/* SPDX-License-Identifier: Apache-2.0
 * kernel_iv - implied volatility of a block of options (quant/iv.h), a template on vec.h.
 *
 * The method is that of iv.h but for the start and the objective. In a = |x| and the normalised
 * price b, the start is exact for Bachelier's model, b = s n(a/s) - a N(-a/s), with the first
 * corrections for Black's; so one or two third-order Householder steps on ln b (on the logarithm
 * of what is missing to the maximum above half of it) are what most options need. A lane that has
 * converged stands still while others go on: its result does not depend on them. */
#ifndef QUANT_KERNEL_IV_H
#define QUANT_KERNEL_IV_H

#include "kernel.h"
#include "quant/iv.h"
#include "vec_dd.h"

enum { IV_STEPS_MAX = 6, IV_TERMS_MAX = 40 };

/* The steps are of order four: one that moved s by less than this leaves nothing to do. */
#define IV_LAST_STEP 3e-5
/* What is left to the scalar code: prices and volatilities under IV_PRICE_MIN; underlyings and
 * strikes, discounted or not, over IV_SIZE_MAX or under its inverse; forwards nearer to the strike
 * than IV_CANCELS of the carry, since vdd_exp() has digits for 24 bits of cancellation; and prices
 * nearer to intrinsic value or maximum than IV_DOUBT of it, unless they turn out well. */
#define IV_PRICE_MIN 1e-290
#define IV_SIZE_MAX 1e140
#define IV_CANCELS 0x1p-24
#define IV_DOUBT 0x1p-54

VEC_FN struct vdd
iv_load(const struct iv_pairs *from, size_t i)
{
    return (struct vdd){vd_load(from->hi + i), vd_load(from->lo + i)};
}

VEC_FN void
iv_store(struct iv_pairs *to, size_t i, struct vdd v)
{
    vd_store(to->hi + i, v.hi);
    vd_store(to->lo + i, v.lo);
}

static void
kernel_iv_expiries(struct iv_block *b, size_t n)
{
    for (size_t i = 0; i < n; i += VEC_LANES) {
        vd t = vd_load(b->t + i), rate = vd_load(b->rate + i), yield = vd_load(b->yield + i);
        struct vdd carry = vdd_scale(vdd_sum(rate, -yield), t), gain = vdd_set(0, 0);
        struct vdd cash_df = vdd_exp(vdd_product(-rate, t)).exp, asset_df = cash_df;

        if (!vm_all(vm_eq(carry.hi, vd_set(0)))) {
            struct vdd_exp growth = vdd_exp(carry);

            gain = growth.expm1;
            asset_df = vdd_mul(cash_df, growth.exp);
        }
        iv_store(&b->asset_df, i, asset_df);
        iv_store(&b->cash_df, i, cash_df);
        iv_store(&b->carry, i, carry);
        iv_store(&b->gain, i, gain);
        vd_store(b->root_t + i, vd_sqrt(t));
    }
}

/* ---- The normalised problem ----------------------------------------------------------------- */

struct iv_lanes {
    vd a;              /* |ln(F/K)| */
    vd price, missing; /* b, and the maximum less b */
    vm upper;          /* b is above half of the maximum: the target is `missing` */
    vd target;
};

/* Bachelier's model first: there G = s z / a with z = ln(1 + a/b) is a function of z alone, and
 * `bachelier` is G / (w + 5/2), w = sqrt(z) < 27, as polynomial of
 * y = (10 (w - 3)/(w + 3) + 1) / 9 with relative error 7e-6. Black's s is larger by the factor
 * 1 + d + 2.1 d^2 + ..., d = k (s/2)^2; `black` is k(z), to 2e-4, in y as well. */
VEC_FN vd
iv_start(const struct iv_lanes *l)
{
    static const double bachelier[] = {
        0x1.1e74134a92e0cp-1,  -0x1.8810b188bfe72p-3, 0x1.e4a3ba4716222p-2,  0x1.a11f361d7e9edp-7,
        -0x1.52c4c2b3098abp-1, 0x1.80a3974f2bd63p-4,  0x1.9e9ebce699d5ep+0,  -0x1.c36ea6694b703p-2,
        -0x1.d3c86bf8aef4cp+1, 0x1.33a673ec264efp+0,  0x1.91e9337c827c0p+2,  -0x1.18f066dd03fefp+1,
        -0x1.ddefb68091b0cp+2, 0x1.548c72573d419p+1,  0x1.6caa1b8e406c3p+2,  -0x1.05082a5e27315p+1,
        -0x1.3ee9e5c00305bp+1, 0x1.c84c3b8558e25p-1,  0x1.e44b4f0828dd6p-2,  -0x1.59a7bbfd27f80p-3,
    };
    static const double black[] = {
        0x1.cf34e39fda810p-5,  -0x1.9cb278c3c71a0p-3, 0x1.c4cf8bd311ba0p-3,  0x1.ee09e2b439da9p-3,
        -0x1.6cd4c8b3fdca8p-1, -0x1.43946c97a5e14p-4, 0x1.2470207b50f8ep+0,  -0x1.f7ac01a4149bcp-3,
        -0x1.ce9fba227adffp-1, 0x1.45f7051639dfcp-2,  0x1.1e7e8acb4b02bp-2,  -0x1.dc6f668b32691p-4,
    };
    vd quotient = l->a / l->price, z = vd_log1p(quotient), w = vd_sqrt(z);
    vd y = (w - 3.0) / (w + 3.0) * (10. / 9) + 1. / 9, y2 = y * y;
    vd g = vd_fma(y, vd_horner(y2, bachelier + 1, 2, 10), vd_horner(y2, bachelier, 2, 10));
    vd k = vd_fma(y, vd_horner(y2, black + 1, 2, 6), vd_horner(y2, black, 2, 6));
    vd s = g * (w + 2.5) * vd_pick(vm_lt(quotient, vd_set(1e-8)), l->price, l->a / z);
    vd d = 0.25 * k * s * s;

    return s + s * d / (1.0 - 2.2 * d);
}

/* black_ratio() for small t: see there. Lanes not in `wanted` get any number. */
VEC_FN vd
iv_small_t(vd h, vd t, vm wanted)
{
    vd even = vd_mills(-h), odd = vd_fma(h, even, vd_set(1));
    vd t2 = t * t, power = t, sum = odd * t;

    for (int n = 1; n < IV_TERMS_MAX && vm_any(wanted); n += 2) {
        vd term;

        even = vd_fma(h, odd, (double)n * even);
        odd = vd_fma(h, even, (double)(n + 1) * odd);
        power = power * (t2 * (1. / ((n + 1) * (n + 2))));
        term = odd * power;
        sum = vd_pick(wanted, sum + term, sum);
        wanted = vm_and(wanted, vm_lt(1e-17 * sum, term));
    }
    return sum + sum;
}

/* b / b', or where `upper` -missing / b': black_ratio() and black_complement_ratio(). */
VEC_FN vd
iv_ratio(const struct iv_lanes *l, vd h, vd t)
{
    vm small = vm_and(vm_lt(t, vd_set(0.6)), vm_lt(l->a, vd_set(1))), series, plain;
    vd r = vd_set(0);

    series = vm_and(small, vm_not(l->upper));
    plain = vm_not(series);
    if (vm_any(series))
        r = iv_small_t(h, t, series);
    if (vm_any(plain)) {
        vd z = h + t, near = vd_mills(vd_abs(z)), far = vd_mills(t - h), k;
        vd full = vd_exp_half_square(z, &k);
        vm above = vm_lt(vd_set(0), z);
        vd lower_ratio, upper_ratio;

        full = 2.50662827463100050242 / vd_scale(full, k); /* sqrt(2 pi) exp(z^2/2) */
        lower_ratio = vd_pick(above, full - near, near) - far;
        upper_ratio = -(vd_pick(above, near, full - near) + far);
        r = vd_pick(plain, vd_pick(l->upper, upper_ratio, lower_ratio), r);
    }
    return r;
}

/* Householder's step of order four on g = ln(b / price) or ln(missing(s) / missing). With
 * n = -g/g', `second` is n g''/g' and `third` n^2 g'''/g', formed without the square of a
 * reciprocal, which could overflow. */
VEC_FN vd
iv_step(const struct iv_lanes *l, vd s, vd *r)
{
    vd h = -(l->a / s), t = 0.5 * s, bend = h / s, exponent = 0.5 * vd_fma(h, h, t * t);
    vd gap, newton, bent, turned, second, third;

    *r = iv_ratio(l, h, t);
    gap = vd_log(l->target / vd_abs(*r) * 2.50662827463100050242) + exponent;
    newton = gap * *r;
    turned = bend * newton;
    bent = h * turned - 0.5 * t * newton;
    second = bent - gap;
    third = bent * bent - 3.0 * turned * turned - 0.25 * newton * newton +
            gap * (2.0 * gap - 3.0 * bent);
    return newton * (1.0 + 0.5 * second) / (1.0 + second + third * (1. / 6));
}

/* s with b(x,s) = price, and b / (b' s) there, in the lanes of `wanted`; returns those of them
 * that converged. */
VEC_FN vm
iv_find(const struct iv_lanes *l, vm wanted, vd *s, vd *elasticity)
{
    vm moving = wanted;
    vd r = vd_set(0);

    *s = iv_start(l);
    for (int i = 0; i < IV_STEPS_MAX && vm_any(moving); i++) {
        vd now, move = iv_step(l, *s, &now);
        vm last = vm_le(vd_abs(move), IV_LAST_STEP * *s);

        move = vd_max(-0.6 * *s, vd_min(2.0 * *s, move));
        *s = vd_pick(moving, *s + move, *s);
        r = vd_pick(moving, now, r);
        moving = vm_and(moving, vm_not(last));
    }
    *elasticity = vd_abs(r) / *s * (l->price / l->target);
    return vm_and(wanted, vm_not(moving));
}

/* ---- From the prices of the market ---------------------------------------------------------- */

/* log_forward_ratio() of iv.c. */
VEC_FN vd
iv_log_forward_ratio(vd underlying, vd strike, struct vdd carry, vd price, vm wanted)
{
    vd l = vd_log_ratio(underlying, strike), x = l + carry.hi, most = 2.0 * vd_abs(carry.hi);
    vm cancels = vm_and(wanted, vm_and(vm_le(vd_abs(x), most), vm_le(price, most)));

    if (vm_any(cancels)) {
        struct vdd back = vdd_exp((struct vdd){-l, vd_set(0)}).expm1;
        struct vdd off = vdd_add(vdd_sum(underlying, -strike), vdd_scale(back, underlying));

        x = vd_pick(cancels, vdd_add(carry, vdd_sum(l, off.hi / strike)).hi, x);
    }
    return x;
}

VEC_FN vm
iv_ordinary(vd size)
{
    return vm_and(vm_lt(vd_set(1 / IV_SIZE_MAX), size), vm_lt(size, vd_set(IV_SIZE_MAX)));
}

/* What a price is made of, in units of the market. */
struct iv_quotes {
    vd price, half_ulp;
    vd time_value, missing; /* over intrinsic value, to the maximum */
    vd scale;               /* sqrt of discounted underlying x discounted strike */
    struct vdd carry;
    vm ordinary; /* these numbers can be relied on */
    vm none;     /* no time value: `time_value` <= 0 for sure */
    vm excess;   /* `missing` <= 0 for sure */
};

VEC_FN struct iv_quotes
iv_quotes(const struct iv_block *b, size_t i, vd underlying, vd strike)
{
    vd price = vd_load(b->price + i), th = vd_load(b->th + i), over, e;
    struct vdd asset_df = iv_load(&b->asset_df, i), quote = {price, vd_set(0)};
    struct vdd asset = vdd_scale(asset_df, underlying);
    struct vdd cash = vdd_scale(iv_load(&b->cash_df, i), strike);
    struct vdd gain = vdd_mul(cash, iv_load(&b->gain, i));
    struct vdd parity = vdd_add(vdd_mul(vdd_sum(underlying, -strike), asset_df), gain);
    vm call = vm_lt(vd_set(0), th), inside = vm_lt(vd_set(0), th * parity.hi);
    struct vdd most = {vd_pick(call, asset.hi, cash.hi), vd_pick(call, asset.lo, cash.lo)};
    struct iv_quotes q = {.price = price, .carry = iv_load(&b->carry, i)};

    over = vdd_add(quote, (struct vdd){-th * parity.hi, -th * parity.lo}).hi;
    q.time_value = vd_pick(inside, over, price);
    q.missing = vdd_add(most, (struct vdd){-price, vd_set(0)}).hi;
    q.scale = vd_sqrt(asset.hi * cash.hi);
    vd_split(vd_max(price, vd_set(IV_PRICE_MIN)), &e);
    q.half_ulp = vd_scale(vd_set(1), e - 53.0);
    q.ordinary = vm_and(iv_ordinary(underlying), iv_ordinary(strike));
    q.ordinary = vm_and(q.ordinary, vm_and(iv_ordinary(asset.hi), iv_ordinary(cash.hi)));
    q.ordinary = vm_and(q.ordinary, vm_lt(vd_abs(price), vd_set(IV_SIZE_MAX)));
    q.ordinary = vm_and(q.ordinary, vm_lt(vd_set(0), vd_load(b->root_t + i)));
    q.ordinary = vm_and(q.ordinary, vm_le(IV_CANCELS * vd_abs(gain.hi), vd_abs(parity.hi)));
    q.excess = vm_and(q.ordinary, vm_lt(q.missing, -IV_DOUBT * most.hi));
    q.none = vm_or(vm_and(inside, vm_lt(over, -IV_DOUBT * most.hi)),
                   vm_and(vm_not(inside), vm_le(price, vd_set(0))));
    q.none = vm_and(vm_and(q.ordinary, vm_not(q.excess)), q.none);
    return q;
}

VEC_FN unsigned
iv_solve_vector(struct iv_block *b, size_t i)
{
    vd underlying = vd_load(b->underlying + i), strike = vd_load(b->strike + i);
    struct iv_quotes q = iv_quotes(b, i, underlying, strike);
    struct iv_lanes l = {.price = q.time_value / q.scale, .missing = q.missing / q.scale};
    vd s = vd_set(NAN), elasticity = vd_set(NAN), vol, conditioning, status, least;
    vm solved, below;

    least = vd_min(vd_min(q.price, l.price), l.missing);
    solved = vm_and(q.ordinary, vm_lt(vd_set(IV_PRICE_MIN), least));
    if (vm_any(solved)) {
        l.a = vd_abs(iv_log_forward_ratio(underlying, strike, q.carry, l.price, solved));
        l.upper = vm_lt(l.missing, l.price);
        l.target = vd_pick(l.upper, l.missing, l.price);
        solved = iv_find(&l, solved, &s, &elasticity);
    }
    vol = s / vd_load(b->root_t + i);
    conditioning = q.half_ulp / q.time_value * elasticity;
    solved = vm_and(solved, vm_lt(vd_set(IV_PRICE_MIN), vol));
    solved = vm_and(solved, vm_le(conditioning, vd_set(ILL_CONDITIONED)));
    below = vm_or(vm_lt(q.price, vd_set(0)), vm_lt(q.time_value, -4.0 * q.half_ulp));
    status = vd_pick(below, vd_set(IV_BELOW_INTRINSIC), vd_set(IV_NO_TIME_VALUE));
    status = vd_pick(q.excess, vd_set(IV_ABOVE_MAXIMUM), vd_pick(solved, vd_set(IV_OK), status));
    vd_store(b->status + i, status);
    vd_store(b->vol + i, vd_pick(solved, vol, vd_set(NAN)));
    vd_store(b->conditioning + i, vd_pick(solved, conditioning, vd_set(NAN)));
    return vm_bits(vm_or(solved, vm_or(q.none, q.excess)));
}

static uint64_t
kernel_iv(struct iv_block *b, size_t n)
{
    uint64_t solved = 0;

    for (size_t i = 0; i < n; i += VEC_LANES)
        solved |= (uint64_t)iv_solve_vector(b, i) << i;
    return solved;
}

#endif
