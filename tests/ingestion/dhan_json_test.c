/* SPDX-License-Identifier: Apache-2.0
 * dhan_json_test - every answer of the service, good and bad, and what is made of it. */
#include "check.h"

#include "dhan_json.h"

#include <math.h>
#include <string.h>

#define CHAIN(oc) "{\"data\":{\"last_price\":24964.25,\"oc\":" oc "},\"status\":\"success\"}"
#define LEG(fields) CHAIN("{\"25000.000000\":{\"ce\":{" fields "},\"pe\":{\"last_price\":1}}}")

/* n: strikes; bad: values that were refused. */
static const struct {
    const char *name, *text;
    enum dhan_result result;
    const char *code;
    size_t n, bad;
} chains[] = {
    {"no bytes", "", DHAN_NOT_JSON, "", 0, 0},
    {"spaces", "   ", DHAN_NOT_JSON, "", 0, 0},
    {"HTML", "<!doctype html><html></html>", DHAN_NOT_JSON, "", 0, 0},
    {"plain text", "Bad Gateway", DHAN_NOT_JSON, "", 0, 0},
    {"null", "null", DHAN_NOT_JSON, "", 0, 0},
    {"a number", "5", DHAN_NOT_JSON, "", 0, 0},
    {"cut in a key", "{\"data\":{\"last_pr", DHAN_NOT_JSON, "", 0, 0},
    {"cut in a number", "{\"data\":{\"last_price\":24", DHAN_NOT_JSON, "", 0, 0},
    {"cut before the end", "{\"data\":{\"last_price\":1,\"oc\":{}}", DHAN_NOT_JSON, "", 0, 0},
    {"bytes behind", CHAIN("{}") "x", DHAN_NOT_JSON, "", 0, 0},
    {"two objects", CHAIN("{}") CHAIN("{}"), DHAN_NOT_JSON, "", 0, 0},
    {"trailing comma", "{\"data\":{\"last_price\":1,\"oc\":{},},}", DHAN_NOT_JSON, "", 0, 0},
    {"single quotes", "{'data':1}", DHAN_NOT_JSON, "", 0, 0},
    {"NaN", LEG("\"oi\":NaN"), DHAN_NOT_JSON, "", 0, 0},
    {"Infinity", LEG("\"oi\":Infinity"), DHAN_NOT_JSON, "", 0, 0},
    {"1e400", LEG("\"oi\":1e400"), DHAN_NOT_JSON, "", 0, 0},
    {"NUL in text", LEG("\"x\":\"a\\u0000b\""), DHAN_NOT_JSON, "", 0, 0},
    {"lone surrogate", LEG("\"x\":\"\\ud800\""), DHAN_NOT_JSON, "", 0, 0},
    {"bad UTF-8", LEG("\"x\":\"\xff\xfe\""), DHAN_NOT_JSON, "", 0, 0},
    {"a list", "[]", DHAN_SHAPE, "", 0, 0},
    {"empty object", "{}", DHAN_SHAPE, "", 0, 0},
    {"no data", "{\"status\":\"success\"}", DHAN_SHAPE, "", 0, 0},
    {"data null", "{\"data\":null,\"status\":\"success\"}", DHAN_SHAPE, "", 0, 0},
    {"data a list", "{\"data\":[],\"status\":\"success\"}", DHAN_SHAPE, "", 0, 0},
    {"data text", "{\"data\":\"\",\"status\":\"success\"}", DHAN_SHAPE, "", 0, 0},
    {"no oc", "{\"data\":{\"last_price\":1},\"status\":\"success\"}", DHAN_SHAPE, "", 0, 0},
    {"oc null", CHAIN("null"), DHAN_SHAPE, "", 0, 0},
    {"oc a list", CHAIN("[]"), DHAN_SHAPE, "", 0, 0},
    {"DH-901", "{\"errorType\":\"Invalid_Authentication\",\"errorCode\":\"DH-901\"}", DHAN_AUTH,
     "DH-901", 0, 0},
    {"DH-902", "{\"errorType\":\"\",\"errorCode\":\"DH-902\"}", DHAN_REFUSED, "DH-902", 0, 0},
    {"DH-904", "{\"errorType\":\"\",\"errorCode\":\"DH-904\"}", DHAN_LIMITED, "DH-904", 0, 0},
    {"805", "{\"status\":\"failed\",\"data\":{\"805\":\"Too many requests\"}}", DHAN_LIMITED, "805",
     0, 0},
    {"807", "{\"status\":\"failed\",\"data\":{\"807\":\"expired\"}}", DHAN_AUTH, "807", 0, 0},
    {"810", "{\"status\":\"failed\",\"data\":{\"810\":\"client\"}}", DHAN_AUTH, "810", 0, 0},
    {"811", "{\"status\":\"failed\",\"data\":{\"811\":\"Invalid Expiry\"}}", DHAN_EXPIRY, "811", 0,
     0},
    {"806", "{\"status\":\"failed\",\"data\":{\"806\":\"no plan\"}}", DHAN_REFUSED, "806", 0, 0},
    {"remarks", "{\"status\":\"failure\",\"remarks\":{\"error_code\":\"DH-901\"},\"data\":\"\"}",
     DHAN_AUTH, "DH-901", 0, 0},
    {"failed without a reason", "{\"status\":\"failed\",\"remarks\":{\"error_code\":null}}",
     DHAN_REFUSED, "", 0, 0},
    {"an error of other types", "{\"errorType\":1,\"errorCode\":[],\"errorMessage\":{}}",
     DHAN_REFUSED, "", 0, 0},
    {"no strikes", CHAIN("{}"), DHAN_OK, "", 0, 0},
    {"no status", "{\"data\":{\"last_price\":1,\"oc\":{}}}", DHAN_OK, "", 0, 0},
    {"only a call", CHAIN("{\"25000\":{\"ce\":{\"oi\":1}}}"), DHAN_OK, "", 1, 0},
    {"only a put", CHAIN("{\"25000\":{\"pe\":{\"oi\":1}}}"), DHAN_OK, "", 1, 0},
    {"legs null", CHAIN("{\"25000\":{\"ce\":null,\"pe\":null}}"), DHAN_OK, "", 1, 0},
    {"no legs", CHAIN("{\"25000\":{}}"), DHAN_OK, "", 1, 0},
    {"a leg that is a list", CHAIN("{\"25000\":{\"ce\":[],\"pe\":{}}}"), DHAN_OK, "", 1, 1},
    {"a leg that is a number", CHAIN("{\"25000\":{\"ce\":5,\"pe\":{}}}"), DHAN_OK, "", 1, 1},
    {"a strike that is null", CHAIN("{\"25000\":null}"), DHAN_OK, "", 0, 1},
    {"a strike in words", CHAIN("{\"atm\":{},\"25000\":{}}"), DHAN_OK, "", 1, 1},
    {"strike 0", CHAIN("{\"0\":{}}"), DHAN_OK, "", 0, 1},
    {"strike below 0", CHAIN("{\"-5\":{}}"), DHAN_OK, "", 0, 1},
    {"strike empty", CHAIN("{\"\":{}}"), DHAN_OK, "", 0, 1},
    {"strike infinite", CHAIN("{\"inf\":{},\"1e309\":{},\"1e13\":{}}"), DHAN_OK, "", 0, 3},
    {"strike hexadecimal", CHAIN("{\"0x61a8\":{}}"), DHAN_OK, "", 0, 1},
    {"open interest below 0", LEG("\"oi\":-5"), DHAN_OK, "", 1, 1},
    {"price below 0", LEG("\"last_price\":-0.05,\"top_bid_price\":-1"), DHAN_OK, "", 1, 2},
    {"values null", LEG("\"oi\":null,\"last_price\":null,\"greeks\":null"), DHAN_OK, "", 1, 0},
    {"values of other types", LEG("\"oi\":{},\"last_price\":[],\"volume\":true"), DHAN_OK, "", 1,
     3},
    {"numbers as text", LEG("\"oi\":\"75\",\"last_price\":\"1.5\""), DHAN_OK, "", 1, 0},
    {"words as numbers", LEG("\"oi\":\"many\",\"last_price\":\"\""), DHAN_OK, "", 1, 2},
    {"greeks a list", LEG("\"greeks\":[1,2]"), DHAN_OK, "", 1, 0},
    {"a Greek as word", LEG("\"greeks\":{\"delta\":\"x\"}"), DHAN_OK, "", 1, 1},
    {"integers above 2^63", LEG("\"oi\":99999999999999999999999"), DHAN_OK, "", 1, 0},
    {"unknown fields", LEG("\"new\":{\"a\":[1]},\"oi\":1"), DHAN_OK, "", 1, 0},
    {"spot as word", "{\"data\":{\"last_price\":\"x\",\"oc\":{}}}", DHAN_OK, "", 0, 1},
};

