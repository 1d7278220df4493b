/* SPDX-License-Identifier: Apache-2.0
 * joint - one change that several engines make together, or none of them (K4).
 *
 * Each part of the graph has its change on a thread of its own (apply.h, rewire.h). They meet
 * twice: when everything is prepared everywhere, and when everybody stands behind his cut with the
 * new graph made. Whoever refuses, fails or is late before that makes all go back. The cuts are
 * made one after another, senders before receivers, so that no cut waits for room on a link.
 *
 * The other hosts of the graph are one more member, the last one of the first meeting:
 * joint_last(), what they say, joint_agree(), and then joint_leave(), since each host makes its
 * cuts alone. */
#ifndef ENGINE_JOINT_H
#define ENGINE_JOINT_H

#include "engine/engine.h"

struct joint;

struct joint *joint_new(size_t n);
void joint_free(struct joint *joint);

/* Each of the n calls it as often as the others. Waits for all of them, until end_ns (monotonic)
 * and some seconds more, while the engine (NULL: none, it is for others) runs. False: somebody did
 * not agree; once true, nobody can take it back. */
bool joint_agree(struct joint *joint, const struct engine *engine, bool agrees, int64_t end_ns,
                 const struct err *why);
/* Waits until all others have agreed in this round. False: somebody did not. Once true none of them
 * takes it back or is late, and what the caller tells joint_agree() decides. */
bool joint_last(struct joint *joint, int64_t end_ns);
/* Behind joint_agree(): the others meet without the caller from now on, who is over like them. */
void joint_leave(struct joint *joint);
/* Until `place` of them have called joint_next(). False: somebody did not agree. */
bool joint_turn(struct joint *joint, const struct engine *engine, size_t place, int64_t end_ns);
void joint_next(struct joint *joint);
/* The first refusal counts. */
void joint_refuse(struct joint *joint, const struct engine *engine, const struct err *why);

/* Each when its change is over, one way or the other; and who waits for that. */
void joint_over(struct joint *joint);
void joint_wait(struct joint *joint);
/* Who refused (NULL: those elsewhere), and why. False: nobody did. After joint_wait(). */
bool joint_refused(const struct joint *joint, const struct engine **who, struct err *why);

#endif
