/* SPDX-License-Identifier: Apache-2.0
 * kernel_template - the kernels of the level that the including file stands for: it defines
 * QUANT_KERNEL, the name of its table, and VEC_AVX2, VEC_AVX512 or VEC_PORTABLE. */
#include "kernel_bsm.h"
#include "kernel_iv.h"
#include "kernel_gex.h"
#include "kernel_skew.h"

#include "kernel.h"

const struct quant_kernel QUANT_KERNEL = {
    .bsm = kernel_bsm,
    .iv_expiries = kernel_iv_expiries,
    .iv = kernel_iv,
    .gamma_sum = kernel_gamma_sum,
    .log_ratios = kernel_log_ratios,
    .fit_points = kernel_fit_points,
};
