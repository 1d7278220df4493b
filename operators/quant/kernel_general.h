/* SPDX-License-Identifier: Apache-2.0
 * kernel_general - price and Greeks of any option (quant/bsm.h), a template on vec.h.
 *
 * With x = ln(F/K), sd = vol sqrt(T), h = -|x| / sd and t = sd / 2 the option that is out of the
 * money is a call worth asset N(h+t) - cash N(h-t) where x <= 0, and a put worth
 * cash N(h+t) - asset N(h-t) where x > 0. asset n(d1) = cash n(d2) = w, so with Y(z) = N(z)/n(z)
 *
 *     price = w (Y(h+t) - Y(h-t)),   asset N(+-d1) = w Y(..),   cash N(+-d2) = w Y(..)
 *
 * where nothing cancels and everything that can underflow is in w: n(d1) is kept as pdf rest, which
 * reaches to 1e-609. The side in the money is intrinsic value plus the other side, its N is 1 less
 * the other's.
 *
 * The difference of two Y is taken in one of two ways: near (NEAR_SD, NEAR_X) by the series of
 * kernel_option.h, else as two Mills ratios. These differ by at least 2 t Y'(h), so at most three
 * digits cancel before w underflows. h + t may be above 0 here; then 1 - N(-h-t) takes the place
 * of N(h+t), and the price is asset (or cash) - w (Y(-h-t) + Y(h-t)). */
#ifndef QUANT_KERNEL_GENERAL_H
#define QUANT_KERNEL_GENERAL_H

#include "kernel_option.h"

/* Below this vol sqrt(T) counts as 0: squares and quotients of it would leave the range. Above
 * the other every N is 0 or 1. */
#define SD_MIN 1e-100
#define SD_MAX 1e6

#define INVERSE_SQRT_2PI 0.39894228040143267794

/* Beyond this h or t the density is 0. */
#define FAR_OUT 1e5

/* Y(h+t), Y(h-t) and their difference; where h + t > 0 and the two are not near, Y(-h-t) and the
 * sum of both. */
struct ratios {
    vd upper, lower, gap;
};

/* One option a lane, in the order in which it becomes known. */
struct general {
    struct input in;
    vm usable, soon;
    vd root_t, cash_df, asset_df, cash_fall, asset_fall;
    vd x;                    /* ln(F/K) */
    vm flat, up, near, over; /* no volatility; x > 0; which ratios to take; h + t > 0, not near */
    vd h, t;                 /* of the option that is out of the money */
    vd sd, inverse_sd, d1, d2;
    vd pdf, rest; /* n(d1) = pdf rest, where rest is 1 unless pdf would be denormal */
    vd slope;     /* pdf, or 0 without volatility: no price bends there */
    struct ratios y;
    vd asset, cash; /* discounted underlying and strike */
    /* N(th d1) is y_asset n(d1), or where flipped 1 less that; so for cash and d2. */
    vd y_asset, y_cash;
    vm flip_asset, flip_cash;
    vd price;
};

VEC_FN struct ratios
ratios_near(vd h, vd t)
{
    struct near n = near_series(h, 2.0 * t, 4.0 * t * t, vd_mills(-h));
    vd growth = 1.0 + vd_expm1_near(0.5 * t * t), odd = 0.5 * n.odd_2;

    return (struct ratios){growth * (n.even + odd), growth * (n.even - odd), growth * n.odd_2};
}

VEC_FN struct ratios
ratios_apart(vd h, vd t, vm over)
{
    vd upper = vd_mills(vd_abs(h + t)), lower = vd_mills(t - h);

    return (struct ratios){upper, lower, vd_pick(over, upper + lower, upper - lower)};
}

VEC_FN struct ratios
ratios_of(const struct general *o)
{
    struct ratios far = ratios_apart(o->h, o->t, o->over), s;

    s = ratios_near(vd_pick(o->near, o->h, vd_set(0)), vd_pick(o->near, o->t, vd_set(0)));
    s.upper = vd_pick(o->near, s.upper, far.upper);
    s.lower = vd_pick(o->near, s.lower, far.lower);
    s.gap = vd_pick(o->near, s.gap, far.gap);
    return s;
}

