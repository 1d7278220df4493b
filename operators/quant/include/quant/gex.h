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
 * The flip is a spot at which the sum of gex changes sign when every leg is priced anew, each
 * strike keeping its volatility; not the strike where the per-strike sum changes sign. */
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

/* The sum of gex of both sides as a function of the forward, of chain->forward x exp(u):
 *
 *     G(u) = 0.01 D F exp(u) S(u),   S(u) = sum of w exp(-(a + b u)^2 / 2),   b = 1 / sd
 *
 * Strikes that have one volatility for both legs are one term: w is signed. */
struct gex_curve {
    size_t n; /* padded with terms of weight 0 */
    const double *weight, *offset, *slope; /* w, a, b */
    double scale;                          /* G = scale exp(u) S */
    double bend;                           /* sum of |w| b^2: no |S''| is larger */
};

/* room: GEX_ROOM(chain->n) doubles, which the curve points into. Legs without volatility or open
 * interest are no part of it. */
#define GEX_ROOM(n) (3 * (2 * (n) + 8))
struct gex_curve gex_curve(const struct gex_chain *chain, const struct gex_side *calls,
                           const struct gex_side *puts, double *room);
/* G(u); NaN where the curve has no legs. */
double gex_at(const struct gex_curve *curve, double u);

/* The flip as a ratio of the forward: on the grid 1 +- k width/steps, k = 0..steps, the cell
 * nearest to 1 at whose ends S has different signs, and in it the root of G, to 1e-12. Cells are
 * not looked at one by one: between two points L apart in u that have the same sign and are both
 * further from 0 than bend L^2/8, S has no root, so such stretches are passed over. NaN without
 * such a cell. steps at most GEX_STEPS_MAX; width below 1. */
#define GEX_STEPS_MAX 1000
double gex_flip(const struct gex_curve *curve, double width, size_t steps);

/* Walls: the strike of the largest |gex| of a side; ties: the lowest. NaN without any. */
double gex_wall(size_t n, const double *strike, const double *gex);

#endif
