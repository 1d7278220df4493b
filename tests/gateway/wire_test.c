/* SPDX-License-Identifier: Apache-2.0
 * wire_test - requests that are framed wrongly, slow clients, many clients. */
#include "check.h"
#include "rig.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS ((int64_t)1000000000)

static struct rig rig;

static int
open_patient(void **state)
{
    rig_open(&rig, 10 * SECOND_NS, NULL);
    rig_fill(&rig);
    return 0;
}

/* Cuts off after 300 ms. */
static int
open_impatient(void **state)
{
    rig_open(&rig, 3 * SECOND_NS / 10, NULL);
    rig_fill(&rig);
    return 0;
}

static int
close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

static void
assert_server_is_well(void)
{
    struct answer answer = rig_get(&rig, "/livez");

    assert_int_equal(answer.status, 200);
    answer_free(&answer);
}

/* ---- Framing ------------------------------------------------------------------------------ */

#define H "Host: localhost\r\n"
#define GET "GET /livez HTTP/1.1\r\n" H
#define END "\r\n"
#define ROW(name, text, status)                                                                    \
    {                                                                                              \
        name, text, sizeof(text) - 1, status                                                       \
    }
enum { CLOSED = 0, REFUSED = -1 }; /* no answer; 400 or no answer */

static const struct raw_case {
    const char *name, *bytes;
    size_t size;
    int status;
} raw_cases[] = {
    /* what is right, for comparison */
    ROW("plain", GET END, 200),
    ROW("lower-case field", "GET /livez HTTP/1.1\r\nhost: localhost\r\n" END, 200),
    ROW("field without a space", "GET /livez HTTP/1.1\r\nHost:localhost\r\n" END, 200),
    ROW("empty field", GET "X-Empty:\r\n" END, 200),
    ROW("space behind a field", GET "X-A: b \r\n" END, 200),
    ROW("HTTP/1.0 without Host", "GET /livez HTTP/1.0\r\n" END, 200),
    ROW("HTTP/1.0 without any field", "HEAD /livez HTTP/1.0\r\n\r\n", 200),
    ROW("absolute form", "GET http://localhost/livez HTTP/1.1\r\n" H END, 200),
    ROW("absolute form without a path", "GET http://localhost HTTP/1.1\r\n" H END, 400),
    ROW("Content-Length 0", GET "Content-Length: 0\r\n" END, 200),
    ROW("port in Host", "GET /livez HTTP/1.1\r\nHost: [::1]:8000\r\n" END, 200),
    ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" H END, 204),
    ROW("Expect without a body", GET "Expect: 100-continue\r\n" END, 200),
    ROW("unknown Expect", GET "Expect: a-miracle\r\n" END, 200),
    ROW("many values in If-None-Match", GET "If-None-Match: \"a\", W/\"b\", *\r\n" END, 200),
    ROW("empty lines first", "\r\n\r\n" GET END, 200),
    /* request line */
    ROW("GET *", "GET * HTTP/1.1\r\n" H END, 400),
    ROW("lower-case method", "get /livez HTTP/1.1\r\n" H END, 405),
    ROW("unknown method", "BREW /livez HTTP/1.1\r\n" H END, 405),
    ROW("CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n" H END, 400),
    ROW("two spaces", "GET  /livez HTTP/1.1\r\n" H END, REFUSED),
    ROW("tab", "GET\t/livez HTTP/1.1\r\n" H END, REFUSED),
    ROW("space in the target", "GET /liv ez HTTP/1.1\r\n" H END, REFUSED),
    ROW("no target", "GET HTTP/1.1\r\n" H END, REFUSED),
    ROW("nothing but a method", "GET\r\n" H END, REFUSED),
    ROW("HTTP/0.9", "GET /livez\r\n" H END, REFUSED),
    ROW("HTTP/2.0", "GET /livez HTTP/2.0\r\n" H END, REFUSED),
    ROW("HTTP/9.9", "GET /livez HTTP/9.9\r\n" H END, REFUSED),
    ROW("HTTP/1.1x", "GET /livez HTTP/1.1x\r\n" H END, REFUSED),
    ROW("http/1.1", "GET /livez http/1.1\r\n" H END, REFUSED),
    ROW("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED),
    ROW("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", REFUSED),
    ROW("NUL in the target", "GET /livez\0x HTTP/1.1\r\n" H END, REFUSED),
    ROW("NUL before the target's end", "GET /v1/overall\0/../livez HTTP/1.1\r\n" H END, REFUSED),
    ROW("NUL in the query", "GET /livez?a\0b HTTP/1.1\r\n" H END, REFUSED),
    ROW("escaped NUL", "GET /livez%00 HTTP/1.1\r\n" H END, 400),
    ROW("control character in the target", "GET /li\x01vez HTTP/1.1\r\n" H END, 400),
    ROW("raw bytes that are not UTF-8", "GET /v1/sr/\xff HTTP/1.1\r\n" H END, 400),
    ROW("fragment", "GET /livez#x HTTP/1.1\r\n" H END, 400),
    ROW("no slash", "GET livez HTTP/1.1\r\n" H END, 400),
    ROW("https absolute form", "GET https://localhost/livez HTTP/1.1\r\n" H END, 400),
    /* Host */
    ROW("no Host", "GET /livez HTTP/1.1\r\n" END, 400),
    ROW("two Hosts", GET "Host: other\r\n" END, 400),
    ROW("the same Host twice", GET H END, 400),
    ROW("empty Host", "GET /livez HTTP/1.1\r\nHost:\r\n" END, 400),
    ROW("port is a word", "GET /livez HTTP/1.1\r\nHost: localhost:http\r\n" END, 400),
    ROW("two ports", "GET /livez HTTP/1.1\r\nHost: localhost:80:80\r\n" END, 400),
    ROW("user in Host", "GET /livez HTTP/1.1\r\nHost: a@localhost\r\n" END, 400),
    ROW("path in Host", "GET /livez HTTP/1.1\r\nHost: localhost/x\r\n" END, 400),
    ROW("space in Host", "GET /livez HTTP/1.1\r\nHost: local host\r\n" END, 400),
    ROW("list in Host", "GET /livez HTTP/1.1\r\nHost: a, b\r\n" END, 400),
    /* line ends and folding */
    ROW("bare LF behind the request line", "GET /livez HTTP/1.1\n" H END, 400),
    ROW("bare LF behind a field", "GET /livez HTTP/1.1\r\nHost: localhost\n" END, 400),
    ROW("bare LF between fields", "GET /livez HTTP/1.1\r\nHost: localhost\nX: y\r\n" END, 400),
    ROW("bare LF everywhere", "GET /livez HTTP/1.1\nHost: localhost\n\n", 400),
    ROW("bare LF at the end", GET "\n", 400),
    ROW("bare CR in a field", GET "X: a\rb\r\n" END, REFUSED),
    ROW("folded field", GET "X: a\r\n b\r\n" END, 400),
    ROW("folded with a tab", GET "X: a\r\n\tb\r\nY: z\r\n" END, 400),
    ROW("folded Host", "GET /livez HTTP/1.1\r\nHost: local\r\n host\r\n" END, 400),
    ROW("folded first line", "GET /livez HTTP/1.1\r\n Host: localhost\r\n" END, REFUSED),
    ROW("folded Content-Length", GET "Content-Length: 0\r\n 0\r\n" END, 400),
    /* fields */
    ROW("space before the colon", "GET /livez HTTP/1.1\r\nHost : localhost\r\n" END, 400),
    ROW("tab before the colon", GET "X\t: y\r\n" END, 400),
    ROW("no colon", GET "nonsense\r\n" END, 400),
    ROW("empty name", GET ": y\r\n" END, REFUSED),
    ROW("name is no token", GET "X(y): z\r\n" END, 400),
    ROW("name is not ASCII", GET "X\xc3\xa4: z\r\n" END, 400),
    ROW("NUL in a name", GET "X\0Y: z\r\n" END, REFUSED),
    ROW("NUL in a value", GET "X: y\0z\r\n" END, REFUSED),
    ROW("control character in a value", GET "X: y\x01z\r\n" END, 400),
    ROW("DEL in a value", GET "X: y\x7fz\r\n" END, 400),
    /* lengths: the ways to smuggle a request */
    ROW("TE and CL", GET "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n" END "0\r\n\r\n",
        400),
    ROW("CL and TE", GET "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" END "0\r\n\r\n",
        400),
    ROW("POST with TE and CL",
        "POST /livez HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END
        "0\r\n\r\n",
        400),
    ROW("two lengths", GET "Content-Length: 4\r\nContent-Length: 5\r\n" END "abcde", REFUSED),
    ROW("the same length twice", GET "Content-Length: 4\r\nContent-Length: 4\r\n" END "abcd",
        REFUSED),
    ROW("list of lengths", GET "Content-Length: 4, 4\r\n" END "abcd", REFUSED),
    ROW("+ before the length", GET "Content-Length: +4\r\n" END "abcd", REFUSED),
    ROW("- before the length", GET "Content-Length: -4\r\n" END, REFUSED),
    ROW("- before 0", GET "Content-Length: -0\r\n" END, REFUSED),
    ROW("hex length", GET "Content-Length: 0x4\r\n" END "abcd", REFUSED),
    ROW("length with a space", GET "Content-Length: 4 4\r\n" END "abcd", REFUSED),
    ROW("length with a point", GET "Content-Length: 4.0\r\n" END "abcd", REFUSED),
    ROW("empty length", GET "Content-Length:\r\n" END, REFUSED),
    ROW("length beyond 64 bits", GET "Content-Length: 99999999999999999999999\r\n" END, 413),
    ROW("length near 63 bits", GET "Content-Length: 9223372036854775807\r\n" END, REFUSED),
    ROW("space before the length's colon", GET "Content-Length : 4\r\n" END "abcd", 400),
    ROW("TE twice", GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END, 400),
    ROW("TE list", GET "Transfer-Encoding: gzip, chunked\r\n" END, 400),
    ROW("TE identity", GET "Transfer-Encoding: identity\r\n" END, 400),
    ROW("TE misspelt", GET "Transfer-Encoding: xchunked\r\n" END, 400),
    ROW("TE with vertical tab",
        GET "Transfer-Encoding: \x0b"
            "chunked\r\n" END,
        400),
    ROW("TE in HTTP/1.0",
        "GET /livez HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n" END "0\r\n\r\n", 400),
    ROW("body on GET", GET "Content-Length: 4\r\n" END "abcd", 400),
    ROW("chunked body on GET", GET "Transfer-Encoding: chunked\r\n" END "1\r\na\r\n0\r\n\r\n", 400),
    ROW("body on HEAD", "HEAD /livez HTTP/1.1\r\n" H "Content-Length: 1\r\n" END "a", 400),
    ROW("body on OPTIONS", "OPTIONS /livez HTTP/1.1\r\n" H "Content-Length: 1\r\n" END "a", 400),
    ROW("body on POST", "POST /livez HTTP/1.1\r\n" H "Content-Length: 4\r\n" END "abcd", 405),
    ROW("POST that waits for 100",
        "POST /livez HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n" END, 405),
    ROW("chunk size that overflows",
        "POST /livez HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" END
        "FFFFFFFFFFFFFFFFF\r\nx\r\n0\r\n\r\n",
        405),
};

static int
ask_raw(const struct raw_case *row)
{
    int fd = rig_connect(&rig), status;

    rig_send(fd, row->bytes, row->size);
    shutdown(fd, SHUT_WR);
    status = rig_read_status(fd);
    close(fd);
    return status;
}

static void
test_every_badly_framed_request_gets_its_answer(void **state)
{
    unsigned n_wrong = 0;

    for (size_t i = 0; i < sizeof raw_cases / sizeof *raw_cases; i++) {
        const struct raw_case *row = &raw_cases[i];
        int status = ask_raw(row);

        if (status == row->status ||
            (row->status == REFUSED && (status == 400 || status == 505 || status == CLOSED)))
            continue;
        print_error("%s: status %d instead of %d\n", row->name, status, row->status);
        n_wrong++;
    }
    assert_int_equal(n_wrong, 0);
    assert_server_is_well();
}

/* A second request behind a refused one must never be answered: that is what smuggling is. */
static void
test_nothing_behind_an_ambiguous_request_is_answered(void **state)
{
    for (size_t i = 0; i < sizeof raw_cases / sizeof *raw_cases; i++) {
        const struct raw_case *row = &raw_cases[i];
        static const char next[] = "GET /v1/overall HTTP/1.1\r\nHost: localhost\r\n\r\n";
        int fd, status;

        if (!strstr(row->bytes, "Content-Length") && !strstr(row->bytes, "Transfer-Encoding"))
            continue;
        if (row->status == 200)
            continue;
        fd = rig_connect(&rig);
        rig_send(fd, row->bytes, row->size);
        rig_send(fd, next, sizeof next - 1);
        rig_read_status(fd);
        status = rig_read_status(fd);
        if (status != CLOSED)
            fail_msg("%s: the request behind it was answered with %d", row->name, status);
        close(fd);
    }
    assert_server_is_well();
}

/* name and value of so many bytes behind a good request */
static int
ask_padded(const char *head, size_t target_pad, size_t field_pad, unsigned n_fields)
{
    hde_text text = {0};
    int fd = rig_connect(&rig), status;

    hde_text_puts(&text, head);
    for (size_t i = 0; i < target_pad; i++)
        hde_text_puts(&text, "a");
    hde_text_puts(&text, " HTTP/1.1\r\nHost: localhost\r\n");
    for (unsigned i = 0; i < n_fields; i++) {
        hde_text_printf(&text, "X-%u: ", i);
        for (size_t j = 0; j < field_pad; j++)
            hde_text_puts(&text, "a");
        hde_text_puts(&text, "\r\n");
    }
    hde_text_puts(&text, "\r\n");
    rig_send(fd, text.data, text.len);
    status = rig_read_status(fd);
    close(fd);
    hde_text_free(&text);
    return status;
}

static void
test_sizes_are_bounded(void **state)
{
    assert_int_equal(ask_padded("GET /v1/sr/", LIMIT_TARGET - 8, 0, 0), 404);
    assert_int_equal(ask_padded("GET /v1/sr/", LIMIT_TARGET - 6, 0, 0), 414);
    assert_int_equal(ask_padded("GET /v1/sr/", 40000, 0, 0), 414);
    assert_int_equal(ask_padded("GET /v1/sr/", 200000, 0, 0), 414);
    assert_int_equal(ask_padded("GET /livez", 0, 30000, 1), 200);
    assert_int_equal(ask_padded("GET /v1/overall?x=", 0, 34000, 1), 431);
    assert_int_equal(ask_padded("GET /v1/overall?x=", 0, 41000, 1), 431);
    assert_int_equal(ask_padded("GET /v1/overall?x=", 0, 200000, 1), 431);
    assert_int_equal(ask_padded("GET /v1/overall?x=", 0, 10, 90), 400);
    assert_int_equal(ask_padded("GET /v1/overall?x=", 0, 10, 200), 431);
    assert_int_equal(ask_padded("GET /v1/overall?x=", 0, 0, 10000), 431);
    assert_server_is_well();
}

static void
test_a_thousand_pipelined_requests_are_all_answered(void **state)
{
    int fd = rig_connect(&rig);
    hde_text text = {0};

    for (int i = 0; i < 1000; i++)
        hde_text_puts(&text, GET END);
    rig_send(fd, text.data, text.len);
    shutdown(fd, SHUT_WR);
    hde_text_clear(&text);
    for (;;) {
        char chunk[8192];
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);

        if (n <= 0)
            break;
        hde_text_put(&text, chunk, (size_t)n);
    }
    close(fd);
    {
        size_t n = 0;

        for (const char *s = text.data; s && (s = strstr(s, "HTTP/1.1 200 ")); s++)
            n++;
        assert_int_equal(n, 1000);
    }
    hde_text_free(&text);
}

