/* SPDX-License-Identifier: Apache-2.0
 * order - how ticks go through a graph: sequencing, credit, progress, merge, barrier.
 *
 * Read it beside the rules O2 to O9 (README.md) and runtime/engine/{worker,actor,sequencer}.c. A
 * worker's turn is the steps below, one after the other; a step is one look at, or one store to,
 * what is shared, with the private work around it. Between two steps anybody else may go.
 * BREAK_X breaks a rule on purpose: the checker has to find that. */
#include "graph.pml"
#include "memory.pml"

#define NONE 255

/* The sequencer. */
byte last;        /* O2: tick given last */
bit barrier_due;
byte left_s = N_S, left_y = N_Y, left_timers = N_TIMERS, left_barriers = N_BARRIERS;

/* A turn. TELL_*: O5 and O6: batches, then words. */
#define ANNOUNCE 0   /* that I sleep if nothing moves, and fence (O7) */
#define LOOK_FIRST 1 /* at the words of my inputs */
#define LOOK_THEN 2  /* at rings, credit and asks; then run what can run */
#ifndef BREAK_WORD_BEFORE_BATCH
#define TELL_BATCH 3
#define TELL_WORD 4
#else
#define TELL_WORD 3
#define TELL_BATCH 4
#endif
#define TELL_ASK 5
#define TELL_CREDIT 6
#define WAKE 7  /* fence, then look who waits (O7) */
#define SLEEP 8 /* until somebody takes the announcement back */

#ifndef BREAK_NO_LOOK_AGAIN
#define NEXT_TURN ANNOUNCE
#define IDLE (unsettled -> ANNOUNCE : SLEEP)
#else /* announces himself only when he has looked */
#define NEXT_TURN LOOK_FIRST
#define IDLE (unsettled -> LOOK_FIRST : ANNOUNCE)
#endif

/* ---- Credit (O4) -------------------------------------------------------------------------- */

#ifdef BREAK_HARD_CAPACITY
#define fits(e) (put[e] - done[e] + ((e) == CF -> AMPLIFY : 1) <= CAPACITY)
#elif defined BREAK_NO_CREDIT
#define fits(e) (put[e] - done[e] < 255)
#else
#define fits(e) (put[e] - done[e] < CAPACITY)
#endif

/* may_run: every edge of outs has credit; the first that has none is starved. */
inline look_at_credit()
{
	may_run = 1;
	e = 0;
	do
	:: e < EDGES && may_run ->
		if
		:: !has(outs, e) -> skip
		:: has(outs, e) && fits(e) -> del(hungry, e)
		:: has(outs, e) && !fits(e) ->
			may_run = 0;
			add(hungry, e)
		fi;
		e++
	:: else -> break
	od;
	outs = 0;
	e = 0
}

/* The reader of an edge wakes its writer only where he has said that he waits for credit. Who begins
 * to wait takes one more turn, so that this stands before his fence. */
inline tell_hunger()
{
	do
	:: e < EDGES ->
		if
		:: is_own(w, e) -> del(hungry, e)
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0;
	if
	:: hungry != starving ->
		land(w);
		to_tell = hungry ^ starving;
		starving = hungry;
		store(w, STARVED, to_tell);
#ifndef BREAK_SLEEP_WHEN_STARVED
		unsettled = 1
#endif
	:: else -> skip
	fi;
	hungry = 0
}

/* O3: the batch of a tick, published in TELL_BATCH. */
inline put_batch(e, t)
{
	assert(!pend[e]);
	pend[e] = t;
	put[e] = put[e] + units(e, t);
	add(news, e);
	/* O4: an edge holds at most its capacity and one tick's output */
	assert(put[e] - finished[e] < CAPACITY + units(e, t))
}

/* ---- The sequencer (O2) ------------------------------------------------------------------- */

