/* SPDX-License-Identifier: Apache-2.0
 * across - one savepoint over all parts of a graph (K3).
 *
 * Every part is asked for its share at once. One that has sources alone cuts there and then; its
 * barrier puts a marker on each of its links. One that receives takes what stands in front of the
 * markers, nothing from behind them, and cuts when it has come to all of them: so no link holds
 * anything at the cut, and the savepoint is the shares in one file, without journals. What is far
 * behind makes it wait; nobody else does, and only for that long. One that has ended gives what
 * stood at its end. */
#ifndef ENGINE_ACROSS_H
#define ENGINE_ACROSS_H

#include "engine/parts.h"
#include "engine/savepoint.h"
#include "graph/parts.h"

struct line;
struct link;
struct across;

/* Borrows all, and the parts' engines run until across_free(). */
struct across *across_new(const struct parts *parts, const struct graph_cut *cut,
                          struct link *const *link);
void across_free(struct across *self);
/* As savepoint_ask() and savepoint_report(); HDE-R121 when a part cannot give its share. Any thread. */
bool across_ask(struct across *self, const char *name, struct err *err);
void across_report(struct across *self, const char *name, struct savepoint_report *out);
void across_over(struct across *self, const struct engine *engine); /* it has ended or failed */

/* The share of this host in a savepoint over several. All hosts are armed before any begins: markers
 * of other numbers that come from them are taken away, and this one's wait (link.h). */
struct across_share {
    uint32_t number; /* of the savepoint, the same on all hosts; drawn anew for each */
    const char *name;
    const char *path; /* where the share is written */
    bool ends;        /* every part ends at its cut (savepoint.h) */
    const struct line *line; /* in force; NULL: of a share that is no savepoint */
    size_t n_through;
    Hde__EdgeThrough *const *through; /* edges to and from hosts that have ended and left */
    size_t n_lost;
    const char *const *lost;  /* hosts: nothing comes from them, links to them keep what they have */
};
/* Another one that is under way is given up: who leads knows of this one alone. */
bool across_arm(struct across *self, const struct across_share *share, struct err *err);
bool across_begin(struct across *self, uint32_t number, struct err *err);
/* Of the share of that number; whoever asks keeps it alive. */
void across_look(struct across *self, uint32_t number, struct savepoint_report *out);
void across_give_up(struct across *self, uint32_t number, const struct err *why);
/* Gives up a share after which nobody has asked for so long: who leads is gone. */
void across_expire(struct across *self, int64_t after_ns);

/* The next start goes on from STORE/restore, if that is there: gives each part its share, and
 * empties the journals. Comes before any of them is opened; a crash in between begins again. */
bool across_restore(const struct graph *graph, const struct graph_cut *cut,
                    const char *const *journal, struct err *err);

/* savepoint_check() of whatever savepoint. */
bool across_check(const Hde__Epoch *savepoint, const struct graph *graph, savepoint_found *found,
                  void *arg);

#endif
