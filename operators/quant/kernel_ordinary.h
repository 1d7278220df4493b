/* SPDX-License-Identifier: Apache-2.0
 * kernel_ordinary - price and Greeks of the options that markets trade, a template on vec.h: with
 * the same formulas as kernel_general.h, but without the cases that only others need.
 *
 * Ordinary is a lane whose vol sqrt(T) is of 1e-10 to NEAR_SD, whose |x| is below NEAR_X, whose
 * discount factors are near 1 (SOON) and whose d1 is not where the density of doubles ends; what
 * such a lane gets is finite, no factor underflows before the result does, and the difference of
 * Mills ratios is always the series.
 *
 * With u = x / sd, h = -|u| and E = exp(-(u^2 + x)/2) / sqrt(2 pi): n(d1) = E exp(-t^2/2), and the
 * series comes with exp(-t^2/2), so out of the money price = asset E odd_2 and so on. With
 * cash n2 = asset n1 - price the price's own accuracy carries over to theta and rho, as neither
 * side is more than exp(NEAR_X) times the other. */
#ifndef QUANT_KERNEL_ORDINARY_H
#define QUANT_KERNEL_ORDINARY_H

#include "kernel_option.h"

/* The density is normal and not too small for its products below the first |u|, and surely 0 in
 * every product above the second. */
#define U_FINITE 36.0
#define U_GONE 60.0

/* What is kept of an option from stage to stage: little, as a store takes the time of two
 * products. */
struct ordinary {
    vd inverse_sd, x;
    vd strange; /* negative where not ordinary */
    vd e, y;    /* E, Y(h) */
};

/* |u|, where it is of use. */
VEC_FN vd
ordinary_away(const struct ordinary *o)
{
    return vd_min(vd_abs(o->x * o->inverse_sd), vd_set(64));
}

VEC_FN void
ordinary_place(struct ordinary *o, const struct input *in, const struct market *m,
               const struct factors *f)
{
    vd sd = in->vol * f->root_t, s, k, strange;

    s = vd_log_quotient(in->underlying, in->strike, &k);
    o->inverse_sd = 1.0 / sd;
    o->x = vd_log_series(s, k) + m->carry * m->t;
    strange = vd_within(f->strange, in->underlying, 1e-20, 1e20);
    strange = vd_within(strange, in->strike, 1e-21, 1e21);
    strange = vd_within(strange, vd_abs(in->th), 1, 1.5);
    strange = vd_within(strange, sd, 1e-10, NEAR_SD);
    strange = vd_within(strange, vd_abs(o->x), 0, NEAR_X);
    o->strange = vd_without(strange, vd_abs(o->x * o->inverse_sd), U_FINITE, U_GONE);
}

VEC_FN void
ordinary_ratio(struct ordinary *o)
{
    vd away = ordinary_away(o);

    o->e = vd_density(vd_fma(away, away, o->x));
    o->y = vd_mills(away);
}

/* exp(-sd^2 / 8) - 1, absolute error 2e-16 */
VEC_FN vd
ordinary_fall(vd sd_2)
{
    static const double c[] = {
        -0x1.fffffffffffb1p-4,  0x1.ffffffffa00abp-8,   -0x1.5555542a4ed97p-12,
        0x1.5552c8d1a3106p-17, -0x1.0ecb6a9b03f3dp-22,
    };

    return sd_2 * vd_horner(sd_2, c, 1, 5);
}

VEC_FN void
ordinary_put(const struct ordinary *o, const struct input *in, const struct market *m,
             const struct factors *f, const struct target *to, bool further)
{
    const struct bsm_columns *out = to->out;
    vd s = in->underlying, sd = in->vol * f->root_t, sd_2 = sd * sd;
    struct near near = near_series(-ordinary_away(o), sd, sd_2, o->y);
    vd asset_df = 1.0 + f->asset_fall, w = asset_df * o->e, fall = ordinary_fall(sd_2);
    vd n = vd_fma(w, fall, w), asset_n = s * n; /* discounted n(d1) */
    vm inside = vm_lt(vd_set(0), vd_flip(in->th, o->x));
    vd th = vd_pick(inside, in->th, vd_set(0));
    vd gap = (s - in->strike) + (s * f->asset_fall - in->strike * f->cash_fall);
    vd odd = vd_flip(0.5 * near.odd_2, o->x);
    vd price = vd_max(vd_set(0), vd_fma(th, gap, s * (w * near.odd_2)));
    vd delta = vd_fma(th, asset_df, -vd_flip(w, o->x) * (near.even - odd)), n1 = s * delta;
    vd decay = -0.5 * in->vol * (in->vol * o->inverse_sd), check = vd_set(0);

    put(to, out->price, price, &check);
    put(to, out->delta, delta, &check);
    put(to, out->gamma, n * o->inverse_sd / s, &check);
    put(to, out->vega, asset_n * f->root_t, &check);
    put(to, out->theta, vd_fma(m->rate, price, vd_fma(-m->carry, n1, asset_n * decay)), &check);
    put(to, out->rho,
        vd_fma(vd_pick(m->black76, vd_set(0), m->t), n1, -m->t * price), &check);
    if (further) {
        vd u = o->x * o->inverse_sd, half = 0.5 * sd, cash_df = 1.0 + f->cash_fall;
        vd n2 = w * (near.even + odd) * (s / (in->strike * cash_df));
        struct option full = {.in = *in, .root_t = f->root_t, .cash_df = cash_df,
                              .asset_df = asset_df, .sd = sd, .inverse_sd = o->inverse_sd,
                              .d1 = u + half, .d2 = u - half,
                              .slope = vd_fma(o->e, fall, o->e), .rest = vd_set(1),
                              .delta = delta, .asset = s * asset_df, .n1 = n1,
                              .n2 = vd_pick(inside, 1.0 - n2, n2)};

        put_further(&full, m, to, &check);
    }
}

#endif