inline give()
{
	last++;
	printf("0 gives tick %d, edges %x\n", last, outs);
	add(dirty, Q);
	e = 0;
	do
	:: e < EDGES ->
		if
		:: has(outs, e) -> put_batch(e, last)
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	outs = 0;
	e = 0
}

/* One entry, if there is one and credit for it. A source without credit is not polled; a pending
 * barrier goes before the next batch of a source (O4). A barrier is an entry like others (O2): a
 * batch of its own on every edge of the sources. */
inline run_sequencer()
{
	d_step {
		idle = 0;
		if
		:: left_s && !barrier_due ->
			outs = OF_S;
			look_at_credit();
			if
			:: may_run -> may_give = may_give | 1
			:: else -> skip
			fi
		:: else -> skip
		fi;
		if
		:: left_y && !barrier_due ->
			outs = OF_Y;
			look_at_credit();
			if
			:: may_run -> may_give = may_give | 2
			:: else -> skip
			fi
		:: else -> skip
		fi;
		if
		:: left_timers ->
			outs = OF_TIMERS;
			look_at_credit();
			if
			:: may_run -> may_give = may_give | 4
			:: else -> skip
			fi
		:: else -> skip
		fi;
		if
		:: barrier_due ->
			outs = OF_S | OF_Y;
			look_at_credit();
			if
			:: may_run -> may_give = may_give | 8
			:: else -> skip
			fi
		:: else -> skip
		fi;
		may_run = 0
	}
	if
	:: d_step { may_give & 1 ->
		outs = OF_S;
		give();
		left_s--
	}
	:: d_step { may_give & 2 ->
		outs = OF_Y;
		give();
		left_y--
	}
	:: d_step { may_give & 4 ->
		outs = OF_TIMERS;
		give();
		left_timers--
	}
	:: d_step { may_give & 8 ->
		barrier = last + 1;
		barrier_due = 0;
		outs = OF_S | OF_Y;
		give()
	}
	:: d_step { left_barriers ->
		left_barriers--;
		barrier_due = 1;
		unsettled = 1
	}
#if ARRIVE
	:: may_give & 7 -> idle = 1 /* not there yet */
#endif
	:: else -> skip
	fi;
	may_give = 0
}

/* ---- Inputs and the merge (O7) ------------------------------------------------------------ */

#define is_unseen(e) (reads(w, e) && !has(front, e))

inline look_at_word(e)
{
	seen[e] = word[e]
}

inline look_at_ring(e)
{
	if
	:: len(ring[e]) > 0 -> add(front, e)
	:: else -> skip
	fi
}

#ifndef BREAK_RING_BEFORE_WORD
#define look_first(e) look_at_word(e)
#define look_then(e) look_at_ring(e)
#else
#define look_first(e) look_at_ring(e)
#define look_then(e) look_at_word(e)
#endif

#ifdef BREAK_ARRIVAL_ORDER
#define holds_back(e) (false)
#elif defined BREAK_DIRECT_PAST_MERGE
#define holds_back(e) (!has(front, TD))
#elif defined BREAK_BARRIER_OVERTAKES
#define holds_back(e) (next != barrier)
#else
#define holds_back(e) (true)
#endif

inline ask_for(e, t)
{
#ifndef BREAK_NO_ASK
	if
	:: wish[e] < t ->
		wish[e] = t;
		add(asking, e);
		add(dirty, reader(e))
	:: else -> skip
	fi
#else
	skip
#endif
}

/* next: the smallest tick at the front if every input is at it or past it, otherwise 0: then those
 * that are not are asked. */
inline choose_tick(a)
{
	next = NONE;
	e = 0;
	do
	:: e < EDGES ->
		if
		:: reader(e) == a && has(front, e) ->
			ring[e]?<t>;
			if
			:: t < next -> next = t
			:: else -> skip
			fi
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	t = next;
	if
	:: next == NONE -> next = 0
	:: else ->
		e = 0;
		do
		:: e < EDGES ->
			if
			:: reader(e) == a && !has(front, e) && seen[e] < t && holds_back(e) ->
				ask_for(e, t);
				next = 0
			:: else -> skip
			fi;
			e++
		:: else -> break
		od
	fi;
	t = 0;
	e = 0
}

