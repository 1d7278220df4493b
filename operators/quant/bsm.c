/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/bsm.h"

#include <math.h>
#include <string.h>

#include "quant/black.h"
#include "quant/normal.h"

/* Below this vol sqrt(T) is 0 to every result: squares and quotients of it would leave the range.
 */
#define SD_MIN 1e-100

/* What price and Greeks have in common. */
struct terms {
    bool black76;
    double th, t, root_t, vol, r, q;
    double carry;    /* r - q */
    double asset;    /* S exp(-qT) */
    double cash;     /* K exp(-rT) */
    double asset_df; /* exp(-qT) */
    double cash_df;  /* exp(-rT) */
    double x;        /* ln(F/K) */
    double sd, d1, d2;
    double n1, n2;   /* N(th d1), N(th d2) */
    double root_pdf; /* sqrt of n(d1), so that products do not underflow early */
};

static bool
usable(const struct bsm *o)
{
    return o->underlying > 0 && o->strike > 0 && isfinite(o->underlying) && isfinite(o->strike) &&
           isfinite(o->t) && isfinite(o->rate) && isfinite(o->vol) &&
           (o->model == BSM_BLACK76 || isfinite(o->yield));
}

double
bsm_log_ratio(double underlying, double strike)
{
    double quotient = underlying / strike;

    if (quotient > 0.5 && quotient < 2)
        return log1p((underlying - strike) / strike); /* the difference is exact */
    return quotient > 0 && isfinite(quotient) ? log(quotient) : log(underlying) - log(strike);
}

/* The factors of one expiry: the same for all strikes. */
static void
set_expiry(struct terms *m, const struct bsm *o)
{
    m->black76 = o->model == BSM_BLACK76;
    m->th = o->right;
    m->t = o->t;
    m->root_t = sqrt(o->t);
    m->r = o->rate;
    m->q = m->black76 ? o->rate : o->yield;
    m->carry = m->black76 ? 0 : o->rate - o->yield;
    m->cash_df = exp(-m->r * m->t);
    m->asset_df = m->black76 ? m->cash_df : exp(-m->q * m->t);
    m->asset = o->underlying * m->asset_df;
}

static void
set_strike(struct terms *m, double underlying, double strike, double vol)
{
    m->vol = vol > 0 ? vol : 0;
    m->cash = strike * m->cash_df;
    m->x = bsm_log_ratio(underlying, strike) + m->carry * m->t;
    m->sd = m->vol * m->root_t;
    if (m->sd < SD_MIN)
        m->sd = 0;
}

static double
price_of(const struct terms *m, double underlying, double strike)
{
    double scale = sqrt(underlying) * sqrt(strike) * exp(-0.5 * (m->r + m->q) * m->t);
    double time_value = black_price(-fabs(m->x), m->sd, scale);

    return m->th * m->x > 0 ? m->th * (m->asset - m->cash) + time_value : time_value;
}

static double
payoff(double th, double underlying, double strike)
{
    double value = th * (underlying - strike);

    return value > 0 ? value : 0;
}

/* m: set_expiry() of o where o->t > 0. */
static bool
price_with(struct terms *m, const struct bsm *o, double *price)
{
    if (!usable(o)) {
        *price = NAN;
        return false;
    }
    if (o->t <= 0) {
        *price = payoff(o->right, o->underlying, o->strike);
        return true;
    }
    set_strike(m, o->underlying, o->strike, o->vol);
    *price = price_of(m, o->underlying, o->strike);
    if (isfinite(*price))
        return true;
    *price = NAN;
    return false;
}

bool
bsm_price(const struct bsm *o, double *price)
{
    struct terms m = {0};

    if (o->t > 0)
        set_expiry(&m, o);
    return price_with(&m, o, price);
}

