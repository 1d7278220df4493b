/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/margin.h"

#include <math.h>

#define TRADING_DAYS 252
#define DAY (1.0 / 365)

const struct margin_rules margin_index = {.name = "SPAN-style estimate, index",
                                          .scan_sigmas = 6,
                                          .scan_min = 0.093,
                                          .scan_min_far = 0.177,
                                          .far_t = 0.75,
                                          .vol_scan = 0.25,
                                          .vol_scan_min = 0.04,
                                          .extreme_move = 2,
                                          .extreme_share = 0.35,
                                          .calendar = 0.0175,
                                          .short_min = 0.03,
                                          .exposure = 0.02,
                                          .expiry_extra = 0.02};

const struct margin_rules margin_stock = {.name = "SPAN-style estimate, stock",
                                          .scan_sigmas = 6,
                                          .scan_min = 0.142,
                                          .scan_min_far = 0.177,
                                          .far_t = 0.75,
                                          .vol_scan = 0.25,
                                          .vol_scan_min = 0.10,
                                          .extreme_move = 2,
                                          .extreme_share = 0.35,
                                          .calendar = 0.022,
                                          .short_min = 0.075,
                                          .exposure = 0.035,
                                          .expiry_extra = 0};

static double
longest(const struct strategy *s)
{
    double t = 0;

    for (size_t i = 0; i < s->n; i++)
        t = fmax(t, s->leg[i].t);
    return t;
}

static void
set_scenarios(const struct strategy *s, const struct margin_rules *rules, struct margin *m)
{
    static const double move[] = {0, 1, -1, 2, -2, 3, -3}; /* thirds */

    for (int i = 0; i < 14; i++)
        m->scenario[i] = (struct margin_scenario){
            .spot = s->spot + m->price_scan_range * move[i / 2] / 3,
            .vol_change = i % 2 ? -m->vol_scan_range : m->vol_scan_range,
            .share = 1};
    for (int i = 14; i < MARGIN_SCENARIOS; i++)
        m->scenario[i] = (struct margin_scenario){
            .spot = s->spot + m->price_scan_range * (i == 14 ? 1 : -1) * rules->extreme_move,
            .share = rules->extreme_share};
    for (int i = 0; i < MARGIN_SCENARIOS; i++) /* a spot does not fall below nothing */
        m->scenario[i].spot = fmax(m->scenario[i].spot, 1e-6 * s->spot);
}

static bool
scan(const struct strategy *s, struct margin *m)
{
    double now = strategy_profit(s, &(struct strategy_market){s->spot, 0, 0});

    for (int i = 0; i < MARGIN_SCENARIOS; i++) {
        struct margin_scenario *c = &m->scenario[i];

        c->loss =
            c->share *
            (now - strategy_profit(s, &(struct strategy_market){c->spot, 0, c->vol_change}));
        if (!isfinite(c->loss))
            return false;
        if (c->loss > m->scenario[m->worst].loss)
            m->worst = i;
    }
    m->scan = fmax(m->scenario[m->worst].loss, 0);
    return true;
}

static bool
greeks_of_leg(const struct strategy *s, size_t leg, struct bsm_greeks *g)
{
    struct strategy one = *s;

    one.n = 1;
    one.leg = s->leg + leg;
    return strategy_greeks(&one, &(struct strategy_market){s->spot, 0, 0}, g);
}

/* Delta of all legs of one expiry; leg is the first of them. */
static bool
delta_of_expiry(const struct strategy *s, size_t leg, double *delta)
{
    struct bsm_greeks g;

    *delta = 0;
    for (size_t i = leg; i < s->n; i++) {
        if (s->leg[i].t != s->leg[leg].t)
            continue;
        if (!greeks_of_leg(s, i, &g))
            return false;
        *delta += g.delta;
    }
    return true;
}

static bool
calendar(const struct strategy *s, const struct margin_rules *rules, struct margin *m)
{
    double bought = 0, sold = 0, delta;

    for (size_t i = 0; i < s->n; i++) {
        size_t first = 0;

        while (s->leg[first].t != s->leg[i].t)
            first++;
        if (first != i || s->leg[i].t <= DAY)
            continue;
        if (!delta_of_expiry(s, i, &delta))
            return false;
        if (delta > 0)
            bought += delta;
        else
            sold -= delta;
    }
    m->calendar = rules->calendar * s->spot * fmin(bought, sold);
    return true;
}

static bool
charges(const struct strategy *s, const struct margin_rules *rules, struct margin *m)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct strategy_leg *leg = &s->leg[i];
        double notional = fabs(leg->units) * s->spot;
        bool option = leg->right != 0, sold = option && leg->units < 0;
        struct bsm_greeks g;

        if (!greeks_of_leg(s, i, &g))
            return false;
        if (option)
            m->net_option_value += g.price;
        if (option && !sold)
            m->premium += leg->units * leg->entry;
        if (sold)
            m->short_minimum += rules->short_min * notional;
        if (sold || !option)
            m->exposure += rules->exposure * notional;
        if (sold && leg->t <= DAY)
            m->exposure += rules->expiry_extra * notional;
    }
    return true;
}

/* All but the benefit. */
static bool
estimate(const struct strategy *s, double vol, const struct margin_rules *rules, struct margin *m)
{
    double at_least = longest(s) >= rules->far_t ? rules->scan_min_far : rules->scan_min;
    double day = vol / sqrt(TRADING_DAYS);

    *m = (struct margin){0};
    m->price_scan_range = s->spot * fmax(rules->scan_sigmas * day * sqrt(2), at_least);
    m->vol_scan_range = fmax(rules->vol_scan * vol, rules->vol_scan_min);
    set_scenarios(s, rules, m);
    if (!scan(s, m) || !calendar(s, rules, m) || !charges(s, rules, m))
        return false;
    m->span = fmax(fmax(m->scan + m->calendar, m->short_minimum) - m->net_option_value, 0);
    m->total = m->span + m->exposure + m->premium;
    return isfinite(m->total);
}

static void
refuse(struct margin *m)
{
    m->scan = m->calendar = m->short_minimum = m->net_option_value = NAN;
    m->span = m->exposure = m->premium = m->total = m->benefit = NAN;
}

bool
margin_estimate(const struct strategy *s, double vol, const struct margin_rules *rules,
                struct margin *out)
{
    double alone = 0;

    *out = (struct margin){0};
    if (!strategy_valid(s) || !isfinite(vol) || vol < 0 || !estimate(s, vol, rules, out)) {
        refuse(out);
        return false;
    }
    for (size_t i = 0; i < s->n; i++) {
        struct strategy one = *s;
        struct margin m;

        one.n = 1;
        one.leg = s->leg + i;
        if (!estimate(&one, vol, rules, &m)) {
            refuse(out);
            return false;
        }
        alone += m.total;
    }
    out->benefit = alone - out->total;
    return true;
}
