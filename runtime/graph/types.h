/* SPDX-License-Identifier: Apache-2.0
 * types - operators that carry message types of others (HDE_MORE_TYPES): by name, of any plugin. */
#ifndef GRAPH_TYPES_H
#define GRAPH_TYPES_H

#include "base/arena.h"
#include "plugin/registry.h"

/* Of a port or the state of any operator; NULL: no plugin has it. */
const ProtobufCMessageDescriptor *types_find(const struct registry *registry, const char *name);
/* The operator with one type more, as operator.h says: itself where it has it. In the arena, but
 * for what is the plugin's. NULL: it takes no more types, or has an output of that name
 * (HDE-G361). */
const hde_operator *types_add(const hde_operator *op, const ProtobufCMessageDescriptor *type,
                              struct arena *arena);
/* The same with all of `names`. NULL with *err: HDE-G360, HDE-G361. */
const hde_operator *types_add_all(const struct registry *registry, const hde_operator *op,
                                  const hde_list *names, struct arena *arena, struct err *err);
/* The same for another build of the operator: the types are those that the ports of `like` have.
 * NULL: it cannot carry one of them. */
const hde_operator *types_like(const hde_operator *op, const hde_operator *like,
                               const hde_list *names, struct arena *arena);

/* NULL: the same names, flags and types; otherwise the port that differs. */
const char *types_other_port(const hde_port *a, const hde_port *b);
/* One operator of one build, but for the message types that it carries. */
bool types_same_build(const hde_operator *a, const hde_operator *b);

#endif
