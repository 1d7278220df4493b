/* SPDX-License-Identifier: Apache-2.0
 * bsm - price and Greeks of European options: Black-Scholes-Merton (spot with continuous dividend
 * yield) and Black-76 (forward).
 *
 * Sources: Black and Scholes 1973, Merton 1973, Black 1976; Haug, "The Complete Guide to Option
 * Pricing Formulas", ch. 1-2; Hull, ch. 15-19. With th = +1 call, -1 put, F = S exp((r-q)T),
 * sd = vol sqrt(T), d1 = ln(F/K)/sd + sd/2, d2 = d1 - sd:
 *
 *     price = th exp(-rT) (F N(th d1) - K N(th d2))
 *
 * It is evaluated out of the money without a difference of nearly equal numbers and in the money
 * as intrinsic value + the other side, so call - put = exp(-rT)(F - K) holds to rounding.
 * Black-76 is the case q = r with S = F, except that rho holds F fixed: rho = -T price.
 *
 * Units: vol, rate and yield are decimals, vega, rho and the like are per 1.00; t is in years of
 * 31,536,000 s; theta, charm, veta and color are per year of calendar time that passes (d/dt,
 * which is -d/dT). Prices are in the unit of underlying and strike.
 *
 * Accuracy, of every result v and at every level of quant/cpu.h: within 1e-12 |v| + 4 times the
 * sum over the inputs of the change of v for half an ulp of that input; a v below the smallest
 * normal double may come out as anything below it. Far out-of-the-money values keep their relative
 * accuracy down to there.
 *
 * Edge cases: t <= 0: price is the payoff, delta 0 or th (th/2 at underlying = strike), itm_prob
 * |delta|, the others 0. vol <= 0 (or vol sqrt(t) below 1e-100): the limit vol -> 0, price is the
 * discounted intrinsic value. Refused are underlying or strike <= 0, anything not finite, a model
 * or right that does not exist, and a wanted result beyond the range of a double: every wanted
 * result is NaN then. Negative rate and yield > rate are legal.
 *
 * Nothing here allocates, blocks, keeps state or changes the rounding mode. */
#ifndef QUANT_BSM_H
#define QUANT_BSM_H

#include <stdbool.h>
#include <stddef.h>

enum bsm_model {
    BSM_MERTON = 1, /* underlying is the spot */
    BSM_BLACK76,    /* underlying is the forward; yield is ignored */
};

enum bsm_right { BSM_PUT = -1, BSM_CALL = 1 };

struct bsm {
    enum bsm_model model;
    enum bsm_right right;
    double underlying, strike, t, rate, yield, vol;
};

struct bsm_greeks {
    double price;
    double delta;        /* dV/dS (Black-76: dV/dF) */
    double gamma;        /* d2V/dS2 */
    double vega;         /* dV/dvol */
    double theta;        /* dV/dt */
    double rho;          /* dV/dr */
    double dividend_rho; /* dV/dq; NaN for Black-76 */
    double vanna;        /* d2V/dS dvol */
    double charm;        /* d delta/dt */
    double vomma;        /* d2V/dvol2 */
    double veta;         /* d vega/dt */
    double speed;        /* d3V/dS3 */
    double zomma;        /* d gamma/dvol */
    double color;        /* d gamma/dt */
    double ultima;       /* d3V/dvol3 */
    double dual_delta;   /* dV/dK */
    double dual_gamma;   /* d2V/dK2: the discounted risk-neutral density */
    double itm_prob;     /* N(th d2) */
};

/* ---- Batches --------------------------------------------------------------------------------- */

/* An input of a batch: entry i reads at[i x step]. step is 1 for a column, 0 for one value that
 * all entries share, which is faster where model, t, rate and yield are all shared. */
struct bsm_input {
    const double *at;
    size_t step;
};
struct bsm_models {
    const enum bsm_model *at;
    size_t step;
};
struct bsm_rights {
    const enum bsm_right *at;
    size_t step;
};

struct bsm_batch {
    size_t n;
    struct bsm_models model;
    struct bsm_rights right;
    struct bsm_input underlying, strike, t, rate, yield, vol; /* yield.at NULL: 0 */
};

/* Where results go, n entries each, in the order of struct bsm_greeks; NULL is not wanted and
 * costs nothing. Columns overlap neither each other nor inputs. */
struct bsm_columns {
    double *price, *delta, *gamma, *vega, *theta, *rho, *dividend_rho, *vanna, *charm, *vomma,
        *veta, *speed, *zomma, *color, *ultima, *dual_delta, *dual_gamma, *itm_prob;
};
#define BSM_COLUMNS 18

/* Prices every entry with the vector code of quant_cpu(). Refused entries, whose wanted results
 * all become NaN, do not disturb the others; their number is returned. The results of an entry are
 * the same bits at any place of any batch, at one level. */
size_t bsm_batch(const struct bsm_batch *in, const struct bsm_columns *out);

/* A batch of one: the same bits as the entry would have in a larger one. False where it is
 * refused. */
bool bsm_price(const struct bsm *o, double *price);
bool bsm_greeks(const struct bsm *o, struct bsm_greeks *g);

/* One side of one expiry: strike[i] and vol[i] vary by entry, all else is `shared` (whose strike
 * and vol are not read). */
void bsm_column(const struct bsm *shared, size_t n, const double *strike, const double *vol,
                const struct bsm_columns *out);

/* ln(underlying / strike), precise where they are near to each other. */
double bsm_log_ratio(double underlying, double strike);

/* The same of n strikes at once: x[i] = ln(strike[i] / underlying), with the vector code of
 * quant_cpu(). NaN unless both are positive and finite. x may be strike. */
void bsm_log_moneyness(size_t n, double underlying, const double *strike, double *x);

#endif
