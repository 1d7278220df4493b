/* SPDX-License-Identifier: Apache-2.0
 * sr - /v1/sr: support and resistance zones. */
#include "router.h"

static const char *
kind_name(const Hde__Zone *zone)
{
    return zone->kind == HDE__ZONE_KIND__ZONE_KIND_SUPPORT      ? "SUPPORT"
           : zone->kind == HDE__ZONE_KIND__ZONE_KIND_RESISTANCE ? "RESISTANCE"
                                                                : NULL;
}

static const char *
source_name(const Hde__Zone *zone)
{
    static const char *const names[] = {NULL, "OI", "GEX", "PIVOT", "VOLUME"};

    return zone->has_source && (unsigned)zone->source < 5 ? names[zone->source] : NULL;
}

static void
put_zone(struct json *json, const char *expiry, const Hde__Zone *zone)
{
    json_open(json, '{');
    json_field_text(json, "expiry", expiry);
    json_field_text(json, "kind", kind_name(zone));
    json_field(json, "rank", FIELD(zone, rank));
    json_field(json, "price", FIELD(zone, price));
    json_field(json, "zone_lower", FIELD(zone, lower));
    json_field(json, "zone_upper", FIELD(zone, upper));
    json_field(json, "strength", FIELD(zone, strength));
    json_field(json, "confidence", FIELD(zone, confidence_pct));
    json_field_text(json, "source", source_name(zone));
    json_field(json, "total_oi", FIELD(zone, total_oi));
    json_field(json, "call_oi", FIELD(zone, call_oi));
    json_field(json, "put_oi", FIELD(zone, put_oi));
    json_field(json, "oi_buildup_pct", FIELD(zone, oi_buildup_pct));
    json_field(json, "zone_age_minutes", FIELD(zone, age_minutes));
    json_field(json, "tests", FIELD(zone, tests));
    json_field_bool(json, "is_active", zone->has_is_active, zone->is_active);
    json_field_bool(json, "is_breached", zone->has_is_breached, zone->is_breached);
    json_field_time(json, "breached_at", zone->has_breached_ns, zone->breached_ns);
    json_field_time(json, "since", zone->has_since_ns, zone->since_ns);
    json_close(json, '}');
}

/* GET /v1/sr/{symbol}: rows of one expiry. */
bool
sr_zones(struct view *view, const struct chain_view *chain)
{
    if (!chain->zones) {
        view_missing(view, "zones");
        return true;
    }
    for (size_t i = 0; i < chain->zones->n_zones; i++)
        put_zone(&view->json, chain->expiry, chain->zones->zones[i]);
    view->count += chain->zones->n_zones;
    return true;
}
