/* SPDX-License-Identifier: Apache-2.0
 * book - what an analytics operator remembers: one page a feed and expiry, with numbers of the
 * page (the head) and rows of numbers under a key (a strike, a zone's peak).
 *
 * A page belongs to one session of its feed and is emptied when the next one begins; pages of
 * expiries that have passed are dropped then. A chain that is not newer than its page is late and
 * changes nothing. All of it saves to and loads from hde.State, so an operator that keeps its
 * memory here survives restart and reload without code of its own. */
#ifndef ANALYTICS_BOOK_H
#define ANALYTICS_BOOK_H

#include "common/chain.h"

#include <hde/schemas/runtime.pb-c.h>

#define BOOK_NONE INT64_MIN /* an integer that is not known yet; reals are NaN */

/* How many numbers the head and each row have. */
struct book_shape {
    uint32_t head_ints, head_reals, ints, reals;
};

struct book_page {
    char *feed, *expiry, *session;
    int64_t last_ns; /* stamp of the newest chain seen */
    int64_t *head_int;
    double *head_real;
    size_t n, cap;
    double *key;   /* n */
    int64_t *ints; /* n x shape.ints */
    double *reals; /* n x shape.reals */
};

/* The first member of an operator's state. */
struct book {
    struct book_shape shape;
    bool takes_flagged;   /* also chains that chain_is_valid() refuses */
    bool across_sessions; /* pages are never emptied */
    size_t n, cap, recent;
    struct book_page **page;
    hde_counter *late, *skipped;
};

/* In the operator's open(). */
void book_open(hde_ctx *ctx, struct book *book, struct book_shape shape);

/* What an operator makes of one chain. */
typedef void book_work(hde_ctx *ctx, void *state, struct book_page *page, const hde_msg *msg,
                       const Hde__RawChain *raw);
/* The operator's batch(): finds the page of each chain, made or emptied for its session, and calls
 * work. Sessions are told by raw.session, else by the UTC day of the stamp. Late chains and those
 * that are not valid are counted; chains without feed, expiry, stamp or ascending strikes are
 * rejected. */
hde_status book_batch(hde_ctx *ctx, void *state, hde_batch *batch, book_work *work);

/* An operator's close, save and load; its state_type is hde.State. */
void book_close(hde_ctx *ctx, void *state);
hde_status book_save(hde_ctx *ctx, const void *state, hde_msg *out);
hde_status book_load(hde_ctx *ctx, void *state, const ProtobufCMessage *saved, uint32_t schema);

/* Rows for ascending keys, new ones unknown in all numbers; at[i] is the row of keys[i]. Row
 * pointers are valid until the next call that adds rows. */
void book_align(const struct book *book, struct book_page *page, const double *keys, size_t n,
                uint32_t *at);
size_t book_add(const struct book *book, struct book_page *page, double key); /* behind the rest */
void book_remove(const struct book *book, struct book_page *page, size_t row);

static inline double *
book_reals(const struct book *book, struct book_page *page, size_t row)
{
    return page->reals + row * book->shape.reals;
}

static inline int64_t *
book_ints(const struct book *book, struct book_page *page, size_t row)
{
    return page->ints + row * book->shape.ints;
}

/* Whether the numbers are those of the running session: not flagged stale, pre-open, empty or all
 * zero, and not stamped before the open. */
bool chain_is_valid(const Hde__RawChain *raw);
/* Yesterday's open interest of leg i: as given, or oi - oi_change; NaN where neither is. */
double leg_prev_oi(const Hde__Quotes *side, size_t n, size_t i);

#endif
