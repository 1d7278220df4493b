/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/skew.h"

#include <math.h>

#include "kernel.h"
#include "quant/bsm.h"
#include "quant/normal.h"

void
skew_smile(size_t n, const double *strike, double forward, const double *call_iv,
           const double *put_iv, double *smile)
{
    for (size_t i = 0; i < n; i++)
        smile[i] = strike[i] < forward   ? put_iv[i]
                   : strike[i] > forward ? call_iv[i]
                                         : 0.5 * (call_iv[i] + put_iv[i]);
}

void
skew_vols(size_t n, const double *strike, double forward, const double *call_iv,
          const double *put_iv, double *call_vol, double *put_vol)
{
    skew_smile(n, strike, forward, call_iv, put_iv, call_vol);
    for (size_t i = 0; i < n; i++) {
        double smile = call_vol[i];

        call_vol[i] = isnan(smile) ? call_iv[i] : smile;
        put_vol[i] = isnan(smile) ? put_iv[i] : smile;
    }
}

/* Both sides' mean, or the one that is there. */
static double
either(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : 0.5 * (a + b);
}

double
skew_atm(size_t n, const double *strike, double forward, const double *call_iv,
         const double *put_iv, double away)
{
    double below = NAN, above = NAN, k_below = NAN, k_above = NAN;

    for (size_t i = 0; i < n; i++) {
        double iv = either(call_iv[i], put_iv[i]);

        if (isnan(iv) || !(fabs(strike[i] / forward - 1) <= away))
            continue;
        if (strike[i] <= forward) {
            below = iv;
            k_below = strike[i];
        } else {
            above = iv;
            k_above = strike[i];
            break;
        }
    }
    if (k_below == forward)
        return below;
    double part = (forward - k_below) / (k_above - k_below);

    return sqrt(below * below * (1 - part) + above * above * part);
}

