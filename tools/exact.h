/* SPDX-License-Identifier: Apache-2.0
 * exact - how far a price or a Greek moves when its inputs move by half an ulp, from the textbook
 * formulas (Haug, ch. 1-2) in long double, which has 11 bits more than a double: v is evaluated at
 * input + half an ulp and at input - half an ulp, and half of the difference is taken. Whatever
 * cancels in the formulas is of the size of the change by some input / 2^11, so the sum over the
 * inputs is good to about three digits. Independent of operators/quant. */
#ifndef TOOLS_EXACT_H
#define TOOLS_EXACT_H

#include <float.h>

#include "quant/bsm.h"

_Static_assert(LDBL_MANT_DIG >= 64, "hde verify needs a long double of 64 bits or more");

/* By column of struct bsm_columns: the sum over underlying, strike, t, rate, yield (not of
 * Black-76) and vol of the change of the column. */
void exact_changes(const struct bsm *o, long double change[BSM_COLUMNS]);

/* The same for b(x,s) (quant/black.h): the sum over x and s; by_x and by_s are db/dx, db/ds. */
struct exact_black {
    long double change, by_x, by_s;
};
struct exact_black exact_black(double x, double s);

#endif
