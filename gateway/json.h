/* SPDX-License-Identifier: Apache-2.0
 * json - writes JSON in order and puts the commas. Numbers that are not finite are null. */
#ifndef GATEWAY_JSON_H
#define GATEWAY_JSON_H

#include <math.h>

#include <hde/text.h>

/* Starts as {.out = text}. */
struct json {
    hde_text *out;
    bool comma; /* something stands before the next element */
};

static inline void
json_next(struct json *json)
{
    if (json->comma)
        hde_text_put(json->out, ",", 1);
    json->comma = true;
}

/* bracket is '{' or '['; close with '}' or ']'. */
static inline void
json_open(struct json *json, char bracket)
{
    json_next(json);
    hde_text_put(json->out, &bracket, 1);
    json->comma = false;
}

static inline void
json_close(struct json *json, char bracket)
{
    hde_text_put(json->out, &bracket, 1);
    json->comma = true;
}

/* Keys are ours and need no escapes. */
static inline void
json_key(struct json *json, const char *key)
{
    json_next(json);
    hde_text_put(json->out, "\"", 1);
    hde_text_puts(json->out, key);
    hde_text_put(json->out, "\":", 2);
    json->comma = false;
}

static inline void
json_number(struct json *json, double x)
{
    json_next(json);
    hde_json_number(json->out, x);
}

static inline void
json_text(struct json *json, const char *text) /* NULL is null */
{
    json_next(json);
    hde_json_string(json->out, text);
}

static inline void
json_absent(struct json *json)
{
    json_text(json, NULL);
}

static inline void
json_open_key(struct json *json, const char *key, char bracket)
{
    json_key(json, key);
    json_open(json, bracket);
}

static inline void
json_field(struct json *json, const char *key, double x)
{
    json_key(json, key);
    json_number(json, x);
}

static inline void
json_field_integer(struct json *json, const char *key, int64_t x)
{
    json_key(json, key);
    json_next(json);
    hde_json_integer(json->out, x);
}

static inline void
json_field_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

static inline void
json_field_null(struct json *json, const char *key)
{
    json_field_text(json, key, NULL);
}

static inline void
json_field_bool(struct json *json, const char *key, bool known, bool value)
{
    json_key(json, key);
    json_next(json);
    hde_text_puts(json->out, !known ? "null" : value ? "true" : "false");
}

static inline void
json_field_time(struct json *json, const char *key, bool known, int64_t ns)
{
    json_key(json, key);
    if (!known) {
        json_absent(json);
        return;
    }
    json_next(json);
    hde_json_time(json->out, ns);
}

/* A scalar with presence of a message that may be NULL itself: its value, or NaN. */
#define FIELD(message, field) ((message) && (message)->has_##field ? (double)(message)->field : NAN)

#endif
