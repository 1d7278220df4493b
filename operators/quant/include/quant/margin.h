/* SPDX-License-Identifier: Apache-2.0
 * margin - a SPAN-style estimate of what a clearing house asks for a strategy. An estimate: the
 * real figure needs the clearing house's daily risk file.
 *
 * Scan risk is the largest loss over 16 scenarios: spot moved by 0, +-1/3, +-2/3, +-1 of the price
 * scan range with volatility up and down by the volatility scan range, and spot moved by +-2
 * ranges at the same volatility, of which 35 % of the loss counts. Time stands still. Options are
 * valued by quant/bsm.h, futures linearly.
 *
 *     span     = max(scan + calendar charge, short-option minimum) - net option value, at least 0
 *     exposure = share of the notional of sold options and of futures
 *     premium  = what the options that were bought cost to enter
 *     total    = span + exposure + premium
 *
 * Price scan range: 6 sigma sqrt(2), sigma the volatility of a day (annual / sqrt(252)), at least
 * a share of the underlying (NSE Clearing, index options: 9.3 %, 17.7 % above 9 months; single
 * stocks 14.2 %). Volatility scan range: 25 % of the annual volatility, at least 4 points (index)
 * or 10 (stock). Calendar charge: 1.75 % (index) or 2.2 % (stock) of the spot a unit of delta that
 * one expiry offsets in another; expiries within a day do not offset. Exposure, the charge on
 * expiry day and the short-option minimum are usual figures, not checked against a circular: set
 * them. All shares are decimals, all amounts currency. */
#ifndef QUANT_MARGIN_H
#define QUANT_MARGIN_H

#include <stdbool.h>

#include "quant/strategy.h"

struct margin_rules {
    const char *name;
    double scan_sigmas;             /* of a day, before the sqrt(2) */
    double scan_min, scan_min_far;  /* of the spot; from far_t years on */
    double far_t;                   /* years */
    double vol_scan, vol_scan_min;  /* share of the volatility; points as decimal */
    double extreme_move;            /* price scan ranges */
    double extreme_share;           /* of the loss there */
    double calendar;                /* of the spot a unit of delta */
    double short_min;               /* of the spot a unit sold, options */
    double exposure, expiry_extra;  /* of the notional; the latter for sold options within a day */
};
extern const struct margin_rules margin_index, margin_stock;

#define MARGIN_SCENARIOS 16

struct margin_scenario {
    double spot, vol_change, share; /* share of the loss that counts */
    double loss;                    /* of the whole strategy, after share; below 0: a gain */
};

struct margin {
    double scan, calendar, short_minimum, net_option_value;
    double span, exposure, premium, total;
    double benefit; /* sum of the legs' totals, each alone, less total */
    double price_scan_range, vol_scan_range;
    struct margin_scenario scenario[MARGIN_SCENARIOS];
    int worst; /* index of the scenario with the largest loss */
};

/* vol: annual volatility of the underlying, decimal, >= 0. False, and every amount NaN, where the
 * strategy, vol or a value is refused (quant/strategy.h). */
bool margin_estimate(const struct strategy *s, double vol, const struct margin_rules *rules,
                     struct margin *out);

#endif
