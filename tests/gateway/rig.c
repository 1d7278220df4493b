/* SPDX-License-Identifier: Apache-2.0
 * rig - the gateway's HTTP server on a free port, without an engine, and clients for it. */
#include "rig.h"

#include "check.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000 };

static void
put_metrics(const hde_ctx *ctx, hde_text *out)
{
    hde_text_puts(out, "# TYPE hde_node_calls_total counter\nhde_node_calls_total{node=\"x\"} 1\n");
}

static void
get_health(const hde_ctx *ctx, hde_health *out)
{
    const struct rig *rig = ctx->owner;

    *out = rig->health;
    out->size = sizeof *out;
}

void
rig_open(struct rig *rig, int64_t timeout_ns, const char *store)
{
    struct server_config config = {
        .listen = "127.0.0.1:0", .connections_max = 2000, .request_timeout_ns = timeout_ns};
    struct server_error error = {0};

    memset(rig, 0, sizeof *rig);
    rig->host = (struct host){.metrics = put_metrics, .health = get_health};
    rig->ctx = (hde_ctx){.host = &rig->host, .owner = rig, .node = "gateway", .graph = "test"};
    rig->health = (hde_health){.live = true, .ready = true};
    rig->gateway.ctx = &rig->ctx;
    rig->gateway.boot = 42;
    rig->gateway.query.live = live_new();
    if (store)
        query_open_store(&rig->gateway.query, store);
    rig->server = server_start(&config, &rig->gateway, &error);
    if (!rig->server)
        fail_msg("%s: %s", error.event, error.text);
    rig->port = atoi(strrchr(server_url(rig->server), ':') + 1);
}

void
rig_close(struct rig *rig)
{
    server_stop(rig->server);
    pages_fini(&rig->gateway.pages);
    query_close_store(&rig->gateway.query);
    live_free(rig->gateway.query.live);
    hde_text_free(&rig->gateway.self);
}

void
rig_put(struct rig *rig, hde_msg *taken)
{
    const char *why = live_put(rig->gateway.query.live, taken);

    if (why)
        fail_msg("not shown: %s", why);
}

void
rig_fill(struct rig *rig)
{
    struct chain_spec near = {RIG_FEED, RIG_NEAR, RIG_NOW_NS, 24000};
    struct chain_spec far = {RIG_FEED, RIG_FAR, RIG_NOW_NS, 24000};
    struct chain_spec bank = {RIG_BANK, RIG_FAR, RIG_NOW_NS, 55000};

    rig_put(rig, chain_enriched_new(&near));
    rig_put(rig, chain_cumulative_new(&near));
    rig_put(rig, chain_velocity_new(&near));
    rig_put(rig, chain_buildup_new(&near));
    rig_put(rig, chain_zones_new(&near));
    rig_put(rig, chain_enriched_new(&far));
    rig_put(rig, chain_raw_new(&bank));
}

/* ---- libcurl ------------------------------------------------------------------------------ */

static size_t
collect(char *bytes, size_t size, size_t n, void *out)
{
    hde_text_put(out, bytes, size * n);
    return size * n;
}

struct answer
rig_ask(struct rig *rig, const char *method, const char *path, const char *const *headers)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list = NULL;
    struct answer answer = {0};
    hde_text head = {0}, body = {0};
    CURLcode code;
    char url[4096];

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", rig->port, path);
    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)DEADLINE_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    if (method && strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        fail_msg("%s: %s", path, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    answer.head = head.data;
    answer.body = body.data;
    answer.size = body.len;
    answer.json = body.len ? json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    return answer;
}

struct answer
rig_get(struct rig *rig, const char *path)
{
    return rig_ask(rig, NULL, path, NULL);
}

void
answer_free(struct answer *answer)
{
    free(answer->head);
    free(answer->body);
    json_decref(answer->json);
    *answer = (struct answer){0};
}

const char *
answer_header(const struct answer *answer, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);

    out[0] = '\0';
    for (const char *line = answer->head; line && *line;
         line = strchr(line, '\n'), line += !!line) {
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            line += n + 1;
            line += strspn(line, " ");
            snprintf(out, size, "%.*s", (int)strcspn(line, "\r\n"), line);
            return out;
        }
    }
    return out;
}

json_t *
answer_at(const struct answer *answer, const char *path)
{
    json_t *at = answer->json;
    char word[64];

    for (const char *s = path; *s && at;) {
        size_t n = strcspn(s, ".");

        snprintf(word, sizeof word, "%.*s", (int)n, s);
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(word)) : json_object_get(at, word);
        s += n + (s[n] == '.');
    }
    if (!at)
        fail_msg("no '%s' in %s", path, answer->body);
    return at;
}

/* ---- Shapes ------------------------------------------------------------------------------- */

static void
check_kind(const char *path, const char *name, char kind, const json_t *value)
{
    bool good = value != NULL;

    switch (kind) {
    case 'n':
        good = good && (json_is_number(value) || json_is_null(value));
        break;
    case 'N':
        good = good && json_is_number(value);
        break;
    case 's':
        good = good && (json_is_string(value) || json_is_null(value));
        break;
    case 'S':
        good = good && json_is_string(value);
        break;
    case 'b':
        good = good && json_is_boolean(value);
        break;
    case 'a':
        good = good && json_is_array(value);
        break;
    case 'o':
        good = good && json_is_object(value);
        break;
    case 'z':
        good = good && json_is_null(value);
        break;
    default:
        fail();
    }
    if (!good)
        fail_msg("%s: member '%s' is not of kind %c", path, name, kind);
}

