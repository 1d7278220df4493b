/* SPDX-License-Identifier: Apache-2.0
 * server - one HTTP listener on libmicrohttpd.
 *
 *  (1) A page is queued in the second call of the handler: queued in the first, libmicrohttpd
 *      closes the connection behind it. That is done on purpose for requests whose framing cannot
 *      be trusted, or whose body nobody will read.
 *  (2) Every connection has a deadline, always: for the head of the request from the moment the
 *      connection came or its last answer was sent, and for the answer from the moment it was
 *      queued, by its size. A keep-alive connection that stays quiet is closed by the same rule.
 *  (3) A connection is in server->connections from its STARTED to its CLOSED notice. Its socket is
 *      open all that time, so the deadline thread may shut it down under the lock.
 *
 *      accepted -> READING --head complete--> ANSWERING --answer sent--> READING ... -> closed
 *                     '------- deadline: shutdown() by the deadline thread -------'
 */
#include "server.h"

#include "wire.h"

#include <hde/text.h>
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

enum { BYTES_PER_S_MIN = 16 * 1024, BACKLOG = 511 };
#define NS_PER_S ((int64_t)1000000000)

struct connection {
    struct connection *next, **at; /* list of the server, under its lock */
    int fd;
    _Atomic int64_t deadline_ns; /* monotonic; relaxed: read late at worst */
    bool hung_up;                /* by the deadline thread, under the lock */

    /* The request that is being read or answered. */
    bool has_head, is_counted;
    const char *target; /* in libmicrohttpd's memory; only its address and size are used later */
    size_t target_size, route;
    char raw[LIMIT_TARGET + 1];
    enum method method;
    int status;
    int64_t began_ns;
};

struct server {
    struct gateway *gateway;
    struct MHD_Daemon *daemon;
    int64_t timeout_ns;
    char url[96];
    struct target target; /* scratch of the HTTP thread */
    uint64_t trace[2];    /* state of the generator of trace ids */

    pthread_t thread; /* hangs up on the slow */
    bool has_thread;
    pthread_mutex_t lock; /* guards connections, is_stopping, deadline_closed */
    pthread_cond_t changed;
    struct connection *connections;
    bool is_stopping;
    uint64_t deadline_closed;
};

static int64_t
monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* ---- Deadlines ---------------------------------------------------------------------------- */

static void
set_deadline(struct connection *connection, int64_t deadline_ns)
{
    atomic_store_explicit(&connection->deadline_ns, deadline_ns, memory_order_relaxed);
}

/* Hangs up on those whose time has come; gives the next deadline. Under the lock. What a client
 * has not read yet is thrown away with the connection: it would keep the kernel's memory. */
static int64_t
hang_up_late(struct server *server, int64_t now_ns)
{
    static const struct linger no_linger = {.l_onoff = 1};
    int64_t next = INT64_MAX;

    for (struct connection *c = server->connections; c; c = c->next) {
        int64_t deadline = atomic_load_explicit(&c->deadline_ns, memory_order_relaxed);

        if (c->hung_up)
            continue;
        if (deadline <= now_ns) {
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &no_linger, sizeof no_linger);
            shutdown(c->fd, SHUT_RDWR);
            c->hung_up = true;
            server->deadline_closed++;
        } else if (deadline < next) {
            next = deadline;
        }
    }
    return next;
}

