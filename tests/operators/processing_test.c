/* SPDX-License-Identifier: Apache-2.0
 * processing_test - a chain with a known smile through every processing operator: each result is
 * the known truth. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "market.h"
#include "quant/skew.h"

static void
assert_near(const char *name, double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.17g, expected %.17g within %.3g", name, value, expected, tolerance);
}

/* Sends a chain through one operator. */
static hde_msg *
through(const char *op, const char *params, hde_msg *taken)
{
    hde_harness *h = hde_harness_open(op, params);
    hde_msg *out;

    if (!taken)
        taken = market_chain(h);
    assert_int_equal(hde_harness_push(h, "in", taken), HDE_OK);
    out = hde_harness_pull(h, "out");
    assert_non_null(out);
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
    return out;
}

static Hde__EnrichedChain *
chain_of(const hde_msg *msg)
{
    assert_ptr_equal(msg->body->descriptor, &hde__enriched_chain__descriptor);
    return (Hde__EnrichedChain *)msg->body;
}

/* The chain behind forward and implied_volatility. */
static hde_msg *
with_iv(void)
{
    return through("processing/implied_volatility", NULL,
                   through("processing/forward", NULL, NULL));
}

/* ---- Inputs -------------------------------------------------------------------------------- */

static void
test_forward_is_that_of_parity_with_time_to_the_second(void **state)
{
    hde_msg *msg = through("processing/forward", NULL, NULL);
    Hde__Forward *f = chain_of(msg)->forward;

    assert_non_null(f);
    assert_near("forward", f->forward, MARKET_FORWARD, 1e-8);
    assert_near("years", f->t_years, MARKET_YEARS, 1e-16);
    assert_near("discount", f->discount, exp(-MARKET_RATE * MARKET_YEARS), 1e-15);
    assert_near("yield", f->dividend_yield,
                MARKET_RATE - log(MARKET_FORWARD / MARKET_SPOT) / MARKET_YEARS, 1e-9);
    assert_near("residual", f->residual, 0, 1e-8);
    assert_int_equal(f->source, HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_REGRESSION);
    assert_in_range(f->strikes_used, 15, 21);
    hde_msg_drop(msg);
}

static void
test_forward_can_fit_the_discount_factor(void **state)
{
    hde_msg *msg = through("processing/forward", "rate: 0.03, discount: fitted", NULL);
    Hde__Forward *f = chain_of(msg)->forward;

    assert_near("rate", f->rate, MARKET_RATE, 1e-8);
    assert_near("forward", f->forward, MARKET_FORWARD, 1e-7);
    hde_msg_drop(msg);
}

/* A chain of which `edit` changes the raw part. */
static hde_msg *
forward_of(void (*edit)(Hde__RawChain *raw))
{
    hde_harness *h = hde_harness_open("processing/forward", NULL);
    hde_msg *msg = market_chain(h), *out;

    edit((Hde__RawChain *)msg->body);
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_OK);
    out = hde_harness_pull(h, "out");
    hde_harness_close(h);
    return out;
}

static void
spoil_three_pairs(Hde__RawChain *raw)
{
    raw->calls->last[60] += 55;
    raw->puts->last[62] += 80;
    raw->calls->last[58] *= 0.5;
}

static void
keep_one_pair(Hde__RawChain *raw)
{
    for (int i = 0; i < MARKET_STRIKES; i++)
        if (i != 61)
            raw->calls->last[i] = NAN;
}

static void
keep_no_puts_but_a_future(Hde__RawChain *raw)
{
    raw->puts = NULL;
    raw->has_future = true;
    raw->future = 24111;
}

static void
keep_no_puts(Hde__RawChain *raw)
{
    raw->puts = NULL;
}

static void
keep_no_puts_and_no_spot(Hde__RawChain *raw)
{
    raw->puts = NULL;
    raw->has_spot = false;
}

static void
stamp_after_expiry(Hde__RawChain *raw)
{
    raw->event_ns = MARKET_EXPIRY_NS + 1;
}

