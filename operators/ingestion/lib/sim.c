/* SPDX-License-Identifier: Apache-2.0
 * sim - a loopback stand-in for the Dhan v2 option-chain API: requests in, answers out. */
#include "sim.h"
#include "sim_answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY_MAX 65536
#define HELD_MAX 64   /* connections that a timeout fault keeps waiting */
#define SCRIPT_MAX 64 /* entries of a fault script */
#define ASKED_MAX 64  /* (underlying, expiry) pairs whose last request is known */

const struct sim_fault sim_faults[] = {
    {"429", "HTTP 429, body 805, Retry-After: 1"},
    {"805", "HTTP 200 with a failed body that says 805"},
    {"401", "HTTP 401, DH-901"},
    {"400", "HTTP 400, DH-905"},
    {"500", "HTTP 500, DH-908"},
    {"502", "HTTP 502 with HTML, as on holidays"},
    {"error-body", "HTTP 200 with status failed and no code"},
    {"html", "HTTP 200 with an HTML page"},
    {"none", "HTTP 200 with an empty body"},
    {"cut", "JSON that stops half way"},
    {"short", "the connection ends before the body does"},
    {"timeout", "no answer until the client gives up"},
    {"huge", "a body of 24 MB"},
    {"deep", "JSON nested 100,000 deep"},
    {"empty-oc", "no strikes"},
    {"missing-leg", "every third strike without its call or put"},
    {"null-iv", "implied_volatility null"},
    {"null-data", "data null"},
    {"negative-oi", "open interest below 0"},
    {"zero-spot", "last_price 0"},
    {"zero-legs", "every number of every leg 0"},
    {"zero-ltp", "last_price 0 in every leg"},
    {"crossed", "bids above their asks"},
    {"duplicate-strike", "one strike twice"},
    {"strike-text", "a strike that is no number"},
    {"text-values", "numbers written as text"},
    {"wrong-type", "a leg that is a list"},
    {"jump", "spot 20 % higher"},
    {"repeat", "the answer before, again"},
    {"past-expiry", "lists: only dates that have passed"},
    {"no-expiries", "lists: none"},
    {"bad-dates", "lists: texts that are no dates"},
    {0},
};

struct script_entry {
    size_t fault;
    bool list;
    uint64_t from, to; /* requests, both included */
};

struct script {
    size_t n;
    struct script_entry entry[SCRIPT_MAX];
    uint64_t chains, lists; /* requests since it was set */
};

struct asked {
    int security_id;
    int32_t expiry;
    int64_t at_ns; /* of the monotonic clock */
};

struct sim {
    struct MHD_Daemon *daemon;
    struct calendar *calendar;
    struct market market;
    int port;
    int64_t interval_ns;
    double speed;

    pthread_mutex_t lock; /* everything below: the server's thread and callers */
    int64_t base_ns, base_mono_ns;
    char token[4096], client_id[64];
    struct script script;
    struct sim_counts counts;
    size_t n_asked;
    struct asked asked[ASKED_MAX];
    size_t n_held;
    struct MHD_Connection *held[HELD_MAX];
    char *last_body; /* of the last chain, for "repeat" */
};

struct request { /* one connection's, while its body comes in */
    char *body;
    size_t size;
    bool too_large;
    bool held; /* a timeout is being played: cut it when it comes back */
};

/* ---- Clock ---------------------------------------------------------------------------------- */

static int64_t
monotonic_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * WHEN_SECOND + t.tv_nsec;
}

static int64_t
now_locked(const struct sim *sim)
{
    return sim->base_ns + (int64_t)((double)(monotonic_ns() - sim->base_mono_ns) * sim->speed);
}

int64_t
sim_now(struct sim *sim)
{
    int64_t ns;

    pthread_mutex_lock(&sim->lock);
    ns = now_locked(sim);
    pthread_mutex_unlock(&sim->lock);
    return ns;
}

void
sim_set_now(struct sim *sim, int64_t ns)
{
    pthread_mutex_lock(&sim->lock);
    sim->base_ns = ns;
    sim->base_mono_ns = monotonic_ns();
    sim->n_asked = 0;
    pthread_mutex_unlock(&sim->lock);
}

/* ---- Fault script --------------------------------------------------------------------------- */

