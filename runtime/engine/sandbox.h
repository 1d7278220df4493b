/* SPDX-License-Identifier: Apache-2.0
 * sandbox - takes from the calling process what an operator has no business with.
 *
 * A fault must stay in the process, so what reaches others, or outlives it, is refused: to start
 * programs or processes, to signal, trace or write into others, to change namespaces, mounts, the
 * kernel or the clock, and sockets unless `network`. The list names what is refused, not what is
 * allowed: a plugin may use all of libc, whose system calls change from version to version, and a
 * call that the list does not know yet does less harm than a good operator that is stopped. It
 * guards against faults, not against an attacker: files stay as the user's rights have them. */
#ifndef ENGINE_SANDBOX_H
#define ENGINE_SANDBOX_H

#include "base/err.h"

#include <stdint.h>

/* For all threads of the process, for good. A refused call fails with EPERM. memory: what may be
 * asked for beside what there is already. HDE-R061. */
bool sandbox_enter(uint64_t memory, bool network, struct err *err);
/* The process is killed when the other end of the pipe is closed, however that happens. Unlike
 * PR_SET_PDEATHSIG this asks for the other process, not for the thread of it that started us. */
bool sandbox_die_with(int pipe_fd, struct err *err);

#endif
