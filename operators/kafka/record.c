/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t
record_hash(uint64_t hash, const char *text)
{
    do {
        hash ^= (uint8_t)*text;
        hash *= UINT64_C(0x100000001b3);
    } while (*text++);
    return hash;
}

/* ---- Headers ------------------------------------------------------------------------------ */

rd_kafka_headers_t *
record_headers(const struct record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(5);
    char text[48];
    int n;

    rd_kafka_header_add(headers, "hde-type", -1, record->type, -1);
    n = snprintf(text, sizeof text, "%016" PRIx64, record->schema);
    rd_kafka_header_add(headers, "hde-schema", -1, text, n);
    n = snprintf(text, sizeof text, "%016" PRIx64, record->writer);
    rd_kafka_header_add(headers, "hde-writer", -1, text, n);
    n = snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu32, record->tick, record->index);
    rd_kafka_header_add(headers, "hde-at", -1, text, n);
    n = snprintf(text, sizeof text, "%" PRId64, record->event_ns);
    rd_kafka_header_add(headers, "hde-event", -1, text, n);
    return headers;
}

/* The last header of that name as text; false: none, or too long to be one of ours. */
static bool
header(const rd_kafka_headers_t *headers, const char *name, char *text, size_t size)
{
    const void *value;
    size_t n;

    if (rd_kafka_header_get_last(headers, name, &value, &n) || n >= size)
        return false;
    if (n)
        memcpy(text, value, n);
    text[n] = 0;
    return true;
}

static bool
header_number(const rd_kafka_headers_t *headers, const char *name, int base, uint64_t *out)
{
    char text[48], *end;

    if (!header(headers, name, text, sizeof text) || !text[0])
        return false;
    *out = strtoull(text, &end, base);
    return !*end;
}

void
record_read(const rd_kafka_message_t *message, struct record *out)
{
    rd_kafka_headers_t *headers;
    uint64_t number;
    char at[48];

    *out = (struct record){0};
    if (rd_kafka_message_headers(message, &headers))
        return;
    if (!header(headers, "hde-type", out->type, sizeof out->type))
        out->type[0] = 0;
    out->has_schema = header_number(headers, "hde-schema", 16, &out->schema);
    out->has_at = header_number(headers, "hde-writer", 16, &out->writer) &&
                  header(headers, "hde-at", at, sizeof at) &&
                  sscanf(at, "%" SCNu64 ".%" SCNu32, &out->tick, &out->index) == 2;
    out->has_event = header_number(headers, "hde-event", 10, &number);
    out->event_ns = out->has_event ? (int64_t)number : 0;
}

/* ---- Bodies ------------------------------------------------------------------------------- */

static void *
take_memory(void *msg, size_t size)
{
    return hde_msg_alloc(msg, size);
}

static void
leave_memory(void *msg, void *memory)
{
    /* it goes with the message */
}

hde_msg *
record_unpack(hde_ctx *ctx, const ProtobufCMessageDescriptor *type, const void *bytes, size_t size)
{
    hde_msg *msg = hde_msg_new(ctx, type);
    ProtobufCAllocator memory = {take_memory, leave_memory, msg};
    ProtobufCMessage *body = protobuf_c_message_unpack(type, &memory, size, bytes);

    if (!body) {
        hde_msg_drop(msg);
        return NULL;
    }
    memcpy(msg->body, body, type->sizeof_message);
    return msg;
}
