/* SPDX-License-Identifier: Apache-2.0
 * calendar - a venue's trading sessions, instants of expiry and lot sizes, as data. */
#include "common/calendar.h"

#include "common/shipped.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_DAYS 30
#define AT_CLOSE (-1)

extern const struct shipped_file calendar_files[]; /* made by CMake; ended by {0} */

struct hours { /* seconds of the day; open < 0: closed */
    int32_t open, close;
    int32_t expiry, cash_close; /* AT_CLOSE: when the session ends */
};

struct week {
    int32_t from; /* first day it holds for */
    struct hours day[7];
};

struct special {
    int32_t day;
    struct hours hours;
    const yaml_node_t *node; /* only while reading */
};

struct lot {
    int32_t from; /* first expiry date it holds for */
    double units;
};

struct underlying {
    char name[24];
    size_t n_lots;
    struct lot *lots; /* ascending */
};

struct calendar {
    char venue[24];
    int32_t offset_s;
    int32_t expiry_s, provisional_from;
    size_t n_weeks, n_specials, n_underlyings;
    struct week *weeks;
    struct special *specials; /* ascending */
    struct underlying *underlyings;
};

/* ---- Reading --------------------------------------------------------------------------------- */

struct reader {
    struct doc doc;
    struct calendar *calendar;
    calendar_report *report;
    void *user;
    bool bad;
};

static bool __attribute__((format(printf, 3, 4)))
fault(struct reader *r, const yaml_node_t *node, const char *fmt, ...)
{
    char text[160], line[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    doc_fault(&r->doc, node, line, sizeof line, "%s", text);
    r->report(r->user, line);
    r->bad = true;
    return false;
}

static _Noreturn void
no_memory(void)
{
    fputs("calendar: out of memory\n", stderr);
    abort();
}

static void *
grow(void *items, size_t n, size_t size)
{
    void *more = realloc(items, (n + 1) * size);

    if (!more)
        no_memory();
    memset((char *)more + n * size, 0, size);
    return more;
}

/* What is done with one entry of a mapping or one item of a list (key is NULL then). */
typedef void read_entry(struct reader *r, yaml_node_t *key, yaml_node_t *value, void *into);

/* Calls entry for each; a node that is absent has none. what: how the node should look. */
static void
for_each(struct reader *r, yaml_node_t *node, yaml_node_type_t type, const char *what,
         read_entry *entry, void *into)
{
    if (!node)
        return;
    if (node->type != type) {
        fault(r, node, "%s was expected", what);
    } else if (type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *item = node->data.sequence.items.start;
             item < node->data.sequence.items.top; item++)
            entry(r, NULL, yaml_document_get_node(&r->doc.yaml, *item), into);
    } else {
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
             pair < node->data.mapping.pairs.top; pair++)
            entry(r, yaml_document_get_node(&r->doc.yaml, pair->key),
                  yaml_document_get_node(&r->doc.yaml, pair->value), into);
    }
}

static bool
read_day(struct reader *r, yaml_node_t *node, int32_t *day)
{
    const char *text = doc_text(node);

    return (text && when_parse_day(text, day)) ||
           fault(r, node, "a date like 2026-08-19 was expected");
}

/* "09:15-15:30" or "closed" */
static bool
read_hours(struct reader *r, yaml_node_t *node, struct hours *hours)
{
    const char *text = doc_text(node), *dash = text ? strchr(text, '-') : NULL;
    char open[16];

    hours->open = hours->close = -1;
    if (text && strcmp(text, "closed") == 0)
        return true;
    if (dash && (size_t)(dash - text) < sizeof open) {
        memcpy(open, text, (size_t)(dash - text));
        open[dash - text] = '\0';
        if (when_parse_clock(open, &hours->open) && when_parse_clock(dash + 1, &hours->close) &&
            hours->open < hours->close)
            return true;
    }
    hours->open = hours->close = -1;
    return fault(r, node, "hours like 09:15-15:30 or the word closed were expected");
}

/* A time, or the word close. */
static void
read_time(struct reader *r, yaml_node_t *node, int32_t *seconds)
{
    const char *text = doc_text(node);

    if (!node)
        return;
    if (text && strcmp(text, "close") == 0)
        *seconds = AT_CLOSE;
    else if (!text || !when_parse_clock(text, seconds))
        fault(r, node, "a time like 15:30 or the word close was expected");
}

