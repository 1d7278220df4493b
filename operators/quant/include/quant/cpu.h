/* SPDX-License-Identifier: Apache-2.0
 * cpu - which instructions the batch kernels use. The best level of this machine is found at the
 * first call and kept; the levels differ in speed, not in their documented accuracy, though their
 * results may differ in the last bits. */
#ifndef QUANT_CPU_H
#define QUANT_CPU_H

#include <stdbool.h>

enum quant_cpu {
    QUANT_PORTABLE, /* any machine: pairs of doubles, no fused multiply-add */
    QUANT_AVX2,     /* x86-64 with AVX2 and FMA: four doubles */
    QUANT_AVX512,   /* x86-64 with AVX-512 F, DQ and VL: eight doubles */
};
#define QUANT_CPUS 3

/* The level in use. */
enum quant_cpu quant_cpu(void);

/* Uses another level from now on, in all threads: for checks and benchmarks. False, and nothing
 * changes, where this machine does not have it. */
bool quant_cpu_force(enum quant_cpu level);

/* "portable", "avx2", "avx512"; NULL for no level. */
const char *quant_cpu_name(enum quant_cpu level);

#endif
