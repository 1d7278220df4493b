/* SPDX-License-Identifier: Apache-2.0
 * inside - what the files of a net share. Everything here is read and written with net->lock held,
 * which the net's thread holds while it works, and others while they help (help.c), unless it says
 * otherwise.
 *
 *   net.c      life, the thread, looking       socket.c  ZeroMQ: sockets, keys at the door, sending
 *   peer.c     sessions: greetings, beats      edges.c   what edges send and get in a session
 *   question.c questions and answers           schema.c  do both ends know the same messages?
 *   help.c     what the threads of the edges do themselves */
#ifndef NET_INSIDE_H
#define NET_INSIDE_H

#include "base/arena.h"
#include "base/clock.h"
#include "net/envelope.h"
#include "net/net.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    NET_VERSION = 1,
    ENVELOPE_BYTES = 64 << 10, /* frames are put together up to here */
    ENVELOPE_FRAMES = 256,
    DEAD_BEATS = 4,       /* without a word on the control lane */
    DEAD_DATA_BEATS = 20, /* on the data lane: one frame may be large and the line slow */
    CLOCK_SAMPLES = 8,
    SELDOM_NS = 20000, /* between messages of data that may be sent by who has put what is in them */
    OLD_SESSIONS = 8,
};

struct far_edge {        /* one end */
    struct net_edge def; /* name: owned by the net's arena */
    struct net *net;
    struct peer *peer;
    uint64_t schema, their_schema; /* of its list of types; the other end's */
    uint64_t said_schema;          /* in a greeting that need not come to a session */
    _Atomic bool has_news;         /* any thread: there is something to look at */
    bool is_broken;
    struct err broken;

    /* of this session */
    bool is_open;    /* the receiver has said where it is */
    uint64_t number; /* frames */

    /* at the sender */
    uint64_t allowed_units, allowed_bytes, sent_units, sent_bytes;
    uint64_t sent_tick; /* highest ever */
    uint32_t sent_marker; /* in this session; 0: none */
    bool wants_ask, has_sent_end, has_sent_broken, is_full;
    bool owes_word; /* the receiver asks whether it is remembered that it has all */

    /* at the receiver */
    _Atomic bool is_sought;   /* release: `sought` is there */
    _Atomic uint64_t sought;  /* where link/in has begun */
    _Atomic uint64_t covered; /* by its epochs */
    _Atomic uint64_t taken_units, taken_bytes, taken_tick;
    _Atomic uint64_t told_units, told_bytes; /* given back as credit */
    _Atomic bool waits_for_taken;            /* until all is taken, see edges.c (5) */
    _Atomic uint32_t passed;                 /* the marker that was taken away, to be told; 0: none */
    uint64_t put_units, put_bytes;
    uint64_t have;    /* tick of the last frame that was put */
    uint64_t life;    /* of the sender's process that has put it */
    uint64_t acked;   /* in this session */
    int64_t acked_ns; /* wall clock: when the last ACK went there, of either end */
    uint64_t heard;   /* ACK that has reached the sender for certain; over sessions */

    /* at both, over sessions */
    uint64_t through; /* remembered: the receiver has all, up to that tick */
    bool is_heard;    /* and the other end knows it */
};

struct clock_sample {
    int64_t round_ns, skew_ns;
};

struct peer { /* another host */
    struct net *net;
    const char *name, *endpoint, *public_key;
    struct far_edge **edge;
    size_t n_edges, next_edge; /* whose turn it is to send */
    Hde__NetEdge **said_edges; /* of greetings */
    Hde__NetType **said_types;
    size_t n_said_types;

    void *socket[LANES]; /* DEALERs that send only; NULL: not started */
    void *monitor;       /* of the control lane's */
    bool is_stuck[LANES];
    void *stuck[LANES]; /* zmq_msg_t that waits for room; NULL: none */

    /* sessions: peer.c */
    uint64_t offer, seen;  /* for the next one: ours; theirs as last heard */
    uint64_t mine, theirs; /* of this one; 0: there is none */
    uint64_t was[OLD_SESSIONS];
    unsigned n_was;
    bool is_open;    /* both ends have it */
    bool greets;     /* now */
    bool settles;    /* the next greeting says that the session is there */
    bool has_denied; /* seen: it must not come to a session */
    char denial[520];
    uint64_t life, bytes_max; /* theirs */
    uint64_t sent[LANES], received[LANES];
    int64_t heard_ns[LANES], beat_at_ns, greet_at_ns;
    int64_t data_ns;    /* the last one was sent on the lane of data */
    int64_t renewed_ns; /* the connection of data is since then, where it is not the first */
    bool beats[LANES];
    unsigned refusals; /* in a row: they become rarer */
    unsigned hangups;  /* in a row, before there was a connection */

