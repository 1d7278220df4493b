/* SPDX-License-Identifier: Apache-2.0
 * edge - one instance of a graph edge: from one node instance to another.
 *
 * A fused edge is only the array `pending`: the producer's emit fills it, the consumer's batch
 * takes it. Every other edge that keeps order has a ring at the writer and one at the reader. For a
 * ring edge both are the same ring; for a ZeroMQ edge there are two, and frames carry what stands
 * in one to the other (edge_zmq.c). So the actor knows one interface only: rings. Edges that drop
 * have a store instead (edge_drop.c). */
#ifndef ENGINE_EDGE_H
#define ENGINE_EDGE_H

#include "engine/key.h"
#include "engine/msg.h"
#include "engine/stats.h"

#include <stdatomic.h>
#include <string.h>

struct actor;
struct drop_store;
struct engine;
struct node;
struct tap;
struct worker;
struct zmq_link;

/* ---- Ring --------------------------------------------------------------------------------- */

/* What one tick puts on one edge. */
struct record {
    uint64_t tick;
    int64_t now_ns;       /* processing time of the entry */
    int64_t watermark_ns; /* of the edge behind this batch */
    int64_t put_ns;       /* monotonic clock, once a turn: age of what waits */
    uint32_t n;
    uint32_t lines; /* memory of the messages in units of 64 bytes */
    bool direct;    /* the one item is a struct direct: an entry that meets the actor itself */
    bool barrier;   /* no messages: the cut of an epoch */
};

/* A ring of words between one writing and one reading thread. A record is RECORD_WORDS words and
 * then its n pointers; a record of more messages than the capacity stands outside, behind one
 * pointer. Rules and invariants: edge_ring.c. */
struct ring {
    uint64_t *word_at;
    uint64_t mask;
    uint64_t capacity, capacity_lines;

    /* the writer's line */
    _Alignas(64) _Atomic uint64_t tail; /* published up to this word */
    _Atomic uint64_t word;              /* progress: no batch up to this tick is still to come */
    _Atomic uint32_t starved;           /* the writer waits for credit */

    /* the reader's line */
    _Alignas(64) _Atomic uint64_t done_units; /* credit given back */
    _Atomic uint64_t done_lines;
    /* the reader's too, on a line that seldom changes: the writer looks at it with every word */
    _Alignas(64) _Atomic uint64_t ask; /* tick up to which the reader wants progress */

    /* the writer's own */
    _Alignas(64) uint64_t put; /* written up to this word */
    uint64_t put_units, put_lines, seen_units, seen_lines;
    uint64_t published_units;
    uint64_t said;  /* what `word` says */
    uint64_t heard; /* what it said when the writer last looked who asks */

    /* the reader's own */
    _Alignas(64) uint64_t got; /* taken up to this word */
    uint64_t seen_tail;
    uint64_t finished_units, finished_lines; /* of taken batches whose tick is finished */
    uint64_t returned_units;                 /* what done_units says */
    uint64_t asked;                          /* what `ask` says */
};

enum { RECORD_WORDS = 5 };

struct ring *ring_new(int64_t capacity_messages, int64_t capacity_bytes);
void ring_free(struct ring *ring); /* drops the messages that are left */

/* Writer. Credit is counted in messages (an empty batch counts one) and bytes. */
bool ring_refresh_credit(struct ring *ring);
static inline bool
ring_has_credit(struct ring *ring)
{
    return (ring->put_units - ring->seen_units < ring->capacity &&
            ring->put_lines - ring->seen_lines < ring->capacity_lines) ||
           ring_refresh_credit(ring);
}
/* Takes the n messages. Seen by the reader after ring_publish(). */
void ring_put(struct ring *ring, const struct record *record, hde_msg *const *msg);
/* Batches first, then the word (O6). */
enum ring_news {
    RING_QUIET = 0,
    RING_BATCH = 1, /* the reader may wait for this */
    RING_WORD = 2,  /* for this too: ring_answers() says so after the fence */
};
unsigned ring_publish(struct ring *ring, uint64_t word);
/* Whether the reader has finished all that was published. Costs a cache line: once a turn. */
static inline bool
ring_is_drained(const struct ring *ring)
{
    return atomic_load_explicit(&ring->done_units, memory_order_relaxed) == ring->published_units;
}
static inline bool
ring_is_asked(const struct ring *ring)
{
    return atomic_load_explicit(&ring->ask, memory_order_relaxed) > ring->said;
}
/* After the fence, once for all that was published before it: whether the reader asks for more than
 * the word had said. A look before the word is stored would miss the ask that comes between: the
 * reader sleeps, and the ask that is met by then wakes nobody any more. */
static inline bool
ring_answers(struct ring *ring)
{
    bool answers = ring->said > ring->heard &&
                   atomic_load_explicit(&ring->ask, memory_order_relaxed) > ring->heard;

    ring->heard = ring->said;
    return answers;
}

