/* SPDX-License-Identifier: Apache-2.0
 * routes_test - what every route answers. */
#include "check.h"
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;

static int
open_filled(void **state)
{
    rig_open(&rig, 10 * (int64_t)1000000000, NULL);
    rig_fill(&rig);
    return 0;
}

static int
open_empty(void **state)
{
    rig_open(&rig, 10 * (int64_t)1000000000, NULL);
    return 0;
}

static int
close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

/* ---- Routes ------------------------------------------------------------------------------- */

static void
test_option_chain_has_every_field_with_its_type(void **state)
{
    static const struct member data[] = {
        {"underlying", 'S'}, {"exchange", 'S'}, {"expiry", 'S'},
        {"as_of", 'S'},      {"spot", 'N'},     {"future", 'n'},
        {"forward", 'N'},    {"t_years", 'N'},  {"atm_strike", 'N'},
        {"lot_size", 'N'},   {"oi_unit", 'S'},  {"volume_unit", 's'},
        {"flags", 'a'},      {"rows", 'a'},     {0}};
    static const struct member row[] = {{"strike", 'N'}, {"CE", 'o'}, {"PE", 'o'}, {0}};
    static const struct member leg[] = {{"ltp", 'n'},
                                        {"bid", 'n'},
                                        {"ask", 'n'},
                                        {"bid_qty", 'n'},
                                        {"ask_qty", 'n'},
                                        {"volume", 'n'},
                                        {"oi", 'n'},
                                        {"oi_change", 'n'},
                                        {"prev_oi", 'n'},
                                        {"prev_close", 'n'},
                                        {"iv", 'n'},
                                        {"iv_status", 's'},
                                        {"theo_price", 'n'},
                                        {"mispricing", 'n'},
                                        {"greeks", 'o'},
                                        {"vendor", 'o'},
                                        {"oi_change_open", 'n'},
                                        {"oi_velocity", 'n'},
                                        {"buildup", 's'},
                                        {0}};
    static const struct member greeks[] = {{"delta", 'N'},
                                           {"gamma", 'N'},
                                           {"theta", 'n'},
                                           {"vega", 'n'},
                                           {"rho", 'n'},
                                           {"vanna", 'n'},
                                           {"vomma", 'n'},
                                           {"charm", 'n'},
                                           {"speed", 'n'},
                                           {"zomma", 'n'},
                                           {"color", 'n'},
                                           {"ultima", 'n'},
                                           {0}};
    struct answer answer = rig_data(&rig, "/v1/option-chain/NIFTY");

    check_members("data", answer_at(&answer, "data"), data);
    check_members("row", answer_at(&answer, "data.rows.0"), row);
    check_members("CE", answer_at(&answer, "data.rows.0.CE"), leg);
    check_members("PE", answer_at(&answer, "data.rows.40.PE"), leg);
    check_members("greeks", answer_at(&answer, "data.rows.7.CE.greeks"), greeks);
    assert_int_equal(json_array_size(answer_at(&answer, "data.rows")), CHAIN_STRIKES);
    assert_float_equal(number_at(&answer, "meta.count"), CHAIN_STRIKES, 0);
    assert_string_equal(text_at(&answer, "meta.as_of"), "2026-08-19T04:15:00Z");
    assert_string_equal(text_at(&answer, "meta.symbol"), "NIFTY");
    assert_string_equal(text_at(&answer, "meta.feed"), RIG_FEED);
    assert_string_equal(text_at(&answer, "meta.expiry"), RIG_NEAR);
    assert_string_equal(text_at(&answer, "meta.source"), "live");
    assert_float_equal(number_at(&answer, "data.atm_strike"), 25000, 0);
    assert_float_equal(number_at(&answer, "data.rows.5.CE.oi"), 1005, 0);
    assert_float_equal(number_at(&answer, "data.rows.5.CE.greeks.delta"), 0.5, 0);
    assert_float_equal(number_at(&answer, "data.rows.5.CE.oi_change_open"), 7, 0);
    assert_float_equal(number_at(&answer, "data.rows.5.CE.oi_velocity"), 3, 0);
    assert_string_equal(text_at(&answer, "data.rows.5.CE.buildup"), "SHORT_BUILDUP");
    assert_string_equal(text_at(&answer, "data.rows.5.CE.iv_status"), "OK");
    answer_free(&answer);
}

