/* SPDX-License-Identifier: Apache-2.0 */
#define VEC_AVX512
#define QUANT_KERNEL quant_kernel_avx512
#include "kernel_template.h"
