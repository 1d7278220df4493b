/* SPDX-License-Identifier: Apache-2.0
 * market - a synthetic options market as a pure function of a seed and an instant. */
#include "market.h"

#include <math.h>
#include <string.h>

#define RATE 0.065
#define DIVIDEND 0.012
#define YEAR_S 31536000.0
#define OI_STEP_S 180
#define VOLUME_STEPS 75 /* a session's volume is the sum of so many growing steps */

const struct market_underlying market_underlyings[] = {
    {"NIFTY", 13, 24200, 50, 0.13, 81, 4, 2, 60000},
    {"BANKNIFTY", 25, 55400, 100, 0.15, 81, 0, 3, 30000},
    {"FINNIFTY", 27, 26300, 50, 0.15, 61, 0, 3, 6000},
    {0},
};

const struct market_underlying *
market_find(int security_id)
{
    for (const struct market_underlying *u = market_underlyings; u->symbol; u++)
        if (u->security_id == security_id)
            return u;
    return NULL;
}

/* ---- Noise ---------------------------------------------------------------------------------- */

/* splitmix64's finisher (Steele, Lea, Flood 2014) over a running key. */
static uint64_t
mix(uint64_t key, uint64_t value)
{
    uint64_t z = key + value * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x632be59bd9b4e019);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double
unit(uint64_t hash) /* [0, 1) */
{
    return (double)(hash >> 11) * 0x1p-53;
}

/* Smooth noise in [-1, 1] with lattice points `period_s` apart. */
static double
lattice(uint64_t key, int64_t ns, double period_s)
{
    double x = (double)ns * 1e-9 / period_s, floor_x = floor(x), f = x - floor_x;
    double a = 2 * unit(mix(key, (uint64_t)(int64_t)floor_x)) - 1;
    double b = 2 * unit(mix(key, (uint64_t)(int64_t)floor_x + 1)) - 1;
    double w = f * f * (3 - 2 * f);

    return a + (b - a) * w;
}

/* Octaves first to last - 1 of noise whose amplitude grows with the root of the period: together
 * they move like a random walk on every scale between shortest_s and the last period, and are
 * about 1 over that. */
static double
wander(uint64_t key, int64_t ns, double shortest_s, int first, int last)
{
    double sum = 0, period = ldexp(shortest_s, first);

    for (int i = first; i < last; i++, period *= 2)
        sum += sqrt(period) * lattice(mix(key, (uint64_t)i), ns, period);
    return sum / sqrt(period);
}

static uint64_t
key_of(const struct market *m, const struct market_underlying *u, uint64_t what)
{
    return mix(mix(m->seed, (uint64_t)u->security_id), what);
}

enum { KEY_SPOT = 1, KEY_VOL, KEY_TILT, KEY_OI, KEY_OI_MOVE, KEY_VOLUME, KEY_QUOTE };

/* ---- Spot and surface ----------------------------------------------------------------------- */

/* 22 octaves from 2 s reach 49 days. */
#define SPOT_OCTAVES 22

static double
spot_of(const struct market *m, const struct market_underlying *u, int64_t ns, int first)
{
    return u->spot *
           exp(0.55 * u->vol * wander(key_of(m, u, KEY_SPOT), ns, 2, first, SPOT_OCTAVES));
}

double
market_spot(const struct market *market, const struct market_underlying *u, int64_t ns)
{
    return round(spot_of(market, u, ns, 0) * 20) / 20;
}

static double
forward_of(double spot, double t)
{
    return spot * exp((RATE - DIVIDEND) * t);
}

/* Implied volatility by SSVI (Gatheral, Jacquier 2014): w = theta/2 (1 + rho phi k +
 * sqrt((phi k + rho)^2 + 1 - rho^2)), phi = eta / sqrt(theta (1 + theta)), eta (1 + |rho|) <= 2:
 * free of butterfly arbitrage, and of calendar arbitrage as theta grows with t. */