static void *
watch_deadlines(void *arg)
{
    struct server *server = arg;

    pthread_mutex_lock(&server->lock);
    while (!server->is_stopping) {
        int64_t next = hang_up_late(server, monotonic_ns());
        struct timespec until = {next / NS_PER_S, next % NS_PER_S};

        if (next == INT64_MAX)
            pthread_cond_wait(&server->changed, &server->lock);
        else
            pthread_cond_timedwait(&server->changed, &server->lock, &until);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* ---- Connections -------------------------------------------------------------------------- */

static struct connection *
connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info->socket_context;
}

static struct connection *
connection_open(struct server *server, int fd)
{
    struct connection *connection = malloc(sizeof *connection);

    if (!connection)
        hde_no_memory();
    memset(connection, 0, offsetof(struct connection, raw));
    connection->fd = fd;
    atomic_init(&connection->deadline_ns, monotonic_ns() + server->timeout_ns);
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    connection->at = &server->connections;
    if (connection->next)
        connection->next->at = &connection->next;
    else
        pthread_cond_signal(&server->changed); /* the deadline thread had nobody to watch */
    server->connections = connection;
    pthread_mutex_unlock(&server->lock);
    server->gateway->metrics.connections_total++;
    server->gateway->metrics.connections++;
    return connection;
}

static void
connection_close(struct server *server, struct connection *connection)
{
    pthread_mutex_lock(&server->lock);
    *connection->at = connection->next;
    if (connection->next)
        connection->next->at = connection->at;
    server->gateway->metrics.deadline_closed = server->deadline_closed;
    pthread_mutex_unlock(&server->lock);
    server->gateway->metrics.connections--;
    free(connection);
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
              enum MHD_ConnectionNotificationCode code)
{
    struct server *server = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

        *context = connection_open(server, info->connect_fd);
    } else if (*context) {
        connection_close(server, *context);
        *context = NULL;
    }
}

/* ---- Requests ----------------------------------------------------------------------------- */

/* The target as it was sent; libmicrohttpd changes it in place afterwards. */
static void *
on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct connection *connection = connection_of(mhd);
    size_t kept;

    connection->has_head = false;
    connection->target = target;
    connection->target_size = strlen(target);
    kept = connection->target_size < LIMIT_TARGET ? connection->target_size : LIMIT_TARGET;
    memcpy(connection->raw, target, kept);
    connection->raw[kept] = '\0';
    return connection;
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **context,
             enum MHD_RequestTerminationCode code)
{
    struct server *server = cls;
    struct connection *connection = *context;
    int64_t now = monotonic_ns();

    if (!connection)
        return;
    if (connection->is_counted) {
        http_metrics_count(&server->gateway->metrics, connection->route, connection->method,
                           connection->status, now - connection->began_ns);
        server->gateway->metrics.inflight--;
        connection->is_counted = false;
    }
    set_deadline(connection, now + server->timeout_ns);
}

/* xorshift128+: unique, not secret. */
static uint64_t
next_random(struct server *server)
{
    uint64_t a = server->trace[0], b = server->trace[1];

    server->trace[0] = b;
    a ^= a << 23;
    server->trace[1] = a ^ b ^ a >> 17 ^ b >> 26;
    return server->trace[1] + b;
}

static void
read_trace(struct server *server, struct MHD_Connection *mhd, struct request *request)
{
    const char *header = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "traceparent");

    request->traced = header && traceparent_parse(header, request->trace_id);
    if (!request->traced)
        snprintf(request->trace_id, sizeof request->trace_id, "%016" PRIx64 "%016" PRIx64,
                 next_random(server), next_random(server) | 1);
}

static enum MHD_Result
queue(struct server *server, struct MHD_Connection *mhd, struct connection *connection,
      const struct request *request, struct page *page)
{
    bool is_unchanged = page->status == 200 && etag_matches(request->if_none_match, page->etag);
    const char *trace = page->trace_id[0] ? page->trace_id
                        : request->traced ? request->trace_id
                                          : NULL;
    int64_t now = monotonic_ns(), size = is_unchanged ? 0 : (int64_t)page->body.len;
    struct MHD_Response *response = page_response(page, is_unchanged, trace, now);
    enum MHD_Result result;

    connection->status = is_unchanged ? MHD_HTTP_NOT_MODIFIED : page->status;
    set_deadline(connection, now + server->timeout_ns + size * NS_PER_S / BYTES_PER_S_MIN);
    result = MHD_queue_response(mhd, (unsigned)connection->status, response);
    page_response_done(page, response);
    page_drop(page);
    return result;
}

