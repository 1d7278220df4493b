/* SPDX-License-Identifier: Apache-2.0 */
#include "common/columns.h"

#include <math.h>
#include <string.h>

/* A last price is old by an unknown time: it counts as this uncertain. */
#define LAST_NOISE 0.02

const hde_port chain_inputs[] = {
    {.name = "in", .types = CHAIN_TYPES, .help = "chains, raw or enriched"},
    {0},
};
const hde_port chain_outputs[] = {
    {.name = "out",
     .types = HDE_TYPES(&hde__enriched_chain__descriptor),
     .help = "the same chains with what this operator adds"},
    {0},
};

hde_msg *
chain_each(hde_ctx *ctx, void *state, hde_msg *taken, chain_work *work)
{
    Hde__EnrichedChain *chain;
    hde_msg *msg = chain_enrich(ctx, taken, &chain);

    if (chain->raw && chain->raw->n_strike > 0)
        work(ctx, state, msg, chain);
    return msg;
}

double *
chain_column_new(hde_msg *msg, size_t n)
{
    return hde_msg_alloc(msg, (n ? n : 1) * sizeof(double));
}

double *
chain_scratch(hde_ctx *ctx, size_t n)
{
    return hde_scratch(ctx, (n ? n : 1) * sizeof(double));
}

const double *
chain_column(hde_ctx *ctx, const double *column, size_t n_column, size_t n)
{
    double *absent;

    if (column && n_column == n)
        return column;
    absent = chain_scratch(ctx, n);
    for (size_t i = 0; i < n; i++)
        absent[i] = NAN;
    return absent;
}

const double *
chain_oi_change(hde_ctx *ctx, const Hde__Quotes *side, size_t n)
{
    const double *given = CHAIN_COLUMN(ctx, side, oi_change, n), *oi, *before;
    double *change;
    bool all = true;

    for (size_t i = 0; i < n; i++)
        all = all && !isnan(given[i]);
    if (all)
        return given;
    oi = CHAIN_COLUMN(ctx, side, oi, n);
    before = CHAIN_COLUMN(ctx, side, prev_oi, n);
    change = chain_scratch(ctx, n);
    for (size_t i = 0; i < n; i++)
        change[i] = isnan(given[i]) ? oi[i] - before[i] : given[i];
    return change;
}

void
chain_put(protobuf_c_boolean *has, double *field, double value)
{
    *has = isfinite(value) != 0;
    *field = *has ? value : 0;
}

Hde__ModelColumns *
chain_model(hde_msg *msg, Hde__ModelColumns **side)
{
    return hde_msg_edit(msg, side, &hde__model_columns__descriptor);
}

enum chain_price_rule
chain_price_rule(const char *word)
{
    return !strcmp(word, "mid")    ? CHAIN_PRICE_MID
           : !strcmp(word, "last") ? CHAIN_PRICE_LAST
                                   : CHAIN_PRICE_AUTO;
}

struct chain_price
chain_price_of(const Hde__Quotes *side, size_t n, size_t i, enum chain_price_rule rule,
               bool traded_only)
{
    struct chain_price p = {NAN, NAN, HDE__PRICE_SOURCE__PRICE_SOURCE_NONE, false};
    double bid = side ? CHAIN_AT(side, bid, n, i) : NAN,
           ask = side ? CHAIN_AT(side, ask, n, i) : NAN;
    double last = side ? CHAIN_AT(side, last, n, i) : NAN;
    double volume = side ? CHAIN_AT(side, volume, n, i) : NAN;

    if (rule != CHAIN_PRICE_LAST && bid > 0 && ask >= bid && isfinite(ask)) {
        p.price = 0.5 * (bid + ask);
        p.noise = ask - bid;
        p.source = HDE__PRICE_SOURCE__PRICE_SOURCE_MID;
    } else if (rule != CHAIN_PRICE_MID && last > 0 && isfinite(last)) {
        p.stale = traded_only && volume == 0;
        if (!p.stale) {
            p.price = last;
            p.noise = LAST_NOISE * last;
            p.source = HDE__PRICE_SOURCE__PRICE_SOURCE_LAST;
        }
    }
    return p;
}
