/* SPDX-License-Identifier: Apache-2.0
 * ask - the query parameters of a request as values. */
#include "ask.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };
#define DAY_NS (86400 * (int64_t)NS_PER_S)

uint64_t
ask_hash(uint64_t seed, const void *bytes, size_t size)
{
    const unsigned char *s = bytes;

    for (size_t i = 0; i < size; i++)
        seed = (seed ^ s[i]) * 0x100000001b3u;
    return seed;
}

/* ---- Dates and instants ------------------------------------------------------------------- */

/* Exactly n digits at s, or -1. */
static int
digits(const char *s, size_t n)
{
    int value = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        value = value * 10 + (s[i] - '0');
    }
    return value;
}

static int
days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* YYYY-MM-DD at s (more may follow); out gets the broken-down date. */
static bool
parse_date(const char *s, struct tm *out)
{
    int year = digits(s, 4), month, day;

    if (year < 1970 || year > 2200 || s[4] != '-')
        return false;
    month = digits(s + 5, 2);
    if (month < 1 || month > 12 || s[7] != '-')
        return false;
    day = digits(s + 8, 2);
    if (day < 1 || day > days_of_month(year, month))
        return false;
    *out = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    return true;
}

/* "Z" or "+05:30"; seconds east, or INT_MIN-like INT32_MIN when it is neither. */
static int32_t
parse_zone(const char *s)
{
    int hours, minutes;

    if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
        return 0;
    if ((s[0] != '+' && s[0] != '-') || strlen(s) != 6 || s[3] != ':')
        return INT32_MIN;
    hours = digits(s + 1, 2);
    minutes = digits(s + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return INT32_MIN;
    return (s[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/* RFC 3339 with zone: "2026-08-19T09:15:00+05:30", fractions to the nanosecond. */
static bool
parse_rfc3339(const char *s, int64_t *ns)
{
    struct tm tm;
    int hour, minute, second;
    int64_t fraction = 0;
    int32_t zone;

    if (strlen(s) < 20 || !parse_date(s, &tm) || (s[10] != 'T' && s[10] != 't'))
        return false;
    hour = digits(s + 11, 2);
    minute = s[13] == ':' ? digits(s + 14, 2) : -1;
    second = s[16] == ':' ? digits(s + 17, 2) : -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    s += 19;
    if (*s == '.') {
        int64_t unit = NS_PER_S / 10;

        if (!isdigit((unsigned char)s[1]))
            return false;
        for (s++; isdigit((unsigned char)*s); s++, unit /= 10)
            fraction += (*s - '0') * unit;
    }
    zone = parse_zone(s);
    if (zone == INT32_MIN)
        return false;
    tm.tm_hour = hour;
    tm.tm_min = minute;
    tm.tm_sec = second;
    *ns = ((int64_t)timegm(&tm) - zone) * NS_PER_S + fraction;
    return true;
}

/* "-30m", "-2h", "-1d", "-90s". */
static bool
parse_relative(const char *s, int64_t *ns)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    int64_t count = 0;
    size_t n = 1;

    if (s[0] != '-' || !isdigit((unsigned char)s[1]))
        return false;
    for (; isdigit((unsigned char)s[n]); n++) {
        count = count * 10 + (s[n] - '0');
        if (count > LIMIT_RANGE_DAYS * 86400)
            return false;
    }
    if (s[n] == '\0' || s[n + 1] != '\0')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit == s[n] && count * units[i].seconds <= LIMIT_RANGE_DAYS * 86400) {
            *ns = -count * units[i].seconds * NS_PER_S;
            return true;
        }
    }
    return false;
}

static bool
parse_instant(const struct argument *argument, struct instant *out, struct problem *problem)
{
    static const char *const forms[] = {"2026-08-19T09:15:00+05:30", "2026-08-19T03:45:00Z", "-30m",
                                        "open"};

    if (strcmp(argument->value, "open") == 0)
        out->kind = INSTANT_OPEN;
    else if (parse_relative(argument->value, &out->ns))
        out->kind = INSTANT_RELATIVE;
    else if (parse_rfc3339(argument->value, &out->ns))
        out->kind = INSTANT_ABSOLUTE;
    else
        return problem_fault(problem, "invalid_parameter",
                             &(struct fault){argument->name, .allowed = forms, .n_allowed = 4},
                             "%s is an instant with zone (RFC 3339), a time back from the newest "
                             "data of at most %d days, or open",
                             argument->name, LIMIT_RANGE_DAYS);
    return true;
}

/* ---- The parameters ----------------------------------------------------------------------- */

static bool
parse_expiry(const struct argument *argument, unsigned allowed, struct ask *ask,
             struct problem *problem)
{
    static const char *const words[] = {"nearest", "next", "YYYY-MM-DD", "all"};
    size_t n_words = allowed & ASK_ALL ? 4 : 3;
    const char *value = argument->value;
    struct tm date;

    if (strcmp(value, "nearest") == 0)
        ask->expiry = EXPIRY_NEAREST;
    else if (strcmp(value, "next") == 0)
        ask->expiry = EXPIRY_NEXT;
    else if (strcmp(value, "all") == 0 && (allowed & ASK_ALL))
        ask->expiry = EXPIRY_ALL;
    else if (strlen(value) == 10 && parse_date(value, &date)) {
        ask->expiry = EXPIRY_DATE;
        memcpy(ask->expiry_date, value, sizeof ask->expiry_date);
    } else {
        return problem_fault(problem, "invalid_parameter",
                             &(struct fault){"expiry", .allowed = words, .n_allowed = n_words,
                                             .nearest = nearest_word(value, words, n_words)},
                             "expiry is a date that exists or a word");
    }
    return true;
}

static bool
parse_strike(const char *start, size_t size, double *strike)
{
    char text[32], *end;

    if (size == 0 || size >= sizeof text)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)start[i]) && start[i] != '.')
            return false;
    }
    memcpy(text, start, size);
    text[size] = '\0';
    *strike = strtod(text, &end);
    return *end == '\0' && isfinite(*strike) && *strike > 0;
}

