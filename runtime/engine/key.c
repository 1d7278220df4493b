/* SPDX-License-Identifier: Apache-2.0
 * key - see key.h. Fields are looked up by name (a binary search of the descriptor). */
#include "engine/key.h"

#include <string.h>

/* One field's value, or nothing. */
struct value {
    enum { VALUE_ABSENT, VALUE_TEXT, VALUE_BYTES, VALUE_NUMBER } kind;
    const char *text; /* TEXT, BYTES */
    size_t size;
    uint64_t bits; /* NUMBER: int64 or the bits of a double */
};

enum { NAME_MAX_LEN = 128 };

static const ProtobufCFieldDescriptor *
field_named(const ProtobufCMessageDescriptor *type, const char *name, size_t len)
{
    char copy[NAME_MAX_LEN];

    if (len >= sizeof copy)
        return NULL;
    memcpy(copy, name, len);
    copy[len] = 0;
    return protobuf_c_message_descriptor_get_field_by_name(type, copy);
}

static bool
is_set(const ProtobufCFieldDescriptor *field, const char *base)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(base + field->quantifier_offset) == field->id;
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
        field->type != PROTOBUF_C_TYPE_MESSAGE)
        return *(const protobuf_c_boolean *)(base + field->quantifier_offset);
    return true;
}

static struct value
number(uint64_t bits)
{
    return (struct value){.kind = VALUE_NUMBER, .bits = bits};
}

static struct value
read_field(const ProtobufCFieldDescriptor *field, const char *base)
{
    const char *at = base + field->offset;
    double real;
    uint64_t bits;

    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)at;

        if (!text)
            return (struct value){0};
        return (struct value){.kind = VALUE_TEXT, .text = text, .size = strlen(text)};
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *data = (const ProtobufCBinaryData *)at;

        return (struct value){VALUE_BYTES, (const char *)data->data, data->len, 0};
    }
    case PROTOBUF_C_TYPE_BOOL:
        return number(*(const protobuf_c_boolean *)at != 0);
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return number((uint64_t)(int64_t) * (const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return number(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return number(*(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        real =
            field->type == PROTOBUF_C_TYPE_FLOAT ? (double)*(const float *)at : *(const double *)at;
        memcpy(&bits, &real, sizeof bits);
        return number(bits);
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return (struct value){0};
}

static struct value
read_path(const char *path, const ProtobufCMessage *message)
{
    for (;;) {
        const char *dot = strchr(path, '.');
        size_t len = dot ? (size_t)(dot - path) : strlen(path);
        const ProtobufCFieldDescriptor *field = field_named(message->descriptor, path, len);

        if (!field || !is_set(field, (const char *)message))
            return (struct value){0};
        if (!dot)
            return read_field(field, (const char *)message);
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            return (struct value){0};
        message = *(const ProtobufCMessage *const *)((const char *)message + field->offset);
        if (!message)
            return (struct value){0};
        path = dot + 1;
    }
}

static uint64_t
fnv(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t
hash_value(uint64_t hash, struct value value)
{
    static const unsigned char absent = 0xff, end = 0;
    unsigned char bytes[8];

    switch (value.kind) {
    case VALUE_ABSENT:
        return fnv(hash, &absent, 1);
    case VALUE_NUMBER:
        for (int i = 0; i < 8; i++)
            bytes[i] = (unsigned char)(value.bits >> (8 * i));
        return fnv(hash, bytes, sizeof bytes);
    case VALUE_TEXT:
    case VALUE_BYTES:
        break;
    }
    return fnv(fnv(hash, value.text, value.size), &end, 1);
}

uint64_t
key_hash(const struct key *key, const ProtobufCMessage *message)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < key->n; i++)
        hash = hash_value(hash, read_path(key->names[i], message));
    return hash;
}

bool
key_is_set(const struct key *key, const ProtobufCMessage *message)
{
    for (size_t i = 0; i < key->n; i++)
        if (read_path(key->names[i], message).kind == VALUE_ABSENT)
            return false;
    return true;
}

static bool
values_equal(struct value a, struct value b)
{
    if (a.kind != b.kind || a.bits != b.bits || a.size != b.size)
        return false;
    return !a.size || memcmp(a.text, b.text, a.size) == 0;
}

bool
key_equal(const struct key *key, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    if (a->descriptor != b->descriptor)
        return false;
    for (size_t i = 0; i < key->n; i++)
        if (!values_equal(read_path(key->names[i], a), read_path(key->names[i], b)))
            return false;
    return true;
}

const char *
key_unknown(const struct key *key, const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < key->n; i++) {
        const ProtobufCMessageDescriptor *at = type;

        for (const char *path = key->names[i]; path;) {
            const char *dot = strchr(path, '.');
            size_t len = dot ? (size_t)(dot - path) : strlen(path);
            const ProtobufCFieldDescriptor *field = field_named(at, path, len);

            if (!field || field->label == PROTOBUF_C_LABEL_REPEATED ||
                (dot != NULL) != (field->type == PROTOBUF_C_TYPE_MESSAGE))
                return key->names[i];
            at = field->descriptor;
            path = dot ? dot + 1 : NULL;
        }
    }
    return NULL;
}
