/* SPDX-License-Identifier: Apache-2.0
 * run - the running graph: engine, workers, actors, nodes, sources, and who may touch what.
 *
 *   engine      one graph in this process; the controlling thread's
 *    worker     a thread with an event loop; worker 0 also sequences (sequencer.c)
 *     actor     a segment, or one replica of it: what runs a tick as a whole (actor.c, exec.c)
 *      node     one instance of an operator
 *
 * Everything below an actor belongs to its worker's thread. What crosses threads: rings (edge.h),
 * mailboxes, intake queues, stats, and the atomics that say so. */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "base/arena.h"
#include "base/clock.h"
#include "engine/ctx.h"
#include "engine/edge.h"
#include "engine/engine.h"
#include "engine/steps.h"
#include "engine/timer.h"

#include <pthread.h>

/* Watermarks beside event times: an output that has ended; one whose source is idle, so that it
 * holds nobody. */
#define WM_NONE INT64_MIN
#define WM_END INT64_MAX
#define WM_IDLE (INT64_MAX - 1)
#define WM_UNSEEN (INT64_MIN + 1)

enum {
    TURN_MESSAGES = 256,
    TURN_NS = 50 * NS_PER_US,
    SPIN_NS = 40 * NS_PER_US,
    VIEW_MESSAGES = 256, /* at most, of one drop edge in one call */
};
#define FIRST_TICK ((uint64_t)1 << 40) /* incarnation 1, counter 0 */

struct give_up; /* decide.h */
struct question; /* question.h */
struct fed;     /* feed.h */

/* ---- Node --------------------------------------------------------------------------------- */

struct inlet { /* one edge that ends at a port */
    struct edge *edge;
    struct hde_msgvec *vec; /* where its messages of this tick are */
    const int64_t *wm;
};

struct port {
    uint32_t n_inlets;
    struct inlet
        *inlets; /* in the order of the graph's edges, replicas of one edge in their order */
    struct hde_msgvec joined; /* with several inlets */
};

/* Where emissions go that have no tick yet: those of sources and of impure operators. */
struct capture {
    uint32_t n;
    struct hde_msgvec *port;
    struct hde_outlet *outlets;
    struct hde_msgvec **targets;
};

enum node_step { STEP_PORTS, STEP_CALL };

struct node {
    hde_ctx ctx; /* first: an hde_ctx is its node */

    /* hot: what every tick reads */
    _Alignas(64) struct hde_msgvec *vec; /* of the only inlet of the only port, if there is one */
    const int64_t *vec_wm;
    int64_t seen_wm; /* of vec, that wm and out_wm follow from; WM_UNSEEN: look again */
    int64_t wm;      /* what the operator sees; never goes back */
    int64_t out_wm;  /* wm, WM_IDLE or WM_END */
    uint32_t calls, messages; /* since stats were told (exec_account()); not those of run_node() */
    uint32_t label; /* id + 1, as stats_worker.node has it */
    bool is_plain;  /* one inlet, and what it emits belongs to the tick: run_plain() */
    bool follows;   /* what the node before it in the actor sends on output 0 comes here alone */
    struct timers event_timers; /* its first field is in this line */

    _Alignas(64) hde_batch in;
    bool is_impure; /* what it emits gets a tick of its own */
    bool is_firing, has_ended;
    bool keeps; /* on_error may skip: what it gets is kept until the call has succeeded */
    bool is_event_timer; /* is_firing: of the event time */

    struct stats_node *stats;
    uint32_t n_ports, id; /* id: the slot of its counters, for life */
    enum node_step step; /* where the current tick stands; survives a retry */
    uint32_t port;
    struct port *ports;
    struct hde_msgvec *taken;  /* the messages that `in` lends */
    struct source *source; /* NULL: not a source */
    int64_t backoff_ns;
    uint32_t attempts;

