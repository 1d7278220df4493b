/* SPDX-License-Identifier: Apache-2.0
 * savepoint - epochs with a name: kept until they are removed, whole in one file, restored without
 * the log. Of a graph in parts: across.h. */
#ifndef ENGINE_SAVEPOINT_H
#define ENGINE_SAVEPOINT_H

#include "engine/engine.h"

#include <hde/schemas/runtime.pb-c.h>

/* ---- Files: any process -------------------------------------------------------------------- */

/* Letters, digits, '.', '_' and '-', at most 100, not beginning with '.'. */
bool savepoint_is_name(const char *name);
/* STORE/savepoints/NAME; lives in arena. */
const char *savepoint_path(const char *store, const char *name, struct arena *arena);
/* Whether one can be called so: HDE-R085. */
bool savepoint_name_is_free(const char *store, const char *name, struct err *err);
/* The caller frees it with hde__epoch__free_unpacked(). NULL with err: it is not there, not whole
 * or no savepoint. */
Hde__Epoch *savepoint_read(const char *path, struct err *err);
/* Replaces what is there, whole or not at all. */
bool savepoint_write(const char *path, const Hde__Epoch *savepoint, struct err *err);
bool savepoint_remove(const char *path, struct err *err);

/* A savepoint's graph files, as they were loaded; of a graph that was not made of files that of its
 * path and those of the places of its nodes, as they are now. */
struct savepoint_files {
    size_t n;
    Hde__GraphFile **item;
};
void savepoint_files_read(const struct graph *graph, struct savepoint_files *out);
void savepoint_files_fini(struct savepoint_files *files);
/* Lends the epoch what makes a savepoint of it, writes it, and takes that back. */
bool savepoint_write_named(const char *path, const char *name, const struct savepoint_files *files,
                           Hde__Epoch *epoch, struct err *err);

/* Says of each node and source what a start of the graph from the savepoint would do; true: it
 * would start. */
enum savepoint_fit { SAVEPOINT_FITS, SAVEPOINT_NOTE, SAVEPOINT_UNFIT };
typedef void savepoint_found(void *arg, enum savepoint_fit fit, const char *node, const char *text);
bool savepoint_check(const Hde__Epoch *savepoint, const struct graph *graph, savepoint_found *found,
                     void *arg);

/* The next start of a graph with this store goes on from the savepoint. Refused while an engine has
 * the log, or that of a part. */
bool savepoint_restore(const char *store, const char *log, const Hde__Epoch *savepoint,
                       struct err *err);

/* ---- A running engine ---------------------------------------------------------------------- */

struct savepoint_report {
    enum { SAVEPOINT_NONE, SAVEPOINT_WAITING, SAVEPOINT_DONE, SAVEPOINT_FAILED } state;
    uint64_t tick, bytes;
    char path[512];
    struct err err; /* FAILED */
};

/* Any thread. False with err: not now, or the name is taken. Else it is under way. */
bool savepoint_ask(struct engine *engine, const char *name, struct err *err);
/* Of the one that was asked for last under this name. Any thread. */
void savepoint_report(struct engine *engine, const char *name, struct savepoint_report *out);

/* For across.c: the share of one part. taken() is called once at most, on any thread, with its
 * epoch, or with NULL and err; the number is that of the asking. After savepoint_cancel() it may
 * still come from a thread that was on its way. */
typedef void savepoint_taken(void *arg, uint32_t number, const struct engine *engine,
                             const Hde__Epoch *epoch, const struct err *err);
struct savepoint_share {
    savepoint_taken *taken;
    void *arg;
    uint32_t number;
    bool ends; /* the part drains when it has come to its cut: the share is its last epoch */
};
bool savepoint_ask_part(struct engine *engine, const struct savepoint_share *share,
                        struct err *err);
void savepoint_cancel(struct engine *engine);
/* Calls mark(arg) with the number if the tick is the barrier of a savepoint of a part that is being
 * taken. */
void savepoint_mark(struct engine *engine, uint64_t tick, void (*mark)(void *arg, uint32_t number),
                    void *arg);

/* For epoch.c and sequencer.c */
struct savepoints;
void savepoints_open(struct engine *engine);
void savepoints_close(struct savepoints *self);
bool savepoints_are_wanted(struct savepoints *self); /* sequencer: a barrier is to be given now */
bool savepoints_end(struct savepoints *self); /* and it is to be the last one */
void savepoints_begin(struct savepoints *self, uint64_t tick, bool is_last); /* by this one */
/* Thread of epochs: the epoch is complete, and safe as such if ok. */
void savepoints_commit(struct savepoints *self, Hde__Epoch *epoch, bool ok);

#endif
