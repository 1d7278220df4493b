/* SPDX-License-Identifier: Apache-2.0
 * router - from a request to a page: the table of routes, parameters, envelope and caching. */
#ifndef GATEWAY_ROUTER_H
#define GATEWAY_ROUTER_H

#include "http_metrics.h"
#include "page.h"
#include "request.h"
#include "view.h"

/* What an answer is made of. */
enum scope {
    SCOPE_PROCESS, /* this process: health and metrics; never cached */
    SCOPE_ALL,     /* every feed */
    SCOPE_SYMBOL,  /* one feed, {symbol} in the path, and one or all of its expiries */
    SCOPE_SERIES,  /* one feed and expiry over time: live and stored */
};

struct gateway;

struct route {
    const char *pattern; /* "/v1/option-chain/{symbol}" */
    enum scope scope;
    unsigned parameters; /* enum ask_parameter */
    /* PROCESS */
    struct page *(*answer)(struct gateway *gateway);
    /* ALL and SERIES (chain is the newest), or called for each expiry of SYMBOL: writes the data.
     * False: a problem is set. rows: writes elements of an array that the router opens. */
    bool (*render)(struct view *view, const struct chain_view *chain);
    bool rows;
};

/* One row of rules for the whole API. */
extern const struct route routes[];
extern const size_t n_routes;

struct gateway {
    const hde_ctx *ctx; /* for hde_get_health() and hde_metrics() */
    struct query query;
    struct pages pages;
    struct http_metrics metrics;
    uint64_t boot; /* random: ETags of another run never match */
    /* Scratch of the one request that is being answered. */
    struct ask ask;
    hde_text self;
};

/* The answer to a request; a reference. *route_index: row of routes[], n_routes if there is none.
 * Sets page->trace_id when the page is a problem. */
struct page *router_answer(struct gateway *gateway, const struct request *request,
                           size_t *route_index);
/* A problem as a page. */
struct page *router_problem(const struct problem *problem, const struct request *request);
/* if_none_match: the header's value, a list of entity tags or "*". */
bool etag_matches(const char *if_none_match, const char *etag);

/* routes/NAME.c: one file a router. */
struct page *health_livez(struct gateway *gateway);
struct page *health_readyz(struct gateway *gateway);
struct page *health_metrics(struct gateway *gateway);
bool public_symbols(struct view *view, const struct chain_view *chain);
bool option_chain(struct view *view, const struct chain_view *chain);
bool charts_oi(struct view *view, const struct chain_view *chain);
bool charts_pcr(struct view *view, const struct chain_view *chain);
bool analytics_summary(struct view *view, const struct chain_view *chain);
bool analytics_gex(struct view *view, const struct chain_view *chain);
bool analytics_max_pain(struct view *view, const struct chain_view *chain);
bool sr_zones(struct view *view, const struct chain_view *chain);
bool overall(struct view *view, const struct chain_view *chain);

#endif