    /* cold */
    _Atomic(const struct graph_node *) def; /* of the graph that runs: a change exchanges it */
    struct engine *engine;
    struct actor *actor; /* NULL: not wired (yet, or any more) */
    _Atomic(struct worker *) worker; /* whose thread runs it; posts go there */
    struct arena arena;              /* what lives as long as the node */
    uint32_t graph_node, replica;
    uint32_t order;                  /* among all instances */
    const struct graph *birth;       /* whose texts its parameters are */
    struct retain *retain;     /* retain.h; NULL: an error is no reason to restart it */
    struct instance *instance; /* of a reload (swap.h); NULL: what the node was built with */
    struct shadow *shadow;     /* another build runs beside (shadow.h); NULL: none */
    struct swap *probation;    /* the swap that is taken back at an error; NULL: none */
    _Atomic uint32_t generation; /* of the instance: posts to older ones are dropped */
    bool is_open, has_flush, is_ending;
    bool is_left_out;       /* taking a log: the log speaks for it */
    uint64_t mark;          /* sinks, recovering: ticks up to here are in store already */
    bool may_alarm;         /* may use hde_timer_after() and is no source */
    _Atomic bool closed;    /* no more posts */
    struct hde_outlet *outlets; /* the graph's; ctx's are these, or capture's, or the probe's */
    struct probe *probe;    /* sees what it emits (probe.h); NULL: nobody does */
    struct capture capture; /* sources, impure */
    /* impure: whether each answer has a question, and which (question.h) */
    enum { ASKED_NOT, ASKED_BY_TICK, ASKED_EACH } asked;
    bool wants_ask;         /* it has questions of an instance before it */
    uint32_t answers_out;   /* open questions; ASKED_NOT: answers on their way in the sequencer */
    struct question *questions; /* answers_out of them */
    uint64_t n_asked;       /* so far: numbers of questions */
    struct timers clock_timers;
    struct hde_msgvec kept;     /* keeps: the messages of `taken` */
    struct give_up *decided; /* what a log that is taken again has given up */
    uint64_t letter_tick;   /* of its last dead letters */
    uint32_t letter_index;  /* how many there were in that tick */
    struct timer firing; /* a timer whose call has to be repeated */
    int64_t retry_at_ns; /* monotonic */
    hde_counter *counters; /* STATS_COUNTERS of them */
    hde_counter spare_counter;
    _Atomic uint64_t spare_value;
};

/* ---- Actor -------------------------------------------------------------------------------- */

/* An entry that meets its actor directly (O9). */
struct direct {
    struct direct *next;
    struct node *node;
    enum { DIRECT_TIMER, DIRECT_ANSWER, DIRECT_ASK } kind; /* ASK: what is open is asked again */
    struct timer timer;   /* TIMER */
    uint64_t cause;       /* ANSWER: the tick that asked; 0: none did */
    uint64_t question;    /* ANSWER: the question; 0: all of that tick */
    uint32_t n_ports;     /* ANSWER */
    struct hde_msgvec port[]; /* ANSWER */
};

/* An output port of one instance towards the replicas of a node. Of one that is spread over hosts
 * (graph_spread) these are some of them, or the link to the host that has those; what is for others
 * goes there by an edge of its own. [tests/hosts/spread.sh] */
struct split {
    struct hde_msgvec pending;
    struct key key;
    uint32_t n;             /* edges */
    uint32_t of, hosts, at; /* hash % of is a replica; here are those that leave `at` over hosts */
    struct edge **edges;
};

struct feeder { /* dead letters that are fed again (feed.h) */
    struct fed *asked, **asked_end; /* the sequencer's */
    _Atomic uint32_t n_given;
    pthread_mutex_t lock; /* of those that have a tick */
    struct fed *given;
};

enum actor_state { ACTOR_READY, ACTOR_IN_TICK, ACTOR_PARKED, ACTOR_FAILED };

struct actor {
    struct engine *engine;
    struct worker *worker;
    uint32_t id, n_nodes;
    struct node **nodes; /* in topological order */
    bool is_sequenced;   /* the sequencing worker hands it entries itself */

    uint32_t n_in, n_out, n_splits, n_drops;
    struct edge **in;  /* rings, in merge order; the direct edge last */
    struct edge **out; /* everything that leaves the actor */
    struct split **splits;
    struct edge **drops; /* drop edges that end here, at a view */

