/* SPDX-License-Identifier: Apache-2.0
 * kernel_bsm - price and Greeks of a batch (quant/bsm.h), a template on vec.h.
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
 * The difference of two Y is taken in one of two ways.
 * Near (t < NEAR_T, |h| t < NEAR_X): with D = the derivatives of Y at h, which follow from
 * D[0] = Y(h) by D[1] = 1 + h D[0], D[n+1] = h D[n] + n D[n-1], it is 2 sum D[n] t^n / n! over odd
 * n, and their mean is the sum over even n. The rounding of D[1], of relative size h^2, is what
 * half an ulp of vol does to the price as well. NEAR_X keeps that of the higher ones below it.
 * Else: two Mills ratios. They differ by at least 2 t D[1], so at most three digits cancel before
 * w underflows. h + t may be above 0 here; then 1 - N(-h-t) takes the place of N(h+t), and the
 * price is asset (or cash) - w (Y(-h-t) + Y(h-t)). */
#ifndef QUANT_KERNEL_BSM_H
#define QUANT_KERNEL_BSM_H

#include <stdbool.h>

#include "kernel.h"
#include "vec.h"

#define NEAR_T 0.125
#define NEAR_X 2.0

/* Below this vol sqrt(T) counts as 0: squares and quotients of it would leave the range. Above
 * the other every N is 0 or 1. */
#define SD_MIN 1e-100
#define SD_MAX 1e6

/* Beyond this h or t the density is 0. */
#define FAR_OUT 1e5

#define INVERSE_SQRT_2PI 0.39894228040143267794

/* What the strikes of one expiry share. */
struct market {
    vm black76;
    vd t, root_t, rate, yield;
    vd decay;                 /* -1 / (2 root_t) */
    vd carry;                 /* rate - yield */
    vd cash_df, asset_df;     /* exp(-rate t), exp(-yield t) */
    vd cash_fall, asset_fall; /* the two less 1, where soon */
    vm soon;                  /* |rate t| and |yield t| are small */
    vm usable;
};

/* Y(h+t), Y(h-t) and their difference; where h + t > 0 and the two are not near, Y(-h-t) and the
 * sum of both. */
struct ratios {
    vd upper, lower, gap;
};

