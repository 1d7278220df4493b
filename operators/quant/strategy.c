/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/strategy.h"

#include <math.h>

#include "quant/normal.h"

enum { STEPS = 64 }; /* of the grid between two strikes of a model-dependent curve */

static bool
leg_valid(const struct strategy_leg *leg)
{
    if (!isfinite(leg->units) || !isfinite(leg->entry) || !isfinite(leg->t))
        return false;
    if (leg->right == BSM_CALL || leg->right == BSM_PUT)
        return isfinite(leg->strike) && leg->strike > 0 && leg->t > 0 && isfinite(leg->vol) &&
               leg->vol >= 0;
    return leg->right == 0 && leg->t >= 0;
}

bool
strategy_valid(const struct strategy *s)
{
    if (s->n == 0 || !isfinite(s->spot) || !(s->spot > 0) || !isfinite(s->rate) ||
        !isfinite(s->yield))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (!leg_valid(&s->leg[i]))
            return false;
    return true;
}

double
strategy_horizon(const struct strategy *s)
{
    double option = INFINITY, future = INFINITY;

    for (size_t i = 0; i < s->n; i++) {
        const struct strategy_leg *leg = &s->leg[i];

        if (leg->right != 0)
            option = fmin(option, leg->t);
        else if (leg->t > 0)
            future = fmin(future, leg->t);
    }
    return isfinite(option) ? option : isfinite(future) ? future : 0;
}

/* Some option lives on behind the horizon. */
static bool
depends_on_model(const struct strategy *s, double horizon)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->leg[i].right != 0 && s->leg[i].t > horizon)
            return true;
    return false;
}

/* ---- Value of a leg -------------------------------------------------------------------------- */

static double
left_of(const struct strategy_leg *leg, double elapsed)
{
    return fmax(leg->t - elapsed, 0);
}

static struct bsm
option_of(const struct strategy *s, const struct strategy_leg *leg,
          const struct strategy_market *at)
{
    return (struct bsm){.model = BSM_MERTON,
                        .right = leg->right,
                        .underlying = at->spot,
                        .strike = leg->strike,
                        .t = left_of(leg, at->elapsed),
                        .rate = s->rate,
                        .yield = s->yield,
                        .vol = fmax(leg->vol + at->vol_change, 0)};
}

static double
leg_value(const struct strategy *s, const struct strategy_leg *leg,
          const struct strategy_market *at)
{
    double left = left_of(leg, at->elapsed), value;
    struct bsm option;

    if (leg->right == 0)
        return at->spot * exp((s->rate - s->yield) * left);
    if (left == 0)
        return fmax(leg->right == BSM_CALL ? at->spot - leg->strike : leg->strike - at->spot, 0);
    if (at->spot == 0)
        return leg->right == BSM_PUT ? leg->strike * exp(-s->rate * left) : 0;
    option = option_of(s, leg, at);
    return bsm_price(&option, &value) ? value : NAN;
}

static void
future_greeks(const struct strategy *s, double left, double spot, struct bsm_greeks *g)
{
    double carry = s->rate - s->yield;

    *g = (struct bsm_greeks){.delta = exp(carry * left)};
    g->price = spot * g->delta;
    g->theta = -carry * g->price;
    g->rho = left * g->price;
    g->dividend_rho = -left * g->price;
    g->charm = -carry * g->delta;
}

static void
add_greeks(struct bsm_greeks *sum, double units, const struct bsm_greeks *g)
{
    sum->price += units * g->price;
    sum->delta += units * g->delta;
    sum->gamma += units * g->gamma;
    sum->vega += units * g->vega;
    sum->theta += units * g->theta;
    sum->rho += units * g->rho;
    sum->dividend_rho += units * g->dividend_rho;
    sum->vanna += units * g->vanna;
    sum->charm += units * g->charm;
    sum->vomma += units * g->vomma;
    sum->veta += units * g->veta;
    sum->speed += units * g->speed;
    sum->zomma += units * g->zomma;
    sum->color += units * g->color;
    sum->ultima += units * g->ultima;
    sum->dual_delta += units * g->dual_delta;
    sum->dual_gamma += units * g->dual_gamma;
}

