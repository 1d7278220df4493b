/* SPDX-License-Identifier: Apache-2.0
 * diag - findings about user input, each with a place, a stable code and the way out. */
#ifndef GRAPH_DIAG_H
#define GRAPH_DIAG_H

#include "base/arena.h"

#include <hde/text.h>
#include <stdbool.h>
#include <stddef.h>

struct nearest;

struct place {
    const char *file;      /* as the user wrote it; NULL: no file (--set, command line) */
    unsigned line, column; /* from 1, columns are characters; 0: unknown */
};

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct diag {
    enum severity severity;
    const char *code; /* "HDE-G012" */
    struct place place;
    const char *message; /* what is wrong, one sentence */
    const char *hint;    /* what to do, or NULL: "ports: chain, clock" */
    const char *nearest; /* the nearest valid name, or NULL; printed in front of the hint */
    const char *source;  /* the source line, or NULL; set by diags_sort() */
};

struct diag_source; /* a text that findings point into */

struct diags { /* starts as {0} */
    struct arena arena;
    struct diag *list; /* in order of file, line, column after diags_sort() */
    size_t n, cap, errors;
    size_t left_out; /* findings over the limit of 1000, not kept */
    bool unreadable; /* a file could not be read at all: exit code 66 */
    struct diag_source *sources;
};

void diags_fini(struct diags *diags);

/* Keeps a copy of a text, so that findings in it show their line. file NULL: the command line. */
void diags_keep_source(struct diags *diags, const char *file, const char *text, size_t size);
/* A line of a kept text without its end, or NULL. */
const char *diags_line(const struct diags *diags, const char *file, unsigned line, size_t *len);

void diags_add(struct diags *diags, enum severity severity, const char *code, struct place place,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The two below speak of the finding that was added last. */
void diags_hint(struct diags *diags, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void diags_nearest(struct diags *diags, const struct nearest *near);

void diags_sort(struct diags *diags); /* also drops repeats, fills in source */
/* file:line:column: error HDE-G012: message / source line / caret / hint */
void diags_print(const struct diags *diags, hde_text *out, bool color);
void diags_json(const struct diags *diags, hde_text *out); /* one JSON array */

#endif
