/* SPDX-License-Identifier: Apache-2.0
 * compare - two messages of one type, field by field. */
#include "engine/shadow.h"

#include <hde/text.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct comparison {
    double tolerance;
    hde_text path, *where;
};

static const char *
bytes_of(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

static size_t
element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    default:
        return 4;
    }
}

static bool
is_time(const ProtobufCFieldDescriptor *field)
{
    size_t len = strlen(field->name);

    return len > 3 && !strcmp(field->name + len - 3, "_ns");
}

static bool
close_to(double a, double b, double tolerance)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b));
}

static bool
differ(struct comparison *self, const char *name)
{
    hde_text_printf(self->where, "%s%s", self->path.data ? self->path.data : "", name);
    return false;
}

static void
put_value(hde_text *out, const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        hde_text_printf(out, "%.17g", *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        hde_text_printf(out, "%.9g", (double)*(const float *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        hde_text_printf(out, "'%.80s'", *(char *const *)at ? *(char *const *)at : "");
        break;
    case PROTOBUF_C_TYPE_BYTES:
        hde_text_printf(out, "%zu bytes", ((const ProtobufCBinaryData *)at)->len);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        hde_text_puts(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        hde_text_printf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        hde_text_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        hde_text_printf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    default:
        hde_text_printf(out, "%" PRId32, *(const int32_t *)at);
    }
}

static bool
same_number(const struct comparison *self, const ProtobufCFieldDescriptor *field, const void *a,
            const void *b)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        return close_to(*(const double *)a, *(const double *)b, self->tolerance);
    case PROTOBUF_C_TYPE_FLOAT:
        return close_to((double)*(const float *)a, (double)*(const float *)b, self->tolerance);
    case PROTOBUF_C_TYPE_STRING: {
        const char *x = *(char *const *)a, *y = *(char *const *)b;

        return strcmp(x ? x : "", y ? y : "") == 0;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *x = a, *y = b;

        return x->len == y->len && (!x->len || !memcmp(x->data, y->data, x->len));
    }
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
        if (is_time(field))
            return fabs((double)*(const int64_t *)a - (double)*(const int64_t *)b) <=
                       self->tolerance * 1e9 ||
                   *(const int64_t *)a == *(const int64_t *)b;
        /* fall through */
    default:
        return memcmp(a, b, element_size(field->type)) == 0;
    }
}

static bool agree(struct comparison *self, const ProtobufCMessage *a, const ProtobufCMessage *b);

static bool
same_value(struct comparison *self, const ProtobufCFieldDescriptor *field, const void *a,
           const void *b, const char *name)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *x = *(ProtobufCMessage *const *)a;
        const ProtobufCMessage *y = *(ProtobufCMessage *const *)b;
        size_t len = self->path.len;
        bool same;

        if (!x || !y)
            return x == y || (differ(self, name),
                              hde_text_printf(self->where, ": %s, now %s", x ? "there" : "absent",
                                              y ? "there" : "absent"),
                              false);
        hde_text_printf(&self->path, "%s.", name);
        same = agree(self, x, y);
        self->path.len = len;
        self->path.data[len] = 0;
        return same;
    }
    if (same_number(self, field, a, b))
        return true;
    differ(self, name);
    hde_text_puts(self->where, ": ");
    put_value(self->where, field, a);
    hde_text_puts(self->where, ", now ");
    put_value(self->where, field, b);
    return false;
}

static bool
same_list(struct comparison *self, const ProtobufCFieldDescriptor *field, const ProtobufCMessage *a,
          const ProtobufCMessage *b)
{
    size_t n = *(const size_t *)(const void *)bytes_of(a, field->quantifier_offset);
    size_t m = *(const size_t *)(const void *)bytes_of(b, field->quantifier_offset);
    const char *x = *(char *const *)(const void *)bytes_of(a, field->offset);
    const char *y = *(char *const *)(const void *)bytes_of(b, field->offset);
    size_t size = element_size(field->type);
    char name[128];

    if (n != m) {
        differ(self, field->name);
        hde_text_printf(self->where, ": %zu entries, now %zu", n, m);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%s[%zu]", field->name, i);
        if (!same_value(self, field, x + i * size, y + i * size, name))
            return false;
    }
    return true;
}

/* Of an optional number, or of one in a oneof; texts and messages are there when they point. */
static bool
is_there(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const char *quantifier = bytes_of(message, field->quantifier_offset);

    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(const void *)quantifier == field->id;
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)(const void *)bytes_of(message, field->offset) != NULL;
    return field->label != PROTOBUF_C_LABEL_OPTIONAL || !field->quantifier_offset ||
           *(const protobuf_c_boolean *)(const void *)quantifier;
}

static bool
agree(struct comparison *self, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &a->descriptor->fields[i];
        bool x, y;

        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            if (!same_list(self, field, a, b))
                return false;
            continue;
        }
        x = is_there(field, a);
        y = is_there(field, b);
        if (x != y) {
            differ(self, field->name);
            hde_text_printf(self->where, ": %s, now %s", x ? "there" : "absent",
                            y ? "there" : "absent");
            return false;
        }
        if (x && !same_value(self, field, bytes_of(a, field->offset), bytes_of(b, field->offset),
                             field->name))
            return false;
    }
    return true;
}

bool
messages_agree(const ProtobufCMessage *old, const ProtobufCMessage *new, double tolerance,
               hde_text *where)
{
    struct comparison self = {.tolerance = tolerance, .where = where};
    bool same;

    if (old->descriptor != new->descriptor) {
        hde_text_printf(where, "type: %s, now %s", old->descriptor->name, new->descriptor->name);
        return false;
    }
    same = agree(&self, old, new);
    hde_text_free(&self.path);
    return same;
}
