/* SPDX-License-Identifier: Apache-2.0
 * page - one finished answer, built once and sent to everybody who asks for it. */
#include "page.h"

#include "ask.h"

#include <hde/text.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

struct page *
page_new(int status, const char *type, const char *cache_control)
{
    struct page *page = calloc(1, sizeof *page);

    if (!page)
        hde_no_memory();
    page->status = status;
    page->type = type;
    page->cache_control = cache_control;
    page->references = 1;
    return page;
}

struct page *
page_keep(struct page *page)
{
    page->references++;
    return page;
}

void
page_drop(struct page *page)
{
    if (!page || --page->references > 0)
        return;
    hde_text_free(&page->body);
    free(page->key);
    free(page);
}

static void
body_sent(void *page)
{
    page_drop(page);
}

static void
add(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        hde_no_memory(); /* names and values are ours */
}

static struct MHD_Response *
make(struct page *page, bool is_unchanged, const char *trace_id, int64_t age_s)
{
    static char nothing[1];
    size_t size = is_unchanged ? 0 : page->body.len;
    struct MHD_Response *response;
    char age[24];

    response = MHD_create_response_from_buffer_with_free_callback_cls(
        size, size ? page->body.data : nothing, body_sent, page);
    if (!response)
        hde_no_memory();
    page_keep(page);
    if (!is_unchanged && page->type)
        add(response, "Content-Type", page->type);
    add(response, "Cache-Control", page->cache_control);
    add(response, "X-Content-Type-Options", "nosniff");
    if (page->etag[0]) {
        add(response, "ETag", page->etag);
        snprintf(age, sizeof age, "%lld", (long long)age_s);
        add(response, "Age", age);
    }
    if (page->allow)
        add(response, "Allow", page->allow);
    if (trace_id)
        add(response, "Trace-Id", trace_id);
    if (page->status == 503)
        add(response, "Retry-After", "1");
    if (page->hang_up)
        add(response, "Connection", "close");
    return response;
}

static void
forget(struct page *page)
{
    struct MHD_Response *full = page->full, *unchanged = page->unchanged;

    page->full = page->unchanged = NULL;
    if (full)
        MHD_destroy_response(full);
    if (unchanged)
        MHD_destroy_response(unchanged);
}

/* The shared responses hold references to the page and the page to them: they are let go here when
 * their age is no longer true, and by the table when it lets the page go. */
struct MHD_Response *
page_response(struct page *page, bool is_unchanged, const char *trace_id, int64_t now_ns)
{
    struct MHD_Response **shared = is_unchanged ? &page->unchanged : &page->full;
    int64_t age_s = (now_ns - page->built_ns) / 1000000000;

    if (!page->key || trace_id)
        return make(page, is_unchanged, trace_id, age_s);
    if (page->age_s != age_s) {
        forget(page); /* the caller's reference keeps the page */
        page->age_s = age_s;
    }
    if (!*shared)
        *shared = make(page, is_unchanged, NULL, age_s);
    return *shared;
}

void
page_response_done(const struct page *page, struct MHD_Response *response)
{
    if (response != page->full && response != page->unchanged)
        MHD_destroy_response(response);
}

/* ---- Finished pages ----------------------------------------------------------------------- */

static struct page **
place(struct pages *pages, const char *key)
{
    uint64_t hash = ask_hash(ASK_HASH_SEED, key, strlen(key));

    return &pages->page[(hash ^ hash >> 32) % LIMIT_PAGES];
}

static void
let_go(struct page **place)
{
    struct page *page = *place;

    *place = NULL;
    if (!page)
        return;
    forget(page);
    page_drop(page);
}

struct page *
pages_find(struct pages *pages, const char *key, uint64_t version)
{
    struct page *page = *place(pages, key);

    if (!page || page->version != version || strcmp(page->key, key) != 0) {
        pages->misses++;
        return NULL;
    }
    pages->hits++;
    return page_keep(page);
}

/* Two keys that fall into one place take turns: the younger answer stays. */
void
pages_put(struct pages *pages, const char *key, uint64_t version, struct page *page)
{
    struct page **at = place(pages, key);

    let_go(at);
    page->key = strdup(key);
    if (!page->key)
        hde_no_memory();
    page->version = version;
    *at = page_keep(page);
}

void
pages_fini(struct pages *pages)
{
    for (size_t i = 0; i < LIMIT_PAGES; i++)
        let_go(&pages->page[i]);
}
