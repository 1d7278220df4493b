/* SPDX-License-Identifier: Apache-2.0
 * params - an operator's parameter table and a mapping of a graph file to its state. */
#ifndef GRAPH_PARAMS_H
#define GRAPH_PARAMS_H

#include "graph/variables.h"

#include <hde/operator.h>

/* Fills a zeroed state from map (NULL: defaults only); texts come from the resolver's arena. place
 * is where a parameter is reported that is not there. *resolved: the map without variables, for
 * graph_refill_params(). False when there was an error. */
bool params_fill(struct resolver *resolver, struct scope *scope, const hde_operator *op,
                 struct place place, const struct yaml *map, void *state,
                 const struct yaml **resolved);
const hde_param *params_find(const hde_operator *op, const char *name);
/* The finding "op has no parameter name", with a code of the caller. */
void params_unknown(struct diags *diags, const hde_operator *op, struct place place,
                    const char *code, const char *name);
const char *params_type_name(hde_param_type type); /* "duration" */

#endif
