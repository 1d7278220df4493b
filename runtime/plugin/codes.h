/* SPDX-License-Identifier: Apache-2.0
 * codes - why a plugin is refused, for `hde explain`. */
#ifndef PLUGIN_CODES_H
#define PLUGIN_CODES_H

#include "base/code.h"

extern const struct code plugin_codes[]; /* in order; ended by a NULL code */

#endif
