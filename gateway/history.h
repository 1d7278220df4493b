/* SPDX-License-Identifier: Apache-2.0
 * history - the store that the graph writes, as routes read it: a SQLite file or a PostgreSQL
 * database, the same questions to both.
 *
 * It may not be there yet when the gateway starts, so it is opened when it is first asked for, and
 * asked for again at most once a second. Used by the HTTP thread alone. */
#ifndef GATEWAY_HISTORY_H
#define GATEWAY_HISTORY_H

#include "query.h"

struct history;

/* A path, or an address with "://" or "=". */
struct history *history_new(const char *address);
void history_free(struct history *history); /* NULL is fine */

/* True: there is a connection. *fresh: a new one. */
bool history_connect(struct history *history, bool *fresh);
const char *history_trouble(const struct history *history); /* of what failed last */
/* The writer has not been there yet: an empty history, not a fault. */
bool history_is_not_written_yet(const struct history *history);
/* Which store it is, whatever it is called. */
const char *history_identity(const struct history *history);

/* Changes with every commit, of SQLite whoever makes it; counts for this connection alone. */
uint64_t history_version(struct history *history);
/* Of the ticks of all sinks: 0 where none has written. */
uint64_t history_ticks(struct history *history);

struct history_range {
    const char *feed, *expiry;
    int64_t from_ns, to_ns, after_ns; /* from <= time <= to, after < time */
    enum interval interval;
    size_t limit;
};

/* Adds points in order of time; out has room for limit. One question to the store, whether the
 * points come from rows, compressed rows or rollups. */
bool history_pcr(struct history *history, const struct history_range *range,
                 struct pcr_series *out);

#endif
