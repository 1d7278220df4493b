/* SPDX-License-Identifier: Apache-2.0
 * graph - the graph under test, where it is placed, and how much of everything there is.
 *
 *            +----------------------- SF -------------------+
 *            |                                              v
 *     S -----+-- SC --> C ------------ CF ----------------> F
 *                       +--- CD ---> D --------- DF ------> ^
 *     Y ------------- YD ----------> ^
 *     timers -------- TD ----------> ^        crossing diamonds: C -> F and C -> D -> F, S -> F
 *
 * S, Y and the timers belong to the sequencing worker, which is worker 0. */

/* What a run of the checker may set with -D. */
#ifndef PLACE_C
#define PLACE_C 1 /* worker of an actor: 0, 1 or 2 */
#endif
#ifndef PLACE_D
#define PLACE_D 2
#endif
#ifndef PLACE_F
#define PLACE_F 1
#endif
#ifndef CAPACITY
#define CAPACITY 1 /* of every edge, in messages */
#endif
#ifndef N_S
#define N_S 2 /* entries of S; 0: a silent source */
#endif
#ifndef N_Y
#define N_Y 0
#endif
#ifndef N_TIMERS
#define N_TIMERS 0 /* entries that meet D directly (O9) */
#endif
#ifndef N_BARRIERS
#define N_BARRIERS 0 /* 0 or 1 */
#endif
#ifndef AMPLIFY
#define AMPLIFY 1 /* messages that C puts on CF in one tick */
#endif
#ifndef FILTER
#define FILTER 0 /* 1: C may drop a tick for F, for D, or for both */
#endif
#ifndef RETRY
#define RETRY 0 /* an actor whose ticks last over two turns; 0: none */
#endif
#ifndef ARRIVE
#define ARRIVE 0 /* 1: entries may come late: the sequencing worker parks before they do */
#endif

#ifndef FINE
#define FINE 0 /* 1: every edge is looked at and told in a step of its own */
#endif

#define TICKS (N_S + N_Y + N_TIMERS + N_BARRIERS)

/* Actors. Q: the sequencer with its sources. */
#define Q 0
#define C 1
#define D 2
#define F 3
#define ACTORS 4
#define WORKERS 3

/* Edges, the inputs of an actor in merge order, its direct edge last (O9). */
#define SC 0
#define CF 1
#define CD 2
#define YD 3
#define DF 4
#define SF 5
#define TD 6
#if N_TIMERS
#define EDGES 7
#else
#define EDGES 6
#endif

#define writer(e) ((e) == CF || (e) == CD -> C : ((e) == DF -> D : Q))
#define reader(e) ((e) == SC -> C : ((e) == CD || (e) == YD || (e) == TD -> D : F))
#define place(a) ((a) == C -> PLACE_C : ((a) == D -> PLACE_D : ((a) == F -> PLACE_F : 0)))
#define writes(w, e) (place(writer(e)) == (w))
#define reads(w, e) (place(reader(e)) == (w))
#define is_own(w, e) (writes(w, e) && reads(w, e))

byte barrier; /* its tick; 0: not given yet */

/* Messages in the batch of a tick on an edge. A barrier's batch counts one (O3, O4). */
#define units(e, t) ((e) == CF && (t) != barrier -> AMPLIFY : 1)

/* Sets of edges. */
#define OF_S (1 << SC | 1 << SF)
#define OF_Y (1 << YD)
#if N_TIMERS
#define OF_TIMERS (1 << TD)
#else
#define OF_TIMERS 0
#endif
#define outputs(a) ((a) == Q -> OF_S | OF_Y | OF_TIMERS : ((a) == C -> 1 << CF | 1 << CD : ((a) == D -> 1 << DF : 0)))
#define has(set, e) (((set) >> (e)) & 1)
#define add(set, e) set = set | (1 << (e))
#define del(set, e) set = set & ~(1 << (e))
