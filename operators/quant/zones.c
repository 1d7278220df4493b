/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/zones.h"

#include <math.h>

static bool
is_free(const double *oi, const bool *eligible, const bool *taken, size_t i, double at_least)
{
    return eligible[i] && !taken[i] && oi[i] > 0 && oi[i] >= at_least;
}

size_t
zones_find(const double *oi, const bool *eligible, size_t n, double share, double floor,
           bool *taken, struct zone_span *spans, size_t max)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        taken[i] = false;
    for (; found < max; found++) {
        struct zone_span *span = &spans[found];
        size_t peak = n;

        for (size_t i = 0; i < n; i++)
            if (is_free(oi, eligible, taken, i, 0) && (peak == n || oi[i] > oi[peak]))
                peak = i;
        if (peak == n || oi[peak] < floor * oi[found ? spans[0].peak : peak])
            break;
        *span = (struct zone_span){peak, peak, peak, 0};
        while (span->first > 0 && is_free(oi, eligible, taken, span->first - 1, share * oi[peak]))
            span->first--;
        while (span->last + 1 < n && is_free(oi, eligible, taken, span->last + 1, share * oi[peak]))
            span->last++;
        for (size_t i = span->first; i <= span->last; i++) {
            taken[i] = true;
            span->oi += oi[i];
        }
    }
    return found;
}

double
zone_strength(double share_of_heaviest, double fresh_share, double distance_moves)
{
    double fresh = fresh_share > 0 ? fmin(fresh_share, 1) : 0;
    double beyond = distance_moves > 1 ? distance_moves - 1 : 0;

    return 1 + 9 * fmin(1, share_of_heaviest * (1 + fresh) / (1 + beyond));
}
