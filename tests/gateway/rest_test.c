/* SPDX-License-Identifier: Apache-2.0
 * rest_test - operator gateway/rest as a graph has it: the plugin, its parameters, its input. */
#include "check.h"
#include "rig.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hde/testing.h>

/* A port that was free a moment ago; the socket that held it, listening when asked to. */
static int
take_port(int *port, bool listens)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    if (listens)
        assert_int_equal(listen(fd, 1), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static hde_harness *
open_rest(int *port)
{
    char params[64];

    close(take_port(port, false));
    snprintf(params, sizeof params, "listen: '127.0.0.1:%d'", *port);
    return hde_harness_open("gateway/rest", params);
}

static void
test_what_flows_in_is_served(void **state)
{
    struct chain_spec near = {RIG_FEED, RIG_NEAR, RIG_NOW_NS, 24000};
    struct rig rig = {0};
    hde_harness *h = open_rest(&rig.port);
    struct answer answer;

    assert_int_equal(hde_harness_push(h, "live", chain_enriched_new(&near)), HDE_OK);
    assert_int_equal(hde_harness_push(h, "live", chain_zones_new(&near)), HDE_OK);
    assert_int_equal(hde_harness_counter(h, "shown"), 2);
    answer = rig_data(&rig, "/v1/analytics/summary/NIFTY");
    assert_float_equal(number_at(&answer, "data.pcr_oi"), 1.25, 0);
    answer_free(&answer);
    answer = rig_get(&rig, "/livez");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    hde_harness_close(h);
}

static void
test_a_message_without_a_key_is_rejected_by_name(void **state)
{
    struct chain_spec bad = {"", RIG_NEAR, RIG_NOW_NS, 24000};
    int port;
    hde_harness *h = open_rest(&port);

    assert_int_equal(hde_harness_push(h, "live", chain_raw_new(&bad)), HDE_REJECT);
    assert_non_null(strstr(hde_harness_said(h), "gateway.not-shown"));
    hde_harness_close(h);
}

static void
test_addresses_are_refused_by_name(void **state)
{
    static const struct {
        const char *params, *event;
    } cases[] = {
        {"listen: '0.0.0.0:0'", "gateway.public-address"},
        {"listen: '[::]:0'", "gateway.public-address"},
        {"listen: '192.0.2.1:8000'", "gateway.public-address"},
        {"{listen: '192.0.2.1:0', insecure: true}", "gateway.listen"},
        {"listen: '8000'", "gateway.listen"},
        {"listen: ':8000'", "gateway.listen"},
        {"listen: '127.0.0.1:'", "gateway.listen"},
        {"listen: '127.0.0.1:65536'", "gateway.listen"},
        {"listen: '127.0.0.1:-1'", "gateway.listen"},
        {"listen: '127.0.0.1:80x'", "gateway.listen"},
        {"listen: 'example.org:8000'", "gateway.listen"},
        {"{listen: '127.0.0.1:0', redis: 'localhost:6379'}", "gateway.cache"},
    };
    char error[512];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hde_harness *h = hde_harness_try("gateway/rest", cases[i].params, error, sizeof error);

        if (h || !strstr(error, cases[i].event))
            fail_msg("%s: %s", cases[i].params, h ? "was taken" : error);
    }
}

static void
test_a_port_in_use_is_refused_by_name(void **state)
{
    char params[64], error[512];
    int port, fd = take_port(&port, true);

    snprintf(params, sizeof params, "listen: '127.0.0.1:%d'", port);
    assert_null(hde_harness_try("gateway/rest", params, error, sizeof error));
    assert_non_null(strstr(error, "gateway.port-busy"));
    close(fd);
}

static void
test_an_open_address_is_taken_with_insecure(void **state)
{
    hde_harness *h = hde_harness_open("gateway/rest", "{listen: '0.0.0.0:0', insecure: true}");

    assert_non_null(h);
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_flows_in_is_served),
        cmocka_unit_test(test_a_message_without_a_key_is_rejected_by_name),
        cmocka_unit_test(test_addresses_are_refused_by_name),
        cmocka_unit_test(test_a_port_in_use_is_refused_by_name),
        cmocka_unit_test(test_an_open_address_is_taken_with_insecure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
