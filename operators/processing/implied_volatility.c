/* SPDX-License-Identifier: Apache-2.0
 * implied_volatility - Black-76 volatility of every leg on the chain's forward. */
#include <math.h>
#include <string.h>

#include "common/columns.h"
#include "quant/iv.h"

struct state {
    const char *price, *stale;
    bool traded_only;

    enum chain_price_rule rule;
    hde_counter *no_forward, *unsolved;
};

static hde_status
open_iv(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->rule = chain_price_rule(s->price);
    s->no_forward =
        hde_counter_open(ctx, "no_forward", "chains without a forward, left as they are");
    s->unsolved = hde_counter_open(ctx, "unsolved", "legs with a price but without a volatility");
    return HDE_OK;
}

/* The columns of one side that this operator makes. */
struct columns {
    double *price, *iv, *conditioning;
    Hde__PriceSource *source;
    Hde__IvStatus *status;
};

static struct columns
columns_new(hde_msg *msg, size_t n)
{
    return (struct columns){
        .price = hde_msg_doubles(msg, n),
        .iv = hde_msg_doubles(msg, n),
        .conditioning = hde_msg_doubles(msg, n),
        .source = hde_msg_alloc(msg, n * sizeof(Hde__PriceSource)),
        .status = hde_msg_alloc(msg, n * sizeof(Hde__IvStatus)),
    };
}

/* Whether the whole chain is refused: its values are those of an earlier session or capture. */
static bool
is_refused(const struct state *s, const Hde__RawChain *raw)
{
    for (size_t i = 0; i < raw->n_flags && !strcmp(s->stale, "refuse"); i++)
        if (raw->flags[i] == HDE__CHAIN_FLAG__CHAIN_FLAG_STALE)
            return true;
    return false;
}

static void
solve_side(hde_ctx *ctx, const struct state *s, hde_msg *msg, const struct bsm *shared,
           const Hde__RawChain *raw, const Hde__Quotes *quotes, Hde__ModelColumns *out)
{
    size_t n = raw->n_strike;
    struct columns c = columns_new(msg, n);
    enum iv_status *status = hde_scratch(ctx, n * sizeof *status);
    bool *stale = hde_scratch(ctx, n * sizeof *stale);
    bool refused = is_refused(s, raw);
    uint64_t unsolved = 0;

    for (size_t i = 0; i < n; i++) {
        struct chain_price p = chain_price_of(quotes, n, i, s->rule, s->traded_only);

        c.price[i] = refused ? NAN : p.price;
        c.source[i] = refused ? HDE__PRICE_SOURCE__PRICE_SOURCE_NONE : p.source;
        stale[i] = p.stale || (refused && !isnan(p.price));
    }
    iv_column(shared, n, raw->strike, c.price,
              &(struct iv_columns){.vol = c.iv, .conditioning = c.conditioning, .status = status});
    for (size_t i = 0; i < n; i++) {
        c.status[i] = stale[i] ? HDE__IV_STATUS__IV_STATUS_STALE : (Hde__IvStatus)status[i];
        if (status[i] != IV_OK)
            c.iv[i] = NAN;
        unsolved += status[i] != IV_OK && !isnan(c.price[i]);
    }
    hde_count(s->unsolved, unsolved);
    CHAIN_SET(out, input_price, c.price, n);
    CHAIN_SET(out, input_source, c.source, n);
    CHAIN_SET(out, iv, c.iv, n);
    CHAIN_SET(out, iv_status, c.status, n);
    CHAIN_SET(out, iv_conditioning, c.conditioning, n);
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    struct bsm shared = {
        .model = BSM_BLACK76,
        .right = BSM_CALL,
        .underlying = CHAIN_GET(chain->forward, forward),
        .t = CHAIN_GET(chain->forward, t_years),
        .rate = CHAIN_GET(chain->forward, rate),
    };

    if (isnan(shared.underlying) || isnan(shared.t) || isnan(shared.rate)) {
        hde_count(s->no_forward, 1);
        return;
    }
    solve_side(ctx, s, msg, &shared, chain->raw, chain->raw->calls,
               chain_model(msg, &chain->calls));
    shared.right = BSM_PUT;
    solve_side(ctx, s, msg, &shared, chain->raw, chain->raw->puts, chain_model(msg, &chain->puts));
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, price, .fallback = "auto", .choices = CHAIN_PRICE_CHOICES,
              .help = "price of a leg: quote midpoint, last trade, or the first where quoted"),
    HDE_PARAM(struct state, traded_only, .fallback = "true",
              .help = "refuse a last price where the day's volume is known to be 0 (status stale)"),
    HDE_PARAM(struct state, stale, .fallback = "refuse", .choices = "refuse|use",
              .help = "chains with the flag STALE: their prices are of another time than theirs"),
    {0},
};

static const hde_operator implied_volatility = {
    .size = sizeof(hde_operator),
    .name = "processing/implied_volatility",
    .summary = "implied volatility of every leg, with a status and a conditioning",
    .help =
        "Black-76 on the forward of processing/forward, to the precision that the price allows.\n"
        "iv is present where iv_status is ok; any other status says why it is not. Sets\n"
        "input_price, input_source, iv, iv_status and iv_conditioning of both sides.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_iv,
    .batch = hde_each,
    .each = each,
};

_Static_assert((int)IV_STALE == (int)HDE__IV_STATUS__IV_STATUS_STALE,
               "the numbers of quant are those of the schema");
HDE_PLUGIN(&implied_volatility);
