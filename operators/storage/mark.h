/* SPDX-License-Identifier: Apache-2.0
 * mark - a small file beside text files: up to which tick, and how long, they are whole.
 *
 * It is written aside, synced and renamed, so it is the old one or the new one after a crash. What
 * a file has behind its length was written without its mark, and comes again. */
#ifndef STORAGE_MARK_H
#define STORAGE_MARK_H

#include <hde/text.h>

#include <stdbool.h>
#include <stdint.h>

enum { MARK_FILES = 64, MARK_NAME = 160, MARK_OWNER = 512 };

struct mark {
    char owner[MARK_OWNER]; /* "graph/node" */
    uint64_t tick;          /* 0: none yet */
    unsigned n;
    struct mark_file {
        char name[MARK_NAME]; /* what tells one file from the others; no white space */
        uint64_t length;
    } file[MARK_FILES];
};

/* NULL: it says nothing of that file. */
uint64_t *mark_length(struct mark *mark, const char *name);
/* False: there are MARK_FILES others. */
bool mark_set(struct mark *mark, const char *name, uint64_t length);

enum mark_state { MARK_NONE, MARK_READ, MARK_BAD };
enum mark_state mark_read(const char *path, struct mark *out);
/* 0, or errno: the old one is still there. */
int mark_write(const char *path, const struct mark *mark);

#endif