VEC_FN vm
usable_of(const struct general *o, const struct market *m)
{
    vd market = 0.0 * m->t + 0.0 * m->rate + 0.0 * m->yield;
    vd zero = 0.0 * o->in.underlying + 0.0 * o->in.strike + 0.0 * o->in.vol + market;
    vm positive = vm_and(vm_lt(vd_set(0), o->in.underlying), vm_lt(vd_set(0), o->in.strike));

    positive = vm_and(positive, vm_lt(vd_set(0), m->t));
    positive = vm_and(positive, vm_or(m->black76, vm_eq(m->model, vd_set(BSM_MERTON))));
    return vm_and(positive,
                  vm_and(vm_eq(zero, vd_set(0)), vm_eq(o->in.th * o->in.th, vd_set(1))));
}

/* From x to d1 and d2. */
VEC_FN void
place(struct general *o)
{
    vd sd = vd_min(vd_max(o->in.vol, vd_set(0)) * o->root_t, vd_set(SD_MAX)), h, t;
    vd away = vd_abs(o->x);

    o->flat = vm_lt(sd, vd_set(SD_MIN));
    o->up = vm_lt(vd_set(0), o->x);
    o->sd = vd_pick(o->flat, vd_set(1), sd);
    o->inverse_sd = 1.0 / o->sd;
    o->near = vm_and(vm_lt(sd, vd_set(NEAR_SD)), vm_lt(away, vd_set(NEAR_X)));
    away = vd_pick(o->flat, away * 0x1p1000, away * o->inverse_sd);
    o->h = h = -vd_min(away, vd_set(FAR_OUT));
    o->t = t = vd_pick(o->flat, vd_set(0), 0.5 * o->sd);
    o->over = vm_and(vm_not(o->near), vm_lt(vd_set(0), h + t));
    o->d1 = vd_pick(o->up, t - h, h + t);
    o->d2 = vd_pick(o->up, -h - t, h - t);
}

VEC_FN void
set_pdf(struct general *o)
{
    vd k, p = vd_exp_half_square(o->d1, &k), most = vd_max(vd_set(-1020), k);

    o->pdf = p * INVERSE_SQRT_2PI * vd_power_of_2(most);
    o->rest = vd_power_of_2(k - most);
    o->slope = vd_pick(o->flat, vd_set(0), o->pdf);
}

VEC_FN void
set_discounts(struct general *o, const struct market *m, const struct factors *f)
{
    vd rate_t = m->rate * m->t, yield_t = m->yield * m->t;

    o->soon = vm_and(vm_lt(vd_abs(rate_t), vd_set(SOON)), vm_lt(vd_abs(yield_t), vd_set(SOON)));
    o->root_t = f->root_t;
    o->cash_fall = f->cash_fall;
    o->asset_fall = f->asset_fall;
    o->cash_df = vd_pick(o->soon, 1.0 + f->cash_fall, vd_exp(-rate_t));
    o->asset_df = vd_pick(o->soon, 1.0 + f->asset_fall, vd_exp(-yield_t));
}

/* asset - cash. Near the money it must not lose what rounding takes from each of the two. */
VEC_FN vd
forward_value(const struct general *o, const struct market *m)
{
    vd apart = o->in.underlying - o->in.strike;
    vd near = apart + (o->in.underlying * o->asset_fall - o->in.strike * o->cash_fall);
    vd value = vd_pick(o->soon, near, o->asset - o->cash);

    return vd_pick(vm_eq(m->carry, vd_set(0)), o->cash_df * apart, value);
}

