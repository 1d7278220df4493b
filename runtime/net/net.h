/* SPDX-License-Identifier: Apache-2.0
 * net - what joins the hosts of a graph: for each other host one link over ZeroMQ, and on it any
 * number of edges and calls.
 *
 * An edge between two hosts is two links (link/link.h). At the sender's host stands the one that
 * keeps frames until the receiver can do without them; at the receiver's a queue in memory without
 * a journal, of the capacity of the edge. A net takes from the first as a receiver does and puts
 * into the second as a sender does, so the ends (link/ends.h) are those of one process:
 *
 *      link/out -> link =====  net ------ net  ===== link -> link/in
 *                  kept until covered         taken is gone
 *
 *   link_seek() at the receiver     asks the sender for what came behind that tick
 *   link_cover() there              reaches the sender's link as link_cover()
 *   half of what the sender keeps is taken: the receiver's link_ask_with() is called
 *   link_put_marker(), link_drop_marker(), link_sender_is_over()   travel in order
 *   frames that are not kept any more (HDE-R070)   break the receiving end: link_take() says so
 *
 * Hosts may start, stop and be cut off in any order: edges go on where the receiver is, without
 * loss, repetition or another order. Nothing grows while a host is away but what its edges keep.
 *
 * One thread a net, beside those of ZeroMQ; the threads at the ends of edges do some of its work where
 * that saves a wake-up (help.c). All functions may be called on any thread, but for
 * those that say otherwise. */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/err.h"
#include "link/link.h"

struct net;

struct net_peer {
    const char *name;       /* as the graph calls the host */
    const char *endpoint;   /* where it listens: tcp://ADDRESS:PORT or ipc://PATH */
    const char *public_key; /* Z85, 40 characters; NULL: none */
    bool is_spare;          /* no node lies there (peer.c (6)) */
};

/* That host has come to the end of its data, as it says to spare hosts. On the net's thread, which
 * must not wait; perhaps more than once. */
typedef void net_ended(void *arg, const char *host);

struct net_config {
    const char *graph;
    struct net_peer self; /* endpoint: where this host listens; may be tcp://0.0.0.0:PORT */
    const struct net_peer
        *peers; /* all others; a peer without edges costs one small message a beat */
    size_t n_peers;
    const char *secret_key; /* Z85; NULL: no CURVE, neither here nor there */
    bool insecure;    /* listen on any address without CURVE; otherwise ipc and loopback only */
    uint64_t shape;   /* what both ends share as one number: edges, types, keys, replicas */
    uint64_t texts;   /* of the graph that runs here, as one number: for others to look at */
    uint32_t line;    /* number of the savepoint that its state goes back to; 0: its beginning */
    int64_t beat_ns;  /* heartbeat; a host not heard of for 4 of them is down. 0: 1 s */
    int64_t skew_ns;  /* of clocks, from which on the log says so. 0: 250 ms */
    size_t bytes_max; /* of one message of ZeroMQ. 0: FRAME_BYTES_MAX */
    net_ended *ended; /* NULL: nobody wants to know */
    void *ended_arg;
};

/* Remembers, for good, that the receiver has all of the edge up to that tick, the sender's last.
 * On the net's thread, at the end of an edge alone: it writes a file. False: not now, it is tried
 * again with the next beat. */
typedef bool net_keep_through(void *arg, const char *edge, enum link_end here, uint64_t tick,
                              bool is_heard);

struct net_edge {
    const char *peer; /* the host at the other end */
    uint32_t id;      /* same at both ends, one edge a number */
    const char *name; /* for messages; same at both ends */
    enum link_end here;
    /* SENDER: made with is_kept. RECEIVER: made with journal NULL and !is_kept. Both with the
     * capacity of the edge. Lent until net_free(). */
    struct link *link;
    const ProtobufCMessageDescriptor *const *types;
    bool
        has_epochs; /* the receiver's epochs cover frames; otherwise what it has taken is covered */
    /* With epochs: both ends remember that all has come (edges.c (6)). NULL: neither does. through:
     * the tick of which it was remembered before, 0: none; is_heard: the other end knew so, too. */
    net_keep_through *keep;
    void *keep_arg;
    uint64_t through;
    bool is_heard;
};

/* Copies the configuration, but for what edges lend. NULL with err: HDE-N001 (address), N002
 * (keys), N003 (a public address without CURVE). */
