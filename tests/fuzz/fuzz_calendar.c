/* SPDX-License-Identifier: Apache-2.0
 * fuzz_calendar - any bytes as instants and dates for the shipped calendars, and as text of dates,
 * clocks and patterns. No crash, no overflow, and sessions that hold together. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
    const uint8_t *at;
    size_t left;
};

static uint64_t
next_bytes(struct bytes *b, size_t n)
{
    uint64_t value = 0;

    for (; n > 0; n--)
        value = value << 8 | (b->left ? b->left--, *b->at++ : 0);
    return value;
}

static void
require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_calendar: %s\n", what);
    abort();
}

/* Half of them in the years that the calendars are about. */
static int64_t
next_instant(struct bytes *b)
{
    const int64_t from = when_midnight(when_day(2017, 12, 1), 0);

    return next_bytes(b, 1) % 2 ? (int64_t)next_bytes(b, 8)
                                : from + (int64_t)(next_bytes(b, 4) % 320000000) * WHEN_SECOND;
}

static bool
holds(const struct session *s)
{
    return s->open_ns < s->cash_close_ns && s->cash_close_ns <= s->close_ns;
}

static void
check_instant(const struct calendar *c, int64_t ns)
{
    int32_t today = calendar_today(c, ns);
    struct session s;

    if (calendar_session(c, ns, &s))
        require(holds(&s) && s.day <= today && today - s.day < 30, "session of an instant");
    if (calendar_next_open(c, ns, &s))
        require(holds(&s) && s.open_ns > ns && s.day >= today, "next session");
}

static void
check_day(const struct calendar *c, int32_t day)
{
    const char *name = calendar_underlying(c, (size_t)day % 8);
    struct session s;
    int64_t expiry;
    bool open = calendar_day(c, day, &s);

    calendar_provisional(c, day);
    require(calendar_expiry(c, day, &expiry) == open, "an expiry on a day without session");
    if (open)
        require(holds(&s) && s.day == day && expiry > s.open_ns && expiry <= s.close_ns,
                "session of a day");
    if (name) {
        double lot = calendar_lot(c, name, day);

        require(isnan(lot) || lot >= 1, "a lot");
    }
}

static void
check_text(struct bytes *b)
{
    char text[24], pattern[16], again[16];
    size_t length = next_bytes(b, 1) % sizeof text, n = next_bytes(b, 1) % sizeof pattern;
    int32_t day, seconds;
    int64_t ns;

    for (size_t i = 0; i < length; i++)
        text[i] = "0123456789-:+TZ. JanfebDEC%"[next_bytes(b, 1) % 27];
    text[length] = '\0';
    for (size_t i = 0; i < n; i++)
        pattern[i] = "%Ymdb%HMSfz%-:T "[next_bytes(b, 1) % 16];
    pattern[n] = '\0';
    when_parse(pattern, text, length, 19800, &ns);
    if (when_parse_clock(text, &seconds))
        require(seconds >= 0 && seconds <= WHEN_DAY_S, "seconds of a day");
    if (when_parse_offset(text, &seconds))
        require(seconds > -WHEN_DAY_S && seconds < WHEN_DAY_S, "seconds east");
    if (!when_parse_day(text, &day))
        return;
    when_print_day(day, again);
    require(when_parse_day(again, &seconds) && seconds == day, "a date as text");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct calendar *calendar[2];
    struct bytes b = {data, size};
    char error[200];

    if (!calendar[0]) {
        calendar[0] = calendar_load("nse", error, sizeof error);
        calendar[1] = calendar_load("always", error, sizeof error);
        require(calendar[0] && calendar[1], "a shipped calendar does not load");
    }
    while (b.left) {
        const struct calendar *c = calendar[next_bytes(&b, 1) % 2];

        check_instant(c, next_instant(&b));
        check_day(c, next_bytes(&b, 1) % 2 ? (int32_t)next_bytes(&b, 4)
                                           : 17500 + (int32_t)next_bytes(&b, 2) % 4000);
        check_text(&b);
    }
    return 0;
}