static void
test_a_connection_serves_many_requests(void **state)
{
    int fd = rig_connect(&rig);

    for (int i = 0; i < 200; i++) {
        static const char ask[] = "GET /v1/option-chain/NIFTY HTTP/1.1\r\nHost: a\r\n\r\n";
        static const char bad[] = "GET /v1/option-chain/NONE?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";

        rig_send(fd, i % 2 ? bad : ask, i % 2 ? sizeof bad - 1 : sizeof ask - 1);
        assert_int_equal(rig_read_status(fd), i % 2 ? 404 : 200);
    }
    close(fd);
}

static uint64_t
next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed >> 16;
}

/* Odd rounds: a good request with some bytes replaced; even rounds: noise. */
static void
send_noise(int fd, int round, uint64_t *seed)
{
    static const char good[] = GET "If-None-Match: \"a\"\r\nContent-Length: 0\r\n" END;
    char bytes[512];
    size_t n = sizeof bytes;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)next_random(seed);
    if (round % 2) {
        n = sizeof good - 1;
        memcpy(bytes, good, n);
        for (int i = 0; i < 1 + round % 5; i++)
            bytes[next_random(seed) % n] = (char)next_random(seed);
    }
    rig_send(fd, bytes, n);
    shutdown(fd, SHUT_WR);
}

