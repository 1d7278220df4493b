/* SPDX-License-Identifier: Apache-2.0
 * stage - loads another version of a plugin beside the one that runs.
 *
 * The loader knows files by path and inode: a file that was replaced gives the old code again while
 * it is open, and one that is written in place takes the process down. So what is opened is always
 * a private copy under a path that was never used before, and afterwards it is checked that the
 * table lies in that copy. [test_a_file_that_was_replaced_gives_the_new_code] */
#ifndef PLUGIN_STAGE_H
#define PLUGIN_STAGE_H

#include "plugin/load.h"

struct stage {
    struct arena arena;   /* its texts and operators */
    const char *file;     /* of the user, absolute */
    const char *path;     /* the copy */
    const char *build_id; /* hex */
    struct plugin plugin;
    uint32_t users; /* instances that run its code or may; the owner counts */
};

/* Inspects file and copies it to FOLDER/NAME-BUILDID-NUMBER.so (the folder is made, mode 0700, the
 * copy has 0500; no number is given twice). Nothing of it runs. NULL: HDE-P001 to HDE-P010, P017
 * without a build id, P018 where the copy cannot be made. */
struct stage *stage_new(const char *file, const char *folder, struct err *err);
/* The same from a copy that was kept, of a file that may be another one or gone by now. */
struct stage *stage_again(const char *kept, const char *file, const char *folder, struct err *err);
/* Opens the copy. HDE-P011, P012, P019. Its code may run from here on. */
bool stage_load(struct stage *stage, struct err *err);
/* The operator of that name; NULL (HDE-P016, or as plugin_operator()). */
const hde_operator *stage_find(struct stage *stage, const char *name, struct err *err);
/* Unloads, removes the copy, frees. Nothing may point into it any more. Gives NULL, or why the
 * loader keeps it mapped (a constant). */
const char *stage_free(struct stage *stage);
/* The same at the end of the process: the code stays mapped. */
void stage_leave(struct stage *stage);

#endif
