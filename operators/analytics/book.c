/* SPDX-License-Identifier: Apache-2.0
 * book - pages of numbers per feed and expiry. */
#include "book.h"

#include <hde/text.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A stream processor can do nothing useful without memory. */
static void *
resize(void *block, size_t n, size_t size)
{
    void *bigger = reallocarray(block, n ? n : 1, size ? size : 1);

    if (!bigger) {
        hde_no_memory();
    }
    return bigger;
}

static char *
copy_text(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(resize(NULL, size, 1), text, size);
}

static void
forget_ints(int64_t *ints, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ints[i] = BOOK_NONE;
}

static void
forget_reals(double *reals, size_t n)
{
    for (size_t i = 0; i < n; i++)
        reals[i] = NAN;
}

static void
page_free(struct book_page *page)
{
    if (!page)
        return;
    free(page->feed);
    free(page->expiry);
    free(page->session);
    free(page->head_int);
    free(page->head_real);
    free(page->key);
    free(page->ints);
    free(page->reals);
    free(page);
}

static struct book_page *
page_new(struct book *book, const char *feed, const char *expiry, const char *session)
{
    struct book_page *page = resize(NULL, 1, sizeof *page);

    *page = (struct book_page){
        .feed = copy_text(feed),
        .expiry = copy_text(expiry),
        .session = copy_text(session),
        .last_ns = BOOK_NONE,
        .head_int = resize(NULL, book->shape.head_ints, sizeof(int64_t)),
        .head_real = resize(NULL, book->shape.head_reals, sizeof(double)),
    };
    forget_ints(page->head_int, book->shape.head_ints);
    forget_reals(page->head_real, book->shape.head_reals);
    if (book->n == book->cap) {
        book->cap = book->cap ? book->cap * 2 : 8;
        book->page = resize(book->page, book->cap, sizeof *book->page);
    }
    return book->page[book->n++] = page;
}

void
book_open(hde_ctx *ctx, struct book *book, struct book_shape shape)
{
    book->shape = shape;
    book->late = hde_counter_open(ctx, "late", "chains not newer than the one before");
    book->skipped = hde_counter_open(ctx, "skipped", "chains flagged as not of this session");
}

void
book_close(hde_ctx *ctx, void *state)
{
    struct book *book = state;

    for (size_t i = 0; i < book->n; i++)
        page_free(book->page[i]);
    free(book->page);
    book->page = NULL;
    book->n = book->cap = book->recent = 0;
}

/* ---- Pages and sessions -------------------------------------------------------------------- */

static struct book_page *
find(struct book *book, const char *feed, const char *expiry)
{
    for (size_t step = 0; step < book->n; step++) {
        size_t i = (book->recent + step) % book->n;
        struct book_page *page = book->page[i];

        if (strcmp(page->expiry, expiry) == 0 && strcmp(page->feed, feed) == 0) {
            book->recent = i;
            return page;
        }
    }
    return NULL;
}

/* A feed without a calendar: its day is the UTC day. Dates sort as text. */
static const char *
session_of(const Hde__RawChain *raw, char buf[24])
{
    struct tm day;
    time_t seconds;

    if (raw->session && *raw->session)
        return raw->session;
    seconds = (time_t)(raw->event_ns / 1000000000);
    strftime(buf, 24, "%Y-%m-%d", gmtime_r(&seconds, &day));
    return buf;
}

static void
start_session(struct book *book, struct book_page *page, const char *session)
{
    char *feed = page->feed;

    free(page->session);
    page->session = copy_text(session);
    page->n = 0;
    forget_ints(page->head_int, book->shape.head_ints);
    forget_reals(page->head_real, book->shape.head_reals);
    for (size_t i = book->n; i-- > 0;) { /* expiries that have passed */
        struct book_page *old = book->page[i];

        if (old == page || strcmp(old->feed, feed) != 0 || strcmp(old->expiry, session) >= 0)
            continue;
        page_free(old);
        book->page[i] = book->page[--book->n];
    }
    book->recent = 0;
}

static bool
has_ascending_strikes(const Hde__RawChain *raw)
{
    for (size_t i = 1; i < raw->n_strike; i++)
        if (!(raw->strike[i] > raw->strike[i - 1]))
            return false;
    return raw->n_strike == 0 || !isnan(raw->strike[0]);
}

