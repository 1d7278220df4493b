/* SPDX-License-Identifier: Apache-2.0
 * hde-calendar - checks a calendar file and tells what it knows of dates. */
#include "common/calendar.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: hde calendar [--json] NAME|FILE [DATE...]\n"
    "       hde calendar --print NAME\n"
    "\n"
    "Checks a calendar and prints what it knows of dates: session, expiry, lot sizes.\n"
    "\n"
    "examples:\n"
    "  hde calendar nse 2026-08-19             a shipped calendar (nse, always)\n"
    "  hde calendar --print nse > my.yaml      a copy to edit\n"
    "  hde calendar my.yaml                    all mistakes, as FILE:LINE:COLUMN: text\n"
    "\n"
    "exit code: 0, 64 usage, 65 mistakes in the file or a date\n";

enum { EXIT_USAGE = 64, EXIT_BAD_DATA = 65, EXIT_IO = 74 };

static int
usage(const char *text)
{
    fprintf(stderr, "hde calendar: %s\ntry: hde calendar --help\n", text);
    return EXIT_USAGE;
}

static void
on_mistake(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

static json_t *
instant(const struct calendar *calendar, int32_t day, int64_t ns)
{
    int s = (int)((ns - when_midnight(day, calendar_offset(calendar))) / WHEN_SECOND);
    char text[32];

    snprintf(text, sizeof text, s % 60 ? "%02d:%02d:%02d" : "%02d:%02d", s / 3600, s / 60 % 60,
             s % 60);
    return json_string(text);
}

/* What the calendar knows of a date. */
static json_t *
describe(const struct calendar *calendar, int32_t day)
{
    static const char *const weekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    json_t *out = json_object(), *lots = json_object();
    struct session session;
    const char *name;
    char date[16];
    int64_t ns;

    when_print_day(day, date);
    json_object_set_new(out, "date", json_string(date));
    json_object_set_new(out, "weekday", json_string(weekdays[when_weekday(day)]));
    json_object_set_new(out, "provisional", json_boolean(calendar_provisional(calendar, day)));
    if (calendar_day(calendar, day, &session)) {
        json_object_set_new(out, "open", instant(calendar, day, session.open_ns));
        json_object_set_new(out, "close", instant(calendar, day, session.close_ns));
        json_object_set_new(out, "cash_close", instant(calendar, day, session.cash_close_ns));
    }
    if (calendar_expiry(calendar, day, &ns))
        json_object_set_new(out, "expiry", instant(calendar, day, ns));
    for (size_t i = 0; (name = calendar_underlying(calendar, i)); i++) {
        double lot = calendar_lot(calendar, name, day);

        if (!isnan(lot))
            json_object_set_new(lots, name, json_real(lot));
    }
    json_object_set_new(out, "lots", lots);
    return out;
}

static const char *
text_of(const json_t *day, const char *key)
{
    return json_string_value(json_object_get(day, key));
}

static void
print_day(json_t *day)
{
    const char *name;
    json_t *lot;

    printf("%s %s  ", text_of(day, "date"), text_of(day, "weekday"));
    if (text_of(day, "open"))
        printf("%s-%s  cash to %s  expiry %s ", text_of(day, "open"), text_of(day, "close"),
               text_of(day, "cash_close"), text_of(day, "expiry"));
    else
        fputs("closed ", stdout);
    if (json_is_true(json_object_get(day, "provisional")))
        fputs(" provisional ", stdout);
    json_object_foreach(json_object_get(day, "lots"), name, lot)
        printf(" %s %g", name, json_real_value(lot));
    putchar('\n');
}

static int
show(const struct calendar *calendar, char **dates, int n, bool as_json)
{
    int status = 0;
    int32_t day;

    for (int i = 0; i < n; i++) {
        if (!when_parse_day(dates[i], &day)) {
            fprintf(stderr, "hde calendar: '%s' is no date like 2026-08-19\n", dates[i]);
            status = EXIT_BAD_DATA;
            continue;
        }
        json_t *said = describe(calendar, day);

        if (as_json) {
            json_dumpf(said, stdout, JSON_COMPACT);
            putchar('\n');
        } else {
            print_day(said);
        }
        json_decref(said);
    }
    return status;
}

static int
print_shipped(const char *name)
{
    size_t size = 0;
    const char *text = calendar_text(name, &size);

    if (!text)
        return usage("--print takes the name of a shipped calendar: nse, always");
    return fwrite(text, 1, size, stdout) == size ? 0 : EXIT_IO;
}

int
main(int argc, char **argv)
{
    bool as_json = false, print = false;
    struct calendar *calendar;
    int status, at = 1;

    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--help") == 0)
            return fputs(help, stdout) >= 0 && fflush(stdout) == 0 ? 0 : EXIT_IO;
        if (strcmp(argv[at], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[at], "--print") == 0)
            print = true;
        else
            return usage("unknown option");
    }
    if (at == argc)
        return usage("the name of a calendar or a file is missing");
    if (print)
        status = print_shipped(argv[at]);
    else {
        calendar = calendar_read(argv[at], on_mistake, NULL);
        if (!calendar)
            return EXIT_BAD_DATA;
        if (at + 1 == argc && as_json)
            printf("{\"calendar\":\"%s\",\"ok\":true}\n", calendar_venue(calendar));
        else if (at + 1 == argc)
            printf("%s: ok\n", argv[at]);
        status = show(calendar, argv + at + 1, argc - at - 1, as_json);
        calendar_free(calendar);
    }
    return fflush(stdout) == 0 ? status : EXIT_IO;
}