    enum actor_state state;
    uint64_t tick, done; /* worked on; finished last */
    int64_t now_ns;
    uint32_t at;                 /* node that the tick has come to */
    bool is_ordered;             /* the current tick counts for progress (not so a view's) */
    bool is_sampled;             /* the current tick is timed */
    bool is_counting;            /* nodes have counts for exec_account() */
    bool is_barrier;             /* the current tick is the cut of an epoch */
    bool is_gated;               /* what it does is seen outside: waits for the log (L2) */
    bool is_slow;                /* run_node() alone: timed, tapped, or after a retry */
    bool is_dirty;               /* something to publish */
    bool is_announced;           /* published since actor_wake_others() */
    bool is_blocked;             /* an output had no credit when it was last looked at */
    bool has_flush, wants_flush; /* has sinks; they have taken ticks since their last flush */
    bool is_flushing, has_ended;
    bool is_held;      /* PARKED between two ticks until a decision is durable (swaps.h) */
    uint32_t returns;  /* taking a log: nodes that go back before a tick */
    struct decision *decision; /* that is not durable yet; NULL: none */
    _Atomic uint64_t swap_tick; /* of the cut under way, if a node of it is swapped (swaps.h) */
    uint32_t flush_at; /* node whose flush() comes next */
    uint32_t ticks, n_ended;
    struct direct *direct;
    struct hde_msgvec direct_item;
    int64_t resume_ns; /* PARKED: monotonic time of the next try */

    /* why it does not run, for the watchdog (written by the worker, read by it) */
    _Atomic(const struct edge *) waits_for; /* no credit on this, or no progress on that */
    _Atomic bool waits_for_log;             /* to be durable */
    _Atomic int64_t stuck_since_ns;         /* monotonic; 0: not stuck */
};

/* ---- Sources and the sequencer ------------------------------------------------------------ */

/* Where a source stands, by partition; memory is kept for the next call. */
struct positions {
    uint32_t n, cap;
    struct position {
        uint32_t partition, size, cap;
        uint8_t *bytes;
    } *item;
};

/* Flag of an operator of the runtime's own: it ends a link (link/ends.h). */
#define OP_LINK_END (1u << 31)

/* The sender of a source that receives from another part. Any thread. */
struct upstream {
    bool (*may_give)(struct upstream *self); /* something is there, or its part still runs */
    /* An epoch has what the source has taken up to that position. */
    void (*covered)(struct upstream *self, const uint8_t *at, size_t size);
    /* Of a savepoint (savepoint.h): the source has taken all in front of the marker, and gets no
     * more until it has passed it. */
    bool (*is_at_marker)(struct upstream *self);
    void (*pass_marker)(struct upstream *self);
};

/* What one call of a source has emitted: one entry. */
struct intake {
    struct hde_msgvec *port;
    struct positions positions; /* behind it */
    int64_t event_ns; /* of the entry, under the virtual clock */
    int64_t watermark_ns;
    uint32_t messages;
    uint64_t bytes;
    bool is_end;
};

struct source {
    struct node *node;
    struct worker *worker; /* that calls poll() */
    uint32_t index;

    /* poller's side */
    enum { SOURCE_POLLING, SOURCE_IDLE, SOURCE_WAITING, SOURCE_ENDED } state;
    int64_t retry_ns; /* WAITING: until */
    int64_t clock_ns; /* virtual: the largest event time shown */
    int64_t watermark_ns, said_wm, max_event_ns, lateness_ns;
    bool has_own_wm;
    struct positions stands; /* said by the call that runs */
    struct upstream *upstream;   /* it receives from another part; NULL: from the world */
    struct intake *asked;    /* sequencer: it is asked for what the log left out (asked.h) */
    int64_t asked_ns;        /* monotonic: when it was found to have nothing for that; 0: it has */
    bool has_changed;        /* and gave something else */
    bool is_in_front;        /* and a part of its first queued call is taken */
    _Atomic bool is_held;    /* not to be called: the log is taken first */
    _Atomic bool is_idle;    /* its last call has said so */
    _Atomic bool is_silent;  /* calls nothing any more, and nothing is queued behind that */

    /* queue between them: one writer, one reader */
    uint32_t n_slots;
    struct intake *slots;
    _Alignas(64) _Atomic uint32_t tail;
    _Atomic uint64_t put_messages, put_bytes;
    _Atomic uint32_t starved;
    _Alignas(64) _Atomic uint32_t head;
    _Atomic uint64_t done_messages, done_bytes;

    /* sequencer's side */
    int64_t out_wm; /* what it has made known: said_wm of the entries so far, or WM_IDLE */
    _Atomic bool has_ended; /* written by the sequencer, also read by a change */
    bool is_popped;
    int64_t last_entry_ns; /* monotonic */
    struct positions at;   /* behind the entries so far */
};

struct alarm { /* a processing-time timer that the sequencer watches */
    int64_t at_ns;
    struct node *node;
    uint32_t id;
};