double
skew_gap(size_t n, const double *strike, double forward, const double *call_iv,
         const double *put_iv, double away)
{
    double sorted[SKEW_GAP_MAX];
    size_t found = 0;

    for (size_t i = 0; i < n && found < SKEW_GAP_MAX; i++) {
        double gap = fabs(call_iv[i] - put_iv[i]);
        size_t at = found;

        if (isnan(gap) || !(fabs(strike[i] / forward - 1) <= away))
            continue;
        for (; at > 0 && sorted[at - 1] > gap; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = gap;
        found++;
    }
    if (found == 0)
        return NAN;
    return found % 2 ? sorted[found / 2] : 0.5 * (sorted[found / 2 - 1] + sorted[found / 2]);
}

static double
forward_delta(double strike, double iv, double forward, double root_t)
{
    double sd = iv * root_t;

    return normal_cdf(bsm_log_ratio(forward, strike) / sd + 0.5 * sd);
}

double
skew_at_delta(size_t n, const double *strike, const double *smile, double forward, double t,
              double delta)
{
    double root_t = sqrt(t), before = NAN;
    bool up = delta < 0.5; /* calls lie above the forward */
    size_t last = n;       /* the strike before this one */

    for (size_t k = 0; k < n; k++) {
        size_t i = up ? k : n - 1 - k;

        if (!(smile[i] > 0))
            continue;
        if (last < n && (up ? strike[i] > forward : strike[i] < forward)) {
            double here = forward_delta(strike[i], smile[i], forward, root_t);

            if (isnan(before)) /* the last one that is not beyond the forward */
                before = forward_delta(strike[last], smile[last], forward, root_t);
            if ((before - delta) * (here - delta) <= 0 && before != here)
                return smile[last] + (smile[i] - smile[last]) * (delta - before) / (here - before);
            before = here;
        }
        last = i;
    }
    return NAN;
}

/* Solves the symmetric 3x3 system a c = b by elimination; false where it is singular. */
static bool
solve3(double a[3][3], double b[3], double c[3])
{
    for (int k = 0; k < 3; k++) {
        if (!(fabs(a[k][k]) > 1e-14))
            return false;
        for (int i = k + 1; i < 3; i++) {
            double f = a[i][k] / a[k][k];

            for (int j = k; j < 3; j++)
                a[i][j] -= f * a[k][j];
            b[i] -= f * b[k];
        }
    }
    for (int k = 2; k >= 0; k--) {
        c[k] = b[k];
        for (int j = k + 1; j < 3; j++)
            c[k] -= a[k][j] * c[j];
        c[k] /= a[k][k];
    }
    return true;
}

/* Strikes from `from` on that a fit is made of, and their number, at most QUANT_BLOCK. */
struct points {
    double strike[QUANT_BLOCK], iv[QUANT_BLOCK], z[QUANT_BLOCK], weight[QUANT_BLOCK];
};

struct smile {
    size_t first, end; /* of the strikes that may be near enough */
    const double *strike, *iv;
    double forward, root_t, width;
};

static size_t
read_points(const struct smile *s, size_t from, struct points *p)
{
    const struct fit_points columns = {p->strike, p->iv, p->z, p->weight};
    size_t n = s->end - from < QUANT_BLOCK ? s->end - from : QUANT_BLOCK;

    for (size_t i = 0; i < QUANT_BLOCK; i++) {
        p->strike[i] = i < n ? s->strike[from + i] : NAN;
        p->iv[i] = i < n ? s->iv[from + i] : NAN;
    }
    quant_kernel()->fit_points(&columns, s->forward, s->root_t, s->width);
    return n;
}

/* Normal equations of iv = c[0] + c[1] z + c[2] z^2, over the sum of the weights, which is
 * returned; 0 where there are too few points. */
static double
sum_points(const struct smile *s, double a[3][3], double b[3])
{
    double power[5] = {0}, right[3] = {0};
    struct points p;
    size_t used = 0;

    for (size_t from = s->first; from < s->end; from += QUANT_BLOCK) {
        size_t n = read_points(s, from, &p);

        for (size_t i = 0; i < n; i++) {
            double term = p.weight[i], z = p.z[i];

            if (!(term > 0))
                continue;
            used++;
            for (int k = 0; k < 5; k++, term *= z) {
                power[k] += term;
                if (k < 3)
                    right[k] += term * p.iv[i];
            }
        }
    }
    if (used < SKEW_FIT_MIN)
        return 0;
    for (int r = 0; r < 3; r++) { /* weights of sum 1 make "singular" a pure number */
        b[r] = right[r] / power[0];
        for (int k = 0; k < 3; k++)
            a[r][k] = power[r + k] / power[0];
    }
    return power[0];
}

static double
residual(const struct smile *s, const double c[3], double all)
{
    struct points p;
    double sum = 0;

    for (size_t from = s->first; from < s->end; from += QUANT_BLOCK) {
        size_t n = read_points(s, from, &p);

        for (size_t i = 0; i < n; i++)
            if (p.weight[i] > 0) {
                double z = p.z[i], e = p.iv[i] - (c[0] + z * (c[1] + z * c[2]));

                sum += p.weight[i] * e * e;
            }
    }
    return sqrt(sum / all);
}

void
skew_fit(size_t n, const double *strike, const double *smile, double forward, double t,
         double atm_iv, double width, struct skew *out)
{
    double root_t = sqrt(t), reach = width * atm_iv * root_t, all, a[3][3], b[3], c[3];
    double lowest = forward * exp(-1.01 * reach), highest = forward * exp(1.01 * reach);
    struct smile s = {0, n, strike, smile, forward, root_t, reach};

    *out = (struct skew){atm_iv, NAN, NAN, {NAN, NAN, NAN}, NAN, NAN, NAN, NAN};
    if (!(forward > 0) || !(t > 0) || !(atm_iv > 0))
        return;
    while (s.first < n && strike[s.first] < lowest)
        s.first++;
    while (s.end > s.first && strike[s.end - 1] > highest)
        s.end--;
    all = sum_points(&s, a, b);
    if (!(all > 0) || !solve3(a, b, c))
        return;
    out->fit[0] = c[0];
    out->fit[1] = out->slope = c[1] / reach;
    out->fit[2] = c[2] / (reach * reach);
    out->curvature = 2 * out->fit[2];
    out->fit_residual = residual(&s, c, all);
}

void
skew_measure(size_t n, const double *strike, const double *smile, double forward, double t,
             double atm_iv, double width, struct skew *out)
{
    double call25, put25;

    skew_fit(n, strike, smile, forward, t, atm_iv, width, out);
    if (!(forward > 0) || !(t > 0) || !(atm_iv > 0))
        return;
    out->expected_move = forward * atm_iv * sqrt(t);
    call25 = skew_at_delta(n, strike, smile, forward, t, 0.25);
    put25 = skew_at_delta(n, strike, smile, forward, t, 0.75);
    out->rr25 = call25 - put25;
    out->bf25 = 0.5 * (call25 + put25) - atm_iv;
}

void
skew_fitted(const struct skew *s, size_t n, const double *strike, double forward, double *iv)
{
    double least = 0.5 * s->fit[0];

    bsm_log_moneyness(n, forward, strike, iv);
    for (size_t i = 0; i < n; i++) {
        double x = iv[i], fitted = s->fit[0] + x * (s->fit[1] + x * s->fit[2]);

        iv[i] = fitted < least ? least : fitted;
    }
}

static double
iv_nearest(size_t n, const double *strike, const double *iv, double at)
{
    double distance = INFINITY, found = NAN;

    for (size_t i = 0; i < n; i++)
        if (!isnan(iv[i]) && fabs(strike[i] - at) < distance) {
            distance = fabs(strike[i] - at);
            found = iv[i];
        }
    return distance <= 0.02 * at ? found : NAN;
}

double
skew_legacy(size_t n, const double *strike, double spot, const double *call_iv,
            const double *put_iv)
{
    if (!(spot > 0))
        return NAN;
    return iv_nearest(n, strike, put_iv, 0.95 * spot) - iv_nearest(n, strike, call_iv, 1.05 * spot);
}
