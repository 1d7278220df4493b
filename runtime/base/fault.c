/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[FAULTS] = {
    [FAULT_APPEND] = "append",
    [FAULT_FSYNC] = "fsync",
    [FAULT_ROTATION] = "rotation",
    [FAULT_RETIREMENT] = "retirement",
    [FAULT_STATE_WRITE] = "state-write",
    [FAULT_EPOCH_COMMIT] = "epoch-commit",
    [FAULT_SINK_COMMIT] = "sink-commit",
    [FAULT_SWAP] = "swap",
    [FAULT_APPLY] = "apply",
    [FAULT_READY] = "ready",
    [FAULT_DECISION] = "decision",
    [FAULT_MOVE_READY] = "move-ready",
    [FAULT_MOVE_COMMIT] = "move-commit",
    [FAULT_THROUGH] = "through",
};

enum fault fault_armed;
static _Atomic uint64_t passages_left;

void
fault_passed(void)
{
    if (atomic_fetch_sub(&passages_left, 1) == 1)
        raise(SIGKILL);
}

bool
fault_arm(const char *text)
{
    const char *colon = strchr(text, ':');
    char *end = NULL;
    unsigned long long n = colon ? strtoull(colon + 1, &end, 10) : 0;

    for (int i = FAULT_NONE + 1; i < FAULTS && n && !*end; i++) {
        if (strlen(names[i]) != (size_t)(colon - text) ||
            strncmp(names[i], text, strlen(names[i])) != 0)
            continue;
        passages_left = n;
        fault_armed = (enum fault)i;
        return true;
    }
    return false;
}
