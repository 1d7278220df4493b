/* SPDX-License-Identifier: Apache-2.0
 * problems_test - what is wrong with a query, and what the answer says about it. */
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
close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

#define CHAIN "/v1/option-chain/NIFTY"
#define PCR "/v1/charts/pcr/NIFTY"

static const struct bad_query {
    const char *path;
    int status;
    const char *code;
    const char *parameter; /* of the first entry of errors[]; NULL: errors is empty */
    const char *nearest;   /* NULL: none is asked for */
} bad_queries[] = {
    /* routes */
    {"/", 404, "route_not_found", "path", NULL},
    {"/v2/overall", 404, "route_not_found", "path", "/v1/overall"},
    {"/v1/overal", 404, "route_not_found", "path", "/v1/overall"},
    {"/v1/overall/", 404, "route_not_found", "path", NULL},
    {"//v1/overall", 404, "route_not_found", "path", NULL},
    {"/v1//overall", 404, "route_not_found", "path", NULL},
    {"/V1/overall", 404, "route_not_found", "path", "/v1/overall"},
    {"/livez/x", 404, "route_not_found", "path", NULL},
    {"/metric", 404, "route_not_found", "path", "/metrics"},
    {"/v1/option-chain/", 404, "route_not_found", "path", NULL},
    {"/v1/option-chain/NIFTY/2026-08-20", 404, "route_not_found", "path", NULL},
    /* targets */
    {"/v1/../livez", 400, "bad_target", NULL, NULL},
    {"/v1/./overall", 400, "bad_target", NULL, NULL},
    {"/v1/%2e%2e/livez", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/..%2f..%2flivez", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/NIFTY%00", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/NIFTY%00.css", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/NIFTY%0d%0aX:1", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/%zz", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/%4", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/%", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/%c0%ae", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/%ed%a0%80", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/%ff", 400, "bad_target", NULL, NULL},
    {"/v1/option-chain/a%5cb", 400, "bad_target", NULL, NULL},
    {"/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", 400, "bad_target", NULL, NULL},
    /* symbols */
    {"/v1/option-chain/NIFTI", 404, "symbol_not_found", "symbol", "NIFTY"},
    {"/v1/option-chain/BANKNIFTI", 404, "symbol_not_found", "symbol", "BANKNIFTY"},
    {"/v1/option-chain/NIFTY%20", 404, "symbol_not_found", "symbol", "NIFTY"},
    {"/v1/option-chain/26", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/option-chain/0", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/option-chain/99999999999999999999", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/option-chain/';DROP%20TABLE%20chains;--", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/option-chain/%25s%25n%25p", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/option-chain/%E2%80%AENIFTY", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/sr/SENSEX", 404, "symbol_not_found", "symbol", NULL},
    {"/v1/charts/oi/NIFTY@test", 404, "symbol_not_found", "symbol", NULL},
    /* parameters that are not taken */
    {CHAIN "?interval=5m", 400, "unsupported_parameter", "interval", NULL},
    {CHAIN "?expirry=next", 400, "unsupported_parameter", "expirry", "expiry"},
    {CHAIN "?EXPIRY=next", 400, "unsupported_parameter", "EXPIRY", "expiry"},
    {CHAIN "?at=2026-08-19T09:30:00Z", 400, "unsupported_parameter", "at", NULL},
    {CHAIN "?from=-5m", 400, "unsupported_parameter", "from", NULL},
    {CHAIN "?strike.gte=24000", 400, "unsupported_parameter", "strike.gte", NULL},
    {CHAIN "?=x", 400, "unsupported_parameter", "", NULL},
    {CHAIN "?%20expiry=next", 400, "unsupported_parameter", " expiry", "expiry"},
    {"/v1/overall?symbol=NIFTY", 400, "unsupported_parameter", "symbol", NULL},
    {"/v1/public/symbols?format=csv", 400, "unsupported_parameter", "format", NULL},
    {"/v1/analytics/summary/NIFTY?strikes=atm", 400, "unsupported_parameter", "strikes", NULL},
    {"/livez?verbose", 400, "unsupported_parameter", "verbose", NULL},
    {"/metrics?x=1", 400, "unsupported_parameter", "x", NULL},
    {PCR "?strikes=atm", 400, "unsupported_parameter", "strikes", NULL},
    {CHAIN "?expiry=next&expiry=next", 400, "duplicate_parameter", "expiry", NULL},
    {PCR "?limit=1&from=open&limit=2", 400, "duplicate_parameter", "limit", NULL},
    /* expiry */
    {CHAIN "?expiry=2026-08-21", 404, "expiry_not_found", "expiry", "2026-08-20"},
    {CHAIN "?expiry=2016-08-20", 404, "expiry_not_found", "expiry", "2026-08-20"},
    {"/v1/option-chain/BANKNIFTY?expiry=next", 404, "expiry_not_found", "expiry", NULL},
    {CHAIN "?expiry=2026-02-30", 400, "invalid_parameter", "expiry", NULL},
    {CHAIN "?expiry=2026-13-01", 400, "invalid_parameter", "expiry", NULL},
    {CHAIN "?expiry=20-08-2026", 400, "invalid_parameter", "expiry", NULL},
    {CHAIN "?expiry=2026-8-20", 400, "invalid_parameter", "expiry", NULL},
    {CHAIN "?expiry=2026-08-20T00:00", 400, "invalid_parameter", "expiry", NULL},
    {CHAIN "?expiry=nearst", 400, "invalid_parameter", "expiry", "nearest"},
    {CHAIN "?expiry=", 400, "invalid_parameter", "expiry", NULL},
    {CHAIN "?expiry", 400, "invalid_parameter", "expiry", NULL},
    {PCR "?expiry=all", 400, "invalid_parameter", "expiry", NULL},
    /* strikes */
    {CHAIN "?strikes=24510", 404, "strike_not_found", "strikes", "24500"},
    {CHAIN "?strikes=24500,99999", 404, "strike_not_found", "strikes", "26000"},
    {CHAIN "?strikes=", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=NaN", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=-0", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=0", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=1e308", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=0x10", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=24500,", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=,24500", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=24500;24550", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=2.4.5", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=.", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=1234567890123456789012345678901234567890", 400, "invalid_parameter", "strikes",
     NULL},
    {CHAIN "?strikes=atm%C2%B1", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=atm%C2%B1-1", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=atm%C2%B1501", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=atm%C2%B11.5", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=atm%B110", 400, "bad_target", NULL, NULL},
    {CHAIN "?strikes=atm10", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=atm-10", 400, "invalid_parameter", "strikes", NULL},
    {CHAIN "?strikes=ATM", 400, "invalid_parameter", "strikes", NULL},
    /* from and to */
    {PCR "?from=yesterday", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=2026-08-19", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=2026-08-19T09:15:00", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=2026-08-19T25:15:00Z", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=2026-02-30T09:15:00Z", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=2026-08-19T09:15:00%2B5:30", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=2026-08-19T09:15:00.Z", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=1755575100", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=-", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=-5", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=-5w", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=5m", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=-367d", 400, "invalid_parameter", "from", NULL},
    {PCR "?from=-99999999999999999999s", 400, "invalid_parameter", "from", NULL},
    {PCR "?to=now%27--", 400, "invalid_parameter", "to", NULL},
    {PCR "?from=2026-08-19T10:00:00Z&to=2026-08-19T09:00:00Z", 400, "invalid_range", "from", NULL},
    {PCR "?from=2016-08-19T10:00:00Z&to=2026-08-19T09:00:00Z", 400, "invalid_range", "from", NULL},
    {PCR "?from=-5m&to=-10m", 400, "invalid_range", "from", NULL},
    {PCR "?from=-5m&to=open", 400, "invalid_range", "from", NULL},
    {PCR "?from=2036-08-19T10:00:00Z&to=-1m", 400, "invalid_range", "from", NULL},
    /* limit and cursor */
    {PCR "?limit=0", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=-1", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=10001", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=1000000000", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=1e3", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=ten", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=%2B5", 400, "invalid_parameter", "limit", NULL},
    {PCR "?limit=", 400, "invalid_parameter", "limit", NULL},
    {PCR "?cursor=", 400, "invalid_cursor", "cursor", NULL},
    {PCR "?cursor=abc", 400, "invalid_cursor", "cursor", NULL},
    {PCR "?cursor=c100000000000000000000000000000000", 400, "invalid_cursor", "cursor", NULL},
    {PCR "?cursor=c2ffffffffffffffffffffffffffffffff", 400, "invalid_cursor", "cursor", NULL},
    {PCR "?cursor=c1-1%20000000000000000000000000000", 400, "invalid_cursor", "cursor", NULL},
};

static const struct member problem_members[] = {{"type", 'S'},   {"title", 'S'},    {"status", 'N'},
                                                {"detail", 'S'}, {"instance", 'S'}, {"code", 'S'},
                                                {"errors", 'a'}, {"trace_id", 'S'}, {0}};

static void
check_problem(const struct bad_query *bad, const struct answer *answer)
{
    json_t *first = json_array_get(answer_at(answer, "errors"), 0);
    char type[64];

    check_members(bad->path, answer->json, problem_members);
    assert_string_equal(answer_header(answer, "Content-Type", type, sizeof type),
                        "application/problem+json");
    assert_int_equal(json_integer_value(answer_at(answer, "status")), answer->status);
    if (answer->status != bad->status || strcmp(text_at(answer, "code"), bad->code) != 0)
        fail_msg("%s: %s", bad->path, answer->body);
    if (!bad->parameter) {
        assert_null(first);
        return;
    }
    if (!first || strcmp(json_string_value(json_object_get(first, "parameter")), bad->parameter))
        fail_msg("%s: the parameter is not %s: %s", bad->path, bad->parameter, answer->body);
    assert_non_null(json_object_get(first, "code"));
    assert_non_null(json_object_get(first, "detail"));
    if (bad->nearest) {
        const char *nearest = json_string_value(json_object_get(first, "nearest"));

        if (!nearest || strcmp(nearest, bad->nearest) != 0)
            fail_msg("%s: the nearest is not %s: %s", bad->path, bad->nearest, answer->body);
    }
}

static void
test_every_bad_query_names_its_fault(void **state)
{
    for (size_t i = 0; i < sizeof bad_queries / sizeof *bad_queries; i++) {
        struct answer answer = rig_get(&rig, bad_queries[i].path);

        if (!answer.json)
            fail_msg("%s: no problem: %ld %s", bad_queries[i].path, answer.status, answer.body);
        check_problem(&bad_queries[i], &answer);
        answer_free(&answer);
    }
}

static void
test_all_faults_of_a_query_are_named_at_once(void **state)
{
    struct answer answer = rig_get(&rig, PCR "?limit=0&from=x&colour=red&expiry=2026-02-30");
    json_t *errors = answer_at(&answer, "errors");

    assert_int_equal(answer.status, 400);
    assert_int_equal(json_array_size(errors), 4);
    assert_string_equal(text_at(&answer, "errors.0.parameter"), "limit");
    assert_string_equal(text_at(&answer, "errors.3.parameter"), "expiry");
    answer_free(&answer);
}

static void
test_refusals_list_what_is_allowed(void **state)
{
    struct answer answer = rig_get(&rig, CHAIN "?interval=5m");

    assert_string_equal(text_at(&answer, "errors.0.allowed.0"), "expiry");
    assert_string_equal(text_at(&answer, "errors.0.allowed.1"), "strikes");
    answer_free(&answer);
    answer = rig_get(&rig, CHAIN "?expiry=2026-08-21");
    assert_string_equal(text_at(&answer, "errors.0.allowed.0"), RIG_NEAR);
    assert_string_equal(text_at(&answer, "errors.0.allowed.1"), RIG_FAR);
    answer_free(&answer);
    answer = rig_get(&rig, "/v1/sr/GOLD");
    assert_string_equal(text_at(&answer, "errors.0.allowed.0"), "BANKNIFTY");
    answer_free(&answer);
}

static void
test_a_cursor_of_another_query_is_refused(void **state)
{
    struct answer answer = rig_data(&rig, "/v1/overall?limit=1"), other;
    const char *cursor = strstr(text_at(&answer, "links.next"), "cursor=");
    char path[256], edited[64];

    snprintf(path, sizeof path, "/v1/public/symbols?limit=1&%s", cursor);
    other = rig_get(&rig, path);
    assert_int_equal(other.status, 400);
    assert_string_equal(text_at(&other, "code"), "invalid_cursor");
    answer_free(&other);
    snprintf(edited, sizeof edited, "%s", cursor);
    edited[24] = edited[24] == '2' ? '3' : '2'; /* in the position */
    snprintf(path, sizeof path, "/v1/overall?%s", edited);
    answer_free(&answer);
    answer = rig_get(&rig, path);
    assert_string_equal(text_at(&answer, "code"), "invalid_cursor");
    answer_free(&answer);
}

static void
test_a_hundred_parameters_are_read_and_one_more_is_refused(void **state)
{
    char path[1024] = "/livez?a";

    for (int i = 1; i < 100; i++)
        strcat(path, "&a");
    for (int i = 0; i < 2; i++) {
        struct answer answer = rig_get(&rig, path);

        assert_int_equal(answer.status, 400);
        assert_string_equal(text_at(&answer, "code"),
                            i == 0 ? "unsupported_parameter" : "too_many_parameters");
        assert_true(json_array_size(answer_at(&answer, "errors")) <= LIMIT_FAULTS);
        answer_free(&answer);
        strcat(path, "&a");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bad_query_names_its_fault),
        cmocka_unit_test(test_all_faults_of_a_query_are_named_at_once),
        cmocka_unit_test(test_refusals_list_what_is_allowed),
        cmocka_unit_test(test_a_cursor_of_another_query_is_refused),
        cmocka_unit_test(test_a_hundred_parameters_are_read_and_one_more_is_refused),
    };

    return cmocka_run_group_tests(tests, open_filled, close_rig);
}
