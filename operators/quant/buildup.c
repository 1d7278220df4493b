/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/buildup.h"

#include <math.h>

/* -1, 0, 1. Prices are multiples of a tick in decimal: a change of one tick may be a few units in
 * the last place short of it. */
static int
direction(double change, double threshold)
{
    if (change == 0 || fabs(change) < threshold * (1 - 1e-9))
        return 0;
    return change > 0 ? 1 : -1;
}

enum buildup
buildup_class(double price_change, double oi_change, double min_price, double min_oi)
{
    int price = direction(price_change, min_price), oi = direction(oi_change, min_oi);

    if (isnan(price_change) || isnan(oi_change))
        return BUILDUP_UNKNOWN;
    if (!price || !oi)
        return BUILDUP_NEUTRAL;
    if (oi > 0)
        return price > 0 ? BUILDUP_LONG : BUILDUP_SHORT;
    return price > 0 ? BUILDUP_SHORT_COVERING : BUILDUP_LONG_UNWINDING;
}

int
buildup_signal(enum buildup type, int is_put)
{
    int price = type == BUILDUP_LONG || type == BUILDUP_SHORT_COVERING    ? 1
                : type == BUILDUP_SHORT || type == BUILDUP_LONG_UNWINDING ? -1
                                                                          : 0;

    return is_put ? -price : price;
}
