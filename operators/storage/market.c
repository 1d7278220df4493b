/* SPDX-License-Identifier: Apache-2.0
 * market - chains and results as rows of the market store. */
#include "market.h"

#include <stdlib.h>
#include <string.h>

#define TYPE(name) (&hde__##name##__descriptor)
#define BASE(message) ((message) ? &(message)->base : NULL)

/* ---- Tables -------------------------------------------------------------------------------- */

/* A raw chain that comes beside the enriched one must not clear what is ours. */
static const struct column_source raw_legs[] = {{0, COLUMN_SERIES, NULL, TYPE(quotes), 0, 0}, {0}};
static const struct column_source legs[] = {
    {0, COLUMN_SERIES, NULL, TYPE(quotes), 0, 0},
    {1, COLUMN_SERIES, NULL, TYPE(model_columns), 0, 0},
    {0},
};
static const struct column_source raw_metrics[] = {
    {0, COLUMN_SCALAR, NULL, TYPE(raw_chain), 0, "venue underlying source"},
    {0, COLUMN_LIST, NULL, TYPE(raw_chain), "flags", 0},
    {0},
};
enum { M_RAW, M_FORWARD, M_PCR, M_PAIN, M_BASIS, M_VIX, M_SKEW, M_GEX, M_REVERSAL };
static const struct column_source metrics[] = {
    {M_RAW, COLUMN_SCALAR, NULL, TYPE(raw_chain), 0, "venue underlying source"},
    {M_RAW, COLUMN_LIST, NULL, TYPE(raw_chain), "flags", 0},
    {M_FORWARD, COLUMN_SCALAR, "forward", TYPE(forward), 0, 0},
    {M_PCR, COLUMN_SCALAR, "pcr", TYPE(pcr), 0, 0},
    {M_PAIN, COLUMN_SCALAR, "max_pain", TYPE(max_pain), 0, 0},
    {M_BASIS, COLUMN_SCALAR, "basis", TYPE(futures_basis), 0, 0},
    {M_VIX, COLUMN_SCALAR, "vix", TYPE(vix_divergence), 0, 0},
    {M_SKEW, COLUMN_SCALAR, "skew", TYPE(skew), 0, 0},
    {M_SKEW, COLUMN_LIST, "skew", TYPE(skew), "fit", 0},
    {M_GEX, COLUMN_SCALAR, "gex", TYPE(gamma_exposure), 0, 0},
    {M_REVERSAL, COLUMN_SCALAR, "reversal", TYPE(reversal), 0, 0},
    {M_REVERSAL, COLUMN_LIST, "reversal", TYPE(reversal), "level", 0},
    {0},
};
enum { S_PAIN, S_SKEW, S_REVERSAL, S_LEGACY };
static const struct column_source strikes[] = {
    {S_PAIN, COLUMN_SERIES, "max_pain", TYPE(max_pain), 0, 0},
    {S_SKEW, COLUMN_SERIES, "skew", TYPE(skew), "smile_iv", 0},
    {S_REVERSAL, COLUMN_SERIES, "reversal", TYPE(reversal), 0, "level"},
    {S_LEGACY, COLUMN_SERIES, "reversal_legacy", TYPE(reversal), 0, "level"},
    {0},
};
static const struct column_source cumulative_oi[] = {
    {0, COLUMN_SCALAR, NULL, TYPE(cumulative_oi), 0, 0},
    {1, COLUMN_SERIES, NULL, TYPE(cumulative_oi_side), 0, 0},
    {0},
};
static const struct column_source velocity[] = {
    {0, COLUMN_SCALAR, NULL, TYPE(velocity), 0, 0},
    {1, COLUMN_SERIES, NULL, TYPE(velocity_side), 0, 0},
    {0},
};
static const struct column_source buildup[] = {
    {0, COLUMN_SCALAR, NULL, TYPE(buildup), 0, 0},
    {1, COLUMN_SCALAR, "counts", TYPE(buildup_counts), 0, 0},
    {2, COLUMN_SCALAR, "call_counts", TYPE(buildup_counts), 0, 0},
    {3, COLUMN_SCALAR, "put_counts", TYPE(buildup_counts), 0, 0},
    {0},
};
static const struct column_source patterns[] = {
    {0, COLUMN_SCALAR, NULL, TYPE(buildup_pattern), 0, 0},
    {0, COLUMN_LIST, NULL, TYPE(buildup_pattern), "strikes", 0},
    {0},
};
static const struct column_source zones[] = {{0, COLUMN_SCALAR, NULL, TYPE(zone), 0, 0}, {0}};
static const struct column_source zone_events[] = {
    {0, COLUMN_SCALAR, NULL, TYPE(zone_event), 0, 0},
    {0},
};

