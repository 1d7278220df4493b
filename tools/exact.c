/* SPDX-License-Identifier: Apache-2.0 */
#include "exact.h"

#include <math.h>

enum { UNDERLYING, STRIKE, TIME, RATE, YIELD, VOL, INPUTS };

static long double
density(long double z)
{
    return expl(-z * z / 2) * 0.398942280401432677939946L;
}

static long double
distribution(long double z)
{
    return erfcl(-z * 0.707106781186547524400844L) / 2;
}

/* Results in the order of struct bsm_columns. */
static void
evaluate(const struct bsm *o, const long double in[INPUTS], long double out[BSM_COLUMNS])
{
    bool black = o->model == BSM_BLACK76;
    long double th = o->right, S = in[UNDERLYING], K = in[STRIKE], T = in[TIME], r = in[RATE];
    long double q = black ? r : in[YIELD], vol = in[VOL], carry = black ? 0 : r - q;
    long double root = sqrtl(T), sd = vol * root;
    long double d1 = (logl(S / K) + carry * T) / sd + sd / 2, d2 = d1 - sd;
    long double asset_df = expl(-q * T), cash_df = expl(-r * T);
    long double n1 = asset_df * density(d1), N1 = asset_df * distribution(th * d1);
    long double N2 = cash_df * distribution(th * d2), price = th * (S * N1 - K * N2);
    long double gamma = n1 / (S * sd), vega = S * n1 * root;
    long double decay = S * n1 * vol / (2 * root), moved = 2 * carry * T - d2 * sd;

    out[0] = price;
    out[1] = th * N1;
    out[2] = gamma;
    out[3] = vega;
    out[4] = -decay - th * r * K * N2 + th * q * S * N1;
    out[5] = black ? -T * price : th * K * T * N2;
    out[6] = -th * S * T * N1;
    out[7] = -n1 * d2 / vol;
    out[8] = th * q * N1 - n1 * moved / (2 * T * sd);
    out[9] = vega * d1 * d2 / vol;
    out[10] = vega * (q + carry * d1 / sd - (1 + d1 * d2) / (2 * T));
    out[11] = -gamma / S * (d1 / sd + 1);
    out[12] = gamma * (d1 * d2 - 1) / vol;
    out[13] = n1 / (2 * S * T * sd) * (2 * q * T + 1 + d1 * moved / sd);
    out[14] = -vega / (vol * vol) * (d1 * d2 * (1 - d1 * d2) + d1 * d1 + d2 * d2);
    out[15] = -th * N2;
    out[16] = cash_df * density(d2) / (K * sd);
    out[17] = distribution(th * d2);
}

static long double
half_ulp(double x)
{
    return ((long double)nextafter(fabs(x), INFINITY) - fabs(x)) / 2;
}

void
exact_changes(const struct bsm *o, long double change[BSM_COLUMNS])
{
    const double at[INPUTS] = {o->underlying, o->strike, o->t, o->rate, o->yield, o->vol};

    for (int c = 0; c < BSM_COLUMNS; c++)
        change[c] = 0;
    for (int i = 0; i < INPUTS; i++) {
        long double in[INPUTS], up[BSM_COLUMNS], down[BSM_COLUMNS];

        if (at[i] == 0 || (i == YIELD && o->model == BSM_BLACK76))
            continue;
        for (int j = 0; j < INPUTS; j++)
            in[j] = at[j];
        in[i] = at[i] + half_ulp(at[i]);
        evaluate(o, in, up);
        in[i] = at[i] - half_ulp(at[i]);
        evaluate(o, in, down);
        for (int c = 0; c < BSM_COLUMNS; c++)
            change[c] += fabsl(up[c] - down[c]) / 2;
    }
}

struct exact_black
exact_black(double x, double s)
{
    long double h = (long double)x / s, t = (long double)s / 2;
    struct exact_black e = {
        .by_s = expl(-(h * h + t * t) / 2) * 0.398942280401432677939946L,
        .by_x = (expl(x / 2.0L) * distribution(h + t) + expl(-x / 2.0L) * distribution(h - t)) / 2,
    };

    e.change = (x == 0 ? 0 : e.by_x * half_ulp(x)) + e.by_s * half_ulp(s);
    return e;
}
