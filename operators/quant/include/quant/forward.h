/* SPDX-License-Identifier: Apache-2.0
 * forward - the forward of one expiry from put-call parity, C - P = D (F - K), with fallbacks.
 *
 * 1. The anchor is the strike with the smallest |C - P|.
 * 2. Around it up to `near` strikes on either side that have both prices enter a weighted fit:
 *    tricube weights by place, times the caller's, times Tukey's biweight of the residual (a stale
 *    last price then counts nothing). With at least FORWARD_FIT_MIN strikes this is the answer,
 *    otherwise the anchor alone is.
 * 3. Without a usable pair: the listed future, then spot exp((rate - yield) t).
 *
 * The discount factor is exp(-rate t), or the fit's slope where fit_discount asks for it and it
 * lies within 2 % of that. */
#ifndef QUANT_FORWARD_H
#define QUANT_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#define FORWARD_NEAR_MAX 32
#define FORWARD_FIT_MIN 3

/* The numbers are those of hde.ForwardSource. */
enum forward_source {
    FORWARD_NONE = 0,
    FORWARD_PARITY_REGRESSION = 1,
    FORWARD_PARITY_ATM = 2,
    FORWARD_FUTURE = 3,
    FORWARD_SPOT_CARRY = 4,
};

struct forward_inputs {
    size_t n;
    const double *strike;     /* ascending */
    const double *call, *put; /* prices; NaN is absent */
    const double *weight;     /* of each strike, above 0 and finite, or NULL */
    double spot, future;      /* NaN is absent */
    double t;                 /* years, 0 or more */
    double rate, yield;       /* continuous, decimal */
    size_t near;              /* strikes on either side, at most FORWARD_NEAR_MAX */
    double away_max; /* parity forwards further than this part of spot from spot are not believed */
    bool fit_discount;
};

struct forward {
    double forward, discount;
    double rate;     /* that goes with discount */
    double yield;    /* rate - ln(forward / spot) / t; NaN without spot or time */
    double residual; /* root mean square of C - P - D (F - K), weighted as the fit; NaN without */
    size_t strikes_used;
    enum forward_source source;
};

/* False, with source FORWARD_NONE and NaN, where nothing gives a forward. */
bool forward_imply(const struct forward_inputs *in, struct forward *out);

#endif
