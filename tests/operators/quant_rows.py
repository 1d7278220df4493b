#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rows for quant_rows_test: options with their price and Greeks to 60 digits (mpmath).

    quant_rows.py ROWS [SEED]

A row is model and right as in quant/bsm.h, the six inputs (exact doubles), the results in the
order of struct bsm_greeks, and for each result the sum over the inputs of its change when that
input grows by half an ulp. The formulas are the textbook's, not those of the kernels.
"""
import math
import random
import sys

from mpmath import erfc, exp, log, mp, mpf, pi, sqrt

mp.dps = 60
MERTON, BLACK76 = 1, 2


def cdf(z):
    return erfc(-z / sqrt(mpf(2))) / 2


def density(z):
    return exp(-z * z / 2) / sqrt(2 * pi)


def results(model, th, s, k, t, r, q, vol):
    if model == BLACK76:
        q = r
    carry, df, root_t = r - q, exp(-q * t), sqrt(t)
    asset, cash, sd = s * df, k * exp(-r * t), vol * root_t
    d1 = (log(s / k) + carry * t) / sd + sd / 2
    d2 = d1 - sd
    n1, n2, n = cdf(th * d1), cdf(th * d2), density(d1)
    price = th * (asset * n1 - cash * n2)
    vega, gamma, moved = asset * n * root_t, df * n / (s * sd), 2 * carry * t - d2 * sd
    return [
        price,
        th * df * n1,
        gamma,
        vega,
        -asset * n * vol / (2 * root_t) - th * r * cash * n2 + th * q * asset * n1,
        -t * price if model == BLACK76 else th * t * cash * n2,
        -th * t * asset * n1,
        -df * n * d2 / vol,
        th * q * df * n1 - df * n * moved / (2 * t * sd),
        vega * d1 * d2 / vol,
        vega * (q + carry * d1 / sd - (1 + d1 * d2) / (2 * t)),
        -gamma / s * (d1 / sd + 1),
        gamma * (d1 * d2 - 1) / vol,
        gamma / (2 * t) * (2 * q * t + 1 + d1 * moved / sd),
        -vega / vol**2 * (d1 * d2 * (1 - d1 * d2) + d1**2 + d2**2),
        -th * exp(-r * t) * n2,
        exp(-r * t) * density(d2) / (k * sd),
        n2,
    ]


def spread(r, low, high):
    return math.exp(r.uniform(math.log(low), math.log(high)))


def scattered(r, width=3.0):
    s, t, vol = spread(r, 1, 2e5), spread(r, 1e-5, 15), spread(r, 0.01, 3)
    strike = s * math.exp(r.uniform(-width, width) * vol * math.sqrt(t))
    return s, strike, t, r.uniform(-0.01, 0.12), r.uniform(0, 0.05), vol


def deep(r):
    """Up to where n(d1) underflows, in small and large units."""
    s, strike, *others = scattered(r, 38.0)
    unit = 10.0 ** r.randint(-8, 8)
    return s * unit, strike * unit, *others


def nifty(r):
    return (24212.8, float(r.randrange(21000, 27000, 50)), r.choice([1, 2, 7, 14, 30, 90]) / 365,
            0.065, r.choice([0.0, 0.012]), r.uniform(0.06, 0.4))


def expiry_day(r):
    seconds = r.choice([1, 10, 60, 600, 3600, 22500, 86400])
    return (24212.8, float(r.randrange(24000, 24450, 50)), seconds / 31536000, 0.065, 0.0,
            r.uniform(0.05, 0.6))


def deep_strike(r):
    s = spread(r, 1, 2e5)
    return (s, s * spread(r, 0.1, 10), r.choice([1 / 365, 30 / 365, 1.0]), 0.065, 0.0,
            r.choice([0.1, 0.3, 1.5]))


def extreme_vol(r):
    return (100.0, r.choice([50.0, 99.0, 100.0, 101.0, 200.0, 400.0]),
            r.choice([1 / 365, 0.1, 1.0, 30.0]), 0.03, 0.01,
            r.choice([0.0005, 0.005, 0.05, 5.0, 10.0, 50.0]))


def rates(r):
    return (100.0, r.uniform(70, 140), r.uniform(0.05, 6), r.uniform(-0.05, 0.6),
            r.uniform(0, 0.3), r.uniform(0.1, 0.5))


def scale(r):
    size = 10.0 ** r.uniform(-9, 10)
    return size, size * r.choice([0.5, 1.0, 1.1, 2.0]), 0.5, 0.05, 0.0, 0.7


def at_the_forward(r):
    return (100.0, 100.0, r.choice([1e-6, 0.01, 0.3, 1.0]), 0.04, 0.04,
            r.choice([1e-6, 1e-5, 1e-3, 0.1, 1.0, 3.0]))


def tiny_vol(r):
    s, t = spread(r, 1, 2e5), spread(r, 1e-5, 15)
    rate, q, vol = r.uniform(-0.01, 0.12), r.uniform(0, 0.05), spread(r, 1e-6, 1e-3)
    return s, s * math.exp((rate - q) * t + r.uniform(-6, 6) * vol * math.sqrt(t)), t, rate, q, vol


def tiny_strike(r):
    s, _, t, rate, q, vol = scattered(r)
    return spread(r, 1e-7, 100), 1e-6 * r.uniform(0.5, 2), t, rate, q, vol


def border(r):
    """On both sides of what kernel_ordinary.h calls ordinary, in one of its conditions or more."""
    t, sd = spread(r, 1e-3, 10), spread(r, 1e-3, 0.3)
    x = sd * r.uniform(-8, 8)
    rate, q = r.uniform(-0.03, 0.08), r.uniform(0, 0.05)
    kind = r.randrange(5)
    if kind == 0:
        sd = 0.4 * (1 + r.uniform(-0.1, 0.1))
    elif kind == 1:
        x = r.choice([-2, 2]) * (1 + r.uniform(-0.1, 0.1))
        sd = spread(r, 0.08, 0.5)
    elif kind == 2:
        x = sd * r.uniform(33, 62) * r.choice([-1, 1])
    elif kind == 3:
        rate = r.choice([-0.34, 0.34]) * (1 + r.uniform(-0.1, 0.1)) / t
    else:
        q = 0.34 * (1 + r.uniform(-0.1, 0.1)) / t
    s = spread(r, 1, 2e5)
    return s, s * math.exp((rate - q) * t - x), t, rate, q, sd / math.sqrt(t)


REGIONS = [scattered, deep, nifty, expiry_day, deep_strike, extreme_vol, rates, scale,
           at_the_forward, tiny_vol, tiny_strike, border]


def row(model, th, inputs):
    exact = [mpf(x) for x in inputs]
    values = results(model, th, *exact)
    noise = [mpf(0)] * len(values)
    for i, x in enumerate(inputs):
        moved = list(exact)
        moved[i] += mpf(math.ulp(x)) / 2 if x else 0
        noise = [a + abs(b - c) for a, b, c in zip(noise, results(model, th, *moved), values)]
    text = [mp.nstr(v, 25, min_fixed=1, max_fixed=0) for v in values]
    text += [mp.nstr(v, 6, min_fixed=1, max_fixed=0) for v in noise]
    return f"{model} {th} " + " ".join([*map(repr, inputs), *text])


def main():
    r = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for i in range(int(sys.argv[1])):
        model = r.choice([MERTON, BLACK76])
        inputs = list(REGIONS[i % len(REGIONS)](r))
        if model == BLACK76:
            inputs[4] = 0.0
        print(row(model, r.choice([1, -1]), inputs))


main()
