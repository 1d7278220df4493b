/* SPDX-License-Identifier: Apache-2.0 */
#define VEC_PORTABLE
#define QUANT_KERNEL quant_kernel_portable
#include "kernel_template.h"
