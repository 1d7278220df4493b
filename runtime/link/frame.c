/* SPDX-License-Identifier: Apache-2.0
 * frame - writes and reads hde.Frame by hand: bodies go straight to the transport's buffer and are
 * read where they lie.
 *
 *  (1) One table says which fields a kind has. They are all written, and all wanted by the reader;
 *      others are passed over, like fields of a later version. [test_every_kind_comes_as_it_went]
 *  (2) Reading looks at no byte outside of what was given and allocates no more than the count of
 *      messages, which the bytes have to hold. [fuzz_frame_test: any bytes, and what is read is
 *      what the generated code reads] */
#include "link/frame.h"

#include "base/arena.h"
#include "link/wire.h"

#include <stdlib.h>
#include <string.h>

/* ---- What a kind has ---------------------------------------------------------------------- */

/* The fields of hde.Frame in the order of their numbers but MESSAGES: how each is encoded, its place
 * in struct frame, and the most that it may be. What has all of them is code without a loop. */
#define EACH_FIELD(DO)                                                                             \
    DO(VERSION, VARINT, version, FRAME_VERSION)                                                    \
    DO(KIND, VARINT, kind, KINDS - 1)                                                              \
    DO(EDGE, VARINT, edge, UINT32_MAX)                                                             \
    DO(TICK, FIXED64, tick, UINT64_MAX)                                                            \
    DO(INDEX, VARINT, index, UINT32_MAX)                                                           \
    DO(NUMBER, FIXED64, number, UINT64_MAX)                                                        \
    DO(SCHEMA, FIXED64, schema, UINT64_MAX)                                                        \
    DO(WATERMARK, FIXED64, watermark_ns, UINT64_MAX)                                               \
    DO(TIME, FIXED64, time_ns, UINT64_MAX)                                                         \
    DO(CREDIT_MESSAGES, VARINT, credit_messages, UINT32_MAX)                                       \
    DO(CREDIT_BYTES, VARINT, credit_bytes, (uint64_t)UINT32_MAX * 64)                              \
    DO(PAYLOAD, BYTES, payload_size, FRAME_BYTES_MAX)                                              \
    DO(COUNT, VARINT, count, FRAME_MESSAGES_MAX)

enum number { /* of the fields of hde.Frame and hde.FrameMessage */
    VERSION = 1, KIND, EDGE, TICK, INDEX, NUMBER, SCHEMA, WATERMARK, TIME, CREDIT_MESSAGES,
    CREDIT_BYTES, PAYLOAD, COUNT, MESSAGES,
    FIELDS,
    PORT = 1, TYPE, EVENT, BODY
};

#define F(field) (1u << (field))
#define EVERY (F(VERSION) | F(KIND) | F(EDGE))
#define SEQUENCE (F(TICK) | F(INDEX) | F(NUMBER))
#define CREDIT (F(CREDIT_MESSAGES) | F(CREDIT_BYTES))
#define BATCH (SEQUENCE | F(SCHEMA) | F(WATERMARK) | F(TIME) | CREDIT | F(COUNT))
#define REQUEST (F(TICK) | F(NUMBER) | F(WATERMARK) | F(TIME) | F(PAYLOAD) | F(COUNT))

