/* SPDX-License-Identifier: Apache-2.0
 * frame - the one unit between threads and processes that share no memory: hde.Frame.
 *
 * Reading lends: payload and bodies point into the bytes that were read. A struct frame starts as
 * {0}, keeps its array of messages from use to use, and belongs to one thread at a time. */
#ifndef LINK_FRAME_H
#define LINK_FRAME_H

#include "base/err.h"

#include <hde/operator.h>
#include <hde/schemas/runtime.pb-c.h>

enum {
    FRAME_VERSION = 1,
    FRAME_BYTES_MAX = 1 << 30,    /* of a whole frame */
    FRAME_MESSAGES_MAX = 1 << 22, /* of one frame */
};

struct frame_message {
    uint32_t port, type;
    int64_t event_ns;
    const ProtobufCMessage *body; /* to be packed; NULL: `bytes` is the packed message */
    const uint8_t *bytes;         /* lent */
    size_t size;
};

/* Fields that the kind does not have are 0 after reading and are not written. */
struct frame {
    uint32_t version, count; /* said by the bytes; `n` is what counts */
    Hde__FrameKind kind;
    uint32_t edge, index;
    uint64_t tick, number, schema;
    int64_t watermark_ns, time_ns;
    uint32_t credit_messages;
    uint64_t credit_bytes;
    const uint8_t *payload; /* lent */
    size_t payload_size;

    uint32_t n, cap;
    struct frame_message *message;
};

/* Begins another frame: everything is 0, there are no messages. */
void frame_begin(struct frame *frame, Hde__FrameKind kind, uint32_t edge);
/* The body is lent until frame_write(). */
void frame_add(struct frame *frame, uint32_t port, uint32_t type, const hde_msg *msg);
/* Writing is these two, in this order. The size counts against FRAME_BYTES_MAX at the reader. */
size_t frame_size(struct frame *frame);
void frame_write(const struct frame *frame, uint8_t *out);

/* False: what it is about is no frame of this version, has not what its kind needs, or passes a
 * limit (HDE-R007, with the field). Any bytes may be given. */
bool frame_read(struct frame *frame, const uint8_t *bytes, size_t size, struct err *err);
/* Whether the messages can be those of a port with these types (HDE-R007). */
bool frame_fits(const struct frame *frame, const ProtobufCMessageDescriptor *const *types,
                uint64_t schema, struct err *err);
void frame_fini(struct frame *frame);

/* A list of message types as one number: names, fields and all that they contain. Never 0. */
uint64_t frame_schema(const ProtobufCMessageDescriptor *const *types);
/* Index into such a list; its length where the type is not in it. */
uint32_t frame_type(const ProtobufCMessageDescriptor *const *types,
                    const ProtobufCMessageDescriptor *type);
const char *frame_kind_name(Hde__FrameKind kind); /* "data"; never NULL */

#endif
