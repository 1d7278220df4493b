/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/diag.h"
#include "base/nearest.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINDINGS_MAX = 1000, LINE_SHOWN = 160 };

struct diag_source {
    struct diag_source *next;
    const char *file, *text;
    size_t size;
    size_t n_lines;
    size_t *start; /* of every line */
};

void
diags_fini(struct diags *diags)
{
    free(diags->list);
    arena_fini(&diags->arena);
    *diags = (struct diags){0};
}

static bool
same_file(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void
diags_keep_source(struct diags *diags, const char *file, const char *text, size_t size)
{
    struct diag_source *source = arena_alloc(&diags->arena, sizeof *source);

    *source = (struct diag_source){.next = diags->sources, .size = size, .n_lines = 1};
    source->file = file ? arena_text(&diags->arena, file) : NULL;
    source->text = arena_textn(&diags->arena, text, size);
    for (size_t i = 0; i < size; i++)
        source->n_lines += text[i] == '\n';
    source->start = arena_alloc(&diags->arena, source->n_lines * sizeof *source->start);
    for (size_t i = 0, line = 1; i < size; i++)
        if (text[i] == '\n')
            source->start[line++] = i + 1;
    diags->sources = source;
}

const char *
diags_line(const struct diags *diags, const char *file, unsigned line, size_t *len)
{
    for (const struct diag_source *source = diags->sources; source; source = source->next) {
        size_t start, end;

        if (!same_file(source->file, file))
            continue;
        if (line == 0 || line > source->n_lines)
            return NULL;
        start = source->start[line - 1];
        end = line < source->n_lines ? source->start[line] - 1 : source->size;
        if (end > start && source->text[end - 1] == '\r')
            end--;
        *len = end - start;
        return source->text + start;
    }
    return NULL;
}

/* What a terminal and a JSON reader can take: bytes that are no UTF-8 and odd characters become
 * U+FFFD, one for one, so that columns stay true. */
static const char *
keep_text(struct diags *diags, const char *text, size_t size)
{
    hde_text clean = {0};
    const char *kept;

    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c = 0;

        n = utf8_decode(text + i, size - i, &c);
        if (n && (c == '\t' || !utf8_is_odd(c)))
            hde_text_put(&clean, text + i, n);
        else
            hde_text_puts(&clean, "\xEF\xBF\xBD");
        n += n == 0;
    }
    kept = arena_textn(&diags->arena, clean.len ? clean.data : "", clean.len);
    hde_text_free(&clean);
    return kept;
}

