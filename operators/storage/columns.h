/* SPDX-License-Identifier: Apache-2.0
 * columns - protobuf messages as rows of SQL tables, by the fields' own names.
 *
 * A table is described by the messages that its rows are made of (its parts); columns, the upsert
 * statement and the values follow from their descriptors, so a field that is added to a schema
 * needs a migration with a column of its name and nothing here. Nothing here knows a database. */
#ifndef STORAGE_COLUMNS_H
#define STORAGE_COLUMNS_H

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
    hde_text json; /* of a list, in the row that was begun last */
};

/* What a cell holds; text is lent by the message or, a list's, by the table until its next row is
 * begun. */
struct value {
    enum { VALUE_NULL, VALUE_REAL, VALUE_INTEGER, VALUE_TEXT } kind;
    union {
        double real;
        int64_t integer;
        const char *text;
    };
};

struct table {
    const struct table_spec *spec;
    unsigned n_keys, n_columns;
    struct column column[TABLE_COLUMNS_MAX];
};

/* Entries of a series that are there, and their place in the row. */
struct row_series {
    unsigned at;
    const ProtobufCFieldDescriptor *field;
    const void *values;
};

/* A row that is filled once an entry. Whatever the entries share is there from the beginning. */
struct row {
    struct value value[TABLE_KEYS_MAX + TABLE_COLUMNS_MAX]; /* keys, then columns */
    bool has_series; /* in its table */
    unsigned n_reals, n_others;
    struct row_series real[TABLE_COLUMNS_MAX], other[TABLE_COLUMNS_MAX];
};

/* Lays out the columns. */
void table_open(struct table *table, const struct table_spec *spec);
void table_close(struct table *table);

/* SQL that SQLite and PostgreSQL share. names: "feed", "expiry", ... of keys and columns. */
void table_put_names(hde_text *sql, const struct table *table);
void table_put_keys(hde_text *sql, const struct table *table);
/* " ON CONFLICT (keys) DO UPDATE SET ..." */
void table_put_conflict(hde_text *sql, const struct table *table);

/* Fills what all entries share from the parts (NULL: all absent) and finds the series with n
 * entries, others are NULL; keys are the caller's. The row is good while the parts are. */
void row_begin(struct row *row, struct table *table, const ProtobufCMessage *const *parts,
               size_t n);
/* Fills in entry i. False where no series has a value: there is no such row. Tables without series
 * always have one. */
bool row_fill(struct row *row, size_t i);

static inline struct value
value_real(double x)
{
    return x == x ? (struct value){VALUE_REAL, .real = x} : (struct value){VALUE_NULL};
}

static inline struct value
value_integer(int64_t x)
{
    return (struct value){VALUE_INTEGER, .integer = x};
}

static inline struct value
value_text(const char *text)
{
    return text ? (struct value){VALUE_TEXT, .text = text} : (struct value){VALUE_NULL};
}

/* An enum's value as text without the type's prefix; NULL for 0 and for numbers without a name. */
const char *enum_text(const ProtobufCEnumDescriptor *type, int value);

#endif