static void
every_chain_answer_has_its_outcome(void **state)
{
    struct snapshot snapshot = {0};

    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        struct dhan_said said;
        enum dhan_result result;

        snapshot_clear(&snapshot);
        result = dhan_parse_chain(chains[i].text, strlen(chains[i].text), &snapshot, &said);
        if (result != chains[i].result || strcmp(said.code, chains[i].code) != 0 ||
            snapshot.n != chains[i].n || snapshot.bad_values != chains[i].bad)
            fail_msg("%s: result %d, code '%s', %zu strikes, %u refused", chains[i].name, result,
                     said.code, snapshot.n, snapshot.bad_values);
        if (result != DHAN_OK && !said.text[0])
            fail_msg("%s: says nothing", chains[i].name);
    }
    snapshot_free(&snapshot);
}

static void
the_documented_sample_is_read_whole(void **state)
{
    static const char text[] =
        CHAIN("{\"25000.000000\":{\"ce\":{\"average_price\":146.99,\"greeks\":{\"delta\":0.52546,"
              "\"theta\":-12.88756,\"gamma\":0.00136,\"vega\":12.98931},\"implied_volatility\":"
              "8.945204889199001,\"last_price\":134,\"oi\":3786445,\"previous_close_price\":244.85,"
              "\"previous_oi\":402220,\"previous_volume\":31931705,\"security_id\":42528,"
              "\"top_ask_price\":134,\"top_ask_quantity\":1365,\"top_bid_price\":133.55,"
              "\"top_bid_quantity\":1625,\"volume\":117567970}}}");
    static const double wanted[LEG_COUNT] = {
        [LEG_LAST] = 134,
        [LEG_BID] = 133.55,
        [LEG_ASK] = 134,
        [LEG_BID_QTY] = 1625,
        [LEG_ASK_QTY] = 1365,
        [LEG_VOLUME] = 117567970,
        [LEG_OI] = 3786445,
        [LEG_OI_CHANGE] = NAN,
        [LEG_PREV_OI] = 402220,
        [LEG_PREV_CLOSE] = 244.85,
        [LEG_PREV_VOLUME] = 31931705,
        [LEG_AVERAGE] = 146.99,
        [LEG_CHANGE] = NAN,
        [LEG_IV] = 8.945204889199001 / 100,
        [LEG_DELTA] = 0.52546,
        [LEG_GAMMA] = 0.00136,
        [LEG_THETA] = -12.88756,
        [LEG_VEGA] = 12.98931,
        [LEG_RHO] = NAN,
    };
    struct snapshot snapshot = {0};
    struct dhan_said said;

    snapshot_clear(&snapshot);
    assert_int_equal(dhan_parse_chain(text, sizeof text - 1, &snapshot, &said), DHAN_OK);
    assert_true(snapshot.spot == 24964.25);
    assert_true(snapshot.row[0].strike == 25000);
    assert_false(snapshot.row[0].has[SIDE_PUT]);
    assert_int_equal(snapshot.row[0].security_id[SIDE_CALL], 42528);
    for (int i = 0; i < LEG_COUNT; i++) {
        double value = snapshot.row[0].value[SIDE_CALL][i];

        if (isnan(wanted[i]) ? !isnan(value) : value != wanted[i])
            fail_msg("%s is %.17g", leg_names[i], value);
    }
    snapshot_free(&snapshot);
}

