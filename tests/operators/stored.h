/* SPDX-License-Identifier: Apache-2.0
 * stored - messages with a value in each part, for tests of storage operators. */
#ifndef OPERATORS_STORED_H
#define OPERATORS_STORED_H

#include "chains.h"

static inline hde_msg *
raw_chain(hde_harness *h, int64_t after_open_ns)
{
    hde_msg *msg = chain_new(h, 0, after_open_ns, 3);

    CALLS(msg, last, 10.5, 5.25, U);
    CALLS(msg, oi, 1000, U, U);
    PUTS(msg, last, 1, 2, 3);
    chain_flag(msg, HDE__CHAIN_FLAG__CHAIN_FLAG_MISSING_LEGS);
    return msg;
}

/* An enriched chain with one value in each part. */
static inline hde_msg *
enriched_chain(hde_harness *h, int64_t after_open_ns)
{
    static const double iv[] = {0.125, U, U}, fit[] = {0.1, -0.2, 0.3};
    static const double pain[] = {7, 8, 9};
    hde_msg *raw = raw_chain(h, after_open_ns);
    hde_msg *msg = hde_harness_new(h, &hde__enriched_chain__descriptor);
    Hde__EnrichedChain *chain = (Hde__EnrichedChain *)msg->body;
    Hde__ChainMetrics *metrics;

    hde_msg_share(msg, raw);
    msg->event_ns = raw->event_ns;
    chain->raw = raw_of(raw);
    chain->feed = chain->raw->feed;
    chain->expiry = chain->raw->expiry;
    chain->has_event_ns = true;
    chain->event_ns = chain->raw->event_ns;
    hde_msg_drop(raw);
    hde_msg_edit(msg, &chain->forward, &hde__forward__descriptor);
    chain->forward->has_forward = chain->forward->has_source = true;
    chain->forward->forward = 104.5;
    chain->forward->source = HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_REGRESSION;
    hde_msg_edit(msg, &chain->calls, &hde__model_columns__descriptor);
    CHAIN_COLUMN(msg, chain->calls, iv, 3, iv);
    metrics = hde_msg_edit(msg, &chain->metrics, &hde__chain_metrics__descriptor);
    hde_msg_edit(msg, &metrics->pcr, &hde__pcr__descriptor);
    metrics->pcr->has_oi = true;
    metrics->pcr->oi = 0.75;
    hde_msg_edit(msg, &metrics->max_pain, &hde__max_pain__descriptor);
    metrics->max_pain->has_strike = true;
    metrics->max_pain->strike = 110;
    CHAIN_COLUMN(msg, metrics->max_pain, call_pain, 3, pain);
    hde_msg_edit(msg, &metrics->basis, &hde__futures_basis__descriptor);
    metrics->basis->has_basis = metrics->basis->has_basis_pct = true;
    metrics->basis->basis = 0.5;
    metrics->basis->basis_pct = 0.25;
    hde_msg_edit(msg, &metrics->skew, &hde__skew__descriptor);
    CHAIN_COLUMN(msg, metrics->skew, fit, 3, fit);
    hde_msg_edit(msg, &metrics->gex, &hde__gamma_exposure__descriptor);
    metrics->gex->has_sign = metrics->gex->has_net = true;
    metrics->gex->sign = HDE__GEX_SIGN__GEX_SIGN_NAIVE;
    metrics->gex->net = -1e9;
    return msg;
}

static inline hde_msg *
cumulative_oi(hde_harness *h)
{
    static const double strike[] = {100, 110}, oi[] = {1500, U}, change[] = {500, U};
    hde_msg *msg = hde_harness_new(h, &hde__cumulative_oi__descriptor);
    Hde__CumulativeOi *result = (Hde__CumulativeOi *)msg->body;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = result->has_baseline_ns = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->baseline_ns = OPEN_NS;
    CHAIN_COLUMN(msg, result, strike, 2, strike);
    hde_msg_edit(msg, &result->calls, &hde__cumulative_oi_side__descriptor);
    CHAIN_COLUMN(msg, result->calls, oi, 2, oi);
    CHAIN_COLUMN(msg, result->calls, change, 2, change);
    return msg;
}