struct ingress; /* ingress.h */
struct epochs;  /* epoch.h */
struct probe;   /* probe.h */
struct hashes;  /* hash.h */
struct dlq;     /* dlq.h */
struct owner;   /* owner.h */
struct savepoints; /* savepoint.h */
struct builds;  /* builds.h */
struct swaps;   /* swaps.h */

struct sequencer {
    uint64_t last;  /* tick given last */
    int64_t now_ns; /* processing time; virtual: never goes back */
    uint32_t n_sources, next_source;
    struct source **sources;
    uint32_t n_alarms, cap_alarms;
    struct alarm *alarms; /* heap by (at_ns, node, id) */
    struct direct *answers, **answers_tail;
    uint32_t n_handovers;
    struct edge **handovers; /* drop edges that do not end at a view: `out` leads on */
    uint32_t n_direct;
    struct edge **direct; /* per actor id; NULL: the actor is sequenced or takes no entries */
    uint32_t n_quiet;
    bool has_begun;      /* virtual: time, with the first entry */
    bool has_asked;      /* virtual: one of `quiet`, in this turn */
    struct edge **quiet; /* virtual: progress of actors that may set processing-time timers */
    int64_t pace_mono_ns, pace_event_ns; /* virtual with a speed: where both clocks started */
    int64_t wait_ns; /* monotonic: when it wants to be called again; INT64_MAX: no wish */
    uint64_t said;   /* tick that the words of its edges say */
    struct hde_msgvec handed;
    struct feeder feeder;
    /* taking a log again */
    const struct Hde__LogEntry *entry; /* the next one; NULL: to be read */
    enum { CHANGE_NONE, CHANGE_ASKED, CHANGE_TAKEN } change; /* the entry is one of the graph */
    bool log_has_ended;
    uint64_t n_taken;
    uint64_t void_from;  /* a source gave something else: the log from this tick on is void */
    uint32_t n_released; /* nodes that were told that there are no more answers */
    /* epochs */
    int64_t barrier_ns;    /* monotonic: when the next one is due */
    uint64_t barrier_tick; /* of the last one */
    bool is_suspending;    /* the last barrier before the end was given */
};

/* ---- Worker ------------------------------------------------------------------------------- */

struct post {
    struct post *next;
    struct node *node;
    enum { POST_EVENT, POST_ALARM, POST_ANSWER, POST_JOB, POST_FED } kind;
    uint32_t tag, generation;
    void *data; /* EVENT: the operator's; ANSWER: struct direct; JOB: struct job (swap.h);
                 * FED: struct fed */
    int64_t at_ns;
};

struct watch {
    struct watch *next;
    struct node *node;
    int fd;
    uint32_t tag, events;
    const struct server *server; /* instead of the node's event(); NULL: that */
    void *arg;
    bool is_owed; /* it is served again behind this turn */
};

/* Whose descriptor it is. serve(): it is ready; true: once more at the end of the turn. hold(): the
 * worker looks at it without sleeping, until release(); false: it is to sleep. */
struct server {
    bool (*serve)(void *arg);
    bool (*hold)(void *arg);
    void (*release)(void *arg);
};

struct worker {
    struct engine *engine;
    uint32_t id; /* the slot of its counters, for life */
    bool is_own; /* the thread of one blocking actor or source */
    _Atomic bool stays; /* goes on while the graph changes: a source that lives on */
    char name[64];
    pthread_t thread;
    bool is_started;
    struct fiber *fiber; /* instead of the thread, under the seeded scheduler */
    int epoll_fd, event_fd;
    struct stats_worker *stats;

    uint32_t n_actors;
    struct actor **actors;
    struct source *source; /* a blocking source's own thread */
    uint32_t n_polled;
    struct source **polled;      /* sources that this thread polls */
    struct sequencer *sequencer; /* worker 0 */
    uint32_t n_zmq_out, n_zmq_in;
    struct edge **zmq_out, **zmq_in;
    struct watch *watches, zmq_watch; /* zmq_watch: what epoll gives for any ZeroMQ socket */

    int64_t mono_ns, real_offset_ns; /* read once a turn */
    int64_t offset_at_ns;
    int64_t moved_ns;  /* last time that something moved */
    bool has_moved;    /* in this turn, on the sequencer's side */
    bool has_polled;   /* in this turn */
    bool owes;         /* there is a watch that has to be served again */
    bool is_unsettled; /* in this turn it began to wait for credit or room, or did not get
                        * to look at everything: look once more */
    int64_t budget;    /* messages that are left of this turn */
    uint64_t turn_end; /* cycle counter */

