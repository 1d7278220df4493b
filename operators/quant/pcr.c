/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/pcr.h"

#include <math.h>

double
pcr(double puts, double calls)
{
    return calls > 0 && !isnan(puts) ? puts / calls : NAN;
}