static void
test_unknown_values_are_null_and_never_zero(void **state)
{
    struct answer answer = rig_data(&rig, "/v1/option-chain/NIFTY");

    assert_null_at(&answer, "data.rows.3.PE.ltp");
    assert_null_at(&answer, "data.rows.3.PE.oi");
    assert_null_at(&answer, "data.rows.5.CE.bid_qty");  /* an empty column */
    assert_null_at(&answer, "data.rows.40.CE.buildup"); /* not among the result's strikes */
    assert_null_at(&answer, "data.future");
    assert_null_at(&answer, "data.volume_unit");
    assert_float_equal(number_at(&answer, "data.rows.10.CE.oi_change"), 0, 0);   /* a real zero */
    assert_float_equal(number_at(&answer, "data.rows.10.PE.oi_change"), 110, 0); /* oi - prev_oi */
    assert_null_at(&answer, "data.rows.3.PE.oi_change");
    answer_free(&answer);
}

static void
test_a_raw_chain_alone_names_what_is_missing(void **state)
{
    struct answer answer = rig_data(&rig, "/v1/option-chain/BANKNIFTY");

    assert_int_equal(json_array_size(answer_at(&answer, "data.rows")), CHAIN_STRIKES);
    assert_null_at(&answer, "data.forward");
    assert_null_at(&answer, "data.rows.0.CE.iv");
    assert_true(is_missing(&answer, "forward"));
    assert_true(is_missing(&answer, "rows.iv"));
    assert_true(is_missing(&answer, "rows.greeks"));
    assert_true(is_missing(&answer, "rows.buildup"));
    answer_free(&answer);
    answer = rig_data(&rig, "/v1/analytics/summary/BANKNIFTY");
    assert_null_at(&answer, "data.pcr_oi");
    assert_null_at(&answer, "data.net_gex");
    assert_true(is_missing(&answer, "pcr_oi"));
    assert_true(is_missing(&answer, "supports"));
    answer_free(&answer);
    answer = rig_data(&rig, "/v1/sr/BANKNIFTY");
    assert_true(is_missing(&answer, "zones"));
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 0);
    answer_free(&answer);
}

static void
test_charts_oi_has_totals_and_one_row_a_strike(void **state)
{
    static const struct member data[] = {{"expiry", 'S'},
                                         {"spot_price", 'N'},
                                         {"atm_strike", 'N'},
                                         {"lot_size", 'N'},
                                         {"totals", 'o'},
                                         {"max_call_oi_strike", 'N'},
                                         {"max_call_oi", 'N'},
                                         {"max_put_oi_strike", 'N'},
                                         {"max_put_oi", 'N'},
                                         {"strike_wise_distribution", 'a'},
                                         {0}};
    static const struct member totals[] = {
        {"total_call_oi", 'N'}, {"total_put_oi", 'N'}, {"pcr_oi", 'N'}, {0}};
    static const struct member row[] = {{"strike", 'N'},        {"call_oi", 'N'},
                                        {"put_oi", 'N'},        {"call_oi_change", 'N'},
                                        {"put_oi_change", 'N'}, {0}};
    struct answer answer = rig_data(&rig, "/v1/charts/oi/NIFTY?expiry=" RIG_FAR);

    check_members("data", answer_at(&answer, "data"), data);
    check_members("totals", answer_at(&answer, "data.totals"), totals);
    check_members("row", answer_at(&answer, "data.strike_wise_distribution.0"), row);
    assert_float_equal(number_at(&answer, "data.max_call_oi"), 1040, 0);
    assert_float_equal(number_at(&answer, "data.totals.pcr_oi"), 1.25, 0);
    assert_string_equal(text_at(&answer, "meta.expiry"), RIG_FAR);
    answer_free(&answer);
}

static void
test_charts_pcr_ends_with_the_live_point(void **state)
{
    static const struct member row[] = {{"t", 'S'},
                                        {"pcr_oi", 'N'},
                                        {"pcr_volume", 'N'},
                                        {"pcr_oi_change", 'n'},
                                        {"pcr_volume_change", 'z'},
                                        {"spot_price", 'N'},
                                        {0}};
    struct answer answer = rig_data(&rig, "/v1/charts/pcr/NIFTY");

    assert_int_equal(json_array_size(answer_at(&answer, "data")), 1);
    check_members("row", answer_at(&answer, "data.0"), row);
    assert_string_equal(text_at(&answer, "data.0.t"), "2026-08-19T04:15:00Z");
    assert_true(is_missing(&answer, "pcr_volume_change"));
    assert_true(is_missing(&answer, "history"));
    answer_free(&answer);
    answer = rig_data(&rig, "/v1/charts/pcr/NIFTY?to=-1m");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 0);
    answer_free(&answer);
}

