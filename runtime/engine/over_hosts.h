/* SPDX-License-Identifier: Apache-2.0
 * over_hosts - what all hosts of a graph do together, led by its coordinator: one savepoint over
 * all of them (K3), and moves of nodes from one to another.
 *
 * Every host writes its share into its own store, since machines have disks of their own:
 *
 *      prepare  of a move: every host loads the graph after it, and may refuse. That is the same
 *               graph with nodes elsewhere, or one with other links (relink.h)
 *      arm      every host takes no other markers from now on (across.h)
 *      begin    every part is asked for its share; markers go from host to host. Of a move, parts
 *               end at their cuts
 *      look     until every host has written its share, under a name that is hidden
 *      fetch, put, ready
 *               of a move: shares go where their nodes go, and every host writes what it goes on
 *               from (move.h) aside, in STORE/moving. From there on it is in doubt
 *      commit   first at the coordinator, which decides it; then everywhere. Of a move, the process
 *               begins anew, from there
 *
 * The shares have one number, and hosts that have gone back to shares of different numbers do not
 * talk to each other (HDE-N020). Whatever fails before the commit ends it everywhere: the graph
 * goes on, of a move from where its parts have ended. Who hears nothing of the coordinator gives up
 * by himself; who is in doubt asks it, also after a crash, and does nothing else before. */
#ifndef ENGINE_OVER_HOSTS_H
#define ENGINE_OVER_HOSTS_H

#include "engine/parts.h"
#include "engine/savepoint.h"
#include "net/net.h"

#include <hde/schemas/control.pb-c.h>

struct across;
struct over_hosts;

/* Borrows all; the net may stop before over_hosts_stop(), and runs no more when it is freed. */
struct over_hosts *over_hosts_new(struct parts *parts, const struct engine_options *options,
                                  struct net *net, struct across *across);
void over_hosts_stop(struct over_hosts *self); /* before the net stops: nobody is led any more */
void over_hosts_free(struct over_hosts *self);

/* Hosts of the ask are lost: what they led and this one is in doubt about is decided as their
 * stores say. False with err: it was, and is over soon (HDE-R238), or a store is not here. */
bool over_hosts_end_doubts(struct over_hosts *self, const Hde__ControlMove *ask, struct err *err);

/* At the coordinator, elsewhere HDE-R231. As savepoint_ask() and savepoint_report(). Any thread. */
bool over_hosts_ask(struct over_hosts *self, const char *name, struct err *err);
void over_hosts_report(struct over_hosts *self, const char *name, struct savepoint_report *out);

/* Nodes go to other hosts. Gives its number, 0 with err: not now. The same threads. */
uint32_t over_hosts_move(struct over_hosts *self, const Hde__ControlMove *ask, struct err *err);
/* Links between hosts become those of another graph (relink.h); without a path those of the one
 * before. after: as it is here. */
uint32_t over_hosts_relink(struct over_hosts *self, const Hde__ControlApply *ask,
                           const struct graph *after, struct err *err);
/* Until it is decided. False with err: it is not made. */
bool over_hosts_wait(struct over_hosts *self, uint32_t number, struct err *err);
/* What has become of it; also after the process has begun anew. Texts live in the arena. */
void over_hosts_moved(struct over_hosts *self, uint32_t number, Hde__EngineMove *out,
                      struct arena *arena);

/* What is under way here, for people, in the arena; NULL: nothing. Any thread. */
const char *over_hosts_doing(struct over_hosts *self, struct arena *arena);

/* What the coordinator asks of this host, or a host of the coordinator. Any thread; waits for
 * nothing but the disk. */
bool over_hosts_step(struct over_hosts *self, const Hde__HostStep *step, Hde__HostStepDone *out,
                     struct arena *arena, struct err *err);
/* Now and then: whether who leads is still there, and what he has decided. True: again soon. */
bool over_hosts_tick(struct over_hosts *self);

/* Readable when this process has to begin anew; the parts may have ended long before. */
int over_hosts_anew_fd(const struct over_hosts *self);
/* Whether the parts end, or wait for a decision, because of a move: it is not the end of the
 * run. */
bool over_hosts_is_moving(struct over_hosts *self);

/* Whether this process ends for a move, or a change of links, that another host has led: what it
 * was, in the arena. */
bool over_hosts_made(struct over_hosts *self, Hde__GraphChange *out, struct arena *arena);

#endif