/* NULL: the chain is late. */
static struct book_page *
turn(struct book *book, const Hde__RawChain *raw)
{
    char buf[24];
    const char *session = session_of(raw, buf);
    struct book_page *page = find(book, raw->feed, raw->expiry);

    if (!page)
        page = page_new(book, raw->feed, raw->expiry, session);
    if (page->last_ns != BOOK_NONE && raw->event_ns <= page->last_ns)
        return NULL;
    if (!book->across_sessions && strcmp(page->session, session) != 0)
        start_session(book, page, session);
    page->last_ns = raw->event_ns;
    return page;
}

hde_status
book_batch(hde_ctx *ctx, void *state, hde_batch *batch, book_work *work)
{
    struct book *book = state;

    for (; batch->done < batch->n; batch->done++) {
        const hde_msg *msg = batch->msg[batch->done];
        const Hde__RawChain *raw = chain_raw(msg);
        struct book_page *page;

        if (!raw || !raw->feed || !raw->expiry || !raw->has_event_ns || !has_ascending_strikes(raw))
            return hde_reject(ctx, "analytics.bad-chain",
                              "a chain without feed, expiry, stamp or ascending strikes");
        page = turn(book, raw);
        if (!page)
            hde_count(book->late, 1);
        else if (!book->takes_flagged && !chain_is_valid(raw))
            hde_count(book->skipped, 1);
        else
            work(ctx, state, page, msg, raw);
    }
    return HDE_OK;
}

/* ---- Rows ---------------------------------------------------------------------------------- */

static void
reserve(const struct book *book, struct book_page *page, size_t n)
{
    if (n <= page->cap)
        return;
    page->cap = n > 2 * page->cap ? n : 2 * page->cap;
    page->key = resize(page->key, page->cap, sizeof *page->key);
    page->ints = resize(page->ints, page->cap * book->shape.ints, sizeof *page->ints);
    page->reals = resize(page->reals, page->cap * book->shape.reals, sizeof *page->reals);
}

static void
move_row(const struct book *book, struct book_page *page, size_t to, size_t from)
{
    page->key[to] = page->key[from];
    memcpy(book_ints(book, page, to), book_ints(book, page, from),
           book->shape.ints * sizeof(int64_t));
    memcpy(book_reals(book, page, to), book_reals(book, page, from),
           book->shape.reals * sizeof(double));
}

static void
clear_row(const struct book *book, struct book_page *page, size_t row, double key)
{
    page->key[row] = key;
    forget_ints(book_ints(book, page, row), book->shape.ints);
    forget_reals(book_reals(book, page, row), book->shape.reals);
}

static size_t
count_missing(const struct book_page *page, const double *keys, size_t n)
{
    size_t missing = 0;

    for (size_t i = 0, row = 0; i < n; i++) {
        while (row < page->n && page->key[row] < keys[i])
            row++;
        missing += row == page->n || page->key[row] != keys[i];
    }
    return missing;
}

void
book_align(const struct book *book, struct book_page *page, const double *keys, size_t n,
           uint32_t *at)
{
    size_t missing = count_missing(page, keys, n);
    size_t from = page->n, to = page->n + missing;

    reserve(book, page, to);
    page->n = to;
    for (size_t i = n; i-- > 0;) { /* both ascend: merge from the back, in place */
        while (from > 0 && page->key[from - 1] > keys[i]) {
            --from, --to;
            if (from != to)
                move_row(book, page, to, from);
        }
        --to;
        at[i] = (uint32_t)to;
        if (from > 0 && page->key[from - 1] == keys[i]) {
            if (--from != to)
                move_row(book, page, to, from);
        } else {
            clear_row(book, page, to, keys[i]);
        }
    }
}

size_t
book_add(const struct book *book, struct book_page *page, double key)
{
    reserve(book, page, page->n + 1);
    clear_row(book, page, page->n, key);
    return page->n++;
}

void
book_remove(const struct book *book, struct book_page *page, size_t row)
{
    for (--page->n; row < page->n; row++)
        move_row(book, page, row, row + 1);
}

/* ---- Save and load -------------------------------------------------------------------------- */