void
check_members(const char *path, const json_t *object, const struct member *members)
{
    size_t n = 0;

    if (!json_is_object(object))
        fail_msg("%s: not an object", path);
    for (; members[n].name; n++)
        check_kind(path, members[n].name, members[n].kind,
                   json_object_get(object, members[n].name));
    if (json_object_size(object) != n)
        fail_msg("%s: %zu members instead of %zu", path, json_object_size(object), n);
}

static const struct member envelope_members[] = {{"meta", 'o'}, {"links", 'o'}, {0}};
static const struct member meta_members[] = {
    {"as_of", 's'},  {"symbol", 's'}, {"feed", 's'},    {"expiry", 's'},         {"source", 'S'},
    {"age_ms", 'n'}, {"count", 'N'},  {"missing", 'a'}, {"engine_version", 'S'},
    {"interval", 's'}, {0}};
static const struct member link_members[] = {{"self", 'S'}, {"next", 's'}, {0}};

static void
check_envelope(const char *path, const struct answer *answer)
{
    char type[64];
    json_t *copy;

    if (answer->status != 200)
        fail_msg("%s: status %ld: %s", path, answer->status, answer->body);
    assert_string_equal(answer_header(answer, "Content-Type", type, sizeof type),
                        "application/json");
    assert_non_null(answer->json);
    copy = json_copy(answer->json);
    assert_true(json_is_object(json_object_get(copy, "data")) ||
                json_is_array(json_object_get(copy, "data")));
    json_object_del(copy, "data");
    check_members(path, copy, envelope_members);
    check_members(path, answer_at(answer, "meta"), meta_members);
    check_members(path, answer_at(answer, "links"), link_members);
    json_decref(copy);
}

struct answer
rig_data(struct rig *rig, const char *path)
{
    struct answer answer = rig_get(rig, path);

    check_envelope(path, &answer);
    return answer;
}

double
number_at(const struct answer *answer, const char *path)
{
    json_t *value = answer_at(answer, path);

    if (!json_is_number(value))
        fail_msg("%s is not a number in %s", path, answer->body);
    return json_number_value(value);
}

const char *
text_at(const struct answer *answer, const char *path)
{
    json_t *value = answer_at(answer, path);

    if (!json_is_string(value))
        fail_msg("%s is not a text in %s", path, answer->body);
    return json_string_value(value);
}

void
assert_null_at(const struct answer *answer, const char *path)
{
    if (!json_is_null(answer_at(answer, path)))
        fail_msg("%s is not null in %s", path, answer->body);
}

bool
is_missing(const struct answer *answer, const char *field)
{
    json_t *missing = answer_at(answer, "meta.missing");

    for (size_t i = 0; i < json_array_size(missing); i++) {
        if (strcmp(json_string_value(json_array_get(missing, i)), field) == 0)
            return true;
    }
    return false;
}

/* ---- Raw sockets -------------------------------------------------------------------------- */

int
rig_connect(struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)rig->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The server may close while we still send: that is its right. */
void
rig_send(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        size -= (size_t)n;
    }
}

static ssize_t
receive(int fd, char *bytes, size_t size)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    if (poll(&poll_fd, 1, DEADLINE_MS) != 1)
        fail_msg("the server did not answer within %d ms", DEADLINE_MS);
    return recv(fd, bytes, size, 0);
}

/* Reads up to the end of a head; gives its status, 0 where the server closed before. What was read
 * of the body is behind *end. */
static int
read_head(int fd, hde_text *text, const char **end)
{
    char chunk[4096];
    int status = 0;
    ssize_t n;

    while ((*end = text->len ? strstr(text->data, "\r\n\r\n") : NULL) == NULL) {
        n = receive(fd, chunk, sizeof chunk);
        if (n <= 0)
            return 0;
        hde_text_put(text, chunk, (size_t)n);
    }
    *end += 4;
    return sscanf(text->data, "HTTP/1.%*1[01] %d", &status) == 1 ? status : 0;
}

int
rig_read_status(int fd)
{
    hde_text text = {0};
    const char *end, *length;
    char chunk[4096];
    int status = read_head(fd, &text, &end);
    ssize_t n;

    while (status == 100) { /* the answer follows */
        hde_text rest = {0};

        hde_text_puts(&rest, end);
        hde_text_free(&text);
        text = rest;
        status = read_head(fd, &text, &end);
    }
    if (status) {
        size_t have = text.len - (size_t)(end - text.data), want = 0;

        length = strcasestr(text.data, "\r\nContent-Length:");
        if (length && length < end)
            want = strtoul(length + 17, NULL, 10);
        while (have < want && (n = receive(fd, chunk, sizeof chunk)) > 0)
            have += (size_t)n;
    }
    hde_text_free(&text);
    return status;
}

bool
rig_is_closed(int fd)
{
    char chunk[4096];
    ssize_t n;

    while ((n = receive(fd, chunk, sizeof chunk)) > 0)
        ;
    return true;
}
