/* SPDX-License-Identifier: Apache-2.0
 * tube - the way from one host to another by connections, in a thread of its own: each that comes to
 * one ipc address is led to another, byte by byte, and may hang. */
#ifndef NET_TEST_TUBE_H
#define NET_TEST_TUBE_H

#include <stddef.h>

struct tube;

struct tube *tube_new(const char *from, const char *to);
void tube_free(struct tube *tube);
/* What comes by the connection that has carried most goes nowhere from now on; it stays open. */
void tube_hang_busiest(struct tube *tube);
size_t tube_count(struct tube *tube); /* connections that there were */

#endif
