/* SPDX-License-Identifier: Apache-2.0 */
#include "control/http.h"
#include "base/arena.h"
#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 32, REQUEST_SIZE = 4096, DISCARD_SIZE = 256 * 1024, BACKLOG = 64 };
static const int64_t deadline_ns = 5 * (int64_t)NS_PER_S;

struct connection {
    int fd;              /* -1: free */
    bool answered, sent; /* sent: waits for the peer to close, so that it can read the answer */
    int64_t deadline;
    size_t in_len, out_done;
    hde_text out;
    char in[REQUEST_SIZE + 1];
};

struct http {
    int listener, epoll;
    http_handler *handler;
    void *arg;
    char address[80];
    unsigned n_open;
    struct connection connection[CONNECTIONS];
};

/* ---- Listening ---------------------------------------------------------------------------- */

/* "host:port", "[v6]:port", ":port" */
static bool
split_address(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t len;

    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(colon) > 6 || atoi(colon + 1) > 65535)
        return false;
    len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        len -= 2;
    }
    if (len >= size)
        return false;
    snprintf(host, size, "%.*s", (int)len, len ? address : "127.0.0.1");
    if (!len)
        snprintf(host, size, "127.0.0.1");
    *port = colon + 1;
    return true;
}

static bool
is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static void
name_address(struct http *http)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char host[48] = "?", port[8] = "?";

    if (getsockname(http->listener, (struct sockaddr *)&bound, &size) == 0)
        getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(http->address, sizeof http->address, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host,
             port);
}

static bool
listen_at(struct http *http, const char *address, bool insecure, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = CONNECTIONS};
    const char *port = NULL;
    char host[64];
    int one = 1;

    if (split_address(address, host, sizeof host, &port) && strcmp(host, "localhost") == 0)
        snprintf(host, sizeof host, "127.0.0.1");
    if (!port || getaddrinfo(host, port, &hints, &found) != 0)
        return err_set(err, "HDE-C018",
                       "'%s' is not ADDRESS:PORT (a number such as 127.0.0.1:9100)", address);
    if (!insecure && !is_loopback(found->ai_addr)) {
        freeaddrinfo(found);
        return err_set(err, "HDE-C018",
                       "'%s' is reachable from outside and this port asks for no password: use "
                       "127.0.0.1, or say --insecure",
                       address);
    }
    http->listener = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (http->listener < 0 ||
        setsockopt(http->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(http->listener, found->ai_addr, found->ai_addrlen) ||
        listen(http->listener, BACKLOG) ||
        epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->listener, &event))
        err_set(err, "HDE-C018", "cannot listen on '%s': %s", address, strerror(errno));
    else
        name_address(http);
    freeaddrinfo(found);
    return !err_is_set(err);
}

struct http *
http_open(const char *address, bool insecure, http_handler *handler, void *arg, struct err *err)
{
    struct http *http = xcalloc(1, sizeof *http);
    struct err own = {0};

    http->listener = -1;
    http->handler = handler;
    http->arg = arg;
    for (int i = 0; i < CONNECTIONS; i++)
        http->connection[i].fd = -1;
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!listen_at(http, address, insecure, &own)) {
        err_set(err, own.code, "%s", own.text);
        http_close(http);
        return NULL;
    }
    return http;
}

static void
drop(struct http *http, struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    hde_text_free(&c->out);
    http->n_open--;
}

void
http_close(struct http *http)
{
    if (!http)
        return;
    for (int i = 0; i < CONNECTIONS; i++)
        if (http->connection[i].fd >= 0)
            drop(http, &http->connection[i]);
    if (http->listener >= 0)
        close(http->listener);
    close(http->epoll);
    free(http);
}

const char *
http_address(const struct http *http)
{
    return http->address;
}

int
http_fd(const struct http *http)
{
    return http->epoll;
}

bool
http_busy(const struct http *http)
{
    return http->n_open > 0;
}

/* ---- A request ---------------------------------------------------------------------------- */

static const char *
reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