    /* spare hosts: peer.c (6) */
    bool is_spare;        /* by this host's graph */
    int64_t said_end_ns;  /* to it, in this session: clock_real_ns(); 0: not yet */
    bool has_heard_end;   /* it has */
    bool has_ended, is_told; /* it says that it is at its end; net_ended() was called for that */

    /* clocks */
    int64_t echo_ns, echo_at_ns;
    struct clock_sample sample[CLOCK_SAMPLES];
    unsigned n_samples;
    bool is_skewed;

    struct question *questions;   /* asked here, in order */
    struct net_question *answers[LANES]; /* to be sent, in order */
    struct net_seen look;
};

struct net {
    pthread_mutex_t lock;
    struct arena arena;
    const char *graph, *name, *endpoint, *public_key, *secret_key;
    struct net_config config; /* texts and peers: those above and below */
    struct peer *peer;
    size_t n_peers;
    struct far_edge **edge;
    size_t n_edges, edges_cap;
    uint64_t life, last_question, strangers;

    void *context, *in, *in_monitor, *door; /* ZeroMQ; door: who may come in (ZAP) */
    int wake_fd;
    int in_fd;      /* ZMQ_FD of `in`, until net_free(); -1: not started */
    int in_poll_fd; /* an epoll that has in_fd alone: the net's thread waits for it there */
    _Atomic bool is_rung, is_stopping; /* any thread */
    bool polls_lanes; /* the net's thread does so, without the lock: sockets that are stuck */
    bool is_helped;   /* another than the net's thread receives */
    bool is_due;      /* because of what was received: a turn has to follow */
    bool is_owed;     /* who helps has not looked whether more has come, and will */
    uint64_t n_came;     /* frames of data, since help_hold() has thought of it */
    _Atomic uint64_t n_put;        /* frames on edges to other hosts; any thread */
    _Atomic uint64_t n_put_before; /* when it did so; written with the lock held */
    const void *watcher; /* of help_watch(), the last one */
    bool has_others;     /* there is more than one, or one who could not watch */
    void *aside;      /* zmq_msg_t that was received and not looked at; NULL: none */
    pthread_t thread;
    bool is_started, has_thread;

    bool is_at_end; /* no spare host, and settles: beats say so */
    net_settled *settled; /* NULL: nobody waits for it */
    void *settled_arg;
    int64_t settle_ns; /* until then */

    net_serve_with *serve;
    void *serve_arg;
    struct question *told;     /* to be answered to who has asked here, in order */
    struct net_question *came; /* to be served, in order */

    /* the envelope that is made */
    struct sized_frame out[ENVELOPE_FRAMES];
    struct hde_msgvec held[ENVELOPE_FRAMES];
    uint8_t *text[ENVELOPE_FRAMES]; /* payloads, freed when they are sent */
    size_t n_out, out_size;
    struct frame read;
    struct hde_msgvec in_vec;
};

/* net.c: somebody may have something for the net's thread. Any thread, without the lock. */
void net_wake(struct net *net);
uint64_t net_random(void); /* never 0 */

/* ---- socket.c ----------------------------------------------------------------------------- */

bool sockets_check(const struct net_config *config, struct err *err);
bool sockets_open(struct net *net, struct err *err);
void sockets_close(struct net *net);
/* Numbered and of the session, with the frames of net->out, which are let go. What finds no room
 * waits in peer->stuck, and must be gone before the next one. */
void socket_send(struct peer *peer, enum lane lane, const uint8_t *greeting, size_t size);
/* Outside of sessions: goes at once or not at all. */
bool socket_greet(struct peer *peer, const uint8_t *greeting, size_t size);
/* Sends what waits; false: it still does. */
bool socket_unstick(struct peer *peer, enum lane lane);
void socket_forget(struct peer *peer);  /* what waits */
void socket_renew(struct peer *peer);   /* another connection for data; on the net's thread */
void socket_let_out(struct peer *peer); /* what was sent on the control lane, when it is closed */
/* Takes some messages and gives them to net_receive(). True: there may be more. */
bool sockets_receive(struct net *net);
/* For who helps: messages of data alone. The first that is another is put aside for the above. */
bool sockets_fetch(struct net *net, int max);
void sockets_wait(struct net *net, int64_t until_ns); /* the lock is not held */