static void
test_forward_falls_back_and_says_so(void **state)
{
    static const struct {
        const char *name;
        void (*edit)(Hde__RawChain *raw);
        Hde__ForwardSource source;
        double forward, tolerance;
    } rows[] = {
        {"stale pairs count nothing", spoil_three_pairs,
         HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_REGRESSION, MARKET_FORWARD, 1e-6},
        {"one pair", keep_one_pair, HDE__FORWARD_SOURCE__FORWARD_SOURCE_PARITY_ATM, MARKET_FORWARD,
         1e-8},
        {"the listed future", keep_no_puts_but_a_future, HDE__FORWARD_SOURCE__FORWARD_SOURCE_FUTURE,
         24111, 0},
        {"the spot", keep_no_puts, HDE__FORWARD_SOURCE__FORWARD_SOURCE_SPOT_CARRY,
         24116.719806103214 /* spot exp(rate years) */, 1e-8},
        {"nothing", keep_no_puts_and_no_spot, HDE__FORWARD_SOURCE__FORWARD_SOURCE_UNSPECIFIED, 0,
         0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hde_msg *msg = forward_of(rows[i].edit);
        Hde__Forward *f = chain_of(msg)->forward;

        assert_non_null(f);
        if (f->source != rows[i].source)
            fail_msg("%s: source %d", rows[i].name, (int)f->source);
        assert_int_equal(f->has_forward, rows[i].forward > 0);
        assert_near(rows[i].name, f->forward, rows[i].forward, rows[i].tolerance);
        hde_msg_drop(msg);
    }
    hde_msg *expired = forward_of(stamp_after_expiry);
    assert_null(chain_of(expired)->forward);
    hde_msg_drop(expired);
}

static void
expire_on_a_holiday(Hde__RawChain *raw)
{
    raw->expiry = (char *)"2026-11-10";
}

static void
test_an_expiry_without_a_session_gives_no_forward(void **state)
{
    hde_msg *msg = forward_of(expire_on_a_holiday);

    assert_null(chain_of(msg)->forward);
    hde_msg_drop(msg);
}

static void
flag_stale(Hde__RawChain *raw)
{
    static Hde__ChainFlag flag[] = {HDE__CHAIN_FLAG__CHAIN_FLAG_STALE};

    raw->flags = flag;
    raw->n_flags = 1;
}

static void
test_a_stale_chain_has_no_volatilities_unless_asked_for(void **state)
{
    hde_msg *msg = through("processing/implied_volatility", NULL, forward_of(flag_stale));
    Hde__ModelColumns *calls = chain_of(msg)->calls;

    for (int i = 0; i < MARKET_STRIKES; i++) {
        assert_true(isnan(calls->iv[i]) && isnan(calls->iv_conditioning[i]));
        assert_int_equal(calls->iv_status[i], HDE__IV_STATUS__IV_STATUS_STALE);
    }
    msg = through("processing/implied_volatility", "stale: use", msg);
    assert_int_equal(chain_of(msg)->calls->iv_status[60], HDE__IV_STATUS__IV_STATUS_OK);
    hde_msg_drop(msg);
}

static void
test_implied_volatility_is_the_smile_on_both_sides(void **state)
{
    hde_msg *msg = with_iv();
    Hde__EnrichedChain *chain = chain_of(msg);
    unsigned solved = 0;

    for (int side = 0; side < 2; side++) {
        Hde__ModelColumns *m = side ? chain->puts : chain->calls;

        assert_int_equal(m->n_iv, MARKET_STRIKES);
        for (int i = 0; i < MARKET_STRIKES; i++) {
            double vol = market_vol(market_strike(i));

            assert_int_equal(m->input_source[i], HDE__PRICE_SOURCE__PRICE_SOURCE_LAST);
            assert_int_equal(isnan(m->iv[i]), m->iv_status[i] != HDE__IV_STATUS__IV_STATUS_OK);
            if (isnan(m->iv[i]))
                continue;
            solved++;
            /* the forward is good to 1e-8, and the price to its rounding */
            assert_near("iv", m->iv[i], vol, 1e-9 + 1e5 * vol * m->iv_conditioning[i]);
        }
    }
    assert_in_range(solved, 200, 2 * MARKET_STRIKES);
    hde_msg_drop(msg);
}

static void
test_a_leg_without_a_believable_price_says_why_it_has_no_volatility(void **state)
{
    hde_harness *h = hde_harness_open("processing/implied_volatility", NULL);
    hde_msg *msg = through("processing/forward", NULL, NULL), *out;
    Hde__Quotes *calls = chain_of(msg)->raw->calls;
    Hde__ModelColumns *m;

    calls->last[60] = NAN;
    calls->last[40] = 1;
    calls->volume[61] = 0;
    calls->last[62] = 1e6;
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_OK);
    out = hde_harness_pull(h, "out");
    m = chain_of(out)->calls;
    assert_int_equal(m->iv_status[60], HDE__IV_STATUS__IV_STATUS_NO_QUOTE);
    assert_int_equal(m->iv_status[40], HDE__IV_STATUS__IV_STATUS_BELOW_INTRINSIC);
    assert_int_equal(m->iv_status[61], HDE__IV_STATUS__IV_STATUS_STALE);
    assert_int_equal(m->iv_status[62], HDE__IV_STATUS__IV_STATUS_ABOVE_MAXIMUM);
    assert_int_equal(m->iv_status[63], HDE__IV_STATUS__IV_STATUS_OK);
    assert_int_equal(m->input_source[60], HDE__PRICE_SOURCE__PRICE_SOURCE_NONE);
    assert_true(isnan(m->iv[40]) && isnan(m->iv[60]) && isnan(m->iv[61]) && isnan(m->iv[62]));
    hde_msg_drop(out);
    hde_harness_close(h);
}

