/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/table.h"

#include <math.h>
#include <string.h>

void
table_row(struct table *table, const char *const *cells, size_t n)
{
    if (table->n_rows == table->cap) {
        size_t cap = table->cap ? 2 * table->cap : 16;
        const char *(*row)[TABLE_COLUMNS] = arena_alloc(table->arena, cap * sizeof *row);

        if (table->n_rows)
            memcpy(row, table->row, table->n_rows * sizeof *row);
        table->row = row;
        table->cap = cap;
    }
    if (n > table->n_columns)
        table->n_columns = n;
    memcpy(table->row[table->n_rows++], cells, n * sizeof *cells);
}

static const char *
cell(const struct table *table, size_t row, size_t column)
{
    const char *text = table->row[row][column] ? table->row[row][column] : "";

    return row == 0 && *text == '>' ? text + 1 : text;
}

static void
print_row(const struct table *table, size_t row, const int *width, hde_text *line)
{
    for (size_t c = 0; c < table->n_columns; c++) {
        const char *head = table->row[0][c];
        bool right = head && *head == '>', last = c + 1 == table->n_columns;

        hde_text_puts(line, c ? "  " : "");
        if (right)
            hde_text_printf(line, "%*s", width[c], cell(table, row, c));
        else
            hde_text_printf(line, "%-*s", last ? 0 : width[c], cell(table, row, c));
    }
}

void
table_print(const struct table *table, hde_text *out, const char *bold, const char *off,
            size_t width, size_t rows)
{
    int columns[TABLE_COLUMNS] = {0};
    hde_text line = {0};

    for (size_t r = 0; r < table->n_rows; r++)
        for (size_t c = 0; c < table->n_columns; c++)
            if ((int)strlen(cell(table, r, c)) > columns[c])
                columns[c] = (int)strlen(cell(table, r, c));
    for (size_t r = 0; r < table->n_rows && (!rows || r < rows); r++) {
        hde_text_clear(&line);
        print_row(table, r, columns, &line);
        while (line.len && line.data[line.len - 1] == ' ')
            line.data[--line.len] = 0;
        hde_text_printf(out, "%s%.*s%s\n", r ? "" : bold,
                        width && line.len > width ? (int)width : (int)line.len,
                        line.data ? line.data : "", r ? "" : off);
    }
    hde_text_free(&line);
}

const char *
table_count(struct arena *arena, uint64_t n)
{
    return n ? arena_printf(arena, "%llu", (unsigned long long)n) : ".";
}

const char *
table_rate(struct arena *arena, double x)
{
    static const struct {
        double from;
        const char *unit;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};

    if (!isfinite(x) || x <= 0)
        return ".";
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (x >= 0.9995 * units[i].from)
            return arena_printf(arena, "%.*f%s",
                                x >= 100 * units[i].from  ? 0
                                : x >= 10 * units[i].from ? 1
                                                          : 2,
                                x / units[i].from, units[i].unit);
    return arena_printf(arena, "%.*f", x >= 9.95 ? 0 : 1, x);
}

const char *
table_seconds(struct arena *arena, double x)
{
    if (!isfinite(x) || x <= 0)
        return ".";
    if (x < 0.9995e-3)
        return arena_printf(arena, "%.0fus", x * 1e6);
    if (x < 0.9995)
        return arena_printf(arena, "%.0fms", x * 1e3);
    if (x < 59.95)
        return arena_printf(arena, "%.1fs", x);
    if (x < 3600)
        return arena_printf(arena, "%dm%02ds", (int)x / 60, (int)x % 60);
    return arena_printf(arena, "%dh%02dm", (int)(x / 3600), (int)fmod(x, 3600) / 60);
}

const char *
table_number(struct arena *arena, bool known, double x)
{
    return known ? arena_printf(arena, "%.0f", x) : "-";
}

const char *
table_time(struct arena *arena, int64_t ns)
{
    hde_text text = {0};
    const char *cell;

    if (ns == INT64_MIN)
        return "-";
    hde_json_time(&text, ns);
    cell = arena_textn(arena, text.data + 1, text.len - 2); /* without the quotes */
    hde_text_free(&text);
    return cell;
}
