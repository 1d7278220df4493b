/* SPDX-License-Identifier: Apache-2.0
 * agreement - what the hosts of a graph say to each other, so that all of them make a change or
 * none does (K4). What is changed, and how, is parts_change.c's.
 *
 * The coordinator leads, one change at a time:
 *
 *      coordinator                           each other host
 *      agreement_prepare() ---PREPARE--->    prepares; its old graph runs on
 *                          <--ready, no---   agreement_ready(), agreement_answer()
 *      agreement_decide(): durable
 *      agreement_commit()  ----COMMIT---->   agreement_word(): makes the change
 *                          <---a report---   agreement_report()
 *      agreement_abort()   -----ABORT---->   agreement_word(): lets go of what it has prepared
 *
 *  (1) The decision is durable before anybody hears of it; what is not written is not decided.
 *      [test_a_decision_outlives_the_coordinator]
 *  (2) A host that has said ready and hears nothing asks. While the coordinator is away it lets go,
 *      so that nothing stands still, and asks again when it is back; then it makes the change
 *      alone, or forgets it. [test_who_lost_the_coordinator_hears_what_was_decided]
 *  (3) What is to be decided is drafted before anybody is asked, and the decision is the draft's
 *      new name. Who takes the place of a lost coordinator takes the draft away before he reads
 *      what was decided: so one that is in truth alive decides nothing behind that.
 *      [test_a_coordinator_that_was_replaced_decides_nothing]
 *  (4) Nothing here waits for a host that is away longer than the timeout, but agreement_fate(),
 *      which waits for nothing else than the coordinator or the end.
 *      [test_a_host_that_is_down_is_named]
 *
 * Decisions live in the checkpoint store. Without one those of a coordinator that was killed are
 * taken for no. */
#ifndef ENGINE_AGREEMENT_H
#define ENGINE_AGREEMENT_H

#include "engine/ask_hosts.h"

struct agreement;
struct share; /* one host's share in a change that another host leads */

/* PREPARE has come, on the thread that called agreement_asked(). The share is taken, and goes with
 * share_free(). */
typedef void agreement_prepare_with(void *arg, struct share *taken);

/* net and graph are lent. store: the folder of this host's checkpoints; NULL: none. */
struct agreement *agreement_new(struct net *net, const struct graph *graph, const char *store,
                                agreement_prepare_with *prepare, void *arg);
void agreement_stop(struct agreement *self); /* nobody waits here any more */
void agreement_free(struct agreement *self); /* before the net; nobody works on a share any more */

bool agreement_leads(const struct agreement *self);         /* this host is the coordinator */
const char *agreement_leader(const struct agreement *self); /* its name */

/* ---- The coordinator's thread of changes --------------------------------------------------- */

/* Gives the change a number and asks all other hosts whether they can make it. False with err
 * (HDE-R211: one is down or silent; HDE-R214; or its reason, with its name): agreement_abort(). */
bool agreement_prepare(struct agreement *self, Hde__ControlShare *share, int64_t timeout_ns,
                       struct host_replies *out, struct err *err);
/* False: it is not made. HDE-R214: it cannot be kept; HDE-R311: others have replaced this one. */
bool agreement_decide(struct agreement *self, struct err *err);
/* Tells them, and waits for their reports until timeout_ns. Free *out. */
void agreement_commit(struct agreement *self, int64_t timeout_ns, struct host_replies *out);
void agreement_abort(struct agreement *self);

/* ---- The thread of changes of another host -------------------------------------------------- */

enum word {
    WORD_NONE,
    WORD_COMMIT,
    WORD_ABORT,
    WORD_LOST /* the coordinator cannot be reached: agreement_fate() tells later */
};

const Hde__ControlShare *share_said(const struct share *share);
void agreement_ready(struct agreement *self, struct share *share);
/* What the coordinator waits for, if it does: it will not be made (why), or nothing is to be done
 * (NULL). */
void agreement_answer(struct agreement *self, struct share *share, const struct err *why);
enum word agreement_word(struct agreement *self, struct share *share);
/* Behind WORD_LOST. COMMIT or ABORT; NONE: agreement_stop(). */
enum word agreement_fate(struct agreement *self, struct share *share);
/* What became of it, to the coordinator if it waits for that. */
void agreement_report(struct agreement *self, struct share *share, const Hde__GraphChange *report);
void share_free(struct agreement *self, struct share *share);

/* The coordinator is lost for good, and that is its store: what it had decided is made, and nothing
 * else, now or later. NULL: only looks. False: something was in doubt here, which is over soon
 * (HDE-R238), or that store cannot be written (HDE-R014). */
bool agreement_end_doubts(struct agreement *self, const char *store, struct err *err);

/* ---- Any thread ----------------------------------------------------------------------------- */

/* What another host has said. */
void agreement_asked(struct agreement *self, const Hde__ControlShare *said,
                     struct net_question *taken);

#endif
