/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/iv.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "dd.h"
#include "kernel.h"
#include "quant/black.h"
#include "quant/normal.h"

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
        /* s_c - b_c / v_c is sqrt(pi/2) |x| to first order, and nothing of it is left near 0 */
        double s_l = s_c < 1e-4 ? 0.5 * NORMAL_SQRT_2PI * ax : s_c - b_c / v_c, h_l = -ax / s_l;
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

/* The objective g at s by the three numbers that a step needs; products, because the derivatives
 * alone leave the range of a double where s is tiny. */
struct objective {
    double newton; /* n = -g / g'; positive where s is too small */
    double second; /* n g'' / g' */
    double third;  /* n^2 g''' / g' */
};

/* ln of the target over what it is at s, by the logarithm of one quotient: two that are large and
 * near to each other would lose digits. ln_target: of a target that is too small for a double. */
static double
log_gap(double target, double ln_target, double ratio, double exponent)
{
    if (target > PRECISE_MIN)
        return log(target / ratio * NORMAL_SQRT_2PI) + exponent;
    return ln_target - log(ratio * NORMAL_1_SQRT_2PI) + exponent;
}

static struct objective
evaluate(const struct target *g, double s, enum branch branch)
{
    double h = g->x / s, t = 0.5 * s, exponent = 0.5 * (h * h + t * t);
    double ratio = branch == UPPER ? black_complement_ratio(h, t) : black_ratio(h, t);
    double n, lambda = 0, turned, b2, b3, q;

    if (branch == LOWER) { /* 1/ln b */
        double gap = log_gap(g->price, g->ln_price, ratio, exponent);

        lambda = 1 / (g->ln_price - gap);
        n = gap / (lambda * g->ln_price) * ratio;
    } else if (branch == UPPER) { /* ln(max - b) */
        n = -log_gap(g->missing, log(g->missing), ratio, exponent) * ratio;
    } else {
        n = g->price * NORMAL_SQRT_2PI * exp(exponent) - ratio;
    }
    turned = h / s * n;
    b2 = h * turned - 0.5 * t * n;                     /* n b'' / b' */
    b3 = b2 * b2 - 3 * turned * turned - 0.25 * n * n; /* n^2 b''' / b' */
    q = n / ratio;
    if (branch == LOWER)
        return (struct objective){n, b2 - q * (1 + 2 * lambda),
                                  b3 + 2 * q * q * (1 + 3 * lambda * (1 + lambda)) -
                                      3 * b2 * q * (1 + 2 * lambda)};
    if (branch == UPPER)
        return (struct objective){n, b2 + q, b3 + q * (2 * q + 3 * b2)};
    return (struct objective){n, b2, b3};
}

