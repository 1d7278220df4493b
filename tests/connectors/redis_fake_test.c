/* SPDX-License-Identifier: Apache-2.0
 * Tests of connectors/redis against a server that answers garbage, half replies, endless ones. */
#include <connectors/redis.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { REPLY_MAX = 1 << 20 };

/* ---- The server --------------------------------------------------------------------------- */

enum ending { CLOSE, HOLD, STREAM, REPEAT };

struct part { /* what the server plays */
    char table[256], bytes[256]; /* the answer to CLUSTER SLOTS, and to what follows */
    size_t size;
    enum ending ending;
};

static struct fake {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t lock; /* guards next */
    struct part next;     /* of the connections from now on */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
play(const char *table, const char *bytes, size_t size, enum ending ending)
{
    pthread_mutex_lock(&fake.lock);
    snprintf(fake.next.table, sizeof fake.next.table, "%s", table);
    memcpy(fake.next.bytes, bytes, size);
    fake.next.size = size;
    fake.next.ending = ending;
    pthread_mutex_unlock(&fake.lock);
}

static bool
say(int fd, const char *bytes, size_t size)
{
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* One connection, until the client closes it. */
static void
serve(int fd)
{
    char bytes[4096], many[65536];
    bool is_first = true, is_done = false;
    struct part part;

    pthread_mutex_lock(&fake.lock);
    part = fake.next;
    pthread_mutex_unlock(&fake.lock);
    memset(many, 'x', sizeof many);
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
        if (is_first) {
            is_first = false;
            say(fd, part.table, strlen(part.table));
        } else if (!is_done || part.ending == REPEAT) {
            say(fd, part.bytes, part.size);
            is_done = true;
            if (part.ending == CLOSE)
                return;
            while (part.ending == STREAM && say(fd, many, sizeof many))
                ;
        }
    }
}

static void *
run_fake(void *arg)
{
    int fd;

    while ((fd = accept(fake.fd, NULL, NULL)) >= 0) {
        serve(fd);
        close(fd);
    }
    return NULL;
}

static int
start(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    fake.fd = socket(AF_INET, SOCK_STREAM, 0);
    return bind(fake.fd, (struct sockaddr *)&address, size) || listen(fake.fd, 64) ||
           getsockname(fake.fd, (struct sockaddr *)&address, &size) ||
           (fake.port = ntohs(address.sin_port), 0) ||
           pthread_create(&fake.thread, NULL, run_fake, NULL);
}

static int
stop(void **state)
{
    shutdown(fake.fd, SHUT_RDWR);
    pthread_join(fake.thread, NULL);
    close(fake.fd);
    return 0;
}

/* ---- The client --------------------------------------------------------------------------- */

static enum redis_trouble
ask(int64_t timeout_ms, struct redis_error *error)
{
    char url[64];
    struct redis_options options = {.url = url, .reply_max = REPLY_MAX};
    struct redis_command command = redis_words("GET", "foo", NULL);
    struct redis *redis;
    redisReply *reply;

    snprintf(url, sizeof url, "redis://127.0.0.1:%d", fake.port);
    *error = (struct redis_error){0};
    redis = redis_new(&options, error);
    reply = redis_call(redis, &command, timeout_ms, error);
    freeReplyObject(reply);
    redis_free(redis);
    return reply ? REDIS_TROUBLE_NONE : error->kind;
}

#define NO_CLUSTER "-ERR This instance has cluster support disabled\r\n"
#define TEN "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"

static void
test_whatever_a_server_answers_is_a_reply_or_a_named_error(void **state)
{
    static const struct {
        const char *bytes;
        enum ending ending;
        enum redis_trouble kind;
    } rows[] = {
        {"$3\r\nfoo\r\n", HOLD, REDIS_TROUBLE_NONE},
        {"$-1\r\n", HOLD, REDIS_TROUBLE_NONE},
        {"*-1\r\n", HOLD, REDIS_TROUBLE_NONE},
        {"*0\r\n", HOLD, REDIS_TROUBLE_NONE},
        {"$0\r\n\r\n", CLOSE, REDIS_TROUBLE_NONE},
        {"", CLOSE, REDIS_TROUBLE_AWAY},
        {"", HOLD, REDIS_TROUBLE_LATE},
        {"$", HOLD, REDIS_TROUBLE_LATE},
        {"$3\r\nfo", HOLD, REDIS_TROUBLE_LATE},
        {"$3\r\nfo", CLOSE, REDIS_TROUBLE_AWAY},
        {"*2\r\n$3\r\nfoo\r\n", CLOSE, REDIS_TROUBLE_AWAY},
        {"+OK", CLOSE, REDIS_TROUBLE_AWAY},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"%1\r\n+a\r\n+b\r\n", HOLD, REDIS_TROUBLE_BROKEN}, /* a map of RESP3 */
        {"$-2\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"$x\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"$99999999999999999999\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"$9223372036854775807\r\n", STREAM, REDIS_TROUBLE_BROKEN},
        {"$2000000\r\n", STREAM, REDIS_TROUBLE_BROKEN},
        {"+", STREAM, REDIS_TROUBLE_BROKEN},
        {"*-2\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"*2147483647\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"*4294967297\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"*1000000\r\n", STREAM, REDIS_TROUBLE_BROKEN},
        {TEN TEN, HOLD, REDIS_TROUBLE_BROKEN},
        {":12x\r\n", HOLD, REDIS_TROUBLE_BROKEN},
        {"-\r\n", HOLD, REDIS_TROUBLE_REFUSED},
        {"-OOM command not allowed\r\n", HOLD, REDIS_TROUBLE_FULL},
        {"-LOADING Redis is loading\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED 5\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED x 127.0.0.1:1\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED 16384 127.0.0.1:1\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED 5 127.0.0.1:99999\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED 5 127.0.0.1:0\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-ASK 5 127.0.0.1\r\n", HOLD, REDIS_TROUBLE_BUSY},
        {"-MOVED 5 127.0.0.1:1\r\n", HOLD, REDIS_TROUBLE_AWAY}, /* nobody is there */
    };
    struct redis_error error;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        play(NO_CLUSTER, rows[i].bytes, strlen(rows[i].bytes), rows[i].ending);
        if (ask(rows[i].kind == REDIS_TROUBLE_LATE ? 200 : 10000, &error) != rows[i].kind)
            fail_msg("row %zu '%.20s': %d %s", i, rows[i].bytes, error.kind, error.text);
    }
}

static void
test_a_server_that_points_to_itself_for_ever_is_given_up(void **state)
{
    char bytes[64];
    struct redis_error error;

    snprintf(bytes, sizeof bytes, "-MOVED 12182 127.0.0.1:%d\r\n", fake.port);
    play(NO_CLUSTER, bytes, strlen(bytes), REPEAT);
    assert_int_equal(ask(10000, &error), REDIS_TROUBLE_BUSY);
}

static void
test_a_strange_table_of_slots_does_not_keep_a_command_from_its_server(void **state)
{
    static const char *const tables[] = {
        "*0\r\n",
        "*-1\r\n",
        "+OK\r\n",
        "$3\r\nfoo\r\n",
        "*1\r\n:5\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*3\r\n:0\r\n:16383\r\n$-1\r\n",
        "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\nx\r\n:99999\r\n",
        "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n",
        "*1\r\n*3\r\n:-5\r\n:99999999999\r\n*2\r\n$1\r\nx\r\n:7\r\n",
        "*1\r\n*3\r\n:9\r\n:2\r\n*2\r\n$0\r\n\r\n:7\r\n",
    };
    struct redis_error error;

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        play(tables[i], "$3\r\nfoo\r\n", 9, HOLD);
        if (ask(10000, &error) != REDIS_TROUBLE_NONE)
            fail_msg("table %zu: %s", i, error.text);
    }
}

