/* SPDX-License-Identifier: Apache-2.0
 * kernel - the vector code of one level (quant/cpu.h). Each level is one translation unit,
 * kernel_LEVEL.c, with compile flags of its own (CMakeLists.txt), that includes
 * kernel_template.h; the kernels themselves are templates on vec.h. */
#ifndef QUANT_KERNEL_H
#define QUANT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "iv_block.h"
#include "quant/bsm.h"

#define QUANT_LANES_MAX 8 /* entries of the widest vector */
#define QUANT_BLOCK 64    /* entries of a column that is worked on at once */

/* Strikes of a smile, QUANT_BLOCK entries each: in, and out for a fit (skew.c). */
struct fit_points {
    const double *strike, *iv;
    double *z;      /* x = ln(strike / forward) in units of the width */
    double *weight; /* vega / (forward sqrt(t)); 0 outside of the width or without iv */
};

struct quant_kernel {
    size_t (*bsm)(const struct bsm_batch *in, const struct bsm_columns *out);
    /* The factors of the first n lanes, which are filled up to whole vectors, and their results.
     * Bit i says that lane i has one; the others are for iv_solve(). */
    void (*iv_expiries)(struct iv_block *b, size_t n);
    uint64_t (*iv)(struct iv_block *b, size_t n);
    /* Sum of weight exp(-(offset + slope u)^2 / 2); n is a multiple of QUANT_LANES_MAX. */
    double (*gamma_sum)(size_t n, const double *weight, const double *offset, const double *slope,
                        double u);
    /* x = ln(strike / forward), 3 units; NaN unless both are positive and finite. */
    void (*log_ratios)(const double strike[QUANT_BLOCK], double forward, double x[QUANT_BLOCK]);
    void (*fit_points)(const struct fit_points *p, double forward, double root_t, double width);
};

extern const struct quant_kernel quant_kernel_portable;
extern const struct quant_kernel quant_kernel_avx2;
extern const struct quant_kernel quant_kernel_avx512;

/* That of the level in use. */
const struct quant_kernel *quant_kernel(void);

/* Entry i of a batch that has all inputs. */
struct bsm bsm_entry(const struct bsm_batch *in, size_t i);

/* Writes the row of entry i of a batch that has no price by formula: an expired one gets its
 * payoff, any other NaN. False with NaN. */
bool bsm_settle(const struct bsm_batch *in, size_t i, const struct bsm_columns *out);

#endif
