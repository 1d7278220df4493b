/* SPDX-License-Identifier: Apache-2.0
 * router - from a request to a page: the table of routes, parameters, envelope and caching. */
#include "router.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <hde/observe.h>
#include <hde/text.h>

#define CHAIN_PARAMETERS (ASK_EXPIRY | ASK_ALL | ASK_STRIKES)
#define SERIES_PARAMETERS                                                                          \
    (ASK_EXPIRY | ASK_FROM | ASK_TO | ASK_INTERVAL | ASK_LIMIT | ASK_CURSOR)

const struct route routes[] = {
    {"/livez", SCOPE_PROCESS, 0, .answer = health_livez},
    {"/readyz", SCOPE_PROCESS, 0, .answer = health_readyz},
    {"/metrics", SCOPE_PROCESS, 0, .answer = health_metrics},
    {"/v1/public/symbols", SCOPE_ALL, ASK_LIMIT | ASK_CURSOR, .render = public_symbols},
    {"/v1/option-chain/{symbol}", SCOPE_SYMBOL, CHAIN_PARAMETERS, .render = option_chain},
    {"/v1/charts/oi/{symbol}", SCOPE_SYMBOL, CHAIN_PARAMETERS, .render = charts_oi},
    {"/v1/charts/pcr/{symbol}", SCOPE_SERIES, SERIES_PARAMETERS, .render = charts_pcr},
    {"/v1/analytics/summary/{symbol}", SCOPE_SYMBOL, ASK_EXPIRY | ASK_ALL,
     .render = analytics_summary},
    {"/v1/analytics/gex/{symbol}", SCOPE_SYMBOL, CHAIN_PARAMETERS, .render = analytics_gex},
    {"/v1/analytics/max-pain/{symbol}", SCOPE_SYMBOL, CHAIN_PARAMETERS,
     .render = analytics_max_pain},
    {"/v1/sr/{symbol}", SCOPE_SYMBOL, ASK_EXPIRY | ASK_ALL, .render = sr_zones, .rows = true},
    {"/v1/overall", SCOPE_ALL, ASK_LIMIT | ASK_CURSOR, .render = overall},
};
const size_t n_routes = sizeof routes / sizeof *routes;

static const char allowed_methods[] = "GET, HEAD, OPTIONS";
static const char cache_live[] = "private, max-age=5, stale-while-revalidate=30";
static const char cache_never[] = "no-store";

/* ---- Finding the route -------------------------------------------------------------------- */

/* Whether the pattern's segments are those of the path; {symbol} takes any that is not empty. */
static bool
matches(const char *pattern, const struct target *target)
{
    for (size_t i = 0; i < target->n_segments; i++) {
        const char *segment = target->segment[i];
        size_t n;

        if (*pattern++ != '/')
            return false;
        n = strcspn(pattern, "/");
        if (*pattern == '{' ? *segment == '\0'
                            : strlen(segment) != n || memcmp(segment, pattern, n) != 0)
            return false;
        pattern += n;
    }
    return *pattern == '\0';
}

static const struct route *
find_route(const struct target *target, struct problem *problem)
{
    const char *patterns[HTTP_ROUTES];
    char path[96] = "";

    for (size_t i = 0; i < n_routes; i++) {
        if (matches(routes[i].pattern, target))
            return &routes[i];
        patterns[i] = routes[i].pattern;
    }
    for (size_t i = 0; i < target->n_segments; i++)
        snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", target->segment[i]);
    problem_fault(problem, "route_not_found",
                  &(struct fault){"path", .nearest = nearest_word(path, patterns, n_routes)},
                  "nothing is served at %.80s", path);
    return NULL;
}

/* ---- Symbols and expiries ----------------------------------------------------------------- */

static bool
find_symbol(struct view *view, const char *symbol)
{
    struct live_feed *feeds;
    const char *words[LIMIT_FEEDS];
    size_t n;

    if (live_find(view->query->live, symbol, &view->feed))
        return true;
    feeds = calloc(LIMIT_FEEDS, sizeof *feeds);
    if (!feeds)
        hde_no_memory();
    n = live_feeds(view->query->live, feeds, LIMIT_FEEDS);
    for (size_t i = 0; i < n; i++)
        words[i] = feeds[i].underlying;
    problem_fault(
        view->problem, "symbol_not_found",
        &(struct fault){"symbol", .allowed = words, .n_allowed = n < 20 ? n : 20,
                        .nearest = nearest_word(symbol, words, n)},
        n ? "no chain of '%.64s' has come" : "no chain of '%.64s' has come, nor any other", symbol);
    free(feeds);
    return false;
}

