/* SPDX-License-Identifier: Apache-2.0
 * server - the connection to one server. hiredis parses; bytes are moved here, so that every wait
 * has a deadline and every reply a bound.
 *
 *  (1) Replies come in the order of commands. After anything else than a whole reply in time the
 *      connection is closed, so no call ever gets the reply of another.
 *      [tests/connectors/redis_fake_test.c]
 *  (2) What a server sends is held only up to reply_max, whatever it announces. [same]
 *  (3) Nothing is sent on a connection that the other end has closed while it was idle: a restart
 *      of the server costs no call. [tests/connectors/redis_test.c] */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS ((int64_t)1000000)
enum { PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 5000, CHUNK = 16 << 10, ELEMENT_MIN = 16 };

int64_t
redis_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

/* ---- Errors ------------------------------------------------------------------------------- */

const char *
redis_trouble_code(enum redis_trouble kind)
{
    static const char *const codes[] = {
        [REDIS_TROUBLE_NONE] = "",           [REDIS_TROUBLE_URL] = "HDE-D001",
        [REDIS_TROUBLE_AWAY] = "HDE-D002",   [REDIS_TROUBLE_LATE] = "HDE-D003",
        [REDIS_TROUBLE_DENIED] = "HDE-D004", [REDIS_TROUBLE_BUSY] = "HDE-D005",
        [REDIS_TROUBLE_FULL] = "HDE-D006",   [REDIS_TROUBLE_BROKEN] = "HDE-D007",
        [REDIS_TROUBLE_SLOTS] = "HDE-D008",  [REDIS_TROUBLE_LOST] = "HDE-D009",
        [REDIS_TROUBLE_REFUSED] = "HDE-D010",
    };

    return codes[kind];
}

bool
redis_fail(struct redis_error *error, enum redis_trouble kind, const char *fmt, ...)
{
    int n;
    va_list args;

    if (!error)
        return false;
    error->kind = kind;
    n = snprintf(error->text, sizeof error->text, "%s: ", redis_trouble_code(kind));
    va_start(args, fmt);
    vsnprintf(error->text + n, sizeof error->text - (size_t)n, fmt, args);
    va_end(args);
    return false;
}

const char *
server_name(const struct server *server, char out[URL_HOST + 8])
{
    const char *host = server->place.host;

    if (server->place.port == 0)
        snprintf(out, URL_HOST + 8, "%s", host);
    else
        snprintf(out, URL_HOST + 8, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host,
                 server->place.port);
    return out;
}

/* ---- Parser ------------------------------------------------------------------------------- */

static void *
bounded_array(const redisReadTask *task, int elements)
{
    struct server *server = task->privdata;

    if (elements > 0 && (size_t)elements > server->settings->reply_max / ELEMENT_MIN) {
        server->is_over = true;
        return NULL;
    }
    return server->plain_array(task, elements);
}

static bool
broken(struct server *server, struct redis_error *error, const char *why)
{
    return server_cut(server, error, REDIS_TROUBLE_BROKEN, why);
}

/* 1: a whole reply, 0: more bytes are needed, -1: cut. */
static int
parse(struct server *server, redisReply **reply, struct redis_error *error)
{
    void *object = NULL;
    char why[160];

    if (redisReaderGetReply(server->reader, &object) != REDIS_OK) {
        snprintf(why, sizeof why, "the answer is no Redis protocol: %.120s",
                 server->reader->errstr);
        broken(server, error,
               server->is_over ? "the answer has more elements than the bound" : why);
        return -1;
    }
    if (!object)
        return 0;
    server->read = 0;
    *reply = object;
    return 1;
}

/* ---- Socket ------------------------------------------------------------------------------- */

static void
start_parser(struct server *server)
{
    server->reader = redisReaderCreate();
    if (!server->reader)
        hde_no_memory();
    server->functions = *server->reader->fn;
    server->plain_array = server->functions.createArray;
    server->functions.createArray = bounded_array;
    server->reader->fn = &server->functions;
    server->reader->privdata = server;
    server->read = 0;
    server->is_over = false;
    server->sent = 0;
    hde_text_clear(&server->out);
}

void
server_init(struct server *server, const struct settings *settings, const struct place *place)
{
    *server = (struct server){.settings = settings, .place = *place, .fd = -1};
}

