/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/gex.h"

#include <math.h>
#include <stdbool.h>

#include "kernel.h"

void
gex_side(const struct gex_chain *c, const struct gex_side *side, const struct gex_columns *out,
         struct gex_sums *sums)
{
    const struct bsm shared = {.model = BSM_BLACK76,
                               .right = side->right,
                               .underlying = c->forward,
                               .t = c->t,
                               .rate = c->rate};
    const struct bsm_columns greeks = {
        .gamma = out->gex, .delta = out->dex, .vanna = out->vex, .charm = out->chex};
    size_t present = 0;

    *sums = (struct gex_sums){0, 0, 0, 0};
    bsm_column(&shared, c->n, c->strike, side->iv, &greeks);
    for (size_t i = 0; i < c->n; i++) {
        double held = side->sign * side->oi[i] * c->multiplier * c->forward;

        out->gex[i] *= held * c->forward * 0.01;
        out->dex[i] *= held;
        out->vex[i] *= held * 0.01;
        out->chex[i] *= held / 365;
        if (isnan(out->gex[i]))
            continue;
        sums->gex += out->gex[i];
        sums->dex += out->dex[i];
        sums->vex += out->vex[i];
        sums->chex += out->chex[i];
        present++;
    }
    if (present == 0)
        *sums = (struct gex_sums){NAN, NAN, NAN, NAN};
}

/* ---- The flip -------------------------------------------------------------------------------- */

#define INV_SQRT_2PI 0.39894228040143267794
#define STRETCH 8 /* cells of the grid that are tried at once */
#define ROOT_WITHIN 5e-14 /* of u */

struct terms {
    size_t n;
    double *weight, *offset, *slope;
};

/* A term of the curve, with w = sum of sign x oi / sd. */
static void
add_term(struct terms *t, double held, double iv, double log_ratio, double root_t)
{
    double sd = iv * root_t, weight = held / sd;

    if (!(sd > 0) || !isfinite(weight) || weight == 0)
        return;
    t->weight[t->n] = weight;
    t->slope[t->n] = 1 / sd;
    t->offset[t->n] = log_ratio / sd + 0.5 * sd;
    t->n++;
}

struct gex_curve
gex_curve(const struct gex_chain *c, const struct gex_side *calls, const struct gex_side *puts,
          double *room)
{
    size_t most = GEX_ROOM(c->n) / 3;
    struct terms t = {0, room, room + most, room + 2 * most};
    double root_t = sqrt(c->t), bend = 0, x[QUANT_BLOCK];

    for (size_t i = 0; i < c->n; i++) {
        double call = calls->sign * calls->oi[i], put = puts->sign * puts->oi[i], log_ratio;

        if (i % QUANT_BLOCK == 0)
            bsm_log_moneyness(c->n - i < QUANT_BLOCK ? c->n - i : QUANT_BLOCK, c->forward,
                              c->strike + i, x);
        log_ratio = -x[i % QUANT_BLOCK];

        if (calls->iv[i] == puts->iv[i]) {
            add_term(&t, (isnan(call) ? 0 : call) + (isnan(put) ? 0 : put), calls->iv[i], log_ratio,
                     root_t);
        } else {
            add_term(&t, call, calls->iv[i], log_ratio, root_t);
            add_term(&t, put, puts->iv[i], log_ratio, root_t);
        }
    }
    while (t.n % QUANT_LANES_MAX != 0) {
        t.weight[t.n] = t.offset[t.n] = t.slope[t.n] = 0;
        t.n++;
    }
    for (size_t i = 0; i < t.n; i++)
        bend += fabs(t.weight[i]) * t.slope[i] * t.slope[i];
    return (struct gex_curve){
        .n = t.n,
        .weight = t.weight,
        .offset = t.offset,
        .slope = t.slope,
        .scale = 0.01 * c->multiplier * exp(-c->rate * c->t) * c->forward * INV_SQRT_2PI,
        .bend = bend,
    };
}

/* S(u) */
static double
sum_at(const struct gex_curve *c, double u)
{
    return quant_kernel()->gamma_sum(c->n, c->weight, c->offset, c->slope, u);
}

