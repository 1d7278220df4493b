/* SPDX-License-Identifier: Apache-2.0
 * option_chain - /v1/option-chain/{symbol}: the whole chain, one row a strike. */
#include "router.h"

#include <string.h>

/* One side of the chain with everything that is known about its legs. */
struct side {
    const char *name; /* CE, PE */
    const Hde__Quotes *quotes;
    const Hde__ModelColumns *model;
    const Hde__CumulativeOiSide *cumulative;
    const Hde__VelocitySide *velocity;
    const Hde__BuildupType *buildup;
    size_t n_buildup;
};

static const char *
enum_name(const ProtobufCEnumDescriptor *type, int value, const char *prefix)
{
    const ProtobufCEnumValue *entry = protobuf_c_enum_descriptor_get_value(type, value);
    size_t n = strlen(prefix);

    if (!entry || value == 0)
        return NULL;
    return strncmp(entry->name, prefix, n) == 0 ? entry->name + n : entry->name;
}

static void
put_greeks(struct json *json, const Hde__ModelColumns *model, size_t n, size_t i)
{
    json_open_key(json, "greeks", '{');
    json_field(json, "delta", COLUMN(model, delta, n, i));
    json_field(json, "gamma", COLUMN(model, gamma, n, i));
    json_field(json, "theta", COLUMN(model, theta, n, i));
    json_field(json, "vega", COLUMN(model, vega, n, i));
    json_field(json, "rho", COLUMN(model, rho, n, i));
    json_field(json, "vanna", COLUMN(model, vanna, n, i));
    json_field(json, "vomma", COLUMN(model, vomma, n, i));
    json_field(json, "charm", COLUMN(model, charm, n, i));
    json_field(json, "speed", COLUMN(model, speed, n, i));
    json_field(json, "zomma", COLUMN(model, zomma, n, i));
    json_field(json, "color", COLUMN(model, color, n, i));
    json_field(json, "ultima", COLUMN(model, ultima, n, i));
    json_close(json, '}');
}

static void
put_vendor(struct json *json, const Hde__Quotes *quotes, size_t n, size_t i)
{
    json_open_key(json, "vendor", '{');
    json_field(json, "iv", COLUMN(quotes, vendor_iv, n, i));
    json_field(json, "delta", COLUMN(quotes, vendor_delta, n, i));
    json_field(json, "gamma", COLUMN(quotes, vendor_gamma, n, i));
    json_field(json, "theta", COLUMN(quotes, vendor_theta, n, i));
    json_field(json, "vega", COLUMN(quotes, vendor_vega, n, i));
    json_close(json, '}');
}

/* The results carry strikes of their own: of the chain before, or fewer. */
static void
put_results(struct json *json, const struct side *side, const struct chain_view *chain,
            double strike)
{
    size_t n = chain->cumulative_oi ? chain->cumulative_oi->n_strike : 0;
    size_t at = n ? find_strike(chain->cumulative_oi->strike, n, strike) : 0;
    const char *label = NULL;

    json_field(json, "oi_change_open", at < n ? COLUMN(side->cumulative, change, n, at) : NAN);
    n = chain->velocity ? chain->velocity->n_strike : 0;
    at = n ? find_strike(chain->velocity->strike, n, strike) : 0;
    json_field(json, "oi_velocity", at < n ? COLUMN(side->velocity, oi_velocity, n, at) : NAN);
    n = chain->buildup ? chain->buildup->n_strike : 0;
    at = n ? find_strike(chain->buildup->strike, n, strike) : 0;
    if (at < n && side->n_buildup == n)
        label = enum_name(&hde__buildup_type__descriptor, side->buildup[at], "BUILDUP_TYPE_");
    json_field_text(json, "buildup", label);
}

static void
put_leg(struct json *json, const struct side *side, const struct chain_view *chain, size_t i)
{
    const Hde__Quotes *quotes = side->quotes;
    const Hde__ModelColumns *model = side->model;
    size_t n = chain->n_strikes;
    const char *status = NULL;

    if (model && model->n_iv_status == n)
        status = enum_name(&hde__iv_status__descriptor, model->iv_status[i], "IV_STATUS_");
    json_open_key(json, side->name, '{');
    json_field(json, "ltp", COLUMN(quotes, last, n, i));
    json_field(json, "bid", COLUMN(quotes, bid, n, i));
    json_field(json, "ask", COLUMN(quotes, ask, n, i));
    json_field(json, "bid_qty", COLUMN(quotes, bid_qty, n, i));
    json_field(json, "ask_qty", COLUMN(quotes, ask_qty, n, i));
    json_field(json, "volume", COLUMN(quotes, volume, n, i));
    json_field(json, "oi", COLUMN(quotes, oi, n, i));
    json_field(json, "oi_change", oi_change_at(quotes, n, i));
    json_field(json, "prev_oi", COLUMN(quotes, prev_oi, n, i));
    json_field(json, "prev_close", COLUMN(quotes, prev_close, n, i));
    json_field(json, "iv", COLUMN(model, iv, n, i));
    json_field_text(json, "iv_status", status);
    json_field(json, "theo_price", COLUMN(model, price, n, i));
    json_field(json, "mispricing", COLUMN(model, mispricing, n, i));
    put_greeks(json, model, n, i);
    put_vendor(json, quotes, n, i);
    put_results(json, side, chain, chain->raw->strike[i]);
    json_close(json, '}');
}