static void
test_summary_has_the_headline_values(void **state)
{
    static const struct member data[] = {{"expiry", 'S'},
                                         {"spot", 'N'},
                                         {"future", 'N'},
                                         {"basis", 'N'},
                                         {"atm_strike", 'N'},
                                         {"pcr_oi", 'N'},
                                         {"max_pain_strike", 'N'},
                                         {"atm_iv", 'N'},
                                         {"straddle", 'N'},
                                         {"expected_range", 'o'},
                                         {"net_gex", 'N'},
                                         {"gamma_flip", 'N'},
                                         {"mood_score", 'z'},
                                         {"supports", 'a'},
                                         {"resistances", 'a'},
                                         {"alerts", 'z'},
                                         {0}};
    struct answer answer = rig_data(&rig, "/v1/analytics/summary/NIFTY");

    check_members("data", answer_at(&answer, "data"), data);
    assert_float_equal(number_at(&answer, "data.supports.0.price"), 25000, 0); /* rank 1 */
    assert_float_equal(number_at(&answer, "data.supports.1.price"), 24500, 0);
    assert_float_equal(number_at(&answer, "data.resistances.0.price"), 25500, 0);
    assert_float_equal(number_at(&answer, "data.expected_range.lower"), 24800, 0);
    assert_true(is_missing(&answer, "mood_score"));
    assert_true(is_missing(&answer, "alerts"));
    assert_false(is_missing(&answer, "pcr_oi"));
    answer_free(&answer);
}

static void
test_gex_rows_add_up(void **state)
{
    static const struct member data[] = {{"expiry", 'S'},   {"unit", 'S'},       {"sign", 'S'},
                                         {"spot", 'N'},     {"net_gex", 'N'},    {"call_gex", 'N'},
                                         {"put_gex", 'N'},  {"gamma_flip", 'N'}, {"call_wall", 'n'},
                                         {"put_wall", 'n'}, {"rows", 'a'},       {0}};
    static const struct member row[] = {{"strike", 'N'},  {"call_gex", 'N'}, {"put_gex", 'N'},
                                        {"net_gex", 'N'}, {"cum_gex", 'N'},  {0}};
    struct answer answer = rig_data(&rig, "/v1/analytics/gex/NIFTY?strikes=atm%C2%B12");

    check_members("data", answer_at(&answer, "data"), data);
    check_members("row", answer_at(&answer, "data.rows.0"), row);
    assert_string_equal(text_at(&answer, "data.sign"), "naive");
    assert_int_equal(json_array_size(answer_at(&answer, "data.rows")), 5);
    assert_float_equal(number_at(&answer, "data.rows.0.strike"), 24900, 0);
    assert_float_equal(number_at(&answer, "data.rows.0.net_gex"), -1e6, 0);
    assert_float_equal(number_at(&answer, "data.rows.0.cum_gex"), -19e6, 0); /* of all below too */
    answer_free(&answer);
}

static void
test_max_pain_shows_both_sides_of_the_pain(void **state)
{
    static const struct member data[] = {{"expiry", 'S'},
                                         {"spot", 'N'},
                                         {"max_pain_strike", 'N'},
                                         {"writer_loss", 'N'},
                                         {"distance_pct", 'N'},
                                         {"pain", 'a'},
                                         {0}};
    struct answer answer = rig_data(&rig, "/v1/analytics/max-pain/NIFTY?strikes=24500,24550");

    check_members("data", answer_at(&answer, "data"), data);
    assert_int_equal(json_array_size(answer_at(&answer, "data.pain")), 2);
    assert_float_equal(number_at(&answer, "data.pain.0.call_pain"), 100, 0);
    assert_float_equal(number_at(&answer, "data.pain.0.put_pain"), 300, 0);
    assert_float_equal(number_at(&answer, "data.pain.0.total"), 400, 0);
    answer_free(&answer);
}

