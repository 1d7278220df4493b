/* SPDX-License-Identifier: Apache-2.0
 * iv - implied volatility to the precision that the price allows, with a status.
 *
 * Method: P. Jaeckel, "Let's Be Rational" (2013, revised 2016). The price is turned into the
 * normalised price b(x,s) of the out-of-the-money side (black.h) by taking the intrinsic value
 * off with twice the digits of a double, because that difference is where in-the-money quotes
 * lose theirs.
 * The start comes from four branches split at the inflection point s_c = sqrt(2|x|) and the two
 * points where the tangent there meets b = 0 and b = max; rational cubic interpolation (Delbourgo
 * and Gregory 1985) of a map of the price; then third-order Householder steps on 1/ln b, b, or
 * ln(max - b), kept inside a bracket. */
#ifndef QUANT_IV_H
#define QUANT_IV_H

#include <stddef.h>

#include "quant/bsm.h"

/* The numbers are those of hde.IvStatus. */
enum iv_status {
    IV_BAD_INPUT = 0, /* underlying, strike, rate or time unusable */
    IV_OK = 1,
    IV_BELOW_INTRINSIC = 2, /* price under the discounted intrinsic value by more than rounding */
    IV_ABOVE_MAXIMUM = 3,   /* price at or above the discounted underlying (call), strike (put) */
    IV_NO_TIME_VALUE = 4,   /* price is the intrinsic value, or 0, or nothing is left to expiry */
    /* vol is given, but half an ulp of price moves it by over 1 %, and would have at every price
     * that rounds to this one */
    IV_ILL_CONDITIONED = 5,
    IV_NO_QUOTE = 6,        /* the price is absent (NaN) */
    IV_STALE = 7,           /* never made here: for callers that know the age of a quote */
};

struct iv {
    double vol;          /* decimal; NaN unless status is IV_OK or IV_ILL_CONDITIONED */
    double conditioning; /* |relative change of vol| for half an ulp of price; NaN without vol */
    enum iv_status status;
};

/* o->vol is not read. t <= 0 is IV_NO_TIME_VALUE. */
struct iv iv_solve(const struct bsm *o, double price);

/* Where results go, n entries each; NULL is not wanted. Columns overlap no input. */
struct iv_columns {
    double *vol, *conditioning;
    enum iv_status *status;
};

/* Every entry of a batch (whose vol is not read) at its price: vector code of quant_cpu() for the
 * entries that it can do, iv_solve() for the others. The accuracy is that of iv_solve(), whose
 * volatility differs by at most 2e-15 + 8 conditioning, relatively. The results of an entry are
 * the same bits at any place of any batch, at one level. */
void iv_batch(const struct bsm_batch *in, struct bsm_input price, const struct iv_columns *out);

/* One side of one expiry; shared as in bsm_column(). */
void iv_column(const struct bsm *shared, size_t n, const double *strike, const double *price,
               const struct iv_columns *out);

/* The s with b(x,s) = price as `vol`, for x <= 0. */
struct iv iv_normalised(double x, double price);

#endif
