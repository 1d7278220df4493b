/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/iv.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "quant/black.h"
#include "quant/normal.h"

/* The price that was rounded may have had half the sensitivity of the rounded one, so 2 % at the
 * solution stands for the 1 % of iv.h. */
#define ILL_CONDITIONED 0.02
#define STEPS_MAX 60
/* Doubles below have fewer digits. */
#define PRECISE_MIN 1e-290
/* The steps are of order four: one that moved s by less than this leaves nothing to do. */
#define LAST_STEP 1e-5

/* ---- The start ----------------------------------------------------------------------------- */

/* A value with its first derivative at one end of an interval. */
struct end {
    double at, value, slope;
};

/* Delbourgo and Gregory's rational cubic between two ends with control parameter r > -1;
 * r = infinity is the straight line. */
static double
rational_cubic(struct end l, struct end r, double control, double at)
{
    double width = r.at - l.at, t = (at - l.at) / width, u = 1 - t;

    if (!isfinite(control) || control > 1e150)
        return l.value * u + r.value * t;
    return (r.value * t * t * t + (control * r.value - width * r.slope) * t * t * u +
            (control * l.value + width * l.slope) * t * u * u + l.value * u * u * u) /
           (1 + (control - 3) * t * u);
}

/* The control parameter that gives the second derivative `bend` at one end, kept where the
 * denominator is positive. */
static double
control_left(struct end l, struct end r, double bend)
{
    double width = r.at - l.at, mean = (r.value - l.value) / width;

    return fmax((0.5 * width * bend + r.slope - l.slope) / (mean - l.slope), -0.9);
}

static double
control_right(struct end l, struct end r, double bend)
{
    double width = r.at - l.at, mean = (r.value - l.value) / width;

    return fmax((0.5 * width * bend + r.slope - l.slope) / (r.slope - mean), -0.9);
}

enum branch { LOWER, MIDDLE, UPPER };

/* What b(x,s) has to reach. */
struct target {
    double x, price, missing; /* as in iv_normalised() */
    double ln_price;          /* also right where price is too small for a double */
};

/* Below the lower tangent point: the price is nearly a straight line in
 * f = 2 pi |x| / (3 sqrt 3) N(z)^3, z = -|x| / (sqrt 3 s). */
static double
start_lower(double ax, double price, double s_l, double b_l)
{
    const double root3 = 1.7320508075688772935, k = 2 * M_PI * ax / (3 * root3);
    double z = -ax / (root3 * s_l), y = z * z, ratio = normal_ratio(z);
    double n = ratio * normal_pdf(z);
    double slope = y * ratio * ratio * exp(s_l * s_l / 8); /* df/db */
    double bend = M_PI / 6 * y / (s_l * s_l * s_l) * n *
                  (8 * root3 * s_l * ax + (3 * s_l * s_l * (s_l * s_l - 8) - 8 * ax * ax) * ratio) *
                  exp(2 * y + s_l * s_l / 4);
    struct end l = {0, 0, 1}, r = {b_l, k * n * n * n, slope};
    double f = rational_cubic(l, r, control_right(l, r, bend), price);

    if (!(f >= DBL_MIN))
        f = DBL_MIN;
    z = normal_quantile_rough(cbrt(f / k));
    return z < 0 ? ax / (root3 * -z) : s_l;
}

/* Above the upper tangent point: f = N(-s/2). */
static double
start_upper(double ax, double price, double missing, double s_u, double b_u, double b_max)
{
    double h = ax / s_u, w = h * h;
    struct end l = {0, normal_cdf(-0.5 * s_u), -0.5 * exp(0.5 * w)}, r = {b_max - b_u, 0, -0.5};
    double bend = sqrt(M_PI / 2) * exp(w + s_u * s_u / 8) * w / s_u;
    double f = rational_cubic(l, r, control_left(l, r, bend), r.at - missing);

    if (!(f > 0))
        f = l.value * missing / r.at;
    return -2 * normal_quantile_rough(f);
}

