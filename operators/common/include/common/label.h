/* SPDX-License-Identifier: Apache-2.0
 * label - what a message type is called where a reader tells messages apart by it. */
#ifndef COMMON_LABEL_H
#define COMMON_LABEL_H

#include <protobuf-c/protobuf-c.h>
#include <string.h>

/* "Zones" for hde.Zones; in full for a type that a plugin brings: "my.PairSpread". */
static inline const char *
type_label(const ProtobufCMessageDescriptor *type)
{
    return strcmp(type->package_name, "hde") == 0 ? type->short_name : type->name;
}

#endif
