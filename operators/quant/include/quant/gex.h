/* SPDX-License-Identifier: Apache-2.0
 * gex - what dealers hold and would have to trade: gamma, delta, vanna and charm exposure of one
 * expiry, by Black-76 on the forward. With U the forward, Q = open interest x multiplier in units
 * of the underlying, and the side's sign:
 *
 *     gex  = sign gamma Q U^2 x 0.01   currency per 1 % move
 *     dex  = sign delta Q U            currency per 100 % move
 *     vex  = sign vanna Q U x 0.01     currency of delta per volatility point
 *     chex = sign charm Q U / 365      currency of delta per day
 *
 * gamma U^2, delta U and vanna U are the same for spot and forward. Who is long and who is short
 * is an assumption, so the signs are arguments: naive (dealers long calls, short puts) is +1, -1;
 * inverse -1, +1; all short -1, -1; participant-weighted any pair of numbers.
 *
 * The flip is found by pricing every leg anew at hypothetical spots, each strike keeping its
 * volatility, not by the strike where the per-strike sum changes sign. */
#ifndef QUANT_GEX_H
#define QUANT_GEX_H

#include <stddef.h>

#include "quant/bsm.h"

struct gex_side {
    enum bsm_right right;
    double sign;
    const double *iv; /* decimal; NaN is absent */
    const double *oi; /* NaN is absent */
};

struct gex_chain {
    size_t n;
    const double *strike;
    double forward, t, rate;
    double multiplier; /* units of the underlying per unit of oi: 1 or the lot size */
};

struct gex_columns {
    double *gex, *dex, *vex, *chex; /* n entries each; NaN where iv or oi is absent */
};
struct gex_sums {
    double gex, dex, vex, chex; /* over the legs that are present; NaN without any */
};

void gex_side(const struct gex_chain *chain, const struct gex_side *side,
              const struct gex_columns *out, struct gex_sums *sums);

/* Sum of gex of both sides if the forward were chain->forward x ratio. */
double gex_at(const struct gex_chain *chain, const struct gex_side *calls,
              const struct gex_side *puts, double ratio);

/* The ratio nearest to 1, within 1 +- width, where gex_at() changes sign, linear between the
 * 2 steps + 1 points of the grid; NaN where it does not. */
double gex_flip(const struct gex_chain *chain, const struct gex_side *calls,
                const struct gex_side *puts, double width, size_t steps);

/* Walls: the strike of the largest |gex| of a side; ties: the lowest. NaN without any. */
double gex_wall(size_t n, const double *strike, const double *gex);

#endif