static void
only_keys(struct reader *r, yaml_node_t *key, yaml_node_t *value, void *into)
{
    const char *text = doc_text(key);

    (void)value;
    for (const char *const *known = into; text && *known; known++)
        if (strcmp(text, *known) == 0)
            return;
    fault(r, key, "'%s' is no key here", text ? text : "this");
}

/* Reports what is no mapping and keys that are not among the known ones, which end with NULL. */
static bool
read_keys(struct reader *r, yaml_node_t *node, const char *const *known)
{
    for_each(r, node, YAML_MAPPING_NODE, "a mapping", only_keys, (void *)known);
    return node && node->type == YAML_MAPPING_NODE;
}

static void
read_week(struct reader *r, yaml_node_t *key, yaml_node_t *node, void *into)
{
    static const char *const keys[] = {"mon", "tue", "wed",    "thu",        "fri", "sat",
                                       "sun", "from", "expiry", "cash_close", NULL};
    struct calendar *c = into;
    struct hours common = {-1, -1, c->expiry_s, AT_CLOSE};
    struct week *week;
    yaml_node_t *from;

    (void)key;
    if (!read_keys(r, node, keys))
        return;
    c->weeks = grow(c->weeks, c->n_weeks, sizeof *c->weeks);
    week = &c->weeks[c->n_weeks++];
    week->from = INT32_MIN;
    from = doc_get(&r->doc, node, "from");
    if (from)
        read_day(r, from, &week->from);
    if (c->n_weeks > 1 && week->from <= week[-1].from)
        fault(r, node, "weeks are listed from the earliest to the latest");
    read_time(r, doc_get(&r->doc, node, "expiry"), &common.expiry);
    read_time(r, doc_get(&r->doc, node, "cash_close"), &common.cash_close);
    for (int i = 0; i < 7; i++) {
        yaml_node_t *hours = doc_get(&r->doc, node, keys[i]);

        week->day[i] = common;
        if (hours)
            read_hours(r, hours, &week->day[i]);
    }
}

/* From 1970, both ways: the days whose instants int64_t has. */
#define DAYS_MAX 106000

static const struct hours closed = {-1, -1, AT_CLOSE, AT_CLOSE};

static const struct hours *
usual_hours(const struct calendar *c, int32_t day)
{
    for (size_t i = c->n_weeks; i-- > 0;)
        if (c->weeks[i].from <= day)
            return &c->weeks[i].day[when_weekday(day)];
    return &closed;
}

/* DATE: closed, DATE: HOURS, or DATE: {hours: HOURS, expiry: TIME, cash_close: TIME}. A special
 * session keeps the week's time of expiry where that lies within it. */
static void
read_special(struct reader *r, yaml_node_t *key, yaml_node_t *value, void *into)
{
    static const char *const keys[] = {"hours", "expiry", "cash_close", NULL};
    struct calendar *c = into;
    struct special special = {.node = key, .hours = {-1, -1, c->expiry_s, AT_CLOSE}};
    bool mapping = value->type == YAML_MAPPING_NODE;
    const struct hours *usual;

    if (!read_day(r, key, &special.day))
        return;
    usual = usual_hours(c, special.day);
    special.hours.expiry = usual->expiry;
    if (mapping) {
        read_keys(r, value, keys);
        read_time(r, doc_get(&r->doc, value, "expiry"), &special.hours.expiry);
        read_time(r, doc_get(&r->doc, value, "cash_close"), &special.hours.cash_close);
    }
    if (!read_hours(r, mapping ? doc_get(&r->doc, value, "hours") : value, &special.hours))
        return;
    if (special.hours.expiry <= special.hours.open || special.hours.expiry > special.hours.close)
        special.hours.expiry = AT_CLOSE;
    if (special.hours.open < 0 && usual->open < 0)
        fault(r, key, "that day is closed anyway: a weekend, or the wrong year?");
    c->specials = grow(c->specials, c->n_specials, sizeof *c->specials);
    c->specials[c->n_specials++] = special;
}

static int
by_day(const void *a, const void *b)
{
    const struct special *x = a, *y = b;

    return (x->day > y->day) - (x->day < y->day);
}

