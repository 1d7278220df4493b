/* SPDX-License-Identifier: Apache-2.0
 * work - what a light operator does in `hde bench edges`: one pass over 2 of a chain's 25 columns.
 * The same function runs in the operators and in the hand-written loop they are compared with. And
 * such a chain. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <hde/operator.h>
#include <hde/schemas/bench.pb-c.h>

#include <stddef.h>
#include <stdint.h>

/* BENCH_READY chains go round: 1.6 MB are read of them, more than a second-level cache holds, as
 * chains of a feed are new to it. */
enum { BENCH_STRIKES = 200, BENCH_OPS = 8, BENCH_READY = 64 };

static inline void
bench_work(const double *restrict a, const double *restrict b, size_t n, double *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * .999 + b[i] * .001;
}

static inline const double *
bench_column(const Hde__BenchSide *side, int64_t i)
{
    static const size_t at[] = {
        offsetof(Hde__BenchSide, last),      offsetof(Hde__BenchSide, bid),
        offsetof(Hde__BenchSide, ask),       offsetof(Hde__BenchSide, oi),
        offsetof(Hde__BenchSide, oi_change), offsetof(Hde__BenchSide, volume),
        offsetof(Hde__BenchSide, iv),        offsetof(Hde__BenchSide, delta),
        offsetof(Hde__BenchSide, gamma),     offsetof(Hde__BenchSide, theta),
        offsetof(Hde__BenchSide, vega),      offsetof(Hde__BenchSide, price),
    };

    return *(double *const *)((const char *)side + at[i]);
}

static inline void
bench_fill_side(hde_msg *msg, Hde__BenchSide *side, double base)
{
    double **columns[] = {&side->last,      &side->bid,    &side->ask,  &side->oi,
                          &side->oi_change, &side->volume, &side->iv,   &side->delta,
                          &side->gamma,     &side->theta,  &side->vega, &side->price};
    size_t *counts[] = {&side->n_last,      &side->n_bid,    &side->n_ask,  &side->n_oi,
                        &side->n_oi_change, &side->n_volume, &side->n_iv,   &side->n_delta,
                        &side->n_gamma,     &side->n_theta,  &side->n_vega, &side->n_price};

    for (size_t c = 0; c < 12; c++) {
        *columns[c] = hde_msg_doubles(msg, BENCH_STRIKES);
        *counts[c] = BENCH_STRIKES;
        for (size_t k = 0; k < BENCH_STRIKES; k++)
            (*columns[c])[k] = base + (double)c * (double)k;
    }
}

/* A chain of 40 kB. */
static inline void
bench_fill(hde_msg *msg)
{
    Hde__BenchChain *chain = (Hde__BenchChain *)msg->body;

    chain->underlying = hde_msg_text(msg, "NIFTY");
    chain->has_spot = 1;
    chain->spot = 24212.8;
    chain->strike = hde_msg_doubles(msg, BENCH_STRIKES);
    chain->n_strike = BENCH_STRIKES;
    for (size_t k = 0; k < BENCH_STRIKES; k++)
        chain->strike[k] = 20000 + 50 * (double)k;
    bench_fill_side(msg, hde_msg_edit(msg, &chain->calls, &hde__bench_side__descriptor), 100);
    bench_fill_side(msg, hde_msg_edit(msg, &chain->puts, &hde__bench_side__descriptor), 200);
}

#endif
