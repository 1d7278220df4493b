/* SPDX-License-Identifier: Apache-2.0
 * utf8 - characters of texts that come from outside. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at s (size > 0) and gives its bytes; 0 if they are no UTF-8: too long a
 * form, a surrogate, over U+10FFFF or cut off. */
size_t utf8_decode(const char *s, size_t size, uint32_t *out);
/* Control characters (tabs and line ends too), line ends of other worlds, byte order marks, and
 * what makes a line look other than it is (bidirectional controls). */
bool utf8_is_odd(uint32_t c);

#endif