static void
sort_specials(struct reader *r)
{
    struct calendar *c = r->calendar;

    if (c->n_specials > 0)
        qsort(c->specials, c->n_specials, sizeof *c->specials, by_day);
    for (size_t i = 1; i < c->n_specials; i++)
        if (c->specials[i].day == c->specials[i - 1].day)
            fault(r, c->specials[i].node, "the same date twice");
    for (size_t i = 0; i < c->n_specials; i++)
        c->specials[i].node = NULL;
}

static void
read_lot(struct reader *r, yaml_node_t *key, yaml_node_t *value, void *into)
{
    struct underlying *u = into;
    const char *text = doc_text(value);
    struct lot lot = {0, 0};
    char *end;

    if (!read_day(r, key, &lot.from))
        return;
    lot.units = text ? strtod(text, &end) : 0;
    if (!text || *end || !(lot.units > 0) || lot.units > 1e9)
        fault(r, value, "units above 0 were expected");
    if (u->n_lots > 0 && lot.from <= u->lots[u->n_lots - 1].from)
        fault(r, key, "lots are listed from the earliest expiry to the latest");
    u->lots = grow(u->lots, u->n_lots, sizeof *u->lots);
    u->lots[u->n_lots++] = lot;
}

static void
read_underlying(struct reader *r, yaml_node_t *key, yaml_node_t *value, void *into)
{
    struct calendar *c = into;
    const char *name = doc_text(key);
    struct underlying *u;

    c->underlyings = grow(c->underlyings, c->n_underlyings, sizeof *c->underlyings);
    u = &c->underlyings[c->n_underlyings++];
    if (!name || !*name || strlen(name) >= sizeof u->name)
        fault(r, key, "a short name of an underlying was expected");
    else
        snprintf(u->name, sizeof u->name, "%s", name);
    for_each(r, value, YAML_MAPPING_NODE, "{DATE: UNITS, ...}", read_lot, u);
}

static void
read_head(struct reader *r, yaml_node_t *root)
{
    struct calendar *c = r->calendar;
    yaml_node_t *venue = doc_get(&r->doc, root, "venue");
    yaml_node_t *timezone = doc_get(&r->doc, root, "timezone");
    yaml_node_t *from = doc_get(&r->doc, root, "provisional_from");
    const char *text = doc_text(venue);

    if (!text || !*text || strlen(text) >= sizeof c->venue)
        fault(r, venue, "venue: a short name was expected");
    else
        snprintf(c->venue, sizeof c->venue, "%s", text);
    text = doc_text(timezone);
    if (!text || !when_parse_offset(text, &c->offset_s))
        fault(r, timezone, "timezone: an offset like \"+05:30\" was expected");
    c->expiry_s = AT_CLOSE;
    read_time(r, doc_get(&r->doc, root, "expiry"), &c->expiry_s);
    c->provisional_from = INT32_MAX;
    if (from)
        read_day(r, from, &c->provisional_from);
}

static void
read_calendar(struct reader *r)
{
    static const char *const keys[] = {"venue", "timezone", "expiry", "provisional_from",
                                       "weeks", "days",     "lots",   NULL};
    struct calendar *c = r->calendar;
    yaml_node_t *root = doc_root(&r->doc);

    read_keys(r, root, keys);
    read_head(r, root);
    for_each(r, doc_get(&r->doc, root, "weeks"), YAML_SEQUENCE_NODE, "a list of weeks", read_week,
             c);
    if (c->n_weeks == 0)
        fault(r, doc_get(&r->doc, root, "weeks"), "weeks: at least one was expected");
    for_each(r, doc_get(&r->doc, root, "days"), YAML_MAPPING_NODE, "{DATE: HOURS, ...}",
             read_special, c);
    sort_specials(r);
    for_each(r, doc_get(&r->doc, root, "lots"), YAML_MAPPING_NODE, "{UNDERLYING: ..., ...}",
             read_underlying, c);
}

struct calendar *
calendar_read(const char *name, calendar_report *report, void *user)
{
    const struct shipped_file *file = shipped_find(calendar_files, name);
    struct reader r = {.report = report, .user = user};
    char error[256];

    if (file ? !doc_parse(&r.doc, file->name, file->bytes, file->size, error, sizeof error)
             : !doc_read(&r.doc, name, error, sizeof error)) {
        report(user, error);
        return NULL;
    }
    r.calendar = calloc(1, sizeof *r.calendar);
    if (!r.calendar)
        no_memory();
    read_calendar(&r);
    doc_free(&r.doc);
    if (!r.bad)
        return r.calendar;
    calendar_free(r.calendar);
    return NULL;
}