/* ---- Model --------------------------------------------------------------------------------- */

static void
test_greeks_are_those_of_the_smile(void **state)
{
    hde_msg *msg = through("processing/greeks", NULL, with_iv());
    Hde__EnrichedChain *chain = chain_of(msg);

    for (int i = 20; i < 100; i++)
        for (int side = 0; side < 2; side++) {
            struct bsm o = market_leg(side ? BSM_PUT : BSM_CALL, i);
            Hde__ModelColumns *m = side ? chain->puts : chain->calls;
            struct bsm_greeks g;

            assert_true(bsm_greeks(&o, &g));
            assert_near("delta", m->delta[i], g.delta, 1e-8);
            assert_near("gamma", m->gamma[i], g.gamma, 1e-11);
            assert_near("vega", m->vega[i], g.vega, 1e-4);
            assert_near("theta", m->theta[i], g.theta, 1e-4);
            assert_near("rho", m->rho[i], g.rho, 1e-6);
            assert_near("vanna", m->vanna[i], g.vanna, 1e-6);
            assert_near("ultima", m->ultima[i] / g.ultima, 1, 1e-4);
            assert_near("itm_prob", m->itm_prob[i], g.itm_prob, 1e-8);
        }
    hde_msg_drop(msg);
}

static void
test_greeks_to_the_spot_agree_with_those_to_the_forward(void **state)
{
    hde_msg *forward = through("processing/greeks", "set: first", with_iv());
    hde_msg *spot = through("processing/greeks", "model: bsm, set: first", with_iv());
    Hde__ModelColumns *f = chain_of(forward)->calls, *s = chain_of(spot)->calls;

    assert_int_equal(f->n_vanna, 0);
    for (int i = 30; i < 90; i++) {
        assert_near("delta S", s->delta[i] * MARKET_SPOT, f->delta[i] * MARKET_FORWARD, 1e-3);
        assert_near("gamma S^2", s->gamma[i] * MARKET_SPOT * MARKET_SPOT,
                    f->gamma[i] * MARKET_FORWARD * MARKET_FORWARD, 1e-2);
        assert_near("vega", s->vega[i], f->vega[i], 1e-4);
    }
    hde_msg_drop(forward);
    hde_msg_drop(spot);
}

static void
test_theoretical_prices_are_those_paid_on_a_quadratic_smile(void **state)
{
    hde_msg *msg = through("processing/theoretical_price", NULL, with_iv());
    Hde__EnrichedChain *chain = chain_of(msg);

    for (int i = 0; i < MARKET_STRIKES; i++) {
        assert_near("call", chain->calls->price[i], market_price(BSM_CALL, i), 1e-4);
        assert_near("put", chain->puts->price[i], market_price(BSM_PUT, i), 1e-4);
        assert_near("mispricing", chain->calls->mispricing[i], 0, 1e-4);
    }
    hde_msg_drop(msg);
}

/* ---- Measures ------------------------------------------------------------------------------ */

static void
test_pcr_is_the_quotient_of_sums(void **state)
{
    hde_msg *msg = through("processing/pcr", NULL, NULL);
    const Hde__Pcr *p = chain_of(msg)->metrics->pcr;
    double calls = 0, puts = 0, call_top = -1, put_top = -1, call_at = 0, put_at = 0;

    for (int i = 0; i < MARKET_STRIKES; i++) {
        calls += market_oi(BSM_CALL, i);
        puts += market_oi(BSM_PUT, i);
        if (market_oi(BSM_CALL, i) > call_top)
            call_top = market_oi(BSM_CALL, i), call_at = market_strike(i);
        if (market_oi(BSM_PUT, i) > put_top)
            put_top = market_oi(BSM_PUT, i), put_at = market_strike(i);
    }
    assert_true(p->oi == puts / calls && p->call_oi == calls && p->put_oi == puts);
    assert_true(p->volume == 1);
    assert_near("change", p->oi_change, (puts / 4 - 12100) / (calls / 4 - 12100), 1e-12);
    assert_true(p->max_call_oi_strike == call_at && p->max_put_oi_strike == put_at);
    assert_int_equal(p->strikes, MARKET_STRIKES);
    assert_string_equal(p->scope, "all");
    hde_msg_drop(msg);
}