static enum MHD_Result
queue_problem(struct server *server, struct MHD_Connection *mhd, struct connection *connection,
              const struct request *request, struct problem *problem)
{
    struct page *page = router_problem(problem, request);

    problem_fini(problem);
    return queue(server, mhd, connection, request, page);
}

static struct request
begin_request(struct server *server, struct MHD_Connection *mhd, struct connection *connection,
              const char *method)
{
    struct request request = {.method = connection->method,
                              .method_name = method,
                              .raw = connection->raw,
                              .target = &server->target};

    request.if_none_match = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "If-None-Match");
    read_trace(server, mhd, &request);
    return request;
}

static enum MHD_Result
answer(struct server *server, struct MHD_Connection *mhd, struct connection *connection,
       const char *method)
{
    struct request request = begin_request(server, mhd, connection, method);
    struct problem problem = {0};

    if (!target_parse(&server->target, connection->raw, connection->target_size, &problem))
        return queue_problem(server, mhd, connection, &request, &problem);
    return queue(server, mhd, connection, &request,
                 router_answer(server->gateway, &request, &connection->route));
}

/* The head is complete: what is refused here is refused with the connection. */
static enum MHD_Result
on_head(struct server *server, struct MHD_Connection *mhd, struct connection *connection,
        const char *method, const char *version)
{
    struct wire_head head = {method, version, connection->target, connection->target_size};
    struct problem problem = {0};
    struct request request;
    bool has_body = wire_has_body(mhd);

    connection->has_head = connection->is_counted = true;
    connection->route = n_routes;
    connection->method = method_parse(method);
    connection->began_ns = monotonic_ns();
    set_deadline(connection, connection->began_ns + server->timeout_ns);
    server->gateway->metrics.inflight++;
    if (!wire_check(mhd, &head, &problem)) {
        request = begin_request(server, mhd, connection, method);
        return queue_problem(server, mhd, connection, &request, &problem);
    }
    if (connection->method == METHOD_OTHER)
        return answer(server, mhd, connection, method);
    if (has_body) {
        problem_set(&problem, "body_not_allowed", "%s takes no body", method);
        request = begin_request(server, mhd, connection, method);
        return queue_problem(server, mhd, connection, &request, &problem);
    }
    return MHD_YES; /* the answer comes with the next call */
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
           const char *version, const char *upload, size_t *upload_size, void **context)
{
    struct server *server = cls;
    struct connection *connection = *context;

    if (!connection)
        return MHD_NO;
    if (!connection->has_head)
        return on_head(server, mhd, connection, method, version);
    if (*upload_size) {
        *upload_size = 0; /* behind a request that was refused */
        return MHD_YES;
    }
    return answer(server, mhd, connection, method);
}

