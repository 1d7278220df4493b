/* SPDX-License-Identifier: Apache-2.0
 * supervise - a parent that runs the engine in a child and brings it back after a crash. */
#ifndef CMD_SUPERVISE_H
#define CMD_SUPERVISE_H

#include "cmd/cmd.h"

/* Forks, calls run(arg) in the child, and comes back in both: in the child with what run() gave, in
 * the parent with the exit code of the last child. A child that a signal ended is started again,
 * after a pause that doubles; after max_restarts without a calm minute in between it is given up
 * (HDE-R046). SIGINT, SIGTERM and SIGHUP are passed on. Before there are threads. */
int supervise(const struct cmd *cmd, int64_t max_restarts, int (*run)(void *arg), void *arg);

#endif
