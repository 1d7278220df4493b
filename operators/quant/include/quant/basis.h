/* SPDX-License-Identifier: Apache-2.0
 * basis - future against spot. basis = F - S; fair = S (exp((r-q)T) - 1); Hull ch. 5. */
#ifndef QUANT_BASIS_H
#define QUANT_BASIS_H

struct basis {
    double basis;      /* currency units */
    double basis_pct;  /* (F/S - 1) x 100 */
    double simple;     /* (F/S - 1) / T, decimal a year; NaN below one day to expiry, where it */
    double continuous; /* explodes; ln(F/S) / T, likewise */
    double fair;       /* currency units; NaN where t, rate or yield is NaN or t < 0 */
    double mispricing; /* basis - fair */
};

/* spot and future above 0, else all NaN. t in years; rate and yield continuous, decimal. */
struct basis basis_of(double spot, double future, double t, double rate, double yield);

#endif