/* All batches of the tick, in the order of the inputs. Order: nothing of this tick or of a later one
 * was taken before; so no batch is split, comes late, or is overtaken by a barrier. */
inline take_tick(a)
{
	printf("%d takes tick %d for actor %d, which has finished %d\n", w, next, a, over[a]);
	assert(next > over[a]);
	tick[a] = next;
	e = 0;
	do
	:: e < EDGES ->
		t = 0;
		if
		:: reader(e) == a && has(front, e) -> ring[e]?<t>
		:: else -> skip
		fi;
		if
		:: t == next ->
			ring[e]?t;
			del(front, e);
			add(taken, e);
#ifdef BREAK_CREDIT_WHEN_TAKEN
			add(gave, e);
#endif
			seen[e] = next
		:: else -> skip
		fi;
		/* a barrier comes on every input from a port */
		assert(reader(e) != a || next != barrier || e == TD || has(taken, e));
		e++
	:: else -> break
	od;
	t = 0;
	e = 0;
	next = 0
}

/* Runs the tick to its end, whatever it puts on its outputs (O4). drops: those it has nothing for. */
inline finish_tick(a)
{
	e = 0;
	do
	:: e < EDGES ->
		if
		:: writer(e) == a && (tick[a] == barrier || !has(drops, e)) -> put_batch(e, tick[a])
		:: reader(e) == a && has(taken, e) ->
			finished[e] = finished[e] + units(e, tick[a]);
			del(taken, e);
			add(gave, e)
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0;
	drops = 0;
	over[a] = tick[a];
	tick[a] = 0;
	add(dirty, a)
}

inline choose_drops(a)
{
	if
	:: drops = 0
#if FILTER
	:: a == C -> drops = 1 << CF
	:: a == C -> drops = 1 << CD
	:: a == C -> drops = 1 << CF | 1 << CD
#endif
	fi
}

inline run_actor(a)
{
	if
	:: tick[a] -> /* called again after a retry */
		choose_drops(a);
		d_step { finish_tick(a) }
	:: else ->
		d_step {
			outs = outputs(a);
			look_at_credit();
			if
			:: may_run -> choose_tick(a)
			:: else -> skip
			fi;
			may_run = 0
		}
		if
		:: next ->
			d_step { take_tick(a) }
			if
			:: a == RETRY -> unsettled = 1
			:: else ->
				choose_drops(a);
				d_step { finish_tick(a) }
			fi
		:: else -> skip
		fi
	fi
}

/* ---- Progress (O5, O6) -------------------------------------------------------------------- */

/* t: what the words of the outputs of a may say. */
inline find_value(a)
{
#ifndef BREAK_WORD_PAST_WORK
	if
	:: tick[a] -> t = tick[a] - 1
	:: else ->
#endif
		t = NONE;
		e = 0;
		do
		:: e < EDGES ->
			if
			:: reader(e) == a && has(front, e) ->
				ring[e]?<next>;
				if
				:: next - 1 < t -> t = next - 1
				:: else -> skip
				fi
			:: reader(e) == a && !has(front, e) && seen[e] < t -> t = seen[e]
			:: else -> skip
			fi;
			e++
		:: else -> break
		od;
		next = 0;
		e = 0;
#ifdef BREAK_NO_VALUE_WHEN_WAITING
		t = over[a];
#endif
		if
		:: t < over[a] -> t = over[a]
		:: else -> skip
		fi
#ifndef BREAK_WORD_PAST_WORK
	fi
#endif
}

/* wanted: the largest tick that readers of a ask for and have not been told. */
inline look_at_asks(a)
{
	e = 0;
	do
	:: e < EDGES ->
		if
		:: writer(e) == a && ask[e] > value[a] && ask[e] > wanted -> wanted = ask[e]
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0
}