static bool
parse_strike_list(const char *value, struct ask *ask)
{
    for (;;) {
        const char *stop = strchrnul(value, ',');

        if (ask->n_strikes == LIMIT_STRIKES ||
            !parse_strike(value, (size_t)(stop - value), &ask->strike[ask->n_strikes]))
            return false;
        ask->n_strikes++;
        if (*stop == '\0')
            return true;
        value = stop + 1;
    }
}

/* What follows "atm": nothing, "±N" or "+-N". */
static bool
parse_aside(const char *s, size_t *aside)
{
    size_t n;

    *aside = 0;
    if (*s == '\0')
        return true;
    if (strncmp(s, "\xC2\xB1", 2) != 0 && strncmp(s, "+-", 2) != 0)
        return false;
    s += 2;
    n = strlen(s);
    if (n < 1 || n > 3 || digits(s, n) < 0 || digits(s, n) > LIMIT_STRIKES)
        return false;
    *aside = (size_t)digits(s, n);
    return true;
}

static bool
parse_strikes(const struct argument *argument, struct ask *ask, struct problem *problem)
{
    static const char *const forms[] = {"atm\302\26110", "atm+-10", "24500,24550"};

    if (strncmp(argument->value, "atm", 3) == 0) {
        ask->strikes = STRIKES_ATM;
        if (parse_aside(argument->value + 3, &ask->strikes_aside))
            return true;
    } else {
        ask->strikes = STRIKES_LIST;
        if (parse_strike_list(argument->value, ask))
            return true;
    }
    return problem_fault(problem, "invalid_parameter",
                         &(struct fault){"strikes", .allowed = forms, .n_allowed = 3},
                         "strikes is atm\xC2\xB1N with N up to %d, or a list of up to %d positive "
                         "numbers",
                         LIMIT_STRIKES, LIMIT_STRIKES);
}