double
gex_at(const struct gex_curve *curve, double u)
{
    return curve->n > 0 ? curve->scale * exp(u) * sum_at(curve, u) : NAN;
}

struct point {
    double u, sum;
};

/* The grid to one side of the forward; point k. */
struct grid {
    const struct gex_curve *curve;
    double step; /* of the ratio, signed */
};

static struct point
point_of(const struct grid *g, size_t k)
{
    double u = log1p((double)k * g->step);

    return (struct point){u, sum_at(g->curve, u)};
}

static bool
differ(struct point a, struct point b)
{
    return (a.sum > 0 && b.sum < 0) || (a.sum < 0 && b.sum > 0);
}

/* The first cell from `from` to `to` whose ends, left in *a and *b, differ in sign; false where
 * there is none. *a and *b are the points `from` and `to`. */
static bool
find_cell(const struct grid *g, size_t from, size_t to, struct point *a, struct point *b)
{
    const struct point near = *a, far = *b;
    double length = far.u - near.u, margin = g->curve->bend * length * length / 8;
    bool crosses = differ(near, far);
    size_t half = from + (to - from) / 2;
    struct point middle;

    if (to - from == 1 || (!crosses && fabs(near.sum) > margin && fabs(far.sum) > margin))
        return crosses;
    middle = *b = point_of(g, half);
    if (find_cell(g, from, half, a, b))
        return true;
    *a = middle;
    *b = far;
    if (find_cell(g, half, to, a, b))
        return true;
    *a = near; /* where it crosses all the same, a point between is exactly 0 */
    *b = far;
    return crosses;
}

/* The root between two points of different sign. Oliveira and Takahashi, "An Enhancement of the
 * Bisection Method Average Performance Preserving Minmax Optimality" (2020): the secant's place,
 * pushed a little and kept so near to the middle that no more rounds than by halving are needed. */
static double
find_root(const struct gex_curve *c, struct point a, struct point b)
{
    double span = fabs(b.u - a.u), bound = ROOT_WITHIN;
    double push = 0.2 / span;

    while (bound < span)
        bound *= 2; /* of the bracket, halved in each round */
    while (fabs(b.u - a.u) > 2 * ROOT_WITHIN) {
        double middle = 0.5 * (a.u + b.u), width = fabs(b.u - a.u);
        double secant = a.u + (b.u - a.u) * a.sum / (a.sum - b.sum);
        double away = fabs(middle - secant), toward = middle > secant ? 1 : -1;
        double at = push * width * width <= away ? secant + toward * push * width * width : middle;
        double reach = bound - 0.5 * width;
        struct point p = {.u = fabs(at - middle) <= reach ? at : middle - toward * reach};

        p.sum = sum_at(c, p.u);
        if (p.sum == 0)
            return p.u;
        if (differ(p, b))
            a = p;
        else
            b = p;
        bound *= 0.5;
    }
    return 0.5 * (a.u + b.u);
}

/* One stretch of the grid on one side: the ratio of its first root less 1, NaN without; *at moves
 * from the stretch's near end to its far one. */
static double
try_stretch(const struct grid *g, size_t from, size_t to, struct point *at)
{
    struct point a = *at, b = point_of(g, to);

    *at = b;
    return find_cell(g, from, to, &a, &b) ? expm1(find_root(g->curve, a, b)) : NAN;
}

double
gex_flip(const struct gex_curve *curve, double width, size_t steps)
{
    struct grid above = {curve, width / (double)steps}, below = {curve, -width / (double)steps};
    struct point up = {0, sum_at(curve, 0)}, down = up;

    for (size_t from = 0; from < steps && curve->n > 0; from += STRETCH) {
        size_t to = from + STRETCH < steps ? from + STRETCH : steps;
        double high = try_stretch(&above, from, to, &up);
        double low = try_stretch(&below, from, to, &down);

        if (!isnan(high) || !isnan(low))
            return 1 + (isnan(high) || -low < high ? low : high);
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
