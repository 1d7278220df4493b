/* SPDX-License-Identifier: Apache-2.0
 * peers - the other hosts of a graph, as the parts of this one see them: a net (net/net.h) with an
 * edge for each link that ends elsewhere, and what has to wait for it.
 *
 * A part that sends to another host and has come to its end is over when that host can do without
 * what the links keep: peers_deliver() tells when. */
#ifndef ENGINE_PEERS_H
#define ENGINE_PEERS_H

#include "engine/engine.h"
#include "graph/parts.h"
#include "link/link.h"
#include "net/net.h"

struct peers;

/* For a graph that was loaded for one host (HDE-R182, R183, or what net_new() says). */
struct peers *peers_new(const struct graph *graph, const struct engine_options *options,
                        struct err *err);
/* One end of the link is elsewhere. The link is lent until peers_free(). */
bool peers_add(struct peers *self, const struct graph_link *def, struct link *link,
               struct err *err);
/* When all is loaded, before anything is put: what receivers are known to have for good need not
 * be kept. */
bool peers_pass_over(struct peers *self, struct err *err);
bool peers_start(struct peers *self, struct err *err);
/* This host is at its end. Calls settled(arg) once, on any thread: when the others know that it has
 * all, and it knows that they have; who may come back without it is waited for some time only. */
void peers_settle(struct peers *self, void (*settled)(void *arg), void *arg);
/* Of a spare host, at most once: calls ended(arg), once and on any thread, when the hosts on which
 * nodes lie have come to the end of their data; also at once. */
void peers_stand_by(struct peers *self, void (*ended)(void *arg), void *arg);
/* Why this host, at its end, stays for that one, and what to do; NULL: it does not. Any thread;
 * lives in the arena. */
const char *peers_waits(struct peers *self, const char *host, bool is_up, struct arena *arena);
/* Calls nobody any more, links and engines least of all. */
void peers_stop(struct peers *self);
void peers_free(struct peers *self); /* after peers_stop() */

/* Nothing more is put on the link. Calls delivered(arg) once for it, at once or later, on any
 * thread and with a lock of the link held: when no host needs anything of it any more. */
void peers_deliver(struct peers *self, struct link *link, void (*delivered)(void *arg), void *arg);

/* Each other host as this one sees it, as Prometheus text. */
void peers_prometheus(const struct peers *self, hde_text *out);
struct net *peers_net(const struct peers *self);

#endif
