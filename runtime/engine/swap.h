/* SPDX-License-Identifier: Apache-2.0
 * swap - puts another instance of an operator into a running node.
 *
 *  (1) A node is swapped on the thread that runs it, where its worker serves posts: no function of
 *      the operator is running then. A tick that waits for a retry is not finished; its call is
 *      made again, from batch->done on, by the new instance.
 *      [test_reload_under_load_loses_doubles_and_reorders_nothing]
 *  (2) What waits on edges stays there. Timers and counters belong to the node and stay.
 *  (3) The old instance is only read (save) until the new one has taken its state. Whatever fails
 *      before that, the node never stopped running the old one.
 *      [test_every_failure_leaves_the_old_version]
 *  (4) Two instances that cannot live at once (HDE_EXCLUSIVE, or event(): descriptors, foreign
 *      threads): the old one is closed first, the new one opened on the same thread; if that fails
 *      a fresh instance of the old version is opened and gets the state back.
 *  (5) What a foreign thread posted to an instance that is gone is dropped: posts carry the
 *      generation of the node.
 *  (6) With an ingress log a swap happens in the tick of its entry, for all its nodes (swaps.h). */
#ifndef ENGINE_SWAP_H
#define ENGINE_SWAP_H

#include "engine/run.h"
#include "plugin/stage.h"

struct wish { /* a timer that open() or load() asked for before the node ran the instance */
    bool is_event;
    uint32_t id;
    int64_t ns; /* at, or after */
};

/* An instance that its node does not run, not yet or no more. */
struct instance {
    hde_ctx ctx; /* first; what open() and load() got, valid as long as the instance */
    struct node *node;
    const hde_operator *op;
    void *state;         /* NULL while the node runs it: node->ctx.state */
    struct stage *stage; /* whose code it is; NULL: the graph's own */
    const char *build_id;
    bool is_open;
    uint32_t n_wishes, cap_wishes;
    struct wish *wishes;
    struct said said;
    struct arena arena; /* texts of its parameters */
};

/* With the state allocated and filled in with the values of the graph; NULL: HDE-G... Not open. */
struct instance *instance_new(struct node *node, const hde_operator *op, struct stage *stage,
                              struct err *err);
/* An empty one that takes what the node was built with. */
struct instance *instance_shell(struct node *node);
/* The build that the node runs, "" if it has none. Its thread, or none runs. */
const char *node_build(const struct node *node);
/* Where it came from; NULL: not from a file. */
const char *node_file(const struct node *node);
/* Before anything runs: the node, which is not open, is to run this instance, which is not open. */
void swap_begin(struct node *node, struct instance *taken);
/* Calls open() on this thread; the data path is not touched. HDE-R025. */
bool instance_open(struct instance *instance, struct err *err);
void instance_close(struct instance *instance); /* on the calling thread */
/* Memory only: close first. */
void instance_free(struct instance *instance);

/* The operator of a stage for this node: with the message types that `types:` names there
 * (HDE_MORE_TYPES). It lives as long as the stage. NULL: as stage_find(). */
const hde_operator *swap_operator(struct stage *stage, const struct node *node, struct err *err);
/* Whether `next` can take the place of `now` in this node: ports, flags, functions that decide how
 * the node is wired. HDE-R021. */
bool swap_fits(const struct node *node, const hde_operator *next, const char *file,
               struct err *err);
/* Whether instances of both cannot live at once. */
bool swap_is_exclusive(const hde_operator *now, const hde_operator *next);

/* Where in its work a node went back, so that the log can say it. Placements differ from run to
 * run, so BEHIND means before the first tick of its actor that is larger. */
enum swap_step { PLACE_SWAP = 1, PLACE_CALL, PLACE_TIMER, PLACE_BEHIND }; /* hde.ReturnPlace */
struct swap_place {
    uint64_t tick;
    enum swap_step step;
    uint32_t port, done; /* CALL */
    uint32_t timer;      /* TIMER */
    int64_t at_ns;
};

/* On probation the old instance is kept, and a fresh one of the old version is ready beside it. At
 * the first HDE_FAIL, or when rejects go beyond the rate of the old build (see swap_fails()), the
 * node's thread goes back by itself, in the middle of a tick if need be: the fresh instance gets
 * the state of the new one where its schema allows, otherwise the old instance goes on with the
 * state from before the swap; then the call that failed is made again.
 * [test_errors_on_probation_bring_the_old_version_back] */
struct swap {
    struct node *node;
    uint64_t tick;          /* in: of its entry in the ingress log; 0: none */
    bool has_place;         /* in: taking a log, which says where the node went back */
    struct swap_place place;
    struct instance *next;  /* in: goes in; NULL afterwards if it did */
    struct instance *shell; /* in: of the node's first swap; NULL afterwards if it was used */
    struct instance *spare; /* in: the old version; exclusive: not open. NULL if it was needed */
    bool has_probation;     /* in */
    void (*tell)(void *arg); /* in: called on the node's thread when the node has gone back */
    void *arg;
    bool keeps_state;       /* save() of the old one, load() of the new one */
    int64_t budget_ns;      /* for saving and loading */

    struct instance *last; /* out: what the node ran before, open unless exclusive */
    bool took;             /* the node changed over; from then on err is that of the probation */
    struct err err;
    bool is_busy;      /* not now: a sink in the middle of a tick that it repeats */
    int64_t pause_ns;  /* that the node stood still */
    hde_msg *saved;    /* the state, yours to drop; NULL: none */
    bool was_plain;

    uint64_t base_messages, base_rejects, rejects; /* probation: at its begin; since */
    double reject_rate;                            /* of the old build, a message */
    _Atomic bool has_returned;
    struct instance *failed; /* after a return: the new instance */
};

enum { PROBATION_MARGIN = 10 };
/* On the node's thread, after a call that was not fine. True: the old version runs again, and the
 * call is to be repeated. A build that rejected nothing allows no reject; otherwise its rate and
 * PROBATION_MARGIN more. */
bool swap_fails(struct node *node, hde_status status);
/* Ends the probation from another thread. False: the node's thread was not reached, it goes on;
 * afterwards has_returned says which version stayed. */
bool swap_commit(struct swap *swap, int64_t timeout_ns);
bool swap_return(struct swap *swap, int64_t timeout_ns);

/* On the node's thread, in the tick of the entry: as swap_run(), and a failure is a decision. */
void swap_in_tick(struct swap *swap);
/* Taking a log, on the node's thread: goes back where it says. Before a call of batch(), which may
 * have to stop in front of the place; before a timer; before a tick. */
void swap_before_batch(struct node *node);
void swap_before_timer(struct node *node);
void swap_before_tick(struct actor *actor, uint64_t tick);

/* Posts the swap to the node's thread and waits. False with swap->err: the node runs what it ran
 * before (or its spare). */
bool swap_run(struct swap *swap, int64_t timeout_ns);
/* What save() gives now, on the node's thread; NULL: HDE-R026, R030. */
hde_msg *swap_peek(struct node *node, int64_t timeout_ns, struct err *err);
/* Closes an instance on the thread of its node. */
bool swap_close(struct instance *instance, int64_t timeout_ns);

/* ---- What a worker is asked to do between two calls ---------------------------------------- */

/* Runs run(arg) on the node's thread, between two calls, and waits. False: it was not run. */
bool node_run(struct node *node, void (*run)(void *arg), void *arg, int64_t timeout_ns);

struct job;
void job_serve(struct job *job); /* on the node's thread; frees what nobody waits for */
void job_drop(struct job *job);  /* it will never be served */

#endif
