/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/plans.h"

#include <math.h>

static bool
valid(const struct plan *p)
{
    bool known = p->kind == PLAN_SIP || p->kind == PLAN_LUMPSUM || p->kind == PLAN_SWP;

    return known && isfinite(p->amount) && p->amount >= 0 &&
           (p->kind != PLAN_SWP || (isfinite(p->withdrawal) && p->withdrawal >= 0)) &&
           isfinite(p->annual_return) && p->annual_return > -12 && isfinite(p->step_up) &&
           p->step_up > -1 && isfinite(p->inflation) && p->inflation > -1 && p->months >= 1 &&
           p->months <= PLAN_MONTHS_MAX;
}

bool
plan_run(const struct plan *p, struct plan_month *schedule, struct plan_result *out)
{
    double rate = p->annual_return / 12, step = 1;
    struct plan_month now = {0};

    *out = (struct plan_result){NAN, NAN, NAN, NAN, NAN, 0};
    if (!valid(p))
        return false;
    for (size_t month = 0; month < p->months; month++) {
        double paid_in = p->kind == PLAN_SIP ? p->amount * step : month == 0 ? p->amount : 0;
        double wanted = p->kind == PLAN_SWP ? p->withdrawal * step : 0, taken;

        now.invested += paid_in;
        now.value = (now.value + paid_in) * (1 + rate);
        taken = fmin(wanted, now.value);
        now.value -= taken;
        now.withdrawn += taken;
        out->months_funded += taken == wanted;
        if (schedule)
            schedule[month] = now;
        if (month % 12 == 11)
            step *= 1 + p->step_up;
    }
    if (!isfinite(now.value + now.invested + now.withdrawn)) {
        out->months_funded = 0;
        return false;
    }
    out->invested = now.invested;
    out->withdrawn = now.withdrawn;
    out->value = now.value;
    out->gain = now.value + now.withdrawn - now.invested;
    out->real_value = now.value / pow(1 + p->inflation, (double)p->months / 12);
    return true;
}