static bool
parse_limit(const struct argument *argument, struct ask *ask, struct problem *problem)
{
    static const char *const range[] = {"1..10000"};
    const char *value = argument->value;
    size_t n = strlen(value);
    int limit = n >= 1 && n <= 5 ? digits(value, n) : -1;

    if (limit < 1 || limit > LIMIT_POINTS)
        return problem_fault(problem, "invalid_parameter",
                             &(struct fault){"limit", .allowed = range, .n_allowed = 1},
                             "limit is a whole number from 1 to %d", LIMIT_POINTS);
    ask->limit = (size_t)limit;
    return true;
}

const char *const interval_names[INTERVALS] = {"raw", "5m", "15m", "1h"};
const int64_t interval_ns[INTERVALS] = {1, 300 * (int64_t)NS_PER_S, 900 * (int64_t)NS_PER_S,
                                        3600 * (int64_t)NS_PER_S};

static bool
parse_interval(const char *value, struct ask *ask, struct problem *problem)
{
    for (int i = 0; i < INTERVALS; i++)
        if (strcmp(value, interval_names[i]) == 0) {
            ask->interval = (enum interval)i;
            return true;
        }
    return problem_fault(problem, "invalid_parameter",
                         &(struct fault){"interval", .allowed = interval_names,
                                         .n_allowed = INTERVALS,
                                         .nearest = nearest_word(value, interval_names, INTERVALS)},
                         "interval is raw, or that of a rollup");
}

/* ---- Cursors ------------------------------------------------------------------------------ */

/* Everything that must stay the same between two pages: route, symbol and the other parameters. */
static uint32_t
query_mark(const struct target *target, const char *route, const char *symbol)
{
    uint64_t hash = ask_hash(ASK_HASH_SEED, route, strlen(route) + 1);

    hash = ask_hash(hash, symbol, strlen(symbol) + 1);
    for (size_t i = 0; i < target->n_arguments; i++) {
        const struct argument *argument = &target->argument[i];

        if (strcmp(argument->name, "cursor") == 0 || strcmp(argument->name, "limit") == 0)
            continue;
        hash = ask_hash(hash, argument->name, strlen(argument->name) + 1);
        hash = ask_hash(hash, argument->value, strlen(argument->value) + 1);
    }
    return (uint32_t)(hash ^ hash >> 32);
}

/* 16 hex digits of position, 8 of the query, 8 that guard both: "c1" is the version. */
static uint32_t
cursor_guard(uint64_t after, uint32_t mark)
{
    uint64_t hash = ask_hash(ASK_HASH_SEED, &after, sizeof after);

    hash = ask_hash(hash, &mark, sizeof mark);
    return (uint32_t)(hash ^ hash >> 32);
}

void
ask_print_cursor(char out[ASK_CURSOR_SIZE], const struct target *target, const char *route,
                 const char *symbol, int64_t after)
{
    uint32_t mark = query_mark(target, route, symbol);

    snprintf(out, ASK_CURSOR_SIZE, "c1%016" PRIx64 "%08" PRIx32 "%08" PRIx32, (uint64_t)after, mark,
             cursor_guard((uint64_t)after, mark));
}

static bool
parse_cursor(const char *value, struct ask *ask, const struct target *target, const char *route,
             const char *symbol, struct problem *problem)
{
    uint32_t mark, guard;
    uint64_t after;
    int used = 0;

    if (strlen(value) != 34 || strspn(value + 2, "0123456789abcdef") != 32 ||
        sscanf(value, "c1%16" SCNx64 "%8" SCNx32 "%8" SCNx32 "%n", &after, &mark, &guard, &used) !=
            3 ||
        used != 34 || guard != cursor_guard(after, mark))
        return problem_fault(problem, "invalid_cursor", &(struct fault){"cursor"},
                             "this is not a cursor of this gateway: take it from links.next");
    if (mark != query_mark(target, route, symbol))
        return problem_fault(problem, "invalid_cursor", &(struct fault){"cursor"},
                             "this cursor belongs to another query: only limit may change between "
                             "pages");
    ask->resumed = true;
    ask->after = (int64_t)after;
    return true;
}

void
ask_put_escaped(hde_text *out, const char *s)
{
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("-._~,:@", *s))
            hde_text_put(out, s, 1);
        else
            hde_text_printf(out, "%%%02X", (unsigned char)*s);
    }
}