void
diags_add(struct diags *diags, enum severity severity, const char *code, struct place place,
          const char *fmt, ...)
{
    char text[2048];
    va_list args;

    diags->errors += severity == SEVERITY_ERROR;
    if (diags->n == FINDINGS_MAX) {
        diags->left_out++;
        return;
    }
    if (diags->n == diags->cap) {
        diags->cap = diags->cap ? diags->cap * 2 : 16;
        diags->list = xrealloc(diags->list, diags->cap * sizeof *diags->list);
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (place.file)
        place.file = arena_text(&diags->arena, place.file);
    diags->list[diags->n++] = (struct diag){.severity = severity,
                                            .code = code,
                                            .place = place,
                                            .message = keep_text(diags, text, strlen(text))};
}

void
diags_hint(struct diags *diags, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    if (diags->n == 0 || diags->left_out)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    diags->list[diags->n - 1].hint = keep_text(diags, text, strlen(text));
}

void
diags_nearest(struct diags *diags, const struct nearest *near)
{
    if (diags->n && !diags->left_out && near->best)
        diags->list[diags->n - 1].nearest = arena_text(&diags->arena, near->best);
}

static int
compare_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int
compare(const void *a, const void *b)
{
    const struct diag *x = a, *y = b;
    int order = compare_text(x->place.file, y->place.file);

    if (order)
        return order;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    if (x->place.column != y->place.column)
        return x->place.column < y->place.column ? -1 : 1;
    order = strcmp(x->code, y->code);
    return order ? order : strcmp(x->message, y->message);
}

/* A chain that is included twice says everything twice. */
static void
drop_repeats(struct diags *diags)
{
    size_t n = 0;

    for (size_t i = 0; i < diags->n; i++) {
        if (n && compare(&diags->list[n - 1], &diags->list[i]) == 0)
            diags->errors -= diags->list[i].severity == SEVERITY_ERROR;
        else
            diags->list[n++] = diags->list[i];
    }
    diags->n = n;
}

void
diags_sort(struct diags *diags)
{
    if (diags->n == 0)
        return;
    qsort(diags->list, diags->n, sizeof *diags->list, compare);
    drop_repeats(diags);
    for (size_t i = 0; i < diags->n; i++) {
        struct diag *diag = &diags->list[i];
        size_t len = 0;
        const char *line = diags_line(diags, diag->place.file, diag->place.line, &len);

        if (line)
            diag->source = keep_text(diags, line, len);
    }
}

/* Bytes of the character at s, which is valid UTF-8. */
static size_t
char_size(const char *s)
{
    size_t n = 1;

    while (((unsigned char)s[n] & 0xC0) == 0x80)
        n++;
    return n;
}

/* The line, cut to a window around the column, and a caret below it. */
static void
print_source(const struct diag *diag, hde_text *out, bool color)
{
    const char *s = diag->source, *from;
    unsigned column = diag->place.column, at = 1, first = 1;

    if (column > LINE_SHOWN - 20)
        first = column - LINE_SHOWN / 2;
    for (; *s && at < first; at++)
        s += char_size(s);
    from = s;
    hde_text_printf(out, "%5u | %s", diag->place.line, first > 1 ? "..." : "");
    for (; *s && at < first + LINE_SHOWN; at++)
        s += char_size(s);
    hde_text_put(out, from, (size_t)(s - from));
    hde_text_puts(out, *s ? "...\n" : "\n");
    if (column == 0)
        return;
    hde_text_printf(out, "      | %s", first > 1 ? "   " : "");
    s = from;
    for (at = first; at < column; at++) {
        hde_text_puts(out, *s == '\t' ? "\t" : " ");
        s += *s ? char_size(s) : 0;
    }
    hde_text_puts(out, color ? "\033[1;32m^\033[0m\n" : "^\n");
}

static void
print_one(const struct diag *diag, hde_text *out, bool color)
{
    bool is_error = diag->severity == SEVERITY_ERROR;
    const char *end = color ? "\033[0m" : "";

    if (color)
        hde_text_puts(out, "\033[1m");
    if (!diag->place.file)
        hde_text_puts(out, "command line: ");
    else if (diag->place.line == 0)
        hde_text_printf(out, "%s: ", diag->place.file);
    else
        hde_text_printf(out, "%s:%u:%u: ", diag->place.file, diag->place.line, diag->place.column);
    hde_text_printf(out, "%s%s%s %s: ", end, color ? (is_error ? "\033[1;31m" : "\033[1;35m") : "",
                    is_error ? "error" : "warning", diag->code);
    hde_text_printf(out, "%s%s\n", end, diag->message);
    if (diag->source)
        print_source(diag, out, color);
    if (diag->nearest || diag->hint) {
        hde_text_puts(out, diag->source ? "      = " : "  = ");
        if (diag->nearest)
            hde_text_printf(out, "did you mean '%s'?%s", diag->nearest, diag->hint ? " " : "");
        hde_text_printf(out, "%s\n", diag->hint ? diag->hint : "");
    }
}

void
diags_print(const struct diags *diags, hde_text *out, bool color)
{
    for (size_t i = 0; i < diags->n; i++)
        print_one(&diags->list[i], out, color);
    if (diags->left_out)
        hde_text_printf(out, "and %zu more, not shown\n", diags->left_out);
}

void
diags_json(const struct diags *diags, hde_text *out)
{
    hde_text_puts(out, "[");
    for (size_t i = 0; i < diags->n; i++) {
        const struct diag *diag = &diags->list[i];

        hde_text_printf(out, "%s{\"severity\":\"%s\",\"code\":\"%s\",\"file\":", i ? "," : "",
                        diag->severity == SEVERITY_ERROR ? "error" : "warning", diag->code);
        hde_json_string(out, diag->place.file);
        hde_text_printf(out, ",\"line\":%u,\"column\":%u,\"message\":", diag->place.line,
                        diag->place.column);
        hde_json_string(out, diag->message);
        hde_text_puts(out, ",\"hint\":");
        hde_json_string(out, diag->hint);
        hde_text_puts(out, ",\"nearest\":");
        hde_json_string(out, diag->nearest);
        hde_text_puts(out, ",\"source\":");
        hde_json_string(out, diag->source);
        hde_text_puts(out, "}");
    }
    hde_text_puts(out, "]");
}
