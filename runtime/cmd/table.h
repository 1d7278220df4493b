/* SPDX-License-Identifier: Apache-2.0
 * table - rows of cells in columns, and numbers as people read them. */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include "base/arena.h"

#include <hde/text.h>

enum { TABLE_COLUMNS = 12 };

struct table { /* starts as {.arena = ...} */
    struct arena *arena;
    size_t n_columns, n_rows, cap;
    const char *(*row)[TABLE_COLUMNS];
};

/* The first row is the head. A name that begins with '>' stands right with its column. */
void table_row(struct table *table, const char *const *cells, size_t n);
#define TABLE_ROW(table, ...)                                                                      \
    table_row(table, (const char *const[]){__VA_ARGS__},                                           \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
/* bold and off: around the head, "" for none. Lines are cut at width (0: not at all). At most
 * rows lines (0: all). */
void table_print(const struct table *table, hde_text *out, const char *bold, const char *off,
                 size_t width, size_t rows);

/* Texts in arena. */
const char *table_count(struct arena *arena, uint64_t n);            /* 0 as "." */
const char *table_rate(struct arena *arena, double x);               /* 0.4, 812, 12.3k, 1.25M */
const char *table_seconds(struct arena *arena, double x);            /* 350us, 1.2ms, 5.0s, 3m20s */
const char *table_time(struct arena *arena, int64_t ns); /* RFC 3339; "-" for INT64_MIN */
const char *table_number(struct arena *arena, bool known, double x); /* "-" where not known */

#endif
