/* SPDX-License-Identifier: Apache-2.0
 * parts - the engines of a process: one for each part of the graph, joined by links.
 *
 * A graph without links is one part, and this is its engine. Otherwise each part (graph/parts.h)
 * has an engine with a sequencer, a log, epochs and ticks of its own, and each link (link/link.h)
 * leads from one to another. Under the virtual clock, and where options->log is taken, nothing is
 * cut or nothing leads anywhere: a link is an edge that blocks, or its log speaks for it.
 *
 * Life and threads as those of engine.h. A part that fails ends alone: the others go on, what it
 * would get is kept by its links as far as they reach, and the whole fails when all are over. What
 * gets everything from parts that are over is drained.
 *
 * A graph that was loaded for one host has the parts of that host alone; links to and from others
 * are joined by a net (engine/peers.h). What came to its end stays until the others have what it
 * sent. */
#ifndef ENGINE_PARTS_H
#define ENGINE_PARTS_H

#include "engine/apply.h"
#include "engine/reload.h"

struct net_question;

/* The graph must outlive the parts. Options mean the whole: checkpoints and logs of parts are in
 * folders of theirs, called like the part. */
struct parts *parts_new(const struct graph *graph, const struct engine_options *options,
                        struct err *err);
bool parts_start(struct parts *parts, struct err *err);
enum engine_state parts_state(const struct parts *parts);
bool parts_wait(struct parts *parts, int timeout_ms);
int parts_done_fd(const struct parts *parts);
void parts_drain(struct parts *parts); /* in the order of the links, each when it has all */
void parts_stop(struct parts *parts);
bool parts_join(struct parts *parts, int timeout_ms);
const struct err *parts_error(const struct parts *parts); /* of the first part that failed */
void parts_free(struct parts *parts);

/* What joins this host to the others of the graph; NULL: it has none. */
struct net *parts_net(const struct parts *parts);
/* As peers_waits(). */
const char *parts_waits(const struct parts *parts, const char *host, bool is_up,
                        struct arena *arena);

/* As engine_look(), around what is read of the whole. */
void parts_look(const struct parts *parts);
void parts_looked(const struct parts *parts);
void parts_prometheus(const struct parts *parts, hde_text *out); /* with those of other hosts */
const struct stats *parts_stats(const struct parts *parts); /* of all of them, one picture */
const struct graph *parts_graph(const struct parts *parts); /* the whole */
bool parts_log_level(struct parts *parts, const char *node, int level);
void parts_stall_text(const struct parts *parts, hde_text *out);
void parts_health(const struct parts *parts, hde_health *out);
/* edge: of the whole graph; a link is tapped where it is put, or taken
 * from another host. NULL: it is on other hosts alone. */
struct tap *parts_tap_open(struct parts *parts, size_t edge, size_t depth);

/* Like engine_verify(); of the first part that differs, with the sums of all. */
bool parts_verify(struct parts *parts, struct engine_verified *out);

/* A position of a source that receives over a link: the tick of the sender that it is behind. */
uint64_t parts_link_tick(const uint8_t *at, size_t size);

/* Each engine, for what is asked of one part. */
size_t parts_count(const struct parts *parts);
struct engine *parts_engine(const struct parts *parts, size_t i);
const char *parts_name(const struct parts *parts, size_t i); /* "" where there is only one */
/* The engine of a node (NULL: none in particular), or the only one; else NULL with HDE-R074: `what`
 * is not there for all parts together. */
struct engine *parts_with(const struct parts *parts, const char *node, const char *what,
                          struct err *err);

/* As reload.h says, of a target that one part has; where several parts or hosts have it, a reload
 * is a change: parts_apply_ask(). */
bool parts_reload_is_change(const struct parts *parts, const char *target);
uint64_t parts_reload_ask(struct parts *parts, const struct reload_ask *ask, struct err *err);
size_t parts_reload_reports(struct parts *parts, uint64_t number, struct reload_report *out,
                            size_t max);

/* As apply.h says; over several parts parts_change.h does it. */
uint64_t parts_apply_ask(struct parts *parts, const struct apply_ask *ask, struct err *err);
Hde__EngineChanges *parts_apply_changes(const struct parts *parts, uint64_t number);
/* As parts_change_note(), over hosts. */
void parts_note(struct parts *parts, const Hde__GraphChange *made);
/* As parts_change_end_doubts(). */
bool parts_end_doubts(struct parts *parts, const char *store, struct err *err);
/* What another host says of a change over hosts (agreement.h); there are some. */
void parts_change_over_hosts(struct parts *parts, const Hde__ControlShare *said,
                             struct net_question *taken);

/* As savepoint.h says; over several parts across.h does it. */
struct savepoint_report;
bool parts_savepoint_ask(struct parts *parts, const char *name, struct err *err);
void parts_savepoint_report(struct parts *parts, const char *name, struct savepoint_report *out);
/* What the coordinator of several hosts asks of this one; NULL: nothing is asked. */
struct over_hosts;
struct over_hosts *parts_over_hosts(const struct parts *parts);
void parts_end_at_cut(struct parts *parts); /* as a drain, but each part is told otherwise */
bool parts_listen(struct parts *parts, struct err *err); /* to other hosts, before parts_start() */

/* Like engine_log_start(), of a folder with the logs of parts too. */
bool parts_log_start(const char *folder, struct arena *arena, struct log_start *out,
                     struct err *err);

#endif