/* A start for s, and the objective function that suits it. */
static double
start(const struct target *g, enum branch *branch)
{
    double x = g->x, price = g->price, missing = g->missing, ax = -x, b_max = exp(0.5 * x),
           s_c = sqrt(2 * ax);
    double h_c = ax > 0 ? -ax / s_c : 0, v_c = black_vega(h_c, 0.5 * s_c);
    double b_c = ax > 0 ? v_c * black_ratio(h_c, 0.5 * s_c) : 0;
    struct end centre = {b_c, s_c, 1 / v_c};

    *branch = MIDDLE;
    if (price < b_c) {
        double s_l = s_c - b_c / v_c, h_l = -ax / s_l;
        double v_l = black_vega(h_l, 0.5 * s_l), b_l = v_l * black_ratio(h_l, 0.5 * s_l);
        struct end l = {b_l, s_l, 1 / v_l};

        if (price >= b_l)
            return rational_cubic(l, centre, control_right(l, centre, 0), price);
        *branch = LOWER;
        return start_lower(ax, price, s_l, b_l);
    }
    double s_u = s_c + (b_max - b_c) / v_c, h_u = -ax / s_u;
    double v_u = black_vega(h_u, 0.5 * s_u), b_u = v_u * black_ratio(h_u, 0.5 * s_u);
    struct end r = {b_u, s_u, 1 / v_u};

    if (missing < 0.5 * b_max)
        *branch = UPPER;
    if (price <= b_u)
        return rational_cubic(centre, r, control_left(centre, r, 0), price);
    *branch = UPPER;
    return start_upper(ax, price, missing, s_u, b_u, b_max);
}

/* ---- The steps ----------------------------------------------------------------------------- */

/* The objective g at s by the three numbers that a step needs. */
struct objective {
    double newton; /* -g / g'; positive where s is too small */
    double second; /* g'' / g' */
    double third;  /* g''' / g' */
};

static struct objective
evaluate(const struct target *g, double s, enum branch branch)
{
    double h = g->x / s, t = 0.5 * s;
    double b2 = h * h / s - 0.25 * s;                   /* b'' / b' */
    double b3 = b2 * b2 - 3 * (h / s) * (h / s) - 0.25; /* b''' / b' */
    double exponent = 0.5 * (h * h + t * t);

    if (branch == LOWER) { /* 1/ln b */
        double ratio = black_ratio(h, t);
        double ln_b = log(ratio * NORMAL_1_SQRT_2PI) - exponent;
        double p = 1 / ratio, lambda = 1 / ln_b;

        return (struct objective){
            .newton = (g->ln_price - ln_b) * ln_b / g->ln_price * ratio,
            .second = b2 - p * (1 + 2 * lambda),
            .third =
                b3 + 2 * p * p * (1 + 3 * lambda * (1 + lambda)) - 3 * b2 * p * (1 + 2 * lambda),
        };
    }
    if (branch == UPPER) { /* ln(max - b) */
        double ratio = black_complement_ratio(h, t), p = 1 / ratio;
        double ln_missing = log(ratio * NORMAL_1_SQRT_2PI) - exponent;

        return (struct objective){
            .newton = (ln_missing - log(g->missing)) * ratio,
            .second = b2 + p,
            .third = b3 + p * (2 * p + 3 * b2),
        };
    }
    return (struct objective){
        .newton = g->price * NORMAL_SQRT_2PI * exp(exponent) - black_ratio(h, t),
        .second = b2,
        .third = b3,
    };
}

static double
householder(struct objective g)
{
    double step = g.newton * (1 + 0.5 * g.second * g.newton) /
                  (1 + g.newton * (g.second + g.third * g.newton / 6));

    return step * g.newton > 0 ? step : g.newton;
}

static double
find(const struct target *target)
{
    enum branch branch;
    double low = 0, high = INFINITY, s = start(target, &branch);

    if (!(s > 0) || !isfinite(s))
        s = sqrt(-2 * target->x) + target->price;
    for (int i = 0; i < STEPS_MAX; i++) {
        struct objective g = evaluate(target, s, branch);
        double step = householder(g), next = s + step;

        if (fabs(step) <= LAST_STEP * s)
            return next;
        if (g.newton > 0)
            low = s;
        else if (g.newton < 0)
            high = s;
        else
            return s; /* also where the numbers end: nothing better can be told */
        if (!(next > low && next < high))
            next = isfinite(high) ? 0.5 * (low + high) : 2 * s;
        s = next;
    }
    return s;
}

