/* SPDX-License-Identifier: Apache-2.0
 * Build-up: what a leg's price and open interest did together. */
#ifndef QUANT_BUILDUP_H
#define QUANT_BUILDUP_H

/* Numbers as in hde.BuildupType. */
enum buildup {
    BUILDUP_UNKNOWN = 0,
    BUILDUP_LONG = 1,           /* price up, open interest up */
    BUILDUP_SHORT = 2,          /* price down, open interest up */
    BUILDUP_LONG_UNWINDING = 3, /* price down, open interest down */
    BUILDUP_SHORT_COVERING = 4, /* price up, open interest down */
    BUILDUP_NEUTRAL = 5,        /* either did not move enough */
};

/* The class of two changes; UNKNOWN where one is NaN. A change counts when it is not 0 and at
 * least its threshold. */
enum buildup buildup_class(double price_change, double oi_change, double min_price, double min_oi);

/* 1 bullish, -1 bearish, 0 neither: for the market, so a put's reading is turned round (a put that
 * is sold, a short build-up, is bullish). */
int buildup_signal(enum buildup type, int is_put);

#endif