VEC_FN void
set_price(struct general *o, const struct market *m)
{
    vm call = vm_lt(vd_set(0), o->in.th), inside = vm_not(vm_xor(call, o->up));
    vd gap, intrinsic, price;

    o->asset = o->in.underlying * o->asset_df;
    o->cash = o->in.strike * o->cash_df;
    o->y_asset = vd_pick(o->up, o->y.lower, o->y.upper);
    o->y_cash = vd_pick(o->up, o->y.upper, o->y.lower);
    o->flip_asset = vm_xor(inside, vm_and(o->over, vm_not(o->up)));
    o->flip_cash = vm_xor(inside, vm_and(o->over, o->up));

    gap = o->asset * o->pdf * o->y.gap * o->rest;
    intrinsic = vd_pick(inside, o->in.th * forward_value(o, m), vd_set(0));
    price = vd_pick(o->over, vd_pick(call, o->asset, o->cash) - gap, intrinsic + gap);
    o->price = vd_max(vd_set(0), price);
}

/* a N(th d1) */
VEC_FN vd
times_n1(const struct general *o, vd a)
{
    vd part = a * o->pdf * o->y_asset * o->rest;

    return vd_pick(o->flip_asset, a - part, part);
}

/* cash N(th d2), where cash n(d2) = asset n(d1) */
VEC_FN vd
cash_n2(const struct general *o)
{
    vd part = o->asset * o->pdf * o->y_cash * o->rest;

    return vd_pick(o->flip_cash, o->cash - part, part);
}

/* N(th d2), where n(d2) = F/K n(d1) */
VEC_FN vd
n2_of(const struct general *o, const struct market *m)
{
    vd growth = vd_pick(m->black76, vd_set(1), o->asset_df / o->cash_df);
    vd n2 = growth * o->in.underlying / o->in.strike * o->pdf * o->y_cash * o->rest;

    return vd_pick(o->flip_cash, 1.0 - n2, n2);
}

VEC_FN void
put_general(const struct general *g, const struct market *m, const struct target *to, vd *check)
{
    struct option o = {.in = g->in, .root_t = g->root_t, .cash_df = g->cash_df,
                       .asset_df = g->asset_df, .sd = g->sd, .inverse_sd = g->inverse_sd,
                       .d1 = g->d1, .d2 = g->d2, .slope = g->slope, .rest = g->rest,
                       .delta = g->in.th * times_n1(g, g->asset_df), .asset = g->asset,
                       .n1 = g->in.th * times_n1(g, g->asset), .n2 = n2_of(g, m)};
    const struct bsm_columns *out = to->out;
    vd cash = g->in.th * cash_n2(g);
    /* Black-76: q n1 - r cash n2 without its cancellation */
    vd carried = vd_pick(m->black76, m->rate * g->price, m->yield * o.n1 - m->rate * cash);

    put(to, out->price, g->price, check);
    put(to, out->delta, o.delta, check);
    put(to, out->gamma, weight(&o, g->asset_df * g->inverse_sd / g->in.underlying), check);
    put(to, out->vega, weight(&o, g->asset * g->root_t), check);
    put(to, out->theta, carried + weight(&o, g->asset * g->in.vol * (-0.5 / g->root_t)), check);
    put(to, out->rho, m->t * vd_pick(m->black76, -g->price, cash), check);
    put_further(&o, m, to, check);
}

/* The lanes of `to` from their inputs on. A bit for each of them that has no result by formula. */
VEC_FN unsigned
general_price(const struct input *in, const struct market *m, const struct target *to)
{
    struct factors f = factors_of(m);
    struct general o = {.in = *in};
    vd check = vd_set(0);

    o.usable = usable_of(&o, m);
    set_discounts(&o, m, &f);
    o.x = vd_log_ratio(in->underlying, in->strike) + m->carry * m->t;
    place(&o);
    set_pdf(&o);
    o.y = ratios_of(&o);
    set_price(&o, m);
    put_general(&o, m, to, &check);
    return vm_bits(vm_and(to->lanes, vm_not(vm_and(o.usable, vm_eq(check, vd_set(0))))));
}

#endif
