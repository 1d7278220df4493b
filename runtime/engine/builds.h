/* SPDX-License-Identifier: Apache-2.0
 * builds - the plugin files that an ingress log needs, kept beside it in the folder `builds`.
 *
 *  (1) A file is there as a whole, synced, before an entry of the log names its build.
 *      [test_recovery_runs_the_build_that_ran]
 *  (2) It goes when no node runs it, no kept epoch and no entry that the log still has names it.
 *      [test_a_build_that_nothing_names_is_deleted]
 *  (3) What is known of the files is the catalogue, one small file that is replaced as a whole. It
 *      says too which builds are blocked, and which swaps are void since a crash.
 *
 * Any thread: a lock of its own, held over file operations, so never on the data path. */
#ifndef ENGINE_BUILDS_H
#define ENGINE_BUILDS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct builds;

struct build {
    const char *id;     /* hex */
    const char *path;   /* of the file that is kept */
    const char *origin; /* where it came from */
    uint32_t crc;       /* CRC32C */
    uint64_t size;
};

/* log: folder of the ingress log; last: position of its last entry, which counts as the one that
 * names what was held when its writer died. HDE-R045. */
struct builds *builds_open(const char *log, uint64_t last, struct err *err);
void builds_close(struct builds *self);
/* Keeps a copy of the file, whose build id is known, unless there is one, and holds it until
 * builds_named() tells which entry names it. is_own: origin is the file that the plugin path of the
 * graph gives, not one from elsewhere. HDE-R042. */
bool builds_keep(struct builds *self, const char *file, const char *origin, bool is_own,
                 const char *id, struct err *err);
bool builds_is_own(struct builds *self, const char *id);
/* The build is not to be loaded again (why: of a crash); texts live in arena. */
bool builds_block(struct builds *self, const char *id, const char *why, struct err *err);
bool builds_unblock(struct builds *self, const char *id, struct err *err);
struct blocked {
    const char *id, *origin, *why;
    int64_t since_ns; /* wall clock */
};
size_t builds_blocked(struct builds *self, struct arena *arena, const struct blocked **out);
bool builds_is_blocked(struct builds *self, const char *id);
/* The swap of that tick never happened, nor did the epochs from it until the last tick of its
 * start. Durable when it returns true; the build of the swap is blocked by the same change. */
bool builds_void(struct builds *self, uint64_t swap, uint64_t until, const char *id,
                 const char *why, struct err *err);
bool builds_is_void(struct builds *self, uint64_t swap);
/* The history of reloads: the newest `max` stay; one of the same number is replaced. */
struct Hde__KeptReload;
void builds_add_reload(struct builds *self, struct Hde__KeptReload *taken, size_t max);
void builds_each_reload(struct builds *self,
                        void (*found)(void *arg, const struct Hde__KeptReload *reload), void *arg);
void builds_each_void(struct builds *self, void (*found)(void *arg, uint64_t swap, uint64_t until),
                      void *arg);
/* Position of an entry that names the build. */
void builds_named(struct builds *self, const char *id, uint64_t position);
/* The build, its file read and compared with size and checksum; texts live in arena. HDE-R040. */
bool builds_find(struct builds *self, const char *id, struct arena *arena, struct build *out,
                 struct err *err);
/* Deletes files that only entries before `first` name, unless is_needed(arg, id) says otherwise. */
void builds_retire(struct builds *self, uint64_t first,
                   bool (*is_needed)(void *arg, const char *id), void *arg);

#endif
