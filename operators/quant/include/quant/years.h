/* SPDX-License-Identifier: Apache-2.0
 * years - time to expiry from instants, ACT/365F: seconds / 31,536,000, without any floor. Instants
 * are ns since 1970-01-01 UTC. No clock is read and no time zone is known here. */
#ifndef QUANT_YEARS_H
#define QUANT_YEARS_H

#include <stdbool.h>
#include <stdint.h>

#define YEARS_SECONDS 31536000.0
#define YEARS_DAY (1.0 / 365)

/* Negative where `to` is before `from`. */
double years_between(int64_t from_ns, int64_t to_ns);

/* Days since 1970-01-01 of "YYYY-MM-DD" (proleptic Gregorian); false for anything else. */
bool years_date(const char *text, int64_t *days);

/* "HH:MM+HH:MM", a time of day and the zone's offset to UTC ("15:30+05:30"; the sign may be '-'):
 * seconds after midnight UTC, which may be negative. False for anything else. */
bool years_time_of_day(const char *text, int64_t *seconds);

#endif
