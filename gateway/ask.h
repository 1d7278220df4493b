/* SPDX-License-Identifier: Apache-2.0
 * ask - the query parameters of a request as values: expiry, strikes, from, to, interval,
 * limit, cursor. */
#ifndef GATEWAY_ASK_H
#define GATEWAY_ASK_H

#include "request.h"

/* What a route takes; ASK_ALL lets expiry be "all". */
enum ask_parameter {
    ASK_EXPIRY = 1,
    ASK_STRIKES = 2,
    ASK_FROM = 4,
    ASK_TO = 8,
    ASK_LIMIT = 16,
    ASK_CURSOR = 32,
    ASK_ALL = 64,
    ASK_INTERVAL = 128,
};

enum expiry_choice { EXPIRY_NEAREST, EXPIRY_NEXT, EXPIRY_ALL, EXPIRY_DATE };
enum strike_choice { STRIKES_ALL, STRIKES_ATM, STRIKES_LIST };

/* What one point of a series stands for: a row, or a bucket of a rollup. */
enum interval { INTERVAL_RAW, INTERVAL_5M, INTERVAL_15M, INTERVAL_1H, INTERVALS };
extern const char *const interval_names[INTERVALS];
extern const int64_t interval_ns[INTERVALS]; /* RAW: 1 */

/* A point of time as asked: absolute, or relative to the newest data. */
enum instant_kind { INSTANT_ABSENT, INSTANT_ABSOLUTE, INSTANT_RELATIVE, INSTANT_OPEN };
struct instant {
    enum instant_kind kind;
    int64_t ns; /* ABSOLUTE: since 1970; RELATIVE: to be added, at most 0 */
};

struct ask {
    enum expiry_choice expiry;
    char expiry_date[11]; /* EXPIRY_DATE: YYYY-MM-DD */
    enum strike_choice strikes;
    size_t strikes_aside; /* STRIKES_ATM: on each side of the strike at the money */
    size_t n_strikes;     /* STRIKES_LIST */
    double strike[LIMIT_STRIKES];
    struct instant from, to;
    enum interval interval;
    size_t limit;  /* 0: not given */
    bool resumed;  /* a cursor was given */
    int64_t after; /* of the cursor: the last position that was sent */
};

/* Every fault of the query is reported. route is the pattern, symbol the part of the path that
 * the cursor belongs to ("" if none). */
bool ask_parse(struct ask *ask, const struct target *target, unsigned allowed, const char *route,
               const char *symbol, struct problem *problem);

/* A cursor that goes on behind `after` in the same query with the parameters of target (cursor
 * left out): opaque to clients, refused when it was edited or belongs to another query. */
enum { ASK_CURSOR_SIZE = 48 };
void ask_print_cursor(char out[ASK_CURSOR_SIZE], const struct target *target, const char *route,
                      const char *symbol, int64_t after);
/* The query string with that cursor, as links.next wants it (begins with '?'). */
void ask_print_query(hde_text *out, const struct target *target, const char *cursor);

/* Text as a part of a link. */
void ask_put_escaped(hde_text *out, const char *s);

/* 64 bits of FNV-1a, to be chained; starts with ASK_HASH_SEED. */
#define ASK_HASH_SEED 0xcbf29ce484222325u
uint64_t ask_hash(uint64_t seed, const void *bytes, size_t size);

#endif
