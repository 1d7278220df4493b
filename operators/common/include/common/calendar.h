/* SPDX-License-Identifier: Apache-2.0
 * calendar - a venue's trading sessions, instants of expiry and lot sizes, as data.
 *
 * A calendar is a YAML file (operators/common/calendars/nse.yaml has the format and explains it).
 * Immutable once loaded; any thread. */
#ifndef COMMON_CALENDAR_H
#define COMMON_CALENDAR_H

#include "common/when.h"

struct calendar;

struct session {
    int32_t day; /* the venue's date */
    int64_t open_ns, close_ns;
    int64_t cash_close_ns; /* after it the index stands still; close_ns where it does not */
};

/* Told every mistake of a file, as "FILE:LINE:COLUMN: text". */
typedef void calendar_report(void *user, const char *text);

/* name is that of a shipped calendar ("nse", "always") or the path of a file. NULL after at least
 * one report. */
struct calendar *calendar_read(const char *name, calendar_report *report, void *user);
/* The same with the first mistake in error. */
struct calendar *calendar_load(const char *name, char *error, size_t size);
void calendar_free(struct calendar *calendar);
/* The text of a shipped calendar; NULL if there is none of that name. */
const char *calendar_text(const char *name, size_t *size);

const char *calendar_venue(const struct calendar *calendar);
int32_t calendar_offset(const struct calendar *calendar); /* seconds east of UTC */
int32_t calendar_today(const struct calendar *calendar, int64_t ns);

/* Whether what is said of a date has yet to be published by the venue. */
bool calendar_provisional(const struct calendar *calendar, int32_t day);
/* The session of a date. False on a day without one. */
bool calendar_day(const struct calendar *calendar, int32_t day, struct session *out);
/* The session that an instant belongs to: that of its date (which may still be to come or be
 * over), on a day without one the last before. False if there is none within 30 days. */
bool calendar_session(const struct calendar *calendar, int64_t ns, struct session *out);
/* The first session that opens after an instant. False if there is none within 30 days. */
bool calendar_next_open(const struct calendar *calendar, int64_t ns, struct session *out);

/* When contracts of that expiry date stop: at the time of expiry of that date, else at the close
 * of its session. False when that day has none. */
bool calendar_expiry(const struct calendar *calendar, int32_t day, int64_t *ns);
/* Units a contract of that underlying and expiry date; NaN where the calendar does not know. */
double calendar_lot(const struct calendar *calendar, const char *underlying, int32_t expiry);
/* The i-th underlying that the calendar has lots of; NULL beyond the last. */
const char *calendar_underlying(const struct calendar *calendar, size_t i);

#endif
