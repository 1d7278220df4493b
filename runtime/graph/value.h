/* SPDX-License-Identifier: Apache-2.0
 * value - texts of a graph file as numbers: 12, 0.5, 1h30m, 64KiB, 40%.
 *
 * Strict and the same in every locale: no hexadecimal, no digit groups, no NaN or infinity, and
 * what has a unit is written with it. */
#ifndef GRAPH_VALUE_H
#define GRAPH_VALUE_H

#include <stdbool.h>
#include <stdint.h>

enum value_fault {
    VALUE_OK,
    VALUE_FORM,  /* not such a value at all */
    VALUE_UNIT,  /* a number, but its unit is missing or another */
    VALUE_RANGE, /* too large for the type */
};

enum value_fault value_int(const char *text, int64_t *out);
enum value_fault value_real(const char *text, double *out);
enum value_fault value_duration(const char *text, int64_t *ns); /* 0 needs no unit */
enum value_fault value_size(const char *text, int64_t *bytes);  /* plain numbers are bytes */
enum value_fault value_ratio(const char *text, double *out);    /* 0.4 or 40% */
enum value_fault value_bool(const char *text, bool *out);
bool value_is_bool_word(const char *text, bool *meant); /* yes, No, ON, y, True ... */

#endif
