/* SPDX-License-Identifier: Apache-2.0
 * vec_dd - dd.h for the vectors of vec.h: the same algorithms lane by lane. */
#ifndef QUANT_VEC_DD_H
#define QUANT_VEC_DD_H

#include "vec.h"

struct vdd {
    vd hi, lo;
};

/* a + b where |a| >= |b| or a == 0, exactly. */
VEC_FN struct vdd
vdd_ordered_sum(vd a, vd b)
{
    vd sum = a + b;

    return (struct vdd){sum, b - (sum - a)};
}

/* a + b, exactly. */
VEC_FN struct vdd
vdd_sum(vd a, vd b)
{
    vd sum = a + b, part = sum - a;

    return (struct vdd){sum, (a - (sum - part)) + (b - part)};
}

/* a b to 107 bits. */
VEC_FN struct vdd
vdd_product(vd a, vd b)
{
    vd product = a * b;

#if defined(VEC_AVX512) || defined(VEC_AVX2)
    return (struct vdd){product, vd_fma(a, b, -product)};
#else /* by halves of 26 and 27 bits */
    vd a_top = (vd)((vu)a & ~((1ull << 27) - 1)), a_rest = a - a_top;
    vd b_top = (vd)((vu)b & ~((1ull << 27) - 1)), b_rest = b - b_top;

    return (struct vdd){product, ((a_top * b_top - product) + a_top * b_rest + a_rest * b_top) +
                                     a_rest * b_rest};
#endif
}

VEC_FN struct vdd
vdd_add(struct vdd a, struct vdd b)
{
    struct vdd hi = vdd_sum(a.hi, b.hi), lo = vdd_sum(a.lo, b.lo);

    hi = vdd_ordered_sum(hi.hi, hi.lo + lo.hi);
    return vdd_ordered_sum(hi.hi, hi.lo + lo.lo);
}

/* a + b where |a| >= |b| by far. */
VEC_FN struct vdd
vdd_ordered_add(struct vdd a, struct vdd b)
{
    struct vdd hi = vdd_ordered_sum(a.hi, b.hi);

    return vdd_ordered_sum(hi.hi, hi.lo + (a.lo + b.lo));
}

VEC_FN struct vdd
vdd_mul(struct vdd a, struct vdd b)
{
    struct vdd p = vdd_product(a.hi, b.hi);

    return vdd_ordered_sum(p.hi, p.lo + vd_fma(a.hi, b.lo, a.lo * b.hi));
}

VEC_FN struct vdd
vdd_scale(struct vdd a, vd factor)
{
    struct vdd p = vdd_product(a.hi, factor);

    return vdd_ordered_sum(p.hi, vd_fma(a.lo, factor, p.lo));
}

VEC_FN struct vdd
vdd_set(double hi, double lo)
{
    return (struct vdd){vd_set(hi), vd_set(lo)};
}

/* exp(a) and exp(a) - 1 to 84 bits, the latter also near 0; NaN for |a| > 693. The method of
 * dd_exp() with a reduction by 2^5. */
struct vdd_exp {
    struct vdd exp, expm1;
};

VEC_FN struct vdd_exp
vdd_exp(struct vdd a)
{
    static const double c[] = {1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880};
    const struct vdd ln2 = vdd_set(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56);
    const double sixth = 0x1.5555555555555p-3, sixth_low = 0x1.5555555555555p-57;
    const struct vdd one = vdd_set(1, 0), two = vdd_set(2, 0);
    vd n = vd_round(a.hi * 0x1.71547652b82fep0);
    vm unscaled = vm_eq(n, vd_set(0));
    struct vdd r, e, grown, less;

    n = vd_pick(vm_le(vd_abs(n), vd_set(1000)), n, vd_set(NAN));
    r = vdd_add(a, vdd_scale(ln2, -n));
    r = (struct vdd){r.hi * 0x1p-5, r.lo * 0x1p-5};
    e = vdd_scale(r, vd_fma(r.hi, vd_horner(r.hi, c, 1, 5), vd_set(1. / 24)));
    e = vdd_ordered_add(vdd_set(sixth, sixth_low), e);
    e = vdd_ordered_add(vdd_set(0.5, 0), vdd_mul(r, e));
    e = vdd_mul(r, vdd_ordered_add(one, vdd_mul(r, e)));
    for (int i = 0; i < 5; i++)
        e = vdd_mul(e, vdd_ordered_add(two, e));
    grown = vdd_ordered_add(one, e);
    grown = (struct vdd){vd_scale(grown.hi, n), vd_scale(grown.lo, n)};
    less = vdd_add(grown, vdd_set(-1, 0));
    return (struct vdd_exp){
        grown, {vd_pick(unscaled, e.hi, less.hi), vd_pick(unscaled, e.lo, less.lo)}};
}

#endif