static void
put_flags(struct json *json, const Hde__RawChain *raw)
{
    json_open_key(json, "flags", '[');
    for (size_t i = 0; i < raw->n_flags; i++)
        json_text(json, enum_name(&hde__chain_flag__descriptor, raw->flags[i], "CHAIN_FLAG_"));
    json_close(json, ']');
}

static void
put_head(struct view *view, const struct chain_view *chain)
{
    const Hde__RawChain *raw = chain->raw;
    struct json *json = &view->json;

    json_field_text(json, "underlying", view->feed.underlying);
    json_field_text(json, "exchange", view->feed.venue[0] ? view->feed.venue : NULL);
    json_field_text(json, "expiry", chain->expiry);
    json_field_time(json, "as_of", raw && raw->has_event_ns, raw ? raw->event_ns : 0);
    json_field(json, "spot", FIELD(raw, spot));
    json_field(json, "future", FIELD(raw, future));
    json_field(json, "forward", FIELD(chain->forward, forward));
    json_field(json, "t_years", FIELD(chain->forward, t_years));
    json_field(json, "atm_strike", chain_view_atm_strike(chain));
    json_field(json, "lot_size", FIELD(raw, lot_size));
    json_field_text(json, "oi_unit",
                    raw && raw->has_oi_unit
                        ? enum_name(&hde__quantity_unit__descriptor, raw->oi_unit, "QUANTITY_UNIT_")
                        : NULL);
    json_field_text(json, "volume_unit",
                    raw && raw->has_volume_unit ? enum_name(&hde__quantity_unit__descriptor,
                                                            raw->volume_unit, "QUANTITY_UNIT_")
                                                : NULL);
    if (raw)
        put_flags(json, raw);
}

static void
name_missing(struct view *view, const struct chain_view *chain)
{
    const Hde__ModelColumns *model = chain->call_model ? chain->call_model : chain->put_model;

    if (!chain->forward) {
        view_missing(view, "forward");
        view_missing(view, "t_years");
    }
    if (!model || !model->n_iv) {
        view_missing(view, "rows.iv");
        view_missing(view, "rows.iv_status");
    }
    if (!model || !model->n_price) {
        view_missing(view, "rows.theo_price");
        view_missing(view, "rows.mispricing");
    }
    if (!model || !model->n_delta)
        view_missing(view, "rows.greeks");
    if (!chain->cumulative_oi)
        view_missing(view, "rows.oi_change_open");
    if (!chain->velocity)
        view_missing(view, "rows.oi_velocity");
    if (!chain->buildup)
        view_missing(view, "rows.buildup");
}

bool
option_chain(struct view *view, const struct chain_view *chain)
{
    const Hde__CumulativeOi *cumulative = chain->cumulative_oi;
    const Hde__Velocity *velocity = chain->velocity;
    const Hde__Buildup *buildup = chain->buildup;
    struct side calls = {"CE",
                         chain->raw ? chain->raw->calls : NULL,
                         chain->call_model,
                         cumulative ? cumulative->calls : NULL,
                         velocity ? velocity->calls : NULL,
                         buildup ? buildup->calls : NULL,
                         buildup ? buildup->n_calls : 0};
    struct side puts = {"PE",
                        chain->raw ? chain->raw->puts : NULL,
                        chain->put_model,
                        cumulative ? cumulative->puts : NULL,
                        velocity ? velocity->puts : NULL,
                        buildup ? buildup->puts : NULL,
                        buildup ? buildup->n_puts : 0};
    struct json *json = &view->json;
    struct selection selection;

    if (!select_strikes(&selection, view, chain))
        return false;
    json_open(json, '{');
    put_head(view, chain);
    json_open_key(json, "rows", '[');
    for (size_t i = selection.first; i < selection.end; i++) {
        if (!selection_has(&selection, chain->raw->strike[i]))
            continue;
        json_open(json, '{');
        json_field(json, "strike", chain->raw->strike[i]);
        put_leg(json, &calls, chain, i);
        put_leg(json, &puts, chain, i);
        json_close(json, '}');
        view->count++;
    }
    json_close(json, ']');
    json_close(json, '}');
    name_missing(view, chain);
    return true;
}