static double
surface(const struct market *m, const struct market_underlying *u, int64_t ns, double t, double k)
{
    double fast = u->vol * exp(0.25 * wander(key_of(m, u, KEY_VOL), ns, 30, 0, 16));
    double rho = -0.35 + 0.12 * wander(key_of(m, u, KEY_TILT), ns, 60, 0, 14);
    double slow = u->vol * 1.08, pull = 6, eta = 1.15;
    double theta = slow * slow * t + (fast * fast - slow * slow) * (1 - exp(-pull * t)) / pull;
    double phi = eta / sqrt(theta * (1 + theta));
    double x = phi * k + rho;

    return sqrt(theta / 2 * (1 + rho * phi * k + sqrt(x * x + 1 - rho * rho)) / t);
}

static double
normal(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static double
black(double forward, double strike, double t, double vol, bool call)
{
    double s = vol * sqrt(t), d1 = log(forward / strike) / s + s / 2, sign = call ? 1 : -1;

    return exp(-RATE * t) * sign * (forward * normal(sign * d1) - strike * normal(sign * (d1 - s)));
}

/* ---- Sessions and expiries ------------------------------------------------------------------ */

static bool
session_before(const struct market *m, int32_t day, struct session *out)
{
    for (int i = 1; i <= 30; i++)
        if (calendar_day(m->calendar, day - i, out))
            return true;
    return false;
}

int64_t
market_instant(const struct market *market, int64_t ns, struct session *session)
{
    if (!calendar_session(market->calendar, ns, session)) {
        *session = (struct session){calendar_today(market->calendar, ns), ns, ns};
        return ns;
    }
    if (ns < session->open_ns) /* before the open: what the session before left */
        return session_before(market, session->day, session) ? session->close_ns : ns;
    return ns < session->close_ns ? ns : session->close_ns;
}

/* A holiday moves an expiry to the trading day before. */
static int32_t
trading_day(const struct market *m, int32_t day)
{
    struct session session;

    for (int i = 0; i < 10; i++)
        if (calendar_day(m->calendar, day - i, &session))
            return day - i;
    return day;
}

static bool
is_last_of_month(int32_t tuesday)
{
    int y, month, d, next_month;

    when_civil(tuesday, &y, &month, &d);
    when_civil(tuesday + 7, &y, &next_month, &d);
    return month != next_month;
}

size_t
market_expiries(const struct market *market, const struct market_underlying *u, int64_t ns,
                int32_t *days)
{
    int32_t today = calendar_today(market->calendar, ns);
    int32_t tuesday = today + (8 - when_weekday(today)) % 7;
    int weeklies = 0, monthlies = 0;
    size_t n = 0;

    for (; monthlies < u->monthlies && n < MARKET_EXPIRIES_MAX; tuesday += 7) {
        int32_t day = trading_day(market, tuesday);
        bool monthly = is_last_of_month(tuesday);
        int64_t at;

        if (!calendar_expiry(market->calendar, day, &at) || at <= ns ||
            (!monthly && weeklies >= u->weeklies))
            continue;
        weeklies++;
        monthlies += monthly;
        days[n++] = day;
    }
    return n;
}

/* ---- A chain -------------------------------------------------------------------------------- */

struct view { /* what all legs of a chain share */
    const struct market *m;
    const struct market_underlying *u;
    struct session session, before;
    int64_t ns;
    int64_t prev_close_ns; /* of the session before */
    int32_t expiry;
    double spot, forward, t, lot;
    double prev_spot, prev_forward, prev_t;
    double opening, before_opening; /* spots at the opens of both sessions */
};

static uint64_t
leg_key(const struct view *v, double strike, bool call, uint64_t what)
{
    uint64_t key = mix(key_of(v->m, v->u, what), (uint64_t)v->expiry);

    return mix(key, (uint64_t)llround(strike * 2) * 2 + call);
}

static double
to_tick(double price)
{
    return round(price / MARKET_TICK) / (1 / MARKET_TICK);
}

/* Open interest in lots at an instant: a profile over strikes with peaks at round numbers, calls
 * above and puts below where the spot has been lately, that fills up towards the expiry. */
static double
oi_lots(const struct view *v, double strike, bool call, int64_t ns)
{
    double slow = spot_of(v->m, v->u, ns, 16); /* its moves of a day and longer */
    double centre = slow + (call ? 4 : -4) * v->u->step;
    double width = 0.18 * v->u->strikes * v->u->step, z = (strike - centre) / width;
    double round_number = fmod(strike, v->u->step * 10) == 0  ? 2.6
                          : fmod(strike, v->u->step * 2) == 0 ? 1.3
                                                              : 0.7;
    double days = (double)((int64_t)v->expiry * WHEN_DAY_S - ns / WHEN_SECOND) / WHEN_DAY_S;
    double age = 1 / (1 + fmax(days, 0) / 9);
    int64_t step = ns / WHEN_SECOND / OI_STEP_S * OI_STEP_S * WHEN_SECOND;
    double own = 0.4 + unit(leg_key(v, strike, call, KEY_OI));
    double move = wander(leg_key(v, strike, call, KEY_OI_MOVE), step, 2 * OI_STEP_S, 0, 10);

    return floor(v->u->oi_lots * exp(-0.5 * z * z) * round_number * own * age *
                 (1 + 0.55 * move + 0.02));
}

/* Volume of the session up to an instant, in lots: growing steps, busy at both ends of the day. */
static double
volume_lots(const struct view *v, double strike, bool call, const struct session *session,
            double opening, int64_t ns)
{
    uint64_t key = mix(leg_key(v, strike, call, KEY_VOLUME), (uint64_t)session->day);
    double length = (double)(session->close_ns - session->open_ns);
    double at = length > 0 ? (double)(ns - session->open_ns) / length * VOLUME_STEPS : VOLUME_STEPS;
    double z = (strike - opening) / (0.05 * opening), sum = 0; /* opening: fixed for the day */
    double size = v->u->oi_lots * 3 * exp(-0.5 * z * z) / VOLUME_STEPS;

    for (int i = 0; i < VOLUME_STEPS && i < at; i++) {
        double edge = 2.0 * i / VOLUME_STEPS - 1, busy = 0.6 + 1.6 * edge * edge;

        sum += size * busy * 2 * unit(mix(key, (uint64_t)i)) * fmin(1, at - i);
    }
    return floor(fmax(sum, 0));
}

static void
greeks(const struct view *v, double strike, bool call, struct market_leg *leg)
{
    double root = sqrt(v->t), s = leg->iv * root, sign = call ? 1 : -1;
    double d1 = log(v->forward / strike) / s + s / 2, d2 = d1 - s;
    double density = exp(-0.5 * d1 * d1) / sqrt(2 * M_PI);
    double carry = exp(-DIVIDEND * v->t), discount = exp(-RATE * v->t);
    double decay = -v->spot * carry * density * leg->iv / (2 * root);

    leg->delta = carry * sign * normal(sign * d1);
    leg->gamma = carry * density / (v->spot * s);
    leg->vega = v->spot * carry * density * root / 100;
    leg->theta = (decay - sign * RATE * strike * discount * normal(sign * d2) +
                  sign * DIVIDEND * v->spot * carry * normal(sign * d1)) /
                 365;
}

static void
fill_leg(const struct view *v, double strike, bool call, struct market_leg *leg)
{
    uint64_t quote = mix(leg_key(v, strike, call, KEY_QUOTE), (uint64_t)(v->ns / WHEN_SECOND));
    double price, half, prev_vol;

    leg->iv = surface(v->m, v->u, v->ns, v->t, log(strike / v->forward));
    price = black(v->forward, strike, v->t, leg->iv, call);
    leg->last = fmax(to_tick(price), MARKET_TICK);
    half = fmax(MARKET_TICK / 2, price * 0.0015 + fabs(strike / v->spot - 1) * 2);
    leg->bid = fmax(floor((price - half) / MARKET_TICK) / (1 / MARKET_TICK), 0);
    leg->ask = ceil((price + half) / MARKET_TICK) / (1 / MARKET_TICK);
    leg->bid_qty = leg->bid > 0 ? v->lot * (1 + (double)(quote % 40)) : 0;
    leg->ask_qty = v->lot * (1 + (double)((quote >> 16) % 40));

    leg->oi = v->lot * oi_lots(v, strike, call, v->ns);
    leg->prev_oi = v->lot * oi_lots(v, strike, call, v->prev_close_ns);
    leg->volume = v->lot * volume_lots(v, strike, call, &v->session, v->opening, v->ns);
    leg->prev_volume =
        v->lot * volume_lots(v, strike, call, &v->before, v->before_opening, v->before.close_ns);
    leg->average = leg->volume > 0 ? to_tick(leg->last * (0.97 + 0.06 * unit(mix(quote, 1)))) : 0;
    leg->security_id = 40000 + (int)(leg_key(v, strike, call, KEY_QUOTE) % 40000);

    prev_vol = surface(v->m, v->u, v->prev_close_ns, v->prev_t, log(strike / v->prev_forward));
    leg->prev_close =
        fmax(to_tick(black(v->prev_forward, strike, v->prev_t, prev_vol, call)), MARKET_TICK);
    greeks(v, strike, call, leg);
}

static bool
view_init(struct view *v, const struct market *market, const struct market_underlying *u,
          int32_t expiry, int64_t ns)
{
    int64_t expiry_ns;

    memset(v, 0, sizeof *v);
    v->m = market;
    v->u = u;
    v->expiry = expiry;
    v->ns = market_instant(market, ns, &v->session);
    if (!calendar_expiry(market->calendar, expiry, &expiry_ns) || expiry_ns <= v->ns)
        return false;
    v->prev_close_ns = session_before(market, v->session.day, &v->before) ? v->before.close_ns
                                                                          : v->session.open_ns;
    v->t = (double)(expiry_ns - v->ns) / 1e9 / YEAR_S;
    v->prev_t = (double)(expiry_ns - v->prev_close_ns) / 1e9 / YEAR_S;
    v->spot = market_spot(market, u, v->ns);
    v->prev_spot = market_spot(market, u, v->prev_close_ns);
    v->opening = market_spot(market, u, v->session.open_ns);
    v->before_opening = market_spot(market, u, v->before.open_ns);
    v->forward = forward_of(v->spot, v->t);
    v->prev_forward = forward_of(v->prev_spot, v->prev_t);
    v->lot = calendar_lot(market->calendar, u->symbol, expiry);
    if (isnan(v->lot))
        v->lot = 1;
    return true;
}

bool
market_chain(const struct market *market, const struct market_underlying *u, int32_t expiry,
             int64_t ns, struct market_chain *out)
{
    int32_t days[MARKET_EXPIRIES_MAX];
    size_t n = market_expiries(market, u, ns, days), i = 0;
    struct view view;
    double middle;

    while (i < n && days[i] != expiry)
        i++;
    if (i == n || !view_init(&view, market, u, expiry, ns))
        return false;
    /* The grid is fixed for the day: it is listed around the last close. */
    middle = round(view.prev_spot / u->step) * u->step;
    out->spot = view.spot;
    out->n = (size_t)(market->strikes ? market->strikes : u->strikes);
    for (i = 0; i < out->n; i++) {
        double strike = middle + ((double)i - (double)(out->n / 2)) * u->step;

        out->strike[i] = strike;
        fill_leg(&view, strike, true, &out->call[i]);
        fill_leg(&view, strike, false, &out->put[i]);
    }
    return true;
}