enum { PAGE_FEED, PAGE_EXPIRY, PAGE_SESSION, PAGE_LAST, PAGE_ROWS, PAGE_INTS, PAGE_REALS, PAGE_N };
enum { ROW_KEY, ROW_INTS, ROW_REALS, ROW_N };

static Hde__StateTable *
add_table(hde_msg *out, Hde__State *state, const char *name, const char *const *columns, size_t n)
{
    Hde__StateTable *table = NULL;

    state->tables[state->n_tables] = NULL;
    table = hde_msg_edit(out, &state->tables[state->n_tables], &hde__state_table__descriptor);
    state->n_tables++;
    table->name = hde_msg_text(out, name);
    table->columns = hde_msg_alloc(out, n * sizeof(Hde__StateColumn *));
    for (size_t i = 0; i < n; i++) {
        Hde__StateColumn *column;

        table->columns[i] = NULL;
        column = hde_msg_edit(out, &table->columns[i], &hde__state_column__descriptor);
        column->name = hde_msg_text(out, columns[i]);
    }
    table->n_columns = n;
    return table;
}

static void
put_text(hde_msg *out, Hde__StateColumn *column, size_t cap, const char *text)
{
    if (!column->text)
        column->text = hde_msg_alloc(out, cap * sizeof(char *));
    column->text[column->n_text++] = hde_msg_text(out, text);
}

static void
put_ints(hde_msg *out, Hde__StateColumn *column, size_t cap, const int64_t *x, size_t n)
{
    if (!column->integer)
        column->integer = hde_msg_alloc(out, (cap ? cap : 1) * sizeof(int64_t));
    if (n)
        memcpy(column->integer + column->n_integer, x, n * sizeof *x);
    column->n_integer += n;
}

static void
put_reals(hde_msg *out, Hde__StateColumn *column, size_t cap, const double *x, size_t n)
{
    if (!column->number)
        column->number = hde_msg_alloc(out, (cap ? cap : 1) * sizeof(double));
    if (n)
        memcpy(column->number + column->n_number, x, n * sizeof *x);
    column->n_number += n;
}

hde_status
book_save(hde_ctx *ctx, const void *state_of_operator, hde_msg *out)
{
    const struct book *book = state_of_operator;
    static const char *const page_columns[PAGE_N] = {"feed", "expiry", "session", "last_ns",
                                                     "rows", "ints",   "reals"};
    static const char *const row_columns[ROW_N] = {"key", "ints", "reals"};
    const struct book_shape *shape = &book->shape;
    Hde__State *state = (Hde__State *)out->body;
    Hde__StateColumn **head, **rows;
    size_t n_rows = 0;

    for (size_t i = 0; i < book->n; i++)
        n_rows += book->page[i]->n;
    state->tables = hde_msg_alloc(out, 2 * sizeof *state->tables);
    head = add_table(out, state, "pages", page_columns, PAGE_N)->columns;
    rows = add_table(out, state, "rows", row_columns, ROW_N)->columns;
    for (size_t i = 0; i < book->n; i++) {
        const struct book_page *page = book->page[i];
        int64_t count = (int64_t)page->n;

        put_text(out, head[PAGE_FEED], book->n, page->feed);
        put_text(out, head[PAGE_EXPIRY], book->n, page->expiry);
        put_text(out, head[PAGE_SESSION], book->n, page->session);
        put_ints(out, head[PAGE_LAST], book->n, &page->last_ns, 1);
        put_ints(out, head[PAGE_ROWS], book->n, &count, 1);
        put_ints(out, head[PAGE_INTS], book->n * shape->head_ints, page->head_int,
                 shape->head_ints);
        put_reals(out, head[PAGE_REALS], book->n * shape->head_reals, page->head_real,
                  shape->head_reals);
        put_reals(out, rows[ROW_KEY], n_rows, page->key, page->n);
        put_ints(out, rows[ROW_INTS], n_rows * shape->ints, page->ints, page->n * shape->ints);
        put_reals(out, rows[ROW_REALS], n_rows * shape->reals, page->reals, page->n * shape->reals);
    }
    return HDE_OK;
}

