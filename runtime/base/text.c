/* SPDX-License-Identifier: Apache-2.0
 * text - growing text and the JSON pieces of hde/text.h. */
#include "base/arena.h"

#include <hde/text.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ns_per_s = 1000000000;

void
hde_no_memory(void)
{
    out_of_memory(0);
}

/* ---- Growing text ------------------------------------------------------------------------- */

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

/* Room for size more bytes and a NUL; where they go. */
static char *
reserve(hde_text *text, size_t size)
{
    if (text->cap - text->len <= size) {
        size_t cap = text->cap ? 2 * text->cap : 256;

        while (cap - text->len <= size)
            cap *= 2;
        text->data = xrealloc(text->data, cap);
        text->cap = cap;
    }
    return text->data + text->len;
}

void
hde_text_put(hde_text *text, const char *bytes, size_t size)
{
    char *at = reserve(text, size);

    if (size)
        memcpy(at, bytes, size);
    at[size] = 0;
    text->len += size;
}

void
hde_text_puts(hde_text *text, const char *s)
{
    hde_text_put(text, s, strlen(s));
}

void
hde_text_printf(hde_text *text, const char *fmt, ...)
{
    va_list args, again;
    char *at = reserve(text, 127);
    size_t room = text->cap - text->len;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(at, room, fmt, args);
    if (n >= 0 && (size_t)n >= room)
        n = vsnprintf(reserve(text, (size_t)n), (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    if (n > 0)
        text->len += (size_t)n;
    text->data[text->len] = 0;
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* Length of the valid UTF-8 sequence at s, 0 if there is none (overlong, surrogate, cut). */
static size_t
utf8_length(const unsigned char *s)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *s < 0x80 ? 1 : *s >= 0xf0 && *s < 0xf8 ? 4 : *s >= 0xe0 ? 3 : *s >= 0xc0 ? 2 : 0;
    uint32_t code;

    if (n < 2 || *s >= 0xf8)
        return *s < 0x80;
    code = *s & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    return code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

static void
put_escape(hde_text *text, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t", named[] = "\"\\bfnrt";
    const char *at = strchr(plain, c);

    if (at && c)
        hde_text_put(text, (const char[]){'\\', named[at - plain]}, 2);
    else
        hde_text_printf(text, "\\u%04x", c);
}

void
hde_json_string(hde_text *text, const char *s)
{
    const unsigned char *from, *at = (const unsigned char *)s;

    if (!s) {
        hde_text_put(text, "null", 4);
        return;
    }
    hde_text_put(text, "\"", 1);
    for (from = at; *at; from = at) {
        size_t n;

        while (*at >= ' ' && *at != '"' && *at != '\\' && *at != 0x7f && (n = utf8_length(at)))
            at += n;
        hde_text_put(text, (const char *)from, (size_t)(at - from));
        if (!*at)
            break;
        if (*at < 0x80)
            put_escape(text, *at);
        else
            hde_text_puts(text, "\xef\xbf\xbd"); /* U+FFFD for what is not UTF-8 */
        at++;
    }
    hde_text_put(text, "\"", 1);
}

/* The decimal digits of x at the end of a buffer; where they begin. */
static char *
digits(char *end, uint64_t x)
{
    do
        *--end = (char)('0' + x % 10);
    while (x /= 10);
    return end;
}

void
hde_json_integer(hde_text *text, int64_t x)
{
    char buffer[24], *end = buffer + sizeof buffer;
    char *at = digits(end, x < 0 ? -(uint64_t)x : (uint64_t)x);

    if (x < 0)
        *--at = '-';
    hde_text_put(text, at, (size_t)(end - at));
}

static void
put_unsigned(hde_text *text, uint64_t x)
{
    char buffer[24], *end = buffer + sizeof buffer;
    char *at = digits(end, x);

    hde_text_put(text, at, (size_t)(end - at));
}

/* Digits with the point k places from their end, without zeros that say nothing. */
static void
put_scaled(hde_text *text, bool is_negative, uint64_t number, int k)
{
    char buffer[48], *end = buffer + sizeof buffer, *at;

    for (; k > 0 && number % 10 == 0; k--)
        number /= 10;
    at = digits(end, number);
    while (end - at <= k)
        *--at = '0';
    if (k > 0) {
        memmove(at - 1, at, (size_t)(end - at - k));
        at--;
        end[-k - 1] = '.';
    }
    if (is_negative)
        *--at = '-';
    hde_text_put(text, at, (size_t)(end - at));
}

/* Prices, quantities and ratios have few decimals. If x is r / 10^k for an integer r of at most
 * 15 digits, then those digits read back as x (the division is exact to the last bit, as reading
 * is), and with the smallest k there is no shorter text. */
static bool
put_short_decimal(hde_text *text, double x)
{
    static const double power[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    double size = fabs(x);

    if (!(size < 1e15) || (size < 1e-4 && size > 0))
        return false;
    for (unsigned k = 0; k < sizeof power / sizeof *power; k++) {
        double r = nearbyint(size * power[k]);

        if (r >= 1e15)
            return false;
        if (r / power[k] != size)
            continue;
        put_scaled(text, signbit(x), (uint64_t)r, (int)k);
        return true;
    }
    return false;
}

__extension__ typedef unsigned __int128 wide;

/* Shortest digits of most computed values, in whole numbers without rounding. With x = m 2^-s and
 * k chosen so that x 10^k has 17 digits before the point, V = m 10^k stands for x in units of
 * 2^-s 10^-k. A decimal D 10^-k is D 2^s in these units and reads back as x if it lies within half
 * a step of the doubles, 10^k / 2, of V (a quarter below a power of two). V < 2^53 10^21 < 2^123.
 * Fifteen digits are tried first, then 16; 17 are always enough. */
static bool
put_middle(hde_text *text, double x)
{
    static const double least[] = {1e16, 1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9,
                                   1e8,  1e7,  1e6,  1e5,  1e4,  1e3,  1e2,  1e1,
                                   1e0,  1e-1, 1e-2, 1e-3, 1e-4, 1e-5};
    double size = fabs(x);
    int exponent, k = 1; /* 17 digits: size times 10^k is at least 10^16 */
    uint64_t m, number;
    wide power = 1, v, half;

    if (!(size >= 1e-5 && size < 1e15))
        return false;
    m = (uint64_t)ldexp(frexp(size, &exponent), 53);
    exponent = 53 - exponent; /* s: 4 to 69 */
    while (size < least[k])
        k++;
    for (int i = 0; i < k; i++)
        power *= 10;
    v = (wide)m * power;
    half = power / (m == (uint64_t)1 << 52 ? 4 : 2);
    for (uint64_t step = 100; step >= 1; step /= 10) {
        wide unit = (wide)step << exponent, back;

        number = (uint64_t)((v + unit / 2) / unit) * step;
        back = (wide)number << exponent;
        if (step == 1 || (back > v ? back - v : v - back) < half)
            break;
    }
    put_scaled(text, signbit(x), number, k);
    return true;
}

void
hde_json_number(hde_text *text, double x)
{
    char buffer[32];

    if (!isfinite(x)) {
        hde_text_put(text, "null", 4);
        return;
    }
    if (put_short_decimal(text, x) || put_middle(text, x))
        return;
    /* Very large and very small: one digit for the smallest of all, 17 at most. */
    for (int precision = fabs(x) < 1e-300 ? 1 : 15; precision <= 17; precision++) {
        snprintf(buffer, sizeof buffer, "%.*g", precision, x);
        if (precision == 17 || strtod(buffer, NULL) == x)
            break;
    }
    hde_text_puts(text, buffer);
}

static void
put_float(hde_text *text, float x)
{
    char buffer[32];

    if (!isfinite(x)) {
        hde_text_put(text, "null", 4);
        return;
    }
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(buffer, sizeof buffer, "%.*g", precision, (double)x);
        if (precision == 9 || strtof(buffer, NULL) == x)
            break;
    }
    hde_text_puts(text, buffer);
}

/* ---- Time --------------------------------------------------------------------------------- */

/* Civil date of a day count since 1970-01-01. Years begin in March, so that the day that comes and
 * goes is the last one; 400 years are a whole number of days. */
static void
civil_date(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    enum { DAYS_400 = 146097, MARCH_0000 = 719468 /* days before 1970 */ };
    int64_t shifted = days + MARCH_0000;
    int64_t era = (shifted >= 0 ? shifted : shifted - (DAYS_400 - 1)) / DAYS_400;
    unsigned of_era = (unsigned)(shifted - era * DAYS_400);
    unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153; /* 0 is March */

    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = era * 400 + y + (*month <= 2);
}

void
hde_json_time(hde_text *text, int64_t ns)
{
    int64_t second = ns / ns_per_s, fraction = ns % ns_per_s, day, year;
    unsigned month, of_month, of_day;

    if (fraction < 0)
        fraction += ns_per_s, second--;
    day = second / 86400;
    of_day = (unsigned)(second - day * 86400);
    if (second < day * 86400)
        day--, of_day += 86400;
    civil_date(day, &year, &month, &of_month);
    hde_text_printf(text, "\"%04lld-%02u-%02uT%02u:%02u:%02u", (long long)year, month, of_month,
                    of_day / 3600, of_day / 60 % 60, of_day % 60);
    if (fraction % 1000)
        hde_text_printf(text, ".%09lld", (long long)fraction);
    else if (fraction % 1000000)
        hde_text_printf(text, ".%06lld", (long long)fraction / 1000);
    else if (fraction)
        hde_text_printf(text, ".%03lld", (long long)fraction / 1000000);
    hde_text_put(text, "Z\"", 2);
}

/* ---- Messages ----------------------------------------------------------------------------- */

enum { DEPTH_MAX = 64 };

static void put_message(hde_text *text, const ProtobufCMessage *message, hde_json_style style,
                        unsigned depth);

static void
put_base64(hde_text *text, const ProtobufCBinaryData *data)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at;

    hde_text_put(text, "\"", 1);
    at = reserve(text, (data->len + 2) / 3 * 4 + 1);
    for (size_t i = 0; i < data->len; i += 3) {
        size_t n = data->len - i;
        uint32_t bits = (uint32_t)data->data[i] << 16 |
                        (n > 1 ? (uint32_t)data->data[i + 1] << 8 : 0) |
                        (n > 2 ? data->data[i + 2] : 0);

        *at++ = letters[bits >> 18];
        *at++ = letters[bits >> 12 & 63];
        *at++ = n > 1 ? letters[bits >> 6 & 63] : '=';
        *at++ = n > 2 ? letters[bits & 63] : '=';
    }
    text->len = (size_t)(at - text->data);
    hde_text_put(text, "\"", 1);
}

static void
put_enum(hde_text *text, const ProtobufCEnumDescriptor *type, int32_t number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);

    if (value)
        hde_json_string(text, value->name);
    else
        hde_json_integer(text, number);
}

static void
put_wide(hde_text *text, bool is_text, uint64_t x, bool is_signed)
{
    if (is_text)
        hde_text_put(text, "\"", 1);
    if (is_signed)
        hde_json_integer(text, (int64_t)x);
    else
        put_unsigned(text, x);
    if (is_text)
        hde_text_put(text, "\"", 1);
}

static void
put_value(hde_text *text, const ProtobufCFieldDescriptor *field, const void *at,
          hde_json_style style, unsigned depth)
{
    bool is_text = style == HDE_JSON_PROTO;

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        hde_json_integer(text, *(const int32_t *)at);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        put_unsigned(text, *(const uint32_t *)at);
        return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_wide(text, is_text, *(const uint64_t *)at, true);
        return;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_wide(text, is_text, *(const uint64_t *)at, false);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        put_float(text, *(const float *)at);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        hde_json_number(text, *(const double *)at);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        hde_text_puts(text, *(const protobuf_c_boolean *)at ? "true" : "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(text, field->descriptor, *(const int32_t *)at);
        return;
    case PROTOBUF_C_TYPE_STRING:
        hde_json_string(text, *(char *const *)at);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        put_base64(text, at);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(text, *(ProtobufCMessage *const *)at, style, depth + 1);
        return;
    }
}

static size_t
element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 4;
    }
}

