/* SPDX-License-Identifier: Apache-2.0
 * ranking - where a quantity of one side is largest. Columns hold one entry a strike, NaN is
 * absent. */
#ifndef QUANT_RANKING_H
#define QUANT_RANKING_H

#include <stddef.h>

/* out[i] = 100 x value[i] / largest value; NaN where absent, all NaN where nothing is above 0.
 * Negative values (falling open interest) give negative intensities. */
void ranking_intensity(size_t n, const double *value, double *out);

/* out[i] is 1 for the largest value, 2 for the next, to `top`; NaN for the rest and for what is not
 * above 0. Ties: the lower index first. top at most RANKING_TOP_MAX. */
#define RANKING_TOP_MAX 100
void ranking_top(size_t n, const double *value, size_t top, double *out);

#endif
