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
    {"HDE-R005", "a node cannot be replayed",
     "Under the virtual clock of `hde replay` nothing may come from a live service: operators that "
     "only work live, or whose answers come from outside, are refused. Leave the node out of the "
     "graph that is replayed.",
     NULL, NULL},
    {"HDE-R006", "ZeroMQ refused",
     "A socket of an edge with `transport: zmq` cannot be opened or used. The text is ZeroMQ's "
     "own; see 'ulimit -n' for the number of open files.",
     NULL, NULL},
    {"HDE-R007", "an edge received what it cannot read",
     "A frame of an edge with `transport: zmq` was of another version, out of order or damaged. "
     "The edge stops the graph rather than go on with a gap; the counter "
     "hde_edge_corrupt_total tells how many there were.",
     NULL, NULL},
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
