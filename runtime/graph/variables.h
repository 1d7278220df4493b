/* SPDX-License-Identifier: Apache-2.0
 * variables - ${vars.x}, ${NAME:-default} and ${file:path} in the scalars of a tree.
 *
 * A scalar that is exactly one ${...} becomes the value itself (a list, a mapping), anything else
 * becomes text. "$${" writes "${". Texts from files are secret: they are never shown. */
#ifndef GRAPH_VARIABLES_H
#define GRAPH_VARIABLES_H

#include "graph/yaml.h"

enum { SECRET_MAX = 64 << 10, VARIABLE_DEPTH_MAX = 32, TEXT_MADE_MAX = 64 << 20 };

struct scope;

struct variable {
    const char *name;
    const struct yaml *value;
    struct scope *scope; /* where the value's own variables are looked up */
    enum { VARIABLE_NEW, VARIABLE_BUSY, VARIABLE_DONE } state;
};

struct scope { /* the variables of one file in one place */
    size_t n;
    struct variable *list;
};

struct resolver {
    struct arena *arena;
    struct diags *diags;
    enum severity missing; /* of an environment variable or a secret that is not there */
    unsigned depth;        /* of variables that need variables */
    size_t made;           /* bytes of text put together so far */
    bool is_done;          /* everything was resolved before: resolve() gives what it got */
};

struct variable *scope_find(const struct scope *scope, const char *name);

/* The node with everything filled in: the same node where nothing was to do. A node of kind
 * UNKNOWN stands for what is missing and was found already. scope may be NULL. */
const struct yaml *resolve(struct resolver *resolver, struct scope *scope, const struct yaml *node);
/* How a value is shown in a finding: cut to a sane length, "(secret)" for secrets. */
const char *show(struct resolver *resolver, const struct yaml *node);

#endif
