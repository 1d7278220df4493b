/* SPDX-License-Identifier: Apache-2.0
 * Put/call ratio. */
#ifndef QUANT_PCR_H
#define QUANT_PCR_H

/* puts / calls; NaN where calls is not above 0 or either is NaN. pcr(1500, 1000) is 1.5. */
double pcr(double puts, double calls);

#endif
