/* SPDX-License-Identifier: Apache-2.0
 * http_metrics - what the HTTP side counts, as Prometheus text. The HTTP thread alone writes. */
#ifndef GATEWAY_HTTP_METRICS_H
#define GATEWAY_HTTP_METRICS_H

#include <hde/text.h>

enum { HTTP_ROUTES = 16, HTTP_METHODS = 4, HTTP_STATUSES = 12, HTTP_BUCKETS = 12 };

struct http_metrics {
    uint64_t requests[HTTP_ROUTES + 1][HTTP_METHODS][HTTP_STATUSES]; /* last row: no route */
    uint64_t bucket[HTTP_BUCKETS + 1];
    uint64_t seconds_count;
    double seconds_sum;
    uint64_t connections_total, deadline_closed;
    int64_t connections, inflight;
};

void http_metrics_count(struct http_metrics *metrics, size_t route, unsigned method, int status,
                        int64_t elapsed_ns);
/* names: the pattern of each of the n routes. */
void http_metrics_print(const struct http_metrics *metrics, const char *const *names, size_t n,
                        hde_text *out);

#endif