static void
a_strike_that_comes_twice_is_told_and_the_later_counts(void **state)
{
    static const char same[] =
        CHAIN("{\"25000\":{\"ce\":{\"oi\":1}},\"25000\":{\"ce\":{\"oi\":2}}}");
    static const char other[] =
        CHAIN("{\"25000\":{\"ce\":{\"oi\":1}},\"25000.000000\":{\"ce\":{\"oi\":2}}}");
    struct snapshot snapshot = {0};
    struct dhan_said said;

    snapshot_clear(&snapshot);
    assert_int_equal(dhan_parse_chain(same, sizeof same - 1, &snapshot, &said), DHAN_OK);
    assert_true(said.duplicate_keys);
    assert_int_equal(snapshot.n, 1);
    assert_true(snapshot.row[0].value[SIDE_CALL][LEG_OI] == 2);
    snapshot_clear(&snapshot);
    assert_int_equal(dhan_parse_chain(other, sizeof other - 1, &snapshot, &said), DHAN_OK);
    snapshot_finish(&snapshot);
    assert_false(said.duplicate_keys);
    assert_int_equal(snapshot.n, 1);
    assert_int_equal(snapshot.duplicates, 1);
    assert_true(snapshot.row[0].value[SIDE_CALL][LEG_OI] == 2);
    snapshot_free(&snapshot);
}