static const struct {
    const char *name;
    uint32_t fields; /* COUNT: messages too */
} kinds[] = {
    {"unknown", 0},
    {"data", BATCH},
    {"credit", CREDIT},
    {"progress", F(TICK)},
    {"barrier", BATCH},
    {"marker", SEQUENCE | F(PAYLOAD)},
    {"end", SEQUENCE},
    {"hello", F(TICK) | F(INDEX) | F(SCHEMA) | CREDIT},
    {"ask", F(TICK)},
    {"ack", F(TICK) | F(INDEX)},
    {"gone", F(PAYLOAD)},
    {"call", REQUEST},
    {"answer", F(NUMBER) | F(PAYLOAD) | F(COUNT)},
    [HDE__FRAME_KIND__FRAME_KIND_REQUEST] = {"request", F(NUMBER) | F(PAYLOAD)},
    [HDE__FRAME_KIND__FRAME_KIND_REPLY] = {"reply", F(NUMBER) | F(PAYLOAD)},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *
field_name(unsigned field)
{
#define NAME(field, wire, member, most) [field] = #member,
    static const char *const names[FIELDS] = {EACH_FIELD(NAME)[MESSAGES] = "messages"};
#undef NAME

    return field == PAYLOAD ? "payload" : names[field];
}

static uint32_t
fields_of(const struct frame *frame)
{
    return EVERY | kinds[frame->kind].fields;
}

const char *
frame_kind_name(Hde__FrameKind kind)
{
    const char *name = kinds[(unsigned)kind < KINDS ? (unsigned)kind : 0].name;

    return name ? name : kinds[0].name;
}

/* ---- Making one --------------------------------------------------------------------------- */

void
frame_begin(struct frame *frame, Hde__FrameKind kind, uint32_t edge)
{
    *frame = (struct frame){.version = FRAME_VERSION,
                            .kind = kind,
                            .edge = edge,
                            .message = frame->message,
                            .cap = frame->cap};
}

static struct frame_message *
append(struct frame *frame)
{
    if (frame->n == frame->cap) {
        frame->cap = frame->cap ? 2 * frame->cap : 16;
        frame->message = xrealloc(frame->message, frame->cap * sizeof *frame->message);
    }
    return &frame->message[frame->n++];
}

void
frame_add(struct frame *frame, uint32_t port, uint32_t type, const hde_msg *msg)
{
    *append(frame) = (struct frame_message){port, type, msg->event_ns, msg->body, NULL, 0};
}

void
frame_fini(struct frame *frame)
{
    free(frame->message);
    *frame = (struct frame){0};
}

uint32_t
frame_type(const ProtobufCMessageDescriptor *const *types, const ProtobufCMessageDescriptor *type)
{
    uint32_t i = 0;

    while (types[i] && types[i] != type)
        i++;
    return i;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static size_t
message_size(const struct frame_message *message)
{
    return wire_item_size(VARINT, message->port) + wire_item_size(VARINT, message->type) +
           wire_item_size(FIXED64, 0) + wire_item_size(BYTES, message->size);
}

static uint8_t *
put_message(uint8_t *at, const struct frame_message *message)
{
    at = wire_put_item(at, MESSAGES, BYTES, message_size(message));
    at = wire_put_item(at, PORT, VARINT, message->port);
    at = wire_put_item(at, TYPE, VARINT, message->type);
    at = wire_put_item(at, EVENT, FIXED64, (uint64_t)message->event_ns);
    at = wire_put_item(at, BODY, BYTES, message->size);
    if (message->body)
        protobuf_c_message_pack(message->body, at);
    else if (message->size)
        memcpy(at, message->bytes, message->size);
    return at + message->size;
}

size_t
frame_size(struct frame *frame)
{
    uint32_t wanted = fields_of(frame);
    size_t size = 0;

    frame->count = frame->n;
#define ADD(field, wire, member, most)                                                             \
    if (wanted & F(field))                                                                         \
        size += wire_item_size(wire, (uint64_t)frame->member);
    EACH_FIELD(ADD)
#undef ADD
    for (uint32_t i = 0; i < frame->n; i++) {
        struct frame_message *message = &frame->message[i];

        if (message->body)
            message->size = protobuf_c_message_get_packed_size(message->body);
        size += wire_item_size(BYTES, message_size(message));
    }
    return size;
}

void
frame_write(const struct frame *frame, uint8_t *out)
{
    uint32_t wanted = fields_of(frame);

#define PUT(field, wire, member, most)                                                             \
    if (wanted & F(field)) {                                                                       \
        out = wire_put_item(out, field, wire, (uint64_t)frame->member);                            \
        if ((field) == PAYLOAD && frame->payload_size)                                             \
            out = (uint8_t *)memcpy(out, frame->payload, frame->payload_size) +                    \
                  frame->payload_size;                                                             \
    }
    EACH_FIELD(PUT)
#undef PUT
    for (uint32_t i = 0; i < frame->n; i++)
        out = put_message(out, &frame->message[i]);
}

/* ---- Reading ------------------------------------------------------------------------------ */

static bool
get_message(const struct wire_item *item, struct frame_message *out)
{
    struct wire in = {item->bytes, item->bytes + item->size};
    struct wire_item field;
    unsigned seen = 0;

    *out = (struct frame_message){0};
    while (in.at < in.end) {
        if (!wire_get_item(&in, &field))
            return false;
        if (field.field > BODY)
            continue;
        if (field.wire != (field.field == BODY    ? BYTES
                           : field.field == EVENT ? FIXED64
                                                  : VARINT) ||
            (field.wire == VARINT && field.value > UINT32_MAX))
            return false;
        seen |= F(field.field);
        if (field.field == PORT)
            out->port = (uint32_t)field.value;
        else if (field.field == TYPE)
            out->type = (uint32_t)field.value;
        else if (field.field == EVENT)
            out->event_ns = (int64_t)field.value;
        else
            out->bytes = field.bytes, out->size = field.size;
    }
    return seen == (F(PORT) | F(TYPE) | F(EVENT) | F(BODY));
}

/* Of a field that frames have. */
static bool
set_field(struct frame *frame, const struct wire_item *item)
{
    uint64_t value = item->wire == BYTES ? item->size : item->value;

    switch (item->field) {
#define SET(field, expected, member, most)                                                         \
    case field:                                                                                    \
        if (item->wire != (expected) || value > (most) ||                                          \
            ((field) == VERSION && value != FRAME_VERSION))                                        \
            return false;                                                                          \
        frame->member = (__typeof__(frame->member))value;                                          \
        if ((field) == PAYLOAD)                                                                    \
            frame->payload = item->bytes;                                                          \
        return true;
        EACH_FIELD(SET)
#undef SET
    default:
        return item->wire == BYTES && value <= FRAME_BYTES_MAX && frame->n < FRAME_MESSAGES_MAX &&
               get_message(item, append(frame));
    }
}

/* Forgets what the kind does not have, and finds what it lacks. */
static bool
check_fields(struct frame *frame, uint32_t seen, struct err *err)
{
    uint32_t wanted = fields_of(frame), lacking = wanted & ~seen;

    if (lacking)
        return err_set(err, "HDE-R007", "a frame cannot be read: kind '%s' without '%s'",
                       frame_kind_name(frame->kind), field_name((unsigned)__builtin_ctz(lacking)));
    if (!kinds[frame->kind].fields || (frame->n && !(wanted & F(COUNT))))
        return err_set(err, "HDE-R007", "a frame cannot be read: kind '%s' with messages",
                       frame_kind_name(frame->kind));
#define FORGET(field, wire, member, most)                                                          \
    if (!(wanted & F(field)))                                                                      \
        frame->member = 0;
    EACH_FIELD(FORGET)
#undef FORGET
    return frame->count == frame->n ||
           err_set(err, "HDE-R007", "a frame cannot be read: it says %u messages and has %u",
                   frame->count, frame->n);
}

bool
frame_read(struct frame *frame, const uint8_t *bytes, size_t size, struct err *err)
{
    struct wire in = {bytes, bytes + size};
    uint32_t seen = 0;
    struct wire_item item;

    frame_begin(frame, HDE__FRAME_KIND__FRAME_KIND_UNSPECIFIED, 0);
    if (size > FRAME_BYTES_MAX)
        return err_set(err, "HDE-R007", "a frame cannot be read: it has %zu bytes", size);
    while (in.at < in.end) {
        if (!wire_get_item(&in, &item))
            return err_set(err, "HDE-R007", "a frame cannot be read: its bytes are no hde.Frame");
        if (item.field >= FIELDS)
            continue;
        if (!set_field(frame, &item))
            return err_set(err, "HDE-R007", "a frame cannot be read: unknown or impossible '%s'",
                           field_name((unsigned)item.field));
        seen |= F(item.field);
    }
    return check_fields(frame, seen, err);
}

bool
frame_fits(const struct frame *frame, const ProtobufCMessageDescriptor *const *types,
           uint64_t schema, struct err *err)
{
    uint32_t n = frame_type(types, NULL);

    if (frame->schema != schema)
        return err_set(err, "HDE-R007",
                       "the other end knows its message types by other fields: both need the same "
                       "schemas");
    for (uint32_t i = 0; i < frame->n; i++)
        if (frame->message[i].type >= n)
            return err_set(err, "HDE-R007", "message %u of tick %llu is of a type that the port "
                           "does not have", i, (unsigned long long)frame->tick);
    return true;
}

/* ---- Schema ------------------------------------------------------------------------------- */

enum { TYPES_MAX = 64 };

struct digest {
    uint64_t value; /* FNV-1a, 64 bit */
    uint32_t n;
    const ProtobufCMessageDescriptor *seen[TYPES_MAX];
};

static void
digest_number(struct digest *digest, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        digest->value ^= (uint8_t)(number >> 8 * i);
        digest->value *= UINT64_C(0x100000001b3);
    }
}

static void
digest_text(struct digest *digest, const char *text)
{
    for (; *text; text++)
        digest_number(digest, (uint8_t)*text);
    digest_number(digest, 0);
}

/* A type that was seen already, or is one too many, counts with its name. */
static void
digest_type(struct digest *digest, const ProtobufCMessageDescriptor *type)
{
    digest_text(digest, type->name);
    for (uint32_t i = 0; i < digest->n; i++)
        if (digest->seen[i] == type)
            return;
    if (digest->n == TYPES_MAX)
        return;
    digest->seen[digest->n++] = type;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];

        digest_text(digest, field->name);
        digest_number(digest, (uint64_t)field->id << 16 | field->label << 8 | field->type);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            digest_type(digest, field->descriptor);
    }
}

uint64_t
frame_schema(const ProtobufCMessageDescriptor *const *types)
{
    struct digest digest = {.value = UINT64_C(0xcbf29ce484222325)};

    for (; *types; types++)
        digest_type(&digest, *types);
    return digest.value ? digest.value : 1;
}
