/* SPDX-License-Identifier: Apache-2.0
 * codes - how a graph fails while it starts or runs, for `hde explain`. */
#ifndef ENGINE_CODES_H
#define ENGINE_CODES_H

#include "base/code.h"

extern const struct code engine_codes[]; /* in order; ended by a NULL code */

#endif