static void
all_absent(struct bsm_greeks *g)
{
    *g = (struct bsm_greeks){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
                             NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

static void
at_expiry(const struct bsm *o, struct bsm_greeks *g)
{
    double th = o->right, gap = th * (o->underlying - o->strike);

    *g = (struct bsm_greeks){.price = payoff(th, o->underlying, o->strike)};
    g->delta = th * (gap > 0 ? 1 : gap < 0 ? 0 : 0.5);
    g->itm_prob = fabs(g->delta);
    if (o->model == BSM_BLACK76)
        g->dividend_rho = NAN;
}

/* The part that follows from N alone; it is all there is without volatility. */
static void
first_order(const struct terms *m, struct bsm_greeks *g)
{
    g->delta = m->th * m->asset_df * m->n1;
    g->dual_delta = -m->th * m->cash_df * m->n2;
    g->itm_prob = m->n2;
    g->rho = m->th * m->cash * m->t * m->n2;
    g->dividend_rho = -m->th * m->asset * m->t * m->n1;
    g->charm = m->q * g->delta;
    if (m->black76) { /* th (q asset n1 - r cash n2) without its cancellation */
        g->theta = m->r * g->price;
        g->rho = -m->t * g->price;
        g->dividend_rho = NAN;
    } else {
        g->theta = m->th * (m->q * m->asset * m->n1 - m->r * m->cash * m->n2);
    }
}

/* The part that carries n(d1). weight(a) is a n(d1) without early underflow. */
static double
weight(const struct terms *m, double a)
{
    return a * m->root_pdf * m->root_pdf;
}

static void
density_part(const struct terms *m, double underlying, double strike, struct bsm_greeks *g)
{
    double d1 = m->d1, d2 = m->d2, sd = m->sd, t = m->t, vol = m->vol, drift = 2 * m->carry * t;
    double gamma = m->asset_df / (underlying * sd); /* / n(d1), as the next two */
    double vega = m->asset * m->root_t;
    double moved = (drift - d2 * sd) / (2 * t * sd);

    g->gamma = weight(m, gamma);
    g->vega = weight(m, vega);
    g->theta += weight(m, -m->asset * vol / (2 * m->root_t));
    g->vanna = weight(m, -m->asset_df * d2 / vol);
    g->charm += weight(m, -m->asset_df * moved);
    g->vomma = weight(m, vega * d1 * d2 / vol);
    g->veta = weight(m, vega * (m->q + m->carry * d1 / sd - (1 + d1 * d2) / (2 * t)));
    g->speed = weight(m, -gamma / underlying * (d1 / sd + 1));
    g->zomma = weight(m, gamma * (d1 * d2 - 1) / vol);
    g->color = weight(m, gamma / (2 * t) * (2 * m->q * t + 1 + d1 * (drift - d2 * sd) / sd));
    g->ultima = weight(m, -vega / (vol * vol) * (d1 * d2 * (1 - d1 * d2) + d1 * d1 + d2 * d2));
    g->dual_gamma = weight(m, m->asset / (strike * strike * sd)); /* K n(d2) = F n(d1) */
}

static bool
all_finite(const struct bsm_greeks *g, bool black76)
{
    double zero = 0 * g->price + 0 * g->delta + 0 * g->gamma + 0 * g->vega + 0 * g->theta +
                  0 * g->rho + 0 * g->vanna + 0 * g->charm + 0 * g->vomma + 0 * g->veta +
                  0 * g->speed + 0 * g->zomma + 0 * g->color + 0 * g->ultima + 0 * g->dual_delta +
                  0 * g->dual_gamma + 0 * g->itm_prob + (black76 ? 0 : 0 * g->dividend_rho);

    return zero == 0;
}

/* False, and everything NaN, where a result leaves the range of a double. */
static bool
greeks_of(struct terms *m, double underlying, double strike, struct bsm_greeks *g)
{
    *g = (struct bsm_greeks){.price = price_of(m, underlying, strike)};
    if (m->sd > 0) {
        m->d1 = m->x / m->sd + 0.5 * m->sd;
        m->d2 = m->x / m->sd - 0.5 * m->sd;
        m->root_pdf = sqrt(NORMAL_1_SQRT_2PI) * exp(-0.25 * m->d1 * m->d1);
    } else {
        m->d1 = m->d2 = m->x == 0 ? 0 : copysign(INFINITY, m->x);
        m->root_pdf = 0;
    }
    m->n1 = normal_cdf(m->th * m->d1);
    m->n2 = normal_cdf(m->th * m->d2);
    first_order(m, g);
    if (m->root_pdf > 0)
        density_part(m, underlying, strike, g);
    if (all_finite(g, m->black76))
        return true;
    all_absent(g);
    return false;
}

bool
bsm_greeks(const struct bsm *o, struct bsm_greeks *g)
{
    struct terms m;

    if (!usable(o)) {
        all_absent(g);
        return false;
    }
    if (o->t <= 0) {
        at_expiry(o, g);
        return true;
    }
    set_expiry(&m, o);
    set_strike(&m, o->underlying, o->strike, o->vol);
    return greeks_of(&m, o->underlying, o->strike, g);
}

static void
put(double *column, size_t i, double value)
{
    if (column)
        column[i] = value;
}

static void
put_all(const struct bsm_columns *out, size_t i, const struct bsm_greeks *g)
{
    put(out->price, i, g->price);
    put(out->delta, i, g->delta);
    put(out->gamma, i, g->gamma);
    put(out->vega, i, g->vega);
    put(out->theta, i, g->theta);
    put(out->rho, i, g->rho);
    put(out->vanna, i, g->vanna);
    put(out->charm, i, g->charm);
    put(out->vomma, i, g->vomma);
    put(out->veta, i, g->veta);
    put(out->speed, i, g->speed);
    put(out->zomma, i, g->zomma);
    put(out->color, i, g->color);
    put(out->ultima, i, g->ultima);
    put(out->dual_delta, i, g->dual_delta);
    put(out->dual_gamma, i, g->dual_gamma);
    put(out->itm_prob, i, g->itm_prob);
}

static void
price_column(const struct bsm *shared, size_t n, const double *strike, const double *vol,
             double *price)
{
    struct bsm o = *shared;
    struct terms m = {0};

    if (o.t > 0)
        set_expiry(&m, &o);
    for (size_t i = 0; i < n; i++) {
        o.strike = strike[i];
        o.vol = vol[i];
        price_with(&m, &o, &price[i]);
    }
}

void
bsm_column(const struct bsm *shared, size_t n, const double *strike, const double *vol,
           const struct bsm_columns *out)
{
    const struct bsm_columns price_only = {.price = out->price};
    struct bsm o = *shared;
    struct terms m = {0};
    struct bsm_greeks g;

    if (!memcmp(out, &price_only, sizeof *out)) {
        if (out->price)
            price_column(shared, n, strike, vol, out->price);
        return;
    }
    if (o.t > 0)
        set_expiry(&m, &o);
    for (size_t i = 0; i < n; i++) {
        o.strike = strike[i];
        o.vol = vol[i];
        if (!usable(&o)) {
            all_absent(&g);
        } else if (o.t <= 0) {
            at_expiry(&o, &g);
        } else {
            set_strike(&m, o.underlying, o.strike, o.vol);
            greeks_of(&m, o.underlying, o.strike, &g);
        }
        put_all(out, i, &g);
    }
}
