/* SPDX-License-Identifier: Apache-2.0
 * http_test - the HTTP client against a server that plays what servers do. */
#include "check.h"

#include "sim.h"

#include <connectors/http.h>

#include <stdio.h>
#include <string.h>

struct rig {
    struct sim *sim;
    struct http *http;
    struct http_answer answer;
};

static void
rig_open(struct rig *rig, const char *faults)
{
    char error[300];

    rig->sim = sim_start(&(struct sim_config){.faults = faults}, error, sizeof error);
    assert_non_null(rig->sim);
    rig->http = http_new();
}

static void
rig_close(struct rig *rig)
{
    http_free(rig->http);
    sim_stop(rig->sim);
}

static enum http_result
post(struct rig *rig, const char *path, int64_t timeout_ms, size_t most)
{
    char url[128];

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", sim_port(rig->sim), path);
    return http_send(
        rig->http,
        &(struct http_request){
            .url = url, .body = "{}", .body_size = 2, .timeout_ms = timeout_ms, .answer_max = most},
        &rig->answer);
}

static void
a_status_of_any_kind_is_an_answer(void **state)
{
    struct rig rig;

    rig_open(&rig, "429@1,502@2");
    assert_int_equal(post(&rig, "/v2/optionchain", 0, 0), HTTP_ANSWER);
    assert_int_equal(rig.answer.status, 429);
    assert_int_equal(rig.answer.retry_after_ms, 1000);
    assert_string_equal(rig.answer.content_type, "application/json");
    assert_int_equal(strlen(rig.answer.body), rig.answer.size);
    assert_non_null(strstr(rig.answer.body, "805"));
    assert_int_equal(post(&rig, "/v2/optionchain", 0, 0), HTTP_ANSWER);
    assert_int_equal(rig.answer.status, 502);
    assert_int_equal(rig.answer.retry_after_ms, -1);
    assert_int_equal(post(&rig, "/nowhere", 0, 0), HTTP_ANSWER);
    assert_int_equal(rig.answer.status, 404);
    rig_close(&rig);
}

static void
what_is_not_a_whole_answer_is_told_apart(void **state)
{
    struct rig rig;

    rig_open(&rig, "short@1,huge@2,timeout@3");
    assert_int_equal(post(&rig, "/v2/optionchain", 0, 0), HTTP_CUT);
    assert_true(rig.answer.error[0]);
    assert_int_equal(post(&rig, "/v2/optionchain", 0, 1000), HTTP_TOO_LARGE);
    assert_true(rig.answer.size <= 1000);
    assert_int_equal(post(&rig, "/v2/optionchain", 50, 0), HTTP_TIMEOUT);
    assert_int_equal(post(&rig, "/sim", 0, 0), HTTP_ANSWER); /* the client is as good as new */
    assert_int_equal(rig.answer.status, 200);
    assert_string_equal(rig.answer.error, "");
    rig_close(&rig);
}

static void
nobody_and_no_address_are_told_apart(void **state)
{
    struct http_answer answer;
    struct http *http = http_new();
    struct rig rig;
    char url[64];

    rig_open(&rig, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", sim_port(rig.sim));
    rig_close(&rig);
    assert_int_equal(http_send(http, &(struct http_request){.url = url}, &answer), HTTP_NO_PEER);
    assert_int_equal(answer.status, 0);
    assert_string_equal(answer.body, "");
    assert_int_equal(http_send(http, &(struct http_request){.url = "file:///etc/passwd"}, &answer),
                     HTTP_FAILED);
    assert_int_equal(answer.size, 0);
    http_free(http);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_of_any_kind_is_an_answer),
        cmocka_unit_test(what_is_not_a_whole_answer_is_told_apart),
        cmocka_unit_test(nobody_and_no_address_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