    _Alignas(64) _Atomic uint32_t parked;
    _Atomic uint32_t has_posts;
    pthread_mutex_t lock; /* posts */
    struct post *posts, **posts_tail;
};

/* ---- Engine ------------------------------------------------------------------------------- */

/* A change of the graph takes place behind a barrier: the cut (apply.c). */
enum cut_state {
    CUT_NONE,
    CUT_WANTED, /* the sequencer gives nothing but the barrier */
    CUT_GIVEN,  /* nothing at all */
    CUT_MADE,   /* the new graph stands; it begins with a barrier */
};

struct engine {
    _Atomic(const struct graph *) graph; /* the one that runs */
    struct engine_options options;
    char host[STATS_NAME];
    char *stats_path, *plugin_folder, *trial_program;
    struct arena arena; /* of the wiring */
    struct stats *stats;
    void *zmq;

    /* Readers on other threads hold it; a change writes the wiring under it. */
    pthread_rwlock_t shape;
    pthread_mutex_t changing; /* held for a reload or a change: one at a time */
    pthread_mutex_t threads;  /* within it: a change exchanges workers, or who ends joins them */
    struct worker *first;     /* worker 0, which sequences: never exchanged */
    uint32_t n_retired;
    struct worker **retired;  /* without a graph; freed at the end, since posts may look at them */

    /* the wiring (struct wiring, build.c) */
    uint32_t n_nodes, n_edges, n_actors, n_workers, n_sources;
    uint32_t n_shared; /* workers that are not threads of one blocking actor */
    uint32_t n_own;    /* edges of the runtime itself: direct entries, quiet words */
    struct edge **own;
    bool may_spin; /* more than one processor */
    struct node **nodes;
    struct edge **edges;
    struct actor **actors;
    struct worker **workers;
    struct source **sources;
    struct sequencer sequencer;

    _Atomic uint32_t state; /* enum engine_state */
    _Atomic bool stopping, draining;
    _Atomic bool leaving;       /* workers end their loops between two ticks */
    _Atomic uint32_t cut;       /* enum cut_state */
    _Atomic uint64_t cut_tick;  /* of its barrier */
    _Atomic uint32_t cut_waits; /* actors that have not passed it */
    _Atomic bool wants_epoch; /* before it is due */
    _Atomic uint32_t taps; /* that are open */
    struct tap *tap_list;  /* tap.c */
    _Atomic uint32_t actors_left;
    _Atomic bool has_run_out; /* all have ended, and the epoch of the end is still to come */
    pthread_mutex_t lock; /* state changes, error */
    pthread_cond_t changed;
    int done_fd;
    struct err error;
    bool is_started;
    struct dlq *dlq;
    struct owner *owner;     /* of the checkpoint store; NULL: none */
    struct ingress *ingress; /* NULL: neither written nor taken again */
    struct epochs *epochs;   /* NULL: no checkpoints */
    struct savepoints *savepoints; /* NULL: no checkpoints */
    uint64_t largest_mark;   /* of the sinks, at the start */
    struct hashes *hashes;   /* NULL: barriers carry none */
    bool has_probes;         /* new nodes get one too */
    int64_t barriers_ns;     /* so often; 0: none */
    struct builds *builds;   /* with ingress: plugin files that the log needs */
    struct swaps *swaps;     /* with ingress */
    bool goes_on;            /* from an epoch, a log or a savepoint */
    bool is_recording;       /* entries are written */
    bool is_taking;          /* a log is taken again, and nothing else is done */
    _Atomic uint32_t open_questions; /* of all nodes (question.h) */
    _Atomic bool workers_gone; /* engine_free(): no worker runs any more */
    _Atomic bool recovering; /* a log is taken first; then the sources go on */
    int64_t start_ns; /* wall clock at which nodes were opened; taking a log: that of its start */
    struct watchdog *watchdog;
    struct reloader *reloader; /* with the first reload; under the lock */
    struct applier *applier;   /* with the first change; under the lock */
    struct graph *made;         /* the graph that ran before this start, if the file is another */
    const struct graph *wanted; /* what the file says then; NULL: it is what runs */
    const struct graph *resolved_of; /* sequencer: whose bytes `resolved` are */
    uint8_t *resolved;
    size_t resolved_size;
    double cycles_per_ns;
};

