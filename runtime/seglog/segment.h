/* SPDX-License-Identifier: Apache-2.0
 * segment - the files of a folder: their names, their heads. */
#ifndef SEGLOG_SEGMENT_H
#define SEGLOG_SEGMENT_H

#include "base/err.h"
#include "seglog/format.h"

#include <limits.h>

struct segment_list { /* {0} is fine */
    size_t n, cap;
    uint64_t *first; /* positions, in order */
};

/* False with err: the folder cannot be read. */
bool segment_list(struct segment_list *list, const char *folder, struct err *err);
void segment_list_fini(struct segment_list *list);
/* The last segment that begins at or before, else the first. */
size_t segment_find(const struct segment_list *list, uint64_t position);

/* A segment is made as .tmp and becomes .seg when its head is durable. */
#define SEGMENT_SUFFIX ".seg"
#define SEGMENT_SUFFIX_NEW ".tmp"
bool segment_path(char path[PATH_MAX], const char *folder, uint64_t first, const char *suffix);
/* Whether the name is one; *first then. */
bool segment_name(const char *name, const char *suffix, uint64_t *first);

void segment_head_make(struct segment_head *head, uint64_t first, uint64_t tick_before,
                       int64_t event_before);
/* Opens it and reads its head. -1 with err, and errno (0: it is no segment). */
int segment_open(const char *folder, uint64_t first, int flags, struct segment_head *head,
                 struct err *err);

#endif
