/* SPDX-License-Identifier: Apache-2.0
 * kernel_skew - logarithms and weights of a smile's strikes (quant/skew.h), a template on vec.h. */
#ifndef QUANT_KERNEL_SKEW_H
#define QUANT_KERNEL_SKEW_H

#include <math.h>

#include "kernel.h"
#include "vec.h"

/* NaN unless both are positive and finite. */
VEC_FN vd
checked_log_ratio(vd a, vd b)
{
    vm known = vm_and(vm_lt(vd_set(0), a), vm_lt(a, vd_set(INFINITY)));

    known = vm_and(known, vm_and(vm_lt(vd_set(0), b), vm_lt(b, vd_set(INFINITY))));
    return vd_pick(known, vd_log_ratio(a, b), vd_set(NAN));
}

static void
kernel_log_ratios(const double strike[QUANT_BLOCK], double forward, double x[QUANT_BLOCK])
{
    for (size_t i = 0; i < QUANT_BLOCK; i += VEC_LANES)
        vd_store(x + i, checked_log_ratio(vd_load(strike + i), vd_set(forward)));
}

static void
kernel_fit_points(const struct fit_points *p, double forward, double root_t, double width)
{
    for (size_t i = 0; i < QUANT_BLOCK; i += VEC_LANES) {
        vd x = checked_log_ratio(vd_load(p->strike + i), vd_set(forward));
        vd iv = vd_load(p->iv + i), sd = iv * root_t, d = 0.5 * sd - x / sd;
        vm near = vm_and(vm_le(vd_abs(x), vd_set(width)), vm_lt(vd_set(0), iv));
        vd weight = vd_density(vd_min(d * d, vd_set(4000)));

        vd_store(p->z + i, x / width);
        vd_store(p->weight + i, vd_pick(near, weight, vd_set(0)));
    }
}

#endif