#define CHAIN_KEYS "feed", "expiry", "event_ns"
enum {
    RAW_LEGS,
    LEGS,
    RAW_METRICS,
    METRICS,
    STRIKES,
    CUMULATIVE_OI,
    VELOCITY,
    BUILDUP,
    PATTERNS,
    ZONES,
    ZONE_EVENTS,
    TABLES
};
static const struct table_spec specs[TABLES] = {
    [RAW_LEGS] = {"option_chain_snapshots", {CHAIN_KEYS, "strike", "type"}, raw_legs},
    [LEGS] = {"option_chain_snapshots", {CHAIN_KEYS, "strike", "type"}, legs},
    [RAW_METRICS] = {"chain_metrics", {CHAIN_KEYS}, raw_metrics},
    [METRICS] = {"chain_metrics", {CHAIN_KEYS}, metrics},
    [STRIKES] = {"chain_strike_metrics", {CHAIN_KEYS, "strike"}, strikes},
    [CUMULATIVE_OI] = {"analytics_cumulative_oi", {CHAIN_KEYS, "strike", "type"}, cumulative_oi},
    [VELOCITY] = {"analytics_velocity", {CHAIN_KEYS, "strike", "type", "window_s"}, velocity},
    [BUILDUP] = {"analytics_buildup", {CHAIN_KEYS}, buildup},
    [PATTERNS] = {"analytics_buildup_patterns", {CHAIN_KEYS, "type", "side"}, patterns},
    [ZONES] = {"analytics_zones", {CHAIN_KEYS, "id"}, zones},
    [ZONE_EVENTS] = {"analytics_zone_events", {CHAIN_KEYS, "id", "type"}, zone_events},
};

static const char upsert_chain[] =
    "INSERT INTO chains (feed, expiry, venue, underlying, source, expiry_ns, lot_size, oi_unit, "
    "volume_unit, first_ns, last_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10) "
    "ON CONFLICT (feed, expiry) DO UPDATE SET venue = coalesce(excluded.venue, venue), "
    "underlying = coalesce(excluded.underlying, underlying), "
    "source = coalesce(excluded.source, source), "
    "expiry_ns = coalesce(excluded.expiry_ns, expiry_ns), "
    "lot_size = coalesce(excluded.lot_size, lot_size), "
    "oi_unit = coalesce(excluded.oi_unit, oi_unit), "
    "volume_unit = coalesce(excluded.volume_unit, volume_unit), "
    "first_ns = min(first_ns, excluded.first_ns), last_ns = max(last_ns, excluded.last_ns)";

struct market {
    struct sqlite *db;
    struct table table[TABLES];
    sqlite3_stmt *chain;
};

struct market *
market_open(struct sqlite *db, struct sqlite_error *error)
{
    struct market *market = calloc(1, sizeof *market);

    if (!market) {
        *error = (struct sqlite_error){SQLITE_TROUBLE_OTHER, "out of memory"};
        return NULL;
    }
    market->db = db;
    market->chain = sqlite_prepare(db, upsert_chain, error);
    for (int i = 0; market->chain && i < TABLES; i++)
        if (!table_open(&market->table[i], &specs[i], db, error))
            return free(market), NULL;
    if (!market->chain)
        return free(market), NULL;
    return market;
}

void
market_close(struct market *market)
{
    free(market); /* statements go with their connection */
}

/* ---- Rows ---------------------------------------------------------------------------------- */

/* One message being written. */
struct writing {
    struct market *market;
    const char *feed, *expiry;
    int64_t event_ns;
    uint64_t *rows;
    struct sqlite_error *error;
};

static bool
run(const struct writing *writing, const struct table *table)
{
    sqlite_bind_text(table->upsert, 1, writing->feed);
    sqlite_bind_text(table->upsert, 2, writing->expiry);
    sqlite_bind_integer(table->upsert, 3, writing->event_ns);
    ++*writing->rows;
    return sqlite_run(writing->market->db, table->upsert, writing->error);
}

static bool
write_row(const struct writing *writing, int which, const ProtobufCMessage *const *parts)
{
    const struct table *table = &writing->market->table[which];

    table_bind(table, parts, 0, 0);
    return run(writing, table);
}

/* One row a strike and side. The parts of a side are part 0 (of the chain, or NULL) and what
 * differs by side. */