static void
drop_oi_changes(Hde__RawChain *raw)
{
    Hde__Quotes *sides[] = {raw->calls, raw->puts};

    for (int s = 0; s < 2; s++) {
        sides[s]->n_prev_oi = sides[s]->n_oi;
        sides[s]->prev_oi = sides[s]->oi_change; /* any column that is not 0 */
        sides[s]->n_oi_change = 0;
        sides[s]->oi_change = NULL;
    }
}

static void
test_pcr_makes_the_change_of_oi_of_its_parts(void **state)
{
    hde_msg *given = through("processing/pcr", NULL, NULL), *made;
    hde_harness *h = hde_harness_open("processing/pcr", NULL);
    hde_msg *taken = market_chain(h);

    drop_oi_changes((Hde__RawChain *)taken->body);
    hde_harness_push(h, "in", taken);
    made = hde_harness_pull(h, "out");
    assert_non_null(made);
    const Hde__Pcr *a = chain_of(given)->metrics->pcr, *b = chain_of(made)->metrics->pcr;

    hde_harness_close(h);
    assert_near("calls", b->call_oi_change, a->call_oi - a->call_oi_change, 1e-12);
    assert_near("puts", b->put_oi_change, a->put_oi - a->put_oi_change, 1e-12);
    hde_msg_drop(given);
    hde_msg_drop(made);
}

static void
test_pcr_around_the_money_counts_only_those_strikes(void **state)
{
    hde_msg *msg = through("processing/pcr", "scope: atm, strikes: 2", NULL);
    const Hde__Pcr *p = chain_of(msg)->metrics->pcr;
    double calls = 0;

    for (int i = 58; i <= 62; i++) /* 24000 ... 24200 around 24090 */
        calls += market_oi(BSM_CALL, i);
    assert_int_equal(p->strikes, 5);
    assert_true(p->call_oi == calls);
    hde_msg_drop(msg);
}

static void
test_pcr_without_calls_is_absent_and_missing_entries_count_nothing(void **state)
{
    hde_harness *h = hde_harness_open("processing/pcr", NULL);
    hde_msg *msg = market_chain(h), *out;
    Hde__RawChain *raw = (Hde__RawChain *)msg->body;
    const Hde__Pcr *p;

    for (int i = 0; i < MARKET_STRIKES; i++) {
        raw->calls->oi[i] = i == 7 ? 0 : NAN;
        raw->puts->oi[i] = i == 9 ? 13.5 : NAN;
        raw->calls->volume[i] = raw->puts->volume[i] = NAN;
    }
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_OK);
    out = hde_harness_pull(h, "out");
    p = chain_of(out)->metrics->pcr;
    assert_true(!p->has_oi && p->has_call_oi && p->call_oi == 0 && p->put_oi == 13.5);
    assert_true(!p->has_volume && !p->has_call_volume && !p->has_put_volume);
    assert_true(p->max_call_oi_strike == market_strike(0));
    assert_true(p->max_put_oi_strike == market_strike(9));
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_max_pain_is_the_least_of_all_losses(void **state)
{
    hde_msg *msg = through("processing/max_pain", NULL, NULL);
    const Hde__MaxPain *p = chain_of(msg)->metrics->max_pain;
    double least = INFINITY, at = 0;

    for (int x = 0; x < MARKET_STRIKES; x++) {
        double loss = 0;

        for (int k = 0; k < MARKET_STRIKES; k++)
            loss += market_oi(BSM_CALL, k) * fmax(market_strike(x) - market_strike(k), 0) +
                    market_oi(BSM_PUT, k) * fmax(market_strike(k) - market_strike(x), 0);
        assert_true(p->call_pain[x] + p->put_pain[x] == loss);
        if (loss < least)
            least = loss, at = market_strike(x);
    }
    assert_true(p->strike == at && p->writer_loss == least);
    assert_near("distance", p->distance_pct, 100 * (at / MARKET_SPOT - 1), 1e-12);
    hde_msg_drop(msg);
}

static void
test_basis_is_forward_less_spot_against_its_fair_value(void **state)
{
    hde_msg *msg = through("processing/futures_basis", "yield: 0.01",
                           through("processing/forward", NULL, NULL));
    const Hde__FuturesBasis *b = chain_of(msg)->metrics->basis;
    double basis = MARKET_FORWARD - MARKET_SPOT;
    double fair = MARKET_SPOT * (exp((MARKET_RATE - 0.01) * MARKET_YEARS) - 1);

    assert_near("basis", b->basis, basis, 1e-7);
    assert_near("percent", b->basis_pct, 100 * basis / MARKET_SPOT, 1e-9);
    assert_near("simple", b->annualised_simple, basis / MARKET_SPOT / MARKET_YEARS, 1e-9);
    assert_near("continuous", b->annualised_continuous,
                log(MARKET_FORWARD / MARKET_SPOT) / MARKET_YEARS, 1e-9);
    assert_near("fair", b->fair, fair, 1e-9);
    assert_near("mispricing", b->mispricing, basis - fair, 1e-7);
    assert_true(b->synthetic);
    hde_msg_drop(msg);
}

