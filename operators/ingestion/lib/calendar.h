/* SPDX-License-Identifier: Apache-2.0
 * calendar - a venue's trading sessions, instants of expiry and lot sizes, as data.
 *
 * A calendar is a YAML file (operators/ingestion/calendars/ has the shipped ones and their
 * explanation). Immutable once loaded; any thread. */
#ifndef INGESTION_CALENDAR_H
#define INGESTION_CALENDAR_H

#include "when.h"

struct calendar;

struct session {
    int32_t day; /* the venue's date */
    int64_t open_ns, close_ns;
};

/* name is that of a shipped calendar ("nse", "always") or the path of a file; NULL with a text in
 * error. */
struct calendar *calendar_load(const char *name, char *error, size_t size);
void calendar_free(struct calendar *calendar);

const char *calendar_venue(const struct calendar *calendar);
int32_t calendar_offset(const struct calendar *calendar); /* seconds east of UTC */
int32_t calendar_today(const struct calendar *calendar, int64_t ns);

/* The session of a date. False on a day without one. */
bool calendar_day(const struct calendar *calendar, int32_t day, struct session *out);
/* The session that an instant belongs to: that of its date (which may still be to come or be
 * over), on a day without one the last before. False if there is none within 30 days. */
bool calendar_session(const struct calendar *calendar, int64_t ns, struct session *out);
/* The first session that opens after an instant. False if there is none within 30 days. */
bool calendar_next_open(const struct calendar *calendar, int64_t ns, struct session *out);

/* When contracts of that expiry date stop: at the calendar's time of expiry, else at the close of
 * that day's session. False when that day has none. */
bool calendar_expiry(const struct calendar *calendar, int32_t day, int64_t *ns);
/* Units a contract of that underlying and expiry date; NaN where the calendar does not know. */
double calendar_lot(const struct calendar *calendar, const char *underlying, int32_t expiry);

#endif
