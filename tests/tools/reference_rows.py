#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference rows for `hde verify`, made with mpmath at 60 digits, in its two mpmath layouts.

    reference_rows.py options ROWS SEED > options.csv
    reference_rows.py normalised ROWS SEED > normalised.csv

Greeks are the derivatives of the price by Taylor series (mpmath.diff), not formulas, so that a
slip in a formula shows. Inputs are the exact values of doubles.
"""
import math
import random
import sys

from mpmath import diff, erfc, exp, findroot, log, mp, mpf, nstr, pi, sqrt

mp.dps = 60
GREEKS = ("price delta gamma vega theta rho dividend_rho vanna charm vomma veta speed zomma color "
          "ultima dual_delta dual_gamma itm_prob").split()


def cdf(z):
    return erfc(-z / sqrt(mpf(2))) / 2


def pdf(z):
    return exp(-z * z / 2) / sqrt(2 * pi)


def minus(value):
    return None if value is None else -value


class Option:
    def __init__(self, model, right, S, K, T, r, q, vol):
        self.model, self.th = model, 1 if right == "C" else -1
        self.at = [mpf(v) for v in (S, K, T, r, q, vol)]

    def value(self, S, K, T, r, q, vol):
        """Price; q is the carry cost of the underlying: r for Black-76."""
        sd = vol * sqrt(T)
        d1 = log(S / K) / sd + (r - q) * T / sd + sd / 2
        th = self.th
        return th * (S * exp(-q * T) * cdf(th * d1) - K * exp(-r * T) * cdf(th * (d1 - sd)))

    def price(self, S, K, T, r, q, vol):
        return self.value(S, K, T, r, r if self.model == "black76" else q, vol)

    def derivative(self, orders):
        """orders of S, K, T, r, q, vol."""
        which = [i for i, n in enumerate(orders) if n]

        def moved(*x):
            at = list(self.at)
            for i, v in zip(which, x):
                at[i] = v
            return self.price(*at)

        with_digits = mp.dps
        mp.dps = 120
        S, K, T, r, q, vol = self.at
        value = diff(moved, tuple(self.at[i] for i in which), tuple(orders[i] for i in which),
                     h=mpf(10) ** -40)
        mp.dps = with_digits
        return +value if abs(value) > mpf(10) ** -200 else None  # noise of the differences

    def greeks(self):
        black = self.model == "black76"
        S, K, T, r, q, vol = self.at
        sd = vol * sqrt(T)
        d2 = log(S / K) / sd + (0 if black else (r - q) * T) / sd - sd / 2
        d = self.derivative
        return dict(
            price=self.price(*self.at), delta=d((1, 0, 0, 0, 0, 0)), gamma=d((2, 0, 0, 0, 0, 0)),
            vega=d((0, 0, 0, 0, 0, 1)), theta=minus(d((0, 0, 1, 0, 0, 0))), rho=d((0, 0, 0, 1, 0, 0)),
            dividend_rho=None if black else d((0, 0, 0, 0, 1, 0)), vanna=d((1, 0, 0, 0, 0, 1)),
            charm=minus(d((1, 0, 1, 0, 0, 0))), vomma=d((0, 0, 0, 0, 0, 2)), veta=minus(d((0, 0, 1, 0, 0, 1))),
            speed=d((3, 0, 0, 0, 0, 0)), zomma=d((2, 0, 0, 0, 0, 1)), color=minus(d((2, 0, 1, 0, 0, 0))),
            ultima=d((0, 0, 0, 0, 0, 3)), dual_delta=d((0, 1, 0, 0, 0, 0)),
            dual_gamma=d((0, 2, 0, 0, 0, 0)), itm_prob=cdf(self.th * d2))


def implied(option, rounded):
    """(volatility that the rounded price means, relative change for half an ulp, status)."""
    S, K, T, r, q, vol = option.at
    if option.model == "black76":
        q = r
    asset, cash, th = S * exp(-q * T), K * exp(-r * T), option.th
    intrinsic = max(th * (asset - cash), mpf(0))
    if rounded == 0:
        return None, None, "price_underflows_double"
    if rounded <= intrinsic:
        return None, None, "price_double_at_or_below_intrinsic"
    if rounded >= (asset if th > 0 else cash):
        return None, None, "price_double_at_or_above_maximum"
    sd = vol * sqrt(T)
    vega = asset * pdf((log(asset / cash)) / sd + sd / 2) * sqrt(T)
    conditioning = mpf(math.ulp(rounded)) / 2 / (vega * vol)
    status = "ill_conditioned" if conditioning > mpf("0.01") else "ok"
    if status != "ok":
        return None, conditioning, status
    # on the logarithm of what is there beside the intrinsic value, which Newton likes in the wings
    target = log(rounded - intrinsic)
    s = findroot(lambda v: log(option.price(*option.at[:5], v) - intrinsic) - target,
                 (vol, vol * (1 + mpf(10) ** -12)), solver="secant", tol=mpf(10) ** -70, verify=False)
    return s, conditioning, status


def market(r):
    kind = r.randrange(5)
    if kind == 0:
        spot = round(r.uniform(20000, 27000), 2)
        return ("chain", "bsm", spot, float(50 * round(spot * r.uniform(.85, 1.15) / 50)),
                r.randint(1, 90) / 365, .065, r.choice([0., .012]), round(r.uniform(.06, .5), 3))
    if kind == 1:
        forward = round(r.uniform(40000, 60000), 2)
        return ("forward", "black76", forward, float(100 * round(forward * r.uniform(.9, 1.1) / 100)),
                r.randint(1, 60) / 365, .0651, 0., round(r.uniform(.06, .5), 3))
    if kind == 2:
        return ("last_hours", "bsm", 24212.8, float(50 * r.randint(480, 488)),
                r.choice([60, 900, 3600, 22500]) / 31536000, .065, 0., round(r.uniform(.05, .6), 3))
    if kind == 3:
        return ("wide", r.choice(["bsm", "black76"]), 100., r.choice([1., 50., 99.9, 100., 400.]),
                r.choice([1 / 365, 1., 10.]), r.uniform(-.03, .3), r.uniform(0, .1),
                r.choice([.01, .2, 2., 5.]))
    size = 10. ** r.randint(-9, 9)
    return ("scale", "bsm", size, size * r.choice([.5, 1., 2.]), .5, .05, 0., r.choice([.2, .7]))


def cell(value):
    return "" if value is None else nstr(value, 30)


def options(rows, r):
    print("id,region,model,type,S_or_F,K,T,r,q,sigma", *GREEKS, "price_double",
          "iv_exact_for_price_double", "iv_rel_per_ulp_of_price", "iv_status", sep=",")
    for i in range(rows):
        region, model, S, K, T, rate, q, vol = market(r)
        right = r.choice("CP")
        if model == "black76":
            q = 0.
        option = Option(model, right, S, K, T, rate, q, vol)
        greeks = option.greeks()
        rounded = float(greeks["price"])
        iv, conditioning, status = implied(option, rounded)
        print(f"G{i}", region, model, right, *map(repr, (S, K, T, rate, q, vol)),
              *(cell(greeks[g]) for g in GREEKS), repr(rounded), cell(iv),
              cell(conditioning) if iv else "", status, sep=",")


def normalised(rows, r):
    print("id,x,s,b,ln_b,b_double,s_exact_for_b_double,ds_over_s_per_half_ulp_b,status")
    for i in range(rows):
        x = r.choice([0., -1e-10, -1e-3, -.1, -1., -4., -16., -100.])
        s = r.choice([.001, .1, .5, 1., 2., 4.]) * r.uniform(.5, 1.5)
        b_of = lambda s: (exp(mpf(x) / 2) * cdf(x / s + s / 2) - exp(-mpf(x) / 2) * cdf(x / s - s / 2))
        b = b_of(mpf(s))
        rounded = float(b)
        if rounded < 1e-290:
            continue
        conditioning = mpf(math.ulp(rounded)) / 2 / (pdf(x / mpf(s)) * exp(-mpf(s) ** 2 / 8) * s)
        target = log(mpf(rounded))
        exact = findroot(lambda v: log(b_of(v)) - target, (mpf(s), s * (1 + mpf(10) ** -12)),
                         solver="secant", tol=mpf(10) ** -70, verify=False)
        print(f"N{i}", repr(x), repr(s), nstr(b, 30), nstr(log(b), 30), repr(rounded),
              nstr(exact, 30), nstr(conditioning, 5), "ok", sep=",")


{"options": options, "normalised": normalised}[sys.argv[1]](int(sys.argv[2]),
                                                            random.Random(int(sys.argv[3])))
