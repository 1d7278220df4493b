/* SPDX-License-Identifier: Apache-2.0
 * levels - a program's tests at every level of quant/cpu.h that this machine has. */
#ifndef LEVELS_H
#define LEVELS_H

#include "quant/cpu.h"

#define RUN_AT_EACH_LEVEL(tests) run_at_each_level(tests, sizeof(tests) / sizeof *(tests))

/* The number of tests that failed. */
static inline int
run_at_each_level(const struct CMUnitTest *tests, size_t n)
{
    int failed = 0;

    for (int level = 0; level < QUANT_CPUS; level++) {
        const char *name = quant_cpu_name((enum quant_cpu)level);

        if (quant_cpu_force((enum quant_cpu)level))
            failed += _cmocka_run_group_tests(name, tests, n, NULL, NULL);
        else
            print_message("this machine has no %s\n", name);
    }
    return failed;
}

#endif
