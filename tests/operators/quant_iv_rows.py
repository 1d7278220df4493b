#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rows for quant_iv_test: prices rounded to doubles and the volatility that such a price means.

    quant_iv_rows.py ROWS [SEED]

The inputs are exact doubles; everything else has 80 digits (mpmath). Columns as in
reference_mpmath*.csv: iv_rel_per_ulp_of_price is the relative change of the volatility for half
an ulp of price, linear at the volatility that made the price; over 1 % of it is ill_conditioned.
"""
import math
import random
import sys

from mpmath import erfc, exp, log, mp, mpf, pi, sqrt

mp.dps = 80


def cdf(z):
    return erfc(-z / sqrt(mpf(2))) / 2


def otm(x, s):
    """Jaeckel's b(x,s), x <= 0."""
    return exp(x / 2) * cdf(x / s + s / 2) - exp(-x / 2) * cdf(x / s - s / 2)


def vega(x, s):
    return exp(-((x / s) ** 2 + s * s / 4) / 2) / sqrt(2 * pi)


def solve(x, target, missing, start):
    """s with b(x,s) = target: Newton on the logarithm of b, or of what is missing to its
    maximum, from a bracket by bisection."""
    upper = 2 * missing < exp(x / 2)

    def gap(s):
        if upper:
            left = exp(x / 2) * cdf(-x / s - s / 2) + exp(-x / 2) * cdf(x / s - s / 2)
            return log(missing / left)
        b = otm(x, s)
        return log(b / target) if b > 0 else mpf("-inf")

    low, high = start / 2, start * 2
    while gap(low) > 0:
        low /= 4
    while gap(high) < 0:
        high *= 4
    for _ in range(12):
        mid = sqrt(low * high)
        low, high = (mid, high) if gap(mid) < 0 else (low, mid)
    s = sqrt(low * high)
    for _ in range(60):
        slope = vega(x, s) / (exp(x / 2) - otm(x, s) if upper else otm(x, s))
        step = -gap(s) / slope
        if not low / 2 < s + step < high * 2:
            step = (sqrt(low * high) - s) / 2
        s += step
        if abs(step) < s * mpf(10) ** -35:
            return s
    raise ArithmeticError("no convergence")


def tidy(value, digits=4):
    return float(f"{value:.{digits}f}") if abs(value) > 10 ** (1 - digits) else value


def nifty(r):
    spot = tidy(r.uniform(20000, 27000), 1)
    return ("bsm", spot, float(50 * round(spot * math.exp(r.gauss(0, 0.06)) / 50)),
            r.randint(1, 90) / 365, 0.065, r.choice([0.0, 0.012]), tidy(r.uniform(0.05, 0.6)))


def banknifty(r):
    forward = tidy(r.uniform(45000, 60000), 2)
    return ("black76", forward, float(100 * round(forward * math.exp(r.gauss(0, 0.08)) / 100)),
            r.randint(1, 90) / 365, 0.0651, 0.0, tidy(r.uniform(0.05, 0.6)))


def expiry_day(r):
    return ("bsm", 24212.8, float(50 * r.randint(478, 490)),
            r.choice([1, 5, 60, 300, 900, 3600, 22500]) / 31536000, 0.065, 0.0,
            tidy(r.choice([0.05, 0.15, 0.6]) * r.uniform(0.8, 1.2)))


def deep(r):
    return ("bsm", 24212.8, float(r.choice([6000, 12000, 18000, 30000, 45000, 90000])),
            r.choice([1 / 365, 30 / 365, 1.0, r.uniform(0.01, 2)]), 0.065, 0.0,
            tidy(r.choice([0.1, 0.3, 1.5]) * r.uniform(0.8, 1.2)))


def extreme(r):
    return (r.choice(["bsm", "black76"]), 100.0, r.choice([50.0, 99.9, 100.0, 101.0, 400.0, 1e-6]),
            r.choice([1 / 365, 1.0, 10.0, 30.0]), 0.03, 0.01,
            r.choice([0.0005, 0.005, 2.0, 5.0, 10.0, 50.0]) * r.choice([1.0, r.uniform(0.7, 1.4)]))


def rates(r):
    return ("bsm", 100.0, r.choice([80.0, 100.0, 125.0]), r.choice([0.1, 1.0, 5.0]),
            r.choice([-0.02, -0.005, 0.0, 0.5, r.uniform(-0.05, 0.3)]),
            r.choice([0.0, 0.08, 0.3]), r.choice([0.25, r.uniform(0.05, 1)]))


