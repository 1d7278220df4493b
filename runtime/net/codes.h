/* SPDX-License-Identifier: Apache-2.0
 * codes - what `hde explain` says about the codes of links between hosts. */
#ifndef NET_CODES_H
#define NET_CODES_H

#include "base/code.h"

extern const struct code net_codes[]; /* ended by a NULL code */

#endif
