/* SPDX-License-Identifier: Apache-2.0
 * dhan_json - answers of the Dhan v2 option-chain API: bytes in, structures out. Pure. */
#ifndef INGESTION_DHAN_JSON_H
#define INGESTION_DHAN_JSON_H

#include "snapshot.h"

enum dhan_result {
    DHAN_OK,
    DHAN_NOT_JSON, /* HTML, cut, empty, too deep, numbers that overflow */
    DHAN_SHAPE,    /* JSON, but not what the service documents */
    DHAN_LIMITED,  /* the service said: too many requests */
    DHAN_AUTH,     /* the token or the client id was refused */
    DHAN_EXPIRY,   /* the service does not know the expiry */
    DHAN_REFUSED,  /* another error of the service */
};

struct dhan_said {
    char code[16];       /* "DH-901", "805", "" */
    char text[200];      /* for people; no line breaks, no control characters */
    bool duplicate_keys; /* an object had a key twice: the later one counts */
};

#define DHAN_EXPIRIES_MAX 64

/* Fills a cleared snapshot: strikes as rows (not finished), spot. Values that are refused are
 * counted in the snapshot; IV becomes a decimal. */
enum dhan_result dhan_parse_chain(const char *bytes, size_t size, struct snapshot *snapshot,
                                  struct dhan_said *said);
/* Days in ascending order, doubles left out; bad counts texts that were no dates. At most
 * DHAN_EXPIRIES_MAX. */
enum dhan_result dhan_parse_list(const char *bytes, size_t size, int32_t *days, size_t *n,
                                 size_t *bad, struct dhan_said *said);
/* What the body of an answer that is not 2xx says; never DHAN_OK. */
enum dhan_result dhan_parse_error(const char *bytes, size_t size, int status,
                                  struct dhan_said *said);

#endif
