# SPDX-License-Identifier: Apache-2.0
"""numpy's and scipy's side of `hde bench quant`: asked line by line, answers nanoseconds.

stdin: "options N FORWARD RATE" and N lines "strike t vol price is_call"; "chain N FORWARD-GUESS
RATE T SPOT" and N lines "strike call_bid call_ask put_bid put_ask call_oi put_oi"; then any of
"price REPEAT", "iv REPEAT", "iv_floats REPEAT", "stages REPEAT", "stages_floats REPEAT".
"""
import math
import sys
import time

import numpy as np
import scipy
from scipy.optimize import brentq
from scipy.special import ndtr

STEPS, WIDTH = 40, 0.10  # of the flip grid, as processing/gamma_exposure


def say(*words):
    print(*words, flush=True)


def rows(n):
    return np.array([[float(v) for v in sys.stdin.readline().split()] for _ in range(n)]).T.copy()


def pdf(z):
    return np.exp(-0.5 * z * z) * 0.3989422804014327


def black(F, K, T, r, vol, th):
    """Price and five Greeks of columns."""
    root = np.sqrt(T)
    sd = vol * root
    d1 = np.log(F / K) / sd + 0.5 * sd
    d2 = d1 - sd
    df = np.exp(-r * T)
    n1, n2, density = ndtr(th * d1), ndtr(th * d2), pdf(d1)
    price = th * df * (F * n1 - K * n2)
    return (price, th * df * n1, df * density / (F * sd), F * df * density * root,
            r * price - F * df * density * vol / (2 * root), -T * price)


def by_numpy(vol, F, K, T, r, th):
    """The price of one option by the functions that price columns."""
    sd = vol * np.sqrt(T)
    d1 = np.log(F / K) / sd + 0.5 * sd
    return th * np.exp(-r * T) * (F * ndtr(th * d1) - K * ndtr(th * (d1 - sd)))


def by_floats(vol, F, K, T, r, th):
    """The same by Python's own numbers and functions, which are faster one at a time."""
    sd = vol * math.sqrt(T)
    d1 = math.log(F / K) / sd + 0.5 * sd
    half = 0.7071067811865476 * th
    return 0.5 * th * math.exp(-r * T) * (F * math.erfc(-half * d1) -
                                          K * math.erfc(-half * (d1 - sd)))


def one_iv(model, price, F, K, T, r, th):
    try:
        return brentq(lambda v: model(v, F, K, T, r, th) - price, 1e-3, 5.0)
    except ValueError:
        return np.nan


def price_all(o):
    return black(o["F"], o["K"], o["T"], o["r"], o["vol"], o["th"])


def iv_all(o):
    K, T, price, th = o["K"], o["T"], o["price"], o["th"]
    return [one_iv(by_numpy, price[i], o["F"], K[i], T[i], o["r"], th[i]) for i in range(len(K))]


def iv_floats(o):
    columns = zip(o["price"].tolist(), o["K"].tolist(), o["T"].tolist(), o["th"].tolist())
    return [one_iv(by_floats, price, o["F"], K, T, o["r"], th) for price, K, T, th in columns]


def forward_of(K, call, put, T, r, spot):
    gap = np.abs(call - put)
    at = int(np.nanargmin(gap))
    near = slice(max(at - 8, 0), at + 9)
    y, x = (call - put)[near], K[near]
    good = np.isfinite(y)
    weight = np.maximum(1 - (np.abs(np.arange(len(x)) - (at - near.start)) / 9.0) ** 3, 0) ** 3
    df = np.exp(-r * T)
    forward = y / df + x
    middle = np.average(forward[good], weights=weight[good])
    for _ in range(4):
        spread = 6 * np.median(np.abs(forward[good] - middle)) + 1e-9
        robust = weight * np.maximum(1 - ((forward - middle) / spread) ** 2, 0) ** 2
        if robust[good].sum() > 0:
            middle = np.average(forward[good], weights=robust[good])
    return middle


def side_iv(price, F, K, T, r, th, floats):
    if floats:
        price, K, F = price.tolist(), K.tolist(), float(F)
    model = by_floats if floats else by_numpy
    return np.array([one_iv(model, price[i], F, K[i], T, r, th) for i in range(len(K))])


def stages_floats(c):
    return stages(c, True)


