/* SPDX-License-Identifier: Apache-2.0
 * vix - model-free variance of one expiry and a 30-day index from several, after the Cboe
 * Volatility Index methodology (India VIX follows it):
 *
 *     variance = 2/T sum (dK/K^2) Q(K)/D - 1/T (F/K0 - 1)^2
 *
 * K0 is the highest strike at or below the forward, Q the out-of-the-money price (both sides' mean
 * at K0), D the discount factor; going outward a side ends at two strikes without a price. */
#ifndef QUANT_VIX_H
#define QUANT_VIX_H

#include <stddef.h>

#define VIX_DAYS (30.0 / 365) /* the index' horizon, in years */
#define VIX_SIDE_MIN 2        /* strikes that each side of K0 needs */

/* Annual variance (decimal squared), NaN where the chain does not give it. strike ascending;
 * prices NaN or <= 0 are absent. */
double vix_variance(size_t n, const double *strike, const double *call, const double *put,
                    double forward, double discount, double t);

/* One point of the term structure. */
struct vix_point {
    double t;        /* years to expiry, above 0 */
    double variance; /* annual; NaN is absent */
};

/* Variance at t: total variance linear between the two points around t; flat outside of them. Any
 * order; NaN without points. */
double vix_at(size_t n, const struct vix_point *point, double t);

#endif
