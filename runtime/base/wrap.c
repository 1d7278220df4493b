/* SPDX-License-Identifier: Apache-2.0
 * wrap - see wrap.h. */
#include "base/wrap.h"

static bool
is_space(char c)
{
    return c == ' ' || c == '\n';
}

void
wrap_words(hde_text *out, const char *text, size_t len, size_t indent, size_t at)
{
    const char *end = text + len;
    size_t column = at;

    for (;;) {
        size_t n = 0;

        while (text < end && is_space(*text))
            text++;
        while (text + n < end && !is_space(text[n]))
            n++;
        if (n == 0)
            break;
        if (column < indent) {
            hde_text_printf(out, "%*s", (int)(indent - column), "");
            column = indent;
        } else if (column > indent && column + 1 + n > WRAP_WIDTH) {
            hde_text_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            hde_text_puts(out, " ");
            column++;
        }
        hde_text_put(out, text, n);
        column += n;
        text += n;
    }
    hde_text_puts(out, "\n");
}