def stages(c, floats=False):
    """clean to reversal for one chain."""
    K, T, r = c["K"], c["T"], c["r"]
    mids = []
    for bid, ask in ((c["cb"], c["ca"]), (c["pb"], c["pa"])):  # clean
        mid = 0.5 * (bid + ask)
        mid[(bid <= 0) | (ask < bid) | (ask - bid > 0.4 * mid)] = np.nan
        mids.append(mid)
    call, put = mids
    F = forward_of(K, call, put, T, r, c["spot"])  # forward
    iv_call = side_iv(call, F, K, T, r, 1, floats)  # iv
    iv_put = side_iv(put, F, K, T, r, -1, floats)
    smile = np.where(K < F, iv_put, iv_call)
    smile = np.where(np.isfinite(smile), smile, np.nanmean(smile))
    greeks_call = black(F, K, T, r, smile, 1)  # greeks, theoretical price
    greeks_put = black(F, K, T, r, smile, -1)
    mispricing = call - greeks_call[0], put - greeks_put[0]
    oi_c, oi_p = c["oc"], c["op"]
    pcr = oi_p.sum() / oi_c.sum()
    pain = ((np.maximum(K[:, None] - K[None, :], 0) * oi_c[None, :]).sum(1) +
            (np.maximum(K[None, :] - K[:, None], 0) * oi_p[None, :]).sum(1))
    max_pain = K[np.argmin(pain)]
    basis = np.log(F / c["spot"]) / T
    x = np.log(K / F)
    atm = np.interp(0, x, smile)
    near = np.abs(x) <= 2 * atm * np.sqrt(T)
    if near.sum() < 5:
        near = np.ones(len(K), bool)
    fit = np.polyfit(x[near], smile[near], 2, w=greeks_call[3][near])
    order = np.argsort(greeks_call[1])
    risk_reversal = (np.interp(0.25, greeks_call[1][order], smile[order]) -
                     np.interp(0.75, greeks_call[1][order], smile[order]))
    otm = np.where(K < F, put, call)  # vix
    k0 = K[K <= F].max()
    dk = np.gradient(K)
    variance = (2 / T * np.nansum(dk / K ** 2 * np.exp(r * T) * otm) - (F / k0 - 1) ** 2 / T)
    gex = greeks_call[2] * oi_c * F * F * 0.01, -greeks_put[2] * oi_p * F * F * 0.01
    grid = F * (1 + WIDTH * np.arange(-STEPS, STEPS + 1) / STEPS)  # flip: price every leg anew
    sd = smile * np.sqrt(T)
    d1 = np.log(grid[:, None] / K[None, :]) / sd + 0.5 * sd
    gamma = np.exp(-r * T) * pdf(d1) / (grid[:, None] * sd)
    total = (gamma * (oi_c - oi_p)[None, :]).sum(1) * grid ** 2
    flips = np.nonzero(np.diff(np.sign(total)))[0]
    ranks = [100 * v / np.nanmax(v) for v in (oi_c, oi_p)]
    move = F * atm * np.sqrt(T)
    levels = sorted([F - move, F + move, K[np.argmax(gex[0])], K[np.argmin(gex[1])],
                     K[np.argmax(oi_c)], K[np.argmax(oi_p)]])
    return (pcr, max_pain, basis, fit, risk_reversal, variance, flips, ranks, levels, mispricing)


def timed(work, subject, repeat):
    start = time.perf_counter_ns()
    for _ in range(repeat):
        work(subject)
    return (time.perf_counter_ns() - start) / repeat


def main():
    options = chain = None
    tasks = {"price": (price_all, "options"), "iv": (iv_all, "options"),
             "iv_floats": (iv_floats, "options"), "stages": (stages, "chain"),
             "stages_floats": (stages_floats, "chain")}
    say("ready", f"numpy {np.__version__}, scipy {scipy.__version__}, "
        f"Python {sys.version.split()[0]}")
    for line in iter(sys.stdin.readline, ""):
        word, *rest = line.split()
        if word == "options":
            n, F, r = int(rest[0]), float(rest[1]), float(rest[2])
            K, T, vol, price, call = rows(n)
            options = dict(F=F, r=r, K=K, T=T, vol=vol, price=price, th=2 * call - 1)
        elif word == "chain":
            n, r, T, spot = int(rest[0]), float(rest[1]), float(rest[2]), float(rest[3])
            K, cb, ca, pb, pa, oc, op = rows(n)
            chain = dict(r=r, T=T, spot=spot, K=K, cb=cb, ca=ca, pb=pb, pa=pa, oc=oc, op=op)
        else:
            work, subject = tasks[word]
            say(timed(work, {"options": options, "chain": chain}[subject], int(rest[0])))


np.seterr(all="ignore")
main()