/* A frame for the envelope that is made. */
struct frame *out_add(struct net *net, Hde__FrameKind kind, uint32_t edge);
void out_done(struct net *net); /* that frame is whole */
static inline bool
out_is_full(const struct net *net)
{
    return net->n_out == ENVELOPE_FRAMES || net->out_size >= ENVELOPE_BYTES;
}
void out_drop(struct net *net);

/* ---- peer.c ------------------------------------------------------------------------------- */

/* A message came. user: the host whose key opened the door; NULL without CURVE. Any bytes. */
void net_receive(struct net *net, const char *user, const uint8_t *bytes, size_t size);
void peer_begin(struct peer *peer);
bool peer_turn(struct peer *peer, int64_t now_ns); /* sends what is due; true: there is more */
/* Sends what that edge has, if nothing is in the way. False: a turn has to look at it. */
bool peer_send_now(struct peer *peer, struct far_edge *edge);
int64_t peer_next_ns(const struct peer *peer);     /* when something is due */
void peer_say_last(struct peer *peer);             /* a beat, before the net stops */
void peer_say_end(struct peer *peer);              /* that this host is at its end, soon */
/* A spare host that has not heard so. */
bool peer_waits_for_end(const struct peer *peer);
/* The session is over; why: what the log says, NULL: nothing was wrong. */
void peer_lose(struct peer *peer, const char *why);
void peer_refused(struct peer *peer, const char *why);
/* A rule was broken: counted, and the session is over. */
void peer_broke(struct peer *peer, const char *what);

/* ---- schema.c ----------------------------------------------------------------------------- */

void schema_say(struct peer *peer, struct arena *arena);
/* Whether the edges of the greeting are ours, and messages of each end can be read at the other. */
bool schema_fits(struct peer *peer, const Hde__NetGreeting *greeting, struct err *err);

/* ---- edges.c ------------------------------------------------------------------------------ */

void edges_begin(struct peer *peer); /* of a session */
void edges_end(struct peer *peer);
void edge_attach(struct far_edge *edge);
void edge_detach(struct far_edge *edge);
void edges_control(struct peer *peer); /* adds to the envelope what is due */
void edges_data(struct peer *peer);
void edge_data(struct far_edge *edge); /* the same for one edge */
bool edge_is_due(const struct far_edge *edge); /* it has more to send, on either lane */
/* What was taken without a word is acknowledged too: with each beat, and before the end. */
void edges_remind(struct peer *peer);
/* The other end has all that was sent up to then, on the control lane of this session. */
void edges_heard(struct peer *peer, int64_t until_ns);
/* True: there is an end that has not been heard; must_stay: in struct net_unheard. */
bool edges_are_unheard(const struct peer *peer, bool *must_stay);
/* False with err: a rule is broken. */
bool edges_receive(struct peer *peer, enum lane lane, const struct frame *frame, struct err *err);

/* ---- help.c: without the lock ---------------------------------------------------------------- */

void help_send(struct far_edge *edge); /* on the thread that has put something there */
/* On one that watches what help_watch() gives; true: once more, before it sleeps. */
bool help_receive(struct net *net);
bool help_watch(struct net *net, link_watch_with *with, void *of);
bool help_hold(struct net *net); /* on that one: link_hold() */
void help_release(struct net *net);

/* ---- question.c --------------------------------------------------------------------------- */

void questions_control(struct peer *peer);
void questions_data(struct peer *peer);
void questions_receive(struct peer *peer, const struct frame *frame);
/* Callbacks that are due are made here: on the net's thread, without the lock. */
void questions_tell(struct net *net);
void questions_forget(struct net *net); /* what came and nobody has seen */
void questions_end(struct peer *peer, const char *why); /* of a session */
void questions_late(struct peer *peer, int64_t now_ns);
int64_t questions_next_ns(const struct peer *peer); /* when one is late; INT64_MAX: none */
void questions_fini(struct peer *peer);

#endif