/* ---- One market ------------------------------------------------------------------------------ */

static bool
market_valid(const struct strategy *s, const struct strategy_market *at)
{
    double horizon = strategy_horizon(s);
    bool ends = horizon > 0; /* the bare underlying goes on for ever */

    return isfinite(at->spot) && isfinite(at->elapsed) && isfinite(at->vol_change) &&
           at->elapsed >= 0 && (!ends || at->elapsed <= horizon) &&
           (at->spot > 0 || (at->spot == 0 && at->elapsed == horizon));
}

static double
profit_at(const struct strategy *s, const struct strategy_market *at)
{
    double sum = 0;

    for (size_t i = 0; i < s->n; i++)
        sum += s->leg[i].units * (leg_value(s, &s->leg[i], at) - s->leg[i].entry);
    return isfinite(sum) ? sum : NAN;
}

double
strategy_profit(const struct strategy *s, const struct strategy_market *at)
{
    return strategy_valid(s) && market_valid(s, at) ? profit_at(s, at) : NAN;
}

static const struct bsm_greeks unknown = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
                                          NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};

bool
strategy_greeks(const struct strategy *s, const struct strategy_market *at, struct bsm_greeks *sum)
{
    *sum = unknown;
    if (!strategy_valid(s) || !market_valid(s, at) || at->spot == 0)
        return false;
    *sum = (struct bsm_greeks){0};
    for (size_t i = 0; i < s->n; i++) {
        const struct strategy_leg *leg = &s->leg[i];
        struct bsm option = option_of(s, leg, at);
        struct bsm_greeks g;
        bool known = true;

        if (leg->right == 0)
            future_greeks(s, left_of(leg, at->elapsed), at->spot, &g);
        else
            known = bsm_greeks(&option, &g);
        if (known)
            add_greeks(sum, leg->units, &g);
        if (!known || !isfinite(sum->price)) {
            *sum = unknown;
            return false;
        }
    }
    return true;
}

void
strategy_surface(const struct strategy *s, const struct strategy_grid *grid, double *profit,
                 struct bsm_greeks *greeks)
{
    size_t cell = 0;

    for (size_t v = 0; v < grid->n_vol; v++)
        for (size_t e = 0; e < grid->n_elapsed; e++)
            for (size_t p = 0; p < grid->n_spot; p++, cell++) {
                struct strategy_market at = {grid->spot[p], grid->elapsed[e], grid->vol_change[v]};

                if (profit)
                    profit[cell] = strategy_profit(s, &at);
                if (greeks)
                    strategy_greeks(s, &at, &greeks[cell]);
            }
}

/* ---- The curve at the horizon ---------------------------------------------------------------- */

/* Goes along the profit at the horizon from spot 0 upwards, from one point to the next; between
 * two points it is linear, or taken to be. */
struct walk {
    const struct strategy *s;
    double horizon;
    bool curved;
    double zero;      /* |profit| up to here counts as 0 */
    double low, high; /* the strikes around x; high is INFINITY above the last */
    int step;
    double x, y, last_x, last_y;
};

static double
profit_of(const struct walk *w, double x)
{
    double y = profit_at(w->s, &(struct strategy_market){x, w->horizon, 0});

    return fabs(y) <= w->zero ? 0 : y;
}

static double
next_strike(const struct strategy *s, double above)
{
    double next = INFINITY;

    for (size_t i = 0; i < s->n; i++)
        if (s->leg[i].right != 0 && s->leg[i].strike > above)
            next = fmin(next, s->leg[i].strike);
    return next;
}

static void
walk_start(struct walk *w, const struct strategy *s)
{
    double size = 0;

    *w = (struct walk){.s = s, .horizon = strategy_horizon(s)};
    w->curved = depends_on_model(s, w->horizon);
    for (size_t i = 0; i < s->n; i++)
        size += fabs(s->leg[i].units) *
                (fabs(s->leg[i].entry) + (s->leg[i].right != 0 ? s->leg[i].strike : s->spot));
    w->zero = 1e-12 * size;
    w->high = next_strike(s, 0);
    w->y = profit_of(w, 0);
}

