/* SPDX-License-Identifier: Apache-2.0 */
#include "dd.h"

/* a = n ln 2 + 256 r; Taylor's series of exp(r) - 1, |r| < 0.0014, and eight doublings of r by
 * e(2r) = e(r) (2 + e(r)). */
struct dd_exp
dd_exp(struct dd a)
{
    static const struct dd ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
    static const struct dd sixth = {0x1.5555555555555p-3, 0x1.5555555555555p-57};
    double n = nearbyint(a.hi / ln2.hi);
    struct dd r, e, one = {1, 0};

    if (!(fabs(n) < 1100))
        return (struct dd_exp){{exp(a.hi), 0}, {expm1(a.hi), 0}};
    r = dd_add(a, dd_scale(ln2, -n));
    r = (struct dd){r.hi * 0x1p-8, r.lo * 0x1p-8};
    e = dd_scale(r, 1. / 120 + r.hi * (1. / 720 + r.hi * (1. / 5040 + r.hi / 40320)));
    e = dd_mul(r, dd_add((struct dd){sixth.hi / 4, sixth.lo / 4}, e));
    e = dd_mul(r, dd_add(sixth, e));
    e = dd_mul(r, dd_add((struct dd){0.5, 0}, e));
    e = dd_mul(r, dd_add(one, e));
    for (int i = 0; i < 8; i++)
        e = dd_mul(e, dd_add((struct dd){2, 0}, e));
    if (n != 0) {
        struct dd grown = dd_add(one, e);

        grown = (struct dd){ldexp(grown.hi, (int)n), ldexp(grown.lo, (int)n)};
        return (struct dd_exp){grown, dd_add(grown, dd_neg(one))};
    }
    return (struct dd_exp){dd_add(one, e), e};
}
