/* SPDX-License-Identifier: Apache-2.0
 * chains - small synthetic chains and results with numbers that a test can predict. */
#include "chains.h"

#include "engine/msg.h"

#include <math.h>
#include <string.h>

enum { N = CHAIN_STRIKES };

static hde_msg *
new_msg(const ProtobufCMessageDescriptor *type, const struct chain_spec *spec)
{
    hde_msg *msg = msg_new(msg_pool_current(), type);

    msg->event_ns = spec->event_ns;
    return msg;
}

static double *
column(hde_msg *msg, double first, double step)
{
    double *values = hde_msg_doubles(msg, N);

    for (int i = 0; i < N; i++)
        values[i] = first + step * i;
    return values;
}

#define SET(side, field, values) ((side)->n_##field = N, (side)->field = (values))
#define HAS(message, field, value) ((message)->has_##field = 1, (message)->field = (value))

static void
set_key(hde_msg *msg, char **feed, char **expiry, const struct chain_spec *spec)
{
    *feed = hde_msg_text(msg, spec->feed);
    *expiry = hde_msg_text(msg, spec->expiry);
}

static Hde__Quotes *
new_quotes(hde_msg *msg, Hde__Quotes **slot, double oi)
{
    Hde__Quotes *quotes = hde_msg_edit(msg, slot, &hde__quotes__descriptor);

    SET(quotes, last, column(msg, 100, 0.5));
    SET(quotes, bid, column(msg, 99.5, 0.5));
    SET(quotes, ask, column(msg, 100.5, 0.5));
    SET(quotes, volume, column(msg, oi / 2, 1));
    SET(quotes, oi, column(msg, oi, 1));
    SET(quotes, oi_change, column(msg, -10, 1));
    return quotes;
}

static void
fill_raw(hde_msg *msg, Hde__RawChain *raw, const struct chain_spec *spec)
{
    static const char underlying[][12] = {"NIFTY", "BANKNIFTY"};
    Hde__Quotes *puts;

    set_key(msg, &raw->feed, &raw->expiry, spec);
    raw->underlying = hde_msg_text(msg, underlying[strstr(spec->feed, "BANK") != NULL]);
    raw->session = hde_msg_text(msg, "2026-08-19");
    HAS(raw, event_ns, spec->event_ns);
    HAS(raw, session_open_ns, CHAIN_OPEN_NS);
    HAS(raw, spot, spec->first_strike + 20 * 50 + 10);
    HAS(raw, lot_size, 65);
    HAS(raw, oi_unit, HDE__QUANTITY_UNIT__QUANTITY_UNIT_UNITS);
    SET(raw, strike, column(msg, spec->first_strike, 50));
    new_quotes(msg, &raw->calls, 1000);
    puts = new_quotes(msg, &raw->puts, 2000);
    puts->last[3] = puts->oi[3] = NAN;
    puts->n_oi_change = 0; /* this feed gives the puts' previous day instead */
    SET(puts, prev_oi, column(msg, 1900, 0));
}

hde_msg *
chain_raw_new(const struct chain_spec *spec)
{
    hde_msg *msg = new_msg(&hde__raw_chain__descriptor, spec);

    fill_raw(msg, (Hde__RawChain *)msg->body, spec);
    return msg;
}

static void
fill_model(hde_msg *msg, Hde__ModelColumns **slot, double delta, double gex)
{
    Hde__ModelColumns *model = hde_msg_edit(msg, slot, &hde__model_columns__descriptor);
    Hde__IvStatus *status = hde_msg_alloc(msg, N * sizeof *status);

    for (int i = 0; i < N; i++)
        status[i] = HDE__IV_STATUS__IV_STATUS_OK;
    SET(model, iv, column(msg, 0.12, 0.001));
    SET(model, iv_status, status);
    SET(model, price, column(msg, 101, 0.5));
    SET(model, mispricing, column(msg, -1, 0));
    SET(model, delta, column(msg, delta, 0));
    SET(model, gamma, column(msg, 0.001, 0));
    SET(model, gex, column(msg, gex, 0));
}

static void
fill_metrics(hde_msg *msg, Hde__ChainMetrics *m, const struct chain_spec *spec)
{
    Hde__Pcr *pcr = hde_msg_edit(msg, &m->pcr, &hde__pcr__descriptor);
    Hde__MaxPain *pain = hde_msg_edit(msg, &m->max_pain, &hde__max_pain__descriptor);
    Hde__FuturesBasis *basis = hde_msg_edit(msg, &m->basis, &hde__futures_basis__descriptor);
    Hde__Skew *skew = hde_msg_edit(msg, &m->skew, &hde__skew__descriptor);
    Hde__GammaExposure *gex = hde_msg_edit(msg, &m->gex, &hde__gamma_exposure__descriptor);
    Hde__Reversal *reversal = hde_msg_edit(msg, &m->reversal, &hde__reversal__descriptor);
    double atm = spec->first_strike + 20 * 50;

    HAS(pcr, oi, 1.25);
    HAS(pcr, volume, 0.75);
    HAS(pcr, call_oi, 41820);
    HAS(pcr, put_oi, 80000);
    HAS(pcr, max_call_oi_strike, spec->first_strike + 40 * 50);
    HAS(pcr, max_put_oi_strike, spec->first_strike + 40 * 50);
    HAS(pain, strike, atm);
    HAS(pain, writer_loss, 123456);
    HAS(pain, distance_pct, -0.05);
    SET(pain, call_pain, column(msg, 0, 10));
    SET(pain, put_pain, column(msg, 400, -10));
    HAS(basis, future, atm + 30);
    HAS(basis, basis, 20);
    HAS(basis, basis_pct, 0.08);
    HAS(skew, atm_iv, 0.135);
    HAS(skew, straddle, 240.5);
    HAS(gex, sign, HDE__GEX_SIGN__GEX_SIGN_NAIVE);
    HAS(gex, net, -5.5e9);
    HAS(gex, call, 4e9);
    HAS(gex, put, -9.5e9);
    HAS(gex, flip, atm + 75.25);
    HAS(reversal, move_lower, atm - 200);
    HAS(reversal, move_upper, atm + 200);
}

