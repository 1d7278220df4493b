/* SPDX-License-Identifier: Apache-2.0
 * changed_pcr - processing/pcr, changed on purpose: ratios are a hundredth too large. pcr.c is
 * built with its pcr_of() being this one. */
#include "quant/pcr.h"

struct pcr changed_pcr_of(size_t n, const double *calls, const double *puts);

struct pcr
changed_pcr_of(size_t n, const double *calls, const double *puts)
{
    struct pcr out = pcr_of(n, calls, puts);

    out.ratio *= 1.01;
    return out;
}
