/* SPDX-License-Identifier: Apache-2.0
 * memory - what the workers share, and the store buffers that stand before it.
 *
 * A store waits in its worker's buffer: the worker is past it, the others do not see it yet. It
 * lands at any moment, at the latest before the worker's next store or in its next fence. So stores
 * are seen in their order, and a look may overtake the store before it: that is what x86 does, and
 * why one fence of the two in O7 is not enough. What a buffered store will say stands in the
 * worker's private copy beside the shared one. Edges between two actors of one worker need no
 * buffer: nobody else looks at them. */

/* Shared, per edge: struct ring of engine/edge.h. Each has one writing worker. */
chan ring[EDGES] = [CAPACITY + 1] of { byte }; /* ticks of the published batches */
byte word[EDGES];                              /* O6: no batch up to this tick is still to come */
byte done[EDGES];                              /* O4: units given back */
byte ask[EDGES];                               /* O7: tick up to which the reader wants progress */
byte starved;                                  /* set: the writer waits for credit */
bit parked[WORKERS];                           /* O7: announced: whoever tells something wakes me */

/* Private to the writing worker, per edge. */
byte pend[EDGES]; /* tick of the batch that has not landed; 0: none */
byte put[EDGES];  /* units put */
byte starving;    /* what starved says or will say */

/* Private to the reading worker, per edge. */
byte front;           /* set: a batch is seen at the front of the ring */
byte seen[EDGES];     /* where there is none: the word, read before the ring was found empty */
byte finished[EDGES]; /* units of finished ticks: what done says or will say */
byte wish[EDGES];     /* what ask says or will say */
byte taken;           /* set: the batch of the tick that is worked on */

/* Private to the worker of an actor. */
byte tick[ACTORS];  /* O6: worked on; 0: none */
byte over[ACTORS];  /* finished last */
byte value[ACTORS]; /* what the words of its outputs say or will say */
byte heard[ACTORS]; /* what they said when it last looked who asks */

mtype = { EMPTY, BATCH, WORD, ASK, CREDIT, STARVED, PARKED };
mtype slot_what[WORKERS] = EMPTY;
byte slot_set[WORKERS]; /* edges */

#ifdef BREAK_CREDIT_WHEN_TAKEN
#define given_back(x) (finished[x] + (has(taken, x) -> units(x, tick[reader(x)]) : 0))
#else
#define given_back(x) (finished[x])
#endif

inline land_edge(what, x)
{
	if
	:: what == BATCH ->
		assert(nfull(ring[x]));
		ring[x]!pend[x];
#ifdef BREAK_SPLIT_TICK
		if
		:: units(x, pend[x]) > CAPACITY -> ring[x]!pend[x]
		:: else -> skip
		fi;
#endif
		pend[x] = 0
	:: what == WORD -> word[x] = value[writer(x)]
	:: what == ASK -> ask[x] = wish[x]
	:: what == CREDIT -> done[x] = given_back(x)
	:: what == STARVED -> starved = (starved & ~(1 << x)) | (starving & (1 << x))
	fi
}

/* What waits in the buffer of a worker reaches memory. */
inline land(who)
{
	x = 0;
	do
	:: x < EDGES ->
		if
		:: has(slot_set[who], x) -> land_edge(slot_what[who], x)
		:: else -> skip
		fi;
		x++
	:: else -> break
	od;
	x = 0;
	if
	:: slot_what[who] == PARKED -> parked[who] = 1
	:: else -> skip
	fi;
	if
	:: slot_what[who] != EMPTY -> printf("      %d's %e lands\n", who, slot_what[who])
	:: else -> skip
	fi;
	slot_what[who] = EMPTY;
	slot_set[who] = 0
}

inline store(who, what, set)
{
	land(who);
	printf("%d stores %e, edges %x\n", who, what, set);
	slot_what[who] = what;
	slot_set[who] = set;
	do
	:: x < EDGES ->
		if
		:: has(set, x) && is_own(who, x) ->
			land_edge(what, x);
			del(slot_set[who], x)
		:: else -> skip
		fi;
		x++
	:: else -> break
	od;
	x = 0;
	if
	:: !slot_set[who] && what != PARKED -> slot_what[who] = EMPTY
	:: else -> skip
	fi
}

active proctype memory()
{
	byte x;
end:
	do
	:: d_step { slot_what[0] != EMPTY -> land(0) }
	:: d_step { slot_what[1] != EMPTY -> land(1) }
	:: d_step { slot_what[2] != EMPTY -> land(2) }
	od
}
