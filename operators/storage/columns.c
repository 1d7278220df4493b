/* SPDX-License-Identifier: Apache-2.0
 * columns - protobuf messages as rows of SQL tables. */
#include "columns.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- Layout -------------------------------------------------------------------------------- */

static bool
has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; at && (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

static bool
is_key(const struct table_spec *spec, const char *name)
{
    for (size_t i = 0; spec->keys[i]; i++)
        if (strcmp(spec->keys[i], name) == 0)
            return true;
    return false;
}

static bool
is_wanted(const struct table_spec *spec, const struct column_source *source,
          const ProtobufCFieldDescriptor *field)
{
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;

    return field->type != PROTOBUF_C_TYPE_MESSAGE && repeated == (source->kind != COLUMN_SCALAR) &&
           !is_key(spec, field->name) && (!source->only || has_word(source->only, field->name)) &&
           !has_word(source->except, field->name);
}

static void
name_column(struct column *column, const char *prefix, const char *name)
{
    size_t len = prefix ? strlen(prefix) : 0;
    bool has_it = len && strncmp(name, prefix, len) == 0 && (!name[len] || name[len] == '_');

    snprintf(column->name, sizeof column->name, "%s%s%s", len && !has_it ? prefix : "",
             len && !has_it ? "_" : "", name);
}

void
table_open(struct table *table, const struct table_spec *spec)
{
    *table = (struct table){.spec = spec};
    while (spec->keys[table->n_keys])
        table->n_keys++;
    for (const struct column_source *source = spec->sources; source->type; source++)
        for (unsigned i = 0; i < source->type->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &source->type->fields[i];
            struct column *column = &table->column[table->n_columns];

            if (!is_wanted(spec, source, field))
                continue;
            assert(table->n_columns < TABLE_COLUMNS_MAX);
            column->kind = source->kind;
            column->part = source->part;
            column->field = field;
            name_column(column, source->prefix, field->name);
            table->n_columns++;
        }
}

void
table_close(struct table *table)
{
    for (unsigned i = 0; i < table->n_columns; i++)
        hde_text_free(&table->column[i].json);
}

void
table_put_keys(hde_text *sql, const struct table *table)
{
    for (unsigned i = 0; i < table->n_keys; i++)
        hde_text_printf(sql, "%s\"%s\"", i ? ", " : "", table->spec->keys[i]);
}

void
table_put_names(hde_text *sql, const struct table *table)
{
    table_put_keys(sql, table);
    for (unsigned i = 0; i < table->n_columns; i++)
        hde_text_printf(sql, ", \"%s\"", table->column[i].name);
}

void
table_put_conflict(hde_text *sql, const struct table *table)
{
    hde_text_puts(sql, " ON CONFLICT (");
    table_put_keys(sql, table);
    hde_text_puts(sql, ") DO UPDATE SET ");
    for (unsigned i = 0; i < table->n_columns; i++)
        hde_text_printf(sql, "%s\"%s\" = excluded.\"%s\"", i ? ", " : "", table->column[i].name,
                        table->column[i].name);
}

/* ---- Values -------------------------------------------------------------------------------- */

const char *
enum_text(const ProtobufCEnumDescriptor *type, int value)
{
    static const char unknown[] = "UNSPECIFIED";
    const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(type, 0);
    const ProtobufCEnumValue *named = protobuf_c_enum_descriptor_get_value(type, value);
    size_t prefix = zero ? strlen(zero->name) - (sizeof unknown - 1) : 0;

    return value && named ? named->name + prefix : NULL;
}

static const void *
field_at(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

static bool
is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return *(char *const *)field_at(message, field->offset) != NULL;
    return *(const protobuf_c_boolean *)field_at(message, field->quantifier_offset);
}

static struct value
scalar(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *value = field_at(message, field->offset);

    if (!is_present(message, field))
        return (struct value){VALUE_NULL};
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        return value_real(*(const double *)value);
    case PROTOBUF_C_TYPE_STRING:
        return value_text(*(char *const *)value);
    case PROTOBUF_C_TYPE_ENUM:
        return value_text(enum_text(field->descriptor, *(const int *)value));
    case PROTOBUF_C_TYPE_BOOL:
        return value_integer(*(const protobuf_c_boolean *)value != 0);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return value_integer(*(const uint32_t *)value);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return value_integer(*(const int32_t *)value);
    default: /* every other scalar of the schemas has 64 bits */
        return value_integer(*(const int64_t *)value);
    }
}

