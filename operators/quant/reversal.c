/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/reversal.h"

#include <math.h>

struct reversal_point
reversal_legacy(double strike, const struct reversal_side *call, const struct reversal_side *put,
                double days, double basis)
{
    double dc = call->last - call->model, dp = put->last - put->model;
    double av = (put->model - call->model) * (put->iv - call->iv);
    double delta = call->delta + put->delta, gamma = call->gamma + put->gamma;
    double vega = 0.01 * (call->vega + put->vega), theta = (call->theta + put->theta) / 365;
    double all = fabs(delta) + fabs(gamma) + fabs(vega) + fabs(theta);
    double raw = (fabs(delta) * delta + fabs(gamma) * 0.5 * gamma + fabs(theta) * theta) / all;
    double iv_pct = 50 * (call->iv + put->iv);
    double reach = fmin(1, iv_pct / 30) * fmin(150, 0.03 * strike * iv_pct / 100);
    struct reversal_point p = {
        .weekly = strike + dp + dc,
        .rr = strike + fabs(dp) - fabs(dc) - av,
        .rs = strike + dp * put->delta - dc * call->delta + av,
        .ss = strike - (dc - dp) + av,
        .advanced = strike + dc + dp + tanh(raw / 5) / (1 + 1 / days) * reach,
        .confidence_pct = 100 * tanh(all / 4 / 2),
    };

    if (isnan(iv_pct) || !(days > 0) || !(all > 0))
        p.advanced = NAN;
    p.future = p.weekly + basis;
    return p;
}

size_t
reversal_levels(size_t n, double *candidate, double tolerance, double *level)
{
    size_t present = 0, levels = 0, in_group = 0;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        double value = candidate[i];
        size_t at = present;

        if (!isfinite(value))
            continue;
        for (; at > 0 && candidate[at - 1] > value; at--)
            candidate[at] = candidate[at - 1];
        candidate[at] = value;
        present++;
    }
    for (size_t i = 0; i < present; i++) {
        sum += candidate[i];
        in_group++;
        if (i + 1 < present && candidate[i + 1] - candidate[i] <= tolerance)
            continue;
        if (in_group >= 2)
            level[levels++] = sum / (double)in_group;
        sum = 0;
        in_group = 0;
    }
    return levels;
}
