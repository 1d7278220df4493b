/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
err_set(struct err *err, const char *code, const char *fmt, ...)
{
    va_list args;

    if (!err || err->code[0])
        return false;
    snprintf(err->code, sizeof err->code, "%s", code);
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return false;
}

bool
err_wrap(struct err *err, const char *fmt, ...)
{
    char old[sizeof err->text];
    va_list args;
    int n;

    if (!err || !err->code[0])
        return false;
    memcpy(old, err->text, sizeof old);
    va_start(args, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
    return false;
}
