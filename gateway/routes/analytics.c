/* SPDX-License-Identifier: Apache-2.0
 * analytics - /v1/analytics: headline values, gamma exposure, max pain. */
#include "router.h"

#include <string.h>

enum { LEVELS = 3 }; /* supports and resistances that a summary shows */

static const Hde__GammaExposure *
gex_of(const struct chain_view *chain)
{
    return chain->metrics ? chain->metrics->gex : NULL;
}

/* ---- Summary ------------------------------------------------------------------------------ */

static void
put_levels(struct view *view, const struct chain_view *chain, const char *key, Hde__ZoneKind kind)
{
    struct json *json = &view->json;
    size_t n = 0;

    json_open_key(json, key, '[');
    for (uint32_t rank = 1; chain->zones && rank <= LEVELS; rank++) {
        for (size_t i = 0; i < chain->zones->n_zones && n < LEVELS; i++) {
            const Hde__Zone *zone = chain->zones->zones[i];

            if (zone->kind != kind || (zone->has_is_active && !zone->is_active) ||
                (zone->has_rank ? zone->rank : rank) != rank)
                continue;
            json_open(json, '{');
            json_field(json, "price", FIELD(zone, price));
            json_field(json, "strength", FIELD(zone, strength));
            json_close(json, '}');
            n++;
        }
    }
    json_close(json, ']');
}

static void
name_missing(struct view *view, const struct chain_view *chain)
{
    const Hde__ChainMetrics *metrics = chain->metrics;

    if (!metrics || !metrics->basis) {
        view_missing(view, "future");
        view_missing(view, "basis");
    }
    if (!metrics || !metrics->pcr)
        view_missing(view, "pcr_oi");
    if (!metrics || !metrics->max_pain)
        view_missing(view, "max_pain_strike");
    if (!metrics || !metrics->skew) {
        view_missing(view, "atm_iv");
        view_missing(view, "straddle");
    }
    if (!metrics || !metrics->reversal)
        view_missing(view, "expected_range");
    if (!metrics || !metrics->gex) {
        view_missing(view, "net_gex");
        view_missing(view, "gamma_flip");
    }
    if (!chain->zones) {
        view_missing(view, "supports");
        view_missing(view, "resistances");
    }
    view_missing(view, "mood_score");
    view_missing(view, "alerts");
}

/* The listed future, or the synthetic one of the basis operator. */
static double
future_of(const struct chain_view *chain)
{
    const Hde__FuturesBasis *basis = chain->metrics ? chain->metrics->basis : NULL;

    return basis && basis->has_future ? basis->future : FIELD(chain->raw, future);
}

/* GET /v1/analytics/summary/{symbol} */
bool
analytics_summary(struct view *view, const struct chain_view *chain)
{
    const Hde__ChainMetrics *metrics = chain->metrics;
    const Hde__Skew *skew = metrics ? metrics->skew : NULL;
    const Hde__Reversal *reversal = metrics ? metrics->reversal : NULL;
    const Hde__GammaExposure *gex = gex_of(chain);
    struct json *json = &view->json;

    json_open(json, '{');
    json_field_text(json, "expiry", chain->expiry);
    json_field(json, "spot", FIELD(chain->raw, spot));
    json_field(json, "future", future_of(chain));
    json_field(json, "basis", metrics ? FIELD(metrics->basis, basis) : NAN);
    json_field(json, "atm_strike", chain_view_atm_strike(chain));
    json_field(json, "pcr_oi", metrics ? FIELD(metrics->pcr, oi) : NAN);
    json_field(json, "max_pain_strike", metrics ? FIELD(metrics->max_pain, strike) : NAN);
    json_field(json, "atm_iv", FIELD(skew, atm_iv));
    json_field(json, "straddle", FIELD(skew, straddle));
    json_open_key(json, "expected_range", '{');
    json_field(json, "lower", FIELD(reversal, move_lower));
    json_field(json, "upper", FIELD(reversal, move_upper));
    json_close(json, '}');
    json_field(json, "net_gex", FIELD(gex, net));
    json_field(json, "gamma_flip", FIELD(gex, flip));
    json_field_null(json, "mood_score");
    put_levels(view, chain, "supports", HDE__ZONE_KIND__ZONE_KIND_SUPPORT);
    put_levels(view, chain, "resistances", HDE__ZONE_KIND__ZONE_KIND_RESISTANCE);
    json_field_null(json, "alerts");
    json_close(json, '}');
    name_missing(view, chain);
    view->count++;
    return true;
}

/* ---- Gamma exposure ----------------------------------------------------------------------- */