static void
answer(struct connection *c, struct http_reply *reply, bool with_body)
{
    hde_text_printf(&c->out,
                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                    "Cache-Control: no-store\r\nConnection: close\r\n%s\r\n",
                    reply->status, reason(reply->status), reply->type, reply->body.len,
                    reply->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (with_body && reply->body.len)
        hde_text_put(&c->out, reply->body.data, reply->body.len);
    hde_text_free(&reply->body);
    c->answered = true;
}

static void
refuse(struct connection *c, int status)
{
    struct http_reply reply = {.status = status, .type = "text/plain; charset=utf-8"};

    hde_text_printf(&reply.body, "%s\n", reason(status));
    answer(c, &reply, true);
}

/* The head is complete: "METHOD SP TARGET SP HTTP/1.x CRLF ..." */
static void
handle(struct http *http, struct connection *c)
{
    struct http_reply reply = {.status = 200, .type = "text/plain; charset=utf-8"};
    char *line_end = strstr(c->in, "\r\n"), *target, *version;
    bool head;

    *line_end = 0;
    target = strchr(c->in, ' ');
    version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || target[1] != '/' || strncmp(version + 1, "HTTP/1.", 7) != 0) {
        refuse(c, 400);
        return;
    }
    *target++ = 0;
    *version = 0;
    head = strcmp(c->in, "HEAD") == 0;
    if (!head && strcmp(c->in, "GET") != 0) {
        refuse(c, 405);
        return;
    }
    target[strcspn(target, "?#")] = 0;
    http->handler(http->arg, target, &reply);
    answer(c, &reply, !head);
}

/* False: the connection is done. */
static bool
receive(struct http *http, struct connection *c)
{
    while (!c->answered) {
        ssize_t n = recv(c->fd, c->in + c->in_len, REQUEST_SIZE - c->in_len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        if (n == 0)
            return false;
        c->in_len += (size_t)n;
        c->in[c->in_len] = 0;
        if (memchr(c->in, 0, c->in_len))
            refuse(c, 400);
        else if (strstr(c->in, "\r\n\r\n"))
            handle(http, c);
        else if (c->in_len == REQUEST_SIZE)
            refuse(c, 431);
    }
    return true;
}

static bool
transmit(struct connection *c)
{
    while (c->out_done < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->out_done, c->out.len - c->out_done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        c->out_done += (size_t)n;
    }
    if (c->answered && !c->sent) {
        c->sent = true;
        shutdown(c->fd, SHUT_WR);
    }
    return true;
}

/* Behind the answer: false when the peer has closed, or goes on sending. */
static bool
discard(struct connection *c)
{
    ssize_t n = recv(c->fd, c->in, REQUEST_SIZE, 0);

    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    c->in_len += (size_t)n;
    return c->in_len < DISCARD_SIZE;
}

static void
serve_one(struct http *http, unsigned i)
{
    struct connection *c = &http->connection[i];
    struct epoll_event event = {.data.u32 = i};

    if (c->fd < 0)
        return;
    if (!(c->sent ? discard(c) : c->answered || receive(http, c)) || !transmit(c)) {
        drop(http, c);
        return;
    }
    event.events = c->answered && !c->sent ? EPOLLOUT : EPOLLIN;
    epoll_ctl(http->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void
accept_all(struct http *http)
{
    int fd;

    while ((fd = accept4(http->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN};
        struct connection *c = http->connection;

        while (c < http->connection + CONNECTIONS && c->fd >= 0)
            c++;
        event.data.u32 = (uint32_t)(c - http->connection);
        if (event.data.u32 == CONNECTIONS || epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event)) {
            close(fd);
            continue;
        }
        c->fd = fd;
        c->answered = c->sent = false;
        c->in_len = c->out_done = 0;
        c->deadline = clock_mono_ns() + deadline_ns;
        http->n_open++;
    }
}

void
http_serve(struct http *http)
{
    struct epoll_event events[CONNECTIONS + 1];
    int n = epoll_wait(http->epoll, events, CONNECTIONS + 1, 0);
    int64_t now = clock_mono_ns();

    for (int i = 0; i < n; i++)
        if (events[i].data.u32 != CONNECTIONS)
            serve_one(http, events[i].data.u32);
    for (int i = 0; i < CONNECTIONS; i++)
        if (http->connection[i].fd >= 0 && now > http->connection[i].deadline)
            drop(http, &http->connection[i]);
    accept_all(http); /* last: those that closed have made room */
}
