/* SPDX-License-Identifier: Apache-2.0
 * changes - requests for another graph: one after another on a thread of their own, with what
 * became of each; and the graphs that were loaded for them. What is done about one is apply.c's and
 * joint.c's. */
#ifndef ENGINE_CHANGES_H
#define ENGINE_CHANGES_H

#include "engine/apply.h"
#include "graph/plan.h"

#include <pthread.h>

struct change {
    struct change *next;
    struct arena arena; /* texts of the request and of the report */
    struct apply_ask ask;
    Hde__GraphChange report;
    struct err err;
    struct change_plan *plan;
    uint64_t id;       /* over hosts (agreement.h); 0: none yet */
    bool goes_back;    /* to the graph before */
    uint64_t undone;   /* then, over hosts: the change that is taken back */
    bool is_decided;   /* over hosts: it is made, whatever happens here */
    bool is_lost;      /* the coordinator went away in between: it knows */
    bool has_failed;   /* a host was ready and has not made it: it is taken back */
    Hde__ControlReload *reload; /* ask.reload */
    uint8_t *resolved; /* of a log that is taken again: what ran, was agreed to then */
    size_t size;
};

struct change *change_new(const struct apply_ask *ask);
/* What its plan says can be done, and the request agrees to lose what would be lost. */
bool change_agrees(struct change *change);
Hde__ControlError *change_error(struct change *change, const struct err *err); /* in its arena */
/* What it came to, in the report. */
void change_say(struct change *change, Hde__ChangeState state);
void change_log(const struct change *change, const char *graph); /* when it is over */
void change_free(struct change *change);

struct changes {
    void (*work)(void *arg, struct change *change); /* on the thread */
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    bool is_stopping;
    uint64_t last; /* number given last */
    uint32_t n_queued;
    struct change *queue, **tail;
    struct packed {
        uint64_t number;
        uint8_t *bytes;
        size_t size;
    } history[APPLY_HISTORY]; /* by number: Hde__GraphChange */
};

/* Starts the thread. False: HDE-R004, and nothing to close. */
bool changes_open(struct changes *self, void (*work)(void *arg, struct change *change), void *arg,
                  const char *thread, struct err *err);
void changes_stop(struct changes *self); /* ends the thread */
void changes_close(struct changes *self);
/* Any thread. Takes the change; 0: too many wait, and it is the caller's again. */
uint64_t changes_add(struct changes *self, struct change *change);
/* The change's thread. */
void changes_note(struct changes *self, struct change *change, Hde__ChangeState state);
void changes_end(struct changes *self, struct change *change, Hde__ChangeState state);
/* Any thread. What was made elsewhere, newest first: by an earlier process, or as a move of nodes. */
void changes_take(struct changes *self, const Hde__EngineChanges *made);
/* Any thread; as apply_changes(), self may be NULL. */
Hde__EngineChanges *changes_show(struct changes *self, uint64_t number);

/* ---- Graphs ------------------------------------------------------------------------------- */

struct version {
    struct version *next;
    struct graph *graph;
};

/* One thread's. {registry, plugins, host} is enough to begin with. */
struct versions {
    const struct registry *registry; /* NULL: nothing can be loaded from a file */
    const char *plugins;             /* folders, where operators are that came since */
    const char *host;                /* of the graphs that this process is; NULL: none */
    struct version *newest;
    struct rescan *rescans; /* newest first */
};

/* The file that the change names, as it is now. */
struct graph *versions_load(struct versions *self, const struct change *change, struct err *err);
/* Keeps a graph that something points into from now on. */
void versions_keep(struct versions *self, struct graph *graph);
void versions_fini(struct versions *self);

#endif
