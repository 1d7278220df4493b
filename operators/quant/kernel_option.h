/* SPDX-License-Identifier: Apache-2.0
 * kernel_option - what the two ways of pricing an option have in common, a template on vec.h: what
 * the strikes of one expiry share, the series for the difference of two Mills ratios, and the
 * columns beyond the first six. */
#ifndef QUANT_KERNEL_OPTION_H
#define QUANT_KERNEL_OPTION_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel.h"
#include "vec.h"

/* Below this |rate t| and |yield t| discount factors need no reduction. */
#define SOON 0.34

/* The series below has digits for h + t and h - t with h <= 0 where vol sqrt(T) = 2 t is below
 * NEAR_SD and -2 h t = |x| below NEAR_X. */
#define NEAR_SD 0.4
#define NEAR_X 2.0

/* What the strikes of one expiry share: inputs and what follows from them at once, */
struct market {
    vm black76;
    vd model, t, rate, yield;
    vd carry; /* rate - yield */
};

/* and what takes longer. */
struct factors {
    vd root_t;
    vd cash_fall, asset_fall; /* exp(-rate t) - 1, exp(-yield t) - 1; not beyond SOON */
    vd strange; /* negative where this alone makes options not ordinary (kernel_ordinary.h) */
};

/* The rest, one option a lane. */
struct input {
    vd th, underlying, strike, vol;
};

/* What the further columns are made of. */
struct option {
    struct input in;
    vd root_t, cash_df, asset_df;
    vd sd, inverse_sd, d1, d2;
    vd slope, rest;      /* n(d1) is their product: slope alone would be denormal far out */
    vd delta, asset, n1; /* n1: th asset N(th d1) */
    vd n2;               /* N(th d2) */
};

/* ---- Markets --------------------------------------------------------------------------------- */

VEC_FN struct market
market_of(vd model, vd t, vd rate, vd yield)
{
    struct market m = {vm_eq(model, vd_set(BSM_BLACK76)), model, t, rate, yield, vd_set(0)};

    m.yield = vd_pick(m.black76, rate, yield);
    m.carry = rate - m.yield;
    return m;
}

VEC_FN struct factors
factors_of(const struct market *m)
{
    vd rate_t = m->rate * m->t, yield_t = m->yield * m->t;
    struct factors f = {vd_sqrt(m->t), vd_expm1_near(-rate_t), vd_set(0), vd_set(0)};

    f.asset_fall = f.cash_fall;
    if (!vm_all(m->black76)) /* where it is, the same comes out */
        f.asset_fall = vd_expm1_near(-yield_t);
    f.strange = vd_within(vd_set(0), m->model, BSM_MERTON, BSM_BLACK76);
    f.strange = vd_within(f.strange, m->t, 1e-12, 1e9);
    f.strange = vd_within(f.strange, vd_abs(rate_t), 0, SOON);
    f.strange = vd_within(f.strange, vd_abs(yield_t), 0, SOON);
    return f;
}

/* ---- The difference of two Mills ratios ------------------------------------------------------ */

/* exp(-t^2/2) (Y(h+t) + Y(h-t)) / 2 and exp(-t^2/2) (Y(h+t) - Y(h-t)). */
struct near {
    vd even, odd_2;
};

/* f(t) = exp(-t^2/2) Y(h+t) has f' = h f + exp(-t^2/2), so F[n], its n-th derivative at 0, has
 * F[0] = Y(h) = y, F[2k] = h F[2k-1] and F[2k+1] = h^2 F[2k-1] + (-1)^k 1 3 5 ... (2k-1). The sums
 * of F[n] t^n / n!, t = sd / 2, end where a term is below 1e-14. The rounding of F[1], of relative
 * size h^2, is what half an ulp of vol does to the price as well; NEAR_X keeps that of the higher
 * ones below it. */