/* One option a lane, in the order in which it becomes known. */
struct option {
    vd th, underlying, strike, vol;
    vm usable;
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

/* exp(x), and exp(x) - 1 where *small, about |x| < 0.34. */
VEC_FN vd
discount(vd x, vd *less_1, vm *small)
{
    vd k;

    if (vm_all(vm_eq(x, vd_set(0)))) { /* what follows would find the same: no yield is frequent */
        *less_1 = vd_set(0);
        *small = vm_eq(x, x);
        return vd_set(1);
    }
    x = vd_max(vd_set(-800), vd_min(vd_set(800), x));
    *less_1 = vd_expm1_parts(x, vd_set(0), &k);
    *small = vm_eq(k, vd_set(0));
    return vd_scale(1.0 + *less_1, k);
}

VEC_FN void
set_market(struct market *m, vd model, vd t, vd rate, vd yield)
{
    vm black76 = vm_eq(model, vd_set(BSM_BLACK76)), soon;
    vd zero;

    m->black76 = black76;
    m->t = t;
    m->rate = rate;
    m->yield = yield = vd_pick(black76, rate, yield);
    m->carry = rate - yield;
    m->root_t = vd_sqrt(t);
    m->decay = -0.5 / m->root_t;
    m->cash_df = discount(-rate * t, &m->cash_fall, &soon);
    m->asset_df = discount(-yield * t, &m->asset_fall, &m->soon);
    m->soon = vm_and(m->soon, soon);
    zero = 0.0 * t + 0.0 * rate + 0.0 * yield;
    m->usable = vm_and(vm_and(vm_lt(vd_set(0), t), vm_eq(zero, vd_set(0))),
                       vm_or(black76, vm_eq(model, vd_set(BSM_MERTON))));
}

/* The sums end where a term is below 1.2e-16. */
VEC_FN struct ratios
ratios_near(vd h, vd t)
{
    vd d0 = vd_mills(-h), t2 = t * t, even, odd;
    vd d1 = vd_fma(h, d0, vd_set(1)), d2 = vd_fma(h, d1, d0), d3 = vd_fma(h, d2, 2.0 * d1);
    vd d4 = vd_fma(h, d3, 3.0 * d2), d5 = vd_fma(h, d4, 4.0 * d3), d6 = vd_fma(h, d5, 5.0 * d4);
    vd d7 = vd_fma(h, d6, 6.0 * d5), d8 = vd_fma(h, d7, 7.0 * d6), d9 = vd_fma(h, d8, 8.0 * d7);
    vd d10 = vd_fma(h, d9, 9.0 * d8), d11 = vd_fma(h, d10, 10.0 * d9);
    vd d12 = vd_fma(h, d11, 11.0 * d10);

    even = vd_fma(t2 * (1.0 / 132), d12, d10);
    even = vd_fma(t2 * (1.0 / 90), even, d8);
    even = vd_fma(t2 * (1.0 / 56), even, d6);
    even = vd_fma(t2 * (1.0 / 30), even, d4);
    even = vd_fma(t2 * (1.0 / 12), even, d2);
    even = vd_fma(t2 * 0.5, even, d0);
    odd = vd_fma(t2 * (1.0 / 110), d11, d9);
    odd = vd_fma(t2 * (1.0 / 72), odd, d7);
    odd = vd_fma(t2 * (1.0 / 42), odd, d5);
    odd = vd_fma(t2 * (1.0 / 20), odd, d3);
    odd = t * vd_fma(t2 * (1.0 / 6), odd, d1);
    return (struct ratios){even + odd, even - odd, 2.0 * odd};
}

VEC_FN struct ratios
ratios_apart(vd h, vd t, vm over)
{
    vd upper = vd_mills(vd_abs(h + t)), lower = vd_mills(t - h);

    return (struct ratios){upper, lower, vd_pick(over, upper + lower, upper - lower)};
}

VEC_FN void
set_ratios(struct option *o)
{
    vm near = o->near;
    struct ratios s;

    if (vm_all(near)) {
        o->y = ratios_near(o->h, o->t);
        return;
    }
    o->y = ratios_apart(o->h, o->t, o->over);
    if (!vm_any(near))
        return;
    s = ratios_near(vd_pick(near, o->h, vd_set(0)), vd_pick(near, o->t, vd_set(0)));
    o->y.upper = vd_pick(near, s.upper, o->y.upper);
    o->y.lower = vd_pick(near, s.lower, o->y.lower);
    o->y.gap = vd_pick(near, s.gap, o->y.gap);
}

/* a n(d1): in this order nothing underflows before the result does. */
VEC_FN vd
weight(const struct option *o, vd a)
{
    return a * o->slope * o->rest;
}

VEC_FN vm
usable_of(const struct option *o, const struct market *m)
{
    vd zero = 0.0 * o->underlying + 0.0 * o->strike + 0.0 * o->vol;
    vm positive = vm_and(vm_lt(vd_set(0), o->underlying), vm_lt(vd_set(0), o->strike));

    return vm_and(vm_and(m->usable, positive),
                  vm_and(vm_eq(zero, vd_set(0)), vm_eq(o->th * o->th, vd_set(1))));
}

/* From x to d1 and d2. */
VEC_FN void
place(struct option *o, const struct market *m)
{
    vd sd = vd_min(vd_max(o->vol, vd_set(0)) * m->root_t, vd_set(SD_MAX)), h, t;
    vd away = vd_abs(o->x);

    o->flat = vm_lt(sd, vd_set(SD_MIN));
    o->up = vm_lt(vd_set(0), o->x);
    o->sd = vd_pick(o->flat, vd_set(1), sd);
    o->inverse_sd = 1.0 / o->sd;
    away = vd_pick(o->flat, away * 0x1p1000, away * o->inverse_sd);
    o->h = h = -vd_min(away, vd_set(FAR_OUT));
    o->t = t = vd_pick(o->flat, vd_set(0), 0.5 * o->sd);
    o->near = vm_and(vm_lt(t, vd_set(NEAR_T)), vm_lt(-h * t, vd_set(NEAR_X)));
    o->over = vm_and(vm_not(o->near), vm_lt(vd_set(0), h + t));
    o->d1 = vd_pick(o->up, t - h, h + t);
    o->d2 = vd_pick(o->up, -h - t, h - t);
}

VEC_FN void
set_pdf(struct option *o)
{
    vd k, p = vd_exp_half_square(o->d1, &k), most = vd_max(vd_set(-1020), k);

    o->pdf = p * INVERSE_SQRT_2PI * vd_power_of_2(most);
    o->rest = vd_power_of_2(k - most);
    o->slope = vd_pick(o->flat, vd_set(0), o->pdf);
}

/* asset - cash. Near the money it must not lose what rounding takes from each of the two. */
VEC_FN vd
forward_value(const struct option *o, const struct market *m)
{
    vd apart = o->underlying - o->strike;
    vd soon = apart + (o->underlying * m->asset_fall - o->strike * m->cash_fall);
    vd value = vd_pick(m->soon, soon, o->asset - o->cash);

    return vd_pick(vm_eq(m->carry, vd_set(0)), m->cash_df * apart, value);
}

VEC_FN void
set_price(struct option *o, const struct market *m)
{
    vm call = vm_lt(vd_set(0), o->th), inside = vm_not(vm_xor(call, o->up));
    vd gap, intrinsic, price;

    o->asset = o->underlying * m->asset_df;
    o->cash = o->strike * m->cash_df;
    o->y_asset = vd_pick(o->up, o->y.lower, o->y.upper);
    o->y_cash = vd_pick(o->up, o->y.upper, o->y.lower);
    o->flip_asset = vm_xor(inside, vm_and(o->over, vm_not(o->up)));
    o->flip_cash = vm_xor(inside, vm_and(o->over, o->up));

    gap = o->asset * o->pdf * o->y.gap * o->rest;
    intrinsic = vd_pick(inside, o->th * forward_value(o, m), vd_set(0));
    price = vd_pick(o->over, vd_pick(call, o->asset, o->cash) - gap, intrinsic + gap);
    o->price = vd_max(vd_set(0), price);
}

/* a N(th d1) */
VEC_FN vd
times_n1(const struct option *o, vd a)
{
    vd part = a * o->pdf * o->y_asset * o->rest;

    return vd_pick(o->flip_asset, a - part, part);
}

/* cash N(th d2), where cash n(d2) = asset n(d1) */
VEC_FN vd
cash_n2(const struct option *o)
{
    vd part = o->asset * o->pdf * o->y_cash * o->rest;

    return vd_pick(o->flip_cash, o->cash - part, part);
}

/* A wanted column; *check stays 0 while all that is written is finite. */
#define PUT(column, value)                                                                         \
    do {                                                                                           \
        if (out->column) {                                                                         \
            vd put_value = (value);                                                                \
                                                                                                   \
            vd_store(out->column + i, put_value);                                                  \
            check = vd_fma(put_value, vd_set(0), check);                                           \
        }                                                                                          \
    } while (0)

VEC_FN vd
put_first_order(const struct option *o, const struct market *m, const struct bsm_columns *out,
                size_t i)
{
    vd check = vd_set(0);

    PUT(price, o->price);
    PUT(delta, o->th * times_n1(o, m->asset_df));
    PUT(gamma, weight(o, m->asset_df * o->inverse_sd / o->underlying));
    PUT(vega, weight(o, o->asset * m->root_t));
    if (out->theta) { /* Black-76: th (q asset n1 - r cash n2) without its cancellation */
        vd carried = o->th * (m->yield * times_n1(o, o->asset) - m->rate * cash_n2(o));
        vd decay = weight(o, o->asset * o->vol * m->decay);

        PUT(theta, vd_pick(m->black76, m->rate * o->price, carried) + decay);
    }
    PUT(rho, m->t * vd_pick(m->black76, -o->price, o->th * cash_n2(o)));
    if (out->dividend_rho) {
        vd value = -m->t * o->th * times_n1(o, o->asset);

        vd_store(out->dividend_rho + i, vd_pick(m->black76, vd_set(NAN), value));
        check = vd_fma(vd_pick(m->black76, vd_set(0), value), vd_set(0), check);
    }
    if (out->dual_delta || out->itm_prob) { /* n(d2) = F/K n(d1) */
        vd growth = vd_pick(m->black76, vd_set(1), m->asset_df / m->cash_df);
        vd n2 = growth * o->underlying / o->strike * o->pdf * o->y_cash * o->rest;

        n2 = vd_pick(o->flip_cash, 1.0 - n2, n2);
        PUT(dual_delta, -o->th * m->cash_df * n2);
        PUT(itm_prob, n2);
    }
    return check;
}

/* Formulas: Haug, as in quant/bsm.h. */
VEC_FN vd
put_second_order(const struct option *o, const struct market *m, const struct bsm_columns *out,
                 size_t i)
{
    vd check = vd_set(0), d1 = o->d1, d2 = o->d2, d12 = d1 * d2;
    vd vol = vd_pick(vm_lt(vd_set(0), o->slope), o->vol, vd_set(1)); /* elsewhere all is 0 */
    vd inverse_vol = 1.0 / vol, inverse_2t = 0.5 / m->t;
    vd gamma = m->asset_df * o->inverse_sd / o->underlying; /* / n(d1), as the next two */
    vd vega = o->asset * m->root_t;
    vd moved = 2.0 * m->carry * m->t - d2 * o->sd;

    PUT(vanna, weight(o, -m->asset_df * d2 * inverse_vol));
    PUT(charm, m->yield * o->th * times_n1(o, m->asset_df) -
                   weight(o, m->asset_df * moved * o->inverse_sd * inverse_2t));
    PUT(vomma, weight(o, vega * d12 * inverse_vol));
    PUT(veta, weight(o, vega * (m->yield + m->carry * d1 * o->inverse_sd -
                                (1.0 + d12) * inverse_2t)));
    PUT(speed, weight(o, -gamma / o->underlying * (d1 * o->inverse_sd + 1.0)));
    PUT(zomma, weight(o, gamma * (d12 - 1.0) * inverse_vol));
    PUT(color, weight(o, gamma * inverse_2t *
                             (2.0 * m->yield * m->t + 1.0 + d1 * moved * o->inverse_sd)));
    PUT(ultima, weight(o, -vega * inverse_vol * inverse_vol *
                              (d12 * (1.0 - d12) + d1 * d1 + d2 * d2)));
    /* K n(d2) = F n(d1) */
    PUT(dual_gamma, weight(o, o->asset / o->strike / o->strike * o->inverse_sd));
    return check;
}

#undef PUT

/* An input as the loop reads it: entry i is at[i step], and a vector of the one value where step
 * is 0. */
struct stream {
    const double *at;
    size_t step;
    double same[VEC_LANES];
};

VEC_FN void
stream_open(struct stream *s, struct bsm_input in)
{
    s->at = in.at;
    s->step = in.step;
    if (in.step)
        return;
    vd_store(s->same, vd_set(*in.at));
    s->at = s->same;
}

VEC_FN vd
stream_at(const struct stream *s, size_t i)
{
    return vd_load(s->at + i * s->step);
}

/* Model or right: an enumeration, which is an int. */
VEC_FN vd
choice_at(const void *at, size_t step, size_t i)
{
    const char *from = (const char *)at + i * step * sizeof(int);
    int one;

    if (step)
        return vd_load_int(from);
    memcpy(&one, from, sizeof one);
    return vd_set(one);
}

struct bsm_loop {
    const struct bsm_batch *in;
    const struct bsm_columns *out;
    struct stream underlying, strike, t, rate, yield, vol;
    bool second_order;
};

VEC_FN void
market_at(struct market *m, const struct bsm_loop *l, size_t i)
{
    const struct bsm_batch *in = l->in;

    set_market(m, choice_at(in->model.at, in->model.step, i), stream_at(&l->t, i),
               stream_at(&l->rate, i), stream_at(&l->yield, i));
}

VEC_FN void
option_at(struct option *o, const struct market *m, const struct bsm_loop *l, size_t i)
{
    o->th = choice_at(l->in->right.at, l->in->right.step, i);
    o->underlying = stream_at(&l->underlying, i);
    o->strike = stream_at(&l->strike, i);
    o->vol = stream_at(&l->vol, i);
    o->usable = usable_of(o, m);
    o->x = vd_log_ratio(o->underlying, o->strike) + m->carry * m->t;
}

/* A bit for each entry that has no result by formula. */
VEC_FN unsigned
put_all(const struct option *o, const struct market *m, const struct bsm_loop *l, size_t i)
{
    vd check = put_first_order(o, m, l->out, i);

    if (l->second_order)
        check = check + put_second_order(o, m, l->out, i);
    return vm_bits(vm_not(vm_and(o->usable, vm_eq(check, vd_set(0)))));
}

/* A few vectors go through the stages together: the steps of one option wait for each other, those
 * of different vectors do not. */
enum { GROUP = 4 };

/* The next `vectors` vectors, at most GROUP, from entry i on; m is one market for all, or own. */
VEC_FN size_t
bsm_group(const struct bsm_loop *l, struct market m[GROUP], bool own, size_t i, size_t vectors)
{
    struct option o[GROUP];
    size_t refused = 0;

    for (size_t v = 0; own && v < vectors; v++)
        market_at(&m[v], l, i + v * VEC_LANES);
    for (size_t v = 0; v < vectors; v++)
        option_at(&o[v], &m[own * v], l, i + v * VEC_LANES);
    for (size_t v = 0; v < vectors; v++)
        place(&o[v], &m[own * v]);
    for (size_t v = 0; v < vectors; v++)
        set_pdf(&o[v]);
    for (size_t v = 0; v < vectors; v++)
        set_ratios(&o[v]);
    for (size_t v = 0; v < vectors; v++) {
        size_t from = i + v * VEC_LANES;
        unsigned special;

        set_price(&o[v], &m[own * v]);
        special = put_all(&o[v], &m[own * v], l, from);
        for (size_t k = from; special && k < l->in->n; k++, special >>= 1)
            if (special & 1)
                refused += !bsm_settle(l->in, k, l->out);
    }
    return refused;
}

/* All entries, in whole vectors: columns are as long as that. */
static size_t
bsm_blocks(const struct bsm_batch *in, const struct bsm_columns *out)
{
    bool own = in->model.step | in->t.step | in->rate.step | in->yield.step;
    size_t vectors = (in->n + VEC_LANES - 1) / VEC_LANES, refused = 0;
    struct bsm_loop l = {.in = in, .out = out};
    struct market m[GROUP];

    stream_open(&l.underlying, in->underlying);
    stream_open(&l.strike, in->strike);
    stream_open(&l.t, in->t);
    stream_open(&l.rate, in->rate);
    stream_open(&l.yield, in->yield);
    stream_open(&l.vol, in->vol);
    l.second_order = out->vanna || out->charm || out->vomma || out->veta || out->speed ||
                     out->zomma || out->color || out->ultima || out->dual_gamma;
    market_at(&m[0], &l, 0);
    for (size_t v = 0; v < vectors; v += GROUP)
        refused += bsm_group(&l, m, own, v * VEC_LANES, vectors - v < GROUP ? vectors - v : GROUP);
    return refused;
}

/* The entries after the last whole vector: the same code on copies, filled up with the last. */
static size_t
bsm_tail(const struct bsm_batch *in, size_t from, const struct bsm_columns *out)
{
    enum { INPUTS = 6 };
    struct bsm_batch tail = *in;
    struct bsm_input *input[INPUTS] = {&tail.underlying, &tail.strike, &tail.t,
                                       &tail.rate,       &tail.yield,  &tail.vol};
    double copy[INPUTS][VEC_LANES], result[BSM_COLUMNS][VEC_LANES];
    double *wanted[BSM_COLUMNS], *to[BSM_COLUMNS];
    enum bsm_model model[VEC_LANES];
    enum bsm_right right[VEC_LANES];
    struct bsm_columns columns;
    size_t refused;

    tail.n = in->n - from;
    for (size_t i = 0; i < VEC_LANES; i++) {
        size_t at = i < tail.n ? from + i : in->n - 1;

        for (size_t k = 0; k < INPUTS; k++)
            copy[k][i] = input[k]->at[at * input[k]->step];
        model[i] = in->model.at[at * in->model.step];
        right[i] = in->right.at[at * in->right.step];
    }
    for (size_t k = 0; k < INPUTS; k++)
        input[k]->at = copy[k];
    tail.model.at = model;
    tail.right.at = right;
    memcpy(wanted, out, sizeof wanted);
    for (size_t k = 0; k < BSM_COLUMNS; k++)
        to[k] = wanted[k] ? result[k] : NULL;
    memcpy(&columns, to, sizeof columns);
    refused = bsm_blocks(&tail, &columns);
    for (size_t k = 0; k < BSM_COLUMNS; k++)
        if (wanted[k])
            memcpy(wanted[k] + from, result[k], tail.n * sizeof *result[k]);
    return refused;
}

static size_t
kernel_bsm(const struct bsm_batch *in, const struct bsm_columns *out)
{
    struct bsm_batch whole = *in;
    size_t refused = 0;

    whole.n -= in->n % VEC_LANES;
    if (whole.n > 0)
        refused = bsm_blocks(&whole, out);
    if (whole.n < in->n)
        refused += bsm_tail(in, whole.n, out);
    return refused;
}

#endif
