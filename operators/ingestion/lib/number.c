/* SPDX-License-Identifier: Apache-2.0
 * number - decimal text to double, correctly rounded, fast for what feeds write.
 *
 * A value of at most 2^53 in its digits and a power of ten of at most 10^22 are both exact, so one
 * multiplication or division rounds once and right (Clinger, "How to Read Floating Point Numbers
 * Accurately", 1990). Anything else goes to strtod. */
#include "number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 400

static locale_t c_locale;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static bool
slow(const char *text, size_t size, double *out)
{
    char copy[TEXT_MAX + 1], *end;

    if (size > TEXT_MAX)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    pthread_once(&once, make_locale);
    *out = c_locale ? strtod_l(copy, &end, c_locale) : strtod(copy, &end);
    return end == copy + size && isfinite(*out);
}

bool
number_parse(const char *text, size_t size, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *p, *end, *start, *point = NULL;
    uint64_t digits = 0;
    int n = 0, power = 0;
    bool negative;
    double value;

    while (size && *text == ' ')
        text++, size--;
    while (size && text[size - 1] == ' ')
        size--;
    p = text;
    end = text + size;
    negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    start = p;
    for (; p < end; p++) {
        if (*p >= '0' && *p <= '9') {
            if (n < 19)
                digits = digits * 10 + (uint64_t)(*p - '0');
            n += digits != 0; /* leading zeros do not count */
        } else if (*p == '.' && !point) {
            point = p;
        } else {
            break;
        }
    }
    if (p - start == (point != NULL)) /* no digit */
        return false;
    if (p < end && *p != 'e' && *p != 'E')
        return false;
    if (p < end || n > 19 || digits > (UINT64_C(1) << 53))
        return slow(text, size, out);
    power = point ? (int)(p - point) - 1 : 0;
    if (power > 22)
        return slow(text, size, out);
    value = (double)digits / tens[power];
    *out = negative ? -value : value;
    return true;
}
