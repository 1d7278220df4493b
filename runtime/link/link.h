/* SPDX-License-Identifier: Apache-2.0
 * link - what an edge between two parts keeps: the frames of its sender, in order, until the
 * receiver can do without them.
 *
 * A frame is what one tick of the sender puts on the edge; that tick is its number, and numbers
 * grow. The sender's thread puts, the receiver's takes, any thread may do the rest. Frames stand in
 * memory up to the capacity of the edge, behind that in a journal (seglog.h). They are kept until
 * link_cover() says that an epoch of the receiver has them, or, where there are no epochs, until
 * they are taken.
 *
 * link/ends.h has the two operators that put and take in one process. Between hosts there is a link
 * at each end, and net/net.h takes from the one and puts into the other. */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include "engine/run.h"

#include <hde/schemas/runtime.pb-c.h>

struct link;

struct link_config {
    const char *name, *graph;                       /* of the edge; for log lines */
    const ProtobufCMessageDescriptor *const *types; /* that it carries, ended by NULL */
    int64_t capacity_messages, capacity_bytes;
    const char *journal; /* folder; NULL: none, what does not fit in memory waits */
    int64_t journal_bytes;
    bool writes_all;          /* durable: journal; otherwise only what does not fit in memory */
    bool is_kept;             /* until an epoch covers it */
    struct stats_edge *stats; /* outlives the link */
};

/* Opens the journal. NULL with err (HDE-L...). */
struct link *link_new(const struct link_config *config, struct err *err);
void link_free(struct link *link);

struct link_capacity {
    int64_t messages, bytes;
};
struct link_capacity link_capacity(const struct link *link);

/* ---- The sender --------------------------------------------------------------------------- */

enum link_put { LINK_PUT, LINK_FULL, LINK_BROKEN };

/* Keeps references to the n messages. A tick that is not above the last one is there already.
 * FULL: no room, try again later. BROKEN: err says why. is_new: the tick was not taken from the
 * sender's log, so it is above all that the receiver can have, or somebody's store is not the one
 * that goes with the other's (BROKEN, HDE-R071). */
enum link_put link_put(struct link *link, const struct record *record, hde_msg *const *msg,
                       bool is_new, struct err *err);
int64_t link_watermark_ns(const struct link *link); /* of the frame put last */
/* Last tick that the journal has from before this start, where it has all; else 0. */
uint64_t link_mark(const struct link *link);
/* Whether the journal survives a crash as far as link_save() speaks of it; hurries it if not. */
bool link_is_durable(struct link *link);
/* What is kept, for the sender's epoch: fills a hde.LinkState. Load comes before the first put. */
void link_save(struct link *link, hde_msg *out);
bool link_load(struct link *link, const Hde__LinkState *state, struct err *err);
void link_sender_is_over(struct link *link); /* nothing more will be put */

/* ---- The receiver ------------------------------------------------------------------------- */

enum link_take { LINK_FRAME, LINK_EMPTY, LINK_MARKER, LINK_OVER, LINK_DAMAGED };

/* Frames above that tick are wanted, 0: all, which is what counts without this call. False: they
 * are not kept any more (HDE-R070), or the sender has begun anew below that tick (HDE-R071). Comes
 * before the first take, or again when what was taken since was lost. */
bool link_seek(struct link *link, uint64_t tick, struct err *err);
/* The next frame: the caller gets references. EMPTY: there is none yet. MARKER: it would be behind
 * one (link_put_marker()). OVER: there will be none. DAMAGED: it is gone or cannot be read, err says
 * why. */
enum link_take link_take(struct link *link, struct record *record, struct hde_msgvec *to,
                         struct err *err);
void link_cover(struct link *link, uint64_t tick);
uint64_t link_covered(struct link *link);
bool link_is_empty(struct link *link); /* nothing is kept, or was put and not taken */
/* The end of the data was put (WM_END), and an epoch of the receiver covers all. */
bool link_is_through(struct link *link);
/* Whether there is a frame, or may come one. */
bool link_may_give(struct link *link);

/* Who is told that there is something to take, or room to put; NULL: nobody. Called on any thread,
 * not with the link's lock held by the caller, once until link_take() finds no frame in memory, or
 * link_put() no room. */
struct link_bell {
    void (*ring)(void *arg);
    void *arg;
};
enum link_end {
    LINK_SENDER,
    LINK_RECEIVER,
    LINK_KEEPER /* who waits until nothing is kept any more */
};
void link_listen(struct link *link, enum link_end end, const struct link_bell *bell);
/* A marker (K3) stands behind all that was put so far: the receiver gets nothing from behind it
 * until it is taken away. It is not kept: what it belongs to ends with the process. It has the
 * number of its savepoint, not 0; another one takes its place. Any thread. */
void link_put_marker(struct link *link, uint32_t marker);
bool link_is_at_marker(struct link *link); /* all in front of it was taken */
uint32_t link_marker(struct link *link);   /* that one; 0: none, or not there yet */
void link_drop_marker(struct link *link);
/* At a link that leads on from another host: the marker that is waited for, once; 0: none. Any
 * other one is taken away as it comes: it was given up here, or was taken away and the word was
 * lost. */
void link_want_marker(struct link *link, uint32_t marker);

/* Called on the receiver's thread when it has taken half of what is kept in memory and no epoch
 * covers it. */
void link_ask_with(struct link *link, void (*ask)(void *arg), void *arg);

/* ---- A link that leads on to another host, or from there ------------------------------------- */

typedef const void *link_watch_with(void *of, int fd);

/* What the other end, who is elsewhere, has to know. Called on the threads of the end that is here,
 * without the link's lock; any may be NULL. Where `taken` is set the frames are no longer there
 * when they are taken. */
struct link_far {
    void (*put)(void *arg); /* instead of the receiver's bell, after link_put() */
    void (*sought)(void *arg, uint64_t tick);
    void (*taken)(void *arg, const struct record *record);
    void (*covered)(void *arg, uint64_t tick);
    void (*passed)(void *arg, uint32_t marker); /* it was taken away */
    bool (*watch)(void *arg, link_watch_with *with, void *of); /* link_watch() and what follows */
    bool (*fetch)(void *arg);
    bool (*hold)(void *arg);
    void (*release)(void *arg);
    void *arg;
};
void link_lead_to(struct link *link, const struct link_far *far); /* before anybody uses it */
/* A receiver that sleeps in an epoll may have himself woken by what comes from the other host:
 * with() gets a descriptor, to be watched for EPOLLIN | EPOLLET | EPOLLEXCLUSIVE until link_free(),
 * and says who it is that sleeps there, for all his links the same; NULL: it cannot be. When it is
 * ready he calls link_fetch() at once, on any thread. link_watch() is false where there is none, or
 * none yet. link_fetch() is true where he has to call it once more before he sleeps: when he has
 * done what he was given. */
bool link_watch(struct link *link, link_watch_with *with, void *of);
bool link_fetch(struct link *link);
/* Who watches and is about to sleep asks whether to linger first (base/linger.h). False: not, there
 * is nothing to wait for, or it would be in vain. True: he holds the descriptor, so that nobody else
 * is woken for what comes, until he has called link_fetch() for it or goes to sleep after all. */
bool link_hold(struct link *link);
void link_release(struct link *link);
void link_ask(struct link *link);                           /* calls what link_ask_with() gave */
void link_break(struct link *link, const struct err *why);  /* link_take() says so from now on */
/* Ticks of another sender follow, which may be lower. All that was put was taken. */
void link_begin_again(struct link *link);

#endif
