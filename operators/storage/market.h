/* SPDX-License-Identifier: Apache-2.0
 * market - chains and results as rows of the market store (connectors/sqlite/migrations). */
#ifndef STORAGE_MARKET_H
#define STORAGE_MARKET_H

#include "columns.h"

#include <hde/schemas/analytics.pb-c.h>
#include <hde/schemas/market.pb-c.h>

struct market;

/* Statements on a connection that is migrated. */
struct market *market_open(struct sqlite *db, struct sqlite_error *error);
void market_close(struct market *market);

/* Whether the message is of a type that has tables and carries feed, expiry and stamp. */
bool market_has_key(const ProtobufCMessage *message);
/* About how many rows it makes. */
size_t market_rows(const ProtobufCMessage *message);
/* Writes its rows, inside the caller's transaction; *rows grows. */
bool market_write(struct market *market, const ProtobufCMessage *message, uint64_t *rows,
                  struct sqlite_error *error);

#endif
