/* SPDX-License-Identifier: Apache-2.0
 * columns - what operators that enrich chains share: ports, the loop over a batch, columns that
 * are always there, and which price of a leg to believe. */
#ifndef COMMON_COLUMNS_H
#define COMMON_COLUMNS_H

#include "common/chain.h"

/* The tables of an operator that takes chains in either form on "in" and gives enriched ones on
 * "out". */
extern const hde_port chain_inputs[], chain_outputs[];

/* each() of an operator on chains: makes an enriched chain that may be changed and calls work().
 * work() is not called for a chain without raw data or strikes: that goes through as it is. */
typedef void chain_work(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain);
hde_msg *chain_each(hde_ctx *ctx, void *state, hde_msg *taken, chain_work *work);

/* n entries in any case: the column itself, or a scratch column of NaN where its length is another
 * or side is NULL. Read only. */
const double *chain_column(hde_ctx *ctx, const double *column, size_t n_column, size_t n);
#define CHAIN_COLUMN(ctx, side, field, n)                                                          \
    ((side) ? chain_column((ctx), (side)->field, (side)->n_##field, (n))                           \
            : chain_column((ctx), NULL, 0, (n)))

/* A new column of the message, not cleared: for what is then filled from end to end. */
double *chain_column_new(hde_msg *msg, size_t n);

/* A scratch column, not cleared. */
double *chain_scratch(hde_ctx *ctx, size_t n);

/* The change of open interest against the previous day's close: as the feed gave it, else made of
 * its two parts. n entries, read only; side may be NULL. */
const double *chain_oi_change(hde_ctx *ctx, const Hde__Quotes *side, size_t n);

/* An optional field that is absent unless the value is finite. */
#define CHAIN_PUT(message, field, value)                                                           \
    chain_put(&(message)->has_##field, &(message)->field, (value))
void chain_put(protobuf_c_boolean *has, double *field, double value);
/* An optional field; NaN where it is absent. */
#define CHAIN_GET(message, field)                                                                  \
    ((message) && (message)->has_##field ? (message)->field : __builtin_nan(""))

/* A side's model columns, made writable (see hde_msg_edit). side is &chain->calls or ->puts. */
Hde__ModelColumns *chain_model(hde_msg *msg, Hde__ModelColumns **side);

/* ---- Prices -------------------------------------------------------------------------------- */

enum chain_price_rule { CHAIN_PRICE_AUTO, CHAIN_PRICE_MID, CHAIN_PRICE_LAST };

/* The word of a parameter with .choices CHAIN_PRICE_CHOICES. */
#define CHAIN_PRICE_CHOICES "auto|mid|last"
enum chain_price_rule chain_price_rule(const char *word);

struct chain_price {
    double price; /* above 0; NaN is absent */
    double noise; /* what it may be off: the spread, or a part of the last price */
    Hde__PriceSource source;
    bool stale; /* only a last price without a trade today was there, and refused */
};

/* Leg i of n. mid: (bid + ask) / 2 of a quote that is not crossed. last: the last price, unless
 * traded_only and the volume of the day is present and 0. auto: mid, else last. */
struct chain_price chain_price_of(const Hde__Quotes *side, size_t n, size_t i,
                                  enum chain_price_rule rule, bool traded_only);

#endif