static inline uint64_t
cycles_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return (uint64_t)clock_mono_ns();
#endif
}

static inline int64_t
worker_real_ns(const struct worker *worker)
{
    return worker->mono_ns + worker->real_offset_ns;
}

/* The fence between telling and looking (O7). ThreadSanitizer knows no fences: there a locked
 * instruction on a variable of this thread orders the machine, and adds no order between threads
 * that could hide a race. */
static inline void
full_fence(void)
{
#if defined(__SANITIZE_THREAD__)
#define HDE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HDE_TSAN 1
#endif
#endif
#ifdef HDE_TSAN
    _Atomic int own = 0;

    atomic_fetch_add_explicit(&own, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Whether whoever has the turn has had his messages or his time. If so there may be more to do than
 * this turn has looked at, and the worker must not take it for an idle one. */
static inline bool
worker_turn_is_over(struct worker *worker)
{
    if (worker->budget > 0 && ((worker->budget & 7) != 0 || cycles_now() <= worker->turn_end))
        return false;
    worker->is_unsettled = true;
    return true;
}

/* exec.c: runs the current tick of an actor from where it stands. False: parked or failed. */
bool exec_tick(struct actor *actor);
/* Tells stats what run_plain() has counted: at the end of a turn, and before others are told that
 * the actor parks, fails or has ended. */
void exec_account(struct actor *actor);
/* Calls flush() of the sinks that have taken ticks; false: parked or failed. */
bool exec_flush(struct actor *actor);
/* Of an impure node: what is captured goes to the sequencer, which gives it a tick (O9). cause 0:
 * it was not asked for it. */
void exec_answer(struct node *node, uint64_t cause, uint64_t question);
/* Its open questions are asked again, of the instance that it has now. */
void exec_ask_again(struct node *node);
/* event() of a node, with emissions captured or dropped. */
void exec_event(struct node *node, const hde_event *event);
/* What a status other than HDE_OK means where there is no message. True: go on. */
enum verdict { VERDICT_NEXT, VERDICT_AGAIN, VERDICT_FAILED };
enum verdict exec_verdict(struct node *node, hde_status status);

/* actor.c */
bool actor_turn(struct actor *actor);      /* true: something moved */
bool actor_has_credit(struct actor *actor); /* on every output */
static inline bool
actor_can_start(struct actor *actor)
{
    return actor->state == ACTOR_READY && !actor->is_flushing &&
           (!(actor->n_out | actor->is_blocked) || actor_has_credit(actor));
}
void actor_begin(struct actor *actor, uint64_t tick, int64_t now_ns);
void actor_hold(struct actor *actor); /* READY: until actor->decision is durable */
bool actor_run(struct actor *actor);     /* the tick that was begun, or goes on; true: finished */
bool actor_resume(struct actor *actor);  /* after a retry; true: something moved */
bool actor_publish(struct actor *actor); /* rings, words, credit, asks; true: something moved */
void actor_wake_others(struct actor *actor); /* after the fence */
uint64_t actor_word(struct actor *actor);
/* Moves the messages to whatever the output port leads to; vec is empty then. */
void node_give_each(struct node *node, unsigned port, struct hde_msgvec *vec);
static inline void
node_dispatch(struct node *node, unsigned port, struct hde_msgvec *vec)
{
    struct hde_msgvec *target = node->outlets[port].only;

    if (node->outlets[port].n_targets == 1 && !target->n) {
        struct hde_msgvec kept = *target;

        *target = *vec;
        *vec = kept;
    } else {
        node_give_each(node, port, vec);
    }
}
/* Puts edge->pending, and a new watermark, on the edge as the batch of that tick. */
void edge_put(struct edge *edge, const struct worker *worker, uint64_t tick, int64_t now_ns);
/* Publishes ring and word; notes whom to wake. True: the reader may go on because of it. */
bool edge_publish(struct edge *edge, const struct worker *worker, uint64_t word);
uint32_t msgvec_lines(const struct hde_msgvec *vec); /* memory in units of 64 bytes */
void edge_wake_reader(struct edge *edge, const struct worker *self);
/* Credit of a block edge, with the accounts of waiting for it. */
bool edge_has_credit(struct edge *edge, struct worker *worker);

/* intake.c: sources, on the thread that polls */
bool source_step(struct source *source); /* one call, if it wants one and there is room */
bool source_turn(struct source *source); /* the same on a thread of its own; true: it called */
/* A source that the sequencing worker polls itself, while it does nothing but poll() with HDE_OK:
 * its entries need no queue. Whether it is one now; and one poll(). POLLED_ENTRY: what came lies on
 * the edges, and the tick that it gets has to run at once. POLLED_BESIDE: that is over, and
 * whatever came is queued as by source_step(). Live only, and not while entries are written. */
enum polled { POLLED_NOTHING, POLLED_ENTRY, POLLED_BESIDE };
bool source_is_direct(struct source *source);
enum polled source_poll(struct source *source);
void source_event(struct source *source, const hde_event *event);
struct intake *source_front(struct source *source); /* sequencer: NULL: nothing shown */
void source_pop(struct source *source);
/* After recovery, on the sequencer: seek() to source->at, then it may be called. */
bool source_release(struct source *source);
/* The same without letting it go on. */
bool source_seek(struct source *source);
/* A change of the graph: a new source takes the place of another, which is held and empty. */
void source_follow(struct source *source, const struct source *before);
bool source_is_settled(const struct source *source); /* its thread: all it emitted is queued */
bool source_has_queued(const struct source *source); /* any thread */
void positions_set(struct positions *positions, uint32_t partition, const void *bytes, size_t size);
void positions_fini(struct positions *positions);
int64_t source_next_ns(const struct source *source); /* monotonic time of its next timer */

/* sequencer.c: worker 0 */
bool sequencer_turn(struct worker *worker); /* true: something moved */
bool sequencer_publish(struct worker *worker);
void sequencer_wake_others(struct worker *worker);
void sequencer_alarm(struct sequencer *sequencer, struct node *node, uint32_t id, int64_t at_ns);
void sequencer_answer(struct sequencer *sequencer, struct direct *direct);
struct intake *sequencer_shown(struct worker *worker, struct source *source); /* its next entry */
uint64_t sequencer_tick(struct worker *worker); /* for an entry that nobody runs */
void sequencer_forget(struct sequencer *sequencer, const struct node *node); /* its answers */

/* worker.c */
bool worker_start(struct worker *worker, struct err *err);
void worker_run(struct worker *worker); /* its loop, until the engine stops */
/* A place where the seeded scheduler may let others go on. */
static inline void
worker_step(struct worker *worker)
{
    if (__builtin_expect(worker->fiber != NULL, 0))
        steps_pause(worker);
}
void worker_wake(struct worker *worker); /* any thread */
static inline void
worker_wake_if_parked(struct worker *worker)
{
    if (atomic_load_explicit(&worker->parked, memory_order_relaxed))
        worker_wake(worker);
}
bool worker_post(struct worker *worker, const struct post *post); /* any thread */
bool node_post(const struct post *post); /* any thread: to the worker of its node */
/* While neither thread runs: watches and posts of a node go along. */
void worker_move(struct node *node, struct worker *to);
void worker_forget(struct worker *worker, const struct node *node); /* posts, watches */
void post_drop(struct post *post);
bool worker_serve_posts(struct worker *worker);                   /* true: there were some */
bool worker_watch(struct worker *worker, struct node *node, int fd, uint32_t events, uint32_t tag);
/* On the worker's thread, where fd is served from now on as long as there is the node, whatever that
 * does. True too where it is served for another node of this worker already. */
bool worker_serve(struct node *node, int fd, uint32_t events, const struct server *server,
                  void *arg);

/* host_engine.c: what operators may ask of the engine */
extern const struct host engine_host;

/* segment.c: which nodes run together, and where */
struct placement {
    uint32_t n_segments;
    uint32_t *segment_of; /* node -> segment; segments in topological order */
    uint32_t *worker_of;  /* segment -> worker; UINT32_MAX: a thread of its own */
    bool *sequenced;      /* segment */
    bool *fused;          /* edge */
    bool *drops;          /* edge: not a block edge under this clock */
    uint32_t n_workers;   /* shared ones */
};
void placement_make(const struct graph *graph, const struct engine_options *options,
                    struct arena *arena, struct placement *out);

/* build.c: everything of an engine but threads and open operators */
bool engine_build(struct engine *engine, struct err *err);
void engine_unbuild(struct engine *engine);

/* A node that is not wired, with its source if it is one; its posts and watches wait at `lobby`.
 * NULL: HDE-R051. */
struct node *node_new(struct engine *engine, const struct graph *graph, size_t graph_node,
                      uint32_t replica, struct worker *lobby, struct err *err);
void node_free(struct node *node); /* closed, and not wired */
struct worker *worker_new(struct engine *engine, const char *name, struct err *err);
void worker_free(struct worker *worker);
void worker_retire(struct worker *worker); /* all but what late posts look at */
void direct_free(struct direct *direct);

/* How the nodes of a graph are joined: the fields of struct engine that a change exchanges. */
struct wiring {
    struct arena arena;
    const struct graph *graph;
    uint32_t n_nodes, n_edges, n_actors, n_workers, n_sources, n_shared, n_own;
    struct node **nodes;
    struct edge **edges, **own;
    struct actor **actors;
    struct worker **workers;
    struct source **sources;
};
/* While no worker runs and nothing is on its way. Leaves the engine without a graph. */
void wiring_take(struct engine *engine, struct wiring *out);
/* Joins the nodes (all instances of graph, in its order) anew. What `old` (taken; may be NULL) had
 * is used again where it stays: workers, counters, what edges that drop hold. False: what was made
 * has to be taken and freed. */
bool wiring_make(struct engine *engine, const struct graph *graph, struct node **nodes,
                 const struct wiring *old, struct err *err);
/* Frees what was taken, but nodes and workers; counters that nothing uses now go with it. */
void wiring_free(struct engine *engine, struct wiring *taken);
bool wiring_fits(const struct engine *engine, const struct graph *graph, struct err *err);
static inline uint32_t
instances_of(const struct graph_node *node)
{
    return node->replicas > 1 ? (uint32_t)node->replicas : 1;
}
/* Those of the nodes' processing-time timers, and no others. */
void engine_set_alarms(struct engine *engine);
/* The graph that runs as a packed hde.ResolvedGraph. Sequencing worker, or before it runs. */
const uint8_t *engine_resolved(struct engine *engine, size_t *size);
/* The node whose counters are in that slot, NULL: none. */
struct node *engine_node(const struct engine *engine, uint32_t slot);

/* engine.c */
void engine_wake(struct engine *engine); /* every worker */
/* Whether this engine can run the graph: replay and checkpoints refuse some operators and edges. */
bool engine_takes(const struct engine *engine, const struct graph *graph, struct err *err);
/* Opens a node, or leaves it out where a log speaks for it. */
bool node_begin(struct node *node, int64_t now_ns, struct err *err);
/* While the log is taken first: what a sink has in store comes again, and a source waits. */
bool node_recover(struct node *node, struct err *err);
bool node_open(struct node *node, struct err *err); /* with ctx.now_ns set */
void node_close(struct node *node);
void node_refuse_posts(struct node *node);
bool node_reopen(struct node *node, struct err *err); /* a fresh instance of a closed one */
/* reconfigure.c: the parameters of def into a zeroed state of the operator that the node runs */
bool node_fill(struct node *node, const struct graph_node *def, void *state, struct err *err);
/* The live ones alone; texts are copied to the arena. */
void params_copy_live(const hde_operator *op, void *state, const void *next, struct arena *arena);
/* On the node's thread, or while none runs it. HDE-R055. */
bool node_reconfigure(struct node *node, const struct graph_node *def, struct err *err);
bool workers_start(struct engine *engine, struct err *err); /* those that do not run */
/* batch() of a sink until the first tick that it has not in store: node->mark. */
hde_status node_skip_marked(hde_ctx *ctx, void *state, hde_batch *batch);
void engine_fail(struct engine *engine, const char *code, const char *text);
void engine_actor_ended(struct engine *engine);
void engine_end(struct engine *engine); /* suspended: the next start goes on from here */

/* tap.c */
void tap_record(struct edge *edge, uint64_t tick, hde_msg *const *msg, uint32_t n);
void taps_hang_in(struct engine *engine); /* after a change: by the names of their edges */

/* apply.c: an actor has passed the barrier of the cut */
void apply_passed(struct engine *engine);
void apply_wait(struct engine *engine);

/* watch.c */
struct watchdog *watchdog_start(struct engine *engine);
void watchdog_stop(struct watchdog *watchdog);

#endif