double
iv_normalised(double x, double price, double missing)
{
    struct target target = {x, price, missing, log(price)};

    if (!(x <= 0) || !(price > 0) || !(missing > 0) || !isfinite(x))
        return NAN;
    return find(&target);
}

/* ---- Prices of the market ------------------------------------------------------------------ */

/* What one expiry has in common. */
struct expiry {
    long double asset_df, cash_df; /* exp(-qT), exp(-rT) */
    long double gain;              /* exp((r-q)T) - 1 */
    double carry;                  /* (r-q) T */
    double root_t;
};

static struct expiry
expiry_of(const struct bsm *o)
{
    bool black76 = o->model == BSM_BLACK76;
    long double t = o->t, carry = black76 ? 0 : ((long double)o->rate - o->yield) * t;
    long double cash_df = expl(-o->rate * t);

    return (struct expiry){
        .asset_df = black76 ? cash_df : expl(-o->yield * t),
        .cash_df = cash_df,
        .gain = expm1l(carry),
        .carry = (double)carry,
        .root_t = sqrt(o->t),
    };
}

static struct iv
no_iv(enum iv_status status)
{
    return (struct iv){.vol = NAN, .conditioning = NAN, .status = status};
}

static double
half_ulp(double price)
{
    return 0.5 * (nextafter(price, INFINITY) - price);
}

static struct iv
solve(const struct expiry *e, enum bsm_right right, double underlying, double strike, double price)
{
    long double asset = underlying * e->asset_df, cash = strike * e->cash_df;
    double th = right; /* intrinsic: th (asset - cash), with the digits that this would cancel */
    long double intrinsic =
        th * (((long double)underlying - strike) * e->asset_df + cash * e->gain);
    long double most = right == BSM_CALL ? asset : cash;
    long double time_value = intrinsic > 0 ? price - intrinsic : price;
    long double scale = sqrtl(asset) * sqrtl(cash);
    double x = -fabs(bsm_log_ratio(underlying, strike) + e->carry), s;

    if (isnan(price))
        return no_iv(IV_NO_QUOTE);
    if (price >= most)
        return no_iv(IV_ABOVE_MAXIMUM);
    if (!(time_value > 0))
        return no_iv(price < 0 || time_value < -4 * (long double)half_ulp(price)
                         ? IV_BELOW_INTRINSIC
                         : IV_NO_TIME_VALUE);
    struct target target = {x, (double)(time_value / scale), (double)((most - price) / scale), 0};
    target.ln_price =
        target.price > PRECISE_MIN ? log(target.price) : (double)logl(time_value / scale);
    s = find(&target);
    if (!(s > 0))
        return no_iv(IV_NO_TIME_VALUE);
    struct iv iv = {.vol = s / e->root_t, .status = IV_OK};

    if (!(iv.vol > 0) || !isfinite(iv.vol))
        return no_iv(IV_BAD_INPUT);
    iv.conditioning = half_ulp(price) / (double)time_value * black_ratio(x / s, 0.5 * s) / s;
    if (!(iv.conditioning <= ILL_CONDITIONED))
        iv.status = IV_ILL_CONDITIONED;
    return iv;
}

static bool
usable(const struct bsm *o)
{
    return o->underlying > 0 && o->strike > 0 && isfinite(o->underlying) && isfinite(o->strike) &&
           isfinite(o->t) && isfinite(o->rate) && (o->model == BSM_BLACK76 || isfinite(o->yield));
}

struct iv
iv_solve(const struct bsm *o, double price)
{
    struct iv iv;

    iv_column(o, 1, &o->strike, &price, &iv);
    return iv;
}

void
iv_column(const struct bsm *shared, size_t n, const double *strike, const double *price,
          struct iv *out)
{
    struct bsm o = *shared;
    struct expiry e = {0};

    if (o.t > 0)
        e = expiry_of(&o);
    for (size_t i = 0; i < n; i++) {
        o.strike = strike[i];
        if (!usable(&o) || (!isnan(price[i]) && !isfinite(price[i])))
            out[i] = no_iv(IV_BAD_INPUT);
        else if (isnan(price[i]))
            out[i] = no_iv(IV_NO_QUOTE);
        else if (o.t <= 0)
            out[i] = no_iv(IV_NO_TIME_VALUE);
        else
            out[i] = solve(&e, o.right, o.underlying, o.strike, price[i]);
    }
}