/* Index of the expiry that was asked for, or n_expiries with a problem. */
static size_t
find_expiry(struct view *view)
{
    const struct live_feed *feed = &view->feed;
    const char *words[LIMIT_EXPIRIES];
    const char *wanted = view->ask->expiry == EXPIRY_DATE ? view->ask->expiry_date : "next";
    size_t at = feed->nearest;

    if (view->ask->expiry == EXPIRY_NEAREST)
        return at;
    if (view->ask->expiry == EXPIRY_NEXT && at + 1 < feed->n_expiries)
        return at + 1;
    for (size_t i = 0; i < feed->n_expiries; i++) {
        words[i] = feed->expiry[i];
        if (strcmp(words[i], wanted) == 0)
            return i;
    }
    problem_fault(view->problem, "expiry_not_found",
                  &(struct fault){"expiry", .allowed = words, .n_allowed = feed->n_expiries,
                                  .nearest = nearest_word(wanted, words, feed->n_expiries)},
                  "%s has no expiry '%s' here", feed->underlying, wanted);
    return feed->n_expiries;
}

struct chosen {
    size_t n;
    uint64_t version;
    struct snapshot snapshot[LIMIT_EXPIRIES];
};

static void
chosen_fini(struct chosen *chosen)
{
    for (size_t i = 0; i < chosen->n; i++)
        snapshot_drop(&chosen->snapshot[i]);
}

static bool
choose(struct view *view, struct chosen *chosen)
{
    const struct live_feed *feed = &view->feed;
    size_t first = 0, end = feed->n_expiries;

    chosen->n = 0;
    chosen->version = feed->version;
    if (view->ask->expiry != EXPIRY_ALL) {
        first = find_expiry(view);
        if (first == feed->n_expiries)
            return false;
        end = first + 1;
    }
    for (size_t i = first; i < end; i++) {
        if (live_get(view->query->live, feed->feed, feed->expiry[i], &chosen->snapshot[chosen->n]))
            chosen->n++;
    }
    if (view->ask->expiry != EXPIRY_ALL && chosen->n == 1)
        chosen->version = chosen->snapshot[0].version;
    return true;
}

/* ---- Links and the envelope --------------------------------------------------------------- */

/* The canonical link of a request: what differs only in spelling shares one page. */
static void
print_self(const struct target *target, hde_text *out)
{
    hde_text_clear(out);
    for (size_t i = 0; i < target->n_segments; i++) {
        hde_text_puts(out, "/");
        ask_put_escaped(out, target->segment[i]);
    }
    for (size_t i = 0; i < target->n_arguments; i++) {
        hde_text_puts(out, i ? "&" : "?");
        ask_put_escaped(out, target->argument[i].name);
        hde_text_puts(out, "=");
        ask_put_escaped(out, target->argument[i].value);
    }
}

static void
print_links(const struct view *view, const struct route *route, const struct target *target,
            const char *self, struct json *json)
{
    char cursor[ASK_CURSOR_SIZE];
    hde_text next = {0};

    json_open_key(json, "links", '{');
    json_field_text(json, "self", self);
    if (view->has_next) {
        ask_print_cursor(cursor, target, route->pattern, view->feed.feed, view->next_after);
        hde_text_put(&next, self, strcspn(self, "?"));
        ask_print_query(&next, target, cursor);
    }
    json_field_text(json, "next", next.data);
    json_close(json, '}');
    hde_text_free(&next);
}

static void
print_meta(const struct view *view, const struct route *route, const char *expiry,
           struct json *json)
{
    bool has_time = view->as_of_ns != INT64_MIN;
    int64_t age_ns = view->now_ns - view->received_ns;

    json_open_key(json, "meta", '{');
    json_field_time(json, "as_of", has_time, view->as_of_ns);
    json_field_text(json, "symbol", route->scope == SCOPE_ALL ? NULL : view->feed.underlying);
    json_field_text(json, "feed", route->scope == SCOPE_ALL ? NULL : view->feed.feed);
    json_field_text(json, "expiry", expiry);
    json_field_text(json, "source", view->source);
    json_key(json, "age_ms");
    if (has_time)
        json_number(json, age_ns > 0 ? (double)(age_ns / 1000000) : 0);
    else
        json_absent(json);
    json_field_text(json, "interval",
                    route->parameters & ASK_INTERVAL ? interval_names[view->ask->interval] : NULL);
    json_field_integer(json, "count", (int64_t)view->count);
    json_field_text(json, "engine_version", hde_version());
    json_open_key(json, "missing", '[');
    for (size_t i = 0; i < view->n_missing; i++)
        json_text(json, view->missing[i]);
    json_close(json, ']');
    json_close(json, '}');
}

/* ---- Answers ------------------------------------------------------------------------------ */

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}

static bool
render_data(struct view *view, const struct route *route, struct chosen *chosen)
{
    bool is_list = view->ask->expiry == EXPIRY_ALL || route->rows, good = true;
    struct chain_view chain = {0};

    if (route->scope == SCOPE_ALL)
        return route->render(view, &chain);
    if (is_list)
        json_open(&view->json, '[');
    for (size_t i = 0; i < chosen->n && good; i++) {
        chain_view_init(&chain, &chosen->snapshot[i]);
        view_note_time(view, chain.raw);
        view->snapshot = &chosen->snapshot[i];
        good = route->render(view, &chain);
    }
    if (is_list)
        json_close(&view->json, ']');
    return good;
}

static struct page *
render_page(struct gateway *gateway, const struct route *route, const struct target *target,
            struct view *view, struct chosen *chosen, uint64_t version)
{
    struct page *page = page_new(200, "application/json", cache_live);
    const char *expiry = view->ask->expiry == EXPIRY_ALL ? "all"
                         : chosen->n == 1                ? chosen->snapshot[0].expiry
                                                         : NULL;
    uint64_t hash;

