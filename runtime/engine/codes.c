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
    {"HDE-R012", "a log cannot be taken again",
     "The folder holds no ingress log, its last start is gone, or an entry does not fit the graph: a "
     "node that the graph does not have, a port or message type that the node does not have. Replay "
     "with the graph and the plugins that wrote the log.",
     NULL, NULL},
    {"HDE-R013", "the ingress log has no room",
     "The disk is full, and with it what the log keeps for decisions. Nothing was lost: the run ends "
     "with the entries that the log has.",
     NULL, NULL},
    {"HDE-R014", "the checkpoint store cannot be used",
     "The folder cannot be made or read, or what it holds does not go together: epochs without the "
     "log behind them, or a log whose beginning was retired and no whole epoch.",
     NULL, NULL},
    {"HDE-R015", "saved state does not fit the graph",
     "A checkpoint holds the state of a node that this graph does not have, that is another operator "
     "here, or that does not take what was saved. Nothing was started and nothing is lost: run the "
     "graph that wrote it, or begin with another store.",
     NULL, NULL},
    {"HDE-R016", "a source does not go back",
     "After a restart a source is asked to go on where it stood (seek), and refused: the file it read "
     "is another one, or shorter.",
     NULL, NULL},
    {"HDE-R017", "the graph cannot be checkpointed",
     "Edges that drop may only lead to views, and operators whose answers come from outside (impure) "
     "are not kept: set full: block, or leave checkpoint: out.",
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