def scale(r):
    size = 10.0 ** r.randint(-12, 12)
    return ("bsm", size, size * r.choice([0.5, 1.0, 2.0]), 0.5, 0.05, 0.0,
            r.choice([0.7, 0.2, 0.05]))


def atm(r):
    near = r.choice([1.0, 1.0, 1 + 2.0 ** -r.randint(20, 52)])
    return ("black76", 100.0, 100.0 * near, r.choice([1e-6, 0.01, 1.0]), r.choice([0.0, 0.04]), 0.0,
            r.choice([1e-6, 1e-3, 0.2, 3.0]))


def atm_forward(r):
    """Strikes so near to the forward that ln(S/K) and carry cancel."""
    t, rate, q = r.choice([0.1, 1.0, 5.0]), r.uniform(0.0, 0.1), r.uniform(0.0, 0.05)
    strike = 100.0 * math.exp((rate - q) * t) * (1 + r.choice([0, 1e-12, -1e-9, 1e-6]))
    return ("bsm", 100.0, strike, t, rate, q, 10.0 ** r.uniform(-8, 0))


def scattered(r):
    underlying = tidy(math.exp(r.uniform(0, 12.2)))
    return (r.choice(["bsm", "black76"]), underlying,
            tidy(underlying * math.exp(r.gauss(0, 0.35))), math.exp(r.uniform(-11.5, 2.4)),
            r.uniform(-0.003, 0.12), r.uniform(0, 0.05), math.exp(r.uniform(-4.7, 1)))


def border(r):
    """Where the price is about an ulp away from having no time value, or from being the most."""
    model, underlying, strike, t, rate, q, vol = scattered(r)
    x = abs(math.log(underlying / strike) + (0 if model == "black76" else (rate - q) * t))
    if r.random() < 0.3:
        return (model, underlying, strike, t, rate, q, r.uniform(14, 17.5) / math.sqrt(t))
    return (model, underlying, strike, t, rate, q, (x + 1e-9) / r.uniform(3, 10) / math.sqrt(t))


def plane(r):
    """All of (x, s) that has a price: from the centre to the wings, from 1e-13 to 20."""
    x = math.exp(r.uniform(-30, 3))
    h = math.exp(r.uniform(-5, 3.6))
    return ("black76", math.exp(r.choice([-x, x])), 1.0, 1.0, 0.0, 0.0, min(x / h, 60.0))


REGIONS = {"nifty": nifty, "banknifty": banknifty, "expiry_day": expiry_day, "deep": deep,
           "extreme": extreme, "rates": rates, "scale": scale, "atm": atm,
           "atm_forward": atm_forward, "scattered": scattered, "scattered2": scattered,
           "border": border, "border2": border, "plane": plane, "plane2": plane}


def row(region, r):
    model, underlying, strike, t, rate, q, vol = REGIONS[region](r)
    right = r.choice("CP")
    if model == "black76":
        q = 0.0
    mt, mrate, mq = mpf(t), mpf(rate), mpf(rate if model == "black76" else q)
    asset, cash = underlying * exp(-mq * mt), strike * exp(-mrate * mt)
    th = 1 if right == "C" else -1
    x = -abs(log(mpf(underlying) / mpf(strike)) + (mrate - mq) * mt)
    s, size = vol * sqrt(mt), sqrt(asset * cash)
    intrinsic = max(th * (asset - cash), mpf(0))
    most = asset if right == "C" else cash
    price = intrinsic + size * otm(x, s)
    rounded = float(price)
    half_ulp = mpf(math.ulp(rounded)) / 2
    conditioning = half_ulp / (size * vega(x, s) * s)
    exact = ""
    if rounded == 0:
        status = "price_underflows_double"
    elif rounded <= intrinsic:
        status = "price_double_at_or_below_intrinsic"
    elif rounded >= most:
        status = "price_double_at_or_above_maximum"
    else:
        status = "ill_conditioned" if conditioning > 0.01 else "ok"
        solved = solve(x, (rounded - intrinsic) / size, (most - rounded) / size, s)
        exact = mp.nstr(solved / sqrt(mt), 30)
    return [region, model, right, *map(repr, (underlying, strike, t, rate, q, vol, rounded)), exact,
            mp.nstr(conditioning, 5) if exact else "", status]


def main():
    rows, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    r = random.Random(seed)
    names = list(REGIONS)
    print("id,region,model,type,S_or_F,K,T,r,q,sigma,price_double,iv_exact_for_price_double,"
          "iv_rel_per_ulp_of_price,iv_status")
    for i in range(rows):
        print(f"G{seed}-{i}", *row(names[i % len(names)], r), sep=",", flush=True)


main()
