/* SPDX-License-Identifier: Apache-2.0
 * common_calendar_test - sessions, instants of expiry and lots are what a file says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/calendar.h"

static struct calendar *
shipped(const char *name)
{
    char error[256];
    struct calendar *calendar = calendar_load(name, error, sizeof error);

    if (!calendar)
        fail_msg("%s", error);
    return calendar;
}

static int64_t
at(const char *text)
{
    int64_t ns;

    assert_true(when_parse("%Y-%m-%dT%H:%M:%S", text, strlen(text), 19800, &ns));
    return ns;
}

static int32_t
on(const char *text)
{
    int32_t day;

    assert_true(when_parse_day(text, &day));
    return day;
}

static void
test_a_date_has_the_hours_of_its_week_or_its_own(void **state)
{
    static const struct {
        const char *date, *open, *close, *cash_close, *expiry; /* open NULL: closed */
    } rows[] = {
        {"2019-05-23", "09:15:00", "15:30:00", "15:30:00", "15:30:00"},
        {"2026-07-31", "09:15:00", "15:30:00", "15:30:00", "15:30:00"},
        {"2026-08-03", "09:15:00", "15:40:00", "15:15:00", "15:30:00"},
        {"2026-08-22", NULL, NULL, NULL, NULL},                        /* Saturday */
        {"2026-11-10", NULL, NULL, NULL, NULL},                        /* holiday */
        {"2026-02-01", "09:15:00", "15:30:00", "15:30:00", "15:30:00"}, /* Sunday of the budget */
        {"2025-10-21", "13:45:00", "14:45:00", "14:45:00", "14:45:00"}, /* Muhurat, ends it all */
        {"2021-02-24", "09:15:00", "17:00:00", "17:00:00", "15:30:00"}, /* extended */
        {"2019-10-27", "18:15:00", "19:15:00", "19:15:00", "19:15:00"}, /* Muhurat on a Sunday */
    };
    struct calendar *nse = shipped("nse");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct session s;
        int64_t expiry = 0;
        bool is_open = calendar_day(nse, on(rows[i].date), &s);
        char text[4][32];

        if (is_open != (rows[i].open != NULL) ||
            calendar_expiry(nse, on(rows[i].date), &expiry) != is_open)
            fail_msg("%s: open %d", rows[i].date, is_open);
        if (!is_open)
            continue;
        const char *const clock[] = {rows[i].open, rows[i].close, rows[i].cash_close,
                                     rows[i].expiry};
        const int64_t said[] = {s.open_ns, s.close_ns, s.cash_close_ns, expiry};
        for (int k = 0; k < 4; k++) {
            snprintf(text[k], sizeof text[k], "%sT%s", rows[i].date, clock[k]);
            if (said[k] != at(text[k]))
                fail_msg("%s: not %s", rows[i].date, text[k]);
        }
    }
    calendar_free(nse);
}

static void
test_instants_belong_to_sessions(void **state)
{
    struct calendar *nse = shipped("nse");
    struct session s;

    assert_true(calendar_session(nse, at("2026-08-23T12:00:00"), &s)); /* a Sunday */
    assert_int_equal(s.day, on("2026-08-21"));
    assert_true(calendar_next_open(nse, at("2026-08-21T09:15:00"), &s));
    assert_int_equal(s.day, on("2026-08-24"));
    assert_false(calendar_provisional(nse, on("2026-12-31")));
    assert_true(calendar_provisional(nse, on("2027-01-01")));
    calendar_free(nse);
}

/* Days with a session by year: weekdays less holidays plus special weekend sessions. Holidays on
 * weekdays are as many as the exchange announced, with closures ad hoc. */
static void
test_years_have_as_many_sessions_as_the_exchange_held(void **state)
{
    static const struct {
        int year, holidays, weekend_sessions;
    } rows[] = {
        {2018, 15, 0}, {2019, 17, 1}, {2020, 12, 2}, {2021, 13, 0}, {2022, 12, 0},
        {2023, 15, 1}, {2024, 16, 3}, {2025, 13, 1}, {2026, 16, 2},
    };
    struct calendar *nse = shipped("nse");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int closed = 0, weekend = 0;
        struct session s;

        for (int32_t day = when_day(rows[i].year, 1, 1); day < when_day(rows[i].year + 1, 1, 1);
             day++) {
            bool is_open = calendar_day(nse, day, &s);

            if (when_weekday(day) < 5)
                closed += !is_open;
            else
                weekend += is_open;
        }
        if (closed != rows[i].holidays || weekend != rows[i].weekend_sessions)
            fail_msg("%d: %d weekdays closed, %d sessions on weekends", rows[i].year, closed,
                     weekend);
    }
    calendar_free(nse);
}

static void
test_lots_depend_on_underlying_and_expiry(void **state)
{
    static const struct {
        const char *underlying, *expiry;
        double units; /* NaN: not known */
    } rows[] = {
        {"NIFTY", "2019-05-23", 75},      {"NIFTY", "2021-07-22", 75},
        {"NIFTY", "2021-07-29", 50},      {"NIFTY", "2024-05-02", 25},
        {"NIFTY", "2024-12-19", 25},      {"NIFTY", "2025-01-02", 75},
        {"NIFTY", "2025-12-30", 75},      {"NIFTY", "2026-08-25", 65},
        {"BANKNIFTY", "2018-10-25", 40},  {"BANKNIFTY", "2019-09-05", 20},
        {"BANKNIFTY", "2020-07-30", 25},  {"BANKNIFTY", "2023-07-27", 15},
        {"BANKNIFTY", "2025-02-27", 30},  {"BANKNIFTY", "2025-07-31", 35},
        {"BANKNIFTY", "2026-01-27", 30},  {"FINNIFTY", "2026-01-27", 60},
        {"MIDCPNIFTY", "2025-06-26", 120}, {"GOLD", "2026-08-25", NAN},
        {"NIFTY", "2017-12-28", NAN},
    };
    struct calendar *nse = shipped("nse");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double lot = calendar_lot(nse, rows[i].underlying, on(rows[i].expiry));

        if (!(lot == rows[i].units || (isnan(lot) && isnan(rows[i].units))))
            fail_msg("%s %s: %g", rows[i].underlying, rows[i].expiry, lot);
    }
    calendar_free(nse);
}

