/* SPDX-License-Identifier: Apache-2.0
 * over_hosts - one savepoint over all hosts of a graph (K3), led by its coordinator.
 *
 * Every host writes its share into its own store, since machines have disks of their own:
 *
 *      arm      every host takes no other markers from now on (across.h)
 *      begin    every part is asked for its share; markers go from host to host
 *      look     until every host has written its share, under a name that is hidden
 *      commit   first at the coordinator, which makes it a savepoint; then everywhere
 *
 * The shares have one number, and hosts that have gone back to shares of different numbers do not
 * talk to each other (HDE-N020). Whatever fails before the commit ends it everywhere: the graph goes
 * on, and nothing has changed. Who hears nothing of the coordinator gives up by himself. */
#ifndef ENGINE_OVER_HOSTS_H
#define ENGINE_OVER_HOSTS_H

#include "engine/savepoint.h"
#include "net/net.h"

#include <hde/schemas/control.pb-c.h>

struct across;
struct over_hosts;

/* Borrows all; the net may stop before over_hosts_stop(), and runs no more when it is freed. */
struct over_hosts *over_hosts_new(const struct graph *graph, struct net *net,
                                  struct across *across);
void over_hosts_stop(struct over_hosts *self); /* before the net stops: nobody is led any more */
void over_hosts_free(struct over_hosts *self);

/* At the coordinator, elsewhere HDE-R231. As savepoint_ask() and savepoint_report(). Any thread. */
bool over_hosts_ask(struct over_hosts *self, const char *name, struct err *err);
void over_hosts_report(struct over_hosts *self, const char *name, struct savepoint_report *out);

/* What the coordinator asks of this host. Any thread; does not wait for anything but the disk. */
bool over_hosts_step(struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
                     struct err *err);
/* Now and then: whether who leads is still there. */
void over_hosts_tick(struct over_hosts *self);

/* ---- The state's line: any process --------------------------------------------------------- */

/* Number of the savepoint that the state in the store goes back to; 0: to its beginning. */
bool line_read(const char *store, uint32_t *number, struct err *err);
bool line_write(const char *store, uint32_t number, struct err *err);

#endif