static bool
write_legs(const struct writing *writing, int which, const double *strike, size_t n,
           const ProtobufCMessage *const sides[2][2])
{
    const struct table *table = &writing->market->table[which];

    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < 2; s++) {
            if (!table_bind(table, sides[s], i, n))
                continue;
            sqlite_bind_real(table->upsert, 4, strike[i]);
            sqlite_bind_text(table->upsert, 5, s ? "PE" : "CE");
            if (!run(writing, table))
                return false;
        }
    return true;
}

static bool
write_strikes(const struct writing *writing, const double *strike, size_t n,
              const ProtobufCMessage *const *parts)
{
    const struct table *table = &writing->market->table[STRIKES];

    for (size_t i = 0; i < n; i++) {
        if (!table_bind(table, parts, i, n))
            continue;
        sqlite_bind_real(table->upsert, 4, strike[i]);
        if (!run(writing, table))
            return false;
    }
    return true;
}

static bool
write_chain(const struct writing *writing, const Hde__RawChain *raw)
{
    sqlite3_stmt *stmt = writing->market->chain;

    sqlite_bind_text(stmt, 1, writing->feed);
    sqlite_bind_text(stmt, 2, writing->expiry);
    sqlite_bind_text(stmt, 3, raw->venue);
    sqlite_bind_text(stmt, 4, raw->underlying);
    sqlite_bind_text(stmt, 5, raw->source);
    sqlite_bind_null(stmt, 6);
    if (raw->has_expiry_ns)
        sqlite_bind_integer(stmt, 6, raw->expiry_ns);
    sqlite_bind_null(stmt, 7);
    if (raw->has_lot_size)
        sqlite_bind_real(stmt, 7, raw->lot_size);
    sqlite_bind_text(stmt, 8, enum_text(&hde__quantity_unit__descriptor, (int)raw->oi_unit));
    sqlite_bind_text(stmt, 9, enum_text(&hde__quantity_unit__descriptor, (int)raw->volume_unit));
    sqlite_bind_integer(stmt, 10, writing->event_ns);
    ++*writing->rows;
    return sqlite_run(writing->market->db, stmt, writing->error);
}

static bool
write_raw(const struct writing *writing, const Hde__RawChain *raw)
{
    const ProtobufCMessage *const parts[] = {&raw->base};
    const ProtobufCMessage *const sides[2][2] = {{BASE(raw->calls)}, {BASE(raw->puts)}};

    return write_chain(writing, raw) && write_row(writing, RAW_METRICS, parts) &&
           write_legs(writing, RAW_LEGS, raw->strike, raw->n_strike, sides);
}

static bool
write_enriched(const struct writing *writing, const Hde__EnrichedChain *chain)
{
    static const Hde__ChainMetrics none = HDE__CHAIN_METRICS__INIT;
    const Hde__ChainMetrics *m = chain->metrics ? chain->metrics : &none;
    const Hde__RawChain *raw = chain->raw;
    const ProtobufCMessage *const parts[] = {
        [M_RAW] = BASE(raw),
        [M_FORWARD] = BASE(chain->forward),
        [M_PCR] = BASE(m->pcr),
        [M_PAIN] = BASE(m->max_pain),
        [M_BASIS] = BASE(m->basis),
        [M_VIX] = BASE(m->vix),
        [M_SKEW] = BASE(m->skew),
        [M_GEX] = BASE(m->gex),
        [M_REVERSAL] = BASE(m->reversal),
    };
    const ProtobufCMessage *const by_strike[] = {
        [S_PAIN] = BASE(m->max_pain),
        [S_SKEW] = BASE(m->skew),
        [S_REVERSAL] = BASE(m->reversal),
        [S_LEGACY] = BASE(m->reversal_legacy),
    };
    const ProtobufCMessage *const sides[2][2] = {
        {raw ? BASE(raw->calls) : NULL, BASE(chain->calls)},
        {raw ? BASE(raw->puts) : NULL, BASE(chain->puts)},
    };

    if (!write_row(writing, METRICS, parts))
        return false;
    return !raw || (write_chain(writing, raw) &&
                    write_legs(writing, LEGS, raw->strike, raw->n_strike, sides) &&
                    write_strikes(writing, raw->strike, raw->n_strike, by_strike));
}

