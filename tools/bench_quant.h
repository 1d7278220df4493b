/* SPDX-License-Identifier: Apache-2.0
 * bench_quant - the options that all sides of `hde bench quant` get, and QuantLib's side, which is
 * built where QuantLib is installed (bench_quant_ql.cpp). */
#ifndef TOOLS_BENCH_QUANT_H
#define TOOLS_BENCH_QUANT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_options { /* n entries each; Black-76, one forward and rate */
    size_t n;
    double forward, rate;
    const double *strike, *t, *vol, *price;
    const int *is_call;
};

extern const char *const bench_ql_version;

/* Sums of all results, so that nothing is left out. */
double bench_ql_price(const struct bench_options *o); /* BlackCalculator: value and five Greeks */
double bench_ql_iv(const struct bench_options *o);    /* blackFormulaImpliedStdDev at 1e-10 */

#ifdef __cplusplus
}
#endif
#endif
