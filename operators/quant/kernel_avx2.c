/* SPDX-License-Identifier: Apache-2.0 */
#define VEC_AVX2
#define QUANT_KERNEL quant_kernel_avx2
#include "kernel_template.h"
