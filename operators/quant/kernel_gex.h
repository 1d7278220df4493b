/* SPDX-License-Identifier: Apache-2.0
 * kernel_gex - the gamma of a whole chain at one forward (quant/gex.h), a template on vec.h. */
#ifndef QUANT_KERNEL_GEX_H
#define QUANT_KERNEL_GEX_H

#include "kernel.h"
#include "vec.h"

/* Two sums side by side, because one is as slow as its chain of additions. */
static double
kernel_gamma_sum(size_t n, const double *weight, const double *offset, const double *slope,
                 double u)
{
    vd at = vd_set(u), sum[2] = {vd_set(0), vd_set(0)};
    double lane[VEC_LANES], total = 0;

    for (size_t i = 0; i < n; i += VEC_LANES) {
        vd z = vd_fma(vd_load(slope + i), at, vd_load(offset + i));
        vd density = vd_exp(-0.5 * z * z);

        sum[i / VEC_LANES % 2] += vd_load(weight + i) * density;
    }
    vd_store(lane, sum[0] + sum[1]);
    for (int i = 0; i < VEC_LANES; i++)
        total += lane[i];
    return total;
}

#endif