static bool
read_entry(const char *text, size_t n, struct script_entry *entry)
{
    char copy[64], *at, *end;

    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    at = strchr(copy, '@');
    if (!at)
        return false;
    *at++ = '\0';
    entry->list = strncmp(copy, "list.", 5) == 0;
    for (entry->fault = 0; sim_faults[entry->fault].name; entry->fault++)
        if (strcmp(sim_faults[entry->fault].name, copy + (entry->list ? 5 : 0)) == 0)
            break;
    if (!sim_faults[entry->fault].name || *at < '0' || *at > '9')
        return false;
    entry->from = entry->to = strtoull(at, &end, 10);
    if (strcmp(end, "+") == 0) {
        entry->to = UINT64_MAX;
        end++;
    } else if (*end == '-' && end[1] >= '0' && end[1] <= '9') {
        entry->to = strtoull(end + 1, &end, 10);
    }
    return !*end && entry->from >= 1 && entry->to >= entry->from;
}

static bool
script_parse(const char *text, struct script *script, char *error, size_t size)
{
    memset(script, 0, sizeof *script);
    while (text && *text) {
        size_t n = strcspn(text, ",");

        if (script->n == SCRIPT_MAX) {
            snprintf(error, size, "a fault script has at most %d entries", SCRIPT_MAX);
            return false;
        }
        if (!read_entry(text, n, &script->entry[script->n++])) {
            snprintf(error, size, "'%.*s' is not NAME@N, NAME@N-M or NAME@N+", (int)n, text);
            return false;
        }
        text += n + (text[n] == ',');
    }
    return true;
}

bool
sim_play(struct sim *sim, const char *script, char *error, size_t size)
{
    struct script next;

    if (!script_parse(script, &next, error, size))
        return false;
    pthread_mutex_lock(&sim->lock);
    sim->script = next;
    pthread_mutex_unlock(&sim->lock);
    return true;
}

void
sim_set_token(struct sim *sim, const char *token)
{
    pthread_mutex_lock(&sim->lock);
    snprintf(sim->token, sizeof sim->token, "%s", token);
    pthread_mutex_unlock(&sim->lock);
}

void
sim_count(struct sim *sim, struct sim_counts *counts)
{
    pthread_mutex_lock(&sim->lock);
    *counts = sim->counts;
    pthread_mutex_unlock(&sim->lock);
}

/* Counts a request and gives the name of the fault to play, or NULL. */
static const char *
next_fault(struct sim *sim, bool list)
{
    uint64_t number = list ? ++sim->script.lists : ++sim->script.chains;

    if (list)
        sim->counts.lists++;
    else
        sim->counts.chains++;
    for (size_t i = 0; i < sim->script.n; i++) {
        const struct script_entry *entry = &sim->script.entry[i];

        if (entry->list == list && number >= entry->from && number <= entry->to) {
            sim->counts.faults++;
            return sim_faults[entry->fault].name;
        }
    }
    return NULL;
}

/* ---- Answers -------------------------------------------------------------------------------- */

static enum MHD_Result
send_text(struct MHD_Connection *c, unsigned status, const char *type, char *text, size_t n)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result;

    if (!r) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_TOO_MANY_REQUESTS)
        MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result
send_json(struct MHD_Connection *c, unsigned status, const char *text)
{
    char *copy = strdup(text);

    return copy ? send_text(c, status, "application/json", copy, strlen(copy)) : MHD_NO;
}

static enum MHD_Result
refuse(struct sim *sim, struct MHD_Connection *c, unsigned status, const char *text)
{
    sim->counts.refused++;
    return send_json(c, status, text);
}

#define BODY_401                                                                                   \
    "{\"errorType\":\"Invalid_Authentication\",\"errorCode\":\"DH-901\",\"errorMessage\":"         \
    "\"Client ID or user generated access token is invalid or expired.\"}"
#define BODY_400                                                                                   \
    "{\"errorType\":\"Input_Exception\",\"errorCode\":\"DH-905\",\"errorMessage\":"                \
    "\"Missing required fields, bad values for parameters etc.\"}"
#define BODY_500                                                                                   \
    "{\"errorType\":\"Internal_Server_Error\",\"errorCode\":\"DH-908\",\"errorMessage\":"          \
    "\"Server was not able to process the request\"}"
