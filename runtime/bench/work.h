/* SPDX-License-Identifier: Apache-2.0
 * work - what a light operator does in `hde bench edges`: one pass over 2 of a chain's 25 columns.
 * The same function runs in the operators and in the hand-written loop they are compared with. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

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

#endif
