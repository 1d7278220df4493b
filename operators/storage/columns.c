/* SPDX-License-Identifier: Apache-2.0
 * columns - protobuf messages as rows of SQL tables. */
#include "columns.h"

#include <math.h>
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

static bool
lay_out(struct table *table, struct sqlite_error *error)
{
    for (const struct column_source *source = table->spec->sources; source->type; source++)
        for (unsigned i = 0; i < source->type->n_fields; i++) {
            const ProtobufCFieldDescriptor *field = &source->type->fields[i];
            struct column *column = &table->column[table->n_columns];

            if (!is_wanted(table->spec, source, field))
                continue;
            if (table->n_columns == TABLE_COLUMNS_MAX) {
                error->kind = SQLITE_TROUBLE_OTHER;
                snprintf(error->text, sizeof error->text, "table %s: more than %d columns",
                         table->spec->name, TABLE_COLUMNS_MAX);
                return false;
            }
            column->kind = source->kind;
            column->part = source->part;
            column->field = field;
            name_column(column, source->prefix, field->name);
            table->n_columns++;
        }
    return true;
}

static void
put_names(hde_text *sql, const struct table *table)
{
    for (unsigned i = 0; i < table->n_keys; i++)
        hde_text_printf(sql, "%s\"%s\"", i ? ", " : "", table->spec->keys[i]);
    for (unsigned i = 0; i < table->n_columns; i++)
        hde_text_printf(sql, ", \"%s\"", table->column[i].name);
}

static void
put_upsert(hde_text *sql, const struct table *table)
{
    hde_text_printf(sql, "INSERT INTO %s (", table->spec->name);
    put_names(sql, table);
    hde_text_puts(sql, ") VALUES (");
    for (unsigned i = 0; i < table->n_keys + table->n_columns; i++)
        hde_text_puts(sql, i ? ", ?" : "?");
    hde_text_puts(sql, ") ON CONFLICT (");
    for (unsigned i = 0; i < table->n_keys; i++)
        hde_text_printf(sql, "%s\"%s\"", i ? ", " : "", table->spec->keys[i]);
    hde_text_puts(sql, ") DO UPDATE SET ");
    for (unsigned i = 0; i < table->n_columns; i++)
        hde_text_printf(sql, "%s\"%s\" = excluded.\"%s\"", i ? ", " : "", table->column[i].name,
                        table->column[i].name);
}

bool
table_open(struct table *table, const struct table_spec *spec, struct sqlite *db,
           struct sqlite_error *error)
{
    hde_text sql = {0};

    *table = (struct table){.spec = spec};
    while (spec->keys[table->n_keys])
        table->n_keys++;
    if (!lay_out(table, error))
        return false;
    put_upsert(&sql, table);
    table->upsert = sqlite_prepare(db, sql.data, error);
    hde_text_free(&sql);
    return table->upsert != NULL;
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

static void
bind_scalar(sqlite3_stmt *stmt, int at, const ProtobufCMessage *message,
            const ProtobufCFieldDescriptor *field)
{
    const void *value = field_at(message, field->offset);

    if (!is_present(message, field)) {
        sqlite_bind_null(stmt, at);
        return;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        sqlite_bind_real(stmt, at, *(const double *)value);
        break;
    case PROTOBUF_C_TYPE_STRING:
        sqlite_bind_text(stmt, at, *(char *const *)value);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        sqlite_bind_text(stmt, at, enum_text(field->descriptor, *(const int *)value));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        sqlite_bind_integer(stmt, at, *(const protobuf_c_boolean *)value != 0);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        sqlite_bind_integer(stmt, at, *(const uint32_t *)value);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        sqlite_bind_integer(stmt, at, *(const int32_t *)value);
        break;
    default: /* every other scalar of the schemas has 64 bits */
        sqlite_bind_integer(stmt, at, *(const int64_t *)value);
    }
}

/* True where a value was bound that makes the row worth having: a lone false does not. */
static bool
bind_entry(sqlite3_stmt *stmt, int at, const ProtobufCMessage *message,
           const ProtobufCFieldDescriptor *field, size_t i, size_t n)
{
    const void *values = *(void *const *)field_at(message, field->offset);
    const char *text;

    if (*(const size_t *)field_at(message, field->quantifier_offset) != n) {
        sqlite_bind_null(stmt, at);
        return false;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_DOUBLE:
        sqlite_bind_real(stmt, at, ((const double *)values)[i]);
        return !isnan(((const double *)values)[i]);
    case PROTOBUF_C_TYPE_ENUM:
        text = enum_text(field->descriptor, ((const int *)values)[i]);
        sqlite_bind_text(stmt, at, text);
        return text != NULL;
    case PROTOBUF_C_TYPE_BOOL:
        sqlite_bind_integer(stmt, at, ((const protobuf_c_boolean *)values)[i] != 0);
        return ((const protobuf_c_boolean *)values)[i];
    case PROTOBUF_C_TYPE_SFIXED64: /* numbers that a feed gives away: 0 is absent */
        if (((const int64_t *)values)[i])
            sqlite_bind_integer(stmt, at, ((const int64_t *)values)[i]);
        else
            sqlite_bind_null(stmt, at);
        return ((const int64_t *)values)[i] != 0;
    default:
        sqlite_bind_null(stmt, at);
        return false;
    }
}

static void
bind_list(sqlite3_stmt *stmt, int at, const ProtobufCMessage *message,
          const ProtobufCFieldDescriptor *field)
{
    const void *values = *(void *const *)field_at(message, field->offset);
    size_t n = *(const size_t *)field_at(message, field->quantifier_offset);
    hde_text json = {0};

    if (!n) {
        sqlite_bind_null(stmt, at);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        hde_text_puts(&json, i ? "," : "[");
        if (field->type == PROTOBUF_C_TYPE_ENUM)
            hde_json_string(&json, enum_text(field->descriptor, ((const int *)values)[i]));
        else
            hde_json_number(&json, ((const double *)values)[i]);
    }
    hde_text_puts(&json, "]");
    sqlite_bind_copy(stmt, at, json.data, json.len);
    hde_text_free(&json);
}

bool
table_bind(const struct table *table, const ProtobufCMessage *const *parts, size_t i, size_t n)
{
    bool has_series = false, known = false;

    for (unsigned c = 0; c < table->n_columns; c++) {
        const struct column *column = &table->column[c];
        const ProtobufCMessage *part = parts[column->part];
        int at = (int)(table->n_keys + c + 1);

        has_series |= column->kind == COLUMN_SERIES;
        if (!part)
            sqlite_bind_null(table->upsert, at);
        else if (column->kind == COLUMN_SCALAR)
            bind_scalar(table->upsert, at, part, column->field);
        else if (column->kind == COLUMN_LIST)
            bind_list(table->upsert, at, part, column->field);
        else
            known |= bind_entry(table->upsert, at, part, column->field, i, n);
    }
    return known || !has_series;
}
