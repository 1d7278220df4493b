/* SPDX-License-Identifier: Apache-2.0
 * black - Black's formula in the normalised form of P. Jaeckel, "Let's Be Rational" (2013), for
 * out-of-the-money options:
 *
 *     b(x,s) = exp(x/2) N(h+t) - exp(-x/2) N(h-t),   h = x/s, t = s/2, x <= 0, s > 0
 *
 * where x = -|ln(F/K)|, s = sigma sqrt(T) and b = undiscounted price / sqrt(F K). With
 * Y(z) = N(z)/n(z) it is b = b' (Y(h+t) - Y(h-t)), b' = db/ds = exp(-(h^2+t^2)/2) / sqrt(2 pi):
 * everything that can underflow is in b'. */
#ifndef QUANT_BLACK_H
#define QUANT_BLACK_H

/* b / b', for h <= 0 and t > 0. Relative error about 1e-15 (1 + h^2). */
double black_ratio(double h, double t);

/* (exp(x/2) - b) / b': what is missing to the maximum. */
double black_complement_ratio(double h, double t);

/* b' (may underflow to 0). */
double black_vega(double h, double t);

/* scale x b(x,s): scale goes in before the exponential, so nothing underflows early. Domain as
 * above; s <= 0 gives 0. */
double black_price(double x, double s, double scale);

#endif