struct net *net_new(const struct net_config *config, struct err *err);
/* Before net_start(). */
bool net_add(struct net *net, const struct net_edge *edge, struct err *err);
/* Listens and calls the others; does not wait for them. */
bool net_start(struct net *net, struct err *err);
/* Another graph runs here from now on; sessions that are there go on. */
void net_restate(struct net *net, uint64_t shape, uint64_t texts);
uint64_t net_texts(struct net *net);
/* Who has not heard all of this host that is at its end. */
struct net_unheard {
    const char *host; /* NULL: all have */
    bool must_stay;   /* one of both would wait for the other for ever if this host ended now */
};
/* Tells, once, when the other hosts have heard how far the receiving ends here are (the sending
 * ones there keep everything until then), receivers there that this host knows of their end, and
 * spare hosts that this one is at its own; or who has not after timeout_ns. On the net's thread,
 * before net_stop() comes back; it must not wait, and may ask once more. */
typedef void net_settled(void *arg, const struct net_unheard *unheard);
void net_settle(struct net *net, int64_t timeout_ns, net_settled *settled, void *arg);
/* The same at once, of that host alone. False: it has heard all. Any thread. */
bool net_is_unheard(struct net *net, const char *host, struct net_unheard *out);
/* Nothing is sent or received any more; links and what they keep stay. Nor is any callback made
 * when this has come back; questions without an answer get theirs here (HDE-N006). */
void net_stop(struct net *net);
void
net_free(struct net *net); /* the ends of the edges do not run any more; before their links go */

/* ---- Looking ------------------------------------------------------------------------------ */

enum net_state {
    NET_DOWN,    /* not there, or not heard of for some beats */
    NET_UP,      /* both ends agree; edges flow */
    NET_REFUSED, /* it is there, and one of both says no: `why` */
};
const char *net_state_name(enum net_state state); /* "down" */

struct net_seen {
    char name[64];
    enum net_state state;
    int64_t since_ns;                /* clock_real_ns() of the change to that state */
    char why[520];                   /* of NET_REFUSED */
    uint32_t line;                   /* as in net_config, of what it said last; 0: nothing yet */
    bool is_spare;                   /* it said so */
    uint64_t texts;                  /* the same; 0: nothing yet */
    uint64_t connects;               /* times it came up */
    uint64_t frames[2], bytes[2];    /* sent, received; all lanes */
    uint64_t resent, duplicates;     /* frames of edges, sent again; received again and dropped */
    uint64_t stale;                  /* frames of an earlier connection, dropped */
    uint64_t malformed;              /* messages that cannot be read or break a rule */
    uint64_t refused;                /* greetings that one of both has refused */
    uint64_t helped[2];              /* messages that ends of edges have sent, received themselves */
    uint64_t edges_waiting;          /* that have something to send and no credit */
    int64_t round_ns, round_best_ns; /* of the last beat; shortest of the last ones; 0: unknown */
    int64_t skew_ns;                 /* its clock minus this one's, as measured by the best beat */
};
/* Each peer, in the order of the configuration. Gives how many there are. */
size_t net_look(struct net *net, struct net_seen *out, size_t max);
/* Refused before they were anybody: unknown keys, no key, hosts that the graph does not name. */
uint64_t net_strangers(struct net *net);

/* ---- Questions between hosts -------------------------------------------------------------- */

/* Called once, on the net's thread; err: there is no answer (HDE-N006). It must not wait. */
typedef void net_answered(void *arg, const uint8_t *bytes, size_t size, const struct err *err);
/* Asks the other host; bytes are copied. The answer is that of its net_serve(), or an error when it
 * is down, goes down before it has answered, or timeout_ns have passed: whether it has done what
 * was asked is not known then. Not behind data: questions have a lane of their own. False:
 * HDE-N006, and no call of `answered`. */
bool net_ask(struct net *net, const char *peer, const uint8_t *bytes, size_t size,
             int64_t timeout_ns, net_answered *answered, void *arg, struct err *err);

struct net_question; /* one that was asked here, until net_answer() */
/* Called on the net's thread, must not wait; peer and bytes are lent. Every question is taken and
 * goes to net_answer(), there or later, on any thread, before net_free(). */
typedef void net_serve_with(void *arg, const char *peer, const uint8_t *bytes, size_t size,
                            struct net_question *taken);
void net_serve(struct net *net, net_serve_with *serve, void *arg); /* before net_start() */
void net_answer(struct net_question *taken, const uint8_t *bytes, size_t size);
/* The same for one that is large and in no hurry: it goes among the data, not before it. */
void net_answer_slowly(struct net_question *taken, const uint8_t *bytes, size_t size);

/* ---- Keys --------------------------------------------------------------------------------- */

enum { NET_KEY = 41 }; /* Z85 with its 0 */
bool net_keys(char public_key[NET_KEY], char secret_key[NET_KEY], struct err *err); /* a new pair */
bool net_public_key(const char *secret_key, char public_key[NET_KEY], struct err *err);

#endif
