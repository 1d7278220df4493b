/* SPDX-License-Identifier: Apache-2.0
 * last_words - what a process that crashes still says: the node, its build, and the message.
 *
 * A handler of SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT writes one line to stderr and, where the
 * graph has a checkpoint store, a note into it; then the signal does what it always does. Only
 * async-signal-safe calls, a stack of its own, no memory. The next start reads the note: a build
 * that was just swapped in is taken back (swaps.h). */
#ifndef ENGINE_LAST_WORDS_H
#define ENGINE_LAST_WORDS_H

#include "engine/run.h"

/* Installs the handler, for all engines of the process. */
void last_words_arm(void);
void last_words_disarm(void);
/* Where the note of a crash in this engine goes; NULL: nowhere any more. A crash outside of any
 * engine leaves one in each. */
void last_words_note(const struct engine *engine, const char *folder);
/* Of a worker's thread, when it begins and before it ends. */
void last_words_begin_thread(const struct worker *worker);
void last_words_end_thread(void);

/* This thread is about to call open() of a build that the node does not run; NULL: has done so. */
void last_words_opening(const struct node *node, const char *build);

/* The note that a crash has left in the folder. */
struct crash_note {
    char signal[16], node[STATS_NAME], build[80];
    uint64_t tick; /* of what was worked on */
    int64_t time_ns;
};
bool crash_note_read(const char *folder, struct crash_note *out); /* false: there is none */
void crash_note_remove(const char *folder);

#endif
