/* SPDX-License-Identifier: Apache-2.0
 * copy - messages into the tables of a PostgreSQL store, inside the caller's transaction: binary
 * COPY for rows that are new, staging and upsert for the others. */
#ifndef STORAGE_COPY_H
#define STORAGE_COPY_H

#include "market.h"

#include <connectors/postgres.h>

struct copy;

struct copy *copy_new(struct pg *pg); /* pg outlives it */
void copy_free(struct copy *copy);    /* NULL is fine */

/* Once for each session, outside of transactions: what the session has to have. */
bool copy_begin(struct copy *copy, struct pg_error *error);
/* Before the transaction: the partitions of the day of a message. */
bool copy_make_day(struct copy *copy, const ProtobufCMessage *message, struct pg_error *error);

/* In the transaction: start, any number of adds, finish. stage_all: no row is taken for new.
 * from_ns: messages before that are passed over. */
void copy_start(struct copy *copy, bool stage_all, int64_t from_ns);
bool copy_add(struct copy *copy, const ProtobufCMessage *const *messages, size_t n,
              struct pg_error *error);
bool copy_finish(struct copy *copy, struct pg_error *error);
/* After a transaction that failed: what was taken for written is not. */
void copy_forget(struct copy *copy);

uint64_t copy_rows(const struct copy *copy); /* since copy_start() */
uint64_t copy_staged(const struct copy *copy);
uint64_t copy_expired(const struct copy *copy); /* messages that were passed over */

#endif
