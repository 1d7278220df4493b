/* SPDX-License-Identifier: Apache-2.0
 * project - a message with some of its fields only. */
#include "project.h"

#include <hde/text.h>
#include <stdlib.h>
#include <string.h>

struct chosen {
    const ProtobufCFieldDescriptor *field;
    struct projection *inner; /* NULL: the whole field */
};

struct projection {
    const ProtobufCMessageDescriptor *type;
    size_t n;
    struct chosen *chosen;
};

static struct projection *
empty(const ProtobufCMessageDescriptor *type)
{
    struct projection *projection = calloc(1, sizeof *projection);

    if (!projection)
        hde_no_memory();
    projection->type = type;
    return projection;
}

static struct chosen *
choose(struct projection *projection, const ProtobufCFieldDescriptor *field, bool *is_new)
{
    for (size_t i = 0; i < projection->n; i++)
        if (projection->chosen[i].field == field)
            return *is_new = false, &projection->chosen[i];
    projection->chosen =
        reallocarray(projection->chosen, projection->n + 1, sizeof *projection->chosen);
    if (!projection->chosen)
        hde_no_memory();
    projection->chosen[projection->n] = (struct chosen){.field = field};
    return *is_new = true, &projection->chosen[projection->n++];
}

/* Whether the type has the path. */
static bool
has_path(const ProtobufCMessageDescriptor *type, const char *path)
{
    char name[64];
    size_t len = strcspn(path, ".");
    const ProtobufCFieldDescriptor *field;

    if (len >= sizeof name)
        return false;
    memcpy(name, path, len);
    name[len] = '\0';
    field = protobuf_c_message_descriptor_get_field_by_name(type, name);
    if (!field || !path[len])
        return field != NULL;
    return field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED &&
           has_path(field->descriptor, path + len + 1);
}

static void
add_path(struct projection *projection, const char *path)
{
    char name[64];
    size_t len = strcspn(path, ".");
    bool is_new;
    struct chosen *chosen;

    memcpy(name, path, len);
    name[len] = '\0';
    chosen =
        choose(projection, protobuf_c_message_descriptor_get_field_by_name(projection->type, name),
               &is_new);
    if (!path[len]) { /* the whole field includes what was chosen of it before */
        projection_free(chosen->inner);
        chosen->inner = NULL;
    } else if (is_new || chosen->inner) {
        if (!chosen->inner)
            chosen->inner = empty(chosen->field->descriptor);
        add_path(chosen->inner, path + len + 1);
    }
}

struct projection *
projection_new(const ProtobufCMessageDescriptor *type, const hde_list *paths, bool *found)
{
    struct projection *projection = empty(type);

    for (size_t i = 0; i < paths->n; i++)
        if (has_path(type, paths->item[i])) {
            add_path(projection, paths->item[i]);
            found[i] = true;
        }
    if (projection->n > 0)
        return projection;
    return projection_free(projection), NULL;
}

void
projection_free(struct projection *projection)
{
    if (!projection)
        return;
    for (size_t i = 0; i < projection->n; i++)
        projection_free(projection->chosen[i].inner);
    free(projection->chosen);
    free(projection);
}

static size_t
size_of(const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return sizeof(void *);
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    default:
        return 8;
    }
}

const ProtobufCMessage *
projection_of(hde_ctx *ctx, const struct projection *projection, const ProtobufCMessage *message)
{
    char *copy = hde_scratch(ctx, projection->type->sizeof_message);
    const char *from = (const char *)message;

    protobuf_c_message_init(projection->type, copy);
    for (size_t i = 0; i < projection->n; i++) {
        const struct chosen *chosen = &projection->chosen[i];
        const ProtobufCFieldDescriptor *field = chosen->field;

        memcpy(copy + field->offset, from + field->offset, size_of(field));
        if (field->quantifier_offset)
            memcpy(copy + field->quantifier_offset, from + field->quantifier_offset,
                   field->label == PROTOBUF_C_LABEL_REPEATED ? sizeof(size_t)
                                                             : sizeof(protobuf_c_boolean));
        if (chosen->inner) {
            const ProtobufCMessage *whole = *(ProtobufCMessage *const *)(from + field->offset);
            const ProtobufCMessage *part = whole ? projection_of(ctx, chosen->inner, whole) : NULL;

            memcpy(copy + field->offset, &part, sizeof part);
        }
    }
    return (const ProtobufCMessage *)copy;
}
