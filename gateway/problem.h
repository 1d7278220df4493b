/* SPDX-License-Identifier: Apache-2.0
 * problem - what went wrong with a request, as application/problem+json (RFC 9457).
 *
 * The first problem of a request wins; faults of several parameters are collected in errors[]. */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include <hde/text.h>

/* Starts as {0}: no problem. */
struct problem {
    int status;       /* HTTP status, 0: none */
    const char *code; /* stable: clients and tests look at it */
    const char *title;
    char detail[384];
    const char *allow; /* 405: the methods that work */
    hde_text errors;   /* JSON objects, separated by commas */
    unsigned n_errors;
    bool hang_up; /* what follows on this connection cannot be trusted */
};

/* A fault of one parameter, part of the path ("{symbol}") or header. */
struct fault {
    const char *parameter, *code, *nearest; /* nearest may be NULL */
    const char *const *allowed;             /* n_allowed words, may be NULL */
    size_t n_allowed;
};

void problem_fini(struct problem *problem);
/* Sets the problem unless there is one; code must be in the table of problem.c. Gives false. */
bool problem_set(struct problem *problem, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, and one entry of errors[] with the same detail. Gives false. */
bool problem_fault(struct problem *problem, const char *code, const struct fault *fault,
                   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void problem_print(const struct problem *problem, const char *instance, const char *trace_id,
                   hde_text *out);

/* The word of the list that is nearest to text by edits (case is free), NULL if none is near. */
const char *nearest_word(const char *text, const char *const *words, size_t n_words);

#endif
