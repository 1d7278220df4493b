/* SPDX-License-Identifier: Apache-2.0
 * rewire - turns the graph that runs into another one, by a plan.
 *
 *  (1) Everything that can refuse does so before the cut: loading, planning, making and opening new
 *      instances. Whatever fails, also behind the cut, leaves the old graph running as it was.
 *      [test_what_fails_leaves_the_old_graph]
 *  (2) The cut is a barrier. When every actor has passed it nothing is on its way: edges that keep
 *      order are empty, no tick is worked on. Then the workers leave their loops, and the wiring is
 *      taken and made anew (build.c). [test_nodes_that_stay_lose_and_double_nothing]
 *  (3) Nodes that are the same keep their instance, its address, its descriptors, threads, timers
 *      and counters. A blocking source that is the same does not even notice: its thread goes on,
 *      and what it writes (timers, what it has captured) is not read.
 *      [test_what_stays_is_not_called, test_a_source_on_its_own_thread_does_not_notice]
 *  (4) A new instance in the place of an old one gets its state as from an epoch: save(), load(),
 *      watermarks, timers; over replicas every new one gets the states of all old ones and keeps
 *      what it owns (HDE_KEYED_STATE). [test_keyed_state_follows_replicas]
 *  (5) Sources that leave are held first, between two calls, and what they have queued is taken.
 *  (6) Threads of workers are exchanged under engine->threads. Who ends the run joins them under
 *      it, and none is started behind the end. [test_the_end_comes_in_the_middle_of_a_change, under
 *      ThreadSanitizer]
 *
 *      PREPARED --sources held--> CUT_WANTED --barrier--> CUT_GIVEN --all have passed,
 *        workers left--> exchanged --> CUT_MADE --first barrier--> CUT_NONE
 *      any failure --> CUT_NONE with the old wiring */
#ifndef ENGINE_REWIRE_H
#define ENGINE_REWIRE_H

#include "engine/engine.h"
#include "graph/plan.h"

struct rewire_result {
    uint64_t tick; /* the cut: the last of the old graph */
    int64_t pause_ns;
};

struct rewire_ask {
    int64_t timeout_ns;
    struct joint *joint; /* with other engines, or not at all (joint.h); NULL: alone */
    size_t place;        /* among them */
};

/* On a thread of its own, with engine->changing held. At most timeout_ns until the cut is made.
 * False: nothing has changed (or, where even going back failed, the engine has failed). */
bool rewire(struct engine *engine, const struct change_plan *plan, const struct rewire_ask *ask,
            struct rewire_result *out, struct err *err);

/* Makes and opens the nodes that the plan adds on this host, and closes them again. Any thread;
 * waits for nothing but them. HDE-R238: not now. */
bool rewire_tries(struct engine *engine, const struct change_plan *plan, struct err *err);

#endif
