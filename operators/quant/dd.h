/* SPDX-License-Identifier: Apache-2.0
 * dd - twice the digits of a double as the unevaluated sum hi + lo, |lo| <= ulp(hi)/2, where a
 * difference of nearly equal numbers would otherwise leave nothing: intrinsic value, carry.
 * Algorithms: Dekker 1971; Knuth, TAOCP 2, 4.2.2; about 100 good bits. */
#ifndef QUANT_DD_H
#define QUANT_DD_H

#include <math.h>

struct dd {
    double hi, lo;
};

/* a + b where |a| >= |b| or a == 0, exactly. */
static inline struct dd
dd_ordered_sum(double a, double b)
{
    double sum = a + b;

    return (struct dd){sum, b - (sum - a)};
}

/* a + b, exactly. */
static inline struct dd
dd_sum(double a, double b)
{
    double sum = a + b, part = sum - a;

    return (struct dd){sum, (a - (sum - part)) + (b - part)};
}

/* a b, exactly (but for underflow). */
static inline struct dd
dd_product(double a, double b)
{
    double product = a * b;

    return (struct dd){product, fma(a, b, -product)};
}

static inline struct dd
dd_add(struct dd a, struct dd b)
{
    struct dd hi = dd_sum(a.hi, b.hi), lo = dd_sum(a.lo, b.lo);

    hi = dd_ordered_sum(hi.hi, hi.lo + lo.hi);
    return dd_ordered_sum(hi.hi, hi.lo + lo.lo);
}

static inline struct dd
dd_mul(struct dd a, struct dd b)
{
    struct dd p = dd_product(a.hi, b.hi);

    return dd_ordered_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static inline struct dd
dd_scale(struct dd a, double factor)
{
    struct dd p = dd_product(a.hi, factor);

    return dd_ordered_sum(p.hi, p.lo + a.lo * factor);
}

static inline struct dd
dd_neg(struct dd a)
{
    return (struct dd){-a.hi, -a.lo};
}

/* exp(a) and exp(a) - 1, the latter with relative precision also near 0. */
struct dd_exp {
    struct dd exp, expm1;
};
struct dd_exp dd_exp(struct dd a);

#endif
