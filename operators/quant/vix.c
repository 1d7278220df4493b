/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/vix.h"

#include <math.h>

/* What the sum runs over: strikes [first, last] around at_the_money. */
struct range {
    size_t first, middle, last;
};

static double
quote(const struct range *r, const double *call, const double *put, size_t i)
{
    double price = i < r->middle ? put[i] : i > r->middle ? call[i] : 0.5 * (call[i] + put[i]);

    return price > 0 && isfinite(price) ? price : NAN;
}

/* Walks out until two strikes in a row have no price; the last one that has. */
static size_t
walk(const struct range *r, size_t n, const double *call, const double *put, int direction,
     size_t *used)
{
    size_t end = r->middle, missing = 0;

    for (size_t i = r->middle + direction; i < n && missing < 2; i += direction) {
        if (isnan(quote(r, call, put, i))) {
            missing++;
            continue;
        }
        missing = 0;
        end = i;
        (*used)++;
    }
    return end;
}

double
vix_variance(size_t n, const double *strike, const double *call, const double *put, double forward,
             double discount, double t)
{
    struct range r = {0, n, 0};
    size_t below = 0, above = 0;
    double sum = 0, k = NAN, price = NAN, gap = NAN, offset;

    for (size_t i = 0; i < n && strike[i] <= forward; i++)
        r.middle = i;
    if (r.middle == n || !(t > 0) || !(discount > 0) || !(strike[0] > 0) ||
        isnan(quote(&r, call, put, r.middle)))
        return NAN;
    r.first = walk(&r, n, call, put, -1, &below);
    r.last = walk(&r, n, call, put, 1, &above);
    if (below < VIX_SIDE_MIN || above < VIX_SIDE_MIN)
        return NAN;
    for (size_t i = r.first; i <= r.last; i++) { /* k, price: the strike before; gap: before it */
        double q = quote(&r, call, put, i);

        if (isnan(q))
            continue;
        if (!isnan(k)) {
            double next = strike[i] - k, width = isnan(gap) ? next : 0.5 * (gap + next);

            sum += width / (k * k) * price;
            gap = next;
        }
        k = strike[i];
        price = q;
    }
    sum += gap / (k * k) * price;
    offset = forward / strike[r.middle] - 1;
    double variance = (2 * sum / discount - offset * offset) / t;

    return variance > 0 && isfinite(variance) ? variance : NAN;
}

double
vix_at(size_t n, const struct vix_point *point, double t)
{
    struct vix_point below = {-INFINITY, NAN}, above = {INFINITY, NAN};

    for (size_t i = 0; i < n; i++) {
        if (isnan(point[i].variance) || !(point[i].t > 0))
            continue;
        if (point[i].t <= t && point[i].t > below.t)
            below = point[i];
        if (point[i].t >= t && point[i].t < above.t)
            above = point[i];
    }
    if (isnan(below.variance))
        return above.variance;
    if (isnan(above.variance) || above.t == below.t)
        return below.variance;
    double part = (t - below.t) / (above.t - below.t);

    return (below.variance * below.t * (1 - part) + above.variance * above.t * part) / t;
}
