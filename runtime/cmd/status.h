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
/* Another host of the graph that gives no status: what its link is ("down"), and why; a line, or
 * with --json an object. */
void status_silent(const struct cmd *cmd, const char *host, const char *link, const char *why,
                   hde_text *out);

#endif
