/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/max_pain.h"

#include <math.h>

/* The open interest at i, counting whether it is present. */
static double
oi_at(const double *column, size_t i, size_t *present)
{
    if (!column || isnan(column[i]))
        return 0;
    (*present)++;
    return column[i];
}

bool
max_pain(size_t n, const double *strike, const double *call_oi, const double *put_oi,
         double *call_pain, double *put_pain, struct max_pain *out)
{
    size_t present = 0, best = 0;
    double held = 0, pain = 0; /* open interest passed so far, and its loss at this strike */

    for (size_t i = 0; i < n; i++) {
        pain += i > 0 ? held * (strike[i] - strike[i - 1]) : 0;
        call_pain[i] = pain;
        held += oi_at(call_oi, i, &present);
    }
    held = pain = 0;
    for (size_t i = n; i-- > 0;) {
        pain += i + 1 < n ? held * (strike[i + 1] - strike[i]) : 0;
        put_pain[i] = pain;
        held += oi_at(put_oi, i, &present);
    }
    if (present == 0)
        return false;
    for (size_t i = 1; i < n; i++)
        if (call_pain[i] + put_pain[i] < call_pain[best] + put_pain[best])
            best = i;
    *out = (struct max_pain){strike[best], call_pain[best] + put_pain[best]};
    return true;
}
