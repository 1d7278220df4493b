/* SPDX-License-Identifier: Apache-2.0
 * kernel_bsm - price and Greeks of a batch (quant/bsm.h), a template on vec.h: every lane in the
 * ordinary way, then those that are not ordinary in the general one. */
#ifndef QUANT_KERNEL_BSM_H
#define QUANT_KERNEL_BSM_H

#include <stdbool.h>
#include <string.h>

#include "kernel_general.h"
#include "kernel_ordinary.h"

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
    bool further; /* columns of put_further() */
};

VEC_FN struct market
market_at(const struct bsm_loop *l, size_t i)
{
    const struct bsm_batch *in = l->in;

    return market_of(choice_at(in->model.at, in->model.step, i), stream_at(&l->t, i),
                     stream_at(&l->rate, i), stream_at(&l->yield, i));
}

VEC_FN struct input
input_at(const struct bsm_loop *l, size_t i)
{
    return (struct input){choice_at(l->in->right.at, l->in->right.step, i),
                          stream_at(&l->underlying, i), stream_at(&l->strike, i),
                          stream_at(&l->vol, i)};
}

/* The lanes from entry i on that are not ordinary; returns how many are refused. */
static __attribute__((noinline)) size_t
bsm_others(const struct bsm_loop *l, size_t i, vm lanes)
{
    struct target to = {l->out, i, !vm_all(lanes), lanes};
    struct market m = market_at(l, i);
    struct input in = input_at(l, i);
    unsigned special = general_price(&in, &m, &to);
    size_t refused = 0;

    for (size_t k = i; special && k < l->in->n; k++, special >>= 1)
        if (special & 1)
            refused += !bsm_settle(l->in, k, l->out);
    return refused;
}

/* A few vectors go through the stages together: the steps of one option wait for each other, those
 * of different vectors do not. */
enum { GROUP = 4 };

/* The next `vectors` vectors, at most GROUP, from entry i on; f is of one market for all, or each
 * has its own. */
VEC_FN size_t
bsm_group(const struct bsm_loop *l, struct factors f[GROUP], bool own, size_t i, size_t vectors)
{
    struct ordinary o[GROUP];
    vd strange = vd_set(-1);
    size_t refused = 0;

    for (size_t v = 0; v < vectors; v++) {
        struct market m = market_at(l, i + v * VEC_LANES);
        struct input in = input_at(l, i + v * VEC_LANES);

        if (own)
            f[v] = factors_of(&m);
        ordinary_place(&o[v], &in, &m, &f[own * v]);
        strange = (vd)((vu)strange & (vu)o[v].strange);
    }
    if (!vm_all(vm_negative(strange))) {
        for (size_t v = 0; v < vectors; v++)
            ordinary_ratio(&o[v]);
        for (size_t v = 0; v < vectors; v++) {
            struct target to = {l->out, i + v * VEC_LANES, false, vm_set()};
            struct market m = market_at(l, to.i);
            struct input in = input_at(l, to.i);

            ordinary_put(&o[v], &in, &m, &f[own * v], &to, l->further);
        }
    }
    for (size_t v = 0; v < vectors; v++)
        if (vm_any(vm_negative(o[v].strange)))
            refused += bsm_others(l, i + v * VEC_LANES, vm_negative(o[v].strange));
    return refused;
}

/* All entries, in whole vectors: columns are as long as that. */
static size_t
bsm_blocks(const struct bsm_batch *in, const struct bsm_columns *out)
{
    bool own = in->model.step | in->t.step | in->rate.step | in->yield.step;
    size_t vectors = (in->n + VEC_LANES - 1) / VEC_LANES, refused = 0, v = 0;
    struct bsm_loop l = {.in = in, .out = out};
    struct factors f[GROUP];
    struct market m;

    stream_open(&l.underlying, in->underlying);
    stream_open(&l.strike, in->strike);
    stream_open(&l.t, in->t);
    stream_open(&l.rate, in->rate);
    stream_open(&l.yield, in->yield);
    stream_open(&l.vol, in->vol);
    l.further = out->dividend_rho || out->vanna || out->charm || out->vomma || out->veta ||
                out->speed || out->zomma || out->color || out->ultima || out->dual_delta ||
                out->dual_gamma || out->itm_prob;
    m = market_at(&l, 0);
    f[0] = factors_of(&m);
    for (; v + GROUP <= vectors; v += GROUP)
        refused += bsm_group(&l, f, own, v * VEC_LANES, GROUP);
    for (; v < vectors; v++)
        refused += bsm_group(&l, f, own, v * VEC_LANES, 1);
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
