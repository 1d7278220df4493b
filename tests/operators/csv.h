/* SPDX-License-Identifier: Apache-2.0
 * csv - reads the comma-separated reference files of the tests by column name. */
#ifndef TESTS_OPERATORS_CSV_H
#define TESTS_OPERATORS_CSV_H

#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64

struct table {
    FILE *file;
    char header[2048], line[4096];
    char *name[FIELDS_MAX], *value[FIELDS_MAX];
    size_t fields;
};

static inline size_t
split(char *line, char **field)
{
    size_t n = 0;

    line[strcspn(line, "\r\n")] = 0;
    for (char *at = line; at && n < FIELDS_MAX; n++)
        field[n] = strsep(&at, ",");
    return n;
}

/* Reads the header. The file stays the caller's; false where it has none. */
static inline bool
table_start(struct table *t, FILE *file)
{
    t->file = file;
    if (!fgets(t->header, sizeof t->header, file))
        return false;
    t->fields = split(t->header, t->name);
    return true;
}

static inline bool
table_next(struct table *t)
{
    return fgets(t->line, sizeof t->line, t->file) && split(t->line, t->value) == t->fields;
}

static inline const char *
text(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->fields; i++)
        if (!strcmp(t->name[i], name))
            return t->value[i];
    fail_msg("no column %s", name);
    return "";
}

static inline double
number(const struct table *t, const char *name)
{
    const char *s = text(t, name);

    return *s ? strtod(s, NULL) : NAN;
}

/* Runs on each file of $HDE_DATA/reference that matches; skips the test where there is none. */
static inline void
each_file(const char *pattern, void (*run)(struct table *))
{
    const char *data = getenv("HDE_DATA");
    char path[1024];
    glob_t found;

    if (!data) {
        print_message("HDE_DATA is not set\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/reference/%s", data, pattern);
    if (glob(path, 0, NULL, &found) != 0) {
        print_message("nothing matches %s\n", path);
        skip();
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "r");
        static struct table t;

        assert_non_null(file);
        assert_true(table_start(&t, file));
        run(&t);
        fclose(file);
    }
    globfree(&found);
}

#endif