static void
put_column(hde_text *text, const ProtobufCFieldDescriptor *field, size_t n, const char *at,
           hde_json_style style, unsigned depth)
{
    size_t step = element_size(field->type);

    hde_text_put(text, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i)
            hde_text_put(text, ",", 1);
        put_value(text, field, at + i * step, style, depth);
    }
    hde_text_put(text, "]", 1);
}

static bool
is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    const void *value = base + field->offset;

    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        if (*(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
            return false;
    } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return *(const size_t *)(const void *)(base + field->quantifier_offset) > 0;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const void *pointer = *(void *const *)value;

        return pointer && pointer != field->default_value;
    }
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset &&
        !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return *(const protobuf_c_boolean *)(const void *)(base + field->quantifier_offset);
    return true;
}

static void
put_name(hde_text *text, const char *name, hde_json_style style)
{
    char *at;

    hde_text_put(text, "\"", 1);
    if (style == HDE_JSON_FIELDS) {
        hde_text_puts(text, name);
    } else { /* snake_case to lowerCamelCase */
        at = reserve(text, strlen(name));
        for (; *name; name++) {
            if (*name == '_' && name[1] >= 'a' && name[1] <= 'z')
                *at++ = (char)(*++name - 'a' + 'A');
            else if (*name != '_')
                *at++ = *name;
        }
        text->len = (size_t)(at - text->data);
    }
    hde_text_put(text, "\":", 2);
}

static void
put_message(hde_text *text, const ProtobufCMessage *message, hde_json_style style, unsigned depth)
{
    const ProtobufCMessageDescriptor *type;
    bool first = true;

    if (!message || depth > DEPTH_MAX) {
        hde_text_put(text, "null", 4);
        return;
    }
    type = message->descriptor;
    hde_text_put(text, "{", 1);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        const char *at = (const char *)message + field->offset;

        if (!is_present(message, field))
            continue;
        if (!first)
            hde_text_put(text, ",", 1);
        first = false;
        put_name(text, field->name, style);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_column(
                text, field,
                *(const size_t *)(const void *)((const char *)message + field->quantifier_offset),
                *(char *const *)(const void *)at, style, depth);
        else
            put_value(text, field, at, style, depth);
    }
    hde_text_put(text, "}", 1);
}

void
hde_json_message(hde_text *text, const ProtobufCMessage *message, hde_json_style style)
{
    put_message(text, message, style, 0);
}