static void
test_sr_lists_the_zones(void **state)
{
    static const struct member zone[] = {{"expiry", 'S'},         {"kind", 'S'},
                                         {"rank", 'N'},           {"price", 'N'},
                                         {"zone_lower", 'n'},     {"zone_upper", 'n'},
                                         {"strength", 'N'},       {"confidence", 'n'},
                                         {"source", 'S'},         {"total_oi", 'n'},
                                         {"call_oi", 'n'},        {"put_oi", 'n'},
                                         {"oi_buildup_pct", 'n'}, {"zone_age_minutes", 'n'},
                                         {"tests", 'n'},          {"is_active", 'b'},
                                         {"is_breached", 'z'},    {"breached_at", 'z'},
                                         {"since", 'S'},          {0}};
    struct answer answer = rig_data(&rig, "/v1/sr/NIFTY");

    assert_int_equal(json_array_size(answer_at(&answer, "data")), 3);
    check_members("zone", answer_at(&answer, "data.0"), zone);
    assert_string_equal(text_at(&answer, "data.0.kind"), "SUPPORT");
    assert_string_equal(text_at(&answer, "data.2.kind"), "RESISTANCE");
    answer_free(&answer);
}

static void
test_symbols_and_overall_list_every_feed(void **state)
{
    static const struct member symbol[] = {{"id", 'N'},        {"name", 'S'},
                                           {"feed", 'S'},      {"exchange", 'S'},
                                           {"segment", 'z'},   {"lot_size", 'N'},
                                           {"tick_size", 'z'}, {"has_options", 'b'},
                                           {"expiries", 'a'},  {0}};
    static const struct member row[] = {
        {"symbol", 'S'},    {"feed", 'S'},        {"expiry", 'S'},
        {"as_of", 'S'},     {"spot", 'N'},        {"change_pct", 'z'},
        {"pcr_oi", 'n'},    {"mood_score", 'z'},  {"max_pain", 'n'},
        {"atm_iv", 'n'},    {"iv_rank", 'z'},     {"net_gex", 'n'},
        {"basis_pct", 'n'}, {"data_age_ms", 'N'}, {0}};
    struct answer answer = rig_data(&rig, "/v1/public/symbols");

    assert_int_equal(json_array_size(answer_at(&answer, "data")), 2);
    check_members("symbol", answer_at(&answer, "data.1"), symbol);
    assert_string_equal(text_at(&answer, "data.1.name"), "NIFTY");
    assert_float_equal(number_at(&answer, "data.1.id"), 13, 0);
    assert_string_equal(text_at(&answer, "data.1.expiries.1"), RIG_FAR);
    answer_free(&answer);
    answer = rig_data(&rig, "/v1/overall");
    assert_int_equal(json_array_size(answer_at(&answer, "data")), 2);
    check_members("row", answer_at(&answer, "data.0"), row);
    check_members("row", answer_at(&answer, "data.1"), row);
    answer_free(&answer);
}

static void
test_a_table_of_feeds_is_paged_by_its_cursor(void **state)
{
    struct answer first = rig_data(&rig, "/v1/overall?limit=1"), second;
    char path[256];

    assert_string_equal(text_at(&first, "data.0.symbol"), "BANKNIFTY");
    snprintf(path, sizeof path, "%s", text_at(&first, "links.next"));
    second = rig_data(&rig, path);
    assert_string_equal(text_at(&second, "data.0.symbol"), "NIFTY");
    assert_null_at(&second, "links.next");
    answer_free(&first);
    answer_free(&second);
}

static void
test_expiry_all_gives_one_element_an_expiry(void **state)
{
    struct answer answer = rig_data(&rig, "/v1/analytics/summary/NIFTY?expiry=all");

    assert_int_equal(json_array_size(answer_at(&answer, "data")), 2);
    assert_string_equal(text_at(&answer, "data.0.expiry"), RIG_NEAR);
    assert_string_equal(text_at(&answer, "data.1.expiry"), RIG_FAR);
    assert_string_equal(text_at(&answer, "meta.expiry"), "all");
    answer_free(&answer);
}