#define BODY_805                                                                                   \
    "{\"status\":\"failed\",\"data\":{\"805\":\"Too many requests. Further requests may result "   \
    "in the user being blocked.\"}}"

/* Bytes announced, fewer sent: the connection is closed in the middle. */
static ssize_t
cut_off(void *cls, uint64_t pos, char *buf, size_t max)
{
    static const char start[] = "{\"data\":{\"last_price\":24";

    if (pos > 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    memcpy(buf, start, sizeof start - 1);
    return sizeof start - 1;
}

static enum MHD_Result
send_short(struct MHD_Connection *c)
{
    struct MHD_Response *r = MHD_create_response_from_callback(100000, 1024, cut_off, NULL, NULL);
    enum MHD_Result result;

    if (!r)
        return MHD_NO;
    result = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result
send_filled(struct MHD_Connection *c, size_t n, char byte)
{
    char *text = malloc(n);

    if (!text)
        return MHD_NO;
    memset(text, byte, n);
    return send_text(c, MHD_HTTP_OK, "application/json", text, n);
}

/* Faults that need no market. False: not one of them. */
static bool
play_transport(struct sim *sim, struct MHD_Connection *c, const char *fault,
               struct request *request, enum MHD_Result *result)
{
    static const struct {
        const char *name;
        unsigned status;
        const char *body;
    } fixed[] = {
        {"429", 429, BODY_805},
        {"805", 200, BODY_805},
        {"401", 401, BODY_401},
        {"400", 400, BODY_400},
        {"500", 500, BODY_500},
        {"502", 502, "<html><head><title>502 Bad Gateway</title></head></html>"},
        {"error-body", 200,
         "{\"status\":\"failed\",\"remarks\":{\"error_code\":null},\"data\":\"\"}"},
        {"html", 200, "<!doctype html><html><body>Scheduled maintenance</body></html>"},
        {"none", 200, ""},
        {"null-data", 200, "{\"data\":null,\"status\":\"success\"}"},
    };

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(fixed[i].name, fault) == 0) {
            *result = send_json(c, fixed[i].status, fixed[i].body);
            return true;
        }
    if (strcmp(fault, "short") == 0)
        *result = send_short(c);
    else if (strcmp(fault, "huge") == 0)
        *result = send_filled(c, 24u << 20, ' ');
    else if (strcmp(fault, "deep") == 0)
        *result = send_filled(c, 100000, '[');
    else if (strcmp(fault, "timeout") == 0 && sim->n_held < HELD_MAX) {
        sim->held[sim->n_held++] = c;
        request->held = true;
        MHD_suspend_connection(c);
        *result = MHD_YES;
    } else
        return false;
    return true;
}

/* True when the pair was asked less than the interval ago. */
static bool
is_too_soon(struct sim *sim, int security_id, int32_t expiry)
{
    int64_t now = monotonic_ns();
    size_t oldest = 0;

    if (sim->interval_ns <= 0)
        return false;
    for (size_t i = 0; i < sim->n_asked; i++) {
        struct asked *a = &sim->asked[i];

        if (a->security_id == security_id && a->expiry == expiry) {
            bool soon = now - a->at_ns < sim->interval_ns;

            if (!soon)
                a->at_ns = now;
            return soon;
        }
        if (a->at_ns < sim->asked[oldest].at_ns)
            oldest = i;
    }
    if (sim->n_asked < ASKED_MAX)
        oldest = sim->n_asked++;
    sim->asked[oldest] = (struct asked){security_id, expiry, now};
    return false;
}

static enum MHD_Result
answer_list(struct sim *sim, struct MHD_Connection *c, const struct market_underlying *u,
            const char *fault)
{
    char *text;
    size_t n;

    if (is_too_soon(sim, u->security_id, 0))
        return refuse(sim, c, MHD_HTTP_TOO_MANY_REQUESTS, BODY_805);
    text = sim_print_list(&sim->market, u, now_locked(sim), fault, &n);
    return text ? send_text(c, MHD_HTTP_OK, "application/json", text, n) : MHD_NO;
}

static enum MHD_Result
answer_chain(struct sim *sim, struct MHD_Connection *c, const struct market_underlying *u,
             const char *expiry_text, const char *fault)
{
    struct market_chain *chain;
    char *text = NULL;
    int64_t ns;
    size_t n;

    if (!expiry_text || !when_parse("%Y-%m-%d", expiry_text, strlen(expiry_text), 0, &ns))
        return refuse(sim, c, MHD_HTTP_BAD_REQUEST,
                      "{\"status\":\"failed\",\"data\":{\"812\":\"Invalid Date Format\"}}");
    if (is_too_soon(sim, u->security_id, when_day_of(ns, 0)))
        return refuse(sim, c, MHD_HTTP_TOO_MANY_REQUESTS, BODY_805);
    if (fault && strcmp(fault, "repeat") == 0 && sim->last_body) {
        text = strdup(sim->last_body);
        return text ? send_text(c, MHD_HTTP_OK, "application/json", text, strlen(text)) : MHD_NO;
    }
    chain = malloc(sizeof *chain);
    if (!chain)
        return MHD_NO;
    if (market_chain(&sim->market, u, when_day_of(ns, 0), now_locked(sim), chain))
        text = sim_print_chain(chain, fault, &n);
    free(chain);
    if (!text)
        return refuse(sim, c, MHD_HTTP_BAD_REQUEST,
                      "{\"status\":\"failed\",\"data\":{\"811\":\"Invalid Expiry Date\"}}");
    free(sim->last_body);
    sim->last_body = strdup(text);
    return send_text(c, MHD_HTTP_OK, "application/json", text, n);
}

/* ---- Requests ------------------------------------------------------------------------------- */

static bool
header_is(struct MHD_Connection *c, const char *name, const char *wanted)
{
    const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);

    return value && *value && (!*wanted || strcmp(value, wanted) == 0);
}

