/* SPDX-License-Identifier: Apache-2.0
 * level - see level.h. */
#include "level.h"

#include "quant/cpu.h"
#include <string.h>

int
level_force(const struct cmd *cmd, const char *name)
{
    for (int level = 0; level < QUANT_CPUS; level++)
        if (strcmp(quant_cpu_name((enum quant_cpu)level), name) == 0 &&
            quant_cpu_force((enum quant_cpu)level))
            return CMD_OK;
    return cmd_error(cmd, EX_UNAVAILABLE, "HDE-C053", "'--cpu portable' works everywhere",
                     "this machine does not have %s", name);
}
