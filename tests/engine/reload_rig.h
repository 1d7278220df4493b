/* SPDX-License-Identifier: Apache-2.0
 * reload_rig - a running graph of swap/... operators, for tests that reload them. */
#ifndef TESTS_RELOAD_RIG_H
#define TESTS_RELOAD_RIG_H

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/reload.h"
#include "engine/stats.h"

enum { DEADLINE_S = 100 };
#define PATIENCE (20 * (int64_t)NS_PER_S) /* the machine may be busy */

struct rig {
    char folder[64], copies[128];
    struct registry *registry;
    struct graph *graph;
    struct engine *engine;
};

/* The plugin file of a version; valid until the next call. */
const char *variant(const char *name);

/* In a folder of its own, without a log. */
void rig_open(struct rig *rig, const char *yaml);
void rig_close(struct rig *rig); /* and the folder is empty */

/* In rig->folder, which was made: the graph of this text, with a folder of plugins and these
 * options beside those of a reload. Not started. False: rig->engine is NULL. */
bool rig_new(struct rig *rig, const char *yaml, const char *plugins,
             const struct engine_options *options, struct err *err);
void rig_free(struct rig *rig);

uint64_t counter(const struct rig *rig, const char *node, const char *name);
struct node_view view_of(const struct rig *rig, const char *node);
void await_seen(const struct rig *rig, uint64_t more); /* samples, by node 'check' */
/* Until it is decided; until its probation is over. */
struct reload_report await_report(const struct rig *rig, uint64_t number);
struct reload_report await_end(const struct rig *rig, uint64_t number);
uint64_t ask(const struct rig *rig, const struct reload_ask *ask);
struct reload_report reload(const struct rig *rig, const char *target, const char *file);
void assert_done(const struct reload_report *report);
/* Nothing lost, nothing doubled, order kept, no state forgotten, up to now and a while longer. */
void assert_intact(const struct rig *rig);

#endif
