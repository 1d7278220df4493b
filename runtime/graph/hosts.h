/* SPDX-License-Identifier: Apache-2.0
 * hosts - addresses of a graph's hosts. The table itself is part of struct graph. */
#ifndef GRAPH_HOSTS_H
#define GRAPH_HOSTS_H

#include <stdbool.h>

#define HOST_ALL "all" /* in place of a name: all hosts in one process */

bool hosts_is_any(const char *address);    /* all addresses of a machine; with or without tcp:// */
bool hosts_is_public(const char *address); /* reached from other machines */

#endif
