/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/basis.h"

#include <math.h>
#include <stdbool.h>

#include "quant/years.h"

struct basis
basis_of(double spot, double future, double t, double rate, double yield)
{
    struct basis b = {NAN, NAN, NAN, NAN, NAN, NAN};
    double ratio = future / spot;

    if (!(spot > 0) || !(future > 0) || !isfinite(ratio))
        return b;
    b.basis = future - spot;
    b.basis_pct = 100 * b.basis / spot;
    if (t >= YEARS_DAY) {
        b.simple = b.basis / spot / t;
        b.continuous = log(ratio) / t;
    }
    if (t >= 0) {
        b.fair = spot * expm1((rate - yield) * t);
        b.mispricing = b.basis - b.fair;
    }
    return b;
}