static void
test_random_bytes_never_hurt(void **state)
{
    enum { N = 400 };
    uint64_t seed = 88172645463325252u;
    int fd[N];

    for (int i = 0; i < N; i++) {
        fd[i] = rig_connect(&rig);
        send_noise(fd[i], i, &seed);
    }
    for (int i = 0; i < N; i++) {
        assert_true(rig_is_closed(fd[i]));
        close(fd[i]);
    }
    assert_server_is_well();
}

/* ---- Slow clients ------------------------------------------------------------------------- */

static int64_t
monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* True when the server has closed; waits at most ms for it. */
static bool
closes_within(int fd, int ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char chunk[4096];

    return poll(&poll_fd, 1, ms) == 1 && recv(fd, chunk, sizeof chunk, 0) <= 0;
}

/* Sends one byte at a time, 20 ms apart, until the server closes. */
static int64_t
drip(int fd, const char *bytes)
{
    int64_t began = monotonic_ns();

    for (size_t i = 0; monotonic_ns() - began < 10 * SECOND_NS; i++) {
        rig_send(fd, &bytes[i % strlen(bytes)], 1);
        if (closes_within(fd, 20))
            return monotonic_ns() - began;
    }
    fail_msg("the server let a client drip for ten seconds");
    return 0;
}

