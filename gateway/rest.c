/* SPDX-License-Identifier: Apache-2.0
 * rest - operator gateway/rest: shows what flows in over HTTP. */
#include "server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct rest {
    /* parameters */
    const char *listen, *store;
    hde_secret redis;
    bool insecure;
    int64_t connections, connections_per_ip;
    hde_duration request_timeout;
    /* ours */
    struct gateway *gateway;
    struct server *server;
    hde_counter *shown;
};

/* Lets the HTTP thread wait for Redis only as long as a client does not mind. */
enum { CACHE_TIMEOUT_MS = 50, CACHE_WAIT_MS = 100 };

static bool
open_cache(struct rest *self, char why[256])
{
    struct cache_options options = {.redis = self->redis.text,
                                    .timeout_ms = CACHE_TIMEOUT_MS,
                                    .wait_ms = CACHE_WAIT_MS};

    if (!self->redis.text || !*self->redis.text)
        return true;
    self->gateway->query.cache = cache_new(&options, why);
    return self->gateway->query.cache != NULL;
}

static hde_status
rest_open(hde_ctx *ctx, void *state)
{
    struct rest *self = state;
    struct server_config config = {
        .listen = self->listen,
        .insecure = self->insecure,
        .connections_max = (unsigned)self->connections,
        .connections_per_ip = (unsigned)self->connections_per_ip,
        .request_timeout_ns = self->request_timeout.ns,
    };
    struct server_error error;
    char why[256];

    self->gateway = calloc(1, sizeof *self->gateway);
    if (!self->gateway)
        return hde_fail(ctx, "gateway.memory", "no memory for the gateway");
    self->gateway->ctx = ctx;
    self->gateway->query.live = live_new();
    if (getrandom(&self->gateway->boot, sizeof self->gateway->boot, 0) < 0)
        self->gateway->boot = (uint64_t)hde_now_ns(ctx);
    if (self->store && *self->store)
        query_open_store(&self->gateway->query,
                         strncmp(self->store, "sqlite:", 7) == 0 ? self->store + 7 : self->store);
    if (!open_cache(self, why))
        return hde_fail(ctx, "gateway.cache", "redis: %s", why);
    self->shown = hde_counter_open(ctx, "shown", "messages that replaced an older one");
    self->server = server_start(&config, self->gateway, &error);
    if (!self->server)
        return hde_fail(ctx, error.event, "%s", error.text);
    hde_log(ctx, HDE_INFO, "gateway.listening", "%s", server_url(self->server));
    return HDE_OK;
}

static hde_status
rest_batch(hde_ctx *ctx, void *state, hde_batch *batch)
{
    struct rest *self = state;

    for (; batch->done < batch->n; batch->done++) {
        const char *why =
            live_put(self->gateway->query.live, hde_msg_keep(batch->msg[batch->done]));

        if (why)
            return hde_reject(ctx, "gateway.not-shown", "%s", why);
        hde_count(self->shown, 1);
    }
    return HDE_OK;
}

static void
rest_close(hde_ctx *ctx, void *state)
{
    struct rest *self = state;
    struct gateway *gateway = self->gateway;

    if (!gateway)
        return;
    server_stop(self->server);
    pages_fini(&gateway->pages);
    query_close_store(&gateway->query);
    cache_free(gateway->query.cache);
    live_free(gateway->query.live);
    hde_text_free(&gateway->self);
    free(gateway);
}

static const hde_port inputs[] = {
    {"live",
     HDE_TYPES(&hde__enriched_chain__descriptor, &hde__raw_chain__descriptor,
               &hde__cumulative_oi__descriptor, &hde__velocity__descriptor,
               &hde__buildup__descriptor, &hde__zones__descriptor),
     .help = "chains and results to show; the newest of each feed and expiry counts"},
    {0},
};

static const hde_param params[] = {
    HDE_PARAM(struct rest, listen, .fallback = "127.0.0.1:8000",
              .help = "address and port; port 0 takes a free one"),
    HDE_PARAM(struct rest, store, .fallback = "",
              .help =
                  "store that the graph writes: a SQLite file as PATH or sqlite:PATH, or the address "
                  "of a PostgreSQL database; empty: no history"),
    HDE_PARAM(struct rest, redis, .fallback = "",
              .help = "URL of a Redis, as redis://HOST:PORT, that gateways share what they read "
                      "from the store through; they serve without it too. Empty: none"),
    HDE_PARAM(struct rest, insecure, .fallback = "false",
              .help = "listen on addresses that other hosts reach, without keys and encryption"),
    HDE_PARAM(struct rest, connections, .fallback = "1000", .min = 1, .max = 100000,
              .help = "at most so many at once; further ones wait to be accepted"),
    HDE_PARAM(struct rest, connections_per_ip, .fallback = "0", .min = 0, .max = 100000,
              .help = "at most so many of one client address; 0: no bound"),
    HDE_PARAM(struct rest, request_timeout, .fallback = "10s", .min = 0.05, .max = 600,
              .help = "a request's head must be complete after this; slower clients are cut off"),
    {0},
};

static const hde_operator rest = {
    .size = sizeof(hde_operator),
    .flags = HDE_VIEW | HDE_EXCLUSIVE,
    .name = "gateway/rest",
    .summary = "HTTP gateway: newest chains and results, stored series, health and metrics",
    .help = "Routes: /livez /readyz /metrics /v1/public/symbols /v1/option-chain/{symbol}\n"
            "/v1/charts/oi/{symbol} /v1/charts/pcr/{symbol} /v1/analytics/summary/{symbol}\n"
            "/v1/analytics/gex/{symbol} /v1/analytics/max-pain/{symbol} /v1/sr/{symbol}\n"
            "/v1/overall. Errors are application/problem+json.",
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct rest),
    .open = rest_open,
    .batch = rest_batch,
    .close = rest_close,
};

HDE_PLUGIN(&rest);
