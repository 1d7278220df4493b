/* SPDX-License-Identifier: Apache-2.0
 * text_test - growing text, JSON numbers, strings and times, messages as JSON. */
#include "check.h"

#include <hde/schemas/market.pb-c.h>
#include <hde/schemas/runtime.pb-c.h>
#include <hde/text.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static hde_text text;

static const char *
number(double x)
{
    hde_text_clear(&text);
    hde_json_number(&text, x);
    return text.data;
}

static const char *
string(const char *s)
{
    hde_text_clear(&text);
    hde_json_string(&text, s);
    return text.data;
}

static const char *
instant(int64_t ns)
{
    hde_text_clear(&text);
    hde_json_time(&text, ns);
    return text.data;
}

static const char *
message(const void *body, hde_json_style style)
{
    hde_text_clear(&text);
    hde_json_message(&text, body, style);
    return text.data;
}

static void
text_grows_and_is_always_ended(void **state)
{
    hde_text t = {0};

    for (int i = 0; i < 5000; i++)
        hde_text_printf(&t, "%d,", i % 10);
    assert_int_equal(t.len, 10000);
    assert_int_equal(strlen(t.data), 10000);
    hde_text_clear(&t);
    assert_string_equal(t.data, "");
    hde_text_printf(&t, "%01000d", 7); /* longer than the room in one step */
    assert_int_equal(strlen(t.data), 1000);
    hde_text_free(&t);
    assert_null(t.data);
}

