/* SPDX-License-Identifier: Apache-2.0
 * status - what status and top both show. */
#ifndef CMD_STATUS_H
#define CMD_STATUS_H

#include "cmd/cmd.h"

#include <hde/schemas/control.pb-c.h>

const char *status_state(const Hde__EngineStatus *status);
uint64_t status_drops(const Hde__EdgeStatus *edge); /* for all reasons */
/* Graph, state, health, blocking chain. answers: not read from shared memory. */
void status_head(const struct cmd *cmd, const Hde__EngineStatus *status, bool answers,
                 hde_text *out);

#endif
