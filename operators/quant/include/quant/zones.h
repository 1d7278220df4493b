/* SPDX-License-Identifier: Apache-2.0
 * Zones: the strikes where open interest piles up. */
#ifndef QUANT_ZONES_H
#define QUANT_ZONES_H

#include <stdbool.h>
#include <stddef.h>

/* Strikes first..last around the strike with the most open interest. */
struct zone_span {
    size_t peak, first, last;
    double oi; /* sum over the span */
};

/* Finds up to max spans, the highest peak first (ties: the lowest strike). A span is the peak and
 * its neighbours with at least `share` of the peak's open interest, without gaps; spans do not
 * overlap, and a peak below `floor` of the highest one makes none. Only strikes with eligible[i]
 * count; NaN counts as none. taken is room for n flags. Gives the number of spans. */
size_t zones_find(const double *oi, const bool *eligible, size_t n, double share, double floor,
                  bool *taken, struct zone_span *spans, size_t max);

/* Strength from 1 to 10: the span's share of the heaviest span, times 1 + the share of its open
 * interest that is new today, over 1 + the part of its distance beyond one expected move. NaN
 * counts as nothing known: no fresh interest, no distance. */
double zone_strength(double share_of_heaviest, double fresh_share, double distance_moves);

#endif
