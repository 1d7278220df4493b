/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/years.h"

double
years_between(int64_t from_ns, int64_t to_ns)
{
    int64_t ns;

    if (__builtin_sub_overflow(to_ns, from_ns, &ns))
        return ((double)to_ns - (double)from_ns) * 1e-9 / YEARS_SECONDS;
    return (double)ns * 1e-9 / YEARS_SECONDS;
}
