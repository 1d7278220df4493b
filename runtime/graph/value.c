/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__extension__ typedef __int128 wide;

struct unit {
    const char *name;
    int64_t factor;
};

/* 12, -3: the end of the digits, or NULL. */
static const char *
digits_end(const char *s)
{
    const char *start = s;

    while (isdigit((unsigned char)*s))
        s++;
    return s == start ? NULL : s;
}

/* [-+]12[.5][e[-+]3]: the end, or NULL. */
static const char *
number_end(const char *s)
{
    const char *end, *more;

    s += *s == '-' || *s == '+';
    end = digits_end(s);
    if (!end)
        return NULL;
    if (*end == '.') {
        end = digits_end(end + 1);
        if (!end)
            return NULL;
    }
    if (*end == 'e' || *end == 'E') {
        more = digits_end(end + 1 + (end[1] == '-' || end[1] == '+'));
        end = more ? more : end;
    }
    return end;
}

enum value_fault
value_int(const char *text, int64_t *out)
{
    const char *s = text + (*text == '-'), *end = digits_end(s);
    int64_t value = 0;

    if (!end || *end)
        return end && number_end(text) && isalpha((unsigned char)*number_end(text)) ? VALUE_UNIT
                                                                                    : VALUE_FORM;
    for (; *s; s++) {
        int digit = *s - '0';

        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text == '-' ? -digit : digit, &value))
            return VALUE_RANGE;
    }
    *out = value;
    return VALUE_OK;
}

enum value_fault
value_real(const char *text, double *out)
{
    const char *end = number_end(text);
    double value;

    if (!end)
        return VALUE_FORM;
    if (*end)
        return *end == '%' || *end == ' ' || isalpha((unsigned char)*end) ? VALUE_UNIT : VALUE_FORM;
    value = strtod(text, NULL);
    if (!isfinite(value))
        return VALUE_RANGE;
    *out = value;
    return VALUE_OK;
}

enum value_fault
value_ratio(const char *text, double *out)
{
    const char *end = number_end(text);
    double value;

    if (!end)
        return VALUE_FORM;
    if (*end && strcmp(end, "%") != 0)
        return *end == ' ' || isalpha((unsigned char)*end) ? VALUE_UNIT : VALUE_FORM;
    value = strtod(text, NULL);
    if (!isfinite(value))
        return VALUE_RANGE;
    *out = *end ? value / 100 : value;
    return VALUE_OK;
}

/* A number with an optional fraction of up to nine digits times a unit: 1.5h. *text goes behind. */
static enum value_fault
take(const char **text, const struct unit *units, int64_t *out)
{
    const char *s = *text, *end = digits_end(s), *unit;
    int64_t whole = 0, fraction = 0, scale = 1;
    wide value;

    if (!end)
        return VALUE_FORM;
    for (; s < end; s++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *s - '0', &whole))
            return VALUE_RANGE;
    if (*end == '.') {
        s = end + 1;
        end = digits_end(s);
        if (!end || end - s > 9)
            return VALUE_FORM;
        for (; s < end; s++, scale *= 10)
            fraction = fraction * 10 + (*s - '0');
    }
    for (unit = end; isalpha((unsigned char)*end) || (*end & 0x80);)
        end++;
    for (; units->name; units++)
        if (strlen(units->name) == (size_t)(end - unit) &&
            memcmp(units->name, unit, (size_t)(end - unit)) == 0)
            break;
    if (!units->name)
        return VALUE_UNIT;
    value = (wide)whole * units->factor + (wide)fraction * units->factor / scale;
    if (value > INT64_MAX)
        return VALUE_RANGE;
    *out = (int64_t)value;
    *text = end;
    return VALUE_OK;
}

static enum value_fault
take_all(const char *text, const struct unit *units, int64_t *out)
{
    int64_t sum = 0, part;

    do {
        enum value_fault fault = take(&text, units, &part);

        if (fault)
            return fault;
        if (__builtin_add_overflow(sum, part, &sum))
            return VALUE_RANGE;
    } while (*text && isdigit((unsigned char)*text));
    if (*text)
        return VALUE_FORM;
    *out = sum;
    return VALUE_OK;
}

enum value_fault
value_duration(const char *text, int64_t *ns)
{
    static const struct unit units[] = {{"ns", 1},
                                        {"us", 1000},
                                        {"\xC2\xB5s", 1000},
                                        {"ms", 1000000},
                                        {"s", 1000000000},
                                        {"m", 60000000000},
                                        {"h", 3600000000000},
                                        {"d", 86400000000000},
                                        {0}};
    bool negative = *text == '-';
    enum value_fault fault;

    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return VALUE_OK;
    }
    fault = take_all(text + negative, units, ns);
    if (!fault && negative)
        *ns = -*ns;
    return fault;
}

enum value_fault
value_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"KiB", INT64_C(1) << 10},
                                        {"MiB", INT64_C(1) << 20},
                                        {"GiB", INT64_C(1) << 30},
                                        {"TiB", INT64_C(1) << 40},
                                        {0}};
    enum value_fault fault = take(&text, units, bytes);

    return fault ? fault : *text ? VALUE_FORM : VALUE_OK;
}

enum value_fault
value_bool(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0 ? VALUE_OK : VALUE_FORM;
}

bool
value_is_bool_word(const char *text, bool *meant)
{
    static const char *const words[] = {"yes", "no", "on", "off", "y", "n", "true", "false"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *meant = i % 2 == 0;
            return true;
        }
    return false;
}
