/* SPDX-License-Identifier: Apache-2.0
 * level - the option --cpu. */
#ifndef TOOLS_LEVEL_H
#define TOOLS_LEVEL_H

#include "cmd/cmd.h"

/* The level of that name from here on; otherwise an exit code, and said so (HDE-C053). */
int level_force(const struct cmd *cmd, const char *name);

#endif
