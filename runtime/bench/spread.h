/* SPDX-License-Identifier: Apache-2.0
 * spread - the shipped chains on one to four hosts of this machine, each a process of its own: what
 * processor time they take. Used by `hde bench links` and `hde bench scale`.
 *
 *      1   source, processing, analytics, sink      one process
 *      2   source | processing, analytics, sink
 *      3   source | processing | analytics, sink
 *      4   source | processing | analytics | sink
 *
 * Hosts are network namespaces joined by a bridge where this process may make some, else addresses
 * of the loopback device; without keys. One thread. A run that fails ends the program. */
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

#include <stdbool.h>

enum { SPREAD_HOSTS = 4 };

struct spread_load {
    int hosts;   /* 1 to SPREAD_HOSTS */
    int strikes; /* of a chain: two legs each */
    long chains;
};

struct spread_cost {
    double cpu_s;  /* of all hosts, user and system */
    double wall_s; /* until the last one has ended */
};

void spread_open(const char *graphs); /* folder of the shipped graphs */
void spread_close(void);
bool spread_has_namespaces(void);
struct spread_cost spread_run(const struct spread_load *load);
/* Processor time of one chain more, in seconds: what starting and ending takes is not in it. */
double spread_chain_s(int hosts, int strikes, long chains);

/* Bytes that a host has sent for each chain of the last spread_chain_s(), with all headers; 0 where
 * there are no namespaces. */
double spread_sent(int host);

#endif