static void
test_a_head_that_drips_in_is_cut_off(void **state)
{
    int fd = rig_connect(&rig);

    rig_send(fd, "GET /livez HTTP/1.1\r\n", 21);
    assert_true(drip(fd, "X: y\r\n") < 5 * SECOND_NS);
    close(fd);
    assert_server_is_well();
}

static void
test_a_second_head_that_drips_in_is_cut_off_too(void **state)
{
    int fd = rig_connect(&rig);

    rig_send(fd, GET END, sizeof(GET END) - 1);
    assert_int_equal(rig_read_status(fd), 200);
    assert_true(drip(fd, "GET /livez HTTP/1.1\r\n") < 5 * SECOND_NS);
    close(fd);
    assert_server_is_well();
}

static void
test_silent_connections_are_closed(void **state)
{
    enum { N = 100 };
    int fd[N];

    for (int i = 0; i < N; i++)
        fd[i] = rig_connect(&rig);
    for (int i = 0; i < N; i++) {
        assert_true(closes_within(fd[i], 5000));
        close(fd[i]);
    }
    assert_server_is_well();
    rig_close(&rig);
    assert_true(rig.gateway.metrics.deadline_closed >= N);
    assert_int_equal(rig.gateway.metrics.connections, 0);
    open_impatient(state);
}