static inline hde_msg *
velocity(hde_harness *h)
{
    static const double strike[] = {100, 110}, v[] = {U, -3};
    hde_msg *msg = hde_harness_new(h, &hde__velocity__descriptor);
    Hde__Velocity *result = (Hde__Velocity *)msg->body;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = result->has_window_s = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->window_s = 180;
    CHAIN_COLUMN(msg, result, strike, 2, strike);
    hde_msg_edit(msg, &result->puts, &hde__velocity_side__descriptor);
    CHAIN_COLUMN(msg, result->puts, oi_velocity, 2, v);
    result->puts->is_spike = hde_msg_alloc(msg, 2 * sizeof(protobuf_c_boolean));
    result->puts->is_spike[0] = false;
    result->puts->is_spike[1] = true;
    result->puts->n_is_spike = 2;
    return msg;
}

static inline hde_msg *
buildup(hde_harness *h)
{
    static const double strikes[] = {100, 110};
    hde_msg *msg = hde_harness_new(h, &hde__buildup__descriptor);
    Hde__Buildup *result = (Hde__Buildup *)msg->body;
    Hde__BuildupPattern *pattern;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = result->has_from_ns = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->from_ns = OPEN_NS;
    hde_msg_edit(msg, &result->counts, &hde__buildup_counts__descriptor);
    result->counts->has_legs = result->counts->has_short_buildup = true;
    result->counts->legs = 4;
    result->counts->short_buildup = 2;
    result->patterns = hde_msg_alloc(msg, sizeof *result->patterns);
    result->patterns[0] = NULL;
    result->n_patterns = 1;
    pattern = hde_msg_edit(msg, &result->patterns[0], &hde__buildup_pattern__descriptor);
    pattern->has_type = pattern->has_side = pattern->has_signal = pattern->has_is_confirmed = true;
    pattern->type = HDE__BUILDUP_TYPE__BUILDUP_TYPE_SHORT_BUILDUP;
    pattern->side = HDE__OPTION_TYPE__OPTION_TYPE_PUT;
    pattern->signal = HDE__SIGNAL_TYPE__SIGNAL_TYPE_BULLISH;
    pattern->is_confirmed = true;
    CHAIN_COLUMN(msg, pattern, strikes, 2, strikes);
    return msg;
}

static inline hde_msg *
zones(hde_harness *h)
{
    hde_msg *msg = hde_harness_new(h, &hde__zones__descriptor);
    Hde__Zones *result = (Hde__Zones *)msg->body;
    Hde__ZoneEvent *event;
    Hde__Zone *zone;

    result->feed = hde_msg_text(msg, "NSE:TEST@test");
    result->expiry = hde_msg_text(msg, "2026-08-25");
    result->has_event_ns = true;
    result->event_ns = OPEN_NS + MINUTE;
    result->zones = hde_msg_alloc(msg, sizeof *result->zones);
    result->zones[0] = NULL;
    result->n_zones = 1;
    zone = hde_msg_edit(msg, &result->zones[0], &hde__zone__descriptor);
    zone->has_id = zone->has_kind = zone->has_price = zone->has_tests = true;
    zone->id = 77;
    zone->kind = HDE__ZONE_KIND__ZONE_KIND_RESISTANCE;
    zone->price = 110;
    zone->tests = 2;
    result->events = hde_msg_alloc(msg, sizeof *result->events);
    result->events[0] = NULL;
    result->n_events = 1;
    event = hde_msg_edit(msg, &result->events[0], &hde__zone_event__descriptor);
    event->has_id = event->has_type = true;
    event->id = 77;
    event->type = HDE__ZONE_EVENT_TYPE__ZONE_EVENT_TYPE_TESTED;
    return msg;
}

static inline void
push_everything(hde_harness *h)
{
    push(h, "snapshots", enriched_chain(h, MINUTE));
    push(h, "results", cumulative_oi(h));
    push(h, "results", velocity(h));
    push(h, "results", buildup(h));
    push(h, "results", zones(h));
}

#endif
