/* SPDX-License-Identifier: Apache-2.0
 * overall - every feed in one table: /v1/public/symbols and /v1/overall. */
#include "router.h"

#include <hde/text.h>
#include <stdlib.h>

/* The page of feeds that was asked for: a cursor's position is an index in the order of names. */
struct feeds {
    struct live_feed *feed;
    size_t first, end;
};

static void
read_feeds(struct view *view, struct feeds *feeds)
{
    size_t limit = view->ask->limit ? view->ask->limit : LIMIT_FEEDS, n;

    feeds->feed = calloc(LIMIT_FEEDS, sizeof *feeds->feed);
    if (!feeds->feed)
        hde_no_memory();
    n = live_feeds(view->query->live, feeds->feed, LIMIT_FEEDS);
    feeds->first = view->ask->resumed ? (size_t)view->ask->after : 0;
    if (feeds->first > n)
        feeds->first = n;
    feeds->end = n - feeds->first > limit ? feeds->first + limit : n;
    view->has_next = feeds->end < n;
    view->next_after = (int64_t)feeds->end;
    view->count = feeds->end - feeds->first;
}

static void
put_symbol(struct view *view, const struct live_feed *feed, const struct chain_view *chain)
{
    struct json *json = &view->json;
    int id = live_symbol_id(feed->underlying);

    json_open(json, '{');
    json_field(json, "id", id ? (double)id : NAN);
    json_field_text(json, "name", feed->underlying);
    json_field_text(json, "feed", feed->feed);
    json_field_text(json, "exchange", feed->venue[0] ? feed->venue : NULL);
    json_field_null(json, "segment");
    json_field(json, "lot_size", FIELD(chain->raw, lot_size));
    json_field_null(json, "tick_size");
    json_field_bool(json, "has_options", true, chain->n_strikes > 0);
    json_open_key(json, "expiries", '[');
    for (size_t i = 0; i < feed->n_expiries; i++)
        json_text(json, feed->expiry[i]);
    json_close(json, ']');
    json_close(json, '}');
}

static void
put_overall(struct view *view, const struct live_feed *feed, const struct chain_view *chain)
{
    const Hde__ChainMetrics *metrics = chain->metrics;
    const Hde__RawChain *raw = chain->raw;
    struct json *json = &view->json;
    double age_ms = NAN;

    if (raw && raw->has_event_ns) {
        int64_t received = raw->has_receive_ns ? raw->receive_ns : raw->event_ns;

        age_ms = (double)((view->now_ns - received) / 1000000);
    }
    json_open(json, '{');
    json_field_text(json, "symbol", feed->underlying);
    json_field_text(json, "feed", feed->feed);
    json_field_text(json, "expiry", chain->expiry);
    json_field_time(json, "as_of", raw && raw->has_event_ns, raw ? raw->event_ns : 0);
    json_field(json, "spot", FIELD(raw, spot));
    json_field_null(json, "change_pct");
    json_field(json, "pcr_oi", metrics ? FIELD(metrics->pcr, oi) : NAN);
    json_field_null(json, "mood_score");
    json_field(json, "max_pain", metrics ? FIELD(metrics->max_pain, strike) : NAN);
    json_field(json, "atm_iv", metrics ? FIELD(metrics->skew, atm_iv) : NAN);
    json_field_null(json, "iv_rank");
    json_field(json, "net_gex", metrics ? FIELD(metrics->gex, net) : NAN);
    json_field(json, "basis_pct", metrics ? FIELD(metrics->basis, basis_pct) : NAN);
    json_field(json, "data_age_ms", age_ms > 0 ? age_ms : isnan(age_ms) ? NAN : 0);
    json_close(json, '}');
}

static void
put_feeds(struct view *view,
          void (*put)(struct view *, const struct live_feed *, const struct chain_view *))
{
    struct feeds feeds;

    read_feeds(view, &feeds);
    json_open(&view->json, '[');
    for (size_t i = feeds.first; i < feeds.end; i++) {
        const struct live_feed *feed = &feeds.feed[i];
        struct snapshot snapshot;
        struct chain_view chain;

        if (!live_get(view->query->live, feed->feed, feed->expiry[feed->nearest], &snapshot))
            continue;
        chain_view_init(&chain, &snapshot);
        view_note_time(view, chain.raw);
        put(view, feed, &chain);
        snapshot_drop(&snapshot);
    }
    json_close(&view->json, ']');
    free(feeds.feed);
}

/* GET /v1/public/symbols */
bool
public_symbols(struct view *view, const struct chain_view *chain)
{
    put_feeds(view, put_symbol);
    view_missing(view, "segment");
    view_missing(view, "tick_size");
    return true;
}

/* GET /v1/overall: the nearest expiry of every feed. */
bool
overall(struct view *view, const struct chain_view *chain)
{
    put_feeds(view, put_overall);
    view_missing(view, "change_pct");
    view_missing(view, "mood_score");
    view_missing(view, "iv_rank");
    return true;
}