/* The strike at which the true smile has this forward delta, by bisection. */
static double
strike_at_delta(double delta)
{
    double low = 0.8 * MARKET_FORWARD, high = 1.2 * MARKET_FORWARD;

    for (int i = 0; i < 200; i++) {
        double k = 0.5 * (low + high), sd = market_vol(k) * sqrt(MARKET_YEARS);
        double d1 = log(MARKET_FORWARD / k) / sd + 0.5 * sd;

        *(0.5 * erfc(-d1 * M_SQRT1_2) > delta ? &low : &high) = k;
    }
    return low;
}

static void
test_skew_gives_back_the_smile(void **state)
{
    hde_msg *msg = through("processing/iv_skew", NULL, with_iv());
    const Hde__Skew *s = chain_of(msg)->metrics->skew;
    double call25 = market_vol(strike_at_delta(0.25)), put25 = market_vol(strike_at_delta(0.75));

    assert_near("atm", s->atm_iv, 0.11, 1e-5);
    assert_near("fit 0", s->fit[0], 0.11, 1e-8);
    assert_near("slope", s->slope, -0.25, 1e-6);
    assert_near("curvature", s->curvature, 3, 1e-4);
    assert_near("residual", s->fit_residual, 0, 1e-8);
    assert_near("rr25", s->rr25, call25 - put25, 2e-5);
    assert_near("bf25", s->bf25, 0.5 * (call25 + put25) - 0.11, 2e-5);
    assert_near("move", s->expected_move, MARKET_FORWARD * 0.11 * sqrt(MARKET_YEARS), 0.05);
    assert_true(s->atm_strike == 24100);
    assert_near("straddle", s->straddle, market_price(BSM_CALL, 60) + market_price(BSM_PUT, 60),
                1e-9);
    assert_near("gap", s->iv_gap, 0, 1e-7);
    assert_near("legacy", s->legacy_skew, market_vol(22900) - market_vol(25300), 1e-7);
    hde_msg_drop(msg);
}

static void
test_gamma_exposure_is_signed_sums_and_the_flip_is_a_root(void **state)
{
    hde_msg *msg = through("processing/gamma_exposure", NULL, with_iv());
    Hde__EnrichedChain *chain = chain_of(msg);
    const Hde__GammaExposure *x = chain->metrics->gex;
    double net = 0, size = 0, dex = 0, vex = 0, chex = 0, flip = 0, top = 0, wall = 0;

    for (int i = 0; i < MARKET_STRIKES; i++)
        for (int side = 0; side < 2; side++) {
            struct bsm o = market_leg(side ? BSM_PUT : BSM_CALL, i);
            double held = (side ? -1 : 1) * market_oi(o.right, i), gex;
            struct bsm_greeks g;

            assert_true(bsm_greeks(&o, &g));
            gex = held * g.gamma * MARKET_FORWARD * MARKET_FORWARD * 0.01;
            net += gex;
            size += fabs(gex);
            dex += held * g.delta * MARKET_FORWARD;
            vex += held * g.vanna * MARKET_FORWARD * 0.01;
            chex += held * g.charm * MARKET_FORWARD / 365;
            if (!side && gex > top)
                top = gex, wall = o.strike;
            o.underlying *= x->flip / MARKET_SPOT;
            assert_true(bsm_greeks(&o, &g));
            flip += held * g.gamma * o.underlying * o.underlying * 0.01;
        }
    assert_near("net", x->net, net, 1e-6 * size);
    assert_near("call + put", x->call + x->put, x->net, 1e-12 * size);
    assert_near("dex", x->dex, dex, 1e-6 * fabs(dex));
    assert_near("vex", x->vex, vex, 1e-5 * fabs(vex));
    assert_near("chex", x->chex, chex, 1e-5 * fabs(chex));
    assert_true(x->has_flip && x->call_wall == wall);
    assert_near("sum at the flip", flip, 0, 1e-6 * size);
    assert_int_equal(x->sign, HDE__GEX_SIGN__GEX_SIGN_NAIVE);
    hde_msg_drop(msg);

    msg = through("processing/gamma_exposure", "sign: inverse", with_iv());
    assert_near("inverse", chain_of(msg)->metrics->gex->net, -net, 1e-6 * size);
    hde_msg_drop(msg);
    msg = through("processing/gamma_exposure", "sign: all_short", with_iv());
    assert_near("all short", chain_of(msg)->metrics->gex->net, -size, 1e-6 * size);
    assert_false(chain_of(msg)->metrics->gex->has_flip);
    hde_msg_drop(msg);
}