void
ask_print_query(hde_text *out, const struct target *target, const char *cursor)
{
    hde_text_puts(out, "?");
    for (size_t i = 0; i < target->n_arguments; i++) {
        if (strcmp(target->argument[i].name, "cursor") == 0)
            continue;
        ask_put_escaped(out, target->argument[i].name);
        hde_text_puts(out, "=");
        ask_put_escaped(out, target->argument[i].value);
        hde_text_puts(out, "&");
    }
    hde_text_printf(out, "cursor=%s", cursor);
}

/* ---- All of them -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned bit;
} known[] = {{"expiry", ASK_EXPIRY}, {"strikes", ASK_STRIKES}, {"from", ASK_FROM},
             {"to", ASK_TO},         {"limit", ASK_LIMIT},     {"cursor", ASK_CURSOR},
             {"interval", ASK_INTERVAL}};
enum { N_KNOWN = sizeof known / sizeof *known };

static unsigned
find_bit(const char *name)
{
    for (size_t i = 0; i < N_KNOWN; i++) {
        if (strcmp(known[i].name, name) == 0)
            return known[i].bit;
    }
    return 0;
}

static bool
refuse_unsupported(const char *name, unsigned allowed, struct problem *problem)
{
    const char *words[N_KNOWN];
    char list[128] = "";
    size_t n = 0;

    for (size_t i = 0; i < N_KNOWN; i++) {
        if (!(allowed & known[i].bit))
            continue;
        words[n++] = known[i].name;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", n > 1 ? ", " : "",
                 known[i].name);
    }
    return problem_fault(problem, "unsupported_parameter",
                         &(struct fault){name, .allowed = words, .n_allowed = n,
                                         .nearest = nearest_word(name, words, n)},
                         n ? "'%.64s' is not taken here; allowed: %s"
                           : "'%.64s' is not taken here; this resource has no parameters%s",
                         name, list);
}

static bool
parse_one(struct ask *ask, const struct target *target, const struct argument *argument,
          unsigned allowed, const char *route, const char *symbol, struct problem *problem)
{
    switch (find_bit(argument->name)) {
    case ASK_EXPIRY:
        return parse_expiry(argument, allowed, ask, problem);
    case ASK_STRIKES:
        return parse_strikes(argument, ask, problem);
    case ASK_FROM:
        return parse_instant(argument, &ask->from, problem);
    case ASK_TO:
        return parse_instant(argument, &ask->to, problem);
    case ASK_LIMIT:
        return parse_limit(argument, ask, problem);
    case ASK_INTERVAL:
        return parse_interval(argument->value, ask, problem);
    default:
        return parse_cursor(argument->value, ask, target, route, symbol, problem);
    }
}

bool
ask_parse(struct ask *ask, const struct target *target, unsigned allowed, const char *route,
          const char *symbol, struct problem *problem)
{
    unsigned seen = 0;

    memset(ask, 0, offsetof(struct ask, strike));
    ask->from = ask->to = (struct instant){0};
    ask->interval = INTERVAL_RAW;
    ask->limit = 0;
    ask->resumed = false;
    for (size_t i = 0; i < target->n_arguments; i++) {
        const struct argument *argument = &target->argument[i];
        unsigned bit = find_bit(argument->name);

        if (!(bit & allowed))
            refuse_unsupported(argument->name, allowed, problem);
        else if (bit & seen)
            problem_fault(problem, "duplicate_parameter", &(struct fault){argument->name},
                          "%s is given more than once", argument->name);
        else
            parse_one(ask, target, argument, allowed, route, symbol, problem);
        seen |= bit;
    }
    if (ask->from.kind == INSTANT_ABSOLUTE && ask->to.kind == INSTANT_ABSOLUTE) {
        if (ask->from.ns > ask->to.ns)
            problem_fault(problem, "invalid_range", &(struct fault){"from"}, "from is after to");
        else if (ask->to.ns - ask->from.ns > LIMIT_RANGE_DAYS * DAY_NS)
            problem_fault(problem, "invalid_range", &(struct fault){"from"},
                          "from and to are more than %d days apart", LIMIT_RANGE_DAYS);
    }
    return problem->status == 0;
}
