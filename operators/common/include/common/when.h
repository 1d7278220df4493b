/* SPDX-License-Identifier: Apache-2.0
 * when - dates and instants as text. Pure.
 *
 * A day is a number of days since 1970-01-01 in the proleptic Gregorian calendar; an instant is ns
 * since 1970 UTC; an offset is seconds east of UTC. */
#ifndef COMMON_WHEN_H
#define COMMON_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEN_SECOND INT64_C(1000000000)
#define WHEN_DAY_S 86400

int32_t when_day(int year, int month, int day);
void when_civil(int32_t day, int *year, int *month, int *mday);
/* 0 is Monday. */
int when_weekday(int32_t day);

/* The day of an instant in a zone, and the seconds since that day's midnight. */
int32_t when_day_of(int64_t ns, int32_t offset_s);
int64_t when_midnight(int32_t day, int32_t offset_s);

/* "2026-08-19"; out has 16 bytes. */
void when_print_day(int32_t day, char *out);
bool when_parse_day(const char *text, int32_t *day);

/* "+05:30", "-0300", "Z", "UTC". False when it is none of these. */
bool when_parse_offset(const char *text, int32_t *offset_s);
/* "09:15" or "09:15:30" as seconds of the day, up to 24:00. */
bool when_parse_clock(const char *text, int32_t *seconds);
/* Reads all of text by a pattern of %Y %m %d %b %H %M %S %f %z and literal characters. What the
 * pattern has no field for stays 0; offset_s is used unless %z was read. %S and %z may be missing
 * at the end of the text; %f takes up to 9 digits of a fraction. */
bool when_parse(const char *pattern, const char *text, size_t size, int32_t offset_s, int64_t *ns);

#endif
