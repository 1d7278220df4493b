/* SPDX-License-Identifier: Apache-2.0
 * market - chains and results as rows of the market store. */
#include "market.h"

#include <math.h>
#include <stdbool.h>

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
static const struct table_spec specs[MARKET_TABLES] = {
    [MARKET_RAW_LEGS] = {"option_chain_snapshots", {CHAIN_KEYS, "strike", "type"}, raw_legs},
    [MARKET_LEGS] = {"option_chain_snapshots", {CHAIN_KEYS, "strike", "type"}, legs},
    [MARKET_RAW_METRICS] = {"chain_metrics", {CHAIN_KEYS}, raw_metrics},
    [MARKET_METRICS] = {"chain_metrics", {CHAIN_KEYS}, metrics},
    [MARKET_STRIKES] = {"chain_strike_metrics", {CHAIN_KEYS, "strike"}, strikes},
    [MARKET_CUMULATIVE_OI] = {"analytics_cumulative_oi", {CHAIN_KEYS, "strike", "type"},
                              cumulative_oi},
    [MARKET_VELOCITY] = {"analytics_velocity", {CHAIN_KEYS, "strike", "type", "window_s"},
                         velocity},
    [MARKET_BUILDUP] = {"analytics_buildup", {CHAIN_KEYS}, buildup},
    [MARKET_PATTERNS] = {"analytics_buildup_patterns", {CHAIN_KEYS, "type", "side"}, patterns},
    [MARKET_ZONES] = {"analytics_zones", {CHAIN_KEYS, "id"}, zones},
    [MARKET_ZONE_EVENTS] = {"analytics_zone_events", {CHAIN_KEYS, "id", "type"}, zone_events},
};

/* A value that a chain does not give leaves what is there. */
const char market_upsert_chain[] =
    "INSERT INTO chains (feed, expiry, venue, underlying, source, expiry_ns, lot_size, oi_unit, "
    "volume_unit, first_ns, last_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
    "ON CONFLICT (feed, expiry) DO UPDATE SET "
    "venue = coalesce(excluded.venue, chains.venue), "
    "underlying = coalesce(excluded.underlying, chains.underlying), "
    "source = coalesce(excluded.source, chains.source), "
    "expiry_ns = coalesce(excluded.expiry_ns, chains.expiry_ns), "
    "lot_size = coalesce(excluded.lot_size, chains.lot_size), "
    "oi_unit = coalesce(excluded.oi_unit, chains.oi_unit), "
    "volume_unit = coalesce(excluded.volume_unit, chains.volume_unit), "
    "first_ns = CASE WHEN excluded.first_ns < chains.first_ns THEN excluded.first_ns "
    "ELSE chains.first_ns END, "
    "last_ns = CASE WHEN excluded.last_ns > chains.last_ns THEN excluded.last_ns "
    "ELSE chains.last_ns END";

void
market_open(struct market *market)
{
    for (int i = 0; i < MARKET_TABLES; i++)
        table_open(&market->table[i], &specs[i]);
}

void
market_close(struct market *market)
{
    for (int i = 0; i < MARKET_TABLES; i++)
        table_close(&market->table[i]);
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static const struct value unknown = {VALUE_NULL};

/* One message being written. */
struct writing {
    struct market *market;
    const struct market_writer *writer;
    struct market_key key;
};

static void
begin(const struct writing *writing, struct row *row, int which,
      const ProtobufCMessage *const *parts, size_t n)
{
    row_begin(row, &writing->market->table[which], parts, n);
    row->value[0] = value_text(writing->key.feed);
    row->value[1] = value_text(writing->key.expiry);
    row->value[2] = value_integer(writing->key.event_ns);
}

static bool
put(const struct writing *writing, int which, const struct row *row)
{
    return writing->writer->row(writing->writer->to, which, &writing->key, row->value);
}

/* A row of a table without series; keys are those beyond the chain's, if there are any. */
static bool
write_row(const struct writing *writing, int which, const ProtobufCMessage *const *parts,
          const struct value *keys)
{
    struct row row;

    begin(writing, &row, which, parts, 0);
    for (unsigned i = 3; i < writing->market->table[which].n_keys; i++)
        row.value[i] = keys[i - 3];
    return put(writing, which, &row);
}

/* One row a strike and side. The parts of a side are part 0 (of the chain, or NULL) and what
 * differs by side; last_key is of tables that have a sixth key. */
static bool
write_legs(const struct writing *writing, int which, const double *strike, size_t n,
           const ProtobufCMessage *const sides[2][2], struct value last_key)
{
    struct row row[2];

    for (int s = 0; s < 2; s++) {
        begin(writing, &row[s], which, sides[s], n);
        row[s].value[4] = value_text(s ? "PE" : "CE");
        if (writing->market->table[which].n_keys > 5)
            row[s].value[5] = last_key;
    }
    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < 2; s++) {
            if (!row_fill(&row[s], i))
                continue;
            row[s].value[3] = value_real(strike[i]);
            if (!put(writing, which, &row[s]))
                return false;
        }
    return true;
}

