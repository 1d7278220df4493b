/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/codes.h"

#include <stddef.h>

const struct code engine_codes[] = {
    {"HDE-R001", "a node does not open",
     "The operator's open() refused: a file, an address, a service or a parameter is not usable. "
     "The text is the operator's own. Nothing was started.",
     NULL, NULL},
    {"HDE-R002", "the counters cannot be kept",
     "The file for the counters (in /dev/shm unless told otherwise) cannot be made or mapped: no "
     "room, or no right to write there.",
     NULL, NULL},
    {"HDE-R003", "the counters cannot be read",
     "The file is gone, is not one of a running graph, or belongs to another version of hde.", NULL,
     NULL},
    {"HDE-R004", "the system refused a thread, socket or descriptor",
     "A limit of the user or the machine was met: see 'ulimit -a' (processes, open files) and the "
     "memory that is left.",
     NULL, NULL},
    {"HDE-R005", "the graph cannot be placed",
     "The settings of nodes contradict each other or the machine. The text says which.", NULL,
     NULL},
    {"HDE-R010", "a node failed",
     "The operator said that its instance is broken, and on_error says stop (the default). The "
     "text "
     "is the operator's own. on_error: retry or skip goes on instead.",
     "feed: {op: ingestion/dhan_chain}",
     "feed: {op: ingestion/dhan_chain, on_error: {do: retry, attempts: 5, then: stop}}"},
    {"HDE-R011", "an operator broke the rules of the ABI",
     "It did what hde/operator.h forbids, for example emitted another type than its port has, or "
     "counted batch->done past batch->n. This is a fault of the operator.",
     NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
