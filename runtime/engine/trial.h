/* SPDX-License-Identifier: Apache-2.0
 * trial - runs a new build in a child process before it runs here.
 *
 * The child is `hde` itself, started afresh (posix_spawn), never a fork of a process with threads.
 * It opens the copy, makes the operator with the parameters of the running node, loads its state
 * (which the node saves once more for that) and calls batch() with messages that the node has just
 * seen. What it emits and prints goes nowhere. Operators that touch the world (sources, sinks,
 * blocking, exclusive, impure ones and those with event()) are only loaded: a trial must not write
 * or ask anything. */
#ifndef ENGINE_TRIAL_H
#define ENGINE_TRIAL_H

#include "engine/run.h"
#include "plugin/stage.h"

#define TRIAL_ARGUMENT "--reload-trial"

/* False: HDE-R025, R026 (the new build's own reason) or R028 with the signal, or the time limit,
 * and the function in which it was. On a thread that may wait for some seconds. */
bool trial_run(struct node *node, const struct stage *stage, bool keeps_state, struct err *err);
/* The child: reads a Trial from standard input. Gives the exit code. */
int trial_child(void);

#endif
