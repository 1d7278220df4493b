/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/clock.h"
#include "control/http.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
page(void *arg, const char *path, struct http_reply *reply)
{
    if (strcmp(path, "/large") == 0) {
        for (int i = 0; i < 1 << 16; i++)
            hde_text_puts(&reply->body, "0123456789abcdef");
    } else if (strcmp(path, "/hello") == 0) {
        hde_text_puts(&reply->body, "hello\n");
    } else {
        reply->status = 404;
        hde_text_printf(&reply->body, "no %s\n", path);
    }
}

static struct http *
open_http(void)
{
    struct err err = {0};
    struct http *http = http_open("127.0.0.1:0", false, page, NULL, &err);

    if (!http)
        fail_msg("%s", err.text);
    return http;
}

static int
dial(const struct http *http)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)atoi(strrchr(http_address(http), ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Serves until the peer closed; everything that it sent goes to out. */
static void
serve_until_closed(struct http *http, int fd, hde_text *out)
{
    int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;
    struct pollfd fds[] = {{.fd = http_fd(http), .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    char bytes[65536];

    for (;;) {
        ssize_t n;

        assert_true(clock_mono_ns() < deadline);
        poll(fds, 2, 1000);
        http_serve(http);
        n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0)
            return;
        if (n > 0)
            hde_text_put(out, bytes, (size_t)n);
        else if (!fds[0].revents && fds[1].revents)
            return; /* reset */
    }
}

static void
serve_until_quiet(struct http *http)
{
    int64_t deadline = clock_mono_ns() + 20 * (int64_t)NS_PER_S;
    struct pollfd readable = {.fd = http_fd(http), .events = POLLIN};

    while (http_busy(http)) {
        assert_true(clock_mono_ns() < deadline);
        poll(&readable, 1, 1000);
        http_serve(http);
    }
}

static void
check_request(struct http *http, const char *request, size_t len, const char *answer)
{
    hde_text out = {0};
    int fd = dial(http);

    assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
    serve_until_closed(http, fd, &out);
    assert_non_null(out.data);
    if (strncmp(out.data, answer, strlen(answer)) != 0)
        fail_msg("'%.60s' got '%.60s', expected '%s'", request, out.data, answer);
    close(fd);
    hde_text_free(&out);
}

static void
every_kind_of_request_gets_its_answer(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
        {"GET /hello?a=b HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
        {"HEAD /hello HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
        {"GET /other HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n"},
        {"POST /hello HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 "},
        {"GET\r\n\r\n", "HTTP/1.1 400 "},
        {"GET hello HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /hello HTTP/9\r\n\r\n", "HTTP/1.1 400 "},
        {" \r\n\r\n", "HTTP/1.1 400 "},
        {"\r\n\r\n", "HTTP/1.1 400 "},
    };
    struct http *http = open_http();

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_request(http, cases[i].request, strlen(cases[i].request), cases[i].answer);
    serve_until_quiet(http);
    http_close(http);
}

static void
garbage_and_endless_heads_are_refused(void **state)
{
    struct http *http = open_http();
    char endless[8192];
    unsigned seed = 1;

    memset(endless, 'a', sizeof endless);
    check_request(http, endless, sizeof endless, "HTTP/1.1 431 ");
    check_request(http, "GET /\0hello HTTP/1.1\r\n\r\n", 24, "HTTP/1.1 400 ");
    for (int round = 0; round < 200; round++) {
        char bytes[4096];
        size_t len = 4 + (size_t)rand_r(&seed) % (sizeof bytes - 4);
        hde_text out = {0};
        int fd = dial(http);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)rand_r(&seed);
        memcpy(bytes + len - 4, "\r\n\r\n", 4);
        assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
        serve_until_closed(http, fd, &out);
        assert_non_null(out.data);
        assert_int_equal(strncmp(out.data, "HTTP/1.1 4", 10), 0);
        close(fd);
        hde_text_free(&out);
    }
    http_close(http);
}

static void
a_large_page_arrives_whole(void **state)
{
    struct http *http = open_http();
    hde_text out = {0};
    int fd = dial(http);
    const char *body;

    assert_int_equal(send(fd, "GET /large HTTP/1.1\r\n\r\n", 23, MSG_NOSIGNAL), 23);
    serve_until_closed(http, fd, &out);
    body = strstr(out.data, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), 16 << 16);
    assert_non_null(strstr(out.data, "Content-Length: 1048576\r\n"));
    close(fd);
    hde_text_free(&out);
    http_close(http);
}

static void
more_connections_than_fit_are_closed_and_the_rest_is_served(void **state)
{
    struct http *http = open_http();
    int fds[40];

    for (int i = 0; i < 40; i++) {
        fds[i] = dial(http);
        http_serve(http);
    }
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    serve_until_quiet(http);
    check_request(http, "GET /hello HTTP/1.1\r\n\r\n", 23, "HTTP/1.1 200 OK\r\n");
    http_close(http);
}

static void
addresses_outside_of_loopback_need_a_word(void **state)
{
    static const char *const refused[] = {"0.0.0.0:0", "[::]:0", "10.0.0.1:80"};
    static const char *const wrong[] = {"",
                                        ":",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:http",
                                        "127.0.0.1:99999",
                                        "example.org:80",
                                        "[::1:80"};
    static const char *const fine[] = {":0", "127.0.0.2:0", "localhost:0"};
    struct err err = {0};
    struct http *http;

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        err = (struct err){0};
        assert_null(http_open(refused[i], false, page, NULL, &err));
        assert_string_equal(err.code, "HDE-C018");
        assert_non_null(strstr(err.text, "--insecure"));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err = (struct err){0};
        assert_null(http_open(wrong[i], true, page, NULL, &err));
        assert_string_equal(err.code, "HDE-C018");
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        err = (struct err){0};
        http = http_open(fine[i], false, page, NULL, &err);
        assert_non_null(http);
        assert_true(atoi(strrchr(http_address(http), ':') + 1) > 0);
        http_close(http);
    }
    http = http_open("0.0.0.0:0", true, page, NULL, &err);
    assert_non_null(http);
    http_close(http);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_request_gets_its_answer),
        cmocka_unit_test(garbage_and_endless_heads_are_refused),
        cmocka_unit_test(a_large_page_arrives_whole),
        cmocka_unit_test(more_connections_than_fit_are_closed_and_the_rest_is_served),
        cmocka_unit_test(addresses_outside_of_loopback_need_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
