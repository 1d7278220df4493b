/* SPDX-License-Identifier: Apache-2.0
 * plans - savings plans month by month: a sum every month (SIP), one at the begin (lumpsum), and
 * one at the begin with withdrawals every month (SWP).
 *
 * Conventions: the rate of a month is annual_return / 12, earned at the end of the month on what
 * is there. A SIP pays in at the start of a month, so its last payment earns one month; an SWP
 * takes out at the end of a month, after the month's return, and ends when nothing is left: the
 * last withdrawal is what was there. step_up raises the monthly sum (paid in or taken out) by this
 * share after every 12 months. Real values are divided by (1 + inflation)^(months / 12). Amounts
 * are currency, shares decimals. */
#ifndef QUANT_PLANS_H
#define QUANT_PLANS_H

#include <stdbool.h>
#include <stddef.h>

enum plan_kind { PLAN_SIP = 1, PLAN_LUMPSUM, PLAN_SWP }; /* the numbers of hde.InvestKind */

#define PLAN_MONTHS_MAX 1200

struct plan {
    enum plan_kind kind;
    double amount;        /* a month (SIP), or at the begin; >= 0 */
    double withdrawal;    /* a month (SWP); >= 0; not read otherwise */
    double annual_return; /* above -12, so that a month keeps something */
    double step_up;       /* above -1 */
    double inflation;     /* a year, above -1 */
    size_t months;        /* 1 to PLAN_MONTHS_MAX */
};

struct plan_month { /* at the end of a month, sums since the begin */
    double invested, withdrawn, value;
};

struct plan_result {
    double invested, withdrawn, value;
    double gain;         /* value + withdrawn - invested */
    double real_value;   /* in money of the begin */
    size_t months_funded; /* SWP: months whose withdrawal was paid in full; else months */
};

/* schedule: plan->months entries, or NULL. False, with NaN in every result, where the plan is
 * outside of the limits above or grows beyond the range of a double. */
bool plan_run(const struct plan *plan, struct plan_month *schedule, struct plan_result *out);

#endif