/* A curve is followed above its last strike until nothing is left of its puts' and calls' time
 * value: `far` times as high. */
static double
far_above(const struct walk *w)
{
    double widest = 0;

    for (size_t i = 0; i < w->s->n; i++)
        if (w->s->leg[i].right != 0)
            widest = fmax(widest, w->s->leg[i].vol * sqrt(left_of(&w->s->leg[i], w->horizon)));
    return exp(fmin(8 * widest + 1, 50));
}

static bool
walk_next(struct walk *w)
{
    double next;

    w->last_x = w->x;
    w->last_y = w->y;
    if (!w->curved) {
        next = w->high;
    } else if (isfinite(w->high)) {
        next = ++w->step == STEPS ? w->high : w->low + (w->high - w->low) * w->step / STEPS;
    } else {
        if (w->step++ == STEPS)
            return false;
        next = w->low * pow(far_above(w), (double)w->step / STEPS);
    }
    if (!isfinite(next))
        return false;
    if (next == w->high) {
        w->low = w->high;
        w->high = next_strike(w->s, w->low);
        w->step = 0;
    }
    w->x = next;
    w->y = profit_of(w, next);
    return true;
}

/* Of the profit far above all strikes. */
static double
slope_above(const struct walk *w)
{
    double slope = 0, size = 0;

    for (size_t i = 0; i < w->s->n; i++) {
        const struct strategy_leg *leg = &w->s->leg[i];
        double left = left_of(leg, w->horizon), rate = leg->right == 0 ? w->s->rate : 0;

        if (leg->right == BSM_PUT)
            continue;
        slope += leg->units * exp((rate - w->s->yield) * left);
        size += fabs(leg->units);
    }
    return fabs(slope) <= 1e-12 * size ? 0 : slope;
}

/* Where the profit is 0 between the last two points, whose signs differ. */
static double
crossing(const struct walk *w)
{
    double low = w->last_x, high = w->x;

    if (!w->curved)
        return low + (high - low) * (w->last_y / (w->last_y - w->y));
    while (high - low > 1e-13 * high) {
        double mid = low + (high - low) / 2, y;

        if (mid <= low || mid >= high)
            break;
        y = profit_at(w->s, &(struct strategy_market){mid, w->horizon, 0});
        if ((y > 0) == (w->last_y > 0))
            low = mid;
        else
            high = mid;
    }
    return low + (high - low) / 2;
}

/* The highest or lowest (sign -1) profit between a and b: golden section. */
static double
refined(const struct walk *w, double a, double b, double sign)
{
    const double ratio = 0.61803398874989484820;
    double c = b - ratio * (b - a), d = a + ratio * (b - a);
    double yc = sign * profit_of(w, c), yd = sign * profit_of(w, d);

    for (int i = 0; i < 60; i++) {
        if (yc > yd) {
            b = d;
            d = c;
            yd = yc;
            c = b - ratio * (b - a);
            yc = sign * profit_of(w, c);
        } else {
            a = c;
            c = d;
            yc = yd;
            d = a + ratio * (b - a);
            yd = sign * profit_of(w, d);
        }
    }
    return sign * fmax(yc, yd);
}

/* ---- Shape ----------------------------------------------------------------------------------- */

struct extremes {
    double most, least;
};

static void
take_extremes(struct extremes *e, double y)
{
    e->most = fmax(e->most, y);
    e->least = fmin(e->least, y);
}

/* Extremes that a grid did not hit: x[] are its last three points. */
static void
refine_extremes(const struct walk *w, const double *x, const double *y, struct extremes *e)
{
    if (y[1] >= y[0] && y[1] >= y[2] && y[1] >= e->most)
        take_extremes(e, refined(w, x[0], x[2], 1));
    if (y[1] <= y[0] && y[1] <= y[2] && y[1] <= e->least)
        take_extremes(e, refined(w, x[0], x[2], -1));
}