static void
short_decimals_are_written_as_people_write_them(void **state)
{
    static const struct {
        double x;
        const char *expected;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {24123.45, "24123.45"},
        {0.1, "0.1"},
        {0.05, "0.05"},
        {-0.0625, "-0.0625"},
        {0.00012, "0.00012"},
        {100, "100"},
        {123456789012345, "123456789012345"},
        {99999999.99999999, "99999999.99999999"},
        {0.30000000000000004, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {0.000012345678901234567, "0.000012345678901234568"},
        {999999999999999.9, "999999999999999.9"},
        {1e-5, "0.00001"},
        {2, "2"},
        {0.0078125, "0.0078125"},
        {8796093022208.001953125, "8796093022208.002"},
        {1e-7, "1e-07"},
        {1e22, "1e+22"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5e-324, "5e-324"},
        {NAN, "null"},
        {INFINITY, "null"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(number(rows[i].x), rows[i].expected);
}

static void
every_number_reads_back(void **state)
{
    uint64_t seed = 88172645463325252u;

    for (int i = 0; i < 200000; i++) {
        double x, y;
        uint64_t bits;

        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        bits = i % 2 ? seed : (seed & 0x803fffffffffffffu) | 0x4000000000000000u;
        memcpy(&x, &bits, sizeof x);
        if (i % 3 == 0)
            x = (double)(int64_t)(seed % 2000000007) / 100;
        if (!isfinite(x))
            continue;
        y = strtod(number(x), NULL);
        if (memcmp(&x, &y, sizeof x))
            fail_msg("%a was written as %s", x, text.data);
    }
}

/* No shorter text reads back: one digit less is another number. */
static void
no_number_has_digits_that_it_does_not_need(void **state)
{
    uint64_t seed = 88172645463325252u;

    for (int i = 0; i < 100000; i++) {
        char shorter[40];
        double x;
        size_t n = 0;

        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        x = (double)(seed >> 11) / 9007199254740992.0 * pow(10, (double)(seed % 19) - 4);
        number(x);
        for (const char *at = text.data + strspn(text.data, "0."); *at && *at != 'e'; at++)
            n += *at != '.';
        if (n < 2 || !strchr(text.data, '.'))
            continue;
        snprintf(shorter, sizeof shorter, "%.*e", (int)n - 2, x);
        if (strtod(shorter, NULL) == x)
            fail_msg("%a was written as %s, but %s is enough", x, text.data, shorter);
    }
}

static void
strings_are_escaped_and_repaired(void **state)
{
    assert_string_equal(string(NULL), "null");
    assert_string_equal(string(""), "\"\"");
    assert_string_equal(string("a\"b\\c\n\t\x01\x7f/"), "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f/\"");
    assert_string_equal(string("\xe2\x82\xb9 \xf0\x9f\x93\x88"),
                        "\"\xe2\x82\xb9 \xf0\x9f\x93\x88\"");
    assert_string_equal(string("x\xff\xc0\x80y"), "\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\"");
    assert_string_equal(string("\xed\xa0\x80"), /* a surrogate */
                        "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_string_equal(string("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void
times_are_rfc_3339_in_utc(void **state)
{
    assert_string_equal(instant(0), "\"1970-01-01T00:00:00Z\"");
    assert_string_equal(instant(1787119020000000000), "\"2026-08-19T05:57:00Z\"");
    assert_string_equal(instant(1709164799123000000), "\"2024-02-28T23:59:59.123Z\"");
    assert_string_equal(instant(1709164800000001000), "\"2024-02-29T00:00:00.000001Z\"");
    assert_string_equal(instant(-1), "\"1969-12-31T23:59:59.999999999Z\"");
    assert_string_equal(instant(951782400000000000), "\"2000-02-29T00:00:00Z\"");
    assert_string_equal(instant(INT64_MAX), "\"2262-04-11T23:47:16.854775807Z\"");
    assert_string_equal(instant(INT64_MIN), "\"1677-09-21T00:12:43.145224192Z\"");
}

static void
a_message_is_written_in_both_styles(void **state)
{
    Hde__RawChain chain = HDE__RAW_CHAIN__INIT;
    Hde__Quotes calls = HDE__QUOTES__INIT;
    double strike[] = {100, 110.5}, oi[] = {NAN, 25};
    Hde__ChainFlag flags[] = {HDE__CHAIN_FLAG__CHAIN_FLAG_STALE, (Hde__ChainFlag)99};
    int64_t ids[] = {9007199254740993};

    chain.feed = (char *)"NSE:NIFTY@csv";
    chain.has_event_ns = true, chain.event_ns = 1787119020000000001;
    chain.has_spot = true, chain.spot = NAN;
    chain.has_oi_unit = true, chain.oi_unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS;
    chain.n_flags = 2, chain.flags = flags;
    chain.n_strike = 2, chain.strike = strike;
    calls.n_oi = 2, calls.oi = oi;
    calls.n_security_id = 1, calls.security_id = ids;
    chain.calls = &calls;
    assert_string_equal(
        message(&chain, HDE_JSON_FIELDS),
        "{\"feed\":\"NSE:NIFTY@csv\",\"event_ns\":1787119020000000001,\"spot\":null,"
        "\"oi_unit\":\"QUANTITY_UNIT_LOTS\",\"flags\":[\"CHAIN_FLAG_STALE\",99],"
        "\"strike\":[100,110.5],\"calls\":{\"oi\":[null,25],\"security_id\":[9007199254740993]}}");
    assert_string_equal(
        message(&chain, HDE_JSON_PROTO),
        "{\"feed\":\"NSE:NIFTY@csv\",\"eventNs\":\"1787119020000000001\",\"spot\":null,"
        "\"oiUnit\":\"QUANTITY_UNIT_LOTS\",\"flags\":[\"CHAIN_FLAG_STALE\",99],"
        "\"strike\":[100,110.5],\"calls\":{\"oi\":[null,25],"
        "\"securityId\":[\"9007199254740993\"]}}");
}

static void
an_empty_message_is_an_empty_object(void **state)
{
    Hde__RawChain chain = HDE__RAW_CHAIN__INIT;

    assert_string_equal(message(&chain, HDE_JSON_PROTO), "{}");
    assert_string_equal(message(NULL, HDE_JSON_PROTO), "null");
}

static void
bytes_are_base64_and_unsigned_numbers_stay_unsigned(void **state)
{
    static const char *const expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="};
    Hde__Sample sample = HDE__SAMPLE__INIT;

    sample.has_data = true;
    for (size_t n = 0; n < 5; n++) {
        char wanted[64];

        sample.data = (ProtobufCBinaryData){n, (uint8_t *)"foobar"};
        snprintf(wanted, sizeof wanted, "{\"data\":\"%s\"}", expected[n]);
        assert_string_equal(message(&sample, HDE_JSON_PROTO), wanted);
    }
    sample.has_data = false;
    sample.has_sequence = true, sample.sequence = UINT64_MAX;
    assert_string_equal(message(&sample, HDE_JSON_FIELDS), "{\"sequence\":18446744073709551615}");
    assert_string_equal(message(&sample, HDE_JSON_PROTO),
                        "{\"sequence\":\"18446744073709551615\"}");
}

static int
fini(void **state)
{
    hde_text_free(&text);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_and_is_always_ended),
        cmocka_unit_test(short_decimals_are_written_as_people_write_them),
        cmocka_unit_test(every_number_reads_back),
        cmocka_unit_test(no_number_has_digits_that_it_does_not_need),
        cmocka_unit_test(strings_are_escaped_and_repaired),
        cmocka_unit_test(times_are_rfc_3339_in_utc),
        cmocka_unit_test(a_message_is_written_in_both_styles),
        cmocka_unit_test(an_empty_message_is_an_empty_object),
        cmocka_unit_test(bytes_are_base64_and_unsigned_numbers_stay_unsigned),
    };

    return cmocka_run_group_tests(tests, NULL, fini);
}
