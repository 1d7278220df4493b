/* SPDX-License-Identifier: Apache-2.0
 * reversal - price levels at which a move may end.
 *
 * reversal_legacy() keeps the formulas of an older system for users who rely on them; they mix
 * currency, delta and volatility and have no derivation. reversal_levels() is the defensible
 * measure: bands that option prices imply, and the levels where bands and walls meet. */
#ifndef QUANT_REVERSAL_H
#define QUANT_REVERSAL_H

#include <stddef.h>

struct reversal_side {
    double last, model;               /* market and theoretical price */
    double iv;                        /* decimal */
    double delta, gamma, vega, theta; /* vega per 1.00, theta per year */
};

struct reversal_point {
    double weekly, rr, rs, ss;
    double advanced;
    double confidence_pct;
    double future; /* weekly + future - spot */
};

/* One strike K, with DC = call last - model, DP = put last - model, A = put model - call model,
 * V = put iv - call iv:
 *
 *     weekly = K + DP + DC                   rr = K + |DP| - |DC| - A V
 *     rs = K + DP delta_p - DC delta_c + A V     ss = K - (DC - DP) + A V
 *     advanced = K + DC + DP + tanh(raw/5) / (1 + 1/days) min(1, IV/30) min(150, 0.03 K IV/100)
 *     raw = sum of w g over g = net delta, net gamma / 2, net theta (a unit move of the spot, none
 *           of volatility, which leaves vega out), w = |net Greek| / sum of |net Greeks|
 *     confidence_pct = 100 tanh(mean |net Greek| / 2)
 *
 * net: call + put; Greeks in screen units (vega per point, theta per day); IV the two sides' mean
 * in percent. NaN in gives NaN in what needs it. */
struct reversal_point reversal_legacy(double strike, const struct reversal_side *call,
                                      const struct reversal_side *put, double days, double basis);

/* Means of those groups of candidates (NaN is absent) that hold at least two and whose neighbours
 * are at most `tolerance` apart, ascending; at most n. Sorts candidate in place. */
size_t reversal_levels(size_t n, double *candidate, double tolerance, double *level);

#endif
