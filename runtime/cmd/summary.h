/* SPDX-License-Identifier: Apache-2.0
 * summary - what `hde run` says when it starts and when it ends: on stderr for people, with --json
 * one object a line on stdout. */
#ifndef CMD_SUMMARY_H
#define CMD_SUMMARY_H

#include "cmd/cmd.h"
#include "control/control.h"

void summary_start(const struct cmd *cmd, const struct parts *parts,
                   const struct control *control);
void summary_end(const struct cmd *cmd, const struct parts *parts, double seconds);

#endif
