/* SPDX-License-Identifier: Apache-2.0
 * lead - the inside of over_hosts: the coordinator's thread, which asks all hosts for one step
 * after the other. */
#ifndef ENGINE_LEAD_H
#define ENGINE_LEAD_H

#include "engine/over_hosts.h"

#define MOVE_NAME "move" /* of the shares of a move */

struct lead;
struct lead *lead_new(struct over_hosts *host, const struct graph *graph, struct net *net);
void lead_stop(struct lead *self);
void lead_free(struct lead *self);

/* As over_hosts.h says of the same. */
bool lead_savepoint(struct lead *self, const char *name, struct err *err);
void lead_report(struct lead *self, const char *name, struct savepoint_report *out);
uint32_t lead_move(struct lead *self, const Hde__ControlMove *ask, struct err *err);
uint32_t lead_relink(struct lead *self, const Hde__ControlApply *ask, const struct graph *after,
                     struct err *err);
/* Until the move of that number is decided; false: it was given up. */
bool lead_wait(struct lead *self, uint32_t number, struct err *err);
/* False: this process does not know of it. */
bool lead_moved(struct lead *self, uint32_t number, Hde__EngineMove *out, struct arena *arena);
/* Whether it is led and not decided. */
bool lead_is_open(struct lead *self, uint32_t number);

/* What is led, for people; NULL: nothing. */
const char *lead_doing(struct lead *self, struct arena *arena);

/* For lead.c, in over_hosts.c: this process begins anew soon; the graphs before and after the move
 * that was prepared last. */
void over_hosts_leave(struct over_hosts *self);
const struct graph *over_hosts_before(const struct over_hosts *self);
const struct graph *over_hosts_after(const struct over_hosts *self);
/* The move of that number for the history, in the arena: done, now. Without nodes and plan where it
 * is not the one that was prepared last. */
void over_hosts_tell(struct over_hosts *self, uint32_t number, Hde__GraphChange *out,
                     struct arena *arena);
void over_hosts_note(struct over_hosts *self, const Hde__GraphChange *change);

#endif