static bool
write_buildup(const struct writing *writing, const Hde__Buildup *result)
{
    const ProtobufCMessage *const parts[] = {&result->base, BASE(result->counts),
                                             BASE(result->call_counts), BASE(result->put_counts)};
    const struct table *table = &writing->market->table[PATTERNS];

    if (!write_row(writing, BUILDUP, parts))
        return false;
    for (size_t i = 0; i < result->n_patterns; i++) {
        const Hde__BuildupPattern *pattern = result->patterns[i];
        const ProtobufCMessage *const row[] = {&pattern->base};

        table_bind(table, row, 0, 0);
        sqlite_bind_text(table->upsert, 4,
                         enum_text(&hde__buildup_type__descriptor, (int)pattern->type));
        sqlite_bind_text(table->upsert, 5,
                         enum_text(&hde__option_type__descriptor, (int)pattern->side));
        if (!run(writing, table))
            return false;
    }
    return true;
}

static bool
write_zones(const struct writing *writing, const Hde__Zones *result)
{
    const struct table *table = &writing->market->table[ZONES];
    const struct table *events = &writing->market->table[ZONE_EVENTS];

    for (size_t i = 0; i < result->n_zones; i++) {
        const ProtobufCMessage *const row[] = {&result->zones[i]->base};

        table_bind(table, row, 0, 0);
        sqlite_bind_integer(table->upsert, 4, (int64_t)result->zones[i]->id);
        if (!run(writing, table))
            return false;
    }
    for (size_t i = 0; i < result->n_events; i++) {
        const Hde__ZoneEvent *event = result->events[i];
        const ProtobufCMessage *const row[] = {&event->base};

        table_bind(events, row, 0, 0);
        sqlite_bind_integer(events->upsert, 4, (int64_t)event->id);
        sqlite_bind_text(events->upsert, 5,
                         enum_text(&hde__zone_event_type__descriptor, (int)event->type));
        if (!run(writing, events))
            return false;
    }
    return true;
}

/* ---- Messages ------------------------------------------------------------------------------ */

/* Every type with tables has feed, expiry and event_ns under these names. */
static bool
find_key(const ProtobufCMessage *message, struct writing *writing)
{
    const ProtobufCFieldDescriptor *feed, *expiry, *stamp;
    const char *at = (const char *)message;

    feed = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "feed");
    expiry = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "expiry");
    stamp = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "event_ns");
    if (!feed || !expiry || !stamp || !*(const protobuf_c_boolean *)(at + stamp->quantifier_offset))
        return false;
    writing->feed = *(char *const *)(at + feed->offset);
    writing->expiry = *(char *const *)(at + expiry->offset);
    writing->event_ns = *(const int64_t *)(at + stamp->offset);
    return writing->feed && writing->expiry;
}

bool
market_has_key(const ProtobufCMessage *message)
{
    return find_key(message, &(struct writing){0});
}

size_t
market_rows(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;

    if (type == TYPE(enriched_chain))
        message = BASE(((const Hde__EnrichedChain *)message)->raw);
    if (type == TYPE(raw_chain) || type == TYPE(enriched_chain))
        return 2 + (message ? 2 * ((const Hde__RawChain *)message)->n_strike : 0);
    if (type == TYPE(cumulative_oi))
        return 2 * ((const Hde__CumulativeOi *)message)->n_strike;
    if (type == TYPE(velocity))
        return 2 * ((const Hde__Velocity *)message)->n_strike;
    return 8;
}

bool
market_write(struct market *market, const ProtobufCMessage *message, uint64_t *rows,
             struct sqlite_error *error)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    struct writing writing = {.market = market, .rows = rows, .error = error};

    find_key(message, &writing);
    if (type == TYPE(enriched_chain))
        return write_enriched(&writing, (const Hde__EnrichedChain *)message);
    if (type == TYPE(raw_chain))
        return write_raw(&writing, (const Hde__RawChain *)message);
    if (type == TYPE(buildup))
        return write_buildup(&writing, (const Hde__Buildup *)message);
    if (type == TYPE(zones))
        return write_zones(&writing, (const Hde__Zones *)message);
    if (type == TYPE(cumulative_oi)) {
        const Hde__CumulativeOi *result = (const Hde__CumulativeOi *)message;
        const ProtobufCMessage *const sides[2][2] = {{message, BASE(result->calls)},
                                                     {message, BASE(result->puts)}};

        return write_legs(&writing, CUMULATIVE_OI, result->strike, result->n_strike, sides);
    }
    if (type == TYPE(velocity)) {
        const Hde__Velocity *result = (const Hde__Velocity *)message;
        const ProtobufCMessage *const sides[2][2] = {{message, BASE(result->calls)},
                                                     {message, BASE(result->puts)}};

        sqlite_bind_real(market->table[VELOCITY].upsert, 6, result->window_s);
        return write_legs(&writing, VELOCITY, result->strike, result->n_strike, sides);
    }
    return true;
}
