/* SPDX-License-Identifier: Apache-2.0
 * differ - the first field in which two messages of one type differ. */
#ifndef BASE_DIFFER_H
#define BASE_DIFFER_H

#include <hde/text.h>

#include <stdbool.h>

/* False: they are equal, bit by bit. Appends the field as "metrics.pcr.oi" or "strikes[3]" to path
 * and both values to left and right; one that is not there is "absent". */
bool differ_message(const ProtobufCMessage *a, const ProtobufCMessage *b, hde_text *path,
                    hde_text *left, hde_text *right);

#endif