struct first {
    char *text;
    size_t size;
};

static void
keep_first(void *user, const char *text)
{
    struct first *first = user;

    if (first->size > 0 && !*first->text)
        snprintf(first->text, first->size, "%s", text);
}

struct calendar *
calendar_load(const char *name, char *error, size_t size)
{
    struct first first = {error, size};

    if (size > 0)
        *error = '\0';
    return calendar_read(name, keep_first, &first);
}

void
calendar_free(struct calendar *calendar)
{
    if (!calendar)
        return;
    for (size_t i = 0; i < calendar->n_underlyings; i++)
        free(calendar->underlyings[i].lots);
    free(calendar->weeks);
    free(calendar->specials);
    free(calendar->underlyings);
    free(calendar);
}

const char *
calendar_text(const char *name, size_t *size)
{
    const struct shipped_file *file = shipped_find(calendar_files, name);

    if (!file)
        return NULL;
    *size = file->size;
    return (const char *)file->bytes;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

const char *
calendar_venue(const struct calendar *calendar)
{
    return calendar->venue;
}

int32_t
calendar_offset(const struct calendar *calendar)
{
    return calendar->offset_s;
}

int32_t
calendar_today(const struct calendar *calendar, int64_t ns)
{
    return when_day_of(ns, calendar->offset_s);
}

static const struct hours *
hours_of(const struct calendar *c, int32_t day)
{
    const struct special key = {.day = day};
    const struct special *special =
        c->n_specials ? bsearch(&key, c->specials, c->n_specials, sizeof key, by_day) : NULL;

    if (day < -DAYS_MAX || day > DAYS_MAX)
        return &closed;
    return special ? &special->hours : usual_hours(c, day);
}

/* The instant of a time of that day, which may be that of the close. */
static int64_t
instant(const struct calendar *c, int32_t day, const struct hours *hours, int32_t seconds)
{
    return when_midnight(day, c->offset_s) +
           (seconds == AT_CLOSE ? hours->close : seconds) * WHEN_SECOND;
}

bool
calendar_provisional(const struct calendar *calendar, int32_t day)
{
    return day >= calendar->provisional_from;
}

bool
calendar_day(const struct calendar *calendar, int32_t day, struct session *out)
{
    const struct hours *hours = hours_of(calendar, day);

    if (hours->open < 0)
        return false;
    *out = (struct session){
        .day = day,
        .open_ns = instant(calendar, day, hours, hours->open),
        .close_ns = instant(calendar, day, hours, AT_CLOSE),
        .cash_close_ns = instant(calendar, day, hours, hours->cash_close),
    };
    return true;
}

bool
calendar_session(const struct calendar *calendar, int64_t ns, struct session *out)
{
    int32_t today = calendar_today(calendar, ns);

    for (int i = 0; i < SEARCH_DAYS; i++)
        if (calendar_day(calendar, today - i, out))
            return true;
    return false;
}

bool
calendar_next_open(const struct calendar *calendar, int64_t ns, struct session *out)
{
    int32_t today = calendar_today(calendar, ns);

    for (int i = 0; i < SEARCH_DAYS; i++)
        if (calendar_day(calendar, today + i, out) && out->open_ns > ns)
            return true;
    return false;
}

bool
calendar_expiry(const struct calendar *calendar, int32_t day, int64_t *ns)
{
    const struct hours *hours = hours_of(calendar, day);

    if (hours->open < 0)
        return false;
    *ns = instant(calendar, day, hours, hours->expiry);
    return true;
}

double
calendar_lot(const struct calendar *calendar, const char *underlying, int32_t expiry)
{
    for (size_t i = 0; i < calendar->n_underlyings; i++) {
        const struct underlying *u = &calendar->underlyings[i];

        for (size_t k = u->n_lots; k-- > 0 && strcmp(u->name, underlying) == 0;)
            if (u->lots[k].from <= expiry)
                return u->lots[k].units;
    }
    return NAN;
}

const char *
calendar_underlying(const struct calendar *calendar, size_t i)
{
    return i < calendar->n_underlyings ? calendar->underlyings[i].name : NULL;
}
