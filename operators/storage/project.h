/* SPDX-License-Identifier: Apache-2.0
 * project - a message with some of its fields only, for sinks that write a choice of them. */
#ifndef STORAGE_PROJECT_H
#define STORAGE_PROJECT_H

#include <hde/operator.h>

struct projection;

/* The chosen fields of a type as dotted paths ("expiry", "metrics.pcr.oi"): NULL where it has none
 * of them. found[i] becomes true for each path that the type has. */
struct projection *projection_new(const ProtobufCMessageDescriptor *type, const hde_list *paths,
                                  bool *found);
void projection_free(struct projection *projection);
/* A shallow copy in scratch memory that lends from message. */
const ProtobufCMessage *projection_of(hde_ctx *ctx, const struct projection *projection,
                                      const ProtobufCMessage *message);

#endif