static bool
write_strikes(const struct writing *writing, const double *strike, size_t n,
              const ProtobufCMessage *const *parts)
{
    struct row row;

    begin(writing, &row, MARKET_STRIKES, parts, n);
    for (size_t i = 0; i < n; i++) {
        if (!row_fill(&row, i))
            continue;
        row.value[3] = value_real(strike[i]);
        if (!put(writing, MARKET_STRIKES, &row))
            return false;
    }
    return true;
}

static bool
write_chain(const struct writing *writing, const Hde__RawChain *raw)
{
    const struct value values[MARKET_CHAIN_VALUES] = {
        value_text(writing->key.feed),
        value_text(writing->key.expiry),
        value_text(raw->venue),
        value_text(raw->underlying),
        value_text(raw->source),
        raw->has_expiry_ns ? value_integer(raw->expiry_ns) : unknown,
        raw->has_lot_size ? value_real(raw->lot_size) : unknown,
        value_text(enum_text(&hde__quantity_unit__descriptor, (int)raw->oi_unit)),
        value_text(enum_text(&hde__quantity_unit__descriptor, (int)raw->volume_unit)),
        value_integer(writing->key.event_ns),
        value_integer(writing->key.event_ns),
    };

    return writing->writer->chain(writing->writer->to, values);
}

static bool
write_raw(const struct writing *writing, const Hde__RawChain *raw)
{
    const ProtobufCMessage *const parts[] = {&raw->base};
    const ProtobufCMessage *const sides[2][2] = {{BASE(raw->calls)}, {BASE(raw->puts)}};

    return write_chain(writing, raw) && write_row(writing, MARKET_RAW_METRICS, parts, NULL) &&
           write_legs(writing, MARKET_RAW_LEGS, raw->strike, raw->n_strike, sides, unknown);
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

    if (!write_row(writing, MARKET_METRICS, parts, NULL))
        return false;
    return !raw || (write_chain(writing, raw) &&
                    write_legs(writing, MARKET_LEGS, raw->strike, raw->n_strike, sides, unknown) &&
                    write_strikes(writing, raw->strike, raw->n_strike, by_strike));
}

static bool
write_buildup(const struct writing *writing, const Hde__Buildup *result)
{
    const ProtobufCMessage *const parts[] = {&result->base, BASE(result->counts),
                                             BASE(result->call_counts), BASE(result->put_counts)};

    if (!write_row(writing, MARKET_BUILDUP, parts, NULL))
        return false;
    for (size_t i = 0; i < result->n_patterns; i++) {
        const Hde__BuildupPattern *pattern = result->patterns[i];
        const ProtobufCMessage *const part[] = {&pattern->base};
        const struct value keys[] = {
            value_text(enum_text(&hde__buildup_type__descriptor, (int)pattern->type)),
            value_text(enum_text(&hde__option_type__descriptor, (int)pattern->side)),
        };

        if (!write_row(writing, MARKET_PATTERNS, part, keys))
            return false;
    }
    return true;
}

static bool
write_zones(const struct writing *writing, const Hde__Zones *result)
{
    for (size_t i = 0; i < result->n_zones; i++) {
        const ProtobufCMessage *const part[] = {&result->zones[i]->base};
        const struct value key = value_integer((int64_t)result->zones[i]->id);

        if (!write_row(writing, MARKET_ZONES, part, &key))
            return false;
    }
    for (size_t i = 0; i < result->n_events; i++) {
        const Hde__ZoneEvent *event = result->events[i];
        const ProtobufCMessage *const part[] = {&event->base};
        const struct value keys[] = {
            value_integer((int64_t)event->id),
            value_text(enum_text(&hde__zone_event_type__descriptor, (int)event->type)),
        };

        if (!write_row(writing, MARKET_ZONE_EVENTS, part, keys))
            return false;
    }
    return true;
}

