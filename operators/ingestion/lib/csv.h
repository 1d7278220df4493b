/* SPDX-License-Identifier: Apache-2.0
 * csv - chains out of CSV files: rows are gathered by capture stamp, expiries within it.
 *
 * The reader looks one stamp ahead, because only the stamp behind tells that one capture of the
 * recorder was split over two. Everything it finds odd goes to `report`. One thread. */
#ifndef INGESTION_CSV_H
#define INGESTION_CSV_H

#include "layout.h"

#define CSV_LINE_MAX 65536    /* bytes of a row; longer ones are rejected */
#define CSV_STAMP_ROWS 100000 /* of one stamp; more become a second capture of that stamp */
#define CSV_SERIES 4096       /* (symbol, expiry) pairs of one run */

enum csv_report {
    CSV_BAD_ROW,   /* the row was rejected */
    CSV_BAD_VALUE, /* one value of a row was refused: absent now */
    CSV_BACKWARDS, /* a stamp before one that was there */
};

struct csv_config {
    const struct calendar *calendar; /* lent */
    const struct layout *layout;     /* NULL: by the header */
    int64_t split_ns;                /* two stamps at most this far apart may be one capture */
    void (*report)(void *user, enum csv_report what, const char *text);
    void *user;
};

struct csv_series {
    char symbol[24];
    int32_t expiry;
    char expiry_text[16];
    int64_t expiry_ns;  /* 0: the calendar does not know */
    double lot_size;    /* NaN: the calendar does not know */
    uint64_t *sequence; /* of the symbol: chains so far */
    /* The chain before of this series. */
    uint64_t hash;
    bool was_stale;
    int32_t session;
};

struct csv_chain { /* lent until the next call */
    const struct csv_series *series;
    const struct layout *layout;
    const struct snapshot *snapshot;
    int64_t stamp_ns;
    uint64_t sequence; /* of the symbol, from 1 */
    bool has_session;
    struct session session;
    uint64_t offset; /* where the first row of this stamp begins in its file */
};

struct csv_totals {
    uint64_t rows, rows_rejected, bad_values, duplicates, chains, chains_flagged;
};

struct csv;
struct csv *csv_new(const struct csv_config *config);
void csv_free(struct csv *csv);
/* The next file to read, once csv_next() has said CSV_END. False, with a text, where it cannot be
 * opened or its header fits no layout; then another may be opened. */
bool csv_open(struct csv *csv, const char *path, char *error, size_t size);
/* The same from memory that stays until the next open: tests and fuzzing. */
bool csv_open_bytes(struct csv *csv, const char *name, const void *bytes, size_t n, char *error,
                    size_t size);
enum csv_result { CSV_CHAIN, CSV_END, CSV_ERROR /* of reading: errno */ };
enum csv_result csv_next(struct csv *csv, struct csv_chain *chain);
const struct csv_totals *csv_totals(const struct csv *csv);
const char *csv_layout_name(const struct csv *csv);

#endif
