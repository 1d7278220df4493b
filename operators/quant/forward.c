/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/forward.h"

#include <math.h>

#define ROBUST_ROUNDS 8
#define BIWEIGHT 4.685 /* standard deviations at which a residual counts nothing */
#define MAD_TO_SD 1.4826
#define DISCOUNT_AWAY_MAX 0.02

/* The strikes that enter the fit. */
struct pairs {
    size_t n;
    double strike[2 * FORWARD_NEAR_MAX + 1];
    double gap[2 * FORWARD_NEAR_MAX + 1];    /* C - P */
    double base[2 * FORWARD_NEAR_MAX + 1];   /* weight by place and quote */
    double weight[2 * FORWARD_NEAR_MAX + 1]; /* base times the biweight */
};

static bool
is_pair(const struct forward_inputs *in, size_t i)
{
    return in->call[i] > 0 && in->put[i] > 0 && in->strike[i] > 0 &&
           isfinite(in->call[i] + in->put[i] + in->strike[i]);
}

static bool
believable(const struct forward_inputs *in, double forward)
{
    if (!(forward > 0) || !isfinite(forward))
        return false;
    return !(in->spot > 0) || fabs(forward / in->spot - 1) <= in->away_max;
}

/* The strike with the smallest |C - P| whose forward can be believed; n where there is none. */
static size_t
find_anchor(const struct forward_inputs *in, double discount)
{
    size_t best = in->n;
    double smallest = INFINITY;

    for (size_t i = 0; i < in->n; i++) {
        double gap = is_pair(in, i) ? in->call[i] - in->put[i] : NAN;

        if (fabs(gap) < smallest && believable(in, in->strike[i] + gap / discount)) {
            smallest = fabs(gap);
            best = i;
        }
    }
    return best;
}

static void
add_pair(struct pairs *p, const struct forward_inputs *in, size_t i, size_t place)
{
    double part = (double)place / (double)(in->near + 1), tricube = 1 - part * part * part;

    p->strike[p->n] = in->strike[i];
    p->gap[p->n] = in->call[i] - in->put[i];
    p->base[p->n] = tricube * tricube * tricube * (in->weight ? in->weight[i] : 1);
    p->weight[p->n] = p->base[p->n];
    p->n++;
}

static void
collect(struct pairs *p, const struct forward_inputs *in, size_t anchor)
{
    size_t near = in->near < FORWARD_NEAR_MAX ? in->near : FORWARD_NEAR_MAX, place = 0;

    p->n = 0;
    add_pair(p, in, anchor, 0);
    for (size_t i = anchor; i-- > 0 && place < near;)
        if (is_pair(in, i))
            add_pair(p, in, i, ++place);
    place = 0;
    for (size_t i = anchor + 1; i < in->n && place < near; i++)
        if (is_pair(in, i))
            add_pair(p, in, i, ++place);
}

static double
median(double *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && v[j] < v[j - 1]; j--) {
            double swap = v[j];

            v[j] = v[j - 1];
            v[j - 1] = swap;
        }
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

static double
weighted_forward(const struct pairs *p, double discount)
{
    double sum = 0, all = 0;

    for (size_t i = 0; i < p->n; i++) {
        sum += p->weight[i] * (p->strike[i] + p->gap[i] / discount);
        all += p->weight[i];
    }
    return sum / all;
}

/* Robust mean of the strikes' forwards; starts from their median, so that one bad pair of three
 * does not draw it. */
static double
fit_forward(struct pairs *p, double discount)
{
    double sorted[2 * FORWARD_NEAR_MAX + 1], forward;

    for (size_t i = 0; i < p->n; i++)
        sorted[i] = p->strike[i] + p->gap[i] / discount;
    forward = median(sorted, p->n);
    for (int round = 0; round < ROBUST_ROUNDS; round++) {
        double scale;

        for (size_t i = 0; i < p->n; i++)
            sorted[i] = fabs(p->strike[i] + p->gap[i] / discount - forward);
        scale = BIWEIGHT * MAD_TO_SD * median(sorted, p->n) + 1e-9 * forward;
        for (size_t i = 0; i < p->n; i++) {
            double u = (p->strike[i] + p->gap[i] / discount - forward) / scale;

            p->weight[i] = fabs(u) < 1 ? p->base[i] * (1 - u * u) * (1 - u * u) : 0;
        }
        forward = weighted_forward(p, discount);
    }
    return forward;
}

/* Slope of the weighted regression of C - P on K, with the sign of a discount factor. */
static double
fit_discount(const struct pairs *p)
{
    double all = 0, mean_k = 0, mean_y = 0, sxx = 0, sxy = 0;

    for (size_t i = 0; i < p->n; i++) {
        all += p->weight[i];
        mean_k += p->weight[i] * p->strike[i];
        mean_y += p->weight[i] * p->gap[i];
    }
    mean_k /= all;
    mean_y /= all;
    for (size_t i = 0; i < p->n; i++) {
        double dk = p->strike[i] - mean_k;

        sxx += p->weight[i] * dk * dk;
        sxy += p->weight[i] * dk * (p->gap[i] - mean_y);
    }
    return -sxy / sxx;
}

static void
finish_fit(const struct pairs *p, struct forward *out)
{
    double sum = 0, all = 0;

    for (size_t i = 0; i < p->n; i++) {
        double e = p->gap[i] - out->discount * (out->forward - p->strike[i]);

        sum += p->weight[i] * e * e;
        all += p->weight[i];
        out->strikes_used += p->weight[i] > 0;
    }
    out->residual = sqrt(sum / all);
}

static bool
by_parity(const struct forward_inputs *in, struct forward *out)
{
    struct pairs p;
    size_t anchor = find_anchor(in, out->discount);

    if (anchor == in->n)
        return false;
    collect(&p, in, anchor);
    out->source = FORWARD_PARITY_ATM;
    out->strikes_used = 1;
    out->forward = in->strike[anchor] + (in->call[anchor] - in->put[anchor]) / out->discount;
    if (p.n < FORWARD_FIT_MIN)
        return true;
    double forward = fit_forward(&p, out->discount), slope = fit_discount(&p);
    if (!believable(in, forward))
        return true;
    out->source = FORWARD_PARITY_REGRESSION;
    out->strikes_used = 0;
    out->forward = forward;
    if (in->fit_discount && fabs(slope / out->discount - 1) <= DISCOUNT_AWAY_MAX) {
        double fitted = weighted_forward(&p, slope);

        if (believable(in, fitted)) {
            out->discount = slope;
            out->rate = in->t > 0 ? -log(slope) / in->t : in->rate;
            out->forward = fitted;
        }
    }
    finish_fit(&p, out);
    return true;
}

bool
forward_imply(const struct forward_inputs *in, struct forward *out)
{
    *out = (struct forward){.forward = NAN,
                            .discount = exp(-in->rate * in->t),
                            .rate = in->rate,
                            .yield = NAN,
                            .residual = NAN};
    if (!(in->t >= 0) || !isfinite(out->discount) || !(out->discount > 0))
        return false;
    if (!by_parity(in, out)) {
        double carried = in->spot * exp((in->rate - in->yield) * in->t);

        if (in->future > 0 && isfinite(in->future)) {
            out->source = FORWARD_FUTURE;
            out->forward = in->future;
        } else if (carried > 0 && isfinite(carried)) {
            out->source = FORWARD_SPOT_CARRY;
            out->forward = carried;
        } else {
            return false;
        }
    }
    if (in->t > 0 && in->spot > 0 && isfinite(in->spot))
        out->yield = out->rate - log(out->forward / in->spot) / in->t;
    return true;
}
