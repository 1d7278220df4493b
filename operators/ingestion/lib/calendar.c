/* SPDX-License-Identifier: Apache-2.0
 * calendar - a venue's trading sessions, instants of expiry and lot sizes, as data. */
#include "calendar.h"

#include "shipped.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCH_DAYS 30

struct hours { /* seconds of the day; open < 0: closed */
    int32_t open, close;
};

struct week {
    int32_t from; /* first day it holds for */
    struct hours day[7];
};

struct special {
    int32_t day;
    struct hours hours;
};

struct lot {
    char underlying[24];
    int32_t from; /* first expiry date it holds for */
    double units;
};

struct calendar {
    char venue[24];
    int32_t offset_s;
    int32_t expiry_s; /* second of the day, -1: at the close */
    size_t n_weeks, n_specials, n_lots;
    struct week *weeks;
    struct special *specials;
    struct lot *lots;
};

/* Where reading stands: one place for the text of the first error. */
struct reader {
    struct doc doc;
    struct calendar *calendar;
    char *error;
    size_t size;
};

#define FAULT(r, node, ...) doc_fault(&(r)->doc, node, (r)->error, (r)->size, __VA_ARGS__)

static void *
grow(void *items, size_t n, size_t size)
{
    void *more = realloc(items, (n + 1) * size);

    if (!more)
        abort();
    memset((char *)more + n * size, 0, size);
    return more;
}

static bool
read_day(struct reader *r, yaml_node_t *node, int32_t *day)
{
    const char *text = doc_text(node);
    int64_t ns;

    if (!text || !when_parse("%Y-%m-%d", text, strlen(text), 0, &ns))
        return FAULT(r, node, "a date like 2026-08-19 was expected");
    *day = when_day_of(ns, 0);
    return true;
}

/* "09:15-15:30" or "closed" */
static bool
read_hours(struct reader *r, yaml_node_t *node, struct hours *hours)
{
    const char *text = doc_text(node), *dash = text ? strchr(text, '-') : NULL;
    char open[16];

    *hours = (struct hours){-1, -1};
    if (text && strcmp(text, "closed") == 0)
        return true;
    if (!dash || (size_t)(dash - text) >= sizeof open)
        return FAULT(r, node, "hours like 09:15-15:30 or the word closed were expected");
    memcpy(open, text, (size_t)(dash - text));
    open[dash - text] = '\0';
    if (!when_parse_clock(open, &hours->open) || !when_parse_clock(dash + 1, &hours->close) ||
        hours->open >= hours->close)
        return FAULT(r, node, "hours like 09:15-15:30 or the word closed were expected");
    return true;
}

static bool
read_week(struct reader *r, yaml_node_t *node)
{
    static const char *const names[7] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    struct calendar *c = r->calendar;
    yaml_node_t *from = doc_get(&r->doc, node, "from"), *hours;
    struct week *week;

    if (node->type != YAML_MAPPING_NODE)
        return FAULT(r, node, "a week is a mapping: from, mon, tue, ...");
    c->weeks = grow(c->weeks, c->n_weeks, sizeof *c->weeks);
    week = &c->weeks[c->n_weeks++];
    week->from = INT32_MIN;
    if (from && !read_day(r, from, &week->from))
        return false;
    if (c->n_weeks > 1 && week->from <= week[-1].from)
        return FAULT(r, node, "weeks are listed from the earliest to the latest");
    for (int i = 0; i < 7; i++) {
        week->day[i] = (struct hours){-1, -1};
        hours = doc_get(&r->doc, node, names[i]);
        if (hours && !read_hours(r, hours, &week->day[i]))
            return false;
    }
    return true;
}

static bool
read_weeks(struct reader *r, yaml_node_t *list)
{
    if (!list || list->type != YAML_SEQUENCE_NODE)
        return FAULT(r, list, "weeks: a list of weeks was expected");
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++)
        if (!read_week(r, yaml_document_get_node(&r->doc.yaml, *item)))
            return false;
    return r->calendar->n_weeks > 0 || FAULT(r, list, "weeks: at least one was expected");
}

static int
by_day(const void *a, const void *b)
{
    const struct special *x = a, *y = b;

    return (x->day > y->day) - (x->day < y->day);
}

static bool
read_specials(struct reader *r, yaml_node_t *map)
{
    struct calendar *c = r->calendar;

    if (!map)
        return true;
    if (map->type != YAML_MAPPING_NODE)
        return FAULT(r, map, "days: a mapping of dates was expected");
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *key = yaml_document_get_node(&r->doc.yaml, pair->key);
        yaml_node_t *value = yaml_document_get_node(&r->doc.yaml, pair->value);

        c->specials = grow(c->specials, c->n_specials, sizeof *c->specials);
        c->n_specials++;
        if (!read_day(r, key, &c->specials[c->n_specials - 1].day) ||
            !read_hours(r, value, &c->specials[c->n_specials - 1].hours))
            return false;
    }
    qsort(c->specials, c->n_specials, sizeof *c->specials, by_day);
    return true;
}

