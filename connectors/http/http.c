/* SPDX-License-Identifier: Apache-2.0
 * http - one HTTP request after another over a kept connection (libcurl). */
#include "connectors/http.h"

#include <hde/text.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 30000L
#define DEFAULT_CONNECT_MS 5000L
#define DEFAULT_ANSWER_MAX (8u << 20)
#define DAY_MS INT64_C(86400000)

struct http {
    CURL *curl;
    char *body;
    size_t size, cap, most;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *
http_new(void)
{
    struct http *http = calloc(1, sizeof *http);

    pthread_once(&once, init_curl);
    if (http)
        http->curl = curl_easy_init();
    if (!http || !http->curl)
        hde_no_memory();
    return http;
}

void
http_free(struct http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    free(http->body);
    free(http);
}

static size_t
on_bytes(char *bytes, size_t one, size_t n, void *user)
{
    struct http *http = user;

    n *= one;
    if (n > http->most - http->size) {
        http->too_large = true;
        return 0;
    }
    if (http->size + n + 1 > http->cap) {
        size_t cap = (http->size + n + 1) * 2;
        char *body = realloc(http->body, cap);

        if (!body)
            hde_no_memory();
        http->body = body;
        http->cap = cap;
    }
    memcpy(http->body + http->size, bytes, n);
    http->size += n;
    http->body[http->size] = '\0';
    return n;
}

static bool
is_loopback(const char *url)
{
    const char *host = strstr(url, "://");

    host = host ? host + 3 : url;
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 ||
           strncmp(host, "[::1]", 5) == 0;
}

static void
set_options(struct http *http, const struct http_request *request, struct curl_slist *headers)
{
    CURL *curl = http->curl;

    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "hde");
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     request->timeout_ms ? (long)request->timeout_ms : DEFAULT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     request->connect_timeout_ms ? (long)request->connect_timeout_ms
                                                 : DEFAULT_CONNECT_MS);
    if (is_loopback(request->url))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (request->body) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
}

static enum http_result
result_of(const struct http *http, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ANSWER;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return HTTP_NO_PEER;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return HTTP_CUT;
    case CURLE_WRITE_ERROR:
        return http->too_large ? HTTP_TOO_LARGE : HTTP_FAILED;
    default:
        return HTTP_FAILED;
    }
}

static void
fill_answer(struct http *http, CURLcode code, struct http_answer *answer)
{
    curl_off_t retry = 0, elapsed = 0;
    char *type = NULL;
    long status = 0;

    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(http->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &retry);
    curl_easy_getinfo(http->curl, CURLINFO_TOTAL_TIME_T, &elapsed);
    answer->status = (int)status;
    answer->body = http->body ? http->body : "";
    answer->size = http->size;
    answer->elapsed_us = elapsed;
    answer->retry_after_ms = -1;
    if (retry > 0)
        answer->retry_after_ms = retry < DAY_MS / 1000 ? retry * 1000 : DAY_MS;
    snprintf(answer->content_type, sizeof answer->content_type, "%s", type ? type : "");
    answer->error[0] = '\0';
    if (http->too_large)
        snprintf(answer->error, sizeof answer->error, "the answer has more than %zu bytes",
                 http->most);
    else if (code != CURLE_OK)
        snprintf(answer->error, sizeof answer->error, "%.200s",
                 http->error[0] ? http->error : curl_easy_strerror(code));
}

enum http_result
http_send(struct http *http, const struct http_request *request, struct http_answer *answer)
{
    struct curl_slist *headers = NULL;
    CURLcode code;

    for (const char *const *h = request->headers; h && *h; h++)
        headers = curl_slist_append(headers, *h);
    http->size = 0;
    http->too_large = false;
    http->error[0] = '\0';
    http->most = request->answer_max ? request->answer_max : DEFAULT_ANSWER_MAX;
    if (http->body)
        http->body[0] = '\0';
    set_options(http, request, headers);
    code = curl_easy_perform(http->curl);
    fill_answer(http, code, answer);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return result_of(http, code);
}
