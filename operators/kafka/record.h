/* SPDX-License-Identifier: Apache-2.0
 * record - a message as a record of a topic: the payload is the packed message, what else a reader
 * needs is in headers, all of them text.
 *
 *   hde-type    full name of the message type
 *   hde-schema  number of the version of that type (schema.h), 16 hex digits
 *   hde-writer  who wrote it, 16 hex digits: graph, node and the birth of that writer's mark
 *   hde-at      tick.index: the entry of the writer's log that caused it, and the how manieth it
 *               was. So it names what `hde why` can look up, and repeats can be told
 *   hde-event   event time, ns since 1970 UTC */
#ifndef KAFKA_RECORD_H
#define KAFKA_RECORD_H

#include <hde/operator.h>
#include <librdkafka/rdkafka.h>

struct record {
    char type[128]; /* "": it has no such header */
    uint64_t schema, writer, tick;
    uint32_t index;
    int64_t event_ns;
    bool has_at, has_event, has_schema; /* was there, and could be read */
};

rd_kafka_headers_t *record_headers(const struct record *record);
void record_read(const rd_kafka_message_t *message, struct record *out);
/* FNV-1a over text, going on from `hash`; HASH_START at first. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t record_hash(uint64_t hash, const char *text);
/* A message in the memory of the runtime; NULL: the bytes are none of that type. */
hde_msg *record_unpack(hde_ctx *ctx, const ProtobufCMessageDescriptor *type, const void *bytes,
                       size_t size);

#endif