/* ---- Listening ---------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void refuse(struct server_error *error, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
refuse(struct server_error *error, const char *event, const char *fmt, ...)
{
    va_list args;

    error->event = event;
    va_start(args, fmt);
    vsnprintf(error->text, sizeof error->text, fmt, args);
    va_end(args);
}

static bool
parse_port(const char *text, in_port_t *port)
{
    char *end;
    long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtol(text, &end, 10);
    *port = htons((uint16_t)value);
    return errno == 0 && *end == '\0' && value <= 65535;
}

static bool
parse_listen(const char *listen, union address *address, socklen_t *size)
{
    const char *colon = strrchr(listen, ':');
    char host[64];
    size_t n = colon ? (size_t)(colon - listen) : 0;

    memset(address, 0, sizeof *address);
    if (n == 0 || n >= sizeof host)
        return false;
    memcpy(host, listen, n);
    host[n] = '\0';
    if (strcmp(host, "localhost") == 0)
        memcpy(host, "127.0.0.1", sizeof "127.0.0.1");
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        address->v6.sin6_family = AF_INET6;
        *size = sizeof address->v6;
        return inet_pton(AF_INET6, host + 1, &address->v6.sin6_addr) == 1 &&
               parse_port(colon + 1, &address->v6.sin6_port);
    }
    address->v4.sin_family = AF_INET;
    *size = sizeof address->v4;
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 &&
           parse_port(colon + 1, &address->v4.sin_port);
}

static bool
is_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
}

static int
open_socket(const char *listen_text, const union address *address, socklen_t size,
            struct server_error *error)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0) {
        refuse(error, "gateway.listen", "no socket for %s: the limit of open files?", listen_text);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address->any, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (errno == EADDRINUSE)
        refuse(error, "gateway.port-busy",
               "%s is in use by another process: stop it, or set the parameter listen to another "
               "port (port 0 takes a free one)",
               listen_text);
    else if (errno == EACCES)
        refuse(error, "gateway.listen", "%s: ports below 1024 need a privilege", listen_text);
    else
        refuse(error, "gateway.listen", "%s is no address of this host", listen_text);
    close(fd);
    return -1;
}

static void
print_url(struct server *server, int fd)
{
    union address address;
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN];

    getsockname(fd, &address.any, &size);
    if (address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof host);
        snprintf(server->url, sizeof server->url, "http://[%s]:%u", host,
                 ntohs(address.v6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof host);
        snprintf(server->url, sizeof server->url, "http://%s:%u", host, ntohs(address.v4.sin_port));
    }
}

static int
open_listener(const struct server_config *config, struct server_error *error)
{
    union address address;
    socklen_t size;

    if (!parse_listen(config->listen, &address, &size)) {
        refuse(error, "gateway.listen",
               "listen: '%s' is not ADDRESS:PORT, as 127.0.0.1:8000 or [::1]:8000", config->listen);
        return -1;
    }
    if (!is_loopback(&address) && !config->insecure) {
        refuse(error, "gateway.public-address",
               "listen: %s can be reached by other hosts, and this gateway has no keys and no "
               "encryption: listen on 127.0.0.1, or set insecure: true",
               config->listen);
        return -1;
    }
    return open_socket(config->listen, &address, size, error);
}

/* ---- Life cycle --------------------------------------------------------------------------- */

static bool
start_daemon(struct server *server, const struct server_config *config, int fd)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, server, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
        MHD_OPTION_CONNECTION_LIMIT, config->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        config->connections_per_ip, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    return server->daemon != NULL;
}

struct server *
server_start(const struct server_config *config, struct gateway *gateway,
             struct server_error *error)
{
    struct server *server;
    pthread_condattr_t attr;
    int fd = open_listener(config, error);

    if (fd < 0)
        return NULL;
    server = calloc(1, sizeof *server);
    if (!server)
        hde_no_memory();
    server->gateway = gateway;
    server->timeout_ns = config->request_timeout_ns;
    if (getrandom(server->trace, sizeof server->trace, 0) < 0 || !server->trace[0])
        server->trace[0] = (uint64_t)monotonic_ns() | 1;
    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attr);
    pthread_condattr_destroy(&attr);
    print_url(server, fd);
    server->has_thread = pthread_create(&server->thread, NULL, watch_deadlines, server) == 0;
    if (server->has_thread && start_daemon(server, config, fd))
        return server;
    refuse(error, "gateway.start", "%s: the HTTP threads could not be started", config->listen);
    close(fd);
    server_stop(server);
    return NULL;
}

void
server_stop(struct server *server)
{
    if (!server)
        return;
    if (server->daemon)
        MHD_stop_daemon(server->daemon); /* closes the listening socket and every connection */
    if (server->has_thread) {
        pthread_mutex_lock(&server->lock);
        server->is_stopping = true;
        pthread_cond_signal(&server->changed);
        pthread_mutex_unlock(&server->lock);
        pthread_join(server->thread, NULL);
    }
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *
server_url(const struct server *server)
{
    return server->url;
}
