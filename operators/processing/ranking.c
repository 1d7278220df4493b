/* SPDX-License-Identifier: Apache-2.0
 * ranking - at which strikes open interest, volume and their change pile up. */
#include <math.h>

#include "common/columns.h"
#include "quant/ranking.h"

struct state {
    int64_t top;
};

#define NEW_COLUMN(field) (out->n_##field = n, out->field = chain_column_new(msg, n))

static void
rank_side(hde_ctx *ctx, const struct state *s, hde_msg *msg, const Hde__Quotes *quotes, size_t n,
          Hde__ModelColumns *out)
{
    const double *oi = CHAIN_COLUMN(ctx, quotes, oi, n);
    const double *volume = CHAIN_COLUMN(ctx, quotes, volume, n);

    ranking_intensity(n, oi, NEW_COLUMN(oi_intensity_pct));
    ranking_intensity(n, volume, NEW_COLUMN(volume_intensity_pct));
    ranking_intensity(n, chain_oi_change(ctx, quotes, n), NEW_COLUMN(oi_change_intensity_pct));
    ranking_top(n, oi, (size_t)s->top, NEW_COLUMN(oi_rank));
    ranking_top(n, volume, (size_t)s->top, NEW_COLUMN(volume_rank));
}

static void
measure(hde_ctx *ctx, void *state, hde_msg *msg, Hde__EnrichedChain *chain)
{
    size_t n = chain->raw->n_strike;

    rank_side(ctx, state, msg, chain->raw->calls, n, chain_model(msg, &chain->calls));
    rank_side(ctx, state, msg, chain->raw->puts, n, chain_model(msg, &chain->puts));
}

static hde_msg *
each(hde_ctx *ctx, void *state, hde_msg *taken)
{
    return chain_each(ctx, state, taken, measure);
}

static const hde_param params[] = {
    HDE_PARAM(struct state, top, .fallback = "5", .unit = "strikes", .min = 0,
              .max = RANKING_TOP_MAX, .flags = HDE_PARAM_LIVE,
              .help = "how many strikes of a side get a rank"),
    {0},
};

static const hde_operator ranking = {
    .size = sizeof(hde_operator),
    .name = "processing/ranking",
    .summary = "intensity and rank of every strike's open interest, its change, and volume",
    .help =
        "Intensity is 100 x value / largest value of that side. Rank 1 is the largest; ties go to\n"
        "the lower strike; absent beyond `top` and where there is nothing. The change is against\n"
        "the previous day's close. Sets the intensities and ranks of both sides.",
    .inputs = chain_inputs,
    .outputs = chain_outputs,
    .params = params,
    .state_size = sizeof(struct state),
    .batch = hde_each,
    .each = each,
};

HDE_PLUGIN(&ranking);
