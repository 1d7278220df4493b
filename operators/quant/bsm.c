/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/bsm.h"

#include <math.h>
#include <string.h>

#include "kernel.h"

_Static_assert(sizeof(struct bsm_columns) == BSM_COLUMNS * sizeof(double *), "a column a result");
_Static_assert(sizeof(struct bsm_greeks) == BSM_COLUMNS * sizeof(double), "a result a column");
_Static_assert(sizeof(enum bsm_model) == sizeof(int), "kernels load models as int");
_Static_assert(sizeof(enum bsm_right) == sizeof(int), "kernels load rights as int");

double
bsm_log_ratio(double underlying, double strike)
{
    double quotient = underlying / strike;

    if (quotient > 0.5 && quotient < 2)
        return log1p((underlying - strike) / strike); /* the difference is exact */
    return quotient > 0 && isfinite(quotient) ? log(quotient) : log(underlying) - log(strike);
}

void
bsm_log_moneyness(size_t n, double underlying, const double *strike, double *x)
{
    const struct quant_kernel *kernel = quant_kernel();
    double last[QUANT_BLOCK] = {0};
    size_t whole = n - n % QUANT_BLOCK;

    for (size_t i = 0; i < whole; i += QUANT_BLOCK)
        kernel->log_ratios(strike + i, underlying, x + i);
    if (whole == n)
        return;
    memcpy(last, strike + whole, (n - whole) * sizeof *last);
    kernel->log_ratios(last, underlying, last);
    memcpy(x + whole, last, (n - whole) * sizeof *last);
}

size_t
bsm_batch(const struct bsm_batch *in, const struct bsm_columns *out)
{
    static const double none = 0;
    struct bsm_batch batch = *in;

    if (batch.n == 0)
        return 0;
    if (!batch.yield.at)
        batch.yield = (struct bsm_input){&none, 0};
    return quant_kernel()->bsm(&batch, out);
}

/* A batch of one. */
static bool
one(const struct bsm *o, const struct bsm_columns *out)
{
    struct bsm_batch batch = {
        .n = 1,
        .model = {&o->model, 0},
        .right = {&o->right, 0},
        .underlying = {&o->underlying, 0},
        .strike = {&o->strike, 0},
        .t = {&o->t, 0},
        .rate = {&o->rate, 0},
        .yield = {&o->yield, 0},
        .vol = {&o->vol, 0},
    };

    return bsm_batch(&batch, out) == 0;
}

bool
bsm_price(const struct bsm *o, double *price)
{
    return one(o, &(struct bsm_columns){.price = price});
}

bool
bsm_greeks(const struct bsm *o, struct bsm_greeks *g)
{
    return one(o, &(struct bsm_columns){
                      &g->price, &g->delta, &g->gamma, &g->vega, &g->theta, &g->rho,
                      &g->dividend_rho, &g->vanna, &g->charm, &g->vomma, &g->veta, &g->speed,
                      &g->zomma, &g->color, &g->ultima, &g->dual_delta, &g->dual_gamma,
                      &g->itm_prob});
}

void
bsm_column(const struct bsm *shared, size_t n, const double *strike, const double *vol,
           const struct bsm_columns *out)
{
    struct bsm_batch batch = {
        .n = n,
        .model = {&shared->model, 0},
        .right = {&shared->right, 0},
        .underlying = {&shared->underlying, 0},
        .strike = {strike, 1},
        .t = {&shared->t, 0},
        .rate = {&shared->rate, 0},
        .yield = {&shared->yield, 0},
        .vol = {vol, 1},
    };

    bsm_batch(&batch, out);
}

/* ---- Entries without a formula --------------------------------------------------------------- */

struct bsm
bsm_entry(const struct bsm_batch *in, size_t i)
{
    return (struct bsm){
        .model = in->model.at[i * in->model.step],
        .right = in->right.at[i * in->right.step],
        .underlying = in->underlying.at[i * in->underlying.step],
        .strike = in->strike.at[i * in->strike.step],
        .t = in->t.at[i * in->t.step],
        .rate = in->rate.at[i * in->rate.step],
        .yield = in->yield.at[i * in->yield.step],
        .vol = in->vol.at[i * in->vol.step],
    };
}

static bool
usable(const struct bsm *o)
{
    return (o->model == BSM_BLACK76 || (o->model == BSM_MERTON && isfinite(o->yield))) &&
           (o->right == BSM_CALL || o->right == BSM_PUT) && o->underlying > 0 && o->strike > 0 &&
           isfinite(o->underlying) && isfinite(o->strike) && isfinite(o->t) && isfinite(o->rate) &&
           isfinite(o->vol);
}

static struct bsm_greeks
at_expiry(const struct bsm *o)
{
    double th = o->right, gap = th * (o->underlying - o->strike);
    struct bsm_greeks g = {.price = fmax(gap, 0)};

    g.delta = th * (gap > 0 ? 1 : gap < 0 ? 0 : 0.5);
    g.itm_prob = fabs(g.delta);
    g.dividend_rho = o->model == BSM_BLACK76 ? NAN : 0;
    return g;
}

bool
bsm_settle(const struct bsm_batch *in, size_t i, const struct bsm_columns *out)
{
    struct bsm o = bsm_entry(in, i);
    bool expired = usable(&o) && o.t <= 0;
    struct bsm_greeks payoff = at_expiry(&o);
    double value[BSM_COLUMNS], *column[BSM_COLUMNS];

    memcpy(value, &payoff, sizeof value);
    for (size_t k = 0; !expired && k < BSM_COLUMNS; k++)
        value[k] = NAN;
    memcpy(column, out, sizeof column);
    for (size_t k = 0; k < BSM_COLUMNS; k++)
        if (column[k])
            column[k][i] = value[k];
    return expired;
}
