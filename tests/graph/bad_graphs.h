/* SPDX-License-Identifier: Apache-2.0
 * bad_graphs - graphs that are wrong, with what has to be found in them; see bad_test.c. */
#ifndef TESTS_GRAPH_BAD_GRAPHS_H
#define TESTS_GRAPH_BAD_GRAPHS_H

#include <stdbool.h>
#include <stddef.h>

struct bad_graph {
    const char *name, *codes, *text;
    const char *says; /* a part of what is printed, or NULL */
    const char *set;  /* one --set, or NULL */
    const char *file; /* to load instead of main.yaml */
    bool for_run;
};

extern const struct bad_graph bad_graphs[];
extern const size_t n_bad_graphs;

#endif