static const struct {
    const char *text;
    enum dhan_result result;
    size_t n, bad;
} lists[] = {
    {"{\"data\":[\"2026-09-01\",\"2026-08-25\",\"2026-09-01\"],\"status\":\"success\"}", DHAN_OK, 2,
     0},
    {"{\"data\":[],\"status\":\"success\"}", DHAN_OK, 0, 0},
    {"{\"data\":[\"soon\",5,null,\"2026-02-30\",\"2026-08-25\"]}", DHAN_OK, 1, 4},
    {"{\"data\":{},\"status\":\"success\"}", DHAN_SHAPE, 0, 0},
    {"{\"data\":null}", DHAN_SHAPE, 0, 0},
    {"[]", DHAN_SHAPE, 0, 0},
    {"[", DHAN_NOT_JSON, 0, 0},
    {"", DHAN_NOT_JSON, 0, 0},
    {"{\"status\":\"failed\",\"data\":{\"805\":\"\"}}", DHAN_LIMITED, 0, 0},
    {"{\"errorCode\":\"DH-901\"}", DHAN_AUTH, 0, 0},
};

static void
every_list_answer_has_its_outcome(void **state)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        int32_t days[DHAN_EXPIRIES_MAX];
        struct dhan_said said;
        enum dhan_result result;
        size_t n, bad;

        result = dhan_parse_list(lists[i].text, strlen(lists[i].text), days, &n, &bad, &said);
        if (result != lists[i].result || n != lists[i].n || bad != lists[i].bad)
            fail_msg("%s: result %d, %zu days, %zu bad", lists[i].text, result, n, bad);
        for (size_t j = 1; j < n; j++)
            assert_true(days[j - 1] < days[j]);
    }
}

static void
a_status_speaks_where_the_body_does_not(void **state)
{
    static const struct {
        int status;
        const char *text;
        enum dhan_result result;
    } cases[] = {
        {401, "<html>", DHAN_AUTH},
        {403, "", DHAN_AUTH},
        {429, "slow down", DHAN_LIMITED},
        {502, "<html>", DHAN_REFUSED},
        {500, "{\"errorCode\":\"DH-908\"}", DHAN_REFUSED},
        {400, "{\"status\":\"failed\",\"data\":{\"811\":\"x\"}}", DHAN_EXPIRY},
        {400, "{\"status\":\"failed\",\"data\":{\"805\":\"x\"}}", DHAN_LIMITED},
        {400, "[]", DHAN_REFUSED},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dhan_said said;

        assert_int_equal(
            dhan_parse_error(cases[i].text, strlen(cases[i].text), cases[i].status, &said),
            cases[i].result);
    }
}

static void
what_the_service_says_is_one_line(void **state)
{
    static const char text[] = "{\"errorCode\":\"DH\\n\\u0007\",\"errorMessage\":\"a\\nb\\tc\"}";
    struct dhan_said said;

    dhan_parse_error(text, sizeof text - 1, 400, &said);
    assert_string_equal(said.text, "a b c");
    assert_null(strpbrk(said.code, "\n\a"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chain_answer_has_its_outcome),
        cmocka_unit_test(the_documented_sample_is_read_whole),
        cmocka_unit_test(a_strike_that_comes_twice_is_told_and_the_later_counts),
        cmocka_unit_test(every_list_answer_has_its_outcome),
        cmocka_unit_test(a_status_speaks_where_the_body_does_not),
        cmocka_unit_test(what_the_service_says_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
