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
        out[i] = largest > 0 ? 100 * (value[i] / largest) : NAN;
}

void
ranking_top(size_t n, const double *value, size_t top, double *out)
{
    size_t best[RANKING_TOP_MAX], found = 0;

    top = top < RANKING_TOP_MAX ? top : RANKING_TOP_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t at = found;

        out[i] = NAN;
        if (top == 0 || !(value[i] > (found == top ? value[best[found - 1]] : 0)))
            continue;
        found += found < top;
        at = at < found ? at : found - 1;
        for (; at > 0 && value[i] > value[best[at - 1]]; at--)
            best[at] = best[at - 1];
        best[at] = i;
    }
    for (size_t rank = 0; rank < found; rank++)
        out[best[rank]] = (double)(rank + 1);
}
