/* SPDX-License-Identifier: Apache-2.0
 * pcr - put/call ratios and what they are made of. Columns hold one entry a strike, NaN is absent.
 * Ratio = sum over puts / sum over calls of one expiry; how to read it is left to the reader
 * (above 1 is bullish to some, bearish to others). */
#ifndef QUANT_PCR_H
#define QUANT_PCR_H

#include <stdbool.h>
#include <stddef.h>

/* puts / calls; NaN where calls is not above 0 or either is NaN. pcr(1500, 1000) is 1.5. */
double pcr(double puts, double calls);

struct pcr {
    double calls, puts; /* sums of the entries that are present; NaN where neither side has one */
    double ratio;       /* NaN where the calls' sum is not above 0 */
};

/* One quantity (open interest, volume, change) over n strikes; a column may be NULL. A side
 * without entries counts 0 as long as the other side has some. */
struct pcr pcr_of(size_t n, const double *calls, const double *puts);

/* Index of the largest entry, an absent one counting 0; ties: the lowest index. n > 0. */
size_t pcr_largest(size_t n, const double *column);

/* The strikes at most `each_side` places from the one nearest to centre (ties: the lower):
 * [*first, *first + *count). False where there is no strike or centre is NaN. */
bool pcr_near(size_t n, const double *strike, double centre, size_t each_side, size_t *first,
              size_t *count);

#endif
