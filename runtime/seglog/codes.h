/* SPDX-License-Identifier: Apache-2.0
 * codes - what `hde explain` says about the codes of logs on disk. */
#ifndef SEGLOG_CODES_H
#define SEGLOG_CODES_H

#include "base/code.h"

extern const struct code seglog_codes[]; /* ended by a NULL code */

#endif
