/* SPDX-License-Identifier: Apache-2.0
 * health - /livez, /readyz, /metrics: this process. */
#include "router.h"

#include <hde/observe.h>

static const char never[] = "no-store";

struct page *
health_livez(struct gateway *gateway)
{
    hde_health health = {.size = sizeof health};
    struct page *page;
    struct json json;

    hde_get_health(gateway->ctx, &health);
    page = page_new(health.live ? 200 : 503, "application/json", never);
    json = (struct json){.out = &page->body};
    json_open(&json, '{');
    json_field_text(&json, "status", health.live ? "ok" : "stalled");
    json_field_text(&json, "version", hde_version());
    json_close(&json, '}');
    hde_text_puts(&page->body, "\n");
    return page;
}

/* What helps, and does not keep the process from being ready. */
static void
put_cache(struct json *json, struct cache *cache)
{
    char why[256];

    if (!cache)
        return;
    json_open_key(json, "cache", '{');
    json_field_text(json, "state", cache_state_name(cache_look(cache, why)));
    json_field_text(json, "reason", why[0] ? why : NULL);
    json_close(json, '}');
}

/* Ready: every node is open, none is stopped, and the process is not going away. */
struct page *
health_readyz(struct gateway *gateway)
{
    hde_health health = {.size = sizeof health};
    struct page *page;
    struct json json;
    bool ready;

    hde_get_health(gateway->ctx, &health);
    ready = health.live && health.ready && !health.draining;
    page = page_new(ready ? 200 : 503, "application/json", never);
    json = (struct json){.out = &page->body};
    json_open(&json, '{');
    json_field_text(&json, "status", ready ? "ready" : health.draining ? "draining" : "not ready");
    json_field_bool(&json, "live", true, health.live);
    json_field_bool(&json, "draining", true, health.draining);
    json_field_text(&json, "reason", health.reason[0] ? health.reason : NULL);
    json_field_text(&json, "degraded", health.degraded ? health.missing : NULL);
    put_cache(&json, gateway->query.cache);
    json_field_integer(&json, "messages_shown", (int64_t)live_version(gateway->query.live));
    json_close(&json, '}');
    hde_text_puts(&page->body, "\n");
    return page;
}

struct page *
health_metrics(struct gateway *gateway)
{
    struct page *page = page_new(200, "text/plain; version=0.0.4; charset=utf-8", never);
    const char *names[HTTP_ROUTES];

    for (size_t i = 0; i < n_routes; i++)
        names[i] = routes[i].pattern;
    hde_metrics(gateway->ctx, &page->body);
    if (gateway->query.cache)
        cache_print_metrics(gateway->query.cache, &page->body);
    http_metrics_print(&gateway->metrics, names, n_routes, &page->body);
    return page;
}
