/* SPDX-License-Identifier: Apache-2.0
 * charts - /v1/charts: open interest by strike, put/call ratios over time. */
#include "router.h"

#include <stdlib.h>

/* Open interest at a strike, NaN where either is unknown. */
static double
oi_at(const struct chain_view *chain, const Hde__Quotes *quotes, double strike)
{
    size_t n = chain->n_strikes, i;

    if (!isfinite(strike) || n == 0)
        return NAN;
    i = find_strike(chain->raw->strike, n, strike);
    return i < n ? COLUMN(quotes, oi, n, i) : NAN;
}

static void
put_distribution(struct view *view, const struct chain_view *chain,
                 const struct selection *selection)
{
    const Hde__Quotes *calls = chain->raw ? chain->raw->calls : NULL;
    const Hde__Quotes *puts = chain->raw ? chain->raw->puts : NULL;
    struct json *json = &view->json;
    size_t n = chain->n_strikes;

    json_open_key(json, "strike_wise_distribution", '[');
    for (size_t i = selection->first; i < selection->end; i++) {
        if (!selection_has(selection, chain->raw->strike[i]))
            continue;
        json_open(json, '{');
        json_field(json, "strike", chain->raw->strike[i]);
        json_field(json, "call_oi", COLUMN(calls, oi, n, i));
        json_field(json, "put_oi", COLUMN(puts, oi, n, i));
        json_field(json, "call_oi_change", oi_change_at(calls, n, i));
        json_field(json, "put_oi_change", oi_change_at(puts, n, i));
        json_close(json, '}');
        view->count++;
    }
    json_close(json, ']');
}

/* GET /v1/charts/oi/{symbol} */
bool
charts_oi(struct view *view, const struct chain_view *chain)
{
    const Hde__Pcr *pcr = chain->metrics ? chain->metrics->pcr : NULL;
    const Hde__RawChain *raw = chain->raw;
    struct json *json = &view->json;
    double call_strike = FIELD(pcr, max_call_oi_strike), put_strike = FIELD(pcr, max_put_oi_strike);
    struct selection selection;

    if (!select_strikes(&selection, view, chain))
        return false;
    if (!pcr) {
        view_missing(view, "totals");
        view_missing(view, "max_call_oi_strike");
        view_missing(view, "max_call_oi");
        view_missing(view, "max_put_oi_strike");
        view_missing(view, "max_put_oi");
    }
    json_open(json, '{');
    json_field_text(json, "expiry", chain->expiry);
    json_field(json, "spot_price", FIELD(raw, spot));
    json_field(json, "atm_strike", chain_view_atm_strike(chain));
    json_field(json, "lot_size", FIELD(raw, lot_size));
    json_open_key(json, "totals", '{');
    json_field(json, "total_call_oi", FIELD(pcr, call_oi));
    json_field(json, "total_put_oi", FIELD(pcr, put_oi));
    json_field(json, "pcr_oi", FIELD(pcr, oi));
    json_close(json, '}');
    json_field(json, "max_call_oi_strike", call_strike);
    json_field(json, "max_call_oi", oi_at(chain, raw ? raw->calls : NULL, call_strike));
    json_field(json, "max_put_oi_strike", put_strike);
    json_field(json, "max_put_oi", oi_at(chain, raw ? raw->puts : NULL, put_strike));
    put_distribution(view, chain, &selection);
    json_close(json, '}');
    return true;
}

/* ---- Put/call ratios over time ------------------------------------------------------------ */

#define DAY_NS (86400 * (int64_t)1000000000)

/* The first instant of the session that the newest chain belongs to. */
static int64_t
session_open(const struct chain_view *chain, int64_t as_of_ns)
{
    if (chain->raw && chain->raw->has_session_open_ns)
        return chain->raw->session_open_ns;
    return as_of_ns - as_of_ns % DAY_NS;
}

static int64_t
resolve(const struct instant *instant, int64_t as_of_ns, int64_t open_ns, int64_t fallback)
{
    switch (instant->kind) {
    case INSTANT_ABSOLUTE:
        return instant->ns;
    case INSTANT_RELATIVE:
        return as_of_ns + instant->ns;
    case INSTANT_OPEN:
        return open_ns;
    default:
        return fallback;
    }
}

static bool
resolve_range(struct view *view, const struct chain_view *chain, int64_t *from, int64_t *to)
{
    int64_t as_of = view->as_of_ns == INT64_MIN ? 0 : view->as_of_ns;
    int64_t open = session_open(chain, as_of);

    *to = resolve(&view->ask->to, as_of, open, INT64_MAX);
    *from = resolve(&view->ask->from, as_of, open, *to < open ? *to - DAY_NS : open);
    if (*from <= *to)
        return true;
    return problem_fault(view->problem, "invalid_range", &(struct fault){"from"},
                         "from is after to: times back count from the newest data");
}

static void
put_series(struct view *view, const struct pcr_series *series)
{
    struct json *json = &view->json;

    json_open(json, '[');
    for (size_t i = 0; i < series->n; i++) {
        const struct pcr_point *point = &series->point[i];

        json_open(json, '{');
        json_field_time(json, "t", true, point->event_ns);
        json_field(json, "pcr_oi", point->oi);
        json_field(json, "pcr_volume", point->volume);
        json_field(json, "pcr_oi_change", point->oi_change);
        json_field_null(json, "pcr_volume_change");
        json_field(json, "spot_price", point->spot);
        json_close(json, '}');
    }
    json_close(json, ']');
}

/* GET /v1/charts/pcr/{symbol}: by default the session so far, row by row. */
bool
charts_pcr(struct view *view, const struct chain_view *chain)
{
    size_t limit = view->ask->limit ? view->ask->limit : LIMIT_POINTS_DEFAULT;
    int64_t after = view->ask->resumed ? view->ask->after : INT64_MIN;
    struct query_range range = {
        .after_ns = after, .interval = view->ask->interval, .limit = limit};
    struct pcr_series series;
    char error[160];

    if (!resolve_range(view, chain, &range.from_ns, &range.to_ns))
        return false;
    if (!query_pcr(view->query, view->feed.feed, view->snapshot, &range, &series, error,
                   sizeof error))
        return problem_set(view->problem, "history_unavailable", "%s", error);
    put_series(view, &series);
    view->count = series.n;
    view->source = series.from_store ? "history" : "live";
    if (series.has_more && series.n > 0) {
        view->has_next = true;
        view->next_after = series.point[series.n - 1].event_ns;
    }
    view_missing(view, "pcr_volume_change");
    if (!view->query->store)
        view_missing(view, "history");
    if (!chain->metrics || !chain->metrics->pcr) {
        view_missing(view, "pcr_oi");
        view_missing(view, "pcr_volume");
        view_missing(view, "pcr_oi_change");
    }
    free(series.point);
    return true;
}
