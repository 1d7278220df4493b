/* SPDX-License-Identifier: Apache-2.0
 * number - decimal text to double, correctly rounded, fast for what feeds write. Pure. */
#ifndef INGESTION_NUMBER_H
#define INGESTION_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* All of text[0..size) is one decimal number: sign, digits, point, exponent. Spaces around it are
 * fine; hexadecimal, infinities, NaN, signs alone and what overflows are not. The value is that of
 * strtod() in the C locale. */
bool number_parse(const char *text, size_t size, double *out);

#endif
