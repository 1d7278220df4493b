/* SPDX-License-Identifier: Apache-2.0
 * http_metrics - what the HTTP side counts, as Prometheus text. */
#include "http_metrics.h"

#include <inttypes.h>

/* The last one stands for every other status. */
static const int statuses[HTTP_STATUSES] = {200, 204, 304, 400, 404, 405,
                                            413, 414, 431, 500, 503, 0};
static const char *const methods[HTTP_METHODS] = {"GET", "HEAD", "OPTIONS", "other"};
static const double bounds_s[HTTP_BUCKETS] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                              0.01,   0.025,   0.05,   0.1,   0.5,    1};

void
http_metrics_count(struct http_metrics *metrics, size_t route, unsigned method, int status,
                   int64_t elapsed_ns)
{
    double seconds = (double)elapsed_ns * 1e-9;
    unsigned s = 0, b = 0;

    while (s < HTTP_STATUSES - 1 && statuses[s] != status)
        s++;
    while (b < HTTP_BUCKETS && seconds > bounds_s[b])
        b++;
    metrics->requests[route < HTTP_ROUTES ? route : HTTP_ROUTES][method % HTTP_METHODS][s]++;
    metrics->bucket[b]++;
    metrics->seconds_count++;
    metrics->seconds_sum += seconds;
}

static void
head(hde_text *out, const char *name, const char *type, const char *help)
{
    hde_text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
print_requests(const struct http_metrics *metrics, const char *const *names, size_t n,
               hde_text *out)
{
    head(out, "hde_http_requests_total", "counter", "Requests answered.");
    for (size_t r = 0; r <= HTTP_ROUTES; r++) {
        for (unsigned m = 0; m < HTTP_METHODS; m++) {
            for (unsigned s = 0; s < HTTP_STATUSES; s++) {
                if (metrics->requests[r][m][s])
                    hde_text_printf(
                        out,
                        "hde_http_requests_total{route=\"%s\",method=\"%s\",code=\"%d\"} %" PRIu64
                        "\n",
                        r < n ? names[r] : "none", methods[m], statuses[s],
                        metrics->requests[r][m][s]);
            }
        }
    }
}

static void
print_seconds(const struct http_metrics *metrics, hde_text *out)
{
    uint64_t sum = 0;

    head(out, "hde_http_request_seconds", "histogram",
         "From the request's head to the end of its answer.");
    for (unsigned b = 0; b < HTTP_BUCKETS; b++) {
        sum += metrics->bucket[b];
        hde_text_printf(out, "hde_http_request_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                        bounds_s[b], sum);
    }
    hde_text_printf(out,
                    "hde_http_request_seconds_bucket{le=\"+Inf\"} %" PRIu64
                    "\nhde_http_request_seconds_sum %.9g\nhde_http_request_seconds_count %" PRIu64
                    "\n",
                    metrics->seconds_count, metrics->seconds_sum, metrics->seconds_count);
}

void
http_metrics_print(const struct http_metrics *metrics, const char *const *names, size_t n,
                   hde_text *out)
{
    print_requests(metrics, names, n, out);
    print_seconds(metrics, out);
    head(out, "hde_http_connections", "gauge", "Open connections.");
    hde_text_printf(out, "hde_http_connections %" PRId64 "\n", metrics->connections);
    head(out, "hde_http_connections_total", "counter", "Connections accepted.");
    hde_text_printf(out, "hde_http_connections_total %" PRIu64 "\n", metrics->connections_total);
    head(out, "hde_http_inflight", "gauge", "Requests that are being answered.");
    hde_text_printf(out, "hde_http_inflight %" PRId64 "\n", metrics->inflight);
    head(out, "hde_http_deadline_closed_total", "counter",
         "Connections closed because request or answer took too long.");
    hde_text_printf(out, "hde_http_deadline_closed_total %" PRIu64 "\n", metrics->deadline_closed);
}
