/* SPDX-License-Identifier: Apache-2.0
 * hde/text.h - growing text, JSON, and protobuf messages as JSON.
 *
 * Pure helpers for sinks, gateways and tools; any thread, one text at a time. A failed allocation
 * ends the process with a message. */
#ifndef HDE_TEXT_H
#define HDE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Starts as {0}. data is always ended by a NUL when it is not NULL. */
typedef struct hde_text {
    char *data;
    size_t len, cap;
} hde_text;

/* Ends the process with a message and exit code 71: an allocation of yours has failed. */
void hde_no_memory(void) __attribute__((noreturn, cold));

void hde_text_free(hde_text *text); /* back to {0} */
void hde_text_clear(hde_text *text); /* keeps the memory */
void hde_text_put(hde_text *text, const char *bytes, size_t size);
void hde_text_puts(hde_text *text, const char *s);
void hde_text_printf(hde_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* JSON pieces. Commas are yours, except in objects and arrays written by the calls below. */
void hde_json_string(hde_text *text, const char *s); /* quoted, escaped; NULL writes null */
void hde_json_number(hde_text *text, double x);      /* shortest text that reads back; NaN and
                                                        infinities write null */
void hde_json_integer(hde_text *text, int64_t x);
void hde_json_time(hde_text *text, int64_t ns); /* RFC 3339 UTC, quoted: "2026-08-19T05:57:00Z" */

typedef enum hde_json_style {
    HDE_JSON_PROTO = 0, /* lowerCamelCase names, 64-bit integers as text: the protobuf mapping */
    HDE_JSON_FIELDS = 1, /* names as in the .proto file, numbers as numbers: jsonl, gateway */
} hde_json_style;

/* One line, no line breaks. Absent fields are left out; NaN entries of columns are null; enums are
 * their names. */
void hde_json_message(hde_text *text, const ProtobufCMessage *message, hde_json_style style);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