static void
test_open_interest_in_lots_needs_a_lot_size(void **state)
{
    hde_msg *units = through("processing/gamma_exposure", NULL, with_iv());
    hde_msg *lots = with_iv(), *unknown;
    Hde__RawChain *raw = chain_of(lots)->raw;

    raw->has_oi_unit = true;
    raw->oi_unit = HDE__QUANTITY_UNIT__QUANTITY_UNIT_LOTS;
    unknown = through("processing/gamma_exposure", NULL, lots);
    assert_true(!chain_of(unknown)->metrics || !chain_of(unknown)->metrics->gex);
    lots = through("processing/gamma_exposure", "lot_size: 75", unknown);
    assert_near("75 units a lot", chain_of(lots)->metrics->gex->net,
                75 * chain_of(units)->metrics->gex->net,
                1e-9 * fabs(chain_of(units)->metrics->gex->call) * 75);
    raw = hde_msg_edit(lots, &chain_of(lots)->raw, &hde__raw_chain__descriptor);
    raw->underlying = hde_msg_text(lots, "NIFTY");
    lots = through("processing/gamma_exposure", NULL, lots);
    assert_near("65 units a lot, as the calendar says", chain_of(lots)->metrics->gex->net,
                65 * chain_of(units)->metrics->gex->net,
                1e-9 * fabs(chain_of(units)->metrics->gex->call) * 75);
    hde_msg_drop(units);
    hde_msg_drop(lots);
}

static void
test_ranking_compares_every_strike_with_the_largest_of_its_side(void **state)
{
    hde_msg *msg = through("processing/ranking", "top: 3", NULL);
    Hde__EnrichedChain *chain = chain_of(msg);
    double largest = 0;
    int at = 0, ranked = 0;

    for (int i = 0; i < MARKET_STRIKES; i++)
        if (market_oi(BSM_CALL, i) > largest) {
            largest = market_oi(BSM_CALL, i);
            at = i;
        }
    assert_int_equal(chain->calls->n_oi_intensity_pct, MARKET_STRIKES);
    for (int i = 0; i < MARKET_STRIKES; i++) {
        assert_near("intensity", chain->calls->oi_intensity_pct[i],
                    100 * market_oi(BSM_CALL, i) / largest, 1e-12);
        ranked += !isnan(chain->calls->oi_rank[i]);
    }
    assert_true(chain->calls->oi_rank[at] == 1 && ranked == 3);
    assert_int_equal(chain->puts->n_volume_rank, MARKET_STRIKES);
    hde_msg_drop(msg);
}