static void
test_a_client_that_does_not_read_is_cut_off(void **state)
{
    static const char ask[] = "GET /v1/option-chain/NIFTY?expiry=all HTTP/1.1\r\nHost: a\r\n\r\n";
    int fd = rig_connect(&rig), small = 4096;
    int64_t began = monotonic_ns();
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP | POLLHUP};

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int i = 0; i < 200; i++)
        rig_send(fd, ask, sizeof ask - 1); /* some 70 kB each: more than buffers hold */
    assert_int_equal(poll(&poll_fd, 1, 60000), 1);
    assert_true(monotonic_ns() - began < 60 * SECOND_NS);
    close(fd);
    assert_server_is_well();
}

static void
test_honest_clients_do_not_notice_the_slow(void **state)
{
    enum { N = 64 };
    int fd[N];

    for (int i = 0; i < N; i++) {
        fd[i] = rig_connect(&rig);
        rig_send(fd[i], "GET /livez HTT", 14);
        if (i % 8 == 0)
            assert_server_is_well();
    }
    for (int i = 0; i < N; i++)
        close(fd[i]);
}

/* ---- Many clients ------------------------------------------------------------------------- */

static void *
ask_often(void *failures)
{
    for (int i = 0; i < 10; i++) {
        static const char *const paths[] = {"/v1/option-chain/NIFTY", "/v1/overall", "/metrics",
                                            "/v1/charts/pcr/NIFTY", "/v1/sr/none"};
        char ask[128];
        int n = snprintf(ask, sizeof ask, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i % 5]);
        int fd = rig_connect(&rig);

        rig_send(fd, ask, (size_t)n);
        if (rig_read_status(fd) != (i % 5 == 4 ? 404 : 200))
            ++*(int *)failures;
        close(fd);
    }
    return NULL;
}

