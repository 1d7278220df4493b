/* SPDX-License-Identifier: Apache-2.0
 * pcr - put/call ratios of open interest, volume and change of open interest. */
#include <math.h>
#include <string.h>

#include "common/columns.h"
#include "quant/pcr.h"

struct state {
    const char *scope;
    int64_t strikes;
    hde_counter *no_centre;
};

static hde_status
open_pcr(hde_ctx *ctx, void *state)
{
    struct state *s = state;

    s->no_centre =
        hde_counter_open(ctx, "no_centre", "chains without forward and spot, so without scope atm");
    return HDE_OK;
}

/* The strikes in scope; false where the chain does not tell. */
static bool
scope_of(const struct state *s, const Hde__EnrichedChain *chain, size_t *first, size_t *count)
{
    double centre = CHAIN_GET(chain->forward, forward);

    if (!strcmp(s->scope, "all")) {
        *first = 0;
        *count = chain->raw->n_strike;
        return true;
    }
    if (isnan(centre))
        centre = CHAIN_GET(chain->raw, spot);
    return pcr_near(chain->raw->n_strike, chain->raw->strike, centre, (size_t)s->strikes, first,
                    count);
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    const struct state *s = state;
    const Hde__RawChain *raw = chain->raw;
    size_t n = raw->n_strike, first, count;
    const double *call_oi = CHAIN_COLUMN(ctx, raw->calls, oi, n);
    const double *put_oi = CHAIN_COLUMN(ctx, raw->puts, oi, n);
    Hde__ChainMetrics *metrics;
    struct pcr oi, volume, change;
    Hde__Pcr *out;

    if (!scope_of(s, chain, &first, &count)) {
        hde_count(s->no_centre, 1);
        return;
    }
    oi = pcr_of(count, call_oi + first, put_oi + first);
    volume = pcr_of(count, CHAIN_COLUMN(ctx, raw->calls, volume, n) + first,
                    CHAIN_COLUMN(ctx, raw->puts, volume, n) + first);
    change = pcr_of(count, chain_oi_change(ctx, raw->calls, n) + first,
                    chain_oi_change(ctx, raw->puts, n) + first);
    metrics = chain_metrics(msg);
    out = hde_msg_edit(msg, &metrics->pcr, &hde__pcr__descriptor);
    CHAIN_PUT(out, oi, oi.ratio);
    CHAIN_PUT(out, call_oi, oi.calls);
    CHAIN_PUT(out, put_oi, oi.puts);
    CHAIN_PUT(out, volume, volume.ratio);
    CHAIN_PUT(out, call_volume, volume.calls);
    CHAIN_PUT(out, put_volume, volume.puts);
    CHAIN_PUT(out, oi_change, change.ratio);
    CHAIN_PUT(out, call_oi_change, change.calls);
    CHAIN_PUT(out, put_oi_change, change.puts);
    out->has_strikes = true;
    out->strikes = (uint32_t)count;
    out->scope = hde_msg_text(msg, s->scope);
    CHAIN_PUT(out, max_call_oi_strike,
              isnan(oi.calls) ? NAN : raw->strike[first + pcr_largest(count, call_oi + first)]);
    CHAIN_PUT(out, max_put_oi_strike,
              isnan(oi.puts) ? NAN : raw->strike[first + pcr_largest(count, put_oi + first)]);
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, scope, .fallback = "all", .choices = "all|atm",
              .help = "which strikes count: all, or those around the forward (else the spot)"),
    HDE_PARAM(struct state, strikes, .fallback = "10", .unit = "strikes", .min = 0, .max = 1000,
              .help = "how many on either side of the nearest one, with scope atm"),
    {0},
};

static const hde_operator pcr_operator = {
    .size = sizeof(hde_operator),
    .name = "processing/pcr",
    .summary = "put/call ratios of open interest, volume and change of open interest",
    .help =
        "Sum over puts / sum over calls of one expiry. A ratio is absent where the calls' sum is\n"
        "not above 0; sums are absent where no strike in scope has a value on either side. The\n"
        "strikes of the largest open interest: an absent entry counts 0, ties go to the lowest\n"
        "strike. Sets metrics.pcr.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .open = open_pcr,
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&pcr_operator);
