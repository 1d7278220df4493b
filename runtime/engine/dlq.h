/* SPDX-License-Identifier: Apache-2.0
 * dlq - the dead-letter queue of a running graph: messages that a node has refused or given up,
 * with the reason and their original bytes, on disk until somebody drops them or feeds them again.
 *
 * Its folder: letters.h. Without one (engine_options.dlq NULL) letters are counted and logged
 * only. */
#ifndef ENGINE_DLQ_H
#define ENGINE_DLQ_H

#include "engine/engine.h"

#include <hde/operator.h>

struct dlq;
struct node;

/* Makes engine->dlq before the ingress log is opened. A folder that is there is opened now,
 * otherwise with the first letter. False with err: it is damaged, or another process has it. */
bool dlq_open(struct engine *engine, struct err *err);
void dlq_close(struct dlq *self); /* after the ingress log: what waits for that goes in first */
/* The largest tick of a letter; 0: none. */
uint64_t dlq_mark(const struct dlq *self);

/* The node's thread: puts aside what came in by `port` (index) in this tick, for a reason that is
 * in ctx->said and a code (HDE-Rnnn). msg is lent; NULL: the operator has it, only the reason is
 * kept. */
void dlq_put(struct node *node, const char *code, uint32_t port, uint64_t tick, const hde_msg *msg);

/* Any thread: the ingress log has become durable further. */
void dlq_pump(struct engine *engine);
/* Any thread but the log's: waits until all letters up to the tick are on disk. False: they are
 * not, the disk is full or broken. */
bool dlq_flush(struct engine *engine, uint64_t tick);

/* A letter that is fed again by a log that is taken again: nobody else feeds it. */
void dlq_away(struct engine *engine, uint64_t id);
/* A letter that was fed again was worked off in this tick; or it was not, and stays. */
void dlq_accept(struct engine *engine, uint64_t id, uint64_t tick);
void dlq_return(struct engine *engine, uint64_t id);

/* ---- From outside: the control thread ----------------------------------------------------- */

struct dlq_choice { /* which letters */
    size_t n_ids;
    const uint64_t *ids;
    const char *node; /* all of this node; NULL with no ids: all */
};

/* Removes letters; how many. 0 with err: an id that is not there (then none is removed). */
size_t dlq_drop(struct engine *engine, const struct dlq_choice *choice, struct err *err);
/* Feeds letters again (feed.h); how many. 0 with err: one of them cannot be, then none is. */
size_t dlq_replay(struct engine *engine, const struct dlq_choice *choice, struct err *err);
/* The same as dlq_drop() in a folder that no engine has open. */
size_t dlq_drop_in(const char *folder, const struct dlq_choice *choice, struct err *err);
const char *engine_dlq_folder(const struct engine *engine); /* absolute once it is there; or NULL */

#endif