static enum MHD_Result
answer_api(struct sim *sim, struct MHD_Connection *c, bool list, struct request *request)
{
    const char *fault = next_fault(sim, list), *segment, *expiry;
    const struct market_underlying *u;
    enum MHD_Result result;
    json_t *body;
    int scrip = 0;

    if (fault && play_transport(sim, c, fault, request, &result))
        return result;
    if (!header_is(c, "access-token", sim->token) || !header_is(c, "client-id", sim->client_id))
        return refuse(sim, c, MHD_HTTP_UNAUTHORIZED, BODY_401);
    body = json_loadb(request->body, request->size, 0, NULL);
    if (json_unpack(body, "{s:i, s:s}", "UnderlyingScrip", &scrip, "UnderlyingSeg", &segment)) {
        json_decref(body);
        return refuse(sim, c, MHD_HTTP_BAD_REQUEST, BODY_400);
    }
    u = market_find(scrip);
    expiry = json_string_value(json_object_get(body, "Expiry"));
    if (!u || strcmp(segment, "IDX_I") != 0)
        result = refuse(sim, c, MHD_HTTP_BAD_REQUEST,
                        "{\"status\":\"failed\",\"data\":{\"813\":\"Invalid SecurityId\"}}");
    else if (list)
        result = answer_list(sim, c, u, fault);
    else
        result = answer_chain(sim, c, u, expiry, fault);
    json_decref(body);
    return result;
}

static enum MHD_Result
answer_status(struct sim *sim, struct MHD_Connection *c)
{
    char text[256], day[16];
    int64_t now = now_locked(sim);

    when_print_day(calendar_today(sim->calendar, now), day);
    snprintf(text, sizeof text,
             "{\"now_ns\":%lld,\"day\":\"%s\",\"chains\":%llu,\"lists\":%llu,\"refused\":%llu,"
             "\"faults\":%llu}",
             (long long)now, day, (unsigned long long)sim->counts.chains,
             (unsigned long long)sim->counts.lists, (unsigned long long)sim->counts.refused,
             (unsigned long long)sim->counts.faults);
    return send_json(c, MHD_HTTP_OK, text);
}

static enum MHD_Result
answer_play(struct sim *sim, struct MHD_Connection *c)
{
    const char *script = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "play");
    struct script next;
    char error[160];

    if (!script_parse(script, &next, error, sizeof error))
        return refuse(sim, c, MHD_HTTP_BAD_REQUEST, "{\"error\":\"bad fault script\"}");
    sim->script = next;
    return send_json(c, MHD_HTTP_OK, "{\"status\":\"success\"}");
}

static enum MHD_Result
answer(struct sim *sim, struct MHD_Connection *c, const char *url, const char *method,
       struct request *request)
{
    bool list = strcmp(url, "/v2/optionchain/expirylist") == 0;

