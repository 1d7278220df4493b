/* SPDX-License-Identifier: Apache-2.0
 * columns - protobuf messages as rows of SQL tables, by the fields' own names.
 *
 * A table is described by the messages that its rows are made of (its parts); columns, the upsert
 * statement and the binding follow from their descriptors, so a field that is added to a schema
 * needs a migration with a column of its name and nothing here. */
#ifndef STORAGE_COLUMNS_H
#define STORAGE_COLUMNS_H

#include <connectors/sqlite.h>
#include <hde/text.h>
#include <protobuf-c/protobuf-c.h>

enum column_kind {
    COLUMN_SCALAR, /* optional fields: absent is NULL */
    COLUMN_SERIES, /* repeated fields with one entry a strike: entry i, NaN and enum 0 are NULL */
    COLUMN_LIST,   /* repeated fields as a JSON array; empty is NULL */
};

/* Fields of one message type that become columns. */
struct column_source {
    unsigned part; /* index into the parts of a row */
    enum column_kind kind;
    const char *prefix; /* put in front of names that do not begin with it, or NULL */
    const ProtobufCMessageDescriptor *type; /* NULL ends the list */
    const char *only, *except;              /* field names between blanks, or NULL */
};

enum { TABLE_KEYS_MAX = 6, TABLE_PARTS_MAX = 9, TABLE_COLUMNS_MAX = 96 };

struct table_spec {
    const char *name;
    const char *keys[TABLE_KEYS_MAX + 1];
    const struct column_source *sources;
};

struct column {
    char name[64];
    enum column_kind kind;
    unsigned part;
    const ProtobufCFieldDescriptor *field;
};

struct table {
    const struct table_spec *spec;
    unsigned n_keys, n_columns;
    struct column column[TABLE_COLUMNS_MAX];
    sqlite3_stmt *upsert; /* of the connection */
};

/* Lays out the columns and prepares the upsert; false with the table's name in the text. */
bool table_open(struct table *table, const struct table_spec *spec, struct sqlite *db,
                struct sqlite_error *error);

/* Binds the columns from the parts (NULL: all absent) for entry i of n. Keys, the parameters
 * 1..n_keys, are the caller's. False where no series has a value: there is no such row. Tables
 * without series always have one. */
bool table_bind(const struct table *table, const ProtobufCMessage *const *parts, size_t i,
                size_t n);

/* An enum's value as text without the type's prefix; NULL for 0 and for numbers without a name. */
const char *enum_text(const ProtobufCEnumDescriptor *type, int value);

#endif