static double
householder(struct objective g)
{
    double factor = (1 + 0.5 * g.second) / (1 + g.second + g.third / 6);

    return factor > 0 ? g.newton * factor : g.newton;
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

/* The result of a problem whose price comes from `quote`, of which time_value is a part and missing
 * is left to the maximum. */
static struct iv
solve_normalised(const struct target *target, double quote, double time_value, double missing)
{
    double s = find(target), conditioning, spread;

    if (!(s > 0) || !isfinite(s))
        return no_iv(IV_NO_TIME_VALUE);
    conditioning = half_ulp(quote) / time_value * black_ratio(target->x / s, 0.5 * s) / s;
    /* The price that was rounded was up to half an ulp farther from the nearer bound. */
    spread = 1 + half_ulp(quote) / fmin(time_value, missing);
    return (struct iv){s, conditioning,
                       conditioning <= ILL_CONDITIONED * spread ? IV_OK : IV_ILL_CONDITIONED};
}

struct iv
iv_normalised(double x, double price)
{
    double missing = dd_add(dd_exp((struct dd){0.5 * x, 0}).exp, (struct dd){-price, 0}).hi;
    struct target target = {x, price, missing, log(price)};

    if (!(x <= 0) || isinf(x) || isinf(price))
        return no_iv(IV_BAD_INPUT);
    if (isnan(price))
        return no_iv(IV_NO_QUOTE);
    if (!(price > 0))
        return no_iv(price < 0 ? IV_BELOW_INTRINSIC : IV_NO_TIME_VALUE);
    if (!(missing > 0))
        return no_iv(IV_ABOVE_MAXIMUM);
    return solve_normalised(&target, price, price, missing);
}

/* ---- Prices of the market ------------------------------------------------------------------ */

/* What one expiry has in common. */
struct expiry {
    struct dd asset_df, cash_df; /* exp(-qT), exp(-rT) */
    struct dd carry;             /* (r - q) T */
    struct dd gain;              /* exp(carry) - 1 */
    double root_t;
};

static struct expiry
expiry_of(const struct bsm *o)
{
    struct expiry e = {.root_t = sqrt(o->t)};

    e.cash_df = dd_exp(dd_product(-o->rate, o->t)).exp;
    e.asset_df = e.cash_df;
    if (o->model == BSM_MERTON) {
        e.asset_df = dd_exp(dd_product(-o->yield, o->t)).exp;
        e.carry = dd_scale(dd_sum(o->rate, -o->yield), o->t);
        e.gain = dd_exp(e.carry).expm1;
    }
    return e;
}

/* ln(F/K) to the last digit, also where ln(S/K) and carry nearly cancel: a first value l of
 * ln(S/K) is off by ln(1 + ((S - K) + S (exp(-l) - 1)) / K). */
static double
log_forward_ratio(const struct expiry *e, double underlying, double strike, double time_value)
{
    double l = bsm_log_ratio(underlying, strike), x = l + e->carry.hi;

    if (fabs(x) > 2 * fabs(e->carry.hi) || time_value > 2 * fabs(e->carry.hi))
        return x;
    struct dd back = dd_exp((struct dd){-l, 0}).expm1;
    struct dd off = dd_add(dd_sum(underlying, -strike), dd_scale(back, underlying));
    struct dd exact = dd_add(e->carry, dd_sum(l, off.hi / strike));

    return exact.hi;
}

static double
log_quotient(double a, double b)
{
    return a / b > PRECISE_MIN ? log(a / b) : log(a * 0x1p300 / b) - 300 * M_LN2;
}

static struct iv
solve(const struct expiry *e, enum bsm_right right, double underlying, double strike, double price)
{
    struct dd asset = dd_scale(e->asset_df, underlying), cash = dd_scale(e->cash_df, strike);
    /* asset - cash, with the digits that this would cancel */
    struct dd parity =
        dd_add(dd_mul(dd_sum(underlying, -strike), e->asset_df), dd_mul(cash, e->gain));
    struct dd most = right == BSM_CALL ? asset : cash, quoted = {price, 0};
    double scale = sqrt(asset.hi) * sqrt(cash.hi), time_value = price, missing;
    struct iv iv;

    if (!(scale > 0) || !isfinite(parity.hi + parity.lo + most.hi + most.lo))
        return no_iv(IV_BAD_INPUT);
    missing = dd_add(most, dd_neg(quoted)).hi;
    if (missing <= 0)
        return no_iv(IV_ABOVE_MAXIMUM);
    if ((right == BSM_CALL ? parity.hi : -parity.hi) > 0)
        time_value = dd_add(quoted, right == BSM_CALL ? dd_neg(parity) : parity).hi;
    if (!(time_value > 0))
        return no_iv(price < 0 || time_value < -4 * half_ulp(price) ? IV_BELOW_INTRINSIC
                                                                    : IV_NO_TIME_VALUE);
    struct target target = {.price = time_value / scale,
                            .missing = missing / scale,
                            .ln_price = log_quotient(time_value, scale)};
    target.x = -fabs(log_forward_ratio(e, underlying, strike, target.price));
    iv = solve_normalised(&target, price, time_value, missing);
    if (isnan(iv.vol))
        return iv;
    iv.vol /= e->root_t;
    return iv.vol > 0 && isfinite(iv.vol) ? iv : no_iv(IV_BAD_INPUT);
}

static bool
usable(const struct bsm *o)
{
    return (o->model == BSM_BLACK76 || (o->model == BSM_MERTON && isfinite(o->yield))) &&
           (o->right == BSM_CALL || o->right == BSM_PUT) && o->underlying > 0 && o->strike > 0 &&
           isfinite(o->underlying) && isfinite(o->strike) && isfinite(o->t) && isfinite(o->rate);
}

struct iv
iv_solve(const struct bsm *o, double price)
{
    struct expiry e;

    if (!usable(o) || isinf(price))
        return no_iv(IV_BAD_INPUT);
    if (isnan(price))
        return no_iv(IV_NO_QUOTE);
    if (o->t <= 0)
        return no_iv(IV_NO_TIME_VALUE);
    e = expiry_of(o);
    return solve(&e, o->right, o->underlying, o->strike, price);
}

/* ---- Batches ------------------------------------------------------------------------------- */

static bool
one_expiry(const struct bsm_batch *in)
{
    return !in->model.step && !in->t.step && !in->rate.step && !in->yield.step;
}

static size_t
whole_vectors(size_t n)
{
    return (n + IV_LANES - 1) / IV_LANES * IV_LANES;
}

/* n lanes get the factors of lane 0. */
static void
share(struct iv_block *b, size_t n)
{
    struct iv_pairs *factor[] = {&b->asset_df, &b->cash_df, &b->carry, &b->gain};

    for (size_t k = 0; k < sizeof factor / sizeof *factor; k++)
        for (size_t i = 1; i < n; i++) {
            factor[k]->hi[i] = factor[k]->hi[0];
            factor[k]->lo[i] = factor[k]->lo[0];
        }
    for (size_t i = 1; i < n; i++)
        b->root_t[i] = b->root_t[0];
}

/* Entries from `at` on, and nothing in the lanes of filling up. */
static void
load_input(double *to, size_t n, struct bsm_input from, size_t at)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from.at[(at + i) * from.step];
    for (size_t i = n; i < whole_vectors(n); i++)
        to[i] = NAN;
}