/* Who is asked and cannot answer asks further up (O7). */
inline ask_further_up(a)
{
#ifndef BREAK_ASK_NOT_PASSED_UP
	e = 0;
	do
	:: e < EDGES ->
		if
		:: reader(e) == a && !has(front, e) && seen[e] < wanted -> ask_for(e, wanted)
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0
#else
	skip
#endif
}

#ifdef BREAK_DIRECT_WITHOUT_WORD
#define told(a) (outputs(a) & ~OF_TIMERS)
#else
#define told(a) outputs(a)
#endif

/* What is to be said after a tick, and when asked. */
inline find_words(a)
{
	if
	:: a == Q -> t = last /* published up to this tick (O2) */
	:: else ->
		look_at_asks(a);
		if
		:: has(dirty, a) || wanted -> find_value(a)
		:: else -> t = value[a]
		fi;
		if
		:: wanted > t -> ask_further_up(a)
		:: else -> skip
		fi;
		wanted = 0
	fi;
	if
	:: t > value[a] ->
		value[a] = t;
		raised = raised | told(a)
	:: else -> skip
	fi;
	t = 0
}

/* ---- A turn, and sleep (O7) --------------------------------------------------------------- */

/* The next step of the turn that has something to do. */
inline go_on()
{
	do
	:: to_tell || step >= WAKE -> break
	:: else ->
		step++;
		to_tell = (step == TELL_BATCH -> news : (step == TELL_WORD -> raised :
			  (step == TELL_ASK -> asking : (step == TELL_CREDIT -> gave : 0))))
	od;
	if
	:: step == WAKE && !(news | raised | asking | gave) -> step = IDLE
	:: else -> skip
	fi;
	skip
}

inline tell(what)
{
#if FINE
	outs = to_tell & -to_tell;
#else
	outs = to_tell;
#endif
	store(w, what, outs);
	to_tell = to_tell & ~outs;
	outs = 0;
	go_on()
}

/* A wish that is met by this word, or is above it: the reader may go on with a smaller tick. */
#if defined BREAK_LOOK_BEFORE_TELLING
#define is_asked(e) has(raised & was_asked, e)
#else
#define is_asked(e) (has(raised, e) && ask[e] > heard[writer(e)])
#endif

#ifdef BREAK_LOOK_BEFORE_TELLING
byte was_asked;
inline look_who_asks()
{
	do
	:: e < EDGES ->
		if
		:: has(to_tell, e) && ask[e] > heard[writer(e)] -> add(was_asked, e)
		:: has(to_tell, e) && ask[e] <= heard[writer(e)] -> del(was_asked, e)
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0
}
#endif

inline wake_others()
{
	printf("%d looks who waits: parked %d %d %d\n", w, parked[0], parked[1], parked[2]);
	e = 0;
	do
	:: e < EDGES ->
		if
		:: is_own(w, e) -> skip
#ifndef BREAK_NO_WAKE_ON_WORD
		:: !is_own(w, e) && is_asked(e) -> parked[place(reader(e))] = 0
#endif
#ifndef BREAK_NO_WAKE_ON_BATCH
		:: !is_own(w, e) && has(news, e) -> parked[place(reader(e))] = 0
#endif
#ifndef BREAK_NO_WAKE_ON_ASK
		:: !is_own(w, e) && has(asking, e) -> parked[place(writer(e))] = 0
#endif
#ifndef BREAK_NO_WAKE_ON_CREDIT
		:: !is_own(w, e) && has(gave & starved, e) -> parked[place(writer(e))] = 0
#endif
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0
}

inline forget_turn()
{
	do
	:: e < ACTORS ->
		if
		:: place(e) == w -> heard[e] = value[e]
		:: else -> skip
		fi;
		e++
	:: else -> break
	od;
	e = 0;
	news = 0;
	raised = 0;
	asking = 0;
	gave = 0
}