static void
add_breakeven(struct strategy_shape *out, size_t room, double *breakeven, double x)
{
    if (out->n_breakevens < room)
        breakeven[out->n_breakevens] = x;
    out->n_breakevens++;
}

/* Break-evens of the last step, whose end counts and whose begin the step before has counted. */
static void
step_breakevens(const struct walk *w, struct strategy_shape *out, size_t room, double *breakeven,
                bool more, double beyond)
{
    if (w->last_y != 0 && w->y != 0 && (w->last_y > 0) != (w->y > 0))
        add_breakeven(out, room, breakeven, crossing(w));
    /* inside of a stretch of zeros nothing happens */
    if (w->y == 0 && !(w->last_y == 0 && more && beyond == 0))
        add_breakeven(out, room, breakeven, w->x);
}

/* Where a straight line from the last point upwards crosses 0; NaN where it does not. */
static double
crossing_above(const struct walk *w, double slope)
{
    return w->y != 0 && slope != 0 && (w->y > 0) != (slope > 0) ? w->x - w->y / slope : NAN;
}

/* The last three points of a walk. */
struct trail {
    double x[3], y[3];
};

static void
trail_add(struct trail *t, const struct walk *w)
{
    for (int i = 0; i < 2; i++) {
        t->x[i] = t->x[i + 1];
        t->y[i] = t->y[i + 1];
    }
    t->x[2] = w->x;
    t->y[2] = w->y;
}

/* Goes along the curve; gives the extremes at its nodes, and its break-evens in *out. */
static struct extremes
follow(const struct strategy *s, struct strategy_shape *out, size_t room, double *breakeven)
{
    struct walk w, ahead;
    struct extremes e;
    struct trail trail;
    double last;
    bool more;

    walk_start(&w, s);
    out->model_dependent = w.curved;
    out->slope = slope_above(&w);
    e = (struct extremes){w.y, w.y};
    trail = (struct trail){{w.x, w.x, w.x}, {w.y, w.y, w.y}};
    ahead = w;
    more = walk_next(&ahead);
    if (w.y == 0 && !(more ? ahead.y == 0 : out->slope == 0))
        add_breakeven(out, room, breakeven, 0);
    while (more) {
        w = ahead;
        more = walk_next(&ahead);
        if (isnan(w.y))
            return (struct extremes){NAN, NAN};
        take_extremes(&e, w.y);
        trail_add(&trail, &w);
        if (w.curved)
            refine_extremes(&w, trail.x, trail.y, &e);
        step_breakevens(&w, out, room, breakeven, more || out->slope == 0,
                        more ? ahead.y : out->slope);
    }
    last = crossing_above(&w, out->slope);
    if (!isnan(last))
        add_breakeven(out, room, breakeven, last);
    return e;
}

bool
strategy_shape(const struct strategy *s, struct strategy_shape *out, size_t room, double *breakeven)
{
    const struct strategy_shape none = {.max_profit = NAN, .max_loss = NAN, .slope = NAN};
    struct extremes e;

    *out = none;
    if (!strategy_valid(s))
        return false;
    e = follow(s, out, room, breakeven);
    if (!isfinite(e.most) || !isfinite(e.least) || !isfinite(out->slope)) {
        *out = none;
        return false;
    }
    out->max_profit = out->slope > 0 ? INFINITY : e.most;
    out->max_loss = out->slope < 0 ? INFINITY : -e.least;
    return true;
}

/* ---- Odds ------------------------------------------------------------------------------------ */

struct belief {
    const struct strategy *s;
    double horizon, forward;
    enum strategy_vol basis;
    double flat;
};

/* Mean volatility of the legs at one strike. */
static double
vol_of_strike(const struct belief *b, double strike)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < b->s->n; i++) {
        const struct strategy_leg *leg = &b->s->leg[i];

        if (leg->right != 0 && leg->t == b->horizon && leg->strike == strike) {
            sum += leg->vol;
            n++;
        }
    }
    return sum / (double)n;
}