/* *known becomes true where the value makes the row worth having: a lone false does not. */
static struct value
entry(const struct row_series *series, size_t i, bool *known)
{
    const void *values = series->values;
    struct value value = {VALUE_NULL};

    switch (series->field->type) {
    case PROTOBUF_C_TYPE_ENUM:
        value = value_text(enum_text(series->field->descriptor, ((const int *)values)[i]));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *known |= ((const protobuf_c_boolean *)values)[i];
        return value_integer(((const protobuf_c_boolean *)values)[i] != 0);
    case PROTOBUF_C_TYPE_SFIXED64: /* numbers that a feed gives away: 0 is absent */
        if (((const int64_t *)values)[i])
            value = value_integer(((const int64_t *)values)[i]);
        break;
    default:
        break;
    }
    *known |= value.kind != VALUE_NULL;
    return value;
}

static struct value
list(hde_text *json, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *values = *(void *const *)field_at(message, field->offset);
    size_t n = *(const size_t *)field_at(message, field->quantifier_offset);

    if (!n)
        return (struct value){VALUE_NULL};
    hde_text_clear(json);
    for (size_t i = 0; i < n; i++) {
        hde_text_puts(json, i ? "," : "[");
        if (field->type == PROTOBUF_C_TYPE_ENUM)
            hde_json_string(json, enum_text(field->descriptor, ((const int *)values)[i]));
        else
            hde_json_number(json, ((const double *)values)[i]);
    }
    hde_text_puts(json, "]");
    return value_text(json->data);
}

static void
find_series(struct row *row, unsigned at, const ProtobufCMessage *part,
            const ProtobufCFieldDescriptor *field, size_t n)
{
    bool is_real = field->type == PROTOBUF_C_TYPE_DOUBLE;

    row->value[at].kind = VALUE_NULL;
    if (*(const size_t *)field_at(part, field->quantifier_offset) == n)
        *(is_real ? &row->real[row->n_reals++] : &row->other[row->n_others++]) =
            (struct row_series){at, field, *(void *const *)field_at(part, field->offset)};
}

void
row_begin(struct row *row, struct table *table, const ProtobufCMessage *const *parts, size_t n)
{
    row->has_series = false;
    row->n_reals = row->n_others = 0;
    for (unsigned c = 0; c < table->n_columns; c++) {
        struct column *column = &table->column[c];
        const ProtobufCMessage *part = parts[column->part];
        struct value *value = &row->value[table->n_keys + c];

        row->has_series |= column->kind == COLUMN_SERIES;
        if (!part)
            value->kind = VALUE_NULL;
        else if (column->kind == COLUMN_SCALAR)
            *value = scalar(part, column->field);
        else if (column->kind == COLUMN_LIST)
            *value = list(&column->json, part, column->field);
        else
            find_series(row, table->n_keys + c, part, column->field, n);
    }
}

bool
row_fill(struct row *row, size_t i)
{
    bool known = !row->has_series;

    for (unsigned s = 0; s < row->n_reals; s++) {
        struct value *value = &row->value[row->real[s].at];

        *value = value_real(((const double *)row->real[s].values)[i]);
        known |= value->kind != VALUE_NULL;
    }
    for (unsigned s = 0; s < row->n_others; s++)
        row->value[row->other[s].at] = entry(&row->other[s], i, &known);
    return known;
}
