/* SPDX-License-Identifier: Apache-2.0
 * text - growing text (hde/text.h). */
#include "base/arena.h"

#include <hde/text.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
reserve(hde_text *text, size_t size)
{
    if (text->cap - text->len > size)
        return;
    text->cap = 2 * text->cap > text->len + size + 1 ? 2 * text->cap : text->len + size + 64;
    text->data = xrealloc(text->data, text->cap);
}

void
hde_text_free(hde_text *text)
{
    free(text->data);
    *text = (hde_text){0};
}

void
hde_text_clear(hde_text *text)
{
    text->len = 0;
    if (text->data)
        text->data[0] = 0;
}

void
hde_text_put(hde_text *text, const char *bytes, size_t size)
{
    reserve(text, size);
    if (size)
        memcpy(text->data + text->len, bytes, size);
    text->len += size;
    text->data[text->len] = 0;
}

void
hde_text_puts(hde_text *text, const char *s)
{
    hde_text_put(text, s, strlen(s));
}

void
hde_text_printf(hde_text *text, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    reserve(text, (size_t)n);
    va_start(args, fmt);
    vsnprintf(text->data + text->len, (size_t)n + 1, fmt, args);
    va_end(args);
    text->len += (size_t)n;
}

void
hde_json_string(hde_text *text, const char *s)
{
    if (!s) {
        hde_text_puts(text, "null");
        return;
    }
    hde_text_puts(text, "\"");
    for (size_t n; *s; s += n) {
        n = 0;
        while ((unsigned char)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\')
            n++;
        hde_text_put(text, s, n);
        if (s[n] == '"' || s[n] == '\\')
            hde_text_printf(text, "\\%c", s[n++]);
        else if (s[n])
            hde_text_printf(text, "\\u%04x", (unsigned char)s[n++]);
    }
    hde_text_puts(text, "\"");
}
