/* SPDX-License-Identifier: Apache-2.0
 * layout - what the columns of a CSV file of chains mean, as data.
 *
 * A layout is a YAML file; operators/ingestion/layouts/ has the shipped ones. Immutable once
 * bound; any thread. */
#ifndef INGESTION_LAYOUT_H
#define INGESTION_LAYOUT_H

#include "snapshot.h"

/* Columns of a row that belong to no leg. */
enum layout_field {
    COLUMN_STAMP,
    COLUMN_SYMBOL,
    COLUMN_EXPIRY,
    COLUMN_STRIKE,
    COLUMN_TYPE,
    COLUMN_SPOT,
    COLUMN_FUTURE,
    COLUMN_VIX,
    COLUMN_LOT_SIZE,
    COLUMN_COUNT
};

#define LAYOUT_PATTERNS 6
#define LAYOUT_TEXT 64
#define LAYOUT_ALIASES 16
#define LAYOUT_MISSING 8

enum layout_rows { ROWS_LEG, ROWS_STRIKE };

struct layout {
    char name[LAYOUT_TEXT];
    char venue[24], underlying[24]; /* underlying: where there is no symbol column; else "" */
    enum layout_rows rows;
    char separator;
    int32_t offset_s;
    double iv_scale;
    Hde__QuantityUnit oi_unit, volume_unit;
    char call[16], put[16]; /* what the type column says; compared without case */
    size_t n_stamps, n_expiries, n_missing, n_aliases;
    char stamp[LAYOUT_PATTERNS][LAYOUT_TEXT], expiry[LAYOUT_PATTERNS][LAYOUT_TEXT];
    char missing[LAYOUT_MISSING][16];
    char alias[LAYOUT_ALIASES][2][24]; /* as written, as we call it */
    /* Header names, "" where the layout has none; ROWS_LEG uses side 0 alone. */
    char column[COLUMN_COUNT][LAYOUT_TEXT];
    char leg[2][LEG_COUNT][LAYOUT_TEXT];
};

/* name: a shipped layout or a file. False with a text in error. */
bool layout_load(struct layout *layout, const char *name, char *error, size_t size);
/* One where nothing is mapped yet: a row a leg, ISO dates, units, "-" and empty missing. */
void layout_blank(struct layout *layout);
/* Sets one value by its YAML key ("timezone", "iv", "missing" with commas), or a column by
 * "columns.KEY" ("columns.oi", "columns.call.oi"). */
bool layout_set(struct layout *layout, const char *key, const char *value, char *error,
                size_t size);
/* One more text of a key with a list: stamp, expiry, missing. */
bool layout_add(struct layout *layout, const char *key, const char *value, char *error,
                size_t size);

/* Where a header has the columns. */
struct layout_binding {
    int n_fields;
    int column[COLUMN_COUNT]; /* index, -1: none */
    struct {
        uint16_t field, side; /* of a leg */
        int index;
    } leg[2 * LEG_COUNT];
    int n_legs;
};

#define LAYOUT_FIELDS 128 /* columns of a file */

struct field { /* of a line; lent */
    const char *text;
    size_t size;
};
/* Splits a line at the separator; a field in quotes loses them. False: more than LAYOUT_FIELDS or
 * a quote without end. The line may be changed. */
bool layout_split(char *line, size_t size, char separator, struct field *fields, int *n);

/* Finds the columns of a header. False where stamp, expiry, strike, the type of a leg or all legs
 * are missing; error says which. */
bool layout_bind(const struct layout *layout, const struct field *header, int n,
                 struct layout_binding *binding, char *error, size_t size);
/* The shipped layout that finds most columns in a header. False where none fits. */
bool layout_detect(struct layout *layout, const struct field *header, int n,
                   struct layout_binding *binding, char *error, size_t size);

bool layout_is_missing(const struct layout *layout, struct field field);
/* What we call a symbol; out has 24 bytes. False where it has more or unusual characters. */
bool layout_symbol(const struct layout *layout, struct field field, char *out);

#endif