VEC_FN struct near
near_series(vd h, vd sd, vd sd_2, vd y)
{
    vd h2 = h * h, even, odd;
    vd f1 = vd_fma(h, y, vd_set(1)), f3 = vd_fma(h2, f1, vd_set(-1));
    vd f5 = vd_fma(h2, f3, vd_set(3)), f7 = vd_fma(h2, f5, vd_set(-15));
    vd f9 = vd_fma(h2, f7, vd_set(105)), f11 = vd_fma(h2, f9, vd_set(-945));

    odd = vd_fma(sd_2 * (1. / 440), f11, f9);
    odd = vd_fma(sd_2 * (1. / 288), odd, f7);
    odd = vd_fma(sd_2 * (1. / 168), odd, f5);
    odd = vd_fma(sd_2 * (1. / 80), odd, f3);
    odd = vd_fma(sd_2 * (1. / 24), odd, f1);
    even = vd_fma(sd_2 * (1. / 360), f9, f7);
    even = vd_fma(sd_2 * (1. / 224), even, f5);
    even = vd_fma(sd_2 * (1. / 120), even, f3);
    even = vd_fma(sd_2 * (1. / 48), even, f1);
    return (struct near){vd_fma(0.125 * sd_2 * h, even, y), sd * odd};
}

/* ---- Columns --------------------------------------------------------------------------------- */

/* Where results go: from entry i on, all lanes or a part of them. */
struct target {
    const struct bsm_columns *out;
    size_t i;
    bool part;
    vm lanes;
};

/* A wanted column; *check stays 0 while all that is written is finite. */
VEC_FN void
put(const struct target *to, double *column, vd value, vd *check)
{
    if (!column)
        return;
    if (to->part)
        vd_store(column + to->i, vd_pick(to->lanes, value, vd_load(column + to->i)));
    else
        vd_store(column + to->i, value);
    *check = vd_fma(value, vd_set(0), *check);
}

/* a n(d1): in this order nothing underflows before the result does. */
VEC_FN vd
weight(const struct option *o, vd a)
{
    return a * o->slope * o->rest;
}

/* All but price, delta, gamma, vega, theta and rho. Formulas: Haug, as in quant/bsm.h. */
VEC_FN void
put_further(const struct option *o, const struct market *m, const struct target *to, vd *check)
{
    const struct bsm_columns *out = to->out;
    vd d1 = o->d1, d2 = o->d2, d12 = d1 * d2;
    vd vol = vd_pick(vm_lt(vd_set(0), o->slope), o->in.vol, vd_set(1)); /* elsewhere all is 0 */
    vd inverse_vol = 1.0 / vol, inverse_2t = 0.5 / m->t;
    vd gamma = o->asset_df * o->inverse_sd / o->in.underlying; /* / n(d1), as the next two */
    vd vega = o->asset * o->root_t;
    vd moved = 2.0 * m->carry * m->t - d2 * o->sd;

    if (out->dividend_rho) {
        vd value = vd_pick(m->black76, vd_set(0), -m->t * o->n1), unchecked = vd_set(0);

        put(to, out->dividend_rho, vd_pick(m->black76, vd_set(NAN), value), &unchecked);
        *check = vd_fma(value, vd_set(0), *check);
    }
    put(to, out->dual_delta, -o->in.th * o->cash_df * o->n2, check);
    put(to, out->itm_prob, o->n2, check);
    put(to, out->vanna, weight(o, -o->asset_df * d2 * inverse_vol), check);
    put(to, out->charm,
        m->yield * o->delta - weight(o, o->asset_df * moved * o->inverse_sd * inverse_2t), check);
    put(to, out->vomma, weight(o, vega * d12 * inverse_vol), check);
    put(to, out->veta,
        weight(o, vega * (m->yield + m->carry * d1 * o->inverse_sd - (1.0 + d12) * inverse_2t)),
        check);
    put(to, out->speed, weight(o, -gamma / o->in.underlying * (d1 * o->inverse_sd + 1.0)), check);
    put(to, out->zomma, weight(o, gamma * (d12 - 1.0) * inverse_vol), check);
    put(to, out->color,
        weight(o, gamma * inverse_2t *
                      (2.0 * m->yield * m->t + 1.0 + d1 * moved * o->inverse_sd)),
        check);
    put(to, out->ultima,
        weight(o, -vega * inverse_vol * inverse_vol *
                      (d12 * (1.0 - d12) + d1 * d1 + d2 * d2)),
        check);
    /* K n(d2) = F n(d1) */
    put(to, out->dual_gamma,
        weight(o, o->asset / o->in.strike / o->in.strike * o->inverse_sd), check);
}

#endif