static void
test_expiry_words_and_symbol_forms_mean_the_same(void **state)
{
    static const struct {
        const char *path, *expiry;
    } cases[] = {
        {"/v1/option-chain/NIFTY?expiry=nearest", RIG_NEAR},
        {"/v1/option-chain/NIFTY?expiry=next", RIG_FAR},
        {"/v1/option-chain/NIFTY?expiry=2026-08-27", RIG_FAR},
        {"/v1/option-chain/nifty", RIG_NEAR},
        {"/v1/option-chain/13", RIG_NEAR},
        {"/v1/option-chain/nse:NIFTY@test", RIG_NEAR},
        {"/v1/option-chain/nse%3ANIFTY%40test", RIG_NEAR},
        {"/v1/option-chain/%4eIFTY", RIG_NEAR},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer = rig_data(&rig, cases[i].path);

        assert_string_equal(text_at(&answer, "meta.expiry"), cases[i].expiry);
        assert_string_equal(text_at(&answer, "meta.symbol"), "NIFTY");
        answer_free(&answer);
    }
}

static void
test_strikes_select_rows(void **state)
{
    static const struct {
        const char *value;
        size_t n;
        double first;
    } cases[] = {
        {"atm%C2%B110", 21, 24500},
        {"atm\xC2\xB1"
         "3",
         7, 24850},
        {"atm+-2", 5, 24900},
        {"atm%2B-2", 5, 24900},
        {"atm", 1, 25000},
        {"atm%C2%B10", 1, 25000},
        {"atm%C2%B1500", CHAIN_STRIKES, 24000},
        {"24500", 1, 24500},
        {"24550,24500.0,26000", 3, 24500},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer answer;
        char path[128];

        snprintf(path, sizeof path, "/v1/option-chain/NIFTY?strikes=%s", cases[i].value);
        answer = rig_data(&rig, path);
        assert_int_equal(json_array_size(answer_at(&answer, "data.rows")), cases[i].n);
        assert_float_equal(number_at(&answer, "data.rows.0.strike"), cases[i].first, 0);
        answer_free(&answer);
    }
}

/* ---- Caching, methods, traces ------------------------------------------------------------- */

static void
test_an_unchanged_answer_is_304_until_the_data_changes(void **state)
{
    struct chain_spec next = {RIG_FEED, RIG_NEAR, RIG_NOW_NS + MINUTE_NS, 24000};
    const char *path = "/v1/option-chain/NIFTY";
    struct answer answer = rig_data(&rig, path);
    char etag[64], again[64], header[96];
    const char *headers[] = {header, NULL};

    answer_header(&answer, "ETag", etag, sizeof etag);
    assert_true(etag[0] == '"');
    answer_free(&answer);
    snprintf(header, sizeof header, "If-None-Match: \"x\", %s", etag);
    answer = rig_ask(&rig, NULL, path, headers);
    assert_int_equal(answer.status, 304);
    assert_int_equal(answer.size, 0);
    assert_string_equal(answer_header(&answer, "ETag", again, sizeof again), etag);
    answer_free(&answer);
    rig_put(&rig, chain_enriched_new(&next));
    answer = rig_ask(&rig, NULL, path, headers);
    assert_int_equal(answer.status, 200);
    assert_string_not_equal(answer_header(&answer, "ETag", again, sizeof again), etag);
    assert_string_equal(text_at(&answer, "meta.as_of"), "2026-08-19T04:16:00Z");
    answer_free(&answer);
}

static void
test_an_answer_is_built_once_for_all_who_ask(void **state)
{
    uint64_t hits = rig.gateway.pages.hits;

    for (int i = 0; i < 5; i++) {
        struct answer answer = rig_data(&rig, "/v1/charts/oi/NIFTY");
        char value[64];

        answer_header(&answer, "Cache-Control", value, sizeof value);
        assert_non_null(strstr(value, "max-age=5"));
        assert_string_equal(answer_header(&answer, "Age", value, sizeof value), "0");
        answer_free(&answer);
    }
    rig_close(&rig); /* the HTTP thread has ended: its counters can be read */
    assert_int_equal(rig.gateway.pages.hits - hits, 4);
    open_filled(state);
}

static const char *const every_route[] = {"/livez",
                                          "/readyz",
                                          "/metrics",
                                          "/v1/public/symbols",
                                          "/v1/option-chain/NIFTY",
                                          "/v1/charts/oi/NIFTY",
                                          "/v1/charts/pcr/NIFTY",
                                          "/v1/analytics/summary/NIFTY",
                                          "/v1/analytics/gex/NIFTY",
                                          "/v1/analytics/max-pain/NIFTY",
                                          "/v1/sr/NIFTY",
                                          "/v1/overall"};
