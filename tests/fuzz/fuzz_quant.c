/* SPDX-License-Identifier: Apache-2.0
 * fuzz_quant - any bytes as a batch of options, at every level of the CPU: each entry is priced
 * within its bounds or refused with NaN everywhere, and the same alone as among the others; each
 * quote has a volatility or a status that says why not. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quant/bsm.h"
#include "quant/cpu.h"
#include "quant/iv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A row is a byte for model and right, and seven numbers: a byte that picks one of these values,
 * and the eight bytes of the number where it picks none. */
static const double special[] = {
    0,      -0.0,    1,    -1,   NAN,     INFINITY, -INFINITY, DBL_MIN, 5e-324, DBL_MAX,
    1e-308, 1e308,   1e-6, 50,   0.2,     0.065,    100,       101,     1e-9,   24212.8,
    24200,  1. / 365, 30,   1e10, -0.0025, 1e-100,   3e-8,      0.5,
};
enum { SPECIAL = sizeof special / sizeof *special, NUMBERS = 7, ROW = 1 + 9 * NUMBERS, ROWS = 40 };

struct rows {
    size_t n;
    enum bsm_model model[ROWS];
    enum bsm_right right[ROWS];
    double number[NUMBERS][ROWS]; /* underlying, strike, t, rate, yield, vol, quote */
    double result[BSM_COLUMNS][ROWS];
};

static void
read_row(struct rows *r, const uint8_t *data)
{
    size_t i = r->n++;

    r->model[i] = (enum bsm_model)(data[0] & 3);
    r->right[i] = (enum bsm_right)((data[0] >> 2 & 3) - 1);
    for (size_t k = 0; k < NUMBERS; k++) {
        const uint8_t *at = data + 1 + 9 * k;

        if (*at < SPECIAL)
            r->number[k][i] = special[*at];
        else
            memcpy(&r->number[k][i], at + 1, sizeof(double));
    }
}

static struct bsm
option_at(const struct rows *r, size_t i)
{
    return (struct bsm){r->model[i],     r->right[i],     r->number[0][i], r->number[1][i],
                        r->number[2][i], r->number[3][i], r->number[4][i], r->number[5][i]};
}

static void
require(bool holds, const char *what, const struct bsm *o, double value)
{
    if (holds)
        return;
    fprintf(stderr,
            "fuzz_quant: %s at level %s: %.17g, model %d right %d underlying %.17g strike %.17g "
            "t %.17g rate %.17g yield %.17g vol %.17g\n",
            what, quant_cpu_name(quant_cpu()), value, (int)o->model, (int)o->right, o->underlying,
            o->strike, o->t, o->rate, o->yield, o->vol);
    abort();
}

static bool
is_option(const struct bsm *o)
{
    return (o->model == BSM_BLACK76 || o->model == BSM_MERTON) &&
           (o->right == BSM_CALL || o->right == BSM_PUT);
}

static bool
usable(const struct bsm *o)
{
    return is_option(o) && o->underlying > 0 && o->strike > 0 && isfinite(o->underlying) &&
           isfinite(o->strike) && isfinite(o->t) && isfinite(o->rate) && isfinite(o->vol) &&
           (o->model == BSM_BLACK76 || isfinite(o->yield));
}

static void
check_greeks(const struct bsm *o, const struct bsm_greeks *g)
{
    double q = o->model == BSM_BLACK76 ? o->rate : o->yield, t = fmax(o->t, 0);
    double most = o->right == BSM_CALL ? o->underlying * exp(-q * t) : o->strike * exp(-o->rate * t);

    require(usable(o), "a price of unusable input", o, g->price);
    require(g->price >= 0 && g->price <= most * (1 + 1e-12) + DBL_MIN, "price out of bounds", o,
            g->price);
    require(o->right * g->delta >= 0, "sign of delta", o, g->delta);
    require(g->gamma >= 0 && g->vega >= 0 && g->dual_gamma >= 0, "negative curvature", o, g->gamma);
    require(g->itm_prob >= 0 && g->itm_prob <= 1, "no probability", o, g->itm_prob);
}

static void
check_row(const struct rows *r, size_t i, size_t *refused)
{
    struct bsm o = option_at(r, i);
    double alone[BSM_COLUMNS];
    bool ok = bsm_greeks(&o, (struct bsm_greeks *)alone);

    *refused += !ok;
    for (size_t k = 0; k < BSM_COLUMNS; k++) {
        double value = r->result[k][i];
        bool absent = !ok || (k == 6 && o.model == BSM_BLACK76); /* dividend rho */

        require(absent ? isnan(value) : isfinite(value), "neither a number nor refused", &o, value);
        require(isnan(alone[k]) ? isnan(value) : value == alone[k], "other in a batch", &o, value);
    }
    if (ok)
        check_greeks(&o, (const struct bsm_greeks *)alone);
}

static void
check_volatility(const struct bsm *o, struct iv iv)
{
    if (iv.status == IV_OK || iv.status == IV_ILL_CONDITIONED)
        require(iv.vol > 0 && isfinite(iv.vol) && iv.conditioning >= 0, "no volatility", o, iv.vol);
    else
        require(isnan(iv.vol) && isnan(iv.conditioning), "a volatility of no status", o, iv.vol);
}

static void
check_quotes(const struct rows *r, const struct bsm_batch *in)
{
    static double vol[ROWS], conditioning[ROWS];
    static enum iv_status status[ROWS];
    struct iv_columns out = {vol, conditioning, status};

    iv_batch(in, (struct bsm_input){r->number[6], 1}, &out);
    for (size_t i = 0; i < r->n; i++) {
        struct bsm o = option_at(r, i);
        struct iv alone = iv_solve(&o, r->number[6][i]);

        check_volatility(&o, alone);
        check_volatility(&o, (struct iv){vol[i], conditioning[i], status[i]});
        require(status[i] == alone.status, "other status in a batch", &o, r->number[6][i]);
        if (!isnan(vol[i]))
            require(fabs(vol[i] / alone.vol - 1) <= 2e-15 + 8 * alone.conditioning,
                    "other volatility in a batch", &o, r->number[6][i]);
    }
}

static void
check_batch(struct rows *r)
{
    struct bsm_batch in = {
        .n = r->n,
        .model = {r->model, 1},
        .right = {r->right, 1},
        .underlying = {r->number[0], 1},
        .strike = {r->number[1], 1},
        .t = {r->number[2], 1},
        .rate = {r->number[3], 1},
        .yield = {r->number[4], 1},
        .vol = {r->number[5], 1},
    };
    struct bsm_columns out;
    double *to[BSM_COLUMNS];
    size_t refused, expected = 0;

    for (size_t k = 0; k < BSM_COLUMNS; k++)
        to[k] = r->result[k];
    memcpy(&out, to, sizeof out);
    refused = bsm_batch(&in, &out);
    for (size_t i = 0; i < r->n; i++)
        check_row(r, i, &expected);
    require(refused == expected, "wrong count of refused entries", &(struct bsm){0},
            (double)refused);
    check_quotes(r, &in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rows rows;

    for (rows.n = 0; size >= ROW && rows.n < ROWS; size -= ROW, data += ROW)
        read_row(&rows, data);
    for (int level = 0; level < QUANT_CPUS; level++)
        if (quant_cpu_force((enum quant_cpu)level))
            check_batch(&rows);
    return 0;
}
