/* SPDX-License-Identifier: Apache-2.0
 * parts_change - another graph in place of one that runs in parts (K4).
 *
 * The new graph has the same links between parts of the same names (graph/parts.h, parts_differ()):
 * links, stores and ends of links stay as they are. It is cut like the old one, and each part makes
 * its share of the change, all of them or none (joint.h). One with other links goes to relink.h,
 * over hosts. A crash in between leaves some parts with the new graph: the next start brings all to
 * what the file says (engine.c, choose_graph()).
 *
 * With other hosts (hosts:) the coordinator leads and all of them make their share, or none
 * (agreement.h). */
#ifndef ENGINE_PARTS_CHANGE_H
#define ENGINE_PARTS_CHANGE_H

#include "engine/apply.h"
#include "engine/parts.h"
#include "graph/parts.h"

struct parts_change;

/* Borrows the parts. What operators' graphs were loaded for a change lives until it is freed, which
 * comes after the engines. */
struct parts_change *parts_change_new(struct parts *parts, const struct engine_options *options);
void parts_change_stop(struct parts_change *self); /* before engines are freed */
void parts_change_free(struct parts_change *self);
/* As apply_ask() and apply_changes(). */
uint64_t parts_change_ask(struct parts_change *self, const struct apply_ask *ask, struct err *err);
/* Whether a reload of that node or operator is a change of several parts or hosts. */
bool parts_change_reloads(const struct parts_change *self, const char *target);
/* Another host asks, over the net that the parts have. Any thread. */
void parts_change_asked(struct parts_change *self, const Hde__ControlShare *said,
                        struct net_question *taken);
/* As agreement_end_doubts(). */
bool parts_change_end_doubts(struct parts_change *self, const char *store, struct err *err);
Hde__EngineChanges *parts_change_show(struct parts_change *self, uint64_t number);
/* One that was made elsewhere, a move of nodes, is shown too. Any thread. */
void parts_change_note(struct parts_change *self, const Hde__GraphChange *made);

/* In parts.c: how the graph that runs is cut; and it runs another one from now on, both lent, the
 * cut's parts and links in the same order. */
const struct graph_cut *parts_cut(const struct parts *parts);
void parts_become(struct parts *parts, const struct graph *graph, const struct graph_cut *cut);
/* A node or an operator of it is called like that. */
bool graph_has_target(const struct graph *graph, const char *target);
/* The store of a part, in the arena; NULL: none. */
const char *parts_store(const struct graph *graph, const char *part, struct arena *arena);

#endif
