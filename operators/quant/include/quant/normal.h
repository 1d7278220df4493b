/* SPDX-License-Identifier: Apache-2.0
 * normal - the normal distribution as option formulas need it: without cancellation, deep into
 * the tails. Pure functions; NaN in, NaN out. */
#ifndef QUANT_NORMAL_H
#define QUANT_NORMAL_H

#define NORMAL_SQRT_2PI 2.50662827463100050242
#define NORMAL_1_SQRT_2PI 0.39894228040143267794
#define NORMAL_1_SQRT_2 0.70710678118654752440

/* Density n(z). */
double normal_pdf(double z);

/* Distribution N(z) by erfc: relative precision in the lower tail. */
double normal_cdf(double z);

/* N(z) / n(z), for z <= 1 (grows as exp(z^2/2) above). For z <= 0 a Chebyshev fit of
 * (w + 0.8) N(-w)/n(w) in (w - 4)/(w + 4), of the kind of Shepherd and Laframboise, Math. Comp. 36
 * (1981) 249; relative error below 5e-16 (checked against 50 digits). */
double normal_ratio(double z);

/* z with N(z) = p for 0 < p < 1, to 4.5e-4 absolute: a start for iterations. Abramowitz and
 * Stegun 26.2.23. */
double normal_quantile_rough(double p);

#endif
