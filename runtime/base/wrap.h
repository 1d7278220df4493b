/* SPDX-License-Identifier: Apache-2.0
 * wrap - text for terminals. */
#ifndef BASE_WRAP_H
#define BASE_WRAP_H

#include <hde/text.h>

enum { WRAP_WIDTH = 80 };

/* The first len bytes word by word, behind indent columns and not beyond WRAP_WIDTH; the first line
 * goes on from column `at`. Ends the line. */
void wrap_words(hde_text *out, const char *text, size_t len, size_t indent, size_t at);

#endif