proctype worker(byte w)
{
	byte step = NEXT_TURN;
	byte e, x, t, next, wanted, may_give, outs, drops;
	byte news, raised, asking, gave, dirty, hungry, to_tell;
	bit may_run, unsettled, idle;

end:
	do
	:: d_step { step == ANNOUNCE ->
		store(w, PARKED, 0);
#ifndef BREAK_NO_FENCE_BEFORE_LOOKING
		land(w);
#endif
#ifndef BREAK_NO_LOOK_AGAIN
		unsettled = 0;
		step = LOOK_FIRST
#else
		step = SLEEP
#endif
	}
	:: d_step { step == LOOK_FIRST ->
		printf("%d looks first\n", w);
		do
		:: e < EDGES ->
			if
			:: is_unseen(e) -> look_first(e)
			:: else -> skip
			fi;
			e++
		:: else -> break
		od;
		e = 0;
		step = LOOK_THEN
	}
	:: atomic { step == LOOK_THEN ->
		d_step {
			printf("%d looks then, and runs what can run\n", w);
			do
			:: e < EDGES ->
				if
				:: is_unseen(e) -> look_then(e)
				:: else -> skip
				fi;
				e++
			:: else -> break
			od;
			e = 0;
			hungry = starving
		}
		if
		:: w == 0 -> run_sequencer()
		:: else -> skip
		fi;
		if
		:: w == place(C) -> run_actor(C)
		:: else -> skip
		fi;
		if
		:: w == place(D) -> run_actor(D)
		:: else -> skip
		fi;
		if
		:: w == place(F) -> run_actor(F)
		:: else -> skip
		fi;
		d_step {
			skip;
			if
			:: w == 0 -> find_words(Q)
			:: else -> skip
			fi;
			if
			:: w == place(C) -> find_words(C)
			:: else -> skip
			fi;
			if
			:: w == place(D) -> find_words(D)
			:: else -> skip
			fi;
			tell_hunger();
			dirty = 0;
			do
			:: e < EDGES ->
				if
				:: reads(w, e) -> seen[e] = 0
				:: else -> skip
				fi;
				e++
			:: else -> break
			od;
			e = 0;
			to_tell = 0;
			go_on()
		}
	}
	:: d_step { step == TELL_BATCH -> tell(BATCH) }
	:: d_step { step == TELL_WORD ->
#ifdef BREAK_LOOK_BEFORE_TELLING
		look_who_asks();
#endif
		tell(WORD)
	}
	:: d_step { step == TELL_ASK -> tell(ASK) }
	:: d_step { step == TELL_CREDIT -> tell(CREDIT) }
	:: d_step { step == WAKE ->
#ifndef BREAK_NO_FENCE_AFTER_TELLING
		land(w);
#endif
		wake_others();
		forget_turn();
		step = NEXT_TURN
	}
	:: d_step { step == SLEEP && !parked[w] && slot_what[w] != PARKED ->
		printf("%d wakes up\n", w);
		step = NEXT_TURN
	}
#if ARRIVE
	:: d_step { step == SLEEP && idle -> step = NEXT_TURN }
#endif
	od
}

/* Nothing stays stuck: when nobody can go on, all that the sources had is given, every given tick is
 * finished at every actor, and no credit is lost. */
active proctype observer()
{
	byte e;
end:
	timeout ->
	d_step {
		assert(!left_s && !left_y && !left_timers && !left_barriers && !barrier_due);
		assert(!tick[C] && !tick[D] && !tick[F]);
		do
		:: e < EDGES ->
			assert(empty(ring[e]) && !pend[e]);
			assert(put[e] == finished[e] && put[e] == done[e]);
			e++
		:: else -> break
		od;
		e = 0
	}
}

init
{
	atomic {
		run worker(0);
		run worker(1);
		run worker(2)
	}
}