/* Reader. */
static inline uint64_t
ring_word(const struct ring *ring)
{
    return atomic_load_explicit(&ring->word, memory_order_acquire);
}
bool ring_front(struct ring *ring, struct record *out); /* false: empty */
void ring_take(struct ring *ring, const struct record *front, struct hde_msgvec *to);
static inline uint64_t
record_units(const struct record *record)
{
    return record->n ? record->n : 1;
}
static inline void
ring_finish(struct ring *ring, uint64_t units, uint64_t lines)
{
    ring->finished_units += units;
    ring->finished_lines += lines;
}
/* Gives back the credit of finished ticks. True if there was some. */
bool ring_return(struct ring *ring);
/* True if the writer does not know this wish yet. */
bool ring_ask(struct ring *ring, uint64_t tick);

/* ---- Edge --------------------------------------------------------------------------------- */

struct edge {
    /* a line that every tick reads: all that a fused edge needs */
    _Alignas(64) enum edge_kind kind;
    uint32_t id;
    struct stats_edge *stats; /* NULL: an edge of the runtime's own */
    _Atomic(struct tap *) tap;
    struct hde_msgvec pending; /* what the current tick emits; fused: what the consumer takes */
    const int64_t *out_wm; /* watermark of the producer */
    int64_t put_wm;        /* what the reader knows of it */

    /* the writer's half */
    struct actor *writer; /* NULL: the sequencing worker */
    struct ring *out;
    struct drop_store *drop;
    int64_t blocked_ns; /* since when there is no credit; 0: there is */
    bool is_published;  /* a batch that the reader may have to be woken for */

    /* the reader's half */
    _Alignas(64) struct actor *reader;
    struct ring *in;
    struct record front;
    bool has_front;
    struct hde_msgvec arrived; /* of the current tick */
    int64_t in_wm;
    uint64_t seen_word;
    uint32_t taken_n; /* of the current tick */
    uint64_t taken_units, taken_lines;
    bool is_returned, is_asking; /* the writer may have to be woken */

    /* cold */
    _Alignas(64) uint32_t graph_edge;
    uint32_t instance; /* among those of the graph edge */
    struct node *from, *to; /* from NULL: the sequencing worker itself */
    unsigned from_port, to_port;
    const char *name;
    struct engine *engine;
    struct zmq_link *zmq;
};

/* ---- Edges that drop (edge_drop.c) -------------------------------------------------------- */

struct drop_config {
    enum edge_kind kind; /* EDGE_LATEST or EDGE_DROP_OLDEST */
    struct key key;
    uint32_t capacity;
    int64_t capacity_bytes;
};
struct drop_store *drop_new(const struct drop_config *config, struct stats_edge *stats);
void drop_free(struct drop_store *store);
/* Takes the messages of vec (empties it). True if the reader may be asleep: it was empty. */
bool drop_put(struct drop_store *store, const struct record *record, struct hde_msgvec *vec);
/* Moves at most max messages to `to`. False: nothing, not even a new watermark. */
bool drop_get(struct drop_store *store, struct record *record, struct hde_msgvec *to, uint32_t max);
bool drop_is_empty(struct drop_store *store);

/* A hand-over is an entry: it gets `tick`. *cause is the tick of what was put last before it.
 * False: as drop_get(), or the store is not yet what it was (drop_expect()). */
bool drop_hand_over(struct drop_store *store, uint64_t tick, struct record *record,
                    struct hde_msgvec *to, uint32_t max, uint64_t *cause);
/* Before a log is taken, for each of its hand-overs in order: n messages leave when what was put in
 * tick `cause` is here, before anything that comes later. */
void drop_expect(struct drop_store *store, uint64_t tick, uint64_t cause, uint32_t n);
/* Those whose cause is that tick or a later one never happen. */
void drop_expect_until(struct drop_store *store, uint64_t cause);
/* All that it holds and expects goes to another store. */
void drop_move(struct drop_store *from, struct drop_store *to);

/* What belongs to an epoch: its references are the caller's. */
struct drop_state {
    uint64_t newest, handed; /* ticks of the last put and of the last hand-over */
    int64_t watermark_ns, given_wm;
    uint32_t n;
    hde_msg **msg;
    uint64_t *tick; /* in which each was put */
};
void drop_save(struct drop_store *store, struct drop_state *out);
void drop_load(struct drop_store *store, const struct drop_state *state); /* takes the messages */
void drop_state_fini(struct drop_state *state);

/* ---- ZeroMQ (edge_zmq.c) ------------------------------------------------------------------ */

/* Joins edge->out and edge->in, two rings, by a pair of inproc sockets. types are those of the
 * output port. */
bool zmq_link_open(void *zmq_context, struct edge *edge,
                   const ProtobufCMessageDescriptor *const *types, struct err *err);
void zmq_link_close(struct edge *edge);
/* Writer's thread: sends what ring_publish() has published, takes credit and asks. Reader's
 * thread: receives, gives back. True if something moved. False with err set: the edge is broken. */
bool zmq_link_serve_writer(struct edge *edge, struct err *err);
bool zmq_link_serve_reader(struct edge *edge, struct err *err);
int zmq_link_fd(const struct edge *edge, bool writer);

#endif