static double
vol_at(const struct belief *b, double x)
{
    double below = -INFINITY, above = INFINITY, low, high;

    if (b->basis == STRATEGY_VOL_FLAT)
        return b->flat;
    for (size_t i = 0; i < b->s->n; i++) {
        const struct strategy_leg *leg = &b->s->leg[i];

        if (leg->right == 0 || leg->t != b->horizon)
            continue;
        if (leg->strike <= x)
            below = fmax(below, leg->strike);
        if (leg->strike >= x)
            above = fmin(above, leg->strike);
    }
    if (!isfinite(below) || !isfinite(above) || below == above)
        return vol_of_strike(b, isfinite(below) ? below : above);
    low = vol_of_strike(b, below);
    high = vol_of_strike(b, above);
    return low + (high - low) * (x - below) / (above - below);
}

/* Probability that the spot ends below x. */
static double
probability_below(const struct belief *b, double x)
{
    double sd = vol_at(b, x) * sqrt(b->horizon), distance;

    if (!(x > 0))
        return 0;
    distance = log(x / b->forward);
    if (!(sd > 0))
        return distance > 0 ? 1 : 0;
    return normal_cdf(distance / sd + sd / 2);
}

/* Of the part of the last step where there is a profit. */
static double
step_probability(const struct belief *b, const struct walk *w)
{
    double from = w->last_x, to = w->x;

    if (!(w->last_y > 0) && !(w->y > 0))
        return 0;
    if (w->last_y < 0)
        from = crossing(w);
    else if (w->y < 0)
        to = crossing(w);
    return fmax(probability_below(b, to) - probability_below(b, from), 0);
}

/* Of the profit above the last strike. */
static double
last_probability(const struct belief *b, const struct walk *w, double slope)
{
    double turn = crossing_above(w, slope);

    if (isnan(turn)) /* one sign all the way up */
        return w->y > 0 || (w->y == 0 && slope > 0) ? 1 - probability_below(b, w->x) : 0;
    return slope > 0 ? 1 - probability_below(b, turn)
                     : fmax(probability_below(b, turn) - probability_below(b, w->x), 0);
}

static double
expected_profit(const struct belief *b)
{
    const struct strategy *s = b->s;
    double sum = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct strategy_leg leg = s->leg[i];
        double value;

        if (b->basis == STRATEGY_VOL_FLAT && leg.t == b->horizon)
            leg.vol = b->flat;
        if (leg.right == 0)
            value = s->spot * exp((s->rate - s->yield) * fmax(leg.t, b->horizon));
        else
            value = exp(s->rate * b->horizon) *
                    leg_value(s, &leg, &(struct strategy_market){s->spot, 0, 0});
        sum += leg.units * (value - leg.entry);
    }
    return sum;
}

bool
strategy_odds(const struct strategy *s, enum strategy_vol vol, double atm_vol,
              struct strategy_odds *out)
{
    struct belief b = {.s = s, .basis = vol, .flat = atm_vol};
    double probability = 0;
    struct walk w;

    *out = (struct strategy_odds){.profit_probability = NAN, .expected_profit = NAN, .vol = vol};
    if (!strategy_valid(s))
        return false;
    b.horizon = strategy_horizon(s);
    b.forward = s->spot * exp((s->rate - s->yield) * b.horizon);
    if (vol == STRATEGY_VOL_FLAT ? !(isfinite(atm_vol) && atm_vol >= 0)
                                 : vol != STRATEGY_VOL_STRIKE || next_strike(s, 0) == INFINITY)
        return false;
    walk_start(&w, s);
    out->model_dependent = w.curved;
    while (walk_next(&w))
        probability += step_probability(&b, &w);
    probability += last_probability(&b, &w, slope_above(&w));
    if (!isfinite(probability + expected_profit(&b)))
        return false;
    out->profit_probability = fmin(probability, 1);
    out->expected_profit = expected_profit(&b);
    return true;
}
