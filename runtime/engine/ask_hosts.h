/* SPDX-License-Identifier: Apache-2.0
 * ask_hosts - one request to other hosts of the graph at once, and what each of them answers.
 *
 * The requests are those of control (control.proto), over the net's lane for questions; the other
 * host's control answers as it answers its own clients. Nothing waits longer than the deadline: a
 * host that is down, goes down or does not answer in time has an error instead of an answer. */
#ifndef ENGINE_ASK_HOSTS_H
#define ENGINE_ASK_HOSTS_H

#include "base/err.h"
#include "graph/graph.h"
#include "net/net.h"

#include <hde/schemas/control.pb-c.h>

struct host_reply {
    const char *host;         /* as the graph calls it; lent from there */
    bool is_unheard;          /* no answer came: whether it has done what was asked is not known */
    struct err err;           /* set: HDE-N006, HDE-C013 (not understood), or its own refusal */
    Hde__ControlReply *reply; /* NULL with err */
};

struct host_replies {
    size_t n;
    struct host_reply *of; /* in the order of the graph's hosts */
};

/* Which hosts have to take part in what is done to all of them, this one too; by host, the caller
 * frees it. A spare host (graph/parts.h) that is not there does not hold it up: it follows when it
 * comes back (spare.h). */
bool *hosts_taking_part(struct net *net, const struct graph *graph);
/* Asks the other hosts of the graph among them, and waits until each has answered or timeout_ns are
 * over. Not on the net's thread, nor on that of control: others may wait for this host's answer
 * meanwhile. False: one of them did not say yes; host_replies_refusal() names it. Free in either
 * case. */
bool ask_hosts(struct net *net, const struct graph *graph, const bool *whom,
               const Hde__ControlRequest *request, int64_t timeout_ns, struct host_replies *out);
/* One of them alone. The same otherwise. */
bool ask_host(struct net *net, const char *host, const Hde__ControlRequest *request,
              int64_t timeout_ns, struct host_reply *out);
/* "host 'NAME': ..." of the first that did not say yes; false: all did. */
bool host_replies_refusal(const struct host_replies *replies, struct err *err);
void host_reply_fini(struct host_reply *reply);
void host_replies_fini(struct host_replies *replies);

/* The answer to a question of another host, on any thread: taken goes. */
void answer_host(struct net_question *taken, const Hde__ControlReply *reply);
/* A refusal, or with err NULL "done". */
void answer_host_with(struct net_question *taken, const struct err *err);

#endif
