/* SPDX-License-Identifier: Apache-2.0 */
#include "net/codes.h"

#include <stddef.h>

const struct code net_codes[] = {
    {"HDE-N001", "a host cannot listen, or an address is none",
     "Hosts listen at tcp://ADDRESS:PORT or ipc://PATH. The text has the address and what the system "
     "said: another process may have the port, or the address belongs to another machine.",
     "tcp://10.0.0.11", "tcp://10.0.0.11:7400"},
    {"HDE-N002", "a key is wrong",
     "Every host has a pair of keys of its own ('hde keygen'): the public one, 40 characters, stands in "
     "the graph for all to see, the secret one in a file that only its host can read, and both belong "
     "together. All hosts of a graph have keys, or none has.",
     NULL, NULL},
    {"HDE-N003", "a host would listen to anybody",
     "Without keys whoever reaches the address can send data into the graph. Hosts without keys listen "
     "on ipc:// and loopback addresses only. Give the hosts keys ('hde keygen'), or, in a network that "
     "nobody else can reach, start with --insecure.",
     NULL, NULL},
    {"HDE-N004", "a message is too large for another host",
     "Hosts take messages between them up to a bound, which each says when they meet. What one tick "
     "puts on an edge goes as one message: let the operators in front put less into a tick. The edge "
     "stands still; nothing that it keeps is lost.",
     NULL, NULL},
    {"HDE-N005", "an edge between hosts has no other end",
     "It names a host that is not in the list of hosts, or two edges have one number.", NULL, NULL},
    {"HDE-N006", "another host has not answered",
     "It is down or does not know this host, the connection broke before the answer came, or it took "
     "too long. Whether it has done what was asked is not known: ask for its status.",
     NULL, NULL},
    {"HDE-N007", "another host runs another graph, or is another one",
     "Two graphs, or two hosts, have got each other's address. See the list of hosts on both machines.",
     NULL, NULL},
    {"HDE-N008", "the graphs of two hosts differ in what both share",
     "Edges between hosts, their types, keys and replicas have to be the same on all hosts; parameters "
     "and builds may differ. The text has both hashes. The hosts ask each other again: bring the same "
     "graph file to both, and they go on by themselves.",
     NULL, NULL},
    {"HDE-N009", "the schemas of two hosts do not go together",
     "Message types may grow by new fields, and both ends may be of different age; but a field never "
     "changes its name, number or type, and what a sender sends its receiver has to know. The text "
     "names the field and both schemas.",
     NULL, NULL},
    {"HDE-N010", "two hosts speak different versions",
     "The programs on both are too far apart to understand each other: install the same version of hde.",
     NULL, NULL},
    {"HDE-N011", "a host is refused by its key",
     "The other host does not have the key that the graph gives it, or does not know this host's. Both "
     "need the same list of hosts, each with the public key of the pair whose secret key it has.",
     NULL, NULL},
    {"HDE-N020", "the states of two hosts do not go together",
     "A savepoint over hosts is restored on all of them, or on none: what one host has sent and "
     "another has got would not fit otherwise. The text has the numbers of the savepoints that both "
     "go back to; 'hde savepoint ls' shows them. Restore the same one on the host that was left out.",
     NULL, "hde savepoint restore NAME GRAPH --host HOST"},
    {NULL, NULL, NULL, NULL, NULL},
};