static void
test_64_clients_ask_while_data_flows_in(void **state)
{
    enum { N = 64 };
    pthread_t thread[N];
    int failures[N] = {0};

    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_often, &failures[i]), 0);
    for (int i = 0; i < 100; i++) {
        struct chain_spec near = {RIG_FEED, RIG_NEAR, RIG_NOW_NS + i * MINUTE_NS, 24000};

        rig_put(&rig, chain_enriched_new(&near));
        rig_put(&rig, chain_zones_new(&near));
    }
    for (int i = 0; i < N; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(failures[i], 0);
    }
}

int
main(void)
{
#define PATIENT(test) cmocka_unit_test_setup_teardown(test, open_patient, close_rig)
#define IMPATIENT(test) cmocka_unit_test_setup_teardown(test, open_impatient, close_rig)
    const struct CMUnitTest tests[] = {
        PATIENT(test_every_badly_framed_request_gets_its_answer),
        PATIENT(test_nothing_behind_an_ambiguous_request_is_answered),
        PATIENT(test_sizes_are_bounded),
        PATIENT(test_a_thousand_pipelined_requests_are_all_answered),
        PATIENT(test_a_connection_serves_many_requests),
        IMPATIENT(test_random_bytes_never_hurt),
        IMPATIENT(test_a_head_that_drips_in_is_cut_off),
        IMPATIENT(test_a_second_head_that_drips_in_is_cut_off_too),
        IMPATIENT(test_silent_connections_are_closed),
        IMPATIENT(test_a_client_that_does_not_read_is_cut_off),
        PATIENT(test_honest_clients_do_not_notice_the_slow),
        PATIENT(test_64_clients_ask_while_data_flows_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
