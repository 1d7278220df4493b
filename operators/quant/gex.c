/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/gex.h"

#include <math.h>

#include "quant/normal.h"

void
gex_side(const struct gex_chain *c, const struct gex_side *side, const struct gex_columns *out,
         struct gex_sums *sums)
{
    size_t present = 0;

    *sums = (struct gex_sums){0, 0, 0, 0};
    for (size_t i = 0; i < c->n; i++) {
        struct bsm o = {.model = BSM_BLACK76,
                        .right = side->right,
                        .underlying = c->forward,
                        .strike = c->strike[i],
                        .t = c->t,
                        .rate = c->rate,
                        .vol = side->iv[i]};
        struct bsm_greeks g;
        double held = side->sign * side->oi[i] * c->multiplier * c->forward;

        if (isnan(held) || !bsm_greeks(&o, &g)) {
            out->gex[i] = out->dex[i] = out->vex[i] = out->chex[i] = NAN;
            continue;
        }
        sums->gex += out->gex[i] = held * g.gamma * c->forward * 0.01;
        sums->dex += out->dex[i] = held * g.delta;
        sums->vex += out->vex[i] = held * g.vanna * 0.01;
        sums->chex += out->chex[i] = held * g.charm / 365;
        present++;
    }
    if (present == 0)
        *sums = (struct gex_sums){NAN, NAN, NAN, NAN};
}

/* Gamma x U^2 of a leg without the discount factor, which has no sign: n(d1) U / sd. */
static double
side_at(const struct gex_chain *c, const struct gex_side *side, double forward, double root_t)
{
    double sum = 0;

    for (size_t i = 0; i < c->n; i++) {
        double sd = side->iv[i] * root_t;
        double d1 = log(forward / c->strike[i]) / sd + 0.5 * sd;
        double gamma = normal_pdf(d1) * forward / sd * side->oi[i];

        if (gamma > 0 && isfinite(gamma))
            sum += gamma;
    }
    return side->sign * sum;
}

double
gex_at(const struct gex_chain *c, const struct gex_side *calls, const struct gex_side *puts,
       double ratio)
{
    double forward = c->forward * ratio, root_t = sqrt(c->t);
    double scale = c->multiplier * 0.01 * exp(-c->rate * c->t);

    return scale * (side_at(c, calls, forward, root_t) + side_at(c, puts, forward, root_t));
}

double
gex_flip(const struct gex_chain *c, const struct gex_side *calls, const struct gex_side *puts,
         double width, size_t steps)
{
    double middle = gex_at(c, calls, puts, 1), up = middle, down = middle;

    if (isnan(middle) || middle == 0)
        return NAN;
    for (size_t k = 1; k <= steps; k++) {
        double from = width * (double)(k - 1) / (double)steps, step = width / (double)steps;
        double next_up = gex_at(c, calls, puts, 1 + from + step);
        double next_down = gex_at(c, calls, puts, 1 - from - step);
        double above = up * next_up < 0 ? from + step * up / (up - next_up) : INFINITY;
        double below = down * next_down < 0 ? from + step * down / (down - next_down) : INFINITY;

        if (isfinite(above) || isfinite(below))
            return below < above ? 1 - below : 1 + above;
        up = next_up;
        down = next_down;
    }
    return NAN;
}

double
gex_wall(size_t n, const double *strike, const double *gex)
{
    double largest = 0, wall = NAN;

    for (size_t i = 0; i < n; i++)
        if (fabs(gex[i]) > largest) {
            largest = fabs(gex[i]);
            wall = strike[i];
        }
    return wall;
}
