/* SPDX-License-Identifier: Apache-2.0
 * codes - every stable code of hde: graphs (G), plugins (P), running (R), logs on disk (L),
 * stores (S), Redis (D), Kafka (K), command line (C). */
#ifndef CMD_CODES_H
#define CMD_CODES_H

#include "base/code.h"

#include <stddef.h>

extern const struct code redis_codes[]; /* ended by an empty one; given out by connectors */
extern const struct code store_codes[]; /* ended by a NULL code */
extern const struct code kafka_codes[];

/* "HDE-P007", "p007", "p7"; NULL if there is no such code. */
const struct code *cmd_code_find(const char *word);
size_t cmd_code_count(void);
const struct code *cmd_code_at(size_t i); /* in order; NULL behind the last */

#endif