static void
load(struct iv_block *b, size_t n, const struct bsm_batch *in, struct bsm_input price, size_t at)
{
    load_input(b->underlying, n, in->underlying, at);
    load_input(b->strike, n, in->strike, at);
    load_input(b->price, n, price, at);
    for (size_t i = 0; i < whole_vectors(n); i++) {
        size_t k = at + (i < n ? i : n - 1);
        enum bsm_right right = in->right.at[k * in->right.step];
        enum bsm_model model = in->model.at[k * in->model.step];

        b->th[i] = right;
        if ((right != BSM_CALL && right != BSM_PUT) ||
            (model != BSM_MERTON && model != BSM_BLACK76))
            b->price[i] = NAN; /* for iv_solve() to refuse */
    }
}

static void
load_expiries(struct iv_block *b, size_t n, const struct bsm_batch *in, size_t at)
{
    load_input(b->t, n, in->t, at);
    load_input(b->rate, n, in->rate, at);
    load_input(b->yield, n, in->yield, at);
    for (size_t i = 0; i < n; i++)
        if (in->model.at[(at + i) * in->model.step] == BSM_BLACK76)
            b->yield[i] = b->rate[i];
}

static struct iv
lane(const struct iv_block *b, size_t i)
{
    return (struct iv){b->vol[i], b->conditioning[i], (enum iv_status)(int)b->status[i]};
}

/* What the kernel left. */
static struct iv
settle(const struct bsm_batch *in, size_t i, double price)
{
    struct bsm o = bsm_entry(in, i);

    return iv_solve(&o, price);
}

static void
put(const struct iv_columns *out, size_t i, struct iv iv)
{
    if (out->vol)
        out->vol[i] = iv.vol;
    if (out->conditioning)
        out->conditioning[i] = iv.conditioning;
    if (out->status)
        out->status[i] = iv.status;
}

void
iv_batch(const struct bsm_batch *batch, struct bsm_input price, const struct iv_columns *out)
{
    static const double none = 0;
    const struct quant_kernel *kernel = quant_kernel();
    struct bsm_batch in = *batch;
    struct iv_block b;
    bool shared;

    if (!in.yield.at)
        in.yield = (struct bsm_input){&none, 0};
    in.vol = (struct bsm_input){&none, 0};
    shared = in.n > 0 && one_expiry(&in);
    if (shared) {
        load_expiries(&b, 1, &in, 0);
        kernel->iv_expiries(&b, 1);
        share(&b, in.n < IV_BLOCK ? whole_vectors(in.n) : IV_BLOCK);
    }
    for (size_t at = 0; at < in.n; at += IV_BLOCK) {
        size_t n = in.n - at < IV_BLOCK ? in.n - at : IV_BLOCK;
        uint64_t solved;

        load(&b, n, &in, price, at);
        if (!shared) {
            load_expiries(&b, n, &in, at);
            kernel->iv_expiries(&b, n);
        }
        solved = kernel->iv(&b, n);
        for (size_t i = 0; i < n; i++)
            put(out, at + i, solved >> i & 1 ? lane(&b, i) : settle(&in, at + i, b.price[i]));
    }
}

void
iv_column(const struct bsm *shared, size_t n, const double *strike, const double *price,
          const struct iv_columns *out)
{
    struct bsm_batch batch = {
        .n = n,
        .model = {&shared->model, 0},
        .right = {&shared->right, 0},
        .underlying = {&shared->underlying, 0},
        .strike = {strike, 1},
        .t = {&shared->t, 0},
        .rate = {&shared->rate, 0},
        .yield = {&shared->yield, 0},
    };

    iv_batch(&batch, (struct bsm_input){price, 1}, out);
}
