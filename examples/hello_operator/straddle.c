/* SPDX-License-Identifier: Apache-2.0
 * straddle - what the call and the put at the money cost together: the move that is priced in. */
#include <hde/operator.h>
#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>

#include <math.h>

struct state {
    double max_distance; /* parameter */
};

static size_t
nearest_strike(const Hde__RawChain *chain)
{
    size_t best = 0;

    for (size_t i = 1; i < chain->n_strike; i++) {
        if (fabs(chain->strike[i] - chain->spot) < fabs(chain->strike[best] - chain->spot))
            best = i;
    }
    return best;
}

/* NaN where the feed gave no price. */
static double
last_price(const Hde__Quotes *side, const Hde__RawChain *chain, size_t i)
{
    return side && side->n_last == chain->n_strike ? side->last[i] : NAN;
}

static hde_status
batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    const struct state *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const Hde__RawChain *chain = (const Hde__RawChain *)batch->msg[batch->done]->body;
        hde_msg *msg;
        Hde__Sample *out;
        size_t i;

        if (!chain->has_spot || !chain->n_strike)
            return hde_reject(ctx, "straddle.empty", "a chain without spot or strikes");
        i = nearest_strike(chain);
        msg = hde_msg_new(ctx, &hde__sample__descriptor);
        out = (Hde__Sample *)msg->body;
        out->key = hde_msg_text(msg, chain->feed ? chain->feed : "");
        out->event_ns = msg->event_ns, out->has_event_ns = true;
        out->value = last_price(chain->calls, chain, i) + last_price(chain->puts, chain, i);
        out->has_value =
            !isnan(out->value) && fabs(chain->strike[i] - chain->spot) <= self->max_distance;
        hde_emit(ctx, 0, msg);
    }
    return HDE_OK;
}

static const hde_port inputs[] = {
    {"in", HDE_TYPES(&hde__raw_chain__descriptor), 0, "option chains"},
    {0},
};
static const hde_port outputs[] = {
    {"out", HDE_TYPES(&hde__sample__descriptor), 0, "points; absent where a leg has no price"},
    {0},
};
static const hde_param params[] = {
    HDE_PARAM(struct state, max_distance, .fallback = "100", .unit = "points", .min = 0, .max = 1e6,
              .help = "a strike farther from the spot is not at the money"),
    {0},
};

static const hde_operator operator= {
    .size = sizeof(hde_operator),
    .name = "hello/straddle",
    .summary = "price of the call and the put at the money",
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .batch = batch,
};

HDE_PLUGIN(&operator);
