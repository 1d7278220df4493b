/* SPDX-License-Identifier: Apache-2.0
 * skew - the smile of one expiry and its numbers. Volatilities are decimals, x = ln(K/F), deltas
 * are undiscounted forward deltas N(d1). Columns hold one entry a strike (ascending), NaN is
 * absent; results are NaN where the smile does not give them. */
#ifndef QUANT_SKEW_H
#define QUANT_SKEW_H

#include <stdbool.h>
#include <stddef.h>

#define SKEW_FIT_MIN 5 /* strikes that a fit needs */

struct skew {
    double atm_iv;        /* at K = F, variance linear in K between the strikes around F */
    double rr25;          /* iv(25 delta call) - iv(25 delta put) */
    double bf25;          /* (iv(25 delta call) + iv(25 delta put)) / 2 - atm_iv */
    double fit[3];        /* iv = fit[0] + fit[1] x + fit[2] x^2 */
    double slope;         /* d iv / dx at x = 0: fit[1] */
    double curvature;     /* d2 iv / dx2 at x = 0: 2 fit[2] */
    double fit_residual;  /* vega-weighted root mean square of iv - fit */
    double expected_move; /* F atm_iv sqrt(t): one standard deviation, to first order */
};

/* The smile: the put's iv below the forward, the call's above, their mean at it. */
void skew_smile(size_t n, const double *strike, double forward, const double *call_iv,
                const double *put_iv, double *smile);

/* One volatility a strike for both of its legs: the smile's, a leg's own where that is absent. */
void skew_vols(size_t n, const double *strike, double forward, const double *call_iv,
               const double *put_iv, double *call_vol, double *put_vol);

/* At-the-money volatility: of the nearest strike on either side of the forward with an iv (both
 * sides' mean where both have one), none further than `away` (decimal of the forward). */
double skew_atm(size_t n, const double *strike, double forward, const double *call_iv,
                const double *put_iv, double away);

/* Median of |call_iv - put_iv| over the strikes no further than `away` from the forward, the lowest
 * SKEW_GAP_MAX of them: on the right forward both sides of a strike agree. */
#define SKEW_GAP_MAX 64
double skew_gap(size_t n, const double *strike, double forward, const double *call_iv,
                const double *put_iv, double away);

/* smile as by skew_smile(). The fit takes the strikes within `width` standard deviations
 * (|x| <= width atm_iv sqrt(t)), weighted by vega. */
void skew_measure(size_t n, const double *strike, const double *smile, double forward, double t,
                  double atm_iv, double width, struct skew *out);

/* The fit alone: fit, slope, curvature and fit_residual, the others NaN. */
void skew_fit(size_t n, const double *strike, const double *smile, double forward, double t,
              double atm_iv, double width, struct skew *out);

/* The smile at a forward delta (0.25: the 25 delta call; 0.75: the 25 delta put), linear in delta
 * between the two strikes around it, searched from the forward outwards. */
double skew_at_delta(size_t n, const double *strike, const double *smile, double forward, double t,
                     double delta);

/* iv[i]: the fit at strike[i], never below half of what it is at the forward; NaN without. */
void skew_fitted(const struct skew *s, size_t n, const double *strike, double forward, double *iv);

/* The older measure: iv of the put nearest to 0.95 spot less iv of the call nearest to 1.05. */
double skew_legacy(size_t n, const double *strike, double spot, const double *call_iv,
                   const double *put_iv);

#endif
