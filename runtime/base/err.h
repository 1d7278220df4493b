/* SPDX-License-Identifier: Apache-2.0
 * err - an error on a cold path: a stable code and a text that a person can act on.
 *
 * Lives on the caller's stack, may be NULL everywhere; the first error wins. err_set() and
 * err_wrap() return false, so that failing is one line. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

struct err {
    char code[12]; /* "HDE-P003", "" while there is none */
    char text[500];
};

bool err_set(struct err *err, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "context: " in front of the text that is there. */
bool err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool
err_is_set(const struct err *err)
{
    return err && err->code[0];
}

#endif
