/* SPDX-License-Identifier: Apache-2.0
 * market - a synthetic chain whose every number is known: Black-76 on a quadratic smile. */
#ifndef TESTS_MARKET_H
#define TESTS_MARKET_H

#include <hde/schemas/market.pb-c.h>
#include <hde/testing.h>

#include <math.h>

#include "quant/bsm.h"

enum { MARKET_STRIKES = 121 };

#define MARKET_FORWARD 24108.5
#define MARKET_RATE 0.065
#define MARKET_EVENT_NS INT64_C(1787119200000000000) /* 2026-08-19 11:30 +05:30 */
#define MARKET_EXPIRY "2026-08-25"
#define MARKET_EXPIRY_NS INT64_C(1787652000000000000) /* 15:30 +05:30 */
#define MARKET_YEARS ((double)(MARKET_EXPIRY_NS - MARKET_EVENT_NS) * 1e-9 / 31536000)
#define MARKET_SPOT 24090.25

/* The smile: iv = 0.11 - 0.25 x + 1.5 x^2, x = ln(K/F). */
static inline double
market_vol(double strike)
{
    double x = log(strike / MARKET_FORWARD);

    return 0.11 - 0.25 * x + 1.5 * x * x;
}

static inline double
market_strike(int i)
{
    return 21100 + 50.0 * i;
}

static inline struct bsm
market_leg(enum bsm_right right, int i)
{
    return (struct bsm){.model = BSM_BLACK76,
                        .right = right,
                        .underlying = MARKET_FORWARD,
                        .strike = market_strike(i),
                        .t = MARKET_YEARS,
                        .rate = MARKET_RATE,
                        .vol = market_vol(market_strike(i))};
}

static inline double
market_price(enum bsm_right right, int i)
{
    struct bsm o = market_leg(right, i);
    double price;

    bsm_price(&o, &price);
    return price;
}

/* More calls above the money, more puts below, in units. */
static inline double
market_oi(enum bsm_right right, int i)
{
    return 75.0 * (right == BSM_CALL ? (i * 37) % 101 + 2 * i : (i * 53) % 97 + 2 * (120 - i));
}

static inline void
market_side(hde_msg *msg, Hde__Quotes **slot, enum bsm_right right)
{
    Hde__Quotes *side = hde_msg_edit(msg, slot, &hde__quotes__descriptor);
    size_t n = MARKET_STRIKES;
    double *last = hde_msg_doubles(msg, n), *oi = hde_msg_doubles(msg, n);
    double *volume = hde_msg_doubles(msg, n), *change = hde_msg_doubles(msg, n);

    for (int i = 0; i < MARKET_STRIKES; i++) {
        last[i] = market_price(right, i);
        oi[i] = market_oi(right, i);
        volume[i] = 10 + i;
        change[i] = oi[i] / 4 - 100;
    }
    side->n_last = side->n_oi = side->n_volume = side->n_oi_change = n;
    side->last = last;
    side->oi = oi;
    side->volume = volume;
    side->oi_change = change;
}

/* A raw chain for the harness's operator, with last prices only. */
static inline hde_msg *
market_chain(hde_harness *h)
{
    hde_msg *msg = hde_harness_new(h, &hde__raw_chain__descriptor);
    Hde__RawChain *raw = (Hde__RawChain *)msg->body;
    double *strike = hde_msg_doubles(msg, MARKET_STRIKES);

    for (int i = 0; i < MARKET_STRIKES; i++)
        strike[i] = market_strike(i);
    msg->event_ns = MARKET_EVENT_NS;
    raw->feed = hde_msg_text(msg, "TEST:NIFTY@market");
    raw->expiry = hde_msg_text(msg, MARKET_EXPIRY);
    raw->has_event_ns = true;
    raw->event_ns = MARKET_EVENT_NS;
    raw->has_spot = true;
    raw->spot = MARKET_SPOT;
    raw->has_vix = true;
    raw->vix = 12.5;
    raw->n_strike = MARKET_STRIKES;
    raw->strike = strike;
    market_side(msg, &raw->calls, BSM_CALL);
    market_side(msg, &raw->puts, BSM_PUT);
    return msg;
}

#endif