    if (strcmp(url, "/sim") == 0)
        return answer_status(sim, c);
    if (!list && strcmp(url, "/v2/optionchain") != 0 && strcmp(url, "/sim/fault") != 0)
        return refuse(sim, c, MHD_HTTP_NOT_FOUND, "{\"error\":\"no such path\"}");
    if (strcmp(method, "POST") != 0)
        return refuse(sim, c, MHD_HTTP_METHOD_NOT_ALLOWED, "{\"error\":\"POST only\"}");
    if (request->too_large)
        return refuse(sim, c, MHD_HTTP_CONTENT_TOO_LARGE, "{\"error\":\"body too large\"}");
    if (strcmp(url, "/sim/fault") == 0)
        return answer_play(sim, c);
    return answer_api(sim, c, list, request);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
           const char *version, const char *data, size_t *size, void **own)
{
    struct request *request = *own;
    struct sim *sim = cls;
    enum MHD_Result result;

    if (!request) {
        *own = calloc(1, sizeof *request);
        return *own ? MHD_YES : MHD_NO;
    }
    if (*size) {
        char *more = request->size + *size <= BODY_MAX
                         ? realloc(request->body, request->size + *size)
                         : NULL;

        if (more) {
            memcpy(more + request->size, data, *size);
            request->body = more;
            request->size += *size;
        } else {
            request->too_large = true;
        }
        *size = 0;
        return MHD_YES;
    }
    if (request->held)
        return MHD_NO;
    pthread_mutex_lock(&sim->lock);
    result = answer(sim, c, url, method, request);
    pthread_mutex_unlock(&sim->lock);
    return result;
}

static void
on_done(void *cls, struct MHD_Connection *c, void **own, enum MHD_RequestTerminationCode why)
{
    struct request *request = *own;

    if (request)
        free(request->body);
    free(request);
    *own = NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static bool
listen_on(struct sim *sim, int port, char *error, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const union MHD_DaemonInfo *info;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    sim->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_request, sim, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_LIMIT, 256u,
        MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_END);
    if (!sim->daemon) {
        snprintf(error, size, "cannot listen on 127.0.0.1:%d: %s", port,
                 errno ? strerror(errno) : "no socket");
        return false;
    }
    info = MHD_get_daemon_info(sim->daemon, MHD_DAEMON_INFO_BIND_PORT);
    sim->port = info ? info->port : port;
    return true;
}

struct sim *
sim_start(const struct sim_config *config, char *error, size_t size)
{
    struct sim *sim = calloc(1, sizeof *sim);
    struct timespec real;

    if (!sim) {
        snprintf(error, size, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&sim->lock, NULL);
    clock_gettime(CLOCK_REALTIME, &real);
    sim->base_ns = config->start_ns ? config->start_ns : real.tv_sec * WHEN_SECOND + real.tv_nsec;
    sim->base_mono_ns = monotonic_ns();
    sim->speed = config->speed;
    sim->interval_ns = config->interval_ns;
    snprintf(sim->token, sizeof sim->token, "%s", config->token ? config->token : "");
    snprintf(sim->client_id, sizeof sim->client_id, "%s",
             config->client_id ? config->client_id : "");
    sim->calendar = calendar_load(config->calendar ? config->calendar : "always", error, size);
    sim->market = (struct market){config->seed, sim->calendar};
    if (!sim->calendar || !script_parse(config->faults, &sim->script, error, size) ||
        !listen_on(sim, config->port, error, size)) {
        sim_stop(sim);
        return NULL;
    }
    return sim;
}

void
sim_stop(struct sim *sim)
{
    if (!sim)
        return;
    if (sim->daemon) {
        pthread_mutex_lock(&sim->lock);
        for (size_t i = 0; i < sim->n_held; i++)
            MHD_resume_connection(sim->held[i]);
        sim->n_held = HELD_MAX; /* no more are held */
        pthread_mutex_unlock(&sim->lock);
        MHD_stop_daemon(sim->daemon);
    }
    calendar_free(sim->calendar);
    free(sim->last_body);
    pthread_mutex_destroy(&sim->lock);
    free(sim);
}

int
sim_port(const struct sim *sim)
{
    return sim->port;
}
