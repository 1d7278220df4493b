/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/years.h"

#include <stddef.h>

double
years_between(int64_t from_ns, int64_t to_ns)
{
    int64_t ns;

    if (__builtin_sub_overflow(to_ns, from_ns, &ns))
        return ((double)to_ns - (double)from_ns) * 1e-9 / YEARS_SECONDS;
    return (double)ns * 1e-9 / YEARS_SECONDS;
}

/* Reads `digits` digits; NULL where there are none. */
static const char *
read_digits(const char *at, int digits, int *value)
{
    *value = 0;
    for (int i = 0; at && i < digits; i++, at++) {
        if (*at < '0' || *at > '9')
            return NULL;
        *value = *value * 10 + (*at - '0');
    }
    return at;
}

static const char *
read_char(const char *at, char wanted)
{
    return at && *at == wanted ? at + 1 : NULL;
}

static bool
is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

bool
years_date(const char *text, int64_t *days)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int year, month, day, length;
    const char *at = read_digits(text, 4, &year);

    at = read_digits(read_char(at, '-'), 2, &month);
    at = read_digits(read_char(at, '-'), 2, &day);
    if (!at || *at || year < 1 || month < 1 || month > 12)
        return false;
    length = before[month] - before[month - 1] + (month == 2 && is_leap(year));
    if (day < 1 || day > length)
        return false;
    int64_t past = year - 1; /* whole years before this one */
    *days = past * 365 + past / 4 - past / 100 + past / 400 + before[month - 1] + day - 1 +
            (month > 2 && is_leap(year)) - 719162;
    return true;
}

bool
years_time_of_day(const char *text, int64_t *seconds)
{
    int hour, minute, zone_hour, zone_minute;
    const char *at = read_digits(text, 2, &hour);
    char sign;

    at = read_digits(read_char(at, ':'), 2, &minute);
    if (!at || (*at != '+' && *at != '-'))
        return false;
    sign = *at++;
    at = read_digits(at, 2, &zone_hour);
    at = read_digits(read_char(at, ':'), 2, &zone_minute);
    if (!at || *at || hour > 24 || minute > 59 || zone_hour > 14 || zone_minute > 59)
        return false;
    *seconds =
        hour * 3600 + minute * 60 - (sign == '+' ? 1 : -1) * (zone_hour * 3600 + zone_minute * 60);
    return true;
}
