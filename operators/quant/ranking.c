/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/ranking.h"

#include <math.h>

void
ranking_intensity(size_t n, const double *value, double *out)
{
    double largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = value[i] > largest ? value[i] : largest;
    for (size_t i = 0; i < n; i++)
        out[i] = largest > 0 ? 100 * value[i] / largest : NAN;
}

void
ranking_top(size_t n, const double *value, size_t top, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = NAN;
    for (size_t rank = 1; rank <= top; rank++) {
        size_t best = n;
        double largest = 0;

        for (size_t i = 0; i < n; i++)
            if (value[i] > largest && isnan(out[i])) {
                largest = value[i];
                best = i;
            }
        if (best == n)
            return;
        out[best] = (double)rank;
    }
}
