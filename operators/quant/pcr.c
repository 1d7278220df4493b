/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/pcr.h"

#include <math.h>

double
pcr(double puts, double calls)
{
    return calls > 0 && !isnan(puts) ? puts / calls : NAN;
}

/* Adds the entries that are present; how many there were. Four sums side by side, because one is
 * as slow as its chain of additions. */
static size_t
add_present(size_t n, const double *column, double *sum)
{
    double part[4] = {0};
    size_t present = 0;

    for (size_t i = 0; column && i < n; i++) {
        bool here = !isnan(column[i]);

        part[i % 4] += here ? column[i] : 0;
        present += here;
    }
    *sum += (part[0] + part[1]) + (part[2] + part[3]);
    return present;
}

struct pcr
pcr_of(size_t n, const double *calls, const double *puts)
{
    struct pcr p = {0, 0, NAN};

    if (add_present(n, calls, &p.calls) + add_present(n, puts, &p.puts) == 0)
        return (struct pcr){NAN, NAN, NAN};
    p.ratio = pcr(p.puts, p.calls);
    return p;
}

size_t
pcr_largest(size_t n, const double *column)
{
    double largest = column[0] > 0 || column[0] < 0 ? column[0] : 0;
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (column[i] > largest) {
            largest = column[i];
            best = i;
        }
    return best;
}

bool
pcr_near(size_t n, const double *strike, double centre, size_t each_side, size_t *first,
         size_t *count)
{
    size_t nearest = 0, last;

    if (n == 0 || isnan(centre))
        return false;
    for (size_t i = 1; i < n; i++)
        if (fabs(strike[i] - centre) < fabs(strike[nearest] - centre))
            nearest = i;
    *first = nearest > each_side ? nearest - each_side : 0;
    last = each_side < n - 1 - nearest ? nearest + each_side : n - 1;
    *count = last - *first + 1;
    return true;
}
