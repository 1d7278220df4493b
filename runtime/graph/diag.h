/* SPDX-License-Identifier: Apache-2.0
 * diag - findings about user input, each with a place, a stable code and the way out. */
#ifndef GRAPH_DIAG_H
#define GRAPH_DIAG_H

#include "base/arena.h"

#include <hde/text.h>
#include <stdbool.h>
#include <stddef.h>

struct place {
    const char *file; /* as the user wrote it; NULL: no file (--set, command line) */
    unsigned line, column; /* from 1; 0: unknown */
};

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct diag {
    enum severity severity;
    const char *code; /* "HDE-G012" */
    struct place place;
    const char *message;  /* what is wrong, one sentence */
    const char *hint;     /* what to do, or NULL: "did you mean 'chain'? ports: chain, clock" */
    const char *nearest;  /* the nearest valid name, or NULL */
    const char *source;   /* the source line, or NULL */
};

struct diags { /* starts as {0} */
    struct arena arena;
    struct diag *list; /* in order of file, line, column after diags_sort() */
    size_t n, cap, errors;
    bool unreadable; /* a file could not be read at all: exit code 66 */
};

void diags_fini(struct diags *diags);
void diags_sort(struct diags *diags);
/* file:line:column: error HDE-G012: message / source line / caret / hint */
void diags_print(const struct diags *diags, hde_text *out, bool color);
void diags_json(const struct diags *diags, hde_text *out); /* one JSON array */

#endif