enum { N_EVERY_ROUTE = sizeof every_route / sizeof *every_route };

static void
test_head_answers_as_get_without_a_body(void **state)
{
    for (size_t i = 0; i < N_EVERY_ROUTE; i++) {
        struct answer get = rig_get(&rig, every_route[i]);
        struct answer head = rig_ask(&rig, "HEAD", every_route[i], NULL);
        char a[64], b[64];

        assert_int_equal(get.status, 200);
        assert_int_equal(head.status, 200);
        assert_int_equal(head.size, 0);
        assert_string_equal(answer_header(&get, "Content-Type", a, sizeof a),
                            answer_header(&head, "Content-Type", b, sizeof b));
        assert_string_equal(answer_header(&get, "ETag", a, sizeof a),
                            answer_header(&head, "ETag", b, sizeof b));
        assert_true(atoi(answer_header(&head, "Content-Length", a, sizeof a)) > 0);
        answer_free(&get);
        answer_free(&head);
    }
}

static void
test_options_names_the_methods(void **state)
{
    char allow[64];

    for (size_t i = 0; i < N_EVERY_ROUTE; i++) {
        struct answer answer = rig_ask(&rig, "OPTIONS", every_route[i], NULL);

        assert_int_equal(answer.status, 204);
        assert_string_equal(answer_header(&answer, "Allow", allow, sizeof allow),
                            "GET, HEAD, OPTIONS");
        answer_free(&answer);
    }
}

static void
test_other_methods_are_405_with_allow(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "BREW"};
    char allow[64];

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct answer answer = rig_ask(&rig, methods[i], "/v1/overall", NULL);

        assert_int_equal(answer.status, 405);
        assert_string_equal(answer_header(&answer, "Allow", allow, sizeof allow),
                            "GET, HEAD, OPTIONS");
        assert_string_equal(text_at(&answer, "code"), "method_not_allowed");
        answer_free(&answer);
    }
}

