/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/black.h"

#include <math.h>

#include "quant/normal.h"

/* Above this h + t the price is so near to its maximum that N itself is the better form
 * (Jaeckel 2013 uses the same bound). */
#define NEAR_MAXIMUM 0.85

/* Y(h+t) - Y(h-t) is the integral of 2 sinh(t u) exp(h u - u^2/2) over u > 0, so it is
 * 2 sum M[2k+1] t^(2k+1) / (2k+1)! with the moments M[n] of exp(h u - u^2/2), all positive.
 * They follow from M[0] = Y(h), M[1] = 1 + h M[0], M[n+1] = h M[n] + n M[n-1]. */
static double
small_t_ratio(double h, double t)
{
    double even = normal_ratio(h), odd = 1 + h * even;
    double power = t, sum = odd * t;

    for (int n = 1; n < 40; n += 2) {
        double term;

        even = h * odd + n * even;
        odd = h * even + (n + 1) * odd;
        power *= t * t / ((n + 1) * (n + 2));
        term = odd * power;
        sum += term;
        if (!(term > 1e-17 * sum))
            break;
    }
    return 2 * sum;
}

double
black_ratio(double h, double t)
{
    if (h + t > NEAR_MAXIMUM) /* exp(x/2) / b' = sqrt(2 pi) exp((h+t)^2/2) */
        return NORMAL_SQRT_2PI * exp(0.5 * (h + t) * (h + t)) * normal_cdf(h + t) -
               normal_ratio(h - t);
    if (t < 0.6 && -h * t < 0.5)
        return small_t_ratio(h, t);
    return normal_ratio(h + t) - normal_ratio(h - t);
}

double
black_complement_ratio(double h, double t)
{
    return normal_ratio(-h - t) + normal_ratio(h - t);
}

double
black_vega(double h, double t)
{
    return NORMAL_1_SQRT_2PI * exp(-0.5 * (h * h + t * t));
}

double
black_price(double x, double s, double scale)
{
    double h, t, root;

    if (!(s > 0))
        return 0;
    h = x / s;
    t = 0.5 * s;
    if (h + t > NEAR_MAXIMUM)
        return scale * (exp(0.5 * x) * normal_cdf(h + t) - black_vega(h, t) * normal_ratio(h - t));
    root = exp(-0.25 * (h * h + t * t));
    return scale * NORMAL_1_SQRT_2PI * black_ratio(h, t) * root * root;
}
