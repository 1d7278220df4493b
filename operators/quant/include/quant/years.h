/* SPDX-License-Identifier: Apache-2.0
 * years - time to expiry from instants, ACT/365F: seconds / 31,536,000, without any floor. Instants
 * are ns since 1970-01-01 UTC. No clock is read and no time zone is known here. */
#ifndef QUANT_YEARS_H
#define QUANT_YEARS_H

#include <stdint.h>

#define YEARS_SECONDS 31536000.0
#define YEARS_DAY (1.0 / 365)

/* Negative where `to` is before `from`. */
double years_between(int64_t from_ns, int64_t to_ns);

#endif