hde_msg *
chain_enriched_new(const struct chain_spec *spec)
{
    hde_msg *msg = new_msg(&hde__enriched_chain__descriptor, spec);
    Hde__EnrichedChain *chain = (Hde__EnrichedChain *)msg->body;
    Hde__Forward *forward;

    set_key(msg, &chain->feed, &chain->expiry, spec);
    HAS(chain, event_ns, spec->event_ns);
    hde_msg_edit(msg, &chain->raw, &hde__raw_chain__descriptor);
    fill_raw(msg, chain->raw, spec);
    forward = hde_msg_edit(msg, &chain->forward, &hde__forward__descriptor);
    HAS(forward, forward, spec->first_strike + 20 * 50 + 12);
    HAS(forward, t_years, 0.0027);
    fill_model(msg, &chain->calls, 0.5, 1e6);
    fill_model(msg, &chain->puts, -0.5, -2e6);
    hde_msg_edit(msg, &chain->metrics, &hde__chain_metrics__descriptor);
    fill_metrics(msg, chain->metrics, spec);
    return msg;
}

hde_msg *
chain_cumulative_new(const struct chain_spec *spec)
{
    hde_msg *msg = new_msg(&hde__cumulative_oi__descriptor, spec);
    Hde__CumulativeOi *result = (Hde__CumulativeOi *)msg->body;

    set_key(msg, &result->feed, &result->expiry, spec);
    SET(result, strike, column(msg, spec->first_strike, 50));
    hde_msg_edit(msg, &result->calls, &hde__cumulative_oi_side__descriptor);
    hde_msg_edit(msg, &result->puts, &hde__cumulative_oi_side__descriptor);
    SET(result->calls, change, column(msg, 7, 0));
    SET(result->puts, change, column(msg, -7, 0));
    return msg;
}

hde_msg *
chain_velocity_new(const struct chain_spec *spec)
{
    hde_msg *msg = new_msg(&hde__velocity__descriptor, spec);
    Hde__Velocity *result = (Hde__Velocity *)msg->body;

    set_key(msg, &result->feed, &result->expiry, spec);
    SET(result, strike, column(msg, spec->first_strike, 50));
    hde_msg_edit(msg, &result->calls, &hde__velocity_side__descriptor);
    SET(result->calls, oi_velocity, column(msg, 3, 0));
    return msg;
}

/* One strike fewer than the chain: results may be of the chain before. */
hde_msg *
chain_buildup_new(const struct chain_spec *spec)
{
    hde_msg *msg = new_msg(&hde__buildup__descriptor, spec);
    Hde__Buildup *result = (Hde__Buildup *)msg->body;
    Hde__BuildupType *types = hde_msg_alloc(msg, N * sizeof *types);

    for (int i = 0; i < N; i++)
        types[i] = HDE__BUILDUP_TYPE__BUILDUP_TYPE_SHORT_BUILDUP;
    set_key(msg, &result->feed, &result->expiry, spec);
    result->strike = column(msg, spec->first_strike, 50);
    result->n_strike = result->n_calls = N - 1;
    result->calls = types;
    return msg;
}

hde_msg *
chain_zones_new(const struct chain_spec *spec)
{
    hde_msg *msg = new_msg(&hde__zones__descriptor, spec);
    Hde__Zones *result = (Hde__Zones *)msg->body;

    set_key(msg, &result->feed, &result->expiry, spec);
    result->n_zones = 3;
    result->zones = hde_msg_alloc(msg, 3 * sizeof *result->zones);
    for (unsigned i = 0; i < 3; i++) {
        Hde__Zone *zone;

        result->zones[i] = NULL;
        zone = hde_msg_edit(msg, &result->zones[i], &hde__zone__descriptor);
        HAS(zone, kind,
            i < 2 ? HDE__ZONE_KIND__ZONE_KIND_SUPPORT : HDE__ZONE_KIND__ZONE_KIND_RESISTANCE);
        HAS(zone, rank, i < 2 ? 2 - i : 1); /* the second support is the stronger one */
        HAS(zone, price, spec->first_strike + 50 * (10 + 10 * i));
        HAS(zone, strength, 5 + i);
        HAS(zone, source, HDE__ZONE_SOURCE__ZONE_SOURCE_OI);
        HAS(zone, is_active, 1);
        HAS(zone, since_ns, CHAIN_OPEN_NS);
    }
    return msg;
}
