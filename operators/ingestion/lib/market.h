/* SPDX-License-Identifier: Apache-2.0
 * market - a synthetic options market as a pure function of a seed and an instant.
 *
 * Nothing is stepped and nothing is kept: asking for 11:00 first and 10:00 later, once or from two
 * threads, gives the same numbers. Spots are fractal noise that moves like a random walk; implied
 * volatilities come from a surface without static arbitrage; prices are Black-76 of that surface,
 * rounded to the tick, so puts and calls agree to a tick; open interest moves in steps of three
 * minutes and volume only grows within a session. */
#ifndef INGESTION_MARKET_H
#define INGESTION_MARKET_H

#include "common/calendar.h"

#define MARKET_TICK 0.05
#define MARKET_STRIKES_MAX 401
#define MARKET_EXPIRIES_MAX 8

struct market {
    uint64_t seed;
    const struct calendar *calendar; /* lent */
    int strikes;                     /* of every expiry; 0: each underlying's own */
};

struct market_underlying {
    const char *symbol;
    int security_id;
    double spot;  /* where it starts */
    double step;  /* between strikes */
    double vol;   /* long-run volatility, decimal */
    int strikes;  /* of one expiry, odd */
    int weeklies; /* how many weekly expiries are listed, 0: monthly ones alone */
    int monthlies;
    double oi_lots; /* open interest of a peak strike */
};

struct market_leg {
    double last, bid, ask, average, prev_close;
    double bid_qty, ask_qty, volume, oi, prev_oi, prev_volume; /* units */
    double iv;                                                 /* decimal */
    double delta, gamma, theta, vega; /* as the vendor gives them: a day, a volatility point */
    int security_id;
};

struct market_chain {
    double spot;
    size_t n;
    double strike[MARKET_STRIKES_MAX];
    struct market_leg call[MARKET_STRIKES_MAX], put[MARKET_STRIKES_MAX];
};

extern const struct market_underlying market_underlyings[]; /* ended by {0} */
const struct market_underlying *market_find(int security_id);

/* The instant that the market shows: outside of a session its last close. */
int64_t market_instant(const struct market *market, int64_t ns, struct session *session);
double market_spot(const struct market *market, const struct market_underlying *u, int64_t ns);
/* Listed expiry dates that have not passed, ascending; at most MARKET_EXPIRIES_MAX. */
size_t market_expiries(const struct market *market, const struct market_underlying *u, int64_t ns,
                       int32_t *days);
/* False where the expiry is not listed at that instant. */
bool market_chain(const struct market *market, const struct market_underlying *u, int32_t expiry,
                  int64_t ns, struct market_chain *out);

#endif