static void
put_gex_rows(struct view *view, const struct chain_view *chain, const struct selection *selection)
{
    struct json *json = &view->json;
    size_t n = chain->n_strikes;
    double cumulative = 0; /* over all strikes, also those that are not shown */

    json_open_key(json, "rows", '[');
    for (size_t i = 0; i < selection->end; i++) {
        double call = COLUMN(chain->call_model, gex, n, i);
        double put = COLUMN(chain->put_model, gex, n, i);
        bool known = isfinite(call) || isfinite(put);
        double net = known ? (isfinite(call) ? call : 0) + (isfinite(put) ? put : 0) : NAN;

        cumulative += known ? net : 0;
        if (i < selection->first || !selection_has(selection, chain->raw->strike[i]))
            continue;
        json_open(json, '{');
        json_field(json, "strike", chain->raw->strike[i]);
        json_field(json, "call_gex", call);
        json_field(json, "put_gex", put);
        json_field(json, "net_gex", net);
        json_field(json, "cum_gex", known ? cumulative : NAN);
        json_close(json, '}');
        view->count++;
    }
    json_close(json, ']');
}

static const char *
sign_name(const Hde__GammaExposure *gex)
{
    static const char *const names[] = {NULL, "naive", "inverse", "all_short",
                                        "participant_weighted"};

    return gex && gex->has_sign && (unsigned)gex->sign < 5 ? names[gex->sign] : NULL;
}

/* GET /v1/analytics/gex/{symbol}: currency units per 1 % move of the underlying. */
bool
analytics_gex(struct view *view, const struct chain_view *chain)
{
    const Hde__GammaExposure *gex = gex_of(chain);
    struct json *json = &view->json;
    struct selection selection;

    if (!select_strikes(&selection, view, chain))
        return false;
    if (!gex) {
        static const char *const fields[] = {"net_gex",   "call_gex", "put_gex", "gamma_flip",
                                             "call_wall", "put_wall", "sign"};

        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            view_missing(view, fields[i]);
    }
    if ((!chain->call_model || !chain->call_model->n_gex) &&
        (!chain->put_model || !chain->put_model->n_gex))
        view_missing(view, "rows.call_gex"), view_missing(view, "rows.put_gex"),
            view_missing(view, "rows.net_gex"), view_missing(view, "rows.cum_gex");
    json_open(json, '{');
    json_field_text(json, "expiry", chain->expiry);
    json_field_text(json, "unit", "per_pct");
    json_field_text(json, "sign", sign_name(gex));
    json_field(json, "spot", FIELD(chain->raw, spot));
    json_field(json, "net_gex", FIELD(gex, net));
    json_field(json, "call_gex", FIELD(gex, call));
    json_field(json, "put_gex", FIELD(gex, put));
    json_field(json, "gamma_flip", FIELD(gex, flip));
    json_field(json, "call_wall", FIELD(gex, call_wall));
    json_field(json, "put_wall", FIELD(gex, put_wall));
    put_gex_rows(view, chain, &selection);
    json_close(json, '}');
    return true;
}

/* ---- Max pain ----------------------------------------------------------------------------- */

/* GET /v1/analytics/max-pain/{symbol} */
bool
analytics_max_pain(struct view *view, const struct chain_view *chain)
{
    const Hde__MaxPain *pain = chain->metrics ? chain->metrics->max_pain : NULL;
    struct json *json = &view->json;
    size_t n = chain->n_strikes;
    struct selection selection;

    if (!select_strikes(&selection, view, chain))
        return false;
    if (!pain) {
        view_missing(view, "max_pain_strike");
        view_missing(view, "writer_loss");
        view_missing(view, "distance_pct");
    }
    if (!pain || pain->n_call_pain != n) {
        view_missing(view, "pain.call_pain");
        view_missing(view, "pain.put_pain");
        view_missing(view, "pain.total");
    }
    json_open(json, '{');
    json_field_text(json, "expiry", chain->expiry);
    json_field(json, "spot", FIELD(chain->raw, spot));
    json_field(json, "max_pain_strike", FIELD(pain, strike));
    json_field(json, "writer_loss", FIELD(pain, writer_loss));
    json_field(json, "distance_pct", FIELD(pain, distance_pct));
    json_open_key(json, "pain", '[');
    for (size_t i = selection.first; i < selection.end; i++) {
        double call = COLUMN(pain, call_pain, n, i), put = COLUMN(pain, put_pain, n, i);

        if (!selection_has(&selection, chain->raw->strike[i]))
            continue;
        json_open(json, '{');
        json_field(json, "strike", chain->raw->strike[i]);
        json_field(json, "call_pain", call);
        json_field(json, "put_pain", put);
        json_field(json, "total", call + put);
        json_close(json, '}');
        view->count++;
    }
    json_close(json, ']');
    json_close(json, '}');
    return true;
}