static bool
read_lots_of(struct reader *r, const char *underlying, yaml_node_t *map)
{
    struct calendar *c = r->calendar;

    if (!underlying || map->type != YAML_MAPPING_NODE)
        return FAULT(r, map, "lots: UNDERLYING: {date: units} was expected");
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *value = yaml_document_get_node(&r->doc.yaml, pair->value);
        const char *text = doc_text(value);
        struct lot *lot;
        char *end;

        c->lots = grow(c->lots, c->n_lots, sizeof *c->lots);
        lot = &c->lots[c->n_lots++];
        snprintf(lot->underlying, sizeof lot->underlying, "%s", underlying);
        if (!read_day(r, yaml_document_get_node(&r->doc.yaml, pair->key), &lot->from))
            return false;
        lot->units = text ? strtod(text, &end) : 0;
        if (!text || *end || !(lot->units > 0) || lot->units > 1e9)
            return FAULT(r, value, "units above 0 were expected");
    }
    return true;
}

static bool
read_lots(struct reader *r, yaml_node_t *map)
{
    if (!map)
        return true;
    if (map->type != YAML_MAPPING_NODE)
        return FAULT(r, map, "lots: a mapping of underlyings was expected");
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
         pair++)
        if (!read_lots_of(r, doc_text(yaml_document_get_node(&r->doc.yaml, pair->key)),
                          yaml_document_get_node(&r->doc.yaml, pair->value)))
            return false;
    return true;
}

static bool
read_calendar(struct reader *r)
{
    yaml_node_t *root = doc_root(&r->doc), *node;
    struct calendar *c = r->calendar;
    const char *text;

    node = doc_get(&r->doc, root, "venue");
    text = doc_text(node);
    if (!text || !*text || strlen(text) >= sizeof c->venue)
        return FAULT(r, node, "venue: a short name was expected");
    snprintf(c->venue, sizeof c->venue, "%s", text);
    node = doc_get(&r->doc, root, "timezone");
    text = doc_text(node);
    if (!text || !when_parse_offset(text, &c->offset_s))
        return FAULT(r, node, "timezone: an offset like \"+05:30\" was expected");
    c->expiry_s = -1;
    node = doc_get(&r->doc, root, "expiry");
    text = doc_text(node);
    if (node && (!text || (strcmp(text, "close") != 0 && !when_parse_clock(text, &c->expiry_s))))
        return FAULT(r, node, "expiry: a time like 15:30 or the word close was expected");
    return read_weeks(r, doc_get(&r->doc, root, "weeks")) &&
           read_specials(r, doc_get(&r->doc, root, "days")) &&
           read_lots(r, doc_get(&r->doc, root, "lots"));
}

struct calendar *
calendar_load(const char *name, char *error, size_t size)
{
    const struct shipped_file *file = shipped_find("calendars", name);
    struct reader r = {.error = error, .size = size};
    bool ok;

    if (file ? !doc_parse(&r.doc, file->name, file->bytes, file->size, error, size)
             : !doc_read(&r.doc, name, error, size))
        return NULL;
    r.calendar = calloc(1, sizeof *r.calendar);
    if (!r.calendar)
        abort();
    ok = read_calendar(&r);
    doc_free(&r.doc);
    if (ok)
        return r.calendar;
    calendar_free(r.calendar);
    return NULL;
}

void
calendar_free(struct calendar *calendar)
{
    if (!calendar)
        return;
    free(calendar->weeks);
    free(calendar->specials);
    free(calendar->lots);
    free(calendar);
}

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

static struct hours
hours_of(const struct calendar *c, int32_t day)
{
    const struct special key = {.day = day};
    const struct special *special =
        c->n_specials ? bsearch(&key, c->specials, c->n_specials, sizeof key, by_day) : NULL;

    if (special)
        return special->hours;
    for (size_t i = c->n_weeks; i-- > 0;)
        if (c->weeks[i].from <= day)
            return c->weeks[i].day[when_weekday(day)];
    return (struct hours){-1, -1};
}

bool
calendar_day(const struct calendar *calendar, int32_t day, struct session *out)
{
    struct hours hours = hours_of(calendar, day);
    int64_t midnight = when_midnight(day, calendar->offset_s);

    if (hours.open < 0)
        return false;
    *out = (struct session){day, midnight + hours.open * WHEN_SECOND,
                            midnight + hours.close * WHEN_SECOND};
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
    struct session session;

    if (!calendar_day(calendar, day, &session))
        return false;
    *ns = calendar->expiry_s < 0
              ? session.close_ns
              : when_midnight(day, calendar->offset_s) + calendar->expiry_s * WHEN_SECOND;
    return true;
}

double
calendar_lot(const struct calendar *calendar, const char *underlying, int32_t expiry)
{
    double units = NAN;
    int32_t from = INT32_MIN;

    for (size_t i = 0; i < calendar->n_lots; i++) {
        const struct lot *lot = &calendar->lots[i];

        if (lot->from <= expiry && lot->from >= from && strcmp(lot->underlying, underlying) == 0) {
            units = lot->units;
            from = lot->from;
        }
    }
    return units;
}
