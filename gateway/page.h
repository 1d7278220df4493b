/* SPDX-License-Identifier: Apache-2.0
 * page - one finished answer, built once and sent to everybody who asks for it.
 *
 * Counted references; only the HTTP thread touches pages. The body stays where it is while a slow
 * client still reads it, even when the table has let the page go. */
#ifndef GATEWAY_PAGE_H
#define GATEWAY_PAGE_H

#include "bounds.h"

#include <hde/text.h>

struct MHD_Response;

struct page {
    int status;
    hde_text body;
    const char *type;          /* media type */
    const char *cache_control; /* static text */
    const char *allow;         /* static text or NULL */
    char etag[24];             /* quoted, "" if the page has none */
    char trace_id[33];         /* problems carry their trace; "" otherwise */
    bool hang_up;              /* close the connection after it */
    int64_t built_ns;          /* monotonic */

    /* The rest belongs to page.c. */
    unsigned references;
    int64_t age_s; /* that `full` and `unchanged` state */
    struct MHD_Response *full, *unchanged;
    char *key;
    uint64_t version;
};

struct page *page_new(int status, const char *type, const char *cache_control);
struct page *page_keep(struct page *page);
void page_drop(struct page *page);

/* The response to queue: 200 (or whatever status), or the 304 without body. trace_id NULL: the
 * shared one. Give it back after queueing. */
struct MHD_Response *page_response(struct page *page, bool is_unchanged, const char *trace_id,
                                   int64_t now_ns);
void page_response_done(const struct page *page, struct MHD_Response *response);

/* Finished pages by their canonical link; a page counts while the version of its data is that of
 * the question. Starts zeroed. */
struct pages {
    struct page *page[LIMIT_PAGES];
    uint64_t hits, misses;
};

/* A reference, or NULL. */
struct page *pages_find(struct pages *pages, const char *key, uint64_t version);
void pages_put(struct pages *pages, const char *key, uint64_t version, struct page *page);
void pages_fini(struct pages *pages);

#endif
