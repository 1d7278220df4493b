/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/rates.h"

#include <math.h>

double
rate_per_minute(double x1, double x0, int64_t elapsed_ns)
{
    return elapsed_ns > 0 ? (x1 - x0) / ((double)elapsed_ns / 60e9) : NAN;
}

double
rate_smooth(double mean, double x, int64_t elapsed_ns, int64_t half_life_ns)
{
    double kept;

    if (isnan(mean) || half_life_ns <= 0)
        return x;
    kept = exp2(-(double)elapsed_ns / (double)half_life_ns);
    return kept * mean + (1 - kept) * x;
}

void
rate_spread_add(struct rate_spread *spread, double x)
{
    double delta = x - spread->mean;

    spread->n += 1;
    spread->mean += delta / spread->n;
    spread->squares += delta * (x - spread->mean);
}

double
rate_spread_score(const struct rate_spread *spread, double x, double min_n)
{
    double deviation;

    if (spread->n < min_n || spread->n < 2)
        return NAN;
    deviation = sqrt(spread->squares / (spread->n - 1));
    return deviation > 0 ? fabs(x - spread->mean) / deviation : NAN;
}
