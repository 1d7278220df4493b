/* SPDX-License-Identifier: Apache-2.0
 * chain - what operators on chains share. */
#ifndef COMMON_CHAIN_H
#define COMMON_CHAIN_H

#include <hde/operator.h>
#include <hde/schemas/market.pb-c.h>

/* The types of a port that takes chains in either form. */
#define CHAIN_TYPES HDE_TYPES(&hde__enriched_chain__descriptor, &hde__raw_chain__descriptor)

/* The raw chain in a message of either type; NULL where an enriched chain has none. Lent. */
const Hde__RawChain *chain_raw(const hde_msg *msg);

/* Takes a message of either type, gives an EnrichedChain that may be changed (see hde_msg): the
 * same object where possible, otherwise a new one that shares the columns. feed, expiry and
 * event_ns are set. */
hde_msg *chain_enrich(hde_ctx *ctx, hde_msg *taken, Hde__EnrichedChain **chain);

/* The metrics of an enriched chain that may be changed, made when absent. */
Hde__ChainMetrics *chain_metrics(hde_msg *msg);

/* Column access: entry i, NaN where the column is empty. n is the number of strikes; a column of
 * another length is treated as empty. */
static inline double
chain_at(const double *column, size_t n_column, size_t n, size_t i)
{
    return n_column == n ? column[i] : __builtin_nan("");
}
#define CHAIN_AT(side, field, n, i) chain_at((side)->field, (side)->n_##field, (n), (i))

/* Sets a column of a side: pointer and count. */
#define CHAIN_SET(side, field, values, count)                                                      \
    ((side)->n_##field = (count), (side)->field = (values))

/* In load(), with HDE_KEYED_STATE: whether chains of that feed and expiry come to this instance.
 * HDE_FAIL, said, where the graph splits them by another field than these. */
hde_status chain_owns(hde_ctx *ctx, const char *feed, const char *expiry, bool *is_ours);

#endif
