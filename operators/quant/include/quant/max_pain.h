/* SPDX-License-Identifier: Apache-2.0
 * max_pain - the settlement at which option writers pay least:
 *
 *     L(X) = sum over K of OI_c(K) max(X - K, 0) + OI_p(K) max(K - X, 0),   X among the strikes
 *
 * in one pass each way. Ties go to the lowest strike. */
#ifndef QUANT_MAX_PAIN_H
#define QUANT_MAX_PAIN_H

#include <stdbool.h>
#include <stddef.h>

struct max_pain {
    double strike;
    double loss; /* L(strike): points x unit of the open interest */
};

/* strike ascending; an open interest that is absent (NaN) or a column that is NULL counts 0.
 * Fills call_pain[i], put_pain[i] with the two parts of L(strike[i]). False, and nothing filled
 * in *out, where no entry of either side is present. */
bool max_pain(size_t n, const double *strike, const double *call_oi, const double *put_oi,
              double *call_pain, double *put_pain, struct max_pain *out);

#endif