static void
test_vix_is_interpolated_to_30_days_between_the_expiries(void **state)
{
    hde_harness *h = hde_harness_open("processing/vix_divergence", NULL);
    hde_msg *near = with_iv(), *far = with_iv(), *out;
    Hde__EnrichedChain *chain = chain_of(far);
    const Hde__VixDivergence *v;
    double flat;

    assert_int_equal(hde_harness_push(h, "in", near), HDE_OK);
    out = hde_harness_pull(h, "out");
    v = chain_of(out)->metrics->vix;
    assert_near("one expiry is flat", v->iv30, 11, 1e-3);
    assert_near("divergence", v->divergence, 11 - 12.5, 1e-3);
    assert_near("ratio", v->ratio, 11 / 12.5, 1e-4);
    assert_in_range((int)(1000 * v->model_free), 11000, 12500); /* the smile lifts it */
    flat = v->model_free;
    hde_msg_drop(out);
    assert_true(hde_harness_reload(h)); /* which forgets nothing */

    /* The same chain as if it had 60 days: the prices then say sqrt(T/60 days) of the variance. */
    chain->forward->t_years = 60.0 / 365;
    chain->raw->expiry = (char *)"2026-10-18";
    assert_int_equal(hde_harness_push(h, "in", far), HDE_OK);
    out = hde_harness_pull(h, "out");
    v = chain_of(out)->metrics->vix;
    double w_near = 0.11 * 0.11 * MARKET_YEARS, w_far = 0.11 * 0.11 * 60 / 365;
    double part = (30.0 / 365 - MARKET_YEARS) / (60.0 / 365 - MARKET_YEARS);
    assert_near("atm", v->iv30, 100 * sqrt((w_near + part * (w_far - w_near)) * 365 / 30), 1e-2);
    /* the same prices are the same total variance at both ends, so at 30 days too */
    assert_near("model free", v->model_free, flat * sqrt(MARKET_YEARS * 365 / 30), 1e-2);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_reversal_gives_bands_and_the_levels_where_walls_meet(void **state)
{
    hde_msg *msg = through("processing/reversal", "tolerance: 0.5%",
                           through("processing/pcr", NULL,
                                   through("processing/gamma_exposure", NULL,
                                           through("processing/iv_skew", NULL, with_iv()))));
    Hde__ChainMetrics *m = chain_of(msg)->metrics;
    const Hde__Reversal *r = m->reversal;

    assert_near("lower", r->lower, 24100 - m->skew->straddle, 1e-9);
    assert_near("upper", r->upper, 24100 + m->skew->straddle, 1e-9);
    assert_near("move", r->move_upper - r->move_lower, 2 * m->skew->expected_move, 1e-9);
    assert_true(r->n_level > 0);
    for (size_t i = 1; i < r->n_level; i++)
        assert_true(r->level[i] > r->level[i - 1]);
    hde_msg_drop(msg);
}

static void
test_legacy_reversal_keeps_its_formulas(void **state)
{
    hde_msg *msg = through("processing/theoretical_price", "vol: atm",
                           through("processing/greeks", NULL, with_iv()));
    Hde__EnrichedChain *chain = chain_of(msg);
    enum { I = 64 };
    double dc = chain->calls->input_price[I] - chain->calls->price[I];
    double dp = chain->puts->input_price[I] - chain->puts->price[I];
    double k = market_strike(I), delta_c = chain->calls->delta[I], delta_p = chain->puts->delta[I];
    double av = (chain->puts->price[I] - chain->calls->price[I]) *
                (chain->puts->iv[I] - chain->calls->iv[I]);
    const Hde__Reversal *r;

    msg = through("processing/reversal_legacy", NULL, msg);
    r = chain_of(msg)->metrics->reversal_legacy;
    assert_int_equal(r->n_weekly, MARKET_STRIKES);
    assert_near("weekly", r->weekly[I], k + dp + dc, 1e-9);
    assert_near("rr", r->rr[I], k + fabs(dp) - fabs(dc) - av, 1e-9);
    assert_near("rs", r->rs[I], k + dp * delta_p - dc * delta_c + av, 1e-9);
    assert_near("ss", r->ss[I], k - (dc - dp) + av, 1e-9);
    assert_near("future", r->future[I], r->weekly[I] + MARKET_FORWARD - MARKET_SPOT, 1e-6);
    assert_true(r->confidence_pct[I] > 0 && r->confidence_pct[I] < 100);
    hde_msg_drop(msg);
}

/* ---- Clean --------------------------------------------------------------------------------- */

static bool
has_flag(const Hde__RawChain *raw, Hde__ChainFlag flag)
{
    for (size_t i = 0; i < raw->n_flags; i++)
        if (raw->flags[i] == flag)
            return true;
    return false;
}

static void
test_clean_removes_what_cannot_be_true_and_leaves_the_input_as_it_was(void **state)
{
    hde_harness *h = hde_harness_open("processing/clean", NULL);
    hde_msg *msg = market_chain(h), *kept, *out;
    Hde__RawChain *in = (Hde__RawChain *)msg->body;
    const Hde__RawChain *raw;

    in->calls->bid = hde_msg_doubles(msg, MARKET_STRIKES);
    in->calls->ask = hde_msg_doubles(msg, MARKET_STRIKES);
    in->calls->n_bid = in->calls->n_ask = MARKET_STRIKES;
    in->calls->bid[10] = 101, in->calls->ask[10] = 100; /* crossed */
    in->calls->bid[11] = 50, in->calls->ask[11] = 100;  /* wide */
    in->calls->bid[12] = 99, in->calls->ask[12] = 100;
    in->calls->bid[13] = 0.05, in->calls->ask[13] = 0.15; /* wide, but two ticks */
    in->calls->last[3] = -5;
    in->calls->last[4] = INFINITY;
    in->calls->last[5] = 0;
    in->puts->oi[6] = -1;
    in->puts->oi_change[6] = -100;
    in->puts->n_volume--;
    in->spot = -1;
    kept = hde_msg_keep(msg);
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_OK);
    out = hde_harness_pull(h, "out");
    raw = chain_of(out)->raw;
    assert_true(isnan(raw->calls->bid[10]) && isnan(raw->calls->ask[10]));
    assert_true(isnan(raw->calls->bid[11]) && isnan(raw->calls->ask[11]));
    assert_true(raw->calls->bid[12] == 99 && raw->calls->ask[12] == 100);
    assert_true(raw->calls->bid[13] == 0.05 && raw->calls->ask[13] == 0.15);
    assert_true(isnan(raw->calls->last[3]) && isnan(raw->calls->last[4]) &&
                isnan(raw->calls->last[5]) && raw->calls->last[6] == in->calls->last[6]);
    assert_true(isnan(raw->puts->oi[6]) && raw->puts->oi_change[6] == -100);
    assert_int_equal(raw->puts->n_volume, 0);
    assert_false(raw->has_spot);
    assert_true(has_flag(raw, HDE__CHAIN_FLAG__CHAIN_FLAG_BAD_VALUES));
    assert_true(has_flag(raw, HDE__CHAIN_FLAG__CHAIN_FLAG_CROSSED));
    assert_true(has_flag(raw, HDE__CHAIN_FLAG__CHAIN_FLAG_NO_SPOT));
    assert_int_equal(hde_harness_counter(h, "bad_values"), 3 + MARKET_STRIKES - 1);
    assert_int_equal(hde_harness_counter(h, "zero_prices"), 1);
    assert_int_equal(hde_harness_counter(h, "crossed"), 1);
    assert_int_equal(hde_harness_counter(h, "wide"), 1);
    /* the message that somebody else holds is as it was */
    assert_true(in->calls->last[3] == -5 && in->calls->bid[10] == 101 && in->spot == -1);
    assert_int_equal(in->n_flags, 0);
    hde_msg_drop(kept);
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_clean_leaves_a_sound_chain_alone(void **state)
{
    hde_harness *h = hde_harness_open("processing/clean", NULL);
    hde_msg *msg = market_chain(h), *out;
    const double *last = ((Hde__RawChain *)msg->body)->calls->last;

    assert_int_equal(hde_harness_push(h, "in", msg), HDE_OK);
    out = hde_harness_pull(h, "out");
    assert_ptr_equal(chain_of(out)->raw->calls->last, last);
    assert_int_equal(chain_of(out)->raw->n_flags, 0);
    assert_string_equal(chain_of(out)->feed, "TEST:NIFTY@market");
    hde_msg_drop(out);
    hde_harness_close(h);
}

static void
test_clean_rejects_strikes_out_of_order(void **state)
{
    hde_harness *h = hde_harness_open("processing/clean", NULL);
    hde_msg *msg = market_chain(h);

    ((Hde__RawChain *)msg->body)->strike[5] = 1;
    assert_int_equal(hde_harness_push(h, "in", msg), HDE_REJECT);
    assert_non_null(strstr(hde_harness_said(h), "clean.strikes"));
    assert_null(hde_harness_pull(h, "out"));
    hde_harness_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward_is_that_of_parity_with_time_to_the_second),
        cmocka_unit_test(test_forward_can_fit_the_discount_factor),
        cmocka_unit_test(test_forward_falls_back_and_says_so),
        cmocka_unit_test(test_an_expiry_without_a_session_gives_no_forward),
        cmocka_unit_test(test_a_stale_chain_has_no_volatilities_unless_asked_for),
        cmocka_unit_test(test_implied_volatility_is_the_smile_on_both_sides),
        cmocka_unit_test(test_a_leg_without_a_believable_price_says_why_it_has_no_volatility),
        cmocka_unit_test(test_greeks_are_those_of_the_smile),
        cmocka_unit_test(test_greeks_to_the_spot_agree_with_those_to_the_forward),
        cmocka_unit_test(test_theoretical_prices_are_those_paid_on_a_quadratic_smile),
        cmocka_unit_test(test_pcr_is_the_quotient_of_sums),
        cmocka_unit_test(test_pcr_makes_the_change_of_oi_of_its_parts),
        cmocka_unit_test(test_pcr_around_the_money_counts_only_those_strikes),
        cmocka_unit_test(test_pcr_without_calls_is_absent_and_missing_entries_count_nothing),
        cmocka_unit_test(test_max_pain_is_the_least_of_all_losses),
        cmocka_unit_test(test_basis_is_forward_less_spot_against_its_fair_value),
        cmocka_unit_test(test_skew_gives_back_the_smile),
        cmocka_unit_test(test_gamma_exposure_is_signed_sums_and_the_flip_is_a_root),
        cmocka_unit_test(test_open_interest_in_lots_needs_a_lot_size),
        cmocka_unit_test(test_ranking_compares_every_strike_with_the_largest_of_its_side),
        cmocka_unit_test(test_vix_is_interpolated_to_30_days_between_the_expiries),
        cmocka_unit_test(test_reversal_gives_bands_and_the_levels_where_walls_meet),
        cmocka_unit_test(test_legacy_reversal_keeps_its_formulas),
        cmocka_unit_test(test_clean_removes_what_cannot_be_true_and_leaves_the_input_as_it_was),
        cmocka_unit_test(test_clean_leaves_a_sound_chain_alone),
        cmocka_unit_test(test_clean_rejects_strikes_out_of_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
