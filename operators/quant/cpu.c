/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/cpu.h"

#include <stdatomic.h>
#include <stddef.h>

#include "kernel.h"

static const struct {
    const char *name;
    const struct quant_kernel *kernel;
} levels[QUANT_CPUS] = {
    [QUANT_PORTABLE] = {"portable", &quant_kernel_portable},
#ifdef __x86_64__
    [QUANT_AVX2] = {"avx2", &quant_kernel_avx2},
    [QUANT_AVX512] = {"avx512", &quant_kernel_avx512},
#else
    [QUANT_AVX2] = {"avx2", NULL},
    [QUANT_AVX512] = {"avx512", NULL},
#endif
};

/* Level + 1; 0 before the first call. All threads find the same, so a race writes one value. */
static atomic_int in_use;

static bool
supported(enum quant_cpu level)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (level == QUANT_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (level == QUANT_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return level == QUANT_PORTABLE;
}

enum quant_cpu
quant_cpu(void)
{
    int known = atomic_load_explicit(&in_use, memory_order_relaxed);

    if (known == 0) {
        known = QUANT_AVX512 + 1;
        while (!supported((enum quant_cpu)(known - 1)))
            known--;
        atomic_store_explicit(&in_use, known, memory_order_relaxed);
    }
    return (enum quant_cpu)(known - 1);
}

bool
quant_cpu_force(enum quant_cpu level)
{
    if ((unsigned)level >= QUANT_CPUS || !supported(level))
        return false;
    atomic_store_explicit(&in_use, (int)level + 1, memory_order_relaxed);
    return true;
}

const char *
quant_cpu_name(enum quant_cpu level)
{
    return (unsigned)level < QUANT_CPUS ? levels[level].name : NULL;
}

const struct quant_kernel *
quant_kernel(void)
{
    return levels[quant_cpu()].kernel;
}
