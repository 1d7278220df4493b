/* SPDX-License-Identifier: Apache-2.0
 * engines - which engines of this user are running on this machine, and where to reach them.
 *
 * Every engine keeps files that end with it:
 *   FOLDER/GRAPH-PID.sock        control endpoint      FOLDER: $XDG_RUNTIME_DIR/hde or /tmp/hde-UID
 *   FOLDER/GRAPH-PID.engine      lines "key value": the entry below
 *   FOLDER/GRAPH-PID.plugins/    private copies of reloaded plugins, if there were any
 *   /dev/shm/hde-UID/GRAPH-PID   counters (engine/stats.h)
 * Folders are the user's own with mode 0700, otherwise they are refused. What a process left that
 * is gone (no such pid, or another process with that number) is removed by whoever lists. */
#ifndef CONTROL_ENGINES_H
#define CONTROL_ENGINES_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

struct engine_entry {
    const char *graph;    /* name of the graph */
    const char *file;     /* its top file, absolute */
    const char *endpoint; /* "ipc:///run/user/1000/hde/market-4711.sock" */
    const char *stats;    /* file of the counters */
    const char *plugins;  /* folder for copies of plugins; made when it is needed */
    const char *admin;    /* "127.0.0.1:9100", or "" */
    int pid;
    uint64_t born; /* start time of the process in ticks since boot: tells a reused pid */
};

/* Chooses names for an engine of this process and makes the folders. Texts live in arena.
 * endpoint NULL: the default. */
bool engines_prepare(const char *graph, const char *file, const char *endpoint, struct arena *arena,
                     struct engine_entry *entry, struct err *err);
bool engines_add(const struct engine_entry *entry, struct err *err);
void engines_remove(const struct engine_entry *entry); /* all its files */
/* Those that live, sorted by graph and pid. */
size_t engines_list(struct arena *arena, struct engine_entry **out);

#endif
