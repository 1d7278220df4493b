/* SPDX-License-Identifier: Apache-2.0
 * strategy - what a set of options and futures on one underlying earns: payoff, break-evens,
 * extremes, odds, and profit and Greeks wherever the market may go. Pure, nothing is allocated.
 *
 * Profit is sum of units x (value - entry) in currency, without interest on what was paid. A leg
 * is worth its payoff at its own expiry and its Black-Scholes-Merton value (quant/bsm.h) before;
 * a future is worth spot exp((rate - yield) t). Time is in years from now; the horizon is the
 * first expiry of an option. At the horizon of a strategy whose options all expire then the
 * profit is piecewise linear in the spot, so nodes at 0 and at the strikes and the slope above
 * the last one say all of it, exactly. With options of several expiries the rest is worth what the
 * model says (each at its own vol): the curve is followed on a grid instead, `model_dependent` is
 * set, and break-evens are exact to 1e-12 but two that lie within one step of the grid (1/64 of
 * the way between neighbouring strikes) are not seen.
 *
 * Refused (false or NaN): no legs, a number that is not finite, strike, spot or t that is not
 * above 0 (an underlying's t may be 0), vol < 0, a market beyond the horizon, a value beyond the
 * range of a double. units 0 is a leg that does nothing. Up to 1,000 legs take milliseconds. */
#ifndef QUANT_STRATEGY_H
#define QUANT_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>

#include "quant/bsm.h"

struct strategy_leg {
    enum bsm_right right; /* BSM_CALL, BSM_PUT, or 0: the underlying (t 0) or its future (t > 0) */
    double strike;        /* options */
    double units;         /* contracts x lot size; bought above 0, sold below */
    double entry;         /* price of one unit when it was traded */
    double t;             /* years to expiry from now */
    double vol;           /* options: decimal a year; 0 is allowed */
};

struct strategy {
    size_t n;
    const struct strategy_leg *leg;
    double spot, rate, yield; /* now; continuous, decimal */
};

bool strategy_valid(const struct strategy *s);

/* Years to the first expiry of an option; of a future where there is no option; 0 without any. */
double strategy_horizon(const struct strategy *s);

/* A market that the strategy is looked at in. */
struct strategy_market {
    double spot;       /* 0 is allowed at the horizon: the payoff there */
    double elapsed;    /* years from now, 0 to the horizon */
    double vol_change; /* added to the vol of every option, which ends at 0 */
};

double strategy_profit(const struct strategy *s, const struct strategy_market *at);

/* Sums over the legs, units included. price is what the position is worth, not its profit;
 * itm_prob is 0. */
bool strategy_greeks(const struct strategy *s, const struct strategy_market *at,
                     struct bsm_greeks *sum);

/* Profits and Greeks of n_spot x n_elapsed x n_vol markets; spot innermost, vol_change outermost.
 * Either result may be NULL; a market that is refused gets NaN everywhere. */
struct strategy_grid {
    size_t n_spot, n_elapsed, n_vol;
    const double *spot, *elapsed, *vol_change;
};
void strategy_surface(const struct strategy *s, const struct strategy_grid *grid, double *profit,
                      struct bsm_greeks *greeks);

/* The profit at the horizon over all spots from 0 up. */
struct strategy_shape {
    double max_profit, max_loss; /* INFINITY: without bound; a loss is positive, the smallest
                                    profit below 0 turned round (below 0: it never loses) */
    double slope;                /* of profit in spot above the last strike: units */
    size_t n_breakevens;         /* may be more than fit */
    bool model_dependent;
};
#define STRATEGY_BREAKEVENS(n_legs) (2 * (n_legs) + 2) /* always enough if not model_dependent */

/* Break-evens, ascending: spots where the profit changes its sign, and both ends of a stretch
 * where it is 0 (1e-12 of the sum of |units| x (strike + entry) counts as 0). */
bool strategy_shape(const struct strategy *s, struct strategy_shape *out, size_t room,
                    double *breakeven);

/* Which volatility the odds are of. */
enum strategy_vol {
    STRATEGY_VOL_FLAT,   /* one for all spots: the at-the-money volatility, given */
    STRATEGY_VOL_STRIKE, /* that of the legs that expire at the horizon, linear between strikes,
                            flat outside; both sides' mean where a strike has two */
};

struct strategy_odds {
    double profit_probability; /* risk-neutral, of profit > 0 at the horizon */
    double expected_profit;    /* risk-neutral mean of the profit at the horizon */
    enum strategy_vol vol;
    bool model_dependent;
};

/* spot at the horizon is lognormal about the forward spot exp((rate - yield) t): the probability
 * is the sum of differences of N(-d2) over the stretches with a profit, each end with its vol. The
 * mean is that of every leg by itself: exp(rate t) x its value now at its vol, for options that
 * expire at the horizon under FLAT at that vol. atm_vol is read for FLAT only. */
bool strategy_odds(const struct strategy *s, enum strategy_vol vol, double atm_vol,
                   struct strategy_odds *out);

#endif
