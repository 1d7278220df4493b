/* SPDX-License-Identifier: Apache-2.0 */
#include "base/differ.h"

#include <string.h>

/* One value of a field in either message. */
struct pair {
    const ProtobufCFieldDescriptor *field;
    const void *value[2]; /* NULL: absent */
};

static size_t
size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void
put_value(hde_text *out, const ProtobufCFieldDescriptor *field, const void *value)
{
    const ProtobufCEnumValue *word;

    if (!value) {
        hde_text_puts(out, "absent");
        return;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        hde_text_printf(out, "%.17g", *(const double *)value);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        hde_text_printf(out, "%.9g", (double)*(const float *)value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        hde_json_string(out, *(char *const *)value);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        hde_text_printf(out, "%zu bytes", ((const ProtobufCBinaryData *)value)->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        hde_text_puts(out, "present");
        break;
    case PROTOBUF_C_TYPE_BOOL:
        hde_text_puts(out, *(const protobuf_c_boolean *)value ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        word = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)value);
        hde_text_printf(out, "%s", word ? word->name : "?");
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        hde_text_printf(out, "%llu", (unsigned long long)*(const uint64_t *)value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        hde_text_printf(out, "%u", *(const uint32_t *)value);
        break;
    default:
        if (size_of(field->type) == 8)
            hde_text_printf(out, "%lld", (long long)*(const int64_t *)value);
        else
            hde_text_printf(out, "%d", *(const int32_t *)value);
    }
}

static bool
is_equal(const struct pair *pair)
{
    const ProtobufCBinaryData *bytes[2] = {pair->value[0], pair->value[1]};

    switch (pair->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return strcmp(*(char *const *)pair->value[0], *(char *const *)pair->value[1]) == 0;
    case PROTOBUF_C_TYPE_BYTES:
        return bytes[0]->len == bytes[1]->len &&
               (!bytes[0]->len || memcmp(bytes[0]->data, bytes[1]->data, bytes[0]->len) == 0);
    default:
        return memcmp(pair->value[0], pair->value[1], size_of(pair->field->type)) == 0;
    }
}

static bool
differ_pair(const struct pair *pair, hde_text *path, hde_text *left, hde_text *right)
{
    bool both = pair->value[0] && pair->value[1];

    if (!pair->value[0] && !pair->value[1])
        return false;
    if (both && pair->field->type == PROTOBUF_C_TYPE_MESSAGE)
        return differ_message(*(ProtobufCMessage *const *)pair->value[0],
                              *(ProtobufCMessage *const *)pair->value[1], path, left, right);
    if (both && is_equal(pair))
        return false;
    put_value(left, pair->field, pair->value[0]);
    put_value(right, pair->field, pair->value[1]);
    return true;
}

static const void *
at(const ProtobufCMessage *message, size_t offset)
{
    return (const char *)message + offset;
}

static bool
is_present(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    if (field->label == PROTOBUF_C_LABEL_REQUIRED)
        return true;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)at(message, field->quantifier_offset) == field->id;
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const void *pointer = *(void *const *)at(message, field->offset);

        return pointer && pointer != field->default_value;
    }
    return *(const protobuf_c_boolean *)at(message, field->quantifier_offset);
}

static bool
differ_list(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *const side[2],
            hde_text *path, hde_text *left, hde_text *right)
{
    size_t n[2], base = path->len, size = size_of(field->type);
    const char *items[2];

    for (int s = 0; s < 2; s++) {
        n[s] = *(const size_t *)at(side[s], field->quantifier_offset);
        items[s] = *(const char *const *)at(side[s], field->offset);
    }
    for (size_t i = 0; i < n[0] && i < n[1]; i++) {
        const struct pair pair = {field, {items[0] + i * size, items[1] + i * size}};

        hde_text_printf(path, "[%zu]", i);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            hde_text_puts(path, ".");
        if (differ_pair(&pair, path, left, right))
            return true;
        path->len = base;
    }
    if (n[0] == n[1])
        return false;
    hde_text_printf(left, "%zu entries", n[0]);
    hde_text_printf(right, "%zu entries", n[1]);
    return true;
}

static bool
differ_field(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *const side[2],
             hde_text *path, hde_text *left, hde_text *right)
{
    struct pair pair = {.field = field};

    hde_text_puts(path, field->name);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return differ_list(field, side, path, left, right);
    for (int s = 0; s < 2; s++)
        if (is_present(field, side[s]))
            pair.value[s] = at(side[s], field->offset);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && pair.value[0] && pair.value[1])
        hde_text_puts(path, ".");
    return differ_pair(&pair, path, left, right);
}

bool
differ_message(const ProtobufCMessage *a, const ProtobufCMessage *b, hde_text *path, hde_text *left,
               hde_text *right)
{
    const ProtobufCMessage *const side[2] = {a, b};
    size_t base = path->len;

    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        if (differ_field(&a->descriptor->fields[i], side, path, left, right))
            return true;
        path->len = base;
    }
    return false;
}