    view->json.out = &page->body;
    json_open(&view->json, '{');
    json_key(&view->json, "data");
    if (!render_data(view, route, chosen)) {
        page_drop(page);
        return NULL;
    }
    print_meta(view, route, expiry, &view->json);
    print_links(view, route, target, gateway->self.data, &view->json);
    json_close(&view->json, '}');
    hde_text_puts(&page->body, "\n");
    hash = ask_hash(ASK_HASH_SEED, &gateway->boot, sizeof gateway->boot);
    hash = ask_hash(hash, gateway->self.data, gateway->self.len);
    hash = ask_hash(hash, expiry ? expiry : "", expiry ? strlen(expiry) : 0);
    hash = ask_hash(hash, &version, sizeof version);
    snprintf(page->etag, sizeof page->etag, "\"%016" PRIx64 "\"", hash);
    page->built_ns = clock_ns(CLOCK_MONOTONIC);
    pages_put(&gateway->pages, gateway->self.data, version, page);
    return page;
}

/* NULL: a problem is set. */
static struct page *
answer_data(struct gateway *gateway, const struct route *route, const struct target *target,
            struct problem *problem)
{
    bool has_symbol = route->scope == SCOPE_SYMBOL || route->scope == SCOPE_SERIES;
    const char *symbol = has_symbol ? target->segment[target->n_segments - 1] : "";
    struct view view = {.ask = &gateway->ask,
                        .query = &gateway->query,
                        .problem = problem,
                        .as_of_ns = INT64_MIN,
                        .source = "live",
                        .now_ns = clock_ns(CLOCK_REALTIME)};
    struct chosen chosen = {.version = live_version(gateway->query.live)};
    struct page *page;

    if (has_symbol && !find_symbol(&view, symbol))
        return NULL;
    if (!ask_parse(&gateway->ask, target, route->parameters, route->pattern, view.feed.feed,
                   problem) ||
        (has_symbol && !choose(&view, &chosen)))
        return NULL;
    if (route->scope == SCOPE_SERIES)
        chosen.version += query_store_version(&gateway->query) << 32;
    print_self(target, &gateway->self);
    page = pages_find(&gateway->pages, gateway->self.data, chosen.version);
    if (!page)
        page = render_page(gateway, route, target, &view, &chosen, chosen.version);
    chosen_fini(&chosen);
    return page;
}

static struct page *
answer_process(struct gateway *gateway, const struct route *route, const struct target *target,
               struct problem *problem)
{
    if (!ask_parse(&gateway->ask, target, route->parameters, route->pattern, "", problem))
        return NULL;
    return route->answer(gateway);
}

static struct page *
answer_options(void)
{
    struct page *page = page_new(204, NULL, cache_never);

    page->allow = allowed_methods;
    return page;
}

struct page *
router_problem(const struct problem *problem, const struct request *request)
{
    struct page *page = page_new(problem->status, "application/problem+json", cache_never);

    problem_print(problem, request->raw, request->trace_id, &page->body);
    hde_text_puts(&page->body, "\n");
    page->allow = problem->allow;
    page->hang_up = problem->hang_up;
    memcpy(page->trace_id, request->trace_id, sizeof page->trace_id);
    return page;
}

static struct page *
try_answer(struct gateway *gateway, const struct request *request, size_t *route_index,
           struct problem *problem)
{
    const struct route *route;

    if (request->target->asterisk) {
        if (request->method == METHOD_OPTIONS)
            return answer_options();
        problem_set(problem, "bad_target", "* is a target for OPTIONS alone");
        return NULL;
    }
    route = find_route(request->target, problem);
    if (!route)
        return NULL;
    *route_index = (size_t)(route - routes);
    if (request->method == METHOD_OPTIONS)
        return answer_options();
    if (request->method == METHOD_OTHER) {
        problem_set(problem, "method_not_allowed", "'%.32s' is not one of %s", request->method_name,
                    allowed_methods);
        problem->allow = allowed_methods;
        return NULL;
    }
    return route->scope == SCOPE_PROCESS ? answer_process(gateway, route, request->target, problem)
                                         : answer_data(gateway, route, request->target, problem);
}

struct page *
router_answer(struct gateway *gateway, const struct request *request, size_t *route_index)
{
    struct problem problem = {0};
    struct page *page;

    *route_index = n_routes;
    page = try_answer(gateway, request, route_index, &problem);
    if (!page)
        page = router_problem(&problem, request);
    problem_fini(&problem);
    return page;
}

bool
etag_matches(const char *if_none_match, const char *etag)
{
    size_t n = strlen(etag);

    if (!if_none_match || n == 0)
        return false;
    if (strcmp(if_none_match, "*") == 0)
        return true;
    for (const char *s = if_none_match; (s = strstr(s, etag)) != NULL; s += n) {
        char next = s[n];

        if (next == '\0' || next == ',' || next == ' ' || next == '\t')
            return true;
    }
    return false;
}