/* Whether the tables have the columns and lengths that this shape writes. */
static bool
fits(const struct book_shape *shape, const Hde__State *state)
{
    Hde__StateColumn **head, **rows;
    size_t n, n_rows = 0;

    if (state->n_tables != 2 || state->tables[0]->n_columns != PAGE_N ||
        state->tables[1]->n_columns != ROW_N)
        return false;
    head = state->tables[0]->columns;
    rows = state->tables[1]->columns;
    n = head[PAGE_FEED]->n_text;
    if (head[PAGE_EXPIRY]->n_text != n || head[PAGE_SESSION]->n_text != n ||
        head[PAGE_LAST]->n_integer != n || head[PAGE_ROWS]->n_integer != n ||
        head[PAGE_INTS]->n_integer != n * shape->head_ints ||
        head[PAGE_REALS]->n_number != n * shape->head_reals)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (head[PAGE_ROWS]->integer[i] < 0 ||
            (uint64_t)head[PAGE_ROWS]->integer[i] > rows[ROW_KEY]->n_number)
            return false;
        n_rows += (size_t)head[PAGE_ROWS]->integer[i];
    }
    return rows[ROW_KEY]->n_number == n_rows && rows[ROW_INTS]->n_integer == n_rows * shape->ints &&
           rows[ROW_REALS]->n_number == n_rows * shape->reals;
}

hde_status
book_load(hde_ctx *ctx, void *state_of_operator, const ProtobufCMessage *saved, uint32_t schema)
{
    struct book *book = state_of_operator;
    const struct book_shape *shape = &book->shape;
    const Hde__State *state = (const Hde__State *)saved;
    Hde__StateColumn **head, **rows;
    size_t row = 0;

    if (!fits(shape, state))
        return hde_fail(ctx, "analytics.state",
                        "the saved state has other columns than this "
                        "build: start without it");
    head = state->tables[0]->columns;
    rows = state->tables[1]->columns;
    for (size_t i = 0; i < head[PAGE_FEED]->n_text; i++) {
        size_t n = (size_t)head[PAGE_ROWS]->integer[i];
        struct book_page *page;
        bool is_ours;

        if (chain_owns(ctx, head[PAGE_FEED]->text[i], head[PAGE_EXPIRY]->text[i], &is_ours))
            return HDE_FAIL;
        if (!is_ours) {
            row += n;
            continue;
        }
        page = page_new(book, head[PAGE_FEED]->text[i], head[PAGE_EXPIRY]->text[i],
                        head[PAGE_SESSION]->text[i]);
        page->last_ns = head[PAGE_LAST]->integer[i];
        for (size_t k = 0; k < shape->head_ints; k++)
            page->head_int[k] = head[PAGE_INTS]->integer[i * shape->head_ints + k];
        for (size_t k = 0; k < shape->head_reals; k++)
            page->head_real[k] = head[PAGE_REALS]->number[i * shape->head_reals + k];
        for (size_t k = 0; k < n; k++, row++) {
            size_t at = book_add(book, page, rows[ROW_KEY]->number[row]);

            for (size_t j = 0; j < shape->ints; j++)
                book_ints(book, page, at)[j] = rows[ROW_INTS]->integer[row * shape->ints + j];
            for (size_t j = 0; j < shape->reals; j++)
                book_reals(book, page, at)[j] = rows[ROW_REALS]->number[row * shape->reals + j];
        }
    }
    return HDE_OK;
}

/* ---- Chains --------------------------------------------------------------------------------- */

bool
chain_is_valid(const Hde__RawChain *raw)
{
    for (size_t i = 0; i < raw->n_flags; i++)
        switch (raw->flags[i]) {
        case HDE__CHAIN_FLAG__CHAIN_FLAG_STALE:
        case HDE__CHAIN_FLAG__CHAIN_FLAG_PRE_OPEN:
        case HDE__CHAIN_FLAG__CHAIN_FLAG_EMPTY:
        case HDE__CHAIN_FLAG__CHAIN_FLAG_ZERO_LEGS:
            return false;
        default:
            break;
        }
    return raw->n_strike > 0 && !(raw->has_session_open_ns && raw->event_ns < raw->session_open_ns);
}

double
leg_prev_oi(const Hde__Quotes *side, size_t n, size_t i)
{
    double given = CHAIN_AT(side, prev_oi, n, i);

    return isnan(given) ? CHAIN_AT(side, oi, n, i) - CHAIN_AT(side, oi_change, n, i) : given;
}