/* ---- Messages ------------------------------------------------------------------------------ */

/* Every type with tables has feed, expiry and event_ns under these names. */
bool
market_find_key(const ProtobufCMessage *message, struct market_key *key)
{
    const ProtobufCFieldDescriptor *feed, *expiry, *stamp;
    const char *at = (const char *)message;

    feed = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "feed");
    expiry = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "expiry");
    stamp = protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "event_ns");
    if (!feed || !expiry || !stamp || !*(const protobuf_c_boolean *)(at + stamp->quantifier_offset))
        return false;
    key->feed = *(char *const *)(at + feed->offset);
    key->expiry = *(char *const *)(at + expiry->offset);
    key->event_ns = *(const int64_t *)(at + stamp->offset);
    return key->feed && key->expiry;
}

bool
market_is_chain(const ProtobufCMessage *message)
{
    return message->descriptor == TYPE(raw_chain) || message->descriptor == TYPE(enriched_chain);
}

/* Strict: no overlong forms, surrogates or numbers past U+10FFFF. */
static bool
is_utf8(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        unsigned n = *at < 0x80 ? 0 : *at < 0xc2 ? 9 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
        unsigned least = *at == 0xe0 ? 0xa0 : *at == 0xf0 ? 0x90 : 0x80;
        unsigned most = *at == 0xed ? 0x9f : *at == 0xf4 ? 0x8f : 0xbf;

        if (n == 9 || *at > 0xf4)
            return false;
        if (n && (at[1] < least || at[1] > most))
            return false;
        for (unsigned i = 2; i <= n; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        at += n + 1;
    }
    return true;
}

/* The message's own texts; those of its parts are names of enums or written by operators. */
static bool
has_bad_text(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *text;

        if (field->type != PROTOBUF_C_TYPE_STRING || field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        text = *(char *const *)((const char *)message + field->offset);
        if (text && !is_utf8(text))
            return true;
    }
    return false;
}

/* A strike that is not a number is no key. */
static bool
has_bad_strike(const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "strike");
    const char *at = (const char *)message;
    const double *strike;
    size_t n;

    if (!field || field->label != PROTOBUF_C_LABEL_REPEATED)
        return false;
    n = *(const size_t *)(at + field->quantifier_offset);
    strike = *(double *const *)(at + field->offset);
    for (size_t i = 0; i < n; i++)
        if (isnan(strike[i]))
            return true;
    return false;
}

const char *
market_fault(const ProtobufCMessage *message)
{
    const ProtobufCMessage *raw = NULL;

    if (message->descriptor == TYPE(enriched_chain))
        raw = BASE(((const Hde__EnrichedChain *)message)->raw);
    if (!market_find_key(message, &(struct market_key){0}))
        return "without feed, expiry or stamp";
    if (has_bad_text(message) || (raw && has_bad_text(raw)))
        return "with text that is not UTF-8";
    if (has_bad_strike(message) || (raw && has_bad_strike(raw)))
        return "with a strike that is not a number";
    if (message->descriptor == TYPE(velocity) && !((const Hde__Velocity *)message)->has_window_s)
        return "without its window";
    return NULL;
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
market_write(struct market *market, const ProtobufCMessage *message,
             const struct market_writer *writer)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    struct writing writing = {.market = market, .writer = writer};

    market_find_key(message, &writing.key);
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

        return write_legs(&writing, MARKET_CUMULATIVE_OI, result->strike, result->n_strike, sides,
                          unknown);
    }
    if (type == TYPE(velocity)) {
        const Hde__Velocity *result = (const Hde__Velocity *)message;
        const ProtobufCMessage *const sides[2][2] = {{message, BASE(result->calls)},
                                                     {message, BASE(result->puts)}};

        return write_legs(&writing, MARKET_VELOCITY, result->strike, result->n_strike, sides,
                          value_real(result->window_s));
    }
    return true;
}
