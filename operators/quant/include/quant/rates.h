/* SPDX-License-Identifier: Apache-2.0
 * Rates of change over real time stamps, their smoothing and their usual spread. */
#ifndef QUANT_RATES_H
#define QUANT_RATES_H

#include <stdint.h>

/* (x1 - x0) per minute; NaN where either is NaN or no time has passed. 600 more after
 * 180,000,000,000 ns is 200 a minute. */
double rate_per_minute(double x1, double x0, int64_t elapsed_ns);

/* Exponential smoothing by elapsed time: after half_life_ns half of a step is in. mean NaN: x. */
double rate_smooth(double mean, double x, int64_t elapsed_ns, int64_t half_life_ns);

/* Mean and sum of squares of what was seen (Welford 1962): start as {0}. */
struct rate_spread {
    double n, mean, squares;
};
void rate_spread_add(struct rate_spread *spread, double x);
/* |x - mean| in standard deviations; NaN below min_n values or without any spread. */
double rate_spread_score(const struct rate_spread *spread, double x, double min_n);

#endif