/* ---- Mistakes -------------------------------------------------------------------------------- */

struct said {
    char text[2000];
    int n;
};

static void
on_mistake(void *user, const char *text)
{
    struct said *said = user;
    size_t used = strlen(said->text);

    snprintf(said->text + used, sizeof said->text - used, "%s\n", strchr(text, ':'));
    said->n++;
}

static struct calendar *
read_text(const char *yaml, struct said *said)
{
    char path[] = "/tmp/calendar-XXXXXX";
    int fd = mkstemp(path);
    struct calendar *calendar;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, strlen(yaml)), (int)strlen(yaml));
    close(fd);
    *said = (struct said){"", 0};
    calendar = calendar_read(path, on_mistake, said);
    unlink(path);
    return calendar;
}

#define HEAD "venue: X\ntimezone: \"+05:30\"\n"
#define WEEK "weeks: [{mon: 09:15-15:30}]\n"

static void
test_mistakes_are_told_all_at_once_with_their_places(void **state)
{
    static const struct {
        const char *yaml, *said; /* said: parts of it, each with the place */
    } rows[] = {
        {HEAD, ":1:1: weeks: at least one"},
        {"timezone: UTC\n" WEEK, ":1:1: venue"},
        {"venue: X\ntimezone: noon\n" WEEK, ":2:11: timezone"},
        {HEAD WEEK "moon: 1\n", ":4:1: 'moon' is no key"},
        {HEAD "weeks: 5\n", ":3:8: a list of weeks"},
        {HEAD "weeks: [{mon: 9-5}]\n", ":3:15: hours like"},
        {HEAD "weeks: [{mon: 15:30-09:15}]\n", ":3:15: hours like"},
        {HEAD "weeks: [{mno: 09:15-15:30}]\n", ":3:10: 'mno' is no key"},
        {HEAD "weeks: [{from: 2026-01-01}, {from: 2025-01-01}]\n", ":3:29: weeks are listed"},
        {HEAD WEEK "days: {2026-13-01: closed}\n", ":4:8: a date like"},
        {HEAD WEEK "days: {2026-08-17: shut}\n", ":4:20: hours like"},
        {HEAD WEEK "days:\n  2026-08-17: closed\n  2026-08-17: 10:00-11:00\n",
         ":6:3: the same date twice"},
        {HEAD WEEK "days: {2026-08-18: closed}\n", ":4:8: that day is closed anyway"},
        {HEAD WEEK "days: {2026-08-17: {hours: closed, closed: 1}}\n", ":4:36: 'closed' is no key"},
        {HEAD WEEK "days: {2026-08-17: {expiry: 15:30}}\n", ": hours like"},
        {HEAD WEEK "expiry: noon\n", ":4:9: a time like"},
        {HEAD WEEK "lots: {X: 75}\n", ":4:11: {DATE"},
        {HEAD WEEK "lots: {X: {2026-01-01: -5}}\n", ":4:24: units"},
        {HEAD WEEK "lots: {X: {2026-01-01: 5, 2025-01-01: 7}}\n", ":4:27: lots are listed"},
        {HEAD WEEK "provisional_from: soon\n", ":4:19: a date like"},
        {"- 1\n", ":1:1: a mapping"},
        {HEAD "weeks: [\n", ":4:1:"},
    };
    struct said said;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct calendar *calendar = read_text(rows[i].yaml, &said);

        if (calendar || !strstr(said.text, rows[i].said))
            fail_msg("%s\nsaid: %s\nnot: %s", rows[i].yaml, said.text, rows[i].said);
    }
    assert_null(read_text(HEAD "weeks: [{mon: 1}]\nlots: {X: {soon: 1}}\nexpiry: x\n", &said));
    assert_int_equal(said.n, 3);
}

static void
test_a_special_session_may_have_its_own_expiry(void **state)
{
    struct said said;
    struct calendar *calendar = read_text(
        "venue: X\ntimezone: UTC\nexpiry: \"16:00\"\n"
        "weeks: [{mon: 09:00-17:00}, {from: 2026-01-01, mon: 09:00-17:00, expiry: close}]\n"
        "days: {2025-08-18: {hours: 09:00-17:00, expiry: \"12:00\"}}\n",
        &said);
    static const struct {
        const char *date;
        int hour;
    } rows[] = {{"2025-08-11", 16}, {"2025-08-18", 12}, {"2026-08-17", 17}};

    assert_non_null(calendar);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ns;

        assert_true(calendar_expiry(calendar, on(rows[i].date), &ns));
        assert_true(ns == when_midnight(on(rows[i].date), 0) + rows[i].hour * 3600 * WHEN_SECOND);
    }
    calendar_free(calendar);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_date_has_the_hours_of_its_week_or_its_own),
        cmocka_unit_test(test_instants_belong_to_sessions),
        cmocka_unit_test(test_years_have_as_many_sessions_as_the_exchange_held),
        cmocka_unit_test(test_lots_depend_on_underlying_and_expiry),
        cmocka_unit_test(test_mistakes_are_told_all_at_once_with_their_places),
        cmocka_unit_test(test_a_special_session_may_have_its_own_expiry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
