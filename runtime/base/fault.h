/* SPDX-License-Identifier: Apache-2.0
 * fault - named places where a test lets the process die, as kill -9 does.
 *
 * HDE_FAULT=fsync:37 in the environment of `hde run`: the process kills itself when it passes the
 * place "fsync" for the 37th time. Places stand before and after the step that they name, so an odd
 * number is before one. Nothing else arms them. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
    FAULT_NONE,
    FAULT_APPEND,       /* an entry goes to the ingress log */
    FAULT_FSYNC,        /* the log syncs a group */
    FAULT_ROTATION,     /* the log goes on in another segment */
    FAULT_RETIREMENT,   /* a segment that nothing needs is deleted */
    FAULT_STATE_WRITE,  /* the bytes of an epoch are written aside */
    FAULT_EPOCH_COMMIT, /* they get their name */
    FAULT_SINK_COMMIT,  /* a sink with a mark makes safe what it has */
    FAULT_SWAP,         /* a node gets another instance */
    FAULT_APPLY,        /* a graph is changed */
    FAULT_READY,        /* a host says that it can make a change over all of them */
    FAULT_DECISION,     /* the coordinator decides that it is made */
    FAULT_MOVE_READY,   /* a host is in doubt about a move of nodes */
    FAULT_MOVE_COMMIT,  /* it is decided there */
    FAULT_THROUGH,      /* a host remembers that an edge is through */
    FAULTS
};

extern enum fault fault_armed;

void fault_passed(void);
static inline void
fault_point(enum fault place)
{
    if (__builtin_expect(fault_armed == place, 0))
        fault_passed();
}

/* "PLACE:N"; false: not understood. Before threads are started. */
bool fault_arm(const char *text);

#endif
