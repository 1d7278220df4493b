/* SPDX-License-Identifier: Apache-2.0
 * work - what a light operator does in `hde bench edges`: one pass over 2 of a chain's 25 columns.
 * The same function runs in the operators and in the hand-written loop they are compared with. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <hde/schemas/bench.pb-c.h>

#include <stddef.h>
#include <stdint.h>

/* BENCH_READY chains of 40 kB fit a second-level cache: hops are measured, not memory. */
enum { BENCH_STRIKES = 200, BENCH_OPS = 8, BENCH_READY = 16 };

/* Eight partial sums, so that the pass is bound by arithmetic and not by one chain of additions. */
static inline double
bench_work(const double *restrict a, const double *restrict b, size_t n)
{
    double sum[8] = {0}, rest = 0;
    const size_t whole = n - n % 8;

    for (size_t i = 0; i < whole; i += 8) {
        for (size_t j = 0; j < 8; j++)
            sum[j] += a[i + j] * .999 + b[i + j] * .001;
    }
    for (size_t i = whole; i < n; i++)
        rest += a[i] * .999 + b[i] * .001;
    return (sum[0] + sum[4]) + (sum[1] + sum[5]) + ((sum[2] + sum[6]) + (sum[3] + sum[7])) + rest;
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

#endif