static void
test_a_trace_is_carried_to_the_answer(void **state)
{
    static const char *const headers[] = {
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", NULL};
    struct answer answer = rig_ask(&rig, NULL, "/v1/overall", headers);
    char trace[64];

    assert_string_equal(answer_header(&answer, "Trace-Id", trace, sizeof trace),
                        "4bf92f3577b34da6a3ce929d0e0e4736");
    answer_free(&answer);
    answer = rig_ask(&rig, NULL, "/v1/overall?x=1", headers);
    assert_string_equal(text_at(&answer, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    answer_free(&answer);
    answer = rig_get(&rig, "/v1/nothing");
    answer_header(&answer, "Trace-Id", trace, sizeof trace);
    assert_int_equal(strlen(trace), 32);
    assert_string_equal(text_at(&answer, "trace_id"), trace);
    answer_free(&answer);
}

/* ---- Health and metrics ------------------------------------------------------------------- */

static void
test_readyz_says_why_it_is_not_ready(void **state)
{
    struct answer answer = rig_get(&rig, "/readyz");

    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    rig.health.ready = false;
    snprintf(rig.health.reason, sizeof rig.health.reason, "node store: disk full");
    answer = rig_get(&rig, "/readyz");
    assert_int_equal(answer.status, 503);
    assert_string_equal(text_at(&answer, "reason"), "node store: disk full");
    answer_free(&answer);
    rig.health = (hde_health){.live = true, .ready = true, .draining = true};
    answer = rig_get(&rig, "/readyz");
    assert_int_equal(answer.status, 503);
    assert_string_equal(text_at(&answer, "status"), "draining");
    answer_free(&answer);
    answer = rig_get(&rig, "/livez");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    rig.health = (hde_health){.live = true, .ready = true};
}

static void
test_metrics_have_nodes_and_http(void **state)
{
    struct answer answer = rig_get(&rig, "/v1/overall");

    answer_free(&answer);
    answer = rig_get(&rig, "/metrics");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "hde_node_calls_total{node=\"x\"} 1\n"));
    assert_non_null(strstr(answer.body, "hde_http_requests_total{route=\"/v1/overall\","
                                        "method=\"GET\",code=\"200\"} "));
    assert_non_null(strstr(answer.body, "hde_http_request_seconds_bucket{le=\"+Inf\"} "));
    assert_non_null(strstr(answer.body, "hde_http_inflight 1\n"));
    answer_free(&answer);
}

static void
test_nothing_has_come_yet(void **state)
{
    struct answer answer = rig_data(&rig, "/v1/public/symbols");

    assert_int_equal(json_array_size(answer_at(&answer, "data")), 0);
    assert_null_at(&answer, "meta.as_of");
    assert_null_at(&answer, "meta.age_ms");
    answer_free(&answer);
    answer = rig_get(&rig, "/v1/option-chain/NIFTY");
    assert_int_equal(answer.status, 404);
    assert_string_equal(text_at(&answer, "code"), "symbol_not_found");
    answer_free(&answer);
}

static void
test_an_expired_expiry_makes_room_for_the_next(void **state)
{
    struct chain_spec old = {RIG_FEED, "2026-08-13", RIG_NOW_NS, 24000};
    struct chain_spec near = {RIG_FEED, RIG_NEAR, RIG_NOW_NS, 24000};
    struct answer answer;

    rig_put(&rig, chain_raw_new(&old)); /* its session is 2026-08-19: over already */
    answer = rig_data(&rig, "/v1/option-chain/NIFTY");
    assert_string_equal(text_at(&answer, "meta.expiry"), "2026-08-13"); /* there is no other */
    answer_free(&answer);
    rig_put(&rig, chain_raw_new(&near));
    answer = rig_data(&rig, "/v1/option-chain/NIFTY");
    assert_string_equal(text_at(&answer, "meta.expiry"), RIG_NEAR);
    answer_free(&answer);
    answer = rig_get(&rig, "/v1/option-chain/NIFTY?expiry=2026-08-13");
    assert_int_equal(answer.status, 404);
    answer_free(&answer);
}

static void
test_messages_without_a_key_are_refused(void **state)
{
    struct chain_spec specs[] = {
        {"", RIG_NEAR, RIG_NOW_NS, 24000},
        {RIG_FEED, "20-08-2026 ", RIG_NOW_NS, 24000},
        {"nse:0123456789012345678901234567890123456789012345678901234567890"
         "12345678901234567890123456789012345@x",
         RIG_NEAR, RIG_NOW_NS, 24000}};

    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        assert_non_null(live_put(rig.gateway.query.live, chain_raw_new(&specs[i])));
}

int
main(void)
{
#define FILLED(test) cmocka_unit_test_setup_teardown(test, open_filled, close_rig)
#define EMPTY(test) cmocka_unit_test_setup_teardown(test, open_empty, close_rig)
    const struct CMUnitTest tests[] = {
        FILLED(test_option_chain_has_every_field_with_its_type),
        FILLED(test_unknown_values_are_null_and_never_zero),
        FILLED(test_a_raw_chain_alone_names_what_is_missing),
        FILLED(test_charts_oi_has_totals_and_one_row_a_strike),
        FILLED(test_charts_pcr_ends_with_the_live_point),
        FILLED(test_summary_has_the_headline_values),
        FILLED(test_gex_rows_add_up),
        FILLED(test_max_pain_shows_both_sides_of_the_pain),
        FILLED(test_sr_lists_the_zones),
        FILLED(test_symbols_and_overall_list_every_feed),
        FILLED(test_a_table_of_feeds_is_paged_by_its_cursor),
        FILLED(test_expiry_all_gives_one_element_an_expiry),
        FILLED(test_expiry_words_and_symbol_forms_mean_the_same),
        FILLED(test_strikes_select_rows),
        FILLED(test_an_unchanged_answer_is_304_until_the_data_changes),
        FILLED(test_an_answer_is_built_once_for_all_who_ask),
        FILLED(test_head_answers_as_get_without_a_body),
        FILLED(test_options_names_the_methods),
        FILLED(test_other_methods_are_405_with_allow),
        FILLED(test_a_trace_is_carried_to_the_answer),
        FILLED(test_readyz_says_why_it_is_not_ready),
        FILLED(test_metrics_have_nodes_and_http),
        EMPTY(test_nothing_has_come_yet),
        EMPTY(test_an_expired_expiry_makes_room_for_the_next),
        EMPTY(test_messages_without_a_key_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