static void
disconnect(struct server *server)
{
    if (server->fd >= 0)
        close(server->fd);
    if (server->reader)
        redisReaderFree(server->reader);
    server->fd = -1;
    server->reader = NULL;
    server->owed = 0;
}

void
server_fini(struct server *server)
{
    disconnect(server);
    hde_text_free(&server->out);
}

void
server_abandon(struct server *server)
{
    if (server->owed)
        disconnect(server);
}

bool
server_cut(struct server *server, struct redis_error *error, enum redis_trouble kind,
           const char *why)
{
    char name[URL_HOST + 8];
    int64_t now = redis_now_ns(), pause = 2 * server->pause_ms;

    disconnect(server);
    pause = pause < PAUSE_FIRST_MS ? PAUSE_FIRST_MS : pause > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause;
    server->pause_ms = pause;
    /* Spread over a fifth to either side: clients do not come back all at once. */
    server->next_try_ns = now + pause * NS_PER_MS * (80 + now % 41) / 100;
    if (why != server->why)
        snprintf(server->why, sizeof server->why, "%s", why);
    return redis_fail(error, kind, "%.200s: %s", server_name(server, name), server->why);
}

/* Waits until the socket is ready for some of `events`; 0 at the deadline. */
static int
wait_for(const struct server *server, short events, int64_t deadline_ns)
{
    struct pollfd ready = {.fd = server->fd, .events = events};
    int64_t left;
    int n;

    do {
        left = (deadline_ns - redis_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
        n = left <= 0 ? 0 : poll(&ready, 1, left > 60000 ? 60000 : (int)left);
    } while ((n < 0 && errno == EINTR) || (n == 0 && left > 0));
    return n > 0 ? ready.revents : 0;
}

/* 0, or the errno of why not. */
static int
connect_to(struct server *server, const struct sockaddr *address, socklen_t size,
           int64_t deadline_ns)
{
    int one = 1, failed = 0;
    socklen_t n = sizeof failed;

    server->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->fd < 0)
        return errno;
    if (address->sa_family != AF_UNIX) {
        setsockopt(server->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(server->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    if (connect(server->fd, address, size) == 0)
        return 0;
    failed = errno;
    if (failed == EINPROGRESS) {
        if (!wait_for(server, POLLOUT, deadline_ns))
            failed = ETIMEDOUT;
        else if (getsockopt(server->fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0)
            failed = errno;
    }
    if (failed) {
        close(server->fd);
        server->fd = -1;
    }
    return failed;
}

static int
connect_path(struct server *server, int64_t deadline_ns)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, server->place.host,
           strnlen(server->place.host, sizeof address.sun_path - 1));
    return connect_to(server, (struct sockaddr *)&address, sizeof address, deadline_ns);
}

static bool
open_socket(struct server *server, int64_t deadline_ns, struct redis_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    char port[12];
    int failed = 0;

    if (server->place.port == 0) {
        failed = connect_path(server, deadline_ns);
    } else {
        snprintf(port, sizeof port, "%d", server->place.port);
        failed = getaddrinfo(server->place.host, port, &hints, &list);
        if (failed)
            return server_cut(server, error, REDIS_TROUBLE_AWAY, gai_strerror(failed));
        for (struct addrinfo *at = list; at; at = at->ai_next)
            if ((failed = connect_to(server, at->ai_addr, at->ai_addrlen, deadline_ns)) == 0)
                break;
        freeaddrinfo(list);
    }
    if (failed)
        return server_cut(server, error,
                          failed == ETIMEDOUT ? REDIS_TROUBLE_LATE : REDIS_TROUBLE_AWAY,
                          strerror(failed));
    start_parser(server);
    return true;
}

/* ---- Exchange ----------------------------------------------------------------------------- */

void
server_put(struct server *server, const struct redis_command *command)
{
    hde_text *out = &server->out;

    if (server->sent == out->len) {
        hde_text_clear(out);
        server->sent = 0;
    }
    server->owed++;
    hde_text_printf(out, "*%zu\r\n", command->n);
    for (size_t i = 0; i < command->n; i++) {
        hde_text_printf(out, "$%zu\r\n", command->arg[i].size);
        hde_text_put(out, command->arg[i].bytes, command->arg[i].size);
        hde_text_put(out, "\r\n", 2);
    }
}

bool
server_push(struct server *server, struct redis_error *error)
{
    while (server->sent < server->out.len) {
        ssize_t n = send(server->fd, server->out.data + server->sent,
                         server->out.len - server->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n < 0)
            return server_cut(server, error, REDIS_TROUBLE_AWAY, strerror(errno));
        server->sent += (size_t)n;
    }
    return true;
}

/* Takes what has come. */
static bool
pull(struct server *server, struct redis_error *error)
{
    char bytes[CHUNK];
    ssize_t n;

    do
        n = recv(server->fd, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return true;
    if (n <= 0)
        return server_cut(server, error, REDIS_TROUBLE_AWAY,
                          n < 0 ? strerror(errno) : "the server has closed the connection");
    server->read += (size_t)n;
    if (server->read > server->settings->reply_max + CHUNK)
        return broken(server, error, "the answer is larger than the bound");
    if (redisReaderFeed(server->reader, bytes, (size_t)n) != REDIS_OK)
        return broken(server, error, server->reader->errstr);
    return true;
}

int
server_try_reply(struct server *server, redisReply **reply, int64_t deadline_ns,
                 struct redis_error *error)
{
    int got;

    while ((got = parse(server, reply, error)) == 0) {
        bool is_sent = server->sent == server->out.len;
        int ready = wait_for(server, is_sent ? POLLIN : POLLIN | POLLOUT, deadline_ns);

        if (!ready)
            return 0;
        if (ready & POLLOUT && !server_push(server, error))
            return -1;
        if (ready & ~POLLOUT && !pull(server, error))
            return -1;
    }
    return got;
}

bool
server_reply(struct server *server, redisReply **reply, int64_t deadline_ns,
             struct redis_error *error)
{
    int got = server_try_reply(server, reply, deadline_ns, error);

    if (got == 0)
        return server_cut(server, error, REDIS_TROUBLE_LATE, "no answer before the deadline");
    server->owed -= got > 0;
    return got > 0;
}

/* ---- Greeting ----------------------------------------------------------------------------- */

static bool
greet_with(struct server *server, const struct redis_command *command, int64_t deadline_ns,
           struct redis_error *error)
{
    redisReply *reply;
    struct redis_error said;
    char why[128];
    bool is_good;

    server_put(server, command);
    if (!server_reply(server, &reply, deadline_ns, error))
        return false;
    is_good = redis_is_good(reply, &said);
    freeReplyObject(reply);
    if (is_good)
        return true;
    snprintf(why, sizeof why, "%.127s", strchr(said.text, ' ') + 1);
    return server_cut(server, error, said.kind, why);
}

static bool
greet(struct server *server, int64_t deadline_ns, struct redis_error *error)
{
    const struct url *url = &server->settings->url;
    struct redis_command auth = redis_words("AUTH", NULL), choose = redis_words("SELECT", NULL);
    char number[12];

    if (url->user[0])
        redis_add(&auth, url->user, strlen(url->user));
    redis_add(&auth, url->password, strlen(url->password));
    if (url->password[0] && !greet_with(server, &auth, deadline_ns, error))
        return false;
    snprintf(number, sizeof number, "%d", url->database);
    redis_add(&choose, number, strlen(number));
    return !url->database || greet_with(server, &choose, deadline_ns, error);
}

/* Whether the other end is still there, and has said nothing that nobody asked. */
static bool
is_open(const struct server *server)
{
    char byte;

    return server->fd >= 0 && recv(server->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool
server_connect(struct server *server, int64_t deadline_ns, struct redis_error *error)
{
    char name[URL_HOST + 8];
    int64_t now;

    if (is_open(server))
        return true;
    disconnect(server);
    now = redis_now_ns();
    if (now < server->next_try_ns)
        return redis_fail(error, REDIS_TROUBLE_AWAY, "%.160s: %s; the next try is in %lld ms",
                          server_name(server, name), server->why,
                          (long long)((server->next_try_ns - now) / NS_PER_MS + 1));
    if (!open_socket(server, deadline_ns, error) || !greet(server, deadline_ns, error))
        return false;
    server->pause_ms = 0;
    server->connects++;
    return true;
}
