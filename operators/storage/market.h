/* SPDX-License-Identifier: Apache-2.0
 * market - chains and results as rows of the market store (connectors/tables/sql). */
#ifndef STORAGE_MARKET_H
#define STORAGE_MARKET_H

#include "columns.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>

/* Two of them may fill one table of the store: a raw chain beside the enriched one. */
enum {
    MARKET_RAW_LEGS,
    MARKET_LEGS,
    MARKET_RAW_METRICS,
    MARKET_METRICS,
    MARKET_STRIKES,
    MARKET_CUMULATIVE_OI,
    MARKET_VELOCITY,
    MARKET_BUILDUP,
    MARKET_PATTERNS,
    MARKET_ZONES,
    MARKET_ZONE_EVENTS,
    MARKET_TABLES
};

struct market {
    struct table table[MARKET_TABLES];
};

void market_open(struct market *market);
void market_close(struct market *market);

/* Parameters of market_upsert_chain, in order. */
enum { MARKET_CHAIN_FIRST = 9, MARKET_CHAIN_LAST, MARKET_CHAIN_VALUES }; /* first_ns, last_ns */
extern const char market_upsert_chain[]; /* SQL of both databases */

struct market_key { /* lent by the message */
    const char *feed, *expiry;
    int64_t event_ns;
};

/* A database that takes rows; false stops the message. Values are lent for the call. */
struct market_writer {
    void *to;
    bool (*row)(void *to, int which, const struct market_key *key, const struct value *values);
    bool (*chain)(void *to, const struct value values[MARKET_CHAIN_VALUES]);
};

/* False: the message is of no type that has tables, or carries no feed, expiry or stamp. */
bool market_find_key(const ProtobufCMessage *message, struct market_key *key);
#define MARKET_BUCKET_NS INT64_C(300000000000) /* the narrowest rollup */

/* A chain, raw or enriched: what rollups are made of. */
bool market_is_chain(const ProtobufCMessage *message);
/* What no database can hold, as the end of a sentence: a key that is missing or not a number, text
 * that is not UTF-8. NULL: nothing is wrong with it. */
const char *market_fault(const ProtobufCMessage *message);
/* About how many rows it makes. */
size_t market_rows(const ProtobufCMessage *message);
/* Gives its rows to the writer; false where that said so. */
bool market_write(struct market *market, const ProtobufCMessage *message,
                  const struct market_writer *writer);

#endif