static void
test_random_changes_of_a_reply_end_in_a_reply_or_an_error(void **state)
{
    static const char whole[] = "*3\r\n$3\r\nfoo\r\n:1234\r\n*2\r\n+OK\r\n-ERR x\r\n";
    const char *given = getenv("HDE_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    char bytes[sizeof whole];
    struct redis_error error;
    size_t size;

    print_message("HDE_SEED=%u\n", seed);
    srand(seed);
    for (int run = 0; run < 1500; run++) {
        memcpy(bytes, whole, sizeof whole);
        size = 1 + (size_t)rand() % (sizeof whole - 1);
        for (int i = rand() % 4; i > 0; i--)
            bytes[(size_t)rand() % size] = "\r\n$*:+-0123456789\0xyz"[rand() % 21];
        play(NO_CLUSTER, bytes, size, CLOSE);
        if (ask(10000, &error) != REDIS_TROUBLE_NONE && !strstr(error.text, "HDE-D0"))
            fail_msg("seed %u, run %d: '%s'", seed, run, error.text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whatever_a_server_answers_is_a_reply_or_a_named_error),
        cmocka_unit_test(test_a_server_that_points_to_itself_for_ever_is_given_up),
        cmocka_unit_test(test_a_strange_table_of_slots_does_not_keep_a_command_from_its_server),
        cmocka_unit_test(test_random_changes_of_a_reply_end_in_a_reply_or_an_error),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
