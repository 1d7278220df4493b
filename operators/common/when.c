/* SPDX-License-Identifier: Apache-2.0
 * when - dates and instants as text. */
#include "common/when.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Days from civil and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
int32_t
when_day(int year, int month, int day)
{
    int y = year - (month <= 2);
    int era = (y >= 0 ? y : y - 399) / 400;
    int yoe = y - era * 400;
    int doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

void
when_civil(int32_t day, int *year, int *month, int *mday)
{
    int z = day + 719468;
    int era = (z >= 0 ? z : z - 146096) / 146097;
    int doe = z - era * 146097;
    int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int mp = (5 * doy + 2) / 153;

    *mday = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + era * 400 + (*month <= 2);
}

int
when_weekday(int32_t day)
{
    return (int)(((int64_t)day % 7 + 7 + 3) % 7);
}

int32_t
when_day_of(int64_t ns, int32_t offset_s)
{
    int64_t s = ns / WHEN_SECOND - (ns % WHEN_SECOND < 0) + offset_s;

    return (int32_t)(s / WHEN_DAY_S - (s % WHEN_DAY_S < 0));
}

int64_t
when_midnight(int32_t day, int32_t offset_s)
{
    return ((int64_t)day * WHEN_DAY_S - offset_s) * WHEN_SECOND;
}

void
when_print_day(int32_t day, char *out)
{
    int y, m, d;

    when_civil(day, &y, &m, &d);
    if (y < 0 || y > 9999)
        y = y < 0 ? 0 : 9999;
    snprintf(out, 16, "%04d-%02u-%02u", y, (unsigned)m % 100, (unsigned)d % 100);
}

/* Reads 1 to `most` digits. */
static bool
digits(const char **p, const char *end, int most, int *out)
{
    int n = 0, value = 0;

    while (*p < end && n < most && **p >= '0' && **p <= '9') {
        value = value * 10 + (*(*p)++ - '0');
        n++;
    }
    *out = value;
    return n > 0;
}

static bool
read_offset(const char **p, const char *end, int32_t *offset_s)
{
    int hours, minutes = 0, sign;

    if (*p < end && (**p == 'Z' || **p == 'z')) {
        (*p)++;
        *offset_s = 0;
        return true;
    }
    if (*p == end || (**p != '+' && **p != '-'))
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    if (!digits(p, end, 2, &hours))
        return false;
    if (*p < end && **p == ':')
        (*p)++;
    if (*p < end && !digits(p, end, 2, &minutes))
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return hours <= 14 && minutes < 60;
}

bool
when_parse_offset(const char *text, int32_t *offset_s)
{
    const char *p = text, *end = text + strlen(text);

    if (strcmp(text, "UTC") == 0) {
        *offset_s = 0;
        return true;
    }
    return read_offset(&p, end, offset_s) && p == end;
}

bool
when_parse_clock(const char *text, int32_t *seconds)
{
    const char *p = text, *end = text + strlen(text);
    int h, m, s = 0;

    if (!digits(&p, end, 2, &h) || p == end || *p++ != ':' || !digits(&p, end, 2, &m))
        return false;
    if (p < end && (*p++ != ':' || !digits(&p, end, 2, &s)))
        return false;
    *seconds = h * 3600 + m * 60 + s;
    return p == end && m < 60 && s < 60 && *seconds <= WHEN_DAY_S;
}

static bool
read_month(const char **p, const char *end, int *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    if (end - *p < 3)
        return false;
    for (int i = 0; i < 12; i++)
        if (strncasecmp(*p, names + 3 * i, 3) == 0) {
            *p += 3;
            *month = i + 1;
            return true;
        }
    return false;
}

static bool
read_fraction(const char **p, const char *end, int64_t *ns)
{
    int64_t unit = WHEN_SECOND / 10;
    const char *start = *p;

    for (*ns = 0; *p < end && **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
        *ns += unit * (**p - '0');
    return *p > start && *p - start <= 9;
}

static int
days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

bool
when_parse(const char *pattern, const char *text, size_t size, int32_t offset_s, int64_t *ns)
{
    const char *p = text, *end = text + size;
    int year = 1970, month = 1, day = 1, h = 0, m = 0, s = 0;
    int64_t fraction = 0;
    bool ok = true;

    for (const char *f = pattern; *f && ok; f++) {
        if (p == end && (strcmp(f, "%z") == 0 || strncmp(f, ":%S", 3) == 0))
            break; /* what may be missing */
        if (*f != '%') {
            ok = p < end && *p++ == *f;
            continue;
        }
        switch (*++f) {
        case 'Y':
            ok = digits(&p, end, 4, &year);
            break;
        case 'm':
            ok = digits(&p, end, 2, &month);
            break;
        case 'd':
            ok = digits(&p, end, 2, &day);
            break;
        case 'b':
            ok = read_month(&p, end, &month);
            break;
        case 'H':
            ok = digits(&p, end, 2, &h);
            break;
        case 'M':
            ok = digits(&p, end, 2, &m);
            break;
        case 'S':
            ok = digits(&p, end, 2, &s);
            break;
        case 'f':
            ok = read_fraction(&p, end, &fraction);
            break;
        case 'z':
            ok = read_offset(&p, end, &offset_s);
            break;
        default:
            return false;
        }
    }
    if (!ok || p != end || year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || h > 23 || m > 59 || s > 60)
        return false;
    *ns = when_midnight(when_day(year, month, day), offset_s) +
          (h * 3600 + m * 60 + s) * WHEN_SECOND + fraction;
    return true;
}

bool
when_parse_day(const char *text, int32_t *day)
{
    int64_t ns;

    if (!when_parse("%Y-%m-%d", text, strlen(text), 0, &ns))
        return false;
    *day = when_day_of(ns, 0);
    return true;
}
